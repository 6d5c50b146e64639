"""What loops carry from trip to trip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from tests.support.capturing import agrees, captured, refused, rows
from tests.support.harness import run_model

Step = Callable[[Any, torch.Tensor], Any]


@dataclass
class State:
    total: Any
    count: int = 0


def carried(start: Callable[[torch.Tensor], Any], step: Step, end: Step) -> Callable[..., Any]:
    """A program that carries one value through a loop over the rows."""

    def program(x: torch.Tensor) -> Any:
        value = start(x)
        for row in x:
            value = step(value, row)
        return end(value, x)

    return program


def itself(v: Any, x: torch.Tensor) -> Any:
    return v


CARRIED = {
    "a tensor": carried(lambda x: torch.zeros(()), lambda v, r: v + r, itself),
    "an int": carried(lambda x: 0, lambda v, r: v + 2, itself),
    "a float": carried(lambda x: 0.0, lambda v, r: v * 0.5 + 1.0, itself),
    "a bool": carried(lambda x: True, lambda v, r: not v, itself),
    "a number of the data": carried(lambda x: 0.0, lambda v, r: v + r.item(), itself),
    "a tuple": carried(lambda x: (0, x.sum()), lambda v, r: (v[0] + 1, v[1] * r), itself),
    "a dict": carried(
        lambda x: {"n": 0, "t": x.sum()}, lambda v, r: {"n": v["n"] + 1, "t": v["t"] - r}, itself
    ),
    "a dataclass": carried(
        lambda x: State(x.sum()),
        lambda v, r: State(v.total * 0.5 + r, v.count + 1),
        lambda v, x: v.total * v.count,
    ),
    "a tensor that grows": carried(
        lambda x: x[:0], lambda v, r: torch.cat([v, r.reshape(1)]), lambda v, x: v * 2
    ),
    "a tensor that grows and is read": carried(
        lambda x: torch.ones(1), lambda v, r: torch.cat([v, (v.sum() + r).reshape(1)]), itself
    ),
    "a tensor that shrinks": carried(lambda x: x, lambda v, r: v[1:] + r, lambda v, x: v.sum()),
    "a tensor that becomes wide": carried(
        lambda x: torch.zeros(1), lambda v, r: v + r.expand(3), lambda v, x: v.sum()
    ),
    "a swap": carried(lambda x: (x.sum(), x.sum() * 2), lambda v, r: (v[1], v[0] + r), itself),
    "what does not change": carried(lambda x: (x, "text"), lambda v, r: v, lambda v, x: v[0]),
    "the largest so far": carried(
        lambda x: -1e9, lambda v, r: r.item() if r.item() > v else v, lambda v, x: v + x.sum()
    ),
}


@pytest.mark.parametrize("name", CARRIED)
def test_loops_carry(name: str) -> None:
    sizes = (2, 1, 5) if name == "a tensor that becomes wide" else (2, 0, 1, 5)
    agrees(CARRIED[name], rows(*sizes))


def test_none_before_the_first_trip_is_kept_or_refused() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        best = None
        n = 0
        while n < x.shape[0]:
            best = x[n] if best is None else torch.maximum(best, x[n])
            n += 1
        return x.sum() if best is None else best

    outcome = run_model(lambda: program, rows())
    assert outcome.status in ("agree", "refused"), outcome.details


def test_a_kind_that_changes_every_trip_is_refused() -> None:
    def program(x: torch.Tensor) -> Any:
        value: Any = x.sum()
        for _ in range(x.shape[0]):
            value = [value]
        return value

    refused(program, rows(2))


def test_a_variable_of_the_body_alone_is_not_carried() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for row in x:
            twice = row * 2
            total = total + twice
        return total

    (node,) = (n for n in captured(program, torch.ones(2)).model.graph.node if n.op_type == "Loop")
    assert len(node.output) == 1


def test_an_else_after_no_trip() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        for row in x:
            if row > 1:
                y = row
                break
        else:
            y = x.sum() - 1
        return y

    agrees(program, rows())
