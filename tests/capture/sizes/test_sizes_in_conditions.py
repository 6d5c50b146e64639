"""What a condition says of two sizes, or of one, holds on its paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.support.capturing import agrees

Tensor = torch.Tensor
TWO = {"x": {0: "a"}, "y": {0: "b"}}
ONE = {"p": {0: "a"}}


def rand(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def added_where_equal(x: Tensor, y: Tensor) -> Tensor:
    if x.shape[0] == y.shape[0]:
        return x + y
    return y - x.sum(0)


def joined_where_equal(x: Tensor, y: Tensor) -> Tensor:
    if x.size(0) != y.size(0):
        return y * 2
    return torch.cat([x, y], 1)


def product_of_one_shape(x: Tensor, y: Tensor) -> Tensor:
    z = y
    if x.shape == y.shape:
        z = x * y
    return z


@pytest.mark.parametrize("dynamic", [True, TWO])
@pytest.mark.parametrize("program", [added_where_equal, joined_where_equal, product_of_one_shape])
def test_sizes_that_are_equal_on_a_path(program: Callable[..., Any], dynamic: Any) -> None:
    sizes = ((3, 5), (4, 4), (1, 5), (5, 1), (0, 0), (2, 0))
    agrees(program, [(rand(a, 4), rand(b, 4)) for a, b in sizes], dynamic)


def added_to_itself(p: Tensor) -> Tensor:
    state = torch.zeros(2, 1)
    if p.size(0) == 1:
        state += p
    return state


def a_new_state(p: Tensor) -> Tensor:
    state = torch.zeros(2, 1)
    if p.size(0) == 2:
        state = state + p
    return state


@pytest.mark.parametrize("program", [added_to_itself, a_new_state])
def test_a_size_that_is_known_on_a_path(program: Callable[..., Any]) -> None:
    agrees(program, [(rand(size, 1),) for size in (3, 1, 2, 0)], ONE)


def shortened(k: Tensor, n: Tensor) -> Tensor:
    keep = int(n)
    x = k
    if keep > 0:
        x = k[:, :keep]
    return x.reshape(2, x.shape[1], -1, 2).sum(1)


def test_a_view_of_what_a_branch_has_shortened() -> None:
    rows = [(rand(2, size, 6), torch.tensor(n)) for size, n in ((5, 3), (5, 0), (4, 9), (3, -1))]
    agrees(shortened, rows, {"k": {1: "a"}})
