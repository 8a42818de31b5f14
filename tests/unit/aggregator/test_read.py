"""`_read`: a Chainlink aggregator is believed only when its answer is good in every respect."""

import pytest

from breakwater.host import decode_reason

INVALID = (0, 0)
DAY = 86_400
CALL = "attempt"


@pytest.fixture
def aggregator(host, deployer):
    return host.deploy("AggregatorMock", 8, 2_000 * 10**8, sender=deployer)


@pytest.fixture
def set_round(host, deployer, aggregator):
    def act(round_id, answer, updated_at, answered_in_round):
        args = [round_id, answer, updated_at, answered_in_round]
        host.transact(aggregator, "AggregatorMock", "set_round", args, sender=deployer)

    return act


@pytest.mark.parametrize(
    ("decimals", "answer", "price"),
    [
        (0, 3, 3 * 10**18),
        (6, 1_000_001, 1_000_001 * 10**12),
        (8, 2_000 * 10**8, 2_000 * 10**18),
        (18, 10**18 + 7, 10**18 + 7),
        (24, 10**24 + 999_999, 10**18),  # rounded down
        (30, 5 * 10**30, 5 * 10**18),
        (30, 10**12 - 1, 0),  # rounds to nothing: not valid
    ],
)
def test_read__scales_to_wad(host, deployer, reader, decimals, answer, price):
    source = host.deploy("AggregatorMock", decimals, answer, sender=deployer)
    assert reader.read(source, decimals) == ((price, host.now) if price else INVALID)


@pytest.mark.parametrize("decimals", [0, 8, 18, 19, 30])
@pytest.mark.parametrize("answer", [2**128 - 1, 2**128, 2**255 - 1, -1, -(2**255), 0])
def test_read__extreme_answer_never_reverts(host, reader, set_round, aggregator, decimals, answer):
    set_round(1, answer, host.now, 1)
    price = 0
    if 0 < answer < 2**128:
        price = answer * 10**18 // 10**decimals
    expected = (price, host.now) if 0 < price < 2**128 else INVALID
    assert reader.read(aggregator, decimals) == expected


def test_read__age_up_to_the_limit(host, reader, aggregator):
    set_at = host.now
    host.advance(3_600)
    assert reader.read(aggregator) == (2_000 * 10**18, set_at)
    host.advance(1)
    assert reader.read(aggregator) == INVALID


@pytest.mark.parametrize(
    ("round_id", "ahead", "answered_in_round", "valid"),
    [
        (7, 0, 7, True),
        (0, 0, 0, True),  # wrappers without rounds
        (7, 0, 8, True),
        (7, 0, 6, False),  # the round isn't complete
        (7, 1, 7, False),  # from the future
        (2**80 - 1, 0, 2**80 - 1, True),
        (2**80, 0, 2**80, False),  # wider than uint80
        (7, 0, 2**80, False),
        (2**256 - 1, 0, 2**256 - 1, False),
    ],
)
def test_read__round(
    host, reader, set_round, aggregator, round_id, ahead, answered_in_round, valid
):
    set_round(round_id, 10**8, host.now + ahead, answered_in_round)
    assert reader.read(aggregator) == ((10**18, host.now) if valid else INVALID)


def test_read__never_updated(reader, set_round, aggregator):
    set_round(1, 10**8, 0, 1)
    assert reader.read(aggregator, 8, 2**200) == INVALID


def test_read__far_future(reader, set_round, aggregator):
    set_round(1, 10**8, 2**256 - 1, 1)
    assert reader.read(aggregator) == INVALID


@pytest.mark.parametrize("mode", range(1, 8))
def test_read__broken_source_is_not_valid(host, deployer, reader, mode):
    source = host.deploy("BadFeedMock", 8, sender=deployer)
    words = [1, 10**8, host.now, host.now, 1]
    host.transact(source, "BadFeedMock", "set_words", [words], sender=deployer)
    assert reader.read(source) == (10**18, host.now)
    host.transact(source, "BadFeedMock", "set_mode", [mode], sender=deployer)
    assert reader.read(source) == INVALID


def test_read__no_code_is_not_valid(host, reader):
    assert reader.read(host.account("nobody")) == INVALID
    assert reader.read("0x" + "00" * 20) == INVALID


def test_read__too_little_gas_reverts_instead_of_lying(host, deployer, reader, aggregator):
    """Whatever gas is given, a good source is read right or the call reverts."""
    from breakwater.abi import Interface

    caller = host.deploy("CallerMock", sender=deployer)
    data = Interface(reader.abi).function("read", 3).encode([aggregator, 8, 3_600])
    good = (2_000 * 10**18).to_bytes(32, "big") + host.now.to_bytes(32, "big")
    seen = set()
    for gas in range(1_000, 80_000, 250):
        args = [reader.address, data, gas]
        ok, answer = host.call(caller, "CallerMock", CALL, args, sender=deployer)
        if ok:
            assert answer == good
        else:
            assert decode_reason(answer) in ("too little gas", "")
        seen.add((ok, decode_reason(answer) if not ok else ""))
    assert (True, "") in seen
    assert (False, "too little gas") in seen
