"""`World`: the market that the laboratory plays in, deployed on any host.

Everything a sequence can name is here: roles (people), contracts, and accounts. What was deployed
and called to set it up is recorded, so that the reference model can follow.

    WETH    18 decimals  median of three volatile sources        collateral and debt
    USDC     6           median of two pegged sources            collateral and debt
    WBTC     8           one aggregator                          collateral and debt
    HOOK    18           calls out in transfers, a bad feed      collateral and debt
    wstETH  18           a rate over the feed of WETH            collateral
    ODD     12           takes a fee of 1 %, may block           collateral
    LATE     9           not listed yet

The profile "small" has WETH as collateral and USDC as debt, one aggregator each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from breakwater import mocks
from breakwater.abi import AbiError, Function, checksum
from breakwater.artifacts import Artifact
from breakwater.contract import Contract
from breakwater.driver import (
    AssetConfig,
    CircuitBreaker,
    Configurator,
    CreditEngine,
    InsuranceFund,
    LendingVault,
    Lens,
    MedianFeed,
    RateFeed,
    RiskEngine,
    Timelock,
    VaultConfig,
)
from breakwater.errors import UserError
from breakwater.fuzz.steps import Step, StepError
from breakwater.host import Host, Log, Reverted, interface_of
from breakwater.observation import NO_PRICE, Observer, Source, bits
from breakwater.units import MAX_UINT256, account_id

ZERO = "0x" + "00" * 20
NOTHING = bytes(32)

DELAY = 3_600
"""Of the timelock [s]."""

ROLES = (
    "owner",
    "governor",
    "guardian",
    "lender_1",
    "lender_2",
    "lender_3",
    "borrower_1",
    "borrower_2",
    "borrower_3",
    "operator",
    "liquidator_1",
    "liquidator_2",
    "staker",
    "keeper",
)
"""In this order: the first ten have keys of the development mnemonic and can sign."""

ACCOUNTS = (
    "borrower_1#0",
    "borrower_1#1",
    "borrower_1#2",
    "borrower_2#0",
    "borrower_2#1",
    "borrower_3#0",
    "borrower_3#1",
    "liquidator_1#0",
    "attacker#0",
    "attacker#1",
    "keeper#0",
)
"""Of the last one nothing is asked but to be credited with what is seized in trials."""

_RULES: dict[str, Any] = {
    "is_feed": False,
    "max_age": 86_400,
    "jump_band": 1_500,
    "borrow_ltv": 7_500,
    "borrow_ltv_floor": 5_500,
    "liquidation_ltv": 8_000,
    "debt_weight": 10_000,
    "max_leverage": 150_000,
    "volatility_ref": 400,
    "volatility_slope": 2_000,
    "tip": 50,
    "incentive_min": 100,
    "incentive_max": 800,
    "incentive_slope": 10_000,
    "target_health": 10_500,
    "target_slope": 5_000,
    "closes_whole": False,
}

_VAULT = VaultConfig(
    reserve_factor=1_000,
    target_utilization=9_000,
    steepness=40_000,
    adjustment_speed=50,
    initial_rate=400,
    min_rate=10,
    max_rate=20_000,
    flash_fee=0,
    min_adaptive_debt=0,
)


@dataclass(frozen=True)
class Listing:
    """An asset of a profile. Amounts of dollars; 0: not lent, or no collateral."""

    symbol: str
    decimals: int
    dollars: int
    token: str = "TokenMock"
    sources: tuple[str, ...] = ("AggregatorMock",)
    pegged: bool = False
    band: int = 200
    rate_over: str = ""
    cap: int = 10_000_000
    cash: int = 0
    min_debt: int = 100
    listed: bool = True
    takes_fee: bool = False
    rules: Mapping[str, Any] = field(default_factory=dict)
    vault: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unit(self) -> int:
        """The smallest units in one token."""
        return 10**self.decimals

    def amount(self, dollars: int) -> int:
        """Token units worth that at the first price."""
        return dollars * self.unit // self.dollars


_AGGREGATORS = ("AggregatorMock",) * 3

PROFILES: dict[str, tuple[Listing, ...]] = {
    "default": (
        Listing(
            "WETH", 18, 2_000, sources=_AGGREGATORS, cash=1_000_000,
            vault={"flash_fee": 0, "adjustment_speed": 0},
        ),
        Listing(
            "USDC", 6, 1, sources=_AGGREGATORS[:2], pegged=True, band=100, cash=2_000_000,
            rules={"jump_band": 500, "borrow_ltv": 7_700, "borrow_ltv_floor": 7_700,
                   "volatility_slope": 0},
            vault={"flash_fee": 5, "reserve_factor": 2_000},
        ),
        Listing(
            "WBTC", 8, 50_000, cash=1_000_000,
            rules={"borrow_ltv": 7_000, "borrow_ltv_floor": 7_000, "volatility_slope": 0,
                   "closes_whole": True, "debt_weight": 10_500},
        ),
        Listing(
            "HOOK", 18, 10, token="HookTokenMock", sources=("BadFeedMock",), cash=500_000,
            rules={"borrow_ltv": 5_000, "borrow_ltv_floor": 4_000, "liquidation_ltv": 6_000,
                   "jump_band": 6_000, "max_leverage": 30_000, "target_slope": 0},
            vault={"flash_fee": 9, "min_adaptive_debt": 10**21},
        ),
        Listing("wstETH", 18, 2_000, token="StakedTokenMock", sources=(), rate_over="WETH"),
        Listing(
            "ODD", 12, 3, token="OddTokenMock", takes_fee=True, cap=1_000_000,
            rules={"borrow_ltv": 4_000, "borrow_ltv_floor": 4_000, "liquidation_ltv": 5_000,
                   "volatility_slope": 0},
        ),
        Listing("LATE", 9, 5, listed=False),
    ),
    "small": (
        Listing("WETH", 18, 2_000, rules={"jump_band": 6_000}),
        Listing("USDC", 6, 1, cash=2_000_000, cap=0, rules={"jump_band": 6_000}),
    ),
}  # fmt: skip

_WEALTH = 2_000_000
"""Dollars of each asset that everyone starts with; the keeper, who tries things out, has more."""

_SIGNERS = ROLES[:10]
_PERMIT = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"

_ACCOUNT_NAME = re.compile(r"^(?P<owner>[a-z_0-9]+)#(?P<number>\d{1,28})$")


@dataclass(frozen=True)
class Setup:
    """One deployment or call that the market was set up with."""

    kind: str
    """"deploy" or "call"."""
    name: str
    """Of the contract in the world."""
    contract: str
    """Name of its artifact."""
    address: str
    function: str
    """Empty for a deployment."""
    args: tuple[Any, ...]
    """With addresses as text."""
    sender: str
    """Address."""
    now: int
    block: int


@dataclass(frozen=True)
class Result:
    """What a call did."""

    reason: str | None
    """Why it was refused; None when it was not."""
    value: Any = None
    logs: tuple[Log, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether it was not refused."""
        return self.reason is None


class World:
    """The deployed market. `compile` gives other artifacts than the project's own."""

    def __init__(
        self,
        host: Host,
        profile: str = "default",
        compile: Callable[[str], Artifact] | None = None,
    ) -> None:
        if profile not in PROFILES:
            raise UserError(f"there is no profile {profile}: {', '.join(PROFILES)}")
        self.host = host
        self.profile = profile
        self.listings = {listing.symbol: listing for listing in PROFILES[profile]}
        self.roles: dict[str, str] = {}
        self.contracts: dict[str, Contract] = {}
        self.record: list[Setup] = []
        """Every deployment and call of the set-up, in order."""
        self.configs: dict[str, AssetConfig] = {}
        """Rules of each asset as it was listed, or would be."""
        self._compile = compile
        self._names: dict[str, str] = {}
        self._ids: dict[str, bytes] = {}
        for role in ROLES:
            address = host.account(role)
            self.roles[role] = address
            self._names[address] = role
        self._deploy_protocol()
        for listing in self.listings.values():
            self._list(listing)
        for listing in self.listings.values():
            if listing.cash:
                self._open(listing)
        self._hand_over()
        self._spread()
        self._begin()

    # ------------------------------------------------------------ names

    @property
    def accounts(self) -> list[str]:
        """Names of the accounts that sequences use."""
        return list(ACCOUNTS)

    @property
    def symbols(self) -> list[str]:
        """Of the assets that are listed from the start, in order of their ids."""
        return [listing.symbol for listing in self.listings.values() if listing.listed]

    @property
    def debts(self) -> list[str]:
        """Symbols of the assets that have a vault."""
        return [listing.symbol for listing in self.listings.values() if listing.cash]

    @property
    def collaterals(self) -> list[str]:
        """Symbols of the assets that may be held."""
        return [one.symbol for one in self.listings.values() if one.listed and one.cap]

    def vault_config(self, symbol: str) -> VaultConfig:
        """Configuration that a vault was opened with."""
        return _VAULT._replace(**self.listings[symbol].vault)

    def address(self, name: str) -> str:
        """Of a role or a contract. StepError when there is none."""
        found = self.roles.get(name)
        if found is None:
            contract = self.contracts.get(name)
            if contract is None:
                raise StepError(f"the market has no {name}")
            found = contract.address
        return found

    def name(self, address: str) -> str:
        """Of an address in any writing; the address itself when it has none."""
        address = checksum(address)
        return self._names.get(address, address)

    def account(self, name: str) -> bytes:
        """The account called "borrower_1#2"."""
        found = self._ids.get(name)
        if found is None:
            match = _ACCOUNT_NAME.match(name)
            if match is None:
                raise StepError(f"no account: {name}")
            owner = self.address(match["owner"])
            found = self._ids[name] = account_id(owner, int(match["number"]))
        return found

    def account_name(self, account: bytes) -> str:
        """What `account` calls it."""
        owner = self.name(checksum(account[:20]))
        return f"{owner}#{int.from_bytes(account[20:], 'big')}"

    # ------------------------------------------------------------ steps

    def resolve(self, step: Step) -> tuple[str, str, str, tuple[Any, ...]]:
        """Sender, target, function and arguments of a step, every name resolved.

        The sender is who the target sees: a contract that calls is the sender itself. A `permit`
        with four arguments is signed here, with the nonce that its owner has now.
        """
        sender = self.address(step.sender)
        target = self.address(step.target)
        args = tuple(self._resolve(arg) for arg in step.args)
        if step.function == "permit" and len(args) == 4:
            args = (*args, *self._sign_permit(step.target, args))
        elif step.function == "set_operator_by_signature" and len(args) == 8:
            args = (*args, self._sign_operator(step.target, args))
        return sender, target, step.function, args

    def encode(self, step: Step) -> tuple[str, str, bytes]:
        """Address of who sends the transaction, its target, and its call data.

        A step of a contract is sent by the keeper, through the contract's `execute`.
        """
        sender, target, _, _ = self.resolve(step)
        data = self._call_data(step)
        if step.sender in self.contracts:
            execute = interface_of(self.contracts[step.sender].NAME).function("execute", 2)
            return self.roles["keeper"], sender, execute.encode((target, data))
        return sender, target, data

    def run(self, step: Step) -> Result:
        """Let the time of the step pass and make its call."""
        if step.wait or step.blocks:
            self.host.advance(step.wait, step.blocks)
        sender, target, function, args = self.resolve(step)
        contract = self.contracts.get(step.target)
        if contract is None:
            raise StepError(f"{step.target} is no contract")
        try:
            if step.sender in self.contracts:
                caller = self.contracts[step.sender]
                codec = self._codec(step, len(args))
                receipt = self.host.transact(
                    caller.address,
                    caller.NAME,
                    "execute",
                    (target, _encoded(step, codec, args)),
                    sender=self.roles["keeper"],
                )
                value = _decoded(lambda: codec.decode(receipt.value))
            else:
                receipt = self.host.transact(target, contract.NAME, function, args, sender=sender)
                value = _decoded(lambda: receipt.value)
        except Reverted as error:
            return Result(error.reason)
        except AbiError as error:
            raise StepError(f"{step.target}.{error}") from None
        return Result(None, value, tuple(receipt.logs))

    def decoded(self, step: Step, result: Result) -> Result:
        """A result whose value a calling contract handed on as bytes, as `run` gives it."""
        if step.sender not in self.contracts or not isinstance(result.value, bytes):
            return result
        codec, data = self._codec(step, len(step.args)), result.value
        return replace(result, value=_decoded(lambda: codec.decode(data)))

    def _codec(self, step: Step, count: int) -> Function:
        if step.target not in self.contracts:
            raise StepError(f"{step.target} is no contract")
        try:
            return interface_of(self.contracts[step.target].NAME).function(step.function, count)
        except AbiError as error:
            raise StepError(f"{step.target}: {error}") from None

    def _call_data(self, step: Step) -> bytes:
        _, _, _, args = self.resolve(step)
        return _encoded(step, self._codec(step, len(args)), args)

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, str):
            if value.startswith("@"):
                return self.address(value[1:])
            if value.startswith("0x"):
                return _from_hex(value)
            return self.account(value)
        if isinstance(value, list | tuple):
            return [self._resolve(part) for part in value]
        if isinstance(value, dict):
            if "call" in value:
                inner = value["call"]
                step = inner if isinstance(inner, Step) else Step.from_json(inner)
                return self._call_data(step)
            return self.host.now + int(value["now"])
        return value

    def _sign_operator(self, engine: str, args: Sequence[Any]) -> bytes:
        contract = self.contracts[engine]
        separator = self.host.call(contract.address, contract.NAME, "DOMAIN_SEPARATOR", ())
        return sign_operator(self.name(checksum(args[0][:20])), separator, args)

    def _sign_permit(self, vault: str, args: Sequence[Any]) -> tuple[int, bytes, bytes]:
        contract = self.contracts[vault]
        nonce = self.host.call(contract.address, contract.NAME, "nonces", (args[0],))
        separator = self.host.call(contract.address, contract.NAME, "DOMAIN_SEPARATOR", ())
        return sign_permit(
            self.name(args[0]), separator, (args[0], args[1], args[2], nonce, args[3])
        )

    # ------------------------------------------------------------ observing

    def observer(self) -> Observer:
        """Reads every asset, vault and account of the market."""
        return _Observer(
            self,
            self.host,
            engine=CreditEngine.at(self.host, self.contracts["engine"].address),
            risk=RiskEngine.at(self.host, self.contracts["risk"].address),
            breaker=CircuitBreaker.at(self.host, self.contracts["breaker"].address),
            vaults=[
                LendingVault.at(self.host, self.contracts[f"vault.{symbol}"].address)
                for symbol in self.debts
            ],
            assets=[self.contracts[f"token.{symbol}"].address for symbol in self.symbols],
            accounts=[self.account(name) for name in self.accounts],
        )

    # ------------------------------------------------------------ deployment

    def _deploy(self, name: str, kind: type[Contract], *args: Any) -> Any:
        """Deploy a contract as the owner, from `compile` where that was given."""
        host, sender = self.host, self.roles["owner"]
        plain = tuple(_plain(arg) for arg in args)
        self._note("deploy", name, kind, "", "", plain, sender)
        if self._compile is None:
            address = host.deploy(kind.NAME, *plain, sender=sender)
        else:
            artifact = self._compile(kind.NAME)
            address = host.deploy_raw(artifact.abi, artifact.bytecode, plain, sender=sender)
        self.record[-1] = Setup(**{**vars(self.record[-1]), "address": address})
        contract = kind.at(host, address)
        self.contracts[name] = contract
        self._names[contract.address] = name
        return contract

    def _do(self, name: str, function: str, *args: Any, sender: str = "owner") -> Any:
        """A call of the set-up; a contract may be the sender."""
        contract = self.contracts[name]
        plain = tuple(_plain(arg) for arg in args)
        caller = self.address(sender)
        self._note("call", name, type(contract), contract.address, function, plain, caller)
        if sender in self.contracts:
            codec = interface_of(contract.NAME).function(function, len(plain))
            return self.host.transact(
                caller,
                self.contracts[sender].NAME,
                "execute",
                (contract.address, codec.encode(plain)),
                sender=self.roles["keeper"],
            )
        return self.host.transact(contract.address, contract.NAME, function, plain, sender=caller)

    def _note(
        self,
        kind: str,
        name: str,
        contract: type[Contract],
        address: str,
        function: str,
        args: tuple[Any, ...],
        sender: str,
    ) -> None:
        now, block = self.host.now, self.host.block
        self.record.append(
            Setup(kind, name, contract.NAME, address, function, args, sender, now, block)
        )

    def _deploy_protocol(self) -> None:
        owner, roles = self.roles["owner"], self.roles
        breaker = self._deploy("breaker", CircuitBreaker, owner, roles["guardian"])
        risk = self._deploy("risk", RiskEngine, breaker, owner)
        configurator = self._deploy("configurator", Configurator, risk, owner)
        engine = self._deploy("engine", CreditEngine, risk, owner)
        self._deploy("lens", Lens, engine)
        self._deploy("timelock", Timelock, DELAY, [roles["governor"]], [ZERO], ZERO)
        self._deploy("attacker", mocks.FlashBorrowerMock)
        self._do("risk", "set_configurator", configurator)
        self._do("breaker", "connect", risk, engine)

    def _list(self, listing: Listing) -> None:
        symbol, dollars = listing.symbol, listing.dollars
        names = {"wstETH": "Wrapped staked ether"}
        kind = getattr(mocks, listing.token)
        if listing.rate_over:
            base = self.contracts[f"token.{listing.rate_over}"]
            token = self._deploy(f"token.{symbol}", kind, names.get(symbol, symbol), symbol, base)
            self._do(f"token.{symbol}", "set_rate", 10**18)
        else:
            token = self._deploy(f"token.{symbol}", kind, symbol, symbol, listing.decimals)
        if listing.takes_fee:
            self._do(f"token.{symbol}", "set_odds", 1, 100, False, False)
        sources = []
        for index, source in enumerate(listing.sources):
            name = f"source.{symbol}.{index}"
            if source == "BadFeedMock":
                sources.append(self._deploy(name, mocks.BadFeedMock, 8))
                now = self.host.now
                self._do(name, "set_words", [1, dollars * 10**8, now, now, 1])
            else:
                sources.append(self._deploy(name, mocks.AggregatorMock, 8, dollars * 10**8))
        config = {**_RULES, **listing.rules}
        if listing.rate_over:
            feed = self._deploy(
                f"feed.{symbol}", RateFeed, token, self.contracts[f"feed.{listing.rate_over}"],
                1_000,
            )  # fmt: skip
            config["is_feed"] = True
        elif len(sources) > 1:
            feed = self._deploy(
                f"feed.{symbol}", MedianFeed, sources, [config["max_age"]] * len(sources), 1,
                listing.band, listing.pegged, symbol,
            )  # fmt: skip
            config["is_feed"] = True
        else:
            feed = sources[0]
        config.update(
            source=feed.address,
            min_price=max(dollars * 10**18 // 10**5, 10**9),
            max_price=min(dollars * 10**18 * 10**5, 10**28),
        )
        self.configs[symbol] = AssetConfig(**config)
        if listing.listed:
            self._do("configurator", "list_asset", token, self.configs[symbol])
            if listing.cap:
                cap = listing.amount(listing.cap)
                self._do("engine", "list_collateral", token, cap, listing.takes_fee)

    def _open(self, listing: Listing) -> None:
        symbol, owner = listing.symbol, self.roles["owner"]
        token = self.contracts[f"token.{symbol}"]
        config = self.vault_config(symbol)
        vault = self._deploy(
            f"vault.{symbol}", LendingVault, token, self.contracts["engine"],
            self.contracts["breaker"], f"Breakwater {symbol}", f"bw{symbol}", config, owner,
        )  # fmt: skip
        fund = self._deploy(
            f"fund.{symbol}", InsuranceFund, vault, f"{symbol} fund", f"{symbol}-fund"
        )
        seed = listing.amount(1_000)
        self._do(f"token.{symbol}", "mint", owner, seed)
        self._do(f"token.{symbol}", "approve", vault, seed)
        self._do(
            f"vault.{symbol}", "open", fund, seed,
            listing.amount(listing.cash * 3), listing.amount(listing.cash * 2),
        )  # fmt: skip
        self._do("engine", "list_debt", vault, listing.amount(listing.min_debt))
        self._do("breaker", "add_vault", vault)

    def _hand_over(self) -> None:
        timelock = self.contracts["timelock"]
        for name in ("configurator", "risk", "engine", "breaker"):
            self._do(name, "transfer_ownership", timelock)
        for symbol in self.debts:
            self._do(f"vault.{symbol}", "transfer_ownership", timelock)

    def _spread(self) -> None:
        """Tokens for everyone, and the approvals that let sequences begin at once."""
        actors = [role for role in ROLES if role not in ("owner", "governor", "guardian")]
        for symbol, listing in self.listings.items():
            token = f"token.{symbol}"
            for actor in (*actors, "attacker"):
                dollars = _WEALTH * 1_000 if actor == "keeper" else _WEALTH
                self._do(token, "mint", self.address(actor), listing.amount(dollars))
                self._do(token, "approve", self.contracts["engine"], MAX_UINT256, sender=actor)
                if listing.cash:
                    vault = self.contracts[f"vault.{symbol}"]
                    self._do(token, "approve", vault, MAX_UINT256, sender=actor)
        for symbol in self.debts:
            fund = self.contracts[f"fund.{symbol}"]
            for actor in ("lender_1", "staker", "attacker"):
                self._do(f"vault.{symbol}", "approve", fund, MAX_UINT256, sender=actor)

    def _begin(self) -> None:
        """First deposits, stakes and loans."""
        for symbol in self.debts:
            listing = self.listings[symbol]
            for lender, part in (("lender_1", 50), ("lender_2", 30), ("staker", 5)):
                amount = listing.amount(listing.cash * part // 100)
                self._do(f"vault.{symbol}", "deposit", amount, self.roles[lender], sender=lender)
            stake = listing.amount(listing.cash // 50) * 10**6
            self._do(f"fund.{symbol}", "deposit", stake, self.roles["staker"], sender="staker")
        if self.profile == "small":
            self._hold("borrower_1#0", WETH=20_000)
            self._owe("borrower_1#0", USDC=10_000)
        else:
            self._hold("borrower_1#0", WETH=20_000)
            self._owe("borrower_1#0", USDC=8_000)
            self._hold("borrower_1#1", ODD=15_000, HOOK=10_000)
            self._owe("borrower_1#1", USDC=3_000)
            self._hold("borrower_2#0", WBTC=50_000, wstETH=10_000)
            self._owe("borrower_2#0", WETH=20_000, HOOK=2_000)
            self._hold("borrower_2#1", HOOK=5_000, WETH=1_000)
            self._owe("borrower_2#1", USDC=2_800)
            self._hold("borrower_3#0", USDC=20_000)
            self._owe("borrower_3#0", WBTC=8_000)
            self._hold("attacker#0", WETH=10_000, USDC=5_000)
            self._owe("attacker#0", USDC=2_000)
        self.host.advance(12, 1)

    def _hold(self, account: str, **dollars: int) -> None:
        owner = account.split("#")[0]
        for symbol, worth in dollars.items():
            self._do(
                "engine", "deposit_collateral", self.account(account),
                self.contracts[f"token.{symbol}"], self.listings[symbol].amount(worth),
                sender=owner,
            )  # fmt: skip

    def _owe(self, account: str, **dollars: int) -> None:
        owner = account.split("#")[0]
        for symbol, worth in dollars.items():
            self._do(
                "engine", "borrow", self.account(account), self.contracts[f"token.{symbol}"],
                self.listings[symbol].amount(worth), self.address(owner), sender=owner,
            )  # fmt: skip


class _Observer(Observer):
    """Reads the mocks by their storage: one of them may burn all gas when it is called."""

    def __init__(self, world: World, host: Host, **parts: Any) -> None:
        self._bad = {
            contract.address.lower()
            for contract in world.contracts.values()
            if isinstance(contract, mocks.BadFeedMock)
        }
        super().__init__(host, **parts)

    def _source(self, rule: int, now: int) -> Source:
        if bits(rule, 172, 5) == 31:
            return super()._source(rule, now)
        address = "0x" + (rule & (2**160 - 1)).to_bytes(20, "big").hex()
        storage = self.host.storage
        if address in self._bad:
            if storage(address, BAD_MODE):
                return NO_PRICE
            words = [storage(address, BAD_WORDS + i) for i in range(5)]
            round_id, answer, updated_at, answered_in = words[0], words[1], words[3], words[4]
        else:
            round_id, answer, updated_at, answered_in = (
                storage(address, AGGREGATOR_ROUND + i) for i in range(4)
            )
        return aggregator_source(rule, now, round_id, answer, updated_at, answered_in)


# Slots of the mocks, in the order of their variables.
AGGREGATOR_ROUND = 1
BAD_MODE, BAD_WORDS = 0, 1


def aggregator_source(
    rule: int, now: int, round_id: int, answer: int, updated_at: int, answered_in: int
) -> Source:
    """What an aggregator with these words is to the asset with that rule; see `aggregator`."""
    most = 2**80 - 1
    if (
        not 0 < answer < 2**128
        or not round_id <= answered_in <= most
        or not 0 < updated_at <= now
        or now - updated_at > bits(rule, 160, 12) * 60
    ):
        return NO_PRICE
    decimals = bits(rule, 172, 5)
    price = answer * 10 ** (18 - decimals) if decimals <= 18 else answer // 10 ** (decimals - 18)
    upper = bits(rule, 243, 7)
    if price >> (upper - (rule >> 250)) == 0 or price >> upper != 0:
        return NO_PRICE
    return Source(price, price, price, updated_at, 1)


def sign_permit(
    role: str, separator: bytes, message: tuple[str, str, int, int, int]
) -> tuple[int, bytes, bytes]:
    """v, r, s of a role that has a key over owner, spender, value, nonce, deadline.

    Others sign nothing: zeros, which no contract may take for a signature.
    """
    kind = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    raw = _signed(role, separator, kind, message)
    return raw[64], raw[:32], raw[32:64]


def sign_operator(role: str, separator: bytes, message: Sequence[Any]) -> bytes:
    """r, s, v of a role that has a key over the fields of SetOperator; zeros of another."""
    kind = (
        "SetOperator(bytes32 account,address operator,address asset,uint256 actions,"
        "uint256 amount,uint256 expiry,uint256 nonce,uint256 deadline)"
    )
    return _signed(role, separator, kind, message)


def _signed(role: str, separator: bytes, kind: str, message: Sequence[Any]) -> bytes:
    """r, s, v over an EIP-712 message of words."""
    if role not in _SIGNERS:
        return bytes(64) + b"\x1b"
    from eth_utils.crypto import keccak

    struct = keccak(text=kind) + b"".join(_word(part) for part in message)
    digest = keccak(b"\x19\x01" + separator + keccak(struct))
    raw = _key(_SIGNERS.index(role)).sign_recoverable(digest, hasher=None)
    return bytes(raw[:64]) + bytes([27 + raw[64]])


def _word(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    number = int(value, 16) if isinstance(value, str) else value
    return int(number).to_bytes(32, "big")


_keys: dict[int, Any] = {}


def _key(index: int) -> Any:
    """A key of the well-known development mnemonic."""
    if index not in _keys:
        from coincurve import PrivateKey
        from eth_account import Account

        Account.enable_unaudited_hdwallet_features()
        account = Account.from_mnemonic(
            "test test test test test test test test test test test junk",
            account_path=f"m/44'/60'/0'/0/{index}",
        )
        _keys[index] = PrivateKey(bytes(account.key))
    return _keys[index]


def _decoded(decode: Callable[[], Any]) -> Any:
    """What a call returned; None where it is not what the interface says, as odd tokens do."""
    try:
        return decode()
    except Exception:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Contract):
        return value.address
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value


def _from_hex(text: str) -> Any:
    """An address as text, anything else as bytes."""
    try:
        return text if len(text) == 42 else bytes.fromhex(text[2:])
    except ValueError:
        raise StepError(f"not bytes: {text}") from None


def _encoded(step: Step, codec: Function, args: Sequence[Any]) -> bytes:
    try:
        return codec.encode(args)
    except AbiError as error:
        raise StepError(f"{step.target}.{error}") from None
