"""From a Python or TorchScript model to the branch-preserving graph."""

from fxexport.capture.capture import CaptureRequest, capture
from fxexport.capture.front_ends import (
    capture_through,
    chosen_front_end,
    is_scripted,
    method_of,
    scripted,
)
from fxexport.capture.modules import left_as_found
from fxexport.capture.torchscript.state import untouched

__all__ = [
    "CaptureRequest",
    "capture",
    "capture_through",
    "chosen_front_end",
    "is_scripted",
    "left_as_found",
    "method_of",
    "scripted",
    "untouched",
]
