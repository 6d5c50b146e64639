"""Sizes keep their bounds through branches, so that later conditions are decided."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import fxexport
from tests.support.harness import run_model

ROWS = [(torch.linspace(-1, 1, n) + shift,) for n in (8, 1, 3, 60) for shift in (0.3, 2.0, -2.0)]


def selected_once_more(x: torch.Tensor) -> torch.Tensor:
    y = x[x > 0]
    if not (y > 1).all():
        y = y[y > 1]
    return y + 1 if y.shape[0] < 1000 else y


def selected_in_turn(x: torch.Tensor) -> torch.Tensor:
    y = x[x > 0]
    for k in range(3):
        y = y[y > k * 0.1] if y.sum() > k else y * 2
    return y + 1 if y.shape[0] < 1000 else y


def bounded_by_the_condition(x: torch.Tensor) -> torch.Tensor:
    y = x[x > 0]
    if y.shape[0] > 3:
        y = y[:3]
    return y + 1 if y.shape[0] < 4 else y


def joined(x: torch.Tensor) -> torch.Tensor:
    z = torch.cat([x[x > 0], x])
    if z.sum() > 0:
        z = z[z.argsort()[:100]]
    return z + 1 if z.shape[0] <= 400 else z


def a_number(x: torch.Tensor) -> torch.Tensor:
    n = 5
    if x.sum() > 0:
        n = x.shape[0]
    return x + n if n <= 200 else x


@pytest.mark.parametrize(
    "program",
    [selected_once_more, selected_in_turn, bounded_by_the_condition, joined, a_number],
)
def test_a_condition_on_a_merged_size_is_decided(
    program: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    dynamic = {"x": {0: fxexport.Dim("n", 1, 200)}}
    exported = fxexport.export(program, (torch.randn(8),), dynamic=dynamic, verify=False)
    assert any("always true" in one.message for one in exported.report.of_kind("folded"))
    assert run_model(lambda: program, ROWS, dynamic=dynamic).status == "agree"


def of_a_rank_that_was_taken(x: torch.Tensor) -> torch.Tensor:
    y = x[x > 0]
    b = torch.stack([y, y], 1) if y.numel() > 0 else y.new_zeros(0)
    return b.sum() + 1 if b.shape[0] > 0 else x.sum()


def there_on_one_path(x: torch.Tensor) -> torch.Tensor:
    y = None
    if x.sum() > 0:
        y = x[x > 0]
    if y is not None and y.shape[0] > 0:
        return y.sum()
    return x.sum() - 1


def of_one_row_or_more(x: torch.Tensor) -> torch.Tensor:
    y = x[x > 0] if x.sum() > 0 else x[:1]
    return y.sum() * 2 if y.shape[0] <= 1 else y.sum()


@pytest.mark.parametrize(
    "program", [of_a_rank_that_was_taken, there_on_one_path, of_one_row_or_more]
)
def test_what_another_path_leaves_counts(program: Callable[[torch.Tensor], torch.Tensor]) -> None:
    outcome = run_model(lambda: program, [*ROWS, (torch.zeros(0),)], dynamic=True)
    assert outcome.status == "agree", outcome.details
