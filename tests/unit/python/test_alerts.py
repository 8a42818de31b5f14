"""What a watch reads of the chain in this process, says of it, and delivers to a webhook."""

from __future__ import annotations

import io
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from breakwater import markets
from breakwater.actions.session import Session
from breakwater.errors import UserError
from breakwater.keeper.store import Store
from breakwater.units import MAX_UINT256, WAD, account_id
from breakwater.watch import reading, service, show
from breakwater.watch.lines import Lines
from breakwater.watch.reading import Chosen, Reader, Report
from breakwater.watch.webhook import Webhook
from tests.keeper_world import World


@pytest.fixture(scope="module")
def made() -> tuple[World, int]:
    world = World()
    return world, world.host.snapshot()


@pytest.fixture
def world(made: tuple[World, int]) -> World:
    world, start = made
    world.host.restore(start)
    world.said.clear()
    world.chain.branches.clear()
    return world


def reader(world: World, *, owners: Any = (), accounts: Any = ()) -> Reader:
    return Reader(world.chain, world.protocol, Chosen(frozenset(owners), frozenset(accounts)))


def repay(world: World, account: bytes) -> None:
    who, usdc = world.people["borrower"], world.token("USDC")
    usdc.mint(who, 10**12, sender=who)
    usdc.approve(world.protocol.vaults["USDC"], MAX_UINT256, sender=who)
    world.protocol.credit_engine.repay(account, usdc, MAX_UINT256, sender=who)


# ------------------------------------------------------------ reading


def test_look__is_what_the_lens_tells(world, monkeypatch):
    """Of each account, after interest, over pages, with several legs; and the sums."""
    monkeypatch.setattr("breakwater.keeper.chain.PAGE", 2)
    world.lend("WETH", 10)
    accounts = [
        world.borrow(0, 1_000, WETH=1),
        world.borrow(1, 2_000, WETH=1, WBTC=0.01, wstETH=0.3),
        world.borrow(2, 0.3, symbol="WETH", USDC=2_000, WBTC=0.001234),
    ]
    engine, who = world.protocol.credit_engine, world.people["borrower"]
    engine.borrow(accounts[2], world.token("USDC"), 10**8, who, sender=who)
    world.host.advance(86_400)
    world.price("WETH", 2_950)
    report = reader(world).look()
    states = [world.protocol.lens.account(account) for account in accounts]
    for account, state in zip(accounts, states, strict=True):
        found, health = report.standings[account], state.health
        assert found == (account, health.health_factor, health.collateral_value, health.debt_value)
    total = report.systemic
    assert total.exposure == sum(state.health.collateral_value for state in states)
    assert total.debt == sum(state.health.debt_value for state in states)
    assert (total.accounts, report.watched, len(report.rows)) == (3, 3, 3)
    assert [row.health for row in report.rows] == sorted(s.health.health_factor for s in states)


def test_look__row_by_hand(world):
    """3,000 USD for an ether, 83 % of it count: 2,000 of debt are healthy down to 2,409.64."""
    account = world.borrow(0, 2_000, WETH=1)
    row = reader(world).look().rows[0]
    assert row.account == account
    assert row.health / WAD == pytest.approx(1.245)
    assert row.leverage / WAD == pytest.approx(3)
    assert (row.collateral, row.debt) == (3_000 * WAD, pytest.approx(2_000 * WAD))
    assert (row.depends_on, row.price) == ("WETH", 3_000 * WAD)
    assert row.liquidation_price / WAD == pytest.approx(2_409.638554)


def test_look__depends_on_what_lifts_health_most(world):
    """3,000 USD of bitcoin at 78 % count for 2,340, an ether of 2,900 at 83 % for 2,407."""
    world.borrow(0, 3_000, WETH=1, WBTC=0.05)
    world.price("WETH", 2_900)
    assert reader(world).look().rows[0].depends_on == "WETH"
    world.price("WETH", 2_500)
    row = reader(world).look().rows[0]
    assert (row.depends_on, row.price) == ("WBTC", 60_000 * WAD)


def test_look__no_price_of_one_collateral_matters(world):
    world.borrow(0, 1_000, WETH=1, WBTC=0.1)
    row = reader(world).look().rows[0]
    assert (row.depends_on, row.liquidation_price) == ("WBTC", 0)


def test_look__shares_by_hand(world):
    """Healths 2.49, 1.245 and 1.0826: a tenth off leaves the last below 1, a fifth two."""
    for number, debt in enumerate((1_000, 2_000, 2_300)):
        world.borrow(number, debt, WETH=1)
    found = reader(world).look().systemic
    shares = {fall: found.share(debt) / WAD for fall, debt in found.near.items()}
    assert shares == pytest.approx({5: 0, 10: 2_300 / 5_300, 20: 4_300 / 5_300})
    assert found.leverage / WAD == pytest.approx(9_000 / 3_700)
    # and the engine finds the same after such falls
    for fall, dollars in ((5, 2_850), (10, 2_700), (20, 2_400)):
        world.price("WETH", dollars)
        now = reader(world).look().systemic
        assert now.share(now.liquidatable) / WAD == pytest.approx(shares[fall])


def test_look__velocity_by_the_chains_clock(world):
    """Leverage from 3,000/2,000 to 2,900/1,900 within an hour."""
    world.borrow(0, 1_000, WETH=1)
    one = reader(world)
    first = one.look()
    assert first.velocity is None
    world.price("WETH", 2_900)
    world.host.advance(first.now + 3_600 - world.host.now)
    found = one.look()
    assert found.now == first.now + 3_600
    assert found.velocity == found.systemic.leverage - first.systemic.leverage
    assert found.velocity / WAD == pytest.approx(2_900 / 1_900 - 1.5, rel=1e-3)


def test_look__owners_and_accounts(world):
    account = world.borrow(0, 1_000, WETH=1)
    other = world.borrow(1, 1_000, WETH=1)
    owner, nobody = account[:20], bytes(19) + b"\1"
    assert reader(world, owners=[owner]).look().watched == 2
    assert reader(world, accounts=[other]).look().standings.keys() == {other}
    both = reader(world, owners=[nobody], accounts=[account]).look()
    assert (both.standings.keys(), both.systemic.accounts) == ({account}, 2)
    none = reader(world, owners=[nobody]).look()
    assert (none.rows, none.watched, none.systemic.accounts) == ((), 0, 2)
    # an account that is named is told of even where it never had anything
    empty = account_id(world.people["lender"], 7)
    rows = reader(world, accounts=[empty]).look().rows
    assert [(row.account, row.health, row.depends_on) for row in rows] == [(empty, MAX_UINT256, "")]


def test_look__the_weakest_of_many(world, monkeypatch):
    monkeypatch.setattr(reading, "ROWS", 2)
    weak = [world.borrow(number, 1_000 + number, WETH=1) for number in range(4)]
    report = reader(world).look()
    assert [row.account for row in report.rows] == [weak[3], weak[2]]
    assert (report.watched, len(report.standings)) == (4, 4)


def test_look__forgets_who_repaid_and_a_lost_block(world):
    account, one = world.borrow(0, 1_000, WETH=1), reader(world)
    assert one.look().watched == 1
    before = world.host.snapshot()
    repay(world, account)
    assert one.look().standings[account].health == MAX_UINT256
    assert one.look().standings == {}
    world.host.restore(before)
    world.chain.branches.append(world.host.block)
    assert one.look().watched == 1


def test_look__assets_and_bad_debt(world):
    """A gap to 1,500: 800 of 2,300 are uncovered, and written off once the jump has lasted."""
    world.borrow(0, 2_300, WETH=1)
    one = reader(world)
    before = {line.symbol: line for line in one.look().assets}
    assert before["USDC"].debt == pytest.approx(2_300 * 10**6)
    assert before["WETH"].collateral == 10**18
    assert {line.level for line in before.values()} == {0}
    assert before["wstETH"].vault_level is None
    keeper, store = world.people["deployer"], Store(None)
    world.price("WETH", 1_500)
    found = one.look()
    assert found.systemic.uncovered / WAD == pytest.approx(800)
    assert found.systemic.leverage == MAX_UINT256
    weth = next(line for line in found.assets if line.symbol == "WETH")
    assert (weth.level, weth.reasons) == (1, ("its price is away from its average",))
    world.protocol.breaker.poke(world.token("WETH"), sender=keeper)
    weth = next(line for line in one.look().assets if line.symbol == "WETH")
    assert any("by price jump for" in reason for reason in weth.reasons)
    usdc = world.token("USDC")
    usdc.mint(world.sender, 10**12, sender=world.sender)
    for _ in range(12):
        world.host.advance(60)
        world.protocol.refresh(sender=keeper)
        world.look(store)
    found = one.look()
    booked = next(line for line in found.assets if line.symbol == "USDC").bad_debt
    assert booked == world.liquidations()[0].bad_debt > 800 * 10**6
    assert found.systemic.uncovered == 0
    assert found.watched == 0


# ------------------------------------------------------------ alerts


class Hook:
    """A program that takes alerts, or answers another status."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.statuses: queue.SimpleQueue[int] = queue.SimpleQueue()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = 200 if hook.statuses.empty() else hook.statuses.get()
                if status == 200:
                    assert self.headers["Content-Type"] == "application/json"
                    hook.got.append({"path": self.path, **json.loads(body)})
                self.send_response(status)
                self.send_header("Location", "http://203.0.113.1/")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts?of=me"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


def until(done: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Watching:
    """A watch that was just started; `look` is one look of it."""

    def __init__(self, world: World, path: Path | None, url: str = "") -> None:
        self.said: list[str] = []
        self.lines = Lines(path, [service.line_of(line) for line in service.LINES])
        self.alerts = service.Alerts(self.lines, Webhook(url) if url else None, self.said.append)
        settings = service.Settings((), (), "", "", markets.DEFAULT, None, 0, False)
        self._looks = service.looks(
            world.chain, world.protocol, settings, self.lines, self.alerts, lambda *_: None
        )

    def look(self) -> Report:
        return next(self._looks)

    def kill(self) -> None:
        """What it has not written is gone."""
        self.lines.close()


def test_alert__each_crossing_once_over_restarts(world, tmp_path, hook):
    path = tmp_path / "watch.duckdb"
    world.borrow(0, 2_000, WETH=1)
    one = Watching(world, path, hook.url)
    assert [(c.down, c.lines) for c in one.look().crossings] == [(True, (15 * WAD // 10,))]
    assert one.look().crossings == ()
    world.price("WETH", 2_600)
    one.look()
    until(lambda: len(hook.got) == 2)
    one.alerts.listen()
    one.kill()
    one = Watching(world, path, hook.url)
    assert one.look().crossings == ()
    world.price("WETH", 3_400)
    one.look()
    one.alerts.end()
    assert [(got["direction"], got["lines"]) for got in hook.got] == [
        ("down", ["1.5"]), ("down", ["1.2"]), ("up", ["1.2"]),
    ]  # fmt: skip
    assert [got["id"] for got in hook.got] == [1, 2, 3]
    assert hook.got[1]["path"] == "/alerts?of=me"
    assert hook.got[1]["label"] == "borrower"
    assert hook.got[1]["health"].startswith("1.07")
    assert float(hook.got[1]["collateral_value"]) == 2_600
    assert one.said == ["borrower 0 rose above 1.2: health 1.4109"]
    assert one.lines.waiting() == []
    one.kill()


def test_alert__of_who_repaid(world):
    account = world.borrow(0, 2_300, WETH=1)
    one = Watching(world, None)
    one.look()
    repay(world, account)
    assert [(c.down, c.health) for c in one.look().crossings] == [(False, MAX_UINT256)]
    assert one.said == [
        "borrower 0 fell below 1.5, 1.2: health 1.0826",
        "borrower 0 rose above 1.2, 1.5: it owes nothing",
    ]


def test_alert__so_many_are_told(world, monkeypatch):
    monkeypatch.setattr(service, "TOLD", 2)
    for number in range(5):
        world.borrow(number, 2_300, WETH=1)
    one = Watching(world, None)
    assert len(one.look().crossings) == 5
    assert (len(one.said), one.said[-1]) == (3, "and 3 more crossed lines")


def test_webhook__that_fails_is_tried_again_in_order(world, hook, monkeypatch):
    """Answers other than 2xx, a redirect among them, which nobody follows."""
    monkeypatch.setattr(Webhook, "_pause", lambda self, seconds: time.sleep(0.01))
    for status in (500, 302, 404):
        hook.statuses.put(status)
    for number in range(2):
        world.borrow(number, 2_300, WETH=1)
    one = Watching(world, None, hook.url)
    one.look()
    until(lambda: len(hook.got) == 2)
    one.alerts.end()
    assert [got["number"] for got in hook.got] == [0, 1]
    last = "the webhook failed, alerts that wait: 0 (it answered 404: trying again in 4 s)"
    assert one.said[-1] == last
    assert one.lines.waiting() == []


def test_webhook__that_is_not_there_holds_nothing_up(world, tmp_path, hook):
    path = tmp_path / "watch.duckdb"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    world.borrow(0, 2_300, WETH=1)
    one = Watching(world, path, nobody)
    began = time.monotonic()
    one.look()
    assert time.monotonic() - began < 5
    one.alerts.end()
    assert "the webhook failed, alerts that wait: 1 (" in one.said[-2]
    assert one.said[-1] == "alerts that wait for the next watch with a webhook: 1"
    one.kill()
    # the next one delivers it, and does not cross again
    one = Watching(world, path, hook.url)
    assert one.look().crossings == ()
    one.alerts.end()
    assert [got["lines"] for got in hook.got] == [["1.5", "1.2"]]
    assert one.lines.waiting() == []
    one.kill()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://192.168.1.2:80/", "192.168.1.2 is not its loopback"),
        ("http://example.com/x", "example.com is not its loopback"),
        ("http://127.0.0.1@example.com/", "example.com is not its loopback"),
        ("http://localhost.example.com/", "is not its loopback"),
        ("http://0.0.0.0:9/", "0.0.0.0 is not its loopback"),
        ("http://2130706433:9/", "is not its loopback"),
        ("http://me@127.0.0.1:9/", "has a user name"),
        ("http://127.0.0.1:9/a b", "a blank"),
        ("http://127.0.0.1:9/#a", "a fragment"),
        ("https://127.0.0.1:9/", "is no http URL"),
        ("127.0.0.1:9/x", "is no http URL"),
        ("http://", "is no http URL"),
        ("http://127.0.0.1:0/", "is no http URL"),
        ("http://127.0.0.1:99999/", "is no URL"),
        ("http://[::1/", "is no URL"),
    ],
)
def test_webhook__elsewhere_is_refused(url, says):
    with pytest.raises(UserError, match="give one like http://127") as error:
        Webhook(url)
    assert says in str(error.value)


@pytest.mark.parametrize(
    "url", ["http://localhost", "http://127.0.0.1:9", "http://127.1.2.3/x?y=1", "http://[::1]:9/"]
)
def test_webhook__on_this_machine(url):
    Webhook(url).end(1)


# ------------------------------------------------------------ showing


def test_show__without_anything(world):
    one = Watching(world, None)
    report = one.look()
    session = Session(world.host, world.protocol.market, world.protocol, "")
    found = show.as_json(session, report)
    assert found["systemic"]["leverage"] is None
    assert (found["accounts"], found["crossings"]) == ([], [])
    text = shown(session, report)
    assert "no account that is watched owes anything" in text
    assert "nobody owes anything" in text


def test_show__under_water(world, monkeypatch):
    monkeypatch.setattr(reading, "ROWS", 1)
    world.borrow(0, 2_300, WETH=1)
    world.borrow(1, 2_200, WETH=1)
    one = Watching(world, None)
    one.look()
    world.price("WETH", 1_500)
    report = one.look()
    session = Session(world.host, world.protocol.market, world.protocol, "")
    found = show.as_json(session, report)
    assert found["accounts"][0]["leverage"] is None
    assert found["systemic"]["leverage"] is None
    assert found["systemic"]["equity"].startswith("-1500.")
    text = shown(session, report)
    for part in (
        "no equity",
        "and 1 more, each healthier",
        "of the debt 100.00 % is liquidatable, 100.00 % within 5 %",
        "1,500.00 USD of debt have no collateral behind them",
        "its price is away from its average",
    ):
        assert part in text


def shown(session: Session, report: Report) -> str:
    out = io.StringIO()
    Console(width=200, file=out).print(show.as_table(session, report))
    return out.getvalue()
