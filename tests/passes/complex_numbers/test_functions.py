"""Powers, roots, exponential and trigonometric functions of complex numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.support.complex_values import SPECIAL, check, metadata_holds, spectrum

FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    **{
        name: getattr(torch, name)
        for name in (
            "exp", "exp2", "log", "log2", "log10", "sqrt", "rsqrt", "sigmoid", "sin", "cos", "tan",
            "sinh", "cosh", "tanh",
        )
    },
    **{f"power {n}": lambda c, n=n: c**n for n in (0, 1, 2, 3, 4, 5, -1, -2, 0.5, 1.7, 1 + 2j)},
    "of a power": lambda c: 2.0**c,
    "to a power": lambda c: c**c,
}  # fmt: skip
# Where a power overflows or vanishes, PyTorch's own result hangs on which loop its kernel takes.
MODERATE = SPECIAL[(SPECIAL.abs() < 1e10) & ((SPECIAL.abs() > 1e-10) | (SPECIAL == 0))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    check(FUNCTIONS[name], *((spectrum(*shape),) for shape in ((3, 4), (1, 9), (0, 2))))
    metadata_holds(FUNCTIONS[name], [spectrum(3, 4)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_at_zeros_and_on_the_axes(name: str) -> None:
    values = MODERATE[MODERATE != 0] if name == "to a power" else MODERATE
    check(FUNCTIONS[name], (values,), dynamic=None)


@pytest.mark.parametrize("name", ["sqrt", "log", "tanh", "sigmoid", "power 2"])
def test_function_of_large_numbers(name: str) -> None:
    check(FUNCTIONS[name], (SPECIAL,), dynamic=None)


def test_float64() -> None:
    c = spectrum(3, 4, dtype=torch.complex128)
    check(lambda c: (c.sqrt(), c.log(), c.tanh(), c**1.5), (c,))
