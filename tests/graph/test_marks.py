"""Marks that passes leave on nodes."""

from __future__ import annotations

import pytest
from torch import fx

from fxexport.graph.marks import HARMLESS, NO_BUFFER, NO_CAPACITY, Mark, Reason


@pytest.mark.parametrize(
    ("mark", "value"),
    [(HARMLESS, True), (NO_BUFFER, Reason("why", "what to do")), (NO_CAPACITY, Reason("why"))],
)
def test_a_mark_stays_with_the_node_and_its_copies(mark: Mark[object], value: object) -> None:
    graph = fx.Graph()
    node = graph.placeholder("x")
    assert mark.of(node) is None
    mark.put(node, value)
    copy = fx.Graph().node_copy(node)
    assert mark.of(node) == mark.of(copy) == value


def test_marks_do_not_share_a_key() -> None:
    keys = [mark.key for mark in (HARMLESS, NO_BUFFER, NO_CAPACITY)]
    assert len({*keys, "val", "source", "module", "weight"}) == len(keys) + 4
