"""`execute`, `cancel_order`, `cancel_orders`: what an owner signed, done once when it holds."""

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from breakwater import artifacts
from breakwater.host import interface_of
from breakwater.units import account_id
from tests.market import ASSETS, WITHDRAW, ZERO, Market, refuses
from tests.unit.leverage_router.conftest import (
    ALL,
    DECREASE,
    FAR,
    HEALTH_AT_MOST,
    PRICE_AT_LEAST,
    PRICE_AT_MOST,
    RIGHTS,
    WAD,
    World,
    opened,
    paid_out,
    taken_in,
)

pytestmark = pytest.mark.needs("uniswap")
USD = 10**6
BPS = 10_000
KEY = Account.from_key(keccak(text="owner"))
WALLET = '''
# pragma version 0.4.3
"""
@notice Signs what it was told to approve, and calls what it is told to.
"""
approved: HashMap[bytes32, bool]

@external
def approve(digest: bytes32):
    self.approved[digest] = True

@external
def forward(target: address, data: Bytes[1_024]):
    raw_call(target, data)

@view
@external
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> bytes4:
    return 0x1626ba7e if self.approved[digest] else 0xffffffff
'''
KINDS = ("bytes32 account", "address sell", "address buy", "bool exact_output", "uint256 amount",
         "uint256 condition", "address watched", "uint256 trigger", "uint256 least_after",
         "uint256 most_after", "uint256 slippage", "uint256 fee", "uint256 epoch", "uint256 nonce",
         "uint256 deadline")  # fmt: skip
TYPES = {"Order": [dict(zip(("type", "name"), kind.split(), strict=True)) for kind in KINDS]}


def digest(world, order, **domain):
    fields = {
        "name": "Breakwater LeverageRouter", "version": "1", "chainId": world.host.chain_id,
        "verifyingContract": world.router.address, **domain,
    }  # fmt: skip
    return encode_typed_data(fields, TYPES, order._asdict())


def signature(world, order, key=KEY, **domain):
    return bytes(key.sign_message(digest(world, order, **domain)).signature)


def execute(world, order, signed=None, amount=0, path=None):
    """By the keeper; what was sold, what was bought."""
    signed = signature(world, order) if signed is None else signed
    receipt = world.router.execute(order, signed, amount, path or world.path(), sender=world.keeper)
    return tuple(receipt.value)


def with_key(world):
    """10 WETH against 10,000 USDC, of an owner with a key, who lets the router withdraw."""
    market = world.market
    opened(world)
    market.give("WETH", world.owner, 10 * WAD)
    weth, usdc = market.assets["WETH"], market.assets["USDC"]
    market.engine.deposit_collateral(world.account, weth, 10 * WAD, sender=world.owner)
    market.engine.borrow(world.account, usdc, 10_000 * USD, market.other, sender=world.owner)
    world.grant(actions=WITHDRAW)
    world.host.advance(12)
    return world


@pytest.fixture
def long(market):
    return with_key(World(market, KEY.address))


def fall(world, dollars):
    """The oracle's price of WETH, and that of a fresh pool beside; its path."""
    world.market.price("WETH", dollars)
    world.low = world.pool("WETH", "USDC", fee=500, liquidity=10**20)
    return world.path(500)


# ------------------------------------------------------------ what it does


def test_execute__stop_loss_of_a_long(long):
    """All WETH is sold at 1,500, the debt paid, the keeper paid, the rest sent to the owner."""
    order = long.order(PRICE_AT_MOST, 1_500 * WAD, fee=20 * USD)
    signed = signature(long, order)
    with refuses("condition does not hold"):
        execute(long, order, signed)
    path = fall(long, 1_500)
    owed = long.owed("USDC")
    bought = paid_out(long.low, long.market.assets["WETH"].token, 10 * WAD)
    receipt = long.router.execute(order, signed, 0, path, sender=long.keeper)
    assert tuple(receipt.value) == (10 * WAD, bought)
    assert long.market.legs(long.account) == []
    assert long.tokens("USDC", long.keeper) == 20 * USD
    assert long.tokens("USDC") == bought - 20 * USD - owed
    assert long.is_empty()
    assert receipt.event("ExecuteOrder").args == {
        "account": long.account, "keeper": long.keeper, "nonce": 1, "fee": 20 * USD,
    }  # fmt: skip
    assert receipt.event("LeverageTrade").args == {
        "account": long.account, "sell": order.sell, "buy": order.buy, "kind": DECREASE,
        "sold": 10 * WAD, "bought": bought,
    }  # fmt: skip


def test_execute__condition_at_its_very_price(long):
    path = fall(long, 1_500)
    with refuses("condition does not hold"):
        execute(long, long.order(PRICE_AT_MOST, 1_500 * WAD - 1), path=path)
    with refuses("condition does not hold"):
        execute(long, long.order(PRICE_AT_LEAST, 1_500 * WAD + 1), path=path)
    start = long.host.snapshot()
    execute(long, long.order(PRICE_AT_MOST, 1_500 * WAD), path=path)
    long.host.restore(start)
    execute(long, long.order(PRICE_AT_LEAST, 1_500 * WAD), path=path)


def test_execute__take_profit_of_a_part(long):
    """3 WETH at 2,500: the rest stays."""
    order = long.order(PRICE_AT_LEAST, 2_500 * WAD, 3 * WAD)
    path = fall(long, 2_500)
    owed = long.owed("USDC")
    bought = paid_out(long.low, long.market.assets["WETH"].token, 3 * WAD)
    assert execute(long, order, path=path) == (3 * WAD, bought)
    assert long.held("WETH") == 7 * WAD
    assert abs(long.owed("USDC") - (owed - bought)) <= 1


def test_execute__stop_loss_of_a_short(market):
    """Stable collateral against WETH: all of that debt is bought back, at 2,500."""
    world = opened(World(market, KEY.address))
    market.give("USDC", world.owner, 30_000 * USD)
    usdc, weth = market.assets["USDC"], market.assets["WETH"]
    market.engine.deposit_collateral(world.account, usdc, 30_000 * USD, sender=world.owner)
    market.engine.borrow(world.account, weth, 5 * WAD, market.other, sender=world.owner)
    world.host.advance(12)
    order = world.order(
        PRICE_AT_LEAST, 2_500 * WAD, sell="USDC", buy="WETH", exact_output=True, fee=WAD // 100
    )
    path = fall(world, 2_500)
    owed = world.owed("WETH")
    sold = taken_in(world.low, weth.token, owed + WAD // 100)
    assert execute(world, order, path=path) == (sold, owed + WAD // 100)
    assert (world.held("USDC"), world.owed("WETH")) == (30_000 * USD - sold, 0)
    assert world.tokens("WETH", world.keeper) == WAD // 100
    assert world.is_empty()


def test_execute__health_is_kept(long):
    """At 1,300 health is 1.08: 3,000 of debt are repaid, which makes 1.18 of it."""
    path = fall(long, 1_300)
    order = long.order(
        HEALTH_AT_MOST, 11 * WAD // 10, exact_output=True, least_after=117 * WAD // 100,
        most_after=13 * WAD // 10, fee=5 * USD,
    )  # fmt: skip
    assert WAD < long.health() < order.trigger
    with refuses("health is still too low"):
        execute(long, order, amount=2_000 * USD, path=path)
    with refuses("health would be too high"):
        execute(long, order, amount=5_000 * USD, path=path)
    sold = taken_in(long.low, long.market.assets["USDC"].token, 3_005 * USD)
    assert execute(long, order, amount=3_000 * USD, path=path) == (sold, 3_005 * USD)
    assert order.least_after <= long.health() <= order.most_after
    assert abs(long.owed("USDC") - 7_000 * USD) < USD
    assert long.tokens("USDC", long.keeper) == 5 * USD


def test_execute__health_by_selling_so_much(long):
    path = fall(long, 1_300)
    order = long.order(HEALTH_AT_MOST, 11 * WAD // 10, 3 * WAD, most_after=14 * WAD // 10)
    with refuses("amount is above the order's"):
        execute(long, order, amount=3 * WAD + 1, path=path)
    bought = paid_out(long.low, long.market.assets["WETH"].token, 3 * WAD)
    assert execute(long, order, amount=3 * WAD, path=path) == (3 * WAD, bought)


def test_execute__health_at_its_very_line(long):
    path = fall(long, 1_300)
    health = long.health()
    order = long.order(HEALTH_AT_MOST, health - 1, exact_output=True, most_after=ALL)
    with refuses("condition does not hold"):
        execute(long, order, amount=3_000 * USD, path=path)
    order = order._replace(trigger=health)
    start = long.host.snapshot()
    execute(long, order, amount=3_000 * USD, path=path)
    after = long.health()
    long.host.restore(start)
    with refuses("health would be too high"):
        execute(long, order._replace(most_after=after - 1), amount=3_000 * USD, path=path)
    with refuses("health is still too low"):
        execute(long, order._replace(least_after=after + 1), amount=3_000 * USD, path=path)
    order = order._replace(least_after=after, most_after=after)
    execute(long, order, amount=3_000 * USD, path=path)


def test_execute__health_of_what_owes_nothing(long):
    """All of a debt may be repaid where no health is too high."""
    path = fall(long, 1_300)
    order = long.order(HEALTH_AT_MOST, 11 * WAD // 10, exact_output=True, most_after=ALL)
    with refuses("health would be too high"):
        execute(long, order._replace(most_after=ALL - 1), amount=ALL, path=path)
    execute(long, order, amount=ALL, path=path)
    assert long.owed("USDC") == 0


def test_execute__same_token_on_both_sides(market):
    """A recursive position is unwound by its order, without a pool."""
    world = opened(World(market, KEY.address))
    market.give("USDC", world.owner, 30_000 * USD)
    usdc = market.assets["USDC"]
    market.engine.deposit_collateral(world.account, usdc, 30_000 * USD, sender=world.owner)
    market.engine.borrow(world.account, usdc, 20_000 * USD, market.other, sender=world.owner)
    world.host.advance(12)
    owed = world.owed("USDC")
    order = world.order(PRICE_AT_LEAST, WAD, sell="USDC", watched="USDC", slippage=0, fee=USD)
    assert execute(world, order) == (30_000 * USD, 30_000 * USD)
    assert world.tokens("USDC") == 30_000 * USD - USD - owed
    assert world.is_empty()


def test_execute__by_a_contract_that_owns(market):
    """EIP-1271: what the contract approves of; and it has an operator open the position."""
    artifact, me = artifacts.compile_source(WALLET), market.borrower
    wallet = market.host.deploy_raw(artifact.abi, artifact.bytecode, sender=me)
    world = World(market)
    world.account = account_id(wallet, 0)
    engine = interface_of("CreditEngine").function("set_operator", 6)
    for operator in (me, world.router.address):
        data = engine.encode((world.account, operator, ZERO, RIGHTS, ALL, FAR))
        market.host.transact(
            wallet, artifact.abi, "forward", [market.engine.address, data], sender=me
        )
    market.deposit("WETH", 10, world.account)
    market.borrow("USDC", 10_000, world.account)
    world.host.advance(12)
    order = world.order(PRICE_AT_MOST, 1_500 * WAD)
    path = fall(world, 1_500)
    with refuses("signature is not valid"):
        execute(world, order, b"", path=path)
    approved = [world.router.order_hash(order)]
    market.host.transact(wallet, artifact.abi, "approve", approved, sender=me)
    owed = market.owed("USDC", world.account)
    sold, bought = execute(world, order, b"", path=path)
    assert sold == 10 * WAD
    assert world.tokens("USDC", wallet) == bought - owed


# ------------------------------------------------------------ slippage


@pytest.mark.parametrize("exact_output", [False, True])
def test_execute__at_its_slippage_and_beyond(long, exact_output):
    """What the pool gives, as a part of what the oracle says: the bound is met, and missed by one
    basis point.
    """
    path = fall(long, 1_500)
    weth, usdc = (long.market.assets[name].token for name in ("WETH", "USDC"))
    long.low.swap_to(long.low.tick - 300 if weth.address == long.low.tokens[0].address
                     else long.low.tick + 300)  # fmt: skip
    if exact_output:
        amount = 6_000 * USD
        value = (taken_in(long.low, usdc, amount) * 1_500, amount * 10**12)
    else:
        amount = 5 * WAD
        value = (amount * 1_500, paid_out(long.low, weth, amount) * 10**12)
    lost = BPS - value[1] * BPS // value[0]
    assert 290 < lost < 400
    order = long.order(PRICE_AT_MOST, 1_500 * WAD, amount, exact_output=exact_output)
    with refuses("trade loses too much"):
        execute(long, order._replace(slippage=lost - 1), path=path)
    execute(long, order._replace(slippage=lost), path=path)


def test_execute__keeper_moves_the_pool_first(long):
    """A sandwich beyond the signed slippage: refused, and the order is as good as before."""
    path = fall(long, 1_500)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD)
    signed = signature(long, order)
    start, tick = long.host.snapshot(), long.low.tick
    weth = long.market.assets["WETH"].token
    away = -1_000 if weth.address == long.low.tokens[0].address else 1_000
    long.low.swap_to(tick + away)
    with refuses("trade loses too much"):
        execute(long, order, signed, path=path)
    long.host.restore(start)
    execute(long, order, signed, path=path)


def test_execute__slippage_of_everything_is_no_bound(long):
    path = fall(long, 1_500)
    weth = long.market.assets["WETH"].token
    away = -9_000 if weth.address == long.low.tokens[0].address else 9_000
    long.low.swap_to(long.low.tick + away)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD, WAD, slippage=ALL)
    assert execute(long, order, path=path)[0] == WAD


def test_execute__fee_beyond_what_is_bought(long):
    path = fall(long, 1_500)
    bought = paid_out(long.low, long.market.assets["WETH"].token, WAD)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD, WAD, fee=bought + 1)
    with refuses("fee is more than is bought"):
        execute(long, order, path=path)
    with refuses("amount is too large"):
        execute(long, order._replace(fee=2**104), path=path)


# ------------------------------------------------------------ which prices


def test_execute__never_at_the_price_of_a_pool(long):
    """A pool at 1,000 does not trigger what waits for 1,500."""
    weth = long.market.assets["WETH"].token
    away = -6_900 if weth.address == long.weth_usdc.tokens[0].address else 6_900
    long.weth_usdc.swap_to(long.weth_usdc.tick + away)
    with refuses("condition does not hold"):
        execute(long, long.order(PRICE_AT_MOST, 1_500 * WAD))


@pytest.mark.parametrize("name", ["WETH", "USDC"])
def test_execute__price_is_stale(long, name):
    path = fall(long, 1_500)
    long.market.break_feed(name)
    for order in (long.order(PRICE_AT_MOST, 1_500 * WAD), long.order(HEALTH_AT_MOST, 2 * WAD)):
        with refuses("price is stale"):
            execute(long, order, amount=ALL, path=path)
        with refuses("price is stale"):
            long.router.check_order(order)


def test_execute__price_of_what_is_watched_is_stale(long):
    path = fall(long, 1_500)
    long.market.break_feed("WBTC")
    with refuses("price is stale"):
        execute(long, long.order(PRICE_AT_MOST, 10**30, watched="WBTC"), path=path)
    execute(long, long.order(PRICE_AT_MOST, 1_500 * WAD), path=path)


def test_execute__health_rests_on_every_leg(long):
    """A third asset without a price fades and lowers health: that is no reason to sell."""
    market = long.market
    market.give("DAI", long.owner, 100 * WAD)
    market.engine.deposit_collateral(
        long.account, market.assets["DAI"], 100 * WAD, sender=long.owner
    )
    path = fall(long, 1_300)
    market.break_feed("DAI")
    order = long.order(HEALTH_AT_MOST, 2 * WAD, exact_output=True, most_after=ALL)
    with refuses("price is stale"):
        execute(long, order, amount=1_000 * USD, path=path)


@pytest.mark.parametrize(("band", "reason"), [(6_300, None), (500, "condition does not hold")])
def test_execute__print_that_nobody_confirmed(new_market, band, reason):
    """A spot away from its average by more than the band is no price to liquidate at, and none to
    trigger an order: until a second poke saw it.
    """
    long = with_key(World(new_market(WETH={"jump_band": band}), KEY.address))
    order = long.order(PRICE_AT_MOST, 1_500 * WAD)
    path = fall(long, 1_500)
    if reason is None:
        assert long.router.check_order(order)
        return
    with refuses(reason):
        execute(long, order, path=path)
    for _ in range(2):
        long.market.poke("WETH")
        long.host.advance(61)
    assert execute(long, order, path=path)[0] == 10 * WAD


def test_execute__sources_disagree(host):
    """Two of them, apart by more than their band; within it the favourable one counts."""
    market = Market(host, {**ASSETS, "WETH": {**ASSETS["WETH"], "sources": 2}})
    long = with_key(World(market, KEY.address))
    path = fall(long, 1_500)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD)
    market.price("WETH", 1_500, 1_400)
    with refuses("price sources disagree"):
        execute(long, order, path=path)
    market.price("WETH", 1_501, 1_500)
    with refuses("condition does not hold"):
        execute(long, order, path=path)
    market.price("WETH", 1_500, 1_499)
    execute(long, order, path=path)


def test_execute__asset_that_is_held_or_settled(long):
    market = long.market
    path = fall(long, 1_500)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD)
    start = long.host.snapshot()
    market.breaker.hold(market.assets["WETH"], 3_600, sender=market.guardian)
    with refuses("asset is held"):
        execute(long, order, path=path)
    long.host.restore(start)
    market.settle("WETH")
    market.wind_down("WETH", 1_500 * WAD)
    with refuses("asset is settled"):
        execute(long, order, path=path)


@pytest.mark.parametrize("is_back", [False, True])
def test_execute__sequencer_is_down(host, is_back):
    """Prices from before an outage liquidate nobody for an hour, and sell for nobody."""
    long = with_key(World(Market(host, has_sequencer=True), KEY.address))
    market = long.market
    path = fall(long, 1_500)
    order = long.order(PRICE_AT_LEAST, WAD)
    assert long.router.check_order(order)
    market.uptime.set(1, sender=market.owner)
    host.advance(7_200)
    if is_back:
        market.uptime.set(0, sender=market.owner)
        market.sequencer.poke(sender=market.other)
    reason = "grace after an outage" if is_back else "sequencer is down"
    start = host.snapshot()
    for one in (order, long.order(HEALTH_AT_MOST, 2 * WAD, most_after=ALL)):
        with refuses(reason):
            execute(long, one, amount=ALL, path=path)
        with refuses(reason):
            long.router.check_order(one)
    # the owner himself is not held up
    host.restore(start)
    long.trade(DECREASE, "WETH", "USDC", ALL, path=path)
    if is_back:
        host.advance(3_600)
        market.refresh()
        assert long.router.check_order(order)


def test_execute__refusals_of_what_was_signed(long):
    dollars = 1_500 * WAD
    with refuses("unknown condition"):
        execute(long, long.order(0, dollars))
    with refuses("unknown condition"):
        execute(long, long.order(PRICE_AT_MOST | PRICE_AT_LEAST, dollars))
    with refuses("asset is not listed"):
        execute(long, long.order(PRICE_AT_MOST, dollars)._replace(watched=ZERO))
    with refuses("account has no such debt"):
        execute(long, long.order(PRICE_AT_LEAST, 1, buy="DAI"))
    with refuses("caller may not do this"):
        long.grant(actions=0)
        execute(long, long.order(PRICE_AT_LEAST, 1))


# ------------------------------------------------------------ whose signature, and once


def test_execute__only_what_the_owner_signed(long):
    path = fall(long, 1_500)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD)
    good = signature(long, order)
    changed = {
        "account": account_id(long.owner, 1), "sell": order.buy, "buy": order.sell,
        "exact_output": True, "amount": WAD, "condition": PRICE_AT_LEAST, "watched": order.buy,
        "trigger": 1_600 * WAD, "least_after": 1, "most_after": 1, "slippage": 200, "fee": 1,
        "nonce": 2, "deadline": order.deadline + 1,
    }  # fmt: skip
    assert set(changed) | {"epoch"} == set(order._fields)
    for name, other in changed.items():
        with refuses("signature is not valid"):
            execute(long, order._replace(**{name: other}), good, path=path)
    domains = [{"chainId": 5}, {"verifyingContract": long.market.engine.address},
               {"name": "Breakwater"}, {"version": "2"}]  # fmt: skip
    stranger = Account.from_key(keccak(text="stranger"))
    forged = [signature(long, order, **domain) for domain in domains]
    for wrong in (*forged, signature(long, order, stranger), b""):
        with refuses("signature is not valid"):
            execute(long, order, wrong, path=path)
    with refuses("ecdsa: invalid signature"):
        execute(long, order, bytes(65), path=path)
    nobodys = order._replace(account=bytes(32))
    for wrong in (b"", signature(long, nobodys)):
        with refuses("signature is not valid"):
            execute(long, nobodys, wrong, path=path)
    execute(long, order, good, path=path)


def test_execute__digest_is_that_of_eip_712(long):
    order = long.order(HEALTH_AT_MOST, 2 * WAD, most_after=3 * WAD, fee=7, exact_output=True)
    signable = digest(long, order)
    assert long.router.order_hash(order) == keccak(b"\x19\x01" + signable.header + signable.body)
    assert long.router.DOMAIN_SEPARATOR() == signable.header


def test_execute__once(long):
    path = fall(long, 1_500)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD, WAD)
    signed = signature(long, order)
    assert not long.router.is_nonce_used(long.owner, 1)
    execute(long, order, signed, path=path)
    assert long.router.is_nonce_used(long.owner, 1)
    assert not long.router.is_nonce_used(long.market.other, 1)
    with refuses("nonce is used"):
        execute(long, order, signed, path=path)
    with refuses("nonce is used"):
        execute(long, order._replace(amount=2 * WAD), path=path)
    with refuses("nonce is used"):
        long.router.check_order(order)
    for nonce in (0, 2, 257, ALL):
        execute(long, order._replace(nonce=nonce), path=path)
        assert long.router.is_nonce_used(long.owner, nonce)


def test_execute__until_its_deadline(long):
    path = fall(long, 1_500)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD, deadline=long.host.now)
    start = long.host.snapshot()
    assert long.router.check_order(order)
    execute(long, order, path=path)
    long.host.restore(start)
    long.host.advance(1)
    with refuses("order has expired"):
        execute(long, order, path=path)
    with refuses("order has expired"):
        long.router.check_order(order)


def test_cancel_order__one(long):
    path = fall(long, 1_500)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD)
    long.router.cancel_order(1, sender=long.market.other)  # a nonce of his own
    assert long.router.check_order(order)
    receipt = long.router.cancel_order(1, sender=long.owner)
    assert receipt.event("CancelOrder").args == {"owner": long.owner, "nonce": 1}
    with refuses("nonce is used"):
        execute(long, order, path=path)
    with refuses("nonce is used"):
        long.router.cancel_order(1, sender=long.owner)
    execute(long, order._replace(nonce=2), path=path)


def test_cancel_orders__all(long):
    path = fall(long, 1_500)
    orders = [long.order(PRICE_AT_MOST, 1_500 * WAD, WAD, nonce=n) for n in (1, 2, 300)]
    signed = [signature(long, order) for order in orders]
    long.router.cancel_orders(sender=long.market.other)
    assert long.router.check_order(orders[0])
    receipt = long.router.cancel_orders(sender=long.owner)
    assert receipt.event("CancelOrders").args == {"owner": long.owner, "epoch": 1}
    assert long.router.epoch_of(long.owner) == 1
    for order, one in zip(orders, signed, strict=True):
        with refuses("order is cancelled"):
            execute(long, order, one, path=path)
        with refuses("order is cancelled"):
            long.router.check_order(order)
        with refuses("signature is not valid"):
            execute(long, order._replace(epoch=1), one, path=path)
    execute(long, orders[0]._replace(epoch=1), path=path)


def test_check_order__condition(long):
    order = long.order(PRICE_AT_MOST, 1_500 * WAD)
    with refuses("condition does not hold"):
        long.router.check_order(order)
    fall(long, 1_500)
    assert long.router.check_order(order)
