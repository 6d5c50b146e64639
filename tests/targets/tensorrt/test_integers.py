"""Bits and narrow integers in TensorRT's dialect: the same numbers, in operators that it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor

import fxexport
import fxexport.tensorrt
from fxexport.targets.tensorrt.dialect import DIALECT
from tests.support.building import agrees_and_builds
from tests.support.lowering import compare, run_model, single, t

pytest.importorskip("onnxruntime")

A = torch.ops.aten
DTYPES = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]


def numbers(dtype: torch.dtype, count: int, seed: int = 0) -> Tensor:
    """From the whole range of a dtype, its ends among them."""
    info = torch.iinfo(dtype)
    rng = np.random.default_rng(seed)
    kind = np.dtype(str(dtype).removeprefix("torch."))
    drawn = rng.integers(info.min, info.max, count, dtype=kind, endpoint=True)
    ends = [info.min, info.max, 0, 1, 2 if info.min == 0 else -1, info.min + 1, info.max - 1]
    return torch.from_numpy(np.concatenate([np.array(ends, dtype=kind), drawn]))


def written(op: Any, *args: Any) -> tuple[Any, Any]:
    from fxexport.lowering import lower

    case = single(op, *args)
    model = lower(case.graph, opset=21, dialect=DIALECT)
    assert not {n.op_type for n in model.graph} & {"BitShift", "BitwiseAnd", "BitwiseNot"}
    return case.graph, ir.to_proto(model)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor"])
def test_bits_of_the_whole_range_are_exact(name: str, dtype: torch.dtype) -> None:
    graph, model = written(getattr(A, name).Tensor, t(7, dtype=dtype), t(7, dtype=dtype))
    for seed in range(3):
        a, b = numbers(dtype, 100, seed), numbers(dtype, 100, seed + 9).flip(0)
        (got,) = run_model(model, (a, b))
        compare(graph.run(a, b)[0], got)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["and", "or", "xor"])
def test_bits_of_a_number_that_is_known_are_exact(name: str, dtype: torch.dtype) -> None:
    info = torch.iinfo(dtype)
    masks = {0, 1, 7, 8, 12, 5, 0x70, info.max, info.min, info.max - 3, info.max >> 1}
    masks |= {-1, -2, -8, info.min + 1} if info.min else {0xF0, 255}
    for mask in masks:
        graph, model = written(getattr(A, f"bitwise_{name}").Scalar, t(7, dtype=dtype), mask)
        x = numbers(dtype, 100)
        (got,) = run_model(model, (x,))
        compare(graph.run(x)[0], got)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["bitwise_left_shift", "bitwise_right_shift"])
def test_shifts_are_pytorchs_by_any_number(name: str, dtype: torch.dtype) -> None:
    graph, model = written(getattr(A, name).Tensor, t(7, dtype=dtype), t(7, dtype=dtype))
    bits = torch.iinfo(dtype).bits
    for by in (0, 1, 3, bits - 1, bits, bits + 5, 120, -1 if dtype != torch.uint8 else 200):
        x = numbers(dtype, 20)
        (got,) = run_model(model, (x, torch.full_like(x, by)))
        compare(graph.run(x, torch.full_like(x, by))[0], got)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.int8], ids=str)
def test_bits_build(dtype: torch.dtype, tmp_path: Path) -> None:
    def bits(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        return (x & y) | 12, ~(x ^ y), (x << 2) + (y >> 1), x & 0x70

    rows = [(numbers(dtype, n), numbers(dtype, n, 1)) for n in (5, 1, 30)]
    agrees_and_builds(bits, rows, tmp_path)


# uint8 and its kin inside of a model: each arithmetic step may leave the range.
def brightened(x: Tensor) -> Tensor:
    return (x * 3 + 200) // 7 - x


def counted(x: Tensor) -> Tensor:
    total = torch.zeros_like(x[0])
    for row in x:
        if row.float().mean() > 3:
            total = total + row * 5
            total = total ^ 3
        else:
            total = total - row
    return total


def quantized(x: Tensor) -> Tensor:
    q = (x.float() * 20 + 100).clamp(0, 255).to(torch.uint8)
    return (q.to(torch.float32) - 100) / 20 + q.max() + (q[:, :1] - q).sum(1, keepdim=True)


def looked_up(x: Tensor) -> Tensor:
    table = torch.arange(256, dtype=torch.uint8) ^ 0x55
    return table[x.long() % 256] + x.to(torch.uint8)


def flags(x: Tensor) -> tuple[Tensor, Tensor]:
    mask = (x > 2).to(torch.uint8)
    return mask, torch.where(mask == 1, x, -x).to(torch.int8)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int64], ids=str)
@pytest.mark.parametrize("program", [brightened, counted, quantized, looked_up, flags])
def test_narrow_integers_inside_the_model_build(
    program: Callable[..., Any], dtype: torch.dtype, tmp_path: Path
) -> None:
    def values(count: int) -> Tensor:
        info = torch.iinfo(dtype if dtype != torch.int64 else torch.int16)
        generator = torch.Generator().manual_seed(count)
        drawn = torch.randint(info.min, info.max + 1, (count, 4), generator=generator)
        return drawn.to(dtype)

    agrees_and_builds(program, [(values(n),) for n in (3, 1, 6)], tmp_path)


def test_int16_inside_the_model_builds_and_is_refused_at_its_edges(tmp_path: Path) -> None:
    rows = [(torch.randint(-(2**40), 2**40, (n, 4)),) for n in (3, 1, 6)]
    agrees_and_builds(lambda x: (x.to(torch.int16) * 3 + 30000).long(), rows, tmp_path)
    with pytest.raises(fxexport.tensorrt.RefusedError, match="int16") as caught:
        fxexport.export(lambda x: x.to(torch.int16), rows[0], target="tensorrt")
    assert caught.value.location is not None


def test_weights_of_uint8_stay_small(tmp_path: Path) -> None:
    class Table(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.arange(4096).to(torch.uint8).reshape(1024, 4))

        def forward(self, x: Tensor) -> Tensor:
            return self.table[x].float() / 255  # type: ignore[index]

    rows = [(torch.arange(n),) for n in (3, 1, 6)]
    agrees_and_builds(Table(), rows, tmp_path)
    assert (tmp_path / "model.onnx").stat().st_size < 8000
