# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Shelves
@license MIT
@notice Accounts of a backstop pool in the engine: number 0 receives what is seized, the others keep
        one asset each, by its id. For `BackstopPool`.
@dev    What the engine lets nobody bring to an account that does not hold it, because it was settled
        or is held, stays where it was received. It goes to its shelf with a later purchase, once it
        may; until then claims take it from where it is. Without debt anything may be withdrawn.
"""

from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import legs


interface ICreditEngine:
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
    def withdraw_collateral(
        account: bytes32, asset: address, amount: uint256, receiver: address
    ) -> uint256: nonpayable
    def words_of(account: bytes32) -> uint256[4]: view
    def position_of(account: bytes32) -> uint256[4]: view
    def debt_of(asset: address) -> (uint256, address, uint256): view
    def risk_engine() -> address: view


WAD: constant(uint256) = 10**18

ENGINE: immutable(address)
RISK_ENGINE: immutable(address)


@deploy
def __init__(engine: address):
    ENGINE = engine
    RISK_ENGINE = staticcall ICreditEngine(engine).risk_engine()


@internal
def _cleared(inbox: bytes32) -> uint256[4]:
    """
    @dev Legs of the account that receives, after what an earlier purchase left there was put away
         if the engine lets it be by now: a hold ends, a settlement does not.
    """
    words: uint256[4] = staticcall ICreditEngine(ENGINE).words_of(inbox)
    for i: uint256 in range(8):
        id: uint256 = legs._tag(words, i)
        if id == 0:
            break
        self._put_away(inbox, staticcall IRiskEngine(RISK_ENGINE).asset_of(id), id)
    return staticcall ICreditEngine(ENGINE).words_of(inbox)


@internal
def _put_away(inbox: bytes32, asset: address, id: uint256) -> bool:
    """
    @dev To the asset's own account. False where the engine refuses it, or for want of gas: then it
         stays and counts for nothing, which costs who calls, and nobody else.
    """
    return raw_call(
        ENGINE,
        abi_encode(
            inbox,
            self._account(id),
            asset,
            max_value(uint256),
            method_id=method_id("move_collateral(bytes32,bytes32,address,uint256)"),
        ),
        revert_on_failure=False,
    )


@internal
def _send(asset: address, id: uint256, amount: uint256, receiver: address) -> uint256:
    """
    @dev Units that left: first what was left where it was received, the rest from the shelf.
    """
    inbox: bytes32 = self._account(0)
    words: uint256[4] = staticcall ICreditEngine(ENGINE).words_of(inbox)
    left: uint256 = min(amount, self._amount_of(words, id))
    sent: uint256 = 0
    if left != 0:
        sent = extcall ICreditEngine(ENGINE).withdraw_collateral(inbox, asset, left, receiver)
    if left != amount:
        sent += extcall ICreditEngine(ENGINE).withdraw_collateral(
            self._account(id), asset, amount - left, receiver
        )
    return sent


@view
@internal
def _is_liquidatable(account: bytes32) -> bool:
    position: uint256[4] = staticcall ICreditEngine(ENGINE).position_of(account)
    return (staticcall IRiskEngine(RISK_ENGINE).health_of(position)).health_factor < WAD


@view
@internal
def _is_settled(asset: address) -> bool:
    return (staticcall IRiskEngine(RISK_ENGINE).words_of(asset))[0] & asset_config.SOURCE == 0


@view
@internal
def _value(asset: address, amount: uint256, up: bool) -> uint256:
    """
    @dev [WAD] at spot; 0 where there is no price.
    """
    price: uint256 = (staticcall IRiskEngine(RISK_ENGINE).quote(asset)).price
    rule: uint256 = (staticcall IRiskEngine(RISK_ENGINE).words_of(asset))[0]
    if up:
        return asset_config._value_up(amount, price, rule)
    return asset_config._value_down(amount, price, rule)


@pure
@internal
def _amount_of(words: uint256[4], id: uint256) -> uint256:
    leg: uint256 = legs._find(words, id)
    if leg == legs.MAX_LEGS:
        return 0
    return legs._amount(words, leg)


@view
@internal
def _account(number: uint256) -> bytes32:
    """
    @dev 0 receives, the others hold one asset each, by its id.
    """
    return convert(convert(self, uint256) << 96 | number, bytes32)
