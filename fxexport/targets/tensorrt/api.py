"""The two things that are done with a file: checking it, and building its engine."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, UsageError
from fxexport.report.build import BuildResult, Problem
from fxexport.targets.tensorrt.build.build import BuildError, build_engine
from fxexport.targets.tensorrt.build.options import BuildOptions
from fxexport.targets.tensorrt.build.package import find_package
from fxexport.targets.tensorrt.files import load_model, profiles_of, weight_files
from fxexport.targets.tensorrt.lint.model import lint
from fxexport.targets.tensorrt.lint.sizes import lint_sizes

if TYPE_CHECKING:
    import onnx_ir as ir

    from fxexport.report import Report

__all__ = ["CheckResult", "RefusedError", "WrittenModel", "build", "check", "engine_name", "refuse"]

OnMessage = Callable[[dict[str, Any]], None]


class WrittenModel(Protocol):
    """What is needed of an exported model: where it was written."""

    @property
    def report(self) -> Report:
        """The report; its path is the file's, empty where none was written."""


class RefusedError(FxExportError):
    """TensorRT will refuse the file: known before it is asked (exit code 1).

    Attributes:
        problems: all that was found, warnings included.
    """

    kind = Code.TARGET_REFUSES
    problems: tuple[Problem, ...] = ()


@dataclass
class CheckResult:
    """What a check found.

    Attributes:
        ok: whether no error was found.
        problems: errors and warnings, those of the lint first.
        build: what TensorRT itself said; None when it was not asked.
        note: why it was not asked.
    """

    ok: bool
    problems: list[Problem] = field(default_factory=list)
    build: BuildResult | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON data."""
        return {
            "ok": self.ok,
            "problems": [problem.to_dict() for problem in self.problems],
            "build": None if self.build is None else self.build.to_dict(),
            "note": self.note,
        }


def build(
    model: str | os.PathLike[str] | WrittenModel,
    engine: str | os.PathLike[str] | None = None,
    *,
    profiles: Any = None,
    options: BuildOptions | None = None,
    timeout: float | None = None,
    package: str = "",
    on_message: OnMessage | None = None,
) -> BuildResult:
    """Builds a TensorRT engine from an ONNX file.

    Args:
        model: the file, or what `fxexport.export` gave (then it must have been saved).
        engine: the file or folder that the engine goes to; by default ``model.engine`` beside
            ``model.onnx``.
        profiles: as for `fxexport.export`; by default those in the file.
        options: precision, workspace, compatibility, timing cache.
        timeout: seconds until the build is given up.
        package: "tensorrt" or "tensorrt_rtx"; by default the first where there is a GPU.
        on_message: told of the build's progress, one dict a step.

    Returns:
        The engine's path, its size, what built it, and warnings.

    Raises:
        RefusedError: the file holds what TensorRT refuses; every entry names its line.
        BuildError: TensorRT refused it, crashed, or ran over its time; nothing is left behind.
        UsageError: no such file, no TensorRT, or profiles that do not fit.
        OutputError: the engine cannot be written.
    """
    _check_arguments(options, timeout)
    path = _path_of(model)
    to = engine_name(path) if engine is None else os.fspath(engine)
    if os.path.isdir(to):
        to = os.path.join(to, os.path.basename(engine_name(path)))
    loaded = load_model(path)
    _keep_model(path, loaded, to)
    ranges = profiles_of(path, profiles)
    warnings = [*lint(loaded), *lint_sizes(path, loaded, ranges)]
    refuse(warnings)
    result = build_engine(
        path,
        to,
        model=loaded,
        package=find_package(package),
        profiles=ranges,
        options=options or BuildOptions(),
        timeout=timeout,
        on_message=on_message,
    )
    result.problems = [*warnings, *result.problems]
    if not result.ok:
        raise BuildError(result)
    return result


def check(
    model: str | os.PathLike[str] | WrittenModel,
    *,
    profiles: Any = None,
    options: BuildOptions | None = None,
    timeout: float | None = None,
    package: str = "",
    ask_builder: bool = True,
    on_message: OnMessage | None = None,
) -> CheckResult:
    """Looks for what TensorRT refuses: first by rule, then by a build that is not kept.

    Args:
        model: an ONNX file, ours or not, or what `fxexport.export` gave (once it has been saved).
        profiles: as for `build`.
        options: as for `build`.
        timeout: as for `build`.
        package: as for `build`.
        ask_builder: whether TensorRT is asked when the rules found nothing.
        on_message: as for `build`.

    Returns:
        All that was found.

    Raises:
        UsageError: no such file, or profiles that do not fit.
    """
    _check_arguments(options, timeout)
    name = _path_of(model)
    loaded = load_model(name)
    ranges = profiles_of(name, profiles)
    problems = [*lint(loaded), *lint_sizes(name, loaded, ranges)]
    if any(problem.severity == "error" for problem in problems):
        return CheckResult(False, problems, note="TensorRT was not asked: it would refuse the file")
    if not ask_builder:
        return CheckResult(True, problems, note="TensorRT was not asked")
    try:
        found = find_package(package)
    except UsageError as error:
        return CheckResult(True, problems, note=f"{error.message}; {error.hint}")
    result = build_engine(
        name,
        None,
        model=loaded,
        package=found,
        profiles=ranges,
        options=options or BuildOptions(),
        timeout=timeout,
        on_message=on_message,
    )
    return CheckResult(result.ok, [*problems, *result.problems], result)


def _check_arguments(options: Any, timeout: Any) -> None:
    if options is not None and not isinstance(options, BuildOptions):
        raise UsageError(f"options: expected BuildOptions, got {options!r}")
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (number and 0 < timeout < math.inf):
        raise UsageError(f"the time limit must be a number of seconds above 0, got {timeout!r}")


def _keep_model(path: str, loaded: ir.Model, engine: str) -> None:
    """Refuses a path at which the engine would replace the model or its weights."""
    weights = (os.path.join(os.path.dirname(path), name) for name in weight_files(loaded))
    if os.path.realpath(engine) in map(os.path.realpath, (path, *weights)):
        raise UsageError(f"the engine would replace the model: {engine!r} is a file of its own")


def engine_name(path: str) -> str:
    """``model.engine`` for ``model.onnx``."""
    stem, ending = os.path.splitext(path)
    return f"{stem if ending.lower() == '.onnx' else path}.engine"


def refuse(problems: list[Problem]) -> None:
    """Raises what TensorRT will refuse, the first with the rest in its `others`.

    Raises:
        RefusedError: there is an error among the problems.
    """
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        return
    made = [
        RefusedError(
            f"TensorRT will refuse this: {problem.message}"
            + (f" (node {problem.node!r})" if problem.location is None and problem.node else ""),
            location=problem.location,
            hint=problem.hint,
        )
        for problem in errors
    ]
    made[0].others = tuple(made[1:])
    made[0].problems = tuple(problems)
    raise made[0]


def _path_of(model: str | os.PathLike[str] | WrittenModel) -> str:
    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    path = getattr(getattr(model, "report", None), "path", None)
    if path is None:
        raise UsageError(
            "expected the path of an ONNX file, or what export returned, got "
            f"{type(model).__name__}"
        )
    if not path:
        raise UsageError(
            "this model has not been written to a file", hint="call save(), then build(path)"
        )
    return path
