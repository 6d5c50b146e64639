"""Runs of items: made of what a list holds, longer and shorter ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch

from fxexport.capture.recording.types import Size, Value
from fxexport.capture.session.list_runs import Spread, length_of
from fxexport.capture.session.loans import kind_of
from fxexport.capture.session.session import Session
from fxexport.capture.staging.item_tensors import tensors_in
from fxexport.capture.staging.list_elements import Elements
from fxexport.capture.staging.patterns import Number, Pattern, TensorOf, leaves_of
from fxexport.capture.staging.sequence_items import (
    as_element,
    as_leaf,
    columns_of,
    item_tensors,
)
from fxexport.capture.staging.sequence_nodes import emit_sequence, join
from fxexport.capture.values.containers import objects_in
from fxexport.capture.values.kinds import Mismatch
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph import sequences
from fxexport.graph.sequences import SequenceVal
from fxexport.source.frames import user_location

__all__ = [
    "Changed",
    "every",
    "hold",
    "shared_kinds",
    "single",
    "things_in",
    "with_item",
    "without",
]


def single(session: Session, items: Iterable[Value], *, mixed: bool = True) -> Spread:
    """An open list as one run of items, written into the present frame.

    Args:
        session: the capture.
        items: what the list holds.
        mixed: whether the items may be of several kinds.

    Raises:
        Mismatch: they are, or cannot be.
    """
    parts = list(items)
    if len(parts) == 1 and isinstance(parts[0], Spread) and parts[0].views is None:
        return parts[0]
    element = Elements(session, mixed=mixed).element_of(parts)
    spread = Spread(element, columns_of(session, parts, element), length_of(parts))
    spread.shared = hold(session, parts, spread)
    return spread


def hold(session: Session, items: Sequence[Value], spread: Spread) -> frozenset[type]:
    """Notes that the items now live on in a run: what is written to them later would not.

    Returns:
        The classes of which two items may share an object (see `shared_kinds`).
    """
    found = shared_kinds(session, items)
    for item in items:
        if item is spread:
            continue
        for tensor in tensors_in(item):
            session.held_by(tensor, spread)
        if isinstance(item, Spread):
            spread.made_of(item)
            continue
        for value in objects_in(item):
            session.freeze(value, spread)
    return found


def things_in(session: Session, item: Value) -> list[Value]:
    """The objects in an item, and the bases of its tensors."""
    bases = (session.tensors.base_of(session.tensors.lift(one)) for one in tensors_in(item))
    return [*objects_in(item), *bases]


def shared_kinds(session: Session, items: Sequence[Value]) -> frozenset[type]:
    """The classes, torch.Tensor among them, of which two items may share an object."""
    runs = [item for item in items if isinstance(item, Spread)]
    found: set[type] = set()
    for run in runs:
        found |= run.shared
    in_runs: set[int] = set()
    for run in runs:
        near = session.connected_to(run)
        if not in_runs.isdisjoint(near):
            return frozenset({object})
        in_runs |= near
    seen: set[int] = set()
    for item in items:
        for thing in [] if isinstance(item, Spread) else things_in(session, item):
            tensor = isinstance(thing, torch.Tensor)
            apart = session.is_fresh(thing) if tensor else session.is_one_alone(thing)
            if id(thing) in seen or id(thing) in in_runs or not apart:
                found.add(kind_of(thing))
            seen.add(id(thing))
    return frozenset(found)


def every(session: Session, flags: SequenceVal, length: Size) -> torch.SymBool:
    """Whether all of a sequence of flags are true; also where there are none."""
    leaf = TensorOf(torch.bool, ())
    # One more that is true changes nothing; without any there would be nothing to join.
    start = torch.ones((), dtype=torch.bool)
    whole = join(session, [start, Spread(leaf, [flags], length)], 0, True, leaf)
    return cast("torch.SymBool", whole.all().item())


class Changed(Spread):
    """A run with an item that the program changes: as it is when the graph has to know it.

    Until then other changes of the item cost nothing.
    """

    def __init__(self, session: Session, run: Spread, index: Size, item: Value) -> None:
        super().__init__(run.element, [], run.length)
        self._session = session
        self._before, self._index, self._item = run.copy(), index, item
        self._location = user_location()
        self._known = set(map(id, things_in(session, item)))
        self._whole: Spread | None = None
        self.made_of(run)
        self.shared = run.shared
        self.same_places = [run]
        session.pending.append(self.write)

    @property
    def is_written(self) -> bool:
        """Whether the graph has it."""
        return self._whole is not None

    def write(self) -> None:
        """Writes the item into the present frame."""
        self._written()

    @property
    def element(self) -> Pattern:
        """The pattern of an item."""
        return self._written().element

    @property
    def columns(self) -> list[SequenceVal]:
        """A sequence of the graph for each tensor or number in an item."""
        self.refuse_if_stale()
        return self._written().columns

    def may_hold(self, kind: type) -> bool:
        """Whether an item may be, or have in it, an object of a class, or a tensor."""
        if self._whole is not None:
            return self._whole.may_hold(kind)
        changed = {kind_of(one) for one in things_in(self._session, self._item)}
        return kind in changed or self._before.may_hold(kind)

    def copy(self) -> Spread:
        """The same items as another run."""
        return self._written().copy()

    def _written(self) -> Spread:
        if self._whole is None:
            session, item = self._session, self._item
            more = [one for one in things_in(session, item) if id(one) not in self._known]
            shared = {kind_of(one) for one in more if not session.is_fresh(one)}
            try:
                shorter = without(session, self._before, self._index)
                self._whole = with_item(session, shorter, item, self._index)
            except Mismatch as reason:
                raise UnsupportedError(
                    f"an item of a list of varying length changes: {reason}",
                    code=Code.ITEM_CHANGES,
                    location=self._location,
                    hint="keep values of one kind, dtype and rank in it",
                ) from None
            self.made_of(self._whole)
            self.shared = self.shared | shared
        return self._whole


def with_item(session: Session, spread: Spread, item: Value, index: Size) -> Spread:
    """The run with one more item before `index` (from 0 to its length)."""
    element = Elements(session).element_of([item], spread.element)
    values = item_tensors(session, element, item)
    before = as_element(session, spread, element)
    length = spread.length + 1
    columns = []
    for leaf, column, value in zip(leaves_of(element), before.columns, values, strict=True):
        assert isinstance(leaf, (TensorOf, Number))
        old = as_leaf(session, column, leaf, spread.length)
        new = session.tensors.inner(value)
        columns.append(
            emit_sequence(
                session, sequences.sequence_insert, old, new, index, like=leaf, length=length
            )
        )
    longer = Spread(element, columns, length)
    longer.shared = hold(session, [item, spread], longer)
    return longer


def without(session: Session, spread: Spread, index: Size) -> Spread:
    """The run without the item at an index that is known to be inside."""
    length = spread.length - 1
    columns = []
    for leaf, old in zip(leaves_of(spread.element), spread.columns, strict=True):
        assert isinstance(leaf, (TensorOf, Number))
        columns.append(
            emit_sequence(session, sequences.sequence_erase, old, index, like=leaf, length=length)
        )
    shorter = Spread(spread.element, columns, length)
    shorter.shared = hold(session, [spread], shorter)
    shorter.rest_of = spread
    return shorter
