"""Every `ape run` command as a person types it, on one devnet; and what people mistype."""

from __future__ import annotations

import contextlib
import json
import re
import runpy
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from breakwater import artifacts, devnet, markets
from breakwater.addresses import AddressBook
from breakwater.artifacts import ROOT
from tests.devnet import PROGRAMS, Devnet, free_port

pytestmark = [
    pytest.mark.ape, pytest.mark.slow, pytest.mark.needs("anvil"), pytest.mark.needs("uniswap"),
]  # fmt: skip

SENT = "\nsent.\n"
DRY = "\na dry run: nothing was sent. Add --yes to send it.\n"

COMMANDS = [
    "accounts",
    "backstop|cancel|1 USDC",
    "backstop|claim|USDC|WETH",
    "backstop|deposit|1 USDC",
    "backstop|show|USDC",
    "backstop|withdraw|1 USDC",
    "borrow|100 USDC",
    "breaker|hold|WETH",
    "breaker|poke|WETH",
    "breaker|reset|WETH",
    "breaker|status",
    "breaker|trip|WETH|halt|1 h",
    "deploy",
    "fund|cancel|USDC",
    "fund|exit|1 USDC",
    "fund|show|USDC",
    "fund|stake|1 USDC",
    "fund|unstake|1 USDC",
    "leverage|close|WETH|USDC",
    "leverage|decrease|WETH|USDC|2",
    "leverage|increase|WETH|USDC|2",
    "leverage|open|WETH|USDC|2|--own|1 WETH",
    "leverage|swap-collateral|1 WETH|WBTC",
    "leverage|swap-debt|1 USDC|WETH",
    "liquidate|borrower|USDC|WETH",
    "markets",
    "operator|grant|liquidator|--may|borrow",
    "operator|revoke|liquidator",
    "operator|show|liquidator",
    "order|cancel|1",
    "order|execute|1",
    "order|list",
    "order|sign|WETH|USDC|--when|WETH <= 2500|--fee|5 USDC",
    "position",
    "repay|1 USDC",
    "set_price|WETH|3000",
    "supply|1 USDC",
    "timelock|cancel|0x1234",
    "timelock|execute|0x1234",
    "timelock|list",
    "timelock|propose|set_cap|WETH|1 WETH",
    "withdraw|1 USDC",
]
"""Every command and subcommand of ours, but the keeper's, which has a test of its own."""

AMOUNTS = [
    "backstop|cancel|--|{}",
    "backstop|deposit|--|{}",
    "backstop|withdraw|--|{}",
    "borrow|--|{}",
    "borrow|--collateral|{}",
    "fund|exit|--|{}",
    "fund|stake|--|{}",
    "fund|unstake|--|{}",
    "leverage|open|WETH|USDC|2|--number|9|--own|{}",
    "leverage|swap-collateral|--|{}|WBTC",
    "leverage|swap-debt|--|{}|WETH",
    "liquidate|borrower|USDC|WETH|--max|{}",
    "operator|grant|liquidator|--may|borrow|--what|{}",
    "order|sign|WETH|USDC|--when|WETH <= 2500|--fee|{}",
    "repay|--|{}",
    "repay|--withdraw|{}",
    "supply|--|{}",
    "withdraw|--|{}",
]
"""Where an amount goes in."""


# ------------------------------------------------------------------------------ the devnet


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    artifacts.load_all()
    found = Devnet(tmp_path_factory.mktemp("devnet"))
    found.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BREAKWATER_DEVNET", "APE_DATA_FOLDER"):
            patch.setenv(name, found.environment[name])
        try:
            yield found
        finally:
            found.stop()


@pytest.fixture(scope="module")
def lent(running: Devnet) -> Devnet:
    """A devnet where USDC and WETH can be borrowed."""
    assert SENT in running.run("supply", "2000000", "USDC", "--yes")
    assert SENT in invoke("supply", "1000 WETH", "--yes").output
    return running


@pytest.fixture(scope="module")
def connection(running: Devnet) -> Iterator[Any]:
    with devnet.connect() as host:
        yield host


@pytest.fixture
def quick(connection: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command in this process, over a connection that stays."""

    def connect(network: str = devnet.NETWORK) -> contextlib.nullcontext[Any]:
        return contextlib.nullcontext(connection)

    monkeypatch.setattr(devnet, "connect", connect)
    # the same each time, and most of a command's time
    monkeypatch.setattr(markets, "load", cache(markets.load))
    monkeypatch.setattr(AddressBook, "check", lambda book, host: None)
    return invoke


def invoke(name: str, *arguments: str) -> Result:
    """A command in this process."""
    cli = runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))["cli"]
    return CliRunner().invoke(cli, list(arguments))


def is_refused(result: Result) -> None:
    """One sentence, and the exit code of what the user can mend."""
    assert result.exit_code == 2, result.output
    assert "Error: " in result.output
    assert "Traceback" not in result.output
    assert "not foreseen" not in result.output


def said(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def rpc(running: Devnet, method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    address = f"http://127.0.0.1:{running.port}"
    request = urllib.request.Request(address, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())["result"]


# ------------------------------------------------------------------------------ one after the other


def test_overview(lent: Devnet) -> None:
    text = lent.run("markets")
    assert re.search(r"WETH +3,000\.00 USD +3,000\.00 USD +valid +NORMAL +80\.00 %", text)
    assert re.search(r"USDC +NORMAL +0 USDC +2,001,000\.00 USDC", text)
    assert text.endswith("next: ape run accounts\nnext: ape run supply 1000 USDC\n")
    text = lent.run("accounts")
    assert re.search(r"lender +0x3C44Cd\w+ +3,000,000\.00 USDC, .* +2,000,000\.00 USDC", text)
    assert len(text.splitlines()) == 22


def test_withdraw(lent: Devnet, quick: Callable[..., Result]) -> None:
    text = lent.run("withdraw", "1000 USDC")
    assert re.search(r"lent USDC +2,000,000\.00 USDC +1,999,000\.00 USDC", text)
    assert text.endswith(DRY)
    assert said(quick("withdraw", "1000 USDC")) == text, "a dry run has changed something"


def test_borrow__refused_leaves_nothing_behind(lent: Devnet, quick: Callable[..., Result]) -> None:
    """Not even the approval that would have come first."""
    borrower = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
    before = rpc(lent, "eth_getTransactionCount", borrower, "latest")
    refused = quick("borrow", "5000 USDC", "--collateral", "1.25 WETH", "--number", "6", "--yes")
    is_refused(refused)
    assert refused.output.endswith("borrow at most 3,000.00 USDC.\n")
    assert rpc(lent, "eth_getTransactionCount", borrower, "latest") == before


def test_liquidate(lent: Devnet, quick: Callable[..., Result]) -> None:
    said(quick("borrow", "2000 USDC", "--collateral", "1 WETH", "--number", "7", "--yes"))
    said(quick("set_price", "WETH", "2300"))
    text = lent.run("liquidate", "borrower", "USDC", "WETH", "--number", "7")
    assert re.search(r"health factor +0\.95\d\d +1\.0", text)
    assert re.search(r"in the liquidator's wallet, WETH +500\.000000 WETH +500\.\d+ WETH", text)
    assert DRY in text
    assert "terms: repay " in text
    assert "below maintenance, anyone may liquidate" in said(
        quick("position", "borrower", "--number", "7")
    )
    text = said(quick("liquidate", "borrower", "USDC", "WETH", "--number", "7", "--yes"))
    assert SENT in text
    assert "next: ape run position borrower --number 7" in text
    said(quick("repay", "max USDC", "--withdraw", "max WETH", "--number", "7", "--yes"))
    # a jump up confirms itself in two pokes, and CAUTION ends half an hour later
    said(quick("set_price", "WETH", "3000", "--advance", "2 h"))


def test_repay__of_another(lent: Devnet, quick: Callable[..., Result]) -> None:
    said(quick("borrow", "2000 USDC", "--collateral", "1 WETH", "--number", "8", "--yes"))
    text = lent.run("repay", "max USDC", "--of", "borrower", "--number", "8", "--account", "lender")
    assert re.search(r"owes USDC +2,000\.00 USDC +-", text)
    assert "in account 8 of borrower (0x90F79b…), as lender" in text
    said(quick("repay", "max USDC", "--withdraw", "all WETH", "--number", "8", "--yes"))


def test_fund(lent: Devnet, quick: Callable[..., Result]) -> None:
    text = lent.run("fund", "stake", "1000", "USDC", "--account", "staker", "--yes")
    assert re.search(r"staked USDC +0 USDC +(1,000\.00|999\.99) USDC", text)
    assert 'next: ape run fund exit "max USDC" --account staker' in text
    who = ("--account", "staker")
    text = said(quick("fund", "exit", "max USDC", "--yes", *who))
    assert "usable in 20 days" in text
    is_refused(quick("fund", "unstake", "max USDC", *who))
    assert "ticket to leave" in said(quick("fund", "show", "USDC", *who))
    assert re.search(
        r"ticket to leave .* +none", said(quick("fund", "cancel", "USDC", "--yes", *who))
    )


def test_backstop(lent: Devnet, quick: Callable[..., Result]) -> None:
    text = lent.run("backstop", "deposit", "500", "USDC", "--account", "staker", "--yes")
    assert re.search(r"waits to join +0 USDC +500\.00 USDC", text)
    who = ("--account", "staker")
    is_refused(quick("backstop", "withdraw", "max USDC", *who))
    text = said(quick("backstop", "cancel", "200 USDC", "--yes", *who))
    assert re.search(r"waits to join +500\.00 USDC +300\.00 USDC", text)
    assert "waits to join: 300.00 USDC" in said(quick("backstop", "show", "USDC", *who))


def test_operator(lent: Devnet, quick: Callable[..., Result]) -> None:
    grant = ("operator", "grant", "operator", "--what", "500 USDC", "--may", "borrow")
    assert DRY in lent.run(*grant)
    assert "nothing" in said(quick("operator", "show", "operator"))
    said(quick(*grant, "--yes"))
    assert "USDC: borrow, 500.00 USDC in all" in said(quick("operator", "show", "operator"))
    said(quick("borrow", "--collateral", "1 WETH", "--yes"))
    act = ("--of", "borrower", "--account", "operator")
    assert DRY in said(quick("borrow", "500 USDC", *act))
    refused = quick("borrow", "501 USDC", *act)
    is_refused(refused)
    assert "A grant leaves 500.00 USDC." in refused.output
    assert SENT in said(quick("operator", "revoke", "operator"))
    refused = quick("borrow", "500 USDC", *act)
    is_refused(refused)
    assert (
        "`ape run operator grant operator --number 0 --account borrower` grants" in refused.output
    )
    said(quick("repay", "--withdraw", "all WETH", "--yes"))


def test_leverage(lent: Devnet, quick: Callable[..., Result]) -> None:
    start = ("leverage", "open", "WETH", "USDC", "3", "--own", "1 WETH")
    text = lent.run(*start)
    assert re.search(r"leverage +1\.00 x +(3\.00|2\.99) x", text)
    assert DRY in text
    before = rpc(
        lent, "eth_getTransactionCount", "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720", "latest"
    )
    assert SENT in said(quick(*start, "--yes"))
    after = rpc(
        lent, "eth_getTransactionCount", "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720", "latest"
    )
    assert int(after, 16) - int(before, 16) == 2, "an approval of what is brought, and the trade"
    is_refused(quick(*start))
    refused = quick("leverage", "increase", "WETH", "USDC", "9")
    is_refused(refused)
    assert re.search(r"At most 4\.9\d x works now\.", refused.output)
    text = said(quick("leverage", "increase", "WETH", "USDC", "4x", "--yes"))
    assert re.search(r"leverage +3\.00 x +4\.0\d x", text)
    is_refused(quick("leverage", "increase", "WETH", "USDC", "2"))
    is_refused(quick("leverage", "decrease", "WETH", "USDC", "6"))
    text = said(quick("leverage", "decrease", "WETH", "USDC", "2", "--yes"))
    assert re.search(r"leverage +4\.0\d x +2\.0\d x", text)
    text = said(quick("leverage", "swap-collateral", "0.5 WETH", "WBTC", "--yes"))
    assert re.search(r"holds WBTC +- +0\.024\d+ WBTC", text)
    text = said(quick("leverage", "swap-debt", "max USDC", "WETH", "--yes"))
    assert re.search(r"owes USDC +[\d,.]+ USDC +-", text)
    text = said(quick("leverage", "close", "WETH", "WETH", "--yes"))
    assert re.search(r"owes WETH +[\d.]+ WETH +-", text)
    refused = quick("leverage", "close", "WBTC", "USDC")
    is_refused(refused)
    assert 'ape run repay --withdraw "all WBTC"' in refused.output


def test_order(lent: Devnet, quick: Callable[..., Result]) -> None:
    said(
        quick("leverage", "open", "WETH", "USDC", "2", "--own", "1 WETH", "--number", "1", "--yes")
    )
    sign = ("order", "sign", "WETH", "USDC", "--fee", "5 USDC", "--number", "1")
    assert DRY in lent.run(*sign, "--when", "WETH <= 2500")
    assert "no orders are signed" in said(quick("order", "list"))
    said(quick(*sign, "--when", "WETH <= 2500", "--yes"))
    said(quick(*sign, "--when", "health <= 2", "--to", "3", "--yes"))
    said(quick(*sign, "--when", "WETH >= 2900", "--yes"))
    text = said(quick("order", "list"))
    assert (
        "1: trader (0xa0Ee7A…): when WETH is at most 2,500.00 USD, sell all WETH for USDC" in text
    )
    assert "   What the order waits for has not come.\n2: " in text
    assert "sell WETH and repay USDC until it is 2.5000 to 3.0000" in text
    is_refused(quick("order", "execute", "1"))
    text = said(quick("order", "execute", "2", "--yes"))
    assert re.search(r"health factor +1\.6\d+ +2\.7\d+", text)
    assert re.search(r"in the keeper's wallet, USDC +([\d,]+)\.\d\d USDC", text)
    text = said(quick("order", "execute", "2"))
    assert re.search(r"holds WETH +[\d.]+ WETH +-", text)
    is_refused(quick("order", "cancel", "1", "--account", "lender"))
    assert "void: when WETH is at most" in said(quick("order", "cancel", "1"))
    assert "every order that trader" in said(quick("order", "cancel", "all"))
    assert "no orders are signed" in said(quick("order", "list"))
    is_refused(quick("order", "execute", "1"))
    said(quick("leverage", "close", "WETH", "USDC", "--number", "1", "--yes"))


def test_timelock(lent: Devnet, quick: Callable[..., Result]) -> None:
    text = lent.run("timelock", "propose", "set_cap", "WETH", "60000 WETH")
    assert "configurator.set_cap(asset=tokens.WETH, cap=60000000000000000000000)" in text
    name = re.search(r"ape run timelock execute (0x[0-9a-f]{8})", text)
    assert name is not None
    again = quick("timelock", "propose", "set_cap", "WETH", "60000 WETH")
    is_refused(again)
    assert "is scheduled already" in again.output
    early = quick("timelock", "execute", name[1])
    is_refused(early)
    assert re.search(r"Its delay is over in (1 min|[45]\d s)\.", early.output)
    assert "ripe in" in said(quick("timelock", "list"))
    rpc(lent, "evm_increaseTime", 60)
    rpc(lent, "anvil_mine", "0x1")
    assert "executed configurator.set_cap" in said(quick("timelock", "execute", name[1]))
    assert "59,99" in said(quick("markets"))
    is_refused(quick("timelock", "execute", name[1]))

    # others than proposers are refused, and the guardian cancels
    stranger = quick("timelock", "propose", "seal", "--account", "stranger")
    is_refused(stranger)
    assert "governor propose and cancel, guardian cancel, anyone execute." in stranger.output
    text = said(quick("timelock", "propose", "set_borrow_ltv", "WETH", "90 %"))
    assert "today it would be refused: That is more than one step" in text
    vault = ("timelock", "propose", "set_vault", "WETH")
    assert "50000000000000000000000" in said(quick(*vault, "deposit_cap=50000 WETH"))
    is_refused(quick(*vault, "caps=1"))
    text = said(quick("timelock", "propose", "set_guardian", "lender", "--target", "breaker"))
    assert "breaker.set_guardian(guardian=lender)" in text
    name = re.search(r"ape run timelock execute (0x[0-9a-f]{8})", text)
    assert name is not None
    assert "cancelled breaker.set_guardian" in said(quick("timelock", "cancel", name[1]))
    is_refused(quick("timelock", "cancel", name[1]))


def test_breaker__poke(lent: Devnet, quick: Callable[..., Result]) -> None:
    assert "WBTC: level NORMAL, price valid" in lent.run("breaker", "poke", "WBTC")


def test_console(lent: Devnet, tmp_path: Path) -> None:
    """Piped in, as a person types it."""
    typed = """
help()
vault("usdc").asset() == token("USDC").address
account(1, "trader").hex()
price("WETH"), health(0, "lender"), leverage(0, "lender")
amount("1.5 WETH"), show(15 * 10**17, "weth")
engine.risk_engine() == risk_engine.address
fund("WETH").asset() == vault("WETH").address
position(0, "lender")
price("FOO")
account(0, "nobody")
print(lens, breaker, timelock, configurator, len(people))
vault("USDC").deposit(1, people["guardian"], sender=people["guardian"])
"""
    found = console(lent, typed)
    assert 'price("WETH")' in found
    assert found.count("True") == 3
    assert "a0ee7a142d267c1f36714e4a8f75612f20a79720000000000000000000000001" in found
    assert re.search(r"\(Decimal\('3000\.0+'\), None, Decimal\('1\.0+'\)\)", found)
    assert "(1500000000000000000, '1.5 WETH')" in found
    assert "holds nothing and owes nothing" in found
    assert "FOO is not listed here: USDC, WETH, WBTC, wstETH are" in found
    assert "nobody is no account" in found
    assert ") 20\n" in found
    assert "balance too low" in found or "allowance too low" in found

    (tmp_path / "devnet.json").write_text(f'{{"url": "http://127.0.0.1:{free_port()}"}}')
    lost = Devnet(tmp_path)
    found = console(lost, 'vault("USDC")\nengine\nengine.owner()\n')
    assert "no devnet is running at http://127.0.0.1:" in found
    assert "`make devnet` starts one" in found


def console(running: Devnet, typed: str) -> str:
    import subprocess

    found = subprocess.run(
        [PROGRAMS / "ape", "console"], input=typed, capture_output=True, text=True,
        env={**running.environment, "TERM": "dumb"}, cwd=ROOT, timeout=180,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


# ------------------------------------------------------------------------------ what is mistyped


def test_commands__are_all_here() -> None:
    import click

    known = set()
    for path in (ROOT / "scripts").glob("*.py"):
        cli = runpy.run_path(str(path))["cli"]
        names = cli.commands if isinstance(cli, click.Group) else [""]
        known |= {f"{path.stem}|{name}".rstrip("|") for name in names}
    named = {"|".join(one.split("|")[:2]) for one in COMMANDS}
    named |= {one.split("|")[0] for one in COMMANDS}
    assert known - named <= {"keeper", "watch"}


@pytest.mark.parametrize("command", COMMANDS)
def test_command__nobody_and_no_devnet(
    command: str,
    quick: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, *arguments = command.split("|")
    result = quick(name, *arguments, "--account", "nobody")
    is_refused(result)
    assert "nobody is no account: give TEST::0, a label (deployer, " in result.output

    monkeypatch.undo()
    (tmp_path / "devnet.json").write_text(f'{{"url": "http://127.0.0.1:{free_port()}"}}')
    monkeypatch.setenv("BREAKWATER_DEVNET", str(tmp_path))
    result = invoke(name, *arguments)
    is_refused(result)
    assert "no devnet is running at" in result.output


@pytest.mark.parametrize("command", AMOUNTS)
def test_amount__wrong(command: str, quick: Callable[..., Result]) -> None:
    wrong = {
        "5 FOO": "FOO is not listed here: USDC, WETH, WBTC, wstETH are",
        "five USDC": "not a number: 'five'",
        "-5 USDC": "the amount must be above zero, not -5",
        "0 USDC": "the amount must be above zero, not 0",
        "0.0000001 USDC": "more than 6 digits after the point",
        "5": 'is written like "1.5 WETH"',
    }
    name, *arguments = command.split("|")
    for text, says in wrong.items():
        if "what" in command and " " not in text:
            says = "5 is not listed here"  # an asset without an amount may stand there
        result = quick(name, *(one.format(text) for one in arguments))
        is_refused(result)
        assert says in result.output, text


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("backstop|deposit|1 WETH", "WETH has no backstop pool here: USDC has one"),
        ("backstop|claim|USDC|WETH", "none of that collateral"),
        ("borrow|all USDC", "there is no all"),
        ("borrow|100 USDC|--of|nobody", "nobody is no account"),
        ("fund|stake|1 wstETH", "wstETH has no vault here"),
        ("fund|exit|1 USDC|--account|guardian", "has nothing in the fund of USDC"),
        ("fund|cancel|USDC|--account|guardian", "There is no ticket"),
        ("leverage|open|WETH|USDC|2|--number|9", "say what you bring"),
        ("leverage|open|WETH|USDC|much|--own|1 WETH|--number|9", "leverage is written like"),
        ("leverage|open|WETH|USDC|0.5|--own|1 WETH|--number|9", "Leverage is 1 or more."),
        ("leverage|open|WETH|USDC|2|--own|1 WBTC|--number|9", "bring WETH or USDC, not WBTC"),
        ("leverage|open|WETH|wstETH|2|--own|1 WETH", "wstETH has no vault here"),
        (
            "leverage|open|WETH|USDC|2|--own|1 WETH|--number|9|--slippage|lots",
            "slippage is written",
        ),
        ("leverage|open|WETH|USDC|2|--own|1 WETH|--number|9|--slippage|0 %", "a higher --slippage"),
        ("leverage|swap-debt|max WBTC|WETH", "owes no WBTC"),
        ("leverage|swap-collateral|max WBTC|WETH|--number|9", "holds no WBTC"),
        ("operator|grant|operator", "say for what: --may deposit"),
        ("operator|grant|borrower|--may|borrow", "the owner needs no grant"),
        ("operator|grant|operator|--may|borrow|--lasts|long", "a duration is written like"),
        ("order|sign|WETH|USDC|--when|soon|--fee|5 USDC", "--when is written like"),
        ("order|sign|WETH|USDC|--when|health >= 2|--fee|5 USDC", "waits for health to fall"),
        ("order|sign|WETH|USDC|--when|health <= 2|--fee|5 USDC", "say where health is lifted"),
        ("order|sign|WETH|USDC|--when|WETH <= 1|--fee|5 WETH", "fee is of what is bought, USDC"),
        ("order|execute|99", "there is no order 99"),
        ("timelock|execute|soon", "soon is no operation"),
        ("timelock|execute|0xffffffff", "no operation 0xffffffff was ever scheduled"),
        ("timelock|propose|be_kind", "Configurator has no be_kind: announce_settlement, "),
        ("timelock|propose|set_cap|WETH", "set_cap takes asset, cap: 1 were given"),
        ("timelock|propose|set_cap|WETH|lots", "cap is a whole number, or one with a unit"),
        ("timelock|propose|seal|--target|moon", "moon is no contract here: timelock, "),
        ("withdraw|1 USDC|--account|guardian", "has lent no USDC"),
        ("withdraw|90000000 USDC", "is all that was lent"),
    ],
)
def test_command__wrong_is_a_sentence(
    lent: Devnet, quick: Callable[..., Result], command: str, says: str
) -> None:
    name, *arguments = command.split("|")
    result = quick(name, *arguments)
    is_refused(result)
    assert says in result.output
