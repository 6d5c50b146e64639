"""torchvision's nms builds, and keeps what it keeps in PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import fxexport
import fxexport.tensorrt

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
