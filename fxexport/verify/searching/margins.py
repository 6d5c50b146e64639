"""How far a run of the graph was from each side of its branches and each trip count of its loops.

A condition is a comparison, or made of comparisons: its margin is how far it is above 0 where it
holds, and below where it does not. What stands for it is a tensor with a gradient, so that it is
known where inputs have to go. A whole number that was made of a real one stands for that one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from fxexport.graph.arguments import operator_name
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.marked_run import MarkedRun
from fxexport.graph.paths import Path
from fxexport.graph.scalars import SCALAR_FUNCTIONS
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS
from fxexport.verify.forced.controls import Reached
from fxexport.verify.searching.margin_rules import compared, flags_joined, stand_in

__all__ = [
    "SPECIAL",
    "Given",
    "Margin",
    "Margins",
    "TooManyTrips",
    "given_as_it_is",
    "margins_of",
]


class TooManyTrips(Exception):
    """The graph's loops made more iterations than they may."""


class Given(NamedTuple):
    """A value of a run.

    Attributes:
        value: it.
        like: what stands for it as a real number, of a flag its margin; None where nothing does.
    """

    value: Any
    like: Tensor | None = None


class Margin(NamedTuple):
    """How far a run was from a goal.

    Attributes:
        stage: of a loop, whether it made a trip.
        size: the margin, from below 0; it has a gradient where values decide smoothly.
    """

    stage: int
    size: Tensor

    @property
    def key(self) -> tuple[int, float]:
        """The larger, the nearer."""
        return self.stage, float(self.size.detach())


class Margins(NamedTuple):
    """What a run tells of the goals.

    Attributes:
        reached: those that it has reached.
        of: how far it was from others that it came by.
    """

    reached: set[Reached]
    of: dict[Reached, Margin]


def margins_of(graph: CapturedGraph, inputs: Sequence[Given], max_trips: int) -> Margins:
    """Runs a graph on inputs, those with a gradient as far as it is to have one.

    Raises:
        TooManyTrips: its loops make more than `max_trips` iterations in all.
    """
    run = _Run(max_trips)
    run.graph(graph.module, (), inputs)
    return Margins(run.reached, run.margins)


class _Run(MarkedRun[Given]):
    """A run whose values carry what stands for them."""

    def __init__(self, max_trips: int) -> None:
        super().__init__(Given, Given)
        self.reached: set[Reached] = set()
        self.margins: dict[Reached, Margin] = {}
        self._left = max_trips

    def marked(self, value: Any) -> Given:
        return given_as_it_is(value)

    def iterates(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooManyTrips

    def called(
        self,
        node: fx.Node,
        arguments: tuple[Sequence[Any], Mapping[str, Any]],
        plain: tuple[Sequence[Any], Mapping[str, Any]],
        result: Any,
    ) -> Any:
        if isinstance(result, (tuple, list)) and node.target not in SEQUENCE_FUNCTIONS:
            return [self.given(value) for value in result]
        assert callable(node.target)
        return _with_like(node.target, arguments[0], result)

    def branched(self, path: Path, test: Given, results: list[Given]) -> list[Given]:
        holds = bool(test.value)
        self.reached.add((path, "then" if holds else "else"))
        if test.like is None:
            return results
        margin = _single(test.like)
        self._note((path, "then"), margin)
        self._note((path, "else"), -margin)
        # A flag that is known on this side, as of `a and b` where a is false, is so by this margin.
        known = margin if holds else -margin
        return [
            Given(one.value, known if one.value else -known)
            if isinstance(one.value, bool) and one.like is None
            else one
            for one in results
        ]

    def looped(
        self, path: Path, bound: Given, tests: Sequence[Given], results: list[Given]
    ) -> list[Given]:
        self._looped(path, len(tests) - 1, [test.like for test in tests], bound.like)
        return results

    def stacked(self, tensor: Tensor, rows: Sequence[Given]) -> Given:
        return self.given(tensor)

    def _looped(
        self, path: Path, trips: int, going: Sequence[Tensor | None], count: Tensor | None
    ) -> None:
        """Notes what a loop did, and how near it was to doing otherwise.

        Args:
            path: where it is.
            trips: how many iterations it made.
            going: the margins of its conditions, first of that of the first iteration.
            count: what stands for the largest number of iterations.
        """
        self.reached.add((path, ("no trip", "one trip", "several trips")[min(trips, 2)]))
        if trips:
            self.reached.add((path, "any trip"))
        first = _least(going[0], None if count is None else count - 0.5)
        second = _least(
            going[1] if len(going) > 1 else None, None if count is None else count - 1.5
        )
        if first is not None:
            self._note((path, "no trip"), -first)
        for goal in ("any trip", "one trip", "several trips"):
            if not trips and first is not None:
                self._note((path, goal), first)
        if trips and second is not None:
            self._note((path, "one trip"), -second, 1)
            self._note((path, "several trips"), second, 1)

    def _note(self, goal: Reached, size: Tensor, stage: int = 0) -> None:
        margin = Margin(stage, size)
        before = self.margins.get(goal)
        if before is None or margin.key > before.key:
            self.margins[goal] = margin


def _with_like(target: Callable[..., Any], args: Sequence[Any], value: Any) -> Given:
    """A result, with what stands for it."""
    given = [one for one in args if isinstance(one, Given)]
    if isinstance(value, Tensor):
        if value.dtype.is_floating_point:
            return _smooth(target, given, value)
        return Given(value, _of_flags_and_whole(target, args, value))
    if not isinstance(value, (bool, int, float)) or all(one.like is None for one in given):
        return Given(value)
    if target in SCALAR_FUNCTIONS:
        return Given(value, stand_in(target, [_like_or_value(one) for one in args]))
    if operator_name(target) == "_local_scalar_dense" and given[0].like is not None:
        return Given(value, _single(given[0].like))
    return Given(value)


def _smooth(target: Callable[..., Any], given: Sequence[Given], value: Tensor) -> Given:
    """A tensor of real numbers: it stands for itself."""
    name = operator_name(target)
    like = given[0].like if given else None
    if like is not None and name == "scalar_tensor" and like.requires_grad:
        value = like.to(value.dtype).reshape(())
    elif name in ("floor", "ceil", "round", "trunc") and like is not None and like.requires_grad:
        # What is added is 0, and has the gradient of what was rounded.
        moved = like - like.detach()
        value = value + moved.to(value.dtype) if bool(moved.isfinite().all()) else value
    return Given(value, value)


def _of_flags_and_whole(
    target: Callable[..., Any], args: Sequence[Any], value: Tensor
) -> Tensor | None:
    """What stands for a tensor of flags or of whole numbers."""
    name = operator_name(target)
    operands = [_like_or_value(one) for one in args]
    if value.dtype == torch.bool:
        if name in ("gt", "ge", "lt", "le", "eq", "ne"):
            return compared(name, operands[0], operands[1])
        if name in SPECIAL:
            return torch.where(value, 1.0, -1.0)
        if name in ("logical_and", "bitwise_and", "logical_or", "bitwise_or"):
            return flags_joined(name, operands[0], operands[1])
    first = operands[0] if operands else None
    if not isinstance(first, Tensor) or not first.dtype.is_floating_point:
        return None
    if value.dtype == torch.bool:
        if name in ("logical_not", "bitwise_not"):
            return -first
        if name in ("any", "all"):
            size = first if _plain(args[0]).dtype == torch.bool else first.abs()
            reduce = torch.amax if name == "any" else torch.amin
            dims = list(args[1:2]) or [list(range(size.dim()))]
            return reduce(size, dims[0], *args[2:3]) if size.numel() else None
        if name == "_to_copy" and _plain(args[0]).dtype != torch.bool:
            return first.abs()
    if name in _MOVED or name == "_to_copy":
        rest = () if name == "_to_copy" else args[1:]
        moved = target if rest or name != "_to_copy" else (lambda like: like)
        plain = pytree.tree_map(_plain, rest, is_leaf=_is_given)
        found = moved(first, *plain)
        return found if isinstance(found, Tensor) else None
    return None


# Operators that ask for numbers which no gradient leads to.
SPECIAL = ("isnan", "isinf", "isfinite", "isposinf", "isneginf")
# Operators that put elements elsewhere, and change none.
_MOVED = frozenset(
    (
        "view", "reshape", "select", "slice", "unsqueeze", "squeeze", "permute", "t", "transpose",
        "expand", "clone", "alias", "detach", "index_select", "flatten", "_unsafe_view",
    )
)  # fmt: skip


def _like_or_value(one: object) -> Any:
    if not isinstance(one, Given):
        return one
    return one.value if one.like is None else one.like


def _least(*margins: Tensor | None) -> Tensor | None:
    given = [_single(one) for one in margins if one is not None]
    return min(given, key=lambda one: float(one.detach())) if given else None


def _single(like: Tensor) -> Tensor:
    return like.reshape(()).nan_to_num(-math.inf).double()


def given_as_it_is(value: Any) -> Given:
    """A value that does not move; a real number stands for itself."""
    is_real = isinstance(value, Tensor) and value.dtype.is_floating_point
    return Given(value, value if is_real else None)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Given) else value


def _is_given(value: Any) -> bool:
    return isinstance(value, Given)
