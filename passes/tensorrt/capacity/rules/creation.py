"""New tensors of a varying size: made as large as it can become."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable
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
from torch.fx.node import Argument

from fxexport.graph.arguments import Number
from fxexport.graph.scalars import maximum

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = RuleTable()


def _sized(
    w: OpenWriter, node: fx.Node, sizes: Sequence[Number]
) -> tuple[list[Number], dict[int, Number], dict[int, Capacity]]:
    val = node.meta["val"]
    given: list[Number] = []
    counts: dict[int, Number] = {}
    capacities: dict[int, Capacity] = {}
    for d, size in enumerate(sizes):
        if w.limits.is_known(val.shape[d]):
            given.append(size)
            continue
        capacities[d] = w.capacities.not_empty(w.limits.capacity(val.shape[d]))
        counts[d] = size
        given.append(w.capacity_number(capacities[d]))
    return given, counts, capacities


@RULES(
    "zeros.default",
    "ones.default",
    "full.default",
    "empty.memory_format",
    "rand.default",
    "randn.default",
)
def create(
    w: OpenWriter, node: fx.Node, sizes: Sequence[Number], *rest: Argument, **kwargs: Argument
) -> Result:
    """A tensor of given sizes."""
    given, counts, capacities = _sized(w, node, sizes)
    val = w.with_capacities(node.meta["val"], capacities)
    return Open(w.call(node.target, given, *rest, val=val, **kwargs), counts, capacities)


@RULES("new_zeros.default", "new_ones.default", "new_full.default", "new_empty.default")
def create_beside(
    w: OpenWriter,
    node: fx.Node,
    x: Value,
    sizes: Sequence[Number],
    *rest: Argument,
    **kwargs: Argument,
) -> Result:
    """A tensor of given sizes and of another one's dtype."""
    given, counts, capacities = _sized(w, node, sizes)
    val = w.with_capacities(node.meta["val"], capacities)
    source = node_of(x)
    made = w.call(node.target, source, given, *rest, val=val, **kwargs)
    return Open(made, counts, capacities) if counts else made


@RULES("arange.default", "arange.start", "arange.start_step")
def arange(w: OpenWriter, node: fx.Node, *args: Number, **kwargs: Argument) -> Result:
    """Numbers from a start on."""
    start, end, step = (0, args[0], 1) if len(args) == 1 else (*args[:2], *args[2:], 1)[:3]
    if not all(isinstance(val_of(a), (int, torch.SymInt)) for a in (start, end, step)):
        raise w.unsupported("a range of numbers that are no integers")
    if not isinstance(step, int) or step == 0:
        raise w.unsupported("a range with a varying step")
    val = node.meta["val"]
    capacity = w.capacities.not_empty(w.limits.capacity(val.shape[0]))
    distance = (
        w.number(operator.sub, end, start) if step > 0 else w.number(operator.sub, start, end)
    )
    if abs(step) != 1:
        distance = w.number(operator.add, distance, abs(step) - 1)
        distance = w.number(operator.floordiv, distance, abs(step))
    count = w.number(maximum, distance, 0)
    made = w.positions(capacity, val)
    if step != 1:
        made = w.arith(aten.mul.Tensor, made, step)
    if not (isinstance(start, int) and start == 0):
        made = w.arith(aten.add.Tensor, made, start)
    if val.dtype != torch.int64:
        cast = val_of(made).to(val.dtype)
        made = w.call(aten._to_copy.default, made, val=cast, dtype=val.dtype)
    return Open(made, {0: count}, {0: capacity})
