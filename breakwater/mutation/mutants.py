"""Mutants: small edits of the sources, found in the compiler's syntax tree and its types.

Each is the text of one node replaced by another, so that it can be shown as a diff and compiled
again. Kinds:

    comparison   <, <=, ==, ... for another
    arithmetic   +, *, <<, unsafe_add, min, ... for another
    constant     a literal or a constant one more, one less, twice as much; a bool turned around
    rounding     down for up
    check        a check taken out: a condition that refuses or leaves, an assert
    call         a call for its effect taken out
    write        a write to storage taken out
    assignment   another assignment taken out
    log          an event taken out
    condition    a condition turned around; and for or
    arguments    two neighbouring arguments of one type swapped
    variable     another variable of the same type that is in scope
    order        two neighbouring statements with effects swapped
    lock         the re-entrancy lock of a file taken out

Left out is what changes nothing by its form alone: the order of two statements of which neither
touches what the other does or of which both can only refuse, a product with a bit for a quotient,
two factors swapped, a variable for one that holds the same, a first value that nothing reads.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from vyper import ast as vy
from vyper.semantics.analysis.base import StateMutability
from vyper.semantics.types.function import ContractFunctionT

from breakwater.mutation.compile import Program

KINDS = (
    "comparison", "arithmetic", "constant", "rounding", "check", "call", "write", "assignment",
    "log", "condition", "arguments", "variable", "order", "lock",
)  # fmt: skip

_COMPARISONS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
    "==": ("!=",), "!=": ("==",), "in": ("not in",), "not in": ("in",),
}  # fmt: skip
_OPERATORS = {
    "+": "-", "-": "+", "*": "//", "//": "*", "%": "//", "**": "*", "<<": ">>", ">>": "<<",
    "&": "|", "|": "&", "^": "&",
}  # fmt: skip
_FUNCTIONS = {
    "unsafe_add": "unsafe_sub",
    "unsafe_sub": "unsafe_add",
    "unsafe_mul": "unsafe_div",
    "unsafe_div": "unsafe_mul",
    "min": "max",
    "max": "min",
}
_COMMUTATIVE = {"unsafe_add", "unsafe_mul", "min", "max"}
_ROUNDING = {"_value_up": "_value_down", "_value_down": "_value_up"}
_LOCK = "# pragma nonreentrancy on"
_READERS = (StateMutability.PURE, StateMutability.VIEW)


@dataclass(frozen=True)
class Mutant:
    """One edit of one file."""

    file: str
    """Path below the root."""
    function: str
    """Empty for what is outside of functions."""
    kind: str
    start: int
    end: int
    """Offsets of the replaced text in the file."""
    old: str
    new: str
    line: int
    """First line of the edit, from 1."""
    number: int
    """Which of the same edits in one function, from 0."""

    @property
    def id(self) -> str:
        """Twelve digits that stay the same while other functions change."""
        parts = (self.file, self.function, self.kind, self.old, self.new, str(self.number))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]

    def apply(self, source: str) -> str:
        """The file's text with the edit."""
        assert source[self.start : self.end] == self.old
        return source[: self.start] + self.new + source[self.end :]

    def diff(self, source: str, context: int = 1) -> str:
        """The edit as a unified diff without its header."""
        lines = difflib.unified_diff(
            source.splitlines(), self.apply(source).splitlines(), lineterm="", n=context
        )
        return "\n".join(list(lines)[2:])

    @property
    def title(self) -> str:
        """Where and what, in one line."""
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        if len(old) > 60:
            old = old[:57] + "..."
        if len(new) > 60:
            new = new[:57] + "..."
        place = f"{self.file}:{self.line} {self.function}".rstrip()
        return f"{place}: {self.kind}: {old} -> {new}"


def of_programs(root: Path, programs: Iterable[Program]) -> list[Mutant]:
    """Every mutant of every source that the programs hold, mocks left out, in order of place."""
    found: dict[str, Mutant] = {}
    seen: set[tuple[Path, str]] = set()
    files: dict[Path, str] = {}
    for program in programs:
        for path, name, node in program.functions():
            if (path, name) in seen or not _is_ours(root, path):
                continue
            seen.add((path, name))
            source = files.setdefault(path, path.read_text(encoding="utf-8"))
            finder = _Finder(path.relative_to(root).as_posix(), source, name)
            found.update({one.id: one for one in finder.of_function(node)})
        for path, module in program.modules():
            if (path, "") in seen or not _is_ours(root, path):
                continue
            seen.add((path, ""))
            source = files.setdefault(path, path.read_text(encoding="utf-8"))
            finder = _Finder(path.relative_to(root).as_posix(), source, "")
            found.update({one.id: one for one in finder.of_module(module)})
    return sorted(found.values(), key=lambda one: (one.file, one.start, one.end, one.new))


def _is_ours(root: Path, path: Path) -> bool:
    contracts = root / "contracts"
    return path.is_relative_to(contracts) and not path.is_relative_to(contracts / "mocks")


class _Finder:
    """Finds the mutants of one function, or of a file's constants."""

    def __init__(self, file: str, source: str, function: str) -> None:
        self._file = file
        self._source = source
        self._function = function
        self._offsets = [0]
        for line in source.splitlines(keepends=True):
            self._offsets.append(self._offsets[-1] + len(line))
        self._count: dict[tuple[str, str, str], int] = {}
        self._variables: list[tuple[str, Any]] = []  # in scope, in order
        self._bits: set[str] = set()  # loop variables that are 0 or 1
        self._same: set[frozenset[str]] = set()  # pairs of variables with one value

    # ------------------------------------------------------------ helpers

    def _span(self, node: Any) -> tuple[int, int]:
        return (
            self._offsets[node.lineno - 1] + node.col_offset,
            self._offsets[node.end_lineno - 1] + node.end_col_offset,
        )

    def _text(self, node: Any) -> str:
        start, end = self._span(node)
        return self._source[start:end]

    def _mutant(self, kind: str, start: int, end: int, new: str) -> Mutant:
        old = self._source[start:end]
        key = kind, old, new
        number = self._count.get(key, 0)
        self._count[key] = number + 1
        line = self._source.count("\n", 0, start) + 1
        return Mutant(self._file, self._function, kind, start, end, old, new, line, number)

    def _replace(self, kind: str, node: Any, new: str) -> Mutant:
        return self._mutant(kind, *self._span(node), new)

    def _between(self, kind: str, left: Any, right: Any, old: str, new: str) -> Iterator[Mutant]:
        """`old` between two nodes replaced: an operator has no place of its own in the tree."""
        start, end = self._span(left)[1], self._span(right)[0]
        gap = self._source[start:end]
        code = "".join(" " * len(line) if line.lstrip().startswith("#") else line
                       for line in gap.splitlines(keepends=True))  # fmt: skip
        at = code.find(old)
        if at >= 0 and code.count(old) == 1:
            yield self._mutant(kind, start + at, start + at + len(old), new)

    # ------------------------------------------------------------ outside of functions

    def of_module(self, module: Any) -> Iterator[Mutant]:
        """Constants, and the lock."""
        at = self._source.find(_LOCK)
        if at >= 0:
            yield self._mutant("lock", at, at + len(_LOCK), _LOCK.replace(" on", " off"))
        for node in module.get_children(vy.VariableDecl, {"is_constant": True}):
            try:
                value = node.value.get_folded_value()
            except Exception:  # a constant that only exists at run time
                continue
            text = self._text(node.value)
            if isinstance(value, vy.Int):
                yield self._replace("constant", node.value, f"({text}) + 1")
                if value.value > 0:
                    yield self._replace("constant", node.value, f"({text}) - 1")
                if value.value > 1:
                    yield self._replace("constant", node.value, f"({text}) * 2")

    # ------------------------------------------------------------ in a function

    def of_function(self, node: Any) -> Iterator[Mutant]:
        """Every mutant of one function."""
        func_t = node._metadata["func_type"]
        self._variables = [(arg.name, arg.typ) for arg in func_t.arguments]
        self._same = set()
        yield from self._body(node.body)

    def _body(self, body: list[Any]) -> Iterator[Mutant]:
        """Statements of one block, whose variables end with it."""
        outer = len(self._variables)
        for i, node in enumerate(body):
            declares = isinstance(node, vy.AnnAssign)
            if not (declares and _is_overwritten(node, body[i + 1 :])):
                yield from self._statement(node)
            if declares:
                self._declare(node.target)
                if isinstance(node.value, vy.Name):
                    self._same.add(frozenset((node.target.id, node.value.id)))
            elif isinstance(node, vy.Assign | vy.AugAssign):
                self._forget(node)
        yield from self._orders(body)
        del self._variables[outer:]

    def _declare(self, target: Any) -> None:
        kind = target._metadata.get("type")
        if kind is not None:
            self._variables.append((target.id, kind))

    def _statement(self, node: Any) -> Iterator[Mutant]:
        if isinstance(node, vy.Expr) and isinstance(node.value, vy.Str):
            return
        if isinstance(node, vy.If):
            yield from self._condition(node.test)
            is_elif = self._source.startswith("elif", self._span(node)[0])
            if not node.orelse and not is_elif and _leaves(node.body):
                yield self._replace("check", node, "pass")
            yield from self._expression(node.test)
            same = self._same
            self._same = same | self._equal(node.test)
            yield from self._body(node.body)
            self._same = same
            yield from self._body(node.orelse)
            self._forget(node)
            return
        if isinstance(node, vy.For):
            yield from self._expression(node.iter)
            outer = len(self._variables)
            self._declare(node.target.target)
            self._forget(node)
            if self._text(node.iter) == "range(2)":
                self._bits.add(node.target.target.id)
            yield from self._body(node.body)
            self._bits.discard(node.target.target.id)
            del self._variables[outer:]
            return
        if isinstance(node, vy.Assert):
            yield self._replace("check", node, "pass")
            yield from self._expression(node.test)
            return
        if isinstance(node, vy.Break):
            yield self._replace("condition", node, "continue")
            return
        if isinstance(node, vy.Continue):
            yield self._replace("condition", node, "break")
            return
        if isinstance(node, vy.Log):
            yield self._replace("log", node, "pass")
            yield from self._expression(node.value)
            return
        if isinstance(node, vy.Expr):
            if not _refuses(node):
                yield self._replace("call", node, "pass")
                yield from self._expression(node.value)
            return
        if isinstance(node, vy.AugAssign):
            yield self._replace(_write_kind(node.target), node, "pass")
            old = _symbol(node.op)
            if old in _OPERATORS:
                new = _OPERATORS[old]
                yield from self._between(
                    "arithmetic", node.target, node.value, f"{old}=", f"{new}="
                )
            yield from self._expression(node.target)
            yield from self._expression(node.value)
            return
        if isinstance(node, vy.Assign):
            yield self._replace(_write_kind(node.target), node, "pass")
            if not isinstance(node.target, vy.Tuple | vy.Name):
                yield from self._expression(node.target)
            yield from self._expression(node.value)
            return
        if isinstance(node, vy.AnnAssign | vy.Return) and node.value is not None:
            yield from self._expression(node.value)

    def _condition(self, test: Any) -> Iterator[Mutant]:
        if not isinstance(test, vy.Compare):  # those are turned around by themselves
            yield self._replace("condition", test, f"not ({self._text(test)})")

    def _expression(self, node: Any) -> Iterator[Mutant]:
        if isinstance(node, vy.Compare):
            old = _symbol(node.op)
            for new in _COMPARISONS.get(old, ()):
                yield from self._between("comparison", node.left, node.right, old, new)
        elif isinstance(node, vy.BinOp):
            old = _symbol(node.op)
            if old in _OPERATORS:
                yield from self._between("arithmetic", node.left, node.right, old, _OPERATORS[old])
        elif isinstance(node, vy.BoolOp):
            old = _symbol(node.op)
            new = {"and": "or", "or": "and"}[old]
            for left, right in pairwise(node.values):
                yield from self._between("condition", left, right, f" {old} ", f" {new} ")
        elif isinstance(node, vy.IfExp):
            yield from self._condition(node.test)
        elif isinstance(node, vy.Int):
            yield self._replace("constant", node, str(node.value + 1))
            if node.value > 0:
                yield self._replace("constant", node, str(node.value - 1))
        elif isinstance(node, vy.NameConstant) and isinstance(node.value, bool):
            yield self._replace("constant", node, str(not node.value))
        elif isinstance(node, vy.Name):
            yield from self._other_variable(node)
            return
        elif isinstance(node, vy.Call):
            yield from self._call(node)
            return
        elif isinstance(node, vy.Attribute):
            if not isinstance(node.value, vy.Name):
                yield from self._expression(node.value)
            return
        for child in _children(node):
            yield from self._expression(child)

    def _call(self, node: Any) -> Iterator[Mutant]:
        name = node.func.id if isinstance(node.func, vy.Name) else getattr(node.func, "attr", "")
        if isinstance(node.func, vy.Name) and name in _FUNCTIONS and not self._by_a_bit(node):
            yield self._replace("arithmetic", node.func, _FUNCTIONS[name])
        if name in _ROUNDING:
            start, end = self._span(node.func)
            yield self._mutant("rounding", end - len(name), end, _ROUNDING[name])
        elif name.endswith("_ceil_div") and len(node.args) == 2:
            left, right = map(self._text, node.args)
            yield self._replace("rounding", node, f"(({left}) // ({right}))")
        if name == "empty":
            return
        args = [*node.args, *(pair.value for pair in node.keywords)]
        if name not in _COMMUTATIVE:
            pairs = list(pairwise(args))
            for left, right in pairs[1:] if name == "_mul_div" else pairs:  # not its two factors
                if self._text(left) != self._text(right) and _same_type(left, right):
                    start, middle = self._span(left)
                    second, end = self._span(right)
                    text = self._text(right) + self._source[middle:second] + self._text(left)
                    yield self._mutant("arguments", start, end, text)
        if isinstance(node.func, vy.Attribute) and not isinstance(node.func.value, vy.Name):
            yield from self._expression(node.func.value)
        for arg in args:
            yield from self._expression(arg)

    def _by_a_bit(self, node: Any) -> bool:
        """A product with 0 or 1: the EVM's quotient is the same, that by zero too."""
        if node.func.id != "unsafe_mul":
            return False
        right = node.args[1]
        if isinstance(right, vy.BinOp) and _symbol(right.op) == "&":
            return self._text(right.right) == "1"
        return isinstance(right, vy.Name) and right.id in self._bits

    def _equal(self, test: Any) -> set[frozenset[str]]:
        """Variables that have one value where this condition holds."""
        sides = (test.left, test.right) if isinstance(test, vy.Compare) else ()
        if not sides or _symbol(test.op) != "==" or not all(isinstance(s, vy.Name) for s in sides):
            return set()
        return {frozenset(side.id for side in sides)}

    def _forget(self, node: Any) -> None:
        """What is assigned anywhere in this is no longer known to be the same as another."""
        changed: set[str] = set()
        for one in [node, *node.get_descendants((vy.Assign, vy.AugAssign))]:
            if isinstance(one, vy.Assign | vy.AugAssign):
                names = one.target.get_descendants(vy.Name, None, True)
                changed |= {name.id for name in names}
        self._same = {pair for pair in self._same if not pair & changed}

    def _other_variable(self, node: Any) -> Iterator[Mutant]:
        """The variable of the same type that was declared last before this use."""
        kind = node._metadata.get("type")
        if kind is None or node.id not in {name for name, _ in self._variables}:
            return
        others = [
            name
            for name, other in self._variables
            if name != node.id
            and _equal_types(kind, other)
            and frozenset((name, node.id)) not in self._same
        ]
        if others:
            yield self._replace("variable", node, others[-1])

    def _orders(self, body: list[Any]) -> Iterator[Mutant]:
        for first, second in pairwise(body):
            if not (_has_effect(first) and _has_effect(second)) or _commute(first, second):
                continue
            start, middle = self._span(first)
            begin, end = self._span(second)
            text = self._text(second) + self._source[middle:begin] + self._text(first)
            yield self._mutant("order", start, end, text)


def _is_overwritten(node: Any, later: list[Any]) -> bool:
    """Declared with a constant, and whatever mentions it next writes it: Vyper wants a value at
    once, and which one does not matter.
    """
    name = node.target.id
    if not isinstance(node.value, vy.Int | vy.NameConstant):
        return False
    return _writes_first(later, name) is not False


def _writes_first(body: list[Any], name: str) -> bool | None:
    """Whether statements write a variable before they read it; None: they may do neither."""
    for one in body:
        if not _mentions(one, name):
            continue
        if isinstance(one, vy.Assign):
            return _is_target(one.target, name) and not _mentions(one.value, name)
        if isinstance(one, vy.If) and not _mentions(one.test, name):
            ways = {_writes_first(one.body, name), _writes_first(one.orelse, name)}
        elif isinstance(one, vy.For) and not _mentions(one.iter, name):
            ways = {_writes_first(one.body, name), None}  # it may not be entered
        else:
            return False
        if False in ways:
            return False
        if ways == {True}:
            return True
    return None


def _is_target(target: Any, name: str) -> bool:
    parts = target.elements if isinstance(target, vy.Tuple) else [target]
    return any(isinstance(part, vy.Name) and part.id == name for part in parts) and all(
        isinstance(part, vy.Name) or not _mentions(part, name) for part in parts
    )


def _mentions(node: Any, name: str) -> bool:
    return bool(node.get_descendants(vy.Name, {"id": name}, include_self=True))


def _children(node: Any) -> list[Any]:
    """Parts of an expression that are expressions, in order."""
    if isinstance(node, vy.Compare | vy.BinOp):
        return [node.left, node.right]
    if isinstance(node, vy.BoolOp):
        return list(node.values)
    if isinstance(node, vy.UnaryOp):
        return [node.operand]
    if isinstance(node, vy.IfExp):
        return [node.test, node.body, node.orelse]
    if isinstance(node, vy.Subscript):
        return [node.value, node.slice]
    if isinstance(node, vy.Tuple | vy.List):
        return list(node.elements)
    if isinstance(node, vy.ExtCall | vy.StaticCall):
        return [node.value]
    return []


_SYMBOLS = {
    "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!=", "In": "in",
    "NotIn": "not in", "Add": "+", "Sub": "-", "Mult": "*", "FloorDiv": "//", "Mod": "%",
    "Pow": "**", "LShift": "<<", "RShift": ">>", "BitAnd": "&", "BitOr": "|", "BitXor": "^",
    "And": "and", "Or": "or",
}  # fmt: skip


def _symbol(op: Any) -> str:
    return _SYMBOLS.get(type(op).__name__, "")


def _refuses(node: Any) -> bool:
    """A call of the contract's `_fail`."""
    if not isinstance(node, vy.Expr) or not isinstance(node.value, vy.Call):
        return False
    return getattr(node.value.func, "attr", "") == "_fail"


def _leaves(body: list[Any]) -> bool:
    return len(body) == 1 and (
        _refuses(body[0]) or isinstance(body[0], vy.Raise | vy.Return | vy.Assert)
    )


def _write_kind(target: Any) -> str:
    """ "write" for storage, the contract's own or a module's; "assignment" for a local."""
    root = target
    while isinstance(root, vy.Subscript | vy.Attribute):
        root = root.value
    info = getattr(target, "_expr_info", None)
    location = getattr(info, "location", None)
    stored = location is not None and location.name in ("STORAGE", "TRANSIENT", "CODE")
    return "write" if stored or getattr(root, "id", "") == "self" else "assignment"


def _has_effect(node: Any) -> bool:
    if isinstance(node, vy.Log):
        return True
    if isinstance(node, vy.Expr):
        return isinstance(node.value, vy.Call | vy.ExtCall) and not _refuses(node)
    return isinstance(node, vy.Assign | vy.AugAssign) and _write_kind(node.target) == "write"


def _commute(first: Any, second: Any) -> bool:
    """Whether the order of two statements with effects cannot show, but for which refuses first."""
    if _only_refuses(first) and _only_refuses(second):
        return True
    one, other = _touched(first), _touched(second)
    if one is None or other is None:
        return False
    if isinstance(first, vy.Log) and isinstance(second, vy.Log):
        return False
    return not (one[0] & (other[0] | other[1]) or other[0] & one[1])


def _only_refuses(node: Any) -> bool:
    """A call for its effect of a function that may not write."""
    if not isinstance(node, vy.Expr) or not isinstance(node.value, vy.Call):
        return False
    called = node.value.func._metadata.get("type")
    return isinstance(called, ContractFunctionT) and called.mutability in _READERS


def _touched(node: Any) -> tuple[set[str], set[str]] | None:
    """What a statement writes and what it reads, of what outlives the call; None: who knows."""
    written: set[str] = set()
    if isinstance(node, vy.Expr):
        function = getattr(node.value, "func", None)
        if getattr(function, "attr", "") == "__init__" and not node.value.args:
            return {_name(function)}, set()  # sets nothing but the module's own
        if not _only_refuses(node):
            return None
    elif not isinstance(node, vy.Log):
        root = node.target
        while isinstance(root, vy.Subscript) or (
            isinstance(root, vy.Attribute) and not isinstance(root.value, vy.Name)
        ):
            root = root.value
        written.add(_name(root))
    for call in node.get_descendants((vy.Call, vy.ExtCall, vy.StaticCall)):
        if isinstance(call, vy.ExtCall | vy.StaticCall):
            return None
        called = call.func._metadata.get("type")
        if isinstance(called, ContractFunctionT) and called.mutability != StateMutability.PURE:
            return None
    names = node.get_descendants((vy.Attribute, vy.Name))
    return written, {_name(one) for one in names} - written


def _name(node: Any) -> str:
    """Of a variable: `self.a`, `module.a`, `IMMUTABLE`."""
    if isinstance(node, vy.Attribute):
        return f"{getattr(node.value, 'id', '')}.{node.attr}"
    return str(getattr(node, "id", ""))


def _type(node: Any) -> Any:
    return node._metadata.get("type")


def _same_type(left: Any, right: Any) -> bool:
    return _equal_types(_type(left), _type(right))


def _equal_types(left: Any, right: Any) -> bool:
    return left is not None and right is not None and str(left) == str(right)
