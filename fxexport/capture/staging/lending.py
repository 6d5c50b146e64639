"""Reading an item of a list of varying length, which may then be changed where it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch

from fxexport.capture.recording.types import Size, Value, is_symbolic
from fxexport.capture.session.list_runs import Spread
from fxexport.capture.session.loans import Loan
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session
from fxexport.capture.staging.runs import Changed, things_in
from fxexport.capture.staging.sequence_items import PackedRun, item_of
from fxexport.capture.values.containers import parts_of

__all__ = ["lent"]


def lent(
    session: Session,
    items: list[Value] | tuple[Value, ...] | deque[Value],
    run: Spread,
    key: Size,
    from_start: Callable[[Size, Size], Size],
) -> Value:
    """An item of a list: the same object where it was read before, and is known here.

    Args:
        session: the capture.
        items: the list.
        run: what it holds, as one run.
        key: an index that is known to be inside.
        from_start: gives an index that may count from the end as one that counts from the start.
    """
    known = session.lent(items, key, lambda item: _is_readable(session, item))
    if known is not None:
        return known
    item = item_of(session, run, key)
    things = things_in(session, item)
    if not things or (run.views is not None and not isinstance(run.views, PackedRun)):
        return item

    def changed() -> Spread:
        if isinstance(loan.run, Changed) and not loan.run.is_written:
            return loan.run
        return Changed(session, loan.run, from_start(key, loan.run.length), item)

    loan = Loan(items, list(items), run, key, item, things, changed)
    session.lend(loan)
    return item


def _is_readable(session: Session, value: Value) -> bool:
    """Whether all that an item holds is up to date, and has a value where the program is."""
    if isinstance(value, Poison):
        return False
    if isinstance(value, torch.Tensor):
        fake = session.tensors.inner(value)
        return not session.is_lost(value) and session.recorder.has_node(fake)
    if is_symbolic(value):
        return session.in_scope(value)
    return all(_is_readable(session, part) for part in parts_of(value) or [])
