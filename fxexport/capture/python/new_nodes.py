"""Makes the syntax nodes that rewriting adds; each stands where the node that it is `like` does."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

__all__ = [
    "RUNTIME",
    "OwnStatements",
    "assignment",
    "constant",
    "function",
    "last_call",
    "load",
    "names_tuple",
    "operator_call",
]

RUNTIME = "_fx_"
"""The variable that holds the operators in rewritten code."""


def load(name: str, like: ast.AST) -> ast.expr:
    """A read of a variable."""
    return ast.copy_location(ast.Name(name, ast.Load()), like)


def constant(value: object, like: ast.AST) -> ast.expr:
    """A literal."""
    return ast.copy_location(ast.Constant(value), like)  # type: ignore[arg-type]


def names_tuple(names: Iterable[str], like: ast.AST) -> ast.expr:
    """A tuple of names as strings."""
    elements = [constant(name, like) for name in names]
    return ast.copy_location(ast.Tuple(elements, ast.Load()), like)


def operator_call(
    name: str,
    args: Sequence[ast.expr],
    like: ast.AST,
    *,
    decides: ast.expr | ast.stmt | None = None,
) -> ast.Call:
    """``_fx_.name(...)``; what `decides` is a decision of the program's, and its place is told."""
    owner = ast.Name(RUNTIME, ast.Load())
    operator = ast.Attribute(owner, name, ast.Load())
    call = ast.Call(operator, list(args), [])
    if decides is not None:
        place = constant((decides.lineno, decides.col_offset), like)
        call.keywords = [ast.copy_location(ast.keyword("place", place), like)]
    for inner in (owner, operator, call):
        ast.copy_location(inner, like)
    for inner in (owner, operator):
        # A call is reported at the line at which the name of what is called ends.
        inner.end_lineno, inner.end_col_offset = inner.lineno, inner.col_offset
    return call


def assignment(name: str, value: ast.expr, like: ast.AST) -> ast.stmt:
    """``name = value``."""
    target = ast.copy_location(ast.Name(name, ast.Store()), like)
    return ast.copy_location(ast.Assign(targets=[target], value=value), like)


def function(arguments: str, body: ast.expr, like: ast.AST) -> ast.expr:
    """A lambda with these argument names."""
    template = ast.parse(f"lambda {arguments}: 0", mode="eval").body
    assert isinstance(template, ast.Lambda)
    template.body = body
    for inner in (template, template.args, *template.args.args):
        ast.copy_location(inner, like)
    return template


def last_call(call: ast.expr, returns: bool, like: ast.AST) -> ast.stmt:
    """A call as a statement, which returns what it gives where it `returns`."""
    made: ast.stmt = ast.Return(call) if returns else ast.Expr(call)
    return ast.copy_location(made, like)


class OwnStatements(ast.NodeTransformer):
    """Goes through the statements of a function, and not into what is defined inside of it."""

    def _stays(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_Lambda = visit_ClassDef = _stays
