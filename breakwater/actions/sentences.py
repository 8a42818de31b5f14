"""What each reason of the contracts means, as a sentence; `refusals` adds the numbers."""

from __future__ import annotations

from collections.abc import Mapping

from breakwater.host import HALT

_ACCOUNTS = {
    "initial margin is not met": "The account's collateral does not cover that much debt.",
    "leverage is too high": "That would raise the account's leverage above the cap of its assets.",
    "account holds 8 assets": "The account holds 8 assets already, which is the most: another "
    "account (--number) holds 8 more.",
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
    "accounts are the same": "Both accounts are the same.",
    "accounts of two owners": "Collateral moves between accounts of one owner only.",
    "caller may not do this": "Only the account's owner, or an operator it named, may do this.",
    "caller is not account owner": "Only the account's owner names operators.",
    "operator's grant has expired": "The operator's grant has expired.",
    "operator's amount is spent": "The operator's grant leaves less than that.",
    "any asset takes no amount": "A grant for any asset has no bound: name the asset of "
    "the amount.",
    "signature has expired": "The signature has expired: have it signed anew.",
    "signature is not valid": "The signature is not the owner's over these terms, on this chain.",
    "nonce is used": "That nonce was used or cancelled: have it signed with another.",
    "receiver is not valid": "The receiver is not valid.",
    "receiver is zero": "The receiver is the zero address.",
    "token transfer failed": "The token refused the transfer.",
    "allowance too low": "The allowance of the token is too low.",
    "balance too low": "The balance is too low.",
}  # fmt: skip

_LEVELS = {
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
}  # fmt: skip

_VAULTS = {
    "not enough cash": "The vault has less cash than that: the rest is on loan.",
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
    "shares are redeemed in part": "The vault is wound down, and shares of who redeemed some are "
    "not transferred.",
    "vault is closed": "The vault lost nearly everything and takes no more deposits.",
    "vault is not open": "The vault is not open yet.",
    "zero assets": "The amount is too small.",
    "zero shares": "The amount is too small for a single share.",
    "too many shares": "That would be more shares than the vault can count.",
    "cash is full": "That is more than the vault can count.",
}  # fmt: skip

_LIQUIDATION = {
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
}  # fmt: skip

_BREAKER = {
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
    "too little gas": "The transaction has too little gas to read the feed.",
}  # fmt: skip

_FUNDS = {
    "exit needs a ticket": "Stakers leave the fund with a ticket only: `ape run fund exit` asks "
    "for one, which is usable for 2 days in 20 days.",
    "fund has no reserve": "The fund takes no stakes before it holds a reserve of its own, a "
    "million units of the asset or more, from fees or a seed.",
    "fund is closed": "The fund lost nearly everything and takes no more stakes.",
    "fund takes no transfers": "The fund takes shares by staking only: `ape run fund stake`.",
    "more than the ticket": "That is more than the ticket is for.",
    "no ticket": "There is no ticket: `ape run fund exit` asks for one.",
    "shares are in a ticket": "Those shares are in a ticket: `ape run fund cancel` gives it back.",
    "ticket has lapsed": "The ticket has lapsed: `ape run fund exit` asks for another.",
    "ticket is not usable yet": "The ticket is not usable yet.",
    "pool is used up": "The pool is used up and takes no more deposits: another one has to be "
    "deployed.",
    "more than what waits": "That is more than what waits to join the pool.",
    "nothing to claim": "There is none of that collateral to claim.",
    "account is not marked": "The account is not marked: `mark` comes ten minutes before `buy`.",
    "mark is too young": "The account's mark is younger than ten minutes.",
    "mark has lapsed": "The account's mark has lapsed: it has to be marked anew.",
    "slice is used up": "The pool has bought a tenth of its cash, as much as an hour may.",
    "account is liquidatable": "The account can be liquidated: its mark stays.",
    "worth less than it costs": "The pool would pay more than it would get.",
    "token takes a fee": "The token takes a fee when it is transferred, which is not possible "
    "here.",
}  # fmt: skip

_TRADES = {
    "there is no such pool": "There is no pool of those tokens with that fee.",
    "pool has too little": "The pool has less than that.",
    "account has changed": "A token on the way changed the account in the middle of the trade.",
    "tokens are the same": "What is sold and what is bought are one asset: name two.",
    "too much would be sold": "The pools ask for more than the limit: a higher --slippage "
    "allows it.",
    "too little would be bought": "The pools give less than the limit: a higher --slippage "
    "allows it.",
    "deadline has passed": "The trade came too late: it is good for ten minutes.",
    "leverage is below 1": "Leverage is 1 or more.",
    "account has no equity": "The account owes all it has: there is nothing to leverage.",
    "fee is more than is bought": "The order's fee is more than the trade brings.",
    "amount is above the order's": "That is more than the order allows.",
    "trade loses too much": "The pools give less than the order's slippage allows.",
    "condition does not hold": "What the order waits for has not come.",
    "health would be too high": "The trade would lift health above what the order asks for: trade "
    "less.",
    "health is still too low": "The trade would leave health where it triggers the order: trade "
    "more.",
    "order has expired": "The order has expired.",
    "order is cancelled": "The order is cancelled, or was executed.",
}  # fmt: skip

_GOVERNANCE = {
    "ownable: caller is not the owner": "Only the owner, which is the timelock, may do this: "
    "`ape run timelock propose` asks it.",
    "access_control: account is missing role": "That takes a role in the timelock that this "
    "account has not.",
    "timelock_controller: operation is not ready": "The operation cannot be executed now.",
    "timelock_controller: operation already scheduled": "The same operation is scheduled already: "
    "another --salt makes another of it.",
    "timelock_controller: insufficient delay": "The delay is shorter than the timelock's.",
    "timelock_controller: operation cannot be cancelled": "The operation is not waiting: there is "
    "nothing to cancel.",
    "timelock_controller: missing dependency": "The operation follows one that was not executed.",
    "timelock_controller: underlying transaction reverted": "The call that was scheduled is "
    "refused, without a reason.",
    "step comes too soon": "A parameter is loosened once in 3 days, and an asset settled a "
    "day after it was announced.",
    "step is too large": "That is more than one step: caps, least debts and limits go to twice "
    "what they are at most, borrow_ltv and liquidation_ltv by 5 %.",
    "genesis is over": "That works before the market is sealed only.",
    "asset is listed already": "The asset is listed already.",
    "asset is not new": "The asset is not new: its cap moves in steps.",
    "nothing to grow yet": "The cap of the new asset has grown as far as its age allows.",
    "cap follows its schedule": "The cap of a new asset follows its schedule: `grow` moves it.",
    "cap is too high": "The cap is above what one may be.",
    "new assets are at their limit": "All new assets together are worth what they may be.",
    "one listing a week": "An asset was listed less than a week ago.",
    "tip differs from the others": "The tip is one for all assets.",
    "max_price is too high": "The highest price of a new asset is at most 4 times its price.",
    "max_price is not raised": "The highest price is only raised.",
    "max_price out of range": "The highest price is out of its range.",
    "min_price out of range": "The lowest price is out of its range.",
    "price bounds are too far apart": "Lowest and highest price are too far apart.",
    "borrow_ltv is too high": "borrow_ltv lies 2 % below liquidation_ltv at least.",
    "borrow_ltv_floor out of range": "borrow_ltv_floor is at most borrow_ltv.",
    "liquidation_ltv is too high": "With the highest incentive, liquidation_ltv would exceed 1.",
    "incentive too high for an ltv": "With that incentive a liquidation_ltv would exceed 1.",
    "tip out of range": "The tip is out of its range.",
    "decimals out of range": "The token has more decimals than the protocol counts.",
    "feed decimals out of range": "The feed has more decimals than the protocol counts.",
    "min_debt is too high": "The least debt is above what one may be.",
    "ramp is too fast": "liquidation_ltv falls along a ramp of at least 3 days.",
    "ramp is too slow": "A ramp lasts at most 180 days.",
    "caller is not steward": "Only the steward may do this.",
    "growth is above 100 percent": "Growth is at most 100 % of the cap.",
    "limit out of range": "The limit of a supply is 0.1 % to 100 % a day, or 0.",
    "vault is of another asset": "The vault is of another asset.",
    "fund is of another vault": "The fund is of another vault.",
    "vault is open already": "The vault is open already.",
    "vault is not listed": "The vault is not listed.",
    "asset has a vault": "The asset has a vault already.",
    "too many vaults": "There are as many vaults as there may be.",
    "too many assets": "There are as many assets as there may be.",
    "collateral is listed already": "The collateral is listed already.",
    "debt is listed already": "The debt asset is listed already.",
    "rate bounds out of range": "The rates are out of their ranges.",
    "latch is too long": "A latch lasts at most 7 days.",
    "price is not valid": "The source has no valid price.",
    "source is not valid": "The new source has no valid price.",
    "sources disagree": "The sources disagree.",
    "source is apart from the last": "The new source is apart from the last price of the old one.",
    "source is apart from the old": "The new source is apart from the old one.",
    "source is not dead for a day": "The old source has no price, and has not been without one for "
    "a day.",
    "new source is not refused": "The new source is well: its replacement is not cancelled.",
    "no replacement is under way": "No replacement of that feed is under way.",
    "replacement is under way": "A replacement of that feed is under way already.",
    "replacement is not over": "The replacement of that feed is not over yet.",
    "no settlement is announced": "No settlement of that asset is announced.",
    "source cannot come or go": "A listed asset keeps a source.",
    "already connected": "The breaker is connected already.",
}  # fmt: skip

SENTENCES: Mapping[str, str] = {
    "": "The contract stopped without a reason, as arithmetic beyond its range does.",
    HALT: "The contract ran out of gas or hit an invalid instruction.",
    **_ACCOUNTS,
    **_LEVELS,
    **_VAULTS,
    **_LIQUIDATION,
    **_BREAKER,
    **_FUNDS,
    **_TRADES,
    **_GOVERNANCE,
}
"""Every reason that one of the commands can meet."""
