"""Taking by indices and by masks."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.capacity.broadcasting import broadcast
from fxexport.passes.capacity.table import Table, positive
from fxexport.passes.capacity.values import Number, Open, Room, node_of, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph.scalars import maximum

__all__ = ["RULES", "flat_mask", "flattened", "indices_within", "order_of", "ranks_of"]

aten = torch.ops.aten

RULES = Table()


def flattened(w: Writer, node: fx.Node, first: int, number: int) -> tuple[fx.Node, Room]:
    """Some dimensions of a tensor, rooms and all, as one; and its room."""
    val = val_of(node)
    inner = [Room(w.limits.exact(s)) for s in val.shape[first : first + number]]
    total: Any = 1
    for room in inner:
        total = w.rooms.compute(operator.mul, total, room.number)
    room = Room(total)
    if number == 1:
        return node, inner[0]
    before = [w.root(w.limits.exact(s)) for s in val.shape[:first]]
    after = [w.root(w.limits.exact(s)) for s in val.shape[first + number :]]
    sizes = [*val.shape[:first], room.size, *val.shape[first + number :]]
    shape = [*before, w.room_number(room), *after]
    return w.call(aten.reshape.default, node, shape, val=fake_beside(val, sizes)), room


def flat_mask(w: Writer, mask: Any) -> tuple[fx.Node, Room]:
    """A mask as a vector, False where it means nothing; and its room."""
    node = w.filled(mask, list(mask.counts) if isinstance(mask, Open) else [], False)
    if val_of(node).dtype == torch.uint8:
        node = w.call(aten.ne.Scalar, node, 0, val=val_of(node).to(torch.bool))
    return flattened(w, node, 0, val_of(node).ndim)


def ranks_of(w: Writer, mask: fx.Node) -> tuple[fx.Node, fx.Node]:
    """For each place of a mask, how many are set up to it; and the mask as numbers."""
    as_number = val_of(mask).to(torch.int64)
    numbers = w.call(aten._to_copy.default, mask, val=as_number, dtype=torch.int64)
    return w.call(aten.cumsum.default, numbers, 0, val=as_number), numbers


def order_of(w: Writer, mask: fx.Node, room: Room, size: Any) -> tuple[fx.Node, Number]:
    """The places that a mask sets, first ones first, and how many there are.

    Args:
        w: where to write.
        mask: a bool vector.
        room: its room.
        size: the number, as captured.
    """
    ranks, numbers = ranks_of(w, mask)
    val = val_of(ranks)
    with val.fake_mode:  # type: ignore[attr-defined]
        nothing = torch.empty((), dtype=torch.int64)
    total = w.call(aten.sum.default, numbers, val=nothing)
    count = w.call(aten._local_scalar_dense.default, total, val=size)
    places = w.positions(room, val)
    # What is not set is written to one more place, which is never read.
    target = w.call(
        aten.where.self, mask, w.arith(aten.sub.Tensor, ranks, 1), w.last_place(room, val), val=val
    )
    more = w.rooms.total([room, Room(1)])
    empty = w.root(w.rooms.zeros(more, val))
    written = w.call(aten.scatter.src, empty, 0, target, places, val=val_of(empty))
    return w.take(written, 0, places), count


@RULES("nonzero.default")
def nonzero(w: Writer, node: fx.Node, x: Any) -> Any:
    """The coordinates of what is not zero."""
    val = val_of(x)
    mask = x
    if val.dtype != torch.bool:
        inner = node_of(x)
        made = w.call(aten.ne.Scalar, inner, 0, val=val.to(torch.bool))
        mask = x.on(made) if isinstance(x, Open) else made
    vector, room = flat_mask(w, mask)
    size = node.meta["val"].shape[0]
    order, count = order_of(w, vector, room, size)
    columns: list[fx.Node] = []
    rest = order
    for dim in reversed(range(val.ndim)):
        along = Room(w.limits.exact(val_of(mask).shape[dim]))
        number = w.number(maximum, w.room_number(along), 1)  # nothing is divided by zero
        if dim:
            columns.append(w.arith(aten.remainder.Scalar, rest, number))
            rest = _divided(w, rest, number)
        else:
            columns.append(rest)
    stacked = [
        w.call(aten.unsqueeze.default, c, 1, val=fake_beside(val_of(c), (room.size, 1)))
        for c in reversed(columns)
    ]
    whole = fake_beside(val_of(order), (room.size, val.ndim))
    made = w.call(aten.cat.default, stacked, 1, val=whole) if len(stacked) > 1 else stacked[0]
    return Open(made, {0: count}, {0: room})


def _divided(w: Writer, index: fx.Node, number: Number) -> fx.Node:
    return w.call(aten.div.Tensor_mode, index, number, val=val_of(index), rounding_mode="floor")


@RULES("masked_select.default")
def masked_select(w: Writer, node: fx.Node, x: Any, mask: Any) -> Any:
    """What a mask selects, as a vector."""
    rank = val_of(x).ndim
    if val_of(mask).ndim != rank:
        raise w.unsupported("masked_select with shapes of other ranks")
    (source, chosen), counts, rooms = broadcast(w, [x, mask], rank)
    for a, b in zip(val_of(source).shape, val_of(chosen).shape, strict=True):
        if str(a) != str(b):
            raise w.unsupported("masked_select with shapes that differ")
    vector, room = flat_mask(w, Open(chosen, counts, rooms) if counts else chosen)
    flat, _ = flattened(w, source, 0, rank)
    order, count = order_of(w, vector, room, node.meta["val"].shape[0])
    return Open(w.gathered(flat, 0, order), {0: count}, {0: room})


def indices_within(w: Writer, index: Any, size: Number, closed: bool) -> fx.Node:
    """Indices that lie within a dimension also where they mean nothing.

    Args:
        w: where to write.
        index: int64 indices, open or not; they may count from the end.
        size: how many places of the dimension mean something.
        closed: whether all its places do.
    """
    node = index
    if isinstance(index, Open):
        node = w.filled(index, list(index.counts), 0)
    if closed:
        return node  # type: ignore[no-any-return]
    val = val_of(node)
    behind = w.call(aten.lt.Scalar, node, 0, val=val.to(torch.bool))
    return w.call(aten.where.self, behind, w.arith(aten.add.Tensor, node, size), node, val=val)


@RULES("index.Tensor")
def index(w: Writer, node: fx.Node, x: Any, indices: Sequence[Any]) -> Any:
    """`x[mask]` and `x[index]`, also behind other dimensions."""
    at = [k for k, i in enumerate(indices) if i is not None]
    masks = [k for k in at if val_of(indices[k]).dtype in (torch.bool, torch.uint8)]
    if masks:
        if len(at) > 1:
            raise w.unsupported("a mask beside other indices")
        return _by_mask(w, node, x, at[0], indices[at[0]])
    return _by_numbers(w, node, x, at, [indices[k] for k in at])


def _by_mask(w: Writer, node: fx.Node, x: Any, dim: int, mask: Any) -> Any:
    rank = val_of(mask).ndim
    x, mask = _same_rooms(w, x, mask, dim)
    vector, room = flat_mask(w, mask)
    order, count = order_of(w, vector, room, node.meta["val"].shape[dim])
    source, _ = flattened(w, node_of(x), dim, rank)
    old = x if isinstance(x, Open) else Open(source, {}, {})
    counts = {d - (rank - 1 if d > dim else 0): n for d, n in old.counts.items()
              if not dim <= d < dim + rank}  # fmt: skip
    rooms = {d - (rank - 1 if d > dim else 0): r for d, r in old.rooms.items()
             if not dim <= d < dim + rank}  # fmt: skip
    made = w.gathered(source, dim, order)
    return Open(made, {**counts, dim: count}, {**rooms, dim: room})


def _same_rooms(w: Writer, x: Any, mask: Any, dim: int) -> tuple[Any, Any]:
    """A tensor and its mask with equal rooms."""
    for d in range(val_of(mask).ndim):
        first, second = w.room(x, dim + d), w.room(mask, d)
        if first.key == second.key:
            continue
        if isinstance(mask, Open) and d in mask.counts:
            mask = w.conform(mask, d, first)
        elif isinstance(x, Open) and dim + d in x.counts:
            x = w.conform(x, dim + d, second)
        else:
            raise w.unsupported("a mask of another size")
    return x, mask


def _by_numbers(w: Writer, node: fx.Node, x: Any, at: list[int], given: list[Any]) -> Any:
    if at != list(range(at[0], at[0] + len(at))):
        raise w.unsupported("indices with a whole dimension between them")
    number = max(val_of(i).ndim for i in given)
    inside = [
        _index_on(w, x, d, i)
        if isinstance(i, Open) or (isinstance(x, Open) and d in x.counts)
        else i
        for d, i in zip(at, given, strict=True)
    ]
    made, index_counts, index_rooms = broadcast(w, inside, number)
    counts = {at[0] + d: n for d, n in index_counts.items()}
    rooms = {at[0] + d: r for d, r in index_rooms.items()}
    for d in x.counts if isinstance(x, Open) else ():
        if d not in at:
            to = d if d < at[0] else d - len(at) + number
            counts[to], rooms[to] = x.counts[d], x.rooms[d]
    args = [None] * at[0] + list(made)
    val = w.like_room(node.meta["val"], rooms)
    result = w.call(node.target, node_of(x), args, val=val)
    return Open(result, counts, rooms) if counts else result


def _index_on(w: Writer, x: Any, dim: int, value: Any) -> Any:
    closed = not (isinstance(x, Open) and dim in x.counts)
    made = indices_within(w, value, w.size_number(x, dim), closed)
    return value.on(made) if isinstance(value, Open) else made


@RULES("index_select.default")
def index_select(w: Writer, node: fx.Node, x: Any, dim: int, at: Any) -> Any:
    """Places of one dimension."""
    where = positive(dim, val_of(x).ndim)
    closed = not (isinstance(x, Open) and where in x.counts)
    index_node = indices_within(w, at, w.size_number(x, where), closed)
    source = node_of(x)
    made = w.take(source, where, index_node)
    old = x.without(where) if isinstance(x, Open) else x
    counts = dict(old.counts) if isinstance(old, Open) else {}
    rooms = dict(old.rooms) if isinstance(old, Open) else {}
    if isinstance(at, Open):
        counts[where], rooms[where] = at.counts[0], at.rooms[0]
    return Open(made, counts, rooms) if counts else made


@RULES("embedding.default")
def embedding(w: Writer, node: fx.Node, weight: Any, at: Any, *rest: Any) -> Any:
    """Rows of a table."""
    if isinstance(weight, Open):
        raise w.unsupported("an embedding whose table has an open size")
    filled = w.filled(at, list(at.counts), 0)
    val = w.like_room(node.meta["val"], at.rooms)
    return at.on(w.call(node.target, weight, filled, *rest, val=val))


@RULES("gather.default")
def gather(w: Writer, node: fx.Node, x: Any, dim: int, at: Any, **kwargs: Any) -> Any:
    """Places of one dimension, others for each place of the rest."""
    rank = val_of(x).ndim
    where = positive(dim, rank)
    for d in range(rank):
        if d != where and w.room(x, d).key != w.room(at, d).key:
            if isinstance(x, Open) and d in x.counts:
                x = w.conform(x, d, w.room(at, d))
            elif isinstance(at, Open) and d in at.counts:
                at = w.conform(at, d, w.room(x, d))
    closed = not (isinstance(x, Open) and where in x.counts)
    index_node = indices_within(w, at, w.size_number(x, where), closed)
    source = node_of(x)
    rooms = at.rooms if isinstance(at, Open) else {}
    val = w.like_room(node.meta["val"], rooms)
    made = w.call(node.target, source, dim, index_node, val=val, **kwargs)
    return at.on(made) if isinstance(at, Open) else made
