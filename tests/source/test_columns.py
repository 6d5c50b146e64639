"""Findings and refusals name the part of the line that they are about."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import fxexport
from fxexport.source.columns import Columns
from fxexport.source.conditions import line_decided
from fxexport.source.frames import standing_at, user_location
from fxexport.source.location import SourceLocation


def part_of(location: SourceLocation | None) -> str:
    """The text that a location's columns name."""
    assert location is not None
    columns = location.columns
    assert columns is not None
    line = Path(location.file).read_text().splitlines()[location.line - 1]
    return line[columns.start - 1 : columns.end - 1]


def refusal(model: Callable[..., Any]) -> fxexport.FxExportError:
    with pytest.raises(fxexport.FxExportError) as caught:
        fxexport.export(model, (torch.ones(2),), dynamic=True, verify=False)
    return caught.value


def in_an_expression(x: torch.Tensor) -> Any:
    return torch.relu(x) + x.numpy() + 1


def behind_other_letters(x: torch.Tensor) -> Any:
    return "äöü€", x.numpy()


def over_several_lines(x: torch.Tensor) -> Any:
    return x.numpy(
        force=True
    ) + 1  # fmt: skip


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (in_an_expression, "x.numpy()"),
        (behind_other_letters, "x.numpy()"),
        (over_several_lines, "x.numpy("),
    ],
)
def test_a_refusal_names_its_expression(model: Callable[..., Any], part: str) -> None:
    assert part_of(refusal(model).location) == part


def decides(x: torch.Tensor) -> torch.Tensor:
    y = (x + 1) if x.sum() > 0 else (x - 1)
    if y.sum() > 0 and y.max() > 1:
        y = y * 2
    return torch.stack([row * 2 for row in y])


def test_findings_name_what_decides() -> None:
    exported = fxexport.export(decides, (torch.ones(2),), dynamic=True, verify=False)
    assert [part_of(one.location) for one in exported.report.of_kind("branch", "loop")] == [
        "(x + 1) if x.sum() > 0 else (x - 1)",
        "if y.sum() > 0 and y.max() > 1:",
        "[row * 2 for row in y]",
    ]


def test_a_frame_that_only_claims_to_stand_there_has_no_columns() -> None:
    location = standing_at(__file__, 3, "f")(user_location)
    assert location is not None
    assert (location.line, location.columns) == (3, None)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_location_survives_a_copy_with_its_columns(again: Callable[[Any], Any]) -> None:
    location = refusal(in_an_expression).location
    assert location is not None
    other = again(location)
    assert (other, other.columns) == (location, location.columns)
    assert isinstance(other.columns, Columns)


def test_columns_do_not_tell_locations_apart() -> None:
    one, other = (SourceLocation("a.py", 1, "f", at=Columns(k, 9)) for k in (1, 2))
    assert one == other
    assert len({one, other}) == 1


SOURCE = """
def f(x):
    while (x.sum() < 1
           and x.max() < 2):
        x = x + 1
    y = x.sum() > 0 and x.max() > 1
    assert (
        x.min() > 0 or x.max() > 0
    )
    return (x if (a and b) else y) if (
        c or d) else z
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x.sum() < 1\n", 3),
        ("x.sum() > 0 and", None),
        ("x.min() > 0 or", 7),
        ("a and b", 10),
        ("c or d", 10),
    ],
)
def test_the_statement_around_an_operand_is_found(
    tmp_path: Path, text: str, line: int | None
) -> None:
    file = tmp_path / "m.py"
    file.write_text(SOURCE)
    before = SOURCE[: SOURCE.index(text)]
    column = len(before) - before.rfind("\n") - 1
    assert line_decided(str(file), before.count("\n") + 1, column) == line


def test_a_file_that_cannot_be_read_has_no_statements(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def (:\n")
    assert line_decided(str(tmp_path / "bad.py"), 1, 0) is None
    assert line_decided(str(tmp_path / "none.py"), 1, 0) is None
