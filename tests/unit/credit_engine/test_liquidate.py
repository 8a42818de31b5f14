"""`liquidate`, an account that can pay: terms to the unit, caps, receivers, the callback."""

from dataclasses import replace
from fractions import Fraction

import pytest
from eth_abi import encode
from eth_utils import keccak

from breakwater.host import interface_of
from breakwater.mocks import FlashBorrowerMock, OddTokenMock
from breakwater.model import liquidation
from breakwater.units import MAX_UINT256, WAD, account_id
from tests.market import ASSETS, DEPOSIT, ZERO, refuses


def open_account(market, collateral, debts, account=None):
    for name, whole in collateral.items():
        market.deposit(name, whole, account)
    for name, whole in debts.items():
        market.borrow(name, whole, account)
    market.host.advance(12)


def liquidated(market, debt, collateral, max_repay=MAX_UINT256, **options):
    """Liquidate, and hold the call against the model in every figure; the model's terms."""
    terms = market.terms(debt, collateral, max_repay)
    before, held, owed = market.health(), market.held(collateral), market.owed(debt)
    vault, seized = market.assets[debt].vault, terms.seize[collateral]
    fund, claims = market.assets[debt].fund.address, vault.totalAssets()
    in_fund = vault.convertToAssets(vault.balanceOf(fund)) + vault.fee_owed()
    cash, shares = vault.cash(), vault.debt_shares()
    market.give(debt, market.liquidator, 10**9 * market.assets[debt].unit)
    tokens = [market.tokens(debt, market.liquidator), market.tokens(collateral, market.other)]

    preview = market.lens.preview_liquidate(
        market.account(), market.assets[debt], market.assets[collateral], max_repay
    )
    assert preview[:6] == (terms.repay, terms.fund_fee, 0, seized, *preview[4:6])
    receipt = market.engine.liquidate(
        market.account(), market.assets[debt], market.assets[collateral], max_repay,
        seized, market.other, bytes(32), b"", sender=market.liquidator,
    )  # fmt: skip
    assert receipt.value == (terms.repay + terms.fund_fee, seized)
    assert receipt.event("Liquidate").args == {
        "account": market.account(),
        "debt_asset": market.assets[debt].address,
        "collateral": market.assets[collateral].address,
        "liquidator": market.liquidator,
        "repaid": terms.repay,
        "fund_fee": terms.fund_fee,
        "bad_debt": 0,
        "seized": seized,
        "health_factor": terms.health_factor,
        "incentive": terms.incentive,
    }
    assert not receipt.events("Seize")
    paid = terms.repay + terms.fund_fee
    if debt != collateral:
        assert market.tokens(debt, market.liquidator) == tokens[0] - paid
    assert market.tokens(collateral, market.other) == tokens[1] + seized
    assert vault.cash() == cash + paid
    assert vault.debt_shares() <= shares
    assert vault.debt_shares() < shares or terms.repay == 1
    assert market.held(collateral) == held - seized
    assert owed - terms.repay <= market.owed(debt) <= owed - terms.repay + 2
    assert vault.totalAssets() >= claims
    if terms.fund_fee:
        gain = vault.convertToAssets(vault.balanceOf(fund)) + vault.fee_owed() - in_fund
        assert abs(gain - terms.fund_fee) <= 2
    # SOLV-7, to the rounding of a debt share and of a unit of each token
    after = market.health()
    prices, rules = market.spot(), market.rules()
    dust = 3 * prices[debt].price // 10 ** rules[debt].decimals
    dust += 2 * prices[collateral].price // 10 ** rules[collateral].decimals
    assert after.health_factor >= before.health_factor - dust * WAD // before.debt_value - 2
    return terms


@pytest.mark.parametrize("dollars", [1_925, 1_900, 1_850, 1_800, 1_700, 1_650, 1_620, 1_609])
def test_liquidate__at_several_levels_of_health(scaled, dollars):
    market = scaled
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", dollars)
    terms = liquidated(market, "USDC", "WETH")
    assert 0 <= terms.repay - terms.exact_repay <= 2 + terms.exact_repay / 10**14
    price = Fraction(dollars) * market.assets["USDC"].unit / market.assets["WETH"].unit
    worth = terms.seize["WETH"] * price
    assert worth <= terms.repay * Fraction(WAD + terms.incentive, WAD)
    if market.owed("USDC"):
        assert abs(market.health().exact - Fraction(105, 100)) < Fraction(1, 10**6)
        with refuses("account is healthy"):
            market.liquidate("USDC", "WETH")


def test_liquidate__by_hand(market):
    """100 WETH against 160,000 USDC at 1,900: health 0.985625, incentive 2.4375 %.

    repaid (1.05 x 160,000 - 157,700) / (1.05 - 1.024375 x 0.83) = 51,559.615806
    """
    market.deposit("WETH", 100)
    market.borrow("USDC", 160_000)
    market.price("WETH", 1_900)
    market.host.advance(0, 1)
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert event.health_factor == 985_625 * 10**12
    assert event.incentive == 24_375 * 10**12
    assert event.repaid == 51_559_615_806
    assert abs(event.seized / WAD - event.repaid / 10**6 * 1.024375 / 1_900) < 1e-6
    assert abs(event.fund_fee - event.repaid * 0.019375 * 0.1) < 1


def test_liquidate__weighted_debt_and_two_collaterals(new_market):
    market = new_market(DAI={"debt_weight": 11_000})
    open_account(market, {"WETH": 10, "WBTC": 1}, {"DAI": 30_000, "USDC": 15_000})
    market.price("WBTC", 39_000)
    market.price("WETH", 1_800)
    start = market.host.snapshot()
    for debt in ("DAI", "USDC"):
        for collateral in ("WETH", "WBTC"):
            liquidated(market, debt, collateral)
            market.host.restore(start)


def test_liquidate__limited_by_the_collateral(market):
    """All of a small collateral; the debt that is left is untouched by the least debt."""
    open_account(market, {"WETH": 1, "WBTC": 1}, {"USDC": 36_000})
    market.price("WBTC", 46_000)
    market.price("WETH", 1_600)
    terms = liquidated(market, "USDC", "WETH")
    assert terms.seize["WETH"] == WAD
    assert [leg.asset for leg in market.legs()] == ["WBTC", "USDC"]


def test_liquidate__all_where_the_rest_would_be_below_the_minimum(new_market):
    market = new_market(min_debt=8_000)
    open_account(market, {"WETH": 10}, {"USDC": 16_000})
    market.price("WETH", 1_850)
    terms = liquidated(market, "USDC", "WETH")
    assert market.owed("USDC") == 0
    assert terms.repay >= 16_000 * 10**6


def test_liquidate__cap_that_would_leave_less_than_the_minimum(market):
    """Repays only so much that the minimum is left; a debt below it goes whole or not at all."""
    open_account(market, {"WETH": 1}, {"USDC": 1_600})
    market.price("WETH", 1_700)
    least = market.engine.debt_of(market.assets["USDC"])[2]
    owed = market.owed("USDC")
    start = market.host.snapshot()
    terms = liquidated(market, "USDC", "WETH", owed - 1)
    assert terms.repay == owed - least
    market.host.restore(start)
    market.configurator.set_min_debt(market.assets["USDC"], 2_000 * 10**6, sender=market.owner)
    for cap in (0, 1, 50 * 10**6, owed - 1):
        with refuses("repay leaves debt below min"):
            market.liquidate("USDC", "WETH", cap)
    liquidated(market, "USDC", "WETH")


@pytest.mark.parametrize("cap", [2, 999, 10**6, 12_345_678_901])
def test_liquidate__caps(market, cap):
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", 1_850)
    assert liquidated(market, "USDC", "WETH", cap).repay == cap


@pytest.mark.parametrize("cap", [0, 1])
def test_liquidate__cap_that_cancels_no_share_reverts(market, cap):
    """One unit is less than a share once the index has grown: it may seize nothing."""
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.host.advance(80_000)
    market.price("WETH", 1_850)
    with refuses("nothing to repay"):
        market.liquidate("USDC", "WETH", cap)


def test_liquidate__min_seized(market):
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", 1_850)
    seized = market.terms("USDC", "WETH", 10**10).seize["WETH"]
    with refuses("too little would be seized"):
        market.liquidate("USDC", "WETH", 10**10, min_seized=seized + 1)
    receipt = market.liquidate("USDC", "WETH", 10**10, min_seized=seized)
    assert receipt.value[1] == seized


@pytest.mark.everywhere
def test_liquidate__refusals(market):
    open_account(market, {"WETH": 10}, {"USDC": 15_990})
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH", account=market.account(9))
    market.price("WETH", 1_850)
    with refuses("account has no such debt"):
        market.liquidate("DAI", "WETH")
    with refuses("account has no such collateral"):
        market.liquidate("USDC", "WBTC")
    with refuses("asset is no debt asset"):
        market.engine.liquidate(
            market.account(), market.assets["WBTC"], market.assets["WETH"], 1, 0,
            market.other, bytes(32), b"", sender=market.other,
        )  # fmt: skip
    with refuses("account has no such collateral"):
        market.engine.liquidate(
            market.account(), market.assets["USDC"], ZERO, 1, 0,
            market.other, bytes(32), b"", sender=market.other,
        )  # fmt: skip
    with refuses("credit is the account itself"):
        market.liquidate("USDC", "WETH", credit=market.account())
    with refuses("caller may not do this"):
        market.liquidate("USDC", "WETH", credit=account_id(market.other, 1))


def pair_market(new_market, second):
    """50 of collateral at 0.95 and `second` at 0.50 against a debt of 100, in hundreds."""
    rules = {"decimals": 18, "dollars": 100, "incentive_max": 500}
    market = new_market(
        **{name: {"incentive_max": 500} for name in ASSETS},
        HIGH={**rules, "borrow_ltv": 9_300, "liquidation_ltv": 9_500},
        LOW={**rules, "borrow_ltv": 4_700, "liquidation_ltv": 5_000},
    )
    open_account(market, {"HIGH": 50, "LOW": 120}, {"USDC": 10_000})
    market.price("LOW", Fraction(second, 120) * 100)
    return market


def test_liquidate__pair_that_would_lower_health_reverts(new_market):
    """SOLV-7: health 0.935, and 1.005 x 0.95 is above it. The other pair always does."""
    market = pair_market(new_market, 92)
    with refuses("pair would lower health"):
        market.liquidate("USDC", "HIGH")
    with pytest.raises(liquidation.Refused, match="pair would lower health"):
        market.terms("USDC", "HIGH")
    liquidated(market, "USDC", "LOW")


def test_liquidate__incentive_is_cut_to_break_even(new_market):
    """At health 0.975 the pair of 0.95 pays at most 0.975 / 0.95 - 1, and health stays."""
    market = pair_market(new_market, 100)
    before = market.health().exact
    terms = liquidated(market, "USDC", "HIGH", 1_000 * 10**6)
    assert terms.incentive == terms.health_factor * 10_000 // 9_500 - WAD
    assert abs(market.health().exact - before) < Fraction(1, 10**9)


def test_liquidate__other_collateral_while_one_has_no_price(new_market):
    """The pair that would raise health may have no price: then any priced one must do, unless a
    priced one above dust would raise it too.
    """
    market = pair_market(new_market, 92)
    market.deposit("WETH", "0.0006")  # above dust at 2,000
    market.settle("LOW")
    market.break_feed("LOW")
    start = market.host.snapshot()
    low = {"LOW": replace(market.spot()["LOW"], is_priced=False)}
    assert market.health().health_factor > 9 * WAD // 10
    with refuses("pair would lower health"):
        market.liquidate("USDC", "HIGH", 10**9)
    with pytest.raises(liquidation.Refused, match="pair would lower health"):
        market.terms("USDC", "HIGH", 10**9, **low)
    market.host.restore(start)
    market.price("WETH", 1_600)  # dust
    terms = market.terms("USDC", "HIGH", 10**9, **low)
    event = market.liquidate("USDC", "HIGH", 10**9).event("Liquidate")
    assert (event.repaid, event.seized) == (terms.repay, terms.seize["HIGH"])
    with refuses("collateral has no valid price"):
        market.liquidate("USDC", "LOW", 10**9)


@pytest.mark.parametrize("slices", [2, 3, 7, 20])
@pytest.mark.parametrize("dollars", [1_900, 1_850, 1_800, 1_700, 1_650, 1_615])
def test_liquidate__slices_pay_no_more(market, slices, dollars):
    """SOLV-7: splitting one pair's liquidation within a block never pays more, to rounding."""
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", dollars)
    start = market.host.snapshot()
    whole = market.liquidate("USDC", "WETH").event("Liquidate")
    market.host.restore(start)
    repaid = seized = 0
    for i in range(slices):
        left = whole.repaid - repaid
        cap = left if i == slices - 1 else min(left, whole.repaid // slices)
        if cap == 0 or market.health().health_factor >= WAD:
            break
        event = market.liquidate("USDC", "WETH", cap).event("Liquidate")
        repaid += event.repaid
        seized += event.seized
    profit = whole.seized * dollars - whole.repaid * 10**12
    assert seized * dollars - repaid * 10**12 <= profit + slices * 10**13


def test_liquidate__closes_whole_debts(new_market):
    market = new_market(WETH={"closes_whole": True})
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", 1_925)
    liquidated(market, "USDC", "WETH")
    assert market.owed("USDC") == 0


@pytest.mark.parametrize(("slope", "whole"), [(20_000, False), (70_000, True)])
def test_liquidate__volatility_raises_the_target(new_market, slope, whole):
    """H = H_0 + k x max(0, volatility - reference); above 1.25 whole debts are closed."""
    market = new_market(WETH={"target_slope": slope})
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    spot = 1_900
    seen = set()
    for _ in range(12):
        market.host.advance(900)
        market.refresh()
        market.price("WETH", spot)
        market.poke("WETH")
        spot -= 12
        quote = market.risk.quote(market.assets["WETH"])
        prices = {**market.spot(), "WETH": market.spot()["WETH"].flat(
            quote.price, quote.average, quote.volatility)}  # fmt: skip
        wanted = market.terms("USDC", "WETH", WETH=prices["WETH"])
        start = market.host.snapshot()
        event = market.liquidate("USDC", "WETH").event("Liquidate")
        assert (event.repaid, event.seized) == (wanted.repay, wanted.seize["WETH"])
        seen.add(event.repaid >= 160_000 * 10**6)
        market.host.restore(start)
    assert seen == {whole}


@pytest.mark.everywhere
def test_liquidate__to_an_account_of_the_liquidator(market):
    open_account(market, {"WETH": 100}, {"USDC": 159_900})
    market.price("WETH", 1_850)
    mine = account_id(market.liquidator, 3)
    book = market.engine.book_of(market.assets["WETH"])[1]
    event = market.liquidate("USDC", "WETH", credit=mine).event("Liquidate")
    assert market.held("WETH", mine) == event.seized > 0
    assert market.engine.book_of(market.assets["WETH"])[1] == book
    assert market.tokens("WETH", market.liquidator) == 0


def test_liquidate__to_an_account_as_operator(market):
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", 1_850)
    theirs = account_id(market.other, 1)
    market.engine.set_operator(
        theirs, market.liquidator, ZERO, DEPOSIT, MAX_UINT256, 2**40, sender=market.other
    )
    seized = market.liquidate("USDC", "WETH", credit=theirs).event("Liquidate").seized
    assert market.held("WETH", theirs) == seized


def test_liquidate__token_that_blocks_is_credited_instead(new_market, host):
    """LIVE-3: no token can block a liquidation."""
    owner = host.account("owner")
    token = OddTokenMock.deploy(host, "Odd", "ODD", 18, sender=owner)
    market = new_market(ODD={"decimals": 18, "dollars": 100, "token": token})
    open_account(market, {"ODD": 100}, {"USDC": 8_000})
    market.price("ODD", 95)
    token.set_odds(1, 0, True, False, sender=owner)
    with refuses("token is paused"):
        market.liquidate("USDC", "ODD")
    token.set_odds(0, 0, False, False, sender=owner)
    with refuses("token transfer failed"):
        market.liquidate("USDC", "ODD")
    mine = account_id(market.liquidator, 0)
    market.liquidate("USDC", "ODD", credit=mine)
    assert market.held("ODD", mine) > 0


def test_liquidate__oneself(market):
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", 1_850)
    terms = market.terms("USDC", "WETH")
    market.give("USDC", market.borrower, 10**12)
    event = market.liquidate("USDC", "WETH", sender=market.borrower).event("Liquidate")
    assert (event.repaid, event.seized) == (terms.repay, terms.seize["WETH"])
    assert event.liquidator == market.borrower


def test_liquidate__debt_and_collateral_of_one_token(market):
    open_account(market, {"WETH": 10, "USDC": 5_000}, {"USDC": 19_000})
    market.price("WETH", 1_700)
    terms = liquidated(market, "USDC", "USDC")
    assert terms.seize["USDC"] == 5_000 * 10**6
    assert [(leg.asset, leg.is_debt) for leg in market.legs()] == [("WETH", False), ("USDC", True)]


def test_liquidate__debt_and_collateral_of_one_token_in_part(market):
    open_account(market, {"WETH": 1, "USDC": 50_000}, {"USDC": 40_000})
    market.price("WETH", 1_000)
    market.configurator.ramp_liquidation_ltv(
        market.assets["USDC"], 7_700, 3 * 86_400, sender=market.owner
    )
    market.host.advance(3 * 86_400)
    market.refresh()
    book = market.engine.book_of(market.assets["USDC"])[1]
    event = market.liquidate("USDC", "USDC").event("Liquidate")
    assert event.seized > event.repaid > 0
    assert market.engine.book_of(market.assets["USDC"])[1] == book - event.seized
    assert market.tokens("USDC", market.engine.address) == book - event.seized


def test_liquidate__callback_is_between_collateral_and_payment(market):
    """What the callback finds: the collateral is there, the debt still stands, the lock is held."""
    host, usdc, weth = market.host, market.assets["USDC"], market.assets["WETH"]
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", 1_850)
    liquidator = FlashBorrowerMock.deploy(host, sender=market.owner)

    def data(name, function, *args):
        return interface_of(name).function(function, len(args)).encode(list(args))

    def execute(target, call):
        return liquidator.execute(target, call, sender=market.owner)

    execute(usdc.token, data("TokenMock", "approve", usdc.vault.address, MAX_UINT256))
    terms = market.terms("USDC", "WETH")
    owed, seized = terms.repay + terms.fund_fee, terms.seize["WETH"]
    steal = data("CreditEngine", "repay", market.account(), usdc.address, 1)
    shares = usdc.vault.debt_shares()
    liquidate = data(
        "CreditEngine", "liquidate", market.account(), usdc.address, weth.address,
        MAX_UINT256, 0, liquidator.address, bytes(32), b"why",
    )  # fmt: skip

    def plan(*calls):
        liquidator.set_calls(
            [(target.address, call, must) for target, call, must in calls], bytes(32),
            sender=market.owner,
        )  # fmt: skip

    plan()
    with refuses("balance too low"):
        execute(market.engine, liquidate)
    sell = data("TokenMock", "transfer", market.other, seized)
    buy = data("TokenMock", "mint", liquidator.address, owed)
    plan(
        (weth.token, sell, True),
        (usdc.token, buy, True),
        (market.engine, steal, False),
        (market.engine, data("CreditEngine", "words_of", market.account()), False),
        (usdc.vault, data("LendingVault", "debt_shares"), True),
    )
    execute(market.engine, liquidate)
    assert [liquidator.results(i) for i in range(5)] == [True, True, False, False, True]
    assert int.from_bytes(liquidator.answer(), "big") == shares
    given = encode(
        ["bytes32", "address", "uint256", "address", "uint256", "bytes"],
        [market.account(), usdc.address, owed, weth.address, seized, b"why"],
    )
    assert liquidator.last() == keccak(given)
    assert market.tokens("WETH", market.other) == seized
    assert market.tokens("USDC", liquidator.address) == 0


def test_liquidate__without_data_there_is_no_callback(market):
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", 1_850)
    market.liquidate("USDC", "WETH")  # the liquidator has no code


def test_liquidate__in_the_block_of_a_deposit_or_a_repayment(market):
    """Only what raises risk holds liquidation off."""
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", 1_850)
    market.deposit("WETH", "0.001")
    market.give("USDC", market.borrower, 10**9)
    market.engine.repay(market.account(), market.assets["USDC"], 10**6, sender=market.borrower)
    market.liquidate("USDC", "WETH")


@pytest.mark.parametrize("level", [1, 2])
def test_liquidate__at_every_level(market, level):
    open_account(market, {"WETH": 100}, {"USDC": 160_000})
    market.price("WETH", 1_850)
    for name in ("WETH", "USDC"):
        market.breaker.trip(market.assets[name], level, 3_600, sender=market.guardian)
    liquidated(market, "USDC", "WETH")


def test_liquidate__eight_assets(new_market):
    more = {f"T{i}": {"decimals": 18, "dollars": 1_000} for i in range(6)}
    market = new_market(**more)
    open_account(market, dict.fromkeys(more, 1), {"USDC": 2_400, "DAI": 2_400})
    for name in more:
        market.price(name, 930)
    for name in more:
        if market.health().health_factor < WAD:
            liquidated(market, "DAI", name, 200 * WAD)


def test_liquidate__seizes_a_single_unit(market):
    """A unit of WBTC is worth 500 units of USDC."""
    open_account(market, {"WBTC": 1}, {"USDC": 34_000})
    market.price("WBTC", 42_000)
    market.settle("WBTC")
    paid = next(
        amount
        for amount in range(300, 600, 20)
        if market.terms("USDC", "WBTC", amount).seize["WBTC"] == 1
    )
    before = market.tokens("WBTC", market.liquidator)
    assert market.liquidate("USDC", "WBTC", paid).value[1] == 1
    assert market.tokens("WBTC", market.liquidator) == before + 1
    assert market.held("WBTC") == 10**8 - 1


@pytest.fixture
def full(new_market):
    """An account with all eight legs: seven collaterals, the last of them large, and a debt."""
    names = ("A", "B", "C", "D")
    market = new_market(**{name: {"decimals": 18, "dollars": 1} for name in names})
    held = {"WETH": 10, "WBTC": "0.1", "DAI": 10, "A": 10, "B": 10, "C": 10, "D": 5_000}
    open_account(market, held, {"USDC": 22_000})
    assert len(market.legs()) == 8
    return market


@pytest.mark.parametrize("collateral", ["WETH", "C", "D"])
def test_liquidate__any_of_eight_legs(full, collateral):
    full.price("WETH", 1_600)
    full.settle("WETH")
    liquidated(full, "USDC", collateral)


@pytest.mark.parametrize("to_account", [False, True])
def test_liquidate__all_of_eight_legs_under_water(full, to_account):
    full.price("WETH", 800)
    full.settle("WETH")
    terms = full.terms("USDC", "D")
    assert terms.under_water
    assert len(terms.seize) == 7
    credit = account_id(full.liquidator, 0) if to_account else bytes(32)
    before = {name: full.tokens(name, full.liquidator) for name in terms.seize}
    receipt = full.liquidate("USDC", "D", credit=credit)
    assert full.legs() == []
    for name, amount in terms.seize.items():
        if to_account:
            assert full.held(name, credit) == amount
        else:
            assert full.tokens(name, full.liquidator) == before[name] + amount
    seized = {event.args["asset"]: event.args["amount"] for event in receipt.events("Seize")}
    assert seized == {
        full.assets[name].address: amount for name, amount in terms.seize.items() if name != "D"
    }
