"""The market of a replay: the asset of the files, and a dollar that never moves, both lent.

Rules are those of one asset of a market file, for both; bounds of the price keep their ratio to the
first price. Accounts stand on ladders of health factors on either side: long ones hold the asset
and owe dollars, short ones hold dollars and owe the asset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from breakwater import deploy
from breakwater.deploy import Protocol
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.markets import Asset, Devnet, Feed, Market, VaultMarket
from breakwater.markets import Source as FeedSource
from breakwater.markets.reading import MAX_LEG
from breakwater.markets.vaults import LEAST_SEED_UNITS
from breakwater.units import BPS, MAX_UINT256, WAD, account_id

ASSET, DOLLAR = "ASSET", "USD"
LONG, SHORT = "long", "short"

LADDER = (1.02, 1.05, 1.1, 1.2, 1.3, 1.5)
"""Health factors of the accounts at the first price, on either side."""

DEBT = 10_000
"""USD that each account owes."""

SAFE = 1_000.0
"""Health of the accounts that try what the breaker allows: no price brings their own margin in."""

_ROUNDS = 45
_ROUND = 86_400
"""Pokes, and seconds between two, until average and volatility have forgotten: each poke closes
28 % of the average's gap, and a day leaves 27 % of the variance."""

WARM_UP = (3 * _ROUNDS + 1) * _ROUND
_NEVER_STALE = 4_080 * 60
_RATE = 1
"""Basis points a year: interest is no matter here."""


@dataclass(frozen=True)
class Rules:
    """What a replay asks of the contracts. None: as the market file says."""

    like: str | None = None
    """Asset of the market whose rules apply; None: USDC where pegged, else WETH."""
    pegged: bool | None = None
    quorum: int | None = None
    jump_band: int | None = None
    """Basis points."""
    dispersion_band: int | None = None
    """Basis points."""
    max_age: int | None = None
    """Seconds, of each source."""
    ladder: Sequence[float] = LADDER


@dataclass
class Account:
    """One account of a ladder, amounts in token units."""

    name: str
    side: str
    owner: str
    id: bytes
    health: float
    """At the first price."""
    collateral: int = 0
    debt: int = 0


def market_of(
    market: Market, rules: Rules, sources: int, price: float
) -> tuple[Market, dict[str, object]]:
    """The market of a replay with `sources` sources, and the rules that it came to."""
    if market.devnet is None:
        raise UserError(f"{market.path.name} is no market of a devnet: its prices cannot be set")
    like = _like(market, rules)
    base = market.assets[like.feed.base] if like.feed.kind == "rate" else like
    pegged = base.feed.pegged if rules.pegged is None else rules.pegged
    quorum = rules.quorum or (min(2, sources) if pegged else min(base.feed.quorum, sources))
    if quorum > sources:
        raise UserError(f"--quorum {quorum} of {sources} sources: give at most as many as files")
    band = rules.dispersion_band or base.feed.band or 200
    usual = like.parameters["max_age"]
    age = rules.max_age or max((source.max_age for source in base.feed.sources), default=usual)
    feed = Feed("median", (FeedSource(age),) * sources, quorum=quorum, band=band, pegged=pegged)
    asset = _asset(like, rules, feed, age, price)
    steady = {"max_age": _NEVER_STALE, "min_price": WAD // 2, "max_price": 2 * WAD}
    dollar = replace(
        asset, symbol=DOLLAR, decimals=6, price=WAD,
        feed=Feed("aggregator", (FeedSource(_NEVER_STALE),)),
        parameters={**like.parameters, **steady},
    )  # fmt: skip
    assets = {ASSET: asset, DOLLAR: dollar}
    made = replace(
        market,
        name="breakers",
        assets=assets,
        vaults={name: _vault(market, one) for name, one in assets.items()},
        devnet=Devnet(market.devnet.accounts, {}, market.devnet.heartbeat, {}),
    )
    return made, {
        "like": like.symbol,
        "pegged": pegged,
        "quorum": quorum,
        "jump_band": asset.parameters["jump_band"] / BPS,
        "dispersion_band": band / BPS,
        "max_age": age,
        "borrow_ltv": asset.parameters["borrow_ltv"] / BPS,
        "liquidation_ltv": asset.parameters["liquidation_ltv"] / BPS,
    }


def _asset(like: Asset, rules: Rules, feed: Feed, age: int, price: float) -> Asset:
    """The asset of the files: the rules of `like`, its bounds as far from the price as there."""
    first = round(price * 10**8) * 10**10
    if first == 0:
        raise UserError(f"the first price, {price:g}, is below what a feed of 8 decimals can say")
    if 10**4 * DEBT * 10**like.decimals * WAD // first >= 2**103:
        raise UserError(
            f"the first price, {price:g} USD, is too low: an account cannot hold enough"
        )
    parameters = dict(like.parameters)
    parameters["max_age"] = max(age, parameters["max_age"]) // 60 * 60
    parameters["jump_band"] = rules.jump_band or parameters["jump_band"]
    for bound in ("min_price", "max_price"):
        parameters[bound] = min(max(parameters[bound] * first // like.price, 10**9), 10**28)
    return replace(
        like, symbol=ASSET, address=None, feed=feed, price=first, parameters=parameters,
        cap=MAX_LEG, takes_fee=False,
    )  # fmt: skip


def _like(market: Market, rules: Rules) -> Asset:
    name = rules.like or ("USDC" if rules.pegged else "WETH")
    if name not in market.assets:
        known = ", ".join(market.assets)
        raise UserError(f"--like {name}: {market.path.name} has {known}")
    like = market.assets[name]
    if not like.parameters["borrow_ltv"]:
        raise UserError(f"--like {name}: it is no collateral there, choose one with a borrow_ltv")
    return like


def _vault(market: Market, asset: Asset) -> VaultMarket:
    config = next(iter(market.vaults.values())).config
    return VaultMarket(
        asset=asset.symbol,
        name=f"Breakwater {asset.symbol}",
        symbol=f"bw{asset.symbol}",
        config=config._replace(
            initial_rate=_RATE,
            min_rate=_RATE,
            max_rate=_RATE,
            deposit_cap=2**103,
            debt_cap=2**103,
            outflow_limit=0,
            growth_limit=0,
        ),
        min_debt=units(asset, DEBT / 100),
        seed=max(units(asset, 1_000), LEAST_SEED_UNITS),
    )


def units(asset: Asset, dollars: float) -> int:
    """Token units worth so many USD at the first price, at least one."""
    return max(1, int(dollars * WAD) * 10**asset.decimals // asset.price)


@dataclass
class Stage:
    """The deployed market with everyone in it, at the first price and at rest."""

    host: EvmHost
    protocol: Protocol
    accounts: list[Account]
    safe: dict[str, Account]
    """By side."""
    lender: str
    keeper: str
    liquidator: str
    weights: dict[str, float]
    """Health factor of a side's account: weight × collateral ÷ debt in USD."""


def stage(market: Market, first: int, ladder: Sequence[float] | None) -> Stage:
    """Deploy and fill the market so that the clock stands at `first` when all is at rest.

    Without a ladder (None) there are no accounts, and all is at rest from the start.
    """
    if ladder is None:
        host = EvmHost(timestamp=first - 1, block=1)
        protocol = deploy.deploy(host, market)
        host.advance(first - host.now)
        return Stage(host, protocol, [], {}, "", host.account("keeper"), "", {})
    host = EvmHost(timestamp=first - WARM_UP - 1, block=1)
    protocol = deploy.deploy(host, market)
    lender, keeper = host.account("lender"), host.account("keeper")
    made = Stage(host, protocol, [], {}, lender, keeper, host.account("liquidator"), {})
    _fund(made)
    price = market.assets[ASSET].price
    ltv = market.assets[ASSET].parameters["liquidation_ltv"] / BPS
    lean = _lean(market.assets[ASSET], ladder)
    for side, times in ((LONG, lean), (SHORT, 1 / lean)):
        made.weights[side] = ltv
        _rest(made, int(price * times))
        for health in [*ladder, SAFE]:
            account = _open(made, side, health, ltv)
            if health == SAFE:
                made.safe[side] = account
            else:
                made.accounts.append(account)
    _rest(made, price, until=first)
    # with a live snapshot an `EvmHost` never folds its journal, after which calls fail
    host.snapshot()
    return made


def _lean(asset: Asset, ladder: Sequence[float]) -> float:
    """How much better prices are when accounts are opened: a ladder may begin below what initial
    margin and the leverage cap ask for.
    """
    rules = asset.parameters
    ltv, most = rules["liquidation_ltv"] / BPS, rules["max_leverage"] / BPS
    needed = [rules["liquidation_ltv"] / rules["borrow_ltv"], ltv * most / max(most - 1, 0.001)]
    return max(1.05, 1.02 * max(needed) / min(ladder))


def _fund(made: Stage) -> None:
    protocol, admin = made.protocol, made.protocol.accounts["deployer"]
    for symbol, vault in protocol.vaults.items():
        token = protocol.tokens[symbol]
        asset = protocol.market.assets[symbol]
        for who in (made.lender, made.liquidator):
            token.mint(who, 2**102, sender=admin)
            for spender in (vault, protocol.credit_engine):
                token.approve(spender, MAX_UINT256, sender=who)
        vault.deposit(units(asset, 1_000 * DEBT), made.lender, sender=made.lender)


def _rest(made: Stage, price: int, until: int | None = None) -> None:
    """Let the price stand until the average is there and the volatility is gone."""
    host, protocol = made.host, made.protocol
    admin = protocol.accounts["deployer"]
    left = _ROUNDS if until is None else max(_ROUNDS, (until - host.now) // _ROUND)
    for turn in range(left):
        seconds = _ROUND
        if until is not None and turn == left - 1:
            seconds = until - host.now
        host.advance(seconds)
        for symbol, answer in ((ASSET, price), (DOLLAR, WAD)):
            protocol.set_price(symbol, answer, sender=admin)
            protocol.breaker.poke(protocol.tokens[symbol], sender=made.keeper)


def _open(made: Stage, side: str, health: float, ltv: float) -> Account:
    protocol, host = made.protocol, made.host
    engine, admin = protocol.credit_engine, protocol.accounts["deployer"]
    held, owed = (ASSET, DOLLAR) if side == LONG else (DOLLAR, ASSET)
    name = f"{side} safe" if health == SAFE else f"{side} {health:g}"
    owner = host.account(name)
    assets = protocol.market.assets
    account = Account(name, side, owner, account_id(owner), health)
    account.debt = units(assets[owed], DEBT)
    account.collateral = units(assets[held], DEBT * health / ltv)
    for symbol in (held, owed):
        token = protocol.tokens[symbol]
        # twice: some is left to add, and to repay with
        token.mint(owner, 2 * max(account.collateral, account.debt), sender=admin)
        for spender in (protocol.vaults[symbol], engine):
            token.approve(spender, MAX_UINT256, sender=owner)
    engine.deposit_collateral(account.id, protocol.tokens[held], account.collateral, sender=owner)
    engine.borrow(account.id, protocol.tokens[owed], account.debt, owner, sender=owner)
    return account
