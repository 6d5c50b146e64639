"""A report as what code hosts show beside the lines: SARIF 2.1.0, and GitHub's commands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fxexport.codes.explained import explained
from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, errors_in
from fxexport.report.goal_words import NEVER
from fxexport.report.model import Report
from fxexport.source.location import SourceLocation
from fxexport.version import VERSION

__all__ = [
    "Annotation",
    "annotations_of",
    "as_github",
    "as_sarif",
    "github_text",
    "sarif_text",
]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = "https://pypi.org/project/fxexport"


@dataclass(frozen=True)
class Annotation:
    """Something to say beside a line.

    Attributes:
        level: "error", "warning" or "note".
        code: its kind.
        text: what there is to say.
        location: the line; None where none is to blame.
    """

    level: str
    code: Code
    text: str
    location: SourceLocation | None


def annotations_of(report: Report | None, error: BaseException | None = None) -> list[Annotation]:
    """What is to be said of an export: refusals and a disagreement are errors.

    What no comparison reached is a warning; what the file takes for granted or fixes is a note.
    What was kept as it stands in the program is not told.
    """
    return [*_of_error(error), *_of_report(report)]


def _of_error(error: BaseException | None) -> Iterator[Annotation]:
    for one in errors_in(error):
        if isinstance(one, FxExportError):
            text = f"{one.message}. {one.hint}".rstrip(". ") if one.hint else one.message
            yield Annotation("error", one.code, text, one.location)
        else:
            yield Annotation("error", Code.UNSUPPORTED, str(one), None)


def _of_report(report: Report | None) -> Iterator[Annotation]:
    if report is None:
        return
    for found in report.of_kind("pinned", "relation", "assumption", "folded", "state"):
        yield Annotation("note", found.code, found.message, found.location)
    checked = report.verification
    if checked is None:
        return
    if checked.ran and not checked.ok:
        yield Annotation("error", Code.DISAGREES, checked.message, checked.location)
    for one in checked.uncovered:
        text = f"no comparison reached it: it {NEVER.get(one.goal, one.goal)}"
        code = Code.BRANCH_KEPT if one.kind == "branch" else Code.LOOP_KEPT
        yield Annotation("warning", code, text, one.location)


def as_sarif(report: Report | None, error: BaseException | None = None) -> str:
    """A report as SARIF 2.1.0, the form that code scanning takes."""
    return sarif_text(annotations_of(report, error))


def sarif_text(found: Sequence[Annotation]) -> str:
    """Annotations as SARIF 2.1.0.

    Paths are relative to the current folder where they are below it.
    """
    used = list(dict.fromkeys(one.code for one in found))
    texts = explained()
    rules = [
        {
            "id": code.value,
            "name": "".join(part.capitalize() for part in texts[code].name.split("-")),
            "shortDescription": {"text": texts[code].summary},
            "fullDescription": {"text": texts[code].summary},
            "help": {"text": texts[code].text, "markdown": texts[code].text},
        }
        for code in used
    ]
    driver = {"name": "fxexport", "version": VERSION, "informationUri": _HOME, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, used.index(one.code)) for one in found],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(one: Annotation, rule: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": one.code.value,
        "ruleIndex": rule,
        "level": one.level,
        "message": {"text": one.text},
    }
    if one.location is not None:
        result["locations"] = [{"physicalLocation": _physical(one.location)}]
        if one.location.within is not None:
            inner = {"physicalLocation": _physical(one.location.within)}
            result["relatedLocations"] = [{**inner, "message": {"text": "in a library"}}]
    return result


def _physical(location: SourceLocation) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": location.line}
    columns = location.columns
    if columns is not None:
        region |= {"startColumn": columns.start, "endColumn": columns.end}
    if location.code:
        region["snippet"] = {"text": location.code}
    return {"artifactLocation": {"uri": _uri(location.file)}, "region": region}


def _uri(file: str) -> str:
    """A path as a relative URI below the current folder, or as an absolute one."""
    path = _shortened(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _shortened(file: str) -> Path:
    """A path relative to the current folder where it is below it, else an absolute one."""
    path = Path(file).absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def as_github(report: Report | None, error: BaseException | None = None) -> str:
    """A report as commands that GitHub's runners show beside the lines, one a line."""
    return github_text(annotations_of(report, error))


def github_text(found: Sequence[Annotation]) -> str:
    """Annotations as such commands."""
    return "".join(f"{_command(one)}\n" for one in found)


def _command(one: Annotation) -> str:
    level = {"note": "notice"}.get(one.level, one.level)
    parts = []
    if one.location is not None:
        file = _property(_shortened(one.location.file).as_posix())
        parts += [f"file={file}", f"line={one.location.line}"]
        columns = one.location.columns
        if columns is not None:
            parts += [f"col={columns.start}", f"endColumn={columns.end}"]
    parts.append(f"title={_property(f'fxexport {one.code}')}")
    return f"::{level} {','.join(parts)}::{_data(one.text)}"


def _data(text: str) -> str:
    """A message as GitHub's commands want it: on one line."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
