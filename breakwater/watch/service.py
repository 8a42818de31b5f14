"""Look after look until it is told to end, whatever happens to the node or to the webhook."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from breakwater import deploy, devnet, markets
from breakwater.actions.session import Session, resolve
from breakwater.errors import UserError
from breakwater.keeper import service as keeper
from breakwater.keeper.chain import Chain, NodeChain
from breakwater.units import UnitError, to_wad
from breakwater.watch import show
from breakwater.watch.lines import Crossing, Lines
from breakwater.watch.reading import Chosen, Reader, Report
from breakwater.watch.webhook import Webhook

STATE = "watch.duckdb"
"""What is remembered, beside the devnet's state."""

LINES = ("1.5", "1.2", "1.05", "1")
"""Lines of health where none is given."""

TOLD = 20
"""Crossings of one look that are told one by one."""

LAST_TRY = 3.0
"""Seconds at the end for what the webhook has not taken."""

Say = Callable[[str], None]
Show = Callable[[Session, Report], None]


@dataclass(frozen=True)
class Settings:
    """What the command was given."""

    accounts: tuple[str, ...]
    lines: tuple[int, ...]
    """[WAD]"""
    webhook: str
    network: str
    market: Path
    state: Path | None
    interval: float
    """Seconds between looks."""
    once: bool

    @property
    def file(self) -> Path:
        """Where the state is kept."""
        return self.state or devnet.folder() / STATE


def line_of(text: str) -> int:
    """A line of health as written [WAD]. UserError unless it is above 0 and at most 1,000."""
    try:
        line = to_wad(text)
    except UnitError as error:
        raise UserError(f"--line {text} is no health factor ({error}): give one like 1.2") from None
    if not 0 < line <= to_wad(1_000):
        raise UserError(f"--line {text} is not above 0 and at most 1000")
    return line


def chosen(names: Sequence[str], labels: dict[str, str]) -> Chosen:
    """Accounts by label, address or bytes32. UserError for another name."""
    owners, accounts = set(), set()
    for name in names:
        if re.fullmatch(r"0x[0-9a-fA-F]{64}", name):
            accounts.add(bytes.fromhex(name[2:]))
            continue
        try:
            owners.add(bytes.fromhex(resolve(name, labels)[2:]))
        except UserError as error:
            raise UserError(f"{error}; or 32 bytes in hexadecimal, for one account") from None
    return Chosen(frozenset(owners), frozenset(accounts))


class Alerts:
    """Crossings of one watch: told, remembered, and delivered where there is a webhook."""

    def __init__(self, lines: Lines, webhook: Webhook | None, say: Say) -> None:
        self._lines = lines
        self._webhook = webhook
        self._say = say
        if webhook is not None:
            for number, body in lines.waiting():
                webhook.add(number, body)

    def add(self, session: Session, report: Report) -> Report:
        """The report with what was crossed since the last look."""
        healths = ((key, one.health) for key, one in report.standings.items())
        crossings = self._lines.cross(healths)
        report = replace(report, crossings=tuple(crossings))
        self._keep(session, report, crossings)
        for one in crossings[:TOLD]:
            self._say(show.crossing_line(session, one))
        if len(crossings) > TOLD:
            self._say(f"and {len(crossings) - TOLD:,} more crossed lines")
        self.listen()
        return report

    def _keep(self, session: Session, report: Report, crossings: list[Crossing]) -> None:
        alerts: list[tuple[int, str]] = []
        if self._webhook is not None and crossings:
            for number, one in zip(self._lines.ids(len(crossings)), crossings, strict=True):
                body = {"id": number, **show.crossing_json(session, report, one)}
                alerts.append((number, json.dumps(body)))
        dropped = self._lines.keep(crossings, alerts) if crossings else 0
        if dropped:
            self._say(f"{dropped:,} alerts that the webhook did not take were dropped")
        if self._webhook is not None:
            for number, body_text in alerts:
                self._webhook.add(number, body_text)

    def listen(self) -> None:
        """Hear what became of deliveries."""
        if self._webhook is None:
            return
        taken, failed = self._webhook.news()
        if taken:
            self._lines.delivered(taken)
        if failed:
            left = len(self._lines.waiting())
            self._say(f"the webhook failed, alerts that wait: {left:,} ({failed[-1]})")

    def end(self) -> None:
        """A last try; what is left is delivered by the next watch."""
        if self._webhook is None:
            return
        self._webhook.end(LAST_TRY)
        self.listen()
        left = len(self._lines.waiting())
        if left:
            self._say(f"alerts that wait for the next watch with a webhook: {left:,}")


def run(settings: Settings, say: Say, display: Show) -> None:
    """Looks until Ctrl-C, one with `once`. A node that goes away is waited for, see
    `keeper.service.patiently`.
    """
    market = markets.load(settings.market)
    lines = Lines(settings.file, settings.lines)
    try:
        webhook = Webhook(settings.webhook) if settings.webhook else None
        alerts = Alerts(lines, webhook, say)
        try:
            keeper.patiently(
                lambda: _connected(settings, market, lines, alerts, display), settings.once, say
            )
        finally:
            alerts.end()
    finally:
        lines.close()


def _connected(
    settings: Settings, market: markets.Market, lines: Lines, alerts: Alerts, display: Show
) -> Iterator[Report]:
    """What each look saw, for as long as the node answers."""
    with devnet.connect(settings.network) as host:
        yield from looks(
            NodeChain(host), keeper.load(host, market), settings, lines, alerts, display
        )


def looks(
    chain: Chain, protocol: deploy.Protocol, settings: Settings, lines: Lines, alerts: Alerts,
    display: Show,
) -> Iterator[Report]:  # fmt: skip
    """Look, tell, wait, again."""
    named = chosen(settings.accounts, dict(protocol.accounts))
    reader = Reader(chain, protocol, named)
    session = Session(chain.host, protocol.market, protocol, "")
    lines.open(reader.market)
    while True:
        report = alerts.add(session, reader.look())
        display(session, report)
        yield report
        time.sleep(settings.interval)
