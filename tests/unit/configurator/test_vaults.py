"""`Configurator`: vaults that it owns are opened, configured and ended in words."""

import pytest

from breakwater.driver import InsuranceFund, LendingVault
from breakwater.mocks import OddTokenMock, TokenMock
from breakwater.units import DAY
from tests.market import NEW_LIMIT, VAULT, refuses

SEED = 10**18
CAPS = ("deposit_cap", "debt_cap", "limit_floor")


@pytest.fixture
def new_vault(market):
    """A vault that is not open, its fund, and its token, of which the owner has enough."""

    def make(kind=TokenMock):
        host, owner = market.host, market.owner
        token = kind.deploy(host, "New", "NEW", 18, sender=owner)
        vault = LendingVault.deploy(
            host, token, market.engine, market.breaker, "Vault", "bwNEW", market.configurator,
            sender=owner,
        )  # fmt: skip
        fund = InsuranceFund.deploy(host, vault, "Fund", "F", sender=owner)
        token.mint(owner, 10 * SEED, sender=owner)
        token.approve(market.configurator, 10 * SEED, sender=owner)
        return vault, fund, token

    return make


def test_open_vault__takes_the_seed_and_tells_the_configuration(market, new_vault):
    vault, fund, token = new_vault()
    config = VAULT._replace(outflow_limit=10, growth_limit=20, limit_floor=2**60, flash_fee=9)
    receipt = market.configurator.open_vault(vault, fund, SEED, config, sender=market.owner)
    assert receipt.event("SetVault").vault == vault.address
    assert market.configurator.vault_config_of(vault) == config
    assert vault.cash() == token.balanceOf(vault) == SEED
    assert vault.balanceOf(fund) == SEED * 10**6
    assert token.balanceOf(market.configurator) == 0
    with refuses("vault is open already"):
        market.configurator.open_vault(vault, fund, SEED, config, sender=market.owner)


def test_open_vault__after_genesis_reverts(market, new_vault):
    vault, fund, _ = new_vault()
    market.configurator.seal(sender=market.owner)
    with refuses("genesis is over"):
        market.configurator.open_vault(vault, fund, SEED, VAULT, sender=market.owner)


def test_open_vault__foreign_fund_reverts(market, new_vault):
    vault, _, _ = new_vault()
    foreign = market.assets["USDC"].fund
    with refuses("fund is of another vault"):
        market.configurator.open_vault(vault, foreign, SEED, VAULT, sender=market.owner)


def test_open_vault__token_with_fee_reverts(market, new_vault):
    vault, fund, token = new_vault(OddTokenMock)
    token.set_odds(1, 10, False, False, sender=market.owner)
    with refuses("token takes a fee"):
        market.configurator.open_vault(vault, fund, SEED, VAULT, sender=market.owner)


def test_open_vault__token_that_answers_false_reverts(market, new_vault):
    vault, fund, token = new_vault(OddTokenMock)
    token.set_odds(0, 0, False, False, sender=market.owner)  # answers False
    with refuses("token transfer failed"):
        market.configurator.open_vault(vault, fund, SEED, VAULT, sender=market.owner)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("reserve_factor", 5_001, "reserve factor out of range"),
        ("target_utilization", 999, "target out of range"),
        ("target_utilization", 9_901, "target out of range"),
        ("steepness", 9_999, "steepness out of range"),
        ("steepness", 100_001, "steepness out of range"),
        ("adjustment_speed", 1_000_001, "speed out of range"),
        ("min_rate", 0, "rate bounds out of range"),
        ("max_rate", 20_001, "rate bounds out of range"),
        ("initial_rate", 0, "initial rate out of range"),
        ("min_rate", 401, "initial rate out of range"),
        ("max_rate", 399, "initial rate out of range"),
        ("flash_fee", 101, "flash fee out of range"),
        ("outflow_limit", 101, "limit out of range"),
        ("growth_limit", 101, "limit out of range"),
    ],
)
def test_set_vault__out_of_range_reverts(market, field, value, reason):
    with refuses(reason):
        market.set_vault("USDC", **{field: value})


def test_set_vault__ends_of_the_ranges(market):
    ends = {
        "reserve_factor": (0, 5_000), "target_utilization": (1_000, 9_900),
        "steepness": (10_000, 100_000), "adjustment_speed": (0, 1_000_000),
        "min_rate": (1, 400), "max_rate": (400, 20_000), "flash_fee": (0, 100),
        "outflow_limit": (0, 100), "growth_limit": (0, 100),
    }  # fmt: skip
    vault = market.assets["USDC"].vault
    for field, values in ends.items():
        for value in values:
            market.set_vault("USDC", **{field: value})
            config = market.configurator.vault_config_of(vault)
            assert getattr(config, field) == value


LIMITED = {
    "deposit_cap": 2**45, "debt_cap": 2**44, "limit_floor": 2**40, "outflow_limit": 20,
    "growth_limit": 10, "target_utilization": 4_000, "steepness": 40_000, "min_rate": 100,
    "max_rate": 8_000,
}  # fmt: skip
"""What goes by steps."""


@pytest.fixture
def limited(market):
    """Genesis is over, and USDC has limits."""
    market.set_vault("USDC", **LIMITED)
    market.configurator.seal(sender=market.owner)
    return market


def config_of(market):
    return market.configurator.vault_config_of(market.assets["USDC"].vault)


@pytest.mark.parametrize("field", LIMITED)
def test_set_vault__to_twice_its_value(limited, field):
    """To the unit that is kept, and not again before its interval is over, to the second."""
    before, market = LIMITED[field], limited
    unit = max(2 * before >> 15, 1) if field in CAPS else 1
    with refuses("step is too large"):
        market.set_vault("USDC", **{field: 2 * before + unit})
    market.set_vault("USDC", **{field: 2 * before})
    assert getattr(config_of(market), field) == 2 * before
    vault = market.assets["USDC"].vault
    assert market.configurator.next_vault_step(vault) == market.host.now + 3 * DAY
    market.host.advance(3 * DAY - 1)
    again = "steepness" if field != "steepness" else "target_utilization"
    with refuses("step comes too soon"):
        market.set_vault("USDC", **{again: LIMITED[again] + 1})
    market.host.advance(1)
    market.set_vault("USDC", **{again: LIMITED[again] + 1})


@pytest.mark.parametrize("field", CAPS)
def test_set_vault__amounts_fall_at_once_and_come_back_in_steps(limited, field):
    first = (NEW_LIMIT >> 10) // 10**12  # what a new asset begins with, in USDC
    for amount in (LIMITED[field] // 2, 1, 0):
        limited.set_vault("USDC", **{field: amount})
        assert getattr(config_of(limited), field) == amount
    with refuses("step is too large"):
        limited.set_vault("USDC", **{field: first + first // 2**14})
    limited.set_vault("USDC", **{field: first})
    assert first * 0.9999 < getattr(config_of(limited), field) <= first


@pytest.mark.parametrize("field", ["outflow_limit", "growth_limit"])
def test_set_vault__limits_fall_at_once_and_are_not_taken_off(limited, field):
    for limit in (5, 1):
        limited.set_vault("USDC", **{field: limit})
        assert getattr(config_of(limited), field) == limit
    with refuses("step is too large"):
        limited.set_vault("USDC", **{field: 0})


@pytest.mark.parametrize("field", ["outflow_limit", "growth_limit"])
def test_set_vault__from_no_limit_at_once(market, field):
    market.configurator.seal(sender=market.owner)
    for limit in (100, 50):
        market.set_vault("USDC", **{field: limit})
        assert getattr(config_of(market), field) == limit


@pytest.mark.parametrize("field", ["target_utilization", "steepness", "min_rate", "max_rate"])
def test_set_vault__rates_fall_by_steps_too(limited, field):
    half = LIMITED[field] // 2
    with refuses("step is too large"):
        limited.set_vault("USDC", **{field: half - 1})
    limited.set_vault("USDC", **{field: half})
    with refuses("step comes too soon"):
        limited.set_vault("USDC", **{field: half - 1})


def test_set_vault__fees_and_drift_have_no_steps(limited):
    for fee in (5_000, 0, 1):
        changes = {
            "reserve_factor": fee, "adjustment_speed": 200 * fee, "flash_fee": fee // 50,
            "min_adaptive_debt": fee,
        }  # fmt: skip
        limited.set_vault("USDC", **changes)
        assert all(getattr(config_of(limited), name) == changes[name] for name in changes)


def test_set_vault__tightens_between_steps(limited):
    limited.set_vault("USDC", debt_cap=2 * LIMITED["debt_cap"])
    limited.set_vault("USDC", debt_cap=LIMITED["debt_cap"])
    with refuses("step comes too soon"):
        limited.set_vault("USDC", debt_cap=2 * LIMITED["debt_cap"])


def test_wind_down_vault__ends_it(market):
    vault = market.assets["USDC"].vault
    market.configurator.wind_down_vault(vault, sender=market.owner)
    assert vault.level() == 3
    market.give("USDC", market.lender, 1)
    with refuses("vault is wound down"):
        vault.deposit(1, market.lender, sender=market.lender)


def test_wind_down_vault__no_more_of_its_shares_comes_into_an_account(new_market):
    """What accounts hold stays, and leaves; one that is no collateral becomes none."""
    market = new_market()
    dai, usdc, me, owner = market.assets["DAI"], market.assets["USDC"], market.lender, market.owner
    engine, account = market.engine, market.account(0, me)
    market.add_asset("claim", decimals=24, dollars=1, token=dai.vault, cap=2**104)
    dai.vault.approve(engine, 2**256 - 1, sender=me)
    engine.deposit_collateral(account, dai.vault, 10**24, sender=me)
    for asset in (dai, usdc):
        market.configurator.wind_down_vault(asset.vault, sender=owner)
        assert engine.book_word(asset.vault) >> 119 & 1 == 1
    with refuses("asset is settled"):
        engine.deposit_collateral(account, dai.vault, 1, sender=me)
    assert market.lens.max_deposit(account, dai.vault) == 0
    engine.withdraw_collateral(account, dai.vault, 10**24, me, sender=me)
    with refuses("collateral is listed already"):
        market.add_asset("other", decimals=12, dollars=1, token=usdc.vault, cap=2**104)


def test_vaults__owner_only(market, new_vault):
    vault, fund, _ = new_vault()
    configurator, other = market.configurator, market.other
    for call in (
        lambda: configurator.open_vault(vault, fund, SEED, VAULT, sender=other),
        lambda: configurator.set_vault(market.assets["USDC"].vault, VAULT, sender=other),
        lambda: configurator.wind_down_vault(market.assets["USDC"].vault, sender=other),
    ):
        with refuses("ownable: caller is not the owner"):
            call()
