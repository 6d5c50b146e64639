"""Equations of triangular matrices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, linalg

from tests.support.building import agrees_and_builds
from tests.support.complex_values import check
from tests.support.matrices import DTYPES, SQUARE, drawn, positive

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("upper", [False, True])
def test_every_form(upper: bool, left: bool, unit: bool, dtype: torch.dtype) -> None:
    """The other triangle is not looked at, nor the diagonal where it is said to be ones."""

    def program(a: Tensor, b: Tensor) -> Tensor:
        right = b if left else b.mT
        return linalg.solve_triangular(a, right, upper=upper, left=left, unitriangular=unit)

    rows = [
        (positive(b, n, dtype=dtype) / (8 if unit else 1), drawn(b, n, m, dtype=dtype))
        for (b, n), m in zip(SQUARE, (3, 1, 2, 0, 4, 1), strict=True)
    ]
    check(program, *rows, dynamic=({0: "b", 1: "n", 2: "n"}, {0: "b", 1: "n", 2: "m"}))


@pytest.mark.parametrize("size", [1, 4, 20, 40])
def test_sizes_that_are_fixed_and_batches_that_are_broadcast(size: int) -> None:
    rows = [(positive(b, size), drawn(2, 1, size, 3)) for b in (3, 1, 0)]
    check(lambda a, b: linalg.solve_triangular(a, b, upper=False), *rows,
          dynamic=({0: "b"}, False))  # fmt: skip


@pytest.mark.parametrize("transpose", [False, True])
def test_the_older_function(transpose: bool) -> None:
    rows = [(drawn(b, n, 2), positive(b, n)) for b, n in SQUARE]
    check(
        lambda b, a: torch.triangular_solve(b, a, upper=False, transpose=transpose),
        *rows,
        dynamic=({0: "b", 1: "n"}, {0: "b", 1: "n", 2: "n"}),
    )


def test_a_zero_on_the_diagonal_gives_infinity_and_nan() -> None:
    singular = torch.eye(20)
    singular[3, 3] = 0
    rows = [(positive(20), drawn(20, 2)), (singular, drawn(20, 2))]
    check(lambda a, b: linalg.solve_triangular(a, b, upper=True), *rows, dynamic=False)
    check(lambda a, b: linalg.solve_triangular(a, b, upper=False), *rows, dynamic=False)


@pytest.mark.parametrize("size", [4, 40])
def test_tensorrt_builds_it(size: int, tmp_path: Path) -> None:
    rows = [(positive(b, size), drawn(b, size, 3)) for b in (2, 1, 4)]
    agrees_and_builds(lambda a, b: linalg.solve_triangular(a, b, upper=True), rows, tmp_path)
