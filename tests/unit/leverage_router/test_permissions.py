"""`trade`: who may have it done, by which grants and permits, and within which limits."""

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from breakwater.mocks import PermitTokenMock
from breakwater.units import account_id
from tests.market import ASSETS, BORROW, DEPOSIT, MOVE, WITHDRAW, ZERO, Market, refuses
from tests.unit.leverage_router.conftest import (
    ALL,
    DECREASE,
    FAR,
    INCREASE,
    RIGHTS,
    SWAP_COLLATERAL,
    SWAP_DEBT,
    WAD,
    Grant,
    Permit,
    World,
    paid_out,
    taken_in,
)

pytestmark = pytest.mark.needs("uniswap")
USD = 10**6
KEY = Account.from_key(keccak(text="owner"))
GRANT = {
    "SetOperator": [
        {"name": "account", "type": "bytes32"},
        {"name": "operator", "type": "address"},
        {"name": "asset", "type": "address"},
        {"name": "actions", "type": "uint256"},
        {"name": "amount", "type": "uint256"},
        {"name": "expiry", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}
PERMIT = {
    "EIP712Domain": [{"name": "chainId", "type": "uint256"}],
    "Permit": [
        {"name": "owner", "type": "address"},
        {"name": "spender", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ],
}


@pytest.fixture
def signed(host):
    """An owner with a key and 10 WETH, which has permits; he has granted and approved nothing."""
    token = PermitTokenMock.deploy(host, "WETH", "WETH", 18, sender=host.account("owner"))
    market = Market(host, {**ASSETS, "WETH": {**ASSETS["WETH"], "token": token}})
    world = World(market, KEY.address)
    world.weth_usdc = world.pool("WETH", "USDC", liquidity=10**20)
    token.mint(world.owner, 10 * WAD, sender=market.owner)
    return world


def grant(world, **changes):
    """The owner's signed grant of everything to the router."""
    fields = {
        "account": world.account, "operator": world.router.address, "asset": ZERO,
        "actions": RIGHTS, "amount": ALL, "expiry": world.host.now + 60, "nonce": 3,
        "deadline": world.host.now + 60, **changes,
    }  # fmt: skip
    domain = {
        "name": "Breakwater", "version": "1", "chainId": world.host.chain_id,
        "verifyingContract": world.market.engine.address,
    }  # fmt: skip
    signature = KEY.sign_message(encode_typed_data(domain, GRANT, fields)).signature
    rest = [value for name, value in fields.items() if name not in ("account", "operator")]
    return Grant(*rest, bytes(signature))


def permit(world, name="WETH", **changes):
    """The owner's signed permit of 10 WETH to the router."""
    token = world.market.assets[name].token
    message = {
        "owner": world.owner, "spender": world.router.address, "value": 10 * WAD,
        "nonce": token.nonces(world.owner), "deadline": world.host.now + 60, **changes,
    }  # fmt: skip
    whole = {
        "types": PERMIT, "primaryType": "Permit", "domain": {"chainId": world.host.chain_id},
        "message": message,
    }  # fmt: skip
    signature = KEY.sign_message(encode_typed_data(full_message=whole))
    return Permit(
        token.address, message["value"], message["deadline"], signature.v,
        signature.r.to_bytes(32, "big"), signature.s.to_bytes(32, "big"),
    )  # fmt: skip


def open_long(world, **options):
    return world.trade(INCREASE, "USDC", "WETH", 10_000 * USD, own_buy=10 * WAD, **options)


# ------------------------------------------------------------ whose account


@pytest.mark.parametrize("kind", [INCREASE, DECREASE, SWAP_COLLATERAL, SWAP_DEBT])
def test_trade__of_another_account(long, kind):
    """Not by a stranger, and not by an operator who may do all of it himself."""
    market = long.market
    for _ in range(2):
        with refuses("caller is not account owner"):
            long.trade(kind, "WETH", "USDC", WAD, sender=market.other)
        market.engine.set_operator(
            long.account, market.other, ZERO, RIGHTS | MOVE, ALL, FAR, sender=long.owner
        )


def test_trade__another_account_of_the_owner_needs_its_own_grant(long):
    with refuses("caller may not do this"):
        long.trade(INCREASE, "USDC", "WETH", USD, account=account_id(long.owner, 1))


NEEDED = {
    INCREASE: [("USDC", BORROW), ("WETH", DEPOSIT)],
    DECREASE: [("WETH", WITHDRAW)],
    SWAP_COLLATERAL: [("WETH", WITHDRAW), ("DAI", DEPOSIT)],
    SWAP_DEBT: [("DAI", BORROW)],
}
"""What the router must be granted, for each kind."""


@pytest.mark.parametrize("kind", NEEDED)
def test_trade__needs_its_grants_and_no_more(market, kind):
    world = World(market)
    for pair in (("WETH", "USDC"), ("WETH", "DAI"), ("DAI", "USDC")):
        world.pool(*pair)
    market.deposit("DAI" if kind == INCREASE else "WETH", 40_000 if kind == INCREASE else 20)
    market.borrow("USDC", 10_000)
    world.host.advance(12)
    pairs = {
        INCREASE: ("USDC", "WETH", 1_000 * USD), DECREASE: ("WETH", "USDC", WAD),
        SWAP_COLLATERAL: ("WETH", "DAI", WAD), SWAP_DEBT: ("DAI", "USDC", 1_000 * WAD),
    }  # fmt: skip
    for name, action in NEEDED[kind]:
        with refuses("caller may not do this"):
            world.trade(kind, *pairs[kind])
        world.grant(market.assets[name], action, ALL)
    world.trade(kind, *pairs[kind])


def test_trade__grant_of_an_amount_is_spent(long):
    long.grant(long.market.assets["WETH"], WITHDRAW, 3 * WAD)
    long.trade(DECREASE, "WETH", "USDC", 2 * WAD)
    with refuses("operator's amount is spent"):
        long.trade(DECREASE, "WETH", "USDC", WAD + 1)
    long.trade(DECREASE, "WETH", "USDC", WAD)


# ------------------------------------------------------------ signatures in the call


def test_trade__grant_and_permit_in_the_call(signed):
    """Opened in one transaction by an owner who has approved nothing; a minute later nobody may
    do anything for him.
    """
    bought = paid_out(signed.weth_usdc, signed.market.assets["USDC"].token, 10_000 * USD)
    open_long(signed, permits=[permit(signed)], grants=[grant(signed)])
    assert signed.held("WETH") == 10 * WAD + bought
    assert signed.is_empty()
    assert signed.market.assets["WETH"].token.allowance(signed.owner, signed.router) == 0
    signed.host.advance(61)
    with refuses("operator's grant has expired"):
        signed.trade(DECREASE, "WETH", "USDC", WAD)


def test_trade__without_them(signed):
    with refuses("allowance too low"):
        open_long(signed, grants=[grant(signed)])
    with refuses("caller may not do this"):
        open_long(signed, permits=[permit(signed)])


def test_trade__both_were_sent_before_by_someone_else(signed):
    """Who sees the call in the mempool and sends its signatures first stops nothing."""
    market, one, other = signed.market, permit(signed), grant(signed)
    token = market.assets["WETH"].token
    token.permit(signed.owner, signed.router, *one[1:], sender=market.other)
    market.engine.set_operator_by_signature(
        signed.account, signed.router, *other, sender=market.other
    )
    open_long(signed, permits=[one], grants=[other])
    assert signed.owed("USDC") == 10_000 * USD


def test_trade__signatures_of_others_are_nothing(signed):
    """A grant for another account and a permit for another spender, which were not signed so."""
    other = grant(signed, account=account_id(signed.owner, 1))
    with refuses("caller may not do this"):
        open_long(signed, permits=[permit(signed)], grants=[other])
    with refuses("allowance too low"):
        open_long(signed, permits=[permit(signed, spender=ZERO)], grants=[grant(signed)])
    with refuses("allowance too low"):
        open_long(signed, permits=[permit(signed, deadline=1)], grants=[grant(signed)])


def test_trade__token_without_permits(signed):
    """A permit that the token does not know is left alone, and the allowance decides."""
    signed.wallet("USDC", 1_000 * USD)
    usdc = signed.market.assets["USDC"].address
    empty = Permit(usdc, ALL, FAR, 27, bytes(32), bytes(32))
    signed.trade(
        INCREASE, "USDC", "WETH", 3_000 * USD, own_sell=1_000 * USD, own_buy=10 * WAD,
        permits=[empty, permit(signed)], grants=[grant(signed)],
    )  # fmt: skip
    assert signed.owed("USDC") == 2_000 * USD


def test_trade__permit_of_another_token(signed):
    dai = signed.market.assets["DAI"].address
    with refuses("permit of another token"):
        open_long(signed, permits=[permit(signed)._replace(token=dai)])


def test_trade__after_its_deadline(long):
    trade = long.job(DECREASE, "WETH", "USDC", WAD, deadline=long.host.now)
    start = long.host.snapshot()
    long.trade(trade)
    long.host.restore(start)
    long.host.advance(1)
    with refuses("deadline has passed"):
        long.trade(trade)


# ------------------------------------------------------------ limits and refusals


@pytest.mark.parametrize(
    ("kind", "pair"), [(INCREASE, ("USDC", "WETH")), (DECREASE, ("WETH", "USDC"))]
)
def test_trade__at_its_limit_and_one_beyond(long, kind, pair):
    """The pool moved against the owner by one unit more than he takes."""
    sells, buys = (long.market.assets[name].token for name in pair)
    amount = WAD if kind == DECREASE else 2_000 * USD
    least = paid_out(long.weth_usdc, sells, amount)
    with refuses("too little would be bought"):
        long.trade(kind, *pair, amount, limit=least + 1)
    most = taken_in(long.weth_usdc, buys, least)
    with refuses("too much would be sold"):
        long.trade(kind, *pair, least, exact_output=True, limit=most - 1)
    start = long.host.snapshot()
    long.trade(kind, *pair, amount, limit=least)
    long.host.restore(start)
    long.trade(kind, *pair, least, exact_output=True, limit=most)


def test_trade__limit_where_one_token_is_on_both_sides(world):
    world.wallet("USDC", 10_000 * USD)
    with refuses("too little would be bought"):
        world.trade(INCREASE, "USDC", "USDC", 100 * USD, own_buy=10_000 * USD, limit=100 * USD + 1)


def test_trade__own_tokens_come_from_the_caller(long):
    """An allowance of another one serves nobody else."""
    market = long.market
    market.assets["WETH"].token.mint(market.other, WAD, sender=market.owner)
    market.assets["WETH"].token.approve(long.router, ALL, sender=market.other)
    with refuses("allowance too low"):
        long.trade(INCREASE, "USDC", "WETH", USD, own_buy=1)
    with refuses("allowance too low"):
        long.trade(DECREASE, "WETH", "USDC", WAD, own_sell=1)


def test_trade__refusals(long):
    with refuses("unknown kind"):
        long.trade(0, "WETH", "USDC", WAD)
    with refuses("unknown kind"):
        long.trade(INCREASE | DECREASE, "WETH", "USDC", WAD)
    for kind in (SWAP_COLLATERAL, SWAP_DEBT):
        with refuses("tokens are the same"):
            long.trade(kind, "USDC", "USDC", USD)
    with refuses("amount is zero"):
        long.trade(DECREASE, "WETH", "USDC", 0)
    with refuses("amount is zero"):
        long.trade(SWAP_COLLATERAL, "DAI", "USDC", ALL)
    with refuses("account has no such debt"):
        long.trade(DECREASE, "WETH", "DAI", WAD)
    with refuses("account has no such debt"):
        long.trade(SWAP_DEBT, "USDC", "WBTC", USD)
    with refuses("there is no such pool"):
        long.trade(DECREASE, "WETH", "USDC", WAD, path=long.path(500))
    with refuses("there is no such pool"):
        long.trade(DECREASE, "WETH", "USDC", WAD, path=long.path(3_000, "DAI", 500))
    with refuses("asset is no debt asset"):
        long.pool("WBTC", "WETH")
        long.trade(INCREASE, "WBTC", "WETH", 1_000)
    long.wallet("USDC", 20_000 * USD)
    with refuses("amount is zero"):
        long.trade(DECREASE, "WETH", "USDC", ALL, exact_output=True, own_buy=20_000 * USD)


def test_trade__pool_that_ends(long):
    """What it has is not enough: no half of a trade."""
    long.pool("WETH", "USDC", fee=500, liquidity=10**15, reach=1_200)
    with refuses("pool has too little"):
        long.trade(DECREASE, "WETH", "USDC", 9 * WAD, path=long.path(500))
    with refuses("pool has too little"):
        long.trade(DECREASE, "WETH", "USDC", 9_000 * USD, exact_output=True, path=long.path(500))


def test_trade__the_engine_refuses(long):
    """Its reasons, the vault's and the risk engine's come through."""
    with refuses("debt is below the minimum"):
        long.trade(DECREASE, "WETH", "USDC", 9_950 * USD, exact_output=True)
    with refuses("initial margin is not met"):
        long.trade(DECREASE, "WETH", "USDC", 1_000 * USD, exact_output=True, withdraw=4 * WAD)
    long.market.break_feed("WETH")
    with refuses("price is stale"):
        long.trade(DECREASE, "WETH", "USDC", 1_000 * USD, exact_output=True)


def test_constructor__refusals(world):
    me = world.market.owner
    with refuses("credit engine has no code"):
        type(world.router).deploy(world.host, me, world.factory, sender=me)
    with refuses("factory has no code"):
        type(world.router).deploy(world.host, world.market.engine, me, sender=me)
    assert world.router.credit_engine() == world.market.engine.address
    assert world.router.factory() == world.factory
