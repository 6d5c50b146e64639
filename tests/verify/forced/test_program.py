"""Decisions of plain functions are told and forced, and the functions have their code again."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest

from fxexport.graph.decisions import ProgramRead
from fxexport.source.decisions import Decision, DecisionKind
from fxexport.verify.forced.following import Astray, Followed, follow
from fxexport.verify.forced.graph import ForcedNodes
from fxexport.verify.forced.plan import Forcing
from fxexport.verify.forced.program import DoesNotEnd, ForcedProgram


def both(x: Any) -> Any:
    if x > 0:
        return "positive"
    return "other"


def chosen(x: Any) -> Any:
    return "a" if x > 0 else "b"


def connected(x: Any) -> Any:
    return (x and "yes") or "no"


def truth(x: Any) -> Any:
    if x and x > 10:
        return "large"
    return "small"


def counted(x: Any) -> int:
    count = 0
    while x > 0:
        x, count = x - 1, count + 1
    return count


def summed(x: Any) -> int:
    total = 0
    for k in range(x):
        total += k + 1
    return total


def items(x: Any) -> list[Any]:
    found = []
    for one in x:
        found.append(one)
    return found


def kept(x: Any) -> list[Any]:
    return [one for one in x if one > 5]


def inner(x: Any) -> Any:
    def function(y: Any) -> Any:
        return y + 1 if y > 0 else y - 1

    return function(x)


def first(
    function: Callable[..., Any], kind: DecisionKind, left: int = 0, text: str = ""
) -> Decision:
    """The decision that begins with some text in a function's source."""
    lines, start = inspect.getsourcelines(function)
    line = next(k for k, line in enumerate(lines) if text in line)
    return Decision(
        function.__code__.co_filename, start + line, lines[line].index(text), kind, left
    )


def program(function: Callable[..., Any], *decisions: Decision) -> ForcedProgram:
    assert isinstance(function, FunctionType)
    return ForcedProgram(ProgramRead([weakref.ref(function)]), decisions)


@pytest.mark.parametrize(
    ("function", "decision", "outcome", "argument", "expected"),
    [
        (both, first(both, "if", text="if x"), True, -1, "positive"),
        (both, first(both, "if", text="if x"), False, 1, "other"),
        (chosen, first(chosen, "if_exp", text='"a"'), False, 1, "b"),
        (connected, first(connected, "and", 1, "x and"), True, 0, "yes"),
        (connected, first(connected, "or", 1, "(x and"), False, 1, "no"),
        (truth, first(truth, "and", 1, "x and"), False, 20, "small"),
        (truth, first(truth, "if", text="if x"), True, 1, "large"),
        (counted, first(counted, "while", text="while"), 2, 5, 2),
        (counted, first(counted, "while", text="while"), 3, 0, 3),
        (summed, first(summed, "for", text="for k"), 2, 10, 3),
        (summed, first(summed, "for", text="for k"), 4, 1, 10),
        (items, first(items, "for", text="for one"), 1, [7, 8], [7]),
        (items, first(items, "for", text="for one"), 0, [7, 8], []),
        (kept, first(kept, "comp_if", text="one > 5"), True, [1, 9], [1, 9]),
        (inner, first(inner, "if_exp", text="y + 1"), True, -5, -4),
    ],
)
def test_decision_is_forced_and_given_back(
    function: Callable[..., Any], decision: Decision, outcome: Any, argument: Any, expected: Any
) -> None:
    code = function.__code__
    own = function(argument)
    forced = program(function, decision)
    assert forced.known == {decision}
    with forced.forced({decision: outcome}, 100):
        assert function(argument) == expected
    assert forced.decider.taken[decision] == {outcome}
    assert function.__code__ is code
    assert function(argument) == own


def test_what_is_not_forced_is_told() -> None:
    decision = first(both, "if", text="if x")
    forced = program(both, decision)
    with forced.forced({}, 100):
        assert both(1) == "positive"
        assert both(-1) == "other"
    assert forced.decider.taken == {decision: {True, False}}


def test_code_is_given_back_after_an_exception() -> None:
    decision = first(both, "if", text="if x")
    code = both.__code__
    with pytest.raises(TypeError), program(both, decision).forced({}, 100):
        both(None)
    assert both.__code__ is code


def test_loop_that_does_not_end_is_ended() -> None:
    decision = first(counted, "while", text="while")
    with pytest.raises(DoesNotEnd), program(counted, decision).forced({}, 50):
        counted(1000)


def test_decision_on_a_line_that_is_none_is_not_known() -> None:
    decision = first(both, "if", text="if x")
    other = Decision(decision.file, decision.line, decision.column, "while")
    assert program(both, other).known == frozenset()


def test_function_whose_source_has_changed_is_left_alone(tmp_path: Any) -> None:
    path = tmp_path / "changed.py"
    path.write_text("def f(x):\n    if x > 0:\n        return 1\n    return 2\n")
    names: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    path.write_text("def f(x):\n    if x > 1:\n        return 3\n    return 2\n")
    assert program(names["f"], Decision(str(path), 2, 4, "if")).known == frozenset()


def test_plain_occurrences_of_a_decision_are_left_alone() -> None:
    decision = first(both, "if", text="if x")
    read = ProgramRead([weakref.ref(both)], plain=frozenset([decision]))  # type: ignore[arg-type]
    with ForcedProgram(read, [decision]).forced({decision: True}, 100):
        assert both(-1) == "other"


@pytest.mark.parametrize(("value", "comes"), [(3, True), (-3, False)])
def test_what_python_alone_decides_is_not_taken_for_forced(value: int, comes: bool) -> None:
    decision = first(both, "if", text="if x")
    assert isinstance(both, FunctionType)
    read = ProgramRead([weakref.ref(both)], plain=frozenset({decision}))
    forced = ForcedProgram(read, [decision])
    forcing = Forcing(ForcedNodes({}, {}, {}), {decision: True}, certain=True, whole=False)

    def followed() -> Followed:
        return follow(forced, lambda: [both(value)], forcing, {}, read, 100)

    if comes:
        assert not followed().alike
        return
    with pytest.raises(Astray, match=f"Python alone decides line {decision.line}"):
        followed()
