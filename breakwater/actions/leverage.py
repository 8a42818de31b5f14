"""What leveraged traders do: each trade through Uniswap v3 in one transaction of the router.

The router acts for an account by a grant that lasts as long as the trade may take. Who sends with a
key that ape holds signs it with the trade; in a dry run it is set first, and no key is asked for.
What is bought and sold is bounded by the oracle's prices and the slippage, whatever pools say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from breakwater.actions import margin, signing
from breakwater.actions.figures import of_account
from breakwater.actions.margin import BORROW, DEPOSIT, WITHDRAW
from breakwater.actions.positions import debt_in, flags, held_in, whose, within
from breakwater.actions.refusals import Attempt, Step, explain, refusal
from breakwater.actions.session import Session
from breakwater.deploy.protocol import ZERO
from breakwater.driver import Grant, Path, Trade
from breakwater.errors import UserError
from breakwater.host import Reverted
from breakwater.units import BPS, MAX_UINT256, WAD, UnitError, account_id, from_wad, to_bps, to_wad

INCREASE, DECREASE, SWAP_COLLATERAL, SWAP_DEBT = 1, 2, 4, 8
"""Kinds, in the order of ILeverageRouter.Kind."""

_PATIENCE = 600
"""Seconds in which a trade may be done."""
_OF_MARGIN = ("initial margin is not met", "leverage is too high")


@dataclass(frozen=True)
class Wish:
    """What every trade is about."""

    sell: str
    buy: str
    kind: int
    amount: int
    """Of what is bought where `exact_output`, else of what is sold [token units], as all below;
    MAX_UINT256: all there is.
    """
    exact_output: bool
    own_sell: int = 0
    own_buy: int = 0
    withdraw: int = 0


def leverage_increase(
    session: Session, hold: str, owe: str, times: str, own: str, slippage: str, number: int,
    *, is_new: bool = False,
) -> None:  # fmt: skip
    """Borrow `owe` and buy `hold` until exposure over equity is `times`."""
    hold, owe, account = _pair(session, hold, owe), session.symbol(owe), _account(session, number)
    session.vault(owe)
    legs = session.protocol.lens.account(account).legs
    if is_new and legs:
        raise UserError(
            f"{whose(session, account)} is in use: `ape run leverage increase`, or another --number"
        )
    if is_new and not own:
        raise UserError(f'say what you bring: --own "1 {hold}" or --own "1000 {owe}"')
    own_sell, own_buy, value = _own(session, own, hold, owe)
    borrow, repay = _for_leverage(session, account, owe, value, times)
    if borrow == 0:
        raise UserError(
            f"{whose(session, account)} has more leverage than {times} x: "
            f"`ape run leverage decrease {hold} {owe} {times}{flags(number)}`"
        )
    assert repay == 0
    wish = Wish(owe, hold, INCREASE, borrow + own_sell, False, own_sell, own_buy)
    did = f"hold {hold} and owe {owe} at {times} x"
    try:
        _trade(session, account, wish, slippage, did, number)
    except Reverted as error:
        if error.reason not in _OF_MARGIN:
            raise UserError(refusal(session, error, Attempt(account, (), owe, hold))) from None
        most = _most_leverage(session, account, hold, owe, value)
        raise UserError(f"{explain(error)} At most {from_wad(most, 2)} x works now.") from None


def leverage_decrease(
    session: Session, hold: str, owe: str, times: str, slippage: str, number: int
) -> None:
    """Sell `hold` and repay `owe` until exposure over equity is `times`."""
    hold, owe, account = _pair(session, hold, owe), session.symbol(owe), _account(session, number)
    _, repay = _for_leverage(session, account, owe, 0, times)
    if repay == 0:
        raise UserError(
            f"{whose(session, account)} has less leverage than {times} x: "
            f"`ape run leverage increase {hold} {owe} {times}{flags(number)}`"
        )
    owed = debt_in(session, account, owe)
    wish = Wish(hold, owe, DECREASE, MAX_UINT256 if repay >= owed else repay, True)
    _explained(session, account, wish, slippage, f"go to {times} x", number)


def leverage_close(session: Session, hold: str, owe: str, slippage: str, number: int) -> None:
    """Repay all of `owe` with `hold`, and send the rest of that to the owner."""
    hold, owe, account = _pair(session, hold, owe), session.symbol(owe), _account(session, number)
    if not debt_in(session, account, owe):
        raise UserError(
            f"{whose(session, account)} owes no {owe}: "
            f'`ape run repay --withdraw "all {hold}"{flags(number)}` takes the collateral out'
        )
    wish = Wish(hold, owe, DECREASE, MAX_UINT256, True, withdraw=MAX_UINT256)
    _explained(session, account, wish, slippage, f"close {hold} against {owe}", number)


def leverage_swap_collateral(
    session: Session, text: str, to: str, slippage: str, number: int
) -> None:
    """Sell collateral for another."""
    amount, sell, _ = session.amount(text, words=True)
    buy, account = session.symbol(to), _account(session, number)
    wish = Wish(sell, buy, SWAP_COLLATERAL, amount, False)
    _explained(session, account, wish, slippage, f"hold {buy} instead of {sell}", number)


def leverage_swap_debt(session: Session, text: str, to: str, slippage: str, number: int) -> None:
    """Repay a debt with another."""
    amount, buy, _ = session.amount(text, words=True)
    sell, account = session.symbol(to), _account(session, number)
    session.vault(sell)
    if not debt_in(session, account, buy):
        raise UserError(f"{whose(session, account)} owes no {buy}")
    wish = Wish(sell, buy, SWAP_DEBT, amount, True)
    _explained(session, account, wish, slippage, f"owe {sell} instead of {buy}", number)


# ------------------------------------------------------------------------------ pools and prices


def path(session: Session, sell: str, buy: str) -> Path:
    """Pools from one asset to another: one, or two over a third. UserError where there are none."""
    if sell == buy:
        return Path(0, ZERO, 0)
    devnet = session.market.devnet
    pools = {frozenset(one.assets): one.fee for one in (devnet.pools if devnet else ())}
    if frozenset((sell, buy)) in pools:
        return Path(pools[frozenset((sell, buy))], ZERO, 0)
    for middle in session.market.assets:
        first, second = frozenset((sell, middle)), frozenset((middle, buy))
        if len(first) == len(second) == 2 and first in pools and second in pools:
            return Path(pools[first], session.token(middle).address, pools[second])
    known = ", ".join("/".join(one.assets) for one in (devnet.pools if devnet else ()))
    raise UserError(f"no pools lead from {sell} to {buy}: {known or 'none'} are known")


def worth(session: Session, amount: int, symbol: str, other: str) -> int:
    """An amount of one asset in units of another, at the oracle's prices."""
    price, unit = price_of(session, symbol), price_of(session, other)
    decimals, places = session.market.decimals(symbol), session.market.decimals(other)
    return amount * price * 10**places // (unit * 10**decimals)


def bps_of(slippage: str) -> int:
    """A slippage such as "1 %". UserError for another text, or above a half."""
    try:
        found = to_bps(slippage.replace("%", "").strip())
    except UnitError:
        found = -1
    if not 0 <= found <= BPS // 2:
        raise UserError(f'slippage is written like "0.5 %", at most 50 %, not "{slippage}"')
    return found


def price_of(session: Session, symbol: str) -> int:
    """Of a whole token in USD [WAD]. UserError without a valid one."""
    price = session.protocol.lens.quote(session.token(symbol)).price
    if price == 0:
        raise UserError(refusal(session, Reverted("price is stale"), Attempt(symbol=symbol)))
    return int(price)


# ------------------------------------------------------------------------------ the trade


def _pair(session: Session, hold: str, owe: str) -> str:
    session.vault(session.symbol(owe))
    return session.symbol(hold)


def _account(session: Session, number: int) -> bytes:
    return account_id(session.sender, number)


def _own(session: Session, text: str, hold: str, owe: str) -> tuple[int, int, int]:
    """What the owner brings: of what is sold, of what is bought, and its value [WAD]."""
    if not text:
        return 0, 0, 0
    amount, symbol, _ = session.amount(text)
    if symbol not in (hold, owe):
        raise UserError(f"bring {hold} or {owe}, not {symbol}")
    value = amount * price_of(session, symbol) // 10 ** session.market.decimals(symbol)
    return (0, amount, value) if symbol == hold else (amount, 0, value)


def _for_leverage(
    session: Session, account: bytes, owe: str, value: int, times: str
) -> tuple[int, int]:
    """What to borrow and what to repay for a leverage."""
    try:
        wanted = to_wad(times.lower().removesuffix("x").strip())
    except UnitError:
        raise UserError(f'leverage is written like "3" or "2.5x", not "{times}"') from None
    with session.explained(Attempt(account)):
        return session.router.debt_for_leverage(account, session.token(owe), value, wanted)


def _most_leverage(session: Session, account: bytes, hold: str, owe: str, value: int) -> int:
    """The highest leverage [WAD] that initial margin leaves, trading at the oracle's prices."""
    start = margin.after(session, account, ())
    tags = margin.tag_of(session, DEPOSIT, hold), margin.tag_of(session, BORROW, owe)
    token = session.token(owe)
    bought = value * 10 ** session.market.decimals(hold) // price_of(session, hold)

    def fits(times: int) -> bool:
        borrow, _ = session.router.debt_for_leverage(account, token, value, times)
        position = margin.moved(start, DEPOSIT, tags[0], bought + worth(session, borrow, owe, hold))
        return margin.passes(session, margin.moved(position, BORROW, tags[1], borrow), tags[1])

    return _highest(fits, WAD, 256 * WAD)


def _highest(fits: Callable[[int], bool], lowest: int, highest: int) -> int:
    while highest - lowest > WAD // 1_000:
        middle = (lowest + highest) // 2
        lowest, highest = (middle, highest) if fits(middle) else (lowest, middle)
    return lowest


def _explained(
    session: Session, account: bytes, wish: Wish, slippage: str, did: str, number: int
) -> None:
    steps = []
    if wish.kind in (DECREASE, SWAP_COLLATERAL):
        held = held_in(session, account, wish.sell)
        if held == 0:
            raise UserError(f"{whose(session, account)} holds no {wish.sell}")
        steps.append(Step(WITHDRAW, wish.sell, min(wish.amount, held)))
    # what is bought is not among them: no number of theirs would be right
    attempt = Attempt(account, (), wish.buy, steps[0].symbol if steps else "")
    with session.explained(attempt):
        _trade(session, account, wish, slippage, did, number)


def _trade(
    session: Session, account: bytes, wish: Wish, slippage: str, did: str, number: int
) -> None:
    """Do it, and show it. Raises Reverted."""
    deadline = session.host.now + _PATIENCE
    before = of_account(session, account, [wish.sell, wish.buy])
    for symbol, amount in ((wish.sell, wish.own_sell), (wish.buy, wish.own_buy)):
        if amount:
            session.pay(symbol, amount, session.router, "bring")
    grants = _grants(session, account, wish, deadline)
    trade = Trade(
        wish.kind,
        account,
        session.token(wish.sell).address,
        session.token(wish.buy).address,
        path(session, wish.sell, wish.buy),
        wish.exact_output,
        wish.amount,
        _limit(session, account, wish, bps_of(slippage)),
        wish.own_sell,
        wish.own_buy,
        wish.withdraw,
        deadline,
    )
    sold, bought = session.router.trade(trade, [], grants, sender=session.sender).value
    who = session.label(session.sender)
    close = []
    if wish.kind in (INCREASE, DECREASE) and not wish.withdraw:
        pair = f"{wish.buy} {wish.sell}" if wish.kind == INCREASE else f"{wish.sell} {wish.buy}"
        close = [f"leverage close {pair}{flags(number)} --account {who}"]
    session.report(
        f"{did}{within(session, account)}: sell {session.brief(sold, wish.sell)}, buy "
        f"{session.brief(bought, wish.buy)}",
        before,
        of_account(session, account, [wish.sell, wish.buy]),
        f"position {who}{flags(number)}",
        *close,
    )


def _limit(session: Session, account: bytes, wish: Wish, slippage: int) -> int:
    """Most that is sold, or least that is bought, by the oracle and the slippage."""
    amount = wish.amount
    if wish.exact_output:
        if amount == MAX_UINT256:
            amount = debt_in(session, account, wish.buy)
        return worth(session, amount, wish.buy, wish.sell) * (BPS + slippage) // BPS
    if amount == MAX_UINT256:
        amount = held_in(session, account, wish.sell)
    return worth(session, amount, wish.sell, wish.buy) * (BPS - slippage) // BPS


def _grants(session: Session, account: bytes, wish: Wish, deadline: int) -> list[Grant]:
    """What the router needs of the account and has not, signed, or set where nobody can sign."""
    needed: dict[str, int] = {}
    sold = BORROW if wish.kind in (INCREASE, SWAP_DEBT) else WITHDRAW
    needed[wish.sell] = sold
    if wish.kind in (INCREASE, SWAP_COLLATERAL):
        needed[wish.buy] = needed.get(wish.buy, 0) | DEPOSIT
    grants = []
    for symbol, actions in needed.items():
        token = session.token(symbol).address
        terms = grant_terms(session, account, token, actions, deadline)
        if terms is None:
            continue
        if session.is_dry or not signing.has_key(session):
            session.protocol.credit_engine.set_operator(
                account, session.router, token, *terms, sender=session.sender
            )
            continue
        nonce = signing.nonce()
        message = {
            "account": account, "operator": session.router.address, "asset": token,
            "actions": terms[0], "amount": terms[1], "expiry": terms[2], "nonce": nonce,
            "deadline": deadline,
        }  # fmt: skip
        signed = signing.grant(session, message)
        grants.append(Grant(token, *terms, nonce, deadline, signed))
    return grants


def grant_terms(
    session: Session, account: bytes, token: str, actions: int, until: int
) -> tuple[int, int, int] | None:
    """Actions, amount and expiry of a grant to the router that leaves nothing it has out; None
    where what it has is enough.
    """
    engine = session.protocol.credit_engine
    has, left, expiry = engine.operator_of(account, session.router, token)
    has = int(has) if expiry >= session.host.now else 0
    if has & actions == actions and left == 2**128 - 1 and expiry >= until:
        return None
    return has | actions, MAX_UINT256, max(until, expiry if has else 0)
