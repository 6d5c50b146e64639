"""Attention for TensorRT: one operator for halves from opset 23, in steps otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import fxexport
import fxexport.tensorrt

pytest.importorskip("onnxruntime")
F16, F32 = torch.float16, torch.float32


def states(count: int, heads: int, length: int, width: int = 64, dtype: Any = F16) -> Tensor:
    generator = torch.Generator().manual_seed(count + length + heads)
    return torch.randn(count, heads, length, width, generator=generator).to(dtype)


def exported(
    function: Any, row: tuple[Tensor, ...], folder: Path, opset: int = 23, **dims: Any
) -> Any:
    found = fxexport.export(
        function, row, folder / "model.onnx", dynamic=dims, target="tensorrt", opset=opset
    )
    assert found.report.verification.ok
    pytest.importorskip("tensorrt_rtx")
    assert fxexport.tensorrt.build(found).ok
    return [node.op_type for node in found.model.graph.node]


B, S, K = fxexport.Dim("b", 1, 4), fxexport.Dim("s", 1, 12), fxexport.Dim("k", 1, 9)
Q, KV = {0: B, 2: S}, {0: B, 2: K}


@pytest.mark.parametrize("heads", [4, 2])
def test_halves_stay_one_operator(heads: int, tmp_path: Path) -> None:
    def attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, scale=0.2, enable_gqa=heads != 4)

    row = (states(2, 4, 5), states(2, heads, 7), states(2, heads, 7))
    kinds = exported(attended, row, tmp_path, q=Q, k=KV, v=KV)
    assert kinds == ["Attention"]


@pytest.mark.parametrize("kind", ["causal", "bool", "float", "rank 2"])
def test_masks_and_rows_that_see_nothing(kind: str, tmp_path: Path) -> None:
    def attended(q: Tensor, k: Tensor, v: Tensor, m: Tensor) -> Tensor:
        if kind == "causal":
            return F.scaled_dot_product_attention(q, k, v, is_causal=True) + m.sum()
        hidden = m > 0.5 if kind != "rank 2" else m[0, 0] > 0.5
        if kind == "float":
            hidden = torch.zeros_like(m).masked_fill(hidden, float("-inf"))
            return F.scaled_dot_product_attention(q, k, v, hidden)
        return F.scaled_dot_product_attention(q, k, v, ~hidden)

    mask = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(0)).to(F16)
    mask[:, :, 2] = 1  # one row sees nothing
    row = (states(2, 4, 5), states(2, 4, 5), states(2, 4, 5), mask)
    both = {0: B, 2: S}
    kinds = exported(attended, row, tmp_path, q=both, k=both, v=both, m={0: B, 2: S, 3: S})
    assert kinds.count("Attention") == 1 and "Softmax" not in kinds


def test_a_tensor_that_attends_to_itself_is_written_in_steps(tmp_path: Path) -> None:
    kinds = exported(
        lambda q: F.scaled_dot_product_attention(q, q, q), (states(2, 4, 5),), tmp_path
    )
    assert "Attention" not in kinds


@pytest.mark.parametrize(("dtype", "width", "opset"), [(F32, 64, 23), (F16, 12, 23), (F16, 64, 21)])
def test_the_rest_is_written_in_steps(dtype: Any, width: int, opset: int, tmp_path: Path) -> None:
    row = tuple(states(2, 4, 5, width, dtype) for _ in range(3))
    kinds = exported(F.scaled_dot_product_attention, row, tmp_path, opset)
    assert "Attention" not in kinds and "Softmax" in kinds
