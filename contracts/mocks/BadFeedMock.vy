# pragma version 0.4.3
"""
@title Bad feed mock
@license MIT
@notice Answers every call the way it is told to: a good answer until then.
"""


# 0 as set, 1 revert, 2 burn all gas, 3 nothing, 4 one word less, 5 one word more, 6 all bits set,
# 7 the longest answer, 8 the first word alone
mode: public(uint256)
words: public(uint256[5])
decimals: public(uint8)
asset: public(address)


@deploy
def __init__(decimals: uint8):
    self.decimals = decimals
    self.words = [1, 10**18, 10**18, block.timestamp, 1]


@external
def set_mode(mode: uint256):
    self.mode = mode


@external
def set_words(words: uint256[5]):
    self.words = words


@external
def set_asset(asset: address):
    self.asset = asset


@view
@external
def gas_limit() -> uint256:
    """
    @notice About what a feed of one source asks for.
    """
    return 50_000


@external
@raw_return
def __default__() -> Bytes[8_192]:
    if self.mode == 1:
        raise "bad feed"
    if self.mode == 2:
        spent: uint256 = 0
        for i: uint256 in range(max_value(uint256)):
            spent += i % 2
    good: Bytes[160] = abi_encode(self.words)
    if self.mode == 3:
        return b""
    if self.mode == 4:
        return slice(good, 0, 128)
    if self.mode == 5:
        return concat(good, empty(bytes32))
    if self.mode == 6:
        all: bytes32 = convert(max_value(uint256), bytes32)
        return concat(all, all, all, all, all)
    if self.mode == 7:
        return abi_encode(empty(uint256[256]))
    if self.mode == 8:
        return slice(good, 0, 32)
    return good
