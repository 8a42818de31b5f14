# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Timelock
@license AGPL-3.0-only, as snekmate whose interface this is
@notice Owner of everything: snekmate's timelock controller, as it is.

        ROLES
        proposers schedule and cancel, executors execute what has waited for the minimum delay
        (the zero address among them: anyone), the admin grants roles at once and should be the
        zero address or renounce. Roles and the delay change through the timelock itself.

        LIVENESS
        Nonreentrancy is off as in the module: an operation may call the timelock (to change its
        delay), and executing checks the operation's state before and after each call.
"""


# Roles live here; the controller keeps its own operations.
from snekmate.auth import access_control

initializes: access_control

from snekmate.governance import timelock_controller

initializes: timelock_controller[access_control := access_control]


# The interface of the module, whole.
exports: timelock_controller.__interface__


@deploy
@payable
def __init__(
    minimum_delay: uint256,
    proposers: DynArray[address, timelock_controller._DYNARRAY_BOUND],
    executors: DynArray[address, timelock_controller._DYNARRAY_BOUND],
    admin: address,
):
    """
    @param minimum_delay [seconds]
    @param proposers Who schedules and cancels.
    @param executors Who executes; the zero address stands for anyone.
    @param admin Who may set roles without delay; zero for nobody.
    """
    access_control.__init__()
    timelock_controller.__init__(minimum_delay, proposers, executors, admin)
