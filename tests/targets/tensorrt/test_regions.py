"""torchvision's poolings of regions, in operators that TensorRT has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.building import agrees_and_builds

pytest.importorskip("onnxruntime")
ops = pytest.importorskip("torchvision").ops

F32, F64, F16 = torch.float32, torch.float64, torch.float16
DYNAMIC = ({0: "n", 2: "h", 3: "w"}, {0: "k"})


def rois(count: int, images: int, size: float = 9.0, dtype: torch.dtype = F32) -> torch.Tensor:
    """Boxes with their image first: small, large, without area, inside out and far outside."""
    generator = torch.Generator().manual_seed(count)
    values = torch.rand(count, 4, generator=generator, dtype=F64) * size
    low, extent = values[:, :2] - 1, values[:, 2:] * 1.5 - 0.4
    boxes = torch.cat([low, low + extent], 1)
    if count > 4:
        boxes[1] = torch.tensor([-40.0, -30.0, -20.0, -25.0])
        boxes[2] = torch.tensor([3.0, 3.0, 3.0, 3.0])
        boxes[3] = torch.tensor([-20.0, -20.0, 60.0, 70.0])
        boxes[4] = torch.tensor([2.0, 2.0, 4.0, 6.0])
    image = torch.arange(count, dtype=F64) % images
    return torch.cat([image[:, None], boxes], 1).to(dtype)


def features(count: int, channels: int, height: int, width: int, dtype: torch.dtype = F32) -> Any:
    generator = torch.Generator().manual_seed(count + height)
    return torch.randn(count, channels, height, width, generator=generator).to(dtype)


def rows(channels: int = 3, dtype: torch.dtype = F32) -> list[tuple[Any, ...]]:
    sizes = [(2, 7, 9, 6), (1, 1, 1, 1), (3, 12, 5, 40), (2, 4, 5, 0)]
    return [
        (features(n, channels, h, w, dtype), rois(k, n, 2.0 * max(h, w), dtype))
        for n, h, w, k in sizes
    ]


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [2, 3, 0])
def test_roi_align_builds(aligned: bool, ratio: int, tmp_path: Path) -> None:
    def pooled(x: torch.Tensor, r: torch.Tensor) -> Any:
        return ops.roi_align(x, r, (3, 2), 0.5, ratio, aligned)

    kinds = agrees_and_builds(pooled, rows(), tmp_path, DYNAMIC)
    assert "RoiAlign" not in kinds
    assert ("Loop" in kinds) == (ratio == 0)


@pytest.mark.parametrize("function", ["ps_roi_align", "roi_pool"])
def test_other_poolings_build(function: str, tmp_path: Path) -> None:
    def pooled(x: torch.Tensor, r: torch.Tensor) -> Any:
        return getattr(ops, function)(x, r, (2, 3), 0.5)

    some = rows(12)
    if function == "ps_roi_align":  # of a box without area it gives no numbers
        some = [(x, r[r[:, 3] > r[:, 1] + 0.1]) for x, r in some]
    agrees_and_builds(pooled, some, tmp_path, DYNAMIC)


@pytest.mark.parametrize("dtype", [F64, F16], ids=str)
def test_roi_align_of_other_dtypes_builds(dtype: torch.dtype, tmp_path: Path) -> None:
    if dtype == F16:  # PyTorch computes the coordinates in halves: take some that are exact there
        x = features(2, 3, 8, 8, dtype)
        boxes = torch.tensor([[0.0, 1, 1, 5, 5], [1, 0, 0, 8, 4]], dtype=dtype)
        some = [(x, boxes), (x, boxes[:1])]
    else:
        some = rows(3, dtype)
    agrees_and_builds(
        lambda x, r: ops.roi_align(x, r, 2, 1.0, 2, True), some, tmp_path, (DYNAMIC[0], {0: "k"})
    )
