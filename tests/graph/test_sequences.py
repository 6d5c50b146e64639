"""The functions on sequences run eagerly on lists of tensors, and change none of them."""

from __future__ import annotations

import pytest
import torch

from fxexport.graph import sequences as seq

A, B, C = torch.tensor([1.0]), torch.tensor([2.0, 3.0]), torch.tensor([4.0])


def numbers(items: list[torch.Tensor]) -> list[list[float]]:
    return [item.tolist() for item in items]


def test_a_sequence_is_made_read_and_left_as_it_was() -> None:
    made = seq.sequence_of(torch.float32, A, B)
    assert seq.sequence_length(made) == 2
    assert seq.sequence_at(made, -1) is B
    assert numbers(seq.sequence_insert(made, C)) == [[1.0], [2.0, 3.0], [4.0]]
    assert numbers(seq.sequence_insert(made, C, 0)) == [[4.0], [1.0], [2.0, 3.0]]
    assert numbers(seq.sequence_erase(made, -2)) == [[2.0, 3.0]]
    assert numbers(seq.sequence_extend(made, [C])) == [[1.0], [2.0, 3.0], [4.0]]
    assert [t.dtype for t in seq.sequence_cast(made, torch.int64)] == [torch.int64] * 2
    assert numbers(made) == [[1.0], [2.0, 3.0]]


def test_rows_become_items() -> None:
    assert numbers(seq.sequence_rows(torch.tensor([[1, 2], [3, 4]]))) == [[1, 2], [3, 4]]
    assert seq.sequence_rows(torch.zeros(0, 2)) == []


@pytest.mark.parametrize(
    ("parts", "stacked", "expected"),
    [
        ([[A, C]], True, [[1.0], [4.0]]),
        ([A, [B], C], False, [1.0, 2.0, 3.0, 4.0]),
        ([[], A, []], False, [1.0]),
    ],
)
def test_parts_are_joined_in_order(parts: list[object], stacked: bool, expected: object) -> None:
    assert seq.sequence_join(parts, 0, stacked).tolist() == expected  # type: ignore[arg-type]


def test_a_missing_item_is_an_error() -> None:
    for function in (seq.sequence_at, seq.sequence_erase):
        with pytest.raises(IndexError):
            function([A], 1)
