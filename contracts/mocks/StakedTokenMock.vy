# pragma version 0.4.3
"""
@title Staked token mock
@license MIT
@notice An ERC-4626 share of a token with 18 decimals: worth its part of the token's balance here
        (a donation raises it), or what `set_rate` says. The first share is worth one whole token.
"""

from contracts.mocks import TokenMock as token
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

initializes: token
exports: (token.name, token.symbol, token.decimals, token.totalSupply, token.balanceOf)
exports: (token.allowance, token.approve, token.mint, token.burn)
exports: (token.transfer, token.transferFrom)

asset: public(address)
places: uint256  # decimals of the asset
rate: public(uint256)  # [assets per whole share] 0: by the balance


@deploy
def __init__(name: String[32], symbol: String[8], asset: address):
    token.__init__(name, symbol, 18)
    self.asset = asset
    self.places = convert(staticcall IERC20Detailed(asset).decimals(), uint256)


@external
def set_rate(rate: uint256):
    self.rate = rate


@external
def deposit(assets: uint256, receiver: address) -> uint256:
    shares: uint256 = assets * 10**18 // self._assets(10**18)
    extcall IERC20(self.asset).transferFrom(msg.sender, self, assets)
    token.totalSupply += shares
    token.balanceOf[receiver] += shares
    return shares


@external
def redeem(shares: uint256, receiver: address, owner: address) -> uint256:
    assets: uint256 = self._assets(shares)
    if msg.sender != owner:
        token._spend(owner, shares)
    token.balanceOf[owner] -= shares
    token.totalSupply -= shares
    extcall IERC20(self.asset).transfer(receiver, assets)
    return assets


@view
@external
def totalAssets() -> uint256:
    return staticcall IERC20(self.asset).balanceOf(self)


@view
@external
def convertToAssets(shares: uint256) -> uint256:
    return self._assets(shares)


@view
@internal
def _assets(shares: uint256) -> uint256:
    if self.rate != 0:
        return shares * self.rate // 10**18
    if token.totalSupply == 0:
        return shares * 10**self.places // 10**18
    return shares * staticcall IERC20(self.asset).balanceOf(self) // token.totalSupply
