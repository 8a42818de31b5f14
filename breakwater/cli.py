"""The `breakwater` command: a click group whose subcommands are imported only when used.

A subcommand `foo-bar` lives in `breakwater/commands/foo_bar.py` as the click command `command`.
The first line of that module's docstring is its line in `breakwater --help`, read without importing
the module, so that help stays fast however heavy a command is.

EXIT CODES. 0 when all is well. 1 when something is wrong with the contracts: a promise is broken, a
contract is too big, gas has changed. 2 when the command cannot do what it was asked, which is the
user's to mend: an option, a file, a tool that is missing. 130 after Ctrl-C.
"""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path

import click

from breakwater import __version__

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


class Mistake(click.ClickException):
    """What the user can mend, with click's own exit code for that."""

    exit_code = click.UsageError.exit_code


_COMMANDS = Path(__file__).parent / "commands"


def _summary(path: Path) -> str:
    """First line of a command module's docstring, found without importing it."""
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (OSError, SyntaxError):
        return ""
    return text.strip().split("\n", 1)[0]


class LazyGroup(click.Group):
    """A group that finds its commands in `breakwater/commands/` and imports one when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(
            path.stem.replace("_", "-")
            for path in _COMMANDS.glob("*.py")
            if not path.stem.startswith("_")
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        stem = cmd_name.replace("-", "_")
        if stem.startswith("_") or not stem.isidentifier():
            return None
        if not (_COMMANDS / f"{stem}.py").is_file():
            return None
        command = importlib.import_module(f"breakwater.commands.{stem}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"breakwater.commands.{stem}.command is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [
            (name, _summary(_COMMANDS / f"{name.replace('-', '_')}.py"))
            for name in self.list_commands(ctx)
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a failure that is the user's to mend becomes a message, not a traceback.

        `BREAKWATER_TRACEBACK=1` in the environment shows the traceback instead. Ctrl-C is exit
        code 130: click's own is 1, which says that something is broken.
        """
        from breakwater.errors import UserError

        try:
            return super().invoke(ctx)
        except UserError as error:
            if os.environ.get("BREAKWATER_TRACEBACK"):
                raise
            raise Mistake(str(error)) from error
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="breakwater")
def main() -> None:
    """Breakwater: run, measure and test the lending protocol."""


if __name__ == "__main__":
    main()
