"""The corpus: what is kept, what is gone on from, and several processes in one folder."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from breakwater.errors import UserError
from breakwater.fuzz import actions, search
from breakwater.fuzz.corpus import Corpus
from breakwater.fuzz.replay import new_world
from breakwater.fuzz.search import Settings


def open_corpus(folder: Path, code: str = "c0de") -> Corpus:
    return Corpus(folder, "default", code)


def test_consider__only_what_is_new(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    assert corpus.consider(b"one", {"e1", "e2"}) is not None
    assert corpus.consider(b"two", {"e1"}) is None
    assert corpus.consider(b"three", {"e1", "e3"}) is not None
    assert len(corpus) == 2
    assert corpus.features == {"e1", "e2", "e3"}


def test_consider__nearer_to_an_edge(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    assert corpus.consider(b"one", {"e1"}, {"SOLV-2": 100.0}) is not None
    assert corpus.consider(b"two", {"e1"}, {"SOLV-2": 90.0}) is None  # not half as near
    assert corpus.consider(b"three", {"e1"}, {"SOLV-2": 40.0}) is not None
    assert corpus.consider(b"four", {"e1"}, {"SOLV-2": 0.0}) is not None
    assert corpus.slack == {"SOLV-2": 0.0}


def test_open__begins_with_what_was_kept(tmp_path: Path) -> None:
    first = open_corpus(tmp_path)
    first.consider(b"one", {"e1"}, {"SOLV-2": 8.0})
    first.consider(b"two", {"e2"})
    again = open_corpus(tmp_path)
    assert {entry.genes for entry in again.entries.values()} == {b"one", b"two"}
    assert again.features == first.features
    assert again.slack == {"SOLV-2": 8.0}
    assert again.consider(b"three", {"e1", "e2"}) is None


def test_open__other_code_other_features(tmp_path: Path) -> None:
    open_corpus(tmp_path, "old").consider(b"one", {"e1"})
    new = open_corpus(tmp_path, "new")
    assert len(new) == 0
    assert new.inherited() == [b"one"]
    new.consider(b"one", {"e9"})
    assert new.inherited() == []
    assert Corpus(tmp_path, "small", "new").inherited() == []


def test_open__passes_over_what_is_damaged(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    kept = corpus.consider(b"one", {"e1"})
    other = corpus.consider(b"two", {"e2"})
    assert kept is not None
    assert other is not None
    assert corpus.folder is not None
    (corpus.folder / f"{kept.name}.json").write_text('{"format": 1, "gen')
    data = json.loads((corpus.folder / f"{other.name}.json").read_text())
    (corpus.folder / f"{other.name}.json").write_text(json.dumps({**data, "genes": "ff"}))
    assert len(open_corpus(tmp_path)) == 0


def test_merge__what_another_process_added(tmp_path: Path) -> None:
    ours, theirs = open_corpus(tmp_path), open_corpus(tmp_path)
    theirs.consider(b"one", {"e1"})
    assert len(ours) == 0
    assert ours.merge() == 1
    assert ours.merge() == 0
    assert ours.consider(b"two", {"e1"}) is None


def test_write__a_folder_that_fails_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = open_corpus(tmp_path)
    assert corpus.folder is not None
    corpus.consider(b"one", {"e1"})
    shutil.rmtree(corpus.folder)
    corpus.folder.write_text("in the way")
    corpus.consider(b"two", {"e2"})
    corpus.consider(b"three", {"e3"})
    corpus.consider(b"four", {"e1", "e2", "e3", "e4"})
    assert corpus.minimise() == 0  # no lock, nothing is dropped
    assert len(corpus) == 4
    assert capsys.readouterr().err.count("is no more written: Not a directory") == 1


def test_open__a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "default").write_text("in the way")
    with pytest.raises(UserError, match=r"default/c0de cannot be made"):
        open_corpus(tmp_path)


def test_code__what_genes_mean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other weights or other sources of the actions: another folder."""
    settings, world = Settings(profile="small"), new_world("small")
    found = {search.code(settings, world)}
    assert found == {search.code(settings, world)}
    with monkeypatch.context() as changed:
        changed.setattr(actions, "TABLE", actions.TABLE[::-1])
        found.add(search.code(settings, world))
    real = search._text
    for path in search.meaning():
        with monkeypatch.context() as changed:
            changed.setattr(search, "_text", lambda one, old=path: real(one) + "#" * (one == old))
            found.add(search.code(settings, world))
    assert len(found) == 2 + len(search.meaning())


def test_meaning__is_of_every_module_that_the_actions_are_made_of() -> None:
    """Those that are loaded with them, and those that read the state for them."""
    names = {path.relative_to(search.artifacts.ROOT).as_posix() for path in search.meaning()}
    folder = Path(actions.__file__).parent
    assert {f"breakwater/fuzz/actions/{path.name}" for path in folder.glob("*.py")} <= names
    wanted = ("genes", "looks", "player", "positions", "prices", "steps", "watch", "world")
    assert {f"breakwater/fuzz/{name}.py" for name in wanted} <= names
    assert not {f"breakwater/fuzz/{name}.py" for name in ("lane", "search", "shrink")} & names


def test_minimise__keeps_every_feature(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    corpus.consider(b"a" * 40, {"e1", "e2"})
    corpus.consider(b"b" * 40, {"e3"})
    corpus.consider(b"c" * 80, {"e1", "e2", "e3", "e4"})
    before = set(corpus.features)
    assert corpus.minimise() == 2
    kept = {feature for entry in corpus.entries.values() for feature in entry.features}
    assert kept == before
    assert len(open_corpus(tmp_path)) == 1
    # what was dropped does not come back
    assert corpus.merge() == 0
    assert corpus.consider(b"b" * 40, {"e3"}) is None


def test_minimise__one_process_at_a_time(tmp_path: Path) -> None:
    ours, theirs = open_corpus(tmp_path), open_corpus(tmp_path)
    ours.consider(b"a", {"e1"})
    ours.consider(b"b", {"e1", "e2"})
    with theirs._alone() as alone:
        assert alone
        assert ours.minimise() == 0
    assert ours.minimise() == 1


def test_pick__rather_what_is_rare_and_near(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    assert corpus.pick(random.Random(1)) is None
    for number in range(8):
        corpus.consider(bytes([number]), {"e0", f"old {number}"}, {"SOLV-2": 2.0**20})
    corpus.consider(b"near", {"e0", "near"}, {"SOLV-2": 1.0})
    drawn = Counter()
    rng = random.Random(7)
    for _ in range(900):
        entry = corpus.pick(rng)
        assert entry is not None
        drawn[entry.genes] += 1
    assert len(drawn) == 9  # nothing is left out
    assert drawn.most_common(1)[0][0] == b"near"


def test_rare__as_counted_anew() -> None:
    corpus, rng = Corpus(None), random.Random(4)
    for i in range(60):
        features = {f"f{rng.randrange(1 + rng.randrange(80))}" for _ in range(9)} | {f"n{i // 2}"}
        corpus.consider(rng.randbytes(16), features)
        if i == 40:
            assert corpus.minimise()
    counts = Counter(feature for entry in corpus.entries.values() for feature in entry.features)
    rare = {
        name: sum(counts[feature] <= 2 for feature in entry.features)
        for name, entry in corpus.entries.items()
    }
    assert corpus._rare == rare
    assert len(set(rare.values())) > 2


def test_pick__same_seed_same_choices(tmp_path: Path) -> None:
    def choices() -> list[bytes]:
        corpus = Corpus(None)
        for number in range(5):
            corpus.consider(bytes([number]), {f"e{number}"})
        rng = random.Random(3)
        return [entry.genes for _ in range(50) if (entry := corpus.pick(rng)) is not None]

    assert choices() == choices()


def test_in_memory__writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = Corpus(None)
    corpus.consider(b"one", {"e1"})
    assert corpus.merge() == 0
    assert corpus.inherited() == []
    assert corpus.minimise() == 0
    assert list(tmp_path.iterdir()) == []
