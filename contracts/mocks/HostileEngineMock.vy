# pragma version 0.4.3
"""
@title Hostile engine mock
@license MIT
@notice A credit engine that hands over nothing, says what is owed, and leaves it in peace, to take
        it later: it is the vault too.
"""

from ethereum.ercs import IERC20


interface ILiquidator:
    def on_liquidate(
        account: bytes32,
        debt_asset: address,
        owed: uint256,
        collateral: address,
        seized: uint256,
        data: Bytes[1_024],
    ): nonpayable


owed: public(uint256)


@external
def set_owed(owed: uint256):
    self.owed = owed


@external
def take(token: address, payer: address, amount: uint256):
    extcall IERC20(token).transferFrom(payer, self, amount)


@view
@external
def risk_engine() -> address:
    return self


@view
@external
def words_of(account: bytes32) -> uint256[4]:
    return empty(uint256[4])


@view
@external
def debt_of(asset: address) -> (uint256, address, uint256):
    return 1, self, 0


@external
def liquidate(
    account: bytes32,
    debt_asset: address,
    collateral: address,
    max_repay: uint256,
    min_seized: uint256,
    receiver: address,
    credit: bytes32,
    data: Bytes[1_024],
) -> (uint256, uint256):
    extcall ILiquidator(msg.sender).on_liquidate(
        account, debt_asset, self.owed, collateral, 0, data
    )
    return self.owed, 0
