"""Mantissas, neighbours and multiples: exact, to the last bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support.complex_values import check
from tests.support.harness import run_model

FLOATS = [torch.float32, torch.float64, torch.float16]
INTEGERS = [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64]


def numbers(dtype: torch.dtype) -> Tensor:
    """All powers of two of a dtype, not normal ones too, numbers between, and the rest."""
    limits = torch.finfo(dtype)
    powers = 2.0 ** torch.arange(-1074, 1024, dtype=torch.float64)
    smallest = limits.smallest_normal * limits.eps
    powers = powers[(powers >= smallest) & (powers <= limits.max)].to(dtype)
    others = torch.tensor(
        [0, -0.0, torch.inf, -torch.inf, torch.nan, limits.max, -limits.max], dtype=dtype
    )
    return torch.cat([powers, -powers, powers * 1.75, others])


@pytest.mark.parametrize("dtype", FLOATS)
def test_mantissa_and_exponent(dtype: torch.dtype) -> None:
    x = numbers(dtype)

    def program(x: Tensor) -> tuple[Tensor, Tensor]:
        mantissa, exponent = torch.frexp(x)
        return mantissa.double() * 2.0**60, exponent

    check(program, (x,), (x[:0],), (x[:1],))


@pytest.mark.parametrize("dtype", FLOATS)
def test_neighbours(dtype: torch.dtype) -> None:
    x = numbers(dtype)

    def program(x: Tensor, towards: Tensor) -> tuple[Tensor, Tensor]:
        # Their bits would be compared, if a file could look at them: as equal numbers.
        y = torch.nextafter(x, towards)
        up = torch.nextafter(x, torch.full_like(x, torch.inf))
        return y == torch.nextafter(up, towards), (y - x).double() * 2.0**1000

    rows = [(x, x.flip(0)), (x, -x), (x[:1], x[:1]), (x[:0], x[:0])]
    outcome = run_model(lambda: program, rows, dynamic=({0: "n"}, {0: "n"}))
    assert outcome.status == "agree", outcome.details


def test_neighbour_of_zero_is_the_smallest_number() -> None:
    x = torch.tensor([0.0, -0.0], dtype=torch.float64)
    check(lambda x: torch.nextafter(x, x + 1) * 2.0**1000, (x,), (x[:1],))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("function", [torch.gcd, torch.lcm])
def test_divisors_and_multiples(function: torch._ops.OpOverload, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    low = max(torch.iinfo(dtype).min + 1, -9000)
    high = min(torch.iinfo(dtype).max, 9000)
    a, b = (torch.randint(low, high, (40,), generator=generator).to(dtype) for _ in range(2))
    b[:4], a[2:6] = 0, 0
    rows = [(a, b), (a, b * 0 + 12), (a[:1], b[:1]), (a[:0], b[:0]), (a[5:8], b[5:8])]
    check(function, *rows, dynamic=({0: "n"}, {0: "n"}))


def test_divisors_of_tensors_that_are_broadcast_inside_a_branch() -> None:
    def program(a: Tensor, b: Tensor) -> Tensor:
        return torch.gcd(a[:, None], b) if a.sum() > 0 else a[:, None] * b

    rows = [(torch.arange(k, k + 5), torch.tensor([24, -36, 17], dtype=torch.int32))
            for k in (1, -9, 6)]  # fmt: skip
    check(program, *rows)
