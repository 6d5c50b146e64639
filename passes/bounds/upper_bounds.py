"""The largest that a size or number can be: one walk over a graph, whatever form the answer has.

There are two forms. A pass that gives one buffer to the whole graph wants an expression of numbers
that the root knows (`expressions.Bound`): it can be compared, simplified and written anywhere. The
package `capacity` asks in the middle of a loop, of which it must say how a size in one iteration
follows from the same size in the one before; its answers are terms, ``that size + number``, and the
numbers are nodes already, so that equal capacities are one node (`capacity.limits.terms`). Both are
found by the same rules: of operations on numbers (`number_rules`) and of operators on tensors
(`size_rules`). Numeric intervals, lower bounds among them, are PyTorch's (`bounds_within`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

import sympy
import torch
from fxexport.passes.bounds.number_rules import (
    Arithmetic,
    NoBound,
    operation_of,
    upper_of_operation,
)
from fxexport.passes.bounds.origins import Maker, Origins
from fxexport.passes.bounds.size_rules import of_value, size_rule
from fxexport.passes.bounds.symbols import expression_of
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph.arguments import shape_of, val_of

__all__ = ["CarriedSizes", "UpperBounds"]

Answer = TypeVar("Answer")


class CarriedSizes(Protocol[Answer]):
    """Knows how sizes change from one iteration of a loop to the next."""

    def upper(
        self,
        bounds: UpperBounds[Answer],
        module: fx.GraphModule,
        node: fx.Node,
        symbol: sympy.Symbol,
    ) -> Answer:
        """A bound of a size or number of what a loop carries, in any iteration.

        Args:
            bounds: who asks.
            module: the graph that the loop is in.
            node: the loop.
            symbol: the size, as the body's placeholder has it.

        Raises:
            NoBound: there is none.
        """


class UpperBounds(Generic[Answer]):
    """Looks for upper bounds of sizes and numbers."""

    def __init__(
        self,
        origins: Origins,
        arithmetic: Arithmetic[Answer],
        known: Callable[[sympy.Expr], Answer | None],
        *,
        carried: CarriedSizes[Answer] | None = None,
        read: Callable[[object], sympy.Expr] = expression_of,
    ) -> None:
        """What bounds are made of.

        Args:
            origins: where symbols come from.
            arithmetic: how bounds are computed from others.
            known: the bound of an expression of which the value itself is known, or that a caller
                knows otherwise; None for others.
            carried: what tells of sizes that loops carry; without it nothing does.
            read: the expression of a size, with what is known of it put in.
        """
        self.origins = origins
        self.arithmetic = arithmetic
        self._read = read
        self._known = known
        self._carried = carried
        self._assumed: dict[sympy.Symbol, Answer] = {}
        self._asked: set[sympy.Symbol] = set()

    def read(self, size: object) -> sympy.Expr:
        """The expression of a size, with what is known of it put in."""
        return self._read(size)

    @contextlib.contextmanager
    def assuming(self) -> Iterator[None]:
        """What is assumed inside is forgotten afterwards."""
        saved = dict(self._assumed)
        try:
            yield
        finally:
            self._assumed = saved

    def assume(self, symbol: sympy.Symbol, bound: Answer) -> None:
        """Takes a bound of a symbol for granted."""
        self._assumed[symbol] = bound

    def is_assumed(self, symbol: sympy.Symbol) -> bool:
        """Whether a bound of a symbol is taken for granted."""
        return symbol in self._assumed

    def of_size(self, size: object) -> Answer:
        """A bound of a size or number, from the metadata of a value.

        Raises:
            NoBound: there is none.
        """
        if isinstance(size, bool) or not isinstance(size, (int, torch.SymInt)):
            raise NoBound
        if is_concrete_int(size):
            return self.arithmetic.constant(int(size))
        return self.of_expression(self.read(size))

    def of_number(self, number: object) -> Answer:
        """`of_size` for a number, or a node that is one."""
        return self.of_size(val_of(number))

    def of_expression(self, expr: sympy.Expr) -> Answer:
        """A bound of an expression of sizes.

        Raises:
            NoBound: there is none.
        """
        if expr.is_Integer:
            return self.arithmetic.constant(int(expr))
        found = self._known(expr)
        if found is not None:
            return found
        if expr.is_Symbol:
            return self._of_symbol(expr)
        if expr.is_Add and (several := _without_minimum(expr)):
            return self.arithmetic.maximum([self.of_expression(one) for one in several])
        operation = operation_of(expr)
        if operation is None:
            raise NoBound("a size is computed in a way that has no known limit")
        return upper_of_operation(
            self.arithmetic, *operation, self.of_expression, self.origins.least
        )  # type: ignore[misc]

    def of_dimension(self, value: fx.Node, dim: int, depth: int = 0) -> Answer:
        """A bound of a tensor's size: by what is known of the size, and by how it was made.

        Args:
            value: the tensor.
            dim: the dimension.
            depth: through how many operators the question has come.

        Raises:
            NoBound: there is none.
        """
        found: list[Answer] = []
        with contextlib.suppress(NoBound):
            found.append(self.of_size(shape_of(value)[dim]))
        with contextlib.suppress(NoBound):
            found.append(of_value(self, value, dim, depth))
        return self.arithmetic.minimum(found, complete=False)

    def _of_symbol(self, symbol: sympy.Symbol) -> Answer:
        if symbol in self._assumed:
            return self._assumed[symbol]
        if symbol in self._asked:
            raise NoBound("a size depends on itself")
        self._asked.add(symbol)
        try:
            if self._carried is not None and symbol in self.origins.carried:
                return self._carried.upper(self, *self.origins.carried[symbol], symbol)
            return self._made(symbol)
        finally:
            self._asked.discard(symbol)

    def _made(self, symbol: sympy.Symbol) -> Answer:
        """By the nodes that make it: the first that tells."""
        reason = NoBound()
        for k, maker in enumerate(self.origins.computed(symbol)):
            try:
                return self._by(maker)
            except NoBound as why:
                reason = why if k == 0 else reason
        raise reason

    def _by(self, maker: Maker) -> Answer:
        node = maker.node
        operation = operation_of(node) if maker.dim is None else None
        if operation is not None:
            return upper_of_operation(
                self.arithmetic, *operation, self.of_number, self._least_number
            )
        rule = size_rule(node.target)
        if rule is None:
            raise NoBound(
                "a number has no known limit" if maker.dim is None else "a size has no known limit"
            )
        return self.arithmetic.at_most(rule(self, maker))

    def _least_number(self, number: object) -> int | None:
        val = val_of(number)
        if isinstance(val, bool) or not isinstance(val, (int, torch.SymInt)):
            return None
        return self.origins.least(self.read(val))


def _without_minimum(expr: sympy.Expr) -> list[sympy.Expr]:
    """The size of `x[k:]`, ``n - Min(k, n)``, as what it is the largest of: ``n - k`` and 0.

    Returns:
        These; none where the sum is of another form.
    """
    for arg in expr.args:
        least = -arg
        if least.func.__name__ != "Min":
            continue
        rest = expr - arg
        if all(a.is_Integer or (rest - a).is_Integer for a in least.args):
            return [rest - a for a in least.args]
    return []
