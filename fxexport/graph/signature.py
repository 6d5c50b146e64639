"""The inputs and outputs of a file, and the relations that their sizes satisfy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch

from fxexport.source.location import SourceLocation

__all__ = [
    "Constraint",
    "DimRange",
    "InputSpec",
    "OutputSpec",
    "Padding",
    "StateSpec",
]


@dataclass(frozen=True)
class DimRange:
    """A dynamic dimension: its name and the sizes it may take (`max` None: no bound)."""

    name: str
    min: int = 0
    max: int | None = None


@dataclass(frozen=True)
class InputSpec:
    """One input of the file.

    Attributes:
        name: input name in the file.
        kind: "tensor", the Python type of a scalar input, or "sequence" for a list of tensors.
        dtype: dtype in the file (int64, float64 and bool for scalars).
        shape: an int for a static dimension, a DimRange for a dynamic one; () for scalars.
        values: the smallest and the largest value that an int input may take; None for any.
        items: for a sequence, the size of every item along each dimension; None where they differ.
        is_complex: whether it is complex in PyTorch, and real with a last dimension of 2 here.
    """

    name: str
    kind: Literal["tensor", "int", "float", "bool", "sequence"]
    dtype: torch.dtype
    shape: tuple[int | DimRange, ...] = ()
    values: tuple[int, int] | None = None
    items: tuple[int | None, ...] = ()
    is_complex: bool = False


@dataclass(frozen=True)
class Padding:
    """An output is padded with zeros along one dimension.

    Attributes:
        dim: the dimension.
        count: name of the output that holds the true size, an int64 number.
        location: the user's line that makes the value.
    """

    dim: int
    count: str
    location: SourceLocation | None = None


@dataclass(frozen=True)
class OutputSpec:
    """One output of the file.

    Attributes:
        name: output name in the file.
        kind: "tensor", the Python type of a scalar, "text", or "sequence" for a list of any length.
        items: for a sequence, the kind of its items.
        path: where in the model's result the value is, for a sequence the list, as `named_leaves`
            names it.
        column: for a sequence, which of the values in each item it holds.
        numbers: for a sequence of lists of numbers, the dtype of the tensors of one dimension that
            they are in the file.
        inner: for such a sequence, where in an item the list is, as `named_leaves` names it.
        padding: how the output is padded; None where it has its exact size.
        counts: name of the padded output whose size this is; "" for an output of the model.
        exceeded: whether this says that a loop was cut short at `max_trips`.
        is_complex: whether it is complex in PyTorch, and real with a last dimension of 2 here.
        presence: for a value that may be None or missing, name of the output that says whether it
            is there; where it is not, the file gives a value that stands for nothing.
        tells: whether this says whether others are there.
        promoted: whether PyTorch gives another dtype on some paths, which the file promotes.
    """

    name: str
    kind: Literal["tensor", "int", "float", "bool", "text", "sequence"] = "tensor"
    items: Literal["tensor", "int", "float", "bool"] = "tensor"
    path: str = ""
    column: int = 0
    numbers: torch.dtype | None = None
    inner: str = ""
    padding: Padding | None = None
    counts: str = ""
    exceeded: bool = False
    is_complex: bool = False
    presence: str = ""
    tells: bool = False
    promoted: bool = False

    @property
    def of_model(self) -> bool:
        """Whether the model itself gives it."""
        return not self.counts and not self.exceeded and not self.tells


@dataclass(frozen=True)
class StateSpec:
    """State that the caller keeps between calls: an input and an output of the file.

    Attributes:
        path: where the model keeps it.
        spec: the input; the output has its name with ``.out`` behind it.
        initial: what the model held at export, a tensor or a Python number.
        location: the user's line that changes it.
    """

    path: str
    spec: InputSpec
    # Not compared: `==` of tensors is a tensor. Up to Python 3.12 a dataclass compared tuples of
    # its fields, where what is identical is equal without being asked; since 3.13 it asks.
    initial: torch.Tensor | bool | int | float = field(compare=False)
    location: SourceLocation | None = None

    @property
    def input(self) -> str:
        """Name of the input."""
        return self.spec.name

    @property
    def output(self) -> str:
        """Name of the output."""
        return f"{self.spec.name}.out"


@dataclass(frozen=True)
class Constraint:
    """A relation between dimensions that the file takes for granted.

    Attributes:
        text: the relation in the user's terms, for example ``height % 32 == 0``.
        holds: tells whether given sizes (by dimension name) satisfy it.
        location: the line that needs it.
        names: the dimensions that it is about.
        expression: the relation in Python with ``d0``, ``d1``, ... for `names`, for whoever
            checks it without this graph; empty where it cannot be written so.
    """

    text: str
    holds: Callable[[Mapping[str, int]], bool]
    location: SourceLocation | None = None
    names: tuple[str, ...] = ()
    expression: str = ""
