"""Sizes that the data decides are read in a way that does not lead back to the inputs.

Requires: nothing beyond a captured graph; to run after the passes that move work.
Does: an int that elements of tensors, or the way that a branch takes, decide and that becomes a
size or a place in the root (`x[:int(n)]`, `torch.zeros(k)`) passes through a tensor and a `topk` of
it, which changes nothing. TensorRT would compute such a size on the host, back to the inputs, and
refuses a float input without dynamic sizes there ("Network input v is a shape tensor and must have
type Int32", "isInFlight"; measured with TensorRT-RTX 1.7.1); it looks no further than a TopK.
Ensures: the outputs are the same; sizes that shapes and int inputs alone decide stay as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph import CapturedGraph
from fxexport.graph.editing import call, item
from fxexport.graph.scalars import SCALAR_FUNCTIONS

__all__ = ["run"]

aten = torch.ops.aten

_NO_SIZES = {aten.scalar_tensor.default, aten.sym_size.int, aten._local_scalar_dense.default}


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such sizes of the root, in place."""
    root = graph.module
    read: dict[fx.Node, fx.Node] = {}
    for node in list(root.graph.nodes):
        if _takes_sizes(node):

            def swapped(arg: fx.Node, user: fx.Node = node) -> fx.Node:
                if type(arg.meta.get("val")) not in (int, torch.SymInt) or not _from_data(arg):
                    return arg
                if arg not in read:
                    read[arg] = _read(arg, user)
                return read[arg]

            node.args = fx.map_arg(node.args, swapped)
    root.recompile()
    return graph


def _takes_sizes(node: fx.Node) -> bool:
    """Whether the numbers among a node's arguments may be sizes."""
    target: Any = node.target
    if not isinstance(target, torch._ops.OpOverload) or target in _NO_SIZES:
        return False
    return torch.Tag.pointwise not in target.tags


def _from_data(number: fx.Node) -> bool:
    """Whether more than shapes and the model's own numbers decide a number."""
    todo, seen = [number], {number}
    while todo:
        node = todo.pop()
        if node.target is aten.sym_size.int:
            continue
        if node.op == "placeholder" and type(node.meta.get("val")) in (int, torch.SymInt):
            continue
        if node.target not in SCALAR_FUNCTIONS:
            return True
        new = [used for used in node.all_input_nodes if used not in seen]
        if any(isinstance(used.meta.get("val"), torch.Tensor) for used in new):
            return True
        seen.update(new)
        todo.extend(new)
    return False


def _read(number: fx.Node, user: fx.Node) -> fx.Node:
    """The same number, behind a TopK."""
    beside = next(
        val for node in (user, *user.all_input_nodes) for val in _tensors(node.meta.get("val"))
    )
    one = fake_beside(beside, ()).to(torch.int64)
    scalar = call(user, aten.scalar_tensor.default, number, val=one, like=number)
    scalar.kwargs = {"dtype": torch.int64, "device": beside.device, "pin_memory": False}
    row = fake_beside(one, (1,))
    vector = call(user, aten.reshape.default, scalar, [1], val=row, like=number)
    top = call(user, aten.topk.default, vector, 1, 0, val=(row, row), like=number)
    return call(
        user,
        aten._local_scalar_dense.default,
        item(user, top, 0),
        val=number.meta["val"],
        like=number,
    )


def _tensors(val: Any) -> list[torch.Tensor]:
    values = val if isinstance(val, (tuple, list)) else (val,)
    return [value for value in values if isinstance(value, torch.Tensor)]
