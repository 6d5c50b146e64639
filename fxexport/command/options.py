"""The command line: its options and how they are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fxexport import __version__
from fxexport.command.engine import (
    Bf16,
    Build,
    BuildTimeout,
    EngineSettings,
    Fp16,
    HardwareLevel,
    TimingCache,
    VersionCompatible,
    Workspace,
)
from fxexport.command.reports import ReportFile, parse_report_option
from fxexport.command.schema import schema_option
from fxexport.profiles.tool_options import ShapesOption, sections

__all__ = ["Options", "parse_options", "parse_state_option"]

_AXES = re.compile(r"[A-Za-z_][\w.]*:-?\d.*|[^-].*:.*=.*")
"""What can only be the value of --dynamic: ``x:0``, or anything with both ``:`` and ``=``."""

_EPILOG = (
    "Exit codes: 0 exported and verified; 1 refused, the model does something that cannot be kept; "
    "2 wrong usage; 3 exported, but the check disagrees, or has covered too little; "
    "4 exported, but the engine was not built. "
    "The model's file is run: do not export what you would not run. "
    "Further commands: fxexport show FILE.onnx (its ifs and loops as a tree, its contract); "
    "fxexport diff A.onnx B.onnx (what changed); "
    "fxexport explain FX101 (what a code means); "
    "fxexport scan PATH (the ifs and loops in source, without running it); "
    "fxexport verify FILE.onnx (a file that was written before, against the model); "
    "fxexport profile FILE.onnx (its profiles: print, replace); "
    "fxexport check FILE.onnx (what TensorRT will refuse in it)."
)


Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=DTYPE[SIZES]",
        help="An input, for example x=float32[1,3,224,224], n=3 or x=@x.npy. Repeatable.",
    ),
]
Train = Annotated[
    bool, typer.Option("--train", help="Keep the model's training mode (default: eval mode).")
]
Rtol = Annotated[
    float | None,
    typer.Option(
        "--rtol",
        help="What floats may be off by in the comparison, as a part of PyTorch's result.",
        show_default="by dtype, 1e-4 for float32",
    ),
]
Atol = Annotated[
    float | None,
    typer.Option(
        "--atol",
        help="What they may be off by besides.",
        show_default="by dtype and the largest numbers",
    ),
]
VerifyTimeout = Annotated[
    float | None,
    typer.Option(
        "--verify-timeout",
        metavar="SECONDS",
        help="How long each run of the file in the comparison may take.",
        show_default="60, and 30 times what PyTorch takes",
    ),
]


class Capture(StrEnum):
    """What reads the model."""

    auto = "auto"
    python = "python"
    script = "script"


class Weights(StrEnum):
    """Where the weights go."""

    file = "file"
    external = "external"
    none = "none"


class Outputs(StrEnum):
    """What becomes of outputs that are not alike on all paths."""

    merge = "merge"
    strict = "strict"


class Switch(StrEnum):
    """An option that is on unless it is switched off."""

    on = "on"
    off = "off"


@dataclass
class Options:
    """The command line, read."""

    model: str
    output: Path | None = None
    inputs: list[str] = field(default_factory=list)
    dynamic: list[str] = field(default_factory=list)
    shapes: list[ShapesOption] = field(default_factory=list)
    target: str = "onnxruntime"
    opset: int | None = None
    max_trips: int | None = None
    max_depth: int | None = None
    guards: bool = True
    verify: bool = True
    check_inputs: list[str] = field(default_factory=list)
    rtol: float | None = None
    atol: float | None = None
    verify_timeout: float | None = None
    external_data: bool | None = None
    weights: str = "file"
    outputs: str = "merge"
    capture: str = "auto"
    method: str | None = None
    train: bool = False
    state: list[str] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)
    symbolic: list[str] = field(default_factory=list)
    printed: str = "text"
    reports: list[ReportFile] = field(default_factory=list)
    require_coverage: float | None = None
    quiet: bool = False
    verbose: bool = False
    engine: EngineSettings = field(default_factory=EngineSettings)

    @property
    def for_programs(self) -> bool:
        """Whether what is printed is not for people."""
        return self.printed != "text"


def parse_options(arguments: list[str]) -> Options | int:
    """The options, or an exit code when there is nothing to do (--help, --version)."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command(epilog=_EPILOG)(_command)
    command = typer.main.get_command(app)
    shapes, rest = sections(arguments)
    parsed: Options | int | None = command.main(
        _with_dynamic_values(rest), prog_name="fxexport", standalone_mode=False
    )
    if isinstance(parsed, Options):
        parsed.shapes = shapes
    return 0 if parsed is None else parsed


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"fxexport {__version__}")
        raise typer.Exit


def _command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="model.py, model.py:object, package.mod:object or model.pt"
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File or folder to write to.", show_default="MODEL's name, here"
        ),
    ] = None,
    inputs: Inputs = None,
    dynamic: Annotated[
        list[str] | None,
        typer.Option(
            "--dynamic",
            metavar="[AXES]",
            help="Sizes that may vary: all that can (no value), or for example "
            "x:0=batch[1..8],2=height, or x:0=batch[1..4..8] (min, opt, max). Repeatable.",
        ),
    ] = None,
    trtexec_shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--minShapes",
            metavar="NAME:SIZES,...",
            help="A profile as trtexec takes it, with --optShapes and --maxShapes: for example "
            "x:1x3x224x224,y:1x5. What it lets vary is dynamic.",
        ),
    ] = None,
    profile: Annotated[
        list[int] | None,
        typer.Option(
            "--profile",
            metavar="K",
            help="What follows is of profile K, from 0. Repeatable.",
        ),
    ] = None,
    polygraphy_shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--trt-min-shapes",
            metavar="NAME:[SIZES] ...",
            help="The same as Polygraphy takes it, with --trt-opt-shapes and --trt-max-shapes: "
            "x:[1,3,224,224] y:[1,5]. Once for each profile.",
        ),
    ] = None,
    target: Annotated[
        str, typer.Option(help="What will run the file: onnxruntime or tensorrt.")
    ] = "onnxruntime",
    opset: Annotated[
        int | None, typer.Option(help="ONNX opset, from 18.", show_default="the target's best")
    ] = None,
    max_trips: Annotated[
        int | None,
        typer.Option(
            help="For TensorRT: the most iterations of a loop that nothing else bounds.",
            show_default="none: such loops that grow something are refused",
        ),
    ] = None,
    max_depth: Annotated[
        int | None,
        typer.Option(
            help="How deep a function calls itself at most, where the data ends that.",
            show_default="none: such recursion is refused",
        ),
    ] = None,
    outputs: Annotated[
        Outputs,
        typer.Option(
            "--outputs",
            help="What becomes of a result that is not alike on all paths: merge promotes "
            "dtypes and adds an output NAME.present for what may be missing, strict "
            "refuses it.",
        ),
    ] = Outputs.merge,
    guards: Annotated[
        Switch,
        typer.Option(
            "--guards",
            help="Whether the file checks what it takes for granted when it runs, and fails where "
            "the model raises. In files for TensorRT a profile is the guard.",
        ),
    ] = Switch.on,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not compare the file with PyTorch.")
    ] = False,
    check_inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--check-inputs",
            metavar="FILE",
            help="Further inputs to compare on: an .npz with an array for each input, an .npy with "
            "the only one, or a .pt. Repeatable.",
        ),
    ] = None,
    rtol: Rtol = None,
    atol: Atol = None,
    verify_timeout: VerifyTimeout = None,
    require_coverage: Annotated[
        float | None,
        typer.Option(
            "--require-coverage",
            metavar="PERCENT",
            help="How many of all paths of ifs and trip counts of loops must have been compared "
            "with PyTorch, by inputs or by force.",
            show_default="none",
        ),
    ] = None,
    external_data: Annotated[
        bool,
        typer.Option("--external-data", help="Weights in a .data file, whatever their size."),
    ] = False,
    weights: Annotated[
        Weights,
        typer.Option(
            "--weights",
            help="Where they go: into the file, into a .data file beside it, or nowhere: then the "
            "file refers to a data file that others write.",
        ),
    ] = Weights.file,
    capture: Annotated[
        Capture,
        typer.Option(
            "--capture",
            help="What is read: Python source, TorchScript (the model is scripted first), or what "
            "the model is.",
        ),
    ] = Capture.auto,
    method: Annotated[
        str | None,
        typer.Option(
            "--method", metavar="NAME", help="The method to export.", show_default="forward"
        ),
    ] = None,
    train: Train = False,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="[PATH=]CHOICE",
            help="What becomes of what the model keeps between calls: drop, refuse, or io "
            "(inputs and outputs of the file). Repeatable.",
            show_default="drop",
        ),
    ] = None,
    sequence: Annotated[
        list[str] | None,
        typer.Option(
            "--sequence",
            metavar="NAME",
            help="A list among the inputs or outputs that is an ONNX sequence of any length, and "
            "not an input or output for each item. Repeatable.",
        ),
    ] = None,
    symbolic: Annotated[
        list[str] | None,
        typer.Option(
            "--symbolic",
            metavar="NAME",
            help="An autograd.Function that is written as one node by its symbolic method; 'all' "
            "for each that has one. Repeatable.",
        ),
    ] = None,
    report: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="FORM[=FILE]",
            help="text, json or github (commands that GitHub shows beside the lines) are printed; "
            "html and sarif are written beside the exported file; with a file each goes there. "
            "Repeatable.",
            show_default="text",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only the file's path, or the error.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Everything in the report, and tracebacks.")
    ] = False,
    build: Build = False,
    build_timeout: BuildTimeout = None,
    fp16: Fp16 = False,
    bf16: Bf16 = False,
    workspace: Workspace = "",
    version_compatible: VersionCompatible = False,
    hardware_level: HardwareLevel = "none",
    timing_cache: TimingCache = "",
    json_schema: Annotated[bool, schema_option("report")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Show the version and exit.",
            callback=_show_version,
            is_eager=True,
        ),
    ] = False,
) -> Options:
    """Exports a PyTorch model to ONNX with its ifs and loops intact, and checks the result."""
    # The order of options that give shapes matters, and is unknown here: `sections` has taken them.
    del trtexec_shapes, profile, polygraphy_shapes
    printed, reports = parse_report_option(report or [])
    return Options(
        model=model,
        output=output,
        inputs=inputs or [],
        dynamic=dynamic or [],
        target=target,
        opset=opset,
        max_trips=max_trips,
        max_depth=max_depth,
        guards=guards is Switch.on,
        verify=not no_verify,
        check_inputs=check_inputs or [],
        rtol=rtol,
        atol=atol,
        verify_timeout=verify_timeout,
        external_data=True if external_data else None,
        weights=weights.value,
        outputs=outputs.value,
        capture=capture.value,
        method=method,
        train=train,
        state=state or [],
        sequences=sequence or [],
        symbolic=symbolic or [],
        printed=printed,
        reports=reports,
        require_coverage=require_coverage,
        quiet=quiet,
        verbose=verbose,
        engine=EngineSettings(
            build,
            build_timeout,
            fp16,
            bf16,
            workspace,
            version_compatible,
            hardware_level,
            timing_cache,
        ),
    )


def _with_dynamic_values(arguments: Sequence[str]) -> list[str]:
    """Gives every --dynamic a value: what follows it if that says axes, else an empty text.

    So ``--dynamic model.py`` leaves the model alone.
    """
    filled: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if filled and filled[-1] == "--dynamic":
            taken = _AXES.fullmatch(argument) is not None
            filled[-1] = f"--dynamic={argument if taken else ''}"
            if taken:
                continue
        filled.append(argument)
        if argument == "--":
            return [*filled, *rest]
    if filled and filled[-1] == "--dynamic":
        filled[-1] = "--dynamic="
    return filled


def parse_state_option(values: list[str]) -> dict[str, str]:
    """``["io", "last=drop"]`` as ``{"*": "io", "last": "drop"}``."""
    choices = {}
    for value in values:
        path, _, choice = value.rpartition("=")
        choices[path or "*"] = choice
    return choices
