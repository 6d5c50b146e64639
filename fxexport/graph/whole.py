"""Functions of libraries that a target wants as one operator, where their own code branches."""

from __future__ import annotations

import functools
from typing import Any

import torch

__all__ = ["BATCHED_NMS", "batched_nms"]

BATCHED_NMS = "fxexport::batched_nms"


def batched_nms() -> Any:
    """The operator for `torchvision.ops.batched_nms` on the CPU: (boxes, scores, idxs, threshold).

    It is that function when it runs. Up to 1,000 boxes torchvision moves those of each class apart
    and suppresses them together; above, it takes one class after the other.
    """
    return _batched_nms()


@functools.cache
def _batched_nms() -> Any:
    schema = "(Tensor boxes, Tensor scores, Tensor idxs, float iou_threshold) -> Tensor"
    torch.library.define(BATCHED_NMS, schema)

    @torch.library.impl(BATCHED_NMS, "CPU")
    def run(
        boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
    ) -> torch.Tensor:
        from torchvision.ops import boxes as library

        kept: torch.Tensor = library.batched_nms(boxes, scores, idxs, iou_threshold)
        return kept

    def fake(
        boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
    ) -> torch.Tensor:
        return boxes.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)

    torch.library.register_fake(BATCHED_NMS, fake)
    return torch.ops.fxexport.batched_nms
