"""What the engine lets nobody bring to a new account: a little of it beside what is bought."""

import pytest

from breakwater.units import DAY, WAD
from tests.backstop import Backstop
from tests.market import Market, refuses

UNIT = 10**6
HOLD = 4 * 3_600


@pytest.fixture
def beside(market: Market) -> Backstop:
    """400,000 USDC against 300 WETH at 1,200 and 50 dollars of WBTC: under water."""
    backstop = Backstop(market)
    market.deposit("WETH", 300)
    market.deposit("WBTC", "0.001")
    market.borrow("USDC", 400_000)
    backstop.stand(first=60_000 * UNIT, second=30_000 * UNIT)
    market.price("WETH", 1_200)
    market.settle("WETH", rounds=12)
    backstop.window()
    return backstop


def hold(backstop: Backstop) -> None:
    market = backstop.market
    market.breaker.hold(market.assets["WBTC"], HOLD, sender=market.guardian)


def end(backstop: Backstop) -> None:
    market = backstop.market
    market.poke("WBTC")
    asset = market.assets["WBTC"]
    market.configurator.announce_settlement(asset, 50_000 * WAD, sender=market.owner)
    market.host.advance(DAY)
    market.refresh()
    market.poke("WBTC")
    market.configurator.settle(asset, sender=market.owner)


def kept(backstop: Backstop, name: str) -> tuple[int, int]:
    """Where it was received, and on its shelf."""
    market, prefix = backstop.market, bytes.fromhex(backstop.pool.address[2:])
    id = market.assets[name].id
    return market.held(name, prefix + bytes(12)), market.held(name, prefix + id.to_bytes(12, "big"))


def taken(receipt, asset) -> tuple[int, int]:
    (event,) = (one for one in receipt.events("Take") if one.asset == asset.address)
    return event.amount, event.reward


@pytest.mark.parametrize("why", [hold, end])
def test_buy__leaves_it_where_it_was_received(beside, why):
    """Shared out all the same, exactly, and claimed from there while nothing has changed."""
    market = beside.market
    why(beside)
    beside.mark()
    terms = beside.terms()
    receipt = beside.buy()
    amount, reward = taken(receipt, market.assets["WBTC"])
    assert amount == terms.seize["WBTC"] > 1_000
    assert kept(beside, "WBTC") == (amount, 0)
    assert kept(beside, "WETH") == (0, terms.seize["WETH"])
    # 1 % is the tip: less for what counts for nothing, so no more than half of the gain
    value = terms.seize["WETH"] * 1_200
    part = min(25 * 10**14, (value - receipt.value * 10**12) * WAD // (2 * value))
    assert reward == amount * part // WAD
    assert beside.earned("first", "WBTC") == (amount - reward) * 2 // 3
    claims = beside.claim("first", "WBTC") + beside.claim("second", "WBTC")
    caller = market.other
    assert beside.pool.claim(market.assets["WBTC"], caller, sender=caller).value == reward
    assert 0 <= amount - reward - claims <= 2
    assert kept(beside, "WBTC") == (amount - reward - claims, 0)


def test_buy__puts_it_away_once_it_may(beside):
    """After the hold, with the next purchase; a claim takes from both places, others stay whole."""
    market = beside.market
    hold(beside)
    beside.mark()
    first, _ = taken(beside.buy(max_repay=2_000 * UNIT), market.assets["WBTC"])
    second, _ = taken(beside.buy(max_repay=1_000 * UNIT), market.assets["WBTC"])
    assert kept(beside, "WBTC") == (first + second, 0)
    market.breaker.hold(market.assets["WBTC"], 0, sender=market.guardian)
    beside.window(2)
    beside.mark()
    third, _ = taken(beside.buy(max_repay=1_000 * UNIT), market.assets["WBTC"])
    assert kept(beside, "WBTC") == (0, first + second + third)
    end(beside)
    beside.window()
    beside.mark()
    fourth, _ = taken(beside.buy(max_repay=1_000 * UNIT), market.assets["WBTC"])
    total = first + second + third + fourth
    assert kept(beside, "WBTC") == (fourth, total - fourth)
    owed = beside.earned("first", "WBTC")
    assert owed > fourth
    assert beside.claim("first", "WBTC") == owed
    assert kept(beside, "WBTC") == (0, total - owed)
    more = beside.earned("second", "WBTC")
    assert beside.claim("second", "WBTC") == more
    assert kept(beside, "WBTC") == (0, total - owed - more)


def test_buy__a_gift_to_what_is_left_is_nobodys(beside):
    """Anyone may add to a leg that is there: it raises no claim and no reward."""
    market = beside.market
    hold(beside)
    beside.mark()
    first, _ = taken(beside.buy(max_repay=1_000 * UNIT), market.assets["WBTC"])
    inbox = bytes.fromhex(beside.pool.address[2:]) + bytes(12)
    market.deposit("WBTC", 1, inbox)
    claims = beside.earned("first", "WBTC"), beside.earned("second", "WBTC")
    terms = beside.terms()
    assert taken(beside.buy(), market.assets["WBTC"])[0] == terms.seize["WBTC"]
    assert kept(beside, "WBTC") == (first + terms.seize["WBTC"] + 10**8, 0)
    assert beside.earned("first", "WBTC") - claims[0] <= terms.seize["WBTC"]


def test_buy__not_where_too_much_of_it_counts_for_nothing(market):
    """Half of what is seized is settled at twice what it is worth."""
    backstop = Backstop(market)
    market.deposit("WETH", 60)
    market.deposit("WBTC", "1.2")
    market.borrow("USDC", 90_000)
    backstop.stand(first=10**11)
    end(backstop)
    market.price("WETH", 500)
    market.settle("WETH", rounds=40)
    backstop.window()
    backstop.mark()
    assert backstop.terms().under_water
    with refuses("worth less than it costs"):
        backstop.buy()


def test_buy__not_of_a_settled_debt(market):
    """Its price has ended, the pool's money has not; it can be taken out."""
    backstop = Backstop(market, "WETH")
    market.deposit("WBTC", "0.6")
    market.borrow("WETH", 10)
    backstop.stand(first=10 * 10**18)
    market.poke("WETH")
    asset = market.assets["WETH"]
    market.configurator.announce_settlement(asset, 2_000 * WAD, sender=market.owner)
    market.host.advance(DAY)
    market.refresh()
    market.poke("WETH")
    market.price("WBTC", 30_000)
    market.settle("WBTC", rounds=12)
    backstop.mark()
    backstop.buy("WBTC", max_repay=10**17)
    market.configurator.settle(asset, sender=market.owner)
    with refuses("asset is settled"):
        backstop.buy("WBTC", max_repay=10**17)
    assert backstop.withdraw("first") > 9 * 10**18
