"""A drill: who holds the owner's key, without any delay, and what he can take within 24 hours.

He does what the ABI lets him, in the order that serves him best: lists a token that he mints
himself at a price that he tells himself, opens every parameter as far as it goes, names himself
steward and guardian, opens the limits of vaults and ends them, replaces a feed by his own, and
borrows all he can, to leave it behind. In the week before, ether fell by a fifth, bitcoin rose by
one, and both came back. What
lenders lose is at most what the schedule of new assets lets a listing begin with, times what its
price may rise: 4 x new_assets / 1,024. Each bound that makes it so is taken out once, and then he
gets more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from breakwater import deploy, markets
from breakwater.driver import AssetConfig
from breakwater.evm import EvmHost
from breakwater.fuzz.planted import Bug
from breakwater.fuzz.slots import slot
from breakwater.host import Reverted, interface_of
from breakwater.mocks import AggregatorMock, BadFeedMock, TokenMock
from breakwater.units import DAY, HOUR, MAX_UINT256, WAD, account_id
from tests.incidents.ledger import bug as lacking
from tests.incidents.ledger import joined, stripped
from tests.market import ZERO

LENT = 10**7
"""Dollars in the vault, and as much again in those of ether and of bitcoin."""

SCHEDULED = 4 * 10**7 / 1_024
"""Dollars that lenders lose at most."""

FIRST, TOP = 1.15292151, 2**62 - 1
"""Price of his token, and the largest max_price that goes with it [WAD]."""

TARGET = 10**15 * WAD // 115_292_151
"""Of its cap: worth all of new_assets."""

NONE = bytes(32)


class Thief:
    """The owner of a deployed protocol. He has money of his own, and tokens that nobody wants."""

    def __init__(self) -> None:
        market = markets.load()
        rules = replace(market.governance, delay=0)
        self.protocol = protocol = deploy.deploy(EvmHost(), replace(market, governance=rules))
        self.host, self.me = protocol.host, protocol.accounts["governor"]
        self.lender = protocol.accounts["lender"]
        self.engine, self.configurator = protocol.credit_engine, protocol.configurator
        for symbol in protocol.vaults:
            self.pay(symbol, self.lender, LENT)
            vault = protocol.vaults[symbol]
            vault.deposit(self.units(symbol, LENT), self.lender, sender=self.lender)
        self.feeds: list[AggregatorMock] = []
        self.own: list[TokenMock] = []
        self.orders = 0
        self.crash()
        self.begun, self.worth = self.host.now, 0.0
        self.worth = -self.loss()

    def crash(self) -> None:
        """Ether fell by a fifth, bitcoin rose by one, and both are back for five days: they are no
        longer volatile, but in the range.
        """
        protocol = self.protocol
        for moved in (20, 0):
            for symbol, part in (("WETH", 100 - moved), ("WBTC", 100 + moved)):
                price = protocol.market.assets[symbol].price * part // 100
                protocol.set_price(symbol, price, sender=self.me)
            self.wait(HOUR)
        self.wait(5 * DAY)
        for symbol, parts in (("WETH", (80, 100)), ("WBTC", (100, 120))):
            price, token = protocol.market.assets[symbol].price, protocol.tokens[symbol]
            assert protocol.breaker.range_of(token) == tuple(price * p // 100 for p in parts)

    # ------------------------------------------------------------ means

    def units(self, symbol: str, dollars: int) -> int:
        asset = self.protocol.market.assets[symbol]
        return dollars * 10**asset.decimals * WAD // asset.price

    def pay(self, symbol: str, who: str, dollars: int) -> None:
        """Money that he has, or that a lender has."""
        token = self.protocol.tokens[symbol]
        token.mint(who, self.units(symbol, dollars), sender=who)
        spenders = [self.engine, *self.protocol.vaults.values()]
        for spender in spenders:
            token.approve(spender, MAX_UINT256, sender=who)

    def order(self, contract: Any, function: str, *args: Any) -> bool:
        """A call of the timelock, in this block. Whether it was let."""
        payload = (
            interface_of(contract.NAME)
            .function(function, len(args))
            .encode([getattr(arg, "address", arg) for arg in args])
        )
        self.orders += 1
        salt = self.orders.to_bytes(32, "big")
        call = contract, 0, payload, NONE, salt
        lock = self.protocol.timelock
        lock.schedule(*call, 0, sender=self.me)
        return self.may(lambda: lock.execute(*call, sender=self.me))

    @staticmethod
    def may(act: Callable[[], Any]) -> bool:
        try:
            act()
        except Reverted:
            return False
        return True

    def wait(self, seconds: int) -> None:
        """Time passes; honest feeds and keepers go on, and his own feeds repeat themselves."""
        for _ in range(max(seconds // HOUR, 1)):
            self.host.advance(min(seconds, HOUR))
            self.protocol.refresh(sender=self.me)
            for feed in self.feeds:
                feed.set(feed.answer(), sender=self.me)
            for token in (*self.protocol.tokens.values(), *self.own):
                self.may(lambda token=token: self.protocol.breaker.poke(token, sender=self.me))

    # ------------------------------------------------------------ what he does

    def mint(self, dollars: float) -> None:
        """A token of his own, and its feed."""
        self.fake = TokenMock.deploy(self.host, "CVT", "CVT", 18, sender=self.me)
        self.feed = AggregatorMock.deploy(self.host, 8, int(dollars * 10**8), sender=self.me)
        self.feeds, self.own = [self.feed], [self.fake]
        self.fake.mint(self.me, 10**40, sender=self.me)
        self.fake.approve(self.engine, MAX_UINT256, sender=self.me)

    def rules(self, **changes: Any) -> AssetConfig:
        """The best there are for him."""
        config = self.protocol.lens.config_of(self.protocol.tokens["WETH"])
        free = {
            "source": self.feed.address, "is_feed": False, "jump_band": 6_350,
            "min_price": 10**9, "max_price": TOP, "max_leverage": 1_275_000,
            "volatility_slope": 0, "borrow_ltv": 9_050, "borrow_ltv_floor": 9_050,
            "liquidation_ltv": 9_250,
        }  # fmt: skip
        return config._replace(**{**free, **changes})

    def list(self, cap: int, **changes: Any) -> bool:
        return self.order(
            self.configurator, "list_asset", self.fake, self.rules(**changes), cap, False, ZERO, 0
        )

    def answer(self, dollars: float) -> None:
        self.feed.set(int(dollars * 10**8), sender=self.me)

    def open_up(self) -> None:
        """Every setter of every contract, each in whichever steps it is let to go."""
        one, rule = self.protocol, self.configurator
        everything = [*one.tokens.values(), *self.own]
        self.order(rule, "set_steward", self.me)
        for token in everything:
            for function in ("set_growth", "set_depth"):
                self.order(rule, function, token, 0)
        self.order(one.breaker, "set_guardian", self.me)
        for contract in (one.risk_engine, one.credit_engine):
            self.order(contract, "transfer_ownership", self.me)
            self.may(lambda it=contract: it.transfer_ownership(self.me, sender=self.me))
        for function in ("set_breaker", "set_configurator"):
            self.order(one.risk_engine, function, self.me)
        for token in everything:
            for cap in (2**128 - 1, 2 * self.engine.book_of(token)[2]):
                self.order(rule, "set_cap", token, cap)
                self.order(self.engine, "set_cap", token, cap)
            now = one.lens.config_of(token)
            for step in (2_000, 500):
                self.order(rule, "ramp_liquidation_ltv", token, now.liquidation_ltv + step, 0)
                self.order(rule, "set_borrow_ltv", token, now.borrow_ltv + step)
            for times in (2**40, 2):
                self.order(rule, "raise_max_price", token, now.max_price * times)
            self.order(rule, "set_min_debt", token, 0)
            self.order(one.breaker, "set_supply_limit", token, 0)
            self.may(lambda it=token: rule.grow(it, sender=self.me))
            cap, ltv = self.engine.book_of(token)[2], one.lens.config_of(token).borrow_ltv
            for parts in ((cap * 2, ltv + 1_000), (cap * 6 // 5, ltv), (cap, ltv + 100)):
                self.may(lambda it=token, p=parts: rule.steer(it, *p, sender=self.me))
        for vault in one.vaults.values():
            self.open_vault(vault)

    def open_vault(self, vault: Any) -> None:
        """No limits, or as far as they go; the rate as low as it goes."""
        rule = self.configurator
        now = rule.vault_config_of(vault)
        amounts = ("deposit_cap", "debt_cap", "limit_floor")
        limits = ("outflow_limit", "growth_limit")
        free = {**dict.fromkeys(amounts, 2**100), **dict.fromkeys(limits, 0)}
        cheap = {"initial_rate": 1, "min_rate": 1, "max_rate": 1}
        twice = {name: 2 * getattr(now, name) for name in amounts}
        twice |= {name: min(2 * getattr(now, name), 100) for name in limits}
        half = {"min_rate": (now.min_rate + 1) // 2, "max_rate": (now.max_rate + 1) // 2}
        half["initial_rate"] = half["max_rate"]
        for changes in (free | cheap, free, cheap, twice | half):
            self.order(rule, "set_vault", vault, now._replace(**changes))
        self.order(vault, "write_config", 0, 0)
        for function in ("set_breaker", "transfer_ownership"):
            self.order(vault, function, self.me)

    def most(self, amount: int, least: int, act: Callable[[int], Any]) -> None:
        """As often and as much as it goes, found by halving."""
        while amount > least:
            if not self.may(partial(act, amount)):
                amount //= 2

    def fill(self, number: int = 0) -> None:
        """His own token, into an account of his."""
        engine, me, account = self.engine, self.me, account_id(self.me, number)
        self.most(2**103, 0, lambda n: engine.deposit_collateral(account, self.fake, n, sender=me))

    def borrow(self, number: int = 0) -> None:
        """Of everything that is lent."""
        engine, me, account = self.engine, self.me, account_id(self.me, number)
        for symbol, vault in self.protocol.vaults.items():
            borrow = partial(engine.borrow, account, self.protocol.tokens[symbol])
            least = engine.debt_of(self.protocol.tokens[symbol])[2]
            self.most(vault.cash(), least, lambda n, do=borrow: do(n, me, sender=me))

    def loss(self) -> float:
        """Dollars that lenders lack at true prices: of each vault its cash, and of each debt what
        honest collateral pays for.
        """
        assert self.host.now - self.begun <= DAY
        one, prices = self.protocol, {s: a.price for s, a in self.protocol.market.assets.items()}
        by_id = {one.risk_engine.id_of(token): s for s, token in one.tokens.items()}

        def dollars(symbol: str, amount: int) -> float:
            unit = 10 ** one.market.assets[symbol].decimals
            return amount * prices[symbol] / unit / WAD

        left = sum(dollars(s, vault.cash()) for s, vault in one.vaults.items())
        for number in range(4):
            words = self.engine.position_of(account_id(self.me, number))
            value = {False: 0.0, True: 0.0}
            for i in range(8):
                tag = words[i // 2] >> (208 + 8 * (i % 2)) & 255
                amount = words[i // 2] >> (104 * (i % 2)) & 2**104 - 1
                if tag & 127 in by_id:
                    value[tag > 127] += dollars(by_id[tag & 127], amount)
            left += min(value.values())
        return self.worth - left


def plain(thief: Thief) -> None:
    """Lists his token, waits for its price to settle at four times as much, and borrows on it."""
    thief.mint(FIRST)
    # the largest cap that is let
    for target in (2**127, 10**9 * WAD, TARGET):
        for top in (10**27, TOP):
            thief.list(target, max_price=top)
    thief.open_up()
    thief.fill()
    top = int(thief.protocol.lens.config_of(thief.fake).max_price) / WAD
    thief.answer(min(top * 0.999, 10**9))
    thief.wait(20 * HOUR)
    thief.open_up()
    thief.borrow()


def several(thief: Thief) -> None:
    """As many tokens as he can list."""
    plain(thief)
    for number in range(1, 4):
        before = thief.fake
        thief.mint(FIRST)
        if not thief.list(TARGET):
            thief.fake = before
            continue
        thief.wait(60)
        thief.fill(number)
        thief.borrow(number)


def ratchet(thief: Thief) -> None:
    """Below maintenance an account may add above a cap: his own feed puts it there, at a low price,
    lets him add, and rises again.
    """
    thief.mint(FIRST)
    thief.list(TARGET)
    thief.fill()
    for _ in range(3):
        thief.answer(TOP / WAD)
        thief.wait(2 * HOUR)
        thief.borrow()
        thief.answer(0.01)
        thief.wait(2 * HOUR)
        thief.fill()
    thief.answer(TOP / WAD)
    thief.wait(4 * HOUR)
    thief.borrow()


def feed(thief: Thief) -> None:
    """Puts his own feed in the place of ether's, with ether for collateral."""
    weth = thief.protocol.tokens["WETH"]
    price = int(thief.protocol.market.assets["WETH"].price / WAD)
    thief.mint(price)
    thief.pay("WETH", thief.me, 100_000)
    account = account_id(thief.me)
    amount = thief.units("WETH", 100_000)
    thief.engine.deposit_collateral(account, weth, amount, sender=thief.me)
    thief.order(thief.configurator, "replace_feed", weth, thief.feed, False, DAY, ZERO)
    thief.may(lambda: thief.configurator.finish_replacement(weth, sender=thief.me))
    thief.wait(12 * HOUR)
    thief.answer(price * 100)
    thief.wait(11 * HOUR)
    thief.may(lambda: thief.configurator.finish_replacement(weth, sender=thief.me))
    thief.wait(HOUR // 2)
    thief.borrow()


def rewrite(thief: Thief) -> None:
    """Takes the engines from the configurator, and writes his own feed into the rules of ether."""
    one = thief.protocol
    weth, risk, price = one.tokens["WETH"], one.risk_engine, one.market.assets["WETH"].price
    thief.mint(price * 100 // WAD)
    thief.pay("WETH", thief.me, 100_000)
    account, amount = account_id(thief.me), thief.units("WETH", 100_000)
    thief.engine.deposit_collateral(account, weth, amount, sender=thief.me)
    thief.order(risk, "set_configurator", thief.me)
    rule, term, _, _ = risk.words_of(weth)
    rule = rule >> 177 << 177 | int(thief.feed.address, 16) | 60 << 160 | 8 << 172
    thief.may(lambda: risk.write_asset(weth, rule, term, sender=thief.me))
    thief.wait(20 * HOUR)
    thief.borrow()


def vault(thief: Thief) -> None:
    """Lists a vault of his own for an asset that has none: its index says what is owed, so that
    honest collateral pays a debt to himself, and honest debts are left behind.
    """
    one, engine = thief.protocol, thief.engine
    asset, weth, account = one.tokens["wstETH"], one.tokens["WETH"], account_id(thief.me)
    thief.mint(FIRST)
    thief.pay("WETH", thief.me, 100_000)
    amount = thief.units("WETH", 100_000)
    engine.deposit_collateral(account, weth, amount, sender=thief.me)
    liar = BadFeedMock.deploy(thief.host, 18, sender=thief.me)
    liar.set_asset(asset, sender=thief.me)
    # what it lends, and its index: 0.9 wstETH are owed
    shares = 3 * 10**22
    liar.set_words([shares, shares, 0, 0, 0], sender=thief.me)
    config = thief.configurator.vault_config_of(one.vaults["WETH"])
    thief.order(thief.configurator, "open_vault", liar, liar, 1, config)
    thief.order(thief.configurator, "list_debt", liar, 1)
    thief.may(lambda: engine.borrow(account, asset, 1, thief.me, sender=thief.me))
    thief.borrow()
    thief.wait(60)
    liar.set_words([2**112 - 1, shares, 0, 0, 0], sender=thief.me)
    everything = account, asset, weth, MAX_UINT256, 0, thief.me, NONE, b""
    thief.may(lambda: engine.liquidate(*everything, sender=thief.me))


def settle(thief: Thief) -> None:
    """Winds everything down at prices of his choice: of those that pokes saw. He borrows all the
    bitcoin he can on ether, ends the one at six fifths of its price and the other at four, and buys
    the ether for that.
    """
    one, engine, rule, me = thief.protocol, thief.engine, thief.configurator, thief.me
    weth, wbtc, account = one.tokens["WETH"], one.tokens["WBTC"], account_id(me)
    thief.order(rule, "announce_settlement", weth, one.breaker.range_of(weth)[0])
    thief.order(rule, "announce_settlement", wbtc, one.breaker.range_of(wbtc)[1])
    for symbol in one.vaults:
        thief.pay(symbol, me, 4 * LENT)
    amount = thief.units("WETH", 3 * LENT)
    engine.deposit_collateral(account, weth, amount, sender=me)
    plain(thief)
    for token in (weth, one.tokens["USDC"]):
        engine.repay(account, token, MAX_UINT256, sender=me)
    thief.most(amount, WAD, lambda n: engine.withdraw_collateral(account, weth, n, me, sender=me))
    # until the last second of the day in which lenders may leave
    thief.wait(thief.begun + DAY - 1 - thief.host.now)
    for token in (weth, wbtc):
        thief.order(rule, "settle", token)
    for seized in (weth, thief.fake):
        everything = account, wbtc, seized, MAX_UINT256, 0, me, NONE, b""
        thief.may(lambda it=everything: engine.liquidate(*it, sender=me))
    for token in (thief.fake, *one.tokens.values()):
        for price in reversed(one.breaker.range_of(token)):
            thief.order(rule, "announce_settlement", token, price)
            thief.order(rule, "settle", token)
    thief.borrow()


def end(thief: Thief) -> None:
    """Opens the vaults as far as it goes, in all the steps of a day, borrows, and ends them."""
    plain(thief)
    for own in thief.protocol.vaults.values():
        thief.open_vault(own)
    thief.borrow()
    for own in thief.protocol.vaults.values():
        thief.order(thief.configurator, "wind_down_vault", own)
    thief.borrow()


PLANS = (plain, several, ratchet, feed, rewrite, vault, settle, end)


@pytest.mark.parametrize("plan", PLANS)
def test_no_plan_takes_more_than_what_is_scheduled(plan: Callable[[Thief], None]) -> None:
    thief = Thief()
    plan(thief)
    loss = thief.loss()
    assert loss <= SCHEDULED
    if plan in (plain, several, ratchet, end):
        assert loss > SCHEDULED / 4  # he does get what he may


CONFIGURATOR, SCHEDULE = "contracts/Configurator.vy", "contracts/modules/new_assets.vy"
RULES, FEEDS = "contracts/modules/asset_rules.vy", "contracts/modules/feed_change.vy"
BLEND, MARGIN = "contracts/feeds/BlendFeed.vy", "contracts/modules/maintenance.vy"
BREAKER = "contracts/CircuitBreaker.vy"


def without(name: str, plan: Callable[[Thief], None], path: str, *changes: tuple[str, str]) -> Any:
    """A build that lacks one bound, and the plan that it lets through."""
    contract = {BLEND: "BlendFeed", MARGIN: "RiskEngine"}.get(path, "Configurator")
    return pytest.param(
        lacking(name.replace(" ", "_"), name, contract, path, *changes), plan, id=name
    )


def gone(line: str) -> tuple[str, str]:
    """A statement that says nothing any more."""
    return line + "\n", line[: len(line) - len(line.lstrip())] + "pass\n"


DEAR = lacking(
    "dear", "what is lent is settled at any price that pokes saw", "CircuitBreaker", BREAKER,
    ("        high = min(high, max(quote.high, quote.average))\n", "        pass\n"),
)  # fmt: skip
AT_ONCE = lacking(
    "at_once", "without a day's notice", "Configurator", FEEDS,
    gone("    steps._check_due(announced.ready_at)"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("bug", "plan"),
    [
        without("one listing a week", several, SCHEDULE, gone(
            '    assert block.timestamp >= self.last_listing + WEEK, "one listing a week"')),
        without("caps begin at a thousandth", plain, SCHEDULE,
            ("    first: uint256 = target >> DOUBLINGS\n", "    first: uint256 = target\n")),
        without("targets are limited", plain, SCHEDULE, gone(
            "    self._check_cap(target * price // unit <= LIMIT)")),
        without("max_price is near the price", plain, CONFIGURATOR, gone(
            "        assert asset_config._max_price(rule) <= MAX_RISE * price, "
            '"max_price is too high"')),
        without("max_price rises in steps", plain, RULES, (
            "    if rulebook._step(asset, steps.MAX_PRICE):\n", "    if False:\n")),
        without("cap of a new asset is the schedule's", plain, RULES, (
            "    if new_assets._is_new(asset):\n"
            "        new_assets._lower(asset, cap, before)\n"
            "    elif cap > before and rulebook._step(asset, steps.CAP):\n",
            "    if cap > before and rulebook.sealed_at == 0:\n")),
        without("nobody adds above the cap of a new asset", ratchet, MARGIN, (
            "        or (valuation.unpriced >> leg | "
            "self.terms[tag] >> asset_config.IS_NEW_AT) & 1 == 1\n",
            "        or (valuation.unpriced >> leg) & 1 == 1\n")),
        without("a new source says what the old one says", feed, BLEND, (
            "        if not self._agree(old.price, new.price, BAND):\n", "        if False:\n")),
        without("a new source blends in for a day", feed, BLEND, (
            "        block.timestamp - START >= BLEND_TIME and self._quote()[1] == NEW_ALONE "
            "and self._is_calm()\n",
            "        True\n")),
        pytest.param(joined("settled_dear_at_once", DEAR, AT_ONCE), settle,
            id="a settlement is announced, and is not dear"),
        without("vaults come at genesis", vault, CONFIGURATOR, (
            "def _list_debt(vault: address, min_debt: uint256):\n"
            "    rulebook._check_genesis()\n",
            "def _list_debt(vault: address, min_debt: uint256):\n")),
    ],
)  # fmt: skip
def test_without_a_bound_he_takes_more(bug: Bug, plan: Callable[[Thief], None]) -> None:
    with stripped(bug):
        thief = Thief()
        plan(thief)
        assert thief.loss() > SCHEDULED


def test_owner_of_the_risk_engine_takes_more() -> None:
    """Where the timelock owned it, as it owns breaker and configurator."""
    thief = Thief()
    one = thief.protocol
    owner = slot("RiskEngine", "owner")
    thief.host._evm.insert_account_storage(
        one.risk_engine.address, owner, int(one.timelock.address, 16)
    )
    rewrite(thief)
    assert thief.loss() > SCHEDULED
