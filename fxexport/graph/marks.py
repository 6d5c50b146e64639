"""What passes leave on nodes for others to read: marks, each of one type.

fx keeps a dictionary beside every node (`node.meta`), and copies it with the node. What capture
writes there (`val`, `source`, `module`, `weight`) belongs to the graph; a mark is what one pass
says to another, or to the check of a target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from torch import fx

from fxexport.source.location import SourceLocation

__all__ = [
    "BOUND",
    "CHECKED",
    "CHECKS",
    "CONTRACT",
    "HARMLESS",
    "HELPER",
    "NO_BUFFER",
    "NO_CAPACITY",
    "RELATION",
    "TOOK_RANK",
    "Mark",
    "Reason",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Reason:
    """Why something was left as it was.

    Attributes:
        text: why, for the user.
        hint: what to do; empty where whoever reports it knows.
        node: what it is about, where that is another node than the marked one.
    """

    text: str
    hint: str = ""
    node: fx.Node | None = None


@dataclass(frozen=True)
class Mark(Generic[T]):
    """One kind of mark.

    Attributes:
        key: its key among a node's metadata.
    """

    key: str

    def put(self, node: fx.Node, value: T) -> None:
        """Marks a node."""
        node.meta[self.key] = value

    def take_from(self, node: fx.Node) -> None:
        """Takes the mark away."""
        node.meta.pop(self.key, None)

    def of(self, node: fx.Node) -> T | None:
        """What a node is marked with; None for a node without the mark."""
        return cast("T | None", node.meta.get(self.key))


# On a branch: for each output that has the rank of one path where the other one's tensor is empty,
# the line and the name of what holds it. Capture writes it.
TOOK_RANK: Mark[Mapping[int, tuple[SourceLocation | None, str]]] = Mark("took rank")

# What limits the iterations of a loop, as a text to put behind "a loop"; capture writes it.
BOUND: Mark[str] = Mark("bound")

# A guard that asks for what an operator looks at itself wherever it runs, and the number of that
# check. It counts only where the operator goes (`operator_checks`). Capture writes it.
CHECKED: Mark[int] = Mark("checked")

# On an operator: the numbers of its checks that have guards.
CHECKS: Mark[tuple[int, ...]] = Mark("checks")

# A branch or loop that stands for none of the program's: a target needs it.
HELPER: Mark[bool] = Mark("helper")

# A list that cannot become a buffer (`lists_to_buffers`): the target's check refuses it.
NO_BUFFER: Mark[Reason] = Mark("no_buffer")

# A loop whose changing sizes have no capacity (`give_capacity`): the target's check refuses it.
NO_CAPACITY: Mark[Reason] = Mark("no_capacity")

# A node that can run although its branch is not taken, whatever its operator (`capacity` knows that
# its indices are within range): passes that move work out of branches may move it.
HARMLESS: Mark[bool] = Mark("harmless")

# What checks the contract of a graph: a guard, or a branch with guards on one path alone.
CONTRACT: Mark[bool] = Mark("contract")

# What a guard of the program's is about, where that is a relation between input sizes: names and
# expression, as a `Constraint` has them. Capture writes it.
RELATION: Mark[tuple[tuple[str, ...], str]] = Mark("relation")
