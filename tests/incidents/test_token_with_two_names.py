"""A token with two addresses: TUSD on Compound, March 2022, found before anybody lost; Balancer's
pools of such tokens, June 2020.

Compound's market had a function that sends away whatever was sent to it by mistake, every token but
its own. TUSD had a second contract that moved the same balances: named by that one, the market's
own money was a mistake. The shares' rate falls by it.

There is no such function here; the build that is stripped has one.
"""

from breakwater import artifacts
from breakwater.units import MAX_UINT256, WAD
from tests.incidents.ledger import bug, put, stripped
from tests.market import Market, refuses

SECOND = """
# pragma version 0.4.3
interface IMain:
    def balanceOf(owner: address) -> uint256: view
    def mint(receiver: address, amount: uint256): nonpayable
    def burn(owner: address, amount: uint256): nonpayable

MAIN: immutable(IMain)
decimals: public(constant(uint8)) = 18
allowance: public(HashMap[address, HashMap[address, uint256]])

@deploy
def __init__(main: address):
    MAIN = IMain(main)

@view
@external
def balanceOf(owner: address) -> uint256:
    return staticcall MAIN.balanceOf(owner)

@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True

@external
def mint(receiver: address, amount: uint256):
    extcall MAIN.mint(receiver, amount)

@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move(msg.sender, receiver, amount)
    return True

@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    self.allowance[owner][msg.sender] -= amount
    self._move(owner, receiver, amount)
    return True

@internal
def _move(owner: address, receiver: address, amount: uint256):
    extcall MAIN.burn(owner, amount)
    extcall MAIN.mint(receiver, amount)
"""
"""Moves the balances of a token, which trusts it."""

SWEEPS = bug(
    "sweeps",
    "Whatever is no money of the vault may be sent to its fund.",
    "LendingVault",
    "contracts/LendingVault.vy",
    (
        "@external\ndef settle_fee() -> uint256:\n",
        "@external\n"
        "def sweep(token: address) -> bool:\n"
        "    assert token != vault_level.ASSET\n"
        "    held: uint256 = staticcall IERC20(token).balanceOf(self)\n"
        "    return extcall IERC20(token).transfer(ledger._fund, held)\n"
        "\n\n"
        "@external\ndef settle_fee() -> uint256:\n",
    ),
)
SWEEP = [{
    "type": "function", "name": "sweep", "stateMutability": "nonpayable",
    "inputs": [{"name": "token", "type": "address"}], "outputs": [{"name": "", "type": "bool"}],
}]  # fmt: skip


class Token:
    """The second contract of DAI, as a market takes a token."""

    def __init__(self, market):
        self.host = market.host
        artifact = artifacts.compile_source(SECOND, "SecondName")
        self.abi = artifact.abi
        self.address = self.host.deploy_raw(
            artifact.abi, artifact.bytecode, [market.assets["DAI"].address], sender=market.owner
        )

    def __getattr__(self, name):
        def call(*args, sender=None):
            args = [getattr(value, "address", value) for value in args]
            if sender is None:
                return self.host.call(self.address, self.abi, name, args)
            return self.host.transact(self.address, self.abi, name, args, sender=sender)

        return call


def test_own_money_is_a_mistake(new_market):
    """As it was: by its second name all the cash of the vault leaves, and the next lender who wants
    his finds none.
    """
    with stripped(SWEEPS):
        market = new_market()
    second, dai = Token(market), market.assets["DAI"]
    cash = dai.vault.cash()
    market.host.transact(dai.vault.address, SWEEP, "sweep", [second.address],
                         sender=market.other)  # fmt: skip
    assert (dai.vault.cash(), dai.token.balanceOf(dai.vault)) == (cash, 0)
    with refuses("balance too low"):
        dai.vault.withdraw(WAD, market.lender, market.lender, sender=market.lender)


def test_nothing_is_swept(market):
    """No function sends a token that its caller names, but a flash loan, of the vault's own, and
    the engine's, of what an account holds.
    """
    second, dai = Token(market), market.assets["DAI"]
    takes_token = {
        entry["name"]
        for name in ("LendingVault", "InsuranceFund")
        for entry in artifacts.load(name).abi
        if entry["type"] == "function"
        and entry["stateMutability"] != "view"
        and any(one["name"] in ("token", "asset", "coin") for one in entry["inputs"])
    }
    assert takes_token == {"flashLoan"}
    with refuses("token is not lent"):
        dai.vault.flashLoan(market.other, second.address, WAD, b"", sender=market.other)
    with refuses("asset is no collateral"):
        market.engine.withdraw_collateral(
            market.account(), second.address, WAD, market.borrower, sender=market.borrower
        )


def test_listed_by_both_names(market: Market):
    """Should somebody list both: each book counts what came by its name, and both are there."""
    second, dai = Token(market), market.assets["DAI"]
    market.add_asset("TWO", decimals=18, dollars=1, token=second)
    me = market.other
    market.give("DAI", me, 3_000 * WAD)
    account = put(market, me, "DAI", 1_000)
    put(market, me, "TWO", 2_000)
    engine = market.engine
    assert engine.book_of(dai)[1] + engine.book_of(market.assets["TWO"])[1] == 3_000 * WAD
    assert dai.token.balanceOf(engine) == 3_000 * WAD
    for name, whole in (("DAI", 1_001), ("TWO", 2_001)):
        asset = market.assets[name]
        with refuses("not enough collateral"):
            engine.withdraw_collateral(account, asset, whole * WAD, me, sender=me)
        engine.withdraw_collateral(account, asset, MAX_UINT256, me, sender=me)
    assert (market.tokens("DAI", me), dai.token.balanceOf(engine)) == (3_000 * WAD, 0)
