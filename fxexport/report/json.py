"""The report as plain JSON data: every key is always there, and keys keep their meaning.

`schemas/` holds JSON Schemas of what the command prints; `json_schema` reads one.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from fxexport.errors import FxExportError
from fxexport.report.build import BuildResult
from fxexport.report.model import Report, Verification, VerifiedCase
from fxexport.report.sites import sites_as_data
from fxexport.source.location import SourceLocation

__all__ = [
    "SCHEMA",
    "SchemaName",
    "as_json",
    "as_json_text",
    "error_as_json",
    "file_size",
    "json_schema",
    "versions_of",
]

SCHEMA = 1
"""The number of the form. It changes where a key goes away or changes its meaning."""

SchemaName = Literal["report", "check", "outline", "differences", "scan"]
"""What there is a JSON Schema of."""


def json_schema(name: SchemaName = "report") -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what the command prints as JSON.

    Args:
        name: "report" for an export and ``fxexport verify``; "check", "outline" (``show``),
            "differences" (``diff``) or "scan" for these subcommands.
    """
    file = Path(__file__).parent / "schemas" / f"{name}.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def as_json(report: Report | None = None, error: BaseException | None = None) -> dict[str, Any]:
    """A report, or a refusal, as data that `json.dumps` takes.

    Args:
        report: what was exported; None when the export was refused.
        error: why the export failed; None when it did not.

    Returns:
        A dict with the keys schema, versions, ok, model, target, opset, path, size_bytes, inputs,
        outputs, profiles, no_profile, control_flow, findings, stages, verification, build and
        error. ``ok`` is True when a file was written and nothing is known to be wrong with it.
    """
    shown = report or Report()
    return {
        "schema": SCHEMA,
        "versions": versions_of(shown.versions, shown.build),
        "ok": error is None and report is not None,
        "model": shown.model,
        "target": shown.target,
        "opset": shown.opset,
        "path": shown.path,
        "size_bytes": file_size(shown.path),
        "inputs": shown.inputs,
        "outputs": shown.outputs,
        "profiles": shown.profiles,
        "no_profile": shown.no_profile,
        "control_flow": sites_as_data(shown.control_flow),
        "findings": [finding.to_dict() for finding in shown.findings],
        "stages": [{"name": name, "seconds": round(s, 6)} for name, s in shown.stages],
        "verification": _verification(shown.verification),
        "build": None if shown.build is None else shown.build.to_dict(),
        "error": None if error is None else error_as_json(error),
    }


def as_json_text(report: Report | None = None, error: BaseException | None = None) -> str:
    """`as_json` as text. Numbers that JSON lacks are the texts "inf", "-inf" and "nan"."""
    return json.dumps(_finite(as_json(report, error)), indent=2, allow_nan=False, default=str)


def error_as_json(error: BaseException) -> dict[str, Any]:
    """A refusal as plain JSON data; ``others`` holds further ones met in the same run."""
    known = isinstance(error, FxExportError)
    location = error.location if isinstance(error, FxExportError) else None
    return {
        "type": type(error).__name__,
        "code": error.code.value if isinstance(error, FxExportError) else None,
        "message": error.message if isinstance(error, FxExportError) else str(error),
        "location": _location(location),
        "within": _location(None if location is None else location.within),
        "hint": error.hint if isinstance(error, FxExportError) else "",
        "exit_code": getattr(error, "exit_code", 1) if known else None,
        "operator": getattr(error, "operator", None),
        "others": [error_as_json(other) for other in getattr(error, "others", ())],
    }


def file_size(path: str | os.PathLike[str]) -> int | None:
    """Bytes in a model file and in the weights file beside it; None where there is no file."""
    path = os.fspath(path)
    if not os.path.isfile(path):
        return None
    weights = path + ".data"
    beside = os.path.getsize(weights) if os.path.isfile(weights) else 0
    return os.path.getsize(path) + beside


def versions_of(
    installed: Mapping[str, str | None], build: BuildResult | None
) -> dict[str, str | None]:
    """Versions as plain JSON data: those of the packages, and of TensorRT where it was asked."""
    return {**installed, "tensorrt": build.builder or None if build is not None else None}


def _location(location: SourceLocation | None) -> dict[str, Any] | None:
    return None if location is None else dict(location.to_dict())


def _verification(verification: Verification | None) -> dict[str, Any] | None:
    if verification is None:
        return None
    return {
        "ran": verification.ran,
        "ok": verification.ok,
        "message": verification.message,
        "location": _location(verification.location),
        "cases": [_case(case) for case in verification.cases],
        "uncovered": [
            {"kind": one.kind, "goal": one.goal, "location": _location(one.location)}
            for one in verification.uncovered
        ],
        "coverage": _coverage(verification),
        "goals": [
            {
                "kind": goal.kind,
                "goal": goal.goal,
                "location": _location(goal.location),
                "reached": goal.reached,
                "reason": goal.reason,
            }
            for goal in verification.goals
        ],
        "notes": list(verification.notes),
        "tolerances": verification.tolerances,
    }


def _coverage(verification: Verification) -> dict[str, Any]:
    """How many goals there are, how they were reached, and the share of those compared."""
    reached = [goal.reached for goal in verification.goals]
    return {
        "goals": len(reached),
        "by_input": reached.count("input"),
        "forced": reached.count("forced"),
        "graph_only": reached.count("graph only"),
        "percent": verification.coverage,
    }


def _case(case: VerifiedCase) -> dict[str, Any]:
    return {
        "label": case.label,
        "ok": case.ok,
        "message": case.message,
        "outputs": [
            {
                "name": output.name,
                "ok": output.ok,
                "max_abs": output.max_abs,
                "max_rel": output.max_rel,
                "message": output.message,
            }
            for output in case.outputs
        ],
    }


def _finite(data: Any) -> Any:
    """The data with floats that JSON cannot hold replaced by their names."""
    if isinstance(data, float):
        return data if math.isfinite(data) else str(data)
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
