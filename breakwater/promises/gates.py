"""GATE and CAP: what guardians, governance and caps may do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from breakwater.host import Log
from breakwater.observation import Observation, exposure
from breakwater.observation.asset import JUMP, TARGET_CEILING
from breakwater.observation.vault import Vault
from breakwater.observation.words import SENSORS, bits, latched, legs, stamp, stamps
from breakwater.promises.verdicts import Finding, before_call, name_of
from breakwater.units import HOUR, WAD

DAY = 86_400
HOLD = 7 * DAY
MAX_HOLD = 4 * HOUR
COOL_DOWN = 1_800
PRICE_JUMP, DISPERSION, STALE, GUARDIAN = range(4)
"""The breaker's reasons, in the order of its latches."""


class GuardianBudget:
    """GATE-1: what a person holds, from the latches as they stand. Sensors end with their cause."""

    def __init__(self) -> None:
        self._holds: dict[str, list[list[int]]] = {}

    def __call__(self, o: Observation) -> Iterator[Finding]:
        for asset in o.assets.values():
            for at, what in ((0, "caution"), (64, "halt"), (128, "hold")):
                left = o.now + HOLD - bits(asset.latch, at, 64)
                yield Finding(left, f"{what} of {asset.address} runs at most 7 days on")
            end = bits(asset.latch, 128, 64)
            holds = self._holds.setdefault(asset.address, [])
            if holds and holds[-1][1] >= o.now:
                holds[-1][1] = max(end, o.now)
            elif end > o.now:
                holds.append([o.now, end])
            start, until = asset.hold
            what = f"hold of liquidations on {asset.address}"
            yield Finding(start + MAX_HOLD - until, f"{what} lasts at most 4 hours")
            before = o.previous.assets.get(asset.address) if o.previous is not None else None
            if before is not None and before.hold[0] != start:
                yield Finding(start - before.hold[0] - HOLD, f"{what} once in 7 days")
        for address, holds in self._holds.items():
            for _, end in holds:
                begin = end - 30 * DAY
                total = sum(max(min(e, end) - max(s, begin), 0) for s, e in holds)
                yield Finding(HOLD - total, f"holds of {address} in 30 days")


def cool_down(o: Observation) -> Iterator[Finding]:
    """GATE-2"""
    previous = o.previous
    for address, asset in o.assets.items():
        if previous is not None:
            word = previous.assets[address].breaker
            for reason in SENSORS:
                level, until = latched(word, reason)
                if level and until > o.now:
                    now, later = latched(asset.breaker, reason)
                    yield Finding(
                        min(now - level, later - until),
                        f"latch {reason} of {address} until {until}",
                    )
    for timed in o.logs:
        log = timed.log
        if log.name == "Poke" and log.args.get("status") == JUMP and log.asset in o.assets:
            until = latched(o.assets[log.asset].breaker, PRICE_JUMP)[1]
            if timed.time + COOL_DOWN > o.now:
                yield Finding(
                    until - timed.time - COOL_DOWN, f"a jump of {log.asset} latches at once"
                )


def no_sudden_rules(o: Observation) -> Iterator[Finding]:
    """GATE-3. An asset that is wound down is at its settlement price at once."""
    previous = o.previous
    if previous is None:
        return
    latched = 1 << 227
    changed = [
        address
        for address, asset in o.assets.items()
        if asset.term != previous.assets[address].term
        or (asset.rule ^ previous.assets[address].rule) & ~latched
    ]
    if not changed:
        return
    # the new rules over the old sources, checkpoints and debts
    mixed = replace(
        previous,
        assets={
            address: replace(asset, rule=o.assets[address].rule, term=o.assets[address].term)
            for address, asset in previous.assets.items()
        },
    )
    for account, words in previous.accounts.items():
        if previous.health(words, previous.now).health_factor >= WAD:
            after = mixed.health(words, previous.now).health_factor
            yield Finding(min(after, 2**128) - WAD, f"{name_of(account)} under new rules")


def caps(o: Observation) -> Iterator[Finding]:
    """CAP-1"""
    before = before_call(o)
    if before is None:
        return
    yield from _collateral_caps(o, before)
    for asset, vault in o.vaults.items():
        after: Vault = vault.at(before.now)
        if o.events("Lend", vault.address):
            yield Finding(vault.debt_cap - after.debt, f"debt cap of {asset}")
        later = _later(o, vault.address)
        if later is not None:
            yield Finding(vault.deposit_cap - after.total + later, f"deposit cap of {asset}")


def _collateral_caps(o: Observation, before: Observation) -> Iterator[Finding]:
    """Backwards, since the books are known as they are after the call."""
    for asset, old in before.books.items():
        new = o.books[asset]
        if (old ^ new) & exposure.SET == 0:
            yield Finding(exposure.slack(old, new, before.now), f"limit of {asset} today")
    yield from _flood(o, before)
    totals = {asset: total for asset, (total, _, _) in o.collateral.items()}
    logs = [timed.log for timed in o.logs if timed.log.address == o.engine]
    for at in range(len(logs) - 1, -1, -1):
        log = logs[at]
        if log.name in ("Liquidate", "Seize"):
            return  # what was seized may have left the books, or not
        if log.name == "WithdrawCollateral":
            totals[log.asset] += log.amount
        elif log.name == "DepositCollateral":
            most = exposure.reachable(o.books[log.asset], before.now)
            room = most - totals[log.asset]
            if room < 0 and log.account in before.accounts:
                room = max(room, _lacking(before, log, logs[:at]) - log.amount)
            yield Finding(room, f"limit of collateral {log.asset}")
            totals[log.asset] -= log.amount


def _flood(o: Observation, before: Observation) -> Iterator[Finding]:
    """What liquidations seize above the depth: slices of twice the least debt at most, and what
    accounts under water give."""
    counts: dict[str, int] = {}
    taken: list[tuple[str, int]] = []
    for timed in o.logs:
        log = timed.log
        if log.address != o.engine or log.name not in ("Seize", "Liquidate"):
            continue
        if log.name == "Seize":
            taken.append((log.asset, log.amount))
            continue
        taken.append((log.collateral, log.seized))
        passes = log.bad_debt or log.repaid <= 2 * before.debts[log.debt_asset]
        if log.account in before.accounts and not passes:
            tip = before.health(before.accounts[log.account], before.now).tip
            passes = log.incentive == tip
        for asset, amount in taken:
            book = before.books.get(asset, 0)
            if amount and exposure.depth(book):
                count = counts.get(asset, exposure.counted(book, before.now))
                counts[asset] = count = exposure.more(count, amount, exposure.depth(book))
                if not passes:
                    yield Finding(exposure.PARTS - count, f"depth of {asset}")
        taken = []
    for asset, count in counts.items():
        gap = count - exposure.counted(o.books[asset], before.now)
        yield Finding(-abs(gap), f"what was seized of {asset}")


def _lacking(before: Observation, log: Log, earlier: Iterable[Log]) -> int:
    """What an account below maintenance may add above a limit: to what it holds, up to the health
    that a liquidation restores, unless it raised its risk in this block."""
    words = before.accounts[log.account]
    named = {
        other.name
        for other in earlier
        if log.account in [other.args.get(name) for name in ("account", "source", "target")]
    }
    if stamp(before.block) in stamps(words) or named & {
        "Borrow", "WithdrawCollateral", "MoveCollateral",
    }:  # fmt: skip
        return 0
    id = before.assets[log.asset].id
    if not named and id not in dict(legs(words)):
        return 0
    # what came before it may have brought a collateral with a higher target
    return before.shortfall(words, log.asset, before.now, TARGET_CEILING if named else 0)


def _later(o: Observation, vault: str) -> int | None:
    """What a vault's total may have risen by since the last deposit in a call: fees, and of each
    payment or loan the part of a unit that rounding leaves to the lenders. None: no deposit."""
    found = None
    for timed in o.logs:
        log = timed.log
        if log.address != vault:
            continue
        if log.name == "Deposit":
            found = 0
        elif found is not None and log.name in ("Collect", "Lend"):
            found += 1 + (log.fund_fee if log.name == "Collect" else 0)
        elif found is not None and log.name == "FlashLoan":
            found += log.fee
    return found
