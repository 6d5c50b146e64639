"""Reports as SARIF and as GitHub's commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.report.annotations import annotations_of, as_github, as_sarif
from fxexport.report.model import Report, Uncovered, Verification, VerifiedCase
from fxexport.source.location import SourceLocation

jsonschema = pytest.importorskip("jsonschema")

_TEXT = {"type": "object", "required": ["text"], "additionalProperties": False,
         "properties": {"text": {"type": "string", "minLength": 1},
                        "markdown": {"type": "string"}}}  # fmt: skip
_PHYSICAL = {
    "type": "object", "required": ["artifactLocation", "region"], "additionalProperties": False,
    "properties": {
        "artifactLocation": {
            "type": "object", "required": ["uri"], "additionalProperties": False,
            "properties": {"uri": {"type": "string", "pattern": "^[^\\s\\\\]+$"}},
        },
        "region": {
            "type": "object", "required": ["startLine"], "additionalProperties": False,
            "properties": {"startLine": {"type": "integer", "minimum": 1},
                           "snippet": {"type": "object", "required": ["text"]}},
        },
    },
}  # fmt: skip
# The parts of SARIF 2.1.0's schema (OASIS, sections 3.13 to 3.49) that we write, closed to others,
# with what GitHub's code scanning asks for beyond them.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["version", "$schema", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array", "minItems": 1,
            "items": {
                "type": "object", "required": ["tool", "results"], "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object", "required": ["driver"],
                        "properties": {"driver": {
                            "type": "object", "required": ["name", "version", "rules"],
                            "properties": {"rules": {"type": "array", "items": {
                                "type": "object", "additionalProperties": False,
                                "required": ["id", "shortDescription", "fullDescription", "help"],
                                "properties": {
                                    "id": {"type": "string"},
                                    "name": {"type": "string", "pattern": "^[A-Za-z]+$"},
                                    "shortDescription": _TEXT, "fullDescription": _TEXT,
                                    "help": _TEXT,
                                },
                            }}},
                        }},
                    },
                    "results": {"type": "array", "items": {
                        "type": "object", "additionalProperties": False,
                        "required": ["ruleId", "ruleIndex", "level", "message"],
                        "properties": {
                            "ruleId": {"type": "string"},
                            "ruleIndex": {"type": "integer", "minimum": 0},
                            "level": {"enum": ["none", "note", "warning", "error"]},
                            "message": _TEXT,
                            "locations": {"type": "array", "items": {
                                "type": "object", "required": ["physicalLocation"],
                                "additionalProperties": False,
                                "properties": {"physicalLocation": _PHYSICAL}}},
                            "relatedLocations": {"type": "array", "items": {
                                "type": "object", "required": ["physicalLocation", "message"],
                                "additionalProperties": False,
                                "properties": {"physicalLocation": _PHYSICAL,
                                               "message": _TEXT}}},
                        },
                    }},
                },
            },
        },
    },
}  # fmt: skip


def sarif(report: Report | None, error: Exception | None = None) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(as_sarif(report, error))
    jsonschema.validate(data, SCHEMA)
    (run,) = data["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return run  # type: ignore[no-any-return]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a b.py"
    path.write_text("x = 1\nif x:\n    pass\n")
    return path


def a_report(source: Path) -> Report:
    report = Report()
    report.add("branch", "kept as a branch", SourceLocation(str(source), 2))
    report.add("relation", "a, b: 100%\nand more", SourceLocation(str(source), 1))
    report.verification = Verification(
        True,
        [VerifiedCase("zeros", False)],
        message="zeros: differs",
        uncovered=[Uncovered("branch", "then", SourceLocation(str(source), 2))],
    )
    return report


def test_what_was_kept_is_not_told_and_the_rest_has_its_level(source: Path) -> None:
    assert [(one.level, one.code) for one in annotations_of(a_report(source))] == [
        ("note", Code.RELATION), ("error", Code.DISAGREES), ("warning", Code.BRANCH_KEPT),
    ]  # fmt: skip


def test_sarif_has_lines_relative_to_the_current_folder(source: Path) -> None:
    results = sarif(a_report(source))["results"]
    (place,) = results[0]["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b.py"},
        "region": {"startLine": 1, "snippet": {"text": "x = 1"}},
    }
    assert "locations" not in results[1]


def test_sarif_has_every_refusal_with_the_librarys_line(source: Path) -> None:
    inner = SourceLocation("/elsewhere/lib.py", 7)
    where = SourceLocation(str(source), 2, within=inner)
    error = UnsupportedError("no", location=where, hint="do this", code=Code.TEXT)
    error.others = (UnsupportedError("nor this", code=Code.MEMORY),)
    first, second = sarif(None, error)["results"]
    assert (first["ruleId"], first["level"]) == ("FX107", "error")
    assert first["message"]["text"] == "no. do this"
    (related,) = first["relatedLocations"]
    assert related["physicalLocation"]["artifactLocation"]["uri"] == "file:///elsewhere/lib.py"
    assert second["ruleId"] == "FX401"


def test_an_export_with_nothing_to_say_is_an_empty_run() -> None:
    assert sarif(Report())["results"] == []


def test_a_failure_of_our_own_is_told_too() -> None:
    assert sarif(None, ValueError("broken"))["results"][0]["message"]["text"] == "broken"


def test_githubs_commands_are_one_line_each_and_escaped(source: Path) -> None:
    lines = as_github(a_report(source)).splitlines()
    assert lines == [
        "::notice file=a b.py,line=1,title=fxexport FX008::a, b: 100%25%0Aand more",
        "::error title=fxexport FX904::zeros: differs",
        "::warning file=a b.py,line=2,title=fxexport FX001::no comparison reached it: "
        "it was never true",
    ]
