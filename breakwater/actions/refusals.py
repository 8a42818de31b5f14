"""What a contract refused, as a sentence with the numbers that matter, and what would work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from breakwater.actions import margin
from breakwater.actions.figures import percent, span, usd
from breakwater.actions.sentences import SENTENCES
from breakwater.host import Reverted
from breakwater.model.average import AVERAGE_TIME, PATIENCE
from breakwater.units import DAY, HOUR, MAX_UINT256, WAD, account_owner, from_wad

if TYPE_CHECKING:
    from breakwater.actions.session import Session


LEVELS = ("NORMAL", "CAUTION", "HALT", "WIND-DOWN")
STATUSES = ("valid", "away from its average", "in dispute between its sources", "stale")
REASONS = (
    "price jump", "dispersion", "stale price", "guardian", "growth of its supply", "insolvency",
)  # fmt: skip


class Step(NamedTuple):
    """One thing that was tried with an asset of an account."""

    action: int
    """Of `margin`."""
    symbol: str
    amount: int
    """Token units; MAX_UINT256: all."""


@dataclass(frozen=True)
class Attempt:
    """What was tried, as far as it is known."""

    account: bytes = b""
    steps: tuple[Step, ...] = ()
    symbol: str = ""
    """The asset, or that of the vault, fund or pool."""
    collateral: str = ""
    """What was to be seized, or earned in a pool."""
    operation: bytes = b""
    """Of the timelock."""


NOTHING = Attempt()
"""Nothing is known of what was tried."""


def explain(error: Reverted) -> str:
    """A revert as a sentence, without numbers."""
    found = SENTENCES.get(error.reason)
    return found or f'The contract refused: "{error.reason}".'


def refusal(session: Session, error: Reverted, attempt: Attempt = NOTHING) -> str:
    """A revert as a sentence, with the numbers that matter where `attempt` tells whose."""
    add = _NUMBERS.get(error.reason)
    more = add(session, attempt) if add is not None else ""
    return f"{explain(error)} {more}".rstrip()


# ------------------------------------------------------------------------------ levels


def level_line(session: Session, symbol: str) -> str:
    """An asset's level, and what holds it up, as a sentence."""
    token = session.token(symbol)
    quote = session.protocol.lens.quote(token)
    why = ", ".join(latched(session, token)) or f"its price is {STATUSES[quote.status]}"
    if quote.level == LEVELS.index("WIND-DOWN"):
        why = "it has its settlement price for good"
    return f"{symbol} is at level {LEVELS[quote.level]}: {why}."


def latched(session: Session, token: Any) -> list[str]:
    """What is latched for an asset, why, and for how long."""
    found = []
    for index, reason in enumerate(REASONS):
        level, until = session.protocol.breaker.latch_of(token, 1 << index)
        if level:
            found.append(f"{LEVELS[level]} by {reason} for {_left(session, until)} more")
    return found


def _raised(session: Session, attempt: Attempt) -> str:
    """Every asset above NORMAL, among those of the attempt where it names any."""
    lens = session.protocol.lens
    lines = [
        level_line(session, symbol)
        for symbol in _concerned(session, attempt)
        if lens.quote(session.token(symbol)).level
    ]
    return " ".join([*lines, _lift(lines)]).strip()


def _lift(lines: list[str]) -> str:
    if any("by guardian" in line for line in lines):
        return "The guardian lifts what it raised early: `ape run breaker reset`."
    return ""


def _vault_level(session: Session, attempt: Attempt) -> str:
    if not attempt.symbol:
        return _raised(session, attempt)
    level = session.vault(attempt.symbol).level()
    return _raised(session, attempt) or (
        f"The vault of {attempt.symbol} is at level {LEVELS[level]} of itself: after losses of "
        "more than 1 % that lasts a day."
        if level == LEVELS.index("CAUTION")
        else ""
    )


def _concerned(session: Session, attempt: Attempt) -> list[str]:
    """Assets of the account, the steps and the attempt itself; all where it names none."""
    protocol = session.protocol
    found = {attempt.symbol, attempt.collateral, *(step.symbol for step in attempt.steps)} - {""}
    if attempt.account:
        legs = protocol.lens.account(attempt.account).legs
        found |= {protocol.symbol_of(leg.asset) for leg in legs}
    return [symbol for symbol in protocol.tokens if not found or symbol in found]


def _prices(session: Session, attempt: Attempt) -> str:
    """What is wrong with which price."""
    lines = []
    for symbol in _concerned(session, attempt):
        quote = session.protocol.lens.quote(session.token(symbol))
        band = session.protocol.lens.config_of(session.token(symbol)).jump_band
        if quote.status == STATUSES.index("stale"):
            lines.append(f"{symbol} has no price that is recent enough.")
        elif quote.status == STATUSES.index("away from its average"):
            ends = _catches_up(quote.price, quote.average, band)
            lines.append(
                f"{symbol} is at {usd(quote.price)}, {_apart(quote)} from its average of "
                f"{usd(quote.average)}, and {percent(band * WAD // 10_000, 1)} is the most; at "
                f"that price, poked now and then, it lasts about {span(ends)} more."
            )
        elif quote.status:
            lines.append(
                f"{symbol} is at {usd(quote.low)} by one source and {usd(quote.high)} by another."
            )
    return " ".join(lines)


def _apart(quote: Any) -> str:
    return percent(abs(quote.price - quote.average) * WAD // quote.average, 1)


def _catches_up(price: int, average: int, band: int) -> int:
    """Seconds, in whole minutes, until the average is within the band of a price that stays."""
    from math import log

    gap = abs(price - average) / price
    # the band is of the average, which ends above a price that fell
    part = band / 10_000
    allowed = part / (1 - part if price < average else 1 + part)
    seconds = AVERAGE_TIME * log(max(gap / allowed, 1))
    return max(60, -(-int(seconds) // 60) * 60)


def _jump_confirmed(session: Session, attempt: Attempt) -> str:
    """When a jump that an account rests on is confirmed."""
    lines = []
    for symbol in _concerned(session, attempt):
        observation = session.protocol.risk_engine.words_of(session.token(symbol))[3]
        since = observation >> 128 & 2**32 - 1
        if since and since + PATIENCE > session.host.now:
            lines.append(
                f"The jump of {symbol} was first seen {_left(session, since, -1)} ago: in "
                f"{_left(session, since + PATIENCE)}, pokes going on."
            )
    return " ".join(lines)


def hold_line(session: Session, symbol: str) -> str:
    """A hold of liquidations that rest on an asset, or the grace after it; else nothing."""
    until = session.protocol.risk_engine.words_of(session.token(symbol))[1] >> 217 & 2**32 - 1
    left = until - session.host.now
    if left > 0:
        return f"liquidations are held for {span(left)} more"
    if until and left > -HOUR:
        return f"grace after a hold for {span(left + HOUR)} more"
    return ""


def _holds(session: Session, attempt: Attempt) -> str:
    lines = ((one, hold_line(session, one)) for one in _concerned(session, attempt))
    return " ".join(f"{symbol}: {line}." for symbol, line in lines if line)


# ------------------------------------------------------------------------------ accounts


def _margin(session: Session, attempt: Attempt) -> str:
    """What health and margin would be, and the most that would do."""
    if not attempt.account or not attempt.steps:
        return ""
    last = attempt.steps[-1]
    before = margin.after(session, attempt.account, attempt.steps[:-1])
    position = margin.after(session, attempt.account, attempt.steps)
    sums = session.protocol.lens.margin_of(margin.pack(position))
    found = session.protocol.risk_engine.health_of(margin.pack(position))
    said = []
    if found.weighted_debt:
        said.append(f"health factor would be {from_wad(found.health_factor, 2)}")
    if sums.required:
        said.append(f"initial margin {from_wad(sums.collateral * WAD // sums.required, 2)} of 1")
    equity = sums.exposure - sums.debt
    if equity > 0 and sums.exposure * WAD // equity > sums.max_leverage:
        said.append(
            f"leverage {from_wad(sums.exposure * WAD // equity, 2)} x of at most "
            f"{from_wad(sums.max_leverage, 2)} x"
        )
    line = ", ".join(said) + (": " if said else "")
    verb = "borrow" if last.action == margin.BORROW else "take out"
    most = margin.most(session, before, last.action, last.symbol)
    least = session.protocol.credit_engine.debt_of(session.token(last.symbol))[2]
    owed = before.get(margin.tag_of(session, margin.BORROW, last.symbol), 0)
    if last.action == margin.BORROW and most + owed < least:
        line += f"not even the least debt of {session.brief(least, last.symbol)} can be borrowed"
    else:
        line += f"{verb} at most {session.brief(most, last.symbol)}"
    return " ".join([line[0].upper() + line[1:] + ".", *_carries_nothing(session, before)])


def _carries_nothing(session: Session, position: Mapping[int, int]) -> list[str]:
    """Collateral that counts nothing for new debt, and why."""
    protocol = session.protocol
    return [
        f"{symbol} counts nothing as collateral. {level_line(session, symbol)}"
        for symbol, token in protocol.tokens.items()
        if protocol.risk_engine.id_of(token) in position
        and protocol.lens.quote(token).level >= LEVELS.index("HALT")
    ]


def _least_debt(session: Session, attempt: Attempt) -> str:
    symbol = _debt_symbol(attempt)
    if not symbol:
        return ""
    least = session.protocol.credit_engine.debt_of(session.token(symbol))[2]
    return f"The least debt in {symbol} is {session.show(least, symbol)}."


def _debt_symbol(attempt: Attempt) -> str:
    for step in reversed(attempt.steps):
        if step.action in (margin.BORROW, margin.REPAY):
            return step.symbol
    return attempt.symbol


def _held(session: Session, attempt: Attempt) -> str:
    symbol = attempt.steps[-1].symbol if attempt.steps else attempt.collateral
    if not attempt.account or not symbol:
        return ""
    tag = margin.tag_of(session, margin.WITHDRAW, symbol)
    held = margin.after(session, attempt.account, ()).get(tag, 0)
    return f"It holds {session.show(held, symbol)}."


def _room(session: Session, attempt: Attempt) -> str:
    """What caps and growth of collaterals leave."""
    lines = []
    for step in attempt.steps:
        if step.action != margin.DEPOSIT:
            continue
        state = session.protocol.lens.collateral(session.token(step.symbol))
        room = session.protocol.lens.max_deposit(attempt.account, session.token(step.symbol))
        if room >= step.amount:
            continue
        line = f"At most {session.brief(room, step.symbol)} may be added now"
        line += f", {session.brief(state.total, step.symbol)} are held of a cap of "
        line += session.brief(state.cap, step.symbol)
        if state.room_until and state.total + step.amount <= state.cap:
            line += f"; the next day begins in {_left(session, state.room_until)}"
        lines.append(f"{line}.")
    return " ".join(lines)


def _grant(session: Session, attempt: Attempt) -> str:
    """What the sender was granted, and how to be granted it."""
    if not attempt.account:
        return ""
    owner = account_owner(attempt.account)
    number = int.from_bytes(attempt.account[20:], "big")
    line = f"The account is {session.name(owner)}'s, and this is {session.name(session.sender)}."
    symbol = attempt.steps[-1].symbol if attempt.steps else attempt.symbol
    if symbol:
        engine = session.protocol.credit_engine
        _, left, expiry = engine.operator_of(attempt.account, session.sender, session.token(symbol))
        if 0 < expiry < session.host.now:
            line += f" A grant for {symbol} expired {_left(session, expiry, -1)} ago."
        elif expiry and left < 2**128 - 1:
            line += f" A grant leaves {session.brief(left, symbol)}."
    return (
        f"{line} `ape run operator grant {session.label(session.sender)} --number {number} "
        f"--account {session.label(owner)}` grants."
    )


# ------------------------------------------------------------------------------ vaults


def _lendable(session: Session, attempt: Attempt) -> str:
    """What a vault lends or pays out now, and until when its limits hold."""
    symbol = _debt_symbol(attempt)
    if not symbol:
        return ""
    state = session.protocol.lens.vault(session.token(symbol))
    lent = any(step.action == margin.BORROW for step in attempt.steps)
    most = min(state.growth_left, state.outflow_left) if lent else state.outflow_left
    ends = _left(session, state.window_ends)
    return (
        f"The vault of {symbol} has {session.brief(state.cash, symbol)} of cash, of which "
        f"{session.brief(min(most, state.cash), symbol)} may leave now; the next window begins in "
        f"{ends}. {session.brief(state.debt, symbol)} are owed of a cap of "
        f"{session.brief(state.debt_cap, symbol)}."
    )


def _deposit_room(session: Session, attempt: Attempt) -> str:
    if not attempt.symbol:
        return ""
    room = session.vault(attempt.symbol).maxDeposit(session.sender)
    return f"At most {session.brief(room, attempt.symbol)} may be lent now."


def _part(session: Session, attempt: Attempt) -> str:
    if not attempt.symbol:
        return ""
    most = session.vault(attempt.symbol).maxWithdraw(session.sender)
    return f"At most {session.brief(most, attempt.symbol)} may be withdrawn now."


# ------------------------------------------------------------------------------ liquidation


def _healthy(session: Session, attempt: Attempt) -> str:
    if not attempt.account:
        return ""
    state = session.protocol.lens.account(attempt.account)
    if state.health.health_factor == MAX_UINT256:
        return "It owes nothing."
    line = f"Its health factor is {from_wad(state.health.health_factor, 4)}, and liquidation "
    line += "begins below 1"
    for leg in state.legs:
        if leg.liquidation_price:
            symbol = session.protocol.symbol_of(leg.asset)
            line += f": {symbol} at {usd(leg.liquidation_price)}"
            break
    return f"{line}."


def _seizable(session: Session, attempt: Attempt) -> str:
    if not attempt.collateral or not attempt.symbol:
        return ""
    state = session.protocol.lens.collateral(session.token(attempt.collateral))
    least = session.protocol.credit_engine.debt_of(session.token(attempt.symbol))[2]
    return (
        f"{session.brief(state.seizable, attempt.collateral)} may still be seized, the next hour "
        f"begins in {_left(session, state.seizable_until)}; "
        f"--max {session.show(2 * least, attempt.symbol)} always works."
    )


# ------------------------------------------------------------------------------ funds, governance


def _ticket(session: Session, attempt: Attempt) -> str:
    if not attempt.symbol:
        return ""
    fund = session.protocol.funds[attempt.symbol]
    ticket = fund.ticket_of(session.sender)
    now = session.host.now
    if not ticket.shares:
        return ""
    if now < ticket.usable_from:
        return f"It is usable in {_left(session, ticket.usable_from)}, for 2 days."
    if now < ticket.usable_until:
        return f"It is usable for {_left(session, ticket.usable_until)} more."
    return f"It lapsed {_left(session, ticket.usable_until, -1)} ago."


def _pool(session: Session, attempt: Attempt) -> str:
    pool = session.protocol.backstops.get(attempt.symbol)
    if pool is None:
        return ""
    stake, worth = pool.stake_of(session.sender), pool.assets_of(session.sender)
    return (
        f"{session.brief(worth, attempt.symbol)} are in the pool and "
        f"{session.brief(stake.waiting, attempt.symbol)} wait to join it."
    )


def _balance(session: Session, attempt: Attempt) -> str:
    if attempt.symbol in session.protocol.backstops:
        return _pool(session, attempt)
    return ""


def _ripe(session: Session, attempt: Attempt) -> str:
    timelock = session.protocol.timelock
    if not attempt.operation:
        return ""
    at = timelock.get_timestamp(attempt.operation)
    if at == 0:
        return "It is not scheduled: `ape run timelock list` shows what is."
    if at == 1:
        return "It was executed already."
    return f"Its delay is over in {_left(session, at)}."


def _delay(session: Session, attempt: Attempt) -> str:
    least = session.protocol.timelock.get_minimum_delay()
    return f"It is {span(least)}."


def _role(session: Session, attempt: Attempt) -> str:
    rule = session.market.governance
    return (
        f"{', '.join(rule.proposers)} propose and cancel, {', '.join(rule.cancellers)} cancel, "
        f"{', '.join(rule.executors)} execute."
    )


def _guardian(session: Session, attempt: Attempt) -> str:
    guardian = session.protocol.breaker.guardian()
    return (
        f"That is {session.name(guardian)}, and this is {session.name(session.sender)}: "
        f"add --account {session.label(guardian)}."
    )


def _held_last(session: Session, attempt: Attempt) -> str:
    if not attempt.symbol:
        return ""
    start = session.protocol.risk_engine.words_of(session.token(attempt.symbol))[1]
    start = start >> 185 & 2**32 - 1
    return f"{attempt.symbol} again in {_left(session, start + 7 * DAY)}."


def _left(session: Session, until: int, sign: int = 1) -> str:
    """The time until then, or since."""
    return span((until - session.host.now) * sign)


_NUMBERS: Mapping[str, Callable[[Session, Attempt], str]] = {
    "initial margin is not met": _margin,
    "leverage is too high": _margin,
    "debt is below the minimum": _least_debt,
    "repay leaves debt below min": _least_debt,
    "not enough collateral": _held,
    "account has no such collateral": _held,
    "collateral cap is reached": _room,
    "exposure growth limit is reached": _room,
    "caller may not do this": _grant,
    "operator's grant has expired": _grant,
    "operator's amount is spent": _grant,
    "price is stale": _prices,
    "price is in a jump": _prices,
    "price sources disagree": _prices,
    "collateral has no valid price": _prices,
    "debt has no valid price": _prices,
    "asset is in caution": _raised,
    "asset is halted": _raised,
    "asset is settled": _raised,
    "asset is held": _holds,
    "liquidation is held": _holds,
    "grace after a hold": _holds,
    "vault is in caution": _vault_level,
    "vault is halted": _vault_level,
    "vault is wound down": _vault_level,
    "not enough cash": _lendable,
    "debt cap is reached": _lendable,
    "outflow limit is reached": _lendable,
    "debt growth limit is reached": _lendable,
    "deposit cap is reached": _deposit_room,
    "part of the cash is taken": _part,
    "account is healthy": _healthy,
    "price jump is too recent": _jump_confirmed,
    "liquidation limit is reached": _seizable,
    "ticket is not usable yet": _ticket,
    "ticket has lapsed": _ticket,
    "more than the ticket": _ticket,
    "more than what waits": _pool,
    "balance too low": _balance,
    "caller is not guardian": _guardian,
    "hold was less than 7 days ago": _held_last,
    "timelock_controller: operation is not ready": _ripe,
    "timelock_controller: operation cannot be cancelled": _ripe,
    "timelock_controller: insufficient delay": _delay,
    "access_control: account is missing role": _role,
}
