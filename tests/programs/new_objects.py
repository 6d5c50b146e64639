"""Objects that Python itself, or a library, makes anew in each iteration, and that are changed.

Rewritten code does not make them: dicts of ``**keywords``, copies, unions, the fields that a
dataclass fills by default, items of a defaultdict.
"""

# The programs are written as users write them.

from __future__ import annotations

import collections
import copy
import dataclasses

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("new_objects")
ROWS = (rand(3, 4) + 1, rand(1, 4), rand(5, 4) - 1, rand(3, 4)[:0])


def keywords_changed(row, **given):
    given["twice"] = row * 2
    given.pop("left_out", None)
    return given["twice"] + given["other"]


def keywords_in_a_loop(x):
    total = torch.zeros(4)
    for row in x:
        total = total + keywords_changed(row, other=row + 1, left_out=3)
    return total


PROGRAMS.add(keywords_in_a_loop, *ROWS)


def prepared(tokens, state, **given):
    given.setdefault("scale", 1.0)
    given["seen"] = tokens.shape[0]
    given.update(state=state)
    return given


def stepped(state, scale=1.0, seen=0, **given):
    given["state"] = state * scale + seen
    return given


def keywords_handed_on(x):
    """As a decoder hands its cache from step to step."""
    tokens, given = x[:, 0], {"state": x.sum(), "bonus": 2.0}
    for k in range(3):
        step = prepared(tokens, **given)
        out = stepped(**step)
        given = dict(given, state=out["state"])
        given["bonus"] = given["bonus"] + k
        tokens = torch.cat([tokens, out["state"].reshape(1)])
    while tokens.shape[0] < 9:
        given = {**given, "state": given["state"] + 1}
        step = prepared(tokens, **given)
        given["bonus"] = step["bonus"] * 0.5
        tokens = torch.cat([tokens, stepped(**step)["state"].reshape(1)])
    return tokens, given["bonus"]


PROGRAMS.add(keywords_handed_on, *ROWS)


def copies_of_dicts(x):
    base = {"a": x.sum(), "b": 2}
    total = torch.zeros(4)
    for row in x:
        first = dict(base)
        first["c"] = row
        second = first.copy()
        second["d"] = row + 1
        third = {**second}
        third["e"] = row * 2
        fourth = third | {"f": 1}
        fourth["g"] = row - 1
        fourth |= {"h": row}
        total = total + first["c"] + second["d"] + third["e"] + fourth["g"] + fourth["h"]
    return total, base["a"], len(base)


PROGRAMS.add(copies_of_dicts, *ROWS)


def copies_of_lists(x):
    base = [x.sum(), 1]
    total = torch.zeros(4)
    for row in x:
        first = list(base)
        first.append(row)
        second = first.copy()
        second[0] = row
        third = second + [1]
        third[1] = row
        fourth = [0] * 3
        fourth[1] = row
        fifth = sorted([3, 2, 1])
        fifth[0] = row
        total = total + first[-1] + second[0] + third[1] + fourth[1] + fifth[0]
    return total, base[0]


PROGRAMS.add(copies_of_lists, *ROWS)


def deep_copies(x):
    base = {"a": [1, 2], "b": {"c": 3}}
    total = torch.zeros(4)
    for row in x:
        shallow = copy.copy(base)
        shallow["z"] = row
        deep = copy.deepcopy(base)
        deep["a"].append(row)
        deep["b"]["c"] = row * 2
        total = total + shallow["z"] + deep["a"][-1] + deep["b"]["c"]
    return total, len(base["a"]), base["b"]["c"]


PROGRAMS.add(deep_copies, *ROWS)


def shared_by_a_copy(x):
    """The list in a shallow copy is that of the dict itself."""
    base = {"a": [x.sum()]}
    for row in x:
        shallow = base.copy()
        shallow["a"][0] = shallow["a"][0] + row.sum()
    return base["a"][0]


PROGRAMS.add(shared_by_a_copy, *ROWS)


@dataclasses.dataclass
class Step:
    value: torch.Tensor
    more: dict = dataclasses.field(default_factory=dict)
    history: list = dataclasses.field(default_factory=list)


def fields_filled_by_default(x):
    total = torch.zeros(4)
    for row in x:
        step = Step(row)
        step.more["twice"] = row * 2
        step.history.append(row)
        total = total + step.more["twice"] + step.history[0]
    return total


PROGRAMS.add(fields_filled_by_default, *ROWS)


def items_of_a_defaultdict(x):
    total = torch.zeros(4)
    for row in x:
        groups = collections.defaultdict(list)
        groups["all"].append(row)
        groups["all"].append(row * 2)
        counts = collections.Counter()
        counts["rows"] += 1
        total = total + groups["all"][1] * counts["rows"]
    return total


PROGRAMS.add(items_of_a_defaultdict, *ROWS)


def defaultdict_across_iterations(x):
    sums = collections.defaultdict(lambda: torch.zeros(4))
    for row in x:
        sums["all"] = sums["all"] + row
    return sums["all"]


PROGRAMS.add(defaultdict_across_iterations, *ROWS)


def defaultdict_read_on_one_path(x):
    counts = collections.defaultdict(int)
    counts["a"] += 1
    if x.sum() > 0:
        counts["b"] += 2
    return counts["b"] + counts["a"] + x.sum()


PROGRAMS.add(defaultdict_read_on_one_path, *ROWS)


def lists_of_a_defaultdict_on_one_path(x):
    groups = collections.defaultdict(list)
    if x.sum() > 0:
        groups["a"].append(x.sum())
    groups["a"].append(x.sum() * 2)
    return len(groups["a"]), groups["a"][-1]


PROGRAMS.add(lists_of_a_defaultdict_on_one_path, *ROWS)


class Box:
    def __init__(self, value):
        self.value = value

    def fill(self, **given):
        self.__dict__.update(given)


def attributes_through_the_dict(x):
    total = torch.zeros(4)
    for row in x:
        box = Box(row)
        box.fill(more=row * 2)
        total = total + box.value + box.more
    return total


PROGRAMS.add(attributes_through_the_dict, *ROWS)
