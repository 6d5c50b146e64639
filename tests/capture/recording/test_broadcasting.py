"""Operands whose sizes may or may not be equal give results of the size that PyTorch gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.support.capturing import agrees, captured

Operator = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def in_place(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    z = x.clone()
    z += y
    return z


# All have the number of rows that y and x broadcast to.
OPERATORS: dict[str, Operator] = {
    "add": torch.add,
    "where": lambda y, x: torch.where(x > 0, y, x),
    "masked_fill of one row": lambda y, x: y.masked_fill(x > 0, 1.0),
    "lerp": lambda y, x: torch.lerp(y, x, 0.5),
    "addcmul": lambda y, x: torch.addcmul(y, y, x),
    "floor_divide": lambda y, x: y // (x + 100),
    "isclose": torch.isclose,
    "a comparison": lambda y, x: (y > 0) | (x > 0),
    "in place": in_place,
    "expand": lambda y, x: y.expand(x.shape[0], 4),
    "broadcast_tensors": lambda y, x: torch.broadcast_tensors(y, x)[0],
    "glu": lambda y, x: functional.silu(y) * x,
    "matmul": lambda y, x: y[:, None] @ x[:, :, None],
    "einsum": lambda y, x: torch.einsum("ij,ij->i", y, x),
    "an index": lambda y, x: x[torch.arange(x.shape[0]), (y[:, 0] > 0).long()],
}


@pytest.mark.parametrize("name", OPERATORS)
def test_a_carried_size_and_a_size_of_the_input(name: str) -> None:
    operator = OPERATORS[name]

    def program(x: torch.Tensor) -> Any:
        y, n = x[:1] * 0, 0
        for _ in range(x.shape[0]):
            z = operator(y, x)
            n = n + 10 * z.shape[0] + y.shape[0]
            y = x * 2
        return y, n

    agrees(program, [(torch.rand(n, 4) + 0.1,) for n in (3, 0, 1, 5)])


@pytest.mark.parametrize("name", OPERATORS)
def test_a_size_that_data_decides_in_a_branch(name: str) -> None:
    operator = OPERATORS[name]

    def program(x: torch.Tensor, t: torch.Tensor) -> Any:
        n = 0
        y = x[x[:, 0] > 0]
        if t > 0:
            z = operator(y, x)
            n = n + 10 * z.shape[0] + y.shape[0]
        return n

    def one_of(rows: int) -> torch.Tensor:
        x = torch.rand(rows, 4) + 0.1
        x[1:, 0] = -1
        return x

    yes, no = torch.tensor(1.0), torch.tensor(-1.0)
    every = torch.rand(3, 4) + 0.1
    agrees(program, [(every, yes), (one_of(1), yes), (one_of(5), yes), (one_of(5), no)])


def swapped(x: torch.Tensor, y: torch.Tensor) -> Any:
    n = 0
    for _ in range(x.shape[0]):
        x, y = y, x + y * 0.5
        n = n + y.shape[0]
    return x, y, n


def a_recurrent_cell(x: torch.Tensor, y: torch.Tensor) -> Any:
    for _ in range(x.shape[0]):
        y = torch.tanh(x + y)
    return y


def nested(x: torch.Tensor, y: torch.Tensor) -> Any:
    z, n = x, 0
    for _ in range(x.shape[0]):
        for _ in range(y.shape[0]):
            z = z * 0.5 + y
            n = n + z.shape[0]
    return z, n


@pytest.mark.parametrize("program", [swapped, a_recurrent_cell, nested])
def test_what_the_first_trip_needs_of_inputs_is_a_relation(program: Any) -> None:
    exported = captured(program, torch.rand(3, 4), torch.rand(3, 4))
    (relation,) = (c for c in exported.graph.constraints if c.names == ("x_d0", "y_d0"))
    assert relation.text == "x_d0 == y_d0"
    assert relation.location is not None and "y" in relation.location.code
    assert relation.holds({"x_d0": 4, "y_d0": 4}) and not relation.holds({"x_d0": 1, "y_d0": 5})
    agrees(program, [(torch.rand(n, 4), torch.rand(n, 4)) for n in (3, 0, 1, 5)])


def test_a_relation_keeps_a_carried_size_what_it_was() -> None:
    exported = captured(a_recurrent_cell, torch.rand(3, 4), torch.rand(3, 4))
    (output,) = exported.model.graph.output
    assert output.type.tensor_type.shape.dim[0].dim_param in ("x_d0", "y_d0")


def test_a_condition_of_the_loop_is_no_relation() -> None:
    def program(x: torch.Tensor, y: torch.Tensor) -> Any:
        n = 0
        while x.shape[0] == y.shape[0] and n < 3:
            n = n + (x + y).shape[0]
        return n

    exported = captured(program, torch.rand(3, 4), torch.rand(3, 4))
    assert not [c for c in exported.graph.constraints if "x_d0" in c.names]
    agrees(program, [(torch.rand(a, 4), torch.rand(b, 4)) for a, b in ((3, 3), (1, 5), (1, 1))])


def test_what_is_equal_for_certain_needs_no_word() -> None:
    def program(x: torch.Tensor, y: torch.Tensor) -> Any:
        kept = x[:, 0] > 0
        z = x[kept] + y[kept]
        return z, z.shape[0]

    x = torch.tensor([[1.0, 2.0], [-1.0, 0.0], [3.0, 1.0]])
    exported = captured(program, x, x + 1, dynamic={"x": {0: "n"}, "y": {0: "n"}})
    assert not exported.report.of_kind("relation", "assumption")
    agrees(program, [(x, x + 1), (x[:2], x[:2]), (x[1:2], x[1:2])])


def test_a_constant_in_a_loop_pins_nothing_and_changes_no_size() -> None:
    def program(x: torch.Tensor) -> Any:
        total, n = torch.zeros(4), 0
        for row in x:
            total = total + row
            n = n + row.shape[0]
        return total, n

    exported = captured(program, torch.rand(3, 4))
    assert not exported.report.of_kind("pinned", "relation")
    agrees(program, [(torch.rand(a, b),) for a, b in ((3, 4), (0, 4), (5, 1), (1, 4))])
