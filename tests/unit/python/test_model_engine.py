"""The model of the credit engine beside the contracts: values, reasons, events, every word."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_utils.crypto import keccak

from breakwater.fuzz.compare import slot_of
from breakwater.host import interface_of
from breakwater.model.chain import Contract
from breakwater.model.exposure import decoded, encoded
from breakwater.model.operators import EIP_1271_MAGIC, SET_OPERATOR_TYPE
from breakwater.model.protocol import deploy
from breakwater.model.signature import CURVE_ORDER, digest, domain, hashed
from breakwater.units import MAX_UINT256, account_id
from tests.unit.python.engine_pair import (
    DEPOSIT,
    LIQUIDATE,
    NOBODY,
    REPAY,
    WITHDRAW,
    ZERO,
    Pair,
)


@pytest.fixture
def pair() -> Pair:
    """The default market, nothing done yet; every word is compared after each call."""
    return Pair(every=True)


def test_model__random_calls() -> None:
    """Nothing differs, and the calls were of every kind."""
    events: Counter[str] = Counter()
    reasons: Counter[str | None] = Counter()
    for seed in range(4):
        pair = Pair(seed)
        pair.play(500)
        events += pair.events
        reasons += pair.reasons
    assert events.total() > 2_000
    assert {"Liquidate", "Seize", "WriteOff", "Borrow", "Repay", "MoveCollateral"} <= set(events)
    assert {
        "account is healthy",
        "asset is in caution",
        "caller may not do this",
        "collateral cap is reached",
        "debt is below the minimum",
        "initial margin is not met",
        "nothing to repay",
        "price jump is too recent",
        "risk was raised in this block",
    } <= set(reasons)


def test_model__every_reason_of_the_engine(pair: Pair) -> None:
    """Each refusal, and right beside it what passes."""
    one, two = pair.world.account("borrower_1#0"), pair.world.account("borrower_1#2")
    weth, usdc, hook = pair.token("WETH"), pair.token("USDC"), pair.token("HOOK")
    b, r = "borrower_1", pair.address("borrower_1")
    ether = 10**18

    no = pair.refused
    no("asset is no collateral", b, "engine", "deposit_collateral", one, pair.token("LATE"), 1)
    no("amount is zero", b, "engine", "deposit_collateral", one, weth, 0)
    no("amount is too large", b, "engine", "deposit_collateral", one, weth, 2**104)
    no("collateral cap is reached", b, "engine", "deposit_collateral", one, weth, 10**25)
    no("caller may not do this", "operator", "engine", "deposit_collateral", two, weth, ether)
    no("account has no such collateral", b, "engine", "withdraw_collateral", one, usdc, 1, r)
    no("amount is zero", b, "engine", "withdraw_collateral", one, weth, 0, r)
    no("not enough collateral", b, "engine", "withdraw_collateral", one, weth, 10**20, r)
    no("receiver is not valid", b, "engine", "withdraw_collateral", one, weth, 1, ZERO)
    no("asset is no debt asset", b, "engine", "borrow", one, pair.token("wstETH"), 1, r)
    no("amount is zero", b, "engine", "borrow", one, usdc, 0, r)
    no("receiver is not valid", b, "engine", "borrow", one, usdc, 1, pair.engine)
    no("debt is below the minimum", b, "engine", "borrow", one, hook, 1, r)
    no("account has no such debt", b, "engine", "repay", one, hook, 1)
    no("amount is too small", b, "engine", "repay", one, usdc, 0)
    no("debt is below the minimum", b, "engine", "repay", one, usdc, 7_950 * 10**6)
    no("accounts are the same", b, "engine", "move_collateral", one, one, weth, 1)
    other = pair.world.account("borrower_2#0")
    no("accounts of two owners", b, "engine", "move_collateral", one, other, weth, 1)

    args = one, usdc, weth, MAX_UINT256, 0, r, NOBODY, b""
    no("account is healthy", "liquidator_1", "engine", "liquidate", *args)
    no("asset is no debt asset", b, "engine", "liquidate", one, pair.token("ODD"), *args[2:])
    no("receiver is not valid", b, "engine", "liquidate", *args[:5], ZERO, NOBODY, b"")
    no("credit is the account itself", b, "engine", "liquidate", *args[:6], one, b"")
    no("", b, "engine", "liquidate", *args[:7], bytes(1_025))
    pair.passes(b, "engine", "borrow", one, usdc, 10**6, r)
    no("risk was raised in this block", "liquidator_1", "engine", "liquidate", *args)

    leg = (DEPOSIT, one, weth, 1, r, NOBODY, ZERO, 0)
    no("unknown action", b, "engine", "batch", [leg, (0, *leg[1:])], b"")
    no("unknown action", b, "engine", "batch", [(3, *leg[1:])], b"")
    no("", b, "engine", "batch", [(64, *leg[1:])], b"")
    no("", b, "engine", "batch", [leg] * 17, b"")
    pair.passes(b, "engine", "batch", [leg] * 16, b"")
    no("ownable: caller is not the owner", b, "engine", "set_cap", weth, 1)
    no("ownable: caller is not the owner", b, "engine", "list_debt", weth, 1)


def test_model__grants(pair: Pair) -> None:
    one, weth = pair.world.account("borrower_1#0"), pair.token("WETH")
    operator, receiver = pair.address("operator"), pair.address("operator")
    now = pair.host.now

    def grant(asset: str, actions: int, amount: int, expiry: int) -> None:
        pair.passes(
            "borrower_1", "engine", "set_operator", one, operator, asset, actions, amount, expiry
        )

    def take(reason: str | None, amount: int) -> None:
        args = "operator", "engine", "withdraw_collateral", one, weth, amount, receiver
        if reason is None:
            pair.passes(*args)
        else:
            pair.refused(reason, *args)

    take("caller may not do this", 1)
    grant(ZERO, WITHDRAW, MAX_UINT256, MAX_UINT256)
    take(None, 10)
    grant(weth, WITHDRAW, 100, now)
    take("operator's amount is spent", 101)
    take(None, 60)
    take("operator's amount is spent", 41)
    take(None, 40)
    pair.host.advance(1)
    take("operator's grant has expired", 0 + 1)
    grant(weth, 0, 0, 0)
    take("caller may not do this", 1)
    args = one, operator, ZERO, WITHDRAW, 5, now
    pair.refused("any asset takes no amount", "borrower_1", "engine", "set_operator", *args)
    pair.refused("caller is not account owner", "operator", "engine", "set_operator", *args)
    pair.refused("", "borrower_1", "engine", "set_operator", *args[:3], 64, MAX_UINT256, now)
    pair.passes("borrower_1", "engine", "cancel_nonce", 300)
    pair.refused("nonce is used", "borrower_1", "engine", "cancel_nonce", 300)
    assert pair.do("keeper", "engine", "is_nonce_used", pair.address("borrower_1"), 300) is True


def test_model__cap_lets_rescuers_in(pair: Pair) -> None:
    """Above the cap only what lifts an account below maintenance to what a liquidation restores."""
    one, weth, usdc = pair.world.account("borrower_1#0"), pair.token("WETH"), pair.token("USDC")
    most = pair.view("lens", "max_borrow", one, usdc)
    pair.passes("borrower_1", "engine", "borrow", one, usdc, most, pair.address("borrower_1"))
    pair.order("configurator", "set_cap", weth, 1)
    for name in ("source.WETH.0", "source.WETH.1", "source.WETH.2"):
        pair.passes("keeper", name, "set", 1_800 * 10**8)
    position = pair.view("engine", "position_of", one)
    lacking = pair.view("risk", "shortfall", position, 1)
    assert lacking > 10**17
    deposit = "borrower_2", "engine", "deposit_collateral", one, weth
    pair.refused("collateral cap is reached", *deposit, lacking + 1)
    pair.passes(*deposit, lacking)
    pair.refused("collateral cap is reached", *deposit, 2)


def test_model__safer_batch_takes_its_stamps_off(pair: Pair) -> None:
    one, weth, usdc = pair.world.account("borrower_1#0"), pair.token("WETH"), pair.token("USDC")
    for name in ("source.WETH.0", "source.WETH.1", "source.WETH.2"):
        pair.passes("keeper", name, "set", 900 * 10**8)
    me = pair.address("borrower_1")

    def leg(action: int, asset: str, amount: int) -> tuple[Any, ...]:
        return action, one, asset, amount, me, NOBODY, ZERO, 0

    legs = [leg(REPAY, usdc, 500 * 10**6), leg(WITHDRAW, weth, 10**17)]
    pair.passes("borrower_1", "engine", "batch", legs, b"")
    assert pair.model.get("accounts", one).stamps == (0, 0, 0, 0)
    legs = [leg(REPAY, usdc, 100), leg(WITHDRAW, weth, 10**18)]
    pair.refused("price is in a jump", "borrower_1", "engine", "batch", legs, b"")
    take = one, usdc, weth, 10**9, 0, me, NOBODY, b""
    pair.passes("liquidator_1", "engine", "liquidate", *take)


def test_model__liquidation_calls_back(pair: Pair) -> None:
    """The liquidator tries everything in the callback, and then must pay."""
    one, weth, usdc = pair.world.account("borrower_1#0"), pair.token("WETH"), pair.token("USDC")
    attacker = pair.address("attacker")
    for name in ("source.WETH.0", "source.WETH.1", "source.WETH.2"):
        pair.passes("keeper", name, "set", 900 * 10**8)

    def call(name: str, function: str, *args: Any, must: bool = False) -> tuple[str, bytes, bool]:
        contract = pair.world.contracts[name]
        codec = interface_of(contract.NAME).function(function, len(args))
        return contract.address, codec.encode(args), must

    inner = [
        call("engine", "repay", one, usdc, 5),
        call("engine", "words_of", one),
        call("engine", "risk_engine", must=True),
        call("vault.USDC", "flashLoan", attacker, usdc, 10**6, b""),
        call("vault.USDC", "deposit", 10**6, attacker, must=True),
        call("breaker", "poke", weth),
    ]
    magic = keccak(text="ERC3156FlashBorrower.onFlashLoan")
    pair.passes("keeper", "attacker", "set_calls", inner, magic)
    take = one, usdc, weth, 10**9, 0, attacker, NOBODY, b"x"
    pair.passes("attacker", "engine", "liquidate", *take)
    assert len(pair.chain.state[attacker, "results"]) == 6
    nested = [call("vault.WETH", "flashLoan", attacker, weth, 10**9, b""), inner[1]]
    pair.passes("keeper", "attacker", "set_calls", nested, magic)
    pair.passes("attacker", "engine", "liquidate", *take)
    assert pair.chain.state[attacker, "results"] == (False, False, True, False)
    legs = [(LIQUIDATE, one, usdc, 10**9, attacker, NOBODY, weth, 0)] * 2
    pair.passes("attacker", "engine", "batch", legs, b"y")
    inner = [call("engine", "repay", one, usdc, 5, must=True)]
    pair.passes("keeper", "attacker", "set_calls", inner, magic)
    pair.refused("call failed", "attacker", "engine", "liquidate", *take)
    pair.refused("", "liquidator_1", "engine", "liquidate", *take)
    pair.passes("attacker", "token.USDC", "approve", pair.address("vault.USDC"), 0)
    pair.refused("allowance too low", "attacker", "engine", "liquidate", *take[:-1], b"")


def test_model__odd_tokens(pair: Pair) -> None:
    odd, one, me = pair.token("ODD"), pair.world.account("borrower_1#2"), "borrower_1"
    deposit = me, "engine", "deposit_collateral", one, odd
    pair.passes(*deposit, 10**12)
    assert pair.model.get("accounts", one).legs[0][1] == 99 * 10**10
    pair.passes("keeper", "token.ODD", "set_odds", 0, 0, False, False)
    pair.refused("token transfer failed", *deposit, 10**12)
    withdraw = me, "engine", "withdraw_collateral", one, odd, 10**10, pair.address(me)
    pair.refused("token transfer failed", *withdraw)
    pair.passes("keeper", "token.ODD", "set_odds", 2, 10_000, False, False)
    pair.refused("amount is zero", *deposit, 10**12)
    pair.passes("keeper", "token.ODD", "set_odds", 2, 0, False, False)
    pair.passes(*deposit, 10**12)
    pair.passes(*withdraw)
    pair.passes("keeper", "token.ODD", "set_odds", 1, 0, True, False)
    pair.refused("token is paused", *withdraw)


def test_model__eight_legs(pair: Pair) -> None:
    one, me = pair.world.account("borrower_1#0"), pair.address("borrower_1")
    for symbol in ("USDC", "WBTC", "HOOK", "wstETH", "ODD"):
        amount = pair.world.listings[symbol].amount(50_000)
        args = one, pair.token(symbol), amount
        pair.passes("borrower_1", "engine", "deposit_collateral", *args)
    amount = pair.world.listings["WBTC"].amount(500)
    pair.passes("borrower_1", "engine", "borrow", one, pair.token("WBTC"), amount, me)
    args = one, pair.token("HOOK"), 100 * 10**18, me
    pair.refused("account holds 8 assets", "borrower_1", "engine", "borrow", *args)
    pair.host.advance(1, 1)
    pair.passes("borrower_1", "engine", "repay", one, pair.token("USDC"), MAX_UINT256)
    pair.passes("borrower_1", "engine", "borrow", *args)
    pair.host.advance(12, 2**20 - 1)
    take = one, pair.token("HOOK"), pair.token("WETH"), 1, 0, me, NOBODY, b""
    pair.refused("risk was raised in this block", "liquidator_1", "engine", "liquidate", *take)
    pair.host.advance(12, 1)
    pair.refused("account is healthy", "liquidator_1", "engine", "liquidate", *take)


def test_model__largest_amounts() -> None:
    pair = Pair()
    late, me, full = pair.token("WBTC"), pair.address("borrower_1"), 2**104 - 1
    pair.passes("keeper", "token.WBTC", "mint", me, 2**113)
    pair.cap(late, MAX_UINT256)
    deposit = "borrower_1", "engine", "deposit_collateral"
    pair.passes(*deposit, account_id(me, 1_000), late, full)
    pair.refused("amount is too large", *deposit, account_id(me, 1_000), late, 1)
    for number in range(254):
        pair.passes(*deposit, account_id(me, number + 1_001), late, full)
    room = 2**112 - 1 - pair.model.get("books", late).held
    pair.refused("amount is too large", *deposit, account_id(me, 3), late, room + 1)
    pair.passes(*deposit, account_id(me, 3), late, room)
    assert pair.comparison.everything() is None


def test_model__debt_that_no_leg_can_tell() -> None:
    """Beyond 2**104 a debt is told as 2**104 - 1."""
    pair = Pair()
    hook, weth, one = pair.token("HOOK"), pair.token("WETH"), pair.world.account("borrower_1#2")
    pair.reopen_genesis()
    config = pair.world.vault_config("HOOK")
    config = config._replace(deposit_cap=MAX_UINT256, debt_cap=MAX_UINT256)
    pair.order("configurator", "set_vault", pair.world.contracts["vault.HOOK"].address, config)
    pair.cap(weth, MAX_UINT256)
    pair.do("keeper", "source.HOOK.0", "set_words", [7, 10**9, pair.host.now, pair.host.now, 7])
    pair.passes("keeper", "token.HOOK", "mint", pair.address("lender_1"), 2**104)
    pair.passes("keeper", "token.WETH", "mint", pair.address("borrower_1"), 2**104)
    pair.passes("lender_1", "vault.HOOK", "deposit", 2**103, pair.address("lender_1"))
    pair.passes("borrower_1", "engine", "deposit_collateral", one, weth, 2**103)
    receiver = pair.address("borrower_1")
    pair.passes("borrower_1", "engine", "borrow", one, hook, 2**103, receiver)
    pair.host.advance(30 * 365 * 86_400, 10**6)
    words = pair.passes("keeper", "engine", "position_of", one)
    assert words[0] >> 104 & (2**104 - 1) == 2**104 - 1
    pair.passes("borrower_1", "engine", "repay", one, hook, 2**100)
    assert pair.comparison.everything() is None


def test_model__cap_may_be_reached(pair: Pair) -> None:
    weth, one = pair.token("WETH"), pair.world.account("borrower_1#2")
    pair.cap(weth, 65_535 << 48)
    room = (65_535 << 48) - pair.model.get("books", weth).held
    deposit = "borrower_1", "engine", "deposit_collateral", one, weth
    pair.refused("collateral cap is reached", *deposit, room + 1)
    pair.passes(*deposit, room)


def test_model__token_that_brings_more() -> None:
    """Of what a fee-taking token delivers, no more than was sent is counted."""
    pair = Pair()
    owner, risk, hook = pair.address("owner"), pair.address("risk"), pair.token("HOOK")
    engine = pair.host.deploy("CreditEngine", risk, owner, sender=owner)
    deploy(pair.chain, "CreditEngine", engine, (risk, owner))
    mint = interface_of("HookTokenMock").function("mint", 2).encode((engine, 5))
    for target, name, function, args in (
        (engine, "owner", "list_collateral", (hook, 10**30, True)),
        (hook, "owner", "approve", (engine, MAX_UINT256)),
        (hook, "owner", "mint", (owner, 100)),
        (hook, "owner", "set_hook", (hook, mint, True)),
        (engine, "owner", "deposit_collateral", (account_id(owner), hook, 7)),
    ):
        assert pair.comparison.step(pair.address(name), target, function, args) is None
        assert pair.comparison.outcome.reason is None
    assert pair.comparison.outcome.value == 7
    assert pair.chain.state[hook, "balanceOf", engine] == 12


def test_model__other_callers() -> None:
    """Mocks that the market does without."""
    pair = Pair(profile="small")
    keeper, usdc, vault = pair.address("keeper"), pair.token("USDC"), pair.address("vault.USDC")

    def made(name: str, *args: Any) -> str:
        address = pair.host.deploy(name, *args, sender=keeper)
        deploy(pair.chain, name, address, args)
        return address

    def step(reason: str | None, target: str, function: str, *args: Any) -> Any:
        differs = pair.comparison.step(keeper, target, function, args)
        assert differs is None
        assert pair.comparison.outcome.reason == reason
        return pair.comparison.outcome.value

    receiver = made("FlashReceiverMock", usdc, vault)
    step(None, usdc, "mint", receiver, 10**12)
    step(None, vault, "flashLoan", receiver, usdc, 10**9, b"")
    step("", vault, "flashLoan", receiver, usdc, 10**9, b"x")
    caller = made("CallerMock")
    bare = bytes(4)
    index = interface_of("LendingVault").function("accrue", 0).encode(())
    claim = interface_of("CreditEngine").function("repay", 3).encode((NOBODY, usdc, 1))
    step(None, caller, "run", [(vault, index), (keeper, bare), (caller, bare)])
    step("account has no such debt", caller, "run", [(vault, index), (pair.engine, claim)])
    assert step(None, caller, "attempt", pair.engine, claim, 0)[0] is False
    assert step(None, caller, "attempt", vault, index, 0)[0] is True
    assert step(None, caller, "attempt", pair.engine, bare, 0) == (False, b"")
    attacker = pair.address("attacker")
    for getter in ("magic", "answer", "last"):
        step(None, attacker, getter)
    step("", attacker, "results", 0)


def test_model__listing() -> None:
    """Another engine, whose owner is a person."""
    pair = Pair(profile="small")
    owner, risk = pair.address("owner"), pair.address("risk")
    address = pair.host.deploy("CreditEngine", risk, owner, sender=owner)
    deploy(pair.chain, "CreditEngine", address, (risk, owner))
    weth, usdc, vault = pair.token("WETH"), pair.token("USDC"), pair.address("vault.USDC")

    def step(reason: str | None, sender: str, function: str, *args: Any) -> None:
        differs = pair.comparison.step(pair.address(sender), address, function, args)
        assert differs is None
        assert pair.comparison.outcome.reason == reason

    nobody = "ownable: caller is not the owner"
    step(nobody, "keeper", "list_collateral", weth, 5, False)
    step("asset is not listed", "owner", "list_collateral", vault, 5, False)
    step(None, "owner", "list_collateral", weth, 2**200 - 1, True)
    step("collateral is listed already", "owner", "list_collateral", weth, 5, False)
    step("asset is no collateral", "owner", "set_cap", usdc, 5)
    step(None, "owner", "set_cap", weth, 65_537)
    step(nobody, "keeper", "list_debt", vault, 5)
    step("", "owner", "list_debt", usdc, 5)
    step("", "owner", "list_debt", owner, 5)
    step(None, "owner", "list_debt", vault, 70_001)
    step("debt is listed already", "owner", "list_debt", vault, 5)
    step("asset is no debt asset", "owner", "set_min_debt", weth, 5)
    step(None, "owner", "set_min_debt", usdc, 0)
    step(nobody, "keeper", "set_min_debt", usdc, 0)
    step(None, "keeper", "debt_of", usdc)
    step(None, "keeper", "book_of", weth)
    step("ownable: new owner is the zero address", "owner", "transfer_ownership", ZERO)
    step(None, "owner", "transfer_ownership", risk)
    step(nobody, "owner", "transfer_ownership", owner)


class Wallet(Contract):
    """Takes a signature that begins with the digest."""

    LOCKS = False

    def isValidSignature(self, sender: str, digest: bytes, signature: bytes) -> bytes:
        """EIP-1271."""
        return EIP_1271_MAGIC if signature[:32] == digest else bytes(4)


WALLET = """
# pragma version 0.4.3
@view
@external
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> bytes4:
    return 0x1626ba7e if slice(signature, 0, 32) == abi_encode(digest) else 0x00000000
"""


def test_model__signatures(pair: Pair) -> None:
    from breakwater.artifacts import compile_source

    key = PrivateKey(keccak(text="a key"))
    signer = str(eth_address(key))
    wallet = compile_source(WALLET, "SigningWallet")
    contract = pair.host.deploy_raw(wallet.abi, wallet.bytecode, sender=pair.address("keeper"))
    Wallet(pair.chain, contract)
    operator, asset = pair.address("operator"), pair.token("WETH")
    separator = domain("Breakwater", "1", pair.host.chain_id, pair.engine)
    deadline = pair.host.now

    def signed(reason: str | None, owner: str, nonce: int, change: Any = bytes) -> None:
        """A grant that is signed, the signature changed."""
        account = account_id(owner, 3) if owner != ZERO else NOBODY
        fields = account, operator, asset, WITHDRAW, 7, 10**12, nonce, deadline
        hash = digest(separator, hashed(SET_OPERATOR_TYPE, *fields))
        if owner == contract:
            signature = hash + bytes(33)
        else:
            raw = key.sign_recoverable(hash, hasher=None)
            signature = raw[:64] + bytes([27 + raw[64]])
        args = *fields, change(signature)
        call = "keeper", "engine", "set_operator_by_signature", *args
        if reason is None:
            pair.passes(*call)
        else:
            pair.refused(reason, *call)

    def compacted(signature: bytes) -> bytes:
        s = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
        return signature[:32] + s.to_bytes(32, "big")

    def flipped(signature: bytes) -> bytes:
        s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
        return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])

    signed(None, signer, 1)
    signed("nonce is used", signer, 1)
    signed(None, signer, 2, compacted)
    signed("ecdsa: invalid signature `s` value", signer, 3, flipped)
    signed("ecdsa: invalid signature", signer, 4, lambda signature: signature[:64] + b"\x00")
    signed("ecdsa: invalid signature", signer, 4, lambda _: bytes(65))
    signed("signature is not valid", signer, 5, lambda signature: signature[:63])
    signed("signature is not valid", pair.address("borrower_1"), 6)
    signed("signature is not valid", ZERO, 7)
    signed("signature is not valid", pair.token("WETH"), 8)
    signed("", signer, 8, lambda signature: signature + b"\x00")
    signed(None, contract, 9)
    signed("signature is not valid", contract, 10, lambda _: bytes(65))
    pair.host.advance(1)
    signed("signature has expired", signer, 11)


def eth_address(key: PrivateKey) -> str:
    """Of a key."""
    from breakwater.abi import checksum

    return checksum(keccak(key.public_key.format(compressed=False)[1:])[12:])


def test_difference__is_told_in_names() -> None:
    """A model that is wrong is found out, wherever it is wrong."""
    pair = Pair(profile="small")
    account, weth = pair.world.account("borrower_1#0"), pair.token("WETH")
    held = pair.model.get("accounts", account)
    leg = held.legs[0]
    args = pair.address("borrower_1"), pair.engine, "deposit_collateral", (account, weth, 5)

    pair.model.put(held._replace(legs=((leg[0], leg[1] + 1), *held.legs[1:])), "accounts", account)
    differs = pair.comparison.step(*args)
    assert differs is not None
    assert "engine.accounts[borrower_1#0][0] is" in differs
    assert pair.comparison.everything() is not None


def test_slot_of__follows_the_layout() -> None:
    word = {"slot": 3, "n_slots": 1}
    layout = {
        "module": {"deep": {**word, "type": "HashMap[address, HashMap[uint256, uint256[4]]]"}},
        "row": {**word, "slot": 9, "type": "uint256[128]"},
        "list": {**word, "slot": 40, "type": "DynArray[address, 32]"},
        "text": {**word, "slot": 80, "type": "String[32]"},
    }
    first = keccak((3).to_bytes(32, "big") + bytes(12) + b"\x11" * 20)
    second = int.from_bytes(keccak(first + (7).to_bytes(32, "big")), "big")
    assert slot_of(layout, "deep", ("0x" + "11" * 20, 7, 2)) == second + 2
    assert slot_of(layout, "row", (5,)) == 14
    assert [slot_of(layout, "list", (i,)) for i in (0, 1)] == [40, 41]
    assert slot_of(layout, "text", (1,)) == 81
    with pytest.raises(LookupError):
        slot_of(layout, "nothing", ())


@pytest.mark.parametrize("amount", [0, 1, 65_535, 65_536, 65_537, 10**18 + 1, MAX_UINT256])
def test_encoded__rounds_down(amount: int) -> None:
    kept = decoded(encoded(amount))
    assert kept <= amount
    assert amount - kept <= amount >> 15
    assert encoded(kept) == encoded(amount)
