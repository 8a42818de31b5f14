"""The devnet as people find it: what its book says, prices that move, and what goes wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from breakwater import artifacts, devnet, markets
from breakwater.ape_host import own_signals
from breakwater.artifacts import ROOT
from breakwater.cli import main
from breakwater.host import DEVELOPMENT_ACCOUNTS
from breakwater.units import MINUTE, WAD
from tests.devnet import PROGRAMS, Devnet, free_port

pytestmark = [
    pytest.mark.ape, pytest.mark.slow, pytest.mark.needs("anvil"), pytest.mark.needs("uniswap"),
]  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    artifacts.load_all()
    found = Devnet(tmp_path_factory.mktemp("devnet"))
    found.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BREAKWATER_DEVNET", str(found.folder))
        try:
            yield found
        finally:
            found.stop()


def book_of(running: Devnet) -> Any:
    return json.loads((running.folder / "addresses.json").read_text())


def moved(running: Devnet, *arguments: str) -> str:
    """What the price bot says, in this process; it must succeed."""
    with own_signals():
        found = CliRunner().invoke(main, ["prices", *arguments])
    assert found.exit_code == 0, found.output
    return found.output


def agreed() -> dict[str, float]:
    """Price of each pool's first asset in its second, where pools and feeds agree; they must."""
    with devnet.connect() as host:
        made = devnet.load(host, markets.load())
        assert made.exchange is not None
        for name in made.exchange.pools:
            one, other = made.exchange.prices(name) or (0, 1)
            assert made.exchange.price(name) == pytest.approx(one / other, rel=1e-4), name
        return {name: made.exchange.price(name) for name in made.exchange.pools}


def refused(running: Devnet, *arguments: str) -> str:
    """What a command says that must not work, in this process."""
    with own_signals():
        found = CliRunner().invoke(main, list(arguments))
    assert found.exit_code == 2, found.output
    assert "Traceback" not in found.output
    return found.output


def test_book__is_what_is_on_the_chain(running: Devnet) -> None:
    book = book_of(running)
    assert book["url"] == f"http://127.0.0.1:{running.port}"
    assert book["chain_id"] == 31_337
    assert list(book["accounts"].values()) == list(DEVELOPMENT_ACCOUNTS)
    with devnet.connect() as host:
        assert all(host.code(address) for address in book["contracts"].values())
        # whoever paid for gas, or for wrapped coins, has most of them still
        assert all(host.balance(one) > 500_000 * WAD for one in book["accounts"].values())
        made = devnet.load(host, markets.load())
        for label, balances in markets.load().devnet.balances.items():  # type: ignore[union-attr]
            for symbol, amount in balances.items():
                held = made.protocol.tokens[symbol].balanceOf(book["accounts"][label])
                assert held == amount, (label, symbol)
        assert made.protocol.timelock.get_minimum_delay() == MINUTE
        weth = book["contracts"]["tokens.WETH"]
        assert made.exchange is not None
        assert made.exchange.uniswap.weth == weth
        # coins that are wrapped are there
        assert host.balance(weth) == made.protocol.tokens["WETH"].totalSupply()
    for name, address in (*book["contracts"].items(), *book["accounts"].items()):
        if not name.startswith(("aggregators.", "blueprints.", "feeds.")):
            assert re.search(rf"^{re.escape(name)} .*{address}", running.said, re.MULTILINE), name
    assert "the timelock's delay is 1 min" in running.said
    assert "the pool WETH/USDC is at 3,000 USDC for one WETH" in running.said


def test_prices__walk_and_restart(running: Devnet) -> None:
    before = agreed()
    assert before == pytest.approx({"WETH/USDC": 3_000, "WBTC/USDC": 60_000, "wstETH/WETH": 1.2})
    said = moved(running, "--for", "20 min", "--speed", "100000", "--seed", "3")
    assert "the end: 5 prices set, 0:20:00 of the path" in said
    after = agreed()
    assert after["WETH/USDC"] != pytest.approx(3_000, rel=1e-4)
    assert f"WETH {after['WETH/USDC']:,.2f} USD" in said
    assert after["wstETH/WETH"] == pytest.approx(1.2, rel=1e-4)

    with devnet.connect() as host:
        ahead = host.now - time.time()
        block = host.block
    assert ahead > 15 * MINUTE
    book, addresses = (running.folder / "devnet.local.json").read_text(), book_of(running)
    running.stop()
    # a price moved while it was down would be another; the clock never goes back
    assert "everything was deployed already" in running.start()
    assert (running.folder / "devnet.local.json").read_text() == book
    assert book_of(running) == addresses
    with devnet.connect() as host:
        assert host.now - time.time() > 15 * MINUTE - 120
        assert host.block >= block
    assert agreed() == pytest.approx(after, rel=1e-6)


def test_prices__along_a_file(running: Devnet, tmp_path: Path) -> None:
    before = agreed()["WBTC/USDC"]
    path = tmp_path / "bars.csv"
    path.write_text(
        "timestamp,open,high,low,close,volume\n1000,100,101,99,101,5\n1300,101,101,96,98,\n"
    )
    said = moved(running, str(path), "--asset", "wbtc", "--speed", "100000")
    assert "WBTC follows 2 bars" in said
    assert agreed()["WBTC/USDC"] == pytest.approx(before * 0.98, rel=1e-4)
    moved(running, "--asset", "WBTC", "--volatility", "0", "--for", "1 min", "--speed", "1000")
    path.write_text(
        "timestamp,open,high,low,close\n"
        "1000,60000,60000,60000,60000\n"
        "1060,60000,60000,60000,60000\n"
    )
    moved(running, str(path), "--asset", "WBTC", "--speed", "100000", "--absolute")
    assert agreed()["WBTC/USDC"] == pytest.approx(60_000, rel=1e-4)


def test_prices__ctrl_c(running: Devnet) -> None:
    process = subprocess.Popen(
        [PROGRAMS / "breakwater", "prices", "--speed", "600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**running.environment, "PYTHONUNBUFFERED": "1"},
        cwd=ROOT,
    )
    assert process.stdout is not None
    while "Ctrl-C ends it" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "the end: " in out
    assert err.strip() == "interrupted"
    agreed()


def test_keeper__pools_follow_when_somebody_else_sets_a_price(running: Devnet) -> None:
    running.run("set_price", "WETH", "2950")
    deadline = time.monotonic() + 60
    while True:
        with devnet.connect() as host:
            made = devnet.load(host, markets.load())
            assert made.exchange is not None
            if made.exchange.price("WETH/USDC") == pytest.approx(2_950, rel=1e-4):
                break
        assert time.monotonic() < deadline, "the devnet's keeper left the pool where it was"
        time.sleep(1)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("prices --asset FOO", "FOO is not listed here: USDC, WETH, WBTC, wstETH are"),
        ("prices --asset wstETH", "wstETH has no price of its own to move"),
        ("prices {empty}", "empty.csv: the file is empty"),
        ("prices {bad}", "bad.csv, line 2: high 1 is below low 2"),
        ("prices none.csv", "none.csv: there is no such file"),
        ("prices {low} --absolute", "is outside of what the market takes for a valid price"),
        ("prices --absolute", "--absolute is for a FILE"),
        ("prices --for soon", "a duration is written like"),
        ("prices --speed 0", "Invalid value for '--speed'"),
        ("prices --seed -1", "Invalid value for '--seed'"),
        ("prices --volatility lots", "Invalid value for '--volatility'"),
        ("prices --market none.yaml", "there is no such market file"),
        ("devnet --market none.yaml", "there is no such market file"),
        ("devnet --port 70000", "Invalid value for '--port'"),
    ],
)
def test_command__wrong_input_is_a_sentence(
    running: Devnet, tmp_path: Path, command: str, says: str
) -> None:
    files = {
        "empty": "",
        "bad": "timestamp,open,high,low,close\n1000,1,1,2,1\n",
        "low": "timestamp,open,high,low,close\n1000,5,5,5,5\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    paths = {name: str(tmp_path / f"{name}.csv") for name in files}
    assert says in refused(running, *command.format(**paths).split())


def test_prices__no_devnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "devnet.json").write_text(f'{{"url": "http://127.0.0.1:{free_port()}"}}')
    monkeypatch.setenv("BREAKWATER_DEVNET", str(tmp_path))
    found = CliRunner().invoke(main, ["prices"])
    assert found.exit_code == 2
    assert "no devnet is running at" in found.output


def test_devnet__state_that_does_not_fit(running: Devnet) -> None:
    """Last: it ends the devnet."""
    running.stop()
    path = running.folder / "devnet.local.json"
    book = path.read_text()

    def start(*arguments: str) -> str:
        said = refused(running, "devnet", "--port", str(running.port), *arguments)
        assert "devnet --fresh" in said
        return said

    # contracts compiled from other sources than those that were deployed
    tree = json.loads(book)
    tree["contracts"]["lens"]["contract"] = "Configurator"
    path.write_text(json.dumps(tree))
    assert "was deployed from an older" in start()
    # a devnet of before, whose ether was a mock
    tree = json.loads(book)
    tree["contracts"]["tokens.WETH"]["contract"] = "TokenMock"
    path.write_text(json.dumps(tree))
    start()
    # another market file
    path.write_text(book)
    other = running.folder / "other.yaml"
    other.write_text(markets.DEFAULT.read_text().replace("delay: 1 min", "delay: 2 min"))
    said = start("--market", str(other))
    assert "delay of the timelock is 60, should be 120" in said
    # the chain's state is gone, the book is not
    (running.folder / "state.json").unlink()
    assert "the node was started anew" in start()

    said = running.start("--fresh")
    assert "steps done and read back" in said
    assert agreed()["WETH/USDC"] == pytest.approx(3_000, rel=1e-6)
