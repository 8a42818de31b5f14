"""Passes until it is told to end, whatever happens to the node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from breakwater import addresses, deploy, devnet, markets
from breakwater.actions.session import resolve
from breakwater.errors import UserError
from breakwater.host import Host
from breakwater.keeper.chain import NodeChain
from breakwater.keeper.passes import Keeper, Say, Seen
from breakwater.keeper.store import Store

T = TypeVar("T")

QUIET = 60.0
"""Seconds between lines while nothing happens."""

_LONGEST_WAIT = 10.0
_GIVE_UP_AFTER = 3


@dataclass(frozen=True)
class Settings:
    """What the command was given."""

    network: str
    account: str
    market: Path
    state: Path | None
    flash: str
    least_gain: int
    """In USD [WAD]."""
    interval: float
    """Seconds between passes."""
    once: bool
    dry: bool

    @property
    def file(self) -> Path:
        """Where the state is kept."""
        return self.state or devnet.folder() / devnet.KEEPER_STATE


def run(settings: Settings, say: Say, opened: Callable[[Store], None]) -> Seen | None:
    """Passes; the last one's finds. `opened` is told of the store, for what is to be said at the
    end.
    """
    market = markets.load(settings.market)
    store = Store(settings.file)
    opened(store)
    return patiently(lambda: _connected(settings, market, store, say), settings.once, say)


def patiently(connected: Callable[[], Iterable[T]], once: bool, say: Say) -> T | None:
    """Pass after pass of what `connected` yields for as long as the node answers; the first with
    `once`. A node that goes away is waited for, but for the first answer and with `once`.
    """
    wait, answered, failures = 1.0, False, 0
    while True:
        try:
            for seen in connected():
                wait, answered, failures = 1.0, True, 0
                if once:
                    return seen
        except Exception as error:
            if once or not answered:
                raise
            if isinstance(error, RuntimeError) and not is_lost(error):
                # the node took what it had simulated otherwise: the next pass sees what is true
                failures += 1
                if failures == _GIVE_UP_AFTER:
                    raise UserError(f"{failures} passes failed: {error}") from error
                say(f"the pass failed ({_first_line(error)}): once more")
                continue
            if not is_lost(error):
                raise
            say(f"the node does not answer ({_first_line(error)}): trying again in {wait:.0f} s")
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)


def _connected(settings: Settings, market: markets.Market, store: Store, say: Say) -> Any:
    """What each pass saw, for as long as the node answers."""
    with devnet.connect(settings.network) as host:
        protocol = load(host, market)
        flash = _flash(host, protocol, settings.flash)
        keeper = Keeper(
            NodeChain(host), store, protocol, resolve(settings.account, protocol.accounts),
            flash=flash, least_gain=settings.least_gain, dry=settings.dry, say=say,
        )  # fmt: skip
        said: float = -QUIET
        told: object = None
        while True:
            seen = keeper.run()
            news = (seen.poked, seen.below, len(seen.deals), seen.reasons)
            if news != told or time.monotonic() - said >= QUIET:
                say(seen.line())
                said, told = time.monotonic(), news
            yield seen
            time.sleep(settings.interval)


def load(host: Host, market: markets.Market) -> deploy.Protocol:
    """The protocol in the address book of the host's chain. UserError where there is none."""
    chain = addresses.identify(host)
    where = addresses.path_for(market.name, chain)
    if not where.exists():
        raise UserError(
            f"nothing is deployed on chain {chain.id} yet: `ape run deploy` does it, or "
            "`make devnet` on a local one"
        )
    book = addresses.AddressBook.open(where, host, market.name)
    return deploy.load(host, market, book)


def _flash(host: Host, protocol: Any, address: str) -> Any:
    from breakwater.abi import checksum
    from breakwater.driver import FlashLiquidator
    from breakwater.host import Reverted

    if not address:
        return None
    try:
        place = checksum(address)
        if not host.code(place):
            raise ValueError("there is no code on this chain")
        found = FlashLiquidator.at(host, place)
        engine = found.credit_engine()
    except (Reverted, ValueError) as error:
        raise UserError(f"--flash {address} is no FlashLiquidator ({error})") from None
    if engine != protocol.credit_engine.address:
        raise UserError(
            f"--flash {address} is for the credit engine {engine}, and this market's is "
            f"{protocol.credit_engine.address}"
        )
    return found


def is_lost(error: Exception) -> bool:
    """Whether a failure is of the node and not of what it was asked."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(
        isinstance(error, devnet.DevnetError)
        or kinds
        & {
            "ConnectionError", "RequestException", "ProviderNotConnectedError", "ProviderError",
            "TimeoutError", "BlockNotFound", "TransactionNotFound", "NotMined",
        }
    )  # fmt: skip


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 100 else f"{text[:97]}…"
