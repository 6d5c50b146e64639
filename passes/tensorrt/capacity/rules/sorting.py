"""Sorting: elements that are not valid come last.

TensorRT sorts by a TopK, and inside a loop takes none whose number varies ("Shape tensor ... is not
initialized"; TensorRT-RTX 1.7.1). There, elements are ranked by comparing all pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from fxexport.passes.tensorrt.capacity.rules.reductions import called, highest, lowest
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable, positive
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    Open,
    Result,
    Target,
    Value,
    val_of,
)
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number

__all__ = ["RULES", "varies"]

aten = torch.ops.aten

RULES = RuleTable()


def varies(node: fx.Node) -> bool:
    """Whether a node sorts a number of elements that is not fixed, or takes such a number."""
    if node.target not in RULES:
        return False
    dim, _, number = _asked(node, node.args[1:], node.kwargs)
    if number is not None:
        return not isinstance(number, int)
    val = val_of(node.args[0])
    return bool(val.ndim) and not is_concrete_int(val.shape[positive(dim, val.ndim)])


@RULES("sort.default", "sort.stable", "argsort.default", "argsort.stable", "topk.default")
def sort(w: OpenWriter, node: fx.Node, x: Value, *args: Argument, **kwargs: Argument) -> Result:
    """In order, or the first ones in order."""
    dim, down, number = _asked(node, args, kwargs)
    rank = val_of(x).ndim
    at = positive(dim, rank)
    dtype = val_of(x).dtype
    fill = lowest(dtype) if down else highest(dtype)
    value = x if isinstance(x, Open) else Open(x, {}, {})
    filled = w.filled(value, [at], fill)
    counts, capacities = dict(value.counts), dict(value.capacities)
    if number is None and w.capacity(x, at).fixed is not None:
        return called(w, node, counts, capacities, (filled, *args), kwargs)
    if not isinstance(number, int):
        return _ranked(w, node, value.on(filled), at, down, number)
    counts.pop(at, None)
    capacity = capacities.pop(at, None)
    if capacity is not None and (capacity.fixed is None or capacity.fixed < number):
        # A graph needs as many elements as are taken; the model has them wherever this runs.
        wide = w.conform(value.on(filled), at, w.capacities.total([capacity, Capacity(number)]))
        filled = w.filled(wide, [at], fill)
    return called(w, node, counts, capacities, (filled, number, *args[1:]), kwargs)


def _asked(
    node: fx.Node, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[int, bool, Number | None]:
    """Along which dimension, whether the largest come first, and how many are wanted."""
    top = node.target is aten.topk.default
    first = 1 if top or "stable" in str(node.target) else 0
    name = "largest" if top else "descending"
    dim = args[first] if len(args) > first else kwargs.get("dim", -1)
    down = args[first + 1] if len(args) > first + 1 else kwargs.get(name, top)
    return dim, bool(down), args[0] if top else None


def _ranked(
    w: OpenWriter, node: fx.Node, x: Open, dim: int, down: bool, number: Number | None
) -> Result:
    """Each element written where its rank says: how many elements come before it."""
    ranks = _ranks(w, x.node, dim, w.capacity(x, dim), down)
    val = val_of(ranks)
    zeros = w.call(aten.sub.Tensor, ranks, ranks, val=val)
    positions = w.along(w.positions(w.capacity(x, dim), val), dim, val.ndim)
    where = w.call(aten.add.Tensor, zeros, positions, val=val)
    # Ranks are a permutation, so all of what is written over is replaced.
    values = w.call(aten.scatter.src, x.node, dim, ranks, x.node, val=val_of(x))
    order = w.call(aten.scatter.src, ranks, dim, ranks, where, val=val)
    found: list[Value] = [x.on(values), x.on(order)]
    if number is not None:
        capacity = w.capacities.not_empty(w.capacity(x, dim))
        found = [
            Open(v.node, {**x.counts, dim: number}, {**x.capacities, dim: capacity})
            for v in (w.opened(f, dim, capacity) for f in found)
        ]
    elif not x.counts:
        found = [values, order]
    return found[1] if "argsort" in str(node.target) else found


def _ranks(w: OpenWriter, x: fx.Node, dim: int, capacity: Capacity, down: bool) -> fx.Node:
    val = val_of(x)
    if val.dtype == torch.bool:
        val = val.to(torch.int64)
        x = w.call(aten._to_copy.default, x, val=val, dtype=torch.int64)
    sizes = list(val.shape)
    one = fake_beside(val, [*sizes[: dim + 1], 1, *sizes[dim + 1 :]])
    other = fake_beside(val, [*sizes[:dim], 1, *sizes[dim:]])
    pairs = fake_beside(val, [*sizes[: dim + 1], *sizes[dim:]]).to(torch.bool)
    mine = w.call(aten.unsqueeze.default, x, dim + 1, val=one)
    theirs = w.call(aten.unsqueeze.default, x, dim, val=other)
    first = w.call(aten.gt.Tensor if down else aten.lt.Tensor, theirs, mine, val=pairs)
    same = w.call(aten.eq.Tensor, theirs, mine, val=pairs)
    if val.dtype.is_floating_point:
        first, same = _with_nan(w, mine, theirs, first, same, down)
    earlier = _earlier(w, capacity, dim, val)
    tied = w.call(aten.logical_and.default, same, earlier, val=pairs)
    before = w.call(aten.logical_or.default, first, tied, val=pairs)
    made = fake_beside(val, sizes).to(torch.int64)
    return w.call(aten.sum.dim_IntList, before, [dim + 1], val=made)


def _with_nan(
    w: OpenWriter, mine: fx.Node, theirs: fx.Node, first: fx.Node, same: fx.Node, down: bool
) -> tuple[fx.Node, fx.Node]:
    """PyTorch takes NaN for the largest number."""
    pairs = val_of(first)

    def flag(target: Target, *args: Argument, like: torch.Tensor) -> fx.Node:
        return w.call(target, *args, val=like.to(torch.bool))

    me = flag(aten.isnan.default, mine, like=val_of(mine))
    they = flag(aten.isnan.default, theirs, like=val_of(theirs))
    larger, smaller = (they, me) if down else (me, they)
    least = flag(aten.logical_not.default, smaller, like=val_of(smaller))
    ahead = flag(aten.logical_and.default, larger, least, like=pairs)
    both = flag(aten.logical_and.default, me, they, like=pairs)
    return (
        flag(aten.logical_or.default, first, ahead, like=pairs),
        flag(aten.logical_or.default, same, both, like=pairs),
    )


def _earlier(w: OpenWriter, capacity: Capacity, dim: int, beside: torch.Tensor) -> fx.Node:
    """For each pair of elements, whether the other one comes first: along two dimensions."""
    positions = w.positions(capacity, beside)
    rank = beside.ndim + 1
    mine, theirs = w.along(positions, dim, rank), w.along(positions, dim + 1, rank)
    sizes = [capacity.size if d in (dim, dim + 1) else 1 for d in range(rank)]
    return w.call(aten.lt.Tensor, theirs, mine, val=fake_beside(beside, sizes).to(torch.bool))
