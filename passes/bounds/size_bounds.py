"""What is known of a size before the model runs: what decides it, and how large it can become."""

from __future__ import annotations

from collections.abc import Callable

import sympy
from fxexport.passes.bounds.data_sizes import DataSizes
from fxexport.passes.bounds.expressions import Bound, BoundArithmetic, RootNumbers
from fxexport.passes.bounds.origins import Origins, first_of
from fxexport.passes.bounds.upper_bounds import UpperBounds
from torch import fx

from fxexport.graph.arguments import Number
from fxexport.graph.captured import CapturedGraph

__all__ = ["SizeBounds"]


def _nothing(symbol: sympy.Symbol) -> Bound | None:
    return None


class SizeBounds:
    """Looks at the sizes in one captured graph.

    The graph must not have lost what makes a size: run it before passes that move branches.

    Attributes:
        numbers: the numbers of the root that bounds are made of.
        origins: where the sizes' symbols come from.
    """

    def __init__(
        self,
        graph: CapturedGraph,
        told: Callable[[sympy.Symbol], Bound | None] = _nothing,
        anchor: Callable[[], fx.Node] | None = None,
    ) -> None:
        """Looks at the graph.

        Args:
            graph: the graph.
            told: a bound that the caller knows, by symbol; None for others.
            anchor: as `RootNumbers` has it.
        """
        root = graph.module
        inputs = root.graph.find_nodes(op="placeholder")
        self._inputs = first_of(inputs, flags=True)
        nodes = [(module, node) for module in graph.graphs() for node in module.graph.nodes]
        self.origins = Origins(root, nodes, self._inputs)
        self.numbers = RootNumbers(anchor)
        self._root = root
        self._told = told
        self._data = DataSizes(self.origins, self._inputs.__contains__)
        self._upper = UpperBounds(self.origins, BoundArithmetic(), self._known)

    def from_data(self, size: object) -> bool:
        """Whether elements of tensors decide a size, not the inputs' sizes alone."""
        return self._data.decide(size)

    def upper(self, size: object) -> Bound:
        """An upper bound of a size or number, by the metadata of a value.

        Raises:
            NoBound: there is none.
        """
        return self._upper.of_size(size)

    def bound(self, size: object, before: fx.Node) -> Number:
        """An upper bound of a size, computed from the inputs' sizes by nodes of the root.

        Args:
            size: from the metadata of a value.
            before: where the nodes go.

        Raises:
            NoBound: there is none.
        """
        return self.numbers.write(self.upper(size).most, before)

    def _known(self, expr: sympy.Expr) -> Bound | None:
        """What is made up of the inputs' sizes and numbers, and of what follows from these."""
        if expr.is_Symbol and (told := self._told(expr)) is not None:
            return told
        symbols = {symbol: self._input(symbol) for symbol in expr.free_symbols}
        if any(known is None for known in symbols.values()):
            return None
        return Bound(expr.xreplace(symbols), True)

    def _input(self, symbol: sympy.Symbol) -> sympy.Symbol | None:
        if symbol in self._inputs:
            node, dim = self._inputs[symbol]
            return self.numbers.symbol(node, dim, is_count=dim is not None)
        for maker in self.origins.makers(symbol):
            if maker.dim is None and maker.module is self._root and self._data.are_known(maker):
                return self.numbers.symbol(maker.node, None, is_count=False)
        return None
