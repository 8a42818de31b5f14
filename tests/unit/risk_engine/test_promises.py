"""SOLV-5, SOLV-6 and SOLV-7 over random accounts of two collaterals and two debts."""

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakwater.evm import EvmHost
from breakwater.host import Reverted
from breakwater.model import liquidation, margin
from breakwater.units import MAX_UINT256, WAD
from tests.market import ASSETS, Market

DEBT = 128
COLLATERAL = ("WETH", "WBTC")
DEBTS = ("USDC", "DAI")
FIXED = settings(
    max_examples=300, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


@pytest.fixture(scope="module")
def market():
    """Unlike ltvs and weights, one schedule with a tip of 1 %."""
    changes = {
        "WETH": {"liquidation_ltv": 9_000, "borrow_ltv": 8_500},
        "WBTC": {"liquidation_ltv": 6_000, "borrow_ltv": 5_500},
        "USDC": {"debt_weight": 11_000},
    }
    listed = {
        name: {**rules, "tip": 100, **changes.get(name, {})} for name, rules in ASSETS.items()
    }
    return Market(EvmHost(), listed, ("USDC", "DAI"), cash=0)


dollars = st.integers(1, 10**6)
accounts = st.tuples(dollars, dollars, dollars, dollars)


def scaled(market, worth, ratio):
    """Legs of these values, the debts so that collateral is `ratio` times the debt."""
    total = sum(worth[2:])
    debts = [Fraction(d * (worth[0] + worth[1]), total) / ratio for d in worth[2:]]
    legs = []
    for name, value, is_debt in zip(
        (*COLLATERAL, *DEBTS), (*worth[:2], *debts), (False, False, True, True), strict=True
    ):
        asset = market.assets[name]
        amount = max(int(Fraction(value) / asset.dollars[0] * asset.unit), 1)
        legs.append(margin.Leg(name, amount, is_debt))
    return legs


def packed(market, legs):
    return market.position(*((leg.asset, leg.amount, leg.is_debt) for leg in legs))


def after(legs, debt, terms):
    """The account once the terms are carried out."""
    result = []
    for leg in legs:
        amount = leg.amount
        if leg.is_debt and leg.asset == debt:
            amount -= terms.repay + terms.write_off
        elif not leg.is_debt:
            amount -= terms.seize.get(leg.asset, 0)
        result.append(margin.Leg(leg.asset, amount, leg.is_debt))
    return [leg for leg in result if leg.amount]


def asked(market, legs, debt, collateral, max_repay, min_debt):
    """The contract's terms by leg, or its reason."""
    try:
        found = market.risk.liquidation_terms(
            packed(market, legs), market.assets[debt].id | DEBT, market.assets[collateral].id,
            max_repay, min_debt,
        )  # fmt: skip
    except Reverted as error:
        return error.reason
    taken = [found.seize[i // 2] >> 104 * (i % 2) & (2**104 - 1) for i in range(2)]
    return found.repay, found.fund_fee, found.write_off, found.health_factor, found.incentive, taken


def predicted(market, legs, *args):
    try:
        terms = liquidation.terms(legs, market.rules(), market.spot(), *args)
    except liquidation.Refused as error:
        return str(error), None
    taken = [terms.seize.get(name, 0) for name in COLLATERAL]
    return (
        terms.repay, terms.fund_fee, terms.write_off, terms.health_factor, terms.incentive, taken
    ), terms  # fmt: skip


@FIXED
@given(
    worth=accounts,
    ratio=st.fractions(Fraction(1, 2), Fraction(9, 5), max_denominator=1_000),
    pair=st.tuples(st.sampled_from(DEBTS), st.sampled_from(COLLATERAL)),
    share=st.sampled_from([None, Fraction(1, 1000), Fraction(1, 3), Fraction(99, 100)]),
    least=st.sampled_from([0, 100]),
)
def test_liquidation_terms__as_the_model_says(market, worth, ratio, pair, share, least):
    """SOLV-6: only below maintenance, within the terms. SOLV-7: health and solvency never fall."""
    debt, collateral = pair
    legs = scaled(market, worth, ratio)
    owed = next(leg.amount for leg in legs if leg.is_debt and leg.asset == debt)
    cap = MAX_UINT256 if share is None else int(owed * share)
    args = (debt, collateral, cap, least * market.assets[debt].unit)
    wanted, terms = predicted(market, legs, *args)
    assert asked(market, legs, *args) == wanted
    rules, prices = market.rules(), market.spot()
    before = margin.health(legs, rules, prices)
    if terms is None:
        return
    assert before.health_factor < WAD, "SOLV-6: only an account below maintenance is liquidated"
    rest = after(legs, debt, terms)
    state = margin.health(rest, rules, prices)
    if terms.under_water or state.exact is None:
        return
    # a unit of each token, in health
    dust = sum(
        2 * prices[name].price / Fraction(10 ** rules[name].decimals) for name in pair
    ) / max(before.debt_value, 1)
    assert state.exact >= before.exact - dust, "SOLV-7: a liquidation never lowers health"
    tip = 10**16
    border = Fraction(WAD + tip, WAD)
    assert state.collateral_value >= (border - dust * 2) * state.debt_value - 10**14, (
        "SOLV-7: an account with C >= (1 + tip) D keeps it"
    )


@FIXED
@given(
    worth=accounts,
    ratio=st.fractions(Fraction(101, 100), Fraction(9, 5), max_denominator=1_000),
    pair=st.tuples(st.sampled_from(DEBTS), st.sampled_from(COLLATERAL)),
    slices=st.integers(2, 20),
)
def test_liquidation_terms__slices_pay_no_more(market, worth, ratio, pair, slices):
    """SOLV-7: splitting one pair's liquidation within a block never pays more, to rounding."""
    debt, collateral = pair
    legs = scaled(market, worth, ratio)
    rules, prices = market.rules(), market.spot()
    answer, terms = predicted(market, legs, debt, collateral, MAX_UINT256, 0)
    assert asked(market, legs, debt, collateral, MAX_UINT256, 0) == answer
    if terms is None or terms.under_water:
        return

    def value(name, amount):
        return Fraction(amount * prices[name].price, 10 ** rules[name].decimals)

    gain = value(collateral, terms.seize[collateral]) - value(debt, terms.repay)
    paid, taken, rest = 0, 0, legs
    for i in range(slices):
        cap = terms.repay - paid if i == slices - 1 else terms.repay // slices
        _, part = predicted(market, rest, debt, collateral, cap, 0)
        if part is None or part.under_water:
            break
        paid += part.repay
        taken += part.seize[collateral]
        rest = after(rest, debt, part)
    assert paid <= terms.repay
    dust = (slices + 1) * (value(debt, 1) + value(collateral, 1)) + gain / 10**9
    assert value(collateral, taken) - value(debt, paid) <= gain + dust


@FIXED
@given(
    worth=accounts,
    ratio=st.fractions(Fraction(1), Fraction(2), max_denominator=1_000),
    changes=st.tuples(*(st.integers(-30, 30) for _ in range(4))),
    moves=st.tuples(st.integers(70, 130), st.integers(70, 130)),
    touched=st.sampled_from([*COLLATERAL, *DEBTS]),
)
def test_check_batch__initial_margin_or_safer(market, worth, ratio, changes, moves, touched):
    """SOLV-5: meets its initial margin, or owes no more of anything with neither health nor
    collateral over debt lower.
    """
    snapshot = market.host.snapshot()
    for name, move in zip(COLLATERAL, moves, strict=True):
        market.price(name, ASSETS[name]["dollars"] * move // 100)
    before = scaled(market, worth, ratio)
    legs = [
        margin.Leg(leg.asset, leg.amount * (100 + change) // 100, leg.is_debt)
        for leg, change in zip(before, changes, strict=True)
    ]
    legs = [leg for leg in legs if leg.amount]
    asset = market.assets[touched]
    tag = asset.id | (DEBT if touched in DEBTS else 0)
    try:
        passed = market.risk.check_batch(packed(market, before), packed(market, legs), tag)
        why = None
    except Reverted as error:
        passed, why = False, error.reason
    average = {name: market.risk.quote(market.assets[name]).average for name in market.assets}
    market.host.restore(snapshot)
    rules = market.rules()
    prices = {
        name: margin.Prices.flat(
            (ASSETS[name]["dollars"] * moves[COLLATERAL.index(name)] // 100) * WAD, average[name]
        )
        if name in COLLATERAL
        else margin.Prices.flat(WAD)
        for name in (*COLLATERAL, *DEBTS)
    }
    refused = margin.initial(legs, rules, prices)
    if refused is None:
        assert passed is True
        return
    safer = margin.is_safer(before, legs, rules, prices)
    assert (why is None) == safer
    assert passed is not True
    owed = {leg.asset: leg.amount for leg in before if leg.is_debt}
    owes_more = any(leg.amount > owed[leg.asset] for leg in legs if leg.is_debt)
    if why is None:
        assert not owes_more
        # at spot and at the average, whichever is right
        for told in (prices, {name: margin.Prices.flat(p.average) for name, p in prices.items()}):
            old, new = margin.health(before, rules, told), margin.health(legs, rules, told)
            assert new.exact is None or (
                new.exact >= old.exact * (1 - Fraction(1, 10**15))
                and new.collateral_value * old.debt_value
                >= old.collateral_value * new.debt_value * (1 - Fraction(1, 10**15))
            )
    else:
        assert why == refused
