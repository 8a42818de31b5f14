"""`mark` and `unmark`: since when an account is known to be liquidatable."""

import pytest

from tests.market import refuses

NOT_MARKED = (0, 0)


def fall(backstop, dollars=1_400):
    backstop.market.price("WETH", dollars)


def test_mark__only_below_maintenance(fallen):
    market = fallen.market
    account, who = market.account(), market.other
    fall(fallen, 1_500)  # 0.83 x 150,000 > 120,000
    with refuses("account is healthy"):
        fallen.pool.mark(account, sender=who)
    with refuses("account is healthy"):
        fallen.pool.mark(market.account(7), sender=who)  # no debt
    fall(fallen)
    receipt = fallen.pool.mark(account, sender=who)
    now = fallen.host.now
    assert receipt.event("SetMark").args == {"account": account, "since": now}
    assert tuple(fallen.pool.mark_of(account)) == (now, now)


@pytest.mark.parametrize(("gap", "kept"), [(0, True), (1_200, True), (1_201, False)])
def test_mark__a_row_has_no_gap_above_20_minutes(fallen, gap, kept):
    account = fallen.market.account()
    start = fallen.host.now
    fallen.mark(wait=gap)
    fallen.mark(wait=0)
    now = fallen.host.now
    assert tuple(fallen.pool.mark_of(account)) == (start if kept else now, now)


def test_mark__a_row_may_be_long(fallen):
    """Each gap counts alone."""
    account, start = fallen.market.account(), fallen.host.now
    for _ in range(4):
        fallen.mark(wait=1_200)
    assert tuple(fallen.pool.mark_of(account)) == (start, start + 3 * 1_200)
    fallen.buy()


@pytest.mark.parametrize("wait", [599, 600, 1_200, 1_201])
def test_buy__from_10_to_20_minutes_after_a_mark(fallen, wait):
    fallen.mark(wait=wait)
    reason = {599: "mark is too young", 1_201: "mark has lapsed"}.get(wait)
    if reason is None:
        fallen.buy()
        return
    with refuses(reason):
        fallen.buy()


def test_buy__needs_a_mark(fallen):
    with refuses("account is not marked"):
        fallen.buy()


def test_unmark__as_soon_as_it_is_seen_healthy(fallen):
    """Marked, healthy for a moment in which somebody says so, below again: 10 minutes anew."""
    market, account = fallen.market, fallen.market.account()
    fallen.mark()
    with refuses("account is liquidatable"):
        fallen.pool.unmark(account, sender=market.borrower)
    fall(fallen, 1_500)
    receipt = fallen.pool.unmark(account, sender=market.borrower)
    assert receipt.event("ClearMark").args == {"account": account}
    assert tuple(fallen.pool.mark_of(account)) == NOT_MARKED
    with refuses("account is not marked"):
        fallen.pool.unmark(account, sender=market.borrower)
    fall(fallen)
    with refuses("account is not marked"):
        fallen.buy()
    fallen.mark(wait=599)
    with refuses("mark is too young"):
        fallen.buy()
    fallen.host.advance(1)
    fallen.buy()


def test_mark__healthy_in_between_that_nobody_saw(fallen):
    """Counts on for 20 minutes from the last sight; while healthy nothing is bought."""
    fallen.mark()
    fall(fallen, 1_500)
    with refuses("account is healthy"):
        fallen.buy()
    fallen.host.advance(600)
    fall(fallen)
    snapshot = fallen.host.snapshot()
    fallen.buy()
    fallen.host.restore(snapshot)
    fallen.host.advance(1)
    with refuses("mark has lapsed"):
        fallen.buy()


def test_mark__of_dust_added_and_repaid_stays(fallen):
    """Whoever tops up or pays a unit, and stays below maintenance, takes no mark off."""
    market = fallen.market
    fallen.mark()
    market.give("WETH", market.borrower, 1)
    market.give("USDC", market.borrower, 1)
    market.engine.deposit_collateral(
        market.account(), market.assets["WETH"], 1, sender=market.borrower
    )
    market.engine.repay(market.account(), market.assets["USDC"], 10**6, sender=market.borrower)
    fallen.buy()


def healing(market):
    """A price at which 8,000 USDC lift the account: health 0.998."""
    return int(market.owed("USDC") / 10**6 * 998 / 83 / (market.held("WETH") / 10**18) * 10) / 100


def test_buy__what_it_heals_is_no_longer_marked(fallen):
    """A slice that suffices takes the mark off; one that does not is a sight of its own."""
    market, account = fallen.market, fallen.market.account()
    fallen.mark()
    fallen.buy()
    assert market.health().health_factor < 10**18
    assert tuple(fallen.pool.mark_of(account)) == (fallen.host.now - 600, fallen.host.now)
    fallen.window()  # an hour later another mark is needed
    with refuses("mark has lapsed"):
        fallen.buy()
    fall(fallen, healing(market))
    fallen.mark()
    receipt = fallen.buy()
    assert market.health().health_factor > 10**18
    assert receipt.event("ClearMark").args == {"account": account}
    assert tuple(fallen.pool.mark_of(account)) == NOT_MARKED
