"""Accounts 0 to 255 of the zero address: a signature that recovers to nobody is its owner's."""

import pytest

from breakwater.units import MAX_UINT256
from tests.market import ZERO, refuses


@pytest.mark.parametrize(
    "signature", [b"", bytes(64), bytes(65), b"\x01" * 64, b"\x1b" * 65], ids=len
)
def test_signature_of_nobody(market, signature):
    account = bytes(31) + b"\x01"
    with refuses("signature is not valid"):
        market.engine.set_operator_by_signature(
            account, market.other, ZERO, 31, MAX_UINT256, MAX_UINT256, 7, MAX_UINT256, signature,
            sender=market.other,
        )  # fmt: skip
    assert market.engine.operator_of(account, market.other, ZERO) == (0, 0, 0)
    assert not market.engine.is_nonce_used(ZERO, 7)
