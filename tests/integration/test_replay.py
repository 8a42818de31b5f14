"""A counterexample's way: planted, played on both chains, made smaller, and turned into a test.

The bug rounds a staker's shares up, so that one unit buys a share of the fund.
"""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from breakwater import artifacts
from breakwater.cli import main
from breakwater.fuzz import counterexample, node, planted
from breakwater.fuzz.counterexample import Counterexample
from breakwater.fuzz.lane import Lane
from breakwater.fuzz.replay import Replayer, new_twin, new_world, on_both, shrink
from breakwater.fuzz.steps import Step

BUG = "stake_rounded_up"
PROMISE = "SOLV-8"
NETWORK = "ethereum:local:foundry"

STEPS = (
    Step("lender_2", "vault.USDC", "deposit", (1_234_567, "@lender_2")),
    Step("borrower_1", "engine", "repay", ("borrower_1#0", "@token.USDC", 2_000_000), 60, 1),
    Step("lender_3", "vault.USDC", "withdraw", (10**12, "@lender_3", "@lender_3")),
    Step("staker", "fund.USDC", "deposit", (17, "@staker"), 3_600, 300),
    Step("keeper", "vault.USDC", "accrue", (), 12, 1),
)

needs_anvil = pytest.mark.needs("anvil")


@pytest.fixture(scope="module")
def compile() -> Callable[[str], artifacts.Artifact]:
    return planted.compiler(planted.load(BUG))


@pytest.fixture
def file(tmp_path: Path, compile: Callable[[str], artifacts.Artifact]) -> Path:
    """The counterexample, as a search would write it."""
    player = Replayer(new_world("default", compile))
    broke = player.play(STEPS).broke(PROMISE)
    assert broke is not None
    found = Counterexample(
        market="default",
        promise=PROMISE,
        steps=STEPS,
        sentence=broke.sentence,
        seed=3,
        expected=broke.sentence,
        actual=broke.what,
        planted=BUG,
        code=counterexample.code_hashes(player.world, compile),
        versions=counterexample.versions(),
    )
    return found.save_in(tmp_path)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["replay", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_replay__broken_is_exit_code_1(file: Path) -> None:
    result = run(file)
    assert result.exit_code == 1
    assert result.output.strip().splitlines()[-1] == "SOLV-8 is broken in process"
    # names and amounts, what was refused and why, which step it was, and none after it
    assert "vault.USDC.deposit(1_234_567, @lender_2)" in result.output
    assert "refused: balance too low" in result.output
    assert "+3_600 s" in result.output
    assert "breaks" in next(line for line in result.output.splitlines() if line.startswith("4 "))
    assert "accrue" not in result.output
    assert "other code" not in result.output


def test_replay__sound_code_is_exit_code_0(file: Path) -> None:
    result = run(file, "--sound")
    assert result.exit_code == 0
    assert "other code than it was found on: InsuranceFund" in result.output
    assert "no promise broke" in result.output
    assert result.output.strip().splitlines()[-1] == "SOLV-8 holds in process"


def test_replay__another_promise_broken_is_exit_code_1(file: Path) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "promise": "GATE-1"}))
    result = run(file)
    assert result.exit_code == 1
    assert "SOLV-8 broken: " in result.output
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("GATE-1 holds in process, but ")
    assert "SOLV-8" in last
    assert run(file, "--sound").exit_code == 0


def test_replay__shrink(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.json"
    result = run(file, "--shrink", "--output", target)
    assert result.exit_code == 1
    assert "5 steps became 1" in result.output
    small = counterexample.load(target)
    assert [str(step) for step in small.steps] == ["staker: fund.USDC.deposit(1, @staker)"]
    assert small.promise == PROMISE
    assert run(target).exit_code == 1
    result = run(target, "--sound", "--shrink")
    assert result.exit_code == 2
    assert "SOLV-8 holds: there is nothing to shrink" in result.output


def test_shrink__keeps_the_time_that_is_needed(
    compile: Callable[[str], artifacts.Artifact],
) -> None:
    """Steps that go leave their time to the next one; amounts become round."""
    found = Counterexample("default", "LIVE-0", STEPS[:1])
    steps = (
        Step("keeper", "vault.USDC", "accrue", (), 500_000, 40_000),
        Step("keeper", "vault.WETH", "accrue", (), 500_000, 40_000),
        Step("lender_2", "vault.USDC", "deposit", (987_654_321, "@lender_2")),
    )

    class Timed(Replayer):
        """Holds that nobody deposits more than 5e8 after a week."""

        def one(self, step: Step) -> Any:
            played = super().one(step)
            late = self.world.host.now > 1_700_000_000 + 7 * 86_400
            if late and step.function == "deposit" and step.args[0] > 5 * 10**8:
                from breakwater.promises.verdicts import Violation

                broken = Violation("LIVE-0", "", "late", self.world.host.now, -1)
                return replace(played, broken=(broken,))
            return played

    small = shrink(replace(found, steps=steps), Timed(new_world("default")), seconds=20)
    assert [step.function for step in small.steps] == ["deposit"]
    assert small.steps[0].args[0] == 900_000_000
    assert small.steps[0].wait > 7 * 86_400 - 20
    assert small.steps[0].blocks == 1


def test_replay__pytest__fails_while_the_bug_is_there(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    compile: Callable[[str], artifacts.Artifact],
) -> None:
    result = run(file, "--pytest", "--output", tmp_path)
    assert result.exit_code == 0
    written = next(tmp_path.glob("test_*.py"))
    text = written.read_text()
    assert text.startswith('"""SOLV-8: ')
    assert '"lender_2", "vault.USDC", "deposit", (1_234_567, "@lender_2")' in text
    test = next(
        value for name, value in runpy.run_path(str(written)).items() if name.startswith("test_")
    )
    test()
    real = new_world
    monkeypatch.setattr("breakwater.fuzz.replay.new_world", lambda market: real(market, compile))
    with pytest.raises(AssertionError, match="SOLV-8 broken"):
        test()


def test_replay__pytest__to_the_terminal(file: Path) -> None:
    result = run(file, "--pytest")
    assert result.exit_code == 0
    assert "def test_solv_8_accrue_" in result.output


def test_replay__shrink_and_pytest__only_the_test(file: Path, tmp_path: Path) -> None:
    result = run(file, "--shrink", "--pytest")
    assert result.exit_code == 0
    assert "5 steps became 1\n" in result.output
    assert result.output.count("Step(") == 1
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    folder = tmp_path / "tests"
    folder.mkdir()
    assert run(file, "--shrink", "--pytest", "--output", folder).exit_code == 0
    assert [path.name for path in folder.iterdir()] == [
        next(folder.glob("test_solv_8_deposit_*.py")).name
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file.name, "tests"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--pytest", "--network", NETWORK), "--pytest plays nothing: leave out --network"),
        (("--output", "small.json"), "--output goes with --shrink or --pytest"),
        (("--shrink", "--output", "/sys/kernel"), "/sys/kernel cannot be written"),
    ],
)
def test_replay__options_that_do_not_go(file: Path, options: tuple[str, ...], says: str) -> None:
    result = run(file, *options)
    assert result.exit_code in (1, 2)
    assert says in result.output


def test_replay__ctrl_c_is_no_broken_promise(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("breakwater.fuzz.replay.new_world", interrupted)
    result = run(file)
    assert result.exit_code == 130
    assert result.output.endswith("interrupted\n")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"promise": "SOLV-99"}, "'SOLV-99' is no promise"),
        ({"market": "moon"}, "there is no market 'moon'"),
        ({"steps": []}, "it has no steps"),
        ({"steps": [{"sender": "x"}]}, "step 1: a step needs its target"),
        (
            {"steps": [{"sender": "x", "target": "engine", "function": "y"}]},
            "step 1: the market has no x",
        ),
        ({"planted": "nothing"}, "there is no planted bug nothing"),
    ],
)
def test_replay__bad_file(file: Path, change: dict[str, Any], says: str) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    result = run(file)
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert says in result.output


def test_replay__no_file_or_network(file: Path, tmp_path: Path) -> None:
    assert "there is no such file" in run(tmp_path / "none.json").output
    result = run(file, "--network", "ethereum:mainnet")
    assert result.exit_code == 2
    assert "--network ethereum:mainnet: sequences run on ethereum:local:foundry only" in (
        result.output
    )


# ------------------------------------------------------------ on a node


@pytest.fixture(scope="module")
def _anvil() -> Iterator[node.OpenBlockHost]:
    before = os.environ.get("APE_FOUNDRY_HOST")
    with node.anvil() as host:
        yield host
    assert os.environ.get("APE_FOUNDRY_HOST") == before


@pytest.fixture
def there(_anvil: node.OpenBlockHost) -> Iterator[node.OpenBlockHost]:
    """A node at its beginning."""
    start = _anvil.snapshot()
    yield _anvil
    _anvil.restore(start)


@pytest.mark.ape
@needs_anvil
def test_on_both__the_same_as_in_process(
    there: node.OpenBlockHost, compile: Callable[[str], artifacts.Artifact]
) -> None:
    world = new_world("default", compile, there)
    twin = new_twin("default", compile)
    assert {name: one.address for name, one in twin.contracts.items()} == {
        name: one.address for name, one in world.contracts.items()
    }
    playback = on_both(Replayer(twin), Replayer(world), STEPS, PROMISE)
    assert playback.broke(PROMISE) is not None
    assert [played.result.reason for played in playback.played] == [
        None, None, "balance too low", None,
    ]  # fmt: skip


@pytest.mark.ape
@needs_anvil
def test_on_both__several_calls_in_a_block(there: node.OpenBlockHost) -> None:
    """Raised risk and liquidation in one block: refused there too, and not in the next one."""
    liquidate = Step(
        "liquidator_1", "engine", "liquidate",
        ("borrower_1#0", "@token.USDC", "@token.WETH", 10**9, 0, "@liquidator_1",
         "0x" + "00" * 32, "0x"),
    )  # fmt: skip
    steps = [
        Step("borrower_1", "engine", "borrow", ("borrower_1#0", "@token.USDC", 10**9, "@lender_1")),
        *(Step("keeper", f"source.WETH.{i}", "set", (900 * 10**8,)) for i in range(3)),
        liquidate,
        replace(liquidate, wait=1, blocks=1),
    ]
    here, player = Replayer(new_twin("default")), Replayer(new_world("default", None, there))
    playback = on_both(here, player, steps)
    reasons = [played.result.reason for played in playback.played]
    assert reasons[4] == "risk was raised in this block"
    assert reasons[5] != reasons[4]
    # and again from the start, as a campaign does with its findings
    assert [p.result.reason for p in on_both(here, player, steps).played] == reasons


@pytest.mark.ape
@pytest.mark.slow
@needs_anvil
def test_on_both__a_thousand_calls_of_a_campaign(there: node.OpenBlockHost) -> None:
    """Outcome, value and events of every call, and the state after every sequence."""
    lane = Lane(new_world("default"), seed=11)
    here, player = Replayer(new_twin("default")), Replayer(new_world("default", None, there))
    here.quick = player.quick = True
    here.trials = False  # they are among the steps
    calls = passed = 0
    while calls < 1_000:
        steps, _ = lane.replay(lane.draw())
        played = on_both(here, player, steps).played
        calls += len(played)
        passed += sum(one.result.succeeded for one in played)
    assert passed > 300


@pytest.mark.ape
@pytest.mark.slow
@needs_anvil
def test_replay__on_anvil(file: Path) -> None:
    result = run(file, "--network", NETWORK)
    assert result.exit_code == 1, result.output
    lines = result.output.strip().splitlines()
    assert lines[-1] == "SOLV-8 is broken on anvil, as in process"
    # the trace of the last call, names for addresses
    top = lines.index("fund.USDC.deposit(17, staker)")
    assert lines[top + 1].startswith("  vault.USDC.")
    result = run(file, "--network", NETWORK, "--sound")
    assert result.exit_code == 0, result.output
    assert "← balance too low" not in result.output  # that was not the last call
