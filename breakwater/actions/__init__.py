"""What lenders, borrowers, liquidators and guardians do from the command line: `ape run NAME`.

The commands in `scripts/` only name their arguments; what they do and say is here. Each runs in a
process of its own against the protocol in the address book. Whatever goes wrong is a sentence.
"""

from breakwater.actions.arguments import number_option, options, words
from breakwater.actions.borrowing import borrow, repay
from breakwater.actions.breakers import (
    breaker_hold,
    breaker_reset,
    breaker_status,
    breaker_trip,
)
from breakwater.actions.deployment import deploy_market
from breakwater.actions.lending import supply, withdraw
from breakwater.actions.liquidation import liquidate
from breakwater.actions.positions import position
from breakwater.actions.prices import set_price
from breakwater.actions.refusals import SENTENCES, refusal
from breakwater.actions.session import Session, run

__all__ = [
    "SENTENCES",
    "Session",
    "borrow",
    "breaker_hold",
    "breaker_reset",
    "breaker_status",
    "breaker_trip",
    "deploy_market",
    "liquidate",
    "number_option",
    "options",
    "position",
    "refusal",
    "repay",
    "run",
    "set_price",
    "supply",
    "withdraw",
    "words",
]
