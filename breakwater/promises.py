"""The promises of the protocol, as checks of what was observed.

Each `Promise` has the identifier and the sentence of the design, and checks one `Observation`: it
finds how much room was left (`Held`) or what broke it (`Violation`), or nothing to judge (None).
What is expected is computed from raw words and events (`breakwater.observation`), never from the
contracts' own views. A `Ledger` runs them all and counts.

An observation whose events are those of one transaction (`call`) says more than one of a span of
time: where interest, prices and several calls mix, only the weaker half of a promise is judged.
Promises of liveness are judged by trials: calls that were made and undone (`Observation.trials`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from typing import NamedTuple

from breakwater.host import Log
from breakwater.observation import (
    DEBT,
    JUMP,
    Observation,
    Vault,
    bits,
    ceil_div,
    grow,
    legs,
    stamp,
    stamps,
)
from breakwater.units import RAY, WAD, account_owner

DAY = 86_400
HOLD = 7 * DAY
COOL_DOWN = 1_800
PRICE_JUMP, DISPERSION, STALE, GUARDIAN = range(4)
"""The breaker's reasons, in the order of its latches."""

TOO_RECENT = "price jump is too recent"
"""The stated hold of LIVE-3."""


class Finding(NamedTuple):
    """One comparison: room left (negative: broken) and what was compared."""

    slack: int
    what: str


@dataclass(frozen=True)
class Held:
    """A promise held in `checks` comparisons; the tightest left `slack`."""

    checks: int
    slack: int
    what: str = ""


@dataclass(frozen=True)
class Violation:
    """A promise was broken."""

    promise: str
    sentence: str
    what: str
    time: int
    slack: int

    def __str__(self) -> str:
        return f"{self.promise} broken at {self.time}: {self.what} (short by {-self.slack})"


Check = Callable[[Observation], Iterable[Finding]]


@dataclass(frozen=True)
class Promise:
    """One promise: identifier, sentence, and how it is judged."""

    id: str
    sentence: str
    findings: Check = field(repr=False)

    def check(self, observation: Observation) -> Held | Violation | None:
        """Judge one observation."""
        count, least, what = 0, 0, ""
        for finding in self.findings(observation):
            if finding.slack < 0:
                return Violation(
                    self.id, self.sentence, finding.what, observation.now, finding.slack
                )
            if count == 0 or finding.slack < least:
                least, what = finding.slack, finding.what
            count += 1
        return Held(count, least, what) if count else None


@dataclass
class Tally:
    """How often a promise was judged, and the first time it was broken."""

    promise: Promise
    checks: int = 0
    observations: int = 0
    slack: int | None = None
    violations: list[Violation] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether it was judged and never broken."""
        return self.checks > 0 and not self.violations


class Ledger:
    """Runs promises over observations and keeps count."""

    def __init__(self, promises: Iterable[Promise] | None = None) -> None:
        found = catalogue() if promises is None else list(promises)
        self.tallies = {promise.id: Tally(promise) for promise in found}

    def check(self, observation: Observation) -> list[Violation]:
        """Judge one observation by every promise; what broke."""
        broken = []
        for tally in self.tallies.values():
            verdict = tally.promise.check(observation)
            if verdict is None:
                continue
            tally.observations += 1
            if isinstance(verdict, Violation):
                tally.checks += 1
                tally.violations.append(verdict)
                broken.append(verdict)
                continue
            tally.checks += verdict.checks
            if tally.slack is None or verdict.slack < tally.slack:
                tally.slack = verdict.slack
        return broken

    @property
    def judged(self) -> list[Tally]:
        """Promises that had something to judge."""
        return [tally for tally in self.tallies.values() if tally.checks]

    @property
    def held(self) -> int:
        """How many of the judged ones were never broken."""
        return sum(tally.held for tally in self.tallies.values())


# ------------------------------------------------------------ helpers


def _before(o: Observation) -> Observation | None:
    """The state before the one call that an observation is about."""
    return o.previous if o.call else None


def _accounts(logs: Iterable[Log]) -> set[bytes]:
    """Accounts that events name."""
    found: set[bytes] = set()
    for log in logs:
        for name in ("account", "source", "target"):
            value = log.args.get(name)
            if isinstance(value, bytes) and len(value) == 32:
                found.add(value)
    return found


def _name(account: bytes) -> str:
    number = int.from_bytes(account[20:], "big")
    return f"account {account_owner(account)[:10]}#{number}"


def _fees(o: Observation, vault: str) -> int:
    """What a vault earned in a call besides interest: it makes up for a part of a loss."""
    charged = sum(log.fund_fee for log in o.events("Collect", vault))
    return int(charged + sum(log.fee for log in o.events("FlashLoan", vault)))


def _is_priced(o: Observation, words: Iterable[int]) -> bool:
    """Whether every leg of an account has a valid price."""
    return all(o.by_id[tag & 127].liquidation_prices(o.now, 0)[2] for tag, _ in legs(list(words)))


def _dust(o: Observation, words: Iterable[int]) -> int:
    """Value of two of the smallest units of every debt [WAD]: what rounding may cost."""
    found = 0
    for tag, _ in legs(list(words)):
        if tag >= DEBT:
            asset = o.by_id[tag & 127]
            found += 2 * ceil_div(asset.source.high or 1, 10**asset.decimals) + 2
    return found


# ------------------------------------------------------------ solvency


def custody(o: Observation) -> Iterator[Finding]:
    """SOLV-1"""
    for asset, vault in o.vaults.items():
        yield Finding(vault.token_balance - vault.cash, f"balance of the vault of {asset}")
    for asset, (total, _, balance) in o.collateral.items():
        yield Finding(balance - total, f"the engine's balance of {asset}")


def vault_books(o: Observation) -> Iterator[Finding]:
    """SOLV-2"""
    previous = o.previous
    for asset, now in o.vaults.items():
        vault = now.at(o.now)
        yield Finding(vault.cash + vault.debt - vault.fee - vault.claims_value, f"books of {asset}")
        if previous is None or asset not in previous.vaults:
            continue
        # what came in, went out and was lost, event by event; interest only adds
        time = previous.now if o.call else o.now
        before = previous.vaults[asset].at(previous.now)
        after = now.at(time)
        flow, events = 0, 0
        for timed in o.logs:
            log = timed.log
            if log.address != now.address:
                continue
            events += 1
            if log.name == "Deposit":
                flow += log.assets
            elif log.name == "Withdraw":
                flow -= log.assets
            elif log.name == "Collect":
                flow += log.fund_fee
            elif log.name == "WriteOff":
                flow -= log.loss
            elif log.name == "FlashLoan":
                flow += log.fee
        yield Finding(
            after.total - before.total - flow + events, f"total of {asset} after its events"
        )


def sums(o: Observation) -> Iterator[Finding]:
    """SOLV-3"""
    shares: dict[int, int] = {}
    held: dict[int, int] = {}
    for account, words in o.accounts.items():
        for tag, amount in legs(words):
            yield Finding(amount - 1, f"an empty leg of {_name(account)}")
            totals = shares if tag >= DEBT else held
            totals[tag & 127] = totals.get(tag & 127, 0) + amount
    for asset, vault in o.vaults.items():
        gap = abs(shares.get(o.assets[asset].id, 0) - vault.debt_shares)
        yield Finding(-gap, f"debt shares of {asset}")
    for asset, (total, _, _) in o.collateral.items():
        yield Finding(-abs(held.get(o.assets[asset].id, 0) - total), f"collateral {asset}")


def share_value(o: Observation) -> Iterator[Finding]:
    """SOLV-4"""
    previous = o.previous
    if previous is None:
        return
    for asset, now in o.vaults.items():
        old = previous.vaults.get(asset)
        if old is None:
            continue
        elapsed = now.time - old.time
        yield Finding(now.index - old.index, f"index of {asset}")
        if elapsed == 0:
            yield Finding(-abs(now.index - old.index), f"index of {asset} in zero time")
        else:
            rate = max(now.highest_rate, old.highest_rate)
            yield Finding(
                _most(old.index, rate, elapsed) - now.index, f"growth of the index of {asset}"
            )
        time = previous.now if o.call else o.now
        before, after = old.at(previous.now), now.at(time)
        losses = o.events("WriteOff", now.address)
        assets, shares = before.price
        assets_after, shares_after = after.price
        if not losses:
            yield Finding(
                (assets_after * shares - assets * shares_after) // shares_after,
                f"worth of a share of {asset}, no loss booked",
            )
        elif o.call:
            loss = sum(log.lender_loss for log in losses)
            fall = assets * shares_after // shares - assets_after
            gap = max(fall - loss, loss - _fees(o, now.address) - fall)
            yield Finding(2 + 2 * len(losses) - gap, f"shares of {asset} fall by the loss")


def _most(index: int, rate: int, elapsed: int) -> int:
    """index * exp(rate * elapsed), rounded up."""
    with localcontext() as context:
        context.prec = 60
        grown = Decimal(index) * (Decimal(rate) * elapsed / WAD).exp()
        return int(grown) + 1


def new_risk(o: Observation) -> Iterator[Finding]:
    """SOLV-5"""
    before = _before(o)
    if before is None:
        return
    raised: set[bytes] = set()
    for timed in o.logs:
        log = timed.log
        if log.address != o.engine:
            continue
        if log.name in ("Borrow", "WithdrawCollateral"):
            raised.add(log.account)
        elif log.name == "MoveCollateral":
            raised.add(log.source)
    for account in raised:
        words = o.accounts.get(account)
        if words is None or not any(tag >= DEBT for tag, _ in legs(words)):
            continue
        # prices are those that the call saw, debts those that it left
        seen = replace(before, vaults=o.vaults, accounts=o.accounts)
        room = slack = -1
        for margin in seen.margins(words, before.now):
            room = (margin.collateral - margin.required) // 10_000
            slack = margin.exposure * (margin.max_leverage - 2) - margin.debt * margin.max_leverage
            if min(room, slack) >= 0:
                break
        if min(room, slack) < 0 and _is_safer(before, seen, account):
            continue
        yield Finding(room, f"initial margin of {_name(account)}")
        yield Finding(slack, f"leverage of {_name(account)}")


def _is_safer(before: Observation, after: Observation, account: bytes) -> bool:
    old, new = before.accounts[account], after.accounts[account]
    owed = dict(leg for leg in legs(old) if leg[0] >= DEBT)
    for tag, amount in legs(new):
        if tag >= DEBT and amount > owed.get(tag, 0):
            return False
    first, second = before.health(old, before.now), after.health(new, before.now)
    return (
        second.health_factor >= first.health_factor
        and second.collateral * first.debt >= first.collateral * second.debt
    )


def _liquidations(o: Observation) -> Iterator[Log]:
    """The liquidations of a call, of accounts that it liquidated once and did nothing else to."""
    if _before(o) is None:
        return
    logs = o.events("Liquidate", o.engine)
    for log in logs:
        others = [
            timed.log
            for timed in o.logs
            if timed.log.address == o.engine
            and timed.log is not log
            and timed.log.name != "Seize"
            and log.account in [timed.log.args.get(n) for n in ("account", "source", "target")]
        ]
        if not others and log.account in o.accounts:
            yield log


def _terms_patience(before: Observation, account: bytes) -> int:
    """The patience that a liquidation has with a jump: a loss that rests on one waits."""
    under = before.health(before.accounts[account], before.now).under_water
    return 600 if under else 0


def liquidated(o: Observation) -> Iterator[Finding]:
    """SOLV-6"""
    before = _before(o)
    if before is None:
        return
    for log in _liquidations(o):
        name = _name(log.account)
        words = before.accounts[log.account]
        health = before.health(words, before.now, _terms_patience(before, log.account))
        yield Finding(WAD - 1 - health.health_factor, f"health of {name} before liquidation")
        yield Finding(-abs(log.health_factor - health.health_factor), f"health reported for {name}")
        fresh = stamp(before.block) in stamps(words)
        yield Finding(-int(fresh), f"{name} raised its risk in the block of its liquidation")
        if health.under_water:
            yield Finding(-abs(log.incentive - health.tip), f"incentive under water of {name}")
            continue
        yield Finding(health.incentive_max - log.incentive, f"incentive of {name}")
        debt, collateral = before.assets[log.debt_asset], before.assets[log.collateral]
        patience = _terms_patience(before, log.account)
        owed_price = debt.liquidation_prices(before.now, patience)[1]
        price = collateral.liquidation_prices(before.now, patience)[0]
        paid = (log.repaid + 1) * owed_price // 10**debt.decimals + 1
        taken = log.seized * price // 10**collateral.decimals
        yield Finding(paid * (WAD + log.incentive) // WAD - taken, f"seized from {name}")


def never_lowers_health(o: Observation) -> Iterator[Finding]:
    """SOLV-7"""
    before = _before(o)
    if before is None:
        return
    for log in _liquidations(o):
        name = _name(log.account)
        patience = _terms_patience(before, log.account)
        words = before.accounts[log.account]
        old = before.health(words, before.now, patience)
        # where a price is missing LIVE-3 goes before
        if old.under_water or not _is_priced(before, words):
            continue
        seen = replace(before, vaults=o.vaults, accounts=o.accounts)
        new = seen.health(o.accounts[log.account], before.now, patience)
        dust = _dust(before, words)
        if new.debt:
            allowed = old.health_factor * dust // new.debt + 1
            yield Finding(
                new.health_factor - old.health_factor + allowed, f"health of {name} afterwards"
            )
        owed = ceil_div(new.debt * (WAD + old.tip), WAD)
        yield Finding(new.collateral - owed + 2 * dust, f"collateral and debt of {name} afterwards")


def losses(o: Observation) -> Iterator[Finding]:
    """SOLV-9"""
    for asset, vault in o.vaults.items():
        booked = o.events("WriteOff", vault.address)
        for log in booked:
            parts = log.fund_loss + log.lender_loss
            yield Finding(-abs(log.loss - parts), f"parts of a loss of {asset}")
        reported = sum(
            log.bad_debt for log in o.events("Liquidate", o.engine) if log.debt_asset == asset
        )
        total = sum(log.loss for log in booked)
        if booked or reported:
            yield Finding(-abs(total - reported), f"losses of {asset}, reported and booked")
        before = _before(o)
        if before is None or len(booked) != 1:
            continue
        log = booked[0]
        if not _fees(o, vault.address):  # else a share was worth more than before the call
            assets, shares = before.vaults[asset].at(before.now).price
            worth = log.fund_shares * assets // shares
            yield Finding(2 - abs(worth - log.fund_loss), f"the fund's part of a loss of {asset}")
        # what borrowers owed less = what was paid and what was lost
        index = vault.at(before.now).index
        owed = before.vaults[asset].debt_shares * index // RAY
        left = vault.debt_shares * index // RAY
        paid = sum(log.assets for log in o.events("Collect", vault.address))
        lent = sum(log.assets for log in o.events("Lend", vault.address))
        count = len(o.events("Collect", vault.address)) + len(booked) + 1
        yield Finding(
            count - abs(owed + lent - left - paid - log.loss), f"debts of {asset} after a loss"
        )


def rounding(o: Observation) -> Iterator[Finding]:
    """SOLV-10"""
    before = _before(o)
    if before is None:
        return
    for asset, vault in o.vaults.items():
        old = before.vaults[asset].at(before.now)
        index = old.index
        for log in o.events("Lend", vault.address):
            yield Finding(log.shares - 1, f"shares of a loan of {asset}")
            yield Finding(log.shares * index - log.assets * RAY, f"debt of a loan of {asset}")
        for log in o.events("Collect", vault.address):
            yield Finding(log.assets * RAY - log.shares * index, f"a payment of {asset}")
        entries = o.events("Deposit", vault.address)
        exits = o.events("Withdraw", vault.address)
        if len(entries) + len(exits) != 1:
            continue
        if o.events("WriteOff", vault.address) or _fees(o, vault.address):
            continue  # the price moved within the call
        assets, shares = old.price
        # a loan or payment around it left a part of a unit to the lenders
        others = len(o.events("Lend", vault.address)) + len(o.events("Collect", vault.address))
        for log in entries:
            ahead = log.assets * shares - log.shares * assets + others * shares
            yield Finding(ahead, f"a deposit of {asset}")
        for log in exits:
            ahead = log.shares * assets - log.assets * shares + others * shares
            yield Finding(ahead, f"a withdrawal of {asset}")


def bystanders(o: Observation) -> Iterator[Finding]:
    """SOLV-11"""
    before = _before(o)
    if before is None:
        return
    named = _accounts(timed.log for timed in o.logs if timed.log.address == o.engine)
    left = _seized(o)
    changed = [
        account
        for account, words in o.accounts.items()
        if account not in named
        and words != before.accounts.get(account, words)
        and not _is_credit(before.accounts[account], words, left)
    ]
    what = _name(changed[0]) if changed else "accounts not named"
    yield Finding(-len(changed), f"{what}: legs changed by a call that does not name it")
    for asset, vault in o.vaults.items():
        old = before.vaults[asset]
        due = grow(old.index, old.borrow_rate, before.now - old.time)
        now = vault.at(before.now).index
        yield Finding(-abs(now - due), f"index of {asset}: what every debtor owes")
    if not o.events("Poke"):
        for address, listed in o.assets.items():
            same = listed.checkpoint == before.assets[address].checkpoint
            yield Finding(int(same) - 1, f"stored price of {address}")


def _seized(o: Observation) -> dict[int, int]:
    """What liquidations took, by id of the asset: an account may be credited with it."""
    found: dict[int, int] = {}
    for log in o.events("Liquidate", o.engine):
        id = o.assets[log.collateral].id
        found[id] = found.get(id, 0) + log.seized
    for log in o.events("Seize", o.engine):
        id = o.assets[log.asset].id
        found[id] = found.get(id, 0) + log.amount
    return found


def _is_credit(before: Iterable[int], after: Iterable[int], left: dict[int, int]) -> bool:
    """Whether an account only gained of what was seized, which is then used up."""
    gained = dict(legs(list(after)))
    for tag, amount in legs(list(before)):
        gained[tag] = gained.get(tag, 0) - amount
    gained = {tag: amount for tag, amount in gained.items() if amount}
    if not gained or any(not 0 < amount <= left.get(tag, 0) for tag, amount in gained.items()):
        return False
    for tag, amount in gained.items():
        left[tag] -= amount
    return True


# ------------------------------------------------------------ liveness


def _tried(promise: str) -> Check:
    def findings(o: Observation) -> Iterator[Finding]:
        for trial in o.trials:
            if trial.promise == promise:
                why = "" if trial.passed else f": {trial.reason or 'no reason'}"
                yield Finding(0 if trial.passed else -1, trial.what + why)

    return findings


def no_arithmetic(o: Observation) -> Iterator[Finding]:
    """LIVE-4"""
    for trial in o.trials:
        broken = not trial.passed and (
            trial.reason in ("", "halt") or trial.reason.startswith("panic")
        )
        yield Finding(-int(broken), f"{trial.what}: a revert without a reason")


# ------------------------------------------------------------ gates and caps


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
            for reason in (PRICE_JUMP, DISPERSION, STALE):
                level, until = bits(word, 42 * reason + 40, 2), bits(word, 42 * reason, 40)
                if level and until > o.now:
                    now = bits(asset.breaker, 42 * reason + 40, 2)
                    later = bits(asset.breaker, 42 * reason, 40)
                    yield Finding(
                        min(now - level, later - until),
                        f"latch {reason} of {address} until {until}",
                    )
    for timed in o.logs:
        log = timed.log
        if log.name == "Poke" and log.args.get("status") == JUMP and log.asset in o.assets:
            until = bits(o.assets[log.asset].breaker, 42 * PRICE_JUMP, 40)
            if timed.time + COOL_DOWN > o.now:
                yield Finding(
                    until - timed.time - COOL_DOWN, f"a jump of {log.asset} latches at once"
                )


def no_sudden_rules(o: Observation) -> Iterator[Finding]:
    """GATE-3"""
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
            yield Finding(min(after, 2**128) - WAD, f"{_name(account)} under new rules")


def caps(o: Observation) -> Iterator[Finding]:
    """CAP-1"""
    before = _before(o)
    if before is None:
        return
    for log in o.events("DepositCollateral", o.engine):
        total, cap, _ = o.collateral[log.asset]
        room = cap - total
        if room < 0:
            words = before.accounts.get(log.account)
            margin = before.margin(words, before.now) if words is not None else None
            if margin is not None and margin.collateral < margin.required:
                room = 0
        yield Finding(room, f"cap of collateral {log.asset}")
    for asset, vault in o.vaults.items():
        after: Vault = vault.at(before.now)
        if o.events("Lend", vault.address):
            yield Finding(vault.debt_cap - after.debt, f"debt cap of {asset}")
        if o.events("Deposit", vault.address):
            # each payment or loan in the middle of it may lift the total by a part of a unit
            parts = len(o.events("Collect", vault.address)) + len(o.events("Lend", vault.address))
            yield Finding(vault.deposit_cap - after.total + parts, f"deposit cap of {asset}")


# ------------------------------------------------------------ the catalogue


def catalogue() -> list[Promise]:
    """Every promise that can be judged from what is observed, in the order of the design."""
    return [
        Promise(
            "SOLV-1",
            "Each contract's real balance of a token is at least what its books say.",
            custody,
        ),
        Promise(
            "SOLV-2",
            "Cash, flash loans out and debt owed cover the claims of shares; no call lowers the"
            " slack.",
            vault_books,
        ),
        Promise(
            "SOLV-3",
            "Debt shares of all accounts are the vault's total, collateral of all accounts the"
            " engine's; zero shares if and only if zero debt.",
            sums,
        ),
        Promise(
            "SOLV-4",
            "A vault share's value falls only in a call that emits a loss, by exactly that loss;"
            " indices never fall, zero time is zero growth, growth is at most exp(highest rate"
            " × time).",
            share_value,
        ),
        Promise(
            "SOLV-5",
            "Every account on which a call borrowed or withdrew meets its initial margin at the"
            " end, or is safer than before.",
            new_risk,
        ),
        Promise(
            "SOLV-6",
            "Only an account below maintenance is liquidated, within the terms quoted, and never"
            " in the block in which it last raised its own risk.",
            liquidated,
        ),
        Promise(
            "SOLV-7",
            "A liquidation never lowers health while C ≥ (1 + tip)·D, and an account with"
            " C ≥ (1 + tip)·D keeps it.",
            never_lowers_health,
        ),
        Promise(
            "SOLV-9",
            "What borrowers left unpaid is what the fund paid and what lenders lost, event by"
            " event.",
            losses,
        ),
        Promise(
            "SOLV-10",
            "Every conversion rounds in the vault's favour; a loan records a debt no smaller, and"
            " at least one share.",
            rounding,
        ),
        Promise(
            "SOLV-11",
            "Elapsed interest, ramps and prices aside, a call changes only the health of the"
            " accounts it names.",
            bystanders,
        ),
        Promise(
            "LIVE-1",
            "Repaying works in every state, and so does adding a priced asset that is held.",
            _tried("LIVE-1"),
        ),
        Promise(
            "LIVE-2",
            "A lender can take out min(cash, worth of his shares) in every state but a halt of"
            " that vault.",
            _tried("LIVE-2"),
        ),
        Promise(
            "LIVE-3",
            "For every account below maintenance some liquidation call succeeds, from the block"
            " after it last raised its own risk and outside a stated hold.",
            _tried("LIVE-3"),
        ),
        Promise(
            "LIVE-4",
            "Accrual, health, repay and liquidate have no reachable arithmetic revert.",
            no_arithmetic,
        ),
        Promise(
            "GATE-1",
            "Guardians only tighten, and halts cover at most 7 days in any 30 per asset.",
            GuardianBudget(),
        ),
        Promise(
            "GATE-2",
            "A breaker tightens at once and loosens only after its cool-down.",
            cool_down,
        ),
        Promise(
            "GATE-3",
            "No change of parameters makes a healthy account liquidatable in that block.",
            no_sudden_rules,
        ),
        Promise(
            "GATE-4",
            "Who cannot repay or top up cannot be liquidated.",
            _tried("GATE-4"),
        ),
        Promise(
            "CAP-1",
            "Caps hold on every path that raises exposure.",
            caps,
        ),
    ]
