"""``fxexport verify FILE.onnx --model MODEL``: a file that was there before, and the model."""

from __future__ import annotations

import sys
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

from fxexport.command.console import console_for
from fxexport.command.misread import misread
from fxexport.command.options import Atol, Capture, Inputs, Rtol, Train, VerifyTimeout
from fxexport.command.schema import schema_option
from fxexport.command.subcommand import read_by
from fxexport.errors import FxExportError, VerificationError

if TYPE_CHECKING:
    from fxexport.progress import Progress
    from fxexport.report.model import Report

__all__ = ["run"]


@dataclass
class _Options:
    """The command line, read."""

    file: str
    model: str
    inputs: list[str] = field(default_factory=list)
    check_inputs: list[str] = field(default_factory=list)
    rtol: float | None = None
    atol: float | None = None
    verify_timeout: float | None = None
    method: str | None = None
    capture: str = "auto"
    max_trips: int | None = None
    max_depth: int | None = None
    symbolic: list[str] = field(default_factory=list)
    train: bool = False
    json: bool = False
    quiet: bool = False
    verbose: bool = False


def run(arguments: list[str]) -> int:
    """Runs ``fxexport verify ...``.

    Args:
        arguments: what follows ``verify``.

    Returns:
        0 when the file agrees with PyTorch, 3 when it does not.

    Raises:
        FxExportError: the call is wrong, the model is refused, or nothing could be compared.
        TyperException: the command line cannot be read.
    """
    try:
        return _run(arguments)
    except TyperException as error:
        if "--json" not in arguments:
            raise
        usage = misread(error, arguments, "fxexport verify --help shows its use.")
        _print_json(None, usage)
        return usage.exit_code


def _run(arguments: list[str]) -> int:
    options = read_by(_command, "verify", arguments)
    return options if isinstance(options, int) else _verified(options)


def _command(
    file: Annotated[str, typer.Argument(metavar="FILE.onnx", help="A file of any exporter.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="model.py, model.py:object, package.mod:object or model.pt",
        ),
    ],
    inputs: Inputs = None,
    check_inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--check-inputs",
            metavar="FILE",
            help="Further inputs to compare on: .npz, .npy or .pt. Repeatable.",
        ),
    ] = None,
    rtol: Rtol = None,
    atol: Atol = None,
    verify_timeout: VerifyTimeout = None,
    method: Annotated[
        str | None, typer.Option("--method", metavar="NAME", help="The method that was exported.")
    ] = None,
    capture: Annotated[
        Capture, typer.Option("--capture", help="What is read, as for an export.")
    ] = Capture.auto,
    max_trips: Annotated[
        int | None, typer.Option(help="The bound that the file was made with for TensorRT.")
    ] = None,
    max_depth: Annotated[
        int | None, typer.Option(help="How deep a function calls itself at most.")
    ] = None,
    symbolic: Annotated[
        list[str] | None,
        typer.Option("--symbolic", metavar="NAME", help="As for the export. Repeatable."),
    ] = None,
    train: Train = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    json_schema: Annotated[bool, schema_option("report")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing, or the error.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every comparison.")] = False,
) -> _Options:
    """Compares a file that was written before with the model, as an export compares its own.

    Which sizes vary is read from the file. Exit codes: 0 it agrees; 1 the model is refused, or
    nothing could be compared; 2 wrong usage; 3 it disagrees.
    """
    return _Options(
        file=file,
        model=model,
        inputs=inputs or [],
        check_inputs=check_inputs or [],
        rtol=rtol,
        atol=atol,
        verify_timeout=verify_timeout,
        method=method,
        capture=capture.value,
        max_trips=max_trips,
        max_depth=max_depth,
        symbolic=symbolic or [],
        train=train,
        json=as_json,
        quiet=quiet,
        verbose=verbose,
    )


def _verified(options: _Options) -> int:
    from fxexport.command.progress import ConsoleProgress
    from fxexport.progress import NullProgress

    report: Report | None = None
    error: FxExportError | None = None
    try:
        with redirect_stdout(sys.stderr):  # what the user's program prints is no report
            if options.quiet or options.json:
                report = _compared(options, NullProgress())
            else:
                with ConsoleProgress(console_for(sys.stderr)) as progress:
                    report = _compared(options, progress)
        error = _fault(report, options.file)
    except FxExportError as refused:
        if not options.json:
            raise
        error = refused
    _show(options, report, error)
    return 0 if error is None else error.exit_code


def _compared(options: _Options, progress: Progress) -> Report:
    from fxexport.command.model_reference import parse_reference

    reference = parse_reference(options.model)
    with ExitStack() as stack:
        with progress("load"):
            from fxexport.command.model_call import model_call
            from fxexport.comparison import verify_file

            call = stack.enter_context(
                model_call(
                    reference,
                    options.inputs,
                    options.check_inputs,
                    options.method,
                    train=options.train,
                )
            )
        report = verify_file(
            options.file,
            call.loaded.model,
            call.args,
            kwargs=call.kwargs,
            check_inputs=call.check_inputs,
            capture=options.capture,
            method=options.method,
            max_trips=options.max_trips,
            max_depth=options.max_depth,
            symbolic="all" in options.symbolic or options.symbolic,
            rtol=options.rtol,
            atol=options.atol,
            verify_timeout=options.verify_timeout,
            progress=progress,
        )
        call.complete(report, "compared")
        return report


def _fault(report: Report, file: str) -> FxExportError | None:
    """Why a file did not pass; None where it did."""
    verification = report.verification
    assert verification is not None
    if not verification.ran:
        return FxExportError(f"{file} was not compared: {verification.message}")
    if verification.ok:
        return None
    if "ONNX Runtime crashed (" in verification.message:
        hint = "whoever runs the file so loses the process: export it again, it may differ today"
    else:
        hint = "the model may have changed since the file was written: export it again"
    return VerificationError(
        f"{file} does not agree with PyTorch: {verification.message}",
        location=verification.location,
        hint=hint,
    )


def _print_json(report: Report | None, error: FxExportError | None) -> None:
    from fxexport.report.json import as_json_text

    print(as_json_text(report, error))


def _show(options: _Options, report: Report | None, error: FxExportError | None) -> None:
    from fxexport.report.terminal import print_comparison, print_error

    if options.json:
        _print_json(report, error)
        return
    if report is not None and not options.quiet:
        print_comparison(console_for(sys.stdout), report, verbose=options.verbose)
    if error is not None:
        print_error(console_for(sys.stderr), error, verbose=options.verbose)
