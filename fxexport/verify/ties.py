"""Which results hang on the order of equal elements, which nothing defines.

A top-k over scores that saturated has to choose among equal ones, and two right implementations
choose differently. That excuses a difference only where it can come from: the graph is run, each
ordering operator's input is searched for equal elements among what it selects, and what such a
choice reaches (by data, by the condition of a branch or a loop, by a size) is followed to the
outputs.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from fxexport.graph.arguments import filled, operator_name
from fxexport.graph.captured import CapturedGraph, source_of
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS, sequence_length
from fxexport.graph.values import Eager
from fxexport.verify.tie_search import tied_results
from fxexport.verify.unchecked import checked

__all__ = ["Traced", "trace_ties"]

Lines = frozenset[str]
_NONE: Lines = frozenset()

# Operators that look at the shape of their tensor only.
_SHAPE_ONLY = (
    "sym_size", "sym_numel", "size", "zeros_like", "ones_like", "full_like", "empty_like",
    "new_zeros", "new_ones", "new_full", "new_empty", "rand_like", "randn_like",
)  # fmt: skip


@dataclass(frozen=True)
class Traced:
    """A value, with the ties that it hangs on.

    Attributes:
        value: tensor, scalar, or list of tensors.
        ties: lines of ties that may change its elements.
        shape_ties: those of them that may change its shape, or the length of the list.
    """

    value: Any
    ties: Lines = _NONE
    shape_ties: Lines = _NONE

    def under(self, ties: Lines) -> Traced:
        """The value where those ties decided whether it is computed at all."""
        if not ties:
            return self
        return Traced(self.value, self.ties | ties, self.shape_ties | ties)


def trace_ties(graph: CapturedGraph, inputs: Sequence[Eager]) -> list[Traced]:
    """Runs the graph eagerly; gives its outputs and the ties that each of them hangs on."""
    with torch.no_grad(), checked(graph):
        return _run(graph.module, [Traced(value) for value in inputs])


def _run(module: fx.GraphModule, arguments: Sequence[Traced]) -> list[Traced]:
    env: dict[fx.Node, Any] = {}
    left = iter(arguments)
    for node in module.graph.nodes:
        if node.op == "placeholder":
            env[node] = next(left)
        elif node.op == "get_attr":
            env[node] = Traced(operator.attrgetter(str(node.target))(module))
        elif node.op == "call_function":
            env[node] = _call(node, env)
        else:
            return [_traced(value) for value in filled(node.args[0], env)]
    return []


def _call(node: fx.Node, env: dict[fx.Node, Any]) -> Any:
    args, kwargs = filled((node.args, node.kwargs), env)
    if node.target is operator.getitem:
        return args[0][args[1]]
    if node.target is branch:
        return _branch(*args, **kwargs)
    if node.target is loop:
        return _loop(*args, **kwargs)
    plain_args, plain_kwargs = pytree.tree_map(_plain, (args, kwargs), is_leaf=_is_traced)
    assert callable(node.target)
    result = node.target(*plain_args, **plain_kwargs)
    parts = list(pytree.tree_leaves((args, kwargs), is_leaf=_is_traced))
    ties, shape_ties = _reaching(node.target, [p for p in parts if isinstance(p, Traced)])
    chosen = tied_results(node.target, plain_args, plain_kwargs)
    here = frozenset([_line(node)]) if chosen else _NONE
    # A list of any length is one value.
    if isinstance(result, (tuple, list)) and node.target not in SEQUENCE_FUNCTIONS:
        return [
            Traced(value, ties | here if k in chosen else ties, shape_ties)
            for k, value in enumerate(result)
        ]
    sizing = here if _sized_by_values(node.target) else _NONE
    return Traced(result, ties | here, shape_ties | sizing)


def _reaching(target: Any, parts: Iterable[Traced]) -> tuple[Lines, Lines]:
    """The ties that reach an operator's elements, and its shape, through its arguments."""
    ties, shape_ties = _NONE, _NONE
    for part in parts:
        ties |= part.ties
        # A number may be a size of the result, or a place in a list.
        sized = isinstance(part.value, (torch.Tensor, list))
        shape_ties |= part.shape_ties if sized else part.ties
    if operator_name(target).startswith(_SHAPE_ONLY) or target is sequence_length:
        return shape_ties, shape_ties
    return ties, ties if _sized_by_values(target) else shape_ties


def _sized_by_values(target: Any) -> bool:
    tags = getattr(target, "tags", ())
    return torch.Tag.dynamic_output_shape in tags or operator_name(target).endswith("nms")


def _branch(
    condition: Any, then_body: Traced, else_body: Traced, operands: Sequence[Eager]
) -> list[Traced]:
    test = _traced(condition)
    body = then_body if bool(test.value) else else_body
    results = _run(body.value, [_traced(value) for value in operands])
    return [result.under(test.ties) for result in results]


def _loop(
    trip_count: Any,
    condition: Any,
    body: Traced,
    carried: Sequence[Eager],
    captured: Sequence[Eager],
    scan_shapes: Sequence[Eager] = (),
) -> list[Traced]:
    bound, test = _traced(trip_count), _traced(condition)
    state = [_traced(value) for value in carried]
    outer = [_traced(value) for value in captured]
    reached = bound.ties | test.ties
    rows: list[list[Traced]] = []
    iteration = 0
    while bool(test.value) and (bound.value is None or iteration < bound.value):
        test, *results = _run(body.value, [Traced(iteration), *state, *outer])
        reached |= test.ties
        state = results[: len(state)]
        rows.append(results[len(state) :])
        iteration += 1
    finals = [value.under(reached) for value in state]
    scans = [
        _stacked([row[k] for row in rows], shape).under(reached)
        for k, shape in enumerate(scan_shapes)
    ]
    return [*finals, *scans]


def _stacked(rows: Sequence[Traced], empty: Any) -> Traced:
    if not rows:
        sizes, dtype = empty
        shape = [int(_plain(size) or 0) for size in sizes]
        return Traced(torch.empty((0, *shape), dtype=_plain(dtype)))
    ties = _NONE.union(*(row.ties for row in rows))
    shape_ties = _NONE.union(*(row.shape_ties for row in rows))
    return Traced(torch.stack([torch.as_tensor(row.value) for row in rows]), ties, shape_ties)


def _traced(value: Any) -> Traced:
    return value if isinstance(value, Traced) else Traced(value)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Traced) else value


def _is_traced(value: Any) -> bool:
    return isinstance(value, Traced)


def _line(node: fx.Node) -> str:
    source = source_of(node)
    return source.describe() if source is not None else operator_name(node.target)  # type: ignore[arg-type]
