"""Operators that do the same to real and imaginary parts: views, choices of elements, sums."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from fxexport.passes.complex_numbers.pairs import (
    Pair,
    PairWriter,
    Part,
    real_named,
    shape_of,
)
from fxexport.passes.complex_numbers.table import Result, RuleTable
from torch import fx

from fxexport.graph.complex_values import real_dtype
from fxexport.graph.editing import call

__all__ = ["RULES", "apart"]

aten = torch.ops.aten

RULES = RuleTable()

# Linear, and without a number among their arguments that would count for both parts.
_APART = (
    "view", "reshape", "_unsafe_view", "view_copy", "_reshape_alias", "_reshape_copy",
    "flatten.using_ints", "unflatten.int", "expand", "expand_copy", "expand_as", "broadcast_to",
    "unsqueeze", "unsqueeze_copy", "squeeze", "squeeze.dim", "squeeze.dims", "squeeze_copy",
    "permute", "permute_copy", "transpose.int",
    "transpose_copy.int", "t", "t_copy", "numpy_T",
    "select.int", "select_copy.int", "slice.Tensor", "slice_copy.Tensor", "narrow", "narrow_copy",
    "index.Tensor", "_unsafe_index.Tensor", "index_select", "gather", "take",
    "masked_select", "diagonal", "diagonal_copy", "unfold", "unfold_copy", "tril",
    "triu", "flip", "roll", "repeat", "tile", "repeat_interleave.self_int",
    "clone", "contiguous", "detach", "detach_copy", "alias",
    "alias_copy", "lift_fresh", "lift_fresh_copy", "split.Tensor", "split_copy.Tensor",
    "split_with_sizes", "split_with_sizes_copy", "chunk", "unbind.int", "unbind_copy.int",
    "select_scatter", "slice_scatter", "diagonal_scatter", "scatter.src", "scatter_add",
    "index_add", "index_copy", "masked_scatter", "reflection_pad1d", "reflection_pad2d",
    "reflection_pad3d", "replication_pad1d", "replication_pad2d", "replication_pad3d", "im2col",
    "col2im", "unfold_backward", "cumsum", "sum", "sum.dim_IntList", "mean", "mean.dim",
    "zeros_like", "empty_like", "new_zeros", "new_empty",
)  # fmt: skip


def _half(value: Any, w: PairWriter, imaginary: bool) -> Any:
    """An argument with one part of each complex value in it."""
    if isinstance(value, Pair):
        return w.imaginary(value) if imaginary else w.tensor(value.re)
    if isinstance(value, dict):
        return {name: _half(one, w, imaginary) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_half(one, w, imaginary) for one in value)
    return value


def _is_real(value: Any) -> bool:
    """Whether no complex value in an argument has imaginary parts."""
    if isinstance(value, Pair):
        return value.im is None
    return all(map(_is_real, value)) if isinstance(value, (tuple, list)) else True


def apart(
    w: PairWriter, target: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> Result:
    """An operator done to both parts."""
    val = w.node.meta["val"]
    several = isinstance(val, (tuple, list))

    def of(imaginary: bool) -> list[fx.Node]:
        given, named = _half((list(args), real_named(kwargs)), w, imaginary)
        if not several:
            return [w.call(target, *given, named=named)]
        vals = [w.empty(one.shape, real_dtype(one.dtype)) for one in val]
        return w.several(target, *given, vals=vals, named=named)

    re = of(imaginary=False)
    real = _is_real([args, list(kwargs.values())])
    im = [None] * len(re) if real else of(imaginary=True)
    pairs = [Pair(a, b) for a, b in zip(re, im, strict=True)]
    return pairs if several else pairs[0]


@RULES(*_APART)
def both_parts(w: PairWriter, *args: Any, **kwargs: Any) -> Result:
    return apart(w, w.node.target, args, kwargs)  # type: ignore[arg-type]


@RULES("_to_copy.default")
def to_copy(
    w: PairWriter, x: Any, dtype: torch.dtype | None = None, **kwargs: Any
) -> Pair | fx.Node:
    if w.val.dtype.is_complex:
        return w.pair(x)
    if w.val.dtype == torch.bool:
        return w.is_true(x)
    return w.tensor(w.pair(x).re)  # PyTorch drops the imaginary parts, with a warning


@RULES("cat.default", "concat.default", "concatenate.default", "stack.default")
def cat(w: PairWriter, tensors: Sequence[Any], dim: int = 0) -> Result:
    return apart(w, w.node.target, [[w.pair(x) for x in tensors], dim], {})  # type: ignore[arg-type]


@RULES("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def where(w: PairWriter, condition: fx.Node, a: Any, b: Any) -> Pair:
    one, other = w.pair(a), w.pair(b)
    re = w.where(condition, one.re, other.re)
    if one.im is None and other.im is None:
        return Pair(re, None)
    return Pair(re, w.where(condition, one.im or 0.0, other.im or 0.0))


@RULES("masked_fill.Scalar", "masked_fill.Tensor")
def masked_fill(w: PairWriter, x: Any, mask: fx.Node, value: Any) -> Pair:
    return where(w, mask, value, x)


@RULES("index_put.default", "_unsafe_index_put.default")
def index_put(
    w: PairWriter, x: Any, indices: Sequence[Any], values: Any, accumulate: bool = False
) -> Pair:
    into, source = w.pair(x), w.pair(values)
    sources = (source.re, source.im or 0.0)
    re, im = (
        w.call(w.node.target, target, indices, w.tensor(new), accumulate)  # type: ignore[arg-type]
        for target, new in zip(w.parts(into), sources, strict=True)
    )
    return Pair(re, im)


@RULES("constant_pad_nd.default")
def constant_pad(w: PairWriter, x: Pair, pad: Sequence[Any], value: Any = 0) -> Pair:
    filler = w.pair(value)
    sides: tuple[tuple[Part, Part | None], ...] = (
        (x.re, filler.re), (w.imaginary(x), filler.im or 0.0),
    )  # fmt: skip
    re, im = (w.call(aten.constant_pad_nd.default, part, pad, fill) for part, fill in sides)
    return Pair(re, im)


@RULES("copy.default")
def copy(w: PairWriter, x: Any, source: Any, non_blocking: bool = False) -> Result:
    return apart(w, aten.copy.default, [w.pair(x), w.pair(source)], {})


@RULES("view.dtype")
def view_dtype(w: PairWriter, x: Any, dtype: torch.dtype) -> Result:
    """Between complex numbers and twice as many real ones of their parts' width."""
    if not isinstance(x, Pair):
        count: Any = w.shape[-1]
        if not isinstance(count, int):
            count = call(w.node, operator.floordiv, w.size(x, -1), 2, val=count)
        pairs = w.call(aten.unflatten.int, x, -1, [count, 2], shape=(*w.shape, 2))
        return w.parted(pairs)
    shape = shape_of(w.tensor(x.re))
    joined = w.joined(x, shape)
    if dtype != joined.meta["val"].dtype:
        raise w.refuse(f"a view as {dtype}")
    return w.call(aten.flatten.using_ints, joined, -2, -1)


@RULES("sym_size.int")
def sym_size(w: PairWriter, x: Pair, dim: int) -> fx.Node:
    return w.size(w.tensor(x.re), dim)
