"""Whether the strides of a fake tensor are those that PyTorch's real ones have.

They are where the operators that have made it are known to lay out their results as their fake
kernels do. The graph is searched from the tensor back to what lies in order in any case.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import fx

from fxexport.capture.recording.frame import Frame
from fxexport.capture.recording.layouts import is_contiguous
from fxexport.capture.recording.types import Value, expression
from fxexport.graph.captured import bodies_of
from fxexport.graph.ops import branch

__all__ = ["Origin", "origin_of"]


class Origin(NamedTuple):
    """What decides how a tensor lies in memory.

    Attributes:
        unknown: what may lay out its result otherwise than its fake kernel; None if nothing does.
        inputs: the inputs of the program that decide.
    """

    unknown: str | None
    inputs: list[str]


@dataclass(frozen=True)
class _Path:
    """A path of a branch that has been recorded.

    Attributes:
        module: its graph.
        node: the branch.
        around: where the branch stands.
    """

    module: fx.GraphModule
    node: fx.Node
    around: _Place


_Place: TypeAlias = Frame | _Path
_Found: TypeAlias = tuple[_Place, fx.Node]


def origin_of(frame: Frame, fake: torch.Tensor) -> Origin:
    """What decides how a fake tensor's real ones lie in memory, from a frame's point of view."""
    seen: set[fx.Node] = set()
    inputs: list[str] = []
    queue = [_made(frame, fake)]
    while queue:
        found = queue.pop()
        if found is None:
            return Origin("what a loop carries", inputs)
        place, node = found
        if node in seen or node.op == "get_attr":
            continue
        seen.add(node)
        if node.op == "placeholder":
            if isinstance(place, Frame) and place.parent is None:
                inputs.append(str(node.target))
            else:
                queue.append(_from_around(place, node))
            continue
        name = _name(node)
        if "taken_apart" in node.meta:
            whole, operands = node.meta["taken_apart"]
            if not _taken_apart_in_order(whole, [node.meta["val"], *operands]):
                return Origin(_operator(whole), inputs)
            queue.extend(_made(place, operand) for operand in operands)
            continue
        if name in _CONTIGUOUS or _is_contiguous_copy(name, node):
            continue
        merged = _merged(place, node)
        if merged:
            if not all(_fills_its_memory(result) for _, result in merged):
                return Origin("the path of a branch", inputs)
            queue.extend(merged)
            continue
        if not _follows(name, node):
            return Origin(name, inputs)
        queue.extend((place, operand) for operand in _operands(node))
    return Origin(None, inputs)


def _made(place: _Place | None, fake: torch.Tensor) -> _Found | None:
    """The node that made a fake tensor, and where it is."""
    while place is not None:
        if isinstance(place, Frame):
            held = place.tensors.get(id(fake))
            node = None if held is None else held[1]
        else:
            nodes = place.module.graph.nodes
            node = next((node for node in nodes if node.meta.get("val") is fake), None)
        if node is not None:
            return place, node
        place = place.parent if isinstance(place, Frame) else place.around
    return None


def _from_around(place: _Place, placeholder: fx.Node) -> _Found | None:
    """What a body takes from around it; None for what a loop carries."""
    if isinstance(place, _Path):
        operands = place.node.args[3]
        assert isinstance(operands, (tuple, list))
        k = place.module.graph.find_nodes(op="placeholder").index(placeholder)
        outer = operands[k]
        return (place.around, outer) if isinstance(outer, fx.Node) else None
    outer = next((node for node, inside in place.captures.items() if inside is placeholder), None)
    return None if outer is None or place.parent is None else (place.parent, outer)


def _merged(place: _Place, node: fx.Node) -> list[_Found]:
    """What the paths of a branch give, if the node is a result of one."""
    made = node.args[0] if node.target is operator.getitem else None
    if not isinstance(made, fx.Node) or made.target is not branch:
        return []
    if isinstance(place, _Path):
        bodies = bodies_of(place.module, made)
    else:
        bodies = [place.bodies[str(arg.target)] for arg in made.args[1:3]]  # type: ignore[union-attr]
    return [(_Path(body, made, place), result) for body, result in _results(bodies, node.args[1])]


def _results(bodies: Sequence[fx.GraphModule], k: Any) -> Iterator[tuple[fx.GraphModule, fx.Node]]:
    for body in bodies:
        result = body.graph.output_node().args[0][k]  # type: ignore[index]
        assert isinstance(result, fx.Node)
        yield body, result


def _fills_its_memory(node: fx.Node) -> bool:
    """Whether a tensor begins where its memory begins, and lies there in order."""
    fake = node.meta["val"]
    return expression(fake.storage_offset()) == 0 and is_contiguous(fake)


def _name(node: fx.Node) -> str:
    target: Value = node.target
    if isinstance(target, torch._ops.OpOverload):
        return _operator(target)
    if target is operator.getitem:
        return "getitem"
    # A function of the user's may be called as an operator is.
    return f"the function {getattr(target, '__name__', target)}"


def _is_contiguous_copy(name: str, node: fx.Node) -> bool:
    return name == "clone" and node.kwargs.get("memory_format") is torch.contiguous_format


def _operator(func: torch._ops.OpOverload) -> str:
    return func._schema.name.removeprefix("aten::")


def _taken_apart_in_order(func: torch._ops.OpOverload, tensors: Sequence[torch.Tensor]) -> bool:
    """Whether an operator and its parts both give what lies in order, as it is given that."""
    known = torch.Tag.pointwise in func.tags or _operator(func) in _FOLLOWING
    return known and all(map(is_contiguous, tensors))


def _follows(name: str, node: fx.Node) -> bool:
    """Whether an operator's fake kernel lays out its result as the real one does."""
    target = node.target
    if name == "getitem" or name in _FOLLOWING:
        return True
    if not isinstance(target, torch._ops.OpOverload):
        return False
    if torch.Tag.pointwise in target.tags:
        return _alike([node.meta["val"] for node in _operands(node)])
    return any(result.alias_info is not None for result in target._schema.returns)


def _alike(tensors: Sequence[torch.Tensor]) -> bool:
    """Whether an elementwise operator lays out its result as these operands lie.

    Where those of different layouts are broadcast, real kernels and fake ones go different ways.
    """
    lie = {tuple(map(expression, (*x.shape, *x.stride()))) for x in tensors}
    return len(lie) <= 1 or all(map(is_contiguous, tensors))


def _operands(node: fx.Node) -> list[fx.Node]:
    """The operands that are tensors, or several of them."""
    return [
        operand
        for operand in node.all_input_nodes
        if isinstance(operand.meta.get("val"), (torch.Tensor, tuple, list))
    ]


def _named(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Operators that lay out what they give in the order of its dimensions, whatever they are given.
_CONTIGUOUS = _named(
    "arange zeros ones full empty rand randn randint eye linspace logspace scalar_tensor "
    "tril_indices triu_indices new_zeros new_ones new_full new_empty linear mm addmm bmm baddbmm "
    "embedding one_hot layer_norm native_layer_norm"
)
# Beside views and elementwise operators: their fake kernels lay out results as the real ones do.
_FOLLOWING = _named(
    "clone _to_copy copy cat stack reshape repeat constant_pad_nd reflection_pad1d "
    "reflection_pad2d replication_pad1d replication_pad2d flip roll tril triu where masked_fill "
    "zeros_like ones_like full_like empty_like rand_like randn_like softmax _softmax log_softmax "
    "_log_softmax gelu silu hardswish mish selu relu6 group_norm native_group_norm index "
    "index_select gather index_put index_add index_copy index_fill scatter scatter_add "
    "slice_scatter select_scatter as_strided_copy cumsum cumprod sum mean var std prod amax amin "
    "max min argmax argmin any all sort topk"
)
