"""Sizes that the data decides are read so that TensorRT does not trace them back to the inputs.

Requires: nothing beyond a captured graph; to run after the passes that move work.
Does: an int that elements of tensors, or the path that a branch takes, decide and that becomes a
size or an index in the root (`x[:int(n)]`, `torch.zeros(k)`) passes through a tensor and a `topk`
of it, which changes nothing. TensorRT would compute such a size on the host, back to the inputs,
and refuses a float input without dynamic sizes there ("Network input v is a shape tensor and must
have type Int32", "isInFlight"; measured with TensorRT-RTX 1.7.1); it looks no further than a TopK.
Ensures: the outputs are the same; sizes that shapes and int inputs alone decide stay as they are.
"""

from __future__ import annotations

import torch
from fxexport.passes.bounds.device_numbers import from_data, read_on_device
from fxexport.passes.rewriting.visiting import some_tensor
from torch import fx

from fxexport.graph import CapturedGraph

__all__ = ["run"]

aten = torch.ops.aten

_NO_SIZES = {aten.scalar_tensor.default, aten.sym_size.int, aten._local_scalar_dense.default}


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such sizes of the root, in place."""
    root = graph.module
    beside = some_tensor(graph.graphs())
    if beside is None:
        return graph
    read: dict[fx.Node, fx.Node] = {}
    for node in list(root.graph.nodes):
        if _takes_sizes(node):

            def swapped(arg: fx.Node, user: fx.Node = node) -> fx.Node:
                if type(arg.meta.get("val")) not in (int, torch.SymInt) or not from_data(arg):
                    return arg
                if arg not in read:
                    read[arg] = read_on_device(user, arg, beside)
                return read[arg]

            node.args = fx.map_arg(node.args, swapped)
    root.recompile()
    return graph


def _takes_sizes(node: fx.Node) -> bool:
    """Whether the numbers among a node's arguments may be sizes."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload) or target in _NO_SIZES:
        return False
    return torch.Tag.pointwise not in target.tags
