"""Functions of libraries that are recorded as one operator, because the target asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fxexport.graph import whole

__all__ = ["WholeFunctions"]


class WholeFunctions:
    """What stands for such functions.

    Args:
        names: what the target asks for, as ``module.function``.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def replacement_for(self, function: Any) -> Callable[..., Any] | None:
        """The function to call instead, None for none."""
        if not self._names:
            return None
        name = f"{getattr(function, '__module__', '')}.{getattr(function, '__name__', '')}"
        if name not in self._names or name != "torchvision.ops.boxes.batched_nms":
            return None

        def batched_nms(
            boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
        ) -> Any:
            if boxes.device.type != "cpu":  # another number of boxes divides its two ways there
                return function(boxes, scores, idxs, iou_threshold)
            return whole.batched_nms()(boxes, scores, idxs, float(iou_threshold))

        return batched_nms
