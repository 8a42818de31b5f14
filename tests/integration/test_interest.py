"""SOLV-4: interest of a vault against exact arithmetic, however often and in whatever units.

Expected values come from the exponential to sixty digits, never from the contract. Rates are pinned
by the configuration (no adjustment, one height on the whole curve), so that growth has one exact
value.
"""

from __future__ import annotations

import random
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest

from breakwater.driver import InsuranceFund, LendingVault, VaultConfig
from breakwater.evm import EvmHost
from breakwater.mocks import TokenMock
from breakwater.model.vault_books import packed
from breakwater.units import BPS, DAY, HOUR, MAX_UINT256, RAY, WAD, YEAR

FLAT = VaultConfig(
    reserve_factor=1_000,
    target_utilization=9_900,
    steepness=10_000,
    adjustment_speed=0,
    initial_rate=400,
    min_rate=400,
    max_rate=400,
    flash_fee=0,
    min_adaptive_debt=0,
    deposit_cap=2**103,
    debt_cap=2**103,
    limit_floor=0,
    outflow_limit=0,
    growth_limit=0,
)
"""One rate, 4 % a year, at every utilization below the target."""

SPANS = (1, 12, HOUR, DAY, 30 * DAY, YEAR, 5 * YEAR)
RATES = (1, 400, 5_000, 20_000)
SERIES = Fraction(1, 100)
"""What interest may be short of exact (see docs/specification.md, Interest)."""


class Market:
    """A vault with one debt; the engine is a plain account."""

    def __init__(self, decimals: int, debt: int, cash: int, config: VaultConfig = FLAT) -> None:
        self.host = host = EvmHost()
        self.engine = host.account("engine")
        self.anyone = host.account("anyone")
        owner = host.account("owner")
        token = TokenMock.deploy(host, "Token", "TKN", decimals, sender=owner)
        breaker = host.account("breaker")
        self.vault = LendingVault.deploy(
            host, token, self.engine, breaker, "Vault", "bTKN", owner, sender=owner
        )
        self.fund = InsuranceFund.deploy(host, self.vault, "Fund", "fTKN", sender=owner)
        token.mint(owner, 2**100, sender=owner)
        token.approve(self.vault, MAX_UINT256, sender=owner)
        self.vault.open(self.fund, cash + debt, packed(config), 0, sender=owner)
        self.shares = self.vault.lend(debt, self.anyone, sender=self.engine).value
        self.first = self.vault.debt_index()
        self.last = self.first
        self.rate = self.vault.borrow_rate()
        self.start = host.snapshot()  # while one lives, the host keeps its journal as it is

    def poke(self, seconds: int, function: str = "accrue") -> Any:
        """`seconds` later, whoever calls. The index never falls."""
        self.host.advance(seconds)
        receipt = getattr(self.vault, function)(sender=self.anyone)
        index = receipt.value if function == "accrue" else self.vault.debt_index()
        assert index >= self.last, "SOLV-4: an index never falls"
        self.last = index
        return receipt

    def growth(self) -> Fraction:
        return Fraction(self.last, self.first)

    def owed(self) -> int:
        """Debt in assets, as the engine rounds it: up."""
        return -(-self.shares * self.last // RAY)


def exp(x: Fraction) -> Fraction:
    """e to the x, exact to sixty digits."""
    with localcontext(prec=80):
        return Fraction((Decimal(x.numerator) / Decimal(x.denominator)).exp())


def per_second(bps: int) -> int:
    """A rate per year as vaults keep it [WAD a second]."""
    return bps * WAD // BPS // YEAR


def check_growth(market: Market, rate: int, elapsed: int, pokes: int) -> None:
    """Interest is at most exact, and short of it by the series and by the rounding of each poke."""
    exact = exp(Fraction(rate * elapsed, WAD))
    assert market.growth() <= exact, "SOLV-4: growth is at most exp(rate * time)"
    lost = (exact - 1) * SERIES + pokes * Fraction(2, RAY) * exact
    assert market.growth() - 1 >= exact - 1 - lost


@pytest.mark.parametrize("decimals", [6, 8, 18])
@pytest.mark.parametrize("bps", RATES)
@pytest.mark.parametrize("elapsed", SPANS)
def test_growth__poked_once(decimals: int, bps: int, elapsed: int) -> None:
    config = FLAT._replace(initial_rate=bps, min_rate=bps, max_rate=bps)
    debt = 1_000 * 10**decimals
    market = Market(decimals, debt, 10**8 * 10**decimals, config)
    market.poke(elapsed)
    assert market.rate == per_second(bps)
    check_growth(market, market.rate, elapsed, 1)
    exact = debt * exp(Fraction(market.rate * elapsed, WAD))
    assert market.owed() >= debt
    assert -(exact - debt) * SERIES <= market.owed() - exact <= 2


@pytest.mark.parametrize("decimals", [6, 8, 18])
@pytest.mark.parametrize(
    ("step", "pokes", "bps"),
    [(12, 7_200, 400), (12, 7_200, 20_000), (HOUR, 5 * 365 * 24, 400), (1, 1_000, 1)],
    ids=["a day of blocks", "a day of blocks at 200 %", "five years of hours", "seconds at 0.01 %"],
)
def test_growth__poked_often(decimals: int, step: int, pokes: int, bps: int) -> None:
    """Frequent pokes lose nothing: less than one part in a billion of the interest."""
    config = FLAT._replace(initial_rate=bps, min_rate=bps, max_rate=bps)
    unit = 10**decimals
    market = Market(decimals, 1_000 * unit, 10**8 * unit, config)
    for _ in range(pokes):
        market.poke(step)
    check_growth(market, market.rate, step * pokes, pokes)
    exact = exp(Fraction(market.rate * step * pokes, WAD))
    assert exact - market.growth() <= (exact - 1) / 10**9
    assert market.vault.borrow_rate() == market.rate


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_growth__is_the_same_in_one_step_and_in_many(decimals: int) -> None:
    """Nobody gains by poking, or by not poking: 5 years of days against one call."""
    unit = 10**decimals
    often, once = (Market(decimals, 1_000 * unit, 10**8 * unit) for _ in range(2))
    for _ in range(5 * 365):
        often.poke(DAY)
    once.poke(5 * YEAR)
    assert once.growth() <= often.growth()
    assert (often.growth() - once.growth()) / (often.growth() - 1) < Fraction(1, 1_000)


@pytest.mark.parametrize("decimals", [6, 8, 18])
@pytest.mark.parametrize("debt", [1, 7, 10**6])
def test_growth__of_a_tiny_debt(decimals: int, debt: int) -> None:
    """A few units of the token still owe their interest: the index knows no units."""
    market = Market(decimals, debt, 10**3 * 10**decimals)
    for _ in range(365):
        market.poke(DAY)
    exact = debt * exp(Fraction(market.rate * YEAR, WAD))
    assert exact - 1 < market.owed() < exact + 2


def test_growth__takes_time() -> None:
    market = Market(6, 10**9, 10**9)
    market.poke(HOUR)
    index, price = market.last, market.vault.convertToAssets(10**12)
    for function in ("accrue", "settle_fee", "accrue"):
        market.poke(0, function)
        assert market.last == index, "SOLV-4: zero time is zero growth"
    assert market.vault.convertToAssets(10**12) == price


@pytest.mark.parametrize("seed", range(6))
def test_growth__never_exceeds_the_highest_rate(seed: int) -> None:
    """With an adaptive curve at its steepest, all lent out, and pokes at any times."""
    rng = random.Random(seed)
    config = FLAT._replace(
        target_utilization=9_000,
        steepness=100_000,
        adjustment_speed=rng.choice((0, 500_000, 1_000_000)),
        initial_rate=400,
        min_rate=1,
        max_rate=20_000,
    )
    market = Market(18, 10**21, rng.choice((0, 10**19)), config)
    highest, elapsed = per_second(20_000) * 10, 0
    lowest = market.rate if config.adjustment_speed == 0 else 0
    for _ in range(300):
        step = rng.choice((0, 1, 12, HOUR, DAY))
        elapsed += step
        market.poke(step)
        assert market.vault.borrow_rate() <= highest
        assert market.growth() <= exp(Fraction(highest * elapsed, WAD))
        # the utilization only rises, and with it the rate
        least = exp(Fraction(lowest * elapsed, WAD)) - 1
        assert market.growth() - 1 >= least * (1 - SERIES)


@pytest.mark.parametrize("function", ["accrue", "settle_fee"])
@pytest.mark.parametrize(
    ("decimals", "debt"), [(6, 10**6), (6, 10 * 10**6), (6, 10**9), (8, 10**8), (18, 10**18)]
)
def test_fees__lose_nothing_by_frequent_pokes(decimals: int, debt: int, function: str) -> None:
    """A block's fee is a small part of a unit; a day's fees are all there."""
    market = Market(decimals, debt, 10**3 * 10**decimals)
    before = market.vault.debt_assets() + market.vault.cash()
    settled = 0
    for _ in range(7_200):
        receipt = market.poke(12, function)
        settled += sum(log.assets for log in receipt.events("SettleFee"))
    interest = debt * (exp(Fraction(market.rate * DAY, WAD)) - 1)
    gain = market.vault.debt_assets() + market.vault.cash() - before
    assert interest - 2 <= gain <= interest + 1
    fee = Fraction(FLAT.reserve_factor * gain, BPS)
    assert fee - 1 < settled + market.vault.fee_owed() <= fee


def test_fees__are_the_fund_s_and_nobody_else_s() -> None:
    """What the fund holds is its seed's part of the rest, and the fee: settled often, or once."""
    worth = []
    for step in (HOUR, 30 * DAY):
        market = Market(6, 10**12, 10**12)
        for _ in range(30 * DAY // step):
            market.poke(step, "settle_fee")
        market.poke(0, "settle_fee")
        vault = market.vault
        worth.append(vault.convertToAssets(vault.balanceOf(market.fund.address)))
        # nobody else holds shares: the fund's are worth all there is, but for the virtual ones
        total = vault.debt_assets() + vault.cash()
        assert total - 3 <= worth[-1] <= total
    assert abs(worth[0] - worth[1]) <= worth[0] // 10**9
