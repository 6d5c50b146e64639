"""Subscripts with numbers that are known only when the model runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import fxexport
from tests.support.capturing import agrees
from tests.support.promises import SIZES, keeps_promise

GET: dict[str, Callable[[torch.Tensor, Any], Any]] = {
    "x[i]": lambda x, i: x[i],
    "x[-1 - i]": lambda x, i: x[-1 - i],
    "x[i, 1]": lambda x, i: x[i, 1],
    "x[:, i]": lambda x, i: x[:, i],
    "x[..., i]": lambda x, i: x[..., i],
    "x[i, ...]": lambda x, i: x[i, ...],
    "x[None, i]": lambda x, i: x[None, i],
    "x[i, None]": lambda x, i: x[i, None],
    "x[i:]": lambda x, i: x[i:],
    "x[:i]": lambda x, i: x[:i],
    "x[:-i or None]": lambda x, i: x[: x.shape[0] - i],
    "x[i:i + 1, ::2]": lambda x, i: x[i : i + 1, ::2],
    "x[i][i]": lambda x, i: x[i][i],
    "x[[i, 0]]": lambda x, i: x[
        torch.stack([torch.scalar_tensor(i), torch.scalar_tensor(0)]).long()
    ],
    "x[i, [0, 1]]": lambda x, i: x[i, torch.tensor([0, 1])],
    "x[torch.tensor([0, 1]), i]": lambda x, i: x[torch.tensor([0, 1]), i],
    "x[i].item()": lambda x, i: x[i, 0].item(),
    "x[mask][:i]": lambda x, i: x[x[:, 0] > 0][:i],
    "x.shape[i]": lambda x, i: x.shape[-2 if i else -1] + x.sum(),
    "a list": lambda x, i: [x[0], x[1], x[0] + x[1]][i],
    "a tuple of numbers": lambda x, i: (10, 20, 30)[i] + x,
    "a negative place in a list": lambda x, i: [1.0, 2.0, 3.0][i - 3] * x,
}

SET: dict[str, Callable[[torch.Tensor, Any], None]] = {
    "y[i] = 0": lambda y, i: y.__setitem__(i, 0.0),
    "y[i] = y[0] + 1": lambda y, i: y.__setitem__(i, y[0] + 1),
    "y[:, i] = 5": lambda y, i: y.__setitem__((slice(None), i), 5.0),
    "y[i, 1] = 5": lambda y, i: y.__setitem__((i, 1), 5.0),
    "y[i:] = 5": lambda y, i: y.__setitem__(slice(i, None), 5.0),
    "y[:i] = y[i]": lambda y, i: y.__setitem__(slice(None, i), y[i].clone()),
}

X = torch.arange(9.0).view(3, 3) - 4
NUMBERS = [(X, i) for i in (1, 0, 2)]
TENSORS = [(X, torch.tensor(i)) for i in (1, 0, 2)]


@pytest.mark.parametrize("name", GET)
def test_reads_at_a_number_that_is_an_input(name: str) -> None:
    read = GET[name]

    def program(x: torch.Tensor, i: int) -> Any:
        return read(x, i)

    agrees(program, NUMBERS)


@pytest.mark.parametrize("name", ["x[i]", "x[:, i]", "x[i:]", "x[:i]", "x[i, 1]", "x[..., i]"])
def test_reads_at_a_scalar_tensor(name: str) -> None:
    read = GET[name]

    def program(x: torch.Tensor, i: torch.Tensor) -> Any:
        return read(x, i)

    agrees(program, TENSORS)


@pytest.mark.parametrize("name", SET)
def test_writes_at_a_number_that_is_an_input(name: str) -> None:
    write = SET[name]

    def program(x: torch.Tensor, i: int) -> Any:
        y = x * 2
        write(y, i)
        return y + 1

    agrees(program, NUMBERS)


def test_writes_in_a_loop() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros_like(x)
        for k in range(x.shape[0]):
            if x[k] > 0:
                y[k] = x[k] * k
            else:
                y[k] += 1
        return y

    agrees(program, [(torch.randn(n),) for n in (3, 0, 1, 6)])


def test_reads_at_an_index_that_a_loop_carries() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        k = 0
        while k < x.shape[0] - 1 and x[k] < x[k + 1]:
            k += 1
        return x[: k + 1].sum() * 10 + k

    rows = ([1.0, 2.0, 0.0], [1.0], [3.0, 2.0], [1.0, 2.0, 3.0, 4.0])
    agrees(program, [(torch.tensor(row),) for row in rows])


def stored_with_more_dimensions(value: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(4, 3)
        i = int(x.sum() > 0)
        y[i] = value(x)
        return y

    return program


def of_any_size(size: int) -> tuple[torch.Tensor]:
    return (torch.arange(size * 1.0) - 1,)


def test_first_dimensions_of_1_are_dropped_where_a_value_is_stored() -> None:
    program = stored_with_more_dimensions(lambda x: torch.ones(1, 1, 3) * x.sum())
    assert keeps_promise(program, of_any_size).right == list(SIZES)


def test_a_first_dimension_that_is_stored_must_be_1() -> None:
    program = stored_with_more_dimensions(lambda x: x[:, None].expand(-1, 3))
    promise = keeps_promise(program, of_any_size, example=1)
    assert promise.right == [1] and promise.relations == ["n == 1"]


def test_a_value_that_does_not_fit_is_the_models_error() -> None:
    program = stored_with_more_dimensions(lambda x: torch.ones(2, 3))
    with pytest.raises(fxexport.ModelError, match="shape"):
        keeps_promise(program, of_any_size)
