"""Products of complex matrices, and convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

import fxexport
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


def test_what_has_no_form_is_refused_at_its_line() -> None:
    def program(c: torch.Tensor) -> torch.Tensor:
        return torch.einsum("i,i,i->", c, c, c)

    with pytest.raises(fxexport.UnsupportedError, match="einsum of more than two") as refusal:
        fxexport.export(program, spectrum(3), verify=False)
    location = refusal.value.location
    assert location is not None and "torch.einsum" in location.describe()
