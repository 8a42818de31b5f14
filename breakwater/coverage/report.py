"""What was run of each source: as figures, as a table for a terminal, and as HTML pages.

A line counts if it starts a statement that yields code in a contract of the project (mocks do not
count, libraries neither); it is hit if any contract ran it. A branch is one outcome of an `if`, an
`and`, an `or`, a ternary, an `assert` or a loop. A check is what the compiler adds (overflow,
bounds, calldata): of those is counted how many were seen to fail.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from breakwater import artifacts
from breakwater.artifacts import Progress
from breakwater.coverage.host import Coverage
from breakwater.coverage.instrument import Instrumented, Site, find, instrument_all

TEMPLATE = Path(__file__).with_name("page.html")

_NEVER = {
    ("assert", True): "never holds",
    ("assert", False): "never fails",
    ("loop", True): "never entered",
    ("loop", False): "never skipped",
    ("loop again", True): "never repeats",
    ("loop again", False): "never runs to its end",
}


@dataclass(order=True, frozen=True)
class Place:
    """A condition in a source."""

    line: int
    column: int
    what: str


@dataclass
class File:
    """Coverage of one source."""

    source: str
    lines: dict[int, bool] = field(default_factory=dict)
    """Whether it was hit, by first line of each statement."""
    last: dict[int, int] = field(default_factory=dict)
    """Last line of each statement, by its first."""
    branches: dict[Place, dict[bool, bool]] = field(default_factory=dict)
    """Whether it was seen, by condition and outcome."""
    statement: dict[Place, int] = field(default_factory=dict)
    """First line of the statement that a condition is in."""
    checks: dict[Place, bool] = field(default_factory=dict)
    """Whether it was seen to fail, by what the compiler checks."""

    @property
    def line_counts(self) -> tuple[int, int]:
        """Lines hit, and all."""
        return sum(self.lines.values()), len(self.lines)

    @property
    def branch_counts(self) -> tuple[int, int]:
        """Outcomes seen, and all."""
        seen = [value for outcomes in self.branches.values() for value in outcomes.values()]
        return sum(seen), len(seen)

    @property
    def check_counts(self) -> tuple[int, int]:
        """Checks seen to fail, and all."""
        return sum(self.checks.values()), len(self.checks)

    @property
    def missing(self) -> list[int]:
        """Lines not hit, in order."""
        return sorted(line for line, hit in self.lines.items() if not hit)

    def notes(self) -> dict[int, list[str]]:
        """What was never seen of the branches of lines that were hit, by line of the condition."""
        found: dict[int, list[str]] = {}
        for place, outcomes in sorted(self.branches.items()):
            if not self.lines.get(self.statement[place], False):
                continue
            for outcome, seen in sorted(outcomes.items(), reverse=True):
                if not seen:
                    found.setdefault(place.line, []).append(_note(place, outcome))
        return found


def _note(place: Place, outcome: bool) -> str:
    never = _NEVER.get((place.what, outcome), f"never {str(outcome).lower()}")
    if place.what == "loop again":
        return f"loop {never}"
    column = f" (column {place.column + 1})" if place.what in ("and", "or", "ternary") else ""
    return f"{place.what}{column} {never}"


@dataclass
class Report:
    """Coverage of the project."""

    files: list[File]
    left_out: list[str]
    """Contracts of which the saved coverage is of sources that are gone."""
    changed: list[str] = field(default_factory=list)
    """Sources that were otherwise when what was saved ran, and of which nothing counts."""

    def _sum(self, counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
        pairs = list(counts)
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    @property
    def lines(self) -> tuple[int, int]:
        """Lines hit, and all."""
        return self._sum(file.line_counts for file in self.files)

    @property
    def branches(self) -> tuple[int, int]:
        """Outcomes of branches seen, and all."""
        return self._sum(file.branch_counts for file in self.files)

    @property
    def checks(self) -> tuple[int, int]:
        """Checks of the compiler seen to fail, and all."""
        return self._sum(file.check_counts for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """Figures, and what is missing."""
        return {
            "lines": self.lines,
            "branches": self.branches,
            "checks": self.checks,
            "files": {
                file.source: {
                    "lines": file.line_counts,
                    "branches": file.branch_counts,
                    "checks": file.check_counts,
                    "missing_lines": file.missing,
                    "partial_lines": {str(line): notes for line, notes in file.notes().items()},
                }
                for file in self.files
            },
            "left_out": self.left_out,
            "changed": self.changed,
        }


def measure(
    coverage: Coverage, progress: Progress | None = None, root: Path | None = None
) -> Report:
    """What `coverage` says of the sources as they are now."""
    root = root or artifacts.ROOT
    builds = instrument_all(progress=progress, root=root).values()
    present = {build.key: build for build in builds}
    files = tabulate(present.values())
    left_out: set[str] = set()
    digests: dict[str, str] = {}
    counted: set[str] = set()
    changed: set[str] = set()
    for key, numbers in coverage.hits.items():
        found = present.get(key) or find(key, root)
        if found is None:
            left_out.add(coverage.names[key])
            continue
        wanted = {name for name in found.files if name in files}
        current = {name for name in wanted if _same(root, found, name, digests)}
        if wanted and not current:
            left_out.add(coverage.names[key])
        counted |= current
        changed |= wanted - current
        fill(files, found, numbers, current)
    return Report(
        [files[name] for name in sorted(files, key=_order)],
        sorted(left_out),
        sorted(changed - counted),
    )


def tabulate(builds: Iterable[Instrumented]) -> dict[str, File]:
    """By source, everything that could be hit, and nothing hit yet."""
    files: dict[str, File] = {}
    for build in builds:
        for site in build.sites:
            _add_site(files, site)
    return files


def fill(
    files: dict[str, File], build: Instrumented, numbers: Iterable[int], sources: set[str]
) -> None:
    """Note the sites that were passed, as far as they are in `sources`."""
    for number in numbers:
        if 0 < number <= len(build.sites):
            _hit(files, build.sites[number - 1], sources)


def _order(source: str) -> tuple[int, str]:
    """Deployables before modules."""
    return ("modules" in source, source)


def _same(root: Path, build: Instrumented, name: str, digests: dict[str, str]) -> bool:
    """Whether a source is still what the build was made from."""
    if name not in digests:
        path = root / name
        digests[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "-"
    return build.files[name] == digests[name]


def _add_site(files: dict[str, File], site: Site) -> None:
    for statement in site.lines:
        file = files.setdefault(statement.source, File(statement.source))
        file.lines.setdefault(statement.line, False)
        file.last[statement.line] = statement.last
    if site.at is None:
        return
    source, line, column = site.at
    file = files.setdefault(source, File(source))
    place = Place(line, column, site.what)
    if site.is_branch:
        assert site.outcome is not None
        file.branches.setdefault(place, {}).setdefault(site.outcome, False)
        file.statement[place] = site.statement
    elif site.outcome is False:
        file.checks.setdefault(place, False)


def _hit(files: dict[str, File], site: Site, current: set[str]) -> None:
    for statement in site.lines:
        file = files.get(statement.source)
        if file is not None and statement.source in current and statement.line in file.lines:
            file.lines[statement.line] = True
    if site.at is None or site.at[0] not in current or site.at[0] not in files:
        return
    file = files[site.at[0]]
    place = Place(site.at[1], site.at[2], site.what)
    if site.is_branch:
        outcomes = file.branches.get(place, {})
        if site.outcome in outcomes:
            outcomes[bool(site.outcome)] = True
        if site.statement in file.lines:
            file.lines[site.statement] = True
    elif site.outcome is False and place in file.checks:
        file.checks[place] = True


# ---------------------------------------------------------------- terminal


def percent(counts: tuple[int, int]) -> str:
    """A share, rounded down so that only all is 100 %."""
    hit, total = counts
    return "-" if total == 0 else f"{hit * 1000 // total / 10:.1f} %"


def ranges(lines: list[int], every: list[int]) -> str:
    """Lines as text: `12, 20-24`; a range spans what lies between two missed statements."""
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in _runs(lines, every))


def _runs(lines: list[int], every: list[int]) -> list[list[int]]:
    """First and last of the lines that follow each other in `every`."""
    index = {line: number for number, line in enumerate(every)}
    runs: list[list[int]] = []
    for line in lines:
        if runs and index[line] == index[runs[-1][1]] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return runs


def table(report: Report, width: int = 120) -> Any:
    """A rich table: one row a source, and the sum. A narrow one has shares only."""
    from rich.table import Table

    wide = width >= 110

    def cells(counts: tuple[int, int]) -> list[str]:
        return [f"{counts[0]}/{counts[1]}"] * wide + [percent(counts)]

    result = Table(box=None, pad_edge=False, header_style="bold")
    result.add_column("source", no_wrap=True)
    for name in ("lines", "branches"):
        if wide:
            result.add_column("", justify="right", no_wrap=True)
        result.add_column(name, justify="right", no_wrap=True)
    result.add_column("checks", justify="right", no_wrap=True)
    result.add_column("missing lines")
    for file in report.files:
        result.add_row(
            file.source.removeprefix("contracts/"),
            *cells(file.line_counts),
            *cells(file.branch_counts),
            "{}/{}".format(*file.check_counts),
            ranges(file.missing, sorted(file.lines)),
        )
    result.add_section()
    last = [*cells(report.lines), *cells(report.branches), "{}/{}".format(*report.checks), ""]
    result.add_row("all", *last, style="bold")
    return result


# ---------------------------------------------------------------- pages


def write_html(report: Report, folder: Path, root: Path | None = None) -> Path:
    """Write `index.html` and one page for each source; the path of the index."""
    root = root or artifacts.ROOT
    folder.mkdir(parents=True, exist_ok=True)
    for file in report.files:
        text = (root / file.source).read_text(encoding="utf-8")
        page = _page(file.source, _source(file, text))
        (folder / _name(file)).write_text(page, encoding="utf-8")
    index = folder / "index.html"
    index.write_text(_page("Coverage", _index(report)), encoding="utf-8")
    return index


def _name(file: File) -> str:
    return file.source.removeprefix("contracts/").replace("/", "-") + ".html"


def _page(title: str, body: str) -> str:
    text = TEMPLATE.read_text(encoding="utf-8").replace("{{title}}", html.escape(title))
    return text.replace("{{body}}", body)


def _bar(counts: tuple[int, int]) -> str:
    hit, total = counts
    bar = f'<b><i style="width:{hit / total * 100:.1f}%"></i></b>' if total else ""
    return (
        f'<td class="n">{hit}/{total}</td><td class="n">{percent(counts)}</td>'
        f'<td class="bar">{bar}</td>'
    )


def _tiles(lines: tuple[int, int], branches: tuple[int, int], checks: tuple[int, int]) -> str:
    parts = (
        ("lines", percent(lines), "{} of {}".format(*lines)),
        ("branches", percent(branches), "{} of {} outcomes".format(*branches)),
        ("compiler's checks", percent(checks), "{} of {} seen to fail".format(*checks)),
    )
    tiles = "".join(
        f'<div class="tile"><span>{name}</span><b>{share}</b><span>{note}</span></div>'
        for name, share, note in parts
    )
    return f'<div class="tiles">{tiles}</div>'


def _index(report: Report) -> str:
    rows = "".join(
        f'<tr><td><a href="{html.escape(_name(file))}">{html.escape(file.source)}</a></td>'
        f"{_bar(file.line_counts)}{_bar(file.branch_counts)}"
        f'<td class="n">{file.check_counts[0]}/{file.check_counts[1]}</td></tr>'
        for file in report.files
    )
    left = ""
    if report.left_out:
        names = html.escape(", ".join(report.left_out))
        left = f'<p class="soft">Left out, measured on older sources: {names}</p>'
    return (
        "<h1>Coverage of the Vyper sources</h1>"
        '<p class="soft">Any contract that runs a line counts. Branches: each outcome of if, and,'
        " or, ternary, assert and loop. Checks: what the compiler adds, counted when seen to fail."
        f"</p>{left}{_tiles(report.lines, report.branches, report.checks)}"
        '<section class="scroll"><table class="files"><thead><tr><th>source</th>'
        '<th class="n" colspan="2">lines</th><th></th><th class="n" colspan="2">branches</th>'
        '<th></th><th class="n">checks</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _source(file: File, text: str) -> str:
    notes = file.notes()
    state: dict[int, str] = {}
    for first, hit in sorted(file.lines.items()):
        for line in range(first, file.last[first] + 1):
            state[line] = "hit" if hit else "miss"
    for place in file.branches:
        if place.line in notes:
            for line in {place.line, file.statement[place]}:
                state[line] = "part"
    rows = []
    for number, content in enumerate(text.splitlines(), 1):
        kind = state.get(number, "")
        note = "; ".join(notes.get(number, []))
        shown = f'<span class="note">{html.escape(note)}</span>' if note else ""
        mark = {"hit": "", "miss": "&#x2717;", "part": "&#x25D0;"}.get(kind, "")
        rows.append(
            f'<tr id="L{number}" class="{kind}"><td class="k">{number}</td>'
            f'<td class="m">{mark}</td><td class="c"><code>{html.escape(content)}</code>{shown}'
            "</td></tr>"
        )
    missing = ", ".join(
        f'<a href="#L{a}">{a}</a>' if a == b else f'<a href="#L{a}">{a}-{b}</a>'
        for a, b in _runs(file.missing, sorted(file.lines))
    )
    partial = ", ".join(f'<a href="#L{line}">{line}</a>' for line in sorted(notes)) or "none"
    return (
        f'<p class="soft"><a href="index.html">all sources</a></p><h1>{html.escape(file.source)}'
        f"</h1>{_tiles(file.line_counts, file.branch_counts, file.check_counts)}"
        f'<p class="soft lists">Missed: {missing or "none"}</p>'
        f'<p class="soft lists">Not every branch: {partial}</p>'
        '<p class="legend"><i class="hit"></i>hit <i class="part"></i>&#x25D0; a branch is missing '
        '<i class="miss"></i>&#x2717; missed</p>'
        f'<section class="scroll"><table class="code"><tbody>{"".join(rows)}</tbody></table>'
        "</section>"
    )
