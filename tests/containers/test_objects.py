"""What objects of any class hold, and copies of them."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fxexport.containers.objects import attributes_of, fresh, holds_tensors, within


class Slotted:
    __slots__ = ("item", "unset")

    def __init__(self, item: object) -> None:
        self.item = item


class Derived(Slotted):
    def __init__(self, item: object) -> None:
        super().__init__(item)
        self.more = 3


def test_attributes_are_those_of_slots_too() -> None:
    assert attributes_of(Derived(1)) == {"more": 3, "item": 1}
    assert attributes_of(torch.nn.Linear(1, 1)) == attributes_of(torch.ones(1)) == {}
    assert attributes_of(Slotted) == attributes_of(5) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (SimpleNamespace(a=[{"b": torch.ones(1)}]), True),
        (Slotted((SimpleNamespace(a=torch.ones(1)),)), True),
        (SimpleNamespace(a=3, b="text"), False),
        (SimpleNamespace(a=torch.nn.Linear(1, 1)), False),
        (torch.ones(1), True),
    ],
)
def test_tensors_are_found_inside_of_what_is_inside(value: object, expected: bool) -> None:
    assert holds_tensors(value) is expected


def test_a_circle_of_objects_ends() -> None:
    one = SimpleNamespace(tensor=torch.ones(1))
    one.itself = [one]
    assert sum(part is one for part in within(one)) == 1
    assert holds_tensors(one)
    copy = fresh(one)
    assert copy is not one
    assert copy.itself[0] is copy


def test_a_copy_shares_tensors_and_modules_and_nothing_that_can_be_written() -> None:
    module, tensor = torch.nn.Linear(1, 1), torch.ones(1)
    value = SimpleNamespace(module=module, tensor=tensor, counts={"a": [1]})
    copy = fresh(value)
    copy.counts["a"].append(2)
    assert (copy.module, copy.tensor) == (module, tensor)
    assert value.counts == {"a": [1]}


def test_parts_of_a_copy_may_be_others_wherever_they_are() -> None:
    tensor = torch.ones(1)
    copy: Any = fresh(SimpleNamespace(a=tensor, b=[tensor]), {id(tensor): 5})
    assert (copy.a, copy.b) == (5, [5])


@pytest.mark.parametrize("value", [object(), "text", 3, None, torch.nn.Linear(1, 1), len])
def test_what_has_no_parts_stays_the_object_that_it_is(value: object) -> None:
    assert fresh(value) is value


def test_what_cannot_be_copied_deeply_is_copied_as_far_as_it_can_be() -> None:
    value = SimpleNamespace(lock=threading.Lock(), count=1)
    copy = fresh(value)
    copy.count = 2
    assert value.count == 1
    assert copy.lock is value.lock
