"""The report as JSON."""

from __future__ import annotations

import json
import math

import pytest

from fxexport.errors import MissingLoweringError, UnsupportedError, UsageError
from fxexport.report import as_json
from fxexport.report.json import as_json_text
from fxexport.report.model import OutputDifference, Report, Uncovered, Verification, VerifiedCase
from fxexport.source.location import SourceLocation

KEYS = {
    "schema",
    "versions",
    "ok",
    "model",
    "target",
    "opset",
    "path",
    "size_bytes",
    "inputs",
    "outputs",
    "control_flow",
    "findings",
    "stages",
    "verification",
    "build",
    "error",
    "profiles",
    "no_profile",
}


def test_the_keys_are_always_the_same() -> None:
    report = Report(model="m", verification=Verification(ran=False, message="why"))
    for shown in (as_json(), as_json(report), as_json(error=UsageError("no"))):
        assert set(shown) == KEYS


def test_a_report_survives_the_way_through_json() -> None:
    report = Report(model="m.py:Net", target="onnxruntime", opset=20, path="gone.onnx")
    report.add("branch", "kept", SourceLocation("m.py", 3, "forward"))
    report.add("note", "no place")
    report.stages = [("capture", 0.5)]
    report.verification = Verification(
        True,
        [VerifiedCase("a", True, (OutputDifference("y", True, 0.25, 0.5),))],
        uncovered=[Uncovered("branch", "then", SourceLocation("m.py", 3, "forward"))],
        notes=["one"],
    )
    shown = json.loads(as_json_text(report))
    assert shown["ok"] is True
    assert shown["size_bytes"] is None
    assert shown["findings"] == [
        {
            "kind": "branch",
            "code": "FX001",
            "message": "kept",
            "location": {
                "file": "m.py",
                "line": 3,
                "column": None,
                "end_column": None,
                "function": "forward",
                "code": "",
            },
            "nodes": [],
        },
        {"kind": "note", "code": "FX012", "message": "no place", "location": None, "nodes": []},
    ]
    assert shown["stages"] == [{"name": "capture", "seconds": 0.5}]
    assert shown["verification"]["ok"] is True
    assert shown["verification"]["cases"][0]["outputs"] == [
        {"name": "y", "ok": True, "max_abs": 0.25, "max_rel": 0.5, "message": ""}
    ]
    assert shown["verification"]["location"] is None
    assert shown["verification"]["notes"] == ["one"]
    (uncovered,) = shown["verification"]["uncovered"]
    assert (uncovered["kind"], uncovered["goal"], uncovered["location"]["line"]) == (
        "branch",
        "then",
        3,
    )
    assert shown["error"] is None


def test_an_error_carries_all_that_is_known() -> None:
    error = MissingLoweringError(
        "no svd", operator="aten::svd", location=SourceLocation("m.py", 3), hint="add one"
    )
    error.others = (UnsupportedError("one more"),)
    shown = as_json(error=error)
    assert shown["ok"] is False
    assert shown["error"]["type"] == "MissingLoweringError"
    assert shown["error"]["code"] == "FX601"
    assert shown["error"]["operator"] == "aten::svd"
    assert shown["error"]["location"]["line"] == 3
    assert (shown["error"]["hint"], shown["error"]["exit_code"]) == ("add one", 1)
    assert [other["message"] for other in shown["error"]["others"]] == ["one more"]


@pytest.mark.parametrize(("value", "text"), [(math.inf, "inf"), (math.nan, "nan")])
def test_numbers_that_json_lacks_are_named(value: float, text: str) -> None:
    case = VerifiedCase("a", False, (OutputDifference("y", False, value),))
    shown = json.loads(as_json_text(Report(verification=Verification(True, [case]))))
    assert shown["verification"]["cases"][0]["outputs"][0]["max_abs"] == text
