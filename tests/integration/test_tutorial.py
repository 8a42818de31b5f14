"""The tutorial: every command of its pages, in their order, says what they show."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from benchmarks import transcript
from benchmarks.transcript import Done, Step, TutorialError
from breakwater import artifacts
from breakwater.artifacts import ROOT

PROGRAMS = Path(sys.executable).parent


@pytest.mark.ape
@pytest.mark.slow
@pytest.mark.needs("anvil")
def test_tutorial__every_command_says_what_is_shown(tmp_path: Path) -> None:
    artifacts.load_all()
    env = transcript.environment(PROGRAMS, BREAKWATER_DEVNET=str(tmp_path / "devnet"))
    command = [str(PROGRAMS / "breakwater"), "devnet", "--port", str(transcript.free_port())]
    todo = [step for page in transcript.pages() for step in transcript.steps(page)]
    assert todo[0].command == transcript.DEVNET
    with transcript.devnet(command, tmp_path / "devnet.log", ROOT, env) as said:
        transcript.check(todo[0], said)
        for step, said in transcript.play(todo[1:], ROOT, env):
            transcript.check(step, said)


def test_pages__are_those_of_the_folder_and_each_has_commands() -> None:
    pages = transcript.pages()
    assert sorted(pages) == sorted((ROOT / transcript.TUTORIAL).glob("*.md"))
    assert all(transcript.steps(page) for page in pages)


def page(folder: Path, text: str) -> Path:
    path = folder / "page.md"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def test_steps__commands_with_what_they_say(tmp_path: Path) -> None:
    text = """\
        Words.

        ```console
        $ first \\
            --option
        said
        ...
        $ second
        Error: no
        ```

        ```sh
        $ not this
        ```
        """
    first, second = transcript.steps(page(tmp_path, text))
    assert (first.command, first.shown, first.fails) == ("first --option", ["said", "..."], False)
    assert (second.command, second.line, second.fails) == ("second", 8, True)
    with pytest.raises(TutorialError, match=r"page\.md:2: a console block begins with a command"):
        transcript.steps(page(tmp_path, "```console\nsaid\n```\n"))


@pytest.mark.parametrize(
    ("shown", "said", "result"),
    [
        (["a 1.5  b"], [" a 1.5 b  "], True),
        (["a 1.5 b"], ["a 1x5 b"], False),
        (["a ... b"], ["a 123 b"], True),
        (["a ... b"], ["a 123 c"], False),
        (["a", "..."], ["a"], True),
        (["a", "...", "z"], ["a", "b", "c", "z"], True),
        (["a", "z"], ["a", "b", "z"], False),
        (["a"], ["a", "b"], False),
        ([], ["anything"], True),
    ],
)
def test_matches(shown: list[str], said: list[str], result: bool) -> None:
    assert transcript.matches(shown, said) is result


def test_play__what_fails_and_should_not(tmp_path: Path) -> None:
    env = transcript.environment(PROGRAMS)

    def play(*steps: Step) -> list[list[str]]:
        return [said for _, said in transcript.play(steps, tmp_path, env)]

    name = "0x" + "ab" * 32
    said = play(Step("a.md", 1, f"echo id {name}"), Step("a.md", 2, "echo 0x... twice"))
    assert said == [[f"id {name}"], [f"{name} twice"]]
    with pytest.raises(TutorialError, match=r"a\.md:3: `false` ended with 1"):
        play(Step("a.md", 3, "false"))
    with pytest.raises(TutorialError, match=r"a\.md:4: `true` ended with 0"):
        play(Step("a.md", 4, "true", ["Error: no"]))
    with pytest.raises(TutorialError, match=r"(?s)said\none\n\nand not\ntwo"):
        transcript.check(Step("a.md", 5, "echo", ["two"]), ["one"])


def test_devnet__that_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no port')"]
    log = tmp_path / "log"
    with (
        pytest.raises(TutorialError, match="the devnet did not start:\nno port"),
        transcript.devnet(command, log, tmp_path, transcript.environment(PROGRAMS)),
    ):
        pass


def test_render__times_and_what_was_said() -> None:
    text = transcript.render(
        [
            Done("README.md", "git clone ...", 0, 1.25, []),
            Done("lender.md", "ape run supply", 61.5, 2.04, ["lent  "]),
        ]
    )
    assert "All of it took 1:03 minutes" in text
    assert "| Start | 1 | 1.2 |\n| Lender | 1 | 2.0 |\n" in text
    assert "## Lender\n\n1:01, 2.0 s\n\n```console\n$ ape run supply\nlent\n```\n" in text
