"""`World`: the market that the laboratory plays in, deployed on any host.

Everything a sequence can name is here: roles (people), contracts, and accounts. What was deployed
and called to set it up is recorded, so that the reference model can follow. The market is one of
`breakwater.fuzz.profiles`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from breakwater import artifacts, mocks
from breakwater.abi import AbiError, Function, checksum, created
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
    NavFeed,
    RiskEngine,
    SequencerFeed,
    Timelock,
    VaultConfig,
)
from breakwater.errors import UserError
from breakwater.fuzz import opening, periphery, pools, pricing
from breakwater.fuzz.observing import MockObserver
from breakwater.fuzz.profiles import (
    ACCOUNTS,
    DELAY,
    NEW_LIMIT,
    ROLES,
    RULES,
    VAULT,
    Listing,
)
from breakwater.fuzz.signing import sign_operator, sign_permit
from breakwater.fuzz.steps import Step, StepError
from breakwater.fuzz.tokens import market
from breakwater.host import Host, Log, Reverted, interface_of
from breakwater.observation.observer import Observer
from breakwater.units import DAY, account_id

ZERO = "0x" + "00" * 20

_ACCOUNT_NAME = re.compile(r"^(?P<owner>[a-z_0-9]+|backstop\.\w+)#(?P<number>\d{1,28})$")


@dataclass(frozen=True)
class Setup:
    """One deployment or call that the market was set up with."""

    kind: str
    """"deploy", "blueprint" or "call"."""
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


class NotListed(UserError):
    """A market that the contracts refuse to set up. `reason` is theirs."""

    def __init__(self, profile: str, step: Setup, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"there is no market {profile}: {step.name}.{step.function or 'constructor'} is "
            f"refused: {reason or 'without a reason'}"
        )


class World:
    """The deployed market. `compile` gives other artifacts than the project's own.

    UserError when there is no such profile; NotListed when one of its assets is refused.
    """

    def __init__(
        self,
        host: Host,
        profile: str = "default",
        compile: Callable[[str], Artifact] | None = None,
    ) -> None:
        self.host = host
        self.profile = profile
        self.listings = {listing.symbol: listing for listing in market(profile)}
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
        self._list_all()
        periphery.deploy(self)
        self._hand_over()
        opening.begin(self)

    # ------------------------------------------------------------ names

    @property
    def accounts(self) -> list[str]:
        """Names of the accounts that sequences use, and of those of the backstop pools."""
        numbers = range(len(self.listings) + 1)
        return [*ACCOUNTS, *(f"backstop.{one}#{n}" for one in self.pools for n in numbers)]

    @property
    def pools(self) -> list[str]:
        """Symbols of the debt assets that have a backstop pool."""
        return [listing.symbol for listing in self.listings.values() if listing.backstop]

    @property
    def swaps(self) -> dict[str, tuple[str, int]]:
        """By symbol, what a swap pool gives for it and its fee [millionths]."""
        return {one.symbol: one.swap for one in self.listings.values() if one.swap is not None}

    @property
    def has_periphery(self) -> bool:
        """Whether there are contracts beside the protocol."""
        return bool(self.pools or self.swaps)

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
        listing = self.listings[symbol]
        caps = {"deposit_cap": listing.cash * 3, "debt_cap": listing.cash * 2}
        amounts = {name: listing.amount(dollars) for name, dollars in caps.items()}
        floor = listing.amount(listing.cash // 4)
        return VAULT._replace(**amounts, limit_floor=floor, **listing.vault)

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
            if "constructor" in value:
                # text is text here: no constructor takes an account
                args = [
                    part if isinstance(part, str) and part[:1] not in "@0" else self._resolve(part)
                    for part in value["args"]
                ]
                try:
                    return interface_of(value["constructor"]).encode_constructor(args)
                except AbiError as error:
                    raise StepError(f"{value['constructor']}: {error}") from None
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
        return MockObserver(
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

    def _blueprint(self, kind: str) -> str:
        """Creation code of a contract, from `compile` where that was given; its address."""
        bytecode = (self._compile or artifacts.load)(kind).bytecode
        owner, now, block = self.roles["owner"], self.host.now, self.host.block
        address = self.host.deploy_blueprint(bytecode, sender=owner)
        self.record.append(Setup("blueprint", "", kind, address, "", (), owner, now, block))
        return address

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
        uptime = self._deploy("uptime", mocks.AggregatorMock, 0, 0)
        # up since two days ago
        self._do("uptime", "set_round", 1, 0, self.host.now - 2 * DAY, 1)
        sequencer = self._deploy("sequencer", SequencerFeed, uptime)
        risk = self._deploy("risk", RiskEngine, breaker, owner, sequencer)
        engine = self._deploy("engine", CreditEngine, risk, owner)
        blend = self._blueprint("BlendFeed")
        configurator = self._deploy("configurator", Configurator, engine, blend, NEW_LIMIT, owner)
        for nonce in range(1, 9):  # feeds that it may make
            self.host.register(created(configurator.address, nonce), "BlendFeed")
        self._deploy("lens", Lens, engine)
        self._deploy("timelock", Timelock, DELAY, [roles["governor"]], [ZERO], ZERO)
        self._deploy("attacker", mocks.FlashBorrowerMock)
        if any(listing.market for listing in self.listings.values()):
            self._deploy("nav.dollar", NavFeed, 10**18, roles["keeper"], pools.DOLLAR_AGE,
                         pools.NAV_GROWTH)  # fmt: skip
            for kind in pricing.FEEDS:
                pricing.deploy_factory(self, kind)
        self._do("risk", "set_configurator", configurator)
        for name in ("risk", "engine"):
            self._do(name, "transfer_ownership", configurator)
        self._do("breaker", "connect", risk, engine)

    def _list_all(self) -> None:
        """Raises NotListed."""
        try:
            for listing in self.listings.values():
                self._list(listing)
            if any(listing.market for listing in self.listings.values()):
                pricing.deploy_misfits(self)
            for listing in self.listings.values():
                if listing.cash:
                    self._open(listing)
        except Reverted as error:
            raise NotListed(self.profile, self.record[-1], error.reason) from None

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
        for function, args in listing.first:
            self._do(f"token.{symbol}", function, *self._resolve(args))
        if ("twin", ()) in listing.acts:
            self._deploy(f"token.{symbol}.twin", mocks.TwinTokenMock, token)
        config = {**RULES, **listing.rules}
        feed = pricing.feed_of(self, listing, token, config["max_age"])
        config["is_feed"] = not feed.NAME.endswith("Mock")
        # a new asset is valid up to four times its price at most
        rise = 10**5 if listing.listed else 3
        config.update(
            source=feed.address,
            min_price=max(dollars * 10**18 // 10**5, 10**9),
            max_price=min(dollars * 10**18 * rise, 10**28),
        )
        if not listing.rate_over:
            self._deploy(f"source.{symbol}.next", mocks.AggregatorMock, 8, dollars * 10**8)
        self.configs[symbol] = AssetConfig(**config)
        if listing.listed:
            cap = listing.amount(listing.cap)
            self._do(
                "configurator", "list_asset", token, self.configs[symbol], cap, listing.takes_fee,
                ZERO, 0,
            )  # fmt: skip
            if listing.supply_limit:
                self._do("breaker", "set_supply_limit", token, listing.supply_limit)
            if listing.growth:
                self._do("configurator", "set_growth", token, listing.growth)
            if listing.depth:
                self._do("configurator", "set_depth", token, listing.amount(listing.depth))

    def _open(self, listing: Listing) -> None:
        symbol, owner = listing.symbol, self.roles["owner"]
        token = self.contracts[f"token.{symbol}"]
        config = self.vault_config(symbol)
        vault = self._deploy(
            f"vault.{symbol}", LendingVault, token, self.contracts["engine"],
            self.contracts["breaker"], f"Breakwater {symbol}", f"bw{symbol}",
            self.contracts["configurator"],
        )  # fmt: skip
        fund = self._deploy(
            f"fund.{symbol}", InsuranceFund, vault, f"{symbol} fund", f"{symbol}-fund"
        )
        seed = listing.amount(1_000)
        self._do(f"token.{symbol}", "mint", owner, seed)
        self._do(f"token.{symbol}", "approve", self.contracts["configurator"], seed)
        self._do("configurator", "open_vault", vault, fund, seed, config)
        self._do("configurator", "list_debt", vault, listing.amount(listing.min_debt))
        self._do("breaker", "add_vault", vault)

    def _hand_over(self) -> None:
        timelock = self.contracts["timelock"]
        self._do("configurator", "set_steward", self.roles["steward"])
        self._do("configurator", "seal")
        for name in ("configurator", "breaker"):
            self._do(name, "transfer_ownership", timelock)


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
