"""What the commands share about engines: the build options of an export, and progress."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fxexport.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from fxexport.exported import Exported
    from fxexport.targets.tensorrt.api import OnMessage
    from fxexport.targets.tensorrt.build.options import BuildOptions

__all__ = [
    "Bf16",
    "Build",
    "BuildTimeout",
    "EngineSettings",
    "Fp16",
    "HardwareLevel",
    "TimingCache",
    "VersionCompatible",
    "Workspace",
    "build_engine_for",
    "build_progress",
    "check_timeout",
]

_PANEL = "TensorRT"

Build = Annotated[
    bool,
    typer.Option(
        "--build",
        help="Build the engine too, beside the file (--target tensorrt).",
        rich_help_panel=_PANEL,
    ),
]
BuildTimeout = Annotated[
    float | None,
    typer.Option(
        "--build-timeout",
        metavar="SECONDS",
        help="Give up a build that takes longer.",
        rich_help_panel=_PANEL,
    ),
]
Fp16 = Annotated[bool, typer.Option("--fp16", help="Allow half precision.", rich_help_panel=_PANEL)]
Bf16 = Annotated[bool, typer.Option("--bf16", help="Allow bfloat16.", rich_help_panel=_PANEL)]
Workspace = Annotated[
    str,
    typer.Option(
        "--memPoolSize",
        "--workspace",
        metavar="MiB",
        help="Scratch memory: workspace:1024, or 1024.",
        rich_help_panel=_PANEL,
    ),
]
VersionCompatible = Annotated[
    bool,
    typer.Option(
        "--versionCompatible",
        "--vc",
        help="An engine that newer versions run too.",
        rich_help_panel=_PANEL,
    ),
]
HardwareLevel = Annotated[
    str,
    typer.Option(
        "--hardwareCompatibilityLevel",
        metavar="LEVEL",
        help="none, ampere+ or sameComputeCapability.",
        rich_help_panel=_PANEL,
    ),
]
TimingCache = Annotated[
    str,
    typer.Option(
        "--timingCacheFile",
        metavar="FILE",
        help="Kernel times, read and written.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass
class EngineSettings:
    """The build options of a command line, read."""

    build: bool = False
    timeout: float | None = None
    fp16: bool = False
    bf16: bool = False
    workspace: str = ""
    version_compatible: bool = False
    hardware_level: str = "none"
    timing_cache: str = ""

    def options(self) -> BuildOptions:
        """The options of a build.

        Raises:
            UsageError: one of them makes no sense.
        """
        from fxexport.targets.tensorrt.build.options import BuildOptions

        check_timeout(self.timeout)
        return BuildOptions(
            fp16=self.fp16,
            bf16=self.bf16,
            workspace=_mebibytes(self.workspace),
            version_compatible=self.version_compatible,
            hardware_compatibility_level=self.hardware_level,
            timing_cache_file=self.timing_cache,
        )

    def check_with(self, target: str) -> None:
        """Refuses early what could not be built after a long export.

        Raises:
            UsageError: no TensorRT, or options that it does not have.
        """
        if not self.build:
            if self != EngineSettings():
                raise UsageError("build options need --build")
            return
        if target != "tensorrt":
            raise UsageError("--build needs --target tensorrt")
        from fxexport.targets.tensorrt.build.package import find_package

        self.options().check_for(find_package())


def check_timeout(seconds: float | None) -> None:
    """Refuses a time limit that is none.

    Raises:
        UsageError: it is not above 0, or no number.
    """
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError(f"--build-timeout: expected seconds above 0, got {seconds:g}")


def _mebibytes(text: str) -> float | None:
    """``1024``, or trtexec's ``workspace:1024``, whose unit may follow (``1G``)."""
    if not text:
        return None
    pool, _, size = text.rpartition(":")
    if pool not in ("", "workspace"):
        raise UsageError(f"--memPoolSize: only the pool workspace can be set, got {pool!r}")
    units = {"G": 1024.0, "M": 1.0, "K": 1 / 1024, "B": 1 / 2**20}
    unit = units.get(size[-1:].upper())
    try:
        return float(size[:-1]) * unit if unit else float(size)
    except ValueError:
        raise UsageError(
            f"--memPoolSize: expected MiB such as workspace:1024, got {text!r}"
        ) from None


def build_engine_for(exported: Exported, settings: EngineSettings, console: Console | None) -> None:
    """Builds the engine of an exported file, runs it where there is a GPU, and notes both.

    Raises:
        FxExportError: it was not built, or disagrees with PyTorch.
    """
    import torch

    from fxexport.targets.tensorrt.api import build
    from fxexport.targets.tensorrt.build.build import BuildError
    from fxexport.targets.tensorrt.build.package import gpu_present

    report = exported.report
    with build_progress(console) as on_message:
        try:
            report.build = build(
                report.path,
                options=settings.options(),
                timeout=settings.timeout,
                on_message=on_message,
            )
        except BuildError as error:
            report.build = error.result
            raise
    if gpu_present() and torch.cuda.is_available():  # PyTorch may be a build without CUDA
        from fxexport.tensorrt import verify

        verify(exported, report.build)


@contextmanager
def build_progress(console: Console | None) -> Iterator[OnMessage | None]:
    """A bar a phase of the build, fed by TensorRT's progress monitor."""
    if console is None:
        yield None
        return
    if not console.is_terminal:
        console.print("build the engine ...")
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars: dict[str, Any] = {}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as live:

        def show(message: dict[str, Any]) -> None:
            name = message.get("name", "")
            if message["event"] == "start":
                depth = "  " * len(bars)
                bars[name] = live.add_task(f"{depth}{name}", total=message["steps"])
            elif message["event"] == "step" and name in bars:
                live.update(bars[name], completed=message["step"] + 1)
            elif message["event"] == "finish" and name in bars:
                live.remove_task(bars.pop(name))

        yield show
