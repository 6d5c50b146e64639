"""What the sizes of inputs must be, as one question that a graph asks before all else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch

__all__ = ["FREE", "SizeNeed", "sizes_fit"]

# Of one dimension: what divides it, its smallest and largest size (None: no bound), and the
# position of the dimension that it is equal to, counted over all; None for any.
SizeNeed: TypeAlias = tuple[int, int, int | None, int | None]

FREE: SizeNeed = (1, 0, None, None)


def sizes_fit(tensors: Sequence[torch.Tensor], needs: Sequence[SizeNeed]) -> bool:
    """Whether the sizes of tensors are what a contract says.

    Args:
        tensors: the inputs.
        needs: one for each dimension of each tensor, in order.
    """
    sizes = [size for tensor in tensors for size in tensor.shape]
    return all(
        size % multiple == 0
        and low <= size
        and (high is None or size <= high)
        and (same is None or size == sizes[same])
        for size, (multiple, low, high, same) in zip(sizes, needs, strict=True)
    )
