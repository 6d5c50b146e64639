"""What a file promises, as JSON in its metadata: for which sizes and values it holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fxexport.file_keys import CONTRACT
from fxexport.graph import CapturedGraph, DimRange
from fxexport.graph.guards import own_guards, text_and_place
from fxexport.profiles import compact_json
from fxexport.report.model import Finding
from fxexport.source.location import SourceLocation

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["contract_of", "describe_contract"]

_VERSION = 1


def describe_contract(model: ir.Model, graph: CapturedGraph, pins: Iterable[Finding]) -> None:
    """Writes the contract into a model's metadata."""
    model.metadata_props[CONTRACT] = compact_json(contract_of(graph, pins))


def contract_of(graph: CapturedGraph, pins: Iterable[Finding]) -> dict[str, Any]:
    """The contract as plain data; docs/contract.md says what its keys mean.

    Args:
        graph: the graph after all passes.
        pins: what the report says of dimensions that the model holds at one size.
    """
    return {
        "version": _VERSION,
        "checked": graph.guarded,
        "dimensions": _dimensions(graph),
        "values": {
            spec.name: {"min": spec.values[0], "max": spec.values[1]}
            for spec in graph.inputs
            if spec.values is not None
        },
        "relations": [
            {
                "text": one.text,
                "expression": one.expression,
                "names": list(one.names),
                "place": _place(one.location),
            }
            for one in graph.constraints
        ],
        "pins": [{"text": one.message, "place": _place(one.location)} for one in pins],
        "guards": [_guard(message) for message in dict.fromkeys(own_guards(graph))],
        "unchecked": [_guard(message) for message in dict.fromkeys(graph.unguarded)],
    }


def _dimensions(graph: CapturedGraph) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for spec in graph.inputs:
        for axis, dim in enumerate(spec.shape):
            if isinstance(dim, DimRange):
                entry: dict[str, Any] = {"min": dim.min, "max": dim.max, "at": []}
                found.setdefault(dim.name, entry)["at"].append({"input": spec.name, "axis": axis})
    return found


def _guard(message: str) -> dict[str, str]:
    text, place = text_and_place(message)
    return {"text": text, "place": place}


def _place(location: SourceLocation | None) -> str:
    return "" if location is None else location.without_folder
