"""The tutorial as it is run: what its pages say to type, done in their order on one devnet.

`python -m benchmarks.transcript` clones what is committed, does there all that the pages of
docs/tutorial/ say, from the first `make` on, and writes docs/transcript.md: each command with what
it said and the seconds it took. `tests/integration/test_tutorial.py` runs the same commands and
compares what they say with what the pages show.

A page's blocks of `console` are read. A line that begins with "$ " is a command, the lines below it
what it says, with `...` for what differs: a line of it for any lines, else for any text in a line.
What shows `Error` fails, all else succeeds; where nothing is shown, nothing is compared. In a
command `0x...` is the last id that was said, as a reader takes it from there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from breakwater.artifacts import ROOT

TUTORIAL = Path("docs") / "tutorial"
TRANSCRIPT = Path("docs") / "transcript.md"
DEVNET = "make devnet"
"""The command that goes on while the others run."""

CLONE = "git clone ..."
SETUP = "make setup node"
"""What that one does first where it was never done; what it says depends on the machine's pip."""

_PAGE = re.compile(r"^\d+\. \[[^\]]+\]\((\w+\.md)\)", re.M)
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.S | re.M)
_ID = re.compile(r"\b0x[0-9a-f]{64}\b")
_COMMAND_TIMEOUT = 180
_START_TIMEOUT = 1_800


class TutorialError(Exception):
    """A command that failed, or said something else than its page shows."""


@dataclass
class Step:
    """One command of a page."""

    page: str
    line: int
    command: str
    shown: list[str] = field(default_factory=list)

    @property
    def fails(self) -> bool:
        return any(line.startswith("Error") for line in self.shown)


def pages(root: Path = ROOT) -> list[Path]:
    """The tutorial's pages: its first one, and those that it numbers."""
    first = root / TUTORIAL / "README.md"
    names = _PAGE.findall(first.read_text(encoding="utf-8"))
    return [first, *(first.parent / name for name in names)]


def steps(page: Path) -> list[Step]:
    """The commands of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Step] = []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        if not block[1].startswith("$ "):
            raise TutorialError(f"{page.name}:{first}: a console block begins with a command")
        for number, line in enumerate(block[1].splitlines(), start=first):
            if line.startswith("$ "):
                found.append(Step(page.name, number, line[2:]))
            elif found[-1].command.endswith("\\") and not found[-1].shown:
                found[-1].command = found[-1].command[:-1].rstrip() + " " + line.strip()
            else:
                found[-1].shown.append(line.rstrip())
    return found


def matches(shown: list[str], said: list[str]) -> bool:
    """Whether what was said is what is shown, `...` standing for anything."""
    if not shown:
        return True
    parts = []
    for line in map(_bare, shown):
        if line == "...":
            parts.append(r"(?:.*\n)*")
        else:
            parts.append(".*".join(re.escape(part) for part in line.split("...")) + r"\n")
    text = "".join(f"{_bare(line)}\n" for line in said)
    return re.fullmatch("".join(parts), text) is not None


def _bare(line: str) -> str:
    """A line with one space for any: columns are as wide as what stands in them."""
    return " ".join(line.split())


# ------------------------------------------------------------------ running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def devnet(command: list[str], log: Path, folder: Path, env: dict[str, str]) -> Iterator[list[str]]:
    """The devnet, until the context ends: what it said until it listened.

    TutorialError when it doesn't start, with what it said.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, cwd=folder, env=env, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT
        while "listening on" not in (said := log.read_text(encoding="utf-8")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise TutorialError(f"the devnet did not start:\n{said}")
            time.sleep(0.1)
        yield said.splitlines()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def play(
    todo: Iterable[Step], folder: Path, env: dict[str, str], timeout: float = _COMMAND_TIMEOUT
) -> Iterator[tuple[Step, list[str]]]:
    """Each command with what it says, as it ends. TutorialError where that is otherwise than its
    page shows.
    """
    last = "0x..."
    for step in todo:
        found = subprocess.run(
            ["bash", "-c", step.command.replace("0x...", last)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=env,
            timeout=timeout,
        )
        if (found.returncode != 0) is not step.fails:
            where = f"{step.page}:{step.line}: `{step.command}`"
            raise TutorialError(f"{where} ended with {found.returncode}:\n{found.stdout}")
        last = ([last, *_ID.findall(found.stdout)])[-1]
        yield step, found.stdout.splitlines()


def check(step: Step, said: list[str]) -> None:
    """TutorialError where a page shows something else than was said."""
    if not matches(step.shown, said):
        shown, found = "\n".join(step.shown), "\n".join(said)
        raise TutorialError(
            f"{step.page}:{step.line}: `{step.command}` said\n{found}\n\nand not\n{shown}"
        )


def environment(programs: Path, **more: str) -> dict[str, str]:
    """The environment of a person who has `programs` on PATH, and a terminal of 120 columns."""
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "120", **more}


# ------------------------------------------------------------------ the transcript


@dataclass(frozen=True)
class Done:
    """A command that was run: when it began, and how long it took [seconds]."""

    page: str
    command: str
    began: float
    took: float
    said: list[str]


def fresh(folder: Path, tell: Callable[[str], None], is_here: bool = False) -> list[Done]:
    """Clone what is committed into `folder`, set it up, and do what the tutorial says.

    With `is_here` this checkout, which is set up, stands for the clone.
    """
    done: list[Done] = []
    start = time.monotonic()
    clone = ROOT if is_here else folder / "breakwater"
    programs = Path(sys.executable).parent if is_here else clone / ".venv" / "bin"
    env = environment(programs)
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "BREAKWATER_ROOT", "BREAKWATER_DEVNET"):
        if not is_here:
            env.pop(name, None)

    def note(page: str, command: str, began: float, said: list[str]) -> None:
        took = time.monotonic() - began
        lines = [line.replace(str(clone), "...").replace(str(folder), "...") for line in said]
        done.append(Done(page, command, began - start, took, lines))
        tell(f"{took:7.1f} s  {command}")

    def do(todo: list[Step], timeout: float) -> None:
        began = time.monotonic()
        for step, said in play(todo, clone, env, timeout):
            note(step.page, step.command, began, [] if step.command == SETUP else said)
            began = time.monotonic()

    port = str(free_port())
    if is_here:
        env["BREAKWATER_DEVNET"] = str(folder / "devnet")
        command = [str(programs / "breakwater"), "devnet", "--port", port]
    else:
        command = [*DEVNET.split(), f"ARGS=--port {port}"]
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        note("README.md", CLONE, start, [])
        do([Step("README.md", 0, SETUP)], _START_TIMEOUT)
    todo = [step for page in pages(clone) for step in steps(page)]
    began = time.monotonic()
    with devnet(command, folder / "devnet.log", clone, env) as said:
        note(todo[0].page, DEVNET, began, said)
        do(todo[1:], _COMMAND_TIMEOUT)
    return done


def render(done: list[Done]) -> str:
    """The transcript as a page."""
    whole = done[-1].began + done[-1].took
    is_fresh = done[0].command == CLONE
    origin = "From a fresh clone" if is_fresh else "From a checkout that is set up"
    cores, load = os.cpu_count(), os.getloadavg()[2]
    lines = [
        "# A timed transcript",
        "",
        f"{origin} to everything that the [tutorial](tutorial/README.md) does.",
        "`python -m benchmarks.transcript` ran it and wrote this page. Above each command stands",
        "when it began, in minutes and seconds, and how long it took.",
        "",
        f"All of it took {_clock(whole)} minutes on a machine of {cores} cores, of which programs",
        f"asked for {load:.1f} in the last quarter of an hour.",
        "",
        "| page | commands | seconds |",
        "| --- | --- | --- |",
    ]
    names = list(dict.fromkeys(one.page for one in done))
    for name in names:
        mine = [one for one in done if one.page == name]
        lines.append(f"| {_title(name)} | {len(mine)} | {sum(one.took for one in mine):.1f} |")
    for name in names:
        lines += ["", f"## {_title(name)}"]
        for one in (one for one in done if one.page == name):
            body = [f"$ {one.command}", *(line.rstrip() for line in one.said)]
            lines += ["", f"{_clock(one.began)}, {one.took:.1f} s", "", "```console", *body, "```"]
    return "\n".join(lines) + "\n"


def _title(page: str) -> str:
    return "Start" if page == "README.md" else Path(page).stem.capitalize()


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def main(arguments: list[str] | None = None) -> int:
    """Make the transcript anew."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transcript", description=main.__doc__
    )
    parser.add_argument("--out", type=Path, default=ROOT / TRANSCRIPT, help="where it is written")
    parser.add_argument(
        "--here", action="store_true", help="in this checkout, which is set up, and not in a clone"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="breakwater-transcript-") as name:
        try:
            done = fresh(Path(name), print, options.here)
        except (TutorialError, subprocess.SubprocessError) as error:
            print(error, file=sys.stderr)
            return 1
    options.out.write_text(render(done), encoding="utf-8")
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
