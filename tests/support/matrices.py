"""Matrices for tests of linear algebra."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["DTYPES", "SQUARE", "drawn", "positive", "regular"]

DTYPES = (torch.float32, torch.float64)

# Batch and size: within a block, no rows, no matrices, one, more than a block, several of them.
SQUARE = ((2, 5), (2, 0), (0, 3), (3, 1), (1, 17), (2, 48))


def drawn(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Random numbers."""
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def regular(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Matrices far from having no inverse, of which rows have to be swapped."""
    size = shape[-1]
    found = drawn(*shape, size, dtype=dtype) / max(size, 1) ** 0.5
    return found + 2 * torch.eye(size, dtype=dtype).roll(size // 2, 0)


def positive(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Positive definite matrices."""
    found = regular(*shape, dtype=dtype)
    return found @ found.mT
