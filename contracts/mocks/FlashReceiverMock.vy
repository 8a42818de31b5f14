# pragma version 0.4.3
"""
@title Flash receiver mock
@license MIT
@notice The cheapest receiver of flash loans: it approved its lender once and does nothing.
"""

from ethereum.ercs import IERC20

MAGIC: constant(bytes32) = keccak256("ERC3156FlashBorrower.onFlashLoan")


@deploy
def __init__(token: address, lender: address):
    extcall IERC20(token).approve(lender, max_value(uint256))


@external
def onFlashLoan(
    initiator: address, token: address, amount: uint256, fee: uint256, data: Bytes[1_024]
) -> bytes32:
    return MAGIC
