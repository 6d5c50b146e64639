"""Files raise for indices and numbers that PyTorch and Python raise on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fxexport.passes import value_guards

import fxexport
from fxexport.graph import guard
from tests.lowering.test_guards import LEVELS, run, session
from tests.support.harness import compare, flatten
from tests.support.rewriting import captured, nodes_of

TABLE = torch.arange(10.0).reshape(5, 2)


def looked_up(i: torch.Tensor) -> torch.Tensor:
    return F.embedding(i, TABLE)


def gathered(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    return x.gather(0, i)


def scattered(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    return x.scatter(0, i, 7.0)


def added(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    return x.scatter_add(0, i, torch.ones_like(i, dtype=torch.float32))


def chosen(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    return x.index_select(0, i)


def classes(i: torch.Tensor) -> torch.Tensor:
    return F.one_hot(i, 4)


def in_a_branch(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    y = x
    if x.sum() > 0:
        y = x.gather(0, i)
    return y


def divided(x: torch.Tensor, n: int) -> torch.Tensor:
    return x * (1.0 / n)


def divided_by_a_size(x: torch.Tensor) -> torch.Tensor:
    return x.sum() * (1 / x.shape[0])


def modulo(x: torch.Tensor, f: float) -> torch.Tensor:
    return x * (5.0 % f)


def root(x: torch.Tensor) -> torch.Tensor:
    return x * math.sqrt(x.sum())


def logarithm(x: torch.Tensor) -> torch.Tensor:
    return x * math.log(x.sum())


def whole(x: torch.Tensor) -> torch.Tensor:
    return x + int(x.sum())


def floored(x: torch.Tensor) -> torch.Tensor:
    return x + math.floor(x.sum())


def largest(x: torch.Tensor) -> torch.Tensor:
    return x.max()


def smallest(x: torch.Tensor) -> torch.Tensor:
    return x.min(0).values


def ints(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64)


X = torch.arange(5.0)
CASES: tuple[tuple[Any, list[Any], list[Any], str], ...] = (
    (looked_up, [(ints(1, 4),), (ints(),)], [(ints(1, -1),)], "no index is negative"),
    (gathered, [(X, ints(1)), (X, ints(0, 4))], [(X, ints(0, -1))], "no index is negative"),
    (scattered, [(X, ints(1))], [(X, ints(-2))], "no index is negative"),
    (added, [(X, ints(1, 1))], [(X, ints(-2, 1))], "no index is negative"),
    (chosen, [(X, ints(1, 1))], [(X, ints(-2, 1))], "no index is negative"),
    (in_a_branch, [(X, ints(1, 1, 0, 0, 2)), (-X, ints(-1, 0, 0, 0, 0))],
     [(X, ints(1, 1, 0, 0, -2))], "no index is negative"),
    (classes, [(ints(1, 3, 0),), (ints(),)], [(ints(1, 4),), (ints(-1, 2),)], r"in 0\.\.3"),
    (divided, [(X, 2), (X, -1)], [(X, 0)], "ZeroDivisionError"),
    (divided_by_a_size, [(X,), (X[:1],)], [(X[:0],)], "ZeroDivisionError"),
    (modulo, [(X, 2.0)], [(X, 0.0)], "ZeroDivisionError"),
    (root, [(X,), (X * 0,)], [(-X,)], "ValueError: expected that no root"),
    (logarithm, [(X,)], [(-X,), (X * 0,)], "ValueError: expected that logarithms"),
    (whole, [(X,), (-X,)], [(X / 0,), (X * math.nan,)], "an int is one of 64 bits"),
    (floored, [(X,), (-X,)], [(X / 0,), (X * math.nan,)], "an int is one of 64 bits"),
    (largest, [(X,), (X[:1],)], [(X[:0],)], "needs x_d0 >= 1"),
    (smallest, [(X,), (X[:1],)], [(X[:0],)], "needs x_d0 >= 1"),
)  # fmt: skip


@pytest.mark.parametrize(("program", "good", "bad", "says"), CASES)
def test_a_file_raises_where_there_is_no_result(
    program: Callable[..., Any], good: Any, bad: Any, says: str
) -> None:
    exported = fxexport.export(program, good[0], dynamic=True, verify=False)
    for level in LEVELS:
        file = session(exported.model, level)
        for row in good:
            assert compare(flatten(program(*row)), run(file, row)) == ""
        for row in bad:
            with pytest.raises(Exception):  # noqa: B017
                program(*row)
            with pytest.raises(Exception, match=says):
                run(file, row)


def counts(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
    best = x.topk(2).indices.unsqueeze(0).reshape(-1)
    first = x.gather(0, best) + x.gather(0, x.argmax().reshape(1))
    places = torch.arange(x.shape[0]) * 2
    return first.sum() + TABLE[:1].repeat(99, 1).index_select(0, places).sum() + i.clamp(0, 3)


def sizes(x: torch.Tensor) -> torch.Tensor:
    return x * (1 / (x.shape[0] + 1)) * math.sqrt(x.shape[0]) * int(x.shape[0] * 0.5)


@pytest.mark.parametrize(
    ("program", "inputs"), [(counts, (torch.ones(3), ints(1))), (sizes, (torch.ones(3),))]
)
def test_what_certainly_has_a_result_needs_no_guard(program: Any, inputs: Any) -> None:
    graph = captured(program, *inputs)
    before = len(nodes_of(graph, guard))
    assert len(nodes_of(value_guards.run(graph), guard)) == before
