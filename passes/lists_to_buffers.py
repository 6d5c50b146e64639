"""Lists whose length is known only when the model runs become buffers of fixed room, and counts.

Requires: a graph of functional operators; to run before branches are moved.
Does: each sequence becomes a tensor `[room, *item]` and a number, the count of its items. The room
is the largest length that there can be: of what is known before the model runs, the bound of a
loop's trips times what a trip adds, and the larger of two ways. In bodies, rows are written and
read at indices, and nothing there has a size that depends on the count; `torch.stack` and
`torch.cat` of a list are cut to the count, at the root if the list was made there.
Ensures: the outputs are the same and no sequence is left; or, where a list cannot be given a buffer
(nothing bounds its length, its items differ in size, it is an input or an output), the graph is as
it was, and `node.meta["no_room"]` of a node of that list says why and what to do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sympy
import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph import CapturedGraph
from fxexport.graph.buffers import Buffer, Buffers
from fxexport.graph.editing import (
    call,
    item,
    items,
    new_place,
    parts,
    put_in_place,
    results,
)
from fxexport.graph.hoisting import behind, hoist, is_harmless
from fxexport.graph.inward import Inward
from fxexport.graph.list_lengths import ListLengths, NoRoom
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import (
    SEQUENCE_FUNCTIONS,
    SequenceVal,
    sequence_at,
    sequence_cast,
    sequence_erase,
    sequence_extend,
    sequence_insert,
    sequence_join,
    sequence_length,
    sequence_of,
)

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites all lists of the graph, or none."""
    if not any(is_list(node) for module in graph.graphs() for node in module.graph.nodes):
        return graph
    try:
        lengths = ListLengths(graph)
    except NoRoom as reason:
        reason.node.meta["no_room"] = (reason.text, reason.hint)
        return graph
    _Rewriter(graph, lengths).rewrite()
    return graph


def is_list(node: Any) -> bool:
    """Whether a node is a sequence."""
    return isinstance(node, fx.Node) and isinstance(node.meta.get("val"), SequenceVal)


class _Rewriter:
    """Puts buffers in the place of all lists of a graph."""

    def __init__(self, graph: CapturedGraph, lengths: ListLengths) -> None:
        self._graph = graph
        self._root = graph.module
        self._lengths = lengths
        self._inward = Inward(graph)
        self._modules = {module.graph: module for module in graph.graphs()}
        self._made: dict[Any, fx.Node] = {}
        self._buffers: dict[fx.Node, Buffer] = {}
        self._write = Buffers(_some_tensor(graph), self._number, self._size, self._root_tensor)

    def rewrite(self) -> None:
        """Rewrites the root and all bodies."""
        self._module(self._root)
        for module in list(self._graph.graphs()):
            for node in reversed(list(module.graph.nodes)):
                if node.target in SEQUENCE_FUNCTIONS:
                    module.graph.erase_node(node)
            module.recompile()

    # -- what buffers ask for --------------------------------------------------------------------

    def _number(self, at: fx.Node, expr: sympy.Expr) -> Any:
        return self._inward.bring(
            self._modules[at.graph], self._lengths.numbers.write(sympy.expand(expr))
        )

    def _root_tensor(self, at: fx.Node, key: Any, written: Callable[[fx.Node], fx.Node]) -> fx.Node:
        if key not in self._made:
            self._made[key] = written(self._lengths.numbers.anchor)
        found: fx.Node = self._inward.bring(self._modules[at.graph], self._made[key])
        return found

    def _size(self, at: fx.Node, size: Any) -> Any:
        """The size of an item: from a tensor that has it, here or in a graph around."""
        module, before = self._modules[at.graph], at
        while True:
            for node in module.graph.nodes:
                if node is before:
                    break
                val = node.meta.get("val")
                if isinstance(val, torch.SymInt) and str(val) == str(size):
                    return self._inward.bring(self._modules[at.graph], node)
                if isinstance(val, torch.Tensor) and node.op != "get_attr":
                    for dim, there in enumerate(val.shape):
                        if str(there) == str(size) and not is_concrete_int(there):
                            found = call(before, aten.sym_size.int, node, dim, val=there)
                            return self._inward.bring(self._modules[at.graph], found)
            around = self._inward.owner(module)
            if around is None:
                return self._number(at, self._lengths.numbers.size(size).most)
            module, before = around

    # -- node by node ----------------------------------------------------------------------------

    def _module(self, module: fx.GraphModule) -> None:
        for node in list(module.graph.nodes):
            if module is self._root:
                self._lengths.numbers.anchor = node
            if node.target is branch:
                self._branch(module, node)
            elif node.target is loop:
                self._loop(module, node)
            elif node.target in SEQUENCE_FUNCTIONS:
                self._function(module, node)

    def _function(self, module: fx.GraphModule, node: fx.Node) -> None:
        target: Any = node.target
        args: Any = node.args
        if target is sequence_length:
            put_in_place(node, self._buffers[args[0]].count)
        elif target is sequence_at:
            buffer = self._buffers[args[0]]
            made = self._write.at(node, buffer, args[1], self._is_positive(args[1]))
            _stand_in(node, made)
        elif target is sequence_join:
            _stand_in(node, self._joined(module, node, *args))
        else:
            self._buffers[node] = self._changed(node)

    def _is_positive(self, index: Any) -> bool:
        least = self._lengths.numbers.least(index)
        return least is not None and least >= 0

    def _changed(self, node: fx.Node) -> Buffer:
        """The list that a function makes."""
        target: Any = node.target
        args: Any = node.args
        val: SequenceVal = node.meta["val"]
        write, length = self._write, val.length
        if target is sequence_of:
            return write.of(node, val.dtype, val.dims, list(args[1:]))
        before = self._buffers.get(args[0])
        if before is None:  # sequence_rows
            exact = self._lengths.lengths[node].exact
            return write.of_rows(node, args[0], self._lengths.most(node), exact, val.dims)
        roomy = self._lengths.lengths[node].family is not None
        if target is sequence_cast:
            return write.cast(node, before, val.dtype)
        if target is sequence_erase:
            return write.erased(node, before, args[1], length, self._is_positive(args[1]))
        if target is sequence_extend:
            more = self._buffers[args[1]]
            fits = more.room == self._lengths.most(args[1])
            return write.extended(node, before, more, length, roomy, fits)
        assert target is sequence_insert
        if len(args) == 2 or args[2] is None:
            return write.appended(node, before, args[1], length, roomy)
        if self._sets(args[0], args[2]):
            whole = self._buffers[args[0].args[0]]
            return write.put(node, whole, args[1], args[2])
        return write.inserted(node, before, args[1], args[2], length, roomy)

    def _sets(self, shorter: fx.Node, index: Any) -> bool:
        """Whether an insertion puts an item in the place of one that was taken out."""
        if shorter.target is not sequence_erase or not self._is_positive(index):
            return False
        taken = shorter.args[1]
        return taken is index or (isinstance(index, int) and bool(taken == index))

    def _joined(
        self, module: fx.GraphModule, node: fx.Node, given: Any, dim: int, stacked: bool
    ) -> fx.Node:
        pieces = [self._piece(module, node, part, dim, stacked) for part in given]
        if len(pieces) == 1:
            return pieces[0]
        return call(node, aten.cat.default, pieces, dim, val=node.meta["val"])

    def _piece(
        self, module: fx.GraphModule, node: fx.Node, part: fx.Node, dim: int, stacked: bool
    ) -> fx.Node:
        """One part of a join as a tensor; a list that comes from the root is cut there."""
        if part not in self._buffers:
            if not stacked:
                return part
            val = part.meta["val"].unsqueeze(dim)
            return call(node, aten.unsqueeze.default, part, dim, val=val)
        buffer = self._buffers[part]
        rows, count = (self._inward.outermost(value) for value in (buffer.rows, buffer.count))
        outside = [v for v in (rows, count) if isinstance(v, fx.Node)]
        if module is self._root or any(v.graph is not self._root.graph for v in outside):
            return self._write.joined(node, buffer, dim, stacked)
        anchor = self._lengths.numbers.anchor
        key = ("joined", rows, count, dim, stacked)
        if key not in self._made:
            there = replace(buffer, rows=rows, count=count)
            self._made[key] = self._write.joined(anchor, there, dim, stacked)
        found: fx.Node = self._inward.bring(module, self._made[key])
        return found

    # -- branches --------------------------------------------------------------------------------

    def _branch(self, module: fx.GraphModule, node: fx.Node) -> None:
        operands: Any = node.args[3]
        lists = [k for k, operand in enumerate(operands) if operand in self._buffers]
        given = [self._buffers[operands[k]] for k in lists]
        given = [self._with_rows(node, buffer) for buffer in given]
        swapped = list(operands)
        for k, buffer in zip(lists, given, strict=True):
            swapped[k] = buffer.rows
        node.args = (*node.args[:3], tuple(swapped))
        for body, places in parts(module, node):
            for k, buffer in zip(lists, given, strict=True):
                self._enter(body, places[k], buffer)
        for body, _ in parts(module, node):
            self._module(body)
        self._leave_branch(module, node)

    def _with_rows(self, node: fx.Node, buffer: Buffer) -> Buffer:
        """A list that a body can be given: with a buffer, if it has none."""
        if buffer.rows is not None:
            return buffer
        return self._write.resized(node, buffer, sympy.Integer(1))

    def _enter(self, body: fx.GraphModule, place: fx.Node, buffer: Buffer) -> None:
        """What a body takes: the rows in the place of the list; the count is handed in."""
        assert buffer.rows is not None
        place.meta["val"] = buffer.rows.meta["val"]
        count = self._inward.bring(body, buffer.count)
        self._buffers[place] = replace(buffer, rows=place, count=count)

    def _leave_branch(self, module: fx.GraphModule, node: fx.Node) -> None:
        outside = self._rows_outside(module, node)
        sides = [(body, results(body)) for body, _ in parts(module, node)]
        vals = list(node.meta["val"])
        number = len(vals)
        counts: dict[str, int] = {}  # columns of one list have one length
        made: dict[int, Buffer] = {}
        for k, val in enumerate(vals[:number]):
            if not isinstance(val, SequenceVal):
                continue
            ways = [self._buffers[given[k]] for _, given in sides]
            room = self._common_room([given[k] for _, given in sides], ways)
            full = all(way.full and way.room == room for way in ways)
            at = counts.setdefault(str(val.length), number + len(counts))
            for n, (body, given) in enumerate(sides):
                way = self._write.resized(body.graph.output_node(), ways[n], room)
                given[k] = way.rows
                if at == len(given):
                    given.append(way.count)
            rows: Any = sides[0][1][k]
            vals[k] = rows.meta["val"]
            if at == len(vals):
                vals.append(val.length)
            made[k] = replace(ways[0], rows=outside.get(k), count=at, room=room, full=full)
        for body, given in sides:
            body.graph.output_node().args = (tuple(given),)
        node.meta["val"] = tuple(vals)
        self._take(node, made)

    def _rows_outside(self, module: fx.GraphModule, node: fx.Node) -> dict[int, fx.Node]:
        """Rows that one way makes and the other has none of: they may as well be made before.

        Which rows count is what the count says. TensorRT takes some loops only without the branch.
        """
        found: dict[int, fx.Node] = {}
        for k, val in enumerate(node.meta["val"]):
            if not isinstance(val, SequenceVal):
                continue
            ways = [self._buffers[results(body)[k]] for body, _ in parts(module, node)]
            side = next((n for n in (0, 1) if ways[1 - n].rows is None), None)
            if side is None or ways[side].rows is None:
                continue
            rows: Any = ways[side].rows
            body, _ = parts(module, node)[side]
            shared = self._lengths.lengths[results(body)[k]].family is not None
            work = None if shared else behind(rows, is_harmless)
            if not work:  # also where the rows are given to the branch as they are
                continue
            hoist(module, node, side, work)
            operands: Any = node.args[3]
            found[k] = operands[-1]
            for n, (body, places) in enumerate(parts(module, node)):
                mine = replace(ways[side], rows=places[-1], full=n == side)
                self._buffers[results(body)[k]] = replace(mine, count=ways[n].count)
        return found

    def _common_room(self, lists: list[fx.Node], ways: list[Buffer]) -> sympy.Expr:
        """The room of a list that is one of two."""
        families = [self._lengths.lengths[node].family for node in lists]
        for family in families:
            if family is not None:
                return self._lengths.room_of(family)
        return sympy.expand(sympy.Max(1, *(way.room for way in ways)))

    def _take(self, node: fx.Node, made: dict[int, Buffer]) -> None:
        """The lists that come out of a branch or loop; a count is the place of a result."""
        taken: dict[int, fx.Node] = {}
        for k, user in list(items(node)):
            if k not in made:
                continue
            user.meta["val"] = node.meta["val"][k]
            place = made[k].count
            if place not in taken:
                taken[place] = item(node.next, node, place)
            rows = made[k].rows or user
            self._buffers[user] = replace(made[k], rows=rows, count=taken[place])

    # -- loops -----------------------------------------------------------------------------------

    def _loop(self, module: fx.GraphModule, node: fx.Node) -> None:
        ((body, places),) = parts(module, node)
        carried: Any = node.args[3]
        number = len(carried)
        lists = [k for k in range(number) if is_list(places[1 + k])]
        rooms = {k: sympy.Max(1, self._lengths.room(node, k)) for k in lists}
        starts = {k: self._write.resized(node, self._buffers[carried[k]], rooms[k]) for k in lists}
        self._captured(node, body, places[1 + number :])
        swapped = [starts[k].rows if k in starts else v for k, v in enumerate(carried)]
        counts: dict[str, fx.Node] = {}  # columns of one list have one length
        for k in lists:
            place = places[1 + k]
            length = place.meta["val"].length
            if str(length) not in counts:
                behind = list(counts.values())[-1] if counts else places[number]
                made = new_place(body.graph, "count", length, behind)
                counts[str(length)] = made
                swapped.append(starts[k].count)
            rows = starts[k].rows
            assert rows is not None
            place.meta["val"] = rows.meta["val"]
            count = counts[str(length)]
            self._buffers[place] = replace(starts[k], rows=place, count=count, full=False)
        which = {k: list(counts.values()).index(self._buffers[places[1 + k]].count) for k in lists}
        node.args = (*node.args[:3], tuple(swapped), *node.args[4:])
        self._module(body)
        self._leave_loop(module, node, number, rooms, which)

    def _captured(self, node: fx.Node, body: fx.GraphModule, places: list[fx.Node]) -> None:
        captured: Any = node.args[4]
        lists = [k for k, value in enumerate(captured) if value in self._buffers]
        given = [self._with_rows(node, self._buffers[captured[k]]) for k in lists]
        swapped = list(captured)
        for k, buffer in zip(lists, given, strict=True):
            swapped[k] = buffer.rows
        node.args = (*node.args[:4], tuple(swapped), *node.args[5:])
        for k, buffer in zip(lists, given, strict=True):
            self._enter(body, places[k], buffer)

    def _leave_loop(
        self,
        module: fx.GraphModule,
        node: fx.Node,
        number: int,
        rooms: dict[int, sympy.Expr],
        which: dict[int, int],
    ) -> None:
        """After a body: the rows and counts that it leaves.

        Args:
            module: the graph that the loop is in.
            node: the loop.
            number: how many values it carries, without counts.
            rooms: the room of each list among them.
            which: for each list, which of the counts is its own.
        """
        ((body, _),) = parts(module, node)
        output = body.graph.output_node()
        going, *after = results(body)
        vals = list(node.meta["val"])
        counts: dict[int, Any] = {}
        lengths: dict[int, Any] = {}
        made: dict[int, Buffer] = {}
        for k, room in rooms.items():
            end = self._write.resized(output, self._buffers[after[k]], room)
            assert end.rows is not None
            lengths[which[k]] = vals[k].length
            counts[which[k]] = end.count
            after[k], vals[k] = end.rows, end.rows.meta["val"]
            made[k] = replace(end, rows=None, count=number + which[k], full=False)
        more = [counts[n] for n in range(len(counts))]
        output.args = ((going, *after[:number], *more, *after[number:]),)
        sizes = [lengths[n] for n in range(len(counts))]
        node.meta["val"] = (*vals[:number], *sizes, *vals[number:])
        for place, user in list(items(node)):
            if place >= number:
                user.args = (node, place + len(counts))
        self._take(node, made)
        for k, user in list(items(node)):
            if k in made:
                self._buffers[user] = self._of_known_length(node, k, self._buffers[user])

    def _of_known_length(self, node: fx.Node, k: int, buffer: Buffer) -> Buffer:
        """A list after a loop needs no count from it where all trips add the same."""
        length = self._lengths.after(node, k)
        if not length.exact or length.most.free_symbols & self._lengths.unsettled:
            return buffer
        count = self._number(node, length.most)
        return replace(buffer, count=count, full=length.most == buffer.room)


def _stand_in(node: fx.Node, value: fx.Node) -> None:
    """Puts a node in the place of another one, as which it is known to all that follows."""
    val = node.meta["val"]
    node.replace_all_uses_with(value)
    if (
        value.op == "call_function"
        and value.graph is node.graph
        and value.target is not operator.getitem
    ):
        value.meta["val"] = val


def _some_tensor(graph: CapturedGraph) -> torch.Tensor:
    """Any fake tensor of the graph."""
    for module in graph.graphs():
        for node in module.graph.nodes:
            val = node.meta.get("val")
            if isinstance(val, torch.Tensor):
                return val
    raise AssertionError("a list of no tensors")
