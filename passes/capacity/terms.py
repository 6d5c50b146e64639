"""What sizes are at most, as terms: numbers known before, and sizes that loops carry."""

from __future__ import annotations

import abc
import contextlib
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from fxexport.passes.capacity.known_sizes import KnownSizes
from fxexport.passes.capacity.values import NoRoom, Number, Room, Rooms
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph.scalars import maximum

__all__ = ["SizeTerms", "Term"]

# ``at most symbol + number``; without a symbol, at most the number. A size is at most the largest
# of its terms. The symbols are those of loops that are being looked at.
Term = tuple[Any, Number]


class SizeTerms(KnownSizes, abc.ABC):
    """Limits of expressions of sizes."""

    def __init__(
        self,
        root: fx.GraphModule,
        outermost: fx.Node,
        rooms: Rooms,
        pinned: Mapping[Any, int] | None = None,
    ) -> None:
        super().__init__(root, outermost, rooms, pinned)
        self._terms: dict[Any, list[Term]] = {}
        self._pending: set[Any] = set()

    @abc.abstractmethod
    def _made(self, node: fx.Node, module: fx.GraphModule, dim: int | None) -> list[Term]:
        """Limits of what a node makes: of one of its sizes, or of the number itself."""

    @abc.abstractmethod
    def of_loop(
        self, module: fx.GraphModule, node: fx.Node, wanted: set[Any]
    ) -> dict[Any, list[Term]]:
        """Limits of what a loop carries, by symbols of the body's placeholders."""

    def room(self, size: Any) -> Room:
        """Room for a size.

        Raises:
            NoRoom: nothing that is known before limits it.
        """
        return self.largest(self._upper_of(size))

    def settle(self, symbol: Any, room: Room) -> None:
        """Says how much room a size of a loop was given."""
        self._terms[symbol] = [(None, room.number)]

    def largest(self, terms: Iterable[Term]) -> Room:
        """Room for what is at most each of some terms.

        Raises:
            NoRoom: one is not known yet.
        """
        return Room(self._most(terms))

    def _most(self, terms: Iterable[Term]) -> Number:
        numbers = list(terms)
        if any(symbol is not None for symbol, _ in numbers):
            raise NoRoom("a size depends on one that is not known yet")
        total = numbers[0][1]
        for _, number in numbers[1:]:
            if number is not total and number != total:
                total = self._rooms.compute(maximum, total, number)
        return total

    def _upper_of(self, size: Any) -> list[Term]:
        if is_concrete_int(size):
            return [(None, int(size))]
        return self._upper(self.expression(size))

    def _upper(self, expr: Any) -> list[Term]:
        if expr.is_Integer:
            return [(None, int(expr))]
        if self._all_known(expr):
            return [(None, self._exact(expr))]
        if expr.is_Symbol:
            return self._symbol(expr)
        kind = expr.func.__name__
        if kind == "Add":
            ways = _without_minimum(expr) or [expr.args]
            return [t for args in ways for t in self._sum([self._upper(arg) for arg in args])]
        if kind == "Mul":
            return self._product(expr)
        if kind == "Max":
            return [term for arg in expr.args for term in self._upper(arg)]
        if kind == "Min":
            return self._least(expr.args)
        if kind in ("FloorDiv", "CleanDiv") and expr.args[1].is_Integer and expr.args[1] > 0:
            return [self._divided(term, int(expr.args[1])) for term in self._upper(expr.args[0])]
        if kind in ("Mod", "PythonMod") and self._all_known(expr.args[1]):
            return [(None, self._rooms.compute(operator.sub, self._exact(expr.args[1]), 1))]
        raise NoRoom("a size is computed in a way that has no known limit")

    def _sum(self, parts_: list[list[Term]]) -> list[Term]:
        total: list[Term] = [(None, 0)]
        for terms in parts_:
            made: list[Term] = []
            for symbol, number in total:
                for other, more in terms:
                    if symbol is not None and other is not None:
                        raise NoRoom("a size grows by itself")
                    both = symbol if other is None else other
                    made.append((both, self._rooms.compute(operator.add, number, more)))
            total = made
        return total

    def _product(self, expr: Any) -> list[Term]:
        factor, rest = expr.as_coeff_Mul()
        if not factor.is_Integer:
            raise NoRoom("a size is computed in a way that has no known limit")
        if factor < 0:
            if not self._never_negative(rest):
                raise NoRoom("a size has no known limit")
            return [(None, 0)]
        total: list[Term] = [(None, int(factor))]
        for arg in rest.args if rest.is_Mul else [rest]:
            if not self._never_negative(arg):
                raise NoRoom("a size has no known limit")
            total = self._times(total, self._upper(arg))
        return total

    def _times(self, these: list[Term], those: list[Term]) -> list[Term]:
        """Limits of a product of what is at most some terms, and nothing below 0."""
        made: list[Term] = []
        for symbol, number in these:
            for other, more in those:
                if (symbol, other) == (None, None):
                    made.append((None, self._rooms.compute(operator.mul, number, more)))
                elif symbol is None and number == 1:
                    made.append((other, more))
                elif other is None and more == 1:
                    made.append((symbol, number))
                else:
                    raise NoRoom("a size is a multiple of itself")
        return made

    def _least(self, args: Iterable[Any]) -> list[Term]:
        """The best limit of what is at most each of some expressions."""
        found: list[list[Term]] = []
        for arg in args:
            with contextlib.suppress(NoRoom):
                found.append(self._upper(arg))
        return self._smallest(found)

    def _smallest(self, found: Iterable[list[Term]]) -> list[Term]:
        def badness(terms: list[Term]) -> tuple[bool, bool]:
            return (
                any(symbol is not None for symbol, _ in terms),
                any(isinstance(number, fx.Node) for _, number in terms),
            )

        several = sorted(found, key=badness)
        if not several:
            raise NoRoom("a size has no known limit")
        return several[0]

    def _divided(self, term: Term, by: int) -> Term:
        symbol, number = term
        if symbol is None:
            return None, self._rooms.compute(operator.floordiv, number, by)
        return symbol, max(number, 0) if isinstance(number, int) else number

    def _symbol(self, symbol: Any) -> list[Term]:
        if symbol in self._terms:
            return self._terms[symbol]
        if symbol in self._pending:
            return [(symbol, 0)]
        if symbol in self._asked:
            raise NoRoom("a size depends on itself")
        self._asked.add(symbol)
        try:
            if symbol in self._carried:
                return self.of_loop(*self._carried[symbol], {symbol})[symbol]
            if symbol in self._makers:
                return self._made(*self._makers[symbol])
        finally:
            self._asked.discard(symbol)
        raise NoRoom("a size has no known limit")

    def _all_of(self, sizes: Any) -> list[Term]:
        """Limits of a product of sizes."""
        total: list[Term] = [(None, 1)]
        for size in sizes:
            total = self._times(total, self._upper_of(size))
        return total

    def _least_of(self, sizes: Iterable[Any]) -> list[Term]:
        found = []
        for size in sizes:
            with contextlib.suppress(NoRoom):
                found.append(self._upper_of(size))
        return self._smallest(found)


def _without_minimum(expr: Any) -> list[tuple[Any, ...]]:
    """The size of `x[k:]`, ``n - Min(k, n)``, as what it is the largest of: ``n - k`` and 0.

    Returns:
        The summands of each; none where the sum is of another form.
    """
    for arg in expr.args:
        least = -arg
        if least.func.__name__ != "Min":
            continue
        rest = expr - arg
        if all(a.is_Integer or (rest - a).is_Integer for a in least.args):
            return [sympy.Add.make_args(rest - a) for a in least.args]
    return []
