# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Operators
@license MIT
@notice Whose an account is, and who else may act for it: which actions, with which asset, for how
        much, until when. By call, or by the owner's EIP-712 signature.
@dev    Part of the `CreditEngine`. An account is a `bytes32`: its owner's 20 bytes, then a number
        of 12. A grant for the asset goes before one for any asset, also when it has expired or
        was revoked. The domain separator is computed at each use, with the chain's present id.
"""

from contracts.interfaces import ICreditEngine
from contracts.modules import legs
from snekmate.utils import signature_checker

UNLIMITED: constant(uint256) = 2**128 - 1
REVOKED: constant(uint256) = 2**255  # a grant of nothing, which is not the same as no grant

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
NAME: constant(bytes32) = keccak256("Breakwater")
VERSION: constant(bytes32) = keccak256("1")
SET_OPERATOR_TYPE: constant(bytes32) = keccak256(
    "SetOperator(bytes32 account,address operator,address asset,uint256 actions,uint256 amount,uint256 expiry,uint256 nonce,uint256 deadline)"
)


# account -> operator -> asset (zero: any) -> amount 128 | expiry 40 | actions 8
operators: HashMap[bytes32, HashMap[address, HashMap[address, uint256]]]
# owner -> nonce // 256 -> bits of used nonces
nonces: HashMap[address, HashMap[uint256, uint256]]


@external
def set_operator(
    account: bytes32,
    operator: address,
    asset: address,
    actions: ICreditEngine.Action,
    amount: uint256,
    expiry: uint256,
):
    """
    @notice Replaces what `operator` may do with `asset` for the account.
    @param asset Zero: any asset without a word of its own.
    @param actions DEPOSIT (new collateral), WITHDRAW, BORROW, MOVE; none: revoked, also against a
           grant for any asset.
    @param amount [token units] that may leave by WITHDRAW, BORROW and MOVE together;
           max_value(uint256): no bound. A grant for any asset has none.
    @param expiry [unix seconds] the last second in which it holds.
    """
    if msg.sender != self._owner(account):
        legs._fail("caller is not account owner")
    self._set_operator(account, operator, asset, actions, amount, expiry)


@external
def set_operator_by_signature(
    account: bytes32,
    operator: address,
    asset: address,
    actions: ICreditEngine.Action,
    amount: uint256,
    expiry: uint256,
    nonce: uint256,
    deadline: uint256,
    signature: Bytes[65],
):
    """
    @notice The same by the owner's EIP-712 signature, EIP-1271 for contracts. For anyone.
    @param nonce Any that the owner has not used; the order does not matter.
    @param deadline [unix seconds] the last second in which the signature holds.
    """
    if block.timestamp > deadline:
        legs._fail("signature has expired")
    owner: address = self._owner(account)
    self._use_nonce(owner, nonce)
    digest: bytes32 = keccak256(
        concat(
            x"1901",
            self._domain_separator(),
            keccak256(
                abi_encode(
                    SET_OPERATOR_TYPE,
                    account,
                    operator,
                    asset,
                    actions,
                    amount,
                    expiry,
                    nonce,
                    deadline,
                )
            ),
        )
    )
    if owner == empty(address) or not signature_checker._is_valid_signature_now(
        owner, digest, signature
    ):
        legs._fail("signature is not valid")
    self._set_operator(account, operator, asset, actions, amount, expiry)


@external
def cancel_nonce(nonce: uint256):
    """
    @notice Uses up a nonce of the caller, so that what was signed with it is void.
    """
    self._use_nonce(msg.sender, nonce)


@view
@external
def operator_of(
    account: bytes32, operator: address, asset: address
) -> (ICreditEngine.Action, uint256, uint256):
    """
    @notice Actions granted, amount left [token units; 2**128 - 1: no bound], expiry.
    """
    grant: uint256 = self.operators[account][operator][asset]
    return (
        convert(grant >> 168 & 63, ICreditEngine.Action),
        grant & UNLIMITED,
        (grant >> 128) & (2**40 - 1),
    )


@view
@external
def is_nonce_used(owner: address, nonce: uint256) -> bool:
    """
    @notice Whether a signature with this nonce can no longer be used.
    """
    return (self.nonces[owner][nonce >> 8] >> (nonce & 255)) & 1 == 1


@view
@external
@reentrant
def DOMAIN_SEPARATOR() -> bytes32:
    """
    @notice EIP-712 domain of what owners sign, with the chain's present id.
    """
    return self._domain_separator()


@internal
def _authorize(account: bytes32, action: ICreditEngine.Action, asset: address, amount: uint256):
    """
    @dev Owner, or an operator whose grant has the action, has not expired and has `amount` left.
    """
    if msg.sender == self._owner(account):
        return
    scope: address = asset
    grant: uint256 = self.operators[account][msg.sender][asset]
    if grant == 0:
        scope = empty(address)
        grant = self.operators[account][msg.sender][scope]
    if (grant >> 168) & convert(action, uint256) == 0:
        legs._fail("caller may not do this")
    if block.timestamp > (grant >> 128) & (2**40 - 1):
        legs._fail("operator's grant has expired")
    left: uint256 = grant & UNLIMITED
    if left != UNLIMITED:
        if amount > left:
            legs._fail("operator's amount is spent")
        self.operators[account][msg.sender][scope] = grant - amount


@internal
def _set_operator(
    account: bytes32,
    operator: address,
    asset: address,
    actions: ICreditEngine.Action,
    amount: uint256,
    expiry: uint256,
):
    bounded: uint256 = min(amount, UNLIMITED)
    if asset == empty(address) and bounded != UNLIMITED:
        legs._fail("any asset takes no amount")
    grant: uint256 = REVOKED
    if actions != empty(ICreditEngine.Action):
        grant = bounded | (min(expiry, 2**40 - 1) << 128) | (convert(actions, uint256) << 168)
    self.operators[account][operator][asset] = grant
    log ICreditEngine.SetOperator(
        account=account,
        operator=operator,
        asset=asset,
        actions=actions,
        amount=bounded,
        expiry=expiry,
    )


@internal
def _use_nonce(owner: address, nonce: uint256):
    bits: uint256 = self.nonces[owner][nonce >> 8]
    bit: uint256 = 1 << (nonce & 255)
    if bits & bit != 0:
        legs._fail("nonce is used")
    self.nonces[owner][nonce >> 8] = bits | bit
    log ICreditEngine.UseNonce(owner=owner, nonce=nonce)


@view
@internal
def _domain_separator() -> bytes32:
    return keccak256(abi_encode(DOMAIN_TYPE, NAME, VERSION, chain.id, self))


@pure
@internal
def _owner(account: bytes32) -> address:
    return convert(convert(account, uint256) >> 96, address)
