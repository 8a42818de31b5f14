"""What `ape console` offers beside ape's own names: the devnet's protocol, in a few short words."""

from __future__ import annotations

import atexit
import builtins
import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hexbytes import HexBytes

from breakwater import devnet, markets
from breakwater.actions.arguments import seconds_of
from breakwater.actions.overview import show_accounts, show_markets
from breakwater.actions.positions import position
from breakwater.actions.session import Session, load, resolve
from breakwater.driver import InsuranceFund, LendingVault
from breakwater.errors import UserError
from breakwater.units import MAX_UINT256, account_id

_HELP = """\
vault("USDC")  fund("USDC")  token("WETH")   contracts of an asset
engine  risk_engine  lens  configurator  breaker  timelock
                                             the others; a method that changes something takes
                                             sender=people["lender"], one that reads returns
people                                       addresses by label
account(0)  account(0, "lender")             id of an account, of the borrower where nobody is named
health()  health(1, "lender")                health factor of an account; None without debt
leverage()                                   exposure over equity; None without equity
position()  position(0, "lender")            all about an account
price("WETH")                                in USD
amount("1.5 WETH")  show(15 * 10**17, "WETH")
                                             units of a token, and back
markets()  everybody()                       all assets and vaults, all people
advance("2 h")                               moves the devnet's clock
help(x)                                      Python's own, of anything"""


def names() -> dict[str, Any]:
    """The names, over the devnet that runs. Where there is none, or nothing is deployed, each of
    them raises UserError, which says what to do, and so it is printed first.
    """
    try:
        node = contextlib.ExitStack()
        host = node.enter_context(devnet.connect())
        atexit.register(node.close)
        session = load(host, devnet.on_node(markets.load()), "TEST::3")
    except UserError as error:
        print(error)
        return dict.fromkeys(_Console.OFFERED, _Missing(str(error)))
    return _Console(session).names()


class _Missing:
    """Stands for every name where there is no devnet."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __call__(self, *_: object, **__: object) -> Any:
        print(self._why)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UserError(self._why)

    def __repr__(self) -> str:
        return self._why


class _Console:
    OFFERED = (
        "account", "advance", "amount", "breaker", "configurator", "engine", "everybody", "fund",
        "health", "help", "lens", "leverage", "markets", "people", "position", "price",
        "risk_engine", "show", "timelock", "token", "vault",
    )  # fmt: skip

    def __init__(self, session: Session) -> None:
        self._session = session
        protocol = session.protocol
        self.people = dict(protocol.accounts)
        self.engine = protocol.credit_engine
        self.risk_engine = protocol.risk_engine
        self.lens = protocol.lens
        self.configurator = protocol.configurator
        self.breaker = protocol.breaker
        self.timelock = protocol.timelock

    def names(self) -> dict[str, Any]:
        return {name: _said(getattr(self, name)) for name in self.OFFERED}

    def vault(self, symbol: str) -> LendingVault:
        """The vault that lends an asset."""
        found: LendingVault = self._session.vault(self._session.symbol(symbol))
        return found

    def fund(self, symbol: str) -> InsuranceFund:
        """The insurance fund of an asset's vault."""
        self.vault(symbol)
        found: InsuranceFund = self._session.protocol.funds[self._session.symbol(symbol)]
        return found

    def token(self, symbol: str) -> Any:
        """An asset's token."""
        return self._session.token(symbol)

    def account(self, number: int = 0, of: str = "borrower") -> bytes:
        """Id of an account."""
        return HexBytes(account_id(resolve(of, self._session.protocol.accounts), number))

    def health(self, number: int = 0, of: str = "borrower") -> Decimal | None:
        """Health factor; None without debt."""
        found = self.lens.account(self.account(number, of)).health.health_factor
        return None if found == MAX_UINT256 else Decimal(found).scaleb(-18)

    def leverage(self, number: int = 0, of: str = "borrower") -> Decimal | None:
        """Exposure over equity; None without equity."""
        found = self.lens.account(self.account(number, of)).leverage
        return None if found == MAX_UINT256 else Decimal(found).scaleb(-18)

    def position(self, number: int = 0, of: str = "borrower") -> None:
        """All about an account, printed."""
        position(self._session, of, number)

    def price(self, symbol: str) -> Decimal | None:
        """Of one whole token in USD; None where it has none."""
        found = self.lens.quote(self._session.token(symbol)).price
        return Decimal(found).scaleb(-18) if found else None

    def amount(self, text: str) -> int:
        """Units of a token, of an amount as it is written."""
        return self._session.amount(text).value

    def show(self, units: int, symbol: str) -> str:
        """An amount as it is written."""
        return self._session.show(units, self._session.symbol(symbol))

    def markets(self) -> None:
        """All assets and vaults, printed."""
        show_markets(self._session)

    def everybody(self) -> None:
        """All people, printed."""
        show_accounts(self._session)

    def advance(self, text: str) -> None:
        """Move the devnet's clock on."""
        self._session.host.advance(seconds_of(text))

    @staticmethod
    def help(*about: object) -> None:
        """These names; with an argument Python's own help."""
        if about:
            builtins.help(*about)
        else:
            print(_HELP)


def _said(offered: Any) -> Any:
    """A function whose mistakes are sentences rather than tracebacks; anything else as it is."""
    if not callable(offered):
        return offered

    def wrapped(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except UserError as error:
            print(error)
            return None

    function: Callable[..., Any] = offered
    wrapped.__doc__, wrapped.__name__ = function.__doc__, function.__name__
    return wrapped
