"""Engines from Python: ``fxexport.tensorrt.build`` and ``fxexport.tensorrt.check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxexport.errors import VerificationError
from fxexport.report.build import BuildResult, Problem
from fxexport.targets.tensorrt.api import CheckResult, RefusedError, build, check
from fxexport.targets.tensorrt.build.build import BuildError
from fxexport.targets.tensorrt.build.options import BuildOptions
from fxexport.targets.tensorrt.build.package import find_package

if TYPE_CHECKING:
    from fxexport.exported import Exported
    from fxexport.report.model import VerifiedCase

__all__ = [
    "BuildError",
    "BuildOptions",
    "BuildResult",
    "CheckResult",
    "Problem",
    "RefusedError",
    "build",
    "check",
    "verify",
]


def verify(exported: Exported, result: BuildResult) -> list[VerifiedCase]:
    """Runs an engine on a GPU, and compares it with PyTorch.

    At min, opt and max of its profiles, at sizes between, and on values that take other branches.
    Not run yet: no GPU has been at hand.

    Args:
        exported: the model.
        result: what `build` gave for it; it is noted there that the engine was run.

    Returns:
        One comparison a set of inputs.

    Raises:
        VerificationError: the engine disagrees.
        FxExportError: there is no GPU, or TensorRT does not run the engine.
    """
    from fxexport.targets.tensorrt.runtime import Engine
    from fxexport.verify.engine import verify_engine

    engine = Engine(result.path, find_package(), exported.profiles)
    cases = verify_engine(exported.graph, engine, exported.reference, exported.prepared)
    result.executed = True
    wrong = next((case for case in cases if not case.ok), None)
    if wrong is not None:
        raise VerificationError(
            f"the engine does not agree with PyTorch: {wrong.label}: {wrong.message}"
        )
    return cases
