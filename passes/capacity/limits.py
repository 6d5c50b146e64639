"""How large a size inside an if or a loop can become, in numbers that are known before it."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator
from typing import Any

import torch
from fxexport.passes.capacity.known_sizes import part_of, plain_symbol, symbols_in
from fxexport.passes.capacity.made_sizes import MadeSizes
from fxexport.passes.capacity.terms import Term
from fxexport.passes.capacity.values import NoRoom, Number, val_of
from torch import fx

from fxexport.graph.conditions import Comparison, comparisons, ways_taken
from fxexport.graph.editing import parts, results

__all__ = ["Limits"]


class Limits(MadeSizes):
    """Looks for limits of the sizes in what is inside one node of the root."""

    def _from_loop(
        self, module: fx.GraphModule, node: fx.Node, k: Any, dim: int | None
    ) -> list[Term]:
        carried: Any = node.args[3]
        if k >= len(carried):
            if dim != 0 or node.args[0] is None:
                raise NoRoom("a loop has no known limit of trips")
            return [(None, 0), *self._upper_of(val_of(node.args[0]))]
        ((_, inputs),) = parts(module, node)
        inside = plain_symbol(part_of(inputs[1 + k].meta["val"], dim))
        if inside is None:
            return self._upper_of(part_of(inputs[1 + k].meta["val"], dim))
        return self.of_loop(module, node, {inside})[inside]

    def of_loop(
        self, module: fx.GraphModule, node: fx.Node, wanted: set[Any]
    ) -> dict[Any, list[Term]]:
        """Limits of what a loop carries: of the initial values and of every trip's results.

        Args:
            module: the graph that the loop is in.
            node: the loop.
            wanted: symbols of the body's placeholders.

        Raises:
            NoRoom: one of them has no limit.
        """
        ((body, inputs),) = parts(module, node)
        carried: Any = node.args[3]
        after = results(body)[1:]
        places: dict[Any, tuple[int, int | None]] = {}
        for k, place in enumerate(inputs[1 : 1 + len(carried)]):
            for dim, symbol in symbols_in(place.meta.get("val")):
                places.setdefault(symbol, (k, dim))
        trip = plain_symbol(inputs[0].meta["val"])
        saved = (dict(self._terms), set(self._pending))
        initial: dict[Any, list[Term]] = {}
        edges: dict[Any, list[Term]] = {}
        todo = set(wanted)
        try:
            trips = self._trips(node)
            if trip is not None and trips is not None:
                self._terms[trip] = self._sum([trips, [(None, -1)]])
            for symbol in list(places):
                k, dim = places[symbol]
                with contextlib.suppress(NoRoom):
                    initial[symbol] = self._upper_of(part_of(val_of(carried[k]), dim))
            self._pending |= {s for s in places if s not in self._terms}
            for symbol, limit in self._guarded(body, places, after, inputs, node):
                if symbol in initial:
                    self._terms[symbol] = [*initial[symbol], (None, limit)]
            while todo:
                symbol = todo.pop()
                if symbol not in initial:
                    raise NoRoom("what a loop starts with has no known limit")
                k, dim = places[symbol]
                result = after[k]
                edges[symbol] = (
                    self._upper_at(result, dim)
                    if dim is not None and isinstance(result, fx.Node)
                    else self._upper_of(part_of(val_of(result), dim))
                )
                todo |= {s for s, _ in edges[symbol] if s in places} - edges.keys()
        finally:
            self._terms, self._pending = saved
        return {s: self._closed(s, initial, edges, trips) for s in wanted}

    def shrinking(self, module: fx.GraphModule, node: fx.Node) -> Iterator[tuple[int, int]]:
        """Sizes before a loop that bound its trips: each trip takes away at least one place.

        The loop must go on only while the size is above a number.

        Yields:
            Which of the carried tensors, and its dimension.
        """
        ((body, inputs),) = parts(module, node)
        carried: Any = node.args[3]
        going, *after = results(body)
        relations = [s for c in comparisons(body, going) for s in (c, c.turned)]
        ways = ways_taken(body, going)
        saved = set(self._pending)
        places = list(enumerate(inputs[1 : 1 + len(carried)]))
        self._pending |= {s for _, p in places for _, s in symbols_in(p.meta.get("val"))}
        try:
            for k, place in places:
                for dim, symbol in symbols_in(place.meta.get("val")):
                    result = after[k]
                    if dim is None or not isinstance(result, fx.Node):
                        continue
                    least = self._least_of_size(val_of(result).shape[dim], relations)
                    result = _along(body, result, ways)
                    if least is not None and self._gets_less(result, dim, symbol, least):
                        yield k, dim
        finally:
            self._pending = saved

    def _least_of_size(self, size: Any, relations: list[Comparison]) -> int | None:
        """The largest number that a size is certainly above, where a relation says so."""
        expr = self.expression(size)
        for relation in relations:
            right, left = relation.right, val_of(relation.left)
            if type(right) is not int or not isinstance(left, torch.SymInt):
                continue
            least = {">": right, ">=": right - 1, "!=": 0 if right == 0 else -1}
            factor, rest = self.expression(left).as_coeff_Mul()
            if rest - expr == 0 and factor.is_Integer and factor > 0:
                found = least.get(relation.kind, -1)
                if found >= 0:
                    return int(found // factor)
        return None

    def _gets_less(self, result: fx.Node, dim: int, symbol: Any, least: int) -> bool:
        try:
            terms = self._upper_at(result, dim)
        except NoRoom:
            return False
        return all(
            isinstance(n, int) and (n <= least if s is None else s == symbol and n <= -1)
            for s, n in terms
        )

    def count_trips(self, module: fx.GraphModule, node: fx.Node) -> None:
        """Notes how large the number of a trip can be, for what is in the loop's body."""
        ((_, inputs),) = parts(module, node)
        trip, trips = plain_symbol(inputs[0].meta["val"]), self._trips(node)
        if trip is not None and trips is not None:
            with contextlib.suppress(NoRoom):
                self._terms[trip] = self._sum([trips, [(None, -1)]])

    def _trips(self, node: fx.Node) -> list[Term] | None:
        if node.args[0] is None:
            return None
        try:
            return [(None, 0), *self._upper_of(val_of(node.args[0]))]
        except NoRoom:
            return None

    def _guarded(
        self, body: fx.GraphModule, places: Any, after: list[Any], inputs: Any, node: fx.Node
    ) -> Iterator[tuple[Any, Number]]:
        """Sizes that the loop's condition keeps below a number known before."""
        going = results(body)[0]
        for found in comparisons(body, going):
            for relation in (found, found.turned):
                left, right = val_of(relation.left), val_of(relation.right)
                if relation.kind not in ("<", "<=") or not isinstance(left, (torch.SymInt, int)):
                    continue
                if not isinstance(right, (torch.SymInt, int)) or not self.is_known(right):
                    continue
                for symbol, (k, dim) in places.items():
                    size = part_of(val_of(after[k]), dim)
                    if self.expression(size) - self.expression(left) == 0:
                        limit = self.exact(right)
                        less = 1 if relation.kind == "<" else 0
                        yield symbol, self._rooms.compute(operator.sub, limit, less)

    def _closed(
        self, symbol: Any, initial: Any, edges: dict[Any, list[Term]], trips: list[Term] | None
    ) -> list[Term]:
        """What a carried size is at most, after any number of trips."""
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
        if trips is None:
            raise NoRoom("a tensor grows in a loop without a known limit of trips")
        most = self._most([(None, number) for number in growth])
        total = self._rooms.compute(operator.mul, self._most(trips), most)
        return [(s, self._rooms.compute(operator.add, n, total)) for s, n in dict.fromkeys(terms)]


def _along(body: fx.GraphModule, value: fx.Node, ways: dict[fx.Node, int]) -> fx.Node:
    """What a result of a branch is on the way that was taken."""
    source: Any = value.args[0] if value.target is operator.getitem else None
    if source not in ways:
        return value
    side, _ = parts(body, source)[ways[source]]
    taken = results(side)[value.args[1]]  # type: ignore[index]
    return taken if isinstance(taken, fx.Node) else value
