"""Whether a report says of ifs and loops what the file holds."""

from __future__ import annotations

from typing import Any

import fxexport
from fxexport.graph import source_of
from fxexport.graph.captured import bodies_of
from fxexport.graph.ops import branch, loop

__all__ = ["unlike_the_file"]

_KINDS = {branch: "branch", loop: "loop"}
_OPERATORS = {"branch": "If", "loop": "Loop"}


def unlike_the_file(exported: fxexport.Exported, model: Any = None) -> str:
    """Where findings and graph, or findings and file, say different things; empty if nowhere.

    Args:
        exported: the export.
        model: its ONNX message, where it is at hand.
    """
    found = exported.report.of_kind("branch", "loop")
    held = {
        (_KINDS[node.target], source_of(node))
        for module in exported.graph.graphs()
        for node in module.graph.nodes
        if node.target in _KINDS and not node.meta.get("helper")
    }
    strange = {one.location for one in found} - {location for _, location in held}
    if strange:
        return f"reported and not there: {strange}"
    file = (exported.model if model is None else model).graph
    kinds = {name: op for op, name in _labels(file)}
    named = [name for one in found for name in one.nodes]
    missing = _of_program(exported.graph.module) - len(named)
    if missing or len(named) != len(set(named)):
        return f"{missing} branches or loops are in no finding, or some in two: {named}"
    for one in found:
        operators = {kinds.get(name) for name in one.nodes}
        # The branches of a loop's condition are told with it.
        if not {_OPERATORS[one.kind]} <= operators <= set(_OPERATORS.values()):
            return f"the report tells of a {one.kind} at {one.location}: {one.nodes}"
    gone = exported.report.of_kind("selected", "unused")
    twice = [one.location for one in gone if ("branch", one.location) in held]
    return f"both kept and not kept: {twice}" if twice else ""


def _of_program(module: Any) -> int:
    """How many branches and loops of the program are in a graph and its bodies."""
    nodes = [node for node in module.graph.nodes if node.target in (branch, loop)]
    return sum(
        (not node.meta.get("helper")) + sum(map(_of_program, bodies_of(module, node)))
        for node in nodes
    )


def _labels(graph: Any) -> list[tuple[str, str]]:
    """Operator and name of all nodes, those of bodies too."""
    found = []
    for node in graph.node:
        found.append((node.op_type, node.name))
        for attribute in node.attribute:
            found.extend(_labels(attribute.g) if attribute.HasField("g") else [])
    return found
