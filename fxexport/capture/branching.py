"""Stages an `if`: both ways are recorded, what they leave behind is merged, one node is written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.elements import hold
from fxexport.capture.emptiness import Emptiness
from fxexport.capture.frames import user_location
from fxexport.capture.journal import ContentsSlot, Scope, Slot
from fxexport.capture.merge import Leaf, ListPlan, Merge, parts_of, rebuild_like
from fxexport.capture.proofs import proof
from fxexport.capture.session import Poison, Session
from fxexport.capture.spread import Spread, is_open, length_of
from fxexport.capture.writer import Frame
from fxexport.errors import UnsupportedError
from fxexport.graph.ops import branch
from fxexport.graph.sequences import SequenceVal
from fxexport.source import SourceLocation

__all__ = ["Raised", "condition_of", "stage_branch"]


@dataclass
class Raised:
    """A way that ends in an exception of the user's."""

    error: BaseException
    location: SourceLocation | None


@dataclass
class _Way:
    """One way through the branch."""

    frame: Frame
    result: Any
    scope: Scope
    values: dict[Any, Any]
    raised: Raised | None
    learnt: dict[str, Any]
    refused: bool = False
    lost: dict[int, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def as_left(self, session: Session) -> Iterator[None]:
        """Tensors that the way wrote in place hold what it left in them, and its frame is open."""
        written = [slot for slot in self.scope.slots() if isinstance(slot, ContentsSlot)]
        now = [slot.get() for slot in written]
        for slot in written:
            slot.set(self.values[slot.key])
        try:
            with session.recorder.reopened(self.frame):
                yield
        finally:
            for slot, value in zip(written, now, strict=True):
                slot.set(value)


def condition_of(session: Session, value: Any) -> Any:
    """What decides an `if` on this value: a Python bool, a SymBool or a 0-d bool tensor.

    Raises:
        UnsupportedError: the value is a tensor that has not exactly one element.
    """
    if isinstance(value, Poison):
        raise value.refuse()
    if isinstance(value, torch.Tensor):
        return _tensor_condition(session, value)
    if isinstance(value, torch.SymBool):
        known = session.known(value)
        if known is not None:
            session.note("folded", proof(session, value, known))
            return known
        return value
    if isinstance(value, (torch.SymInt, torch.SymFloat)):
        return condition_of(session, value != 0)
    if is_open(value):
        return condition_of(session, length_of(value) != 0)
    return bool(value)


def _tensor_condition(session: Session, tensor: torch.Tensor) -> Any:
    count = tensor.numel()
    known = session.known(count == 1)
    if known is False:
        # PyTorch's own words, so that the user can look them up.
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    if (
        not isinstance(tensor, compat.FunctionalTensor)
        and not session.tensors.was_written(tensor)
        and tensor.device.type != "meta"
    ):
        value = compat.real_truth(tensor)
        session.note(
            "folded", f"this condition reads a stored tensor, which is {value} in the file"
        )
        return value
    if known is None:
        session.env.assume(count == 1, "a condition needs a tensor with one element")
        session.note("assumption", "this condition's tensor has exactly one element")
    if tensor.dtype != torch.bool:
        tensor = tensor != 0
    return tensor.reshape(()) if tensor.dim() else tensor


def stage_branch(
    session: Session,
    condition: Any,
    then: Callable[[], Any],
    other: Callable[[], Any],
    slots: Sequence[Slot] = (),
) -> Any:
    """Records both ways of a branch on a symbolic condition and merges them.

    Args:
        session: the capture.
        condition: a SymBool or 0-d bool tensor.
        then: runs the way taken when the condition holds.
        other: runs the other way.
        slots: variables that either way may bind.

    Returns:
        The merged result of the two callables.
    """
    place = user_location()
    condition_node = session.node_of(condition)
    negated = torch.sym_not(condition) if isinstance(condition, torch.SymBool) else None
    ways = (
        _record(session, then, slots, condition if negated is not None else None),
        _record(session, other, slots, negated),
    )
    if ways[0].refused or ways[1].refused:
        result = next(way.result for way in ways if way.refused)
        for slot in slots:
            slot.set(result)
        return result
    if ways[0].raised or ways[1].raised:
        return _assertion(session, condition, negated, ways, (then, other), place)

    # What both ways need is needed whichever is taken.
    for text, fact in ways[0].learnt.items():
        if text in ways[1].learnt:
            session.env.learn(fact)

    facts = {"then": (condition, ways[0].learnt), "other": (negated, ways[1].learnt)}
    merge = Merge(session, Emptiness(session, facts).takes_rank)
    touched = _touched(slots, ways)
    before = {key: slot.get() for key, slot in touched.items()}
    plans = {
        key: merge.plan(
            ways[0].values.get(key, before[key]), ways[1].values.get(key, before[key]), slot.name
        )
        for key, slot in touched.items()
    }
    result = merge.plan(ways[0].result, ways[1].result, "the result of this expression")
    after = _write_node(session, condition_node, ways, merge)
    for key, slot in touched.items():
        value = _fill_in(session, plans[key], after)
        if isinstance(value, Poison) and key[0] != "cell":
            raise value.refuse()
        if value is not before[key]:
            session.journal.touch(slot)
            slot.set(value)
    session.report.add("branch", "kept as a branch", place)
    return _fill_in(session, result, after)


def _record(session: Session, run: Callable[[], Any], slots: Sequence[Slot], fact: Any) -> _Way:
    """Runs one way into a frame of its own and takes its writes back."""
    facts = session.env.save_facts()
    lost = dict(session.lost)
    raised: Raised | None = None
    refused = False
    result: Any = None
    scope: Scope | None = None
    session.depth += 1
    try:
        with session.recorder.body() as frame, session.journal.scope() as scope:
            for slot in slots:
                session.journal.touch(slot)
            if fact is not None:
                with compat.no_recording():
                    session.env.assume(fact, "path condition")
            try:
                result = run()
            except UnsupportedError as error:
                result, refused = session.collect(error), True
            except Exception as error:
                if not getattr(error, "fx_raised", False):
                    raise
                raised = Raised(error, getattr(error, "fx_location", None))
            values = {slot.key: slot.get() for slot in scope.slots()}
        learnt = session.env.facts_since(facts)
        return _Way(frame, result, scope, values, raised, learnt, refused, dict(session.lost))
    finally:
        session.lost = lost
        session.depth -= 1
        if scope is not None:
            scope.undo()
        session.env.restore_facts(facts)


def _touched(slots: Sequence[Slot], ways: tuple[_Way, _Way]) -> dict[Any, Slot]:
    touched: dict[Any, Slot] = {slot.key: slot for slot in slots}
    for way in ways:
        for slot in way.scope.slots():
            touched.setdefault(slot.key, slot)
    return touched


def _assertion(
    session: Session,
    condition: Any,
    negated: Any,
    ways: tuple[_Way, _Way],
    runs: tuple[Callable[[], Any], Callable[[], Any]],
    place: SourceLocation | None,
) -> Any:
    """One way only raises: the other one is taken, and the file takes the condition for granted."""
    if ways[0].raised and ways[1].raised:
        raise ways[1].raised.error
    raised = ways[0].raised or ways[1].raised
    assert raised is not None
    if session.try_depth:
        raise UnsupportedError(
            "whether this raises depends on the input, and a `try` around it may catch it",
            location=raised.location or place,
            hint="test the condition with an if instead of catching the exception",
        )
    keep = 1 if ways[0].raised else 0
    text = f"{type(raised.error).__name__}: {raised.error}"
    session.report.add(
        "assumption",
        f"the condition is {'true' if keep == 0 else 'false'}; otherwise the model raises {text}",
        place,
    )
    fact = condition if keep == 0 else negated
    if isinstance(fact, torch.SymBool):
        with compat.no_recording():
            session.env.assume(fact, text)
    return runs[keep]()


def _write_node(
    session: Session, condition: Any, ways: tuple[_Way, _Way], merge: Merge
) -> dict[int, Any]:
    """Writes the branch node; returns the merged value of each leaf by the leaf's identity."""
    recorder = session.recorder
    outputs = []
    for side, way in zip(("then", "other"), ways, strict=True):
        with way.as_left(session):
            merge.read(side)
    for side, way in zip(("then", "other"), ways, strict=True):
        with recorder.reopened(way.frame):
            outputs.append([merge.output(leaf, side) for leaf in merge.leaves])
    values = [merge.value_after(leaf) for leaf in merge.leaves]
    captured = list(dict.fromkeys(node for way in ways for node in way.frame.captures))
    bodies = [
        recorder.add_body(recorder.finish(way.frame, [], out, captured), name)
        for way, out, name in zip(ways, outputs, ("then", "else"), strict=True)
    ]
    node = recorder.emit(branch, condition, *bodies, tuple(captured), val=tuple(values))
    after: dict[int, Any] = {}
    recorder.bind(tuple(values), node)
    for leaf, value in zip(merge.leaves, values, strict=True):
        if isinstance(value, torch.Tensor):
            value = session.tensors.wrap(value)
            session.merged_from(value, leaf.then, leaf.other)
        after[id(leaf)] = value
    merged = [leaf for leaf in merge.leaves if isinstance(after[id(leaf)], torch.Tensor)]
    for side, way in zip(("then", "other"), ways, strict=True):
        session.share_as(
            [after[id(leaf)] for leaf in merged],
            [getattr(leaf, side) for leaf in merged],
            way.scope.serial,
            way.lost,
        )
        session.lost = {**way.lost, **session.lost}
    return after


def _fill_in(session: Session, plan: Any, after: dict[int, Any]) -> Any:
    """A planned value with the branch's outputs in the places of its leaves."""
    if isinstance(plan, Leaf):
        return after[id(plan)]
    if isinstance(plan, ListPlan):
        return _spread_of(session, plan, after)
    parts = parts_of(plan)
    if parts is None or not _has_leaf(plan):
        return plan
    if isinstance(plan, list):
        plan[:] = [_fill_in(session, part, after) for part in parts]
        return plan
    if isinstance(plan, dict):
        for key, part in zip(list(plan), parts, strict=True):
            plan[key] = _fill_in(session, part, after)
        return plan
    return rebuild_like(plan, [_fill_in(session, part, after) for part in parts])


def _spread_of(session: Session, plan: ListPlan, after: dict[int, Any]) -> Spread:
    """The run of items that stands for a list which differs in length between the ways."""
    values = [after[id(leaf)] for leaf in plan.leaves]
    columns = [value for value in values if isinstance(value, SequenceVal)]
    counted = values[0] if values and not columns else plan.length
    spread = Spread(plan.element, columns, counted)
    for side in plan.sides.values():
        hold(session, side, spread)
    return spread


def _has_leaf(plan: Any) -> bool:
    found = False

    def look(value: Any) -> Any:
        nonlocal found
        found = found or isinstance(value, (Leaf, ListPlan))
        parts = None if isinstance(value, (Leaf, ListPlan)) else parts_of(value)
        if parts is not None:
            for part in parts:
                look(part)
        return value

    look(plan)
    return found
