"""The command: ``fxexport MODEL [options]``."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from typer.exceptions import TyperException

from fxexport.command.console import console_for
from fxexport.command.misread import misread
from fxexport.command.options import Options, parse_options, parse_state_option
from fxexport.command.reports import default_stem, write_report
from fxexport.errors import FxExportError, OutputError, UsageError, VerificationError
from fxexport.files.model import check_target

if TYPE_CHECKING:
    from fxexport.command.model_reference import ModelReference
    from fxexport.exported import Exported
    from fxexport.progress import Progress
    from fxexport.report.model import Report

__all__ = ["main"]

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_DISAGREES = 3
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: what follows the command's name; None for the process's own.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run_arguments(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except OSError as error:
        # Only printing is left to raise this: the disk is full, or a pipe's reader went away.
        if not isinstance(error, BrokenPipeError):
            print(f"error: the report could not be printed: {error.strerror}.", file=sys.stderr)
        # Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_USAGE


def _run_arguments(arguments: list[str]) -> int:
    if not arguments:
        parse_options(["--help"])
        return EXIT_USAGE
    if arguments[0] in _SUBCOMMANDS:
        return _run_subcommand(arguments[0], arguments[1:])
    plain = Options(model="", printed="json" if _wants_json(arguments) else "text")
    try:
        options = parse_options(arguments)
    except TyperException as error:
        usage = misread(error, arguments, "fxexport --help shows how it is used.", _SUBCOMMANDS)
        return _show_failure(plain, usage, None, usage.exit_code)
    except UsageError as error:
        return _show_failure(plain, error, None, error.exit_code)
    return options if isinstance(options, int) else _run(options)


# Sub-command -> module with `run(arguments)`, which returns an exit code. They are read before
# MODEL is: a model's file that is called like one of them is ./profile.
_SUBCOMMANDS = {
    "check": "fxexport.command.check",
    "diff": "fxexport.command.diff",
    "explain": "fxexport.command.explain",
    "profile": "fxexport.command.profile",
    "scan": "fxexport.command.scan",
    "show": "fxexport.command.show",
    "verify": "fxexport.command.verify",
}


def _run_subcommand(name: str, arguments: list[str]) -> int:
    """Runs ``fxexport NAME ...``; what it refuses is shown like a refusal of an export."""
    plain = Options(model="", printed="json" if _wants_json(arguments) else "text")
    try:
        code: int = importlib.import_module(_SUBCOMMANDS[name]).run(arguments)
        return code
    except TyperException as error:
        usage = misread(error, arguments, f"fxexport {name} --help shows its use.")
        return _show_failure(plain, usage, None, usage.exit_code)
    except FxExportError as error:
        return _show_failure(plain, error, None, error.exit_code)
    except Exception as error:
        return _show_failure(plain, error, None, EXIT_BUG)


def _wants_json(arguments: Sequence[str]) -> bool:
    return "--report=json" in arguments or ("--report", "json") in pairwise(arguments)


def _run(options: Options) -> int:
    """Exports and shows the outcome; returns the exit code."""
    try:
        with redirect_stdout(sys.stderr):  # what the user's program prints is no report
            exported = _export_with_progress(options)
            if options.engine.build:
                _built(options, exported)
    except FxExportError as error:
        unverified: Exported | None = getattr(error, "exported", None)
        report = None if unverified is None else unverified.report
        code = _show_failure(options, error, report, error.exit_code)
        return _reported(options, report, error, code)
    except Exception as error:
        code = _show_failure(options, error, None, EXIT_BUG)
        return _reported(options, None, _bug(error, code), code)
    _show_success(options, exported.report)
    return _reported(options, exported.report, None, _verdict(exported.report))


def _reported(
    options: Options, report: Report | None, error: FxExportError | None, code: int
) -> int:
    """Writes the reports that go to files; returns the exit code."""
    stem = default_stem(options.output, options.model)
    for wanted in options.reports:
        try:
            path = write_report(wanted, stem, report, error, options.model)
        except FxExportError as failure:
            return _show_failure(Options(model=""), failure, None, code or failure.exit_code)
        if not options.quiet:
            print(f"Report: {path}", file=sys.stderr)
    return code


def _verdict(report: Report) -> int:
    """The exit code of an export that came to its end."""
    verification = report.verification
    disagrees = verification is not None and verification.ran and not verification.ok
    return EXIT_DISAGREES if disagrees else EXIT_OK


def _export_with_progress(options: Options) -> Exported:
    from fxexport.command.progress import ConsoleProgress
    from fxexport.progress import NullProgress

    if options.quiet or options.for_programs:
        return _export(options, NullProgress())
    with ConsoleProgress(console_for(sys.stderr)) as progress:
        return _export(options, progress)


def _built(options: Options, exported: Exported) -> Exported:
    """Builds the engine of what was exported."""
    from fxexport.command.engine import build_engine_for

    quiet = options.quiet or options.for_programs
    try:
        build_engine_for(exported, options.engine, None if quiet else console_for(sys.stderr))
    except FxExportError as error:
        error.exported = exported  # type: ignore[attr-defined]
        raise
    return exported


def _export(options: Options, progress: Progress) -> Exported:
    from fxexport.command.model_reference import parse_reference

    if options.quiet and options.verbose:
        raise UsageError("-q and -v exclude each other.")
    _check_comparison(options)
    options.engine.check_with(options.target)
    if options.engine.build and options.weights == "none":
        raise UsageError("--build needs the weights, which --weights none leaves out")
    reference = parse_reference(options.model)
    path = _output_path(options.output, reference)
    with ExitStack() as stack:
        with progress("load"):
            from fxexport.command.model_call import model_call
            from fxexport.inputs import parse_dynamic_option
            from fxexport.pipeline import export
            from fxexport.profiles.tool_options import parse_shapes_options

            dynamic = parse_dynamic_option(options.dynamic)
            profiles = parse_shapes_options(options.shapes)
            call = stack.enter_context(
                model_call(
                    reference,
                    options.inputs,
                    options.check_inputs,
                    options.method,
                    train=options.train,
                )
            )
        try:
            exported = export(
                call.loaded.model,
                call.args,
                path,
                kwargs=call.kwargs,
                dynamic=dynamic,
                profiles=profiles,
                target=options.target,
                opset=options.opset,
                max_trips=options.max_trips,
                max_depth=options.max_depth,
                guards=options.guards,
                verify=options.verify,
                check_inputs=call.check_inputs,
                rtol=options.rtol,
                atol=options.atol,
                verify_timeout=options.verify_timeout,
                external_data=options.external_data,
                weights=options.weights,
                outputs=options.outputs,
                capture=options.capture,
                method=options.method,
                state=parse_state_option(options.state),
                sequences=options.sequences,
                symbolic="all" in options.symbolic or options.symbolic,
                require_coverage=options.require_coverage,
                progress=progress,
            )
        except VerificationError as error:
            if error.exported is not None:
                call.complete(error.exported.report)
            raise
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise OutputError(
                f"{path} could not be written: {error.strerror}.", hint="Free some space."
            ) from error
        call.complete(exported.report)
        return exported


def _check_comparison(options: Options) -> None:
    """Refuses what says how to compare where nothing is compared."""
    given = {
        "--check-inputs": bool(options.check_inputs),
        "--rtol": options.rtol is not None,
        "--atol": options.atol is not None,
        "--verify-timeout": options.verify_timeout is not None,
    }
    for name, is_given in given.items():
        if is_given and not options.verify:
            raise UsageError(f"{name} and --no-verify exclude each other")


def _output_path(wanted: Path | None, reference: ModelReference) -> Path:
    """Where the file goes; refuses early what cannot be written after a long export."""
    default = f"{reference.stem}.onnx"
    path = Path(default) if wanted is None else wanted
    if path.is_dir():
        path = path / default
    check_target(path)
    if reference.file is not None and path.exists() and path.samefile(reference.file):
        raise UsageError(f"{path} is the model's own file.", hint="Give another one with -o.")
    return path


def _show_success(options: Options, report: Report) -> None:
    if options.quiet:
        print(report.path)
    elif options.for_programs:
        _print_for_programs(options, report, None)
    else:
        from fxexport.report.terminal import print_report

        print_report(console_for(sys.stdout), report, verbose=options.verbose)


def _show_failure(
    options: Options, error: BaseException, report: Report | None, exit_code: int
) -> int:
    """Shows why there is no good file; returns the exit code."""
    if options.verbose and not isinstance(error, FxExportError | TyperException):
        _print_traceback(error)
    elif options.verbose and error.__cause__ is not None:
        _print_traceback(error.__cause__)
    if not isinstance(error, FxExportError):
        error = _bug(error, exit_code)
    if options.for_programs:
        _print_for_programs(options, report, error)
        return exit_code
    from fxexport.report.terminal import print_error, print_report

    if report is not None and not options.quiet:
        print_report(console_for(sys.stdout), report, verbose=options.verbose)
    print_error(console_for(sys.stderr), error, verbose=options.verbose)
    return exit_code


def _bug(error: BaseException, exit_code: int) -> FxExportError:
    """An exception of our own making, as something that can be shown."""
    shown = FxExportError(
        f"fxexport itself failed, and nothing was exported: {type(error).__name__}: {error}",
        hint="This is a bug of fxexport. Please report it with the traceback that -v shows.",
    )
    shown.exit_code = exit_code
    return shown


def _print_for_programs(
    options: Options, report: Report | None, error: BaseException | None
) -> None:
    if options.printed == "github":
        from fxexport.report.annotations import as_github

        print(as_github(report, error), end="")
        return
    from fxexport.report.json import as_json_text

    print(as_json_text(report, error))


def _print_traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error, file=sys.stderr)
