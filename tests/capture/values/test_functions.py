"""Functions as values with parts: when a variable is a part of a function, and when it is not."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any, cast

import pytest

from fxexport.capture.python.statements import rewrite_function
from fxexport.capture.values.containers import parts_of, rebuild_like, same_kind
from fxexport.capture.values.functions import Invocation, note_function, note_variables


def _made(
    value: object, *, running: bool = False, rebound: bool = False, unknown: bool = False
) -> tuple[FunctionType, Invocation | None]:
    """A function that holds a value, and what its maker holds while it runs."""

    def outer(held: object) -> Callable[[], object]:
        return lambda: held

    function = cast("FunctionType", outer(value))
    (cell,) = cast("tuple[CellType]", function.__closure__)
    invocation = Invocation()
    note_variables([("held", cell)], invocation, ["held"] if rebound else [])
    note_function(function, [] if unknown else ["held"])
    return function, invocation if running else None


def test_what_a_function_holds_is_its_part_when_its_maker_has_ended() -> None:
    first, _ = _made(1)
    second, _ = _made(2)
    assert parts_of(first) == [1]
    assert same_kind(first, second)
    other: Any = rebuild_like(first, [5])
    assert other() == 5
    assert first() == 1
    assert parts_of(other) == [5]


@pytest.mark.parametrize("how", ["running", "rebound", "unknown"])
def test_a_variable_that_may_change_is_no_part(how: str) -> None:
    function, _running = _made(1, **{how: True})
    settled, _ = _made(1)
    assert parts_of(function) is None
    assert not same_kind(function, settled)
    assert same_kind(function, function)


def test_a_function_that_nobody_has_noted_has_no_parts() -> None:
    def function(v: int = 3) -> int:
        return v

    assert parts_of(function) is None
    note_function(function)
    assert parts_of(function) == [3]
    assert cast("Any", rebuild_like(function, [4]))() == 4


def test_a_function_that_calls_itself_is_rebuilt_with_its_own_name() -> None:
    def outer(step: int) -> Callable[[int], int]:
        def count(n: int) -> int:
            return 0 if n == 0 else step + count(n - 1)

        return count

    function = cast("FunctionType", outer(2))
    names = function.__code__.co_freevars
    cells = cast("tuple[CellType, ...]", function.__closure__)
    note_variables(zip(names, cells, strict=True), Invocation(), [])
    note_function(function, names)
    assert parts_of(function) == [2]
    other: Any = rebuild_like(function, [5])
    assert other(3) == 15
    assert function(3) == 6


def test_functions_that_hold_each_other_have_no_parts() -> None:
    held: list[object] = []
    function, _ = _made(held)
    assert parts_of(function) == [held]
    held.append(function)
    assert parts_of(function) is None


def test_functions_with_other_attributes_are_not_of_one_kind() -> None:
    first, _ = _made(1)
    second, _ = _made(2)
    first.__dict__["mark"] = 1
    assert not same_kind(first, second)


def test_variables_from_outside_of_the_export_are_no_parts() -> None:
    def build(k: float) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            nonlocal k
            first = lambda v: v * k  # noqa: E731
            k = 3.0
            return first(x)

        return forward

    (held,) = _names_of_functions(build(2.0))
    assert held == ()


def test_variables_of_the_function_around_are_noted_but_not_those_of_comprehensions() -> None:
    def forward(x: Any) -> Any:
        scale = x.sum()
        return [lambda v: v * k * scale for k in range(3)]  # noqa: B023

    assert _names_of_functions(forward) == [("scale",)]


def _names_of_functions(function: Callable[..., Any]) -> list[tuple[str, ...]]:
    """What the rewritten function says of the functions in it: the variables that are noted."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    calls = [node for node in ast.walk(rewrite_function(tree, None)) if isinstance(node, ast.Call)]
    return [
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "noting"
    ]
