"""Norms, products, variances and questions over many complex numbers; sums are in `apart`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from fxexport.passes.complex_numbers.arithmetic import absolute
from fxexport.passes.complex_numbers.pairs import Pair, PairWriter, real_named, shape_of
from fxexport.passes.complex_numbers.table import RuleTable
from torch import fx

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = RuleTable()


@RULES("linalg_vector_norm.default", "norm.Scalar", "norm.ScalarOpt_dim", "norm.ScalarOpt_dtype",
       "norm.ScalarOpt_dim_dtype")  # fmt: skip
def norm(w: PairWriter, x: Pair, *args: Any, **kwargs: Any) -> fx.Node:
    """The norm of the absolute values."""
    return w.call(w.node.target, absolute(w, x), *args, named=real_named(kwargs))  # type: ignore[arg-type]


@RULES("prod.default", "prod.dim_int", "cumprod.default")
def prod(w: PairWriter, x: Pair, *args: Any, dtype: torch.dtype | None = None) -> Pair:
    """The product of the absolute values, turned by the sum of the angles; in float64."""
    target: Any = w.node.target
    if x.im is None:
        return Pair(w.call(target, w.in_dtype(x.re, w.dtype), *args), None)
    exact = torch.float64
    re, im = (w.cast(part, exact) for part in w.parts(x))
    sizes = shape_of(re)
    absolutes = w.call(aten.hypot.default, re, im, shape=sizes, dtype=exact)
    length = w.call(target, absolutes, *args, dtype=exact)
    angle = w.call(aten.atan2.default, im, re, shape=sizes, dtype=exact)
    if target is aten.prod.dim_int:
        dim, *more = args
        turn = w.call(aten.sum.dim_IntList, angle, [dim], *more, dtype=exact)
    else:
        added = aten.sum.default if target is aten.prod.default else aten.cumsum.default
        turn = w.call(added, angle, *args, dtype=exact)
    cosine, sine = (w.map(f, turn) for f in (aten.cos.default, aten.sin.default))
    across, up = (w.call(aten.mul.Tensor, length, part, dtype=exact) for part in (cosine, sine))
    return Pair(w.in_dtype(across, w.dtype), w.in_dtype(up, w.dtype))


@RULES("var.correction", "var.dim", "var.default")
def var(w: PairWriter, x: Pair, *args: Any, **kwargs: Any) -> fx.Node:
    """That of the real parts and that of the imaginary ones, together."""
    return _variance(w, x, w.node.target, args, kwargs)  # type: ignore[arg-type]


def _variance(
    w: PairWriter, x: Pair, target: Callable[..., Any], args: Any, kwargs: dict[str, Any]
) -> fx.Node:
    re, im = (w.call(target, part, *args, named=kwargs) for part in w.parts(x))
    return w.tensor(w.add(re, im))


@RULES("std.correction", "std.dim", "std.default")
def std(w: PairWriter, x: Pair, *args: Any, **kwargs: Any) -> fx.Node:
    overload = w.node.target._overloadname  # type: ignore[union-attr]
    target = getattr(aten.var, overload)
    return w.map(aten.sqrt.default, _variance(w, x, target, args, kwargs))


@RULES("any.default", "any.dim", "any.dims", "all.default", "all.dim", "all.dims",
       "count_nonzero.default", "count_nonzero.dim_IntList", "nonzero.default")  # fmt: skip
def truth(w: PairWriter, x: Pair, *args: Any, **kwargs: Any) -> fx.Node:
    """Asked of which numbers are not 0."""
    return w.call(w.node.target, w.is_true(x), *args, named=kwargs)  # type: ignore[arg-type]
