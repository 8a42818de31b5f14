"""The modules of interest and rates, callable under the names of their model."""

from breakwater import artifacts

_SOURCE = """
# pragma version 0.4.3
from contracts.modules import interest
from contracts.modules import rate_model

@view
@external
def grown(index: uint256, rate: uint256, elapsed: uint256) -> uint256:
    return interest._grow(index, rate, elapsed)

@view
@external
def growth_down(x: uint256) -> uint256:
    return interest._growth(x)

@view
@external
def borrow_rate(r: uint256, u: uint256, target: uint256, steepness: uint256) -> uint256:
    return rate_model._borrow_rate(r, u, target, steepness)

@view
@external
def drifted(
    r: uint256, u: uint256, t: uint256, speed: uint256, dt: uint256, low: uint256, high: uint256
) -> uint256:
    return rate_model._drift(r, u, t, speed, dt, low, high)
"""


def deploy(host):
    """A function that calls one of them."""
    artifact = artifacts.compile_source(_SOURCE, "Rates")
    address = host.deploy_raw(artifact.abi, artifact.bytecode, sender=host.account("owner"))
    return lambda function, *args: host.call(address, artifact.abi, function, list(args))
