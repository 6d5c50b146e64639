"""Tensors that grow in a loop are written into buffers made before it.

Requires: nothing beyond a captured graph.
Does: a loop-carried tensor that only ever grows at its end (`torch.cat([y, row])`, also in a branch
of the body) and of which only sizes and single rows are read becomes a buffer with room for all
trips and a count. Rows are written at the count; after the loop the buffer is cut to it. The loop
must have a bound on its trips, and a row a size that is known.
Ensures: the outputs are the same; what grows in another way is left as it was.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import fake_beside
from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.editing import (
    call,
    innermost_first,
    item,
    new_place,
    nodes_inside,
    parts,
    put_in_place,
    results,
)
from fxexport.graph.ops import branch, loop

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Gives buffers to such tensors of all loops, in place."""
    for module in innermost_first(graph):
        for node in list(module.graph.nodes):
            if node.target is loop and node.args[0] is not None:
                carried: Any = node.args[3]
                for k in range(len(carried)):
                    _try(module, node, k)
        module.recompile()
    return graph


@dataclass(frozen=True)
class _Growth:
    """One tensor that grows: along which dimension, and by how many rows a trip at most."""

    dim: int
    rows: int


class _OtherUse(Exception):
    """The tensor is used, or grows, in a way that a buffer cannot serve."""


def _try(module: fx.GraphModule, node: fx.Node, k: int) -> None:
    ((body, inputs),) = parts(module, node)
    carried: Any = node.args[3]
    initial, place = carried[k], inputs[1 + k]
    dim = _growing_dim(initial, place)
    if dim is None:
        return
    result = results(body)[1 + k]
    try:
        rows = _rows(body, result, place, dim)
        _check_reads(body, place, dim)
    except _OtherUse:
        return
    if rows:
        _Rewriter(_Growth(dim, rows), set(_trip_numbers(body))).rewrite(module, node, k)


def _trip_numbers(body: fx.GraphModule) -> Iterator[fx.Node]:
    """The trip numbers of a loop's body and of the loops in it."""
    yield next(iter(body.graph.nodes))
    for outer in body.graph.nodes:
        for module, node in [(body, outer), *nodes_inside(body, outer)]:
            if node.target is loop:
                ((_, places),) = parts(module, node)
                yield places[0]


def _growing_dim(initial: Any, place: fx.Node) -> int | None:
    """The one dimension whose size changes; None for none or several."""
    before = initial.meta.get("val") if isinstance(initial, fx.Node) else None
    within = place.meta.get("val")
    if not isinstance(before, torch.Tensor) or not isinstance(within, torch.Tensor):
        return None
    pairs = zip(before.shape, within.shape, strict=True)
    changed = [d for d, (a, b) in enumerate(pairs) if str(a) != str(b)]
    return changed[0] if len(changed) == 1 else None


# What the tensor becomes in a trip


def _rows(body: fx.GraphModule, value: Any, place: fx.Node, dim: int) -> int:
    """How many rows a trip appends at most."""
    if value is place:
        return 0
    if not isinstance(value, fx.Node):
        raise _OtherUse
    if value.target is aten.cat.default:
        added = _appended(value, dim)
        before: Any = value.args[0]
        _check_reads(body, value, dim)
        return _rows(body, before[0], place, dim) + added
    if value.target is operator.getitem:
        source: Any = value.args[0]
        if source.target is branch and place in source.args[3]:
            at = source.args[3].index(place)
            taken: Any = value.args[1]
            _check_reads(body, value, dim)
            return max(
                _rows(side, results(side)[taken], places[at], dim)
                for side, places in parts(body, source)
            )
    raise _OtherUse


def _appended(cat: fx.Node, dim: int) -> int:
    """The static number of rows that a concatenation appends to its first tensor."""
    tensors: Any = cat.args[0]
    along = cat.args[1] if len(cat.args) > 1 else 0
    rank = len(cat.meta["val"].shape)
    if along % rank != dim or len(tensors) != 2:  # type: ignore[operator]
        raise _OtherUse
    size = tensors[1].meta["val"].shape[dim]
    if not is_concrete_int(size) or tensors[1].meta["val"].dtype != cat.meta["val"].dtype:
        raise _OtherUse
    return int(size)


# What is read of it


def _check_reads(body: fx.GraphModule, value: fx.Node, dim: int) -> None:
    """Only sizes and single rows are read of it, also inside, beside what it grows to."""
    for user in value.users:
        if user.op == "output" or user.target in (aten.cat.default, operator.getitem):
            _check_growing(body, value, user, dim)
        elif user.target is aten.sym_size.int:
            continue
        elif user.target is aten.select.int:
            if user.args[1] % len(value.meta["val"].shape) != dim:  # type: ignore[operator]
                raise _OtherUse
        elif user.target is branch:
            for side, places in parts(body, user):
                for at, operand in enumerate(user.args[3]):  # type: ignore[arg-type]
                    if operand is value:
                        _check_reads(side, places[at], dim)
        elif user.target is loop:
            _check_captured(body, value, user, dim)
        else:
            raise _OtherUse


def _check_growing(body: fx.GraphModule, value: fx.Node, user: fx.Node, dim: int) -> None:
    if user.op == "output":
        if sum(given is value for given in results(body)) != 1:
            raise _OtherUse
    elif user.target is aten.cat.default:
        tensors: Any = user.args[0]
        if tensors[0] is not value or any(t is value for t in tensors[1:]):
            raise _OtherUse
        _appended(user, dim)
        _check_reads(body, user, dim)


def _check_captured(body: fx.GraphModule, value: fx.Node, user: fx.Node, dim: int) -> None:
    carried: Any = user.args[3]
    captured: Any = user.args[4]
    if any(given is value for given in carried) or value in (user.args[0], user.args[1]):
        raise _OtherUse
    ((inner, places),) = parts(body, user)
    for at, given in enumerate(captured):
        if given is value:
            place = places[1 + len(carried) + at]
            _check_reads(inner, place, dim)
            if any(given is place for given in results(inner)):
                raise _OtherUse


class _Rewriter:
    """Puts a buffer and a count in the place of one growing tensor."""

    def __init__(self, growth: _Growth, trips: set[fx.Node]) -> None:
        self._growth = growth
        self._trips = trips  # numbers that are never negative

    def rewrite(self, module: fx.GraphModule, node: fx.Node, k: int) -> None:
        """Rewrites the k-th carried tensor of a loop."""
        trips, condition, named, carried, captured, *rest = node.args
        assert isinstance(carried, (tuple, list))
        dim = self._growth.dim
        initial = carried[k]
        assert isinstance(initial, fx.Node)
        ((body, inputs),) = parts(module, node)
        buffer, size = self._room(node, initial, trips)
        place = inputs[1 + k]
        count = new_place(body.graph, "rows", place.meta["val"].shape[dim], inputs[len(carried)])
        place.meta["val"] = buffer.meta["val"]
        given = results(body)
        self._reads(body, place, count)
        written, total = self._grown(body, given[1 + k], place, count)
        output = body.graph.output_node()
        given[1 + k] = written
        number = 1 + len(carried)
        output.args = ((*given[:number], total, *given[number:]),)
        body.recompile()
        node.args = (
            trips,
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

    def _room(self, node: fx.Node, initial: fx.Node, trips: Any) -> tuple[fx.Node, Any]:
        """A buffer that starts with the initial tensor, and that tensor's size."""
        dim, rows = self._growth.dim, self._growth.rows
        val = initial.meta["val"]
        count = trips.meta["val"] if isinstance(trips, fx.Node) else trips
        size: Any = val.shape[dim]
        room: Any = rows * trips if isinstance(trips, int) else trips
        if not isinstance(trips, int) and rows != 1:
            room = call(node, operator.mul, trips, rows, val=count * rows)
        if not isinstance(room, int):
            room = call(node, scalars.maximum, room, 0, val=room.meta["val"])
        sizes = [
            room
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

    def _reads(self, body: fx.GraphModule, value: fx.Node, count: Any) -> None:
        """Reads of the tensor become reads of the buffer."""
        dim = self._growth.dim
        for user in list(value.users):
            if user.target is aten.sym_size.int:
                if user.args[1] % len(value.meta["val"].shape) == dim:  # type: ignore[operator]
                    put_in_place(user, count)
                    body.graph.erase_node(user)
            elif user.target is aten.select.int:
                self._select(user, count)
            elif user.target is branch:
                self._into_branch(body, user, value, count)
            elif user.target is loop:
                self._into_loop(body, user, value, count)
        body.recompile()

    def _select(self, node: fx.Node, count: Any) -> None:
        """Rows are counted from the tensor's end, not from the buffer's."""
        index: Any = node.args[2]
        if isinstance(index, int):
            if index < 0:
                at = call(node, operator.add, count, index, val=_val(count))
                node.args = (*node.args[:2], at)
            return
        if index in self._trips:
            return
        val = index.meta["val"]
        wrapped = call(node, operator.add, index, count, val=val)
        below = call(node, operator.lt, index, 0, val=val < 0)
        at = call(node, scalars.select, below, wrapped, index, val=val)
        node.args = (*node.args[:2], at)

    def _into_branch(self, body: fx.GraphModule, node: fx.Node, value: fx.Node, count: Any) -> None:
        operands: Any = node.args[3]
        if all(given is not count for given in operands):
            node.args = (*node.args[:3], (*operands, count))
            for side, places in parts(body, node):
                new_place(side.graph, "rows", _val(count), places[-1])
                side.recompile()
        for side, places in parts(body, node):
            for at, given in enumerate(operands):
                if given is value:
                    places[at].meta["val"] = value.meta["val"]
                    self._reads(side, places[at], places[-1])

    def _into_loop(self, body: fx.GraphModule, node: fx.Node, value: fx.Node, count: Any) -> None:
        carried: Any = node.args[3]
        captured: Any = node.args[4]
        ((inner, places),) = parts(body, node)
        number = new_place(inner.graph, "rows", _val(count), places[-1])
        node.args = (*node.args[:4], (*captured, count), *node.args[5:])
        for at, given in enumerate(captured):
            if given is value:
                place = places[1 + len(carried) + at]
                place.meta["val"] = value.meta["val"]
                self._reads(inner, place, number)

    def _grown(
        self, body: fx.GraphModule, value: Any, place: fx.Node, count: Any
    ) -> tuple[fx.Node, Any]:
        """The buffer and the count after a trip."""
        if value is place:
            return place, count
        if value.target is aten.cat.default:
            before, rows = self._grown(body, value.args[0][0], place, count)
            return self._append(body, value, before, rows)
        source, at = value.args
        operands = source.args[3]
        vals = list(source.meta["val"])
        size = vals[at].shape[self._growth.dim]
        for side, places in parts(body, source):
            inside = places[operands.index(place)]
            given = results(side)
            rows = next(places[n] for n, o in enumerate(source.args[3]) if o is count)
            written, total = self._grown(side, given[at], inside, rows)
            given[at] = written
            side.graph.output_node().args = ((*given, total),)
            side.recompile()
        vals[at] = place.meta["val"]
        source.meta["val"] = (*vals, size)
        value.meta["val"] = place.meta["val"]
        total = item(value.next, source, len(vals))
        self._reads(body, value, total)
        return value, total

    def _append(
        self, body: fx.GraphModule, cat: fx.Node, before: fx.Node, count: Any
    ) -> tuple[fx.Node, Any]:
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
            place: Any = user.args[1]
            if place >= state:
                user.args = (node, place + 1)
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


def _val(value: Any) -> Any:
    return value.meta["val"] if isinstance(value, fx.Node) else value
