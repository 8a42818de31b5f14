# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Leverage router
@license MIT
@notice Opens, raises, lowers and closes leverage in one call, swaps collateral or debt, and does
        so for a keeper under an order that the account's owner signed.

        TRADES
        Four kinds, one flow. A pool of Uniswap v3 pays what is bought before it is paid: meanwhile
        a batch of the credit engine adds that to the account, as collateral or as a payment, and
        what is sold leaves the account straight to the pool, as a withdrawal or as a loan. So no
        flash loan is needed, and a trade that makes an account safer works where the engine's
        batches do. Where both sides are one token the batch alone does it.

        PERMISSIONS
        The caller is the owner of the account; or the owner has signed the order (`orders`). An
        operator of the account is not let in: what he may take is counted by the engine, which
        sees this contract. That needs to be an operator too, by a grant that stands or by one that
        comes signed with the call, as permits for the owner's own tokens do. Either may have been
        sent by someone else before: one that fails is left alone, what lacks shows later.

        ACCOUNTING
        Nothing is kept between calls, neither tokens nor allowances: what is left of a trade goes
        to the owner of the account. What somebody sends here stays: a call that ends with less
        here of a token it touched than it began with is undone.

        CALLS IN
        A swap's callback takes the word of the pool that is swapped in, once. Pools are those of
        one factory; what is in a callback's data was written here. Nothing else comes in meanwhile.

        TOKEN ASSUMPTIONS
        None of a token that takes a fee: the pool, the vault or the last check refuses it. A token
        in the middle of a path, or one that comes from the wallet alone, may be anyone's and call
        whom it likes: an account that it moved meanwhile is not traded for, and an order is judged
        after it.

        ROLES
        None: nothing can be set.
"""

from contracts.interfaces import ICreditEngine
from contracts.interfaces import ILeverageRouter
from contracts.modules import legs
from contracts.modules import orders
from contracts.modules import trades
from ethereum.ercs import IERC20


# what owners sign, and when it may be executed
initializes: orders
# what a trade does to an account
initializes: trades[orders := orders]

exports: (
    trades.preview,
    trades.debt_for_leverage,
    orders.cancel_order,
    orders.cancel_orders,
    orders.check_order,
    orders.order_hash,
    orders.is_nonce_used,
    orders.epoch_of,
    orders.DOMAIN_SEPARATOR,
)


interface ICreditEngineCalls:
    def batch(steps: DynArray[ICreditEngine.Leg, 16], data: Bytes[1_024]): nonpayable


interface IFactory:
    def getPool(token: address, other: address, fee: uint24) -> address: view


interface IPool:
    def swap(
        receiver: address,
        zero_for_one: bool,
        amount: int256,
        limit: uint160,
        data: Bytes[JOB_SIZE],
    ) -> (int256, int256): nonpayable


JOB_SIZE: constant(uint256) = 448  # of a job, 14 words
# the prices [square root, 2**96] that a pool never reaches
LOWEST: constant(uint160) = 4_295_128_739
HIGHEST: constant(uint160) = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342

FACTORY: immutable(address)


# The pool that may call back now.
pool: transient (address)
# What the present trade did.
sold: transient (uint256)
bought: transient (uint256)
used: transient (uint256)  # of `buy`, by the account
# Hash of the position that it was computed for.
seen: transient (bytes32)


@deploy
def __init__(credit_engine: address, factory: address):
    """
    @param credit_engine Whose accounts are traded for.
    @param factory Of Uniswap v3, for its pools.
    """
    orders.__init__(credit_engine)
    if not factory.is_contract:
        legs._fail("factory has no code")
    FACTORY = factory


@external
def trade(
    trade: ILeverageRouter.Trade,
    permits: DynArray[ILeverageRouter.Permit, 2],
    grants: DynArray[ILeverageRouter.Grant, 3],
) -> (uint256, uint256):
    """
    @notice Trades within an account of the caller. Initial margin, levels and limits are the
            engine's, the vault's and the risk engine's, with their reasons.
    @param trade See `ILeverageRouter.Trade`. `limit` bounds what a pool may take, or must give.
    @param permits Of the caller to this contract, for `own_sell` and `own_buy`; one that fails is
           left alone.
    @param grants Of the caller to this contract for the account; one that fails is left alone.
    @return Units of `sell` that were sold, units of `buy` that were bought.
    """
    if msg.sender != orders._owner(trade.account):
        legs._fail("caller is not account owner")
    if block.timestamp > trade.deadline:
        legs._fail("deadline has passed")
    done: bool = False
    for permit: ILeverageRouter.Permit in permits:
        if permit.token != trade.sell and permit.token != trade.buy:
            legs._fail("permit of another token")
        done = raw_call(
            permit.token,
            abi_encode(
                msg.sender,
                self,
                permit.amount,
                permit.deadline,
                permit.v,
                permit.r,
                permit.s,
                method_id=method_id(
                    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"
                ),
            ),
            revert_on_failure=False,
        )
    for grant: ILeverageRouter.Grant in grants:
        done = raw_call(
            orders.CREDIT_ENGINE,
            abi_encode(
                trade.account,
                self,
                grant.asset,
                grant.actions,
                grant.amount,
                grant.expiry,
                grant.nonce,
                grant.deadline,
                grant.signature,
                method_id=method_id(
                    "set_operator_by_signature(bytes32,address,address,uint256,uint256,uint256,uint256,uint256,bytes)"
                ),
            ),
            revert_on_failure=False,
        )
    return self._trade(trade, 0, orders._position(trade.account))


@external
def execute(
    order: ILeverageRouter.Order,
    signature: Bytes[65],
    amount: uint256,
    path: ILeverageRouter.Path,
) -> (uint256, uint256):
    """
    @notice Executes an order of an account's owner, whose condition holds, and pays the caller its
            fee. For anyone, once. All that it waits for is looked at last (`check_order` tells it
            before), at the prices that bound its slippage.
    @param signature The owner's over `order_hash`.
    @param amount How much to trade, for HEALTH_AT_MOST alone: at most the order's amount.
    @param path Pools of the caller's choice; what they give is bounded by the order's slippage.
    @return Units of `sell` that were sold, units of `buy` that were bought, the fee included.
    """
    orders._use(order, signature)
    position: uint256[4] = orders._position(order.account)
    chosen: uint256 = order.amount
    if order.condition == ILeverageRouter.Condition.HEALTH_AT_MOST:
        if amount > order.amount:
            legs._fail("amount is above the order's")
        chosen = amount
    sold: uint256 = 0
    bought: uint256 = 0
    sold, bought = self._trade(
        ILeverageRouter.Trade(
            kind=ILeverageRouter.Kind.DECREASE,
            account=order.account,
            sell=order.sell,
            buy=order.buy,
            path=path,
            exact_output=order.exact_output,
            amount=chosen,
            limit=max_value(uint256) if order.exact_output else 0,
            own_sell=0,
            own_buy=0,
            withdraw=0,
            deadline=order.deadline,
        ),
        order.fee,
        position,
    )
    # only now: a token on the way may have brought other prices
    orders._check_condition(order, position)
    orders._check_outcome(order, sold, bought)
    log ILeverageRouter.ExecuteOrder(
        account=order.account, keeper=msg.sender, nonce=order.nonce, fee=order.fee
    )
    return sold, bought


@external
@reentrant
def uniswapV3SwapCallback(amount0: int256, amount1: int256, data: Bytes[JOB_SIZE]):
    """
    @notice For the pool that is swapped in, which has paid: goes on with the trade, and pays it.
    """
    if msg.sender != self.pool:
        legs._fail("caller is not the pool")
    self.pool = empty(address)
    asked: uint256 = convert(max(amount0, amount1), uint256)
    paid: uint256 = convert(-min(amount0, amount1), uint256)
    if len(data) == 32:
        # the second pool of an exact input: what it is paid the first one gave
        self._send(abi_decode(data, address), msg.sender, asked)
        return
    job: trades.Job = abi_decode(data, trades.Job)
    if job.second == empty(address):
        self._settle(job, asked, paid if job.bought == 0 else job.bought, msg.sender)
    elif job.exact_output:
        # what this pool asks for comes from the one before it
        second: address = job.second
        job.second = empty(address)
        job.bought = paid
        self._swap(
            second, job.sell, job.middle, -convert(asked, int256), msg.sender, abi_encode(job)
        )
    else:
        bought: uint256 = self._swap(
            job.second, job.middle, job.buy, convert(paid, int256), self, abi_encode(job.middle)
        )
        self._settle(job, asked, bought, msg.sender)


# ------------------------------------------------------------------ views


@view
@external
@reentrant
def credit_engine() -> address:
    """
    @notice Whose accounts are traded for.
    """
    return orders.CREDIT_ENGINE


@view
@external
@reentrant
def factory() -> address:
    """
    @notice Whose pools are traded in.
    """
    return FACTORY


# ------------------------------------------------------------------ internals


@internal
def _trade(trade: ILeverageRouter.Trade, fee: uint256, position: uint256[4]) -> (uint256, uint256):
    """
    @dev For an account whose owner wants it, and whose position is given; `fee` of what is bought
         goes to the caller.
    """
    owner: address = orders._owner(trade.account)
    tokens: address[3] = [trade.sell, trade.buy, trade.path.middle]
    before: uint256[3] = self._balances(tokens)
    self.seen = keccak256(abi_encode(position))
    job: trades.Job = trades._job(trade, fee, position)
    amount: uint256 = trades._amount(trade, job, position)
    if trade.own_sell != 0:
        self._pull(trade.sell, trade.own_sell)
    if trade.own_buy != 0:
        self._pull(trade.buy, trade.own_buy)
    if trade.sell == trade.buy:
        self._settle(job, amount, amount, self)
    else:
        self._swap_along(job, trade.path, amount)

    sold: uint256 = self.sold
    bought: uint256 = self.bought
    if trade.exact_output:
        if sold > trade.limit:
            legs._fail("too much would be sold")
    elif bought < trade.limit:
        legs._fail("too little would be bought")
    log ILeverageRouter.LeverageTrade(
        account=trade.account,
        sell=trade.sell,
        buy=trade.buy,
        kind=trade.kind,
        sold=sold,
        bought=bought,
    )
    self._send(trade.buy, msg.sender, fee)
    self._send(trade.buy, owner, bought + trade.own_buy - fee - self.used)
    self._send(trade.sell, owner, trade.own_sell - min(trade.own_sell, sold))
    after: uint256[3] = self._balances(tokens)
    for i: uint256 in range(3):
        if after[i] < before[i]:
            legs._fail("token takes a fee")
    return sold, bought


@internal
def _swap_along(job: trades.Job, path: ILeverageRouter.Path, amount: uint256):
    """
    @dev Swaps in the pool whose callback comes first: the one that sells, or where the output is
         exact the one that buys; the other one is swapped in meanwhile.
    """
    started: trades.Job = job
    units: int256 = convert(amount, int256)
    if path.middle == empty(address):
        first: address = self._pool(job.sell, job.buy, path.fee)
        exact: int256 = -units if job.exact_output else units
        self._swap(first, job.sell, job.buy, exact, self, abi_encode(started))
        return
    sells: address = self._pool(job.sell, path.middle, path.fee)
    buys: address = self._pool(path.middle, job.buy, path.middle_fee)
    if job.exact_output:
        started.second = sells
        self._swap(buys, path.middle, job.buy, -units, self, abi_encode(started))
    else:
        started.second = buys
        self._swap(sells, job.sell, path.middle, units, self, abi_encode(started))


@internal
def _settle(job: trades.Job, sold: uint256, bought: uint256, payee: address):
    """
    @dev What is bought is here; `sold` is owed to `payee`, which is this contract where the batch
         itself exchanges the two. Of a debt that was paid meanwhile less would be taken than is
         approved, and the rest stay here; a liquidation would come beside an order's sale. Nobody
         else had a turn where no token but the account's own moved.
    """
    if (
        job.vault != empty(address)
        and (job.middle != empty(address) or job.own_sell | job.own_buy != 0)
        and keccak256(abi_encode(orders._position(job.account))) != self.seen
    ):
        legs._fail("account has changed")
    total: uint256 = bought + job.own_buy
    if total < job.fee:
        legs._fail("fee is more than is bought")
    used: uint256 = total - job.fee
    gets: ICreditEngine.Leg = empty(ICreditEngine.Leg)
    gets.account = job.account
    gets.asset = job.buy
    if job.vault == empty(address):
        gets.action = ICreditEngine.Action.DEPOSIT
        self._approve(job.buy, orders.CREDIT_ENGINE, used)
    else:
        used = min(used, job.owed)
        gets.action = ICreditEngine.Action.REPAY
        self._approve(job.buy, job.vault, used)
    gets.amount = used
    self.sold = sold
    self.bought = bought
    self.used = used

    own: uint256 = min(job.own_sell, sold)
    gives: ICreditEngine.Leg = empty(ICreditEngine.Leg)
    gives.account = job.account
    gives.asset = job.sell
    gives.action = ICreditEngine.Action.WITHDRAW
    if job.borrows:
        gives.action = ICreditEngine.Action.BORROW
    gives.amount = sold - own
    gives.receiver = payee
    steps: DynArray[ICreditEngine.Leg, 16] = []
    if payee != self:
        steps.append(gets)
    if own != sold:
        steps.append(gives)
    if payee == self:
        steps.append(gets)
    if job.withdraw != 0:
        gives.action = ICreditEngine.Action.WITHDRAW
        gives.amount = job.withdraw
        gives.receiver = orders._owner(job.account)
        steps.append(gives)
    extcall ICreditEngineCalls(orders.CREDIT_ENGINE).batch(steps, b"")
    if payee != self:
        self._send(job.sell, payee, own)


@internal
def _swap(
    pool: address,
    sells: address,
    buys: address,
    amount: int256,
    receiver: address,
    data: Bytes[JOB_SIZE],
) -> uint256:
    """
    @dev Sells `amount`, or buys it where it is negative, and no less; what was bought.
    """
    zero_for_one: bool = convert(sells, uint160) < convert(buys, uint160)
    amount0: int256 = 0
    amount1: int256 = 0
    self.pool = pool
    amount0, amount1 = extcall IPool(pool).swap(
        receiver, zero_for_one, amount, LOWEST + 1 if zero_for_one else HIGHEST - 1, data
    )
    taken: int256 = amount0 if zero_for_one else amount1
    given: int256 = amount1 if zero_for_one else amount0
    if amount != (taken if amount > 0 else given):
        legs._fail("pool has too little")
    return convert(-given, uint256)


@view
@internal
def _pool(token: address, other: address, fee: uint24) -> address:
    pool: address = staticcall IFactory(FACTORY).getPool(token, other, fee)
    if pool == empty(address):
        legs._fail("there is no such pool")
    return pool


@view
@internal
def _balances(tokens: address[3]) -> uint256[3]:
    balances: uint256[3] = [0, 0, 0]
    for i: uint256 in range(3):
        if tokens[i] != empty(address):
            balances[i] = staticcall IERC20(tokens[i]).balanceOf(self)
    return balances


@internal
def _approve(asset: address, spender: address, amount: uint256):
    # a refusal shows when the spender is not paid
    extcall IERC20(asset).approve(spender, amount, default_return_value=True)


@internal
def _pull(asset: address, amount: uint256):
    if not extcall IERC20(asset).transferFrom(msg.sender, self, amount, default_return_value=True):
        legs._fail("token transfer failed")


@internal
def _send(asset: address, receiver: address, amount: uint256):
    if amount != 0 and not extcall IERC20(asset).transfer(
        receiver, amount, default_return_value=True
    ):
        legs._fail("token transfer failed")
