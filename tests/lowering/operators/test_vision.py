"""Torchvision's operators, compared with PyTorch at the example's sizes, at others and at none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import fxexport
from fxexport.errors import UnsupportedError, UsageError
from tests.support.harness import run_model

ops = pytest.importorskip("torchvision").ops
F32, F64, F16 = torch.float32, torch.float64, torch.float16


def boxes(count: int, dtype: torch.dtype = F32, seed: int = 0) -> torch.Tensor:
    """Overlapping boxes (x1, y1, x2, y2), some of them outside of a small image."""
    generator = torch.Generator().manual_seed(seed + count)
    values = torch.rand(count, 4, generator=generator, dtype=F64) * 9
    low, size = values[:, :2] - 1, values[:, 2:] + 0.5
    return torch.cat([low, low + size], 1).to(dtype)


def scores(count: int, dtype: torch.dtype = F32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.rand(count, generator=generator, dtype=F64).to(dtype)


def rois(count: int, images: int, dtype: torch.dtype = F32) -> torch.Tensor:
    image = (torch.arange(count) % images).to(dtype)
    return torch.cat([image[:, None], boxes(count, dtype)], 1)


def features(count: int, channels: int, height: int, width: int, dtype: torch.dtype = F32) -> Any:
    generator = torch.Generator().manual_seed(count + height)
    return torch.randn(count, channels, height, width, generator=generator).to(dtype)


def agrees(function: Callable[..., Any], *inputs: tuple[Any, ...], dynamic: Any = True) -> None:
    outcome = run_model(lambda: function, inputs, dynamic=dynamic)
    assert outcome.status == "agree", outcome.details


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0, 1.5])
def test_nms_keeps_the_same_boxes_in_the_same_order(threshold: float, dtype: torch.dtype) -> None:
    rows = [(boxes(n, dtype), scores(n, dtype)) for n in (20, 0, 1, 70)]
    agrees(lambda b, s: ops.nms(b, s, threshold), *rows)


def test_nms_takes_equal_scores_in_the_order_of_the_boxes() -> None:
    rows = [(boxes(n), scores(n).mul(3).floor()) for n in (30, 12)]
    agrees(lambda b, s: ops.nms(b, s, 0.3), *rows)


def test_nms_in_float64_tells_scores_apart_that_are_equal_in_float32() -> None:
    close = torch.tensor([0.5, 0.5 + 1e-12, 0.5 + 2e-12], dtype=F64)
    same = boxes(1, F64).expand(3, 4).contiguous()
    agrees(lambda b, s: ops.nms(b, s, 0.3), (same, close), (same, close.flip(0)))


def test_nms_never_drops_boxes_turned_inside_out() -> None:
    turned = boxes(12)
    turned[::3, 2] = turned[::3, 0] - 2
    turned[1::3, 3] = turned[1::3, 1] - 2
    agrees(lambda b, s: ops.nms(b, s, 0.1), (turned, scores(12)), (boxes(5), scores(5)))


def test_nms_with_a_negative_threshold_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="negative iou_threshold"):
        fxexport.export(lambda b, s: ops.nms(b, s, -0.5), (boxes(4), scores(4)))


def test_batched_nms_agrees_on_both_sides_of_its_size_limit() -> None:
    def rows(count: int) -> tuple[Any, ...]:
        return boxes(count), scores(count), torch.arange(count) % 3

    agrees(lambda b, s, k: ops.batched_nms(b, s, k, 0.4), *map(rows, (20, 0, 1, 1010)))


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [-1, 2])
def test_roi_align_agrees(aligned: bool, ratio: int, dtype: torch.dtype) -> None:
    def pooled(x: torch.Tensor, r: torch.Tensor) -> Any:
        return ops.roi_align(x, r, (3, 2), 0.5, ratio, aligned)

    rows = [
        (features(2, 3, 7, 9, dtype), rois(5, 2, dtype)),
        (features(2, 3, 4, 5, dtype), rois(0, 2, dtype)),
        (features(3, 3, 5, 4, dtype), rois(9, 3, dtype)),
    ]
    agrees(pooled, *rows, dynamic=({0: "n", 2: "h", 3: "w"}, {0: "k"}))


def test_roi_align_takes_a_scale_computed_from_sizes() -> None:
    def pooled(x: torch.Tensor, image: torch.Tensor, r: torch.Tensor) -> Any:
        return ops.roi_align(x, [r], 2, spatial_scale=x.shape[-1] / image.shape[-1])

    rows = [
        (features(1, 2, 6, 8), features(1, 3, 24, 32), boxes(4)),
        (features(1, 2, 5, 5), features(1, 3, 10, 10), boxes(2)),
        (features(1, 2, 5, 7), features(1, 3, 5, 9), boxes(0)),
    ]
    agrees(pooled, *rows, dynamic=({2: "h", 3: "w"}, {2: "ih", 3: "iw"}, {0: "k"}))


@pytest.mark.parametrize("function", ["ps_roi_align", "roi_pool"])
def test_other_poolings_agree(function: str) -> None:
    def pooled(x: torch.Tensor, r: torch.Tensor) -> Any:
        return getattr(ops, function)(x, r, (2, 3), 0.5)

    rows = [
        (features(2, 12, 7, 9), rois(5, 2)),
        (features(2, 12, 8, 5), rois(0, 2)),
        (features(3, 12, 5, 6), rois(8, 3)),
    ]
    agrees(pooled, *rows, dynamic=({0: "n", 2: "h", 3: "w"}, {0: "k"}))


@pytest.mark.parametrize("function", ["ps_roi_align", "ps_roi_pool"])
def test_channels_of_parts_may_be_any_number(function: str) -> None:
    """Boxes go beyond the image, and some are without area; one image has a pixel in each row."""
    pool = getattr(ops, function)

    def pooled(x: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        return pool(x, r, (2, 3), 0.5)  # type: ignore[no-any-return]

    rows = [
        (features(2, 12, 9, 11), rois(5, 2)),
        (features(1, 6, 7, 1), rois(3, 1)),
        (features(3, 18, 6, 8), rois(0, 3)),
    ]
    rows[0][1][1] = torch.tensor([1.0, 3.0, 4.0, 40.0, 50.0])
    rows[0][1][2] = torch.tensor(
        [0.0, 3.0, 5.0, 3.0, 5.0] if function == "ps_roi_pool" else [0.0, 1, 1, 9, 9]
    )
    agrees(pooled, *rows)


def test_deform_conv2d_of_unknown_channels_is_refused() -> None:
    weight = torch.randn(2, 3, 1, 1)
    with pytest.raises(UnsupportedError, match="unknown number of channels"):
        fxexport.export(
            lambda x, o: ops.deform_conv2d(x, o, weight),
            (features(1, 3, 4, 4), features(1, 2, 4, 4)),
            dynamic=True,
        )


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_deform_conv2d_agrees(groups: int, masked: bool) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(6, 4 // groups, 3, 3), torch.randn(6)

    def convolved(x: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor) -> Any:
        return ops.deform_conv2d(
            x, offset, weight, bias, stride=2, padding=1, mask=mask if masked else None
        )

    def row(count: int, size: int) -> tuple[Any, ...]:
        out = (size + 1) // 2
        return (
            features(count, 4, size, size),
            features(count, 2 * 2 * 9, out, out),
            features(count, 2 * 9, out, out),
        )

    shape, out_shape = {0: "n", 2: "h", 3: "w"}, {0: "n", 2: "oh", 3: "ow"}
    agrees(convolved, row(2, 9), row(1, 6), row(3, 12), dynamic=(shape, out_shape, out_shape))


def test_deform_conv2d_before_opset_19_is_refused() -> None:
    weight = torch.randn(2, 3, 1, 1)
    with pytest.raises(UnsupportedError, match="opset 18"):
        fxexport.export(
            lambda x, o: ops.deform_conv2d(x, o, weight),
            (features(1, 3, 4, 4), features(1, 2, 4, 4)),
            opset=18,
        )


def test_boxes_of_images_that_are_none_are_not_compared_on() -> None:
    """PyTorch reads whatever lies in memory there."""
    x, r = features(2, 3, 7, 9), rois(5, 2)
    exported = fxexport.export(
        lambda x, r: ops.roi_align(x, r, 2), (x, r), dynamic=({0: "n", 2: "h"}, {0: "k"})
    )
    assert exported.report.verification.ok
    wrong = r.clone()
    wrong[2, 0] = 7
    with pytest.raises(UsageError, match="none of the 2"):
        exported.verify((x, wrong))


def test_nothing_kept_and_one_box_kept_are_told_apart() -> None:
    """torchvision's fake kernel says that nms keeps two boxes or more."""

    def counted(b: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        kept = ops.nms(b, s, 0.5)
        if kept.numel() == 0:
            return b.sum() + 100
        if kept.shape[0] == 1:
            return b.sum() + 7
        return b[kept].sum()

    agrees(counted, *[(boxes(n), scores(n)) for n in (9, 0, 1)])
