"""The models of vault, fund and tokens beside the contracts: thousands of random calls, and after
each the same reason, value, events and storage words.
"""

from __future__ import annotations

import random
from functools import cache, cached_property
from itertools import product

import pytest
from eth_keys import keys
from eth_utils.crypto import keccak

from breakwater import artifacts
from breakwater.evm import EvmHost
from breakwater.host import Reverted, interface_of
from breakwater.model import exact, interest
from breakwater.model.calls import FLASH_CALLBACK, returned
from breakwater.model.chain import ZERO_ADDRESS, Chain, Refused
from breakwater.model.fund import InsuranceFund
from breakwater.model.latch import MAX_HOLD, NO_HOLDS, WINDOW, held_within
from breakwater.model.mocks import FlashBorrowerMock
from breakwater.model.signature import CURVE_ORDER, digest, hashed
from breakwater.model.tokens import HookTokenMock, OddTokenMock, StakedTokenMock, TokenMock
from breakwater.model.vault import PERMIT_TYPE, LendingVault
from breakwater.model.vault_books import VaultConfig, packed
from breakwater.units import DAY, HOUR, MAX_UINT256, RAY, WAD, YEAR

MODELS = {
    model.NAME: model
    for model in (
        FlashBorrowerMock,
        HookTokenMock,
        InsuranceFund,
        LendingVault,
        OddTokenMock,
        StakedTokenMock,
        TokenMock,
    )
}
KEY = keys.PrivateKey(bytes(keccak(text="lender who signs")))
SIGNER = KEY.public_key.to_checksum_address()


# ------------------------------------------------------------ both sides


@cache
def slots(name):
    """Slot and number of keys of each variable that a contract stores, by its own name."""
    found = {}

    def enter(part):
        for variable, entry in part.items():
            if "slot" in entry:
                found[variable] = entry["slot"], entry["type"].count("HashMap[")
            else:
                enter(entry)

    enter(artifacts.load(name).layout["storage_layout"])
    return found


@cache
def slot_of(name, variable, keys):
    """Where a word of the model is stored: keys of mappings, then an offset."""
    slot, depth = slots(name)[variable]
    for key in keys[:depth]:
        slot = int.from_bytes(keccak(slot.to_bytes(32, "big") + bytes(12) + bytes.fromhex(key[2:])))
    return slot + sum(keys[depth:])


def plain(value):
    """With tuples for all sequences."""
    if isinstance(value, list | tuple):
        return tuple(plain(part) for part in value)
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value


class Twins:
    """The same contracts on an EVM and as models. `call` raises AssertionError at a difference."""

    def __init__(self, labels):
        self.host = EvmHost()
        self.chain = Chain(self.host.now, self.host.block, self.host.chain_id)
        self.accounts = {label: self.host.account(label) for label in labels}
        self.accounts["signer"] = SIGNER
        self.kinds = {}
        self.reasons = {}
        self.steps = 0

    def deploy(self, kind, *args):
        address = self.host.deploy(kind, *args, sender=self.accounts["owner"])
        MODELS[kind](self.chain, address, *plain(args))
        self.kinds[address] = kind
        return address

    def wait(self, seconds):
        self.host.advance(seconds, 1)
        self.chain.advance(seconds, 1)

    def encoded(self, target, function, *args):
        return interface_of(self.kinds[target]).function(function, len(args)).encode(args)

    def call(self, sender, target, function, *args):
        """One call on both sides; its reason, None where it succeeds."""
        kind = self.kinds[target]
        codec = interface_of(kind).function(function, len(args))
        reason, data, logs = None, b"", []
        try:
            if codec.reads_only:
                value = self.host.call(target, kind, function, args, sender=sender)
            else:
                receipt = self.host.transact(target, kind, function, args, sender=sender)
                data, logs = receipt._output, receipt.logs
        except Reverted as reverted:
            reason = reverted.reason
        outcome = self.chain.transact(sender, target, function, plain(args))
        what = f"step {self.steps}: {function}{args} of {kind}"
        assert outcome.reason == reason, what
        if reason is None and codec.reads_only:
            assert plain(outcome.value) == plain(value), what
        elif reason is None:
            assert returned(codec, outcome.value) == data, what
        events = [(log.address, log.name, plain(log.args)) for log in logs]
        assert [(at, name, plain(of)) for at, name, of in outcome.events] == events, what
        self.steps += 1
        self.reasons[function, reason] = self.reasons.get((function, reason), 0) + 1
        return reason

    def compare(self, what=""):
        """Every word that the model knows, and that all others of every account are zero."""
        expected = {}
        for address, *key in self.chain.state:
            kind = self.kinds[address]
            for word in self.chain.contracts[address].words(key[0], tuple(key[1:])):
                expected[address, slot_of(kind, *word[:2])] = word
        storage = self.host.storage
        for (address, slot), word in expected.items():
            assert storage(address, slot) == word.value, f"{what} {self.kinds[address]} {word}"
        for place, name in self.places.items():
            assert place in expected or storage(*place) == 0, f"{what} {name} is written"

    @cached_property
    def places(self):
        """Name by address and slot of every variable for every account there is."""
        everyone = [*self.accounts.values(), *self.kinds, ZERO_ADDRESS]
        offsets = {"_holds": range(9), "_tickets": range(3)}
        return {
            (address, slot_of(kind, variable, holders) + at): f"{kind}.{variable}{holders}"
            for address, kind in self.kinds.items()
            for variable, (_, depth) in slots(kind).items()
            if (kind, variable) != ("FlashBorrowerMock", "calls")  # the model of it has no words
            for holders in product(everyone, repeat=depth)
            for at in offsets.get(variable, (0,))
        }


# ------------------------------------------------------------ a vault and its fund

ACTORS = ("owner", "breaker", "lender", "staker", "borrower", "other")
CONFIG = (1_000, 9_000, 40_000, 500_000, 400, 10, 20_000, 0, 0, 2**103, 2**103, 0, 0, 0)
CAPS = CONFIG[9:]
WAITS = (0, 0, 0, 0, 0, 0, 1, 12, 60, *(n * HOUR for n in (1, 4, 9, 24, 48)))
WAITS += (7 * DAY, 20 * DAY, 30 * DAY)


def written(config):
    """The word and the flash fee that a vault takes."""
    wanted = VaultConfig(*config)
    return packed(wanted), wanted.flash_fee


class Market(Twins):
    """Token, vault and fund. The engine is a contract that makes the calls it is told to make."""

    def __init__(
        self, seed, token="TokenMock", decimals=18, waits=WAITS, config=CONFIG, opened=True
    ):
        super().__init__(ACTORS)
        self.random = random.Random(seed)
        self.waits = waits
        self.unit = 10**decimals
        at = self.accounts
        self.token = self.deploy(token, "Token", "TKN", decimals)
        self.engine = self.deploy("FlashBorrowerMock")
        self.config = config
        self.vault = self.deploy(
            "LendingVault",
            self.token,
            self.engine,
            at["breaker"],
            "Vault of tokens",
            "bTKN",
            at["owner"],
        )
        self.fund = self.deploy("InsuranceFund", self.vault, "Fund", "fTKN")
        self.other_fund = self.deploy("InsuranceFund", self.vault, "Another fund", "f2TKN")
        self.holders = (*at.values(), self.engine)
        for holder in self.holders:
            self.call(at["owner"], self.token, "mint", holder, 2**109)
            if holder != self.engine:
                self.call(holder, self.token, "approve", self.vault, MAX_UINT256)
                self.call(holder, self.vault, "approve", self.fund, MAX_UINT256)
        self.execute(self.token, "approve", self.vault, MAX_UINT256)
        self.compare("before any step:")
        if opened:
            opening = self.fund, self.unit, *written(self.config)
            assert self.call(at["owner"], self.vault, "open", *opening) is None
            assert self.call(at["lender"], self.vault, "deposit", 10**6 * self.unit, SIGNER) is None

    def execute(self, target, function, *args, sender=None):
        """A call of the engine's."""
        data = self.encoded(target, function, *args)
        sender = sender or self.accounts["other"]
        reason = self.call(sender, self.engine, "execute", target, data)
        key = f"engine: {function}", reason
        self.reasons[key] = self.reasons.get(key, 0) + 1

    # -------------------------------------------------------- what is random

    def someone(self):
        return self.random.choice((*self.accounts.values(), self.fund, self.vault, ZERO_ADDRESS))

    def anyone(self):
        return self.random.choice(list(self.accounts.values()))

    def amount(self, *of):
        """Nothing, all, a unit beside it, part of it, or an edge of some type."""
        edges = (0, 1, 2, self.unit, *(2**n - m for n in (104, 112, 128, 256) for m in (1, 2)))
        edges += (2**41 - 1, 2**104, 2**112, 2**128, 2**160, 2**160 + 1)
        kind = self.random.random()
        if kind < 0.1 or not of:
            return self.random.choice(edges)
        most = self.random.choice(of)
        if kind < 0.45:
            return min(max(most + self.random.choice((-1, 0, 0, 1)), 0), MAX_UINT256)
        if kind < 0.6:
            return self.random.randrange(self.random.choice((10**3, 10**7, self.unit)) + 1)
        return int(most * self.random.random() ** 2)

    def seen(self, function, *args, of=None):
        """What the model says now, 0 where it refuses."""
        outcome = self.chain.transact(ZERO_ADDRESS, of or self.vault, function, args)
        return outcome.value or 0

    # -------------------------------------------------------- steps

    def step(self):
        wait = self.random.choice(self.waits)
        if wait:
            self.wait(wait)
        weights = [weight for weight, _ in ACTIONS]
        (action,) = self.random.choices([action for _, action in ACTIONS], weights)
        action(self)
        self.compare(f"step {self.steps}:")

    def deposit(self):
        who, to = self.anyone(), self.anyone() if self.random.random() < 0.8 else self.someone()
        room = self.seen("maxDeposit", to), self.seen("balanceOf", who, of=self.token) // 2**20
        self.call(who, self.vault, "deposit", self.amount(*room), to)

    def mint(self):
        who, to = self.anyone(), self.anyone() if self.random.random() < 0.8 else self.someone()
        room = self.seen("maxMint", to), 10**9 * self.unit
        self.call(who, self.vault, "mint", self.amount(*room), to)

    def withdraw(self):
        owner = self.anyone()
        who = owner if self.random.random() < 0.8 else self.anyone()
        base = self.chain.state[self.vault, "_claims"].base
        most = self.seen("maxWithdraw", owner), self.seen("convertToAssets", 10**9), base
        self.call(who, self.vault, "withdraw", self.amount(*most), self.someone(), owner)

    def redeem(self):
        owner = self.anyone()
        who = owner if self.random.random() < 0.8 else self.anyone()
        most = self.seen("maxRedeem", owner), self.seen("balanceOf", owner)
        self.call(who, self.vault, "redeem", self.amount(*most), self.someone(), owner)

    def lend(self):
        cash, (left, growth, _) = self.seen("cash"), self.seen("limits")
        to = self.anyone()
        self.execute(self.vault, "lend", self.amount(cash, left, min(left, growth)), to)

    def collect(self):
        shares, owed = self.seen("debt_shares"), self.seen("debt_assets")
        base, full = self.chain.state[self.vault, "_claims"].base, 2**112 - 1 - self.seen("cash")
        fee = 0
        if self.random.random() < 0.5:
            fee = self.amount(owed // 1_000, self.unit, base, base // 10, full)
        paid = self.amount(owed, owed + 1, 2**109)
        if self.random.random() < 0.05:
            paid, fee = 0, self.random.choice((full, full + 1))
        self.execute(self.vault, "collect", paid, self.amount(shares), self.anyone(), fee)

    def write_off(self):
        shares = self.seen("debt_shares")
        self.execute(self.vault, "write_off", self.amount(shares // 1_000, shares // 5, shares))

    def wind_up(self):
        """All debt is paid, and lenders leave with their gains."""
        shares = self.seen("debt_shares")
        self.execute(self.vault, "collect", MAX_UINT256, shares, self.accounts["staker"], 0)
        for owner in self.accounts.values():
            if self.random.random() < 0.7:
                most = self.seen("maxWithdraw", owner)
                self.call(owner, self.vault, "withdraw", most, owner, owner)

    def pretend(self):
        function, *args = self.random.choice(
            (
                ("lend", 1, SIGNER),
                ("collect", 1, 1, SIGNER, 0),
                ("write_off", 1),
                ("set_breaker", SIGNER),
                ("write_config", *written(self.config)),
                ("wind_down",),
                ("transfer_ownership", SIGNER),
                ("open", self.fund, 1, *written(self.config)),
                ("set_level", self.chain.now + 9, 0, 0),
            )
        )
        self.call(self.anyone(), self.vault, function, *args)
        if function == "transfer_ownership":
            owner, to = self.seen("owner"), self.random.choice((self.accounts["owner"],) * 3)
            self.call(owner, self.vault, function, self.random.choice((to, ZERO_ADDRESS)))
        if function == "set_breaker":
            self.call(self.seen("owner"), self.vault, function, self.accounts["breaker"])

    def settle(self):
        self.call(self.anyone(), self.vault, self.random.choice(("settle_fee", "accrue")))

    def shares(self):
        """Transfers and approvals of vault or fund."""
        kind = self.random.choice((self.vault, self.vault, self.fund))
        owner, who = self.anyone(), self.anyone()
        amount = self.amount(self.seen("balanceOf", owner, of=kind))
        function = self.random.choice(("transfer", "transferFrom", "transferFrom", "approve"))
        if function == "transfer":
            self.call(owner, kind, function, self.someone(), amount)
        elif function == "approve":
            self.call(owner, kind, function, who, self.random.choice((amount, MAX_UINT256)))
        else:
            self.call(who, kind, function, owner, self.someone(), amount)

    def permit(self):
        owner = self.random.choice((SIGNER, SIGNER, SIGNER, ZERO_ADDRESS, self.accounts["other"]))
        spender, amount = self.anyone(), self.amount()
        deadline = self.chain.now + self.random.choice((0, 1, -1, DAY))
        nonce = self.seen("nonces", owner) + self.random.choice((0, 0, 0, 1))
        message = hashed(PERMIT_TYPE, owner, spender, amount, nonce, deadline)
        signed = KEY.sign_msg_hash(digest(self.seen("DOMAIN_SEPARATOR"), message))
        v, r, s = signed.v + 27, signed.r, signed.s
        kind = self.random.random()
        if kind < 0.1:
            v, s = 55 - v, CURVE_ORDER - s
        elif kind < 0.2:
            v = self.random.choice((0, 1, 26, 29, 255))
        elif kind < 0.3:
            r, s = self.random.choice(((0, s), (r, 0), (CURVE_ORDER, s), (5, s), (MAX_UINT256, s)))
        words = [part.to_bytes(32, "big") for part in (r, s)]
        args = owner, spender, amount, deadline, v, *words
        self.call(self.anyone(), self.vault, "permit", *args)

    def write(self):
        self.call(self.seen("owner"), self.vault, "write_config", *written(self.config))

    def set_caps(self):
        caps = [self.amount(self.seen("totalAssets"), 10**9 * self.unit, 2**104) for _ in range(2)]
        self.config = (*self.config[:9], *caps, *self.config[11:])
        self.write()
        if self.random.random() < 0.7:
            caps = 2 * self.seen("totalAssets") + 10**6 * self.unit, 2**104 - 1
            self.config = (*self.config[:9], *caps, *self.config[11:])
            self.write()

    def set_limits(self):
        """Often none, so that other things happen too."""
        percents = [self.random.choice((0, 0, 1, 5, 20, 100)) for _ in range(2)]
        floor = self.random.choice((0, 0, self.unit, self.amount(self.seen("totalAssets"))))
        self.config = (*self.config[:11], floor, *percents)
        self.write()

    def wind_down(self, rare=0.93):
        if self.random.random() > rare:
            self.call(self.seen("owner"), self.vault, "wind_down")

    def set_config(self):
        config = list(self.config)
        ranges = (
            (0, 1, 1_000, 5_000),
            (1_000, 5_000, 9_000, 9_900),
            (10_000, 10_001, 40_000, 100_000),
            (0, 1, 500_000, 1_000_000),
            (400, 401),
            (1, 10, 399, 400),
            (401, 5_000, 20_000),
            (0, 1, 9, 100),
            (0, 1, self.unit, self.amount(), 2**41 - 1, 2**41, 10**30 - 1, 10**31 + 17),
        )
        for _ in range(self.random.choice((1, 1, 2, 4))):
            i = self.random.randrange(9)
            config[i] = self.random.choice(ranges[i])
        config[5], config[4], config[6] = sorted(config[4:7])
        self.config = tuple(config)
        self.write()

    def set_level(self):
        ends = (0, 0, -1, 0, 1, HOUR, DAY, 3 * DAY, 7 * DAY)
        times = [self.chain.now + self.random.choice(ends) for _ in range(3)]
        for i in range(3):
            if self.random.random() < 0.5:
                times[i] = self.random.choice(
                    (0, 0, 0, 1, self.chain.now + 7 * DAY + 1, MAX_UINT256)
                )
            if self.random.random() < 0.3:
                times[i] = 0
        self.call(self.accounts["breaker"], self.vault, "set_level", *times)
        if self.random.random() < 0.6:
            self.call(self.accounts["breaker"], self.vault, "set_level", 0, 0, 0)

    def flash(self):
        """A loan in whose callback other calls come in."""
        shares, cash = self.seen("debt_shares"), self.seen("cash")
        inside = [
            (self.vault, "collect", self.amount(cash), self.amount(shares), SIGNER, self.amount(9)),
            (self.vault, "write_off", self.amount(shares // 9)),
            (self.vault, "accrue"),
            (self.vault, "settle_fee"),
            (self.vault, "deposit", self.unit, self.engine),
            (self.vault, "is_unlocked"),
            (self.vault, "cash"),
            (self.vault, "flash_out"),
            (self.vault, "maxDeposit", SIGNER),
            (self.vault, "maxWithdraw", SIGNER),
            (self.vault, "maxRedeem", SIGNER),
            (self.vault, "maxFlashLoan", self.token),
            (self.vault, "flashLoan", self.engine, self.token, 1, b""),
            (self.vault, "nonsense"),
            (self.fund, "deposit", 1, self.engine),
            (self.fund, "convertToAssets", 10**12),
            (self.token, "transfer", SIGNER, self.amount(9)),
        ]
        calls = []
        for target, function, *args in self.random.sample(inside, self.random.randrange(4)):
            data = b"\1\2\3\4"
            if function != "nonsense":
                data = self.encoded(target, function, *args)
            calls.append((target, data, self.random.random() < 0.1))
        magic = FLASH_CALLBACK if self.random.random() < 0.9 else bytes(32)
        self.call(self.anyone(), self.engine, "set_calls", calls, magic)
        receiver = self.engine if self.random.random() < 0.9 else self.someone()
        token = self.token if self.random.random() < 0.9 else self.vault
        data = bytes(self.random.choice((0, 0, 5, 1_024)))
        args = receiver, token, self.amount(cash, cash, cash // 2), data
        self.call(self.anyone(), self.vault, "flashLoan", *args)

    def stake(self):
        who = self.anyone()
        held = self.seen("balanceOf", who)
        function = self.random.choice(("deposit", "deposit", "mint"))
        self.call(who, self.fund, function, self.amount(held // 4), self.someone())

    def ticket(self):
        who = self.anyone()
        if self.random.random() < 0.3:
            self.call(who, self.fund, "cancel_exit")
            return
        held = self.seen("balanceOf", who, of=self.fund)
        self.call(who, self.fund, "request_exit", self.amount(held, held, held // 2))
        if self.random.random() < 0.3:
            self.call(who, self.fund, "transfer", self.anyone(), self.amount(held))
        if self.random.random() < 0.7:
            self.wait(20 * DAY + self.random.choice((-1, 0, 0, 1, DAY, 2 * DAY - 1, 2 * DAY)))
            self.leave(who)

    def leave(self, owner=None):
        owner = owner or self.anyone()
        who = owner if self.random.random() < 0.8 else self.anyone()
        shares = self.seen("maxRedeem", owner, of=self.fund)
        worth = self.seen("maxWithdraw", owner, of=self.fund)
        to = self.anyone() if self.random.random() < 0.8 else self.someone()
        if self.random.random() < 0.5:
            self.call(who, self.fund, "redeem", self.amount(shares, shares), to, owner)
        else:
            self.call(who, self.fund, "withdraw", self.amount(worth, worth), to, owner)

    def look(self):
        """Every view of one contract."""
        target = self.random.choice((self.vault, self.vault, self.fund, self.token))
        most = self.seen("totalSupply"), self.seen("totalAssets")
        for function in interface_of(self.kinds[target]).functions.values():
            if function.reads_only:
                kinds = [str(entry["type"]) for entry in function.inputs.entries]
                args = [self.someone() if k == "address" else self.amount(*most) for k in kinds]
                if function.name in ("flashFee", "maxFlashLoan") and self.random.random() < 0.8:
                    args[0] = self.token
                self.call(self.anyone(), target, function.name, *args)

    def open(self):
        if self.seen("fund") == ZERO_ADDRESS and self.kinds[self.token] == "OddTokenMock":
            self.call(SIGNER, self.token, "set_odds", 1, self.random.choice((0, 100)), False, False)
        fund = self.random.choice((self.fund, self.fund, self.other_fund, *self.accounts.values()))
        fund = self.random.choice((fund, fund, self.token, self.vault))
        args = fund, self.amount(self.unit, self.unit), *written(self.config)
        self.call(self.seen("owner"), self.vault, "open", *args)

    def ruin(self):
        """Great losses and great numbers: lend what there is, lose nearly all, mint what fits."""
        self.config = (*self.config[:9], 2**104, 2**104, *self.config[11:])
        self.write()
        if self.random.random() < 0.5:
            room = self.seen("maxDeposit", SIGNER)
            self.call(SIGNER, self.vault, "deposit", max(room // 2, 1), SIGNER)
        self.execute(self.vault, "lend", self.seen("cash"), self.engine)
        shares = self.seen("debt_shares")
        part = self.random.choice((2, 9, 10**3, 10**5, 10**7))
        self.execute(self.vault, "write_off", shares - shares // part)
        room = self.seen("maxMint", SIGNER)
        left = 2**127 - 1 - self.seen("totalSupply")
        self.call(SIGNER, self.vault, "mint", self.amount(room, room, left), SIGNER)
        self.call(SIGNER, self.vault, "deposit", self.amount(2**103), SIGNER)

    def odds(self):
        """Whatever the token has of its own, for a while."""
        kind = self.kinds[self.token]
        if kind == "OddTokenMock":
            pick = self.random.choice
            odds = pick((0, 1, 1, 2, 2)), pick((0, 0, 1, 9_999, 10_001)), pick((False, False, True))
            self.call(self.anyone(), self.token, "set_odds", *odds, pick((False, True)))
            if self.random.random() < 0.2:
                blocked = self.random.random() < 0.5
                self.call(SIGNER, self.token, "set_blocked", self.someone(), blocked)
        elif kind == "HookTokenMock":
            shares = self.seen("debt_shares")
            target, function, *args = self.random.choice(
                (
                    (self.vault, "accrue"),
                    (self.vault, "settle_fee"),
                    (self.vault, "cash"),
                    (self.vault, "is_unlocked"),
                    (self.vault, "deposit", 1, SIGNER),
                    (self.engine, "execute", self.vault, ("collect", 9, 9, SIGNER, 5)),
                    (self.engine, "execute", self.vault, ("write_off", shares // 1_000 + 1)),
                    (self.engine, "execute", self.vault, ("withdraw", 5, SIGNER, self.engine)),
                    (self.token, "transferFrom", SIGNER, self.vault, 10),
                    (self.token, "name"),
                    (SIGNER, None),
                )
            )
            args = [
                self.encoded(self.vault, *arg) if isinstance(arg, tuple) else arg for arg in args
            ]
            data = self.encoded(target, function, *args) if function else b"\1\2\3\4"
            after = self.random.random() < 0.5
            self.call(SIGNER, self.token, "set_hook", target, data, after)


ACTIONS = [
    (10, Market.deposit),
    (6, Market.mint),
    (10, Market.withdraw),
    (6, Market.redeem),
    (14, Market.lend),
    (12, Market.collect),
    (4, Market.write_off),
    (1, Market.wind_up),
    (2, Market.pretend),
    (4, Market.settle),
    (8, Market.shares),
    (2, Market.permit),
    (2, Market.set_caps),
    (2, Market.set_limits),
    (1, Market.wind_down),
    (3, Market.set_config),
    (2, Market.set_level),
    (5, Market.flash),
    (6, Market.stake),
    (6, Market.ticket),
    (3, Market.leave),
    (2, Market.look),
    (1, Market.open),
    (3, Market.odds),
]

PROFILES = {
    "usual": {},
    "6 decimals": {"decimals": 6, "config": (1_700, *CONFIG[1:])},
    "24 decimals": {
        "decimals": 24,
        "config": (5_000, 5_000, 100_000, 1_000_000, 9, 1, 2_000, 1, 0, *CAPS),
    },
    "no fee": {"config": (0, 9_900, 10_000, 0, 20_000, 20_000, 20_000, 100, 10**24, *CAPS)},
    "limits": {"config": (*CONFIG[:11], 10**21, 20, 20), "waits": (0, 0, 0, 9, HOUR, 4 * HOUR)},
    "limits, 6 decimals": {
        "decimals": 6,
        "config": (*CONFIG[:11], 1, 1, 100),
        "waits": (0, 0, 0, 0, HOUR, DAY, 12 * DAY),
    },
    "wound down": {"wound": True},
    "same block": {"waits": (0,)},
    "for ages": {"waits": (0, 0, 0, 0, DAY, YEAR, 5 * YEAR, 50 * YEAR)},
    "not open": {"opened": False},
    "odd token": {"token": "OddTokenMock", "decimals": 8},
    "odd token, not open": {"token": "OddTokenMock", "opened": False},
    "hooks": {
        "token": "HookTokenMock",
        "config": (2_500, 8_000, 40_000, 10_000, 1, 1, 1, 9, 10**15, *CAPS),
    },
    "ruin": {"ruin": True},
}


def play(profile, seed, steps):
    """Reasons that were met, by function."""
    options = dict(PROFILES[profile])
    ruined, wound = options.pop("ruin", False), options.pop("wound", False)
    market = Market(f"{profile} {seed}", **options)
    for _ in range(steps):
        market.step()
        if wound and market.steps > 100:
            market.wind_down(0)
        if ruined and market.random.random() < 0.2:
            market.ruin()
            market.compare("ruin")
    return market.reasons


@pytest.mark.parametrize("profile", PROFILES)
def test_vault_and_fund__random_calls(profile):
    reasons = play(profile, 1, 250)
    assert sum(reasons.values()) > 250
    assert sum(count for (_, reason), count in reasons.items() if reason is None) > 100


@pytest.mark.parametrize("profile", ["usual", "for ages", "6 decimals"])
def test_vault_and_fund__roundings_favour_the_vault(profile, monkeypatch):
    monkeypatch.setattr(exact, "CHECK_ROUNDING", True)
    play(profile, 2, 60)


# ------------------------------------------------------------ where a vault is refused, and budgets


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"owner": ZERO_ADDRESS}, "owner is zero"),
        ({"decimals": 5}, "decimals out of range"),
        ({"decimals": 25}, "decimals out of range"),
        ({"owner": ZERO_ADDRESS, "decimals": 5}, "owner is zero"),
    ],
)
def test_vault__refused_constructor(change, reason):
    twins = Twins(ACTORS)
    at = twins.accounts
    token = twins.deploy("TokenMock", "Token", "TKN", change.get("decimals", 18))
    owner = change.get("owner", at["owner"])
    args = token, at["other"], at["breaker"], "Vault", "bTKN", owner
    with pytest.raises(Reverted) as reverted:
        twins.host.deploy("LendingVault", *args, sender=at["owner"])
    with pytest.raises(Refused) as refused:
        LendingVault(twins.chain, at["lender"], *args)
    assert reverted.value.reason == refused.value.reason == reason


def test_vault__hold_budget():
    """Latches in a row, just within and beyond the budget, and as a span leaves the window."""
    market = Market("holds")
    pick, reasons = market.random.choice, set()
    for _ in range(400):
        now = market.chain.now
        holds = market.chain.state.get((market.vault, "_holds", market.vault), NO_HOLDS).live
        left = MAX_HOLD - held_within(holds, now + pick((0, HOUR, 7 * DAY)) - WINDOW)
        ahead = (-1, 0, 1, 2, 9, DAY, 3 * DAY, 7 * DAY, 7 * DAY + 1, left, left, left + 1, left - 1)
        ends = [max(now + pick(ahead), 0) * pick((0, 1, 1)) for _ in range(3)]
        reasons.add(market.call(market.accounts["breaker"], market.vault, "set_level", *ends))
        reasons.add(market.call(SIGNER, market.vault, "deposit", market.unit, SIGNER))
        market.compare("holds")
        out = holds[0].end + WINDOW - now if holds else 0
        market.wait(pick((0, 0, 1, 2, 9, HOUR, DAY, max(out, 0), max(out + 1, 0), 4 * DAY)))
    assert {None, "hold budget is spent", "vault is halted", "latch is too long"} <= reasons


def test_vault__gains_without_a_fee():
    """A lender who takes out more than the base, which owes nothing."""
    market = Market("gains", **PROFILES["no fee"])
    market.execute(market.vault, "lend", market.seen("cash"), SIGNER)
    market.wait(YEAR)
    market.execute(market.vault, "collect", MAX_UINT256, MAX_UINT256, SIGNER, 0)
    gains = market.seen("maxWithdraw", SIGNER)
    assert gains > market.chain.state[market.vault, "_claims"].base
    assert market.call(SIGNER, market.vault, "withdraw", gains, SIGNER, SIGNER) is None
    market.compare("gains")


def test_vault__full_supply():
    """The last share that fits, and what becomes of the fund's shares after it."""
    market = Market("full")
    market.execute(market.vault, "lend", market.seen("cash"), SIGNER)
    shares = market.seen("debt_shares")
    market.execute(market.vault, "write_off", shares - shares // 10**5)
    left = 2**127 - 1 - market.seen("totalSupply")
    assert market.call(SIGNER, market.vault, "mint", left + 1, SIGNER) == "too many shares"
    assert market.call(SIGNER, market.vault, "mint", left, SIGNER) is None
    market.compare("full")
    market.execute(market.vault, "lend", market.seen("cash"), SIGNER)
    market.wait(YEAR)
    assert market.seen("fee_owed") > 0 == market.seen("fee_shares")
    market.call(SIGNER, market.vault, "settle_fee")
    market.execute(market.vault, "collect", 0, 0, SIGNER, 10 * market.seen("fee_owed"))
    market.call(SIGNER, market.fund, "deposit", 1, SIGNER)
    market.compare("full")


# ------------------------------------------------------------ rates

RATES = """
# pragma version 0.4.3
from contracts.modules import interest
from contracts.modules import rate_model

@view
@external
def grown(index: uint256, rate: uint256, elapsed: uint256) -> uint256:
    return interest._grow(index, rate, elapsed)

@view
@external
def growth_down(x: uint256) -> uint256:
    return interest._growth(x)

@view
@external
def borrow_rate(r: uint256, u: uint256, target: uint256, steepness: uint256) -> uint256:
    return rate_model._borrow_rate(r, u, target, steepness)

@view
@external
def drifted(
    r: uint256, u: uint256, t: uint256, speed: uint256, dt: uint256, low: uint256, high: uint256
) -> uint256:
    return rate_model._drift(r, u, t, speed, dt, low, high)
"""


def test_interest__beside_the_modules(monkeypatch):
    monkeypatch.setattr(exact, "CHECK_ROUNDING", True)
    host, dice = EvmHost(), random.Random("rates")
    artifact = artifacts.compile_source(RATES, "Rates")
    address = host.deploy_raw(artifact.abi, artifact.bytecode, sender=host.account("owner"))

    def compare(function, *args):
        expected = getattr(interest, function)(*args)
        assert host.call(address, artifact.abi, function, args) == expected, (function, args)

    def below(most):
        return (
            int(most * 10 ** -dice.uniform(0, 12)) if dice.random() < 0.7 else dice.randrange(most)
        )

    for edge in (RAY // 32, RAY // 16, RAY // 2, RAY, 16 * RAY):
        for x in range(edge - 3, edge + 4):
            compare("growth_down", x)
    for _ in range(600):
        compare("growth_down", below(18 * RAY))
        compare("grown", RAY + below(2**112 - RAY), below(2**40), below(2**32))
        target, rate = dice.randrange(1_000, 9_901), below(2**40)
        kink = target * 10**14
        used = dice.choice((0, WAD, kink, kink - 1, kink + 1, below(WAD), below(WAD)))
        compare("borrow_rate", rate, used, target, dice.randrange(10_000, 100_001))
        span = below(10**6), below(2**32), below(10**9), 10**9 + below(2**40)
        compare("drifted", rate, used, target, *span)


# ------------------------------------------------------------ tokens


@pytest.mark.parametrize("kind", ["TokenMock", "OddTokenMock", "HookTokenMock", "StakedTokenMock"])
def test_tokens__random_calls(kind):
    """Every function of a token's ABI with small numbers and great ones."""
    twins = Twins(("owner", "lender", "other"))
    pick = random.Random(kind).choice
    asset = twins.deploy("OddTokenMock", "Asset", "ASSET", 12)
    last = asset if kind == "StakedTokenMock" else 12
    token = twins.deploy(kind, "A token with a name of 32 bytes.", "TKN", last)
    people = [*twins.accounts.values(), ZERO_ADDRESS, token]
    functions = list(interface_of(kind).functions.values())
    hooks = [twins.encoded(token, "totalSupply"), twins.encoded(asset, "mint", people[0], 5), b"\1"]
    for step in range(1_500):
        function, target = pick(functions), token
        if kind == "StakedTokenMock" and pick((True, False, False)):
            target = asset
            function = pick(list(interface_of("OddTokenMock").functions.values()))
        args = []
        for entry in function.inputs.entries:
            numbers = (0, 1, 2, 1_000, 10**6, 10**18, 2**128, 2**256 - 1)
            numbers = (0, 1, 2) if entry["name"] == "answer" else numbers
            choices = {"uint256": numbers, "address": people, "bool": (True, False, False)}
            choices["bytes"] = hooks
            args.append(pick((*choices[entry["type"]],)))
        if function.name == "set_hook":
            args[0] = pick((token, asset, people[0], ZERO_ADDRESS))
        twins.call(pick(people[:3]), target, function.name, *args)
        twins.compare(f"step {step}:")
    names = {name for name, reason in twins.reasons if reason is None}
    assert names >= {function.name for function in functions}
