"""Operators that fold dimensions: what means nothing is first made to count for nothing."""

from __future__ import annotations

import operator
from typing import Any

import torch
from fxexport.passes.capacity.table import Table, dims_of
from fxexport.passes.capacity.values import Open, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph.scalars import maximum

__all__ = ["RULES", "called", "highest", "lowest"]

aten = torch.ops.aten

RULES = Table()


def lowest(dtype: torch.dtype) -> Any:
    """What is never more than another element."""
    if dtype == torch.bool:
        return False
    return float("-inf") if dtype.is_floating_point else torch.iinfo(dtype).min


def highest(dtype: torch.dtype) -> Any:
    """What is never less than another element."""
    if dtype == torch.bool:
        return True
    return float("inf") if dtype.is_floating_point else torch.iinfo(dtype).max


_NEUTRAL: dict[str, Any] = {
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


def _neutral(node: fx.Node, dtype: torch.dtype) -> Any:
    name = node.target._overloadpacket.__name__  # type: ignore[union-attr]
    return _NEUTRAL[name](dtype)


def _left(x: Any, folded: list[int], keep: bool) -> tuple[dict[int, Any], dict[int, Any]]:
    """Counts and rooms of what is not folded."""
    counts, rooms = {}, {}
    for d in x.counts:
        if d not in folded:
            to = d if keep else d - sum(f < d for f in folded)
            counts[to], rooms[to] = x.counts[d], x.rooms[d]
    return counts, rooms


def called(w: Writer, node: fx.Node, counts: Any, rooms: Any, args: Any, kwargs: Any) -> Any:
    """The operator on what was filled, for one result or several."""
    vals = node.meta["val"]
    if isinstance(vals, torch.Tensor):
        made = w.call(node.target, *args, val=w.like_room(vals, rooms), **kwargs)
        return Open(made, counts, rooms) if counts else made
    opened = tuple(w.like_room(v, rooms) for v in vals)
    made = w.call(node.target, *args, val=opened, **kwargs)
    taken = [w.call(operator.getitem, made, k, val=v) for k, v in enumerate(opened)]
    return [Open(t, counts, rooms) if counts else t for t in taken]


@RULES(
    "sum.default",
    "prod.default",
    "any.default",
    "all.default",
    "max.default",
    "min.default",
)
def whole(w: Writer, node: fx.Node, x: Any, *args: Any, **kwargs: Any) -> Any:
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
    w: Writer, node: fx.Node, x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any
) -> Any:
    """Over some dimensions."""
    given = kwargs.pop("dim", dim)
    keep = kwargs.pop("keepdim", keepdim)
    folded = dims_of(given, x.rank)
    name = str(node.target)
    if "arg" in name and given is None:
        if x.rank != 1:
            raise w.unsupported("the place of an extreme value among several dimensions")
        given = 0
    filled = w.filled(x, folded, _neutral(node, val_of(x).dtype))
    counts, rooms = _left(x, folded, keep)
    args: tuple[Any, ...] = (filled,) if given is None and not keep else (filled, given, keep)
    if "count_nonzero" in name:
        args = args[:2]
    return called(w, node, counts, rooms, args, kwargs)


@RULES("linalg_vector_norm.default")
def vector_norm(
    w: Writer, node: fx.Node, x: Any, order: Any = 2, dim: Any = None, keep: bool = False,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """A norm over some dimensions: zeros add nothing to one of a positive order."""
    folded = dims_of(dim, x.rank)
    if order <= 0 and any(d in x.counts for d in folded):
        raise w.unsupported("a norm that counts zeros")
    counts, rooms = _left(x, folded, keep)
    args = (w.filled(x, folded, 0), order, dim, keep)
    return called(w, node, counts, rooms, args, kwargs)


@RULES("mean.default", "mean.dim")
def mean(
    w: Writer, node: fx.Node, x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any
) -> Any:
    """A sum through the number of places that mean something."""
    folded = dims_of(dim, x.rank)
    counts, rooms = _left(x, folded, keepdim)
    val = w.like_room(node.meta["val"], rooms)
    filled = w.filled(x, folded, 0)
    total = w.call(aten.sum.dim_IntList, filled, folded, keepdim, val=val, **kwargs)
    made = w.call(aten.div.Tensor, total, _number_of(w, x, folded), val=val)
    return Open(made, counts, rooms) if counts else made


def _number_of(w: Writer, x: Any, dims: list[int]) -> Any:
    number: Any = 1
    for d in dims:
        number = w.number(operator.mul, number, w.size_number(x, d))
    return number


@RULES("var.correction", "std.correction", "var.dim", "std.dim", "var.default", "std.default")
def variance(w: Writer, node: fx.Node, x: Any, dim: Any = None, *rest: Any, **kwargs: Any) -> Any:
    """The mean square of what differs from the mean."""
    keep = bool(kwargs.get("keepdim", False))
    correction = kwargs.get("correction", 1)
    if node.target in (aten.var.default, aten.std.default):
        dim, correction = None, 1 if dim is None or dim is True else 0
    elif rest:
        correction = 1 if rest[0] else 0
        keep = bool(rest[1]) if len(rest) > 1 else keep
    folded = dims_of(dim, x.rank)
    counts, rooms = _left(x, folded, keep)
    number = _number_of(w, x, folded)
    kept = [1 if d in folded else s for d, s in enumerate(val_of(x).shape)]
    total = w.call(
        aten.sum.dim_IntList, w.filled(x, folded, 0), folded, True, val=fake_beside(val_of(x), kept)
    )
    middle = w.call(aten.div.Tensor, total, number, val=val_of(total))
    away = w.call(aten.sub.Tensor, x.node, middle, val=val_of(x))
    square = x.on(w.call(aten.mul.Tensor, away, away, val=val_of(x)))
    val = w.like_room(node.meta["val"], rooms)
    made = w.call(aten.sum.dim_IntList, w.filled(square, folded, 0), folded, keep, val=val)
    less = w.number(maximum, w.number(operator.sub, number, correction or 0), 0)
    made = w.call(aten.div.Tensor, made, less, val=val)
    if "std" in str(node.target):
        made = w.call(aten.sqrt.default, made, val=val)
    return Open(made, counts, rooms) if counts else made
