"""Sorting and unique elements in TensorRT's dialect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import fxexport
from tests.support.building import agrees_and_builds

pytest.importorskip("onnxruntime")


def every_result(x: Tensor) -> tuple[Tensor, ...]:
    return torch.unique(x, return_inverse=True, return_counts=True)


def labels(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    for label in torch.unique(x):
        total = total + (x == label).sum()
    return total


def runs(x: Tensor) -> tuple[Tensor, ...]:
    return torch.unique_consecutive(x, return_inverse=True, return_counts=True)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.int32, torch.uint8], ids=str)
@pytest.mark.parametrize("program", [every_result, labels, runs])
def test_unique_elements_build(
    program: Callable[..., Any], dtype: torch.dtype, tmp_path: Path
) -> None:
    def values(count: int) -> Tensor:
        generator = torch.Generator().manual_seed(count)
        return torch.randint(0, 6, (count,), generator=generator).to(dtype)

    rows = [(values(n),) for n in (9, 1, 40)]
    kinds = agrees_and_builds(program, rows, tmp_path)
    assert "Unique" not in kinds


def test_unique_elements_of_a_matrix_build(tmp_path: Path) -> None:
    rows = [(torch.arange(4 * n).reshape(n, 4) % 5,) for n in (3, 1, 7)]
    agrees_and_builds(every_result, rows, tmp_path)


def ordered(x: Tensor) -> tuple[Tensor, ...]:
    down, up = x.sort(dim=0, descending=True, stable=True), x.argsort(dim=0, stable=True)
    return down.values, down.indices, up, x.median(dim=0).values


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64], ids=str)
def test_more_elements_than_tensorrt_sorts_are_sorted_in_runs(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    def values(count: int) -> Tensor:
        generator = torch.Generator().manual_seed(count)
        drawn = torch.randint(-4000, 4000, (count, 2), generator=generator)
        if dtype == torch.float32:
            drawn = drawn.to(dtype)
            drawn[: count // 3, 0] = float("inf")
            drawn[count // 2 :, 1] = -float("inf")
        return drawn

    rows = [(values(n),) for n in (3841, 1, 9000, 3840, 20)]
    dynamic = {"x": {0: fxexport.Dim("n", 1, 9000)}}
    kinds = agrees_and_builds(ordered, rows, tmp_path, dynamic)
    assert "GatherElements" in kinds


def test_a_fixed_number_above_what_tensorrt_sorts(tmp_path: Path) -> None:
    rows = [(torch.randn(n, 8400, generator=torch.Generator().manual_seed(n)),) for n in (2, 1, 3)]
    agrees_and_builds(lambda x: (x.topk(5000).values, x.sort(stable=True).indices), rows, tmp_path)


def test_few_elements_are_left_to_tensorrt(tmp_path: Path) -> None:
    dynamic = {"x": {0: fxexport.Dim("n", 1, 3840)}}
    rows = [(torch.randn(n, 2),) for n in (5, 1, 3840)]
    assert "GatherElements" not in agrees_and_builds(ordered, rows, tmp_path, dynamic)
