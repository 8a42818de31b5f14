"""What wrong prints, wicks, flips, silences and clever pokes do, in numbers worked out by hand.

The actors here poke whenever it suits them: anyone may.
"""

import math
import random
from fractions import Fraction

import pytest

from breakwater.evm import EvmHost
from breakwater.host import Reverted, decode_reason, interface_of
from breakwater.units import DAY, HOUR, MAX_UINT256, WAD
from tests.market import ASSETS, NOBODY, Market, refuses

BLOCK = 12
TAU, SAMPLE, WAIT = 2_700, 600, 1_800
FLASH = bytes.fromhex("439148f0bbc682ca079e46d6e2c2f0c1e3b820f1a291b069d8882abf8cf18dd9")


def new_market(debts=("USDC", "DAI", "WETH"), min_debt=10, **rules):
    listed = {name: {**ASSETS[name], **rules.get(name, {})} for name in ASSETS}
    return Market(EvmHost(), listed, debts, min_debt=min_debt)


def refusal(market, debt, collateral):
    """Why nobody liquidates now; None: somebody does. Nothing changes."""
    arguments = [
        market.account(), market.assets[debt].address, market.assets[collateral].address,
        MAX_UINT256, 0, market.liquidator, NOBODY, b"",
    ]  # fmt: skip
    try:
        market.engine._try("liquidate", *arguments, sender=market.liquidator)
    except Reverted as reverted:
        return reverted.reason
    return None


def turn(market, name, *dollars, seconds=BLOCK):
    """A block later the feeds say this, and somebody pokes."""
    market.host.advance(seconds)
    if dollars:
        market.price(name, *dollars)
    market.poke(name)


# ---------------------------------------------------------------- a print of a stablecoin

PRINTS = {
    # what each source says during it, and the first block [s] in which the account may be taken
    "the only source": ((Fraction(13, 10),), 444),
    "one of two": ((Fraction(13, 10), 1), 1_800),
    "both of two": ((Fraction(13, 10), Fraction(13, 10)), 444),
}
"""The account is below maintenance from 1.045 dollars. The average is there 439 s into a print that
was poked at once: 0.3 * (1 - exp(-t/2,700)) = 0.045. Sources that disagree count at the lower for
1,800 s, then at their mean, 1.15."""


@pytest.fixture(params=PRINTS)
def dai(request):
    """100 DAI of debt on 110 USDC that carry 95 %: health 1.045."""
    spots, believed = PRINTS[request.param]
    pair = {"borrow_ltv": 9_300, "liquidation_ltv": 9_500, "incentive_max": 400, "jump_band": 200}
    market = new_market(
        ("DAI",), USDC=pair, DAI={**pair, "sources": len(spots)},
        WETH={"incentive_max": 400}, WBTC={"incentive_max": 400},
    )  # fmt: skip
    market.deposit("USDC", 110)
    market.borrow("DAI", 100)
    market.give("DAI", market.liquidator, 10**6 * WAD)
    market.host.advance(BLOCK)
    market.poke("DAI")
    return market, spots, believed


@pytest.mark.parametrize("held", [BLOCK, 60, 432])
def test_print_of_130_once__nobody_is_liquidated(dai, held):
    """Whoever wants to liquidate pokes and tries in every block of it, and for an hour after."""
    market, spots, _ = dai
    before = market.engine.words_of(market.account())
    turn(market, "DAI", *spots)
    for _ in range(0, held, BLOCK):
        # under water at 1.30, at the average not even below maintenance
        assert refusal(market, "DAI", "USDC") in {"account is healthy", "price jump is too recent"}
        turn(market, "DAI")
    turn(market, "DAI", 1, seconds=0)
    for _ in range(HOUR // BLOCK):
        assert refusal(market, "DAI", "USDC") == "account is healthy"
        turn(market, "DAI")
    assert market.engine.words_of(market.account()) == before


def test_print_of_130_that_stays__is_believed(dai):
    """It is no longer a print: to the block."""
    market, spots, believed = dai
    turn(market, "DAI", *spots)
    seconds = 0
    while refusal(market, "DAI", "USDC"):
        turn(market, "DAI")
        seconds += BLOCK
    assert seconds == believed


# ---------------------------------------------------------------- a poke in mid-call


def _nothing(market):
    market.host.advance(BLOCK)


def _jump(market):
    market.price("WETH", 2_400)


def _disagree(market):
    market.price("WETH", 2_000, 2_100)


def _silence(market):
    market.break_feed("WETH")
    market.poke("WETH")
    market.host.advance(900)


def _supply(market):
    weth = market.assets["WETH"]
    market.breaker.set_supply_limit(weth, 1_000, sender=market.owner)
    for _ in range(25):
        turn(market, "WETH", 2_000, seconds=HOUR)
    weth.token.mint(market.other, 10**9 * WAD, sender=market.other)
    market.poke("WETH")
    market.host.advance(SAMPLE)
    market.refresh()


@pytest.mark.parametrize("cause", [_nothing, _jump, _disagree, _silence, _supply])
@pytest.mark.parametrize("lent", ["WETH", "USDC"])
def test_flash_loan_of_a_wei__no_poke_within(cause, lent):
    """Nothing trips and nothing is stored, whatever a poke would have seen; outside it sees it."""
    market = new_market(WETH={"sources": 2, "jump_band": 500})
    host, weth, asset = market.host, market.assets["WETH"], market.assets[lent]
    cause(market)
    taker = host.deploy("FlashBorrowerMock", sender=market.other)

    def send(function, *args):
        host.transact(taker, "FlashBorrowerMock", function, list(args), sender=market.other)

    poke = interface_of("CircuitBreaker").function("poke", 1).encode([weth.address])
    approve = interface_of("TokenMock").function("approve", 2)
    asset.token.mint(taker, 1, sender=market.other)
    send("execute", asset.address, approve.encode([asset.vault.address, MAX_UINT256]))
    send("set_calls", [(market.breaker.address, poke, False)], FLASH)
    contracts = (market.breaker, market.risk, market.engine, asset.vault)

    def loan():
        asset.vault.flashLoan(taker, asset, 1, b"", sender=market.other)

    # every word that the loan read or wrote, after it and before
    start = host.snapshot()
    loan()
    words = host.stored()
    after = {contract.address: words[contract.address] for contract in contracts}
    host.restore(start)
    for address, slots in after.items():
        assert {slot: host.storage(address, slot) for slot in slots} == slots
    loan()
    assert host.call(taker, "FlashBorrowerMock", "results", [0]) is False
    assert decode_reason(host.call(taker, "FlashBorrowerMock", "answer")) == "locked"
    assert market.breaker.level_of(weth) == 0

    before = market.risk.words_of(weth)
    market.poke("WETH")
    level = {_nothing: 0, _jump: 1, _disagree: 1, _silence: 2, _supply: 2}[cause]
    assert market.breaker.level_of(weth) == level
    assert market.risk.words_of(weth) != before


# ---------------------------------------------------------------- a wick, then silence


@pytest.mark.parametrize("times", [Fraction(109, 100), Fraction(91, 100)])
def test_wick_of_9_percent_then_silence__pulls_by_less_than_a_third(times):
    """23/81 = 0.284 of the wick, however long nobody pokes: 2.56 %. Two time constants of a poke
    that went on pulling would have moved it by 7.8 %.
    """
    market = new_market(WETH={"jump_band": 1_000})
    weth = market.assets["WETH"]
    market.deposit("WETH", 1)
    market.host.advance(BLOCK)
    market.price("WETH", 2_000 * times)
    for _ in range(5):
        # more pokes in the block of the wick add nothing
        market.poke("WETH")
    market.price("WETH", 2_000)
    way = 2_000 * (times - 1)
    for _ in range(0, 2 * TAU, 300):
        market.host.advance(300)
        moved = Fraction(market.risk.quote(weth).average, WAD) - 2_000
        assert abs(moved) <= abs(way) * Fraction(23, 81) < abs(way) / 3
    assert abs(moved - way * Fraction(23, 81)) < Fraction(1, 10**15)
    # and the poke that ends the silence stores no more
    market.poke("WETH")
    stored = market.risk.words_of(weth)[2] >> 96 & (2**96 - 1)
    assert abs(Fraction(stored, WAD) - 2_000 - way * Fraction(23, 81)) < Fraction(1, 10**15)
    # a wick up lends nothing; one down leaves 1,948.89 dollars at 80 %
    lent = int(min(2_000, 2_000 + way * Fraction(23, 81)) * Fraction(8, 10) * 10**6)
    with refuses("initial margin is not met"):
        market.borrow("USDC", Fraction(lent + 1, 10**6))
    # a debt is rounded up, twice
    market.borrow("USDC", Fraction(lent - 2, 10**6))


# ---------------------------------------------------------------- volatility

DAYS = 2
STEPS = DAY // BLOCK


def daily(annual):
    return annual / math.sqrt(365)


def walk(rng, annual):
    """[dollars] a price for each block: up or down by one part, so that what it moves in a day is
    known and is no matter of luck.
    """
    part = daily(annual) / math.sqrt(STEPS)
    price = 2_000.0
    while True:
        price *= math.exp(part if rng.random() < 0.5 else -part)
        yield price


def measured(market):
    """Daily volatility as stored."""
    return (market.risk.words_of(market.assets["WETH"])[2] >> 192 & (2**32 - 1)) / 10**9


def flipping(annual, together, seed=1):
    """Measured over true volatility, each hour of the second day of pokes in every block. Two
    sources are 0.3 % off, up or down as it falls: each by itself, or both together.
    """
    rng = random.Random(f"flips {annual} {together} {seed}")
    market = new_market((), WETH={"sources": 2})
    feeds, owner = market.assets["WETH"].feeds, market.owner
    found = []
    for i, price in zip(range(1, DAYS * STEPS + 1), walk(rng, annual), strict=False):
        market.host.advance(BLOCK)
        flips = [rng.choice((-1, 1)) for _ in feeds]
        if together:
            flips = flips[:1] * 2
        for feed, flip in zip(feeds, flips, strict=True):
            feed.set(int(price * (1 + 0.003 * flip) * 10**8), sender=owner)
        market.poke("WETH")
        if i > STEPS and i * BLOCK % HOUR == 0:
            found.append(measured(market) / daily(annual))
    return found


@pytest.mark.parametrize(
    ("annual", "together", "most"),
    # flips of both sources are moves of the price: beside 80 % a year they are the larger part,
    # and what is measured is too much, on the safe side
    [(1.5, False, 1.5), (1.5, True, 1.5), (0.8, False, 1.5), (0.8, True, 1.75)],
)
def test_volatility__while_sources_flip(annual, together, most):
    """Between two samples a flip of both moves the price by 0.3 % * sqrt(2), of each by itself by
    0.3 %; in 10 minutes it truly moves by 0.65 % at 150 % a year, 0.35 % at 80 %. So what is
    measured is 1.10, 1.19, 1.32 and 1.57 of the truth; sampled in each block, 3.4 to 8.7.
    """
    found = flipping(annual, together)
    noise = (0.003**2 * (2 if together else 1)) * DAY / SAMPLE
    mean = sum(found) / len(found)
    assert abs(mean / math.sqrt(1 + noise / daily(annual) ** 2) - 1) < 0.1
    assert 1 / 1.5 < min(found) <= max(found) < most


def at_once(away, seconds_left):
    """As soon as a sample may be taken and the price is within a step of the last sample's."""
    return away < 1.5 * daily(1.5) / math.sqrt(STEPS)


def before_the_keeper(away, seconds_left):
    """In the last 10 minutes before the keeper's poke, who then takes no sample, where the price is
    about that of the last one.
    """
    return seconds_left < SAMPLE and away < 0.006


def nobody(away, seconds_left):
    return False


def hiding(rule, seed, keeper=HOUR):
    """Measured over true volatility, in each block of the second day of 150 % a year. An honest
    keeper pokes every `keeper` seconds, another by his rule, where he may take a sample.
    """
    rng = random.Random(f"hide 1.5 {seed}")
    market = new_market(())
    feed, owner, weth = market.assets["WETH"].feeds[0], market.owner, market.assets["WETH"]
    reference, start = 2_000.0, market.host.now
    sampled, level, found = start, 0.0, []
    for i, price in zip(range(1, DAYS * STEPS + 1), walk(rng, 1.5), strict=False):
        market.host.advance(BLOCK)
        now, left = market.host.now, -i * BLOCK % keeper
        due = now - sampled >= SAMPLE
        if left == 0 or (due and rule(abs(math.log(price / reference)), left)):
            feed.set(int(price * 10**8), sender=owner)
            market.poke("WETH")
            level = measured(market) / daily(1.5)
            if due:
                reference, sampled = price, now
            assert market.risk.words_of(weth)[3] >> 96 & (2**32 - 1) == sampled
        if i > STEPS:
            found.append(level)
    return found


SEEDS = range(12)
RULES = [nobody, at_once, before_the_keeper]


@pytest.mark.parametrize("rule", RULES)
def test_volatility__of_150_percent_with_a_keeper_every_quarter_hour(rule):
    """Whoever pokes beside him: 0.75 to 1.29 of the truth was measured, in every block."""
    for seed in SEEDS:
        found = hiding(rule, seed, keeper=HOUR // 4)
        assert 1 / 1.5 < min(found) <= max(found) < 1.5


@pytest.mark.parametrize("rule", RULES)
def test_volatility__is_hidden_by_nobody_for_long(rule):
    """A keeper every hour is too few: a memory of 6 hours holds some 17 of his samples, and 0.65 to
    1.61 of the truth was measured, beyond a factor of 1.5 in a block of a hundred. But who pokes
    beside him hides nothing. He knows no price to come: whenever he stops, the square of the move
    since the last sample is worth the time since it. What he hides in one hour shows in another.
    """
    found = [level for seed in SEEDS for level in hiding(rule, seed)]
    assert 0.85 < sum(level**2 for level in found) / len(found) < 1.15
    beyond = [level for level in found if not 1 / 1.5 < level < 1.5]
    assert len(beyond) < 0.02 * len(found)


# ---------------------------------------------------------------- sources that disagree again


@pytest.mark.parametrize("pause", [BLOCK, 300, HOUR])
def test_disagreement_that_ends_before_each_wait_does__delays_by_half_an_hour_a_day(pause):
    """Two sources disagree, agree for a while just before 1,800 s are over, and disagree anew: for
    a day. At 2,000 the account is healthy, at 1,850 it is not. A keeper pokes in each block.
    """
    market = new_market(WETH={"sources": 2})
    market.deposit("WETH", 100)
    market.borrow("USDC", 160_000)
    market.give("USDC", market.liquidator, 10**6 * 10**6)
    apart, refused = False, 0
    cycle = WAIT - BLOCK + pause
    for second in range(0, DAY, BLOCK):
        market.host.advance(BLOCK)
        if apart != (second % cycle < WAIT - BLOCK):
            apart = not apart
            market.price("WETH", *((2_000, 1_700) if apart else (2_000, 2_000)))
        market.poke("WETH")
        why = refusal(market, "USDC", "WETH")
        if apart:
            refused += why is not None
        else:
            assert why == "account is healthy"
        assert why in (None, "account is healthy")
    # the first block of a wait begins it, the one at its end is none of it
    assert refused * BLOCK <= WAIT
    assert refused * BLOCK > WAIT - 3 * BLOCK


# ---------------------------------------------------------------- a wei of a dead asset


@pytest.fixture
def weak():
    """100 WETH against 160,000 USDC, and a wei of WBTC in the account beside it."""
    market = new_market(WETH={"jump_band": 6_300})
    market.deposit("WETH", 100)
    market.borrow("USDC", 160_000)
    market.give("USDC", market.liquidator, 10**6 * 10**6)
    market.give("WBTC", market.other, 10**8)
    market.give("WBTC", market.borrower, 10**8)
    return market


def die(market, hours=0):
    """WBTC's feed does; keepers poke it."""
    market.host.advance(BLOCK)
    market.break_feed("WBTC")
    market.poke("WBTC")
    for _ in range(hours):
        market.host.advance(HOUR)
        market.poke("WBTC")
        market.refresh("WETH", "USDC", "DAI")


def add(market, sender):
    return market.engine.deposit_collateral(
        market.account(), market.assets["WBTC"], 1, sender=sender
    )


def seized(market):
    """At 1,900 dollars the account is at 157,700/160,000."""
    market.price("WETH", 1_900)
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert event.bad_debt == 0
    return event.seized, event.repaid


def test_wei_of_a_dead_asset__new_to_the_account_is_refused(weak):
    """From anybody, whether its feed lives; from the owner once it is dead."""
    with refuses("caller may not do this"):
        add(weak, weak.other)
    die(weak)
    before = weak.engine.words_of(weak.account())
    with refuses("caller may not do this"):
        add(weak, weak.other)
    with refuses("price is stale"):
        add(weak, weak.borrower)
    assert weak.engine.words_of(weak.account()) == before


@pytest.mark.parametrize("hours", [0, 1, 24])
@pytest.mark.parametrize("by", ["other", "borrower"])
def test_wei_of_a_dead_asset__shields_nothing(weak, by, hours):
    """Held already it may be added to, by anybody: it counts at its last price, fading, which is
    0.0005 dollars. Who liquidates pays and takes what he would without it, to those.
    """
    start = weak.host.snapshot()
    die(weak, hours)
    without = seized(weak)
    weak.host.restore(start)

    add(weak, weak.borrower)
    die(weak, hours)
    add(weak, getattr(weak, by))
    assert weak.held("WBTC") == 2
    found = seized(weak)
    assert weak.held("WBTC") == 2
    for with_it, without_it in zip(found, without, strict=True):
        assert abs(with_it - without_it) * 10**6 <= without_it
    assert refusal(weak, "USDC", "WETH") == "account is healthy"


def test_wei_of_a_dead_asset__keeps_no_loss_off_the_books(weak):
    """Under water, all of WETH is taken and the whole loss is booked."""
    add(weak, weak.borrower)
    die(weak)
    add(weak, weak.other)
    before = weak.assets["USDC"].vault.totalAssets()
    weak.price("WETH", 1_500)
    event = weak.liquidate("USDC", "WETH").event("Liquidate")
    assert weak.held("WETH") == 0
    # 150,000 dollars less a tip of 0.5 % pay 149,253.73 of 160,000
    loss = 160_000 - Fraction(150_000) * 1_000 / 1_005
    assert abs(event.bad_debt - loss * 10**6) < 10**5
    assert abs(before - weak.assets["USDC"].vault.totalAssets() - event.bad_debt) < 10**5
    # less than a dollar of collateral is left: nothing stays owed for its sake
    assert weak.owed("USDC") == 0
