# pragma version 0.4.3
"""
@title Caller mock
@license MIT
@notice Makes a list of calls in one transaction, as itself.
"""


struct Call:
    target: address
    data: Bytes[2_048]


@external
@payable
def run(calls: DynArray[Call, 16]):
    """
    @notice Every call must succeed.
    """
    for call: Call in calls:
        raw_call(call.target, call.data)


@external
@payable
def attempt(target: address, data: Bytes[2_048], gas_limit: uint256) -> (bool, Bytes[512]):
    """
    @notice One call that may fail, with a limit of gas (0: all there is).
    """
    ok: bool = False
    answer: Bytes[512] = b""
    ok, answer = raw_call(
        target,
        data,
        max_outsize=512,
        gas=gas_limit if gas_limit != 0 else msg.gas,
        revert_on_failure=False,
    )
    return ok, answer


@external
@payable
def __default__():
    pass
