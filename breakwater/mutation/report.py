"""What a run of mutants found: the score, what killed, and the survivors as diffs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from breakwater.errors import UserError
from breakwater.mutation.mutants import Mutant
from breakwater.mutation.run import EQUIVALENT, FAILED, KILLED, NO_CODE, SURVIVED, Result

_COLUMNS = (
    "mutants", "killed", "timeouts", "survived", "failed", "equivalent", "no code", "score",
)  # fmt: skip

IGNORED = Path("tests") / "mutants_ignored.yaml"


def read_ignored(path: Path, mutants: Iterable[Mutant]) -> dict[str, str]:
    """Reasons by mutant id. UserError for an entry without a reason or without its mutant."""
    if not path.is_file():
        return {}
    try:
        entries = YAML(typ="safe").load(path.read_text(encoding="utf-8")) or []
    except YAMLError as problem:
        raise UserError(f"{path}: {problem}") from None
    known = {mutant.id for mutant in mutants}
    found: dict[str, str] = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], 1):
        if not isinstance(entry, Mapping) or not {"id", "reason"} <= set(entry):
            raise UserError(f"{path}: entry {number} needs an id and a reason")
        identifier, reason = str(entry["id"]), str(entry["reason"] or "").strip()
        if not reason:
            raise UserError(f"{path}: {identifier} has no reason")
        if identifier in found:
            raise UserError(f"{path}: {identifier} is there twice")
        if identifier not in known:
            raise UserError(
                f"{path}: {identifier} matches no mutant ({entry.get('edit', 'no edit given')}): "
                "take it out"
            )
        found[identifier] = reason
    return found


def interval(killed: int, counted: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if counted == 0:
        return 0.0, 1.0
    share = killed / counted
    middle = share + z * z / (2 * counted)
    width = z * math.sqrt(share * (1 - share) / counted + z * z / (4 * counted * counted))
    below = 1 + z * z / counted
    return max(0.0, (middle - width) / below), min(1.0, (middle + width) / below)


def _counts(results: Sequence[Result]) -> dict[str, int]:
    found = Counter(result.status for result in results)
    return {
        "mutants": len(results),
        "killed": found[KILLED],
        "timeouts": sum(one.status == KILLED and one.by.startswith("timeout") for one in results),
        "survived": found[SURVIVED],
        "failed": found[FAILED],
        "equivalent": found[EQUIVALENT],
        "no_code": found[NO_CODE],
    }


def _counted(counts: Mapping[str, int]) -> int:
    """Of how many the score is: what failed counts as not killed."""
    return counts["killed"] + counts["survived"] + counts["failed"]


def _score(counts: Mapping[str, int]) -> float | None:
    counted = _counted(counts)
    return round(counts["killed"] / counted, 4) if counted else None


def summary(
    results: Sequence[Result], ignored: int, whole: int, seconds: float = 0.0
) -> dict[str, Any]:
    """The object of `--json`. `whole` is how many mutants there are, `ignored` how many of those
    chosen were left out with a reason.
    """
    counts = _counts(results)
    by_contract: dict[str, Any] = {}
    for file in sorted({result.mutant["file"] for result in results}):
        part = _counts([one for one in results if one.mutant["file"] == file])
        by_contract[file] = {**part, "score": _score(part)}
    low, high = interval(counts["killed"], _counted(counts))
    return {
        **counts,
        "mutants": counts["mutants"] + ignored,
        "ignored": ignored,
        "of": whole,
        "score": _score(counts),
        "interval": [round(low, 4), round(high, 4)],
        "seconds": round(seconds, 1),
        "by_contract": by_contract,
        "killers": dict(killers(results).most_common()),
        "survivors": [
            {"id": one.id, "title": one.mutant["title"], "by": one.by, "diff": one.diff}
            for one in results
            if one.status == SURVIVED
        ],
        "failures": {one.id: one.by for one in results if one.status == FAILED},
    }


def killers(results: Iterable[Result]) -> Counter[str]:
    """Kills by the model's sequences, by timeouts, and by each file of tests."""
    found: Counter[str] = Counter()
    for result in results:
        if result.status != KILLED:
            continue
        kind, _, rest = result.by.partition(": ")
        if kind == "test":
            found[rest.split("::")[0]] += 1
        else:
            found[kind if kind != "model" else "model (prepared sequences)"] += 1
    return found


def show(console: Console, results: Sequence[Result], data: Mapping[str, Any]) -> None:
    """Print survivors as diffs, what failed, what killed, and the score of each file.

    Timeouts are among the killed.
    """
    for identifier, why in data["failures"].items():
        console.print(f"[red]{identifier}[/red] no verdict: {why}", highlight=False)
    for result in (one for one in results if one.status == SURVIVED):
        console.print(f"[yellow]{result.id}[/yellow] {result.mutant['title']}", highlight=False)
        console.print(f"  {result.by}", highlight=False)
        console.print(Syntax(result.diff, "diff", background_color="default"))
    table = Table("killed by", box=None, pad_edge=False)
    table.add_column("mutants", justify="right")
    for name, count in data["killers"].items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    console.print()
    table = Table("file", box=None, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    rows = [*data["by_contract"].items(), ("all", data)]
    for name, row in rows:
        score = "-" if row["score"] is None else f"{100 * row['score']:.1f} %"
        cells = (f"{row[column.replace(' ', '_')]:,}" for column in _COLUMNS[:-1])
        table.add_row(name, *cells, score)
    console.print(table)
    if data["score"] is not None and data["mutants"] < data["of"]:
        low, high = (100 * edge for edge in data["interval"])
        console.print(
            f"A sample of {data['mutants']:,} of {data['of']:,} mutants: "
            f"the score of all is between {low:.1f} and {high:.1f} % (95 %)."
        )
