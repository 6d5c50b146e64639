"""How large a size inside an if or a loop can become, in numbers that are known before it."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sympy
import torch
from fxexport.passes.capacity.values import NoRoom, Number, Room, Rooms, val_of
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import raw_expression
from fxexport.graph.conditions import Comparison, comparisons, ways_taken
from fxexport.graph.editing import nodes_inside, parts, results
from fxexport.graph.hoisting import selects
from fxexport.graph.ops import branch, loop
from fxexport.graph.scalars import maximum, minimum, select

__all__ = ["Limits", "plain_symbol"]

aten = torch.ops.aten

# ``at most symbol + number``; without a symbol, at most the number. A size is at most the largest
# of its terms. The symbols are those of loops that are being looked at.
Term = tuple[Any, Number]


# How far back the operands of a tensor are followed to find what limits its size.
_DEPTH = 6


class Limits:
    """Looks for limits of the sizes in what is inside one node of the root."""

    def __init__(
        self,
        root: fx.GraphModule,
        outermost: fx.Node,
        rooms: Rooms,
        pinned: Mapping[Any, int] | None = None,
    ) -> None:
        self._rooms = rooms
        self._fixed: dict[Any, Number] = dict(pinned or {})  # symbols that are one number
        self._known: dict[Any, tuple[fx.Node, int | None]] = {}
        self._makers: dict[Any, tuple[fx.Node, fx.GraphModule, int | None]] = {}
        self._carried: dict[Any, tuple[fx.GraphModule, fx.Node]] = {}
        self._terms: dict[Any, list[Term]] = {}
        self._pending: set[Any] = set()
        self._asked: set[Any] = set()
        self._sizes: set[Any] = set()  # symbols that are never negative
        self._meanings: dict[Any, Any] = {}  # symbols of numbers that are computed from others
        for node in root.graph.nodes:
            if node is outermost:
                break
            for dim, symbol in _symbols_in(node.meta.get("val")):
                self._known.setdefault(symbol, (node, dim))
        for module, node in [(root, outermost), *nodes_inside(root, outermost)]:
            self._look(module, node, root)

    def _look(self, module: fx.GraphModule, node: fx.Node, root: fx.GraphModule) -> None:
        for dim, symbol in _symbols_in(node.meta.get("val")):
            if dim is not None:
                self._sizes.add(symbol)
            if node.op == "call_function" and symbol not in self._known:
                self._makers.setdefault(symbol, (node, module, dim))
                if dim is None and node.target in _ARITHMETIC:
                    args = [_expression(val_of(a)) for a in node.args]
                    self._meanings[symbol] = _ARITHMETIC[node.target](*args)
        if node.target is loop:
            ((_, inputs),) = parts(module, node)
            carried: Any = node.args[3]
            self._sizes.update(symbol for _, symbol in _symbols_in(inputs[0].meta.get("val")))
            for place in inputs[: 1 + len(carried)]:
                for _, symbol in _symbols_in(place.meta.get("val")):
                    if symbol not in self._known:
                        self._carried.setdefault(symbol, (module, node))

    def never_negative(self, size: Any) -> bool:
        """Whether a number is certainly not below zero."""
        if is_concrete_int(size):
            return int(size) >= 0
        return self._never_negative(self.expression(size))

    def expression(self, size: Any) -> Any:
        """A size with the numbers in it as they were computed."""
        expr = _expression(size)
        for _ in range(len(self._meanings)):
            if not expr.free_symbols & self._meanings.keys():
                break
            expr = expr.xreplace(self._meanings)
        return expr

    def from_data(self, size: Any) -> bool:
        """Whether a size is known only inside because elements of tensors decide it."""
        if is_concrete_int(size):
            return False
        symbols = self.expression(size).free_symbols
        return any(self._symbol_from_data(s) for s in symbols if not self._all_known(s))

    def _symbol_from_data(self, symbol: Any) -> bool:
        node, _, dim = self._makers.get(symbol, (None, None, None))
        if node is None or node.target is not aten.slice.Tensor or symbol in self._asked:
            return True
        self._asked.add(symbol)
        try:
            bounds = [val_of(b) for b in node.args[2:4] if b is not None]
            return any(self.from_data(s) for s in (val_of(node.args[0]).shape[dim], *bounds))
        finally:
            self._asked.discard(symbol)

    # Exact numbers

    def is_known(self, size: Any) -> bool:
        """Whether a size is a number that is known before the outermost node."""
        if not isinstance(size, torch.SymInt) or is_concrete_int(size):
            return True
        return self._all_known(self.expression(size))

    def _all_known(self, expr: Any) -> bool:
        return all(s in self._known or s in self._fixed for s in expr.free_symbols)

    def fix(self, symbol: Any, number: Number) -> None:
        """Says that a symbol is a number that is known before."""
        self._fixed[symbol] = number

    def exact(self, size: Any) -> Number:
        """A size that is known before, as a number of the root's graph.

        Raises:
            NoRoom: it is not known there.
        """
        return int(size) if is_concrete_int(size) else self._exact(self.expression(size))

    def _exact(self, expr: Any) -> Number:
        if expr.is_Integer:
            return int(expr)
        if expr.is_Symbol:
            if expr in self._fixed:
                return self._fixed[expr]
            if expr not in self._known:
                raise NoRoom("a size is known only inside")
            node, dim = self._known[expr]
            return node if dim is None else self._rooms.measure(node, dim)
        if expr.is_Pow and expr.exp.is_Integer and expr.exp > 0:
            base = self._exact(expr.base)
            total = base
            for _ in range(int(expr.exp) - 1):
                total = self._rooms.compute(operator.mul, total, base)
            return total
        functions = {
            "Add": operator.add,
            "Mul": operator.mul,
            "Max": maximum,
            "Min": minimum,
            "FloorDiv": operator.floordiv,
            "CleanDiv": operator.floordiv,
            "Mod": operator.mod,
            "PythonMod": operator.mod,
        }
        function = functions.get(expr.func.__name__)
        if function is None:
            raise NoRoom("a size is computed in a way that is not known here")
        total, *others = [self._exact(arg) for arg in expr.args]
        for other in others:
            total = self._rooms.compute(function, total, other)
        return total

    # Upper limits

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
            return self._sum([self._upper(arg) for arg in expr.args])
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
            made = []
            for symbol, number in total:
                for other, more in self._upper(arg):
                    if (symbol, other) == (None, None):
                        made.append((None, self._rooms.compute(operator.mul, number, more)))
                    elif number == 1 and symbol is None:
                        made.append((other, more))
                    else:
                        raise NoRoom("a size is a multiple of itself")
            total = made
        return total

    def _never_negative(self, expr: Any) -> bool:
        if expr.is_Integer:
            return bool(expr >= 0)
        if expr.is_Symbol:
            return expr in self._sizes or (expr in self._known and self._known[expr][1] is not None)
        if expr.func.__name__ in ("Max",):
            return any(self._never_negative(arg) for arg in expr.args)
        return expr.func.__name__ in ("Add", "Mul", "Min", "FloorDiv", "Mod", "PythonMod") and all(
            self._never_negative(arg) for arg in expr.args
        )

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

    def _made(self, node: fx.Node, module: fx.GraphModule, dim: int | None) -> list[Term]:
        """Limits of what a node makes: of one of its sizes, or of the number itself."""
        target: Any = node.target
        source: Any = node.args[0] if node.args else None
        if target is operator.getitem and source.target is branch:
            return [
                term
                for size in _ways(module, source, node.args[1], dim)
                for term in self._upper_of(size)
            ]
        if target is operator.getitem and source.target is loop:
            return self._from_loop(module, source, node.args[1], dim)
        if target is select:
            return [t for a in node.args[1:] for t in self._upper_of(val_of(a))]
        if target is operator.floordiv and isinstance(node.args[1], int) and node.args[1] > 0:
            return [self._divided(t, node.args[1]) for t in self._upper_of(val_of(source))]
        if dim is None:
            raise NoRoom("a number has no known limit")
        if target is aten.slice.Tensor:
            return self._sliced(node, dim)
        if target is aten.cat.default:
            return self._joined(node, dim)
        if target in (aten.topk.default, aten.sort.default):
            return self._upper_of(source.meta["val"].shape[dim])
        if target is aten.masked_select.default or selects(node):
            masks: Any = node.args[1] if len(node.args) > 1 else source
            mask = masks if isinstance(masks, fx.Node) else next(m for m in masks if m is not None)
            return self._all_of(mask.meta["val"].shape)
        if target is aten.index.Tensor:
            for mask in node.args[1]:  # type: ignore[union-attr]
                if isinstance(mask, fx.Node) and mask.meta["val"].dtype == torch.bool:
                    return self._all_of(mask.meta["val"].shape)
        raise NoRoom("a size has no known limit")

    def _joined(self, node: fx.Node, dim: int) -> list[Term]:
        tensors: Any = node.args[0]
        along: Any = node.args[1] if len(node.args) > 1 else 0
        rank = node.meta["val"].ndim
        given = [t for t in tensors if val_of(t).ndim == rank]
        if along % rank == dim:
            return self._sum([self._upper_at(t, dim) for t in given])
        return self._least_of([val_of(t).shape[dim] for t in given])

    def _upper_at(self, value: fx.Node, dim: int, depth: int = 0) -> list[Term]:
        """Limits of a size of a tensor: by what is known of the size, and by how it was made."""
        found: list[list[Term]] = []
        with contextlib.suppress(NoRoom):
            found.append(self._upper_of(val_of(value).shape[dim]))
        with contextlib.suppress(NoRoom):
            found.append(self._by_node(value, dim, depth))
        return self._smallest(found)

    def _by_node(self, value: fx.Node, dim: int, depth: int) -> list[Term]:
        target: Any = value.target
        if value.op == "call_function" and depth < _DEPTH:
            if target is aten.slice.Tensor:
                return self._sliced(value, dim)
            if target is aten.cat.default:
                return self._joined(value, dim)
            if isinstance(target, torch._ops.OpOverload) and torch.Tag.pointwise in target.tags:
                return self._of_operands(value, dim, depth)
        raise NoRoom("a size has no known limit")

    def _of_operands(self, value: fx.Node, dim: int, depth: int) -> list[Term]:
        """A result is as large as each operand that is not broadcast."""
        rank = val_of(value).ndim
        found = []
        for operand in value.all_input_nodes:
            val = val_of(operand)
            at = dim - rank + val.ndim if isinstance(val, torch.Tensor) else -1
            if at >= 0 and not (is_concrete_int(val.shape[at]) and int(val.shape[at]) == 1):
                with contextlib.suppress(NoRoom):
                    found.append(self._upper_at(operand, at, depth + 1))
        return self._smallest(found)

    def _all_of(self, sizes: Any) -> list[Term]:
        """Limits of a product of sizes."""
        total: list[Term] = [(None, 1)]
        for size in sizes:
            terms = self._upper_of(size)
            made = []
            for symbol, number in total:
                for other, more in terms:
                    if (symbol, other) == (None, None):
                        made.append((None, self._rooms.compute(operator.mul, number, more)))
                    elif symbol is None and number == 1:
                        made.append((other, more))
                    elif other is None and more == 1:
                        made.append((symbol, number))
                    else:
                        raise NoRoom("a size is a multiple of itself")
            total = made
        return total

    def _least_of(self, sizes: Iterable[Any]) -> list[Term]:
        found = []
        for size in sizes:
            with contextlib.suppress(NoRoom):
                found.append(self._upper_of(size))
        return self._smallest(found)

    def _sliced(self, node: fx.Node, dim: int) -> list[Term]:
        source, _, start, end = (*node.args, None, None)[:4]
        width = self.slice_width(start, end)
        size = val_of(source).shape[dim]
        return self._least_of([size] if width is None else [width, size])

    def slice_width(self, start: Any, end: Any) -> int | None:
        """The most places that a slice gives by its bounds alone; None where they do not tell."""
        first = sympy.Integer(0) if start is None else self.expression(val_of(start))
        open_end = end is None or (isinstance(end, int) and end >= 2**62)
        if open_end:
            return -int(first) if first.is_Integer and first < 0 else None
        last = self.expression(val_of(end))
        way = last - first
        if not way.is_Integer:
            return None
        if way < 0:  # one of them may count from the end
            return 0 if last.is_Integer and last >= 0 else None
        if first.is_Integer and first < 0 <= last:
            return None
        return int(way)

    # Loops

    def _from_loop(
        self, module: fx.GraphModule, node: fx.Node, k: Any, dim: int | None
    ) -> list[Term]:
        carried: Any = node.args[3]
        if k >= len(carried):
            if dim != 0 or node.args[0] is None:
                raise NoRoom("a loop has no known limit of trips")
            return [(None, 0), *self._upper_of(val_of(node.args[0]))]
        ((_, inputs),) = parts(module, node)
        inside = plain_symbol(_part(inputs[1 + k].meta["val"], dim))
        if inside is None:
            return self._upper_of(_part(inputs[1 + k].meta["val"], dim))
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
            for dim, symbol in _symbols_in(place.meta.get("val")):
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
                    initial[symbol] = self._upper_of(_part(val_of(carried[k]), dim))
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
                    else self._upper_of(_part(val_of(result), dim))
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
        self._pending |= {s for _, p in places for _, s in _symbols_in(p.meta.get("val"))}
        try:
            for k, place in places:
                for dim, symbol in _symbols_in(place.meta.get("val")):
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
                    size = _part(val_of(after[k]), dim)
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


_ARITHMETIC: dict[Any, Callable[..., Any]] = {
    operator.add: operator.add,
    operator.sub: operator.sub,
    operator.mul: operator.mul,
    operator.neg: operator.neg,
    maximum: sympy.Max,
    minimum: sympy.Min,
}


def _expression(value: Any) -> Any:
    return (
        raw_expression(value)
        if isinstance(value, torch.SymInt) and not is_concrete_int(value)
        else sympy.Integer(int(value))
    )


def plain_symbol(size: Any) -> Any:
    """The symbol that a size is; None for numbers and for what is computed."""
    if not isinstance(size, torch.SymInt) or is_concrete_int(size):
        return None
    expr = raw_expression(size)
    return expr if expr.is_Symbol else None


def _part(val: Any, dim: int | None) -> Any:
    return val if dim is None else val.shape[dim]


def _symbols_in(val: Any) -> Iterator[tuple[int | None, Any]]:
    """The sizes of a value, or the number itself, that are a symbol and nothing else."""
    if isinstance(val, torch.Tensor):
        for dim, size in enumerate(val.shape):
            if (symbol := plain_symbol(size)) is not None:
                yield dim, symbol
    elif (symbol := plain_symbol(val)) is not None:
        yield None, symbol


def _along(body: fx.GraphModule, value: fx.Node, ways: dict[fx.Node, int]) -> fx.Node:
    """What a result of a branch is on the way that was taken."""
    source: Any = value.args[0] if value.target is operator.getitem else None
    if source not in ways:
        return value
    side, _ = parts(body, source)[ways[source]]
    taken = results(side)[value.args[1]]  # type: ignore[index]
    return taken if isinstance(taken, fx.Node) else value


def _ways(module: fx.GraphModule, node: fx.Node, k: Any, dim: int | None) -> list[Any]:
    return [_part(val_of(results(body)[k]), dim) for body, _ in parts(module, node)]
