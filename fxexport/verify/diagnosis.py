"""Where a disagreement starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph, source_of
from fxexport.graph.ops import branch, loop
from fxexport.graph.outputs import without_padding
from fxexport.graph.signature import OutputSpec
from fxexport.graph.values import Eager
from fxexport.source.location import SourceLocation
from fxexport.targets.onnxruntime.session import OrtSession, RuntimeFailure
from fxexport.verify.compare import compare_outputs, compare_values, largest
from fxexport.verify.tolerance import USUAL, Asked, tolerance_for
from fxexport.verify.unchecked import checked

__all__ = ["Diagnosis", "as_file_output", "diagnose"]

# Values looked at in one run of the file: each becomes an output, and takes memory.
_CHUNK = 128


@dataclass(frozen=True)
class Diagnosis:
    """What is known about the start of a disagreement.

    Attributes:
        text: a sentence for the user.
        location: the user's line, where one could be found.
    """

    text: str
    location: SourceLocation | None = None


def diagnose(
    graph: CapturedGraph,
    model_path: str | os.PathLike[str],
    inputs: Sequence[Eager],
    expected: Sequence[Eager],
    working: torch.dtype | None,
    asked: Asked = USUAL,
) -> Diagnosis:
    """Finds where PyTorch and the file part.

    Args:
        graph: the captured graph; each of its values has the same name in the file.
        model_path: the file.
        inputs: inputs on which they differ.
        expected: PyTorch's results for them.
        working: the coarsest float dtype in the model.
        asked: the tolerances that the user asked for.
    """
    try:
        values, outputs = _run_recording(graph, inputs)
    except Exception as error:  # the graph is what is in doubt
        return Diagnosis(f"the captured graph itself fails on these inputs: {error}")
    scale = largest(inputs)
    whole = graph.outputs
    specs = [spec for spec in whole if spec.of_model]
    got = without_padding(
        whole, [as_file_output(value, spec) for value, spec in zip(outputs, whole, strict=True)]
    )
    if not all(d.ok for d in compare_outputs(specs, expected, got, working, scale)):
        return Diagnosis(
            "the captured graph differs from PyTorch as well, so the model was not captured right"
        )
    try:
        found = _first_difference(graph, model_path, inputs, values, working, asked)
        plain = None if found else _without_optimization(graph, model_path, inputs)
    except RuntimeFailure as error:
        return Diagnosis(f"the captured graph is right, the file is not ({error.message})")
    if found is not None:
        return found
    if plain is not None and all(
        d.ok for d in compare_outputs(specs, expected, plain, working, scale)
    ):
        return Diagnosis(
            "the file is right when ONNX Runtime's own optimizations are off: one of them changes "
            "the result"
        )
    return Diagnosis("the captured graph is right, the file is not")


class _ValueRecorder(fx.Interpreter):
    """Runs the root graph and keeps every tensor and scalar it makes."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.values: dict[fx.Node, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if n.op == "call_function":
            if isinstance(result, torch.Tensor):
                self.values[n] = result.detach().cpu()
            elif isinstance(result, (bool, int, float)):
                self.values[n] = _scalar(result)
        return result


def _run_recording(
    graph: CapturedGraph, inputs: Sequence[Eager]
) -> tuple[dict[fx.Node, torch.Tensor], tuple[Eager, ...]]:
    recorder = _ValueRecorder(graph.module)
    with torch.no_grad(), checked(graph):
        outputs = recorder.run(*inputs)
    return recorder.values, tuple(outputs)


def as_file_output(value: Eager, spec: OutputSpec) -> Eager:
    """What the graph gives for an output, in the form in which a file gives it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return [as_file_output(item, spec) for item in value]
    return value.detach().cpu() if isinstance(value, torch.Tensor) else _scalar(value, spec.kind)


def _scalar(value: float | bool, kind: str = "") -> torch.Tensor:
    dtypes = {"bool": torch.bool, "int": torch.int64, "float": torch.float64}
    return torch.tensor(value, dtype=dtypes[kind if kind in dtypes else type(value).__name__])


def _first_difference(
    graph: CapturedGraph,
    model_path: str | os.PathLike[str],
    inputs: Sequence[Eager],
    values: dict[fx.Node, torch.Tensor],
    working: torch.dtype | None,
    asked: Asked,
) -> Diagnosis | None:
    """The first value in the order of the graph that is not the same in the file."""
    named = {spec.name: value for spec, value in zip(graph.inputs, inputs, strict=True)}
    scale = largest(inputs)
    for nodes, got in _values_in_file(model_path, named, list(values)):
        for node, value in zip(nodes, got, strict=True):
            want = values[node]
            tolerance = asked.at_least(tolerance_for(want.dtype, working))
            difference = compare_values(node.name, want, value, tolerance, scale)
            if not difference.ok:
                return Diagnosis(
                    f"the first wrong value is that of {_describe(node)}: {difference.message}",
                    source_of(node),
                )
    return None


def _describe(node: fx.Node) -> str:
    if node.target is branch:
        return "the if"
    if node.target is loop:
        return "the loop"
    source = node.args[0] if node.args else None
    if isinstance(source, fx.Node) and source.target in (branch, loop):
        return f"{_describe(source)} (result {node.args[1]})"
    return f"{node.target}" if not callable(node.target) else _name_of(node.target)


def _name_of(target: object) -> str:
    return str(target) if hasattr(target, "overloadpacket") else getattr(target, "__name__", "?")


def _values_in_file(
    model_path: str | os.PathLike[str], named: dict[str, Eager], nodes: list[fx.Node]
) -> Iterator[tuple[list[fx.Node], list[torch.Tensor]]]:
    """The values of graph nodes as the file computes them, some at a time."""
    import onnx

    proto = onnx.load(os.fspath(model_path), "protobuf", load_external_data=False)
    made = {name for node in proto.graph.node for name in node.output}
    known = [node for node in nodes if node.name in made]
    outputs = {output.name: output for output in proto.graph.output}
    folder = os.path.dirname(os.path.realpath(model_path))
    for start in range(0, len(known), _CHUNK):
        chunk = known[start : start + _CHUNK]
        del proto.graph.output[:]
        for node in chunk:
            value = outputs.get(node.name, onnx.ValueInfoProto(name=node.name))
            proto.graph.output.append(value)
        session = OrtSession(proto.SerializeToString(), data_folder=folder)
        yield chunk, session.run(named)


def _without_optimization(
    graph: CapturedGraph, model_path: str | os.PathLike[str], inputs: Sequence[Eager]
) -> list[Eager]:
    named = {spec.name: value for spec, value in zip(graph.inputs, inputs, strict=True)}
    return without_padding(graph.outputs, OrtSession(model_path, optimize=False).run(named))
