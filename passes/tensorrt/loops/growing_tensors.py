"""Tensors that a loop only appends to, and of which it reads only sizes and single rows."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport.graph.arguments import captured_of, carried_of, int_of, nodes_of
from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch, loop

__all__ = ["Growth", "growth_of"]

aten = torch.ops.aten


@dataclass(frozen=True)
class Growth:
    """One tensor that grows: along which dimension, and by how many rows an iteration at most."""

    dim: int
    rows: int


class _OtherUse(Exception):
    """The tensor is used, or grows, in a way that a buffer cannot serve."""


def growth_of(module: fx.GraphModule, node: fx.Node, k: int) -> Growth | None:
    """How a tensor that a loop carries grows; None where it does not, or a buffer cannot serve.

    Args:
        module: the graph that the loop is in.
        node: the loop.
        k: which of the carried values.
    """
    ((body, inputs),) = parts(module, node)
    initial, placeholder = carried_of(node)[k], inputs[1 + k]
    dim = _growing_dim(initial, placeholder)
    if dim is None:
        return None
    try:
        rows = _rows(body, results(body)[1 + k], placeholder, dim)
        _check_reads(body, placeholder, dim)
    except _OtherUse:
        return None
    return Growth(dim, rows) if rows else None


def _growing_dim(initial: object, placeholder: fx.Node) -> int | None:
    """The one dimension whose size changes; None for none or several."""
    before = initial.meta.get("val") if isinstance(initial, fx.Node) else None
    within = placeholder.meta.get("val")
    if not isinstance(before, torch.Tensor) or not isinstance(within, torch.Tensor):
        return None
    pairs = zip(before.shape, within.shape, strict=True)
    changed = [d for d, (a, b) in enumerate(pairs) if str(a) != str(b)]
    return changed[0] if len(changed) == 1 else None


# What the tensor becomes in an iteration


def _rows(body: fx.GraphModule, value: Argument, placeholder: fx.Node, dim: int) -> int:
    """How many rows an iteration appends at most."""
    if value is placeholder:
        return 0
    if not isinstance(value, fx.Node):
        raise _OtherUse
    if value.target is aten.cat.default:
        added = _appended(value, dim)
        before: Any = value.args[0]
        _check_reads(body, value, dim)
        return _rows(body, before[0], placeholder, dim) + added
    if value.target is operator.getitem:
        source: Any = value.args[0]
        if source.target is branch and placeholder in source.args[3]:
            at = source.args[3].index(placeholder)
            taken = int_of(value.args[1])
            _check_reads(body, value, dim)
            return max(
                _rows(side, results(side)[taken], placeholders[at], dim)
                for side, placeholders in parts(body, source)
            )
    raise _OtherUse


def _appended(cat: fx.Node, dim: int) -> int:
    """The static number of rows that a concatenation appends to its first tensor."""
    tensors = nodes_of(cat.args[0])
    along = cat.args[1] if len(cat.args) > 1 else 0
    rank = len(cat.meta["val"].shape)
    if along % rank != dim or len(tensors) != 2:  # type: ignore[operator]
        raise _OtherUse
    size = tensors[1].meta["val"].shape[dim]
    if not is_concrete_int(size) or tensors[1].meta["val"].dtype != cat.meta["val"].dtype:
        raise _OtherUse
    return int(size)


# What is read of it


def _check_reads(body: fx.GraphModule, value: fx.Node, dim: int) -> None:
    """Only sizes and single rows are read of it, also inside, beside what it grows to."""
    for user in value.users:
        if user.op == "output" or user.target in (aten.cat.default, operator.getitem):
            _check_growing(body, value, user, dim)
        elif user.target is aten.sym_size.int:
            continue
        elif user.target is aten.select.int:
            if user.args[1] % len(value.meta["val"].shape) != dim:  # type: ignore[operator]
                raise _OtherUse
        elif user.target is branch:
            for side, placeholders in parts(body, user):
                for at, operand in enumerate(user.args[3]):  # type: ignore[arg-type]
                    if operand is value:
                        _check_reads(side, placeholders[at], dim)
        elif user.target is loop:
            _check_captured(body, value, user, dim)
        else:
            raise _OtherUse


def _check_growing(body: fx.GraphModule, value: fx.Node, user: fx.Node, dim: int) -> None:
    if user.op == "output":
        if sum(given is value for given in results(body)) != 1:
            raise _OtherUse
    elif user.target is aten.cat.default:
        tensors = nodes_of(user.args[0])
        if tensors[0] is not value or any(t is value for t in tensors[1:]):
            raise _OtherUse
        _appended(user, dim)
        _check_reads(body, user, dim)


def _check_captured(body: fx.GraphModule, value: fx.Node, user: fx.Node, dim: int) -> None:
    carried = carried_of(user)
    captured = captured_of(user)
    if any(given is value for given in carried) or value in (user.args[0], user.args[1]):
        raise _OtherUse
    ((inner, placeholders),) = parts(body, user)
    for at, given in enumerate(captured):
        if given is value:
            placeholder = placeholders[1 + len(carried) + at]
            _check_reads(inner, placeholder, dim)
            if any(given is placeholder for given in results(inner)):
                raise _OtherUse
