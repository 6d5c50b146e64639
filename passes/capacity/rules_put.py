"""Writing into places of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.capacity.rules_cut import bound, index_number
from fxexport.passes.capacity.rules_index import flat_mask, flattened, indices_within, ranks_of
from fxexport.passes.capacity.table import Table, positive
from fxexport.passes.capacity.values import Open, Room, node_of, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph.scalars import maximum

__all__ = ["RULES", "puts_by_mask"]

aten = torch.ops.aten

RULES = Table()


def puts_by_mask(node: fx.Node) -> bool:
    """Whether a node writes one row for each place that a mask sets: `x[mask] = rows`."""
    if node.target is not aten.index_put.default:
        return False
    source, indices, values = node.args[:3]
    given = [i for i in indices if isinstance(i, fx.Node)]  # type: ignore[union-attr]
    masks = [i for i in given if val_of(i).dtype in (torch.bool, torch.uint8)]
    if len(masks) != 1:
        return False
    rank = val_of(source).ndim - val_of(masks[0]).ndim + 1
    return val_of(values).ndim >= rank and str(val_of(values).shape[0]) != "1"


def _result(x: Any, node: fx.Node) -> Any:
    return x.on(node) if isinstance(x, Open) else node


@RULES("slice_scatter.default")
def slice_scatter(
    w: Writer,
    node: fx.Node,
    x: Any,
    source: Any,
    dim: int = 0,
    start: Any = None,
    end: Any = None,
    step: int = 1,
) -> Any:
    """Each place takes what is written to it, or stays."""
    rank = val_of(x).ndim
    at = positive(dim, rank)
    x, source = _others_equal(w, x, source, at)
    whole = w.size_number(x, at)
    first, last = bound(w, start, whole, 0), bound(w, end, whole, whole)
    room = w.room(x, at)
    places = w.positions(room, val_of(x))
    index = w.arith(aten.sub.Tensor, places, first) if first != 0 else places
    flag = val_of(places).to(torch.bool)
    inside = w.call(
        aten.logical_and.default,
        w.call(aten.ge.Scalar, places, first, val=flag),
        w.call(aten.lt.Scalar, places, last, val=flag),
        val=flag,
    )
    if step != 1:
        rest = w.call(aten.remainder.Scalar, index, step, val=val_of(index))
        on = w.call(aten.eq.Scalar, rest, 0, val=flag)
        inside = w.call(aten.logical_and.default, inside, on, val=flag)
        index = w.call(aten.div.Tensor_mode, index, step, val=val_of(index), rounding_mode="floor")
    written = w.gathered(source, at, index)
    mask = w.along(inside, at, rank)
    return _result(x, w.call(aten.where.self, mask, written, node_of(x), val=val_of(x)))


def _others_equal(w: Writer, x: Any, source: Any, dim: int) -> tuple[Any, Any]:
    """A tensor and what is written to it, with equal rooms along the other dimensions."""
    for d in range(val_of(x).ndim):
        first, second = w.room(x, d), w.room(source, d)
        if d != dim and first.key != second.key:
            if not isinstance(source, Open) or d not in source.counts:
                raise w.unsupported("an open tensor is written with one that is not")
            source = w.conform(source, d, first)
    return x, source


@RULES("select_scatter.default")
def select_scatter(w: Writer, node: fx.Node, x: Any, source: Any, dim: int, index: Any) -> Any:
    """One place of a dimension."""
    at = positive(dim, val_of(x).ndim)
    if isinstance(x, Open) and at in x.counts:
        index = w.number(maximum, index_number(w, index, x.counts[at]), 0)
    for d in range(val_of(source).ndim):
        to = d + (d >= at)
        if w.room(source, d).key != w.room(x, to).key:
            if not isinstance(source, Open) or d not in source.counts:
                raise w.unsupported("an open tensor is written with one that is not")
            source = w.conform(source, d, w.room(x, to))
    made = w.call(node.target, node_of(x), node_of(source), dim, index, val=val_of(x))
    return _result(x, made)


@RULES("index_put.default")
def index_put(
    w: Writer, node: fx.Node, x: Any, indices: Sequence[Any], values: Any, accumulate: bool = False
) -> Any:
    """`x[mask] = values` and `x[index] = values`."""
    at = [k for k, i in enumerate(indices) if i is not None]
    if len(at) == 1 and val_of(indices[at[0]]).dtype in (torch.bool, torch.uint8):
        if at[0] != 0:
            raise w.unsupported("a mask behind other dimensions")
        return _put_by_mask(w, x, indices[0], values, accumulate)
    if len(at) != 1 or at[0] != 0:
        raise w.unsupported("values are written by several indices")
    return _put_by_number(w, node, x, indices[0], values, accumulate)


def _put_by_mask(w: Writer, x: Any, mask: Any, values: Any, accumulate: bool) -> Any:
    rank, over = val_of(x).ndim, val_of(mask).ndim
    for d in range(over):
        if w.room(mask, d).key != w.room(x, d).key:
            if not isinstance(mask, Open) or d not in mask.counts:
                raise w.unsupported("a mask of another size")
            mask = w.conform(mask, d, w.room(x, d))
    vector, _ = flat_mask(w, mask)
    flat, _ = flattened(w, node_of(x), 0, over)
    val = val_of(flat)
    source = values
    if val_of(values).ndim == rank - over + 1 and str(val_of(values).shape[0]) != "1":
        ranks = w.arith(aten.sub.Tensor, ranks_of(w, vector)[0], 1)
        source = w.gathered(values, 0, ranks)
    flag = w.along(vector, 0, val.ndim)
    source = node_of(source)
    if accumulate:
        source = w.call(aten.add.Tensor, flat, source, val=val)
    written = w.call(aten.where.self, flag, source, flat, val=val)
    if over > 1:
        shape = [w.room_number(Room(w.limits.exact(s))) for s in val_of(x).shape]
        written = w.call(aten.reshape.default, written, shape, val=val_of(x))
    return _result(x, written)


def _put_by_number(
    w: Writer, node: fx.Node, x: Any, index: Any, values: Any, accumulate: bool
) -> Any:
    closed = not (isinstance(x, Open) and 0 in x.counts)
    inside = indices_within(w, index, w.size_number(x, 0), closed)
    if not isinstance(index, Open):
        made = w.call(node.target, node_of(x), [inside], node_of(values), accumulate, val=val_of(x))
        return _result(x, made)
    if val_of(index).ndim != 1:
        raise w.unsupported("values are written by indices of several dimensions")
    # What means nothing is written to one more place, which is cut off again.
    val = val_of(x)
    room = w.room(x, 0)
    more = fake_beside(val, [val.shape[0] + 1, *val.shape[1:]])
    pads = [0] * (2 * (val.ndim - 1)) + [0, 1]
    padded = w.call(aten.constant_pad_nd.default, node_of(x), pads, 0, val=more)
    index_val = val_of(inside)
    beyond = w.beyond(index.counts[0], index.rooms[0], index_val)
    target = w.call(aten.where.self, beyond, w.last_place(room, index_val), inside, val=index_val)
    if isinstance(values, Open) and 0 in values.counts:
        values = w.conform(values, 0, index.rooms[0])
    made = w.call(node.target, padded, [target], node_of(values), accumulate, val=more)
    return _result(x, w.take(made, 0, w.positions(room, val)))


@RULES("index_copy.default")
def index_copy(w: Writer, node: fx.Node, x: Any, dim: int, index: Any, source: Any) -> Any:
    """Whole places by index."""
    at = positive(dim, val_of(x).ndim)
    if isinstance(index, Open):
        raise w.unsupported("index_copy with an open number of places")
    x, source = _others_equal(w, x, source, at)
    closed = not (isinstance(x, Open) and at in x.counts)
    inside = indices_within(w, index, w.size_number(x, at), closed)
    made = w.call(node.target, node_of(x), dim, inside, node_of(source), val=val_of(x))
    return _result(x, made)
