"""A wrong operator is named with its line, in whatever branch or loop it stands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
import torch

pytest.importorskip("onnxruntime")

import fxexport

X = torch.tensor([[0.5, -1.0, 2.0], [-3.0, 0.25, -0.125]])


def in_an_if(x: torch.Tensor) -> torch.Tensor:
    y = x * 3
    if x.sum() > 0:
        y = y + 1
        y = torch.sigmoid(y)
        y = y - 2
    return y


def in_a_loop(x: torch.Tensor) -> torch.Tensor:
    total = x[0] * 0
    for row in x:
        y = row * 2
        if row.sum() > 0:
            y = torch.sigmoid(y + 1)
            total = total + y
        else:
            total = total - y
    return total


def in_a_while(x: torch.Tensor) -> torch.Tensor:
    while x.abs().max() > 1:
        x = x / 2
        x = x * torch.sigmoid(x)
    return x + 1


def of_growing_size(x: torch.Tensor) -> torch.Tensor:
    rows = x[:1]
    for row in x:
        halves = torch.sigmoid(rows)
        rows = torch.cat([halves, row[None]])
    return rows


def where_no_input_leads(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    if x.sum().sin() > 2:
        y = y + 1
        y = torch.sigmoid(y)
        y = y * 3
    return y


def deep_where_no_input_leads(x: torch.Tensor) -> torch.Tensor:
    total = x
    for row in x:
        if row.sum().sin() > 2:
            for other in x:
                total = total + row
                total = total + torch.sigmoid(other)
    return total


def at_the_root(x: torch.Tensor) -> torch.Tensor:
    y = torch.sigmoid(x)
    if y.sum() > 100:
        y = y * 2
    return y


def in_a_list(x: torch.Tensor) -> torch.Tensor:
    kept = [torch.sigmoid(row) for row in x if row.sum() > -100]
    total = x[0]
    for row in kept:
        total = total + row
    return total


PROGRAMS: list[Callable[[torch.Tensor], torch.Tensor]] = [
    in_an_if, in_a_loop, in_a_while, of_growing_size, where_no_input_leads,
    deep_where_no_input_leads, at_the_root, in_a_list,
]  # fmt: skip


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_nodes(attribute.g)


@pytest.mark.parametrize("program", PROGRAMS)
def test_wrong_operator_is_traced_to_its_line(
    program: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path
) -> None:
    exported = fxexport.export(program, (X,), dynamic={"x": {0: "rows"}}, verify=False)
    path = tmp_path / "model.onnx"
    exported.save(path)
    assert exported.verify_file(str(path)).ok
    model = onnx.load(path)
    for node in all_nodes(model.graph):
        if node.op_type == "Sigmoid":
            node.op_type = "Tanh"
    onnx.save(model, path)
    result = exported.verify_file(str(path))
    assert not result.ok
    lines, first = inspect.getsourcelines(program)
    wanted = first + next(k for k, line in enumerate(lines) if "sigmoid" in line)
    assert result.location is not None
    assert result.location.line == wanted
    assert "that of aten.sigmoid" in result.message


def test_run_of_a_body_in_which_a_value_is_wrong_first_is_told(tmp_path: Path) -> None:
    def clipped(x: torch.Tensor) -> torch.Tensor:
        total = x[0]
        for row in x:
            total = total + row.clamp(max=10.0)
        return total

    x = torch.tensor([[1.0], [2.0], [30.0]])
    exported = fxexport.export(clipped, (x,), dynamic={"x": {0: "rows"}}, verify=False)
    path = tmp_path / "model.onnx"
    exported.save(path)
    model = onnx.load(path)
    for node in all_nodes(model.graph):
        if node.op_type in ("Clip", "Min"):
            node.op_type = "Identity"
            del node.input[1:]
    onnx.save(model, path)
    result = exported.verify_file(str(path))
    assert "when the loop's body runs for the third time" in result.message
