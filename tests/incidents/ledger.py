"""What incidents are judged by: who owns what at true prices, a market outside of the protocol, and
builds of the protocol that lack one safeguard.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from unittest.mock import patch

import pytest
from eth_utils.crypto import keccak

from breakwater import artifacts
from breakwater.contract import Contract
from breakwater.fuzz import planted
from breakwater.fuzz.planted import Bug
from breakwater.host import Receipt, interface_of
from breakwater.mocks import FlashBorrowerMock
from tests.market import Market

Number = int | float | str | Fraction

FLASH_CALLBACK = keccak(text="ERC3156FlashBorrower.onFlashLoan")


class Ledger:
    """Dollars at the prices that a test calls true, whatever feeds say; of whole tokens."""

    def __init__(self, market: Market, **true: Number) -> None:
        self.on = market
        self.true = {name: asset.dollars[0] for name, asset in market.assets.items()}
        self.true.update({name: Fraction(str(dollars)) for name, dollars in true.items()})

    def of(self, account: bytes) -> tuple[Fraction, Fraction]:
        """Collateral and debt of an account."""
        sums = [Fraction(0), Fraction(0)]
        for leg in self.on.legs(account):
            value = Fraction(leg.amount, self.on.assets[leg.asset].unit) * self.true[leg.asset]
            sums[leg.is_debt] += value
        return sums[0], sums[1]

    def worth(self, who: str, *accounts: bytes) -> float:
        """Tokens of `who`, and of each account what is left after its debt: nobody has to pay more
        than he posted.
        """
        total = sum(
            Fraction(self.on.tokens(name, who), self.on.assets[name].unit) * self.true[name]
            for name in self.on.assets
        )
        for account in accounts:
            collateral, debt = self.of(account)
            total += max(collateral - debt, Fraction(0))
        return float(total)

    def lenders(self, *accounts: bytes) -> float:
        """What vaults hold, and what the accounts, all that owe, can pay of their debts."""
        total = Fraction(0)
        for name, asset in self.on.assets.items():
            if hasattr(asset, "vault"):
                total += Fraction(asset.vault.cash(), asset.unit) * self.true[name]
        return float(total + sum(min(self.of(account)) for account in accounts))


class Exchange:
    """Where a token is traded for USDC outside of the protocol: x·y = k, 0.3 % a trade. After each
    trade the feed of `told` says `quote` of the exchange, its spot if nothing else is given.
    """

    def __init__(
        self,
        market: Market,
        name: str,
        dollars: int,
        told: str | None = None,
        quote: Callable[[Exchange], Fraction] | None = None,
    ) -> None:
        """`dollars` lie on each side."""
        self.on, self.name, self.told = market, name, told or name
        self.dollars = Fraction(dollars)
        self.tokens = self.dollars / market.assets[name].dollars[0]
        self.quote = quote or (lambda exchange: exchange.spot)

    @property
    def spot(self) -> Fraction:
        """Dollars for a token."""
        return self.dollars / self.tokens

    def buy(self, who: str, dollars: Number) -> Fraction:
        """Tokens for dollars; how many."""
        paid = Fraction(dollars)
        counted = paid * Fraction(997, 1_000)
        bought = self.tokens * counted / (self.dollars + counted)
        self.tokens -= bought
        self.dollars += paid
        self._pay(who, "USDC", paid, self.name, bought)
        return bought

    def sell(self, who: str, whole: Number) -> Fraction:
        """Dollars for tokens; how many."""
        paid = Fraction(whole)
        counted = paid * Fraction(997, 1_000)
        fetched = self.dollars * counted / (self.tokens + counted)
        self.dollars -= fetched
        self.tokens += paid
        self._pay(who, self.name, paid, "USDC", fetched)
        return fetched

    def pump(self, who: str, times: Number) -> Fraction:
        """Buy until the spot is so many times what it was; how many tokens."""
        root = Fraction(float(times) ** 0.5).limit_denominator(10**9)
        return self.buy(who, self.dollars * (root - 1) / Fraction(997, 1_000))

    def _pay(self, who: str, gives: str, paid: Fraction, gets: str, bought: Fraction) -> None:
        given, got = self.on.assets[gives], self.on.assets[gets]
        given.token.burn(who, given.units(paid), sender=who)
        self.on.give(gets, who, got.units(bought))
        self.on.price(self.told, self.quote(self))


def put(market: Market, who: str, name: str, whole: Number, number: int = 0) -> bytes:
    """Collateral out of the wallet of `who` into an account of his."""
    asset = market.assets[name]
    account = market.account(number, who)
    asset.token.approve(market.engine, 2**256 - 1, sender=who)
    market.engine.deposit_collateral(account, asset, asset.units(whole), sender=who)
    return account


def take(market: Market, who: str, name: str, whole: Number, number: int = 0) -> bytes:
    """A loan on that account, to `who`."""
    asset = market.assets[name]
    account = market.account(number, who)
    market.engine.borrow(account, asset, asset.units(whole), who, sender=who)
    return account


def bug(name: str, what: str, contract: str, path: str, *changes: tuple[str, str]) -> Bug:
    """A change of one file, as pairs of old lines and new ones."""
    hunks = "".join(
        f"@@ -1,{old.count(chr(10))} +1,{new.count(chr(10))} @@\n"
        + "".join(f"-{line}\n" for line in old.splitlines())
        + "".join(f"+{line}\n" for line in new.splitlines())
        for old, new in changes
    )
    return Bug(name, what, "", "", (contract,), f"--- a/{path}\n+++ b/{path}\n{hunks}")


def joined(name: str, *bugs: Bug | str) -> Bug:
    """Several safeguards less at once."""
    found = [planted.load(one) if isinstance(one, str) else one for one in bugs]
    contracts = tuple(dict.fromkeys(contract for one in found for contract in one.contracts))
    what = " ".join(one.what for one in found)
    return Bug(name, what, "", "", contracts, "".join(one.diff for one in found))


SPOT_BELIEVED = bug(
    "spot_believed",
    "New risk counts every asset at its price of now.",
    "RiskEngine",
    "contracts/modules/initial_margin.vy",
    (
        "        value: uint256 = asset_config._value_up("
        "word & legs.MAX_AMOUNT, max(high, average), rule)\n",
        "        value: uint256 = asset_config._value_up(word & legs.MAX_AMOUNT, price, rule)\n",
    ),
    (
        "        value: uint256 = asset_config._value_down("
        "word & legs.MAX_AMOUNT, min(low, average), rule)\n",
        "        value: uint256 = asset_config._value_down(word & legs.MAX_AMOUNT, price, rule)\n",
    ),
)

JUMP_BELIEVED = bug(
    "jump_believed",
    "Liquidations count every asset at its price of now.",
    "RiskEngine",
    "contracts/modules/price_oracle.vy",
    (
        "    if status == price_words.VALID:\n        return high, low, volatility, True\n",
        "    if status <= price_words.JUMP:\n        return high, low, volatility, True\n",
    ),
)

ALWAYS_STANDARD = bug(
    "always_standard",
    "An account that cannot pay is liquidated like any other.",
    "RiskEngine",
    "contracts/modules/maintenance.vy",
    (
        "    return unsafe_mul(health.collateral_value, WAD) <= unsafe_mul(\n"
        "        health.debt_value, unsafe_add(WAD, tip)\n"
        "    )\n",
        "    return health.collateral_value * WAD < 0\n",
    ),
    (
        "        unsafe_mul(valuation.health.collateral_value, WAD)"
        " // valuation.health.debt_value, WAD\n",
        "        max(\n"
        "            unsafe_mul(valuation.health.collateral_value, WAD)\n"
        "            // valuation.health.debt_value,\n"
        "            WAD,\n"
        "        ),\n"
        "        WAD,\n",
    ),
)

MAINTENANCE_IS_ENOUGH = bug(
    "maintenance_is_enough",
    "A withdrawal asks for maintenance, not for the initial margin.",
    "CreditEngine",
    "contracts/CreditEngine.vy",
    (
        "        assert staticcall register.RISK_ENGINE"
        ".check_initial(register._position(after), id)\n"
        "    log ICreditEngine.WithdrawCollateral(\n",
        "        assert (staticcall register.RISK_ENGINE"
        ".health_of(register._position(after))).health_factor >= 10**18\n"
        "    log ICreditEngine.WithdrawCollateral(\n",
    ),
)


class Hand:
    """A contract of an attacker: it owns accounts, and a token's hook, a flash loan or a
    liquidation calls it back.
    """

    def __init__(self, market: Market) -> None:
        self.on = market
        self.mock = FlashBorrowerMock.deploy(market.host, sender=market.owner)
        self.address = self.mock.address
        self.account = market.account(0, self.address)
        for asset in market.assets.values():
            for spender in [market.engine, *([asset.vault] if hasattr(asset, "vault") else [])]:
                self.call(asset.token, "approve", spender.address, 2**256 - 1)

    def data(self, target: Contract, function: str, *args: object) -> bytes:
        """Calldata of a function of `target`."""
        return interface_of(target.NAME).function(function, len(args)).encode(list(args))

    def call(self, target: Contract, function: str, *args: object) -> Receipt:
        """Call as this contract."""
        data = self.data(target, function, *args)
        return self.mock.execute(target, data, sender=self.on.owner)

    def through(self, target: Contract, function: str, *args: object) -> bytes:
        """Calldata with which anybody, as a token's hook, makes this contract call `target`."""
        return self.data(self.mock, "execute", target.address, self.data(target, function, *args))

    def when_called(self, *calls: tuple[Contract, str, *tuple[object, ...]]) -> None:
        """What it does in a callback: target, function, arguments; each may fail."""
        plan = [
            (target.address, self.data(target, function, *args), False)
            for target, function, *args in calls
        ]
        self.mock.set_calls(plan, FLASH_CALLBACK, sender=self.on.owner)


@contextmanager
def stripped(lacks: Bug | str) -> Iterator[None]:
    """What is deployed inside lacks a safeguard; a name is that of a bug of tests/planted. Where
    lines are counted the test is skipped: they are not those of the contracts.
    """
    if os.environ.get("BREAKWATER_COVERAGE"):
        pytest.skip("lines are counted, and this build has others")
    lacks = planted.load(lacks) if isinstance(lacks, str) else lacks
    build = planted.compiler(lacks)
    with patch.dict(artifacts._replaced, {name: build(name) for name in lacks.contracts}):
        yield
