"""Compiles contracts that report what they run, one JSON object a line; see `instrument`.

Run by `breakwater.artifacts` as a process of its own, since it changes the compiler: memory from
0x40 to 0x7f is left free for the history, and jumps remember whether their condition was turned.
Not meant to be run by hand.
"""

from __future__ import annotations

import copy
import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vyper import ast as vy_ast
from vyper.codegen import core, module
from vyper.codegen.ir_node import IRnode
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
from vyper.compiler.phases import CompilerData
from vyper.compiler.settings import OptimizationLevel, Settings, anchor_settings
from vyper.ir import compile_ir, optimizer
from vyper.utils import MemoryPositions

from breakwater._compile_worker import answer
from breakwater.coverage.instrument import (
    BIG,
    FIRST_SLOT,
    FLAG_SLOT,
    GAS_SHIFT,
    HISTORY,
    LEAST_GAS,
    MAGIC,
    SCRATCH,
    SITE_BYTES,
    TRAILER_BYTES,
    TRAILER_SLOT,
)

_SIMPLE = (
    vy_ast.AnnAssign,
    vy_ast.Assign,
    vy_ast.AugAssign,
    vy_ast.Assert,
    vy_ast.Raise,
    vy_ast.Return,
    vy_ast.Expr,
    vy_ast.Log,
    vy_ast.Break,
    vy_ast.Continue,
    vy_ast.Pass,
)
_COMPOUND = (vy_ast.If, vy_ast.For)
_ENDS = ("JUMP", "RETURN", "REVERT", "STOP", "INVALID")


# ---------------------------------------------------------------- from code back to the source


class Origin:
    """Where a node of the intermediate code comes from; stands in for `ast_source`."""

    lineno = None  # Vyper's optimizer writes nodes out, with lines where there are any

    def __init__(self, node: Any, what: str = "", column: int = 0) -> None:
        self.node = node
        self.what = what  # if, and, or, ternary, assert, loop; "" for what the compiler made
        self.column = column
        self.index = 0
        self.first: tuple[int, int] = (0, 0)  # indices of the branch taken when the test holds
        self.turned = False  # the optimizer swapped the branches
        self.fails = False  # the test of the code holds where the assertion fails

    def __deepcopy__(self, memo: Any) -> Origin:
        return self

    def get_original_node(self) -> Origin:
        """Vyper's assembler asks for it."""
        return self


def _original(node: Any) -> Any:
    return node.get_original_node() if hasattr(node, "get_original_node") else node


def _what(ir: IRnode, node: Any) -> str:
    """What a person would call the branch that `ir` makes, "" if the source has none."""
    if ir.value == "repeat":
        return "loop" if isinstance(node, vy_ast.For) else ""
    if ir.value == "if":
        if isinstance(node, vy_ast.If):
            return "if"
        if isinstance(node, vy_ast.IfExp):
            return "ternary"
        if isinstance(node, vy_ast.BoolOp):
            return "and" if isinstance(node.op, vy_ast.And) else "or"
    if ir.value in ("if", "assert", "assert_unreachable") and isinstance(node, vy_ast.Assert):
        return "assert"
    return ""


def _first_source(ir: IRnode) -> Any:
    """The expression that code stands for: its own, or that of the first part that has one."""
    if ir.ast_source is not None:
        source = ir.ast_source
        return source.node if isinstance(source, Origin) else _original(source)
    return next(filter(None, map(_first_source, ir.args)), None)


def mark(root: IRnode) -> None:
    """Give each node its origin, before the optimizer moves things."""
    count = 0

    def visit(ir: IRnode, above: Any) -> None:
        nonlocal count
        if isinstance(ir.ast_source, Origin):  # one node in two places
            return
        node = _original(ir.ast_source) if ir.ast_source is not None else above
        origin = Origin(node, _what(ir, node))
        origin.index = count
        count += 1
        ir.ast_source = origin
        if origin.what:
            test = _first_source(ir.args[0]) or node
            origin.column = test.col_offset
            origin.fails = ir.value == "if" and origin.what == "assert"
        for number, part in enumerate(ir.args):
            start = count
            visit(part, node)
            if number == 1:
                origin.first = (start, count)

    sys.setrecursionlimit(20_000)
    visit(root, None)


def settle(root: IRnode) -> None:
    """After the optimizer: an origin for nodes it made, and which branches it swapped."""

    def origins(ir: IRnode) -> Any:
        if isinstance(ir.ast_source, Origin):
            yield ir.ast_source.index
        for part in ir.args:
            yield from origins(part)

    def visit(ir: IRnode, above: Origin) -> None:
        if not isinstance(ir.ast_source, Origin):
            ir.ast_source = Origin(above.node)
            ir.ast_source.index = -1
        origin = ir.ast_source
        if origin.what and ir.value == "if" and len(ir.args) == 3:
            low, high = origin.first
            inside = sum(1 if low <= index < high else 0 for index in origins(ir.args[1]))
            other = sum(1 if low <= index < high else 0 for index in origins(ir.args[2]))
            origin.turned = other > inside
        for part in ir.args:
            visit(part, origin)

    visit(root, root.ast_source)


def _turn_inefficient_jumps(assembly: list[Any]) -> bool:
    """Vyper's optimization of the same name, which here remembers what it turned.

    `x JUMPI y JUMP x JUMPDEST` becomes `ISZERO y JUMPI x JUMPDEST`.
    """
    changed = False
    i = 0
    while i < len(assembly) - 6:
        here = assembly[i : i + 6]
        if (
            compile_ir.is_symbol(here[0])
            and here[1] == "JUMPI"
            and compile_ir.is_symbol(here[2])
            and here[3] == "JUMP"
            and here[0] == here[4]
            and here[5] == "JUMPDEST"
        ):
            changed = True
            jump = copy.copy(here[1])
            jump.turned = not getattr(jump, "turned", False)
            jump.instead = getattr(
                here[3], "ast_source", None
            )  # a `break`, say, that was jumped over
            assembly[i : i + 4] = ["ISZERO", here[2], jump]
        else:
            i += 1
    return changed


# ---------------------------------------------------------------- code that sets bits


@dataclass
class Sites:
    """The sites of one contract, numbered from 1."""

    root: Path
    found: list[dict[str, Any]] = field(default_factory=list)
    statements: dict[int, tuple[str, int, int] | None] = field(default_factory=dict)

    def new(self, kind: str, part: str) -> int:
        self.found.append({"kind": kind, "part": part, "lines": []})
        return len(self.found)

    def add_line(self, number: int, origin: Origin | None) -> None:
        """A site's block holds code of this origin."""
        place = self.statement(origin)
        if place is not None and list(place) not in self.found[number - 1]["lines"]:
            self.found[number - 1]["lines"].append(list(place))

    def set_edge(
        self, number: int, origin: Origin | None, what: str, outcome: bool, instead: Any = None
    ) -> None:
        """A site is one way of a jump; `instead`: a statement that the jump stands for."""
        self.add_line(number, instead)
        site = self.found[number - 1]
        place = self.statement(origin)
        site["what"] = what
        site["outcome"] = outcome
        if place is not None:
            assert origin is not None
            site["at"] = [place[0], getattr(origin.node, "lineno", place[1]), origin.column]
            site["statement"] = place[1]

    def statement(self, origin: Origin | None) -> tuple[str, int, int] | None:
        """File, first and last line of the statement; the header only of `if` and `for`."""
        if origin is None or origin.node is None:
            return None
        key = id(origin.node)
        if key not in self.statements:
            self.statements[key] = self._find(origin.node)
        return self.statements[key]

    def _find(self, node: Any) -> tuple[str, int, int] | None:
        while node is not None and not isinstance(node, (*_SIMPLE, *_COMPOUND)):
            if isinstance(node, (vy_ast.FunctionDef, vy_ast.Module)):
                return None
            node = node._parent
        if node is None or node.lineno is None:  # a getter that the compiler wrote
            return None
        top = node.get_ancestor(vy_ast.Module)
        if top is None:
            return None
        try:
            path = Path(top.resolved_path).relative_to(self.root)
        except ValueError:
            return None  # a library
        if path.parts[0] != "contracts":
            return None
        end = node
        if isinstance(node, vy_ast.If):
            end = node.test
        elif isinstance(node, vy_ast.For):
            end = node.iter
        return str(path), int(node.lineno), int(max(end.end_lineno or 0, node.lineno))


def _gas() -> list[Any]:
    """The gas that the plain code would see, at most: scaled down again where it was scaled up,
    which shows in its size.
    """
    return [
        "GAS", "DUP1", *_push(52, 1), "SHR", "ISZERO",
        "DUP2", *_push(32, 1), "SHR", "ISZERO", "ISZERO", "AND",
        *_push(GAS_SHIFT, 1), "MUL", "SHR",
    ]  # fmt: skip


def _push(value: int, size: int) -> list[Any]:
    return list(compile_ir.PUSH_N(value, size))


_PASSES_ON = ("contracts/Timelock.vy",)
"""Contracts that catch a revert only to revert with its data."""


class Rewriter:
    """Adds the code to one program: the runtime code, or the constructor's."""

    def __init__(
        self, code: list[Any], part: str, sites: Sites | None, magic: bytes, passes_on: bool = False
    ) -> None:
        """`passes_on`: what it catches it reverts with, so trailers stay where they are."""
        self.passes_on = passes_on
        self.code = code
        self.part = part
        self.sites = sites
        self.magic = magic
        self.labels: list[tuple[int, str]] = []  # site, symbol of the JUMPDEST that ends its code
        self.out: list[Any] = []
        self.calls = 0
        self.sizes = 0

    def run(self, tail: list[Any]) -> list[Any]:
        """The new code. `tail` is what follows it: data, with labels."""
        uses: dict[str, int] = {}
        code = self.code
        for index, item in enumerate(code):
            if compile_ir.is_symbol(item) and code[index + 1 : index + 2] != ["JUMPDEST"]:
                uses[item] = uses.get(item, 0) + 1
        for part in tail:
            for item in part if isinstance(part, list) else [part]:
                if compile_ir.is_symbol(item):
                    uses[item] = uses.get(item, 0) + 2
        single: set[str] = set()  # labels that one jump alone leads to
        for index, item in enumerate(code[:-1]):
            if compile_ir.is_symbol(item) and code[index + 1] == "JUMPDEST":
                alone = index > 0 and code[index - 1] in _ENDS and uses.get(item) == 1
                if alone:
                    single.add(str(item))
        trampolines: list[tuple[str, str, int]] = []
        current: int | None = None
        index = 0
        pending: dict[str, tuple[Origin | None, str, bool, Any]] = {}
        after: dict[str, int] = {}  # labels that were passed before their jump was seen
        while index < len(code):
            item = code[index]
            follows = code[index + 1] if index + 1 < len(code) else None
            if compile_ir.is_symbol(item) and follows == "JUMPDEST":
                self.out += [item, follows]
                current = self._site("block")
                after[str(item)] = current or 0
                if item in pending and self.sites is not None and current:
                    self.sites.set_edge(current, *pending.pop(item))
                index += 2
            elif compile_ir.is_symbol(item) and follows == "JUMPI" and self.sites is not None:
                origin, what, holds = self._meaning(follows, index)
                taken = (origin, what, not holds, getattr(follows, "instead", None))
                if current:
                    self.sites.add_line(current, origin)
                if item in single:
                    self.out += [item, follows]
                    if str(item) in after:
                        self.sites.set_edge(after[str(item)], *taken)
                    else:
                        pending[str(item)] = taken
                else:
                    symbol = f"_sym_taken_{len(trampolines)}"
                    number = self.sites.new("edge", self.part)
                    self.sites.set_edge(number, *taken)
                    trampolines.append((symbol, item, number))
                    self.out += [symbol, follows]
                current = self._site("edge")
                assert current
                self.sites.set_edge(current, origin, what, holds)
                index += 2
            elif item == "REVERT" and self.sites is not None:
                number = self.sites.new("revert", self.part)
                self.sites.add_line(number, getattr(item, "ast_source", None))
                self.out += [*_push(number, 2), "_sym_cover_revert", "JUMP"]
                current = None
                index += 1
            elif item == "RETURNDATASIZE" and not self.passes_on and not self._passes_on(index):
                self.sizes += 1
                back = f"_sym_sized_{self.sizes}"
                self.out += [back, "_sym_cover_size", "JUMP", back, "JUMPDEST"]
                index += 1
            elif item == "GAS" and follows not in ("CALL", "STATICCALL", "DELEGATECALL"):
                self.out += _gas()
                index += 1
            elif item == "STATICCALL":
                self._static_call(limited=code[index - 1] != "GAS")
                index += 1
            else:
                self.out.append(item)
                if current and isinstance(item, compile_ir.Instruction) and self.sites is not None:
                    self.sites.add_line(current, item.ast_source)
                index += 1
        if not self.out or self.out[-1] not in _ENDS:
            self.out.append("STOP")
        if self.sites is not None:
            for symbol, target, number in trampolines:
                self.out += [symbol, "JUMPDEST", *self._hit(number), target, "JUMP"]
            self._routines()
        if self.sizes:
            self._size_routine()
        return self.out

    def _passes_on(self, index: int) -> bool:
        """Whether a size of return data is that of a revert which is passed on, trailers too."""
        for item in self.code[index + 1 : index + 4]:
            if item in ("RETURNDATACOPY", "REVERT"):
                return True
            if item not in ("PUSH0", "DUP1"):
                return False
        return False

    def _meaning(self, jump: Any, index: int) -> tuple[Origin | None, str, bool]:
        """Origin of a conditional jump, its name, and the outcome when it is not taken."""
        origin: Origin | None = getattr(jump, "ast_source", None)
        message = str(getattr(jump, "error_msg", None) or "")
        if origin is None or not origin.what:
            return origin, f"check {message}".strip(), True
        before = self.code[index - 1] if index else None
        if origin.what == "loop":
            if before == "GT":
                return origin, "check range() bounds check", True
            # not taken: the loop is entered, or it is at its end
            return origin, "loop" if before == "ISZERO" else "loop again", before == "ISZERO"
        holds = True
        if getattr(jump, "turned", False):
            holds = not holds
        if origin.turned:
            holds = not holds
        if origin.fails:
            holds = not holds
        return origin, origin.what, holds

    def _site(self, kind: str) -> int | None:
        if self.sites is None:
            return None
        number = self.sites.new(kind, self.part)
        self.out += self._hit(number)
        return number

    def _hit(self, number: int) -> list[Any]:
        """SITE_BYTES bytes: call the routine that keeps the site's number."""
        symbol = f"_sym_hit_{number}"
        self.labels.append((number, symbol))
        return [symbol, *_push(number, 2), "_sym_cover_hit", "JUMP", symbol, "JUMPDEST"]

    def _static_call(self, limited: bool) -> None:
        """A static call, or an ordinary one where the callee has to write its bits.

        Only instrumented contracts are BIG; a limit of gas for them is scaled up.
        """
        self.calls += 1
        other, done = f"_sym_call_{self.calls}", f"_sym_called_{self.calls}"
        self.out += [
            *_push(BIG - 1, 2), "DUP3", "EXTCODESIZE", "GT", other, "JUMPI",
            "STATICCALL", done, "JUMP",
            other, "JUMPDEST", *([*_push(GAS_SHIFT, 1), "SHL"] if limited else []),
            "SWAP1", "PUSH0", "SWAP2", "CALL",
            done, "JUMPDEST",
        ]  # fmt: skip

    def _size_routine(self) -> None:
        """The size of return data without trailers, which are kept in storage for the host."""
        magic = int.from_bytes(MAGIC, "big")
        copy = [*_push(SCRATCH, 1), "RETURNDATACOPY", *_push(SCRATCH, 1), "MLOAD"]
        self.out += [
            # stack: back
            "_sym_cover_size", "JUMPDEST", "RETURNDATASIZE",
            # stack: back, size
            "_sym_cover_sizing", "JUMPDEST",
            *_push(TRAILER_BYTES, 1), "DUP2", "LT", "_sym_cover_sized", "JUMPI",
            *_push(32, 1), *_push(64, 1), "DUP3", "SUB", *copy,
            *_push(8 * (32 - len(MAGIC)), 1), "SHR", *_push(magic, len(MAGIC)), "EQ", "ISZERO",
            "_sym_cover_sized", "JUMPI",
            *_push(LEAST_GAS, 3), "GAS", "LT", "_sym_cover_poor", "JUMPI",
            *_push(SCRATCH, 1), "MLOAD",
            "DUP2", "RETURNDATASIZE", "SUB", *_push(TRAILER_SLOT, 3), "ADD", "SSTORE",
            *_push(32, 1), *_push(32, 1), "DUP3", "SUB", *copy,
            "DUP2", "RETURNDATASIZE", "SUB", *_push(TRAILER_SLOT + 1, 3), "ADD", "SSTORE",
            "_sym_cover_poor", "JUMPDEST",
            *_push(TRAILER_BYTES, 1), "SWAP1", "SUB", "_sym_cover_sizing", "JUMP",
            "_sym_cover_sized", "JUMPDEST", "SWAP1", "JUMP",
        ]  # fmt: skip

    def _routines(self) -> None:
        history = [*_push(HISTORY, 1), "MLOAD", *_push(16, 1), "SHL", "OR"]
        self.out += [
            # stack: back, site
            "_sym_cover_hit", "JUMPDEST",
            "DUP1", *history, *_push(HISTORY, 1), "MSTORE",
            *_push(LEAST_GAS, 3), "GAS", "LT", "_sym_cover_known", "JUMPI",
            *_push(FIRST_SLOT, 3), "ADD", "DUP1", "SLOAD", "_sym_cover_known", "JUMPI",
            *_push(1, 1), "SWAP1", "SSTORE",
            *_push(1, 1), *_push(FLAG_SLOT, 2), "SSTORE", "JUMP",
            "_sym_cover_known", "JUMPDEST", "POP", "JUMP",
            # stack: size, offset, site
            "_sym_cover_revert", "JUMPDEST",
            *history, "DUP3", "DUP3", "ADD",
            "SWAP1", "DUP2", *_push(32, 1), "ADD", "MSTORE",
            *_push(int.from_bytes(self.magic, "big"), 32), "SWAP1", "MSTORE",
            "SWAP1", *_push(64, 1), "ADD", "SWAP1", "REVERT",
        ]  # fmt: skip


def _is_header(item: Any, kind: type) -> bool:
    return isinstance(item, list) and isinstance(item[0], kind)


def _split(program: list[Any]) -> tuple[list[Any], list[Any]]:
    for index, item in enumerate(program):
        if isinstance(item, list):
            return program[:index], program[index:]
    return program, []


def instrument_one(job: dict[str, Any]) -> dict[str, Any]:
    """Creation code, runtime code, sites, and where their code is."""
    root = Path(job["root"])
    bundle = FilesystemInputBundle([*(Path(path) for path in job["search"]), root])
    if job.get("source") is None:
        file_input = bundle.load_file(Path(job["source_id"]))
    else:
        file_input = FileInput(
            source_id=-1,
            path=Path(job["source_id"]),
            resolved_path=root / job["source_id"],
            contents=job["source"],
        )
    settings = Settings(evm_version=job["evm_version"], optimize=OptimizationLevel.GAS)
    data = CompilerData(file_input, bundle, settings=settings)
    with anchor_settings(data.settings):
        core.reset_names()
        compile_ir.reset_symbols()
        ir, _ = module.generate_ir_for_module(data.global_ctx)
        mark(ir)
        ir = optimizer.optimize(ir)
        settle(ir)
        program = compile_ir.compile_to_assembly(ir, optimize=OptimizationLevel.GAS)
        return _rewrite(program, job, root)


def _rewrite(program: list[Any], job: dict[str, Any], root: Path) -> dict[str, Any]:
    mock = job["source_id"].startswith("contracts/mocks/")
    sites = None if mock else Sites(root)
    magic = MAGIC + bytes.fromhex(job["key"])[: 32 - len(MAGIC)]
    constructor, tail = _split(program)
    assert _is_header(tail[0], compile_ir.RuntimeHeader), "no runtime code"
    header = tail[0][0]
    body, data = _split(tail[0][1:])
    inner = Rewriter(body, "runtime", sites, magic, job["source_id"] in _PASSES_ON)
    runtime = [*inner.run(data), *data]
    outer = Rewriter(constructor, "constructor", sites, magic)
    creation = outer.run(tail[1:])
    code, _, symbols = compile_ir.assembly_to_evm_with_symbol_map(runtime)
    if sites is not None:
        size = len(code) + header.immutables_len
        if size >= 2**16:
            raise ValueError("the contract is too large to be instrumented")
        for index, item in enumerate(creation):
            if item == "_OFST" and creation[index + 1] == "_sym_subcode_size":
                creation[index + 2] += max(0, BIG - size)
    whole = [*creation, [header, *runtime], *tail[1:]]
    initcode, _, places = compile_ir.assembly_to_evm_with_symbol_map(whole)
    start = places[header.label]
    assert initcode[start : start + len(code)] == code
    offsets = {}
    for number, symbol in inner.labels:
        offsets[number] = start + symbols[symbol] + 1 - SITE_BYTES
    for number, symbol in outer.labels:
        offsets[number] = places[symbol] + 1 - SITE_BYTES
    found = [] if sites is None else sites.found
    files = {line[0] for site in found for line in site["lines"]}
    files |= {site["at"][0] for site in found if "at" in site}
    return {
        "bytecode": initcode.hex(),
        "deployed": code.hex(),
        "magic": magic.hex(),
        "sites": [
            [
                site["kind"],
                site["part"],
                site.get("what", ""),
                site.get("outcome"),
                site.get("at"),
                site.get("statement", 0),
                site["lines"],
                offsets.get(number, -1),
            ]
            for number, site in enumerate(found, 1)
        ],
        "files": {
            name: hashlib.sha256((root / name).read_bytes()).hexdigest()
            if (root / name).is_file() and not (job.get("source") and name == job["source_id"])
            else ""
            for name in sorted(files)
        },
    }


if __name__ == "__main__":
    MemoryPositions.RESERVED_MEMORY = SCRATCH + 32
    compile_ir._optimize_inefficient_jumps = _turn_inefficient_jumps
    answer(instrument_one)
