"""Open tensors: those of which only the first elements along a dimension are valid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from fxexport.passes.bounds.number_rules import NoBound
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport.graph.arguments import Number, Size

__all__ = [
    "Capacity",
    "Dims",
    "NoCapacity",
    "Open",
    "Operand",
    "Result",
    "Target",
    "Value",
    "capacities_of",
    "counts_of",
    "node_of",
    "val_of",
    "with_node",
    "without",
]

# Dimensions as operators are given them.
Dims = int | Sequence[int] | None

# What a node calls; fx has a name there for nodes that call nothing.
Target = Callable[..., object] | str


class NoCapacity(NoBound):
    """Something has no form at a fixed size.

    Attributes:
        node: what it is; None where that is the loop itself.
    """


@dataclass(frozen=True)
class Capacity:
    """How large a dimension can become: a number known before the outermost if or loop."""

    number: Number

    @property
    def size(self) -> Size:
        """The number as the graph's metadata has it."""
        return val_of(self.number)

    @property
    def key(self) -> str:
        """Equal for capacities that are certainly equal."""
        return str(self.size)

    @property
    def fixed(self) -> int | None:
        """The number, where it is always the same."""
        return int(self.size) if is_concrete_int(self.size) else None


@dataclass(frozen=True)
class Open:
    """A tensor with dimensions of which only the first elements are valid.

    Attributes:
        node: the tensor, as large as its capacities.
        counts: by open dimension, how many elements are valid, a number of the same graph.
        capacities: by open dimension, its size.
    """

    node: fx.Node
    counts: dict[int, Number]
    capacities: dict[int, Capacity]

    @property
    def rank(self) -> int:
        """How many dimensions it has."""
        return len(self.node.meta["val"].shape)

    def without(self, dim: int) -> Open | fx.Node:
        """The same with one dimension closed: all its elements are valid."""
        counts = {d: n for d, n in self.counts.items() if d != dim}
        capacities = {d: r for d, r in self.capacities.items() if d != dim}
        return Open(self.node, counts, capacities) if counts else self.node

    def on(self, node: fx.Node) -> Open:
        """Another tensor that is open in the same way."""
        return replace(self, node=node)


# A tensor or number of a graph that is written anew.
Value = Open | fx.Node

# Anything that an operator is given.
Operand = Open | Argument

# What a rule gives: one value, or those of several results.
Result = Value | int | Sequence[Value]


def val_of(value: object) -> Any:
    """What a value is at run time, as metadata says."""
    if isinstance(value, Open):
        return value.node.meta["val"]
    return value.meta["val"] if isinstance(value, fx.Node) else value


@overload
def node_of(value: Value) -> fx.Node: ...


@overload
def node_of(value: Operand) -> Argument: ...


def node_of(value: Operand) -> Argument:
    """The tensor itself of an open one; anything else as it is."""
    return value.node if isinstance(value, Open) else value


def counts_of(value: Value) -> dict[int, Number]:
    """How many elements are valid, by dimension: none for a closed tensor."""
    return value.counts if isinstance(value, Open) else {}


def capacities_of(value: Value) -> dict[int, Capacity]:
    """The capacities of an open tensor; none for a closed one."""
    return value.capacities if isinstance(value, Open) else {}


def without(value: Value, dim: int) -> Value:
    """A tensor closed along one dimension, if it was open there."""
    return value.without(dim) if isinstance(value, Open) else value


def with_node(value: Value, node: fx.Node) -> Value:
    """Another tensor, open in the same way."""
    return value.on(node) if isinstance(value, Open) else node
