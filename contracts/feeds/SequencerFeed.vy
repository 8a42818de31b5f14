# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Sequencer feed
@license MIT
@notice Whether a layer 2 takes everybody's transactions, by Chainlink's uptime feed of its
        sequencer: who could not repay is not liquidated for it.

        STATE
        0 up, 1 up again for less than an hour, with grace, 2 down.

        TRUST
        An answer of 1 says that the sequencer has been down, of 0 that it has been up, since
        `startedAt`. A feed that reverts, burns its gas, answers in another length, another answer,
        without completing its round, without a start or with one in the future is not believed,
        nor is one that has said down for more than MAX_OUTAGE: the sequencer then counts as up. Too
        little gas for the call reverts, so that nobody makes the feed look silent.

        GRACE
        GRACE_TIME after the sequencer came back, once in a DAY: `poke` keeps when one began, and a
        return less than a day later begins none, but ends none either: the one that runs goes on.
        One poke after each return, by anyone, is enough.
"""

from contracts.interfaces import ISequencerFeed
from contracts.modules import aggregator

implements: ISequencerFeed

GRACE_TIME: constant(uint256) = 3_600  # [s]
DAY: constant(uint256) = 86_400
MAX_OUTAGE: constant(uint256) = 7 * 86_400  # [s]

UP: constant(uint256) = 0
GRACE: constant(uint256) = 1
DOWN: constant(uint256) = 2

uptime_feed: public(immutable(address))

# start of the last grace that a poke saw [unix seconds]
last_grace: public(uint256)


@deploy
def __init__(feed: address):
    """
    @param feed Chainlink's uptime feed, for good.
    """
    assert feed.is_contract, "feed has no code"
    uptime_feed = feed


@external
def poke():
    since: uint256 = 0
    is_down: bool = False
    since, is_down = self._read()
    if not is_down and since >= self.last_grace + DAY:
        self.last_grace = since
        log ISequencerFeed.Grace(since=since)


@view
@external
@reentrant
def state() -> uint256:
    since: uint256 = 0
    is_down: bool = False
    since, is_down = self._read()
    if since == 0:
        return UP
    elapsed: uint256 = block.timestamp - since
    if is_down:
        return DOWN if elapsed <= MAX_OUTAGE else UP
    last: uint256 = self.last_grace
    # the first: one that runs, whatever came after its beginning
    if block.timestamp < last + GRACE_TIME or (elapsed < GRACE_TIME and since >= last + DAY):
        return GRACE
    return UP


@view
@internal
def _read() -> (uint256, bool):
    """
    @dev Since when, and whether it is down; zero and up for a feed that is not to be believed.
    """
    assert msg.gas >= aggregator.AGGREGATOR_NEED, "too little gas"
    ok: bool = False
    data: Bytes[192] = b""
    # one word more than is wanted, so that a longer answer shows
    ok, data = raw_call(
        uptime_feed,
        method_id("latestRoundData()"),
        max_outsize=192,
        gas=aggregator.AGGREGATOR_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(data) != 160:
        return 0, False
    words: uint256[5] = abi_decode(data, uint256[5])
    since: uint256 = words[2]
    if words[1] > 1 or words[3] == 0 or words[4] < words[0] or since > block.timestamp:
        return 0, False
    return since, words[1] == 1 and since != 0
