"""`buy`: at the engine's terms, within the slice, and who gets what."""

from fractions import Fraction

import pytest

from breakwater.model.backstop import SCALE
from breakwater.units import MAX_UINT256
from tests.backstop import Backstop
from tests.market import refuses

CASH = 90_000 * 10**6


def test_buy__by_hand(fallen):
    """100 WETH at 1,400 against 120,000 USDC and three days of interest. A tenth of 90,000 USDC is
    9,000; 10,000 / 10,500 of it may be repaid. Two thirds of what is seized are the first's.
    """
    market = fallen.market
    cap = 9_000 * 10**6 * 10_000 // 10_500
    assert fallen.pool.room() == 9_000 * 10**6
    assert fallen.cap() == cap == 8_571_428_571
    fallen.mark()
    terms = fallen.terms()
    assert terms.repay == cap
    # health 0.83 * 140,000 / 120,0xx = 0.968: 1 % and 3.2 %; the fund's is a tenth above 0.5 %
    assert 410 < terms.incentive * 10**4 // 10**18 < 430
    seized = terms.seize["WETH"]
    exact = Fraction(cap, 10**6) * (1 + Fraction(terms.incentive, 10**18)) / 1_400 * 10**18
    assert 0 <= exact - seized <= 2 * 10**6  # WAD values are cut off
    receipt = fallen.buy()
    paid = terms.repay + terms.fund_fee
    reward = seized * 25 // 10_000
    assert reward == fallen.reward(terms, "WETH")
    assert receipt.value == paid
    assert receipt.event("Buy").args == {
        "account": market.account(), "collateral": market.assets["WETH"].address,
        "caller": market.other, "paid": paid,
    }  # fmt: skip
    assert receipt.event("Take").args == {
        "asset": market.assets["WETH"].address, "amount": seized, "reward": reward
    }  # fmt: skip
    event = receipt.event("Liquidate")
    assert (event.liquidator, event.repaid, event.seized) == (fallen.pool.address, cap, seized)

    assert fallen.pool.totals() == (CASH - paid, CASH * 10**6, 0)
    assert fallen.debt.token.balanceOf(fallen.pool) == CASH - paid
    assert fallen.debt.token.allowance(fallen.pool, fallen.debt.vault) == 0
    assert fallen.worth("first") == (CASH - paid) * 2 // 3
    assert fallen.worth("second") == (CASH - paid) // 3
    rest = seized - reward
    assert 0 <= Fraction(2 * rest, 3) - fallen.earned("first") < 2
    assert 0 <= Fraction(rest, 3) - fallen.earned("second") < 2
    assert fallen.pool.claimable(market.other, market.assets["WETH"]) == reward
    assert fallen.pool.collaterals() == [market.assets["WETH"].address]
    # in the engine, all of it
    shelf = bytes.fromhex(fallen.pool.address[2:]) + market.assets["WETH"].id.to_bytes(12, "big")
    assert market.held("WETH", shelf) == seized
    out = fallen.claim("first") + fallen.claim("second")
    market_claim = fallen.pool.claim(market.assets["WETH"], market.other, sender=market.other)
    assert seized - 2 <= out + market_claim.value <= seized
    assert market.held("WETH", shelf) == seized - out - market_claim.value


def test_buy__a_window_takes_a_tenth_of_each_share(fallen):
    """In one call or in many, and after it nothing until the next hour."""
    fallen.mark()
    start = fallen.worth("first")
    for part in (10**9, 10**9, MAX_UINT256, MAX_UINT256):
        fallen.buy(max_repay=part)
    while fallen.pool.room() > 2:
        fallen.buy()
    room = fallen.pool.room()
    assert fallen.worth("first") == start * 9 // 10 + room * 2 // 3
    fallen.host.advance(3_599 - fallen.host.now % 3_600)
    assert fallen.pool.room() == room
    fallen.host.advance(1)
    assert fallen.pool.room() == fallen.pool.totals()[0] // 10
    fallen.mark()
    fallen.buy()
    assert fallen.worth("first") >= start * 81 // 100 - 1


def test_buy__zero_of_it(fallen):
    fallen.mark()
    with refuses("zero assets"):
        fallen.buy(max_repay=0)


def test_buy__with_an_empty_pool(market):
    backstop = Backstop(market)
    market.deposit("WETH", 100)
    market.borrow("USDC", 120_000)
    market.price("WETH", 1_400)
    backstop.deposit("first", 10**12)
    backstop.mark()
    assert backstop.pool.room() == 0
    with refuses("slice is used up"):
        backstop.buy()


def test_buy__refusals_of_the_engine_come_through(fallen):
    market = fallen.market
    fallen.mark()
    with refuses("account has no such collateral"):
        fallen.buy("WBTC")
    # a debt of 100 and less can only be closed whole; a slice of 9,000 leaves 120,0xx - 8,571
    market.price("WETH", 1_500)
    with refuses("account is healthy"):
        fallen.buy()
    market.price("WETH", 1_400)
    market.break_feed("WETH")
    with refuses("collateral has no valid price"):
        fallen.buy()
    market.refresh("WETH")
    market.break_feed("USDC")
    with refuses("debt has no valid price"):
        fallen.buy()
    market.refresh("USDC")
    fallen.buy()


def test_buy__not_in_the_block_of_a_loan(fallen):
    market = fallen.market
    market.price("WETH", 2_000)
    market.settle("WETH", rounds=20)
    market.price("WETH", 1_400)
    fallen.mark()
    market.price("WETH", 2_000)
    market.borrow("USDC", 1)
    market.price("WETH", 1_400)
    with refuses("risk was raised in this block"):
        fallen.buy()
    fallen.host.advance(12)
    fallen.buy()


def test_buy__a_price_that_favours_the_borrower_is_too_dear(fallen):
    """A jump that nobody has confirmed is valued at the average: more is paid than it fetches."""
    market = fallen.market
    market.poke("WETH")
    fallen.mark()
    for name in ("WETH",):
        config = market.assets[name].config
        assert config.jump_band == 6_300
    market.price("WETH", 510)  # 64 % below the average: a jump; at 1,400 below maintenance too
    with refuses("worth less than it costs"):
        fallen.buy()
    market.price("WETH", 1_400)
    fallen.buy()


@pytest.mark.parametrize("dollars", [1_200, 900, 3])
def test_buy__under_water_a_part_of_everything(market, dollars):
    """The loss is the vault's, in the same call; the pool gets WETH and WBTC in proportion."""
    backstop = Backstop(market)
    market.deposit("WETH", 60)
    market.deposit("WBTC", "0.8")
    market.borrow("USDC", 90_000)
    backstop.stand(first=2 * 10**11, second=10**11)
    market.price("WETH", dollars * 3 // 4)
    market.price("WBTC", 25 * dollars * 3 // 4)
    market.settle("WETH", "WBTC", rounds=40)
    backstop.window()
    backstop.mark()
    terms = backstop.terms()
    assert terms.under_water
    rewards = {name: backstop.reward(terms, name) for name in terms.seize}
    receipt = backstop.buy()
    assert receipt.value == terms.repay <= 3 * 10**10
    for name, seized in terms.seize.items():
        (event,) = (
            one for one in receipt.events("Take") if one.asset == market.assets[name].address
        )
        assert (event.amount, event.reward) == (seized, rewards[name])
        rest = seized - rewards[name]
        assert 0 <= Fraction(2 * rest, 3) - backstop.earned("first", name) < 2
        assert 0 <= Fraction(rest, 3) - backstop.earned("second", name) < 2
        assert backstop.claim("second", name) > 0
    assert abs(receipt.event("Liquidate").bad_debt - terms.write_off) <= 2
    assert {*backstop.pool.collaterals()} == {market.assets[name].address for name in terms.seize}


def test_buy__collateral_that_is_not_paid_for(market):
    """Less than a dollar of it comes for nothing, and the loss is booked."""
    backstop = Backstop(market)
    market.deposit("WETH", 10)
    market.borrow("USDC", 10_000)
    backstop.stand(first=10**9)
    market.price("WETH", Fraction(1, 50))
    market.settle("WETH", rounds=100)
    backstop.window()
    backstop.mark()
    receipt = backstop.buy()
    assert receipt.value == 0
    assert backstop.worth("first") == 10**9
    assert backstop.earned("first") == 10**19 - 10**19 * 25 // 10_000
    assert receipt.event("Liquidate").bad_debt > 10_000 * 10**6


def test_buy__the_reward_is_at_most_half_the_gain(new_market):
    """With a tip of 0.3 % half of it is less than 0.25 %; the pool never pays for being called."""
    rules = {"tip": 30, "incentive_min": 30, "incentive_slope": 0}
    market = new_market(**dict.fromkeys(("WETH", "WBTC", "USDC", "DAI"), rules))
    backstop = Backstop(market)
    market.deposit("WETH", 100)
    market.borrow("USDC", 120_000)
    backstop.stand(first=CASH)
    market.price("WETH", 1_400)
    market.settle("WETH", rounds=20)
    backstop.window()
    backstop.mark()
    terms = backstop.terms()
    event = backstop.buy().event("Take")
    assert event.reward == backstop.reward(terms, "WETH")
    part = Fraction(event.reward, event.amount)
    assert Fraction(149, 100_000) < part < Fraction(150, 100_000)


def test_buy__a_unit_of_debt_for_nothing_is_refused(new_market):
    """Seized is rounded down: a hundredth of a satoshi's worth would bring none."""
    market = new_market(debts=("DAI",))
    backstop = Backstop(market, "DAI")
    market.deposit("WBTC", 4)
    market.borrow("DAI", 120_000)
    backstop.stand(first=90_000 * 10**18)
    market.price("WBTC", 38_000)
    market.settle("WBTC", rounds=20)
    backstop.window()
    backstop.mark()
    with refuses("worth less than it costs"):
        backstop.buy("WBTC", max_repay=10**12)
    with refuses("worth less than it costs"):
        backstop.buy("WBTC", max_repay=3 * 10**14 + 3 * 10**14 // 2)
    backstop.buy("WBTC", max_repay=10**18)


def test_buy__the_debt_asset_itself_as_collateral(market):
    """What is seized stays apart from the cash, though it is the same token."""
    backstop = Backstop(market)
    market.deposit("USDC", 120_000)
    market.deposit("WETH", 10)
    market.borrow("USDC", 100_000)
    backstop.stand(first=CASH)
    market.price("WETH", 100)
    market.settle("WETH", rounds=30)
    backstop.window()
    backstop.mark()
    before = backstop.pool.totals()[0]
    terms = backstop.terms("USDC")
    paid = backstop.buy("USDC").value
    assert backstop.pool.totals()[0] == before - paid
    earned = backstop.earned("first", "USDC")
    assert earned > 0
    assert 0 <= terms.seize["USDC"] - backstop.reward(terms, "USDC") - earned < 2
    assert backstop.claim("first", "USDC") == earned


def test_buy__every_pair_of_decimals(scaled):
    """Sums of parts, at 6, 8 and 18 decimals of either side."""
    backstop = Backstop(scaled)
    unit = scaled.assets["USDC"].unit
    scaled.deposit("WETH", 100)
    scaled.borrow("USDC", 120_000)
    parts = {"first": 60_000 * unit, "second": 29_999 * unit + 1, "third": unit - 1}
    backstop.stand(**parts)
    scaled.price("WETH", 1_400)
    scaled.settle("WETH", rounds=20)
    seized = rewards = paid = 0
    total = sum(parts.values())
    for _ in range(3):
        backstop.window()
        backstop.mark()
        terms = backstop.terms()
        rewards += backstop.reward(terms, "WETH")
        event = backstop.buy().event("Take")
        assert event.amount == terms.seize["WETH"]
        seized += event.amount
        paid += terms.repay + terms.fund_fee
    cash = backstop.pool.totals()[0]
    assert cash == total - paid
    for who, put in parts.items():
        assert abs(backstop.worth(who) - Fraction(cash * put, total)) <= 1
        share = Fraction((seized - rewards) * put, total)
        assert 0 <= share - backstop.earned(who) <= 4
    claims = sum(backstop.claim(who) for who in parts)
    assert seized - rewards - 6 <= claims <= seized - rewards
    assert sum(backstop.withdraw(who) for who in parts) in (cash, cash - 1, cash - 2)


def test_buy__no_share_loses_its_part_to_one_wei(backstop):
    """One wei stands beside the largest deposit and gets what a wei gets: nothing or a unit."""
    market = backstop.market
    market.deposit("WETH", 100)
    market.borrow("USDC", 120_000)
    backstop.stand(giant=2**104 - 2, dwarf=1)
    market.price("WETH", 1_400)
    market.settle("WETH", rounds=20)
    backstop.window()
    backstop.mark()
    terms = backstop.terms()
    backstop.buy()
    rest = terms.seize["WETH"] - backstop.reward(terms, "WETH")
    shares = backstop.pool.totals()[1]
    told = rest * SCALE // shares * (2**104 - 2) * 10**6 // SCALE
    assert backstop.earned("giant") == told
    assert rest - told <= 1 + shares // SCALE
    assert backstop.earned("dwarf") == 0
    assert backstop.worth("dwarf") == 0
    assert backstop.worth("giant") >= 2**104 - 2 - terms.repay - terms.fund_fee - 1
