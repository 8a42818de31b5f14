"""The corpus: sequences worth going on from, on disk, shared by processes and by later runs.

    <folder>/<profile>/<code>/<name>.json     {"genes": "<hex>", "features": [..], "slack": {..}}

A sequence is kept when it reached a feature that none before it had: an edge of the code, a
behaviour (an action, its outcome, a band of health, a level of the breaker), or a step nearer to
the edge of a promise (each halving of its slack is a feature). `code` stands for the bytecode that
the features are of and for what genes mean: other code, other folder. A run that finds its folder
empty goes on from the sequences of the newest other one, and finds out what they are worth.

PROCESSES. A file is written whole and never changed, its name is the hash of its genes: any number
of processes may add, and each sees what others have added when it calls `merge`. Who finds a file
gone that another process dropped goes on without it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import math
import os
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from breakwater.errors import UserError

FORMAT = 1

_RARE = 2  # entries that have a feature, at most, for it to be rare


@dataclass
class Entry:
    """One sequence."""

    name: str
    genes: bytes
    """What the sequence is made from."""
    features: frozenset[str]
    slack: Mapping[str, float] = field(default_factory=dict)
    """By promise, the least in this sequence."""
    picked: int = 0
    """How often this process went on from it."""
    fruits: int = 0
    """How often that led to an entry."""


class Corpus:
    """The entries of one profile and code. `folder` None: in memory only.

    UserError when the folder cannot be made. One that can no more be written later is named on
    stderr, once, and the corpus goes on in memory: a search must not lose what it found to it.
    """

    def __init__(self, folder: Path | None, profile: str = "", code: str = "") -> None:
        self.base = None if folder is None else folder / profile
        self.folder = None if self.base is None else self.base / code[:16]
        self.entries: dict[str, Entry] = {}
        self.features: set[str] = set()
        """Everything any entry reached."""
        self.slack: dict[str, float] = {}
        """By promise, the least of all entries."""
        self._seen: set[str] = set()
        self._nearest: dict[str, str] = {}  # promise -> name of the entry with the least slack
        self._counts: dict[str, int] = {}
        self._rare: dict[str, int] = {}  # name -> features that at most one other entry has
        self._holders: dict[str, list[str]] = {}  # of such a feature, the names
        self._weights: list[float] = []  # added up, in the order of `_order`
        self._order: list[Entry] = []
        self._full = False
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"{self.folder} cannot be made: {error.strerror}") from None
            self.merge()

    def __len__(self) -> int:
        return len(self.entries)

    # ------------------------------------------------------------ adding

    def consider(
        self,
        genes: bytes,
        features: Iterable[str],
        slack: Mapping[str, float] | None = None,
        parent: Entry | None = None,
    ) -> Entry | None:
        """Keep a sequence if it reached something new; the entry, or None.

        `slack` becomes features too.
        """
        slack = slack or {}
        found = frozenset((*features, *_bands(slack)))
        if found <= self.features:
            return None
        entry = Entry(_name(genes), genes, found, dict(slack))
        if entry.name in self.entries:
            self.features |= found
            return None
        self._write(entry)
        self._add(entry)
        if parent is not None:
            parent.fruits += 1
        return entry

    def _add(self, entry: Entry) -> None:
        self.entries[entry.name] = entry
        self._seen.add(entry.name)
        self.features |= entry.features
        self._count(entry)
        for promise, slack in entry.slack.items():
            if slack < self.slack.get(promise, math.inf):
                self.slack[promise] = slack
                self._nearest[promise] = entry.name
        self._weights = []

    def _count(self, entry: Entry) -> None:
        """Count its features. What they are worth is kept, not added up at each choice: that would
        take more time the larger the corpus is and the more processes add to it."""
        rare, counts, holders = self._rare, self._counts, self._holders
        rare[entry.name] = 0
        for feature in entry.features:
            count = counts[feature] = counts.get(feature, 0) + 1
            if count <= _RARE:
                rare[entry.name] += 1
                holders.setdefault(feature, []).append(entry.name)
            elif count == _RARE + 1:
                for name in holders.pop(feature):
                    rare[name] -= 1

    # ------------------------------------------------------------ choosing

    def pick(self, rng: random.Random) -> Entry | None:
        """An entry to go on from, or None when there is none.

        More often: what reached rare features, what is nearest to the edge of a promise, what was
        tried little, and what led to entries before.
        """
        if not self.entries:
            return None
        if not self._weights:
            self._order = [self.entries[name] for name in sorted(self.entries)]
            near = set(self._nearest.values())
            weights = [self._weight(entry, entry.name in near) for entry in self._order]
            self._weights = list(itertools.accumulate(weights))
        entry = rng.choices(self._order, cum_weights=self._weights)[0]
        entry.picked += 1
        if entry.picked % 16 == 0:
            self._weights = []  # weigh again now and then
        return entry

    def _weight(self, entry: Entry, nearest: bool) -> float:
        weight = 1.0 + min(self._rare[entry.name], 20) / 4 + (3.0 if nearest else 0.0)
        return weight * (1 + entry.fruits) / math.sqrt(1 + entry.picked)

    # ------------------------------------------------------------ disk

    def merge(self) -> int:
        """Read what other processes added since; how many entries are new."""
        if self.folder is None:
            return 0
        before = len(self.entries)
        for path in sorted(self.folder.glob("*.json")):
            if path.stem not in self._seen:
                self._seen.add(path.stem)
                entry = _read(path)
                if entry is not None:
                    self._add(entry)
        return len(self.entries) - before

    def inherited(self) -> list[bytes]:
        """Genes of the newest folder of other code, when this one is empty. Their features are of
        that code: run them to see what they reach.
        """
        if self.base is None or self.folder is None or self.entries:
            return []
        others = [path for path in self.base.iterdir() if path.is_dir() and path != self.folder]
        others.sort(key=lambda path: (path.stat().st_mtime, path.name))
        for folder in reversed(others):
            found = [_read(path) for path in sorted(folder.glob("*.json"))]
            genes = [entry.genes for entry in found if entry is not None]
            if genes:
                return genes
        return []

    def minimise(self) -> int:
        """Drop entries whose features others have as well, the shorter ones staying; how many.

        Nothing is dropped while another process does the same.
        """
        with self._alone() as alone:
            if not alone:
                return 0
            self.merge()
            keep: set[str] = set()
            covered: set[str] = set()
            # nearest to an edge first, then short ones: each stays if it adds anything
            near = set(self._nearest.values())
            order = sorted(
                self.entries.values(),
                key=lambda entry: (entry.name not in near, len(entry.genes), entry.name),
            )
            for entry in _greedy(order):
                if not entry.features <= covered:
                    covered |= entry.features
                    keep.add(entry.name)
            dropped = [name for name in self.entries if name not in keep]
            for name in dropped:
                del self.entries[name]
                if self.folder is not None:
                    with contextlib.suppress(OSError):
                        (self.folder / f"{name}.json").unlink()
            self._weights = []
            if dropped:
                self._counts, self._rare, self._holders = {}, {}, {}
                for entry in self.entries.values():
                    self._count(entry)
            return len(dropped)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this process has the folder's lock."""
        if self.folder is None:
            yield True
            return
        with contextlib.ExitStack() as stack:
            try:
                stream = stack.enter_context(open(self.folder / ".lock", "w"))
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            except OSError:
                alone = False
            yield alone

    def _write(self, entry: Entry) -> None:
        if self.folder is None or self._full:
            return
        data = {
            "format": FORMAT,
            "genes": entry.genes.hex(),
            "features": sorted(entry.features),
            "slack": dict(entry.slack),
        }
        path = self.folder / f"{entry.name}.json"
        part = path.with_name(f".{entry.name}.{os.getpid()}")
        try:
            part.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            self._full = True
            print(f"{self.folder} is no more written: {error.strerror}", file=sys.stderr)
            with contextlib.suppress(OSError):
                part.unlink()


def _greedy(order: list[Entry]) -> Iterator[Entry]:
    """First what alone has a feature, then the rest, each group in the order given."""
    counts: dict[str, int] = {}
    for entry in order:
        for feature in entry.features:
            counts[feature] = counts.get(feature, 0) + 1
    alone = [any(counts[feature] == 1 for feature in entry.features) for entry in order]
    yield from (entry for entry, only in zip(order, alone, strict=True) if only)
    yield from (entry for entry, only in zip(order, alone, strict=True) if not only)


def _bands(slack: Mapping[str, float]) -> Iterator[str]:
    """Features of being near an edge: one for each halving."""
    for promise, value in slack.items():
        band = "0" if value <= 0 else str(math.floor(math.log2(value)))
        yield f"{promise} within 2^{band}" if value > 0 else f"{promise} at its edge"


def _name(genes: bytes) -> str:
    return hashlib.sha256(genes).hexdigest()[:20]


def _read(path: Path) -> Entry | None:
    """An entry, or None when the file is gone or none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        genes = bytes.fromhex(data["genes"])
        if data["format"] != FORMAT or _name(genes) != path.stem:
            return None
        slack = {str(promise): float(value) for promise, value in data["slack"].items()}
        return Entry(path.stem, genes, frozenset(map(str, data["features"])), slack)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
