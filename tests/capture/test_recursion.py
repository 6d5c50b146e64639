"""Functions that call themselves until the data ends that, within a declared depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from torch import nn

import fxexport
from tests.support.harness import compare, feed_of, flatten, run_session


def halves(x: torch.Tensor) -> Any:
    """Steps until a number is small."""

    def go(v: torch.Tensor, steps: int) -> Any:
        if v < 1:
            return v, steps
        return go(v / 2, steps + 1)

    return go(x, 0)


def fibonacci(n: torch.Tensor) -> Any:
    if n < 2:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)


def pairwise_sum(x: torch.Tensor) -> torch.Tensor:
    """A tree of halves; its sizes end it."""
    if x.shape[0] <= 1:
        return x.sum()
    middle = x.shape[0] // 2
    return pairwise_sum(x[:middle]) + pairwise_sum(x[middle:])


def is_even(n: torch.Tensor) -> Any:
    return torch.tensor(True) if n == 0 else is_odd(n - 1)


def is_odd(n: torch.Tensor) -> Any:
    return torch.tensor(False) if n == 0 else is_even(n - 1)


class Halting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.norm() < 1:
            return x
        result: torch.Tensor = self.forward(self.step(x) / 2)
        return result


class InnerCounter:
    """A helper decides; the function that calls itself only follows."""

    def small(self, v: torch.Tensor) -> torch.Tensor:
        return v < 1

    def __call__(self, v: torch.Tensor) -> torch.Tensor:
        done = self.small(v)
        if done:
            return v
        return self(v / 3) + 1


def scalars(*values: Any) -> list[tuple[torch.Tensor]]:
    return [(torch.tensor(value),) for value in values]


def vectors(*sizes: int) -> list[tuple[torch.Tensor]]:
    return [(torch.arange(float(size)),) for size in sizes]


torch.manual_seed(0)
# model, depth, inputs inside of it, inputs outside
CASES: dict[str, tuple[Callable[..., Any], int, list[Any], list[Any]]] = {
    "steps": (halves, 5, scalars(3.0, 0.2, 1.0, 15.9), scalars(16.0, 100.0)),
    "two calls": (fibonacci, 5, scalars(4, 0, 1, 2, 5), scalars(7, 10)),
    "sizes": (pairwise_sum, 3, vectors(3, 1, 2, 4), []),
    "two functions": (is_even, 2, scalars(1, 0, 2, 3), scalars(5, 9)),
    "a module": (
        Halting(),
        6,
        [(torch.full((3,), value),) for value in (3.0, 0.1, 1.0)],
        [(torch.full((3,), 1e9),)],
    ),
    "an object": (InnerCounter(), 4, scalars(5.0, 0.5, 26.0), scalars(1000.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_recursion_agrees_within_its_depth_and_raises_beyond(name: str) -> None:
    model, depth, inside, outside = CASES[name]
    exported = fxexport.export(model, inside[0], dynamic=True, max_depth=depth, verify=False)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    data = exported.model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def in_the_file(*row: torch.Tensor) -> list[Any]:
        return run_session(session, exported.graph, feed_of(session, exported.graph, row))

    for run in (exported.graph.run, in_the_file):
        for row in inside:
            with torch.no_grad():
                wanted = flatten(model(*row))
            assert not compare(wanted, list(run(*row))), row
        for row in outside:
            with pytest.raises(Exception, match="calls itself at most"):
                run(*row)


def test_recursion_that_data_ends_is_refused_without_a_depth() -> None:
    with pytest.raises(fxexport.UnsupportedError) as caught:
        fxexport.export(halves, (torch.tensor(3.0),), verify=False)
    assert "go() calls itself" in caught.value.message and "max_depth" in caught.value.hint
    assert caught.value.location is not None
    assert caught.value.location.code == "if v < 1:"


def test_recursion_that_ends_by_what_is_known_needs_no_depth() -> None:
    def power(x: torch.Tensor, n: int) -> torch.Tensor:
        if x.sum() > 100:
            x = x / 2
        return x if n == 0 else power(x * 2, n - 1)

    exported = fxexport.export(lambda x: power(x, 12), (torch.ones(2),), max_depth=1, verify=False)
    assert len(exported.graph.run(torch.ones(2))) == 1


@pytest.mark.parametrize("depth", [0, -1, 2.0, True])
def test_a_depth_is_a_positive_integer(depth: Any) -> None:
    with pytest.raises(fxexport.UsageError, match="max_depth: expected an integer from 1"):
        fxexport.export(halves, (torch.tensor(3.0),), max_depth=depth, verify=False)
