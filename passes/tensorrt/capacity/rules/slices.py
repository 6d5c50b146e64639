"""Slices, single indices, splits and concatenations."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable, positive
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    Open,
    Result,
    Value,
    node_of,
    val_of,
)
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport.graph.arguments import Number, Size, int_of
from fxexport.graph.scalars import maximum, minimum, select

__all__ = ["RULES", "bound", "cut", "index_number"]

aten = torch.ops.aten

RULES = RuleTable()

_END = 2**62  # PyTorch writes an open end as the largest int64


def bound(w: OpenWriter, value: Any, size: Number, default: Number) -> Number:
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


def index_number(w: OpenWriter, value: Any, size: Number) -> Number:
    """An index that may count from the end, counted from the front."""
    if isinstance(value, int):
        return value if value >= 0 else w.number(operator.add, size, value)
    if w.never_negative(value):
        return value  # type: ignore[no-any-return]
    behind = w.number(operator.lt, value, 0)
    return w.number(select, behind, w.number(operator.add, value, size), value)


def cut(
    w: OpenWriter,
    x: Value,
    dim: int,
    start: Number | None,
    end: Number | None,
    step: int,
    size: Size,
) -> Value:
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
    capacity = _capacity_of_cut(w, x, dim, start, end, step, size)
    if isinstance(first, int) and first == 0 and step == 1:
        value = w.conform(x, dim, capacity)
    else:
        index = w.positions(capacity, val_of(x))
        if step != 1:
            index = w.arith(aten.mul.Tensor, index, step)
        index = w.arith(aten.add.Tensor, index, first)
        node = w.gathered(x, dim, index)
        value = x.on(node) if isinstance(x, Open) else node
    old = value if isinstance(value, Open) else Open(value, {}, {})
    return Open(old.node, {**old.counts, dim: count}, {**old.capacities, dim: capacity})


def _capacity_of_cut(
    w: OpenWriter,
    x: Value,
    dim: int,
    start: Number | None,
    end: Number | None,
    step: int,
    size: Size,
) -> Capacity:
    if is_concrete_int(size) and int(size) > 0:
        return Capacity(int(size))
    width = w.limits.slice_width(start, end)
    capacity = w.capacity(x, dim)
    if width is not None:
        width = max(-(-width // step), 1)
        return Capacity(width if capacity.fixed is None else max(min(width, capacity.fixed), 1))
    return w.capacities.not_empty(capacity)


@RULES("slice.Tensor")
def slice_(
    w: OpenWriter,
    node: fx.Node,
    x: Value,
    dim: int = 0,
    start: Number | None = None,
    end: Number | None = None,
    step: int = 1,
) -> Result:
    """A slice; along a closed dimension with bounds known before, it stays one."""
    val = node.meta["val"]
    at = positive(dim, val.ndim)
    if (
        isinstance(x, Open)
        and at not in x.counts
        and w.limits.is_known(val.shape[at])
        and all(w.limits.is_known(val_of(b)) for b in (start, end))
    ):
        made = w.call(
            node.target, x.node, dim, start, end, step, val=w.with_capacities(val, x.capacities)
        )
        return x.on(made)
    return cut(w, x, at, start, end, step, val.shape[at])


@RULES("select.int")
def select_(w: OpenWriter, node: fx.Node, x: Open, dim: int, index: Number) -> Result:
    """One index of a dimension."""
    at = positive(dim, x.rank)
    if at in x.counts:
        index = w.number(maximum, index_number(w, index, x.counts[at]), 0)
    counts = {d - (d > at): n for d, n in x.counts.items() if d != at}
    capacities = {d - (d > at): r for d, r in x.capacities.items() if d != at}
    made = w.call(
        node.target, x.node, dim, index, val=w.with_capacities(node.meta["val"], capacities)
    )
    return Open(made, counts, capacities) if counts else made


@RULES("split.Tensor", "split_with_sizes.default", "chunk.default", "unbind.int")
def split(w: OpenWriter, node: fx.Node, x: Open, *args: Argument) -> Result:
    """Parts of a dimension."""
    vals = node.meta["val"]
    by_one = node.target is aten.unbind.int
    given = args[0 if by_one else 1] if len(args) > (0 if by_one else 1) else 0
    dim = positive(int_of(given), x.rank)
    if dim not in x.counts:
        shift = {d: d - (by_one and d > dim) for d in x.counts}
        counts = {shift[d]: n for d, n in x.counts.items()}
        capacities = {shift[d]: r for d, r in x.capacities.items()}
        opened = tuple(w.with_capacities(v, capacities) for v in vals)
        made = w.call(node.target, x.node, *args, val=opened)
        return [
            Open(w.call(operator.getitem, made, k, val=v), counts, capacities)
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
def stack(w: OpenWriter, node: fx.Node, tensors: Sequence[Value], dim: int = 0) -> Result:
    """Tensors side by side along a new dimension."""
    val = node.meta["val"]
    at = positive(dim, val.ndim)
    shape = [s for d, s in enumerate(val.shape) if d != at]
    made, counts, capacities = _side_by_side(w, list(tensors), shape)
    counts = {d + (d >= at): n for d, n in counts.items()}
    capacities = {d + (d >= at): r for d, r in capacities.items()}
    return Open(
        w.call(node.target, made, dim, val=w.with_capacities(val, capacities)), counts, capacities
    )


def _side_by_side(
    w: OpenWriter, tensors: list[Value], shape: Any, except_for: int | None = None
) -> tuple[list[Any], dict[int, Number], dict[int, Capacity]]:
    """Tensors of equal sizes with equal capacities."""
    counts: dict[int, Number] = {}
    capacities: dict[int, Capacity] = {}
    for dim in range(len(shape)):
        opens = [t for t in tensors if isinstance(t, Open) and dim in t.counts]
        if dim == except_for or not opens:
            continue
        capacity = w.capacities.largest([w.capacity(t, dim) for t in tensors])
        tensors = [w.opened(t, dim, capacity) for t in tensors]
        counts[dim], capacities[dim] = opens[0].counts[dim], capacity
    return [node_of(t) for t in tensors], counts, capacities


@RULES("cat.default")
def cat(w: OpenWriter, node: fx.Node, tensors: Sequence[Value], dim: int = 0) -> Result:
    """Tensors one behind another; what means something moves up to what does before it."""
    val = node.meta["val"]
    at = positive(dim, val.ndim)
    given = [t for t in tensors if val_of(t).ndim == val.ndim]  # an empty vector may stand beside
    nodes, counts, capacities = _side_by_side(w, list(given), val.shape, at)
    along = [w.capacity(t, at) for t in given]
    total = w.capacities.total(along)
    capacities_with = {**capacities, at: total}
    if all(not (isinstance(t, Open) and at in t.counts) for t in given):
        made = w.call(node.target, nodes, at, val=w.with_capacities(val, capacities_with))
        return Open(made, counts, capacities)
    joined = w.call(node.target, nodes, at, val=w.with_capacities(val, capacities_with))
    sizes = [w.size_number(t, at) for t in given]
    index = _compacted(w, sizes, along, total, val)
    count: Number = 0
    for size in sizes:
        count = w.number(operator.add, count, size)
    made = joined if index is None else w.gathered(joined, at, index)
    return Open(made, {**counts, at: count}, capacities_with)


def _compacted(
    w: OpenWriter, sizes: list[Number], along: list[Capacity], total: Capacity, beside: torch.Tensor
) -> fx.Node | None:
    """Where each element of the result is among the parts; None where they lie there already."""
    positions = w.positions(total, beside)
    index = positions
    offset: Number = 0
    capacity = Capacity(0)
    moved = False
    for k in range(len(sizes) - 1):
        offset = w.number(operator.add, offset, sizes[k])
        capacity = w.capacities.total([capacity, along[k]])
        if str(val_of(offset)) == capacity.key:
            continue
        moved = True
        gap = w.number(operator.sub, w.capacity_number(capacity), offset)
        flag = w.call(aten.ge.Scalar, positions, offset, val=val_of(positions).to(torch.bool))
        there = w.arith(aten.add.Tensor, positions, gap)
        index = w.call(aten.where.self, flag, there, index, val=val_of(index))
    return index if moved else None
