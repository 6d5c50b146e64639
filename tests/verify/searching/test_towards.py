"""Inputs are moved to where a condition turns, by how far it is from that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("onnxruntime")

import fxexport
from fxexport.verify.cases import CaseMaker
from fxexport.verify.searching.margins import Given, margins_of
from fxexport.verify.searching.towards import Towards

X = torch.linspace(-1.0, 0.9, 24).reshape(3, 8)


class Gate(nn.Module):
    """A condition on what trained weights make of the input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gate = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.gate(x).sigmoid().max() > 0.9999:
            return x * 2
        return x


def mean(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.mean() > 371.5 else x


def narrow(x: torch.Tensor) -> torch.Tensor:
    if 0.305 < x.mean() < 0.31:
        return x * 2
    return x


def number(x: torch.Tensor) -> torch.Tensor:
    size = x.mean().item()
    if size * 2 + 1 > 250 and size < 126:
        return x * 2
    return x


def rounded(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if (x * 10).round().sum() > 7000 else x


def nested(x: torch.Tensor) -> torch.Tensor:
    if x.amax() > 200:
        if (x[0] - x[1]).sum() < -300:
            return x * 2
        return x * 3
    return x


def counted(x: torch.Tensor) -> torch.Tensor:
    for _ in range(int(x[0, 0].abs() / 100)):
        x = x * 0.5
    return x


def repeated(x: torch.Tensor) -> torch.Tensor:
    error = x.abs().max() - 70
    while error > 1e-3:
        x, error = x / 2, error / 2 - 31
    return x


def undefined(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(x) if torch.isnan(x).any() else x


def all_and_none(x: torch.Tensor) -> torch.Tensor:
    if not (x < 130).any() and (x > 120).all():
        return x * 2
    return x


PROGRAMS: list[Callable[..., Any]] = [
    mean, narrow, number, rounded, nested, counted, repeated, undefined, all_and_none,
]  # fmt: skip


def exported(program: Callable[..., Any]) -> fxexport.Exported:
    return fxexport.export(program, (X,), dynamic={"x": {0: "rows"}}, verify=False)


@pytest.mark.parametrize(
    "program", [*PROGRAMS, Gate().eval()], ids=lambda f: getattr(f, "__name__", type(f).__name__)
)
def test_inputs_reach_what_lies_behind_a_threshold(
    program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CaseMaker, "searching", lambda *_: iter(()))
    result = exported(program).verify()
    assert result.ok, result
    assert {goal.reached for goal in result.goals} == {"input"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_margin_is_above_zero_where_a_side_is_taken(program: Callable[..., Any]) -> None:
    graph = exported(program).graph
    for x in (X, X * 300, X + 250):
        found = margins_of(graph, [Given(x, x)], 100)
        for goal, margin in found.of.items():
            assert (goal in found.reached) is (float(margin.size) > 0), goal


def test_what_no_value_reaches_is_not_found() -> None:
    def never(x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum().sin() > 2 else x

    graph = exported(never).graph
    name = next(n.name for n in graph.module.graph.nodes if n.name.startswith("branch"))
    assert Towards(graph, (), 50, contextlib.nullcontext).found(((name,), "then"), [X]) is None


def test_inputs_that_must_stay_do_not_move() -> None:
    graph = exported(mean).graph
    name = next(n.name for n in graph.module.graph.nodes if n.name.startswith("branch"))
    moved = Towards(graph, (), 50, contextlib.nullcontext).found(((name,), "then"), [X])
    assert moved is not None
    assert mean(moved[0]).equal(moved[0] * 2)  # type: ignore[arg-type, union-attr]
    assert Towards(graph, {0}, 50, contextlib.nullcontext).found(((name,), "then"), [X]) is None
