"""Deformable convolution in operators that TensorRT has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.building import agrees_and_builds

pytest.importorskip("onnxruntime")
ops = pytest.importorskip("torchvision").ops


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    ("groups", "offset_groups", "kernel", "stride", "padding", "dilation"),
    [(1, 1, (3, 3), 1, 1, 1), (2, 4, (3, 2), (2, 1), (1, 0), (1, 2)), (4, 2, (1, 1), 2, 0, 1)],
)
def test_deformable_convolution_builds(
    groups: int,
    offset_groups: int,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    masked: bool,
    tmp_path: Path,
) -> None:
    weight, bias = features(8, 4 // groups, *kernel), features(8)

    def convolved(x: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor) -> Any:
        return ops.deform_conv2d(
            x, offset, weight, bias, stride, padding, dilation, mask if masked else None
        )

    def row(count: int, height: int, width: int) -> tuple[torch.Tensor, ...]:
        like = torch.nn.functional.conv2d(
            features(count, 4, height, width), weight, None, stride, padding, dilation, groups
        )
        out, places = like.shape[2:], kernel[0] * kernel[1]
        return (
            features(count, 4, height, width),
            features(count, 2 * offset_groups * places, *out) * 2,
            features(count, offset_groups * places, *out, seed=1),
        )

    sizes, out = {0: "n", 2: "h", 3: "w"}, {0: "n", 2: "oh", 3: "ow"}
    rows = [row(2, 7, 9), row(1, 4, 5), row(3, 12, 8)]
    kinds = agrees_and_builds(convolved, rows, tmp_path, (sizes, out, out))
    assert "DeformConv" not in kinds


def test_deformable_convolution_of_fixed_sizes_builds(tmp_path: Path) -> None:
    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.offset = torch.nn.Conv2d(4, 27, 3, padding=1)
            self.own = ops.DeformConv2d(4, 6, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y, x_, mask = self.offset(x).chunk(3, dim=1)
            return self.own(x, torch.cat((y, x_), dim=1), mask.sigmoid())

    torch.manual_seed(0)
    agrees_and_builds(Layer().eval(), [(features(2, 4, 8, 8),), (features(4, 4, 8, 8),)], tmp_path)
