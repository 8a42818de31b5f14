"""What a vault refuses whoever calls, each by its reason; limits and levels have own files."""

import pytest

from breakwater.host import Reverted
from breakwater.units import MAX_UINT256
from tests.unit.python.vault_market import PERMIT_TYPE, digest, hashed
from tests.unit.python.vault_twins import KEY, SIGNER

ZERO = "0x" + "00" * 20
MOST = 2**112 - 1


def deployed(world, decimals=18, owner=None):
    token = world.host.deploy(world.token_kind, "Token", "TKN", decimals, sender=world.owner)
    args = token, world.engine, world.breaker, "Vault", "bTKN", owner or world.owner
    return world.host.deploy("LendingVault", *args, sender=world.owner)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"decimals": 5}, "decimals out of range"),
        ({"decimals": 25}, "decimals out of range"),
        ({"owner": ZERO}, "owner is zero"),
    ],
)
def test_constructor(world, wanted, reason):
    with pytest.raises(Reverted) as caught:
        deployed(world, **wanted)
    assert caught.value.reason == reason


@pytest.mark.parametrize("decimals", [6, 24])
def test_constructor__bounds(world, decimals):
    assert deployed(world, decimals)


def test_receiver_is_zero(world):
    world.act("deposit", 10**18, world.lender)
    for function, args in (
        ("transfer", (ZERO, 1)),
        ("deposit", (1, ZERO)),
        ("mint", (10**6, ZERO)),
        ("withdraw", (1, ZERO, world.lender)),
        ("redeem", (10**6, ZERO, world.lender)),
    ):
        world.refuses("receiver is zero", function, *args)


def test_amount_is_too_large(world):
    """Shares have 128 bits, assets 112."""
    for function in ("deposit", "mint"):
        world.refuses("amount is too large", function, 2**128, world.lender)
    for function in ("convertToShares", "previewDeposit", "previewWithdraw"):
        assert world.read(function, MOST) > 0
        refused(world, function, MOST + 1)
    for function in ("convertToAssets", "previewMint", "previewRedeem"):
        assert world.read(function, 2**128 - 1) > 0
        refused(world, function, 2**128)


def refused(world, function, amount):
    with pytest.raises(Reverted) as caught:
        world.read(function, amount)
    assert caught.value.reason == "amount is too large"


def test_more_than_is_owed(world):
    world.act("deposit", 10**18, world.lender)
    shares = world.lend(10**17)
    world.refuses("more than is owed", "write_off", shares + 1, sender=world.engine)
    world.act("write_off", shares, sender=world.engine)


def test_cash_is_full(world):
    """Cash has 112 bits, what a liquidator pays the fund included."""
    world.act("deposit", 10**18, world.lender)
    shares = world.lend(10**17)
    args = 10**17, shares, world.borrower
    world.refuses("cash is full", "collect", *args, MOST + 1, sender=world.engine)
    left = MOST - world.read("cash") - 10**17
    world.refuses("cash is full", "collect", *args, left + 1, sender=world.engine)


def test_too_many_shares(world):
    """A vault that lost nearly all of its total, where a unit buys many."""
    world.act("deposit", 10**18, world.lender)
    lent = world.lend(world.read("cash"))
    world.act("write_off", lent - lent // 10**5, sender=world.engine)
    left = 2**127 - 1 - world.read("totalSupply")
    world.refuses("too many shares", "mint", left + 1, world.lender)


@pytest.mark.parametrize("function", ["set_level"])
def test_caller_is_not_the_breaker(world, function):
    world.refuses("caller is not the breaker", function, 0, 0, 0, sender=world.owner)


def permit(world, owner=SIGNER, deadline=0, nonce=0, amount=5):
    """The arguments, signed for a permit by which `other` may take so much."""
    deadline += world.host.now
    message = hashed(PERMIT_TYPE, owner, world.other, amount, nonce, deadline)
    signed = KEY.sign_msg_hash(digest(world.read("DOMAIN_SEPARATOR"), message))
    words = [part.to_bytes(32, "big") for part in (signed.r, signed.s)]
    return owner, world.other, amount, deadline, signed.v + 27, *words


def test_permit(world):
    """To its last second, once."""
    world.act("permit", *permit(world))
    assert world.read("allowance", SIGNER, world.other) == 5
    assert world.read("nonces", SIGNER) == 1
    world.refuses("signature is not valid", "permit", *permit(world))


def test_permit__has_expired(world):
    world.refuses("permit has expired", "permit", *permit(world, deadline=-1))


def test_permit__of_somebody_else(world):
    world.refuses("signature is not valid", "permit", *permit(world, owner=world.lender))
    world.refuses("signature is not valid", "permit", *permit(world, nonce=1))
    owner, spender, _, *rest = permit(world)
    args = owner, spender, MAX_UINT256, *rest
    world.refuses("signature is not valid", "permit", *args)


def test_permit__of_nobody(world):
    """A signature that recovers to nobody is not the zero address's."""
    deadline = world.host.now
    args = ZERO, world.other, 5, deadline, 27, bytes(32), bytes(32)
    world.refuses("signature is not valid", "permit", *args)
