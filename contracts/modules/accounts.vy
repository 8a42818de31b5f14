# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Accounts
@license MIT
@notice The legs of every account (see `legs`), and which accounts a batch has touched.
@dev    Part of the `CreditEngine`.
"""

MAX_BATCH: constant(uint256) = 16
MAX_TOUCHED: constant(uint256) = 2 * MAX_BATCH

# Positions, see `legs`.
accounts: HashMap[bytes32, uint256[4]]

# What a batch has touched so far: accounts, their words at first touch, and one byte for the tag
# of each leg that raised risk. A row is written before it is read; only the count is reset.
touched_count: transient (uint256)
touched: transient (bytes32[MAX_TOUCHED])
touched_before: transient (uint256[4][MAX_TOUCHED])
touched_tags: transient (uint256[MAX_TOUCHED])


@view
@internal
def _load(account: bytes32) -> uint256[4]:
    word: uint256 = self.accounts[account][0]
    words: uint256[4] = [word, 0, 0, 0]
    count: uint256 = word >> 244 & 15
    if count > 2:
        words[1] = self.accounts[account][1]
        if count > 4:
            words[2] = self.accounts[account][2]
            if count > 6:
                words[3] = self.accounts[account][3]
    return words


@internal
def _store(account: bytes32, before: uint256[4], after: uint256[4]):
    """
    @dev Writes the words that changed. Written out, since every action passes here.
    """
    if after[0] != before[0]:
        self.accounts[account][0] = after[0]
    if after[1] != before[1]:
        self.accounts[account][1] = after[1]
    if after[2] != before[2]:
        self.accounts[account][2] = after[2]
    if after[3] != before[3]:
        self.accounts[account][3] = after[3]


@internal
def _touch(account: bytes32):
    """
    @dev Remembers the account as it stands, at its first touch in the batch.
    """
    count: uint256 = self.touched_count
    for i: uint256 in range(MAX_TOUCHED):
        if i == count:
            self.touched[i] = account
            self.touched_before[i] = self._load(account)
            self.touched_tags[i] = 0
            self.touched_count = count + 1
            return
        if self.touched[i] == account:
            return


@internal
def _raise(account: bytes32, tag: uint256):
    for i: uint256 in range(MAX_TOUCHED):
        if self.touched[i] == account:
            self.touched_tags[i] = (self.touched_tags[i] << 8) | tag
            return
