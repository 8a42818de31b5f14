"""Model of `InsuranceFund`. Specification, Losses and the insurance fund.

Its assets are shares of the vault, of which it holds what it earned and what stakers brought. Every
entry and exit settles the vault's fee first; every view is of the state after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from breakwater.model.chain import ZERO_ADDRESS, Chain, Refused, Word, reentrant
from breakwater.model.shares import ShareToken, down, keeps_value, up
from breakwater.units import DAY, MAX_UINT256

COOL_DOWN = 20 * DAY
"""From a request until its ticket is usable."""
USABLE_FOR = 2 * DAY
LEAST_RESERVE = 10**12
"""Vault shares that a fund holds before its first staker."""
CLOSED_BELOW = 10**6
"""A fund is closed once more than this many shares stand for one vault share."""
MAX_ASSETS = 2**128 - 1
"""The vault's supply fits."""
MAX_ASKED = 2**160
"""Fund shares that a view converts."""
VIRTUAL_ASSETS = 1


class Ticket(NamedTuple):
    """Shares that may leave from `usable_from` to just before `usable_until`."""

    shares: int = 0
    usable_from: int = 0
    usable_until: int = 0


class StakePrice(NamedTuple):
    """Vault shares and fund shares, the virtual asset and the reserve included."""

    assets: int
    shares: int

    def to_shares(self, assets: int, round: Any = down) -> int:
        """Fund shares of vault shares."""
        return _fits(round(assets * self.shares, self.assets))

    def to_assets(self, shares: int, round: Any = down) -> int:
        """Vault shares of fund shares."""
        return _fits(round(shares * self.assets, self.shares))


NO_TICKET = Ticket()


def _fits(number: int) -> int:
    if number > MAX_UINT256:
        raise Refused("math: mul_div overflow")
    return number


class InsuranceFund(ShareToken):
    """One for each lending vault."""

    NAME = "InsuranceFund"

    def __init__(self, chain: Chain, address: str, vault: str, name: str, symbol: str) -> None:
        super().__init__(chain, address)
        self._vault = vault
        self._name = name
        self._symbol = symbol
        self._decimals: int = chain.call(address, vault, "decimals", ())

    # ------------------------------------------------------------ stakers

    @keeps_value
    def deposit(self, sender: str, assets: int, receiver: str) -> int:
        """Shares minted."""
        self._settle_fee()
        if assets > MAX_ASSETS:
            raise Refused("amount is too large")
        price = self._price()
        shares = price.to_shares(assets)
        self._enter(sender, assets, shares, receiver, price)
        return shares

    @keeps_value
    def mint(self, sender: str, shares: int, receiver: str) -> int:
        """Assets taken."""
        self._settle_fee()
        price = self._price()
        if shares > MAX_ASSETS * CLOSED_BELOW:
            raise Refused("amount is too large")
        assets = price.to_assets(shares, up)
        self._enter(sender, assets, shares, receiver, price)
        return assets

    def request_exit(self, sender: str, shares: int) -> None:
        """A ticket in the place of the old one."""
        if shares == 0:
            raise Refused("zero shares")
        if shares > self._held(sender):
            raise Refused("balance too low")
        usable_from = self.chain.now + COOL_DOWN
        ticket = Ticket(shares, usable_from, usable_from + USABLE_FOR)
        self.put(ticket, "_tickets", sender)
        self.emit("RequestExit", owner=sender, **ticket._asdict())

    def cancel_exit(self, sender: str) -> None:
        """Give the ticket back, lapsed or not."""
        ticket = self._ticket(sender)
        if ticket.shares == 0:
            raise Refused("no ticket")
        self.put(NO_TICKET, "_tickets", sender)
        self.emit("CancelExit", owner=sender, shares=ticket.shares)

    @keeps_value
    def withdraw(self, sender: str, assets: int, receiver: str, owner: str) -> int:
        """Shares burnt."""
        self._settle_fee()
        if assets > MAX_ASSETS:
            raise Refused("amount is too large")
        shares = self._price().to_shares(assets, up)
        self._exit(sender, assets, shares, receiver, owner)
        return shares

    @keeps_value
    def redeem(self, sender: str, shares: int, receiver: str, owner: str) -> int:
        """Assets sent."""
        self._settle_fee()
        if shares > self.get("_supply"):
            raise Refused("balance too low")
        assets = self._price().to_assets(shares)
        self._exit(sender, assets, shares, receiver, owner)
        return assets

    def _enter(
        self, sender: str, assets: int, shares: int, receiver: str, price: StakePrice
    ) -> None:
        if assets == 0:
            raise Refused("zero assets")
        if shares == 0:
            raise Refused("zero shares")
        if receiver == ZERO_ADDRESS:
            raise Refused("receiver is zero")
        has_stakers = self.get("_reserve") != 0
        if not self._is_open(price):
            raise Refused("fund is closed" if has_stakers else "fund has no reserve")
        if not has_stakers:
            self.put(price.shares, "_reserve")
        self.put(self.get("_supply") + shares, "_supply")
        self.put(self._held(receiver) + shares, "_balances", receiver)
        self.emit("Transfer", sender=ZERO_ADDRESS, receiver=receiver, value=shares)
        self.emit("Deposit", sender=sender, owner=receiver, assets=assets, shares=shares)
        self._call("transferFrom", sender, self.address, assets)

    def _exit(self, sender: str, assets: int, shares: int, receiver: str, owner: str) -> None:
        if assets == 0:
            raise Refused("zero assets")
        ticket = self._ticket(owner)
        if ticket.shares == 0:
            raise Refused("exit needs a ticket")
        if self.chain.now < ticket.usable_from:
            raise Refused("ticket is not usable yet")
        if self.chain.now >= ticket.usable_until:
            raise Refused("ticket has lapsed")
        if shares > ticket.shares:
            raise Refused("more than the ticket")
        self._spend_allowance(sender, owner, shares)
        left = ticket._replace(shares=ticket.shares - shares)
        self.put(left if left.shares else NO_TICKET, "_tickets", owner)
        self.put(self._held(owner) - shares, "_balances", owner)
        self.put(self.get("_supply") - shares, "_supply")
        self.emit("Transfer", sender=owner, receiver=ZERO_ADDRESS, value=shares)
        self.emit(
            "Withdraw", sender=sender, receiver=receiver, owner=owner, assets=assets, shares=shares
        )
        self._call("transfer", receiver, assets)

    # ------------------------------------------------------------ shares

    def _move(self, sender: str, owner: str, receiver: str, amount: int) -> None:
        if receiver == ZERO_ADDRESS:
            raise Refused("receiver is zero")
        held = self._held(owner)
        if amount > held:
            raise Refused("balance too low")
        ticket = self._ticket(owner)
        if self.chain.now < ticket.usable_until and amount > held - ticket.shares:
            raise Refused("shares are in a ticket")
        self.put(held - amount, "_balances", owner)
        self.put(self._held(receiver) + amount, "_balances", receiver)
        self.emit("Transfer", sender=owner, receiver=receiver, value=amount)

    def _ticket(self, owner: str) -> Ticket:
        found: Ticket = self.get("_tickets", owner, default=NO_TICKET)
        return found

    # ------------------------------------------------------------ price

    def _call(self, function: str, *args: Any) -> Any:
        return self.chain.call(self.address, self._vault, function, args)

    def _settle_fee(self) -> None:
        self._call("settle_fee")

    def _holding(self) -> int:
        """Vault shares held once the fee is settled."""
        return int(self._call("balanceOf", self.address) + self._call("fee_shares"))

    def _price(self) -> StakePrice:
        """1 before anyone staked."""
        assets = self._holding() + VIRTUAL_ASSETS
        reserve = self.get("_reserve")
        return StakePrice(assets, self.get("_supply") + reserve if reserve else assets)

    def _is_open(self, price: StakePrice) -> bool:
        if self.get("_reserve") == 0 and price.assets <= LEAST_RESERVE:
            return False
        return price.assets * CLOSED_BELOW >= price.shares

    def value_of_share(self) -> Fraction:
        """Vault shares for a fund share as of now, exactly."""
        return Fraction(*self._price())

    # ------------------------------------------------------------ views, ERC-4626

    @reentrant
    def asset(self, sender: str) -> str:
        """The vault."""
        return self._vault

    @reentrant
    def totalAssets(self, sender: str) -> int:
        """Vault shares held, the fee owed included."""
        return self._holding()

    @reentrant
    def convertToShares(self, sender: str, assets: int) -> int:
        """Rounded down, limits aside."""
        return self._price_of_assets(assets).to_shares(assets)

    @reentrant
    def convertToAssets(self, sender: str, shares: int) -> int:
        """Rounded down, limits aside."""
        return self._price_of_shares(shares).to_assets(shares)

    @reentrant
    def previewDeposit(self, sender: str, assets: int) -> int:
        """Shares minted."""
        return self._price_of_assets(assets).to_shares(assets)

    @reentrant
    def previewMint(self, sender: str, shares: int) -> int:
        """Assets taken."""
        return self._price_of_shares(shares).to_assets(shares, up)

    @reentrant
    def previewWithdraw(self, sender: str, assets: int) -> int:
        """Shares burnt."""
        return self._price_of_assets(assets).to_shares(assets, up)

    @reentrant
    def previewRedeem(self, sender: str, shares: int) -> int:
        """Assets sent."""
        return self._price_of_shares(shares).to_assets(shares)

    @reentrant
    def maxDeposit(self, sender: str, receiver: str) -> int:
        """What the vault's supply leaves; 0 while the fund takes nothing."""
        price = self._price()
        if receiver == ZERO_ADDRESS or not self._is_open(price):
            return 0
        return self._room(price)

    @reentrant
    def maxMint(self, sender: str, receiver: str) -> int:
        """Shares that `maxDeposit` would mint."""
        price = self._price()
        if receiver == ZERO_ADDRESS or not self._is_open(price):
            return 0
        return price.to_shares(self._room(price))

    @reentrant
    def maxWithdraw(self, sender: str, owner: str) -> int:
        """Worth of the shares in a usable ticket."""
        return self._price().to_assets(self._redeemable(owner))

    @reentrant
    def maxRedeem(self, sender: str, owner: str) -> int:
        """Shares in a usable ticket, 0 where they are worth nothing."""
        shares = self._redeemable(owner)
        return shares if self._price().to_assets(shares) else 0

    def _room(self, price: StakePrice) -> int:
        return MAX_ASSETS + VIRTUAL_ASSETS - min(price.assets, MAX_ASSETS)

    def _redeemable(self, owner: str) -> int:
        ticket = self._ticket(owner)
        usable = ticket.usable_from <= self.chain.now < ticket.usable_until
        return ticket.shares if usable else 0

    def _price_of_assets(self, assets: int) -> StakePrice:
        if assets > MAX_ASSETS:
            raise Refused("amount is too large")
        return self._price()

    def _price_of_shares(self, shares: int) -> StakePrice:
        if shares > MAX_ASKED:
            raise Refused("amount is too large")
        return self._price()

    # ------------------------------------------------------------ views, others

    @reentrant
    def ticket_of(self, sender: str, owner: str) -> Ticket:
        """Lapsed or not; zeros without one."""
        return self._ticket(owner)

    @reentrant
    def reserve_shares(self, sender: str) -> int:
        """Nobody's shares; before the first deposit as it would set them."""
        return int(self.get("_reserve") or self._holding() + VIRTUAL_ASSETS)

    @reentrant
    def totalSupply(self, sender: str) -> int:
        """Stakers' shares; the reserve is not among them."""
        return int(self.get("_supply"))

    # ------------------------------------------------------------ storage

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """A ticket is three words."""
        if name == "_tickets":
            for i, value in enumerate(self._ticket(*keys)):
                yield Word(name, (*keys, i), value)
        else:
            yield Word(name, keys, self.get(name, *keys))
