# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Legs
@license MIT
@notice How the positions of an account are packed: eight legs, two a word, in `uint256[4]`.
@dev    WORD
          bits   0-103  amount a: collateral in token units, debt in debt shares (engine) or assets
                        (what is handed to the risk engine)
          bits 104-207  amount b
          bits 208-215  tag a: asset id 1 to 127, bit 7 set for debt; 0: no leg
          bits 216-223  tag b
          bits 224-243  stamp: 1 + block number mod (2**20 - 1) when a leg of this word last raised
                        risk; 0: never
          bits 244-247  number of legs (word 0 only)
          bits 248-251  margin mode (word 0 only; 0: standard)
        Legs are dense: leg `i` is in word `i // 2`, and no leg is empty before the last.
"""

AMOUNT_BITS: constant(uint256) = 104
MAX_AMOUNT: constant(uint256) = 2**104 - 1
PAIR_MASK: constant(uint256) = 2**224 - 1
MAX_LEGS: constant(uint256) = 8
DEBT: constant(uint256) = 128
STAMP_MASK: constant(uint256) = 2**20 - 1


@internal
@pure
def _tag(words: uint256[4], i: uint256) -> uint256:
    return words[i >> 1] >> unsafe_add(208, unsafe_mul(8, i & 1)) & 255


@internal
@pure
def _amount(words: uint256[4], i: uint256) -> uint256:
    return words[i >> 1] >> unsafe_mul(AMOUNT_BITS, i & 1) & MAX_AMOUNT


@internal
@view
def _stamp_now() -> uint256:
    return unsafe_add(block.number % STAMP_MASK, 1)


@internal
@view
def _is_stamped(word: uint256) -> bool:
    return word >> 224 & STAMP_MASK == unsafe_add(block.number % STAMP_MASK, 1)


@internal
@pure
def _set_amount(word: uint256, side: uint256, amount: uint256) -> uint256:
    """
    @dev `word` with the amount on `side` (0 or 1) replaced; `amount` must fit into 104 bits.
    """
    offset: uint256 = unsafe_mul(AMOUNT_BITS, side)
    return (word & ~(MAX_AMOUNT << offset)) | (amount << offset)
