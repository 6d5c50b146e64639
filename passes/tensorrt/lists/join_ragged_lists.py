"""Lists whose items differ in size, and that are only joined, are joined as they grow.

Requires: a graph of functional operators; to run before `lists_to_buffers`.
Does: a list of tensors that differ in size along one dimension (`keep.append(index[mask])`), that
only grows at its end and of which nothing but `torch.cat` along that dimension, and its length, is
asked, becomes the tensor that `torch.cat` would make of it, at every point, and a count of its
items. Lists that branches and loops give, carry or take are among them.
Ensures: the outputs are the same; a tensor that grows (`torch.cat([rows, item])`) stands for each
such list. Lists of which more is asked, or that start empty and have
other sizes that are not numbers, are left.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from fxexport.passes.rewriting.lists import erase_unused_lists, is_list
from fxexport.passes.rewriting.visiting import some_tensor
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import fake_beside, fresh_size
from fxexport.graph import CapturedGraph
from fxexport.graph.arguments import Number, Size
from fxexport.graph.editing import call, item, items, new_placeholder, parts, replace_uses, results
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import (
    SequenceVal,
    sequence_cast,
    sequence_extend,
    sequence_insert,
    sequence_join,
    sequence_length,
    sequence_of,
)

__all__ = ["run"]

aten = torch.ops.aten

_GROWING = (sequence_of, sequence_insert, sequence_extend, sequence_cast)


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such lists, in place."""
    ragged = _RaggedFamilies(graph).ragged()
    if not ragged:
        return graph
    beside = some_tensor(graph.graphs())
    assert beside is not None, "a list of no tensors"
    _JoinRewriter(ragged, beside).module(graph.module)
    erase_unused_lists(graph)
    return graph


@dataclass
class _RaggedFamily:
    """Lists that become one another, and what is asked of them."""

    dtype: torch.dtype = torch.float32
    dims: list[tuple[Any, ...]] = field(default_factory=list)
    joined: set[int] = field(default_factory=set)
    counted: bool = False
    whole: bool = False  # something is asked that needs the items
    empty: bool = False  # one of them is made without items

    @property
    def dim(self) -> int:
        """The dimension along which the items are joined."""
        return next(iter(self.joined))

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes of an item, those along the other dimensions."""
        return next(dims for dims in self.dims if dims)

    @property
    def is_ragged(self) -> bool:
        """Whether nothing but joins is asked, and the items differ along that dimension alone."""
        dims = [dims for dims in self.dims if dims]
        if self.whole or len(self.joined) != 1 or any(len(d) <= self.dim for d in dims):
            return False
        rests = [(*d[: self.dim], *d[self.dim + 1 :]) for d in dims]
        sizes = [size for rest in rests for size in rest]
        known = None not in sizes and (not self.empty or all(map(is_concrete_int, sizes)))
        ragged = any(d[self.dim] is None for d in dims)
        return ragged and known and len({tuple(map(str, rest)) for rest in rests}) == 1


class _RaggedFamilies:
    """Which lists of a graph become one another."""

    def __init__(self, graph: CapturedGraph) -> None:
        self._parent: dict[Any, Any] = {}
        self._lists: list[fx.Node] = []
        self._asked: list[tuple[fx.Node, str, Any]] = []
        for module in graph.graphs():
            for node in module.graph.nodes:
                self._read(graph.module, module, node)

    def ragged(self) -> dict[fx.Node, _RaggedFamily]:
        """The lists that are rewritten."""
        found: dict[Any, _RaggedFamily] = {}
        for node in self._lists:
            family = found.setdefault(self._top(node), _RaggedFamily())
            family.dims.append(tuple(node.meta["val"].dims))
            family.dtype = node.meta["val"].dtype
        for node, what, value in self._asked:
            family = found[self._top(node)]
            if what == "joined":
                family.joined.add(value)
            else:
                setattr(family, what, True)
        return {n: f for n in self._lists if (f := found[self._top(n)]).is_ragged}

    def _top(self, node: Any) -> Any:
        while node in self._parent:
            node = self._parent[node]
        return node

    def _same(self, a: object, b: object) -> None:
        if not (is_list(b) and (isinstance(a, tuple) or is_list(a))):
            return
        a, b = self._top(a), self._top(b)
        if a != b:
            self._parent[a] = b

    def _ask(self, nodes: Iterable[Any], what: str, value: Any = True) -> None:
        self._asked += [(node, what, value) for node in nodes if is_list(node)]

    def _read(self, root: fx.GraphModule, module: fx.GraphModule, node: fx.Node) -> None:
        target = node.target
        args: Any = node.args
        if is_list(node):
            self._lists.append(node)
            inside = node.op == "placeholder" and module is not root
            if not (inside or target in _GROWING or target is operator.getitem):
                self._ask([node], "whole")
        if target is branch:
            for body, placeholders in parts(module, node):
                self._pair(args[3], placeholders)
                self._results(node, results(body))
        elif target is loop:
            ((body, placeholders),) = parts(module, node)
            after = results(body)[1 : 1 + len(args[3])]
            self._pair((*args[3], *args[4]), placeholders[1:])
            self._pair(placeholders[1 : 1 + len(after)], after)
            self._results(node, after)
        elif target in (sequence_insert, sequence_cast, sequence_extend):
            self._same(node, args[0])
            if target is sequence_extend:
                self._same(node, args[1])
            elif target is sequence_insert and len(args) > 2 and args[2] is not None:
                self._ask([node], "whole")
        elif target is sequence_of:
            if len(args) == 1:
                self._ask([node], "empty")
        elif target is sequence_length:
            self._ask(args, "counted")
        elif target is sequence_join:
            self._ask(args[0], "whole" if args[2] else "joined", True if args[2] else args[1])
        elif target is not operator.getitem and (node.op != "output" or module is root):
            self._ask(node.all_input_nodes, "whole")

    def _pair(self, some: Sequence[Any], others: Sequence[Any]) -> None:
        for a, b in zip(some, others, strict=True):
            self._same(a, b)

    def _results(self, node: fx.Node, given: list[Any]) -> None:
        for k, value in enumerate(given):
            self._same((node, k), value)
        for k, user in items(node):
            self._same((node, k), user)


class _JoinRewriter:
    """Replaces lists by tensors, and by counts where these are asked for."""

    def __init__(self, lists: dict[fx.Node, _RaggedFamily], like: torch.Tensor) -> None:
        self._lists = lists
        self._like = like
        self._rows: dict[Any, fx.Node] = {}
        self._counts: dict[Any, Any] = {}

    def module(self, module: fx.GraphModule) -> None:
        """Rewrites one graph and its bodies."""
        for node in list(module.graph.nodes):
            target = node.target
            args: Any = node.args
            if target is branch:
                self._branch(module, node)
            elif target is loop:
                self._loop(module, node)
            elif target is sequence_length and args[0] in self._counts:
                replace_uses(node, self._counts[args[0]])
            elif target is sequence_join and any(part in self._rows for part in args[0]):
                given = [self._rows.get(part, part) for part in args[0]]
                made = call(node, aten.cat.default, given, args[1], val=node.meta["val"])
                node.replace_all_uses_with(made)
            elif target in _GROWING and node in self._lists:
                self._grow(node)

    # -- node by node --------------------------------------------------------------------------

    def _grow(self, node: fx.Node) -> None:
        target = node.target
        args: Any = node.args
        dtype = node.meta["val"].dtype
        if target is sequence_cast:
            before = self._rows[args[0]]
            made = call(node, aten._to_copy.default, before, val=before.meta["val"].to(dtype))
            made.kwargs = {"dtype": dtype}
            self._take(node, made, self._counts[args[0]])
        elif target is sequence_of:
            pieces = list(args[1:]) or [self._empty(node)]
            self._take(node, self._joined(node, pieces), len(args) - 1)
        else:
            pieces = [self._rows[args[0]], self._rows.get(args[1], args[1])]
            count = self._sum(node, self._counts[args[0]], self._counts.get(args[1], 1))
            self._take(node, self._joined(node, pieces), count)

    def _take(self, node: fx.Node, rows: fx.Node, count: Number) -> None:
        self._rows[node], self._counts[node] = rows, count

    def _sum(self, node: fx.Node, before: Any, more: Any) -> Any:
        if not self._lists[node].counted:
            return 0
        if isinstance(before, int) and isinstance(more, int):
            return before + more
        return call(node, operator.add, before, more, val=node.meta["val"].length)

    def _empty(self, node: fx.Node) -> fx.Node:
        val = self._fake(node, 0)
        made = call(node, aten.full.default, list(map(int, val.shape)), 0, val=val)
        made.kwargs = {"dtype": val.dtype, "device": val.device, "pin_memory": False}
        return made

    def _joined(self, node: fx.Node, pieces: list[fx.Node]) -> fx.Node:
        if len(pieces) == 1:
            return pieces[0]
        dim = self._lists[node].dim
        size = sum(piece.meta["val"].shape[dim] for piece in pieces)
        return call(node, aten.cat.default, pieces, dim, val=self._fake(node, size))

    def _fake(self, node: fx.Node, size: Size) -> torch.Tensor:
        """What a tensor is like that stands for a list, with a size where its items differ."""
        family = self._lists[node]
        shape = [size if d == family.dim else s for d, s in enumerate(family.shape)]
        return fake_beside(self._like, shape).to(family.dtype)

    # -- branches and loops --------------------------------------------------------------------

    def _handed(self, values: Sequence[Any]) -> tuple[list[int], list[Any], list[Any]]:
        """Which values are such lists, all values with tensors for them, and their counts."""
        ours = [k for k, value in enumerate(values) if value in self._rows]
        swapped = [self._rows.get(value, value) for value in values]
        counts = [self._counts[values[k]] for k in ours if self._lists[values[k]].counted]
        return ours, swapped, counts

    def _enter(
        self, body: fx.GraphModule, placeholders: list[fx.Node], vals: list[Any], behind: fx.Node
    ) -> None:
        """Lists that a body takes are tensors there, and counts behind a placeholder."""
        for placeholder, val in zip(placeholders, vals, strict=True):
            count: Number = 0
            if self._lists[placeholder].counted:
                count = new_placeholder(body.graph, "count", placeholder.meta["val"].length, behind)
                behind = count
            placeholder.meta["val"] = val
            self._take(placeholder, placeholder, count)

    def _branch(self, module: fx.GraphModule, node: fx.Node) -> None:
        operands: Any = node.args[3]
        ours, swapped, counts = self._handed(operands)
        node.args = (*node.args[:3], (*swapped, *counts))
        for body, placeholders in parts(module, node):
            if ours:
                vals = [swapped[k].meta["val"] for k in ours]
                self._enter(body, [placeholders[k] for k in ours], vals, placeholders[-1])
            self.module(body)
        self._leave(module, node, 0, len(node.meta["val"]))

    def _loop(self, module: fx.GraphModule, node: fx.Node) -> None:
        args: Any = node.args
        ((body, placeholders),) = parts(module, node)
        number = len(args[3])
        ours, carried, counts = self._handed(args[3])
        theirs, captured, more = self._handed(args[4])
        node.args = (*args[:3], (*carried, *counts), (*captured, *more), *args[5:])
        given = placeholders[1 + number :]
        if theirs:
            vals = [captured[k].meta["val"] for k in theirs]
            self._enter(body, [given[k] for k in theirs], vals, placeholders[-1])
        mine = [placeholders[1 + k] for k in ours]
        vals = [self._fake(placeholder, fresh_size(self._like)) for placeholder in mine]
        self._enter(body, mine, vals, placeholders[number])
        self.module(body)
        self._leave(module, node, 1, number)

    def _leave(self, module: fx.GraphModule, node: fx.Node, skip: int, number: int) -> None:
        """Bodies give tensors and counts, which stand for the lists from here on.

        Args:
            module: the graph that the branch or loop is in.
            node: the branch or loop.
            skip: how many values its bodies give that are no results.
            number: behind which result counts are put.
        """
        vals = list(node.meta["val"])
        counts: dict[int, int] = {}
        for body, _ in parts(module, node):
            given = results(body)
            own = given[skip : skip + number]
            ours, swapped, more = self._handed(own)
            for k in ours:
                if self._lists[own[k]].counted:
                    counts.setdefault(k, number + len(counts))
            body.graph.output_node().args = (
                (*given[:skip], *swapped, *more, *given[skip + number :]),
            )
        for index, user in list(items(node)):
            if index >= number:
                user.args = (node, index + len(counts))
        lengths = [vals[k].length for k in counts]
        for k, val in enumerate(vals[:number]):
            if isinstance(val, SequenceVal) and own[k] in self._rows:
                vals[k] = self._fake(own[k], fresh_size(self._like))
        node.meta["val"] = (*vals[:number], *lengths, *vals[number:])
        for k, user in list(items(node)):
            if user in self._lists:
                count: Any = item(node.next, node, counts[k]) if k in counts else 0
                user.meta["val"] = vals[k]
                self._take(user, user, count)
