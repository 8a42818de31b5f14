"""What proposers, executors and cancellers do with the timelock, which owns everything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from breakwater.abi import AbiError, Function
from breakwater.actions.arguments import seconds_of
from breakwater.actions.figures import span
from breakwater.actions.refusals import Attempt, refusal
from breakwater.actions.session import Session, resolve
from breakwater.contract import Contract
from breakwater.errors import UserError
from breakwater.host import Reverted, interface_of, raw_log
from breakwater.units import parse_units, to_bps, to_wad

_DONE = 1
"""In place of the time of an operation that was executed."""
_NOTHING = bytes(32)


@dataclass
class Operation:
    """One operation of the timelock, as its events tell it."""

    id: bytes
    calls: list[tuple[str, int, bytes]] = field(default_factory=list)
    """Target, native coins, call data."""
    predecessor: bytes = _NOTHING
    salt: bytes = _NOTHING


# ------------------------------------------------------------------------------ actions


def timelock_list(session: Session) -> None:
    """What waits, what may be executed now, and for how long not yet."""
    timelock = session.protocol.timelock
    session.say(f"delay {span(timelock.get_minimum_delay())}")
    waiting = []
    for one in _operations(session).values():
        at = timelock.get_timestamp(one.id)
        if at <= _DONE:
            continue
        waiting.append(one)
        left = at - session.host.now
        when = f"ripe in {span(left)}" if left > 0 else "ripe: anyone may execute it"
        session.say(f"0x{one.id.hex()} {when}")
        for call in one.calls:
            session.say(f"  {_told(session, call)}")
    if not waiting:
        session.say("nothing is scheduled")
        session.next('timelock propose set_cap WETH "60000 WETH"')
    for one in waiting:
        session.next(f"timelock execute 0x{one.id.hex()[:8]}")


def timelock_propose(
    session: Session, function: str, arguments: Sequence[str], target: str, salt: str
) -> None:
    """Schedule one call of a contract that the timelock owns."""
    timelock = session.protocol.timelock
    contract = _contract(session, target)
    codec = _function(contract, function, len(arguments))
    values = [
        _value(session, entry, text, arguments)
        for entry, text in zip(codec.inputs.entries, arguments, strict=True)
    ]
    try:
        data = codec.encode(values)
    except AbiError as error:
        raise UserError(str(error)) from None
    salted = bytes(keccak(text=salt)) if salt else _NOTHING
    call = (contract.address, 0, data)
    delay = timelock.get_minimum_delay()
    operation = timelock.hash_operation(*call, _NOTHING, salted)
    with session.explained(Attempt(operation=operation)):
        timelock.schedule(*call, _NOTHING, salted, delay, sender=session.sender)
    session.say(f"scheduled {_told(session, call)}")
    session.say(f"operation 0x{operation.hex()}, ripe in {span(delay)}")
    why = _refused(session, contract, codec, values)
    if why:
        session.say(f"today it would be refused: {why}")
    session.next("timelock list", f"timelock execute 0x{operation.hex()[:8]}")


def timelock_execute(session: Session, name: str) -> None:
    """Execute an operation that has waited."""
    one = _found(session, name)
    targets, amounts, payloads = (list(part) for part in zip(*one.calls, strict=True))
    timelock, sender = session.protocol.timelock, session.sender
    with session.explained(Attempt(operation=one.id)):
        if len(one.calls) == 1:
            timelock.execute(*one.calls[0], one.predecessor, one.salt, sender=sender)
        else:
            timelock.execute_batch(
                targets, amounts, payloads, one.predecessor, one.salt, sender=sender
            )
    for call in one.calls:
        session.say(f"executed {_told(session, call)}")
    session.next("markets")


def timelock_cancel(session: Session, name: str) -> None:
    """Cancel an operation that waits."""
    one = _found(session, name)
    with session.explained(Attempt(operation=one.id)):
        session.protocol.timelock.cancel(one.id, sender=session.sender)
    for call in one.calls:
        session.say(f"cancelled {_told(session, call)}")
    session.next("timelock list")


# ------------------------------------------------------------------------------ what was scheduled


def _operations(session: Session) -> dict[bytes, Operation]:
    """Every operation that was ever scheduled, by its id, the oldest first."""
    timelock = session.protocol.timelock
    found: dict[bytes, Operation] = {}
    for name, args in _events(session, timelock):
        if name == "CallScheduled":
            one = found.setdefault(args["id"], Operation(args["id"]))
            call = (args["target"], args["amount"], args["payload"])
            if args["index"] == 0:
                one.calls = []
            one.calls.append(call)
            one.predecessor = args["predecessor"]
        elif name == "CallSalt" and args["id"] in found:
            found[args["id"]].salt = args["salt"]
    return found


def _events(session: Session, contract: Contract) -> Iterator[tuple[str, dict[str, Any]]]:
    known = interface_of(contract.NAME).events
    node: Any = session.host
    asked = {"address": contract.address, "fromBlock": "earliest", "toBlock": "latest"}
    for log in node.web3.eth.get_logs(asked):
        _, topics, data = raw_log(log)
        event = known.get(topics[0])
        if event is not None:
            yield event.name, event.decode(topics, data)


def _found(session: Session, name: str) -> Operation:
    """The operation whose id begins like that. UserError where there is none, or more than one."""
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{4,64}", name):
        raise UserError(
            f"{name} is no operation: give its id, or four digits of it or more: "
            "`ape run timelock list` shows them"
        )
    begin = name.lower().removeprefix("0x")
    found = [one for one in _operations(session).values() if one.id.hex().startswith(begin)]
    if not found:
        raise UserError(f"no operation {name} was ever scheduled: `ape run timelock list`")
    if len(found) > 1:
        raise UserError(f"{len(found)} operations begin with {name}: give more of the id")
    return found[0]


def _told(session: Session, call: tuple[str, int, bytes]) -> str:
    """A call as it is written: the contract's key, the function, and its arguments by name."""
    target, _, data = call
    for key, contract in session.protocol.contracts().items():
        if contract.address != target:
            continue
        for function in interface_of(contract.NAME).functions.values():
            if function.selector == data[:4]:
                entries = function.inputs.entries
                values = function.inputs.decode(data[4:])
                said = [
                    f"{entry['name']}={_shown(session, value)}"
                    for entry, value in zip(entries, values, strict=True)
                ]
                return f"{key}.{function.name}({', '.join(said)})"
        return f"{key}, data 0x{data.hex()}"
    return f"{target}, data 0x{data.hex()}"


def _shown(session: Session, value: Any) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, str):
        for key, contract in session.protocol.contracts().items():
            if contract.address == value:
                return key
        return session.label(value)
    return str(value)


# ------------------------------------------------------------------------------ what is proposed


def _contract(session: Session, key: str) -> Contract:
    known = session.protocol.contracts()
    if key not in known:
        raise UserError(f"{key} is no contract here: {', '.join(known)} are")
    return known[key]


def _function(contract: Contract, name: str, count: int) -> Function:
    """A function that changes state. UserError with those there are."""
    known = interface_of(contract.NAME).functions
    calls = [one for one in known.values() if not one.reads_only]
    named = [one for one in calls if one.name == name]
    for one in named:
        if len(one.inputs.entries) == count:
            return one
    if named:
        takes = ", ".join(entry["name"] for entry in named[0].inputs.entries)
        raise UserError(f"{name} takes {takes or 'nothing'}: {count} were given")
    names = ", ".join(sorted({one.name for one in calls}))
    raise UserError(f"{contract.NAME} has no {name}: {names} change it")


def _value(session: Session, entry: dict[str, Any], text: str, given: Sequence[str]) -> Any:
    """An argument as it is written, by the type and the name that the ABI has for it."""
    kind, name = entry["type"], entry["name"]
    if kind == "tuple":
        return _config(session, entry, text, given)
    if kind == "address":
        return _address(session, name, text)
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise UserError(f"{name} is true or false, not {text}")
        return text.lower() == "true"
    if kind.startswith("bytes"):
        try:
            return bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            raise UserError(f"{name} is hexadecimal, not {text}") from None
    if kind.startswith("uint"):
        return _number(session, name, text)
    raise UserError(f"{name} is of type {kind}, which cannot be written here")


def _address(session: Session, name: str, text: str) -> str:
    """An asset's token (its vault, where the argument is one), a contract's key, or who it is."""
    contracts = session.protocol.contracts()
    if text in contracts:
        return contracts[text].address
    if text in session.market.assets:
        of = session.vault(text) if name == "vault" else session.token(text)
        return str(of.address)
    return resolve(text, session.protocol.accounts)


def _number(session: Session, name: str, text: str) -> int:
    """A plain integer, or with a unit: of an asset, USD, % (of BPS, or as growth), a time."""
    number, _, unit = text.strip().partition(" ")
    if not unit:
        if not re.fullmatch(r"[0-9_]+", number):
            raise UserError(
                f'{name} is a whole number, or one with a unit: "60000 WETH", "81 %", "2 days", '
                f'"3000 USD", not "{text}"'
            )
        return int(number)
    if unit == "%":
        whole = name in ("growth", "outflow_limit", "growth_limit")
        return parse_units(number, 0) if whole else to_bps(number)
    if unit == "USD":
        return to_wad(number.replace(",", ""))
    if any(unit.lower() == known.lower() for known in session.market.assets):
        return session.amount(text).value
    return seconds_of(text)


def _config(session: Session, entry: dict[str, Any], text: str, given: Sequence[str]) -> Any:
    """A vault's configuration as it is, but for what is written: "deposit_cap=2000 WETH; ..."."""
    if entry["name"] != "config" or not any(
        part["name"] == "deposit_cap" for part in entry["components"]
    ):
        raise UserError(f"{entry['name']} cannot be written here")
    vault = session.vault(session.symbol(given[0]))
    now = session.protocol.configurator.vault_config_of(vault)
    changes = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        name, is_set, value = (one.strip() for one in part.partition("="))
        if not is_set or name not in now._fields:
            raise UserError(
                f'a configuration is written "deposit_cap=2000 WETH; debt_cap=1800 WETH", with any '
                f'of {", ".join(now._fields)}, not "{part}"'
            )
        changes[name] = _number(session, name, value)
    return now._replace(**changes)


def _refused(session: Session, contract: Contract, codec: Function, values: Sequence[Any]) -> str:
    """Why the timelock would be refused if it called now; nothing where it would not be."""
    try:
        session.host.call(
            contract.address,
            contract.NAME,
            codec.name,
            values,
            sender=session.protocol.timelock.address,
        )
    except Reverted as error:
        return refusal(session, error)
    return ""
