"""How large sizes become that loops carry from one iteration to the next."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence

import sympy
import torch
from fxexport.passes.bounds.conditions import Comparison, comparisons, paths_taken
from fxexport.passes.bounds.number_rules import NoBound
from fxexport.passes.bounds.symbols import part_of, plain_symbol, symbols_in
from fxexport.passes.bounds.upper_bounds import UpperBounds
from fxexport.passes.tensorrt.capacity.limits.known_before import KnownBefore
from fxexport.passes.tensorrt.capacity.limits.terms import TermArithmetic, Terms
from fxexport.passes.tensorrt.capacity.values.capacities import Capacities
from fxexport.passes.tensorrt.capacity.values.open_tensors import val_of
from torch import fx

from fxexport.graph.arguments import Number, carried_of, item_of
from fxexport.graph.editing import parts, results

__all__ = ["CarriedTerms", "trip_count_of"]

# For a symbol of a body's placeholders: which carried value, and its dimension.
_Slots = dict[sympy.Symbol, tuple[int, int | None]]


class CarriedTerms:
    """Bounds of what loops carry: of the initial values, and of every iteration's results."""

    def __init__(
        self, known: KnownBefore, arithmetic: TermArithmetic, capacities: Capacities
    ) -> None:
        """What bounds are made of.

        Args:
            known: what is known before the outermost if or loop.
            arithmetic: computes with terms.
            capacities: computes numbers before it.
        """
        self._known = known
        self._arithmetic = arithmetic
        self._capacities = capacities

    def upper(
        self,
        bounds: UpperBounds[Terms],
        module: fx.GraphModule,
        node: fx.Node,
        symbol: sympy.Symbol,
    ) -> Terms:
        """A bound of a size or number that a loop carries, as `of_loop`."""
        return self.of_loop(bounds, module, node, {symbol})[symbol]

    def of_loop(
        self,
        bounds: UpperBounds[Terms],
        module: fx.GraphModule,
        node: fx.Node,
        wanted: set[sympy.Symbol],
    ) -> dict[sympy.Symbol, Terms]:
        """Bounds of what a loop carries, in any iteration.

        Args:
            bounds: bounds of sizes that no loop carries.
            module: the graph that the loop is in.
            node: the loop.
            wanted: symbols of the body's placeholders.

        Raises:
            NoBound: one of them has no bound.
        """
        ((body, inputs),) = parts(module, node)
        carried = carried_of(node)
        after = results(body)[1:]
        slots: _Slots = {}
        for k, placeholder in enumerate(inputs[1 : 1 + len(carried)]):
            for dim, symbol in symbols_in(placeholder.meta.get("val")):
                slots.setdefault(symbol, (k, dim))
        initial: dict[sympy.Symbol, Terms] = {}
        edges: dict[sympy.Symbol, Terms] = {}
        todo = set(wanted)
        with bounds.assuming():
            trip_count = trip_count_of(bounds, node)
            self.bound_iteration(bounds, module, node)
            for symbol, (k, dim) in slots.items():
                with contextlib.suppress(NoBound):
                    initial[symbol] = bounds.of_size(part_of(val_of(carried[k]), dim))
            _assume_unchanged(bounds, slots)
            for symbol, limit in self._guarded(body, slots, after):
                if symbol in initial:
                    bounds.assume(symbol, [*initial[symbol], (None, limit)])
            while todo:
                symbol = todo.pop()
                if symbol not in initial:
                    raise NoBound("what a loop starts with has no known limit")
                edges[symbol] = _of_result(bounds, after, *slots[symbol])
                todo |= {s for s, _ in edges[symbol] if s in slots} - edges.keys()
        return {s: self._closed(s, initial, edges, trip_count) for s in wanted}

    def bound_iteration(
        self, bounds: UpperBounds[Terms], module: fx.GraphModule, node: fx.Node
    ) -> None:
        """Notes how large the number of an iteration can be, for what is in the loop's body."""
        ((_, inputs),) = parts(module, node)
        iteration, trip_count = plain_symbol(inputs[0].meta["val"]), trip_count_of(bounds, node)
        if iteration is not None and trip_count is not None:
            with contextlib.suppress(NoBound):
                bounds.assume(iteration, self._arithmetic.total([trip_count, [(None, -1)]]))

    def shrinking(
        self, bounds: UpperBounds[Terms], module: fx.GraphModule, node: fx.Node
    ) -> Iterator[tuple[int, int]]:
        """Sizes before a loop that bound its iterations: each removes one element at least.

        The loop must go on only while the size is above a number.

        Yields:
            Which of the carried tensors, and its dimension.
        """
        ((body, inputs),) = parts(module, node)
        going, *after = results(body)
        relations = [s for c in comparisons(body, going) for s in (c, c.turned)]
        paths = paths_taken(body, going)
        slots = list(enumerate(inputs[1 : 1 + len(carried_of(node))]))
        with bounds.assuming():
            _assume_unchanged(
                bounds,
                [s for _, placeholder in slots for _, s in symbols_in(placeholder.meta.get("val"))],
            )
            for k, placeholder in slots:
                for dim, symbol in symbols_in(placeholder.meta.get("val")):
                    result = after[k]
                    if dim is None or not isinstance(result, fx.Node):
                        continue
                    least = self._least_of_size(val_of(result).shape[dim], relations)
                    result = _along(body, result, paths)
                    if least is not None and _gets_less(bounds, result, dim, symbol, least):
                        yield k, dim

    def _least_of_size(self, size: object, relations: Iterable[Comparison]) -> int | None:
        """The largest number that a size is certainly above, where a relation says so."""
        expr = self._known.expression(size)
        for relation in relations:
            right, left = relation.right, val_of(relation.left)
            if type(right) is not int or not isinstance(left, torch.SymInt):
                continue
            least = {">": right, ">=": right - 1, "!=": 0 if right == 0 else -1}
            factor, rest = self._known.expression(left).as_coeff_Mul()
            if rest - expr == 0 and factor.is_Integer and factor > 0:
                found = least.get(relation.kind, -1)
                if found >= 0:
                    return int(found // factor)
        return None

    def _guarded(
        self, body: fx.GraphModule, slots: _Slots, after: Sequence[object]
    ) -> Iterator[tuple[sympy.Symbol, Number]]:
        """Sizes that the loop's condition keeps below a number known before."""
        for found in comparisons(body, results(body)[0]):
            for relation in (found, found.turned):
                left, right = val_of(relation.left), val_of(relation.right)
                if relation.kind not in ("<", "<=") or not isinstance(left, (torch.SymInt, int)):
                    continue
                if not isinstance(right, (torch.SymInt, int)) or not self._known.is_known(right):
                    continue
                for symbol, (k, dim) in slots.items():
                    size = part_of(val_of(after[k]), dim)
                    if self._known.expression(size) - self._known.expression(left) == 0:
                        less = 1 if relation.kind == "<" else 0
                        limit = self._known.exact(right)
                        yield symbol, self._capacities.compute(operator.sub, limit, less)

    def _closed(
        self,
        symbol: sympy.Symbol,
        initial: Mapping[sympy.Symbol, Terms],
        edges: Mapping[sympy.Symbol, Terms],
        trip_count: Terms | None,
    ) -> Terms:
        """What a carried size is at most, after any number of iterations."""
        reached, todo = set(), {symbol}
        while todo:
            one = todo.pop()
            reached.add(one)
            todo |= {s for s, _ in edges[one] if s in edges} - reached
        terms = [t for s in reached for t in initial[s]]
        growth: list[Number] = []
        for s in reached:
            for other, number in edges[s]:
                if other in reached:
                    if not (isinstance(number, int) and number <= 0):
                        growth.append(number)
                else:
                    terms.append((other, number))
        if not growth:
            return list(dict.fromkeys(terms))
        if trip_count is None:
            raise NoBound("a tensor grows in a loop without a known limit of iterations")
        arithmetic = self._arithmetic
        most = arithmetic.most([(None, number) for number in growth])
        total = self._capacities.compute(operator.mul, arithmetic.most(trip_count), most)
        return [
            (s, self._capacities.compute(operator.add, n, total)) for s, n in dict.fromkeys(terms)
        ]


def trip_count_of(bounds: UpperBounds[Terms], node: fx.Node) -> Terms | None:
    """A bound of a loop's trip count; None where there is none."""
    if node.args[0] is None:
        return None
    try:
        return [(None, 0), *bounds.of_number(node.args[0])]
    except NoBound:
        return None


def _assume_unchanged(bounds: UpperBounds[Terms], symbols: Iterable[sympy.Symbol]) -> None:
    """Bounds are to be in terms of some symbols, where nothing better is assumed of them."""
    for symbol in symbols:
        if not bounds.is_assumed(symbol):
            bounds.assume(symbol, [(symbol, 0)])


def _of_result(
    bounds: UpperBounds[Terms], after: Sequence[object], k: int, dim: int | None
) -> Terms:
    result = after[k]
    if dim is not None and isinstance(result, fx.Node):
        return bounds.of_dimension(result, dim)
    return bounds.of_size(part_of(val_of(result), dim))


def _gets_less(
    bounds: UpperBounds[Terms], result: fx.Node, dim: int, symbol: sympy.Symbol, least: int
) -> bool:
    try:
        terms = bounds.of_dimension(result, dim)
    except NoBound:
        return False
    return all(
        isinstance(n, int) and (n <= least if s is None else s == symbol and n <= -1)
        for s, n in terms
    )


def _along(body: fx.GraphModule, value: fx.Node, paths: Mapping[fx.Node, int]) -> fx.Node:
    """What a result of a branch is on the path that was taken."""
    found = item_of(value)
    if found is None or found[0] not in paths:
        return value
    source, k = found
    side, _ = parts(body, source)[paths[source]]
    taken = results(side)[k]
    return taken if isinstance(taken, fx.Node) else value
