"""Bounds of whole numbers anywhere in a graph, as expressions of what the root knows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import sympy
import torch
from fxexport.passes.bounds.expressions import Bound, BoundArithmetic, simplest
from fxexport.passes.bounds.number_rules import (
    NoBound,
    least_of_operation,
    operation_of,
    upper_of_operation,
)
from fxexport.passes.bounds.size_bounds import SizeBounds
from fxexport.passes.bounds.symbols import plain_symbol
from torch import fx
from torch.fx.node import Argument

from fxexport._torch_compat import raw_expression
from fxexport.graph.arguments import (
    Number,
    captured_of,
    carried_of,
    item_of,
    node_of,
    operands_of,
    val_of,
)
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import SequenceVal, sequence_length

__all__ = ["NumberBounds"]

aten = torch.ops.aten


class NumberBounds:
    """Looks at the numbers in one captured graph.

    A number is looked at as the node that computes it, not as its symbol: the placeholders of a
    body stand for values of the graphs around, and the root knows each number that it computes. Its
    sizes, and operations on numbers, have the rules of all bounds. An expression's symbols stand
    for numbers of the root (`write` turns one into a node there), and for lengths of lists that a
    caller has yet to find (`length`).

    Attributes:
        anchor: the node of the root that is looked at, or that the body looked at belongs to:
            what is written goes before it.
        given: what stands behind the placeholders of bodies, for those that are captured.
    """

    def __init__(self, graph: CapturedGraph, length: Callable[[fx.Node], Bound]) -> None:
        """Looks at the graph.

        Args:
            graph: the graph.
            length: the length of a list; it raises `NoBound` for one that has none yet.
        """
        self._root = graph.module
        self._length = length
        self._sizes = SizeBounds(graph, self._rows_of_list, lambda: self.anchor)
        self._arithmetic = BoundArithmetic()
        self._asked: set[fx.Node] = set()
        self.given: dict[fx.Node, Argument] = {}
        self._iteration_of: dict[fx.Node, fx.Node] = {}
        self._carried: dict[fx.Node, tuple[object, object, fx.Node]] = {}
        # The lists whose lengths are sizes of other values, by symbol.
        self._lists: dict[str, fx.Node] = {}
        self.anchor: fx.Node = graph.module.graph.output_node()
        self._modules: dict[fx.Graph, fx.GraphModule] = {}
        for module in graph.graphs():
            self._modules[module.graph] = module
            for node in module.graph.nodes:
                self._note(module, node)

    def _note(self, module: fx.GraphModule, node: fx.Node) -> None:
        val = node.meta.get("val")
        length = plain_symbol(val.length) if isinstance(val, SequenceVal) else None
        if length is not None:
            self._lists.setdefault(str(length), node)
        if node.target is branch:
            for _, placeholders in parts(module, node):
                self.given.update(zip(placeholders, operands_of(node), strict=True))
        elif node.target is loop:
            ((body, placeholders),) = parts(module, node)
            carried, captured = carried_of(node), captured_of(node)
            self._iteration_of[placeholders[0]] = node
            after = results(body)[1:]
            for k, start in enumerate(carried):
                self._carried[placeholders[1 + k]] = (start, after[k], node)
            self.given.update(zip(placeholders[1 + len(carried) :], captured, strict=True))

    # -- upper bounds ----------------------------------------------------------------------------

    def number(self, value: object) -> Bound:
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
            if node.graph is not self._root.graph or not isinstance(val_of(node), torch.SymInt):
                raise
            return Bound(self._symbol(node), True)

    def _made(self, node: fx.Node) -> Bound:
        if node.op == "placeholder":
            return self._of_placeholder(node)
        if node.target is sequence_length:
            return self._length(node_of(node.args[0]))
        if node.target is aten.sym_size.int:
            return self.size(val_of(node))
        if (paths := self._paths(node)) is not None:
            return self._arithmetic.one_of(list(map(self.number, paths)))
        operation = operation_of(node)
        if operation is None:
            raise NoBound
        return upper_of_operation(self._arithmetic, *operation, self.number, self.least)

    def _paths(self, node: fx.Node) -> list[object] | None:
        """What a result of a branch is on either path; None for other nodes."""
        found = item_of(node)
        if found is None or found[0].target is not branch:
            return None
        source, k = found
        return [results(body)[k] for body, _ in parts(self._modules[node.graph], source)]

    def _of_placeholder(self, placeholder: fx.Node) -> Bound:
        if placeholder in self.given:
            return self.number(self.given[placeholder])
        if placeholder in self._iteration_of:
            trip_count = self.number(self._iteration_of[placeholder].args[0])
            return Bound(trip_count.most - 1)
        if placeholder in self._carried:
            start, after, node = self._carried[placeholder]
            step = _step(placeholder, after)
            if step is not None:
                first = self.number(start).most
                if step <= 0:
                    return Bound(first)
                trip_count = self.number(node.args[0])
                return Bound(first + step * simplest(sympy.Max(0, trip_count.most)))
        if placeholder.graph is self._root.graph:
            return Bound(self._symbol(placeholder), True)
        raise NoBound

    # -- lower bounds ----------------------------------------------------------------------------

    def least(self, value: object) -> int | None:
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

    def _least(self, node: fx.Node) -> int | None:
        if node.op == "placeholder":
            return self._least_of_placeholder(node)
        if node.target in (aten.sym_size.int, sequence_length):
            return 0
        operation = operation_of(node)
        return None if operation is None else least_of_operation(*operation, self.least)

    def _least_of_placeholder(self, placeholder: fx.Node) -> int | None:
        if placeholder in self.given:
            return self.least(self.given[placeholder])
        if placeholder in self._iteration_of:
            return 0
        if placeholder in self._carried:
            start, after, _ = self._carried[placeholder]
            step = _step(placeholder, after)
            return self.least(start) if step is not None and step >= 0 else None
        return None

    # -- sizes, and expressions as nodes ---------------------------------------------------------

    def size(self, size: object) -> Bound:
        """An upper bound of a size from the metadata of a value, as `number`."""
        found = self._sizes.upper(size)
        return Bound(simplest(found.most), found.exact)

    def _rows_of_list(self, symbol: sympy.Symbol) -> Bound | None:
        if str(symbol) in self._lists:
            with contextlib.suppress(NoBound):  # the list of a tensor's rows: the tensor tells
                return self._length(self._lists[str(symbol)])
        return None

    def _symbol(self, node: fx.Node) -> sympy.Symbol:
        floor = self.least(node) if node not in self._asked else self._least(node)
        return self._sizes.numbers.symbol(node, None, is_count=floor is not None and floor >= 0)

    def write(self, expr: sympy.Expr) -> Number:
        """A number or node of the root, before the anchor, for an expression."""
        return self._sizes.numbers.write(expr, self.anchor)


def _step(placeholder: fx.Node, after: object) -> int | None:
    """What an iteration adds to a carried number; None where that is not one constant."""
    if after is placeholder:
        return 0
    before, then = val_of(placeholder), val_of(after)
    if not isinstance(before, torch.SymInt) or not isinstance(then, torch.SymInt):
        return None
    step = raw_expression(then) - raw_expression(before)
    return int(step) if step.is_Integer else None
