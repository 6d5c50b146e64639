"""Numbers that are known only when the model runs, computed as tensors of one element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

__all__ = ["chosen", "computed", "looked_up", "within"]


def computed(formula: Callable[..., Any], *numbers: Any) -> Any:
    """What a formula on tensors of float64 gives for numbers: a float, or a tuple of floats."""
    made = formula(*(_as_tensor(number) for number in numbers))
    return tuple(part.item() for part in made) if isinstance(made, tuple) else made.item()


def _as_tensor(number: Any) -> torch.Tensor:
    return torch.scalar_tensor(torch.sym_float(number), dtype=torch.float64)


def looked_up(table: Sequence[int], index: Any) -> Any:
    """The item of a table of ints at an index that is in it."""
    return torch.tensor(table)[index].item()


def counted(formula: Callable[[torch.Tensor], torch.Tensor], number: Any) -> Any:
    """What a formula on a tensor of int64 gives for an int."""
    return formula(torch.scalar_tensor(number, dtype=torch.int64)).item()


def chosen(condition: Any, a: Any, b: Any) -> Any:
    """``a if condition else b`` for two numbers of one type, both of which are computed."""
    if isinstance(condition, torch.SymBool):
        return torch.sym_ite(condition, a, b)
    return a if condition else b


def within(number: Any, lower: int, upper: int | None) -> Any:
    """An int of which it is certain that it is in a range."""
    if isinstance(number, torch.SymInt) and number.node.expr.is_Symbol:
        env: Any = number.node.shape_env
        env.set_range(number.node.expr, lower, upper)
    return number
