"""What the nodes of a graph yield: the types, and what their metadata says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import fx

from fxexport.graph.sequences import SequenceVal
from fxexport.graph.texts import TextVal
from fxexport.graph.unranked import UnrankedVal

__all__ = ["Eager", "NodeVal", "Number", "Val", "output_vals"]

Number = bool | int | float | torch.SymBool | torch.SymInt | torch.SymFloat
"""A Python number, or one that the model computes."""

Val = torch.Tensor | SequenceVal | UnrankedVal | TextVal | Number
"""What the metadata says of a value: a fake tensor, one of any rank, a sequence, text, a number."""

NodeVal = Val | tuple["Val | None", ...] | list["Val | None"] | None
"""What ``meta["val"]`` of a node holds: a `Val`, one for each of several results, or None."""

Eager = torch.Tensor | bool | int | float | str | Sequence["Eager"]
"""A value when the graph runs in PyTorch: a tensor, number or text, or a sequence's items."""


def output_vals(module: fx.GraphModule) -> list[Val]:
    """The metadata values of a graph's outputs."""
    (output,) = module.graph.find_nodes(op="output")
    outputs = cast("tuple[fx.Node | Val, ...]", output.args[0])
    return [arg.meta["val"] if isinstance(arg, fx.Node) else arg for arg in outputs]
