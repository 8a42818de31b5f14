"""`check_initial`, `check_batch`, `check_listable`, `shortfall`, `health_of`, `margin_of`."""

import random

import pytest

from breakwater.model import liquidation, margin
from breakwater.units import MAX_UINT256, WAD
from tests.market import refuses

DEBT = 128


def legs_of(*legs):
    return [margin.Leg(*leg) for leg in legs]


@pytest.fixture
def rich(new_market):
    """Assets of every kind: weighted debt, dynamic margin, small leverage."""
    return new_market(
        WETH={"volatility_slope": 10_000, "max_leverage": 20_000},
        DAI={"debt_weight": 12_000},
        HALF={"decimals": 24, "dollars": 3, "borrow_ltv": 0, "borrow_ltv_floor": 0,
              "liquidation_ltv": 5_000},
        NONE={"decimals": 6, "dollars": 7, "borrow_ltv": 0, "borrow_ltv_floor": 0,
              "liquidation_ltv": 0},
    )  # fmt: skip


def prices_of(market):
    """The oracle's own quotes, which the oracle's tests hold against the model."""
    found = {}
    for name, asset in market.assets.items():
        quote = market.risk.quote(asset)
        found[name] = margin.Prices(
            low=quote.low, price=quote.price, high=quote.high, average=quote.average,
            volatility=quote.volatility, status=quote.status, level=quote.level,
            as_collateral=quote.price, as_debt=quote.price,
        )  # fmt: skip
    return found


def test_margin_and_health__random_positions(rich):
    """400 positions of one to eight legs, from a unit to the largest amounts."""
    market, rng = rich, random.Random(7)
    market.price("WETH", 1_900)
    market.price("WBTC", 55_000)
    rules, verdicts = market.rules(), set()
    names = list(market.assets)
    for _ in range(400):
        count = rng.randint(1, 8)
        chosen = rng.sample([(n, d) for n in names for d in (False, True)], count)
        legs = []
        for name, is_debt in chosen:
            asset = market.assets[name]
            worth = 10 ** rng.uniform(-3, 7 if rng.random() < 0.9 else 20)
            amount = int(worth / float(asset.dollars[0]) * asset.unit)
            legs.append((name, min(max(amount, 1), 2**104 - 1), is_debt))
        position, told, prices = market.position(*legs), legs_of(*legs), prices_of(market)
        assert market.risk.margin_of(position) == (
            *margin.margin(told, rules, prices).__dict__.values(),
        )
        state = margin.health(told, rules, prices)
        assert market.risk.health_of(position) == (
            state.health_factor, state.collateral_value, state.debt_value,
            state.weighted_collateral, state.weighted_debt,
        )  # fmt: skip
        for name in ("WETH", "WBTC", "HALF"):
            missing = market.risk.shortfall(position, market.assets[name].id)
            wanted = margin.shortfall(told, rules, prices, name)
            assert missing <= wanted or wanted > 2**120 // 10**6
            assert wanted - missing <= 1 + wanted // 10**12 or wanted > 2**90
        why = margin.initial(told, rules, prices)
        verdicts.add(why)
        if why is None:
            assert market.risk.check_initial(position, 0)
        else:
            with refuses(why):
                market.risk.check_initial(position, 0)
    assert verdicts == {None, "initial margin is not met", "leverage is too high"}


@pytest.mark.parametrize("amount", [1, 2**104 - 1])
def test_health_of__saturates(rich, amount):
    """LIVE-4: no arithmetic revert, whatever the amounts."""
    names = ["WETH", "WBTC", "USDC", "HALF"]
    legs = [(n, amount, False) for n in names] + [(n, amount, True) for n in names]
    position, told = rich.position(*legs), legs_of(*legs)
    state = rich.risk.health_of(position)
    wanted = margin.health(told, rich.rules(), prices_of(rich))
    assert state.health_factor == wanted.health_factor
    assert state.collateral_value == wanted.collateral_value <= 4 * margin.MAX_VALUE
    rich.risk.margin_of(position)


def test_health_of__without_debt(market):
    assert market.risk.health_of([0] * 4).health_factor == MAX_UINT256
    position = market.position(("WETH", WAD, False))
    assert market.risk.health_of(position) == (
        MAX_UINT256, 2_000 * WAD, 0, 1_660 * WAD, 0,
    )  # fmt: skip


def test_check_initial__is_reached_by_any_first_legs(new_market):
    """A cap of a later leg does not count when the first ones carry the debt."""
    market = new_market(WBTC={"max_leverage": 10_000})
    good = ("WETH", 10 * WAD, False)
    debt = ("USDC", 10_000 * 10**6, True)
    capped = ("WBTC", 10**8, False)
    assert market.risk.check_initial(market.position(good, capped, debt), 0)
    with refuses("leverage is too high"):
        market.risk.check_initial(market.position(capped, debt), 0)
    with refuses("leverage is too high"):
        market.risk.check_initial(market.position(capped, good, debt), 0)


def test_check_initial__stale_debt(market):
    market.break_feed("DAI")
    position = market.position(("WETH", WAD, False), ("DAI", WAD, True))
    with refuses("price is stale"):
        market.risk.check_initial(position, 0)
    sums = market.risk.margin_of(position)
    assert sums.debt == WAD  # at its last


def test_check_batch__levels_of_what_was_touched(new_market):
    market = new_market(WETH={"jump_band": 500}, DAI={"sources": 2})
    before = market.position(("WETH", 10 * WAD, False), ("USDC", 10_000 * 10**6, True))
    worse = market.position(("WETH", 10 * WAD, False), ("USDC", 10_001 * 10**6, True))
    ids = {name: asset.id for name, asset in market.assets.items()}
    assert market.risk.check_batch(before, worse, ids["WETH"] | (DEBT | ids["USDC"]) << 8)
    market.price("WETH", 1_800)
    market.price("DAI", 1, 0.9)
    market.break_feed("WBTC")
    cases = [("WETH", "price is in a jump"), ("DAI", "price sources disagree"),
             ("WBTC", "price is stale")]  # fmt: skip
    for name, reason in cases:
        with refuses(reason):
            market.risk.check_batch(before, worse, ids["USDC"] << 8 | ids[name])
    # passed as no riskier, not by its initial margin
    assert market.risk.check_batch(before, before, ids["WETH"]) is False
    with refuses("price is stale"):
        market.risk.check_batch(before, before, ids["WBTC"])
    until = market.host.now + 100
    market.risk.set_breaker(market.other, sender=market.owner)
    for latch, reason in [((1, 0), "asset is in caution"), ((0, 1), "asset is halted")]:
        usdc = market.assets["USDC"]
        market.risk.set_level(usdc, latch[0] * until, latch[1] * until, 0, sender=market.other)
        with refuses(reason):
            market.risk.check_batch(before, worse, ids["USDC"])


def test_check_listable__needs_a_price(market):
    assert market.risk.check_listable(market.assets["WETH"].id)
    market.break_feed("WETH")
    with refuses("price is stale"):
        market.risk.check_listable(market.assets["WETH"].id)


def test_shortfall__unpriced_or_without_weight_lifts_nothing(rich):
    position = rich.position(("USDC", 10**9, True))
    assert rich.risk.shortfall(position, rich.assets["NONE"].id) == 0
    # 1,000 USD at the liquidation_ltv of 50 %, the borrow_ltv being 0
    assert rich.risk.shortfall(position, rich.assets["HALF"].id) == 2_000 * 10**24 // 3
    until = rich.host.now + 100
    rich.risk.set_breaker(rich.other, sender=rich.owner)
    rich.risk.set_level(rich.assets["WETH"], 0, until, 0, sender=rich.other)
    assert rich.risk.shortfall(position, rich.assets["WETH"].id) == 625 * 10**15
    # what is held of it counts, though the margin leaves it out
    held = rich.position(("WETH", 6 * 10**17, False), ("USDC", 10**9, True))
    assert rich.risk.shortfall(held, rich.assets["WETH"].id) == 25 * 10**15
    rich.break_feed("WETH")
    assert rich.risk.shortfall(position, rich.assets["WETH"].id) == 0
    assert rich.risk.shortfall([0] * 4, rich.assets["WBTC"].id) == 0


@pytest.mark.parametrize("floor", [7_950, 7_900, 6_050])
def test_margin_of__borrow_ltv_falls_to_its_floor(new_market, floor):
    """However volatile; the floor in odd and even steps."""
    market = new_market(
        WETH={"volatility_ref": 0, "volatility_slope": 127_000, "borrow_ltv_floor": floor}
    )
    for dollars in (2_600, 2_000, 2_600, 2_000):
        market.host.advance(900)
        market.price("WETH", dollars)
        market.poke("WETH")
    market.settle(rounds=8)
    assert market.risk.quote(market.assets["WETH"]).volatility > 2 * 10**16
    position = market.position(("WETH", WAD, False))
    sums = market.risk.margin_of(position)
    assert sums.collateral == sums.exposure * floor // 10_000


def test_liquidation_terms__of_a_debt_of_a_few_units(market):
    """A slice of half a cent, where no least debt is in the way."""
    owed = 8_300
    position = market.position(("WETH", 5 * 10**12 * 99 // 100, False), ("USDC", owed, True))
    told = legs_of(("WETH", 5 * 10**12 * 99 // 100, False), ("USDC", owed, True))
    terms = liquidation.terms(told, market.rules(), market.spot(), "USDC", "WETH", MAX_UINT256, 0)
    ids = {name: asset.id for name, asset in market.assets.items()}
    found = market.risk.liquidation_terms(position, DEBT | ids["USDC"], ids["WETH"], MAX_UINT256, 0)
    assert found.repay == terms.repay < owed


@pytest.mark.parametrize("leverage", [15_000, 20_000, 25_000])
def test_check_initial__leverage_is_exact(new_market, leverage):
    """Collateral over collateral less debt, in odd and even steps of 5,000."""
    market = new_market(WETH={"max_leverage": leverage})
    # 2,000 of collateral: the most debt is 2,000 x (1 - 10,000 / leverage), borrow_ltv apart
    most = 2_000 * 10**6 * (leverage - 10_000) // leverage

    def with_debt(amount):
        return market.position(("WETH", WAD, False), ("USDC", amount, True))

    assert market.risk.check_initial(with_debt(most), 0)
    with refuses("leverage is too high"):
        market.risk.check_initial(with_debt(most + 1), 0)
