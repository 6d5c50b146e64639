"""Windows of a dynamic length: PyTorch's functions, and those of torch.signal."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.complex_values import check

ROWS = [(torch.linspace(-1, 1, 3 * n).reshape(n, 3),) for n in (7, 1, 2, 8)]
MORE: dict[str, dict[str, Any]] = {
    "gaussian": {"std": 2.0},
    "general_cosine": {"a": [0.4, 0.3, 0.3]},
}


@pytest.mark.parametrize("name", ["bartlett_window", "kaiser_window", "hann_window"])
def test_windows_agree_at_every_length(name: str) -> None:
    window = getattr(torch, name)

    def program(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return window(x.shape[0])[:, None] * x, window(x.shape[0], False), window(9)

    check(program, *ROWS, dynamic=({0: "n"},))


@pytest.mark.parametrize(
    "name", ["bartlett", "cosine", "exponential", "gaussian", "general_cosine", "kaiser", "nuttall"]
)
def test_windows_of_signal_agree_at_every_length(name: str) -> None:
    window, more = getattr(torch.signal.windows, name), MORE.get(name, {})

    def program(x: Tensor) -> tuple[Tensor, Tensor]:
        return window(x.shape[0], **more), window(x.shape[0], sym=False, **more)

    check(program, *ROWS, dynamic=({0: "n"},))


def test_a_window_in_a_branch() -> None:
    def program(x: Tensor) -> Tensor:
        if x.sum() > 0:
            return torch.bartlett_window(x.shape[0])[:, None] * x
        return x

    check(program, *ROWS, *[(rows + 2,) for (rows,) in ROWS], dynamic=({0: "n"},))


def test_sizes_as_a_tensor() -> None:
    def program(x: Tensor) -> tuple[Tensor, Tensor]:
        sizes = torch._shape_as_tensor(x)
        return sizes * 2, x * sizes[0]

    check(program, *ROWS, dynamic=({0: "n"},))
