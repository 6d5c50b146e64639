"""Which TensorRT package is used: `tensorrt` where there is a GPU for it, else `tensorrt_rtx`."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import os
import sys
from dataclasses import dataclass
from typing import Any

from fxexport.errors import UsageError

__all__ = ["INSTALL_HINT", "TensorRTPackage", "find_package", "gpu_present"]

INSTALL_HINT = (
    "pip install tensorrt-rtx-cu13 builds engines without a GPU; pip install tensorrt needs one"
)
_TITLES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}
_DISTRIBUTIONS = {
    "tensorrt": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
    "tensorrt_rtx": ("tensorrt-rtx-cu13", "tensorrt-rtx", "tensorrt_rtx"),
}


@dataclass(frozen=True)
class TensorRTPackage:
    """An installed package.

    Attributes:
        module: name to import.
        version: its version, empty when that is not known without importing it.
    """

    module: str
    version: str = ""

    @property
    def title(self) -> str:
        """What people call it: TensorRT or TensorRT-RTX, with the version."""
        return f"{_TITLES[self.module]} {self.version}".rstrip()

    @property
    def is_rtx(self) -> bool:
        """Whether it is TensorRT for RTX."""
        return self.module == "tensorrt_rtx"

    def load(self) -> Any:
        """Imports the package.

        Raises:
            UsageError: when it is installed but does not start.
        """
        try:
            return importlib.import_module(self.module)
        except Exception as error:  # a missing library raises whatever it likes
            raise UsageError(
                f"{self.title} is installed but does not start: {error}", hint=INSTALL_HINT
            ) from error


def find_package(wanted: str = "") -> TensorRTPackage:
    """The package to build with; nothing is imported.

    Args:
        wanted: "tensorrt" or "tensorrt_rtx" for that one; empty to choose.

    Raises:
        UsageError: when there is none.
    """
    if wanted and wanted not in _TITLES:
        raise UsageError(f"unknown TensorRT package {wanted!r}: expected {' or '.join(_TITLES)}")
    if wanted:
        names = [wanted]
    elif gpu_present():
        names = ["tensorrt", "tensorrt_rtx"]
    else:
        names = ["tensorrt_rtx"]
    for name in names:
        if importlib.util.find_spec(name) is not None:
            return TensorRTPackage(name, _version(name))
    if not wanted and importlib.util.find_spec("tensorrt") is not None:
        raise UsageError(
            "the package tensorrt builds engines on a GPU only, and there is none here",
            hint=INSTALL_HINT,
        )
    raise UsageError(
        f"{_TITLES[wanted] if wanted else 'TensorRT'} is not installed", hint=INSTALL_HINT
    )


def gpu_present() -> bool:
    """Whether the CUDA driver sees a GPU; asked without importing PyTorch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return False
    count = ctypes.c_int(0)
    return (
        driver.cuInit(0) == 0
        and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        and count.value > 0
    )


def _version(module: str) -> str:
    for name in _DISTRIBUTIONS[module]:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""
