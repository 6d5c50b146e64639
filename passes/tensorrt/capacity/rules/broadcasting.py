"""Open tensors that meet element by element."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    Open,
    Operand,
    Value,
    capacities_of,
    counts_of,
    node_of,
    val_of,
    with_node,
    without,
)
from torch import fx
from torch.fx.node import Argument

from fxexport.graph.arguments import Number, Size
from fxexport.graph.scalars import maximum, select

__all__ = ["broadcast", "captured_shapes"]

aten = torch.ops.aten

Axis = tuple[int, int]  # which tensor, and its dimension


def captured_shapes(args: Sequence[Operand]) -> list[torch.Size | None]:
    """The shapes of a node's arguments as they were captured; None for what is no tensor."""
    vals = [a.meta.get("val") if isinstance(a, fx.Node) else None for a in args]
    return [v.shape if isinstance(v, torch.Tensor) else None for v in vals]


def broadcast(
    w: OpenWriter,
    values: Sequence[Operand],
    rank: int,
    captured: Sequence[torch.Size | None] | None = None,
) -> tuple[list[Argument], dict[int, Number], dict[int, Capacity]]:
    """Tensors that meet element by element, with equal capacities.

    Args:
        w: where to write.
        values: open and closed tensors.
        rank: how many dimensions the result has.
        captured: their shapes as captured; None where all sizes that meet are equal.

    Returns:
        The tensors as they go into the operator, and the counts and capacities of the result.
    """
    counts: dict[int, Number] = {}
    capacities: dict[int, Capacity] = {}
    made: list[Value] = list(values)  # type: ignore[arg-type]  # numbers are passed by below
    for dim in range(rank):
        axes = [
            (k, dim - rank + val_of(v).ndim)
            for k, v in enumerate(made)
            if _is_tensor(v) and dim - rank + val_of(v).ndim >= 0
        ]
        if not any(_is_open(made, p) for p in axes):
            continue
        wide = [p for p in axes if _is_open(made, p) or str(_size(made, p)) != "1"]
        if captured is None or len({_captured_size(captured[k], d) for k, d in wide}) == 1:
            found = _equal(w, made, wide)
        else:
            found = _either(w, made, wide)
        if found is not None:
            counts[dim], capacities[dim] = found
    return [node_of(v) for v in made], counts, capacities


def _captured_size(shape: torch.Size | None, dim: int) -> str:
    assert shape is not None  # that of a tensor
    return str(shape[dim])


def _is_tensor(value: Operand) -> bool:
    return isinstance(value, (Open, fx.Node)) and isinstance(val_of(value), torch.Tensor)


def _is_open(made: list[Value], axis: Axis) -> bool:
    value = made[axis[0]]
    return isinstance(value, Open) and axis[1] in value.counts


def _size(made: list[Value], axis: Axis) -> Size:
    return val_of(made[axis[0]]).shape[axis[1]]


def _equal(w: OpenWriter, made: list[Value], axes: list[Axis]) -> tuple[Number, Capacity] | None:
    """Sizes that are one and the same get one capacity; None where it is closed."""
    closed = [p for p in axes if not _is_open(made, p)]
    opened = [p for p in axes if _is_open(made, p)]
    if closed:
        capacity = w.capacity(made[closed[0][0]], closed[0][1])
    else:
        capacities = [capacities_of(made[k])[d] for k, d in axes]
        fixed = [capacity for capacity in capacities if capacity.fixed is not None]
        capacity = min(fixed, key=lambda r: r.fixed or 0) if fixed else capacities[0]
    k, d = opened[0]
    count = counts_of(made[k])[d]
    for k, d in opened:
        value = w.conform(made[k], d, capacity)
        made[k] = without(value, d) if closed else value
    return None if closed else (count, capacity)


def _either(w: OpenWriter, made: list[Value], axes: list[Axis]) -> tuple[Number, Capacity] | None:
    """Sizes of which some may be 1 where others are not: what is 1 is repeated."""
    sizes = [w.size_number(made[k], d) for k, d in axes]
    known = [s for s in sizes if isinstance(s, int) and s != 1]
    capacity = w.capacities.largest([w.capacity(made[k], d) for k, d in axes])
    if known:
        capacity = Capacity(known[0])  # wherever this runs, the others are as large or 1
    count = sizes[0]
    for size in sizes[1:]:
        one = w.number(operator.eq, count, 1)
        count = w.number(select, one, size, count)
    for (k, d), size in zip(axes, sizes, strict=True):
        if isinstance(size, int) and size == capacity.fixed:
            continue
        value = made[k]
        node = node_of(value)
        last = w.number(maximum, w.number(operator.sub, size, 1), 0)
        index = w.clamped(w.positions(capacity, val_of(node)), last)
        taken = w.gathered(value, d, index)
        rest = without(value, d)
        made[k] = with_node(rest, taken)
        if not known:
            counts, capacities = counts_of(rest), capacities_of(rest)
            made[k] = Open(taken, {**counts, d: count}, {**capacities, d: capacity})
    return None if known else (count, capacity)
