"""What must be forced so that a run comes to a path of a branch, or to a number of iterations.

What is forced is a decision of the program, wherever it comes by: all branches and loops that stand
for it, the values that they hang on, and the decisions that hang on the same values.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

import sympy
import torch
from torch import fx

from fxexport import _torch_compat as compat
from fxexport.graph.captured import CapturedGraph, bodies_of
from fxexport.graph.editing import results
from fxexport.graph.ops import branch, guard, loop
from fxexport.graph.paths import Path
from fxexport.graph.scalars import SCALAR_FUNCTIONS
from fxexport.source.decisions import Decision
from fxexport.verify.forced.controls import (
    Control,
    Found,
    Switch,
    asked_in,
    controls_of,
    is_handed_on,
    switch_of,
)
from fxexport.verify.forced.graph import ForcedNodes
from fxexport.verify.forced.possible_trips import dynamic_sizes

__all__ = ["Forcing", "Planner", "Unforceable"]

Outcome = bool | int
Key = Decision | Path
"""What is forced: a decision of the program, or a branch or loop that stands for none."""
Kind = Literal["flag", "float", "whole", "sizes"]
"""What a condition asks: a tensor or flag, real numbers, whole numbers, sizes of inputs."""

_TRIPS = {"no trip": 0, "one trip": 1, "several trips": 2, "any trip": 1}
_COMPARISONS = frozenset(
    (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
)
_SIZES = "sizes decide it, and none that were tried lead here"


class Unforceable(Exception):
    """Something cannot be forced; the text says why."""


@dataclass(frozen=True)
class Forcing:
    """What is forced together.

    Attributes:
        nodes: in the graph, and in the file.
        decisions: in the program.
        certain: whether nothing that capture takes for granted can be untrue because of it, so
            that the graph must do as the program does.
        whole: whether whole numbers may be others than the forced path allows.
    """

    nodes: ForcedNodes
    decisions: Mapping[Decision, Outcome]
    certain: bool
    whole: bool


@dataclass
class _Plan:
    """What is found so far."""

    wanted: dict[Key, Outcome] = field(default_factory=dict)
    switches: dict[Switch, bool] = field(default_factory=dict)
    conditions: dict[Path, bool] = field(default_factory=dict)
    trips: dict[Path, int] = field(default_factory=dict)
    kinds: set[Kind] = field(default_factory=set)
    certain: bool = True


class Planner:
    """Finds what to force in one graph.

    Attributes:
        controls: its branches and loops by their paths.
    """

    def __init__(self, graph: CapturedGraph, forceable: Collection[Decision]) -> None:
        self.controls: dict[Path, Control] = {one.path: one for one in controls_of(graph.module)}
        self._forceable = forceable
        self._sizes = _size_symbols(graph)
        self._plain = graph.program.plain
        self._by_decision: dict[Decision, list[Control]] = {}
        self._by_switch: dict[Switch, list[tuple[Control, Found]]] = {}
        self._asked: dict[Switch, list[tuple[Decision, bool]]] = {}
        self._switch_of: dict[Path, Found] = {}
        for control in self.controls.values():
            decides = control.decides
            if decides is not None:
                self._by_decision.setdefault(decides.decision, []).append(control)
            found = switch_of(control)
            if found is not None:
                self._switch_of[control.path] = found
                self._by_switch.setdefault(found.switch, []).append((control, found))

        for found, decision in asked_in(graph.module):
            self._asked.setdefault(found.switch, []).append((decision, found.opposite))

    def branches_of(self, switch: Switch) -> tuple[tuple[Path, bool], ...]:
        """The branches and loops that hang on a value, and whether on its opposite."""
        found = self._by_switch.get(switch, ())
        return tuple((control.path, one.opposite) for control, one in found)

    def plan(self, wants: Iterable[tuple[Control, str]]) -> Forcing:
        """What to force so that a run does all that is wanted.

        Args:
            wants: branches and loops, each with the path or the number of iterations.

        Raises:
            Unforceable: it cannot be.
        """
        plan = _Plan()
        todo: list[tuple[Key, Outcome]] = []
        for control, goal in wants:
            key, outcome = self._wanted(control, goal)
            if isinstance(outcome, bool) or not isinstance(plan.wanted.get(key), int):
                todo.append((key, outcome))
                self._want(plan, key, outcome)
                continue
            most = max(outcome, plan.wanted[key])
            plan.wanted[key] = most
            todo.append((key, most))
        for key, _ in todo:
            self._force(plan, key, plan.wanted[key], todo)
        decisions = {key: out for key, out in plan.wanted.items() if isinstance(key, Decision)}
        nodes = ForcedNodes(plan.switches, plan.conditions, plan.trips)
        counted = any(decision.kind == "for" for decision in decisions)
        alone = len(decisions) < len(plan.wanted)
        certain = plan.certain and not counted and not alone and plan.kinds <= {"flag"}
        return Forcing(nodes, decisions, certain, counted or "whole" in plan.kinds)

    def _wanted(self, control: Control, goal: str) -> tuple[Key, Outcome]:
        """What to force for one branch or loop, and its outcome."""
        decides = control.decides
        outcome: Outcome = goal == "then" if control.kind == "branch" else _TRIPS[goal]
        if decides is None or decides.decision not in self._forceable:
            return control.path, outcome
        if not decides.decision.is_loop:
            return decides.decision, outcome
        if decides.decision in self._plain:
            raise Unforceable("Python alone decides it in other places")
        return decides.decision, decides.trips + int(outcome)

    def _want(self, plan: _Plan, key: Key, outcome: Outcome) -> bool:
        """Notes an outcome; returns whether it is new.

        Raises:
            Unforceable: it must have another one as well.
        """
        if key in plan.wanted:
            if plan.wanted[key] != outcome:
                raise Unforceable("it would have to be decided both ways in one run")
            return False
        plan.wanted[key] = outcome
        return True

    def _force(
        self, plan: _Plan, key: Key, outcome: Outcome, todo: list[tuple[Key, Outcome]]
    ) -> None:
        """Forces all branches and loops that stand for something."""
        stand = (
            self._by_decision.get(key, []) if isinstance(key, Decision) else [self.controls[key]]
        )
        for control in stand:
            before = control.decides.trips if control.decides and isinstance(key, Decision) else 0
            if control.kind == "loop":
                left = max(int(outcome) - before, 0)
                plan.trips[control.path] = left
                self._check_trips(control)
                if control.decides is None or control.decides.decision.kind == "while":
                    self._switch(plan, control, left > 0, todo)
            elif isinstance(outcome, bool):
                self._switch(plan, control, outcome, todo)
            else:
                self._switch(plan, control, outcome > before, todo)

    def _check_trips(self, control: Control) -> None:
        count = control.node.args[0]
        val = count.meta.get("val") if isinstance(count, fx.Node) else count
        if isinstance(val, torch.SymInt) and compat.raw_expression(val).free_symbols <= self._sizes:
            raise Unforceable(_SIZES)
        if isinstance(val, int):
            raise Unforceable("the number of its iterations is known")

    def _switch(
        self, plan: _Plan, control: Control, value: bool, todo: list[tuple[Key, Outcome]]
    ) -> None:
        """Forces the value that a branch, or a loop's first iteration, hangs on."""
        found = self._switch_of.get(control.path)
        if found is None:
            if control.kind == "branch" and control.condition is not value:
                raise Unforceable("it is known what it decides")
            return
        value = value is not found.opposite
        kind = _kind_of(found.node, value, self._sizes)
        if kind == "sizes":
            raise Unforceable(_SIZES)
        plan.kinds.add(kind)
        if is_handed_on(found.node):
            plan.certain = False
            if found.opposite or control.kind == "loop":
                raise Unforceable("the value that it asks for is one that others use as well")
            plan.conditions[control.path] = value
            return
        if plan.switches.setdefault(found.switch, value) is not value:
            raise Unforceable("it would have to be decided both ways in one run")
        if _is_used_as_data(found.node, root=not found.switch.module):
            plan.certain = False
        for decision, opposite in self._asked.get(found.switch, ()):
            side = value is not opposite
            if decision in self._forceable and self._want(plan, decision, side):
                todo.append((decision, side))


def _kind_of(node: fx.Node, value: bool, sizes: Collection[sympy.Basic]) -> Kind:
    """What a condition asks.

    Raises:
        Unforceable: it holds for one number alone, which the path then counts with.
    """
    if node.target not in _COMPARISONS:
        inner = {_kind_of(part, value, sizes) for part in _parts_of(node)}
        if inner == {"sizes"}:
            return "sizes"
        if inner & {"sizes", "whole"}:
            return "whole"
        return "float" if "float" in inner else "flag"
    vals = [arg.meta.get("val") for arg in node.args if isinstance(arg, fx.Node)]
    numbers = [val for val in vals if isinstance(val, (torch.SymInt, torch.SymFloat))]
    others = [val for val in numbers if not compat.raw_expression(val).free_symbols <= set(sizes)]
    if not others:
        return "sizes" if numbers else "flag"
    if all(isinstance(val, torch.SymFloat) for val in others):
        return "float"
    if value is (node.target is operator.eq) and node.target in (operator.eq, operator.ne):
        raise Unforceable("the path is for one number alone, and counts with it")
    return "whole"


def _parts_of(node: fx.Node) -> Iterator[fx.Node]:
    """The conditions that a flag is made of: with `and`, `or`, or in the bodies of a branch."""
    given: Iterable[object] = ()
    if node.target in SCALAR_FUNCTIONS:
        given = node.args
    elif node.target is operator.getitem and isinstance(node.args[0], fx.Node):
        made, module = node.args[0], node.graph.owning_module
        if made.target is branch and module is not None:
            index = cast("int", node.args[1])
            given = (made.args[0], *(results(body)[index] for body in bodies_of(module, made)))
    for part in given:
        if isinstance(part, fx.Node) and part.op == "call_function":
            yield part


def _is_used_as_data(node: fx.Node, *, root: bool) -> bool:
    """Whether more than decisions may be made of a condition."""
    plain = {branch, loop, guard, *SCALAR_FUNCTIONS}
    same = {torch.ops.aten.logical_not.default, torch.ops.aten._local_scalar_dense.default}
    for user in node.users:
        if user.target in same or user.target in SCALAR_FUNCTIONS:
            if _is_used_as_data(user, root=root):
                return True
        elif user.target not in plain and (root or user.op != "output"):
            return True
    return False


def _size_symbols(graph: CapturedGraph) -> frozenset[sympy.Basic]:
    """The symbols of the sizes of inputs."""
    return frozenset().union(*(size.free_symbols for size, _ in dynamic_sizes(graph)))
