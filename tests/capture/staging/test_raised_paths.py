"""What is recorded where an exception may be raised, and what is not."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Callable

import pytest
import torch

import fxexport
from fxexport.graph import guard
from fxexport.graph.ops import branch


def exported(function: Callable[..., object], *inputs: torch.Tensor) -> fxexport.Exported:
    return fxexport.export(function, copy.deepcopy(inputs), dynamic=True, verify=False)


def operators(made: fxexport.Exported) -> Counter[object]:
    """How often each operator is in the file's graph, bodies included."""
    return Counter(
        node.target
        for module in made.graph.graphs()
        for node in module.graph.nodes
        if node.op == "call_function"
    )


def catches(x: torch.Tensor) -> torch.Tensor:
    y = x.exp()
    try:
        y = y.sin()
        if x.sum() > 0:
            raise KeyError
        y = y.cos()
    except KeyError:
        y = y.tan()
    return y


def test_what_stands_before_and_after_is_recorded_once() -> None:
    found = operators(exported(catches, torch.ones(3)))
    aten = torch.ops.aten
    for operator in (aten.exp, aten.sin, aten.cos, aten.tan, aten.sum):
        assert found[operator.default] + found[getattr(operator, "dim_IntList", None)] == 1
    assert found[branch] == 1


def draws_before(x: torch.Tensor) -> torch.Tensor:
    try:
        y = x + torch.rand_like(x)
        if x.sum() > 0:
            raise KeyError
    except KeyError:
        y = y * 2
    return y


def test_random_numbers_are_drawn_once() -> None:
    found = operators(exported(draws_before, torch.ones(3)))
    assert sum(count for target, count in found.items() if "rand" in str(target)) == 1


def without_try(x: torch.Tensor) -> torch.Tensor:
    for row in x:
        x = x + row.exp()
    return x


def with_try(x: torch.Tensor) -> torch.Tensor:
    try:
        with torch.no_grad():
            for row in x:
                x = x + row.exp()
    except KeyError:
        x = x * 1000
    finally:
        del row
    return x


def test_a_try_in_which_nothing_may_be_raised_adds_nothing() -> None:
    x = torch.ones(3, 4)
    assert operators(exported(with_try, x)) == operators(exported(without_try, x))


def of_another_class(x: torch.Tensor) -> torch.Tensor:
    try:
        if x.sum() > 0:
            raise KeyError("nobody catches this")
    except ValueError:
        x = x * 2
    return x


def test_what_no_handler_is_for_is_a_guard() -> None:
    found = operators(exported(of_another_class, torch.ones(3)))
    assert found[guard] == 1 and found[branch] == 0


def test_the_report_names_the_line_that_decides() -> None:
    lines, first = inspect.getsourcelines(catches)
    line = first + next(k for k, text in enumerate(lines) if "if x.sum()" in text)
    made = exported(catches, torch.ones(3))
    assert [found.location.line for found in made.report.of_kind("branch") if found.location] == [
        line
    ]


def text_of_python(x: torch.Tensor) -> torch.Tensor:
    try:
        return x[int(x[0])]
    except IndexError as error:
        return x * len(str(error))


def test_the_words_of_an_exception_of_pythons_are_refused() -> None:
    with pytest.raises(fxexport.UnsupportedError, match="text of an exception"):
        exported(text_of_python, torch.ones(3))


def written_in_place(x: torch.Tensor) -> torch.Tensor:
    y = x * 1
    try:
        y[x.long()] = 0
    except IndexError:
        y = x * 2
    return y


def test_what_is_half_written_when_it_is_raised_is_refused() -> None:
    with pytest.raises(fxexport.UnsupportedError, match="a `try` around it may catch it"):
        exported(written_in_place, torch.ones(6))
