"""Models of the token mocks. Amounts in token units; sums beyond 2**256 revert without a reason.

A token answers a transfer with True, False, or None where it returns no data.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntFlag
from typing import Any

from breakwater.model.calls import MAX_ANSWER, raw_call
from breakwater.model.chain import ZERO_ADDRESS, Chain, Contract, Refused, Word
from breakwater.units import BPS, MAX_UINT256, WAD


def checked(number: int) -> int:
    """A number that fits in 256 bits; refused without a reason otherwise."""
    if not 0 <= number <= MAX_UINT256:
        raise Refused()
    return number


def text_words(name: str, text: bytes) -> Iterator[Word]:
    """A string or bytes in storage: its length, then 32 bytes a word."""
    yield Word(name, (0,), len(text))
    for i in range(0, len(text), 32):
        yield Word(name, (1 + i // 32,), int.from_bytes(text[i : i + 32].ljust(32, b"\0"), "big"))


class TokenMock(Contract):
    """A plain ERC-20 that anyone may mint."""

    NAME = "TokenMock"
    LOCKS = False

    def __init__(self, chain: Chain, address: str, name: str, symbol: str, decimals: int) -> None:
        super().__init__(chain, address)
        self.put(name, "name")
        self.put(symbol, "symbol")
        self.put(decimals, "decimals")

    def transfer(self, sender: str, receiver: str, amount: int) -> bool | None:
        """From the caller."""
        self._move(sender, receiver, amount)
        return True

    def transferFrom(self, sender: str, owner: str, receiver: str, amount: int) -> bool | None:
        """By allowance, the owner's own calls included."""
        self._spend(sender, owner, amount)
        self._move(owner, receiver, amount)
        return True

    def approve(self, sender: str, spender: str, amount: int) -> bool | None:
        """2**256 - 1 is for good."""
        self.put(amount, "allowance", sender, spender)
        self.emit("Approval", owner=sender, spender=spender, value=amount)
        return True

    def mint(self, sender: str, receiver: str, amount: int) -> None:
        """For anyone."""
        self.put(checked(self.get("totalSupply") + amount), "totalSupply")
        self.put(self.get("balanceOf", receiver) + amount, "balanceOf", receiver)
        self.emit("Transfer", sender=ZERO_ADDRESS, receiver=receiver, value=amount)

    def burn(self, sender: str, owner: str, amount: int) -> None:
        """For anyone, of anyone's."""
        held = self.get("balanceOf", owner)
        if held < amount:
            raise Refused("balance too low")
        self.put(held - amount, "balanceOf", owner)
        self.put(self.get("totalSupply") - amount, "totalSupply")
        self.emit("Transfer", sender=owner, receiver=ZERO_ADDRESS, value=amount)

    def name(self, sender: str) -> str:
        """What the constructor was given."""
        return str(self.get("name"))

    def symbol(self, sender: str) -> str:
        """What the constructor was given."""
        return str(self.get("symbol"))

    def decimals(self, sender: str) -> int:
        """What the constructor was given."""
        return int(self.get("decimals"))

    def totalSupply(self, sender: str) -> int:
        """Sum of all balances."""
        return int(self.get("totalSupply"))

    def balanceOf(self, sender: str, owner: str) -> int:
        """Of one owner."""
        return int(self.get("balanceOf", owner))

    def allowance(self, sender: str, owner: str, spender: str) -> int:
        """What `spender` may still move."""
        return int(self.get("allowance", owner, spender))

    def _spend(self, spender: str, owner: str, amount: int) -> None:
        allowed = self.get("allowance", owner, spender)
        if allowed < amount:
            raise Refused("allowance too low")
        if allowed != MAX_UINT256:
            self.put(allowed - amount, "allowance", owner, spender)

    def _move(self, owner: str, receiver: str, amount: int) -> None:
        held = self.get("balanceOf", owner)
        if held < amount:
            raise Refused("balance too low")
        self.put(held - amount, "balanceOf", owner)
        self.put(self.get("balanceOf", receiver) + amount, "balanceOf", receiver)
        self.emit("Transfer", sender=owner, receiver=receiver, value=amount)

    def words(self, name: str, keys: tuple[Any, ...]) -> Iterator[Word]:
        """Plain words, as the ABI names them; texts and bytes with their length first."""
        value = self.get(name, *keys)
        if isinstance(value, str) and not value.startswith("0x"):
            value = value.encode()
        if isinstance(value, bytes):
            yield from text_words(name, value)
        else:
            yield Word(name, keys, int(value, 16) if isinstance(value, str) else int(value))


class Quirk(IntFlag):
    """What an odd token does besides, see contracts/mocks/OddTokenMock.vy."""

    NO_ZERO_APPROVAL = 1
    NO_CHANGED_APPROVAL = 2
    MOST_IS_ALL = 4
    OWN_IS_FREE = 8


class OddTokenMock(TokenMock):
    """A token with one or several oddities switched on."""

    NAME = "OddTokenMock"

    def __init__(self, chain: Chain, address: str, name: str, symbol: str, decimals: int) -> None:
        super().__init__(chain, address, name, symbol, decimals)
        self.put(1, "answer")

    def set_odds(self, sender: str, answer: int, fee: int, paused: bool, no_zero: bool) -> None:
        """`answer` 0 returns False and moves nothing, 1 True, 2 no data, 3 False where balance or
        allowance are too low; `fee` [BPS] comes here."""
        self.put(answer, "answer")
        self.put(fee, "fee")
        self.put(paused, "paused")
        self.put(no_zero, "no_zero")

    def set_blocked(self, sender: str, account: str, blocked: bool) -> None:
        """A blocked account neither sends nor receives."""
        self.put(blocked, "blocked", account)

    def set_quirks(self, sender: str, quirks: int) -> None:
        """Bits of `Quirk`."""
        self.put(quirks, "quirks")

    def set_decimals(self, sender: str, decimals: int) -> None:
        """What it says from now on; balances stay."""
        self.put(decimals & 255, "decimals")

    def approve(self, sender: str, spender: str, amount: int) -> bool | None:
        """Emits nothing."""
        quirks = self.get("quirks")
        if amount == 0 and quirks & Quirk.NO_ZERO_APPROVAL:
            raise Refused("approval of zero")
        changed = amount != 0 and self.get("allowance", sender, spender) != 0
        if changed and quirks & Quirk.NO_CHANGED_APPROVAL:
            raise Refused("approval is not zero")
        self.put(amount, "allowance", sender, spender)
        return None if self.get("answer") == 2 else True

    def transfer(self, sender: str, receiver: str, amount: int) -> bool | None:
        """From the caller."""
        wanted = self._wanted(sender, amount)
        if self.get("answer") == 3 and self.get("balanceOf", sender) < wanted:
            return False
        return self._move_oddly(sender, receiver, wanted)

    def transferFrom(self, sender: str, owner: str, receiver: str, amount: int) -> bool | None:
        """By allowance, which a transfer that answers False leaves alone."""
        wanted, answer = self._wanted(owner, amount), self.get("answer")
        is_free = owner == sender and self.get("quirks") & Quirk.OWN_IS_FREE
        if answer == 3:
            allowed = wanted if is_free else self.get("allowance", owner, sender)
            if min(allowed, self.get("balanceOf", owner)) < wanted:
                return False
        if answer != 0 and not is_free:
            self._spend(sender, owner, wanted)
        return self._move_oddly(owner, receiver, wanted)

    def _wanted(self, owner: str, amount: int) -> int:
        if amount == MAX_UINT256 and self.get("quirks") & Quirk.MOST_IS_ALL:
            return int(self.get("balanceOf", owner))
        return amount

    def _move_oddly(self, owner: str, receiver: str, amount: int) -> bool | None:
        if self.get("paused"):
            raise Refused("token is paused")
        if self.get("blocked", owner) or self.get("blocked", receiver):
            raise Refused("blocked")
        if amount == 0 and self.get("no_zero"):
            raise Refused("amount is zero")
        answer = self.get("answer")
        if answer == 0:
            return False
        fee = checked(amount * self.get("fee")) // BPS
        self._move(owner, receiver, checked(amount - fee))
        if fee:
            self._move(owner, self.address, fee)
        return None if answer == 2 else True

    def answer(self, sender: str) -> int:
        """How transfers answer."""
        return int(self.get("answer"))

    def fee(self, sender: str) -> int:
        """[BPS] of a transfer."""
        return int(self.get("fee"))

    def paused(self, sender: str) -> bool:
        """Whether every transfer is refused."""
        return bool(self.get("paused"))

    def no_zero(self, sender: str) -> bool:
        """Whether transfers of nothing are refused."""
        return bool(self.get("no_zero"))

    def blocked(self, sender: str, account: str) -> bool:
        """Whether transfers from and to the account are refused."""
        return bool(self.get("blocked", account))

    def quirks(self, sender: str) -> int:
        """Bits of `Quirk`."""
        return int(self.get("quirks"))


class TwinTokenMock(TokenMock):
    """A second address of another mock token: moves its balances, by allowances of its own."""

    NAME = "TwinTokenMock"

    def __init__(self, chain: Chain, address: str, main: str) -> None:
        Contract.__init__(self, chain, address)
        self.main = main

    def approve(self, sender: str, spender: str, amount: int) -> bool | None:
        """Emits nothing."""
        self.put(amount, "allowance", sender, spender)
        return True

    def decimals(self, sender: str) -> int:
        """Of the other."""
        return int(self.chain.call(self.address, self.main, "decimals", ()))

    def balanceOf(self, sender: str, owner: str) -> int:
        """At the other."""
        return int(self.chain.call(self.address, self.main, "balanceOf", (owner,)))

    def _spend(self, spender: str, owner: str, amount: int) -> None:
        allowed = self.get("allowance", owner, spender)
        if allowed < amount:
            raise Refused("allowance too low")
        self.put(allowed - amount, "allowance", owner, spender)

    def _move(self, owner: str, receiver: str, amount: int) -> None:
        self.chain.call(self.address, self.main, "burn", (owner, amount))
        self.chain.call(self.address, self.main, "mint", (receiver, amount))


class HookTokenMock(TokenMock):
    """An ERC-20 that calls out in every transfer, as ERC-777 does. The hook does not nest."""

    NAME = "HookTokenMock"

    def set_hook(self, sender: str, target: str, data: bytes, after: bool) -> None:
        """What is called, with which data, and whether balances have moved by then."""
        self.put(target, "target")
        self.put(bytes(data), "data")
        self.put(after, "after")
        self.put(0, "calls")

    def transfer(self, sender: str, receiver: str, amount: int) -> bool | None:
        """From the caller."""
        return self._move_and_call(sender, receiver, amount)

    def transferFrom(self, sender: str, owner: str, receiver: str, amount: int) -> bool | None:
        """By allowance, spent before the hook."""
        self._spend(sender, owner, amount)
        return self._move_and_call(owner, receiver, amount)

    def _move_and_call(self, owner: str, receiver: str, amount: int) -> bool:
        if not self.get("after"):
            self._hook()
        self._move(owner, receiver, amount)
        if self.get("after"):
            self._hook()
        return True

    def _hook(self) -> None:
        target = self.get("target", default=ZERO_ADDRESS)
        if target == ZERO_ADDRESS or self.get("hooked"):
            return
        self.put(True, "hooked")
        self.put(self.get("calls") + 1, "calls")
        data = self.get("data", default=b"")
        succeeded, answer = raw_call(self.chain, self.address, target, data)
        self.put(succeeded, "succeeded")
        self.put(answer[:MAX_ANSWER], "answer")
        self.put(False, "hooked")

    def target(self, sender: str) -> str:
        """Whom the hook calls; the zero address for nobody."""
        return str(self.get("target", default=ZERO_ADDRESS))

    def data(self, sender: str) -> bytes:
        """Call data of the hook."""
        return bytes(self.get("data", default=b""))

    def after(self, sender: str) -> bool:
        """Whether the hook comes after the balances moved."""
        return bool(self.get("after"))

    def calls(self, sender: str) -> int:
        """Made since the hook was set."""
        return int(self.get("calls"))

    def succeeded(self, sender: str) -> bool:
        """Whether the last call did."""
        return bool(self.get("succeeded"))

    def answer(self, sender: str) -> bytes:
        """What the last call returned, or why it reverted."""
        return bytes(self.get("answer", default=b""))


class StakedTokenMock(TokenMock):
    """A share of a token: worth its part of the token's balance here, or what `set_rate` says."""

    NAME = "StakedTokenMock"

    def __init__(self, chain: Chain, address: str, name: str, symbol: str, asset: str) -> None:
        super().__init__(chain, address, name, symbol, 18)
        self.put(asset, "asset")
        self.put(chain.call(address, asset, "decimals", ()), "places")

    def set_rate(self, sender: str, rate: int) -> None:
        """Assets per whole share; 0: by the balance."""
        self.put(rate, "rate")

    def deposit(self, sender: str, assets: int, receiver: str) -> int:
        """Shares, rounded down, at the worth from before."""
        whole = self._assets(WAD)
        scaled = checked(assets * WAD)
        if whole == 0:
            raise Refused()
        shares = scaled // whole
        self._must("transferFrom", sender, self.address, assets)
        self.put(checked(self.get("totalSupply") + shares), "totalSupply")
        self.put(self.get("balanceOf", receiver) + shares, "balanceOf", receiver)
        return shares

    def redeem(self, sender: str, shares: int, receiver: str, owner: str) -> int:
        """Assets, rounded down."""
        assets = self._assets(shares)
        if sender != owner:
            self._spend(sender, owner, shares)
        self.put(checked(self.get("balanceOf", owner) - shares), "balanceOf", owner)
        self.put(self.get("totalSupply") - shares, "totalSupply")
        self._must("transfer", receiver, assets)
        return assets

    def asset(self, sender: str) -> str:
        """The token that shares are of."""
        return str(self.get("asset"))

    def rate(self, sender: str) -> int:
        """Assets per whole share that are set."""
        return int(self.get("rate"))

    def totalAssets(self, sender: str) -> int:
        """The token's balance here."""
        return self._held()

    def convertToAssets(self, sender: str, shares: int) -> int:
        """Worth of shares, rounded down."""
        return self._assets(shares)

    def _assets(self, shares: int) -> int:
        rate = self.get("rate")
        if rate:
            return checked(shares * rate) // WAD
        supply = self.get("totalSupply")
        if supply == 0:
            return checked(shares * 10 ** self.get("places")) // WAD
        return checked(shares * self._held()) // int(supply)

    def _held(self) -> int:
        return int(self.chain.call(self.address, self.get("asset"), "balanceOf", (self.address,)))

    def _must(self, function: str, *args: Any) -> None:
        """A call whose answer is not looked at, but must be there."""
        if self.chain.call(self.address, self.get("asset"), function, args) is None:
            raise Refused()
