"""Complex tensors that are made of nothing: zeros, ones, one number everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from fxexport.passes.complex_numbers.pairs import Pair, PairWriter
from fxexport.passes.complex_numbers.table import RuleTable
from torch import fx

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = RuleTable()


def _real(kwargs: dict[str, Any], w: PairWriter) -> dict[str, Any]:
    """The arguments by name, of which the dtype is that of the parts."""
    return {**kwargs, "dtype": w.dtype}


@RULES("zeros", "ones", "empty.memory_format", "eye", "eye.m", "linspace", "arange")
def real_numbers(w: PairWriter, *args: Any, **kwargs: Any) -> Pair:
    return Pair(w.call(w.node.target, *args, named=_real(kwargs, w)), None)  # type: ignore[arg-type]


@RULES("full.default")
def full(w: PairWriter, size: Any, value: Any, **kwargs: Any) -> Pair:
    return _filled(
        w, lambda part: w.call(aten.full.default, size, part, named=_real(kwargs, w)), value
    )


@RULES("scalar_tensor.default")
def scalar_tensor(w: PairWriter, value: Any, **kwargs: Any) -> Pair:
    return full(w, [], value)


@RULES("full_like.default")
def full_like(w: PairWriter, x: Any, fill_value: Any, **kwargs: Any) -> Pair:
    like, named = _real_one(x, w), _real(kwargs, w)
    return _filled(
        w, lambda part: w.call(aten.full_like.default, like, part, named=named), fill_value
    )


@RULES("fill.Scalar", "fill.Tensor")
def fill(w: PairWriter, x: Any, value: Any) -> Pair:
    if not isinstance(value, (Pair, fx.Node)):
        return full_like(w, x, value)
    like = w.in_dtype(_real_one(x, w), w.dtype)
    return _filled(w, lambda part: w.call(aten.copy.default, like, part), value)


@RULES("ones_like.default")
def ones_like(w: PairWriter, x: Any, **kwargs: Any) -> Pair:
    return full_like(w, x, 1, **kwargs)


@RULES("new_full.default")
def new_full(w: PairWriter, x: Any, size: Any, fill_value: Any, **kwargs: Any) -> Pair:
    like, named = _real_one(x, w), _real(kwargs, w)
    return _filled(
        w, lambda part: w.call(aten.new_full.default, like, size, part, named=named), fill_value
    )


@RULES("new_ones.default")
def new_ones(w: PairWriter, x: Any, size: Any, **kwargs: Any) -> Pair:
    return new_full(w, x, size, 1, **kwargs)


def _real_one(x: Any, w: PairWriter) -> fx.Node:
    """A real tensor of the sizes of one that may be complex."""
    return w.tensor(x.re) if isinstance(x, Pair) else x


def _filled(w: PairWriter, made: Callable[[Any], fx.Node], value: Any) -> Pair:
    """A tensor of one number everywhere."""
    pair = w.pair(value)
    return Pair(made(pair.re), None if pair.im is None else made(pair.im))
