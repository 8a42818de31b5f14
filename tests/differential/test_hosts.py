"""One story on the in-process host and on anvil: the same returns, logs, reverts and state."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from breakwater import artifacts
from breakwater.evm import EvmHost
from breakwater.host import Receipt, Reverted
from breakwater.units import HOUR, MAX_UINT256

CALLS = 200
EMPTY_SLOTS = 2_000
SEED = 20_261_121
DEPOSIT, WITHDRAW, BORROW, REPAY, MOVE, LIQUIDATE = (1 << i for i in range(6))
NOBODY = "0x" + "0" * 40
SCENERY = ("set", "set_round")  # of feeds, not counted among the calls
HOT = (
    *((f"{asset} vault", slot) for asset in ("usdc", "weth") for slot in (3, 4, 5)),
    *(("engine", slot) for slot in range(4)),
)


class Story:
    """Draws the next call. What it reads, it reads from one world; both then make the call."""

    def __init__(self, world, seed: int) -> None:
        self.world = world
        self.rng = random.Random(seed)
        self.steps = 0
        self.price = {"weth": 2_000.0, "wbtc": 30_000.0}
        self.queue: list[tuple] = list(self._open())

    def next(self) -> tuple:
        """("advance", seconds, blocks), or a contract, a function, its arguments and a sender."""
        self.steps += 1
        if not self.queue:
            draw = self.rng.choice(self.DRAWS)
            self.queue += draw(self)
        return self.queue.pop(0)

    # ------------------------------------------------------------ draws

    def _open(self):
        """Every account begins with collateral and with a debt near its limit."""
        at = self.world.at
        for index, account in enumerate(self.world.accounts[:4]):
            owner = ("borrower", "trader")[index // 2]
            asset, amount = (("weth", 5 * 10**18), ("wbtc", 10**8))[index % 2]
            yield ("engine", "deposit_collateral", (account, at[asset], amount), owner)
            debt = (7_500 if asset == "weth" else 20_000) * 10**6
            yield ("engine", "borrow", (account, at["usdc"], debt, at[owner]), owner)
        account, owner = self.world.accounts[0], at["borrower"]
        few = (account, at["weth"], 10**16, owner)
        yield ("engine", "withdraw_collateral", few, "borrower")
        steps = [(BORROW, account, at["usdc"], 10**6, owner, bytes(32), NOBODY, 0)]
        yield ("engine", "batch", (steps, b""), "borrower")
        yield ("usdc vault", "deposit", (10**9, at["trader"]), "trader")

    def _asset(self, *names: str) -> str:
        return self.rng.choice(names or ("usdc", "weth", "wbtc"))

    def _amount(self, asset: str, whole: float) -> int:
        unit = {"usdc": 10**6, "weth": 10**18, "wbtc": 10**8}[asset]
        price = {"usdc": 1, "weth": 2_000, "wbtc": 30_000}[asset]
        if self.rng.random() < 0.06:
            return self.rng.choice((0, 1, MAX_UINT256, 2**104, 2**128))
        return max(1, int(whole * self.rng.random() * unit) // price)

    def _owned(self) -> tuple[str, bytes]:
        owner = self.rng.choice(("borrower", "trader"))
        number = self.rng.randrange(2)
        at = 2 * ("borrower", "trader").index(owner) + number
        return owner, self.world.accounts[at]

    def _sender(self, owner: str) -> str:
        return owner if self.rng.random() < 0.9 else self.rng.choice(("operator", "lender"))

    def deposit_collateral(self):
        owner, account = self._owned()
        asset = self._asset()
        args = (account, self.world.at[asset], self._amount(asset, 50_000))
        return [("engine", "deposit_collateral", args, self._sender(owner))]

    def withdraw_collateral(self):
        owner, account = self._owned()
        first = ("weth", "wbtc")[self.world.accounts.index(account) % 2]
        asset = self.rng.choice((first, first, self._asset()))
        args = (account, self.world.at[asset], self._amount(asset, 2_000), self.world.at[owner])
        return [("engine", "withdraw_collateral", args, self._sender(owner))]

    def borrow(self):
        owner, account = self._owned()
        asset = self._asset("usdc", "weth")
        token = self.world.at[asset]
        most = self.world.read("lens", "max_borrow", account, token)
        amount = int(most * self.rng.choice((0.3, 0.9, 0.999, 1.2)))
        return [("engine", "borrow", (account, token, amount, self.world.at[owner]), owner)]

    def repay(self):
        _, account = self._owned()
        asset = self._asset("usdc", "weth")
        args = (account, self.world.at[asset], self._amount(asset, 5_000))
        return [("engine", "repay", args, self.rng.choice(("borrower", "trader", "lender")))]

    def move(self):
        owner, account = self._owned()
        target = self.rng.choice(self.world.accounts)
        if self.rng.random() < 0.7:
            target = self.world.accounts[self.world.accounts.index(account) ^ 1]
        asset = self._asset()
        args = (account, target, self.world.at[asset], self._amount(asset, 3_000))
        return [("engine", "move_collateral", args, owner)]

    def liquidate(self):
        at = self.world.at
        account, debt, collateral = self._weakest()
        credit = self.rng.choice((bytes(32), self.world.accounts[4]))
        most = self.rng.choice((MAX_UINT256, self._amount("usdc", 3_000)))
        receiver = at["liquidator"]
        args = (account, debt, collateral, most, 0, receiver, credit, b"")
        return [("engine", "liquidate", args, "liquidator")]

    def _weakest(self) -> tuple[bytes, str, str]:
        """The account of least health, one of its debts and one of its collaterals; or any."""
        read = self.world.read
        states = {account: read("lens", "account", account) for account in self.world.accounts}
        account = min(states, key=lambda account: states[account][0][0])
        legs = states[account][4]
        debts = [leg[0] for leg in legs if leg[1]]
        collaterals = [leg[0] for leg in legs if not leg[1]]
        if not debts or not collaterals or self.rng.random() < 0.2:
            at = self.world.at
            return self._owned()[1], at[self._asset("usdc", "weth")], at[self._asset()]
        return account, self.rng.choice(debts), self.rng.choice(collaterals)

    def batch(self):
        owner, account = self._owned()
        asset, debt = self._asset(), self._asset("usdc", "weth")
        at = self.world.at
        legs = [
            (DEPOSIT, asset, self._amount(asset, 9_000)),
            (BORROW, debt, self._amount(debt, 4_000)),
            (REPAY, debt, self._amount(debt, 1_000)),
            (WITHDRAW, asset, self._amount(asset, 1_000)),
            (MOVE, asset, self._amount(asset, 500)),
        ]
        other = self.world.accounts[self.world.accounts.index(account) ^ 1]
        steps = [
            (action, account, at[name], amount, at[owner], other, NOBODY, 0)
            for action, name, amount in self.rng.sample(legs, self.rng.randint(1, 4))
        ]
        return [("engine", "batch", (steps, b""), self._sender(owner))]

    def operate(self):
        owner, account = self._owned()
        actions = self.rng.choice((0, WITHDRAW, DEPOSIT | WITHDRAW | BORROW | MOVE))
        amount = self.rng.choice((10**8, MAX_UINT256))
        asset = self.world.at[self._asset()]
        args = (account, self.world.at["operator"], asset, actions, amount, 2**33)
        nonce = self.rng.randrange(3)
        return [
            ("engine", "set_operator", args, self._sender(owner)),
            ("engine", "cancel_nonce", (nonce,), owner),
        ]

    def lend(self):
        asset = self._asset("usdc", "weth")
        actor = self.rng.choice(("lender", "staker", "trader"))
        me = self.world.at[actor]
        amount = self._amount(asset, 90_000)
        shares = min(amount * 10**6, MAX_UINT256)
        function, args = self.rng.choice(
            (
                ("deposit", (amount, me)),
                ("mint", (shares, me)),
                ("withdraw", (amount, me, me)),
                ("redeem", (shares, me, me)),
                ("transfer", (self.world.at["staker"], shares)),
                ("transferFrom", (self.world.at["lender"], me, shares)),
                ("settle_fee", ()),
                ("accrue", ()),
                ("write_config", (amount, 1)),
            )
        )
        return [(f"{asset} vault", function, args, actor)]

    def stake(self):
        asset = self._asset("usdc", "weth")
        me = self.world.at["staker"]
        shares = self._amount(asset, 9_000) % 2**127 * 10**6
        function, args = self.rng.choice(
            (
                ("deposit", (shares, me)),
                ("mint", (shares, me)),
                ("request_exit", (shares,)),
                ("cancel_exit", ()),
                ("redeem", (shares, me, me)),
                ("withdraw", (shares, me, me)),
                ("transfer", (self.world.at["lender"], shares)),
            )
        )
        return [(f"{asset} fund", function, args, "staker")]

    def flash(self):
        asset = self._asset("usdc", "weth")
        at = self.world.at
        amount = self._amount(asset, 90_000)
        args = (at["flash borrower"], at[asset], amount, b"data")
        fill = (asset, "mint", (at["flash borrower"], min(amount, 2**112)), "owner")
        return [fill, (f"{asset} vault", "flashLoan", args, "trader")]

    def prices(self):
        at = self.world.at
        found = []
        for asset in self.price:
            self.price[asset] *= self.rng.choice(
                (1.005, 0.99, 0.97, 0.94 if self.steps > 150 else 1)
            )
            price = int(self.price[asset] * 10**8)
            found.append((f"{asset} feed", "set", (price,), "owner"))
            found.append(("breaker", "poke", (at[asset],), "lender"))
        found.append(("usdc feed", "set", (10**8,), "owner"))
        found.append(("advance", self.rng.choice((70, 900, 1_800)), 1))
        return found + (self.liquidate() if self.steps > 150 else [])

    def broken_feed(self):
        feed = f"{self._asset()} feed"
        bad = (feed, "set_round", (1, self.rng.choice((0, -1, 10**30)), 1, 1), "owner")
        asset = self.world.at[feed.split()[0]]
        return [bad, ("breaker", "poke", (asset,), "owner"), *self.liquidate(), *self.prices()]

    def guard(self):
        asset = self.world.at[self._asset()]
        sender = self.rng.choice(("guardian", "guardian", "lender"))
        function, args = self.rng.choice(
            (
                ("trip", (asset, self.rng.randint(0, 3), self.rng.choice((60, HOUR, 10**6)))),
                ("reset", (asset,)),
            )
        )
        return [("breaker", function, args, sender), ("breaker", "reset", (asset,), "guardian")]

    def wait(self):
        return [("advance", self.rng.choice((1, 12, HOUR, 86_400, 7 * 86_400)), 3), *self.prices()]

    DRAWS = (
        *(deposit_collateral, borrow, borrow, liquidate, lend, prices) * 3,
        *(withdraw_collateral, repay, move, batch, stake, flash) * 2,
        *(operate, guard, wait, broken_feed),
    )


def outcome(world, name, function, args, sender):
    """What a call did, in a form that may be compared."""
    try:
        receipt: Receipt = world.act(name, function, *args, sender=sender)
    except Reverted as refused:
        return ("refused", refused.reason, refused.data)
    return ("done", receipt.value, receipt.logs)


def assert_same_code(here, there):
    for name, address in here.at.items():
        assert here.host.code(address) == there.host.code(address), name
        if name in here.kinds:
            deployed = artifacts.load(here.kinds[name]).deployed
            assert here.host.code(address)[: len(deployed)] == deployed, name


@pytest.mark.ape
@pytest.mark.slow
def test_hosts__agree_on_two_hundred_calls(make_world, ape_host):
    here = make_world(
        EvmHost(
            timestamp=ape_host.now,
            block=ape_host.block,
            chain_id=ape_host.chain_id,
            block_per_transaction=True,
        )
    )
    there = make_world(ape_host)
    assert here.at == there.at
    assert_same_code(here, there)
    story = Story(here, SEED)
    seen: Counter[str] = Counter()
    done: Counter[str] = Counter()
    reasons: set[str] = set()
    calls = 0
    while calls < CALLS:
        name, *rest = story.next()
        if name == "advance":
            here.host.advance(*rest)
            there.host.advance(*rest)
            continue
        function, args, sender = rest
        calls += function not in SCENERY
        label = f"call {calls}: {name}.{function}{args} by {sender}"
        expected = outcome(here, name, function, args, sender)
        assert outcome(there, name, function, args, sender) == expected, label
        assert (here.host.now, here.host.block) == (there.host.now, there.host.block), label
        assert here.words(HOT) == there.words(HOT), label
        seen[function] += 1
        if expected[0] == "done":
            done[function] += 1
        else:
            reasons.add(expected[1])
        if calls % 20 == 0 and function not in SCENERY:
            words = {where: word for where, word in here.words().items() if word}
            assert there.words(words) == words, label
    everything = here.words()
    written = {where: word for where, word in everything.items() if word}
    # of the thousands that should be empty, as many as time allows
    empty = story.rng.sample(sorted(everything.keys() - written.keys()), EMPTY_SLOTS)
    assert there.words(written) == written
    assert not any(there.words(empty).values())
    assert_same_code(here, there)
    # the story is worth telling: most of what users do happened, and much was refused
    acted = ("borrow", "repay", "liquidate", "batch", "deposit", "withdraw_collateral", "flashLoan")
    assert not [function for function in acted if not done[function]], done
    assert len(reasons) >= 10, reasons
    print(f"{sum(done.values())} done of {sum(seen.values())}; refused for {sorted(reasons)}")
