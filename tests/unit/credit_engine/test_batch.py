"""`batch`: one check at the end over every account whose risk was raised."""

from itertools import product

import pytest

from breakwater.host import interface_of
from breakwater.mocks import CallerMock, FlashBorrowerMock
from breakwater.units import MAX_UINT256, WAD, account_id
from tests.market import BORROW, DEPOSIT, LIQUIDATE, MOVE, REPAY, WITHDRAW, refuses

USD = 10**6


@pytest.fixture
def ready(market):
    """Account 0: 10 WETH, 8,000 USDC of debt. Account 1: 1 WETH. Account 5 is under water in all
    but name: below maintenance. The borrower has tokens of every kind.
    """
    market.deposit("WETH", 10, market.account(5))
    market.borrow("USDC", 15_990, market.account(5))
    market.deposit("WETH", 10)
    market.borrow("USDC", 8_000)
    market.deposit("WETH", 1, market.account(1))
    for name in ("WETH", "WBTC", "USDC", "DAI"):
        market.give(name, market.borrower, 10**6 * market.assets[name].unit)
    market.price("WETH", 1_850)
    market.host.advance(12)
    return market


def batch(market, *legs, data=b"", sender=None):
    return market.engine.batch(list(legs), data, sender=sender or market.borrower)


def step(market, action, small=True):
    """A leg of each kind on account 0 that passes on its own."""
    return {
        DEPOSIT: market.leg(DEPOSIT, "WETH", WAD // 10),
        WITHDRAW: market.leg(WITHDRAW, "WETH", WAD // 10),
        BORROW: market.leg(BORROW, "USDC", 100 * USD),
        REPAY: market.leg(REPAY, "USDC", 100 * USD),
        MOVE: market.leg(MOVE, "WETH", WAD // 10, other=market.account(1)),
        LIQUIDATE: market.leg(LIQUIDATE, "USDC", 100 * USD, market.account(5), collateral="WETH"),
    }[action]


def by_hand(market, leg):
    """The same by the function of its own."""
    engine, who = market.engine, market.borrower
    return {
        DEPOSIT: lambda: engine.deposit_collateral(leg.account, leg.asset, leg.amount, sender=who),
        WITHDRAW: lambda: engine.withdraw_collateral(
            leg.account, leg.asset, leg.amount, leg.receiver, sender=who
        ),
        BORROW: lambda: engine.borrow(leg.account, leg.asset, leg.amount, leg.receiver, sender=who),
        REPAY: lambda: engine.repay(leg.account, leg.asset, leg.amount, sender=who),
        MOVE: lambda: engine.move_collateral(
            leg.account, leg.other, leg.asset, leg.amount, sender=who
        ),
        LIQUIDATE: lambda: engine.liquidate(
            leg.account, leg.asset, leg.collateral, leg.amount, leg.min_seized, leg.receiver,
            leg.other, b"", sender=who,
        ),
    }[leg.action]()  # fmt: skip


ACTIONS = [DEPOSIT, WITHDRAW, BORROW, REPAY, MOVE, LIQUIDATE]


@pytest.mark.parametrize(("first", "second"), list(product(ACTIONS, ACTIONS)))
def test_batch__each_pair_is_as_one_after_the_other(ready, first, second):
    """The same events and the same state as the two calls by themselves."""
    market = ready
    legs = [step(market, first), step(market, second)]

    def state():
        return (
            [market.legs(market.account(n)) for n in (0, 1, 5)],
            [market.tokens(n, market.borrower) for n in ("WETH", "USDC")],
            market.engine.book_of(market.assets["WETH"]),
            market.assets["USDC"].vault.debt_shares(),
        )

    start = market.host.snapshot()
    together = [(log.address, log.name, log.args) for log in batch(market, *legs).logs]
    after = state()
    market.host.restore(start)
    apart = [(log.address, log.name, log.args) for leg in legs for log in by_hand(market, leg).logs]
    assert together == apart
    assert after == state()


@pytest.mark.everywhere
def test_batch__order_of_legs_is_free(ready):
    """Borrow first, bring the collateral afterwards: only the end counts."""
    market = ready
    batch(
        market,
        market.leg(BORROW, "USDC", 20_000 * USD, market.account(2)),
        market.leg(DEPOSIT, "WBTC", 10**8, market.account(2)),
    )
    assert market.held("WBTC", market.account(2)) == 10**8
    with refuses("initial margin is not met"):
        batch(
            market,
            market.leg(BORROW, "USDC", 36_000 * USD, market.account(3)),
            market.leg(DEPOSIT, "WBTC", 10**8, market.account(3)),
        )


def test_batch__every_account_touched_is_checked(ready):
    """SOLV-5: the set is computed from what was touched."""
    market = ready
    good = market.leg(BORROW, "USDC", 100 * USD)
    bad = market.leg(WITHDRAW, "WETH", 6 * WAD)
    other = market.leg(WITHDRAW, "WETH", WAD // 2, market.account(1))
    for legs in ([good, other, bad], [bad, other, good], [bad, other], [other, bad]):
        with refuses("initial margin is not met"):
            batch(market, *legs)
    with refuses("initial margin is not met"):
        batch(
            market,
            market.leg(MOVE, "WETH", 8 * WAD, other=market.account(1)),
            market.leg(MOVE, "WETH", 5 * WAD, market.account(1), other=market.account(2)),
        )
    batch(
        market,
        market.leg(MOVE, "WETH", 8 * WAD, other=market.account(1)),
        market.leg(MOVE, "WETH", 8 * WAD, market.account(1), other=market.account()),
    )


def test_batch__sixteen_legs_on_as_many_accounts(ready):
    market = ready
    legs = [market.leg(MOVE, "WETH", 10 + n, other=market.account(100 + n)) for n in range(16)]
    batch(market, *legs)
    assert [market.held("WETH", market.account(100 + n)) for n in range(16)] == [
        10 + n for n in range(16)
    ]


def test_batch__checks_the_last_of_as_many_accounts_as_legs_can_name(ready):
    """Sixteen legs name 32 accounts."""
    market = ready
    for n in range(15):
        market.deposit("WETH", "0.1", market.account(100 + n))
    legs = [
        market.leg(MOVE, "WETH", 10, market.account(100 + n), other=market.account(200 + n))
        for n in range(15)
    ]
    with refuses("initial margin is not met"):
        batch(market, *legs, market.leg(MOVE, "WETH", 8 * WAD, other=market.account(300)))
    batch(market, *legs, market.leg(MOVE, "WETH", WAD, other=market.account(300)))


def below_initial(market):
    """Account 0 at 12,000 USDC, above maintenance and below its initial margin."""
    market.engine.borrow(
        market.account(), market.assets["USDC"], 4_000 * USD, market.borrower,
        sender=market.borrower,
    )  # fmt: skip
    market.price("WETH", 1_475)
    market.host.advance(12)
    assert 10**18 < market.health().health_factor < 83 * 10**18 // 80


def lowering(market, repaid, withdrawn):
    return (
        market.leg(REPAY, "USDC", repaid),
        market.leg(WITHDRAW, "WETH", withdrawn),
    )


def test_batch__that_lowers_leverage_needs_no_initial_margin(ready):
    market = ready
    below_initial(market)
    with refuses("initial margin is not met"):
        batch(market, market.leg(WITHDRAW, "WETH", 1))
    batch(market, *lowering(market, 6_000 * USD, 49 * WAD // 10))
    with refuses("initial margin is not met"):
        batch(market, *lowering(market, 3_000 * USD, 3 * WAD))


def test_batch__that_lowers_leverage_owes_no_more_of_anything(ready):
    """Not even when health and collateral over debt both rise."""
    market = ready
    below_initial(market)
    with refuses("initial margin is not met"):
        batch(
            market,
            market.leg(REPAY, "USDC", 5_000 * USD),
            market.leg(BORROW, "DAI", 4_900 * WAD),
        )


def test_batch__that_lowers_leverage_holds_both_measures(ready):
    """Collateral of the lower ltv that pays debt raises health and lowers collateral over debt."""
    market, account = ready, ready.account(8)
    market.price("WETH", 2_000)
    market.deposit("WETH", 1, account)
    market.deposit("WBTC", 1, account)
    market.borrow("USDC", 36_000, account)
    market.price("WBTC", 46_000)

    def pay(dollars):
        return (
            market.leg(WITHDRAW, "WBTC", 10**7, account),  # a tenth, 5,000 at its average
            market.leg(REPAY, "USDC", dollars * USD, account),
        )

    before = market.health(account)
    with refuses("initial margin is not met"):
        # health needs 36,000 x 3,750 / 39,160, and C over D 36,000 x 5,000 / 52,000
        batch(market, *pay(3_455))
    batch(market, *pay(3_462))
    assert market.health(account).exact > before.exact
    with refuses("initial margin is not met"):
        batch(market, market.leg(WITHDRAW, "WETH", 1, account))


@pytest.mark.parametrize(("level", "reason"), [(1, "asset is in caution"), (2, "asset is halted")])
def test_batch__levels(ready, level, reason):
    """Lowering leverage passes in CAUTION, not in HALT."""
    market = ready
    market.breaker.trip(market.assets["WETH"], level, 3_600, sender=market.guardian)
    with refuses(reason):
        batch(market, market.leg(WITHDRAW, "WETH", 1))
    legs = lowering(market, 4_000 * USD, 4 * WAD)
    if level == 1:
        batch(market, *legs)
    else:
        with refuses(reason):
            batch(market, *legs)


def test_batch__in_a_jump(new_market):
    market = new_market(WETH={"jump_band": 500})
    market.deposit("WETH", 10)
    market.borrow("USDC", 10_000)
    market.give("USDC", market.borrower, 10**12)
    market.host.advance(12)
    market.price("WETH", 1_800)
    with refuses("price is in a jump"):
        batch(market, market.leg(WITHDRAW, "WETH", 1))
    batch(market, *lowering(market, 6_000 * USD, 5 * WAD))


def test_batch__while_sources_disagree(new_market):
    market = new_market(WETH={"sources": 2})
    market.deposit("WETH", 10)
    market.borrow("USDC", 10_000)
    market.price("WETH", 2_000, 1_900)
    with refuses("price sources disagree"):
        batch(market, market.leg(WITHDRAW, "WETH", 1))


def test_batch__swap_into_a_collateral_that_fell_reverts(new_market):
    """SOLV-8: what counts at its average in a jump must not be taken for what it is not worth."""
    market = new_market(WBTC={"jump_band": 500})
    market.deposit("WETH", 10)
    market.borrow("USDC", 15_900)
    market.give("WBTC", market.borrower, 10**9)
    market.price("WETH", 1_950)
    market.host.advance(12)
    market.price("WBTC", 30_000)
    with refuses("initial margin is not met"):
        batch(
            market,
            market.leg(DEPOSIT, "WBTC", 46 * 10**6),
            market.leg(WITHDRAW, "WETH", 10 * WAD),
        )


def test_batch__partial_exit_around_a_collateral_that_fell_reverts(new_market):
    """SOLV-8: repaying 1 and withdrawing 1.2 of good collateral, beside one that lost half."""
    market = new_market(WBTC={"jump_band": 500})
    market.deposit("WETH", 30)
    market.deposit("WBTC", "1.2")
    market.borrow("USDC", 80_000)
    market.give("USDC", market.borrower, 10**12)
    market.host.advance(12)
    market.price("WBTC", 20_000)
    with refuses("initial margin is not met"):
        batch(market, *lowering(market, 50_000 * USD, 30 * WAD))
    with refuses("price is in a jump"):
        # a unit of what fell must not bring the rest of it to its average
        unit = market.leg(WITHDRAW, "WBTC", 1)
        batch(market, unit, *lowering(market, 50_000 * USD, 30 * WAD))


@pytest.mark.everywhere
def test_batch__unknown_action_reverts(ready):
    market = ready
    for action in (0, DEPOSIT | WITHDRAW):
        with refuses("unknown action"):
            batch(market, step(market, DEPOSIT)._replace(action=action))


def test_batch__rights_are_those_of_the_caller(ready):
    market = ready
    for action in (WITHDRAW, BORROW, MOVE):
        with refuses("caller may not do this"):
            batch(market, step(market, action), sender=market.other)


def test_batch__legs_fail_with_their_own_reasons(ready):
    market = ready
    for leg, reason in [
        (market.leg(DEPOSIT, "WETH", 0), "amount is zero"),
        (market.leg(WITHDRAW, "WBTC", 1), "account has no such collateral"),
        (market.leg(BORROW, "WBTC", 1), "asset is no debt asset"),
        (market.leg(REPAY, "DAI", 1), "account has no such debt"),
        (market.leg(MOVE, "WETH", 1, other=account_id(market.other)), "accounts of two owners"),
        (
            market.leg(LIQUIDATE, "USDC", 1, market.account(), collateral="WETH"),
            "account is healthy",
        ),
    ]:
        with refuses(reason):
            batch(market, step(market, DEPOSIT), leg)


def test_batch__empty(ready):
    assert batch(ready).logs == []


def test_batch__debt_below_the_minimum_at_no_moment(ready):
    with refuses("debt is below the minimum"):
        batch(
            ready,
            ready.leg(BORROW, "DAI", 1),
            ready.leg(BORROW, "DAI", 1_000 * WAD),
        )


def test_batch__liquidates_to_an_account_and_borrows_against_it(ready):
    """A liquidator needs no money: what is seized carries the loan that pays."""
    market = ready
    mine = account_id(market.liquidator, 0)
    usdc = market.assets["USDC"]
    terms = market.terms("USDC", "WETH", 10_000 * USD, account=market.account(5))
    market.give("USDC", market.liquidator, 4_000 * USD)
    legs = [
        market.leg(BORROW, "USDC", 6_000 * USD, mine, receiver=market.liquidator),
        market.leg(
            LIQUIDATE, "USDC", 10_000 * USD, market.account(5), other=mine, collateral="WETH"
        ),
    ]
    market.engine.batch(legs, b"", sender=market.liquidator)
    assert market.held("WETH", mine) == terms.seize["WETH"]
    assert usdc.vault.cash() == market.tokens("USDC", usdc.vault.address)


def test_batch__what_raised_risk_is_not_liquidated_in_it(ready):
    """SOLV-6, in one call too."""
    market = ready
    with refuses("risk was raised in this block"):
        batch(
            market,
            step(market, WITHDRAW),
            market.leg(LIQUIDATE, "USDC", 1, collateral="WETH"),
        )


class Callback:
    """A contract that owns an account, borrows, and is called when it liquidates."""

    def __init__(self, market):
        self.market = market
        self.mock = FlashBorrowerMock.deploy(market.host, sender=market.owner)
        self.account = account_id(self.mock.address, 0)
        for name in ("USDC", "WETH"):
            asset = market.assets[name]
            asset.token.mint(self.mock, 10**6 * asset.unit, sender=market.owner)
            for spender in (market.engine, asset.vault):
                self.call(asset.token, "TokenMock", "approve", spender.address, MAX_UINT256)

    def data(self, name, function, *args):
        return interface_of(name).function(function, len(args)).encode(list(args))

    def call(self, target, name, function, *args):
        return self.mock.execute(target, self.data(name, function, *args), sender=self.market.owner)

    def batch(self, legs, data):
        return self.call(self.market.engine, "CreditEngine", "batch", legs, data)


def test_batch__risk_is_checked_before_the_callback(ready):
    """[borrow, liquidate, deposit]: unchecked risk is not held while the caller acts."""
    market = ready
    callback = Callback(market)
    liquidate = market.leg(
        LIQUIDATE, "USDC", 1_000 * USD, market.account(5), collateral="WETH",
        receiver=callback.mock.address,
    )  # fmt: skip
    borrow = market.leg(
        BORROW, "USDC", 10_000 * USD, callback.account, receiver=callback.mock.address
    )
    deposit = market.leg(DEPOSIT, "WETH", 10 * WAD, callback.account)
    with refuses("initial margin is not met"):
        callback.batch([borrow, liquidate, deposit], b"call me")
    callback.batch([borrow, liquidate, deposit], b"")
    callback.batch([borrow._replace(amount=100 * USD), liquidate, deposit], b"call me")
    with refuses("initial margin is not met"):
        callback.batch([deposit, liquidate, borrow._replace(amount=10**11)], b"call me")


def test_batch__callback_cannot_re_enter(ready):
    market = ready
    callback = Callback(market)
    liquidate = market.leg(
        LIQUIDATE, "USDC", 1_000 * USD, market.account(5), collateral="WETH",
        receiver=callback.mock.address,
    )  # fmt: skip
    inner = callback.data("CreditEngine", "batch", [], b"")
    deposit = callback.data(
        "CreditEngine", "deposit_collateral", callback.account, market.assets["WETH"].address, 1
    )
    calls = [(market.engine.address, inner, False), (market.engine.address, deposit, False)]
    callback.mock.set_calls(calls, bytes(32), sender=market.owner)
    callback.batch([liquidate], b"call me")
    assert [callback.mock.results(i) for i in range(2)] == [False, False]


def test_batch__touched_set_is_clean_in_the_next_of_one_transaction(ready):
    """What one batch touched does not count in another, nor are its words taken for it."""
    market = ready
    caller = CallerMock.deploy(market.host, sender=market.owner)
    mine = account_id(caller.address, 0)
    weth, usdc = market.assets["WETH"], market.assets["USDC"]
    weth.token.mint(caller, 100 * WAD, sender=market.owner)
    usdc.token.mint(caller, 10**6 * USD, sender=market.owner)

    def data(name, function, *args):
        return interface_of(name).function(function, len(args)).encode(list(args))

    def run(*batches):
        approve = [
            (weth.address, data("TokenMock", "approve", market.engine.address, MAX_UINT256)),
            (usdc.address, data("TokenMock", "approve", usdc.vault.address, MAX_UINT256)),
        ]
        calls = [
            (market.engine.address, data("CreditEngine", "batch", legs, b"")) for legs in batches
        ]
        return caller.run([*approve, *calls], sender=market.owner)

    def leg(action, name, amount, account=mine):
        return market.leg(action, name, amount, account, receiver=caller.address)

    deposit, borrow = leg(DEPOSIT, "WETH", 10 * WAD), leg(BORROW, "USDC", 14_000 * USD)
    run([deposit, borrow], [leg(REPAY, "USDC", 1_000 * USD)])
    # the second batch is measured from its own start: less collateral than before it
    with refuses("initial margin is not met"):
        run([leg(DEPOSIT, "WETH", WAD)], [leg(WITHDRAW, "WETH", 3 * WAD)])
    with refuses("initial margin is not met"):
        run([leg(REPAY, "USDC", 3_000 * USD)], [leg(BORROW, "USDC", 5_000 * USD)])
    run([leg(DEPOSIT, "WETH", WAD)], [leg(WITHDRAW, "WETH", WAD // 2)])
    assert market.held("WETH", mine) == 10 * WAD + WAD // 2
    # an account in a row that the first batch left there is touched anew
    other = account_id(caller.address, 1)
    first = [leg(DEPOSIT, "WETH", 1), leg(DEPOSIT, "WETH", 1, other)]
    with refuses("initial margin is not met"):
        run(first, [leg(DEPOSIT, "WETH", 1), leg(BORROW, "USDC", 1_000 * USD, other)])
    run(first, [leg(DEPOSIT, "WETH", 1), leg(DEPOSIT, "WETH", WAD, other)])
    assert market.held("WETH", other) == 1 + WAD
    # one that only the first batch touched is not judged in the second, whatever came between
    engine = market.engine.address
    first = [leg(DEPOSIT, "WETH", 1), leg(BORROW, "USDC", 1_000 * USD, other)]
    calls = [
        (engine, data("CreditEngine", "batch", first, b"")),
        (weth.feeds[0].address, data("AggregatorMock", "set", 1_000 * 10**8)),
        (engine, data("CreditEngine", "batch", [leg(DEPOSIT, "WETH", 1)], b"")),
    ]
    caller.run(calls, sender=market.owner)
    assert market.owed("USDC", other) in (1_000 * USD, 1_000 * USD + 1)


def test_batch__at_most_sixteen_legs(ready):
    legs = [step(ready, DEPOSIT)] * 17
    with refuses(""):
        batch(ready, *legs)
    held = ready.held("WETH")
    batch(ready, *legs[:16])
    assert ready.held("WETH") == held + 16 * (WAD // 10)


def test_batch__a_second_one_forgets_what_the_first_touched(market):
    """In one transaction: an account that could borrow no longer is not asked again."""
    host, weth, dai = market.host, market.assets["WETH"], market.assets["DAI"]
    caller = host.deploy("CallerMock", sender=market.owner)
    first, second = account_id(caller, 0), account_id(caller, 1)

    def batch(*steps):
        data = interface_of("CreditEngine").function("batch", 2).encode([list(steps), b""])
        return market.engine.address, data

    def call(name, target, function, *args):
        data = interface_of(name).function(function, len(args)).encode(list(args))
        return str(target), data

    for asset in (weth, dai):
        asset.token.mint(caller, 10 * WAD, sender=market.owner)
    calls = [
        call("TokenMock", weth.address, "approve", market.engine.address, MAX_UINT256),
        call("TokenMock", dai.address, "approve", market.engine.address, MAX_UINT256),
        batch(
            market.leg(DEPOSIT, "WETH", 10 * WAD, first),
            market.leg(BORROW, "USDC", 15_000 * 10**6, first, receiver=caller),
        ),
        call("AggregatorMock", weth.feeds[0].address, "set", 1_000 * 10**8),
        batch(market.leg(DEPOSIT, "DAI", WAD, second)),
    ]
    host.transact(caller, "CallerMock", "run", [calls], sender=market.other)
    assert market.held("DAI", second) == WAD
    with refuses("initial margin is not met"):
        calls = [batch(market.leg(BORROW, "USDC", 10**8, first, receiver=caller))]
        host.transact(caller, "CallerMock", "run", [calls], sender=market.other)
