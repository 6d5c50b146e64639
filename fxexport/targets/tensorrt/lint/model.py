"""What TensorRT will refuse in a file, or do otherwise than the file says, before it is asked.

Each rule was measured with TensorRT-RTX 1.7.1; see docs/tensorrt.md. What is not known here is left
to the builder, whose own messages are brought to the user's lines.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from fxexport.report.build import Problem, Severity
from fxexport.targets.tensorrt.build.node_locations import location_of, walk
from fxexport.targets.tensorrt.lint.operators import operator_findings
from fxexport.targets.tensorrt.lint.scopes import Scopes, scope_findings

__all__ = ["lint"]

_INPUTS_REFUSED = {
    ir.DataType.INT16,
    ir.DataType.UINT16,
    ir.DataType.UINT32,
    ir.DataType.UINT64,
    ir.DataType.STRING,
}


def lint(model: ir.Model) -> list[Problem]:
    """What TensorRT refuses in a file, errors first.

    Args:
        model: the file, with the dtypes and ranks of its values where they are known.
    """
    found = [*_inputs(model.graph), *_nodes(model.graph), *_doubles(model.graph)]
    unique = list({(p.message, p.location, p.node if p.location is None else ""): p
                   for p in reversed(found)}.values())[::-1]  # fmt: skip
    return sorted(unique, key=lambda p: p.severity != "error")


def _inputs(graph: ir.Graph) -> Iterator[Problem]:
    for value in graph.inputs:
        if isinstance(value.type, (ir.SequenceType, ir.OptionalType)):
            kind = "a list" if isinstance(value.type, ir.SequenceType) else "an optional value"
            yield Problem(f"input {value.name!r} is {kind}: TensorRT has no such inputs")
        elif value.shape is None:
            yield Problem(
                f"input {value.name!r} has no rank in the file; TensorRT takes that for a number",
                hint="declare its shape",
            )
        elif len(value.shape) > 8:
            yield Problem(
                f"input {value.name!r} has {len(value.shape)} dimensions; TensorRT takes up to 8"
            )
        if value.dtype in _INPUTS_REFUSED:
            yield Problem(
                f"input {value.name!r} is {value.dtype.name.lower()}: TensorRT has no such inputs",
                hint="use int32 or int64",
            )


def _doubles(graph: ir.Graph) -> Iterator[Problem]:
    """TensorRT reads float64 as float32 without an error."""
    edges = [
        value.name for value in (*graph.inputs, *graph.outputs) if value.dtype == ir.DataType.DOUBLE
    ]
    if edges:
        names = ", ".join(repr(name) for name in edges)
        yield Problem(
            f"TensorRT computes float64 as float32: {names}",
            "warning",
            hint="Python floats are float64 in the file; the engine takes float32 for them",
        )


def _nodes(graph: ir.Graph) -> Iterator[Problem]:
    scopes = Scopes(graph)
    for node, path in walk(graph):
        location = location_of(node.metadata_props)
        for outer in reversed(path):
            location = location or location_of(outer.metadata_props)
        findings: list[tuple[str, str, Severity]] = [
            (message, hint, "error")
            for message, hint in operator_findings(node, scopes.is_constant)
        ]
        findings += scope_findings(node, path, scopes)
        for message, hint, severity in findings:
            yield Problem(message, severity, hint, location, node.name or "")
