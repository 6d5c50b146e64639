"""Upper bounds of whole numbers anywhere in a graph, as expressions of what the root knows."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy
import torch
from torch import fx
from torch.utils._sympy.functions import FloorDiv

from fxexport._torch_compat import raw_expression
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.editing import call, parts, results
from fxexport.graph.ops import branch, loop
from fxexport.graph.scalars import maximum, minimum, select, to_int
from fxexport.graph.sequences import sequence_length
from fxexport.graph.size_bounds import NoBound, SizeBounds

__all__ = ["Bound", "NumberBounds", "simplest"]

aten = torch.ops.aten


@dataclass(frozen=True)
class Bound:
    """A number is at most `most`; `exact` says that it is that very number."""

    most: sympy.Expr
    exact: bool = False


class NumberBounds:
    """Looks at the numbers in one captured graph.

    An expression's symbols stand for numbers of the root (`write` turns one into a node there), and
    for lengths of lists that a caller has yet to find (`length`).

    Attributes:
        anchor: the node of the root that is looked at, or that the body looked at belongs to:
            sizes that have no node yet get one before it.
    """

    def __init__(self, graph: CapturedGraph, length: Callable[[fx.Node], Bound]) -> None:
        self._root = graph.module
        self._length = length
        self._sizes = SizeBounds(graph)
        self._nodes: dict[sympy.Symbol, fx.Node] = {}
        self._symbols: dict[str, sympy.Symbol] = {}
        self._written: dict[sympy.Expr, int | fx.Node] = {}
        self._asked: set[fx.Node] = set()
        # What stands behind the placeholders of bodies.
        self.given: dict[fx.Node, Any] = {}
        self._trip_of: dict[fx.Node, fx.Node] = {}
        self._carried: dict[fx.Node, tuple[Any, Any, fx.Node]] = {}
        # The lists whose lengths are sizes of other values, by symbol.
        self._lists: dict[str, fx.Node] = {}
        self.anchor: fx.Node = graph.module.graph.output_node()
        self._modules: dict[fx.Graph, fx.GraphModule] = {}
        for module in graph.graphs():
            self._modules[module.graph] = module
            for node in module.graph.nodes:
                self._note(module, node)

    def _note(self, module: fx.GraphModule, node: fx.Node) -> None:
        arguments: Any = node.args
        length = getattr(node.meta.get("val"), "length", None)
        if isinstance(length, torch.SymInt) and raw_expression(length).is_Symbol:
            self._lists.setdefault(str(raw_expression(length)), node)
        if node.target is branch:
            for _, places in parts(module, node):
                self.given.update(zip(places, arguments[3], strict=True))
        elif node.target is loop:
            ((body, places),) = parts(module, node)
            carried, captured = arguments[3:5]
            self._trip_of[places[0]] = node
            after = results(body)[1:]
            for k, start in enumerate(carried):
                self._carried[places[1 + k]] = (start, after[k], node)
            self.given.update(zip(places[1 + len(carried) :], captured, strict=True))

    # -- upper bounds ----------------------------------------------------------------------------

    def number(self, value: Any) -> Bound:
        """An upper bound of a number: an int, or a node of any graph.

        Raises:
            NoBound: there is none.
        """
        if isinstance(value, int):
            return Bound(sympy.Integer(int(value)), True)
        if not isinstance(value, fx.Node) or value in self._asked:
            raise NoBound
        self._asked.add(value)
        try:
            return self._number(value)
        finally:
            self._asked.discard(value)

    def _number(self, node: fx.Node) -> Bound:
        try:
            return self._made(node)
        except NoBound:
            # What the root computes is known before what comes after it runs.
            if node.graph is not self._root.graph or not isinstance(_val(node), torch.SymInt):
                raise
            return Bound(self._atom(node), True)

    def _made(self, node: fx.Node) -> Bound:
        target: Any = node.target
        args: Any = node.args
        if node.op == "placeholder":
            return self._placed(node)
        if target is sequence_length:
            return self._length(args[0])
        if target is aten.sym_size.int:
            return self.size(_val(node))
        if target in (maximum, minimum, select):
            return self._chosen(target, args)
        if target is operator.add:
            a, b = map(self.number, args)
            return Bound(a.most + b.most, a.exact and b.exact)
        if target is operator.sub:
            return self._difference(*args)
        if target is operator.mul and all(self._is_count(arg) for arg in args):
            a, b = map(self.number, args)
            return Bound(a.most * b.most, a.exact and b.exact)
        if target in (operator.floordiv, operator.mod) and isinstance(args[1], int) and args[1] > 0:
            if target is operator.mod:
                return Bound(sympy.Integer(args[1] - 1))
            a = self.number(args[0])
            return Bound(simplest(FloorDiv(a.most, args[1])), a.exact)
        if target is to_int and isinstance(_val(args[0]), (torch.SymInt, torch.SymBool)):
            return self.number(args[0])
        if target is operator.getitem and args[0].target is branch:
            module = self._modules[node.graph]
            ways = [results(body)[args[1]] for body, _ in parts(module, args[0])]
            return self._chosen(select, (None, *ways))
        raise NoBound

    def _placed(self, place: fx.Node) -> Bound:
        if place in self.given:
            return self.number(self.given[place])
        if place in self._trip_of:
            trips = self.number(self._trip_of[place].args[0])
            return Bound(trips.most - 1)
        if place in self._carried:
            start, after, node = self._carried[place]
            step = _step(place, after)
            if step is not None:
                first = self.number(start).most
                if step <= 0:
                    return Bound(first)
                return Bound(first + step * simplest(sympy.Max(0, self.number(node.args[0]).most)))
        if place.graph is self._root.graph:
            return Bound(self._atom(place), True)
        raise NoBound

    def _chosen(self, target: Any, args: Any) -> Bound:
        if target is minimum:
            found = []
            for arg in args:
                try:
                    found.append(self.number(arg))
                except NoBound:
                    continue
            if not found:
                raise NoBound
            exact = len(found) == len(args) and all(bound.exact for bound in found)
            return Bound(simplest(sympy.Min(*(bound.most for bound in found))), exact)
        choices = args[1:] if target is select else args
        bounds = [self.number(arg) for arg in choices]
        exact = all(bound.exact for bound in bounds)
        most = simplest(sympy.Max(*(bound.most for bound in bounds)))
        return Bound(most, exact and (target is maximum or len({b.most for b in bounds}) == 1))

    def _difference(self, left: Any, right: Any) -> Bound:
        a = self.number(left)
        try:
            b = self.number(right)
            if b.exact:
                return Bound(a.most - b.most, a.exact)
        except NoBound:
            pass
        least = self.least(right)
        if least is None:
            raise NoBound
        return Bound(a.most - least)

    # -- lower bounds ----------------------------------------------------------------------------

    def least(self, value: Any) -> int | None:
        """A lower bound of a number; None where none is found."""
        if isinstance(value, int):
            return int(value)
        if not isinstance(value, fx.Node) or value in self._asked:
            return None
        self._asked.add(value)
        try:
            return self._least(value)
        finally:
            self._asked.discard(value)

    def _is_count(self, value: Any) -> bool:
        """Whether a number is known to be no negative one."""
        least = self.least(value)
        return least is not None and least >= 0

    def _least(self, node: fx.Node) -> int | None:
        target: Any = node.target
        args: Any = node.args
        if node.op == "placeholder":
            return self._least_placed(node)
        if target in (aten.sym_size.int, sequence_length):
            return 0
        if target is operator.mod and isinstance(args[1], int) and args[1] > 0:
            return 0
        known = [self.least(arg) for arg in args] if target in _ARITHMETIC else []
        if target is maximum:
            return max((k for k in known if k is not None), default=None)
        if target is select:
            known = [self.least(arg) for arg in args[1:]]
        if not known or any(k is None for k in known):
            return None
        a, b = known
        assert a is not None and b is not None
        if target in (minimum, select):
            return min(a, b)
        if target is operator.add:
            return a + b
        if target is operator.mul:
            return a * b if a >= 0 and b >= 0 else None
        divides = target is operator.floordiv and isinstance(args[1], int) and args[1] > 0
        return a // args[1] if divides else None

    def _least_placed(self, place: fx.Node) -> int | None:
        if place in self.given:
            return self.least(self.given[place])
        if place in self._trip_of:
            return 0
        if place in self._carried:
            start, after, _ = self._carried[place]
            step = _step(place, after)
            return self.least(start) if step is not None and step >= 0 else None
        return None

    # -- sizes -----------------------------------------------------------------------------------

    def size(self, size: Any) -> Bound:
        """An upper bound of a size from the metadata of a value, as `number`."""
        if isinstance(size, int):
            return Bound(sympy.Integer(size), True)
        return self._size(raw_expression(size))

    def _size(self, expr: Any) -> Bound:
        if expr.is_Integer:
            return Bound(sympy.Integer(int(expr)), True)
        if expr.is_Symbol and str(expr) in self._lists:
            try:
                return self._length(self._lists[str(expr)])
            except NoBound:
                pass  # the list of a tensor's rows: the tensor tells
        kind = expr.func.__name__
        if kind in ("Add", "Max", "Min", "FloorDiv", "Mul"):
            bounds = [self._size(arg) for arg in expr.args]
            mosts = [bound.most for bound in bounds]
            exact = all(bound.exact for bound in bounds)
            if kind == "FloorDiv" and not mosts[1].is_Integer:
                raise NoBound
            if kind == "Mul" and not exact and any(most.is_negative for most in mosts):
                raise NoBound
            make: Any = {"Add": sympy.Add, "Max": sympy.Max, "Min": sympy.Min, "Mul": sympy.Mul}
            return Bound(simplest(make.get(kind, FloorDiv)(*mosts)), exact)
        given = self._sizes.is_given(expr)
        found = self._sizes.bound_expression(expr, self.anchor)
        if isinstance(found, int):
            return Bound(sympy.Integer(found))
        return Bound(self._atom(found), given)

    # -- between expressions and nodes -----------------------------------------------------------

    def _atom(self, node: fx.Node) -> sympy.Symbol:
        """The symbol of a number that the root computes; numbers of one value share it."""
        name = str(_val(node))
        if name not in self._symbols:
            floor = self.least(node) if node not in self._asked else self._least(node)
            signs = {"nonnegative": True} if floor is not None and floor >= 0 else {}
            symbol = sympy.Symbol(f"n{len(self._symbols)}", integer=True, **signs)
            self._symbols[name] = symbol
            self._nodes[symbol] = node
        return self._symbols[name]

    def write(self, expr: sympy.Expr) -> int | fx.Node:
        """A number or node of the root, before the anchor, for an expression."""
        if expr not in self._written:
            self._written[expr] = self._write(expr)
        return self._written[expr]

    def _write(self, expr: Any) -> int | fx.Node:
        if expr.is_Integer:
            return int(expr)
        if expr.is_Symbol:
            return self._nodes[expr]
        kind = expr.func.__name__
        if kind == "Pow":
            return self.write(sympy.Mul(*[expr.args[0]] * int(expr.args[1]), evaluate=False))
        function: Any = {
            "Add": operator.add,
            "Mul": operator.mul,
            "Max": maximum,
            "Min": minimum,
            "FloorDiv": operator.floordiv,
        }[kind]
        first, *others = [self.write(arg) for arg in expr.args]
        for other in others:
            first = self._compute(function, first, other)
        return first

    def _compute(self, function: Any, left: int | fx.Node, right: int | fx.Node) -> int | fx.Node:
        if isinstance(left, int) and isinstance(right, int):
            return int(function(left, right))
        on_symbols = {maximum: torch.sym_max, minimum: torch.sym_min}.get(function, function)
        return call(self.anchor, function, left, right, val=on_symbols(_val(left), _val(right)))


_ARITHMETIC = {maximum, minimum, operator.add, operator.mul, operator.floordiv, select}


def simplest(expr: Any) -> Any:
    """An expression in the form that equal ones share, as far as that is cheap."""
    return sympy.expand(expr)


def _step(place: fx.Node, after: Any) -> int | None:
    """What a trip adds to a carried number; None where that is not one constant."""
    if after is place:
        return 0
    before, then = _val(place), _val(after)
    if not isinstance(before, torch.SymInt) or not isinstance(then, torch.SymInt):
        return None
    step = raw_expression(then) - raw_expression(before)
    return int(step) if step.is_Integer else None


def _val(value: Any) -> Any:
    return value.meta.get("val") if isinstance(value, fx.Node) else value
