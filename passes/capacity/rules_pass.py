"""Operators that treat the places of an open dimension one by one."""

from __future__ import annotations

import operator
from typing import Any

import torch
from fxexport.passes.capacity.broadcasting import broadcast, captured_shapes
from fxexport.passes.capacity.table import Table, dims_of, positive
from fxexport.passes.capacity.values import Open, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx

__all__ = ["RULES", "pointwise"]

aten = torch.ops.aten

RULES = Table()

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
def pointwise(w: Writer, node: fx.Node, *args: Any, **kwargs: Any) -> Any:
    """Element by element, with broadcasting."""
    val = node.meta["val"]
    given = list(args)
    if any(name in str(node.target) for name in _DIVIDING) and not val.dtype.is_floating_point:
        given[1] = _divisor(w, given[1])
    made, counts, rooms = broadcast(w, given, val.ndim, captured_shapes(node.args))
    result = w.call(node.target, *made, val=w.like_room(val, rooms), **kwargs)
    return Open(result, counts, rooms) if counts else result


def _divisor(w: Writer, value: Any) -> Any:
    """A divisor that is never zero where it means nothing: integers would end the process."""
    if not isinstance(value, Open):
        return value
    return value.on(w.filled(value, list(value.counts), 1))


@RULES("sym_size.int")
def sym_size(w: Writer, node: fx.Node, x: Any, dim: int) -> Any:
    """The count."""
    return w.size_number(x, positive(dim, val_of(x).ndim))


@RULES("sym_numel.default")
def sym_numel(w: Writer, node: fx.Node, x: Any) -> Any:
    """The product of counts and sizes."""
    total: Any = 1
    for dim in range(val_of(x).ndim):
        total = w.number(operator.mul, total, w.size_number(x, dim))
    return total


def _same_dims(w: Writer, node: fx.Node, x: Any, *args: Any, **kwargs: Any) -> Any:
    """The operator as it is: what is beyond stays beyond."""
    vals = node.meta["val"]
    if isinstance(vals, torch.Tensor):
        made = w.call(node.target, x.node, *args, val=w.like_room(vals, x.rooms), **kwargs)
        return x.on(made)
    opened = tuple(w.like_room(v, x.rooms) for v in vals)
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
def prefix(w: Writer, node: fx.Node, x: Any, *args: Any, **kwargs: Any) -> Any:
    """What a place gets depends on those before it alone."""
    return _same_dims(w, node, x, *args, **kwargs)


@RULES("layer_norm.default", "rms_norm.default")
def layer_norm(w: Writer, node: fx.Node, x: Any, shape: Any, *rest: Any, **kwargs: Any) -> Any:
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
def over_images(w: Writer, node: fx.Node, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Image by image; a batch norm in eval mode, place by place."""
    places = "batch_norm" in str(node.target)
    if any(d == 1 if places else d != 0 for d in x.counts):
        raise w.unsupported(f"{node.target.__name__} over an open size")  # type: ignore[union-attr]
    return _same_dims(w, node, x, *args, **kwargs)


@RULES("one_hot.default")
def one_hot(w: Writer, node: fx.Node, x: Any, classes: Any = -1) -> Any:
    """A further dimension at the end."""
    return _same_dims(w, node, x.on(w.filled(x, list(x.counts), 0)), classes)


@RULES("softmax.int", "log_softmax.int", "_softmax.default", "_log_softmax.default")
def softmax(w: Writer, node: fx.Node, x: Any, dim: int, *rest: Any, **kwargs: Any) -> Any:
    """What is beyond gets no weight."""
    at = positive(dim, x.rank)
    return _same_dims(w, node, x.on(w.filled(x, [at], float("-inf"))), dim, *rest, **kwargs)


@RULES("flip.default")
def flip(w: Writer, node: fx.Node, x: Any, dims: Any) -> Any:
    """Open dimensions are read backwards from their count."""
    wanted = dims_of(dims, x.rank)
    value = x
    for dim in [d for d in wanted if d in x.counts]:
        places = w.positions(x.rooms[dim], val_of(value))
        last = w.number(operator.sub, x.counts[dim], 1)
        back = w.arith(aten.add.Tensor, w.call(aten.neg.default, places, val=val_of(places)), last)
        value = value.on(w.gathered(value, dim, back))
    rest = [d for d in wanted if d not in x.counts]
    if not rest:
        return value
    return value.on(w.call(aten.flip.default, value.node, rest, val=val_of(value)))
