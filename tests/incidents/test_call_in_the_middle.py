"""A call that comes in the middle of another: Lendf.Me, April 2020, 25 million dollars; Cream,
August 2021, 18 million; Rari, April 2022, 80 million; Hundred and Agave, March 2022, 11.5 million;
Curve's pools, July 2023, more than 40 million; Sumer and others.

A token that calls its holder, or a coin that does, gave the attacker the word before the books were
written. Inside one withdrawal he withdrew again; inside one loan, whose debt was not yet recorded,
he borrowed in another market or took his collateral. A lock for each market, or, as a compiler
once built it, for each function, stopped none of that.

The build that is stripped has the lock on all functions but one: a loan does not take it, and reads
the account before it lends.
"""

from pathlib import Path

import pytest

from breakwater.artifacts import ROOT
from breakwater.mocks import HookTokenMock
from breakwater.units import WAD
from tests.incidents.ledger import Hand, Ledger, bug, stripped
from tests.market import refuses

ENGINE = "contracts/CreditEngine.vy"

LOAN_WITHOUT_A_LOCK = bug(
    "loan_without_a_lock",
    "A loan takes no lock and reads its account before the tokens leave.",
    "CreditEngine",
    ENGINE,
    (
        "@external\n"
        "def borrow(account: bytes32, asset: address, amount: uint256, receiver: address)"
        " -> uint256:\n",
        "@external\n@reentrant\n"
        "def borrow(account: bytes32, asset: address, amount: uint256, receiver: address)"
        " -> uint256:\n",
    ),
    (
        "    shares: uint256 = extcall IDebtVault(vault).lend(amount, receiver)\n"
        "\n"
        "    words: uint256[4] = accounts._load(account)\n",
        "    words: uint256[4] = accounts._load(account)\n"
        "    shares: uint256 = extcall IDebtVault(vault).lend(amount, receiver)\n"
        "\n",
    ),
)


WITHOUT_A_LOCK = {"Lens", "headroom", "Timelock", "tick_price"}


class Hooked:
    """AMP calls out in its transfers; it is collateral and it is lent. The attacker has 50 WETH and
    100,000 AMP of a dollar.
    """

    def __init__(self, new_market, host):
        owner = host.account("owner")
        self.token = HookTokenMock.deploy(host, "AMP", "AMP", 18, sender=owner)
        amp = {"decimals": 18, "dollars": 1, "token": self.token}
        self.on = new_market(debts=("USDC", "AMP"), AMP=amp)
        self.hand = Hand(self.on)
        self.account = self.hand.account
        for name, whole in (("WETH", 50), ("AMP", 100_000)):
            self.on.assets[name].token.mint(self.hand.address, whole * WAD, sender=owner)

    def post(self, name, whole):
        asset = self.on.assets[name]
        self.hand.call(
            self.on.engine, "deposit_collateral", self.account, asset.address, whole * WAD
        )
        self.on.host.advance(12)

    def hook(self, function, *args, after=False):
        data = self.hand.through(self.on.engine, function, self.account, *args)
        self.token.set_hook(self.hand.address, data, after, sender=self.on.owner)

    def gain(self, function, *args):
        """Of a call of the engine that the hook interrupts [dollars]."""
        ledger = Ledger(self.on)
        before = ledger.worth(self.hand.address, self.account)
        self.hand.call(self.on.engine, function, self.account, *args)
        assert self.token.calls() > 0
        return ledger.worth(self.hand.address, self.account) - before


def take_again(hooked):
    amp = hooked.on.assets["AMP"].address
    hooked.post("AMP", 50_000)
    hooked.hook("withdraw_collateral", amp, 50_000 * WAD, hooked.hand.address)
    return hooked.gain("withdraw_collateral", amp, 50_000 * WAD, hooked.hand.address)


def other_loan(hooked):
    on, me = hooked.on, hooked.hand.address
    hooked.post("WETH", 50)
    hooked.hook("borrow", on.assets["USDC"].address, 79_000 * 10**6, me)
    return hooked.gain("borrow", on.assets["AMP"].address, 79_000 * WAD, me)


def exit_in_a_loan(hooked):
    on, me = hooked.on, hooked.hand.address
    hooked.post("WETH", 50)
    hooked.hook("withdraw_collateral", on.assets["WETH"].address, 50 * WAD, me)
    return hooked.gain("borrow", on.assets["AMP"].address, 79_000 * WAD, me)


WAYS = [
    (take_again, "withdrawal_reentrant", 50_000),
    (other_loan, LOAN_WITHOUT_A_LOCK, 79_000),
    (exit_in_a_loan, LOAN_WITHOUT_A_LOCK, 100_000),
]


@pytest.mark.parametrize(("way", "lacks", "dollars"), WAYS)
def test_call_comes_in(new_market, host, way, lacks, dollars):
    """As it was: another's collateral is withdrawn a second time; the debt of the second loan is
    written over by that of the first; collateral that is in his hands again carries a loan.
    """
    with stripped(lacks):
        hooked = Hooked(new_market, host)
    hooked.on.deposit("AMP", 50_000)  # somebody else's
    hooked.on.deposit("WETH", 50, hooked.on.account(1))
    assert way(hooked) == pytest.approx(dollars)


@pytest.mark.parametrize("way", [way for way, *_ in WAYS])
def test_call_finds_the_lock(new_market, host, way):
    """One lock for all functions: what comes in is refused, and what it interrupts is as without
    it.
    """
    hooked = Hooked(new_market, host)
    hooked.on.deposit("AMP", 50_000)
    assert way(hooked) == pytest.approx(0, abs=1e-9)
    assert not hooked.token.succeeded()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["USDC", "AMP"])
def test_second_loan_in_the_first(new_market, host, name, after):
    """Whichever market the second one is of, and whether the tokens have moved already."""
    hooked = Hooked(new_market, host)
    on, me = hooked.on, hooked.hand.address
    hooked.post("WETH", 50)
    asset = on.assets[name]
    hooked.hook("borrow", asset.address, asset.units(40_000), me, after=after)
    hooked.gain("borrow", on.assets["AMP"].address, 40_000 * WAD, me)
    assert not hooked.token.succeeded()
    assert [leg.asset for leg in on.legs(hooked.account)] == ["WETH", "AMP"]


def flash(market, hand, payment):
    """A flash loan of half the cash; the debt of another is paid inside it. Tokens that the vault
    holds beyond its books, and debt that no account owes.
    """
    usdc = market.assets["USDC"]
    market.deposit("WETH", 100)
    market.borrow("USDC", 100_000)
    market.set_vault("USDC", flash_fee=10)
    usdc.token.mint(hand.address, 10**6 * usdc.unit, sender=market.owner)
    hand.when_called((market.engine, "repay", market.account(), usdc.address, payment))
    cash = usdc.vault.cash() // 2
    hand.call(usdc.vault, "flashLoan", hand.address, usdc.address, cash, b"")
    assert hand.mock.results(0)
    beyond = market.tokens("USDC", usdc.vault.address) - usdc.vault.cash()
    return beyond, usdc.vault.debt_assets() - market.owed("USDC")


def test_payment_is_forgotten(new_market):
    """As it was: the books of before the loan come back, so the payment is nobody's, and what it
    paid is still owed, by nobody.
    """
    with stripped("flash_loan_forgets_payments"):
        bare = new_market()
    assert flash(bare, Hand(bare), 60_000 * 10**6) == (60_000 * 10**6, 60_000 * 10**6)


def test_payment_counts(market):
    beyond, phantom = flash(market, Hand(market), 60_000 * 10**6)
    assert beyond == 0
    assert -1 <= phantom <= 0


def test_lock_in_every_file():
    """What a compiler did not check once: each file asks for the one lock, by a version that has no
    other; but for what only reads, and for the timelock, which holds nothing.
    """
    files = [path for path in (ROOT / "contracts").rglob("*.vy") if path.parent.name != "mocks"]
    assert len(files) > 30
    for path in files:
        version, lock = Path(path).read_text(encoding="utf-8").splitlines()[:2]
        assert version == "# pragma version 0.4.3", path
        assert lock == "# pragma nonreentrancy on" or path.stem in WITHOUT_A_LOCK, path


def test_nobody_else_in_a_callback(market):
    """Nor in the callback of a liquidation, where the debt still stands: the engine is shut."""
    hand = Hand(market)
    market.deposit("WETH", 100)
    market.borrow("USDC", 159_900)
    market.host.advance(12)
    market.price("WETH", 1_900)
    usdc, weth = market.assets["USDC"], market.assets["WETH"]
    usdc.token.mint(hand.address, 10**12, sender=market.owner)
    hand.when_called(
        (market.engine, "withdraw_collateral", hand.account, weth.address, 1, hand.address),
        (market.engine, "borrow", hand.account, usdc.address, 10**9, hand.address),
        (market.engine, "batch", [], b""),
    )
    hand.call(
        market.engine, "liquidate", market.account(), usdc.address, weth.address, 2**255, 0,
        hand.address, bytes(32), b"call me",
    )  # fmt: skip
    assert [hand.mock.results(i) for i in range(3)] == [False] * 3
    with refuses("account is healthy"):
        market.liquidate("USDC", "WETH")
