"""Building an engine from an ONNX file, and saying why not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fxexport.codes.ids import Code
from fxexport.errors import FxExportError
from fxexport.files.atomic import check_writable, new_file, writing
from fxexport.report.build import BuildResult, Problem
from fxexport.targets.tensorrt.build.explain import explain, tidy
from fxexport.targets.tensorrt.build.node_locations import NodeIndex
from fxexport.targets.tensorrt.build.options import HARDWARE_LEVELS, BuildOptions
from fxexport.targets.tensorrt.build.package import INSTALL_HINT, TensorRTPackage
from fxexport.targets.tensorrt.build.process import ChildOutcome, run_child

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["BuildError", "ProfileRanges", "build_engine"]

ProfileRanges = Mapping[str, Mapping[str, Any]]
"""One profile: by input, `kind` ("shape" or "value"), `min`, `opt` and `max`."""


class BuildError(FxExportError):
    """TensorRT did not build the engine (exit code 4).

    Attributes:
        result: what was found.
    """

    kind = Code.NOT_BUILT
    exit_code = 4

    def __init__(self, result: BuildResult, message: str = "") -> None:
        first = next((p for p in result.problems if p.severity == "error"), None)
        text = message or (first.message if first else "no reason was given")
        super().__init__(
            f"{result.builder} did not build the engine: {text}",
            location=first.location if first else None,
            hint=first.hint if first else "",
        )
        self.result = result
        # Worth their own entries: those that name a further line.
        self.others = tuple(
            FxExportError(p.message, location=p.location, hint=p.hint)
            for p in result.problems
            if p.severity == "error" and p is not first
        )


def build_engine(
    model_path: str,
    engine_path: str | None,
    *,
    model: ir.Model,
    package: TensorRTPackage,
    profiles: Sequence[ProfileRanges],
    options: BuildOptions,
    timeout: float | None = None,
    on_message: Callable[[dict[str, Any]], None] | None = None,
) -> BuildResult:
    """Builds one engine in a child process.

    Args:
        model_path: the ONNX file.
        engine_path: where the engine goes, whole or not at all; None keeps none.
        model: the same file, loaded: problems are found back in it.
        package: which TensorRT.
        profiles: ranges of the dynamic inputs.
        options: precision and the like.
        timeout: seconds until the build is given up.
        on_message: told of the build's progress.

    Returns:
        The result; `ok` is False when TensorRT refused, crashed, or ran over its time.

    Raises:
        OutputError: when the engine or the timing cache cannot be written.
        UsageError: when the package does not have an option.
    """
    options.check_for(package)
    if options.timing_cache_file:
        check_writable(options.timing_cache_file, os.path.realpath(options.timing_cache_file))
    with _written_whole(engine_path) as part:
        outcome = run_child(
            {
                "package": package.module,
                "title": package.title,
                "model": os.fspath(model_path),
                "engine": part,
                "profiles": [dict(profile) for profile in profiles],
                "options": options.to_dict(),
                "hardware_level": HARDWARE_LEVELS[options.hardware_compatibility_level],
            },
            timeout=timeout,
            on_message=on_message,
        )
        result = BuildResult(
            ok=outcome.ok,
            size_bytes=outcome.size,
            builder=package.title,
            seconds=outcome.seconds,
            problems=_problems(outcome, NodeIndex(model), timeout),
        )
        if outcome.ok and part and engine_path:
            os.replace(part, os.path.realpath(engine_path))
            result.path = engine_path
    return result


@contextlib.contextmanager
def _written_whole(path: str | None) -> Iterator[str]:
    """A file beside the engine's to write to; removed at the end unless it was moved."""
    if path is None:
        yield ""
        return
    target = os.path.realpath(path)
    check_writable(path, target)
    with writing(path), new_file(target) as part:
        yield part


def _problems(outcome: ChildOutcome, index: NodeIndex, timeout: float | None) -> list[Problem]:
    if outcome.timed_out:
        return [
            Problem(
                f"the build took longer than {timeout:g} s and was stopped",
                hint="allow more with --build-timeout",
            )
        ]
    found: list[Problem] = []
    for finding in outcome.findings:
        found.append(_from_parser(finding, index) if "node" in finding else _plain(finding))
    if outcome.crash:
        node, location = index.mentioned(" ".join(outcome.errors[-1:]))
        found.append(
            Problem(
                f"TensorRT's builder crashed ({outcome.crash})",
                hint=_crash_hint(outcome.crash),
                location=location,
                node=node,
                said=tidy(outcome.errors[-1]) if outcome.errors else "",
            )
        )
    if not outcome.ok and not found:
        found = [_from_builder(text, index) for text in dict.fromkeys(outcome.errors)]
    if not outcome.ok and not found:
        found = [Problem("TensorRT gave no reason")]
    return [*found, *(Problem(text, "warning") for text in outcome.notes)]


def _crash_hint(crash: str) -> str:
    if "SIGKILL" in crash:
        return "this machine had not enough memory, if nobody ended the process"
    if "signal" in crash:
        return "a size that is taken from an input's value inside an if is one known cause"
    return ""


def _plain(finding: Mapping[str, Any]) -> Problem:
    hint = INSTALL_HINT if "install" in finding else ""
    if "input" in finding:
        hint = "give a range: --dynamic x:0=batch[1..4..8]"
    elif "values" in finding:
        name = finding["values"]
        hint = f"for example --minShapes={name}:1 --optShapes={name}:4 --maxShapes={name}:8"
    return Problem(finding["message"], hint=hint)


def _from_parser(finding: Mapping[str, Any], index: NodeIndex) -> Problem:
    node, location = index.find(finding["node"])
    meaning, hint = explain(finding["message"])
    return Problem(
        f"{finding['operator']}: {meaning}" if finding["operator"] else meaning,
        hint=hint,
        location=location,
        node=node or finding["node"],
        said=tidy(finding["message"]),
    )


def _from_builder(text: str, index: NodeIndex) -> Problem:
    node, location = index.mentioned(text)
    meaning, hint = explain(text)
    return Problem(meaning, hint=hint, location=location, node=node, said=tidy(text))
