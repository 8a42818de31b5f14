"""SOLV-11 and SOLV-8, seen from who does nothing: in one block nobody can lower another account's
health factor or raise anybody's borrowing power.

Everything that anybody can move without time passing is moved: donations, flash loans, deposits and
withdrawals, utilization, pokes, reference rates, share prices, supplies, rounds that say the same
again (and a pool's spot, in test_swap_moves_nobody). Health and power are worked out in fractions
from raw words: legs and indices as stored, checkpoints as stored, and what each source answers.

What time does is another matter: a poke that is due takes a sample of volatility, and a jump that
was seen a minute ago is confirmed. So keepers poked a minute before the block here; the last tests
say what is left to whoever comes first where they did not.
"""

import random
from fractions import Fraction

import pytest

from breakwater.driver import InsuranceFund, MedianFeed, RateFeed
from breakwater.evm import EvmHost
from breakwater.fuzz.slots import slot
from breakwater.host import Reverted, interface_of
from breakwater.mocks import StakedTokenMock
from breakwater.model import average, margin
from breakwater.units import BPS, DAY, HOUR, MAX_UINT256, RAY, WAD, YEAR, account_id
from tests.market import ASSETS, NOBODY, VAULT, Market

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
        super().__init__(EvmHost(), listed, vault=VAULT._replace(flash_fee=9))
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
        if asset.config.is_feed:
            low, price, high, _, status = self.host.call(asset.config.source, "MedianFeed", "quote")
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
        amount = usdc.vault.cash()
        if amount < 200 * usdc.unit:
            return
        self.engine.borrow(account, usdc, amount, self.other, sender=self.other)
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


ACTIONS = [
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


STATES = [calm, jump, jump_seen, disagreement, silence]


@pytest.fixture(scope="module")
def ready():
    world = World()
    return world, world.host.snapshot()


@pytest.fixture
def world(ready):
    world, start = ready
    world.host.restore(start)
    yield world
    world.host.restore(start)


def allowed(world):
    """[dollars] by which power may rise beyond rounding: what a rate feed believes of a rise since
    its last poke, of all the collateral behind it.
    """
    prices = {name: world.prices(name) for name in ("bUSDC", "sETH")}
    found = dict.fromkeys(world.numbers, DUST)
    for number, name in ((SHARES, "bUSDC"), (STAKED, "sETH")):
        asset = world.assets[name]
        elapsed = world.host.now - asset.rate_feed.reference()[1]
        value = Fraction(world.held(name, world.account(number)) * prices[name].price, WAD)
        rise = Fraction(GROWTH * elapsed, BPS * YEAR)
        found[number] += value / asset.unit * rise * Fraction(asset.config.borrow_ltv, BPS)
    return found


def same(world, before, most, doors):
    after = world.watched()
    for number, (health, power) in before.items():
        assert after[number][0] >= health * (1 - DUST), number
        assert after[number][1] <= power + most[number], number
    borrows, liquidation = world.doors()
    # a vault without cash may shut one
    assert all(borrows[number] for number, why in doors[0].items() if why)
    assert liquidation == doors[1]


def compared(world):
    """The contracts act on what is watched here."""
    mine, theirs = world.watched(), world.contracts_say()
    for number, (health, power) in mine.items():
        assert int(health * WAD) == theirs[number][0], number
        assert abs(power - theirs[number][1]) <= Fraction(1, 10**9), number


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
def test_action__moves_nobody_else(world, state, action):
    state(world)
    world.accrue()
    before, most, doors = world.watched(), allowed(world), world.doors()
    compared(world)
    block = world.host.now, world.host.block
    action(world, random.Random(1))
    assert (world.host.now, world.host.block) == block
    same(world, before, most, doors)
    compared(world)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("seed", range(6))
def test_actions__in_any_order_move_nobody_else(world, state, seed):
    rng = random.Random(seed)
    state(world)
    world.accrue()
    before, most, doors = world.watched(), allowed(world), world.doors()
    for _ in range(15):
        rng.choice(ACTIONS)(world, rng)
        same(world, before, most, doors)
    compared(world)


def test_watched__moves_when_a_price_does(world):
    """What is compared above does see a change."""
    world.accrue()
    before = world.watched()
    world.price("WETH", 1_700)
    after = world.watched()
    for number in (EDGE, LIMIT, STAKED):
        assert after[number][0] < before[number][0]
    assert after[OWES_ETHER][0] > before[OWES_ETHER][0]
    assert world.doors()[1] is None


def test_donation__moves_no_price_of_ours(world):
    """Nor a word of a vault's books: who holds our shares is given nothing to borrow on either."""
    world.accrue()
    vaults = [asset.vault.address for asset in world.assets.values() if hasattr(asset, "vault")]
    names = [name for name in world.assets if name != "sETH"]

    def seen():
        words = [world.host.storage(vault, slot) for vault in vaults for slot in range(9)]
        return words, [world.prices(name) for name in names]

    before = seen()
    for _ in range(3):
        world.donate(random.Random(1))
        world.donate_to_the_staked(random.Random(1))
        assert seen() == before


@pytest.mark.parametrize("idle", [HOUR, 30 * DAY])
def test_donation__lifts_power_by_what_the_rate_feed_still_believes(world, idle):
    """10 % a year since its last poke: 1.1e-5 in an hour, 0.82 % in a month that nobody poked."""
    staked = world.assets["sETH"]
    staked.rate_feed.poke(sender=world.other)
    world.host.advance(idle)
    world.refresh()
    world.accrue()
    before = world.prices("sETH")
    world.assets["WETH"].token.transfer(staked.token, 10**6 * WAD, sender=world.other)
    after = world.prices("sETH")
    exact = Fraction(GROWTH * idle, BPS * YEAR)
    assert abs(Fraction(after.low, before.low) - 1 - exact) < Fraction(1, 10**15)
    # and a poke then stores no more than that
    staked.rate_feed.poke(sender=world.other)
    assert world.prices("sETH").low == after.low


def test_poke__that_is_due_moves_power_by_its_sample(world):
    """After ten calm minutes whoever pokes first lowers volatility, and lifts power by what that
    gives: the variance times 31,163/31,763, once; a second poke nothing.
    """

    def volatility():
        return world.prices("WETH").volatility

    world.price("WETH", 2_010)
    world.host.advance(600)
    world.refresh()
    world.poke("WETH")
    shaken = volatility()
    world.host.advance(600)
    world.refresh()
    world.accrue()
    before = world.watched()
    world.poke("WETH")
    assert abs(volatility() ** 2 - Fraction(shaken**2 * 31_163, 31_763)) < 4 * 10**9 * shaken
    after = world.watched()
    assert after[LIMIT][0] == before[LIMIT][0]
    lifted = after[LIMIT][1] - before[LIMIT][1]
    ltv = [margin.dynamic_borrow_ltv(world.rules()["WETH"], one) for one in (shaken, volatility())]
    price = world.prices("WETH")
    value = 100 * Fraction(min(price.low, price.average), WAD)
    assert abs(lifted - value * Fraction(ltv[1] - ltv[0], BPS)) < Fraction(1, 10**6)
    assert lifted > 0
    for _ in range(3):
        world.poke("WETH")
    assert world.watched() == after
