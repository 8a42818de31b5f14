"""Writes the packages `breakwater.driver` and `breakwater.mocks`: a typed class for each contract.

Each contract has a module, the structs of all share one, and the package exports the lot.
`python -m breakwater.codegen` writes the files and removes what it would not write, `--check` fails
when there is a difference. The output depends on the sources under contracts/ only. ABIs carry
neither struct names nor the natspec of interfaces, so both are read from the sources.
"""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import tempfile
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from breakwater import artifacts
from breakwater.abi import type_string
from breakwater.artifacts import Artifact
from breakwater.errors import UserError

Entry = dict[str, Any]
Fields = tuple[tuple[str, str], ...]

_STRUCT = re.compile(r"^struct\s+(\w+)\s*:\s*\n((?:[ \t]+\S.*\n|[ \t]*\n)+)", re.M)
_FIELD = re.compile(r"^[ \t]+(\w+)\s*:")
_FUNCTION = re.compile(r"^def\s+(\w+)\s*\(", re.M)
_TAG = re.compile(r"^\s*@(\w+)\s*(.*)$")
_SEE = re.compile(r"^See `?(\w+)[.:]+(\w+)`?\.?$")
_IMPLEMENTS = re.compile(r"^implements:\s*(.+)$", re.M)
_TAKEN = {"host", "address", "at", "deploy", "artifact", "NAME"}
_WIDTH = 100


class Sources:
    """What the ABI leaves out: names of structs, and documentation."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.structs: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self.docs: dict[str, dict[str, str]] = {}
        """By interface and function: docstrings."""
        folder = root / "contracts"
        paths = sorted([*folder.rglob("*.vyi"), *folder.rglob("*.vy")], key=_interfaces_first)
        for path in paths:
            text = path.read_text(encoding="utf-8") + "\n"
            for match in _STRUCT.finditer(text):
                names = tuple(
                    field[1] for line in match[2].splitlines() if (field := _FIELD.match(line))
                )
                if match[1] not in self.structs[names]:
                    self.structs[names].append(match[1])
            if path.suffix == ".vyi":
                self.docs[path.stem] = _function_docs(text)

    def doc(self, artifact: Artifact, entry: Entry) -> str:
        """Natspec of a function: its own, or that of an interface the contract implements."""
        signature = f"{entry['name']}({','.join(type_string(p) for p in entry['inputs'])})"
        user = artifact.userdoc.get("methods", {}).get(signature, {})
        dev = artifact.devdoc.get("methods", {}).get(signature, {})
        if user or dev:
            parts = [user.get("notice", ""), dev.get("details", "")]
            lines = [" ".join(part.split()) for part in parts if part]
            lines += [f"{name}: {' '.join(t.split())}" for name, t in dev.get("params", {}).items()]
            lines += [f"Returns: {' '.join(t.split())}" for t in dev.get("returns", {}).values()]
            own = "\n".join(lines)
            reference = _SEE.match(own)
            if reference is None:
                return own
            there = self.docs.get(reference[1], {}).get(reference[2])
            return own if there is None else _natspec(there)
        for interface in self.interfaces(artifact):
            text = self.docs.get(interface, {}).get(entry["name"])
            if text is not None:
                return _natspec(text)
        return ""

    def title(self, artifact: Artifact) -> str:
        """The first paragraph of a contract's notice."""
        path = self._root / artifact.source_id
        if path.is_file():
            pieces = path.read_text(encoding="utf-8").split('"""', 2)
            _, found, notice = pieces[1 if len(pieces) > 1 else 0].partition("@notice")
            if found:
                paragraph = re.split(r"\n\s*\n|\n\s*@", notice, maxsplit=1)[0]
                return " ".join(paragraph.split())
        other = artifact.userdoc.get("notice") or artifact.devdoc.get("title")
        return str(other or f"The contract `{artifact.source_id}`.")

    def interfaces(self, artifact: Artifact) -> list[str]:
        """Names of the interfaces that a contract implements, its own first."""
        path = self._root / artifact.source_id
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        listed = [f"I{artifact.name}"]
        for match in _IMPLEMENTS.finditer(text):
            listed += [part.strip().split(".")[-1] for part in match[1].strip("() ").split(",")]
        return listed


def _function_docs(text: str) -> dict[str, str]:
    """Docstrings of the functions of a source by name."""
    starts = list(_FUNCTION.finditer(text))
    ends = [*(match.start() for match in starts[1:]), len(text)]
    docs = {}
    for match, end in zip(starts, ends, strict=False):
        pieces = text[match.start() : end].split('"""', 2)
        if len(pieces) == 3:
            docs[match[1]] = pieces[1]
    return docs


def _interfaces_first(path: Path) -> tuple[bool, str]:
    return path.suffix != ".vyi", path.as_posix()


def _natspec(text: str) -> str:
    """Tagged natspec as plain sentences, one paragraph for each tag."""
    paragraphs: list[tuple[str, list[str]]] = [("notice", [])]
    for line in text.strip().splitlines():
        match = _TAG.match(line)
        if match is not None:
            paragraphs.append((match[1], [match[2]]))
        else:
            paragraphs[-1][1].append(line)
    lines = []
    for tag, words in paragraphs:
        body = " ".join(" ".join(words).split())
        if not body or tag.startswith("custom"):
            continue
        if tag == "param":
            name, _, rest = body.partition(" ")
            body = f"{name}: {rest}"
        elif tag == "return":
            body = f"Returns: {body}"
        lines.append(body)
    return "\n".join(lines)


class Package:
    """One generated package."""

    def __init__(self, sources: Sources, name: str, title: str) -> None:
        self._sources = sources
        self._name = name
        self._title = title
        self._structs: dict[str, Fields] = {}
        self._struct_text: list[str] = []
        self._classes: dict[str, str] = {}
        self._used: dict[str, set[str]] = {}
        """Names of the structs that a class uses, by the class."""
        self._now: set[str] = set()

    # ------------------------------------------------------------ types

    def _struct(self, entry: Entry, hint: str) -> str:
        """The class for a tuple, declared when it is new."""
        parts = entry["components"]
        names = tuple(str(part["name"]) for part in parts)
        fields: Fields = tuple((n, type_string(part)) for n, part in zip(names, parts, strict=True))
        known = self._sources.structs.get(names, [])
        name = known[0] if known else hint
        candidates = [*known, name, *(f"{name}{number}" for number in range(2, 100))]
        for candidate in candidates:
            if self._structs.get(candidate, fields) == fields:
                name = candidate
                break
        if name not in self._structs:
            self._structs[name] = fields
            lines = [f"class {name}(NamedTuple):"]
            for part in parts:
                kind = self.python_type(part, _pascal(part["name"]), argument=False)
                field = _identifier(part["name"])
                field += "_" if field in ("count", "index") else ""  # methods of every tuple
                lines.append(f"    {field}: {kind}")
            self._struct_text.append("\n".join(lines))
        self._now.add(name)
        return name

    def python_type(self, entry: Entry, hint: str, *, argument: bool) -> str:
        """The Python type of an ABI parameter, as an argument or as a result."""
        kind = str(entry["type"])
        if kind.endswith("]"):
            inner = {**entry, "type": kind[: kind.rindex("[")]}
            item = self.python_type(inner, hint, argument=argument)
            return f"Sequence[{item}]" if argument else f"list[{item}]"
        if kind == "tuple":
            return self._struct(entry, hint)
        if kind.startswith(("uint", "int")):
            return "int"
        if kind == "bool":
            return "bool"
        if kind == "address":
            return "Address" if argument else "str"
        return "str" if kind == "string" else "bytes"

    def _converted(self, entry: Entry, hint: str, value: str) -> str:
        """An expression that gives a decoded value its declared type."""
        kind = str(entry["type"])
        if "tuple" not in kind:
            return value
        if kind.endswith("]"):
            inner = {**entry, "type": kind[: kind.rindex("[")]}
            return f"[{self._converted(inner, hint, 'item')} for item in {value}]"
        name = self._struct(entry, hint)
        if not any("tuple" in str(part["type"]) for part in entry["components"]):
            return f"{name}(*{value})"
        parts = [
            self._converted(part, _pascal(part["name"]), f"{value}[{index}]")
            for index, part in enumerate(entry["components"])
        ]
        return f"{name}({', '.join(parts)})"

    # ------------------------------------------------------------ classes

    def add(self, artifact: Artifact) -> None:
        """Declare the class of one contract."""
        self._now = self._used[artifact.name] = set()
        groups: dict[str, list[Entry]] = defaultdict(list)
        constructor: Entry = {"inputs": [], "stateMutability": "nonpayable"}
        for entry in artifact.abi:
            if entry["type"] == "function":
                groups[entry["name"]].append(entry)
            elif entry["type"] == "constructor":
                constructor = entry
        lines = [f"class {artifact.name}(Contract):"]
        lines += _docstring(self._sources.title(artifact), 4)
        lines += ["", f'    NAME = "{artifact.name}"', ""]
        lines += self._constructor(constructor)
        for entries in groups.values():
            lines += ["", *self._method(artifact, entries)]
        self._classes[artifact.name] = "\n".join(lines)

    def _constructor(self, entry: Entry) -> list[str]:
        names = _argument_names(entry["inputs"], {"cls", "host", "sender", "value"})
        parameters = ["cls", "host: Host"]
        for name, part in zip(names, entry["inputs"], strict=True):
            parameters.append(f"{name}: {self.python_type(part, _pascal(name), argument=True)}")
        parameters += ["*", "sender: Address"]
        payable = entry.get("stateMutability") == "payable"
        if payable:
            parameters.append("value: int = 0")
        call = f"cls._deploy(host, ({_tuple(names)}), sender{', value' if payable else ''})"
        return [
            "    @classmethod",
            f"    def deploy({', '.join(parameters)}) -> Self:",
            '        """Deploy a new one."""',
            f"        return {call}",
        ]

    def _method(self, artifact: Artifact, entries: list[Entry]) -> list[str]:
        entries = sorted(entries, key=lambda entry: len(entry["inputs"]))
        entry = entries[-1]
        least = len(entries[0]["inputs"])
        reads = entry["stateMutability"] in ("view", "pure")
        payable = entry["stateMutability"] == "payable"
        reserved = (
            {"self", "item"} if reads else {"self", "sender"} | ({"value"} if payable else set())
        )
        names = _argument_names(entry["inputs"], reserved)
        hint = _pascal(entry["name"]) + "Result"
        parameters = ["self"]
        for index, (name, part) in enumerate(zip(names, entry["inputs"], strict=True)):
            kind = self.python_type(part, _pascal(name), argument=True)
            parameters.append(
                f"{name}: {kind} | None = None" if index >= least else f"{name}: {kind}"
            )
        if not reads:
            parameters += ["*", "sender: Address"]
            if payable:
                parameters.append("value: int = 0")
        arguments = f"({_tuple(names)})"
        if least < len(names):
            arguments = f"given(({_tuple(names[:least])}), {', '.join(names[least:])})"
        method = _identifier(entry["name"])
        if method in _TAKEN:
            method += "_"
        if reads:
            result, body = self._view(entry, hint, f'self._call("{entry["name"]}", {arguments})')
        else:
            result = "Receipt"
            extra = ", value" if payable else ""
            body = [f'return self._transact("{entry["name"]}", {arguments}, sender{extra})']
        doc = self._sources.doc(artifact, entry)
        if not doc:
            kinds = ", ".join(type_string(part) for part in entry["inputs"])
            doc = f"`{entry['name']}({kinds})`"
        return [
            f"    def {method}({', '.join(parameters)}) -> {result}:",
            *_docstring(doc, 8),
            *(f"        {line}" for line in body),
        ]

    def _view(self, entry: Entry, hint: str, call: str) -> tuple[str, list[str]]:
        outputs = entry["outputs"]
        if not outputs:
            return "None", [call]
        kinds = [self.python_type(part, hint, argument=False) for part in outputs]
        if len(outputs) == 1:
            result = kinds[0]
            if "tuple" not in str(outputs[0]["type"]):
                return result, [f"found: {result} = {call}", "return found"]
            return result, [
                f"found = {call}",
                f"return {self._converted(outputs[0], hint, 'found')}",
            ]
        result = f"tuple[{', '.join(kinds)}]"
        parts = [
            self._converted(part, hint, f"found[{index}]") for index, part in enumerate(outputs)
        ]
        if all(part == f"found[{index}]" for index, part in enumerate(parts)):
            return result, [f"found: {result} = {call}", "return found"]
        return result, [f"found = {call}", f"return ({', '.join(parts)})"]

    # ------------------------------------------------------------ text

    def files(self) -> dict[str, str]:
        """Texts by path below the package `breakwater`, not formatted."""
        texts = {_snake(name): self._class_module(name) for name in self._classes}
        names = {_snake(name): [name] for name in self._classes}
        if self._structs:
            texts["structs"] = self._struct_module()
            names["structs"] = sorted(self._structs)
        lines = [f"from {self._home}.{at} import {', '.join(names[at])}" for at in sorted(names)]
        exported = sorted(name for group in names.values() for name in group)
        body = "__all__ = [" + ", ".join(f'"{name}"' for name in exported) + "]"
        texts["__init__"] = _module(self._title, lines, body)
        return {f"{self._name}/{at}.py": text for at, text in sorted(texts.items())}

    @property
    def _home(self) -> str:
        return f"breakwater.{self._name}"

    def _struct_module(self) -> str:
        body = "\n\n\n".join(self._struct_text)
        return _module("Structs of the contracts.", ["from typing import NamedTuple"], body)

    def _class_module(self, name: str) -> str:
        body = self._classes[name]
        wanted = {
            "breakwater.contract": ["Address", "Contract"],
            "breakwater.host": ["Host"],
            f"{self._home}.structs": _named(self._used[name], body),
        }
        if "given(" in body:
            wanted["breakwater.contract"].append("given")
        if "-> Receipt:" in body:
            wanted["breakwater.host"].append("Receipt")
        ours = [f"from {at} import {', '.join(wanted[at])}" for at in sorted(wanted) if wanted[at]]
        foreign = ["from typing import Self"]
        if "Sequence[" in body:
            foreign.insert(0, "from collections.abc import Sequence")
        return _module(f"The contract `{name}`.", [*foreign, "", *ours], body)


def _module(title: str, imports: list[str], body: str) -> str:
    """The text of a file."""
    head = f'"""{title}\n\nGenerated by `python -m breakwater.codegen`; do not edit.\n"""'
    future = "from __future__ import annotations"
    gap = ["", ""] if body.startswith("class") else [""]
    return "\n".join([head, "", future, "", *imports, *gap, body, ""])


def _named(structs: Iterable[str], body: str) -> list[str]:
    """Those that the body names itself, and not only others of them."""
    code = re.sub(r'"""(.|\n)*?"""', "", body)
    return sorted(name for name in structs if re.search(rf"\b{name}\b", code))


def _formatted(files: dict[str, str]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "format", "--line-length", str(_WIDTH)]
        process = subprocess.run(
            [*command, "--isolated", "--no-cache", folder], capture_output=True, text=True
        )
        if process.returncode != 0:
            raise UserError(f"ruff could not format generated code:\n{process.stderr.strip()}")
        return {name: Path(folder, name).read_text(encoding="utf-8") for name in files}


def _docstring(text: str, indent: int) -> list[str]:
    text = text.replace("\\", "\\\\").replace('"""', "'''").strip()
    pad = " " * indent
    lines: list[str] = []
    for index, paragraph in enumerate(text.splitlines()):
        lines += textwrap.wrap(
            paragraph,
            width=_WIDTH - 3,
            initial_indent=pad + ('"""' if index == 0 else ""),
            subsequent_indent=pad + ("    " if index else ""),
            break_long_words=False,
        )
        if index == 0 and "\n" in text:
            lines.append("")
    if len(lines) == 1 and len(lines[0]) <= _WIDTH - 3:
        return [lines[0] + (' """' if lines[0].endswith('"') else '"""')]
    return [*lines, f'{pad}"""']


def _identifier(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name


def _argument_names(inputs: Iterable[Entry], reserved: set[str]) -> list[str]:
    names = []
    for index, part in enumerate(inputs):
        name = _identifier(part["name"] or f"arg{index}")
        if name.startswith("_"):
            name = name.lstrip("_") or f"arg{index}"
        while name in reserved or name in names or keyword.iskeyword(name):
            name += "_"
        names.append(name)
    return names


def _tuple(names: list[str]) -> str:
    return ", ".join(names) + ("," if len(names) == 1 else "")


def _pascal(name: str) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).split("_")
    return "".join(word[:1].upper() + word[1:] for word in words if word) or "Item"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def generate(root: Path | None = None) -> dict[str, str]:
    """Text of each generated file by its path, from the contracts below `root`."""
    root = root or artifacts.ROOT
    return render(artifacts.load_all(root).values(), root)


def render(compiled: Iterable[Artifact], root: Path) -> dict[str, str]:
    """Text of each generated file by its path, for these artifacts."""
    sources = Sources(root)
    titles = {
        "driver": "Typed objects for the protocol's contracts.",
        "mocks": "Typed objects for the contracts that exist for tests only.",
    }
    packages = {name: Package(sources, name, title) for name, title in titles.items()}
    for artifact in sorted(compiled, key=lambda artifact: artifact.name):
        packages["mocks" if artifact.is_mock else "driver"].add(artifact)
    return _formatted(packages["driver"].files() | packages["mocks"].files())


def write(files: dict[str, str], folder: Path, *, check: bool = False) -> list[str]:
    """Make the packages below `folder` hold these files and no other; with `check` only look.

    Returns the paths that differ, those to remove among them.
    """
    stale = []
    for name, text in files.items():
        path = folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for package in sorted({name.split("/")[0] for name in files}):
        for path in sorted((folder / package).glob("*.py")):
            if (name := f"{package}/{path.name}") not in files:
                stale.append(name)
                if not check:
                    path.unlink()
    return stale


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` tell which are stale."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if set(arguments) - {"--check"}:
        print("usage: python -m breakwater.codegen [--check]", file=sys.stderr)
        return 2
    check = "--check" in arguments
    try:
        files = generate()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    stale = write(files, Path(__file__).resolve().parent, check=check)
    if stale and check:
        print(f"stale: {', '.join(stale)}; run `python -m breakwater.codegen`", file=sys.stderr)
        return 1
    for name in stale:
        print(f"{'wrote' if name in files else 'removed'} breakwater/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
