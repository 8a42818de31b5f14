"""Orders: an owner signs what a keeper may do for a fee once a price or the health is somewhere.

Signed orders are kept in a file beside the devnet's state, as a keeper's own list would be: who has
one may execute it, and nothing else. The router needs a grant that stands until then.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from breakwater import devnet
from breakwater.actions import signing
from breakwater.actions.arguments import seconds_of
from breakwater.actions.figures import Figures, of_account, percent, span, usd
from breakwater.actions.leverage import bps_of, grant_terms, path, price_of
from breakwater.actions.margin import WITHDRAW
from breakwater.actions.positions import debt_in, flags, whose
from breakwater.actions.refusals import Attempt, explain
from breakwater.actions.session import Session
from breakwater.deploy.protocol import ZERO
from breakwater.driver import Order
from breakwater.errors import UserError
from breakwater.host import Reverted
from breakwater.units import (
    BPS,
    MAX_UINT256,
    WAD,
    UnitError,
    account_id,
    account_owner,
    from_wad,
    to_wad,
)

PRICE_AT_MOST, PRICE_AT_LEAST, HEALTH_AT_MOST = 1, 2, 4
"""Conditions, in the order of ILeverageRouter.Condition."""

_WHEN = re.compile(r"\s*(\S+)\s*(<=|>=)\s*([0-9_.,]+)\s*(?:USD)?\s*")


class Signed(NamedTuple):
    """An order in the file."""

    order: Order
    signature: bytes


# ------------------------------------------------------------------------------ actions


def order_sign(
    session: Session,
    hold: str,
    owe: str,
    when: str,
    to: str,
    fee: str,
    slippage: str,
    lasts: str,
    number: int,
) -> None:
    """Sign that `hold` is sold and `owe` repaid when something comes, and let the router do it."""
    hold, owe = session.symbol(hold), session.symbol(owe)
    session.vault(owe)
    account = account_id(session.sender, number)
    paid, symbol, _ = session.amount(fee)
    if symbol != owe:
        raise UserError(f"the keeper's fee is of what is bought, {owe}, not of {symbol}")
    deadline = session.host.now + seconds_of(lasts)
    condition, watched, trigger = _condition(session, when)
    least, most = _outcome(condition, trigger, to)
    # a price order sells all; of a debt that gets dearer all is bought back
    is_short = condition == HEALTH_AT_MOST or watched == owe
    order = Order(
        account=account,
        sell=session.token(hold).address,
        buy=session.token(owe).address,
        exact_output=is_short,
        amount=MAX_UINT256,
        condition=condition,
        watched=session.token(watched).address if watched else ZERO,
        trigger=trigger,
        least_after=least,
        most_after=most,
        slippage=bps_of(slippage),
        fee=paid,
        epoch=session.router.epoch_of(session.sender),
        nonce=signing.nonce(),
        deadline=deadline,
    )
    path(session, hold, owe)
    _keep(session, order, hold)


def _keep(session: Session, order: Order, hold: str) -> None:
    """Let the router sell, sign, and write it down."""
    account = order.account
    before = _rights(session, account, hold)
    terms = grant_terms(session, account, order.sell, WITHDRAW, order.deadline)
    if terms is not None:
        session.protocol.credit_engine.set_operator(
            account, session.router, order.sell, *terms, sender=session.sender
        )
    if not session.is_dry:
        signature = signing.order(session, session.router, order._asdict())
        _write(session, [*_read(session), Signed(order, signature)])
    session.report(
        f"sign: {_told(session, order)}",
        before,
        _rights(session, account, hold),
        "order list",
        f"order cancel {len(_read(session))} --account {session.label(session.sender)}",
    )


def order_list(session: Session) -> None:
    """Every order in the file that this router knows, and what it waits for."""
    found = _read(session)
    for index, one in enumerate(found, 1):
        owner = account_owner(one.order.account)
        session.say(f"{index}: {session.name(owner)}: {_told(session, one.order)}")
        why = _waits(session, one.order)
        session.say(f"   {why or 'may be executed now'}")
        if not why:
            session.next(f"order execute {index}")
    if not found:
        session.say("no orders are signed")
        session.next('order sign WETH USDC --when "WETH <= 2500" --fee "5 USDC"')


def order_cancel(session: Session, which: str) -> None:
    """Void one order, or all of the sender's."""
    found = _read(session)
    if which.lower() == "all":
        session.router.cancel_orders(sender=session.sender)
        kept = [one for one in found if account_owner(one.order.account) != session.sender]
        _write(session, kept)
        session.say(f"every order that {session.name(session.sender)} ever signed is void")
        return
    one = _chosen(session, which)
    owner = account_owner(one.order.account)
    if owner != session.sender:
        raise UserError(
            f"order {which} is {session.name(owner)}'s: add --account {session.label(owner)}"
        )
    session.router.cancel_order(one.order.nonce, sender=session.sender)
    _write(session, [other for other in found if other is not one])
    session.say(f"void: {_told(session, one.order)}")
    session.next("order list")


def order_execute(session: Session, which: str) -> None:
    """Do what an order says, for its fee."""
    one = _chosen(session, which)
    order, account = one.order, one.order.account
    sell, buy = (session.protocol.symbol_of(token) for token in (order.sell, order.buy))
    before = _figures(session, account, sell, buy)
    with session.explained(Attempt(account, (), buy, sell)):
        amount = _amount(session, order, sell, buy)
        sold, bought = session.router.execute(
            order, one.signature, amount, path(session, sell, buy), sender=session.sender
        ).value
    if not session.is_dry:
        _write(session, [other for other in _read(session) if other.order.nonce != order.nonce])
    owner, number = account_owner(account), int.from_bytes(account[20:], "big")
    session.report(
        f"execute order {which}: sell {session.brief(sold, sell)}, buy "
        f"{session.brief(bought, buy)}, for {session.show(order.fee, buy)}",
        before,
        _figures(session, account, sell, buy),
        f"position {session.label(owner)}{flags(number)}",
    )


# ------------------------------------------------------------------------------ terms


def _condition(session: Session, when: str) -> tuple[int, str, int]:
    """Condition, watched asset and trigger of a text such as "WETH <= 2500"."""
    match = _WHEN.fullmatch(when)
    if match is None:
        raise UserError(f'--when is written like "WETH <= 2500" or "health <= 1.1", not "{when}"')
    what, sign, number = match[1], match[2], match[3].replace(",", "")
    try:
        trigger = to_wad(number)
    except UnitError as error:
        raise UserError(f"--when: {error}") from None
    if what.lower() == "health":
        if sign != "<=":
            raise UserError('an order waits for health to fall: "health <= 1.1"')
        return HEALTH_AT_MOST, "", trigger
    return PRICE_AT_MOST if sign == "<=" else PRICE_AT_LEAST, session.symbol(what), trigger


def _outcome(condition: int, trigger: int, to: str) -> tuple[int, int]:
    """Lowest and highest health that an order leaves; zeros where it is about a price."""
    if condition != HEALTH_AT_MOST:
        if to:
            raise UserError("--to is where health is lifted: it belongs to health alone")
        return 0, 0
    try:
        most = to_wad(to)
    except UnitError:
        raise UserError(
            'say where health is lifted: --to 1.3 with --when "health <= 1.1"'
        ) from None
    if most <= trigger:
        raise UserError(f"--to {to} is not above what the order waits for")
    return (trigger + most) // 2, most


def _amount(session: Session, order: Order, sell: str, buy: str) -> int:
    """What a keeper chooses: 0 for a price; for health the debt that lifts it in between."""
    if order.condition != HEALTH_AT_MOST:
        return 0
    found = session.protocol.lens.account(order.account).health
    config = session.protocol.lens.config_of(session.token(sell))
    liquidation_ltv = config.liquidation_ltv * WAD // BPS
    weight = session.market.assets[buy].parameters["debt_weight"] * WAD // BPS
    target = (order.least_after + order.most_after) // 2
    fee = _value(session, order.fee, buy)
    need = target * found.weighted_debt // WAD - found.weighted_collateral
    need += fee * liquidation_ltv // WAD
    if need <= 0 or target * weight // WAD <= liquidation_ltv:
        raise Reverted("condition does not hold")
    value = need * WAD // (target * weight // WAD - liquidation_ltv) + fee
    unit = 10 ** session.market.decimals(buy)
    return int(min(
        value * unit // _value(session, unit, buy),
        debt_in(session, order.account, buy) + order.fee,
    ))  # fmt: skip


def _value(session: Session, amount: int, symbol: str) -> int:
    """Of an amount, at the price now [WAD]. UserError without a valid one."""
    return amount * price_of(session, symbol) // 10 ** session.market.decimals(symbol)


def _told(session: Session, order: Order) -> str:
    """An order as a sentence."""
    sell, buy = (session.protocol.symbol_of(token) for token in (order.sell, order.buy))
    if order.condition == HEALTH_AT_MOST:
        when = f"health is at most {from_wad(order.trigger, 4)}"
        what = f"sell {sell} and repay {buy} until it is {from_wad(order.least_after, 4)} to "
        what += from_wad(order.most_after, 4)
    else:
        sign = "most" if order.condition == PRICE_AT_MOST else "least"
        when = f"{session.protocol.symbol_of(order.watched)} is at {sign} {usd(order.trigger)}"
        what = (
            f"repay all {buy} with {sell}" if order.exact_output else f"sell all {sell} for {buy}"
        )
    left = span(order.deadline - session.host.now)
    return (
        f"when {when}, {what}, losing at most {percent(order.slippage * WAD // BPS)}, for "
        f"{session.show(order.fee, buy)}, within {left}"
    )


def _waits(session: Session, order: Order) -> str:
    """Why an order cannot be executed now; nothing where it can."""
    try:
        session.router.check_order(order)
    except Reverted as error:
        return explain(error)
    return ""


def _rights(session: Session, account: bytes, symbol: str) -> Figures:
    """What the router may do with an asset of the account."""
    engine = session.protocol.credit_engine
    has, _, expiry = engine.operator_of(account, session.router, session.token(symbol))
    left = expiry - session.host.now
    may = f"for {span(left)}" if int(has) & WITHDRAW and left >= 0 else "no"
    return {f"the router may sell {symbol} of {whose(session, account)}": may}


def _figures(session: Session, account: bytes, sell: str, buy: str) -> Figures:
    shown = of_account(session, account, [buy])
    held = session.token(buy).balanceOf(session.sender)
    return shown | {f"in the keeper's wallet, {buy}": session.brief(held, buy)}


# ------------------------------------------------------------------------------ the file


def _file() -> Path:
    return devnet.folder() / devnet.ORDERS


def _read(session: Session) -> list[Signed]:
    """Orders of this router that nobody has executed or cancelled."""
    try:
        kept = json.loads(_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise UserError(f"{_file()} cannot be read: {error}; remove it, and sign anew") from None
    found = []
    for one in kept:
        if one["router"] != session.router.address:
            continue
        terms: dict[str, Any] = dict(one["order"])
        terms["account"] = bytes.fromhex(terms["account"])
        order = Order(**terms)
        if not session.router.is_nonce_used(account_owner(order.account), order.nonce):
            found.append(Signed(order, bytes.fromhex(one["signature"])))
    return found


def _write(session: Session, orders: list[Signed]) -> None:
    kept = [
        {
            "router": session.router.address,
            "order": {**one.order._asdict(), "account": one.order.account.hex()},
            "signature": one.signature.hex(),
        }
        for one in orders
    ]
    part = _file().with_suffix(".part")
    part.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    os.replace(part, _file())


def _chosen(session: Session, which: str) -> Signed:
    found = _read(session)
    if not which.isdecimal() or not 1 <= int(which) <= len(found):
        there = f"1 to {len(found)} are" if found else "none is"
        raise UserError(f"there is no order {which}, {there}: `ape run order list`")
    return found[int(which) - 1]
