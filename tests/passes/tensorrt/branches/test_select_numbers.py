"""Flags and numbers that branches only choose between are selected outside of them."""

from __future__ import annotations

import torch
from fxexport.passes import eliminate_dead_code
from fxexport.passes.tensorrt.branches import select_numbers

from fxexport.graph import scalars
from fxexport.graph.ops import branch
from tests.support.rewriting import agrees_for_tensorrt, nodes_of, rewritten

UP, DOWN = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, -2.0])


def first_positive(x: torch.Tensor) -> torch.Tensor:
    found = False
    total = x.sum() * 0
    for i in range(x.shape[0]):
        total = total + x[i]
        if x[i] > 1.5:
            found = True
            break
    return total if found else total - 1


def either(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.sum() > 1 or x.max() > 0.5 else x - 1


def chosen_number(x: torch.Tensor) -> torch.Tensor:
    scale = 3 if x.sum() > 0 else 5
    return x * scale


def test_flags_of_break_are_no_results_of_a_branch() -> None:
    inputs = [(UP,), (DOWN,), (torch.zeros(0),), (torch.zeros(1),)]
    before = rewritten(first_positive, inputs)
    after = rewritten(first_positive, inputs, select_numbers, eliminate_dead_code)
    assert len(nodes_of(after, branch)) < len(nodes_of(before, branch))
    assert nodes_of(after, scalars.select)
    agrees_for_tensorrt(first_positive, inputs)


def test_the_sides_of_or_are_computed_without_a_branch() -> None:
    inputs = [(UP,), (DOWN,), (torch.tensor([0.75, -3.0]),)]
    after = rewritten(either, inputs, select_numbers, eliminate_dead_code)
    agrees_for_tensorrt(either, inputs)
    assert len(nodes_of(after, branch)) <= 2


def test_a_number_is_selected() -> None:
    inputs = [(UP,), (DOWN,)]
    after = rewritten(chosen_number, inputs, select_numbers, eliminate_dead_code)
    assert not nodes_of(after, branch)
    agrees_for_tensorrt(chosen_number, inputs)
