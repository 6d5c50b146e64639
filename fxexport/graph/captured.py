"""The graph that every front-end yields and that everything after it works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import fx

from fxexport.graph.ops import branch, loop
from fxexport.source import SourceLocation

__all__ = [
    "CapturedGraph",
    "Constraint",
    "DimRange",
    "InputSpec",
    "OutputSpec",
    "Padding",
    "StateSpec",
    "bodies_of",
    "source_of",
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
    """

    name: str
    kind: Literal["tensor", "int", "float", "bool", "sequence"]
    dtype: torch.dtype
    shape: tuple[int | DimRange, ...] = ()
    values: tuple[int, int] | None = None
    items: tuple[int | None, ...] = ()


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
        kind: "tensor", the Python type of a scalar, or "sequence" for a list of any length.
        items: for a sequence, the kind of its items.
        path: for a sequence, where in the model's result the list is, as `named_leaves` names it.
        column: for a sequence, which of the values in each item it holds.
        padding: how the output is padded; None where it has its exact size.
        counts: name of the padded output whose size this is; "" for an output of the model.
        exceeded: whether this says that a loop was cut short at `max_trips`.
    """

    name: str
    kind: Literal["tensor", "int", "float", "bool", "sequence"] = "tensor"
    items: Literal["tensor", "int", "float", "bool"] = "tensor"
    path: str = ""
    column: int = 0
    padding: Padding | None = None
    counts: str = ""
    exceeded: bool = False

    @property
    def of_model(self) -> bool:
        """Whether the model itself gives it."""
        return not self.counts and not self.exceeded


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
    initial: Any
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


@dataclass
class CapturedGraph:
    """A `torch.fx` graph of functional ATen ops plus `branch` and `loop`.

    The root takes one placeholder an input, in the order of `inputs`; its output node holds one
    tuple, in the order of `outputs`, of nodes or of Python scalars. Node kinds:

    * ``get_attr`` in the root only: a weight (key of `weights`) or the GraphModule of a body.
    * ``call_function``: an `OpOverload`, `branch`, `loop`, `operator.getitem` on a node with
      several results, or a function on Python scalars (`fxexport.graph.scalars`).
    * bodies (`GraphModule`s on the attribute that a get_attr node of their parent graph names)
      take everything they use as placeholders.

    ``node.meta``: ``val`` holds the fake tensor, Sym scalar or Python scalar that the node
    yields (a tuple for several results); ``source`` the `SourceLocation`s of the user's frames,
    innermost first.

    Attributes:
        module: the root.
        inputs: the file's inputs.
        outputs: the file's outputs; behind the model's come the counts of padded ones.
        weights: real tensors by name (parameters, buffers, constants); never read in capture.
        constraints: relations between dynamic dimensions that must hold.
        state: what the last inputs and outputs, one of each for an entry, carry from call to call.
        written: real tensors that forward writes in place.
        max_trips: for loops without a bound of their own, where the target needs one.
        capped: the lines of the loops that were given this bound.
    """

    module: fx.GraphModule
    inputs: list[InputSpec]
    outputs: list[OutputSpec]
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    constraints: list[Constraint] = field(default_factory=list)
    state: list[StateSpec] = field(default_factory=list)
    written: list[torch.Tensor] = field(default_factory=list)
    max_trips: int | None = None
    capped: list[SourceLocation | None] = field(default_factory=list)

    def run(self, *flat_inputs: Any) -> tuple[Any, ...]:
        """Runs the graph eagerly in PyTorch on flat inputs; returns the flat outputs."""
        with torch.no_grad():
            return tuple(self.module(*flat_inputs))

    def graphs(self) -> Iterator[fx.GraphModule]:
        """The root and all bodies, parents first."""
        todo = [self.module]
        while todo:
            module = todo.pop()
            yield module
            todo.extend(body for node in module.graph.nodes for body in bodies_of(module, node))

    def __str__(self) -> str:
        return "\n".join(
            f"{'root' if k == 0 else f'body {k}'}:\n{module.graph}"
            for k, module in enumerate(self.graphs())
        )


def bodies_of(module: fx.GraphModule, node: fx.Node) -> list[fx.GraphModule]:
    """The bodies of a branch (then, else) or loop (body) node; [] for any other node."""
    if node.op != "call_function":
        return []
    if node.target is branch:
        names = node.args[1:3]
    elif node.target is loop:
        names = node.args[2:3]
    else:
        return []
    return [getattr(module, arg.target) for arg in names if isinstance(arg, fx.Node)]  # type: ignore[arg-type]


def source_of(node: fx.Node) -> SourceLocation | None:
    """The user's innermost line that made this node."""
    source = node.meta.get("source") or ()
    return source[0] if source else None
