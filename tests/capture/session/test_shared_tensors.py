"""Each pair of tensors that may share memory is kept once for each path."""

from __future__ import annotations

import torch

from fxexport.capture.session.shared_tensors import SharedTensors


def test_what_is_known_is_not_noted_again() -> None:
    a, b, merged = (torch.zeros(1) for _ in range(3))
    notes = SharedTensors()
    notes.merge(merged, [a, b], frozenset({(None, "x")}), None)
    for way in (None, (1, "then"), (1, "other")):
        notes.merge(merged, [b, a], frozenset({(None, "x")}), way)
    assert len(notes) == 2
    notes.merge(merged, [a], frozenset({(None, "y")}), None)
    assert len(notes) == 3
    assert notes.places_of(merged) == {(None, "x"), (None, "y")}


def test_a_pair_on_one_path_is_not_one_on_the_other() -> None:
    a, merged = torch.zeros(1), torch.zeros(1)
    notes = SharedTensors()
    for side in ("then", "other"):
        notes.merge(merged, [a], frozenset(), (1, side))
    assert [note.way for _, note in notes.sources(merged)] == [(1, "then"), (1, "other")]


def test_what_is_taken_back_is_not_known() -> None:
    a, b, merged = (torch.zeros(1) for _ in range(3))
    notes = SharedTensors()
    notes.merge(merged, [a], frozenset({(None, "x")}), None)
    length = len(notes)
    notes.merge(merged, [b], frozenset({(None, "y")}), None)
    assert notes.places_of(merged) == {(None, "x"), (None, "y")}
    notes.take_back(length)
    assert notes.places_of(merged) == {(None, "x")}
    assert [id(one) for one in notes.related([merged])] == [id(merged), id(a)]


def test_related_are_what_a_tensor_may_be_and_what_may_be_it() -> None:
    a, b, c, unrelated = (torch.zeros(1) for _ in range(4))
    notes = SharedTensors()
    notes.merge(b, [a], frozenset(), None)
    notes.merge(c, [b, a], frozenset(), None)
    assert {id(one) for one in notes.related([b])} == {id(a), id(b), id(c)}
    assert {id(one) for one in notes.origins([c])} == {id(a), id(b), id(c)}
    assert [id(one) for one in notes.related([unrelated])] == [id(unrelated)]
