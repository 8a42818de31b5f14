"""Tokens that do otherwise than the standard: Balancer's STA, June 2020, 0.5 million dollars, took
a part of each transfer; others return nothing, or false, refuse zero, take all where everything is
asked for, shrink by themselves, or change their mind later.

What arrived counts, where a listing says so; else a token that takes a part is refused as a debt
asset, and found by its balance as collateral. The loss of one that lies stays with those who
listed and hold it.
"""

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from breakwater.host import Reverted
from breakwater.mocks import OddTokenMock
from breakwater.units import MAX_UINT256, WAD
from tests.incidents.ledger import bug, stripped, take
from tests.market import refuses

ANSWER_IGNORED = bug(
    "answer_ignored",
    "A token's answer is not looked at.",
    "CreditEngine",
    "contracts/CreditEngine.vy",
    (
        "    if not extcall IERC20(asset).transferFrom("
        "msg.sender, self, amount, default_return_value=True):\n"
        '        legs._fail("token transfer failed")\n',
        "    said: bool = extcall IERC20(asset).transferFrom(\n"
        "        msg.sender, self, amount, default_return_value=True\n"
        "    )\n",
    ),
)
TAKES_A_HUNDREDTH = (1, 100, False, False)
SAYS_NO = (0, 0, False, False)
FRUGAL = (2, 0, False, True)
"""Returns nothing, and refuses zero."""


def odd(new_market, host, **options):
    """ODD is a dollar, collateral at 80 %."""
    token = OddTokenMock.deploy(host, "ODD", "ODD", 18, sender=host.account("owner"))
    listing = {"decimals": 18, "dollars": 1, "token": token, **options}
    return new_market(ODD=listing), token


def two_holders(market, token):
    """Two bring 1,000 each, and take out all they have; what each gets, or why not."""
    found = []
    people = (market.borrower, market.other)
    for who in people:
        market.give("ODD", who, 1_000 * WAD)
        market.engine.deposit_collateral(
            market.account(0, who), token, 1_000 * WAD, sender=who
        )  # fmt: skip
    for who in people:
        try:
            receipt = market.engine.withdraw_collateral(
                market.account(0, who), token, MAX_UINT256, who, sender=who
            )
            found.append(receipt.value / WAD)
        except Reverted as error:
            found.append(error.reason)
    return found


def test_what_was_sent_counts(new_market, host):
    """As it was: without the mark of a listing the first takes what the second brought."""
    market, token = odd(new_market, host)
    token.set_odds(*TAKES_A_HUNDREDTH, sender=market.owner)
    assert two_holders(market, token) == [1_000, "balance too low"]


def test_what_arrived_counts(new_market, host):
    """990 of 1,000, to each."""
    market, token = odd(new_market, host, takes_fee=True)
    token.set_odds(*TAKES_A_HUNDREDTH, sender=market.owner)
    assert two_holders(market, token) == [990, 990]


def test_no_vault_of_a_token_that_takes(host, new_market):
    """A vault is not opened: its books count what is sent."""
    token = OddTokenMock.deploy(host, "ODD", "ODD", 18, sender=host.account("owner"))
    token.set_odds(*TAKES_A_HUNDREDTH, sender=host.account("owner"))
    market = new_market(ODD={"decimals": 18, "dollars": 1, "token": token, "takes_fee": True})
    with refuses("token takes a fee"):
        market.add_vault("ODD", 0, 100)


@pytest.mark.parametrize("odds", [TAKES_A_HUNDREDTH, "shrinks"])
@pytest.mark.parametrize("side", ["collateral", "debt"])
def test_token_that_changes_its_mind(new_market, host, odds, side):
    """One that begins to take a part, or loses some, when it is listed: anybody shows that less is
    there than the books say, and that stops what would let the first one out at the last one's
    cost.
    """
    token = OddTokenMock.deploy(host, "ODD", "ODD", 18, sender=host.account("owner"))
    market = new_market(
        debts=("USDC", "ODD"), ODD={"decimals": 18, "dollars": 1, "token": token}, cash=10**6
    )
    asset = market.assets["ODD"]
    assert market.breaker.check_solvency(asset, sender=market.other).value == (0, 0, 0)
    if odds == "shrinks":
        market.deposit("ODD", 1_000)
        where = market.engine if side == "collateral" else asset.vault
        token.burn(where, 10 * WAD, sender=market.other)
    else:
        token.set_odds(*odds, sender=market.owner)
        if side == "collateral":
            market.deposit("ODD", 1_000)
        else:
            market.give("ODD", market.other, 1_000 * WAD)
            asset.vault.deposit(1_000 * WAD, market.other, sender=market.other)
    missing = market.breaker.check_solvency(asset, sender=market.other).value
    assert missing == ((10 * WAD, 0, 0) if side == "collateral" else (0, 10 * WAD, 0))
    with refuses("vault is halted"):
        asset.vault.withdraw(WAD, market.lender, market.lender, sender=market.lender)
    market.deposit("WETH", 1, market.account(1))
    with refuses("vault is halted"):
        take(market, market.borrower, "ODD", 100, 1)


def test_no_is_taken_for_yes(new_market, host):
    """As it was with tokens that answer false instead of reverting: collateral for nothing."""
    with stripped(ANSWER_IGNORED):
        market, token = odd(new_market, host)
    token.set_odds(*SAYS_NO, sender=market.owner)
    market.deposit("ODD", 10**6)
    assert market.tokens("ODD", market.engine.address) == 0
    market.borrow("USDC", 799_000)


def test_no_is_no(new_market, host):
    market, token = odd(new_market, host)
    token.set_odds(*SAYS_NO, sender=market.owner)
    with refuses("token transfer failed"):
        market.deposit("ODD", 10**6)


@pytest.mark.parametrize("side", ["collateral", "debt"])
def test_whole_life_of_a_token_that_says_nothing(new_market, host, side):
    """Nor is it ever asked to move zero: loan, interest, payment, both liquidations, exit."""
    token = OddTokenMock.deploy(host, "ODD", "ODD", 18, sender=host.account("owner"))
    token.set_odds(*FRUGAL, sender=host.account("owner"))
    market = new_market(
        debts=("USDC", "ODD"), ODD={"decimals": 18, "dollars": 1, "token": token}, min_debt=1
    )
    collateral, debt = ("ODD", "USDC") if side == "collateral" else ("WETH", "ODD")
    whole = 10_000 if side == "collateral" else 5
    for number in range(3):
        market.deposit(collateral, whole, market.account(number))
        market.borrow(debt, 7_500, market.account(number))
    market.host.advance(86_400)
    market.refresh()
    for dollars, number in ((0.9, 0), (0.5, 1), (0.00005, 2)):
        first = 1 if side == "collateral" else 2_000
        market.price(collateral, str(first * dollars))
        market.settle(collateral, rounds=60)
        market.liquidate(debt, collateral, account=market.account(number))
    assert market.assets[debt].vault.debt_assets() < 7_500 * market.assets[debt].unit
    market.give(debt, market.borrower, 10**4 * market.assets[debt].unit)
    if market.owed(debt):
        market.engine.repay(
            market.account(), market.assets[debt], MAX_UINT256, sender=market.borrower
        )
    if market.held(collateral):
        market.engine.withdraw_collateral(
            market.account(), market.assets[collateral], MAX_UINT256, market.borrower,
            sender=market.borrower,
        )  # fmt: skip
    assert market.legs() == []


def test_everything_that_is_asked_for(market):
    """Some tokens send all a holder has where 2^256 - 1 is asked for: no such amount comes in."""
    weth, usdc = market.assets["WETH"], market.assets["USDC"]
    market.give("WETH", market.borrower, WAD)
    with refuses("amount is too large"):
        market.engine.deposit_collateral(
            market.account(), weth, MAX_UINT256, sender=market.borrower
        )
    with refuses("amount is too large"):
        usdc.vault.deposit(MAX_UINT256, market.borrower, sender=market.borrower)


def test_token_that_grows(market):
    """One that grows by itself is a gift to nobody: no book counts it."""
    market.deposit("WETH", 10)
    weth = market.assets["WETH"]
    before = market.lens.account(market.account())
    for where in (market.engine, weth.vault):
        weth.token.mint(where, 10 * WAD, sender=market.other)
    assert market.lens.account(market.account()) == before
    assert market.breaker.check_solvency(weth, sender=market.other).value == (0, 0, 0)


def test_permit_that_somebody_sent_first(market):
    """A permit is spent by whoever sends it first, which takes nothing from its owner: the second
    one reverts, what was allowed is allowed, and the step after it goes on. We call none ourselves.
    """
    vault, host = market.assets["USDC"].vault, market.host
    key = Account.from_key("0x" + "11" * 32)
    host.fund(key.address)
    vault.transfer(key.address, 10**12, sender=market.lender)
    fields = ("owner", "spender", "value", "nonce", "deadline")
    types = ("address", "address", "uint256", "uint256", "uint256")
    values = (key.address, market.other, 10**12, 0, host.now + 100)
    message = encode_typed_data(
        {"name": vault.name(), "version": "1", "chainId": host.chain_id,
         "verifyingContract": vault.address},
        {"Permit": [{"name": n, "type": t} for n, t in zip(fields, types, strict=True)]},
        dict(zip(fields, values, strict=True)),
    )  # fmt: skip
    signed = key.sign_message(message)
    r, s = (value.to_bytes(32, "big") for value in (signed.r, signed.s))
    permit = (key.address, market.other, 10**12, host.now + 100, signed.v, r, s)
    vault.permit(*permit, sender=market.liquidator)
    with refuses("signature is not valid"):
        vault.permit(*permit, sender=market.other)
    vault.transferFrom(key.address, market.other, 10**12, sender=market.other)
    assert vault.balanceOf(market.other) == 10**12
