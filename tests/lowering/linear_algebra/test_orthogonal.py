"""QR factors and Householder's reflections, at all sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.support.building import agrees_and_builds
from tests.support.complex_values import check

pytest.importorskip("onnxruntime")

FLAT = [(5, 3), (3, 5), (4, 4), (1, 1), (0, 3), (3, 0), (0, 0), (20, 7)]
BATCHED = [(2, 5, 3), (1, 3, 5), (0, 4, 4), (3, 1, 1), (2, 0, 3), (2, 3, 0)]
SIZES = pytest.mark.parametrize("sizes", [FLAT, BATCHED], ids=["flat", "batched"])
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def drawn(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@DTYPES
@SIZES
@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
def test_qr_gives_the_factors_of_pytorch(
    mode: str, sizes: list[tuple[int, ...]], dtype: torch.dtype
) -> None:
    rows = [(drawn(*size, dtype=dtype),) for size in sizes]
    check(lambda x: torch.linalg.qr(x, mode=mode), *rows)


def test_qr_of_fixed_sizes() -> None:
    for size in ((5, 3), (3, 5), (2, 4, 4), (3, 0)):
        rows = [(drawn(*size, seed=k),) for k in range(2)]
        check(torch.linalg.qr, *rows, dynamic=False)


def test_qr_of_very_large_and_small_numbers() -> None:
    """Their squares are infinite or 0."""
    x = drawn(4, 3, dtype=torch.float64)
    scale = torch.tensor([1e200, 1.0, 1e-200], dtype=torch.float64)
    check(torch.linalg.qr, (x * 1e200,), (x * 1e-200,), (x * scale,), dynamic=False)


def test_qr_of_columns_that_are_done() -> None:
    """Nothing is below the diagonal: LAPACK leaves the sign."""
    triangle = torch.tensor([[-2.0, 1.0, 3.0], [0.0, 4.0, 1.0], [0.0, 0.0, -1.0]])
    check(torch.linalg.qr, (triangle,), (torch.eye(3),), (torch.zeros(3, 3),))


@SIZES
def test_packed_reflections(sizes: list[tuple[int, ...]]) -> None:
    check(torch.geqrf, *[(drawn(*size),) for size in sizes])


@pytest.mark.parametrize("columns", [3, 1])
def test_products_of_reflections(columns: int) -> None:
    def product(x: Tensor) -> Tensor:
        packed, taus = torch.geqrf(x)
        return torch.linalg.householder_product(packed, taus[..., :columns])

    check(product, *[(drawn(*size),) for size in ((5, 3), (4, 4), (20, 7))])
    check(product, *[(drawn(*size),) for size in ((2, 5, 3), (0, 4, 4), (1, 3, 3))])


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("left", [True, False])
def test_reflections_times_another_matrix(left: bool, transpose: bool) -> None:
    def program(x: Tensor, other: Tensor) -> Tensor:
        packed, taus = torch.geqrf(x)
        return torch.ormqr(packed, taus, other if left else other.mT, left, transpose)

    sizes = [(5, 3, 2), (4, 4, 0), (6, 2, 7)]
    check(program, *[(drawn(m, n), drawn(m, k, seed=1)) for m, n, k in sizes])
    check(program, *[(drawn(2, m, n), drawn(2, m, k, seed=1)) for m, n, k in sizes])


def test_qr_inside_of_an_if_and_a_loop() -> None:
    def program(x: Tensor) -> Tensor:
        total = x[0]
        for matrix in x:
            if matrix.sum() > 0:
                q, r = torch.linalg.qr(matrix + total)
                total = r @ q
        return total

    check(program, *[(drawn(*size),) for size in ((4, 3, 3), (1, 2, 2), (7, 5, 5))])


def test_qr_builds_for_tensorrt(tmp_path: Path) -> None:
    agrees_and_builds(torch.linalg.qr, [(drawn(2, 5, 3, seed=k),) for k in range(2)], tmp_path)
