"""Operators that write over what they still have to read.

PyTorch raises there, or gives what its kernel's order makes of it; the graph would give what the
operator gives of its operands as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.broadcasting import elementwise
from fxexport.capture.recording.types import OpArgs, OpKwargs, Size, expression
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["refuse_overlap"]

# Each element of the result is made of many of these operands, by their place.
_READ_AGAIN = {
    "aten::mm": (0, 1),
    "aten::bmm": (0, 1),
    "aten::matmul": (0, 1),
    "aten::mv": (0, 1),
    "aten::addmm": (1, 2),
    "aten::baddbmm": (1, 2),
    "aten::addbmm": (1, 2),
    "aten::addmv": (1, 2),
    "aten::gather": (0, 2),
    "aten::index_select": (0, 2),
    "aten::take": (0, 1),
}
_COPY = "aten::copy_"


def refuse_overlap(
    func: torch._ops.OpOverload,
    args: OpArgs,
    kwargs: OpKwargs,
    base_of: Callable[[torch.Tensor], torch.Tensor],
    in_example: Callable[[Size], int | None],
) -> None:
    """Refuses an operator that writes over another part of an operand, for the example.

    Args:
        func: the operator.
        args: its arguments.
        kwargs: those given by name.
        base_of: the tensor that a view looks into.
        in_example: the size that a number is for the example.
    """
    writes = compat.written_arguments(func, args, kwargs)
    if not writes:
        return
    name = func._schema.name
    again = _READ_AGAIN.get(name)
    if again is not None:
        operands: Iterable[object] = [args[k] for k in again if k < len(args)]
    elif name == _COPY or elementwise(func) or _is_elementwise_in_place(func):
        operands = compat.tensors_among(args, kwargs)
    else:
        return
    for read in operands:
        for written in writes:
            if isinstance(read, torch.Tensor) and base_of(read) is base_of(written):
                alike = _alike(read, written)
                if again is not None if alike else _meet(_place(written), _place(read), in_example):
                    raise UnsupportedError(
                        f"torch.{name.removeprefix('aten::')} writes over what it has still to "
                        "read: PyTorch raises here, or gives what nothing defines",
                        code=Code.MEMORY,
                        location=user_location(),
                        hint="clone() the operand",
                    )


def _is_elementwise_in_place(func: torch._ops.OpOverload) -> bool:
    functional = compat.functional_variant(func)
    return functional is not None and elementwise(functional)


def _alike(read: torch.Tensor, written: torch.Tensor) -> bool:
    """Whether two views lie alike in their memory."""
    pairs = zip(_place(read), _place(written), strict=False)
    return read.dim() == written.dim() and all(
        expression(one) == expression(other) for one, other in pairs
    )


def _place(view: torch.Tensor) -> list[Size]:
    """Where a view lies in its memory: its first element, sizes and strides."""
    return [view.storage_offset(), *view.shape, *view.stride()]


def _meet(
    one: Sequence[Size], other: Sequence[Size], in_example: Callable[[Size], int | None]
) -> bool:
    """Whether two views with the same strides have an element in common."""
    places = [[in_example(number) for number in place] for place in (one, other)]
    known = [[number for number in place if number is not None] for place in places]
    if known != places:
        return False
    (start, *rest), (its_start, *its_rest) = known
    rank = len(rest) // 2
    strides, its_strides = rest[rank:], its_rest[rank:]
    if strides != its_strides or 0 in (*strides, *rest, *its_rest):
        return False
    dims = sorted(zip(strides, rest[:rank], its_rest[:rank], strict=True), reverse=True)
    return _in_steps(its_start - start, dims)


def _in_steps(apart: int, dims: Sequence[tuple[int, int, int]]) -> bool:
    """Whether a distance is one between an element of a view and one of another.

    Args:
        apart: the distance.
        dims: each dimension's stride, and its size in both views; the largest stride first.
    """
    if not dims:
        return apart == 0
    (stride, size, its_size), *others = dims
    nearest = {apart // stride, -(-apart // stride)}
    return any(
        -its_size < steps < size and _in_steps(apart - steps * stride, others) for steps in nearest
    )
