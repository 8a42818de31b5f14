"""The keeper on the chain in this process: what it sees, does, leaves, and remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from breakwater.ape_host import FailedOnNode
from breakwater.driver import Quote
from breakwater.host import HALT, Log, Reverted
from breakwater.keeper import prices
from breakwater.keeper.chain import PAGE
from breakwater.keeper.store import Poke, Store
from breakwater.units import MAX_UINT256, WAD, account_number
from tests.keeper_world import World


@pytest.fixture(scope="module")
def made() -> tuple[World, int]:
    world = World()
    return world, world.host.snapshot()


@pytest.fixture
def world(made: tuple[World, int]) -> World:
    world, start = made
    world.host.restore(start)
    world.host.sent.clear()
    world.said.clear()
    world.host.dies_after = ""
    world.chain.branches.clear()
    world.chain.waiting = False
    world.sender = world.people["liquidator"]
    return world


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the file; again after a kill, since what was not closed is what a kill leaves."""
    opened: list[Store] = []

    def again() -> Store:
        for one in opened:
            one.close()
        opened.append(Store(tmp_path / "keeper.duckdb"))
        return opened[-1]

    yield again
    for one in opened:
        one.close()


def numbers(liquidations: list[Log]) -> list[int]:
    return [account_number(log.account) for log in liquidations]


# ------------------------------------------------------------ watching


def test_pass__finds_who_owes_by_events(world, store):
    one = store()
    assert world.look(one).accounts == 0
    account = world.borrow(0, 1_000, WETH=1)
    other = world.borrow(1, 2_000, WETH=1)
    seen = world.look(one)
    assert (seen.accounts, one.debtors()) == (2, sorted([account, other]))
    assert seen.lowest == pytest.approx(world.health(other))


def test_pass__forgets_who_repaid_until_the_next_loan(world, store):
    one, who = store(), world.people["borrower"]
    account = world.borrow(0, 1_000, WETH=1)
    assert world.look(one).accounts == 1
    usdc, engine = world.token("USDC"), world.protocol.credit_engine
    usdc.mint(who, 10**9, sender=who)
    usdc.approve(world.protocol.vaults["USDC"], MAX_UINT256, sender=who)
    engine.repay(account, usdc, MAX_UINT256, sender=who)
    assert world.look(one).accounts == 0
    assert one.debtors() == []
    engine.borrow(account, usdc, 10**9, who, sender=who)
    assert world.look(one).accounts == 1


def test_pass__in_pages(world, store):
    """More accounts than one page holds; and a node that allows half of one."""
    one = store()
    accounts = [world.borrow(number, 100 + number / 10, WETH=0.1) for number in range(PAGE + 3)]
    assert world.look(one).accounts == len(accounts)
    page, sizes = world.chain._page, []

    def small(lens: Any, ids: Any) -> list[int]:
        if len(ids) > PAGE // 2:
            raise Reverted(HALT)
        sizes.append(len(ids))
        return page(lens, ids)

    world.chain._page = small
    try:
        found = world.chain.health_factors(world.protocol.lens, accounts)
    finally:
        del world.chain._page
    assert sizes == [PAGE // 2, PAGE // 2, 3]
    assert found == [world.protocol.lens.account(a).health.health_factor for a in accounts]


# ------------------------------------------------------------ liquidating


def test_pass__liquidates_the_weakest_first(world, store):
    one = store()
    for number, debt in enumerate((2_000, 2_300, 2_250, 2_380, 1_000)):
        world.borrow(number, debt, WETH=1)
    world.price("WETH", 2_600)
    held = world.token("WETH").balanceOf(world.sender)
    seen = world.look(one)
    assert numbers(world.liquidations()) == [3, 1, 2]
    assert (seen.below, len(seen.deals), seen.reasons) == (3, 3, {})
    assert world.look(one).below == 0
    # what the table tells is what the events say
    events = world.liquidations()
    rows = one.liquidations()
    assert [row.way for row in rows] == ["own"] * 3
    assert [row.profit for row in rows] == [
        log.repaid * log.incentive // WAD - log.fund_fee for log in events
    ]
    assert world.token("WETH").balanceOf(world.sender) - held == sum(row.seized for row in rows)
    assert one.outcomes() == {"mined": 3}
    assert len([line for line in world.said if line.startswith("liquidated account")]) == 3


def test_pass__takes_what_its_capital_reaches(world, store):
    """A part of the terms, and of the next account nothing."""
    one = store()
    world.borrow(0, 2_390, WETH=1)
    world.borrow(1, 2_300, WETH=1)
    world.price("WETH", 2_600)
    spare(world, "USDC", 500)
    seen = world.look(one)
    assert numbers(world.liquidations()) == [0]
    paid = world.liquidations()[0]
    assert 490 * 10**6 < paid.repaid + paid.fund_fee <= 500 * 10**6
    assert (seen.below, len(seen.deals), sum(seen.reasons.values())) == (2, 1, 1)


def spare(world: World, symbol: str, whole: float) -> None:
    """Leave the keeper that much."""
    token = world.token(symbol)
    token.transfer(
        world.people["governor"],
        token.balanceOf(world.sender) - world.units(symbol, whole),
        sender=world.sender,
    )


def test_pass__without_capital_says_so(world, store):
    world.borrow(0, 2_390, WETH=1)
    world.price("WETH", 2_600)
    spare(world, "USDC", 0)
    seen = world.look(store())
    assert seen.reasons == {"no capital to repay with": 1}
    assert world.liquidations() == []


def test_pass__leaves_what_does_not_pay(world, store):
    world.borrow(0, 2_390, WETH=1)
    world.price("WETH", 2_600)
    one = store()
    seen = world.look(one, least_gain=1_000 * WAD)
    assert seen.reasons == {"it does not pay": 1}
    assert one.outcomes() == {}
    assert len(world.look(one, least_gain=20 * WAD).deals) == 1


def test_pass__dry_sends_nothing(world, store):
    world.borrow(0, 2_390, WETH=1)
    world.price("WETH", 2_600)
    world.host.sent.clear()
    one = store()
    seen = world.look(one, dry=True)
    assert world.host.sent == []
    assert (len(seen.deals), one.outcomes()) == (1, {})
    assert any(line.startswith("would liquidate account 0") for line in world.said)


def test_pass__waits_for_a_jump_to_be_confirmed(world, store):
    """One aggregator: two pokes a minute apart. The keeper makes them."""
    one = store()
    world.borrow(0, 43_000, WBTC=1)
    world.look(one)
    world.price("WBTC", 54_500)
    assert world.look(one).deals == []
    assert world.look(one).deals == []
    world.host.advance(prices.UNSETTLED)
    assert len(world.look(one).deals) == 1
    assert world.host.sent.count("liquidate") == 1


def test_pass__leaves_others_liquidations_to_them(world, store):
    one = store()
    account = world.borrow(0, 2_390, WETH=1)
    world.price("WETH", 2_600)
    other = world.people["lender"]
    usdc = world.token("USDC")
    usdc.approve(world.protocol.vaults["USDC"], MAX_UINT256, sender=other)
    world.protocol.credit_engine.liquidate(
        account, usdc, world.token("WETH"), 10**30, 0, other, bytes(32), b"", sender=other
    )
    world.look(one)
    assert one.liquidations() == []
    assert [row.way for row in one.liquidations(ours=False)] == ["other"]


# ------------------------------------------------------------ prices


def quote(price: int = 100, status: int = 0) -> Quote:
    return Quote(price * WAD, 0, 0, 0, 0, 0, status, 0)


@pytest.mark.parametrize(
    ("now", "price", "status", "due"),
    [
        (899, 100, 0, False),
        (900, 100, 0, True),
        (1, 101, 0, True),
        (1, 99, 0, True),
        (59, 100, 1, False),
        (60, 100, 1, True),
        (59, 0, 3, False),  # no price is no move
    ],
)
def test_is_due(now, price, status, due):
    last = Poke("", 0, 0, 100 * WAD)
    assert prices.is_due(quote(price, status), last, now) is due


def test_is_due__at_the_border_of_a_move():
    last = Poke("", 0, 0, 10_000)
    for price, due in ((10_049, False), (10_050, True), (9_951, False), (9_950, True)):
        assert prices.is_due(quote()._replace(price=price), last, 1) is due


def test_pass__pokes_on_schedule_and_on_moves(world, store):
    one = store()
    assets = len(world.protocol.tokens)
    assert world.look(one).poked == assets
    assert world.look(one).poked == 0
    world.host.advance(prices.EVERY)
    assert world.look(one).poked == assets
    world.price("WETH", 3_020)
    assert world.look(one).poked == 2  # WETH, and wstETH with it
    # who else pokes spares us it
    world.host.advance(prices.EVERY)
    world.protocol.poke(sender=world.people["governor"])
    assert world.look(one).poked == 0


# ------------------------------------------------------------ crashes


def test_kill__after_it_was_sent_nothing_is_sent_twice(world, store):
    world.borrow(0, 2_390, WETH=1)
    world.borrow(1, 2_300, WETH=1)
    world.price("WETH", 2_600)
    world.host.dies_after = "liquidate"
    one = store()
    with pytest.raises(KeyboardInterrupt):
        world.look(one)
    assert numbers(world.liquidations()) == [0]
    assert one.outcomes() == {"": 1}
    world.host.dies_after = ""
    again = store()
    assert len(world.look(again).deals) == 1
    assert numbers(world.liquidations()) == [0, 1]
    assert again.outcomes() == {"mined": 2}
    assert [row.account for row in again.liquidations()] == [
        log.account for log in world.liquidations()
    ]
    assert "1 liquidations sent before the end were mined" in world.said


def test_kill__before_it_was_sent_nothing_is_lost(world, store, monkeypatch):
    account = world.borrow(0, 2_390, WETH=1)
    world.price("WETH", 2_600)

    def killed(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    one = store()
    with monkeypatch.context() as patch:
        patch.setattr(type(world.protocol.credit_engine), "liquidate", killed)
        with pytest.raises(KeyboardInterrupt):
            world.look(one)
    assert one.outcomes() == {"": 1}
    again = store()
    world.look(again)
    assert numbers(world.liquidations()) == [0]
    assert again.outcomes() == {"lost": 1, "mined": 1}
    assert world.health(account) > 1
    assert any("1 attempts are not on the chain" in line for line in world.said)


def test_pass__goes_on_where_the_chain_moved_in_between(world, store, monkeypatch):
    """What passed as a call and failed in its block is tried smaller, then later again."""
    world.borrow(0, 2_390, WETH=1)
    world.price("WETH", 2_600)

    def failed(*args: Any, **options: Any) -> None:
        raise FailedOnNode

    one = store()
    with monkeypatch.context() as patch:
        patch.setattr(type(world.protocol.credit_engine), "liquidate", failed)
        assert world.look(one).deals == []
    tried = one.outcomes()
    assert list(tried) == ["failed"]
    assert len(world.look(one).deals) == 1
    assert one.outcomes() == {**tried, "mined": 1}


def test_chain__that_goes_back_is_read_anew(world, store):
    """The node lost the block of a liquidation: it is made again, and told once."""
    one = store()
    world.borrow(0, 2_390, WETH=1)
    world.look(one)
    world.price("WETH", 2_600)
    before = world.host.snapshot()
    world.look(one)
    world.look(one)
    lost = one.liquidations()
    assert len(lost) == 1
    world.host.restore(before)
    world.chain.branches.append(world.host.block)
    seen = world.look(one)
    assert (len(seen.deals), numbers(world.liquidations())) == (1, [0])
    assert len(one.liquidations()) == 1
    assert one.outcomes() == {"lost": 1, "mined": 1}
    assert any(line.startswith("the chain lost its blocks from") for line in world.said)
    assert world.look(one).below == 0


def test_chain__that_goes_back_and_a_payment_with_it(world, store):
    """Who had repaid owes again, and borrowed before the blocks that are read anew."""
    one, who = store(), world.people["borrower"]
    account = world.borrow(0, 2_390, WETH=1)
    world.look(one)
    before = world.host.snapshot()
    usdc = world.token("USDC")
    usdc.mint(who, 10**10, sender=who)
    usdc.approve(world.protocol.vaults["USDC"], MAX_UINT256, sender=who)
    world.protocol.credit_engine.repay(account, usdc, MAX_UINT256, sender=who)
    assert world.look(one).accounts == 0
    world.host.restore(before)
    world.chain.branches.append(world.host.block)
    world.price("WETH", 2_600)
    assert len(world.look(one).deals) == 1


def test_chain__that_grew_past_the_lost_blocks(world, store):
    """The hash tells, where the number does not."""
    one = store()
    world.borrow(0, 2_390, WETH=1)
    world.price("WETH", 2_600)
    before = world.host.snapshot()
    world.look(one)
    world.host.restore(before)
    world.chain.branches.append(world.host.block)
    world.borrow(1, 1_000, WETH=1)
    world.host.advance(50, 50)
    world.look(one)
    assert len(one.debtors()) == 2
    assert len(one.liquidations()) == len(world.liquidations()) == 1


def test_chain__without_a_block_that_is_known_is_read_from_its_beginning(world, store):
    one = store()
    world.borrow(0, 2_000, WETH=1)
    world.look(one)
    world.chain.branches.append(1)
    seen = world.look(one)
    assert "the chain lost its blocks from 0 on: they are read anew" in world.said
    assert seen.accounts == 1


def test_pass__sends_nothing_while_something_is_not_mined(world, store):
    world.borrow(0, 2_390, WETH=1)
    world.price("WETH", 2_600)
    world.chain.waiting = True
    one = store()
    seen = world.look(one)
    assert seen.reasons == {"a transaction of ours is not mined yet": 1}
    assert world.liquidations() == []
    world.chain.waiting = False
    assert len(world.look(one).deals) == 1
