"""What lenders, borrowers, liquidators and guardians do from the command line: `ape run NAME`.

The commands in `scripts/` only name their arguments; what they do and say is here. Each runs in a
process of its own against the protocol in the address book. Whatever goes wrong is a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from breakwater import markets
from breakwater.errors import UserError
from breakwater.host import HALT, Host, Reverted
from breakwater.units import (
    BPS,
    HOUR,
    MAX_UINT256,
    WAD,
    YEAR,
    UnitError,
    account_id,
    format_units,
    from_wad,
    mul_div_up,
    parse_units,
)

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

# Actions of a leg, in the order of ICreditEngine.Action.
DEPOSIT, WITHDRAW, BORROW, REPAY = 1, 2, 4, 8

LEVELS = ("NORMAL", "CAUTION", "HALT")
STATUSES = ("valid", "away from its average", "in dispute between its sources", "stale")
REASONS = ("price jump", "dispersion", "stale price", "guardian")

_ZERO = "0x" + 40 * "0"
_ALL = "all"

# Every reason a user of these commands can meet, as a sentence.
SENTENCES: Mapping[str, str] = {
    "": "The contract stopped without a reason, as arithmetic beyond its range does.",
    HALT: "The contract ran out of gas or hit an invalid instruction.",
    # accounts
    "initial margin is not met": "The account's collateral does not cover that much debt.",
    "leverage is too high": "That would raise the account's leverage above the cap of its assets.",
    "account holds 8 assets": "The account holds 8 assets already, which is the most.",
    "account has no such collateral": "The account holds no such collateral.",
    "account has no such debt": "The account has no such debt.",
    "not enough collateral": "The account holds less of that collateral.",
    "amount is zero": "The amount is zero.",
    "amount is too small": "The amount is too small to cancel any debt.",
    "amount is too large": "The amount is larger than an account can hold.",
    "debt is below the minimum": "The debt that would be left is below the least debt.",
    "collateral cap is reached": "The cap on this collateral is reached.",
    "asset is no collateral": "That asset is not accepted as collateral.",
    "asset is no debt asset": "That asset cannot be borrowed.",
    "asset is not listed": "That asset is not listed.",
    "caller may not do this": "Only the account's owner, or an operator it named, may do this.",
    "receiver is not valid": "The receiver is not valid.",
    "token transfer failed": "The token refused the transfer.",
    "allowance too low": "The allowance of the token is too low.",
    "balance too low": "The balance is too low.",
    # prices and levels
    "price is stale": "An asset has no valid price now: its feed is stale. Try again after the "
    "next answer; on a devnet the keeper gives one while `breakwater devnet` runs.",
    "price is in a jump": "The asset's price is away from its average: no new risk with it until "
    "the average has caught up.",
    "price sources disagree": "The asset's price sources disagree: no new risk with it until "
    "they agree.",
    "asset is in caution": "The asset is at level CAUTION: no new risk with it for now.",
    "asset is halted": "The asset is at level HALT: no new risk with it for now.",
    "collateral has no valid price": "That collateral has no valid price, so it cannot be seized.",
    "debt has no valid price": "That debt has no valid price, so it cannot be liquidated now.",
    # vaults
    "not enough cash": "The vault has less cash than that.",
    "debt cap is reached": "The vault's cap on debt is reached.",
    "deposit cap is reached": "The vault's cap on deposits is reached.",
    "vault is in caution": "The vault is at level CAUTION: it lends nothing for now.",
    "vault is halted": "The vault is at level HALT for now. Repaying works.",
    "vault is closed": "The vault lost nearly everything and takes no more deposits.",
    "vault is not open": "The vault is not open yet.",
    "zero assets": "The amount is too small.",
    "zero shares": "The amount is too small for a single share.",
    "too many shares": "That would be more shares than the vault can count.",
    # liquidation
    "account is healthy": "The account is healthy: it cannot be liquidated.",
    "risk was raised in this block": "The account raised its risk in this very block: it can be "
    "liquidated from the next one.",
    "price jump is too recent": "The account is below maintenance only at a price that jumped a "
    "moment ago: wait until pokes confirm it.",
    "pair would lower health": "Taking this collateral for this debt would lower the account's "
    "health: choose another pair.",
    "nothing to repay": "There is nothing to repay here.",
    "repay leaves debt below min": "That would leave a debt below the least debt: repay more, or "
    "all of it.",
    "too little would be seized": "Less collateral would be seized than was asked for.",
    "credit is the account itself": "The account itself cannot be credited.",
    # breaker
    "caller is not guardian": "Only the guardian may do this.",
    "caller is not the breaker": "Only the circuit breaker may do this.",
    "level must be 1 or 2": "The level must be CAUTION or HALT.",
    "duration is zero": "The duration is zero.",
    "duration above 7 days": "A trip lasts at most 7 days.",
    "level below the latched one": "The guardian holds a higher level already: reset it first.",
    "expiry before the latched one": "The guardian holds the level for longer already: reset it "
    "first.",
    "hold budget is spent": "What a person holds and halts cover at most 7 days in any 30: that "
    "is spent.",
    "locked": "A call is in progress: the breaker waits for it.",
    "not connected": "The breaker is not connected yet.",
    "ownable: caller is not the owner": "Only the owner, which is the timelock, may do this.",
}


def explain(error: Reverted) -> str:
    """A revert as a sentence."""
    found = SENTENCES.get(error.reason)
    return found or f'The contract refused: "{error.reason}".'


# ------------------------------------------------------------------------------ running


@dataclass(frozen=True)
class Session:
    """A deployed protocol, and who acts."""

    host: Host
    market: markets.Market
    protocol: Any
    sender: str

    def say(self, text: str) -> None:
        """One line for the person at the keyboard."""
        click.echo(text)

    def token(self, symbol: str) -> Any:
        """Token of a listed asset. UserError for an unknown symbol."""
        return self.protocol.tokens[self.symbol(symbol)]

    def symbol(self, text: str) -> str:
        """A symbol in any case, as it is written in the market."""
        for known in self.market.assets:
            if known.lower() == text.lower():
                return known
        raise UserError(f"{text} is not listed here: {', '.join(self.market.assets)} are")

    def vault(self, symbol: str) -> Any:
        """Vault of an asset. UserError where there is none."""
        try:
            return self.protocol.vaults[symbol]
        except KeyError:
            raise UserError(
                f"{symbol} has no vault here: {', '.join(self.protocol.vaults)} have"
            ) from None

    def amount(self, text: str, *, all_of: bool = False) -> tuple[int, str]:
        """An amount with its symbol; "all WETH" as MAX_UINT256 where that is allowed."""
        parts = text.split()
        if len(parts) != 2:
            more = ' or "all WETH"' if all_of else ""
            raise UserError(f'an amount is written like "1.5 WETH"{more}, not "{text}"')
        number, symbol = parts[0], self.symbol(parts[1])
        if all_of and number.lower() == _ALL:
            return MAX_UINT256, symbol
        amount = parse_units(number.replace(",", ""), self.market.decimals(symbol))
        if amount <= 0:
            raise UserError(f"the amount must be above zero, not {number}")
        return amount, symbol

    def show(self, amount: int, symbol: str, places: int | None = None) -> str:
        """An amount with its symbol."""
        decimals = self.market.decimals(symbol)
        if amount < 10 ** max(0, decimals - (places or 0)):
            places = None  # zero, or too small for that many digits
        return f"{format_units(amount, decimals, places)} {symbol}"

    def pay(self, symbol: str, amount: int, spender: Any, to_do: str) -> None:
        """See that the sender holds `amount` and that `spender` may take it."""
        token = self.protocol.tokens[symbol]
        held = token.balanceOf(self.sender)
        if held < amount:
            raise UserError(
                f"{self.name(self.sender)} holds {self.show(held, symbol)}, which is less than the "
                f"{self.show(amount, symbol)} to {to_do}"
            )
        if token.allowance(self.sender, spender) < amount:
            token.approve(spender, amount, sender=self.sender)

    def name(self, address: str) -> str:
        """Label of an address where it has one."""
        for label, known in self.protocol.accounts.items():
            if known == address:
                return f"{label} ({address[:8]}…)"
        return address


def run(
    act: Callable[[Session], None],
    network: str,
    account: str,
    path: Path | None = None,
) -> None:
    """Connect, load the protocol from the address book, act; any failure becomes one sentence."""

    def inside(host: Host, market: markets.Market) -> None:
        from breakwater import addresses, deploy

        chain = addresses.identify(host)
        where = addresses.path_for(market.name, chain)
        if not where.exists():
            raise UserError(
                f"nothing is deployed on chain {chain.id} yet: `ape run deploy` does it, or "
                "`make devnet` on a local one"
            )
        book = addresses.AddressBook.open(where, host, market.name)
        protocol = deploy.load(host, market, book)
        act(Session(host, market, protocol, resolve(account, protocol.accounts)))

    connected(inside, network, path)


def connected(
    act: Callable[[Host, markets.Market], None], network: str, path: Path | None = None
) -> None:
    """Connect and act; any failure becomes one sentence."""
    from breakwater import devnet

    try:
        market = markets.load(path or markets.DEFAULT)
        with devnet.connect(network) as host:
            act(host, market)
    except UserError as error:
        raise click.ClickException(str(error)) from None
    except Reverted as error:
        raise click.ClickException(explain(error)) from None
    except click.ClickException:
        raise
    except Exception as error:
        raise click.ClickException(_unexpected(error)) from error


def _unexpected(error: Exception) -> str:
    text = " ".join(str(error).split())
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"ConnectionError", "RequestException", "ProviderNotConnectedError"}:
        return "the node stopped answering: is `breakwater devnet` still running?"
    return f"{text or type(error).__name__} (this was not foreseen: {type(error).__name__})"


def resolve(account: str, labels: Mapping[str, str]) -> str:
    """Address of an account: TEST::0 as in ape, a label of the devnet, ape's alias, an address."""
    import ape

    if re.fullmatch(r"0x[0-9a-fA-F]{40}", account):
        from breakwater.abi import checksum

        return checksum(account)
    if account in labels:
        return labels[account]
    match = re.fullmatch(r"TEST::(\d+)", account, re.IGNORECASE)
    if match:
        known = [str(one.address) for one in ape.accounts.test_accounts]
        index = int(match[1])
        if index >= len(known):
            raise UserError(f"{account} is not there: TEST::0 to TEST::{len(known) - 1} are")
        return known[index]
    if account in list(ape.accounts.aliases):
        return str(ape.accounts.load(account).address)
    shown = ", ".join(labels) or "none here"
    raise UserError(
        f"{account} is no account: give TEST::0, a label ({shown}), ape's alias or an address"
    )


def options(default: str) -> Callable[[F], F]:
    """`--network` and `--account`, as every command of ours has them."""

    def add(function: F) -> F:
        function = click.option(
            "--account",
            default=default,
            show_default=True,
            help="Who acts: TEST::0, a devnet's label such as lender, or an alias of ape's.",
        )(function)
        return click.option(
            "--network",
            default="ethereum:local:foundry",
            show_default=True,
            help="Ape's name of the network; the default is the devnet that runs.",
        )(function)

    return add


def number_option(function: F) -> F:
    """`--number`, for commands about one of an owner's accounts."""
    return click.option(
        "--number",
        default=0,
        show_default=True,
        help="Which of the owner's accounts: each is a position of its own.",
    )(function)


def words(parts: Sequence[str]) -> str:
    """Arguments as one text, so that quotes around an amount may be left out."""
    return " ".join(parts)


# ------------------------------------------------------------------------------ lenders


def supply(session: Session, text: str) -> None:
    """Lend to a vault."""
    amount, symbol = session.amount(text)
    vault = session.vault(symbol)
    room = vault.maxDeposit(session.sender)
    if amount > room:
        raise UserError(f"the vault of {symbol} takes at most {session.show(room, symbol)} more")
    session.pay(symbol, amount, vault, "lend")
    vault.deposit(amount, session.sender, sender=session.sender)
    session.say(f"lent {session.show(amount, symbol)}")
    _show_lender(session, symbol)


def withdraw(session: Session, text: str) -> None:
    """Take back what was lent."""
    amount, symbol = session.amount(text, all_of=True)
    vault = session.vault(symbol)
    shares = vault.balanceOf(session.sender)
    worth = vault.convertToAssets(shares)
    most = vault.maxWithdraw(session.sender)
    if shares == 0:
        raise UserError(f"{session.name(session.sender)} has lent no {symbol}")
    if amount == MAX_UINT256:
        if most < worth:
            raise UserError(
                f"the vault has cash for {session.show(most, symbol)} of the "
                f"{session.show(worth, symbol)} lent: the rest is on loan; give an amount"
            )
        got = vault.redeem(shares, session.sender, session.sender, sender=session.sender).value
    else:
        if amount > most:
            what = "was lent" if most >= worth else "the vault has cash for now"
            raise UserError(f"{session.show(most, symbol)} is all that {what}")
        vault.withdraw(amount, session.sender, session.sender, sender=session.sender)
        got = amount
    session.say(f"withdrew {session.show(got, symbol)}")
    _show_lender(session, symbol)


def _show_lender(session: Session, symbol: str) -> None:
    vault = session.vault(symbol)
    worth = vault.convertToAssets(vault.balanceOf(session.sender))
    spec = session.market.vaults[symbol]
    used = vault.utilization()
    rate = vault.borrow_rate() * YEAR * used // WAD * (BPS - spec.config.reserve_factor) // BPS
    session.say(
        f"{session.name(session.sender)} has {session.show(worth, symbol, 6)} in the vault, which "
        f"is {from_wad(used * 100, 1)} % on loan and earns {from_wad(rate * 100, 2)} % a year"
    )


# ------------------------------------------------------------------------------ borrowers


def borrow(session: Session, text: str, collateral: Sequence[str], number: int) -> None:
    """Post collateral and borrow, in one transaction."""
    from breakwater.driver import Leg

    if not text and not collateral:
        raise UserError('say what to borrow ("1000 USDC"), or what to add (--collateral "1 WETH")')
    engine, sender = session.protocol.credit_engine, session.sender
    account = _account(sender, number)
    steps, said, added = [], [], set()
    for one in collateral:
        amount, symbol = session.amount(one)
        if symbol in added:
            raise UserError(f"{symbol} is added twice: give one amount of it")
        added.add(symbol)
        session.pay(symbol, amount, engine, "add as collateral")
        steps.append(_leg(Leg, DEPOSIT, account, session.token(symbol), amount, sender))
        said.append(f"added {session.show(amount, symbol)} as collateral")
    borrowed = 0, ""
    if text:
        amount, symbol = borrowed = session.amount(text)
        vault = session.vault(symbol)
        least = session.protocol.credit_engine.debt_of(session.token(symbol))[2]
        owed = _debt(session, account, symbol)
        if owed + amount < least:
            raise UserError(f"the least debt in {symbol} is {session.show(least, symbol)}")
        cash = vault.cash()
        if amount > cash:
            raise UserError(f"the vault of {symbol} has {session.show(cash, symbol)} to lend")
        steps.append(_leg(Leg, BORROW, account, session.token(symbol), amount, sender))
        said.append(f"borrowed {session.show(amount, symbol)}")
    try:
        engine.batch(steps, b"", sender=sender)
    except Reverted as error:
        raise UserError(_why_not(session, account, steps, error, borrowed[1])) from None
    for line in said:
        session.say(line)
    session.say(_health_line(session, account))


def repay(session: Session, text: str, take_back: Sequence[str], number: int) -> None:
    """Repay debt, and take collateral out."""
    if not text and not take_back:
        raise UserError(
            'say what to repay ("500 USDC", "all USDC"), or what to take (--withdraw "1 WETH")'
        )
    engine, sender = session.protocol.credit_engine, session.sender
    account = _account(sender, number)
    if text:
        amount, symbol = session.amount(text, all_of=True)
        token, vault = session.token(symbol), session.vault(symbol)
        owed = _debt(session, account, symbol)
        if owed == 0:
            raise UserError(f"{_whose(session, account)} has no debt in {symbol}")
        if amount >= owed:
            amount = MAX_UINT256
            # a second's interest may come before it is mined
            need = owed + mul_div_up(owed, vault.borrow_rate() * 60, WAD) + 1
            held = token.balanceOf(sender)
            session.pay(symbol, min(need, max(owed, held)), vault, "repay it all")
        else:
            least = engine.debt_of(token)[2]
            if owed - amount < least:
                most = session.show(max(0, owed - least), symbol)
                raise UserError(
                    f"that would leave {session.show(owed - amount, symbol)} of debt, below the "
                    f'least debt of {session.show(least, symbol)}: repay at most {most}, or "all '
                    f'{symbol}"'
                )
            session.pay(symbol, amount, vault, "repay")
        paid, _ = engine.repay(account, token, amount, sender=sender).value
        session.say(f"repaid {session.show(paid, symbol)}")
    for one in take_back:
        amount, symbol = session.amount(one, all_of=True)
        try:
            sent = engine.withdraw_collateral(
                account, session.token(symbol), amount, sender, sender=sender
            ).value
        except Reverted as error:
            if error.reason in ("not enough collateral", "account has no such collateral"):
                held = _held(session, account, symbol)
                raise UserError(
                    f"{_whose(session, account)} holds {session.show(held, symbol)} as collateral"
                ) from None
            raise
        session.say(f"took out {session.show(sent, symbol)}")
    session.say(_health_line(session, account))


def position(session: Session, of: str, number: int) -> None:
    """Everything about one account."""
    protocol = session.protocol
    owner = resolve(of, protocol.accounts) if of else session.sender
    account = _account(owner, number)
    state = protocol.lens.account(account)
    session.say(f"{_whose(session, account)}, id 0x{account.hex()}")
    if not state.legs:
        session.say("holds nothing and owes nothing")
        return
    for leg in sorted(state.legs, key=lambda one: bool(one.is_debt)):
        symbol = protocol.symbol_of(leg.asset)
        value = leg.amount * leg.price // 10 ** session.market.decimals(symbol)
        line = f"{'owes' if leg.is_debt else 'holds'} {session.show(leg.amount, symbol, 6)}"
        line += f" = {_usd(value)}, at {_usd(leg.price)}" if leg.price else ", no valid price"
        if leg.liquidation_price:
            line += f"; liquidation price {_usd(leg.liquidation_price)}"
        elif not leg.is_debt and state.health.debt_value:
            line += "; no price of it alone leads to liquidation"
        session.say(line)
    session.say(_health_line(session, account))
    cap = from_wad(state.margin.max_leverage, 2)
    leverage = (
        "none: it owes all it has"
        if state.leverage == MAX_UINT256
        else (f"{from_wad(state.leverage, 2)} x")
    )
    session.say(f"leverage {leverage} (at most {cap} x for new risk)")
    room = []
    for symbol in protocol.vaults:
        most = protocol.lens.max_borrow(account, session.token(symbol))
        if most:
            room.append(session.show(most, symbol, 4))
    session.say(f"could borrow {' or '.join(room)} more" if room else "could borrow nothing more")


def _account(owner: str, number: int) -> bytes:
    return account_id(owner, number)


def _whose(session: Session, account: bytes) -> str:
    number = int.from_bytes(account[20:], "big")
    from breakwater.units import account_owner

    return f"account {number} of {session.name(account_owner(account))}"


def _leg(kind: Any, action: int, account: bytes, token: Any, amount: int, sender: str) -> Any:
    return kind(action, account, token.address, amount, sender, bytes(32), _ZERO, 0)


def _state_amount(session: Session, account: bytes, symbol: str, debt: bool) -> int:
    address = session.token(symbol).address
    for leg in session.protocol.lens.account(account).legs:
        if leg.asset == address and leg.is_debt == debt:
            return int(leg.amount)
    return 0


def _debt(session: Session, account: bytes, symbol: str) -> int:
    return _state_amount(session, account, symbol, True)


def _held(session: Session, account: bytes, symbol: str) -> int:
    return _state_amount(session, account, symbol, False)


def _why_not(
    session: Session, account: bytes, steps: Sequence[Any], error: Reverted, symbol: str
) -> str:
    """Why a batch was refused, with the number that matters."""
    sentence = explain(error)
    if error.reason not in ("initial margin is not met", "leverage is too high") or not symbol:
        return sentence
    lens, protocol = session.protocol.lens, session.protocol
    held = {leg.asset for leg in lens.account(account).legs if not leg.is_debt}
    held |= {step.asset for step in steps if step.action == DEPOSIT}
    halted = [
        one
        for one, token in protocol.tokens.items()
        if token.address in held and lens.quote(token).level == LEVELS.index("HALT")
    ]
    if halted:
        are, count = ("is", "counts") if len(halted) == 1 else ("are", "count")
        sentence += f" {' and '.join(halted)} {are} at level HALT and {count} nothing for now."
    if len(steps) > 1:
        deposits = sum(
            _loan_value(session, session.protocol.symbol_of(step.asset), step.amount)
            for step in steps[:-1]
        )
        margin = session.protocol.lens.account(account).margin
        room = max(0, margin.collateral + deposits - margin.required)
        quote = session.protocol.lens.quote(session.token(symbol))
        price = max(quote.high, quote.average)
        weight = session.market.assets[symbol].parameters["debt_weight"]
        most = room * 10 ** session.market.decimals(symbol) * BPS // (price * weight)
        return f"{sentence} With that collateral about {session.show(most, symbol, 4)} would do."
    most = session.protocol.lens.max_borrow(account, session.token(symbol))
    return f"{sentence} It could borrow {session.show(most, symbol, 4)} more."


def _loan_value(session: Session, symbol: str, amount: int) -> int:
    """What an amount of collateral adds to the initial margin, volatility aside [WAD]."""
    quote = session.protocol.lens.quote(session.token(symbol))
    if quote.level == LEVELS.index("HALT"):
        return 0
    ltv = session.protocol.lens.config_of(session.token(symbol)).borrow_ltv
    decimals = session.market.decimals(symbol)
    return int(amount * min(quote.low, quote.average) * ltv // (10**decimals * BPS))


def _health_line(session: Session, account: bytes) -> str:
    health = session.protocol.lens.account(account).health
    if health.debt_value == 0:
        return "no debt, so no liquidation"
    text = f"health factor {from_wad(health.health_factor, 4)}"
    if health.health_factor < WAD:
        return f"{text}: below maintenance, anyone may liquidate"
    return f"{text} (liquidation below 1)"


def _usd(value: int) -> str:
    places = 2 if value >= WAD // 10 else 6
    return f"{from_wad(value, places)} USD"


# ------------------------------------------------------------------------------ liquidators


def liquidate(
    session: Session,
    of: str,
    number: int,
    debt: str,
    collateral: str,
    most: str,
    look: bool,
) -> None:
    """Repay debt of an account below maintenance and take collateral for it."""
    protocol, sender = session.protocol, session.sender
    account = _account(resolve(of, protocol.accounts), number)
    debt, collateral = session.symbol(debt), session.symbol(collateral)
    debt_token, token = session.token(debt), session.token(collateral)
    vault = session.vault(debt)
    limit = MAX_UINT256 // 2**100
    if most:
        limit, symbol = session.amount(most)
        if symbol != debt:
            raise UserError(f"--max is an amount of {debt}, the debt to repay, not of {symbol}")
    held = debt_token.balanceOf(sender)
    try:
        terms = protocol.lens.preview_liquidate(account, debt_token, token, limit)
        if terms.repay + terms.fund_fee > held:
            # the fee is below a hundredth of the payment
            limit = held * 100 // 101
            if limit == 0:
                raise UserError(f"{session.name(sender)} holds no {debt} to repay with")
            terms = protocol.lens.preview_liquidate(account, debt_token, token, limit)
    except Reverted as error:
        if error.reason == "account is healthy":
            raise UserError(
                f"{_whose(session, account)} is healthy: {_health_line(session, account)}"
            ) from None
        raise
    cost = terms.repay + terms.fund_fee
    if look:
        session.say(_terms_line(session, terms, debt, collateral, "would repay"))
        return
    session.pay(
        debt, cost + cost // 1_000 + 1 if held > cost + cost // 1_000 else cost, vault, "repay"
    )
    paid, seized = protocol.credit_engine.liquidate(
        account, debt_token, token, limit, 0, sender, bytes(32), b"", sender=sender
    ).value
    session.say(f"paid {session.show(paid, debt)}, took {session.show(seized, collateral)}")
    session.say(_terms_line(session, terms, debt, collateral, "terms: repay"))
    session.say(f"{_whose(session, account)}: {_health_line(session, account)}")


def _terms_line(session: Session, terms: Any, debt: str, collateral: str, verb: str) -> str:
    line = f"{verb} {session.show(terms.repay, debt, 6)}"
    if terms.fund_fee:
        line += f" and {session.show(terms.fund_fee, debt, 6)} for the fund"
    line += f", take {session.show(terms.seized, collateral, 6)}"
    for address, amount in zip(terms.collaterals, terms.amounts, strict=True):
        other = session.protocol.symbol_of(address)
        if other != collateral:
            line += f" and {session.show(amount, other, 6)}"
    line += f", incentive {from_wad(terms.incentive * 100, 2)} %"
    if terms.write_off:
        line += f"; {session.show(terms.write_off, debt, 6)} of bad debt would be written off"
    return line


# ------------------------------------------------------------------------------ prices, breakers


def set_price(session: Session, symbol: str, price: str, advance: str) -> None:
    """Let the mock aggregators of an asset answer another price. On a devnet only."""
    protocol, symbol = session.protocol, session.symbol(symbol)
    if session.market.devnet is None:
        raise UserError("prices are set on a devnet only: elsewhere they come from the feeds")
    number = price.removeprefix("$").replace(",", "")
    try:
        wanted = parse_units(number, 8) * 10**10
    except UnitError as error:
        raise UserError(f"the price is USD for one {symbol}, such as 2400.50: {error}") from None
    parameters = session.market.assets[symbol].parameters
    lowest, highest = parameters["min_price"], parameters["max_price"]
    if not lowest <= wanted <= highest:
        raise UserError(
            f"{_usd(wanted)} is outside of what the market takes for a valid price of {symbol}: "
            f"{_usd(lowest)} to {_usd(highest)}"
        )
    seconds = _seconds(advance) if advance else 0
    before = protocol.lens.quote(protocol.tokens[symbol]).price
    protocol.set_price(symbol, wanted, sender=session.sender)
    protocol.poke(sender=session.sender)
    left = seconds
    while left > 0:
        step = min(left, 5 * 60)
        session.host.advance(step)
        protocol.refresh(sender=session.sender)
        protocol.poke(sender=session.sender)
        left -= step
    was = f" (was {_usd(before)})" if before else ""
    session.say(f"{symbol} is at {_usd(wanted)}{was}")
    if seconds:
        session.say(f"the devnet's clock moved on by {markets.show_duration(seconds)}")
    for one in protocol.tokens:
        quote = protocol.lens.quote(protocol.tokens[one])
        if quote.level or one == symbol:
            session.say(
                f"{one}: level {LEVELS[quote.level]}, price {STATUSES[quote.status]}, "
                f"average {_usd(quote.average)}"
            )


def breaker_status(session: Session) -> None:
    """Level of every asset, with what holds it up."""
    protocol = session.protocol
    now = session.host.now
    session.say(f"guardian {session.name(protocol.breaker.guardian())}")
    for symbol, token in protocol.tokens.items():
        quote = protocol.lens.quote(token)
        text = f"{symbol}: level {LEVELS[quote.level]}, price {STATUSES[quote.status]}"
        if quote.price:
            text += f" ({_usd(quote.price)}, average {_usd(quote.average)})"
        for index, reason in enumerate(REASONS):
            level, until = protocol.breaker.latch_of(token, 1 << index)
            if level:
                left = markets.show_duration(max(0, until - now))
                text += f"; {LEVELS[level]} by {reason} for {left} more"
        session.say(text)


def breaker_trip(session: Session, symbol: str, level: str, duration: str) -> None:
    """Raise the level of an asset."""
    symbol = session.symbol(symbol)
    if level.upper() not in LEVELS[1:]:
        raise UserError(f"{level} is no level to trip to: CAUTION or HALT")
    number = LEVELS.index(level.upper())
    breaker = session.protocol.breaker
    _only_guardian(session)
    breaker.trip(session.token(symbol), number, _seconds(duration), sender=session.sender)
    session.say(f"{symbol} is at level {LEVELS[number]} for {duration}")


def breaker_reset(session: Session, symbol: str) -> None:
    """Lift what has expired, and the guardian's own latch."""
    symbol = session.symbol(symbol)
    receipt = session.protocol.breaker.reset(session.token(symbol), sender=session.sender)
    lifted = len(receipt.events("Reset"))
    session.say(f"lifted {lifted} latch{'es' if lifted != 1 else ''} of {symbol}")
    level = session.protocol.lens.quote(session.token(symbol)).level
    session.say(f"{symbol}: level {LEVELS[level]}")
    is_guardian = session.protocol.breaker.guardian() == session.sender
    if level and not lifted and not is_guardian:
        session.say("what has not expired stays; the guardian's own only the guardian lifts early")


def _only_guardian(session: Session) -> None:
    guardian = session.protocol.breaker.guardian()
    if session.sender != guardian:
        raise UserError(
            f"only the guardian, {session.name(guardian)}, may do this, and this is "
            f"{session.name(session.sender)}"
        )


def _seconds(text: str) -> int:
    match = re.fullmatch(r"\s*([0-9_.]+)\s*(s|min|h|days?|d|m)\s*", text)
    if match is None:
        raise UserError(f'a duration is written like "30 min", "4 h" or "2 days", not "{text}"')
    unit = {"s": 1, "min": 60, "m": 60, "h": HOUR}.get(match[2], 24 * HOUR)
    seconds = parse_units(match[1], 3) * unit // 1_000
    if seconds <= 0:
        raise UserError("the duration must be above zero")
    return seconds


# ------------------------------------------------------------------------------ deployment


def deploy_market(network: str, account: str, path: Path) -> None:
    """Deploy a market, or do what is left of it, and read everything back."""

    def inside(host: Host, market: markets.Market) -> None:
        from breakwater import addresses, deploy

        chain = addresses.identify(host)
        lasting = not network.endswith(":test")
        book = addresses.AddressBook.open(
            addresses.path_for(market.name, chain) if lasting else None, host, market.name
        )
        deployer = resolve(account, deploy.accounts_of(host, market))
        done = 0

        def progress(step: str, now: bool) -> None:
            nonlocal done
            done += now
            if now:
                click.echo(f"done: {step}")

        protocol = deploy.deploy(host, market, book, deployer=deployer, progress=progress)
        if done == 0:
            click.echo("everything was deployed already")
        for key, contract in protocol.contracts().items():
            click.echo(f"{key:<14} {contract.address}")
        click.echo(f"read back from the chain: as {market.path.name} says, owned by the timelock")
        if book.path is not None:
            click.echo(f"address book: {book.path}")

    connected(inside, network, path)
