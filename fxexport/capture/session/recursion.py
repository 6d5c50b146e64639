"""Functions that call themselves, until a condition that only the run knows ends that."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType

from fxexport.source.ownership import Owner, is_of_fxexport, owner_of

__all__ = ["deepest_recursion"]

_STAGING = os.path.join("", "capture", "staging", "")


def deepest_recursion() -> tuple[int, str]:
    """How many calls of one function are open, each in a branch or loop of the one around it.

    Returns:
        The number, for the function that has most, and its name.
    """
    counts: dict[CodeType, int] = {}
    # Whether a path of a branch, or an iteration, is recorded between a call and the next one.
    apart: dict[CodeType, bool] = {}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if is_of_fxexport(code.co_filename):
            if _STAGING in code.co_filename:
                apart = dict.fromkeys(apart, True)
        elif _is_function(code) and apart.get(code, True):
            counts[code] = counts.get(code, 0) + 1
            apart[code] = False
        frame = frame.f_back
    if not counts:
        return 0, ""
    most = max(counts, key=counts.__getitem__)
    return counts[most], most.co_name


def _is_function(code: CodeType) -> bool:
    """Whether code is that of a function of the program, and no closure that rewriting makes."""
    if code.co_name.startswith(("_fx_", "<")):
        return False
    return owner_of(code.co_filename) <= Owner.LIBRARY
