# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Shares of a vault
@license MIT
@notice ERC-20 and EIP-2612 of the vault's share; who holds how many. The supply is kept with the
        vault's books.
@dev    The insurance fund is marked: nobody but itself and the vault may add to its shares.
        REDEEMED IN WIND-DOWN: what a holder took out since the vault was wound down stays noted
        with him, and the shares he has left cannot be transferred: in the fund, in the engine or
        with any other holder of many people's shares they would mix with fresh ones, and give their
        owner a second turn out of the others' part. So all that moves is fresh.
"""

from ethereum.ercs import IERC20

M127: constant(uint256) = 2**127 - 1
M128: constant(uint256) = 2**128 - 1
IS_FUND: constant(uint256) = 1 << 255

PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
VERSION_HASH: constant(bytes32) = keccak256("1")

NAME: immutable(String[64])
SYMBOL: immutable(String[32])
NAME_HASH: immutable(bytes32)
DECIMALS: immutable(uint8)

# bits 0-127 shares · 128-254 shares redeemed in WIND-DOWN · 255 this is the insurance fund
_balances: HashMap[address, uint256]
_allowances: HashMap[address, HashMap[address, uint256]]
_nonces: HashMap[address, uint256]


@deploy
def __init__(name: String[64], symbol: String[32], decimals: uint8):
    NAME = name
    SYMBOL = symbol
    NAME_HASH = keccak256(name)
    DECIMALS = decimals


# -------------------------------------------------------------------------- holders


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(owner: address, receiver: address, amount: uint256) -> bool:
    self._spend_allowance(owner, amount)
    self._move(owner, receiver, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self._approve(msg.sender, spender, amount)
    return True


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
    if block.timestamp > deadline:
        self._fail("permit has expired")
    nonce: uint256 = self._nonces[owner]
    self._nonces[owner] = unsafe_add(nonce, 1)
    message: bytes32 = keccak256(abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline))
    digest: bytes32 = keccak256(concat(b"\x19\x01", self._domain_separator(), message))
    # the nonce makes a second form of the same signature worthless
    if owner == empty(address) or ecrecover(digest, v, r, s) != owner:
        self._fail("signature is not valid")
    self._approve(owner, spender, amount)


# ---------------------------------------------------------------------------- views


@view
@external
@reentrant
def name() -> String[64]:
    return NAME


@view
@external
@reentrant
def symbol() -> String[32]:
    return SYMBOL


@view
@external
@reentrant
def decimals() -> uint8:
    return DECIMALS


@view
@external
@reentrant
def balanceOf(owner: address) -> uint256:
    return self._balances[owner] & M128


@view
@external
@reentrant
def allowance(owner: address, spender: address) -> uint256:
    return self._allowances[owner][spender]


@view
@external
@reentrant
def nonces(owner: address) -> uint256:
    return self._nonces[owner]


@view
@external
@reentrant
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain_separator()


# ------------------------------------------------------------------------ internals


@internal
def _move(owner: address, receiver: address, amount: uint256):
    if receiver == empty(address):
        self._fail_receiver()
    held: uint256 = self._balances[owner]
    if amount > held & M128:
        self._fail_balance()
    if held >> 128 & M127 != 0:
        self._fail("shares are redeemed in part")
    self._balances[owner] = unsafe_sub(held, amount)
    self._credit(receiver, amount)
    log IERC20.Transfer(sender=owner, receiver=receiver, value=amount)


@internal
def _credit(receiver: address, amount: uint256):
    if receiver == empty(address):
        self._fail_receiver()
    held: uint256 = self._balances[receiver]
    if held >> 255 != 0 and msg.sender != receiver:
        self._fail("fund takes no transfers")
    # at most the supply
    self._balances[receiver] = unsafe_add(held, amount)


@internal
def _spend_allowance(owner: address, amount: uint256):
    if msg.sender == owner:
        return
    allowed: uint256 = self._allowances[owner][msg.sender]
    if allowed == max_value(uint256):
        return
    if amount > allowed:
        self._fail("allowance too low")
    self._allowances[owner][msg.sender] = unsafe_sub(allowed, amount)


@internal
def _approve(owner: address, spender: address, amount: uint256):
    self._allowances[owner][spender] = amount
    log IERC20.Approval(owner=owner, spender=spender, value=amount)


@view
@internal
def _domain_separator() -> bytes32:
    return keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, self))


@pure
@internal
def _fail(reason: String[32]):
    raise reason


# reasons that stand in several places: a call is a third of the bytes


@pure
@internal
def _fail_zero():
    self._fail("amount is zero")


@pure
@internal
def _fail_large():
    self._fail("amount is too large")


@pure
@internal
def _fail_cash():
    self._fail("not enough cash")


@pure
@internal
def _fail_full():
    self._fail("cash is full")


@pure
@internal
def _fail_receiver():
    self._fail("receiver is zero")


@pure
@internal
def _fail_balance():
    self._fail("balance too low")


@pure
@internal
def _fail_halted():
    self._fail("vault is halted")


@pure
@internal
def _fail_wound_down():
    self._fail("vault is wound down")


@pure
@internal
def _fail_closed():
    self._fail("vault is not open")


@pure
@internal
def _fail_transfer():
    self._fail("token transfer failed")


@pure
@internal
def _fail_token():
    self._fail("token is not lent")
