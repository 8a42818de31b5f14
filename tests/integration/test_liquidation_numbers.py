"""Liquidations at the numbers that the design names, and in the situations it asks for."""

from fractions import Fraction
from itertools import pairwise

import pytest

from breakwater.evm import EvmHost
from breakwater.mocks import OddTokenMock
from breakwater.units import MAX_UINT256, WAD, account_id
from tests.incidents.ledger import Hand
from tests.market import ASSETS, Market, refuses


def market_of(debts=("USDC", "DAI", "WETH"), cash=10**8, min_debt=100, every=None, **assets):
    """A market with `every` in the rules of each asset."""
    names = [*ASSETS, *(name for name in assets if name not in ASSETS)]
    listed = {
        name: {**ASSETS.get(name, {}), **(every or {}), **assets.get(name, {})} for name in names
    }
    return Market(EvmHost(), listed, debts, cash, min_debt)


def event_of(market, *args, **options):
    return market.liquidate(*args, **options).event("Liquidate")


def test_first_pair_at_five_percent_would_lower_health():
    """50 at 0.95 and 100 at 0.50 against 100: health 0.975. With 5 % a slice of 10 of the first
    leaves (50·0.95 + 50 - 10.5·0.95) ÷ 90 = 0.9725. It pays 0.975 ÷ 0.95 - 1 = 2.63 % instead.
    """
    rules = {"decimals": 18, "dollars": 100}
    market = market_of(
        every={"incentive_min": 500, "incentive_max": 500},
        HIGH={**rules, "borrow_ltv": 9_300, "liquidation_ltv": 9_500},
        LOW={**rules, "borrow_ltv": 4_700, "liquidation_ltv": 5_000},
    )
    market.deposit("HIGH", 50)
    market.deposit("LOW", 125)
    market.borrow("USDC", 10_000)
    market.host.advance(0, 1)
    market.price("LOW", 80)
    before = market.health().exact
    assert before == Fraction(975, 1000)
    assert (Fraction(975, 10) - Fraction(105, 10) * Fraction(95, 100)) / 90 < before
    start = market.host.snapshot()
    event = event_of(market, "USDC", "HIGH", 1_000 * 10**6)
    assert event.incentive == 975 * WAD // 950 - WAD
    assert abs(market.health().exact - before) < Fraction(1, 10**9)
    market.host.restore(start)
    # the second pays its 5 %, and lifts health
    assert event_of(market, "USDC", "LOW", 1_000 * 10**6).incentive == 5 * WAD // 100
    assert market.health().exact > before


@pytest.mark.parametrize("slices", [1, 100])
def test_cut_into_a_hundred(slices):
    """A threshold of 0.985 and C ÷ D of 1.0011, at a tip of 0.1 %: β is 0.11 %, which leaves C ÷ D
    what it is, so a hundred slices are paid what one is: 110 dollars of 100,000.
    """
    market = market_of(
        every={"tip": 10, "incentive_min": 10, "incentive_max": 150},
        PEG={"decimals": 18, "dollars": 1, "borrow_ltv": 9_600, "liquidation_ltv": 9_850,
             "max_leverage": 1_000_000},
    )  # fmt: skip
    market.deposit("PEG", 110_000)
    market.borrow("USDC", 100_000)
    market.host.advance(0, 1)
    market.price("PEG", Fraction(10_011, 11_000))
    price = market.spot()["PEG"].price
    repaid = seized = bad = 0
    for left in range(slices, 0, -1):
        cap = -(-market.owed("USDC") // left) if left > 1 else MAX_UINT256
        event = event_of(market, "USDC", "PEG", cap)
        assert abs(event.incentive - 11 * 10**14) <= 10**10
        repaid, seized, bad = (
            repaid + event.repaid, seized + event.seized, bad + event.bad_debt
        )  # fmt: skip
        assert market.owed("USDC") == 0 or market.owed("USDC") >= 100 * 10**6 - 1
    assert (market.owed("USDC"), bad) == (0, 0)
    profit = Fraction(seized * price, 10**36) - Fraction(repaid, 10**6)
    assert abs(profit - 110) < Fraction(1, 100)
    assert profit <= Fraction(1001, 1000) * 110


@pytest.mark.parametrize(("dollars", "is_loss"), [(1_900, False), (1_000, True)])
def test_a_hundred_million_in_the_callback(dollars, is_loss):
    """Deposited between the seizure and the payment, a hundred times what is there: of the
    incentive's fee it earns nothing, and where a loss is booked it bears it with the others.
    """
    market = Market(EvmHost(), cash=10**6)
    usdc, weth = market.assets["USDC"], market.assets["WETH"]
    market.deposit("WETH", 100)
    market.borrow("USDC", 159_990)
    market.host.advance(12)
    market.price("WETH", dollars)
    hand = Hand(market)
    amount = 10**8 * usdc.unit
    usdc.token.mint(hand.address, amount + 10**12, sender=market.owner)
    hand.when_called((usdc.vault, "deposit", amount, hand.address))
    before = usdc.vault.convertToAssets(usdc.vault.balanceOf(market.lender))
    receipt = hand.call(
        market.engine, "liquidate", market.account(), usdc.address, weth.address, MAX_UINT256, 0,
        hand.address, bytes(32), b"call me",
    )  # fmt: skip
    event = receipt.event("Liquidate")
    assert hand.mock.results(0)
    assert (event.bad_debt > 0) == is_loss
    assert (event.fund_fee > 0) != is_loss
    held = usdc.vault.convertToAssets(usdc.vault.balanceOf(hand.address))
    assert held <= amount
    left = usdc.vault.convertToAssets(usdc.vault.balanceOf(market.lender))
    if not is_loss:
        assert held >= amount - 1
        assert 0 <= left - before <= 1
        return
    loss = receipt.event("WriteOff", usdc.vault.address).lender_loss
    assert amount - held == pytest.approx(loss * 100 / 101, rel=0.01)
    assert before - left == pytest.approx(loss / 101, rel=0.01)


@pytest.mark.parametrize("credited", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_one_wei_in_seven_assets(half, credited):
    """A unit in each of seven assets and a debt in the eighth. The seventh has six decimals, and a
    million dollars a token: its unit is a dollar and carries the debt, until it falls by half. What
    is there is dust then: whoever books the loss has it for nothing.
    """
    dust = {f"T{i}": {"decimals": 18, "dollars": 1_000} for i in range(6)}
    market = market_of(min_debt=0, GOLD={"decimals": 6, "dollars": 10**6}, **dust)
    for name in (*dust, "GOLD"):
        market.deposit(name, Fraction(1, market.assets[name].unit))
    market.borrow("USDC", Fraction(79, 100))
    market.host.advance(0, 1)
    assert len(market.legs()) == 8
    market.price("GOLD", 5 * 10**5)
    for name in dust:
        if half:
            market.break_feed(name)
    mine = account_id(market.liquidator, 0)
    credit = mine if credited else bytes(32)
    receipt = market.liquidate("USDC", "GOLD", credit=credit)
    event = receipt.event("Liquidate")
    assert (event.repaid, event.seized, event.bad_debt) == (0, 1, 790_000)
    assert not any(leg.is_debt for leg in market.legs())
    # what has no price is dust as well, and stays
    assert len(market.legs()) == (6 if half else 0)
    assert len(receipt.events("Seize")) == (0 if half else 6)
    if credited:
        assert len(market.legs(mine)) == (1 if half else 7)
    assert market.assets["USDC"].vault.debt_shares() == 0


def drowning(market, dollars):
    market.deposit("WETH", 100)
    market.borrow("USDC", 159_990)
    market.host.advance(0, 1)
    market.price("WETH", dollars)
    return market


@pytest.mark.parametrize("dollars", [1_900, 1_700, 1_500])
@pytest.mark.parametrize("caps", [[5_000] * 40, [1_000, 50_000, 7, 200_000, 200_000]])
def test_several_liquidators_in_one_block(dollars, caps):
    """Each gets what is left, none less than he asked for while some is left; together they repay,
    seize and lose what one call would, and who is last finds nothing.
    """
    market = drowning(Market(EvmHost()), dollars)
    start = market.host.snapshot()
    whole = event_of(market, "USDC", "WETH")
    market.host.restore(start)
    found = []
    for number, cap in enumerate(caps):
        who = market.host.account(f"liquidator {number}")
        market.give("USDC", who, 10**12)
        if not any(leg.is_debt for leg in market.legs()) or (
            market.health().health_factor >= WAD and dollars > 1_608
        ):
            with refuses("account is healthy"):
                market.liquidate("USDC", "WETH", cap * 10**6, sender=who)
            continue
        found.append(event_of(market, "USDC", "WETH", cap * 10**6, sender=who))
        assert market.tokens("WETH", who) == found[-1].seized
    repaid, seized, lost = (
        sum(getattr(event, name) for event in found) for name in ("repaid", "seized", "bad_debt")
    )
    assert len(found) > 1
    assert repaid <= whole.repaid + len(found)
    profit = Fraction(seized * dollars, WAD) - Fraction(repaid, 10**6)
    best = Fraction(whole.seized * dollars, WAD) - Fraction(whole.repaid, 10**6)
    assert profit <= best + Fraction(len(found), 10**6)
    incentives = [event.incentive for event in found]
    assert all(later <= first + 10**9 for first, later in pairwise(incentives))
    if market.owed("USDC") == 0:
        assert abs(lost - whole.bad_debt) <= 2 * len(found)


@pytest.mark.parametrize("price", [1_880, 1_000])
def test_everything_at_once(price):
    """A vault at full utilization, eight legs, two dead feeds, a paused token and one that says no,
    a borrower and a liquidator on a blocklist: it is liquidated, above water and below.
    """
    host = EvmHost()
    odd = {
        f"O{i}": OddTokenMock.deploy(host, f"O{i}", f"O{i}", 18, sender=host.account("owner"))
        for i in range(3)
    }
    more = {name: {"decimals": 18, "dollars": 1, "token": token} for name, token in odd.items()}
    more.update({name: {"decimals": 18, "dollars": 1} for name in ("DEAD", "GONE")})
    listed = {**ASSETS, **more}
    market = Market(host, listed, ("USDC",), cash=160_000)
    market.deposit("WETH", 100)
    market.deposit("WBTC", Fraction(1, 10**8))
    for name in more:
        market.deposit(name, Fraction(1, 2))
    usdc = market.assets["USDC"]
    market.borrow("USDC", Fraction(usdc.vault.cash(), usdc.unit) - 1)
    rest = usdc.vault.cash()
    usdc.vault.withdraw(rest, market.lender, market.lender, sender=market.lender)
    assert usdc.vault.utilization() == WAD
    assert len(market.legs()) == 8
    market.host.advance(12)
    market.break_feed("DEAD")
    market.break_feed("GONE")
    odd["O0"].set_odds(1, 0, True, False, sender=market.owner)
    odd["O1"].set_odds(0, 0, False, False, sender=market.owner)
    for who in (market.borrower, market.liquidator):
        odd["O2"].set_blocked(who, True, sender=market.owner)
    market.price("WETH", price)
    mine = account_id(market.liquidator, 0)
    event = event_of(market, "USDC", "WETH", credit=mine)
    assert (event.bad_debt > 0) == (price == 1_000)
    assert usdc.vault.cash() == event.repaid + event.fund_fee
    assert market.held("WETH", mine) == event.seized
