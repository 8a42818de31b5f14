"""One look at a node: every account that owes something, and the market as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from breakwater.actions.refusals import LEVELS, STATUSES, latched
from breakwater.actions.session import Session
from breakwater.driver import LegState, Quote
from breakwater.keeper.chain import Chain
from breakwater.keeper.store import Store
from breakwater.keeper.watch import Watch
from breakwater.units import MAX_UINT256, WAD
from breakwater.watch.figures import Price, Standing, Systemic, Velocity, standing, systemic
from breakwater.watch.lines import Crossing

ROWS = 20
"""Accounts that a report tells of one by one: the weakest."""

_DEBT = 128
_SETTLED = 3


class Row(NamedTuple):
    """An account that is told of."""

    account: bytes
    health: int
    """[WAD] MAX_UINT256 without debt."""
    leverage: int
    """[WAD] MAX_UINT256 without equity."""
    collateral: int
    """In USD [WAD], as `debt`."""
    debt: int
    depends_on: str
    """Collateral that lifts its health most; "" where there is none that counts."""
    liquidation_price: int
    """Price of that at which health is 1 [WAD]; 0: none, whatever it falls to."""
    price: int
    """Of that, now [WAD]; 0 without a valid one."""


class AssetLine(NamedTuple):
    """An asset, over all accounts, those without debt included. Amounts in token units."""

    symbol: str
    price: int
    """[WAD] 0 without a valid one."""
    collateral: int
    debt: int
    """Interest included."""
    bad_debt: int
    """That was written off since the chain began."""
    level: int
    reasons: tuple[str, ...]
    """Why its level, or its vault's, is above NORMAL."""
    vault_level: int | None
    """None: no vault."""


@dataclass(frozen=True)
class Report:
    """What one look saw."""

    block: int
    now: int
    """The chain's time [unix seconds]."""
    watched: int
    """Accounts that were chosen and owe something."""
    rows: tuple[Row, ...]
    systemic: Systemic
    velocity: int | None
    """Change of total leverage an hour [WAD]; None while there is none to tell."""
    span: int
    """Seconds over which that was seen."""
    assets: tuple[AssetLine, ...]
    crossings: tuple[Crossing, ...] = ()
    standings: Mapping[bytes, Standing] = field(default_factory=dict)
    """Of the accounts that were chosen."""


class Chosen(NamedTuple):
    """Which accounts are watched; all that owe something where nothing is named."""

    owners: frozenset[bytes] = frozenset()
    """Addresses: all of their accounts."""
    accounts: frozenset[bytes] = frozenset()

    def has(self, account: bytes) -> bool:
        """Whether an account is watched."""
        if not self.owners and not self.accounts:
            return True
        return account in self.accounts or account[:20] in self.owners


class Reader:
    """Looks at one market. What it learns of events it keeps in memory, and reads anew each time
    that it is made.
    """

    def __init__(self, chain: Chain, protocol: Any, chosen: Chosen) -> None:
        self._chain = chain
        self._protocol = protocol
        self._chosen = chosen
        self._store = Store(None)
        self._watch = Watch(chain, self._store, protocol, None, "")
        self._session = Session(chain.host, protocol.market, protocol, "")
        self._velocity = Velocity()
        self._ids: dict[int, str] = {}

    @property
    def market(self) -> str:
        """Name of the market and its chain, as no other has it."""
        genesis = self._chain.hash_of(0) or str(self._chain.host.chain_id)
        return f"{genesis}/{self._protocol.credit_engine.address}"

    def look(self) -> Report:
        """One look. Its calls see the node one after the other: a block may come in between."""
        self._watch.went_back()
        self._watch.read()
        lens, engine = self._protocol.lens, self._protocol.credit_engine
        known = set(self._store.debtors())
        accounts = sorted(known | self._chosen.accounts)
        healths = self._chain.health_factors(lens, accounts)
        positions = self._chain.positions(engine, accounts)
        prices = self._prices()
        standings = {
            account: standing(account, health, position, prices)
            for account, health, position in zip(accounts, healths, positions, strict=True)
        }
        if accounts:
            self._store.set_health(
                accounts, [None if one == MAX_UINT256 else one / WAD for one in healths]
            )
        chosen = {key: one for key, one in standings.items() if self._chosen.has(key)}
        owing = [one for one in chosen.values() if one.debt]
        named = [one for one in chosen.values() if not one.debt and self._is_named(one)]
        told = sorted([*owing, *named], key=lambda one: (one.health, one.account))[:ROWS]
        total, now = systemic(standings.values()), self._chain.host.now
        return Report(
            block=self._chain.head(),
            now=now,
            watched=len(owing),
            rows=tuple(self._row(one.account, prices) for one in told),
            systemic=total,
            velocity=self._velocity.add(now, total.leverage),
            span=self._velocity.span,
            assets=tuple(self._asset(symbol) for symbol in self._protocol.tokens),
            standings=chosen,
        )

    def _is_named(self, one: Standing) -> bool:
        return one.account in self._chosen.accounts

    def _prices(self) -> dict[int, Price]:
        """By id: a whole token as a position of its own, once held and once owed."""
        found, risk = {}, self._protocol.risk_engine
        for symbol, token in self._protocol.tokens.items():
            number = risk.id_of(token)
            if number == 0:
                continue  # not listed yet
            self._ids[number] = symbol
            unit = 10 ** self._protocol.market.decimals(symbol)
            both = unit | unit << 104 | number << 208 | (number | _DEBT) << 216
            health = risk.health_of([both, 0, 0, 0])
            found[number] = Price(
                health.collateral_value, health.weighted_collateral, health.debt_value, unit
            )
        return found

    def _row(self, account: bytes, prices: Mapping[int, Price]) -> Row:
        state = self._protocol.lens.account(account)
        weighted = {self._ids[number]: price for number, price in prices.items()}

        def weight(leg: LegState) -> int:
            price = weighted[self._protocol.symbol_of(leg.asset)]
            return leg.amount * price.weighted // price.unit

        held = [leg for leg in state.legs if not leg.is_debt and weight(leg)]
        leg = max(held, key=weight, default=None)
        health = state.health
        return Row(
            account, health.health_factor, state.leverage, health.collateral_value,
            health.debt_value, self._protocol.symbol_of(leg.asset) if leg else "",
            leg.liquidation_price if leg else 0, leg.price if leg else 0,
        )  # fmt: skip

    def _asset(self, symbol: str) -> AssetLine:
        lens, token = self._protocol.lens, self._protocol.tokens[symbol]
        quote = lens.quote(token)
        vault = lens.vault(token) if symbol in self._protocol.vaults else None
        return AssetLine(
            symbol,
            quote.price,
            lens.collateral(token).total,
            vault.debt if vault else 0,
            sum(one.bad_debt for one in self._store.liquidations(ours=False) if one.debt == symbol),
            quote.level,
            tuple(self._reasons(token, quote, vault.level if vault else 0)),
            vault.level if vault else None,
        )

    def _reasons(self, token: Any, quote: Quote, vault_level: int) -> Sequence[str]:
        if quote.level == 0 and vault_level == 0:
            return []
        if quote.level == _SETTLED:
            return ["it has its settlement price for good"]
        prices = [f"its price is {STATUSES[quote.status]}"] if quote.status else []
        return [*prices, *latched(self._session, token)]


def level_name(level: int | None) -> str:
    """Of an asset or a vault; "-" where there is none."""
    return "-" if level is None else LEVELS[level]
