"""`deposit` and `cancel_deposit`: what waits, when it joins, and at which price."""

import pytest

from breakwater.driver import BackstopPool
from breakwater.host import interface_of
from breakwater.mocks import HookTokenMock, OddTokenMock
from breakwater.units import MAX_UINT256
from tests.backstop import Backstop
from tests.market import ZERO, refuses

LARGEST = 2**104 - 1


def test_constructor__refusals(market):
    with refuses("engine has no code"):
        BackstopPool.deploy(market.host, ZERO, market.assets["USDC"], sender=market.owner)
    with refuses("asset is no debt asset"):
        BackstopPool.deploy(market.host, market.engine, market.assets["WBTC"], sender=market.owner)


def test_constructor__names_asset_and_engine(backstop):
    assert backstop.pool.asset() == backstop.debt.address
    assert backstop.pool.engine() == backstop.market.engine.address


@pytest.mark.parametrize("into", [0, 1, 3_599])
def test_deposit__joins_two_windows_later(backstop, into):
    """Whenever in its window it came: an hour is the least that it stands."""
    backstop.window()
    backstop.host.advance(into)
    backstop.deposit("first", 10**9)
    who = backstop.lender("first")
    window = backstop.host.now // 3_600
    end = (window + 2) * 3_600
    for now, stake in (
        (backstop.host.now, (0, 10**9, window)),
        (end - 1, (0, 10**9, window)),
        (end, (10**15, 0, 0)),
        (end + 10**8, (10**15, 0, 0)),
    ):
        backstop.host.advance(now - backstop.host.now)
        assert tuple(backstop.pool.stake_of(who)) == stake
        waiting = stake[1]
        assert backstop.pool.totals() == (10**9 - waiting, stake[0], waiting)
        assert backstop.worth("first") == 10**9 - waiting
        assert backstop.pool.room() == (10**9 - waiting) // 10


def test_deposit__logs_and_moves_the_tokens(backstop):
    receipt = backstop.deposit("first", 5)
    event = receipt.event("Deposit")
    assert event.args == {
        "owner": backstop.lender("first"), "assets": 5, "window": backstop.host.now // 3_600
    }  # fmt: skip
    assert backstop.debt.token.balanceOf(backstop.pool) == 5
    window = backstop.host.now // 3_600
    backstop.window(2)
    event = backstop.deposit("second", 7).event("Join")
    assert event.args == {"window": window, "assets": 5, "shares": 5 * 10**6}


def test_deposit__of_two_windows_join_one_after_the_other(backstop):
    backstop.deposit("first", 10)
    backstop.window()
    backstop.deposit("second", 20)
    backstop.window()
    assert backstop.pool.totals() == (10, 10 * 10**6, 20)
    backstop.deposit("third", 1)  # the first one joins in a call
    assert backstop.pool.totals() == (10, 10 * 10**6, 21)
    backstop.window()
    assert backstop.pool.totals() == (30, 30 * 10**6, 1)
    backstop.window(1_000)
    assert backstop.pool.totals() == (31, 31 * 10**6, 0)
    events = backstop.deposit("third", 1).events("Join")
    assert [event.assets for event in events] == [20, 1]


def test_deposit__what_waits_waits_anew_with_more(backstop):
    backstop.deposit("first", 10)
    backstop.deposit("first", 5)
    backstop.window()
    backstop.deposit("first", 1)
    now = backstop.host.now // 3_600
    assert tuple(backstop.pool.stake_of(backstop.lender("first"))) == (0, 16, now)
    backstop.window()
    assert backstop.pool.totals() == (0, 0, 16)
    backstop.window()
    assert backstop.pool.totals() == (16, 16 * 10**6, 0)
    # shares that are there already stay where they are
    backstop.deposit("first", 4)
    assert tuple(backstop.pool.stake_of(backstop.lender("first"))) == (16 * 10**6, 4, now + 2)
    backstop.window(2)
    assert tuple(backstop.pool.stake_of(backstop.lender("first"))) == (20 * 10**6, 0, 0)


def test_deposit__largest_and_refusals(backstop):
    with refuses("zero assets"):
        backstop.deposit("first", 0)
    for amount in (LARGEST + 1, MAX_UINT256 // 2):
        with refuses("amount is too large"):
            backstop.deposit("other", amount)
    backstop.deposit("first", LARGEST - 1)
    with refuses("amount is too large"):
        backstop.deposit("second", 2)
    backstop.deposit("second", 1)
    backstop.window(2)
    assert backstop.worth("first") == LARGEST - 1
    assert backstop.worth("second") == 1
    with refuses("amount is too large"):
        backstop.deposit("second", 1)
    assert backstop.withdraw("first") == LARGEST - 1
    assert backstop.withdraw("second") == 1
    assert backstop.pool.totals() == (0, 0, 0)


def test_deposit__of_nothing_that_is_there_reverts(backstop):
    who = backstop.lender("poor")
    backstop.debt.token.approve(backstop.pool, 10, sender=who)
    with refuses("balance too low"):
        backstop.pool.deposit(10, sender=who)


def odd(new_market, token):
    market = new_market(debts=("USDC",), ODD={"decimals": 18, "dollars": 1, "token": token})
    market.add_vault("ODD", 10**6, 100)
    return Backstop(market, "ODD")


def test_deposit__odd_tokens(new_market, host):
    token = OddTokenMock.deploy(host, "Odd", "ODD", 18, sender=host.account("owner"))
    backstop = odd(new_market, token)
    owner, who = backstop.market.owner, backstop.lender("first")
    token.set_odds(2, 0, False, False, sender=owner)  # no return values
    backstop.deposit("first", 100)
    assert backstop.pool.cancel_deposit(40, who, sender=who).value == 40
    token.set_odds(0, 0, False, False, sender=owner)  # says no
    with refuses("token transfer failed"):
        backstop.deposit("first", 1)
    with refuses("token transfer failed"):
        backstop.pool.cancel_deposit(1, who, sender=who)
    token.set_odds(1, 1, False, False, sender=owner)
    backstop.deposit("first", 9_999)  # the fee rounds to nothing
    with refuses("token takes a fee"):
        backstop.deposit("first", 10_000)
    token.set_odds(1, 0, True, False, sender=owner)
    with refuses("token is paused"):
        backstop.deposit("first", 1)
    assert backstop.pool.totals() == (0, 0, 10_059)
    assert token.balanceOf(backstop.pool) == 10_059


def test_deposit__hook_comes_in_to_a_locked_pool(new_market, host):
    """A call that comes in through the token is refused, a gift in mid-call is nobody's."""
    token = HookTokenMock.deploy(host, "Hook", "HOOK", 18, sender=host.account("owner"))
    backstop = odd(new_market, token)
    pool = backstop.pool
    codec = interface_of("BackstopPool")
    for name, args in (
        ("deposit", (1,)),
        ("withdraw", (1, backstop.market.other)),
        ("cancel_deposit", (1, backstop.market.other)),
        ("claim", (token.address, backstop.market.other)),
        ("buy", (backstop.market.account(), token.address, 1)),
        ("mark", (backstop.market.account(),)),
        ("unmark", (backstop.market.account(),)),
        ("totals", ()),
    ):
        data = codec.function(name, len(args)).encode(args)
        for after in (False, True):
            token.set_hook(pool, data, after, sender=backstop.market.owner)
            backstop.deposit("first", 10)
            assert token.calls() == 1
            assert not token.succeeded()
            assert token.answer() == b""
    gift = interface_of("HookTokenMock").function("mint", 2).encode((pool.address, 10**6))
    token.set_hook(token, gift, True, sender=backstop.market.owner)
    backstop.deposit("first", 10)
    assert token.succeeded()
    assert pool.totals() == (0, 0, 170)


def test_cancel_deposit__gives_back_what_waits(backstop):
    backstop.deposit("first", 100)
    backstop.deposit("second", 50)
    who, other = backstop.lender("first"), backstop.market.other
    receipt = backstop.pool.cancel_deposit(30, other, sender=who)
    assert receipt.value == 30
    assert receipt.event("CancelDeposit").args == {"owner": who, "receiver": other, "assets": 30}
    assert backstop.debt.token.balanceOf(other) == 30
    assert backstop.pool.totals() == (0, 0, 120)
    backstop.window()
    assert backstop.pool.cancel_deposit(MAX_UINT256, who, sender=who).value == 70
    backstop.window()
    assert backstop.pool.totals() == (50, 50 * 10**6, 0)


def test_cancel_deposit__refusals(backstop):
    who = backstop.lender("first")
    for amount in (0, MAX_UINT256):
        with refuses("zero assets"):
            backstop.pool.cancel_deposit(amount, who, sender=who)
    backstop.deposit("first", 100)
    for amount in (101, MAX_UINT256 - 1):
        with refuses("more than what waits"):
            backstop.pool.cancel_deposit(amount, who, sender=who)
    for receiver in (ZERO, backstop.pool):
        with refuses("receiver is not valid"):
            backstop.pool.cancel_deposit(1, receiver, sender=who)
    backstop.window(2)
    with refuses("more than what waits"):
        backstop.pool.cancel_deposit(1, who, sender=who)


def test_deposit__only_ones_own_waits_anew(backstop):
    """Nobody can keep another from joining: a deposit is for its payer alone."""
    backstop.deposit("first", 100)
    backstop.window()
    backstop.deposit("second", 1)
    backstop.window()
    assert backstop.worth("first") == 100
    assert backstop.worth("second") == 0


def test_deposit__used_up(fallen):
    """Below a millionth of the first price: 131 full slices later, less the fund's reserve each."""
    market = fallen.market
    market.price("WETH", 1_250)
    market.give("WETH", market.borrower, 10**30)
    taken = 0
    cash, shares, _ = fallen.pool.totals()
    while cash * 10**12 >= shares:
        fallen.deposit("late", 1)
        fallen.pool.cancel_deposit(1, fallen.lender("late"), sender=fallen.lender("late"))
        # nearly empty: more comes at the price of the day, whatever it is
        if cash < 10**9:
            fallen.deposit("more", 10**11)
            fallen.window(2)
        fallen.mark()
        fallen.buy()
        taken += 1
        fallen.window()
        if market.owed("USDC") < 50_000 * 10**6:
            top_up(market)
        cash, shares, _ = fallen.pool.totals()
    assert 131 <= taken < 145
    with refuses("pool is used up"):
        fallen.deposit("late", 1)
    # whoever is in stays, earns and leaves
    fallen.mark()
    fallen.buy()
    assert fallen.earned("more") > 0
    assert fallen.withdraw("more") > 0
    assert fallen.claim("more") > 0


def top_up(market):
    """Some more collateral and debt, and the fall again."""
    market.price("WETH", 2_000)
    market.settle("WETH", rounds=12)
    market.deposit("WETH", 100)
    market.borrow("USDC", 120_000)
    market.host.advance(3_600, 300)
    market.price("WETH", 1_250)
    market.settle("WETH", rounds=12)
