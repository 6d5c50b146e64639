"""Makes a graph check its contract: relations between sizes, ranges, equal dimensions.

Requires: nothing.
Does: asks at the start of the root whether the sizes fit, all in one question (`sizes_fit`). A
contract of a few parts is one guard, whose message has them all: that costs least in a call. A
longer one, and one that has parts which are no question of that kind, is a branch whose other path
holds a guard for each part. Guards of the program that ask for one of the relations are taken out:
these have their messages.
Ensures: on inputs outside of the contract the graph raises a `GuardError` that names the part;
there is nothing where everything that the contract says is a static size, which the runtime checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

import torch
from fxexport.passes.rewriting.relations import (
    NoForm,
    SimpleNeed,
    simple_need,
    write_relation,
)
from torch import fx

from fxexport.graph import CapturedGraph, Constraint, DimRange, branch, guard
from fxexport.graph.contracts import FREE, SizeNeed, sizes_fit
from fxexport.graph.editing import call, new_body
from fxexport.graph.guards import message_at
from fxexport.graph.marks import CONTRACT, HELPER, RELATION
from fxexport.graph.scalars import and_

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Adds the check to the graph in place and returns it."""
    graph.guarded = True
    contract = _Contract(graph)
    if contract.parts:
        _write(graph, contract)
        graph.module.recompile()
    return graph


# One guard stands for a contract of at most so many messages: a reader has to find the one that his
# input does not meet.
_MOST_MESSAGES = 4
_NEEDS = "needs "

# Which input, and which of its dimensions; None for an int input itself.
_Place: TypeAlias = tuple[int, int | None]


@dataclass(frozen=True)
class _Part:
    """One part of a contract.

    Attributes:
        message: what the guard says.
        expression: Python over ``d0``, ``d1``, ... for the dimensions.
        dims: where they are.
        simple: the same as `sizes_fit` asks it; None for what it cannot.
        name: of the dimension, where the part says that two sizes are this one.
    """

    message: str
    expression: str
    dims: tuple[_Place, ...]
    simple: SimpleNeed | None
    name: str = ""


@dataclass
class _Contract:
    """What is to be checked of a graph's inputs."""

    graph: CapturedGraph
    parts: list[_Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Name of a dimension -> where it is first.
        self._first: dict[str, _Place] = {}
        more: list[_Part] = []
        for k, spec in enumerate(self.graph.inputs):
            if spec.values is not None:
                more.append(self._range(spec.name, *spec.values, (k, None)))
            for axis, dim in enumerate(spec.shape):
                if not isinstance(dim, DimRange):
                    continue
                if dim.name in self._first:
                    more.append(self._equal(dim.name, (k, axis)))
                    continue
                self._first[dim.name] = k, axis
                if dim.min > 0 or dim.max is not None:
                    more.append(self._range(dim.name, dim.min, dim.max, (k, axis)))
        said = self._said_by_guards()
        for constraint in self.graph.constraints:
            self._add(constraint, said)
        self.parts += [part for part in more if not self._follows(part)]

    def _follows(self, part: _Part) -> bool:
        """Whether the relations alone keep a size in a range, so that this is said once."""
        if part.simple is None or part.simple.equal:
            return False
        need = FREE
        for one in self.parts:
            if one.dims == part.dims and one.simple is not None:
                need = one.simple.added_to(need, 0)
        return part.simple.added_to(need, 0) == need

    def _said_by_guards(self) -> dict[tuple[tuple[str, ...], str], str]:
        """Messages of the program's own guards for relations; these are taken out of the root."""
        wanted = {(one.names, one.expression) for one in self.graph.constraints if one.expression}
        said = {}
        root = self.graph.module.graph
        for node in root.find_nodes(op="call_function", target=guard):
            relation = RELATION.of(node)
            if relation in wanted:
                said[relation] = str(node.args[1])
                root.erase_node(node)
        return said

    def _add(self, constraint: Constraint, said: dict[tuple[tuple[str, ...], str], str]) -> None:
        names, expression = constraint.names, constraint.expression
        if not expression or any(name not in self._first for name in names):
            self.graph.unguarded.append(message_at(constraint.text, constraint.location))
            return
        message = said.get((names, expression))
        message = message or message_at(f"{_NEEDS}{constraint.text}", constraint.location)
        dims = tuple(self._first[name] for name in names)
        self.parts.append(_Part(message, expression, dims, simple_need(expression)))

    def _range(self, name: str, low: int, high: int | None, at: _Place) -> _Part:
        upper = "" if high is None else f" <= {high}"
        text = f"{low} <= {name}{upper}" if upper else f"{name} >= {low}"
        simple = None if at[1] is None else SimpleNeed(low=low, high=high)
        expression = f"{low} <= d0" + ("" if high is None else f" and d0 <= {high}")
        return _Part(f"{_NEEDS}{text}", expression, (at,), simple)

    def _equal(self, name: str, at: tuple[int, int]) -> _Part:
        dims = self._first[name], at
        message = f"{_NEEDS}{_equal_sizes(self.graph, dims)}, both are {name}"
        return _Part(message, "d0 == d1", dims, SimpleNeed(equal=True), name)


def _write(graph: CapturedGraph, contract: _Contract) -> None:
    """Puts the branch behind the placeholders of the root."""
    root = graph.module.graph
    placeholders = root.find_nodes(op="placeholder")
    before = next(node for node in root.nodes if node.op != "placeholder")
    checks, parts = _checks(graph, contract.parts, placeholders)
    question, left = _one_question(parts, placeholders, before)
    conditions = [] if question is None else [question]
    conditions += [_written(part, placeholders, before) for part in left]
    if not conditions:
        return
    fits = reduce(lambda a, b: call(before, and_, a, b, val=True), conditions)
    messages = _messages(graph, parts)
    if len(parts) == 1 or (not left and len(messages) <= _MOST_MESSAGES):
        only = call(before, guard, fits, _in_one(messages), val=None)
        only.meta["source"] = ()
        CONTRACT.put(only, True)
        return
    nothing = fx.GraphModule({}, _idle(placeholders))
    names = [new_body(graph.module, before, body, f"contract_{what}")
             for what, body in (("holds", nothing), ("fails", checks))]  # fmt: skip
    node = call(before, branch, fits, *names, tuple(placeholders), val=())
    node.meta["source"] = ()
    CONTRACT.put(node, True)
    HELPER.put(node, True)


def _messages(graph: CapturedGraph, parts: Sequence[_Part]) -> list[str]:
    """What the parts say, each once; all that is one dimension is said together."""
    messages: dict[str, None] = {}
    for part in parts:
        same = [other for other in parts if other.name == part.name] if part.name else []
        if len(same) < 2:
            messages[part.message] = None
            continue
        places = [part.dims[0], *(other.dims[1] for other in same)]
        messages[f"{_NEEDS}{_equal_sizes(graph, places)}, all are {part.name}"] = None
    return list(messages)


def _in_one(messages: Sequence[str]) -> str:
    """The message of a guard for all of these: what the program raises stands first."""
    needs = "; ".join(text for text in messages if text.startswith(_NEEDS))
    raised = " or ".join(text for text in messages if not text.startswith(_NEEDS))
    return f"{raised}, or a need that is not met: {needs}" if raised and needs else raised or needs


def _equal_sizes(graph: CapturedGraph, places: Sequence[_Place]) -> str:
    return " == ".join(f"{graph.inputs[k].name}.shape[{axis}]" for k, axis in places)


def _one_question(
    parts: Sequence[_Part], placeholders: Sequence[fx.Node], before: fx.Node
) -> tuple[fx.Node | None, list[_Part]]:
    """All that `sizes_fit` can ask, in one call (None: nothing), and the parts that it cannot."""
    used = sorted({k for part in parts if part.simple is not None for k, _ in part.dims})
    start: dict[int, int] = {}
    needs: list[SizeNeed] = []
    for k in used:
        start[k] = len(needs)
        needs += [FREE] * placeholders[k].meta["val"].ndim
    left = []
    for part in parts:
        places = [start.get(k, 0) + axis for k, axis in part.dims if axis is not None]
        if part.simple is None or (part.simple.equal and needs[places[-1]][3] is not None):
            left.append(part)
            continue
        needs[places[-1]] = part.simple.added_to(needs[places[-1]], places[0])
    if not used:
        return None, left
    tensors = tuple(placeholders[k] for k in used)
    return call(before, sizes_fit, tensors, tuple(needs), val=True), left


def _idle(placeholders: Sequence[fx.Node]) -> fx.Graph:
    graph = fx.Graph()
    for node in placeholders:
        graph.node_copy(node)
    graph.output(())
    return graph


def _checks(
    graph: CapturedGraph, parts: Sequence[_Part], placeholders: Sequence[fx.Node]
) -> tuple[fx.GraphModule, list[_Part]]:
    """The path with the guards, and the parts that it has them for."""
    body = _idle(placeholders)
    end = body.output_node()
    inside = body.find_nodes(op="placeholder")
    written = []
    for part in parts:
        try:
            condition = _written(part, inside, end)
        except NoForm:
            graph.unguarded.append(part.message)
            continue
        call(end, guard, condition, part.message, val=None)
        written.append(part)
    return fx.GraphModule({}, body), written


def _written(part: _Part, placeholders: Sequence[fx.Node], before: fx.Node) -> Any:
    names = {f"d{k}": _number(before, placeholders, place) for k, place in enumerate(part.dims)}
    return write_relation(part.expression, names, before)


def _number(before: fx.Node, placeholders: Sequence[fx.Node], place: _Place) -> fx.Node:
    """The size of an input's dimension, or an int input itself."""
    k, axis = place
    value = placeholders[k]
    if axis is None:
        return value
    size = value.meta["val"].shape[axis]
    return call(before, aten.sym_size.int, value, axis, val=size)
