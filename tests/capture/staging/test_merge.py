"""What the two ways through a branch leave behind becomes one value, or reading it is refused."""

# The programs under test are written as users write them.
# ruff: noqa: SIM108

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch

from tests.support.capturing import agrees, captured, refused, rows

Program = Callable[[torch.Tensor], Any]


@dataclass
class Box:
    value: Any
    size: int = 1


class Pair(NamedTuple):
    first: Any
    second: Any


def merged(then: Program, other: Program, use: Callable[[Any, torch.Tensor], Any]) -> Program:
    """A program that takes a value from one of two places and uses it."""

    def program(x: torch.Tensor) -> Any:
        if x.sum() > 0:
            v = then(x)
        else:
            v = other(x)
        return use(v, x)

    return program


def itself(v: Any, x: torch.Tensor) -> Any:
    return v


MERGES: dict[str, Program] = {
    "tensors": merged(lambda x: x * 2, lambda x: x - 1, itself),
    "tensors of other sizes": merged(lambda x: x[:1], lambda x: torch.cat([x, x]), itself),
    "an int": merged(lambda x: 3, lambda x: 4, lambda v, x: x * v),
    "a size and an int": merged(lambda x: x.shape[0], lambda x: 4, lambda v, x: x.sum() + v),
    "floats": merged(lambda x: 0.5, lambda x: 1.5, lambda v, x: x * v),
    "bools": merged(lambda x: True, lambda x: False, lambda v, x: x if v else -x),
    "a number and a computed one": merged(
        lambda x: x.sum().item(), lambda x: 1.5, lambda v, x: x * v
    ),
    "a 0-d tensor and a number": merged(lambda x: x.sum(), lambda x: 2.0, lambda v, x: x * v),
    "tuples": merged(lambda x: (x, 1), lambda x: (-x, 2), lambda v, x: v[0] * v[1]),
    "lists": merged(lambda x: [x, x + 1], lambda x: [x, x - 1], lambda v, x: v[0] + v[1]),
    "dicts": merged(
        lambda x: {"a": x, "n": 1}, lambda x: {"a": -x, "n": 2}, lambda v, x: v["a"] * v["n"]
    ),
    "dataclasses": merged(lambda x: Box(x, 2), lambda x: Box(-x), lambda v, x: v.value * v.size),
    "named tuples": merged(
        lambda x: Pair(x, 1), lambda x: Pair(-x, 2), lambda v, x: v.first * v.second
    ),
    "nested containers": merged(
        lambda x: {"a": [(x, 1), Box(x)]}, lambda x: {"a": [(-x, 2), Box(x + 1)]},
        lambda v, x: v["a"][0][0] * v["a"][0][1] + v["a"][1].value,
    ),
    "equal text": merged(lambda x: "sum", lambda x: "sum", lambda v, x: getattr(x, v)()),
    "the same object": merged(lambda x: x, lambda x: x, itself),
    "nothing on either": merged(
        lambda x: None, lambda x: None, lambda v, x: x if v is None else -x
    ),
    "an integer tensor": merged(lambda x: (x > 0).sum(), lambda x: x.long().sum(), itself),
    "views": merged(lambda x: x[:1], lambda x: x[-1:], lambda v, x: v + 1),
}  # fmt: skip


@pytest.mark.parametrize("name", MERGES)
def test_values_of_one_kind_are_merged(name: str) -> None:
    sizes = (2, 1, 5) if name in ("views", "tensors of other sizes") else (2, 0, 1, 5)
    agrees(MERGES[name], rows(*sizes))


CHOICES: dict[str, Program] = {
    "other ranks": merged(lambda x: x, lambda x: x[None], lambda v, x: (v * 2 + 1).sum()),
    "other ranks that are returned": merged(
        lambda x: x, lambda x: x[None] if x.shape[0] > 3 else x.sum().long(), itself
    ),
    "other dtypes": merged(lambda x: x, lambda x: x.long(), itself),
    "a tensor or None": merged(lambda x: x, lambda x: None, itself),
    "an int or a float that is returned": merged(lambda x: 1, lambda x: 1.5, itself),
    "other texts": merged(lambda x: "sum", lambda x: "mean", lambda v, x: getattr(x + 1, v)(-1)),
    "a number or text": merged(
        lambda x: 2, lambda x: "two", lambda v, x: x * v if isinstance(v, int) else x * len(v)
    ),
    "two functions": merged(lambda x: torch.sin, lambda x: torch.cos, lambda v, x: v(x)),
    "two classes": merged(
        lambda x: Box(x, 3), lambda x: Pair(x + 1, 2), lambda v, x: x * len(vars(v)) if
        isinstance(v, Box) else x * v.second,
    ),
    "containers of other kinds": merged(
        lambda x: [x, "a"], lambda x: (x * 2,), lambda v, x: v[0] * len(v)
    ),
    "text that is returned": merged(lambda x: "a", lambda x: "b", lambda v, x: (x, v)),
    "a tuple or a tensor that is returned": merged(lambda x: (x, x), lambda x: x, itself),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_values_of_other_kinds_stay_a_choice(name: str) -> None:
    agrees(CHOICES[name], rows(2, 1, 5))


REFUSED: dict[str, Program] = {
    "a dtype or text that is returned": merged(lambda x: torch.int32, lambda x: "b", itself),
    "keys in another order that are returned": merged(
        lambda x: {"a": x, "b": x.sum()}, lambda x: {"b": x.sum(0), "a": x}, itself
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_output_can_be_is_refused(name: str) -> None:
    refused(REFUSED[name], rows(2))


def test_more_than_64_alternatives_are_refused() -> None:
    names = [f"text{k}" for k in range(70)]

    def program(x: torch.Tensor) -> Any:
        name = names[int(x.sum())]
        return x * len(name)

    refused(program, rows(2))


UNREAD: dict[str, tuple[Program, Program]] = {
    "other ranks": (lambda x: x, lambda x: x[None]),
    "other dtypes": (lambda x: x, lambda x: x.long()),
    "a tensor or None": (lambda x: x, lambda x: None),
    "containers of other lengths": (lambda x: [x], lambda x: [x, x]),
    "dicts of other keys": (lambda x: {"a": x}, lambda x: {"b": x}),
    "a number or text": (lambda x: 1, lambda x: "text"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_values_of_other_kinds_do_not_matter_where_nobody_reads_them(name: str) -> None:
    then, other = UNREAD[name]

    def program(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            v = then(x)
            y = x * 2
        else:
            v = other(x)  # noqa: F841
            y = x - 1
        return y

    agrees(program, rows())


def test_a_name_that_one_way_binds_may_stay_unread() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            y = x * 2
            z = y + 1
            x = z
        return x

    agrees(program, rows())


def test_a_name_that_one_way_binds_can_be_read_under_the_same_condition() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        positive = x.sum() > 0
        if positive:
            y = x * 2
        if positive:
            x = y + 1
        return x

    agrees(program, rows())


def test_what_both_ways_share_is_no_output_of_the_branch() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        scale = x.shape[0]
        if x.sum() > 0:
            y, same = x * 2, scale
        else:
            y, same = x * 3, scale
        return y * same

    (node,) = (n for n in captured(program, torch.ones(2)).model.graph.node if n.op_type == "If")
    assert len(node.output) == 1


def test_the_dtype_of_a_merged_number_is_pythons() -> None:
    def program(x: torch.Tensor) -> Any:
        n = 2 if x.sum() > 0 else x.shape[0]
        return n / 4, n // 4, n > 1

    agrees(program, rows())
