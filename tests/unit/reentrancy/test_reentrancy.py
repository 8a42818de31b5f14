"""Every function of every contract, called from inside every transfer and every callback.

What may be called is found in the ABIs, so a new function is covered the day it is written: it must
be refused by a lock, or be named here with the reason why it is not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from eth_utils.crypto import keccak

from breakwater import artifacts
from breakwater.abi import Function
from breakwater.host import Reverted, decode_reason
from breakwater.units import DAY, MAX_UINT256, RAY, WAD
from tests.vault_world import CONFIG, packed

CONTRACTS = ("engine", "vault", "fund", "breaker", "risk", "configurator")
NOBODY = "0x" + "0" * 40
CALLBACK = keccak(text="ERC3156FlashBorrower.onFlashLoan")
DEPOSIT, WITHDRAW, BORROW, REPAY = 1, 2, 4, 8

REENTRANT = {
    "engine.transfer_ownership": "snekmate's: it takes no lock, and only the owner moves",
    "vault.transfer_ownership": "the same",
    "vault.accrue": "calls nobody: whatever it interrupts, it is as if it came after it",
    "vault.collect": "so that a flash loan cannot stop a repayment; for the engine alone",
    "vault.write_off": "so that a liquidation in a flash loan can book its loss; the same",
    "vault.set_level": "a sensor may trip in mid-call; for the breaker alone",
}
"""Functions that a lock of their own contract does not stop."""

UNDOES = {
    "vault.wind_down": "what lends afterwards sees that the vault is wound down",
    "breaker.trip": "what raises risk sees the level before it ends",
}
"""Functions that may make the call they interrupt fail, and so are undone with it."""

THROUGH_A_LOCK = {
    "engine": {
        "configurator.list_asset": "list_collateral",
        "configurator.list_debt": "list_debt",
        "configurator.set_cap": "set_cap",
        "configurator.set_min_debt": "set_min_debt",
        "configurator.set_growth": "set_growth",
        "configurator.set_depth": "set_depth",
        "configurator.steer": "set_cap",
        "breaker.poke": "no price is stored in mid-call",
        "breaker.check_solvency": "in mid-call the books may be ahead of the tokens",
    },
    "vault": {
        "breaker.poke": "no price is stored in mid-call",
        "breaker.check_solvency": "in mid-call the books may be ahead of the tokens",
        "engine.borrow": "lend",
        "fund.deposit": "settle_fee",
        "fund.mint": "settle_fee",
        "fund.withdraw": "settle_fee",
        "fund.redeem": "settle_fee",
    },
}
"""Functions of contracts that are free, but that need the one that is locked."""

LOCKED_VIEWS = {
    "engine": {
        *("words_of", "position_of", "book_of", "book_word", "debt_of", "operator_of"),
        *("is_nonce_used", "is_unlocked"),
    },
    "vault": {"is_unlocked"},
}
"""Views that revert while their contract is locked; every other one answers."""

OUT_IN_A_FLASH_LOAN = {
    *("vault.cash", "vault.flash_out", "vault.maxDeposit", "vault.maxMint"),
    *("vault.maxWithdraw", "vault.maxRedeem", "vault.maxFlashLoan"),
}
"""Views that tell what is out in a flash loan: neither as before it nor as after it."""

BETWEEN_PAYMENT_AND_LOSS = {
    *("vault.debt_shares", "vault.debt_assets", "vault.utilization", "vault.borrow_rate"),
    "vault.limits",
    *("vault.maxDeposit", "vault.maxMint", "vault.fee_owed", "vault.fee_shares"),
    *("fund.totalAssets", "fund.maxDeposit", "fund.maxMint", "fund.maxWithdraw"),
}
"""What changes when a liquidation's payment is booked, and again with its loss: while the payment
is pulled the shares' price is the one from before the loss, to a wei of rounding."""


class Outer(NamedTuple):
    """A call in whose middle others come in."""

    token: str  # whose transfer calls; empty: the borrower's callback does
    contract: str
    function: str
    args: tuple[Any, ...]
    locks: tuple[str, ...]
    crashed: bool = False
    arms: bool | None = None  # a borrower's callback sets the token's hook, or takes it away
    between: frozenset[str] = frozenset()  # views that may answer neither as before nor as after


def leg(world: Any, action: int, asset: str, amount: int) -> tuple[Any, ...]:
    actor, none = world.at["actor"], bytes(32)
    return (action, world.healthy, world.at[asset], amount, actor, none, NOBODY, 0)


def outers(world: Any) -> dict[str, Outer]:
    at, actor, account = world.at, world.at["actor"], world.healthy
    collateral, debt = at["collateral"], at["debt"]
    pair = (world.weak, debt, collateral, MAX_UINT256, 0, actor, bytes(32))
    move, lend = ("engine",), ("vault",)
    both = ("engine", "vault")
    loan = (at["borrower"], debt, WAD, b"")
    between, out = frozenset(BETWEEN_PAYMENT_AND_LOSS), frozenset(OUT_IN_A_FLASH_LOAN)
    c, d = "collateral", "debt"
    add, take = leg(world, DEPOSIT, c, WAD), leg(world, WITHDRAW, c, WAD)
    more, less = leg(world, BORROW, d, WAD), leg(world, REPAY, d, WAD)
    return {
        "deposit_collateral": Outer(
            c, "engine", "deposit_collateral", (account, collateral, WAD), move
        ),
        "withdraw_collateral": Outer(
            c, "engine", "withdraw_collateral", (account, collateral, WAD, actor), move
        ),
        "liquidate, seizing": Outer(c, "engine", "liquidate", (*pair, b""), move),
        "liquidate, paying": Outer(d, "engine", "liquidate", (*pair, b""), move),
        "liquidate, seizing with a loss": Outer(c, "engine", "liquidate", (*pair, b""), move, True),
        "liquidate, paying with a loss": Outer(
            d, "engine", "liquidate", (*pair, b""), move, True, None, between
        ),
        "liquidate, callback": Outer("", "engine", "liquidate", (*pair, b"x"), move),
        "liquidate, callback with a loss": Outer(
            "", "engine", "liquidate", (*pair, b"x"), move, True
        ),
        "borrow": Outer(d, "engine", "borrow", (account, debt, 100 * WAD, actor), both),
        "repay": Outer(d, "engine", "repay", (account, debt, 100 * WAD), move),
        "repay all": Outer(d, "engine", "repay", (account, debt, MAX_UINT256), move),
        "batch, adding": Outer(c, "engine", "batch", ([add, more], b""), move),
        "batch, withdrawing": Outer(c, "engine", "batch", ([take], b""), move),
        "batch, borrowing": Outer(d, "engine", "batch", ([add, more], b""), both),
        "batch, repaying": Outer(d, "engine", "batch", ([less], b""), move),
        "deposit": Outer(d, "vault", "deposit", (WAD, actor), lend),
        "mint": Outer(d, "vault", "mint", (WAD * 10**6, actor), lend),
        "withdraw": Outer(d, "vault", "withdraw", (WAD, actor, actor), lend),
        "redeem": Outer(d, "vault", "redeem", (WAD * 10**6, actor, actor), lend),
        "flashLoan, lending": Outer(d, "vault", "flashLoan", loan, lend, False, False, out),
        "flashLoan, callback": Outer("", "vault", "flashLoan", loan, lend, False, None, out),
        "flashLoan, repaying": Outer(d, "vault", "flashLoan", loan, lend, False, True),
    }


NAMES = (
    *("deposit_collateral", "withdraw_collateral", "liquidate, seizing", "liquidate, paying"),
    *("liquidate, seizing with a loss", "liquidate, paying with a loss"),
    *("liquidate, callback", "liquidate, callback with a loss", "borrow", "repay", "repay all"),
    *("batch, adding", "batch, withdrawing", "batch, borrowing", "batch, repaying"),
    *("deposit", "mint", "withdraw", "redeem", "flashLoan, lending", "flashLoan, callback"),
    "flashLoan, repaying",
)
INNER_ARGS = {
    "engine.move_collateral": ("healthy", "third", "collateral", WAD),
    "engine.liquidate": ("weak", "debt", "collateral", 10**18, 0, "actor", bytes(32), b""),
    "engine.set_operator": ("healthy", "borrower", "debt", 4, WAD, 2**32),
    "engine.set_operator_by_signature": (
        *("healthy", "borrower", "debt", 4, WAD, 2**32),
        *(0, 0, bytes(65)),
    ),
    "engine.list_collateral": ("new", WAD, False),
    "engine.list_debt": ("new vault", WAD),
    "engine.set_min_debt": ("debt", WAD),
    "engine.set_growth": ("collateral", 10),
    "engine.borrow": ("healthy", "debt", WAD, "actor"),
    "engine.repay": ("healthy", "debt", WAD),
    "vault.flashLoan": ("receiver", "debt", WAD, b""),
    "vault.transfer": ("lender", WAD),
    "vault.transferFrom": ("actor", "lender", WAD),
    "vault.write_config": packed(CONFIG),
    "vault.set_breaker": ("breaker",),
    "fund.deposit": (WAD, "actor"),
    "fund.withdraw": (WAD, "actor", "actor"),
    "fund.redeem": (WAD, "actor", "actor"),
    "fund.transfer": ("lender", WAD),
    "fund.transferFrom": ("actor", "lender", WAD),
    "breaker.trip": ("debt", 1, 60),
    "breaker.add_vault": ("new vault",),
    "configurator.list_asset": ("newer", "rules", WAD, False, NOBODY, 0),
    "configurator.list_debt": ("new vault", WAD),
    "configurator.set_cap": ("collateral", WAD),
    "configurator.set_min_debt": ("debt", WAD),
    "configurator.set_growth": ("collateral", 10),
    "configurator.steer": ("collateral", WAD, 8_000),
    "configurator.replace_feed": ("collateral", "spare feed", False, DAY, NOBODY),
    "configurator.set_borrow_ltv": ("collateral", 7_500),
    "configurator.ramp_liquidation_ltv": ("collateral", 8_100, 3 * DAY),
}
"""Arguments with which a call may succeed; the rest gets some by name and type."""

BY_NAME = {
    **dict.fromkeys(("account", "source", "credit"), "healthy"),
    **dict.fromkeys(("owner", "receiver", "payer", "new_owner", "guardian"), "actor"),
    **dict.fromkeys(("token", "debt_asset"), "debt"),
    **dict.fromkeys(("asset", "collateral"), "collateral"),
    **{"vault": "vault", "fund": "fund", "breaker": "breaker", "configurator": "configurator"},
    **{"tag": 1, "id": 1, "touched": 1, "debt_tag": 130, "collateral_tag": 1, "reason": 1},
}


def resolve(world: Any, value: Any) -> Any:
    if not isinstance(value, str) or value.startswith("0x"):
        return value
    if value in ("healthy", "weak"):
        return getattr(world, value)
    if value == "rules":
        return world.asset_config("other feed")
    if value == "third":
        return world.accounts[2]
    return world.lender if value == "lender" else world.at[value]


def some(world: Any, entry: dict[str, Any]) -> Any:
    """An argument for a parameter."""
    kind, name = entry["type"], entry["name"]
    if name in ("position", "before", "after"):
        return world.position
    if name == "steps":
        return [leg(world, DEPOSIT, "collateral", WAD)]
    if kind == "tuple" and name == "config":
        if len(entry["components"]) == len(CONFIG):
            return tuple(CONFIG.values())
        return world.asset_config("other feed")
    if name in BY_NAME:
        return resolve(world, BY_NAME[name])
    if kind == "address":
        return world.at["actor"]
    if kind.startswith("uint"):
        return WAD if kind == "uint256" else 1
    if kind == "bytes32":
        return bytes(32)
    return {"bool": False, "bytes": b""}[kind]


def functions(world: Any, reading: bool) -> list[tuple[str, bytes]]:
    """Each function as "contract.name" with call data."""
    found = []
    for contract in CONTRACTS:
        for entry in artifacts.load(world.kinds[contract]).abi:
            if entry["type"] != "function":
                continue
            function = Function(entry)
            if function.reads_only != reading:
                continue
            name = f"{contract}.{function.name}"
            if name in INNER_ARGS:
                args = [resolve(world, value) for value in INNER_ARGS[name]]
            else:
                args = [some(world, part) for part in entry["inputs"]]
            found.append((name, function.encode(args)))
    return found


class Answer(NamedTuple):
    """How a call that came in ended: what it returned, or why it reverted (512 bytes of it)."""

    ok: bool
    data: bytes

    @property
    def is_locked(self) -> bool:
        """A lock reverts without a reason; nothing else here does."""
        return not self.ok and self.data == b""


def run(world: Any, outer: Outer, target: str, data: bytes, after: bool) -> Answer:
    """The outer call, with `target` called by the token or by the borrower in its middle."""
    call = world.data(outer.contract, outer.function, *outer.args)
    if outer.arms is not None:
        arm = (target, data, after) if outer.arms else (NOBODY, b"", False)
        calls = [(world.at[outer.token], world.data(outer.token, "set_hook", *arm), True)]
        world.send("borrower", "set_calls", calls, CALLBACK)
    if outer.token:
        if not outer.arms:
            world.hook(outer.token, target, data, after)
        world.act(outer.contract, outer.function, *outer.args)
        assert outer.arms is False or world.read(outer.token, "calls") == 1
        return Answer(*(world.read(outer.token, name) for name in ("succeeded", "answer")))
    world.send("borrower", "set_calls", [(target, data, False)], CALLBACK)
    world.send("borrower", "execute", world.at[outer.contract], call)
    return Answer(*(world.read("borrower", *name) for name in (("results", 0), ("answer",))))


def settle(world: Any, outer: Outer) -> int:
    """The state before the outer call."""
    if outer.crashed:
        world.crash()
    world.position = world.read("engine", "position_of", world.healthy)
    return world.host.snapshot()


@pytest.fixture(params=NAMES)
def outer(world: Any, request: Any) -> Outer:
    found = outers(world)
    assert tuple(found) == NAMES
    return found[request.param]


@pytest.mark.parametrize("after", [False, True], ids=["before the transfer", "after it"])
def test_functions__are_refused_in_mid_call(world: Any, outer: Outer, after: bool) -> None:
    start = settle(world, outer)
    wrong = []
    for name, data in functions(world, reading=False):
        contract = name.split(".")[0]
        world.host.restore(start)
        free = world.attempt(contract, data)
        if free.is_locked:
            wrong.append(f"{name} fails without a reason when nothing is locked")
        through = {name for lock in outer.locks for name in THROUGH_A_LOCK[lock]}
        target = world.at[contract]
        try:
            found = run(world, outer, world.at["actor"], world.by_actor(target, data), after)
        except Reverted as undone:
            # the call that came in took what the outer one needed: nothing of either is left
            if name not in UNDOES or not undone.reason:
                wrong.append(f"{name} undid the outer call: {undone.reason}")
            continue
        if contract in outer.locks and name not in REENTRANT:
            if not found.is_locked:
                wrong.append(f"{name} is not stopped by its lock: {found}")
        elif name in through:
            if found.ok:
                wrong.append(f"{name} runs through a lock")
        elif found.ok != free.ok:
            wrong.append(f"{name}: {found}, but outside {free}")
        world.check_books()
    assert not wrong, "\n".join(wrong)


def test_views__tell_no_state_in_between(world: Any, outer: Outer) -> None:
    start = settle(world, outer)
    wrong = []
    for name, data in functions(world, reading=True):
        contract, view = name.split(".")
        world.host.restore(start)
        before = world.attempt(contract, data)
        assert before.ok or before.data, f"{name} fails without a reason when nothing is locked"
        for late in (False, True):
            world.host.restore(start)
            found = run(world, outer, world.at[contract], data, late)
            later = world.attempt(contract, data)
            locked = any(view in LOCKED_VIEWS[lock] for lock in outer.locks if lock == contract)
            if locked != found.is_locked:
                wrong.append(f"{name}: {found}, locked: {locked}")
            elif (
                not locked
                and name not in outer.between
                and found.data not in (before.data, later.data)
            ):
                wrong.append(f"{name}: {found.data.hex()} {before.data.hex()} {later.data.hex()}")
    assert not wrong, "\n".join(wrong)


def test_poke__says_that_something_is_locked(world: Any, outer: Outer) -> None:
    settle(world, outer)
    poke = world.data("breaker", "poke", world.at["collateral"])
    found = run(world, outer, world.at["breaker"], poke, after=False)
    assert not found.ok
    assert decode_reason(found.data) == "locked"


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("deposit_collateral", ("healthy", "collateral", WAD)),
        ("withdraw_collateral", ("healthy", "collateral", WAD, "actor")),
        ("borrow", ("healthy", "debt", WAD, "actor")),
        ("repay", ("healthy", "debt", WAD)),
        ("liquidate", ("weak", "debt", "collateral", WAD, 0, "actor", bytes(32), b"")),
        ("move_collateral", ("healthy", "third", "collateral", WAD)),
    ],
)
def test_lock__of_the_engine_covers_other_functions(world: Any, function, args) -> None:
    """The compiler's lock is there: what passes outside is stopped inside any other function."""
    data = world.data("engine", function, *(resolve(world, value) for value in args))
    assert world.attempt("engine", data).ok
    outer = outers(world)["repay" if function == "deposit_collateral" else "deposit_collateral"]
    settle(world, outer)
    assert run(world, outer, world.at["actor"], world.by_actor(world.at["engine"], data), True) == (
        False,
        b"",
    )


def test_flash_loan__is_repaid_after_a_debt(world: Any) -> None:
    """A debt is repaid out of the loan; index and share price stay what they were throughout."""
    engine, vault, debt = world.at["engine"], world.at["vault"], world.at["debt"]
    amount, shares = 1_000 * WAD, 10**6 * WAD
    owed = world.legs(world.healthy)[130]
    repay = world.data("engine", "repay", world.healthy, debt, amount)
    for view, args in (("debt_index", ()), ("convertToAssets", (shares,))):
        world.host.restore(world.start)
        before = world.read("vault", view, *args)
        calls = [(engine, repay, True), (vault, world.data("vault", view, *args), True)]
        world.send("borrower", "set_calls", calls, CALLBACK)
        world.send("vault", "flashLoan", world.at["borrower"], debt, 5_000 * WAD, b"")
        inside = int.from_bytes(world.read("borrower", "answer"), "big")
        assert before <= inside <= before + (view != "debt_index")
        assert world.read("vault", view, *args) == inside
    assert world.legs(world.healthy)[130] == owed - amount * RAY // world.read(
        "vault", "debt_index"
    )
    world.check_books()


@pytest.mark.parametrize("function", ["open", "deposit", "redeem", "settle_fee", "is_unlocked"])
def test_open__is_locked_while_the_seed_arrives(world: Any, function: str) -> None:
    at, actor = world.at, world.at["actor"]
    args = {
        "open": (at["new fund"], WAD, *packed(CONFIG)),
        "deposit": (WAD, actor),
        "redeem": (1, actor, actor),
    }
    data = world.by_actor(
        at["new vault"], world.data("new vault", function, *args.get(function, ()))
    )
    world.hook("new", actor, data, True)
    world.act("new vault", "open", *args["open"])
    assert world.read("new", "calls") == 1
    assert not world.read("new", "succeeded")
    assert world.read("new", "answer") == b""
