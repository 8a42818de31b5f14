"""Gas of every operation of a lender, a borrower and a liquidator, each as a whole transaction.

TERMS (those on which the peers were measured)
    Anvil at `prague`; `gasUsed` of the receipt, so the transaction's own cost and refunds included.
    Tokens are OpenZeppelin's 4.9.6 ERC-20 with 18 decimals, bytecode as published, approved without
    limit. One feed for each asset, a constant in its code. Other lenders and borrowers are there.
    Each operation is a repeated one: its actor has done it before, and every slot it writes holds
    something, but for the balance of the flash loan's receiver; its collateral was moved on that
    day before, and has a limit of growth. One hour of interest is due.
    The liquidation is a part of the debt, at an incentive above the tip, so that the insurance
    fund's part is paid too.
    A price check is what the risk engine takes to read an asset by its id, as a margin check does,
    beyond the transaction's own cost; every slot and feed is cold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.node import NodeHost
from breakwater import artifacts
from breakwater.abi import checksum
from breakwater.driver import (
    AssetConfig,
    BlendFeed,
    CircuitBreaker,
    Configurator,
    CreditEngine,
    InsuranceFund,
    LendingVault,
    MedianFeed,
    RiskEngine,
    VaultConfig,
)
from breakwater.errors import UserError
from breakwater.host import Receipt
from breakwater.mocks import ConstantFeedMock, FlashReceiverMock
from breakwater.model.chain import ZERO_ADDRESS as ZERO
from breakwater.model.vault_limits import WINDOW
from breakwater.units import HOUR, MAX_UINT256, WAD, account_id

TOKEN_JSON = "node_modules/@openzeppelin/contracts/build/contracts/ERC20PresetFixedSupply.json"
PRICE = 2_000 * 10**8
LOWER_PRICE = 1_902 * 10**8
"""4.9 % below: inside the jump band, enough for an account at its limit to be liquidated."""

ASSET = AssetConfig(
    source="",
    is_feed=False,
    max_age=86_400,
    min_price=WAD // 4,
    max_price=100_000 * WAD,
    jump_band=500,
    borrow_ltv=8_000,
    borrow_ltv_floor=6_000,
    liquidation_ltv=8_300,
    debt_weight=10_000,
    max_leverage=100_000,
    volatility_ref=400,
    volatility_slope=0,
    tip=100,
    incentive_min=100,
    incentive_max=800,
    incentive_slope=10_000,
    target_health=10_500,
    target_slope=80_000,
    closes_whole=False,
)
VAULT = VaultConfig(
    reserve_factor=1_000,
    target_utilization=9_000,
    steepness=40_000,
    adjustment_speed=500_000,
    initial_rate=400,
    min_rate=10,
    max_rate=20_000,
    flash_fee=0,
    min_adaptive_debt=WAD,
    deposit_cap=10**9 * WAD,
    debt_cap=10**9 * WAD,
    limit_floor=10**6 * WAD,
    outflow_limit=20,
    growth_limit=20,
)


@dataclass(frozen=True)
class Operation:
    """One line of the table: the budget, and what the peers take [gas]."""

    name: str
    title: str
    budget: int
    morpho: int | None
    comet: int | None
    aave: int | None
    euler: int | None


OPERATIONS = (
    Operation("deposit", "lender deposit", 76_000, 87_184, 82_876, 135_896, 135_441),
    Operation("withdraw", "lender withdraw", 75_000, 85_613, 78_538, 144_771, 133_693),
    Operation("add_collateral", "add collateral", 55_000, 54_049, 78_065, 135_908, 125_373),
    Operation("borrow_1", "borrow, 1 collateral", 98_000, 90_773, 96_342, 183_316, 173_897),
    Operation("borrow_3", "borrow, 3 collaterals", 122_000, None, 117_733, 227_487, 203_994),
    Operation(
        "withdraw_collateral", "withdraw with debt", 90_000, 88_129, 90_968, 177_414, 168_218
    ),
    Operation("repay", "repay", 76_000, 87_147, 81_225, 134_864, 147_325),
    Operation("liquidate", "liquidate, partial", 138_000, 111_421, 216_371, 281_855, 275_228),
    Operation("liquidate_fullest", "liquidate, 8 legs", 1_500_000, None, None, None, None),
    Operation("flash_loan", "flash loan", 56_000, 55_302, None, 138_052, 64_828),
    Operation("price_1", "price check, 1 source", 12_000, None, None, None, None),
    Operation("price_2", "price check, 2 sources", 20_000, None, None, None, None),
    Operation("leverage_open", "leverage, open", 270_000, None, None, None, None),
    Operation("leverage_raise", "leverage, raise", 230_000, None, None, None, None),
    Operation("leverage_lower", "leverage, lower", 240_000, None, None, None, None),
    Operation("leverage_close", "leverage, close", 225_000, None, None, None, None),
    Operation("leverage_swap_collateral", "swap of collateral", 245_000, None, None, None, None),
    Operation("leverage_swap_debt", "swap of debt", 285_000, None, None, None, None),
    Operation("order_execute", "order, stop-loss", 325_000, None, None, None, None),
)
LEVERAGE = tuple(
    operation.name for operation in OPERATIONS if operation.name.startswith(("leverage_", "order_"))
)
"""Measured with a router and pools, see `benchmarks.leverage`."""
PRECOMPILES = 0x11
"""The last address that runs no steps."""
CHECKS = ("price_1", "price_2")
"""Measured without the transaction's own cost."""


@dataclass
class Frame:
    """One call within a transaction, and the gas it spent itself, by what it was spent on."""

    depth: int
    contract: str
    function: str
    gas: int
    loads: int = 0
    stores: int = 0
    locks: int = 0
    logs: int = 0
    calls: int = 0
    """Access to the contracts it called, what they spent aside."""

    @property
    def logic(self) -> int:
        """Everything else: arithmetic, memory, dispatch."""
        return self.gas - self.loads - self.stores - self.locks - self.logs - self.calls


@dataclass(frozen=True)
class Measurement:
    """What one operation took."""

    gas: int
    frames: list[Frame]


class World:
    """A protocol with one vault and three collaterals, and people who have used it."""

    def __init__(self, host: NodeHost) -> None:
        self.host = host
        self.names: dict[str, str] = {}
        self.owner = host.account("owner")
        self.lender = host.account("lender")
        self.borrower = host.account("borrower")
        self.liquidator = host.account("liquidator")
        self.account = account_id(self.borrower, 1)
        self.account_3 = account_id(self.borrower, 3)
        self.doomed = account_id(self.borrower, 4)
        self._deploy()
        self._list()
        self._live()

    # ------------------------------------------------------------ what there is

    def _deploy(self) -> None:
        host, owner = self.host, self.owner
        breaker = CircuitBreaker.deploy(host, owner, host.account("guardian"), sender=owner)
        risk = RiskEngine.deploy(host, breaker, owner, ZERO, sender=owner)
        engine = CreditEngine.deploy(host, risk, owner, sender=owner)
        blend = host.deploy_blueprint(BlendFeed.artifact().bytecode, sender=owner)
        configurator = Configurator.deploy(host, engine, blend, WAD, owner, sender=owner)
        engine.transfer_ownership(configurator, sender=owner)
        risk.set_configurator(configurator, sender=owner)
        breaker.connect(risk, engine, sender=owner)
        self.breaker, self.risk, self.engine = breaker, risk, engine
        self.configurator = configurator

        path = artifacts.ROOT / TOKEN_JSON
        if not path.is_file():
            raise UserError("OpenZeppelin's contracts are not installed: run `make node`")
        self._token = json.loads(path.read_text(encoding="utf-8"))
        self.loan = self._new_token("Loan")
        self.collaterals = [self._new_token(f"Collateral {n}") for n in (1, 2, 3)]
        vault_args = (self.loan, engine, breaker, "Breakwater Loan", "bwLOAN", configurator)
        self.vault = LendingVault.deploy(host, *vault_args, sender=owner)
        self.fund = InsuranceFund.deploy(host, self.vault, "Fund", "fLOAN", sender=owner)
        self.receiver = FlashReceiverMock.deploy(host, self.loan, self.vault, sender=owner)
        for name in ("breaker", "risk", "engine", "vault", "receiver"):
            self.names[getattr(self, name).address] = name

    def _new_token(self, name: str) -> str:
        address = self.host.deploy_raw(
            self._token["abi"],
            self._token["bytecode"],
            (name, name[:1] + name[-1:], 10**12 * WAD, self.owner),
            sender=self.owner,
        )
        self.names[address] = "token"
        return address

    def _on_token(self, token: str, function: str, *args: Any, sender: str) -> None:
        self.host.transact(token, self._token["abi"], function, args, sender=sender)

    def _list(self) -> None:
        host, owner = self.host, self.owner
        self.feeds = []
        prices = {self.loan: 10**8, **dict.fromkeys(self.collaterals, PRICE)}
        for token, price in prices.items():
            feed = ConstantFeedMock.deploy(host, 8, price, sender=owner)
            self.names[feed.address] = "feed"
            self.feeds.append(feed)
            cap = 10**9 * WAD if token in self.collaterals else 0
            config = ASSET._replace(source=feed.address)
            self.configurator.list_asset(token, config, cap, False, ZERO, 0, sender=owner)
        sources = [ConstantFeedMock.deploy(host, 8, PRICE, sender=owner) for _ in range(2)]
        median = MedianFeed.deploy(host, sources, [86_400] * 2, 2, 100, False, "", sender=owner)
        self.medial = self._new_token("Medial")
        config = ASSET._replace(source=median.address, is_feed=True)
        self.configurator.list_asset(self.medial, config, 10**9 * WAD, False, ZERO, 0, sender=owner)
        self.names |= {median.address: "median", **{feed.address: "feed" for feed in sources}}
        for token in self.collaterals:
            self.configurator.set_growth(token, 10, sender=owner)
        self._on_token(self.loan, "approve", self.configurator.address, MAX_UINT256, sender=owner)
        self.configurator.open_vault(self.vault, self.fund, 1_000 * WAD, VAULT, sender=owner)
        self.configurator.list_debt(self.vault, 100 * WAD, sender=owner)
        self.breaker.add_vault(self.vault, sender=owner)

    # ------------------------------------------------------------ what was done before

    def _live(self) -> None:
        others = [self.host.account(f"other {n}") for n in (1, 2)]
        for actor in (self.lender, self.borrower, self.liquidator, *others):
            for token in (self.loan, *self.collaterals):
                self._on_token(token, "transfer", actor, 10**6 * WAD, sender=self.owner)
                spender = self.vault if token == self.loan else self.engine
                self._on_token(token, "approve", spender.address, MAX_UINT256, sender=actor)
        for other in others:
            self.vault.deposit(400_000 * WAD, other, sender=other)
            account = account_id(other)
            self.engine.deposit_collateral(account, self.collaterals[0], 100 * WAD, sender=other)
            self.engine.borrow(account, self.loan, 50_000 * WAD, other, sender=other)
        self.host.advance(HOUR)
        self.vault.deposit(300_000 * WAD, self.lender, sender=self.lender)
        self.vault.withdraw(100 * WAD, self.lender, self.lender, sender=self.lender)

        first, *_ = self.collaterals
        sender = self.borrower
        for account, tokens in (
            (self.account, [first]),
            (self.account_3, self.collaterals),
            (self.doomed, [first]),
        ):
            for token in tokens:
                amount = 100 * WAD if account == self.account else WAD
                self.engine.deposit_collateral(account, token, amount, sender=sender)
        self.engine.borrow(self.account, self.loan, 10_000 * WAD, sender, sender=sender)
        self.engine.repay(self.account, self.loan, 100 * WAD, sender=sender)
        self.engine.withdraw_collateral(self.account, first, WAD, sender, sender=sender)
        self.engine.borrow(self.account_3, self.loan, 3_600 * WAD, sender, sender=sender)
        self.engine.borrow(self.doomed, self.loan, 1_590 * WAD, sender, sender=sender)
        self.vault.flashLoan(self.receiver, self.loan, WAD, b"", sender=self.borrower)
        for token in (self.loan, *self.collaterals):
            self.host.advance(HOUR)
            self.breaker.poke(token, sender=self.owner)
        # an operation that opens a window of the limits is measured apart
        self.host.advance(WINDOW - self.host.now % WINDOW)
        self.vault.deposit(WAD, self.lender, sender=self.lender)
        for token in self.collaterals:
            self.engine.deposit_collateral(account_id(sender, 5), token, WAD, sender=sender)

    def crash(self) -> None:
        """The first collateral's feed answers less; it is noticed, and one liquidation is made."""
        lower = ConstantFeedMock.deploy(self.host, 8, LOWER_PRICE, sender=self.owner)
        self.host.set_code(self.feeds[1].address, self.host.code(lower.address))
        self.breaker.poke(self.collaterals[0], sender=self.owner)
        self.host.advance(HOUR)
        self.liquidate()

    # ------------------------------------------------------------ the operations

    def deposit(self) -> Receipt:
        return self.vault.deposit(100 * WAD, self.lender, sender=self.lender)

    def withdraw(self) -> Receipt:
        return self.vault.withdraw(100 * WAD, self.lender, self.lender, sender=self.lender)

    def add_collateral(self) -> Receipt:
        token, sender = self.collaterals[0], self.borrower
        return self.engine.deposit_collateral(self.account, token, WAD, sender=sender)

    def borrow_1(self) -> Receipt:
        sender = self.borrower
        return self.engine.borrow(self.account, self.loan, 100 * WAD, sender, sender=sender)

    def borrow_3(self) -> Receipt:
        sender = self.borrower
        return self.engine.borrow(self.account_3, self.loan, 100 * WAD, sender, sender=sender)

    def withdraw_collateral(self) -> Receipt:
        token, sender = self.collaterals[0], self.borrower
        return self.engine.withdraw_collateral(self.account, token, WAD, sender, sender=sender)

    def repay(self) -> Receipt:
        return self.engine.repay(self.account, self.loan, 100 * WAD, sender=self.borrower)

    def liquidate(self) -> Receipt:
        pair = (self.loan, self.collaterals[0])
        receiver, none = self.liquidator, bytes(32)
        return self.engine.liquidate(
            self.doomed, *pair, 20 * WAD, 0, receiver, none, b"", sender=self.liquidator
        )

    def flash_loan(self) -> Receipt:
        return self.vault.flashLoan(self.receiver, self.loan, 100 * WAD, b"", sender=self.borrower)

    def price_1(self) -> Receipt:
        return self._check(self.collaterals[0])

    def price_2(self) -> Receipt:
        return self._check(self.medial)

    def _check(self, token: str) -> Receipt:
        abi, id = RiskEngine.artifact().abi, self.risk.id_of(token)
        return self.host.transact(
            self.risk.address, abi, "check_listable", [id], sender=self.borrower
        )


def measure(
    host: NodeHost, breakdown: bool = False, done: Callable[[str], None] = lambda name: None
) -> dict[str, Measurement]:
    """Every operation by name, each from the same state; the fullest account has its own."""
    from benchmarks.fullest import FullestWorld
    from benchmarks.leverage import LeverageWorld

    worlds: dict[str, World] = {"": World(host), "liquidate_fullest": FullestWorld(host)}
    functions = _functions()
    start = host.snapshot()
    found = {}
    for operation in OPERATIONS:
        if operation.name == LEVERAGE[0]:
            # built when the others are done: what it does takes time, and opens windows
            worlds |= dict.fromkeys(LEVERAGE, LeverageWorld(host))
            start = host.snapshot()
        world = worlds.get(operation.name, worlds[""])
        if operation.name == "liquidate":
            world.crash()
        host.advance(HOUR)
        receipt: Receipt = getattr(world, operation.name)()
        assert receipt.gas_used is not None
        frames = _frames(host, receipt, world.names, functions) if breakdown else []
        gas = receipt.gas_used
        if operation.name in CHECKS:
            assert receipt.txn_hash is not None
            gas -= _intrinsic(host.trace(receipt.txn_hash)["input"])
            frames = frames[1:]
        found[operation.name] = Measurement(gas, frames)
        host.restore(start)
        done(operation.name)
    return found


def _frames(
    host: NodeHost, receipt: Receipt, names: dict[str, str], functions: dict[str, str]
) -> list[Frame]:
    """The transaction's own cost, each call in order, and what was refunded."""
    assert receipt.txn_hash is not None
    assert receipt.gas_used is not None
    steps, root = host.steps(receipt.txn_hash), host.trace(receipt.txn_hash)
    own = Frame(0, "transaction", "", _intrinsic(root["input"]))
    calls = _calls(root, names, functions)
    frames: list[Frame] = []
    path: list[Frame] = []
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step["depth"] > len(path):
            frames.append(next(calls))
            path.append(frames[-1])
        del path[step["depth"] :]
        op, cost = step["op"], int(step["gasCost"])
        if following is not None and following["depth"] > step["depth"]:
            cost -= int(following["gas"])
        frame = path[-1]
        frame.gas += cost
        if op == "SLOAD":
            frame.loads += cost
        elif op == "SSTORE":
            frame.stores += cost
        elif op in ("TLOAD", "TSTORE"):
            frame.locks += cost
        elif op.startswith("LOG"):
            frame.logs += cost
        elif op in ("CALL", "STATICCALL", "DELEGATECALL"):
            frame.calls += cost
    spent = own.gas + sum(frame.gas for frame in frames)
    return [own, *frames, Frame(0, "refund", "", receipt.gas_used - spent)]


def _calls(
    call: dict[str, Any], names: dict[str, str], functions: dict[str, str], depth: int = 1
) -> Iterator[Frame]:
    """Every call of a trace in order, with nothing spent yet."""
    selector = call.get("input", "0x")[:10]
    contract = names.get(checksum(call["to"]), "?")
    yield Frame(depth, contract, functions.get(selector, selector), 0)
    for child in call.get("calls", []):
        if int(child["to"], 16) > PRECOMPILES:
            yield from _calls(child, names, functions, depth + 1)


def _intrinsic(data: str) -> int:
    """What a transaction costs before its first instruction."""
    return 21_000 + sum(16 if byte else 4 for byte in bytes.fromhex(data[2:]))


def _functions() -> dict[str, str]:
    """Names of the project's functions by selector."""
    found = {"0xa9059cbb": "transfer", "0x23b872dd": "transferFrom"}
    for contract in (LendingVault, CreditEngine, RiskEngine, ConstantFeedMock, FlashReceiverMock):
        for signature, selector in contract.artifact().method_identifiers.items():
            found["0x" + selector[2:].rjust(8, "0")] = signature.split("(")[0]
    return found
