"""Cholesky's factors, and equations solved with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor, linalg

import fxexport
from fxexport import _torch_compat as compat
from tests.support.building import agrees_and_builds
from tests.support.complex_values import check
from tests.support.matrices import DTYPES, SQUARE, drawn, positive

NAMES = {0: "b", 1: "n", 2: "n"}

PROGRAMS: dict[str, Callable[..., Any]] = {
    "lower": linalg.cholesky,
    "upper": lambda x: linalg.cholesky(x, upper=True),
    "the lower triangle alone": lambda x: linalg.cholesky(x.tril()),
    "the upper triangle alone": lambda x: linalg.cholesky(x.triu(), upper=True),
    "ex": linalg.cholesky_ex,
    "inverse": lambda x: torch.cholesky_inverse(x.tril()),
    "inverse, upper": lambda x: torch.cholesky_inverse(x.triu(), upper=True),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", list(PROGRAMS))
def test_functions_of_a_matrix(name: str, dtype: torch.dtype) -> None:
    rows = [(positive(*shape, dtype=dtype),) for shape in SQUARE]
    check(PROGRAMS[name], *rows, dynamic=(NAMES,))


@pytest.mark.parametrize("size", [0, 1, 4, 20, 40])
def test_sizes_that_are_fixed(size: int) -> None:
    rows = [(positive(b, 2, size),) for b in (3, 1, 0)]
    check(linalg.cholesky, *rows, dynamic=({0: "b"},))


@pytest.mark.parametrize("upper", [False, True])
def test_equations(upper: bool) -> None:
    rows = [(drawn(b, n, 3), positive(b, n)) for b, n in SQUARE]
    check(
        lambda b, x: torch.cholesky_solve(b, x, upper=upper),
        *rows,
        dynamic=({0: "b", 1: "n"}, NAMES),
    )


def test_the_first_minor_that_is_not_positive_is_told() -> None:
    x = positive(5, 20)
    x[1, 0, 0] = -1
    x[2, 17, 17] = -3
    x[3] = 0
    x[4, 3, 3] = torch.nan
    check(lambda x: linalg.cholesky_ex(x).info, (positive(2, 20),), (x,), dynamic=({0: "b"},))


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("minor", [0, 1, 17, 19])
def test_what_is_left_where_a_minor_is_not_positive(minor: int, upper: bool) -> None:
    """LAPACK leaves its columns before that minor, and what it was given behind it."""
    x = positive(3, 20)
    x[1, minor, minor] = -1
    x[2] = 1
    check(
        lambda x: linalg.cholesky_ex(x, upper=upper),
        (positive(2, 20),),
        (x,),
        dynamic=({0: "b", 1: "n", 2: "n"},),
    )


def checked(x: Tensor) -> Tensor:
    return linalg.cholesky(x)


def old(x: Tensor) -> Tensor:
    return torch.cholesky(x)


@pytest.mark.parametrize("function", [checked, *([old] if compat.OLD_CHOLESKY else [])])
@pytest.mark.filterwarnings("ignore:torch.cholesky is deprecated")
def test_it_raises_where_pytorch_raises(function: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    fxexport.export(function, (positive(2, 5),), path, dynamic={"x": {0: "b"}})
    session = onnxruntime.InferenceSession(path)
    session.run(None, {"x": positive(3, 5).numpy()})
    with pytest.raises(Exception, match="each matrix has a result"):
        session.run(None, {"x": -positive(3, 5).numpy()})


@pytest.mark.parametrize("size", [4, 40])
def test_tensorrt_builds_it(size: int, tmp_path: Path) -> None:
    rows = [(positive(b, size),) for b in (2, 1, 4)]
    agrees_and_builds(linalg.cholesky, rows, tmp_path)
