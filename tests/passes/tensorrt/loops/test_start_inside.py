"""Loops in loops that start by what the outer one carries stop inside of their bodies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fxexport.passes.tensorrt.loops import start_inside

from fxexport.graph.ops import loop
from tests.support.rewriting import agrees_for_tensorrt, nodes_of, rewritten

INPUTS = [(torch.tensor(values),) for values in ([1.0, -2.0, 0.5], [-1.0], [3.0, 1.0, 2.0, 0.5])]


def over_a_carried_count(x: torch.Tensor) -> Any:
    count, total = 1, x.sum()
    for i in range(x.shape[0]):
        found = 0
        for k in range(min(4, count)):
            total = total * 0.5 + x[i] * k
            found += 2
        count = found - i
    return total, count


def over_rows(x: torch.Tensor) -> Any:
    count = 1
    total = x * 0
    for i in range(x.shape[0]):
        found = 1
        for k in range(count):
            total = total + x[k] * i
            found += 1
        count = found if i + 1 < x.shape[0] else count
    return total, count


def over_the_inputs_rows(x: torch.Tensor) -> Any:
    for _ in range(3):
        for k in range(x.shape[0]):
            x = x + x[k] * 0.1
    return x


def starts_if_it_goes_on(x: torch.Tensor) -> Any:
    count, total = 1, x.sum()
    for i in range(x.shape[0]):
        k = 0
        while k < count and k < 7:
            total = total * 0.5 + k * i
            k += 1
        count = k + 1 if i % 2 == 0 else 0
    return total, count


def of_its_own(x: torch.Tensor) -> Any:
    count, total = 1, x.sum()
    for i in range(x.shape[0]):
        for k in range(count):
            total = total * 0.5 + k
        count = count + i
    return total


def doubles(x: torch.Tensor) -> Any:
    count, total = 1, x.sum()
    for _ in range(x.shape[0]):
        found = 0
        for k in range(count):
            total = total * 0.5 + k
            found += 2
        count = found
    return total


@pytest.mark.parametrize(
    "program", [over_a_carried_count, over_rows, starts_if_it_goes_on, doubles]
)
def test_it_stops_inside(program: Callable[..., Any]) -> None:
    after = rewritten(program, INPUTS, start_inside)
    trips, condition = nodes_of(after, loop, root=False)[0].args[:2]
    assert isinstance(trips, int)
    assert condition is True
    agrees_for_tensorrt(program, INPUTS)


@pytest.mark.parametrize("program", [over_the_inputs_rows, of_its_own])
def test_others_stay(program: Callable[..., Any]) -> None:
    before, after = (rewritten(program, INPUTS, *names) for names in ((), (start_inside,)))
    assert str(before) == str(after)
