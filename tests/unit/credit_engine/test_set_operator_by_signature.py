"""`set_operator_by_signature`, `cancel_nonce`: EIP-712 by a key, EIP-1271 by a contract."""

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from breakwater import artifacts
from breakwater.units import MAX_UINT256, account_id
from tests.market import BORROW, WITHDRAW, ZERO, refuses

KEY = Account.from_key(keccak(text="signer"))
FAR = 10**12

WALLET = '''
# pragma version 0.4.3
"""
@notice Signs what it was told to approve.
"""
approved: HashMap[bytes32, bool]

@external
def approve(digest: bytes32):
    self.approved[digest] = True

@view
@external
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> bytes4:
    return 0x1626ba7e if self.approved[digest] else 0xffffffff
'''

TYPES = {
    "SetOperator": [
        {"name": "account", "type": "bytes32"},
        {"name": "operator", "type": "address"},
        {"name": "asset", "type": "address"},
        {"name": "actions", "type": "uint256"},
        {"name": "amount", "type": "uint256"},
        {"name": "expiry", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}


class Grant:
    """One grant, its digest and its signature."""

    def __init__(self, market, owner=KEY.address, **changes):
        self.market = market
        self.message = {
            "account": account_id(owner, 1),
            "operator": market.other,
            "asset": market.assets["WETH"].address,
            "actions": BORROW | WITHDRAW,
            "amount": 5,
            "expiry": FAR,
            "nonce": 7,
            "deadline": market.host.now + 100,
            **changes,
        }

    def signable(self, **domain):
        fields = {
            "name": "Breakwater",
            "version": "1",
            "chainId": self.market.host.chain_id,
            "verifyingContract": self.market.engine.address,
            **domain,
        }
        return encode_typed_data(fields, TYPES, self.message)

    def sign(self, key=KEY, **domain):
        return bytes(key.sign_message(self.signable(**domain)).signature)

    def send(self, signature=None, **changes):
        return self.market.engine.set_operator_by_signature(
            *{**self.message, **changes}.values(),
            self.sign() if signature is None else signature,
            sender=self.market.liquidator,
        )


@pytest.mark.everywhere
def test_set_operator_by_signature__valid(market):
    grant = Grant(market)
    receipt = grant.send()
    assert receipt.event("SetOperator").args == {
        "account": grant.message["account"],
        "operator": market.other,
        "asset": market.assets["WETH"].address,
        "actions": BORROW | WITHDRAW,
        "amount": 5,
        "expiry": FAR,
    }
    assert receipt.event("UseNonce").args == {"owner": KEY.address, "nonce": 7}
    assert market.engine.is_nonce_used(KEY.address, 7)
    assert not market.engine.is_nonce_used(KEY.address, 8)
    found = market.engine.operator_of(grant.message["account"], market.other, market.assets["WETH"])
    assert found == (BORROW | WITHDRAW, 5, FAR)


@pytest.mark.everywhere
def test_set_operator_by_signature__reused_reverts(market):
    grant = Grant(market)
    grant.send()
    with refuses("nonce is used"):
        grant.send()


def test_set_operator_by_signature__nonces_in_any_order(market):
    for nonce in (7, 6, 255, 256, 0, MAX_UINT256):
        Grant(market, nonce=nonce).send()
        assert market.engine.is_nonce_used(KEY.address, nonce)
        assert not market.engine.is_nonce_used(market.borrower, nonce)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", account_id(KEY.address, 2)),
        ("operator", ZERO),
        ("asset", "0x" + "11" * 20),
        ("actions", BORROW),
        ("amount", 6),
        ("expiry", FAR + 1),
        ("nonce", 8),
        ("deadline", FAR),
    ],
)
def test_set_operator_by_signature__every_field_is_signed(market, field, value):
    with refuses("signature is not valid"):
        Grant(market).send(**{field: value})


@pytest.mark.parametrize(
    "domain",
    [
        {"name": "Other"},
        {"version": "2"},
        {"chainId": 1},
        {"verifyingContract": "0x" + "11" * 20},
    ],
)
def test_set_operator_by_signature__other_domain_reverts(market, domain):
    grant = Grant(market)
    with refuses("signature is not valid"):
        grant.send(grant.sign(**domain))


def test_set_operator_by_signature__wrong_signer_reverts(market):
    grant = Grant(market)
    with refuses("signature is not valid"):
        grant.send(grant.sign(Account.from_key(keccak(text="another"))))


def test_set_operator_by_signature__deadline(market):
    grant = Grant(market)
    market.host.advance(100)
    start = market.host.snapshot()
    grant.send()
    market.host.restore(start)
    market.host.advance(1)
    with refuses("signature has expired"):
        grant.send()


def test_set_operator_by_signature__any_asset_takes_no_amount(market):
    with refuses("any asset takes no amount"):
        Grant(market, asset=ZERO).send()
    Grant(market, asset=ZERO, amount=MAX_UINT256).send()


@pytest.mark.everywhere
def test_set_operator_by_signature__contract_as_owner(market):
    artifact = artifacts.compile_source(WALLET, "WalletStandIn")
    host = market.host
    wallet = host.deploy_raw(artifact.abi, artifact.bytecode, sender=market.owner)
    grant = Grant(market, wallet)
    with refuses("signature is not valid"):
        grant.send(b"")
    signable = grant.signable()
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
    host.transact(wallet, artifact.abi, "approve", [digest], sender=market.owner)
    grant.send(b"")
    with refuses("signature is not valid"):
        grant.send(b"", nonce=8)
    assert market.engine.is_nonce_used(wallet, 7)


@pytest.mark.everywhere
def test_cancel_nonce__voids_what_was_signed(market):
    receipt = market.engine.cancel_nonce(300, sender=market.borrower)
    assert receipt.event("UseNonce").args == {"owner": market.borrower, "nonce": 300}
    assert market.engine.is_nonce_used(market.borrower, 300)
    with refuses("nonce is used"):
        market.engine.cancel_nonce(300, sender=market.borrower)
    market.engine.cancel_nonce(300, sender=market.other)


def test_domain_separator__is_that_of_eip_712(market):
    signable = Grant(market).signable()
    assert market.engine.DOMAIN_SEPARATOR() == signable.header
