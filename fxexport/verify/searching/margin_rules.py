"""What stands for the results of comparisons, flags and numbers, given what stands for theirs."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fxexport.graph import scalars

__all__ = ["compared", "flags_joined", "stand_in"]

_COMPARISONS: dict[Callable[..., Any], str] = {
    operator.gt: "gt", operator.ge: "ge", operator.lt: "lt",
    operator.le: "le", operator.eq: "eq", operator.ne: "ne",
}  # fmt: skip
_SAME = (
    scalars.to_int, scalars.to_float, scalars.floor, scalars.ceil, scalars.round_half_even,
)  # fmt: skip
_JOINS: dict[Callable[..., Any], str] = {scalars.and_: "and", scalars.or_: "or"}


def compared(name: str, a: Any, b: Any) -> Tensor | None:
    """The margin of a comparison; None where no real number is compared."""
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        return None
    x, y = (one.double() if isinstance(one, Tensor) else float(one) for one in (a, b))
    difference = torch.as_tensor(x - y).nan_to_num(0.0)
    match name:
        case "gt" | "ge":
            return difference
        case "lt" | "le":
            return -difference
        case "eq":
            return -difference.abs()
    return difference.abs()


def flags_joined(name: str, a: Any, b: Any) -> Tensor | None:
    """The margin of a conjunction or disjunction of flags."""
    flags = [_as_margin(one) for one in (a, b)]
    if not any(isinstance(one, Tensor) and one.dtype.is_floating_point for one in (a, b)):
        return None
    pick = torch.minimum if "and" in name else torch.maximum
    return pick(flags[0], flags[1])


def stand_in(target: Callable[..., Any], operands: Sequence[Any]) -> Tensor | None:
    """What stands for a Python number or flag.

    Args:
        target: the function that made it.
        operands: what stands for its arguments, or they themselves.
    """
    if target in _COMPARISONS:
        return compared(_COMPARISONS[target], *operands)
    if target in _JOINS:
        return flags_joined(_JOINS[target], *operands)
    first = operands[0]
    if target is scalars.select:
        chosen = operands[1] if bool(first > 0) else operands[2]
        return chosen if isinstance(chosen, Tensor) else None
    if target is scalars.not_:
        return -first
    if target in _SAME:
        return first if isinstance(first, Tensor) else None
    if target in (scalars.to_bool, scalars.absolute):
        return first.abs() if isinstance(first, Tensor) else None
    if target in (scalars.maximum, scalars.minimum):
        pick = torch.maximum if target is scalars.maximum else torch.minimum
        a, b = (torch.as_tensor(one, dtype=torch.float64) for one in operands)
        return pick(a, b)
    if target.__module__ == "math":
        target = getattr(torch, target.__name__, target)
    try:
        result = target(*operands)
    except (TypeError, RuntimeError):  # bits of whole numbers, for example
        return None
    return result if isinstance(result, Tensor) else None


def _as_margin(flag: Any) -> Tensor:
    """A flag that is decided as it is has no end of a margin."""
    if isinstance(flag, Tensor) and flag.dtype.is_floating_point:
        return flag.double()
    known = torch.as_tensor(flag, dtype=torch.bool)
    return torch.where(known, math.inf, -math.inf).double()
