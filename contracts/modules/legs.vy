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
DEBT_TAGS: constant(uint256) = 128 << 208 | 128 << 216
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
    return word >> 224 & STAMP_MASK == self._stamp_now()


@internal
@pure
def _set_amount(word: uint256, side: uint256, amount: uint256) -> uint256:
    """
    @dev `word` with the amount on `side` (0 or 1) replaced; `amount` must fit into 104 bits.
    """
    offset: uint256 = unsafe_mul(AMOUNT_BITS, side)
    return (word & ~(MAX_AMOUNT << offset)) | (amount << offset)


@pure
@internal
def _find(words: uint256[4], tag: uint256) -> uint256:
    """
    @dev Index of the leg with `tag`; MAX_LEGS when there is none.
    """
    for i: uint256 in range(4):
        tags: uint256 = words[i] >> 208
        if tags & 255 == tag:
            return unsafe_mul(2, i)
        tags = tags >> 8 & 255
        if tags == tag:
            return unsafe_add(unsafe_mul(2, i), 1)
        if tags == 0:
            break
    return MAX_LEGS


@pure
@internal
def _add(words: uint256[4], leg: uint256, tag: uint256, amount: uint256) -> uint256[4]:
    """
    @dev `amount` more on `leg`; on a new leg with `tag` when `leg` is MAX_LEGS.
    """
    after: uint256[4] = words
    i: uint256 = leg
    if i == MAX_LEGS:
        i = words[0] >> 244 & 15
        if i == MAX_LEGS:
            self._fail("account holds 8 assets")
        after[0] = unsafe_add(after[0], 1 << 244)
        after[i >> 1] |= tag << unsafe_add(208, unsafe_mul(8, i & 1))
    offset: uint256 = unsafe_mul(AMOUNT_BITS, i & 1)
    word: uint256 = after[i >> 1]
    if amount | unsafe_add(word >> offset & MAX_AMOUNT, amount) > MAX_AMOUNT:
        self._fail("amount is too large")
    after[i >> 1] = unsafe_add(word, amount << offset)
    return after


@view
@internal
def _compacted(words: uint256[4]) -> uint256[4]:
    """
    @dev The legs that are not empty, dense. A stamp of this block is kept in word 0.
    """
    after: uint256[4] = empty(uint256[4])
    count: uint256 = 0
    stamped: bool = False
    for i: uint256 in range(8):
        if i & 1 == 0 and words[i >> 1] != 0:
            stamped = stamped or self._is_stamped(words[i >> 1])
        amount: uint256 = self._amount(words, i)
        if amount != 0:
            after[count >> 1] |= (amount << (104 * (count & 1))) | (
                self._tag(words, i) << (208 + 8 * (count & 1))
            )
            count += 1
    after[0] |= (count << 244) | (words[0] & (15 << 248))
    if stamped:
        after[0] = self._stamp(after[0])
    return after


@pure
@internal
def _sub_amount(words: uint256[4], leg: uint256, amount: uint256) -> uint256:
    """
    @dev What leaves a collateral leg when `amount` is asked for.
    """
    if leg == MAX_LEGS:
        self._fail("account has no such collateral")
    held: uint256 = self._amount(words, leg)
    if amount == max_value(uint256):
        return held
    if amount == 0:
        self._fail("amount is zero")
    if amount > held:
        self._fail("not enough collateral")
    return amount


@view
@internal
def _sub(words: uint256[4], leg: uint256, amount: uint256) -> uint256[4]:
    after: uint256[4] = words
    left: uint256 = self._amount(words, leg) - amount
    after[leg >> 1] = self._set_amount(words[leg >> 1], leg & 1, left)
    if left == 0:
        return self._compacted(after)
    return after


@view
@internal
def _lower(words: uint256[4], leg: uint256, amount: uint256) -> uint256[4]:
    """
    @dev Less collateral; with debt this raises risk, and the word is stamped.
    """
    stamped: uint256[4] = words
    if self._has_debt(words):
        stamped[leg >> 1] = self._stamp(words[leg >> 1])
    return self._sub(stamped, leg, amount)


@view
@internal
def _stamp(word: uint256) -> uint256:
    return (word & ~(STAMP_MASK << 224)) | (self._stamp_now() << 224)


@pure
@internal
def _unstamped(words: uint256[4]) -> uint256[4]:
    after: uint256[4] = words
    for i: uint256 in range(4):
        after[i] = words[i] & ~(STAMP_MASK << 224)
    return after


@view
@internal
def _has_stamp(words: uint256[4]) -> bool:
    """
    @dev Whether a leg of the account raised its risk in this block.
    """
    now: uint256 = self._stamp_now()
    for word: uint256 in words:
        if word >> 224 & STAMP_MASK == now:
            return True
        if word == 0:
            break
    return False


@pure
@internal
def _has_debt(words: uint256[4]) -> bool:
    return (words[0] | words[1] | words[2] | words[3]) & DEBT_TAGS != 0


@pure
@internal
def _fail(why: String[32]):
    raise why
