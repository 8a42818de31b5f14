"""Every planted bug applies, compiles, changes the bytecode of the contracts it names, and breaks
its promise within reach of the fuzzer's market.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from breakwater import artifacts, promises
from breakwater.errors import UserError
from breakwater.evm import EvmHost
from breakwater.fuzz import planted
from breakwater.fuzz.replay import Replayer
from breakwater.fuzz.watch import Watch
from breakwater.fuzz.world import World
from tests.planted.sequences import SEQUENCES

BUGS = planted.catalogue()
BY_NAME = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)

TEXT = "one\ntwo\nthree\ntwo\nfour\n"


def diff(old, new, at=1):
    lines = [f"-{line}\n" for line in old] + [f"+{line}\n" for line in new]
    return f"--- a/file\n+++ b/file\n@@ -{at},{len(old)} +{at},{len(new)} @@\n{''.join(lines)}"


@pytest.fixture(scope="module")
def compiled():
    """The changed contracts of every bug; two compilers at a time, cached below .build."""
    artifacts.load_all()

    def build(bug):
        load = planted.compiler(bug)
        return {name: load(name) for name in bug.contracts}

    with ThreadPoolExecutor(2) as pool:
        return dict(zip((bug.name for bug in BUGS), pool.map(build, BUGS), strict=True))


def test_catalogue():
    assert len(BUGS) >= 20
    contracts = {name for bug in BUGS for name in bug.contracts}
    assert {"CreditEngine", "LendingVault", "InsuranceFund", "RiskEngine"} <= contracts


@BY_NAME
def test_promise__exists(bug):
    assert bug.promise in {"model", "SOLV-8", *(one.id for one in promises.catalogue())}


@BY_NAME
def test_patch__is_one_to_four_lines(bug):
    changed = [line for line in bug.diff.splitlines()[2:] if line[0] in "+-"]
    added = sum(line[0] == "+" for line in changed)
    assert 1 <= max(added, len(changed) - added) <= 4


@BY_NAME
def test_readme__has_the_bug(bug):
    rows = (planted.folder() / "README.md").read_text(encoding="utf-8").splitlines()
    contracts = ", ".join(bug.contracts)
    cells = (f"[{bug.name}]({bug.name}.patch)", bug.what, bug.incident, bug.promise, contracts)
    assert f"| {' | '.join(cells)} |" in rows


def test_readme__has_no_other():
    rows = (planted.folder() / "README.md").read_text(encoding="utf-8").splitlines()
    assert sum(row.startswith("| [") for row in rows) == len(BUGS)


@pytest.mark.slow
@BY_NAME
def test_compiler__bytecode_changes(compiled, bug):
    for name in bug.contracts:
        found = compiled[bug.name][name]
        plain = artifacts.load(name)
        assert found.deployed != plain.deployed
        assert found.abi == plain.abi
        assert found.layout["storage_layout"] == plain.layout["storage_layout"]
        assert found.size <= artifacts.SIZE_LIMIT


def broken_promises(world, steps):
    """By the sequence on this world; the reference model's where it is complete."""
    watch = Watch(world)
    watch.thorough = True
    found = set()
    for step in steps:
        found |= {violation.promise for violation in watch.after(step, world.run(step))}
    return found


@pytest.mark.slow
@BY_NAME
def test_sequence__breaks_the_promise(compiled, bug):
    steps = SEQUENCES[bug.name]
    if bug.promise == "model":
        player = Replayer(World(EvmHost(), "default", planted.compiler(bug)), bug.promise)
        assert player.play(steps).broke(bug.promise)
        return
    assert bug.promise in broken_promises(World(EvmHost(), "default", planted.compiler(bug)), steps)


@BY_NAME
def test_sequence__breaks_nothing_without_the_bug(bug):
    assert broken_promises(World(EvmHost()), SEQUENCES[bug.name]) == set()


@pytest.mark.slow
def test_compiler__other_contracts_stay_plain(compiled):
    bug = planted.load("loan_rounded_down")
    assert planted.compiler(bug)("CreditEngine") is artifacts.load("CreditEngine")


@BY_NAME
def test_plant__changes_only_its_files(bug):
    copy = planted.plant(bug)
    changed = {
        path.relative_to(copy).as_posix()
        for path in (copy / "contracts").rglob("*.vy*")
        if path.read_bytes() != (artifacts.ROOT / path.relative_to(copy)).read_bytes()
    }
    patched = planted.apply(bug.diff, lambda path: (artifacts.ROOT / path).read_text())
    assert changed == set(patched) != set()


def test_apply__nearest_place():
    change = diff(["two"], ["TWO"], at=4)
    assert planted.apply(change, lambda path: TEXT) == {"file": "one\ntwo\nthree\nTWO\nfour\n"}


def test_apply__lines_moved():
    change = diff(["three"], ["THREE", "more"], at=1)
    moved = "new\n" * 20 + TEXT
    assert planted.apply(change, lambda path: moved)["file"].count("THREE\nmore\n") == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (diff(["six"], ["seven"]), TEXT),  # nowhere
        ("", TEXT),
        ("--- a/file\n+++ b/file\n", TEXT),  # no hunk
        (diff(["two"], ["TWO"]).replace("-1,1", "-1,2"), TEXT),  # ends early
        (diff(["two"], ["TWO"]).replace("-two", "?two"), TEXT),
    ],
)
def test_apply__refuses(change, text):
    with pytest.raises(UserError):
        planted.apply(change, lambda path: text)


def test_load__unknown_name():
    with pytest.raises(UserError, match="no planted bug"):
        planted.load("no_such_bug")


def test_load__head_incomplete(tmp_path):
    folder = planted.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "half.patch").write_text("what: a bug\n\n" + diff(["two"], ["TWO"]))
    with pytest.raises(UserError, match="lacks incident, promise, contracts"):
        planted.load("half", tmp_path)
