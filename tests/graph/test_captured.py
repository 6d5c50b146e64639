"""The graph runs, prints and can be walked."""

# The programs under test are written as users write them.
# ruff: noqa: SIM108

from __future__ import annotations

import torch
from torch import nn

import fxexport
from fxexport.graph import CapturedGraph, bodies_of, source_of
from fxexport.graph.ops import branch, loop
from fxexport.source.location import SourceLocation


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((), 2.0))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        for row in x:
            if row > 0:
                x = x * self.weight
            else:
                x = x - 1
        return x, x.shape[0]


def graph() -> CapturedGraph:
    return fxexport.export(Net(), (torch.ones(2),), dynamic=True, verify=False).graph


def test_it_runs_like_the_model() -> None:
    model, captured = Net(), graph()
    for size in (0, 1, 4):
        x = torch.randn(size, generator=torch.Generator().manual_seed(size))
        tensor, count = captured.run(x)
        expected, number = model(x)
        torch.testing.assert_close(tensor, expected.detach())
        assert count == number
        assert not tensor.requires_grad


def test_all_graphs_are_walked_parents_first() -> None:
    captured = graph()
    modules = list(captured.graphs())
    assert modules[0] is captured.module
    assert len(modules) == 4  # root, body, then, else
    (loop_node,) = (n for n in captured.module.graph.nodes if n.target is loop)
    assert bodies_of(captured.module, loop_node) == [modules[1]]
    (branch_node,) = (n for n in modules[1].graph.nodes if n.target is branch)
    assert len(bodies_of(modules[1], branch_node)) == 2
    (x,) = captured.module.graph.find_nodes(op="placeholder")
    assert bodies_of(captured.module, x) == []


def test_every_node_has_a_value_and_a_place() -> None:
    for module in graph().graphs():
        for node in module.graph.nodes:
            if node.op == "call_function":
                assert "val" in node.meta, node
                place = source_of(node)
                assert isinstance(place, SourceLocation) and place.file == __file__, node


def test_it_prints_all_its_graphs() -> None:
    text = str(graph())
    assert text.startswith("root:")
    assert "branch" in text and "loop" in text and "body 3" in text


def test_weights_are_named_and_real() -> None:
    captured = graph()
    assert set(captured.weights) == {"weight"}
    assert captured.weights["weight"].item() == 2.0
