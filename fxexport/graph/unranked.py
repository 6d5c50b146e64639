"""Tensors whose rank is known only when the model runs.

An If in ONNX may give tensors of another rank on each path. PyTorch's fake tensors have a rank, so
the metadata of such a branch's result is a value of its own. Only outputs of the model are such.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["UnrankedVal"]


@dataclass(eq=False)
class UnrankedVal:
    """What a node that yields a tensor of one of several ranks has as ``meta["val"]``.

    Attributes:
        dtype: of the tensor.
        ranks: those that it may have.
    """

    dtype: torch.dtype
    ranks: tuple[int, ...]
