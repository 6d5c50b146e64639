"""fxexport: PyTorch models to ONNX with their ifs and loops intact.

The names below load on first use, so that ``import fxexport`` is instant and does not import
PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fxexport.version import VERSION

if TYPE_CHECKING:
    from fxexport.comparison import verify_file
    from fxexport.containers import register_container
    from fxexport.errors import (
        CoverageError,
        FxExportError,
        MissingLoweringError,
        ModelError,
        OutputError,
        UnsupportedError,
        UsageError,
        VerificationError,
    )
    from fxexport.export_report import Report
    from fxexport.exported import Exported
    from fxexport.inputs import TensorSpec
    from fxexport.lowering import register_function, register_lowering
    from fxexport.pipeline import export
    from fxexport.profiles import Dim, Profile
    from fxexport.targets.onnxruntime.provider_options import provider_options

__version__ = VERSION

__all__ = [
    "CoverageError",
    "Dim",
    "Exported",
    "FxExportError",
    "MissingLoweringError",
    "ModelError",
    "OutputError",
    "Profile",
    "Report",
    "TensorSpec",
    "UnsupportedError",
    "UsageError",
    "VerificationError",
    "__version__",
    "export",
    "provider_options",
    "register_container",
    "register_function",
    "register_lowering",
    "verify_file",
]

_HOME_OF = {
    "CoverageError": "fxexport.errors",
    "Dim": "fxexport.profiles",
    "Exported": "fxexport.exported",
    "FxExportError": "fxexport.errors",
    "MissingLoweringError": "fxexport.errors",
    "ModelError": "fxexport.errors",
    "OutputError": "fxexport.errors",
    "Profile": "fxexport.profiles",
    "Report": "fxexport.export_report",
    "TensorSpec": "fxexport.inputs",
    "UnsupportedError": "fxexport.errors",
    "UsageError": "fxexport.errors",
    "VerificationError": "fxexport.errors",
    "export": "fxexport.pipeline",
    "provider_options": "fxexport.targets.onnxruntime.provider_options",
    "register_container": "fxexport.containers",
    "register_function": "fxexport.lowering",
    "register_lowering": "fxexport.lowering",
    "verify_file": "fxexport.comparison",
}


def __getattr__(name: str) -> Any:
    if name == "tensorrt":
        return importlib.import_module("fxexport.tensorrt")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'fxexport' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "tensorrt"])
