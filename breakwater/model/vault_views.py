"""Views of `LendingVault`: its state as of now, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from breakwater.model import interest
from breakwater.model.chain import ZERO_ADDRESS, Refused, Word, reentrant, view
from breakwater.model.latch import CAUTION, HALT, Latch
from breakwater.model.owned import Owned
from breakwater.model.shares import ShareToken, down, up
from breakwater.model.signature import domain
from breakwater.model.vault_books import (
    CLOCK,
    CONFIG_AT,
    MAX_ASKED,
    MAX_ASSETS,
    MAX_SHARES,
    Books,
    Claims,
    Losses,
    Paid,
    Rates,
    SharePrice,
    VaultRules,
    debt_of,
    fee_of,
    fee_shares_of,
    price_of,
    total_of,
    utilization_of,
)
from breakwater.model.vault_limits import Window, end_of_window, number_at, value_of
from breakwater.units import BPS, RAY

WIND_DOWN = 3
"""Level of a vault that is wound down, below a halt."""
NO_RULES = VaultRules()
NO_WINDOW = Window()
NO_LOSSES = Losses()
NONE_PAID = Paid()


class VaultViews(Owned, ShareToken):
    """What a lending vault tells of itself."""

    _asset: str
    _engine: str
    _latch: Latch

    # ------------------------------------------------------------ as of now

    def _now(self) -> tuple[Books, Rates, VaultRules, Claims]:
        """The state with interest until now; the borrow rate is still the one that was fixed."""
        books: Books = self.get("_books")
        rules: VaultRules = self.get("_config", default=NO_RULES)
        claims: Claims = self.get("_claims")
        return books, self._accrued(books, rules), rules, claims

    def _accrued(self, books: Books, rules: VaultRules) -> Rates:
        """Index grown, then rate at target drifted by the utilization at the grown index."""
        rates: Rates = self.get("_rates")
        elapsed = (self.chain.now - rates.time) % CLOCK
        if elapsed == 0:
            return rates
        index = interest.grown(rates.debt_index, rates.borrow_rate, elapsed)
        at_target = rates.at_target
        if rules.steepness and debt_of(books, index) >= value_of(rules.min_adaptive_debt):
            at_target = interest.drifted(
                at_target,
                utilization_of(books, index),
                rules.target_utilization,
                rules.adjustment_speed,
                elapsed,
                *rules.rate_bounds,
            )
        return Rates(index, rates.borrow_rate, at_target, self.chain.now % CLOCK)

    def _window(self, books: Books, rates: Rates, rules: VaultRules) -> Window:
        """The window of now, which is open or would open from this state."""
        window: Window = self.get("_window", default=NO_WINDOW)
        passed = (number_at(self.chain.now) - rules.number) % 2**16
        if passed == 0:
            return window
        index = rates.debt_index
        return window.opened(passed, books.cash, debt_of(books, index), total_of(books, index))

    def _price_of(self, total: int, claims: Claims, rules: VaultRules) -> SharePrice:
        paid: Paid = self.get("_paid", default=NONE_PAID)
        return price_of(total, claims, rules.reserve_factor, paid)

    def _fee_shares_of(self, total: int, claims: Claims, rules: VaultRules) -> int:
        paid: Paid = self.get("_paid", default=NONE_PAID)
        return fee_shares_of(total, claims, rules.reserve_factor, paid)

    def _price(self) -> SharePrice:
        books, rates, rules, claims = self._now()
        return self._price_of(total_of(books, rates.debt_index), claims, rules)

    def value_of_share(self) -> Fraction | None:
        """Assets for a share as of now, exactly; None where the total is clipped."""
        books, rates, rules, claims = self._now()
        total = total_of(books, rates.debt_index)
        if total == MAX_ASSETS:
            return None
        return Fraction(*self._price_of(total, claims, rules))

    # ------------------------------------------------------------ views, ERC-4626

    @reentrant
    def asset(self, sender: str) -> str:
        """The token that is lent."""
        return self._asset

    @reentrant
    def totalAssets(self, sender: str) -> int:
        """What the shares claim."""
        books, rates, rules, claims = self._now()
        total = total_of(books, rates.debt_index)
        return total - fee_of(total, claims.base, rules.reserve_factor)

    @reentrant
    def convertToShares(self, sender: str, assets: int) -> int:
        """Rounded down, limits aside."""
        return self._price_for(assets, MAX_ASSETS).shares_down(assets)

    @reentrant
    def convertToAssets(self, sender: str, shares: int) -> int:
        """Rounded down, limits aside."""
        return self._price_for(shares, MAX_ASKED).assets_down(shares)

    @reentrant
    def previewDeposit(self, sender: str, assets: int) -> int:
        """Shares minted."""
        return self._price_for(assets, MAX_ASSETS).shares_down(assets)

    @reentrant
    def previewMint(self, sender: str, shares: int) -> int:
        """Assets taken."""
        return self._price_for(shares, MAX_ASKED).assets_up(shares)

    @reentrant
    def previewWithdraw(self, sender: str, assets: int) -> int:
        """Shares burnt."""
        return self._price_for(assets, MAX_ASSETS).shares_up(assets)

    @reentrant
    def previewRedeem(self, sender: str, shares: int) -> int:
        """Assets sent."""
        return self._price_for(shares, MAX_ASKED).assets_down(shares)

    @reentrant
    def maxDeposit(self, sender: str, receiver: str) -> int:
        """Most assets that a deposit may bring."""
        return self._room(receiver)[0]

    @reentrant
    def maxMint(self, sender: str, receiver: str) -> int:
        """Most shares that may be minted."""
        return self._room(receiver)[1]

    @reentrant
    def maxWithdraw(self, sender: str, owner: str) -> int:
        """The owner's worth, as far as cash and limits go; in wind-down his part of the cash."""
        assets, shares, price = self._leaving(owner)
        return min(assets, price.assets_down(shares))

    @reentrant
    def maxRedeem(self, sender: str, owner: str) -> int:
        """The most shares whose worth, rounded down, `maxWithdraw` allows. 0 where they are worth
        nothing.
        """
        assets, shares, price = self._leaving(owner)
        # floor(x * T_a / T_s) <= assets just where x * T_a < (assets + 1) * T_s
        shares = min(shares, up((assets + 1) * price.shares, price.assets) - 1)
        return shares if price.assets_down(shares) else 0

    @reentrant
    def limits(self, sender: str) -> tuple[int, int, int]:
        """Cash that may leave, debt that may be added, when the next window begins."""
        books, rates, rules, _ = self._now()
        window = self._window(books, rates, rules)
        # floor(x * index / RAY) <= most just where x * index < (most + 1) * RAY
        most = up((value_of(window.most_debt()) + 1) * RAY, rates.debt_index) - 1
        added = max(most - books.debt_shares, 0) * rates.debt_index // RAY
        outflow = self._outflow_left(window, books.cash)
        return outflow, added, end_of_window(self.chain.now)

    def _price_for(self, amount: int, most: int) -> SharePrice:
        if amount > most:
            raise Refused("amount is too large")
        return self._price()

    def _room(self, receiver: str) -> tuple[int, int]:
        """Most assets deposited and most shares minted; none at HALT or during a flash loan."""
        if receiver == ZERO_ADDRESS or receiver == self.get("_closed_to_others"):
            return 0, 0
        if self._level() > CAUTION or self._flash_out():
            return 0, 0
        books, rates, rules, claims = self._now()
        total = total_of(books, rates.debt_index)
        price = self._price_of(total, claims, rules)
        room = value_of(rules.deposit_cap) - total
        if room <= 0 or price.is_closed:
            return 0, 0
        left = MAX_SHARES - claims.supply
        shares = min(price.shares_down(room), left)
        if shares == 0:
            return 0, 0
        # floor(x * T_s / T_a) <= left just where x * T_s < (left + 1) * T_a
        return min(room, up((left + 1) * price.assets, price.shares) - 1), shares

    def _leaving(self, owner: str) -> tuple[int, int, SharePrice]:
        """Assets that may leave for an owner, his shares, and their price."""
        books, rates, rules, claims = self._now()
        total = total_of(books, rates.debt_index)
        price = self._price_of(total, claims, rules)
        level = self._level()
        if level == HALT or self._flash_out():
            return 0, 0, price
        assets = self._outflow_left(self._window(books, rates, rules), books.cash)
        if level == WIND_DOWN:
            # the fee is settled first
            minted = self._fee_shares_of(total, claims, rules)
            claims = Claims(claims.supply + minted, claims.base)
            assets = min(assets, self._claim(owner, books, claims))
        return assets, self._held(owner), price

    def _outflow_left(self, window: Window, cash: int) -> int:
        level = self._level()
        if level == WIND_DOWN:
            return cash
        least = window.least_cash(2 if level == CAUTION else 1)
        return max(cash - value_of(least), 0)

    def _claim(self, owner: str, books: Books, claims: Claims) -> int:
        """Assets an owner may take in wind-down: his part of all cash that there was since, less
        what he took.
        """
        paid: Paid = self.get("_paid", default=NONE_PAID)
        shares, every = (
            self._held(owner) + self.get("_redeemed_of", owner),
            claims.supply + paid.shares,
        )
        part = down(shares * (paid.assets + books.cash), every) if every else 0
        return int(max(part - self.get("_taken", owner), 0))

    def _level(self) -> int:
        """A halt, else wind-down, else the day after a loss, else what is latched."""
        latched = self._latch.level(self.address)
        if latched == HALT:
            return HALT
        rules: VaultRules = self.get("_config", default=NO_RULES)
        if rules.is_wound_down:
            return WIND_DOWN
        losses: Losses = self.get("_losses", default=NO_LOSSES)
        return CAUTION if self.chain.now < losses.caution_until else latched

    def _flash_out(self) -> int:
        return int(self.chain.transient.get((self.address, "_flash_out"), 0))

    # ------------------------------------------------------------ views, ERC-3156 and ERC-20

    @reentrant
    def maxFlashLoan(self, sender: str, token: str) -> int:
        """All cash of the asset."""
        if token != self._asset or self._level() > CAUTION or self._flash_out():
            return 0
        books: Books = self.get("_books")
        return books.cash

    @reentrant
    def flashFee(self, sender: str, token: str, amount: int) -> int:
        """Rounded up."""
        if token != self._asset:
            raise Refused("token is not lent")
        if amount > MAX_ASSETS:
            raise Refused("not enough cash")
        books: Books = self.get("_books")
        return up(amount * books.flash_fee, BPS)

    @reentrant
    def totalSupply(self, sender: str) -> int:
        """Without the virtual shares."""
        claims: Claims = self.get("_claims")
        return claims.supply

    @reentrant
    def nonces(self, sender: str, owner: str) -> int:
        """Permits of an owner so far."""
        return int(self.get("_nonces", owner))

    @reentrant
    def DOMAIN_SEPARATOR(self, sender: str) -> bytes:
        """Of this chain and vault."""
        return domain(self._name, "1", self.chain.chain_id, self.address)

    # ------------------------------------------------------------ views, lending

    @reentrant
    def debt_index(self, sender: str) -> int:
        """RAY, as of now."""
        rates: Rates = self.get("_rates")
        elapsed = (self.chain.now - rates.time) % CLOCK
        return interest.grown(rates.debt_index, rates.borrow_rate, elapsed)

    @view
    def is_unlocked(self, sender: str) -> bool:
        """True; refused while the lock is held."""
        return True

    @reentrant
    def level(self, sender: str) -> int:
        """0 NORMAL, 1 CAUTION, 2 HALT, 3 WIND-DOWN."""
        return self._level()

    @reentrant
    def config(self, sender: str) -> tuple[int, int]:
        """The word of the configuration, and the flash fee."""
        rules: VaultRules = self.get("_config", default=NO_RULES)
        window: Window = self.get("_window", default=NO_WINDOW)
        books: Books = self.get("_books")
        parts = (*rules[:9], *window[4:])
        return sum(value << at for value, at in zip(parts, CONFIG_AT, strict=True)), books.flash_fee

    @reentrant
    def engine(self, sender: str) -> str:
        """Who may lend, collect and write off."""
        return self._engine

    @reentrant
    def breaker(self, sender: str) -> str:
        """Who may set the level."""
        return str(self.get("_breaker"))

    @reentrant
    def fund(self, sender: str) -> str:
        """The insurance fund; the zero address before `open`."""
        return str(self.get("_fund", default=ZERO_ADDRESS))

    @reentrant
    def cash(self, sender: str) -> int:
        """What can be lent or withdrawn."""
        books: Books = self.get("_books")
        return books.cash - self._flash_out()

    @reentrant
    def flash_out(self, sender: str) -> int:
        """What is out in a flash loan."""
        return self._flash_out()

    @reentrant
    def debt_shares(self, sender: str) -> int:
        """Of all debt."""
        books: Books = self.get("_books")
        return books.debt_shares

    @reentrant
    def debt_assets(self, sender: str) -> int:
        """All debt, rounded down."""
        books, rates, _, _ = self._now()
        return debt_of(books, rates.debt_index)

    @reentrant
    def fee_owed(self, sender: str) -> int:
        """The fund's [assets], not yet shares."""
        books, rates, rules, claims = self._now()
        return fee_of(total_of(books, rates.debt_index), claims.base, rules.reserve_factor)

    @reentrant
    def fee_shares(self, sender: str) -> int:
        """What `settle_fee` would mint."""
        books, rates, rules, claims = self._now()
        return self._fee_shares_of(total_of(books, rates.debt_index), claims, rules)

    @reentrant
    def utilization(self, sender: str) -> int:
        """[WAD]"""
        books, rates, _, _ = self._now()
        return utilization_of(books, rates.debt_index)

    @reentrant
    def borrow_rate(self, sender: str) -> int:
        """As the last action fixed it."""
        rates: Rates = self.get("_rates")
        return rates.borrow_rate

    @reentrant
    def rate_at_target(self, sender: str) -> int:
        """Drifted until now."""
        _, rates, _, _ = self._now()
        return rates.at_target

    # ------------------------------------------------------------ storage

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """The layout in the header of the contract."""
        value = self.get(name, *keys)
        if name in ("_expiries", "_holds"):
            yield from self._latch.words(name, keys)
        elif name == "_books":
            word = value.cash | value.debt_shares << 112 | value.flash_fee << 224
            yield Word(name, keys, word | value.is_latched << 255)
        elif name == "_rates":
            word = value.debt_index | value.borrow_rate << 112 | value.at_target << 152
            yield Word(name, keys, word | value.time << 192)
        elif name == "_losses":
            losses: Losses = value or NO_LOSSES  # written in a call that was undone
            word = losses.caution_until | losses.at << 40 | losses.uncounted << 80
            yield Word(name, keys, word)
        elif name == "_claims":
            yield Word(name, keys, value.supply | value.base << 128)
        elif name == "_paid":
            yield Word(name, keys, value.shares | value.assets << 128)
        elif name in ("_config", "_window"):
            yield Word(name, keys, value.word)
        elif name in ("_fund", "_breaker", "owner"):
            yield Word(name, keys, int(value, 16) if value else 0)
        elif name == "_closed_to_others":
            yield from self.words("_balances", (value,))
        elif name == "_redeemed_of":
            yield from self.words("_balances", keys)
        elif name == "_balances":
            is_fund = keys[0] == self.get("_closed_to_others")
            redeemed = self.get("_redeemed_of", *keys)
            yield Word(name, keys, value | redeemed << 128 | is_fund << 255)
        else:
            yield Word(name, keys, value)
