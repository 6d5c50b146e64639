"""`copy.copy` and `copy.deepcopy` of sizes, tensors, and what holds them."""

# The programs are written as users write them.

from __future__ import annotations

import collections
import copy
import dataclasses

import torch
from torch import nn

from tests.programs.program import Programs, rand

PROGRAMS = Programs("copies")
ROWS = (rand(3, 4) + 1, rand(1, 4), rand(5, 4) - 1)
ALL_ROWS = (*ROWS, rand(3, 4)[:0])


class Sample:
    """As the data samples of libraries are."""

    def __init__(self, x):
        self.x = x
        self.meta = {"shape": x.shape, "tags": []}

    def scaled(self, k):
        new = copy.copy(self)
        new.x = new.x * k
        return new


def sizes_in_a_dict(x):
    meta = copy.deepcopy({"shape": x.shape, "half": (x.shape[0] // 2, 4)})
    return x + meta["shape"][0] + meta["half"][0]


def tensor_copied_and_written(x):
    deep, same = copy.deepcopy(x), copy.copy(x * 1)
    deep += 1
    same += 2
    return x * deep + same


def shallow_copy_is_the_same_memory(x):
    whole = x * 1
    other = copy.copy(whole)
    other += 1
    return whole


def one_tensor_held_twice(x):
    held = copy.deepcopy({"a": x, "b": [x, x]})
    held["b"][0] += 1
    return held["a"] + x


def views_of_one_tensor(x):
    left, right, whole = copy.deepcopy([x[:, :2], x[:, 2:], x])
    return left.sum() + right.sum() * 2 + whole


def object_copied(x):
    first = Sample(x)
    second = copy.deepcopy(first)
    second.meta["tags"].append(1)
    second.x += 1
    third = first.scaled(3)
    return first.x + second.x * third.x + len(first.meta["tags"]) + 10 * len(second.meta["tags"])


@dataclasses.dataclass
class Settings:
    n: int
    x: object = None


def dataclass_copied(x):
    first = Settings(x.shape[0], x)
    second = copy.deepcopy(first)
    second.n = second.n + 1
    return second.x * second.n + first.n


class Doubled:
    def __init__(self, x):
        self.x = x

    def __deepcopy__(self, memo):
        return Doubled(copy.deepcopy(self.x, memo) * 2)


def own_rule_of_copying(x):
    first, second = copy.deepcopy([Doubled(x), Doubled(x)])
    return first.x + second.x


def pythons_containers(x):
    ordered = copy.deepcopy(collections.OrderedDict(a=x))
    ordered["a"] += 1
    lists = collections.defaultdict(list)
    lists["k"].append(x)
    others = copy.deepcopy(lists)
    others["k"].append(x)
    others["z"].append(x)
    return ordered["a"] + len(lists["k"]) + 10 * len(others["k"]) + 100 * len(others)


for _program in (
    sizes_in_a_dict,
    tensor_copied_and_written,
    shallow_copy_is_the_same_memory,
    one_tensor_held_twice,
    views_of_one_tensor,
    object_copied,
    dataclass_copied,
    own_rule_of_copying,
    pythons_containers,
):
    PROGRAMS.add(_program, *ALL_ROWS)


def copied_in_a_loop(x):
    out = []
    for row in x:
        first = Sample(row)
        second = copy.deepcopy(first)
        if row.sum() > 0:
            second.x += 1
            second.meta["most"] = row.max()
        else:
            second.meta["most"] = row.min()
        out.append(second.x * second.meta["most"] + first.x)
    return torch.stack(out) if out else x


def list_of_rows_copied_and_written(x):
    rows = [row * 1 for row in x]
    others = copy.deepcopy(rows)
    for row in others:
        row += 1
    return torch.stack(rows).sum() + torch.stack(others).sum() * 2 if rows else x.sum()


def list_of_rows_copied_and_longer(x):
    rows = list(x)
    others = copy.deepcopy(rows)
    others.append(x.sum(0))
    return torch.stack(others).sum(0) + len(rows)


PROGRAMS.add(copied_in_a_loop, *ALL_ROWS)
PROGRAMS.add(list_of_rows_copied_and_written, *ALL_ROWS)
PROGRAMS.add(list_of_rows_copied_and_longer, *ALL_ROWS)


class Beam:
    def __init__(self, x):
        self.x = x
        self.rows = []


def best_of_copies(x):
    """As a search keeps its best state."""
    best = Beam(x.sum(0))
    for row in x:
        new = copy.deepcopy(best)
        new.rows.append(row)
        new.x += row
        if new.x.sum() > 0:
            best = new
    return best.x + len(best.rows)


PROGRAMS.add(best_of_copies, *ALL_ROWS)


def perhaps_nothing(x):
    best = None
    if x.sum() > 0:
        best = Sample(x * 2)
    held = copy.deepcopy({"best": best, "now": Sample(x)})
    held["now"].x += 1
    if held["best"] is not None:
        return held["best"].x + held["now"].x
    return held["now"].x


def one_tensor_perhaps_held_twice(x):
    held = {"a": x, "b": None}
    if x.sum() > 0:
        held["b"] = x
    new = copy.deepcopy(held)
    new["a"] += 1
    return new["b"] + x if new["b"] is not None else x


PROGRAMS.add(perhaps_nothing, *ALL_ROWS)
PROGRAMS.add(one_tensor_perhaps_held_twice, *ALL_ROWS)


def one_object_perhaps_met_first(x):
    now, best = Sample(x), None
    if x.sum() > 0:
        best = now
    held = copy.deepcopy({"best": best, "now": now})
    held["now"].meta["tags"].append(1)
    return x + len(held["best"].meta["tags"]) if held["best"] is not None else x


PROGRAMS.add(one_object_perhaps_met_first, *ROWS, expect="refuse", match="meets an object twice")


def views_copied_and_written(x):
    whole, first = copy.deepcopy([x, x[0]])
    first += 5
    return whole


PROGRAMS.add(views_copied_and_written, *ROWS, expect="refuse", match="shares memory")


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.full((4,), 2.0))
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return copy.deepcopy(self.linear)(x) * copy.deepcopy(self.factor)


PROGRAMS.add(Layers, *ALL_ROWS)
