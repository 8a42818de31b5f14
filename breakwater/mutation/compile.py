"""Compiles one changed function at a time: a hundred times faster than a whole contract.

A `Program` compiles a deployable once and keeps the symbolic assembly of each function apart. For a
mutant only the changed function is parsed, analysed and compiled again (and its callers, when the
memory it needs has changed); the pieces are then joined and assembled as the compiler does it. What
this cannot do (constants, constructors, a call of a function that the program did not hold) is left
to the whole compiler, which gives the same bytes where both can do it.

The code has no metadata at its end, unlike a build's: its digest of the sources would make every
mutant differ.
"""

from __future__ import annotations

import site
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vyper import ast as vy_ast
from vyper.codegen import core as codegen_core
from vyper.codegen import module as module_codegen
from vyper.codegen.ir_node import IRnode
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
from vyper.compiler.phases import CompilerData
from vyper.compiler.settings import OptimizationLevel, Settings, anchor_settings
from vyper.exceptions import VyperException
from vyper.ir import compile_ir, optimizer
from vyper.semantics.analysis.constant_folding import ConstantFolder
from vyper.semantics.analysis.local import FunctionAnalyzer
from vyper.semantics.analysis.module import _analyze_call_graph, _compute_reachable_set
from vyper.semantics.analysis.utils import get_exact_type_from_node
from vyper.semantics.namespace import override_global_namespace
from vyper.semantics.types.function import ContractFunctionT
from vyper.utils import OrderedSet

from breakwater import artifacts

__all__ = ["CannotSplice", "NotCompiled", "Program", "function_span", "whole"]

_UNIT = "_sym_mutation_unit_"

assert _analyze_call_graph  # what `_called` repeats for one function


class NotCompiled(Exception):
    """The compiler refuses the source; its text says why, in one line."""


class CannotSplice(Exception):
    """The change is not inside one function's body: compile the whole."""


class _Bundle(FilesystemInputBundle):  # type: ignore[misc]
    """Files of the project, one of them replaced by another text."""

    def __init__(self, paths: list[Path], texts: dict[Path, str]) -> None:
        super().__init__(paths)
        self._texts = texts

    def _load_from_path(self, resolved_path: Path, original_path: Path) -> FileInput:
        found = super()._load_from_path(resolved_path, original_path)
        text = self._texts.get(resolved_path)
        if text is None:
            return found
        return FileInput(
            source_id=found.source_id,
            path=found.path,
            resolved_path=found.resolved_path,
            contents=text,
        )


def _compiler(root: Path, source_id: str, texts: dict[Path, str] | None = None) -> CompilerData:
    search = [Path(path) for path in dict.fromkeys([*site.getsitepackages(), *_packages()])]
    bundle = _Bundle([*search, root], texts or {})
    settings = Settings(evm_version=artifacts.EVM_VERSION, optimize=OptimizationLevel.GAS)
    path = root / source_id
    if texts and path in texts:  # it need not exist
        file_input = FileInput(
            source_id=-1, path=Path(source_id), resolved_path=path, contents=texts[path]
        )
    else:
        file_input = bundle.load_file(Path(source_id))
    return CompilerData(file_input, bundle, settings=settings, no_bytecode_metadata=True)


def _packages() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]


def whole(root: Path, source_id: str, texts: dict[Path, str]) -> bytes:
    """Creation code of a deployable with some files (by absolute path) replaced. NotCompiled."""
    data = _compiler(root, source_id, texts)
    # the compiler counts its symbols and names from zero; a `Program` must not see one twice
    symbols, names = compile_ir._next_symbol, codegen_core._label
    try:
        with _refusals(), anchor_settings(data.settings):
            return bytes(data.bytecode)
    finally:
        compile_ir._next_symbol = max(symbols, compile_ir._next_symbol)
        codegen_core._label = max(names, codegen_core._label)


@contextmanager
def _refusals() -> Iterator[None]:
    """Whatever the compiler raises on a bad program becomes NotCompiled."""
    try:
        yield
    except CannotSplice:
        raise
    except VyperException as problem:
        raise NotCompiled(_first_line(problem)) from None
    except Exception as problem:  # the compiler panics in many ways on what it did not expect
        raise NotCompiled(f"{type(problem).__name__}: {_first_line(problem)}") from None


def _first_line(problem: Exception) -> str:
    lines = str(getattr(problem, "_message", problem)).strip().splitlines()
    return lines[0][:160] if lines else type(problem).__name__


class _Function:
    """A function as the program holds it: a piece of runtime code or of the constructor's."""

    def __init__(self, func_t: Any, is_ctor: bool, is_external: bool, module_t: Any) -> None:
        self.func_t = func_t
        self.is_ctor = is_ctor
        self.is_external = is_external
        self.module_t = module_t
        self.asm: list[Any] = []

    @property
    def frame(self) -> tuple[int, int]:
        info = self.func_t._ir_info.frame_info
        return info.frame_start, info.frame_size


class Program:
    """A deployable, compiled once and ready for changes of single functions."""

    def __init__(self, name: str, source_id: str, root: Path) -> None:
        self.name = name
        self.source_id = source_id
        self.root = root
        self._data = _compiler(root, source_id)
        self._units: list[_Function] = []
        with _refusals(), anchor_settings(self._data.settings):
            self._skeleton = self._build()
            self.code = self._link({})
        self._by_place: dict[tuple[Path, str], Any] = {}
        for unit in self._units:
            node = unit.func_t.ast_def
            if node.lineno is not None:  # a getter of a public variable has none
                self._by_place[Path(_module_of(node).resolved_path), node.name] = unit.func_t

    @property
    def files(self) -> list[Path]:
        """Absolute paths of the sources that have functions in this program."""
        return sorted({path for path, _ in self._by_place})

    def functions(self) -> Iterator[tuple[Path, str, Any]]:
        """Path, name and syntax tree, with types, of every function that the program holds."""
        for (path, name), func_t in self._by_place.items():
            yield path, name, func_t.ast_def

    def modules(self) -> Iterator[tuple[Path, Any]]:
        """Path and syntax tree of every source that has functions in the program."""
        seen = set()
        for (path, _), func_t in self._by_place.items():
            if path not in seen:
                seen.add(path)
                yield path, _module_of(func_t.ast_def)

    def span(self, path: Path, function: str, source: str) -> tuple[int, int, int]:
        """Start and end of a function with its decorators in the source, and its first line."""
        return function_span(source, self._by_place[path, function].ast_def)

    def holds(self, path: Path, function: str) -> bool:
        """Whether this function's code is part of the program."""
        return (path, function) in self._by_place

    # ------------------------------------------------------------ the whole, once

    def _build(self) -> list[Any]:
        module_t = self._data.global_ctx
        internal = module_codegen._ir_for_internal_function
        external = module_codegen.generate_ir_for_external_function

        def keep_internal(node: Any, module_t: Any, is_ctor_context: bool = False) -> Any:
            ir = internal(node, module_t, is_ctor_context)
            return self._keep(node, ir, is_ctor_context, False, module_t)

        def keep_external(node: Any, module_t: Any) -> Any:
            found = external(node, module_t)
            is_ctor = node._metadata["func_type"].is_constructor
            found.common_ir = self._keep(node, found.common_ir, is_ctor, True, module_t)
            return found

        module_codegen._ir_for_internal_function = keep_internal
        module_codegen.generate_ir_for_external_function = keep_external
        try:
            nodes, _ = module_codegen.generate_ir_for_module(module_t)
        finally:
            module_codegen._ir_for_internal_function = internal
            module_codegen.generate_ir_for_external_function = external
        return _assembly(nodes, has_marks=True)

    def _keep(self, node: Any, ir: Any, is_ctor: bool, is_external: bool, module_t: Any) -> Any:
        """Compile a function's code apart, and leave a mark in its place."""
        unit = _Function(node._metadata["func_type"], is_ctor, is_external, module_t)
        unit.asm = _assembly(ir)
        mark = f"{_UNIT}{len(self._units)}".removeprefix("_sym_")
        self._units.append(unit)
        return IRnode.from_list(["label", mark, ["var_list"], ["seq"]])

    def _link(self, changed: dict[int, list[Any]]) -> bytes:
        """Join the pieces, some of them replaced, and assemble them."""

        def fill(asm: list[Any]) -> list[Any]:
            found: list[Any] = []
            skip = False
            for item in asm:
                if skip:  # the JUMPDEST of a mark
                    skip = False
                elif isinstance(item, list):
                    is_runtime = isinstance(item[0], compile_ir.RuntimeHeader)
                    found.append([item[0], *fill(item[1:])] if is_runtime else item)
                elif isinstance(item, str) and item.startswith(_UNIT):
                    number = int(item.removeprefix(_UNIT))
                    found.extend(changed.get(number, self._units[number].asm))
                    skip = True
                else:
                    found.append(item)
            return found

        asm = fill(self._skeleton)
        compile_ir._revert_label = _REVERT
        compile_ir._add_postambles(asm)
        compile_ir._relocate_segments(asm)
        _optimize(asm)
        with _fast_assembler():
            return bytes(compile_ir.assembly_to_evm(asm)[0])

    # ------------------------------------------------------------ one function changed

    def with_function(self, path: Path, function: str, text: str, line: int) -> bytes:
        """Creation code with `function` of the file `path` replaced by `text`, which begins at
        `line`. NotCompiled when the compiler refuses it, CannotSplice when `whole` must do it.
        """
        func_t = self._by_place[path, function]
        if func_t.is_constructor:
            raise CannotSplice("a constructor")
        old = func_t.ast_def
        module = _module_of(old)
        saved = [(func_t, dict(func_t.__dict__))]
        try:
            with _refusals(), anchor_settings(self._data.settings):
                node = _parse(text, line, module)
                self._analyse(func_t, node, module)
                return self._link(self._regenerate(func_t, saved))
        finally:
            for one, attributes in reversed(saved):
                one.__dict__.clear()
                one.__dict__.update(attributes)

    def _analyse(self, func_t: Any, node: Any, module: Any) -> None:
        node._parent = module
        node._metadata["func_type"] = func_t
        func_t.ast_def = node
        func_t._analysed = False
        func_t.called_functions = OrderedSet()
        func_t.reachable_internal_functions = OrderedSet()
        func_t._used_modules = OrderedSet(func_t._used_modules)
        namespace = module._metadata["namespace"]
        if not namespace._scopes:
            namespace._scopes.append(set())  # what it holds is the outermost scope
        held = {unit.func_t for unit in self._units}
        with override_global_namespace(namespace):
            folder = ConstantFolder(module)
            folder._get_constants()
            folder.visit(node)
            for call in node.get_descendants(vy_ast.Call):
                try:
                    call_t = get_exact_type_from_node(call.func)
                except VyperException:
                    continue
                if isinstance(call_t, ContractFunctionT) and (
                    call_t.is_internal or call_t.is_constructor
                ):
                    if call_t not in held:
                        raise CannotSplice(f"{call_t.name} is not part of the program")
                    func_t.called_functions.add(call_t)
            _compute_reachable_set(func_t)
            if func_t in func_t.reachable_internal_functions:
                raise NotCompiled("cyclic call")
            if func_t.nonreentrant and any(
                other.nonreentrant for other in func_t.reachable_internal_functions
            ):
                raise NotCompiled("calls a nonreentrant function")
            with namespace.enter_scope():
                FunctionAnalyzer(module, node, namespace).analyze()

    def _regenerate(self, func_t: Any, saved: list[Any]) -> dict[int, list[Any]]:
        """Assembly of the function's pieces, and of its callers' where its frame has moved."""
        changed: dict[int, list[Any]] = {}
        moved: set[Any] = set()
        for number, unit in enumerate(self._units):  # callees come before callers
            is_target = unit.func_t is func_t
            if not is_target and moved.isdisjoint(unit.func_t.called_functions):
                continue
            before = unit.frame
            if not is_target:
                saved.append((unit.func_t, dict(unit.func_t.__dict__)))
            node = unit.func_t.ast_def
            if unit.is_external:
                if unit.func_t.keyword_args:
                    raise CannotSplice("default arguments live outside the body")
                made = module_codegen.generate_ir_for_external_function(node, unit.module_t)
                ir = made.common_ir
            else:
                ir = module_codegen._ir_for_internal_function(node, unit.module_t, unit.is_ctor)
            changed[number] = _assembly(ir)
            if unit.frame != before:
                if unit.func_t.is_constructor:
                    raise CannotSplice("the constructor's memory moves")
                moved.add(unit.func_t)
        return changed


_REVERT = "_sym_mutation_revert"


def _assembly(ir: Any, has_marks: bool = False) -> list[Any]:
    """Symbolic assembly of one tree, before the optimiser sees the whole."""
    compile_ir._revert_label = _REVERT
    ir = optimizer.optimize(ir)
    compile_ir._rewrite_return_sequences(ir)
    asm = _plain(compile_ir._compile_to_assembly(ir, existing_labels=set()))
    if not has_marks:
        # What is optimised here once need not be for each mutant. Labels stay: others jump there.
        _optimize(asm, prune_labels=False)
    return asm


def _optimize(asm: list[Any], prune_labels: bool = True) -> None:
    """The compiler's `optimize_assembly`, in place."""
    for item in asm:
        if isinstance(item, list) and isinstance(item[0], compile_ir.RuntimeHeader):
            _optimize(item)
    changed = True
    while changed:
        changed = compile_ir._prune_unreachable_code(asm)
        changed |= compile_ir._merge_iszero(asm)
        changed |= _merge_labels(asm)
        changed |= compile_ir._prune_inefficient_jumps(asm)
        changed |= compile_ir._optimize_inefficient_jumps(asm)
        if prune_labels:
            changed |= compile_ir._prune_unused_jumpdests(asm)
        changed |= compile_ir._stack_peephole_opts(asm)


def _merge_labels(asm: list[Any]) -> bool:
    """`_merge_jumpdests` with an index of the labels: the compiler's own takes quadratic time."""
    places: dict[str, list[int]] = {}
    for i, item in enumerate(asm):
        if isinstance(item, str) and item.startswith("_sym_"):
            places.setdefault(item, []).append(i)
    changed = False
    for i in sorted(i for found in places.values() for i in found):
        if i >= len(asm) - 3 or asm[i + 1] != "JUMPDEST" or not compile_ir.is_symbol(asm[i + 2]):
            continue
        old, new = asm[i], asm[i + 2]
        if asm[i + 3] not in ("JUMPDEST", "JUMP") or (old == new and asm[i + 3] == "JUMPDEST"):
            continue
        others = [j for j in places[old] if j != i]
        if others:
            for j in others:
                asm[j] = new
            places[new] = sorted({*places[new], *others})
            places[old] = [i]
            changed = True
    return changed


def _opcodes() -> dict[str, int]:
    from vyper.evm.opcodes import get_opcodes

    found = {name.upper(): code[0] for name, code in get_opcodes().items()}
    found.update({f"PUSH{n}": 0x5F + n for n in range(33)})
    found.update({f"DUP{n}": 0x7F + n for n in range(1, 17)})
    found.update({f"SWAP{n}": 0x8F + n for n in range(1, 17)})
    return {name: code for name, code in found.items() if code is not None}


@contextmanager
def _fast_assembler() -> Iterator[None]:
    """The compiler's assembler keeps source maps and is slow; what holds no code of its own, as
    runtime code, is assembled here.
    """
    slow = compile_ir.assembly_to_evm
    opcodes = _opcodes()
    no_maps: dict[str, Any] = {
        "breakpoints": set(),
        "pc_breakpoints": set(),
        "pc_jump_map": {},
        "pc_raw_ast_map": {},
        "error_map": {},
    }

    def fast(asm: list[Any], *args: Any, **options: Any) -> tuple[bytes, dict[str, Any]]:
        code = bytearray()
        labels: dict[str, int] = {}
        holes: list[tuple[int, str, int]] = []
        count = len(asm)
        i = 0
        while i < count:
            item = asm[i]
            i += 1
            if isinstance(item, int):
                code.append(item)
            elif isinstance(item, list):
                if not isinstance(item[0], compile_ir.DataHeader):
                    return slow(asm, *args, **options)  # type: ignore[no-any-return]
                labels[item[0].label] = len(code)
                for part in item[1:]:
                    if isinstance(part, str):
                        holes.append((len(code), part, 0))
                        code += b"\0\0"
                    elif isinstance(part, int):
                        code.append(part)
                    else:
                        code += part
            elif item in opcodes:
                code.append(opcodes[item])
            elif item.startswith("_sym_"):
                if i < count and asm[i] == "JUMPDEST":
                    if item in labels:
                        raise NotCompiled(f"label {item} is there twice")
                    labels[item] = len(code)
                else:
                    holes.append((len(code) + 1, item, 0))
                    code += b"\x61\0\0"
            elif item == "_OFST" and asm[i].startswith("_sym_"):
                holes.append((len(code) + 1, asm[i], asm[i + 1]))
                code += b"\x61\0\0"
                i += 2
            else:
                return slow(asm, *args, **options)  # type: ignore[no-any-return]
        labels["_sym_code_end"] = len(code)
        for place, label, offset in holes:
            code[place : place + 2] = (labels[label] + offset).to_bytes(2, "big")
        return bytes(code), no_maps

    compile_ir.assembly_to_evm = fast
    try:
        yield
    finally:
        compile_ir.assembly_to_evm = slow


def _plain(asm: list[Any]) -> list[Any]:
    """Without the source positions that each instruction carries: slow, and not needed."""
    return [
        _plain(item)
        if isinstance(item, list)
        else sys.intern(str(item))
        if isinstance(item, str)
        else item
        for item in asm
    ]


def _module_of(node: Any) -> Any:
    return node if isinstance(node, vy_ast.Module) else node.get_ancestor(vy_ast.Module)


def _parse(text: str, line: int, module: Any) -> Any:
    found = vy_ast.parse_to_ast(
        "\n" * (line - 1) + text,
        module.source_id,
        module_path=module.path,
        resolved_path=module.resolved_path,
    )
    if len(found.body) != 1 or not isinstance(found.body[0], vy_ast.FunctionDef):
        raise CannotSplice("not one function")
    return found.body[0]


def function_span(source: str, node: Any) -> tuple[int, int, int]:
    """Start and end offset in the source of a function with its decorators, and its first line."""
    lines = source.splitlines(keepends=True)
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    start = sum(map(len, lines[: first - 1]))
    return start, sum(map(len, lines[: node.end_lineno])), first
