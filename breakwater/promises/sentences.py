"""The sentence of each promise, as the README has it: one text, wherever it is told."""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    "SOLV-1": (
        "Each contract's real balance of a token is at least what its books say; a donation"
        " changes nothing."
    ),
    "SOLV-2": (
        "Cash, flash loans out and debt cover the claims of shares; no call lowers the slack."
    ),
    "SOLV-3": (
        "Debt shares of all accounts are the vault's total, collateral the engine's; zero"
        " shares if and only if zero debt."
    ),
    "SOLV-4": (
        "A share's value falls only in a call that emits a loss, and by exactly that loss."
        " Indices never fall, zero time is zero growth, growth ≤ exp(highest rate × time)."
    ),
    "SOLV-5": (
        "An account that borrowed, withdrew or moved out meets its initial margin at the end,"
        " or is safer than before its first touch."
    ),
    "SOLV-6": (
        "Only an account below maintenance is liquidated, within the terms quoted, never in"
        " the block in which it raised its own risk."
    ),
    "SOLV-7": (
        "A liquidation never lowers health while C > (1 + tip)·D; an account above water"
        " stays there; splitting never pays more."
    ),
    "SOLV-8": (
        "Within a block, at true prices, no sequence of calls raises the callers' joint net"
        " worth by more than dust."
    ),
    "SOLV-9": (
        "What borrowers left unpaid is what the fund paid and what lenders lost, event by"
        " event. No interest accrues on a booked loss."
    ),
    "SOLV-10": (
        "Every conversion rounds in the vault's favour; a loan records a debt no smaller and"
        " at least one share."
    ),
    "SOLV-11": (
        "Interest, ramps and prices aside, a call changes only the health of the accounts it names."
    ),
    "LIVE-1": (
        "Repaying works in every state, and so does adding a collateral that is held. A debt"
        " below the least debt may be closed whole."
    ),
    "LIVE-2": (
        "A lender can take out min(his claim, cash within the outflow limit) in every state but a"
        " halt of that vault; halts end by themselves, and cover at most 7 days in any 30 while the"
        " vault holds what its books say. Of a vault that is wound down each share gets the same"
        " part of the cash in all, whoever came before him, and before or after which loss."
    ),
    "LIVE-3": (
        "For every account below maintenance some liquidation passes, from the block after it"
        " raised its risk and outside a stated hold (a jump a moment ago, a guardian's hold,"
        " an outage of the sequencer, the grace after either), whatever other assets' feeds"
        " and tokens do."
    ),
    "LIVE-4": ("Accrual, health, repay and liquidate have no reachable arithmetic revert."),
    "GATE-1": (
        "Guardians only tighten, at most 7 days in any 30 for each asset. Anyone can lift"
        " what has expired. Owners loosen only through the timelock, each parameter of an"
        " asset or a vault by at most its step and not before its interval."
    ),
    "GATE-2": ("A breaker tightens at once and loosens only after its cool-down."),
    "GATE-3": (
        "No change of parameters or feeds makes a healthy account liquidatable in that block."
    ),
    "GATE-4": ("Who cannot repay or top up cannot be liquidated."),
    "CAP-1": (
        "Caps, leverage, the growth of a collateral in a day, what liquidations seize of it"
        " in an hour, and outflow and growth of debt of a vault in four hours hold on every"
        " path that raises exposure, LIVE-1 aside; a new asset's cap grows on a schedule; one"
        " listing a week; one limit for all assets younger than 30 days."
    ),
}
"""By identifier, in the order of the README."""
