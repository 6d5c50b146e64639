"""Programs that raise on some inputs, at the root, in branches and in loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["GUARDED", "Guarded"]


@dataclass(frozen=True)
class Guarded:
    """A program whose promise ends somewhere.

    Attributes:
        program: the function.
        good: inputs that it takes; the first is the example.
        bad: inputs that it raises on, in Python too.
        says: what the guard's message has in it.
    """

    program: Callable[..., Any]
    good: tuple[tuple[Any, ...], ...]
    bad: tuple[tuple[Any, ...], ...]
    says: str

    def __str__(self) -> str:
        return self.program.__name__


def asserts_values(x: torch.Tensor) -> torch.Tensor:
    assert x.sum() > 0, "the sum is positive"
    return x * 2


def raises_on_values(x: torch.Tensor) -> torch.Tensor:
    if x.max() > 10:
        raise ValueError("too large")
    return x + 1


def asserts_a_size(x: torch.Tensor) -> torch.Tensor:
    assert x.shape[0] <= 4, "at most four rows"
    return x.cumsum(0)


def asserts_in_a_branch(x: torch.Tensor) -> torch.Tensor:
    y = x
    if x.sum() > 0:
        assert x.max() < 10, "small numbers only"
        y = x * 2
    return y


def raises_in_a_nested_branch(x: torch.Tensor) -> torch.Tensor:
    y = x
    if x.sum() > 0:
        if x[0] > 5:
            y = x - 1
        else:
            if x.min() < -5:
                raise ValueError("far below zero")
            y = x + 1
    return y


def asserts_in_a_branch_without_results(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        assert x.max() < 10, "small numbers only"
    return x * 2


def asserts_in_a_loop(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(())
    for row in x:
        assert row.max() < 10, "small rows only"
        total = total + row.sum()
    return total


def asserts_in_a_loop_without_results(x: torch.Tensor) -> torch.Tensor:
    for row in x:
        assert row.max() < 10, "small rows only"
    return x * 2


def raises_in_a_branch_in_a_loop(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(())
    for row in x:
        if row.sum() > 0:
            if row.max() > 10:
                raise ValueError("too large a row")
            total = total + row.max()
    return total


def raises_after_a_while(x: torch.Tensor) -> torch.Tensor:
    count = 0
    while x.max() < 8:
        count += 1
        x = x * 2
        if x.min() < -30:
            raise ValueError("too far down")
    return x + count


def stacks_what_it_keeps(x: torch.Tensor) -> torch.Tensor:
    kept = []
    for row in x:
        if row.sum() > 0:
            kept.append(row)
    return torch.stack(kept)


def takes_an_item(x: torch.Tensor, k: int) -> torch.Tensor:
    kept = []
    for row in x:
        if row.sum() > 0:
            kept.append(row)
    return kept[k]


def uses_what_may_be_none(x: torch.Tensor) -> torch.Tensor:
    found = None
    if x.sum() > 0:
        found = x * 2
    return found + 1  # type: ignore[operator, no-any-return]


def uses_what_may_not_be_bound(x: torch.Tensor) -> torch.Tensor:
    for row in x:
        if row.sum() > 0:
            last = row
    return last * 2


def picks_from_three(x: torch.Tensor, k: int) -> torch.Tensor:
    return (x, x + 1, x + 2)[k]


def decides_on_one_element(x: torch.Tensor) -> torch.Tensor:
    if x > 0:
        return x * 2
    return x - 1


def indexes_no_rows(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] == 0:
        return x[0]
    return x.sum(0)


def takes_the_largest_of_no_rows(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] == 0:
        return x.max(0).values
    return x.sum(0)


def multiplies_what_does_not_fit(x: torch.Tensor) -> torch.Tensor:
    y = x[:, :2]
    if x.max() > 10:
        y = y @ torch.ones(3, 3)
    return y.sum()


def reshapes_a_large_row(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(())
    for row in x:
        if row.max() > 10:
            total = total + row[:2].view(3).sum()
        total = total + row.sum()
    return total


def packs(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
    return packed.data * 2


def _rows(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), -1)


ones = torch.ones(3, 2)
large = torch.tensor([[1.0, 2.0], [20.0, 1.0]])
none = torch.zeros(0, 2)
mixed = _rows([1, 2], [-3, 1], [2, 2])

GUARDED = (
    Guarded(asserts_values, ((ones,), (mixed,)), ((-ones,), (none,)), "the sum is positive"),
    Guarded(raises_on_values, ((ones,), (-ones,)), ((large,),), "too large"),
    Guarded(
        asserts_a_size,
        ((ones,), (none,), (torch.ones(4, 2),)),
        ((torch.ones(5, 2),),),
        "at most four rows",
    ),
    Guarded(asserts_in_a_branch, ((ones,), (-ones,), (-large,)), ((large,),), "small numbers"),
    Guarded(
        raises_in_a_nested_branch,
        ((torch.ones(3),), (-torch.ones(3) * 9,), (torch.tensor([9.0, -6, 1]),)),
        ((torch.tensor([1.0, -6, 9]),),),
        "far below zero",
    ),
    Guarded(
        asserts_in_a_branch_without_results,
        ((ones,), (-large,)),
        ((large,),),
        "small numbers",
    ),
    Guarded(
        asserts_in_a_loop,
        ((ones,), (none,), (ones[:1],), (torch.ones(9, 2),)),
        ((large,), (large[1:],), (torch.cat([ones, large]),)),
        "small rows",
    ),
    Guarded(
        asserts_in_a_loop_without_results,
        ((ones,), (none,), (ones[:1],)),
        ((large,), (large[1:],)),
        "small rows",
    ),
    Guarded(
        raises_in_a_branch_in_a_loop,
        ((ones,), (none,), (-ones[:1],), (_rows([20, -30], [1, 1]),)),
        ((large,), (large[1:],)),
        "too large a row",
    ),
    Guarded(
        raises_after_a_while,
        ((torch.tensor([1.0, -1]),), (torch.tensor([9.0, -40]),)),
        ((torch.tensor([1.0, -9]),),),
        "too far down",
    ),
    Guarded(
        stacks_what_it_keeps,
        ((ones,), (mixed,), (ones[:1],)),
        ((-ones,), (none,)),
        "a list that is not empty",
    ),
    Guarded(
        takes_an_item,
        ((ones, 1), (mixed, -2), (ones, 2)),
        ((ones, 3), (mixed, 2), (mixed, -3), (none, 0)),
        "index is inside the list",
    ),
    Guarded(uses_what_may_be_none, ((ones,), (mixed,)), ((-ones,),), "not None"),
    Guarded(uses_what_may_not_be_bound, ((ones,), (mixed,)), ((-ones,), (none,)), "'last'"),
    Guarded(
        picks_from_three,
        ((ones, 1), (ones, 0), (ones, 2), (ones, -3)),
        ((ones, 3), (ones, -4)),
        "inside its 3 items",
    ),
    Guarded(indexes_no_rows, ((ones,), (mixed,), (ones[:1],)), ((none,),), "x_d0 >= 1|IndexError"),
    Guarded(
        takes_the_largest_of_no_rows, ((ones,), (ones[:1],)), ((none,),), "needs x_d0 >= 1|max"
    ),
    Guarded(
        multiplies_what_does_not_fit,
        ((ones,), (mixed,), (ones[:1],)),
        ((large,), (large[1:],)),
        "mat1 and mat2|same reduction dim",
    ),
    Guarded(
        reshapes_a_large_row,
        ((ones,), (none,), (mixed,)),
        ((large,), (torch.cat([ones, large]),)),
        "RuntimeError: shape",
    ),
    Guarded(
        packs,
        (
            (torch.randn(3, 4), torch.tensor([4, 2, 1])),
            (torch.randn(2, 5), torch.tensor([3, 3])),
        ),
        (
            (torch.randn(3, 4), torch.tensor([4, 2, 0])),
            (torch.randn(3, 4), torch.tensor([2, 3, 1])),
        ),
        "expected that",
    ),
)
