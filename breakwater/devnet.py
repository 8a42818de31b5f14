"""A local chain that stays: anvil with a state file, and the keeper that keeps its prices alive.

TIME runs as on a public chain: a block has the time of the clock, also after a restart. Nothing in
the market file is relaxed for the devnet. Instead a keeper repeats each aggregator's answer and
pokes each asset once a heartbeat, and pokes an asset that is not at status VALID once a minute, as
keepers do elsewhere. While the devnet is down nobody does, so a price is stale when it comes back,
until the keeper's first round a moment later.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakwater import addresses, artifacts, deploy
from breakwater.ape_host import ApeHost
from breakwater.errors import UserError
from breakwater.markets import Market

NETWORK = "ethereum:local:foundry"
"""Ape's name for the network a devnet is."""

PORT = 8545
HARDFORK = "cancun"
KEEPER = "keeper"
"""Label of the account that keeps the prices alive; the first after the market's."""

POKE_EVERY = 60
"""Seconds between pokes of an asset that is not at status VALID: two confirm a jump."""

_STATE_INTERVAL = 10
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 20.0

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

Echo = Callable[[str], None]


class DevnetError(UserError):
    """The devnet cannot start, or is not there."""


def folder() -> Path:
    """Where the devnet keeps its state; `BREAKWATER_DEVNET` names another place."""
    named = os.environ.get("BREAKWATER_DEVNET")
    return Path(named) if named else artifacts.ROOT / ".devnet"


class DevnetHost(ApeHost):
    """A node that several processes use at once: its clock is never set, only moved on.

    `now` is the time of the pending block.
    """

    @property
    def genesis(self) -> str:
        """Hash of block 0."""
        return "0x" + bytes(self._web3.eth.get_block(0)["hash"]).hex()

    @property
    def now(self) -> int:
        """Timestamp the next transaction sees if it is sent at once."""
        return int(self._web3.eth.get_block("pending")["timestamp"])

    def advance(self, seconds: int, blocks: int = 1) -> None:
        """Move the node's clock on, for everyone, and mine `blocks`."""
        if seconds < 0 or blocks < 0:
            raise ValueError("time does not go back")
        self._provider.make_request("evm_increaseTime", [seconds])
        if blocks:
            self._provider.make_request("anvil_mine", [hex(blocks)])

    def _set_time(self, timestamp: int) -> None:
        """The clock is the node's own."""

    def _sync_time(self) -> None:
        """The clock is the node's own."""


# ------------------------------------------------------------------------------ connecting


def url() -> str:
    """Where the devnet that was started last listens."""
    try:
        return str(json.loads((folder() / "devnet.json").read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"http://127.0.0.1:{PORT}"


@contextlib.contextmanager
def connect(network: str = NETWORK) -> Iterator[ApeHost]:
    """The host of a network by ape's name for it; the devnet, which must be running, for anvil."""
    where = url()
    parts = network.split(":")
    local = len(parts) == 3 and parts[1] in ("", "local")
    anvil = local and parts[2] == "foundry"
    before = os.environ.get("APE_FOUNDRY_HOST")
    if anvil:
        if _ask(where, "eth_chainId") is None:
            raise DevnetError(f"no devnet is running at {where}: `make devnet` starts one")
        os.environ["APE_FOUNDRY_HOST"] = where
    try:
        with own_signals():
            import ape
            from ape.exceptions import ApeException
            from ape.logging import logger

        logger.set_level("WARNING")
        try:
            with own_signals():
                context = ape.networks.parse_network_choice(network)
                provider = context.__enter__()
        except ApeException as error:
            raise UserError(f"{network} cannot be used: {error}") from None
        try:
            yield DevnetHost(provider) if anvil else ApeHost(provider)
        finally:
            context.__exit__(None, None, None)
    finally:
        if anvil:
            if before is None:
                os.environ.pop("APE_FOUNDRY_HOST", None)
            else:
                os.environ["APE_FOUNDRY_HOST"] = before


@contextlib.contextmanager
def own_signals() -> Iterator[None]:
    """Keep the handlers there were: ape and its providers put their own in their place."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ask(where: str, method: str, *params: Any) -> Any:
    """Result of one call, or None when nobody answers."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    request = urllib.request.Request(
        where, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())["result"]
    except (OSError, ValueError, KeyError):
        return None


# ------------------------------------------------------------------------------ the node


@dataclass
class Node:
    """Our own anvil."""

    process: subprocess.Popen[bytes]
    url: str

    def stop(self) -> None:
        """Let it write its state and end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def find_anvil() -> Path:
    """The program, of the project's node_modules or on PATH.

    npm's launcher is passed over: it would stand between us and the process that has the state.
    """
    modules = artifacts.ROOT / "node_modules"
    for ours in sorted(modules.glob("@foundry-rs/anvil-*/bin/anvil")):
        if os.access(ours, os.X_OK):
            return ours
    launcher = modules / ".bin" / "anvil"
    found = str(launcher) if launcher.is_file() else shutil.which("anvil")
    if found is None:
        raise DevnetError("anvil is not installed: `make node` installs it (Node.js 20 is needed)")
    return Path(found)


def end_with_parent() -> None:
    """In the child, before it runs: be asked to end when the parent is killed. Linux only."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def start_node(port: int) -> Node:
    """Start anvil on the state file. DevnetError when the port is taken or it does not start."""
    program = find_anvil()
    where = f"http://127.0.0.1:{port}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise DevnetError(
                f"port {port} is taken{_by_whom(port)}: stop what uses it, or choose "
                "another with --port"
            ) from None
        except OverflowError:
            raise DevnetError(f"{port} is no port: 1 to 65535") from None
    base = folder()
    base.mkdir(parents=True, exist_ok=True)
    (base / ".gitignore").write_text("*\n", encoding="utf-8")
    log = base / "anvil.log"
    command = [
        str(program),
        *("--host", "127.0.0.1", "--port", str(port), "--hardfork", HARDFORK),
        *("--state", str(base / "state.json"), "--state-interval", str(_STATE_INTERVAL)),
    ]
    with log.open("wb") as out:
        # Its own session: Ctrl-C reaches us alone, and we end it when we are done.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    node = Node(process, where)
    try:
        deadline = time.monotonic() + _START_TIMEOUT
        while _ask(where, "eth_chainId") is None:
            if process.poll() is not None or time.monotonic() > deadline:
                lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                last = lines[-1] if lines else "it said nothing"
                raise DevnetError(
                    f"anvil did not start ({last}); its log is {log}. Where its state is damaged, "
                    "`breakwater devnet --fresh` begins anew"
                )
            time.sleep(0.05)
    except BaseException:
        node.stop()
        raise
    info = {"url": where, "port": port, "process": os.getpid()}
    (base / "devnet.json").write_text(json.dumps(info) + "\n", encoding="utf-8")
    return node


def _by_whom(port: int) -> str:
    try:
        info = json.loads((folder() / "devnet.json").read_text(encoding="utf-8"))
        if info["port"] == port:
            os.kill(int(info["process"]), 0)
            return f" by the devnet that runs already as process {info['process']}"
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return ""


# ------------------------------------------------------------------------------ running


def forget(market: Market) -> None:
    """Remove the state and the address book."""
    (folder() / "state.json").unlink(missing_ok=True)
    chain = addresses.Chain(addresses.DEVELOPMENT_CHAINS[-1], "")
    addresses.path_for(market.name, chain).unlink(missing_ok=True)


@contextlib.contextmanager
def serve(
    market: Market,
    *,
    port: int = PORT,
    fresh: bool = False,
    progress: deploy.Progress | None = None,
) -> Iterator[deploy.Protocol]:
    """A running devnet with the market deployed and its accounts funded; stopped at the end."""
    if market.devnet is None:
        raise DevnetError(f"{market.path.name} has no `devnet`: it is for a public chain")
    if fresh:
        forget(market)
    node = start_node(port)
    try:
        with connect(NETWORK) as host:
            path = addresses.path_for(market.name, addresses.identify(host))
            book = addresses.AddressBook.open(path, host, market.name)
            protocol = deploy.deploy(host, market, book, progress=progress)
            deploy.fund_accounts(protocol, book, progress=progress)
            yield protocol
    finally:
        node.stop()
        (folder() / "devnet.json").unlink(missing_ok=True)


class Keeper:
    """Keeps the prices alive. `round` does what is due; call it every few seconds."""

    def __init__(self, protocol: deploy.Protocol, echo: Echo) -> None:
        assert protocol.market.devnet is not None
        self._protocol = protocol
        self._echo = echo
        self._sender = protocol.host.account(KEEPER)
        self._heartbeat = protocol.market.devnet.heartbeat
        self._beat_at = 0
        self._poked_at: dict[str, int] = {}
        self._status: dict[str, int] = {}

    def round(self) -> None:
        """Repeat answers that are due, poke what is due."""
        protocol, now = self._protocol, self._protocol.host.now
        beat = now >= self._beat_at + self._heartbeat
        if beat:
            protocol.refresh(sender=self._sender)
            self._beat_at = now
        for symbol, token in protocol.tokens.items():
            status = protocol.lens.quote(token).status
            since = now - self._poked_at.get(symbol, 0)
            if beat or (status != 0 and since >= POKE_EVERY):
                protocol.breaker.poke(token, sender=self._sender)
                self._poked_at[symbol] = now
            if status != self._status.get(symbol, 0):
                name = ("valid again", "in a jump", "in dispute between its sources", "stale")
                self._echo(f"{time.strftime('%H:%M:%S')} the price of {symbol} is {name[status]}")
            self._status[symbol] = status
