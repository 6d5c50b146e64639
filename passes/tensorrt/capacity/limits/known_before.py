"""What is known of the sizes in an if or loop of the root before it runs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

import sympy
import torch
from fxexport.passes.bounds.data_sizes import DataSizes
from fxexport.passes.bounds.expressions import write_expression
from fxexport.passes.bounds.number_rules import NoBound
from fxexport.passes.bounds.origins import Origins, first_of
from fxexport.passes.bounds.symbols import expression_of
from fxexport.passes.tensorrt.capacity.values.capacities import Capacities
from fxexport.passes.tensorrt.capacity.values.open_tensors import val_of
from torch import fx

from fxexport.graph.arguments import Number
from fxexport.graph.editing import nodes_inside
from fxexport.graph.scalars import maximum, minimum

__all__ = ["KnownBefore"]


class KnownBefore:
    """What is known of the sizes in what is inside one node of the root.

    Attributes:
        origins: where the symbols that are not known come from.
    """

    def __init__(
        self,
        root: fx.GraphModule,
        outermost: fx.Node,
        capacities: Capacities,
        pinned: Mapping[sympy.Symbol, int] | None = None,
    ) -> None:
        """Looks at all that is inside.

        Args:
            root: the root.
            outermost: the if or loop.
            capacities: computes numbers before it.
            pinned: sizes of inputs that the model fixes.
        """
        self._capacities = capacities
        self._fixed: dict[sympy.Symbol, Number] = dict(pinned or {})
        before = []
        for node in root.graph.nodes:
            if node is outermost:
                break
            before.append(node)
        self._known = first_of(before, flags=False)
        inside = [(root, outermost), *nodes_inside(root, outermost)]
        self.origins = Origins(root, inside, self._known)
        self._data = DataSizes(self.origins, self._knows, slices_only=True)
        # Symbols of numbers that are computed from others.
        self._meanings = {
            symbol: _ARITHMETIC[node.target](*(expression_of(val_of(arg)) for arg in node.args))
            for symbol, node in self.origins.numbers()
            if node.target in _ARITHMETIC
            and all(isinstance(val_of(arg), (int, torch.SymInt)) for arg in node.args)
        }

    def expression(self, size: object) -> sympy.Expr:
        """A size with the numbers in it as they were computed."""
        expr = expression_of(size)
        for _ in range(len(self._meanings)):
            if not expr.free_symbols & self._meanings.keys():
                break
            expr = expr.xreplace(self._meanings)
        return expr

    def never_negative(self, size: object) -> bool:
        """Whether a number is certainly not below zero."""
        return self.origins.never_negative(self.expression(size))

    def from_data(self, size: object) -> bool:
        """Whether a size is known only inside because elements of tensors decide it."""
        return self._data.decide_expression(self.expression(size))

    def is_known(self, size: object) -> bool:
        """Whether a size is a number that is known before the outermost node."""
        return not isinstance(size, torch.SymInt) or self.knows(self.expression(size))

    def knows(self, expr: sympy.Expr) -> bool:
        """Whether all symbols of an expression are known."""
        return all(map(self._knows, expr.free_symbols))

    def _knows(self, symbol: sympy.Symbol) -> bool:
        return symbol in self._known or symbol in self._fixed

    def fix(self, symbol: sympy.Symbol, number: Number) -> None:
        """Says that a symbol is a number that is known before."""
        self._fixed[symbol] = number

    def exact(self, size: object) -> Number:
        """A size that is known before, as a number of the root's graph.

        Raises:
            NoBound: it is not known there.
        """
        return self.exact_number(self.expression(size))

    def exact_number(self, expr: sympy.Expr) -> Number:
        """`exact`, for the expression of a size."""
        if expr.is_Symbol:
            if expr in self._fixed:
                return self._fixed[expr]
            if expr not in self._known:
                raise NoBound("a size is known only inside")
            node, dim = self._known[expr]
            return node if dim is None else self._capacities.measure(node, dim)
        return write_expression(expr, self.exact_number, self._capacities.compute)


_ARITHMETIC: dict[object, Callable[..., sympy.Expr]] = {
    operator.add: operator.add,
    operator.sub: operator.sub,
    operator.mul: operator.mul,
    operator.neg: operator.neg,
    maximum: sympy.Max,
    minimum: sympy.Min,
}
