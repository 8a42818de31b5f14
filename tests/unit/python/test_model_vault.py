"""The models of vault and fund beside the contracts: thousands of random calls, and after each the
same reason, value, events and storage words; refusals, budgets, numbers at their largest.
"""

from __future__ import annotations

import pytest

from breakwater.host import Reverted
from breakwater.model.chain import ZERO_ADDRESS, Refused
from breakwater.model.latch import MAX_LATCHED, NO_HOLDS, WINDOW, held_within
from breakwater.model.vault import LendingVault
from breakwater.units import DAY, HOUR, MAX_UINT256, YEAR
from tests.unit.python.vault_market import ACTORS, PROFILES, Market, play
from tests.unit.python.vault_twins import SIGNER, Twins


@pytest.mark.parametrize("profile", PROFILES)
def test_vault_and_fund__random_calls(profile):
    reasons = play(profile, 1, 250)
    assert sum(reasons.values()) > 250
    assert sum(count for (_, reason), count in reasons.items() if reason is None) > 100


@pytest.mark.parametrize("profile", ["usual", "for ages", "6 decimals"])
@pytest.mark.usefixtures("check_rounding")
def test_vault_and_fund__roundings_favour_the_vault(profile):
    play(profile, 2, 60)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"owner": ZERO_ADDRESS}, "owner is zero"),
        ({"decimals": 5}, "decimals out of range"),
        ({"decimals": 25}, "decimals out of range"),
        ({"owner": ZERO_ADDRESS, "decimals": 5}, "owner is zero"),
    ],
)
def test_vault__refused_constructor(change, reason):
    twins = Twins(ACTORS)
    at = twins.accounts
    token = twins.deploy("TokenMock", "Token", "TKN", change.get("decimals", 18))
    owner = change.get("owner", at["owner"])
    args = token, at["other"], at["breaker"], "Vault", "bTKN", owner
    with pytest.raises(Reverted) as reverted:
        twins.host.deploy("LendingVault", *args, sender=at["owner"])
    with pytest.raises(Refused) as refused:
        LendingVault(twins.chain, at["lender"], *args)
    assert reverted.value.reason == refused.value.reason == reason


def test_vault__hold_budget():
    """Latches in a row, just within and beyond the budget, and as a span leaves the window."""
    market = Market("holds")
    pick, reasons = market.random.choice, set()
    for _ in range(400):
        now = market.chain.now
        holds = market.chain.state.get((market.vault, "_holds", market.vault), NO_HOLDS).live
        left = MAX_LATCHED - held_within(holds, now + pick((0, HOUR, 7 * DAY)) - WINDOW)
        ahead = (-1, 0, 1, 2, 9, DAY, 3 * DAY, 7 * DAY, 7 * DAY + 1, left, left, left + 1, left - 1)
        ends = [max(now + pick(ahead), 0) * pick((0, 1, 1)) for _ in range(3)]
        reasons.add(market.call(market.accounts["breaker"], market.vault, "set_level", *ends))
        reasons.add(market.call(SIGNER, market.vault, "deposit", market.unit, SIGNER))
        market.compare("holds")
        out = holds[0].end + WINDOW - now if holds else 0
        market.wait(pick((0, 0, 1, 2, 9, HOUR, DAY, max(out, 0), max(out + 1, 0), 4 * DAY)))
    assert {None, "latch budget is spent", "vault is halted", "latch is too long"} <= reasons


def test_vault__gains_without_a_fee():
    """A lender who takes out more than the base, which owes nothing."""
    market = Market("gains", **PROFILES["no fee"])
    market.execute(market.vault, "lend", market.seen("cash"), SIGNER)
    market.wait(YEAR)
    market.execute(market.vault, "collect", MAX_UINT256, MAX_UINT256, SIGNER, 0)
    gains = market.seen("maxWithdraw", SIGNER)
    assert gains > market.chain.state[market.vault, "_claims"].base
    assert market.call(SIGNER, market.vault, "withdraw", gains, SIGNER, SIGNER) is None
    market.compare("gains")


def test_vault__full_supply():
    """The last share that fits, and what becomes of the fund's shares after it."""
    market = Market("full")
    market.execute(market.vault, "lend", market.seen("cash"), SIGNER)
    shares = market.seen("debt_shares")
    market.execute(market.vault, "write_off", shares - shares // 10**5)
    left = 2**127 - 1 - market.seen("totalSupply")
    assert market.call(SIGNER, market.vault, "mint", left + 1, SIGNER) == "too many shares"
    assert market.call(SIGNER, market.vault, "mint", left, SIGNER) is None
    market.compare("full")
    market.execute(market.vault, "lend", market.seen("cash"), SIGNER)
    market.wait(YEAR)
    assert market.seen("fee_owed") > 0 == market.seen("fee_shares")
    market.call(SIGNER, market.vault, "settle_fee")
    market.execute(market.vault, "collect", 0, 0, SIGNER, 10 * market.seen("fee_owed"))
    market.call(SIGNER, market.fund, "deposit", 1, SIGNER)
    market.compare("full")
