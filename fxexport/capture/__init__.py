"""From a Python or TorchScript model to the branch-preserving graph."""

from fxexport.capture.attempts import CaptureRequest, capture
from fxexport.capture.front_ends import (
    FrontEnd,
    capture_through,
    chosen_front_end,
    is_scripted,
    method_of,
    scripted,
)
from fxexport.capture.state.leaves import kept, replace_leaves, state_leaves
from fxexport.capture.torchscript.state import untouched

__all__ = [
    "CaptureRequest",
    "FrontEnd",
    "capture",
    "capture_through",
    "chosen_front_end",
    "is_scripted",
    "kept",
    "method_of",
    "replace_leaves",
    "scripted",
    "state_leaves",
    "untouched",
]
