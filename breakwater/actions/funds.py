"""What stakers of the insurance funds do, and the lenders of last resort of the backstop pools."""

from __future__ import annotations

from breakwater.actions.figures import Figures, percent, span
from breakwater.actions.refusals import Attempt
from breakwater.actions.session import ALL, MOST, Session
from breakwater.driver import BackstopPool, InsuranceFund
from breakwater.errors import UserError
from breakwater.units import MAX_UINT256, WAD

# ------------------------------------------------------------------------------ insurance funds
#
# Amounts here are of the asset that the fund's vault lends. The fund takes shares of that vault: a
# stake lends first, and who leaves gets shares of the vault, which are then withdrawn.


def fund_show(session: Session, symbol: str) -> None:
    """A fund, and what the sender has in it."""
    symbol = _funded(session, symbol)
    fund, vault = session.protocol.funds[symbol], session.vault(symbol)
    held = vault.convertToAssets(fund.totalAssets())
    claims = vault.totalAssets()
    session.say(
        f"the fund of {symbol} holds {session.brief(held, symbol)}, "
        f"{percent(held * WAD // claims if claims else 0)} of what is lent, and loses first"
    )
    for name, value in _fund_figures(session, symbol).items():
        session.say(f"{name}: {value}")
    session.next(f'fund stake "1000 {symbol}"')


def fund_stake(session: Session, text: str) -> None:
    """Lend to the vault and stake the shares, or stake what is lent with "max"."""
    amount, symbol, word = session.amount(text, words=True)
    _funded(session, symbol)
    fund, vault, sender = session.protocol.funds[symbol], session.vault(symbol), session.sender
    before = _fund_figures(session, symbol)
    with session.explained(Attempt(symbol=symbol)):
        if word:
            shares = vault.balanceOf(sender)
            if shares == 0:
                raise UserError(
                    f"{session.name(sender)} has lent no {symbol}: give an amount of the wallet's"
                )
            amount = vault.convertToAssets(shares)
        else:
            session.pay(symbol, amount, vault, "stake")
            shares = vault.deposit(amount, sender, sender=sender).value
        if vault.allowance(sender, fund) < shares:
            vault.approve(fund, shares, sender=sender)
        fund.deposit(shares, sender, sender=sender)
    session.report(
        f"stake {session.brief(amount, symbol)} in the fund",
        before,
        _fund_figures(session, symbol),
        f"fund show {symbol} --account {session.label(sender)}",
        f'fund exit "max {symbol}" --account {session.label(sender)}',
    )


def fund_exit(session: Session, text: str) -> None:
    """Ask for a ticket to leave with."""
    fund, symbol, shares = _staked(session, text)
    before = _fund_figures(session, symbol)
    with session.explained(Attempt(symbol=symbol)):
        fund.request_exit(shares, sender=session.sender)
    session.report(
        "take a ticket to leave the fund",
        before,
        _fund_figures(session, symbol),
        f"fund show {symbol} --account {session.label(session.sender)}",
        f'fund unstake "max {symbol}" --account {session.label(session.sender)}',
    )


def fund_cancel(session: Session, symbol: str) -> None:
    """Give the ticket back."""
    symbol = _funded(session, symbol)
    before = _fund_figures(session, symbol)
    with session.explained(Attempt(symbol=symbol)):
        session.protocol.funds[symbol].cancel_exit(sender=session.sender)
    session.report("give the ticket back", before, _fund_figures(session, symbol))


def fund_unstake(session: Session, text: str) -> None:
    """Leave with a ticket that is usable, and withdraw from the vault."""
    sender = session.sender
    symbol = session.amount(text, words=True).symbol
    _funded(session, symbol)
    fund, vault = session.protocol.funds[symbol], session.vault(symbol)
    before = _fund_figures(session, symbol)
    with session.explained(Attempt(symbol=symbol)):
        _, symbol, shares = _staked(session, text, ticket=True)
        got = fund.redeem(shares, sender, sender, sender=sender).value
        paid = vault.redeem(got, sender, sender, sender=sender).value
    session.report(
        f"leave the fund with {session.show(paid, symbol)}",
        before,
        _fund_figures(session, symbol),
        f"fund show {symbol} --account {session.label(sender)}",
    )


def _funded(session: Session, symbol: str) -> str:
    symbol = session.symbol(symbol)
    session.vault(symbol)
    return symbol


def _staked(session: Session, text: str, *, ticket: bool = False) -> tuple[InsuranceFund, str, int]:
    """The fund, its asset, and fund shares for an amount of the asset, rounded up."""
    amount, symbol, word = session.amount(text, words=True)
    fund = session.protocol.funds[_funded(session, symbol)]
    held = fund.balanceOf(session.sender)
    if held == 0:
        raise UserError(f"{session.name(session.sender)} has nothing in the fund of {symbol}")
    if ticket and fund.ticket_of(session.sender).shares:
        held = fund.ticket_of(session.sender).shares
    if word:
        return fund, symbol, held
    vault = session.vault(symbol)
    shares = fund.convertToShares(vault.convertToShares(amount)) + 1
    if shares > held + 1:
        worth = session.brief(_worth(session, symbol, held), symbol)
        raise UserError(f'that is more than the {worth} there are: "max {symbol}" is all of it')
    return fund, symbol, min(shares, held)


def _worth(session: Session, symbol: str, shares: int) -> int:
    fund = session.protocol.funds[symbol]
    return int(session.vault(symbol).convertToAssets(fund.convertToAssets(shares)))


def _fund_figures(session: Session, symbol: str) -> Figures:
    fund, vault, sender = session.protocol.funds[symbol], session.vault(symbol), session.sender
    ticket, now = fund.ticket_of(sender), session.host.now
    says = "none"
    if ticket.shares:
        says = session.brief(_worth(session, symbol, ticket.shares), symbol)
        if now < ticket.usable_from:
            says += f", usable in {span(ticket.usable_from - now)}"
        elif now < ticket.usable_until:
            says += f", usable for {span(ticket.usable_until - now)}"
        else:
            says += ", lapsed"
    held = _worth(session, symbol, fund.balanceOf(sender))
    lent = vault.convertToAssets(vault.balanceOf(sender))
    return {
        f"staked {symbol}": session.brief(held, symbol),
        "ticket to leave": says,
        f"lent {symbol}": session.brief(lent, symbol),
        f"in the wallet, {symbol}": session.brief(session.token(symbol).balanceOf(sender), symbol),
    }


# ------------------------------------------------------------------------------ backstop pools


def backstop_show(session: Session, symbol: str) -> None:
    """A pool, and what the sender has in it."""
    symbol, pool = _pool(session, symbol)
    cash, _, waiting = pool.totals()
    session.say(
        f"the pool holds {session.brief(cash, symbol)}, {session.brief(waiting, symbol)} wait to "
        f"join, and it may pay {session.brief(pool.room(), symbol)} in the rest of this hour"
    )
    for name, value in _pool_figures(session, symbol).items():
        session.say(f"{name}: {value}")
    session.next(f'backstop deposit "1000 {symbol}"')


def backstop_deposit(session: Session, text: str) -> None:
    """Put in cash, which joins at the start of the second hour from now."""
    amount, symbol, word = session.amount(text, words=True)
    symbol, pool = _pool(session, symbol)
    if word:
        amount = session.token(symbol).balanceOf(session.sender)
    before = _pool_figures(session, symbol)
    session.pay(symbol, amount, pool, "deposit")
    with session.explained(Attempt(symbol=symbol)):
        pool.deposit(amount, sender=session.sender)
    _pool_report(session, f"put {session.show(amount, symbol)} into the pool", before, symbol)


def backstop_cancel(session: Session, text: str) -> None:
    """Take back what has not joined yet."""
    amount, symbol, _ = session.amount(text, words=True)
    symbol, pool = _pool(session, symbol)
    before = _pool_figures(session, symbol)
    with session.explained(Attempt(symbol=symbol)):
        sent = pool.cancel_deposit(amount, session.sender, sender=session.sender).value
    _pool_report(session, f"take back {session.show(sent, symbol)} that waited", before, symbol)


def backstop_withdraw(session: Session, text: str) -> None:
    """Take cash out."""
    amount, symbol, word = session.amount(text, words=True)
    symbol, pool = _pool(session, symbol)
    before = _pool_figures(session, symbol)
    if pool.assets_of(session.sender) == 0:
        waits = pool.stake_of(session.sender).waiting
        raise UserError(
            f"{session.name(session.sender)} has no cash in the pool"
            + (f": `ape run backstop cancel` gives back {session.show(waits, symbol)} that wait"
               if waits else "")
        )  # fmt: skip
    with session.explained(Attempt(symbol=symbol)):
        asked = MAX_UINT256 if word in (ALL, MOST) else amount
        sent = pool.withdraw(asked, session.sender, sender=session.sender).value
    _pool_report(session, f"take {session.show(sent, symbol)} out of the pool", before, symbol)


def backstop_claim(session: Session, symbol: str, collateral: str) -> None:
    """Take what was earned of a collateral."""
    symbol, pool = _pool(session, symbol)
    collateral = session.symbol(collateral)
    before = _pool_figures(session, symbol)
    with session.explained(Attempt(symbol=symbol, collateral=collateral)):
        sent = pool.claim(session.token(collateral), session.sender, sender=session.sender).value
    _pool_report(session, f"claim {session.show(sent, collateral)}", before, symbol)


def _pool(session: Session, symbol: str) -> tuple[str, BackstopPool]:
    symbol = session.symbol(symbol)
    if symbol not in session.protocol.backstops:
        have = ", ".join(session.protocol.backstops) or "no asset"
        raise UserError(f"{symbol} has no backstop pool here: {have} has one")
    return symbol, session.protocol.backstops[symbol]


def _pool_report(session: Session, did: str, before: Figures, symbol: str) -> None:
    who = session.label(session.sender)
    session.report(
        did, before, _pool_figures(session, symbol), f"backstop show {symbol} --account {who}"
    )


def _pool_figures(session: Session, symbol: str) -> Figures:
    pool, sender = session.protocol.backstops[symbol], session.sender
    stake = pool.stake_of(sender)
    shown = {
        f"in the pool, {symbol}": session.brief(pool.assets_of(sender), symbol),
        "waits to join": session.brief(stake.waiting, symbol),
        f"in the wallet, {symbol}": session.brief(session.token(symbol).balanceOf(sender), symbol),
    }
    for one, token in session.protocol.tokens.items():
        earned = pool.claimable(sender, token)
        if earned:
            shown[f"earned, {one}"] = session.brief(earned, one)
    return shown
