"""Model of the `Lens`: what accounts and vaults would do, from the views of the other models.

Values and prices in WAD, amounts in token units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from breakwater.model import average, margin
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused
from breakwater.model.engine import STAMPS, owed
from breakwater.model.exposure import MAX_TOTAL, Book
from breakwater.model.legs import DEBT, MAX_AMOUNT, MAX_LEGS, Account, Packed
from breakwater.model.operators import ALL_ACTIONS, BORROW, DEPOSIT, WITHDRAW
from breakwater.model.oracle import IS_FEED, rule_of, rules_at, term_of
from breakwater.model.vault import REASONS
from breakwater.model.vault_books import unpacked as unpacked_config
from breakwater.units import BPS, DAY, HOUR, MAX_UINT256, RAY, WAD, mul_div_up

MAX_ACCOUNTS = 400
PARTS = 40
"""Of the vault's cash, as a power of two: how exact `max_borrow` is at least."""
MOST_HALVINGS = 64


class Lens(Contract):
    """Reads only."""

    NAME = "Lens"
    LOCKS = False

    def __init__(self, chain: Chain, address: str, credit_engine: str) -> None:
        super().__init__(chain, address)
        self.engine = credit_engine
        self.risk: str = self._ask(credit_engine, "risk_engine")

    # ------------------------------------------------------------ accounts

    def account(self, sender: str, id: bytes) -> tuple[Any, ...]:
        """Health, margin, leverage, whether risk was raised in this block, and the legs."""
        words = self._ask(self.engine, "words_of", id)
        position = self._ask(self.engine, "position_of", id)
        health = self._ask(self.risk, "health_of", position)
        sums = self.margin_of(sender, position)
        stamp = 1 + self.chain.block % STAMPS
        at_risk = any(word >> 224 & STAMPS == stamp for word in words)
        legs = []
        for tag, amount in unpacked(position).legs:
            asset = self._ask(self.risk, "asset_of", tag % DEBT)
            quote = self._ask(self.risk, "quote", asset)
            price = self._liquidation_price(health, tag, amount, asset)
            legs.append((asset, tag >= DEBT, amount, quote[0], quote[3], price))
        return health, sums, leverage(health), at_risk, tuple(legs)

    def margin_of(self, sender: str, position: Packed) -> tuple[int, int, int, int, int]:
        """Collateral, required, exposure, debt, leverage cap."""
        legs, rules, prices = [], {}, {}
        for tag, amount in unpacked(position).legs:
            id = tag % DEBT
            asset = self._ask(self.risk, "asset_of", id)
            rule, term, *words = self._ask(self.risk, "words_of", asset)
            quote = self._ask(self.risk, "quote", asset)
            last = average.unpacked(*words)
            legs.append(margin.Leg(id, amount, tag >= DEBT))
            rules[id] = rules_at(rule_of(rule), term_of(term), 0)
            prices[id] = margin.Prices(
                price=quote[0], low=quote[1], high=quote[2], average=quote[3],
                volatility=quote[4], status=quote[6], level=quote[7], last_low=last.lowest,
            )  # fmt: skip
        sums = margin.margin(legs, rules, prices)
        return sums.collateral, sums.required, sums.exposure, sums.debt, sums.max_leverage

    def health_factors(self, sender: str, ids: Sequence[bytes]) -> tuple[int, ...]:
        """Of up to 400 accounts."""
        if len(ids) > MAX_ACCOUNTS:
            raise Refused()
        positions = [self._ask(self.engine, "position_of", id) for id in ids]
        return tuple(self._ask(self.risk, "health_of", one)[0] for one in positions)

    def liquidation_price(self, sender: str, id: bytes, asset: str) -> int:
        """Price of a collateral at which health is 1, all else equal; 0: there is none."""
        position = self._ask(self.engine, "position_of", id)
        tag = self._ask(self.risk, "id_of", asset)
        for found, amount in unpacked(position).legs:
            if found == tag:
                health = self._ask(self.risk, "health_of", position)
                return self._liquidation_price(health, tag, amount, asset)
        return 0

    def max_borrow(self, sender: str, id: bytes, asset: str) -> int:
        """Most that the account could borrow now, by bisection, rounded down."""
        debt_id, vault, least = self._ask(self.engine, "debt_of", asset)
        if debt_id == 0:
            return 0
        most = self._lendable(vault)
        holder = unpacked(self._ask(self.engine, "words_of", id))
        position = unpacked(self._ask(self.engine, "position_of", id))
        index = self._ask(vault, "debt_index")
        tag = DEBT | debt_id

        def after(amount: int) -> int:
            return _debt_after(holder, tag, amount, index)

        if most == 0 or self._why_not(position, tag, after(most)) == "":
            return most if after(most) >= least else 0
        passes = 0
        for i in range(MOST_HALVINGS):
            middle = (passes + most) // 2
            if middle == passes or (i >= PARTS and most - passes <= most >> PARTS):
                break
            if self._why_not(position, tag, after(middle)) == "":
                passes = middle
            else:
                most = middle
        return passes if after(passes) >= least else 0

    def max_deposit(self, sender: str, id: bytes, asset: str) -> int:
        """Most that the owner could add now."""
        book = self._book(asset)
        if book.id == 0:
            return 0
        holder = unpacked(self._ask(self.engine, "words_of", id))
        i = holder.find(book.id)
        if i is None and self._why_not_new(holder, book.id):
            return 0
        held = 0 if i is None else holder.legs[i][1]
        most = max(book.room, self._lacking(id, i, book.id))
        return min(most, MAX_AMOUNT - held, MAX_TOTAL - book.held)

    def why_blocked(self, sender: str, id: bytes, action: int, asset: str, amount: int) -> str:
        """Why the owner's BORROW, WITHDRAW or DEPOSIT would be refused; empty when it passes."""
        if action > ALL_ACTIONS:
            raise Refused()
        if action == DEPOSIT:
            return self._why_not_deposited(id, asset, amount)
        position = unpacked(self._ask(self.engine, "position_of", id))
        if action == BORROW:
            return self._why_no_loan(id, position, asset, amount)
        if action != WITHDRAW:
            raise Refused("action is not explained")
        tag = self._ask(self.risk, "id_of", asset)
        i = position.find(tag)
        if i is None:
            return "account has no such collateral"
        held = position.legs[i][1]
        taken = held if amount == MAX_UINT256 else amount
        if taken == 0:
            return "amount is zero"
        if taken > held:
            return "not enough collateral"
        if not position.has_debt:
            return ""
        return self._check(position.lowered(i, taken, 0), tag)

    def _why_not_deposited(self, id: bytes, asset: str, amount: int) -> str:
        book = self._book(asset)
        if book.id == 0:
            return "asset is no collateral"
        if book.ended:
            return "asset is settled"
        if amount == 0:
            return "amount is zero"
        if amount > MAX_AMOUNT:
            return "amount is too large"
        holder = unpacked(self._ask(self.engine, "words_of", id))
        i = holder.find(book.id)
        if amount > max(book.room, self._lacking(id, i, book.id)):
            if book.held + amount > book.cap:
                return "collateral cap is reached"
            return "exposure growth limit is reached"
        if book.held + amount > MAX_TOTAL:
            return "amount is too large"
        if i is None:
            return self._why_not_new(holder, book.id)
        return "amount is too large" if holder.legs[i][1] + amount > MAX_AMOUNT else ""

    def _why_not_new(self, holder: Account, tag: int) -> str:
        """Why the account cannot be given a collateral that it does not hold; or empty."""
        try:
            self._ask(self.risk, "check_listable", tag)
        except Refused as refused:
            return refused.reason or "reverted without a reason"
        return "account holds 8 assets" if len(holder.legs) == MAX_LEGS else ""

    def _lacking(self, id: bytes, i: int | None, tag: int) -> int:
        """What an account below maintenance may add above the limits."""
        stamp = 1 + self.chain.block % STAMPS
        words = self._ask(self.engine, "words_of", id)
        if i is None or any(word >> 224 & STAMPS == stamp for word in words):
            return 0
        return int(
            self._ask(self.risk, "shortfall", self._ask(self.engine, "position_of", id), tag)
        )

    def _why_no_loan(self, id: bytes, position: Account, asset: str, amount: int) -> str:
        debt_id, vault, least = self._ask(self.engine, "debt_of", asset)
        if debt_id == 0:
            return "asset is no debt asset"
        if amount == 0:
            return "amount is zero"
        level = self._ask(vault, "level")
        if level:
            return REASONS[level]
        if why := self._why_unlent(vault, amount):
            return why
        holder = unpacked(self._ask(self.engine, "words_of", id))
        index = self._ask(vault, "debt_index")
        debt = _debt_after(holder, DEBT | debt_id, amount, index)
        if debt < least:
            return "debt is below the minimum"
        return self._why_not(position, DEBT | debt_id, debt)

    def preview_liquidate(
        self, sender: str, id: bytes, debt_asset: str, collateral: str, max_repay: int
    ) -> tuple[Any, ...]:
        """What a liquidation would do now."""
        debt_id, _, least = self._ask(self.engine, "debt_of", debt_asset)
        if debt_id == 0:
            raise Refused("asset is no debt asset")
        position = self._ask(self.engine, "position_of", id)
        wanted = self._ask(self.risk, "id_of", collateral)
        repay, fee, write_off, seize, health, incentive, under_water = self._ask(
            self.risk,
            "liquidation_terms",
            position,
            DEBT | debt_id,
            wanted,
            max_repay,
            least,
        )
        may_pass = under_water or repay <= 2 * least
        seized, assets, amounts = 0, [], []
        for i, (tag, _) in enumerate(unpacked(position).legs):
            taken = seize[i >> 1] >> 104 * (i & 1) & MAX_AMOUNT
            if taken:
                seized = taken if tag == wanted else seized
                assets.append(self._ask(self.risk, "asset_of", tag))
                self._book(assets[-1]).after_seizure(self.chain.now, taken, may_pass)
                amounts.append(taken)
        found = repay, fee, write_off, seized, health, incentive
        return *found, tuple(assets), tuple(amounts)

    # ------------------------------------------------------------ assets and vaults

    def quote(self, sender: str, asset: str) -> Any:
        """As the risk engine quotes."""
        return self._ask(self.risk, "quote", asset)

    def config_of(self, sender: str, asset: str) -> tuple[Any, ...]:
        """Rules as they apply now, in the order of `IConfigurator.AssetConfig`."""
        rule_word, term_word, _, _ = self._ask(self.risk, "words_of", asset)
        rule, term = rule_of(rule_word), term_of(term_word)
        return (
            rule.source,
            rule.feed_decimals == IS_FEED,
            rule.max_age * 60,
            1 << rule.upper - rule.span,
            1 << rule.upper,
            rule.band,
            rule.borrow_ltv,
            rule.borrow_ltv - rule.drop * 50,
            term.liquidation_ltv(self.chain.now),
            BPS + rule.debt_weight * 100,
            rule.max_leverage * 5_000,
            rule.volatility_ref * 10,
            rule.volatility_slope * 1_000,
            term.tip,
            term.incentive_min,
            term.incentive_max,
            term.incentive_slope,
            term.target_health,
            term.target_slope,
            bool(term.closes_whole),
        )

    def collateral(self, sender: str, asset: str) -> tuple[Any, ...]:
        """What is held of a collateral, and what its limits leave; zeros when it is none."""
        book, now = self._book(asset), self.chain.now
        if book.id == 0:
            return (ZERO_ADDRESS, *[0] * 8)
        return (
            asset,
            book.held,
            book.cap,
            book.growth,
            book.room,
            (now // DAY + 1) * DAY if book.growth else 0,
            book.depth,
            book.depth_left(now) if book.depth else MAX_UINT256,
            (now // HOUR + 1) * HOUR if book.depth else 0,
        )

    def vault(self, sender: str, asset: str) -> tuple[Any, ...]:
        """The vault that lends `asset`; zeros when there is none."""
        debt_id, vault, _ = self._ask(self.engine, "debt_of", asset)
        if debt_id == 0:
            return (ZERO_ADDRESS, *[0] * 14)
        fund_shares = self._ask(vault, "balanceOf", self._ask(vault, "fund"))
        return (
            asset,
            self._ask(vault, "cash"),
            self._ask(vault, "debt_assets"),
            self._ask(vault, "totalAssets"),
            self._ask(vault, "totalSupply"),
            self._ask(vault, "convertToAssets", fund_shares),
            self._ask(vault, "utilization"),
            self._ask(vault, "borrow_rate"),
            self._ask(vault, "debt_index"),
            *unpacked_config(*self._ask(vault, "config"))[9:11],
            *self._ask(vault, "limits"),
            self._ask(vault, "level"),
        )

    # ------------------------------------------------------------ parts

    def _book(self, asset: str) -> Book:
        """Of a collateral, with the limit of today."""
        return Book.of(self._ask(self.engine, "book_word", asset)).opened(self.chain.now)

    def _ask(self, contract: str, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, contract, function, args)

    def _liquidation_price(self, health: Any, tag: int, amount: int, asset: str) -> int:
        """(sum of wD - sum of the others' LC) / (amount x L), rounded up. None for a debt."""
        _, _, _, weighted_collateral, weighted_debt = health
        rule, term, _, _ = self._ask(self.risk, "words_of", asset)
        ltv = term_of(term).liquidation_ltv(self.chain.now)
        if tag >= DEBT or weighted_debt == 0 or amount == 0 or ltv == 0:
            return 0
        alone = Account(((tag, amount),)).packed()
        own = self._ask(self.risk, "health_of", alone)[3]
        others = weighted_collateral - min(own, weighted_collateral)
        if others >= weighted_debt:
            return 0
        unit = 10 ** rule_of(rule).decimals
        return mul_div_up((weighted_debt - others) * BPS, unit, amount * ltv)

    def _lendable(self, vault: str) -> int:
        """The vault's cash, within its limits and its debt cap, at level NORMAL."""
        if self._ask(vault, "level"):
            return 0
        return int(min(self._ask(vault, "limits")[:2]))

    def _why_unlent(self, vault: str, amount: int) -> str:
        """Why the vault would not lend an amount at level NORMAL; empty where it would."""
        outflow_left, growth_left, _ = self._ask(vault, "limits")
        if amount > self._ask(vault, "cash"):
            return "not enough cash"
        if amount > outflow_left:
            return "outflow limit is reached"
        if amount <= growth_left:
            return ""
        index = self._ask(vault, "debt_index")
        shares = self._ask(vault, "debt_shares") + -(-amount * RAY // index)
        debt_cap = unpacked_config(*self._ask(vault, "config")).debt_cap
        over = shares * index // RAY > debt_cap
        return "debt cap is reached" if over else "debt growth limit is reached"

    def _why_not(self, position: Account, tag: int, debt: int) -> str:
        """Why the position with that debt fails its initial margin; or empty."""
        i = position.find(tag)
        if i is None:
            if len(position.legs) == MAX_LEGS:
                return "account holds 8 assets"
            i, position = len(position.legs), position._replace(legs=(*position.legs, (tag, 0)))
        if debt > MAX_AMOUNT:
            return "amount is too large"
        return self._check(_with_amount(position, i, debt), tag)

    def _check(self, position: Account, tag: int) -> str:
        try:
            self._ask(self.risk, "check_initial", position.packed(), tag)
        except Refused as refused:
            return refused.reason or "reverted without a reason"
        return ""


def leverage(health: Any) -> int:
    """Exposure over equity [WAD]; max_value without equity."""
    _, collateral, debt, _, _ = health
    if debt == 0:
        return WAD
    if collateral <= debt:
        return MAX_UINT256
    return int(collateral * WAD // (collateral - debt))


def unpacked(words: Packed) -> Account:
    """Legs of a position as it is handed about; stamps are left out."""
    legs = []
    for i in range(MAX_LEGS):
        word, side = words[i >> 1], i & 1
        tag = word >> 208 + 8 * side & 255
        if tag:
            legs.append((tag, word >> 104 * side & MAX_AMOUNT))
    return Account(tuple(legs))


def _with_amount(position: Account, i: int, amount: int) -> Account:
    legs = position.legs
    return position._replace(legs=(*legs[:i], (legs[i][0], amount), *legs[i + 1 :]))


def _debt_after(holder: Account, tag: int, amount: int, index: int) -> int:
    """What is owed after a loan of `amount`, rounded as the vault rounds."""
    shares = mul_div_up(amount, RAY, index)
    i = holder.find(tag)
    return owed(shares + (0 if i is None else holder.legs[i][1]), index)
