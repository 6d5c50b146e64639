"""Pieces and rows of a dynamic dimension are views, as in PyTorch."""

# The programs are written as users write them.
# ruff: noqa: SIM108

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import fxexport
from tests.support.promises import SIZES, keeps_promise

Tensor = torch.Tensor
Function = Callable[..., Any]


def rows(size: int) -> tuple[Tensor]:
    return (torch.arange(size * 3.0).reshape(size, 3) - 4,)


def through_each(x: Tensor) -> Any:
    y = x.clone()
    for piece in y.split(2):
        piece.mul_(2)
    return y


def through_the_first(x: Tensor) -> Any:
    y = x.clone()
    y.split(2)[0].mul_(2)
    return y


def through_a_half(x: Tensor) -> Any:
    y = x.clone()
    _, b = y.tensor_split(2)
    b.add_(1)
    return y


def beside(x: Tensor) -> Any:
    y = x.clone()
    pieces = y.split(2)
    y.add_(1)
    return pieces[0], torch.cat(pieces)


def beside_in_a_branch(x: Tensor) -> Any:
    y = x.clone()
    if x.sum() > 0:
        pieces = y.split(2)
        y.add_(1)
    else:
        pieces = y.split(3)
        y.add_(2)
    return pieces[0], y


def through_in_a_branch(x: Tensor) -> Any:
    y = x.clone()
    pieces = y.split(2)
    if x.sum() > 0:
        pieces[0].add_(1)
    return pieces[-1], y


def through_rows(x: Tensor) -> Any:
    y = x.clone()
    for row in y.unbind(0):
        row.add_(row.sum())
    return y


@pytest.mark.parametrize(
    "program",
    [
        through_each, through_the_first, through_a_half, beside, beside_in_a_branch,
        through_in_a_branch, through_rows,
    ],
)  # fmt: skip
def test_pieces_are_views(program: Function) -> None:
    assert keeps_promise(program, rows).right == list(SIZES)


def test_copies_are_none() -> None:
    def program(x: Tensor) -> Any:
        y = x.clone()
        torch.split_copy(y, 2)[0].mul_(2)
        return y

    assert keeps_promise(program, rows).right == list(SIZES)


def after_a_branch(x: Tensor) -> Any:
    y = x.clone()
    if x.sum() > 0:
        pieces = y.split(2)
    else:
        pieces = y.split(3)
    y.add_(1)
    return pieces[0], y


def before_a_write_in_a_loop(x: Tensor) -> Any:
    y = x.clone()
    pieces = y.split(2)
    for _ in range(x.shape[0]):
        pieces = y.split(3)
        y.add_(1)
    return pieces[0], y


def popped_before_a_write(x: Tensor) -> Any:
    y = x.clone()
    pieces = list(y.split(2))
    first = pieces.pop(0)
    y.add_(1)
    return first, pieces


@pytest.mark.parametrize(
    "program", [after_a_branch, before_a_write_in_a_loop, popped_before_a_write]
)
def test_a_write_that_pieces_would_not_follow_is_refused(program: Function) -> None:
    with pytest.raises(fxexport.UnsupportedError, match="in place") as refusal:
        keeps_promise(program, rows)
    assert refusal.value.location is not None
