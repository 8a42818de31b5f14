"""A whole market and its model, and random calls to both."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from eth_utils.crypto import keccak

from breakwater.evm import EvmHost
from breakwater.fuzz.compare import Comparison
from breakwater.fuzz.profiles import DELAY
from breakwater.fuzz.slots import slot
from breakwater.fuzz.world import World
from breakwater.host import interface_of
from breakwater.model.engine import CreditEngine
from breakwater.model.legs import Account
from breakwater.model.protocol import mirror
from breakwater.units import MAX_UINT256, WAD, account_id

ZERO = "0x" + "00" * 20
NOBODY = bytes(32)
DEPOSIT, WITHDRAW, BORROW, REPAY, MOVE, LIQUIDATE = (1 << i for i in range(6))


class Pair:
    """A market and its model, and a source of random calls to both."""

    def __init__(self, seed: int = 0, profile: str = "default", every: bool = False) -> None:
        self.random = Random(seed)
        self.world = World(EvmHost(), profile)
        self.host = self.world.host
        self.chain = mirror(self.world)
        self.comparison = Comparison(self.chain, self.host, self.world.name, every)
        self.engine = self.world.address("engine")
        self.model = self.chain.contracts[self.engine]
        assert isinstance(self.model, CreditEngine)
        self.reasons: Counter[str | None] = Counter()
        self.passed: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.answers = {
            name: self.host.storage(self.address(name), 2)
            for name in self.world.contracts
            if name.startswith("source.") and not name.startswith("source.HOOK")
        }
        self.first = dict(self.answers)

    def address(self, name: str) -> str:
        """Of a role or a contract."""
        return self.world.address(name)

    def token(self, symbol: str) -> str:
        """Address of a token."""
        return self.address(f"token.{symbol}")

    def do(self, sender: str, name: str, function: str, *args: Any) -> Any:
        """A call by names; what it returns, or None. Fails where the two differ."""
        if sender in self.world.contracts:
            target = self.world.contracts[name]
            data = interface_of(target.NAME).function(function, len(args)).encode(args)
            sender, name, function = "keeper", sender, "execute"
            args = (target.address, data)
        address = self.address(name)
        differs = self.comparison.step(self.address(sender), address, function, args)
        assert differs is None, differs
        reason, value, events = self.comparison.outcome
        self.events.update(event.name for event in events)
        self.reasons[reason] += 1
        if reason is None:
            self.passed[function] += 1
        return value

    def refused(self, reason: str, *call: Any) -> None:
        """A call that both refuse, with this reason."""
        self.do(*call)
        assert self.comparison.outcome.reason == reason

    def passes(self, *call: Any) -> Any:
        """A call that both let pass."""
        value = self.do(*call)
        assert self.comparison.outcome.reason is None, self.comparison.outcome.reason
        return value

    # ------------------------------------------------------------ what calls are made of

    def pick(self, *choices: Any) -> Any:
        """One of them."""
        return self.random.choice(choices)

    def account(self, debt: bool | None = None) -> bytes:
        """An account, mostly one of ours; one that holds legs of a kind where that is given."""
        if self.random.random() < 0.02:
            return self.pick(NOBODY, account_id(self.address("operator"), 5))
        accounts = [self.world.account(name) for name in self.world.accounts]
        if debt is not None:
            accounts = [one for one in accounts if self.held(one, debt)] or accounts
        return self.random.choice(accounts)

    def person(self, account: bytes) -> str:
        """Who acts for an account: mostly its owner."""
        owner = self.world.account_name(account).split("#")[0]
        if owner.startswith("0x") or self.random.random() < 0.2:
            return self.pick("operator", "operator", "liquidator_1", "borrower_1", "borrower_2")
        return owner

    def held(self, account: bytes, debt: bool) -> list[tuple[str, int]]:
        """Legs of an account of one kind: symbol and amount."""
        holder: Account = self.model.get("accounts", account, default=Account())
        symbols = self.world.symbols
        return [(symbols[(tag & 127) - 1], n) for tag, n in holder.legs if (tag > 127) == debt]

    def symbol(self, symbols: list[str]) -> str:
        """Mostly one of these, else any."""
        if symbols and self.random.random() < 0.95:
            return self.random.choice(symbols)
        return self.random.choice([*self.world.symbols, "LATE"])

    def amount(self, symbol: str, legs: list[tuple[str, int]]) -> int:
        """Amounts at which something may change, and any other."""
        near = dict(legs).get(symbol, 0)
        listing = self.world.listings[symbol]
        some = listing.amount(self.pick(1, 99, 100, 101, 1_000, 5_000, 20_000, 200_000))
        edge = self.pick(0, 1, near, near + 1, max(near - 1, 0), MAX_UINT256, 2**104, some * 1_000)
        part = near * self.random.randrange(1, 100) // 100
        return self.random.choices((some, part, edge), (6, 3, 2))[0]

    def receiver(self, account: bytes) -> str:
        """Mostly the owner."""
        if self.random.random() < 0.05:
            return self.pick(ZERO, self.engine, self.address("lens"))
        return self.world.address(self.pick("borrower_1", "liquidator_1", "attacker"))

    # ------------------------------------------------------------ random calls

    def leg(self, account: bytes | None = None) -> tuple[Any, ...]:
        """One leg of a batch, of an account if one is given."""
        action = self.pick(DEPOSIT, WITHDRAW, WITHDRAW, BORROW, BORROW, REPAY, MOVE, LIQUIDATE)
        if action == DEPOSIT:
            account = account or self.account()
            legs, symbols = self.held(account, False), self.world.collaterals
        elif action == BORROW:
            account = account or self.account(False)
            legs, symbols = self.held(account, True), self.world.debts
        else:
            is_debt = action in (REPAY, LIQUIDATE)
            account = account or self.account(is_debt)
            legs = self.held(account, is_debt)
            symbols = [symbol for symbol, _ in legs]
        symbol = self.symbol(symbols)
        if self.random.random() < 0.01:
            action = self.pick(0, 3, 63, 64)
        other = self.account() if self.random.random() < 0.2 else NOBODY
        if action == MOVE and self.random.random() < 0.9:
            other = account[:20] + bytes(11) + bytes([self.random.randrange(3)])
        taken = self.symbol([symbol for symbol, _ in self.held(account, False)])
        amount = self.amount(symbol, legs)
        if action == BORROW and self.random.random() < 0.5:
            most = self.view("lens", "max_borrow", account, self.token(symbol))
            amount = self.pick(most, most, most + 1, most * 9 // 10, most // 2)
        return (
            action, account, self.token(symbol), amount, self.receiver(account),
            other, self.token(taken), self.pick(0, 0, 0, 0, 1, 10**30),
        )  # fmt: skip

    def single(self) -> None:
        """One of the functions of a position's life."""
        action, account, asset, amount, receiver, other, collateral, least = self.leg()
        who = self.person(account)
        if action == DEPOSIT:
            self.do(who, "engine", "deposit_collateral", account, asset, amount)
        elif action == WITHDRAW:
            self.do(who, "engine", "withdraw_collateral", account, asset, amount, receiver)
        elif action == BORROW:
            self.do(who, "engine", "borrow", account, asset, amount, receiver)
        elif action == REPAY:
            self.do(who, "engine", "repay", account, asset, amount)
        elif action == MOVE:
            self.do(who, "engine", "move_collateral", account, other, asset, amount)
        else:
            self.liquidate(account, asset, collateral, amount, least, receiver, other)

    def liquidate(
        self,
        account: bytes,
        asset: str,
        collateral: str,
        amount: int,
        least: int,
        receiver: str,
        credit: bytes,
    ) -> None:
        """A liquidation, sometimes with a callback."""
        data = b"" if self.random.random() < 0.7 else b"now"
        who = self.pick("liquidator_1", "liquidator_2", "attacker", "borrower_1")
        amount = self.pick(amount, MAX_UINT256)
        if credit != NOBODY and who != "attacker":
            credit = self.pick(account_id(self.address(who), 0), credit)
        args = account, asset, collateral, amount, least, receiver, credit, data
        self.do(who, "engine", "liquidate", *args)

    def open(self) -> None:
        """A loan near what the collateral bears."""
        account = self.world.account(self.random.choice(self.world.accounts))
        owner = self.world.account_name(account).split("#")[0]
        symbol = self.pick(*self.world.collaterals)
        amount = self.world.listings[symbol].amount(self.pick(2_000, 20_000))
        self.do(owner, "engine", "deposit_collateral", account, self.token(symbol), amount)
        symbol = self.pick(*self.world.debts)
        most = self.view("lens", "max_borrow", account, self.token(symbol))
        amount = most * self.pick(70, 95, 100) // 100
        receiver = self.address(owner)
        self.do(owner, "engine", "borrow", account, self.token(symbol), amount, receiver)

    def batch(self) -> None:
        """Up to three legs of one account or of several."""
        count = self.pick(1, 2, 2, 3)
        if self.random.random() < 0.8:
            account = self.account(self.pick(True, False))
            legs = [self.leg(account) for _ in range(count)]
            who = self.person(account)
        else:
            legs = [self.leg() for _ in range(count)]
            who = self.pick("borrower_1", "borrower_2", "attacker")
        if self.random.random() < 0.01:
            legs *= 17
        self.do(who, "engine", "batch", legs, self.pick(b"", b"", b"", b"x"))

    def grant(self) -> None:
        """An operator comes or goes; nonces are used up."""
        account = self.account()
        asset = self.pick(ZERO, *map(self.token, self.world.symbols))
        amount = self.pick(0, 1, 10**20, MAX_UINT256, MAX_UINT256)
        if asset == ZERO:
            amount = self.pick(amount, MAX_UINT256, MAX_UINT256)
        actions = self.pick(0, DEPOSIT, WITHDRAW | BORROW | MOVE, 63, 63, 64)
        expiry = self.pick(0, self.host.now, self.host.now + 5_000, MAX_UINT256)
        operator = self.address(self.pick("operator", "operator", "liquidator_1", "attacker"))
        who = self.person(account)
        self.do(who, "engine", "set_operator", account, operator, asset, actions, amount, expiry)
        if self.random.random() < 0.2:
            self.do(who, "engine", "cancel_nonce", self.random.randrange(4) * 128)

    def tell(self, symbol: str, factor: int) -> None:
        """The sources of an asset at thousandths of their first price."""
        for name in self.answers:
            if name.startswith(f"source.{symbol}."):
                self.answers[name] = max(self.first[name] * factor // 1_000, 1)
                self.do("keeper", name, "set", self.answers[name])
        if symbol == "HOOK":
            now = self.host.now
            self.do("keeper", "source.HOOK.0", "set_words", [7, 10**6 * factor, now, now, 7])

    def poke(self, symbol: str) -> None:
        """Store a checkpoint."""
        self.do("keeper", "breaker", "poke", self.token(symbol))

    def move_prices(self) -> None:
        """The price of one asset moves a little."""
        symbol = self.pick("WETH", "USDC", "WBTC")
        self.tell(symbol, self.pick(960, 980, 995, 1_000, 1_000, 1_005, 1_020))
        if self.random.random() < 0.5:
            self.poke(symbol)

    def view(self, name: str, function: str, *args: Any) -> Any:
        """What a view of the contracts says: only to find calls that bite."""
        contract = self.world.contracts[name]
        return self.host.call(contract.address, contract.NAME, function, args)

    def crash(self) -> None:
        """A price moves until an account is near or beyond liquidation; it may come back."""
        ids = [self.world.account(name) for name in self.world.accounts]
        health = dict(zip(ids, self.view("lens", "health_factors", ids), strict=True))
        weak = sorted(ids, key=lambda one: health[one])
        account = self.pick(*weak[:2], *weak[:4])
        times = min(max(health[account] / WAD, 0.2), 20) * self.pick(0.95, 1.02, 1.1, 1.3, 2, 4)
        is_debt = self.pick(True, False)
        legs = self.held(account, is_debt) or [("WETH", 0)]
        symbol, _ = max(legs, key=lambda leg: leg[1] / self.world.listings[leg[0]].amount(1_000))
        symbol = {"wstETH": "WETH"}.get(symbol, symbol)
        self.tell(symbol, int(1_000 * (times if is_debt else 1 / times)))
        for seconds in self.pick((0,), (61, 0), (61, 700), (61, 700), (61, 700)):
            self.poke(symbol)
            self.host.advance(seconds, 1)
        for _ in range(self.pick(1, 2, 4)):
            leg = self.leg(account)
            self.liquidate(*self.target(account), leg[3], leg[7], leg[4], leg[5])
            if self.random.random() < 0.3:
                self.batch()
        if self.random.random() < 0.9:
            self.tell(symbol, 1_000)
            self.host.advance(self.pick(60, 4_000, 4_000), 300)
            self.poke(symbol)

    def target(self, account: bytes) -> tuple[bytes, str, str]:
        """A pair of an account."""
        debts, collaterals = self.held(account, True), self.held(account, False)
        return (
            account,
            self.token(self.symbol([symbol for symbol, _ in debts])),
            self.token(self.symbol([symbol for symbol, _ in collaterals])),
        )

    def wait(self) -> None:
        """Time passes, prices are told anew."""
        self.host.advance(self.pick(1, 60, 700, 4_000), self.pick(1, 1, 5))
        for name, answer in self.answers.items():
            if self.random.random() < 0.7:
                self.do("keeper", name, "set", answer)
        if self.random.random() < 0.5:
            words = [7, 10**9, self.host.now, self.host.now, 7]
            self.do("keeper", "source.HOOK.0", "set_words", words)
        for symbol in self.world.symbols:
            if self.random.random() < 0.3:
                self.poke(symbol)

    def script(self) -> None:
        """The attacker's calls in callbacks, and what the hook of a token calls."""
        calls = []
        for _ in range(self.pick(0, 1, 2)):
            leg = self.leg()
            function = interface_of("CreditEngine").function("batch", 2)
            data = function.encode(([leg if leg[0] < 64 else (DEPOSIT, *leg[1:])], b""))
            calls.append((self.engine, data, False))
        symbol = self.pick(*self.world.debts)
        function = interface_of("LendingVault").function("deposit", 2)
        data = function.encode((self.world.listings[symbol].unit, self.address("attacker")))
        calls.append((self.address(f"vault.{symbol}"), data, False))
        magic = keccak(text="ERC3156FlashBorrower.onFlashLoan")
        self.do("keeper", "attacker", "set_calls", calls, magic)
        target, data, _ = self.random.choice(calls)
        if self.random.random() < 0.5:
            execute = interface_of("FlashBorrowerMock").function("execute", 2)
            target, data = self.address("attacker"), execute.encode((target, data))
        self.do("keeper", "token.HOOK", "set_hook", target, data, self.pick(True, False))

    def lend(self) -> None:
        """What lenders and flash borrowers do beside."""
        symbol = self.pick(*self.world.debts)
        vault, unit = f"vault.{symbol}", self.world.listings[symbol].amount(10_000)
        who = self.pick("lender_1", "lender_2", "attacker")
        call = self.pick("deposit", "withdraw", "accrue", "flashLoan")
        if call == "deposit":
            self.do(who, vault, "deposit", unit, self.address(who))
        elif call == "withdraw":
            self.do(who, vault, "withdraw", unit, self.address(who), self.address(who))
        elif call == "accrue":
            self.do(who, vault, "accrue")
        else:
            attacker = self.address("attacker")
            self.do("attacker", vault, "flashLoan", attacker, self.token(symbol), unit, b"")

    def govern(self) -> None:
        """The owner, a timelock, sets a cap or a least debt."""
        symbol = self.pick(*self.world.debts)
        listing = self.world.listings[symbol]
        held = self.model.get("books", self.token(symbol)).held
        kind = self.random.random()
        if kind < 0.4:
            cap = self.pick(0, held, listing.amount(listing.cap), 2**128 - 1)
            self.order("configurator", "set_cap", self.token(symbol), cap)
        elif kind < 0.6:
            growth = self.pick(0, 1, 5, 100, 101)
            self.order("configurator", "set_growth", self.token(symbol), growth)
        elif kind < 0.8:
            depth = self.pick(0, 1, held // 10, MAX_UINT256)
            self.order("configurator", "set_depth", self.token(symbol), depth)
        else:
            least = listing.amount(self.pick(0, 100, 100, 1_000))
            self.order("configurator", "set_min_debt", self.token(symbol), least)

    def order(self, name: str, function: str, *args: Any) -> None:
        """Have the timelock make a call."""
        contract = self.world.contracts[name]
        data = interface_of(contract.NAME).function(function, len(args)).encode(args)
        salt = self.host.now.to_bytes(32, "big")
        call = contract.address, 0, data, bytes(32), salt
        self.do("governor", "timelock", "schedule", *call, DELAY)
        self.host.advance(DELAY, 300)
        self.do("keeper", "timelock", "execute", *call)

    def cap(self, asset: str, cap: int) -> None:
        """A cap, without a limit of growth, as genesis might have set it."""
        book = self.model.get("books", asset).limited(self.host.now, cap, 0)
        self.model.put(book, "books", asset)
        (word,) = self.model.words("books", (asset,))
        slot = self.comparison._slot("CreditEngine", word)
        self.host._evm.insert_account_storage(self.engine, slot, word.value)

    def reopen_genesis(self) -> None:
        """Nothing has steps any more."""
        model = self.model.chain.contracts[self.world.contracts["configurator"].address]
        model.put(0, "sealed_at")
        self.host._evm.insert_account_storage(model.address, slot("Configurator", "sealed_at"), 0)

    def look(self) -> None:
        """The views."""
        account, asset = self.account(), self.token(self.symbol(self.world.symbols))
        self.do("keeper", "engine", "words_of", account)
        self.do("keeper", "engine", "position_of", account)
        self.do("keeper", "engine", "book_of", asset)
        self.do("keeper", "engine", "book_word", asset)
        self.do("keeper", "engine", "debt_of", asset)
        self.do("keeper", "engine", "operator_of", account, self.address("operator"), asset)
        self.do("keeper", "engine", "is_nonce_used", self.address("borrower_1"), 128)
        self.do("keeper", "lens", "account", account)
        self.do("keeper", "lens", "health_factors", [account] * 3)
        self.do("keeper", "lens", "liquidation_price", account, asset)
        self.do("keeper", "lens", "max_borrow", account, asset)
        self.do("keeper", "lens", "max_deposit", account, asset)
        for action in (WITHDRAW, BORROW, MOVE, DEPOSIT):
            amount = self.pick(0, 10**6, 10**20, MAX_UINT256)
            self.do("keeper", "lens", "why_blocked", account, action, asset, amount)
        pair = self.target(account)
        self.do("keeper", "lens", "preview_liquidate", *pair, self.pick(10**8, MAX_UINT256))
        for about in ("quote", "config_of", "vault", "collateral"):
            self.do("keeper", "lens", about, asset)
        for getter in ("DOMAIN_SEPARATOR", "owner", "risk_engine", "is_unlocked"):
            self.do("keeper", "engine", getter)

    def play(self, steps: int) -> None:
        """That many random calls, and then every word."""
        kinds = [
            self.single, self.open, self.batch, self.grant, self.move_prices, self.crash, self.wait,
            self.script, self.lend, self.govern, self.look,
        ]  # fmt: skip
        for kind in self.random.choices(kinds, (35, 8, 25, 6, 4, 10, 4, 2, 4, 1, 1), k=steps):
            kind()
        assert self.comparison.everything() is None
        assert self.comparison.unknown() is None
