"""Outputs whose size the data decides are padded with zeros, and their size is another output.

Requires: nothing beyond a captured graph; to run before branches are moved, since what they give
tells how large a result can be.
Does: an output with one dimension that elements of tensors decide (`x[mask]`, nonzero, nms, rows of
a loop that stops early), and that the inputs' sizes bound, is written into zeros of that largest
size. One more output, `<name>.count`, holds the true size. The state that a call leaves is not
padded, since it is the next call's input.
Ensures: cut to their counts the outputs are the same; `OutputSpec.padding` says which are padded.
An output without such a bound, or with several such dimensions, keeps its exact size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from fxexport.passes.bounds.number_rules import NoBound
from fxexport.passes.bounds.size_bounds import SizeBounds
from fxexport.passes.rewriting.padding import write_at_start
from torch import fx

from fxexport.graph import CapturedGraph, OutputSpec, Padding, source_of
from fxexport.graph.editing import call, results

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Pads such outputs, in place."""
    bounds = SizeBounds(graph)
    values = results(graph.module)
    specs = list(graph.outputs)
    own = len(specs) - len(graph.state)
    taken = {spec.name for spec in (*graph.inputs, *specs)}  # type: ignore[attr-defined]
    counts: list[tuple[OutputSpec, fx.Node]] = []
    for k in range(own):
        made = _padded(graph, bounds, specs[k], values[k], taken)
        if made is not None:
            padding, values[k], count = made
            counts.append((OutputSpec(padding.count, "int", counts=specs[k].name), count))
            specs[k] = OutputSpec(specs[k].name, specs[k].kind, padding=padding)
    if counts:
        graph.outputs = [*specs[:own], *(spec for spec, _ in counts), *specs[own:]]
        more = [node for _, node in counts]
        graph.module.graph.output_node().args = ((*values[:own], *more, *values[own:]),)
        graph.module.recompile()
    return graph


def _padded(
    graph: CapturedGraph, bounds: SizeBounds, spec: OutputSpec, value: object, taken: set[str]
) -> tuple[Padding, fx.Node, fx.Node] | None:
    """How an output is padded, its padded value, its count; None where it stays as it is."""
    if not isinstance(value, fx.Node):
        return None
    val = value.meta.get("val")
    if not isinstance(val, torch.Tensor):
        return None
    dims = [d for d, size in enumerate(val.shape) if bounds.from_data(size)]
    if len(dims) != 1:
        return None
    (dim,) = dims
    end = graph.module.graph.output_node()
    try:
        capacity = bounds.bound(val.shape[dim], end)
    except NoBound:
        return None
    count = call(end, aten.sym_size.int, value, dim, val=val.shape[dim], like=value)
    name = next(n for n in _names(f"{spec.name}.count") if n not in taken)
    taken.add(name)
    return (
        Padding(dim, name, source_of(value)),
        write_at_start(end, value, dim, capacity, count),
        count,
    )


def _names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{k}" for k in range(1, 2**31))
