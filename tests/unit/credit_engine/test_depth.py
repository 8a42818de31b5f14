"""`set_depth`: how much of a collateral liquidations may seize in an hour, and what always may."""

import pytest

from breakwater.host import Reverted
from breakwater.units import DAY, HOUR, MAX_UINT256, WAD, account_id
from tests.market import LIQUIDATE, REPAY, refuses
from tests.unit.credit_engine.test_growth import rounded

LIMIT = "liquidation limit is reached"
PARTS = 2**19
"""What is counted is rounded up to one of so many parts of the depth."""


@pytest.fixture(params=[6, 8, 18])
def weak(new_market, request):
    """100 WETH against 160,000 USDC, at 1,900: what may be seized is worth about 52,800."""
    return weakened(new_market(WETH={"decimals": request.param}))


def weakened(market, accounts=1):
    for number in range(accounts):
        market.deposit("WETH", 100, market.account(number))
        market.borrow("USDC", 160_000, market.account(number))
    market.host.advance(HOUR - market.host.now % HOUR)
    market.refresh()
    market.price("WETH", 1_900)
    return market


def set_depth(market, depth, name="WETH"):
    return market.configurator.set_depth(market.assets[name], depth, sender=market.owner)


def least_above(amount):
    """The least depth that is not below an amount."""
    shift = max(0, amount.bit_length() - 16)
    return -(-amount >> shift) << shift


def lens(market, name="WETH"):
    return market.lens.collateral(market.assets[name])


def preview(market, most=MAX_UINT256, number=0):
    pair = market.assets["USDC"], market.assets["WETH"]
    return market.lens.preview_liquidate(market.account(number), *pair, most)


def test_depth__the_last_unit_and_one_above(weak):
    market = weak
    seized = preview(market).seized
    enough = least_above(seized)
    step = 1 << max(0, enough.bit_length() - 16)
    set_depth(market, enough - step)
    assert lens(market).depth == enough - step
    with refuses(LIMIT):
        market.liquidate("USDC", "WETH")
    with refuses(LIMIT):
        preview(market)
    set_depth(market, enough)
    assert preview(market).seized == seized
    assert market.liquidate("USDC", "WETH").value[1] == seized


def test_depth__just_what_is_left_passes(weak):
    """Slice by slice: each passes whole up to what the lens tells, and not a unit above."""
    market = weak
    market.price("WETH", 1_800)
    set_depth(market, 10 * market.assets["WETH"].unit)
    market.liquidate("USDC", "WETH", 5_000 * 10**6)
    left = lens(market).seizable
    depth, seized = lens(market).depth, 100 * market.assets["WETH"].unit - market.held("WETH")
    assert left == depth * (PARTS - -(-seized * PARTS // depth)) // PARTS
    low, high = 201 * 10**6, 160_000 * 10**6
    while high - low > 1:
        middle = (low + high) // 2
        fits = True
        try:
            assert preview(market, middle).seized <= left
        except Reverted:
            fits = False
        low, high = (middle, high) if fits else (low, middle)
    with refuses(LIMIT):
        market.liquidate("USDC", "WETH", high)
    assert market.liquidate("USDC", "WETH", low).value[1] <= left
    assert lens(market).seizable <= market.assets["WETH"].unit // 10**3
    with refuses(LIMIT):
        market.liquidate("USDC", "WETH", 5_000 * 10**6)


def test_depth__the_hour_ends(new_market):
    market = weakened(new_market())
    set_depth(market, 10 * WAD)
    market.liquidate("USDC", "WETH", 15_000 * 10**6)
    assert lens(market).seizable_until == market.host.now - market.host.now % HOUR + HOUR
    market.host.advance(HOUR - market.host.now % HOUR - 1)
    with refuses(LIMIT):
        market.liquidate("USDC", "WETH", 15_000 * 10**6)
    market.host.advance(1)
    assert lens(market).seizable == lens(market).depth
    market.liquidate("USDC", "WETH", 15_000 * 10**6)
    market.host.advance(3 * DAY)
    market.refresh()
    assert lens(market).seizable == lens(market).depth


def test_depth__a_small_slice_always_passes(new_market):
    """LIVE-3: twice the least debt, whatever was seized before; and it counts."""
    market = weakened(new_market())
    set_depth(market, 1)
    assert rounded(100 * 10**6) <= market.engine.debt_of(market.assets["USDC"])[2]
    least = market.engine.debt_of(market.assets["USDC"])[2]
    with refuses(LIMIT):
        market.liquidate("USDC", "WETH", 2 * least + 1)
    for _ in range(20):
        event = market.liquidate("USDC", "WETH", 2 * least).event("Liquidate")
        assert event.repaid == 2 * least
        assert lens(market).seizable == 0
    with refuses(LIMIT):
        market.liquidate("USDC", "WETH", 2 * least + 1)


def test_depth__small_slices_count(new_market):
    market = weakened(new_market())
    set_depth(market, WAD)
    before = lens(market).seizable
    seized = market.liquidate("USDC", "WETH", 200 * 10**6).value[1]
    assert 0 <= before - lens(market).seizable - seized <= before // PARTS + 1


def test_depth__without_a_least_debt_the_hour_must_end(new_market):
    market = weakened(new_market(min_debt=0))
    set_depth(market, 1)
    with refuses(LIMIT):
        market.liquidate("USDC", "WETH", 10**6)
    set_depth(market, 10 * WAD)
    market.liquidate("USDC", "WETH", 10**6)


def test_depth__a_whole_small_debt_passes(new_market):
    market = new_market()
    market.deposit("WETH", "0.1")
    market.borrow("USDC", 150)
    market.host.advance(12)
    market.price("WETH", 1_750)
    set_depth(market, 1)
    assert market.liquidate("USDC", "WETH").value[1] > 0


def test_depth__what_is_credited_counts(new_market):
    market = weakened(new_market(), 2)
    mine = account_id(market.liquidator)
    seized = preview(market).seized
    set_depth(market, least_above(seized))
    book = market.engine.book_of(market.assets["WETH"])
    market.liquidate("USDC", "WETH", credit=mine)
    assert market.engine.book_of(market.assets["WETH"]) == book
    assert lens(market).seizable < WAD // 100
    for credit in (mine, bytes(32)):
        with refuses(LIMIT):
            market.liquidate("USDC", "WETH", account=market.account(1), credit=credit)


def test_depth__of_all_accounts_together(new_market):
    market = weakened(new_market(), 2)
    market.give("USDC", market.liquidator, 10**12)
    set_depth(market, least_above(preview(market).seized))
    legs = [
        market.leg(
            LIQUIDATE, "USDC", MAX_UINT256, market.account(number),
            receiver=market.liquidator, collateral="WETH",
        )
        for number in (0, 1)
    ]  # fmt: skip
    with refuses(LIMIT):
        market.engine.batch(legs, b"", sender=market.liquidator)
    market.engine.batch(legs[:1], b"", sender=market.liquidator)
    with refuses(LIMIT):
        market.engine.batch(legs[1:], b"", sender=market.liquidator)


def test_depth__a_loss_is_booked_all_the_same(new_market):
    """Under water nothing is held back: of no collateral; but it counts."""
    market = new_market()
    market.deposit("WETH", 100)
    market.deposit("WBTC", 1)
    market.borrow("USDC", 180_000)
    market.deposit("WETH", 100, market.account(1))
    market.borrow("USDC", 130_000, market.account(1))
    market.host.advance(12)
    market.price("WETH", 1_500)
    market.price("WBTC", 20_000)
    set_depth(market, 50 * WAD)
    set_depth(market, 1, "WBTC")
    for name in ("WETH", "WBTC"):
        market.poke(name)
    market.host.advance(700)
    market.refresh()
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert event.bad_debt > 0
    assert market.held("WETH") == market.held("WBTC") == 0
    assert lens(market).seizable == lens(market, "WBTC").seizable == 0
    with refuses(LIMIT):
        market.liquidate("USDC", "WETH", account=market.account(1), max_repay=10_000 * 10**6)


def test_depth__under_water_without_a_loss(new_market):
    """What has no price covers the rest of the debt: nothing is written off, nothing waits."""
    market = new_market()
    set_depth(market, WAD)
    market.deposit("WETH", 10)
    market.deposit("DAI", 5_060)
    market.borrow("USDC", 15_000)
    market.host.advance(DAY)
    market.price("WETH", 1_000)
    market.settle(rounds=30)
    market.break_feed("DAI")
    market.poke("DAI")
    assert preview(market).write_off == 0
    assert preview(market).seized == 10 * WAD
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert (event.bad_debt, event.seized) == (0, 10 * WAD)
    assert lens(market).seizable == 0


def test_depth__only_what_is_seized_counts(new_market):
    """What owners move, withdraw or pay back is nobody's flood."""
    market = new_market()
    set_depth(market, 1)
    market.deposit("WETH", 100)
    market.borrow("USDC", 10_000)
    weth, account = market.assets["WETH"], market.account()
    market.engine.withdraw_collateral(account, weth, WAD, market.borrower, sender=market.borrower)
    market.engine.move_collateral(account, market.account(1), weth, WAD, sender=market.borrower)
    market.give("USDC", market.borrower, 10**12)
    market.engine.batch([market.leg(REPAY, "USDC", 10**9)], b"", sender=market.borrower)
    assert market.engine.book_word(weth) >> 216 == 0


def test_depth__off(new_market):
    market = weakened(new_market())
    assert lens(market)[6:] == (0, MAX_UINT256, 0)
    market.liquidate("USDC", "WETH")
    assert market.engine.book_word(market.assets["WETH"]) >> 192 == 0
    set_depth(market, 1)
    set_depth(market, 0)
    market.price("WETH", 1_800)
    market.liquidate("USDC", "WETH")


def counted(market):
    return market.engine.book_word(market.assets["WETH"]) >> 236


@pytest.mark.parametrize("depth", [10 * WAD, 20 * WAD, 7 * WAD, 2 * WAD, 10**10, MAX_UINT256])
def test_set_depth__what_was_seized_stays_counted(new_market, depth):
    """In parts of the new depth, rounded up: setting it again gives no room, and takes none."""
    market = weakened(new_market())
    before = rounded(10 * WAD)
    set_depth(market, before)
    seized = market.liquidate("USDC", "WETH", 10_000 * 10**6).value[1]
    parts = counted(market)
    assert parts == -(-seized * PARTS // before)
    set_depth(market, depth)
    kept = rounded(depth)
    assert counted(market) == min(-(-parts * before // min(kept, 2**235)), 2**20 - 1)
    if depth < MAX_UINT256:
        assert lens(market).seizable <= max(kept - seized, 0)
    if depth == 10 * WAD:
        assert counted(market) == parts
    market.host.advance(HOUR)
    market.refresh()
    assert lens(market).seizable == kept


def test_set_depth__no_limit_forgets_what_was_seized(new_market):
    market = weakened(new_market())
    set_depth(market, 10 * WAD)
    market.liquidate("USDC", "WETH", 10_000 * 10**6)
    set_depth(market, 0)
    assert counted(market) == 0
    set_depth(market, 10 * WAD)
    assert lens(market).seizable == rounded(10 * WAD)


def test_set_depth__is_recorded(new_market):
    market = new_market()
    for depth in (0, 1, 65_537, 10**24, MAX_UINT256):
        event = set_depth(market, depth).event("SetDepth")
        assert event.args == {"asset": market.assets["WETH"].address, "depth": rounded(depth)}
        assert lens(market).depth == rounded(depth)
    with refuses("ownable: caller is not the owner"):
        market.configurator.set_depth(market.assets["WETH"], 1, sender=market.other)
    with refuses("asset is no collateral"):
        market.configurator.set_depth(market.other, 1, sender=market.owner)


def test_set_depth__no_depth_is_too_large(new_market):
    """The arithmetic holds at the largest depth and the largest seizure."""
    market = weakened(new_market())
    set_depth(market, MAX_UINT256)
    market.liquidate("USDC", "WETH")
    assert market.engine.book_word(market.assets["WETH"]) >> 236 == 1
