"""One token, or one feed, that stops the liquidation of all: receivers on a blocklist, hooks that
revert, transfers of zero, tokens that were paused, a feed that was switched off.

Wherever a liquidation touched everything that an account held, a borrower needed one unit of what
could be stopped. Venus and others stood still when one market's feed told zero.

Here a pair is liquidated and nothing else is called; under water, where all is taken, what cannot
be sent is credited to an account.
"""

import pytest

from breakwater.host import interface_of
from breakwater.mocks import BadFeedMock, CallerMock, OddTokenMock
from breakwater.units import WAD, account_id
from tests.incidents.ledger import bug, stripped
from tests.market import refuses

ALL_PRICED = bug(
    "all_priced",
    "Every asset of an account must have a price.",
    "RiskEngine",
    "contracts/modules/maintenance.vy",
    (
        "    if valuation.debt_leg == legs.MAX_LEGS:\n"
        '        legs._fail("account has no such debt")\n',
        "    if valuation.unpriced != 0:\n"
        '        legs._fail("price is stale")\n'
        "    if valuation.debt_leg == legs.MAX_LEGS:\n"
        '        legs._fail("account has no such debt")\n',
    ),
)
NO_CREDIT = bug(
    "no_credit",
    "What is seized is sent, and nothing else.",
    "CreditEngine",
    "contracts/CreditEngine.vy",
    (
        "    if credit == account:\n",
        "    if credit != empty(bytes32):\n"
        '        legs._fail("credit is not offered")\n'
        "    if credit == account:\n",
    ),
)
UNLIMITED_GAS = bug(
    "unlimited_gas",
    "A feed gets all the gas there is.",
    "RiskEngine",
    "contracts/modules/aggregator.vy",
    ("        gas=AGGREGATOR_GAS,\n", "        gas=msg.gas,\n"),
)


def odd_market(new_market, host, dollars=1_900):
    """100 WETH and one unit of ODD behind 160,000 dollars."""
    token = OddTokenMock.deploy(host, "ODD", "ODD", 18, sender=host.account("owner"))
    market = new_market(ODD={"decimals": 18, "dollars": 100, "token": token})
    market.deposit("WETH", 100)
    market.deposit("ODD", "0.000000000000000001")
    market.borrow("USDC", 159_990)
    market.host.advance(12)
    market.price("WETH", dollars)
    return market, token


def test_one_dead_feed_stops_all(new_market, host):
    """As it was: nobody is liquidated beside a unit whose feed is dead, at any depth."""
    with stripped(ALL_PRICED):
        market, _ = odd_market(new_market, host)
    market.break_feed("ODD")
    for price in (1_900, 1_700, 1_000):
        market.price("WETH", price)
        with refuses("price is stale"):
            market.liquidate("USDC", "WETH")


@pytest.mark.parametrize("price", [1_900, 1_700, 1_000])
def test_one_dead_feed_stops_nobody(new_market, host, price):
    market, _ = odd_market(new_market, host, price)
    market.break_feed("ODD")
    assert market.liquidate("USDC", "WETH").event("Liquidate").seized > 0


ODDS = {"paused": (1, 0, True, False), "says no": (0, 0, False, False)}


@pytest.mark.parametrize("odds", ODDS)
def test_one_token_stops_all(new_market, host, odds):
    """As it was: under water all is sent, and a unit of a token that cannot be sent stops it."""
    with stripped(NO_CREDIT):
        market, token = odd_market(new_market, host, 1_000)
    token.set_odds(*ODDS[odds], sender=market.owner)
    for credit, reason in (
        (bytes(32), "token is paused" if odds == "paused" else "token transfer failed"),
        (account_id(market.liquidator, 0), "credit is not offered"),
    ):
        with refuses(reason):
            market.liquidate("USDC", "WETH", credit=credit)


@pytest.mark.parametrize("odds", ODDS)
@pytest.mark.parametrize("price", [1_900, 1_000])
def test_one_token_stops_nobody(new_market, host, odds, price):
    """Above water it is not called at all; under water it goes to an account, with the rest."""
    market, token = odd_market(new_market, host, price)
    token.set_odds(*ODDS[odds], sender=market.owner)
    mine = account_id(market.liquidator, 0)
    credit = mine if price == 1_000 else bytes(32)
    event = market.liquidate("USDC", "WETH", credit=credit).event("Liquidate")
    assert event.repaid > 0
    if price == 1_000:
        assert (market.legs(), market.held("WETH", mine)) == ([], 100 * WAD)


@pytest.mark.parametrize("who", ["borrower", "liquidator"])
def test_receivers_that_are_blocked(new_market, host, who):
    """The borrower is sent nothing, so that he is blocked is nobody's affair; a liquidator who is
    names another receiver, or an account.
    """
    market, token = odd_market(new_market, host, 1_000)
    blocked = getattr(market, who)
    token.set_blocked(blocked, True, sender=market.owner)
    start = market.host.snapshot()
    if who == "liquidator":
        with refuses("blocked"):
            market.liquidate("USDC", "WETH")
        market.liquidate("USDC", "WETH", receiver=market.other)
        assert market.tokens("ODD", market.other) == 1
        market.host.restore(start)
    market.liquidate("USDC", "WETH", credit=account_id(market.liquidator, 0))
    assert market.legs() == []


def burning(new_market, host):
    """Eight legs, six of them with feeds that burn all the gas they get."""
    owner = host.account("owner")
    feeds = {}
    for i in range(6):
        feed = BadFeedMock.deploy(host, 8, sender=owner)
        feed.set_words([1, 100 * 10**8, host.now, host.now, 1], sender=owner)
        feeds[f"B{i}"] = feed
    more = {
        name: {"decimals": 18, "dollars": 100, "source": feed.address}
        for name, feed in feeds.items()
    }
    market = new_market(**more)
    market.deposit("WETH", 100)
    for name in feeds:
        market.deposit(name, "0.001")
    market.borrow("USDC", 159_000)
    market.host.advance(12)
    for feed in feeds.values():
        feed.set_mode(2, sender=owner)
    market.price("WETH", 1_880)
    market.give("USDC", market.liquidator, 10**12)
    return market


def liquidated_within(market, gas):
    """Whether a liquidation ends within so much gas."""
    caller = CallerMock.deploy(market.host, sender=market.owner)
    usdc = market.assets["USDC"]
    usdc.token.mint(caller, 10**12, sender=market.owner)
    approve = interface_of("TokenMock").function("approve", 2)
    caller.run(
        [(usdc.address, approve.encode([usdc.vault.address, 2**256 - 1]))], sender=market.owner
    )
    liquidate = interface_of("CreditEngine").function("liquidate", 8)
    data = liquidate.encode([
        market.account(), usdc.address, market.assets["WETH"].address, 2**255, 0, caller.address,
        bytes(32), b"",
    ])  # fmt: skip
    done, _ = caller.attempt(market.engine, data, gas, sender=market.owner).value
    return done


def test_feeds_burn_all_gas(new_market, host):
    """As it was: six feeds take 63 of 64 parts each, and no block has as much gas as that needs."""
    with stripped(UNLIMITED_GAS):
        market = burning(new_market, host)
    assert not liquidated_within(market, 30_000_000)


def test_feeds_burn_what_they_are_given(new_market, host):
    """40,000 each: the fullest account, six of its feeds burning, within two millions."""
    market = burning(new_market, host)
    assert liquidated_within(market, 2_000_000)
    assert market.held("WETH") < 100 * WAD
