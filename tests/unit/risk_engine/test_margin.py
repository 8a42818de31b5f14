"""`check_initial`, `check_batch`, `check_listable`, `shortfall`, `health_of`, `margin_of`."""

import random
from dataclasses import replace

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
    rules, verdicts, lifted = market.rules(), set(), 0
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
        assert market.lens.margin_of(position) == (
            *margin.margin(told, rules, prices).__dict__.values(),
        )
        state = margin.health(told, rules, prices)
        assert market.risk.health_of(position) == (
            state.health_factor, state.collateral_value, state.debt_value,
            state.weighted_collateral, state.weighted_debt,
        )  # fmt: skip
        for name in names:
            missing = liquidation.shortfall(told, rules, prices, name)
            assert market.risk.shortfall(position, market.assets[name].id) == missing
            lifted += missing != 0
        why = margin.initial(told, rules, prices)
        verdicts.add(why)
        if why is None:
            assert market.risk.check_initial(position, 0)
        else:
            with refuses(why):
                market.risk.check_initial(position, 0)
    assert verdicts == {None, "initial margin is not met", "leverage is too high"}
    assert lifted > 100


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
    rich.lens.margin_of(position)


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
    sums = market.lens.margin_of(position)
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


@pytest.mark.parametrize(
    ("held", "owed", "missing"),
    [
        # 1.05 x 1,000 - 0.83 x 1,200 = 54, at 0.83 x 2,000
        (("WETH", 6 * 10**17), ("USDC", 10**9), 54 * WAD // 1_660),
        # 1.05 x 1,000 - 0.75 x 1,000 = 300, at 0.75 x 50,000
        (("WBTC", 2 * 10**6), ("USDC", 10**9), 800_000),
        # 1.05 x 1.2 x 1,000 - 0.8 x 1,200 = 300, at 0.8
        (("USDC", 1_200 * 10**6), ("DAI", 10**21), 375 * 10**6),
        # 1.05 x 1,000 - 0.5 x 1,800 = 150, at 0.5 x 3, and no borrow_ltv
        (("HALF", 600 * 10**24), ("USDC", 10**9), 100 * 10**24),
        (("NONE", 10**9), ("USDC", 10**9), 0),
        # a unit of each: (1.05 x 10**12 - 1,660) / 1,660
        (("WETH", 1), ("USDC", 1), 632_530_119),
        # 0.000395 - 0.000375 dollars is less than a unit of WBTC, 0.000375
        (("WBTC", 1), ("USDC", 376), 0),
        (("WBTC", 1), ("USDC", 357 * 2), 0),
        (("WBTC", 1), ("USDC", 358 * 2), 1),
        # at maintenance and a unit below it
        (("WETH", WAD), ("USDC", 1_660 * 10**6), 0),
        (("WETH", WAD), ("USDC", 1_660 * 10**6 + 1), 83_000_001_050_000 * 10**6 // 1_660),
    ],
)
def test_shortfall__by_hand(rich, held, owed, missing):
    """(H x sum wD - sum LC) / (P x L), rounded down; DAI weighs 1.2 as a debt."""
    position = rich.position((*held, False), (*owed, True))
    assert rich.risk.shortfall(position, rich.assets[held[0]].id) == missing
    without_debt = rich.position((*held, False))
    assert rich.risk.shortfall(without_debt, rich.assets[held[0]].id) == 0


def test_shortfall__up_to_the_highest_target_among_the_collaterals(new_market):
    """At 1,000 dollars of debt on 996 of weighted collateral; 1.25 where whole debts are closed."""
    market = new_market(
        WBTC={"target_health": 12_000}, DAI={"closes_whole": True}, USDC={"target_health": 16_000}
    )
    weth = ("WETH", 6 * 10**17, False)
    for also, lacking in (("WETH", 54), ("WBTC", 204), ("DAI", 254), ("USDC", 254)):
        legs = [weth, ("USDC", 10**9, True)] + ([(also, 0, False)] if also != "WETH" else [])
        found = market.risk.shortfall(market.position(*legs), market.assets["WETH"].id)
        assert found == lacking * WAD // 1_660


def test_shortfall__target_rises_with_volatility(new_market):
    """The target of a liquidation: H_0 + slope x what volatility is above its reference."""
    market = new_market(WETH={"volatility_ref": 0, "target_slope": 10_000})
    for dollars in (2_010, 2_000) * 3:
        market.host.advance(900)
        market.price("WETH", dollars)
        market.poke("WETH")
    volatility = market.risk.quote(market.assets["WETH"]).volatility
    assert 0 < volatility < WAD // 5
    position = market.position(("WETH", 6 * 10**17, False), ("USDC", 10**9, True))
    lacking = 1_050 * WAD + 1_000 * volatility - 996 * WAD
    assert market.risk.shortfall(position, market.assets["WETH"].id) == lacking // 1_660


def test_shortfall__at_liquidation_prices(new_market):
    """A jump that nothing confirms counts for the borrower: what is added, and what is owed."""
    market = new_market(WETH={"jump_band": 500}, DAI={"jump_band": 500})
    weth = market.assets["WETH"]
    position = market.position(("WETH", 6 * 10**17, False), ("DAI", 10**21, True))
    for dollars in (1_800, 1_000):
        market.price("WETH", dollars)
        assert market.risk.shortfall(position, weth.id) == 54 * WAD // 1_660
    # 1.05 x 1,000 - 0.83 x 0.6 x 2,200 is negative
    market.price("WETH", 2_200)
    assert market.risk.shortfall(position, weth.id) == 0
    market.price("WETH", 2_000)
    market.price("DAI", 2)
    assert market.risk.shortfall(position, weth.id) == 54 * WAD // 1_660
    for wait in (0, 60):
        market.host.advance(wait)
        market.poke("DAI")
    assert market.risk.shortfall(position, weth.id) == (2_100 - 996) * WAD // 1_660


def test_shortfall__not_held_or_without_a_price_lifts_nothing(rich):
    weth = rich.assets["WETH"].id
    position = rich.position(("WETH", 6 * 10**17, False), ("WBTC", 1, False), ("USDC", 10**9, True))
    assert rich.risk.shortfall(position, weth) > 0
    assert rich.risk.shortfall(position, rich.assets["DAI"].id) == 0
    assert rich.risk.shortfall(position, weth | DEBT) == 0
    assert rich.risk.shortfall([0] * 4, weth) == 0
    until = rich.host.now + 100
    rich.risk.set_breaker(rich.other, sender=rich.owner)
    rich.risk.set_level(rich.assets["WETH"], 0, until, 0, sender=rich.other)
    assert rich.risk.shortfall(position, weth) > 0  # at every level
    rich.break_feed("WETH")
    assert rich.risk.shortfall(position, weth) == 0
    # WETH counts at its last price, not faded yet
    assert rich.risk.shortfall(position, rich.assets["WBTC"].id) > 0


@pytest.mark.parametrize(("base", "floor"), [(8_000, 7_950), (8_000, 7_900), (7_999, 6_049)])
def test_margin_of__borrow_ltv_falls_to_its_floor(new_market, base, floor):
    """However volatile; in odd and even steps, from an odd and an even base."""
    market = new_market(
        WETH={
            "volatility_ref": 0,
            "volatility_slope": 127_000,
            "borrow_ltv": base,
            "borrow_ltv_floor": floor,
        },
    )
    for dollars in (2_600, 2_000, 2_600, 2_000):
        market.host.advance(900)
        market.price("WETH", dollars)
        market.poke("WETH")
    market.settle(rounds=8)
    assert market.risk.quote(market.assets["WETH"]).volatility > 2 * 10**16
    position = market.position(("WETH", WAD, False))
    sums = market.lens.margin_of(position)
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


def test_liquidation_terms__random_positions_beside_a_silence(rich):
    """600 accounts under water, a part of their collateral without a price: against the model."""
    market, rng = rich, random.Random(11)
    market.break_feed("WBTC")
    rules, prices = market.rules(), prices_of(market)
    last = 50_000 * WAD
    prices["WBTC"] = replace(
        prices["WBTC"], status=margin.STALE, level=2, as_collateral=last, as_debt=last,
        is_priced=False, last_low=last, last_high=last,
    )  # fmt: skip
    ids = {name: asset.id for name, asset in market.assets.items()}
    seen = {"kept": 0, "booked": 0, "refused": 0}
    for _ in range(600):
        debts = rng.sample(["USDC", "DAI", "WETH"], rng.randint(1, 3))
        legs = [(name, 10 ** rng.uniform(1, 6), True) for name in debts]
        worth = sum(leg[1] for leg in legs)
        for name in rng.sample(["WBTC", "WETH", "HALF", "NONE", "USDC"], rng.randint(1, 4)):
            scale = 10 ** rng.uniform(-7, 0) if rng.random() < 0.5 else rng.uniform(0, 0.7)
            legs.append((name, worth * scale, False))
        rng.shuffle(legs)
        amounts = [
            (n, max(int(v / float(market.assets[n].dollars[0]) * market.assets[n].unit), 1), d)
            for n, v, d in legs
        ]
        debt, unit = debts[0], market.assets[debts[0]].unit
        cap = rng.choice([0, 1, unit, 10**4 * unit, MAX_UINT256, MAX_UINT256])
        least = rng.choice([0, 100 * unit])
        asked = market.position(*amounts), DEBT | ids[debt], ids["WETH"], cap, least
        try:
            wanted = liquidation.terms(
                legs_of(*amounts), rules, prices, debt, "WETH", cap, least
            )  # fmt: skip
        except liquidation.Refused as refused:
            with refuses(refused.reason):
                market.risk.liquidation_terms(*asked)
            seen["refused"] += 1
            continue
        found = market.risk.liquidation_terms(*asked)
        seized = [found.seize[i >> 1] >> 104 * (i & 1) & 2**104 - 1 for i in range(len(amounts))]
        assert (found.repay, found.write_off, found.fund_fee, found.incentive) == (
            wanted.repay, wanted.write_off, wanted.fund_fee, wanted.incentive,
        )  # fmt: skip
        assert seized == [0 if d else wanted.seize.get(n, 0) for n, _, d in amounts]
        owed = next(amount for name, amount, is_debt in amounts if is_debt and name == debt)
        if wanted.under_water and any(leg[0] == "WBTC" for leg in amounts):
            seen["booked" if wanted.write_off else "kept"] += 1
            held = next(amount for name, amount, _ in amounts if name == "WBTC")
            price = market.assets[debt].dollars[0] * WAD
            covered = -(-held * last // 10**8 * unit // int(price))
            if held * last // 10**8 >= WAD and found.write_off:
                assert owed - found.repay - found.write_off >= covered
    assert min(seen.values()) > 30


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
