"""Where a graph has guards, and what they say."""

from __future__ import annotations

from collections.abc import Iterator

from torch import fx

from fxexport.errors import INVISIBLE
from fxexport.graph.captured import CapturedGraph, bodies_of
from fxexport.graph.marks import CHECKED, CONTRACT
from fxexport.graph.ops import guard
from fxexport.source.location import SourceLocation

__all__ = ["has_effect", "message_at", "own_guards", "text_and_place"]


def has_effect(module: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node does something even if nobody uses its results.

    A guard does, and a branch or loop with a guard inside, at any depth. One of a condition that
    what stands before it makes true does not, and neither does one that an operator stands for.
    """
    if node.target is guard:
        return node.args[0] is not True and CHECKED.of(node) is None
    return any(
        has_effect(body, inner)
        for body in bodies_of(module, node)
        for inner in body.graph.nodes
        if inner.op == "call_function"
    )


def message_at(text: str, location: SourceLocation | None) -> str:
    """A guard's message: a text on one line, and the user's line if there is one."""
    text = " ".join(text.replace(INVISIBLE, "").split())
    return text if location is None else f"{text} ({location.short})"


def text_and_place(message: str) -> tuple[str, str]:
    """A guard's text, and the user's line; empty if it has none."""
    text, bracket, place = message.rpartition(" (")
    return (text, place.removesuffix(")")) if bracket and _is_place(place) else (message, "")


def _is_place(text: str) -> bool:
    return text.endswith(")") and text[:-1].rpartition(":")[2].isdigit()


def own_guards(graph: CapturedGraph) -> Iterator[str]:
    """The messages of a graph's guards, but for those that check its contract."""
    todo = [graph.module]
    while todo:
        module = todo.pop()
        for node in module.graph.nodes:
            if node.target is guard and not CONTRACT.of(node):
                yield str(node.args[1])
            if not CONTRACT.of(node):
                todo.extend(bodies_of(module, node))
