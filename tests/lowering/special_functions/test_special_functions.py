"""Special functions that are formulas here give what PyTorch's kernels give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, special

from tests.support.building import agrees_and_builds
from tests.support.complex_values import check

LINE = torch.cat([torch.linspace(-31.3, 30.2, 301), torch.linspace(-2.5, 2.5, 101)]).double()
EDGES = torch.tensor(
    [0, -0.0, 1, -1, 2, -2, 5, -5, 8, -8, 1e-30, -1e-30, 1e-6, 89, 104, -1e3, 1e6,
     torch.inf, -torch.inf, torch.nan], dtype=torch.float64)  # fmt: skip
ORDERS = torch.tensor([-1, 0.5, 1, 1.001, 1.5, 2, 3, 4, 10, 33, 1e30, torch.inf, torch.nan])

NAMES = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "spherical_bessel_j0",
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_bessel_and_airy_functions(name: str, dtype: torch.dtype) -> None:
    line, edges = LINE.to(dtype), EDGES.to(dtype)
    if name == "airy_ai":
        # Rounding the angle of the wave moves what is left of it.
        edges = edges[edges > -100]
    check(getattr(special, name), (line,), (edges,), (line[:0],), (line[:1],))


@pytest.mark.parametrize("name", ["bessel_j0", "bessel_y1", "i1e", "modified_bessel_k0", "ndtri"])
def test_integers_give_numbers_of_the_default_dtype(name: str) -> None:
    check(getattr(special, name), (torch.arange(-9, 20),), (torch.arange(2),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_quantiles_of_the_normal_distribution(dtype: torch.dtype) -> None:
    tails = torch.tensor([0, 1, 1e-5, 1e-14, 1e-30, -0.1, 1.1, torch.inf, torch.nan]).to(dtype)
    check(special.ndtri, (torch.linspace(0, 1, 401, dtype=dtype),), (tails,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 9, 33, 300])
def test_derivatives_of_the_gamma_function(n: int, dtype: torch.dtype) -> None:
    # PyTorch adds up the terms between an argument and 0: where they cancel, at n + 1/2, what is
    # left are its rounding errors.
    line, edges = (LINE + 0.013).to(dtype), EDGES.to(dtype)
    if n == 1:
        # At a pole PyTorch divides by the rounding error of a sine.
        edges = edges[(edges >= 0) | edges.isnan()]
    check(lambda x: torch.polygamma(n, x), (line,), (edges,), (line[:1],))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zeta_function(dtype: torch.dtype) -> None:
    places = torch.cat([LINE[::5] + 0.013, EDGES[~EDGES.isneginf()]]).to(dtype)
    rows = [(ORDERS.to(dtype)[:, None], places), (ORDERS[:1].to(dtype)[:, None], places[:3])]
    check(special.zeta, *rows)


def test_zeta_function_of_a_number_and_of_integers() -> None:
    def program(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return special.zeta(x, 2), special.zeta(3.0, x), special.zeta(x, x.int())

    check(program, (torch.arange(-2, 9),), (torch.arange(3),))


def test_half_precision_is_computed_in_single() -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        return x.i0(), special.i0e(x), special.i1(x), special.i1e(x), x.polygamma(2)

    check(program, (torch.linspace(-8, 8, 41).half() + 0.01,), (torch.ones(3).half(),))


def test_digamma_and_lgamma_beside_their_poles() -> None:
    near = torch.tensor([-1e-30, -1e-17, 1e-30, -3 - 1e-15, -6 + 1e-15], dtype=torch.float64)
    check(lambda x: (x.digamma(), x.lgamma()), (near,), (near[:2],))


def test_it_works_in_branches_and_loops() -> None:
    def program(x: Tensor) -> Tensor:
        x = special.bessel_j0(x) if x.sum() > 0 else special.zeta(3.0, 1 - x)
        for _ in range(len(x)):
            x = special.i1e(x) + 1
        return x

    check(program, (torch.rand(4),), (-torch.rand(3),), (torch.rand(1),))


def test_tensorrt_builds_what_is_no_float64(tmp_path: Path) -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        return special.bessel_j0(x), special.i1(x), special.ndtri(x / 9), special.airy_ai(x)

    agrees_and_builds(program, [(torch.rand(n) * 9,) for n in (4, 1, 6)], tmp_path)
