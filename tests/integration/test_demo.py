"""The demo command: same seed, same figures; a broken promise is exit code 1; foreign files run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from breakwater import artifacts
from breakwater.cli import main
from breakwater.promises.verdicts import Finding, Promise
from tests.needs import PRICES

FILES = sorted(PRICES.glob("*ETH-USD*.csv"))
HEADER = "timestamp,open,high,low,close,volume\n"


def run(tmp_path: Path, *args: str) -> tuple[int, str, dict]:
    target = tmp_path / "figures.json"
    target.unlink(missing_ok=True)
    options = ["demo", "--json", str(target), "--out", str(tmp_path / "out"), *args]
    result = CliRunner().invoke(main, options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    found = json.loads(target.read_text()) if target.exists() else {}
    return result.exit_code, result.output, found


def crash(tmp_path: Path) -> str:
    """Two hours of quiet, then a third of the price gone in forty minutes."""
    closes = [200.0] * 12 + [200 - 16 * i for i in range(1, 5)] + [136.0, 140.0]
    rows, before = [], 200.0
    for index, close in enumerate(closes):
        high, low = max(before, close), min(before, close)
        rows.append(f"{1_600_000_000 + 600 * index},{before},{high},{low},{close},")
        before = close
    path = tmp_path / "crash.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return str(path)


def test_demo__figures_of_the_readme(tmp_path):
    """Of its default run."""
    text = (artifacts.ROOT / "README.md").read_text(encoding="utf-8")
    text = " ".join(text.split("The demo's crash")[1].split("\n\n")[0].split())
    code, output, found = run(tmp_path)
    assert code == 0, output
    done = found["liquidations"]
    assert [vault["loss_of_lenders"] for vault in found["vaults"].values()] == [0, 0, 0]
    for part in (
        f"in {found['bars']} bars",
        f"{done['accounts']} accounts are liquidated in {done['count']} calls",
        f"for {done['repaid_usd']:,.0f} USD of debt",
        f"{done['loss_usd']:,.0f} USD of a debt of {int(found['peak_debt_usd']):,} stay unpaid",
        "all of which the fund bears",
        f"`{output.strip().splitlines()[-1]}`",
    ):
        assert part in text, part


def test_demo__same_seed_same_figures(tmp_path):
    path = crash(tmp_path)
    args = ("--prices", path, "--borrowers", "20", "--seed", "7")
    first, again = run(tmp_path, *args), run(tmp_path, *args)
    assert first[0] == 0, first[1]
    assert first[2] == again[2]
    assert first[2]["liquidations"]["count"] > 0
    assert first[2]["breaker"]
    other = run(tmp_path, *args[:-1], "8")
    assert other[2]["liquidations"] != first[2]["liquidations"]


def test_demo__figures_and_output(tmp_path):
    code, output, figures = run(tmp_path, "--prices", crash(tmp_path), "--borrowers", "20")
    assert code == 0, output
    count = figures["promises_judged"]
    assert output.strip().splitlines()[-1] == f"promises held: {count}/{count}"
    assert "\x1b" not in output
    assert set(figures["vaults"]) == {"USDC", "WETH", "WBTC"}
    for vault in figures["vaults"].values():
        assert {"cash", "debt", "claims", "loss"} <= set(vault)
        assert vault["claims"] <= vault["cash"] + vault["debt"]
    events = figures["liquidations"]["events"]
    assert sum(event["repaid"] for event in events) == pytest.approx(
        figures["liquidations"]["repaid_usd"], abs=0.01
    )
    assert figures["bad_debt_bps"] == pytest.approx(
        1e4 * figures["bad_debt_usd"] / figures["peak_debt_usd"], abs=1e-3
    )
    report = (tmp_path / "out" / "report.html").read_text()
    assert "{{" not in report.split('id="data"')[0]
    assert "src=" not in report
    assert "http" not in report.replace("http://www.w3.org/2000/svg", "")


def test_demo__broken_promise__exit_code_1(tmp_path, monkeypatch):
    def never(observation):
        yield Finding(-1, "nothing is ever right")

    broken = Promise("SOLV-0", "Everything is always right.", never)
    monkeypatch.setattr("breakwater.promises.catalogue", lambda: [broken])
    path = crash(tmp_path)
    code, output, figures = run(tmp_path, "--prices", path, "--borrowers", "3", "--bars", "2")
    assert code == 1
    assert output.strip().splitlines()[-1] == "promises held: 0/1"
    assert "nothing is ever right" in output
    assert figures["promises"]["SOLV-0"]["held"] is False


def test_demo__interrupted__keeps_what_was_found(tmp_path, monkeypatch):
    from breakwater.demo.simulation import Simulation

    step, count = Simulation._step, [0]

    def interrupted(self, point):
        count[0] += 1
        if count[0] == 30:
            raise KeyboardInterrupt
        step(self, point)

    monkeypatch.setattr(Simulation, "_step", interrupted)
    path = crash(tmp_path)
    code, output, figures = run(tmp_path, "--prices", path, "--borrowers", "5")
    assert code == 130
    assert "interrupted" in output
    assert figures["interrupted"] is True
    assert 0 < figures["bars"] < 18


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--prices", "none.csv"), "none.csv: there is no such file"),
        (("--prices", "DOGE=none.csv"), "unknown asset DOGE"),
        (("--prices", "WBTC=btc.csv"), "give the prices of WETH too"),
        (("--prices", "bad.csv"), "bad.csv, line 3: high 8 is below low 9"),
        (("--prices", "tiny.csv"), "WETH begins at 0.5 USD"),
        (("--prices", "btc.csv", "--prices", "btc.csv"), "two files for the collateral"),
        (("--prices", "btc.csv", "--prices", "WBTC=late.csv"), "does not cover the time"),
        (("--market", "none.yaml"), "there is no such market file"),
    ],
)
def test_demo__user_error(tmp_path, monkeypatch, args, says):
    monkeypatch.chdir(tmp_path)
    Path("bad.csv").write_text(HEADER + "1000,10,12,9,11,\n1060,9,8,9,9,\n")
    Path("tiny.csv").write_text(HEADER + "1000,0.5,0.5,0.5,0.5,\n")
    Path("btc.csv").write_text(HEADER + "1000,9000,9000,9000,9000,\n1060,9000,9000,9000,9000,\n")
    Path("late.csv").write_text(HEADER + "9000,1,1,1,1,\n9060,1,1,1,1,\n")
    code, output, _ = run(tmp_path, *args)
    assert code == 2
    assert says in output
    assert "Traceback" not in output


@pytest.mark.ape
@pytest.mark.slow
def test_demo__on_a_node__same_figures(tmp_path):
    args = ("--prices", crash(tmp_path), "--borrowers", "6", "--seed", "3")
    code, output, figures = run(tmp_path, *args)
    assert code == 0, output
    assert figures["liquidations"]["count"] > 0
    target = tmp_path / "node.json"
    command = [sys.executable, "-m", "breakwater.cli", "demo", *args]
    command += ["--network", "ethereum:local:foundry", "--json", str(target)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "node")],
        cwd=artifacts.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(target.read_text()) == figures


@pytest.mark.needs("prices")
@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_demo__real_prices(tmp_path, path):
    code, output, figures = run(
        tmp_path, "--prices", str(path), "--bars", "24", "--borrowers", "20"
    )
    assert code == 0, output
    assert figures["bars"] == 24
    assert figures["promises_held"] == figures["promises_judged"]
