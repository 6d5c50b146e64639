"""What an outline holds, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Arm",
    "Check",
    "Construct",
    "Loop",
    "Operators",
    "Outline",
    "Place",
    "Step",
    "constructs_in",
    "depth_of",
    "promises_in",
]


@dataclass(frozen=True)
class Place:
    """The line of a program that a node was made for.

    Attributes:
        file: path of the source file, as it was at export.
        line: line number, from 1.
        function: name of the function that the line is in, where the file says it.
        code: the text of the line, likewise.
    """

    file: str
    line: int
    function: str = ""
    code: str = ""


@dataclass(frozen=True)
class Operators:
    """Operators in a row, without control flow.

    Attributes:
        types: their names in the order of the file; those of other domains are
            ``domain::name``.
    """

    types: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """A node that ends the call where the contract is broken.

    Attributes:
        text: what it needs, with the line.
    """

    text: str


@dataclass(frozen=True)
class Loop:
    """How often a body runs, and what goes through it.

    Attributes:
        trips: the number of iterations; "computed" where only the run knows it, "open" where a
            condition alone ends the loop.
        may_stop: whether a condition may end it before that.
        carried: how many values go from one iteration to the next.
        collected: how many outputs get one row of each iteration.
    """

    trips: int | Literal["computed", "open"]
    may_stop: bool
    carried: int
    collected: int


@dataclass(frozen=True)
class Arm:
    """One body of a construct.

    Attributes:
        name: "then", "else", "body", or what the attribute that holds it is called.
        steps: what it does, in order.
    """

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Construct:
    """A node with bodies: If, Loop, Scan, or the call of a function that holds such.

    Attributes:
        kind: its type.
        name: the node's name.
        arms: its bodies.
        place: the user's line, where the file says it.
        module: the path of the module that it belongs to, likewise.
        loop: of a Loop.
        path: where it is in the captured graph, in a file of ours.
        share: its part of the file's time, where that was measured.
    """

    kind: str
    name: str
    arms: tuple[Arm, ...]
    place: Place | None = None
    module: str = ""
    loop: Loop | None = None
    path: tuple[str, ...] = field(default=(), compare=False)
    share: float | None = field(default=None, compare=False)


Step = Operators | Check | Construct


@dataclass(frozen=True)
class Outline:
    """The outline of one file.

    Attributes:
        path: the file.
        size: its size in bytes, without the files beside it.
        producer: what wrote it, with its version.
        opsets: the version of each domain of operators.
        inputs: what it takes, each as ``{"name", "kind", "dtype", "shape", "values"}``; a
            dimension as the report has it, ``{"name", "value", "min", "max"}``.
        outputs: what it gives, likewise.
        steps: what it does, in order.
        operators: how many nodes of each type there are, in all bodies; the most frequent first.
        weight_bytes: the size of its weights, in bytes.
        weight_files: the files beside it that hold weights.
        contract: what it promises (docs/contract.md); None for a file of another exporter.
        profiles: its optimization profiles.
    """

    path: str
    size: int
    producer: str
    opsets: Mapping[str, int]
    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]]
    steps: tuple[Step, ...]
    operators: Mapping[str, int]
    weight_bytes: int
    weight_files: tuple[str, ...] = ()
    contract: Mapping[str, Any] | None = None
    profiles: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def promises_in(contract: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a contract says besides ranges: the kind, the text and the line of each entry."""
    for key, kind in (("relations", "needs"), ("pins", "pinned"), ("guards", "guard")):
        for entry in contract.get(key, ()):
            yield kind, str(entry["text"]), str(entry["place"])


def constructs_in(steps: Sequence[Step]) -> Iterator[Construct]:
    """Every construct among some steps, outer ones first."""
    for step in steps:
        if isinstance(step, Construct):
            yield step
            for arm in step.arms:
                yield from constructs_in(arm.steps)


def depth_of(steps: Sequence[Step]) -> int:
    """How many constructs stand in each other at most."""
    inner = (
        1 + max((depth_of(arm.steps) for arm in step.arms), default=0)
        for step in steps
        if isinstance(step, Construct)
    )
    return max(inner, default=0)
