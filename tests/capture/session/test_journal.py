"""Writes to places outside a branch or loop are taken back, merged, and happen once."""

from __future__ import annotations

from collections import deque
from types import CellType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from fxexport.capture.session.journal import (
    UNSET,
    AttributeSlot,
    CellSlot,
    ContainerSlot,
    GlobalSlot,
    Journal,
    Slot,
)
from tests.support.capturing import agrees, rows


def cell_slot() -> Slot:
    return CellSlot(CellType(1), "v")


def global_slot() -> Slot:
    return GlobalSlot({"v": 1}, "v")


def attribute_slot() -> Slot:
    return AttributeSlot(SimpleNamespace(v=1), "v")


@pytest.mark.parametrize("make", [cell_slot, global_slot, attribute_slot])
def test_a_slot_reads_writes_and_empties_its_place(make: Any) -> None:
    slot = make()
    assert slot.get() == 1
    slot.set(2)
    assert slot.get() == 2
    slot.set(UNSET)
    assert slot.get() is UNSET
    slot.set(UNSET)
    slot.set(3)
    assert slot.get() == 3


@pytest.mark.parametrize("make", [cell_slot, global_slot, attribute_slot])
def test_a_scope_undoes_the_writes_made_inside(make: Any) -> None:
    slot, journal = make(), Journal()
    with journal.scope() as outer:
        journal.touch(slot)
        slot.set(2)
        with journal.scope() as inner:
            journal.touch(slot)
            slot.set(3)
            journal.touch(slot)
            slot.set(4)
        inner.undo()
        assert slot.get() == 2
    outer.undo()
    assert slot.get() == 1
    assert [s.key for s in outer.slots()] == [slot.key]


@pytest.mark.parametrize("container", [[1, 2], {"a": 1}, {1, 2}, deque([1, 2])], ids=str)
def test_containers_keep_their_identity_and_get_their_content_back(container: Any) -> None:
    journal, before = Journal(), container.copy()
    with journal.scope() as scope:
        journal.touch(ContainerSlot(container))
        container.clear()
    scope.undo()
    assert container == before


def test_what_is_made_inside_a_scope_is_none_of_its_business() -> None:
    journal = Journal()
    with journal.scope() as scope:
        made: list[int] = journal.made([])
        journal.touch(ContainerSlot(made))
        with journal.scope() as inner:
            journal.touch(ContainerSlot(made))
    assert scope.slots() == []
    assert len(inner.slots()) == 1


# -- through exports ---------------------------------------------------------------------------


def test_an_attribute_written_on_one_way() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = 1.0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.sum() > 0:
                self.scale = 2.0
            else:
                self.last = x
            return x * self.scale

    from tests.support.harness import run_model

    outcome = run_model(Model, rows())
    assert outcome.status == "agree", outcome.details


def test_items_written_on_one_way() -> None:
    def program(x: torch.Tensor) -> Any:
        table: dict[str, Any] = {"a": x, "b": 1}
        items = [x, x + 1]
        if x.sum() > 0:
            table["a"] = x * 2
            items[0] = x * 3
        else:
            table["b"] = 5
            items[-1] += 1
        return table["a"] * table["b"] + items[0] - items[1]

    agrees(program, rows())


def test_a_list_filled_alike_on_both_ways() -> None:
    def program(x: torch.Tensor) -> Any:
        items: list[torch.Tensor] = []
        if x.sum() > 0:
            items.append(x)
        else:
            items.append(-x)
        items.append(x + 1)
        return items[0] + items[1]

    agrees(program, rows())


def test_tensors_written_in_place_on_one_way() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        view = y[:1]
        if x.sum() > 0:
            y += 2
        else:
            view.mul_(3)
        return y + view.sum()

    agrees(program, rows(2, 1, 5))


@pytest.mark.parametrize("cut", ["split", "chunk", "unbind", "tensor_split", "select", "narrow"])
def test_one_of_several_views_written_in_place_on_one_way(cut: str) -> None:
    arguments = {"split": (1,), "chunk": (2,), "unbind": (0,), "tensor_split": (2,)}

    def program(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        if cut in arguments:
            part = getattr(y, cut)(*arguments[cut])[1]
        else:
            part = y.select(0, 1) if cut == "select" else y.narrow(0, 1, 1)
        if x.sum() > 0:
            part.add_(1)
        return y

    x = torch.ones(2, 3)
    agrees(program, [(x,), (-x,)], dynamic={"x": {1: "n"}})


def test_tensors_written_in_place_in_a_loop() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros_like(x)
        for k in range(x.shape[0]):
            y[k] += x[k]
            if x[k] > 0:
                y.mul_(2)
        return y

    agrees(program, rows())


def test_a_write_in_a_helper_reaches_the_caller() -> None:
    def program(x: torch.Tensor) -> Any:
        seen = {"n": 0}
        count = 0

        def note(v: torch.Tensor) -> None:
            nonlocal count
            if v > 0:
                seen["n"] += 1
                count += 2

        for row in x:
            note(row)
        return x.sum() + seen["n"] * 10 + count

    agrees(program, rows())


TOTAL = 0


def test_a_global_written_in_a_branch_is_left_as_it_was() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        global TOTAL
        TOTAL = 0
        if x.sum() > 0:
            TOTAL = 3
        return x + TOTAL

    global TOTAL
    TOTAL = 7
    from tests.support.capturing import captured

    captured(program, torch.ones(2))
    assert TOTAL == 7
    agrees(program, rows())
