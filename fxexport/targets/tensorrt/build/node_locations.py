"""Finding the user's lines behind the nodes of a file, and behind what TensorRT says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fxexport.source.location import SourceLocation

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["NodeIndex", "location_of", "walk"]

_OURS = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?: in (?P<function>[^:]+))?(?::|$)")
_PYTHONS = re.compile(r'File "(?P<file>.+?)", line (?P<line>\d+)(?:, in (?P<function>.+))?')


def location_of(metadata: Mapping[str, str]) -> SourceLocation | None:
    """The user's innermost line in a node's metadata, ours or of torch.onnx."""
    trace = metadata.get("pkg.torch.onnx.stack_trace", "")
    found = None
    for line in trace.splitlines():
        match = _PYTHONS.search(line) or _OURS.match(line)
        if match is not None:
            function = (match["function"] or "").strip()
            found = SourceLocation(match["file"].strip(), int(match["line"]), function)
    return found


def walk(graph: ir.Graph, path: tuple[ir.Node, ...] = ()) -> Iterator[tuple[ir.Node, Any]]:
    """All nodes, bodies included, each with the Ifs, Loops and Scans around it."""
    for node in graph:
        yield node, path
        for attribute in node.attributes.values():
            if attribute.type.name == "GRAPH":
                yield from walk(attribute.as_graph(), (*path, node))


class NodeIndex:
    """Finds the node that TensorRT speaks of: it names layers after nodes and values."""

    def __init__(self, model: ir.Model) -> None:
        self._nodes: dict[str, tuple[ir.Node, SourceLocation | None]] = {}
        for node, path in walk(model.graph):
            location = location_of(node.metadata_props)
            for outer in reversed(path):
                location = location or location_of(outer.metadata_props)
            for name in (node.name, *(value.name for value in node.outputs)):
                if name:
                    self._nodes.setdefault(name, (node, location))

    def find(self, name: str) -> tuple[str, SourceLocation | None]:
        """A node's own name, and the user's line."""
        node, location = self._nodes.get(name, (None, None))
        return ("", None) if node is None else (node.name or "", location)

    def mentioned(self, text: str) -> tuple[str, SourceLocation | None]:
        """The first node that a text of TensorRT's names."""
        for word in re.findall(r"[\w.:/-]+", text):
            for name in (word, re.sub(r"_(output|\d+)$", "", word)):
                if name in self._nodes and not name.isdigit():
                    return self.find(name)
        return "", None
