"""What there is: assets and vaults, and the devnet's people."""

from __future__ import annotations

from breakwater.actions.figures import (
    borrow_rate,
    columns,
    health,
    lending_rate,
    leverage,
    percent,
    usd,
)  # fmt: skip
from breakwater.actions.refusals import LEVELS, STATUSES
from breakwater.actions.session import Session
from breakwater.units import BPS, WAD, account_id


def show_markets(session: Session) -> None:
    """Every asset's price, level and terms, and every vault's rates, cash and caps."""
    lens, protocol = session.protocol.lens, session.protocol
    rows = [("asset", "price", "average", "status", "level", "borrow_ltv", "liquidation_ltv",
             "held", "cap")]  # fmt: skip
    for symbol, token in protocol.tokens.items():
        quote, config, book = lens.quote(token), lens.config_of(token), lens.collateral(token)
        rows.append((
            symbol, usd(quote.price) if quote.price else "none", usd(quote.average),
            STATUSES[quote.status], LEVELS[quote.level], percent(config.borrow_ltv * WAD // BPS),
            percent(config.liquidation_ltv * WAD // BPS), session.brief(book.total, symbol),
            session.brief(book.cap, symbol),
        ))  # fmt: skip
    for line in columns(rows):
        session.say(line)
    session.say("")
    rows = [("vault", "level", "lent out", "cash", "utilization", "borrow rate", "earns",
             "deposit cap", "debt cap")]  # fmt: skip
    for symbol in protocol.vaults:
        state = lens.vault(session.token(symbol))
        rows.append((
            symbol, LEVELS[state.level], session.brief(state.debt, symbol),
            session.brief(state.cash, symbol), percent(state.utilization, 1),
            borrow_rate(session, symbol), percent(lending_rate(session, symbol)),
            session.brief(state.deposit_cap, symbol), session.brief(state.debt_cap, symbol),
        ))  # fmt: skip
    for line in columns(rows):
        session.say(line)
    session.next("accounts", "supply 1000 USDC")


def show_accounts(session: Session) -> None:
    """Everybody who has a label: the wallet, what is lent, and the first account."""
    protocol = session.protocol
    rows = [("account", "address", "in the wallet", "lent", "health factor", "leverage")]
    for label, address in protocol.accounts.items():
        wallet, lent = [], []
        for symbol, token in protocol.tokens.items():
            held = token.balanceOf(address)
            if held:
                wallet.append(session.brief(held, symbol))
            vault = protocol.vaults.get(symbol)
            shares = vault.balanceOf(address) if vault is not None else 0
            if vault is not None and shares:
                lent.append(session.brief(vault.convertToAssets(shares), symbol))
        state = protocol.lens.account(account_id(address, 0))
        rows.append((
            label, address, ", ".join(wallet) or "-", ", ".join(lent) or "-",
            health(state.health.health_factor) if state.legs else "-",
            leverage(state.leverage) if state.legs else "-",
        ))  # fmt: skip
    for line in columns(rows, left=4):
        session.say(line)
    session.next("position borrower")
