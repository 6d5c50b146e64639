"""The report says how much of the control flow was compared, and how."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fxexport.report.coverage import print_coverage
from fxexport.report.json import as_json
from fxexport.report.model import Goal, Report, Uncovered, Verification, VerifiedCase
from fxexport.source.location import SourceLocation

HERE = SourceLocation("m.py", 3, "forward")


def verification(*goals: Goal) -> Verification:
    return Verification(True, [VerifiedCase("example inputs", True)], goals=list(goals))


def shown(result: Verification) -> str:
    file = io.StringIO()
    print_coverage(Console(file=file, width=200), result, verbose=False)
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
    assert shown(verification()) == ""


def test_forced_goals_are_marked_and_others_have_their_reason() -> None:
    SOME.uncovered = [Uncovered("loop", "one trip", HERE, "IndexError: (m.py:4)")]
    assert shown(SOME) == (
        "  goals: 2 of 4 (1 by inputs, 1 forced, 1 more compared with the graph alone)\n"
        "\n"
        "Compared with decisions forced, since no input led there\n"
        "  If  m.py:3\n"
        "              forced to be true\n"
        "\n"
        "Not reached by any comparison\n"
        "  Loop  m.py:3\n"
        "                never with 1 iteration (IndexError: (m.py:4))\n"
    )


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
