"""The operators as one object: all that rewritten code calls is there, and is Python's own."""

from __future__ import annotations

import ast
import contextlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from fxexport.capture.operators.operators import Operators
from fxexport.capture.python.statements import RUNTIME, rewrite_function
from fxexport.capture.session.session import Session
from fxexport.capture.sizes.questions import size_policy
from fxexport.report.model import Report


def operators(
    replacements: Callable[[Operators], Callable[[object], Any]] = lambda _: lambda _: None,
) -> Operators:
    """The operators of a capture that nothing has been asked of."""
    session = Session(
        Report(),
        size_policy({}),
        lambda *_: None,
        lambda _: None,
        lambda _: False,
        lambda _: "weight",
    )
    return Operators(session, lambda _: contextlib.nullcontext(), replacements)


def every_construct(x: Any, *rest: Any, **named: Any) -> Any:
    global COUNT
    COUNT = 0
    items = [k for k in x if k]
    pair = {**named, "n": f"{x}", "s": x[1:2]}
    first, *others = rest
    x.attribute, x["key"] = first, others
    del x.attribute, x["key"]
    with x as entered:
        entered += -first
    try:
        assert 0 < first < 3 and entered is not None, "message"
    except ValueError:
        raise KeyError from None
    while not first:
        first = first * 2 | 1
        if first == 3 or first != 4:
            break
    for item in items:
        if item in pair or item not in others:
            continue
    match x:
        case 1:
            pass
    total = sum(item + 1 for item in items) if first else x and others
    if total:
        return x.method(*rest, **pair)
    return total


def test_every_operator_that_rewriting_names_is_there() -> None:
    node = ast.parse(textwrap.dedent(inspect.getsource(every_construct))).body[0]
    assert isinstance(node, ast.FunctionDef)
    rewritten = rewrite_function(node, None)
    named = {
        part.attr
        for part in ast.walk(rewritten)
        if isinstance(part, ast.Attribute)
        and isinstance(part.value, ast.Name)
        and part.value.id == RUNTIME
    }
    assert len(named) > 40
    there = operators()
    assert sorted(name for name in named if not callable(getattr(there, name, None))) == []


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("add", (2, 3), 5),
        ("multiply", ([1], 2), [1, 1]),
        ("bitwise", ("BitOr", 4, 1), 5),
        ("augment", ("Sub", 5, 2), 3),
        ("eq", ((1, 2), (1, 2)), True),
        ("chain", (("<", "<="), 1, lambda: 2, lambda: 2), True),
        ("contains", (2, [1, 2]), True),
        ("lacks", (2, {1: 1}), True),
        ("is_not", (None, 1), True),
        ("not_", ([],), True),
        ("and_value", (lambda: 2, lambda: 3), 3),
        ("or_value", (lambda: 0, lambda: 3), 3),
        ("get_item", ({"a": 1}, "a"), 1),
        ("get_attr", (1j, "imag"), 1.0),
        ("unpack", ((1, 2), 2), (1, 2)),
        ("starred", (range(3),), [0, 1, 2]),
        ("if_exp", (True, lambda: 1, lambda: 2, ()), 1),
    ],
)
def test_an_operator_on_what_is_known_does_what_python_does(
    name: str, args: tuple[Any, ...], expected: Any
) -> None:
    assert getattr(operators(), name)(*args) == expected


def test_replacements_are_found_by_a_finder_that_may_use_the_operators() -> None:
    def replacements(made: Operators) -> Callable[[object], Any]:
        wanted = made.fresh([])  # the operators are complete by then
        return lambda function: (lambda: wanted) if function is len else None

    there = operators(replacements)
    assert there.call(len)() == []
    assert there.call(abs)(-3) == 3
