"""Market files: what loads, and what each kind of wrong parameter says."""

import re
from pathlib import Path

import pytest

from breakwater import markets
from breakwater.markets import MarketError
from breakwater.units import DAY, WAD

TEXT = markets.DEFAULT.read_text(encoding="utf-8")


def write(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """The devnet's market with some of its text replaced, each where it first stands."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def line_of(path: Path, piece: str) -> int:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if piece in line:
            return number
    raise LookupError(piece)


def refused(path: Path) -> str:
    with pytest.raises(MarketError) as caught:
        markets.load(path)
    return str(caught.value)


def test_load__devnet() -> None:
    market = markets.load()
    assert list(market.assets) == ["USDC", "WETH", "WBTC", "wstETH"]
    assert list(market.vaults) == ["USDC", "WETH", "WBTC"]
    weth = market.assets["WETH"]
    assert weth.parameters["borrow_ltv"] == 8_000
    assert weth.parameters["liquidation_ltv"] == 8_300
    assert weth.parameters["max_age"] == 4_500
    assert weth.parameters["target_slope"] == 80_000
    assert weth.cap == 50_000 * WAD
    assert market.assets["USDC"].cap == 50_000_000 * 10**6
    assert market.assets["wstETH"].price == 3_600 * WAD
    assert market.vaults["USDC"].config.adjustment_speed == 500_000
    assert market.vaults["USDC"].config.initial_rate == 400
    assert market.vaults["WBTC"].min_debt == 200_000
    assert market.governance.delay == 2 * DAY
    assert market.devnet is not None
    assert market.devnet.balances["borrower"]["wstETH"] == 100 * WAD
    assert len(market.devnet.accounts) == 20
    assert market.devnet.delay == 60
    assert market.devnet.wrapped == "WETH"
    assert [(pool.name, pool.fee, pool.depth) for pool in market.devnet.pools] == [
        ("WETH/USDC", 500, 2_000_000 * WAD),
        ("WBTC/USDC", 3_000, 1_000_000 * WAD),
        ("wstETH/WETH", 500, 1_000_000 * WAD),
    ]


def test_load__supply_limit(tmp_path: Path) -> None:
    """Optional: an asset without one is not watched."""
    cap = "    collateral:\n      cap: 50_000 WETH"
    market = markets.load(write(tmp_path, (cap, f"    supply_limit: 12.5 %\n{cap}")))
    assert market.assets["WETH"].supply_limit == 1_250
    assert market.assets["WBTC"].supply_limit == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        # wrong: out of range, off the step, the wrong unit, none, no number
        (
            "borrow_ltv: 80 %",
            "borrow_ltv: 120 %",
            "assets.WETH.borrow_ltv is 120 %: must be 0 % to 96 %",
        ),
        ("jump_band: 5 %", "jump_band: 5.2 %", "is 5.2 %: must be 0.5 % to 63 % in steps of 0.5 %"),
        (
            "debt_weight: 1 x",
            "debt_weight: 0.9 x",
            "is 0.9 x: must be 1 x to 3.55 x in steps of 0.01 x",
        ),
        ("max_leverage: 5 x", "max_leverage: 5.2 x", "must be 1 x to 127.5 x in steps of 0.5 x"),
        ("tip: 1 %", "tip: 0.001 %", "assets.USDC.tip is 0.001 %: must be 0.01 % to 50 %"),
        ("tip: 1 %", "tip: 1", "assets.USDC.tip is 1 without a unit: must be 0.01 % to 50 %"),
        ("tip: 1 %", "tip: 1 x", "assets.USDC.tip is in x, not in %: must be 0.01 % to 50 %"),
        ("tip: 1 %", "tip: one", "assets.USDC.tip is one: must be 0.01 % to 50 %"),
        ("tip: 1 %", "tip:", "assets.USDC.tip is nothing: must be 0.01 % to 50 %"),
        ("tip: 1 %", "tip: [1 %]", "assets.USDC.tip is a list: must be 0.01 % to 50 %"),
        (
            "    max_age: 75 min\n    min",
            "    max_age: 75.5 min\n    min",
            "is 75.5 min: must be 1 min to 68 h in steps of 1 min",
        ),
        (
            "    max_age: 75 min\n    min",
            "    max_age: 75 weeks\n    min",
            "is in weeks, not in s, min, h or days",
        ),
        ("delay: 2 days", "delay: 31 days", "governance.delay is 31 days: must be 1 h to 30 days"),
        ("min_price: 10 USD", "min_price: 10 EUR", "is in EUR, not in USD"),
        ("closes_whole: false", "closes_whole: maybe", "is maybe: must be true or false"),
        (
            "decimals: 8",
            "decimals: 30",
            "assets.WBTC.decimals is 30: must be a whole number from 6 to 24",
        ),
        (
            "cap: 50_000 WETH",
            "cap: 50_000 USDC",
            "assets.WETH.collateral.cap is in USDC, not in WETH",
        ),
        (
            "    collateral:\n      cap: 50_000 WETH",
            "    supply_limit: 101 %\n    collateral:\n      cap: 50_000 WETH",
            "assets.WETH.supply_limit is 101 %: must be 0.1 % to 100 %",
        ),
        ("cap: 2_000 WBTC", "cap: 0.000000001 WBTC", "with at most 8 digits after the point"),
        ("steepness: 4 x", "steepness: 11 x", "vaults.USDC.steepness is 11 x: must be 1 x to 10 x"),
        ("initial_rate: 4 %/year", "initial_rate: 4 %", "is in %, not in %/year"),
        ("initial_rate: 4 %/year", "initial_rate: 0.05 %/year", "must be at least min_rate"),
        (
            "min_rate: 0.1 %/year",
            "min_rate: 199 %/year",
            "vaults.USDC.initial_rate is 4 %/year: must be at least",
        ),
        (
            "quorum: 2",
            "quorum: 3",
            "assets.USDC.feed.quorum is 3: must be a whole number from 1 to 2",
        ),
        (
            "kind: aggregator",
            "kind: agregator",
            "must be one of aggregator, median, rate, nav (did you mean aggregator?)",
        ),
        ("base: WETH", "base: WET", "must be one of USDC, WETH, WBTC (did you mean WETH?)"),
        ("name: devnet", "name: []", "name is a list: must be a text of 1 to 64 characters"),
        (
            "guardian: guardian",
            "guardian: somebody",
            "governance.guardian is somebody: must be one of deployer,",
        ),
        ("guardian: guardian", "guardian: governor", "a proposer too: the two must be separate"),
        (
            "  cancellers: [guardian]",
            "  cancellers: [guardian]\n  steward: governor",
            "governance.steward is governor, a proposer too: the two must be separate",
        ),
        (
            "  cancellers: [guardian]",
            "  cancellers: [guardian]\n  steward: nobody",
            "governance.steward is nobody: must be one of deployer,",
        ),
        ("new_assets: 10_000_000 USD", "new_assets: 10_000_000", "governance.new_assets is"),
        ("proposers: [governor]", "proposers: []", "governance.proposers is empty"),
        ("proposers: [governor]", "proposers: [anyone]", "only executors may be anyone"),
        ("proposers: [governor]", "proposers: [0x1234]", "put the address into quotes"),
        # the listing conditions of the configurator
        (
            "borrow_ltv: 80 %",
            "borrow_ltv: 82 %",
            "assets.WETH.borrow_ltv is 82 %: must be at most 81 %, 2 % below",
        ),
        ("borrow_ltv_floor: 63 %", "borrow_ltv_floor: 63.2 %", "in steps of 0.5 % below it"),
        ("borrow_ltv_floor: 63 %", "borrow_ltv_floor: 74 %", "must be 0 % to borrow_ltv (73 %)"),
        ("tip: 1 %", "tip: 2 %", "assets.USDC.tip is 2 %: must be at most incentive_min, 1 %"),
        ("incentive_max: 8 %", "incentive_max: 0.5 %", "must be at least incentive_min, 1 %"),
        (
            "liquidation_ltv: 83 %",
            "liquidation_ltv: 92.6 %",
            "assets.WETH.liquidation_ltv is 92.6 %: must be at most 92.59 %",
        ),
        # between assets
        (
            "tip: 1 %\n    incentive_min: 1 %\n    incentive_max: 8 %",
            "tip: 0.9 %\n    incentive_min: 1 %\n    incentive_max: 8 %",
            "assets.WETH.tip is 0.9 %: must be 1 %, as that of USDC: one tip for all assets",
        ),
        (
            "incentive_max: 8 %",
            "incentive_max: 25 %",
            "must be at most 79.99 %: with the highest incentive, 25 % of WETH",
        ),
        (
            "incentive_max: 5 %",
            "incentive_max: 25 %",
            "must be at most 79.99 %: with the highest incentive, 25 % of USDC",
        ),
        ("target_health: 1.05 x", "target_health: 1 x", "must be 1.0001 x to 1.6 x"),
        ("min_price: 0.5 USD", "min_price: 3 USD", "must be below max_price, 2 USD"),
        (
            "max_price: 1_000_000 USD",
            "max_price: 1_000 USD",
            "assets.WETH.price is 3_000 USD: must be from min_price",
        ),
        ("max_price: 1_000_000 USD", "max_price: 10_000_000_001 USD", "must be 0.000000001 USD to"),
        (
            "    max_age: 25 h\n    min",
            "    max_age: 24 h\n    min",
            "assets.USDC.max_age is 24 h: must be at least 25 h, the highest among its sources",
        ),
        # between parameters
        (
            "min_debt: 100 USDC",
            "min_debt: 49 USDC",
            "must be at least 50 USDC: its least incentive, 1 %",
        ),
        (
            "min_debt: 100 USDC",
            "min_debt: 95_000_000 USDC",
            "must be at most debt_cap, 90,000,000 USDC",
        ),
        ("cap: 2_000 WBTC", "cap: 0.001 WBTC", "worth less than the collateral cap of WBTC"),
        (
            "debt_cap: 36_000 WETH",
            "debt_cap: 50_000 WETH",
            "must be at most deposit_cap, 40,000 WETH",
        ),
        ("seed: 0.5 WETH", "seed: 50_000 WETH", "must be at most deposit_cap"),
        ("backstop: true", "backstop: 1 USDC", "vaults.USDC.backstop is 1 USDC: must be true or"),
        ("seed: 0.02 WBTC", "seed: 0.002 WBTC", "vaults.WBTC.seed is 0.002 WBTC: must be 0.01 to"),
        ("wstETH: 1.2 x", "WBTC: 1.2 x", "is not an asset with a feed of kind rate"),
        (
            "liquidator: [2_000_000 USDC",
            "watcher: [2_000_000 USDC",
            "devnet.balances.watcher is no account",
        ),
        ("deployer: [10_000 USDC", "deployer: [10_000 USDT", "must be in one of USDC, WETH"),
        ("accounts: [deployer", "accounts: [deployers", "has no deployer"),
        ("stranger]", "stranger, one_more]", "names 21: must be 1 to 20 labels"),
        ("delay: 1 min", "delay: 0 s", "devnet.delay is 0 s: must be 1 s to 30 days"),
        ("wrapped: WETH", "wrapped: WBTC", "must be an asset with 18 decimals and a price of its"),
        ("wrapped: WETH", "wrapped: wstETH", "must be an asset with 18 decimals and a price of"),
        ("  wrapped: WETH\n", "", "devnet.pools need `wrapped` beside them"),
        ("WETH/USDC: {", "WETH/DAI: {", "devnet.pools.WETH/DAI is no pair of two of USDC, WETH"),
        ("WETH/USDC: {", "WETH: {", "devnet.pools.WETH is no pair of two of USDC, WETH"),
        ("WBTC/USDC: {", "USDC/WETH: {", "devnet.pools.USDC/WETH names a pair a second time"),
        ("fee: 0.05 %", "fee: 0.1 %", "WETH/USDC.fee is 0.1 %: must be 0.05 %, 0.3 % or 1 %"),
        ("depth: 2_000_000 USD", "depth: 2_000_000", "depth is 2000000 without a unit"),
        ("depth: 2_000_000 USD", "width: 2_000_000 USD", "WETH/USDC"),
    ],
)
def test_load__wrong_parameter(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = write(tmp_path, (old, new))
    said = refused(path)
    assert says in said
    assert re.match(rf"{re.escape(str(path))}:\d+: ", said)


def test_load__price_bounds_too_far_apart(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        ("min_price: 10 USD", "min_price: 0.000000001 USD"),
        ("max_price: 1_000_000 USD", "max_price: 10_000_000_000 USD"),
    )
    assert "assets.WETH.max_price is 10_000_000_000 USD: must be at most 2**62" in refused(path)


def test_load__names_the_line_of_the_value(tmp_path: Path) -> None:
    path = write(tmp_path, ("incentive_max: 8 %", "incentive_max: 80 %"))
    assert refused(path).startswith(f"{path}:{line_of(path, 'incentive_max: 80 %')}: ")


def test_load__names_the_line_of_a_list_entry(tmp_path: Path) -> None:
    path = write(tmp_path, ("        - max_age: 75 min\n", "        - max_age: 69 h\n"))
    said = refused(path)
    assert said.startswith(f"{path}:{line_of(path, 'max_age: 69 h')}: assets.WETH.feed.sources[0]")


def test_load__unknown_parameter(tmp_path: Path) -> None:
    path = write(tmp_path, ("    tip: 1 %\n", "    tip: 1 %\n    bonus: 5 %\n"))
    said = refused(path)
    assert said.startswith(f"{path}:{line_of(path, 'bonus')}: assets.USDC.bonus is not a parameter")


def test_load__misspelt_parameter(tmp_path: Path) -> None:
    path = write(tmp_path, ("target_health: 1.05 x", "target_helth: 1.05 x"))
    assert refused(path) == (
        f"{path}:{line_of(path, 'target_helth')}: assets.USDC.target_helth is not a parameter: "
        "did you mean target_health?"
    )


@pytest.mark.parametrize(
    ("piece", "name"),
    [
        ("    liquidation_ltv: 83 %\n", "assets.WETH.liquidation_ltv"),
        ("  delay: 2 days\n", "governance.delay"),
        ("    seed: 0.5 WETH\n", "vaults.WETH.seed"),
        ("chain_id: 31337\n", "chain_id"),
        ("    price: 60_000 USD\n", "assets.WBTC.price"),
    ],
)
def test_load__missing_parameter(tmp_path: Path, piece: str, name: str) -> None:
    said = refused(write(tmp_path, (piece, "")))
    assert re.search(rf":\d+: {re.escape(name)} is missing", said)


def test_load__vault_of_an_unknown_asset(tmp_path: Path) -> None:
    path = write(tmp_path, ("vaults:\n  USDC:", "vaults:\n  USDT:"))
    said = refused(path)
    assert "vaults.USDT is a vault of an asset that is not listed: did you mean USDC?" in said


def test_load__key_twice(tmp_path: Path) -> None:
    path = write(tmp_path, ("    tip: 1 %\n", "    tip: 1 %\n    tip: 1 %\n"))
    assert re.match(rf'{re.escape(str(path))}:\d+: found duplicate key "tip"', refused(path))


@pytest.mark.parametrize("text", ["a: [", "- one\n- two\n", "", "\tname: x"])
def test_load__no_market(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(text, encoding="utf-8")
    assert str(path) in refused(path)


def test_load__no_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml").endswith("there is no such market file")


def test_load__public_chain_needs_addresses(tmp_path: Path) -> None:
    text = TEXT[: TEXT.index("# Only on a development chain")]
    path = tmp_path / "public.yaml"
    path.write_text(text, encoding="utf-8")
    assert "assets.USDC.address is missing" in refused(path)
