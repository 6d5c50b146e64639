"""Where a branch passes a tensor on or makes another of its sizes, the other is given these sizes.

Requires: nothing beyond a captured graph; to run after branches and loops have moved.
Does: in a graph with a loop, where one path of a branch gives one of the branch's operands and the
other gives a tensor that capture knows to be of the same sizes, the latter is reshaped to the
operand's sizes, which changes nothing. TensorRT does not see that two sizes computed in different
paths are one; it takes the result for one whose size the data decides, and fails ("Backedge
detected", "makeScopeNodesContiguous"; measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same.
"""

from __future__ import annotations

from typing import Any

import torch
from fxexport.passes.rewriting.visiting import each_result, on_both_paths
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph import CapturedGraph
from fxexport.graph.editing import call, parts, results
from fxexport.graph.ops import loop

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Reshapes such results of all branches, in place."""
    if not any(n.target is loop for m in graph.graphs() for n in m.graph.nodes):
        return graph
    return each_result(graph, _agree)


def _agree(module: fx.GraphModule, node: fx.Node, k: int) -> None:
    sides = parts(module, node)
    paths = on_both_paths(module, node, k)
    vals = [path.meta.get("val") if isinstance(path, fx.Node) else None for path in paths]
    if not all(isinstance(val, torch.Tensor) for val in vals):
        return
    then, other = vals
    if list(map(str, then.shape)) != list(map(str, other.shape)):  # type: ignore[union-attr]
        return
    passed = [path.op == "placeholder" for path in paths]
    if passed.count(True) != 1 or all(isinstance(size, int) for size in then.shape):  # type: ignore[union-attr]
        return
    keeps, makes = (0, 1) if passed[0] else (1, 0)
    index = sides[keeps][1].index(paths[keeps])
    _reshape(sides[makes][0], k, sides[makes][1][index])


def _reshape(body: fx.GraphModule, k: int, like: fx.Node) -> None:
    """Gives the k-th result of a body the sizes of one of its operands."""
    output = body.graph.output_node()
    given = results(body)
    val = given[k].meta["val"]
    sizes: list[Any] = [
        size
        if isinstance(size, int)
        else call(output, aten.sym_size.int, like, dim, val=size, like=given[k])
        for dim, size in enumerate(val.shape)
    ]
    whole = fake_beside(val, val.shape)
    given[k] = call(output, aten.reshape.default, given[k], sizes, val=whole, like=given[k])
    output.args = (tuple(given),)
    body.recompile()
