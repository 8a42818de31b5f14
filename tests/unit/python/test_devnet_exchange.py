"""The devnet's pools and its price bot, on the chain in this process."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from breakwater import deploy, devnet, markets, prices
from breakwater.addresses import AddressBook
from breakwater.devnet import bot
from breakwater.devnet.exchange import Exchange
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.foreign import WETH9
from breakwater.units import MINUTE, WAD

pytestmark = pytest.mark.needs("uniswap")

RATIOS = {"WETH/USDC": 3_000, "WBTC/USDC": 60_000, "wstETH/WETH": 1.2}


def quiet(step: str, now: bool) -> None:
    pass


class World:
    """A devnet without a node."""

    def __init__(self) -> None:
        self.host = EvmHost()
        self.market = devnet.on_node(markets.load())
        self.book = AddressBook.open(None, self.host, self.market.name)
        devnet.wrap(self.host, self.market, self.book, quiet)
        self.protocol = deploy.deploy(self.host, self.market, self.book)
        made = devnet.build(self.protocol, self.book, quiet)
        assert made is not None
        self.exchange = made
        self.said: list[str] = []
        self.bot = self.host.account(devnet.BOT)

    def mover(self, symbol: str = "WETH") -> bot.PriceBot:
        return bot.PriceBot(self.protocol, self.exchange, symbol, self.said.append)

    def agrees(self) -> bool:
        """Whether each pool pays what the feeds say, to a thousandth."""
        found = []
        for name in RATIOS:
            one, other = (
                self.protocol.lens.quote(self.protocol.tokens[symbol]).price
                for symbol in name.split("/")
            )
            found.append(self.exchange.price(name) == pytest.approx(one / other, rel=1e-3))
        return all(found)


@pytest.fixture(scope="module")
def made() -> tuple[World, int]:
    world = World()
    return world, world.host.snapshot()


@pytest.fixture
def world(made: tuple[World, int]) -> World:
    world, start = made
    world.host.restore(start)
    world.said.clear()
    return world


# ------------------------------------------------------------------------------ pools


def test_build__pools_at_the_markets_prices(world: World) -> None:
    for name, ratio in RATIOS.items():
        assert world.exchange.price(name) == pytest.approx(ratio, rel=1e-9)
    assert isinstance(world.protocol.tokens["WETH"], WETH9)
    assert world.protocol.timelock.get_minimum_delay() == MINUTE
    held = world.protocol.tokens["USDC"].balanceOf(world.exchange.pools["WETH/USDC"])
    # 200 times the depth on each side
    assert held == pytest.approx(400_000_000 * 10**6, rel=1e-6)


def test_build__a_swap_of_the_depth_moves_a_pool_by_a_hundredth(world: World) -> None:
    usdc, trader = world.protocol.tokens["USDC"], world.host.account("trader")
    usdc.mint(trader, 2_000_000 * 10**6, sender=trader)
    usdc.approve(world.exchange.uniswap.router, 2**256 - 1, sender=trader)
    weth = world.protocol.tokens["WETH"].address
    world.exchange.uniswap.swap(usdc.address, weth, 500, 2_000_000 * 10**6, sender=trader)
    assert world.exchange.price("WETH/USDC") == pytest.approx(3_030, rel=2e-4)
    # and the feed is where it was: the keeper trades it back
    assert world.exchange.align(sender=world.bot) == ["WETH/USDC"]
    assert world.agrees()


def test_build__a_second_time_does_nothing(world: World) -> None:
    before = (dict(world.book.entries), list(world.book.steps))
    done: list[str] = []
    devnet.wrap(world.host, world.market, world.book, lambda step, now: done.extend([step] * now))
    deploy.deploy(
        world.host, world.market, world.book,
        progress=lambda step, now: done.extend([step] * now),
    )  # fmt: skip
    devnet.build(world.protocol, world.book, lambda step, now: done.extend([step] * now))
    assert done == []
    assert (world.book.entries, world.book.steps) == before
    loaded = Exchange.load(world.protocol, world.book)
    assert loaded is not None
    assert loaded.pools == world.exchange.pools
    assert loaded.uniswap == world.exchange.uniswap


def test_wrap__an_older_devnet_with_a_mock(world: World) -> None:
    host, market = EvmHost(), markets.load()
    book = AddressBook.open(None, host, market.name)
    deploy.deploy(host, market, book)
    with pytest.raises(UserError, match="devnet --fresh"):
        devnet.wrap(host, market, book, quiet)


@pytest.mark.parametrize("dollars", [150, 2_999.5, 3_001, 9_000])
def test_align__pools_follow_the_feeds(world: World, dollars: float) -> None:
    me = world.bot
    world.protocol.set_price("WETH", round(dollars * 10**8) * 10**10, sender=me)
    assert world.exchange.align(sender=me) == ["WETH/USDC"]
    assert world.exchange.price("WETH/USDC") == pytest.approx(dollars, rel=1e-6)
    assert world.exchange.price("wstETH/WETH") == pytest.approx(1.2, rel=1e-6)
    assert world.exchange.align(sender=me) == []


def test_align__leaves_what_has_no_price(world: World) -> None:
    world.host.advance(2 * 3_600)  # the aggregators' answers are too old
    assert world.exchange.prices("WETH/USDC") is None
    assert world.exchange.align(sender=world.bot) == []


# ------------------------------------------------------------------------------ paths


def test_walk__one_seed_is_one_walk_at_any_speed() -> None:
    slow = dict(itertools.islice(bot.walk(3_000, 0.8, 7, 60), 101))
    fast = dict(itertools.islice(bot.walk(3_000, 0.8, 7, 300), 21))
    assert slow[0] == 3_000
    assert fast == {time: slow[time] for time in range(0, 6_001, 300)}
    other = dict(itertools.islice(bot.walk(3_000, 0.8, 8, 300), 21))
    assert other != fast


def test_walk__volatility() -> None:
    still = [price for _, price in itertools.islice(bot.walk(3_000, 0, 1, 60), 50)]
    assert still == [3_000] * 50
    days = [list(itertools.islice(bot.walk(1, 0.8, seed, 300), 289))[-1][1] for seed in range(200)]
    mean = sum(days) / 200
    deviation = (sum((day - mean) ** 2 for day in days) / 199) ** 0.5
    # 80 % a year is 4.2 % a day
    assert deviation == pytest.approx(0.8 / 365**0.5, rel=0.2)
    assert mean == pytest.approx(1, abs=0.01)


def test_along__the_files_moves_from_a_price() -> None:
    bars = prices.parse(
        "timestamp,open,high,low,close,volume\n"
        "1000,200,210,190,200,\n"
        "1300,200,200,100,120,\n"
    )  # fmt: skip
    found = bot.along(bars, 3_000, 60)
    assert found[0] == (0, 3_000)
    assert min(price for _, price in found) == pytest.approx(1_500)
    assert max(price for _, price in found) == pytest.approx(3_150)
    assert found[-1][1] == pytest.approx(1_800)
    assert bot.along(bars, None, 60)[0] == (0, 200)


@pytest.mark.parametrize(
    ("speed", "file", "random"),
    [(0.1, 5, 60), (60, 60, 60), (200, 200, 180), (100_000, 300, 300)],
)
def test_steps__are_no_longer_than_feeds_stay_fresh(speed: float, file: int, random: int) -> None:
    assert bot.step_of(speed) == file
    assert bot.minutes_of(speed) == random


# ------------------------------------------------------------------------------ the bot


def test_play__moves_feeds_pools_and_the_clock(world: World) -> None:
    mover, start = world.mover(), world.host.now
    told: list[int] = []
    points = [(0, 3_000.0), (300, 2_900.0), (600, 2_400.5)]
    mover.play(points, 10**9, lambda: False, told.append)
    assert told == [0, 300, 600]
    assert mover.steps == 3
    assert mover.price == 2_400.5
    assert world.host.now - start == pytest.approx(600, abs=2)
    quote = world.protocol.lens.quote(world.protocol.tokens["WETH"])
    assert quote.price == 2_400_5 * WAD // 10
    assert world.agrees()
    # poked on the way: the average has begun to follow, and the fall beyond the band was seen
    assert quote.average < 3_000 * WAD
    assert any("WETH is in a jump" in line for line in world.said)


def test_play__an_hour_leaves_no_price_stale(world: World) -> None:
    walk = bot.walk(60_000, 0.8, 1, 300)
    world.mover("WBTC").play(itertools.islice(walk, 25), 10**9, lambda: False, lambda _: None)
    for symbol, token in world.protocol.tokens.items():
        assert world.protocol.lens.quote(token).status != 3, symbol
    assert world.agrees()


def test_play__ends_when_it_is_stopped(world: World) -> None:
    mover = world.mover()
    told: list[int] = []
    mover.play(bot.walk(3_000, 0.8, 1, 60), 10**9, lambda: len(told) == 3, told.append)
    assert told == [0, 60, 120]
    assert world.agrees()


def test_play__sets_again_what_a_keeper_put_back(world: World) -> None:
    mover, first = world.mover(), world.protocol.aggregators["WETH"][0]

    def put_back(_: int) -> None:
        first.set(3_000 * 10**8, sender=world.bot)

    mover.play([(0, 2_950.0)], 10**9, lambda: False, put_back)
    assert first.answer() == 2_950 * 10**8


@pytest.mark.parametrize(
    ("symbol", "says"),
    [
        ("FOO", "FOO is not listed here: USDC, WETH, WBTC, wstETH are"),
        ("wstETH", "wstETH has no price of its own to move: USDC, WETH, WBTC have"),
    ],
)
def test_bot__assets_that_it_cannot_move(world: World, symbol: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        world.mover(symbol)


@pytest.mark.parametrize("price", [9.99, 1_000_001])
def test_bot__prices_beyond_the_markets_bounds(world: World, price: float) -> None:
    mover = world.mover()
    with pytest.raises(UserError, match="outside of what the market takes for a valid price"):
        mover.set(price)
    assert mover.steps == 0


def test_addresses__every_account_and_contract(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    monkeypatch.setenv("BREAKWATER_DEVNET", str(tmp_path))
    devnet.write_addresses(devnet.Devnet(world.protocol, world.book, world.exchange))
    found = json.loads((tmp_path / devnet.ADDRESSES).read_text())
    assert found["accounts"] == world.protocol.accounts
    assert len(found["accounts"]) == 20
    assert found["contracts"]["tokens.WETH"] == world.protocol.tokens["WETH"].address
    assert found["contracts"]["uniswap.router"] == world.exchange.uniswap.router
    assert found["contracts"]["pools.WETH/USDC"] == world.exchange.pools["WETH/USDC"]
    assert (found["chain_id"], found["market"]) == (31_337, "devnet")
