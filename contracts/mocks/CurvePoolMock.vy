# pragma version 0.4.3
"""
@title Curve pool mock
@license MIT
@notice What every kind of Curve pool tells of its prices, as it is set. Locked, it reverts.
"""

coins: public(HashMap[uint256, address])
ma_exp_time: public(uint256)
ma_time: public(uint256)
locked: public(bool)
rates: DynArray[uint256, 8]
averages: HashMap[uint256, uint256]
lasts: HashMap[uint256, uint256]


@deploy
def __init__(coins: DynArray[address, 8], rates: DynArray[uint256, 8], price: uint256):
    for i: uint256 in range(len(coins), bound=8):
        self.coins[i] = coins[i]
    self.rates = rates
    self.averages[0] = price
    self.lasts[0] = price
    self.ma_exp_time = 866
    self.ma_time = 601


@external
def set_prices(average: uint256, last: uint256, index: uint256 = 0):
    self.averages[index] = average
    self.lasts[index] = last


@external
def set_times(ma_exp_time: uint256, ma_time: uint256):
    self.ma_exp_time = ma_exp_time
    self.ma_time = ma_time


@external
def set_locked(locked: bool):
    self.locked = locked


@view
@external
def stored_rates() -> DynArray[uint256, 8]:
    return self.rates


@view
@external
def price_oracle(index: uint256 = 0) -> uint256:
    assert not self.locked
    return self.averages[index]


@view
@external
def last_price(index: uint256 = 0) -> uint256:
    return self.lasts[index]


@view
@external
def last_prices(index: uint256 = 0) -> uint256:
    return self.lasts[index]
