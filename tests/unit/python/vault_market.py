"""A vault and its fund on an EVM and as models, and random calls to both."""

from __future__ import annotations

import random

from breakwater.host import interface_of
from breakwater.model.calls import FLASH_CALLBACK
from breakwater.model.chain import ZERO_ADDRESS
from breakwater.model.signature import CURVE_ORDER, digest, hashed
from breakwater.model.vault import PERMIT_TYPE
from breakwater.model.vault_books import VaultConfig, packed
from breakwater.units import DAY, HOUR, MAX_UINT256, YEAR
from tests.unit.python.vault_twins import KEY, SIGNER, Twins

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
