"""What `ape run` says when a contract refuses: a sentence for every reason, and its numbers."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from breakwater import actions, deploy, markets
from breakwater.actions import Session
from breakwater.actions.refusals import Attempt
from breakwater.addresses import AddressBook
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.host import Reverted

UNIT = Path(__file__).resolve().parents[1]

# ------------------------------------------------------------------------------ every reason

FEEDS = "what a feed says when it is made, which market files are checked for, or to its publisher"
MADE = "what a contract says when it is made or connected: `breakwater deploy` hands it what is so"
RANGES = "ranges of a listing or a vault, which market files are checked for"
INSIDE = "between our own contracts"
NOT_CALLED = "of what no command calls"

NOT_MET = {
    FEEDS: {
        "a fixed price does not grow", "average is not valid", "band is out of range",
        "base has no code", "base is not valid", "base needs too much gas",
        "bounds are out of order", "feed has no code", "feeds need too much gas",
        "growth is out of range", "half-life is out of range", "half-life is too short",
        "index is out of range", "liquidity is out of range", "market has no code",
        "market is apart from the base", "market is not valid", "market is the base",
        "max age is out of range", "no such source", "no sources", "not the publisher",
        "one max age for each source", "pool has no such token", "pool has too few observations",
        "pool of two has no such coin", "pool scales its coins", "price is zero",
        "price rises too fast", "quorum is out of range", "rate is not valid",
        "source has no code", "source has too many decimals", "source is listed twice",
        "too few decimals", "too many decimals", "window is out of range",
    },
    MADE: {
        "asset has no code", "blend feed has no code", "breaker is zero", "configurator is zero",
        "credit engine has no code", "engine has no code", "factory has no code", "owner is zero",
        "pool has no code", "risk engine has no code", "vault has no code",
    },
    RANGES: {
        "debt_weight out of range", "flash fee out of range", "incentive out of range",
        "incentive_slope out of range", "initial rate out of range", "jump_band out of range",
        "max_age out of range", "max_leverage out of range", "reserve factor out of range",
        "speed out of range", "steepness out of range", "target out of range",
        "target_health out of range", "target_slope out of range", "volatility_ref out of range",
        "volatility_slope out of range",
    },
    INSIDE: {
        "caller is not configurator", "caller is not the engine", "caller is not the pool",
        "more than is owed", "one reason at a time", "reverted without a reason",
        "unknown action", "unknown kind", "unknown condition", "action is not explained",
        "permit of another token", "pool asks for too much",
    },
    NOT_CALLED: {
        "collateral takes a fee", "flash callback failed", "permit has expired",
        "proceeds do not cover the debt", "profit is too low", "token is not lent",
    },
}  # fmt: skip
"""Reasons without a sentence, by why nobody who uses the commands meets them."""

FOREIGN = {
    "locked",
    "ownable: caller is not the owner",
    "access_control: account is missing role",
    "timelock_controller: operation is not ready",
    "timelock_controller: operation already scheduled",
    "timelock_controller: insufficient delay",
    "timelock_controller: operation cannot be cancelled",
    "timelock_controller: missing dependency",
    "timelock_controller: underlying transaction reverted",
}
"""Of snekmate's modules, or of one word."""


def every_reason() -> set[str]:
    """Of all contracts but mocks."""
    spec = importlib.util.spec_from_file_location("reasons", UNIT / "test_reasons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {one for path in module.FILES.values() for one in module.reasons(path.read_text())}


def test_sentences__every_reason_or_why_not():
    known, exempt = set(actions.SENTENCES), set().union(*NOT_MET.values())
    found = every_reason()
    assert not found - known - exempt
    assert not exempt - found, "exempt, and in no contract"
    assert not exempt & known, "exempt, and with a sentence"
    assert not known - found - FOREIGN - {"", "halt"}, "a sentence for no reason"


def test_sentences__of_snekmate_are_of_its_sources():
    import snekmate

    texts = "".join(path.read_text() for path in Path(snekmate.__path__[0]).rglob("*.vy"))
    assert all(f'"{reason}"' in texts for reason in FOREIGN - {"locked"})


@pytest.mark.parametrize("reason", sorted(actions.SENTENCES))
def test_sentences__are_sentences(reason):
    said = actions.SENTENCES[reason]
    assert said[0].isupper() or said.startswith("liquidation_ltv") or "ltv" in said.split()[0]
    assert said.endswith(".")
    assert "  " not in said


# ------------------------------------------------------------------------------ numbers


@pytest.fixture(scope="module")
def deployed() -> tuple[Session, int]:
    host, market = EvmHost(), markets.load()
    book = AddressBook.open(None, host, market.name)
    protocol = deploy.deploy(host, market, book)
    deploy.fund_accounts(protocol, book)
    lender = Session(host, market, protocol, protocol.accounts["lender"])
    actions.supply(lender, "1000000 USDC")
    actions.supply(lender, "1000 WETH")
    return lender, host.snapshot()


@pytest.fixture
def session(deployed: tuple[Session, int]) -> Callable[[str], Session]:
    """A session of a labelled account, where USDC and WETH are lent."""
    first, start = deployed
    first.host.restore(start)

    def of(label: str) -> Session:
        return Session(first.host, first.market, first.protocol, first.protocol.accounts[label])

    return of


def refused(act: Callable[..., None], *arguments: object) -> str:
    with pytest.raises(UserError) as error:
        act(*arguments)
    return str(error.value)


def test_borrow__the_most_that_works(session):
    said = refused(actions.borrow, session("borrower"), "2500 USDC", ["1 WETH"], 0)
    # 3000 · 0.83 ÷ 2500 and 3000 · 0.8 ÷ 2500, and 3000 · 0.8
    assert "Health factor would be 0.99, initial margin 0.96 of 1" in said
    assert said.endswith("borrow at most 2,400.00 USDC.")
    actions.borrow(session("borrower"), "2399.99 USDC", ["1 WETH"], 0)


def test_borrow__max_is_what_works(session, capsys):
    actions.borrow(session("borrower"), "max USDC", ["1 WETH"], 0)
    assert "borrow 2,399.76 USDC, add 1 WETH, as borrower" in capsys.readouterr().out


def test_borrow__leverage(session):
    # 80 % of borrow_ltv allows 5 x, and WBTC as debt has a cap of 4 x
    lender, borrower = session("lender"), session("borrower")
    actions.supply(lender, "50 WBTC")
    said = refused(actions.borrow, borrower, "0.038 WBTC", ["1 WETH"], 0)
    assert "That would raise the account's leverage above the cap" in said
    assert re.search(r"leverage 4\.16 x of at most 4\.00 x: borrow at most 0\.0375", said)
    actions.borrow(borrower, "0.0375 WBTC", ["1 WETH"], 0)


def test_borrow__least_debt_is_more_than_the_most(session):
    said = refused(actions.borrow, session("borrower"), "200 USDC", ["0.01 WETH"], 0)
    assert said.endswith("not even the least debt of 99.99 USDC can be borrowed.")


def test_borrow__halted_collateral_counts_nothing(session):
    actions.breaker_trip(session("guardian"), "WBTC", "halt", "2 h")
    said = refused(actions.borrow, session("borrower"), "100 USDC", ["1 WBTC"], 0)
    assert "borrow at most 0 USDC" in said or "not even the least debt" in said
    assert "WBTC counts nothing as collateral. WBTC is at level HALT: HALT by guardian" in said


def test_borrow__growth_of_debt(session, monkeypatch):
    borrower = session("borrower")
    actions.borrow(borrower, "", ["100 WETH", "5 WBTC"], 0)
    lens = borrower.protocol.lens
    said = actions.refusal(
        borrower, Reverted("debt growth limit is reached"), Attempt(symbol="USDC")
    )
    assert "The vault of USDC has 1,001,000.00 USDC of cash, of which 1,001,000.00 USDC" in said
    assert "the next window begins in" in said
    assert lens.vault(borrower.token("USDC")).cash == 1_001_000 * 10**6


def test_take_out__the_most_that_works(session):
    borrower = session("borrower")
    actions.borrow(borrower, "2000 USDC", ["1 WETH"], 0)
    said = refused(actions.repay, borrower, "", ["0.5 WETH"], 0)
    # (1 − 2000 ÷ (3000 · 0.8))
    assert said.endswith("take out at most 0.166666 WETH.")
    assert "holds 1 WETH" in refused(actions.repay, borrower, "", ["2 WETH"], 0)
    assert "holds 0 WBTC" in refused(actions.repay, borrower, "", ["2 WBTC"], 0)
    actions.repay(borrower, "", ["max WETH"], 0)
    left = borrower.protocol.lens.account(Attempt().account or bytes.fromhex(
        borrower.sender[2:]) + bytes(12)).legs  # fmt: skip
    assert 0.8333 * 10**18 < left[0].amount < 0.8335 * 10**18


def test_add__cap_of_the_collateral(session):
    borrower = session("borrower")
    token = borrower.token("WETH")
    token.mint(borrower.sender, 60_000 * 10**18, sender=borrower.sender)
    said = refused(actions.borrow, borrower, "", ["55000 WETH"], 0)
    assert "The cap on this collateral is reached. At most 49,999.899811 WETH may be added" in said
    assert "0 WETH are held of a cap of 49,999.899811 WETH." in said


def test_account_of_another__says_which_grant(session):
    actions.borrow(session("borrower"), "2000 USDC", ["1 WETH"], 0)
    other = session("liquidator")
    said = refused(actions.borrow, other, "100 USDC", [], 0, "borrower")
    assert "The account is borrower (0x90F79b…)'s, and this is liquidator" in said
    assert "`ape run operator grant liquidator --number 0 --account borrower` grants." in said
    owner = session("borrower")
    actions.operator_grant(owner, "liquidator", "500 USDC", ["borrow"], "1 days", 0)
    actions.borrow(other, "100 USDC", [], 0, "borrower")
    assert "A grant leaves 400.00 USDC" in refused(
        actions.borrow, other, "401 USDC", [], 0, "borrower"
    )
    owner.host.advance(86_500)
    assert "A grant for USDC expired" in refused(
        actions.borrow, other, "100 USDC", [], 0, "borrower"
    )
    actions.operator_revoke(owner, "liquidator", "", 0)
    assert "may do nothing" in refused(actions.operator_revoke, owner, "liquidator", "", 0)


def test_prices__what_is_wrong_and_for_how_long(session):
    borrower = session("borrower")
    actions.borrow(borrower, "2000 USDC", ["2 WETH"], 0)
    actions.set_price(session("lender"), "WETH", "2700", "")
    said = refused(actions.borrow, borrower, "100 WETH", [], 1)
    assert "no new risk with it until the average has caught up. WETH is at 2,700.00 USD" in said
    attempt = Attempt(symbol="WETH")
    said = actions.refusal(borrower, Reverted("price is in a jump"), attempt)
    assert "WETH is at 2,700.00 USD, 10.0 % from its average of 3,000.00 USD" in said
    assert "5.0 % is the most" in said
    # 2700 s · ln(0.1111 ÷ 0.0526), in whole minutes
    assert "at that price, poked now and then, it lasts about 34 min more" in said
    borrower.host.advance(2 * 3_600)
    said = actions.refusal(borrower, Reverted("price is stale"), attempt)
    assert "WETH has no price that is recent enough." in said


def test_prices__a_jump_ends_when_it_says(session):
    """The average is within its band after the minutes that are told, and not much before."""
    borrower = session("borrower")
    actions.set_price(session("lender"), "WETH", "2700", "")
    host, protocol = borrower.host, borrower.protocol
    statuses = []
    for _ in range(36):
        statuses.append(protocol.lens.quote(borrower.token("WETH")).status)
        host.advance(60)
        protocol.poke(sender=borrower.sender)
    assert statuses == [1] * 34 + [0] * 2


def test_liquidate__healthy_says_the_price(session):
    actions.borrow(session("borrower"), "2000 USDC", ["1 WETH"], 0)
    said = refused(actions.liquidate, session("liquidator"), "borrower", 0, "USDC", "WETH")
    assert "Its health factor is 1.24" in said
    assert "liquidation begins below 1: WETH at 2,409.6" in said


def test_liquidate__a_jump_under_water_says_when(session):
    actions.borrow(session("borrower"), "2000 USDC", ["1 WETH"], 0)
    actions.set_price(session("lender"), "WETH", "1500", "")
    said = refused(actions.liquidate, session("liquidator"), "borrower", 0, "USDC", "WETH")
    assert said.startswith("The account is under water only at a price that jumped")
    assert "The jump of WETH was first seen" in said
    assert "in 10 min, pokes going on." in said or "in 9 min" in said


def test_liquidate__held_says_how_long(session):
    actions.borrow(session("borrower"), "2000 USDC", ["1 WETH"], 0)
    actions.set_price(session("lender"), "WETH", "2300", "")
    actions.breaker_hold(session("guardian"), "WETH", "4 h")
    said = refused(actions.liquidate, session("liquidator"), "borrower", 0, "USDC", "WETH")
    assert said.endswith("WETH: liquidations are held for 4 h more.")
    said = refused(actions.breaker_hold, session("guardian"), "WETH", "4 h")
    assert (
        said == "Liquidations that rest on an asset are held once in 7 days. WETH again in 7 days."
    )


def test_fund__a_ticket_says_when(session):
    staker = session("lender")
    actions.fund_stake(staker, "1000 USDC")
    assert "There is no ticket" in refused(actions.fund_cancel, staker, "USDC")
    said = refused(actions.fund_unstake, staker, "max USDC")
    assert "leave the fund with a ticket only" in said or "There is no ticket" in said
    actions.fund_exit(staker, "max USDC")
    said = refused(actions.fund_unstake, staker, "max USDC")
    assert said == "The ticket is not usable yet. It is usable in 20 days, for 2 days."
    staker.host.advance(20 * 86_400)
    actions.fund_unstake(staker, "400 USDC")
    staker.host.advance(3 * 86_400)
    said = refused(actions.fund_unstake, staker, "max USDC")
    assert said.startswith("The ticket has lapsed")
    assert said.endswith("It lapsed 1 day ago.")


def test_backstop__what_waits_and_what_there_is(session):
    lender = session("lender")
    said = refused(actions.backstop_withdraw, lender, "max USDC")
    assert said.endswith("has no cash in the pool")
    actions.backstop_deposit(lender, "500 USDC")
    said = refused(actions.backstop_cancel, lender, "501 USDC")
    assert "0 USDC are in the pool and 500.00 USDC wait to join it." in said
    lender.host.advance(2 * 3_600)
    said = refused(actions.backstop_withdraw, lender, "501 USDC")
    assert "500.00 USDC are in the pool" in said
    actions.backstop_withdraw(lender, "max USDC")
    assert "none of that collateral" in refused(actions.backstop_claim, lender, "USDC", "WETH")
    assert "WETH has no backstop pool here: USDC" in refused(actions.backstop_show, lender, "WETH")


def test_breaker__levels_of_the_guardian(session):
    guardian = session("guardian")
    actions.breaker_trip(guardian, "WETH", "halt", "2 h")
    said = refused(actions.breaker_trip, guardian, "WETH", "caution", "4 h")
    assert "holds a higher level already" in said
    said = actions.refusal(session("lender"), Reverted("caller is not guardian"))
    assert said.endswith("add --account guardian.")


def test_withdraw__max_is_what_the_vault_pays(session, capsys):
    lender = session("lender")
    actions.borrow(session("borrower"), "100000 USDC", ["100 WETH"], 0)
    capsys.readouterr()
    actions.withdraw(lender, "max USDC")
    assert capsys.readouterr().out.startswith("withdraw 901,000 USDC, as lender")
