"""Loops that count get a bound on their trips, never less than the trips that are made."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fxexport.passes.tensorrt.loops import bound_trips
from torch import fx

from fxexport.graph.ops import loop
from tests.support.rewriting import agrees_for_tensorrt, nodes_of, rewritten


def counts_up(x: torch.Tensor, n: int) -> torch.Tensor:
    i = 0
    while i < n:
        x = x * 1.5
        i += 3
    return x


def breaks_behind_a_limit(x: torch.Tensor, n: int) -> torch.Tensor:
    i = 1
    while True:
        x = x + i
        i += 2
        if i >= n or x.sum() > 40:
            break
    return x


def counts_down_to(x: torch.Tensor, n: int) -> torch.Tensor:
    i = 5
    while i >= n and x.max() < 100:
        x = x * 2
        i -= 2
    return x


def counts_a_tensor(x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    i = torch.zeros((), dtype=torch.int64)
    while (i <= n) & (x.sum() > -50):
        x = x - 1
        i = i + 1
    return x


def halves(x: torch.Tensor, n: int) -> torch.Tensor:
    while n > 0:
        x = x + n
        n = n // 2
    return x


def takes_one_each_time(x: torch.Tensor, n: int) -> torch.Tensor:
    total = x.new_zeros(())
    while x.numel() > 0:
        total = total * 0.5 + x[0]
        x = x[1:][x[1:] > x[0] - n]
    return total


def until_two_are_left(x: torch.Tensor, n: int) -> torch.Tensor:
    while len(x) > 2:
        x = x[:-1] + x[1:] * n
    return x


def depends_on_values(x: torch.Tensor, n: int) -> torch.Tensor:
    while x.sum() < n:
        x = x + 1
    return x


def limit_moves(x: torch.Tensor, n: int) -> torch.Tensor:
    i = 0
    while i < n:
        i += 1
        if i == 2:
            n = n + 1
        x = x + i
    return x


def bound_of(function: Any, inputs: list[tuple[Any, ...]]) -> Any:
    """The bound of a function's one loop after the pass."""
    after = rewritten(function, inputs, bound_trips)
    (node,) = nodes_of(after, loop)
    return node.args[0]


X = torch.tensor([0.5, 1.0, 2.0])
NUMBERS = [(X, n) for n in (4, 0, 1, 3, 7, -2)]


@pytest.mark.parametrize("function", [counts_up, breaks_behind_a_limit, counts_down_to])
def test_a_counter_bounds_the_trips(function: Any) -> None:
    assert isinstance(bound_of(function, NUMBERS), fx.Node)
    agrees_for_tensorrt(function, NUMBERS)


def test_a_counter_may_be_a_tensor() -> None:
    inputs = [(X, torch.tensor(n)) for n in (4, 0, 1, -3)]
    assert isinstance(bound_of(counts_a_tensor, inputs), fx.Node)
    agrees_for_tensorrt(counts_a_tensor, inputs)


def test_halving_ends() -> None:
    inputs = [(X, n) for n in (9, 0, 1, 2**62)]
    assert bound_of(halves, inputs) == 63
    agrees_for_tensorrt(halves, inputs[:3])


@pytest.mark.parametrize("function", [takes_one_each_time, until_two_are_left])
def test_a_size_that_shrinks_bounds_the_trips(function: Any) -> None:
    inputs = [(torch.arange(float(size)), n) for size, n in ((5, 1), (0, 1), (1, 0), (9, 3))]
    assert isinstance(bound_of(function, inputs), fx.Node)
    agrees_for_tensorrt(function, inputs)


@pytest.mark.parametrize("function", [depends_on_values, limit_moves])
def test_what_has_no_such_counter_stays_without_a_bound(function: Any) -> None:
    assert bound_of(function, NUMBERS) is None


def another_counter(x: torch.Tensor, n: int) -> tuple[torch.Tensor, int, int]:
    i, j = 0, 0
    while j + 2 < n:
        i = i + 1
        j = j + int(x.sum() > 0)
        x = x + 1
    return x, i, j


def test_the_number_of_a_condition_is_not_taken_for_another_one() -> None:
    x = torch.ones(3)
    inputs = [(x, 5), (x - 50, 5), (x, 0), (x - 9, 9)]
    rewritten(another_counter, inputs, bound_trips)
    agrees_for_tensorrt(another_counter, inputs)


def fills_a_list(x: torch.Tensor, n: int) -> tuple[int, torch.Tensor]:
    items = [x]
    while len(items) < n and len(items) < 6:
        items.append(items[-1] * 2)
    while len(items) > 2:
        items.pop()
    return len(items), items[-1]


def test_the_length_of_a_list_bounds_the_trips() -> None:
    after = rewritten(fills_a_list, NUMBERS, bound_trips)
    assert all(node.args[0] is not None for node in nodes_of(after, loop))
    agrees_for_tensorrt(fills_a_list, NUMBERS)
