"""`deposit_collateral`: who may add what, the cap, tokens that keep a part."""

from dataclasses import replace

import pytest

from breakwater.driver import CreditEngine
from breakwater.host import interface_of
from breakwater.mocks import HookTokenMock, OddTokenMock
from breakwater.model import liquidation, margin
from breakwater.units import MAX_UINT256, WAD
from tests.market import DEPOSIT, ZERO, refuses

MAX_LEG = 2**104 - 1


@pytest.mark.everywhere
def test_deposit_collateral__new_leg(market):
    account, weth = market.account(7), market.assets["WETH"]
    receipt = market.deposit("WETH", 3, account)
    assert receipt.value == 3 * WAD
    event = receipt.event("DepositCollateral", market.engine.address)
    assert event.args == {
        "account": account,
        "asset": weth.address,
        "payer": market.borrower,
        "amount": 3 * WAD,
    }
    (leg,) = market.legs(account)
    assert (leg.asset, leg.amount, leg.is_debt) == ("WETH", 3 * WAD, False)
    assert market.engine.book_of(weth)[:2] == (weth.id, 3 * WAD)
    assert market.tokens("WETH", market.engine.address) == 3 * WAD
    assert market.tokens("WETH", market.borrower) == 0


def test_deposit_collateral__every_decimals(new_market, collateral_decimals):
    market = new_market(WETH={"decimals": collateral_decimals})
    market.deposit("WETH", 2)
    market.deposit("WETH", 1)
    assert market.held("WETH") == 3 * 10**collateral_decimals
    assert market.engine.book_of(market.assets["WETH"])[1] == 3 * 10**collateral_decimals


@pytest.mark.everywhere
def test_deposit_collateral__anyone_on_a_held_leg(market):
    market.deposit("WETH", 1)
    market.give("WETH", market.other, WAD)
    receipt = market.engine.deposit_collateral(
        market.account(), market.assets["WETH"], WAD, sender=market.other
    )
    assert receipt.event("DepositCollateral").payer == market.other
    assert market.held("WETH") == 2 * WAD


@pytest.mark.everywhere
def test_deposit_collateral__new_leg_by_another_reverts(market):
    market.deposit("WETH", 1)
    market.give("WBTC", market.other, 10**8)
    with refuses("caller may not do this"):
        market.engine.deposit_collateral(
            market.account(), market.assets["WBTC"], 10**8, sender=market.other
        )


def test_deposit_collateral__new_leg_by_operator(market):
    weth = market.assets["WETH"]
    market.engine.set_operator(
        market.account(), market.other, weth, DEPOSIT, 0, market.host.now, sender=market.borrower
    )
    market.give("WETH", market.other, WAD)
    market.engine.deposit_collateral(market.account(), weth, WAD, sender=market.other)
    assert market.held("WETH") == WAD


@pytest.mark.everywhere
def test_deposit_collateral__zero_reverts(market):
    with refuses("amount is zero"):
        market.deposit("WETH", 0)


def test_deposit_collateral__not_listed_reverts(new_market):
    market = new_market(LINK={"decimals": 18, "dollars": 10, "listed": False})
    with refuses("asset is no collateral"):
        market.deposit("LINK", 1)


def test_deposit_collateral__one_unit(market):
    market.give("WETH", market.borrower, 1)
    market.engine.deposit_collateral(
        market.account(), market.assets["WETH"], 1, sender=market.borrower
    )
    assert market.held("WETH") == 1


def test_deposit_collateral__at_the_cap_and_above(new_market):
    market = new_market(WETH={"cap": 32_768})
    weth = market.assets["WETH"]
    market.give("WETH", market.borrower, 10**6)
    market.engine.deposit_collateral(market.account(), weth, 32_767, sender=market.borrower)
    market.engine.deposit_collateral(market.account(), weth, 1, sender=market.borrower)
    for account in (market.account(), market.account(1)):
        with refuses("collateral cap is reached"):
            market.engine.deposit_collateral(account, weth, 1, sender=market.borrower)


def test_deposit_collateral__above_the_cap_up_to_the_target_of_a_liquidation(new_market):
    """Who may be liquidated may add in spite of the cap, up to what a liquidation restores."""
    market = new_market(WETH={"cap": 10 * WAD})
    weth = market.assets["WETH"]
    market.deposit("WETH", 9)
    market.borrow("USDC", 14_000)
    market.host.advance(12)
    market.give("WETH", market.borrower, 10 * WAD)
    market.configurator.set_cap(weth, WAD, sender=market.owner)
    # below its initial margin, 14,400, and above maintenance, 13,874 dollars of debt
    market.price("WETH", 1_880)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), weth, 1, sender=market.borrower)
    market.price("WETH", 1_850)
    missing = liquidation.shortfall(market.legs(), market.rules(), market.spot(), "WETH")
    # (1.05 x 14,000 - 0.83 x 9 x 1,850) / (0.83 x 1,850) = 880.5 / 1,535.5
    assert 573_428 <= missing // 10**12 <= 573_430
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(
            market.account(), weth, missing + 1, sender=market.borrower
        )
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(1), weth, 1, sender=market.borrower)
    market.engine.deposit_collateral(market.account(), weth, missing, sender=market.borrower)
    assert market.health().health_factor // 10**9 == 1_049_999_999
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), weth, 1, sender=market.borrower)


def test_deposit_collateral__a_fraction_of_a_token_above_the_cap(new_market):
    """What is missing may be worth less than a whole token of the asset."""
    market = new_market()
    wbtc = market.assets["WBTC"]
    market.deposit("WBTC", 1)
    market.configurator.set_cap(wbtc, 0, sender=market.owner)
    market.borrow("USDC", 35_000)
    market.host.advance(12)
    market.price("WBTC", 46_000)
    market.give("WBTC", market.borrower, 10**8)
    # (1.05 x 35,000 - 0.75 x 46,000) / (0.75 x 46,000) = 2,250 / 34,500
    assert market.risk.shortfall(market.engine.position_of(market.account()), wbtc.id) == 6_521_739
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), wbtc, 6_521_740, sender=market.borrower)
    market.engine.deposit_collateral(market.account(), wbtc, 6_521_739, sender=market.borrower)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), wbtc, 1, sender=market.borrower)


def test_deposit_collateral__above_the_cap_not_in_the_block_of_a_loan(new_market):
    """Who raised his risk in this block may not add above the cap."""
    market = new_market(WETH={"cap": 10 * WAD})
    weth = market.assets["WETH"]
    market.deposit("WETH", 9)
    market.host.advance(12)
    market.borrow("USDC", 14_000)
    market.price("WETH", 1_850)
    market.give("WETH", market.borrower, WAD)
    market.configurator.set_cap(weth, WAD, sender=market.owner)
    with refuses("collateral cap is reached"):
        market.engine.deposit_collateral(market.account(), weth, 1, sender=market.borrower)
    market.host.advance(0, 1)
    market.engine.deposit_collateral(market.account(), weth, 1, sender=market.borrower)


def test_deposit_collateral__above_the_cap_no_shortfall_twice(new_market):
    """A collateral that the initial margin leaves out, halted or with no borrow_ltv, counts."""
    market = new_market(WETH={"cap": 10 * WAD})
    weth, account = market.assets["WETH"], market.account()
    market.deposit("WETH", 9)
    market.borrow("USDC", 14_000)
    market.host.advance(12)
    market.price("WETH", 1_700)
    market.settle("WETH")
    market.give("WETH", market.borrower, 100 * WAD)
    start = market.host.snapshot()
    rules = market.rules()
    for ltv, level in ((8_000, 2), (0, 0)):
        if level:
            market.breaker.trip(weth, level, 10**5, sender=market.guardian)
        else:
            market.configurator.set_borrow_ltv(weth, 0, sender=market.owner)
        quote = market.risk.quote(weth)
        price = margin.Prices.flat(quote.price, quote.average)
        prices = {**market.spot(), "WETH": replace(price, level=level)}
        rules["WETH"] = replace(rules["WETH"], borrow_ltv=ltv, borrow_ltv_floor=ltv)
        missing = liquidation.shortfall(market.legs(), rules, prices, "WETH")
        assert 0 < missing < 2 * WAD
        position = market.engine.position_of(account)
        assert missing - 1 <= market.risk.shortfall(position, weth.id) <= missing
        market.configurator.set_cap(weth, 0, sender=market.owner)
        market.engine.deposit_collateral(account, weth, missing - 1, sender=market.borrower)
        with refuses("collateral cap is reached"):
            market.engine.deposit_collateral(account, weth, missing // 100, sender=market.borrower)
        market.host.restore(start)


@pytest.mark.everywhere
def test_deposit_collateral__stale_price_refuses_a_new_leg_alone(market):
    market.deposit("WETH", 1)
    market.break_feed("WETH")
    with refuses("price is stale"):
        market.deposit("WETH", 1, market.account(1))
    market.deposit("WETH", 1)
    assert market.held("WETH") == 2 * WAD


def test_deposit_collateral__fee_is_measured(new_market, host):
    owner = host.account("owner")
    token = OddTokenMock.deploy(host, "Fee", "FEE", 18, sender=owner)
    market = new_market(FEE={"decimals": 18, "dollars": 1, "token": token, "takes_fee": True})
    token.set_odds(1, 100, False, False, sender=owner)
    receipt = market.deposit("FEE", 100)
    assert receipt.value == 99 * WAD == market.held("FEE")
    assert receipt.event("DepositCollateral").amount == 99 * WAD
    assert (
        market.engine.book_of(token)[1] == 99 * WAD == market.tokens("FEE", market.engine.address)
    )
    token.set_odds(1, 10_000, False, False, sender=owner)
    with refuses("amount is zero"):
        market.deposit("FEE", 1)


def test_deposit_collateral__more_than_was_sent_is_not_counted(new_market, host):
    """A token that is listed as fee-taking and mints on the way gives no more than was sent."""
    owner = host.account("owner")
    token = HookTokenMock.deploy(host, "Hook", "HOOK", 18, sender=owner)
    market = new_market(HOOK={"decimals": 18, "dollars": 1, "token": token, "takes_fee": True})
    mint = interface_of("HookTokenMock").function("mint", 2).encode([market.engine.address, WAD])
    token.set_hook(token, mint, True, sender=owner)
    assert market.deposit("HOOK", 5).value == 5 * WAD
    assert market.engine.book_of(token)[1] == 5 * WAD


@pytest.mark.parametrize("takes_fee", [False, True])
def test_deposit_collateral__token_that_says_no_reverts(new_market, host, takes_fee):
    owner = host.account("owner")
    token = OddTokenMock.deploy(host, "Odd", "ODD", 18, sender=owner)
    market = new_market(ODD={"decimals": 18, "dollars": 1, "token": token, "takes_fee": takes_fee})
    token.set_odds(0, 0, False, False, sender=owner)
    with refuses("token transfer failed"):
        market.deposit("ODD", 1)
    token.set_odds(2, 0, False, False, sender=owner)  # no return value
    market.deposit("ODD", 1)
    assert market.held("ODD") == WAD


def test_deposit_collateral__largest_amounts(new_market):
    market = new_market(WETH={"cap": 2**128 - 1})
    weth, account = market.assets["WETH"], market.account()
    market.give("WETH", market.borrower, 2**128)

    def deposit(amount, number=0):
        market.engine.deposit_collateral(
            market.account(number), weth, amount, sender=market.borrower
        )

    deposit(MAX_LEG)
    assert market.held("WETH", account) == MAX_LEG
    with refuses("amount is too large"):
        deposit(1)
    with refuses("amount is too large"):
        deposit(MAX_LEG + 1, 1)
    for number in range(1, 255):
        deposit(MAX_LEG, number)
    with refuses("amount is too large"):
        deposit(2**112 - 255 * MAX_LEG, 300)


@pytest.mark.parametrize("amount", [2**112, 2**255, MAX_UINT256])
@pytest.mark.parametrize("held", [0, 1])
def test_deposit_collateral__absurd_amounts_have_a_reason(market, amount, held):
    if held:
        market.deposit("WETH", 1)
    with refuses("amount is too large"):
        market.engine.deposit_collateral(
            market.account(), market.assets["WETH"], amount, sender=market.borrower
        )


def test_deposit_collateral__nine_assets_revert(new_market):
    more = {f"T{i}": {"decimals": 18, "dollars": 1} for i in range(6)}
    market = new_market(**more)
    for name in ["WETH", "WBTC", "USDC", *list(more)[:5]]:
        market.deposit(name, 1)
    with refuses("account holds 8 assets"):
        market.deposit("T5", 1)
    market.deposit("T4", 1)
    assert [leg.asset for leg in market.legs()] == ["WETH", "WBTC", "USDC", *list(more)[:5]]
    assert market.held("T4") == 2 * WAD


@pytest.mark.parametrize("level", [1, 2])
def test_deposit_collateral__works_at_every_level(market, level):
    """LIVE-1: adding a priced asset that the account holds works in every state."""
    market.deposit("WETH", 1)
    market.breaker.trip(market.assets["WETH"], level, 3_600, sender=market.guardian)
    market.deposit("WETH", 1)
    assert market.held("WETH") == 2 * WAD


def test_deposit_collateral__a_donation_changes_nothing(market):
    market.deposit("WETH", 1)
    market.give("WETH", market.other, WAD)
    market.assets["WETH"].token.transfer(market.engine, WAD, sender=market.other)
    assert market.held("WETH") == WAD == market.engine.book_of(market.assets["WETH"])[1]


def test_constructor__refusals(market):
    with refuses("risk engine has no code"):
        CreditEngine.deploy(market.host, market.other, market.owner, sender=market.owner)
    with refuses("owner is zero"):
        CreditEngine.deploy(market.host, market.risk, ZERO, sender=market.owner)
    engine = CreditEngine.deploy(market.host, market.risk, market.other, sender=market.owner)
    assert engine.owner() == market.other
    assert engine.risk_engine() == market.risk.address
    assert engine.is_unlocked()


def test_deposit_collateral__of_what_is_settled(market):
    """It counts at its settlement price for good: nothing more comes in, but what is seized."""
    weth, engine, me = market.assets["WETH"], market.engine, market.borrower
    other = market.account(0, market.liquidator)
    for number in range(2):
        market.deposit("WETH", 10, market.account(number))
    market.borrow("USDC", 15_000)
    market.poke("WETH")
    market.wind_down("WETH", 2_000 * WAD)
    market.give("WETH", me, WAD)
    before = weth.token.balanceOf(me)
    for number in range(3):
        with refuses("asset is settled"):
            engine.deposit_collateral(market.account(number), weth, 1, sender=me)
    with refuses("asset is settled"):
        engine.move_collateral(market.account(1), market.account(), weth, 1, sender=me)
    assert weth.token.balanceOf(me) == before
    assert market.engine.book_of(weth)[:2] == (weth.id, 20 * WAD)
    # it leaves as before, and is credited to who liquidates
    engine.withdraw_collateral(market.account(1), weth, WAD, me, sender=me)
    market.host.advance(12)
    market.price("USDC", "1.2")
    seized = market.liquidate("USDC", "WETH", credit=other).value[1]
    assert market.held("WETH", other) == seized


def test_end_collateral__for_the_owner_and_for_good(market):
    weth = market.assets["WETH"]
    with refuses("ownable: caller is not the owner"):
        market.engine.end_collateral(weth, sender=market.owner)
    market.poke("WETH")
    word = market.engine.book_word(weth)
    market.wind_down("WETH", 2_000 * WAD)
    assert market.engine.book_word(weth) == word | 1 << 119
    market.configurator.set_depth(weth, WAD, sender=market.owner)
    market.configurator.set_cap(weth, WAD, sender=market.owner)
    with refuses("asset is settled"):
        market.deposit("WETH", 1)
