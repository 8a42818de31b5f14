# pragma version 0.4.3
"""
@title Odd token mock
@license MIT
@notice A token with one or several oddities switched on. Its functions return raw words, or none.
"""

from contracts.mocks import TokenMock as token

initializes: token
exports: (token.name, token.symbol, token.decimals, token.totalSupply, token.balanceOf)
exports: (token.allowance, token.mint, token.burn)

answer: public(uint256)  # 0: returns false and nothing moves, 1: true, 2: no return value
fee: public(uint256)  # [BPS] of a transfer, sent to this contract
paused: public(bool)
no_zero: public(bool)
blocked: public(HashMap[address, bool])


@deploy
def __init__(name: String[32], symbol: String[8], decimals: uint8):
    token.__init__(name, symbol, decimals)
    self.answer = 1


@external
def set_odds(answer: uint256, fee: uint256, paused: bool, no_zero: bool):
    self.answer = answer
    self.fee = fee
    self.paused = paused
    self.no_zero = no_zero


@external
def set_blocked(account: address, blocked: bool):
    self.blocked[account] = blocked


@external
@raw_return
def approve(spender: address, amount: uint256) -> Bytes[32]:
    token.allowance[msg.sender][spender] = amount
    return b"" if self.answer == 2 else abi_encode(True)


@external
@raw_return
def transfer(receiver: address, amount: uint256) -> Bytes[32]:
    return self._move(msg.sender, receiver, amount)


@external
@raw_return
def transferFrom(owner: address, receiver: address, amount: uint256) -> Bytes[32]:
    if self.answer != 0:
        token._spend(owner, amount)
    return self._move(owner, receiver, amount)


@internal
def _move(sender: address, receiver: address, amount: uint256) -> Bytes[32]:
    assert not self.paused, "token is paused"
    assert not self.blocked[sender] and not self.blocked[receiver], "blocked"
    assert amount != 0 or not self.no_zero, "amount is zero"
    if self.answer == 0:
        return abi_encode(False)
    fee: uint256 = amount * self.fee // 10_000
    token._move(sender, receiver, amount - fee)
    if fee != 0:
        token._move(sender, self, fee)
    return b"" if self.answer == 2 else abi_encode(True)
