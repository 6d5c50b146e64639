"""Outside of the contract: sizes that it excludes, and what a file's own checks say."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

import torch

from fxexport.errors import UsageError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.guards import message_at
from fxexport.graph.ops import guard
from fxexport.graph.signature import Constraint
from fxexport.graph.values import Eager
from fxexport.inputs.checking import check_shape
from fxexport.verify.searching.other_sizes import SizeMaker, Sizes, broken_constraint

__all__ = ["GuardCheck", "excluded_sizes", "moved_alone", "refused", "says_it_raises"]

_MOST = 6
_NODE_NAME = re.compile(r"Name:'(.+?)' Status Message")


class GuardCheck:
    """What is known of the guards of a graph, while its file is compared.

    Attributes:
        checked: whether the file checks its contract.
    """

    def __init__(self, graph: CapturedGraph) -> None:
        self.checked = graph.guarded
        self._asked = 0
        self._messages = {
            str(node.args[1])
            for module in graph.graphs()
            for node in module.graph.nodes
            if node.target is guard
        }

    def may_ask(self) -> bool:
        """Whether to try once more if the file raises where PyTorch does: a few times will do."""
        self._asked += 1
        return self.checked and bool(self._messages) and self._asked <= _MOST

    def failed(self, failure: Exception) -> str:
        """The guard that ended a run, from the runtime's error; empty if none did."""
        for name in reversed(_NODE_NAME.findall(str(failure))):
            # Names of nodes are unique: where several say the same, a number is behind it.
            for said in (name, re.sub(r"_\d+$", "", name)):
                if said in self._messages:
                    return said
        return ""


def refused(graph: CapturedGraph, inputs: Sequence[Eager]) -> str:
    """Why the file does not take the user's inputs; empty when it does."""
    sizes: dict[str, int] = {}
    for spec, value in zip(graph.inputs, inputs, strict=True):
        if isinstance(value, torch.Tensor):
            try:
                check_shape(spec, tuple(value.shape), sizes)
            except UsageError as error:
                return f"the file does not take these inputs: {error.message}"
    broken = broken_constraint(graph.constraints, sizes)
    return f"the file does not take these sizes: it needs {broken}" if broken else ""


def says_it_raises(message: str) -> bool:
    """Whether a guard says that the model itself raises, rather than what the file needs."""
    return not message.startswith(("needs ", "expected that "))


def moved_alone(maker: SizeMaker, name: str) -> Iterator[Sizes]:
    """The example's sizes with one dimension moved, as far as the contract lets it."""
    size = maker.example[name]
    for other in (size + 1, 2 * size, size - 1):
        sizes = {**maker.example, name: other}
        if other > 0 and other != size and maker.valid(sizes):
            yield sizes


def excluded_sizes(maker: SizeMaker, graph: CapturedGraph) -> Iterator[tuple[str, Sizes]]:
    """A few sizes that the contract excludes, each with what they break.

    Sizes of 0 are none of them: dividing by one ends the process in some runtimes.
    """
    checked = [
        one for one in graph.constraints
        if message_at(one.text, one.location) not in graph.unguarded
    ]  # fmt: skip
    found = itertools.chain(_breaking(maker, checked), _out_of_range(maker))
    yield from itertools.islice(found, _MOST)


def _breaking(maker: SizeMaker, constraints: Sequence[Constraint]) -> Iterator[tuple[str, Sizes]]:
    for constraint in constraints:
        for sizes in _near(maker, constraint.names):
            if maker.affords(sizes) and broken_constraint([constraint], sizes):
                yield constraint.text, sizes
                break


def _near(maker: SizeMaker, names: Sequence[str]) -> Iterator[Sizes]:
    """The example's sizes with one of some dimensions larger or smaller, by little or by much."""
    for step in (1, -1, 2, 7, 100, 1000):
        for name in names:
            size = maker.example.get(name, 0) + step
            if size > 0:
                yield {**maker.example, name: size}


def _out_of_range(maker: SizeMaker) -> Iterator[tuple[str, Sizes]]:
    for name, dim in maker.ranges.items():
        ends: Mapping[str, int] = {f"{name} >= {dim.min}": dim.min - 1}
        if dim.max is not None:
            ends = {**ends, f"{name} <= {dim.max}": dim.max + 1}
        for text, size in ends.items():
            sizes = {**maker.example, name: size}
            if size > 0 and maker.affords(sizes):
                yield text, sizes
