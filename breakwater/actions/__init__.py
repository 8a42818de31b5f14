"""What lenders, borrowers, liquidators and guardians do from the command line: `ape run NAME`.

The commands in `scripts/` only name their arguments; what they do and say is here. Each runs in a
process of its own against the protocol in the address book. Whatever goes wrong is a sentence.

What moves money, or lets somebody else move it, is only tried, on a `Simulation`, unless `--yes` is
given. Either way the figures before and after it are shown.
"""

from breakwater.actions.arguments import (
    number_option,
    of_option,
    options,
    words,
    yes_option,
)
from breakwater.actions.borrowing import borrow, repay
from breakwater.actions.breakers import (
    breaker_hold,
    breaker_poke,
    breaker_reset,
    breaker_status,
    breaker_trip,
)
from breakwater.actions.deployment import deploy_market
from breakwater.actions.funds import (
    backstop_cancel,
    backstop_claim,
    backstop_deposit,
    backstop_show,
    backstop_withdraw,
    fund_cancel,
    fund_exit,
    fund_show,
    fund_stake,
    fund_unstake,
)
from breakwater.actions.governance import (
    timelock_cancel,
    timelock_execute,
    timelock_list,
    timelock_propose,
)
from breakwater.actions.lending import supply, withdraw
from breakwater.actions.leverage import (
    leverage_close,
    leverage_decrease,
    leverage_increase,
    leverage_swap_collateral,
    leverage_swap_debt,
)
from breakwater.actions.liquidation import liquidate
from breakwater.actions.operators import ACTIONS, operator_grant, operator_revoke, operator_show
from breakwater.actions.orders import order_cancel, order_execute, order_list, order_sign
from breakwater.actions.overview import show_accounts, show_markets
from breakwater.actions.positions import position
from breakwater.actions.prices import set_price
from breakwater.actions.refusals import refusal
from breakwater.actions.sentences import SENTENCES
from breakwater.actions.session import Session, run

__all__ = [
    "ACTIONS",
    "SENTENCES",
    "Session",
    "backstop_cancel",
    "backstop_claim",
    "backstop_deposit",
    "backstop_show",
    "backstop_withdraw",
    "borrow",
    "breaker_hold",
    "breaker_poke",
    "breaker_reset",
    "breaker_status",
    "breaker_trip",
    "deploy_market",
    "fund_cancel",
    "fund_exit",
    "fund_show",
    "fund_stake",
    "fund_unstake",
    "leverage_close",
    "leverage_decrease",
    "leverage_increase",
    "leverage_swap_collateral",
    "leverage_swap_debt",
    "liquidate",
    "number_option",
    "of_option",
    "operator_grant",
    "operator_revoke",
    "operator_show",
    "options",
    "order_cancel",
    "order_execute",
    "order_list",
    "order_sign",
    "position",
    "refusal",
    "repay",
    "run",
    "set_price",
    "show_accounts",
    "show_markets",
    "supply",
    "timelock_cancel",
    "timelock_execute",
    "timelock_list",
    "timelock_propose",
    "withdraw",
    "words",
    "yes_option",
]
