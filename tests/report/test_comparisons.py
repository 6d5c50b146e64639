"""The report says how much of the control flow was compared, and how."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fxexport.report.comparisons import print_comparisons
from fxexport.report.json import as_json
from fxexport.report.model import Goal, OutputDifference, Reach, Report, Verification, VerifiedCase
from fxexport.source.location import SourceLocation

HERE = SourceLocation("m.py", 3, "forward")


def verification(*goals: Goal) -> Verification:
    return Verification(True, [VerifiedCase("example inputs", True)], goals=list(goals))


def shown(result: Verification) -> str:
    file = io.StringIO()
    print_comparisons(Console(file=file, width=200), result, verbose=False)
    return file.getvalue()


SOME = verification(
    Goal("branch", "then", HERE, "forced"),
    Goal("branch", "else", HERE, "input"),
    Goal("loop", "no trip", HERE, "graph only", "the program has no decision there"),
    Goal("loop", "one trip", HERE, "not reached", "IndexError: (m.py:4)"),
)


def test_only_what_was_compared_with_pytorch_counts() -> None:
    assert SOME.coverage == 50.0
    assert SOME.coverage_text() == (
        "2 of 4 (1 by inputs, 1 forced, 1 more compared with the graph alone)"
    )


def test_model_without_control_flow_is_covered() -> None:
    assert verification().coverage == 100.0
    assert verification().coverage_text() == ""
    assert "goals" not in shown(verification())


def test_comparisons_that_agree_are_one_line() -> None:
    close = OutputDifference("y", True, 1e-6, 1e-7)
    closer = OutputDifference("z", True, 1e-8, 1e-9)
    cases = [VerifiedCase("example inputs", True, (closer,)), VerifiedCase("n=7", True, (close,))]
    assert shown(Verification(True, cases)) == (
        "\nCompared with PyTorch: 2 of 2 agree; largest difference 1e-06 (y, n=7)\n"
    )
    same = [VerifiedCase("n=7", True, (OutputDifference("y", True),))]
    assert shown(Verification(True, same)) == (
        "\nCompared with PyTorch: 1 of 1 agree, to the last bit\n"
    )


@pytest.mark.parametrize(("compared", "columns"), [(2, 24), (1, 12)])
def test_a_terminal_shows_coverage_as_a_bar(compared: int, columns: int) -> None:
    reached: list[Reach] = ["input"] * compared + ["not reached"] * (2 - compared)
    goals = [Goal("branch", "then", HERE, how) for how in reached]
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system=None)
    print_comparisons(console, verification(*goals), verbose=False)
    bar = next(line for line in file.getvalue().splitlines() if "goals" in line)
    assert bar.count("━") == columns
    assert bar.endswith(f"{compared} of 2 ({compared} by inputs, 0 forced)")


@pytest.mark.parametrize(
    ("place", "reached", "reason"),
    [(0, "forced", ""), (1, "input", ""), (3, "not reached", "IndexError: (m.py:4)")],
)
def test_json_has_each_goal_with_how_it_was_reached(place: int, reached: str, reason: str) -> None:
    shown = as_json(Report(verification=SOME))["verification"]
    assert shown["coverage"] == {
        "goals": 4,
        "by_input": 1,
        "forced": 1,
        "graph_only": 1,
        "percent": 50.0,
    }
    goal = shown["goals"][place]
    assert (goal["reached"], goal["reason"], goal["location"]["line"]) == (reached, reason, 3)
