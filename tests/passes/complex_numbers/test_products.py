"""Products of complex matrices, and convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.support.complex_values import check, metadata_holds, spectrum

S = spectrum

PRODUCTS: dict[str, tuple[Callable[..., Any], tuple[torch.Tensor, ...]]] = {
    "mm": (torch.mm, (S(3, 4), S(4, 5))),
    "bmm": (torch.bmm, (S(2, 3, 4), S(2, 4, 5))),
    "broadcast": (torch.matmul, (S(2, 1, 3, 4), S(5, 4, 2))),
    "mv": (torch.mv, (S(3, 4), S(4))),
    "dot": (torch.dot, (S(4), S(4, seed=1))),
    "vdot": (torch.vdot, (S(4), S(4, seed=1))),
    "outer": (torch.outer, (S(3), S(4))),
    "addmm": (torch.addmm, (S(3, 5), S(3, 4), S(4, 5))),
    "linear": (functional.linear, (S(2, 3), S(4, 3), S(4))),
    "einsum": (lambda a, b: torch.einsum("bix,iox->box", a, b), (S(2, 3, 4), S(3, 5, 4))),
    "einsum of three": (
        lambda a, b, c: torch.einsum("ij,jk,ik->i", a, b, c),
        (S(3, 4), S(4, 2), S(3, 2)),
    ),
    "einsum of three, one real": (
        lambda a, b, c: torch.einsum("ij,jk,ik->i", a, b.real.to(b.dtype), c),
        (S(3, 4), S(4, 2), S(3, 2)),
    ),
    "trace": (lambda a: torch.einsum("ii->", a), (S(3, 3),)),
    "conv1d": (functional.conv1d, (S(1, 3, 8), S(4, 3, 3))),
    "conv2d": (
        lambda x, w, b: functional.conv2d(x, w, b, padding=1),
        (S(1, 3, 6, 5), S(4, 3, 3, 3), S(4)),
    ),
    "real matrix": (lambda a, b: a.real.to(a.dtype) @ b, (S(3, 4), S(4, 5))),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_product(name: str) -> None:
    function, row = PRODUCTS[name]
    check(function, row, tuple(x * (0.5 - 1j) for x in row), dynamic=None)


@pytest.mark.parametrize("size", [1, 0, 7])
def test_product_of_dynamic_sizes(size: int) -> None:
    rows = [(S(n, 4, seed=1), S(4, n, seed=2)) for n in (3, size)]
    check(torch.matmul, *rows)


def test_metadata() -> None:
    metadata_holds(lambda a, b: a @ b, (S(3, 4), S(4, 5)))


@pytest.mark.parametrize("size", [3, 1, 0, 6])
def test_products_of_elements(size: int) -> None:
    def program(c: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return c.prod(), c.prod(1), c.prod(0, keepdim=True), c.cumprod(0), c.cumprod(-1)

    rows = [(S(n, 4, seed=1),) for n in (3, size)]
    rows[0][0][0, 1] = 0
    check(program, *rows)
