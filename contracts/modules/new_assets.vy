# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title New assets
@license MIT
@notice The schedule of assets that are listed after genesis: one a week, caps that double every
        three days from a thousandth to their target, and one limit for all of them together.
@dev    An asset is new for YOUNG from its listing. Who lists a worthless token at a price of his
        own gets no more out of it than its cap, at most four times its price at listing.
"""

WEEK: constant(uint256) = 7 * 86_400  # [s] between two listings
DOUBLING: constant(uint256) = 3 * 86_400  # [s]
DOUBLINGS: constant(uint256) = 10
YOUNG: constant(uint256) = DOUBLINGS * DOUBLING  # [s]
MAX_CAP: constant(uint256) = 2**128 - 1  # [token units]
# at one listing a week no sixth is younger than YOUNG
RING: constant(uint256) = 5

# [WAD] what the caps of all new assets may be worth together, and the target of each
LIMIT: immutable(uint256)

listed_at: HashMap[address, uint256]  # [unix seconds] 0: not new
targets: HashMap[address, uint256]  # [token units]
values: HashMap[address, uint256]  # [WAD] of the cap, when it was last set
count: uint256  # of listings after genesis
ring: address[RING]  # the last ones
last_listing: uint256  # [unix seconds]


@deploy
def __init__(limit: uint256):
    LIMIT = limit


@internal
def _add(asset: address, target: uint256, price: uint256, unit: uint256) -> uint256:
    """
    @dev The first cap of a target of at most MAX_CAP, at a price below 2**96.
    """
    assert block.timestamp >= self.last_listing + WEEK, "one listing a week"
    self._check_cap(target * price // unit <= LIMIT)
    self.last_listing = block.timestamp
    self.ring[self.count % RING] = asset
    self.count += 1
    self.listed_at[asset] = block.timestamp
    self.targets[asset] = target
    first: uint256 = target >> DOUBLINGS
    self._value(asset, first, price, unit)
    return first


@view
@internal
def _scheduled(asset: address) -> uint256:
    """
    @dev The cap that the schedule has reached.
    """
    elapsed: uint256 = block.timestamp - self.listed_at[asset]
    return self.targets[asset] >> (DOUBLINGS - min(elapsed // DOUBLING, DOUBLINGS))


@view
@internal
def _is_new(asset: address) -> bool:
    """
    @dev Also after YOUNG, until `_end`.
    """
    return self.listed_at[asset] != 0


@view
@internal
def _is_over(asset: address) -> bool:
    return block.timestamp >= self.listed_at[asset] + YOUNG


@internal
def _value(asset: address, cap: uint256, price: uint256, unit: uint256):
    """
    @dev Notes what a cap is worth; reverts where all new assets together are worth too much.
    """
    self.values[asset] = cap * price // unit
    total: uint256 = 0
    for one: address in self.ring:
        if one != empty(address) and self.listed_at[one] != 0 and not self._is_over(one):
            total += self.values[one]
    assert total <= LIMIT, "new assets are at their limit"


@internal
def _lower(asset: address, cap: uint256, before: uint256):
    """
    @dev By the owner, whose cap, which was `before`, is the last: the target with it.
    """
    self._check_falls(cap, before)
    self.targets[asset] = min(self.targets[asset], cap)


@internal
def _scale(asset: address, cap: uint256, before: uint256):
    """
    @dev By a steward: the target by the same part as the cap, which was `before`. The schedule
         goes on.
    """
    self._check_falls(cap, before)
    if cap != before:
        self.targets[asset] = self.targets[asset] * cap // before


@pure
@internal
def _check_falls(cap: uint256, before: uint256):
    assert cap <= before, "cap follows its schedule"


@pure
@internal
def _check_cap(is_low: bool):
    assert is_low, "cap is too high"


@internal
def _end(asset: address):
    """
    @dev It is new no more.
    """
    self.listed_at[asset] = 0
