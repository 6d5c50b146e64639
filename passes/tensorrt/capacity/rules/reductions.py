"""Reductions: elements that are not valid are first set to a value that has no effect."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence

import torch
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable, dims_of
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    Dims,
    Open,
    Result,
    Value,
    val_of,
)
from torch import fx
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number
from fxexport.graph.scalars import Scalar, maximum

__all__ = ["RULES", "called", "highest", "lowest"]

aten = torch.ops.aten

RULES = RuleTable()


def lowest(dtype: torch.dtype) -> Scalar:
    """What is never more than another element."""
    if dtype == torch.bool:
        return False
    return float("-inf") if dtype.is_floating_point else torch.iinfo(dtype).min


def highest(dtype: torch.dtype) -> Scalar:
    """What is never less than another element."""
    if dtype == torch.bool:
        return True
    return float("inf") if dtype.is_floating_point else torch.iinfo(dtype).max


_NEUTRAL: dict[str, Callable[[torch.dtype], Scalar]] = {
    "sum": lambda dtype: 0,
    "count_nonzero": lambda dtype: 0,
    "prod": lambda dtype: 1,
    "any": lambda dtype: 0,
    "all": lambda dtype: 1,
    "amax": lowest,
    "amin": highest,
    "max": lowest,
    "min": highest,
    "argmax": lowest,
    "argmin": highest,
    "logsumexp": lambda dtype: float("-inf"),
    "linalg_vector_norm": lambda dtype: 0,
    "norm": lambda dtype: 0,
}


def _neutral(node: fx.Node, dtype: torch.dtype) -> Scalar:
    name = node.target._overloadpacket.__name__  # type: ignore[union-attr]
    return _NEUTRAL[name](dtype)


def _left(x: Open, folded: list[int], keep: bool) -> tuple[dict[int, Number], dict[int, Capacity]]:
    """Counts and capacities of what is not folded."""
    counts, capacities = {}, {}
    for d in x.counts:
        if d not in folded:
            to = d if keep else d - sum(f < d for f in folded)
            counts[to], capacities[to] = x.counts[d], x.capacities[d]
    return counts, capacities


def called(
    w: OpenWriter,
    node: fx.Node,
    counts: dict[int, Number],
    capacities: dict[int, Capacity],
    args: Sequence[Argument],
    kwargs: Mapping[str, Argument],
) -> Result:
    """The operator on what was filled, for one result or several."""
    vals = node.meta["val"]
    if isinstance(vals, torch.Tensor):
        made = w.call(node.target, *args, val=w.with_capacities(vals, capacities), **kwargs)
        return Open(made, counts, capacities) if counts else made
    opened = tuple(w.with_capacities(v, capacities) for v in vals)
    made = w.call(node.target, *args, val=opened, **kwargs)
    taken = [w.call(operator.getitem, made, k, val=v) for k, v in enumerate(opened)]
    return [Open(t, counts, capacities) if counts else t for t in taken]


@RULES(
    "sum.default",
    "prod.default",
    "any.default",
    "all.default",
    "max.default",
    "min.default",
)
def whole(w: OpenWriter, node: fx.Node, x: Open, *args: Argument, **kwargs: Argument) -> Result:
    """Over all dimensions."""
    node_ = w.filled(x, list(x.counts), _neutral(node, val_of(x).dtype))
    return called(w, node, {}, {}, (node_, *args), kwargs)


@RULES(
    "sum.dim_IntList",
    "prod.dim_int",
    "any.dim",
    "any.dims",
    "all.dim",
    "all.dims",
    "amax.default",
    "amin.default",
    "max.dim",
    "min.dim",
    "argmax.default",
    "argmin.default",
    "logsumexp.default",
    "count_nonzero.dim_IntList",
    "count_nonzero.default",
)
def some(
    w: OpenWriter,
    node: fx.Node,
    x: Open,
    dim: Dims = None,
    keepdim: bool = False,
    **kwargs: Argument,
) -> Result:
    """Over some dimensions."""
    given: Dims = kwargs.pop("dim", dim)  # type: ignore[assignment]
    keep = bool(kwargs.pop("keepdim", keepdim))
    folded = dims_of(given, x.rank)
    name = str(node.target)
    if "arg" in name and given is None:
        if x.rank != 1:
            raise w.unsupported("the index of an extreme value over several dimensions")
        given = 0
    filled = w.filled(x, folded, _neutral(node, val_of(x).dtype))
    counts, capacities = _left(x, folded, keep)
    args: tuple[Argument, ...] = (filled,) if given is None and not keep else (filled, given, keep)
    if "count_nonzero" in name:
        args = args[:2]
    return called(w, node, counts, capacities, args, kwargs)


@RULES("linalg_vector_norm.default")
def vector_norm(
    w: OpenWriter, node: fx.Node, x: Open, order: float = 2, dim: Dims = None, keep: bool = False,
    **kwargs: Argument,
) -> Result:  # fmt: skip
    """A norm over some dimensions: zeros add nothing to one of a positive order."""
    folded = dims_of(dim, x.rank)
    if order <= 0 and any(d in x.counts for d in folded):
        raise w.unsupported("a norm that counts zeros")
    counts, capacities = _left(x, folded, keep)
    args = (w.filled(x, folded, 0), order, dim, keep)
    return called(w, node, counts, capacities, args, kwargs)


@RULES("mean.default", "mean.dim")
def mean(
    w: OpenWriter,
    node: fx.Node,
    x: Open,
    dim: Dims = None,
    keepdim: bool = False,
    **kwargs: Argument,
) -> Result:
    """A sum through the number of valid elements."""
    folded = dims_of(dim, x.rank)
    counts, capacities = _left(x, folded, keepdim)
    val = w.with_capacities(node.meta["val"], capacities)
    filled = w.filled(x, folded, 0)
    total = w.call(aten.sum.dim_IntList, filled, folded, keepdim, val=val, **kwargs)
    made = w.call(aten.div.Tensor, total, _number_of(w, x, folded), val=val)
    return Open(made, counts, capacities) if counts else made


def _number_of(w: OpenWriter, x: Value, dims: list[int]) -> Number:
    number: Number = 1
    for d in dims:
        number = w.number(operator.mul, number, w.size_number(x, d))
    return number


@RULES("var.correction", "std.correction", "var.dim", "std.dim", "var.default", "std.default")
def variance(
    w: OpenWriter, node: fx.Node, x: Open, dim: Dims = None, *rest: Argument, **kwargs: Argument
) -> Result:
    """The mean square of what differs from the mean."""
    keep = bool(kwargs.get("keepdim", False))
    correction: int = kwargs.get("correction", 1) or 0  # type: ignore[assignment]
    if node.target in (aten.var.default, aten.std.default):
        dim, correction = None, 1 if dim is None or dim is True else 0
    elif rest:
        correction = 1 if rest[0] else 0
        keep = bool(rest[1]) if len(rest) > 1 else keep
    folded = dims_of(dim, x.rank)
    counts, capacities = _left(x, folded, keep)
    number = _number_of(w, x, folded)
    kept = [1 if d in folded else s for d, s in enumerate(val_of(x).shape)]
    total = w.call(
        aten.sum.dim_IntList, w.filled(x, folded, 0), folded, True, val=fake_beside(val_of(x), kept)
    )
    middle = w.call(aten.div.Tensor, total, number, val=val_of(total))
    away = w.call(aten.sub.Tensor, x.node, middle, val=val_of(x))
    square = x.on(w.call(aten.mul.Tensor, away, away, val=val_of(x)))
    val = w.with_capacities(node.meta["val"], capacities)
    made = w.call(aten.sum.dim_IntList, w.filled(square, folded, 0), folded, keep, val=val)
    less = w.number(maximum, w.number(operator.sub, number, correction), 0)
    made = w.call(aten.div.Tensor, made, less, val=val)
    if "std" in str(node.target):
        made = w.call(aten.sqrt.default, made, val=val)
    return Open(made, counts, capacities) if counts else made
