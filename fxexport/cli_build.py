"""The command's words about engines: the build options of an export, and ``fxexport check``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fxexport.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from fxexport.report.model import Report
    from fxexport.targets.tensorrt.entry import CheckResult, OnMessage
    from fxexport.targets.tensorrt.options import BuildOptions

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
    "run_check",
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
        from fxexport.targets.tensorrt.options import BuildOptions

        if self.timeout is not None and self.timeout <= 0:
            raise UsageError(f"--build-timeout: expected seconds above 0, got {self.timeout:g}")
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
        from fxexport.targets.tensorrt.package import find_package

        self.options().check_for(find_package())


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


def build_engine_for(report: Report, settings: EngineSettings, console: Console | None) -> None:
    """Builds the engine of an exported file, and notes it in the report.

    Raises:
        FxExportError: it was not built.
    """
    from fxexport.targets.tensorrt.build import BuildError
    from fxexport.targets.tensorrt.entry import build

    with _progress(console) as on_message:
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


@contextmanager
def _progress(console: Console | None) -> Iterator[OnMessage | None]:
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


def run_check(arguments: list[str]) -> int:
    """``fxexport check model.onnx``: one line a finding.

    Returns:
        0 when nothing stands against an engine, else 1; 2 for wrong usage.
    """
    app = typer.Typer(
        add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.command()(_check)
    command = typer.main.get_command(app)
    code: int | None = command.main(arguments, prog_name="fxexport check", standalone_mode=False)
    return code or 0


def _check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX file, from any exporter.")],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="WORDS",
            help="Sizes to check for, in trtexec's words: "
            '"--minShapes=x:1x3 --optShapes=x:4x3 --maxShapes=x:8x3".',
        ),
    ] = None,
    no_build: Annotated[
        bool, typer.Option("--no-build", help="Apply the rules only; do not ask TensorRT.")
    ] = False,
    timeout: BuildTimeout = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Says what TensorRT will refuse in an ONNX file, without keeping an engine."""
    from rich.console import Console

    from fxexport.profiles import parse_profiles
    from fxexport.targets.tensorrt.entry import check

    given = parse_profiles(" ".join(profile)) if profile else None
    console = None if as_json else Console(file=sys.stderr, highlight=False, markup=False)
    with _progress(console if not no_build else None) as on_message:
        result = check(
            file,
            profiles=given,
            timeout=timeout,
            ask_builder=not no_build,
            on_message=on_message,
        )
    print(json.dumps(result.to_dict(), indent=2) if as_json else _check_text(file, result))
    return 0 if result.ok else 1


def _check_text(file: Path, result: CheckResult) -> str:
    lines = [problem.describe() for problem in result.problems]
    if result.build is not None:
        lines.append(result.build.describe())
    elif result.note:
        lines.append(result.note)
    lines.append(f"{file}: {'nothing stands against an engine' if result.ok else 'no engine'}")
    return "\n".join(lines)
