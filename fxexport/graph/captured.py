"""The graph that every front-end yields and that everything after it works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import fx

from fxexport.graph.decisions import ProgramRead
from fxexport.graph.ops import branch, loop
from fxexport.graph.signature import Constraint, InputSpec, OutputSpec, StateSpec
from fxexport.graph.values import Eager
from fxexport.source.location import SourceLocation

__all__ = [
    "CapturedGraph",
    "bodies_of",
    "source_of",
]


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
    innermost first; ``bound`` what limits a loop, in words; ``helper`` is True for a branch or
    loop that stands for none of the program's: a pass has made it because a target needs it.

    Attributes:
        module: the root.
        inputs: the file's inputs.
        outputs: the file's outputs; behind the model's come the counts of padded ones.
        weights: real tensors by name (parameters, buffers, constants).
        constraints: relations between dynamic dimensions that must hold.
        state: what the last inputs and outputs, one of each for an entry, carry from call to call.
        written: real tensors that forward writes in place.
        max_trips: for loops without a bound of their own, where the target needs one.
        capped: the lines of the loops that were given this bound.
        selected: the lines of the branches some of whose results are selected outside of them.
        computed: the lines whose results hang on weights alone, and were computed at export.
        guarded: whether it checks its contract when it runs.
        unguarded: what it takes for granted and does not check, as guards would say it.
        program: what capture has read of the program.
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
    selected: list[SourceLocation | None] = field(default_factory=list)
    computed: list[SourceLocation | None] = field(default_factory=list)
    guarded: bool = False
    unguarded: list[str] = field(default_factory=list)
    program: ProgramRead = field(default_factory=ProgramRead)

    def run(self, *flat_inputs: Eager) -> tuple[Eager, ...]:
        """Runs the graph eagerly in PyTorch on flat inputs; returns the flat outputs."""
        with torch.no_grad():
            return tuple(self.module(*flat_inputs))

    def by_name(self, flat_inputs: Sequence[Eager]) -> dict[str, Eager]:
        """Flat inputs as a file takes them."""
        names = (spec.name for spec in self.inputs)
        return dict(zip(names, flat_inputs, strict=True))

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
