"""The vault, its fund and tokens on an EVM and as models."""

from __future__ import annotations

from functools import cache, cached_property
from itertools import product

from eth_keys import keys
from eth_utils.crypto import keccak

from breakwater import artifacts
from breakwater.evm import EvmHost
from breakwater.host import Reverted, interface_of
from breakwater.model.calls import returned
from breakwater.model.chain import ZERO_ADDRESS, Chain
from breakwater.model.fund import InsuranceFund
from breakwater.model.mocks import FlashBorrowerMock
from breakwater.model.tokens import (
    HookTokenMock,
    OddTokenMock,
    StakedTokenMock,
    TokenMock,
    TwinTokenMock,
)
from breakwater.model.vault import LendingVault

MODELS = {
    model.NAME: model
    for model in (
        FlashBorrowerMock,
        HookTokenMock,
        InsuranceFund,
        LendingVault,
        OddTokenMock,
        StakedTokenMock,
        TokenMock,
        TwinTokenMock,
    )
}
KEY = keys.PrivateKey(bytes(keccak(text="lender who signs")))
SIGNER = KEY.public_key.to_checksum_address()


@cache
def slots(name):
    """Slot and number of keys of each variable that a contract stores, by its own name."""
    found = {}

    def enter(part):
        for variable, entry in part.items():
            if "slot" in entry:
                found[variable] = entry["slot"], entry["type"].count("HashMap[")
            else:
                enter(entry)

    enter(artifacts.load(name).layout["storage_layout"])
    return found


@cache
def slot_of(name, variable, keys):
    """Where a word of the model is stored: keys of mappings, then an offset."""
    slot, depth = slots(name)[variable]
    for key in keys[:depth]:
        slot = int.from_bytes(keccak(slot.to_bytes(32, "big") + bytes(12) + bytes.fromhex(key[2:])))
    return slot + sum(keys[depth:])


def plain(value):
    """With tuples for all sequences."""
    if isinstance(value, list | tuple):
        return tuple(plain(part) for part in value)
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value


class Twins:
    """The same contracts on an EVM and as models. `call` raises AssertionError at a difference."""

    def __init__(self, labels):
        self.host = EvmHost()
        self.chain = Chain(self.host.now, self.host.block, self.host.chain_id)
        self.accounts = {label: self.host.account(label) for label in labels}
        self.accounts["signer"] = SIGNER
        self.kinds = {}
        self.reasons = {}
        self.steps = 0

    def deploy(self, kind, *args):
        address = self.host.deploy(kind, *args, sender=self.accounts["owner"])
        MODELS[kind](self.chain, address, *plain(args))
        self.kinds[address] = kind
        return address

    def wait(self, seconds):
        self.host.advance(seconds, 1)
        self.chain.advance(seconds, 1)

    def encoded(self, target, function, *args):
        return interface_of(self.kinds[target]).function(function, len(args)).encode(args)

    def call(self, sender, target, function, *args):
        """One call on both sides; its reason, None where it succeeds."""
        kind = self.kinds[target]
        codec = interface_of(kind).function(function, len(args))
        reason, data, logs = None, b"", []
        try:
            if codec.reads_only:
                value = self.host.call(target, kind, function, args, sender=sender)
            else:
                receipt = self.host.transact(target, kind, function, args, sender=sender)
                data, logs = receipt._output, receipt.logs
        except Reverted as reverted:
            reason = reverted.reason
        outcome = self.chain.transact(sender, target, function, plain(args))
        what = f"step {self.steps}: {function}{args} of {kind}"
        assert outcome.reason == reason, what
        if reason is None and codec.reads_only:
            assert plain(outcome.value) == plain(value), what
        elif reason is None:
            assert returned(codec, outcome.value) == data, what
        events = [(log.address, log.name, plain(log.args)) for log in logs]
        assert [(at, name, plain(of)) for at, name, of in outcome.events] == events, what
        self.steps += 1
        self.reasons[function, reason] = self.reasons.get((function, reason), 0) + 1
        return reason

    def compare(self, what=""):
        """Every word that the model knows, and that all others of every account are zero."""
        expected = {}
        for address, *key in self.chain.state:
            kind = self.kinds[address]
            for word in self.chain.contracts[address].words(key[0], tuple(key[1:])):
                expected[address, slot_of(kind, *word[:2])] = word
        storage = self.host.storage
        for (address, slot), word in expected.items():
            assert storage(address, slot) == word.value, f"{what} {self.kinds[address]} {word}"
        for place, name in self.places.items():
            assert place in expected or storage(*place) == 0, f"{what} {name} is written"

    @cached_property
    def places(self):
        """Name by address and slot of every variable for every account there is."""
        everyone = [*self.accounts.values(), *self.kinds, ZERO_ADDRESS]
        offsets = {"_holds": range(9), "_tickets": range(3)}
        return {
            (address, slot_of(kind, variable, holders) + at): f"{kind}.{variable}{holders}"
            for address, kind in self.kinds.items()
            for variable, (_, depth) in slots(kind).items()
            if (kind, variable) != ("FlashBorrowerMock", "calls")  # the model of it has no words
            for holders in product(everyone, repeat=depth)
            for at in offsets.get(variable, (0,))
        }
