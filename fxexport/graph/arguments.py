"""What a node is called with, as the types that it has: fx itself says `Argument` of everything."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch.fx.node import Argument

from fxexport.graph.ops import branch, loop

__all__ = [
    "Number",
    "Size",
    "captured_of",
    "carried_of",
    "dim_of",
    "filled",
    "int_of",
    "item_of",
    "node_of",
    "nodes_of",
    "operands_of",
    "operator_name",
    "shape_of",
    "tensor_of",
    "used_results",
    "val_of",
    "values_of",
]


# A number that a graph computes, or one that is always the same.
Number = int | fx.Node

# A size in a tensor's metadata.
Size = int | torch.SymInt


def val_of(value: object) -> Any:
    """What a value is when the model runs, as a node's metadata says; a constant is itself."""
    return value.meta.get("val") if isinstance(value, fx.Node) else value


def tensor_of(value: object) -> torch.Tensor:
    """The metadata of a tensor.

    Raises:
        AssertionError: it is none; this and the others below are bugs of the caller.
    """
    val = val_of(value)
    assert isinstance(val, torch.Tensor), f"expected a tensor, got {value!r}"
    return val


def shape_of(value: object) -> Sequence[Size]:
    """The sizes of a tensor."""
    return tensor_of(value).shape


def node_of(value: object) -> fx.Node:
    """A node that is known to be one."""
    assert isinstance(value, fx.Node), f"expected a node, got {value!r}"
    return value


def int_of(value: object) -> int:
    """A whole number that is the same each time."""
    assert isinstance(value, int), f"expected an int, got {value!r}"
    return value


def values_of(value: object) -> Sequence[Argument]:
    """Several values: nodes and constants."""
    assert isinstance(value, (tuple, list)), f"expected several values, got {value!r}"
    return value


def nodes_of(value: object) -> Sequence[fx.Node]:
    """Several nodes."""
    return [node_of(one) for one in values_of(value)]


def operands_of(node: fx.Node) -> tuple[Argument, ...]:
    """What a branch gives both its bodies."""
    assert node.target is branch, f"expected a branch, got {node}"
    return tuple(values_of(node.args[3]))


def carried_of(node: fx.Node) -> tuple[Argument, ...]:
    """What a loop's carried values are before its first iteration."""
    assert node.target is loop, f"expected a loop, got {node}"
    return tuple(values_of(node.args[3]))


def captured_of(node: fx.Node) -> tuple[Argument, ...]:
    """What a loop's body sees of the graph around."""
    assert node.target is loop, f"expected a loop, got {node}"
    return tuple(values_of(node.args[4]))


def item_of(node: object) -> tuple[fx.Node, int] | None:
    """What a node takes a result of, and which; None for other nodes."""
    if not isinstance(node, fx.Node) or node.target is not operator.getitem:
        return None
    source, k = node.args
    return (source, k) if isinstance(source, fx.Node) and isinstance(k, int) else None


def dim_of(node: fx.Node, k: int, rank: int, default: int = 0) -> int:
    """A dimension among a node's arguments, counted from the front.

    Args:
        node: the node.
        k: which argument.
        rank: of the tensor.
        default: the dimension where it is not given.
    """
    return int_of(node.args[k] if len(node.args) > k else default) % rank


def used_results(node: fx.Node) -> frozenset[int]:
    """Which of a node's results are used; all where something takes them together."""
    if any(user.target is not operator.getitem for user in node.users):
        val = node.meta.get("val")
        return frozenset(range(len(val) if isinstance(val, (tuple, list)) else 2))
    return frozenset(int_of(user.args[1]) for user in node.users)


def filled(value: Any, values: Mapping[fx.Node, Any]) -> Any:
    """Arguments with what each node in them has given."""
    return fx.map_arg(value, lambda node: values[node])


def operator_name(target: object) -> str:
    """The name of an operator of PyTorch's without namespace and overload; empty for others."""
    packet = getattr(target, "overloadpacket", None)
    return str(packet.__name__) if packet is not None else ""
