"""Lists, dicts, dataclasses and named tuples as values, arguments and outputs."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("containers")
POS, NEG, MIX = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0), vec(0.5, -0.25, 1.0, 7.0)
X1, X3, X5 = (rand(n, 4, seed=n) for n in (1, 3, 5))
Box = namedtuple("Box", ["low", "high"])


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


@dataclass
class Result:
    scores: torch.Tensor
    count: int = 0
    labels: list = field(default_factory=list)

    def __len__(self):
        return self.scores.shape[0]

    def keep(self, mask):
        return Result(self.scores[mask], self.count + 1, self.labels)


def dict_output(x):
    out = {"sum": x.sum()}
    out["scaled"] = x * 2 if x.sum() > 0 else x * 3
    out["nested"] = {"n": x.shape[0], "parts": [x, x + 1]}
    return out


PROGRAMS.add(dict_output, POS, NEG)


def dict_from_both_branches(x):
    if x.sum() > 0:
        out = {"a": x, "b": x + 1}
    else:
        out = {"a": -x, "b": x - 1}
    return out


PROGRAMS.add(dict_from_both_branches, POS, NEG)


def dict_updated_in_branch(x):
    state = {"value": x, "hits": 0}
    if x.sum() > 0:
        state["value"] = x * 2
        state["hits"] += 1
    return state["value"], state["hits"]


PROGRAMS.add(dict_updated_in_branch, POS, NEG, expect="either")


def list_element_replaced(x):
    parts = [x, x + 1, x + 2]
    if x.sum() > 0:
        parts[1] = parts[0] * 10
    return parts[0] + parts[1] - parts[2]


PROGRAMS.add(list_element_replaced, POS, NEG, expect="either")


def list_appended_statically(x):
    outs = []
    for k in range(3):
        x = x * 0.5 + k if x.sum() > 1 else x - k
        outs.append(x)
    return torch.stack(outs), outs[-1]


PROGRAMS.add(list_appended_statically, POS, NEG, MIX)


def list_append_in_loop_then_stack(x):
    rows = []
    for i in range(x.shape[0]):
        rows.append(x[i] * 2 if x[i, 0] > 0 else -x[i])
    return torch.stack(rows)


PROGRAMS.add(list_append_in_loop_then_stack, X3, X1, X5, expect="either")


def list_append_in_branch(x):
    parts = [x]
    if x.sum() > 0:
        parts.append(x * 2)
    return torch.cat(parts)


PROGRAMS.add(list_append_in_branch, POS, NEG, expect="either")


def tuple_from_both_branches(x):
    a, b = (x, 1) if x.sum() > 0 else (x * 2, 2)
    return a * b


PROGRAMS.add(tuple_from_both_branches, POS, NEG)


def list_argument(xs):
    total = xs[0]
    for x in xs[1:]:
        total = total + x if x.sum() > 0 else total - x
    return total


PROGRAMS.add(list_argument, ([POS, POS, -POS],), ([NEG, -NEG, NEG],))


def dict_argument(batch):
    y = batch["x"] * 2
    if batch["gate"].sum() > 0:
        y = y + batch["bias"]
    return {"y": y}


PROGRAMS.add(
    dict_argument,
    ({"x": X3, "gate": vec(1.0), "bias": vec(1.0, 2.0, 3.0, 4.0)},),
    ({"x": X5, "gate": vec(-1.0, 0.5), "bias": vec(1.0, 2.0, 3.0, 4.0)},),
    dynamic=True,
)


def namedtuple_value(x):
    box = Box(x.min(), x.max())
    if box.high - box.low > 3:
        box = box._replace(low=box.high - 3)
    return box.low, box


PROGRAMS.add(namedtuple_value, POS, MIX, NEG)


def typed_namedtuple_output(x):
    if x.sum() > 0:
        return Pair(x, x + 1)
    return Pair(left=-x, right=x)


PROGRAMS.add(typed_namedtuple_output, POS, NEG)


def dataclass_value(x):
    result = Result(scores=x)
    result = result.keep(x > 0)
    if len(result) > 1:
        result = replace(result, count=10)
    return result.scores, result.count


PROGRAMS.add(dataclass_value, POS, NEG, MIX, vec(1.0))


def dataclass_from_branches(x):
    if (x > 2).any():
        result = Result(x[x > 2], 1)
    else:
        result = Result(x.new_zeros(0), 0)
    return result.scores, result.count


PROGRAMS.add(dataclass_from_branches, POS, NEG, MIX)


def dataclass_attribute_set_in_branch(x):
    result = Result(x)
    if x.sum() > 0:
        result.scores = x * 2
        result.count = 5
    return result.scores, result.count


PROGRAMS.add(dataclass_attribute_set_in_branch, POS, NEG, expect="either")


def nested_output(x):
    small = x[:1]
    return [(x, {"k": small}), [None, x.sum()]] if x.dim() == 1 else []


PROGRAMS.add(nested_output, POS, NEG)


def ordered_dict_of_levels(x):
    levels = OrderedDict()
    for k in range(3):
        levels[f"p{k}"] = x[..., : 4 - k]
    total = x.new_zeros(())
    for name, level in levels.items():
        if name != "p1" and level.mean() > 0:
            total = total + level.sum()
    return total, list(levels.values())


PROGRAMS.add(ordered_dict_of_levels, X3, X1, X5, X3 + 2)


def enumerate_dict_zip(x):
    weights = {"a": 0.5, "b": -1.0}
    total = x
    for k, ((name, weight), extra) in enumerate(zip(weights.items(), (x, -x)), start=1):
        if (total * weight).sum() > 0:
            total = total + extra * k
    return total


PROGRAMS.add(enumerate_dict_zip, POS, NEG, MIX)


def list_methods(x):
    parts = [x, x + 1]
    parts.extend([x * 2])
    parts.insert(0, -x)
    last = parts.pop()
    parts.reverse()
    return last + parts[0] * 2 if len(parts) == 3 and x.sum() > 0 else parts[-1]


PROGRAMS.add(list_methods, POS, NEG)


def stack_used_as_queue(x):
    queue = [(x, 0)]
    outs = []
    while queue:
        value, depth = queue.pop(0)
        outs.append(value.sum() if value.sum() > 0 else value.mean())
        if depth < 2:
            queue.append((value * 0.5, depth + 1))
    return torch.stack(outs)


PROGRAMS.add(stack_used_as_queue, POS, NEG)


def tuple_loop_state(x):
    state = (x.new_zeros(4), 0)
    for row in x:
        h, n = state
        state = (torch.tanh(h + row), n + 1)
    return state


PROGRAMS.add(tuple_loop_state, X3, X1, X5)


def dict_loop_state(x):
    state = {"h": x.new_zeros(4), "n": 0}
    for row in x:
        state = {"h": torch.tanh(state["h"] + row), "n": state["n"] + 1}
    return state


PROGRAMS.add(dict_loop_state, X3, X1, X5)


def lstm_cell_state(x):
    h, c = x.new_zeros(4), x.new_zeros(4)
    for t in range(x.shape[0]):
        gate = torch.sigmoid(x[t] + h)
        c = gate * c + (1 - gate) * torch.tanh(x[t])
        h = torch.tanh(c) * gate
    return h, (h, c)


PROGRAMS.add(lstm_cell_state, X3, X1, X5)


def sizes_in_a_dict_over_nested_loops(x):
    meta = {"whole": x.shape[1:], "last": x.shape}
    total = x.sum() * 0
    for i in range(x.shape[0]):
        for j in range(i, x.shape[1]):
            crop = x[i:, j:]
            meta["last"] = crop.shape
            total = total + crop.sum() / meta["last"][0]
    return total, meta["last"][1] * meta["whole"][0]


PROGRAMS.add(sizes_in_a_dict_over_nested_loops, rand(3, 4), rand(2, 5), rand(1, 1), rand(6, 6))
