"""`check_batch` without initial margin: no unit of collateral may go that no debt went for."""

import pytest

from tests.market import refuses

PLENTY = 10**24
DOLLAR = {"decimals": 18, "dollars": 1, "borrow_ltv": 0, "borrow_ltv_floor": 0}


@pytest.fixture
def market(new_market):
    """What nobody may borrow against: MAIN counts half for liquidation, NONE nothing."""
    return new_market(
        MAIN={**DOLLAR, "liquidation_ltv": 5_000}, NONE={**DOLLAR, "liquidation_ltv": 0}
    )


def position(market, main=0, none=0, usdc=0, dai=0):
    legs = [("MAIN", main, False), ("NONE", none, False), ("USDC", usdc, True), ("DAI", dai, True)]
    return market.position(*(leg for leg in legs if leg[1]))


START = {"main": PLENTY, "none": PLENTY, "usdc": 2, "dai": 2 * 10**12}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"main": PLENTY + 1, "none": PLENTY + 1},
        {"usdc": 1},
        {"dai": 2 * 10**12 - 1},
        # half for half
        {"main": PLENTY // 2, "none": PLENTY // 2, "usdc": 1, "dai": 10**12},
        {"main": PLENTY // 2, "none": PLENTY // 2, "usdc": 0},
    ],
)
def test_check_batch__as_safe_as_before_passes(market, changes):
    before = position(market, **START)
    after = position(market, **{**START, **changes})
    # not by its initial margin: then it would be True
    assert market.risk.check_batch(before, after, 0) is False


@pytest.mark.parametrize(
    "changes",
    [
        {"main": PLENTY - 1},
        {"none": PLENTY - 1},
        {"main": PLENTY - 1, "none": 2 * PLENTY},
        {"main": 2 * PLENTY, "none": PLENTY - 1},
        {"usdc": 3},
        {"dai": 2 * 10**12 + 1},
        {"usdc": 0, "dai": 4 * 10**12},
        {"main": PLENTY // 2 - 1, "none": PLENTY // 2, "usdc": 1, "dai": 10**12},
        {"main": PLENTY // 2, "none": PLENTY // 2 - 1, "usdc": 1, "dai": 10**12},
        {"main": PLENTY // 2, "none": PLENTY // 2, "usdc": 1, "dai": 10**12 + 1},
    ],
)
def test_check_batch__a_unit_less_safe_reverts(market, changes):
    before = position(market, **START)
    with refuses("initial margin is not met"):
        market.risk.check_batch(before, position(market, **{**START, **changes}), 0)


def test_check_batch__a_debt_that_is_new_reverts(market):
    before = position(market, main=PLENTY, usdc=2)
    with refuses("initial margin is not met"):
        market.risk.check_batch(before, position(market, main=PLENTY, usdc=1, dai=1), 0)


def test_check_batch__debt_weights_count_for_health(new_market):
    """USDC weighs 12,000 bps: 10 of it repaid free 12 of weighted debt, but 10 of debt. Both
    collaterals carry some new debt: what carries none, and stays, counts nothing."""
    little = {**DOLLAR, "borrow_ltv": 1, "borrow_ltv_floor": 1}
    market = new_market(
        MAIN={**little, "liquidation_ltv": 5_000}, NONE={**little, "liquidation_ltv": 2_500},
        USDC={"debt_weight": 12_000},
    )  # fmt: skip
    start = {"main": 22 * 10**23, "none": 22 * 10**23, "usdc": 10**10, "dai": 10**22}
    before = position(market, **start)
    # debt 20 -> 10 and collateral 44 -> 22; weighted debt 22 -> 10 and collateral 16.5 -> 7.5
    fair = {**start, "main": 8 * 10**23, "none": 14 * 10**23, "usdc": 0}
    assert market.risk.check_batch(before, position(market, **fair), 0) is False
    # health falls by a unit though collateral over debt does not, then the other way round
    for main, none in ((-2, 2), (2, -3)):
        less = {**fair, "main": 8 * 10**23 + main, "none": 14 * 10**23 + none}
        with refuses("initial margin is not met"):
            market.risk.check_batch(before, position(market, **less), 0)


def test_check_batch__the_least_debt_holds_its_collateral(new_market):
    """A debt worth less than a unit of value counts as one: paid off but for a unit, it frees
    nothing."""
    market = new_market(
        MAIN={**DOLLAR, "liquidation_ltv": 5_000}, FINE={"decimals": 24, "dollars": 1}
    )
    main = ("MAIN", PLENTY, False)
    before = market.position(main, ("FINE", 10, True))
    after = market.position(main, ("FINE", 1, True))
    assert market.risk.check_batch(before, after, 0) is False
    with refuses("initial margin is not met"):
        after = market.position(("MAIN", PLENTY - 1, False), ("FINE", 1, True))
        market.risk.check_batch(before, after, 0)
