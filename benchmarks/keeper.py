"""How soon a keeper has read the health of every account, and a watch its report:
`python -m benchmarks.keeper`.

A node of its own, the devnet's market, and accounts that owe USDC against WETH, every other one
with WBTC beside it. Writes snapshots/keeper.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from breakwater import addresses, anvil, artifacts, deploy, devnet, markets
from breakwater.actions.borrowing import BORROW, DEPOSIT
from breakwater.ape_host import connected
from breakwater.driver import Leg
from breakwater.host import interface_of
from breakwater.keeper.chain import NodeChain
from breakwater.keeper.passes import Keeper
from breakwater.keeper.store import Store
from breakwater.units import HOUR, MAX_UINT256, account_id
from breakwater.watch.reading import Chosen, Reader

SNAPSHOT = artifacts.ROOT / "snapshots" / "keeper.json"
ZERO = "0x" + 40 * "0"
GAS = 5_000_000
"""Of a transaction that opens accounts."""

WINDOW = 5_000
"""Accounts that the vault's limit of four hours lets borrow."""

TIMES = 5
"""The median of so many passes counts."""


def populate(protocol: Any, count: int, first: int = 0) -> list[bytes]:
    """Open accounts of the borrower from number `first` on, several in a transaction.

    Their debts are spread from 100 USDC to 235, against a tenth of an ether and, for every other
    one, a thousandth of a bitcoin: a fall takes them one after the other.
    """
    host, borrower = protocol.host, protocol.accounts["borrower"]
    weth, wbtc, usdc = (protocol.tokens[name] for name in ("WETH", "WBTC", "USDC"))
    engine = protocol.credit_engine
    lender, deployer = protocol.accounts["lender"], protocol.accounts["deployer"]
    lent = count * 250 * 10**6
    usdc.mint(lender, lent, sender=deployer)
    usdc.approve(protocol.vaults["USDC"], MAX_UINT256, sender=lender)
    protocol.vaults["USDC"].deposit(lent, lender, sender=lender)
    for token, amount in ((weth, 10**17), (wbtc, 10**5)):
        token.mint(borrower, count * amount, sender=deployer)
        token.approve(engine, MAX_UINT256, sender=borrower)
    accounts = [account_id(borrower, first + number) for number in range(count)]
    steps: list[Leg] = []

    def leg(action: int, account: bytes, asset: Any, amount: int) -> Leg:
        return Leg(action, account, asset.address, amount, borrower, bytes(32), ZERO, 0)

    sent = 0
    codec = interface_of("CreditEngine").function("batch", 2)
    for number, account in enumerate(accounts):
        debt = 100 + 135 * (number * 7_919 % count) // count
        steps.append(leg(DEPOSIT, account, weth, 10**17))
        if number % 2:
            steps.append(leg(DEPOSIT, account, wbtc, 10**5))
        steps.append(leg(BORROW, account, usdc, debt * 10**6))
        if len(steps) > 13 or number == count - 1:
            data = codec.encode([steps, b""])
            sent += 1
            wait = number == count - 1 or sent % 20 == 0
            host.send(engine.address, data, GAS, sender=borrower, wait=wait)
            steps = []
    return accounts


def cpu_seconds() -> float:
    """Of this process and of the nodes it started. Linux only: of this process elsewhere."""
    total = time.process_time()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(count: int) -> dict[str, Any]:
    """Passes over `count` accounts, of which none is below maintenance: seconds by the clock until
    the health of all is read and kept, and of all processors in a whole pass. And looks of a watch,
    events left out.
    """
    market = markets.load()
    options = ("--hardfork", devnet.HARDFORK)
    with anvil.running(*options) as url, connected(devnet.NETWORK, url) as provider:
        host = devnet.DevnetHost(provider)
        book = addresses.AddressBook(addresses.identify(host), market.name)
        protocol = deploy.deploy(host, market, book)
        deploy.fund_accounts(protocol, book)
        for first in range(0, count, WINDOW):
            populate(protocol, min(WINDOW, count - first), first)
            host.advance(4 * HOUR)
            protocol.refresh(sender=protocol.accounts["deployer"])
        with TemporaryDirectory() as folder:
            store = Store(Path(folder) / "keeper.duckdb")
            keeper = Keeper(NodeChain(host), store, protocol, protocol.accounts["liquidator"])
            began = time.perf_counter()
            first = keeper.run()
            whole = time.perf_counter() - began
            cpu = cpu_seconds()
            scans = sorted(keeper.run().scan_seconds for _ in range(TIMES))
            cpu = cpu_seconds() - cpu
            store.close()
        watch, looks = Reader(NodeChain(host), protocol, Chosen()), []
        for _ in range(1 + TIMES):
            began = time.perf_counter()
            report = watch.look()
            looks.append(time.perf_counter() - began)
        if report.watched != count:
            raise RuntimeError(f"the watch saw {report.watched} accounts of {count}")
        if first.accounts != count:
            raise RuntimeError(f"the keeper saw {first.accounts} accounts of {count}")
        return {
            "accounts": count,
            "first_pass_seconds": round(whole, 2),
            "scan_seconds": round(scans[TIMES // 2], 2),
            "scan_seconds_worst": round(scans[-1], 2),
            "pass_cpu_seconds": round(cpu / TIMES, 2),
            "watch_first_look_seconds": round(looks[0], 2),
            "watch_look_seconds": round(sorted(looks[1:])[TIMES // 2], 2),
            "load_average": round(os.getloadavg()[0], 1),
            "machine": {"cpus": os.cpu_count(), "processor": platform.machine()},
        }


def main() -> None:
    """Measure, show, and write the snapshot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--no-snapshot", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.accounts)
    text = json.dumps(found, indent=2)
    print(text)
    if not arguments.no_snapshot:
        SNAPSHOT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
