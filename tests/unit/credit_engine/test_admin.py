"""`list_collateral`, `set_cap`, `list_debt`, `set_min_debt`: for the owner alone."""

import pytest

from breakwater.driver import CircuitBreaker, CreditEngine, InsuranceFund, LendingVault
from breakwater.mocks import TokenMock
from breakwater.units import MAX_UINT256
from tests.market import refuses
from tests.vault_world import CONFIG, packed


def rounded(amount):
    """16 significant bits."""
    shift = max(0, amount.bit_length() - 16)
    return amount >> shift << shift


@pytest.fixture
def unlisted(new_market):
    """LINK is known to the risk engine alone, and the credit engine is a person's, who has listed
    nothing but WETH and USDC.
    """
    market = new_market(LINK={"decimals": 18, "dollars": 10, "listed": False})
    owner = market.owner
    market.engine = CreditEngine.deploy(market.host, market.risk, owner, sender=owner)
    market.breaker = CircuitBreaker.deploy(market.host, owner, owner, sender=owner)
    market.breaker.connect(market.risk, market.engine, sender=owner)
    market.engine.list_collateral(market.assets["WETH"], 2**100, False, sender=owner)
    usdc = market.assets["USDC"]
    usdc.vault = new_vault(market, usdc)
    usdc.fund = InsuranceFund.deploy(market.host, usdc.vault, "Fund", "FUND", sender=owner)
    market.give("USDC", owner, 10**12)
    usdc.vault.open(usdc.fund, 10**12, *packed(CONFIG), sender=owner)
    market.engine.list_debt(usdc.vault, 100 * 10**6, sender=owner)
    return market


@pytest.mark.parametrize(
    "cap", [0, 1, 65_535, 65_536, 65_537, 131_072, 10**24, 2**200, MAX_UINT256]
)
@pytest.mark.parametrize("takes_fee", [False, True])
def test_list_collateral__is_recorded(unlisted, cap, takes_fee):
    market, link = unlisted, unlisted.assets["LINK"]
    receipt = market.engine.list_collateral(link, cap, takes_fee, sender=market.owner)
    assert receipt.event("ListCollateral").args == {
        "asset": link.address,
        "id": link.id,
        "cap": cap,
        "takes_fee": takes_fee,
    }
    assert receipt.event("SetCap").args == {"asset": link.address, "cap": rounded(cap)}
    assert market.engine.book_of(link) == (link.id, 0, rounded(cap), takes_fee)


def test_list_collateral__refusals(unlisted):
    market, link = unlisted, unlisted.assets["LINK"]
    with refuses("ownable: caller is not the owner"):
        market.engine.list_collateral(link, 1, False, sender=market.other)
    with refuses("collateral is listed already"):
        market.engine.list_collateral(market.assets["WETH"], 1, False, sender=market.owner)
    with refuses("asset is not listed"):
        market.engine.list_collateral(market.other, 1, False, sender=market.owner)


def test_set_cap__keeps_the_rest(unlisted):
    market, weth = unlisted, unlisted.assets["WETH"]
    market.deposit("WETH", 3)
    receipt = market.engine.set_cap(weth, 10**18 + 1, sender=market.owner)
    assert receipt.event("SetCap").args == {"asset": weth.address, "cap": rounded(10**18 + 1)}
    assert market.engine.book_of(weth) == (weth.id, 3 * 10**18, rounded(10**18 + 1), False)
    with refuses("ownable: caller is not the owner"):
        market.engine.set_cap(weth, 1, sender=market.other)
    with refuses("asset is no collateral"):
        market.engine.set_cap(market.assets["LINK"], 1, sender=market.owner)


def new_vault(market, token):
    return LendingVault.deploy(
        market.host, token, market.engine, market.breaker, "Vault", "bwX",
        market.owner, sender=market.owner,
    )  # fmt: skip


@pytest.mark.parametrize("min_debt", [0, 1, 99_999_999, 10**20])
def test_list_debt__is_recorded(unlisted, min_debt):
    market, link = unlisted, unlisted.assets["LINK"]
    vault = new_vault(market, link)
    receipt = market.engine.list_debt(vault, min_debt, sender=market.owner)
    assert receipt.event("ListDebt").args == {
        "asset": link.address,
        "vault": vault.address,
        "id": link.id,
        "min_debt": min_debt,
    }
    assert receipt.event("SetMinDebt").args == {
        "asset": link.address,
        "min_debt": rounded(min_debt),
    }
    assert market.engine.debt_of(link) == (link.id, vault.address, rounded(min_debt))


def test_list_debt__refusals(unlisted):
    market = unlisted
    vault = new_vault(market, market.assets["LINK"])
    with refuses("ownable: caller is not the owner"):
        market.engine.list_debt(vault, 1, sender=market.other)
    with refuses("debt is listed already"):
        market.engine.list_debt(market.assets["USDC"].vault, 1, sender=market.owner)
    token = TokenMock.deploy(market.host, "X", "X", 18, sender=market.owner)
    stray = new_vault(market, token)
    with refuses("asset is not listed"):
        market.engine.list_debt(stray, 1, sender=market.owner)


def test_set_min_debt__keeps_the_rest(unlisted):
    market, usdc = unlisted, unlisted.assets["USDC"]
    receipt = market.engine.set_min_debt(usdc, 123_456_789, sender=market.owner)
    assert receipt.event("SetMinDebt").args == {
        "asset": usdc.address,
        "min_debt": rounded(123_456_789),
    }
    assert market.engine.debt_of(usdc) == (usdc.id, usdc.vault.address, rounded(123_456_789))
    with refuses("ownable: caller is not the owner"):
        market.engine.set_min_debt(usdc, 1, sender=market.other)
    with refuses("asset is no debt asset"):
        market.engine.set_min_debt(market.assets["WBTC"], 1, sender=market.owner)
    market.deposit("WETH", 10)
    with refuses("debt is below the minimum"):
        market.borrow("USDC", 123)
    market.borrow("USDC", 124)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("list_collateral", ("WETH", 1, False)),
        ("set_cap", ("LINK", 1)),
        ("list_debt", ("USDC", 1)),
        ("set_min_debt", ("WBTC", 1)),
    ],
)
def test_admin__stranger_is_told_so_first(unlisted, function, args):
    """Whatever else is wrong with the call."""
    market, (name, *rest) = unlisted, args
    asset = market.assets[name]
    call = getattr(market.engine, function)
    with refuses("ownable: caller is not the owner"):
        call(asset.vault if function == "list_debt" else asset, *rest, sender=market.other)


def test_ownership__is_handed_on(unlisted):
    market = unlisted
    market.engine.transfer_ownership(market.other, sender=market.owner)
    market.engine.set_cap(market.assets["WETH"], 5, sender=market.other)
    with refuses("ownable: caller is not the owner"):
        market.engine.set_cap(market.assets["WETH"], 6, sender=market.owner)
