"""Products of matrices and attention: what means nothing is zero where it is summed over."""

from __future__ import annotations

from typing import Any

import torch
from fxexport.passes.capacity.table import Table
from fxexport.passes.capacity.values import Open, node_of, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import fake_beside

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = Table()


def _masked(w: Writer, q: Any, k: Any, mask: Any, causal: bool) -> Any:
    """A mask that is false, or minus infinity, for the keys that mean nothing."""
    rank = val_of(q).ndim
    room = k.rooms[rank - 2]
    within = w.along(w.within(k.counts[rank - 2], room, val_of(q)), 1, 2)
    if causal:
        if mask is not None:
            raise w.unsupported("causal attention with a mask of its own")
        rows = w.positions(w.room(q, rank - 2), val_of(q))
        columns = w.along(w.positions(room, val_of(q)), 1, 2)
        sizes = [val_of(rows).shape[0], room.size]
        seen = fake_beside(val_of(rows), sizes).to(torch.bool)
        before = w.call(aten.ge.Tensor, w.along(rows, 0, 2), columns, val=seen)
        made = w.call(aten.logical_and.default, before, within, val=seen)
        return _with_rows(q, rank, made)
    if mask is None:
        return within
    last = val_of(mask).ndim - 1
    if str(val_of(mask).shape[last]) != "1":
        mask = w.opened(mask, last, room)
    val = val_of(mask)
    sizes = [*val.shape[:-1], room.size]
    if val.dtype == torch.bool:
        combined = fake_beside(val, sizes)
        made = w.call(aten.logical_and.default, node_of(mask), within, val=combined)
    else:
        beyond = w.along(w.beyond(k.counts[rank - 2], room, val), last, val.ndim)
        wide = w.call(aten.expand.default, node_of(mask), [-1] * last + [w.room_number(room)],
                      val=fake_beside(val, sizes))  # fmt: skip
        made = w.call(aten.masked_fill.Scalar, wide, beyond, float("-inf"), val=val_of(wide))
    rest = mask.without(last) if isinstance(mask, Open) and last in mask.counts else mask
    return rest.on(made) if isinstance(rest, Open) else made


def _with_rows(q: Any, rank: int, mask: fx.Node) -> Any:
    """A mask over the rows of the queries, open where those are."""
    if rank - 2 not in _counts(q):
        return mask
    return Open(mask, {0: q.counts[rank - 2]}, {0: q.rooms[rank - 2]})


def _like_queries(w: Writer, q: Any, mask: Any) -> Any:
    """A mask with the room of an open number of queries."""
    rank, at = val_of(q).ndim, val_of(mask).ndim - 2
    if at < 0 or str(val_of(mask).shape[at]) == "1":
        return mask
    return w.conform(mask, at, q.rooms[rank - 2])


def _counts(value: Any) -> dict[int, Any]:
    return value.counts if isinstance(value, Open) else {}


@RULES("matmul.default", "mm.default", "bmm.default", "mv.default", "dot.default")
def matmul(w: Writer, node: fx.Node, a: Any, b: Any) -> Any:
    """The last dimension of the left one meets the last but one of the right one."""
    return _product(w, node.target, node.meta["val"], a, b)


def _product(w: Writer, target: Any, val: torch.Tensor, a: Any, b: Any) -> Any:
    left, right = val_of(a).ndim, val_of(b).ndim
    i, j = left - 1, max(right - 2, 0)
    if i in _counts(a) or j in _counts(b):
        room = w.rooms.largest([w.room(a, i), w.room(b, j)])
        a, b = w.opened(a, i, room), w.opened(b, j, room)
        a, b = a.on(w.filled(a, [i], 0)), b.on(w.filled(b, [j], 0))
    counts: dict[int, Any] = {}
    rooms: dict[int, Any] = {}
    batch = val.ndim - (left > 1) - (right > 1)
    for value, rank in ((a, left), (b, right)):
        for d in _counts(value):
            if d >= rank - 2:
                continue
            counts[batch - (rank - 2) + d] = value.counts[d]
            rooms[batch - (rank - 2) + d] = value.rooms[d]
    if left > 1 and left - 2 in _counts(a):
        counts[batch], rooms[batch] = a.counts[left - 2], a.rooms[left - 2]
    if right > 1 and right - 1 in _counts(b):
        counts[val.ndim - 1], rooms[val.ndim - 1] = b.counts[right - 1], b.rooms[right - 1]
    for d in range(batch):
        if d in rooms:
            a, b = (_batch(w, v, d - batch + r - 2, rooms[d]) for v, r in ((a, left), (b, right)))
    made = w.call(target, node_of(a), node_of(b), val=w.like_room(val, rooms))
    return Open(made, counts, rooms) if counts else made


def _batch(w: Writer, value: Any, dim: int, room: Any) -> Any:
    if dim < 0 or str(val_of(value).shape[dim]) == "1":
        return value
    if dim not in _counts(value):
        raise w.unsupported("an open size meets one that is known before")
    return w.conform(value, dim, room)


@RULES("linear.default")
def linear(w: Writer, node: fx.Node, x: Any, weight: Any, bias: Any = None) -> Any:
    """All dimensions but the last stay."""
    features = val_of(weight).shape[1]
    if not isinstance(x, Open) or isinstance(weight, Open) or not is_concrete_int(features):
        raise w.unsupported("a linear layer whose weight has an open size")
    if x.rank - 1 in x.counts:
        x = w.closed_to(x, x.rank - 1, int(features))
    if not isinstance(x, Open):
        return w.call(node.target, x, weight, bias, val=node.meta["val"])
    val = w.like_room(node.meta["val"], x.rooms)
    return x.on(w.call(node.target, x.node, weight, bias, val=val))


@RULES("addmm.default", "baddbmm.default")
def addmm(w: Writer, node: fx.Node, bias: Any, a: Any, b: Any, **kwargs: Any) -> Any:
    """A product and a sum."""
    if kwargs:
        raise w.unsupported("a weighted sum of products")
    product = _product(w, aten.matmul.default, node.meta["val"], a, b)
    if isinstance(bias, Open):
        raise w.unsupported("an open bias")
    made = w.call(aten.add.Tensor, node_of(product), bias, val=val_of(product))
    return product.on(made) if isinstance(product, Open) else made


@RULES("t.default", "numpy_T.default")
def transposed(w: Writer, node: fx.Node, x: Any) -> Any:
    """A matrix turned over."""
    last = x.rank - 1
    counts = {last - d: n for d, n in x.counts.items()}
    rooms = {last - d: r for d, r in x.rooms.items()}
    made = w.call(node.target, x.node, val=w.like_room(node.meta["val"], rooms))
    return Open(made, counts, rooms)


@RULES("scaled_dot_product_attention.default")
def attention(
    w: Writer,
    node: fx.Node,
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    dropout: float = 0.0,
    causal: bool = False,
    **kwargs: Any,
) -> Any:
    """Keys that mean nothing get no weight."""
    rank = val_of(q).ndim
    length = rank - 2
    if any(d < length or d == rank - 1 for value in (q, k, v) for d in _counts(value)):
        raise w.unsupported("attention with an open number of batches or heads")
    if length in _counts(k) or length in _counts(v):
        room = w.rooms.largest([w.room(k, length), w.room(v, length)])
        k, v = w.opened(k, length, room), w.opened(v, length, room)
        v = v.on(w.filled(v, [length], 0))
        k = k.on(w.filled(k, [length], 0))
        mask = _masked(w, q, k, mask, causal)
        causal = False
    elif isinstance(mask, Open) and set(mask.counts) - {mask.rank - 2}:
        raise w.unsupported("attention with a mask of an open size over keys that have none")
    if length in _counts(q) and mask is not None:
        mask = _like_queries(w, q, mask)
    counts = {length: q.counts[length]} if length in _counts(q) else {}
    rooms = {length: q.rooms[length]} if counts else {}
    val = w.like_room(node.meta["val"], rooms)
    nodes = [node_of(value) for value in (q, k, v, mask)]
    made = w.call(node.target, *nodes, dropout, causal, val=val, **kwargs)
    return Open(made, counts, rooms) if counts else made
