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

# 0: returns false and nothing moves, 1: true, 2: no return value, 3: true, or false where balance
# or allowance are too low
answer: public(uint256)
fee: public(uint256)  # [BPS] of a transfer, sent to this contract
paused: public(bool)
no_zero: public(bool)
blocked: public(HashMap[address, bool])
quirks: public(uint256)  # bits, see below

NO_ZERO_APPROVAL: constant(uint256) = 1
NO_CHANGED_APPROVAL: constant(uint256) = 2  # only from zero, or to zero
MOST_IS_ALL: constant(uint256) = 4  # 2**256 - 1 moves all that the owner has
OWN_IS_FREE: constant(uint256) = 8  # the owner's own `transferFrom` needs no allowance


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
def set_quirks(quirks: uint256):
    self.quirks = quirks


@external
def set_decimals(decimals: uint256):
    token.decimals = convert(decimals & 255, uint8)


@external
@raw_return
def approve(spender: address, amount: uint256) -> Bytes[32]:
    assert amount != 0 or self.quirks & NO_ZERO_APPROVAL == 0, "approval of zero"
    if amount != 0 and self.quirks & NO_CHANGED_APPROVAL != 0:
        assert token.allowance[msg.sender][spender] == 0, "approval is not zero"
    token.allowance[msg.sender][spender] = amount
    return b"" if self.answer == 2 else abi_encode(True)


@external
@raw_return
def transfer(receiver: address, amount: uint256) -> Bytes[32]:
    wanted: uint256 = self._wanted(msg.sender, amount)
    if self.answer == 3 and token.balanceOf[msg.sender] < wanted:
        return abi_encode(False)
    return self._move(msg.sender, receiver, wanted)


@external
@raw_return
def transferFrom(owner: address, receiver: address, amount: uint256) -> Bytes[32]:
    wanted: uint256 = self._wanted(owner, amount)
    is_free: bool = owner == msg.sender and self.quirks & OWN_IS_FREE != 0
    if self.answer == 3:
        allowed: uint256 = token.allowance[owner][msg.sender]
        if token.balanceOf[owner] < wanted or (allowed < wanted and not is_free):
            return abi_encode(False)
    if self.answer != 0 and not is_free:
        token._spend(owner, wanted)
    return self._move(owner, receiver, wanted)


@view
@internal
def _wanted(owner: address, amount: uint256) -> uint256:
    if amount == max_value(uint256) and self.quirks & MOST_IS_ALL != 0:
        return token.balanceOf[owner]
    return amount


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
