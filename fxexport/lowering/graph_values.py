"""What a captured graph's metadata says of its outputs."""

from __future__ import annotations

from typing import Any

from torch import fx

__all__ = ["output_vals"]


def output_vals(module: fx.GraphModule) -> list[Any]:
    """The metadata values of a graph's outputs."""
    (output,) = module.graph.find_nodes(op="output")
    outputs: Any = output.args[0]
    return [arg.meta["val"] if isinstance(arg, fx.Node) else arg for arg in outputs]
