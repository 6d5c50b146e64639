"""Puts bounds that the model needs of one size into the range of its dimension.

Requires: the graph as it was captured.
Does: narrows the ranges of dimensions by the relations of one size that are bounds; of several
bounds on one side only the narrowest stays a relation, since it has the line that needs it.
Ensures: the same inputs are taken; ranges tell all that is needed of a size alone, but for
multiples and the like.
"""

from __future__ import annotations

import dataclasses

from fxexport.passes.rewriting.relations import SimpleNeed, simple_need

from fxexport.graph import CapturedGraph, Constraint, DimRange, InputSpec

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Narrows the ranges of the graph's inputs in place and returns it."""
    bounds = {id(one): need for one in graph.constraints if (need := _bound_of(one)) is not None}
    lows: dict[str, tuple[int, Constraint]] = {}
    highs: dict[str, tuple[int, Constraint]] = {}
    for constraint in graph.constraints:
        need = bounds.get(id(constraint))
        if need is None:
            continue
        (name,) = constraint.names
        if need.low > 0 and (name not in lows or need.low > lows[name][0]):
            lows[name] = need.low, constraint
        if need.high is not None and (name not in highs or need.high < highs[name][0]):
            highs[name] = need.high, constraint
    narrowest = {id(one) for _, one in (*lows.values(), *highs.values())}
    graph.constraints = [
        one for one in graph.constraints if id(one) not in bounds or id(one) in narrowest
    ]

    def narrowed(dim: int | DimRange) -> int | DimRange:
        if not isinstance(dim, DimRange):
            return dim
        low = max(dim.min, lows[dim.name][0] if dim.name in lows else 0)
        ends = [dim.max] if dim.max is not None else []
        ends += [highs[dim.name][0]] if dim.name in highs else []
        return DimRange(dim.name, low, min(ends) if ends else None)

    def with_ranges(spec: InputSpec) -> InputSpec:
        return dataclasses.replace(spec, shape=tuple(map(narrowed, spec.shape)))

    graph.inputs = [with_ranges(spec) for spec in graph.inputs]
    graph.state = [dataclasses.replace(one, spec=with_ranges(one.spec)) for one in graph.state]
    return graph


def _bound_of(constraint: Constraint) -> SimpleNeed | None:
    """What a relation says of one size, if that is a bound; an equality is for pins to say."""
    if len(constraint.names) != 1 or not constraint.expression:
        return None
    need = simple_need(constraint.expression)
    if need is None or need.multiple != 1 or need.equal or need.low == need.high:
        return None
    return need
