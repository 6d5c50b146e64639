"""Stages an `if`: both ways are recorded, what they leave behind is merged, one node is written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.containers import is_mutable, parts_of, rebuild_like, refill
from fxexport.capture.elements import hold
from fxexport.capture.emptiness import Emptiness
from fxexport.capture.frames import user_location
from fxexport.capture.journal import ContentsSlot, Scope, Slot
from fxexport.capture.keys import count_of, settled
from fxexport.capture.merge import Leaf, ListPlan, Merge
from fxexport.capture.optional import Maybe, force, narrowed
from fxexport.capture.proofs import proof
from fxexport.capture.session import SYM, Poison, Session
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
    certain: dict[Any, Any]
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
    value = narrowed(value)
    if isinstance(value, Poison):
        raise value.refuse()
    if isinstance(value, Maybe):
        return _truth_where_present(session, value)
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
    if isinstance(value, dict):
        return condition_of(session, count_of(value) > 0)
    return bool(settled(value))


def _truth_where_present(session: Session, maybe: Maybe) -> Any:
    """Whether a value is there and true; where it is not there, its truth is not asked for."""
    if maybe.absent is not None:
        return condition_of(session, force(maybe))
    if not isinstance(maybe.value, (torch.Tensor, *SYM)):
        # What is neither a number nor a tensor has a truth that is known now.
        return maybe.present if condition_of(session, maybe.value) else False
    inside: list[Any] = []

    def truth() -> Any:
        inside.append(condition_of(session, maybe.value))
        number = inside[-1]
        return number.item() if isinstance(number, torch.Tensor) else number

    result = stage_branch(session, maybe.present, truth, lambda: False)
    session.facts.link(result, True, [(maybe.present, True)])
    return result


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
    ways = (
        _record(session, then, slots, condition, True),
        _record(session, other, slots, condition, False),
    )
    if ways[0].refused or ways[1].refused:
        result = next(way.result for way in ways if way.refused)
        for slot in slots:
            slot.set(result)
        return result
    if ways[0].raised or ways[1].raised:
        return _assertion(session, condition, ways, (then, other), place)

    # What both ways need is needed whichever is taken.
    for text, fact in ways[0].learnt.items():
        if text in ways[1].learnt:
            session.env.learn(fact)

    negated = torch.sym_not(condition) if isinstance(condition, torch.SymBool) else None
    facts = {"then": (condition, ways[0].learnt), "other": (negated, ways[1].learnt)}
    merge = Merge(session, [way.scope for way in ways], Emptiness(session, facts).takes_rank)
    touched = _touched(slots, ways)
    before = {key: slot.get() for key, slot in touched.items()}
    plans = {}
    for key, slot in touched.items():
        then_value, other_value = _left(session, condition, ways, key, before[key])
        plans[key] = merge.plan(then_value, other_value, slot.name)
    result = merge.plan(ways[0].result, ways[1].result, "the result of this expression")
    after = _write_node(session, condition, condition_node, ways, merge)
    for key, slot in touched.items():
        value = after.of(plans[key])
        if isinstance(value, Poison) and key[0] != "cell":
            raise value.refuse()
        if value is not before[key]:
            session.journal.touch(slot)
            slot.set(value)
    session.report.add("branch", "kept as a branch", place)
    return after.of(result)


def _assume(session: Session, condition: Any, outcome: bool, text: str) -> None:
    """Takes what follows from a condition's outcome as facts."""
    with compat.no_recording():
        for fact in session.facts.following(condition, outcome):
            session.env.assume(fact, text)


def _record(
    session: Session, run: Callable[[], Any], slots: Sequence[Slot], condition: Any, outcome: bool
) -> _Way:
    """Runs one way into a frame of its own and takes its writes back."""
    facts = session.env.save_facts()
    lost = dict(session.lost)
    raised: Raised | None = None
    refused = False
    result: Any = None
    scope: Scope | None = None
    try:
        with (
            session.nested(),
            session.recorder.body() as frame,
            session.journal.scope() as scope,
            session.recorder.broadcasting.body(),
        ):
            for slot in slots:
                session.journal.touch(slot)
            _assume(session, condition, outcome, "path condition")
            try:
                result = narrowed(run())
            except UnsupportedError as error:
                result, refused = session.collect(error), True
            except Exception as error:
                # A variable that is not bound on this way is an error of the program's.
                if not getattr(error, "fx_raised", False) and not isinstance(error, NameError):
                    raise
                raised = Raised(error, getattr(error, "fx_location", None))
            values = {slot.key: slot.get() for slot in scope.slots()}
            certain = {key: narrowed(value) for key, value in values.items()}
        learnt = session.env.facts_since(facts)
        session.hold_to_example(learnt.values(), reached=False)
        lost = dict(session.lost)
        return _Way(frame, result, scope, values, certain, raised, learnt, refused, lost)
    finally:
        session.lost = lost
        if scope is not None:
            scope.undo()
        session.env.restore_facts(facts)


def _left(session: Session, condition: Any, ways: tuple[_Way, _Way], key: Any, old: Any) -> Any:
    """What the two ways leave in a place, as far as it is known on each whether it is there."""
    values = [way.values.get(key, old) for way in ways]
    if values[0] is values[1] or not any(isinstance(value, Maybe) for value in values):
        return values
    certain = []
    for way, outcome in zip(ways, (True, False), strict=True):
        if key in way.certain:
            certain.append(way.certain[key])
            continue
        facts = session.env.save_facts()
        _assume(session, condition, outcome, "path condition")
        certain.append(narrowed(old))
        session.env.restore_facts(facts)
    return certain


def _touched(slots: Sequence[Slot], ways: tuple[_Way, _Way]) -> dict[Any, Slot]:
    touched: dict[Any, Slot] = {slot.key: slot for slot in slots}
    for way in ways:
        for slot in way.scope.slots():
            touched.setdefault(slot.key, slot)
    return touched


def _assertion(
    session: Session,
    condition: Any,
    ways: tuple[_Way, _Way],
    runs: tuple[Callable[[], Any], Callable[[], Any]],
    place: SourceLocation | None,
) -> Any:
    """One way only raises: the other one is taken, and the file takes the condition for granted."""
    if ways[0].raised and ways[1].raised:
        raise ways[1].raised.error
    raised = ways[0].raised or ways[1].raised
    assert raised is not None
    named = isinstance(raised.error, NameError) and session.name_tries
    if session.try_depth or named:
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
    _assume(session, condition, keep == 0, text)
    return runs[keep]()


def _write_node(
    session: Session, condition: Any, condition_node: Any, ways: tuple[_Way, _Way], merge: Merge
) -> _After:
    """Writes the branch node; returns what stands for each planned value after it."""
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
    node = recorder.emit(branch, condition_node, *bodies, tuple(captured), val=tuple(values))
    after = _After(session, merge)
    recorder.bind(tuple(values), node)
    for leaf, value in zip(merge.leaves, values, strict=True):
        if isinstance(value, torch.Tensor):
            value = session.tensors.wrap(value)
            session.merged_from(value, leaf.then, leaf.other)
        elif leaf.kind is bool and _is_choice(leaf):
            # A flag that says which way was taken is the condition itself.
            value = session.facts.truth_of(condition, session.in_scope)
            value = value if leaf.then is True else torch.sym_not(value)
        after.values[id(leaf)] = value
    merged = [leaf for leaf in merge.leaves if isinstance(after.values[id(leaf)], torch.Tensor)]
    for side, way in zip(("then", "other"), ways, strict=True):
        session.share_as(
            [after.values[id(leaf)] for leaf in merged],
            [getattr(leaf, side) for leaf in merged],
            way.scope.serial,
            way.lost,
        )
        session.lost = {**way.lost, **session.lost}
    return after


def _is_choice(leaf: Leaf) -> bool:
    """Whether a flag is true on one way and false on the other, for certain."""
    return (leaf.then is True and leaf.other is False) or (
        leaf.then is False and leaf.other is True
    )


def _spread_of(session: Session, plan: ListPlan, after: dict[int, Any]) -> Spread:
    """The run of items that stands for a list which differs in length between the ways."""
    values = [after[id(leaf)] for leaf in plan.leaves]
    columns = [value for value in values if isinstance(value, SequenceVal)]
    counted = values[0] if values and not columns else plan.length
    spread = Spread(plan.element, columns, counted)
    for side in plan.sides.values():
        hold(session, side, spread)
    return spread


class _After:
    """Planned values with the branch's outputs in the places of their leaves."""

    def __init__(self, session: Session, merge: Merge) -> None:
        self._session = session
        self._built = merge.built
        # a leaf's or a container's identity -> what stands for it
        self.values: dict[int, Any] = {}

    def of(self, plan: Any) -> Any:
        """The value for a plan; each container is filled once, however many places hold it."""
        key = id(plan)
        if key in self.values:
            return self.values[key]
        if isinstance(plan, ListPlan):
            self.values[key] = _spread_of(self._session, plan, self.values)
            return self.values[key]
        if key not in self._built:
            return plan
        if is_mutable(plan):
            self.values[key] = plan
            refill(plan, [self.of(part) for part in parts_of(plan) or []])
        else:
            filled = rebuild_like(plan, [self.of(part) for part in parts_of(plan) or []])
            self.values[key] = filled
        return self.values[key]
