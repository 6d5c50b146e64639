"""Factors of symmetric matrices that are not positive definite, and equations with them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, linalg

from tests.support.complex_values import check
from tests.support.matrices import DTYPES, SQUARE, drawn

pytest.importorskip("onnxruntime")

NAMES = {0: "b", 1: "n", 2: "n"}


def symmetric(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Of both kinds of pivots: a small diagonal makes pairs."""
    x = drawn(*shape, shape[-1], dtype=dtype)
    x = x + x.mT
    small = torch.arange(shape[-1]) % 3 == 0
    return torch.where(torch.diag(small), x / 100, x)


def of_matrix(x: Tensor) -> tuple[Tensor, ...]:
    return tuple(linalg.ldl_factor_ex(x))


def solved(x: Tensor, b: Tensor) -> Tensor:
    return linalg.ldl_solve(*linalg.ldl_factor(x), b)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_factors_of_any_size(dtype: torch.dtype) -> None:
    check(of_matrix, *((symmetric(*shape, dtype=dtype),) for shape in SQUARE), dynamic=(NAMES,))


def test_the_lower_triangle_alone_counts() -> None:
    check(lambda x: of_matrix(x.tril() + 7 * x.triu(1)), (symmetric(2, 2, 6),), dynamic=False)


def test_both_kinds_of_pivots_are_met() -> None:
    pivots = linalg.ldl_factor(symmetric(2, 6)).pivots
    assert (pivots < 0).any()
    assert (pivots > 0).any()


def test_a_pivot_of_0_is_told() -> None:
    x = symmetric(4, 5)
    x[1] = 0
    x[2] = 1
    x[3, :, 2] = x[3, 2] = 0
    check(of_matrix, (symmetric(2, 5),), (x,), dynamic=({0: "b"},))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_equations(dtype: torch.dtype) -> None:
    rows = [(symmetric(b, n, dtype=dtype), drawn(b, n, 3, dtype=dtype)) for b, n in SQUARE]
    check(solved, *rows, dynamic=(NAMES, {0: "b", 1: "n"}))
