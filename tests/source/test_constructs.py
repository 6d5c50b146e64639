"""Where ifs and loops stand in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fxexport.source.constructs import Constructs
from fxexport.source.location import SourceLocation

CODE = """\
def forward(x, y):
    if (x.sum() >
            0):
        x = x + 1
    else:
        x = helper(x)
    for row in x:
        y = y + row
    while y > 0: y = y - 1
    z = [r for r in x]
    w = x if y else z
    assert w
    return w and z
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "model.py"
    path.write_text(CODE)
    return str(path)


@pytest.mark.parametrize(
    ("line", "bodies"),
    [
        (2, {"then": (4, 4), "else": (6, 6)}),
        (3, {"then": (4, 4), "else": (6, 6)}),  # the head has two lines
        (4, {}),
        (7, {"body": (8, 8)}),
    ],
)
def test_the_bodies_of_a_statement_are_found_by_its_head(
    file: str, line: int, bodies: dict[str, tuple[int, int]]
) -> None:
    assert Constructs().bodies_at(SourceLocation(file, line)) == bodies


def test_the_heads_of_loops_are_told_from_others(file: str) -> None:
    constructs = Constructs()
    heads = [k for k in range(1, 14) if constructs.is_loop(SourceLocation(file, k))]
    assert heads == [7, 9]


def test_lines_that_decide_are_told_from_those_that_call(file: str) -> None:
    constructs = Constructs()
    deciding = [k for k in range(1, 14) if constructs.stands_at(SourceLocation(file, k))]
    assert deciding == [2, 3, 7, 9, 10, 11, 12, 13]


@pytest.mark.parametrize("name", ["cell.py", "gone.py"])
def test_source_that_cannot_be_read_has_no_bodies_and_may_decide(tmp_path: Path, name: str) -> None:
    (tmp_path / "cell.py").write_text("%magic\n")
    location = SourceLocation(str(tmp_path / name), 1)
    assert Constructs().bodies_at(location) == {}
    assert Constructs().stands_at(location)
