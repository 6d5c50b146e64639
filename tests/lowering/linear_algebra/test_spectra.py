"""Eigenvalues, singular values, and what follows from them, at all sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import fxexport
from fxexport.targets.onnxruntime.session import OrtSession, RuntimeFailure
from tests.support.building import agrees_and_builds
from tests.support.complex_values import check

pytest.importorskip("onnxruntime")

FLAT = [(5, 3), (3, 5), (4, 4), (1, 1), (0, 3), (3, 0), (0, 0), (20, 7), (1, 6)]
BATCHED = [(2, 5, 3), (1, 3, 5), (0, 4, 4), (3, 1, 1), (2, 0, 3), (2, 3, 0)]
SIZES = pytest.mark.parametrize("sizes", [FLAT, BATCHED], ids=["flat", "batched"])
SQUARE = [[(4, 4), (5, 5), (1, 1), (0, 0), (17, 17)], [(2, 4, 4), (3, 5, 5), (0, 3, 3), (2, 0, 0)]]
SQUARES = pytest.mark.parametrize("sizes", SQUARE, ids=["flat", "batched"])
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
LOW = torch.arange(24.0).reshape(6, 4)  # of rank 2
Sizes = list[tuple[int, ...]]


def drawn(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def ran(function: Callable[..., Any], x: Tensor) -> Tensor:
    """The first result of the file."""
    exported = fxexport.export(function, (x,), dynamic=True, verify=False)
    session = OrtSession(exported.model.SerializeToString())
    result: Tensor = session.run({session.input_names[0]: x})[0]
    return result


# -- symmetric matrices ----------------------------------------------------------------------------


@DTYPES
@SQUARES
@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigenvectors_make_the_matrix(uplo: str, sizes: Sizes, dtype: torch.dtype) -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        values, vectors = torch.linalg.eigh(x, UPLO=uplo)
        return values, (vectors * values.unsqueeze(-2)) @ vectors.mT, vectors.mT @ vectors

    check(program, *[(drawn(*size, dtype=dtype),) for size in sizes])


@SQUARES
def test_eigenvalues_alone(sizes: Sizes) -> None:
    check(torch.linalg.eigvalsh, *[(drawn(*size),) for size in sizes])


def test_equal_eigenvalues_and_all_scales() -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        values, vectors = torch.linalg.eigh(x)
        return values, (vectors * values.exp().unsqueeze(-2)) @ vectors.mT

    equal = torch.diag(torch.tensor([1.0, 1.0, -1.0, -1.0, 0.0]))
    check(program, (torch.ones(5, 5),), (torch.eye(6),), (torch.zeros(3, 3),), (equal,))
    large = drawn(4, 4, dtype=torch.float64)
    check(torch.linalg.eigvalsh, (large,), (large * 1e200,), (large * 1e-200,))


def test_square_roots_of_matrices() -> None:
    if not hasattr(torch.linalg, "matrix_sqrth"):
        pytest.skip("this PyTorch has no matrix_sqrth")
    check(torch.linalg.matrix_sqrth, *[(x @ x.mT,) for x in (drawn(4, 4), drawn(3, 3))])


# -- singular values -------------------------------------------------------------------------------


@DTYPES
@SIZES
@pytest.mark.parametrize("full", [True, False])
def test_singular_vectors_make_the_matrix(full: bool, sizes: Sizes, dtype: torch.dtype) -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        u, values, vh = torch.linalg.svd(x, full_matrices=full)
        number = values.shape[-1]
        made = (u[..., :number] * values.unsqueeze(-2)) @ vh[..., :number, :]
        return values, made, u.mT @ u, vh @ vh.mT

    check(program, *[(drawn(*size, dtype=dtype),) for size in sizes])


@SIZES
def test_singular_values_alone(sizes: Sizes) -> None:
    check(torch.linalg.svdvals, *[(drawn(*size),) for size in sizes])


@pytest.mark.parametrize("full", [True, False])
def test_singular_vectors_of_what_has_no_full_rank(full: bool) -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        u, values, vh = torch.linalg.svd(x, full_matrices=full)
        number = values.shape[-1]
        return (u[:, :number] * values) @ vh[:number], u.mT @ u, vh @ vh.mT

    check(program, (torch.ones(5, 5),), (torch.zeros(3, 4),), (LOW,), (LOW.mT,), (torch.eye(2),))


def test_small_singular_values_keep_their_digits() -> None:
    """The product of a matrix with itself would have lost a value of 1e-11 in float64."""
    q, _ = torch.linalg.qr(drawn(6, 6, dtype=torch.float64))
    values = torch.logspace(0, -11, 6, dtype=torch.float64)
    found = ran(torch.linalg.svdvals, (q * values) @ torch.linalg.qr(q.exp())[0])
    assert torch.allclose(found, values, rtol=1e-4, atol=0)


@pytest.mark.parametrize("apart", [0.0, 1e-12, 1e-9, 1e-5])
def test_vectors_of_nearly_equal_values_are_orthogonal(apart: float) -> None:
    """Rows of nearly one length turn by any angle, and must keep their lengths."""
    size = 24
    values = torch.ones(size, dtype=torch.float64)
    values[: size // 2] += apart * torch.arange(size // 2)
    left, right = (torch.linalg.qr(drawn(size, size, seed=k).double())[0] for k in (1, 2))
    unit = torch.eye(size, dtype=torch.float64)
    for matrix in ((left * values) @ right, (left * values) @ left.mT):
        u = ran(torch.linalg.svd, matrix)
        assert torch.allclose(u.mT @ u, unit, rtol=0, atol=1e-12)
    vectors = ran(lambda x: torch.linalg.eigh(x).eigenvectors, (left * values) @ left.mT)
    assert torch.allclose(vectors.mT @ vectors, unit, rtol=0, atol=1e-12)


# -- what follows from them ------------------------------------------------------------------------


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "pinv": torch.linalg.pinv,
    "pinverse": torch.pinverse,
    "pinv atol": lambda x: torch.linalg.pinv(x, atol=0.5),
    "pinv rtol": lambda x: torch.linalg.pinv(x, rtol=0.5),
    "pinv hermitian": lambda x: torch.linalg.pinv(x @ x.mT, hermitian=True),
    "rank": torch.linalg.matrix_rank,
    "rank hermitian": lambda x: torch.linalg.matrix_rank(x @ x.mT, hermitian=True),
    "rank tol": lambda x: torch.linalg.matrix_rank(x, tol=0.5),
    "nuclear": lambda x: torch.linalg.matrix_norm(x, "nuc"),
    "cond": torch.linalg.cond,
    "cond -2": lambda x: torch.linalg.cond(x, -2),
}


@SIZES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_singular_values(name: str, sizes: Sizes) -> None:
    check(FUNCTIONS[name], *[(drawn(*size),) for size in sizes])


@pytest.mark.parametrize("order", [2, -2])
@pytest.mark.parametrize("keepdim", [False, True])
def test_spectral_norms(order: int, keepdim: bool) -> None:
    filled = [size for size in BATCHED if 0 not in size[1:]]
    rows = [(drawn(*size),) for size in filled]
    check(lambda x: torch.linalg.matrix_norm(x, order, (0, 2), keepdim), *rows[:2])
    check(lambda x: torch.linalg.norm(x, order, (-2, -1), keepdim), *rows)


def test_pseudoinverses_and_ranks_without_full_rank() -> None:
    rows = (LOW,), (LOW.mT,), (torch.zeros(3, 3),), (torch.ones(4, 2),)
    check(torch.linalg.pinv, *rows)
    check(torch.linalg.matrix_rank, *rows)


@pytest.mark.parametrize("driver", [None, "gelsy", "gels", "gelsd", "gelss"])
def test_least_squares(driver: str | None) -> None:
    def program(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.linalg.lstsq(a, b, driver=driver))

    tall = [(drawn(m, n), drawn(m, k, seed=1)) for m, n, k in ((5, 3, 2), (6, 2, 1), (9, 4, 5))]
    check(program, *tall)
    check(program, *[(a, b[:, 0]) for a, b in tall])
    wide = [(a.mT.contiguous(), drawn(a.shape[1], 2, seed=2)) for a, _ in tall]
    check(program, *wide[:1] * 2, dynamic=False)
    solution = lambda a, b: program(a, b)[0]  # noqa: E731
    check(solution, *wide, *tall)


def test_least_squares_of_several_matrices_and_of_low_rank() -> None:
    def program(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.linalg.lstsq(a, b))

    sizes = [(2, 5, 3), (1, 3, 5), (0, 4, 4)]
    check(program, *[(drawn(*size), drawn(*size[:2], 2, seed=1)) for size in sizes])
    check(program, (drawn(6, 4), drawn(6, 2)), (LOW, drawn(6, 2)), (LOW, drawn(6, 0)))
    gelsd = lambda a, b: tuple(torch.linalg.lstsq(a, b, driver="gelsd"))  # noqa: E731
    check(gelsd, (drawn(6, 4), drawn(6, 2)), (LOW, drawn(6, 2)))


def test_residuals_that_all_ranks_decide_are_refused() -> None:
    with pytest.raises(fxexport.UnsupportedError, match="ranks of all matrices"):
        fxexport.export(
            lambda a, b: torch.linalg.lstsq(a, b, driver="gelsd").residuals,
            (drawn(2, 5, 3), drawn(2, 5, 1)),
        )


def test_the_sizes_decide_the_rank_of_residuals() -> None:
    """There are none unless rows are more than columns, and then one for each matrix."""
    exported = fxexport.export(
        lambda a, b: tuple(torch.linalg.lstsq(a, b, driver="gels")),
        (drawn(2, 5, 3), drawn(2, 5, 1)),
        dynamic=True,
        verify=False,  # of zeros, which have no result, PyTorch gives some
    )
    assert exported.report.outputs[1]["shape"] is None


# -- numbers that are none, branches, loops, TensorRT ----------------------------------------------


@pytest.mark.parametrize(
    "function",
    [torch.linalg.svd, torch.linalg.svdvals, torch.linalg.eigh, torch.linalg.pinv],
    ids=lambda f: f.__name__,
)
def test_nan_raises_as_in_pytorch(function: Callable[..., Any]) -> None:
    x = drawn(4, 4)
    x[2, 1] = torch.nan
    with pytest.raises(RuntimeError):
        function(x)
    with pytest.raises(RuntimeFailure, match="number is NaN"):
        ran(function, x)


def test_numbers_that_are_not_read_may_be_nan() -> None:
    x = drawn(4, 4)
    x[0, 2] = torch.nan
    check(torch.linalg.eigvalsh, (x,), (torch.full((1, 1), torch.nan),))
    check(lambda x: torch.linalg.eigvalsh(x, UPLO="U"), (x.mT.contiguous(),))


def test_infinities_give_nan_as_in_pytorch() -> None:
    x = drawn(4, 4)
    x[2, 1] = torch.inf
    check(torch.linalg.svdvals, (x,))


def test_inside_of_an_if_and_a_loop() -> None:
    def program(x: Tensor) -> Tensor:
        total = x[0]
        for matrix in x:
            if matrix.sum() > 0:
                total = total + torch.linalg.pinv(matrix)
            else:
                values, vectors = torch.linalg.eigh(matrix)
                total = total - (vectors * values.abs()) @ vectors.mT
        return total

    check(program, *[(drawn(*size),) for size in ((4, 3, 3), (1, 2, 2), (7, 5, 5))])


def _by_eigenvalues(x: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(x)
    return values, (vectors * values.unsqueeze(-2)) @ vectors.mT


@pytest.mark.parametrize("sizes", [[(2, 4, 4)] * 2, [(4, 4), (6, 6)]], ids=["fixed", "dynamic"])
@pytest.mark.parametrize("function", [_by_eigenvalues, torch.linalg.pinv], ids=lambda f: f.__name__)
def test_they_build_for_tensorrt(
    function: Callable[..., Any], sizes: Sizes, tmp_path: Path
) -> None:
    agrees_and_builds(function, [(drawn(*size, seed=k),) for k, size in enumerate(sizes)], tmp_path)


def test_vectors_that_nobody_uses_are_not_computed() -> None:
    """PyTorch asks for them where a gradient may be wanted, and wherever operators are watched."""

    def loops(function: Callable[..., Any]) -> int:
        exported = fxexport.export(function, (drawn(4, 4),), dynamic=True, verify=False)
        return str(exported.model).count('op_type: "Loop"')

    assert loops(torch.linalg.svdvals) < loops(torch.linalg.svd)
    assert loops(lambda x: torch.linalg.qr(x).R) < loops(torch.linalg.qr)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("order", [1, -1, torch.inf, -torch.inf])
def test_norms_by_sums_pin_no_size(order: float, keepdim: bool) -> None:
    def program(x: Tensor) -> Tensor:
        return torch.linalg.matrix_norm(x, order, keepdim=keepdim)

    rows = [(drawn(*sizes),) for sizes in [(3, 4, 5), (1, 1, 1), (2, 6, 3), (0, 2, 2)]]
    if order > 0:
        rows += [(drawn(2, 0, 3),), (drawn(2, 3, 0),)]
    check(program, *rows)
