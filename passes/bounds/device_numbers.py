"""Numbers that TensorRT computes on the host or on the device.

What shapes, constants and int inputs alone decide is computed on the host, while an engine is built
or before it runs; the rest by the engine itself.
"""

from __future__ import annotations

import torch
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph.editing import call, item
from fxexport.graph.ops import branch, loop
from fxexport.graph.scalars import to_int

__all__ = ["from_data", "read_on_device"]

aten = torch.ops.aten


def from_data(number: fx.Node) -> bool:
    """Whether more than sizes, weights and int inputs decide a number of the root."""
    todo, seen = [number], {number}
    while todo:
        node = todo.pop()
        if node.target is aten.sym_size.int or node.op == "get_attr":
            continue
        if node.op == "placeholder":
            if type(node.meta.get("val")) in (int, torch.SymInt):
                continue
            return True
        if node.target in (branch, loop):
            return True
        new = [used for used in node.all_input_nodes if used not in seen]
        seen.update(new)
        todo.extend(new)
    return False


def read_on_device(before: fx.Node, number: fx.Node, beside: torch.Tensor) -> fx.Node:
    """The same number (an int; 0 or 1 for a bool) behind a TopK: TensorRT looks no further.

    Args:
        before: where the nodes go.
        number: an int or a bool.
        beside: metadata of any tensor of the graph.
    """
    val = number.meta["val"]
    if isinstance(val, (bool, torch.SymBool)):
        number, val = call(before, to_int, number, val=0, like=number), 0
    one = fake_beside(beside, ()).to(torch.int64)
    scalar = call(before, aten.scalar_tensor.default, number, val=one, like=number)
    scalar.kwargs = {"dtype": torch.int64, "device": beside.device, "pin_memory": False}
    row = fake_beside(one, (1,))
    vector = call(before, aten.reshape.default, scalar, [1], val=row, like=number)
    top = call(before, aten.topk.default, vector, 1, 0, val=(row, row), like=number)
    taken = item(before, top, 0)
    return call(before, aten._local_scalar_dense.default, taken, val=val, like=number)
