"""Every reason in the source of a contract is met by some test of it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests" / "unit"

SOURCES = {
    "CreditEngine.vy": ["credit_engine"],
    "modules/operators.vy": ["credit_engine"],
    "modules/register.vy": ["credit_engine"],
    "modules/exposure.vy": ["credit_engine"],
    "modules/legs.vy": ["credit_engine"],
    "RiskEngine.vy": ["risk_engine", "credit_engine"],
    "modules/initial_margin.vy": ["risk_engine", "credit_engine"],
    "modules/maintenance.vy": ["risk_engine", "credit_engine"],
    "modules/price_oracle.vy": ["price_oracle"],
    "modules/sequencer.vy": ["risk_engine"],
    "modules/latch.vy": ["latch"],
    "Configurator.vy": ["configurator"],
    "modules/asset_config.vy": ["configurator"],
    "modules/new_assets.vy": ["configurator"],
    "modules/steps.vy": ["configurator"],
    "feeds/BlendFeed.vy": ["configurator"],
    "Lens.vy": ["lens"],
    "periphery/FlashLiquidator.vy": ["flash_liquidator"],
    "modules/aggregator.vy": ["aggregator", "rate_feed"],
    "feeds/MedianFeed.vy": ["median_feed"],
    "feeds/RateFeed.vy": ["rate_feed"],
    "feeds/CurveEmaFeed.vy": ["curve_ema_feed"],
    "feeds/UniswapTwapFeed.vy": ["uniswap_twap_feed"],
    "feeds/NavFeed.vy": ["nav_feed"],
    "feeds/CheckedFeed.vy": ["checked_feed"],
    "periphery/BackstopPool.vy": ["backstop_pool"],
    "feeds/SequencerFeed.vy": ["sequencer_feed"],
}
"""Contract, and the folders of its tests."""

UNREACHABLE = {
    "Lens.vy": {"amount is too large", "reverted without a reason"},
}
"""Kept as a second line behind another check; no call gets there."""

REASON = re.compile(r'"([a-z][^"\n()%]{3,31})"')


def reasons(text: str) -> set[str]:
    """Texts of at most 32 characters that are raised, asserted, returned or handed to a check."""
    body = re.sub(r'"""[\s\S]*?"""|#.*', "", text)
    return {found for found in REASON.findall(body) if " " in found}


@pytest.mark.parametrize("source", SOURCES)
def test_reasons__each_is_met(source):
    wanted = reasons((ROOT / "contracts" / source).read_text()) - UNREACHABLE.get(source, set())
    assert wanted
    tests = "".join(
        path.read_text() for folder in SOURCES[source] for path in (TESTS / folder).glob("*.py")
    )
    missing = sorted(reason for reason in wanted if f'"{reason}"' not in tests)
    assert not missing


@pytest.mark.parametrize("source", SOURCES)
def test_reasons__read_alike(source):
    """At most 32 bytes, lower case, no full stop."""
    for reason in reasons((ROOT / "contracts" / source).read_text()):
        assert len(reason.encode()) <= 32
        assert not reason.endswith(".")
        assert reason[0].islower()
