"""Pauses of one side, and what happened when they ended: Aave, November 2023, and others, where
payments stood still with everything else and liquidations came back with them.

A market whose payments are stopped and whose liquidations are not takes from borrowers what they
would have paid. One that stops both lets prices run away: the longer it lasts the more is lost. And
when it is over, liquidators come before borrowers.

Here no level stops a payment or a top-up. What stops liquidations is a hold: four hours, and then
an hour in which only those far below are liquidated.
"""

from contextlib import suppress

import pytest

from breakwater.host import Reverted
from breakwater.units import DAY, HOUR, WAD
from tests.incidents.ledger import bug, joined, stripped
from tests.market import refuses

MAINTENANCE = "contracts/modules/maintenance.vy"
HALT = 2

PAYMENTS_STOP = bug(
    "payments_stop",
    "An asset at HALT takes no payments.",
    "CreditEngine",
    "contracts/CreditEngine.vy",
    (
        "    owed: uint256 = legs._amount(words, leg)  # [debt shares]\n"
        "    vault: address = register._vault(word)\n"
        "    assets: uint256 = 0\n",
        "    owed: uint256 = legs._amount(words, leg)  # [debt shares]\n"
        "    if (staticcall register.RISK_ENGINE.quote(asset)).level >= 2:\n"
        '        legs._fail("market is paused")\n'
        "    vault: address = register._vault(word)\n"
        "    assets: uint256 = 0\n",
    ),
)
NO_GRACE = bug(
    "no_grace",
    "A hold ends, and that is all.",
    "RiskEngine",
    MAINTENANCE,
    (
        '        if health_factor >= GRACE_HEALTH:\n            legs._fail("grace after a hold")\n',
        "",
    ),
)
HOLD_WITHOUT_END = bug(
    "hold_without_end",
    "A hold lasts as long as a person likes.",
    "RiskEngine",
    MAINTENANCE,
    ("    if duration != 0:\n        if block.timestamp < start + HOLD_INTERVAL:\n",
     "    if duration != 0:\n        if block.timestamp < start:\n"),
    ("        end = block.timestamp + min(duration, MAX_HOLD)\n",
     "        end = block.timestamp + duration\n"),
)  # fmt: skip

ANY_HOLD = bug(
    "any_hold",
    "",
    "CircuitBreaker",
    "contracts/CircuitBreaker.vy",
    ('    assert duration <= MAX_HOLD, "duration above 4 hours"\n', ""),
)


def indebted(market):
    """100 WETH behind 150,000 dollars, with 20,000 dollars and 50 WETH at hand."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 150_000)
    market.give("USDC", market.borrower, 20_000 * 10**6)
    market.give("WETH", market.borrower, 50 * WAD)
    market.host.advance(12)
    return market


def pay(market):
    market.engine.repay(
        market.account(), market.assets["USDC"], 20_000 * 10**6, sender=market.borrower
    )


def test_payments_stop_and_liquidations_go_on(new_market):
    """As it was: he stands there with the money, and is liquidated."""
    with stripped(PAYMENTS_STOP):
        market = indebted(new_market())
    market.breaker.trip(market.assets["USDC"], HALT, DAY, sender=market.guardian)
    market.price("WETH", 1_790)
    with refuses("market is paused"):
        pay(market)
    assert market.liquidate("USDC", "WETH").event("Liquidate").seized > 0


@pytest.mark.parametrize("halted", ["USDC", "WETH"])
@pytest.mark.parametrize("move", ["pay", "add"])
def test_payments_always_go(market, halted, move):
    """At HALT of either asset he pays, or adds, and nobody liquidates him."""
    indebted(market)
    market.breaker.trip(market.assets[halted], HALT, DAY, sender=market.guardian)
    market.price("WETH", 1_790)
    assert market.health().health_factor < WAD
    if move == "pay":
        pay(market)
    else:
        market.engine.deposit_collateral(
            market.account(), market.assets["WETH"], 20 * WAD, sender=market.borrower
        )
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")


def held(market):
    """A hold of four hours begins, ether falls to a health of 0.97, the hold ends."""
    indebted(market)
    market.breaker.hold(market.assets["WETH"], 4 * HOUR, sender=market.guardian)
    market.price("WETH", 1_753)
    for _ in range(16):
        market.host.advance(900)
        market.refresh()
        market.poke("WETH")


def test_hold_ends_and_that_is_all(new_market):
    """As it was: liquidated in the second in which it ends."""
    with stripped(NO_GRACE):
        market = new_market()
    held(market)
    assert market.liquidate("USDC", "WETH").event("Liquidate").seized > 0


def test_hour_of_grace(market):
    """He has an hour, and is liquidated after it if he does nothing."""
    held(market)
    start = market.host.snapshot()
    for _ in range(2):
        with refuses("grace after a hold"):
            market.liquidate("USDC", "WETH")
        market.host.advance(HOUR - 1 if _ == 0 else 1)
        market.refresh()
    assert market.liquidate("USDC", "WETH").event("Liquidate").seized > 0
    market.host.restore(start)
    pay(market)
    market.host.advance(HOUR)
    market.refresh()
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")


def fall(market, hours):
    """Ether falls by half a percent an hour from a health of 0.99, and liquidators try each hour.
    What lenders lose, in dollars.
    """
    price = 1_790 * 0.995
    for _ in range(hours):
        price *= 0.995
        for _ in range(4):
            market.host.advance(900)
            market.price("WETH", round(price, 2))
            market.refresh()
            market.poke("WETH")
        with suppress(Reverted):
            return market.liquidate("USDC", "WETH").event("Liquidate").bad_debt / 10**6
    return None


def test_long_pause_is_a_loss(new_market):
    """As it was: three days, a third of the price, and 26,500 dollars that nobody owes."""
    with stripped(joined("pause_without_end", HOLD_WITHOUT_END, ANY_HOLD)):
        market = indebted(new_market())
    market.breaker.hold(market.assets["WETH"], 3 * DAY, sender=market.guardian)
    assert fall(market, 80) == pytest.approx(26_500, rel=0.01)


def test_hold_is_short(market):
    """Four hours, an hour of grace, and nothing is lost. There is no longer one, and no second one
    within the week.
    """
    indebted(market)
    for asked in (4 * HOUR + 1, 3 * DAY):
        with refuses("duration above 4 hours"):
            market.breaker.hold(market.assets["WETH"], asked, sender=market.guardian)
    market.breaker.hold(market.assets["WETH"], 4 * HOUR, sender=market.guardian)
    assert fall(market, 6) == 0
    with refuses("hold was less than 7 days ago"):
        market.breaker.hold(market.assets["WETH"], HOUR, sender=market.guardian)
