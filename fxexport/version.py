"""The version of fxexport, and of what it works with."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

__all__ = ["VERSION", "versions"]

VERSION = "0.1.0"

# Each with the distributions that bring it.
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")


def versions() -> dict[str, str | None]:
    """The versions of fxexport, Python, and the packages that decide what a file becomes.

    Nothing is imported for it. A package that is not installed has None.
    """
    return {
        "fxexport": VERSION,
        "python": platform.python_version(),
        "torch": _version_of("torch", ("torch",)),
        "onnx": _version_of("onnx", ("onnx",)),
        "onnxruntime": _version_of("onnxruntime", _RUNTIMES),
    }


def _version_of(module: str, distributions: tuple[str, ...]) -> str | None:
    """The version of a package: the one that is loaded, else the one that is installed."""
    loaded = getattr(sys.modules.get(module), "__version__", None)
    if loaded is not None:
        return str(loaded)
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
