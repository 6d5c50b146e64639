"""Products of matrices and attention: what is not valid is zero where it is summed over."""

from __future__ import annotations

import torch
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    Open,
    Result,
    Target,
    Value,
    capacities_of,
    counts_of,
    node_of,
    val_of,
    with_node,
    without,
)
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = RuleTable()


def _masked(w: OpenWriter, q: Value, k: Open, mask: Value | None, causal: bool) -> Value:
    """A mask that is false, or minus infinity, for the keys that mean nothing."""
    rank = val_of(q).ndim
    capacity = k.capacities[rank - 2]
    within = w.along(w.within(k.counts[rank - 2], capacity, val_of(q)), 1, 2)
    if causal:
        if mask is not None:
            raise w.unsupported("causal attention with a mask of its own")
        rows = w.positions(w.capacity(q, rank - 2), val_of(q))
        columns = w.along(w.positions(capacity, val_of(q)), 1, 2)
        sizes = [val_of(rows).shape[0], capacity.size]
        seen = fake_beside(val_of(rows), sizes).to(torch.bool)
        before = w.call(aten.ge.Tensor, w.along(rows, 0, 2), columns, val=seen)
        made = w.call(aten.logical_and.default, before, within, val=seen)
        return _with_rows(q, rank, made)
    if mask is None:
        return within
    last = val_of(mask).ndim - 1
    if str(val_of(mask).shape[last]) != "1":
        mask = w.opened(mask, last, capacity)
    val = val_of(mask)
    sizes = [*val.shape[:-1], capacity.size]
    if val.dtype == torch.bool:
        combined = fake_beside(val, sizes)
        made = w.call(aten.logical_and.default, node_of(mask), within, val=combined)
    else:
        beyond = w.along(w.beyond(k.counts[rank - 2], capacity, val), last, val.ndim)
        shape = [-1] * last + [w.capacity_number(capacity)]
        wide = w.call(aten.expand.default, node_of(mask), shape, val=fake_beside(val, sizes))
        made = w.call(aten.masked_fill.Scalar, wide, beyond, float("-inf"), val=val_of(wide))
    return with_node(without(mask, last), made)


def _with_rows(q: Value, rank: int, mask: fx.Node) -> Value:
    """A mask over the rows of the queries, open where those are."""
    if rank - 2 not in counts_of(q):
        return mask
    return Open(mask, {0: counts_of(q)[rank - 2]}, {0: capacities_of(q)[rank - 2]})


def _like_queries(w: OpenWriter, q: Open, mask: Value) -> Value:
    """A mask with the capacity of an open number of queries."""
    rank, at = val_of(q).ndim, val_of(mask).ndim - 2
    if at < 0 or str(val_of(mask).shape[at]) == "1":
        return mask
    return w.conform(mask, at, q.capacities[rank - 2])


@RULES("matmul.default", "mm.default", "bmm.default", "mv.default", "dot.default")
def matmul(w: OpenWriter, node: fx.Node, a: Value, b: Value) -> Result:
    """The last dimension of the left one meets the last but one of the right one."""
    return _product(w, node.target, node.meta["val"], a, b)


def _product(w: OpenWriter, target: Target, val: torch.Tensor, a: Value, b: Value) -> Value:
    left, right = val_of(a).ndim, val_of(b).ndim
    i, j = left - 1, max(right - 2, 0)
    if i in counts_of(a) or j in counts_of(b):
        capacity = w.capacities.largest([w.capacity(a, i), w.capacity(b, j)])
        left_, right_ = w.opened(a, i, capacity), w.opened(b, j, capacity)
        a, b = left_.on(w.filled(left_, [i], 0)), right_.on(w.filled(right_, [j], 0))
    counts: dict[int, Number] = {}
    capacities: dict[int, Capacity] = {}
    batch = val.ndim - (left > 1) - (right > 1)
    for value, rank in ((a, left), (b, right)):
        for d, count in counts_of(value).items():
            if d < rank - 2:
                counts[batch - (rank - 2) + d] = count
                capacities[batch - (rank - 2) + d] = capacities_of(value)[d]
    for value, at, to in ((a, left - 2, batch), (b, right - 1, val.ndim - 1)):
        if val_of(value).ndim > 1 and at in counts_of(value):
            counts[to], capacities[to] = counts_of(value)[at], capacities_of(value)[at]
    for d in range(batch):
        if d in capacities:
            a, b = (
                _batch(w, v, d - batch + r - 2, capacities[d]) for v, r in ((a, left), (b, right))
            )
    made = w.call(target, node_of(a), node_of(b), val=w.with_capacities(val, capacities))
    return Open(made, counts, capacities) if counts else made


def _batch(w: OpenWriter, value: Value, dim: int, capacity: Capacity) -> Value:
    if dim < 0 or str(val_of(value).shape[dim]) == "1":
        return value
    if dim not in counts_of(value):
        raise w.unsupported("an open size meets one that is known before")
    return w.conform(value, dim, capacity)


@RULES("linear.default")
def linear(
    w: OpenWriter, node: fx.Node, x: Value, weight: Value, bias: fx.Node | None = None
) -> Result:
    """All dimensions but the last stay."""
    features = val_of(weight).shape[1]
    if not isinstance(x, Open) or isinstance(weight, Open) or not is_concrete_int(features):
        raise w.unsupported("a linear layer whose weight has an open size")
    if x.rank - 1 in x.counts:
        x = w.closed_to(x, x.rank - 1, int(features))
    if not isinstance(x, Open):
        return w.call(node.target, x, weight, bias, val=node.meta["val"])
    val = w.with_capacities(node.meta["val"], x.capacities)
    return x.on(w.call(node.target, x.node, weight, bias, val=val))


@RULES("addmm.default", "baddbmm.default")
def addmm(
    w: OpenWriter, node: fx.Node, bias: Value, a: Value, b: Value, **kwargs: Argument
) -> Result:
    """A product and a sum."""
    if kwargs:
        raise w.unsupported("a weighted sum of products")
    product = _product(w, aten.matmul.default, node.meta["val"], a, b)
    if isinstance(bias, Open):
        raise w.unsupported("an open bias")
    made = w.call(aten.add.Tensor, node_of(product), bias, val=val_of(product))
    return with_node(product, made)


@RULES("t.default", "numpy_T.default")
def transposed(w: OpenWriter, node: fx.Node, x: Open) -> Result:
    """A matrix turned over."""
    last = x.rank - 1
    counts = {last - d: n for d, n in x.counts.items()}
    capacities = {last - d: r for d, r in x.capacities.items()}
    made = w.call(node.target, x.node, val=w.with_capacities(node.meta["val"], capacities))
    return Open(made, counts, capacities)


@RULES("scaled_dot_product_attention.default")
def attention(
    w: OpenWriter,
    node: fx.Node,
    q: Open,
    k: Open,
    v: Open,
    mask: Value | None = None,
    dropout: float = 0.0,
    causal: bool = False,
    **kwargs: Argument,
) -> Result:
    """Keys that mean nothing get no weight."""
    rank = val_of(q).ndim
    length = rank - 2
    if any(d < length or d == rank - 1 for value in (q, k, v) for d in counts_of(value)):
        raise w.unsupported("attention with an open number of batches or heads")
    if length in counts_of(k) or length in counts_of(v):
        capacity = w.capacities.largest([w.capacity(k, length), w.capacity(v, length)])
        k, v = w.opened(k, length, capacity), w.opened(v, length, capacity)
        v = v.on(w.filled(v, [length], 0))
        k = k.on(w.filled(k, [length], 0))
        mask = _masked(w, q, k, mask, causal)
        causal = False
    elif isinstance(mask, Open) and set(mask.counts) - {mask.rank - 2}:
        raise w.unsupported("attention with a mask of an open size over keys that have none")
    if length in counts_of(q) and mask is not None:
        mask = _like_queries(w, q, mask)
    counts = {length: q.counts[length]} if length in counts_of(q) else {}
    capacities = {length: q.capacities[length]} if counts else {}
    val = w.with_capacities(node.meta["val"], capacities)
    nodes = [node_of(value) for value in (q, k, v)]
    given = None if mask is None else node_of(mask)
    made = w.call(node.target, *nodes, given, dropout, causal, val=val, **kwargs)
    return Open(made, counts, capacities) if counts else made
