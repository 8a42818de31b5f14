"""A crash in which nobody liquidates: the pool that the market file asks for buys after its time,
at figures that a pencil gives; and each of its lenders leaves with exactly his part.

100 WETH at 3,000 USD back 200,000 USDC; at 2,350 they do not. Three lenders have 40,000 USDC each.
"""

from fractions import Fraction

import pytest

from breakwater import deploy, markets
from breakwater.evm import EvmHost
from breakwater.host import Reverted
from breakwater.units import MAX_UINT256, WAD, account_id

UNIT = 10**6
PRICE = 2_350
PART = 40_000 * UNIT
HOUR = 3_600


class Crash:
    """The deployed market of `markets/devnet.yaml`, as far as the account has become weak."""

    def __init__(self):
        self.host = EvmHost()
        self.protocol = protocol = deploy.deploy(self.host, markets.load())
        self.pool = protocol.backstops["USDC"]
        self.usdc, self.weth = protocol.tokens["USDC"], protocol.tokens["WETH"]
        self.engine, self.deployer = protocol.credit_engine, protocol.accounts["deployer"]
        borrower = protocol.accounts["borrower"]
        self.account = account_id(borrower, 0)
        self.lenders = [self.host.account(f"lender of last resort {n}") for n in range(3)]
        self.caller = self.host.account("passer-by")
        self.give(self.usdc, protocol.accounts["lender"], 2_000_000 * UNIT, protocol.vaults["USDC"])
        lender = protocol.accounts["lender"]
        protocol.vaults["USDC"].deposit(2_000_000 * UNIT, lender, sender=lender)
        self.give(self.weth, borrower, 100 * WAD, self.engine)
        self.engine.deposit_collateral(self.account, self.weth, 100 * WAD, sender=borrower)
        for one in self.lenders:
            self.give(self.usdc, one, PART, self.pool)
            self.pool.deposit(PART, sender=one)
        self.window(2)
        self.engine.borrow(self.account, self.usdc, 200_000 * UNIT, borrower, sender=borrower)
        protocol.set_price("WETH", PRICE * WAD, sender=self.deployer)
        for _ in range(12):  # the average follows
            self.host.advance(600, 50)
            self.refresh()
        self.window(1)

    def give(self, token, who, amount, spender):
        token.mint(who, amount, sender=self.deployer)
        token.approve(spender, MAX_UINT256, sender=who)

    def refresh(self):
        self.protocol.refresh(sender=self.deployer)
        self.protocol.poke(sender=self.deployer)

    def window(self, count):
        """To the start of a window, so many on."""
        self.host.advance((self.host.now // HOUR + count) * HOUR - self.host.now, 300 * count)
        self.refresh()

    def mark(self):
        self.pool.mark(self.account, sender=self.caller)

    def buy(self):
        return self.pool.buy(self.account, self.weth, MAX_UINT256, sender=self.caller)

    def wait(self, seconds):
        self.host.advance(seconds, 1)

    def leave(self, who):
        """Cash and WETH that a lender takes home, all he has."""
        cash = self.pool.withdraw(MAX_UINT256, who, sender=who).value
        return cash, self.pool.claim(self.weth, who, sender=who).value

    def terms(self, room):
        """Repaid, paid with the fund's part [units], seized [WEI], by hand for a tenth of the pool.

        Incentive 1 % and 0.15 of what health lacks; a tenth of what is above the tip goes to the
        fund.
        """
        debt = Fraction(self.protocol.lens.account(self.account).health.debt_value, WAD)
        health = Fraction(100 * PRICE * 83, 100) / debt
        incentive = Fraction(1, 100) + Fraction(15, 100) * (1 - health)
        assert Fraction(101, 10_000) < incentive < Fraction(2, 100)
        repaid = Fraction(room) / Fraction(105, 100)
        fee = repaid * (incentive - Fraction(1, 100)) / 10
        return repaid, repaid + fee, repaid * (1 + incentive) / UNIT / PRICE * WAD


@pytest.fixture(scope="module")
def market():
    return Crash()


@pytest.fixture
def crash(market):
    snapshot = market.host.snapshot()
    yield market
    market.host.restore(snapshot)


def test_crash__nobody_liquidates_and_the_pool_buys(crash):
    """Ten minutes after the mark, to the second: 11,428.57 USDC of the debt for 4.99 WETH."""
    crash.mark()
    crash.wait(599)
    with pytest.raises(Reverted, match="mark is too young"):
        crash.buy()
    crash.wait(1)
    assert crash.pool.room() == 3 * PART // 10
    repaid, paid, seized = crash.terms(crash.pool.room())
    receipt = crash.buy()
    event, take = receipt.event("Liquidate"), receipt.event("Take")
    assert abs(event.repaid - repaid) <= 2
    assert event.repaid == pytest.approx(11_428.57 * UNIT, abs=UNIT)
    assert abs(receipt.value - paid) <= 3
    assert abs(take.amount - seized) <= 10**10
    assert take.reward == take.amount * 25 // 10_000
    assert crash.pool.totals() == (3 * PART - receipt.value, 3 * PART * 10**6, 0)
    for one in crash.lenders:
        assert crash.pool.assets_of(one) == (3 * PART - receipt.value) // 3
        assert abs(crash.pool.claimable(one, crash.weth) - (take.amount - take.reward) // 3) <= 1
    assert crash.pool.claimable(crash.caller, crash.weth) == take.reward


def test_run__each_leaves_with_his_part(crash):
    """One leaves at the mark, one after the purchase, the last one after a second purchase that he
    paid for alone: a tenth of his own each time, and all that it brought.
    """
    first, second, last = crash.lenders
    crash.mark()
    assert crash.pool.withdraw(MAX_UINT256, first, sender=first).value == PART
    crash.wait(600)
    _, paid, seized = crash.terms(2 * PART // 10)
    assert crash.pool.room() == 2 * PART // 10
    one = crash.buy()
    assert abs(one.value - paid) <= 3
    net = one.event("Take").amount - one.event("Take").reward
    assert abs(net - seized * Fraction(9_975, 10_000)) <= 10**10
    cash, weth = crash.leave(second)
    left = PART - Fraction(one.value, 2)
    assert abs(cash - left) < 1
    assert abs(weth - Fraction(net, 2)) <= 1

    crash.window(1)
    crash.mark()
    crash.wait(600)
    assert abs(crash.pool.room() - left / 10) <= 1
    two = crash.buy()
    assert two.value <= left / 10
    more = two.event("Take").amount - two.event("Take").reward
    cash, weth = crash.leave(last)
    assert abs(cash - (left - two.value)) <= 1
    # less than a unit of cash stayed in the second one's shares, and earned its part
    assert 0 <= Fraction(net, 2) + more - weth <= more / left + 2
    assert crash.usdc.balanceOf(crash.pool) <= 1
    with pytest.raises(Reverted, match="nothing to claim"):
        crash.pool.claim(crash.weth, first, sender=first)


def test_run__of_all_at_once_in_any_order(crash):
    """After a purchase: who is last gets no less."""
    crash.mark()
    crash.wait(600)
    crash.buy()
    snapshot = crash.host.snapshot()
    for order in (crash.lenders, crash.lenders[::-1]):
        got = [crash.leave(one) for one in order]
        assert max(cash for cash, _ in got) - min(cash for cash, _ in got) <= 1
        assert max(weth for _, weth in got) - min(weth for _, weth in got) <= 10**10
        crash.host.restore(snapshot)
        snapshot = crash.host.snapshot()
