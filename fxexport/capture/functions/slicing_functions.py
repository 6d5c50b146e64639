"""Functions of PyTorch that are slices, or windows, at ends that may be known only at run time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture.recording.types import Function
from fxexport.capture.session.session import Session, is_symbolic

__all__ = ["SlicingFunctions", "as_number"]


class SlicingFunctions:
    """What such functions become.

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
