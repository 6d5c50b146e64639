"""Taking by indices and by masks."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from fxexport.passes.tensorrt.capacity.rules.broadcasting import broadcast
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable, positive
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    Open,
    Result,
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

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number, Size, nodes_of
from fxexport.graph.scalars import maximum

__all__ = ["RULES", "flat_mask", "flattened", "indices_within", "order_of", "ranks_of"]

aten = torch.ops.aten

RULES = RuleTable()


def flattened(w: OpenWriter, node: fx.Node, first: int, number: int) -> tuple[fx.Node, Capacity]:
    """Some dimensions of a tensor, capacities and all, as one; and its capacity."""
    val = val_of(node)
    inner = [Capacity(w.limits.exact(s)) for s in val.shape[first : first + number]]
    total: Number = 1
    for capacity in inner:
        total = w.capacities.compute(operator.mul, total, capacity.number)
    capacity = Capacity(total)
    if number == 1:
        return node, inner[0]
    before = [w.root_number(w.limits.exact(s)) for s in val.shape[:first]]
    after = [w.root_number(w.limits.exact(s)) for s in val.shape[first + number :]]
    sizes = [*val.shape[:first], capacity.size, *val.shape[first + number :]]
    shape = [*before, w.capacity_number(capacity), *after]
    return w.call(aten.reshape.default, node, shape, val=fake_beside(val, sizes)), capacity


def flat_mask(w: OpenWriter, mask: Value) -> tuple[fx.Node, Capacity]:
    """A mask as a vector, False where it is not valid; and its capacity."""
    node = w.filled(mask, list(mask.counts) if isinstance(mask, Open) else [], False)
    if val_of(node).dtype == torch.uint8:
        node = w.call(aten.ne.Scalar, node, 0, val=val_of(node).to(torch.bool))
    return flattened(w, node, 0, val_of(node).ndim)


def ranks_of(w: OpenWriter, mask: fx.Node) -> tuple[fx.Node, fx.Node]:
    """For each element of a mask, how many are set up to it; and the mask as numbers."""
    as_number = val_of(mask).to(torch.int64)
    numbers = w.call(aten._to_copy.default, mask, val=as_number, dtype=torch.int64)
    return w.call(aten.cumsum.default, numbers, 0, val=as_number), numbers


def order_of(
    w: OpenWriter, mask: fx.Node, capacity: Capacity, size: Size
) -> tuple[fx.Node, Number]:
    """The positions that a mask sets, first ones first, and how many there are.

    Args:
        w: where to write.
        mask: a bool vector.
        capacity: its capacity.
        size: the number, as captured.
    """
    ranks, numbers = ranks_of(w, mask)
    val = val_of(ranks)
    with val.fake_mode:  # type: ignore[attr-defined]
        nothing = torch.empty((), dtype=torch.int64)
    total = w.call(aten.sum.default, numbers, val=nothing)
    count = w.call(aten._local_scalar_dense.default, total, val=size)
    positions = w.positions(capacity, val)
    # What is not set is written to one more element, which is never read.
    target = w.call(
        aten.where.self,
        mask,
        w.arith(aten.sub.Tensor, ranks, 1),
        w.last_position(capacity, val),
        val=val,
    )
    more = w.capacities.total([capacity, Capacity(1)])
    empty = w.root(w.capacities.zeros(more, val))
    written = w.call(aten.scatter.src, empty, 0, target, positions, val=val_of(empty))
    return w.take(written, 0, positions), count


@RULES("nonzero.default")
def nonzero(w: OpenWriter, node: fx.Node, x: Value) -> Result:
    """The coordinates of what is not zero."""
    val = val_of(x)
    mask = x
    if val.dtype != torch.bool:
        inner = node_of(x)
        made = w.call(aten.ne.Scalar, inner, 0, val=val.to(torch.bool))
        mask = x.on(made) if isinstance(x, Open) else made
    vector, capacity = flat_mask(w, mask)
    size = node.meta["val"].shape[0]
    order, count = order_of(w, vector, capacity, size)
    columns: list[fx.Node] = []
    rest = order
    for dim in reversed(range(val.ndim)):
        along = Capacity(w.limits.exact(val_of(mask).shape[dim]))
        number = w.number(maximum, w.capacity_number(along), 1)  # nothing is divided by zero
        if dim:
            columns.append(w.arith(aten.remainder.Scalar, rest, number))
            rest = _divided(w, rest, number)
        else:
            columns.append(rest)
    stacked = [
        w.call(aten.unsqueeze.default, c, 1, val=fake_beside(val_of(c), (capacity.size, 1)))
        for c in reversed(columns)
    ]
    whole = fake_beside(val_of(order), (capacity.size, val.ndim))
    made = w.call(aten.cat.default, stacked, 1, val=whole) if len(stacked) > 1 else stacked[0]
    return Open(made, {0: count}, {0: capacity})


def _divided(w: OpenWriter, index: fx.Node, number: Number) -> fx.Node:
    return w.call(aten.div.Tensor_mode, index, number, val=val_of(index), rounding_mode="floor")


@RULES("masked_select.default")
def masked_select(w: OpenWriter, node: fx.Node, x: Value, mask: Value) -> Result:
    """What a mask selects, as a vector."""
    rank = val_of(x).ndim
    if val_of(mask).ndim != rank:
        raise w.unsupported("masked_select with shapes of other ranks")
    both, counts, capacities = broadcast(w, [x, mask], rank)
    source, chosen = nodes_of(both)
    for a, b in zip(val_of(source).shape, val_of(chosen).shape, strict=True):
        if str(a) != str(b):
            raise w.unsupported("masked_select with shapes that differ")
    vector, capacity = flat_mask(w, Open(chosen, counts, capacities) if counts else chosen)
    flat, _ = flattened(w, source, 0, rank)
    order, count = order_of(w, vector, capacity, node.meta["val"].shape[0])
    return Open(w.gathered(flat, 0, order), {0: count}, {0: capacity})


def indices_within(w: OpenWriter, index: Value, size: Number, closed: bool) -> fx.Node:
    """Indices that lie within a dimension also where they mean nothing.

    Args:
        w: where to write.
        index: int64 indices, open or not; they may count from the end.
        size: how many elements of the dimension are valid.
        closed: whether all are.
    """
    node = w.filled(index, list(counts_of(index)), 0)
    if closed:
        return node
    val = val_of(node)
    behind = w.call(aten.lt.Scalar, node, 0, val=val.to(torch.bool))
    return w.call(aten.where.self, behind, w.arith(aten.add.Tensor, node, size), node, val=val)


@RULES("index.Tensor")
def index(w: OpenWriter, node: fx.Node, x: Value, indices: Sequence[Value | None]) -> Result:
    """`x[mask]` and `x[index]`, also behind other dimensions."""
    given = {k: i for k, i in enumerate(indices) if i is not None}
    at = list(given)
    masks = [k for k in at if val_of(given[k]).dtype in (torch.bool, torch.uint8)]
    if masks:
        if len(at) > 1:
            raise w.unsupported("a mask beside other indices")
        return _by_mask(w, node, x, at[0], given[at[0]])
    return _by_numbers(w, node, x, at, list(given.values()))


def _by_mask(w: OpenWriter, node: fx.Node, x: Value, dim: int, mask: Value) -> Value:
    rank = val_of(mask).ndim
    x, mask = _same_capacities(w, x, mask, dim)
    vector, capacity = flat_mask(w, mask)
    order, count = order_of(w, vector, capacity, node.meta["val"].shape[dim])
    source, _ = flattened(w, node_of(x), dim, rank)
    old = x if isinstance(x, Open) else Open(source, {}, {})
    counts = {d - (rank - 1 if d > dim else 0): n for d, n in old.counts.items()
              if not dim <= d < dim + rank}  # fmt: skip
    capacities = {d - (rank - 1 if d > dim else 0): r for d, r in old.capacities.items()
             if not dim <= d < dim + rank}  # fmt: skip
    made = w.gathered(source, dim, order)
    return Open(made, {**counts, dim: count}, {**capacities, dim: capacity})


def _same_capacities(w: OpenWriter, x: Value, mask: Value, dim: int) -> tuple[Value, Value]:
    """A tensor and its mask with equal capacities."""
    for d in range(val_of(mask).ndim):
        first, second = w.capacity(x, dim + d), w.capacity(mask, d)
        if first.key == second.key:
            continue
        if isinstance(mask, Open) and d in mask.counts:
            mask = w.conform(mask, d, first)
        elif isinstance(x, Open) and dim + d in x.counts:
            x = w.conform(x, dim + d, second)
        else:
            raise w.unsupported("a mask of another size")
    return x, mask


def _by_numbers(w: OpenWriter, node: fx.Node, x: Value, at: list[int], given: list[Value]) -> Value:
    if at != list(range(at[0], at[0] + len(at))):
        raise w.unsupported("indices with a whole dimension between them")
    number = max(val_of(i).ndim for i in given)
    inside = [
        _index_on(w, x, d, i)
        if isinstance(i, Open) or (isinstance(x, Open) and d in x.counts)
        else i
        for d, i in zip(at, given, strict=True)
    ]
    made, index_counts, index_capacities = broadcast(w, inside, number)
    counts = {at[0] + d: n for d, n in index_counts.items()}
    capacities = {at[0] + d: r for d, r in index_capacities.items()}
    for d, count in counts_of(x).items():
        if d not in at:
            to = d if d < at[0] else d - len(at) + number
            counts[to], capacities[to] = count, capacities_of(x)[d]
    args = [None] * at[0] + list(made)
    val = w.with_capacities(node.meta["val"], capacities)
    result = w.call(node.target, node_of(x), args, val=val)
    return Open(result, counts, capacities) if counts else result


def _index_on(w: OpenWriter, x: Value, dim: int, value: Value) -> Value:
    closed = not (isinstance(x, Open) and dim in x.counts)
    made = indices_within(w, value, w.size_number(x, dim), closed)
    return with_node(value, made)


@RULES("index_select.default")
def index_select(w: OpenWriter, node: fx.Node, x: Value, dim: int, at: Value) -> Result:
    """Indices of one dimension."""
    where = positive(dim, val_of(x).ndim)
    closed = not (isinstance(x, Open) and where in x.counts)
    index_node = indices_within(w, at, w.size_number(x, where), closed)
    source = node_of(x)
    made = w.take(source, where, index_node)
    old = without(x, where)
    counts, capacities = dict(counts_of(old)), dict(capacities_of(old))
    if isinstance(at, Open):
        counts[where], capacities[where] = at.counts[0], at.capacities[0]
    return Open(made, counts, capacities) if counts else made


@RULES("embedding.default")
def embedding(w: OpenWriter, node: fx.Node, weight: Value, at: Open, *rest: Argument) -> Result:
    """Rows of a table."""
    if isinstance(weight, Open):
        raise w.unsupported("an embedding whose table has an open size")
    filled = w.filled(at, list(at.counts), 0)
    val = w.with_capacities(node.meta["val"], at.capacities)
    return at.on(w.call(node.target, weight, filled, *rest, val=val))


@RULES("gather.default")
def gather(
    w: OpenWriter, node: fx.Node, x: Value, dim: int, at: Value, **kwargs: Argument
) -> Result:
    """Elements along one dimension, other ones for each index of the rest."""
    rank = val_of(x).ndim
    where = positive(dim, rank)
    for d in range(rank):
        if d != where and w.capacity(x, d).key != w.capacity(at, d).key:
            if isinstance(x, Open) and d in x.counts:
                x = w.conform(x, d, w.capacity(at, d))
            elif isinstance(at, Open) and d in at.counts:
                at = w.conform(at, d, w.capacity(x, d))
    closed = not (isinstance(x, Open) and where in x.counts)
    index_node = indices_within(w, at, w.size_number(x, where), closed)
    source = node_of(x)
    val = w.with_capacities(node.meta["val"], capacities_of(at))
    made = w.call(node.target, source, dim, index_node, val=val, **kwargs)
    return with_node(at, made)
