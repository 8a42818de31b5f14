"""What a contract refused, as a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from breakwater import markets
from breakwater.host import HALT, Reverted

if TYPE_CHECKING:
    from breakwater.actions.session import Session


LEVELS = ("NORMAL", "CAUTION", "HALT", "WIND-DOWN")
STATUSES = ("valid", "away from its average", "in dispute between its sources", "stale")
REASONS = (
    "price jump", "dispersion", "stale price", "guardian", "growth of its supply", "insolvency",
)  # fmt: skip

# Every reason a user of these commands can meet, as a sentence.
SENTENCES: Mapping[str, str] = {
    "": "The contract stopped without a reason, as arithmetic beyond its range does.",
    HALT: "The contract ran out of gas or hit an invalid instruction.",
    # accounts
    "initial margin is not met": "The account's collateral does not cover that much debt.",
    "leverage is too high": "That would raise the account's leverage above the cap of its assets.",
    "account holds 8 assets": "The account holds 8 assets already, which is the most.",
    "account has no such collateral": "The account holds no such collateral.",
    "account has no such debt": "The account has no such debt.",
    "not enough collateral": "The account holds less of that collateral.",
    "amount is zero": "The amount is zero.",
    "amount is too small": "The amount is too small to cancel any debt.",
    "amount is too large": "The amount is larger than an account can hold.",
    "debt is below the minimum": "The debt that would be left is below the least debt.",
    "collateral cap is reached": "The cap on this collateral is reached.",
    "exposure growth limit is reached": "This collateral has grown by as much as a day (UTC) may "
    "add: what is withdrawn makes room, and the next day does. An account below maintenance may "
    "add what it lacks.",
    "asset is no collateral": "That asset is not accepted as collateral.",
    "asset is no debt asset": "That asset cannot be borrowed.",
    "asset is not listed": "That asset is not listed.",
    "caller may not do this": "Only the account's owner, or an operator it named, may do this.",
    "receiver is not valid": "The receiver is not valid.",
    "token transfer failed": "The token refused the transfer.",
    "allowance too low": "The allowance of the token is too low.",
    "balance too low": "The balance is too low.",
    # prices and levels
    "price is stale": "An asset has no valid price now: its feed is stale. Try again after the "
    "next answer; on a devnet the keeper gives one while `breakwater devnet` runs.",
    "price is in a jump": "The asset's price is away from its average: no new risk with it until "
    "the average has caught up.",
    "price sources disagree": "The asset's price sources disagree: no new risk with it until "
    "they agree.",
    "asset is in caution": "The asset is at level CAUTION: it cannot be borrowed, nor taken out of "
    "an account with debt, unless the account gets safer by it. Repaying, adding collateral and "
    "liquidating work.",
    "asset is halted": "The asset is at level HALT: it cannot be borrowed, nor taken out of an "
    "account with debt, and as collateral it carries no new debt. Repaying and adding collateral "
    "work.",
    "asset is settled": "The asset is wound down at its settlement price: no new risk with it or "
    "beside a debt in it, and no more of it comes into any account. Repaying, and liquidating at "
    "that price, work.",
    "asset is held": "The guardian holds liquidations that rest on the asset, or did until less "
    "than an hour ago: meanwhile it is not borrowed, nor brought to an account that holds none.",
    "price is out of range": "The settlement price is outside of what pokes saw in 7 days.",
    "sequencer is down": "The chain's sequencer is down: no new risk, and no liquidation, until it "
    "is back.",
    "grace after an outage": "The chain's sequencer came back less than an hour ago: no new risk, "
    "and no liquidation of an account with a health factor of 0.95 or more.",
    "collateral has no valid price": "That collateral has no valid price, so it cannot be seized.",
    "debt has no valid price": "That debt has no valid price, so it cannot be liquidated now.",
    # vaults
    "not enough cash": "The vault has less cash than that.",
    "debt cap is reached": "The vault's cap on debt is reached.",
    "deposit cap is reached": "The vault's cap on deposits is reached.",
    "vault is in caution": "The vault is at level CAUTION: nothing can be borrowed from it. "
    "Lending, repaying, and withdrawing half of what it could else, work.",
    "vault is halted": "The vault is at level HALT: nothing can be borrowed from it, lent to it or "
    "withdrawn from it. Repaying works.",
    "vault is wound down": "The vault is wound down: nothing can be borrowed from it or lent to "
    "it. Repaying, and withdrawing one's part of its cash, work.",
    "outflow limit is reached": "As much has left the vault as may in this window of 4 hours: what "
    "comes in makes room, and the next window does.",
    "debt growth limit is reached": "The vault's debt has grown by as much as it may in this "
    "window of 4 hours: payments make room, and the next window does.",
    "part of the cash is taken": "That is more than one's part of the vault's cash, to which "
    "payments add.",
    "vault is closed": "The vault lost nearly everything and takes no more deposits.",
    "vault is not open": "The vault is not open yet.",
    "zero assets": "The amount is too small.",
    "zero shares": "The amount is too small for a single share.",
    "too many shares": "That would be more shares than the vault can count.",
    # liquidation
    "account is healthy": "The account is healthy: it cannot be liquidated.",
    "risk was raised in this block": "The account raised its risk in this very block: it can be "
    "liquidated from the next one.",
    "price jump is too recent": "The account is under water only at a price that jumped a moment "
    "ago: wait until pokes confirm it, ten minutes from the first that saw it.",
    "liquidation is held": "The guardian holds liquidations that rest on one of the account's "
    "assets, for at most 4 hours. Repaying and adding collateral work.",
    "grace after a hold": "The guardian's hold of liquidations ended less than an hour ago: an "
    "account with a health factor of 0.95 or more is not liquidated yet.",
    "pair would lower health": "Taking this collateral for this debt would lower the account's "
    "health: choose another pair.",
    "nothing to repay": "There is nothing to repay here.",
    "repay leaves debt below min": "That would leave a debt below the least debt: repay more, or "
    "all of it.",
    "liquidation limit is reached": "Liquidations have seized as much of this collateral as an "
    "hour may: a slice that repays at most twice the least debt works, more in the next hour.",
    "too little would be seized": "Less collateral would be seized than was asked for.",
    "credit is the account itself": "The account itself cannot be credited.",
    # breaker
    "caller is not guardian": "Only the guardian may do this.",
    "caller is not the breaker": "Only the circuit breaker may do this.",
    "level must be 1 or 2": "The level must be CAUTION or HALT.",
    "duration is zero": "The duration is zero.",
    "duration above 7 days": "A trip lasts at most 7 days.",
    "duration above 4 hours": "A hold of liquidations lasts at most 4 hours.",
    "hold was less than 7 days ago": "Liquidations that rest on an asset are held once in 7 days.",
    "level below the latched one": "The guardian holds a higher level already: reset it first.",
    "expiry before the latched one": "The guardian holds the level for longer already: reset it "
    "first.",
    "latch budget is spent": "What a person holds and halts cover at most 7 days in any 30: that "
    "is spent.",
    "locked": "A call is in progress: the breaker waits for it.",
    "not connected": "The breaker is not connected yet.",
    "ownable: caller is not the owner": "Only the owner, which is the timelock, may do this.",
}


def explain(error: Reverted) -> str:
    """A revert as a sentence."""
    found = SENTENCES.get(error.reason)
    return found or f'The contract refused: "{error.reason}".'


_OF_LEVELS = ("asset is in caution", "asset is halted", "vault is in caution", "vault is halted")


def refusal(session: Session, error: Reverted) -> str:
    """A revert as a sentence; where a level is to blame, with what holds it up and how long."""
    sentence = explain(error)
    if error.reason not in _OF_LEVELS:
        return sentence
    raised = [
        symbol
        for symbol, token in session.protocol.tokens.items()
        if session.protocol.lens.quote(token).level
    ]
    return " ".join([sentence, *(level_line(session, symbol) for symbol in raised)])


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
            left = markets.show_duration(max(0, until - session.host.now))
            found.append(f"{LEVELS[level]} by {reason} for {left} more")
    return found
