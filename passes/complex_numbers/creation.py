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
    return {**kwargs, "dtype": w.dtype}


def _of_zeros_and_ones(name: str, target: Callable[..., Any]) -> None:
    @RULES(name)
    def rule(w: PairWriter, *args: Any, **kwargs: Any) -> Pair:
        return Pair(w.call(target, *args, named=_real(kwargs, w)), None)


for _name in ("zeros", "ones", "empty.memory_format", "eye", "eye.m", "linspace", "arange"):
    _packet, _, _overload = _name.partition(".")
    _of_zeros_and_ones(
        _name if _overload else f"{_name}.default",
        getattr(getattr(aten, _packet), _overload or "default"),
    )


@RULES("full.default")
def full(w: PairWriter, size: Any, value: Any, **kwargs: Any) -> Pair:
    return _filled(
        w, lambda part: w.call(aten.full.default, size, part, named=_real(kwargs, w)), value
    )


@RULES("scalar_tensor.default")
def scalar_tensor(w: PairWriter, value: Any, **kwargs: Any) -> Pair:
    return full(w, [], value)


@RULES("full_like.default", "new_full.default", "new_ones.default", "ones_like.default",
       "fill.Scalar", "fill.Tensor")  # fmt: skip
def filled_like(w: PairWriter, x: Any, *args: Any, **kwargs: Any) -> Pair:
    """Filled tensors in the sizes of another one, or in given ones."""
    ones = w.node.target in (aten.new_ones.default, aten.ones_like.default)
    value: Any = 1 if ones else args[-1] if args else kwargs.pop("fill_value")
    like = w.tensor(x.re) if isinstance(x, Pair) else x
    if w.node.target in (aten.new_full.default, aten.new_ones.default):
        size = args[0]
        return _filled(
            w,
            lambda part: w.call(aten.new_full.default, like, size, part, named=_real(kwargs, w)),
            value,
        )
    if isinstance(value, (Pair, fx.Node)):
        return _filled(w, lambda part: w.call(aten.copy.default, w.in_dtype(like), part), value)
    return _filled(
        w, lambda part: w.call(aten.full_like.default, like, part, named=_real(kwargs, w)), value
    )


def _filled(w: PairWriter, made: Callable[[Any], fx.Node], value: Any) -> Pair:
    """A tensor of one number everywhere."""
    pair = w.pair(value)
    return Pair(made(pair.re), None if pair.im is None else made(pair.im))
