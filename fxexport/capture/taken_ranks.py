"""Finds results whose rank comes of a tensor without elements that took another path's rank.

Such a tensor (`staging/empty_tensors.py`) gives what PyTorch gives wherever its rank does not show:
in a product, in what is reshaped, in sums. Where it shows in what the model returns, capture starts
again, and leaves the two ranks a choice.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from torch import fx

from fxexport.capture.session.refusals import Place, rank_taken
from fxexport.graph.captured import bodies_of
from fxexport.graph.marks import TOOK_RANK
from fxexport.graph.ops import branch, loop

__all__ = ["refuse_taken_ranks"]

# Operators whose arguments alone say the rank of what they give.
_RANK_GIVEN = frozenset(
    f"aten::{name}"
    for name in (
        "reshape", "view", "_unsafe_view", "expand", "broadcast_to", "new_zeros", "new_ones",
        "new_full", "new_empty", "masked_select", "embedding_bag",
    )
)  # fmt: skip
_CAT = torch.ops.aten.cat.default


def refuse_taken_ranks(module: fx.GraphModule, names: Sequence[str]) -> None:
    """Refuses a graph in which a result has another rank than in PyTorch where it is empty.

    Args:
        module: the graph.
        names: those of the model's results, in the order of the graph's.

    Raises:
        RankTaken: capture is to start again, with these places apart.
    """
    search = _Search(module)
    (output,) = module.graph.find_nodes(op="output")
    for name, node in zip(names, output.args[0], strict=False):
        places = search.places(node) if isinstance(node, fx.Node) else frozenset[Place]()
        if places:
            raise rank_taken(name or "the result", places)


class _Search:
    """Follows values back to where they took a rank."""

    def __init__(self, module: fx.GraphModule) -> None:
        # graph of a body -> the node whose body it is
        self._node_of: dict[fx.Graph, fx.Node] = {}
        self._bodies: dict[fx.Node, list[fx.GraphModule]] = {}
        self._known: dict[fx.Node, frozenset[Place]] = {}
        self._enter(module)
        self.any = any(TOOK_RANK.of(node) for node in self._bodies)

    def _enter(self, module: fx.GraphModule) -> None:
        for node in module.graph.nodes:
            bodies = bodies_of(module, node)
            if bodies:
                self._bodies[node] = bodies
            for body in bodies:
                self._node_of[body.graph] = node
                self._enter(body)

    def places(self, node: fx.Node) -> frozenset[Place]:
        """Where the rank of a tensor was taken from another path; none for other values."""
        if not self.any or not isinstance(node.meta.get("val"), torch.Tensor):
            return frozenset()
        if node not in self._known:
            self._known[node] = frozenset()  # for a loop that hands it back
            self._known[node] = self._found(node)
        return self._known[node]

    def _found(self, node: fx.Node) -> frozenset[Place]:
        if node.meta["val"].dim() == 0:
            return frozenset()
        if node.op == "placeholder":
            return self._union(self._given(node))
        if node.op != "call_function":
            return frozenset()
        if node.target is operator.getitem:
            source, index = node.args
            assert isinstance(source, fx.Node)
            if source in self._bodies:
                taken = (TOOK_RANK.of(source) or {}).get(index)  # type: ignore[call-overload, arg-type]
                own = frozenset() if taken is None else frozenset([taken])
                return own | self._union(self._left(source, index))  # type: ignore[arg-type]
            return self._of_operator(source)
        return self._of_operator(node)

    def _of_operator(self, node: fx.Node) -> frozenset[Place]:
        schema = getattr(node.target, "_schema", None)
        if schema is not None and schema.name in _RANK_GIVEN:
            return frozenset()
        if node.target is _CAT:
            # PyTorch leaves out tensors without elements that have one dimension.
            each = [self.places(one) for one in node.args[0]]  # type: ignore[union-attr, arg-type]
            return frozenset().union(*each) if all(each) else frozenset()
        return self._union(node.all_input_nodes)

    def _union(self, nodes: Sequence[object]) -> frozenset[Place]:
        found = [self.places(node) for node in nodes if isinstance(node, fx.Node)]
        return frozenset().union(*found)

    def _given(self, placeholder: fx.Node) -> Sequence[object]:
        """What stands for a placeholder of a body: operands, and what the body itself leaves."""
        node = self._node_of.get(placeholder.graph)
        if node is None:
            return ()
        index = placeholder.graph.find_nodes(op="placeholder").index(placeholder)
        if node.target is branch:
            return [node.args[3][index]]  # type: ignore[index]
        carried, captured = list(node.args[3]), list(node.args[4])  # type: ignore[arg-type]
        operands = [None, *carried, *captured]
        left = self._outputs(node, 0)[index] if 0 < index <= len(carried) else None
        return [operands[index], left]

    def _left(self, node: fx.Node, index: int) -> Sequence[object]:
        """What the bodies of a branch or loop leave for one of its results."""
        if node.target is loop:
            carried = list(node.args[3])  # type: ignore[arg-type]
            start = [carried[index]] if index < len(carried) else []
            return [*start, self._outputs(node, 0)[1 + index]]
        return [self._outputs(node, k)[index] for k in range(2)]

    def _outputs(self, node: fx.Node, body: int) -> Sequence[object]:
        (output,) = self._bodies[node][body].graph.find_nodes(op="output")
        return output.args[0]  # type: ignore[return-value]
