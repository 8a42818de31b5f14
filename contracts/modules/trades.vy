# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Trades
@license MIT
@notice What a trade does to an account: from where to where, how much, and what it would leave.
@dev    Part of the `LeverageRouter`. Reads only.
"""

from contracts.interfaces import ILeverageRouter
from contracts.interfaces import IRiskEngine
from contracts.modules import asset_config
from contracts.modules import legs
from contracts.modules import orders

uses: orders


interface ICreditEngineDebts:
    def debt_of(asset: address) -> (uint256, address, uint256): view


WAD: constant(uint256) = 10**18


# A trade as the callbacks see it.
struct Job:
    account: bytes32
    sell: address
    buy: address
    middle: address  # empty: one pool
    second: address  # the pool that is swapped in within the first one's callback; empty: none
    exact_output: bool
    borrows: bool  # what is sold is a loan, else collateral
    vault: address  # that is repaid; empty: what is bought becomes collateral
    owed: uint256  # [units of buy] all of that debt
    own_sell: uint256
    own_buy: uint256
    withdraw: uint256
    fee: uint256  # [units of buy] what is not the account's
    bought: uint256  # [units of buy] by the first pool of an exact output


@view
@external
def preview(trade: ILeverageRouter.Trade, other: uint256) -> ILeverageRouter.Preview:
    """
    @notice What the account would be after a trade; whether the engine lets it through is not
            looked at (`Lens.margin_of`).
    @param other What the pools would take for an exact output, or give for an exact input.
    """
    position: uint256[4] = orders._position(trade.account)
    job: Job = self._job(trade, 0, position)
    amount: uint256 = self._amount(trade, job, position)
    sold: uint256 = other if trade.exact_output else amount
    bought: uint256 = amount if trade.exact_output else other
    used: uint256 = bought + trade.own_buy
    sell_tag: uint256 = staticcall orders.RISK_ENGINE.id_of(trade.sell)
    buy_tag: uint256 = staticcall orders.RISK_ENGINE.id_of(trade.buy)
    if job.vault == empty(address):
        position = legs._add(position, legs._find(position, buy_tag), buy_tag, used)
    else:
        buy_tag |= legs.DEBT
        leg: uint256 = legs._find(position, buy_tag)
        position = legs._sub(position, leg, min(used, job.owed))
    drawn: uint256 = sold - min(trade.own_sell, sold)
    held: uint256 = self._held(position, sell_tag)
    gone: uint256 = 0 if job.borrows else drawn
    if gone > held:
        legs._fail("not enough collateral")
    gone += min(trade.withdraw, held - gone)
    if gone != 0:
        position = legs._sub(position, legs._find(position, sell_tag), gone)
    if job.borrows:
        sell_tag |= legs.DEBT
        position = legs._add(position, legs._find(position, sell_tag), sell_tag, drawn)
    health: IRiskEngine.Health = staticcall orders.RISK_ENGINE.health_of(position)
    leverage: uint256 = WAD
    if health.debt_value != 0:
        leverage = max_value(uint256)
        if health.collateral_value > health.debt_value:
            leverage = (
                health.collateral_value * WAD // (health.collateral_value - health.debt_value)
            )
    return ILeverageRouter.Preview(
        sell_amount=self._held(position, sell_tag),
        buy_amount=self._held(position, buy_tag),
        health_factor=health.health_factor,
        leverage=leverage,
    )


@view
@external
def debt_for_leverage(
    account: bytes32, debt_asset: address, own_value: uint256, leverage: uint256
) -> (uint256, uint256):
    """
    @notice How much of a debt to borrow, or to repay, for exposure / equity to be `leverage`, at
            liquidation prices and as if trading cost nothing.
    @param own_value [WAD] of what the owner brings.
    @param leverage [WAD] at least 1.
    @return Assets to borrow, assets to repay; rounded down, one of them 0.
    """
    if leverage < WAD:
        legs._fail("leverage is below 1")
    health: IRiskEngine.Health = staticcall orders.RISK_ENGINE.health_of(orders._position(account))
    if health.collateral_value + own_value <= health.debt_value:
        legs._fail("account has no equity")
    equity: uint256 = health.collateral_value + own_value - health.debt_value
    wanted: uint256 = equity * (leverage - WAD) // WAD
    one: uint256 = asset_config._unit((staticcall orders.RISK_ENGINE.words_of(debt_asset))[0])
    price: uint256 = orders._values(debt_asset, one, debt_asset, one).debt_value
    if wanted >= health.debt_value:
        return (wanted - health.debt_value) * one // price, 0
    return 0, (health.debt_value - wanted) * one // price


@view
@internal
def _job(trade: ILeverageRouter.Trade, fee: uint256, position: uint256[4]) -> Job:
    job: Job = empty(Job)
    job.account = trade.account
    job.sell = trade.sell
    job.buy = trade.buy
    job.middle = trade.path.middle
    job.exact_output = trade.exact_output
    kinds: ILeverageRouter.Kind = trade.kind
    if kinds == ILeverageRouter.Kind.INCREASE or kinds == ILeverageRouter.Kind.SWAP_DEBT:
        job.borrows = True
    elif kinds != ILeverageRouter.Kind.DECREASE and kinds != ILeverageRouter.Kind.SWAP_COLLATERAL:
        legs._fail("unknown kind")
    if kinds == ILeverageRouter.Kind.DECREASE or kinds == ILeverageRouter.Kind.SWAP_DEBT:
        id: uint256 = 0
        min_debt: uint256 = 0
        id, job.vault, min_debt = staticcall ICreditEngineDebts(orders.CREDIT_ENGINE).debt_of(
            trade.buy
        )
        job.owed = self._held(position, id | legs.DEBT)
        if job.owed == 0:
            legs._fail("account has no such debt")
    if trade.sell == trade.buy and job.borrows == (job.vault != empty(address)):
        legs._fail("tokens are the same")
    if max(fee, max(trade.own_sell, trade.own_buy)) > legs.MAX_AMOUNT:
        legs._fail("amount is too large")
    job.own_sell = trade.own_sell
    job.own_buy = trade.own_buy
    job.withdraw = trade.withdraw
    job.fee = fee
    return job


@view
@internal
def _amount(trade: ILeverageRouter.Trade, job: Job, position: uint256[4]) -> uint256:
    """
    @dev What is to be sold, or for an exact output bought, the fee included.
    """
    amount: uint256 = trade.amount
    if amount == max_value(uint256):
        if trade.exact_output and job.vault != empty(address):
            amount = job.owed - min(trade.own_buy, job.owed)
        elif not trade.exact_output and not job.borrows:
            id: uint256 = staticcall orders.RISK_ENGINE.id_of(trade.sell)
            amount = self._held(position, id) + trade.own_sell
    if amount == 0:
        legs._fail("amount is zero")
    if amount > legs.MAX_AMOUNT:
        legs._fail("amount is too large")
    return amount + job.fee if trade.exact_output else amount


@pure
@internal
def _held(position: uint256[4], tag: uint256) -> uint256:
    """
    @dev Amount of the leg with `tag`; 0 when there is none.
    """
    leg: uint256 = legs._find(position, tag)
    return 0 if tag == 0 or leg == legs.MAX_LEGS else legs._amount(position, leg)
