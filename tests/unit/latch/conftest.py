"""A contract that does nothing but latch through `contracts/modules/latch.vy`."""

import pytest

from breakwater import artifacts
from breakwater.evm import EvmHost

LATCH = """
# pragma version 0.4.3
from contracts.modules import latch
initializes: latch

@external
def set(key: address, caution_until: uint256, halt_until: uint256, held_until: uint256):
    latch._set(key, caution_until, halt_until, held_until)

@view
@external
def level(key: address) -> uint256:
    return latch._level(key)

@view
@external
def until(key: address) -> (uint256, uint256):
    return latch._until(key)

@view
@external
def held_until(key: address) -> uint256:
    return latch._held_until(key)
"""


@pytest.fixture
def new_latch():
    """A latch on a chain of its own whose times are seconds from now."""
    artifact = artifacts.compile_source(LATCH, "LatchUser")

    def make(timestamp=1_700_000_000):
        host = EvmHost(timestamp=timestamp)
        sender = host.account("breaker")
        address = host.deploy_raw(artifact.abi, artifact.bytecode, sender=sender)

        class Latch:
            key = host.account("asset")
            other = host.account("other asset")

            def set(self, caution_until, halt_until, held_until, key=None):
                args = [key or self.key, caution_until, halt_until, held_until]
                host.transact(address, artifact.abi, "set", args, sender=sender)

            def set_in(self, caution, halt, held, key=None):
                """Times from now; None is no expiry."""
                times = [0 if t is None else host.now + t for t in (caution, halt, held)]
                self.set(*times, key=key)

            def level(self, key=None):
                return host.call(address, artifact.abi, "level", [key or self.key])

            def until(self):
                return host.call(address, artifact.abi, "until", [self.key])

            def held_until(self):
                return host.call(address, artifact.abi, "held_until", [self.key])

        latch = Latch()
        latch.host = host
        return latch

    return make
