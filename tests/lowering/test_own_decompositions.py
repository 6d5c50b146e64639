"""Operators that are expressed through others here give what PyTorch's kernels give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from fxexport.lowering.own_decompositions import OWN_DECOMPOSITIONS
from fxexport.lowering.registry import is_lowerable
from tests.support.complex_values import check

LINE = torch.cat([torch.linspace(-6.3, 20.7, 271), torch.tensor([0.5, 1.0, 1.4616, 2.0, 1e4])])
EDGES = torch.tensor([0.0, -0.0, -1.0, -7.0, torch.inf, torch.nan, 1e30, 1e-30])
UNIT = torch.cat([torch.linspace(-1, 1, 401), torch.tensor([0.9999, -0.99999, 1.5, torch.nan])])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_gamma_functions(name: str, dtype: torch.dtype) -> None:
    check(getattr(torch, name), (LINE.to(dtype),), (LINE[:7].to(dtype),))
    check(getattr(torch, name), (EDGES.to(dtype),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_erfinv(dtype: torch.dtype) -> None:
    check(torch.erfinv, (UNIT.to(dtype),), (UNIT[5:9].to(dtype),))


def test_gamma_functions_of_integers() -> None:
    check(lambda x: (x.lgamma(), x.digamma()), (torch.arange(1, 9),))


@pytest.mark.parametrize("accumulate", [True, False])
def test_put(accumulate: bool) -> None:
    def program(x: torch.Tensor, index: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        return x.put(index, source, accumulate)

    rows = [
        (torch.randn(n, 4), torch.tensor([[0, 3], [-1, 2]]), torch.randn(2, 2)) for n in (3, 1, 5)
    ]
    check(program, *rows, dynamic=({0: "n"}, {}, {}))


def test_nonzero_of_a_fixed_number() -> None:
    def program(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.nonzero_static(x, size=4), torch.nonzero_static(x, size=2, fill_value=7)

    rows = [(torch.randint(0, 2, (n, 3), generator=torch.Generator().manual_seed(n)),)
            for n in (3, 1, 0, 6)]  # fmt: skip
    check(program, *rows)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["amax", "amin", "prod", "mean"])
def test_index_reduce(reduce: str, include_self: bool) -> None:
    def program(x: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        index = torch.tensor([0, 1, 0])
        return x.index_reduce(0, index, source, reduce, include_self=include_self)

    rows = [(torch.randn(n, 4), torch.randn(3, 4)) for n in (3, 2, 5)]
    check(program, *rows, dynamic=({0: "n"}, {}))


@pytest.mark.parametrize("p", [2.0, 1.0, 3.0, torch.inf])
def test_distances_of_pairs(p: float) -> None:
    rows = [(torch.randn(n, 5),) for n in (4, 2, 1, 7)]
    check(lambda x: functional.pdist(x, p), *rows, dynamic=({0: "n"},))


def test_bilinear() -> None:
    def program(a: torch.Tensor, b: torch.Tensor, w: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return functional.bilinear(a, b, w, c)

    fixed = (torch.randn(2, 4, 5), torch.randn(2))
    rows = [(torch.randn(n, 3, 4), torch.randn(n, 3, 5), *fixed) for n in (3, 1, 6)]
    check(program, *rows, dynamic={"a": {0: "n"}, "b": {0: "n"}})


def test_leaky_slope_of_rrelu_in_eval() -> None:
    check(lambda x: functional.rrelu(x, 0.1, 0.5), *((torch.randn(n, 4),) for n in (3, 0, 5)))


def test_places_in_what_a_sorter_sorts() -> None:
    def program(edges: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return torch.searchsorted(edges, values, sorter=edges.argsort(-1), right=True)

    rows = [(torch.randn(2, n), torch.randn(2, m)) for n, m in ((5, 3), (1, 4), (8, 0))]
    check(program, *rows, dynamic=({1: "n"}, {1: "m"}))


@pytest.mark.parametrize("size", [1, 3, 20])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_logarithm_of_a_determinant(size: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(size)
    rows = [(torch.randn(n, size, size, generator=generator) * scale,) for n in (2, 1)]
    rows.append((torch.zeros(2, size, size),))
    check(torch.linalg.slogdet, *rows, dynamic=({0: "n"},))


def test_what_is_entered_is_an_operator_of_pytorch() -> None:
    functions: set[Callable[..., Any]] = set(OWN_DECOMPOSITIONS.values())
    assert len(functions) >= 9
    assert not any(map(is_lowerable, OWN_DECOMPOSITIONS)), "nothing asks for these"
