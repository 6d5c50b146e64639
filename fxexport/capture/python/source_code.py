"""Finds the source of functions, makes sure that it is theirs, and compiles what is made of it."""

from __future__ import annotations

import ast
import copy
import dis
import functools
import inspect
import linecache
import sys
import tokenize
from collections.abc import Iterator, Sequence
from itertools import pairwise
from types import CodeType, FunctionType
from typing import NamedTuple

from fxexport.capture.python.scoping import FunctionNode, Mangle

__all__ = ["ChangedSourceError", "FunctionSource", "compile_function", "find_source"]


class ChangedSourceError(Exception):
    """A file holds another function now than the one that was imported from it."""


class FunctionSource(NamedTuple):
    """A function's source.

    Attributes:
        node: its syntax.
        class_name: the class whose body it stands in, None outside of classes.
    """

    node: FunctionNode
    class_name: str | None


def find_source(function: FunctionType) -> FunctionSource | None:
    """A function's source; None where there is none.

    Raises:
        ChangedSourceError: the source is no longer that of the function.
    """
    code = function.__code__
    found = _found(function)
    if found is None or _is_source_of(found, code):
        return found
    # Another file was cached under the name; the file itself may be the right one.
    linecache.checkcache(code.co_filename)
    found = _found(function)
    if found is None or _is_source_of(found, code):
        return found
    raise ChangedSourceError


def _found(function: FunctionType) -> FunctionSource | None:
    code = function.__code__
    lines = linecache.getlines(_file_of(code), function.__globals__)
    if not lines:
        return None
    if code.co_name == "<lambda>":
        candidates = _lambdas_of(code.co_filename, "".join(lines)).get(code.co_firstlineno, [])
        found: FunctionNode | None = _lambda_of(candidates, code)
    else:
        found = _definition_at(lines, code)
    return None if found is None else FunctionSource(found, _class_around(code.co_qualname))


def _file_of(code: CodeType) -> str:
    """The file of a function; that of a module that Python has inside it stands elsewhere."""
    name = code.co_filename
    if not name.startswith("<frozen "):
        return name
    module = sys.modules.get(name.removeprefix("<frozen ").rstrip(">"))
    return getattr(module, "__file__", None) or name


def _is_source_of(found: FunctionSource, code: CodeType) -> bool:
    """Whether compiling the source gives the function's code again."""
    if _is_instrumented(code):
        return True
    node, class_name = copy.deepcopy(found.node), found.class_name
    if class_name is not None:
        node = Mangle(class_name).visit(node)
    if not isinstance(node, ast.Lambda):
        node.decorator_list = []
    alone = compile_function(node, code, code.co_freevars)
    return _same_code(alone, code) or any(_same_code(c, code) for c in _in_file(code))


def _in_file(code: CodeType) -> Iterator[CodeType]:
    """The code at a function's line when the whole file is compiled.

    A function compiled alone differs from it in calls of many arguments.
    """
    text = "".join(linecache.getlines(_file_of(code)))
    try:
        todo = [compile(text, code.co_filename, "exec", _future_flags(code), dont_inherit=True)]
    except (SyntaxError, ValueError):
        return
    while todo:
        inner = [const for const in todo.pop().co_consts if isinstance(const, CodeType)]
        todo.extend(inner)
        yield from (c for c in inner if c.co_firstlineno == code.co_firstlineno)


def _is_instrumented(code: CodeType) -> bool:
    """Whether pytest has rewritten the assert statements."""
    return any(name.startswith("@py") for name in (*code.co_varnames, *code.co_names)) or any(
        _is_instrumented(const) for const in code.co_consts if isinstance(const, CodeType)
    )


def _same_code(a: CodeType, b: CodeType) -> bool:
    """Whether two pieces of code do the same; they may stand on other lines."""
    return (
        (a.co_names, a.co_varnames) == (b.co_names, b.co_varnames)
        and len(a.co_consts) == len(b.co_consts)
        and all(map(_same_constant, a.co_consts, b.co_consts))
        and (a.co_code == b.co_code or _steps(a) == _steps(b))
    )


def _steps(code: CodeType) -> list[tuple[str, object]]:
    """The instructions, but for how methods are called.

    CPython compiles the call of a method of an imported name differently, and here the function is
    compiled without the module that holds the import.
    """
    steps: list[tuple[str, object]] = []
    for step in dis.get_instructions(code):
        if step.opname in ("PUSH_NULL", "PRECALL", "NOP", "CACHE", "EXTENDED_ARG"):
            continue
        name = "LOAD_ATTR" if step.opname == "LOAD_METHOD" else step.opname
        plain = isinstance(step.argval, (str, tuple)) and "JUMP" not in name
        steps.append((name, step.argval if plain else None))
    return steps


def _same_constant(a: object, b: object) -> bool:
    if isinstance(a, CodeType) and isinstance(b, CodeType):
        return _same_code(a, b)
    return type(a) is type(b) and (a == b or repr(a) == repr(b))


def _definition_at(lines: list[str], code: CodeType) -> ast.FunctionDef | None:
    """The function whose code begins at its first line; only its own text is parsed."""
    first = code.co_firstlineno
    if not 0 < first <= len(lines):
        return None
    try:
        block = inspect.getblock(lines[first - 1 :])
        # Inside an `if`, an indented function may stay as it is, strings and all.
        indented = lines[first - 1][:1].isspace()
        text = ("if 1:\n" if indented else "") + "".join(block)
        tree = ast.parse(text, code.co_filename)
    except (SyntaxError, tokenize.TokenError):
        return None
    statement = tree.body[0]
    node = statement.body[0] if indented and isinstance(statement, ast.If) else statement
    if not isinstance(node, ast.FunctionDef):
        return None
    # PyTorch renames the code of its decorators' wrappers, so the name cannot be asked for.
    ast.increment_lineno(node, first - (2 if indented else 1))
    return node


def _class_around(qualified_name: str) -> str | None:
    """The innermost class in a qualified name: what is followed by another name directly."""
    parts = qualified_name.split(".")
    for part, following in reversed(list(pairwise(parts))):
        if part != "<locals>" and following != "<locals>":
            return part
    return None


@functools.lru_cache(maxsize=512)
def _lambdas_of(file: str, text: str) -> dict[int, list[ast.Lambda]]:
    """First line -> lambdas that begin there."""
    table: dict[int, list[ast.Lambda]] = {}
    try:
        tree = ast.parse(text, file)
    except SyntaxError:
        return table
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            table.setdefault(node.lineno, []).append(node)
    return table


def _lambda_of(candidates: Sequence[ast.Lambda], code: CodeType) -> ast.Lambda | None:
    """Several lambdas may begin on one line: the columns of the code tell them apart."""
    columns = [
        (line, column)
        for line, _, column, _ in code.co_positions()
        if line is not None and column is not None and (line, column) != (code.co_firstlineno, 0)
    ]
    if not columns:
        return None
    first, last = min(columns), max(columns)
    around = [node for node in candidates if _begin(node) <= first and last <= _end(node)]
    # A lambda inside another one stands in the other's body too; the code is the innermost's.
    return max(around, key=_begin, default=None)


def _begin(node: ast.Lambda) -> tuple[int, int]:
    return node.body.lineno, node.body.col_offset


def _end(node: ast.Lambda) -> tuple[int, int]:
    return node.body.end_lineno or 0, node.body.end_col_offset or 0


def compile_function(node: FunctionNode, original: CodeType, free: Sequence[str]) -> CodeType:
    """Compiles a function inside a factory that gives it free variables.

    Args:
        node: the function's syntax; its name is changed.
        original: the code that it stands for: file, names and flags are taken over.
        free: names of the free variables that it may have.
    """
    factory = ast.parse(f"def factory({', '.join(free)}): pass").body[0]
    assert isinstance(factory, ast.FunctionDef)
    name = original.co_name
    if isinstance(node, ast.Lambda):
        factory.body = [ast.Return(node)]
    else:
        # Under its own name it would hide a global of that name from itself.
        name = node.name = "_fx_function"
        factory.body = [node]
    module = ast.fix_missing_locations(ast.Module([factory], []))
    compiled = compile(
        module, original.co_filename, "exec", dont_inherit=True, flags=_future_flags(original)
    )
    outer = next(const for const in compiled.co_consts if isinstance(const, CodeType))
    code = next(
        const for const in outer.co_consts if isinstance(const, CodeType) and const.co_name == name
    )
    return _renamed(code, code.co_qualname, original.co_qualname).replace(co_name=original.co_name)


def _renamed(code: CodeType, prefix: str, name: str) -> CodeType:
    """The code, and all code inside it, with another qualified name in front."""
    constants = tuple(
        _renamed(const, prefix, name) if isinstance(const, CodeType) else const
        for const in code.co_consts
    )
    return code.replace(
        co_consts=constants, co_qualname=name + code.co_qualname.removeprefix(prefix)
    )


def _future_flags(code: CodeType) -> int:
    import __future__

    mask = 0
    for name in __future__.all_feature_names:
        mask |= getattr(__future__, name).compiler_flag
    return code.co_flags & mask
