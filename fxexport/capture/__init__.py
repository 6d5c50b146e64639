"""From a Python model to the branch-preserving graph."""

from fxexport.capture.capture import CaptureRequest, capture
from fxexport.capture.modules import left_as_found

__all__ = ["CaptureRequest", "capture", "left_as_found"]
