"""Model of `LendingVault`. Specification: Interest, Vault shares, Losses and the insurance fund.

Assets are units of the token, shares have 6 decimals more. All is rounded against who calls:
`Price` says how, and under CHECK_ROUNDING no action but a loss may lower what a share is worth.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from breakwater.model import exact, interest
from breakwater.model.calls import FLASH_CALLBACK
from breakwater.model.chain import ZERO_ADDRESS, Chain, Refused, Word, reentrant, view
from breakwater.model.latch import CAUTION, HALT, NORMAL, Latch
from breakwater.model.owned import Owned
from breakwater.model.shares import down, keeps_value, up
from breakwater.model.signature import digest, domain, ecrecover, hashed
from breakwater.units import BPS, MAX_UINT256, RAY, WAD, YEAR

MAX_ASSETS = 2**112 - 1
"""At which totals are clipped."""
MAX_SHARES = 2**128 - 1
VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1
CLOSED_BELOW = 10**12
"""A vault is closed once this many shares are worth less than one unit."""
MAX_AMOUNT = 2**104 - 1
"""At which amounts of the configuration are clipped."""
MAX_MANTISSA = 2**41 - 1
MAX_DATA = 1_024
"""Bytes that a flash loan hands on."""
CLOCK = 2**32
"""Seconds after which the time that is stored begins again."""

PERMIT_TYPE = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"


class VaultConfig(NamedTuple):
    """What an owner sets, as in the ABI; see `ILendingVault`."""

    reserve_factor: int
    target_utilization: int
    steepness: int
    adjustment_speed: int
    initial_rate: int
    min_rate: int
    max_rate: int
    flash_fee: int
    min_adaptive_debt: int


class Amount(NamedTuple):
    """An amount kept to 12 digits: mantissa x 10^exponent, the exponent the least that fits."""

    mantissa: int = 0
    exponent: int = 0

    @classmethod
    def kept(cls, amount: int) -> Amount:
        """The digits that are kept of an amount, rounded down."""
        mantissa, exponent = min(amount, MAX_AMOUNT), 0
        while mantissa > MAX_MANTISSA:
            mantissa //= 10
            exponent += 1
        return cls(mantissa, exponent)

    @property
    def value(self) -> int:
        """The amount in units."""
        return int(self.mantissa * 10**self.exponent)

    @property
    def packed(self) -> int:
        """46 bits."""
        return self.mantissa | self.exponent << 41


class Rules(NamedTuple):
    """The configuration as it is kept, caps included, the flash fee aside."""

    reserve_factor: int
    target_utilization: int
    steepness: int
    adjustment_speed: int
    initial_rate: int
    min_rate: int
    max_rate: int
    min_adaptive_debt: Amount
    deposit_cap: Amount = Amount()
    debt_cap: Amount = Amount()

    @property
    def rate_bounds(self) -> tuple[int, int]:
        """Least and highest rate at target [WAD a second], rounded down."""
        return per_second(self.min_rate), per_second(self.max_rate)


class Books(NamedTuple):
    """What the vault has. `cash` includes what is out in a flash loan."""

    cash: int
    debt_shares: int
    flash_fee: int
    is_latched: bool = False
    """A level was set that had not expired then."""


class Rates(NamedTuple):
    """Debt index [RAY] and rates [WAD a second] as of `time`, modulo CLOCK."""

    debt_index: int
    borrow_rate: int
    at_target: int
    time: int


class Claims(NamedTuple):
    """Shares that exist, and the total [assets] above which gains owe a fee."""

    supply: int = 0
    base: int = 0


class Price(NamedTuple):
    """T_a and T_s of the specification: net assets and shares, the virtual ones included."""

    assets: int
    shares: int

    def shares_down(self, assets: int) -> int:
        """Shares for a deposit."""
        return down(assets * self.shares, self.assets)

    def shares_up(self, assets: int) -> int:
        """Shares for a withdrawal."""
        return up(assets * self.shares, self.assets)

    def assets_down(self, shares: int) -> int:
        """Assets for shares redeemed."""
        return down(shares * self.assets, self.shares)

    def assets_up(self, shares: int) -> int:
        """Assets for shares minted."""
        return up(shares * self.assets, self.shares)

    @property
    def is_closed(self) -> bool:
        """Whether a share is worth less than a millionth of its first price."""
        return self.assets * CLOSED_BELOW < self.shares


def per_second(rate: int) -> int:
    """A yearly rate [BPS] as WAD a second, rounded down."""
    return down(rate * WAD, BPS * YEAR)


def debt_of(books: Books, index: int) -> int:
    """All debt [assets], rounded down."""
    return interest.owed_by_all(books.debt_shares, index)


def total_of(books: Books, index: int) -> int:
    """cash + flash_out + debt."""
    return min(books.cash + debt_of(books, index), MAX_ASSETS)


def utilization_of(books: Books, index: int) -> int:
    """Debt over cash + debt [WAD], rounded down; 0 without either."""
    debt = debt_of(books, index)
    return down(debt * WAD, books.cash + debt) if debt else 0


def fee_of(total: int, base: int, reserve_factor: int) -> int:
    """The fund's part of the gain [assets], rounded down."""
    return down(max(total - base, 0) * reserve_factor, BPS)


def price_of(total: int, claims: Claims, reserve_factor: int) -> Price:
    """What shares claim: the total without the fee that is owed."""
    fee = fee_of(total, claims.base, reserve_factor)
    return Price(total - fee + VIRTUAL_ASSETS, claims.supply + VIRTUAL_SHARES)


def fee_shares_of(total: int, claims: Claims, reserve_factor: int) -> int:
    """Shares for the fee at the price without it, rounded down; as many as the supply takes."""
    fee = fee_of(total, claims.base, reserve_factor)
    shares = price_of(total, claims, reserve_factor).shares_down(fee)
    return min(shares, MAX_SHARES - claims.supply)


def rules_of(config: VaultConfig) -> Rules:
    """A configuration in its ranges, without caps. Refused at the first that is outside."""
    if config.reserve_factor > BPS // 2:
        raise Refused("reserve factor out of range")
    if not BPS // 10 <= config.target_utilization <= BPS * 99 // 100:
        raise Refused("target out of range")
    if not BPS <= config.steepness <= 10 * BPS:
        raise Refused("steepness out of range")
    if config.adjustment_speed > 100 * BPS:
        raise Refused("speed out of range")
    if config.min_rate == 0 or config.max_rate > 2 * BPS:
        raise Refused("rate bounds out of range")
    if not config.min_rate <= config.initial_rate <= config.max_rate:
        raise Refused("initial rate out of range")
    if config.flash_fee > BPS // 100:
        raise Refused("flash fee out of range")
    return Rules(*config[:7], min_adaptive_debt=Amount.kept(config.min_adaptive_debt))


class LendingVault(Owned):
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
        config: tuple[int, ...],
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
        wanted = VaultConfig(*config)
        rules = rules_of(wanted)
        books = Books(0, 0, wanted.flash_fee)
        self.put(rules, "_config")
        self.put(books, "_books")
        self.put(Claims(), "_claims")
        rates = Rates(RAY, 0, per_second(wanted.initial_rate), chain.now % CLOCK)
        self._fix_rate(books, rates, rules)
        self.put(breaker, "_breaker")
        self.emit("SetConfig", config=wanted)
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
        total = total_of(books, rates.debt_index)
        price = price_of(total, claims, rules.reserve_factor)
        if price.is_closed:
            raise Refused("vault is closed")
        if amount > MAX_SHARES:
            raise Refused("amount is too large")
        assets = price.assets_up(amount) if by_shares else amount
        if total + assets > rules.deposit_cap.value:
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
        self._check_level(CAUTION)
        if amount == 0:
            raise Refused("amount is zero")
        if receiver == ZERO_ADDRESS:
            raise Refused("receiver is zero")
        books, rates, rules, claims = self._now()
        total = total_of(books, rates.debt_index)
        price = price_of(total, claims, rules.reserve_factor)
        if by_shares:
            if amount > self._held(owner):
                raise Refused("balance too low")
            assets = price.assets_down(amount)
            if assets == 0:
                raise Refused("zero assets")
        else:
            assets = amount
        if assets > books.cash:
            raise Refused("not enough cash")
        shares = amount if by_shares else price.shares_up(assets)
        self._spend_allowance(sender, owner, shares)
        if assets > claims.base:
            # gains leave: the fund's part of them first; what the base still lacks owes no fee
            claims = self._settled(total, claims, rules.reserve_factor)
            claims = Claims(claims.supply, max(claims.base, assets))
        held = self._held(owner)
        if shares > held:
            raise Refused("balance too low")

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
        if assets > books.cash:
            raise Refused("not enough cash")
        shares = interest.shares_lent(assets, rates.debt_index)
        books = books._replace(cash=books.cash - assets, debt_shares=books.debt_shares + shares)
        if debt_of(books, rates.debt_index) > rules.debt_cap.value:
            raise Refused("debt cap is reached")
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
        books = books._replace(cash=cash, debt_shares=books.debt_shares - shares)
        self._close(books, rates, rules)
        self.emit("Collect", payer=payer, assets=taken, shares=shares, fund_fee=fund_fee)
        if taken + fund_fee:
            self._pull(payer, taken + fund_fee)
        return taken, shares

    def _reward_fund(
        self, assets: int, books: Books, rates: Rates, rules: Rules, claims: Claims
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
        price = price_of(total_of(books, rates.debt_index), claims, rules.reserve_factor)
        shares = min(price.shares_down(assets), MAX_SHARES - claims.supply)
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
        claims = self._settled(total, claims, rules.reserve_factor)
        price = price_of(total, claims, rules.reserve_factor)
        fund = self.fund(sender)
        held = self._held(fund)
        burnt, fund_loss = price.shares_up(loss), loss
        if burnt > held:
            burnt, fund_loss = held, price.assets_down(held)

        books = books._replace(debt_shares=books.debt_shares - shares)
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

    def transfer(self, sender: str, receiver: str, amount: int) -> bool:
        """True."""
        self._move(sender, sender, receiver, amount)
        return True

    def transferFrom(self, sender: str, owner: str, receiver: str, amount: int) -> bool:
        """True."""
        self._spend_allowance(sender, owner, amount)
        self._move(sender, owner, receiver, amount)
        return True

    def approve(self, sender: str, spender: str, amount: int) -> bool:
        """True."""
        self._approve(sender, spender, amount)
        return True

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
        self.put(held - amount, "_balances", owner)
        self._credit(sender, receiver, amount)
        self.emit("Transfer", sender=owner, receiver=receiver, value=amount)

    def _credit(self, sender: str, receiver: str, amount: int) -> None:
        if receiver == ZERO_ADDRESS:
            raise Refused("receiver is zero")
        if receiver == self.get("_closed_to_others") and sender != receiver:
            raise Refused("fund takes no transfers")
        self.put(self._held(receiver) + amount, "_balances", receiver)

    def _spend_allowance(self, sender: str, owner: str, amount: int) -> None:
        if sender == owner:
            return
        allowed = self.get("_allowances", owner, sender)
        if allowed == MAX_UINT256:
            return
        if amount > allowed:
            raise Refused("allowance too low")
        self.put(allowed - amount, "_allowances", owner, sender)

    def _approve(self, owner: str, spender: str, amount: int) -> None:
        self.put(amount, "_allowances", owner, spender)
        self.emit("Approval", owner=owner, spender=spender, value=amount)

    def _held(self, owner: str) -> int:
        return int(self.get("_balances", owner))

    # ------------------------------------------------------------ fee and administration

    @keeps_value
    def settle_fee(self, sender: str) -> int:
        """Shares minted to the fund."""
        books, rates, rules, claims = self._now()
        settled = self._settled(total_of(books, rates.debt_index), claims, rules.reserve_factor)
        self.put(settled, "_claims")
        self._fix_rate(books, rates, rules)
        return settled.supply - claims.supply

    def _settled(self, total: int, claims: Claims, reserve_factor: int) -> Claims:
        """Mint the fund's shares for the fee owed, for which the base rises by the gain of which it
        is the fee, rounded up. A fee that is worth no share stays owed.
        """
        fee = fee_of(total, claims.base, reserve_factor)
        if fee == 0:
            return claims
        shares = fee_shares_of(total, claims, reserve_factor)
        if shares == 0:
            return claims
        self._mint_to_fund(shares)
        self.emit("SettleFee", assets=fee, shares=shares)
        return Claims(claims.supply + shares, claims.base + up(fee * BPS, reserve_factor))

    def _mint_to_fund(self, shares: int) -> None:
        fund = self.get("_fund", default=ZERO_ADDRESS)
        self.put(self._held(fund) + shares, "_balances", fund)
        self.emit("Transfer", sender=ZERO_ADDRESS, receiver=fund, value=shares)

    def open(self, sender: str, fund: str, seed: int, deposit_cap: int, debt_cap: int) -> None:
        """Once: the fund, the caps, and the fund's first shares for the owner's seed."""
        self._check_owner(sender)
        if self.fund(sender) != ZERO_ADDRESS:
            raise Refused("vault is open already")
        if fund == ZERO_ADDRESS:
            raise Refused("fund is of another vault")
        if self.chain.call(self.address, fund, "asset", ()) != self.address:
            raise Refused("fund is of another vault")
        self.put(fund, "_fund")
        self._set_caps(deposit_cap, debt_cap)
        self.emit("Open", fund=fund, seed=seed)
        before = self._tokens()
        self._enter(sender, seed, fund, by_shares=False)
        self.put(fund, "_closed_to_others")
        if self._tokens() < before + seed:
            raise Refused("token takes a fee")

    def set_caps(self, sender: str, deposit_cap: int, debt_cap: int) -> None:
        """Both caps."""
        self._check_owner(sender)
        if self.fund(sender) == ZERO_ADDRESS:
            raise Refused("vault is not open")
        self._set_caps(deposit_cap, debt_cap)

    def _set_caps(self, deposit_cap: int, debt_cap: int) -> None:
        rules: Rules = self.get("_config")
        deposits, debts = Amount.kept(deposit_cap), Amount.kept(debt_cap)
        self.put(rules._replace(deposit_cap=deposits, debt_cap=debts), "_config")
        self.emit("SetCaps", deposit_cap=deposits.value, debt_cap=debts.value)

    @keeps_value
    def set_config(self, sender: str, config: tuple[int, ...]) -> None:
        """Everything but caps. The fee until now follows the old rules, and what is too little to
        settle is the lenders'.
        """
        self._check_owner(sender)
        books, rates, old, claims = self._now()
        total = total_of(books, rates.debt_index)
        claims = self._settled(total, claims, old.reserve_factor)
        self.put(Claims(claims.supply, total), "_claims")
        wanted = VaultConfig(*config)
        rules = rules_of(wanted)._replace(deposit_cap=old.deposit_cap, debt_cap=old.debt_cap)
        self.put(rules, "_config")
        least, highest = rules.rate_bounds
        rates = rates._replace(at_target=min(max(rates.at_target, least), highest))
        self._close(books._replace(flash_fee=wanted.flash_fee), rates, rules)
        self.emit("SetConfig", config=wanted)

    def set_breaker(self, sender: str, breaker: str) -> None:
        """Who may set the level."""
        self._check_owner(sender)
        self.put(breaker, "_breaker")
        self.emit("SetBreaker", breaker=breaker)

    @reentrant
    def set_level(self, sender: str, caution_until: int, halt_until: int, held_until: int) -> None:
        """Every halt counts as held."""
        if sender != self.get("_breaker"):
            raise Refused("caller is not the breaker")
        self._latch.set(self.address, caution_until, halt_until, max(halt_until, held_until))
        books: Books = self.get("_books")
        lasts = max(caution_until, halt_until) > self.chain.now
        self.put(books._replace(is_latched=lasts), "_books")
        self.emit("SetLevel", caution_until=caution_until, halt_until=halt_until)

    # ------------------------------------------------------------ accrual

    def _now(self) -> tuple[Books, Rates, Rules, Claims]:
        """The state with interest until now; the borrow rate is still the one that was fixed."""
        books: Books = self.get("_books")
        rules: Rules = self.get("_config")
        claims: Claims = self.get("_claims")
        return books, self._accrued(books, rules), rules, claims

    def _accrued(self, books: Books, rules: Rules) -> Rates:
        """Index grown, then rate at target drifted by the utilization at the grown index."""
        rates: Rates = self.get("_rates")
        elapsed = (self.chain.now - rates.time) % CLOCK
        if elapsed == 0:
            return rates
        index = interest.grown(rates.debt_index, rates.borrow_rate, elapsed)
        at_target = rates.at_target
        if debt_of(books, index) >= rules.min_adaptive_debt.value:
            at_target = interest.drifted(
                at_target,
                utilization_of(books, index),
                rules.target_utilization,
                rules.adjustment_speed,
                elapsed,
                *rules.rate_bounds,
            )
        return Rates(index, rates.borrow_rate, at_target, self.chain.now % CLOCK)

    def _close(self, books: Books, rates: Rates, rules: Rules) -> None:
        """Write the books an action leaves, and the borrow rate that follows from them."""
        self.put(books, "_books")
        self._fix_rate(books, rates, rules)

    def _fix_rate(self, books: Books, rates: Rates, rules: Rules) -> None:
        rate = interest.borrow_rate(
            rates.at_target,
            utilization_of(books, rates.debt_index),
            rules.target_utilization,
            rules.steepness,
        )
        self.put(Rates(rates.debt_index, rate, rates.at_target, rates.time), "_rates")

    def _price(self) -> Price:
        books, rates, rules, claims = self._now()
        return price_of(total_of(books, rates.debt_index), claims, rules.reserve_factor)

    def value_of_share(self) -> Fraction | None:
        """Assets for a share as of now, exactly; None where the total is clipped."""
        books, rates, rules, claims = self._now()
        total = total_of(books, rates.debt_index)
        if total == MAX_ASSETS:
            return None
        return Fraction(*price_of(total, claims, rules.reserve_factor))

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
        level = self._latch.level(self.address)
        if level > highest:
            raise Refused("vault is in caution" if level == CAUTION else "vault is halted")

    def _only_engine(self, sender: str) -> None:
        if sender != self._engine:
            raise Refused("caller is not the engine")

    # ------------------------------------------------------------ views, ERC-4626

    @reentrant
    def asset(self, sender: str) -> str:
        """The token that is lent."""
        return self._asset

    @reentrant
    def totalAssets(self, sender: str) -> int:
        """What the shares claim."""
        return self._price().assets - VIRTUAL_ASSETS

    @reentrant
    def convertToShares(self, sender: str, assets: int) -> int:
        """Rounded down, limits aside."""
        return self._price_for(assets, MAX_ASSETS).shares_down(assets)

    @reentrant
    def convertToAssets(self, sender: str, shares: int) -> int:
        """Rounded down, limits aside."""
        return self._price_for(shares, MAX_SHARES).assets_down(shares)

    @reentrant
    def previewDeposit(self, sender: str, assets: int) -> int:
        """Shares minted."""
        return self._price_for(assets, MAX_ASSETS).shares_down(assets)

    @reentrant
    def previewMint(self, sender: str, shares: int) -> int:
        """Assets taken."""
        return self._price_for(shares, MAX_SHARES).assets_up(shares)

    @reentrant
    def previewWithdraw(self, sender: str, assets: int) -> int:
        """Shares burnt."""
        return self._price_for(assets, MAX_ASSETS).shares_up(assets)

    @reentrant
    def previewRedeem(self, sender: str, shares: int) -> int:
        """Assets sent."""
        return self._price_for(shares, MAX_SHARES).assets_down(shares)

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
        """The owner's worth, as far as cash goes."""
        return min(self._available(), self._price().assets_down(self._held(owner)))

    @reentrant
    def maxRedeem(self, sender: str, owner: str) -> int:
        """The owner's shares, as far as cash goes: the most whose worth, rounded down, is not above
        it. 0 where they are worth nothing.
        """
        price = self._price()
        # floor(x * T_a / T_s) <= cash just where x * T_a < (cash + 1) * T_s
        payable = up((self._available() + 1) * price.shares, price.assets) - 1
        shares = min(self._held(owner), payable)
        return shares if price.assets_down(shares) else 0

    def _price_for(self, amount: int, most: int) -> Price:
        if amount > most:
            raise Refused("amount is too large")
        return self._price()

    def _room(self, receiver: str) -> tuple[int, int]:
        """Most assets deposited and most shares minted; none at HALT or during a flash loan."""
        if receiver == ZERO_ADDRESS or receiver == self.get("_closed_to_others"):
            return 0, 0
        if self._latch.level(self.address) == HALT or self._flash_out():
            return 0, 0
        books, rates, rules, claims = self._now()
        total = total_of(books, rates.debt_index)
        price = price_of(total, claims, rules.reserve_factor)
        room = rules.deposit_cap.value - total
        if room <= 0 or price.is_closed:
            return 0, 0
        left = MAX_SHARES - claims.supply
        shares = min(price.shares_down(room), left)
        if shares == 0:
            return 0, 0
        # floor(x * T_s / T_a) <= left just where x * T_s < (left + 1) * T_a
        return min(room, up((left + 1) * price.assets, price.shares) - 1), shares

    def _available(self) -> int:
        """Cash that may leave now."""
        if self._latch.level(self.address) == HALT or self._flash_out():
            return 0
        books: Books = self.get("_books")
        return books.cash

    def _flash_out(self) -> int:
        return int(self.chain.transient.get((self.address, "_flash_out"), 0))

    # ------------------------------------------------------------ views, ERC-3156 and ERC-20

    @reentrant
    def maxFlashLoan(self, sender: str, token: str) -> int:
        """All cash of the asset."""
        return self._available() if token == self._asset else 0

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
    def name(self, sender: str) -> str:
        """Of the share."""
        return self._name

    @reentrant
    def symbol(self, sender: str) -> str:
        """Of the share."""
        return self._symbol

    @reentrant
    def decimals(self, sender: str) -> int:
        """Of the share: 6 more than the asset's."""
        return int(self._decimals)

    @reentrant
    def totalSupply(self, sender: str) -> int:
        """Without the virtual shares."""
        claims: Claims = self.get("_claims")
        return claims.supply

    @reentrant
    def balanceOf(self, sender: str, owner: str) -> int:
        """Shares of one owner."""
        return self._held(owner)

    @reentrant
    def allowance(self, sender: str, owner: str, spender: str) -> int:
        """What `spender` may still move."""
        return int(self.get("_allowances", owner, spender))

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
        """0 NORMAL, 1 CAUTION, 2 HALT."""
        return self._latch.level(self.address)

    @reentrant
    def config(self, sender: str) -> VaultConfig:
        """As it is kept."""
        rules: Rules = self.get("_config")
        books: Books = self.get("_books")
        return VaultConfig(*rules[:7], books.flash_fee, rules.min_adaptive_debt.value)

    @reentrant
    def caps(self, sender: str) -> tuple[int, int]:
        """Deposit cap and debt cap."""
        rules: Rules = self.get("_config")
        return rules.deposit_cap.value, rules.debt_cap.value

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
        return fee_shares_of(total_of(books, rates.debt_index), claims, rules.reserve_factor)

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
        elif name == "_claims":
            yield Word(name, keys, value.supply | value.base << 128)
        elif name == "_config":
            yield Word(name, keys, _packed(value))
        elif name in ("_fund", "_breaker", "owner"):
            yield Word(name, keys, int(value, 16) if value else 0)
        elif name == "_closed_to_others":
            yield from self.words("_balances", (value,))
        elif name == "_balances":
            is_fund = keys[0] == self.get("_closed_to_others")
            yield Word(name, keys, value | is_fund << 255)
        else:
            yield Word(name, keys, value)


def _packed(rules: Rules) -> int:
    word = 0
    parts = (
        (rules.reserve_factor, 0),
        (rules.target_utilization, 13),
        (rules.steepness, 27),
        (rules.adjustment_speed, 44),
        (rules.initial_rate, 64),
        (rules.min_rate, 79),
        (rules.max_rate, 94),
        (rules.min_adaptive_debt.packed, 109),
        (rules.deposit_cap.packed, 155),
        (rules.debt_cap.packed, 201),
    )
    for value, at in parts:
        word |= value << at
    return word
