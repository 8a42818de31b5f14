"""The models of the mock tokens beside the contracts."""

from __future__ import annotations

import random

import pytest

from breakwater.host import interface_of
from breakwater.model.chain import ZERO_ADDRESS
from tests.unit.python.vault_twins import Twins

KINDS = ("TokenMock", "OddTokenMock", "HookTokenMock", "StakedTokenMock", "TwinTokenMock")


@pytest.mark.parametrize("kind", KINDS)
def test_tokens__random_calls(kind):
    """Every function of a token's ABI with small numbers and great ones."""
    twins = Twins(("owner", "lender", "other"))
    pick = random.Random(kind).choice
    asset = twins.deploy("OddTokenMock", "Asset", "ASSET", 12)
    is_over_another = kind in ("StakedTokenMock", "TwinTokenMock")
    named = ("A token with a name of 32 bytes.", "TKN", asset if is_over_another else 12)
    token = twins.deploy(kind, *(named[2:] if kind == "TwinTokenMock" else named))
    people = [*twins.accounts.values(), ZERO_ADDRESS, token]
    functions = list(interface_of(kind).functions.values())
    hooks = [twins.encoded(asset, "totalSupply"), twins.encoded(asset, "mint", people[0], 5), b"\1"]
    for step in range(1_500):
        function, target = pick(functions), token
        if is_over_another and pick((True, False, False)):
            target = asset
            function = pick(list(interface_of("OddTokenMock").functions.values()))
        args = []
        for entry in function.inputs.entries:
            numbers = (0, 1, 2, 1_000, 10**6, 10**18, 2**128, 2**256 - 1)
            numbers = (0, 1, 2, 3) if entry["name"] == "answer" else numbers
            choices = {"uint256": numbers, "address": people, "bool": (True, False, False)}
            choices["bytes"] = hooks
            args.append(pick((*choices[entry["type"]],)))
        if function.name == "set_hook":
            args[0] = pick((token, asset, people[0], ZERO_ADDRESS))
        twins.call(pick(people[:3]), target, function.name, *args)
        twins.compare(f"step {step}:")
    names = {name for name, reason in twins.reasons if reason is None}
    assert names >= {function.name for function in functions}
