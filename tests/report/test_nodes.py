"""A finding is what a reader sees as one if or one loop, with the nodes that stand for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import fxexport


def found(model: Callable[..., Any], *shape: int) -> list[tuple[str, str]]:
    """The kind and line of code of each branch and loop that is told."""
    exported = fxexport.export(model, (torch.randn(*shape),), dynamic=True, verify=False)
    kinds = ("branch", "loop", "unrolled", "folded")
    return [
        (one.kind, "" if one.location is None else one.location.code)
        for one in exported.report.of_kind(*kinds)  # type: ignore[arg-type]
    ]


def two_operands(x: torch.Tensor) -> torch.Tensor:
    while x.sum() < 9 and x.max() < 5:
        x = x + 1
    return x


def operands_on_lines_of_their_own(x: torch.Tensor) -> torch.Tensor:
    while (
        x.sum() < 9 and x.max() < 5
    ):  # fmt: skip
        x = x + 1
    if (
        x.min() > 0 or x.max() < 3
    ):  # fmt: skip
        x = x * 2
    return x


def an_operand_alone(x: torch.Tensor) -> Any:
    return x.sum() > 0 and x.max() < 5


@pytest.mark.parametrize(
    ("model", "sites"),
    [
        (two_operands, [("loop", "while x.sum() < 9 and x.max() < 5:")]),
        (operands_on_lines_of_their_own, [("loop", "while ("), ("branch", "if (")]),
        (an_operand_alone, [("branch", "return x.sum() > 0 and x.max() < 5")]),
    ],
)
def test_operands_of_a_condition_are_told_with_it(
    model: Callable[..., Any], sites: list[tuple[str, str]]
) -> None:
    assert sorted(found(model, 3)) == sorted(sites)


def test_a_finding_names_all_of_its_nodes() -> None:
    exported = fxexport.export(two_operands, (torch.ones(3),), dynamic=True, verify=False)
    (loop,) = exported.report.of_kind("loop")
    operators = {node.name: node.op_type for node in exported._ir_model.graph.all_nodes()}
    assert {operators[name] for name in loop.nodes} == {"If", "Loop"}
    flow = [name for name, kind in operators.items() if kind in ("If", "Loop")]
    contract = [name for name in flow if name.startswith("contract")]
    assert sorted(loop.nodes) == sorted(set(flow) - set(contract))


def test_a_selection_names_its_nodes() -> None:
    def choose(x: torch.Tensor) -> torch.Tensor:
        n = x.shape[0] if x.sum() > 0 else 1
        return x * n

    exported = fxexport.export(
        choose, (torch.ones(3),), dynamic={"x": {0: fxexport.Dim("n", 1, 8)}},
        target="tensorrt", verify=False,
    )  # fmt: skip
    (selected,) = exported.report.of_kind("selected")
    operators = {node.name: node.op_type for node in exported._ir_model.graph.all_nodes()}
    assert {operators[name] for name in selected.nodes} == {"Where"}


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        self.own = nn.ModuleList([nn.ReLU(), nn.ReLU()])
        self.gru = nn.GRU(4, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, _ = self.gru(self.layers(x))
        for layer in self.own:
            x = layer(x)
        return x


def test_loops_and_ifs_of_pytorchs_layers_are_not_the_users() -> None:
    assert found(Layers().eval(), 2, 3, 4) == [("unrolled", "for layer in self.own:")]


class Normalized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LocalResponseNorm(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


def test_an_if_of_a_layer_that_is_in_the_file_is_told_as_pytorchs() -> None:
    exported = fxexport.export(Normalized(), (torch.ones(2, 3, 4),), dynamic=True, verify=False)
    (branch,) = exported.report.of_kind("branch")
    assert branch.message == "kept as a branch, in PyTorch's own code"


def test_a_range_that_decides_inside_of_a_layer_is_told_as_pytorchs() -> None:
    exported = fxexport.export(
        Normalized(), (torch.ones(2, 3, 4),), verify=False,
        dynamic={"x": {0: fxexport.Dim("n", 1, 8)}},
    )  # fmt: skip
    (folded,) = exported.report.of_kind("folded")
    assert folded.message.startswith("in PyTorch's own code: n is in 1..8, so ")
