"""Subscripts, slices and windows of tensors at numbers that are known only when the model runs.

PyTorch's C++ index parser refuses a symbolic int ("only integers, slices … got SymInt") and reads
tensors used as bounds; such subscripts are taken apart here into select, slice, unsqueeze and,
for index tensors, PyTorch's own indexing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Function
from fxexport.capture.session.session import Session, is_symbolic

__all__ = [
    "SlicingFunctions",
    "as_masks",
    "as_number",
    "get_item",
    "needs_taking_apart",
    "set_item",
]

# Told a condition on sizes without which PyTorch raises, in words as well.
Needs: TypeAlias = "Callable[[bool | torch.SymBool, str], None]"


def _is_scalar_tensor(value: object) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.dim() == 0
        and not value.dtype.is_floating_point
        and value.dtype not in (torch.bool, torch.uint8)
        # Inside of torch.vmap each stands for many numbers: PyTorch indexes with the tensor.
        and not compat.is_batched(value)
    )


def _parts(index: object) -> tuple[Any, ...]:
    """The parts of a subscript; a list with numbers known only at run time as a tensor of them."""
    parts = tuple(index) if isinstance(index, tuple) else (index,)
    return tuple(_as_tensor(part) if _is_unknown_list(part) else part for part in parts)


def _is_unknown_list(part: object) -> bool:
    return isinstance(part, list) and any(
        isinstance(item, torch.SymInt) or _is_scalar_tensor(item) for item in part
    )


def _as_tensor(items: list[Any]) -> torch.Tensor:
    return torch.stack(
        [
            item if isinstance(item, torch.Tensor) else torch.scalar_tensor(item, dtype=torch.int64)
            for item in items
        ]
    )


def as_masks(index: object) -> object:
    """A subscript with masks of bool for those of uint8, which fake kernels do not take."""
    if isinstance(index, tuple):
        return tuple(map(as_masks, index))
    is_mask = isinstance(index, torch.Tensor) and index.dtype == torch.uint8
    return index.bool() if is_mask else index  # type: ignore[attr-defined]


def needs_taking_apart(index: object) -> bool:
    """Whether a subscript has a part that PyTorch would read or refuse."""
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, (torch.SymInt, torch.SymBool)) or _is_scalar_tensor(part):
            return True
        if _is_unknown_list(part):
            return True
        if isinstance(part, slice) and any(
            isinstance(bound, torch.Tensor) for bound in (part.start, part.stop, part.step)
        ):
            return True
    return False


def _number(value: object) -> Any:
    return value.item() if isinstance(value, torch.Tensor) else value


def _expanded(tensor: torch.Tensor, parts: tuple[Any, ...]) -> list[Any]:
    """The parts with an ellipsis written out."""
    taken = sum(
        part.dim()
        if isinstance(part, torch.Tensor) and part.dtype in (torch.bool, torch.uint8)
        else 1
        for part in parts
        if part is not None and part is not Ellipsis and not isinstance(part, bool)
    )
    if not any(part is Ellipsis for part in parts):
        return list(parts)
    at = next(k for k, part in enumerate(parts) if part is Ellipsis)
    return [*parts[:at], *[slice(None)] * (tensor.dim() - taken), *parts[at + 1 :]]


def get_item(tensor: torch.Tensor, index: object) -> torch.Tensor:
    """``tensor[index]`` for a subscript that needs taking apart."""
    result = tensor
    dim = 0
    left: list[Any] = []
    for part in _expanded(tensor, _parts(index)):
        if (
            isinstance(part, (int, torch.SymInt)) and not isinstance(part, bool)
        ) or _is_scalar_tensor(part):
            result = result.select(dim, _number(part))
        elif part is None:
            result = result.unsqueeze(dim)
            left.append(slice(None))
            dim += 1
        elif isinstance(part, slice):
            result = _sliced(result, dim, part)
            left.append(slice(None))
            dim += 1
        else:
            left.append(part)
            dim += part.dim() if isinstance(part, torch.Tensor) and part.dtype == torch.bool else 1
    if any(not isinstance(part, slice) for part in left):
        return result[tuple(left)]
    return result


def _sliced(tensor: torch.Tensor, dim: int, part: slice) -> torch.Tensor:
    if part == slice(None):
        return tensor
    start, stop, step = (_number(bound) for bound in (part.start, part.stop, part.step))
    index = (*[slice(None)] * dim, slice(start, stop, step))
    return tensor[index]


def set_item(tensor: torch.Tensor, index: Any, value: Any, needs: Needs) -> None:
    """``tensor[index] = value`` for a subscript that needs taking apart.

    Args:
        tensor: what is written to.
        index: the subscript.
        value: a tensor or number.
        needs: is told what must hold of sizes.
    """
    parts = _expanded(tensor, _parts(index))
    plain = [
        p
        for p in parts
        if (isinstance(p, torch.Tensor) and not _is_scalar_tensor(p)) or isinstance(p, list)
    ]
    if plain:
        # With index tensors, numbers broadcast like index tensors of no dimensions.
        as_tensors = tuple(
            torch.scalar_tensor(part, dtype=torch.int64)  # type: ignore[arg-type]
            if isinstance(part, torch.SymInt)
            else part
            for part in parts
        )
        tensor[as_tensors] = value
        return
    view = get_item(tensor, tuple(parts))
    if isinstance(value, torch.Tensor):
        # Leading dimensions of size 1 are dropped, as in an ordinary assignment.
        for size in value.shape[: max(value.dim() - view.dim(), 0)]:
            if isinstance(size, int) and size != 1:
                break  # PyTorch says how the shapes do not fit.
            needs(size == 1, "the first dimensions of what is stored are 1")
            value = value.select(0, 0)
        view.copy_(value)
    else:
        view.fill_(value)


class SlicingFunctions:
    """What functions become that are slices or windows.

    Args:
        session: the capture.
        raw: calls PyTorch's own function.
    """

    def __init__(self, session: Session, raw: Callable[..., Any]) -> None:
        self._session = session
        self._raw = raw

    def table(self) -> dict[object, Function]:
        """What to call instead of PyTorch's functions."""
        packet = torch.ops.aten.narrow
        overloads = [getattr(packet, name) for name in packet.overloads()]
        narrow = (torch.narrow, torch.Tensor.narrow, packet, *overloads)
        return {**dict.fromkeys(narrow, self._narrow), torch.Tensor.unfold: self._unfold}

    def _unfold(self, x: torch.Tensor, dimension: int, size: Any, step: Any) -> torch.Tensor:
        """Windows whose size or step is symbolic, which the operator itself cannot take."""
        if not is_symbolic(size) and not is_symbolic(step):
            windows: torch.Tensor = self._raw(torch.Tensor.unfold, x, dimension, size, step)
            return windows
        dimension %= x.dim()
        count = (x.shape[dimension] - size) // step + 1
        starts = torch.arange(count) * step
        positions = starts[:, None] + torch.arange(size)[None, :]
        return x.movedim(dimension, -1)[..., positions].movedim(-2, dimension)

    def _narrow(self, input: torch.Tensor, dim: int, start: Any, length: Any) -> torch.Tensor:
        """A slice; PyTorch's own asks for more of a dynamic size than it needs."""
        start, length = as_number(start), as_number(length)
        size = input.shape[dim]
        negative = self._session.known(start < 0)
        if negative is None or not any(map(is_symbolic, (size, start, length))):
            narrowed: torch.Tensor = self._raw(torch.narrow, input, dim, start, length)
            return narrowed
        self._session.needs(length >= 0, "the length is not negative")
        self._session.needs(start >= -size if negative else start <= size, "the start is inside")
        start = start + size if negative else start
        self._session.needs(start + length <= size, "the end is inside")
        return input[(*[slice(None)] * (dim % input.dim()), slice(start, start + length))]


def as_number(value: object) -> Any:
    """A tensor used as a size, as the number that it holds."""
    if isinstance(value, torch.Tensor) and value.dim() == 0:
        return value.item()
    if isinstance(value, (tuple, list)) and any(isinstance(item, torch.Tensor) for item in value):
        return type(value)(as_number(item) for item in value)
    return value
