"""What a program raises on, its graph raises on as well, and says why and where."""

from __future__ import annotations

import copy

import pytest
from fxexport.passes import drop_guards, eliminate_dead_code, run_passes

from fxexport.errors import GuardError
from fxexport.graph import guard
from tests.support.guarded import GUARDED, Guarded
from tests.support.harness import compare, flatten
from tests.support.rewriting import captured, nodes_of


@pytest.mark.parametrize("case", GUARDED, ids=str)
def test_the_graph_raises_where_the_program_does(case: Guarded) -> None:
    graph = run_passes(captured(case.program, *copy.deepcopy(case.good[0])), [eliminate_dead_code])
    for row in case.good:
        expected = flatten(case.program(*copy.deepcopy(row)))
        assert compare(expected, graph.run(*copy.deepcopy(row))) == ""
    first = case.program.__code__.co_firstlineno
    for row in case.bad:
        with pytest.raises(Exception):  # noqa: B017
            case.program(*copy.deepcopy(row))
        with pytest.raises(GuardError, match=case.says) as raised:
            graph.run(*copy.deepcopy(row))
        line = int(raised.value.message.rpartition("(guarded.py:")[2].rstrip(")"))
        assert first < line < first + 15


@pytest.mark.parametrize("case", GUARDED, ids=str)
def test_guards_can_be_dropped(case: Guarded) -> None:
    graph = captured(case.program, *copy.deepcopy(case.good[0]))
    assert nodes_of(graph, guard)
    graph = run_passes(graph, [drop_guards, eliminate_dead_code])
    assert not nodes_of(graph, guard)
    for row in case.good:
        expected = flatten(case.program(*copy.deepcopy(row)))
        assert compare(expected, graph.run(*copy.deepcopy(row))) == ""
