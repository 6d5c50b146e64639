"""Systems of equations, inverses and determinants, for both targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, linalg

import fxexport
from fxexport.errors import UnsupportedError
from tests.support.building import agrees_and_builds
from tests.support.complex_values import check
from tests.support.matrices import DTYPES, SQUARE, drawn, regular

pytest.importorskip("onnxruntime")

Program = Callable[..., Any]

NAMES = {0: "b", 1: "n", 2: "n"}

OF_ONE: dict[str, Program] = {
    "inv": linalg.inv,
    "inv_ex": linalg.inv_ex,
    "det": linalg.det,
    "slogdet": linalg.slogdet,
    "logdet": torch.logdet,
    "negative power": lambda x: linalg.matrix_power(x, -3),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", list(OF_ONE))
def test_functions_of_a_matrix(name: str, dtype: torch.dtype) -> None:
    rows = [(regular(*shape, dtype=dtype),) for shape in SQUARE]
    check(OF_ONE[name], *rows, dynamic=(NAMES,))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("function", [linalg.solve, torch.ops.aten._linalg_solve_ex.default])
def test_equations_of_any_size(function: Program, dtype: torch.dtype) -> None:
    """The second gives the factors as well."""
    rows = [
        (regular(b, n, dtype=dtype), drawn(b, n, m, dtype=dtype))
        for (b, n), m in zip(SQUARE, (3, 1, 2, 0, 4, 1), strict=True)
    ]
    check(function, *rows, dynamic=(NAMES, {0: "b", 1: "n", 2: "m"}))


@pytest.mark.parametrize("size", [0, 1, 4, 20, 40])
def test_sizes_that_are_fixed(size: int) -> None:
    rows = [(regular(b, size), drawn(b, size, 3)) for b in (2, 0, 3)]
    check(lambda a, b: (linalg.solve(a, b), linalg.inv(a), linalg.slogdet(a)), *rows,
          dynamic=({0: "b"}, {0: "b"}))  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((4, 4), (4,)),
        ((3, 4, 4), (4,)),
        ((3, 4, 4), (3, 4)),
        ((3, 4, 4), (4, 2)),
        ((4, 4), (3, 4, 2)),
        ((3, 1, 4, 4), (2, 4, 2)),
        ((3, 2, 4, 4), (3, 2, 4)),
        ((2, 20, 20), (3, 1, 20, 2)),
    ],
    ids=str,
)
def test_batches_are_broadcast_and_vectors_told_apart(
    a: tuple[int, ...], b: tuple[int, ...]
) -> None:
    matrices, right = regular(*a[:-1]), drawn(*b)
    check(linalg.solve, (matrices, right), dynamic=False)


def test_equations_with_the_matrix_on_the_right() -> None:
    rows = [(regular(b, n), drawn(b, 2, n)) for b, n in SQUARE]
    check(lambda a, b: linalg.solve(a, b, left=False), *rows,
          dynamic=(NAMES, {0: "b", 2: "n"}))  # fmt: skip


@pytest.mark.parametrize("name", ["tensorinv", "tensorsolve"])
def test_tensors_as_matrices(name: str) -> None:
    x = regular(6).reshape(2, 3, 6)
    programs: dict[str, Program] = {
        "tensorinv": lambda x: linalg.tensorinv(x.reshape(6, 2, 3), ind=1),
        "tensorsolve": lambda x: linalg.tensorsolve(x, x[:, :, 0]),
    }
    check(programs[name], (x,), dynamic=False)


def test_the_first_of_equal_pivots_is_taken() -> None:
    """As LAPACK does, which has swapped rows by then."""
    generator = torch.Generator().manual_seed(3)
    equal = [torch.randint(-1, 2, (4, n, n), generator=generator).float() for n in (6, 3, 20)]
    check(torch.ops.aten.linalg_lu_factor_ex.default, *((x,) for x in equal), dynamic=(NAMES,))


def without_inverse() -> Tensor:
    x = regular(4, 5)
    x[1, :, 2] = 0
    x[2, 3] = x[2, 1]
    x[3] = 0
    return x


def test_matrices_without_an_inverse_are_told() -> None:
    def numbers(x: Tensor) -> tuple[Tensor, ...]:
        unit = torch.eye(x.shape[-1])[None]
        return linalg.inv_ex(x).info, linalg.solve_ex(x, unit).info, linalg.det(x) == 0

    check(numbers, (regular(2, 5),), (without_inverse(),), dynamic=({0: "b"},))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: linalg.inv(x),
        lambda x: linalg.solve(x, x[..., :1]),
        lambda x: linalg.inv_ex(x, check_errors=True).inverse,
        lambda x: linalg.lu_factor(x),
    ],
)
def test_it_raises_where_pytorch_raises(function: Program, tmp_path: Path) -> None:
    import onnxruntime

    x = regular(4, 5)
    fxexport.export(function, (x,), tmp_path / "model.onnx", dynamic={"x": {0: "b"}})
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    with pytest.raises(Exception, match="each matrix has a result"):
        session.run(None, {"x": without_inverse().numpy()})


def test_a_determinant_that_is_no_float(tmp_path: Path) -> None:
    """Beyond the largest float, and below the smallest one."""
    x = torch.stack([regular(40) * 100, regular(40) / 100])
    check(linalg.slogdet, (x,), dynamic=({0: "b"},))


def test_nan_stays_in_its_matrix() -> None:
    x = regular(3, 5)
    x[1, 2, 2] = torch.nan
    check(lambda x: linalg.inv_ex(x).inverse[::2], (x,), dynamic=({0: "b"},))


def in_control_flow(x: Tensor) -> Tensor:
    total = torch.zeros(x.shape[-2:])
    for matrix in x:
        if matrix.sum() > 0:
            total = total + linalg.inv(matrix)
        else:
            inverse = linalg.inv(matrix)
            total = inverse @ linalg.solve(matrix, total)
    return total


def test_inside_of_ifs_and_loops() -> None:
    signs = torch.tensor([1.0, -1, 1])[:, None, None]
    rows = [((regular(b, n) + 0.1) * signs[:b],) for n, b in ((4, 3), (20, 2), (4, 0))]
    check(in_control_flow, *rows, dynamic=(NAMES,))


def test_factors_of_a_determinant_are_refused() -> None:
    """By the strides of the matrix they are those of its transpose."""
    with pytest.raises(UnsupportedError, match="LU factors"):
        fxexport.export(torch.ops.aten._linalg_det.default, (regular(3),))


@pytest.mark.parametrize("rows", [(2, 5), (5, 5)], ids=str)
def test_the_sizes_decide_whether_the_right_side_is_a_matrix(rows: tuple[int, int]) -> None:
    """A matrix, or a vector for each: PyTorch tells them apart by their sizes."""
    matrices = regular(rows[0], 5)
    exported = fxexport.export(linalg.solve, (matrices, torch.randn(rows)), dynamic=True)
    assert exported.report.outputs[0]["shape"] is None


ON_TENSORRT: dict[str, tuple[int, Program]] = {
    "det": (4, linalg.det),
    "inverse": (4, lambda x: x.inverse() @ x[0]),
    "inv": (4, lambda x: linalg.inv(x[0])),
    "solve": (4, lambda x: linalg.solve(x, x[:, :, :2] * 2 + 1)),
    "one side": (4, lambda x: linalg.solve(x[0], x[0, 0])),
    "a loop": (40, lambda x: linalg.solve(x, x[:, :, :2] * 2 + 1)),
}


@pytest.mark.parametrize("name", list(ON_TENSORRT))
def test_tensorrt_builds_it(name: str, tmp_path: Path) -> None:
    size, program = ON_TENSORRT[name]
    rows = [(regular(n, size),) for n in (3, 1, 6)]
    assert "Det" not in agrees_and_builds(program, rows, tmp_path)


def test_determinant_of_what_has_no_inverse_is_zero(tmp_path: Path) -> None:
    agrees_and_builds(linalg.det, [(without_inverse(),), (regular(1, 5),)], tmp_path)
