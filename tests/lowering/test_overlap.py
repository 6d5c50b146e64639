"""Windows are added up where they overlap."""

from __future__ import annotations

import pytest
import torch

from tests.support.complex_values import check

WINDOWS: dict[str, tuple[tuple[int, ...], list[int], int, int, int]] = {
    "in the middle": ((7, 8, 3, 6), [7, 20, 3], 1, 6, 2),
    "at the end": ((7, 3, 8, 6), [7, 3, 20], 2, 6, 2),
    "in front": ((8, 3, 5), [20, 3], 0, 5, 2),
    "with gaps": ((3, 3, 5), [20, 3], 0, 5, 7),
    "side by side": ((4, 3, 5), [20, 3], 0, 5, 5),
    "one by one": ((6, 5), [10], 0, 5, 1),
    "fewer than there is room for": ((2, 8), [13], 0, 8, 3),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_sum_of_windows(name: str) -> None:
    shape, sizes, dim, size, step = WINDOWS[name]

    def program(windows: torch.Tensor) -> torch.Tensor:
        return torch.ops.aten.unfold_backward(windows, sizes, dim, size, step)  # type: ignore[no-any-return]

    check(program, (torch.randn(*shape),), dynamic=None)


def test_a_dynamic_number_of_windows() -> None:
    def program(windows: torch.Tensor) -> torch.Tensor:
        length = 8 + 3 * (windows.shape[1] - 1)
        return torch.ops.aten.unfold_backward(  # type: ignore[no-any-return]
            windows, [windows.shape[0], length], 1, 8, 3
        )

    rows = [(torch.randn(batch, count, 8),) for batch, count in ((2, 5), (1, 1), (3, 9))]
    check(program, *rows, dynamic=({0: "b", 1: "n"},))
