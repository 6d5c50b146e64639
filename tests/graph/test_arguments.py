"""Arguments of nodes as the types that they have."""

from __future__ import annotations

import operator

import pytest
import torch
from torch import fx

from fxexport.graph import arguments
from fxexport.graph.ops import branch, loop


def test_what_branches_and_loops_are_called_with() -> None:
    graph = fx.Graph()
    x, body = graph.placeholder("x"), graph.placeholder("body")
    taken = graph.call_function(branch, (True, body, body, [x, 2]))
    turned = graph.call_function(loop, (3, True, body, (x,), [1, x]))
    assert arguments.operands_of(taken) == (x, 2)
    assert arguments.carried_of(turned) == (x,)
    assert arguments.captured_of(turned) == (1, x)
    with pytest.raises(AssertionError, match="expected a loop"):
        arguments.carried_of(taken)


def test_an_item_is_its_source_and_which() -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    item = graph.call_function(operator.getitem, (x, 1))
    assert arguments.item_of(item) == (x, 1)
    assert arguments.item_of(x) is None
    assert arguments.item_of(3) is None


def test_metadata_of_tensors() -> None:
    node = fx.Graph().placeholder("x")
    node.meta["val"] = torch.zeros(2, 3)
    assert tuple(arguments.shape_of(node)) == (2, 3)
    assert arguments.val_of(5) == 5
    with pytest.raises(AssertionError, match="expected a tensor"):
        arguments.tensor_of(5)


@pytest.mark.parametrize(("given", "expected"), [((), 0), ((1,), 1), ((-1,), 2)])
def test_a_dimension_is_counted_from_the_front(given: tuple[int, ...], expected: int) -> None:
    graph = fx.Graph()
    node = graph.call_function(torch.sum, (graph.placeholder("x"), *given))
    assert arguments.dim_of(node, 1, rank=3) == expected
