# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Register
@license MIT
@notice What accounts may hold and owe: the book of each collateral (see `exposure`), and the vault
        and least debt of each debt asset. The owner lists and sets.
@dev    Part of the `CreditEngine`.
"""

from contracts.interfaces import ICreditEngine
from contracts.interfaces import IDebtVault
from contracts.interfaces import IRiskEngine
from contracts.modules import compact
from contracts.modules import exposure
from contracts.modules import legs
from snekmate.auth import ownable

uses: ownable

RAY: constant(uint256) = 10**27

# Margin rules and prices, for good.
RISK_ENGINE: immutable(IRiskEngine)

# Collateral, by token: see `exposure`.
books: HashMap[address, uint256]

# Debt asset, by address and by id:
#   bits   0-159  vault
#   bits 160-167  id
#   bits 168-191  least debt [token units], see `compact`
debts: HashMap[address, uint256]
debts_by_id: uint256[128]


@deploy
def __init__(risk_engine: address):
    RISK_ENGINE = IRiskEngine(risk_engine)


# ------------------------------------------------------------------ administration


@external
def list_collateral(asset: address, cap: uint256, takes_fee: bool):
    """
    @notice Lets accounts hold `asset`, which the risk engine has listed. Growth and depth are 0.
    @param cap [token units] for all accounts together, rounded down to 16 significant bits.
    @param takes_fee The token may deliver less than is sent.
    """
    ownable._check_owner()
    if self.books[asset] != 0:
        legs._fail("collateral is listed already")
    id: uint256 = self._listed_id(asset)
    log ICreditEngine.ListCollateral(asset=asset, id=id, cap=cap, takes_fee=takes_fee)
    self._set_cap(asset, (id << 112) | (convert(takes_fee, uint256) << 144), cap)


@external
def set_cap(asset: address, cap: uint256):
    """
    @notice Sets how much of a collateral all accounts together may hold. For the owner. With a
            growth limit a higher one gives no more room before the next day.
    @param cap [token units] rounded down to 16 significant bits. Zero stops adding, except by
           accounts below maintenance.
    """
    ownable._check_owner()
    self._set_cap(asset, self._book(asset), cap)


@external
def set_growth(asset: address, growth: uint256):
    """
    @notice Sets by how much the total of a collateral may grow in a day (UTC). For the owner. More
            than the limit that there is gives no more room before the next day; a first one, on a
            day on which something was added or taken, lets no more than `growth` be held in all.
    @param growth [percent of the cap] at most 100; 0: no limit.
    """
    ownable._check_owner()
    book: uint256 = self._book(asset)
    if growth > 100:
        legs._fail("growth is above 100 percent")
    self.books[asset] = exposure._limited(book, (book >> 120) & exposure.CODE, growth)
    log ICreditEngine.SetGrowth(asset=asset, growth=growth)


@external
def set_depth(asset: address, depth: uint256):
    """
    @notice Sets how much of a collateral liquidations may seize in an hour. For the owner.
    @param depth [token units] rounded down to 16 significant bits; 0: no limit.
    """
    ownable._check_owner()
    code: uint256 = compact._encode(depth)
    self.books[asset] = exposure._deepened(self._book(asset), code)
    log ICreditEngine.SetDepth(asset=asset, depth=compact._decode(code))


@external
def end_collateral(asset: address):
    """
    @notice Lets no more of an asset into any account, for good: it is wound down. For the owner.
            What is seized may still be credited.
    """
    ownable._check_owner()
    self.books[asset] |= exposure.ENDED


@external
def list_debt(vault: address, min_debt: uint256):
    """
    @notice Lets accounts borrow what `vault` lends; the risk engine has listed its asset.
    @param min_debt [token units] smallest debt an account may leave, rounded down to 16 bits.
    """
    ownable._check_owner()
    asset: address = staticcall IDebtVault(vault).asset()
    if self.debts[asset] != 0:
        legs._fail("debt is listed already")
    id: uint256 = self._listed_id(asset)
    log ICreditEngine.ListDebt(asset=asset, vault=vault, id=id, min_debt=min_debt)
    self._write_debt(asset, convert(vault, uint256) | (id << 160), min_debt)


@external
def set_min_debt(asset: address, min_debt: uint256):
    """
    @notice Sets the smallest debt an account may leave. For the owner.
    @param min_debt [token units] rounded down to 16 significant bits.
    """
    ownable._check_owner()
    self._write_debt(asset, self._debt(asset), min_debt)


# ------------------------------------------------------------------ views


@view
@external
def book_of(asset: address) -> (uint256, uint256, uint256, bool):
    """
    @notice Id of a collateral (0: none), total held, cap [token units], whether it takes a fee.
    """
    book: uint256 = self.books[asset]
    return (
        exposure._id(book),
        book & exposure.MAX_TOTAL,
        exposure._cap(book),
        book & exposure.TAKES_FEE != 0,
    )


@view
@external
def book_word(asset: address) -> uint256:
    """
    @notice Book of a collateral as stored, with its limits of growth and seizure; see `exposure`.
    """
    return self.books[asset]


@view
@external
def debt_of(asset: address) -> (uint256, address, uint256):
    """
    @notice Id of a debt asset (0: none), its vault, the least debt [token units].
    """
    word: uint256 = self.debts[asset]
    return (word >> 160) & 255, self._vault(word), self._min_debt(word)


# ------------------------------------------------------------------ internals


@view
@internal
def _book(asset: address) -> uint256:
    book: uint256 = self.books[asset]
    if book >> 112 & 127 == 0:
        legs._fail("asset is no collateral")
    return book


@view
@internal
def _addable(asset: address) -> uint256:
    book: uint256 = self._book(asset)
    if book & exposure.ENDED != 0:
        legs._fail("asset is settled")
    return book


@view
@internal
def _id(asset: address) -> uint256:
    return exposure._id(self._book(asset))


@view
@internal
def _debt(asset: address) -> uint256:
    word: uint256 = self.debts[asset]
    if word == 0:
        legs._fail("asset is no debt asset")
    return word


@pure
@internal
def _debt_tag(word: uint256) -> uint256:
    return legs.DEBT | (word >> 160 & 255)


@pure
@internal
def _vault(word: uint256) -> address:
    return convert(word & (2**160 - 1), address)


@pure
@internal
def _min_debt(word: uint256) -> uint256:
    return compact._decode(word >> 168)


@pure
@internal
def _owed(shares: uint256, index: uint256) -> uint256:
    # shares < 2**104, index < 2**112
    return unsafe_div(unsafe_add(unsafe_mul(shares, index), RAY - 1), RAY)


@view
@internal
def _check_debt(shares: uint256, index: uint256, word: uint256):
    """
    @dev An account keeps no debt below the least one.
    """
    if self._owed(shares, index) < self._min_debt(word):
        legs._fail("debt is below the minimum")


@view
@internal
def _position(words: uint256[4]) -> uint256[4]:
    return self._position_with(words, 0, 0)


@view
@internal
def _position_with(words: uint256[4], known: uint256, known_index: uint256) -> uint256[4]:
    """
    @dev The legs with debt in assets as of now. The index of the debt with tag `known` is given.
    """
    position: uint256[4] = words
    for i: uint256 in range(4):
        word: uint256 = words[i]
        if word & legs.DEBT_TAGS == 0:
            if word == 0:
                break
            continue
        for side: uint256 in range(2):
            tag: uint256 = word >> unsafe_add(208, unsafe_mul(8, side)) & 255
            if tag < legs.DEBT:
                continue
            index: uint256 = known_index
            if tag != known:
                vault: address = self._vault(self.debts_by_id[tag & 127])
                index = staticcall IDebtVault(vault).debt_index()
            offset: uint256 = unsafe_mul(legs.AMOUNT_BITS, side)
            owed: uint256 = self._owed(word >> offset & legs.MAX_AMOUNT, index)
            word = (word & ~(legs.MAX_AMOUNT << offset)) | min(owed, legs.MAX_AMOUNT) << offset
        position[i] = word
    return position


@view
@internal
def _listed_id(asset: address) -> uint256:
    id: uint256 = staticcall RISK_ENGINE.id_of(asset)
    if id == 0:
        legs._fail("asset is not listed")
    return id


@internal
def _set_cap(asset: address, book: uint256, cap: uint256):
    code: uint256 = compact._encode(cap)
    self.books[asset] = exposure._limited(book, code, exposure._growth(book))
    log ICreditEngine.SetCap(asset=asset, cap=compact._decode(code))


@internal
def _write_debt(asset: address, word: uint256, min_debt: uint256):
    code: uint256 = compact._encode(min_debt)
    written: uint256 = (word & (2**168 - 1)) | (code << 168)
    self.debts[asset] = written
    self.debts_by_id[(word >> 160) & 255] = written
    log ICreditEngine.SetMinDebt(asset=asset, min_debt=compact._decode(code))
