"""Amounts and account identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwater import units
from breakwater.units import UnitError

OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_parse_units__exact(decimals: int) -> None:
    assert units.parse_units("1_234.5", decimals) == 12_345 * 10 ** (decimals - 1)


@pytest.mark.parametrize("text", ["1.0000001", "", "abc", "nan", "inf", "1e90"])
def test_parse_units__refused(text: str) -> None:
    with pytest.raises(UnitError):
        units.parse_units(text, 6)


def test_parse_units__float_is_refused() -> None:
    with pytest.raises(UnitError, match="float"):
        units.parse_units(0.1, 18)  # type: ignore[arg-type]


def test_parse_units__trailing_zeros_beyond_the_scale_are_exact() -> None:
    assert units.parse_units("1.500000000", 6) == 1_500_000


@given(amount=st.integers(-(2**256), 2**256 - 1), decimals=st.integers(0, 27))
def test_format_units__round_trip(amount: int, decimals: int) -> None:
    text = units.format_units(amount, decimals)
    assert units.parse_units(text.replace(",", ""), decimals) == amount


def test_format_units__places_cut_toward_zero() -> None:
    assert units.format_units(1_999_999, 6, 2) == "1.99"
    assert units.format_units(-1_999_999, 6, 2) == "-1.99"
    assert units.format_units(5, 0) == "5"


def test_parse_amount__with_symbol() -> None:
    assert units.parse_amount("1.5 WETH", {"WETH": 18}) == (15 * 10**17, "WETH")


@pytest.mark.parametrize("text", ["1.5", "WETH 1.5", "1 USDC", "1 2 WETH", ""])
def test_parse_amount__refused(text: str) -> None:
    with pytest.raises(UnitError):
        units.parse_amount(text, {"WETH": 18})


def test_scales() -> None:
    assert units.to_wad("0.8") == 8 * 10**17
    assert units.to_ray("1") == units.RAY
    assert units.to_bps("82.5") == 8_250
    assert units.mul_div_down(7, 1, 2) == 3
    assert units.mul_div_up(7, 1, 2) == 4


def test_account_id__owner_then_number() -> None:
    account = units.account_id(OWNER, 258)
    assert account.hex() == OWNER[2:].lower() + "00" * 10 + "0102"
    assert units.account_owner(account) == OWNER
    assert units.account_number(account) == 258


@pytest.mark.parametrize(("owner", "number"), [("0x12", 0), (OWNER, -1), (OWNER, 2**96)])
def test_account_id__refused(owner: str, number: int) -> None:
    with pytest.raises(UnitError):
        units.account_id(owner, number)
