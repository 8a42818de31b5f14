# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Compact amounts
@license MIT
@notice An amount in 24 bits: a mantissa of 16 and an exponent of 8, `mantissa * 2**exponent`.
        For caps and least debts: exact to 1 part in 32,768, rounded down.
"""


@internal
@pure
def _encode(amount: uint256) -> uint256:
    mantissa: uint256 = amount
    exponent: uint256 = 0
    for i: uint256 in range(240):
        if mantissa < 65_536:
            break
        mantissa = mantissa >> 1
        exponent += 1
    return mantissa | (exponent << 16)


@internal
@pure
def _decode(code: uint256) -> uint256:
    return (code & 65_535) << ((code >> 16) & 255)
