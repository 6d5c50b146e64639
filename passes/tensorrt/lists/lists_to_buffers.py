"""Lists whose length is known only when the model runs become buffers with a capacity and a count.

Requires: a graph of functional operators; to run before branches are moved.
Does: each sequence becomes a tensor `[capacity, *item]` and a number, the count of its items. The
capacity is the largest length that there can be: of what is known before the model runs, the bound
of a loop's iterations times what an iteration adds, and the larger of two paths. In bodies, rows
are written and read at indices, and nothing there has a size that depends on the count;
`torch.stack` and `torch.cat` of a list are cut to the count, at the root if the list was made
there.
Ensures: the outputs are the same and no sequence is left; or, where a list cannot be given a buffer
(nothing bounds its length, its items differ in size, it is an input or an output), the graph is as
it was, and the mark `NO_BUFFER` on a node of that list says why and what to do.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import sympy
import torch
from fxexport.passes.bounds.list_lengths import ListLengths, NoBuffer
from fxexport.passes.rewriting.hoisting import behind, hoist, is_harmless
from fxexport.passes.rewriting.inward import Inward
from fxexport.passes.rewriting.lists import erase_unused_lists, is_list
from fxexport.passes.rewriting.visiting import some_tensor
from fxexport.passes.tensorrt.lists.buffer_values import BufferValues
from fxexport.passes.tensorrt.lists.buffers import Buffer, Buffers
from fxexport.passes.tensorrt.lists.joined_buffers import BufferJoins
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.arguments import Number, int_of, node_of
from fxexport.graph.editing import (
    item,
    items,
    new_placeholder,
    parts,
    replace_uses,
    results,
)
from fxexport.graph.marks import NO_BUFFER, Reason
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
    except NoBuffer as reason:
        NO_BUFFER.put(reason.node, Reason(reason.text, reason.hint))
        return graph
    _BufferRewriter(graph, lengths).rewrite()
    return graph


class _BufferRewriter:
    """Replaces all lists of a graph by buffers."""

    def __init__(self, graph: CapturedGraph, lengths: ListLengths) -> None:
        self._graph = graph
        self._root = graph.module
        self._lengths = lengths
        self._inward = Inward(graph)
        self._values = BufferValues(graph, lengths.numbers, self._inward)
        self._buffers: dict[fx.Node, Buffer] = {}
        beside = some_tensor(graph.graphs())
        assert beside is not None, "a list of no tensors"
        self._write = Buffers(
            beside, self._values.number, self._values.size, self._values.root_tensor
        )
        self._joins = BufferJoins(self._write, self._values, self._inward, graph.module)

    def rewrite(self) -> None:
        """Rewrites the root and all bodies."""
        self._module(self._root)
        erase_unused_lists(self._graph)

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
        target = node.target
        args: Any = node.args
        if target is sequence_length:
            replace_uses(node, self._buffers[args[0]].count)
        elif target is sequence_at:
            buffer = self._buffers[args[0]]
            made = self._write.at(node, buffer, args[1], self._is_positive(args[1]))
            _stand_in(node, made)
        elif target is sequence_join:
            _stand_in(node, self._joins.joined(module, node, self._buffers, *args))
        else:
            self._buffers[node] = self._changed(node)

    def _is_positive(self, index: object) -> bool:
        least = self._lengths.numbers.least(index)
        return least is not None and least >= 0

    def _changed(self, node: fx.Node) -> Buffer:
        """The list that a function makes."""
        target = node.target
        args: Any = node.args
        val: SequenceVal = node.meta["val"]
        write, length = self._write, val.length
        if target is sequence_of:
            return write.of(node, val.dtype, val.dims, list(args[1:]))
        before = self._buffers.get(args[0])
        if before is None:  # sequence_rows
            exact = self._lengths.lengths[node].exact
            return write.of_rows(node, args[0], self._lengths.most(node), exact, val.dims)
        has_free_rows = self._lengths.lengths[node].family is not None
        if target is sequence_cast:
            return write.cast(node, before, val.dtype)
        if target is sequence_erase:
            return write.erased(node, before, args[1], length, self._is_positive(args[1]))
        if target is sequence_extend:
            more = self._buffers[args[1]]
            fits = more.capacity == self._lengths.most(args[1])
            return write.extended(node, before, more, length, has_free_rows, fits)
        assert target is sequence_insert
        if len(args) == 2 or args[2] is None:
            return write.appended(node, before, args[1], length, has_free_rows)
        if self._sets(args[0], args[2]):
            whole = self._buffers[args[0].args[0]]
            return write.put(node, whole, args[1], args[2])
        return write.inserted(node, before, args[1], args[2], length, has_free_rows)

    def _sets(self, shorter: fx.Node, index: Number) -> bool:
        """Whether an insertion replaces an item that was taken out."""
        if shorter.target is not sequence_erase or not self._is_positive(index):
            return False
        taken = shorter.args[1]
        return taken is index or (isinstance(index, int) and bool(taken == index))

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
        for body, placeholders in parts(module, node):
            for k, buffer in zip(lists, given, strict=True):
                self._enter(body, placeholders[k], buffer)
        for body, _ in parts(module, node):
            self._module(body)
        self._leave_branch(module, node)

    def _with_rows(self, node: fx.Node, buffer: Buffer) -> Buffer:
        """A list that a body can be given: with a buffer, if it has none."""
        if buffer.rows is not None:
            return buffer
        return self._write.resized(node, buffer, sympy.Integer(1))

    def _enter(self, body: fx.GraphModule, placeholder: fx.Node, buffer: Buffer) -> None:
        """What a body takes: the rows instead of the list; the count is handed in."""
        assert buffer.rows is not None
        placeholder.meta["val"] = buffer.rows.meta["val"]
        count = self._inward.bring(body, buffer.count)
        self._buffers[placeholder] = replace(buffer, rows=placeholder, count=count)

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
            paths = [self._buffers[given[k]] for _, given in sides]
            capacity = self._common_capacity([given[k] for _, given in sides], paths)
            full = all(path.full and path.capacity == capacity for path in paths)
            at = counts.setdefault(str(val.length), number + len(counts))
            for n, (body, given) in enumerate(sides):
                path = self._write.resized(body.graph.output_node(), paths[n], capacity)
                given[k] = path.rows
                if at == len(given):
                    given.append(path.count)
            rows: Any = sides[0][1][k]
            vals[k] = rows.meta["val"]
            if at == len(vals):
                vals.append(val.length)
            made[k] = replace(paths[0], rows=outside.get(k), count=at, capacity=capacity, full=full)
        for body, given in sides:
            body.graph.output_node().args = (tuple(given),)
        node.meta["val"] = tuple(vals)
        self._take(node, made)

    def _rows_outside(self, module: fx.GraphModule, node: fx.Node) -> dict[int, fx.Node]:
        """Rows that one path makes and the other has none of: they may as well be made before.

        Which rows count is what the count says. TensorRT takes some loops only without the branch.
        """
        found: dict[int, fx.Node] = {}
        for k, val in enumerate(node.meta["val"]):
            if not isinstance(val, SequenceVal):
                continue
            paths = [self._buffers[results(body)[k]] for body, _ in parts(module, node)]
            side = next((n for n in (0, 1) if paths[1 - n].rows is None), None)
            if side is None or paths[side].rows is None:
                continue
            rows: Any = paths[side].rows
            body, _ = parts(module, node)[side]
            shared = self._lengths.lengths[results(body)[k]].family is not None
            work = None if shared else behind(rows, is_harmless)
            if not work:  # also where the rows are given to the branch as they are
                continue
            hoist(module, node, side, work)
            operands: Any = node.args[3]
            found[k] = operands[-1]
            for n, (body, placeholders) in enumerate(parts(module, node)):
                mine = replace(paths[side], rows=placeholders[-1], full=n == side)
                self._buffers[results(body)[k]] = replace(mine, count=paths[n].count)
        return found

    def _common_capacity(self, lists: list[fx.Node], paths: list[Buffer]) -> sympy.Expr:
        """The capacity of a list that is one of two."""
        families = [self._lengths.lengths[node].family for node in lists]
        for family in families:
            if family is not None:
                return self._lengths.capacity_of(family)
        return sympy.expand(sympy.Max(1, *(path.capacity for path in paths)))

    def _take(self, node: fx.Node, made: dict[int, Buffer]) -> None:
        """The lists that come out of a branch or loop; a count is the index of a result."""
        taken: dict[int, fx.Node] = {}
        for k, user in list(items(node)):
            if k not in made:
                continue
            user.meta["val"] = node.meta["val"][k]
            index = int_of(made[k].count)
            if index not in taken:
                taken[index] = item(node.next, node, index)
            rows = made[k].rows or user
            self._buffers[user] = replace(made[k], rows=rows, count=taken[index])

    # -- loops -----------------------------------------------------------------------------------

    def _loop(self, module: fx.GraphModule, node: fx.Node) -> None:
        ((body, placeholders),) = parts(module, node)
        carried: Any = node.args[3]
        number = len(carried)
        lists = [k for k in range(number) if is_list(placeholders[1 + k])]
        capacities = {k: sympy.Max(1, self._lengths.capacity(node, k)) for k in lists}
        starts = {
            k: self._write.resized(node, self._buffers[carried[k]], capacities[k]) for k in lists
        }
        self._captured(node, body, placeholders[1 + number :])
        swapped = [starts[k].rows if k in starts else v for k, v in enumerate(carried)]
        counts: dict[str, fx.Node] = {}  # columns of one list have one length
        for k in lists:
            placeholder = placeholders[1 + k]
            length = placeholder.meta["val"].length
            if str(length) not in counts:
                behind = list(counts.values())[-1] if counts else placeholders[number]
                made = new_placeholder(body.graph, "count", length, behind)
                counts[str(length)] = made
                swapped.append(starts[k].count)
            rows = starts[k].rows
            assert rows is not None
            placeholder.meta["val"] = rows.meta["val"]
            count = counts[str(length)]
            self._buffers[placeholder] = replace(
                starts[k], rows=placeholder, count=count, full=False
            )
        which = {
            k: list(counts.values()).index(node_of(self._buffers[placeholders[1 + k]].count))
            for k in lists
        }
        node.args = (*node.args[:3], tuple(swapped), *node.args[4:])
        self._module(body)
        self._leave_loop(module, node, number, capacities, which)

    def _captured(self, node: fx.Node, body: fx.GraphModule, placeholders: list[fx.Node]) -> None:
        captured: Any = node.args[4]
        lists = [k for k, value in enumerate(captured) if value in self._buffers]
        given = [self._with_rows(node, self._buffers[captured[k]]) for k in lists]
        swapped = list(captured)
        for k, buffer in zip(lists, given, strict=True):
            swapped[k] = buffer.rows
        node.args = (*node.args[:4], tuple(swapped), *node.args[5:])
        for k, buffer in zip(lists, given, strict=True):
            self._enter(body, placeholders[k], buffer)

    def _leave_loop(
        self,
        module: fx.GraphModule,
        node: fx.Node,
        number: int,
        capacities: dict[int, sympy.Expr],
        which: dict[int, int],
    ) -> None:
        """After a body: the rows and counts that it leaves.

        Args:
            module: the graph that the loop is in.
            node: the loop.
            number: how many values it carries, without counts.
            capacities: the capacity of each list among them.
            which: for each list, which of the counts is its own.
        """
        ((body, _),) = parts(module, node)
        output = body.graph.output_node()
        going, *after = results(body)
        vals = list(node.meta["val"])
        counts: dict[int, Number] = {}
        lengths: dict[int, Number] = {}
        made: dict[int, Buffer] = {}
        for k, capacity in capacities.items():
            end = self._write.resized(output, self._buffers[after[k]], capacity)
            assert end.rows is not None
            lengths[which[k]] = vals[k].length
            counts[which[k]] = end.count
            after[k], vals[k] = end.rows, end.rows.meta["val"]
            made[k] = replace(end, rows=None, count=number + which[k], full=False)
        more = [counts[n] for n in range(len(counts))]
        output.args = ((going, *after[:number], *more, *after[number:]),)
        sizes = [lengths[n] for n in range(len(counts))]
        node.meta["val"] = (*vals[:number], *sizes, *vals[number:])
        for index, user in list(items(node)):
            if index >= number:
                user.args = (node, index + len(counts))
        self._take(node, made)
        for k, user in list(items(node)):
            if k in made:
                self._buffers[user] = self._of_known_length(node, k, self._buffers[user])

    def _of_known_length(self, node: fx.Node, k: int, buffer: Buffer) -> Buffer:
        """A list after a loop needs no count from it where all iterations add the same."""
        length = self._lengths.after(node, k)
        if not length.exact or length.most.free_symbols & self._lengths.unsettled:
            return buffer
        count = self._values.number(node, length.most)
        return replace(buffer, count=count, full=length.most == buffer.capacity)


def _stand_in(node: fx.Node, value: fx.Node) -> None:
    """Replaces another node by one, as which it is known to all that follows."""
    val = node.meta["val"]
    node.replace_all_uses_with(value)
    if (
        value.op == "call_function"
        and value.graph is node.graph
        and value.target is not operator.getitem
    ):
        value.meta["val"] = val
