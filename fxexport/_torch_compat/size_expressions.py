"""Private PyTorch API on the expressions of symbolic sizes."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
import torch
from torch.fx.experimental.sym_node import SymNode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._sympy.numbers import int_oo
from torch.utils._sympy.printers import PythonPrinter
from torch.utils._sympy.value_ranges import ValueRanges, bound_sympy

__all__ = [
    "SymNode",
    "at_sizes",
    "bounds_within",
    "finite",
    "is_boolean",
    "make_sym_node",
    "python_text",
    "raw_expression",
    "size_with",
    "value_range",
    "with_sorted_sides",
    "without_equal_conditions",
]


def is_boolean(expr: sympy.Basic) -> bool:
    """Whether an expression is a truth value; to sympy every symbol is a Boolean too."""
    return isinstance(
        expr,
        (sympy.core.relational.Relational, sympy.logic.boolalg.BooleanFunction,
         sympy.logic.boolalg.BooleanAtom),
    )  # fmt: skip


def without_equal_conditions(expr: sympy.Basic) -> sympy.Basic:
    """``a == b`` of two truth values as and, or and not: PyTorch takes sides for numbers."""
    if not isinstance(expr, (sympy.Eq, sympy.Ne)):
        return expr
    a, b = expr.args
    if not (is_boolean(a) and is_boolean(b)):
        return expr
    same = sympy.Or(sympy.And(a, b), sympy.And(sympy.Not(a), sympy.Not(b)))
    return same if isinstance(expr, sympy.Eq) else sympy.Not(same)


def with_sorted_sides(expr: sympy.Basic) -> sympy.Basic:
    """An ``or`` in which ``a == b`` and ``b == a`` are the same; anything else is itself.

    PyTorch finds an equality that it knows either way round, but not one inside of an ``or``.
    """
    if not isinstance(expr, sympy.Or):
        return expr
    return expr.replace(
        lambda part: isinstance(part, (sympy.Eq, sympy.Ne)),
        lambda part: part.func(*sorted(part.args, key=sympy.default_sort_key)),
    )


def make_sym_node(expr: sympy.Basic, env: ShapeEnv, kind: type) -> SymNode:
    """The node that a SymInt, SymFloat or SymBool is made of."""
    return SymNode(expr, env, kind, None)


def size_with(
    size: torch.SymInt, values: Mapping[sympy.Symbol, sympy.Expr | int]
) -> int | torch.SymInt:
    """A size with its symbols replaced by other symbols or numbers."""
    env = size.node.shape_env
    assert env is not None
    expr = size.node.expr.xreplace({key: sympy.sympify(value) for key, value in values.items()})
    return int(expr) if expr.is_Integer else torch.SymInt(make_sym_node(expr, env, int))


def python_text(expr: sympy.Basic) -> str:
    """An expression of sizes in Python's syntax; ``torch.sym_float`` and ``math.floor`` occur."""
    return str(PythonPrinter().doprint(expr))


def bounds_within(
    expr: sympy.Basic, ranges: Mapping[sympy.Symbol, tuple[int | None, int | None]]
) -> tuple[sympy.Basic | None, sympy.Basic | None]:
    """Lower and upper bound of an expression over ranges of its symbols; booleans for a relation.

    This is interval arithmetic: the bounds may be wider than what the expression reaches. A side
    without a bound is None.
    """
    known = {s: ValueRanges(-int_oo if low is None else low, int_oo if high is None else high)
             for s, (low, high) in ranges.items()}  # fmt: skip
    found = bound_sympy(expr, known)
    return finite(found.lower), finite(found.upper)


def value_range(lower: sympy.Basic | int, upper: sympy.Basic | int) -> ValueRanges:
    """The range between two bounds."""
    return ValueRanges(lower, upper)


def at_sizes(expr: sympy.Basic, values: Mapping[sympy.Symbol, sympy.Basic]) -> sympy.Basic | None:
    """An expression with numbers for its symbols; None where it has no value: it divides by 0.

    PyTorch's functions of sympy raise there, or assert that what they are given is no negative.
    """
    try:
        return expr.xreplace(values)
    except (ArithmeticError, AssertionError, TypeError, ValueError):
        return None


def finite(bound: sympy.Basic) -> sympy.Basic | None:
    """A bound; None for an infinite one."""
    return None if bound in (sympy.oo, -sympy.oo, int_oo, -int_oo) else bound


def raw_expression(value: int | torch.SymInt | torch.SymFloat | torch.SymBool) -> sympy.Basic:
    """The expression that a symbolic scalar was made with, before facts renamed its symbols."""
    return value.node._expr  # type: ignore[union-attr]
