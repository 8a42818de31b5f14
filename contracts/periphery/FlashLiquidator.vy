# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Flash liquidator
@license MIT
@notice Liquidates for a caller without capital: the credit engine hands over the collateral first,
        it is sold on Uniswap v3, the debt is paid from the proceeds, and the caller gets the rest.

        ACCOUNTING
        Nothing is kept between calls, neither tokens nor allowances: a call ends by sending its
        caller all that this contract holds of the debt asset, of every collateral that arrived and
        of every asset sold over. What somebody sends here else goes with the next of these.
        profit = what is left of the debt asset; below `min_profit` everything is undone. Whatever
        moves between the simulation and the call, the caller loses gas at most.

        CALLS IN
        `on_liquidate` takes the engine's word only, which gives it only within `liquidate`; a
        swap's callback that of the pool that is swapped in, once, and pays at most what is being sold.
        Pools are those of one factory, so nobody chooses whom to pay.

        TOKEN ASSUMPTIONS
        A collateral that takes a fee cannot be sold on Uniswap v3: with a route it is refused,
        without one it is handed over. One that does not go to this contract or to the caller
        stops the call; the engine's own `liquidate` can credit it to an account instead.

        ROLES
        None: nothing can be set.
"""

from contracts.interfaces import IFlashLiquidator
from contracts.modules import legs
from ethereum.ercs import IERC20


interface ICreditEngineCalls:
    def risk_engine() -> address: view
    def words_of(account: bytes32) -> uint256[4]: view
    def book_of(asset: address) -> (uint256, uint256, uint256, bool): view
    def debt_of(asset: address) -> (uint256, address, uint256): view
    def liquidate(
        account: bytes32,
        debt_asset: address,
        collateral: address,
        max_repay: uint256,
        min_seized: uint256,
        receiver: address,
        credit: bytes32,
        data: Bytes[1_024],
    ) -> (uint256, uint256): nonpayable


interface IRiskEngineViews:
    def asset_of(id: uint256) -> address: view


interface IFactory:
    def getPool(token: address, other: address, fee: uint24) -> address: view


interface IPool:
    def swap(
        receiver: address, zero_for_one: bool, amount: int256, limit: uint160, data: Bytes[32]
    ) -> (int256, int256): nonpayable


MAX_ROUTES: constant(uint256) = 7  # an account has 8 legs, one of them the debt
# the prices [square root, 2**96] that a pool never reaches
LOWEST: constant(uint160) = 4_295_128_739
HIGHEST: constant(uint160) = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342

CREDIT_ENGINE: immutable(address)
FACTORY: immutable(address)

# The pool that may ask for a payment now, of what, and of how much [token units].
pool: transient (address)
sold: transient (address)
amount: transient (uint256)


@deploy
def __init__(credit_engine: address, factory: address):
    """
    @param credit_engine Whose accounts are liquidated.
    @param factory Of Uniswap v3, for its pools.
    """
    if not credit_engine.is_contract:
        legs._fail("credit engine has no code")
    if not factory.is_contract:
        legs._fail("factory has no code")
    CREDIT_ENGINE = credit_engine
    FACTORY = factory


@external
def liquidate(
    account: bytes32,
    debt_asset: address,
    collateral: address,
    max_repay: uint256,
    routes: DynArray[IFlashLiquidator.Route, MAX_ROUTES],
    min_profit: uint256,
) -> uint256:
    """
    @notice Liquidates, sells what has a route, pays, and sends the caller what is left.
    @param collateral What to seize; an account under water gives a part of every collateral.
    @param max_repay [debt assets] a cap, as of `CreditEngine.liquidate`.
    @param routes How each collateral is sold. One that is the debt asset itself needs none.
    @param min_profit [debt assets] that the caller must be sent; unsold collateral is not counted.
    @return profit [debt assets] that the caller was sent.
    """
    vault: address = (staticcall ICreditEngineCalls(CREDIT_ENGINE).debt_of(debt_asset))[1]
    assets: DynArray[address, 8] = self._collaterals(account)
    before: DynArray[uint256, 8] = []
    for asset: address in assets:
        before.append(staticcall IERC20(asset).balanceOf(self))
    for route: IFlashLiquidator.Route in routes:
        if (staticcall ICreditEngineCalls(CREDIT_ENGINE).book_of(route.collateral))[3]:
            legs._fail("collateral takes a fee")
    extcall ICreditEngineCalls(CREDIT_ENGINE).liquidate(
        account,
        debt_asset,
        collateral,
        max_repay,
        0,
        self,
        empty(bytes32),
        abi_encode(vault, routes),
    )
    if staticcall IERC20(debt_asset).allowance(self, vault) != 0:
        self._approve(debt_asset, vault, 0)

    profit: uint256 = staticcall IERC20(debt_asset).balanceOf(self)
    if profit < min_profit:
        legs._fail("profit is too low")
    log IFlashLiquidator.FlashLiquidate(
        account=account, debt_asset=debt_asset, caller=msg.sender, profit=profit
    )
    self._send_all(debt_asset)
    for i: uint256 in range(len(assets), bound=8):
        # what did not arrive is left alone: whoever sent a blocked token here would block us
        if staticcall IERC20(assets[i]).balanceOf(self) > before[i]:
            self._send_all(assets[i])
    for route: IFlashLiquidator.Route in routes:
        if route.middle != empty(address):
            self._send_all(route.middle)
    return profit


@external
@reentrant
def on_liquidate(
    account: bytes32,
    debt_asset: address,
    owed: uint256,
    collateral: address,
    seized: uint256,
    data: Bytes[1_024],
):
    """
    @notice For the credit engine, between handing over and being paid: sells, and approves `owed`.
    """
    if msg.sender != CREDIT_ENGINE:
        legs._fail("caller is not the engine")
    vault: address = empty(address)
    routes: DynArray[IFlashLiquidator.Route, MAX_ROUTES] = []
    vault, routes = abi_decode(data, (address, DynArray[IFlashLiquidator.Route, MAX_ROUTES]))
    for route: IFlashLiquidator.Route in routes:
        if route.middle == empty(address):
            self._sell(route.collateral, debt_asset, route.fee)
        else:
            self._sell(route.collateral, route.middle, route.fee)
            self._sell(route.middle, debt_asset, route.middle_fee)
    if staticcall IERC20(debt_asset).balanceOf(self) < owed:
        legs._fail("proceeds do not cover the debt")
    self._approve(debt_asset, vault, owed)


@external
@reentrant
def uniswapV3SwapCallback(amount0: int256, amount1: int256, data: Bytes[32]):
    """
    @notice For the pool that is swapped in: pays what it asks for, once.
    """
    if msg.sender != self.pool:
        legs._fail("caller is not the pool")
    self.pool = empty(address)
    wanted: int256 = max(amount0, amount1)
    if wanted < 0 or convert(wanted, uint256) > self.amount:
        legs._fail("pool asks for too much")
    if not extcall IERC20(self.sold).transfer(
        msg.sender, convert(wanted, uint256), default_return_value=True
    ):
        legs._fail("token transfer failed")


# ------------------------------------------------------------------ views


@view
@external
@reentrant
def credit_engine() -> address:
    """
    @notice Whose accounts are liquidated.
    """
    return CREDIT_ENGINE


@view
@external
@reentrant
def factory() -> address:
    """
    @notice Whose pools are sold in.
    """
    return FACTORY


# ------------------------------------------------------------------ internals


@view
@internal
def _collaterals(account: bytes32) -> DynArray[address, 8]:
    """
    @dev Before the engine is at it: during a liquidation it answers nobody.
    """
    words: uint256[4] = staticcall ICreditEngineCalls(CREDIT_ENGINE).words_of(account)
    risk_engine: address = staticcall ICreditEngineCalls(CREDIT_ENGINE).risk_engine()
    found: DynArray[address, 8] = []
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(words, i)
        if tag == 0:
            break
        if tag < legs.DEBT:
            found.append(staticcall IRiskEngineViews(risk_engine).asset_of(tag))
    return found


@internal
def _sell(asset: address, wanted: address, fee: uint24):
    """
    @dev All that is here of `asset`. Where the pool's liquidity ends, some of it stays.
    """
    amount: uint256 = staticcall IERC20(asset).balanceOf(self)
    if amount == 0:
        return
    pool: address = staticcall IFactory(FACTORY).getPool(asset, wanted, fee)
    if pool == empty(address):
        legs._fail("there is no such pool")
    zero_for_one: bool = convert(asset, uint160) < convert(wanted, uint160)
    self.pool = pool
    self.sold = asset
    self.amount = amount
    extcall IPool(pool).swap(
        self,
        zero_for_one,
        convert(amount, int256),
        LOWEST + 1 if zero_for_one else HIGHEST - 1,
        b"",
    )
    self.pool = empty(address)


@internal
def _approve(asset: address, spender: address, amount: uint256):
    # a refusal shows when the vault is not paid
    extcall IERC20(asset).approve(spender, amount, default_return_value=True)


@internal
def _send_all(asset: address):
    amount: uint256 = staticcall IERC20(asset).balanceOf(self)
    if amount != 0 and not extcall IERC20(asset).transfer(
        msg.sender, amount, default_return_value=True
    ):
        legs._fail("token transfer failed")
