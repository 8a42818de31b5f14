# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Compact amounts
@license MIT
@notice An amount in 24 bits: a mantissa of 16 and an exponent of 8, `mantissa * 2**exponent`.
        For caps and least debts: exact to 1 part in 32,768, rounded down unless it says up.
"""


@internal
@pure
def _encode(amount: uint256) -> uint256:
    mantissa: uint256 = amount
    exponent: uint256 = 0
    step: uint256 = 128
    for i: uint256 in range(8):
        # leaves fewer than 15 + step bits: 16 in the end
        if mantissa >> unsafe_add(step, 15) != 0:
            mantissa >>= step
            exponent = unsafe_add(exponent, step)
        step >>= 1
    return mantissa | (exponent << 16)


@internal
@pure
def _encode_up(amount: uint256) -> uint256:
    """
    @dev Not below `amount`, and above it by at most 1 part in 32,768. `amount` is below 2**255.
    """
    return self._encode(unsafe_add(amount, amount >> 15))


@internal
@pure
def _decode(code: uint256) -> uint256:
    return (code & 65_535) << ((code >> 16) & 255)
