"""Orthogonal polynomials and incomplete gamma functions: as many steps as the data need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, special

from fxexport.lowering.special_functions.incomplete_gamma import _expansion
from tests.programs.program import TORCH
from tests.support.building import agrees_and_builds
from tests.support.complex_values import check

CHEBYSHEV = [f"{s}chebyshev_polynomial_{k}" for s in ("", "shifted_") for k in "tuvw"]
OTHERS = ["hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l",
          "legendre_polynomial_p"]  # fmt: skip
LINE = torch.cat([torch.linspace(-3, 3, 61), torch.tensor([0, 1, -1, 0.5, 1e-30, torch.nan])])
DEGREES = torch.tensor([-3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 40, 2.7, torch.nan])

SHAPES = torch.tensor([0, 1e-20, 0.1, 0.5, 1, 1.5, 5, 12, 20.5, 50, 199, 201, 1e3, 1e6, torch.inf,
                       torch.nan, -1], dtype=torch.float64)  # fmt: skip
RATIOS = torch.tensor([0, 1e-10, 0.1, 0.5, 0.71, 0.99, 1, 1.001, 1.1, 1.31, 2, 10, 1e4, torch.inf,
                       torch.nan, -1], dtype=torch.float64)  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CHEBYSHEV + OTHERS)
def test_polynomials_of_degrees_in_a_tensor(name: str, dtype: torch.dtype) -> None:
    x, n = LINE.to(dtype)[:, None], DEGREES.to(dtype)
    if name == "hermite_polynomial_h" and dtype == torch.float32:
        n = n[n < 20]  # beyond what float32 holds PyTorch's code is fused by its compiler
    function = getattr(special, name)
    check(function, (x, n), (x[:1], n[:3]), (x[:0], n[:0]), dynamic=([0], [0]))


@pytest.mark.parametrize("name", CHEBYSHEV[::3] + OTHERS)
def test_polynomials_of_numbers(name: str) -> None:
    def program(x: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        function = getattr(special, name)
        return function(x, 5), function(x, 0), function(x, -1), function(0.3, n), function(2.0, n)

    # Of NaN PyTorch before 2.14 gives what its memory held.
    line = LINE if TORCH >= (2, 14) else LINE[:-1]
    check(program, (line, torch.arange(12)), (line[:3], torch.arange(3)))


@pytest.mark.parametrize("degree", [512, 513])
def test_hermite_polynomials_end_at_a_degree(degree: int) -> None:
    x = torch.linspace(-0.5, 0.5, 5, dtype=torch.float64)
    check(lambda x: special.hermite_polynomial_he(x, degree), (x,), (x[:2],))


def test_a_polynomial_in_a_branch_and_in_a_loop() -> None:
    def program(x: Tensor) -> Tensor:
        if x.sum() > 0:
            for k in range(len(x)):
                x = x + special.legendre_polynomial_p(x / 9, k)
            return x
        return special.laguerre_polynomial_l(x, x.abs().round())

    check(program, (torch.rand(4),), (-torch.rand(3),), (torch.rand(1),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", [torch.igamma, torch.igammac])
def test_incomplete_gamma_functions(function: torch._ops.OpOverload, dtype: torch.dtype) -> None:
    a = SHAPES[:, None].expand(-1, len(RATIOS))
    x = (a * RATIOS).to(dtype)
    a = a.to(dtype).contiguous()
    check(function, (a, x), (a[:0], x[:0]), (a[4:5], x[4:5]), dynamic=({0: "n"}, {0: "n"}))
    # Where x does not grow with a.
    small = torch.tensor([1e-30, 0.3, 0.5, 0.9, 1.1, 1.2, 3, 30, 80]).to(dtype)
    check(function, (SHAPES[:, None].to(dtype), small), dynamic=False)


def test_incomplete_gamma_functions_in_half_precision_and_of_no_dimension() -> None:
    x = torch.linspace(0.1, 9, 12).half()
    check(lambda x: (torch.igamma(x[3], x[2]), torch.igammac(x, x[2])), (x,), (x[:4],))


def test_coefficients_of_the_uniform_expansion() -> None:
    # DLMF 8.12: the first functions at 0, and a slope.
    expansion = _expansion()
    np.testing.assert_allclose(expansion[:4, 0], [-1 / 3, -1 / 540, 25 / 6048, 101 / 155520])
    np.testing.assert_allclose(expansion[0, 1], 1 / 12)


def test_a_degree_that_is_known_is_a_loop_of_that_many_steps(tmp_path: Path) -> None:
    def program(x: Tensor) -> Tensor:
        return special.hermite_polynomial_he(x, 4) + special.chebyshev_polynomial_t(x, 9)

    rows = [(torch.rand(n) * 3,) for n in (4, 1, 6)]
    assert "Loop" in agrees_and_builds(program, rows, tmp_path)
