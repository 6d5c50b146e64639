"""An object that nobody else refers to is one that was just made."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from fxexport.capture.session.journal import ContainerSlot, Journal
from fxexport.capture.session.new_objects import note_parts_if_new, noted_if_new

KEPT: dict[str, Any] = {"inner": {"a": 1}}


@pytest.mark.parametrize(
    "make",
    [lambda: {"a": 1}, lambda: [1], lambda: {1}, lambda: SimpleNamespace(a=1), KEPT.copy],
    ids=["dict", "list", "set", "object", "copy"],
)
def test_what_a_call_has_made_is_noted(make: Callable[[], Any]) -> None:
    journal = Journal()
    with journal.scope() as scope:
        result = make()
        noted_if_new(journal, result)
        assert journal.born(result) > scope.serial
        if isinstance(result, (list, dict, set)):
            journal.touch(ContainerSlot(result))
            assert not scope.slots()


@pytest.mark.parametrize(
    "give",
    [lambda: KEPT["inner"], lambda: KEPT, lambda: next(iter(KEPT.values())), lambda: 5],
    ids=["item", "global", "value", "number"],
)
def test_what_something_else_holds_is_not_noted(give: Callable[[], Any]) -> None:
    journal = Journal()
    with journal.scope():
        result = give()
        noted_if_new(journal, result)
        assert journal.born(result) == 0


def test_parts_are_noted_that_the_object_alone_holds() -> None:
    journal = Journal()
    with journal.scope():
        result = {"new": [{"a": 1}], "kept": KEPT["inner"], "pair": ([2], KEPT)}
        noted_if_new(journal, result)
        new, pair = result["new"], result["pair"]
        assert journal.born(new)
        assert journal.born(new[0])
        assert journal.born(pair[0])
        assert not journal.born(result["kept"])
        assert not journal.born(KEPT)


def test_the_parts_of_an_object_with_other_names_are_looked_at_alone() -> None:
    journal = Journal()
    with journal.scope():
        made = SimpleNamespace(fields={"a": []}, kept=KEPT)
        names = [made, made]
        note_parts_if_new(journal, made)
        assert journal.born(made.fields)
        assert journal.born(made.fields["a"])
        assert not journal.born(KEPT)
        assert not journal.born(names)
