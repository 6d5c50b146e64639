"""A list that gets one item a trip becomes a scan output; any other stays a sequence."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fxexport.graph import sequences as seq
from tests.support.capturing import agrees, captured

SEQUENCE_OPS = ("SequenceInsert", "SequenceAt", "ConcatFromSequence", "SplitToSequence")


def op_types(program: Any, *inputs: Any) -> list[str]:
    model = captured(program, *inputs).model
    found: list[str] = []

    def collect(graph: Any) -> None:
        for node in graph.node:
            found.append(node.op_type)
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    collect(attribute.g)

    collect(model.graph)
    return found


def stacked(x: torch.Tensor) -> Any:
    out = []
    for row in x:
        out.append(row * 2)
    return torch.stack(out, 1)


def joined(x: torch.Tensor) -> Any:
    out = []
    for row in x:
        out.append(torch.outer(row, row))
    return torch.cat(out, 0), torch.cat(out, 1)


def with_others(x: torch.Tensor) -> Any:
    out = [x.sum(0)]
    for row in x:
        out.append(row)
    out.append(x.sum(0) * 2)
    return torch.stack(out), torch.cat(out)


def read_after(x: torch.Tensor) -> Any:
    out = []
    for row in x:
        out.append(row + 1)
    return out[0], out[-1] * len(out)


def stopped_early(x: torch.Tensor) -> Any:
    out = []
    for row in x:
        out.append(row)
        if row[0] > 1:
            break
    return torch.stack(out)


def of_tuples(x: torch.Tensor) -> Any:
    out = []
    for k, row in enumerate(x):
        out.append((row.sum(), k))
    return torch.stack([value for value, _ in out])


INPUTS = [(torch.randn(n, 2, generator=torch.Generator().manual_seed(n)),) for n in (3, 1, 5, 8)]


@pytest.mark.parametrize(
    "program", [stacked, joined, with_others, read_after, stopped_early, of_tuples]
)
def test_one_item_a_trip_is_a_scan_output(program: Any) -> None:
    assert not set(op_types(program, *INPUTS[0])) & set(SEQUENCE_OPS)
    agrees(program, INPUTS)


def ragged(x: torch.Tensor) -> Any:
    out = []
    for k in range(x.shape[0]):
        out.append(x[:k])
    return torch.cat(out)


def sometimes(x: torch.Tensor) -> Any:
    out = [x[0]]
    for row in x:
        if row.sum() > 0:
            out.append(row)
    return torch.stack(out)


def read_inside(x: torch.Tensor) -> Any:
    out = [x[0]]
    for row in x:
        out.append(out[-1] + row)
    return torch.stack(out)


@pytest.mark.parametrize("program", [ragged, sometimes, read_inside])
def test_what_is_no_row_a_trip_stays_a_sequence(program: Any) -> None:
    assert "SequenceInsert" in op_types(program, *INPUTS[0])
    agrees(program, INPUTS)


def handed_on(x: torch.Tensor) -> Any:
    out = []
    for row in x:
        out.append(row)
    if x.sum() > 0:
        out.append(x[0])
    return len(out), torch.stack(out)


def test_other_users_get_the_sequence_back() -> None:
    types = op_types(handed_on, *INPUTS[0])
    assert "SplitToSequence" in types
    agrees(handed_on, [*INPUTS, (torch.ones(2, 2),), (-torch.ones(2, 2),)])


def test_no_trip_gives_the_right_shape_where_more_is_joined() -> None:
    agrees(with_others, [*INPUTS, (torch.zeros(0, 2),)])


def test_the_graph_has_no_sequence_left() -> None:
    graph = captured(stacked, *INPUTS[0]).graph
    targets = {node.target for module in graph.graphs() for node in module.graph.nodes}
    assert not targets & seq.SEQUENCE_FUNCTIONS
