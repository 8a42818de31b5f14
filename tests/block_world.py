"""A market with all that anybody can move without time passing, and what prices may be doing: for
tests of what one block may change. Health and power are worked out in fractions from raw words:
legs and indices as stored, checkpoints as stored, and what each source answers.
"""

from contextlib import suppress
from fractions import Fraction

import pytest

from breakwater.driver import InsuranceFund, MedianFeed, RateFeed
from breakwater.evm import EvmHost
from breakwater.fuzz.slots import slot
from breakwater.host import Reverted, interface_of
from breakwater.mocks import AggregatorMock, StakedTokenMock
from breakwater.model import average, margin
from breakwater.units import DAY, HOUR, MAX_UINT256, RAY, WAD, account_id
from tests.market import ASSETS, NOBODY, VAULT, ZERO, Market

FLASH = bytes.fromhex("439148f0bbc682ca079e46d6e2c2f0c1e3b820f1a291b069d8882abf8cf18dd9")
GROWTH = 1_000
"""[BPS a year] that the rate feeds believe."""
LAST_POKE = 60
"""Seconds before the block."""
DUST = Fraction(1, 10**12)
"""[dollars] of power, and part of a health factor, that rounding may be."""

EDGE, LIMIT, SHARES, STAKED, OWES_ETHER, BITCOIN = range(6)
"""The borrower's accounts: just above maintenance; at the initial margin, on WETH, on shares of our
own vault, on a staked token; with debt in WETH; on a token with one source."""


class World(Market):
    """The market with two shares as collateral, each behind a rate feed."""

    def __init__(self):
        rules = {"jump_band": 500, "volatility_slope": 3_000, "volatility_ref": 100}
        listed = {
            **ASSETS,
            "WETH": {**ASSETS["WETH"], **rules, "sources": 2},
            "WBTC": {**ASSETS["WBTC"], **rules},
        }
        vault = VAULT._replace(flash_fee=9)
        super().__init__(EvmHost(), listed, vault=vault, has_sequencer=True)
        for name in self.assets:
            self.give(name, self.other, 10**12 * self.assets[name].unit)
        self._add_shares()
        self._add_staked()
        for name in ("WETH", "USDC"):
            self.breaker.set_supply_limit(self.assets[name], 1_000, sender=self.owner)
        self.flash = self.host.deploy("FlashBorrowerMock", sender=self.other)
        self._open()

    def _rate_feed(self, share, name):
        """Over a share of `name`, which has a feed of its own mock aggregator."""
        source = self.assets[name].feeds[0]
        base = MedianFeed.deploy(self.host, [source], [DAY], 1, 100, False, name, sender=self.owner)
        return RateFeed.deploy(self.host, share, base, GROWTH, sender=self.owner)

    def _add(self, name, token, decimals, dollars, feed):
        asset = self.add_asset(
            name, decimals=decimals, dollars=dollars, token=token, source=feed.address, is_feed=True
        )
        asset.rate_feed = feed
        asset.feeds = []
        asset.dollars = []
        token.approve(self.engine, MAX_UINT256, sender=self.borrower)
        return asset

    def _add_shares(self):
        """The share of the vault that lends USDC, which carries debt in DAI."""
        usdc = self.assets["USDC"]
        vault = usdc.vault
        self._add("bUSDC", vault, vault.decimals(), 1, self._rate_feed(vault, "USDC"))
        self.give("USDC", self.borrower, 10**5 * usdc.unit)
        vault.deposit(10**5 * usdc.unit, self.borrower, sender=self.borrower)

    def _add_staked(self):
        weth = self.assets["WETH"].token
        staked = StakedTokenMock.deploy(self.host, "Staked", "sETH", weth, sender=self.owner)
        self.give("WETH", self.borrower, 1_000 * WAD)
        weth.approve(staked, MAX_UINT256, sender=self.borrower)
        staked.deposit(1_000 * WAD, self.borrower, sender=self.borrower)
        self._add("sETH", staked, 18, 2_000, self._rate_feed(staked, "WETH"))

    # ------------------------------------------------------------ accounts

    def _hold(self, name, amount, number):
        """Collateral that the borrower has already."""
        self.engine.deposit_collateral(
            self.account(number), self.assets[name], amount, sender=self.borrower
        )

    def _borrow_all(self, name, number):
        """As much as the initial margin allows, to the unit."""
        low, high = 0, 10**7 * self.assets[name].unit
        while high - low > 1:
            middle = (low + high) // 2
            if self.refused("borrow", self._borrowing(name, middle, number)) is None:
                low = middle
            else:
                high = middle
        self.engine.borrow(*self._borrowing(name, low, number), sender=self.borrower)

    def _borrowing(self, name, amount, number):
        return [self.account(number), self.assets[name].address, amount, self.borrower]

    def refused(self, function, arguments, sender=None):
        """Why the engine refuses, None where it does not. Nothing changes."""
        try:
            self.engine._try(function, *arguments, sender=sender or self.borrower)
        except Reverted as reverted:
            return reverted.reason
        return None

    def _open(self):
        self.deposit("WETH", 100, self.account(EDGE))
        self._borrow_all("USDC", EDGE)
        self.price("WETH", 1_930)
        for _ in range(100):
            self.host.advance(900)
            self.refresh()
            self._poke_all()
        # where EDGE is above maintenance by a ten-thousandth
        edge = Fraction(self.owed("USDC", self.account(EDGE)), 10**6) * Fraction(10_001, 830_000)
        self.price("WETH", edge)
        self._poke_all()
        self.host.advance(12)
        self.deposit("WETH", 100, self.account(LIMIT))
        self.deposit("DAI", 10**5, self.account(OWES_ETHER))
        self.deposit("WBTC", 2, self.account(BITCOIN))
        self._hold("bUSDC", self.assets["bUSDC"].unit * 10**4, SHARES)
        self._hold("sETH", 500 * WAD, STAKED)
        debts = {LIMIT: "USDC", OWES_ETHER: "WETH", BITCOIN: "USDC", SHARES: "DAI", STAKED: "USDC"}
        for number, name in debts.items():
            self._borrow_all(name, number)
        self.numbers = debts | {EDGE: "USDC"}
        self.host.advance(LAST_POKE - 12)

    def _poke_all(self):
        for name, asset in self.assets.items():
            self.poke(name)
            if hasattr(asset, "rate_feed"):
                asset.rate_feed.poke(sender=self.other)

    # ------------------------------------------------------------ what is watched

    def accrue(self):
        """What is stored of interest is then that of now."""
        for name in ("USDC", "DAI", "WETH"):
            self.assets[name].vault.accrue(sender=self.other)

    def _index(self, asset):
        """[RAY] as stored: the lowest 112 bits of the vault's rates."""
        word = self.host.storage(asset.vault.address, slot("LendingVault", "_rates"))
        return word & (2**112 - 1)

    def stored_legs(self, account):
        """From the account's words and the vaults' indices as stored; debt is rounded up."""
        words = self.engine.words_of(account)
        by_id = {asset.id: asset for asset in self.assets.values()}
        found = []
        for i in range(8):
            tag = words[i // 2] >> (208 + 8 * (i % 2)) & 255
            if tag == 0:
                continue
            asset, amount = by_id[tag & 127], words[i // 2] >> 104 * (i % 2) & (2**104 - 1)
            if tag >= 128:
                amount = -(-amount * self._index(asset) // RAY)
            found.append(margin.Leg(asset.name, amount, tag >= 128))
        return found

    def prices(self, name):
        """From what the source answers now and the checkpoint as stored."""
        asset, now = self.assets[name], self.host.now
        low, price, high, status = self._answer(asset)
        _, _, word, seen = self.risk.words_of(asset)
        checkpoint = average.Checkpoint(
            spot=word & (2**96 - 1),
            average=word >> 96 & (2**96 - 1),
            volatility=(word >> 192 & (2**32 - 1)) * 10**9,
            time=word >> 224,
            jump_since=seen >> 128 & (2**32 - 1),
            stale_at=seen >> 160 & (2**32 - 1),
            waited_at=seen >> 192 & (2**32 - 1),
            waited=seen >> 224 & 4_095,
            jump_is_up=bool(seen >> 236 & 1),
            confirmed=bool(seen >> 237 & 1),
            disagrees=bool(seen >> 238 & 1),
            stale_seconds=seen >> 239,
        )
        mean = average.average_at(checkpoint, now)
        as_collateral, as_debt, priced = average.liquidation_prices(
            checkpoint, price, now, asset.config.jump_band, low=low, high=high,
            agreed=status == 2, disagrees=status == 3,
        )  # fmt: skip
        halted = not priced or self.risk.latch_of(asset)[1] > now
        return margin.Prices(
            low=low, price=price, high=high, average=mean, volatility=checkpoint.volatility,
            status=margin.VALID if priced else margin.STALE, level=2 if halted else 0,
            as_collateral=as_collateral, as_debt=as_debt, is_priced=priced,
            last_low=checkpoint.lowest, last_high=checkpoint.highest,
        )  # fmt: skip

    def _answer(self, asset):
        """low, price, high [WAD] and the status of the feed."""
        source, blend = asset.config.source, self.configurator.blend_of(asset)
        if asset.config.is_feed or blend != ZERO:
            source = source if blend == ZERO else blend
            low, price, high, _, status = self.host.call(source, "MedianFeed", "quote")
            return low, price, high, status
        _, answer, _, updated_at, _ = asset.feeds[0].latestRoundData()
        price = answer * 10**10 if updated_at else 0
        return price, price, price, 1

    def watched(self):
        """Health factor and borrowing power [dollars] of each account, as fractions."""
        prices = {name: self.prices(name) for name in self.assets}
        rules = self.rules()
        found = {}
        for number in self.numbers:
            legs = self.stored_legs(self.account(number))
            sums = margin.margin(legs, rules, prices)
            power = Fraction(sums.collateral - sums.required, WAD)
            found[number] = (margin.health(legs, rules, prices).exact, power)
        return found

    def contracts_say(self):
        """The same from the contracts: what is watched is what they act on."""
        found = {}
        for number in self.numbers:
            position = self.engine.position_of(self.account(number))
            sums = self.lens.margin_of(position)
            power = Fraction(sums.collateral - sums.required, WAD)
            found[number] = (self.risk.health_of(position).health_factor, power)
        return found

    def doors(self):
        """Why a dollar more is lent to none of them, and why nobody liquidates EDGE."""
        found = {}
        for number, debt in self.numbers.items():
            asset = self.assets[debt]
            amount = asset.unit if debt != "WETH" else WAD // 1_000
            found[number] = self.refused("borrow", self._borrowing(debt, amount, number))
        arguments = [
            self.account(EDGE), self.assets["USDC"].address, self.assets["WETH"].address,
            MAX_UINT256, 0, self.other, NOBODY, b"",
        ]  # fmt: skip
        return found, self.refused("liquidate", arguments, self.other)

    # ------------------------------------------------------------ what anybody can do

    def donate(self, rng):
        """A crumb, and as much as a vault has, to whoever may be looked at for a balance."""
        targets = [self.engine, self.risk, self.breaker]
        targets += [a.vault for a in self.assets.values() if hasattr(a, "vault")]
        targets += [a.fund for a in self.assets.values() if hasattr(a, "fund")]
        for name in ("USDC", "DAI", "WETH", "WBTC"):
            asset = self.assets[name]
            for target in targets:
                for amount in (1, 10**8 * asset.unit):
                    asset.token.transfer(target, amount, sender=self.other)

    def donate_to_the_staked(self, rng):
        """Its share is worth as much more as it gets."""
        weth, staked = self.assets["WETH"].token, self.assets["sETH"].token
        for amount in (1, WAD, 10**6 * WAD):
            weth.transfer(staked, amount, sender=self.other)

    def donate_shares(self, rng):
        """Of our vault, to the engine and to others of ours: nobody's deposit."""
        usdc = self.assets["USDC"]
        for target in (self.engine, self.risk, self.assets["DAI"].vault):
            shares = usdc.vault.deposit(10**6 * usdc.unit, self.other, sender=self.other).value
            usdc.vault.transfer(target, shares, sender=self.other)

    def enter_and_leave(self, rng):
        """A lender of any size comes and goes, whole or in parts."""
        for name in ("USDC", "DAI", "WETH"):
            asset = self.assets[name]
            amount = rng.choice([1, 7, 10**9]) * asset.unit
            shares = asset.vault.deposit(amount, self.other, sender=self.other).value
            if rng.random() < 0.5:
                asset.vault.redeem(shares // 3, self.other, self.other, sender=self.other)
            rest = asset.vault.balanceOf(self.other)
            asset.vault.redeem(rest, self.other, self.other, sender=self.other)
            asset.vault.settle_fee(sender=self.other)

    def use_all_cash(self, rng):
        """Another account borrows all there is, and pays it back or not."""
        account = account_id(self.other, rng.randrange(2**90))
        dai, usdc = self.assets["DAI"], self.assets["USDC"]
        self.engine.deposit_collateral(account, dai, 10**10 * WAD, sender=self.other)
        amount = min(usdc.vault.cash(), *usdc.vault.limits()[:2])
        if amount < 200 * usdc.unit:
            return
        loan = [account, usdc.address, amount, self.other]
        if self.refused("borrow", loan, self.other):
            return
        self.engine.borrow(*loan, sender=self.other)
        if rng.random() < 0.5:
            self.engine.repay(account, usdc, MAX_UINT256, sender=self.other)

    def move_collateral(self, rng):
        """It comes and goes in accounts of his own."""
        account, other = (account_id(self.other, rng.randrange(2**90)) for _ in range(2))
        dai = self.assets["DAI"]
        self.engine.deposit_collateral(account, dai, 10**9 * WAD, sender=self.other)
        self.engine.withdraw_collateral(account, dai, 10**8 * WAD, self.other, sender=self.other)
        self.engine.move_collateral(account, other, dai, WAD, sender=self.other)

    def join_the_fund(self, rng):
        usdc = self.assets["USDC"]
        shares = usdc.vault.deposit(10**6 * usdc.unit, self.other, sender=self.other).value
        usdc.vault.approve(usdc.fund, MAX_UINT256, sender=self.other)
        assert isinstance(usdc.fund, InsuranceFund)
        usdc.fund.deposit(shares, self.other, sender=self.other)

    def flash_loan(self, rng):
        """Of all the cash, with pokes, deposits and reference rates within."""
        name = rng.choice(["USDC", "DAI", "WETH"])
        asset, me = self.assets[name], self.other
        amount = asset.vault.cash()
        if amount == 0:
            return

        def send(function, *args):
            self.host.transact(self.flash, "FlashBorrowerMock", function, list(args), sender=me)

        asset.token.transfer(self.flash, asset.vault.flashFee(asset, amount), sender=me)
        token, vault = interface_of("TokenMock"), interface_of("LendingVault")
        approve = token.function("approve", 2).encode([asset.vault.address, MAX_UINT256])
        send("execute", asset.address, approve)
        poke = interface_of("CircuitBreaker").function("poke", 1)
        rate = interface_of("RateFeed").function("poke", 0).encode([])
        entry = vault.function("deposit", 2).encode([1_000, self.flash])
        calls = [(self.breaker.address, poke.encode([a.address]), False)
                 for a in (self.assets["WETH"], self.assets["bUSDC"])]  # fmt: skip
        calls += [(self.assets[one].rate_feed.address, rate, True) for one in ("bUSDC", "sETH")]
        calls += [(asset.vault.address, entry, False)]
        send("set_calls", calls, FLASH)
        asset.vault.flashLoan(self.flash, asset, amount, b"", sender=me)
        results = [
            self.host.call(self.flash, "FlashBorrowerMock", "results", [i]) for i in range(5)
        ]
        assert results == [False, False, True, True, False]

    def poke_everything(self, rng):
        for _ in range(3):
            self._poke_all()

    def mint_and_burn(self, rng):
        """Supplies double, pokes see it, and may be what they were again."""
        for name in ("WETH", "USDC"):
            token = self.assets[name].token
            supply = token.totalSupply()
            token.mint(self.other, supply, sender=self.other)
            self.poke(name)
            assert self.breaker.level_of(self.assets["USDC"]) == 0
            if rng.random() < 0.5:
                token.burn(self.other, supply, sender=self.other)
                self.poke(name)

    def repeat_rounds(self, rng):
        """Every aggregator says the same again, in a new round."""
        for asset in self.assets.values():
            for feed in asset.feeds:
                if feed.answer() > 0:
                    feed.set(feed.answer(), sender=self.owner)

    def end_what_is_over(self, rng):
        """What anyone may call, and has no effect before its time."""
        for asset in self.assets.values():
            for call in (
                self.configurator.grow, self.configurator.finish_replacement,
                self.breaker.check_solvency, self.breaker.reset,
            ):  # fmt: skip
                with suppress(Reverted):
                    call(asset, sender=self.other)
        self.sequencer.poke(sender=self.other)


ACTIONS = [
    World.end_what_is_over,
    World.donate, World.donate_to_the_staked, World.donate_shares, World.enter_and_leave,
    World.use_all_cash, World.move_collateral, World.join_the_fund, World.flash_loan,
    World.poke_everything, World.mint_and_burn, World.repeat_rounds,
]  # fmt: skip


# ---------------------------------------------------------------- what prices are doing


def calm(world):
    """VALID, spot a little off its average."""


def jump(world):
    """Of one source, which no poke has seen; of two that agree."""
    world.price("WBTC", 45_000)
    world.price("WETH", 2_300)


def jump_seen(world):
    """By one poke, 59 s ago."""
    jump(world)
    world.poke("WBTC")
    world.host.advance(59)


def disagreement(world):
    world.price("WETH", 1_930, 2_050)


def silence(world):
    """Of WETH, WBTC and what stands on WETH: seen by a poke, an hour ago."""
    for name in ("WETH", "WBTC"):
        world.break_feed(name)
        world.poke(name)
    world.poke("sETH")
    world.host.advance(HOUR)
    for name in ("WETH", "WBTC", "sETH"):
        world.poke(name)
    world.host.advance(LAST_POKE)


def replacement(world):
    """Of the source of WBTC, half way to one that says 2 % more."""
    bitcoin = world.assets["WBTC"]
    feed = AggregatorMock.deploy(world.host, 8, 0, sender=world.owner)
    feed.set(int(bitcoin.dollars[0] * 102 * 10**6), sender=world.owner)
    world.configurator.replace_feed(bitcoin, feed, False, DAY, ZERO, sender=world.owner)
    world.host.advance(DAY // 2)
    world.refresh()
    feed.set(feed.answer(), sender=world.owner)
    world._poke_all()
    world.host.advance(LAST_POKE)
    return feed


def hold(world):
    """Of WETH, beside the grace after an outage that no poke has seen."""
    world.breaker.hold(world.assets["WETH"], HOUR, sender=world.guardian)
    world.uptime.set(1, sender=world.owner)
    world.host.advance(600)
    world.uptime.set(0, sender=world.owner)
    world.refresh()
    for _ in range(2):
        world._poke_all()
        world.host.advance(LAST_POKE)


STATES = [calm, jump, jump_seen, disagreement, silence, replacement, hold]


@pytest.fixture(scope="module")
def ready():
    world = World()
    told = {name: list(asset.dollars) for name, asset in world.assets.items()}
    return world, told, world.host.snapshot()


@pytest.fixture
def world(ready):
    world, told, start = ready
    world.host.restore(start)
    for name, dollars in told.items():
        world.assets[name].dollars = list(dollars)
    yield world
    world.host.restore(start)
