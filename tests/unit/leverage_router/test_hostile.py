"""The router among the hostile: tokens that call back in, pools of nobody, and a caller who says
whatever he likes.
"""

import random

import pytest
from eth_account import Account
from eth_utils import keccak

from breakwater.driver import Grant, Path, Permit, Trade
from breakwater.foreign import Pool, factory
from breakwater.host import Reverted, interface_of
from breakwater.mocks import HookTokenMock, OddTokenMock
from breakwater.units import account_id
from tests.market import ASSETS, ZERO, refuses
from tests.unit.leverage_router.conftest import (
    ALL,
    DECREASE,
    FAR,
    HEALTH_AT_MOST,
    INCREASE,
    PRICE_AT_MOST,
    SWAP_COLLATERAL,
    WAD,
    World,
    paid_out,
    taken_in,
)
from tests.unit.leverage_router.test_orders import KEY, fall, signature, with_key

pytestmark = pytest.mark.needs("uniswap")
USD = 10**6


def listed(world, token, name="ODD", **rules):
    """A token as an asset like DAI."""
    world.market.add_asset(name, **ASSETS["DAI"], token=token, **rules)


# ------------------------------------------------------------ who calls in


def test_callback__from_nobody(long):
    """Outside of a call there is no pool, whatever stands in the data."""
    market = long.market
    long.market.assets["USDC"].token.mint(long.router, 10**9, sender=market.owner)
    weth = bytes(12) + bytes.fromhex(market.assets["WETH"].address[2:])
    job = long.account + b"".join([weth, weth, bytes(32 * 11)])
    for data in (b"", weth, job):
        for who in (market.other, long.owner, long.keeper):
            with refuses("caller is not the pool"):
                long.router.uniswapV3SwapCallback(10**9, -1, data, sender=who)


def test_callback__from_a_real_pool_that_somebody_else_swaps_in(long):
    """It calls who swaps, and that is not the router."""
    weth = long.market.assets["WETH"].token
    up = weth.address == long.weth_usdc.tokens[0].address
    long.weth_usdc.swap_to(long.weth_usdc.tick + (100 if up else -100))
    assert long.is_empty()


def test_pool__of_another_factory(long):
    """A pool that somebody made himself is not known."""
    assets = long.market.assets
    tokens = (assets["WETH"].token, assets["USDC"].token)
    Pool(long.host, tokens=tokens, made_by=factory(long.host), fee=500, observations=1)
    with refuses("there is no such pool"):
        long.trade(DECREASE, "WETH", "USDC", WAD, path=long.path(500))


CALLS = ("trade", "execute", "uniswapV3SwapCallback", "cancel_orders", "check_order")


def encoded(world, function):
    """A call of the router, as it would be sent; and what it is refused with."""
    job = world.job(DECREASE, "WETH", "USDC", WAD)
    order = world.order(PRICE_AT_MOST, ALL)
    arguments, reason = {
        "trade": ((job, [], []), ""),
        "execute": ((order, bytes(65), 0, world.path()), ""),
        "uniswapV3SwapCallback": ((1, -1, b""), "caller is not the pool"),
        "cancel_orders": ((), ""),
        "check_order": ((order,), ""),
    }[function]
    return interface_of("LeverageRouter").function(function, len(arguments)).encode(arguments), (
        reason
    )


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("exact_output", [False, True])
def test_token__cannot_call_back_in(long, function, after, exact_output):
    """A token in the middle of a path that is nobody's calls out in each of its transfers."""
    market = long.market
    hook = HookTokenMock.deploy(market.host, "Hook", "HOOK", 18, sender=market.owner)
    listed(long, hook, "HOOK", listed=False)
    first = long.pool("WETH", "HOOK", fee=500, liquidity=10**26)
    second = long.pool("HOOK", "USDC", fee=500)
    assets = market.assets
    data, reason = encoded(long, function)
    hook.set_hook(long.router, data, after, sender=market.owner)
    path = long.path(500, "HOOK", 500)
    if exact_output:
        middle = taken_in(second, assets["USDC"].token, 2_000 * USD)
        expected = taken_in(first, hook, middle), 2_000 * USD
        got = long.trade(DECREASE, "WETH", "USDC", 2_000 * USD, exact_output=True, path=path)
    else:
        middle = paid_out(first, assets["WETH"].token, WAD)
        expected = WAD, paid_out(second, hook, middle)
        got = long.trade(DECREASE, "WETH", "USDC", WAD, path=path)
    assert got == expected
    assert hook.calls() >= 1
    assert not hook.succeeded()
    assert reason.encode() in hook.answer()
    assert long.is_empty()


@pytest.mark.parametrize("kind", [INCREASE, SWAP_COLLATERAL])
@pytest.mark.parametrize("target", ["router", "engine"])
def test_token__that_is_collateral_cannot_call_back_in(long, kind, target):
    """A listed token takes the moment between the pool's payment and the account's credit."""
    market = long.market
    hook = HookTokenMock.deploy(market.host, "Hook", "HOOK", 18, sender=market.owner)
    listed(long, hook, "HOOK")
    sell = "USDC" if kind == INCREASE else "WETH"
    pool = long.pool(sell, "HOOK", fee=500, liquidity=10**26)
    data = encoded(long, "trade")[0]
    if target == "engine":
        # as the operator of another account it would be let in, were the engine not locked
        other = account_id(long.owner, 1)
        market.deposit("WETH", 2, other)
        call = (other, market.assets["WETH"].address, WAD, hook.address)
        data = interface_of("CreditEngine").function("withdraw_collateral", 4).encode(call)
        market.engine.set_operator(other, hook, ZERO, 7, ALL, FAR, sender=long.owner)
    hook.set_hook(getattr(long, target, None) or market.engine, data, True, sender=market.owner)
    amount = WAD if sell == "WETH" else 1_000 * USD
    bought = paid_out(pool, market.assets[sell].token, amount)
    start = long.held("WETH")
    long.trade(kind, sell, "HOOK", amount, path=long.path(500))
    assert long.held("HOOK") == bought
    assert hook.calls() == 2
    assert not hook.succeeded()  # the last of them, within the engine
    assert long.held("WETH") == start - (amount if sell == "WETH" else 0)
    assert long.is_empty()


def test_execute__token_of_the_keeper_executes_again(market):
    """The keeper's own token stands in the path, and sends the order once more meanwhile."""
    long = with_key(World(market, KEY.address))
    fall(long, 1_500)
    hook = HookTokenMock.deploy(market.host, "Hook", "HOOK", 18, sender=long.keeper)
    listed(long, hook, "HOOK", listed=False)
    long.pool("WETH", "HOOK", fee=500, liquidity=10**26)
    long.pool("HOOK", "USDC", fee=500)
    order = long.order(PRICE_AT_MOST, 1_500 * WAD, WAD, fee=USD)
    signed, path = signature(long, order), long.path(500, "HOOK", 500)
    again = interface_of("LeverageRouter").function("execute", 4)
    data = again.encode((order, signed, 0, long.path(500)))
    hook.set_hook(long.router, data, True, sender=long.keeper)
    long.router.execute(order, signed, 0, path, sender=long.keeper)
    assert hook.calls() == 2
    assert not hook.succeeded()
    assert long.held("WETH") == 9 * WAD
    assert long.tokens("USDC", long.keeper) == USD


# ------------------------------------------------------------ who moves the account


def token_of(world, sender):
    """A token of nobody's, which calls out in each of its transfers."""
    hook = HookTokenMock.deploy(world.host, "Mine", "MINE", 18, sender=sender)
    world.market.add_asset("MINE", **ASSETS["DAI"], token=hook, listed=False)
    return hook


def over(world, sell="WETH", buy="USDC"):
    """A path from one to the other over it."""
    world.pool(sell, "MINE", fee=500, liquidity=10**26)
    world.pool("MINE", buy, fee=500, liquidity=10**22)
    return world.path(500, "MINE", 500)


def calls(hook, target, name, arguments, sender):
    """It calls that from now on."""
    data = interface_of(name[0]).function(name[1], len(arguments)).encode(arguments)
    hook.set_hook(target, data, True, sender=sender)


def pays(world, hook, name, amount, sender):
    """It pays so much of the account's debt, whenever it moves."""
    asset = world.market.assets[name]
    asset.token.mint(hook, 100 * amount, sender=world.market.owner)
    calls(hook, asset.token, ("TokenMock", "approve"), (asset.vault.address, ALL), sender)
    hook.mint(sender, 1, sender=sender)
    hook.transfer(world.market.owner, 1, sender=sender)
    assert hook.succeeded()
    engine = world.market.engine
    calls(hook, engine, ("CreditEngine", "repay"), (world.account, asset.address, amount), sender)


@pytest.mark.parametrize("exact_output", [False, True])
def test_trade__debt_that_is_paid_meanwhile(long, exact_output):
    """What the vault did not take any more would stay here, and its approval too."""
    hook = token_of(long, long.owner)
    pays(long, hook, "USDC", USD, long.owner)
    amount = ALL if exact_output else 9 * WAD
    with refuses("account has changed"):
        long.trade(DECREASE, "WETH", "USDC", amount, exact_output=exact_output, path=over(long))
    assert long.is_empty()


def test_trade__own_tokens_that_move_the_account(long):
    """Nor by a token that is sold out of the wallet alone: it need not be listed."""
    hook = token_of(long, long.owner)
    long.pool("MINE", "USDC", fee=500, liquidity=10**22)
    hook.mint(long.owner, 12_000 * WAD, sender=long.owner)
    hook.approve(long.router, ALL, sender=long.owner)
    path, start = long.path(500), long.host.snapshot()
    long.trade(DECREASE, "MINE", "USDC", 11_000 * WAD, own_sell=11_000 * WAD, path=path)
    assert long.owed("USDC") == 0
    long.host.restore(start)
    pays(long, hook, "USDC", USD, long.owner)
    with refuses("account has changed"):
        long.trade(DECREASE, "MINE", "USDC", 11_000 * WAD, own_sell=11_000 * WAD, path=path)


# ------------------------------------------------------------ what lies here


def test_trade__what_somebody_sent_here_stays(long):
    """Tokens that were here before are nobody's: they neither help nor go."""
    market = long.market
    long.pool("WETH", "DAI", fee=500, liquidity=10**26)
    long.pool("DAI", "USDC", fee=500)
    for name in ("WETH", "USDC", "DAI"):
        market.assets[name].token.mint(long.router, 10**9, sender=market.owner)
    over = long.path(500, "DAI", 500)
    owed = long.owed("USDC")
    long.trade(DECREASE, "WETH", "USDC", WAD, path=over)
    long.trade(DECREASE, "WETH", "USDC", 1_000 * USD, exact_output=True, path=over)
    long.trade(INCREASE, "USDC", "WETH", 500 * USD)
    long.trade(DECREASE, "WETH", "USDC", ALL, exact_output=True, withdraw=ALL)
    assert market.legs(long.account) == []
    assert owed > 0
    for name in ("WETH", "USDC", "DAI"):
        assert long.tokens(name, long.router.address) == 10**9


@pytest.mark.parametrize(("kind", "where"), [(INCREASE, "buy"), (DECREASE, "sell")])
def test_token__that_takes_a_fee(long, kind, where):
    """Refused, and what lies here of it does not pay for what is missing."""
    market = long.market
    odd = OddTokenMock.deploy(market.host, "Odd", "ODD", 18, sender=market.owner)
    listed(long, odd, takes_fee=True)
    long.pool("ODD", "USDC", fee=500)
    market.deposit("ODD", 1_000, long.account)
    odd.mint(long.router, 1_000 * WAD, sender=market.owner)
    odd.set_odds(1, 100, False, False, sender=market.owner)
    with refuses("token takes a fee" if where == "buy" else "IIA"):
        if where == "buy":
            long.trade(kind, "USDC", "ODD", 100 * USD, path=long.path(500))
        else:
            long.trade(kind, "ODD", "USDC", 100 * WAD, path=long.path(500))
    long.wallet("ODD", 100 * WAD)
    with refuses("token takes a fee"):
        long.trade(INCREASE, "USDC", "ODD", 200 * USD, path=long.path(500), own_buy=100 * WAD)


def test_token__in_the_middle_that_takes_a_fee(long):
    market = long.market
    odd = OddTokenMock.deploy(market.host, "Odd", "ODD", 18, sender=market.owner)
    listed(long, odd, listed=False)
    long.pool("WETH", "ODD", fee=500, liquidity=10**26)
    long.pool("ODD", "USDC", fee=500)
    odd.mint(long.router, 1_000 * WAD, sender=market.owner)
    odd.set_odds(1, 100, False, False, sender=market.owner)
    path = long.path(500, "ODD", 500)
    for exact_output, amount in ((False, WAD), (True, 1_000 * USD)):
        with refuses("IIA"):
            long.trade(DECREASE, "WETH", "USDC", amount, exact_output=exact_output, path=path)


def test_token__in_the_middle_that_takes_from_what_lies_here(long):
    """It takes a unit of the router's whenever it moves: what lay here would have paid for that."""
    market = long.market
    hook = HookTokenMock.deploy(market.host, "Hook", "HOOK", 18, sender=market.owner)
    listed(long, hook, "HOOK", listed=False)
    long.pool("WETH", "HOOK", fee=500, liquidity=10**26)
    long.pool("HOOK", "USDC", fee=500)
    hook.mint(long.router, 10**9, sender=market.owner)
    burn = interface_of("HookTokenMock").function("burn", 2)
    hook.set_hook(hook, burn.encode((long.router.address, 1)), True, sender=market.owner)
    with refuses("token takes a fee"):
        long.trade(DECREASE, "WETH", "USDC", WAD, path=long.path(500, "HOOK", 500))


def test_token__that_answers_false(long):
    market = long.market
    odd = OddTokenMock.deploy(market.host, "Odd", "ODD", 18, sender=market.owner)
    listed(long, odd)
    long.pool("ODD", "USDC", fee=500)
    long.wallet("ODD", WAD)
    odd.set_odds(0, 0, False, False, sender=market.owner)
    with refuses("token transfer failed"):
        long.trade(INCREASE, "USDC", "ODD", USD, path=long.path(500), own_buy=WAD)
    with refuses("token transfer failed"):
        long.trade(DECREASE, "ODD", "USDC", WAD, path=long.path(500), own_sell=WAD)


@pytest.mark.parametrize("answer", [1, 2])
def test_token__with_odd_answers(long, answer):
    """No return value, no approval of zero and none that changes: USDT and BNB."""
    market = long.market
    odd = OddTokenMock.deploy(market.host, "Odd", "ODD", 18, sender=market.owner)
    listed(long, odd)
    long.pool("ODD", "USDC", fee=500)
    long.wallet("ODD", 1_000 * WAD)
    odd.set_odds(answer, 0, False, True, sender=market.owner)
    odd.set_quirks(3, sender=market.owner)
    for _ in range(2):
        long.trade(INCREASE, "USDC", "ODD", 100 * USD, path=long.path(500))
    long.trade(DECREASE, "ODD", "USDC", ALL, path=long.path(500))
    assert long.held("ODD") == 0


# ------------------------------------------------------------ largest amounts


@pytest.mark.parametrize(
    ("kind", "pair", "exact_output", "reason"),
    [
        (INCREASE, ("USDC", "WETH"), False, "not enough cash"),
        (INCREASE, ("USDC", "WETH"), True, "not enough cash"),
        (DECREASE, ("WETH", "USDC"), False, "not enough collateral"),
        (DECREASE, ("WETH", "USDC"), True, "not enough collateral"),
        (INCREASE, ("USDC", "USDC"), False, "not enough cash"),
        (DECREASE, ("USDC", "USDC"), True, "account has no such collateral"),
    ],
)
def test_trade__of_the_largest_amount(long, kind, pair, exact_output, reason):
    with refuses(reason):
        long.trade(kind, *pair, 2**104 - 1, exact_output=exact_output)
    with refuses("amount is too large"):
        long.trade(kind, *pair, 2**104, exact_output=exact_output)
    for own in ("own_sell", "own_buy"):
        with refuses("amount is too large"):
            long.trade(kind, *pair, ALL, exact_output=exact_output, **{own: 2**256 - 1})


# ------------------------------------------------------------ a caller who says anything


class Hostile:
    """A caller with a little of his own, and all addresses and amounts there are."""

    def __init__(self, world, seed):
        self.world, self.random = world, random.Random(seed)
        market = world.market
        self.key = Account.from_key(keccak(text="hostile"))
        self.me = self.key.address
        self.victims = [market.host.account(f"victim{n}") for n in range(4)]
        for victim in self.victims:
            self._victim(victim)
        market.give("WETH", self.me, 50 * WAD)
        weth, usdc = market.assets["WETH"], market.assets["USDC"]
        mine = account_id(self.me, 0)
        market.engine.deposit_collateral(mine, weth, 20 * WAD, sender=self.me)
        market.engine.borrow(mine, usdc, 5_000 * USD, self.me, sender=self.me)
        market.engine.set_operator(mine, world.router, ZERO, 7, ALL, FAR, sender=self.me)
        for name in market.assets:
            market.assets[name].token.approve(world.router, ALL, sender=self.me)
        theirs = (account_id(victim, n) for victim in self.victims for n in (0, 1))
        self.accounts = [mine, account_id(self.me, 1), bytes(32), *theirs]
        self.tokens = [
            *(asset.address for asset in market.assets.values()), usdc.vault.address,
            weth.vault.address, market.engine.address, world.router.address,
            world.weth_usdc.address, self.me, ZERO, *self.victims,
        ]  # fmt: skip
        self.host = market.host
        self.host.advance(12)

    def _victim(self, victim):
        """A position, tokens and shares; the router may take all of it, for its owner."""
        market = self.world.market
        for name, whole in (("WETH", 20), ("USDC", 50_000), ("DAI", 1_000)):
            market.give(name, victim, market.assets[name].units(whole))
            market.assets[name].token.approve(self.world.router, ALL, sender=victim)
        weth, usdc = market.assets["WETH"], market.assets["USDC"]
        account = account_id(victim, 0)
        market.engine.deposit_collateral(account, weth, 10 * WAD, sender=victim)
        market.engine.borrow(account, usdc, 10_000 * USD, victim, sender=victim)
        usdc.vault.deposit(1_000 * USD, victim, sender=victim)
        usdc.vault.approve(self.world.router, ALL, sender=victim)
        for number in (0, 1):
            market.engine.set_operator(
                account_id(victim, number), self.world.router, ZERO, 7, ALL, FAR, sender=victim
            )

    def state(self):
        """All that is the victims', and what lies in the router."""
        market, found = self.world.market, []
        tokens = [*(asset.token for asset in market.assets.values()),
                  *(market.assets[name].vault for name in ("USDC", "WETH", "DAI"))]  # fmt: skip
        for victim in (*self.victims, self.world.router.address):
            found += [token.balanceOf(victim) for token in tokens]
            found += [token.allowance(victim, self.me) for token in tokens]
        for victim in self.victims:
            found += [token.allowance(victim, self.world.router) for token in tokens]
            found += [
                self.world.router.epoch_of(victim),
                self.world.router.is_nonce_used(victim, 1),
            ]
            for number in (0, 1):
                account = account_id(victim, number)
                found += market.engine.words_of(account)
                found += market.engine.operator_of(account, self.me, ZERO)
                found += market.engine.operator_of(account, self.world.router, ZERO)
        for token in tokens:
            spenders = (market.engine, *(market.assets[n].vault for n in ("USDC", "WETH", "DAI")))
            found += [token.allowance(self.world.router, spender) for spender in spenders]
        return found

    def amount(self):
        pick = self.random
        return pick.choice([0, 1, 10**6, 10**9, 10**17, WAD, 5 * WAD, 2**104 - 1, 2**128, ALL,
                            pick.randrange(10**10), pick.randrange(10**19)])  # fmt: skip

    def path(self):
        pick = self.random
        middle = pick.choice([ZERO, ZERO, ZERO, *self.tokens])
        return Path(pick.choice([500, 3_000, 10_000, 1]), middle, pick.choice([500, 3_000]))

    def plausible(self):
        """A trade that the engine would let through, were the account the caller's."""
        pick = self.random
        usdc, weth = (self.world.market.assets[name].address for name in ("USDC", "WETH"))
        kind = pick.choice([INCREASE, DECREASE])
        amount = pick.randrange(1, 1_000) * (USD if kind == INCREASE else WAD // 1_000)
        # his own, or a victim's that has a position
        account = pick.choice([self.accounts[0], pick.choice(self.accounts[3::2])])
        return Trade(
            kind=kind, account=account, sell=usdc if kind == INCREASE else weth,
            buy=weth if kind == INCREASE else usdc, path=Path(3_000, ZERO, 0), exact_output=False,
            amount=amount, limit=0, own_sell=pick.choice([0, amount // 2]), own_buy=0, withdraw=0,
            deadline=FAR,
        )  # fmt: skip

    def job(self):
        """Any trade at all."""
        pick = self.random
        return Trade(
            kind=pick.choice([1, 2, 4, 8]), account=pick.choice(self.accounts),
            sell=pick.choice(self.tokens), buy=pick.choice(self.tokens), path=self.path(),
            exact_output=pick.random() < 0.5, amount=self.amount(), limit=pick.choice([0, ALL]),
            own_sell=pick.choice([0, self.amount()]), own_buy=pick.choice([0, self.amount()]),
            withdraw=pick.choice([0, 0, 0, self.amount()]), deadline=FAR,
        )  # fmt: skip

    def permits(self):
        """For anyone's tokens, signed by nobody."""
        pick = self.random
        return [Permit(pick.choice(self.tokens), ALL, FAR, 27, bytes(32), b"\1" * 32)
                for _ in range(pick.choice([0, 0, 0, 1]))]  # fmt: skip

    def grants(self):
        pick = self.random
        return [Grant(pick.choice(self.tokens), 63, ALL, FAR, 1, FAR, bytes(64) + b"\x1b")
                for _ in range(pick.choice([0, 0, 1]))]  # fmt: skip

    def call(self):
        """One call of anything; whether it went through."""
        pick, router = self.random, self.world.router
        which = pick.random()
        try:
            if which < 0.3:
                router.trade(self.plausible(), [], [], sender=self.me)
            elif which < 0.7:
                router.trade(self.job(), self.permits(), self.grants(), sender=self.me)
            elif which < 0.9:
                plain = pick.random() < 0.5
                amount = pick.randrange(10**15, 10**17) if plain else self.amount()
                order = self.world.order(
                    pick.choice([PRICE_AT_MOST, HEALTH_AT_MOST]), 10**30, ALL if plain else amount,
                    account=pick.choice(self.accounts), slippage=ALL, most_after=ALL,
                    nonce=pick.randrange(100), fee=0 if plain else self.amount(),
                )  # fmt: skip
                if order.condition == PRICE_AT_MOST:
                    order = order._replace(amount=amount)
                signed = signature(self.world, order, self.key)
                path = Path(3_000, ZERO, 0) if plain else self.path()
                router.execute(order, signed, amount, path, sender=self.me)
            else:
                data = pick.choice([b"", bytes(32), pick.choice(self.accounts) + bytes(32 * 13)])
                router.uniswapV3SwapCallback(self.amount() % 2**200, -1, data, sender=self.me)
        except Reverted:
            return False
        return True


@pytest.mark.parametrize("seed", range(4))
def test_property__no_third_party_is_touched(market, seed):
    """Whatever a caller says, words, tokens, shares and rights of others stay as they are; nor is
    anything left in the router, though it may act for all of them.
    """
    world = World(market)
    world.weth_usdc = world.pool("WETH", "USDC", liquidity=10**20)
    hostile = Hostile(world, seed)
    before, done = hostile.state(), 0
    for _ in range(150):
        done += hostile.call()
        assert hostile.state() == before
    assert done >= 10
