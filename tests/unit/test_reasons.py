"""Every reason in the source of a contract is met by some test of it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests" / "unit"

SOURCES = {
    "BackstopPool": ["backstop_pool"],
    "CircuitBreaker": ["circuit_breaker", "risk_engine"],
    "Configurator": ["configurator"],
    "CreditEngine": ["credit_engine"],
    "FlashLiquidator": ["flash_liquidator"],
    "InsuranceFund": ["insurance_fund"],
    "LendingVault": ["lending_vault"],
    "Lens": ["lens"],
    "LeverageRouter": ["leverage_router"],
    "RiskEngine": ["risk_engine", "credit_engine"],
    "BlendFeed": ["configurator"],
    "CheckedFeed": ["checked_feed"],
    "CurveEmaFeed": ["curve_ema_feed"],
    "MedianFeed": ["median_feed"],
    "NavFeed": ["nav_feed"],
    "RateFeed": ["rate_feed"],
    "SequencerFeed": ["sequencer_feed"],
    "UniswapTwapFeed": ["uniswap_twap_feed"],
    "aggregator": ["aggregator", "rate_feed"],
    "asset_config": ["configurator"],
    "asset_rules": ["configurator"],
    "exposure": ["credit_engine"],
    "feed_change": ["configurator"],
    "headroom": ["lens"],
    "initial_margin": ["risk_engine", "credit_engine"],
    "latch": ["latch"],
    "legs": ["credit_engine"],
    "lenders": ["lending_vault"],
    "maintenance": ["risk_engine", "credit_engine"],
    "new_assets": ["configurator"],
    "operators": ["credit_engine"],
    "orders": ["leverage_router"],
    "price_oracle": ["price_oracle"],
    "reasons": ["circuit_breaker", "risk_engine"],
    "register": ["credit_engine"],
    "rulebook": ["configurator"],
    "sequencer": ["risk_engine"],
    "share": ["lending_vault"],
    "steps": ["configurator"],
    "supply_growth": ["circuit_breaker"],
    "trades": ["leverage_router"],
    "vault_config": ["lending_vault", "configurator"],
    "vault_level": ["lending_vault"],
    "vault_rules": ["configurator"],
}
"""Contract or module, and the folders of its tests."""

UNREACHABLE = {
    "headroom": {"reverted without a reason"},
}
"""Kept as a second line behind another check; no call gets there."""

FILES = {
    path.stem: path
    for path in sorted((ROOT / "contracts").rglob("*.vy"))
    if path.parent.name != "mocks"
}

REASON = re.compile(r'"([a-z][^"\n()%]{3,31})"')


def reasons(text: str) -> set[str]:
    """Texts of at most 32 characters that are raised, asserted, returned or handed to a check."""
    body = re.sub(r'"""[\s\S]*?"""|#.*', "", text)
    return {found for found in REASON.findall(body) if " " in found}


def test_reasons__of_every_source():
    assert {name for name, path in FILES.items() if reasons(path.read_text())} <= set(SOURCES)


@pytest.mark.parametrize("source", SOURCES)
def test_reasons__each_is_met(source):
    wanted = reasons(FILES[source].read_text()) - UNREACHABLE.get(source, set())
    assert wanted
    tests = "".join(
        path.read_text() for folder in SOURCES[source] for path in (TESTS / folder).glob("*.py")
    )
    missing = sorted(reason for reason in wanted if f'"{reason}"' not in tests)
    assert not missing


@pytest.mark.parametrize("source", SOURCES)
def test_reasons__read_alike(source):
    """At most 32 bytes, lower case, no full stop."""
    for reason in reasons(FILES[source].read_text()):
        assert len(reason.encode()) <= 32
        assert not reason.endswith(".")
        assert reason[0].islower()
