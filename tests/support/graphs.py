"""Small captured graphs and ONNX files, made by hand."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.ops import branch, loop
from fxexport.graph.signature import Constraint, InputSpec, OutputSpec
from fxexport.inputs import PreparedInputs, prepare_inputs
from fxexport.source.location import SourceLocation
from fxexport.verify import verify

Build = Callable[[fx.Graph, list[fx.Node]], Any]
aten = torch.ops.aten


def body(names: list[str], build: Build) -> fx.GraphModule:
    """A graph of the named inputs; `build` gives its outputs."""
    graph = fx.Graph()
    outputs = build(graph, [graph.placeholder(name) for name in names])
    graph.output(tuple(outputs))
    return fx.GraphModule({}, graph)


def at_line(node: fx.Node, line: int) -> fx.Node:
    """Gives a node its user line."""
    node.meta["source"] = (SourceLocation("model.py", line, "forward"),)
    return node


def captured(
    inputs: list[InputSpec],
    build: Build,
    bodies: dict[str, fx.GraphModule] | None = None,
    constraints: list[Constraint] | None = None,
    kinds: tuple[str, ...] = ("tensor",),
) -> CapturedGraph:
    """A captured graph whose outputs are called y, y1, …."""
    graph = fx.Graph()
    outputs = build(graph, [graph.placeholder(spec.name) for spec in inputs])
    graph.output(tuple(outputs))
    module = fx.GraphModule(torch.nn.Module(), fx.Graph())
    for name, sub in (bodies or {}).items():
        setattr(module, name, sub)
    module.graph = graph
    specs = [OutputSpec("y" if k == 0 else f"y{k}", kind) for k, kind in enumerate(kinds)]  # type: ignore[arg-type]
    return CapturedGraph(module, inputs, specs, {}, constraints or [])


def if_positive(inputs: list[InputSpec], threshold: float = 0.0) -> CapturedGraph:
    """``y = x + 1 if x.sum() > threshold else x * 2``, the if on line 3."""

    def build(g: fx.Graph, args: list[fx.Node]) -> list[fx.Node]:
        total = at_line(g.call_function(aten.sum.default, (args[0],)), 2)
        cond = at_line(g.call_function(aten.gt.Scalar, (total, threshold)), 3)
        then, other = g.get_attr("then_body"), g.get_attr("else_body")
        both = at_line(g.call_function(branch, (cond, then, other, (args[0],))), 3)
        return [g.call_function(operator.getitem, (both, 0))]

    return captured(
        inputs,
        build,
        {
            "then_body": body(["x"], lambda g, a: [g.call_function(aten.add.Tensor, (a[0], 1.0))]),
            "else_body": body(["x"], lambda g, a: [g.call_function(aten.mul.Tensor, (a[0], 2.0))]),
        },
    )


def repeat(inputs: list[InputSpec]) -> CapturedGraph:
    """``for _ in range(n): x = x * 2 + 1``, on line 5; n is the second input."""

    def step(g: fx.Graph, a: list[fx.Node]) -> list[Any]:
        doubled = g.call_function(aten.mul.Tensor, (a[1], 2.0))
        return [True, g.call_function(aten.add.Tensor, (doubled, 1.0))]

    def build(g: fx.Graph, args: list[fx.Node]) -> list[fx.Node]:
        inner = g.get_attr("loop_body")
        done = at_line(g.call_function(loop, (args[1], True, inner, (args[0],), ())), 5)
        return [g.call_function(operator.getitem, (done, 0))]

    return captured(inputs, build, {"loop_body": body(["i", "x"], step)})


def onnx_file(path: Path, text: str) -> str:
    """Writes the file that ONNX's textual form describes."""
    header = '<ir_version: 10, opset_import: ["" : 20]>\n'
    model = onnx.parser.parse_model(header + text)
    onnx.save(model, path)
    return str(path)


def check(
    graph: CapturedGraph,
    path: str,
    function: Callable[..., Any],
    prepared: PreparedInputs,
    **options: Any,
) -> Any:
    """Verifies a file against a plain function."""

    def reference(flat: list[Any]) -> list[Any]:
        args, kwargs = prepared.rebuild(flat)
        result = function(*args, **kwargs)
        return list(result) if isinstance(result, tuple) else [result]

    return verify(graph, path, reference, prepared, **options)


def prepared_for(function: Callable[..., Any], inputs: Any, dynamic: Any) -> PreparedInputs:
    """The inputs of a function."""
    return prepare_inputs(function, inputs, None, dynamic, None)
