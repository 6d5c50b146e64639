"""Sizes that lead to a path or to a number of iterations, where sizes alone decide."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph, bodies_of
from fxexport.graph.editing import results
from fxexport.graph.ops import branch
from fxexport.graph.scalars import SCALAR_FUNCTIONS
from fxexport.graph.signature import DimRange
from fxexport.verify.forced.controls import Control, given_for
from fxexport.verify.searching.other_sizes import SizeMaker, Sizes

__all__ = ["SizesWanted"]

_PLAIN = (*range(13), 16, 17, 24, 32, 33, 48, 64, 65, 100, 128, 129, 256, 257, 512, 513, 1024, 1025)
# Sizes of so many dimensions are sought together.
_TOGETHER = 2
_MOST = 8000
# All sizes of one dimension below this are.
_DENSE = 1100
_TRIPS: dict[str, Callable[[int], bool]] = {
    "no trip": lambda count: count <= 0,
    "one trip": lambda count: count == 1,
    "several trips": lambda count: count > 1,
    "any trip": lambda count: count > 0,
}
_Way = tuple[Control, str]


class _Asked(NamedTuple):
    """A number that sizes decide.

    Attributes:
        node: it.
        outer: the branch or loop that it stands in.
        outcome: whether it is as it should be.
        names: the dimensions that it hangs on.
    """

    node: fx.Node
    outer: Control | None
    outcome: Callable[[Any], bool]
    names: tuple[str, ...]


class _Unknown(Exception):
    """A number that more than sizes decide."""


class SizesWanted:
    """Finds sizes for one graph.

    Args:
        graph: what was captured.
        maker: knows which sizes the contract allows.
        numbers: numbers in the graph: sizes near them are tried.
    """

    def __init__(self, graph: CapturedGraph, maker: SizeMaker, numbers: Sequence[float]) -> None:
        self._inputs = graph.inputs
        self._maker = maker
        near = (int(number) + step for number in numbers for step in (-1, 0, 1))
        self._values = sorted({*_PLAIN, *(size for size in near if 0 <= size <= 4096)})

    def towards(self, ways: Sequence[_Way]) -> Sizes | None:
        """Sizes for which all that sizes decide goes a certain way.

        Args:
            ways: branches and loops, each with the path or the number of iterations.

        Returns:
            None where sizes decide nothing, or none are found.
        """
        asked: list[_Asked] = []
        for control, goal in ways:
            outcome = _outcome(goal) if control.kind == "branch" else _TRIPS[goal]
            node = control.node.args[0]
            if not isinstance(node, fx.Node):
                continue
            names = self._read(node, control.outer)
            if names:
                asked.append(_Asked(node, control.outer, outcome, names))
        sizes: Sizes | None = dict(self._maker.example)
        for k, one in enumerate(asked):
            if sizes is not None:
                sizes = self._moved(sizes, one.names, asked[: k + 1])
        return sizes if asked else None

    def _moved(self, start: Sizes, names: Sequence[str], asked: Sequence[_Asked]) -> Sizes | None:
        """Sizes with some of them moved, for which all that is asked goes the right way."""
        for sizes in itertools.islice(self._candidates(start, names), _MOST):
            if self._met(asked, sizes) and self._maker.valid(sizes):
                return sizes
        return None

    def _met(self, asked: Iterable[_Asked], sizes: Sizes) -> bool:
        try:
            return all(
                one.outcome(self._evaluated(one.node, one.outer, sizes.__getitem__))
                for one in asked
            )
        except _Unknown:  # on another side of a branch more than sizes decide
            return False
        except (ArithmeticError, ValueError, TypeError):  # a division by a size of 0
            return False

    def _candidates(self, start: Sizes, names: Sequence[str]) -> Iterator[Sizes]:
        """The sizes as they are, with one moved, with some moved together."""
        yield start
        for name in names:
            yield from ({**start, name: size} for size in range(_DENSE))
        for count in range(1, min(_TOGETHER, len(names)) + 1):
            for some in itertools.combinations(names, count):
                for values in itertools.product(self._values, repeat=count):
                    yield {**start, **dict(zip(some, values, strict=True))}

    def _read(self, node: fx.Node, outer: Control | None) -> tuple[str, ...]:
        """The dimensions that decide a number; none where more than sizes do."""
        read: dict[str, None] = {}

        def noted(name: str) -> int:
            read[name] = None
            return self._maker.example[name]

        try:
            self._evaluated(node, outer, noted)
        except _Unknown:
            return ()
        except (ArithmeticError, ValueError, TypeError):
            pass
        return tuple(read)

    def _evaluated(self, node: object, outer: Control | None, size: Callable[[str], int]) -> Any:
        """The value of a number.

        Raises:
            _Unknown: more than sizes decide it.
        """
        if not isinstance(node, fx.Node):
            return node
        if node.op == "placeholder":
            given = given_for(outer, node) if outer is not None else None
            if outer is None or given is None:
                raise _Unknown
            return self._evaluated(given, outer.outer, size)
        if node.target is operator.getitem:
            return self._result(node, outer, size)
        if node.target is torch.ops.aten.sym_size.int:
            return self._size(node.args[0], int(node.args[1]), outer, size)  # type: ignore[arg-type]
        if node.target in SCALAR_FUNCTIONS or node.target in vars(operator).values():
            args = [self._evaluated(arg, outer, size) for arg in node.args]
            return node.target(*args)  # type: ignore[operator]
        raise _Unknown

    def _result(self, node: fx.Node, outer: Control | None, size: Callable[[str], int]) -> Any:
        """The value of a result of a branch."""
        made, index = node.args
        if not isinstance(made, fx.Node) or made.target is not branch:
            raise _Unknown
        condition = self._evaluated(made.args[0], outer, size)
        module = made.graph.owning_module
        assert module is not None
        body = bodies_of(module, made)[0 if condition else 1]
        inside = Control("branch", (), made, module, outer)
        return self._evaluated(results(body)[int(index)], inside, size)  # type: ignore[arg-type]

    def _size(
        self, tensor: object, dim: int, outer: Control | None, size: Callable[[str], int]
    ) -> int:
        while isinstance(tensor, fx.Node) and tensor.op == "placeholder" and outer is not None:
            tensor, outer = given_for(outer, tensor), outer.outer
        if not isinstance(tensor, fx.Node) or tensor.op != "placeholder":
            raise _Unknown
        inputs = list(tensor.graph.find_nodes(op="placeholder"))
        dimension = self._inputs[inputs.index(tensor)].shape[dim]
        return size(dimension.name) if isinstance(dimension, DimRange) else dimension


def _outcome(goal: str) -> Callable[[Any], bool]:
    return lambda value: bool(value) is (goal == "then")
