"""What markets are made of: who is there, and what is listed on which terms.

    WETH    18 decimals  median of three, one with clamps        collateral and debt
    USDC     6           median of two pegged sources            collateral and debt
    WBTC     8           an aggregator, checked by a TWAP        collateral and debt
    HOOK    18           calls out in transfers, a bad feed      collateral and debt
    wstETH  18           a rate over the feed of WETH            collateral
    ODD     12           published, an EMA decides; takes a fee  collateral
    LATE     9           not listed yet

The profile "periphery" is the same with contracts of the periphery: backstop pools for USDC and
HOOK, with lenders in them, and a flash liquidator with Uniswap v3 pools. A campaign in the default
profile plays it too, see `BESIDE`.
The profile "small" has WETH as collateral and USDC as debt, one aggregator each; those of the
token matrix are in `breakwater.fuzz.tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from breakwater.driver import VaultConfig

DELAY = 3_600
"""Of the timelock [s]."""

NEW_LIMIT = 4_000_000 * 10**18
"""[WAD] dollars that the caps of new assets may be worth together."""

ROLES = (
    "owner",
    "governor",
    "guardian",
    "lender_1",
    "lender_2",
    "lender_3",
    "borrower_1",
    "borrower_2",
    "borrower_3",
    "operator",
    "liquidator_1",
    "liquidator_2",
    "staker",
    "keeper",
    "steward",
)
"""In this order: the first ten have keys of the development mnemonic and can sign."""

ACCOUNTS = (
    "borrower_1#0",
    "borrower_1#1",
    "borrower_1#2",
    "borrower_2#0",
    "borrower_2#1",
    "borrower_3#0",
    "borrower_3#1",
    "liquidator_1#0",
    "attacker#0",
    "attacker#1",
    "keeper#0",
)
"""Of the last one nothing is asked but to be credited with what is seized in trials."""

RULES: dict[str, Any] = {
    "is_feed": False,
    "max_age": 86_400,
    "jump_band": 1_500,
    "borrow_ltv": 7_500,
    "borrow_ltv_floor": 5_500,
    "liquidation_ltv": 8_000,
    "debt_weight": 10_000,
    "max_leverage": 150_000,
    "volatility_ref": 400,
    "volatility_slope": 2_000,
    "tip": 50,
    "incentive_min": 100,
    "incentive_max": 800,
    "incentive_slope": 10_000,
    "target_health": 10_500,
    "target_slope": 5_000,
    "closes_whole": False,
}

VAULT = VaultConfig(
    reserve_factor=1_000,
    target_utilization=9_000,
    steepness=40_000,
    adjustment_speed=50,
    initial_rate=400,
    min_rate=10,
    max_rate=20_000,
    flash_fee=0,
    min_adaptive_debt=0,
    deposit_cap=0,
    debt_cap=0,
    limit_floor=0,
    outflow_limit=0,
    growth_limit=0,
)
"""Caps and the floor of the limits follow from a listing's cash."""

Act = tuple[str, tuple[Any, ...]]
"""A function of an odd token with its arguments, or what `breakwater.fuzz.actions.tokens` calls so;
"@keeper" is the address of that name."""


@dataclass(frozen=True)
class Listing:
    """An asset of a profile. Amounts of dollars; 0: not lent, or no collateral."""

    symbol: str
    decimals: int
    dollars: int
    token: str = "TokenMock"
    sources: tuple[str, ...] = ("AggregatorMock",)
    pegged: bool = False
    band: int = 200
    clamps: tuple[int, int] = (0, 0)
    """Least and highest answer of the first source, in dollars; zeros: it has none."""
    market: str = ""
    """Kind of the feed that checks the price; of one that is published it decides."""
    rate_over: str = ""
    cap: int = 10_000_000
    cash: int = 0
    min_debt: int = 100
    listed: bool = True
    takes_fee: bool = False
    first: tuple[Act, ...] = ()
    """Calls to the token before it is listed."""
    acts: tuple[Act, ...] = ()
    """What the action `odd` does with the token."""
    supply_limit: int = 0
    """[BPS] of growth in a day; 0: not watched."""
    growth: int = 0
    """[percent of the cap] that a day may add; 0: no limit."""
    depth: int = 0
    """[dollars] that liquidations may seize in an hour; 0: no limit."""
    backstop: bool = False
    """Whether a backstop pool buys for its debts."""
    swap: tuple[str, int] | None = None
    """Asset that a Uniswap v3 pool gives for it, and the pool's fee [millionths]."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    vault: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unit(self) -> int:
        """The smallest units in one token."""
        return 10**self.decimals

    def amount(self, dollars: int) -> int:
        """Token units worth that at the first price."""
        return dollars * self.unit // self.dollars


_AGGREGATORS = ("AggregatorMock",) * 3
_CLAMPED = ("ClampedAggregatorMock",)

PROFILES: dict[str, tuple[Listing, ...]] = {
    "default": (
        Listing(
            "WETH", 18, 2_000, sources=_CLAMPED + _AGGREGATORS[:2], clamps=(100, 40_000),
            cash=1_000_000, supply_limit=1_000,
            vault={
                "flash_fee": 0, "adjustment_speed": 0, "outflow_limit": 30, "growth_limit": 40,
            },
        ),
        Listing(
            "USDC", 6, 1, sources=_AGGREGATORS[:2], pegged=True, band=100, cash=2_000_000,
            growth=5, depth=25_000,
            rules={"jump_band": 500, "borrow_ltv": 7_700, "borrow_ltv_floor": 7_700,
                   "volatility_slope": 0},
            vault={
                "flash_fee": 5, "reserve_factor": 2_000, "outflow_limit": 20, "growth_limit": 20,
            },
        ),
        Listing(
            "WBTC", 8, 50_000, sources=_CLAMPED, clamps=(2_000, 1_250_000), band=300,
            market="UniswapTwapFeed", cash=1_000_000, growth=2,
            rules={"borrow_ltv": 7_000, "borrow_ltv_floor": 7_000, "volatility_slope": 0,
                   "closes_whole": True, "debt_weight": 10_500},
        ),
        Listing(
            "HOOK", 18, 10, token="HookTokenMock", sources=("BadFeedMock",), cash=500_000,
            growth=3,
            rules={"borrow_ltv": 5_000, "borrow_ltv_floor": 4_000, "liquidation_ltv": 6_000,
                   "jump_band": 6_000, "max_leverage": 30_000, "target_slope": 0},
            vault={"flash_fee": 9, "min_adaptive_debt": 10**21},
        ),
        Listing(
            "wstETH", 18, 2_000, token="StakedTokenMock", sources=(), rate_over="WETH",
            supply_limit=500, depth=3_000,
        ),
        Listing(
            "ODD", 12, 3, token="OddTokenMock", sources=(), market="CurveEmaFeed", band=500,
            takes_fee=True, cap=1_000_000, growth=10, depth=2_000, acts=(("any", ()),),
            rules={"borrow_ltv": 4_000, "borrow_ltv_floor": 4_000, "liquidation_ltv": 5_000,
                   "volatility_slope": 0},
        ),
        Listing("LATE", 9, 5, listed=False),
    ),
    "small": (
        Listing("WETH", 18, 2_000, supply_limit=1_000, rules={"jump_band": 6_000}),
        Listing("USDC", 6, 1, cash=2_000_000, cap=0, rules={"jump_band": 6_000}),
    ),
}  # fmt: skip

_SWAPS = {
    "WETH": ("USDC", 500), "WBTC": ("USDC", 3_000), "HOOK": ("USDC", 10_000),
    "wstETH": ("WETH", 100),
}  # fmt: skip

PROFILES["periphery"] = tuple(
    replace(one, backstop=one.symbol in ("USDC", "HOOK"), swap=_SWAPS.get(one.symbol))
    for one in PROFILES["default"]
)

BESIDE = {"default": "periphery"}
"""The profile that a campaign plays besides the one that it was asked for."""
