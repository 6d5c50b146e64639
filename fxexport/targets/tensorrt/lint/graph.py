"""What the captured graph knows and the file no longer says: which sizes are one and the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import raw_expression
from fxexport.graph import CapturedGraph, source_of
from fxexport.graph.editing import parts, results
from fxexport.graph.marks import NO_BUFFER, NO_CAPACITY, Reason
from fxexport.graph.ops import branch, loop
from fxexport.graph.texts import TEXT_FUNCTIONS
from fxexport.graph.unranked import UnrankedVal
from fxexport.report.build import Problem
from fxexport.source.location import SourceLocation

__all__ = ["lint_graph"]


def lint_graph(graph: CapturedGraph) -> list[Problem]:
    """What TensorRT will refuse of the sizes in a graph's loops and outputs."""
    found: list[Problem] = []
    for module in graph.graphs():
        for node in module.graph.nodes:
            no_buffer, no_capacity = NO_BUFFER.of(node), NO_CAPACITY.of(node)
            if node.target in TEXT_FUNCTIONS:
                found.append(_returned_text(node))
            if no_buffer is not None:
                found.append(Problem(no_buffer.text, hint=no_buffer.hint, location=source_of(node)))
            if no_capacity is not None:
                found.append(_without_capacity(node, no_capacity))
            elif node.target is loop:
                found.extend(_carried(module, node))
            elif node.target is branch and _has_no_rank(node):
                found.append(_without_rank(source_of(node)))
            elif node.target is branch and module is not graph.module:
                found.extend(_paths(module, node))
    found.extend(_outputs(graph))
    return list(dict.fromkeys(found))


def _returned_text(node: fx.Node) -> Problem:
    return Problem(
        "the model returns text that depends on its inputs; TensorRT has no text",
        hint="return a number, and look the text up outside of the model",
        location=source_of(node),
    )


def _has_no_rank(node: fx.Node) -> bool:
    return any(isinstance(val, UnrankedVal) for val in node.meta["val"])


def _without_rank(location: SourceLocation | None) -> Problem:
    return Problem(
        "the model returns a tensor of another rank on each path of this branch",
        hint="return one rank on every path, by x[None] or reshape",
        location=location,
    )


def _outputs(graph: CapturedGraph) -> Iterator[Problem]:
    """Outputs that kept a size known only when they run: no buffer can be made before."""
    places = graph.module.graph.find_nodes(op="placeholder")
    known = {symbol for place in places for symbol in _symbols(place.meta.get("val"))}
    for spec, value in zip(graph.outputs, results(graph.module), strict=True):
        val = value.meta.get("val") if isinstance(value, fx.Node) else None
        if spec.padding is not None or not isinstance(val, torch.Tensor):
            continue
        if not _symbols(val) <= known:
            yield Problem(
                f"the size of output {spec.name!r} is known only when the model runs: the engine "
                "allocates it then, through an output allocator",
                "warning",
            )


def _symbols(val: Any) -> set[Any]:
    sizes = val.shape if isinstance(val, torch.Tensor) else (val,)
    return {
        symbol
        for size in sizes
        if isinstance(size, torch.SymInt) and not is_concrete_int(size)
        for symbol in raw_expression(size).free_symbols
    }


def _without_capacity(node: fx.Node, reason: Reason) -> Problem:
    """A loop with changing sizes that `give_capacity` had to leave as it was."""
    place = source_of(node if reason.node is None else reason.node)
    where = " (in the loop at line {})".format(getattr(source_of(node), "line", "?"))
    return Problem(
        f"inside a loop, sizes change from iteration to iteration, and {reason.text}"
        + (where if place != source_of(node) else ""),
        hint="write into a tensor made before the loop, at a running index, or use a mask",
        location=place,
    )


def _carried(module: fx.GraphModule, node: fx.Node) -> Iterator[Problem]:
    carried: Any = node.args[3]
    ((_, inputs),) = parts(module, node)
    for value, place in zip(carried, inputs[1 : 1 + len(carried)], strict=True):
        before, within = _shape(value), _shape(place)
        if before is None or within is None or before == within:
            continue
        yield Problem(
            "a tensor that the loop carries changes its size from iteration to iteration, from "
            f"{_text(before)}",
            hint="write into a tensor made before the loop, at a running index",
            location=source_of(node),
        )


def _paths(module: fx.GraphModule, node: fx.Node) -> Iterator[Problem]:
    """Inside an if or a loop, the path taken must not decide a size."""
    then, other = (results(body) for body, _ in parts(module, node))
    for a, b in zip(then, other, strict=True):
        left, right = _shape(a), _shape(b)
        if left is None or right is None:
            continue
        if _differ(left, right):
            yield Problem(
                "inside an if or a loop, the two paths of an if give tensors of other sizes: "
                f"{_text(left)} and {_text(right)}",
                hint="pad both to one size, decide it outside, or give equal dimensions one "
                "name (--dynamic x:0=n --dynamic y:0=n)",
                location=source_of(node),
            )
        elif _differ(_broadcast(a), _broadcast(b)):
            yield Problem(
                "inside an if or a loop, the two paths of an if give tensors whose sizes are the "
                "same only if dimensions of the inputs are",
                hint="if they always are, give them one name: --dynamic x:0=n --dynamic y:0=n",
                location=source_of(node),
            )


def _broadcast(value: fx.Node) -> tuple[str, ...]:
    """The sizes as the file has them: two that differ by name are the larger, unless one is 1.

    Capture takes them to be equal where they meet on one path of a branch.
    """
    target: Any = value.target
    shape = _shape(value) or ()
    if not isinstance(target, torch._ops.OpOverload) or torch.Tag.pointwise not in target.tags:
        return shape
    given = [_broadcast(n) for n in value.all_input_nodes if _shape(n) is not None]
    met = []
    for axis in range(1, len(shape) + 1):
        sizes = {s[-axis] for s in given if len(s) >= axis}
        open_sizes = sorted(size for size in sizes if not size.isdigit())
        met.append("max(" + ", ".join(open_sizes) + ")" if len(open_sizes) > 1 else shape[-axis])
    return tuple(reversed(met))


def _differ(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """A number against a symbol tells nothing: what a path knows of sizes is no longer there."""
    pairs = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
    return any(a.isdigit() == b.isdigit() for a, b in pairs)


def _shape(value: Any) -> tuple[str, ...] | None:
    val = value.meta.get("val") if isinstance(value, fx.Node) else None
    if not isinstance(val, torch.Tensor):
        return None
    return tuple(str(int(s)) if is_concrete_int(s) else str(s) for s in val.shape)


def _text(shape: tuple[str, ...]) -> str:
    """``[?, 4]``: symbols mean nothing to the user."""
    return "[" + ", ".join(size if size.isdigit() else "?" for size in shape) + "]"
