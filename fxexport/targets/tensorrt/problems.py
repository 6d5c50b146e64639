"""What stands against an engine: one entry a problem, with the user's line where it is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fxexport.source import SourceLocation

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["NodeIndex", "Problem", "Severity", "location_of", "walk"]

Severity = Literal["error", "warning"]

_OURS = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?: in (?P<function>[^:]+))?(?::|$)")
_PYTHONS = re.compile(r'File "(?P<file>.+?)", line (?P<line>\d+)(?:, in (?P<function>.+))?')


@dataclass(frozen=True)
class Problem:
    """Something that TensorRT refuses, or does otherwise than the file says.

    Attributes:
        message: what it is, in the user's terms.
        severity: "error" for what keeps an engine from being built (or right).
        hint: what to do about it.
        location: the user's line.
        node: name of the ONNX node, for files of other origin.
        said: TensorRT's own words, where they are more than the message.
    """

    message: str
    severity: Severity = "error"
    hint: str = ""
    location: SourceLocation | None = None
    node: str = ""
    said: str = ""

    def describe(self) -> str:
        """The problem on one line."""
        place = ""
        if self.location is not None:
            place = f" at {self.location.describe()}"
        elif self.node:
            place = f" at node {self.node!r}"
        return f"{self.severity}: {self.message}{place}"

    def to_dict(self) -> dict[str, Any]:
        """The problem as plain JSON data."""
        return {
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
            "location": None if self.location is None else self.location.to_dict(),
            "node": self.node,
            "said": self.said,
        }


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
        self._places: dict[str, tuple[ir.Node, SourceLocation | None]] = {}
        for node, path in walk(model.graph):
            place = location_of(node.metadata_props)
            for outer in reversed(path):
                place = place or location_of(outer.metadata_props)
            for name in (node.name, *(value.name for value in node.outputs)):
                if name:
                    self._places.setdefault(name, (node, place))

    def place(self, name: str) -> tuple[str, SourceLocation | None]:
        """A node's own name, and the user's line."""
        node, location = self._places.get(name, (None, None))
        return ("", None) if node is None else (node.name or "", location)

    def mentioned(self, text: str) -> tuple[str, SourceLocation | None]:
        """The first node that a text of TensorRT's names."""
        for word in re.findall(r"[\w.:/-]+", text):
            for name in (word, re.sub(r"_(output|\d+)$", "", word)):
                if name in self._places and not name.isdigit():
                    return self.place(name)
        return "", None
