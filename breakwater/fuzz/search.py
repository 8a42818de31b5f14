"""A search: sequences of the fast lane in one process, guided by a corpus, and what broke.

Two sequences in five are new; the others are mutations of what the corpus picks, mostly with new
genes from some place on. What a sequence showed (edges of the code that it was the first to pass,
actions with their outcomes, health in bands, levels of the breaker, how near it came to each
promise's edge) decides whether it joins.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from breakwater import artifacts
from breakwater.evm import EvmHost
from breakwater.fuzz import actions, counterexample
from breakwater.fuzz.corpus import Corpus, Entry
from breakwater.fuzz.counterexample import Compile, Counterexample
from breakwater.fuzz.genes import GENE
from breakwater.fuzz.lane import LENGTH, Failure, Key, Lane, Outcome, mutated
from breakwater.fuzz.profiles import BESIDE
from breakwater.fuzz.replay import Replayer, new_world, shrink
from breakwater.fuzz.shrink import shrink as shrink_genes
from breakwater.fuzz.world import World

_FRESH = 0.4  # share of sequences that are new
_MERGE_EVERY = 64  # sequences between two looks at what other processes added
_MINIMISE_EVERY = 4_096  # sequences
_COLLECT_EVERY = 500  # sequences between two runs of the garbage collector
_AGAIN = 2  # how often the same thing is shrunk, in case another sequence shrinks to less
_SECONDS = 10.0  # of the shrinker of genes: it needs 2
_TRIES = 300  # of the one of steps
_FIRST_BUILD, _BUILD_AGAIN = 64, 4  # sequences after which the code is built anew, then fourfold
_STEP = 1_000_003  # between the seeds of the searches of a campaign
_BESIDE_EVERY = 4  # sequences of which one is played beside

_FUZZ = "breakwater.fuzz"

Bit = tuple[str, int]


@dataclass(frozen=True)
class Settings:
    """What to do. All of it crosses to other processes."""

    profile: str = "default"
    seed: int = 1
    seconds: float | None = None
    calls: int | None = None
    jobs: int = 1
    corpus: Path | None = artifacts.ROOT / ".build" / "fuzz" / "corpus"
    """None: in memory only."""
    output: Path = Path("broken")
    """Where counterexamples go."""
    planted: str | None = None
    """A bug of tests/planted/ to search with."""
    coverage: bool = True
    """Search on the instrumented build."""
    anvil: bool = True
    """Replay findings on anvil."""
    beside: bool = True
    """Play what `profiles.BESIDE` has for the profile too."""


@dataclass(frozen=True)
class Finding:
    """What broke, shrunk, and whether it broke again on the plain build."""

    found: Counterexample
    confirmed: bool


@dataclass
class Report:
    """What a search did since its last report."""

    calls: int = 0
    sequences: int = 0
    succeeded: int = 0
    cpu_seconds: float = 0.0
    actions: dict[str, dict[str, int]] = field(default_factory=dict)
    """Action -> "ok" or the reason of the refusal -> calls."""
    slack: dict[str, float] = field(default_factory=dict)
    edges: set[Bit] = field(default_factory=set)
    edges_total: int = 0
    corpus: int = 0
    findings: list[Finding] = field(default_factory=list)
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    """By profile, what joined a corpus that is in memory only."""

    def add(self, other: Report) -> None:
        """Count what was done beside; CPU seconds are those of the process."""
        self.calls += other.calls
        self.sequences += other.sequences
        self.succeeded += other.succeeded
        for action, outcomes in other.actions.items():
            known = self.actions.setdefault(action, {})
            for outcome, count in outcomes.items():
                known[outcome] = known.get(outcome, 0) + count
        for promise, slack in other.slack.items():
            self.slack[promise] = min(slack, self.slack.get(promise, slack))
        self.edges |= other.edges
        self.edges_total = max(self.edges_total, other.edges_total)
        self.corpus += other.corpus
        self.findings += other.findings
        self.entries.update(other.entries)


class Search:
    """One process's part of a campaign: the market of its profile, and the one beside it, whose
    search is one like this with a corpus of its own. Which of them a sequence is played in does
    not depend on time.
    """

    def __init__(self, settings: Settings, index: int = 0, above: Search | None = None) -> None:
        """`above`: that of the campaign, for the one beside it."""
        self.settings = settings
        self._index = index
        self._above = above
        self._beside: Search | None = None
        self._turns = 0
        self._compile = compiler(settings.planted)
        self._seed = settings.seed + _STEP * index
        self._seen: Any = None
        if above is not None:
            self._seen = above._seen
        elif settings.coverage:
            from breakwater.coverage.host import Coverage

            self._seen = Coverage()
        self._bits: set[Bit] = set()
        self._next_build = _FIRST_BUILD
        self._build()
        self._random = random.Random(self._seed)
        self._size = GENE * LENGTH
        self.corpus = Corpus(settings.corpus, settings.profile, code(settings, self.world))
        self._waiting = self.corpus.inherited()
        # what other searches begin with comes in another order
        self._random.shuffle(self._waiting)
        self._names: dict[int, str] = {}
        self._known_keys: set[int] = set()
        self._slack: dict[str, float] = {}
        self._times: Counter[tuple[str, str]] = Counter()
        self._player: Replayer | None = None
        self._entries: list[Entry] = []
        self._findings: list[Finding] = []
        self._edges: set[Bit] = set()
        self._last = (0, 0, 0, time.process_time())
        self._counted: Counter[Key] = Counter()

    def _build(self) -> None:
        """A lane on a new chain, where what was passed already is no more looked for."""
        self._host = _host(self._seen)
        self.world = World(self._host, self.settings.profile, self._compile)
        self._sites = _sites(self._host)
        self._lane = Lane(
            self.world,
            self._seed,
            coverage=None if self._seen is None else self._look,
            guide=lambda outcome: False,  # the corpus is kept here
        )

    def _rebuild(self) -> None:
        old = self._lane
        self._build()
        for name in ("counts", "keys", "sequences", "calls", "succeeded", "seconds", "_numbers"):
            setattr(self._lane, name, getattr(old, name))

    # ------------------------------------------------------------ running

    @property
    def calls(self) -> int:
        """Made so far."""
        return self._lane.calls + (0 if self._beside is None else self._beside.calls)

    def _turn(self) -> Search:
        """Whose the next sequence is. The market beside is set up when it is first wanted."""
        self._turns += 1
        if self._turns % _BESIDE_EVERY:
            return self
        if self._beside is None:
            others = played(self.settings)[1:]
            if not others:
                return self
            self._beside = type(self)(others[0], self._index, self)
        return self._beside

    def run(self, calls: int, deadline: float | None = None) -> Report:
        """Run sequences for at least so many calls, or until the deadline (of `time.monotonic`)."""
        until = self.calls + calls
        # little here is cyclic: the collector would mostly take time
        collects = gc.isenabled()
        gc.disable()
        try:
            while self.calls < until:
                if deadline is not None and time.monotonic() >= deadline:
                    break
                self._turn()._one()
                if self._turns % _COLLECT_EVERY == 0:
                    gc.collect()
        finally:
            if collects:
                gc.enable()
        return self.report()

    def _one(self) -> None:
        genes, parent = self._draw()
        watch = self._lane.watch
        watch.slack = {}
        self._bits = set()
        outcome = self._lane.sequence(genes)
        slack = dict(watch.slack)
        for failure in self._lane.found:
            self._broken(failure)
        self._lane.found.clear()
        if not outcome.violations:
            self._keep(outcome, slack, parent)
        for promise, room in slack.items():
            if room < self._slack.get(promise, float("inf")):
                self._slack[promise] = room
        if self._lane.sequences % _MERGE_EVERY == 0 and self.settings.jobs > 1:
            self.corpus.merge()
        if self._lane.sequences % _MINIMISE_EVERY == 0:
            self.corpus.minimise()
        if self._seen is not None and self._lane.sequences == self._next_build:
            self._next_build *= _BUILD_AGAIN
            self._rebuild()

    def _draw(self) -> tuple[bytes, Entry | None]:
        draw = self._random
        if self._waiting:
            return self._waiting.pop(), None
        parent = None if draw.random() < _FRESH else self.corpus.pick(draw)
        if parent is None:
            return draw.randbytes(self._size), None
        donor = self.corpus.pick(draw)
        assert donor is not None
        return mutated(draw, parent.genes, donor.genes, self._size), parent

    def _keep(self, outcome: Outcome, slack: dict[str, float], parent: Entry | None) -> None:
        nearer = any(
            room < 0.5 * self._slack.get(promise, float("inf")) for promise, room in slack.items()
        )
        if not self._bits and not nearer and outcome.keys <= self._known_keys:
            return
        self._known_keys |= outcome.keys
        features = {self._name(key) for key in outcome.keys}
        features |= {f"{contract}:{number}" for contract, number in self._bits}
        entry = self.corpus.consider(outcome.genes, features, slack, parent)
        if entry is not None and self.settings.corpus is None:
            self._entries.append(entry)

    def _name(self, key: int) -> str:
        """A feature as all processes call it."""
        found = self._names.get(key)
        if found is None:
            for (action, reason), number in self._lane._numbers.items():
                self._names.setdefault(number, f"{action}: {_outcome(reason)}")
            found = self._names.setdefault(key, f"state {key}")
        return found

    def _look(self) -> int:
        """What the lane asks after each sequence: how many edges are new."""
        self._bits = {bit for bit in self._host.new_bits() if bit[1] <= self._sites[bit[0]]}
        self._edges |= self._bits
        return len(self._bits)

    def of(self, profile: str) -> Search:
        """This one, or the one beside it."""
        if profile == self.settings.profile:
            return self
        while self._beside is None:
            self._turn()
        return self._beside

    def begin_with(self, genes: Iterable[bytes]) -> None:
        """Run these first, to see what they reach."""
        self._waiting.extend(genes)

    def take(self, entries: Iterable[Entry]) -> None:
        """Entries that other searches found."""
        for entry in entries:
            self.corpus.consider(entry.genes, entry.features, entry.slack)

    # ------------------------------------------------------------ what broke

    def _broken(self, failure: Failure) -> None:
        first = failure.violations[0]
        key = first.promise, counterexample.without_numbers(first.what)
        self._times[key] += 1
        if self._times[key] > _AGAIN:
            return
        if self._player is None:
            self._player = Replayer(new_world(self.settings.profile, self._compile))
        player = self._player
        shrunk = shrink_genes(self._lane, failure, _SECONDS)
        raw = Counterexample(
            market=self.settings.profile,
            promise=first.promise,
            steps=tuple(shrunk.steps or failure.steps),
            sentence=first.sentence,
            seed=self.settings.seed,
            expected=first.sentence,
            actual=str(first.what),
            planted=self.settings.planted,
            code=counterexample.code_hashes(player.world, self._compile),
            versions=counterexample.versions(),
        )
        playback = player.play(raw.steps, raw.promise)
        broke = playback.broke(raw.promise) or next(iter(playback.violations), None)
        if broke is None:
            raw = replace(raw, steps=tuple(failure.steps))
            playback = player.play(raw.steps, raw.promise)
            broke = playback.broke(raw.promise) or next(iter(playback.violations), None)
        if broke is None:
            said = replace(raw, checked={"plain build": "held"})
            self._findings.append(Finding(said, confirmed=False))
            return
        raw = replace(raw, promise=broke.promise, sentence=broke.sentence, expected=broke.sentence)
        found = shrink(raw, player, tries=_TRIES, seconds=None)
        again = player.play(found.steps)
        model = "not compared"
        if player.compares:
            differs = again.broke(counterexample.MODEL)
            model = "agrees with the contracts" if differs is None else differs.what
        checked = {"plain build": "broken", "model": model}
        self._findings.append(Finding(replace(found, checked=checked), confirmed=True))

    # ------------------------------------------------------------ reporting

    def report(self) -> Report:
        """What was done since the last report."""
        report = self._own_report()
        if self._beside is not None:
            report.add(self._beside._own_report())
        return report

    def _own_report(self) -> Report:
        lane = self._lane
        calls, sequences, succeeded, cpu = self._last
        self._last = (lane.calls, lane.sequences, lane.succeeded, time.process_time())
        found: dict[str, dict[str, int]] = {}
        for (action, reason), count in lane.counts.items():
            new = count - self._counted[action, reason]
            if new:
                outcomes = found.setdefault(action, {})
                outcomes[_outcome(reason)] = outcomes.get(_outcome(reason), 0) + new
        self._counted = Counter(lane.counts)
        report = Report(
            calls=self._last[0] - calls,
            sequences=self._last[1] - sequences,
            succeeded=self._last[2] - succeeded,
            cpu_seconds=self._last[3] - cpu,
            actions=found,
            slack=dict(self._slack),
            edges=self._edges,
            edges_total=sum(self._sites.values()),
            corpus=len(self.corpus),
            findings=self._findings,
            entries={self.settings.profile: self._entries} if self._entries else {},
        )
        self._edges, self._findings, self._entries = set(), [], []
        return report


def _outcome(reason: str | None) -> str:
    return "ok" if reason is None else reason or "(empty)"


# ------------------------------------------------------------ builds


def played(settings: Settings) -> list[Settings]:
    """Of the market of the profile, and of the one beside it."""
    beside = BESIDE.get(settings.profile) if settings.beside else None
    return [settings] if beside is None else [settings, replace(settings, profile=beside)]


def compiler(planted: str | None) -> Compile | None:
    """What a world is compiled with: None for the project's own code."""
    if planted is None:
        return None
    from breakwater.fuzz import planted as bugs

    return bugs.compiler(bugs.load(planted))


def prepare(settings: Settings) -> None:
    """Compile everything that a search needs, before several begin."""
    artifacts.compile_all()
    if settings.coverage:
        from breakwater.coverage.instrument import instrument_all

        instrument_all()
    for one in played(settings):
        World(_host(None), one.profile, compiler(settings.planted))


def code(settings: Settings, world: World) -> str:
    """Stands for the code that a corpus is of, and for what its genes mean there."""
    hashes = counterexample.code_hashes(world, compiler(settings.planted))
    sources = [_text(path) for path in meaning()]
    tables = actions.TABLE, actions.PERIPHERY_TABLE
    text = repr((sorted(hashes.items()), tables, sources, GENE, LENGTH, settings.coverage))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def meaning() -> tuple[Path, ...]:
    """Sources of the laboratory by which a gene becomes calls: those of the actions and of what
    they import from it, for types too, since they read the state with it.
    """
    found: dict[str, Path] = {}
    waiting = [actions.__name__]
    while waiting:
        name = waiting.pop()
        path = Path(__file__).parents[2] / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in found or not path.is_file():
            continue
        found[name] = path
        for node in ast.walk(ast.parse(_text(path))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_FUZZ):
                waiting += [str(node.module), *(f"{node.module}.{one.name}" for one in node.names)]
    return tuple(found[name] for name in sorted(found))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _host(seen: Any) -> Any:
    """A chain that looks for what is not in `seen`, a `Coverage`; one that does not for None."""
    if seen is None:
        return EvmHost()
    from breakwater.coverage.host import CoverageHost
    from breakwater.coverage.instrument import find

    for key, numbers in seen.hits.items():
        build = find(key)
        if build is not None:
            numbers &= set(range(1, len(build.sites) + 1))
    return CoverageHost(coverage=seen, skip=True)


def _sites(host: Any) -> dict[str, int]:
    """How many places there are in the code of each of a host's contracts, by name."""
    reader = getattr(host, "_reader", None)
    if reader is None:
        return {}
    return {build.name: len(build.sites) for _, build, _ in reader.places}
