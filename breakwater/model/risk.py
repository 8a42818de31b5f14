"""Model of the `RiskEngine`: margin rules and liquidation terms over positions that are handed in.

Specification: Prices, Initial margin, Maintenance, Liquidation, Batches, Levels. A position is four
words, eight legs; an asset goes by its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from breakwater.model import average, liquidation, margin
from breakwater.model.average import Checkpoint
from breakwater.model.chain import ZERO_ADDRESS, Chain, Refused, Word, reentrant
from breakwater.model.chain import view as locked_view
from breakwater.model.feeds import ask
from breakwater.model.latch import Latch
from breakwater.model.margin import Leg
from breakwater.model.oracle import (
    HALT,
    IS_FEED,
    NORMAL,
    WIND_DOWN,
    Reading,
    Rule,
    Term,
    prices_of,
    reading,
    rule_of,
    rule_word,
    rules_at,
    sourced,
    term_of,
    term_word,
)
from breakwater.model.owned import Owned
from breakwater.units import DAY, HOUR

MAX_ASSETS = 127
DEBT = 128
"""Bit of a debt's tag."""
MAX_AMOUNT = 2**104 - 1
PATIENCE = 600
"""[s] that a jump lasts before an account is found under water by it"""
MAX_HOLD = 4 * HOUR
"""[s] that a person holds liquidations that rest on an asset"""
HOLD_INTERVAL = 7 * DAY
"""[s] from the start of a hold to that of the next"""

Position = Sequence[int]
NO_RULE = Rule()
NO_TERM = Term()
NO_CHECKPOINT = Checkpoint()


class PackedTerms(NamedTuple):
    """What one liquidation may do, as `IRiskEngine.Terms`."""

    repay: int
    fund_fee: int
    write_off: int
    seize: tuple[int, ...]
    health_factor: int
    incentive: int
    under_water: bool


def legs_of(position: Position) -> tuple[Leg, ...]:
    """The legs of a position up to the first that is none."""
    return _legs_of(tuple(position))


@lru_cache(maxsize=4_096)
def _legs_of(position: tuple[int, ...]) -> tuple[Leg, ...]:
    legs = []
    for i in range(8):
        word, side = position[i >> 1], i & 1
        tag = word >> 208 + 8 * side & 255
        if tag == 0:
            break
        legs.append(Leg(tag & 127, word >> 104 * side & MAX_AMOUNT, tag >= DEBT))
    return tuple(legs)


class RiskEngine(Owned):
    """Rules of every asset, the price oracle, and what follows from both."""

    NAME = "RiskEngine"

    def __init__(
        self, chain: Chain, address: str, breaker: str, owner: str, sequencer_feed: str
    ) -> None:
        if breaker == ZERO_ADDRESS:
            raise Refused("breaker is zero")
        super().__init__(chain, address, owner)
        self.put(breaker, "breaker")
        self.sequencer = sequencer_feed
        self.latch = Latch(self)

    # ------------------------------------------------------------ prices and levels

    def write_checkpoint(self, sender: str, asset: str, checkpoint: int, observation: int) -> None:
        """What a poke saw, as two words."""
        self._check_breaker(sender)
        self.put(average.unpacked(checkpoint, observation), "checkpoints", self._id(asset))

    @reentrant
    def set_level(
        self, sender: str, asset: str, caution_until: int, halt_until: int, held_until: int
    ) -> None:
        """Latches levels until they expire."""
        self._check_breaker(sender)
        id = self._id(asset)
        self.latch.set(asset, caution_until, halt_until, held_until)
        held_until = self._term(id).held_until + liquidation.GRACE_TIME
        is_latched = max(caution_until, halt_until, held_until) > self.chain.now
        self.put(self._rule(id)._replace(is_latched=int(is_latched)), "rules", id)
        self.emit("SetLevel", asset=asset, caution_until=caution_until, halt_until=halt_until)

    @reentrant
    def hold(self, sender: str, asset: str, duration: int) -> None:
        """Holds liquidations that rest on an asset, or ends the hold that runs."""
        self._check_breaker(sender)
        id, now = self._id(asset), self.chain.now
        term = self._term(id)
        start, until = term.held_from, min(term.held_until, now)
        if duration:
            if now < start + HOLD_INTERVAL:
                raise Refused("hold was less than 7 days ago")
            start, until = now, now + min(duration, MAX_HOLD)
        self.put(term._replace(held_from=start, held_until=until), "terms", id)
        self.put(self._rule(id)._replace(is_latched=1), "rules", id)
        self.emit("Hold", asset=asset, until=until)

    # ------------------------------------------------------------ administration

    def write_asset(self, sender: str, asset: str, rule: int, term: int) -> int:
        """Lists an asset, or rewrites its rules and terms; its id."""
        if sender != self.get("configurator", default=ZERO_ADDRESS):
            raise Refused("caller is not configurator")
        id: int = self.get("ids", asset)
        written = rule_of(rule)
        if id == 0:
            id = self.get("count") + 1
            if id > MAX_ASSETS:
                raise Refused("too many assets")
            found = sourced(written, self._answer(written), self.chain.now)
            if found.price == 0:
                raise Refused("price is not valid")
            if found.disagrees:
                raise Refused("sources disagree")
            self.put(id, "count")
            self.put(asset, "assets", id)
            self.put(id, "ids", asset)
            self.put(Checkpoint.first(found.price, self.chain.now), "checkpoints", id)
        else:
            if self._rule(id).is_settled != written.is_settled:
                raise Refused("source cannot come or go")
            written = written._replace(is_latched=self._rule(id).is_latched)
        self.put(written, "rules", id)
        held = self._term(id)
        self.put(
            term_of(term)._replace(held_from=held.held_from, held_until=held.held_until),
            "terms",
            id,
        )
        self.emit("WriteAsset", asset=asset, id=id, rule=rule, term=term)
        return id

    def settle(self, sender: str, asset: str, price: int) -> None:
        """Winds an asset down at a price that the breaker lets pass."""
        if sender != self.get("configurator", default=ZERO_ADDRESS):
            raise Refused("caller is not configurator")
        id = self._id(asset)
        args = (asset, price)
        word = self.chain.call(self.address, self.get("breaker"), "settlement_of", args)
        _, seen = average.packed(self._checkpoint(id))
        self.put(average.unpacked(word, seen), "checkpoints", id)
        self.put(self._rule(id)._replace(source=ZERO_ADDRESS), "rules", id)
        self.emit("Settle", asset=asset, price=price)

    def set_breaker(self, sender: str, breaker: str) -> None:
        """Names who writes checkpoints and latches."""
        self._check_owner(sender)
        if breaker == ZERO_ADDRESS:
            raise Refused("breaker is zero")
        self.put(breaker, "breaker")
        self.emit("SetBreaker", breaker=breaker)

    def set_configurator(self, sender: str, configurator: str) -> None:
        """Names who lists and writes."""
        self._check_owner(sender)
        if configurator == ZERO_ADDRESS:
            raise Refused("configurator is zero")
        self.put(configurator, "configurator")
        self.emit("SetConfigurator", configurator=configurator)

    # ------------------------------------------------------------ margin

    @reentrant
    def check_initial(self, sender: str, position: Position, touched: int) -> bool:
        """Initial margin, leverage, and the level of the leg whose risk was raised (0: none)."""
        if (outage := self._outage()) is not None:
            raise Refused(outage)
        why = self._initial(legs_of(position), touched)
        if why is not None:
            raise Refused(why)
        return True

    @reentrant
    def check_batch(self, sender: str, before: Position, after: Position, touched: int) -> bool:
        """Whether `after` passes by its initial margin; else that it is safer than `before`."""
        level, why = NORMAL, None
        legs = legs_of(after)
        kept = {leg.asset for leg in legs if not leg.is_debt}
        while touched:
            id, is_debt = touched & 127, touched & DEBT
            touched >>= 8
            if is_debt and self._is_held(id):
                raise Refused("asset is held")
            read = self._read(id)
            if read.level == WIND_DOWN and not is_debt and id not in kept:
                continue  # all of what is settled may leave
            if read.level > level:
                level, why = read.level, read.trouble
        if level == NORMAL:
            why = self._outage() or self._initial(legs, 0)
        if why is None:
            return True
        if level >= HALT or not self._is_safer(legs_of(before), legs):
            raise Refused(why)
        return False

    @reentrant
    def check_listable(self, sender: str, id: int) -> bool:
        """A valid price, no hold, and no settlement."""
        if id > MAX_ASSETS:
            raise Refused()
        if self._read(id).price == 0:
            raise Refused("price is stale")
        if shield := self._shield(id):
            raise Refused(shield)
        return True

    @reentrant
    def shortfall(self, sender: str, position: Position, tag: int) -> int:
        """Units of a collateral that lift a position below maintenance to its target health."""
        legs = legs_of(position)
        if tag <= MAX_ASSETS and self._term(tag).is_new:
            return 0
        return liquidation.shortfall(legs, *self._known(leg.asset for leg in legs), tag)

    @reentrant
    def health_of(self, sender: str, position: Position) -> tuple[int, int, int, int, int]:
        """Health factor, values of collateral and debt, weighted ones."""
        legs = legs_of(position)
        state = margin.health(legs, *self._known(leg.asset for leg in legs))
        return (
            state.health_factor,
            state.collateral_value,
            state.debt_value,
            state.weighted_collateral,
            state.weighted_debt,
        )

    @reentrant
    def liquidation_terms(
        self,
        sender: str,
        position: Position,
        debt_tag: int,
        collateral_tag: int,
        max_repay: int,
        min_debt: int,
    ) -> PackedTerms:
        """What a liquidator may take who repays at most `max_repay`; seized by legs, as packed."""
        legs = legs_of(position)
        ids = [leg.asset for leg in legs]
        rules, prices = self._known(ids)
        terms = liquidation.terms(
            legs,
            rules,
            prices,
            debt_tag - DEBT if debt_tag >= DEBT else None,
            collateral_tag,
            max_repay,
            min_debt,
            patient=lambda: self._known(ids, PATIENCE)[1],
            now=self.chain.now,
            outage=self._outage(),
        )
        seize = [0, 0, 0, 0]
        for i, leg in enumerate(legs):
            if not leg.is_debt:
                seize[i >> 1] |= terms.seize.get(leg.asset, 0) << 104 * (i & 1)
        return PackedTerms(
            repay=terms.repay,
            fund_fee=terms.fund_fee,
            write_off=terms.write_off,
            seize=tuple(seize),
            health_factor=terms.health_factor,
            incentive=terms.incentive,
            under_water=terms.under_water,
        )

    # ------------------------------------------------------------ views

    @reentrant
    def quote(self, sender: str, asset: str) -> tuple[int, int, int, int, int, int, int, int]:
        """Price, low, high, average, volatility, updated_at, status, level."""
        read = self._read(self._id(asset))
        return (
            read.price,
            read.low,
            read.high,
            read.average,
            read.volatility,
            read.updated_at,
            read.status,
            read.level,
        )

    @reentrant
    def id_of(self, sender: str, asset: str) -> int:
        """0 when it is not listed."""
        return int(self.get("ids", asset))

    @reentrant
    def asset_of(self, sender: str, id: int) -> str:
        """The asset with this id."""
        if id > MAX_ASSETS:
            raise Refused()
        return str(self.get("assets", id, default=ZERO_ADDRESS))

    @reentrant
    def latch_of(self, sender: str, asset: str) -> tuple[int, int, int]:
        """Until when CAUTION and HALT are latched, and a person holds a level."""
        return self.latch.expiries(asset)

    @reentrant
    def words_of(self, sender: str, asset: str) -> tuple[int, int, int, int]:
        """Rules, terms, checkpoint, observation as stored."""
        id = self._id(asset)
        kept = average.packed(self._checkpoint(id))
        return rule_word(self._rule(id)), term_word(self._term(id)), *kept

    @reentrant
    def sequencer_feed(self, sender: str) -> str:
        """Where the state of a sequencer is read; zero: nowhere."""
        return self.sequencer

    @locked_view
    def breaker(self, sender: str) -> str:
        """Who writes checkpoints and latches."""
        return str(self.get("breaker"))

    @locked_view
    def configurator(self, sender: str) -> str:
        """Who lists and writes."""
        return str(self.get("configurator", default=ZERO_ADDRESS))

    # ------------------------------------------------------------ rules

    def _initial(self, legs: Sequence[Leg], touched: int) -> str | None:
        """Why new risk is refused; None when it is not.

        Debts first, then collateral until it suffices: of what is left the price is not looked at,
        unless it is the leg whose risk was raised, but whether it would shield the debt is.
        """
        required = debt = 0
        cap = margin.NO_CAP
        unseen = touched
        for id, amount, is_debt in legs:
            if not is_debt:
                continue
            read = self._read(id)
            if id | DEBT == unseen:
                if read.level != NORMAL:
                    return read.trouble
                unseen = 0
            if shield := self._shield(id):
                return shield
            if read.price == 0:
                return "price is stale"
            rules = rules_at(self._rule(id), NO_TERM, 0)
            value = margin.debt_value(amount, read.highest, rules.decimals)
            debt += value
            required += value * rules.debt_weight
            cap = min(cap, rules.max_leverage)

        enough = debt == 0
        collateral = exposure = 0
        for id, amount, is_debt in legs:
            if is_debt:
                continue
            if debt and (shield := self._shield(id)):
                return shield
            if enough and id != unseen:
                continue
            read = self._read(id)
            if id == unseen:
                if read.level != NORMAL:
                    return read.trouble
                unseen = 0
            if enough or read.level >= HALT:
                continue
            rules = rules_at(self._rule(id), NO_TERM, 0)
            value = margin.collateral_value(amount, read.lowest, rules.decimals)
            exposure += value
            collateral += value * margin.dynamic_borrow_ltv(rules, read.volatility)
            cap = min(cap, rules.max_leverage)
            enough = collateral >= required and margin.leverage_fits(exposure, debt, cap)
        if not enough:
            return "initial margin is not met" if collateral < required else "leverage is too high"
        if unseen:
            # a leg that was emptied by what raised the risk; of what is settled: the way out
            read = self._read(unseen & 127)
            if read.level not in (NORMAL, WIND_DOWN):
                return read.trouble
        return None

    def _outage(self) -> str | None:
        """What the sequencer refuses new risk with."""
        if self.sequencer == ZERO_ADDRESS:
            return None
        state = self.chain.call(self.address, self.sequencer, "state", ())
        return (None, liquidation.OUTAGE_GRACE, "sequencer is down")[state]

    def _is_safer(self, before: Sequence[Leg], after: Sequence[Leg]) -> bool:
        return margin.is_safer(before, after, *self._known(leg.asset for leg in (*before, *after)))

    def _shield(self, id: int) -> str | None:
        """Why nothing is lent beside an asset: one that is settled, held or in the grace after that
        would shield it."""
        if self._rule(id).is_settled:
            return "asset is settled"
        return "asset is held" if self._is_held(id) else None

    def _is_held(self, id: int) -> bool:
        """Or in the grace after a hold."""
        return self.chain.now < self._term(id).held_until + liquidation.GRACE_TIME

    def _check_breaker(self, sender: str) -> None:
        if sender != self.get("breaker"):
            raise Refused("caller is not the breaker")

    def _id(self, asset: str) -> int:
        id: int = self.get("ids", asset)
        if id == 0:
            raise Refused("asset is not listed")
        return id

    # ------------------------------------------------------------ what is kept

    def _rule(self, id: int) -> Rule:
        found: Rule = self.get("rules", id, default=NO_RULE)
        return found

    def _term(self, id: int) -> Term:
        found: Term = self.get("terms", id, default=NO_TERM)
        return found

    def _checkpoint(self, id: int) -> Checkpoint:
        found: Checkpoint = self.get("checkpoints", id, default=NO_CHECKPOINT)
        return found

    def _answer(self, rule: Rule) -> tuple[int, ...] | None:
        function = "quote" if rule.feed_decimals == IS_FEED else "latestRoundData"
        return ask(self.chain, self.address, rule.source, function)

    def _read(self, id: int) -> Reading:
        """Price and level of an asset as of now."""
        rule = self._rule(id)
        read = reading(rule, self._checkpoint(id), self._answer(rule), self.chain.now)
        if rule.is_latched:
            latched = self.latch.level(self.get("assets", id, default=ZERO_ADDRESS))
            if latched > read.level:
                return read._replace(level=latched)
        return read

    def _known(
        self, ids: Iterable[int], patience: int = 0
    ) -> tuple[dict[int, margin.Rules], dict[int, margin.Prices]]:
        """Rules and prices of some assets as of now."""
        now = self.chain.now
        rules, prices = {}, {}
        for id in ids:
            if id not in rules:
                rule, term = self._rule(id), self._term(id)
                rules[id] = rules_at(rule, term, term.liquidation_ltv(now))
                prices[id] = prices_of(
                    rule, self._checkpoint(id), self._read(id), now, patience, term.held_until
                )
        return rules, prices

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """See the specification, Prices; a checkpoint is two words."""
        if name == "rules":
            yield Word(name, keys, rule_word(self._rule(*keys)))
        elif name == "terms":
            yield Word(name, keys, term_word(self._term(*keys)))
        elif name == "checkpoints":
            checkpoint, observation = average.packed(self._checkpoint(*keys))
            yield Word(name, keys, checkpoint)
            yield Word("observations", keys, observation)
        elif name in ("assets", "owner", "breaker", "configurator"):
            yield Word(name, keys, int(self.get(name, *keys, default=ZERO_ADDRESS), 16))
        elif name in ("ids", "count"):
            yield Word(name, keys, self.get(name, *keys))
        elif name in ("_expiries", "_holds"):
            yield from self.latch.words(name, keys)
        else:
            yield from super().words(name, keys)
