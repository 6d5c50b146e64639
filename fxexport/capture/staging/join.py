"""Merges two recorded paths: what they leave becomes one value each, and one node is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import fx

from fxexport import _torch_compat as compat
from fxexport.capture.recording.frame import Frame
from fxexport.capture.recording.recorder import Recorder
from fxexport.capture.recording.types import GraphValue, Operand, Undecided, Value
from fxexport.capture.session.journal import ContentsSlot, Slot, SlotKey
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session
from fxexport.capture.session.transaction import Body
from fxexport.capture.staging.branch_outputs import BranchOutput, ListPlan, Side, spread_of
from fxexport.capture.staging.closures import CellPlan, ClosurePlan
from fxexport.capture.staging.empty_tensors import Emptiness
from fxexport.capture.staging.merge import Merge
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.containers import (
    has_identity,
    is_mutable,
    parts_of,
    rebuild_like,
    refill,
)
from fxexport.capture.values.maybe import Maybe, narrowed
from fxexport.graph.decisions import DECIDES, Decides
from fxexport.graph.marks import TOOK_RANK
from fxexport.graph.ops import branch
from fxexport.source.location import SourceLocation

__all__ = ["Path", "assume_outcome", "join", "write_branch"]


_SIDES: tuple[Side, Side] = ("then", "other")


@dataclass
class Path:
    """One path through a branch.

    Attributes:
        body: what was recorded, and written.
        result: what it gives.
        values: what it leaves in the slots that it wrote to.
        certain: the same as far as its condition decides what it is.
        raised: the exception that it certainly ends with, or all that this may be.
        refused: whether it was refused.
    """

    body: Body
    result: Value = None
    values: dict[SlotKey, Value] = field(default_factory=dict)
    certain: dict[SlotKey, Value] = field(default_factory=dict)
    raised: Sequence[BaseException] = ()
    refused: bool = False

    def end(self) -> None:
        """Notes what it leaves; to be called while it is open."""
        self.values = {slot.key: slot.get() for slot in self.body.writes.slots()}
        self.certain = {key: narrowed(value) for key, value in self.values.items()}

    @contextlib.contextmanager
    def as_left(self, session: Session) -> Iterator[None]:
        """Tensors that the path wrote in place hold what it left in them, and its frame is open."""
        written = [slot for slot in self.body.writes.slots() if isinstance(slot, ContentsSlot)]
        now = [slot.get() for slot in written]
        for slot in written:
            slot.set(self.values[slot.key])
        try:
            with session.recorder.reopened(self.body.frame):
                yield
        finally:
            for slot, value in zip(written, now, strict=True):
                slot.set(value)


def assume_outcome(session: Session, condition: Undecided, outcome: bool, text: str) -> None:
    """Takes what follows from a condition's outcome as facts."""
    with compat.no_recording():
        for fact in session.facts.following(condition, outcome):
            session.env.assume(fact, text)


def join(
    session: Session,
    condition: Undecided,
    condition_node: Operand,
    paths: tuple[Path, Path],
    slots: Sequence[Slot] = (),
    source: Sequence[SourceLocation] | None = None,
    *,
    apart: bool = False,
    copies: bool = False,
    location: SourceLocation | None = None,
    decides: Decides | None = None,
) -> Value:
    """Merges what two paths leave, and writes the node.

    Args:
        session: the capture.
        condition: a SymBool or 0-d bool tensor.
        condition_node: its node where the node is written.
        paths: the path that is taken when the condition holds, and the other one.
        slots: variables that either path may bind.
        source: the lines that it is for; the present ones by default.
        apart: whether an object that was there before stays what it is in the result: a choice.
        copies: whether objects and tensors are merged whatever the place.
        location: the line of the branch.
        decides: the decision of the program that it stands for, where it does.

    Returns:
        The merged result of the two paths.
    """
    bodies = (paths[0].body, paths[1].body)
    # What both paths need is needed whichever is taken.
    for text, fact in bodies[0].learnt.items():
        if text in bodies[1].learnt:
            session.env.learn(fact)
    for body in bodies:
        session.remember(body.remembered)
        session.spoil_made(body.remembered, body.writes.serial)

    opposite = torch.sym_not(condition) if isinstance(condition, torch.SymBool) else None
    facts = {"then": (condition, bodies[0].learnt), "other": (opposite, bodies[1].learnt)}
    learnt = [{fact.expr for fact in body.learnt.values()} for body in bodies]
    writes = [body.writes for body in bodies]
    known = Emptiness(session, facts)
    merge = Merge(
        session, writes, known.takes_rank, learnt, location, copies=copies, knowing=known.knowing
    )
    touched = _touched(slots, paths)
    before = {key: slot.get() for key, slot in touched.items()}
    plans = {}
    for key, slot in touched.items():
        then_value, other_value = _left(session, condition, paths, key, before[key])
        held = slot.is_contents
        plans[key] = merge.plan(then_value, other_value, slot.name, contents=held)
    result = merge.plan(
        paths[0].result, paths[1].result, "the result of this expression", apart=apart
    )
    after = _write_node(session, condition, condition_node, paths, merge, source, decides)
    for key, slot in touched.items():
        value = after.of(plans[key])
        if isinstance(value, Poison) and key[0] != "cell":
            raise value.refuse()
        if value is not before[key]:
            session.journal.touch(slot)
            slot.set(value)
    return after.of(result)


def _left(
    session: Session, condition: Undecided, paths: tuple[Path, Path], key: SlotKey, old: Value
) -> list[Value]:
    """What the two paths leave in a slot, settled where its path decides it."""
    values = [path.values.get(key, old) for path in paths]
    if values[0] is values[1] or not any(isinstance(value, (Maybe, Choice)) for value in values):
        return values
    certain = []
    for path, outcome in zip(paths, (True, False), strict=True):
        if key in path.certain:
            certain.append(path.certain[key])
            continue
        with session.env.supposing():
            assume_outcome(session, condition, outcome, "path condition")
            certain.append(narrowed(old))
    return certain


def _touched(slots: Sequence[Slot], paths: tuple[Path, Path]) -> dict[SlotKey, Slot]:
    touched: dict[SlotKey, Slot] = {slot.key: slot for slot in slots}
    for path in paths:
        for slot in path.body.writes.slots():
            touched.setdefault(slot.key, slot)
    return touched


def write_branch(
    recorder: Recorder,
    condition: Operand,
    frames: Sequence[Frame],
    operands: Sequence[Sequence[Operand]],
    values: Sequence[GraphValue],
    source: Sequence[SourceLocation] | None = None,
) -> fx.Node:
    """Writes a branch node, and returns it.

    Args:
        recorder: writes it into the present frame.
        condition: the node or constant of the condition.
        frames: those of both paths.
        operands: what each path gives.
        values: what stands for that after the branch.
        source: the lines that it is for; the present ones by default.
    """
    captured = list(dict.fromkeys(node for frame in frames for node in frame.captures))
    bodies = [
        recorder.add_body(recorder.finish(frame, [], out, captured), name)
        for frame, out, name in zip(frames, operands, ("then", "else"), strict=True)
    ]
    node = recorder.emit(branch, condition, *bodies, tuple(captured), val=tuple(values))
    if source is not None:
        node.meta["source"] = source
    recorder.bind(tuple(values), node)
    return node


def _write_node(
    session: Session,
    condition: Undecided,
    condition_node: Operand,
    paths: tuple[Path, Path],
    merge: Merge,
    source: Sequence[SourceLocation] | None,
    decides: Decides | None,
) -> _After:
    """Writes the branch node; returns what stands for each planned value after it."""
    recorder = session.recorder
    operands = []
    for side, path in zip(_SIDES, paths, strict=True):
        with path.as_left(session):
            merge.outputs.read(side)
    for side, path in zip(_SIDES, paths, strict=True):
        with recorder.reopened(path.body.frame):
            operands.append(merge.outputs.operands(side))
    values = merge.outputs.values_after()
    frames = [path.body.frame for path in paths]
    node = write_branch(recorder, condition_node, frames, operands, values, source)
    if decides is not None:
        DECIDES.put(node, decides)
    taken = {
        k: output.place
        for k, output in enumerate(merge.outputs.all)
        if output.took_rank and output.place is not None
    }
    if taken:
        TOOK_RANK.put(node, taken)
    spoilt = {side: path.body.remembered.spoilt() for side, path in zip(_SIDES, paths, strict=True)}
    after = _After(session, merge, spoilt)
    for output, made in zip(merge.outputs.all, values, strict=True):
        value: Value = made
        if isinstance(made, torch.Tensor):
            value = wrapped = session.tensors.wrap(made)
            if output.took_rank and output.place is not None:
                session.took_rank[wrapped] = output.place
            for side in _SIDES:
                with session.on_way(merge.branch, side):
                    session.merged_from(wrapped, output.on(side), place=output.place)
        elif output.kind is bool and _is_choice(output):
            # A flag that says which path was taken is the condition itself.
            truth = session.facts.truth_of(condition, session.in_scope)
            value = truth if output.then is True else torch.sym_not(truth)
        elif isinstance(made, torch.SymInt):
            truth = session.facts.truth_of(condition, session.in_scope)
            session.chosen_numbers.note(made, truth, output.then, output.other)
        after.values[id(output)] = value
    merged = [
        (value, output)
        for output in merge.outputs.all
        if isinstance(value := after.values[id(output)], torch.Tensor)
    ]
    for side, path in zip(_SIDES, paths, strict=True):
        with session.on_way(merge.branch, side):
            session.share_as(
                [value for value, _ in merged],
                [output.on(side) for _, output in merged],
                path.body.writes.serial,
                path.body.remembered.lost,
                [output.place for _, output in merged],
            )
    for path in paths:
        session.lose(path.body.remembered.lost)
    return after


def _is_choice(output: BranchOutput) -> bool:
    """Whether a flag is true on one path and false on the other, for certain."""
    return (output.then is True and output.other is False) or (
        output.then is False and output.other is True
    )


class _After:
    """Planned values with the branch's outputs filled in."""

    def __init__(self, session: Session, merge: Merge, spoilt: dict[Side, set[int]]) -> None:
        self._session = session
        self._spoilt = spoilt
        self._built, self._branch = merge.built, merge.branch
        # an output's or a container's identity -> what stands for it
        self.values: dict[int, Value] = {}

    def of(self, plan: Value) -> Value:
        """The value for a plan; each container is filled once, even if several others hold it."""
        key = id(plan)
        if key in self.values:
            return self.values[key]
        if isinstance(plan, ListPlan):
            self.values[key] = spread_of(
                self._session, plan, self.values, self._spoilt, self._branch
            )
            return self.values[key]
        if isinstance(plan, (CellPlan, ClosurePlan)):
            parts = [self.of(part) for part in plan.parts]
            self.values[key] = plan.made(self._session.journal, parts)
            return self.values[key]
        if key not in self._built:
            return plan
        if is_mutable(plan):
            self.values[key] = plan
            refill(plan, [self.of(part) for part in parts_of(plan) or []])
        else:
            filled = rebuild_like(plan, [self.of(part) for part in parts_of(plan) or []])
            self.values[key] = filled
            if has_identity(plan):
                self._session.aliases.note(filled, [plan])
        return self.values[key]
