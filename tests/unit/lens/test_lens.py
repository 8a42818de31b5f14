"""`Lens`: what it tells is what the contracts do."""

import pytest

from breakwater.host import Reverted
from breakwater.model import margin
from breakwater.units import MAX_UINT256, RAY, WAD
from tests.market import BORROW, REPAY, WITHDRAW, refuses


@pytest.fixture
def indebted(market):
    market.deposit("WETH", 10)
    market.deposit("WBTC", "0.5")
    market.borrow("USDC", 20_000)
    market.host.advance(1_000)
    market.refresh()
    return market


def test_account__everything(indebted):
    market = indebted
    state = market.lens.account(market.account())
    wanted = market.health()
    assert state.health[:5] == tuple(wanted.__dict__.values())[:5]
    assert state.margin == tuple(
        margin.margin(market.legs(), market.rules(), market.spot()).__dict__.values()
    )
    equity = wanted.collateral_value - wanted.debt_value
    assert state.leverage == wanted.collateral_value * WAD // equity
    assert not state.at_risk_block
    assert [(leg.asset, leg.is_debt, leg.amount) for leg in state.legs] == [
        (market.assets[leg.asset].address, leg.is_debt, leg.amount) for leg in market.legs()
    ]
    for leg, name in zip(state.legs, ("WETH", "WBTC", "USDC"), strict=True):
        assert leg.price == leg.average == market.assets[name].dollars[0] * WAD
        price = margin.liquidation_price(market.legs(), market.rules(), market.spot(), name)
        assert leg.liquidation_price == (0 if leg.is_debt else price)
        assert market.lens.liquidation_price(market.account(), market.assets[name]) == (
            0 if leg.is_debt else price
        )


def test_account__empty_and_without_equity(indebted):
    market = indebted
    empty = market.lens.account(market.account(9))
    assert (empty.leverage, empty.legs, empty.health.health_factor) == (WAD, [], MAX_UINT256)
    market.price("WETH", 800)
    market.price("WBTC", 20_000)
    assert market.lens.account(market.account()).leverage == MAX_UINT256


def test_health_factors__of_many(indebted):
    market = indebted
    market.deposit("WETH", 1, market.account(1))
    found = market.lens.health_factors([market.account(n) for n in (0, 1, 2)])
    assert found == [market.health().health_factor, MAX_UINT256, MAX_UINT256]


def test_liquidation_price__is_where_liquidation_begins(indebted):
    """At it health is 1 or a hair above; a cent below it is not."""
    market = indebted
    account, weth = market.account(), market.assets["WETH"]
    price = market.lens.liquidation_price(account, weth)
    at = margin.Prices.flat(price)
    assert market.health(WETH=at).health_factor >= WAD
    below = margin.Prices.flat(price - 10)
    assert market.health(WETH=below).health_factor < WAD
    assert market.lens.liquidation_price(account, market.assets["DAI"]) == 0
    assert market.lens.liquidation_price(account, market.other) == 0


def test_liquidation_price__none_where_the_others_suffice(indebted):
    market = indebted
    market.deposit("WBTC", 2)
    assert market.lens.liquidation_price(market.account(), market.assets["WETH"]) == 0


@pytest.mark.parametrize("days", [0, 1, 400])
@pytest.mark.parametrize("name", ["USDC", "DAI", "WETH"])
def test_max_borrow__may_be_borrowed_and_no_more(indebted, days, name):
    market = indebted
    market.host.advance(days * 86_400)
    market.refresh()
    asset = market.assets[name]
    most = market.lens.max_borrow(market.account(), asset)
    assert most > 0

    def borrow(amount):
        market.engine.borrow(
            market.account(), asset, amount, market.borrower, sender=market.borrower
        )

    assert market.lens.why_blocked(market.account(), BORROW, asset, most) == ""
    start = market.host.snapshot()
    borrow(most)
    market.host.restore(start)
    slack = asset.vault.cash() >> 39
    with refuses("initial margin is not met"):
        borrow(most + slack + 2)


def test_max_borrow__zero(indebted):
    market = indebted
    account = market.account()
    assert market.lens.max_borrow(account, market.assets["WBTC"]) == 0  # nobody lends it
    assert market.lens.max_borrow(market.account(5), market.assets["USDC"]) == 0
    market.breaker.trip(market.assets["DAI"], 1, 100, sender=market.guardian)
    assert market.lens.max_borrow(account, market.assets["DAI"]) == 0
    market.configurator.set_min_debt(market.assets["WETH"], 10**24, sender=market.owner)
    assert market.lens.max_borrow(account, market.assets["WETH"]) == 0


def test_max_borrow__bounded_by_cash_and_cap(market):
    market.deposit("WETH", 10**6)
    usdc = market.assets["USDC"]
    assert market.lens.max_borrow(market.account(), usdc) == usdc.vault.cash()
    market.set_vault("USDC", debt_cap=2**33)
    assert market.lens.max_borrow(market.account(), usdc) == 2**33
    market.set_vault("USDC", debt_cap=0)
    assert market.lens.max_borrow(market.account(), usdc) == 0


BLOCKED = [
    (BORROW, "WBTC", 1, "asset is no debt asset"),
    (BORROW, "USDC", 0, "amount is zero"),
    (BORROW, "USDC", 10**15, "not enough cash"),
    (BORROW, "DAI", 1, "debt is below the minimum"),
    (BORROW, "USDC", 20_000 * 10**6, "initial margin is not met"),
    (BORROW, "USDC", 100 * 10**6, ""),
    (BORROW, "DAI", 1_000 * WAD, ""),
    (WITHDRAW, "DAI", 1, "account has no such collateral"),
    (WITHDRAW, "WETH", 0, "amount is zero"),
    (WITHDRAW, "WETH", 11 * WAD, "not enough collateral"),
    (WITHDRAW, "WETH", 10 * WAD, "initial margin is not met"),
    (WITHDRAW, "WETH", MAX_UINT256, "initial margin is not met"),
    (WITHDRAW, "WETH", WAD, ""),
]


def attempt(market, action, name, amount):
    asset, who = market.assets[name], market.borrower
    try:
        if action == BORROW:
            market.engine.borrow(market.account(), asset, amount, who, sender=who)
        else:
            market.engine.withdraw_collateral(market.account(), asset, amount, who, sender=who)
    except Reverted as error:
        return error.reason
    return ""


@pytest.mark.parametrize(("action", "name", "amount", "reason"), BLOCKED)
def test_why_blocked__is_the_reason_of_the_revert(indebted, action, name, amount, reason):
    market = indebted
    told = market.lens.why_blocked(market.account(), action, market.assets[name], amount)
    assert told == reason == attempt(market, action, name, amount)


@pytest.mark.parametrize(
    ("level", "vault", "asset"),
    [
        (1, "vault is in caution", "asset is in caution"),
        (2, "vault is halted", "asset is halted"),
    ],
)
def test_why_blocked__by_a_level(indebted, level, vault, asset):
    market = indebted
    market.breaker.trip(market.assets["USDC"], level, 100, sender=market.guardian)
    market.breaker.trip(market.assets["WETH"], level, 100, sender=market.guardian)
    for action, name, amount, reason in [
        (BORROW, "USDC", 10**9, vault),
        (WITHDRAW, "WETH", 1, asset),
    ]:
        told = market.lens.why_blocked(market.account(), action, market.assets[name], amount)
        assert told == reason == attempt(market, action, name, amount)


def test_why_blocked__by_the_debt_cap(indebted):
    market = indebted
    market.set_vault("USDC", debt_cap=20_000 * 10**6)
    told = market.lens.why_blocked(market.account(), BORROW, market.assets["USDC"], 10**9)
    assert told == attempt(market, BORROW, "USDC", 10**9) == "debt cap is reached"


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("outflow_limit", "outflow limit is reached"),
        ("growth_limit", "debt growth limit is reached"),
    ],
)
def test_why_blocked__by_the_limits_of_the_vault(indebted, limit, reason):
    market, usdc = indebted, indebted.assets["USDC"]
    market.deposit("WETH", 10**6)
    market.set_vault("USDC", **{limit: 1})
    market.host.advance(64 * 14_400)
    market.refresh()
    most = market.lens.max_borrow(market.account(), usdc)
    assert most == min(usdc.vault.limits()[:2])
    for amount, told in ((most, ""), (most + 1, reason)):
        assert market.lens.why_blocked(market.account(), BORROW, usdc, amount) == told
    assert attempt(market, BORROW, "USDC", most + 1) == reason
    assert attempt(market, BORROW, "USDC", most) == ""


def test_why_blocked__by_a_vault_wound_down(indebted):
    market, usdc = indebted, indebted.assets["USDC"]
    market.configurator.wind_down_vault(usdc.vault, sender=market.owner)
    told = market.lens.why_blocked(market.account(), BORROW, usdc, 10**6)
    assert told == attempt(market, BORROW, "USDC", 10**6) == "vault is wound down"
    assert market.lens.max_borrow(market.account(), usdc) == 0


def test_why_blocked__by_eight_assets(new_market):
    more = {f"T{i}": {"decimals": 18, "dollars": 1_000} for i in range(8)}
    market = new_market(**more)
    for name in more:
        market.deposit(name, 10)
    args = (market.account(), BORROW, market.assets["USDC"])
    assert market.lens.why_blocked(*args, 10**9) == "account holds 8 assets"
    assert market.lens.max_borrow(market.account(), market.assets["USDC"]) == 0


def test_why_blocked__without_debt_nothing_holds_a_withdrawal(market):
    market.deposit("WETH", 1)
    market.break_feed("WETH")
    weth = market.assets["WETH"]
    assert market.lens.why_blocked(market.account(), WITHDRAW, weth, MAX_UINT256) == ""


def test_why_blocked__other_actions_revert(market):
    with refuses("action is not explained"):
        market.lens.why_blocked(market.account(), REPAY, market.assets["WETH"], 1)


def test_preview_liquidate__refusals(indebted):
    market = indebted
    call = market.lens.preview_liquidate
    with refuses("asset is no debt asset"):
        call(market.account(), market.assets["WBTC"], market.assets["WETH"], 1)
    with refuses("account is healthy"):
        call(market.account(), market.assets["USDC"], market.assets["WETH"], 1)


def test_preview_liquidate__under_water_names_every_collateral(indebted):
    market = indebted
    market.price("WETH", 800)
    market.price("WBTC", 20_000)
    terms = market.terms("USDC", "WETH")
    found = market.lens.preview_liquidate(
        market.account(), market.assets["USDC"], market.assets["WETH"], MAX_UINT256
    )
    assert (found.repay, found.fund_fee, found.write_off) == (terms.repay, 0, terms.write_off)
    assert found.seized == terms.seize["WETH"]
    assert dict(zip(found.collaterals, found.amounts, strict=True)) == {
        market.assets[name].address: taken for name, taken in terms.seize.items()
    }
    event = market.liquidate("USDC", "WETH").event("Liquidate")
    assert (event.repaid, event.seized) == (found.repay, found.seized)


def test_vault__everything(indebted):
    market, usdc = indebted, indebted.assets["USDC"]
    state, vault = market.lens.vault(usdc), usdc.vault
    assert state.asset == usdc.address
    assert (state.cash, state.debt) == (vault.cash(), vault.debt_assets())
    assert (state.total_assets, state.total_shares) == (vault.totalAssets(), vault.totalSupply())
    assert state.utilization == state.debt * WAD // (state.cash + state.debt)
    assert state.debt_index == vault.debt_index() > 10**27
    config = market.configurator.vault_config_of(vault)
    assert (state.deposit_cap, state.debt_cap) == (config.deposit_cap, config.debt_cap)
    assert (state.outflow_left, state.growth_left, state.window_ends) == vault.limits()
    assert state.level == 0
    assert state.borrow_rate == vault.borrow_rate()
    assert market.lens.vault(market.assets["WBTC"])[1:] == (0,) * 14


def test_vault__without_a_least_debt(indebted):
    market, usdc = indebted, indebted.assets["USDC"]
    before = market.lens.vault(usdc)
    market.configurator.set_min_debt(usdc, 0, sender=market.owner)
    assert market.lens.vault(usdc) == before
    assert before.cash > 0


def test_quote__is_that_of_the_risk_engine(indebted):
    weth = indebted.assets["WETH"]
    assert indebted.lens.quote(weth) == indebted.risk.quote(weth)


def test_account__shows_all_eight_legs(new_market):
    extra = {f"A{i}": {"decimals": 18, "dollars": 10} for i in range(4)}
    market = new_market(debts=("USDC",), **extra)
    names = ["WETH", "WBTC", "DAI", *extra]
    for name in names:
        market.deposit(name, 1)
    market.borrow("USDC", 1_000)
    state = market.lens.account(market.account())
    assert [(leg.asset, leg.is_debt) for leg in state.legs] == [
        *((market.assets[name].address, False) for name in names),
        (market.assets["USDC"].address, True),
    ]


def test_liquidation_price__none_for_what_does_not_count(new_market):
    """Collateral without a liquidation_ltv has no price at which the account is liquidated."""
    market = new_market(
        NONE={"decimals": 6, "dollars": 7, "borrow_ltv": 0, "borrow_ltv_floor": 0,
              "liquidation_ltv": 0},
    )  # fmt: skip
    market.deposit("WETH", 10)
    market.deposit("NONE", 1_000)
    market.borrow("USDC", 10_000)
    assert market.lens.liquidation_price(market.account(), market.assets["NONE"]) == 0
    assert market.lens.liquidation_price(market.account(), market.assets["WETH"]) > 0
    market.price("WETH", 1_000)  # below maintenance, where no price of NONE would help
    assert market.lens.liquidation_price(market.account(), market.assets["NONE"]) == 0
    assert [leg.liquidation_price for leg in market.lens.account(market.account()).legs][1:] == [
        0,
        0,
    ]


def test_why_blocked__to_the_unit(market):
    """Each bound of a loan and of a withdrawal, at it and one beyond: as the engine refuses."""
    usdc, weth = market.assets["USDC"], market.assets["WETH"]
    market.deposit("WETH", 1_000_000)
    market.deposit("WETH", 1, market.account(3))
    least, cash = market.engine.debt_of(usdc)[2], usdc.vault.cash()
    cases = [
        (BORROW, usdc, least - 1, "debt is below the minimum"),
        (BORROW, usdc, least, ""),
        (BORROW, usdc, cash, ""),
        (BORROW, usdc, cash + 1, "not enough cash"),
    ]
    for action, asset, amount, reason in cases:
        told = market.lens.why_blocked(market.account(), action, asset, amount)
        start = market.host.snapshot()
        assert told == reason == attempt(market, action, asset.name, amount)
        market.host.restore(start)
    market.set_vault("USDC", debt_cap=2**22)
    usdc_cap = 2**22
    market.configurator.set_min_debt(usdc, 0, sender=market.owner)
    for amount, reason in ((usdc_cap, ""), (usdc_cap + 1, "debt cap is reached")):
        told = market.lens.why_blocked(market.account(), BORROW, usdc, amount)
        start = market.host.snapshot()
        assert told == reason == attempt(market, BORROW, "USDC", amount)
        market.host.restore(start)
    for amount, reason in ((WAD, ""), (MAX_UINT256, ""), (WAD + 1, "not enough collateral")):
        assert market.lens.why_blocked(market.account(3), WITHDRAW, weth, amount) == reason


def bisected(market, name):
    """`max_borrow` as its documentation has it: halves, until they are 1 part in 2**40 apart."""
    asset = market.assets[name]
    words = market.engine.words_of(market.account())
    position = market.engine.position_of(market.account())
    index, tag = asset.vault.debt_index(), 128 | asset.id
    tags = [words[i // 2] >> (208 + 8 * (i % 2)) & 255 for i in range(8)]
    leg = tags.index(tag) if tag in tags else tags.index(0)
    shares = words[leg // 2] >> 104 * (leg % 2) & (2**104 - 1)

    def passes(amount):
        owed = -(-(shares - (-amount * RAY // index)) * index // RAY)
        after = list(position)
        after[leg // 2] &= ~((2**104 - 1) << 104 * (leg % 2))
        after[leg // 2] |= owed << 104 * (leg % 2) | tag << (208 + 8 * (leg % 2))
        try:
            return market.risk.check_initial(after, tag)
        except Reverted:
            return False

    lowest, highest = 0, asset.vault.cash()
    assert not passes(highest)
    for i in range(64):
        middle = (lowest + highest) // 2
        if middle == lowest or (i >= 40 and highest - lowest <= highest >> 40):
            break
        lowest, highest = (middle, highest) if passes(middle) else (lowest, middle)
    return lowest


@pytest.mark.parametrize("name", ["USDC", "DAI", "WETH"])
@pytest.mark.parametrize("whole", ["0.000001", 1, 1_000])
def test_max_borrow__to_the_unit(market, name, whole):
    """A new debt, and more of one that has earned interest."""
    market.deposit("WBTC", whole)
    expected = bisected(market, name)
    found = market.lens.max_borrow(market.account(), market.assets[name])
    # a loan below the least debt is none
    assert found == (expected if expected >= market.engine.debt_of(market.assets[name])[2] else 0)
    if found == 0:
        return
    market.engine.borrow(
        market.account(), market.assets[name], found // 2, market.borrower, sender=market.borrower
    )
    market.host.advance(10**7)
    market.refresh()
    found = market.lens.max_borrow(market.account(), market.assets[name])
    assert found == bisected(market, name) > 0


@pytest.fixture
def full(new_market):
    """Eight legs: seven collaterals, the last of them large, and a debt."""
    extra = {f"A{i}": {"decimals": 18, "dollars": 10} for i in range(4)}
    market = new_market(debts=("USDC",), **extra)
    for name, whole in (("WETH", 1), ("WBTC", "0.1"), ("DAI", 1), *((one, 1) for one in extra)):
        market.deposit(name, whole)
    market.deposit("A3", 1_000)
    market.borrow("USDC", 12_000)
    market.host.advance(10**6)
    market.refresh()
    return market


def test_max_borrow__of_the_eighth_leg(full):
    found = full.lens.max_borrow(full.account(), full.assets["USDC"])
    assert found == bisected(full, "USDC") > 0


def test_liquidation_price__of_the_seventh_leg(full):
    spot, rules, asset = full.spot(), full.rules(), full.assets["A3"]
    expected = margin.liquidation_price(full.legs(), rules, spot, "A3")
    assert full.lens.liquidation_price(full.account(), asset) == expected > 0
    legs = full.lens.account(full.account()).legs
    assert (legs[6].liquidation_price, legs[7].liquidation_price) == (expected, 0)


def test_why_blocked__by_the_seventh_and_eighth_leg(full):
    """The debt in the last leg counts, and the collateral before it is found."""
    told = full.lens.why_blocked(full.account(), WITHDRAW, full.assets["A3"], MAX_UINT256)
    assert told == "initial margin is not met" == attempt(full, WITHDRAW, "A3", MAX_UINT256)
    assert full.lens.why_blocked(full.account(), WITHDRAW, full.assets["A3"], 1) == ""
    assert full.lens.why_blocked(full.account(), BORROW, full.assets["USDC"], 10**6) == ""


def test_preview_liquidate__of_the_seventh_leg_and_all(full):
    for dollars in (6, 1):
        full.price("A3", dollars)
        full.settle("A3")
        terms = full.terms("USDC", "A3")
        found = full.lens.preview_liquidate(
            full.account(), full.assets["USDC"], full.assets["A3"], MAX_UINT256
        )
        assert found.seized == terms.seize["A3"]
        assert found.amounts == list(terms.seize.values())
        assert found.collaterals == [full.assets[name].address for name in terms.seize]
    assert terms.under_water
