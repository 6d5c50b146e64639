"""Whether a report says of ifs and loops what the file holds."""

from __future__ import annotations

from typing import Any

import fxexport
from fxexport.graph import source_of
from fxexport.graph.ops import branch, loop

__all__ = ["unlike_the_file"]

_KINDS = {branch: "branch", loop: "loop"}
_OPERATORS = {"branch": ("If", "if"), "loop": ("Loop", "loop")}


def unlike_the_file(exported: fxexport.Exported, model: Any = None) -> str:
    """Where findings and graph, or findings and file, say different things; empty if nowhere.

    Args:
        exported: the export.
        model: its ONNX message, where it is at hand.
    """
    said = {(found.kind, found.location) for found in exported.report.of_kind("branch", "loop")}
    held: set[Any] = {
        (_KINDS[node.target], source_of(node))
        for module in exported.graph.graphs()
        for node in module.graph.nodes
        if node.target in _KINDS and not node.meta.get("helper")
    }
    if said != held:
        return f"reported and not there: {said - held}; there and not reported: {held - said}"
    labels = _labels((exported.model if model is None else model).graph)
    for kind, location in said:
        operator, suffix = _OPERATORS[kind]
        if location is None:
            continue
        label = f"{location.function or 'module'}_L{location.line}_{suffix}"
        label = label.replace("<", "").replace(">", "")
        if not any(op == operator and name.startswith(label) for op, name in labels):
            return f"the report tells of {label}, and the file has no such {operator}"
    gone = exported.report.of_kind("selected", "unused")
    twice = [found.location for found in gone if {("branch", found.location)} & held]
    return f"both kept and not kept: {twice}" if twice else ""


def _labels(graph: Any) -> list[tuple[str, str]]:
    """Operator and name of all nodes, those of bodies too."""
    found = []
    for node in graph.node:
        found.append((node.op_type, node.name))
        for attribute in node.attribute:
            found.extend(_labels(attribute.g) if attribute.HasField("g") else [])
    return found
