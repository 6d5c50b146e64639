"""Writes conditions on all elements of a tensor."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph.editing import call

__all__ = ["all_of", "compared", "every"]

aten = torch.ops.aten


def every(node: fx.Node, compare: Any, tensor: fx.Node, number: Any) -> fx.Node:
    """Whether a comparison with a number holds for each element, written before a node."""
    return all_of(node, compared(node, compare, tensor, number))


def compared(node: fx.Node, compare: Any, tensor: fx.Node, other: Any) -> fx.Node:
    """A comparison element by element, written before a node."""
    val = tensor.meta["val"]
    flags = fake_beside(val, val.shape).to(torch.bool)
    return call(node, compare, tensor, other, val=flags)


def all_of(node: fx.Node, flags: fx.Node) -> fx.Node:
    """Whether all flags are set, written before a node."""
    val = fake_beside(flags.meta["val"], [])
    return call(node, aten.all.default, flags, val=val)
