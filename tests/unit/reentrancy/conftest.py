"""A protocol whose collateral and whose debt asset are hostile, and one contract that may do all.

`actor` owns every contract, is the guardian, and holds accounts, vault shares and fund shares, so
that nothing but a lock stands between it and any function.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from eth_utils.crypto import keccak

from breakwater.driver import BlendFeed
from breakwater.evm import EvmHost
from breakwater.fuzz.slots import slot
from breakwater.host import interface_of
from breakwater.units import DAY, MAX_UINT256, RAY, WAD, account_id
from tests.vault_world import CONFIG, packed

PRICE = 2_000 * 10**8
WRITTEN = packed(CONFIG)
"""The configuration as a vault takes it."""
CALLBACK = keccak(text="ERC3156FlashBorrower.onFlashLoan")
WITHDRAW, BORROW = 2, 4
ZERO = "0x" + "00" * 20
_M112 = 2**112 - 1
_M104 = 2**104 - 1


class Answer(NamedTuple):
    """How a call ended: what it returned, or its revert data (512 bytes of it)."""

    ok: bool
    data: bytes

    @property
    def is_locked(self) -> bool:
        """A lock reverts without a reason; nothing else here does."""
        return not self.ok and self.data == b""


def encode(kind: str, function: str, *args: Any) -> bytes:
    return interface_of(kind).function(function, len(args)).encode(args)


class World:
    def __init__(self) -> None:
        self.host = host = EvmHost()
        self.maker = maker = host.account("maker")
        self.lender = host.account("lender")
        self.at: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        actor = self.make("actor", "CallerMock")
        self.make("borrower", "FlashBorrowerMock")
        for name in ("collateral", "debt", "new", "newer"):
            self.make(name, "HookTokenMock", name, "TKN", 18)
        feeds = ("collateral", PRICE), ("debt", 10**8), ("other", 10**8), ("spare", PRICE)
        for name, price in feeds:
            self.make(f"{name} feed", "AggregatorMock", 8, price)
        self.make("breaker", "CircuitBreaker", actor, actor)
        self.make("risk", "RiskEngine", self.at["breaker"], actor, ZERO)
        self.make("engine", "CreditEngine", self.at["risk"], actor)
        blend = host.deploy_blueprint(BlendFeed.artifact().bytecode, sender=maker)
        self.make("configurator", "Configurator", self.at["engine"], blend, 10**7 * WAD, actor)
        for name, token in (("vault", "debt"), ("new vault", "new")):
            args = (self.at[token], self.at["engine"], self.at["breaker"], name, "bw")
            self.make(name, "LendingVault", *args, actor)
            fund = "fund" if name == "vault" else "new fund"
            self.make(fund, "InsuranceFund", self.at[name], fund, "f")
        self._list()
        self.healthy, self.weak = (account_id(actor, number) for number in (1, 2))
        self.accounts = [self.healthy, self.weak, account_id(actor, 3), account_id(self.lender)]
        self._fill(maker)

    def make(self, name: str, kind: str, *args: Any) -> str:
        self.kinds[name] = kind
        self.at[name] = self.host.deploy(kind, *args, sender=self.maker)
        return self.at[name]

    # ------------------------------------------------------------ calls

    def data(self, name: str, function: str, *args: Any) -> bytes:
        return encode(self.kinds[name], function, *args)

    def by_actor(self, target: str, data: bytes) -> bytes:
        """Call data that makes the actor call `target`; it reverts with what the call did."""
        return encode("CallerMock", "run", [(target, data)])

    def act(self, name: str, function: str, *args: Any) -> Any:
        calls = [(self.at[name], self.data(name, function, *args))]
        return self.host.transact(self.at["actor"], "CallerMock", "run", [calls], sender=self.maker)

    def send(self, name: str, function: str, *args: Any, sender: str = "") -> Any:
        return self.host.transact(
            self.at[name], self.kinds[name], function, args, sender=sender or self.maker
        )

    def read(self, name: str, function: str, *args: Any) -> Any:
        return self.host.call(self.at[name], self.kinds[name], function, args)

    def attempt(self, name: str, data: bytes) -> Answer:
        """What would happen if the actor made this call now; nothing changes."""
        args = (self.at[name], data, 0)
        found = self.host.call(self.at["actor"], "CallerMock", "attempt", args, sender=self.maker)
        return Answer(found[0], found[1])

    def hook(self, token: str, target: str, data: bytes, after: bool) -> None:
        self.send(token, "set_hook", target, data, after)

    # ------------------------------------------------------------ setting up

    def asset_config(self, feed: str) -> tuple[Any, ...]:
        return (
            *(self.at[feed], False, 4_095 * 60, WAD // 100, 10**5 * WAD, 500),
            *(8_000, 6_000, 8_300, 10_000, 100_000, 400, 0),
            *(100, 100, 800, 10_000, 10_500, 80_000, False),
        )

    def _list(self) -> None:
        at = self.at
        self.make("receiver", "FlashReceiverMock", at["debt"], at["vault"])
        self.send("debt", "mint", at["receiver"], WAD)
        self.act("risk", "set_configurator", at["configurator"])
        self.act("engine", "transfer_ownership", at["configurator"])
        self.act("configurator", "set_steward", at["actor"])
        self.act("breaker", "connect", at["risk"], at["engine"])
        for name in ("collateral", "debt", "new"):
            feed = f"{name} feed" if name != "new" else "other feed"
            cap = 0 if name == "new" else 10**9 * WAD
            args = (at[name], self.asset_config(feed), cap, False, ZERO, 0)
            self.act("configurator", "list_asset", *args)
            for holder in (at["actor"], self.lender, at["borrower"]):
                self.send(name, "mint", holder, 10**6 * WAD)
            for spender in ("engine", "vault", "new vault"):
                self.act(name, "approve", at[spender], MAX_UINT256)
                self.send(name, "approve", at[spender], MAX_UINT256, sender=self.lender)
                approval = encode("TokenMock", "approve", at[spender], MAX_UINT256)
                self.send("borrower", "execute", at[name], approval)
        self.act("vault", "open", at["fund"], 1_000 * WAD, *WRITTEN)
        self.act("configurator", "list_debt", at["vault"], WAD)
        self.act("breaker", "add_vault", at["vault"])

    def _fill(self, maker: str) -> None:
        at, actor = self.at, self.at["actor"]
        self.send("vault", "deposit", 50_000 * WAD, self.lender, sender=self.lender)
        self.act("vault", "deposit", 50_000 * WAD, actor)
        self.act("vault", "approve", at["fund"], MAX_UINT256)
        self.act("fund", "deposit", 10_000 * WAD * 10**6, actor)
        self.act("fund", "request_exit", 1_000 * WAD * 10**6)
        self.host.advance(21 * DAY, 21)
        self.send("collateral feed", "set", PRICE)
        for name in ("debt feed", "other feed"):
            self.send(name, "set", 10**8)
        self.act("engine", "deposit_collateral", self.healthy, at["collateral"], 100 * WAD)
        self.act("engine", "borrow", self.healthy, at["debt"], 10_000 * WAD, actor)
        self.act("engine", "deposit_collateral", self.weak, at["collateral"], WAD)
        self.act("engine", "borrow", self.weak, at["debt"], 1_595 * WAD, actor)
        self.host.advance(60)
        self.send("collateral feed", "set", PRICE * 951 // 1_000)
        self.send("breaker", "poke", at["collateral"])
        # in a block of its own: no account raised its risk in it
        self.host.advance(60)
        self.start = self.host.snapshot()

    def crash(self) -> None:
        """From here on every account is under water."""
        self.send("collateral feed", "set", PRICE // 40)
        for _ in range(3):
            self.send("breaker", "poke", self.at["collateral"])
            self.host.advance(600)

    # ------------------------------------------------------------ books, by raw words

    def word(self, name: str, field: str, *keys: int) -> int:
        at = slot(self.kinds[name], field)
        for key in keys:
            at = int.from_bytes(keccak(at.to_bytes(32, "big") + key.to_bytes(32, "big")), "big")
        return self.host.storage(self.at[name], at)

    def legs(self, account: bytes) -> dict[int, int]:
        """Amounts by tag, from the account's four words."""
        first = keccak(slot("CreditEngine", "accounts").to_bytes(32, "big") + account)
        words = [
            self.host.storage(self.at["engine"], int.from_bytes(first, "big") + i) for i in range(4)
        ]
        count, found = (words[0] >> 244) & 15, {}
        for i in range(count):
            word = words[i // 2]
            found[word >> (208 + 8 * (i % 2)) & 255] = word >> (104 * (i % 2)) & _M104
        return found

    def check_books(self) -> None:
        """SOLV-1: custody. SOLV-2: assets cover claims. SOLV-3: sums."""
        books = self.word("vault", "_books")
        cash, debt_shares = books & _M112, books >> 112 & _M112
        tokens = self.word("debt", "balanceOf", int(self.at["vault"], 16))
        assert tokens >= cash, "SOLV-1: custody of the vault"
        held = [self.legs(account) for account in self.accounts]
        for name in ("collateral", "debt"):
            book = self.word("engine", "books", int(self.at[name], 16))
            total, tag = book & _M112, book >> 112 & 255
            assert total == sum(legs.get(tag, 0) for legs in held), "SOLV-3: collateral"
            tokens = self.word(name, "balanceOf", int(self.at["engine"], 16))
            assert tokens >= total, "SOLV-1: custody of the engine"
        word = self.word("engine", "debts", int(self.at["debt"], 16))
        tag = 128 | (word >> 160 & 255)
        assert debt_shares == sum(legs.get(tag, 0) for legs in held), "SOLV-3: debt"
        claims = self.word("vault", "_claims")
        holders = (self.at["actor"], self.lender, self.at["fund"], self.at["borrower"], self.maker)
        shares = sum(
            self.word("vault", "_balances", int(holder, 16)) & (2**128 - 1) for holder in holders
        )
        assert claims & (2**128 - 1) == shares, "SOLV-3: vault shares"
        debt = debt_shares * self.read("vault", "debt_index") // RAY
        assets = self.read("vault", "convertToAssets", shares) + self.read("vault", "fee_owed")
        assert cash + debt >= assets, "SOLV-2: assets cover claims"


@pytest.fixture(scope="session")
def the_world() -> World:
    return World()


@pytest.fixture
def world(the_world: World) -> World:
    """The same start for every test."""
    the_world.host.restore(the_world.start)
    return the_world
