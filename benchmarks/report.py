"""What a person reads of the figures: tables, ratios, the table of README.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.finding import FIND_CALLS, FIND_SECONDS, MEDIAN_CALLS, SHRINK_SECONDS, STEPS
from benchmarks.rates import SMALL, Report
from breakwater.errors import UserError

JOBS = 1.8
"""Target of two searches against one."""


@dataclass(frozen=True)
class Ratio:
    """One figure over another, and what it should be at least."""

    name: str
    title: str
    over: tuple[str, ...]
    under: tuple[str, ...]
    target: float | None


RATIOS = (
    Ratio("fast_of_limit", "fast lane, of its limit", ("fast", "default"), ("limit", "default"),
          0.5),
    Ratio("coverage_of_limit", "with coverage, of the limit", ("coverage",), ("limit", "default"),
          1 / 3),
    Ratio("fast_of_forge", "fast lane, of forge with the promises", ("forge", "fast"),
          ("forge", "promises"), 5),
    Ratio("limit_of_forge", "limit, of forge with nothing", ("limit", SMALL), ("forge", "empty"),
          None),
    Ratio("fast_of_ape", "fast lane, of ape on anvil", ("fast", SMALL), ("ape",), None),
)  # fmt: skip


def ratios(report: Report) -> dict[str, float]:
    """Those whose two figures are there."""
    found = {}
    for one in RATIOS:
        over, under = (_at(report, path) for path in (one.over, one.under))
        if over and under:
            found[one.name] = round(over / under, 3)
    return found


def _at(report: Report, path: Sequence[str]) -> float | None:
    for part in path:
        report = report.get(part, {})
    return report.get("per_cpu_second")


# ------------------------------------------------------------ shown


def tables(report: Report, lanes: Iterable[str]) -> Iterator[Table | str]:
    """What a person reads: `lanes` in this order."""
    lanes = tuple(lanes)
    table = Table("calls per CPU second", box=None, pad_edge=False)
    for column in ("rate", "calls", "succeeded"):
        table.add_column(column, justify="right")
    for name in lanes:
        for title, figures in _rates(name, report.get(name, {})):
            table.add_row(
                title,
                f"{figures['per_cpu_second']:,.0f}",
                f"{figures['calls']:,}",
                f"{figures['succeeded']:.0%}",
            )
    if table.row_count:
        yield table
    table = Table("ratios", box=None, pad_edge=False)
    for column in ("found", "target"):
        table.add_column(column, justify="right")
    for one in RATIOS:
        if one.name in report.get("ratios", {}):
            value = report["ratios"][one.name]
            table.add_row(one.title, _judged(value, one.target), _number(one.target))
    if "ratio" in report.get("jobs", {}):
        value = report["jobs"]["ratio"]
        table.add_row("two searches, of one", _judged(value, JOBS), _number(JOBS))
    if table.row_count:
        yield table
    bugs = report.get("planted", {})
    if bugs and "lacks" not in bugs:
        yield _bugs(bugs)
    for name in lanes:
        if "lacks" in report.get(name, {}):
            yield f"[red]{name} lacks[/red] {report[name]['lacks']}"


def _rates(name: str, figures: Report) -> Iterator[tuple[str, Report]]:
    if "per_cpu_second" in figures:
        yield name, figures
        return
    for part, inner in figures.items():
        if isinstance(inner, dict) and "per_cpu_second" in inner:
            yield f"{name}, {part}", inner


def _bugs(bugs: Report) -> Table:
    table = Table("planted bug", box=None, pad_edge=False)
    table.add_column("promise")
    table.add_column("found by")
    for column in ("seeds", "median calls", "worst", "CPU s", "steps", "shrinking s"):
        table.add_column(column, justify="right")
    for name, one in bugs.items():
        by = sorted({run["promise"] for run in one["runs"] if run["promise"]})
        median, worst = one["median_calls"], one["worst_calls"]
        table.add_row(
            name,
            one["promise"],
            " ".join(by) or "[red]nothing[/red]",
            f"{one['found']}/{len(one['runs'])}",
            f"[red]{_lost(one)}[/red]" if median is None else _most(median, MEDIAN_CALLS),
            f"[red]{_lost(one)}[/red]" if worst is None else _most(worst, FIND_CALLS),
            _number(one["median_seconds"]),
            _most(one["most_steps"], STEPS),
            _most(one["most_shrink_seconds"], SHRINK_SECONDS),
        )
    return table


def _lost(one: Report) -> str:
    """Instead of a number of calls, where searches of one bug found nothing."""
    return f"> {FIND_CALLS:,} ({len(one['runs']) - one['found']} not found)"


def _judged(value: float, target: float | None) -> str:
    colour = "white" if target is None else "green" if value >= target else "red"
    return f"[{colour}]{value:,.2f}[/{colour}]"


def _most(value: float | None, target: float) -> str:
    if value is None:
        return "-"
    colour = "green" if value <= target else "red"
    return f"[{colour}]{_number(value)}[/{colour}]"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


# ------------------------------------------------------------ README

_RATES = {
    "the EVM alone": ("limit", "default"),
    "fast lane, every promise": ("fast", "default"),
    "search guided by coverage": ("coverage",),
    "Hypothesis machine, with the model": ("hypothesis",),
    "small market: the EVM alone": ("limit", SMALL),
    "small market: fast lane": ("fast", SMALL),
    "small market: forge, nothing to hold": ("forge", "empty"),
    "small market: forge, promises": ("forge", "promises"),
    "small market: ape on anvil": ("ape",),
}


def readme(report: Report) -> list[str]:
    """The table of README.md, line by line, of a whole report."""
    rows = [
        ("calls per CPU second, and what part of them succeeded", "measured", "target"),
        ("---", "---", "---"),
    ]
    for title, path in _RATES.items():
        part = report
        for key in path:
            part = part.get(key, {})
        told = "-"
        if "per_cpu_second" in part:
            told = f"{part['per_cpu_second']:,.0f}, {part['succeeded']:.0%}"
        rows.append((title, told, "2,000" if path == ("hypothesis",) else ""))
    rows.append(("**ratios**", "", ""))
    for one in RATIOS:
        rows.append((one.title, _two(report["ratios"].get(one.name)), _two(one.target, "")))
    rows.append(
        ("two searches, of one, by the clock", _two(report["jobs"].get("ratio")), _two(JOBS))
    )
    rows += [("**planted bugs**", "", ""), *_found(report["planted"])]
    return [f"| {' | '.join(row)} |".replace("  |", " |") for row in rows]


def _found(bugs: Report) -> Iterator[tuple[str, str, str]]:
    """Rows about planted bugs: each that some search did not find has one of its own."""
    if "lacks" in bugs:
        yield "planted bugs", bugs["lacks"], ""
        return
    counts = sorted({len(one["runs"]) for one in bugs.values()})
    seeds = " or ".join(map(str, counts))
    lost = {name: one for name, one in bugs.items() if one["found"] < len(one["runs"])}
    every = f"{len(bugs) - len(lost)} of {len(bugs)}"
    yield f"found with every seed, of {seeds}", every, str(len(bugs))
    for name, one in lost.items():
        yield f"not found with every seed: `{name}`", f"{one['found']} of {len(one['runs'])}", ""
    for title, key, target in (
        ("calls to find one, median of the seeds, the slowest bug", "median_calls", MEDIAN_CALLS),
        ("calls to find one, the worst seed of all", "worst_calls", FIND_CALLS),
    ):
        values = [one[key] for one in bugs.values()]
        missing = values.count(None)
        told = f"> {FIND_CALLS:,} ({missing} not found)" if missing else f"{max(values):,.0f}"
        yield title, told, f"{target:,}"
    seconds = [one["worst_seconds"] for one in bugs.values()]
    told = f"> {FIND_CALLS:,} calls" if None in seconds else _two(max(seconds))
    yield "CPU seconds to find one, the worst seed of all", told, _two(FIND_SECONDS)
    steps, shrinking = (
        max((one[key] for one in bugs.values() if one[key] is not None), default=None)
        for key in ("most_steps", "most_shrink_seconds")
    )
    yield "steps after shrinking, the most", "-" if steps is None else str(steps), str(STEPS)
    yield "CPU seconds of shrinking, the most", _two(shrinking), _two(SHRINK_SECONDS)


def _two(value: float | None, none: str = "-") -> str:
    return none if value is None else f"{value:,.2f}"


def write_readme(report: Report, path: Path) -> None:
    """Put the table where README.md has it."""
    text = path.read_text(encoding="utf-8")
    head, mark, rest = text.partition("### Fuzz\n")
    before, bar, table = rest.partition("\n| ")
    if not mark or not bar:
        raise UserError(f"{path} has no table of fuzz figures")
    after = "\n\n" + table.partition("\n\n")[2]
    text = head + mark + before + "\n" + "\n".join(readme(report)) + after
    path.write_text(text, encoding="utf-8")
