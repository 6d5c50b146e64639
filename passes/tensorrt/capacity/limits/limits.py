"""How large a size inside an if or a loop can become, in numbers that are known before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sympy
from fxexport.passes.bounds.size_rules import slice_width
from fxexport.passes.bounds.upper_bounds import UpperBounds
from fxexport.passes.tensorrt.capacity.limits.carried_sizes import CarriedTerms
from fxexport.passes.tensorrt.capacity.limits.known_before import KnownBefore
from fxexport.passes.tensorrt.capacity.limits.terms import Term, TermArithmetic, Terms
from fxexport.passes.tensorrt.capacity.values.capacities import Capacities
from fxexport.passes.tensorrt.capacity.values.open_tensors import Capacity
from torch import fx

from fxexport.graph.arguments import Number

__all__ = ["Limits"]


class Limits:
    """Answers for the sizes in what is inside one node of the root.

    Attributes:
        known: what is known of them before.
    """

    def __init__(self, known: KnownBefore, capacities: Capacities) -> None:
        """What limits are made of.

        Args:
            known: what is known before the node.
            capacities: computes numbers before it.
        """
        self.known = known
        self._arithmetic = TermArithmetic(capacities)
        self._carried = CarriedTerms(self.known, self._arithmetic, capacities)
        self._upper = UpperBounds(
            self.known.origins,
            self._arithmetic,
            self._exact,
            carried=self._carried,
            read=self.known.expression,
        )

    def _exact(self, expr: sympy.Expr) -> Terms | None:
        return [(None, self.known.exact_number(expr))] if self.known.knows(expr) else None

    def capacity(self, size: object) -> Capacity:
        """Capacity for a size.

        Raises:
            NoBound: nothing that is known before limits it.
        """
        return self.largest(self._upper.of_size(size))

    def largest(self, terms: Iterable[Term]) -> Capacity:
        """Capacity for what is at most each of some terms.

        Raises:
            NoBound: one is not known yet.
        """
        return Capacity(self._arithmetic.most(terms))

    def settle(self, symbol: sympy.Symbol, capacity: Capacity) -> None:
        """Says what capacity a size of a loop was given."""
        self._upper.assume(symbol, [(None, capacity.number)])

    def of_loop(
        self, module: fx.GraphModule, node: fx.Node, wanted: set[sympy.Symbol]
    ) -> dict[sympy.Symbol, Terms]:
        """Bounds of what a loop carries, by symbols of its body's placeholders.

        Raises:
            NoBound: one of them has none.
        """
        return self._carried.of_loop(self._upper, module, node, wanted)

    def bound_iteration(self, module: fx.GraphModule, node: fx.Node) -> None:
        """Notes how large the number of an iteration can be, for what is in the loop's body."""
        self._carried.bound_iteration(self._upper, module, node)

    def shrinking(self, module: fx.GraphModule, node: fx.Node) -> Iterator[tuple[int, int]]:
        """Sizes before a loop that bound its iterations: a carried tensor, and its dimension."""
        return self._carried.shrinking(self._upper, module, node)

    def slice_width(self, start: object, end: object) -> int | None:
        """The most elements that a slice gives by its bounds alone; None where they do not tell."""
        return slice_width(start, end, self.known.expression)

    # What is known before

    def is_known(self, size: object) -> bool:
        """Whether a size is a number that is known before the outermost node."""
        return self.known.is_known(size)

    def exact(self, size: object) -> Number:
        """A size that is known before, as a number of the root's graph.

        Raises:
            NoBound: it is not known there.
        """
        return self.known.exact(size)
