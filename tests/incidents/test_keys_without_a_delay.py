"""Whoever holds the keys for one block: Beanstalk, April 2022, 182 million dollars; Drift, April
2026, 280 million; Ionic, February 2025, 8.5 million.

Beanstalk's votes were borrowed in a flash loan, and an emergency commit let them pass and run a
proposal at once. Drift's council had signed, long before and unseen, transactions that handed it
over; there was no delay, and a token of the attackers' own, at a price of their own, was
collateral twelve minutes later. Ionic was talked into listing such a token.

Here a thief has the key of the only proposer, lists a token of his own and borrows all there is.
"""

from dataclasses import replace
from unittest.mock import patch

import pytest

from breakwater import deploy, markets
from breakwater.deploy import steps
from breakwater.evm import EvmHost
from breakwater.host import Reverted, interface_of
from breakwater.mocks import AggregatorMock, TokenMock
from breakwater.model.vault_limits import WINDOW
from breakwater.units import DAY, account_id
from tests.market import ZERO, refuses

LENT = 10**6 * 10**6
CAP = 10**7 * 10**18 // 3_000
RAISED = 2**76
NONE = bytes(32)
NOT_OWNER = "ownable: caller is not the owner"
NO_ROLE = "access_control: account is missing role"
NOT_READY = "timelock_controller: operation is not ready"


class Rule:
    """The protocol as it is deployed, but for the delay of its timelock, and a lender's million."""

    def __init__(self, delay=None):
        market = markets.load()
        self.delay = market.governance.delay if delay is None else delay
        rules = replace(market.governance, delay=self.delay)
        self.protocol = deploy.deploy(EvmHost(), replace(market, governance=rules))
        self.host = self.protocol.host
        for name in ("governor", "guardian", "deployer", "lender"):
            setattr(self, name, self.protocol.accounts[name])
        self.timelock, self.vault = self.protocol.timelock, self.protocol.vaults["USDC"]
        self.usdc, self.weth = (self.protocol.tokens[name] for name in ("USDC", "WETH"))
        self.usdc.mint(self.lender, LENT, sender=self.lender)
        self.usdc.approve(self.vault, LENT, sender=self.lender)
        self.vault.deposit(LENT, self.lender, sender=self.lender)

    def operation(self, contract, function, *args, after=NONE):
        """What `schedule`, `execute` and `hash_operation` take."""
        payload = interface_of(contract.NAME).function(function, len(args)).encode(args)
        return contract, 0, payload, after, NONE

    def decide(self, *operation):
        """Without any delay."""
        self.timelock.schedule(*operation, 0, sender=self.governor)
        self.timelock.execute(*operation, sender=self.governor)

    def listing(self):
        """A worthless token, 3,000 dollars by a feed of the thief's own."""
        self.fake = TokenMock.deploy(self.host, "CVT", "CVT", 18, sender=self.governor)
        self.feed = AggregatorMock.deploy(self.host, 8, 3_000 * 10**8, sender=self.governor)
        config = self.protocol.lens.config_of(self.weth)
        # at most four times the price
        config = config._replace(source=self.feed.address, is_feed=False, max_price=2**73 - 1)
        args = self.fake.address, config, CAP, False, ZERO, 0
        return self.operation(self.protocol.configurator, "list_asset", *args)

    def refresh(self):
        """Every price is told again."""
        self.protocol.refresh(sender=self.governor)
        self.feed.set(3_000 * 10**8, sender=self.governor)

    def rob(self):
        """All that the vault lends him on his token; what he has then."""
        me, engine = self.governor, self.protocol.credit_engine
        account = account_id(me, 0)
        self.fake.mint(me, 10**24, sender=me)
        self.fake.approve(engine, 10**24, sender=me)
        _, held, cap, _ = engine.book_of(self.fake)
        if held == 0 or held < cap:
            engine.deposit_collateral(account, self.fake, cap - held, sender=me)
        # at genesis all there is is less than what his token is good for
        most = self.vault.cash()
        if self.protocol.configurator.sealed_at():
            most = self.protocol.lens.max_borrow(account, self.usdc)
        engine.borrow(account, self.usdc, most, me, sender=me)
        return self.usdc.balanceOf(me)


def test_no_delay():
    """As it was: one block, full caps from the first, and limits that are taken off."""
    with patch.object(steps.Deployment, "_seal"), patch.object(deploy, "verify"):
        rule = Rule(delay=0)
        rule.decide(*rule.listing())
        with refuses("debt growth limit is reached"):
            rule.rob()
        config = rule.protocol.configurator.vault_config_of(rule.vault)
        config = config._replace(outflow_limit=0, growth_limit=0)
        args = rule.vault.address, config
        rule.decide(*rule.operation(rule.protocol.configurator, "set_vault", *args))
        assert rule.rob() >= LENT
        assert rule.vault.cash() == 0


def test_schedule():
    """A listing begins with a thousandth of a cap that is limited itself."""
    rule = Rule(delay=0)
    rule.decide(*rule.listing())
    assert 7_000 * 10**6 < rule.rob() < 8_000 * 10**6


def test_schedule__day_by_day():
    """Drift was empty after twelve minutes. Here the cap doubles in three days: after 3 · k of them
    the thief has 10,000,000 · 2^k / 1,024 at his own price, times the loan-to-value of 80 %, and
    everyone has seen it from the first block on. When he has 60,000 the guardian stops him.
    """
    rule = Rule(delay=0)
    rule.decide(*rule.listing())
    protocol, me = rule.protocol, rule.governor
    for k in range(4):
        bound = 10**7 * 2**k / 1_024 * 0.8 * 10**6
        assert bound * 0.99 < rule.rob() <= bound
        with refuses("collateral cap is reached"):
            protocol.credit_engine.deposit_collateral(
                account_id(me, 1), rule.fake, 10**15, sender=me
            )
        rule.host.advance(3 * DAY - 1)
        rule.refresh()
        with refuses("nothing to grow yet"):
            protocol.configurator.grow(rule.fake, sender=me)
        rule.host.advance(1)
        rule.refresh()
        protocol.configurator.grow(rule.fake, sender=me)
    engine, account = protocol.credit_engine, account_id(me, 0)
    _, held, cap, _ = engine.book_of(rule.fake)
    engine.deposit_collateral(account, rule.fake, cap - held, sender=me)
    assert protocol.lens.max_borrow(account, rule.usdc) > 60_000 * 10**6
    protocol.breaker.trip(rule.fake, 2, 7 * DAY, sender=rule.guardian)
    with refuses("initial margin is not met"):
        engine.borrow(account, rule.usdc, 60_000 * 10**6, me, sender=me)
    assert rule.usdc.balanceOf(me) <= 62_500 * 10**6


def test_two_days_of_delay():
    """What is decided waits, in the open: the guardian calls it off, or lenders leave."""
    rule = Rule()
    operation = rule.listing()
    with refuses("timelock_controller: insufficient delay"):
        rule.timelock.schedule(*operation, 0, sender=rule.governor)
    rule.timelock.schedule(*operation, rule.delay, sender=rule.governor)
    with refuses(NOT_READY):
        rule.timelock.execute(*operation, sender=rule.governor)
    rule.host.advance(rule.delay - WINDOW - 1)
    # all but what the outflow limit holds back until the next window
    lender, vault = rule.lender, rule.vault
    vault.withdraw(vault.maxWithdraw(lender), lender, lender, sender=lender)
    rule.host.advance(WINDOW)
    with refuses(NOT_READY):
        rule.timelock.execute(*operation, sender=rule.governor)
    with refuses("asset is no collateral"):
        rule.rob()
    vault.redeem(vault.maxRedeem(lender), lender, lender, sender=lender)
    assert vault.balanceOf(lender) <= 10**6
    assert rule.usdc.balanceOf(lender) >= LENT - 2
    rule.timelock.cancel(rule.timelock.hash_operation(*operation), sender=rule.guardian)
    rule.host.advance(DAY)
    with refuses(NOT_READY):
        rule.timelock.execute(*operation, sender=rule.governor)


def test_what_was_scheduled_does_not_lapse():
    """What a timelock can't do: an operation that nobody executed when it was ready, nor cancelled,
    stays ready, and anyone executes it a year later. Drift's had been signed long before.
    """
    rule = Rule()
    cap = rule.operation(rule.protocol.configurator, "set_cap", rule.weth.address, RAISED)
    rule.timelock.schedule(*cap, rule.delay, sender=rule.governor)
    rule.host.advance(365 * DAY)
    rule.timelock.execute(*cap, sender=rule.lender)
    assert rule.protocol.credit_engine.book_of(rule.weth)[2] == RAISED


@pytest.mark.parametrize("ordered", [False, True])
def test_steps_out_of_order(ordered):
    """Anyone executes what is ready. A cap that was to rise once the loan-to-value had fallen rises
    first, unless it names the other as its predecessor.
    """
    rule = Rule()
    lower = rule.operation(rule.protocol.configurator, "set_borrow_ltv", rule.weth.address, 7_000)
    after = rule.timelock.hash_operation(*lower) if ordered else NONE
    rise = rule.operation(
        rule.protocol.configurator, "set_cap", rule.weth.address, RAISED, after=after
    )
    for operation in (lower, rise):
        rule.timelock.schedule(*operation, rule.delay, sender=rule.governor)
    rule.host.advance(rule.delay)
    if ordered:
        with refuses("timelock_controller: missing dependency"):
            rule.timelock.execute(*rise, sender=rule.lender)
        rule.timelock.execute(*lower, sender=rule.lender)
        rule.timelock.execute(*rise, sender=rule.lender)
        assert rule.protocol.lens.config_of(rule.weth).borrow_ltv == 7_000
        return
    rule.timelock.execute(*rise, sender=rule.lender)
    assert rule.protocol.lens.config_of(rule.weth).borrow_ltv > 7_000
    assert rule.protocol.credit_engine.book_of(rule.weth)[2] == RAISED


def _loosening(rule, me):
    """Every setter of the protocol, in the direction that lets more happen."""
    one, two, lock = rule.protocol, rule.vault, rule.timelock
    config = one.lens.config_of(rule.weth)
    setters = {
        "cap": lambda: one.credit_engine.set_cap(rule.weth, 2**100, sender=me),
        "least debt": lambda: one.credit_engine.set_min_debt(rule.weth, 0, sender=me),
        "collateral": lambda: one.credit_engine.list_collateral(two, 2**90, False, sender=me),
        "debt": lambda: one.credit_engine.list_debt(two, 0, sender=me),
        "asset": lambda: one.configurator.list_asset(two, config, 1, False, ZERO, 0, sender=me),
        "steps": lambda: one.configurator.set_cap(rule.weth, RAISED, sender=me),
        "steward": lambda: one.configurator.set_steward(me, sender=me),
        "feed": lambda: one.configurator.replace_feed(rule.weth, two, True, 60, ZERO, sender=me),
        "max_price": lambda: one.configurator.raise_max_price(rule.weth, 2**90, sender=me),
        "loan-to-value": lambda: one.configurator.set_borrow_ltv(rule.weth, 8_100, sender=me),
        "ramp": lambda: one.configurator.ramp_liquidation_ltv(rule.weth, 8_500, 0, sender=me),
        "configurator": lambda: one.risk_engine.set_configurator(me, sender=me),
        "breaker": lambda: one.risk_engine.set_breaker(me, sender=me),
        "vault's breaker": lambda: two.set_breaker(me, sender=me),
        "vault's caps": lambda: two.write_config(2**90, 0, sender=me),
        "vault's end": lambda: one.configurator.wind_down_vault(two, sender=me),
        "guardian": lambda: one.breaker.set_guardian(me, sender=me),
        "supply": lambda: one.breaker.set_supply_limit(rule.weth, 0, sender=me),
        "owner": lambda: one.credit_engine.transfer_ownership(me, sender=me),
    }
    roles = {
        "proposer": lambda: lock.grantRole(lock.PROPOSER_ROLE(), me, sender=me),
        "schedule": lambda: lock.schedule(me, 0, b"", NONE, NONE, rule.delay, sender=me),
    }
    return setters, roles


@pytest.mark.parametrize("who", ["guardian", "deployer"])
def test_key_that_loosens_nothing(who):
    """Neither the guardian's key nor that of who deployed it all opens anything."""
    rule = Rule()
    me = getattr(rule, who)
    setters, roles = _loosening(rule, me)
    for reason, calls in ((NOT_OWNER, setters), (NO_ROLE, roles)):
        for name, call in calls.items():
            with pytest.raises(Reverted) as caught:
                call()
            assert caught.value.reason == reason, name
    with refuses("timelock_controller: caller must be timelock"):
        rule.timelock.update_delay(0, sender=me)
    with refuses("caller is not the breaker"):
        rule.protocol.risk_engine.set_level(rule.weth, 0, 0, 0, sender=me)
    if who == "deployer":
        with refuses("caller is not guardian"):
            rule.protocol.breaker.trip(rule.weth, 2, DAY, sender=me)


def test_guardian_tightens_at_once():
    """And what he may do needs no vote: Moonwell waited five days for one, and Blizz was drained
    while a timelock ran. He can't take it back by halves, nor keep it up.
    """
    rule = Rule()
    me, breaker, weth = rule.guardian, rule.protocol.breaker, rule.weth
    breaker.trip(weth, 2, DAY, sender=me)
    assert rule.protocol.lens.quote(weth).level == 2
    with refuses("level below the latched one"):
        breaker.trip(weth, 1, 2 * DAY, sender=me)
    with refuses("expiry before the latched one"):
        breaker.trip(weth, 2, DAY - 1, sender=me)
    with refuses("duration above 7 days"):
        breaker.trip(weth, 2, 7 * DAY + 1, sender=me)
    breaker.trip(weth, 2, 7 * DAY, sender=me)
    rule.host.advance(7 * DAY + 1)
    rule.protocol.refresh(sender=me)
    assert rule.protocol.lens.quote(weth).level == 0
    with refuses("latch budget is spent"):
        breaker.trip(weth, 2, DAY, sender=me)


def test_guardian_lifts_no_latch_of_a_sensor():
    """What a sensor latched, the guardian does not lift with his own."""
    rule = Rule()
    me, protocol = rule.guardian, rule.protocol
    protocol.set_price("WETH", 2_000 * 10**18, sender=me)
    protocol.breaker.poke(rule.weth, sender=me)
    protocol.set_price("WETH", 3_000 * 10**18, sender=me)
    protocol.breaker.trip(rule.weth, 2, DAY, sender=me)
    protocol.breaker.reset(rule.weth, sender=me)
    assert protocol.lens.quote(rule.weth).level == 1
