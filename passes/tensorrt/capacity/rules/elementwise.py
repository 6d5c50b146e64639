"""Operators that treat the elements of an open dimension one by one."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from fxexport.passes.tensorrt.capacity.rules.broadcasting import broadcast, captured_shapes
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable, dims_of, positive
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Dims,
    Open,
    Operand,
    Result,
    Value,
    val_of,
)
from torch import fx
from torch.fx.node import Argument

from fxexport.graph.arguments import Number

__all__ = ["RULES", "pointwise"]

aten = torch.ops.aten

RULES = RuleTable()

_DIVIDING = ("aten.div.", "aten.floor_divide.", "aten.remainder.", "aten.fmod.")


@RULES(
    "copy.default",
    "masked_fill.Scalar",
    "masked_fill.Tensor",
    "where.self",
    "where.ScalarSelf",
    "where.ScalarOther",
    "clone.default",
    "detach.default",
    "alias.default",
    "lift_fresh_copy.default",
    "_to_copy.default",
    "zeros_like.default",
    "ones_like.default",
    "full_like.default",
    "rand_like.default",
    "randn_like.default",
    "gelu.default",
    "silu.default",
    "native_dropout.default",
    "contiguous.default",
    "fill.Scalar",
    "fill.Tensor",
    "prelu.default",
)
def pointwise(w: OpenWriter, node: fx.Node, *args: Operand, **kwargs: Argument) -> Result:
    """Element by element, with broadcasting."""
    val = node.meta["val"]
    given = list(args)
    if any(name in str(node.target) for name in _DIVIDING) and not val.dtype.is_floating_point:
        given[1] = _divisor(w, given[1])
    made, counts, capacities = broadcast(w, given, val.ndim, captured_shapes(node.args))
    result = w.call(node.target, *made, val=w.with_capacities(val, capacities), **kwargs)
    return Open(result, counts, capacities) if counts else result


def _divisor(w: OpenWriter, value: Operand) -> Operand:
    """A divisor that is never zero where it is not valid: integers would end the process."""
    if not isinstance(value, Open):
        return value
    return value.on(w.filled(value, list(value.counts), 1))


@RULES("sym_size.int")
def sym_size(w: OpenWriter, node: fx.Node, x: Value, dim: int) -> Result:
    """The count."""
    return w.size_number(x, positive(dim, val_of(x).ndim))


@RULES("sym_numel.default")
def sym_numel(w: OpenWriter, node: fx.Node, x: Value) -> Result:
    """The product of counts and sizes."""
    total: Number = 1
    for dim in range(val_of(x).ndim):
        total = w.number(operator.mul, total, w.size_number(x, dim))
    return total


def _same_dims(
    w: OpenWriter, node: fx.Node, x: Open, *args: Argument, **kwargs: Argument
) -> Result:
    """The operator as it is: what is beyond stays beyond."""
    vals = node.meta["val"]
    if isinstance(vals, torch.Tensor):
        made = w.call(
            node.target, x.node, *args, val=w.with_capacities(vals, x.capacities), **kwargs
        )
        return x.on(made)
    opened = tuple(w.with_capacities(v, x.capacities) for v in vals)
    made = w.call(node.target, x.node, *args, val=opened, **kwargs)
    return [x.on(w.call(operator.getitem, made, k, val=v)) for k, v in enumerate(opened)]


@RULES(
    "cumsum.default",
    "cumprod.default",
    "cummax.default",
    "cummin.default",
    "logcumsumexp.default",
    "tril.default",
    "triu.default",
)
def prefix(w: OpenWriter, node: fx.Node, x: Open, *args: Argument, **kwargs: Argument) -> Result:
    """An element of the result depends only on those before it."""
    return _same_dims(w, node, x, *args, **kwargs)


@RULES("layer_norm.default", "rms_norm.default")
def layer_norm(
    w: OpenWriter, node: fx.Node, x: Open, shape: Sequence[int], *rest: Argument, **kwargs: Argument
) -> Result:
    """Normalises over the last dimensions."""
    if any(d >= x.rank - len(shape) for d in x.counts):
        raise w.unsupported("a normalisation over an open size")
    return _same_dims(w, node, x, shape, *rest, **kwargs)


@RULES(
    "batch_norm.default",
    "_native_batch_norm_legit_no_training.default",
    "group_norm.default",
    "instance_norm.default",
    "pixel_shuffle.default",
    "upsample_nearest2d.vec",
    "upsample_bilinear2d.vec",
    "adaptive_avg_pool2d.default",
)
def over_images(
    w: OpenWriter, node: fx.Node, x: Open, *args: Argument, **kwargs: Argument
) -> Result:
    """Image by image; a batch norm in eval mode, element by element."""
    by_channel = "batch_norm" in str(node.target)
    if any(d == 1 if by_channel else d != 0 for d in x.counts):
        raise w.unsupported(f"{node.target.__name__} over an open size")  # type: ignore[union-attr]
    return _same_dims(w, node, x, *args, **kwargs)


@RULES("one_hot.default")
def one_hot(w: OpenWriter, node: fx.Node, x: Open, classes: int = -1) -> Result:
    """A further dimension at the end."""
    return _same_dims(w, node, x.on(w.filled(x, list(x.counts), 0)), classes)


@RULES("softmax.int", "log_softmax.int", "_softmax.default", "_log_softmax.default")
def softmax(
    w: OpenWriter, node: fx.Node, x: Open, dim: int, *rest: Argument, **kwargs: Argument
) -> Result:
    """What is beyond gets no weight."""
    at = positive(dim, x.rank)
    return _same_dims(w, node, x.on(w.filled(x, [at], float("-inf"))), dim, *rest, **kwargs)


@RULES("flip.default")
def flip(w: OpenWriter, node: fx.Node, x: Open, dims: Dims) -> Result:
    """Open dimensions are read backwards from their count."""
    wanted = dims_of(dims, x.rank)
    value = x
    for dim in [d for d in wanted if d in x.counts]:
        positions = w.positions(x.capacities[dim], val_of(value))
        last = w.number(operator.sub, x.counts[dim], 1)
        back = w.arith(
            aten.add.Tensor, w.call(aten.neg.default, positions, val=val_of(positions)), last
        )
        value = value.on(w.gathered(value, dim, back))
    rest = [d for d in wanted if d not in x.counts]
    if not rest:
        return value
    return value.on(w.call(aten.flip.default, value.node, rest, val=val_of(value)))
