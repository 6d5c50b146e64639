"""Refusals as text."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.cells import cell_len
from rich.console import Console

import fxexport
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.report.refusals import print_error
from fxexport.source.location import SourceLocation


def shown_error(
    error: BaseException, *, verbose: bool = False, terminal: bool = False, width: int = 80
) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=terminal, color_system=None,
        highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    print_error(console, error, verbose=verbose)
    return stream.getvalue()


def test_an_error_shows_its_line_among_its_neighbours(source: Path) -> None:
    error = UnsupportedError(
        "this if cannot be kept",
        location=SourceLocation(str(source), 6, "forward"),
        hint="use torch.where",
    )
    assert shown_error(error) == (
        "error: this if cannot be kept\n"
        "  --> model.py:6 in forward\n"
        "  4 |     y = x[0]\n"
        "  5 |\n"
        "  6 |     if x[1] > 0:\n"
        "    |     ^^^^^^^^^^^^\n"
        "  7 |         y = y + 1\n"
        "  8 |     return y\n"
        "  hint: use torch.where\n"
    )


@pytest.mark.parametrize(
    ("line", "first", "last"), [(1, "1 | import torch", "3 |"), (8, "6 |", "8 |")]
)
def test_the_neighbours_end_where_the_file_does(
    source: Path, line: int, first: str, last: str
) -> None:
    text = shown_error(UnsupportedError("no", location=SourceLocation(str(source), line)))
    rows = [row.strip() for row in text.splitlines()[2:] if "^" not in row]
    assert rows[0].startswith(first)
    assert rows[-1].startswith(last)


def test_an_error_in_a_file_that_cannot_be_read_still_names_it() -> None:
    error = UnsupportedError("no", location=SourceLocation("/gone/away.py", 7))
    assert shown_error(error) == "error: no\n  --> /gone/away.py:7\n"


def test_all_errors_of_a_run_are_shown() -> None:
    error = UnsupportedError("first")
    error.others = tuple(UnsupportedError(f"other {k}") for k in range(40))
    text = shown_error(error)
    assert text.startswith("error: first\n\nerror: other 0\n")
    assert "41 errors; 29 more are not shown; -v shows all" in text
    assert "error: other 39" in shown_error(error, verbose=True)


def test_off_a_terminal_nothing_is_wrapped_or_read_as_markup(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30 + ".py")
    path.write_text("y = x[bold] + [/bold] # :smile:" + " # and on" * 30 + "\n")
    error = UnsupportedError("[red]no[/red]" * 20, location=SourceLocation(str(path), 1))
    text = shown_error(error)
    assert f"{path.name}:1" in text
    assert "y = x[bold] + [/bold] # :smile:" + " # and on" * 30 in text
    assert "[red]no[/red]" * 20 in text


def test_what_is_refused_at_many_lines_for_one_reason_is_told_once(source: Path) -> None:
    def refused(line: int, text: str = "no such operator") -> UnsupportedError:
        return UnsupportedError(text, location=SourceLocation(str(source), line), hint="do without")

    error = refused(4)
    error.others = (refused(6), refused(7, "something else"), refused(8))
    text = shown_error(error)
    assert text.count("error: no such operator") == 1
    assert "  and at model.py:6, model.py:8\n  hint: do without\n\nerror: something else\n" in text
    assert text.endswith("\n4 errors of 2 kinds\n")


CALL = """\
SCALE = {"1.0": 2}
def forward(x):
\treturn x + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12 * SCALE[f"{x.shape[0] / 2}"]
"""


def refused(folder: Path) -> UnsupportedError:
    path = folder / "scale.py"
    path.write_text(CALL)
    space: dict[str, Any] = {}
    exec(compile(CALL, path, "exec"), space)
    with pytest.raises(UnsupportedError) as caught:
        fxexport.export(space["forward"], torch.ones(2), dynamic=True, verify=False)
    return caught.value


@pytest.mark.parametrize("width", [40, 60, 200])
def test_the_caret_stands_under_the_construct_also_where_the_line_is_cut(
    tmp_path: Path, width: int
) -> None:
    lines = shown_error(refused(tmp_path), terminal=True, width=width).splitlines()
    k = next(k for k, line in enumerate(lines) if "^" in line)
    begin, end = lines[k].index("^"), len(lines[k])
    assert lines[k - 1][begin:end].rstrip("…").startswith('SCALE[f"{x.sha')
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_is_never_exceeded(tmp_path: Path, width: int) -> None:
    path = tmp_path / "model.py"
    path.write_text("y = x" + " + x" * 100 + "\n")
    error = UnsupportedError(
        "a long story " * 20,
        location=SourceLocation(str(path), 1, "forward"),
        hint="do this " * 30,
        code=Code.UNSUPPORTED,
    )
    lines = shown_error(error, terminal=True, width=width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert any(line.endswith("…") for line in lines)  # code is cut, and does not wrap
