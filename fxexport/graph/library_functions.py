"""Functions of libraries that a target wants as one operator, where their own code branches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["BATCHED_NMS", "LibraryFunction"]


@dataclass(frozen=True)
class LibraryFunction:
    """A function of a library that can be recorded as one operator.

    Attributes:
        name: the function, as ``module.function``.
        operator: name of the operator, as ``namespace::operator``.
        stand_in: gives for the function what to call instead.
    """

    name: str
    operator: str
    stand_in: Callable[[Callable[..., Any]], Callable[..., Any]]


def _batched_nms(function: Callable[..., Any]) -> Callable[..., Any]:
    """Calls the operator where that is what torchvision does: on the CPU."""

    def batched_nms(
        boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
    ) -> Any:
        if boxes.device.type != "cpu":  # another number of boxes divides its two paths there
            return function(boxes, scores, idxs, iou_threshold)
        return _batched_nms_operator()(boxes, scores, idxs, float(iou_threshold))

    return batched_nms


BATCHED_NMS = LibraryFunction(
    "torchvision.ops.boxes.batched_nms", "fxexport::batched_nms", _batched_nms
)
"""`torchvision.ops.batched_nms` on the CPU: (boxes, scores, idxs, threshold).

The operator is that function when it runs. Up to 1,000 boxes torchvision moves those of each class
apart and suppresses them together; above, it takes one class after the other.
"""


@functools.cache
def _batched_nms_operator() -> Callable[..., torch.Tensor]:
    name = BATCHED_NMS.operator
    schema = "(Tensor boxes, Tensor scores, Tensor idxs, float iou_threshold) -> Tensor"
    torch.library.define(name, schema)

    @torch.library.impl(name, "CPU")
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

    torch.library.register_fake(name, fake)
    operator: Callable[..., torch.Tensor] = torch.ops.fxexport.batched_nms
    return operator
