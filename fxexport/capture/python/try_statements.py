"""Rewrites try and with statements, which exceptions pass.

The statement becomes a function that runs it around any body, since where its own body may raise,
it is run again with one that does (`staging/raised_paths.py`):

    try:                              def body():
        y = d[key]                        nonlocal y
    except KeyError:                      y = d[key]
        y = 0                         def statement(body):
    finally:                              nonlocal y
        n += 1                            try:
                                              body()
                                          except KeyError:
                                              y = 0
                                      def finally_body():
                                          _fx_.try_stmt(statement, body, ...)
                                      def finally_statement(body): ...
                                      _fx_.try_stmt(finally_statement, finally_body, ...)

What its handlers raise does not come to them again, but to its `finally`: these are two.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from fxexport.capture.python.expressions import ExpressionRewriter
from fxexport.capture.python.jumps import always_raises
from fxexport.capture.python.new_nodes import (
    OwnStatements,
    assignment,
    last_call,
    load,
    names_tuple,
    operator_call,
)
from fxexport.capture.python.scoping import contains

__all__ = ["TryRewriter", "with_named_exceptions"]

HANDLED = "_fx_handled_"


def with_named_exceptions(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements of a function in which a bare `raise` in a handler says what it raises.

    What is run again may stand in the handler, without the exception that is handled.
    """
    return [_Handled().visit(statement) for statement in body]


class _Handled(OwnStatements):
    """Names the exceptions of handlers in which there is a bare `raise`."""

    def __init__(self) -> None:
        self._handler: list[str | None] = [None]
        self._count = 0

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self._count += 1
        name = f"{HANDLED}{self._count}"
        self._handler.append(name)
        before = ast.dump(ast.Module(node.body, []))
        node.body = [self.visit(statement) for statement in node.body]
        self._handler.pop()
        if ast.dump(ast.Module(node.body, [])) != before:
            node.body.insert(0, assignment(name, operator_call("handled", [], node), node))
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        name = self._handler[-1]
        if node.exc is None and name is not None:
            node.exc = load(name, node)
        return node


class TryRewriter(ExpressionRewriter):
    """The part that rewrites these statements."""

    def block(self, block: Sequence[ast.stmt]) -> list[ast.stmt]:
        """A block, rewritten."""
        raise NotImplementedError

    def stays(self, node: ast.stmt) -> bool:
        """Whether a generator's statement stays as it is: no closure can yield or jump for it."""
        return self.scope.generator and contains(
            [node], ast.Yield, ast.YieldFrom, ast.Await, ast.Return, ast.Break, ast.Continue
        )

    @staticmethod
    def returns(node: ast.stmt) -> bool:
        """Whether a statement returns from the function."""
        return contains([node], ast.Return)

    def visit_Try(self, node: ast.Try) -> ast.AST | list[ast.stmt]:
        """A try statement, as a call of an operator."""
        if self.stays(node):
            return self._staying(node)
        if not node.finalbody or not node.handlers:
            return self._as_function(node)
        inner = ast.Try(node.body, node.handlers, node.orelse, [])
        outer = ast.Try([ast.copy_location(inner, node)], [], [], node.finalbody)
        return self._as_function(ast.copy_location(outer, node))

    def _as_function(self, node: ast.Try) -> list[ast.stmt]:
        """A statement with handlers or a finally clause."""
        names, global_names = self.bindings([node]), self.bound_globals([node])
        catching, raising = self._caught(node)
        returns = self.returns(node)
        body = self.closure(self.scope.fresh("body"), self.block(node.body), node)
        run = self.scope.fresh("run")
        called = ast.copy_location(ast.Call(load(run, node), [], []), node)
        node.body = [last_call(called, returns, node)]
        statement = self.closure(self.scope.fresh("try"), [self._clauses(node)], node, argument=run)
        call = operator_call(
            "try_stmt",
            [
                load(statement.name, node),
                load(body.name, node),
                catching,
                raising,
                names_tuple(names, node),
                names_tuple(global_names, node),
            ],
            node,
        )
        return [body, statement, last_call(call, returns, node)]

    def _clauses(self, node: ast.Try) -> ast.Try:
        """The statement with all but its body rewritten."""
        for handler in node.handlers:
            handler.body = self.block(handler.body)
        node.orelse, node.finalbody = self.block(node.orelse), self.block(node.finalbody)
        return node

    def _caught(self, node: ast.Try) -> list[ast.expr]:
        """Thunks for what its handlers catch, and for what those catch that raise another one."""
        every = load("BaseException", node)
        thunks = []
        for raises in (False, True):
            kinds = [
                _copy(handler.type) if handler.type else every
                for handler in node.handlers
                if always_raises(handler.body) is raises and not _passes_on(handler)
            ]
            given = ast.copy_location(ast.Tuple(kinds, ast.Load()), node)
            thunks.append(self.thunk(given, node))
        return thunks

    def _staying(self, node: ast.Try) -> ast.Try:
        """A statement of a generator that yields: nothing in it can be run again."""
        catching, raising = self._caught(node)
        node.body = self.block(node.body)
        context = ast.withitem(operator_call("trying", [catching, raising], node), None)
        node.body = [ast.copy_location(ast.With([context], node.body), node)]
        return self._clauses(node)

    def visit_With(self, node: ast.With) -> ast.AST | list[ast.stmt]:
        """A with statement, as a call of an operator."""
        if self.stays(node):
            for item in node.items:
                manager = self.visit(item.context_expr)
                item.context_expr = operator_call("context", [manager], item.context_expr)
            node.body = self.block(node.body)
            return node
        if len(node.items) > 1:
            inner = ast.copy_location(ast.With(node.items[1:], node.body), node)
            node.items, node.body = node.items[:1], [inner]
        (item,) = node.items
        names, global_names = self.bindings([node]), self.bound_globals([node])
        returns = self.returns(node)
        manager = self.visit(item.context_expr)
        given = self.scope.fresh("entered")
        begin: list[ast.stmt] = []
        if item.optional_vars is not None:
            entered = ast.Assign([item.optional_vars], load(given, node))
            begin.append(ast.copy_location(entered, node))
        body = self.closure(
            self.scope.fresh("body"), self.block([*begin, *node.body]), node, argument=given
        )
        call = operator_call(
            "with_stmt",
            [
                manager,
                load(body.name, node),
                names_tuple(names, node),
                names_tuple(global_names, node),
            ],
            node,
        )
        return [body, last_call(call, returns, node)]


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler certainly raises what it has caught."""
    raised = [inner.exc for inner in ast.walk(handler) if isinstance(inner, ast.Raise)]
    again = (one is None or (isinstance(one, ast.Name) and HANDLED in one.id) for one in raised)
    return always_raises(handler.body) and all(again)


def _copy(node: ast.expr) -> ast.expr:
    """Another node for the same expression."""
    copied = ast.parse(ast.unparse(node), mode="eval").body
    for inner in ast.walk(copied):
        ast.copy_location(inner, node)
    return copied
