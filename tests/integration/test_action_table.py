"""Who may do what at which level, for each sensor that causes it: the table of the specification,
"Levels", cell by cell. It is written out by hand; nothing here is asked of the contracts first.

What a sensor saw is over again where it can be: prices are good, the supply is what it was, tokens
are back. The level is then the latch's alone.
"""

from fractions import Fraction

import pytest

from breakwater.evm import EvmHost
from breakwater.host import Reverted, interface_of
from breakwater.units import DAY, HOUR, MINUTE, WAD
from tests.market import ASSETS, BORROW, REPAY, WITHDRAW, Market, refuses

CAUTION, HALT, WIND_DOWN = 1, 2, 3
FLASH = bytes.fromhex("439148f0bbc682ca079e46d6e2c2f0c1e3b820f1a291b069d8882abf8cf18dd9")
SAFER, WETH_ON_DAI, DEBT_FREE, EMPTY, WEAK, ALSO_WEAK, LOST, LARGE = range(1, 9)
"""Numbers of the borrower's accounts, see `_accounts`; 0 owes USDC on WETH."""

LEVELS = {
    # sensor: level of the asset, level of its vault, whether there is a price
    "NONE": (0, 0, True),
    "PRICE_JUMP": (CAUTION, 0, True),
    "DISPERSION": (CAUTION, 0, True),
    "STALE": (HALT, 0, True),
    "STALE, still silent": (HALT, 0, False),
    "GUARDIAN, CAUTION": (CAUTION, CAUTION, True),
    "GUARDIAN, HALT": (HALT, HALT, True),
    "SUPPLY": (HALT, 0, True),
    "INSOLVENCY": (HALT, HALT, True),
    "SETTLEMENT": (WIND_DOWN, 0, True),
    "BAD_DEBT": (0, CAUTION, True),
    "END OF THE VAULT": (0, WIND_DOWN, True),
    # these raise no level
    "HOLD": (0, 0, True),
    "HOLD, grace after it": (0, 0, True),
    "OUTAGE": (0, 0, True),
    "OUTAGE, grace after it": (0, 0, True),
    "OUTFLOW": (0, 0, True),
    "DEBT_GROWTH": (0, 0, True),
    "EXPOSURE_GROWTH": (0, 0, True),
    "FLOOD": (0, 0, True),
}

TABLE = {
    # action: at NORMAL, CAUTION, HALT and WIND-DOWN of the asset, and at HALT without a price
    "repay": ("yes", "yes", "yes", "yes", "yes"),
    "add what is held": ("yes", "yes", "yes", "no", "yes"),
    "bring what is new": ("yes", "yes", "yes", "no", "no"),
    "borrow": ("yes", "no", "no", "no", "no"),
    "borrow against it": ("yes", "yes", "no", "no", "no"),
    "withdraw with debt": ("yes", "no", "no", "no", "no"),
    "move with debt": ("yes", "no", "no", "no", "no"),
    "withdraw without debt": ("yes", "yes", "yes", "yes", "yes"),
    "move without debt": ("yes", "yes", "yes", "no", "yes"),
    "batch that is safer": ("yes", "yes", "no", "no", "no"),
    "batch that is safer and borrows": ("yes", "yes", "no", "no", "no"),
    "liquidate": ("yes", "yes", "yes", "yes", "no"),
}

LOANS = "borrow", "batch that is safer and borrows"
NEW_RISK = "borrow", "borrow against it", "withdraw with debt", "move with debt"
REFUSED_BESIDES = {
    # what is refused though the asset is at NORMAL; who is to be liquidated has a health of 0.97
    "HOLD": ("bring what is new", *NEW_RISK, *LOANS, "liquidate"),
    "HOLD, grace after it": ("bring what is new", *NEW_RISK, *LOANS, "liquidate"),
    "OUTAGE": (*NEW_RISK, "liquidate"),
    "OUTAGE, grace after it": (*NEW_RISK, "liquidate"),
    "BAD_DEBT": LOANS,
    "GUARDIAN, CAUTION": LOANS,
    "END OF THE VAULT": LOANS,
    "OUTFLOW": (*LOANS, "withdraw as lender"),
    "DEBT_GROWTH": LOANS,
    "EXPOSURE_GROWTH": ("add what is held", "bring what is new"),
    "FLOOD": ("liquidate",),
}

LASTING = ("SETTLEMENT", "OUTAGE", "END OF THE VAULT")
"""What does not end by itself: the sequencer has to come back."""

LENDERS_TABLE = {
    # action: at NORMAL, CAUTION, HALT and WIND-DOWN of the vault
    "deposit as lender": ("yes", "yes", "no", "no"),
    "withdraw as lender": ("yes", "yes", "no", "yes"),
    "flash loan": ("yes", "yes", "no", "no"),
    "transfer shares": ("yes", "yes", "yes", "yes"),
    "enter the fund": ("yes", "yes", "yes", "yes"),
    "ask to leave the fund": ("yes", "yes", "yes", "yes"),
    "leave the fund": ("yes", "yes", "yes", "yes"),
}

REASONS = {
    "asset is in caution", "asset is halted", "vault is in caution", "vault is halted",
    "price is stale", "initial margin is not met", "collateral has no valid price",
    "asset is settled", "asset is held", "liquidation is held", "grace after a hold",
    "sequencer is down", "grace after an outage", "vault is wound down",
    "outflow limit is reached", "debt growth limit is reached",
    "exposure growth limit is reached", "liquidation limit is reached",
}  # fmt: skip
"""What a level or a limit refuses with; another reason is another cause."""


def _accounts(market):
    """All that the actions act on: borrowers' accounts, and one that may be liquidated."""
    market.deposit("WETH", 100)
    market.borrow("USDC", 100_000)
    for number in (SAFER, DEBT_FREE, WEAK, ALSO_WEAK):
        market.deposit("WETH", 10, market.account(number))
    market.borrow("USDC", 10_000, market.account(SAFER))
    market.deposit("DAI", 100_000, market.account(WETH_ON_DAI))
    market.borrow("WETH", 10, market.account(WETH_ON_DAI))
    for number in (WEAK, ALSO_WEAK):
        market.borrow("WBTC", "0.3", market.account(number))
    market.deposit("DAI", 5_500_000, market.account(LOST))
    market.borrow("WETH", 2_000, market.account(LOST))
    market.deposit("DAI", 10**7, market.account(LARGE))
    # what it owes becomes dear, slowly: its collateral's price is as it was
    market.price("WBTC", 57_000)
    market.settle(rounds=40)
    for name in ("WETH", "USDC"):
        for who in (market.borrower, market.lender, market.liquidator):
            market.give(name, who, 10**6 * market.assets[name].unit)


def _stakes(market):
    """The lender has half of his shares in the fund, and tickets that have just become usable for
    half of those.
    """
    weth, me = market.assets["WETH"], market.lender
    weth.vault.approve(weth.fund, 2**256 - 1, sender=me)
    weth.fund.deposit(weth.vault.balanceOf(me) // 2, me, sender=me)
    weth.fund.request_exit(weth.fund.balanceOf(me) // 2, sender=me)
    # what else is made ready takes 36 hours
    market.host.advance(20 * DAY - 35 * HOUR)
    market.refresh()


@pytest.fixture(scope="module")
def ready():
    """A market whose WETH every sensor watches."""
    weth = {"sources": 2, "jump_band": 500}
    listed = {**ASSETS, "WETH": {**ASSETS["WETH"], **weth}}
    debts = "USDC", "DAI", "WETH", "WBTC"
    market = Market(EvmHost(), listed, debts, has_sequencer=True)
    _stakes(market)
    _accounts(market)
    token = market.assets["WETH"]
    market.breaker.set_supply_limit(token, 1_000, sender=market.owner)
    for _ in range(26):
        market.host.advance(HOUR)
        market.refresh()
        market.poke("WETH")
    borrower = market.host.deploy("FlashBorrowerMock", sender=market.other)
    market.host.transact(
        borrower, "FlashBorrowerMock", "set_calls", [[], FLASH], sender=market.other
    )
    token.token.mint(borrower, WAD, sender=market.other)
    market.flash_borrower = borrower
    return market, market.host.snapshot()


@pytest.fixture
def market(ready):
    ready, start = ready
    ready.host.restore(start)
    yield ready
    ready.host.restore(start)


# ---------------------------------------------------------------- what trips


def _silent(market):
    for _ in range(2):
        market.host.advance(15 * MINUTE)
        market.refresh()
        market.break_feed("WETH")
        market.poke("WETH")


def _trip(market, sensor):
    """The cause, the poke that sees it, and its end."""
    weth = market.assets["WETH"]
    if sensor == "PRICE_JUMP":
        market.price("WETH", 2_200)
        market.poke("WETH")
        market.price("WETH", 2_000)
    elif sensor == "DISPERSION":
        market.price("WETH", 2_000, 2_050)
        market.poke("WETH")
        market.price("WETH", 2_000)
    elif sensor.startswith("STALE"):
        _silent(market)
        if sensor == "STALE":
            market.refresh()
    elif sensor.startswith("GUARDIAN"):
        level = HALT if sensor.endswith("HALT") else CAUTION
        market.breaker.trip(weth, level, DAY, sender=market.guardian)
    elif sensor == "SUPPLY":
        before = weth.token.totalSupply()
        weth.token.mint(market.other, before // 5, sender=market.other)
        market.poke("WETH")
        market.host.advance(10 * MINUTE)
        market.refresh()
        market.poke("WETH")
        weth.token.burn(market.other, before // 5, sender=market.other)
    elif sensor == "INSOLVENCY":
        weth.token.burn(weth.vault.address, 1, sender=market.other)
        missing = market.breaker.check_solvency(weth, sender=market.other).value
        assert tuple(missing) == (0, 1, 0)
        weth.token.mint(weth.vault.address, 1, sender=market.other)
    elif sensor == "SETTLEMENT":
        market.wind_down("WETH", 2_000 * WAD)
    elif sensor.startswith("HOLD"):
        market.breaker.hold(weth, HOUR, sender=market.guardian)
        market.host.advance(HOUR if sensor.endswith("after it") else 0)
    elif sensor.startswith("OUTAGE"):
        market.uptime.set(1, sender=market.other)
        if sensor.endswith("after it"):
            market.uptime.set(0, sender=market.other)
    elif sensor in LIMITS:
        LIMITS[sensor](market)
    market.host.advance(12)


def _lose(market):
    """An account that owes 4 % of what the vault has: its collateral, DAI, pays half of that."""
    market.price("DAI", Fraction(4, 10))
    receipt = market.liquidate("WETH", "DAI", account=market.account(LOST))
    assert receipt.event("Liquidate").bad_debt > market.assets["WETH"].vault.totalAssets() // 100
    market.price("DAI", 1)


def _end(market):
    market.configurator.wind_down_vault(market.assets["WETH"].vault, sender=market.owner)


def _limited(market, **limit):
    weth = market.assets["WETH"]
    market.set_vault("WETH", limit_floor=1_000 * weth.unit)
    market.set_vault("WETH", **limit)
    return weth.vault


def _flow_out(market):
    vault, me = _limited(market, outflow_limit=1), market.lender
    vault.withdraw(vault.limits()[0], me, me, sender=me)


def _grow_debt(market):
    vault, me = _limited(market, growth_limit=1), market.borrower
    lent = vault.limits()[1]
    market.engine.borrow(market.account(LARGE), market.assets["WETH"], lent, me, sender=me)


def _grow_exposure(market):
    weth, owner = market.assets["WETH"], market.owner
    market.configurator.set_cap(weth, 10_000 * weth.unit, sender=owner)
    # a first limit on a day on which something moved leaves no room at all
    market.host.advance(DAY - market.host.now % DAY)
    market.refresh()
    market.configurator.set_growth(weth, 1, sender=owner)
    room = market.lens.collateral(weth).room
    market.engine.deposit_collateral(market.account(LARGE), weth, room, sender=market.borrower)


def _flood(market):
    """An hour takes what one of the two accounts has to give."""
    pair = market.assets["WBTC"], market.assets["WETH"]
    seized = market.lens.preview_liquidate(market.account(WEAK), *pair, 2**256 - 1).seized
    market.configurator.set_depth(pair[1], seized * 101 // 100, sender=market.owner)
    market.liquidate("WBTC", "WETH", account=market.account(ALSO_WEAK))


LIMITS = {
    "BAD_DEBT": _lose,
    "END OF THE VAULT": _end,
    "OUTFLOW": _flow_out,
    "DEBT_GROWTH": _grow_debt,
    "EXPOSURE_GROWTH": _grow_exposure,
    "FLOOD": _flood,
}


# ---------------------------------------------------------------- what is done


def _batch(market):
    """Pays more than it takes: by the second clause, it passes at CAUTION."""
    account, weth, usdc = market.account(SAFER), market.assets["WETH"], market.assets["USDC"]
    legs = [
        market.leg(REPAY, "USDC", 5_000 * usdc.unit, account),
        market.leg(WITHDRAW, "WETH", weth.unit, account),
    ]
    market.engine.batch(legs, b"", sender=market.borrower)


def _batch_that_borrows(market):
    """Pays more than it borrows: by the second clause, too."""
    account, weth = market.account(WETH_ON_DAI), market.assets["WETH"]
    legs = [
        market.leg(BORROW, "WETH", weth.unit, account),
        market.leg(REPAY, "WETH", 2 * weth.unit, account),
    ]
    market.engine.batch(legs, b"", sender=market.borrower)


def _lend(market, action):
    """What lenders do, and stakers."""
    weth, lender = market.assets["WETH"], market.lender
    vault, fund, unit = weth.vault, weth.fund, weth.unit
    if action == "deposit as lender":
        vault.deposit(unit, lender, sender=lender)
    elif action == "withdraw as lender":
        vault.withdraw(unit, lender, lender, sender=lender)
    elif action == "transfer shares":
        vault.transfer(market.other, unit, sender=lender)
    elif action == "enter the fund":
        fund.deposit(10**6 * unit, lender, sender=lender)
    elif action == "ask to leave the fund":
        fund.request_exit(unit, sender=lender)
    elif action == "leave the fund":
        fund.redeem(10**6 * unit, lender, lender, sender=lender)
    else:
        _flash(market)


def _act(market, action):
    weth = market.assets["WETH"]
    engine, me, unit = market.engine, market.borrower, weth.unit
    if action == "repay":
        engine.repay(market.account(WETH_ON_DAI), weth, unit, sender=me)
    elif action == "add what is held":
        engine.deposit_collateral(market.account(), weth, unit, sender=me)
    elif action == "bring what is new":
        engine.deposit_collateral(market.account(EMPTY), weth, unit, sender=me)
    elif action == "borrow":
        engine.borrow(market.account(WETH_ON_DAI), weth, unit, me, sender=me)
    elif action == "borrow against it":
        market.borrow("USDC", 1_000)
    elif action == "withdraw with debt":
        engine.withdraw_collateral(market.account(), weth, unit, me, sender=me)
    elif action == "move with debt":
        accounts = market.account(), market.account(DEBT_FREE)
        engine.move_collateral(*accounts, weth, unit, sender=me)
    elif action == "withdraw without debt":
        engine.withdraw_collateral(market.account(DEBT_FREE), weth, unit, me, sender=me)
    elif action == "move without debt":
        accounts = market.account(DEBT_FREE), market.account()
        engine.move_collateral(*accounts, weth, unit, sender=me)
    elif action == "batch that is safer":
        _batch(market)
    elif action == "batch that is safer and borrows":
        _batch_that_borrows(market)
    elif action == "liquidate":
        market.liquidate("WBTC", "WETH", account=market.account(WEAK))
    else:
        _lend(market, action)


def _flash(market):
    weth, host = market.assets["WETH"], market.host
    args = [weth.vault.address, 2**256 - 1]
    approve = interface_of("TokenMock").function("approve", 2).encode(args)
    host.transact(
        market.flash_borrower, "FlashBorrowerMock", "execute", [weth.address, approve],
        sender=market.other,
    )  # fmt: skip
    weth.vault.flashLoan(market.flash_borrower, weth, weth.unit, b"", sender=market.other)


def _expected(action, sensor):
    asset, vault, has_price = LEVELS[sensor]
    if action in REFUSED_BESIDES.get(sensor, ()):
        return "no"
    if action in LENDERS_TABLE:
        return LENDERS_TABLE[action][vault]
    return TABLE[action][asset if has_price else 4]


@pytest.mark.parametrize("sensor", LEVELS)
def test_levels__of_each_sensor(market, sensor):
    _trip(market, sensor)
    weth = market.assets["WETH"]
    asset, vault, has_price = LEVELS[sensor]
    assert market.breaker.level_of(weth) == (asset if asset != WIND_DOWN else 0)
    assert weth.vault.level() == vault
    quote = market.risk.quote(weth)
    assert quote.level == asset
    assert (quote.price != 0) == has_price
    # the other assets are not touched
    assert market.risk.quote(market.assets["USDC"]).level == 0
    assert market.assets["USDC"].vault.level() == 0


@pytest.mark.parametrize("sensor", LEVELS)
@pytest.mark.parametrize("action", [*TABLE, *LENDERS_TABLE])
def test_action(market, action, sensor):
    _trip(market, sensor)
    answer, reason = "yes", None
    try:
        _act(market, action)
    except Reverted as reverted:
        answer, reason = "no", reverted.reason
    assert answer == _expected(action, sensor), reason
    assert reason is None or reason in REASONS


@pytest.mark.parametrize("sensor", [one for one in LEVELS if one != "NONE" and one not in LASTING])
def test_levels__end_by_themselves(market, sensor):
    """Whatever tripped, the day after its cause is over all is as before."""
    _trip(market, sensor)
    market.host.advance(DAY)
    market.refresh()
    for action in (*TABLE, *LENDERS_TABLE):
        start = market.host.snapshot()
        _act(market, action)
        market.host.restore(start)


@pytest.mark.parametrize("sensor", ["NONE", "GUARDIAN, CAUTION", "BAD_DEBT"])
def test_withdraw_as_lender__within_the_limit_or_half_of_it(market, sensor):
    vault, me = _limited(market, outflow_limit=1), market.lender
    normal, cash = vault.maxWithdraw(me), vault.cash()
    assert normal == pytest.approx(1_000 * WAD, rel=1e-3)
    _trip(market, sensor)
    most = vault.maxWithdraw(me)
    assert vault.level() == (0 if sensor == "NONE" else CAUTION)
    # what came in may leave besides; cash keeps 16 bits
    came = vault.cash() - cash
    assert most - came == pytest.approx(normal // (1 + vault.level()), rel=1e-2)
    with refuses("outflow limit is reached"):
        vault.withdraw(most + 1, me, me, sender=me)
    vault.withdraw(most, me, me, sender=me)


@pytest.mark.parametrize("sensor", [one for one in LEVELS if one.startswith(("HOLD", "OUTAGE"))])
def test_liquidate__in_the_grace_only_below_95(market, sensor):
    """The account's health is 0.92."""
    _trip(market, sensor)
    market.price("WBTC", 60_000)
    if sensor.endswith("after it"):
        _act(market, "liquidate")
        return
    with pytest.raises(Reverted) as caught:
        _act(market, "liquidate")
    assert caught.value.reason in REASONS


def test_limits__what_passes_them(market):
    """A limit keeps nobody in danger: who is below maintenance tops up above that of growth, twice
    the least debt is liquidated in a full hour, and what is paid back may be lent again.
    """
    weth, me = market.assets["WETH"], market.borrower
    start = market.host.snapshot()
    _trip(market, "EXPOSURE_GROWTH")
    market.engine.deposit_collateral(market.account(WEAK), weth, weth.unit // 4, sender=me)
    market.host.restore(start)
    start = market.host.snapshot()
    _trip(market, "FLOOD")
    least = market.engine.debt_of(market.assets["WBTC"])[2]
    market.liquidate("WBTC", "WETH", 2 * least, account=market.account(WEAK))
    market.host.restore(start)
    for sensor in ("OUTFLOW", "DEBT_GROWTH"):
        start = market.host.snapshot()
        _trip(market, sensor)
        market.engine.repay(market.account(WETH_ON_DAI), weth, 2 * weth.unit, sender=me)
        _act(market, "borrow")
        market.host.restore(start)
