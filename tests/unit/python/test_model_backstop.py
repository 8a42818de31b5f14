"""The model of the backstop pool beside the contract, on the whole market; beside both what each
lender has, in exact fractions.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakwater.driver import BackstopPool
from breakwater.model import exact
from breakwater.model.backstop import SLICE, WAIT, WINDOW
from breakwater.model.chain import Refused
from breakwater.model.protocol import deploy
from breakwater.units import MAX_UINT256, WAD
from tests.unit.python.engine_pair import ZERO, Pair

LENDERS = ("lender_1", "lender_2", "lender_3", "staker")
EVERYBODY = (*LENDERS, "keeper", "liquidator_2")


@pytest.fixture(autouse=True)
def check_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each figure of the model against the exact one."""
    monkeypatch.setattr(exact, "CHECK_ROUNDING", True)


class Pool(Pair):
    """A pool for one debt asset of the default market, and its lenders' exact parts."""

    def __init__(self, seed: int, debt: str, every: bool = False) -> None:
        super().__init__(seed, every=every)
        self.debt = debt
        world, host = self.world, self.host
        pool = BackstopPool.deploy(
            host, self.engine, self.token(debt), sender=self.address("keeper")
        )
        self.chain.now, self.chain.block = host.now, host.block
        deploy(self.chain, "BackstopPool", pool.address, (self.engine, self.token(debt)))
        world.contracts["backstop"] = pool
        world._names[pool.address] = "backstop"
        self.pool = pool
        self.unit = world.listings[debt].amount(1)
        for who in LENDERS:
            self.passes("keeper", f"token.{debt}", "mint", self.address(who), 10**7 * self.unit)
            self.passes(who, f"token.{debt}", "approve", pool.address, MAX_UINT256)
        self.cash: dict[str, Fraction] = dict.fromkeys(EVERYBODY, Fraction(0))
        """What each one's shares are worth, had nothing ever been rounded."""
        self.waits = dict.fromkeys(EVERYBODY, (0, 0))
        """What each one has waiting, and since which window."""
        self.slack = 2
        """Units that roundings have moved by now, at most."""

    @property
    def model_pool(self) -> Any:
        """The model of it."""
        return self.chain.contracts[self.pool.address]

    def worths(self) -> dict[str, tuple[int, int, dict[str, int]]]:
        """Of everybody: cash, what waits, claims."""
        taken = self.pool.collaterals()
        return {
            who: (
                self.pool.assets_of(self.address(who)),
                self.pool.stake_of(self.address(who)).waiting,
                {one: self.pool.claimable(self.address(who), one) for one in taken},
            )
            for who in EVERYBODY
        }

    def act(self, who: str, function: str, *args: Any) -> Any:
        """A call to the pool on both; nobody else's part falls by it, a purchase aside."""
        self.join()
        before = self.worths()
        cash = self.pool.totals()[0]
        room = self.pool.room()
        value = self.do(who, "backstop", function, *args)
        passed = self.comparison.outcome.reason is None
        after = self.worths()
        bought = value if passed and function == "buy" else 0
        assert bought <= room <= -(-cash // SLICE)
        for other in EVERYBODY:
            if other == who and function != "buy":
                continue
            least = before[other][0]
            if bought:
                least -= -(-least // SLICE) + 1
            assert after[other][0] >= least, (function, other)
            assert after[other][1] == before[other][1]
            for asset, amount in before[other][2].items():
                assert after[other][2][asset] >= amount
        if passed:
            self.follow(who, function, value, cash)
        self.solvent()
        return value

    def follow(self, who: str, function: str, value: Any, cash: int) -> None:
        """The exact parts after a call."""
        waiting, window = self.waits[who]
        if function == "withdraw":
            self.cash[who] -= value
        elif function == "cancel_deposit":
            self.waits[who] = waiting - value, window
        elif function == "buy":
            self.cash = {one: part * (cash - value) / cash for one, part in self.cash.items()}
        self.slack += 1
        for one in EVERYBODY:
            assert abs(self.pool.assets_of(self.address(one)) - self.cash[one]) <= self.slack, one

    def deposit(self, who: str, amount: int) -> None:
        """A deposit, and what it waits for."""
        self.act(who, "deposit", amount)
        if self.comparison.outcome.reason is None:
            self.waits[who] = self.waits[who][0] + amount, self.host.now // WINDOW

    def join(self) -> None:
        """What has stood by now."""
        for who, (waiting, window) in self.waits.items():
            if waiting and window + 2 <= self.host.now // WINDOW:
                self.cash[who] += waiting
                self.waits[who] = 0, 0
            stake = self.pool.stake_of(self.address(who))
            assert stake.waiting == self.waits[who][0]

    def solvent(self) -> None:
        """Sums: parts make no more than the whole, and not much less."""
        cash, shares, waiting = self.pool.totals()
        parts = self.worths()
        assert sum(part[1] for part in parts.values()) == waiting
        told = sum(part[0] for part in parts.values())
        assert cash - len(EVERYBODY) - self.slack <= told <= cash
        token = self.world.contracts[f"token.{self.debt}"]
        assert token.balanceOf(self.pool) >= cash + waiting  # type: ignore[attr-defined]
        assert cash * 10**6 <= shares
        for asset in self.pool.collaterals():
            id = self.model_pool.get("_ids", asset)
            shelf = bytes.fromhex(self.pool.address[2:]) + id.to_bytes(12, "big")
            words = self.view("engine", "words_of", shelf)
            held = (words[0] & (2**104 - 1)) + self.model_pool._received().get(id, 0)
            claims = sum(part[2][asset] for part in parts.values())
            assert claims <= held <= claims + len(EVERYBODY) * self.slack

    # ------------------------------------------------------------ what may happen

    def fall(self, depth: float) -> list[bytes]:
        """The weakest account with this debt, and prices of what it holds that put it below
        maintenance; none where nobody owes it.
        """
        for symbol in self.world.symbols:
            self.tell(symbol, 1_000)
        ids = [self.world.account(name) for name in self.world.accounts]
        owing = [one for one in ids if self.debt in dict(self.held(one, True))]
        healths = dict(zip(owing, self.view("lens", "health_factors", owing), strict=True))
        for account in sorted(owing, key=lambda one: healths[one])[:1]:
            owed = {one for one, _ in self.held(account, True)}
            held = {{"wstETH": "WETH"}.get(one, one) for one, _ in self.held(account, False)}
            for symbol in sorted(held - owed):
                self.tell(symbol, int(1_000 * depth * WAD / max(healths[account], WAD)))
            for seconds in (61, 700, 0):
                for symbol in sorted(held - owed):
                    self.poke(symbol)
                self.host.advance(seconds, 5)
            return [account]
        return []

    def purchase(self, depth: float, cap: int) -> None:
        """A fall, a mark, ten minutes, a purchase; and prices back."""
        for account in self.fall(depth):
            self.act("keeper", "mark", account)
            if self.comparison.outcome.reason is not None:
                continue
            self.host.advance(self.pick(WAIT, WAIT, WAIT, WAIT, WAIT - 1, 1_201), 50)
            symbols = [symbol for symbol, _ in self.held(account, False)]
            for symbol in symbols[:2]:
                caller = self.pick("keeper", "liquidator_2", "lender_1")
                self.act(caller, "buy", account, self.token(symbol), cap)
                self.act("keeper", "unmark", account)
        if self.random.random() < 0.7:
            for symbol in self.world.symbols:
                self.tell(symbol, 1_000)
                self.poke(symbol)
            for name in self.world.accounts:
                self.act("keeper", "unmark", self.world.account(name))

    def lend_last(self, who: str, action: str, amount: int) -> None:
        """One call of a lender."""
        me = self.address(who)
        if action == "deposit":
            self.deposit(who, amount)
        elif action == "claim":
            for asset in self.pool.collaterals() or [ZERO]:
                self.act(who, "claim", asset, me)
        else:
            self.act(who, action, amount, me)


@pytest.fixture
def pool() -> Pool:
    """For USDC; every word is compared after each call."""
    return Pool(0, "USDC", every=True)


AMOUNTS = st.sampled_from((MAX_UINT256, 0, 1, 7, 10**3, 10**6, 10**9, 3 * 10**10, 10**18, 10**20))
BUY = st.tuples(
    st.just("buy"),
    st.sampled_from((0.97, 0.9, 0.85, 0.7, 0.5)),
    st.sampled_from((MAX_UINT256, MAX_UINT256, 10**7, 10**3)),
)
STEP = st.one_of(
    st.tuples(
        st.just("lend"),
        st.sampled_from(LENDERS),
        st.sampled_from(("deposit", "cancel_deposit", "withdraw", "deposit", "claim")),
        AMOUNTS,
    ),
    BUY,
    st.tuples(st.just("wait"), st.sampled_from((1, 600, 1_800, WINDOW, 2 * WINDOW, 3 * WINDOW))),
    BUY,
)
SUCCEEDED: Counter[str] = Counter()


@settings(
    max_examples=20, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(
    debt=st.sampled_from(("USDC", "WETH", "HOOK", "WBTC")),
    seed=st.integers(0, 2**20),
    steps=st.lists(STEP, min_size=10, max_size=30),
)
def test_pool__any_calls(debt: str, seed: int, steps: list[tuple[Any, ...]]) -> None:
    """The sum of the parts is the whole; nobody's part falls by another's deposit, exit or claim; a
    purchase takes no more than the slice; and all is as the model says, word by word.
    """
    pool = Pool(seed, debt)
    for who in LENDERS[:2]:
        pool.deposit(who, pool.unit * 10_000)
    for _ in range(6):
        pool.open()
    pool.host.advance(2 * WINDOW, 600)
    for kind, *rest in steps:
        if kind == "lend":
            pool.lend_last(*rest)
        elif kind == "buy":
            pool.purchase(*rest)
        else:
            pool.host.advance(rest[0], 10)
    for who in EVERYBODY:
        for action in ("withdraw", "cancel_deposit", "claim"):
            pool.lend_last(who, action, MAX_UINT256)
    assert pool.comparison.everything() is None
    assert pool.comparison.unknown() is None
    SUCCEEDED.update(pool.passed)


def test_pool__calls_were_of_every_kind() -> None:
    """Of the examples above; alone it plays them itself."""
    if not SUCCEEDED:
        test_pool__any_calls()
    kinds = ("deposit", "withdraw", "cancel_deposit", "claim", "mark", "unmark", "buy")
    assert all(SUCCEEDED[kind] >= 10 for kind in kinds), SUCCEEDED


def test_model__what_stays_where_it_was_received(pool: Pool) -> None:
    """A little of what is held beside WETH: bought, claimed in part, put away after the hold."""
    id, name = pool.world.account("borrower_1#0"), "borrower_1"
    for who in LENDERS[:2]:
        pool.deposit(who, pool.unit * 10_000)
    weth, wbtc = (pool.world.listings[one] for one in ("WETH", "WBTC"))
    for listing, dollars in ((weth, 20_000), (wbtc, 20)):
        amount = listing.amount(dollars)
        pool.passes(name, "engine", "deposit_collateral", id, pool.token(listing.symbol), amount)
    most = pool.view("lens", "max_borrow", id, pool.token("USDC"))
    pool.passes(name, "engine", "borrow", id, pool.token("USDC"), most, pool.address(name))
    pool.host.advance(2 * WINDOW, 600)
    for _ in range(12):
        pool.tell("WETH", 600)
        pool.poke("WETH")
        pool.host.advance(WINDOW, 50)
    for symbol, factor in (("WETH", 600), ("USDC", 1_000), ("WBTC", 1_000)):
        pool.tell(symbol, factor)
        pool.poke(symbol)
    pool.passes("guardian", "breaker", "hold", pool.token("WBTC"), WINDOW)
    for turn in range(3):
        pool.passes("keeper", "backstop", "mark", id)
        pool.host.advance(WAIT, 50)
        pool.act("keeper", "buy", id, pool.token("WETH"), pool.unit * 200)
        assert pool.comparison.outcome.reason is None
        left = pool.model_pool._received()
        assert len(left) == (turn < 2)
        pool.lend_last(LENDERS[turn % 2], "claim", 0)
        pool.host.advance(turn * 2 * WINDOW, 1)
    assert pool.comparison.everything() is None


def test_model__refusals(pool: Pool) -> None:
    """Each reason on both sides, and the views."""
    me = pool.address("lender_1")
    account = pool.world.account("borrower_1#0")
    no = pool.refused
    no("zero assets", "lender_1", "backstop", "deposit", 0)
    no("amount is too large", "lender_1", "backstop", "deposit", 2**104)
    no("zero assets", "lender_1", "backstop", "cancel_deposit", MAX_UINT256, me)
    no("more than what waits", "lender_1", "backstop", "cancel_deposit", 1, me)
    no("zero assets", "lender_1", "backstop", "withdraw", MAX_UINT256, me)
    no("balance too low", "lender_1", "backstop", "withdraw", 1, me)
    no("nothing to claim", "lender_1", "backstop", "claim", pool.token("WETH"), me)
    no("receiver is not valid", "lender_1", "backstop", "claim", me, pool.pool.address)
    no("account is healthy", "keeper", "backstop", "mark", account)
    no("account is not marked", "keeper", "backstop", "unmark", account)
    no("account is not marked", "keeper", "backstop", "buy", account, pool.token("WETH"), 1)
    pool.passes("lender_1", "backstop", "deposit", 10**9)
    no("receiver is not valid", "lender_1", "backstop", "cancel_deposit", 1, ZERO)
    for _ in range(3):
        for view in ("asset", "engine", "totals", "room", "collaterals"):
            pool.passes("keeper", "backstop", view)
        for view in ("stake_of", "assets_of"):
            pool.passes("keeper", "backstop", view, me)
        pool.passes("keeper", "backstop", "claimable", me, pool.token("WETH"))
        pool.passes("keeper", "backstop", "mark_of", account)
        pool.host.advance(WINDOW, 300)


def test_model__constructor(pool: Pool) -> None:
    for args, reason in (
        ((ZERO, pool.token("USDC")), "engine has no code"),
        ((pool.engine, pool.token("ODD")), "asset is no debt asset"),
    ):
        with pytest.raises(Refused) as caught:
            deploy(pool.chain, "BackstopPool", "0x" + "77" * 20, args)
        assert caught.value.reason == reason
