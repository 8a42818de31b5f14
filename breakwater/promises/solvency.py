"""SOLV: what the contracts hold, owe, seize and lose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal, localcontext

from breakwater.host import Log
from breakwater.observation import Observation
from breakwater.observation.interest import grow
from breakwater.observation.words import DEBT, ceil_div, legs, stamp, stamps
from breakwater.promises.verdicts import Finding, before_call, name_of
from breakwater.units import RAY, WAD


def _accounts(logs: Iterable[Log]) -> set[bytes]:
    """Accounts that events name."""
    found: set[bytes] = set()
    for log in logs:
        for name in ("account", "source", "target"):
            value = log.args.get(name)
            if isinstance(value, bytes) and len(value) == 32:
                found.add(value)
    return found


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
            yield Finding(amount - 1, f"an empty leg of {name_of(account)}")
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
    before = before_call(o)
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
        yield Finding(room, f"initial margin of {name_of(account)}")
        yield Finding(slack, f"leverage of {name_of(account)}")


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
    if before_call(o) is None:
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
    before = before_call(o)
    if before is None:
        return
    for log in _liquidations(o):
        name = name_of(log.account)
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
    before = before_call(o)
    if before is None:
        return
    for log in _liquidations(o):
        name = name_of(log.account)
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
        before = before_call(o)
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
    before = before_call(o)
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
    before = before_call(o)
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
    what = name_of(changed[0]) if changed else "accounts not named"
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
