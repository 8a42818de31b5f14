# pragma version 0.4.3
"""
@title Twin token mock
@license MIT
@notice A second address of another mock token: it moves the balances of that one, by allowances of
        its own.
"""


interface IToken:
    def decimals() -> uint8: view
    def balanceOf(owner: address) -> uint256: view
    def mint(receiver: address, amount: uint256): nonpayable
    def burn(owner: address, amount: uint256): nonpayable


MAIN: immutable(IToken)

allowance: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(main: address):
    MAIN = IToken(main)


@view
@external
def decimals() -> uint8:
    return staticcall MAIN.decimals()


@view
@external
def balanceOf(owner: address) -> uint256:
    return staticcall MAIN.balanceOf(owner)


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    allowed: uint256 = self.allowance[owner][msg.sender]
    assert allowed >= amount, "allowance too low"
    self.allowance[owner][msg.sender] = allowed - amount
    self._move(owner, receiver, amount)
    return True


@internal
def _move(owner: address, receiver: address, amount: uint256):
    extcall MAIN.burn(owner, amount)
    extcall MAIN.mint(receiver, amount)
