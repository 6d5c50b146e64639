"""Loops over things of dynamic length, at none, one and many trips."""

# The programs under test are written as users write them.
# ruff: noqa: C417

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from fxexport.capture.operators.dynamic_iterables import dynamic_range
from tests.support.capturing import agrees, captured, findings, rows


def over_rows(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for row in x:
        total = total * 0.5 + row
    return total


def over_range(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for k in range(x.shape[0]):
        total = total * 0.5 + x[k] * k
    return total


def over_range_with_bounds(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for k in range(1, x.shape[0] + 2, 2):
        total = total * 0.5 + k
    return total + x.sum()


def over_range_down(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for k in range(x.shape[0] - 1, -1, -1):
        total = total * 0.5 + x[k]
    return total


def over_enumerate(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for k, row in enumerate(x, 2):
        total = total * 0.5 + row * k
    return total


def over_zip(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for k, (a, b) in enumerate(zip(x, x * 2, strict=False)):
        total = total * 0.5 + a * b + k
    return total


def over_zip_with_a_list(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for a, b in zip(x, [1.0, 2.0, 3.0], strict=False):
        total = total * 0.5 + a * b
    return total


def over_zip_with_range(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for a, k in zip(x, range(3), strict=False):
        total = total + a * k
    return total


def over_reversed(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for k in reversed(range(x.shape[0])):
        total = total * 0.5 + x[k]
    return total


def over_map(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for value in map(lambda row: row * 2 if row > 0 else -row, x):
        total = total * 0.5 + value
    return total


def over_item_count(x: torch.Tensor) -> torch.Tensor:
    n = int((x > 0).sum())
    total = torch.zeros(())
    for k in range(n):
        total = total * 0.5 + k + 1
    return total


def while_counter(x: torch.Tensor) -> torch.Tensor:
    n, total = 0, torch.zeros(())
    while n < x.shape[0]:
        total = total * 0.5 + x[n]
        n += 1
    return total * n


def while_tensor(x: torch.Tensor) -> torch.Tensor:
    y = x.sum()
    n = 0
    while y.abs() > 0.1:
        y = y / 2
        n += 1
    return y * n


def breaks(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for row in x:
        if row > 2:
            break
        if row < -2:
            continue
        total = total + row
    else:
        total = total + 100
    return total


def returns(x: torch.Tensor) -> torch.Tensor:
    for k, row in enumerate(x):
        if row > 1.5:
            return row * k
    return x.sum()


def nested(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for a in x:
        for k in range(x.shape[0]):
            if x[k] > a:
                break
            total = total + x[k]
        else:
            total = total - 1
    return total


def last_value_is_kept(x: torch.Tensor) -> torch.Tensor:
    k = -1
    for k in range(x.shape[0]):  # noqa: B007
        pass
    return x.sum() + k


def while_true(x: torch.Tensor) -> torch.Tensor:
    n = 0
    while True:
        n += 1
        if n > x.shape[0]:
            break
        if x[n - 1] > 1:
            return x[n - 1] * n
    return x.sum() - n


PROGRAMS = [
    over_rows,
    over_range,
    over_range_with_bounds,
    over_range_down,
    over_enumerate,
    over_zip,
    over_zip_with_a_list,
    over_zip_with_range,
    over_reversed,
    over_map,
    over_item_count,
    while_counter,
    while_tensor,
    breaks,
    returns,
    nested,
    last_value_is_kept,
    while_true,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_loops_agree_at_any_length(program: Callable[..., Any]) -> None:
    agrees(program, rows())


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_loops_of_dynamic_length_stay_loops(program: Callable[..., Any]) -> None:
    exported = captured(program, torch.ones(2))
    assert findings(exported, "loop")
    assert not findings(exported, "unrolled")


def with_length(n: int) -> Callable[..., Any]:
    def short(x: torch.Tensor) -> torch.Tensor:
        for k in range(n):
            x = x * 0.5 + k
        return x

    return short


@pytest.mark.parametrize(("trips", "kind"), [(2, "unrolled"), (8, "unrolled"), (200, "loop")])
def test_a_short_loop_is_written_out_and_a_long_one_stays(trips: int, kind: str) -> None:
    exported = captured(with_length(trips), torch.ones(2))
    assert [found for found, _ in findings(exported, "loop", "unrolled")] == [kind]
    agrees(with_length(trips), rows())


@pytest.mark.parametrize("arguments", list(itertools.product((-3, 0, 4), (0, 5), (1, 2, -2))))
def test_range_of_known_bounds_is_pythons(arguments: tuple[int, int, int]) -> None:
    assert dynamic_range(*arguments) == range(*arguments)


@pytest.mark.parametrize("step", [1, 2, 3, -1, -2])
def test_the_length_of_a_dynamic_range_is_right(step: int) -> None:
    def count(x: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        total = x
        for k in range(start, stop, step):
            total = total * 2 + k
        return total

    x = torch.ones(1)
    agrees(count, [(x, a, b) for a, b in itertools.product((-2, 0, 3), (-3, 0, 4))])


def sorts(x: torch.Tensor) -> Any:
    return sorted(x)[0]


def test_a_dynamic_tensor_is_sorted() -> None:
    agrees(sorts, [(torch.rand(n),) for n in (2, 1, 5)])


def unpacks(x: torch.Tensor) -> Any:
    first, *_ = x
    return first


def test_a_dynamic_tensor_is_unpacked() -> None:
    agrees(unpacks, [(torch.rand(n),) for n in (2, 1, 5)])


def filters(x: torch.Tensor) -> Any:
    return list(filter(lambda row: row > 0, x))


def test_a_filter_keeps_a_list_of_dynamic_length() -> None:
    agrees(filters, [(torch.randn(n),) for n in (3, 0, 1, 6)])


def filters_in_loops(x: torch.Tensor) -> Any:
    kept = [row * 2 for row in filter(lambda row: row.sum() > 0, x)]
    found = list(filter(lambda row: row.max() > 0.5, [x[0], x[0] * 2]))
    for row in filter(None, x[:, 0]):
        x = x + row
    return len(kept), len(found), x, [sum(v for v in row) for row in x]


def test_a_filter_can_be_looped_over() -> None:
    agrees(filters_in_loops, [(torch.randn(n, 3),) for n in (3, 1, 6)])


def swaps_rows(x: torch.Tensor) -> Any:
    y = x.clone()
    for i in range(x.shape[0]):
        best = i + int(y[i:, 0].argmax())
        y[[i, best]] = y[[best, i]]
    return y, y[[x.shape[0] - 1, 0]], y[:, [0, x.shape[0] % 2]]


def test_a_list_of_unknown_numbers_is_an_index() -> None:
    agrees(swaps_rows, [(torch.randn(n, 3),) for n in (4, 1, 2, 7)])


def extremes(x: torch.Tensor) -> Any:
    return max(row.sum() for row in x), min(map(float, x[:, 0]))


def test_extremes_of_something_of_dynamic_length_are_there() -> None:
    agrees(extremes, [(torch.randn(n, 2),) for n in (3, 1, 5)])
