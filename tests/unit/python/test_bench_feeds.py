"""Gas of quotes: what the README shows was measured, and on a node, cold, the limits suffice."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks import feeds
from breakwater import artifacts

SNAPSHOT = json.loads(feeds.SNAPSHOT.read_text(encoding="utf-8"))
README = (artifacts.ROOT / "README.md").read_text(encoding="utf-8")


def test_main__help_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["feeds", "--help"])
    monkeypatch.setattr(feeds, "anvil", lambda: pytest.fail("measures"))
    with pytest.raises(SystemExit) as ended:
        feeds.main()
    assert ended.value.code == 0
    assert "Gas of one quote" in capsys.readouterr().out


def test_readme__shows_what_was_measured() -> None:
    table = README.split("| `gas_limit` |")[1].split("\n\n")[0]
    shown = [
        [number.replace(",", "") for number in re.findall(r"\d[\d,]*\d", cell)]
        for row in table.splitlines()
        if row.startswith("| `")
        for cell in row.split("|")[2:5]
    ]
    assert len(shown) == 21
    found = [int(number) for cell in shown for number in cell]
    wanted = [gas[key] for gas in SNAPSHOT.values() for key in ("quote", "burning", "gas_limit")]
    assert sorted(found) == sorted(wanted)


@pytest.mark.needs("anvil", "uniswap")
def test_measure__limits_suffice_when_everything_is_cold() -> None:
    """`measure` raises for a feed that does not answer within its gas_limit."""
    from benchmarks.node import anvil

    with anvil() as host:
        found = feeds.measure(host)
    assert set(found) == set(SNAPSHOT)
    for gas in found.values():
        assert gas.quote <= gas.burning < gas.gas_limit <= 200_000
