"""A debt that no check sees: Aave's GHO, August 2023, found before anybody lost.

A flag says whether a user owes an asset, and another contract how much. Dust of a debt outlived its
flag; what was borrowed on top of the dust did not set it again, and health left it out.

Here what is owed and that it is owed are one word. The build that is stripped looks for debts in
the first of the account's four words.
"""

import pytest

from tests.incidents.ledger import Ledger, bug, put, stripped, take
from tests.market import refuses

FIRST_WORD_SEEN = bug(
    "first_word_seen",
    "Debts are looked for among the first two legs.",
    "CreditEngine",
    "contracts/modules/legs.vy",
    (
        "    return (words[0] | words[1] | words[2] | words[3]) & DEBT_TAGS != 0\n",
        "    return words[0] & DEBT_TAGS != 0\n",
    ),
)
MORE = {name: {"decimals": 18, "dollars": 1_000} for name in ("A", "B", "C", "D", "E")}


def indebted(new_market, count):
    """A debt of 700 dollars behind so many collaterals, each worth a thousand."""
    market = new_market(**MORE)
    me = market.other
    for name in list(MORE)[: max(count - 2, 0)] + ["DAI", "WBTC"][: min(count, 2)]:
        whole = {"DAI": 1_000, "WBTC": "0.02"}.get(name, 1)
        market.give(name, me, market.assets[name].units(whole))
        account = put(market, me, name, whole)
    take(market, me, "USDC", 700)
    assert market.legs(account)[count].is_debt
    market.host.advance(12)
    return market, account


def leave(market, account):
    for leg in market.legs(account)[:-1]:
        market.engine.withdraw_collateral(
            account, market.assets[leg.asset], leg.amount - 1, market.other, sender=market.other
        )


def test_second_word_is_not_seen(new_market):
    """As it was: the third leg is no debt, and all of the collateral leaves but a unit of each."""
    with stripped(FIRST_WORD_SEEN):
        market, account = indebted(new_market, 2)
    ledger = Ledger(market)
    before = ledger.worth(market.other, account)
    leave(market, account)
    assert ledger.worth(market.other, account) - before == pytest.approx(700)


@pytest.mark.parametrize("count", range(1, 8))
def test_seen_in_every_place(new_market, count):
    market, account = indebted(new_market, count)
    with refuses("initial margin is not met"):
        leave(market, account)


def test_no_dust_stays(new_market):
    """What is owed and that it is owed end together: paid to the last share the leg is gone, one
    share less and it is there.
    """
    market, account = indebted(new_market, 3)
    usdc = market.assets["USDC"]
    market.host.advance(86_400)
    market.give("USDC", market.other, 10**9)
    with refuses("debt is below the minimum"):
        market.engine.repay(account, usdc, market.owed("USDC", account) - 1, sender=market.other)
    assert market.legs(account)[-1].is_debt
    market.engine.repay(account, usdc, 2**256 - 1, sender=market.other)
    assert not any(leg.is_debt for leg in market.legs(account))
    assert usdc.vault.debt_shares() == 0
    market.refresh()
    take(market, market.other, "USDC", 700)
    assert market.legs(account)[-1].is_debt
