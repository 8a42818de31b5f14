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
    # by halves: where 16 bits stay, the lower ones go
    for bits: uint256 in [128, 64, 32, 16, 8, 4, 2, 1]:
        if mantissa >> bits >= 32_768:
            mantissa = mantissa >> bits
            exponent = unsafe_add(exponent, bits)
    return mantissa | (exponent << 16)


@internal
@pure
def _decode(code: uint256) -> uint256:
    return (code & 65_535) << ((code >> 16) & 255)
