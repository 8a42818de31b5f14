# pragma version 0.4.3
"""
@title Flash receiver mock
@license MIT
@notice The cheapest receiver of flash loans: it approved its lender once, looks at the loan
        and does nothing.
"""

from ethereum.ercs import IERC20

MAGIC: constant(bytes32) = keccak256("ERC3156FlashBorrower.onFlashLoan")

TOKEN: immutable(address)


@deploy
def __init__(token: address, lender: address):
    TOKEN = token
    extcall IERC20(token).approve(lender, max_value(uint256))


@view
@external
def onFlashLoan(
    initiator: address, token: address, amount: uint256, fee: uint256, data: Bytes[1_024]
) -> bytes32:
    assert initiator != self and token == TOKEN and amount > fee and len(data) == 0
    return MAGIC
