"""Functions that ONNX Runtime has no kernel for in float64: they are written with others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import fxexport
from tests.support.complex_values import check

SIZES = torch.tensor(
    [0, 1e-30, 1e-9, 0.1, 0.7, 0.999, 1, 1.001, 3, 30, 700, 1e9, 1e200, torch.inf, torch.nan],
    dtype=torch.float64,
)
BOTH = torch.cat([SIZES, -SIZES])

ANGLES = ["tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"]
ACTIVATIONS: list[Callable[[Tensor], Tensor]] = [
    functional.softplus,
    lambda x: functional.softplus(x, 3.0, 10.0),
    functional.logsigmoid,
    functional.mish,
    functional.elu,
    lambda x: functional.elu(x, 0.3),
    functional.selu,
    functional.celu,
    functional.leaky_relu,
    functional.gelu,
    lambda x: functional.gelu(x, approximate="tanh"),
]


@pytest.mark.parametrize("name", ANGLES)
def test_angles(name: str) -> None:
    x = BOTH[BOTH.nan_to_num().abs() < 100] if name == "tan" else BOTH
    check(lambda x: getattr(torch, name)(x), (x,), (x[:0],), (x[:1],))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: Callable[[Tensor], Tensor]) -> None:
    line = torch.linspace(-40, 30, 281, dtype=torch.float64)
    check(lambda x: activation(x), (line,), (line[:0],), (line[:1],))


@pytest.mark.parametrize("name", ["acos", "sinh", "atanh"])
def test_single_precision_has_the_operator(name: str) -> None:
    exported = fxexport.export(lambda x: getattr(torch, name)(x), (torch.rand(3),), verify=False)
    assert [node.op_type for node in exported.model.graph.node] == [name.capitalize()]
