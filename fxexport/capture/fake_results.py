"""What operators give on fake tensors where PyTorch's own code would read values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

__all__ = ["FAKE_RESULTS"]


def _recurrent(data: torch.Tensor, sizes: Any, hx: Any, *rest: Any) -> tuple[torch.Tensor, ...]:
    """The results of LSTM, GRU and RNN on a packed sequence, without looking at the lengths."""
    states: Sequence[torch.Tensor] = [hx] if isinstance(hx, torch.Tensor) else hx
    directions = 2 if rest[-1] else 1
    out = data.new_empty((data.shape[0], states[0].shape[2] * directions))
    return (out, *(torch.empty_like(state) for state in states))


FAKE_RESULTS: dict[Any, Callable[..., Any]] = {
    getattr(torch.ops.aten, name).data: _recurrent
    for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")
}
