"""From a Python model to the branch-preserving graph."""

from fxexport.capture.capture import CaptureRequest, capture

__all__ = ["CaptureRequest", "capture"]
