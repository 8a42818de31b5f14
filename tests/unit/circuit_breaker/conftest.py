"""A circuit breaker between stand-ins that latch as the engine and the vaults do."""

import pytest

from breakwater import artifacts
from breakwater.evm import EvmHost
from breakwater.host import Reverted, decode_reason, interface_of

# One text for the engines and the vaults: all keep a latch, a status to report and a lock.
STAND_IN = """
# pragma version 0.4.3
from contracts.interfaces import IRiskEngine
from contracts.modules import latch
initializes: latch

asset: public(address)
status: public(uint256)
locked: public(bool)
is_silent: bool
answer: Bytes[32]
refusal: String[32]
cash: public(uint256)
flash_out: public(uint256)
debt_assets: public(uint256)
totalAssets: public(uint256)
total: uint256
pushes: public(uint256)
ids: HashMap[address, uint256]
price: uint256
quoted_level: uint256
term: uint256
words: public(uint256[2])
writes: public(uint256)
held: public(uint256)
lent_by: HashMap[address, address]

@deploy
def __init__():
    self.price = 10**18
    self.words[1] = 10**18

@external
def set_asset(asset: address, id: uint256):
    self.asset = asset
    self.ids[asset] = id

@external
def set_status(status: uint256):
    self.status = status

@external
def set_locked(locked: bool):
    self.locked = locked

@external
def set_answer(answer: Bytes[32]):
    self.is_silent = True
    self.answer = answer

@external
def set_refusal(refusal: String[32]):
    self.refusal = refusal

@external
def set_books(cash: uint256, flash_out: uint256, debt: uint256, claims: uint256, total: uint256):
    self.cash = cash
    self.flash_out = flash_out
    self.debt_assets = debt
    self.totalAssets = claims
    self.total = total

@view
@external
def book_of(asset: address) -> (uint256, uint256, uint256, bool):
    return self.ids[asset], self.total, 0, False

@external
def list_debt(asset: address, vault: address):
    self.lent_by[asset] = vault

@view
@external
def debt_of(asset: address) -> (uint256, address, uint256):
    return 1, self.lent_by[asset], 0

@view
@external
def quote(asset: address) -> IRiskEngine.Quote:
    assert self.ids[asset] != 0, "asset is not listed"
    return IRiskEngine.Quote(
        price=0 if self.status == 3 else self.price,
        low=self.price,
        high=self.price,
        average=self.price,
        volatility=0,
        updated_at=block.timestamp,
        status=self.status,
        level=self.quoted_level,
    )

@view
@external
def words_of(asset: address) -> (uint256, uint256, uint256, uint256):
    return 0, self.term, self.words[0], self.words[1]

@external
def write_checkpoint(asset: address, checkpoint: uint256, observation: uint256):
    self.words = [checkpoint, observation]
    self.writes += 1

@external
def hold(asset: address, duration: uint256):
    self.held = duration

@external
def set_price(price: uint256):
    self.price = price

@external
def set_quoted_level(level: uint256):
    self.quoted_level = level

@external
def set_term(term: uint256):
    self.term = term

@view
@external
def id_of(asset: address) -> uint256:
    return self.ids[asset]

@view
@external
@raw_return
def is_unlocked() -> Bytes[32]:
    assert not self.locked
    if self.is_silent:
        return self.answer
    return abi_encode(True)

@external
def set_level(ASSET_PARAM caution_until: uint256, halt_until: uint256, held_until: uint256):
    if self.refusal != "":
        raise self.refusal
    self.pushes += 1
    latch._set(KEY, caution_until, halt_until, held_until)

@view
@external
def level(key: address) -> uint256:
    return latch._level(key)

@view
@external
def latched(key: address) -> (uint256, uint256, uint256):
    caution_until: uint256 = 0
    halt_until: uint256 = 0
    caution_until, halt_until = latch._until(key)
    return caution_until, halt_until, latch._held_until(key)
"""
RISK = STAND_IN.replace("ASSET_PARAM ", "asset: address, ").replace("KEY", "asset")
VAULT = STAND_IN.replace("ASSET_PARAM ", "").replace("KEY", "self.asset")

# A token whose supply is what one likes, in a form that one likes.
TOKEN = """
# pragma version 0.4.3
from contracts.mocks import TokenMock as token
initializes: token
exports: (token.balanceOf, token.mint)

supply: public(uint256)
answer: Bytes[96]
mode: uint256

@external
def set_supply(supply: uint256):
    self.mode = 0
    self.supply = supply

@external
def set_answer(answer: Bytes[96]):
    self.mode = 1
    self.answer = answer

@external
def set_mode(mode: uint256):
    self.mode = mode

@view
@external
@raw_return
def totalSupply() -> Bytes[96]:
    if self.mode == 2:
        raise "no supply"
    for i: uint256 in range(self.mode * 200 if self.mode >= 3 else 0, bound=1_000_000):
        if keccak256(convert(i, bytes32)) == empty(bytes32):
            break
    if self.mode == 1:
        return self.answer
    return abi_encode(self.supply)

@deploy
def __init__():
    token.__init__("Token", "TKN", 18)
"""

# A mint, a call and a burn in one transaction, as a flash mint gives them.
FLASH_MINTER = """
# pragma version 0.4.3
interface Breaker:
    def poke(asset: address) -> uint256: nonpayable

interface Supply:
    def set_supply(supply: uint256): nonpayable

@external
def poke_within(breaker: address, token: address, supply: uint256, after: uint256):
    extcall Supply(token).set_supply(supply)
    extcall Breaker(breaker).poke(token)
    extcall Supply(token).set_supply(after)
"""

REASONS = {
    "PRICE_JUMP": 1, "DISPERSION": 2, "STALE": 4, "GUARDIAN": 8, "SUPPLY": 16, "INSOLVENCY": 32,
}  # fmt: skip


class StandIn:
    def __init__(self, host, text, name, sender):
        artifact = artifacts.compile_source(text, name)
        self.host, self.abi, self.sender = host, artifact.abi, sender
        self.address = host.deploy_raw(artifact.abi, artifact.bytecode, sender=sender)

    def send(self, function, *args):
        return self.host.transact(self.address, self.abi, function, list(args), sender=self.sender)

    def read(self, function, *args):
        return self.host.call(self.address, self.abi, function, list(args))


class World:
    def __init__(self):
        self.host = host = EvmHost()
        self.owner = host.account("owner")
        self.guardian = host.account("guardian")
        self.anyone = host.account("anyone")
        self.token = self.new_token()
        self.minter = StandIn(host, FLASH_MINTER, "FlashMinter", self.owner)
        self.asset = self.token.address
        self.other = host.account("other asset")
        self.risk = StandIn(host, RISK, "RiskStandIn", self.owner)
        self.engine = StandIn(host, VAULT, "VaultStandIn", self.owner)
        self.vault = self.new_vault(self.asset)
        self.risk.send("set_asset", self.asset, 1)
        self.caller = host.deploy("CallerMock", sender=self.owner)
        self.interface = interface_of("CircuitBreaker")
        self.breaker = host.deploy("CircuitBreaker", self.owner, self.guardian, sender=self.owner)

    def new_token(self):
        return StandIn(self.host, TOKEN, "TokenStandIn", self.owner)

    def new_vault(self, asset):
        vault = StandIn(self.host, VAULT, "VaultStandIn", self.owner)
        vault.send("set_asset", asset, 1)
        self.engine.send("list_debt", asset, vault.address)
        return vault

    def connected(self):
        self.send("connect", self.risk.address, self.engine.address, sender=self.owner)
        self.send("add_vault", self.vault.address, sender=self.owner)
        return self

    def send(self, function, *args, sender=None):
        return self.host.transact(
            self.breaker, "CircuitBreaker", function, list(args), sender=sender or self.anyone
        )

    def read(self, function, *args):
        return self.host.call(self.breaker, "CircuitBreaker", function, list(args))

    def refused(self, function, *args, sender=None):
        with pytest.raises(Reverted) as failure:
            self.send(function, *args, sender=sender)
        return failure.value.reason

    def poke(self, status):
        self.risk.send("set_status", status)
        receipt = self.send("poke", self.asset)
        assert receipt.value == status
        return receipt

    def watch(self, supply, limit=1_000):
        """A limit, and a day of pokes that saw this supply."""
        self.token.send("set_supply", supply)
        self.send("set_supply_limit", self.asset, limit, sender=self.owner)
        for _ in range(25):
            self.poke(0)
            self.host.advance(3_600)
        return self

    def poke_with(self, gas):
        """What a poke does that has only so much gas; it is undone again."""
        start = self.host.snapshot()
        data = self.interface.function("poke", 1).encode([self.asset])
        ok, answer = self.host.transact(
            self.caller, "CallerMock", "attempt", [self.breaker, data, gas], sender=self.anyone
        ).value  # fmt: skip
        tripped = self.levels() == (2, 2, 0)
        self.host.restore(start)
        if ok:
            return "tripped" if tripped else "silent"
        return decode_reason(answer)

    def poked_at(self, supply):
        """What a poke trips that sees this supply."""
        self.token.send("set_supply", supply)
        return [log.args["reason"] for log in self.poke(0).events("Trip")]

    def flash_mint(self, supply):
        """Minted up to this supply, poked, and burnt, in one transaction."""
        before = self.supply()
        return self.minter.send("poke_within", self.breaker, self.asset, supply, before)

    def supply(self):
        return self.token.read("supply")

    def growth(self):
        return self.read("supply_of", self.asset)

    def check(self):
        return self.send("check_solvency", self.asset)

    def trip(self, level, duration):
        return self.send("trip", self.asset, level, duration, sender=self.guardian)

    def latch(self, reason):
        return self.read("latch_of", self.asset, REASONS[reason])

    def levels(self):
        """Of the asset at the breaker and at the engine, and of its vault."""
        return (
            self.read("level_of", self.asset),
            self.risk.read("level", self.asset),
            self.vault.read("level", self.asset),
        )


@pytest.fixture
def unconnected():
    return World()


@pytest.fixture
def world(unconnected):
    return unconnected.connected()
