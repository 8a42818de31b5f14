"""The devnet and the `ape run` commands: three people in three processes, and what they mistype."""

from __future__ import annotations

import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from breakwater import artifacts
from breakwater.artifacts import ROOT
from tests.devnet import PROGRAMS, Devnet, free_port

pytestmark = [
    pytest.mark.ape, pytest.mark.slow, pytest.mark.needs("anvil"), pytest.mark.needs("uniswap"),
]  # fmt: skip


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    artifacts.load_all()
    devnet = Devnet(tmp_path_factory.mktemp("devnet"))
    devnet.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BREAKWATER_DEVNET", str(devnet.folder))
        try:
            yield devnet
        finally:
            devnet.stop()


def invoke(name: str, *arguments: str) -> Result:
    """A command in this process: faster, where what is shown is an error."""
    cli = runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))["cli"]
    return CliRunner().invoke(cli, list(arguments))


def test_position__from_lender_to_liquidator(devnet: Devnet) -> None:
    said = devnet.run("supply", "1000000", "USDC", "--yes")
    assert "lend 1,000,000 USDC, as lender (0x3C44Cd…)" in said
    assert re.search(r"lent USDC +0 USDC +1,000,000\.00 USDC", said)

    tried = devnet.run("borrow", "2000 USDC", "--collateral", "1 WETH")
    said = devnet.run("borrow", "2000 USDC", "--collateral", "1 WETH", "--yes")
    assert "borrow 2,000 USDC, add 1 WETH, as borrower" in said
    # 3000 · 0.83 ÷ 2000, a few seconds' interest off
    assert re.search(r"health factor +no debt +1\.24(49|5)", said)
    assert re.search(r"liquidation price of WETH +- +2,409\.6\d USD", said)
    # a dry run shows what comes, and stays one
    assert said.partition("sent.")[0] == tried.partition("a dry run")[0]

    said = devnet.run("position", "borrower")
    assert "holds 1.000000 WETH = 3,000.00 USD, at 3,000.00 USD" in said
    # 2000 ÷ 0.83, and the interest
    assert "liquidation price 2,409.6" in said
    assert re.search(r"leverage (3\.00|2\.99) x \(at most 5\.00 x", said)

    # everything goes on after a restart, and nothing is deployed a second time
    book = (devnet.folder / "devnet.local.json").read_text()
    devnet.stop()
    assert "everything was deployed already" in devnet.start()
    assert (devnet.folder / "devnet.local.json").read_text() == book
    said = devnet.run("repay", "100 USDC", "--yes")
    assert "repay 100 USDC, as borrower" in said

    said = devnet.run("set_price", "WETH", "2250")
    assert "WETH is at 2,250.00 USD (was 3,000.00 USD)" in said
    assert "WETH: level CAUTION" in said
    assert "CAUTION by price jump" in devnet.run("breaker", "status")

    said = devnet.run("liquidate", "borrower", "USDC", "WETH", "--yes")
    assert re.search(r"pay [\d,.]+ USDC, take 0\.\d+ WETH, as liquidator", said)
    assert re.search(r"health factor +0\.9\d+ +1\.0[45]\d\d", said)

    said = devnet.run("repay", "all USDC", "--withdraw", "all WETH", "--yes")
    assert re.search(r"health factor +1\.0\d+ +no debt", said)
    said = devnet.run("withdraw", "all USDC", "--yes")
    assert "withdraw 1,000,000." in said


def test_set_price__advance_lets_the_average_follow(devnet: Devnet) -> None:
    said = devnet.run("set_price", "WBTC", "57500", "--advance", "2 h")
    assert "clock moved on by 2 h" in said
    assert "WBTC: level NORMAL, price valid" in said


def test_breaker__trip_and_reset(devnet: Devnet) -> None:
    assert "WBTC is at level HALT for 2 h" in devnet.run("breaker", "trip", "WBTC", "halt", "2 h")
    assert "HALT by guardian" in invoke("breaker", "status").output
    said = invoke("borrow", "100 USDC", "--collateral", "1 WBTC").output
    assert "WBTC counts nothing as collateral. WBTC is at level HALT: HALT by guardian for" in said
    assert "not even the least debt of 99.99 USDC can be borrowed" in said
    assert "lifted 1 latch of WBTC" in invoke("breaker", "reset", "WBTC").output
    assert "lifted 0 latches of WBTC" in invoke("breaker", "reset", "WBTC").output


def test_deploy__says_that_nothing_is_left(devnet: Devnet) -> None:
    said = devnet.run("deploy")
    assert "everything was deployed already" in said
    assert "owned by the timelock" in said


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("supply|5 FOO", "FOO is not listed here: USDC, WETH, WBTC, wstETH are"),
        ("supply|5", 'an amount is written like "1.5 WETH"'),
        ("supply|five USDC", "not a number"),
        ("supply|--|-5 USDC", "the amount must be above zero"),
        ("supply|0 USDC", "the amount must be above zero"),
        ("supply|0.0000001 USDC", "more than 6 digits after the point"),
        ("supply|1 wstETH", "wstETH has no vault here: USDC, WETH, WBTC have"),
        ("supply|99000000 USDC", "USDC, which is less than the 99,000,000 USDC to lend"),
        ("supply|999000000 USDC", "takes at most"),
        ("supply|1 USDC|--account|nobody", "nobody is no account"),
        ("supply|1 USDC|--account|TEST::99", "TEST::99 is not there"),
        ("withdraw|all WBTC|--account|guardian", "has lent no WBTC"),
        ("borrow", "say what to borrow"),
        ("borrow|10 USDC|--number|5", "the least debt in USDC is 99.999744 USDC"),
        ("borrow|5000 USDC|--number|5", "the vault of USDC has 1,"),
        (
            "borrow|0.3 WETH|--number|5",
            "not even the least debt of 0.049999 WETH can be borrowed",
        ),
        (
            "borrow|0.5 WETH|--collateral|1000 USDC|--number|5",
            " of 1: borrow at most 0.",
        ),
        ("borrow|--collateral|1000000 wstETH", "to add as collateral"),
        ("borrow|--collateral|1 WETH|--collateral|1 WETH", "WETH is added twice"),
        ("borrow|1 WETH|--number|-1", "an account's number is from 0"),
        ("repay", "say what to repay"),
        ("repay|5 WBTC|--number|7", "has no debt in WBTC"),
        ("repay|--withdraw|1 WETH|--number|7", "no such collateral. It holds 0 WETH."),
        ("position|nobody", "nobody is no account"),
        ("liquidate|lender|USDC|WETH", "is healthy"),
        ("liquidate|borrower|USDC|WETH|--max|1 WETH", "--max is an amount of USDC"),
        ("liquidate|borrower|wstETH|WETH", "wstETH has no vault here"),
        ("set_price|WETH|cheap", "the price is USD for one WETH"),
        ("set_price|WETH|1", "is outside of what the market takes for a valid price of WETH"),
        ("set_price|wstETH|3000", "the price of wstETH follows that of WETH: set WETH"),
        ("set_price|WETH|3000|--advance|soon", "a duration is written like"),
        ("breaker|trip|WETH|halt|2 h|--account|lender", "only the guardian, guardian"),
        ("breaker|trip|WETH|halt|8 days", "A trip lasts at most 7 days."),
        ("breaker|reset|FOO", "FOO is not listed here"),
        ("deploy|--market|none.yaml", "there is no such market file"),
        ("position|--network|ethereum:nowhere:foundry", "cannot be used"),
    ],
)
def test_command__wrong_input_is_a_sentence(devnet: Devnet, command: str, says: str) -> None:
    name, *arguments = command.split("|")
    result = invoke(name, *arguments)
    assert result.exit_code == 2, result.output
    assert result.output.startswith("Error: ")
    assert says in result.output
    assert "Traceback" not in result.output
    assert "not foreseen" not in result.output


@pytest.mark.parametrize(
    "name",
    [
        "borrow",
        "breaker",
        "deploy",
        "keeper",
        "liquidate",
        "position",
        "repay",
        "set_price",
        "supply",
        "withdraw",
        "accounts",
        "markets",
        "fund",
        "backstop",
        "operator",
        "timelock",
        "leverage",
        "order",
        "watch",
    ],
)
def test_command__help(name: str) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 5


def test_devnet__port_is_taken(devnet: Devnet) -> None:
    found = subprocess.run(
        [PROGRAMS / "breakwater", "devnet", "--port", str(devnet.port)],
        capture_output=True,
        text=True,
        env=devnet.environment,
        cwd=ROOT,
        timeout=120,
    )
    assert found.returncode == 2
    assert f"port {devnet.port} is taken by the devnet that runs already" in found.stderr


def test_command__no_devnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "devnet.json").write_text(f'{{"url": "http://127.0.0.1:{free_port()}"}}')
    monkeypatch.setenv("BREAKWATER_DEVNET", str(tmp_path))
    result = invoke("position")
    assert result.exit_code == 2
    assert "no devnet is running at" in result.output
    assert "`make devnet` starts one" in result.output
