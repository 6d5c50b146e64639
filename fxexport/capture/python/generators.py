"""Functions with `yield` whose loops and ifs decide what is yielded, in two forms.

Python runs such a function piece by piece, so none of its loops can be recorded as one. In its
second form it calls a function on each item instead, and stops where that says so: then it is a
function like any other. Which form is taken is decided where the items are used.
"""

from __future__ import annotations

import ast
import copy

from fxexport.capture.python.new_nodes import load, operator_call
from fxexport.capture.python.scoping import contains

__all__ = ["call_of_both", "has_second_form", "in_two_forms"]

# The function that is called on each item; the names of the two forms.
EMIT, PULLED, PUSHED = "_fx_emit", "_fx_pulled", "_fx_pushed"


def has_second_form(node: ast.FunctionDef) -> bool:
    """Whether a function yields inside of an if or a loop, and nothing but items."""
    if not contains(node.body, ast.Yield, ast.YieldFrom) or contains(node.body, ast.Await):
        return False
    return _plain(node.body) and any(
        isinstance(part, (ast.If, ast.While, ast.For)) and _yields(part)
        for part in _statements(node.body)
    )


def _loops(node: ast.FunctionDef) -> bool:
    """Whether a function yields inside of a while loop, which may go on as long as it is asked."""
    return any(isinstance(part, ast.While) and _yields(part) for part in _statements(node.body))


def in_two_forms(node: ast.FunctionDef) -> tuple[ast.FunctionDef, ast.FunctionDef]:
    """The function as it is, and as one that calls a function on each item."""
    pulled = _inner(node, PULLED)
    pushed = _inner(node, PUSHED)
    args = pushed.args
    args.posonlyargs, args.args = [ast.arg(EMIT), *args.posonlyargs, *args.args], []
    pushed = _Emitting().visit(pushed)
    return pulled, ast.fix_missing_locations(pushed)


def call_of_both(node: ast.FunctionDef) -> ast.stmt:
    """``return _fx_.generating(lambda: pulled(...), lambda emit: pushed(emit, ...), loops)``."""
    given = _arguments(node)
    pull = ast.Lambda(_no_arguments(), ast.Call(load(PULLED, node), *given))
    emitting = ast.arguments([], [ast.arg(EMIT)], None, [], [], None, [])
    positional, named = copy.deepcopy(given)
    push = ast.Lambda(
        emitting, ast.Call(load(PUSHED, node), [load(EMIT, node), *positional], named)
    )
    loops = ast.Constant(_loops(node))
    made = ast.Return(operator_call("generating", [pull, push, loops], node))
    for part in ast.walk(made):
        ast.copy_location(part, node)
    return made


def _no_arguments() -> ast.arguments:
    return ast.arguments([], [], None, [], [], None, [])


def _arguments(node: ast.FunctionDef) -> tuple[list[ast.expr], list[ast.keyword]]:
    """The function's parameters, given on as they are."""
    args = node.args
    positional: list[ast.expr] = [load(arg.arg, node) for arg in (*args.posonlyargs, *args.args)]
    if args.vararg is not None:
        positional.append(ast.Starred(load(args.vararg.arg, node), ast.Load()))
    named = [ast.keyword(arg.arg, load(arg.arg, node)) for arg in args.kwonlyargs]
    if args.kwarg is not None:
        named.append(ast.keyword(None, load(args.kwarg.arg, node)))
    return positional, named


def _inner(node: ast.FunctionDef, name: str) -> ast.FunctionDef:
    inner = copy.deepcopy(node)
    inner.name = name
    inner.decorator_list = []
    inner.args.defaults = []
    # All of them are always given.
    inner.args.kw_defaults = [None for _ in inner.args.kwonlyargs]
    return inner


class _Emitting(ast.NodeTransformer):
    """Calls a function on each item instead of yielding it."""

    def __init__(self) -> None:
        self._count = 0

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Yield):
            return self._emitted(node.value.value or ast.Constant(None), node)
        if isinstance(node.value, ast.YieldFrom):
            self._count += 1
            name = f"_fx_yielded_{self._count}"
            item = ast.Name(name, ast.Load())
            loop = ast.For(
                ast.Name(name, ast.Store()), node.value.value, [self._emitted(item, node)], []
            )
            return ast.copy_location(loop, node)
        return node

    def _emitted(self, item: ast.expr, like: ast.AST) -> ast.stmt:
        call = ast.Call(ast.Name(EMIT, ast.Load()), [item], [])
        stop = ast.If(call, [ast.Return(None)], [])
        for part in (call, call.func, stop, stop.body[0]):
            ast.copy_location(part, like)
        return ast.copy_location(stop, like)

    def visit_Return(self, node: ast.Return) -> ast.AST:
        node.value = None  # what a generator returns, a loop over it does not see
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self.generic_visit(node) if node.name == PUSHED else node

    def _kept(self, node: ast.AST) -> ast.AST:
        return node

    visit_Lambda = visit_ClassDef = visit_AsyncFunctionDef = _kept


def _yields(node: ast.AST) -> bool:
    return contains([node], ast.Yield, ast.YieldFrom)


def _statements(block: list[ast.stmt]) -> list[ast.stmt]:
    """All statements of a function, those in others as well."""
    found = []
    for statement in block:
        found.append(statement)
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for inner in ast.iter_child_nodes(statement):
                if isinstance(inner, ast.stmt):
                    found.extend(_statements([inner]))
    return found


def _plain(block: list[ast.stmt]) -> bool:
    """Whether each yield is a statement of its own, and no try can see what its user raises."""
    for statement in block:
        if isinstance(statement, ast.Expr) and isinstance(
            statement.value, (ast.Yield, ast.YieldFrom)
        ):
            if statement.value.value is not None and _yields(statement.value.value):
                return False
            continue
        if not _yields(statement):
            continue
        if isinstance(statement, (ast.If, ast.While, ast.For)):
            head = statement.iter if isinstance(statement, ast.For) else statement.test
            if _yields(head) or not _plain([*statement.body, *statement.orelse]):
                return False
        elif isinstance(statement, ast.With):
            if any(map(_yields, statement.items)) or not _plain(statement.body):
                return False
        else:
            return False
    return True
