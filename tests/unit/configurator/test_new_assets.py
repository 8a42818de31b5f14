"""`seal`, and what is listed after it: one a week, and caps that grow on a schedule (CAP-1)."""

import pytest

from breakwater.driver import LendingVault
from breakwater.units import DAY, WAD
from tests.market import NEW_LIMIT, ZERO, refuses

TARGET = 2**77
IS_NEW = 1 << 249
WEEK = 7 * DAY


def kept(cap):
    """16 bits."""
    drop = max(cap.bit_length() - 16, 0)
    return cap >> drop << drop


def cap_of(market, token):
    return market.engine.book_of(token)[2]


def wait(market, token, seconds):
    market.host.advance(seconds)
    token.feed.set(token.feed.answer(), sender=market.owner)


def test_seal__once(market):
    configurator, owner = market.configurator, market.owner
    with refuses("ownable: caller is not the owner"):
        configurator.seal(sender=market.other)
    now = market.host.now
    assert len(configurator.seal(sender=owner).events("Seal")) == 1
    assert configurator.sealed_at() == now
    with refuses("genesis is over"):
        configurator.seal(sender=owner)


@pytest.mark.everywhere
def test_list_asset__begins_with_a_thousandth(sealed, new):
    token = new()
    first = TARGET >> 10
    event = token.receipt.event("Grow")
    assert (event.asset, event.cap, event.value) == (token.address, first, first * 5)
    assert sealed.engine.book_of(token) == (5, 0, kept(first), False)
    assert sealed.risk.words_of(token)[1] & IS_NEW
    assert sealed.configurator.schedule_of(token)[1:] == (TARGET, first * 5)


def test_list_asset__at_genesis_with_its_whole_cap(market, new):
    for _ in range(2):
        token = new(2**100)
        assert cap_of(market, token) == kept(2**100)
        assert not market.risk.words_of(token)[1] & IS_NEW
        assert market.configurator.schedule_of(token) == (0, 0, 0)


def test_list_asset__without_a_cap_is_no_collateral(sealed, new):
    assert sealed.engine.book_of(new(0)) == (0, 0, 0, False)


def test_list_asset__one_a_week(sealed, new):
    new()
    sealed.host.advance(WEEK - 1)
    with refuses("one listing a week"):
        new()
    sealed.host.advance(1)
    new()


def test_list_asset__target_is_limited(sealed, new):
    with refuses("cap is too high"):
        new(NEW_LIMIT // 5 + 1)
    with refuses("cap is too high"):
        new(2**128)
    new(NEW_LIMIT // 5)


@pytest.mark.parametrize(("bits", "allowed"), [(64, True), (65, False)])
def test_list_asset__max_price_is_near_the_price(sealed, new, bits, allowed):
    """5 dollars are above 2**62: prices below 2**64 are at most four times as high, 2**65 not."""
    if allowed:
        new(max_price=2**bits - 1)
    else:
        with refuses("max_price is too high"):
            new(max_price=2**bits - 1)


def test_list_asset__with_a_vault(market, new):
    """One call at genesis, none after it."""
    owner = market.owner
    usdc, wbtc = market.assets["USDC"], market.assets["WBTC"]
    with refuses("vault is of another asset"):
        listed(market, new, usdc.vault)
    vault = LendingVault.deploy(
        market.host,
        wbtc.token,
        market.engine,
        market.breaker,
        "V",
        "V",
        market.configurator,
        sender=owner,
    )
    with refuses("min_debt is too high"):
        market.configurator.list_debt(vault, 2**128, sender=owner)
    with refuses("ownable: caller is not the owner"):
        market.configurator.list_debt(vault, 5, sender=market.other)
    market.configurator.seal(sender=owner)
    with refuses("genesis is over"):
        market.configurator.list_debt(vault, 5, sender=owner)


def listed(market, new, vault, min_debt=77):
    """A listing whose vault is `vault`, or one of its own."""
    from breakwater.mocks import AggregatorMock, TokenMock

    host, owner = market.host, market.owner
    token = TokenMock.deploy(host, "New", "NEW", 18, sender=owner)
    feed = AggregatorMock.deploy(host, 8, 5 * 10**8, sender=owner)
    vault = vault or LendingVault.deploy(
        host,
        token,
        market.engine,
        market.breaker,
        "V",
        "V",
        market.configurator,
        sender=owner,
    )
    config = market.assets["WETH"].config._replace(
        source=feed.address, min_price=WAD // 8, max_price=2**64 - 1
    )
    args = token, config, 10**20, True, vault, min_debt
    return token, vault, market.configurator.list_asset(*args, sender=owner)


def test_list_asset__is_one_call(market, new):
    token, vault, receipt = listed(market, new, None)
    assert market.engine.book_of(token) == (receipt.value, 0, kept(10**20), True)
    assert market.engine.debt_of(token) == (receipt.value, vault.address, 77)
    assert receipt.event("ListCollateral").cap == 10**20
    assert receipt.event("ListDebt").vault == vault.address


def test_list_asset__vault_after_genesis_reverts(sealed, new):
    with refuses("genesis is over"):
        listed(sealed, new, None)


@pytest.mark.parametrize("periods", [1, 2, 5, 9])
def test_grow__doubles_every_three_days(sealed, new, periods):
    token = new()
    configurator = sealed.configurator
    wait(sealed, token, 3 * DAY - 1)
    with refuses("nothing to grow yet"):
        configurator.grow(token, sender=sealed.other)
    wait(sealed, token, 1 + 3 * DAY * (periods - 1))
    event = configurator.grow(token, sender=sealed.other).event("Grow")
    cap = TARGET >> (10 - periods)
    assert (event.cap, event.value) == (cap, cap * 5)
    assert cap_of(sealed, token) == cap
    assert configurator.schedule_of(token)[2] == cap * 5


def test_grow__ends_after_thirty_days(sealed, new):
    token = new()
    wait(sealed, token, 30 * DAY - 1)
    sealed.configurator.grow(token, sender=sealed.other)
    assert cap_of(sealed, token) == kept(TARGET >> 1)
    wait(sealed, token, 1)
    event = sealed.configurator.grow(token, sender=sealed.other).event("EndGrowth")
    assert event.cap == TARGET
    assert cap_of(sealed, token) == kept(TARGET)
    assert not sealed.risk.words_of(token)[1] & IS_NEW
    with refuses("asset is not new"):
        sealed.configurator.grow(token, sender=sealed.other)
    # from here on it is one like the others
    sealed.configurator.set_cap(token, 2 * kept(TARGET), sender=sealed.owner)


def test_grow__and_a_hold_leave_each_other_alone(sealed, new):
    token, held = new(), (2**64 - 1) << 185
    before = sealed.risk.words_of(token)[1]
    sealed.breaker.hold(token, DAY // 24, sender=sealed.guardian)
    during = sealed.risk.words_of(token)[1]
    assert (during & ~held, during & IS_NEW, before & held) == (before, IS_NEW, 0)
    wait(sealed, token, 30 * DAY)
    sealed.configurator.grow(token, sender=sealed.other)
    after = sealed.risk.words_of(token)[1]
    assert (after, after & held) == (during & ~IS_NEW, during & held)


def test_grow__refusals(sealed, new):
    with refuses("asset is not new"):
        sealed.configurator.grow(sealed.assets["WETH"], sender=sealed.other)
    token = new()
    sealed.host.advance(4 * DAY)
    with refuses("price is not valid"):
        sealed.configurator.grow(token, sender=sealed.other)


def test_grow__all_new_assets_have_one_limit(sealed, new):
    """10 million dollars: two with targets of nine, the first half of the way, the second not."""
    target = 9 * 10**6 * WAD // 5
    one = new(target)
    wait(sealed, one, WEEK)
    two = new(target)
    grow = sealed.configurator.grow
    wait(sealed, one, 22 * DAY)  # 29 and 22 days old
    wait(sealed, two, 0)
    grow(one, sender=sealed.other)
    assert sealed.configurator.schedule_of(one)[2] == kept(target // 2) * 5
    grow(two, sender=sealed.other)  # a half and an eighth
    wait(sealed, two, 5 * DAY)  # the first is not counted any more: it is 34 days old
    grow(two, sender=sealed.other)
    assert sealed.configurator.schedule_of(two)[2] == kept(target // 2) * 5


def test_grow__at_the_limit(sealed, new):
    """What one is worth at its growth counts: at 11 dollars its half is more than all may be."""
    target = 99 * 10**5 * WAD // 5
    token = new(target)
    wait(sealed, token, 27 * DAY)
    token.feed.set(11 * 10**8, sender=sealed.owner)
    with refuses("new assets are at their limit"):
        sealed.configurator.grow(token, sender=sealed.other)
    token.feed.set(10 * 10**8, sender=sealed.owner)
    sealed.configurator.grow(token, sender=sealed.other)
    assert sealed.configurator.schedule_of(token)[2] == kept(target // 2) * 10


def test_set_cap__of_a_new_asset_only_falls(sealed, new):
    token, owner = new(), sealed.owner
    first = kept(TARGET >> 10)
    with refuses("cap follows its schedule"):
        sealed.configurator.set_cap(token, first + 1, sender=owner)
    sealed.configurator.set_cap(token, first // 2, sender=owner)
    assert sealed.configurator.schedule_of(token)[1] == first // 2
    wait(sealed, token, 29 * DAY)
    with refuses("nothing to grow yet"):
        sealed.configurator.grow(token, sender=sealed.other)
    wait(sealed, token, DAY)
    sealed.configurator.grow(token, sender=sealed.other)
    assert cap_of(sealed, token) == kept(first // 2)


def test_new_asset__is_not_added_above_its_cap(sealed, new):
    """Who is below maintenance may top up with any other collateral that he holds, not with it."""
    token, me = new(), sealed.borrower
    token.mint(me, 10**24, sender=sealed.owner)
    token.approve(sealed.engine, 2**256 - 1, sender=me)
    account, cap = sealed.account(), cap_of(sealed, token)
    sealed.engine.deposit_collateral(account, token, cap, sender=me)
    sealed.deposit("WETH", 1)
    sealed.borrow("USDC", 2_000)
    sealed.host.advance(12)
    sealed.price("WETH", 1_000)
    assert sealed.risk.health_of(sealed.engine.position_of(account)).health_factor < WAD
    position = sealed.engine.position_of(account)
    assert sealed.risk.shortfall(position, 5) == 0
    assert sealed.risk.shortfall(position, sealed.assets["WETH"].id) > 0
    with refuses("collateral cap is reached"):
        sealed.engine.deposit_collateral(account, token, 1, sender=me)
    wait(sealed, token, 30 * DAY)
    sealed.refresh()
    sealed.configurator.grow(token, sender=sealed.other)
    assert sealed.risk.shortfall(sealed.engine.position_of(account), 5) > 0


def test_list_asset__no_zero_of_a_vault(market, new):
    assert market.engine.debt_of(new())[1] == ZERO
