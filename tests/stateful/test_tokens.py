"""The token matrix: each odd token as collateral, as debt and as both, and decimals of either side.

What becomes of each market is read from docs/specification.md, Tokens, and must be so: the
contracts refuse it for the reason that stands there, or every call is as the model predicts, every
promise holds, and what the role is for was done.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from breakwater import artifacts
from breakwater.fuzz import actions, tokens
from breakwater.fuzz.counterexample import Compile
from breakwater.fuzz.genes import GENE, Call
from breakwater.fuzz.lane import LENGTH
from breakwater.fuzz.machine import Broken, Laboratory
from breakwater.fuzz.world import NotListed
from breakwater.model.protocol import MirrorError
from tests.mutants import Mutant, changed

CALLS = 2_000
"""Of each market that is not refused."""

ODD_IN = 8
"""One gene in so many is the token's own."""

BROKEN = artifacts.ROOT / ".build" / "fuzz" / "broken"

AS_COLLATERAL = {
    ("engine", "deposit_collateral", 1),
    ("engine", "withdraw_collateral", 1),
    ("engine", "liquidate", 2),
}
"""Contract, function, and where its arguments name the asset."""

AS_DEBT = {
    ("vault", "deposit", None),
    ("vault", "withdraw", None),
    ("vault", "flashLoan", None),
    ("engine", "borrow", 1),
    ("engine", "repay", 1),
    ("engine", "liquidate", 1),
}


def table() -> Iterator[tuple[str, str]]:
    """Profiles and what the specification says of them."""
    text = (artifacts.ROOT / "docs" / "specification.md").read_text(encoding="utf-8")
    section = text.partition("\n## Tokens\n")[2].partition("\n## ")[0]
    columns: list[str] = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not cells or set(cells[0]) <= {"-"}:
            continue
        if cells[0] == "collateral ÷ debt":
            columns = cells[1:]
        elif name := re.fullmatch(r"`(\w+)`", cells[0]):
            for role, cell in zip(tokens.ROLES, cells[2:], strict=True):
                yield f"{name[1]}-{role}", cell
        elif cells[0][0].isdigit():
            for column, cell in zip(columns, cells[1:], strict=True):
                for collateral in cells[0].split(", "):
                    for debt in column.split(", "):
                        yield f"decimals-{collateral}-{debt}", cell


TABLE = dict(table())


class Played(Laboratory):
    """Notes which calls succeeded, trials aside."""

    done: Counter[tuple[str, str, str]]
    """Contract or kind of it, function, token."""

    def __init__(self, profile: str, compile: Compile | None = None) -> None:
        self.done = Counter()
        super().__init__(profile, compile)

    def call(self, action: str, call: Call) -> str | None:
        reason = super().call(action, call)
        if reason is None and action != "trial":
            _, target, function, args, _, _ = call
            kind, _, symbol = target.partition(".")
            self.done[kind, function, symbol] += 1
            for at in (1, 2):
                if kind == "engine" and len(args) > at and str(args[at])[:7] == "@token.":
                    self.done[f"engine {at}", function, args[at][7:]] += 1
        return reason

    def missing(self) -> list[str]:
        """What no call did: of each asset that is held or lent, what that is for."""
        wanted = [(symbol, AS_COLLATERAL) for symbol in self.world.collaterals]
        wanted += [(symbol, AS_DEBT) for symbol in self.world.debts]
        return sorted(
            f"{function} {symbol}"
            for symbol, functions in wanted
            for kind, function, at in functions
            if not self.done[kind if at is None else f"engine {at}", function, symbol]
        )


def play(profile: str, compile: Compile | None = None) -> str:
    """What becomes of a market, in the words of the table."""
    draw, own = random.Random(profile), "hook" if profile.startswith("hooks") else "odd"
    try:
        found = Played(profile, compile)
        while found.calls < CALLS:
            found.reset()
            for _ in range(LENGTH):
                gene = draw.randbytes(GENE)
                is_own = draw.randrange(ODD_IN) == 0
                number = actions.NAMES.index(own) if is_own else actions.TABLE[gene[0]]
                found.act(number, gene[1:])
            found.sweep()
            found.trials()
    except NotListed as refusal:
        return f"refused: {refusal.reason}"
    except MirrorError as error:
        return f"breaks model: {error}"
    except Broken as broken:
        path = broken.counterexample.save_in(BROKEN)
        print(f"{broken}\nbreakwater replay {path.relative_to(artifacts.ROOT)}")
        return f"breaks {broken.counterexample.promise}"
    missing = found.missing()
    if not profile.startswith("decimals") and not any(
        action == own and not reason for action, reason in found.counts
    ):
        missing.append("what is odd")
    return f"never did: {', '.join(missing)}" if missing else "holds"


def test_table__has_every_market() -> None:
    """Every token in every role, and all pairs of the decimals that may be and of some others."""
    of_tokens = {f"{token}-{role}" for token in tokens.TOKENS for role in tokens.ROLES}
    counts = (0, 2, 5, *tokens.DECIMALS, 25)
    pairs = {f"decimals-{collateral}-{debt}" for collateral in counts for debt in counts}
    assert set(TABLE) == of_tokens | pairs


@pytest.mark.slow
@pytest.mark.parametrize("profile", TABLE)
def test_market(profile: str) -> None:
    # of two promises that such a token breaks, either may be the first to be seen broken
    outcome, _, other = TABLE[profile].partition(" or ")
    assert play(profile) in (outcome, f"breaks {other}")


MUTANTS = {
    "fee-collateral": Mutant(
        "CreditEngine", "", "_deposit",
        "received = staticcall IERC20(asset).balanceOf(self) - before", "received = amount", [], "",
    ),
    "false-collateral": Mutant(
        "CreditEngine", "", "_pull", 'legs._fail("token transfer failed")', "pass", [], "",
    ),
}  # fmt: skip
"""Markets, and changes of the contracts that they must show."""


@pytest.mark.slow
@pytest.mark.parametrize("profile", MUTANTS)
def test_market__fails_where_the_contracts_do(profile: str) -> None:
    assert play(profile, changed(MUTANTS[profile])) != TABLE[profile]
