"""Shared by every test. Nothing here imports ape: a test that needs a node asks for `ape_host`.

`host` is the chain in this process, or with BREAKWATER_HOST=ape the in-process provider of ape. A
test marked `everywhere` runs on both whatever the variable says; its second run has the mark `ape`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

os.environ["BREAKWATER_NATIVE"] = "no"  # tests change what is compiled

from breakwater.evm import EvmHost
from tests import needs

if TYPE_CHECKING:
    from breakwater.ape_host import ApeHost
    from breakwater.host import Host
    from tests.market import Market


# Tests of the laboratory itself compare builds or read a chain's raw words: an instrumented build
# under them is another subject.
collect_ignore = (
    [
        "stateful",
        "unit/python/test_campaign.py",
        "unit/python/test_fuzz_judgement.py",
        "unit/python/test_fuzz_lane.py",
        "unit/python/test_mutation.py",
        "unit/python/test_planted.py",
    ]
    if os.environ.get("BREAKWATER_COVERAGE")
    else []
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "everywhere: runs on each kind of host")
    config.addinivalue_line("markers", "needs(tool): see tests/needs.py")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    needs.check(item)


def pytest_sessionfinish() -> None:
    """See `breakwater.coverage.host`: a worker of xdist ends without the usual farewell."""
    if os.environ.get("BREAKWATER_COVERAGE"):
        from breakwater.coverage.host import save_process

        save_process()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marked = metafunc.definition.get_closest_marker("everywhere") is not None
    if marked and "host" in metafunc.fixturenames:
        kinds = ["evm", pytest.param("ape", marks=pytest.mark.ape)]
        metafunc.parametrize("host", kinds, indirect=True)


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A fresh chain in this process; see above for ape's."""
    kind = getattr(request, "param", os.environ.get("BREAKWATER_HOST", "evm"))
    if kind == "evm":
        yield EvmHost()
        return
    if kind != "ape":
        raise pytest.UsageError(f"BREAKWATER_HOST is evm or ape, not {kind}")
    import ape

    market, deployed = request.getfixturevalue("_ape_market")
    with ape.networks.ethereum.local.use_provider("test"):
        market.host.restore(deployed)
        yield market.host


@pytest.fixture(scope="session")
def _ape_market() -> tuple[Market, int]:
    """A market on ape's in-process provider, deployed once since that takes seconds, and the
    snapshot that every test there begins with.
    """
    import ape

    from breakwater.ape_host import ApeHost
    from tests.market import Market

    with ape.networks.ethereum.local.use_provider("test") as provider:
        market = Market(ApeHost(provider))
        return market, market.host.snapshot()


@pytest.fixture(scope="session")
def _anvil() -> Iterator[object]:
    needs.require("anvil")
    from breakwater.anvil import running
    from breakwater.ape_host import connected
    from breakwater.devnet import HARDFORK, NETWORK

    options = ("--hardfork", HARDFORK, "--accounts", "20")
    with running(*options) as url, connected(NETWORK, url) as provider:
        yield provider


@pytest.fixture
def ape_host(_anvil: object) -> Iterator[ApeHost]:
    """Anvil through ape; what a test does there is undone after it."""
    from breakwater.ape_host import ApeHost

    host = ApeHost()
    start = host.snapshot()
    yield host
    host.restore(start)
