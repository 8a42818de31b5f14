"""Model of `LendingVault`. Specification: Interest, Vault shares, Losses and the insurance fund.

What it does; `vault_books` has what it keeps and the formulae, `vault_views` its views. Under
CHECK_ROUNDING no action but a loss may lower what a share is worth.
"""

from __future__ import annotations

from fractions import Fraction

from breakwater.model import exact, interest
from breakwater.model.calls import FLASH_CALLBACK
from breakwater.model.chain import ZERO_ADDRESS, Chain, Refused, reentrant
from breakwater.model.latch import CAUTION, HALT, NORMAL, Latch
from breakwater.model.shares import down, keeps_value, up
from breakwater.model.signature import digest, ecrecover, hashed
from breakwater.model.vault_books import (
    CLOCK,
    MAX_ASKED,
    MAX_ASSETS,
    MAX_SHARES,
    Books,
    Claims,
    Losses,
    Paid,
    Rates,
    VaultRules,
    debt_of,
    fee_of,
    parts_of,
    per_second,
    total_of,
    utilization_of,
)
from breakwater.model.vault_limits import Window, number_at, value_of
from breakwater.model.vault_views import NO_LOSSES, NONE_PAID, WIND_DOWN, VaultViews
from breakwater.units import BPS, DAY, RAY

LOSS_CAUTION = DAY
"""Seconds at CAUTION after losses above 1 % of the total, and in which a loss fades."""
REASONS = {
    CAUTION: "vault is in caution",
    HALT: "vault is halted",
    WIND_DOWN: "vault is wound down",
}
MAX_DATA = 1_024
"""Bytes that a flash loan hands on."""

PERMIT_TYPE = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"


class LendingVault(VaultViews):
    """One for each borrowable asset."""

    NAME = "LendingVault"

    def __init__(
        self,
        chain: Chain,
        address: str,
        asset: str,
        engine: str,
        breaker: str,
        name: str,
        symbol: str,
        owner: str,
    ) -> None:
        super().__init__(chain, address, owner)
        self._asset = asset
        self._engine = engine
        self._name = name
        self._symbol = symbol
        self._latch = Latch(self)
        decimals = chain.call(address, asset, "decimals", ())
        if not 6 <= decimals <= 24:
            raise Refused("decimals out of range")
        self._decimals = decimals + 6
        self.put(Books(0, 0, 0), "_books")
        self.put(Claims(), "_claims")
        self.put(Rates(RAY, 0, 0, chain.now % CLOCK), "_rates")
        self.put(breaker, "_breaker")
        self.emit("SetBreaker", breaker=breaker)

    # ------------------------------------------------------------ lenders

    @keeps_value
    def deposit(self, sender: str, assets: int, receiver: str) -> int:
        """Shares minted."""
        return self._enter(sender, assets, receiver, by_shares=False)

    @keeps_value
    def mint(self, sender: str, shares: int, receiver: str) -> int:
        """Assets taken."""
        return self._enter(sender, shares, receiver, by_shares=True)

    @keeps_value
    def withdraw(self, sender: str, assets: int, receiver: str, owner: str) -> int:
        """Shares burnt."""
        return self._exit(sender, assets, receiver, owner, by_shares=False)

    @keeps_value
    def redeem(self, sender: str, shares: int, receiver: str, owner: str) -> int:
        """Assets sent."""
        return self._exit(sender, shares, receiver, owner, by_shares=True)

    def _enter(self, sender: str, amount: int, receiver: str, by_shares: bool) -> int:
        """Deposit assets or mint shares; the number of the other."""
        self._check_level(CAUTION)
        if amount == 0:
            raise Refused("amount is zero")
        books, rates, rules, claims = self._now()
        rules = self._in_window(books, rates, rules)
        total = total_of(books, rates.debt_index)
        price = self._price_of(total, claims, rules)
        if price.is_closed:
            raise Refused("vault is closed")
        if amount > MAX_ASKED:
            raise Refused("amount is too large")
        assets = price.assets_up(amount) if by_shares else amount
        if total + assets > value_of(rules.deposit_cap):
            is_open = self.get("_fund", default=ZERO_ADDRESS) != ZERO_ADDRESS
            raise Refused("deposit cap is reached" if is_open else "vault is not open")
        shares = amount if by_shares else price.shares_down(assets)
        if shares == 0:
            raise Refused("zero shares")
        if claims.supply + shares > MAX_SHARES:
            raise Refused("too many shares")

        self._credit(sender, receiver, shares)
        self.put(Claims(claims.supply + shares, claims.base + assets), "_claims")
        self._close(books._replace(cash=books.cash + assets), rates, rules)
        self.emit("Transfer", sender=ZERO_ADDRESS, receiver=receiver, value=shares)
        self.emit("Deposit", sender=sender, owner=receiver, assets=assets, shares=shares)
        self._pull(sender, assets)
        return assets if by_shares else shares

    def _exit(self, sender: str, amount: int, receiver: str, owner: str, by_shares: bool) -> int:
        """Withdraw assets or redeem shares; the number of the other."""
        level = self._level()
        if level == HALT:
            raise Refused("vault is halted")
        if amount == 0:
            raise Refused("amount is zero")
        if receiver == ZERO_ADDRESS:
            raise Refused("receiver is zero")
        books, rates, rules, claims = self._now()
        rules = self._in_window(books, rates, rules)
        total = total_of(books, rates.debt_index)
        price = self._price_of(total, claims, rules)
        if by_shares:
            if amount > self._held(owner):
                raise Refused("balance too low")
            assets = price.assets_down(amount)
            if assets == 0:
                raise Refused("zero assets")
        else:
            assets = amount
        window: Window = self.get("_window")
        self._check_outflow(assets, books.cash, self._outflow_left(window, books.cash))
        shares = amount if by_shares else price.shares_up(assets)
        self._spend_allowance(sender, owner, shares)
        if assets > claims.base or level == WIND_DOWN:
            # gains leave: the fund's part of them first; what the base still lacks owes no fee.
            # In wind-down the fund has its part of the cash
            claims = self._settled(total, claims, rules)
            claims = Claims(claims.supply, max(claims.base, assets))
        held = self._held(owner)
        if shares > held:
            raise Refused("balance too low")
        if level == WIND_DOWN:
            if assets > self._claim(owner, books, claims):
                raise Refused("part of the cash is taken")
            paid: Paid = self.get("_paid", default=NONE_PAID)
            self.put(self.get("_taken", owner) + assets, "_taken", owner)
            self.put(self.get("_redeemed_of", owner) + shares, "_redeemed_of", owner)
            self.put(Paid(paid.shares + shares, paid.assets + assets), "_paid")

        self.put(held - shares, "_balances", owner)
        self.put(Claims(claims.supply - shares, claims.base - assets), "_claims")
        self._close(books._replace(cash=books.cash - assets), rates, rules)
        self.emit("Transfer", sender=owner, receiver=ZERO_ADDRESS, value=shares)
        self.emit(
            "Withdraw", sender=sender, receiver=receiver, owner=owner, assets=assets, shares=shares
        )
        self._send(receiver, assets)
        return assets if by_shares else shares

    # ------------------------------------------------------------ engine

    @reentrant
    @keeps_value
    def accrue(self, sender: str) -> int:
        """The debt index."""
        books, rates, rules, _ = self._now()
        self._fix_rate(books, rates, rules)
        return rates.debt_index

    @keeps_value
    def lend(self, sender: str, assets: int, receiver: str) -> int:
        """Debt shares of the loan."""
        self._only_engine(sender)
        self._check_level(NORMAL)
        if assets == 0:
            raise Refused("amount is zero")
        books, rates, rules, _ = self._now()
        rules = self._in_window(books, rates, rules)
        window: Window = self.get("_window")
        self._check_outflow(assets, books.cash, self._outflow_left(window, books.cash))
        shares = interest.shares_lent(assets, rates.debt_index)
        books = books._replace(cash=books.cash - assets, debt_shares=books.debt_shares + shares)
        debt = debt_of(books, rates.debt_index)
        if debt > value_of(window.debt_cap):
            raise Refused("debt cap is reached")
        if debt > value_of(rules.most_debt):
            raise Refused("debt growth limit is reached")
        self._close(books, rates, rules)
        self.emit("Lend", receiver=receiver, assets=assets, shares=shares)
        self._send(receiver, assets)
        return shares

    @reentrant
    @keeps_value
    def collect(
        self, sender: str, assets: int, max_shares: int, payer: str, fund_fee: int
    ) -> tuple[int, int]:
        """Assets taken, the fee aside, and debt shares cancelled."""
        self._only_engine(sender)
        books, rates, rules, claims = self._now()
        shares = min(max_shares, books.debt_shares)
        taken = interest.owed(shares, rates.debt_index)
        if assets < taken:
            taken, shares = assets, interest.shares_cancelled(assets, rates.debt_index)
        cash = books.cash + taken + fund_fee
        if cash > MAX_ASSETS:
            raise Refused("cash is full")
        if fund_fee:
            self._reward_fund(fund_fee, books, rates, rules, claims)
        rules = self._in_window(books, rates, rules)
        books = books._replace(cash=cash, debt_shares=books.debt_shares - shares)
        self._close(books, rates, rules)
        self.emit("Collect", payer=payer, assets=taken, shares=shares, fund_fee=fund_fee)
        if taken + fund_fee:
            self._pull(payer, taken + fund_fee)
        return taken, shares

    def _reward_fund(
        self, assets: int, books: Books, rates: Rates, rules: VaultRules, claims: Claims
    ) -> None:
        """Owe the fund a payment that is about to raise the total: the base falls behind by the
        gain of which the payment is the fee. Where there is no fee, or base too little, mint its
        shares at the price from before.
        """
        base = claims.base + assets
        if rules.reserve_factor:
            gain = down(assets * BPS, rules.reserve_factor)
            if gain <= base:
                self.put(Claims(claims.supply, base - gain), "_claims")
                return
        paid: Paid = self.get("_paid", default=NONE_PAID)
        price = self._price_of(total_of(books, rates.debt_index), claims, rules)
        shares = min(price.shares_down(assets), MAX_SHARES - claims.supply - paid.shares)
        self.put(Claims(claims.supply + shares, min(base, MAX_ASSETS)), "_claims")
        self._mint_to_fund(shares)

    @reentrant
    def write_off(self, sender: str, shares: int) -> int:
        """The loss [assets]."""
        self._only_engine(sender)
        if shares == 0:
            return 0
        books, rates, rules, claims = self._now()
        if shares > books.debt_shares:
            raise Refused("more than is owed")
        loss = interest.owed(shares, rates.debt_index)
        total = total_of(books, rates.debt_index)
        claims = self._settled(total, claims, rules)
        price = self._price_of(total, claims, rules)
        fund = self.fund(sender)
        held = self._held(fund)
        burnt, fund_loss = price.shares_up(loss), loss
        if burnt > held:
            burnt, fund_loss = held, price.assets_down(held)

        reference = value_of(self._window(books, rates, rules).reference)
        books = books._replace(debt_shares=books.debt_shares - shares)
        if self._is_large(loss, min(total, reference)):
            books = books._replace(is_latched=True)
        self.put(held - burnt, "_balances", fund)
        self.put(Claims(claims.supply - burnt, total_of(books, rates.debt_index)), "_claims")
        self._close(books, rates, rules)
        if burnt:
            self.emit("Transfer", sender=fund, receiver=ZERO_ADDRESS, value=burnt)
        self.emit(
            "WriteOff",
            shares=shares,
            loss=loss,
            fund_loss=fund_loss,
            lender_loss=loss - fund_loss,
            fund_shares=burnt,
        )
        if exact.CHECK_ROUNDING and fund_loss == loss:
            after = self.value_of_share()
            if after is not None and total < MAX_ASSETS and after < Fraction(*price):
                raise exact.WrongSide(f"a loss of {loss}, the fund's alone, lowers {price}")
        return loss

    def _is_large(self, loss: int, total: int) -> bool:
        """Whether losses, each fading over a day, are now above 1 % of the total: CAUTION then, and
        none of them counts again. A deposit of the moment raises the total, not the reference.
        """
        losses: Losses = self.get("_losses", default=NO_LOSSES)
        fading = max(losses.at + LOSS_CAUTION - self.chain.now, 0)
        sum_of_all = down(losses.uncounted * fading, LOSS_CAUTION) + loss
        if sum_of_all * 100 <= total:
            self.put(Losses(losses.caution_until, self.chain.now, sum_of_all), "_losses")
            return False
        until = self.chain.now + LOSS_CAUTION
        self.put(Losses(until), "_losses")
        self.emit("LossCaution", until=until)
        return True

    # ------------------------------------------------------------ flash loans

    def flashLoan(self, sender: str, receiver: str, token: str, amount: int, data: bytes) -> bool:
        """True. Calls `onFlashLoan` of the receiver's model, which may call `collect`, `write_off`
        and `accrue`: what they write stays.
        """
        if len(data) > MAX_DATA:
            raise Refused()
        self._check_level(CAUTION)
        if token != self._asset:
            raise Refused("token is not lent")
        books: Books = self.get("_books")
        if amount == 0:
            raise Refused("amount is zero")
        if amount > books.cash:
            raise Refused("not enough cash")
        fee = up(amount * books.flash_fee, BPS)
        self.chain.transient[self.address, "_flash_out"] = amount
        self._send(receiver, amount)
        answer = self.chain.call(
            self.address, receiver, "onFlashLoan", (sender, token, amount, fee, data)
        )
        if answer != FLASH_CALLBACK:
            raise Refused("flash callback failed")
        self.chain.transient[self.address, "_flash_out"] = 0
        if fee:
            books, rates, rules, _ = self._now()
            if books.cash + fee > MAX_ASSETS:
                raise Refused("cash is full")
            self._close(books._replace(cash=books.cash + fee), rates, rules)
        self.emit("FlashLoan", receiver=receiver, initiator=sender, assets=amount, fee=fee)
        self._pull(receiver, amount + fee)
        return True

    # ------------------------------------------------------------ shares

    def permit(
        self,
        sender: str,
        owner: str,
        spender: str,
        amount: int,
        deadline: int,
        v: int,
        r: bytes,
        s: bytes,
    ) -> None:
        """EIP-2612. A high s is taken: the nonce makes a second form worthless."""
        if self.chain.now > deadline:
            raise Refused("permit has expired")
        nonce = self.get("_nonces", owner)
        message = hashed(PERMIT_TYPE, owner, spender, amount, nonce, deadline)
        signed = digest(self.DOMAIN_SEPARATOR(sender), message)
        signer = ecrecover(signed, v, int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        if owner == ZERO_ADDRESS or signer != owner:
            raise Refused("signature is not valid")
        self.put(nonce + 1, "_nonces", owner)
        self._approve(owner, spender, amount)

    def _move(self, sender: str, owner: str, receiver: str, amount: int) -> None:
        if receiver == ZERO_ADDRESS:
            raise Refused("receiver is zero")
        held = self._held(owner)
        if amount > held:
            raise Refused("balance too low")
        if self.get("_redeemed_of", owner):
            raise Refused("shares are redeemed in part")
        self.put(held - amount, "_balances", owner)
        self._credit(sender, receiver, amount)
        self.emit("Transfer", sender=owner, receiver=receiver, value=amount)

    def _credit(self, sender: str, receiver: str, amount: int) -> None:
        if receiver == ZERO_ADDRESS:
            raise Refused("receiver is zero")
        if receiver == self.get("_closed_to_others") and sender != receiver:
            raise Refused("fund takes no transfers")
        self.put(self._held(receiver) + amount, "_balances", receiver)

    # ------------------------------------------------------------ fee and administration

    @keeps_value
    def settle_fee(self, sender: str) -> int:
        """Shares minted to the fund."""
        books, rates, rules, claims = self._now()
        settled = self._settled(total_of(books, rates.debt_index), claims, rules)
        self.put(settled, "_claims")
        self._fix_rate(books, rates, rules)
        return settled.supply - claims.supply

    def _settled(self, total: int, claims: Claims, rules: VaultRules) -> Claims:
        """Mint the fund's shares for the fee owed, for which the base rises by the gain of which it
        is the fee, rounded up. A fee that is worth no share stays owed.
        """
        fee = fee_of(total, claims.base, rules.reserve_factor)
        if fee == 0:
            return claims
        shares = self._fee_shares_of(total, claims, rules)
        if shares == 0:
            return claims
        self._mint_to_fund(shares)
        self.emit("SettleFee", assets=fee, shares=shares)
        return Claims(claims.supply + shares, claims.base + up(fee * BPS, rules.reserve_factor))

    def _mint_to_fund(self, shares: int) -> None:
        fund = self.get("_fund", default=ZERO_ADDRESS)
        self.put(self._held(fund) + shares, "_balances", fund)
        self.emit("Transfer", sender=ZERO_ADDRESS, receiver=fund, value=shares)

    def open(self, sender: str, fund: str, seed: int, config: int, flash_fee: int) -> None:
        """Once: the fund, the configuration, and the fund's first shares for the owner's seed."""
        self._check_owner(sender)
        if self.fund(sender) != ZERO_ADDRESS:
            raise Refused("vault is open already")
        self.put(fund, "_fund")
        rate = per_second(parts_of(config)[4])
        self.put(Rates(RAY, 0, rate, self.chain.now % CLOCK), "_rates")
        self._write_config(config, flash_fee)
        self.emit("Open", fund=fund, seed=seed)
        self._enter(sender, seed, fund, by_shares=False)
        self.put(fund, "_closed_to_others")

    @keeps_value
    def write_config(self, sender: str, config: int, flash_fee: int) -> None:
        """Caps, rates, fees and limits."""
        self._check_open(sender)
        self._write_config(config, flash_fee)

    def _write_config(self, config: int, flash_fee: int) -> None:
        """The fee until now follows the old rules; limits follow the new ones from the same
        anchors.
        """
        books, rates, old, claims = self._now()
        self._settle_all(books, rates, old, claims)
        parts = parts_of(config)
        window = Window._make((*self._window(books, rates, old)[:4], *parts[9:]))
        self.put(window, "_window")
        kept = VaultRules._make((*parts[:9], 0, 0, 0, old.is_wound_down))
        rules = self._limited(kept, window)
        least, highest = rules.rate_bounds
        rates = rates._replace(at_target=min(max(rates.at_target, least), highest))
        self._close(books._replace(flash_fee=flash_fee), rates, rules)
        self.emit("WriteConfig", config=config, flash_fee=flash_fee)

    def _settle_all(self, books: Books, rates: Rates, rules: VaultRules, claims: Claims) -> None:
        """Gains until now pay their fee; what is too little to settle is the lenders'."""
        total = total_of(books, rates.debt_index)
        claims = self._settled(total, claims, rules)
        self.put(Claims(claims.supply, total), "_claims")

    @keeps_value
    def wind_down(self, sender: str) -> None:
        """For good: interest stops, the fee is settled once more."""
        self._check_open(sender)
        books, rates, rules, claims = self._now()
        if rules.is_wound_down:
            raise Refused("vault is wound down")
        self._settle_all(books, rates, rules, claims)
        rules = rules._replace(is_wound_down=True)
        self.put(rules, "_config")
        self._close(books._replace(is_latched=True), rates, rules)
        self.emit("WindDown")

    def _check_open(self, sender: str) -> None:
        self._check_owner(sender)
        if self.fund(sender) == ZERO_ADDRESS:
            raise Refused("vault is not open")

    def set_breaker(self, sender: str, breaker: str) -> None:
        """Who may set the level."""
        self._check_owner(sender)
        self.put(breaker, "_breaker")
        self.emit("SetBreaker", breaker=breaker)

    @reentrant
    def set_level(self, sender: str, caution_until: int, halt_until: int, held_until: int) -> None:
        """Every halt counts as held, but what nobody holds while the vault is short."""
        if sender != self.get("_breaker"):
            raise Refused("caller is not the breaker")
        short_until = min(self.get("_short_until"), halt_until)
        held = held_until
        if halt_until > max(held_until, short_until):
            if self._tokens() + self._flash_out() < self.get("_books").cash:
                short_until = halt_until
            else:
                held = halt_until
        self.put(short_until, "_short_until")
        self._latch.set(self.address, caution_until, halt_until, held)
        books: Books = self.get("_books")
        self.put(books._replace(is_latched=self._level() != NORMAL), "_books")
        self.emit("SetLevel", caution_until=caution_until, halt_until=halt_until)

    # ------------------------------------------------------------ limits

    def _in_window(self, books: Books, rates: Rates, rules: VaultRules) -> VaultRules:
        """The rules of the window of now; the first operation in it opens it."""
        if rules.number == number_at(self.chain.now):
            return rules
        window = self._window(books, rates, rules)
        self.put(window, "_window")
        return self._limited(rules, window)

    def _limited(self, rules: VaultRules, window: Window) -> VaultRules:
        """Write the rules with the limits that follow from the window."""
        rules = rules._replace(
            least_cash=window.least_cash(),
            most_debt=window.most_debt(),
            number=number_at(self.chain.now),
        )
        self.put(rules, "_config")
        return rules

    def _check_outflow(self, assets: int, cash: int, left: int) -> None:
        if assets > cash:
            raise Refused("not enough cash")
        if assets > left:
            raise Refused("outflow limit is reached")

    # ------------------------------------------------------------ what an action leaves

    def _close(self, books: Books, rates: Rates, rules: VaultRules) -> None:
        """Write the books an action leaves, and the borrow rate that follows from them."""
        self.put(books, "_books")
        self._fix_rate(books, rates, rules)

    def _fix_rate(self, books: Books, rates: Rates, rules: VaultRules) -> None:
        rate = 0
        if rules.steepness and not rules.is_wound_down:
            rate = interest.borrow_rate(
                rates.at_target,
                utilization_of(books, rates.debt_index),
                rules.target_utilization,
                rules.steepness,
            )
        self.put(Rates(rates.debt_index, rate, rates.at_target, rates.time), "_rates")

    # ------------------------------------------------------------ tokens and checks

    def _tokens(self) -> int:
        found = self.chain.call(self.address, self._asset, "balanceOf", (self.address,))
        return int(found)

    def _send(self, receiver: str, amount: int) -> None:
        """A token that answers nothing is believed, one that answers False is not."""
        moved = self.chain.call(self.address, self._asset, "transfer", (receiver, amount))
        if moved is False:
            raise Refused("token transfer failed")

    def _pull(self, payer: str, amount: int) -> None:
        moved = self.chain.call(
            self.address, self._asset, "transferFrom", (payer, self.address, amount)
        )
        if moved is False:
            raise Refused("token transfer failed")

    def _check_level(self, highest: int) -> None:
        level = self._level()
        if level > highest:
            raise Refused(REASONS[level])

    def _only_engine(self, sender: str) -> None:
        if sender != self._engine:
            raise Refused("caller is not the engine")
