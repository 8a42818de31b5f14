# pragma version 0.4.3
"""
@title Flash borrower mock
@license MIT
@notice Takes flash loans and liquidates: makes the calls it was given inside the callback.
        Approvals, and the loan itself, go through `execute`.
"""


struct Call:
    target: address
    data: Bytes[2_048]
    must: bool  # the callback reverts with the call


calls: DynArray[Call, 8]
magic: public(bytes32)  # what a flash loan's callback returns
results: public(DynArray[bool, 8])
answer: public(Bytes[512])  # of the last call
last: public(bytes32)  # hash of the last callback's data


@deploy
def __init__():
    self.magic = keccak256("ERC3156FlashBorrower.onFlashLoan")


@external
def set_calls(calls: DynArray[Call, 8], magic: bytes32):
    self.calls = calls
    self.magic = magic


@external
def execute(target: address, data: Bytes[2_048]) -> Bytes[512]:
    return raw_call(target, data, max_outsize=512)


@external
def onFlashLoan(
    initiator: address, token: address, amount: uint256, fee: uint256, data: Bytes[1_024]
) -> bytes32:
    self.last = keccak256(abi_encode(initiator, token, amount, fee, data))
    self._run()
    return self.magic


@external
def on_liquidate(
    account: bytes32,
    debt_asset: address,
    repay: uint256,
    collateral: address,
    seized: uint256,
    data: Bytes[1_024],
):
    self.last = keccak256(abi_encode(account, debt_asset, repay, collateral, seized, data))
    self._run()


@internal
def _run():
    self.results = []
    for call: Call in self.calls:
        ok: bool = False
        ok, self.answer = raw_call(call.target, call.data, max_outsize=512, revert_on_failure=False)
        assert ok or not call.must, "call failed"
        self.results.append(ok)
