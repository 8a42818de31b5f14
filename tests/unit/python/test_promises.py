"""Each promise holds on what a real run shows, and breaks on a doctored observation of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from breakwater import artifacts, markets
from breakwater.demo.script import script
from breakwater.demo.simulation import Settings, Simulation
from breakwater.evm import EvmHost
from breakwater.host import Log
from breakwater.observation import Observation, Timed, Trial
from breakwater.observation.words import DEBT, legs, stamp
from breakwater.promises import Ledger, catalogue
from breakwater.promises.gates import DAY, GuardianBudget
from breakwater.promises.sentences import SENTENCES
from breakwater.promises.verdicts import Held, Promise, Violation
from breakwater.units import HOUR

Doctor = Callable[[list[Observation]], Observation]


@pytest.fixture(scope="module")
def seen() -> list[Observation]:
    """Observations of a crash with liquidations, some of them with a loss."""
    market = markets.load()
    settings = Settings(seed=1, borrowers=30, capital=0.01)
    run = Simulation(EvmHost(block_per_transaction=True), market, script({}, market, 52), settings)
    found: list[Observation] = []
    judge = run.results.ledger.check

    def keep(observation: Observation) -> list[Violation]:
        found.append(observation)
        return judge(observation)

    run.results.ledger.check = keep  # type: ignore[method-assign]
    run.run()
    assert run.results.broken == 0
    return found


def by_id() -> dict[str, Promise]:
    return {promise.id: promise for promise in catalogue()}


def calls(seen: list[Observation], event: str) -> list[Observation]:
    return [o for o in seen if o.call and o.events(event)]


def with_log(o: Observation, event: str, **changes: Any) -> Observation:
    """The observation with arguments of its first such event changed."""
    logs, done = [], False
    for timed in o.logs:
        log = timed.log
        if log.name == event and not done:
            done = True
            values = {
                name: change(log.args[name]) if callable(change) else change
                for name, change in changes.items()
            }
            log = Log(log.address, log.name, {**log.args, **values})
        logs.append(Timed(timed.time, log))
    assert done
    return replace(o, logs=tuple(logs))


def with_vault(o: Observation, asset: str, **changes: int) -> Observation:
    return replace(o, vaults={**o.vaults, asset: replace(o.vaults[asset], **changes)})


def with_amount(o: Observation, account: bytes, debt: bool, factor: float) -> Observation:
    """The observation with the first debt (or collateral) of an account scaled."""
    words = list(o.accounts[account])
    for index, (tag, amount) in enumerate(legs(words)):
        if (tag >= DEBT) == debt:
            at = 104 * (index & 1)
            words[index >> 1] += (int(amount * factor) - amount) << at
            break
    return replace(o, accounts={**o.accounts, account: tuple(words)})


def lent(o: Observation) -> str:
    """The asset of the vault that lends in this call."""
    address = o.events("Lend")[0].address
    return next(asset for asset, vault in o.vaults.items() if vault.address == address)


def custody(seen: list[Observation]) -> Observation:
    asset = next(iter(seen[-1].vaults))
    return with_vault(seen[-1], asset, token_balance=seen[-1].vaults[asset].cash - 1)


def engine_custody(seen: list[Observation]) -> Observation:
    o = seen[-1]
    asset, (total, cap, _) = next(iter(o.collateral.items()))
    return replace(o, collateral={**o.collateral, asset: (total, cap, total - 1)})


def cash_gone(seen: list[Observation]) -> Observation:
    o = calls(seen, "Lend")[0]
    return with_vault(o, lent(o), books=o.vaults[lent(o)].books - 1_000)


def account_gone(seen: list[Observation]) -> Observation:
    o = seen[-1]
    account = next(account for account, words in o.accounts.items() if legs(words))
    return replace(o, accounts={a: w for a, w in o.accounts.items() if a != account})


def empty_leg(seen: list[Observation]) -> Observation:
    account = next(account for account, words in seen[-1].accounts.items() if legs(words))
    return with_amount(seen[-1], account, False, 0)


def index_falls(seen: list[Observation]) -> Observation:
    o = calls(seen, "Lend")[1]
    return with_vault(o, lent(o), rates=o.vaults[lent(o)].rates - 10**24)


def index_soars(seen: list[Observation]) -> Observation:
    o = [o for o in seen if not o.call and o.previous is not None and o.events("Lend") == []][-1]
    asset = next(iter(o.vaults))
    return with_vault(o, asset, rates=o.vaults[asset].rates + 10**26)


def shares_from_nothing(seen: list[Observation]) -> Observation:
    o = calls(seen, "Lend")[1]
    asset = lent(o)
    return with_vault(o, asset, claims=o.vaults[asset].claims + o.vaults[asset].supply // 1_000)


def loss_beyond_the_event(seen: list[Observation]) -> Observation:
    o = calls(seen, "WriteOff")[0]
    return with_log(o, "WriteOff", lender_loss=lambda loss: loss + 100)


def borrowed_too_much(seen: list[Observation]) -> Observation:
    o = calls(seen, "Borrow")[0]
    return with_amount(o, o.events("Borrow")[0].account, True, 5)


def healthy_liquidated(seen: list[Observation]) -> Observation:
    o = calls(seen, "Liquidate")[0]
    assert o.previous is not None
    dear = {
        address: replace(
            asset,
            checkpoint=0,
            source=asset.source._replace(
                low=asset.source.low * 3, price=asset.source.price * 3, high=asset.source.high * 3
            ),
        )
        if asset.decimals != 6
        else asset
        for address, asset in o.previous.assets.items()
    }
    return replace(o, previous=replace(o.previous, assets=dear))


def liquidated_at_once(seen: list[Observation]) -> Observation:
    o = calls(seen, "Liquidate")[0]
    assert o.previous is not None
    account = o.events("Liquidate")[0].account
    words = list(o.previous.accounts[account])
    words[0] = words[0] & ~(0xFFFFF << 224) | stamp(o.previous.block) << 224
    accounts = {**o.previous.accounts, account: tuple(words)}
    return replace(o, previous=replace(o.previous, accounts=accounts))


def standard(seen: list[Observation]) -> Observation:
    for o in calls(seen, "Liquidate"):
        assert o.previous is not None
        words = o.previous.accounts[o.events("Liquidate")[0].account]
        if not o.previous.health(words, o.previous.now).under_water and not o.events("WriteOff"):
            account = o.events("Liquidate")[0].account
            if any(tag >= DEBT for tag, _ in legs(o.accounts[account])):
                return o
    raise AssertionError("no standard liquidation was seen")


def seized_too_much(seen: list[Observation]) -> Observation:
    return with_log(standard(seen), "Liquidate", seized=lambda amount: amount * 2)


def health_lowered(seen: list[Observation]) -> Observation:
    o = standard(seen)
    return with_amount(o, o.events("Liquidate")[0].account, False, 0.5)


def loss_unreported(seen: list[Observation]) -> Observation:
    return with_log(calls(seen, "WriteOff")[0], "Liquidate", bad_debt=lambda loss: loss - 1)


def loss_unshared(seen: list[Observation]) -> Observation:
    return with_log(calls(seen, "WriteOff")[0], "WriteOff", fund_loss=lambda loss: loss + 1)


def debt_rounded_down(seen: list[Observation]) -> Observation:
    return with_log(calls(seen, "Lend")[-1], "Lend", shares=lambda shares: shares - 2)


def no_share(seen: list[Observation]) -> Observation:
    return with_log(calls(seen, "Lend")[0], "Lend", shares=0)


def bystander_touched(seen: list[Observation]) -> Observation:
    o = calls(seen, "Liquidate")[0]
    named = o.events("Liquidate")[0].account
    other = next(a for a, words in o.accounts.items() if a != named and legs(words))
    return with_amount(o, other, False, 0.999)


def tried(promise: str, reason: str = "something is wrong") -> Doctor:
    return lambda seen: replace(seen[-1], trials=(Trial(promise, "a call", False, reason),))


def held_too_long(seen: list[Observation]) -> Observation:
    o = seen[-1]
    asset = next(iter(o.assets))
    latch = (o.now + 8 * DAY) << 64
    return replace(o, assets={**o.assets, asset: replace(o.assets[asset], latch=latch)})


def lifted_early(seen: list[Observation]) -> Observation:
    o = seen[-1]
    asset = next(iter(o.assets))
    latched = 1 << 34 | o.now + 1_000
    before = replace(
        o, assets={**o.assets, asset: replace(o.assets[asset], breaker=latched)}, previous=None
    )
    return replace(
        o, assets={**o.assets, asset: replace(o.assets[asset], breaker=0)}, previous=before
    )


def jump_not_latched(seen: list[Observation]) -> Observation:
    o = next(
        o
        for o in seen
        if any(
            timed.log.name == "Poke" and timed.log.status == 1 and timed.time + 1_000 > o.now
            for timed in o.logs
        )
    )
    none = {address: replace(asset, breaker=0) for address, asset in o.assets.items()}
    return replace(o, assets=none, previous=None)


def rules_changed_at_once(seen: list[Observation]) -> Observation:
    o = next(o for o in reversed(seen) if o.previous is not None)
    strict = {
        address: replace(asset, term=asset.term & ~(2**28 - 1) | 100 | 100 << 14)
        for address, asset in o.assets.items()
    }
    return replace(o, assets=strict)


def cap_passed(seen: list[Observation]) -> Observation:
    o = calls(seen, "Lend")[0]
    return with_vault(o, lent(o), debt_cap=1)


def with_book(o: Observation, asset: str, change: Callable[[int], int]) -> Observation:
    return replace(o, books={**o.books, asset: change(o.books[asset])})


def collateral_cap_passed(seen: list[Observation]) -> Observation:
    """The limit of the day is that of no more than nothing."""
    o = calls(seen, "DepositCollateral")[0]
    return with_book(o, o.events("DepositCollateral")[0].asset, lambda book: book & ~LIMIT)


def day_opened_from_more(seen: list[Observation]) -> Observation:
    """The limit that is stored is above what the book before the call allows."""
    o = calls(seen, "DepositCollateral")[0]
    return with_book(o, o.events("DepositCollateral")[0].asset, lambda book: book + (1 << 168))


def day_not_opened(seen: list[Observation]) -> Observation:
    o = calls(seen, "DepositCollateral")[0]
    return with_book(o, o.events("DepositCollateral")[0].asset, lambda book: book ^ 1 << 176)


def deep(seen: list[Observation], depth: int) -> tuple[Observation, str]:
    """A liquidation of no small part, as if the depth before it had been that."""
    for o in calls(seen, "Liquidate"):
        event, before = o.events("Liquidate")[0], o.previous
        assert before is not None
        asset, least = event.collateral, before.debts[event.debt_asset]
        tip = before.health(before.accounts[event.account], before.now).tip
        if event.bad_debt == 0 and event.repaid > 2 * least and event.incentive != tip:
            was = with_book(before, asset, lambda book: book & (2**192 - 1) | depth << 192)
            hour = before.now // 3_600 & 2**20 - 1

            def flooded(book: int, hour: int = hour) -> int:
                return book & (2**192 - 1) | depth << 192 | hour << 216 | (2**20 - 1) << 236

            return replace(with_book(o, asset, flooded), previous=was), asset
    pytest.fail("no liquidation that a depth would hold back")


def depth_passed(seen: list[Observation]) -> Observation:
    return deep(seen, 1)[0]


def seizure_not_counted(seen: list[Observation]) -> Observation:
    o, asset = deep(seen, 65_535 | 87 << 16)
    return with_book(o, asset, lambda book: book & (2**236 - 1))


LIMIT = 0xFFFFFF << 152

DOCTORED: list[tuple[str, Doctor]] = [
    ("SOLV-1", custody),
    ("SOLV-1", engine_custody),
    ("SOLV-2", cash_gone),
    ("SOLV-3", account_gone),
    ("SOLV-3", empty_leg),
    ("SOLV-4", index_falls),
    ("SOLV-4", index_soars),
    ("SOLV-4", shares_from_nothing),
    ("SOLV-4", loss_beyond_the_event),
    ("SOLV-5", borrowed_too_much),
    ("SOLV-6", healthy_liquidated),
    ("SOLV-6", liquidated_at_once),
    ("SOLV-6", seized_too_much),
    ("SOLV-7", health_lowered),
    ("SOLV-9", loss_unreported),
    ("SOLV-9", loss_unshared),
    ("SOLV-10", debt_rounded_down),
    ("SOLV-10", no_share),
    ("SOLV-11", bystander_touched),
    ("LIVE-1", tried("LIVE-1")),
    ("LIVE-2", tried("LIVE-2")),
    ("LIVE-3", tried("LIVE-3")),
    ("LIVE-4", tried("LIVE-1", "")),
    ("LIVE-4", tried("LIVE-1", "panic: 0x11")),
    ("GATE-1", held_too_long),
    ("GATE-2", lifted_early),
    ("GATE-2", jump_not_latched),
    ("GATE-3", rules_changed_at_once),
    ("GATE-4", tried("GATE-4")),
    ("CAP-1", cap_passed),
    ("CAP-1", collateral_cap_passed),
    ("CAP-1", day_opened_from_more),
    ("CAP-1", day_not_opened),
    ("CAP-1", depth_passed),
    ("CAP-1", seizure_not_counted),
]


def test_guardian_budget__counts_what_is_held_and_not_what_sensors_halt(seen):
    """Two holds of 4 days within 30 are a day too many; a halt without a hold is none."""
    first = next(iter(seen[-1].assets))

    def at(days, held_days, halt_days=0):
        o = seen[-1]
        now = o.now + days * DAY
        latch = (now + halt_days * DAY) << 64 | ((now + held_days * DAY) if held_days else 0) << 128
        return replace(o, now=now, assets={first: replace(o.assets[first], latch=latch)})

    def worst(*observations):
        judge = GuardianBudget()
        return min(finding.slack for o in observations for finding in judge(o))

    assert worst(at(0, 4), at(10, 3)) == 0
    assert worst(at(0, 4), at(10, 4)) == -DAY
    assert worst(*(at(day, 0, halt_days=1) for day in range(20))) >= 0


def test_guardian_budget__holds_of_liquidations(seen):
    """At most 4 hours, and 7 days from start to start."""
    first = next(iter(seen[-1].assets))

    def at(start, seconds, previous=None):
        o = seen[-1]
        start += o.now
        asset = replace(o.assets[first], latch=0, term=start << 185 | (start + seconds) << 217)
        return replace(o, now=start, assets={first: asset}, previous=previous)

    def worst(observation):
        return min(finding.slack for finding in GuardianBudget()(observation))

    once = at(0, 4 * HOUR)
    assert worst(once) == 0
    assert worst(at(0, 4 * HOUR + 1)) == -1
    assert worst(at(7 * DAY, HOUR, once)) == 0
    assert worst(at(7 * DAY - 1, HOUR, once)) == -1


@pytest.mark.parametrize(
    ("promise", "doctor"),
    DOCTORED,
    ids=[f"{promise}-{getattr(doctor, '__name__', 'tried')}" for promise, doctor in DOCTORED],
)
def test_check__doctored_observation__is_a_violation(
    seen: list[Observation], promise: str, doctor: Doctor
):
    verdict = by_id()[promise].check(doctor(seen))
    assert isinstance(verdict, Violation), verdict
    assert verdict.promise == promise
    assert verdict.slack < 0
    assert verdict.sentence == by_id()[promise].sentence


def test_check__every_promise_has_a_doctored_observation():
    assert {promise for promise, _ in DOCTORED} == set(by_id())


def test_ledger__holds_on_what_was_seen(seen: list[Observation]):
    ledger = Ledger()
    for observation in seen:
        assert ledger.check(observation) == []
    assert ledger.held == len(ledger.judged)
    # no parameter changes in the demo
    assert {tally.promise.id for tally in ledger.judged} == set(by_id()) - {"GATE-3"}


def test_ledger__counts_what_is_broken(seen: list[Observation]):
    ledger = Ledger()
    ledger.check(seen[-1])
    held = ledger.held
    broken = ledger.check(custody(seen))
    assert [violation.promise for violation in broken] == ["SOLV-1"]
    assert ledger.held == held - 1
    assert not ledger.tallies["SOLV-1"].held


def test_check__nothing_to_judge(seen: list[Observation]):
    quiet = replace(seen[-1], trials=(), logs=(), call=False, previous=None)
    assert by_id()["LIVE-1"].check(quiet) is None
    assert by_id()["SOLV-7"].check(quiet) is None
    assert isinstance(by_id()["SOLV-1"].check(quiet), Held)


# ------------------------------------------------------------ what is no violation


def judged(promise: str, o: Observation) -> bool | None:
    """Whether it holds; None: there was nothing to judge."""
    verdict = by_id()[promise].check(o)
    return None if verdict is None else isinstance(verdict, Held)


def plus_log(o: Observation, address: str, name: str, **args: Any) -> Observation:
    return replace(o, logs=(*o.logs, Timed(o.now, Log(address, name, args))))


def with_leg(words: tuple[int, ...], tag: int, amount: int) -> tuple[int, ...]:
    """The words of an account with one more leg."""
    count, found = len(legs(words)), list(words)
    assert count < 8
    found[count >> 1] |= tag << 208 + 8 * (count & 1) | amount << 104 * (count & 1)
    found[0] += 1 << 244
    return tuple(found)


def credited(seen: list[Observation], more: int = 0, debt: bool = False) -> Observation:
    """An account that no event names gains what a liquidation seized, and `more`."""
    for o in calls(seen, "Liquidate"):
        log = o.events("Liquidate")[0]
        tag = o.assets[log.collateral].id | (DEBT if debt else 0)
        assert o.previous is not None
        for account, words in o.previous.accounts.items():
            held = {leg for leg, _ in legs(words)}
            if account != log.account and tag not in held and 0 < len(held) < 8:
                gained = with_leg(words, tag, log.seized + more)
                return replace(o, accounts={**o.accounts, account: gained})
    raise AssertionError("nobody to credit")


def test_bystanders__account_that_is_credited_with_what_is_seized(seen: list[Observation]):
    assert judged("SOLV-11", credited(seen))
    assert judged("SOLV-11", credited(seen, more=1)) is False
    assert judged("SOLV-11", credited(seen, debt=True)) is False


def capped(seen: list[Observation], id: int, halves: int, factor: float) -> Observation:
    """A borrower holds a bit of another collateral too, whose leverage cap is that."""
    o = calls(seen, "Borrow")[0]
    account = o.events("Borrow")[0].account
    assert o.previous is not None
    assert id not in {tag for tag, _ in legs(o.accounts[account])}
    assets = {
        address: replace(asset, rule=asset.rule & ~(255 << 214) | halves << 214)
        if asset.id == id
        else asset
        for address, asset in o.previous.assets.items()
    }
    o = replace(o, previous=replace(o.previous, assets=assets))
    grown = with_leg(o.accounts[account], id, 1)
    o = replace(o, accounts={**o.accounts, account: grown})
    return with_amount(o, account, True, factor)


def test_new_risk__leverage_is_capped_by_what_counts(seen: list[Observation]):
    o = calls(seen, "Borrow")[0]
    held = {tag & 127 for tag, _ in legs(o.accounts[o.events("Borrow")[0].account])}
    other = next(asset.id for asset in o.assets.values() if asset.id not in held)
    assert judged("SOLV-5", capped(seen, other, 2, 1))
    assert judged("SOLV-5", capped(seen, other, 2, 5)) is False
    debt = next(
        tag & 127 for tag, _ in legs(o.accounts[o.events("Borrow")[0].account]) if tag > 127
    )
    assert o.previous is not None
    strict = {
        address: replace(asset, rule=asset.rule & ~(255 << 214) | 2 << 214)
        if asset.id == debt
        else asset
        for address, asset in o.previous.assets.items()
    }
    assert judged("SOLV-5", replace(o, previous=replace(o.previous, assets=strict))) is False


@pytest.mark.parametrize("side", ["source", "target"])
def test_liquidated__account_that_collateral_moved_from_or_to(seen: list[Observation], side: str):
    for promise, doctor in (("SOLV-6", healthy_liquidated), ("SOLV-7", health_lowered)):
        o = doctor(seen)
        assert judged(promise, o) is False
        log = o.events("Liquidate")[0]
        moved = {"source": b"", "target": b"", side: log.account}
        moved_too = plus_log(o, o.engine, "MoveCollateral", **moved, asset=log.collateral, amount=1)
        assert judged(promise, moved_too) is None


def lossy(seen: list[Observation]) -> tuple[Observation, str]:
    o = calls(seen, "WriteOff")[0]
    address = o.events("WriteOff")[0].address
    return o, next(asset for asset, vault in o.vaults.items() if vault.address == address)


def flashed(o: Observation, asset: str, fee: int) -> Observation:
    """A flash loan in the same call: its fee stays."""
    loan = {"receiver": "", "initiator": "", "assets": 10**12, "fee": fee}
    found = plus_log(o, o.vaults[asset].address, "FlashLoan", **loan)
    return with_vault(found, asset, books=o.vaults[asset].books + fee)


def test_share_value__a_fee_makes_up_for_a_part_of_a_loss(seen: list[Observation]):
    o, asset = lossy(seen)
    fee = 10**6
    assert judged("SOLV-4", flashed(o, asset, fee))
    # the same without the event, and a fall beyond the loss with it
    richer = with_vault(o, asset, books=o.vaults[asset].books + fee)
    assert judged("SOLV-4", richer) is False
    poorer = with_vault(flashed(o, asset, fee), asset, books=o.vaults[asset].books - fee)
    assert judged("SOLV-4", poorer) is False


def test_losses__the_funds_shares_are_worth_more_after_a_fee(seen: list[Observation]):
    o, asset = lossy(seen)
    more = {"fund_loss": lambda loss: loss + 100, "lender_loss": lambda loss: loss - 100}
    assert judged("SOLV-9", with_log(o, "WriteOff", **more)) is False
    assert judged("SOLV-9", with_log(flashed(o, asset, 10**6), "WriteOff", **more))


def test_rounding__price_that_a_fee_moves(seen: list[Observation]):
    o = calls(seen, "Deposit")[0]
    address = o.events("Deposit")[0].address
    asset = next(asset for asset, vault in o.vaults.items() if vault.address == address)
    dear = with_log(o, "Deposit", shares=lambda shares: shares + shares // 1_000)
    assert judged("SOLV-10", dear) is False
    assert judged("SOLV-10", flashed(dear, asset, 10**6)) is None


def test_never_lowers_health__a_leg_without_a_price(seen: list[Observation]):
    o = health_lowered(seen)
    assert o.previous is not None
    log = o.events("Liquidate")[0]
    gone = o.previous.assets[log.collateral]
    gone = replace(gone, source=gone.source._replace(low=0, price=0, high=0, status=0))
    assets = {**o.previous.assets, log.collateral: gone}
    assert judged("SOLV-7", replace(o, previous=replace(o.previous, assets=assets))) is None


def test_sentences__are_those_of_the_readme() -> None:
    """Each promise is told once; where it is told again it is the same text, in the same order."""
    readme = (artifacts.ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z]+-\d+) \| (.*?) \|", readme, re.MULTILINE)
    assert rows == list(SENTENCES.items())
    assert [promise.id for promise in catalogue()] == [id for id in SENTENCES if id != "SOLV-8"]
