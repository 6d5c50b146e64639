"""Reports as SARIF and as GitHub's commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jsonschema")

import jsonschema

from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.report.annotations import annotations_of, as_github, as_sarif
from fxexport.report.model import Report, Uncovered, Verification, VerifiedCase
from fxexport.source.columns import Columns
from fxexport.source.location import SourceLocation
from tests.report.sarif import run_of


def sarif(report: Report | None, error: Exception | None = None) -> dict[str, Any]:
    return run_of(as_sarif(report, error))


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


def test_both_forms_have_columns_where_they_are_known(source: Path) -> None:
    error = UnsupportedError("no", location=SourceLocation(str(source), 2, at=Columns(4, 5)))
    (result,) = sarif(None, error)["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"], region["endColumn"]) == (2, 4, 5)
    assert ",line=2,col=4,endColumn=5,title=" in as_github(None, error)


@pytest.mark.parametrize("broken", [{"level": "bad"}, {"ruleIndex": -2}, {"other": 1}])
def test_the_schema_refuses_what_is_no_sarif(source: Path, broken: dict[str, Any]) -> None:
    log = json.loads(as_sarif(a_report(source)))
    log["runs"][0]["results"][0] |= broken
    with pytest.raises(jsonschema.ValidationError):
        run_of(json.dumps(log))


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
