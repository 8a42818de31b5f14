"""The model of a whole market: one model for each contract, set up by the calls that set it up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from breakwater.errors import UserError
from breakwater.model.chain import Chain, Contract
from breakwater.model.pools import Blueprint

if TYPE_CHECKING:
    from breakwater.fuzz.world import World

MODULES = (
    "aggregators",
    "backstop",
    "blend",
    "breaker",
    "configurator",
    "engine",
    "feeds",
    "flash",
    "fund",
    "lens",
    "market_feeds",
    "mocks",
    "pools",
    "risk",
    "sequencer",
    "timelock",
    "tokens",
    "vault",
)


class MirrorError(UserError):
    """A contract that has no model, or a call of the set-up that the model refuses."""


@cache
def models() -> dict[str, Callable[..., Contract]]:
    """The model of each deployable, by its name."""
    found: dict[str, Callable[..., Contract]] = {}
    for module in MODULES:
        for value in vars(import_module(f"breakwater.model.{module}")).values():
            if isinstance(value, type) and issubclass(value, Contract) and value.NAME:
                found[value.NAME] = value
    return found


def mirror(world: World) -> Chain:
    """The model of a world as it was when its set-up had ended. MirrorError, see there.

    The world's host must stand there still: the model takes its time and block.
    """
    first = world.record[0]
    chain = Chain(first.now, first.block, world.host.chain_id)
    for setup in world.record:
        chain.now, chain.block = setup.now, setup.block
        if setup.kind == "blueprint":
            Blueprint(chain, setup.address, setup.contract)
            continue
        if setup.kind == "deploy":
            deploy(chain, setup.contract, setup.address, setup.args)
            continue
        outcome = chain.transact(setup.sender, setup.address, setup.function, plain(setup.args))
        if outcome.reason is not None:
            raise MirrorError(
                f"the model refuses {setup.name}.{setup.function}: "
                f"{outcome.reason or 'without a reason'}"
            )
    chain.now, chain.block = world.host.now, world.host.block
    return chain


def deploy(chain: Chain, name: str, address: str, args: Sequence[Any]) -> Contract:
    """The model of one contract as it is constructed now. MirrorError without a model."""
    model = models().get(name)
    if model is None:
        raise MirrorError(f"there is no model of {name}")
    return model(chain, address, *plain(args))


def plain(value: Any) -> Any:
    """A value with tuples for all arrays and structs, so that the state stays immutable."""
    if isinstance(value, list | tuple):
        return tuple(plain(part) for part in value)
    return value
