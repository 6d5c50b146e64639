"""What is recorded in vain leaves nothing behind; a path of a branch knows nothing of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CellType
from typing import Any

import pytest
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.session.journal import CellSlot, ContainerSlot
from fxexport.capture.session.notes import Notes
from fxexport.capture.session.session import Session
from fxexport.errors import UnsupportedError
from fxexport.report.model import Report
from tests.support.capturing import agrees, refused

SIZES = [(torch.ones(3, 2),), (-torch.ones(2, 2),), (5 * torch.ones(2, 2),)]


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session(
        Report(),
        lambda *_: True,
        lambda *_: None,
        lambda _: None,
        lambda _: False,
        lambda _: "weight",
    )
    with (
        torch.no_grad(),
        compat.below_autograd(),
        made.tensors.active(),
        made.journal.scope(),
    ):
        yield made


def tensor(session: Session, *sizes: Any) -> torch.Tensor:
    """A tensor of the program that stands for an input."""
    with compat.only_mode(session.fake_mode):
        fake = torch.empty(sizes)
    session.recorder.add_input("x", fake)
    return session.tensors.wrap(fake)


def snapshot(session: Session) -> list[Any]:
    """All that a transaction takes back, as far as it can be compared."""
    return [
        len(session.recorder.frame.graph.nodes),
        len(session.recorder.frame.tensors),
        [str(item.expr) for item in session.env.asserts()],
        session.env.path_facts,
        session.mark(),
        list(session.report.findings),
        [str(error) for error in session.refusals],
        list(session.required),
        list(session.assumed),
        dict(session.promoted),
    ]


def note_everywhere(session: Session, x: torch.Tensor, size: torch.SymInt) -> None:
    """Does one of each that goes back."""
    y = torch.relu(x)
    session.env.assume(size > 3, "a fact")
    session.require(size > 4)
    session.assumed.append((size.node.expr, None))
    session.promote(size)
    session.note("assumption", "something")
    session.merged_from(y, x)
    session.held_by(y, Holder())
    session.freeze([1], Holder())
    session.aliases.note([1], [[2]])
    session.about_to_write(session.tensors.base_of(x))
    session.collect(UnsupportedError("no"))


class Holder:
    """What can be referred to weakly."""


def test_a_transaction_that_is_rolled_back_leaves_nothing(session: Session) -> None:
    x = tensor(session, 3)
    size = session.fresh_size()
    variable, items = CellType(1), [1]
    before = snapshot(session)
    with session.transaction([CellSlot(variable, "v")]) as attempt:
        assert not attempt.recorded
        note_everywhere(session, x, size)
        variable.cell_contents = 2
        session.journal.touch(ContainerSlot(items))
        items.append(2)
        assert attempt.recorded
        assert all(one != other for one, other in zip(snapshot(session), before, strict=True))
        attempt.roll_back()
    assert snapshot(session) == before
    assert (variable.cell_contents, items) == (1, [1])


def test_a_transaction_is_committed_otherwise(session: Session) -> None:
    x, size = tensor(session, 3), session.fresh_size()
    with session.transaction():
        note_everywhere(session, x, size)
        after = snapshot(session)
    assert snapshot(session) == after


def test_a_trial_that_fails_leaves_nothing(session: Session) -> None:
    x = tensor(session, 3)
    before = snapshot(session)
    with pytest.raises(UnsupportedError), session.trial():
        torch.relu(x)
        session.note("note", "something")
        session.collect(UnsupportedError("no"))  # raised again, since there is another way
    assert snapshot(session) == before


def test_a_body_hands_out_what_holds_in_it_alone(session: Session) -> None:
    x, size = tensor(session, 3), session.fresh_size()
    before = snapshot(session)
    with session.body() as body:
        note_everywhere(session, x, size)
    now = snapshot(session)
    assert now[:5] == before[:5]  # nodes, facts and memory
    assert list(body.learnt) and body.remembered.lost and body.remembered.aliases
    assert now[5] and now[6]
    body.discard()
    assert snapshot(session) == before
    session.remember(body.remembered)
    session.lose(body.remembered.lost)
    assert session.mark() != before[4]


def test_notes_are_found_by_what_they_are_about_until_they_are_taken_back() -> None:
    notes = Notes[tuple[Any, Any]](lambda pair: pair)
    a, b, c = object(), object(), object()
    notes.add((a, b))
    length = len(notes)
    notes.add((b, c), (c, c))
    assert notes.about(b) == [(a, b), (b, c)]
    assert notes.about(c) == notes.since(length) == [(b, c), (c, c)]
    notes.take_back(length)
    assert notes.about(b) == [(a, b)]
    assert notes.about(c) == [] and len(notes) == 1


# -- one path knows nothing of the other -----------------------------------------------------------


def writes_what_the_other_path_lists(x: torch.Tensor) -> Any:
    t, total = x.sum(0) * 2, x.sum(0)
    if x.sum() > 0:
        items = [t]
        for row in x:
            items.append(row)
        total = torch.stack(items).sum(0)
    else:
        t.add_(1)
        total = t * 3
    return total, t


def changes_what_the_other_path_lists(x: torch.Tensor) -> Any:
    box, y = {"v": x.sum(0)}, x.sum(0)
    if x.sum() > 0:
        items = [box]
        for row in x:
            items.append({"v": row})
        for item in items:
            y = y + item["v"]
    else:
        box["v"] = y * 2
        y = box["v"]
    return y


@pytest.mark.parametrize(
    "program", [writes_what_the_other_path_lists, changes_what_the_other_path_lists]
)
def test_a_list_of_one_path_does_not_forbid_a_write_on_the_other(
    program: Callable[..., Any],
) -> None:
    agrees(program, SIZES)


def writes_what_a_path_has_listed(x: torch.Tensor) -> Any:
    t = x.sum(0) * 2
    items = [t * 2]
    if x.sum() > 0:
        items = [t]
        for row in x:
            items.append(row)
    t.add_(1)
    total = t
    for item in items:
        total = total + item
    return total


def test_what_a_path_has_listed_may_not_be_written_after_it() -> None:
    assert "item of a list" in str(refused(writes_what_a_path_has_listed, SIZES))
