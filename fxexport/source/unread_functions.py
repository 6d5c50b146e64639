"""Functions of the program that could not be rewritten, and why."""

from __future__ import annotations

from dataclasses import dataclass
from types import CodeType

__all__ = ["UnreadFunction", "UnreadFunctions"]


@dataclass(frozen=True)
class UnreadFunction:
    """Why a function runs as it is.

    Attributes:
        reason: the reason, to follow "because".
        final: whether reading the model through TorchScript cannot help either.
    """

    reason: str
    final: bool = False


UnreadFunctions = dict[CodeType, UnreadFunction]
"""The code of functions that could not be rewritten, with the reasons."""
