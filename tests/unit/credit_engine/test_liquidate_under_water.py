"""`liquidate`, an account that cannot pay: parts of everything, and the loss in the same call."""

from contextlib import suppress
from fractions import Fraction

import pytest

from breakwater.host import Reverted
from breakwater.model import liquidation, margin
from breakwater.units import MAX_UINT256, WAD, account_id
from tests.market import refuses

LOSS = 60_000 - Fraction(100_000) / Fraction(1005, 1000) / 2


@pytest.fixture
def drowned(market):
    """100,000 of collateral against two debts of 60,000, at a tip of 0.5 %."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 60_000)
    market.borrow("DAI", 60_000)
    market.price("WETH", 1_000)
    market.host.advance(0, 1)
    return market


def liquidated(market, debt, collateral="WETH", max_repay=MAX_UINT256):
    """Liquidate and hold the call against the model in every figure; its event, the vault's."""
    terms = market.terms(debt, collateral, max_repay)
    assert terms.under_water
    asset = market.assets[debt]
    held = {name: market.held(name) for name in terms.seize}
    got = {name: market.tokens(name, market.liquidator) for name in terms.seize}
    owed, index = market.owed(debt), asset.vault.debt_index()
    before = market.health().exact
    receipt = market.liquidate(debt, collateral, max_repay)
    event = receipt.event("Liquidate")
    assert event.repaid == terms.repay
    assert event.fund_fee == terms.fund_fee == 0
    assert event.seized == terms.seize[collateral]
    assert event.incentive == terms.incentive
    assert event.health_factor == terms.health_factor
    assert abs(event.bad_debt - terms.write_off) <= 2 + index // 10**27
    for name, taken in terms.seize.items():
        assert market.held(name) == held[name] - taken
        if name != debt:
            assert market.tokens(name, market.liquidator) == got[name] + taken
    assert {log.asset: log.amount for log in receipt.events("Seize")} == {
        market.assets[name].address: taken
        for name, taken in terms.seize.items()
        if name != collateral and taken
    }
    assert abs(owed - market.owed(debt) - terms.repay - event.bad_debt) <= 2
    assert terms.repay >= terms.exact_repay - 2  # two divisions of WAD values, then up
    after = market.health().exact
    if after is not None:
        assert abs(after - before) < Fraction(1, 10**6)
    losses = receipt.events("WriteOff", asset.vault.address)
    assert sum(log.loss for log in losses) == event.bad_debt
    assert all(log.loss == log.fund_loss + log.lender_loss for log in losses)
    return event, losses


@pytest.mark.parametrize("order", [("USDC", "DAI"), ("DAI", "USDC")])
def test_liquidate__each_debt_bears_its_part_whoever_is_first(drowned, order):
    """60,000 - 100,000 / 1.005 / 2 = 10,248.76 is lost in each vault."""
    market = drowned
    for debt in order:
        unit = market.assets[debt].unit
        claims = market.assets[debt].vault.totalAssets()
        event, _ = liquidated(market, debt)
        assert abs(Fraction(event.bad_debt, unit) - LOSS) < Fraction(1, 10**4)
        lost = claims - market.assets[debt].vault.totalAssets()
        assert abs(lost - event.bad_debt) <= 2
    assert market.legs() == []
    assert market.engine.book_of(market.assets["WETH"])[1] == 0


def test_liquidate__in_parts_each_debt_bears_the_same(drowned):
    market = drowned
    lost = dict.fromkeys(("USDC", "DAI"), 0)
    for debt in ("USDC", "DAI", "USDC", "DAI"):
        unit = market.assets[debt].unit
        event, _ = liquidated(market, debt, max_repay=25_000 * unit)
        lost[debt] += event.bad_debt
    for debt in ("USDC", "DAI"):
        if market.owed(debt):
            lost[debt] += liquidated(market, debt)[0].bad_debt
    for debt, loss in lost.items():
        assert abs(Fraction(loss, market.assets[debt].unit) - LOSS) < Fraction(1, 10**3)


@pytest.mark.parametrize("dollars", [1_200, 1_205, 1_100, 500, 3, Fraction(1, 50)])
def test_liquidate__at_several_depths(scaled, dollars):
    market = scaled
    market.deposit("WETH", 100)
    market.deposit("WBTC", "0.5")
    market.borrow("USDC", 90_000)
    market.borrow("DAI", 50_000)
    market.settle(rounds=1)
    # far falls are jumps whatever the band: let the average follow
    market.price("WETH", dollars)
    market.price("WBTC", 25 * dollars)
    market.settle(rounds=40)
    state = market.health()
    if not liquidation.is_under_water(state, 5 * 10**15):
        pytest.skip("not that deep")
    liquidated(market, "USDC")
    liquidated(market, "DAI", "WBTC")
    assert market.legs() == []


def test_liquidate__border_between_the_two(market):
    """C = (1 + tip) x D is under water; a cent above it is not."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 100_000)
    market.host.advance(0, 1)
    market.price("WETH", 1_005)
    assert market.terms("USDC", "WETH").under_water
    market.price("WETH", Fraction(100_501, 100))
    assert not market.terms("USDC", "WETH").under_water
    market.price("WETH", 1_005)
    liquidated(market, "USDC")


def test_liquidate__loss_takes_the_fund_first(drowned):
    market, usdc = drowned, drowned.assets["USDC"]
    vault, fund = usdc.vault, usdc.fund
    stake = vault.convertToShares(4_000 * 10**6)
    vault.approve(fund, MAX_UINT256, sender=market.lender)
    fund.deposit(stake, market.lender, sender=market.lender)
    held = vault.convertToAssets(vault.balanceOf(fund))
    claims = vault.convertToAssets(10**12)
    event, (loss,) = liquidated(market, "USDC")
    assert abs(loss.fund_loss - held) <= 2
    assert loss.lender_loss == event.bad_debt - loss.fund_loss > 6_000 * 10**6
    assert vault.balanceOf(fund) == 0
    assert vault.convertToAssets(10**12) < claims


def test_liquidate__fund_that_suffices_spares_the_lenders(drowned):
    market, usdc = drowned, drowned.assets["USDC"]
    vault, fund = usdc.vault, usdc.fund
    vault.approve(fund, MAX_UINT256, sender=market.lender)
    fund.deposit(vault.convertToShares(20_000 * 10**6), market.lender, sender=market.lender)
    worth = vault.convertToAssets(10**18)
    event, (loss,) = liquidated(market, "USDC")
    assert loss.fund_loss == event.bad_debt
    assert loss.lender_loss == 0
    assert vault.convertToAssets(10**18) >= worth


def test_liquidate__two_collaterals_in_proportion(market):
    market.deposit("WETH", 10)
    market.deposit("WBTC", 1)
    market.borrow("USDC", 50_000)
    market.host.advance(0, 1)
    market.price("WETH", 1_200)
    market.price("WBTC", 30_000)
    event, _ = liquidated(market, "USDC", max_repay=20_000 * 10**6)
    assert event.bad_debt > 0
    liquidated(market, "USDC", "WBTC")
    assert market.legs() == []


def test_liquidate__named_collateral_need_not_be_held(drowned):
    """Under water every collateral is taken, whatever is named."""
    receipt = drowned.liquidate("USDC", "WBTC")
    assert receipt.event("Liquidate").seized == 0
    assert receipt.event("Seize").amount == 50 * WAD
    assert drowned.held("WETH") == 50 * WAD
    with refuses("too little would be seized"):
        drowned.liquidate("DAI", "WBTC", min_seized=1)


def test_liquidate__parts_go_to_an_account(drowned):
    market = drowned
    mine = account_id(market.liquidator, 5)
    seized = market.liquidate("USDC", "WETH", credit=mine).event("Liquidate").seized
    assert market.held("WETH", mine) == seized == 50 * WAD


def test_liquidate__cap_that_would_leave_less_than_the_minimum_reverts(drowned):
    with refuses("repay leaves debt below min"):
        drowned.liquidate("USDC", "WETH", 49_740 * 10**6)
    with refuses("nothing to repay"):
        drowned.liquidate("USDC", "WETH", 0)


def test_liquidate__dust_is_for_free(market):
    """Collateral worth less than the threshold goes to whoever books the loss."""
    market.deposit("WETH", 1)
    market.borrow("USDC", 1_000)
    market.price("WETH", Fraction(liquidation.DUST_VALUE, WAD) * Fraction(99, 100))
    market.settle(rounds=60)
    terms = market.terms("USDC", "WETH")
    assert terms.repay == 0
    receipt = market.liquidate("USDC", "WETH", 0, sender=market.other)
    event = receipt.event("Liquidate")
    assert (event.repaid, event.seized) == (0, WAD)
    assert event.bad_debt >= 1_000 * 10**6
    assert receipt.event("WriteOff").loss == event.bad_debt
    assert market.legs() == []


def test_liquidate__account_without_collateral_books_its_loss(market):
    """What is left when a collateral that faded to nothing was all there was."""
    market.deposit("WETH", 1)
    market.deposit("WBTC", 1)
    market.borrow("USDC", 30_000)
    market.host.advance(0, 1)
    market.break_feed("WBTC")
    market.poke("WBTC")
    for _ in range(24):
        market.host.advance(3_600)
        market.poke("WBTC")
    market.refresh("WETH", "USDC", "DAI")
    assert market.risk.health_of(market.engine.position_of(market.account())).collateral_value == (
        2_000 * WAD
    )
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert event.seized == WAD
    assert event.bad_debt == 0  # what has no price was worth more than the debt
    assert market.owed("USDC") > 28_000 * 10**6
    with refuses("collateral has no valid price"):
        market.liquidate("USDC", "WBTC")
    market.price("WBTC", 20)
    market.poke("WBTC")
    market.settle("WBTC", rounds=40)
    event = market.liquidate("USDC", "WBTC").event("Liquidate")
    assert event.bad_debt > 27_000 * 10**6
    assert market.legs() == []


def test_liquidate__oneself_under_water_gains_no_debt_free_collateral(drowned):
    """Whoever liquidates pays collateral less tip: the borrower too."""
    market = drowned
    market.give("USDC", market.borrower, 10**12)
    had = market.tokens("USDC", market.borrower)
    event = market.liquidate("USDC", "WETH", sender=market.borrower).event("Liquidate")
    paid = had - market.tokens("USDC", market.borrower)
    assert paid * 1_005 * 10**12 >= event.seized * 1_000 * 1_000
    assert event.seized == 50 * WAD


def test_liquidate__no_interest_on_a_booked_loss(drowned):
    market, usdc = drowned, drowned.assets["USDC"]
    liquidated(market, "USDC")
    market.host.advance(10**7)
    assert usdc.vault.debt_assets() == 0
    assert usdc.vault.cash() == market.tokens("USDC", usdc.vault.address)


def test_liquidate__works_in_a_halted_vault(drowned):
    market = drowned
    market.breaker.trip(market.assets["USDC"], 2, 3_600, sender=market.guardian)
    liquidated(market, "USDC")


# ------------------------------------------------------------ while some collateral has no price


SILENT = margin.Prices(
    low=0, price=0, high=0, average=50_000 * WAD, status=margin.STALE, level=2,
    as_collateral=50_000 * WAD, as_debt=50_000 * WAD, is_priced=False,
    last_low=50_000 * WAD, last_high=50_000 * WAD,
)  # fmt: skip
"""WBTC, which had stood at 50,000 dollars until its feed fell silent: not faded yet."""


@pytest.fixture
def silenced(market):
    """50 WETH at 1,000 and 0.2 WBTC that nobody prices, against 79,000 in one debt."""
    market.deposit("WETH", 50)
    market.deposit("WBTC", "0.2")
    market.host.advance(12)
    return market


def silence(market):
    market.host.advance(0, 1)
    market.break_feed("WBTC")
    market.price("WETH", 1_000)


@pytest.mark.parametrize("debt", ["USDC", "DAI"])
def test_liquidate__what_waits_for_a_price_stays_owed(silenced, debt):
    """79,000 - 50,000 / 1.005 - 10,000 = 19,248.76 are lost whatever WBTC turns out to be worth."""
    market, unit = silenced, silenced.assets[debt].unit
    market.borrow(debt, 79_000)
    silence(market)
    terms = market.terms(debt, "WETH", WBTC=SILENT)
    assert terms.under_water
    event = market.liquidate(debt, "WETH").event("Liquidate")
    assert (event.repaid, event.seized) == (terms.repay, 50 * WAD)
    assert abs(event.bad_debt - terms.write_off) <= 2
    assert abs(Fraction(event.bad_debt, unit) - (69_000 - Fraction(50_000) / Fraction(1005, 1000))
               ) < Fraction(1, 1_000)  # fmt: skip
    assert 10_000 * unit <= market.owed(debt) <= 10_000 * unit + 2
    # again: a unit of rounding at most goes off the books
    for _ in range(3):
        with suppress(Reverted):
            assert market.liquidate(debt, "WETH").event("Liquidate").bad_debt <= 2
    with refuses("nothing to repay"):
        market.liquidate(debt, "WETH")
    assert market.owed(debt) >= 10_000 * unit
    # the price comes back lower: then the rest is lost, and no more
    market.price("WBTC", 40_000)
    market.settle("WBTC")
    event = market.liquidate(debt, "WBTC").event("Liquidate")
    assert abs(Fraction(event.repaid, unit) - Fraction(8_000) / Fraction(1005, 1000)) < 1
    assert abs(Fraction(event.repaid + event.bad_debt, unit) - 10_000) < 1
    assert market.legs() == []


def test_liquidate__in_parts_what_waits_for_a_price_stays_owed(silenced):
    """A third of the payment takes a third of the loss; the least debt binds nothing here."""
    market, unit = silenced, 10**6
    market.borrow("USDC", 79_000)
    silence(market)
    lost = 0
    for _ in range(3):
        cap = 20_000 * unit
        terms = market.terms("USDC", "WETH", cap, WBTC=SILENT)
        event = market.liquidate("USDC", "WETH", cap).event("Liquidate")
        assert (event.repaid, event.seized) == (terms.repay, terms.seize["WETH"])
        assert abs(event.bad_debt - terms.write_off) <= 2
        lost += event.bad_debt
    assert market.held("WETH") == 0
    assert abs(Fraction(lost, unit) - (69_000 - Fraction(50_000) / Fraction(1005, 1000))) < 1
    assert 10_000 * unit <= market.owed("USDC") <= 10_000 * unit + 10


def test_liquidate__of_two_debts_each_keeps_what_waits_whoever_is_first(silenced):
    """Which of them it will pay is not known: a second call on one takes no more of it."""
    market = silenced
    market.borrow("USDC", 40_000)
    market.borrow("DAI", 39_000)
    silence(market)
    market.liquidate("USDC", "WETH")
    owed = market.owed("USDC")
    assert 10_000 * 10**6 <= owed <= 10_000 * 10**6 + 2
    held = market.held("WETH")
    assert abs(Fraction(held, WAD) - 50 * Fraction(39, 79)) < Fraction(1, 1_000)
    # what WETH is left pays again, in proportion to the debts that are left
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert event.repaid > 0
    assert event.bad_debt == 0
    event = market.liquidate("DAI", "WETH").event("Liquidate")
    assert event.bad_debt > 0
    assert 10_000 * WAD <= market.owed("DAI") <= 10_000 * WAD + 2


def test_liquidate__nothing_priced_books_what_is_certain(market):
    """No collateral has a price: nothing is paid and nothing seized, and the sure loss is booked.
    One that was worth all that is owed hides nothing: there is no sure loss.
    """
    market.deposit("WBTC", 1)
    market.borrow("USDC", 30_000)
    market.price("WBTC", 20_000)
    market.settle("WBTC", rounds=60)
    market.break_feed("WBTC")
    average = market.risk.quote(market.assets["WBTC"]).average
    owed = market.owed("USDC")
    receipt = market.liquidate("USDC", "WBTC", 0, sender=market.other)
    event = receipt.event("Liquidate")
    assert (event.repaid, event.seized) == (0, 0)
    assert receipt.event("WriteOff").loss == event.bad_debt
    # at the higher of last spot and last average
    kept = -(-max(average, 20_000 * WAD) // 10**12)
    assert owed - event.bad_debt - 2 <= kept <= market.owed("USDC") <= kept + 2
    assert market.held("WBTC") == 10**8
    market.price("WBTC", 1)
    market.settle("WBTC", rounds=60)
    market.liquidate("USDC", "WBTC")
    assert market.legs() == []


def test_liquidate__dust_without_a_price_keeps_nothing(silenced):
    """A dollar of WBTC is waited for, a unit less is not."""
    market = silenced
    market.borrow("USDC", 79_000)
    position = {}
    for units in (1_999, 2_000):
        legs = [("WETH", 50 * WAD, False), ("WBTC", units, False), ("USDC", 79_000 * 10**6, True)]
        position[units] = market.position(*legs)
    silence(market)
    ids = {name: asset.id for name, asset in market.assets.items()}
    for units, stays in ((1_999, 0), (2_000, 10**6)):
        terms = market.risk.liquidation_terms(
            position[units], 128 | ids["USDC"], ids["WETH"], MAX_UINT256, 100 * 10**6
        )
        assert terms.repay + terms.write_off == 79_000 * 10**6 - stays
