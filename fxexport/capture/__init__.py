"""From a Python model to the branch-preserving graph."""

from fxexport.capture.capture import CaptureRequest, capture
from fxexport.capture.state import kept, replace_leaves, state_leaves

__all__ = ["CaptureRequest", "capture", "kept", "replace_leaves", "state_leaves"]
