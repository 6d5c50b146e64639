"""Objects that code which is not rewritten has made: nobody else refers to them.

Rewritten code notes what it makes. What other code makes (``d | e``, ``deepcopy``, fields that a
dataclass fills by default) is told by its references: an object that is held only where it was just
given cannot be one that was there before. So what is written to it matters to no branch or loop
that ends before it.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from types import FunctionType, ModuleType
from typing import TypeVar

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.journal import Journal

__all__ = ["note_parts_if_new", "noted_if_new"]

_T = TypeVar("_T")

_CONTAINERS = (list, dict, set, deque)
# Plain values, and what is never made by a call alone.
_OTHERS = (
    *(str, bytes, int, float, complex, type, FunctionType, ModuleType),
    *(torch.Tensor, torch.SymInt, torch.SymFloat, torch.SymBool),
)


def noted_if_new(journal: Journal, value: _T) -> _T:
    """A value that a variable of the caller holds: new, if nothing else does.

    Called with a variable by its position, since references are counted.
    """
    if _may_be_new(value) and sys.getrefcount(value) <= _IN_A_VARIABLE:
        journal.made(value)
        note_parts_if_new(journal, value)
    return value


def note_parts_if_new(journal: Journal, value: Value) -> None:
    """Notes what a new object alone holds as new."""
    parts = gc.get_referents(value)
    while parts:
        part = parts.pop()
        if _may_be_new(part) and sys.getrefcount(part) <= _IN_A_CONTAINER:
            journal.made(part)
            parts.extend(gc.get_referents(part))


def _may_be_new(value: Value) -> bool:
    """Whether a value is something that can be written to, or may hold such."""
    if value is None or isinstance(value, _OTHERS):
        return False
    if type(value).__module__.startswith("fxexport."):
        return False  # it stands for a value of the program
    return isinstance(value, (*_CONTAINERS, tuple)) or hasattr(value, "__dict__")


def _measured() -> tuple[int, int]:
    """What getrefcount says in the functions above of an object that nobody else holds."""

    def in_a_variable(value: Value) -> int:
        return sys.getrefcount(value)

    one = object()
    held = in_a_variable(one)
    parts: list[Value] = gc.get_referents([object()])
    part = parts.pop()
    # There the container holds it too.
    return held, sys.getrefcount(part) + 1


_IN_A_VARIABLE, _IN_A_CONTAINER = _measured()
