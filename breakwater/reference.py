"""Writes the site's reference pages: every contract's functions, events and errors, and commands.

`make docs` has them written into `docs/reference/`, which git ignores. What there is, the compiler
tells: its annotated sources know what is exposed, what is logged, and which internal functions each
one reaches, and so which reasons it may revert with. Natspec is a function's own, or that of the
interface which the contract implements.
"""

from __future__ import annotations

import importlib.util
import re
import sysconfig
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from breakwater import artifacts
from breakwater.artifacts import Artifact
from breakwater.codegen import Sources

_TAG = re.compile(r"^\s*@(\w+)\s*(.*)$")
_SEE = re.compile(r"^See `?(\w+)[.:]+(\w+)`?\.?$")
_HEADING = re.compile(r"^[A-Z][A-Z \-]+(\([a-z ]+\))?$")
_LEAD = re.compile(r"^[A-Z][A-Z \-]{2,}( of [a-z0-9 ]+)?: ")
_SPECIAL = re.compile(r"([\\*_<>\[\]|#$])")
_WIDTH = 88
_STANDARDS = {
    "ERC-20": "name symbol decimals totalSupply balanceOf allowance transfer transferFrom approve",
    "ERC-4626": (
        "asset totalAssets convertToShares convertToAssets deposit mint withdraw redeem maxDeposit "
        "maxMint maxWithdraw maxRedeem previewDeposit previewMint previewWithdraw previewRedeem"
    ),
    "EIP-2612": "permit nonces DOMAIN_SEPARATOR",
    "ERC-3156": "flashLoan flashFee maxFlashLoan",
    "ERC-165": "supportsInterface",
}
_STANDARD_OF = {name: standard for standard, names in _STANDARDS.items() for name in names.split()}


def write(folder: Path, root: Path | None = None) -> list[str]:
    """Write every page below `folder`, without touching those that stand already, take away those
    that are of nothing any more, and return the names of all.
    """
    texts = pages(root)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return sorted(texts)


def pages(root: Path | None = None) -> dict[str, str]:
    """Text of each page, in Markdown, by its name."""
    root = root or artifacts.ROOT
    sources = Sources(root)
    shown = [a for a in artifacts.load_all(root).values() if not a.is_mock]
    result = {f"{artifact.name}.md": contract_page(artifact, sources, root) for artifact in shown}
    result["interfaces.md"] = _interfaces_page(root)
    result["commands.md"] = _commands_page()
    result["scripts.md"] = _scripts_page(root)
    result["index.md"] = _index(shown, sources)
    return result


# ------------------------------------------------------------------ natspec


@dataclass
class Natspec:
    """A docstring by its tags; texts keep their lines."""

    notice: str = ""
    details: str = ""
    params: dict[str, str] = field(default_factory=dict)
    returns: list[str] = field(default_factory=list)


def natspec(docstring: str) -> Natspec:
    """Parse a docstring; what stands before the first tag is the notice."""
    parts: list[tuple[str, list[str]]] = [("notice", [])]
    for line in docstring.splitlines():
        match = _TAG.match(line)
        if match is not None:
            parts.append((match[1], [match[2]]))
        else:
            parts[-1][1].append(line)
    result = Natspec()
    for tag, lines in parts:
        body = "\n".join([lines[0], textwrap.dedent("\n".join(lines[1:]))]).strip()
        if not body:
            continue
        if tag == "param":
            name, _, rest = body.partition(" ")
            result.params[name] = " ".join(rest.split())
        elif tag == "return":
            result.returns.append(" ".join(body.split()))
        elif tag == "notice":
            result.notice = f"{result.notice}\n\n{body}".strip()
        elif tag == "dev":
            result.details = f"{result.details}\n\n{body}".strip()
    return result


def _prose(text: str) -> str:
    """Text as Markdown that shows it as it is; what stands between backticks stays code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick alone
        return _SPECIAL.sub(r"\\\1", text).replace("`", "\\`")
    return "`".join(
        part if index % 2 else _SPECIAL.sub(r"\\\1", part) for index, part in enumerate(parts)
    )


def _header(text: str) -> list[str]:
    """A contract's header: headings in capitals as headings, aligned blocks as they stand."""
    lines: list[str] = []
    block: list[str] = []

    def flush() -> None:
        if not block:
            return
        body = textwrap.dedent("\n".join(block))
        aligned = any(re.search(r"\S {2,}\S", line) for line in body.splitlines())
        indented = any(line.startswith(" ") for line in body.splitlines())
        if aligned or indented:
            lines.extend(["```text", body, "```", ""])
        else:
            lines.extend([_prose(" ".join(body.split())), ""])
        block.clear()

    for line in text.splitlines():
        bare = line.strip()
        if not bare:
            flush()
        elif _HEADING.match(bare) and len(bare) < 60:
            flush()
            lines.extend([f"**{_prose(bare)}**", ""])
        else:
            if _LEAD.match(bare) and block and block[-1].endswith("."):
                flush()
            block.append(line)
    flush()
    return lines


# ------------------------------------------------------------------ what the compiler knows


def _module_of(artifact: Artifact, root: Path) -> Any:
    """The type of a contract's module, its sources annotated, no code generated."""
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.phases import CompilerData
    from vyper.compiler.settings import OptimizationLevel, Settings

    bundle = FilesystemInputBundle([Path(sysconfig.get_path("purelib")), root])
    source = bundle.load_file(Path(artifact.source_id))
    settings = Settings(evm_version=artifacts.EVM_VERSION, optimize=OptimizationLevel.GAS)
    return CompilerData(source, bundle, settings).annotated_vyper_module._metadata["type"]


def _text_of(node: Any) -> str | None:
    """The text an expression stands for, a constant's too; None for what is known later only."""
    value = node.reduced()
    text = getattr(value, "value", None)
    return text if isinstance(text, str) else None


def _raised_argument(definition: Any) -> int | None:
    """Of `_fail(why)` the position of the argument that it reverts with."""
    from vyper import ast

    names = [argument.arg for argument in definition.args.args]
    for node in definition.get_descendants(ast.Raise):
        if isinstance(node.exc, ast.Name) and node.exc.id in names:
            return names.index(node.exc.id)
    return None


def reasons(function: Any) -> list[str]:
    """What a function may revert with, itself or by an internal function that it reaches."""
    from vyper import ast

    found: dict[str, None] = {}
    reached = [function, *function.reachable_internal_functions]
    raising = {
        callee.ast_def.name: at
        for callee in reached
        if (at := _raised_argument(callee.ast_def)) is not None
    }
    for callee in reached:
        nodes: list[Any] = callee.ast_def.get_descendants((ast.Assert, ast.Raise, ast.Call))
        for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", None))
                at = raising.get(name)
                message = None if at is None or at >= len(node.args) else node.args[at]
            else:
                message = node.msg if isinstance(node, ast.Assert) else node.exc
            text = None if message is None else _text_of(message)
            if text is not None:
                found.setdefault(text)
    return list(found)


def _source_of(node: Any) -> str:
    """A declaration as it stands in its source, with the comment above it."""
    lines = node.module_node.full_source_code.splitlines()
    first = node.lineno - 1
    while first > 0 and lines[first - 1].startswith("#"):
        first -= 1
    last = max(descendant.end_lineno for descendant in [node, *node.get_descendants()])
    return "\n".join(line.rstrip() for line in lines[first:last])


def _types(kind: Any) -> Iterator[Any]:
    """The structs and flags within a type."""
    from vyper.semantics.types import FlagT, StructT

    if isinstance(kind, StructT):
        for member in kind.members.values():
            yield from _types(member)
        yield kind
    elif isinstance(kind, FlagT):
        yield kind
    for part in (
        getattr(kind, "value_type", None),
        *getattr(kind, "member_types", ()),
    ):
        if part is not None and not isinstance(part, str):
            yield from _types(part)


def _type_name(kind: Any) -> str:
    """A type as a source writes it."""
    name = getattr(kind, "name", None)
    if type(kind).__name__ in ("StructT", "FlagT") and isinstance(name, str):
        return name
    if type(kind).__name__ == "TupleT":
        return f"({', '.join(_type_name(part) for part in kind.member_types)})"
    if type(kind).__name__ == "DArrayT":
        return f"DynArray[{_type_name(kind.value_type)}, {kind.count}]"
    if type(kind).__name__ == "SArrayT":
        return f"{_type_name(kind.value_type)}[{kind.count}]"
    return str(kind)


# ------------------------------------------------------------------ contracts


def contract_page(artifact: Artifact, sources: Sources, root: Path) -> str:
    """The page of one contract."""
    module = _module_of(artifact, root)
    path = root / artifact.source_id
    header = natspec(path.read_text(encoding="utf-8").split('"""', 2)[1])
    lines = [f"# {artifact.name}", ""]
    lines += [f"[{artifact.source_id}](../../{artifact.source_id}), {artifact.size:,} bytes.", ""]
    lines += [*_header(header.notice), *_header(header.details)]
    interface = root / "contracts" / "interfaces" / f"I{artifact.name}.vyi"
    if interface.is_file():
        more = natspec(interface.read_text(encoding="utf-8").split('"""', 2)[1])
        if more.details:
            lines += [f"From [{interface.name}](../../contracts/interfaces/{interface.name}):", ""]
            lines += _header(more.details)
    functions = list(module.exposed_functions)
    errors: dict[str, list[str]] = {}
    if module.init_function is not None:
        lines += ["## Constructor", ""]
        lines += _function(module.init_function, artifact, sources, errors)
    for title, reads in (("Calls", False), ("Views", True)):
        chosen = [f for f in functions if (f.mutability.value in ("view", "pure")) is reads]
        if chosen:
            lines += [f"## {title}", ""]
        for function in chosen:
            lines += [f"### {function.name}", ""]
            lines += _function(function, artifact, sources, errors)
    lines += _events(module)
    lines += _declared_types(functions, root)
    lines += _errors(errors)
    return "\n".join(lines).rstrip() + "\n"


def _function(
    function: Any, artifact: Artifact, sources: Sources, errors: dict[str, list[str]]
) -> list[str]:
    lines = ["```vyper", _signature(function), "```", ""]
    found = _documentation(function, artifact, sources)
    for text in (found.notice, found.details):
        lines += _header(text)
    for name, text in found.params.items():
        lines.append(f"- `{name}`: {_prose(text)}")
    for text in found.returns:
        lines.append(f"- returns: {_prose(text)}")
    if found.params or found.returns:
        lines.append("")
    why = reasons(function)
    for reason in why:
        errors.setdefault(reason, []).append(function.name)
    if why:
        lines += ["May revert with " + " · ".join(f"`{_code(reason)}`" for reason in why) + ".", ""]
    return lines


def _code(text: str) -> str:
    return text.replace("`", "'")


def _signature(function: Any) -> str:
    least = len(function.positional_args)
    parts = [
        f"{argument.name}: {_type_name(argument.typ)}" + (" = ..." if index >= least else "")
        for index, argument in enumerate(function.arguments)
    ]
    result = "" if function.return_type is None else f" -> {_type_name(function.return_type)}"
    line = f"def {function.name}({', '.join(parts)}){result}"
    if len(line) > _WIDTH:
        line = f"def {function.name}(\n    " + ",\n    ".join(parts) + f",\n){result}"
    return ("@payable\n" if function.mutability.value == "payable" else "") + line


def _documentation(function: Any, artifact: Artifact, sources: Sources) -> Natspec:
    """Natspec of a function: its own, its interface's, a standard's, or a variable's comment."""
    definition = function.ast_def
    docstring = getattr(definition, "doc_string", None)
    own = natspec(docstring.value) if docstring is not None else Natspec()
    see = _SEE.match(" ".join(own.notice.split()))
    if see is not None and see[2] in sources.docs.get(see[1], {}):
        return natspec(sources.docs[see[1]][see[2]])
    if own != Natspec():
        return own
    for interface in sources.interfaces(artifact):
        if function.name in sources.docs.get(interface, {}):
            return natspec(sources.docs[interface][function.name])
    if function.name in _STANDARD_OF:
        return Natspec(notice=f"As {_STANDARD_OF[function.name]} says.")
    return Natspec(notice=_comment(definition.module_node.full_source_code, function.name))


def _comment(source: str, name: str) -> str:
    """What stands beside or above the public variable of this name."""
    match = re.search(
        rf"((?:^#.*\n)*)^{name}: public\(.*\)(?: *= *.*?)?(?: *# *(.*))?$", source, re.M
    )
    if match is None:
        return ""
    above = " ".join(line.lstrip("# ").rstrip() for line in match[1].splitlines())
    return " ".join(part for part in (above, match[2]) if part)


def _events(module: Any) -> list[str]:
    if not module.used_events:
        return []
    lines = ["## Events", ""]
    for event in sorted(module.used_events, key=lambda event: str(event.name)):
        lines += [f"### {event.name}", "", "```vyper", _source_of(event.decl_node), "```", ""]
    return lines


def _declared_types(functions: Iterable[Any], root: Path) -> list[str]:
    kinds: dict[str, Any] = {}
    for function in functions:
        for kind in (*(argument.typ for argument in function.arguments), function.return_type):
            for part in _types(kind) if kind is not None else ():
                kinds.setdefault(part.name, part)
    if not kinds:
        return []
    lines = ["## Types", ""]
    for name in sorted(kinds):
        struct = getattr(kinds[name], "ast_def", None)
        text = _flag(kinds[name], root) if struct is None else _source_of(struct)
        lines += ["```vyper", text, "```", ""]
    return lines


def _flag(kind: Any, root: Path) -> str:
    """A flag's declaration with its comments, or of a foreign one its members: the compiler forgets
    where it stood.
    """
    pattern = re.compile(rf"((?:^#.*\n)*)^flag {kind.name}:\n(?:[ \t]+.*\n)+", re.M)
    folder = root / "contracts"
    for path in [*sorted(folder.rglob("*.vyi")), *sorted(folder.rglob("*.vy"))]:
        match = pattern.search(path.read_text(encoding="utf-8") + "\n")
        if match is not None:
            return match[0].rstrip()
    return "\n".join([f"flag {kind.name}:", *(f"    {member}" for member in kind._flag_members)])


def _errors(errors: dict[str, list[str]]) -> list[str]:
    if not errors:
        return []
    lines = [
        "## Errors",
        "",
        "Beside these, what the contracts called revert with.",
        "",
        "| reason | in |",
        "| --- | --- |",
    ]
    for reason in sorted(errors):
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(errors[reason]))
        lines.append(f"| `{_code(reason)}` | {names} |")
    return [*lines, ""]


# ------------------------------------------------------------------ interfaces and commands


def _interfaces_page(root: Path) -> str:
    lines = ["# Interfaces", "", "What who builds upon the contracts imports, as it stands.", ""]
    for path in sorted((root / "contracts" / "interfaces").glob("*.vyi")):
        text = path.read_text(encoding="utf-8").rstrip()
        lines += [f"## {path.stem}", "", "```vyper", text, "```", ""]
    return "\n".join(lines)


def _help(command: click.Command, name: str, parent: click.Context | None = None) -> str:
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        **command.context_settings,
    )
    return command.get_help(context)


def commands_of(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Name and help of a command and of those below it."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield context.command_path, _help(command, name, parent)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from commands_of(found, below, context)


def _helps(found: Iterable[tuple[str, str]]) -> list[str]:
    lines: list[str] = []
    for name, text in found:
        lines += [f"## {name}", "", "```text", text.rstrip(), "```", ""]
    return lines


def _commands_page() -> str:
    from breakwater.cli import main

    lines = [
        "# Commands",
        "",
        "`.venv/bin/breakwater` runs, measures and tests. It exits with 0 when all is well, 1 when"
        " something is wrong with the contracts, 2 when it cannot do what it was asked, and 130"
        " after Ctrl-C.",
        "",
    ]
    return "\n".join([*lines, *_helps(commands_of(main, "breakwater"))])


def scripts(root: Path | None = None) -> dict[str, click.Command]:
    """The commands of `ape run`, by name."""
    found: dict[str, click.Command] = {}
    for path in sorted(((root or artifacts.ROOT) / "scripts").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"breakwater_script_{path.stem}", path)
        if path.stem.startswith("_") or spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[path.stem] = module.cli
    return found


def _scripts_page(root: Path) -> str:
    lines = [
        "# Scripts",
        "",
        "What `.venv/bin/ape run` does: the protocol's actions, on the devnet or another network.",
        "",
    ]
    for name, command in scripts(root).items():
        lines += _helps(commands_of(command, f"ape run {name}"))
    return "\n".join(lines)


def _index(shown: list[Artifact], sources: Sources) -> str:
    groups: dict[str, list[Artifact]] = {"Contracts": [], "Periphery": [], "Feeds": []}
    for artifact in shown:
        parts = artifact.source_id.split("/")
        groups[parts[1].capitalize() if len(parts) > 2 else "Contracts"].append(artifact)
    lines = ["# Reference", "", "Made from the sources whenever the site is built.", ""]
    for title, members in groups.items():
        lines += [f"## {title}", "", "| contract | what it is |", "| --- | --- |"]
        for artifact in members:
            first = re.split(r"\.\s", sources.title(artifact), maxsplit=1)[0].rstrip(".")
            lines.append(f"| [{artifact.name}]({artifact.name}.md) | {_prose(first)} |")
        lines += ["", "```{toctree}", ":hidden:", f":caption: {title}", ""]
        lines += [artifact.name for artifact in members]
        lines += ["```", ""]
    lines += [
        "## Beside them",
        "",
        "- [Interfaces](interfaces.md)",
        "- [Commands](commands.md) of `breakwater`",
        "- [Scripts](scripts.md) of `ape run`",
        "",
        "```{toctree}",
        ":hidden:",
        "",
        "interfaces",
        "commands",
        "scripts",
        "```",
    ]
    return "\n".join(lines) + "\n"
