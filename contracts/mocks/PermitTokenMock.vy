# pragma version 0.4.3
"""
@title Permit token mock
@license MIT
@notice A token mock with ERC-2612 permits.
"""

from contracts.mocks import TokenMock as token

initializes: token
exports: (token.name, token.symbol, token.decimals, token.totalSupply, token.balanceOf)
exports: (token.allowance, token.approve, token.mint, token.burn)
exports: (token.transfer, token.transferFrom)

PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)

nonces: public(HashMap[address, uint256])


@deploy
def __init__(name: String[32], symbol: String[8], decimals: uint8):
    token.__init__(name, symbol, decimals)


@external
def permit(
    owner: address,
    spender: address,
    amount: uint256,
    deadline: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    assert block.timestamp <= deadline, "permit has expired"
    digest: bytes32 = keccak256(
        concat(
            x"1901",
            self._domain(),
            keccak256(
                abi_encode(PERMIT_TYPE, owner, spender, amount, self.nonces[owner], deadline)
            ),
        )
    )
    assert owner == ecrecover(digest, v, r, s) and owner != empty(address), "permit is not valid"
    self.nonces[owner] += 1
    token.allowance[owner][spender] = amount


@view
@external
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain()


@view
@internal
def _domain() -> bytes32:
    return keccak256(abi_encode(keccak256("EIP712Domain(uint256 chainId)"), chain.id))
