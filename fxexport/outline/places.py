"""The user's line in the metadata of a node, as the exporters write it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fxexport.file_keys import SOURCE
from fxexport.outline.model import Place

if TYPE_CHECKING:
    import onnx

__all__ = ["place_of", "place_without_folder"]

# fxexport: "/home/a/model.py:12 in forward: if x > 0:".
_OWN = re.compile(
    r"(?P<file>.*?):(?P<line>\d+)(?: in (?P<function>[^:]+))?(?:: (?P<code>.*))?", re.DOTALL
)
# torch.onnx.export(dynamo=True): lines of a traceback, the innermost last.
_DYNAMO = re.compile(
    r'File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<function>\S+)(?:\n +(?P<code>.+))?'
)
# The exporter of scripted models: "/home/a/model.py(12): forward", the innermost first.
_SCRIPTED = re.compile(r"(?P<file>\S[^\n]*)\((?P<line>\d+)\): (?P<function>\S+)(?P<code>)")
_STACK_TRACE = "pkg.torch.onnx.stack_trace"


def place_of(node: onnx.NodeProto, metadata: Mapping[str, str]) -> Place | None:
    """The line that a node was made for; None where the file does not say it.

    Args:
        node: the node.
        metadata: its metadata.
    """
    own = _first(_OWN.match, metadata.get(SOURCE, ""))
    if own is not None:
        return own
    found = [
        _place(match)
        for match in _DYNAMO.finditer(metadata.get(_STACK_TRACE, ""))
        if not match["file"].startswith("<")  # made by PyTorch, and nowhere to be read
    ]
    return found[-1] if found else _first(_SCRIPTED.search, node.doc_string)


def place_without_folder(text: str) -> Place | None:
    """A line as the contract has it: ``model.py:12: code``; None for an empty text."""
    return _first(_OWN.match, text)


def _first(find: Callable[[str], re.Match[str] | None], text: str) -> Place | None:
    match = find(text) if text else None
    return None if match is None else _place(match)


def _place(match: re.Match[str]) -> Place:
    return Place(
        match["file"],
        int(match["line"]),
        match["function"] or "",
        (match["code"] or "").partition("\n")[0].strip(),
    )
