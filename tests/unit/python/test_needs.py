"""Tests that lack a tool: skipped on somebody's machine, failed where nobody reads it."""

from __future__ import annotations

import pytest

from breakwater import artifacts
from tests import needs


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with nothing but Python."""
    monkeypatch.setattr(artifacts, "ROOT", tmp_path)
    monkeypatch.setattr("benchmarks.foundry.FORGE", tmp_path / "forge")
    monkeypatch.setattr(needs, "PRICES", tmp_path / "data")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)


@pytest.mark.parametrize("tool", ["anvil", "forge"])
def test_needs__a_missing_tool(bare, request, monkeypatch, tool):
    request.node.add_marker(pytest.mark.needs(tool))
    with pytest.raises(pytest.skip.Exception, match=f"{tool} is not installed: run `make node`"):
        needs.check(request.node)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"{tool} is not installed: run `make node`"):
        needs.check(request.node)


@pytest.mark.parametrize("ci", ["", "true"])
def test_needs__missing_prices_fail_nowhere(bare, monkeypatch, ci):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(pytest.skip.Exception, match="there are no price files"):
        needs.require("prices")


def test_needs__a_tool_that_is_there(bare, monkeypatch, tmp_path):
    monkeypatch.setenv("CI", "true")
    (tmp_path / "anvil").write_text("#!/bin/sh\n")
    (tmp_path / "anvil").chmod(0o755)
    needs.require("anvil")
