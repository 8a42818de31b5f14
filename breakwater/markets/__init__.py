"""Market files: what is listed, on which terms, and who rules; read, checked, in chain units.

A market is a YAML file such as `markets/devnet.yaml`. Each number is written with its unit; here it
becomes the integer the contracts take. Whatever is wrong, unknown or missing raises one
`MarketError` that names file, line, the value and what is allowed. The ranges are those of
`contracts/modules/asset_config.vy`, `LendingVault.vy` and the feeds, so that a file that loads is
one the contracts accept.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from breakwater import artifacts
from breakwater.markets.assets import check_base, check_pairs, check_publisher, priced, read_asset
from breakwater.markets.market import (
    ANYONE,
    Asset,
    Check,
    Devnet,
    Feed,
    Governance,
    Market,
    Pool,
    Source,
    VaultMarket,
)
from breakwater.markets.reading import (
    MarketError,
    Section,
    read_integer,
    read_text,
    read_usd,
    show_duration,
)
from breakwater.markets.rule import MOST_ACCOUNTS, read_devnet, read_governance
from breakwater.markets.vaults import check_min_debt, read_vault
from breakwater.units import WAD

__all__ = [
    "ANYONE",
    "DEFAULT",
    "MOST_ACCOUNTS",
    "Asset",
    "Check",
    "Devnet",
    "Feed",
    "Governance",
    "Market",
    "MarketError",
    "Pool",
    "Source",
    "VaultMarket",
    "load",
    "show_duration",
]

DEFAULT = artifacts.ROOT / "markets" / "devnet.yaml"
"""The market of the devnet."""


def load(path: Path | str = DEFAULT) -> Market:
    """Read and check a market file. Raises MarketError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    path = Path(path)
    shown = str(path)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        shown = str(path.relative_to(Path.cwd()))
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MarketError(f"{shown}: there is no such market file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MarketError(f"{shown}: cannot be read: {error}") from None
    try:
        tree = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f":{mark.line + 1}"
        problem = str(error.problem or error.context or "not YAML").split("\n")[0]
        raise MarketError(f"{shown}{line}: {problem}") from None
    except YAMLError as error:
        raise MarketError(f"{shown}: not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise MarketError(f"{shown}:1: a market file is a mapping of parameters to values")
    return _market(path, Section(shown, "", tree, 1))


def _market(path: Path, top: Section) -> Market:
    name = read_text(top.at("name"), 64)
    chain_id = read_integer(top.at("chain_id"), 1, 2**64 - 1)
    governance_item = top.at("governance")
    stressed = read_usd(top.at("stressed_liquidation"), 0, 10_000 * WAD)
    asset_items = top.at("assets").section().all()
    if not asset_items:
        raise top.at("assets").error(" is empty: at least one asset is needed")
    if len(asset_items) > 127:
        raise top.at("assets").error(f" lists {len(asset_items)}: at most 127 assets")
    vault_items = top.at("vaults").section().all()
    devnet_item = top.optional("devnet")
    top.done()

    symbols = [symbol for symbol, _ in asset_items]
    on_devnet = devnet_item is not None
    assets = {symbol: read_asset(symbol, item, symbols, on_devnet) for symbol, item in asset_items}
    for symbol, item in asset_items:
        check_base(assets, symbol, item)
    check_pairs({symbol: item.section() for symbol, item in asset_items}, assets)
    devnet = read_devnet(devnet_item, assets) if devnet_item is not None else None
    for symbol, item in asset_items:
        check_publisher(assets[symbol].feed, devnet, item)
    assets = {symbol: priced(asset, assets, devnet) for symbol, asset in assets.items()}
    vaults = {}
    for symbol, item in vault_items:
        if symbol not in assets:
            near = difflib.get_close_matches(symbol, symbols, 1)
            hint = f"did you mean {near[0]}?" if near else f"assets: {', '.join(symbols)}"
            raise item.error(f" is a vault of an asset that is not listed: {hint}")
        vaults[symbol] = read_vault(assets[symbol], item.section())
        check_min_debt(assets, vaults[symbol], stressed, item)
    governance = read_governance(governance_item.section(), devnet)
    return Market(path, name, chain_id, governance, stressed, assets, vaults, devnet)
