"""The operators that the branch-preserving graph has beyond ATen: ``branch``, ``loop``, ``guard``.

They are plain Python functions, so a graph runs eagerly in PyTorch. The semantics of the first two
are those of ONNX If and Loop, with every captured value passed explicitly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import fx

from fxexport.errors import GuardError
from fxexport.graph.values import Eager

__all__ = ["branch", "guard", "loop"]


def branch(
    condition: torch.Tensor | bool,
    then_body: Callable[..., tuple[Eager, ...]],
    else_body: Callable[..., tuple[Eager, ...]],
    operands: Sequence[Eager],
) -> tuple[Eager, ...]:
    """Runs one of two bodies.

    Args:
        condition: bool tensor with one element, or a Python bool.
        then_body: graph run when the condition holds; takes the operands, returns a tuple.
        else_body: the other graph; same operands, as many outputs, of the same dtypes and ranks.
        operands: all values that either body uses.

    Returns:
        The outputs of the body that ran.
    """
    return then_body(*operands) if bool(condition) else else_body(*operands)


def loop(
    trip_count: int | None,
    condition: torch.Tensor | bool,
    body: Callable[..., tuple[Eager, ...]],
    carried: Sequence[Eager],
    captured: Sequence[Eager],
    scan_shapes: Sequence[tuple[Sequence[int | None], torch.dtype]] = (),
) -> tuple[Eager, ...]:
    """Runs a body while the condition holds, at most `trip_count` times.

    Args:
        trip_count: upper bound on the number of iterations; None for no bound.
        condition: whether to make the first iteration.
        body: graph called as ``body(i, *carried, *captured)``; returns
            ``(condition, *carried, *scan_rows)``.
        carried: initial values of the loop-carried values.
        captured: values that the body uses and that do not change.
        scan_shapes: shape and dtype of one row of each scan output, for zero iterations; a size
            that nothing before the loop tells is None, and then 0.

    Returns:
        The final carried values, then each scan output stacked on a new first dimension.
    """
    state = tuple(carried)
    rows: list[tuple[Eager, ...]] = []
    iteration = 0
    going = bool(condition)
    while going and (trip_count is None or iteration < trip_count):
        going_on, *values = body(iteration, *state, *captured)
        state = tuple(values[: len(state)])
        rows.append(tuple(values[len(state) :]))
        going = bool(going_on)
        iteration += 1
    scans = [
        torch.stack([cast(torch.Tensor, row[k]) for row in rows])
        if rows
        else torch.empty((0, *(size or 0 for size in shape)), dtype=dtype)
        for k, (shape, dtype) in enumerate(scan_shapes)
    ]
    return (*state, *scans)


@fx.has_side_effect
def guard(condition: torch.Tensor | bool, message: str) -> None:
    """Ends the run where a condition does not hold; it has this effect and no result.

    Args:
        condition: bool tensor with one element, or a Python bool.
        message: what the error says: what is needed, and the user's line.

    Raises:
        GuardError: the condition is false.
    """
    if not bool(condition):
        raise GuardError(message)
