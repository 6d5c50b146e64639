"""What a branch asks of there being anything: whether a size is 0, or a mask has a true element."""

from __future__ import annotations

import operator
from typing import Any

import sympy
import torch
from fxexport.passes.rewriting.hoisting import selects
from torch import fx

from fxexport.graph.scalars import not_

__all__ = ["NOTHING", "asked_for_rows", "condition_of", "mask_of", "multiple_of", "takes_rows"]

aten = torch.ops.aten

# Comparisons of a size with a number that hold only where there is nothing: on which path.
NOTHING: dict[tuple[object, int], int] = {
    (operator.gt, 0): 1,
    (operator.ge, 1): 1,
    (operator.ne, 0): 1,
    (operator.eq, 0): 0,
    (operator.le, 0): 0,
    (operator.lt, 1): 0,
}

_ON_TENSORS = {
    aten.gt.Scalar: operator.gt,
    aten.ge.Scalar: operator.ge,
    aten.ne.Scalar: operator.ne,
    aten.eq.Scalar: operator.eq,
    aten.le.Scalar: operator.le,
    aten.lt.Scalar: operator.lt,
}


def condition_of(node: fx.Node) -> tuple[fx.Node | None, int]:
    """What a branch asks, and the path that is taken where it holds, without `not`."""
    side: int = 0
    condition: Any = node.args[0]
    while isinstance(condition, fx.Node) and condition.target in (aten.logical_not.default, not_):
        side, condition = 1 - side, condition.args[0]
    return (condition, side) if isinstance(condition, fx.Node) else (None, side)


def asked_for_rows(node: fx.Node) -> tuple[int, set[sympy.Symbol]] | None:
    """The path that is taken where some sizes are 0, and these sizes' symbols."""
    condition, side = condition_of(node)
    if condition is None:
        return None
    mask, found = mask_of(condition)
    if mask is not None:
        symbols = _selected_by(mask)
        return (found ^ side, symbols) if symbols else None
    number: Any = condition.args[1] if len(condition.args) == 2 else None
    target = condition.target
    if type(number) is not int or (target, number) not in NOTHING:
        return None
    size: Any = condition.args[0]
    symbol = multiple_of(size.meta["val"]) if isinstance(size, fx.Node) else None
    return None if symbol is None else (NOTHING[target, number] ^ side, symbol)


def mask_of(condition: fx.Node) -> tuple[fx.Node | None, int]:
    """The mask that a condition asks for any true element, and the path taken where it has none."""
    args: Any = condition.args
    mask, nothing = None, 1
    if condition.target is aten.any.default:
        mask = args[0]
    elif condition.target in _ON_TENSORS and isinstance(args[0], fx.Node):
        asked = (_ON_TENSORS[condition.target], args[1])
        if args[0].target is aten.sum.default and asked in NOTHING:
            mask, nothing = args[0].args[0], NOTHING[asked]
    is_mask = isinstance(mask, fx.Node) and mask.meta["val"].dtype == torch.bool
    return (mask if is_mask else None), nothing


def _selected_by(mask: Any) -> set[sympy.Symbol]:
    """The sizes of what a mask selects: indices of its true elements, and the rows there."""
    found: set[sympy.Symbol] = set()
    todo = [user for user in mask.users if selects(user)]
    while todo:
        node = todo.pop()
        found |= multiple_of(node.meta["val"].shape[0]) or set()
        if node.target in (aten.nonzero.default, aten.squeeze.dim):
            todo += [
                user
                for user in node.users
                if user.target is aten.squeeze.dim or takes_rows(user, node)
            ]
    return found


def takes_rows(node: fx.Node, index: fx.Node) -> bool:
    """Whether a node is `x[index]`."""
    indices: Any = node.args[1] if node.target is aten.index.Tensor else None
    return indices is not None and list(indices) == [index]


def multiple_of(size: object) -> set[sympy.Symbol] | None:
    """The symbol that a size is a multiple of."""
    if not isinstance(size, torch.SymInt):
        return None
    expr = size.node.expr
    free = expr.free_symbols
    if len(free) != 1:
        return None
    (symbol,) = free
    factor = expr / symbol
    return {symbol} if factor.is_Integer and factor > 0 else None
