"""Generator functions: beside the generator, a function that hands each item to a consumer.

No closure can yield for the function around it, so a loop inside a generator could not be staged.
But where a `for` statement goes through a generator, its body can be called where the generator
yields: what happens, and in which order, is the same. So the function

    def rows(x):
        for row in x:
            yield row * 2

becomes one that gives both forms, and whoever goes through it takes one:

    def rows(x):
        def plain(x): ...

        def produce(consumer, stopped, x):
            for row in x:
                consumer(row * 2)
                if stopped():
                    return

        return _fx_.generated(lambda: plain(x), lambda consumer, stopped: produce(consumer, ...))
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

from fxexport.capture.python.new_nodes import OwnStatements, function, load, operator_call
from fxexport.capture.python.scoping import FunctionScope, argument_names, contains

__all__ = ["both_forms", "is_producible"]

_YIELDS = (ast.Yield, ast.YieldFrom)
_CONSUMER, _STOPPED = "_fx_consumer", "_fx_stopped"


def is_producible(node: ast.FunctionDef) -> bool:
    """Whether a function is a generator whose yields are statements of their own.

    What is sent to it, or thrown into it, is then of no consequence.
    """
    if not contains(node.body, *_YIELDS) or contains(node.body, ast.Await):
        return False
    return all(map(_is_plain, node.body))


def _is_plain(statement: ast.AST) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, _YIELDS):
        value = statement.value.value
        return value is None or not contains([value], *_YIELDS)
    if isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.ExceptHandler)):
        return all(map(_is_plain, ast.iter_child_nodes(statement)))
    return not contains([statement], *_YIELDS)


def both_forms(
    node: ast.FunctionDef, scope: FunctionScope
) -> tuple[ast.FunctionDef, ast.FunctionDef, ast.stmt]:
    """The generator, the function that hands its items to a consumer, and what gives both."""
    names = argument_names(node.args)
    body = copy.deepcopy(node.body)
    plain = _definition(scope.fresh("plain"), names, node.body, node)
    handing = _Handing()
    produce = _definition(
        scope.fresh("produce"),
        [_CONSUMER, _STOPPED, *names],
        [new for statement in body for new in handing.of(statement)],
        node,
    )
    loads = [load(name, node) for name in names]
    given = [load(_CONSUMER, node), load(_STOPPED, node)]
    first = ast.copy_location(ast.Call(load(plain.name, node), loads, []), node)
    second = ast.copy_location(ast.Call(load(produce.name, node), [*given, *loads], []), node)
    # What a `for` statement raises does not come to the generator, that of a `with` does.
    managing = contains(node.body, ast.Try)
    result = operator_call(
        "managing" if managing else "generated",
        [function("", first, node), function(f"{_CONSUMER}, {_STOPPED}", second, node)],
        node,
    )
    return plain, produce, ast.copy_location(ast.Return(result), node)


def _definition(
    name: str, names: Sequence[str], body: list[ast.stmt], like: ast.AST
) -> ast.FunctionDef:
    template = ast.parse(f"def {name}({', '.join(names)}): pass").body[0]
    assert isinstance(template, ast.FunctionDef)
    template.body = body
    for inner in (template, template.args, *template.args.args):
        ast.copy_location(inner, like)
    return template


class _Handing(OwnStatements):
    """Makes calls of the consumer of the yields of one function."""

    def of(self, statement: ast.stmt) -> list[ast.stmt]:
        """What a statement becomes."""
        made = self.visit(statement)
        return made if isinstance(made, list) else [made]

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        if isinstance(node.value, ast.Yield):
            value = node.value.value or ast.copy_location(ast.Constant(None), node)
            return self._handed(value, node)
        if isinstance(node.value, ast.YieldFrom):
            item = "_fx_each"
            target = ast.copy_location(ast.Name(item, ast.Store()), node)
            loop = ast.For(target, node.value.value, self._handed(load(item, node), node), [])
            return ast.copy_location(loop, node)
        return node

    def _handed(self, value: ast.expr, like: ast.AST) -> list[ast.stmt]:
        call = ast.copy_location(ast.Call(load(_CONSUMER, like), [value], []), like)
        stopped = ast.copy_location(ast.Call(load(_STOPPED, like), [], []), like)
        leave = ast.If(stopped, [ast.copy_location(ast.Return(None), like)], [])
        return [
            ast.copy_location(ast.Expr(call), like),
            ast.copy_location(leave, like),
        ]

    def visit_Return(self, node: ast.Return) -> ast.AST:
        # The value of a generator's return is that of the StopIteration.
        return ast.copy_location(ast.Return(None), node)
