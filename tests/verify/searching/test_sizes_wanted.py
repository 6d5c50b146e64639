"""Sizes that lead to a path are computed where sizes alone decide."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

pytest.importorskip("onnxruntime")

import fxexport
from fxexport.report.model import Goal


def far_and_odd(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] * 3 > 700 and x.shape[0] % 7 == 3:
        x = x + 1
    return x


def one_in_the_other(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] == 3 * x.shape[1] + 40:
        x = x + 1
        if x.shape[2] > 20:
            x = x * 2
    return x


def often(x: torch.Tensor) -> torch.Tensor:
    for k in range(x.shape[0] // 150):
        x = x + k
    return x


@pytest.mark.parametrize("function", [far_and_odd, one_in_the_other, often])
def test_inputs_lead_everywhere(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    exported = fxexport.export(function, (torch.randn(4, 3, 2),), dynamic=True)
    result = exported.report.verification
    assert result is not None
    assert result.ok, result.message
    assert result.goals
    assert [goal for goal in result.goals if goal.reached != "input"] == []


def at_least_one(x: torch.Tensor) -> torch.Tensor:
    total = x[0]
    for row in x:
        total = total + row
    return total


def test_what_the_contract_excludes_is_no_goal() -> None:
    exported = fxexport.export(at_least_one, (torch.randn(4, 3),), dynamic={"x": {0: "rows"}})
    result = exported.report.verification
    assert result is not None
    assert [goal.goal for goal in result.goals] == ["one trip", "several trips"]
    assert all(isinstance(goal, Goal) and goal.compared for goal in result.goals)


def decided_by_values_elsewhere(x: torch.Tensor) -> torch.Tensor:
    rows = 3 if x.sum() > 0 else x.shape[0]
    count = rows if x.shape[0] > 4 else 1
    return x * 2 if count > 3000 else x


def test_size_beyond_which_values_decide_is_no_candidate() -> None:
    exported = fxexport.export(
        decided_by_values_elsewhere, (torch.ones(4, 3),), dynamic={"x": {0: "rows"}}
    )
    result = exported.report.verification
    assert result is not None
    assert result.ok, result.message
    assert [goal.goal for goal in result.goals if goal.reached != "input"] == ["then"]
