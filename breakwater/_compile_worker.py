"""Compiles contracts that are named on standard input, one JSON object a line.

Run by `breakwater.artifacts` as a process of its own: the compiler is slow to import, holds the
interpreter's lock, and keeps global state. Not meant to be run by hand.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

OUTPUTS = (
    "abi",
    "bytecode",
    "bytecode_runtime",
    "layout",
    "userdoc",
    "devdoc",
    "method_identifiers",
)


def compile_one(
    root: Path, search: list[Path], source_id: str, source: str | None, evm_version: str
) -> dict[str, Any]:
    """Compile the file `source_id` below `root`, or the text `source` under that name."""
    from vyper.compiler import compile_from_file_input
    from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
    from vyper.compiler.settings import OptimizationLevel, Settings

    bundle = FilesystemInputBundle([*search, root])
    if source is None:
        file_input = bundle.load_file(Path(source_id))
    else:
        path = root / source_id
        file_input = FileInput(
            source_id=-1, path=Path(source_id), resolved_path=path, contents=source
        )
    settings = Settings(evm_version=evm_version, optimize=OptimizationLevel.GAS)
    return compile_from_file_input(
        file_input, input_bundle=bundle, settings=settings, output_formats=OUTPUTS
    )


def write_atomically(path: Path, data: dict[str, Any]) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(data, stream, separators=(",", ":"))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def answer(compile: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Do each job of standard input, and answer it with one line: {"error": null}, or
    {"error": "what the compiler said"}.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing but answers may reach standard output
    for line in sys.stdin:
        job = json.loads(line)
        error: str | None = None
        try:
            output = compile(job)
            output["key"] = job["key"]
            output["source_id"] = job["source_id"]
            write_atomically(Path(job["out"]), output)
        except Exception as problem:
            if os.environ.get("BREAKWATER_TRACEBACK"):
                traceback.print_exc()
            error = str(problem).strip() or type(problem).__name__
        answers.write(json.dumps({"error": error}) + "\n")
        answers.flush()


def _compile(job: dict[str, Any]) -> dict[str, Any]:
    search = [Path(path) for path in job["search"]]
    source = job.get("source")
    return compile_one(Path(job["root"]), search, job["source_id"], source, job["evm_version"])


if __name__ == "__main__":
    answer(_compile)
