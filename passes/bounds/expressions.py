"""Upper bounds as sympy expressions of what the root computes, and these written as nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import sympy
import torch
from fxexport.passes.bounds.number_rules import Arithmetic, NoBound
from fxexport.passes.bounds.origins import Origin
from fxexport.passes.bounds.symbols import part_of
from torch import fx
from torch.utils._sympy.functions import FloorDiv

from fxexport.graph.arguments import Number, shape_of, val_of
from fxexport.graph.editing import call, scalar_val
from fxexport.graph.scalars import maximum, minimum

__all__ = ["Bound", "BoundArithmetic", "RootNumbers", "simplest", "write_expression"]

aten = torch.ops.aten


@dataclass(frozen=True)
class Bound:
    """A number is at most `most`; `exact` says that it is that very number."""

    most: sympy.Expr
    exact: bool = False


class BoundArithmetic(Arithmetic[Bound]):
    """Computes with expressions."""

    def constant(self, number: int) -> Bound:
        """A number."""
        return Bound(sympy.Integer(number), True)

    def total(self, parts: Sequence[Bound]) -> Bound:
        """The sum: exact if all are."""
        return Bound(sympy.Add(*_mosts(parts)), _all_exact(parts))

    def product(self, parts: Sequence[Bound]) -> Bound:
        """The product: exact if all are."""
        return Bound(sympy.Mul(*_mosts(parts)), _all_exact(parts))

    def exact_product(self, parts: Sequence[Bound]) -> Bound | None:
        """The product of exact numbers."""
        return self.product(parts) if _all_exact(parts) else None

    def maximum(self, parts: Sequence[Bound]) -> Bound:
        """The largest: exact if all are."""
        return Bound(simplest(sympy.Max(*_mosts(parts))), _all_exact(parts))

    def one_of(self, parts: Sequence[Bound]) -> Bound:
        """The largest: exact if all are one number."""
        found = self.maximum(parts)
        return Bound(found.most, found.exact and len({part.most for part in parts}) == 1)

    def minimum(self, found: Sequence[Bound], complete: bool) -> Bound:
        """The smallest: exact if all are there and exact."""
        if not found:
            raise NoBound
        return Bound(simplest(sympy.Min(*_mosts(found))), complete and _all_exact(found))

    def divided(self, bound: Bound, by: int) -> Bound:
        """The quotient: exact if the number is."""
        return Bound(simplest(FloorDiv(bound.most, by)), bound.exact)

    def at_most(self, bound: Bound) -> Bound:
        """The same, not exact."""
        return Bound(bound.most)


def _mosts(bounds: Sequence[Bound]) -> list[sympy.Expr]:
    return [bound.most for bound in bounds]


def _all_exact(bounds: Sequence[Bound]) -> bool:
    return all(bound.exact for bound in bounds)


def simplest(expr: sympy.Expr) -> sympy.Expr:
    """An expression in the form that equal ones share, as far as that is cheap."""
    return sympy.expand(expr)


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "Add": operator.add,
    "Mul": operator.mul,
    "Max": maximum,
    "Min": minimum,
    "FloorDiv": operator.floordiv,
    "CleanDiv": operator.floordiv,
    "Mod": operator.mod,
    "PythonMod": operator.mod,
}


def write_expression(
    expr: sympy.Expr,
    number: Callable[[sympy.Expr], Number],
    compute: Callable[[Callable[..., object], Number, Number], Number],
) -> Number:
    """A number of a graph for an expression.

    Args:
        expr: the expression.
        number: what its parts are: symbols at least.
        compute: writes a call of a function.

    Raises:
        NoBound: a function in it has no form in the graph.
    """
    if expr.is_Integer:
        return int(expr)
    if expr.is_Symbol:
        return number(expr)
    if expr.is_Pow and expr.exp.is_Integer and expr.exp > 0:
        return reduce(
            lambda total, factor: compute(operator.mul, total, factor),
            [number(expr.base)] * int(expr.exp),
        )
    function = _FUNCTIONS.get(expr.func.__name__)
    if function is None:
        raise NoBound("a size is computed in a way that is not known here")
    first, *others = [number(arg) for arg in expr.args]
    return reduce(lambda total, other: compute(function, total, other), others, first)


class RootNumbers:
    """Numbers of the root as symbols that may be simplified, and expressions of these as nodes."""

    def __init__(self, anchor: Callable[[], fx.Node] | None = None) -> None:
        """Knows none yet.

        Args:
            anchor: the node of the root that is looked at: a size is read before it as soon as it
                is met. Without one it is read where it is first written.
        """
        self._anchor = anchor
        self._origins: dict[sympy.Symbol, Origin] = {}
        self._symbols: dict[str, sympy.Symbol] = {}
        self._written: dict[sympy.Expr, Number] = {}

    def symbol(self, node: fx.Node, dim: int | None, *, is_count: bool) -> sympy.Symbol:
        """The symbol of a number that the root computes; numbers of one value share it.

        Args:
            node: a tensor, or the number.
            dim: which size of the tensor; None for a number.
            is_count: whether it is known not to be below 0.
        """
        name = str(part_of(val_of(node), dim))
        if name not in self._symbols:
            signs = {"nonnegative": True} if is_count else {}
            symbol = sympy.Symbol(f"n{len(self._symbols):04}", integer=True, **signs)
            self._symbols[name] = symbol
            self._origins[symbol] = (node, dim)
            if self._anchor is not None:
                self.write(symbol, self._anchor())
        return self._symbols[name]

    def write(self, expr: sympy.Expr, before: fx.Node) -> Number:
        """A number or node of the root for an expression; where it is new, before a node."""
        if expr not in self._written:
            if expr.is_Symbol:
                self._written[expr] = self._measured(*self._origins[expr], before)
            else:
                self._written[expr] = write_expression(
                    expr,
                    lambda part: self.write(part, before),
                    lambda function, a, b: self._compute(function, a, b, before),
                )
        return self._written[expr]

    def _measured(self, node: fx.Node, dim: int | None, before: fx.Node) -> Number:
        if dim is None:
            return node
        return call(before, aten.sym_size.int, node, dim, val=shape_of(node)[dim])

    def _compute(
        self, function: Callable[..., object], left: Number, right: Number, before: fx.Node
    ) -> Number:
        if isinstance(left, int) and isinstance(right, int):
            return int(function(left, right))  # type: ignore[call-overload]
        val = scalar_val(function, val_of(left), val_of(right))
        return call(before, function, left, right, val=val)
