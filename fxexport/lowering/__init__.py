"""From the branch-preserving graph to ONNX."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fxexport.lowering.convert import lower
    from fxexport.lowering.decompositions import decomposition_for, keep_composite
    from fxexport.lowering.registry import is_lowerable, register_lowering
    from fxexport.lowering.user_functions import (
        function_finder,
        register_function,
    )

__all__ = [
    "decomposition_for",
    "function_finder",
    "is_lowerable",
    "keep_composite",
    "lower",
    "register_function",
    "register_lowering",
]

_HOMES = {
    "lower": "convert",
    "decomposition_for": "decompositions",
    "keep_composite": "decompositions",
    "is_lowerable": "registry",
    "register_lowering": "registry",
    "register_function": "user_functions",
    "function_finder": "user_functions",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
