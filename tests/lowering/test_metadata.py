"""What nodes of the file say of themselves: the user's line, the module, readable names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from torch import nn

import fxexport

MODULE = "pkg.fxexport.module"
SOURCE = "pkg.fxexport.source"


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:  # the gate
            x = self.inner(x)
        return x


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.ModuleList([Gate(), Gate()])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        y = x.exp()
        for gate in self.gates:
            y = gate(y)
        for row in x:  # the loop
            if row.max() > 1:  # inside
                y = y + row
        a, b = (y if y.sum() > 2 else -y), (y.sin() if y.sum() > 3 else y)  # two in a line
        return a, b, x


def line_of(comment: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    (line,) = (k for k, code in enumerate(lines, 1) if code.endswith(f"# {comment}"))
    return line


def exported() -> onnx.ModelProto:
    torch.manual_seed(0)
    return fxexport.export(Net().eval(), (torch.ones(3, 4),), dynamic=True).model


def bodies(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, onnx.GraphProto]]:
    """Every body with the node that it belongs to."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield node, attribute.g
                yield from bodies(attribute.g)


def nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    graphs = [model.graph, *(body for _, body in bodies(model.graph))]
    return [node for graph in graphs for node in graph.node]


def said(node: onnx.NodeProto, key: str) -> str:
    return {prop.key: prop.value for prop in node.metadata_props}.get(key, "")


def test_nodes_name_their_module_also_in_bodies() -> None:
    model = exported()
    by_kind: dict[str, list[str]] = {}
    for node in nodes(model):
        by_kind.setdefault(node.op_type, []).append(said(node, MODULE))
    linear = by_kind.get("Gemm", []) + by_kind.get("MatMul", [])
    assert sorted(linear) == ["gates.0.inner", "gates.1.inner"]
    assert [name for name in by_kind["If"] if name] == ["gates.0", "gates.1"]
    assert by_kind["Loop"] == by_kind["Exp"] == [""]


def test_every_node_names_its_line() -> None:
    for node in nodes(exported()):
        assert re.search(rf"{re.escape(__file__)}:\d+", said(node, SOURCE)), node


def test_what_a_body_passes_on_is_of_the_line_of_its_node() -> None:
    model = exported()
    passed = [
        (said(owner, key), said(node, key))
        for owner, body in bodies(model.graph)
        for node in body.node
        if node.op_type == "Identity" and node.output[0] in {value.name for value in body.output}
        for key in (SOURCE, MODULE)
    ]
    assert passed
    assert all(outer == inner for outer, inner in passed)


def test_branches_loops_and_their_bodies_are_named_after_their_lines() -> None:
    model = exported()
    found: dict[str, set[str]] = {}
    for owner, body in bodies(model.graph):
        found.setdefault(owner.name, set()).add(body.name)
    gate, loop, inside, two = (
        f"forward_L{line_of(text)}" for text in ("the gate", "the loop", "inside", "two in a line")
    )
    ifs = [f"{gate}_if", f"{gate}_if_1", f"{inside}_if", f"{two}_if", f"{two}_if_1"]
    expected = {name: {f"{name}_then", f"{name}_else"} for name in ifs}
    assert found == {**expected, f"{loop}_loop": {f"{loop}_loop_body"}}


def test_two_exports_give_the_same_bytes() -> None:
    assert exported().SerializeToString() == exported().SerializeToString()
