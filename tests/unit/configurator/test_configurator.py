"""`Configurator`: what may be listed, and what may be moved how fast."""

import pytest

from breakwater.driver import BlendFeed, Configurator
from breakwater.host import BLUEPRINT
from breakwater.mocks import AggregatorMock, TokenMock
from breakwater.model import margin
from breakwater.units import WAD
from tests.market import ASSETS, CONFIG, NEW_LIMIT, ZERO, refuses

DAY = 86_400


@pytest.fixture
def listing(market):
    """Lists a new token with some fields changed."""
    host, owner = market.host, market.owner

    def make(decimals=18, feed_decimals=8, sender=owner, token=None, **changes):
        token = token or TokenMock.deploy(host, "New", "NEW", decimals, sender=owner)
        answer = 5 * 10 ** min(feed_decimals, 18)
        feed = AggregatorMock.deploy(host, feed_decimals, answer, sender=owner)
        fields = {
            **CONFIG, "source": feed.address, "min_price": WAD // 8, "max_price": 64 * WAD,
            "volatility_slope": 5_000, **changes,
        }  # fmt: skip
        config = market.assets["WETH"].config._replace(**fields)
        receipt = market.configurator.list_asset(
            token, config, 10**24, True, ZERO, 0, sender=sender
        )
        return token, config, receipt

    return make


def test_constructor__refusals(market):
    host, engine, owner = market.host, market.engine, market.owner
    for args, reason in (
        ((market.other, engine, 1, owner), "credit engine has no code"),
        ((engine, market.other, 1, owner), "blend feed has no code"),
        ((engine, engine, 1, ZERO), "owner is zero"),
    ):
        with refuses(reason):
            Configurator.deploy(host, *args, sender=owner)


@pytest.mark.parametrize("decimals", [6, 8, 18, 24])
@pytest.mark.parametrize("feed_decimals", [0, 8, 18])
def test_list_asset__everything_reads_back(market, listing, decimals, feed_decimals):
    token, config, receipt = listing(decimals, feed_decimals)
    event = receipt.event("ListAsset")
    assert (event.asset, event.id) == (token.address, receipt.value)
    assert receipt.value == len(market.assets) + 1
    assert tuple(event.config.values() if isinstance(event.config, dict) else event.config) == (
        *config,
    )
    # bounds are kept as powers of two, outwards
    wanted = config._replace(
        min_price=1 << config.min_price.bit_length() - 1,
        max_price=1 << config.max_price.bit_length(),
    )
    assert market.lens.config_of(token) == wanted
    assert market.risk.quote(token).price == 5 * WAD


@pytest.mark.parametrize(
    "changes",
    [
        {"tip": 50, "incentive_min": 50},
        {"incentive_slope": 0}, {"target_slope": 0},
        {"debt_weight": 10_100}, {"max_leverage": 15_000}, {"jump_band": 6_350},
        {"max_age": 60}, {"max_age": 4_095 * 60}, {"jump_band": 50}, {"jump_band": 6_300},
        {"debt_weight": 35_500}, {"max_leverage": 10_000}, {"max_leverage": 1_275_000},
        {"volatility_ref": 0}, {"volatility_ref": 2_550}, {"volatility_slope": 127_000},
        {"borrow_ltv": 0, "borrow_ltv_floor": 0}, {"borrow_ltv_floor": 8_000},
        {"borrow_ltv": 0, "borrow_ltv_floor": 0, "liquidation_ltv": 0},
        {"liquidation_ltv": 9_259, "borrow_ltv": 9_059, "borrow_ltv_floor": 9_009},
        {"incentive_max": 100}, {"incentive_slope": 65_535},
        {"target_health": 10_001}, {"target_health": 16_000}, {"target_slope": 1_000_000},
        {"closes_whole": True},
    ],
)  # fmt: skip
def test_list_asset__ends_of_the_ranges(market, listing, changes):
    token, config, _ = listing(**changes)
    found = market.lens.config_of(token)
    assert found._replace(min_price=0, max_price=0) == config._replace(min_price=0, max_price=0)


NO_LTV = {"borrow_ltv": 0, "borrow_ltv_floor": 0, "liquidation_ltv": 0}
LEAST = {"max_age": 60, "jump_band": 50, "debt_weight": 10_000, "max_leverage": 10_000,
         "target_health": 10_001}  # fmt: skip
STEPS = {"max_age": 60, "jump_band": 50, "debt_weight": 100, "max_leverage": 5_000,
         "volatility_ref": 10, "volatility_slope": 1_000}  # fmt: skip
MOST = {"max_age": 4_095 * 60, "jump_band": 6_350, "debt_weight": 35_500,
        "max_leverage": 1_275_000, "volatility_ref": 2_550, "volatility_slope": 127_000,
        "incentive_slope": 65_535, "target_health": 16_000, "target_slope": 1_000_000}  # fmt: skip


@pytest.mark.parametrize("field", [*MOST, "liquidation_ltv", "borrow_ltv", "drop", "incentives"])
def test_list_asset__every_bit_reads_back(market, listing, field):
    """Each field at each step that sets one bit of it, at the highest value and one below."""
    step, least, most = STEPS.get(field, 1), LEAST.get(field, 0), MOST.get(field, 0)
    bits = [1 << k for k in range(20)]
    if field in MOST:
        values = {least, most, most - step, *(least + step * bit for bit in bits),
                  *(step * bit for bit in bits)}  # fmt: skip
        cases = [{field: value} for value in sorted(values) if least <= value <= most]
    elif field == "liquidation_ltv":
        cases = [{**NO_LTV, field: value} for value in (*bits[:14], 9_259)]
    elif field == "borrow_ltv":
        cases = [
            {"borrow_ltv": value, "borrow_ltv_floor": value, "liquidation_ltv": 9_259}
            for value in (*bits[:14], 9_059)
        ]
    elif field == "drop":
        cases = [{"borrow_ltv": 8_100, "borrow_ltv_floor": 8_100 - 50 * bit} for bit in bits[:8]]
    else:
        cases = [{**NO_LTV, "incentive_max": value} for value in bits[7:12]]
        cases += [
            {**NO_LTV, "incentive_min": value, "incentive_max": 2_048} for value in bits[6:12]
        ]
    start = market.host.snapshot()
    for changes in cases:
        token, config, _ = listing(**changes)
        found = market.lens.config_of(token)
        assert found._replace(min_price=0, max_price=0) == config._replace(min_price=0, max_price=0)
        market.host.restore(start)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"decimals": 5}, "decimals out of range"),
        ({"decimals": 25}, "decimals out of range"),
        ({"feed_decimals": 31}, "feed decimals out of range"),
        ({"max_age": 0}, "max_age out of range"),
        ({"max_age": 61}, "max_age out of range"),
        ({"max_age": 4_096 * 60}, "max_age out of range"),
        ({"jump_band": 0}, "jump_band out of range"),
        ({"jump_band": 75}, "jump_band out of range"),
        ({"jump_band": 6_400}, "jump_band out of range"),
        ({"debt_weight": 9_900}, "debt_weight out of range"),
        ({"debt_weight": 10_050}, "debt_weight out of range"),
        ({"debt_weight": 35_600}, "debt_weight out of range"),
        ({"max_leverage": 5_000}, "max_leverage out of range"),
        ({"max_leverage": 12_000}, "max_leverage out of range"),
        ({"max_leverage": 1_280_000}, "max_leverage out of range"),
        ({"volatility_ref": 2_560}, "volatility_ref out of range"),
        ({"volatility_ref": 5}, "volatility_ref out of range"),
        ({"volatility_slope": 128_000}, "volatility_slope out of range"),
        ({"volatility_slope": 500}, "volatility_slope out of range"),
        ({"borrow_ltv_floor": 8_050}, "borrow_ltv_floor out of range"),
        ({"borrow_ltv_floor": 7_999}, "borrow_ltv_floor out of range"),
        ({"borrow_ltv": 8_101}, "borrow_ltv_floor out of range"),
        ({"borrow_ltv": 8_150}, "borrow_ltv is too high"),
        ({"min_price": 10**9 - 1}, "min_price out of range"),
        ({"min_price": 64 * WAD}, "min_price out of range"),
        ({"max_price": 10**28 + 1}, "max_price out of range"),
        ({"tip": 0}, "tip out of range"),
        ({"tip": 101}, "tip out of range"),
        ({"incentive_max": 99}, "incentive out of range"),
        ({"incentive_max": 5_001}, "incentive out of range"),
        ({"incentive_slope": 65_536}, "incentive_slope out of range"),
        ({"target_health": 10_000}, "target_health out of range"),
        ({"target_health": 16_001}, "target_health out of range"),
        ({"target_slope": 1_000_001}, "target_slope out of range"),
        ({"liquidation_ltv": 9_260}, "incentive too high for an ltv"),
        ({"liquidation_ltv": 10_000}, "liquidation_ltv is too high"),
        ({"incentive_max": 2_049}, "incentive too high for an ltv"),
        ({"liquidation_ltv": 9_260, "incentive_max": 100}, "incentive too high for an ltv"),
        ({"tip": 49}, "tip differs from the others"),
        ({"tip": 51}, "tip differs from the others"),
        (
            {"tip": 51, "borrow_ltv": 0, "borrow_ltv_floor": 0, "liquidation_ltv": 0},
            "tip differs from the others",
        ),
    ],
)
def test_list_asset__out_of_range_reverts(listing, changes, reason):
    with refuses(reason):
        listing(**changes)


def test_list_asset__bounds_too_far_apart_revert(listing):
    with refuses("price bounds are too far apart"):
        listing(min_price=10**9, max_price=10**28)


@pytest.mark.everywhere
def test_list_asset__refusals(market, listing):
    with refuses("ownable: caller is not the owner"):
        listing(sender=market.other)
    with refuses("asset is listed already"):
        listing(token=market.assets["WETH"].token)


@pytest.mark.everywhere
def test_set_borrow_ltv__at_once_for_new_risk(market):
    weth = market.assets["WETH"]
    market.deposit("WETH", 10)
    receipt = market.configurator.set_borrow_ltv(weth, 7_000, sender=market.owner)
    assert receipt.event("SetBorrowLtv").args == {"asset": weth.address, "borrow_ltv": 7_000}
    with refuses("initial margin is not met"):
        market.borrow("USDC", 14_001)
    market.borrow("USDC", 13_999)


def test_set_borrow_ltv__makes_nobody_liquidatable(market):
    """GATE-3."""
    market.deposit("WETH", 10)
    market.borrow("USDC", 16_000)
    before = market.risk.health_of(market.engine.position_of(market.account()))
    market.configurator.set_borrow_ltv(market.assets["WETH"], 0, sender=market.owner)
    assert market.risk.health_of(market.engine.position_of(market.account())) == before


@pytest.mark.parametrize("ltv", [0, 100, 5_950, 6_000, 6_050, 8_100])
def test_set_borrow_ltv__floor_stays_or_comes_down(market, ltv):
    weth = market.assets["WETH"]
    market.configurator.set_borrow_ltv(weth, ltv, sender=market.owner)
    config = market.lens.config_of(weth)
    assert (config.borrow_ltv, config.borrow_ltv_floor) == (ltv, min(ltv, 6_000))


@pytest.mark.everywhere
def test_set_borrow_ltv__refusals(market):
    weth, call = market.assets["WETH"], market.configurator.set_borrow_ltv
    with refuses("ownable: caller is not the owner"):
        call(weth, 1, sender=market.other)
    with refuses("borrow_ltv is too high"):
        call(weth, 8_101, sender=market.owner)
    with refuses("asset is not listed"):
        call(market.other, 1, sender=market.owner)
    market.configurator.ramp_liquidation_ltv(weth, 6_000, 10 * DAY, sender=market.owner)
    with refuses("borrow_ltv is too high"):
        call(weth, 5_801, sender=market.owner)
    call(weth, 5_800, sender=market.owner)


@pytest.mark.parametrize(("target", "duration"), [(6_000, 3 * DAY), (9_000, 0), (9_000, 5 * DAY)])
def test_ramp_liquidation_ltv__in_a_straight_line(market, target, duration):
    weth, start = market.assets["WETH"], market.host.now
    receipt = market.configurator.ramp_liquidation_ltv(weth, target, duration, sender=market.owner)
    assert receipt.event("RampLiquidationLtv").args == {
        "asset": weth.address,
        "start": 8_300,
        "target": target,
        "starts_at": start,
        "ends_at": start + duration,
    }
    position = market.position(("WETH", 10**18, False))
    for elapsed in (0, 1, 100_000, duration // 2, duration, duration + 1):
        snapshot = market.host.snapshot()
        market.host.advance(elapsed)
        market.refresh()
        ltv = margin.ramp(8_300, target, elapsed, duration)
        assert market.lens.config_of(weth).liquidation_ltv == ltv
        assert market.risk.health_of(position).weighted_collateral == 2_000 * ltv * WAD // 10_000
        market.host.restore(snapshot)


def test_ramp_liquidation_ltv__from_where_an_earlier_ramp_stands(market):
    """GATE-3: nothing jumps."""
    weth, ramp = market.assets["WETH"], market.configurator.ramp_liquidation_ltv
    ramp(weth, 6_000, 10 * DAY, sender=market.owner)
    market.host.advance(3 * DAY + 77)
    now = market.lens.config_of(weth).liquidation_ltv
    assert now == margin.ramp(8_300, 6_000, 3 * DAY + 77, 10 * DAY)
    event = ramp(weth, 5_000, 3 * DAY, sender=market.owner).event("RampLiquidationLtv")
    assert event.start == now == market.lens.config_of(weth).liquidation_ltv


@pytest.mark.parametrize(("target", "ltv"), [(8_250, 8_000), (8_150, 7_950), (100, 0), (0, 0)])
def test_ramp_liquidation_ltv__lowers_borrow_ltv_at_once(market, target, ltv):
    weth = market.assets["WETH"]
    receipt = market.configurator.ramp_liquidation_ltv(weth, target, 3 * DAY, sender=market.owner)
    assert market.lens.config_of(weth).borrow_ltv == ltv
    events = [log.borrow_ltv for log in receipt.events("SetBorrowLtv")]
    assert events == ([ltv] if ltv != 8_000 else [])


@pytest.mark.everywhere
def test_ramp_liquidation_ltv__refusals(market):
    weth, ramp = market.assets["WETH"], market.configurator.ramp_liquidation_ltv
    with refuses("ownable: caller is not the owner"):
        ramp(weth, 8_000, 10 * DAY, sender=market.other)
    with refuses("ramp is too fast"):
        ramp(weth, 8_299, 3 * DAY - 1, sender=market.owner)
    with refuses("ramp is too slow"):
        ramp(weth, 8_299, 180 * DAY + 1, sender=market.owner)
    with refuses("incentive too high for an ltv"):
        ramp(weth, 9_260, 0, sender=market.owner)
    with refuses("asset is not listed"):
        ramp(market.other, 1, 10 * DAY, sender=market.owner)
    ramp(weth, 9_259, 180 * DAY, sender=market.owner)


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"tip": 1}, {}),
        ({"tip": 100}, {}),
        ({"liquidation_ltv": 9_800, "incentive_max": 200, "borrow_ltv": 9_600,
          "borrow_ltv_floor": 9_600}, {"incentive_max": 200}),
    ],
)  # fmt: skip
def test_list_asset__ends_of_what_all_assets_share(new_market, changes, others):
    """Where every asset keeps it, the tip may be at either end, and an ltv close to one."""
    shared = {"tip": changes.get("tip", 50), **others}
    market = new_market(
        **dict.fromkeys(ASSETS, shared),
        NEW={"decimals": 18, "dollars": 5, **shared, **changes},
    )
    config = market.assets["NEW"].config
    found = market.lens.config_of(market.assets["NEW"])
    assert found._replace(min_price=0, max_price=0) == config._replace(min_price=0, max_price=0)
    assert market.configurator.tip() == shared["tip"]


def test_list_asset__keeps_the_highest_of_all(market, listing):
    """(1 + highest incentive_max) x highest liquidation_ltv < 1, whichever assets they are of."""
    found = market.configurator
    assert (found.tip(), found.max_incentive(), found.max_liquidation_ltv()) == (50, 800, 8_300)
    listing(incentive_max=2_000, liquidation_ltv=8_300)
    assert (found.max_incentive(), found.max_liquidation_ltv()) == (2_000, 8_300)
    with refuses("incentive too high for an ltv"):
        found.ramp_liquidation_ltv(market.assets["WBTC"], 8_334, 0, sender=market.owner)
    found.ramp_liquidation_ltv(market.assets["WBTC"], 8_333, 0, sender=market.owner)
    assert found.max_liquidation_ltv() == 8_333
    with refuses("incentive too high for an ltv"):
        listing(
            incentive_max=2_001, liquidation_ltv=5_000, borrow_ltv=4_800, borrow_ltv_floor=4_800
        )
    found.ramp_liquidation_ltv(market.assets["WBTC"], 8_000, 10 * DAY, sender=market.owner)
    assert found.max_liquidation_ltv() == 8_333  # it never falls


def test_constructor__is_told(market):
    found = market.configurator
    assert found.risk_engine() == market.risk.address
    assert found.credit_engine() == market.engine.address
    assert found.new_limit() == NEW_LIMIT
    blueprint = market.host.code(found.blend_feed())
    assert blueprint == BLUEPRINT + BlendFeed.artifact().bytecode
    assert found.sealed_at() == 0
    assert found.steward() == ZERO


@pytest.mark.parametrize("tip", [1, 2, 100])
def test_list_asset__tip_from_one_to_the_least_incentive(new_market, tip):
    """All assets have one tip: a market of its own for each."""
    names = ("WETH", "WBTC", "USDC", "DAI")
    market = new_market(debts=(), **{name: {"tip": tip} for name in names})
    assert market.lens.config_of(market.assets["DAI"]).tip == tip


def test_list_asset__highest_incentive(new_market):
    """Half of the debt, with which an ltv must stay below 2 / 3."""
    rules = {"incentive_max": 5_000, "liquidation_ltv": 6_600, "borrow_ltv": 6_000,
             "borrow_ltv_floor": 6_000}  # fmt: skip
    market = new_market(debts=(), **dict.fromkeys(("WETH", "WBTC", "USDC", "DAI"), rules))
    assert market.lens.config_of(market.assets["DAI"]).incentive_max == 5_000


def test_list_asset__highest_price(market, listing):
    token, _, _ = listing(min_price=WAD, max_price=10**28)
    # the bound is kept as the power of two above
    assert market.lens.config_of(token).max_price == 1 << (10**28).bit_length()


@pytest.mark.parametrize(("low", "allowed"), [(31, True), (30, False)])
def test_list_asset__bounds_at_most_63_doublings_apart(market, listing, low, allowed):
    """A highest price of 2**93 is kept as 2**94."""
    fields = {"min_price": 1 << low, "max_price": 1 << 93}
    if allowed:
        token, _, _ = listing(**fields)
        found = market.lens.config_of(token)
        assert (found.min_price, found.max_price) == (1 << 31, 1 << 94)
    else:
        with refuses("price bounds are too far apart"):
            listing(**fields)


@pytest.mark.parametrize("steps", [41, 127, 161])
@pytest.mark.parametrize("kept", [0, 2])
def test_set_borrow_ltv__leaves_nothing_of_the_old_drop(market, listing, steps, kept):
    """The floor stands still: of 41, 127 or 161 steps of 50 down to it `kept` are left."""
    floor = 8_100 - 50 * steps
    token, _, _ = listing(borrow_ltv=8_100, borrow_ltv_floor=floor)
    market.configurator.set_borrow_ltv(token, floor + 50 * kept, sender=market.owner)
    config = market.lens.config_of(token)
    assert (config.borrow_ltv, config.borrow_ltv_floor) == (floor + 50 * kept, floor)
