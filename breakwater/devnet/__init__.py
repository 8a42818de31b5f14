"""A local chain that stays: anvil with a state file, and the keeper that keeps its prices alive.

TIME runs as on a public chain: a block has the time of the clock, also after a restart, or goes on
from the last block's where the clock had been moved beyond. Of the
market file nothing is relaxed for the devnet but the timelock's delay. A keeper repeats each
aggregator's answer at least once a heartbeat, pokes each asset, and one that is not at status VALID
once a minute, as keepers do elsewhere; and it swaps in pools that are away from the feeds. While
the devnet is down nobody does, so a price is stale when it comes back, until the keeper's first
round a moment later.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from breakwater import addresses, anvil, ape_host, artifacts, deploy
from breakwater.ape_host import ApeHost
from breakwater.devnet.exchange import MAKER, Exchange, build, wrap
from breakwater.errors import UserError
from breakwater.host import Host, Reverted
from breakwater.markets import MOST_ACCOUNTS, Market

NETWORK = "ethereum:local:foundry"
"""Ape's name for the network a devnet is."""

PORT = 8545
HARDFORK = "cancun"
COINS = 1_000_000
"""Of the node's own, that each account begins with."""

KEEPER = "keeper"
"""Label of the account that keeps the prices alive, and pools at them."""

BOT = "price_bot"
"""Label of the account that moves prices and does the same meanwhile. No two processes send for one
account: a transaction of either could take the place of the other's.
"""

ADDRESSES = "addresses.json"
"""What is where, for people and scripts, beside the state: see `write_addresses`."""

ORDERS = "orders.json"
"""What `ape run order` has signed, beside the state."""

KEEPER_STATE = "keeper.duckdb"
"""What `breakwater keeper` remembers, beside the state."""

POKE_EVERY = 60
"""Seconds between pokes of an asset that is not at status VALID: two confirm a jump."""

_STATE_INTERVAL = 10

_CONTRACTS = (
    "AggregatorMock", "BackstopPool", "BlendFeed", "CircuitBreaker", "Configurator", "CreditEngine",
    "FlashLiquidator", "InsuranceFund", "LendingVault", "Lens", "LeverageRouter", "MedianFeed",
    "RateFeed", "RiskEngine", "StakedTokenMock", "Timelock", "TokenMock",
)  # fmt: skip
"""What most markets need, compiled together; the rest when it is deployed."""

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

    def catch_up(self) -> None:
        """Move a clock on that is behind the last block: anvil forgets that it had been moved."""
        behind = int(self._web3.eth.get_block("latest")["timestamp"]) + 1 - self.now
        if behind > 0:
            self.advance(behind, blocks=0)

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
    parts = network.split(":")
    if len(parts) != 3 or parts[1] not in ("", "local") or parts[2] != "foundry":
        with ape_host.connected(network) as provider:
            yield ApeHost(provider)
        return
    where = url()
    if _ask(where, "eth_chainId") is None:
        raise DevnetError(f"no devnet is running at {where}: `make devnet` starts one")
    with ape_host.connected(network, where) as provider:
        yield DevnetHost(provider)


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


@contextlib.contextmanager
def running(port: int) -> Iterator[None]:
    """Anvil on the state file. DevnetError when the port is taken, AnvilError when it does not
    start.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise DevnetError(
                f"port {port} is taken{_by_whom(port)}: stop what uses it, or choose "
                "another with --port"
            ) from None
    base = folder()
    base.mkdir(parents=True, exist_ok=True)
    (base / ".gitignore").write_text("*\n", encoding="utf-8")
    state = base / "state.json"
    anvil.keep_first_block(state)
    options = ("--hardfork", HARDFORK, "--accounts", str(MOST_ACCOUNTS), "--balance", str(COINS),
               "--state", str(state), "--state-interval", str(_STATE_INTERVAL))  # fmt: skip
    with contextlib.ExitStack() as stack:
        try:
            where = stack.enter_context(anvil.running(*options, port=port, log=base / "anvil.log"))
        except anvil.AnvilError as error:
            fresh = "`breakwater devnet --fresh` begins anew where its state is damaged"
            raise DevnetError(f"{error}. {fresh}" if state.exists() else str(error)) from None
        info = {"url": where, "port": port, "process": os.getpid()}
        told = base / "devnet.json"
        told.write_text(json.dumps(info) + "\n", encoding="utf-8")
        stack.callback(told.unlink, missing_ok=True)
        yield


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
    """Remove the state, the address books, and what a keeper remembers of them."""
    for name in ("state.json", ADDRESSES, ORDERS, KEEPER_STATE, f"{KEEPER_STATE}.wal"):
        (folder() / name).unlink(missing_ok=True)
    chain = addresses.Chain(addresses.DEVELOPMENT_CHAINS[-1], "")
    addresses.path_for(market.name, chain).unlink(missing_ok=True)


def on_node(market: Market) -> Market:
    """A market as the devnet has it: with the timelock's delay of a devnet."""
    if market.devnet is None or market.devnet.delay is None:
        return market
    return replace(market, governance=replace(market.governance, delay=market.devnet.delay))


@dataclass(frozen=True)
class Devnet:
    """What runs."""

    protocol: deploy.Protocol
    book: addresses.AddressBook
    exchange: Exchange | None
    """None where the market has no pools."""


@contextlib.contextmanager
def serve(
    market: Market,
    *,
    port: int = PORT,
    fresh: bool = False,
    progress: deploy.Progress | None = None,
) -> Iterator[Devnet]:
    """A running devnet with the market deployed and its accounts funded; stopped at the end.

    DevnetError when the state that it finds does not fit the market or the contracts.
    """
    if market.devnet is None:
        raise DevnetError(f"{market.path.name} has no `devnet`: it is for a public chain")
    if fresh:
        forget(market)
    say = progress or _quiet
    artifacts.compile_some(
        _CONTRACTS, lambda name, done, total: say(f"compiled {name}, {done} of {total}", False)
    )
    with running(port), connect(NETWORK) as host:
        assert isinstance(host, DevnetHost)
        host.catch_up()
        path = addresses.path_for(market.name, addresses.identify(host))
        book = addresses.AddressBook.open(path, host, market.name)
        found = bool(book.entries)
        try:
            made = _deploy(host, on_node(market), book, say)
        except (deploy.DeployError, Reverted) as error:
            if not found:
                raise
            raise DevnetError(
                f"{error}\nThe devnet was made from another market file or by another version: "
                "`breakwater devnet --fresh` deploys everything anew"
            ) from error
        write_addresses(made)
        yield made


def _label(host: Host, market: Market) -> None:
    """Ask for our own accounts in one order everywhere: hosts give them in the order of asking."""
    deploy.accounts_of(host, market)
    for label in (MAKER, KEEPER, BOT):
        host.account(label)


def load(host: Host, market: Market) -> Devnet:
    """What was deployed on the running devnet. DevnetError where nothing was."""
    path = addresses.path_for(market.name, addresses.identify(host))
    if not path.exists():
        raise DevnetError(
            f"nothing of {market.path.name} is deployed on this devnet: `breakwater devnet` does it"
        )
    _label(host, market)
    book = addresses.AddressBook.open(path, host, market.name)
    protocol = deploy.load(host, on_node(market), book)
    return Devnet(protocol, book, Exchange.load(protocol, book))


def _deploy(
    host: Host, market: Market, book: addresses.AddressBook, progress: deploy.Progress
) -> Devnet:
    _label(host, market)
    wrap(host, market, book, progress)
    protocol = deploy.deploy(host, market, book, progress=progress)
    deploy.fund_accounts(protocol, book, progress=progress)
    return Devnet(protocol, book, build(protocol, book, progress))


def _quiet(step: str, done_now: bool) -> None:
    """No progress shown."""


def write_addresses(made: Devnet) -> None:
    """Write `addresses.json`: `url`, `chain_id`, `market`, and an address for each name in
    `accounts` and in `contracts`.
    """
    tree = {
        "url": url(),
        "chain_id": made.protocol.host.chain_id,
        "market": made.protocol.market.name,
        "accounts": dict(made.protocol.accounts),
        "contracts": {key: entry.address for key, entry in made.book.entries.items()},
    }
    path = folder() / ADDRESSES
    part = path.with_suffix(".part")
    part.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)


class Keeper:
    """Keeps the prices alive, and pools at them. `round` does what is due; call it every few
    seconds.
    """

    def __init__(
        self, protocol: deploy.Protocol, exchange: Exchange | None, label: str, echo: Echo
    ) -> None:
        """`label` is that of the account that pays."""
        assert protocol.market.devnet is not None
        self._protocol = protocol
        self._exchange = exchange
        self._echo = echo
        self._sender = protocol.host.account(label)
        self._half = protocol.market.devnet.heartbeat // 2
        self._beat_at = 0
        self._poked_at: dict[str, int] = {}
        self._status: dict[str, int] = {}

    def round(self) -> None:
        """Repeat answers that are due, poke what is due, swap in pools away from the feeds."""
        protocol, now = self._protocol, self._protocol.host.now
        # what moved since half a beat is left alone: a bot may be about to move it again
        beat = now >= self._beat_at + self._half
        if beat:
            protocol.refresh(sender=self._sender, older=self._half)
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
        if self._exchange is not None:
            self._exchange.align(sender=self._sender)
