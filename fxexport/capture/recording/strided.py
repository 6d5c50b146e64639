"""`as_strided`: reading and writing a tensor's memory by strides, as reading and writing by index.

A file has no memory to look into. What fills its memory without gaps is put in the order in which
it lies there; the element at a place is then one at an index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.layouts import apart, dense_order
from fxexport.capture.recording.types import Size, expression
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["STRIDED", "read", "written"]

_READ = torch.ops.aten.as_strided.default
_WRITTEN = torch.ops.aten.as_strided_scatter.default
STRIDED = frozenset([_READ, _WRITTEN, torch.ops.aten.as_strided_copy.default])


def read(
    x: torch.Tensor, size: Sequence[Size], stride: Sequence[Size], offset: Size | None = None
) -> torch.Tensor:
    """What lies in a dense tensor's memory at places with these strides."""
    flat = _flat(x, _order(x))
    first = 0 if offset is None else offset
    row = _row(x, size, stride, first)
    if row > 1:
        # Whole rows are copied in a fraction of the time.
        rows = flat.reshape(-1, row)
        apart_in_rows = [step // row for step in stride[:-1]]
        return rows[_places(size[:-1], apart_in_rows, first // row)]
    return flat[_places(size, stride, first)]


def written(
    env: compat.SizeEnv,
    x: torch.Tensor,
    source: torch.Tensor,
    size: Sequence[Size],
    stride: Sequence[Size],
    offset: Size | None = None,
) -> torch.Tensor:
    """A dense tensor with other elements at the places with these strides.

    Raises:
        UnsupportedError: two of them may be one place.
    """
    if not apart(env, size, stride):
        raise UnsupportedError(
            "as_strided gives a tensor that is written to, and two of its elements may lie in one "
            "place: what PyTorch leaves there is not defined",
            code=Code.MEMORY,
            location=user_location(),
            hint="write to the tensor itself, or clone() what as_strided gives",
        )
    order = _order(x)
    places = _places(size, stride, 0 if offset is None else offset)
    flat = _flat(x, order).index_put((places,), source.expand(size))
    back = [order.index(d) for d in range(x.dim())]
    return flat.reshape([x.shape[d] for d in order]).permute(back)


def _order(x: torch.Tensor) -> list[int]:
    order = dense_order(x)
    start = x.storage_offset()
    if order is None or expression(start) != 0:
        raise UnsupportedError(
            "as_strided reads the memory of a tensor that does not fill it",
            code=Code.MEMORY,
            location=user_location(),
            hint="call contiguous() before it",
        )
    return order


def _flat(x: torch.Tensor, order: Sequence[int]) -> torch.Tensor:
    return x.permute(list(order)).reshape(-1)


def _row(x: torch.Tensor, size: Sequence[Size], stride: Sequence[Size], offset: Size) -> int:
    """The length of the rows that are read as a whole; 1 for single elements."""
    if not size or not isinstance(size[-1], int) or expression(stride[-1]) != 1:
        return 1
    steps = [*map(expression, (*stride[:-1], offset)), math.prod(map(expression, x.shape))]
    # Sizes are multiples where a factor says so; others are asked of nobody.
    fits = size[-1] > 1 and all(compat.Mod(step, size[-1]) == 0 for step in steps)
    return size[-1] if fits else 1


def _places(size: Sequence[Size], stride: Sequence[Size], offset: Size) -> torch.Tensor:
    """The indices of elements in memory."""
    places = torch.scalar_tensor(offset, dtype=torch.int64)
    for d, (n, step) in enumerate(zip(size, stride, strict=True)):
        steps = torch.mul(torch.arange(n, dtype=torch.int64), step)  # type: ignore[arg-type]
        places = places + steps.reshape([-1] + [1] * (len(size) - 1 - d))
    return places
