"""How the commands are given what they need."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from breakwater.errors import UserError
from breakwater.units import HOUR, parse_units

F = TypeVar("F", bound=Callable[..., Any])


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


def of_option(function: F) -> F:
    """`--of`, for commands that somebody else may be allowed, or anyone."""
    return click.option(
        "--of",
        default="",
        help="Whose account, where it is not that of --account: a label or an address.",
    )(function)


def yes_option(function: F) -> F:
    """`--yes`, for what moves money or lets somebody else move it."""
    return click.option(
        "--yes",
        is_flag=True,
        help="Send it. Without it everything is only tried, and nothing sent.",
    )(function)


def words(parts: Sequence[str]) -> str:
    """Arguments as one text, so that quotes around an amount may be left out."""
    return " ".join(parts)


def seconds_of(text: str) -> int:
    """A duration such as "4 h" in seconds. UserError for another text."""
    match = re.fullmatch(r"\s*([0-9_.]+)\s*(s|min|h|days?|d|m)\s*", text)
    if match is None:
        raise UserError(f'a duration is written like "30 min", "4 h" or "2 days", not "{text}"')
    unit = {"s": 1, "min": 60, "m": 60, "h": HOUR}.get(match[2], 24 * HOUR)
    seconds = parse_units(match[1], 3) * unit // 1_000
    if seconds <= 0:
        raise UserError("the duration must be above zero")
    return seconds
