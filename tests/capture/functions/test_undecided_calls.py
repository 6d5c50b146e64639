"""Functions of PyTorch that ask about sizes on the way to their kernels are recorded both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import fxexport
from fxexport.capture.functions import undecided_calls
from fxexport.graph.ops import branch
from tests.support.kept_promises import kept


def _same_either_way(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] > 7:
        return x.relu()
    return x.relu()


def _nothing_for_nothing(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x) if x.numel() == 0 else x / x.sum(1, keepdim=True)


def _a_maximum_of_something(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x) if x.numel() == 0 else x / x.amax(1, keepdim=True)


def _raises_for_odd(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] % 2 == 1:
        raise RuntimeError("expected an even number of rows")
    return x + 1


def _differs(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.shape[0] > 3 else x - 1


def _differs_twice(x: torch.Tensor) -> torch.Tensor:
    y = x * 2 if x.shape[0] > 3 else x - 1
    return y.sum(0) if x.shape[1] % 2 == 0 else y.amax(0)


def _raises_whatever_the_size(x: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("small" if x.shape[0] < 3 else "large")


def _asks_of_many_divisors(x: torch.Tensor) -> torch.Tensor:
    for divisor in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        if x.shape[0] % divisor == 0:
            x = x + divisor
    return x


@pytest.fixture
def composite() -> Iterator[Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """Makes an operator of a Python function that PyTorch takes apart."""
    with torch.library._scoped_library("fxexport_tests", "FRAGMENT") as library:

        def made(function: Callable[..., Any]) -> Callable[..., Any]:
            name = function.__name__.strip("_")
            library.define(f"{name}(Tensor x) -> Tensor")
            library.impl(name, function, "CompositeImplicitAutograd")
            return getattr(torch.ops.fxexport_tests, name)  # type: ignore[no-any-return]

        yield made


def branches(exported: fxexport.Exported) -> int:
    graphs = exported.graph.graphs()
    return sum(len(body.graph.find_nodes(op="call_function", target=branch)) for body in graphs)


ROWS = [(torch.randn(n, k),) for n, k in ((4, 3), (3, 4), (8, 2), (1, 1), (9, 5), (0, 2))]


@pytest.mark.parametrize(
    ("function", "number"),
    [
        (_same_either_way, 0),
        (_nothing_for_nothing, 0),
        (_a_maximum_of_something, 1),
        (_differs, 1),
        (_differs_twice, 3),
    ],
)
def test_only_what_differs_is_a_branch(
    function: Callable[..., Any], number: int, composite: Any
) -> None:
    operator = composite(function)
    program = lambda x: operator(x) + 1  # noqa: E731
    exported = fxexport.export(program, ROWS[0], dynamic=True, verify=False)
    assert branches(exported) == number
    assert not exported.graph.constraints
    assert kept(exported, lambda x: function(x) + 1, ROWS) == ""


def test_what_raises_one_way_is_a_relation(composite: Any) -> None:
    operator = composite(_raises_for_odd)
    exported = fxexport.export(lambda x: operator(x) * 2, ROWS[0], dynamic=True, verify=False)
    assert [constraint.text for constraint in exported.graph.constraints] == ["x_d0 % 2 != 1"]
    assert branches(exported) == 0
    assert kept(exported, lambda x: _raises_for_odd(x) * 2, ROWS) == ""


def test_in_a_branch_it_is_a_guard_there(composite: Any) -> None:
    operator = composite(_raises_for_odd)
    exported = fxexport.export(
        lambda x: operator(x) if x.sum() > 0 else x, ROWS[0], dynamic=True, verify=False
    )
    assert not exported.graph.constraints
    rows = [(sign * x.abs(),) for (x,) in ROWS for sign in (1, -1)]
    expected = lambda x: _raises_for_odd(x) if x.sum() > 0 else x  # noqa: E731
    assert kept(exported, expected, rows) == ""


def test_what_raises_both_ways_is_an_error_of_the_model(composite: Any) -> None:
    operator = composite(_raises_whatever_the_size)
    with pytest.raises(fxexport.FxExportError, match=r"small|large"):
        fxexport.export(lambda x: operator(x), ROWS[0], dynamic=True, verify=False)


def test_too_many_questions_are_refused(composite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undecided_calls, "_MOST_RECORDINGS", 40)
    operator = composite(_asks_of_many_divisors)
    with pytest.raises(fxexport.UnsupportedError, match="asks about so many sizes"):
        fxexport.export(lambda x: operator(x), ROWS[0], dynamic=True, verify=False)
