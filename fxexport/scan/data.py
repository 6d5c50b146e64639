"""What a scan found, for programs: JSON, and annotations beside the lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fxexport.codes.ids import Code
from fxexport.report.annotations import Annotation
from fxexport.scan.model import Called, Decides, ScannedFile, Step, sites_in
from fxexport.source.location import SourceLocation

__all__ = ["SCHEMA", "annotations_in", "scan_as_json"]

SCHEMA = 1
"""Keys may be added to it, and keep their meaning."""


def scan_as_json(files: Sequence[ScannedFile]) -> str:
    """One JSON object: ``schema`` and ``files``, each with its models."""
    return json.dumps({"schema": SCHEMA, "files": [_file(file) for file in files]}, indent=2)


def _file(file: ScannedFile) -> dict[str, Any]:
    models = [
        {
            "name": model.name,
            "line": model.line,
            "steps": [_step(step) for step in model.steps],
            "hints": [
                {"code": hint.code.value, "file": hint.file, "line": hint.line, "text": hint.text}
                for hint in model.hints
            ],
        }
        for model in file.models
    ]
    return {"path": file.path, "problem": file.problem, "models": models}


def _step(step: Step) -> dict[str, Any]:
    if isinstance(step, Called):
        inner = [_step(one) for one in step.steps]
        return {"call": step.name, "file": step.file, "line": step.line, "steps": inner}
    return {
        "kind": step.kind,
        "line": step.line,
        "column": step.column,
        "code": step.code,
        "decides": step.decides.value,
        "arms": [
            {"name": name, "steps": [_step(one) for one in inner]} for name, inner in step.arms
        ],
    }


def annotations_in(files: Sequence[ScannedFile]) -> list[Annotation]:
    """What a scan has to say beside the lines.

    What an export would refuse is a warning; an if or loop that values or sizes decide is a note:
    it becomes a part of the file.
    """
    found = [one for file in files for one in _annotations(file)]
    return list(dict.fromkeys(found))


def _annotations(file: ScannedFile) -> Iterator[Annotation]:
    for model in file.models:
        for hint in model.hints:
            where = SourceLocation(hint.file, hint.line)
            yield Annotation("warning", hint.code, hint.text, where)
        for site in sites_in([one for one in model.steps if not isinstance(one, Called)]):
            if site.decides in (Decides.VALUES, Decides.SIZES):
                code = Code.LOOP_KEPT if site.kind in ("for", "while") else Code.BRANCH_KEPT
                text = f"{site.kind}: decided by {site.decides.value} of tensors"
                yield Annotation("note", code, text, SourceLocation(file.path, site.line))
