"""After genesis an owner loosens in steps, a steward in smaller ones (GATE-1)."""

import pytest

from breakwater.units import DAY, WAD
from tests.market import NEW_LIMIT, ZERO, refuses

INTERVAL = 3 * DAY
CAP, BORROW_LTV, LIQUIDATION_LTV, MIN_DEBT, MAX_PRICE, STEWARD, GROWTH, DEPTH = range(8)


@pytest.fixture
def low(new_market):
    """Genesis is over, with room above: a cap of 1,181 WETH, 70 % of borrow_ltv."""
    market = new_market(WETH={"cap": 2**70, "borrow_ltv": 7_000})
    market.configurator.seal(sender=market.owner)
    return market


def cap_of(market, name="WETH"):
    return market.engine.book_of(market.assets[name])[2]


def ltv_of(market, name="WETH"):
    return market.lens.config_of(market.assets[name]).borrow_ltv


def again(market, call, *args, lane):
    """Refused until its interval is over, to the second."""
    weth = market.assets["WETH"]
    assert market.configurator.next_step(weth, lane) == market.host.now + INTERVAL
    market.host.advance(INTERVAL - 1)
    with refuses("step comes too soon"):
        call(weth, *args, sender=market.owner)
    market.host.advance(1)
    market.refresh()
    call(weth, *args, sender=market.owner)


def test_set_cap__to_twice_its_value(market):
    market.configurator.seal(sender=market.owner)
    weth, call = market.assets["WETH"], market.configurator.set_cap
    call(weth, 2**70, sender=market.owner)
    with refuses("step is too large"):
        call(weth, 2**71 + 1, sender=market.owner)
    call(weth, 2**71, sender=market.owner)
    assert cap_of(market) == 2**71
    again(market, call, 2**72, lane=CAP)


def test_set_cap__refusals(low):
    weth, call = low.assets["WETH"], low.configurator.set_cap
    with refuses("ownable: caller is not the owner"):
        call(weth, 1, sender=low.other)
    with refuses("cap is too high"):
        call(weth, 2**128, sender=low.owner)
    with refuses("asset is no collateral"):
        call(low.other, 0, sender=low.owner)


def test_set_cap__from_nothing_to_what_a_new_asset_begins_with(low):
    weth, call = low.assets["WETH"], low.configurator.set_cap
    call(weth, 0, sender=low.owner)
    first = (NEW_LIMIT >> 10) // 2_000
    with refuses("step is too large"):
        call(weth, first + 10**15, sender=low.owner)
    call(weth, first, sender=low.owner)
    assert first * 0.9999 < cap_of(low) <= first


def test_set_cap__falls_at_once_and_often(low):
    weth = low.assets["WETH"]
    low.configurator.set_cap(weth, 2**71, sender=low.owner)
    for cap in (2**71 - 1, WAD, 0):
        low.configurator.set_cap(weth, cap, sender=low.owner)
        assert cap_of(low) <= cap


def test_set_borrow_ltv__by_five_percent(low):
    weth, call = low.assets["WETH"], low.configurator.set_borrow_ltv
    with refuses("step is too large"):
        call(weth, 7_501, sender=low.owner)
    call(weth, 7_500, sender=low.owner)
    call(weth, 7_000, sender=low.owner)  # falls at once
    again(low, call, 7_500, lane=BORROW_LTV)


def test_ramp_liquidation_ltv__up_by_five_percent(low):
    weth, call = low.assets["WETH"], low.configurator.ramp_liquidation_ltv
    with refuses("step is too large"):
        call(weth, 8_801, 0, sender=low.owner)
    call(weth, 8_800, 0, sender=low.owner)
    call(weth, 8_500, 10 * DAY, sender=low.owner)  # falls at once
    low.host.advance(DAY)
    now = low.lens.config_of(weth).liquidation_ltv
    assert now == 8_770
    with refuses("step comes too soon"):
        call(weth, 8_501, 10 * DAY, sender=low.owner)  # above where it was going
    low.host.advance(2 * DAY)
    call(weth, 8_710 + 500, 0, sender=low.owner)


def test_set_growth__to_twice_its_value(low):
    weth, call = low.assets["WETH"], low.configurator.set_growth
    call(weth, 6, sender=low.owner)  # from no limit at all
    call(weth, 3, sender=low.owner)
    for more in (0, 7):
        with refuses("step is too large"):
            call(weth, more, sender=low.owner)
    call(weth, 3, sender=low.owner)  # no step
    call(weth, 6, sender=low.owner)
    assert low.lens.collateral(weth).growth == 6
    again(low, call, 12, lane=GROWTH)


@pytest.mark.parametrize("held", [2**20, 2**20 + 1])
def test_set_depth__from_no_limit_to_half_of_what_is_held(low, held):
    """Less would stop liquidations at once; what is held, or more, binds none and is no step."""
    weth, call = low.assets["WETH"], low.configurator.set_depth
    call(weth, 0, sender=low.owner)  # no step
    low.give("WETH", low.borrower, held)
    low.engine.deposit_collateral(low.account(), weth, held, sender=low.borrower)
    least = -(-held // 2)
    for less in (1, least - 1):
        with refuses("step is too large"):
            call(weth, less, sender=low.owner)
    start = low.host.snapshot()
    for enough in (held, held + 1):
        call(weth, enough, sender=low.owner)
        assert low.configurator.next_step(weth, DEPTH) == INTERVAL
        low.host.restore(start)
    call(weth, least, sender=low.owner)
    with refuses("step comes too soon"):
        call(weth, 2 * least, sender=low.owner)


def test_set_depth__where_nothing_is_held(low):
    """Nobody's liquidation waits for it."""
    weth, call = low.assets["WETH"], low.configurator.set_depth
    call(weth, 1, sender=low.owner)
    assert low.lens.collateral(weth).depth == 1
    call(weth, 2, sender=low.owner)
    with refuses("step comes too soon"):
        call(weth, 4, sender=low.owner)


@pytest.mark.parametrize("next", [2**69, 2**71])
def test_set_depth__to_half_or_twice_its_value(low, next):
    weth, call = low.assets["WETH"], low.configurator.set_depth
    call(weth, 2**70, sender=low.owner)
    for wrong in (0, 1, 2**69 - 1, 2**71 + 1, 2**255):
        with refuses("step is too large"):
            call(weth, wrong, sender=low.owner)
    call(weth, 2**70, sender=low.owner)  # no step
    call(weth, next, sender=low.owner)
    assert low.lens.collateral(weth).depth == next
    again(low, call, 2**70, lane=DEPTH)


@pytest.mark.parametrize("name", ["growth", "depth"])
def test_set_limit__free_before_genesis_ends(market, name):
    weth, call = market.assets["WETH"], getattr(market.configurator, f"set_{name}")
    for limit in (1, 100, 0):
        call(weth, limit, sender=market.owner)
        assert getattr(market.lens.collateral(weth), name) == limit


@pytest.mark.parametrize(("name", "most", "less"), [("growth", 100, 1), ("depth", 2**255, 2**254)])
def test_set_limit__least_and_most(low, name, most, less):
    weth, call = low.assets["WETH"], getattr(low.configurator, f"set_{name}")
    with refuses("ownable: caller is not the owner"):
        call(weth, 1, sender=low.other)
    with refuses("asset is no collateral"):
        call(low.other, 1, sender=low.owner)
    call(weth, most, sender=low.owner)
    with refuses("step is too large"):
        call(weth, 0, sender=low.owner)
    call(weth, less, sender=low.owner)
    assert getattr(low.lens.collateral(weth), name) == less


def test_set_min_debt__by_half_or_twice(new_market):
    low = new_market(min_debt=128)
    usdc, call = low.assets["USDC"], low.configurator.set_min_debt
    call(usdc, 2**27, sender=low.owner)
    low.configurator.seal(sender=low.owner)
    for least in (2**28 + 1, 2**26 - 1, 0):
        with refuses("step is too large"):
            call(usdc, least, sender=low.owner)
    call(usdc, 2**28, sender=low.owner)
    with refuses("step comes too soon"):
        call(usdc, 2**27, sender=low.owner)
    low.host.advance(INTERVAL)
    call(usdc, 2**27, sender=low.owner)
    assert low.engine.debt_of(usdc)[2] == 2**27
    with refuses("min_debt is too high"):
        call(usdc, 2**128, sender=low.owner)
    with refuses("ownable: caller is not the owner"):
        call(usdc, 10**8, sender=low.other)
    low.host.advance(INTERVAL)
    with refuses("asset is no debt asset"):
        call(low.assets["WBTC"], 0, sender=low.owner)


def test_raise_max_price__to_twice_its_value(low):
    weth, call = low.assets["WETH"], low.configurator.raise_max_price
    before = low.lens.config_of(weth)
    with refuses("max_price is not raised"):
        call(weth, before.max_price - 1, sender=low.owner)
    with refuses("max_price out of range"):
        call(weth, 10**28 + 1, sender=low.owner)
    with refuses("step is too large"):
        call(weth, 2 * before.max_price, sender=low.owner)
    event = call(weth, 2 * before.max_price - 1, sender=low.owner).event("SetMaxPrice")
    assert event.args == {"asset": weth.address, "max_price": 2 * before.max_price}
    assert low.lens.config_of(weth) == before._replace(max_price=2 * before.max_price)
    again(low, call, 2 * before.max_price, lane=MAX_PRICE)
    with refuses("ownable: caller is not the owner"):
        call(weth, 10**28, sender=low.other)


def test_raise_max_price__range_stays(market, new):
    token = new(min_price=2**30, max_price=2**64 - 1)
    with refuses("price bounds are too far apart"):
        market.configurator.raise_max_price(token, 2**93, sender=market.owner)
    market.configurator.raise_max_price(token, 2**93 - 1, sender=market.owner)
    assert market.lens.config_of(token).max_price == 2**93


def test_steps__of_a_new_asset_begin_with_its_listing(sealed, new):
    token = new(borrow_ltv=7_000)
    with refuses("step comes too soon"):
        sealed.configurator.set_borrow_ltv(token, 7_001, sender=sealed.owner)
    with refuses("step comes too soon"):
        sealed.configurator.raise_max_price(token, 2**64, sender=sealed.owner)
    sealed.host.advance(INTERVAL)
    sealed.configurator.raise_max_price(token, 2**64, sender=sealed.owner)


def test_steps__none_before_genesis_is_over(market):
    weth, owner, configurator = market.assets["WETH"], market.owner, market.configurator
    for cap, ltv in ((1, 3_000), (2**100, 8_000)):
        configurator.set_cap(weth, cap, sender=owner)
        configurator.set_borrow_ltv(weth, ltv, sender=owner)
    for least in (0, 10**12):
        configurator.set_min_debt(market.assets["USDC"], least, sender=owner)
    configurator.raise_max_price(weth, 10**28, sender=owner)


# ------------------------------------------------------------------ the steward


@pytest.fixture
def steered(low):
    low.configurator.set_steward(low.other, sender=low.owner)
    return low


def steer(market, cap, ltv, sender=None):
    return market.configurator.steer(market.assets["WETH"], cap, ltv, sender=sender or market.other)


def test_set_steward__by_the_owner(low):
    with refuses("ownable: caller is not the owner"):
        low.configurator.set_steward(low.other, sender=low.other)
    event = low.configurator.set_steward(low.other, sender=low.owner).event("SetSteward")
    assert event.steward == low.configurator.steward() == low.other
    low.configurator.set_steward(ZERO, sender=low.owner)
    with refuses("caller is not steward"):
        steer(low, 2**70, 7_000)


@pytest.mark.parametrize(
    ("percent", "points", "allowed"),
    [
        (120, 0, True), (121, 0, False), (80, 0, True), (79, 0, False),
        (100, 100, True), (100, 101, False), (100, -100, True), (100, -101, False),
        (110, 50, True), (110, 51, False), (90, 50, True), (90, -51, False), (112, 50, False),
    ],
)  # fmt: skip
def test_steer__parts_of_one_step(steered, percent, points, allowed):
    cap, ltv = -(-(2**70) * percent // 100), 7_000 + points
    if percent > 100:
        cap = 2**70 * percent // 100
    if not allowed:
        with refuses("step is too large"):
            steer(steered, cap, ltv)
        assert (cap_of(steered), ltv_of(steered)) == (2**70, 7_000)
        return
    event = steer(steered, cap, ltv).event("Steer")
    assert (event.cap, event.borrow_ltv) == (cap, ltv)
    assert ltv_of(steered) == ltv
    assert cap * 0.9999 < cap_of(steered) <= cap


def test_steer__once_in_its_interval(steered):
    steer(steered, 2**70, 7_001)
    steered.host.advance(INTERVAL - 1)
    with refuses("step comes too soon"):
        steer(steered, 2**70, 7_001)
    steered.host.advance(1)
    steer(steered, 2**70, 7_002)


def test_steer__refusals(steered):
    with refuses("caller is not steward"):
        steer(steered, 2**70, 7_000, sender=steered.owner)
    for cap in (2**71 + 1, 2**255):
        with refuses("step is too large"):
            steer(steered, cap, 7_000)
    configurator, owner, weth = steered.configurator, steered.owner, steered.assets["WETH"]
    configurator.ramp_liquidation_ltv(weth, 7_250, 10 * DAY, sender=owner)
    with refuses("borrow_ltv is too high"):
        steer(steered, 2**70, 7_051)
    configurator.set_cap(weth, 0, sender=owner)
    with refuses("step is too large"):
        steer(steered, 1, 7_000)


def test_steer__cap_of_a_new_asset_only_falls(sealed, new):
    token = new(borrow_ltv=7_000)
    sealed.configurator.set_steward(sealed.other, sender=sealed.owner)
    sealed.host.advance(INTERVAL)
    cap, target = sealed.engine.book_of(token)[2], sealed.configurator.schedule_of(token)[1]
    sealed.configurator.steer(token, cap, 7_001, sender=sealed.other)
    assert sealed.configurator.schedule_of(token)[1] == target
    sealed.host.advance(INTERVAL)
    with refuses("cap follows its schedule"):
        sealed.configurator.steer(token, cap + cap // 10, 7_000, sender=sealed.other)
    sealed.configurator.steer(token, cap * 9 // 10, 7_050, sender=sealed.other)
    assert sealed.configurator.schedule_of(token)[1] == target * (cap * 9 // 10) // cap


@pytest.mark.parametrize("target", [2**77, 3 * 10**23 + 1])
def test_steer__target_falls_by_the_part_of_the_cap(sealed, new, target):
    """Rounded down; the next doubling is one of what the steward left."""
    token, configurator = new(target, borrow_ltv=7_000), sealed.configurator
    configurator.set_steward(sealed.other, sender=sealed.owner)
    cap = sealed.engine.book_of(token)[2]
    sealed.host.advance(INTERVAL)
    token.feed.set(token.feed.answer(), sender=sealed.owner)
    configurator.steer(token, cap * 4 // 5 + 1, 7_000, sender=sealed.other)
    left = target * (cap * 4 // 5 + 1) // cap
    assert configurator.schedule_of(token)[1] == left
    configurator.grow(token, sender=sealed.other)
    grown = sealed.engine.book_of(token)[2]
    assert (left >> 9) * 0.9999 < grown <= left >> 9


def test_steer__no_cap_is_left(sealed, new):
    """The owner took the cap away: what a steward does then divides by nothing."""
    token, configurator = new(borrow_ltv=7_000), sealed.configurator
    configurator.set_steward(sealed.other, sender=sealed.owner)
    sealed.host.advance(INTERVAL)
    configurator.set_cap(token, 0, sender=sealed.owner)
    configurator.steer(token, 0, 7_001, sender=sealed.other)
    assert configurator.schedule_of(token)[1] == 0
