"""The devnet's market on the chain in this process, with a memory of its blocks, for the keeper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from breakwater import deploy, markets
from breakwater.addresses import AddressBook
from breakwater.evm import EvmHost
from breakwater.host import Host, Log, Receipt
from breakwater.keeper.chain import Chain, Found
from breakwater.keeper.passes import Keeper, Seen
from breakwater.keeper.store import Store
from breakwater.units import MAX_UINT256, WAD, account_id


class RememberingHost(EvmHost):
    """Keeps the events of every block, as a node does. Restoring a snapshot forgets."""

    def __init__(self) -> None:
        self.past: list[tuple[int, int, Log]] = []
        super().__init__(block_per_transaction=True)
        self.sent: list[str] = []
        """Functions of the transactions that passed."""
        self.dies_after: str = ""
        """The function after which the caller is as good as killed."""

    def transact(self, *args: Any, **options: Any) -> Receipt:
        block, now = self.block, self.now
        receipt = super().transact(*args, **options)
        self.past += [(block, now, log) for log in receipt.logs]
        self.sent.append(args[2])
        if args[2] == self.dies_after:
            raise KeyboardInterrupt
        return receipt

    def restore(self, snapshot: int) -> None:
        super().restore(snapshot)
        self.past = [one for one in self.past if one[0] < self.block]


class RememberedChain(Chain):
    """What `RememberingHost` remembers. `branch` tells apart what was mined after a restore."""

    def __init__(self, host: RememberingHost) -> None:
        self.host: Host = host
        self._past = host
        self.branches: list[int] = []
        """Blocks from which on another branch was mined."""
        self.waiting = False

    def head(self) -> int:
        return self.host.block - 1

    def hash_of(self, block: int) -> str | None:
        if block > self.head():
            return None
        return f"{block} of branch {sum(block >= first for first in self.branches)}"

    def time_of(self, block: int) -> int:
        return next(time for number, time, _ in self._past.past if number == block)

    def events(
        self, first: int, last: int, contracts: dict[str, str], names: Sequence[str]
    ) -> Iterable[Found]:
        for position, (block, _, log) in enumerate(self._past.past):
            if first <= block <= last and log.address in contracts and log.name in names:
                yield Found(block, position, f"transaction in block {block}", log)

    def is_waiting(self, sender: str) -> bool:
        return self.waiting


class World:
    """The market, borrowers, and a keeper that may be started anew at any time."""

    def __init__(self) -> None:
        self.host = RememberingHost()
        self.chain = RememberedChain(self.host)
        market = markets.load()
        book = AddressBook.open(None, self.host, market.name)
        self.protocol: Any = deploy.deploy(self.host, market, book)
        deploy.fund_accounts(self.protocol, book)
        self.people = self.protocol.accounts
        self.sender = self.people["liquidator"]
        self.said: list[str] = []
        self.lend("USDC", 1_000_000)

    def token(self, symbol: str) -> Any:
        return self.protocol.tokens[symbol]

    def units(self, symbol: str, whole: float) -> int:
        return int(whole * 10 ** self.protocol.market.decimals(symbol))

    def lend(self, symbol: str, whole: float) -> None:
        lender, vault = self.people["lender"], self.protocol.vaults[symbol]
        self.token(symbol).mint(lender, self.units(symbol, whole), sender=lender)
        self.token(symbol).approve(vault, MAX_UINT256, sender=lender)
        vault.deposit(self.units(symbol, whole), lender, sender=lender)

    def borrow(self, number: int, debt: float, *, symbol: str = "USDC", **held: float) -> bytes:
        """An account of the borrower with collateral in whole tokens."""
        who, engine = self.people["borrower"], self.protocol.credit_engine
        account = account_id(who, number)
        for name, whole in held.items():
            amount = self.units(name, whole)
            self.token(name).mint(who, amount, sender=who)
            self.token(name).approve(engine, MAX_UINT256, sender=who)
            engine.deposit_collateral(account, self.token(name), amount, sender=who)
        engine.borrow(account, self.token(symbol), self.units(symbol, debt), who, sender=who)
        return account

    def price(self, symbol: str, dollars: float) -> None:
        """Every source at this price, and the others repeat theirs."""
        deployer = self.people["deployer"]
        self.protocol.refresh(sender=deployer)
        self.protocol.set_price(symbol, int(dollars * 100) * WAD // 100, sender=deployer)

    def keeper(self, store: Store, **settings: Any) -> Keeper:
        return Keeper(
            self.chain, store, self.protocol, self.sender, say=self.said.append, **settings
        )

    def look(self, store: Store, **settings: Any) -> Seen:
        """One pass of a keeper that was just started."""
        return self.keeper(store, **settings).run()

    def health(self, account: bytes) -> float:
        found: int = self.protocol.lens.account(account).health.health_factor
        return found / WAD

    def liquidations(self) -> list[Log]:
        """On the chain."""
        return [log for _, _, log in self.host.past if log.name == "Liquidate"]
