"""What `ape compile` makes is what everything else here runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from breakwater import artifacts


@pytest.mark.ape
@pytest.mark.slow
def test_ape_compile__gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By ape's own compiler plugin with the project's configuration, for all but mocks."""
    # where the plugin looks for the compiler
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    import ape

    ours = {name: found for name, found in artifacts.load_all().items() if not found.is_mock}
    paths = [artifacts.ROOT / artifact.source_id for artifact in ours.values()]
    project = ape.Project(artifacts.ROOT)
    compiled = set()
    for contract in ape.compilers.get_compiler("vyper").compile(paths, project=project):
        artifact = ours[contract.name]
        assert contract.deployment_bytecode.to_bytes() == artifact.bytecode, contract.name
        assert contract.runtime_bytecode.to_bytes() == artifact.deployed, contract.name
        compiled.add(contract.name)
    assert compiled == set(ours)
