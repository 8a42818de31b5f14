"""One wrong print, one poke, then a silent feed: the print counted until the feed spoke again."""

from breakwater.units import WAD
from tests.market import refuses


def print_and_silence(market, dollars):
    """Seen once, a jump is not believed; nor is it when nothing is seen after it."""
    market.host.advance(12)
    market.price("WETH", dollars)
    market.poke("WETH")
    for silence in (False, True):
        if silence:
            market.host.advance(12)
            market.break_feed("WETH")
        with refuses("account is healthy"):
            market.liquidate("USDC", "DAI")


def test_print_of_a_debt(market):
    """A loss was booked on an account that owed two thirds of what it had."""
    market.deposit("DAI", 100_000)
    market.borrow("USDC", 35_000)
    market.borrow("WETH", 17)
    print_and_silence(market, 16_000)


def test_print_of_a_collateral(market):
    """The same with a print that is too low."""
    market.deposit("WETH", 40)
    market.deposit("DAI", 50_000)
    market.borrow("USDC", 90_000)
    print_and_silence(market, 700)
    position = market.engine.position_of(market.account())
    assert market.risk.health_of(position).health_factor > WAD


def test_print_opens_no_cap(market):
    """Nor does such a print of a debt make room above a cap."""
    weth = market.assets["WETH"]
    market.deposit("WETH", 1)
    market.deposit("DAI", 100_000)
    market.configurator.set_cap(weth, 0, sender=market.owner)
    market.borrow("WETH", 30)
    market.borrow("USDC", 1_000)
    market.host.advance(12)
    market.price("USDC", 100)
    market.poke("USDC")
    market.host.advance(12)
    market.break_feed("USDC")
    market.give("WETH", market.borrower, WAD)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), weth, WAD, sender=market.borrower)
