"""torchvision's nms builds, and keeps what it keeps in PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import fxexport
import fxexport.tensorrt
from tests.support.building import agrees_and_builds

pytest.importorskip("onnxruntime")
ops = pytest.importorskip("torchvision.ops")


def model(boxes: torch.Tensor, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    kept = ops.nms(boxes, scores, 0.4)
    return boxes[kept], kept


def _boxes(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    corner = torch.rand(count, 2, generator=generator) * 20
    size = 4 + torch.rand(count, 2, generator=generator) * 8
    scores = torch.randperm(count, generator=generator) / max(count, 1)
    return torch.cat([corner, corner + size], dim=1), scores


def test_nms_keeps_the_same_boxes_and_builds(tmp_path: Path) -> None:
    profile = {
        "boxes": ((1, 4), (12, 4), (40, 4)),
        "scores": ((1,), (12,), (40,)),
    }
    exported = fxexport.export(
        model,
        _boxes(12),
        tmp_path / "model.onnx",
        profiles=profile,
        target="tensorrt",
        check_inputs=[_boxes(n) for n in (1, 2, 40)],
    )
    assert exported.report.verification is not None and exported.report.verification.ok
    kinds = {node.op_type for node in exported.model.graph.node}
    assert "NonMaxSuppression" not in kinds and "Loop" in kinds
    pytest.importorskip("tensorrt_rtx")
    assert fxexport.tensorrt.build(exported).ok


def of_classes(boxes: torch.Tensor, scores: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
    return boxes[ops.batched_nms(boxes, scores, kinds, 0.4)]


def test_nms_by_class_keeps_the_same_boxes_and_builds(tmp_path: Path) -> None:
    """Above 1,000 boxes torchvision takes one class after the other."""
    rows = [(*_boxes(n), torch.arange(n) % 3) for n in (40, 0, 1, 1000, 1001)]
    n = fxexport.Dim("n", 1, 1001)
    kinds = agrees_and_builds(of_classes, rows, tmp_path, ({0: n}, {0: n}, {0: n}))
    assert "If" not in kinds


def test_nms_by_class_of_many_boxes_does_not_round_them(tmp_path: Path) -> None:
    """Moved apart by a class's number, large coordinates lose digits: torchvision does so, too."""

    def row(count: int) -> tuple[torch.Tensor, ...]:
        boxes, scores = _boxes(count)
        return boxes * 40 + 0.123, scores, torch.arange(count) % 5 * 1000

    agrees_and_builds(of_classes, [row(1200), row(300), row(1001)], tmp_path)
