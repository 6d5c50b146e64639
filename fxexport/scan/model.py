"""What a scan finds, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fxexport.codes.ids import Code

__all__ = ["Called", "Decides", "FoundModel", "Hint", "ScannedFile", "Site", "Step", "sites_in"]


class Decides(StrEnum):
    """What a condition or a number of iterations hangs on, from the least to the most."""

    CONFIGURATION = "configuration"  # the model, and arguments that are no tensors
    SIZES = "sizes"  # sizes of tensors
    UNKNOWN = "unknown"  # the source does not tell
    VALUES = "values"  # the values of tensors


@dataclass(frozen=True)
class Site:
    """An if, a loop or the like.

    Attributes:
        kind: "if", "while", "for", "conditional", "assert", "match", "comprehension".
        line: from 1.
        column: from 1.
        code: the text of the line.
        decides: what it hangs on.
        arms: its bodies by name, each with what is in it.
    """

    kind: str
    line: int
    column: int
    code: str
    decides: Decides
    arms: tuple[tuple[str, tuple[Step, ...]], ...] = ()


@dataclass(frozen=True)
class Called:
    """The call of a function whose source is among the scanned files and that holds sites.

    Attributes:
        name: the function.
        file: where it is defined.
        line: its first line there.
        steps: what it does, called like this.
    """

    name: str
    file: str
    line: int
    steps: tuple[Step, ...]


Step = Site | Called


@dataclass(frozen=True)
class Hint:
    """Something that an export refuses, as far as source can tell.

    Attributes:
        code: the kind of refusal.
        file: where it stands.
        line: from 1.
        text: what there is to say.
        source: the text of the line.
    """

    code: Code
    file: str
    line: int
    text: str
    source: str


@dataclass(frozen=True)
class FoundModel:
    """A class with a forward method.

    Attributes:
        name: the class.
        line: of its forward.
        steps: what that does.
        hints: what an export would refuse.
    """

    name: str
    line: int
    steps: tuple[Step, ...]
    hints: tuple[Hint, ...]


@dataclass(frozen=True)
class ScannedFile:
    """One file.

    Attributes:
        path: the file.
        models: its models, in order.
        problem: why it could not be read; empty where it could.
    """

    path: str
    models: tuple[FoundModel, ...] = field(default_factory=tuple)
    problem: str = ""


def sites_in(steps: Sequence[Step]) -> Iterator[Site]:
    """Every site among some steps, those of called functions with them."""
    for step in steps:
        if isinstance(step, Called):
            yield from sites_in(step.steps)
            continue
        yield step
        for _, inner in step.arms:
            yield from sites_in(inner)
