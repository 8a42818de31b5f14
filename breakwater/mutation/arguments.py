"""Arguments for calls of any function, drawn by type and name so that most calls do something.

A name says what is meant: an amount is of the size of what is held, a tag is one of the position's
legs, an asset one that the account has.
"""

from __future__ import annotations

import random
from typing import Any

from breakwater.abi import Function
from breakwater.mutation.tape import Runner
from breakwater.units import MAX_UINT256

_ACTIONS = {1: "deposit_collateral", 2: "withdraw_collateral", 4: "borrow", 8: "repay",
            16: "move_collateral", 32: "liquidate"}  # fmt: skip


class Arguments:
    """Draws arguments on a market as it stands.

    `hints` of one call: its target and sender, and what was drawn so far (account, asset, position,
    action).
    """

    def __init__(self, player: Runner, rng: random.Random) -> None:
        self.player = player
        self.world = player.world
        self.rng = rng
        self.engine: Any = self.world.contracts["engine"]
        self.people = [
            role for role in self.world.roles if role not in ("owner", "governor", "keeper")
        ]

    def _value(self, entry: dict[str, Any], hints: dict[str, Any], function: Function) -> Any:
        kind, name, rng = str(entry["type"]), str(entry["name"]), self.rng
        if kind.endswith("[]"):
            inner = {**entry, "type": kind[:-2], "name": name.rstrip("s")}
            count = rng.choice((0, 1, 1, 2, 2, 3, 4))
            return [self._value(inner, dict(hints), function) for _ in range(count)]
        if kind.endswith("]"):
            if kind == "uint256[4]":
                return self._position(hints)
            size = int(kind[kind.rindex("[") + 1 : -1])
            if name == "words" and hints["target"].startswith("source."):
                return self._round(hints["target"])
            inner = {**entry, "type": kind[: kind.rindex("[")]}
            return [self._value(inner, hints, function) for _ in range(size)]
        if kind == "tuple":
            return self._struct(entry, hints, function)
        if kind == "bool":
            return rng.random() < 0.3
        if kind == "address":
            return self._address(name, hints, function)
        if kind == "bytes32":
            return self._account(name, hints)
        if kind == "bytes":
            return b"" if rng.random() < 0.9 else b"data"
        if kind.startswith("bytes"):
            return bytes(int(kind[5:]))
        if kind.startswith("int"):
            return self._answer(hints["target"])
        return self._number(name, hints, function, int(kind[4:] or 256))

    def _struct(self, entry: dict[str, Any], hints: dict[str, Any], function: Function) -> Any:
        rng, world = self.rng, self.world
        parts = entry["components"]
        names = {part["name"] for part in parts}
        if "liquidation_ltv" in names:
            config = world.configs[rng.choice((*world.symbols, "LATE", "LATE", "LATE"))]
            values: list[Any] = list(config)
            if rng.random() < 0.4:
                at = rng.randrange(len(values))
                if isinstance(values[at], int):
                    values[at] = self._nudge(values[at])
            return tuple(values)
        if "reserve_factor" in names:
            values = list(world.vault_config(rng.choice(world.debts)))
            for _ in range(rng.choice((0, 1, 1, 2))):
                at = rng.randrange(len(values))
                values[at] = self._nudge(values[at])
            return tuple(values)
        if "action" in names:
            # most legs of a batch act on the accounts of one person
            hints.pop("account", None)
            made: list[Any] = []
            for part in parts:
                if part["name"] == "action":
                    action = rng.choice((1, 1, 1, 2, 4, 4, 4, 8, 8, 16, 32))
                    made.append(action)
                    hints["action"] = action
                elif part["name"] == "account" and rng.random() < 0.9:
                    mine = [one for one in world.accounts if one.split("#")[0] == hints["sender"]]
                    if mine:
                        hints["account"] = rng.choice(mine)
                        made.append(world.account(hints["account"]))
                    else:
                        made.append(self._value(part, hints, function))
                else:
                    made.append(self._value(part, hints, function))
            return tuple(made)
        return tuple(self._value(part, hints, function) for part in parts)

    def _nudge(self, value: int) -> int:
        rng = self.rng
        if isinstance(value, bool):
            return not value
        return max(0, rng.choice((value + 1, value - 1, value * 2, value // 2, value + 50,
                                  value - 50, 0, value * 11 // 10, 10_000)))  # fmt: skip

    def _position(self, hints: dict[str, Any]) -> list[int]:
        """An account's words, some changed a little; or legs that nobody has."""
        words = list(hints.get("position", ()))
        if not words or self.rng.random() < 0.2:  # the second of two is mostly like the first
            account = self.world.account(self.rng.choice(self.world.accounts))
            words = list(self.engine.position_of(account))
            if self.rng.random() < 0.6:
                words = self._invented()
        if self.rng.random() < 0.4:
            at = self.rng.randrange(4)
            words[at] ^= 1 << self.rng.randrange(100)
        hints["position"] = words
        return words

    def _invented(self) -> list[int]:
        """Some legs, whose debts are worth about what the collateral may carry."""
        rng, world = self.rng, self.world
        symbols = list(world.symbols)
        held = rng.sample(symbols, rng.randint(1, min(5, len(symbols))))
        owed = rng.sample(world.debts, rng.randint(0, min(3, len(world.debts))))
        worth = {symbol: 10 ** rng.uniform(-4, 6) for symbol in held}
        total = sum(worth.values()) * rng.uniform(0.3, 1.3)
        parts = [rng.random() + 0.01 for _ in owed]
        legs = [(symbol, value, 0) for symbol, value in worth.items()]
        for symbol, part in zip(owed, parts, strict=True):
            legs.append((symbol, total * part / sum(parts), 128))
        rng.shuffle(legs)
        words = [0, 0, 0, 0]
        for i, (symbol, value, side) in enumerate(legs):
            listing = world.listings[symbol]
            amount = max(1, int(value * listing.unit / listing.dollars))
            tag = side | symbols.index(symbol) + 1
            words[i // 2] |= (amount | tag << (208 - 104 * (i % 2) + 8 * (i % 2))) << 104 * (i % 2)
        return words

    def _tags(self, hints: dict[str, Any]) -> list[tuple[int, int]]:
        """Tag and amount of each leg of the position that was drawn."""
        found = []
        for i in range(8):
            word = hints.get("position", (0, 0, 0, 0))[i // 2]
            tag = word >> (208 + 8 * (i % 2)) & 255
            if tag:
                found.append((tag, word >> (104 * (i % 2)) & 2**104 - 1))
        return found

    def _account(self, name: str, hints: dict[str, Any]) -> bytes:
        rng, world = self.rng, self.world
        if name in ("credit", "other") and rng.random() < 0.7:
            return bytes(32) if rng.random() < 0.5 else self._account_of(hints["sender"])
        found = rng.choice(world.accounts)
        hints["account"] = found
        if hints["sender"] in self.people and name in ("account", "source") and rng.random() < 0.8:
            owner = found.split("#")[0]
            hints["sender"] = owner
        if name == "target" and rng.random() < 0.8:
            return self._account_of(hints["sender"])
        return world.account(found)

    def _account_of(self, who: str) -> bytes:
        mine = [name for name in self.world.accounts if name.split("#")[0] == who]
        return self.world.account(self.rng.choice(mine or self.world.accounts))

    def _address(self, name: str, hints: dict[str, Any], function: Function) -> str:
        rng, world = self.rng, self.world
        roll = rng.random()
        if name in ("asset", "token", "debt_asset", "collateral"):
            symbol = rng.choice(world.debts if name == "debt_asset" else world.symbols)
            if "account" in hints and rng.random() < 0.85:
                symbol = self._fitting(name, hints, function) or symbol
            if roll < 0.04:
                symbol = "LATE"
            own = hints["target"].split(".")[1:]
            if name == "token" and own and roll < 0.9:
                symbol = own[0]
            if function.name == "list_asset" and roll < 0.8:
                symbol = "LATE"
            hints["asset"] = symbol
            return world.address(f"token.{symbol}")
        if name == "vault":
            return world.address(f"vault.{rng.choice(world.debts)}")
        if name == "owner" and roll < 0.8:
            return world.address(hints["sender"])
        if name in ("receiver", "owner") and function.name == "flashLoan" and roll < 0.8:
            return world.address("attacker")
        if roll < 0.03:
            return "0x" + "00" * 20
        if roll < 0.12:
            return world.address(rng.choice(list(world.contracts)))
        return world.address(rng.choice(self.people))

    def _fitting(self, name: str, hints: dict[str, Any], function: Function) -> str | None:
        """An asset that this account has a leg in, or may have one in."""
        action = _ACTIONS.get(hints.get("action", 0), function.name)
        legs = self._legs(self.world.account(hints["account"]))
        if action in ("borrow", "max_borrow"):
            return self.rng.choice(self.world.debts)
        if action == "deposit_collateral" or not legs:
            return None
        is_debt = action == "repay" or name == "debt_asset"
        if action == "liquidate" and name == "asset":
            is_debt = True
        found = [leg[0] for leg in legs if leg[2] == is_debt]
        return self.rng.choice(found) if found else None

    def _answer(self, target: str) -> int:
        rng = self.rng
        contract: Any = self.world.contracts.get(target)
        now = int(contract.answer()) if hasattr(contract, "answer") else 10**8
        listing = self.world.listings.get(target.split(".")[1]) if "." in target else None
        usual = listing.dollars * 10**8 if listing else 10**8
        return rng.choice((
            now, usual, usual, now * rng.randrange(90, 111) // 100,
            now * rng.randrange(99, 102) // 100, now * rng.randrange(50, 200) // 100,
            usual * rng.randrange(40, 160) // 100, rng.choice((0, -1, 1)),
        ))  # fmt: skip

    def _round(self, target: str) -> list[int]:
        now = self.player.host.now
        listing = self.world.listings[target.split(".")[1]]
        price = listing.dollars * 10**8 * self.rng.randrange(50, 150) // 100
        words = [1, price, now, now, 1]
        if self.rng.random() < 0.2:
            words[self.rng.randrange(5)] = self.rng.choice((0, 1, now + 1, now - 86_401, 2**255))
        return words

    def _number(self, name: str, hints: dict[str, Any], function: Function, bits: int) -> int:
        rng, world, now = self.rng, self.world, self.player.host.now
        if name in ("caution_until", "halt_until", "held_until", "expiry", "deadline"):
            return max(0, now + rng.choice((-1, 0, 1, 60, 3_600, 86_400, 604_800, 604_801))) * (
                rng.random() < 0.8
            )
        if name in ("level", "reason", "mode", "action", "actions"):
            return rng.choice((0, 1, 1, 2, 2, 3, 4, 8, 16, 32, 63))
        if name == "duration":
            return rng.choice((0, 60, 3_600, 86_400, 259_200, 604_800, 604_801))
        legs = self._tags(hints)
        if legs and name in ("debt_tag", "tag", "collateral_tag", "touched") and rng.random() < 0.8:
            tags = [tag for tag, _ in legs]
            if name == "touched":
                picked = rng.sample(tags, rng.randint(0, len(tags)))
                return sum(tag << 8 * i for i, tag in enumerate(picked))
            wanted = [tag for tag in tags if (tag >= 128) == (name == "debt_tag")]
            return rng.choice(wanted or tags)
        if legs and name in ("max_repay", "min_debt") and rng.random() < 0.8:
            owed = [amount for tag, amount in legs if tag >= 128] or [0]
            most = int(rng.choice(owed) * rng.choice((0, 0.01, 0.1, 0.3, 0.5, 0.9, 1)))
            return rng.choice((MAX_UINT256, most, most)) if name == "max_repay" else most
        if name in ("id", "debt_tag", "tag", "collateral_tag"):
            return rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 127, 128, 129, 130, 131, 132, 200))
        if name == "touched":
            return rng.choice((0, 1, 2, 6, 62, 255, MAX_UINT256, rng.getrandbits(200)))
        if name in ("borrow_ltv", "target"):
            return rng.choice((0, 4_000, 5_500, 7_000, 7_450, 7_500, 7_700, 8_000, 9_000, 10_000,
                               rng.randrange(10_000)))  # fmt: skip
        if name == "rate":
            return 10**18 * rng.randrange(95, 115) // 100
        if name in ("answer", "fee") and function.name == "set_odds":
            return rng.choice((0, 1, 2, 3, 100, 300))
        if name == "updated_at":
            return max(0, now + rng.choice((-90_000, -3_600, 0, 0, 1)))
        if bits <= 8:
            return rng.choice((0, 1, 6, 8, 18, 27, 28))
        symbol = hints.get("asset")
        if symbol is None:
            parts = hints["target"].split(".")
            symbol = parts[1] if len(parts) > 1 else rng.choice(world.symbols)
        listing = world.listings[symbol]
        if name == "price":
            return listing.dollars * 10**16 * rng.choice((100, 100, 99, 101, 95, 105, 200))
        return min(self._amount(name, listing, hints), 2**bits - 1)

    def _amount(self, name: str, listing: Any, hints: dict[str, Any]) -> int:
        rng = self.rng
        roll = rng.random()
        if roll < 0.06:
            return rng.choice((0, 1, 2, 3, 1_000))
        if roll < 0.13:
            return MAX_UINT256
        scale = 10**6 if "share" in name else 1
        if hints["target"].startswith("fund."):
            scale = 10**12 if "share" in name else 10**6
        if roll < 0.45:
            held = self._held(hints)
            if held:
                amount = rng.choice(held)
                return rng.choice((amount, amount, amount - 1, amount + 1, amount // 2,
                                   amount * rng.randrange(100) // 100)) % 2**256  # fmt: skip
        dollars = 10 ** rng.uniform(-4, 5.5) if roll < 0.9 else 10 ** rng.uniform(4, 8)
        return int(dollars * listing.unit / listing.dollars) * scale

    def _held(self, hints: dict[str, Any]) -> list[int]:
        """Amounts that are there: legs of the account, shares and tokens of the sender."""
        world, target = self.world, hints["target"]
        found: list[int] = []
        account = hints.get("account")
        if target == "engine" and account is not None:
            for word in self.engine.position_of(world.account(account)):
                found += [word & 2**104 - 1, word >> 104 & 2**104 - 1]
        elif target.split(".")[0] in ("vault", "fund", "token"):
            contract: Any = world.contracts[target]
            found = [int(contract.balanceOf(world.address(hints["sender"])))]
        return [amount for amount in found if amount]

    def _legs(self, account: bytes) -> list[tuple[str, int, bool]]:
        """Symbol, amount, and whether it is debt, of what an account has."""
        words = self.engine.position_of(account)
        found = []
        for i in range(8):
            tag = words[i // 2] >> (208 + 8 * (i % 2)) & 255
            amount = words[i // 2] >> (104 * (i % 2)) & 2**104 - 1
            if tag:
                found.append((self._symbol(tag & 127), amount, tag >= 128))
        return found

    def _symbol(self, number: int) -> str:
        known = [*self.world.symbols, "LATE"]
        return known[number - 1] if number <= len(known) else "LATE"
