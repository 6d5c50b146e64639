"""LU factors, their parts, and equations solved with them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, linalg

import fxexport
from fxexport.errors import UnsupportedError
from tests.support.complex_values import check
from tests.support.matrices import DTYPES, SQUARE, drawn, regular

pytest.importorskip("onnxruntime")

# Wide and tall, in one block and in several.
RECTANGULAR = ((2, 5, 7), (3, 4, 1), (0, 3, 4), (2, 0, 3), (2, 3, 0), (1, 40, 20), (2, 17, 50))
NAMES = {0: "b", 1: "n", 2: "m"}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("function", [linalg.lu_factor, linalg.lu_factor_ex, linalg.lu])
def test_factors_of_any_size(function: object, dtype: torch.dtype) -> None:
    rows = [(drawn(*shape, dtype=dtype),) for shape in RECTANGULAR]
    check(lambda x: function(x), *rows, dynamic=(NAMES,))  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (40, 4), (20, 33), (2, 3, 18, 18)], ids=str)
def test_sizes_that_are_fixed(shape: tuple[int, ...]) -> None:
    check(lambda x: (*linalg.lu_factor_ex(x), *linalg.lu(x)), (drawn(*shape),), dynamic=False)


def test_parts_of_factors() -> None:
    rows = [(drawn(*shape),) for shape in RECTANGULAR]
    check(lambda x: torch.lu_unpack(*linalg.lu_factor(x)), *rows, dynamic=(NAMES,))
    check(
        lambda x: torch.lu_unpack(*linalg.lu_factor(x), unpack_pivots=False)[1:],
        *rows,
        dynamic=(NAMES,),
    )


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_equations(left: bool, adjoint: bool) -> None:
    def program(a: Tensor, b: Tensor) -> Tensor:
        factors, pivots = linalg.lu_factor(a)
        return linalg.lu_solve(factors, pivots, b if left else b.mT, left=left, adjoint=adjoint)

    rows = [(regular(b, n), drawn(b, n, 3)) for b, n in SQUARE]
    check(program, *rows, dynamic=({0: "b", 1: "n", 2: "n"}, {0: "b", 1: "n"}))


def test_equations_of_broadcast_batches() -> None:
    def program(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        factors = linalg.lu_factor(a)
        return linalg.lu_solve(*factors, b), torch.lu_solve(b, *factors)

    check(program, (regular(3, 1, 4), drawn(2, 4, 2)), dynamic=False)


def test_without_pivots_it_is_refused() -> None:
    """PyTorch has it on CUDA alone."""
    with pytest.raises(UnsupportedError, match="without pivoting"):
        fxexport.export(lambda x: linalg.lu(x, pivot=False), (regular(3),))
