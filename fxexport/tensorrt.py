"""Engines from Python: ``fxexport.tensorrt.build`` and ``fxexport.tensorrt.check``."""

from __future__ import annotations

from fxexport.targets.tensorrt.build import BuildError, BuildResult
from fxexport.targets.tensorrt.entry import CheckResult, RefusedError, build, check
from fxexport.targets.tensorrt.options import BuildOptions
from fxexport.targets.tensorrt.problems import Problem

__all__ = [
    "BuildError",
    "BuildOptions",
    "BuildResult",
    "CheckResult",
    "Problem",
    "RefusedError",
    "build",
    "check",
]
