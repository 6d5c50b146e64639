"""Statements after whose refusal the program goes on, to find what else is refused."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import cast

from fxexport.capture.python.new_nodes import RUNTIME, constant, load, operator_call
from fxexport.capture.python.scoping import bound, contains

__all__ = ["Targets"]

_MAY_BE_REFUSED = (
    ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Delete, ast.If, ast.For, ast.While,
)  # fmt: skip


class Targets:
    """What a statement binds, before it is rewritten."""

    def __init__(self, statement: ast.stmt) -> None:
        self._statement = statement
        self._stays = not isinstance(statement, _MAY_BE_REFUSED)
        self._names = sorted(bound([statement]).names)
        self._attributes = _attributes_bound(statement)

    def missing_where_refused(
        self, result: ast.AST | list[ast.stmt] | None, fresh: Callable[[str], str]
    ) -> list[ast.stmt]:
        """The rewritten statement; where it is refused, what it binds is unknown.

        Args:
            result: what the statement has become.
            fresh: makes a name that nothing else has.
        """
        if result is None:
            return []
        done = cast("list[ast.stmt]", result if isinstance(result, list) else [result])
        # What returns is refused where it was called.
        if self._stays or contains(done, ast.Return, ast.Yield, ast.YieldFrom):
            return done
        like = self._statement
        name, missing = fresh("refusal"), fresh("missing")
        note = operator_call("refused", [load(name, like)], like)
        names = [ast.Name(target, ast.Store()) for target in (missing, *self._names)]
        unknown: list[ast.stmt] = [ast.Assign(list(names), note)]
        for owner, attribute in self._attributes:
            given = [load(missing, like), load(owner, like), constant(attribute, like)]
            unknown.append(ast.Expr(operator_call("set_attr", given, like)))
        kind = ast.Attribute(load(RUNTIME, like), "refusal", ast.Load())
        handler = ast.ExceptHandler(kind, name, unknown)
        for node in ast.walk(handler):
            ast.copy_location(node, like)
        return [ast.copy_location(ast.Try(done, [handler], [], []), like)]


def _attributes_bound(statement: ast.stmt) -> list[tuple[str, str]]:
    """The attributes of variables that an assignment binds: the variable, and the attribute."""
    targets: Sequence[ast.expr] = ()
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        targets = [statement.target]
    return [
        (target.value.id, target.attr)
        for target in targets
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
    ]
