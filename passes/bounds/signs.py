"""What is certain of numbers and indices: that they are never negative, above 0, or finite."""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from torch import fx

from fxexport._torch_compat import finite, raw_expression
from fxexport.graph.arguments import item_of
from fxexport.graph.scalars import absolute, maximum, minimum, select, to_float

__all__ = ["is_above_zero", "is_finite", "is_never_negative"]

aten = torch.ops.aten

# They give places in a tensor, or numbers of things.
_COUNTING = {
    aten.argmax.default, aten.argmin.default, aten.argsort.default, aten.argsort.stable,
    aten.nonzero.default, aten.bincount.default, aten.zeros.default, aten.ones.default,
    aten.zeros_like.default, aten.ones_like.default, aten.one_hot.default,
    aten.searchsorted.Tensor, aten.bucketize.Tensor, aten.multinomial.default,
}  # fmt: skip
# Their second result does.
_COUNTING_SECOND = {
    aten.sort.default, aten.sort.stable, aten.topk.default, aten.max.dim, aten.min.dim,
    aten.median.dim, aten.kthvalue.default,
}  # fmt: skip
# What they give is among what they get.
_PASSING = {
    aten.reshape.default, aten.unsqueeze.default, aten.squeeze.dim, aten.squeeze.dims,
    aten.squeeze.default, aten.expand.default, aten.slice.Tensor, aten.select.int,
    aten.permute.default, aten.transpose.int, aten.t.default, aten.clone.default,
    aten.detach.default, aten.flip.default, aten.repeat.default, aten._to_copy.default,
    aten.index.Tensor, aten.index_select.default, aten.gather.default, aten.unbind.int,
    aten.split.Tensor, aten.alias.default, aten.cat.default, aten.stack.default,
    aten.broadcast_to.default, aten.roll.default, aten.masked_select.default,
}  # fmt: skip
_LONGEST = 200


def is_never_negative(value: object) -> bool:
    """Whether the elements of a tensor of whole numbers, or a number, are certainly 0 or more."""
    return _never_negative(value, _LONGEST)


def _never_negative(value: object, steps: int) -> bool:
    if isinstance(value, (int, float)):
        return value >= 0
    if not isinstance(value, fx.Node) or steps <= 0:
        return False
    val, target = value.meta.get("val"), value.target
    if isinstance(val, torch.Tensor) and val.dtype in (torch.bool, torch.uint8):
        return True
    if isinstance(val, torch.SymInt) and _at_least(val, 0):
        return True
    if value.op == "get_attr":
        return True  # the same in every call: the example has shown what PyTorch makes of it
    if value.op != "call_function":
        return False
    item = item_of(value)
    if item is not None:
        source, k = item
        counts = source.target in _COUNTING_SECOND and k == 1
        passes = source.target in (aten.split.Tensor, aten.unbind.int)
        return counts or (passes and _never_negative(source.args[0], steps - 1))
    if target in _COUNTING or target is absolute:
        return True
    if target in (aten.arange.default, aten.arange.start, aten.arange.start_step):
        step = value.args[2] if len(value.args) > 2 else 1
        start = value.args[0] if target is not aten.arange.default else 0
        return isinstance(step, int) and step > 0 and _never_negative(start, steps - 1)
    if target is aten.clamp.default and isinstance(value.args[1], int):
        return value.args[1] >= 0
    if target in (aten.cat.default, aten.stack.default, aten.add.Tensor, aten.mul.Tensor,
                  operator.add, operator.mul, to_float, minimum):  # fmt: skip
        parts: Any = (
            value.args[0] if target in (aten.cat.default, aten.stack.default) else value.args
        )
        return all(_never_negative(part, steps // 2) for part in parts)
    if target is maximum:
        return any(_never_negative(part, steps // 2) for part in value.args)
    return target in _PASSING and _never_negative(value.args[0], steps - 1)


def is_above_zero(value: object) -> bool:
    """Whether a number is certainly above 0."""
    if isinstance(value, (int, float)):
        return value > 0
    if not isinstance(value, fx.Node):
        return False
    val = value.meta.get("val")
    if isinstance(val, torch.SymInt) and _at_least(val, 1):
        return True
    if value.target in (operator.mul, to_float, minimum, operator.truediv):
        return all(map(is_above_zero, value.args))
    if value.target is operator.add:
        a, b = value.args
        return (is_above_zero(a) and is_never_negative(b)) or (
            is_above_zero(b) and is_never_negative(a)
        )
    return value.target is maximum and any(map(is_above_zero, value.args))


def is_finite(value: object) -> bool:
    """Whether a number is certainly finite: computed from whole numbers, by what is guarded."""
    if isinstance(value, (int, float)):
        return math.isfinite(value)
    if not isinstance(value, fx.Node):
        return False
    val = value.meta.get("val")
    if isinstance(val, (bool, int, torch.SymInt, torch.SymBool)):
        return True
    if value.target in (operator.add, operator.sub, operator.mul, operator.truediv, operator.neg,
                        operator.floordiv, operator.mod, to_float, maximum, minimum, absolute,
                        math.sqrt):  # fmt: skip
        return all(map(is_finite, value.args))
    return value.target is select and all(map(is_finite, value.args[1:]))


def _at_least(value: torch.SymInt, least: int) -> bool:
    env: Any = value.node.shape_env
    low = finite(env.bound_sympy(raw_expression(value)).lower)
    return low is not None and bool(low >= least)
