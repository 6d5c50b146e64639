"""Sequences in files: every function, for every dtype that lists may hold, and empty ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.support.capturing import agrees

DTYPES = [torch.float32, torch.float64, torch.float16, torch.int64, torch.int32, torch.bool]
DTYPES += [torch.uint8, torch.int8]


def grown(x: torch.Tensor) -> Any:
    """Uses of one list that no scan output serves."""
    out = []
    for k in range(x.shape[0]):
        if k % 3 != 1:
            out.append(x[k : k + 2])
    out.insert(1, x[:1])
    out[0] = x[1:2]
    last = out.pop()
    more = list(out)
    more.extend(out)
    return torch.cat(out), torch.cat([x, *more]), last, len(more), more[2]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_functions_on_sequences(dtype: torch.dtype) -> None:
    def values(n: int) -> torch.Tensor:
        numbers = torch.randint(0, 9, (n, 2), generator=torch.Generator().manual_seed(n))
        return numbers % 2 == 0 if dtype == torch.bool else numbers.to(dtype)

    agrees(grown, [(values(n),) for n in (4, 5, 8)])


def numbers(x: torch.Tensor) -> Any:
    ints, floats, flags = [], [], []
    for row in x:
        if row[0] > 0:
            ints.append(int(row.sum()))
            floats.append(float(row[1]))
            flags.append(bool(row[1] > 0))
    return (
        torch.tensor(ints, dtype=torch.int32),
        torch.tensor(floats),
        torch.tensor(flags, dtype=torch.bool),
        sum(ints),
        any(flags),
    )


def test_numbers_in_lists() -> None:
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    agrees(numbers, [(x,), (-x.abs(),), (x.abs(),), (x[:0],)])


def test_a_list_is_a_result() -> None:
    def program(x: torch.Tensor) -> Any:
        return {"all": [row for row in x if row[0] > 0], "x": x}

    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    agrees(program, [(x,), (-x.abs(),), (x.abs(),), (x[:0],)])
