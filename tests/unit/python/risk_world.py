"""The risk side on a host and in the model: contracts, prices, and random calls to both."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from breakwater import artifacts
from breakwater.driver import AssetConfig
from breakwater.evm import EvmHost
from breakwater.fuzz.compare import Comparison
from breakwater.host import Reverted
from breakwater.model.chain import Chain, Refused
from breakwater.model.pools import Blueprint
from breakwater.model.protocol import deploy
from breakwater.units import DAY, MAX_UINT256, WAD, YEAR
from tests.market import CONFIG, ZERO

DEBT = 128


class Both:
    """The same contracts on a host and in the model."""

    def __init__(self, seed: int = 0) -> None:
        self.host = EvmHost()
        self.chain = Chain(self.host.now, self.host.block, self.host.chain_id)
        self.comparison = Comparison(self.chain, self.host, lambda a: self.names.get(a, a))
        self.rng = random.Random(seed)
        self.names: dict[str, str] = {}
        self.reasons: Counter[tuple[str, str | None]] = Counter()
        self.roles = {}
        for role in ("owner", "guardian", "other"):
            self.roles[role] = self.host.account(role)
            self.names[self.roles[role]] = role

    def deploy(self, name: str, *args: Any, label: str = "") -> str:
        """On both; the address."""
        self.chain.now, self.chain.block = self.host.now, self.host.block
        address = self.host.deploy(name, *args, sender=self.roles["owner"])
        deploy(self.chain, name, address, args)
        self.names[address] = label or name
        return address

    def blueprint(self, name: str) -> str:
        """Creation code, on both; its address."""
        code = artifacts.load(name).bytecode
        address = self.host.deploy_blueprint(code, sender=self.roles["owner"])
        Blueprint(self.chain, address, name)
        return address

    def refuses(self, name: str, *args: Any) -> str:
        """Both refuse to deploy, for the same reason."""
        with pytest.raises(Reverted) as caught:
            self.host.deploy(name, *args, sender=self.roles["owner"])
        with pytest.raises(Refused) as told:
            deploy(self.chain, name, "0x" + "aB" * 20, args)
        assert told.value.reason == caught.value.reason
        return caught.value.reason

    def run(self, sender: str, address: str, function: str, *args: Any) -> Any:
        """One call on both, which must not differ; the value, None when it is refused."""
        differs = self.comparison.step(self.roles.get(sender, sender), address, function, args)
        assert differs is None, differs
        self.reasons[function, self.comparison.outcome.reason] += 1
        return self.comparison.outcome.value

    def check(self) -> None:
        """Every word."""
        differs = self.comparison.everything()
        assert differs is None, differs


class Feed:
    """The sources of one asset, and their price."""

    def __init__(self, both: Both, sources: list[str], decimals: int, dollars: float) -> None:
        self.both = both
        self.sources = sources
        self.decimals = decimals
        self.dollars = dollars

    def answer(self, dollars: float) -> int:
        return int(dollars * 10**12) * 10**self.decimals // 10**12

    def refresh(self, spread: float = 0.0) -> None:
        """A new round of every source, apart by about `spread`."""
        for source in self.sources:
            at = self.dollars * (1 + self.both.rng.uniform(-spread, spread))
            self.both.run("other", source, "set", self.answer(at))
            if self.both.comparison.outcome.reason is not None:
                # its number of rounds overflows
                self.both.run("other", source, "set_round", 1, 1, 1, 1)


class World(Both):
    """Oracle, breaker, configurator; assets over every kind of source."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        owner = self.roles["owner"]
        self.breaker = self.deploy("CircuitBreaker", owner, self.roles["guardian"])
        self.uptime = self.deploy("AggregatorMock", 0, 0)
        self.run("other", self.uptime, "set_round", 1, 0, self.host.now - 2 * DAY, 1)
        self.sequencer = self.deploy("SequencerFeed", self.uptime)
        self.risk = self.deploy("RiskEngine", self.breaker, owner, self.sequencer)
        # whose books nobody uses
        books = self.deploy("CreditEngine", self.risk, owner)
        blend = self.blueprint("BlendFeed")
        self.configurator = self.deploy("Configurator", books, blend, 10**6 * WAD, owner)
        self.run("owner", books, "transfer_ownership", self.configurator)
        # answers that its lock is free, or not
        self.engine = self.deploy("BadFeedMock", 18, label="engine")
        self.feeds: list[Feed] = []
        self.tokens: list[str] = []
        self.dollars: list[Feed | None] = []
        self.places: list[int] = []
        self.sources: list[tuple[str, bool]] = []
        self._deploy_sources()

    def aggregators(self, count: int, decimals: int, dollars: float) -> Feed:
        feed = Feed(self, [], decimals, dollars)
        for _ in range(count):
            feed.sources.append(self.deploy("AggregatorMock", decimals, feed.answer(dollars)))
        self.feeds.append(feed)
        return feed

    def median(self, feed: Feed, quorum: int, band: int, pegged: bool, *more: str) -> str:
        sources = [*feed.sources, *more]
        ages = [90_000] * len(sources)
        return self.deploy("MedianFeed", sources, ages, quorum, band, pegged, "X / USD")

    def token(self, decimals: int) -> str:
        return self.deploy("TokenMock", "T", "T", decimals, label=f"token{len(self.tokens)}")

    def _deploy_sources(self) -> None:
        bad = self.bad = [self.deploy("BadFeedMock", 8, label=f"bad{i}") for i in range(3)]
        eth = self.aggregators(3, 8, 2_000.0)
        eth_feed = self.median(eth, 2, 100, False)
        btc = self.aggregators(1, 8, 50_000.0)
        usd = self.aggregators(2, 6, 1.0)
        dai = self.aggregators(3, 18, 1.0)
        odd = self.aggregators(1, 24, 0.5)
        mixed = self.aggregators(2, 8, 30.0)
        self.run("other", bad[1], "set_words", (1, 30 * 10**8, 0, self.host.now, 1))
        self.run("other", bad[0], "set_words", (1, 7 * 10**8, 0, self.host.now, 1))
        self.run("other", bad[2], "set_words", (WAD, WAD, WAD, self.host.now, 2))
        asset = self.token(18)
        self.staked = self.deploy("StakedTokenMock", "S", "S", asset, label="staked")
        self.rate = self.deploy("RateFeed", self.staked, eth_feed, 1_000)
        self.fine = self.deploy("AggregatorMock", 31, 10**31, label="fine")
        constant = self.deploy("ConstantFeedMock", 8, 10**8)
        kinds: list[tuple[str, bool, Feed | None, int, dict[str, Any]]] = [
            (eth_feed, True, eth, 18, {"debt_weight": 11_000, "volatility_slope": 10_000}),
            (btc.sources[0], False, btc, 8, {"max_leverage": 30_000, "target_slope": 5_000}),
            (self.median(usd, 1, 50, True), True, usd, 6, {"liquidation_ltv": 9_000}),
            (
                self.median(dai, 3, 50, True),
                True,
                dai,
                18,
                {"liquidation_ltv": 7_800, "borrow_ltv": 7_500, "debt_weight": 12_000},
            ),
            (
                odd.sources[0],
                False,
                odd,
                24,
                {
                    "borrow_ltv": 0,
                    "borrow_ltv_floor": 0,
                    "liquidation_ltv": 5_000,
                    "incentive_max": 1_000,
                },
            ),
            (self.median(mixed, 1, 300, False, bad[1]), True, mixed, 18, {"closes_whole": True}),
            (self.rate, True, eth, 18, {"volatility_ref": 100, "volatility_slope": 50_000}),
            (bad[0], False, None, 6, {"debt_weight": 35_500}),
            (bad[2], True, None, 8, {"liquidation_ltv": 0, "borrow_ltv": 0, "borrow_ltv_floor": 0}),
            (constant, False, None, 6, {}),
        ]
        band = {0: 500, 1: 500, 2: 100, 3: 50, 6: 1_000}
        self.unlisted: list[tuple[str, AssetConfig]] = []
        for i, (source, is_feed, feed, decimals, rules) in enumerate(kinds):
            token = self.token(decimals)
            dollars = feed.dollars if feed else 1.0
            config = {**CONFIG, "jump_band": band.get(i, 6_300), **rules, "source": source,
                      "is_feed": is_feed, "min_price": int(dollars * 10**12) or 10**9,
                      "max_price": int(dollars * 10**22)}  # fmt: skip
            self.tokens.append(token)
            self.dollars.append(feed)
            self.places.append(decimals)
            self.unlisted.append((token, AssetConfig(**config)))

    def list(self, token: str, config: AssetConfig, who: str = "owner") -> Any:
        """The id, if it succeeds; an asset is a collateral as often as not."""
        cap = self.rng.choice([0, 10**20, 10**24])
        return self.run(who, self.configurator, "list_asset", token, config, cap, False, ZERO, 0)

    def begin(self) -> None:
        """What an owner does."""
        self.run("owner", self.engine, "set_words", (1, 0, 0, 0, 0))
        self.run("other", self.breaker, "poke", self.tokens[0])
        self.run("guardian", self.breaker, "trip", self.tokens[0], 1, 1)
        self.list(*self.unlisted[0])
        self.run("owner", self.risk, "set_configurator", self.configurator)
        self.run("owner", self.breaker, "connect", self.risk, ZERO)
        self.run("owner", self.breaker, "connect", ZERO, self.engine)
        self.run("owner", self.breaker, "connect", self.risk, self.engine)
        self.run("owner", self.breaker, "connect", self.risk, self.engine)
        for token, config in self.unlisted:
            assert self.list(token, config)
        owner = self.roles["owner"]
        for i in range(2):
            vault = self.deploy(
                "LendingVault", self.tokens[i], self.engine, self.breaker, "V", "V", owner
            )
            self.lend(vault)
            self.run("other", self.breaker, "add_vault", vault)
            self.run("owner", self.breaker, "add_vault", vault)
            self.run("owner", self.breaker, "add_vault", vault)
            self.vault = vault
        self.run("owner", self.engine, "set_words", (1, 0, 0, 0, 0))

    def lend(self, vault: str) -> None:
        """The engine says that it lists a vault."""
        self.run("owner", self.engine, "set_words", (1, int(vault, 16), 0, 0, 0))

    # ------------------------------------------------------------ random calls

    def some_wait(self) -> None:
        rng = self.rng
        gap = rng.choice([1, 12, 12, 12, 50, 59, 60, 61, 300, 599, 600, 601, 900, 900, 1_800, 3_599,
                          3_600, 3_601, 20_000])  # fmt: skip
        if rng.random() < 0.04:
            gap = rng.choice([DAY - 1, DAY, DAY + 1, 3 * DAY, 7 * DAY, 30 * DAY, YEAR])
        self.host.advance(gap, 1)
        if gap > 20_000 and rng.random() < 0.8:
            self.refresh()

    def refresh(self) -> None:
        for feed in self.feeds:
            feed.refresh(self.rng.choice([0, 0, 0.001, 0.001, 0.004, 0.02]))

    def some_price(self) -> None:
        rng = self.rng
        feed = rng.choice(self.feeds)
        move = rng.choice([0.0, 0.001, 0.01, 0.03])
        feed.dollars *= 1 + rng.uniform(-move, move)
        if rng.random() < 0.06:
            feed.dollars *= rng.choice([0.4, 0.7, 0.9, 1.1, 1.5])
        start = {8: 2_000, 6: 1, 18: 1, 24: 0.5}[feed.decimals]
        if rng.random() < 0.05:
            feed.dollars = start
        feed.refresh(rng.choice([0, 0.0001, 0.002, 0.05]))

    def some_bad_price(self) -> None:
        """Stale, zero, negative, of the future, reverting, out of scale."""
        rng, now = self.rng, self.host.now
        source = rng.choice(rng.choice(self.feeds).sources)
        answer = rng.choice([0, -1, -(2**255), 2**255 - 1, 2**128, 2**127, 1, 10**8, 2 * 10**11])
        time = rng.choice([0, now, now, now, now + 1, now - 90_000, now - 90_001, now - 86_401, 1])
        id = rng.choice([0, 1, 1, 2**80 - 1, 2**80, 2**256 - 1])
        self.run("other", source, "set_round", id, answer, time, rng.choice([id, id, 0, id // 2]))

    def some_mode(self) -> None:
        rng, now = self.rng, self.host.now
        bad = rng.choice(self.bad)
        mode = rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 9]) if rng.random() < 0.2 else 0
        self.run("other", bad, "set_mode", mode)
        if bad == self.bad[2]:
            low, high = sorted(int(rng.uniform(0.98, 1.02) * WAD) for _ in range(2))
            if rng.random() < 0.2:
                low = high = 2 ** rng.choice([39, 74]) - rng.choice([0, 1])
            words = [low, rng.choice([low, high, (low + high) // 2]), high, now, rng.randint(1, 3)]
        else:
            scale = 10**8 if bad == self.bad[1] else 10**6
            words = [1, int(rng.uniform(28, 32) * scale), 0, now, 1]
        if rng.random() < 0.2:
            odd = [0, 1, now + 1, 2**128, MAX_UINT256, 4]
            words[rng.randrange(5)] = rng.choice(odd)
        self.run("other", bad, "set_words", tuple(words))

    def some_rate(self) -> None:
        rng = self.rng
        at = rng.choice([0, 1, 10**15 - 1, 10**15, 10**27, 10**27 + 1, 2**128, 2**250])
        if rng.random() < 0.8:
            at = int(rng.uniform(0.9, 1.3) * WAD)
        self.run("other", self.staked, "set_rate", at)
        self.run("other", self.rate, rng.choice(["poke", "quote", "rates", "reference"]))

    def some_poke(self) -> None:
        self.run("other", self.breaker, "poke", self.some_asset())

    def some_supply(self) -> None:
        """What an issuer does, as pokes see it."""
        rng, asset = self.rng, self.some_asset()
        if asset not in self.tokens:
            return
        if rng.random() < 0.3:
            limit = rng.choice([0, 9, 10, 500, 500, 1_000, 1_000, 10_000, 10_001, MAX_UINT256])
            who = rng.choice(["owner"] * 9 + ["other"])
            self.run(who, self.breaker, "set_supply_limit", rng.choice([asset, ZERO, asset]), limit)
        supply = self.host.call(asset, "TokenMock", "totalSupply")
        for _ in range(rng.randint(1, 4)):
            change = rng.choice([0, 1, 2**111, 2**112]) + supply * rng.choice([0, 3, 8, 40]) // 100
            function = rng.choice(["mint", "mint", "burn"])
            self.run("other", asset, function, self.roles["other"], change)
            self.run("other", self.breaker, "poke", asset)
            self.host.advance(rng.choice([0, 12, 300, 600, 3_600, DAY]), 1)
        self.refresh()

    def some_asset(self) -> str:
        if self.rng.random() < 0.02:
            return self.rng.choice([ZERO, self.risk])
        return self.rng.choice(self.tokens)

    def some_hold(self) -> None:
        rng = self.rng
        asset = self.some_asset()
        who = rng.choice(["guardian"] * 9 + ["other"])
        what = rng.random()
        if what < 0.45:
            level = rng.choice([1, 1, 2, 2, 2, 0, 3])
            duration = rng.choice([1, 60, 3_600, DAY, 2 * DAY, 7 * DAY, 7 * DAY + 1, 0])
            self.run(who, self.breaker, "trip", asset, level, duration)
        elif what < 0.8:
            self.run(rng.choice([who, "other"]), self.breaker, "reset", asset)
        elif what < 0.85:
            self.run("other", self.engine, "set_mode", rng.choice([1, 3, 4, 6, 8]))
            self.run("other", self.breaker, "poke", asset)
            self.run("other", self.engine, "set_mode", 0)
        self.run("other", self.breaker, "level_of", asset)
        self.run(
            "other", self.breaker, "latch_of", asset, rng.choice([1, 2, 4, 8, 16, 32, 64, 0, 3])
        )
        self.run("other", self.breaker, "stale_since", asset)
        self.run("other", self.breaker, "supply_of", asset)
        self.run("other", self.risk, "latch_of", asset)

    def some_parameter(self) -> None:
        rng = self.rng
        asset, who = self.some_asset(), rng.choice(["owner"] * 9 + ["other"])
        listed = self.chain.state.get((self.risk, "ids", asset))
        if rng.random() < 0.5:
            ltv = rng.choice([0, 5_000, 8_000, 8_100, 8_101, 9_000, rng.randint(0, 8_400)])
            if listed and rng.random() < 0.4:
                term = self.chain.state[self.risk, "terms", listed]
                highest = min(term.liquidation_ltv(self.host.now), term.target) - 200
                ltv = max(highest + rng.choice([0, 1]), 0)
            elif rng.random() < 0.1:
                ltv = MAX_UINT256
            self.run(who, self.configurator, "set_borrow_ltv", asset, ltv)
        else:
            target = rng.choice([0, 100, 5_000, 8_300, 8_500, 9_000, 9_500, MAX_UINT256])
            if rng.random() < 0.6:
                target = rng.randint(4_000, 9_000)
            elif listed and rng.random() < 0.4:
                target = self.chain.state[self.risk, "terms", listed].liquidation_ltv(self.host.now)
            days = [0, 3 * DAY - 1, 3 * DAY, 10 * DAY, 180 * DAY, 180 * DAY + 1]
            duration = rng.choice(days)
            self.run(who, self.configurator, "ramp_liquidation_ltv", asset, target, duration)

    def edges(self) -> dict[str, list[Any]]:
        """Of each parameter values at the edge of its range and beyond."""
        return {
            "max_age": [59, 60, 90, 245_700, 245_760],
            "jump_band": [0, 25, 50, 6_350, 6_400],
            "debt_weight": [9_900, 10_050, 35_500, 35_600],
            "max_leverage": [5_000, 12_000, 1_275_000, 1_280_000],
            "volatility_ref": [5, 2_550, 2_560],
            "volatility_slope": [500, 127_000, 128_000],
            "borrow_ltv": [0, 8_100, 8_150, 9_000, MAX_UINT256],
            "borrow_ltv_floor": [0, 8_050, 25, MAX_UINT256],
            "liquidation_ltv": [0, 10_000, 9_999, 9_100],
            "min_price": [10**9 - 1, 10**9, 10**28, 10**18, 2**63],
            "max_price": [10**28 + 1, 10**28, 10**9, 10**19, 2**70],
            "tip": [0, 49, 51, 101],
            "incentive_min": [40, 800, 900],
            "incentive_max": [50, 5_000, 5_001],
            "incentive_slope": [65_535, 65_536],
            "target_health": [10_000, 10_001, 16_000, 16_001],
            "target_slope": [1_000_000, 1_000_001],
            "source": [ZERO, self.bad[0], self.risk, self.fine],
            "is_feed": [True, False],
        }

    def some_listing(self) -> None:
        """Mostly with one parameter at its edge."""
        rng, edges = self.rng, self.edges()
        _, config = rng.choice(self.unlisted)
        changes = {}
        for name in rng.sample(list(edges), rng.choice([0, 1, 1, 1, 2])):
            changes[name] = rng.choice(edges[name])
        token = self.token(rng.choice([5, 6, 8, 18, 24, 25]))
        if rng.random() < 0.1:
            token = rng.choice([self.tokens[0], ZERO])
        who = rng.choice(["owner"] * 9 + ["other"])
        listed = self.list(token, config._replace(**changes), who)
        if listed:
            i = [one[1].source for one in self.unlisted].index(config.source)
            self.tokens.append(token)
            self.dollars.append(self.dollars[i])
            self.places.append(self.host.call(token, "TokenMock", "decimals"))

    def some_administration(self) -> None:
        rng, other = self.rng, self.roles["other"]
        asset = self.some_asset()
        now = self.host.now
        calls: list[tuple[str, str, tuple[Any, ...]]] = [
            (self.risk, "write_checkpoint", (asset, 1, 1)),
            (self.risk, "hold", (asset, 1)),
            (self.risk, "settle", (asset, 1)),
            (self.risk, "set_level", (asset, 1, 1, 1)),
            (self.risk, "write_asset", (asset, 1, 1)),
            (self.risk, "set_breaker", (ZERO,)),
            (self.risk, "set_configurator", (ZERO,)),
            (self.risk, "transfer_ownership", (ZERO,)),
            (self.breaker, "transfer_ownership", (ZERO,)),
            (self.breaker, "set_guardian", (self.roles["guardian"],)),
            (self.breaker, "connect", (self.risk, self.engine)),
            (self.configurator, "transfer_ownership", (self.roles["owner"],)),
        ]  # fmt: skip
        target, function, args = rng.choice(calls)
        self.run(rng.choice(["owner", "owner", "other"]), target, function, *args)
        if rng.random() < 0.3:
            # a breaker of its own mind
            self.run("owner", self.risk, "set_breaker", other)
            spans = [0, 1, 60, DAY, 7 * DAY, 7 * DAY + 1]
            for _ in range(3):
                ends = [now + rng.choice(spans) for _ in range(3)]
                self.run("other", self.risk, "set_level", self.some_asset(), *ends)
            self.run("owner", self.risk, "set_breaker", self.breaker)
        for function in ("owner", "breaker", "configurator"):
            self.run("other", self.risk, function)
        for function in ("tip", "max_incentive", "max_liquidation_ltv", "risk_engine", "owner"):
            self.run("other", self.configurator, function)
        for function in ("risk_engine", "credit_engine", "guardian", "vault_list", "owner"):
            self.run("other", self.breaker, function)
        self.run("other", self.breaker, "vault_of", asset)
        self.run("other", self.risk, "id_of", asset)
        self.run("other", self.risk, "quote", asset)
        self.run("other", self.risk, "words_of", asset)
        id = rng.choice([0, 1, 5, 127, 128, MAX_UINT256])
        self.run("other", self.risk, "asset_of", id)
        self.run("other", self.risk, "check_listable", id)

    def amount(self, i: int, dollars: float) -> int:
        feed = self.dollars[i]
        price = feed.dollars if feed else 30.0 if self.tokens[i] == self.tokens[7] else 1.0
        whole = int(dollars / price * 10**9) * 10 ** self.places[i] // 10**9
        return min(max(whole, 1), 2**104 - 1)

    def some_legs(self) -> list[tuple[int, int, bool]]:
        """Index of the asset, amount, whether it is a debt; unhealthy about as often as not."""
        rng = self.rng
        among = range(len(self.tokens) if rng.random() < 0.3 else 7)
        held = rng.sample(among, rng.choice([0, 1, 1, 1, 2, 2, 3]))
        owed = rng.sample(among, rng.choice([0, 1, 1, 1, 1, 2, 2, 3]))
        total = 10 ** (rng.uniform(1, 7) if rng.random() < 0.9 else rng.uniform(-10, 25))
        ratio = rng.choice([rng.uniform(0.3, 1.1), rng.uniform(0.9, 1.3), rng.uniform(1, 3)])
        legs = []
        for group, value, is_debt in ((held, total * ratio, False), (owed, total, True)):
            parts = [rng.choice([0.000_001, 0.2, 1]) for _ in group]
            for i, part in zip(group, parts, strict=True):
                legs.append((i, self.amount(i, value * part / sum(parts)), is_debt))
        if rng.random() < 0.02:
            legs = [(i, 2**104 - 1, is_debt) for i, _, is_debt in legs]
        rng.shuffle(legs)
        return legs

    def position(self, legs: list[tuple[int, int, bool]]) -> tuple[int, ...]:
        words = [0, 0, 0, 0]
        for k, (i, amount, is_debt) in enumerate(legs):
            tag = i + 1 | (DEBT if is_debt else 0)
            words[k // 2] |= amount << 104 * (k % 2) | tag << 208 + 8 * (k % 2)
        words[0] |= self.rng.choice([0, len(legs) << 244 | 7 << 224])
        return tuple(words)

    def changed(self, legs: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
        """After a batch: a bit more or less of each, some gone, maybe a new one."""
        rng = self.rng
        after = []
        much = rng.choice([0, 0.01, 0.3])
        for i, amount, is_debt in legs:
            way = rng.choice([-1, 1, 0]) if rng.random() < 0.4 else -1 if is_debt else 1
            changed = int(amount * (1 + way * rng.uniform(0, much)))
            if changed and rng.random() > 0.1:
                after.append((i, min(changed, 2**104 - 1), is_debt))
        i = rng.randrange(len(self.tokens))
        is_new = (i, False) not in {(a, d) for a, _, d in after}
        if is_new and len(after) < 8 and rng.random() < 0.2:
            after.append((i, self.amount(i, 100), False))
        return after

    def some_tag(self, legs: list[tuple[int, int, bool]], is_debt: bool | None = None) -> int:
        rng = self.rng
        tags = [i + 1 | (DEBT if debt else 0) for i, _, debt in legs if is_debt in (None, debt)]
        if tags and rng.random() < 0.93:
            return rng.choice(tags)
        return rng.choice([0, 1, 9, 129, 130, 120, 250, 256, MAX_UINT256])

    def some_position(self) -> None:
        rng, legs = self.rng, self.some_legs()
        position = self.position(legs)
        self.run("other", self.risk, "health_of", position)
        touched = rng.choice([0, self.some_tag(legs)])
        self.run("other", self.risk, "check_initial", position, touched)
        self.run("other", self.risk, "shortfall", position, self.some_tag(legs, False))
        after = self.changed(legs)
        tags = 0
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            tags = tags << 8 | self.some_tag([*legs, *after]) & 255
        self.run("other", self.risk, "check_batch", position, self.position(after), tags)
        for _ in range(2):
            self.some_terms(legs, position)

    def some_deleveraging(self) -> None:
        """About the same part of everything goes, so that it hangs on prices what is safer."""
        rng = self.rng
        held, debt = rng.sample(range(7), 2), rng.randrange(7)
        total, ratio = 10 ** rng.uniform(1, 6), rng.uniform(1.0, 1.4)
        part = rng.random()
        legs = [(i, self.amount(i, total * share), False)
                for i, share in zip(held, (part, 1 - part), strict=True)]  # fmt: skip
        legs.append((debt, self.amount(debt, total / ratio), True))
        position = self.position(legs)
        for _ in range(4):
            gone, after = rng.uniform(0, 0.5), []
            for i, amount, is_debt in legs:
                off = 0 if is_debt else rng.choice([-0.2, -0.03, 0, 0, 1e-15, 0.001, 0.01, 0.05])
                after.append((i, max(int(amount * (1 - gone * (1 + off))), 1), is_debt))
            tag = rng.choice(held) + 1
            self.run("other", self.risk, "check_batch", position, self.position(after), tag)

    def some_terms(self, legs: list[tuple[int, int, bool]], position: tuple[int, ...]) -> None:
        """All of it; then caps and least debts at the edges of what that gave."""
        rng = self.rng
        debt, collateral = self.some_tag(legs, True), self.some_tag(legs, False)
        owed = sum(a for i, a, is_debt in legs if is_debt and i + 1 | DEBT == debt)
        least = rng.choice([0, 0, 0, 1, owed // 10, owed // 2, owed, owed * 2])
        ask = (self.risk, "liquidation_terms", position, debt, collateral)
        terms = self.run("other", *ask, MAX_UINT256, least)
        if terms is None:
            return
        repay, left = terms[0], owed - terms[0]
        caps = [repay - 1, repay, repay + 1, owed - least, owed - least + 1, owed - least - 1,
                repay // 2, repay // 7, 1, 0]  # fmt: skip
        for cap in rng.sample(caps, 3):
            self.run("other", *ask, max(cap, 0), least)
        for edge in (left - 1, left, left + 1):
            self.run("other", *ask, MAX_UINT256, max(edge, 0))
        half = repay // 2
        for edge in (owed - half - 1, owed - half, owed - half + 1):
            self.run("other", *ask, half, max(edge, 0))

    def some_blind_position(self) -> None:
        """Between maintenance and water, with an asset whose price is gone."""
        rng = self.rng
        held, owed = rng.sample(range(7), 2), rng.sample(range(7), rng.choice([1, 2]))
        total, ratio = 10 ** rng.uniform(0, 6), rng.uniform(0.95, 1.35)
        legs = []
        for group, value, is_debt in ((held, total * ratio, False), (owed, total, True)):
            parts = [rng.choice([0.000_001, 0.000_1, 0.3, 1]) for _ in group]
            for i, part in zip(group, parts, strict=True):
                legs.append((i, self.amount(i, value * part / sum(parts)), is_debt))
        gone = self.dollars[rng.choice(held + owed)]
        assert gone is not None
        for source in gone.sources:
            self.run("other", source, "set_round", 1, 0, 0, 1)
        position = self.position(legs)
        self.run("other", self.risk, "health_of", position)
        for _ in range(4):
            self.some_terms(legs, position)
        gone.refresh()

    def play(self, steps: int) -> None:
        kinds = {
            self.some_wait: 6, self.some_price: 7, self.some_bad_price: 0.5, self.some_mode: 1,
            self.some_rate: 1, self.some_poke: 14, self.some_supply: 1, self.some_hold: 2,
            self.some_parameter: 1, self.some_listing: 1, self.some_administration: 0.2,
            self.some_position: 10, self.some_blind_position: 2, self.some_deleveraging: 4,
        }  # fmt: skip
        names, weights = list(kinds), list(kinds.values())
        for i in range(steps):
            self.rng.choices(names, weights)[0]()
            if i % 25 == 0:
                self.check()
        self.check()
