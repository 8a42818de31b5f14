# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Orders
@license MIT
@notice What an account's owner lets anyone do to it once, when a condition holds: signed by EIP-712,
        EIP-1271 for contracts; cancelled one by one or all at once.
@dev    Part of the `LeverageRouter`.
        PRICES
          An order sees what the protocol itself would liquidate at, and no pool: where sources or
          spot and average differ, the borrower-favourable of them, for collateral the higher, for
          debt the lower. So one wrong print neither triggers an order nor moves its slippage
          bound. While a price is stale, its sources disagree, or its asset is held or settled,
          nothing is executed; nor while the sequencer of a layer 2 is down, and in the grace after.
        REPLAY
          The digest has the chain's present id and this contract; a nonce is used once, in
          whatever order; an epoch that has passed voids all that was signed for it.
"""

from contracts.interfaces import ILeverageRouter
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import legs
from contracts.modules import price_words
from snekmate.utils import signature_checker


interface ICreditEngineViews:
    def risk_engine() -> address: view
    def position_of(account: bytes32) -> uint256[4]: view


BPS: constant(uint256) = 10_000

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
NAME: constant(bytes32) = keccak256("Breakwater LeverageRouter")
VERSION: constant(bytes32) = keccak256("1")
ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(bytes32 account,address sell,address buy,bool exact_output,uint256 amount,uint256 condition,address watched,uint256 trigger,uint256 least_after,uint256 most_after,uint256 slippage,uint256 fee,uint256 epoch,uint256 nonce,uint256 deadline)"
)

CREDIT_ENGINE: immutable(address)
RISK_ENGINE: immutable(IRiskEngine)

# owner -> nonce // 256 -> bits of used nonces
nonces: HashMap[address, HashMap[uint256, uint256]]
# owner -> how often all orders were cancelled
epochs: HashMap[address, uint256]


@deploy
def __init__(credit_engine: address):
    """
    @param credit_engine Whose accounts are traded for.
    """
    if not credit_engine.is_contract:
        legs._fail("credit engine has no code")
    CREDIT_ENGINE = credit_engine
    RISK_ENGINE = IRiskEngine(staticcall ICreditEngineViews(credit_engine).risk_engine())


@external
def cancel_order(nonce: uint256):
    """
    @notice Uses up a nonce of the caller, so that the orders signed with it are void.
    """
    self._use_nonce(msg.sender, nonce)
    log ILeverageRouter.CancelOrder(owner=msg.sender, nonce=nonce)


@external
def cancel_orders():
    """
    @notice Voids every order that the caller has signed: a new epoch begins.
    """
    epoch: uint256 = self.epochs[msg.sender] + 1
    self.epochs[msg.sender] = epoch
    log ILeverageRouter.CancelOrders(owner=msg.sender, epoch=epoch)


@view
@external
def check_order(order: ILeverageRouter.Order) -> bool:
    """
    @notice Reverts with the reason for which the order cannot be executed now; its signature, its
            trade and what the trade leaves are not looked at.
    @return True.
    """
    owner: address = self._owner(order.account)
    self._check_current(owner, order)
    if self._is_used(owner, order.nonce):
        legs._fail("nonce is used")
    self._check_condition(order, self._position(order.account))
    return True


@view
@external
def order_hash(order: ILeverageRouter.Order) -> bytes32:
    """
    @notice The EIP-712 digest that the owner of the account signs.
    """
    return self._digest(order)


@view
@external
def is_nonce_used(owner: address, nonce: uint256) -> bool:
    """
    @notice Whether orders with this nonce are executed or cancelled.
    """
    return self._is_used(owner, nonce)


@view
@external
def epoch_of(owner: address) -> uint256:
    """
    @notice What `epoch` an order of this owner must have now.
    """
    return self.epochs[owner]


@view
@external
@reentrant
def DOMAIN_SEPARATOR() -> bytes32:
    """
    @notice EIP-712 domain of orders, with the chain's present id.
    """
    return self._domain_separator()


@internal
def _use(order: ILeverageRouter.Order, signature: Bytes[65]):
    """
    @dev The order's owner signed it, it is current, and from now on it is used.
    """
    owner: address = self._owner(order.account)
    self._check_current(owner, order)
    self._use_nonce(owner, order.nonce)
    if owner == empty(address) or not signature_checker._is_valid_signature_now(
        owner, self._digest(order), signature
    ):
        legs._fail("signature is not valid")


@view
@internal
def _check_condition(order: ILeverageRouter.Order, position: uint256[4]):
    """
    @dev For the account as it is, or was before a trade.
    """
    # of no position: only the sequencer is looked at
    assert staticcall RISK_ENGINE.check_initial(empty(uint256[4]), 0)
    holds: bool = False
    if order.condition == ILeverageRouter.Condition.HEALTH_AT_MOST:
        # it rests on all of them
        for i: uint256 in range(8):
            tag: uint256 = legs._tag(position, i)
            if tag == 0:
                break
            self._check_price(staticcall RISK_ENGINE.asset_of(tag & 127))
        holds = (staticcall RISK_ENGINE.health_of(position)).health_factor <= order.trigger
    else:
        self._check_price(order.sell)
        self._check_price(order.buy)
        if order.watched != order.sell and order.watched != order.buy:
            self._check_price(order.watched)
        one: uint256 = asset_config._unit((staticcall RISK_ENGINE.words_of(order.watched))[0])
        unit: IRiskEngine.Health = self._values(order.watched, one, order.watched, one)
        if order.condition == ILeverageRouter.Condition.PRICE_AT_MOST:
            holds = unit.collateral_value <= order.trigger
        elif order.condition == ILeverageRouter.Condition.PRICE_AT_LEAST:
            holds = unit.debt_value >= order.trigger
        else:
            legs._fail("unknown condition")
    if not holds:
        legs._fail("condition does not hold")


@view
@internal
def _check_outcome(order: ILeverageRouter.Order, sold: uint256, bought: uint256):
    """
    @dev What the trade gave, at the protocol's prices; and what it left, where health is kept.
         Values are below 2**121.
    """
    traded: IRiskEngine.Health = self._values(order.sell, sold, order.buy, bought)
    least: uint256 = traded.collateral_value * (BPS - min(order.slippage, BPS))
    if traded.debt_value * BPS < least:
        legs._fail("trade loses too much")
    if order.condition == ILeverageRouter.Condition.HEALTH_AT_MOST:
        health: uint256 = (
            staticcall RISK_ENGINE.health_of(self._position(order.account))
        ).health_factor
        if health < order.least_after:
            legs._fail("health is still too low")
        if health > order.most_after:
            legs._fail("health would be too high")


@view
@internal
def _check_current(owner: address, order: ILeverageRouter.Order):
    if block.timestamp > order.deadline:
        legs._fail("order has expired")
    if order.epoch != self.epochs[owner]:
        legs._fail("order is cancelled")


@view
@internal
def _check_price(asset: address):
    """
    @dev Of an asset that is listed: it has a price, nobody doubts it, and the protocol goes on.
    """
    if (staticcall RISK_ENGINE.quote(asset)).status == price_words.DISPERSED:
        legs._fail("price sources disagree")
    assert staticcall RISK_ENGINE.check_listable(staticcall RISK_ENGINE.id_of(asset))


@view
@internal
def _values(collateral: address, held: uint256, debt: address, owed: uint256) -> IRiskEngine.Health:
    """
    @dev An account with just that, valued as for a liquidation.
    """
    if max(held, owed) > legs.MAX_AMOUNT:
        legs._fail("amount is too large")
    position: uint256[4] = empty(uint256[4])
    position[0] = (
        held
        | owed << legs.AMOUNT_BITS
        | (staticcall RISK_ENGINE.id_of(collateral)) << 208
        | (staticcall RISK_ENGINE.id_of(debt) | legs.DEBT) << 216
    )
    return staticcall RISK_ENGINE.health_of(position)


@view
@internal
def _position(account: bytes32) -> uint256[4]:
    return staticcall ICreditEngineViews(CREDIT_ENGINE).position_of(account)


@internal
def _use_nonce(owner: address, nonce: uint256):
    if self._is_used(owner, nonce):
        legs._fail("nonce is used")
    self.nonces[owner][nonce >> 8] |= 1 << (nonce & 255)


@view
@internal
def _is_used(owner: address, nonce: uint256) -> bool:
    return (self.nonces[owner][nonce >> 8] >> (nonce & 255)) & 1 == 1


@view
@internal
def _digest(order: ILeverageRouter.Order) -> bytes32:
    # a struct of words is encoded as its fields are
    return keccak256(
        concat(x"1901", self._domain_separator(), keccak256(abi_encode(ORDER_TYPE, order)))
    )


@view
@internal
def _domain_separator() -> bytes32:
    return keccak256(abi_encode(DOMAIN_TYPE, NAME, VERSION, chain.id, self))


@pure
@internal
def _owner(account: bytes32) -> address:
    return convert(convert(account, uint256) >> 96, address)
