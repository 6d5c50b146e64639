"""What has another dtype where there is nothing to compute is outside of the promise there."""

from __future__ import annotations

import math

import pytest
import torch

import fxexport
from tests.support.capturing import agrees, captured, refused


def sum_of_rows(x: torch.Tensor) -> object:
    return sum(row * 2 for row in x)


def sum_of_tensor(x: torch.Tensor) -> object:
    return sum(x)


def product_of_rows(x: torch.Tensor) -> object:
    return math.prod(row for row in x)


def counted(x: torch.Tensor) -> torch.Tensor:
    return torch.bincount(x[:, 0].long().abs(), weights=x[:, 1])


def area(x: torch.Tensor) -> torch.Tensor:
    return torch.trapezoid(x.long(), dim=0)


ALL = [sum_of_rows, sum_of_tensor, product_of_rows, counted, area]


@pytest.mark.parametrize("program", ALL)
def test_one_item_and_more_give_what_pytorch_gives(program) -> None:  # type: ignore[no-untyped-def]
    agrees(program, [(torch.randn(size, 2) * 3,) for size in (3, 1, 7)])


@pytest.mark.parametrize("program", ALL)
def test_no_item_is_outside_of_what_the_file_promises(program) -> None:  # type: ignore[no-untyped-def]
    exported = captured(program, torch.randn(3, 2))
    assert not all(c.holds({"x_d0": 0, "x_d1": 2}) for c in exported.graph.constraints)
    assert all(c.holds({"x_d0": 1, "x_d1": 2}) for c in exported.graph.constraints)


def start_of_its_own(x: torch.Tensor) -> object:
    return sum((row.sum() for row in x), x.new_zeros(()))


def whole_numbers(x: torch.Tensor) -> object:
    return sum(int(row[0]) for row in x)


@pytest.mark.parametrize("program", [start_of_its_own, whole_numbers])
def test_a_sum_that_is_of_one_kind_may_be_of_nothing(program) -> None:  # type: ignore[no-untyped-def]
    agrees(program, [(torch.randn(size, 2) * 3,) for size in (3, 1, 0)])


def bags(x: torch.Tensor) -> torch.Tensor:
    return (x > 0).sum_to_size(1, 2)


def test_sum_to_size_of_bools_is_refused_where_it_may_sum_nothing() -> None:
    assert "keeps the dtype" in str(refused(bags, [(torch.randn(3, 2),)]))
    exported = fxexport.export(bags, (torch.randn(3, 2),), verify=False)
    assert exported.graph.outputs[0].kind == "tensor"
