# pragma version 0.4.3
"""
@title Hook token mock
@license MIT
@notice An ERC-20 that calls out in every transfer, as ERC-777 does. The hook does not nest: what
        it calls may transfer this token.
"""

from contracts.mocks import TokenMock as token

initializes: token
exports: (token.name, token.symbol, token.decimals, token.totalSupply, token.balanceOf)
exports: (token.allowance, token.approve, token.mint, token.burn)

target: public(address)
data: public(Bytes[2_048])
after: public(bool)  # call after balances moved, else before
calls: public(uint256)  # made since the hook was set
succeeded: public(bool)  # the last one
answer: public(Bytes[512])  # what the last one returned, or why it reverted
hooked: bool


@deploy
def __init__(name: String[32], symbol: String[8], decimals: uint8):
    token.__init__(name, symbol, decimals)


@external
def set_hook(target: address, data: Bytes[2_048], after: bool):
    self.target = target
    self.data = data
    self.after = after
    self.calls = 0


@external
def transfer(receiver: address, amount: uint256) -> bool:
    return self._move(msg.sender, receiver, amount)


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    token._spend(owner, amount)
    return self._move(owner, receiver, amount)


@internal
def _move(sender: address, receiver: address, amount: uint256) -> bool:
    if not self.after:
        self._hook()
    token._move(sender, receiver, amount)
    if self.after:
        self._hook()
    return True


@internal
def _hook():
    if self.target == empty(address) or self.hooked:
        return
    self.hooked = True
    self.calls += 1
    self.succeeded, self.answer = raw_call(
        self.target, self.data, max_outsize=512, revert_on_failure=False
    )
    self.hooked = False
