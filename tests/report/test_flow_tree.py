"""The control flow as a tree: nested as in the file, with what was compared of each path."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.cells import cell_len
from rich.console import Console

import fxexport
from fxexport.report.flow_tree import print_control_flow
from fxexport.report.model import Goal, Reach, Report, Verification, VerifiedCase
from fxexport.report.sites import Arm, Site
from fxexport.source.location import SourceLocation


def shown(
    report: Report, *, verbose: bool = False, width: int = 80, terminal: bool = False
) -> list[str]:
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=terminal, color_system=None, highlight=False
    )
    print_control_flow(console, report, verbose=verbose)
    return [line.rstrip() for line in stream.getvalue().strip("\n").splitlines()]


def written(folder: Path, code: str) -> Path:
    path = folder / "model.py"
    path.write_text(textwrap.dedent(code))
    return path


def exported(path: Path, inputs: Any, dynamic: Any = None, *, verify: bool = False) -> Report:
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), path, "exec"), space)
    return fxexport.export(space["forward"], inputs, dynamic=dynamic, verify=verify).report


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


NESTED = """\
    def forward(x):
        total = x.new_zeros(())
        for row in x:
            if row.sum() > 0:
                total = total + row.max()
        return total
"""


def test_an_if_in_a_loop_stands_below_it_and_each_path_has_its_mark(tmp_path: Path) -> None:
    report = exported(written(tmp_path, NESTED), torch.ones(3, 2), {"x": {0: "rows"}}, verify=True)
    assert shown(report) == [
        "Control flow: 1 If, 1 Loop",
        "Loop  model.py:3  for row in x:  trips: 0 ✔  1 ✔  2+ ✔",
        "└── If  model.py:4  if row.sum() > 0:  then ✔  else ✔",
    ]


def test_what_was_decided_stands_where_it_is_in_the_source(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
        def forward(x, n: int = 3, training: bool = False):
            if x.sum() > 0:
                if training:
                    x = x + 1
                for k in range(3):
                    if x[k] > k:
                        x = x * 2
            return x
        """,
    )
    report = exported(path, torch.ones(3))
    assert shown(report) == [
        "Control flow: 2 Ifs; 1 decided at export",
        "If  model.py:2  if x.sum() > 0:",
        "└── then",
        "    └── written out  model.py:5  for k in range(3):  "
        "this loop is written out: 3 iterations",
        "        └── If  model.py:6  3 times  if x[k] > k:",
    ]


def test_what_was_decided_stands_in_the_body_that_holds_nothing_else(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
        import torch
        def forward(x):
            if x.sum() > 0:
                for function in (torch.relu, torch.exp):
                    x = function(x)
            return x
        """,
    )
    assert shown(exported(path, torch.ones(3))) == [
        "Control flow: 1 If; 1 decided at export",
        "If  model.py:3  if x.sum() > 0:",
        "└── then",
        "    └── written out  model.py:4  for function in (torch.relu, torch.exp):  "
        "this loop is written out: 2 iterations",
    ]


def test_a_loop_that_may_end_early_is_written_out_once_and_not_as_ifs_in_ifs(
    tmp_path: Path,
) -> None:
    path = written(
        tmp_path,
        """\
        import torch
        def forward(x):
            for function in (torch.relu, torch.exp, torch.tanh, torch.sin):
                if x.sum() > 4:
                    return x
                x = function(x)
            return x
        """,
    )
    report = exported(path, torch.ones(3), verify=True)
    lines = shown(report)
    assert lines[0] == "Control flow: 1 If; 1 decided at export"
    assert lines[1].startswith("written out  model.py:3  for function in")
    assert lines[2].startswith("└── If  model.py:4  4 times  if x.sum() > 4:")
    assert lines[3] == "      was never true: other decisions lead elsewhere"
    assert len(lines) == 4


def test_a_loop_with_a_return_in_it_is_one_loop(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
        def forward(x):
            for row in x:
                if row.sum() > 0:
                    return row
            return x[0] * 0
        """,
    )
    assert shown(exported(path, torch.ones(3, 2), {"x": {0: "rows"}})) == [
        "Control flow: 1 If, 1 Loop",
        "Loop  model.py:2  for row in x:",
        "└── If  model.py:3  if row.sum() > 0:",
    ]


def test_a_while_with_two_conditions_is_one_loop(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
        def forward(x):
            while x.sum() < 9 and x.max() < 5:
                x = x + 1
            return x
        """,
    )
    assert shown(exported(path, torch.ones(3))) == [
        "Control flow: 1 Loop",
        "Loop  model.py:2  while x.sum() < 9 and x.max() < 5:",
    ]


def test_what_a_library_decides_is_counted_and_shown_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "fxexport_test_library.py").write_text(
        "def halved(x):\n    if x.shape[0] >= 0:\n        x = x / 2\n    return x\n"
    )
    monkeypatch.syspath_prepend(library)
    path = written(
        tmp_path,
        """\
        import fxexport_test_library
        def forward(x):
            return fxexport_test_library.halved(x)
        """,
    )
    report = exported(path, torch.ones(3), True)
    more = "1 more decided by functions of libraries; -v shows them"
    assert shown(report) == ["Control flow: no if or loop depends on the inputs", more]
    first, *decided = shown(report, verbose=True)
    assert first == "Control flow: no if or loop depends on the inputs; 1 decided at export"
    assert decided[0].startswith("decided  model.py:3  return fxexport_test_library.halved(x)  in ")
    assert "fxexport_test_library.py:2, x_d0 is any size" in decided[0]


HERE = SourceLocation("gone.py", 3)
PATH = ("branch_1",)


def goals(reached: Sequence[tuple[str, Reach]], kind: str = "branch") -> Verification:
    found = [
        Goal(kind, goal, HERE, how, "IndexError: index 0" if how == "not reached" else "", PATH)
        for goal, how in reached
    ]
    return Verification(True, [VerifiedCase("example inputs", True)], goals=found)


def one_site(copies: int = 1) -> tuple[Site, ...]:
    arms = (Arm("then", 1), Arm("else", 1))
    return (Site("branch", HERE, arms, paths=(PATH,) * copies),)


@pytest.mark.parametrize(
    ("reached", "marks"),
    [
        ([("then", "input"), ("else", "forced")], "then ✔  else ✔ forced"),
        ([("then", "input"), ("else", "graph only")], "then ✔  else graph only"),
        ([("then", "input"), ("else", "not reached")], "then ✔  else never"),
        ([("then", "input"), ("then", "not reached")], "then 1 of 2"),
        ([("then", "input"), ("then", "forced")], "then ✔ 1 forced"),
    ],
)
def test_marks_say_how_each_path_was_compared(
    reached: Sequence[tuple[str, Reach]], marks: str
) -> None:
    lines = shown(Report(control_flow=one_site(), verification=goals(reached)))
    assert lines[1] == f"If  gone.py:3  {marks}"
    why = [line.strip() for line in lines[2:]]
    missing = ["was never false" if g == "else" else "was never true" for g, how in reached
               if how == "not reached"]  # fmt: skip
    assert why == [f"{text}: IndexError: index 0" for text in missing]


def test_marks_are_of_the_construct_that_stands_there_and_not_of_its_line() -> None:
    line = SourceLocation("gone.py", 9)

    def inner(path: tuple[str, ...]) -> Site:
        return Site("branch", line, (), paths=(path,))

    arms = (
        Arm("then", 1, (inner(("b", "then", "c")),)),
        Arm("else", 1, (inner(("b", "else", "c")),)),
    )
    goals = [
        Goal("branch", "then", line, "input", path=("b", "then", "c")),
        Goal("branch", "then", line, "forced", path=("b", "else", "c")),
    ]
    verification = Verification(True, [VerifiedCase("example inputs", True)], goals=goals)
    report = Report(
        control_flow=(Site("branch", HERE, arms, paths=(("b",),)),), verification=verification
    )
    assert shown(report)[2:] == [
        "├── then",
        "│   └── If  gone.py:9  then ✔",
        "└── else",
        "    └── If  gone.py:9  then ✔ forced",
    ]


def test_without_a_comparison_there_are_no_marks() -> None:
    assert shown(Report(control_flow=one_site(copies=12)))[1] == "If  gone.py:3  12 times"


def test_long_trees_are_cut_short_unless_verbose() -> None:
    sites = tuple(Site("loop", SourceLocation("gone.py", k), ()) for k in range(1, 101))
    lines = shown(Report(control_flow=sites))
    assert len(lines) == 42
    assert lines[-1] == "60 more are not shown; -v shows all"
    assert len(shown(Report(control_flow=sites), verbose=True)) == 101


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_code_is_cut_and_marks_stand_below_each_other(
    tmp_path: Path, width: int
) -> None:
    code = NESTED.replace("row.sum() > 0", "row.sum() > 0" + " + 0" * 30)
    report = exported(written(tmp_path, code), torch.ones(3, 2), {"x": {0: "rows"}}, verify=True)
    lines = shown(report, width=width, terminal=True)
    assert max(map(cell_len, lines)) <= width
    marks = [line for line in lines if "✔" in line]
    assert len({cell_len(line) for line in marks}) == 1
    assert "…" in "".join(lines)
