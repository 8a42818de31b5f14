"""What the `ape run` commands say when a breaker is in the way, on the chain in process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from breakwater import actions, deploy, markets
from breakwater.actions import Session, figures, margin
from breakwater.addresses import AddressBook
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.host import Reverted
from breakwater.units import account_id


@pytest.fixture(scope="module")
def deployed() -> tuple[Session, int]:
    host, market = EvmHost(), markets.load()
    book = AddressBook.open(None, host, market.name)
    protocol = deploy.deploy(host, market, book)
    deploy.fund_accounts(protocol, book)
    return Session(host, market, protocol, ""), host.snapshot()


@pytest.fixture
def session(deployed: tuple[Session, int]) -> Callable[[str], Session]:
    """A session of a labelled account, on a chain as it was deployed."""
    first, start = deployed
    first.host.restore(start)

    def of(label: str) -> Session:
        return Session(first.host, first.market, first.protocol, first.protocol.accounts[label])

    return of


@pytest.mark.parametrize(
    ("level", "says"),
    [
        (
            "caution",
            "nothing can be borrowed from it. Lending, repaying, and withdrawing half of what it",
        ),
        ("halt", "borrowed from it, lent to it or withdrawn from it. Repaying works."),
    ],
)
def test_borrow__says_what_is_impossible_and_until_when(session, level, says):
    actions.supply(session("lender"), "10000 USDC")
    actions.breaker_trip(session("guardian"), "usdc", level, "2 h")
    with pytest.raises(UserError) as error:
        actions.borrow(session("borrower"), "1000 USDC", ["1 WETH"], 0)
    said = str(error.value)
    assert says in said
    name = level.upper()
    assert f"USDC is at level {name}: {name} by guardian for 2 h more." in said
    assert said.endswith("The guardian lifts what it raised early: `ape run breaker reset`.")
    assert "for now" not in said


def test_supply__to_a_halted_vault(session):
    actions.breaker_trip(session("guardian"), "USDC", "halt", "2 h")
    with pytest.raises(UserError, match=r"lent to it.* HALT by guardian for 2 h more"):
        actions.supply(session("lender"), "10000 USDC")


def test_withdraw__says_what_binds(session):
    lender = session("lender")
    actions.supply(lender, "4000000 USDC")
    lender.host.advance(12 * 3_600)
    with pytest.raises(UserError, match=r"now: no more may leave.* 4 hours, the next begins in"):
        actions.withdraw(lender, "all USDC")
    with pytest.raises(UserError, match=r"now: no more may leave.* 4 hours, the next begins in"):
        actions.withdraw(lender, "3900000 USDC")
    actions.breaker_trip(session("guardian"), "USDC", "halt", "2 h")
    with pytest.raises(UserError, match=r"withdrawn from it.* HALT by guardian for 2 h more"):
        actions.withdraw(lender, "1 USDC")


def test_refusal__a_level_that_a_price_makes(session):
    borrower = session("borrower")
    borrower.host.advance(5 * 3_600)  # every price is stale by then, and nothing is latched yet
    said = actions.refusal(borrower, Reverted("asset is halted"))
    assert "WETH is at level HALT: its price is stale." in said
    assert actions.refusal(borrower, Reverted("not enough cash")).endswith("the rest is on loan.")


@pytest.mark.parametrize(
    "act", [actions.breaker_reset, lambda *of: actions.breaker_trip(*of, "halt", "2 h")]
)
def test_breaker__of_an_asset_that_the_chain_does_not_list(session, act, monkeypatch):
    guardian = session("guardian")
    tokens = guardian.protocol.tokens
    monkeypatch.setitem(tokens, "WETH", guardian.protocol.breaker)  # any contract but the token
    with pytest.raises(UserError, match="WETH is not listed on this chain"):
        act(guardian, "WETH")


def test_breaker_reset__of_a_listed_one(session, capsys):
    guardian = session("guardian")
    actions.breaker_trip(guardian, "WETH", "halt", "2 h")
    actions.breaker_reset(guardian, "WETH")
    assert "lifted 1 latch of WETH\nWETH: level NORMAL\n" in capsys.readouterr().out


def test_breaker_hold__begins_ends_and_is_told(session, capsys):
    guardian = session("guardian")
    actions.breaker_hold(guardian, "weth", "4 h")
    assert capsys.readouterr().out == "liquidations that rest on WETH are held for 4 h\n"
    actions.breaker_status(guardian)
    assert "; liquidations are held for 4 h more" in capsys.readouterr().out
    actions.breaker_hold(guardian, "WETH", "")
    actions.breaker_status(guardian)
    said = capsys.readouterr().out
    assert said.startswith("liquidations that rest on WETH are held no more")
    assert "; grace after a hold for 1 h more" in said
    guardian.host.advance(3_600)
    actions.breaker_status(guardian)
    assert "hold" not in capsys.readouterr().out.partition("\n")[2]


def test_breaker_hold__is_the_guardians(session):
    with pytest.raises(UserError, match="only the guardian"):
        actions.breaker_hold(session("lender"), "WETH", "4 h")


def test_level_line__of_a_settled_asset(session, monkeypatch):
    borrower = session("borrower")
    lens = borrower.protocol.lens
    quote = lens.quote(borrower.protocol.tokens["WETH"])._replace(level=3)
    monkeypatch.setattr(type(lens), "quote", lambda _, token: quote)
    said = actions.refusal(borrower, Reverted("asset is halted"))
    assert "WETH is at level WIND-DOWN: it has its settlement price for good." in said


def test_table__what_is_new_stands_where_it_comes():
    before = {"holds WETH": "1 WETH", "health factor": "no debt"}
    after = {"holds WETH": "2 WETH", "owes USDC": "5 USDC", "health factor": "1.2"}
    assert figures.table(before, after) == [
        "                before   after",
        "holds WETH      1 WETH  2 WETH",
        "owes USDC            -  5 USDC",
        "health factor  no debt     1.2",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59, "59 s"), (3_600, "1 h"), (7_384, "2 h 3 min"), (90_061, "1 day 1 h")],
)
def test_span__two_units(seconds, text):
    assert figures.span(seconds) == text


def test_margin__packs_what_the_engine_gives(session):
    borrower = session("borrower")
    actions.supply(session("lender"), "10000 USDC")
    actions.borrow(borrower, "1000 USDC", ["1 WETH", "0.1 WBTC"], 0)
    words = borrower.protocol.credit_engine.position_of(account_id(borrower.sender))
    position = margin.unpack(words)
    assert sorted(position.values()) == sorted([10**18, 10**7, 1_000 * 10**6])
    found = borrower.protocol.risk_engine.health_of(margin.pack(position))
    assert found == borrower.protocol.risk_engine.health_of(words)


def test_liquidation_prices__of_a_debt(session):
    """Short ether: at the price that is told health is 1."""
    borrower = session("borrower")
    actions.supply(session("lender"), "100 WETH")
    actions.borrow(borrower, "1 WETH", ["6000 USDC"], 0)
    state = borrower.protocol.lens.account(account_id(borrower.sender))
    # 6000 · 0.8
    assert figures.liquidation_prices(borrower, state) == {
        "liquidation price of WETH": "4,800.00 USD"
    }


def test_next__names_the_account_that_was_acted_for(session, capsys):
    actions.borrow(session("borrower"), "", ["2 WETH"], 1)
    assert 'repay --withdraw "max WETH" --number 1 --account borrower\n' in capsys.readouterr().out
    actions.supply(session("lender"), "10000 USDC")
    actions.borrow(session("borrower"), "1000 USDC", [], 1)
    capsys.readouterr()
    actions.repay(session("lender"), "100 USDC", [], 1, "borrower")
    assert capsys.readouterr().out.endswith("ape run position borrower --number 1\n")
