"""Slices, single places, splits and concatenations."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.capacity.table import Table, positive
from fxexport.passes.capacity.values import Number, Open, Room, node_of, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph.scalars import maximum, minimum, select

__all__ = ["RULES", "bound", "cut", "index_number"]

aten = torch.ops.aten

RULES = Table()

_END = 2**62  # PyTorch writes an open end as the largest int64


def bound(w: Writer, value: Any, size: Number, default: Number) -> Number:
    """A bound of a slice, counted from the front and within the size."""
    if value is None:
        return default
    if isinstance(value, int):
        if value >= _END:
            return size
        if value < 0:
            return w.number(maximum, w.number(operator.add, size, value), 0)
        return 0 if value == 0 else w.number(minimum, value, size)
    whole = index_number(w, value, size)
    return w.number(minimum, w.number(maximum, whole, 0), size)


def index_number(w: Writer, value: Any, size: Number) -> Number:
    """An index that may count from the end, counted from the front."""
    if isinstance(value, int):
        return value if value >= 0 else w.number(operator.add, size, value)
    if w.never_negative(value):
        return value  # type: ignore[no-any-return]
    behind = w.number(operator.lt, value, 0)
    return w.number(select, behind, w.number(operator.add, value, size), value)


def cut(w: Writer, x: Any, dim: int, start: Any, end: Any, step: int, size: Any) -> Any:
    """A slice along one dimension, with what it gives as a count.

    Args:
        w: where to write.
        x: the tensor, open or not.
        dim: the dimension.
        start: as in Python.
        end: as in Python.
        step: as in Python, positive.
        size: the size of the result, as captured.
    """
    whole = w.size_number(x, dim)
    first = bound(w, start, whole, 0)
    last = bound(w, end, whole, whole)
    count = w.number(maximum, w.number(operator.sub, last, first), 0)
    if step != 1:
        count = w.number(operator.floordiv, w.number(operator.add, count, step - 1), step)
    room = _room_of_cut(w, x, dim, start, end, step, size)
    if isinstance(first, int) and first == 0 and step == 1:
        value = w.conform(x, dim, room)
    else:
        index = w.positions(room, val_of(x))
        if step != 1:
            index = w.arith(aten.mul.Tensor, index, step)
        index = w.arith(aten.add.Tensor, index, first)
        node = w.gathered(x, dim, index)
        value = x.on(node) if isinstance(x, Open) else node
    old = value if isinstance(value, Open) else Open(value, {}, {})
    return Open(old.node, {**old.counts, dim: count}, {**old.rooms, dim: room})


def _room_of_cut(w: Writer, x: Any, dim: int, start: Any, end: Any, step: int, size: Any) -> Room:
    if is_concrete_int(size) and int(size) > 0:
        return Room(int(size))
    width = w.limits.slice_width(start, end)
    room = w.room(x, dim)
    if width is not None:
        width = max(-(-width // step), 1)
        return Room(width if room.fixed is None else max(min(width, room.fixed), 1))
    return w.rooms.not_empty(room)


@RULES("slice.Tensor")
def slice_(
    w: Writer,
    node: fx.Node,
    x: Any,
    dim: int = 0,
    start: Any = None,
    end: Any = None,
    step: int = 1,
) -> Any:
    """A slice; along a closed dimension with bounds known before, it stays one."""
    val = node.meta["val"]
    at = positive(dim, val.ndim)
    closed = not (isinstance(x, Open) and at in x.counts)
    if (
        closed
        and w.limits.is_known(val.shape[at])
        and all(w.limits.is_known(val_of(b)) for b in (start, end))
    ):
        made = w.call(node.target, x.node, dim, start, end, step, val=w.like_room(val, x.rooms))
        return x.on(made)
    return cut(w, x, at, start, end, step, val.shape[at])


@RULES("select.int")
def select_(w: Writer, node: fx.Node, x: Any, dim: int, index: Any) -> Any:
    """One place of a dimension."""
    at = positive(dim, x.rank)
    if at in x.counts:
        index = w.number(maximum, index_number(w, index, x.counts[at]), 0)
    counts = {d - (d > at): n for d, n in x.counts.items() if d != at}
    rooms = {d - (d > at): r for d, r in x.rooms.items() if d != at}
    made = w.call(node.target, x.node, dim, index, val=w.like_room(node.meta["val"], rooms))
    return Open(made, counts, rooms) if counts else made


@RULES("split.Tensor", "split_with_sizes.default", "chunk.default", "unbind.int")
def split(w: Writer, node: fx.Node, x: Any, *args: Any) -> Any:
    """Parts of a dimension."""
    vals = node.meta["val"]
    by_one = node.target is aten.unbind.int
    given = args[0 if by_one else 1] if len(args) > (0 if by_one else 1) else 0
    dim = positive(given, x.rank)
    if dim not in x.counts:
        shift = {d: d - (by_one and d > dim) for d in x.counts}
        counts = {shift[d]: n for d, n in x.counts.items()}
        rooms = {shift[d]: r for d, r in x.rooms.items()}
        opened = tuple(w.like_room(v, rooms) for v in vals)
        made = w.call(node.target, x.node, *args, val=opened)
        return [
            Open(w.call(operator.getitem, made, k, val=v), counts, rooms)
            for k, v in enumerate(opened)
        ]
    if by_one:
        raise w.unsupported("an open size is taken apart")
    if node.target is not aten.split.Tensor or not isinstance(args[0], int):
        raise w.unsupported("an open size is split into parts of other sizes")
    size: int = args[0]
    return [
        cut(w, x, dim, k * size, (k + 1) * size, 1, val.shape[dim]) for k, val in enumerate(vals)
    ]


@RULES("stack.default")
def stack(w: Writer, node: fx.Node, tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors side by side along a new dimension."""
    val = node.meta["val"]
    at = positive(dim, val.ndim)
    shape = [s for d, s in enumerate(val.shape) if d != at]
    made, counts, rooms = _side_by_side(w, list(tensors), shape)
    counts = {d + (d >= at): n for d, n in counts.items()}
    rooms = {d + (d >= at): r for d, r in rooms.items()}
    return Open(w.call(node.target, made, dim, val=w.like_room(val, rooms)), counts, rooms)


def _side_by_side(
    w: Writer, tensors: list[Any], shape: Any, except_for: int | None = None
) -> tuple[list[Any], dict[int, Any], dict[int, Room]]:
    """Tensors of equal sizes with equal rooms."""
    counts: dict[int, Any] = {}
    rooms: dict[int, Room] = {}
    for dim in range(len(shape)):
        opens = [t for t in tensors if isinstance(t, Open) and dim in t.counts]
        if dim == except_for or not opens:
            continue
        room = w.rooms.largest([w.room(t, dim) for t in tensors])
        tensors = [w.opened(t, dim, room) for t in tensors]
        counts[dim], rooms[dim] = opens[0].counts[dim], room
    return [node_of(t) for t in tensors], counts, rooms


@RULES("cat.default")
def cat(w: Writer, node: fx.Node, tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors one behind another; what means something moves up to what does before it."""
    val = node.meta["val"]
    at = positive(dim, val.ndim)
    given = [t for t in tensors if val_of(t).ndim == val.ndim]  # an empty vector may stand beside
    nodes, counts, rooms = _side_by_side(w, list(given), val.shape, at)
    along = [w.room(t, at) for t in given]
    total = w.rooms.total(along)
    rooms_with = {**rooms, at: total}
    if all(not (isinstance(t, Open) and at in t.counts) for t in given):
        made = w.call(node.target, nodes, at, val=w.like_room(val, rooms_with))
        return Open(made, counts, rooms)
    joined = w.call(node.target, nodes, at, val=w.like_room(val, rooms_with))
    sizes = [w.size_number(t, at) for t in given]
    index = _compacted(w, sizes, along, total, val)
    count: Number = 0
    for size in sizes:
        count = w.number(operator.add, count, size)
    made = joined if index is None else w.gathered(joined, at, index)
    return Open(made, {**counts, at: count}, rooms_with)


def _compacted(
    w: Writer, sizes: list[Number], along: list[Room], total: Room, beside: torch.Tensor
) -> fx.Node | None:
    """Where each place of the result is among the parts; None where they lie there already."""
    places = w.positions(total, beside)
    index = places
    offset: Number = 0
    room = Room(0)
    moved = False
    for k in range(len(sizes) - 1):
        offset = w.number(operator.add, offset, sizes[k])
        room = w.rooms.total([room, along[k]])
        if str(val_of(offset)) == room.key:
            continue
        moved = True
        gap = w.number(operator.sub, w.room_number(room), offset)
        flag = w.call(aten.ge.Scalar, places, offset, val=val_of(places).to(torch.bool))
        there = w.arith(aten.add.Tensor, places, gap)
        index = w.call(aten.where.self, flag, there, index, val=val_of(index))
    return index if moved else None
