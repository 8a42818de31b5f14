"""Shared by every test. Nothing here imports ape: a test that needs a node asks for `ape_host`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from breakwater.evm import EvmHost

if TYPE_CHECKING:
    from breakwater.ape_host import ApeHost


@pytest.fixture
def host() -> EvmHost:
    """A fresh chain in this process."""
    return EvmHost()


@pytest.fixture(scope="session")
def _anvil() -> Iterator[object]:
    import shutil

    if shutil.which("anvil") is None:
        pytest.skip("anvil is not installed: run `make node`")
    import ape

    with ape.networks.ethereum.local.use_provider("foundry") as provider:
        yield provider


@pytest.fixture
def ape_host(_anvil: object) -> Iterator[ApeHost]:
    """Anvil through ape; what a test does there is undone after it."""
    from breakwater.ape_host import ApeHost

    host = ApeHost()
    start = host.snapshot()
    yield host
    host.restore(start)
