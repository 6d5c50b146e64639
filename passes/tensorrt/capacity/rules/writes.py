"""Writing into elements of a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from fxexport.passes.tensorrt.capacity.rules.indexing import (
    flat_mask,
    flattened,
    indices_within,
    ranks_of,
)
from fxexport.passes.tensorrt.capacity.rules.slices import bound, index_number
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable, positive
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    Open,
    Result,
    Value,
    node_of,
    val_of,
    with_node,
)
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number
from fxexport.graph.scalars import maximum

__all__ = ["RULES", "puts_by_mask"]

aten = torch.ops.aten

RULES = RuleTable()


def puts_by_mask(node: fx.Node) -> bool:
    """Whether a node writes one row for each element that a mask sets: `x[mask] = rows`."""
    if node.target is not aten.index_put.default:
        return False
    source, indices, values = node.args[:3]
    given = [i for i in indices if isinstance(i, fx.Node)]  # type: ignore[union-attr]
    masks = [i for i in given if val_of(i).dtype in (torch.bool, torch.uint8)]
    if len(masks) != 1:
        return False
    rank = val_of(source).ndim - val_of(masks[0]).ndim + 1
    return val_of(values).ndim >= rank and str(val_of(values).shape[0]) != "1"


@RULES("slice_scatter.default")
def slice_scatter(
    w: OpenWriter,
    node: fx.Node,
    x: Value,
    source: Value,
    dim: int = 0,
    start: Number | None = None,
    end: Number | None = None,
    step: int = 1,
) -> Result:
    """Each element takes what is written to it, or stays."""
    rank = val_of(x).ndim
    at = positive(dim, rank)
    x, source = _others_equal(w, x, source, at)
    whole = w.size_number(x, at)
    first, last = bound(w, start, whole, 0), bound(w, end, whole, whole)
    capacity = w.capacity(x, at)
    positions = w.positions(capacity, val_of(x))
    index = w.arith(aten.sub.Tensor, positions, first) if first != 0 else positions
    flag = val_of(positions).to(torch.bool)
    inside = w.call(
        aten.logical_and.default,
        w.call(aten.ge.Scalar, positions, first, val=flag),
        w.call(aten.lt.Scalar, positions, last, val=flag),
        val=flag,
    )
    if step != 1:
        rest = w.call(aten.remainder.Scalar, index, step, val=val_of(index))
        on = w.call(aten.eq.Scalar, rest, 0, val=flag)
        inside = w.call(aten.logical_and.default, inside, on, val=flag)
        index = w.call(aten.div.Tensor_mode, index, step, val=val_of(index), rounding_mode="floor")
    written = w.gathered(source, at, index)
    mask = w.along(inside, at, rank)
    return with_node(x, w.call(aten.where.self, mask, written, node_of(x), val=val_of(x)))


def _others_equal(w: OpenWriter, x: Value, source: Value, dim: int) -> tuple[Value, Value]:
    """A tensor and what is written to it, with equal capacities along the other dimensions."""
    for d in range(val_of(x).ndim):
        first, second = w.capacity(x, d), w.capacity(source, d)
        if d != dim and first.key != second.key:
            if not isinstance(source, Open) or d not in source.counts:
                raise w.unsupported("an open tensor is written with one that is not")
            source = w.conform(source, d, first)
    return x, source


@RULES("select_scatter.default")
def select_scatter(
    w: OpenWriter, node: fx.Node, x: Value, source: Value, dim: int, index: Number
) -> Result:
    """One index of a dimension."""
    at = positive(dim, val_of(x).ndim)
    if isinstance(x, Open) and at in x.counts:
        index = w.number(maximum, index_number(w, index, x.counts[at]), 0)
    for d in range(val_of(source).ndim):
        to = d + (d >= at)
        if w.capacity(source, d).key != w.capacity(x, to).key:
            if not isinstance(source, Open) or d not in source.counts:
                raise w.unsupported("an open tensor is written with one that is not")
            source = w.conform(source, d, w.capacity(x, to))
    made = w.call(node.target, node_of(x), node_of(source), dim, index, val=val_of(x))
    return with_node(x, made)


@RULES("index_put.default")
def index_put(
    w: OpenWriter,
    node: fx.Node,
    x: Value,
    indices: Sequence[Value | None],
    values: Value,
    accumulate: bool = False,
) -> Result:
    """`x[mask] = values` and `x[index] = values`."""
    given = [(k, i) for k, i in enumerate(indices) if i is not None]
    at, first = given[0]
    if len(given) == 1 and val_of(first).dtype in (torch.bool, torch.uint8):
        if at != 0:
            raise w.unsupported("a mask behind other dimensions")
        return _put_by_mask(w, x, first, values, accumulate)
    if len(given) != 1 or at != 0:
        raise w.unsupported("values are written by several indices")
    return _put_by_number(w, node, x, first, values, accumulate)


def _put_by_mask(w: OpenWriter, x: Value, mask: Value, values: Value, accumulate: bool) -> Value:
    rank, over = val_of(x).ndim, val_of(mask).ndim
    for d in range(over):
        if w.capacity(mask, d).key != w.capacity(x, d).key:
            if not isinstance(mask, Open) or d not in mask.counts:
                raise w.unsupported("a mask of another size")
            mask = w.conform(mask, d, w.capacity(x, d))
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
        shape = [w.capacity_number(Capacity(w.limits.exact(s))) for s in val_of(x).shape]
        written = w.call(aten.reshape.default, written, shape, val=val_of(x))
    return with_node(x, written)


def _put_by_number(
    w: OpenWriter, node: fx.Node, x: Value, index: Value, values: Value, accumulate: bool
) -> Value:
    closed = not (isinstance(x, Open) and 0 in x.counts)
    inside = indices_within(w, index, w.size_number(x, 0), closed)
    if not isinstance(index, Open):
        made = w.call(node.target, node_of(x), [inside], node_of(values), accumulate, val=val_of(x))
        return with_node(x, made)
    if val_of(index).ndim != 1:
        raise w.unsupported("values are written by indices of several dimensions")
    # What is not valid is written to one more element, which is cut off again.
    val = val_of(x)
    capacity = w.capacity(x, 0)
    more = fake_beside(val, [val.shape[0] + 1, *val.shape[1:]])
    pads = [0] * (2 * (val.ndim - 1)) + [0, 1]
    padded = w.call(aten.constant_pad_nd.default, node_of(x), pads, 0, val=more)
    index_val = val_of(inside)
    beyond = w.beyond(index.counts[0], index.capacities[0], index_val)
    target = w.call(
        aten.where.self, beyond, w.last_position(capacity, index_val), inside, val=index_val
    )
    if isinstance(values, Open) and 0 in values.counts:
        values = w.conform(values, 0, index.capacities[0])
    made = w.call(node.target, padded, [target], node_of(values), accumulate, val=more)
    return with_node(x, w.take(made, 0, w.positions(capacity, val)))


@RULES("index_copy.default")
def index_copy(
    w: OpenWriter, node: fx.Node, x: Value, dim: int, index: Value, source: Value
) -> Result:
    """Whole slices by index."""
    at = positive(dim, val_of(x).ndim)
    if isinstance(index, Open):
        raise w.unsupported("index_copy with an open number of indices")
    x, source = _others_equal(w, x, source, at)
    closed = not (isinstance(x, Open) and at in x.counts)
    inside = indices_within(w, index, w.size_number(x, at), closed)
    made = w.call(node.target, node_of(x), dim, inside, node_of(source), val=val_of(x))
    return with_node(x, made)
