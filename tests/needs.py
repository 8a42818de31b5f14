"""What some tests need and a machine may lack: `@pytest.mark.needs("anvil")`.

Without the tool a test is skipped; with CI in the environment it fails, since there nobody reads
what was skipped. Price files are not in the repository: without them a test is skipped anywhere.
"""

from __future__ import annotations

import os

import pytest

from breakwater import anvil, artifacts

PRICES = artifacts.ROOT.parent / "shared" / "data"


def check(item: pytest.Item) -> None:
    """Skip or fail a test that has the mark `needs`."""
    for mark in item.iter_markers("needs"):
        for what in mark.args:
            require(what)


def require(what: str) -> None:
    """Skip or fail the running test unless the machine has "prices", or a tool of `_INSTALLED`."""
    if what == "prices":
        if not PRICES.is_dir():
            pytest.skip(f"there are no price files: no folder {PRICES}")
        return
    if not _INSTALLED[what]():
        missing = f"{what} is not installed: run `make node`"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


def _anvil() -> bool:
    try:
        return anvil.find().is_file()
    except anvil.AnvilError:
        return False


def _forge() -> bool:
    from benchmarks import foundry

    return foundry.FORGE.is_file()


def _uniswap() -> bool:
    from breakwater import foreign

    return foreign.is_installed()


_INSTALLED = {"anvil": _anvil, "forge": _forge, "uniswap": _uniswap}
