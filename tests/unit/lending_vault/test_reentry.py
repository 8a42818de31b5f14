"""Flash loans, and calls that come in while tokens move."""

import pytest
from eth_utils import keccak

from breakwater.host import interface_of

MAGIC = keccak(text="ERC3156FlashBorrower.onFlashLoan")
BORROWER = "FlashBorrowerMock"


def encode(name, function, *args):
    return interface_of(name).function(function, len(args)).encode(list(args))


def vault_call(function, *args):
    return encode("LendingVault", function, *args)


@pytest.fixture(params=[0, 9])
def flash(new_world, request):
    """A world whose engine is also the flash borrower."""
    world = new_world(
        engine=lambda host: host.deploy(BORROWER, sender=host.account("owner")),
        flash_fee=request.param,
    )
    host = world.host

    def execute(target, data):
        host.transact(world.engine, BORROWER, "execute", [target, data], sender=world.owner)

    def plan(*calls, magic=MAGIC):
        calls = [(world.vault, data, must) for data, must in calls]
        host.transact(world.engine, BORROWER, "set_calls", [calls, magic], sender=world.owner)

    def loan(amount):
        args = (world.engine, world.token, amount, b"")
        return world.act("flashLoan", *args, sender=world.other)

    host.transact(world.token, "TokenMock", "mint", [world.engine, 10**24], sender=world.owner)
    execute(world.token, encode("TokenMock", "approve", world.vault, 2**256 - 1))
    world.act("deposit", 99 * world.unit, world.lender)
    execute(world.vault, vault_call("lend", 50 * world.unit, world.borrower))
    host.advance(10**6)
    world.plan, world.loan, world.fee = plan, loan, request.param
    world.answer = lambda: int.from_bytes(host.call(world.engine, BORROWER, "answer", []), "big")
    return world


def test_flash_loan__fee_goes_to_lenders(flash):
    flash.plan()
    total, amount = flash.read("totalAssets") + flash.read("fee_owed"), 10 * flash.unit
    flash.loan(amount)
    fee = -(-amount * flash.fee // 10_000)
    assert flash.read("totalAssets") + flash.read("fee_owed") == total + fee
    assert flash.read("cash") == flash.tokens(flash.vault)
    assert flash.read("flash_out") == 0


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("totalAssets", None),
        ("debt_index", None),
        ("utilization", None),
        ("flash_out", 10**18),
        ("cash", "less"),
    ],
)
def test_flash_loan__views_in_the_callback(flash, function, expected):
    before = flash.read(function)
    flash.plan((vault_call(function), True))
    flash.loan(10**18)
    assert flash.answer() == {None: before, "less": before - 10**18}.get(expected, expected)


@pytest.mark.parametrize("function", ["maxWithdraw", "maxRedeem", "maxDeposit", "maxFlashLoan"])
def test_flash_loan__nothing_else_is_on_offer_meanwhile(flash, function):
    argument = flash.token if function == "maxFlashLoan" else flash.lender
    assert flash.read(function, argument) > 0
    flash.plan((vault_call(function, argument), True))
    flash.loan(10**18)
    assert flash.answer() == 0


def test_flash_loan__collect_and_write_off_are_not_locked(flash):
    shares = flash.read("debt_shares")
    flash.plan(
        (vault_call("collect", 10**18, 10**18, flash.borrower, 10**9), True),
        (vault_call("write_off", 10**15), True),
        (vault_call("accrue"), True),
    )
    flash.loan(40 * flash.unit)
    assert flash.read("debt_shares") < shares - 10**15
    assert flash.read("cash") == flash.tokens(flash.vault)


@pytest.mark.parametrize(
    "call",
    [
        vault_call("lend", 1, "0x" + "1" * 40),
        vault_call("deposit", 1, "0x" + "1" * 40),
        vault_call("withdraw", 1, "0x" + "1" * 40, "0x" + "1" * 40),
        vault_call("settle_fee"),
        vault_call("is_unlocked"),
    ],
)
def test_flash_loan__holds_the_lock(flash, call):
    flash.plan((call, False))
    flash.loan(10**18)
    assert flash.host.call(flash.engine, BORROWER, "results", [0]) is False


def test_flash_loan__refusals(flash):
    flash.plan(magic=bytes(32))
    args = (flash.engine, flash.token)
    flash.refuses("flash callback failed", "flashLoan", *args, 1, b"")
    flash.refuses("not enough cash", "flashLoan", *args, 51 * flash.unit, b"")
    flash.refuses("amount is zero", "flashLoan", *args, 0, b"")
    flash.refuses("token is not lent", "flashLoan", flash.engine, flash.engine, 1, b"")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("function", ["withdraw", "redeem", "deposit", "settle_fee", "transfer"])
def test_collect__reentered_is_as_if_called_afterwards(new_world, function, after):
    """The token's hook acts on the vault while a payment is pulled."""
    world = new_world(token="HookTokenMock")
    host, unit = world.host, world.unit
    caller = host.deploy("CallerMock", sender=world.owner)

    def run(target, data):
        host.transact(caller, "CallerMock", "run", [[(target, data)]], sender=world.other)

    def hook(target, data):
        host.transact(
            world.token, "HookTokenMock", "set_hook", [target, data, after], sender=world.owner
        )

    host.transact(world.token, "HookTokenMock", "mint", [caller, 10 * unit], sender=world.owner)
    run(world.token, encode("TokenMock", "approve", world.vault, 2**256 - 1))
    world.act("deposit", 99 * unit, world.lender)
    world.act("transfer", caller, 10 * unit * 10**6)
    world.lend(50 * unit)
    host.advance(10**6)
    args = {
        "withdraw": (2 * unit, caller, caller),
        "redeem": (unit * 10**6, caller, caller),
        "deposit": (unit, caller),
        "settle_fee": (),
        "transfer": (world.other, 1),
    }[function]
    data = vault_call(function, *args)
    read = ("cash", "debt_shares", "totalSupply", "totalAssets", "borrow_rate", "fee_owed")
    start = host.snapshot()

    hook(caller, encode("CallerMock", "run", [(world.vault, data)]))
    world.collect(unit, 10**30, 10**9)
    assert host.call(world.token, "HookTokenMock", "succeeded", [])
    inside = [world.read(name) for name in read]
    assert world.read("cash") == world.tokens(world.vault)

    host.restore(start)
    world.collect(unit, 10**30, 10**9)
    run(world.vault, data)
    assert [world.read(name) for name in read] == inside
