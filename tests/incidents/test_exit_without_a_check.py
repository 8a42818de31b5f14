"""A way out of an account that nobody checked: Euler, March 2023, 197 million dollars; Platypus,
February 2023, 8.5 million.

Euler had a function that gave collateral away, to the reserves, and looked at no debt: the account
was insolvent by its own hand, and another of the attacker's liquidated it at a discount. Platypus'
emergency exit asked whether the account was solvent and returned all of its collateral; it was,
with the collateral still in.
"""

import pytest

from breakwater.host import Reverted, interface_of
from tests.incidents.ledger import Ledger, bug, joined, put, stripped, take
from tests.market import BORROW, DEPOSIT, MOVE, WITHDRAW, refuses

ENGINE = "contracts/CreditEngine.vy"

UNCHECKED = joined(
    "exits_unchecked",
    bug(
        "moves_unchecked",
        "Collateral moves to another account of the owner whatever is owed.",
        "CreditEngine",
        ENGINE,
        (
            "        assert staticcall register.RISK_ENGINE"
            ".check_initial(register._position(after), id)\n"
            "    log ICreditEngine.MoveCollateral("
            "source=source, target=target, asset=asset, amount=moved)\n",
            "        pass\n"
            "    log ICreditEngine.MoveCollateral("
            "source=source, target=target, asset=asset, amount=moved)\n",
        ),
    ),
    bug(
        "withdrawal_checked_before",
        "A withdrawal asks for the margin of the account as it was before it.",
        "CreditEngine",
        ENGINE,
        (
            "        assert staticcall register.RISK_ENGINE"
            ".check_initial(register._position(after), id)\n"
            "    log ICreditEngine.WithdrawCollateral(\n",
            "        assert staticcall register.RISK_ENGINE"
            ".check_initial(register._position(words), id)\n"
            "    log ICreditEngine.WithdrawCollateral(\n",
        ),
    ),
)


@pytest.fixture
def indebted(new_market):
    """100 WETH, worth 200,000 dollars, and 150,000 dollars of debt."""

    def make():
        market = new_market()
        me = market.other
        market.give("WETH", me, 100 * 10**18)
        account = put(market, me, "WETH", 100)
        take(market, me, "USDC", 150_000)
        market.host.advance(12)
        return market, account

    return make


def give_away(market, account, whole=100):
    weth, target = market.assets["WETH"], market.account(1, market.other)
    amount = weth.units(whole)
    market.engine.move_collateral(account, target, weth, amount, sender=market.other)
    market.engine.withdraw_collateral(target, weth, amount, market.other, sender=market.other)


def leave(market, account, whole=100):
    weth = market.assets["WETH"]
    market.engine.withdraw_collateral(
        account, weth, weth.units(whole), market.other, sender=market.other
    )


@pytest.mark.parametrize("way", [give_away, leave])
def test_way_out_is_open(indebted, way):
    """As it was: all of the collateral comes back, and all of the loan is kept."""
    with stripped(UNCHECKED):
        market, account = indebted()
    ledger, me = Ledger(market), market.other
    before, lent = ledger.worth(me, account), ledger.lenders(account)
    way(market, account)
    assert ledger.worth(me, account) - before == pytest.approx(150_000)
    assert ledger.lenders(account) - lent == pytest.approx(-150_000)


@pytest.mark.parametrize("way", [give_away, leave])
def test_what_stays_carries_the_debt(indebted, way):
    """150,000 need 187,500 at 80 %: 6.25 WETH may leave, by either way, and no more."""
    market, account = indebted()
    for whole in (100, "6.26"):
        with refuses("initial margin is not met"):
            way(market, account, whole)
    way(market, account, "6.24")
    assert market.tokens("WETH", market.other) == 624 * 10**16


def test_every_function_leaves_a_margin(indebted):
    """Each function of the engine that changes anything, called by the owner with all that could
    lower his account: it is refused, or the account still carries its debt.
    """
    market, account = indebted()
    me, weth, usdc = market.other, market.assets["WETH"], market.assets["USDC"]
    spare = market.account(1, me)
    everything = 2**256 - 1
    market.give("WETH", me, 10)
    market.give("USDC", me, 10**6)
    leg = [
        market.leg(action, name, amount, account, receiver=me, other=spare)
        for action, name, amount in (
            (WITHDRAW, "WETH", everything), (MOVE, "WETH", everything), (BORROW, "USDC", 10**10),
            (DEPOSIT, "WETH", 1),
        )
    ]  # fmt: skip
    tried = {
        "deposit_collateral": [(account, weth.address, 1)],
        "withdraw_collateral": [(account, weth.address, n, me) for n in (everything, 10**20)],
        "move_collateral": [(account, spare, weth.address, n) for n in (everything, 10**20)],
        "borrow": [(account, usdc.address, 10**10, me)],
        "repay": [(account, usdc.address, 10**6)],
        "liquidate": [
            (account, usdc.address, weth.address, everything, 0, me, credit, b"")
            for credit in (bytes(32), spare)
        ],
        "batch": [([one], b"") for one in leg] + [([leg[1], leg[3]], b"")],
        "set_operator": [(account, me, weth.address, 63, everything, 2**40)],
    }
    others = {
        *("transfer_ownership", "list_collateral", "set_cap", "set_growth", "set_depth"),
        *("list_debt", "set_min_debt", "end_collateral"),
        *("set_operator_by_signature", "cancel_nonce"),
    }
    functions = [f for f in interface_of("CreditEngine").functions.values() if not f.reads_only]
    assert {function.name for function in functions} == set(tried) | others
    start = market.host.snapshot()
    refused = 0
    for name, calls in tried.items():
        for args in calls:
            try:
                market.host.transact(market.engine.address, "CreditEngine", name, args, sender=me)
            except Reverted:
                refused += 1
            position = market.engine.position_of(account)
            assert market.risk.check_initial(position, weth.id), name
            market.host.restore(start)
    assert refused == 11
