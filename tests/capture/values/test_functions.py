"""Functions as values with parts: when a variable is a part of a function, and when it is not."""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any, cast

import pytest

from fxexport.capture.values.containers import parts_of, rebuild_like, same_kind
from fxexport.capture.values.functions import Invocation, note_function, note_variables


def _made(
    value: object, *, running: bool = False, rebound: bool = False, moving: bool = False
) -> tuple[FunctionType, Invocation | None]:
    """A function that holds a value, and what its maker holds while it runs."""

    def outer(held: object) -> Callable[[], object]:
        return lambda: held

    function = cast("FunctionType", outer(value))
    (cell,) = cast("tuple[CellType]", function.__closure__)
    invocation = Invocation()
    note_variables([("held", cell)], invocation, ["held"] if rebound else [])
    note_function(function, ["held"] if moving else [])
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


@pytest.mark.parametrize("how", ["running", "rebound", "moving"])
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
    note_function(function)
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


def test_a_variable_that_no_call_notes_is_no_part_whatever_had_its_identity_before() -> None:
    for name in ("_fx_", "__class__"):
        scope: dict[str, Any] = {}
        exec(
            f"def outer({name}):\n    def inner():\n        return {name}\n    return inner", scope
        )
        function = scope["outer"](1)
        # As after a call that is over, of a variable that was where this one is.
        note_variables([(name, function.__closure__[0])], Invocation(), [])
        note_function(function)
        assert parts_of(function) is None
