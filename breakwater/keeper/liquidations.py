"""Which pair of an account, how much of it, and by which way.

OWN CAPITAL takes what the terms give as far as the balance reaches, values it at the oracle's
prices, and keeps what it seized. THE FLASH LIQUIDATOR sells at once, so what it was simulated to
leave is what counts; it is taken where own capital does not pay for the whole of the terms. Either
is simulated before it is sent, and what is refused or does not pay is tried again at half of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from breakwater.ape_host import FailedOnNode
from breakwater.driver import AccountState, FlashLiquidator, Liquidation, Quote, Route
from breakwater.host import Reverted
from breakwater.keeper.routes import Routes
from breakwater.keeper.store import Attempt, Store
from breakwater.units import MAX_UINT256, WAD

NO_CAP = 2**120
"""More than any debt."""

HALVINGS = 4
"""How often what is refused, or does not pay, is tried again with half of it."""

SLACK = 50
"""BPS by which prices may move against own capital between the simulation and the block."""

_BPS = 10_000
_NOT_NOW = ("account is healthy", "risk was raised in this block", "price jump is too recent")
"""Reasons that no other pair and no smaller amount would mend."""

_NO_MONEY, _NO_POOL = "no capital to repay with", "no pool to sell in"


class Deal(NamedTuple):
    """A liquidation that was simulated and pays."""

    account: bytes
    debt: str
    collateral: str
    way: str
    most: int
    """Cap on what is repaid [debt assets]."""
    least: int
    """Least to seize by own capital [collateral], or to be left by a flash [debt assets]."""
    routes: tuple[Route, ...]
    gain: int
    """What it should bring, in USD [WAD]."""


class Liquidator:
    """Looks at one account at a time. `dry`: simulates and sends nothing."""

    def __init__(
        self,
        protocol: Any,
        store: Store,
        sender: str,
        flash: FlashLiquidator | None,
        least_gain: int,
        say: Callable[[str], None],
        dry: bool = False,
    ) -> None:
        """`least_gain` is in USD [WAD]."""
        self._protocol = protocol
        self._store = store
        self._sender = sender
        self._flash = flash
        self._least_gain = least_gain
        self._say = say
        self._dry = dry
        self._approved: set[str] = set()
        tokens = [token.address for token in protocol.tokens.values()]
        self._routes = None if flash is None else Routes(flash, tokens)
        self._quotes: Mapping[str, Quote] = {}
        self.reasons: dict[str, int] = {}
        """Why accounts below maintenance were left alone."""

    def take(self, account: bytes, quotes: Mapping[str, Quote], head: int) -> Deal | None:
        """Liquidate an account if it pays; what was done, or would be."""
        self._quotes = quotes
        state = self._protocol.lens.account(account)
        if state.health.health_factor >= WAD:
            return None
        why = "nothing pays"
        for debt, collateral in self._pairs(state):
            for deal in self._deals(account, debt, collateral):
                if isinstance(deal, str):
                    why = deal
                    if deal in _NOT_NOW:
                        self._leave(why)
                        return None
                elif self._dry or self._send(deal, head):
                    return deal
        self._leave(why)
        return None

    def _leave(self, why: str) -> None:
        self.reasons[why] = self.reasons.get(why, 0) + 1

    def _pairs(self, state: AccountState) -> Iterator[tuple[str, str]]:
        """Symbols of debts and collaterals, the largest debt and the largest collateral first."""

        def value(leg: Any) -> int:
            unit = 10 ** self._decimals(self._protocol.symbol_of(leg.asset))
            return int(leg.amount * leg.price // unit)

        legs = sorted((leg for leg in state.legs if leg.amount), key=value, reverse=True)
        for debt in legs:
            for collateral in legs:
                if debt.is_debt and not collateral.is_debt and debt.price and collateral.price:
                    yield (
                        self._protocol.symbol_of(debt.asset),
                        self._protocol.symbol_of(collateral.asset),
                    )

    # ------------------------------------------------------------ what would pay

    def _deals(self, account: bytes, debt: str, collateral: str) -> Iterator[Deal | str]:
        """Deals of a pair, the best way first; texts say why there is none."""
        try:
            terms = self._preview(account, debt, collateral, NO_CAP)
        except Reverted as error:
            yield error.reason
            return
        cost = terms.repay + terms.fund_fee
        held = self._protocol.tokens[debt].balanceOf(self._sender)
        ways = [self._own] if self._flash is None else [self._own, self._by_flash]
        if held < cost:
            ways.reverse()
        for way in ways:
            most = terms.repay
            for _ in range(HALVINGS + 1):
                deal = way(account, debt, collateral, most, held, terms)
                yield deal
                if most < 2 or deal in (_NO_MONEY, _NO_POOL):
                    break
                most //= 2

    def _own(
        self, account: bytes, debt: str, collateral: str, most: int, held: int, terms: Liquidation
    ) -> Deal | str:
        """With what the keeper holds: never more than that, the fund's part included."""
        cost = terms.repay + terms.fund_fee
        most = min(most, terms.repay * held // cost) if cost else most
        if most == 0 and cost:
            return _NO_MONEY
        try:
            part = self._preview(account, debt, collateral, most)
            if part.repay + part.fund_fee > held:
                return "own capital does not reach"
            gain = -self._value(debt, part.repay + part.fund_fee)
            for asset, amount in zip(part.collaterals, part.amounts, strict=True):
                gain += self._value(self._protocol.symbol_of(asset), amount)
            if gain < self._least_gain:
                return "it does not pay"
            least = part.seized * (_BPS - SLACK) // _BPS
            deal = Deal(account, debt, collateral, "own", most, least, (), gain)
            if not self._dry:
                self._approve(debt)
                self._protocol.credit_engine._try(
                    "liquidate", *self._own_arguments(deal), sender=self._sender
                )
            return deal
        except Reverted as error:
            return error.reason or "reverted without a reason"

    def _by_flash(
        self, account: bytes, debt: str, collateral: str, most: int, held: int, terms: Liquidation
    ) -> Deal | str:
        """Without capital: the best routes for all that would be seized."""
        assert self._flash is not None
        assert self._routes is not None
        if self._quotes[debt].price == 0:
            return "no price to tell the least gain by"
        debt_token = self._protocol.tokens[debt].address
        ways = {
            asset: self._routes.of(asset, debt_token)
            for asset in terms.collaterals
            if asset != debt_token
        }
        chosen = {asset: routes[0] for asset, routes in ways.items() if routes}
        if ways and not chosen:
            return _NO_POOL
        least = self._amount(debt, self._least_gain)
        best, why = -1, _NO_POOL
        trials: list[tuple[str, list[Route]]] = [(asset, ways[asset]) for asset in chosen]
        for asset, candidates in trials or [("", [])]:
            for tried in [{**chosen, asset: one} for one in candidates] or [chosen]:
                arguments = self._flash_arguments(
                    account, debt, collateral, most, tuple(tried.values()), least
                )
                try:
                    left = self._flash._try("liquidate", *arguments, sender=self._sender)
                except Reverted as error:
                    why = error.reason or "reverted without a reason"
                    continue
                if left > best:
                    best, chosen = left, tried
        if best < 0:
            return why
        routes = tuple(chosen.values())
        gain = self._value(debt, best)
        return Deal(account, debt, collateral, "flash", most, least, routes, gain)

    # ------------------------------------------------------------ sending

    def _send(self, deal: Deal, head: int) -> bool:
        """Send what was simulated; False when it is refused after all."""
        number = self._store.begin(
            Attempt(head, deal.account, deal.debt, deal.collateral, deal.way, deal.most)
        )
        try:
            if deal.way == "own":
                receipt = self._protocol.credit_engine.liquidate(
                    *self._own_arguments(deal), sender=self._sender
                )
            else:
                assert self._flash is not None
                receipt = self._flash.liquidate(
                    *self._flash_arguments(
                        deal.account, deal.debt, deal.collateral, deal.most, deal.routes,
                        deal.least,
                    ),
                    sender=self._sender,
                )  # fmt: skip
        except Reverted as error:
            self._store.finish(number, f"refused: {error.reason}")
            self._say(f"refused after it was simulated: {error}")
            return False
        except FailedOnNode:
            self._store.finish(number, "failed")
            self._say("the chain moved between a simulation and its block: nothing was paid")
            return False
        self._store.finish(number, "mined", receipt.txn_hash)
        return True

    def _own_arguments(self, deal: Deal) -> tuple[Any, ...]:
        tokens = self._protocol.tokens
        return (
            deal.account, tokens[deal.debt].address, tokens[deal.collateral].address, deal.most,
            deal.least, self._sender, bytes(32), b"",
        )  # fmt: skip

    def _flash_arguments(
        self, account: bytes, debt: str, collateral: str, most: int, routes: tuple[Route, ...],
        least: int,
    ) -> tuple[Any, ...]:  # fmt: skip
        tokens = self._protocol.tokens
        return account, tokens[debt].address, tokens[collateral].address, most, routes, least

    def _approve(self, debt: str) -> None:
        """Let the vault take payments; once, as only the engine can make it."""
        if debt in self._approved:
            return
        vault, token = self._protocol.vaults[debt], self._protocol.tokens[debt]
        if token.allowance(self._sender, vault) < NO_CAP:
            token.approve(vault, MAX_UINT256, sender=self._sender)
        self._approved.add(debt)

    # ------------------------------------------------------------ figures

    def _preview(self, account: bytes, debt: str, collateral: str, most: int) -> Liquidation:
        tokens = self._protocol.tokens
        found: Liquidation = self._protocol.lens.preview_liquidate(
            account, tokens[debt], tokens[collateral], most
        )
        return found

    def _decimals(self, symbol: str) -> int:
        return int(self._protocol.market.decimals(symbol))

    def _value(self, symbol: str, amount: int) -> int:
        return amount * self._quotes[symbol].price // 10 ** self._decimals(symbol)

    def _amount(self, symbol: str, value: int) -> int:
        return int(value * 10 ** self._decimals(symbol) // self._quotes[symbol].price)
