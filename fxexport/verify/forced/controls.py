"""The branches and loops of a graph, and the values that decide them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import fx

from fxexport.graph import scalars
from fxexport.graph.decisions import ASKED, DECIDES, Decides
from fxexport.graph.marks import CONTRACT
from fxexport.graph.ops import branch
from fxexport.graph.paths import Path, named_bodies
from fxexport.source.decisions import Decision

__all__ = [
    "Control",
    "Found",
    "Reached",
    "Switch",
    "asked_in",
    "controls_of",
    "given_for",
    "is_handed_on",
    "switch_of",
    "ways_to",
]

Reached = tuple[Path, str]
"""A branch or loop, and what a run does there: a path, or how many iterations."""

_aten = torch.ops.aten
_NOT = (_aten.logical_not.default, scalars.not_)
_SAME = (_aten._local_scalar_dense.default,)
# What only hands a value on: in the file both are one value, which others may use as well.
_HANDED_ON = (
    _aten.alias.default, _aten.clone.default, _aten.detach.default, _aten.reshape.default,
    _aten.view.default, _aten.squeeze.default, _aten._to_copy.default,
)  # fmt: skip


class Switch(NamedTuple):
    """A value that decides something, where it is made.

    Attributes:
        module: the body that it is made in.
        name: its node.
    """

    module: Path
    name: str


@dataclass(frozen=True, eq=False)
class Control:
    """One branch or loop.

    Attributes:
        kind: which of the two.
        path: where it is.
        node: it.
        module: the graph that it is in.
        outer: the branch or loop that it is in, None at the root.
    """

    kind: str
    path: Path
    node: fx.Node
    module: fx.GraphModule
    outer: Control | None

    @property
    def decides(self) -> Decides | None:
        """What it stands for in the program."""
        return DECIDES.of(self.node)

    @property
    def condition(self) -> object:
        """Its condition; of a loop, that of the first iteration."""
        return self.node.args[0 if self.kind == "branch" else 1]


class Found(NamedTuple):
    """Where a condition comes from.

    Attributes:
        switch: the value that it is, or the opposite of.
        node: its node.
        opposite: whether it is the opposite.
    """

    switch: Switch
    node: fx.Node
    opposite: bool


def controls_of(
    module: fx.GraphModule, path: Path = (), outer: Control | None = None
) -> Iterator[Control]:
    """Every branch and loop below a graph, outer ones first; not those that check the contract."""
    for control, bodies in _controls_at(module, path, outer):
        yield control
        for name, body in bodies:
            yield from controls_of(body, (*control.path, name), control)


def _controls_at(
    module: fx.GraphModule, path: Path, outer: Control | None
) -> Iterator[tuple[Control, list[tuple[str, fx.GraphModule]]]]:
    """The branches and loops of one graph, each with its bodies by name."""
    for node in module.graph.nodes:
        bodies = named_bodies(module, node)
        if bodies and not CONTRACT.of(node):
            kind = "branch" if node.target is branch else "loop"
            yield Control(kind, (*path, node.name), node, module, outer), bodies


def ways_to(control: Control) -> list[tuple[Control, str]]:
    """The branches and loops around one, outermost first, each with the way to it."""
    ways: list[tuple[Control, str]] = []
    while control.outer is not None:
        part = control.path[-2]
        ways.insert(0, (control.outer, "any trip" if part == "body" else part))
        control = control.outer
    return ways


def switch_of(control: Control) -> Found | None:
    """The value that a branch, or a loop's first iteration, hangs on; None for a constant."""
    return _origin(control.condition, control.path[:-1], control.outer)


def asked_in(
    module: fx.GraphModule, path: Path = (), outer: Control | None = None
) -> Iterator[tuple[Found, Decision]]:
    """The values that the program's decisions are taken on, also where no branch is left."""
    for node in module.graph.nodes:
        for decision in ASKED.of(node) or ():
            found = _origin(node, path, outer)
            if found is not None:
                yield found, decision
    for control, bodies in _controls_at(module, path, outer):
        for name, body in bodies:
            yield from asked_in(body, (*control.path, name), control)


def _origin(node: object, module: Path, outer: Control | None) -> Found | None:
    """The value that a condition is, or the opposite of; None for a constant."""
    opposite = False
    while isinstance(node, fx.Node):
        if node.op == "placeholder" and outer is not None:
            given = given_for(outer, node)
            if not isinstance(given, fx.Node):
                break
            node, module, outer = given, outer.path[:-1], outer.outer
        elif node.target in _NOT:
            node, opposite = node.args[0], not opposite
        elif node.target in _SAME and _is_flag(node.args[0]):
            node = node.args[0]
        else:
            break
    if not isinstance(node, fx.Node):
        return None
    return Found(Switch(module, node.name), node, opposite)


def is_handed_on(node: fx.Node) -> bool:
    """Whether others may have the same value: forcing it would force theirs too."""
    return node.op == "placeholder" or node.target in _HANDED_ON


def _is_flag(node: object) -> bool:
    val = node.meta.get("val") if isinstance(node, fx.Node) else None
    return isinstance(val, torch.Tensor) and val.dtype == torch.bool


def given_for(outer: Control, placeholder: fx.Node) -> object:
    """What a body is given for a placeholder; None for what changes between iterations."""
    placeholders = placeholder.graph.find_nodes(op="placeholder")
    k = list(placeholders).index(placeholder)
    args: Sequence[object] = outer.node.args
    if outer.kind == "branch":
        operands = args[3]
        return operands[k] if isinstance(operands, (tuple, list)) else None
    carried, captured = args[3], args[4] if len(args) > 4 else outer.node.kwargs.get("captured", ())
    if not isinstance(carried, (tuple, list)) or not isinstance(captured, (tuple, list)):
        return None
    k -= 1 + len(carried)
    return captured[k] if k >= 0 else None
