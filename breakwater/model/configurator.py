"""Model of the `Configurator`: the rules of assets and vaults. Specification, Parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from breakwater.abi import created
from breakwater.driver import AssetConfig
from breakwater.model.asset_config import (
    GAP,
    HIGHEST_PRICE,
    RULE_RANGES,
    check,
    ruled,
    termed,
    total,
)
from breakwater.model.blend import BlendFeed, packed, unpacked
from breakwater.model.chain import ZERO_ADDRESS, Chain, Refused, Word, view
from breakwater.model.exposure import Book, decoded, encoded
from breakwater.model.oracle import (
    IS_FEED,
    Rule,
    Term,
    rule_word,
    term_word,
)
from breakwater.model.schedule import (
    BORROW_LTV,
    CAP,
    DEPTH,
    GROWTH,
    INTERVAL,
    LANES,
    LIQUIDATION_LTV,
    MAX_CAP,
    MAX_PRICE,
    MIN_DEBT,
    STEWARD,
)
from breakwater.model.vault_rules import Vaults, at_most, at_most_twice, check_limit, is_looser
from breakwater.units import BPS, DAY, HOUR, MAX_UINT256

MIN_RAMP, MAX_RAMP = 3 * DAY, 180 * DAY
MAX_RISE = 4
"""Of max_price over the price, of a new asset"""
LTV_STEP, STEWARD_CAP, STEWARD_LTV = 500, 2_000, 100
"""[BPS]"""
MAX_BAND = 500
"""[BPS] between an old source and a new one"""


class Configurator(Vaults):
    """Lists assets, opens vaults and moves what may be moved: in the engines and in the vaults."""

    NAME = "Configurator"

    def __init__(
        self, chain: Chain, address: str, engine: str, blend: str, new_limit: int, owner: str
    ) -> None:
        if engine not in chain.contracts:
            raise Refused("credit engine has no code")
        if blend not in chain.contracts:
            raise Refused("blend feed has no code")
        super().__init__(chain, address, owner)
        self.engine, self.blend, self.limit = engine, blend, new_limit
        self.risk: str = self._ask(engine, "risk_engine")

    # ------------------------------------------------------------ listing

    def seal(self, sender: str) -> None:
        """Genesis ends."""
        self._check_owner(sender)
        self._check_genesis()
        self.put(self.chain.now, "sealed_at")
        self.emit("Seal")

    def list_asset(
        self,
        sender: str,
        asset: str,
        config: Sequence[Any],
        cap: int,
        takes_fee: bool,
        vault: str,
        min_debt: int,
    ) -> int:
        """Its id."""
        self._check_owner(sender)
        if self._ask(self.risk, "id_of", asset) != 0:
            raise Refused("asset is listed already")
        wanted = AssetConfig(*config)
        decimals = self._ask(asset, "decimals")
        feed_decimals = self._feed_decimals(wanted.source, wanted.is_feed)
        rule, term = ruled(wanted, decimals, feed_decimals), termed(wanted)
        if self.get("tip") not in (0, wanted.tip):
            raise Refused("tip differs from the others")
        self.put(wanted.tip, "tip")
        self._check_pairs(wanted.incentive_max, wanted.liquidation_ltv)
        is_new = self.get("sealed_at") != 0
        id: int = self._write(asset, rule, term._replace(is_new=int(is_new)))
        self.emit("ListAsset", asset=asset, id=id, config=wanted)
        if cap > MAX_CAP:
            raise Refused("cap is too high")
        first = cap
        if is_new:
            price = self._price(asset)
            if 1 << rule.upper > MAX_RISE * price:
                raise Refused("max_price is too high")
            first = self._add_new(asset, cap, price, 10**decimals)
            self._take_all(asset)
            self.emit("Grow", asset=asset, cap=first, value=self.get("values", asset))
        if cap:
            self._ask(self.engine, "list_collateral", asset, first, takes_fee)
        if vault != ZERO_ADDRESS:
            if self._ask(vault, "asset") != asset:
                raise Refused("vault is of another asset")
            self._list_debt(vault, min_debt)
        return id

    def list_debt(self, sender: str, vault: str, min_debt: int) -> None:
        """Of an asset that is listed already."""
        self._check_owner(sender)
        self._list_debt(vault, min_debt)

    def _list_debt(self, vault: str, min_debt: int) -> None:
        self._check_genesis()
        if min_debt > MAX_CAP:
            raise Refused("min_debt is too high")
        self._ask(self.engine, "list_debt", vault, min_debt)

    def grow(self, sender: str, asset: str) -> None:
        """The cap of a new asset, to where its schedule stands."""
        if not self._is_new(asset):
            raise Refused("asset is not new")
        cap, before = decoded(encoded(self._scheduled(asset))), self._cap(asset)
        rule, term = self._kept(asset)
        if self._is_over(asset):
            self.put(0, "listed_at", asset)
            self._write(asset, rule, term._replace(is_new=0))
            self.emit("EndGrowth", asset=asset, cap=max(cap, before))
        else:
            if cap <= before:
                raise Refused("nothing to grow yet")
            self._value_new(asset, cap, self._price(asset), 10**rule.decimals)
            self.emit("Grow", asset=asset, cap=cap, value=self.get("values", asset))
        if cap > before:
            self._ask(self.engine, "set_cap", asset, cap)

    # ------------------------------------------------------------ steps of the owner

    def set_cap(self, sender: str, asset: str, cap: int) -> None:
        """Down at once, up in steps; that of a new asset down alone."""
        self._check_owner(sender)
        if cap > MAX_CAP:
            raise Refused("cap is too high")
        before = self._cap(asset)
        if self._is_new(asset):
            if cap > before:
                raise Refused("cap follows its schedule")
            self.put(cap, "targets", asset)
        elif (
            cap > before
            and self._step(asset, CAP)
            and cap > 2 * before
            and not self._is_first(asset, cap)
        ):
            raise Refused("step is too large")
        self._ask(self.engine, "set_cap", asset, cap)

    def set_borrow_ltv(self, sender: str, asset: str, borrow_ltv: int) -> None:
        """At once; far enough below liquidation_ltv, of now and of the end of its ramp."""
        self._check_owner(sender)
        rule, term = self._kept(asset)
        if borrow_ltv > rule.borrow_ltv and self._step(asset, BORROW_LTV):
            at_most(borrow_ltv, rule.borrow_ltv + LTV_STEP)
        self._write_borrow_ltv(asset, rule, term, borrow_ltv)
        self.emit("SetBorrowLtv", asset=asset, borrow_ltv=borrow_ltv)

    def ramp_liquidation_ltv(self, sender: str, asset: str, target: int, duration: int) -> None:
        """In a straight line; a borrow_ltv that would stand too high is lowered at once."""
        self._check_owner(sender)
        rule, term = self._kept(asset)
        now = self.chain.now
        start = term.liquidation_ltv(now)
        if target < start and duration < MIN_RAMP:
            raise Refused("ramp is too fast")
        if duration > MAX_RAMP:
            raise Refused("ramp is too slow")
        if target > min(start, term.target) and self._step(asset, LIQUIDATION_LTV):
            at_most(target, start + LTV_STEP)
        self._check_pairs(term.incentive_max, target)
        highest = max(min(start, target) - GAP, 0)
        if rule.borrow_ltv > highest:
            rule = rule.with_borrow_ltv(highest)
            self.emit("SetBorrowLtv", asset=asset, borrow_ltv=highest)
        term = term._replace(start=start, target=target, since=now, duration=duration)
        self._write(asset, rule, term)
        self.emit(
            "RampLiquidationLtv",
            asset=asset,
            start=start,
            target=target,
            starts_at=now,
            ends_at=now + duration,
        )

    def set_min_debt(self, sender: str, asset: str, min_debt: int) -> None:
        """A step either way."""
        self._check_owner(sender)
        if min_debt > MAX_CAP:
            raise Refused("min_debt is too high")
        if self._step(asset, MIN_DEBT):
            at_most_twice(self._ask(self.engine, "debt_of", asset)[2], min_debt)
        self._ask(self.engine, "set_min_debt", asset, min_debt)

    def set_growth(self, sender: str, asset: str, growth: int) -> None:
        """Less at once, more in steps; 0 is the most."""
        self._check_owner(sender)
        before = self._ask(self.engine, "book_word", asset) >> 145 & 127
        if is_looser(before, growth) and self._step(asset, GROWTH):
            check_limit(before, growth)
        self._ask(self.engine, "set_growth", asset, growth)

    def set_depth(self, sender: str, asset: str, depth: int) -> None:
        """In steps; without a limit, from all that is held."""
        self._check_owner(sender)
        book = Book.of(self._ask(self.engine, "book_word", asset))
        before, is_step = book.depth, depth != book.depth
        if before == 0:
            before, is_step = book.held, 0 < depth < book.held
        if is_step and self._step(asset, DEPTH):
            at_most_twice(before, depth)
        self._ask(self.engine, "set_depth", asset, depth)

    def raise_max_price(self, sender: str, asset: str, max_price: int) -> None:
        """Above it no price is valid."""
        self._check_owner(sender)
        rule, term = self._kept(asset)
        if max_price < 1 << rule.upper:
            raise Refused("max_price is not raised")
        if max_price > HIGHEST_PRICE:
            raise Refused("max_price out of range")
        upper = max_price.bit_length()
        span = upper - (rule.upper - rule.span)
        if span > 63:
            raise Refused("price bounds are too far apart")
        if self._step(asset, MAX_PRICE):
            at_most(upper, rule.upper + 1)
        self._write(asset, rule._replace(upper=upper, span=span), term)
        self.emit("SetMaxPrice", asset=asset, max_price=1 << upper)

    # ------------------------------------------------------------ steps of the steward

    def set_steward(self, sender: str, steward: str) -> None:
        """By the owner."""
        self._check_owner(sender)
        self.put(steward, "steward")
        self.emit("SetSteward", steward=steward)

    def steer(self, sender: str, asset: str, cap: int, borrow_ltv: int) -> None:
        """Parts of both steps that are one whole together."""
        if sender != self.get("steward", default=ZERO_ADDRESS):
            raise Refused("caller is not steward")
        rule, term = self._kept(asset)
        before = self._cap(asset)
        self._take_step(asset, STEWARD)
        moved = abs(borrow_ltv - rule.borrow_ltv)
        if moved * BPS > MAX_UINT256:
            raise Refused()
        part = moved * BPS // STEWARD_LTV
        if cap != before:
            at_most(cap, 2 * before)
            part += -(-abs(cap - before) * BPS * BPS // (before * STEWARD_CAP))
        at_most(part, BPS)
        if self._is_new(asset):
            if cap > before:
                raise Refused("cap follows its schedule")
            if cap != before:
                self.put(self.get("targets", asset) * cap // before, "targets", asset)
        self._write_borrow_ltv(asset, rule, term, borrow_ltv)
        self._ask(self.engine, "set_cap", asset, cap)
        self.emit("Steer", asset=asset, cap=cap, borrow_ltv=borrow_ltv)

    # ------------------------------------------------------------ feeds

    def replace_feed(
        self, sender: str, asset: str, source: str, is_feed: bool, max_age: int, second: str
    ) -> str:
        """The feed from the old source to the new."""
        self._check_owner(sender)
        is_dead = self._is_dead(asset)
        if not is_dead and self.get("blend_of", asset, default=ZERO_ADDRESS) != ZERO_ADDRESS:
            raise Refused("replacement is under way")
        rule, _ = self._kept(asset)
        if rule.source == ZERO_ADDRESS:
            raise Refused("asset is settled")
        check("max_age", max_age, RULE_RANGES["max_age"])
        new = packed(source, max_age, self._feed_decimals(source, is_feed))
        dead = ZERO_ADDRESS
        if is_dead:
            dead = second if second != ZERO_ADDRESS else self.risk
        nonce = self.get("nonce") + 1
        self.put(nonce, "nonce")
        blend = created(self.address, nonce)
        old = packed(rule.source, rule.max_age * 60, rule.feed_decimals)
        BlendFeed(self.chain, blend, self.risk, asset, old, new, min(rule.band, MAX_BAND), dead)
        self.put(blend, "blend_of", asset)
        age = max(max_age, rule.max_age * 60)
        self._write_source(asset, packed(blend, age, IS_FEED))
        self.emit("ReplaceFeed", asset=asset, source=source, blend=blend)
        return blend

    def cancel_replacement(self, sender: str, asset: str) -> None:
        """The old source is back."""
        self._check_owner(sender)
        blend = self._end_blend(asset)
        if not self._ask(blend, "is_refused"):
            raise Refused("new source is not refused")
        old = self._ask(blend, "OLD")
        self._write_source(asset, old)
        self.emit("CancelReplacement", asset=asset, source=unpacked(old)[0])

    def finish_replacement(self, sender: str, asset: str) -> None:
        """The new source stands alone."""
        blend = self._end_blend(asset)
        if not self._ask(blend, "is_over"):
            raise Refused("replacement is not over")
        new = self._ask(blend, "NEW")
        self._write_source(asset, new)
        self.emit("FinishReplacement", asset=asset, source=unpacked(new)[0])

    # ------------------------------------------------------------ wind-down

    def announce_settlement(self, sender: str, asset: str, price: int) -> None:
        """That an asset is wound down, a day before it may be."""
        self._check_owner(sender)
        ready_at = self.chain.now + DAY
        self.put((price, ready_at), "announcement_of", asset)
        self.emit("AnnounceSettlement", asset=asset, price=price, ready_at=ready_at)

    def cancel_settlement(self, sender: str, asset: str) -> None:
        """It is not."""
        self._check_owner(sender)
        self._end_announcement(asset)
        self.emit("CancelSettlement", asset=asset)

    def settle(self, sender: str, asset: str) -> None:
        """Winds an asset down, for good, as it was announced."""
        self._check_owner(sender)
        price, ready_at = self._end_announcement(asset)
        if self.chain.now < ready_at:
            raise Refused("step comes too soon")
        self.put(ZERO_ADDRESS, "blend_of", asset)
        self._ask(self.risk, "settle", asset, price)
        self._ask(self.engine, "end_collateral", asset)

    def _end_announcement(self, asset: str) -> tuple[int, int]:
        announced: tuple[int, int] = self.announcement_of(self.address, asset)
        if announced[1] == 0:
            raise Refused("no settlement is announced")
        self.put((0, 0), "announcement_of", asset)
        return announced

    # ------------------------------------------------------------ views

    @view
    def risk_engine(self, sender: str) -> str:
        """Where the rules are written."""
        return self.risk

    @view
    def credit_engine(self, sender: str) -> str:
        """Where caps are written."""
        return self.engine

    @view
    def blend_feed(self, sender: str) -> str:
        """A blueprint."""
        return self.blend

    @view
    def new_limit(self, sender: str) -> int:
        """[WAD]"""
        return self.limit

    @view
    def schedule_of(self, sender: str, asset: str) -> tuple[int, int, int]:
        """When a new asset was listed, its target, what its cap is worth."""
        if not self._is_new(asset):
            return 0, 0, 0
        one, two, three = (self.get(name, asset) for name in ("listed_at", "targets", "values"))
        return one, two, three

    @view
    def next_step(self, sender: str, asset: str, lane: int) -> int:
        """When the next step of a parameter may come."""
        if 32 * lane > MAX_UINT256:
            raise Refused()
        if lane >= LANES:
            return INTERVAL
        return self._next_step(asset, lane)

    @view
    def sealed_at(self, sender: str) -> int:
        """0: genesis."""
        return int(self.get("sealed_at"))

    @view
    def steward(self, sender: str) -> str:
        """Zero for nobody."""
        return str(self.get("steward", default=ZERO_ADDRESS))

    @view
    def blend_of(self, sender: str, asset: str) -> str:
        """Zero where nothing is replaced."""
        return str(self.get("blend_of", asset, default=ZERO_ADDRESS))

    @view
    def announcement_of(self, sender: str, asset: str) -> tuple[int, int]:
        """Price, and when it may be settled; zeros where nothing is announced."""
        price, ready_at = self.get("announcement_of", asset, default=(0, 0))
        return price, ready_at

    @view
    def tip(self, sender: str) -> int:
        """[BPS] of all assets; 0 before the first."""
        return int(self.get("tip"))

    @view
    def max_incentive(self, sender: str) -> int:
        """[BPS] the highest there ever was."""
        return int(self.get("max_incentive"))

    @view
    def max_liquidation_ltv(self, sender: str) -> int:
        """[BPS] the highest there ever was."""
        return int(self.get("max_liquidation_ltv"))

    # ------------------------------------------------------------ internals

    def _check_pairs(self, incentive_max: int, liquidation_ltv: int) -> None:
        """(1 + highest incentive) x highest liquidation_ltv < 1, over all assets ever."""
        incentive = max(self.get("max_incentive"), incentive_max)
        highest = max(self.get("max_liquidation_ltv"), liquidation_ltv)
        weighted = (BPS + incentive) * highest
        if weighted > MAX_UINT256:
            raise Refused()
        if weighted >= BPS * BPS:
            raise Refused("incentive too high for an ltv")
        self.put(incentive, "max_incentive")
        self.put(highest, "max_liquidation_ltv")

    def _write_borrow_ltv(self, asset: str, rule: Rule, term: Term, borrow_ltv: int) -> None:
        lowest = min(term.liquidation_ltv(self.chain.now), term.target)
        if borrow_ltv and total(borrow_ltv, GAP) > lowest:
            raise Refused("borrow_ltv is too high")
        self._write(asset, rule.with_borrow_ltv(borrow_ltv), term)

    def _write_source(self, asset: str, source: int) -> None:
        rule, term = self._kept(asset)
        address, max_age, decimals = unpacked(source)
        rule = rule._replace(source=address, max_age=max_age // 60, feed_decimals=decimals)
        self._write(asset, rule, term)

    def _end_blend(self, asset: str) -> str:
        blend: str = self.get("blend_of", asset, default=ZERO_ADDRESS)
        if blend == ZERO_ADDRESS:
            raise Refused("no replacement is under way")
        self.put(ZERO_ADDRESS, "blend_of", asset)
        return blend

    def _is_dead(self, asset: str) -> bool:
        seen = self._ask(self.risk, "words_of", asset)[3]
        last = seen >> 160 & 2**32 - 1
        if last == 0 or (seen >> 239) + min(self.chain.now - last, HOUR) < DAY:
            return False
        return bool(self._ask(self.risk, "quote", asset)[0] == 0)

    def _feed_decimals(self, source: str, is_feed: bool) -> int:
        if is_feed:
            return IS_FEED
        decimals: int = self._ask(source, "decimals")
        if decimals >= IS_FEED:
            raise Refused("feed decimals out of range")
        return decimals

    def _write(self, asset: str, rule: Rule, term: Term) -> Any:
        return self._ask(self.risk, "write_asset", asset, rule_word(rule), term_word(term))

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """A word each."""
        if name in ("owner", "steward", "blend_of"):
            yield Word(name, keys, int(self.get(name, *keys, default=ZERO_ADDRESS), 16))
        elif name == "announcement_of":
            yield from (
                Word(name, (*keys, at), value)
                for at, value in enumerate(self.get(name, *keys, default=(0, 0)))
            )
        elif name in ("tip", "max_incentive", "max_liquidation_ltv"):
            yield Word(name, keys, self.get(name))
        elif name != "nonce":
            yield from super().words(name, keys)
