"""`borrow`: initial margin, leverage, levels of price and guardian, the least debt."""

import pytest

from breakwater.model import interest, margin
from breakwater.units import MAX_UINT256, RAY, WAD
from tests.market import ZERO, refuses

HOUR = 3_600


@pytest.mark.everywhere
def test_borrow__records_and_sends(market):
    market.deposit("WETH", 10)
    usdc = market.assets["USDC"]
    receipt = market.engine.borrow(
        market.account(), usdc, 5_000 * 10**6, market.other, sender=market.borrower
    )
    index = usdc.vault.debt_index()
    assert RAY <= index < RAY * 1_000_001 // 1_000_000
    shares = receipt.value
    assert interest.owed(shares, index) >= 5_000 * 10**6
    assert receipt.event("Borrow", market.engine.address).args == {
        "account": market.account(),
        "asset": usdc.address,
        "receiver": market.other,
        "assets": 5_000 * 10**6,
        "shares": shares,
    }
    assert market.tokens("USDC", market.other) == 5_000 * 10**6
    assert usdc.vault.debt_shares() == shares
    assert 5_000 * 10**6 <= market.owed("USDC") <= 5_000 * 10**6 + 10


def test_borrow__debt_covers_the_loan_at_every_index(market):
    """SOLV-10: a borrow of x > 0 records a debt of at least x and at least one share."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 100_000)
    usdc = market.assets["USDC"]
    for amount in (1, 2, 3, 10**6 + 1, 999_999_999):
        market.host.advance(400 * 86_400)
        market.refresh()
        index = usdc.vault.debt_index()
        assert index > RAY
        owed = market.owed("USDC")
        shares = market.engine.borrow(
            market.account(), usdc, amount, market.borrower, sender=market.borrower
        ).value
        assert shares == interest.shares_lent(amount, index) >= 1
        assert market.owed("USDC") >= owed + amount - 1
        assert interest.owed(shares, index) >= amount


def test_borrow__up_to_the_initial_margin(scaled):
    """Exactly as far as the model says, to the unit."""
    market = scaled
    market.deposit("WETH", 3)
    market.deposit("WBTC", "0.1")
    usdc, rules, prices = market.assets["USDC"], market.rules(), market.spot()
    most = 8_300 * usdc.unit  # 3 x 2,000 x 0.8 + 5,000 x 0.7

    def verdict(amount):
        return margin.initial([*market.legs(), margin.Leg("USDC", amount, True)], rules, prices)

    assert verdict(most) is None
    assert verdict(most + 1) == "initial margin is not met"

    def borrow(amount):
        market.engine.borrow(
            market.account(), usdc, amount, market.borrower, sender=market.borrower
        )

    with refuses("initial margin is not met"):
        borrow(most + 1)
    borrow(most)
    assert market.owed("USDC") == most
    with refuses("initial margin is not met"):
        borrow(1)


def test_borrow__debt_weight_counts(new_market):
    market = new_market(DAI={"debt_weight": 12_500})
    market.deposit("WETH", 10)
    with refuses("initial margin is not met"):
        market.borrow("DAI", 12_801)
    market.borrow("DAI", 12_800)
    assert (
        market.health().health_factor == market.lens.account(market.account()).health.health_factor
    )


@pytest.mark.parametrize("dollars", [1_900, 2_100])
def test_borrow__pessimistic_of_spot_and_average(market, dollars):
    market.deposit("WETH", 10)
    market.price("WETH", dollars)
    low = min(dollars, 2_000)
    with refuses("initial margin is not met"):
        market.borrow("USDC", 8 * low + 1)
    market.borrow("USDC", 8 * low)


def test_borrow__debt_at_the_higher_of_spot_and_average(market):
    market.deposit("USDC", 20_000)
    market.price("WETH", 1_600)
    with refuses("initial margin is not met"):
        market.borrow("WETH", "7.71")  # 15,400 / 2,000
    market.borrow("WETH", "7.7")


@pytest.mark.parametrize("volatility", [0, 3 * 10**16, 8 * 10**16, 40 * 10**16])
def test_borrow__volatility_lowers_the_margin_no_further_than_the_floor(new_market, volatility):
    """borrow_ltv = max(floor, base - k x max(0, volatility - reference))."""
    market = new_market(WETH={"volatility_slope": 20_000, "borrow_ltv_floor": 7_000})
    weth = market.assets["WETH"]
    market.deposit("WETH", 10)
    if volatility:
        move = 1 + volatility / 10**18 / 3
        for i in range(60):
            market.host.advance(900)
            market.refresh()
            market.price("WETH", int(2_000 * (move if i % 2 else 1)))
            market.poke("WETH")
        for _ in range(20):
            market.host.advance(30)
            market.price("WETH", 2_000)
            market.poke("WETH")
    quote = market.risk.quote(weth)
    rules = market.rules()["WETH"]
    ltv = margin.dynamic_borrow_ltv(rules, quote.volatility)
    assert 7_000 <= ltv <= 8_000
    if volatility == 0:
        assert ltv == 8_000
    if volatility > 3 * 10**17:
        assert ltv == 7_000
    price = min(quote.price, quote.average)
    most = 10 * price * ltv // 10_000 // 10**12
    usdc = market.assets["USDC"]
    with refuses("initial margin is not met"):
        market.borrow("USDC", (most + 2) / 10**6)
    market.engine.borrow(market.account(), usdc, most - 2, market.borrower, sender=market.borrower)


def test_borrow__leverage_cap(new_market):
    """exposure / equity <= 3: 20,000 of collateral carries 13,333.33, though margin asks less."""
    market = new_market(WETH={"max_leverage": 30_000})
    market.deposit("WETH", 10)
    with refuses("leverage is too high"):
        market.borrow("USDC", "13333.333334")
    market.borrow("USDC", "13333.333333")
    market.deposit("WETH", 10, market.account(1))
    market.deposit("WBTC", 1, market.account(1))
    market.borrow("USDC", "30000", market.account(1))


def test_borrow__leverage_cap_of_the_debt_counts(new_market):
    market = new_market(DAI={"max_leverage": 20_000})
    market.deposit("WETH", 10)
    with refuses("leverage is too high"):
        market.borrow("DAI", 10_001)
    market.borrow("DAI", 10_000)


def test_borrow__least_debt(market):
    market.deposit("WETH", 10)
    usdc = market.assets["USDC"]
    least = market.engine.debt_of(usdc)[2]
    assert least == 100 * 10**6 >> 11 << 11  # 16 significant bits
    with refuses("debt is below the minimum"):
        market.engine.borrow(
            market.account(), usdc, least - 1, market.borrower, sender=market.borrower
        )
    market.engine.borrow(market.account(), usdc, least, market.borrower, sender=market.borrower)
    market.engine.borrow(market.account(), usdc, 1, market.borrower, sender=market.borrower)
    assert market.owed("USDC") == least + 1


@pytest.mark.everywhere
def test_borrow__refusals(market):
    market.deposit("WETH", 10)

    def borrow(amount, *, asset="USDC", receiver=market.borrower, sender=market.borrower):
        market.engine.borrow(
            market.account(), market.assets[asset], amount, receiver, sender=sender
        )

    with refuses("amount is zero"):
        borrow(0)
    with refuses("caller may not do this"):
        borrow(10**9, sender=market.other)
    for receiver in (ZERO, market.engine.address):
        with refuses("receiver is not valid"):
            borrow(10**9, receiver=receiver)
    with refuses("asset is no debt asset"):
        borrow(10**9, asset="WBTC")
    with refuses("not enough cash"):
        borrow(10**15)
    with refuses("not enough cash"):
        borrow(MAX_UINT256)


@pytest.mark.everywhere
def test_borrow__without_collateral_reverts(market):
    with refuses("initial margin is not met"):
        market.borrow("USDC", 1_000)


def test_borrow__price_in_a_jump_reverts(new_market):
    """Of the debt asset; collateral in a jump counts at the lower price instead."""
    market = new_market(WETH={"jump_band": 500}, DAI={"jump_band": 500})
    market.deposit("WETH", 10)
    market.price("DAI", 0.9)
    with refuses("price is in a jump"):
        market.borrow("DAI", 1_000)
    market.borrow("USDC", 1_000)
    market.price("WETH", 1_800)
    with refuses("initial margin is not met"):
        market.borrow("USDC", 13_401)
    market.borrow("USDC", 13_400)


def test_borrow__sources_that_disagree_revert(new_market):
    market = new_market(DAI={"sources": 2}, WETH={"sources": 2})
    market.deposit("WETH", 10)
    market.price("DAI", 1, 0.98)
    with refuses("price sources disagree"):
        market.borrow("DAI", 1_000)
    market.price("WETH", 2_000, 1_900)  # collateral counts at the lower
    with refuses("initial margin is not met"):
        market.borrow("USDC", 15_201)
    market.borrow("USDC", 15_200)


def test_borrow__stale_prices(market):
    market.deposit("WETH", 10)
    market.deposit("WBTC", 1)
    market.break_feed("USDC")
    with refuses("price is stale"):
        market.borrow("USDC", 1_000)
    market.refresh("USDC")
    market.break_feed("WETH")  # counts nothing, WBTC carries
    with refuses("initial margin is not met"):
        market.borrow("USDC", 35_001)
    market.borrow("USDC", 35_000)


@pytest.mark.parametrize(("level", "reason"), [(1, "vault is in caution"), (2, "vault is halted")])
def test_borrow__vault_above_normal_reverts(market, level, reason):
    market.deposit("WETH", 10)
    market.breaker.trip(market.assets["USDC"], level, HOUR, sender=market.guardian)
    with refuses(reason):
        market.borrow("USDC", 1_000)
    market.host.advance(HOUR)
    market.refresh()
    market.borrow("USDC", 1_000)


@pytest.mark.parametrize(
    ("latch", "reason"), [((1, 0), "asset is in caution"), ((0, 1), "asset is halted")]
)
def test_borrow__latched_level_reverts(market, latch, reason):
    """The risk engine's own latch of the debt asset, the vault's aside."""
    market.deposit("WETH", 10)
    until = market.host.now + HOUR
    market.risk.set_breaker(market.other, sender=market.owner)
    market.risk.set_level(
        market.assets["USDC"], latch[0] * until, latch[1] * until, 0, sender=market.other
    )
    with refuses(reason):
        market.borrow("USDC", 1_000)


def test_borrow__debt_cap_reverts(market):
    market.deposit("WETH", 10)
    market.set_vault("USDC", debt_cap=2**30)
    with refuses("debt cap is reached"):
        market.borrow("USDC", "1073.741825")
    market.borrow("USDC", "1073.741824")


def test_borrow__limits_of_the_vault_revert(market):
    market.deposit("WETH", 10**6)
    market.host.advance(64 * 14_400)
    market.refresh()
    market.borrow("USDC", 100)
    market.set_vault("USDC", growth_limit=1)
    with refuses("debt growth limit is reached"):
        market.borrow("USDC", 10**6)
    market.borrow("USDC", 10**6 - 200)
    market.set_vault("USDC", growth_limit=0, outflow_limit=1)
    with refuses("outflow limit is reached"):
        market.borrow("USDC", 10**5)
    market.configurator.wind_down_vault(market.assets["USDC"].vault, sender=market.owner)
    with refuses("vault is wound down"):
        market.borrow("USDC", 100)


def test_borrow__nine_assets_revert(new_market):
    more = {f"T{i}": {"decimals": 18, "dollars": 10_000} for i in range(8)}
    market = new_market(**more)
    for name in more:
        market.deposit(name, 1)
    with refuses("account holds 8 assets"):
        market.borrow("USDC", 1_000)


def test_borrow__eight_assets_all_needed(new_market):
    more = {f"T{i}": {"decimals": 18, "dollars": 1_000} for i in range(7)}
    market = new_market(**more)
    for name in more:
        market.deposit(name, 1)
    with refuses("initial margin is not met"):
        market.borrow("USDC", 5_601)
    market.borrow("USDC", 5_600)
    assert market.health().health_factor == 7 * 1_000 * WAD * 83 // (5_600 * 100)


def test_borrow__stamps_the_block(market):
    market.deposit("WETH", 10)
    market.borrow("USDC", 10_000)
    market.price("WETH", 1_000)
    with refuses("risk was raised in this block"):
        market.liquidate("USDC", "WETH")
    market.host.advance(0, 1)
    market.liquidate("USDC", "WETH")
