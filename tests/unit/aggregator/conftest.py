"""A contract that does nothing but read through `contracts/modules/aggregator.vy`."""

import pytest

from breakwater import artifacts
from breakwater.evm import EvmHost

READER = """
# pragma version 0.4.3
from contracts.modules import aggregator

@view
@external
def read(source: address, decimals: uint256, max_age: uint256) -> (uint256, uint256):
    return aggregator._read(source, decimals, max_age)

@view
@external
def read_feed(source: address) -> (uint256, uint256, uint256, uint256, uint256):
    return aggregator._read_feed(source)
"""


@pytest.fixture
def host():
    return EvmHost()


@pytest.fixture
def deployer(host):
    return host.account("deployer")


@pytest.fixture
def reader(host, deployer):
    artifact = artifacts.compile_source(READER, "AggregatorReader")
    address = host.deploy_raw(artifact.abi, artifact.bytecode, sender=deployer)

    class Reader:
        abi = artifact.abi

        @staticmethod
        def read(source, decimals=8, max_age=3_600):
            return host.call(address, artifact.abi, "read", [source, decimals, max_age])

        @staticmethod
        def read_feed(source):
            return host.call(address, artifact.abi, "read_feed", [source])

    Reader.address = address
    return Reader
