"""Play a counterexample again: in process, on anvil, smaller, or as a test."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from breakwater import folders
from breakwater.errors import UserError
from breakwater.fuzz import counterexample, steps
from breakwater.fuzz.counterexample import Compile, Counterexample

if TYPE_CHECKING:
    from breakwater.fuzz.replay import Played
    from breakwater.fuzz.world import World
    from breakwater.host import Host

NETWORK = "ethereum:local:foundry"
_SHRINK_SECONDS = 20.0


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--network",
    metavar="CHOICE",
    help=f"Play it on a node of its own: {NETWORK}. Ends with a trace of the last call.",
)
@click.option("--shrink", is_flag=True, help="Look for fewer steps and rounder numbers first.")
@click.option("--pytest", "as_test", is_flag=True, help="Write a test for tests/incidents/.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Where --shrink writes the smaller file, or --pytest the test: a file, or a folder.",
)
@click.option("--sound", is_flag=True, help="Play one of a planted bug on the project's own code.")
def command(
    file: Path,
    network: str | None,
    shrink: bool,
    as_test: bool,
    output: Path | None,
    sound: bool,
) -> None:
    """Play a counterexample file again and judge every step.

    Ends with exit code 1 when a promise is broken, the file's or another, as a failing test does,
    and with 0 when all hold: after a fix the same command shows that it is one. It stops at the
    first step that breaks the file's promise. Code that is not what it was when the file was
    written is named, and played all the same.

    --shrink writes a smaller file, beside the old one unless --output says where. --pytest writes
    a test, on the terminal unless --output says where, and plays nothing: it goes without
    --network. Both together write the test of the smaller sequence, and no other file.
    """
    if as_test and network is not None:
        raise click.UsageError("--pytest plays nothing: leave out --network")
    if output is not None and not shrink and not as_test:
        raise click.UsageError("--output goes with --shrink or --pytest")
    if network is not None and network != NETWORK:
        raise UserError(f"--network {network}: sequences run on {NETWORK} only")
    if output is not None:
        folders.check(output if output.is_dir() else output.parent)
    found = counterexample.load(file)
    if sound:
        found = replace(found, planted=None)
    compile = _compiler(found.planted)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120, stderr=as_test)
    if shrink:
        before = len(found.steps)
        found = _shrink(found, compile)
        path = None if as_test else _write_smaller(found, file, output)
        where = "" if path is None else f": {path}"
        console.print(f"{before} steps became {len(found.steps)}{where}", soft_wrap=True)
    if as_test:
        _write_test(found, output)
        return
    with _host(network) as host:
        broken = _play(console, found, host, compile)
    if broken:
        sys.exit(1)


def _compiler(planted: str | None) -> Compile | None:
    if planted is None:
        return None
    from breakwater.fuzz import planted as bugs

    return bugs.compiler(bugs.load(planted))


@contextlib.contextmanager
def _host(network: str | None) -> Iterator[Host]:
    if network is None:
        from breakwater.evm import EvmHost

        yield EvmHost()
        return
    from breakwater.fuzz.node import anvil

    with anvil() as host:
        yield host


# ------------------------------------------------------------ playing


def _play(console: Console, found: Counterexample, host: Host, compile: Compile | None) -> bool:
    """Whether a promise broke."""
    from breakwater.fuzz.replay import Replayer, new_twin, new_world, on_both

    world = new_world(found.market, compile, host)
    counterexample.check(found, world)
    console.print(f"[bold]{found.promise}[/bold]: ", end="")
    console.print(found.sentence, markup=False, soft_wrap=True)
    if found.planted:
        console.print(f"on code with the planted bug {found.planted}")
    changed = counterexample.changed_code(found, world, compile)
    if changed:
        console.print(f"[yellow]other code than it was found on:[/yellow] {', '.join(changed)}")
    player = Replayer(world, found.promise)
    frame = getattr(host, "trace_of_last", None)
    if frame is None:
        playback = player.play(found.steps, found.promise)
    else:
        here = Replayer(new_twin(found.market, compile), found.promise)
        playback = on_both(here, player, found.steps, found.promise)
        frame = getattr(host, "trace_of_last", None)
    console.print()
    console.print(_table(playback.played))
    for violation in playback.violations:
        console.print()
        console.print(f"[red]{violation.promise} broken:[/red] ", end="")
        console.print(violation.what, markup=False, soft_wrap=True)
    if not playback.violations:
        console.print("\nno promise broke")
    if frame is not None:
        console.print()
        for line in _tree(frame, world):
            console.print(line, soft_wrap=True)
    console.print()
    where = "in process" if frame is None else "on anvil, as in process"
    if playback.broke(found.promise) is not None:
        console.print(f"{found.promise} is broken {where}")
    else:
        others = sorted({violation.promise for violation in playback.violations})
        said = f", but {', '.join(others)} broke" if others else ""
        console.print(f"{found.promise} holds {where}{said}")
    return bool(playback.violations)


def _table(rows: list[Played]) -> Table:
    table = Table("", "time", "who", "call", "outcome", box=None, pad_edge=False)
    for number, played in enumerate(rows, 1):
        step, result = played.step, played.result
        time = f"+{step.wait:_} s" if step.wait else "next block" if step.blocks else ""
        if not time and number > 1:
            time = "same block"
        args = ", ".join(steps.show(arg) for arg in step.args)
        if not result.succeeded:
            outcome = Text(f"refused: {result.reason or 'no reason'}", "yellow")
        elif result.value is None:
            outcome = Text("ok", "green")
        else:
            outcome = Text(steps.show(result.value), "green")
        broken = ", ".join(violation.promise for violation in played.broken)
        if broken:
            outcome.append(f"  breaks {broken}", "bold red")
        call = Text(f"{step.target}.{step.function}({args})")
        table.add_row(str(number), time, step.sender, call, outcome)
    return table


# ------------------------------------------------------------ the trace


def _tree(frame: dict[str, Any], world: World, depth: int = 0) -> Iterator[Text]:
    """The calls of a trace, names for addresses, arguments decoded where the function is known."""
    target = world.name(frame["to"]) if frame.get("to") else "?"
    contract = world.contracts.get(target)
    data = bytes.fromhex(frame.get("input", "0x")[2:])
    function, args = _decoded(type(contract).NAME if contract else "", data, world)
    line = Text("  " * depth)
    line.append(f"{target}.", "cyan")
    line.append(f"{function}({args})")
    if frame.get("type") in ("DELEGATECALL", "CREATE", "CREATE2"):
        line.append(f" {frame['type'].lower()}", "dim")
    error = frame.get("error")
    if error is not None:
        line.append(f" ← {_why(frame)}", "red")
    yield line
    for call in frame.get("calls", ()):
        yield from _tree(call, world, depth + 1)


def _decoded(name: str, data: bytes, world: World) -> tuple[str, str]:
    from breakwater.host import interface_of

    if name:
        for function in interface_of(name).functions.values():
            if function.selector == data[:4]:
                try:
                    values = function.inputs.decode(data[4:])
                except Exception:  # calls between contracts may carry anything
                    break
                return function.name, ", ".join(_shown(value, world) for value in values)
    return f"0x{data[:4].hex()}", "…" if len(data) > 4 else ""


def _shown(value: Any, world: World) -> str:
    if isinstance(value, str) and len(value) == 42:
        return world.name(value)
    if isinstance(value, bytes):
        if len(value) == 32 and any(value[:20]):
            name = world.account_name(value)
            if not name.startswith("0x"):
                return name
        return f"0x{value.hex()}" if len(value) <= 32 else f"{len(value)} bytes"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_shown(part, world) for part in value)}]"
    return steps.show(value)


def _why(frame: dict[str, Any]) -> str:
    from breakwater.host import decode_reason

    data = bytes.fromhex(frame.get("output", "0x")[2:])
    return decode_reason(data) or str(frame["error"])


# ------------------------------------------------------------ smaller, and as a test


def _shrink(found: Counterexample, compile: Compile | None) -> Counterexample:
    from breakwater.fuzz.replay import Replayer, new_world, shrink

    world = new_world(found.market, compile)
    counterexample.check(found, world)
    return shrink(found, Replayer(world, found.promise), seconds=_SHRINK_SECONDS)


def _write_smaller(smaller: Counterexample, file: Path, output: Path | None) -> Path:
    path = file.with_name(f"{file.stem}.min.json") if output is None else output
    if path.is_dir():
        path = path / smaller.name
    _write(path, smaller.text())
    return path


def _write_test(found: Counterexample, output: Path | None) -> None:
    from breakwater.fuzz.as_test import as_test, file_name

    text = as_test(found)
    if output is None:
        click.echo(text, nl=False)
        return
    path = output / file_name(found) if output.is_dir() else output
    _write(path, text)
    click.echo(f"wrote {path}", err=True)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
