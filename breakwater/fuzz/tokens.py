"""The token matrix: markets of two assets, for each odd token in each role, and for decimals.

    TOKEN-collateral   the token as collateral, USDC as debt
    TOKEN-debt         USDC as collateral, the token as debt
    TOKEN-both         the token and USDC, each as both
    decimals-C-D       WETH with C decimals as collateral, USDC with D as debt

What becomes of each stands in docs/specification.md, Tokens, held by tests/stateful/test_tokens.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from breakwater.errors import UserError
from breakwater.fuzz.profiles import PROFILES, Act, Listing
from breakwater.model.tokens import Quirk
from breakwater.units import BPS

ROLES = ("collateral", "debt", "both")

DECIMALS = (6, 8, 18, 24)
"""That a listing may have; 6 is the least, 24 the most."""


@dataclass(frozen=True)
class Odd:
    """A token that does otherwise than the standard."""

    first: tuple[Act, ...] = ()
    """Calls to it before it is listed."""
    acts: tuple[Act, ...] = ()
    """What the action `odd` does with it, see `breakwater.fuzz.actions.tokens`."""
    token: str = "OddTokenMock"
    takes_fee: bool = False
    """Listed as such."""


def _odds(answer: int = 1, fee: int = 0, paused: bool = False, no_zero: bool = False) -> Act:
    return "set_odds", (answer, fee, paused, no_zero)


def _quirk(quirk: Quirk) -> Act:
    return "set_quirks", (int(quirk),)


_USUAL = _odds()

TOKENS: dict[str, Odd] = {
    "fee": Odd(
        acts=(*(_odds(fee=fee) for fee in (0, 1, 100, 5_000)), _odds(fee=BPS)), takes_fee=True
    ),
    "later": Odd(acts=(_odds(fee=100), _USUAL)),
    "grows": Odd(acts=(("grow", ()),)),
    "shrinks": Odd(acts=(("shrink", ()),)),
    "false": Odd(first=(_odds(answer=3),), acts=(_odds(answer=0), _odds(answer=3))),
    "silent": Odd(first=(_odds(answer=2),), acts=(_odds(answer=2),)),
    "zero": Odd(first=(_odds(no_zero=True),), acts=(_odds(no_zero=True),)),
    "unapproved": Odd(first=(_quirk(Quirk.NO_ZERO_APPROVAL),), acts=(("reapprove", ()),)),
    "race": Odd(first=(_quirk(Quirk.NO_CHANGED_APPROVAL),), acts=(("reapprove", ()),)),
    "blocks": Odd(acts=(("block", ()),)),
    "pauses": Odd(acts=(_odds(paused=True), _USUAL)),
    "hooks": Odd(token="HookTokenMock"),
    "twin": Odd(acts=(("twin", ()),)),
    "units": Odd(acts=tuple(("set_decimals", (count,)) for count in (0, 6, 18, 24, 255))),
    "most": Odd(first=(_quirk(Quirk.MOST_IS_ALL),), acts=(("most", ()),)),
    "flash": Odd(acts=(("flash", ()),)),
    "own": Odd(first=(_quirk(Quirk.OWN_IS_FREE),), acts=(("own", ()),)),
    "vast": Odd(
        first=(("mint", ("@keeper", 2**200)), ("mint", ("@attacker", 2**200))),
        acts=(("give", ()),),
    ),
}

KNOWN = (
    f"{', '.join(PROFILES)}, a token and its role as fee-debt ({', '.join(TOKENS)}; "
    f"{', '.join(ROLES)}), or decimals as decimals-6-18"
)
"""Names of profiles, as a person is told."""


def market(profile: str) -> tuple[Listing, ...]:
    """What is listed in a market. UserError when there is none of that name."""
    found = PROFILES.get(profile)
    if found is None:
        first, _, rest = profile.partition("-")
        if first in TOKENS and rest in ROLES:
            return _of_token(TOKENS[first], rest)
        parts = rest.split("-")
        if first == "decimals" and len(parts) == 2 and all(_is_uint8(part) for part in parts):
            return _pair(*(int(part) for part in parts))
        raise UserError(f"there is no profile {profile}: {KNOWN}")
    return found


def _is_uint8(text: str) -> bool:
    return text.isascii() and text.isdigit() and str(int(text)) == text and int(text) < 256


_RULES = {"jump_band": 6_000}
_CAP, _CASH = 10_000_000, 2_000_000


def _of_token(odd: Odd, role: str) -> tuple[Listing, ...]:
    """The token beside USDC, which takes the other role."""
    is_collateral, is_debt = role != "debt", role != "collateral"
    return (
        Listing(
            "HOOK" if odd.token == "HookTokenMock" else "ODD", 18, 10, token=odd.token,
            cap=_CAP * is_collateral, cash=_CASH * is_debt, supply_limit=1_000, rules=_RULES,
            takes_fee=odd.takes_fee, first=odd.first, acts=odd.acts,
        ),
        Listing("USDC", 6, 1, cap=_CAP * is_debt, cash=_CASH * is_collateral, rules=_RULES),
    )  # fmt: skip


def _pair(collateral: int, debt: int) -> tuple[Listing, ...]:
    return (
        Listing("WETH", collateral, 2_000, supply_limit=1_000, rules=_RULES),
        Listing("USDC", debt, 1, cash=_CASH, cap=0, rules=_RULES),
    )
