"""Quantised values: what pt2e and fake quantisation write becomes QuantizeLinear and back."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fxexport
from tests.support.building import agrees_and_builds
from tests.support.complex_values import check

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        importlib.import_module("torch.ao.quantization.fx._decomposed")
    except ImportError:
        pytest.skip("this PyTorch has no decomposed operators", allow_module_level=True)

Q = torch.ops.quantized_decomposed
ROWS = [(torch.linspace(-4, 4, 8 * n).reshape(n, 8) + 0.013,) for n in (3, 1, 5)]
SCALES = torch.tensor([0.25, 0.5, 0.03, 0.125, 1.0, 2.0, 0.01, 0.1])
ZEROS = torch.tensor([0, 3, -3, 7, 0, 1, -8, 2])
LINEAR = ["QuantizeLinear", "DequantizeLinear"]


def per_tensor(low: int, high: int, dtype: torch.dtype) -> Callable[[Tensor], Any]:
    def program(x: Tensor) -> tuple[Tensor, Tensor]:
        q = Q.quantize_per_tensor(x, 0.021, 5, low, high, dtype)
        return q, Q.dequantize_per_tensor(q, 0.021, 5, low, high, dtype)

    return program


def per_channel(x: Tensor) -> tuple[Tensor, Tensor]:
    q = Q.quantize_per_channel(x, SCALES, ZEROS, 1, -128, 127, torch.int8)
    return q, Q.dequantize_per_channel(q, SCALES, ZEROS, 1, -128, 127, torch.int8)


def without_zeros(x: Tensor) -> Tensor:
    q = Q.quantize_per_channel(x, SCALES, ZEROS, -1, -128, 127, torch.int8)
    return Q.dequantize_per_channel(q, SCALES, None, 1, -128, 127, torch.int8)


@pytest.mark.parametrize(
    ("low", "high", "dtype", "nodes"),
    [
        (-128, 127, torch.int8, LINEAR),
        (0, 255, torch.uint8, LINEAR),
        (-127, 127, torch.int8, ["QuantizeLinear", "Clip", "DequantizeLinear"]),
        (-8, 7, torch.int8, ["QuantizeLinear", "Clip", "DequantizeLinear"]),
        (-32768, 32767, torch.int16, LINEAR),
        (-(2**31), 2**31 - 1, torch.int32, None),
    ],
)
def test_one_scale(low: int, high: int, dtype: torch.dtype, nodes: list[str] | None) -> None:
    program = per_tensor(low, high, dtype)
    check(program, *ROWS)
    if nodes is not None:
        assert kinds_of(program) == nodes


def kinds_of(program: Callable[..., Any]) -> list[str]:
    exported = fxexport.export(program, ROWS[0], dynamic=True, verify=False)
    return [node.op_type for node in exported.model.graph.node]


def test_a_scale_for_each_channel() -> None:
    check(per_channel, *ROWS, dynamic=({0: "n"},))
    exported = fxexport.export(per_channel, ROWS[0], dynamic=({0: "n"},), verify=False)
    assert [node.op_type for node in exported.model.graph.node] == LINEAR
    check(without_zeros, *ROWS, dynamic=({0: "n"},))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    def program(x: Tensor) -> Tensor:
        q = Q.quantize_per_tensor(x.to(dtype), 0.25, 5, -128, 127, torch.int8)
        return Q.dequantize_per_tensor(q, 0.25, 5, -128, 127, torch.int8, out_dtype=dtype).float()

    check(program, *ROWS)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("low", "high", "dtype"), [(0, 255, torch.uint8), (-128, 127, torch.int8)])
def test_parameters_chosen_when_the_model_runs(
    symmetric: bool, low: int, high: int, dtype: torch.dtype
) -> None:
    choose = (Q.choose_qparams_symmetric if symmetric else Q.choose_qparams).tensor

    def program(x: Tensor) -> tuple[Tensor, ...]:
        scale, zero = choose(x, low, high, 1e-5, dtype)
        q = Q.quantize_per_tensor.tensor(x, scale, zero, low, high, dtype)
        return scale, zero, q, Q.dequantize_per_tensor.tensor(q, scale, zero, low, high, dtype)

    check(program, *ROWS, (ROWS[0][0].abs() + 1,), (-ROWS[0][0].abs(),), (torch.zeros(2, 8),))


def test_each_token_has_its_own() -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        scale, zero = Q.choose_qparams_per_token(x, torch.int8)
        q = Q.quantize_per_token(x, scale, zero, -128, 127, torch.int8)
        other, moved = Q._choose_qparams_per_token_asymmetric_impl(x, torch.int8)
        p = Q.quantize_per_token(x, other, moved, -128, 127, torch.int8)
        return (
            q, Q.dequantize_per_token(q, scale, zero, -128, 127, torch.int8, torch.float32),
            p, Q.dequantize_per_token(p, other, moved, -128, 127, torch.int8, torch.float32),
        )  # fmt: skip

    check(program, *ROWS)


@pytest.mark.parametrize("size", [4, 8, 128])
def test_groups_of_a_weight(size: int) -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            count = max(8 // size, 1)
            weight = torch.linspace(-1, 1, 24).reshape(3, 8)
            self.register_buffer("scales", torch.full((3, count), 0.01))
            self.register_buffer("zeros", torch.ones(3, count, dtype=torch.int32))
            q = Q.quantize_per_channel_group(
                weight, self.scales, self.zeros, -128, 127, torch.int8, size
            )
            self.register_buffer("q", q)

        def forward(self, x: Tensor) -> Tensor:
            weight = Q.dequantize_per_channel_group(
                self.q, self.scales, self.zeros, -128, 127, torch.int8, size, torch.float32
            )
            return x @ weight.T

    check(Grouped(), *ROWS, dynamic=({0: "n"},))


@pytest.mark.parametrize(("low", "high"), [(-128, 127), (0, 255), (-127, 127), (0, 15)])
def test_fake_quantisation(low: int, high: int) -> None:
    def program(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        zeros = ZEROS.clamp(low, high)
        scale, zero = torch.tensor(0.1), torch.tensor(3, dtype=torch.int32)
        return (
            torch.fake_quantize_per_tensor_affine(x, 0.25, 3, low, high),
            torch.fake_quantize_per_tensor_affine(x, scale, zero, low, high),
            torch.fake_quantize_per_channel_affine(x, SCALES, zeros.int(), 1, low, high),
        )

    check(program, *ROWS, dynamic=({0: "n"},))
    kinds = kinds_of(lambda x: torch.fake_quantize_per_tensor_affine(x, 0.25, 3, low, high))
    assert set(kinds) <= {*LINEAR, "Clip"}


def test_a_quantised_layer_with_a_branch_keeps_its_narrow_weight(tmp_path: Path) -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            weight = torch.linspace(-1, 1, 24).reshape(3, 8)
            self.register_buffer("scales", torch.tensor([0.01, 0.02, 0.008]))
            self.register_buffer("zeros", torch.zeros(3, dtype=torch.int64))
            q = Q.quantize_per_channel(weight, self.scales, self.zeros, 0, -128, 127, torch.int8)
            self.register_buffer("q", q)

        def forward(self, x: Tensor) -> Tensor:
            weight = Q.dequantize_per_channel(
                self.q, self.scales, self.zeros, 0, -128, 127, torch.int8
            )
            if x.sum() > 0:
                x = Q.quantize_per_tensor(x, 0.03, 0, -128, 127, torch.int8)
                x = Q.dequantize_per_tensor(x, 0.03, 0, -128, 127, torch.int8)
            return nn.functional.linear(x, weight)

    rows = [*ROWS, (-ROWS[0][0].abs(),)]
    check(Layer().eval(), *rows, dynamic=({0: "n"},))
    exported = fxexport.export(Layer().eval(), ROWS[0], dynamic=({0: "n"},), verify=False)
    stored = {each.name: each.data_type for each in exported.model.graph.initializer}
    assert stored["q"] == 3  # int8
    agrees_and_builds(Layer().eval(), rows, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_quantised_tensors_are_refused_with_the_ways_out() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.quantize_per_tensor(torch.ones(8, 4), 0.1, 0, torch.qint8)

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.w.dequantize()

    def made(x: Tensor) -> Tensor:
        return torch.quantize_per_tensor(x, 0.1, 3, torch.qint8).dequantize()

    dynamic = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 4)))
    for program in (Held(), made, dynamic.eval()):
        with pytest.raises(fxexport.UnsupportedError, match="quantized") as caught:
            fxexport.export(program, ROWS[0])
        assert "pt2e" in caught.value.hint
