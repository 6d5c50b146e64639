"""Runs of items: made of what a list holds, longer and shorter ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fxexport.capture.recording.types import Size, Value
from fxexport.capture.session.list_runs import Spread, length_of
from fxexport.capture.session.session import Session
from fxexport.capture.staging.list_elements import Elements
from fxexport.capture.staging.patterns import Number, TensorOf, leaves_of
from fxexport.capture.staging.sequence_items import (
    as_element,
    as_leaf,
    columns_of,
    freeze,
    item_tensors,
    tensors_in,
)
from fxexport.capture.staging.sequence_nodes import emit_sequence
from fxexport.graph import sequences

__all__ = ["hold", "single", "with_item", "without"]


def single(session: Session, items: Iterable[Value]) -> Spread:
    """An open list as one run of items, written into the present frame."""
    parts = list(items)
    if len(parts) == 1 and isinstance(parts[0], Spread) and parts[0].views is None:
        return parts[0]
    element = Elements(session).element_of(parts)
    spread = Spread(element, columns_of(session, parts, element), length_of(parts))
    hold(session, parts, spread)
    return spread


def hold(session: Session, items: Sequence[Value], spread: Spread) -> None:
    """Notes that the items now live on in a run: what is written to them later would not."""
    for item in items:
        if item is spread:
            continue
        for tensor in tensors_in(item):
            session.held_by(tensor, spread)
        if isinstance(item, Spread):
            spread.made_of(item)
        else:
            freeze(session, item, spread)


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
    hold(session, [item, spread], longer)
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
    hold(session, [spread], shorter)
    return shorter
