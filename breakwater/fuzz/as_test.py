"""A counterexample as a test for `tests/incidents/`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from breakwater.fuzz.counterexample import Counterexample
from breakwater.fuzz.steps import Step
from breakwater.units import MAX_UINT256

_WIDTH = 100


def as_test(found: Counterexample) -> str:
    """The text of a test that passes while every promise holds and fails while one is broken."""
    body = [_step(step) for step in found.steps]
    names = ["MAX_UINT256"] if any("MAX_UINT256" in text for text in body) else []
    said = f"{found.promise}: {found.sentence}" if found.sentence else f"{found.promise}."
    lines = textwrap.wrap(said, _WIDTH - 3)
    doc = [f'"""{lines[0]}', *lines[1:], ""]
    if found.actual:
        doc += textwrap.wrap(f"Broken once: {found.actual}", _WIDTH)
    if found.seed is not None:
        doc += ["", f"Found by `breakwater fuzz --seed {found.seed}`."]
    doc.append('"""')
    imports = ["from breakwater.fuzz.replay import play", "from breakwater.fuzz.steps import Step"]
    if names:
        imports.append(f"from breakwater.units import {', '.join(names)}")
    market = "" if found.market == "default" else f', market="{found.market}"'
    text = "\n".join(
        [
            *(line.replace("\\", "\\\\") for line in doc),
            "",
            *imports,
            "",
            "",
            f"def {_title(found)}():",
            "    steps = [",
            *(textwrap.indent(text, " " * 8) for text in body),
            "    ]",
            f"    playback = play(steps{market})",
            "    assert not playback.violations, playback",
            "",
        ]
    )
    return _formatted(text)


def file_name(found: Counterexample) -> str:
    """What the test's file is called."""
    return f"{_title(found)}.py"


def _formatted(text: str) -> str:
    """In the project's format, where its formatter is installed."""
    program = Path(sys.executable).with_name("ruff")
    ruff = str(program) if program.is_file() else shutil.which("ruff")
    if ruff is None:
        return text
    command = [ruff, "format", "--line-length", str(_WIDTH), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else text


def _title(found: Counterexample) -> str:
    promise = re.sub(r"\W+", "_", found.promise).lower()
    last = found.steps[-1].function if found.steps else "nothing"
    return f"test_{promise}_{last}_{found.key}"


def _step(step: Step) -> str:
    args = ", ".join(_value(arg) for arg in step.args)
    if len(step.args) == 1:
        args += ","
    times = f", wait={_int(step.wait)}" if step.wait else ""
    times += f", blocks={_int(step.blocks)}" if step.blocks else ""
    head = f'"{step.sender}", "{step.target}", "{step.function}"'
    line = f"Step({head}, ({args}){times}),"
    if len(line) + 8 <= _WIDTH:
        return line
    inner = [f"    {head},", f"    ({args}),"]
    tail = [f"    {part}," for part in times.removeprefix(", ").split(", ") if part]
    return "\n".join(["Step(", *inner, *tail, "),"])


def _value(value: Any) -> str:
    """An argument as a person writes it in Python."""
    if isinstance(value, bool) or not isinstance(value, int | list | tuple | dict | Step):
        return '"' + value + '"' if isinstance(value, str) else repr(value)
    if isinstance(value, int):
        return _int(value)
    if isinstance(value, Step):
        return _step(value).removesuffix(",").replace("\n", " ")
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {_value(part)}' for key, part in value.items()) + "}"
    return "[" + ", ".join(_value(part) for part in value) + "]"


def _int(value: int) -> str:
    if value == MAX_UINT256:
        return "MAX_UINT256"
    digits = str(abs(value))
    zeros = len(digits) - len(digits.rstrip("0"))
    if zeros >= 6:
        sign = "-" if value < 0 else ""
        head = int(digits[:-zeros])
        return f"{sign}10**{zeros}" if head == 1 else f"{sign}{head:_} * 10**{zeros}"
    return f"{value:_}"
