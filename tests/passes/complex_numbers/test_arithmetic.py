"""Sums, products, quotients, parts and comparisons of complex numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.support.complex_values import SPECIAL, check, metadata_holds, spectrum

Binary = Callable[[torch.Tensor, torch.Tensor], Any]

BINARY: dict[str, Binary] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "alpha": lambda a, b: torch.sub(a, b, alpha=2j),
    "real * complex": lambda a, b: a.real * b,
    "complex * real": lambda a, b: a * b.real,
    "complex / real": lambda a, b: a / b.real,
    "real / complex": lambda a, b: a.real / b,
    "real + complex": lambda a, b: a.real + b,
    "complex - real": lambda a, b: a - b.real,
    "int * complex": lambda a, b: a.real.to(torch.int64) * b,
    "wider": lambda a, b: a * b.to(torch.complex128),
    "==": lambda a, b: (a == b) | (a == a),
    "== real": lambda a, b: a.real == b.real + 0j,
    "!=": lambda a, b: (a != b, a != a.clone()),
    "addcmul": lambda a, b: torch.addcmul(a, b, b, value=2),
    "addcdiv": lambda a, b: torch.addcdiv(a, b, b + 3),
    "lerp": lambda a, b: torch.lerp(a, b, 0.3),
    "complex": lambda a, b: torch.complex(a.real, b.imag),
    "polar": lambda a, b: torch.polar(a.abs(), b.angle()),
    "isclose": lambda a, b: torch.isclose(a, a + 0 * b),
}
UNARY: dict[str, Callable[[torch.Tensor], Any]] = {
    "-c": lambda c: -c,
    "conj": lambda c: c.conj(),
    "conj of conj": lambda c: c.conj().conj() * 1j,
    "abs": torch.abs,
    "angle": torch.angle,
    "power": lambda c: (c.abs() ** 2, c.abs().square() + c.abs() * c.abs()),
    "power beside abs": lambda c: (lambda r: (r**2, r, r * r))(c.abs()),
    "sgn": torch.sgn,
    "parts": lambda c: (c.real * 2, c.imag - 1),
    "reciprocal": torch.reciprocal,
    "square": torch.square,
    "2j * c": lambda c: 2j * c,
    "c + 1": lambda c: c + 1,
    "1 - c": lambda c: 1 - c,
    "c - 1j": lambda c: c - 1j,
    "c / 2": lambda c: c / 2,
    "c / (1 + 1j)": lambda c: c / (1 + 1j),
    "isfinite": lambda c: (torch.isfinite(c), torch.isnan(c), torch.isinf(c)),
    "logical_not": torch.logical_not,
    "bool": lambda c: c.bool(),
    "by a number": lambda c: c * c.real.sum().item(),
    "by a size": lambda c: c * c.shape[0] + c.shape[0] / 2,
    "view as real": lambda c: torch.view_as_real(c).flip(-1),
    "of a view as real": lambda c: torch.view_as_complex(torch.view_as_real(c).relu()),
    "to complex128": lambda c: c.to(torch.complex128) * 1j,
}
REAL: dict[str, Callable[[torch.Tensor], Any]] = {
    "x * 1j": lambda x: x * 1j,
    "to": lambda x: x.to(torch.complex64) * (1 + 1j),
    "cfloat": lambda x: x.cfloat().conj() + 1j,
    "angle": lambda x: torch.angle(x - 1),
    "ints": lambda x: (x * 3).to(torch.int64) * 1j,
    "exp of i x": lambda x: torch.exp(1j * x),
}


@pytest.mark.parametrize("name", BINARY)
def test_of_two_tensors(name: str) -> None:
    dynamic = {"a": {0: "n", 1: "m"}, "b": {0: "n", 1: "m"}}
    rows = [(spectrum(n, m, seed=1), spectrum(n, m, seed=2)) for n, m in ((3, 4), (5, 1), (0, 2))]
    check(BINARY[name], *rows, dynamic=dynamic)


@pytest.mark.parametrize("name", BINARY)
def test_of_two_tensors_of_different_ranks(name: str) -> None:
    dynamic = {"a": {0: "n", 1: "m"}, "b": {0: "m"}}
    rows = [(spectrum(n, m, seed=1), spectrum(m, seed=2)) for n, m in ((3, 4), (1, 1), (2, 0))]
    check(BINARY[name], *rows, dynamic=dynamic)
    metadata_holds(BINARY[name], rows[0])


@pytest.mark.parametrize("name", UNARY)
def test_of_one_tensor(name: str) -> None:
    check(UNARY[name], *((spectrum(*shape),) for shape in ((3, 4), (1, 7), (0, 2))))
    metadata_holds(UNARY[name], [spectrum(3, 4)])


@pytest.mark.parametrize("name", [n for n in UNARY if "by a" not in n])
def test_of_zeros_and_large_numbers(name: str) -> None:
    check(UNARY[name], (SPECIAL,))


@pytest.mark.parametrize("name", REAL)
def test_complex_numbers_made_of_real_ones(name: str) -> None:
    rows = [(torch.randn(n, generator=torch.Generator().manual_seed(n)),) for n in (4, 1, 0)]
    check(REAL[name], *rows)


def test_division_by_zero() -> None:
    check(lambda a, b: a / b, (SPECIAL, torch.zeros_like(SPECIAL)), dynamic=None)


def test_a_tensor_without_dimensions() -> None:
    a, b = spectrum(3, 4), spectrum(1)[0]
    check(lambda a, b: (a * b, b - a, b / a, a == b, b.abs()), (a, b), (a * 2, b + 1), dynamic=None)
