"""The in-process host: pyrevm's traps, snapshots, reverts, codecs."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from breakwater import artifacts
from breakwater.abi import AbiError
from breakwater.evm import EvmHost
from breakwater.host import HALT, Reverted

SOURCE = """
# pragma version 0.4.3

struct Pair:
    left: uint256
    right: address

event Stored:
    who: indexed(address)
    amount: uint256
    note: String[40]

stored: public(uint256)
seen: transient(uint256)


@deploy
@payable
def __init__(start: uint256):
    self.stored = start


@external
def store(amount: uint256) -> uint256:
    before: uint256 = self.stored
    self.stored = amount
    log Stored(who=msg.sender, amount=amount, note="kept")
    assert amount != 7, "seven is refused"
    return before


@external
def count_calls() -> uint256:
    self.seen += 1
    return self.seen


@external
@view
def minus(amount: uint256) -> uint256:
    return self.stored - amount


@external
def custom():
    raw_revert(method_id("Custom()"))


@external
def stop():
    raise UNREACHABLE


@external
@payable
def pay():
    pass


@external
@view
def here() -> (uint256, uint256, uint256):
    return block.timestamp, block.number, chain.id


@external
@view
def pairs(first: Pair, rest: DynArray[Pair, 4] = []) -> DynArray[Pair, 5]:
    found: DynArray[Pair, 5] = [first]
    for pair: Pair in rest:
        found.append(pair)
    return found


@external
@view
def words(account: bytes32, small: int16, flag: bool) -> (bytes32, int16, bool, address):
    return account, small, flag, msg.sender
"""


class Probe:
    """The contract above on one host."""

    def __init__(self, host: EvmHost) -> None:
        artifact = artifacts.compile_source(SOURCE, "Probe")
        self.abi = artifact.abi
        self.host = host
        self.sender = host.account("deployer")
        self.address = host.deploy_raw(self.abi, artifact.bytecode, [5], sender=self.sender)

    def transact(self, function: str, *args, **extra):
        extra.setdefault("sender", self.sender)
        return self.host.transact(self.address, self.abi, function, args, **extra)

    def call(self, function: str, *args, **extra):
        return self.host.call(self.address, self.abi, function, args, **extra)


@pytest.fixture
def probe(host: EvmHost) -> Probe:
    return Probe(host)


def test_transact__value_and_logs(probe: Probe) -> None:
    receipt = probe.transact("store", 9)
    later = probe.transact("store", 10)
    assert (receipt.value, later.value) == (5, 9)
    log = receipt.event("Stored")
    assert (log.address, log.who, log.amount, log.note) == (probe.address, probe.sender, 9, "kept")
    assert later.event("Stored").amount == 10
    assert receipt.gas_used is None


def test_transact__transient_storage_ends_with_it(probe: Probe) -> None:
    assert probe.transact("count_calls").value == 1
    assert probe.transact("count_calls").value == 1
    assert probe.call("count_calls") == 1


@pytest.mark.parametrize(
    ("function", "args", "reason"),
    [
        ("store", (7,), "seven is refused"),
        ("minus", (6,), ""),
        ("custom", (), "0x" + keccak(text="Custom()")[:4].hex()),
        ("stop", (), HALT),
    ],
)
def test_transact__reverts(probe: Probe, function: str, args: tuple, reason: str) -> None:
    with pytest.raises(Reverted) as caught:
        probe.transact(function, *args)
    assert caught.value.reason == reason
    assert probe.call("stored") == 5


def test_transact__failed_one_leaves_nothing(probe: Probe) -> None:
    before = probe.host.storage(probe.address, 0)
    with pytest.raises(Reverted):
        probe.transact("store", 7)
    assert probe.host.storage(probe.address, 0) == before == 5


def test_transact__invalid_one_is_no_revert(probe: Probe) -> None:
    with pytest.raises(RuntimeError, match="LackOfFund"):
        probe.transact("pay", value=10**30)
    with pytest.raises(AbiError):
        probe.transact("store", -1)
    with pytest.raises(AbiError):
        probe.transact("store", 2**256)
    with pytest.raises(AbiError, match="takes 1 arguments"):
        probe.transact("store")


def test_call__changes_nothing(probe: Probe) -> None:
    assert probe.call("store", 11) == 5
    assert probe.call("stored") == 5
    with pytest.raises(Reverted):
        probe.call("store", 7)
    assert probe.call("stored") == 5


def test_call__view_is_static(probe: Probe) -> None:
    forged = [{**entry, "stateMutability": "view"} for entry in probe.abi]
    with pytest.raises(Reverted) as caught:
        probe.host.call(probe.address, forged, "store", (8,))
    assert caught.value.reason == HALT
    assert probe.call("stored") == 5


def test_advance__time_is_explicit(probe: Probe) -> None:
    start = probe.call("here")
    probe.transact("store", 1)
    assert probe.call("here") == start == (probe.host.now, probe.host.block, 31_337)
    probe.host.advance(60, 5)
    assert probe.call("here") == (start[0] + 60, start[1] + 5, 31_337)


def test_advance__a_block_for_each_transaction() -> None:
    probe = Probe(EvmHost(block_per_transaction=True, chain_id=1))
    start = probe.call("here")
    probe.transact("store", 1)
    with pytest.raises(Reverted):
        probe.transact("store", 7)
    assert probe.call("here") == (start[0] + 1, start[1] + 1, 1)
    probe.host.advance(1, 5)
    assert probe.call("here") == (start[0] + 6, start[1] + 6, 1)


def test_restore__nested(probe: Probe) -> None:
    host = probe.host
    outer = host.snapshot()
    probe.transact("store", 1)
    host.advance(10)
    middle = host.snapshot()
    probe.transact("store", 2)
    inner = host.snapshot()
    probe.transact("store", 3)
    host.restore(inner)
    assert probe.call("stored") == 2
    host.restore(middle)
    assert probe.call("stored") == 1
    with pytest.raises(LookupError):
        host.restore(inner)
    later = host.now
    host.restore(outer)
    assert (probe.call("stored"), host.now) == (5, later - 10)
    with pytest.raises(LookupError):
        host.restore(middle)


def test_restore__many_times(probe: Probe) -> None:
    outer = probe.host.snapshot()
    for amount in range(100, 1_600):
        probe.transact("store", amount)
        inner = probe.host.snapshot()
        probe.transact("store", amount + 1)
        probe.host.restore(inner)
        assert probe.call("stored") == amount
        probe.host.restore(outer)
    assert probe.call("stored") == 5
    assert probe.host.code(probe.address) == artifacts.compile_source(SOURCE, "Probe").deployed


def test_restore__what_was_deployed_since_is_gone(probe: Probe) -> None:
    before = probe.host.snapshot()
    other = Probe(probe.host)
    assert probe.host.code(other.address)
    probe.host.restore(before)
    assert probe.host.code(other.address) == b""
    again = Probe(probe.host)
    assert again.address == other.address
    assert again.call("stored") == 5


def test_release__state_stays(probe: Probe) -> None:
    probe.host.snapshot()
    probe.transact("store", 42)
    probe.host.release()
    assert probe.call("stored") == 42
    snapshot = probe.host.snapshot()
    probe.transact("store", 43)
    probe.host.restore(snapshot)
    assert probe.call("stored") == 42


def test_codecs__static_and_dynamic(probe: Probe) -> None:
    first, second = (1, probe.sender), (2, probe.address)
    assert probe.call("pairs", first) == [first]
    assert probe.call("pairs", first, [second, first]) == [first, second, first]
    account = bytes(range(32))
    found = probe.call("words", account, -5, True, sender=probe.sender)
    assert found == (account, -5, True, probe.sender)
    with pytest.raises(AbiError):
        probe.call("words", account, 2**15, True)
    with pytest.raises(AbiError):
        probe.call("words", b"short", 1, True)


def test_deploy__value_and_constructor(probe: Probe) -> None:
    artifact = artifacts.compile_source(SOURCE, "Probe")
    address = probe.host.deploy_raw(
        artifact.abi, artifact.bytecode, [8], sender=probe.sender, value=3
    )
    assert probe.host.balance(address) == 3
    with pytest.raises(AbiError):
        probe.host.deploy_raw(artifact.abi, artifact.bytecode, [], sender=probe.sender)


def test_account__same_for_the_same_label(host: EvmHost) -> None:
    labels = [f"lender {number}" for number in range(30)]
    addresses = [host.account(label) for label in labels]
    assert len(set(addresses)) == 30
    assert [host.account(label) for label in labels] == addresses
    assert all(host.balance(address) == 10**24 for address in addresses)


@pytest.mark.ape
def test_hosts__agree(ape_host) -> None:
    def story(host):
        probe = Probe(host)
        start = probe.call("here")
        told: list = []

        def step(function, *args, **extra):
            try:
                receipt = probe.transact(function, *args, **extra)
                told.append((receipt.value, [(log.name, log.args) for log in receipt.logs]))
            except Reverted as error:
                told.append(error.reason)
            here = probe.call("here")
            told.append([here[0] - start[0], here[1] - start[1], here[2]])

        step("store", 9)
        step("store", 7)
        step("minus", 2**255)
        step("custom")
        step("stop")
        step("count_calls")
        step("pay", value=5, sender=host.account("borrower"))
        outer = host.snapshot()
        host.advance(3_600, 3)
        step("store", 10)
        inner = host.snapshot()
        host.advance(2, 5)
        step("store", 11)
        host.restore(inner)
        step("store", 12)
        host.restore(outer)
        step("store", 13)
        host.restore(outer)
        told += [host.storage(probe.address, 0), host.balance(probe.address)]
        told += [host.code(probe.address), probe.call("stored")]
        return told

    here = EvmHost(block_per_transaction=True, chain_id=ape_host.chain_id)
    assert story(here) == story(ape_host)
