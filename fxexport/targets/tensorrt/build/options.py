"""What can be set about a build, named as trtexec names it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fxexport.errors import UsageError
from fxexport.targets.tensorrt.build.package import TensorRTPackage

__all__ = ["HARDWARE_LEVELS", "BuildOptions"]

HARDWARE_LEVELS = {
    "none": "NONE",
    "ampere+": "AMPERE_PLUS",
    "sameComputeCapability": "SAME_COMPUTE_CAPABILITY",
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class BuildOptions:
    """Settings of one build.

    Attributes:
        fp16: lets TensorRT compute in half precision.
        bf16: lets TensorRT compute in bfloat16.
        workspace: scratch memory in MiB; None for TensorRT's own choice.
        version_compatible: an engine that newer TensorRT 10 (11, ...) runs too.
        hardware_compatibility_level: "none", "ampere+" or "sameComputeCapability".
        timing_cache_file: measured kernel times, read and written.
        optimization_level: TensorRT's builder level, 0 to 5; None for its own choice.
    """

    fp16: bool = False
    bf16: bool = False
    workspace: float | None = None
    version_compatible: bool = False
    hardware_compatibility_level: str = "none"
    timing_cache_file: str = ""
    optimization_level: int | None = None

    def __post_init__(self) -> None:
        level = self.hardware_compatibility_level
        if level not in HARDWARE_LEVELS:
            raise UsageError(
                f"unknown hardware compatibility level {level!r}: expected "
                + ", ".join(HARDWARE_LEVELS)
            )
        size = self.workspace
        if size is not None and not (_is_number(size) and 0 < size * 2**20 < 2**63):
            raise UsageError(f"the workspace must be a number of MiB above 0, got {size!r}")
        builder = self.optimization_level
        if builder is not None and builder not in range(6):
            raise UsageError(f"expected a builder optimization level from 0 to 5, got {builder!r}")

    def check_for(self, package: TensorRTPackage) -> None:
        """Refuses what a package does not have.

        Raises:
            UsageError: names the option, and what to use instead.
        """
        if not package.is_rtx:
            return
        half = "--fp16" if self.fp16 else "--bf16" if self.bf16 else ""
        if half:
            raise UsageError(
                f"TensorRT-RTX has no {half}: an engine computes in the file's own dtypes",
                hint="export the model in that precision: model.half() or model.bfloat16()",
            )
        if self.version_compatible:
            raise UsageError(
                "TensorRT-RTX has no --versionCompatible; its engines need its version"
            )
        if self.hardware_compatibility_level != "none":
            raise UsageError(
                "TensorRT-RTX has no --hardwareCompatibilityLevel: its engines run on every RTX GPU"
            )
        if self.timing_cache_file:
            raise UsageError(
                "TensorRT-RTX measures no kernels when it builds: it has no timing cache"
            )

    def to_dict(self) -> dict[str, Any]:
        """The options as plain JSON data."""
        return asdict(self)
