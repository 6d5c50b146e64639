"""An outline as plain data, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fxexport.outline.model import Check, Construct, Operators, Outline, Step

__all__ = ["SCHEMA", "outline_as_json"]

SCHEMA = 1
"""Keys may be added to it, and keep their meaning."""


def outline_as_json(outline: Outline) -> str:
    """One JSON object; docs/show.md says what its keys mean."""
    data = {
        "schema": SCHEMA,
        "path": outline.path,
        "bytes": outline.size,
        "producer": outline.producer,
        "opsets": dict(outline.opsets),
        "weights": {"bytes": outline.weight_bytes, "files": list(outline.weight_files)},
        "inputs": list(outline.inputs),
        "outputs": list(outline.outputs),
        "steps": _steps(outline.steps),
        "operators": dict(outline.operators),
        "contract": outline.contract,
        "profiles": list(outline.profiles),
    }
    return json.dumps(data, indent=2)


def _steps(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [_step(step) for step in steps]


def _step(step: Step) -> dict[str, Any]:
    if isinstance(step, Operators):
        return {"operators": list(step.types)}
    if isinstance(step, Check):
        return {"check": step.text}
    return _construct(step)


def _construct(construct: Construct) -> dict[str, Any]:
    return {
        "kind": construct.kind,
        "name": construct.name,
        "place": None if construct.place is None else asdict(construct.place),
        "module": construct.module,
        "loop": None if construct.loop is None else asdict(construct.loop),
        "time_share": construct.share,
        "arms": [{"name": arm.name, "steps": _steps(arm.steps)} for arm in construct.arms],
    }
