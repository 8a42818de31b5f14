"""The ways of liquidation that are compared: the same contracts, with other terms of liquidation.

Ours is the build as it is. Of the others, `RiskEngine._liquidation_terms` is another function and
all else the same: borrowers, vaults, prices, thresholds. What each protocol does, as modelled:

aave    A call repays at most half of a debt, all of it below a health of 0.95 or 2,000 USD, for a
        flat incentive of the collateral named: 5 %, 10 % where it is volatile. A tenth of it is the
        protocol's. The incentive is not cut where there is little left.
morpho  A call repays as much as the liquidator likes, for a flat incentive of
        min(15 %, 1 / (1 - 0.3 * (1 - liquidation_ltv)) - 1); nothing of it is the protocol's.
comet   The protocol takes the whole account at once, at its value less 5 % (7 % where volatile),
        pays the debt, credits the borrower with the rest, and sells the collateral to whoever
        comes at half of that discount. What it loses on the way is lost by the protocol.

In all of them, what is owed by an account without collateral is written off at once.
Breakers off: a price jump is believed at once, as is every price of a feed elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from breakwater import artifacts
from breakwater.economics.crashes import VOLATILE, Crash
from breakwater.errors import UserError
from breakwater.markets import Asset, Market

_SIGNATURE = """@view
@internal
def _liquidation_terms(
    position: uint256[4],
    debt_tag: uint256,
    collateral_tag: uint256,
    max_repay: uint256,
    min_debt: uint256,
) -> IRiskEngine.Terms:
    valuation: Valuation = self._valuation(position, 0, debt_tag, collateral_tag)
    if valuation.health.health_factor >= WAD:
        legs._fail("account is healthy")
    if sequencer.FEED != empty(address):  # as with ours, and there is none
        sequencer._check(valuation.health.health_factor >= GRACE_HEALTH)
    if valuation.debt_leg == legs.MAX_LEGS:
        legs._fail("account has no such debt")
    if valuation.unpriced >> valuation.debt_leg & 1 == 1:
        legs._fail("debt has no valid price")
    if valuation.health.collateral_value < DUST_VALUE:
        return self._terms_under_water(position, valuation, max_repay, min_debt)
    owed: uint256 = legs._amount(position, valuation.debt_leg)
    unit: uint256 = asset_config._unit(
        price_oracle.rules[legs._tag(position, valuation.debt_leg) & 127]
    )
    terms: IRiskEngine.Terms = empty(IRiskEngine.Terms)
    terms.health_factor = valuation.health.health_factor
"""

_SLICE = """    if valuation.collateral_leg == legs.MAX_LEGS:
        legs._fail("account has no such collateral")
    if valuation.unpriced >> valuation.collateral_leg & 1 == 1:
        legs._fail("collateral has no valid price")
    leg: uint256 = valuation.collateral_leg
    terms.incentive = unsafe_mul(self.terms[collateral_tag] >> 120 & 16_383, BPS_WAD)
    factor: uint256 = WAD + terms.incentive
    repay: uint256 = owed
    if valuation.health.health_factor >= {whole_below} and valuation.debt_value >= {small}:
        repay = owed * {close_factor} // BPS
    affordable: uint256 = self._ceil_div(valuation.collateral_value * WAD, factor)
    affordable = self._ceil_div(affordable * unit, valuation.debt_price)
    takes_all: bool = affordable <= repay and affordable <= max_repay
    terms.repay = min(min(repay, affordable), max_repay)
    if terms.repay == 0:
        legs._fail("nothing to repay")
    seized: uint256 = legs._amount(position, leg)
    if not takes_all:
        taken: uint256 = terms.repay * valuation.debt_price // unit * factor // WAD
        places: uint256 = asset_config._unit(price_oracle.rules[collateral_tag])
        seized = min(seized, taken * places // valuation.collateral_price)
    elif valuation.health.collateral_value - valuation.collateral_value < DUST_VALUE:
        terms.write_off = owed - terms.repay
    terms.fund_fee = terms.repay * terms.incentive // WAD * {fee} // BPS
    terms.seize[leg >> 1] = seized << unsafe_mul(legs.AMOUNT_BITS, leg & 1)
    return terms
"""

_ABSORB = """    terms.incentive = valuation.incentive_max
    credit: uint256 = valuation.health.collateral_value * (WAD - terms.incentive) // WAD
    part: uint256 = valuation.debt_value
    all_debt: uint256 = valuation.health.debt_value
    paid: uint256 = self._ceil_div(credit * part, all_debt)
    terms.repay = min(owed, self._ceil_div(paid * unit, valuation.debt_price))
    if max_repay < terms.repay:
        legs._fail("accounts are taken whole")
    terms.write_off = owed - terms.repay
    for i: uint256 in range(8):
        tag: uint256 = legs._tag(position, i)
        if tag == 0:
            break
        if tag < legs.DEBT:
            taken: uint256 = legs._amount(position, i)
            if part != all_debt:
                taken = taken * part // all_debt
            terms.seize[i >> 1] |= taken << (legs.AMOUNT_BITS * (i & 1))
    return terms
"""

_WAD, _BPS = 10**18, 10_000

Rules = Callable[[Asset, str], Mapping[str, object]]
"""Parameters in place of an asset's, by the asset and its class."""


def _as_they_are(asset: Asset, one: str) -> Mapping[str, object]:
    return {}


def _flat(asset: Asset, incentive: int) -> Mapping[str, object]:
    return {"incentive_min": incentive, "incentive_max": incentive, "incentive_slope": 0}


def _morpho(asset: Asset, one: str) -> Mapping[str, object]:
    ltv = int(asset.parameters["liquidation_ltv"]) / _BPS
    return _flat(asset, min(1_500, int((1 / (1 - 0.3 * (1 - ltv)) - 1) * _BPS)))


@dataclass(frozen=True)
class Mechanism:
    """One way of liquidation."""

    name: str
    title: str
    terms: str | None = None
    """Text of `_liquidation_terms`; None: ours."""
    rules: Rules = field(default=_as_they_are)
    breakers: bool = True
    absorbs: bool = False
    """Whether the protocol itself takes accounts and sells what they held."""

    def market(self, crash: Crash) -> Market:
        """The market of a crash with this mechanism's parameters."""
        assets = {}
        for symbol, asset in crash.market.assets.items():
            changed = {**asset.parameters, **self.rules(asset, crash.classes[symbol])}
            if not self.breakers:
                changed["jump_band"] = 6_300
            assets[symbol] = replace(asset, parameters=changed)
        return replace(crash.market, assets=assets)

    @contextmanager
    def build(self) -> Iterator[None]:
        """What is deployed inside has this mechanism's terms."""
        texts = {}
        if self.terms is not None:
            texts["contracts/modules/maintenance.vy"] = (_OURS, lambda _: self.terms or "")
        if not self.breakers:
            texts["contracts/modules/price_oracle.vy"] = (_DOUBT, lambda _: _BELIEF)
        if not texts:
            yield
            return
        found = _changed(texts)
        before = artifacts._replaced.get("RiskEngine")
        artifacts._replaced["RiskEngine"] = found
        try:
            yield
        finally:
            del artifacts._replaced["RiskEngine"]
            if before is not None:
                artifacts._replaced["RiskEngine"] = before


_OURS = re.compile(r"@view\n@internal\ndef _liquidation_terms\(.*?\n\n\n", re.DOTALL)
_DOUBT = re.compile(
    r"    if status == price_words.VALID:\n(?=        return high, low, volatility, True\n)"
)
_BELIEF = "    if status <= price_words.JUMP:\n"


def _changed(
    texts: Mapping[str, tuple[re.Pattern[str], Callable[[str], str]]],
) -> artifacts.Artifact:
    """The RiskEngine with a passage of some files replaced, compiled once."""
    from breakwater.mutation.compile import whole

    root, changed = artifacts.ROOT, {}
    for path, (pattern, text) in texts.items():
        source = (root / path).read_text(encoding="utf-8")
        changed[root / path], count = pattern.subn(lambda match: text(match[0]), source)  # noqa: B023
        if count != 1:
            raise UserError(f"{path} has {count} passages for the economics build, not one")
    plain = artifacts.load("RiskEngine")
    digest = hashlib.sha256("\0".join((plain.key, *changed.values())).encode()).hexdigest()
    stored = root / ".build" / "economics" / f"{digest[:24]}.bin"
    if not stored.is_file():
        code = whole(root, plain.source_id, changed)
        stored.parent.mkdir(parents=True, exist_ok=True)
        part = stored.with_name(f"{stored.name}.{os.getpid()}")
        part.write_bytes(code)
        os.replace(part, stored)  # whole or not at all
    return replace(plain, bytecode=stored.read_bytes())


def _slices(close_factor: int, whole_below: int, small: int, fee: int) -> str:
    body = _SLICE.format(close_factor=close_factor, whole_below=whole_below, small=small, fee=fee)
    return _SIGNATURE + body + "\n\n"


OURS = Mechanism("breakwater", "Breakwater")
AAVE = Mechanism(
    "aave", "Aave: half, 5 to 10 %",
    _slices(5_000, 95 * 10**16, 2_000 * _WAD, 1_000),
    lambda asset, one: _flat(asset, 1_000 if one == VOLATILE else 500),
    breakers=False,
)  # fmt: skip
MORPHO = Mechanism("morpho", "Morpho: full close", _slices(_BPS, 0, 0, 0), _morpho, breakers=False)
COMET = Mechanism(
    "comet", "Comet: absorb", _SIGNATURE + _ABSORB + "\n\n",
    lambda asset, one: _flat(asset, 700 if one == VOLATILE else 500),
    breakers=False, absorbs=True,
)  # fmt: skip

COMPARED = (OURS, replace(OURS, name="breakwater-off", title="Breakwater, breakers off",
                          breakers=False), AAVE, MORPHO, COMET)  # fmt: skip
"""Those of the table."""

GUARDED = tuple(
    replace(one, name=f"{one.name}-on", title=f"{one.title}, our breakers", breakers=True)
    for one in (AAVE, MORPHO, COMET)
)
"""The others behind our breakers."""


def _set(name: str, title: str, one: str | None = None, **parameters: object) -> Mechanism:
    """Ours with other parameters, of one class or of all."""

    def rules(asset: Asset, found: str) -> Mapping[str, object]:
        return parameters if one in (None, found) else {}

    return replace(OURS, name=name, title=title, rules=rules)


def _before(asset: Asset, one: str) -> Mapping[str, object]:
    found = {"tip": 100, "incentive_min": 100, "incentive_slope": 10_000}
    return {**found, "jump_band": 1_000, "closes_whole": True} if one == VOLATILE else found


def _tip_1(asset: Asset, one: str) -> Mapping[str, object]:
    if one == VOLATILE:
        return {"tip": 100, "incentive_min": 300, "incentive_slope": 10_000, "closes_whole": True}
    return {"tip": 100, "incentive_min": 100, "incentive_slope": 2_500}


LEVERS = (
    replace(OURS, name="before", title="as before the study", rules=_before),
    replace(OURS, name="tip-1", title="tip 1 %, steeper, volatile whole", rules=_tip_1),
    _set("slope-1", "slope 1", incentive_slope=10_000),
    _set("whole", "whole debts", closes_whole=True),
    _set("volatile-slope-1", "volatile: slope 1", VOLATILE, incentive_slope=10_000),
    _set("volatile-most-8", "volatile: most 8 %", VOLATILE, incentive_max=800),
    _set("volatile-10", "volatile: jump band 10 %", VOLATILE, jump_band=1_000),
)
"""Ours with other parameters, for what they do."""

ALL = {one.name: one for one in (*COMPARED, *GUARDED, *LEVERS)}
