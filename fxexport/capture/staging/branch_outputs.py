"""What a branch gives: its outputs, on each side and after it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeAlias, cast

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import (
    SYM_OF,
    GraphValue,
    Operand,
    Size,
    SymbolicNumber,
    Value,
    expression,
    is_symbolic,
    sym_type,
)
from fxexport.capture.session.list_runs import Pattern, Spread, only_run
from fxexport.capture.session.refusals import Place
from fxexport.capture.session.session import Session
from fxexport.capture.staging.item_tensors import is_spoilt
from fxexport.capture.staging.patterns import Number, TensorOf, leaves_of, sequence_like
from fxexport.capture.staging.runs import hold
from fxexport.capture.staging.sequence_items import columns_of
from fxexport.capture.values.kinds import as_kind
from fxexport.graph.sequences import SequenceVal
from fxexport.source.frames import user_location

__all__ = [
    "BranchOutput",
    "BranchOutputs",
    "Filler",
    "Knowing",
    "ListPlan",
    "SequenceOutput",
    "Side",
    "spread_of",
]

Side: TypeAlias = Literal["then", "other"]
_SIDES: tuple[Side, Side] = ("then", "other")


Knowing: TypeAlias = Callable[[Side], AbstractContextManager[None]]


class Filler:
    """Stands for a value that is never read."""


class BranchOutput:
    """An output of a branch: what it is on each side, and how it is made after it.

    Attributes:
        then: a tensor, a number or a `Filler`.
        other: the same on the other side.
        kind: int, float or bool; None for a tensor.
        dtype: of a tensor.
        promoted: whether it is a number of another type on one side.
        took_rank: whether it has no elements on one side, where it has another rank.
        held: the fake tensor that a tensor holds on each side.
        place: where it is merged.
    """

    def __init__(
        self, then: Value, other: Value, kind: type | None, dtype: torch.dtype | None
    ) -> None:
        self.then, self.other = then, other
        self.kind = kind
        self.dtype = dtype
        self.promoted = self.took_rank = False
        self.place: Place | None = None
        self.held: dict[Side, torch.Tensor] = {}

    def on(self, side: Side) -> Value:
        """What it is on one side."""
        return self.then if side == "then" else self.other


class SequenceOutput(BranchOutput):
    """An output that is a sequence: one tensor or number of each item of a list."""

    def __init__(self, plan: ListPlan, column: int) -> None:
        super().__init__(plan, plan, None, None)
        self.plan = plan
        self.column = column
        self.nodes: dict[Side, Operand] = {}


class ListPlan:
    """A list that differs in length between the paths, from the first item that differs.

    Attributes:
        sides: the items of each side, from there on.
        element: a pattern that all of them fit.
        length: their number after the branch.
        outputs: what the branch gives for them.
    """

    def __init__(
        self, then: list[Value], other: list[Value], element: Pattern, length: Size
    ) -> None:
        self.sides: dict[Side, list[Value]] = {"then": then, "other": other}
        self.element = element
        self.length = length
        self.outputs: Sequence[BranchOutput] = []
        self._columns: dict[Side, list[SequenceVal]] = {}

    def columns(self, session: Session, side: Side) -> list[SequenceVal]:
        """The sequences of one side, whose frame must be open."""
        if side not in self._columns:
            self._columns[side] = columns_of(session, self.sides[side], self.element)
        return self._columns[side]


class BranchOutputs:
    """The outputs of one branch, in order."""

    def __init__(
        self, session: Session, learnt: Sequence[Set[sympy.Basic]], knowing: Knowing
    ) -> None:
        """Begins.

        Args:
            session: the capture.
            learnt: the facts about sizes that each path needs.
            knowing: around what is asked of sizes on a path.
        """
        self._session = session
        self.learnt = learnt
        self._knowing = knowing
        # side and number -> the bounds that it has there
        self._bounds: dict[tuple[Side, sympy.Expr], Any] = {}
        # Where values are being merged just now.
        self.place: Place | None = None
        self.all: list[BranchOutput] = []
        self._flags: dict[tuple[Value, Value], BranchOutput] = {}

    def add(self, then: Value, other: Value, like: Value) -> BranchOutput:
        """An output of the kind of a tensor or number."""
        if isinstance(like, torch.Tensor):
            return self.append(BranchOutput(then, other, None, like.dtype))
        return self.append(BranchOutput(then, other, sym_type(like), None))

    def add_flag(self, then: Value, other: Value) -> BranchOutput:
        """A truth value; equal ones are one output, so that what is known of one is of all."""
        sides = [expression(v) if is_symbolic(v) else v for v in (then, other)]
        key = (sides[0], sides[1])
        if key not in self._flags:
            self._flags[key] = self.add(then, other, True)
        return self._flags[key]

    def append(self, output: BranchOutput) -> BranchOutput:
        """Adds an output."""
        output.place = self.place
        self.all.append(output)
        return output

    def read(self, side: Side) -> None:
        """Takes what the tensors of one side hold, while they hold it and its frame is open.

        A tensor from outside that the side has written in place is restored afterwards.
        """
        for output in self.all:
            if isinstance(output, SequenceOutput):
                columns = output.plan.columns(self._session, side)
                output.nodes[side] = self._session.node_of(columns[output.column])
                continue
            value = output.on(side)
            if isinstance(value, torch.Tensor):
                output.held[side] = self._session.tensors.inner(value)

    def operands(self, side: Side) -> list[Operand]:
        """The node or constant of each output on one side; its frame must be open."""
        return [self._operand(output, side) for output in self.all]

    def _operand(self, output: BranchOutput, side: Side) -> Operand:
        if isinstance(output, SequenceOutput):
            return output.nodes[side]
        value = output.on(side)
        if isinstance(value, Filler):
            return self._fill(output)
        if output.kind is not None:
            return self._session.node_of(as_kind(value, output.kind))
        if not isinstance(value, torch.Tensor):
            number = cast("int", value)
            return self._session.node_of(torch.scalar_tensor(number, dtype=output.dtype))
        return self._session.recorder.node_of(output.held[side])

    def _fill(self, output: BranchOutput) -> Operand:
        if output.kind is not None:
            return self._session.node_of(output.kind(0))
        # Sizes known outside keep the shape fixed; the others may be anything, so they are 0.
        (like,) = output.held.values()
        sizes = [
            self._session.never_negative(size) if self._session.in_scope(size) else 0
            for size in like.shape
        ]
        return self._session.node_of(torch.zeros(sizes, dtype=output.dtype))

    def values_after(self) -> list[GraphValue]:
        """The value that stands for each output after the branch (not bound to a node yet)."""
        return [self._value_after(output) for output in self.all]

    def _value_after(self, output: BranchOutput) -> GraphValue:
        session = self._session
        if isinstance(output, SequenceOutput):
            item = leaves_of(output.plan.element)[output.column]
            assert isinstance(item, (TensorOf, Number))
            return sequence_like(item, output.plan.length)
        if output.kind is not None:
            fresh = session.recorder.fresh_scalar(SYM_OF[output.kind])
            if output.kind is int:
                self._bound(fresh, {side: output.on(side) for side in _SIDES})
            if output.promoted:
                session.promote(fresh)
            return fresh
        rank = next((tensor.dim() for tensor in output.held.values()), 0)
        sizes = [
            self._size({side: tensor.shape[dim] for side, tensor in output.held.items()})
            for dim in range(rank)
        ]
        with compat.only_mode(session.fake_mode):
            return torch.empty(sizes, dtype=output.dtype)

    def _size(self, sides: Mapping[Side, Size]) -> Size:
        dims = tuple(sides.values())
        first, *rest = dims
        if self._session.in_scope(first) and all(self._session.same(first, d) for d in rest):
            # What the paths know of it may not hold after the branch.
            return self._session.never_negative(first)
        size = self._session.fresh_size()
        self._bound(size, sides)
        if len(dims) == len(self.learnt):
            self._session.merged_sizes[expression(size)] = [
                (expression(own), facts) for own, facts in zip(dims, self.learnt, strict=True)
            ]
        return size

    def _bound(self, made: SymbolicNumber, sides: Mapping[Side, Value]) -> None:
        """Gives a number the bounds that it has on all paths, as far as these are known."""
        env = self._session.env
        # What stands for nothing may be of size 0.
        found = [] if len(sides) == len(_SIDES) else [compat.value_range(0, 0)]
        for side, value in sides.items():
            if not isinstance(value, (int, torch.SymInt)) or isinstance(value, bool):
                return
            expr = sympy.sympify(expression(value))
            if (side, expr) not in self._bounds:
                with self._knowing(side):
                    self._bounds[side, expr] = env.bound_sympy(expr)
            found.append(self._bounds[side, expr])
        bounds = functools.reduce(operator.or_, found)
        if bounds.is_int:
            env.set_bounds(expression(made), bounds)


def spread_of(
    session: Session,
    plan: ListPlan,
    after: dict[int, Value],
    spoilt: dict[Side, set[int]],
    branch: int,
) -> Spread:
    """The run of items that stands for a list which differs in length between the paths.

    `spoilt` has what was out of date at the end of each path (see `Remembered`); `branch` is the
    number of the branch.
    """
    values = [after[id(output)] for output in plan.outputs]
    columns = [value for value in values if isinstance(value, SequenceVal)]
    counted = cast("Size", values[0]) if values and not columns else plan.length
    spread = Spread(plan.element, columns, counted)
    kept = []
    for side, items in plan.sides.items():
        with session.on_way(branch, side):
            kept.append(hold(session, items, spread))
    spread.shared = frozenset().union(*kept)
    runs = [only_run(side) for side in plan.sides.values()]
    spread.same_places = [run for run in runs if run is not None] if None not in runs else []
    for side, items in plan.sides.items():
        if spoilt[side] and is_spoilt(items, spoilt[side]):
            session.spoil(spread, user_location())
    return spread
