"""How long the lists of a graph become at most, and what capacity those need that loops carry."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sympy
from fxexport.passes.bounds.expressions import Bound, simplest
from fxexport.passes.bounds.number_bounds import NumberBounds
from fxexport.passes.bounds.number_rules import NoBound
from torch import fx

from fxexport.graph.arguments import node_of
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import (
    SequenceVal,
    sequence_cast,
    sequence_erase,
    sequence_extend,
    sequence_insert,
    sequence_of,
    sequence_rows,
)

__all__ = ["Length", "ListLengths", "NoBuffer"]

_NO_BOUND = "a list that grows in a loop without a bound on its iterations"
_NO_BOUND_HINT = (
    "give the largest number of iterations (--max-trips N), or stop at a count: "
    "while len(items) < 100"
)


class NoBuffer(Exception):
    """A list cannot be given a buffer.

    Attributes:
        node: where the user makes or changes it.
        text: why.
        hint: what to do.
    """

    def __init__(self, node: fx.Node, text: str, hint: str) -> None:
        super().__init__(text)
        self.node, self.text, self.hint = node, text, hint


@dataclass(frozen=True)
class Length:
    """How long a list is at most.

    Attributes:
        most: an expression of what the root knows, and of the lengths that the lists carried by the
            loops around have at the start of an iteration.
        exact: whether it is that long.
        family: the carried list that it comes of, and whose buffer it shares; None for a list with
            a buffer of its own.
    """

    most: sympy.Expr
    exact: bool = False
    family: sympy.Symbol | None = None


@dataclass
class _CarriedList:
    """What becomes of one carried list in an iteration."""

    peaks: list[sympy.Expr] = field(default_factory=list)
    outer: sympy.Symbol | None = None
    capacity: sympy.Expr | None = None


class ListLengths:
    """Looks at all lists of a graph at once.

    Attributes:
        numbers: bounds of the numbers that lengths are made of.
        lengths: for each node that is a list.
    """

    def __init__(self, graph: CapturedGraph) -> None:
        """Looks at the lists.

        Raises:
            NoBuffer: for one of them nothing bounds the length, or its items have no common shape.
        """
        self._root = graph.module
        self.numbers = NumberBounds(graph, self._bound_of)
        self.lengths: dict[fx.Node, Length] = {}
        self._families: dict[sympy.Symbol, _CarriedList] = {}
        self._symbols: dict[tuple[fx.Node, int], sympy.Symbol] = {}
        self._longest: dict[sympy.Symbol, sympy.Expr] = {}
        self._after: dict[tuple[fx.Node, int], Length] = {}
        self._walk(graph.module)

    def _bound_of(self, node: fx.Node) -> Bound:
        if node not in self.lengths:
            raise NoBound
        length = self.lengths[node]
        return Bound(length.most, length.exact)

    # -- what the buffers need -------------------------------------------------------------------

    def most(self, node: fx.Node) -> sympy.Expr:
        """The largest length of a list, an expression of what the root knows."""
        return simplest(self._settled(self.lengths[node].most))

    def capacity(self, node: fx.Node, k: int) -> sympy.Expr:
        """The capacity of the buffer that a loop carries as its k-th value."""
        return self.capacity_of(self._symbols[node, k])

    def capacity_of(self, family: sympy.Symbol) -> sympy.Expr:
        """The capacity of the buffer that a family of lists shares."""
        found = self._families[family]
        if found.outer is not None:
            return self.capacity_of(found.outer)
        assert found.capacity is not None
        return simplest(self._settled(found.capacity))

    def after(self, node: fx.Node, k: int) -> Length:
        """The length of the k-th list that a loop carries, after the loop."""
        return self._after[node, k]

    @property
    def unsettled(self) -> frozenset[sympy.Symbol]:
        """The symbols for lengths at the start of an iteration."""
        return frozenset(self._longest)

    def _settled(self, expr: sympy.Expr) -> sympy.Expr:
        """Without lengths at the start of an iteration."""
        while known := expr.free_symbols & self._longest.keys():
            expr = expr.subs({symbol: self._longest[symbol] for symbol in known})
        return expr

    # -- node by node ----------------------------------------------------------------------------

    def _walk(self, module: fx.GraphModule) -> None:
        for node in module.graph.nodes:
            if module is self._root:
                self.numbers.anchor = node
            if node.target is branch:
                for body, _ in parts(module, node):
                    self._walk(body)
            elif node.target is loop:
                self._loop(module, node)
            elif isinstance(node.meta.get("val"), SequenceVal) and node not in self.lengths:
                self._note(node, self._length(module, node))
        if module is self._root:
            for value in results(module):
                if isinstance(value, fx.Node) and isinstance(value.meta.get("val"), SequenceVal):
                    raise NoBuffer(
                        value,
                        "a list whose length is known only when the model runs is an output",
                        "return torch.stack(items), which becomes a padded output with a count",
                    )

    def _note(self, node: fx.Node, length: Length) -> None:
        if None in node.meta["val"].dims:
            raise NoBuffer(
                node,
                "a list whose items differ in size, and whose length is known only when it runs",
                "pad the items to one size, or write into a tensor made before the loop",
            )
        self.lengths[node] = length
        if length.family is not None:
            self._families[length.family].peaks.append(length.most)

    def _length(self, module: fx.GraphModule, node: fx.Node) -> Length:
        target: Any = node.target
        args: Any = node.args
        if node.op == "placeholder":
            if module is self._root:
                raise NoBuffer(
                    node, "a list of any length is an input", "pass a tensor and its true length"
                )
            return self.lengths[node_of(self.numbers.given[node])]
        if target is operator.getitem:
            if args[0].target is loop:
                return self._after[args[0], args[1]]
            return self._of_paths(module, args[0], args[1])
        if target is sequence_of:
            return Length(sympy.Integer(len(args) - 1), True)
        if target is sequence_rows:
            try:
                rows = self.numbers.size(args[0].meta["val"].shape[0])
            except NoBound:
                raise NoBuffer(node, _NO_BOUND, _NO_BOUND_HINT) from None
            return Length(rows.most, rows.exact)
        before = self.lengths[args[0]]
        if target is sequence_cast:
            return Length(before.most, before.exact)
        more = {sequence_insert: sympy.Integer(1), sequence_erase: sympy.Integer(-1)}.get(target)
        exact = before.exact
        if target is sequence_extend:
            more, exact = self.lengths[args[1]].most, exact and self.lengths[args[1]].exact
        return Length(simplest(before.most + more), exact, before.family)

    def _of_paths(self, module: fx.GraphModule, node: fx.Node, k: int) -> Length:
        """A list that each path of a branch makes: in the buffer of a carried one, if either is."""
        a, b = (self.lengths[results(body)[k]] for body, _ in parts(module, node))
        family = a.family if a.family is not None else b.family
        exact = a.exact and b.exact and a.most == b.most
        most = a.most if a.most == b.most else simplest(sympy.Max(a.most, b.most))
        for path in (a, b):
            if family is not None and path.family != family:
                self._families[family].peaks.append(path.most)
        return Length(most, exact, family)

    # -- loops -----------------------------------------------------------------------------------

    def _loop(self, module: fx.GraphModule, node: fx.Node) -> None:
        ((body, placeholders),) = parts(module, node)
        carried: Any = node.args[3]
        lists: dict[sympy.Symbol, int] = {}
        for k, start in enumerate(carried):
            placeholder = placeholders[1 + k]
            if not isinstance(placeholder.meta.get("val"), SequenceVal):
                continue
            symbol = sympy.Symbol(f"l{len(self._families)}", integer=True, nonnegative=True)
            lists[symbol] = k
            self._symbols[node, k] = symbol
            self._families[symbol] = _CarriedList(outer=self.lengths[start].family)
            self._note(placeholder, Length(symbol, True, symbol))
        self._walk(body)
        ends = {s: self.lengths[results(body)[1 + k]] for s, k in lists.items()}
        starts = {s: self.lengths[carried[k]] for s, k in lists.items()}
        self._settle(node, starts, ends)
        always = results(body)[0] is True and node.args[1] is True
        for symbol, k in lists.items():
            result = self._result(node, symbol, starts[symbol], ends[symbol], always)
            self._after[node, k] = result
            if result.family is not None:
                self._families[result.family].peaks.append(self._families[symbol].capacity)

    def _settle(
        self, node: fx.Node, starts: dict[sympy.Symbol, Length], ends: dict[sympy.Symbol, Length]
    ) -> None:
        """Finds the lists' largest lengths, those first that depend on no other."""
        left = set(ends)
        while left:
            alone = [s for s in ends if s in left and self._of_iteration(ends[s].most, left) <= {s}]
            group = set(alone[:1]) or left
            self._settle_group(node, group, starts, ends)
            left -= group

    def _of_iteration(self, expr: sympy.Expr, left: set[sympy.Symbol]) -> set[sympy.Symbol]:
        return self._settled(expr).free_symbols & left

    def _settle_group(
        self,
        node: fx.Node,
        group: set[sympy.Symbol],
        starts: dict[sympy.Symbol, Length],
        ends: dict[sympy.Symbol, Length],
    ) -> None:
        """Lists that are made of each other, or one alone: each grows by a fixed number at most."""
        growths: list[sympy.Expr] = [sympy.Integer(0)]
        anew = [starts[symbol].most for symbol in group]
        for symbol in group:
            for base, more in self._terms(node, self._settled(ends[symbol].most), group):
                (anew if base is None else growths).append(more)
        growth = simplest(sympy.Max(*growths))
        first = simplest(sympy.Max(*anew))
        longest = first
        if growth != 0:
            longest = simplest(first + self._trip_count(node) * growth)
        for symbol in group:
            self._longest[symbol] = longest
        for symbol in group:
            self._families[symbol].capacity = self._capacity(node, group, longest, growth)

    def _capacity(
        self, node: fx.Node, group: set[sympy.Symbol], longest: sympy.Expr, growth: sympy.Expr
    ) -> sympy.Expr:
        """What an iteration needs beyond what it leaves: a list may grow and shrink again."""
        beyond: list[sympy.Expr] = [sympy.Integer(0)]
        anew = [longest]
        known = {symbol: self._longest.pop(symbol) for symbol in group}
        try:
            for symbol in group:
                for peak in self._families[symbol].peaks:
                    for base, more in self._terms(node, self._settled(peak), group):
                        (anew.append(more) if base is None else beyond.append(more - growth))
        finally:
            self._longest.update(known)
        return simplest(sympy.Max(longest + simplest(sympy.Max(*beyond)), *anew))

    def _trip_count(self, node: fx.Node) -> sympy.Expr:
        try:
            if node.args[0] is None:
                raise NoBound
            return simplest(sympy.Max(0, self.numbers.number(node.args[0]).most))
        except NoBound:
            raise NoBuffer(node, _NO_BOUND, _NO_BOUND_HINT) from None

    def _terms(
        self, node: fx.Node, expr: sympy.Expr, group: set[sympy.Symbol]
    ) -> Iterator[tuple[sympy.Symbol | None, sympy.Expr]]:
        """An upper bound as the largest of: a list of the group and so many items, or so many."""
        inside = expr.free_symbols & group
        if not inside:
            yield None, expr
        elif expr.is_Symbol:
            yield expr, sympy.Integer(0)
        elif expr.func is sympy.Max:
            for arg in expr.args:
                yield from self._terms(node, arg, group)
        elif expr.func is sympy.Min:
            free = [arg for arg in expr.args if not arg.free_symbols & group]
            yield from (
                [(None, sympy.Min(*free))] if free else self._terms(node, expr.args[0], group)
            )
        elif expr.func is sympy.Add:
            varying = [arg for arg in expr.args if arg.free_symbols & group]
            rest = sympy.Add(*(arg for arg in expr.args if not arg.free_symbols & group))
            if len(varying) > 1:
                raise NoBuffer(node, *_TOO_FAST)
            for base, more in self._terms(node, varying[0], group):
                yield base, more + rest
        else:
            raise NoBuffer(node, *_TOO_FAST)

    def _result(
        self, node: fx.Node, symbol: sympy.Symbol, start: Length, end: Length, always: bool
    ) -> Length:
        """The length after the loop: exact where every iteration adds the same."""
        more = simplest(end.most - symbol)
        if always and start.exact and end.exact and symbol not in more.free_symbols:
            if more == 0:
                return Length(start.most, True, start.family)
            if not more.free_symbols & self._longest.keys():
                try:
                    trip_count = self.numbers.number(node.args[0])
                except NoBound:
                    trip_count = Bound(sympy.Integer(0))
                if trip_count.exact:
                    count = simplest(sympy.Max(0, trip_count.most))
                    return Length(simplest(start.most + count * more), True, start.family)
        return Length(self._longest[symbol], False, start.family)


_TOO_FAST = (
    "a list that grows by more than a fixed number of items an iteration, as by its own length",
    "bound its length: items = items[:100]",
)
