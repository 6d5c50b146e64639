"""Tensors that grow in a loop are written into buffers made before it.

Requires: nothing beyond a captured graph.
Does: a loop-carried tensor that only ever grows at its end (`torch.cat([y, row])`, also in a branch
of the body) and of which only sizes and single rows are read becomes a buffer with capacity for all
iterations and a count. Rows are written at the count; after the loop the buffer is cut to it. The
loop must have a bound on its iterations, and a row a size that is known.
Ensures: the outputs are the same; what grows otherwise is left as it was.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from fxexport.passes.rewriting.visiting import each_loop
from fxexport.passes.tensorrt.loops.growing_tensors import Growth, growth_of
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.arguments import Number, captured_of, carried_of, int_of, node_of, operands_of
from fxexport.graph.editing import (
    call,
    item,
    new_placeholder,
    nodes_inside,
    parts,
    replace_uses,
    results,
)
from fxexport.graph.ops import branch, loop

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Gives buffers to such tensors of all loops, in place."""
    return each_loop(graph, _give_buffers)


def _give_buffers(module: fx.GraphModule, node: fx.Node) -> None:
    if node.args[0] is not None:
        for k in range(len(carried_of(node))):
            _try(module, node, k)


def _try(module: fx.GraphModule, node: fx.Node, k: int) -> None:
    growth = growth_of(module, node, k)
    if growth is not None:
        ((body, _),) = parts(module, node)
        _GrowthRewriter(growth, set(_iteration_numbers(body))).rewrite(module, node, k)


def _iteration_numbers(body: fx.GraphModule) -> Iterator[fx.Node]:
    """The iteration numbers of a loop's body and of the loops in it."""
    yield next(iter(body.graph.nodes))
    for outer in body.graph.nodes:
        for module, node in [(body, outer), *nodes_inside(body, outer)]:
            if node.target is loop:
                ((_, placeholders),) = parts(module, node)
                yield placeholders[0]


class _GrowthRewriter:
    """Replaces one growing tensor by a buffer and a count."""

    def __init__(self, growth: Growth, iterations: set[fx.Node]) -> None:
        self._growth = growth
        self._iterations = iterations  # numbers that are never negative

    def rewrite(self, module: fx.GraphModule, node: fx.Node, k: int) -> None:
        """Rewrites the k-th carried tensor of a loop."""
        trip_count, condition, named, carried, captured, *rest = node.args
        assert isinstance(carried, (tuple, list))
        dim = self._growth.dim
        initial = carried[k]
        assert isinstance(initial, fx.Node)
        ((body, inputs),) = parts(module, node)
        buffer, size = self._capacity(node, initial, trip_count)
        placeholder = inputs[1 + k]
        count = new_placeholder(
            body.graph, "rows", placeholder.meta["val"].shape[dim], inputs[len(carried)]
        )
        placeholder.meta["val"] = buffer.meta["val"]
        given = results(body)
        self._reads(body, placeholder, count)
        written, total = self._grown(body, given[1 + k], placeholder, count)
        output = body.graph.output_node()
        given[1 + k] = written
        number = 1 + len(carried)
        output.args = ((*given[:number], total, *given[number:]),)
        body.recompile()
        node.args = (
            trip_count,
            condition,
            named,
            (*carried[:k], buffer, *carried[k + 1 :], size),
            captured,
            *rest,
        )
        vals = list(node.meta["val"])
        whole = vals[k]
        vals[k] = buffer.meta["val"]
        vals.insert(len(carried), whole.shape[dim])
        node.meta["val"] = tuple(vals)
        self._cut(node, k, len(carried), whole)

    def _capacity(
        self, node: fx.Node, initial: fx.Node, trip_count: Argument
    ) -> tuple[fx.Node, Number]:
        """A buffer that starts with the initial tensor, and that tensor's size."""
        dim, rows = self._growth.dim, self._growth.rows
        val = initial.meta["val"]
        size = val.shape[dim]
        capacity: Number
        if isinstance(trip_count, int):
            capacity = rows * trip_count
        else:
            capacity = node_of(trip_count)
            if rows != 1:
                total = capacity.meta["val"] * rows
                capacity = call(node, operator.mul, trip_count, rows, val=total)
            capacity = call(node, scalars.maximum, capacity, 0, val=capacity.meta["val"])
        sizes = [
            capacity
            if d == dim
            else int(s)
            if is_concrete_int(s)
            else call(node, aten.sym_size.int, initial, d, val=s)
            for d, s in enumerate(val.shape)
        ]
        more = [s.meta["val"] if isinstance(s, fx.Node) else s for s in sizes]
        empty = call(node, aten.full.default, sizes, 0, val=fake_beside(val, more))
        empty.kwargs = {"dtype": val.dtype, "device": val.device, "pin_memory": False}
        total = [s + more[dim] if d == dim else s for d, s in enumerate(val.shape)]
        if is_concrete_int(size) and int(size) == 0:
            return empty, 0
        buffer = call(node, aten.cat.default, [initial, empty], dim, val=fake_beside(val, total))
        if is_concrete_int(size):
            return buffer, int(size)
        return buffer, call(node, aten.sym_size.int, initial, dim, val=size)

    def _reads(self, body: fx.GraphModule, value: fx.Node, count: Number) -> None:
        """Reads of the tensor become reads of the buffer."""
        dim = self._growth.dim
        for user in list(value.users):
            if user.target is aten.sym_size.int:
                if user.args[1] % len(value.meta["val"].shape) == dim:  # type: ignore[operator]
                    replace_uses(user, count)
                    body.graph.erase_node(user)
            elif user.target is aten.select.int:
                self._select(user, count)
            elif user.target is branch:
                self._into_branch(body, user, value, count)
            elif user.target is loop:
                self._into_loop(body, user, value, count)
        body.recompile()

    def _select(self, node: fx.Node, count: Number) -> None:
        """Rows are counted from the tensor's end, not from the buffer's."""
        index: Any = node.args[2]
        if isinstance(index, int):
            if index < 0:
                at = call(node, operator.add, count, index, val=_val(count))
                node.args = (*node.args[:2], at)
            return
        if index in self._iterations:
            return
        val = index.meta["val"]
        wrapped = call(node, operator.add, index, count, val=val)
        below = call(node, operator.lt, index, 0, val=val < 0)
        at = call(node, scalars.select, below, wrapped, index, val=val)
        node.args = (*node.args[:2], at)

    def _into_branch(
        self, body: fx.GraphModule, node: fx.Node, value: fx.Node, count: Number
    ) -> None:
        operands = operands_of(node)
        if all(given is not count for given in operands):
            node.args = (*node.args[:3], (*operands, count))
            for side, placeholders in parts(body, node):
                new_placeholder(side.graph, "rows", _val(count), placeholders[-1])
                side.recompile()
        for side, placeholders in parts(body, node):
            for at, given in enumerate(operands):
                if given is value:
                    placeholders[at].meta["val"] = value.meta["val"]
                    self._reads(side, placeholders[at], placeholders[-1])

    def _into_loop(
        self, body: fx.GraphModule, node: fx.Node, value: fx.Node, count: Number
    ) -> None:
        carried = carried_of(node)
        captured = captured_of(node)
        ((inner, placeholders),) = parts(body, node)
        number = new_placeholder(inner.graph, "rows", _val(count), placeholders[-1])
        node.args = (*node.args[:4], (*captured, count), *node.args[5:])
        for at, given in enumerate(captured):
            if given is value:
                placeholder = placeholders[1 + len(carried) + at]
                placeholder.meta["val"] = value.meta["val"]
                self._reads(inner, placeholder, number)

    def _grown(
        self, body: fx.GraphModule, value: Any, placeholder: fx.Node, count: Number
    ) -> tuple[fx.Node, Number]:
        """The buffer and the count after an iteration."""
        if value is placeholder:
            return placeholder, count
        if value.target is aten.cat.default:
            before, rows = self._grown(body, value.args[0][0], placeholder, count)
            return self._append(body, value, before, rows)
        source, at = value.args
        operands = source.args[3]
        vals = list(source.meta["val"])
        size = vals[at].shape[self._growth.dim]
        for side, placeholders in parts(body, source):
            inside = placeholders[operands.index(placeholder)]
            given = results(side)
            rows = next(placeholders[n] for n, o in enumerate(source.args[3]) if o is count)
            written, total = self._grown(side, given[at], inside, rows)
            given[at] = written
            side.graph.output_node().args = ((*given, total),)
            side.recompile()
        vals[at] = placeholder.meta["val"]
        source.meta["val"] = (*vals, size)
        value.meta["val"] = placeholder.meta["val"]
        total = item(value.next, source, len(vals))
        self._reads(body, value, total)
        return value, total

    def _append(
        self, body: fx.GraphModule, cat: fx.Node, before: fx.Node, count: Number
    ) -> tuple[fx.Node, Number]:
        dim = self._growth.dim
        row: Any = cat.args[0][1]  # type: ignore[index]
        rows = int(row.meta["val"].shape[dim])
        after = cat.meta["val"].shape[dim]
        vector = fake_beside(row.meta["val"], (rows,)).to(torch.int64)
        steps = call(cat, aten.arange.default, rows, val=vector)
        steps.kwargs = {"dtype": torch.int64, "device": vector.device, "pin_memory": False}
        index = call(cat, aten.add.Tensor, steps, count, val=vector)
        val = before.meta["val"]
        written = call(cat, aten.index_copy.default, before, dim, index, row, val=val)
        total = call(cat, operator.add, count, rows, val=after)
        for user in list(cat.users):
            user.replace_input_with(cat, written)
        body.graph.erase_node(cat)
        self._reads(body, written, total)
        return written, total

    def _cut(self, node: fx.Node, k: int, state: int, whole: torch.Tensor) -> None:
        """After the loop, the buffer is cut to the count."""
        for user in list(node.users):
            index = int_of(user.args[1])
            if index >= state:
                user.args = (node, index + 1)
        taken = [u for u in node.users if u.args[1] == k]
        if not taken:
            return
        total = item(node.next, node, state)
        for user in taken:
            user.meta["val"] = node.meta["val"][k]
            cut = call(
                _later(user, total).next,
                aten.slice.Tensor,
                user,
                self._growth.dim,
                0,
                total,
                val=whole,
                like=node,
            )
            user.replace_all_uses_with(cut)
            cut.args = (user, *cut.args[1:])


def _later(a: fx.Node, b: fx.Node) -> fx.Node:
    """Whichever of two nodes of one graph comes last."""
    for node in reversed(list(a.graph.nodes)):
        if node in (a, b):
            return node
    return a


def _val(value: Argument) -> Any:
    return value.meta["val"] if isinstance(value, fx.Node) else value
