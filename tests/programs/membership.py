"""What is in a list, dict or set: the same object, or else an equal one."""

# The programs are written as users write them.
# ruff: noqa: E741, F841

from __future__ import annotations

import operator
from collections import deque
from dataclasses import dataclass, field

import torch
from torch import nn

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("membership")
ROWS = (rand(3, 4) + 1, rand(3, 4) - 1, rand(1, 4) + 2)
NUMBERS = (torch.tensor(2.0), torch.tensor(3.0), torch.tensor(0.0))


class Params(nn.Module):
    def __init__(s):
        super().__init__()
        s.a = nn.Linear(4, 4)
        s.b = nn.Linear(4, 4)
        s.c = s.a
        s.bn = nn.BatchNorm1d(4)

    def forward(s, x):
        y = x
        for p in s.parameters():
            y = y + p.sum()
        for n, p in s.named_parameters():
            y = y * 0.5 + p.sum() * len(n)
        for b in s.buffers():
            y = y + b.float().sum()
        for n, b in s.named_buffers():
            y = y + b.float().sum() * len(n)
        for m in s.modules():
            y = y + len(type(m).__name__)
        for n, m in s.named_modules():
            y = y + len(n)
        for m in s.children():
            y = y + len(type(m).__name__)
        for n, m in s.named_children():
            y = y + len(n)
        y = y + sum(p.abs().sum() for p in s.parameters())
        y = (
            y
            + len(list(s.parameters()))
            + len(s.state_dict())
            + sum(p.numel() for p in s.parameters())
        )
        return y + next(s.parameters()).sum()


PROGRAMS.add(Params, *ROWS)


class ParamsBranch(nn.Module):
    def __init__(s):
        super().__init__()
        s.a = nn.Linear(4, 4)
        s.b = nn.Linear(4, 4)

    def forward(s, x):
        if x.sum() > 0:
            for p in s.parameters():
                x = x + p.sum()
        for r in x:
            x = x + sum(p.sum() for p in s.parameters()) * r
        return x


PROGRAMS.add(ParamsBranch, *ROWS)


def in_set(x):
    y = x * 2
    return x * (1 + (y in {x}) + 10 * (x in {x}) + 100 * (x in {x, y}))


PROGRAMS.add(in_set, *ROWS)


def in_set0(x):
    y = x * 1
    return x * (1 + (y in {x}) + 10 * (x in {x}) + 100 * (x in {x, y}))


PROGRAMS.add(in_set0, *NUMBERS)


def in_dict(x):
    y = x * 1
    d = {x: 1, y: 2}
    return x * (
        d[x] + d[y] * 10 + 100 * (x in d) + 1000 * ((x + 0) in d) + d.get(y, 7) + d.get(x * 2, 9)
    )


PROGRAMS.add(in_dict, *ROWS)


def in_list(x):
    y = x * 2
    return x * (1 + (x in [x, y]))


PROGRAMS.add(in_list, *ROWS)


def in_list0(x):
    y = x * 2
    if x in [y, x + 1]:
        return x * 10
    if x in (2.0, 5):
        return x * 20
    return x


PROGRAMS.add(in_list0, *NUMBERS)


def in_list_none(x):
    return x * (1 + (x in [None, "a", x]))


PROGRAMS.add(in_list_none, *ROWS)


def in_values(x):
    d = {"a": x, "b": x * 2}
    return x * (1 + (x in d.values()) + (("a", x) in d.items()) + ("a" in d.keys()))


PROGRAMS.add(in_values, *ROWS)


def in_values0(x):
    d = {"a": x * 1, "b": x * 2}
    if x + 2 in d.values():
        return x * 5
    return x


PROGRAMS.add(in_values0, *NUMBERS)


def in_deque(x):
    d = deque([x, x * 2])
    return x * (1 + (x in d))


PROGRAMS.add(in_deque, *ROWS)


def index(x):
    y = [x * 2, x * 3]
    z = [y[0], y[1], x]
    return x * ([x].index(x) + 5)


PROGRAMS.add(index, *ROWS)


def index2(x):
    l = [x * 2, x * 3, x]
    return x + l.index(x)


PROGRAMS.add(index2, *NUMBERS)


def count2(x):
    l = [x * 2, x * 3, x]
    return x + l.count(x)


PROGRAMS.add(count2, *NUMBERS)


def remove(x):
    l = [x, x * 2, x * 3]
    l.remove(x)
    return sum(l)


PROGRAMS.add(remove, *ROWS)


def tup_index(x):
    l = (x * 2, x * 3, x)
    return x + l.index(x) + l.count(x) * 10


PROGRAMS.add(tup_index, *NUMBERS)


def eq_list(x):
    return x * (
        1 + ([x, 1] == [x, 1]) + 2 * ((x,) == (x,)) + 4 * ([x] != [x]) + 8 * ({"a": x} == {"a": x})
    )


PROGRAMS.add(eq_list, *ROWS)


def eq_list0(x):
    if [x, 1] == [x * x - 2, 1]:
        return x * 3
    if {"a": x} == {"a": x * 0}:
        return x + 50
    return x


PROGRAMS.add(eq_list0, *NUMBERS)


@dataclass
class P:
    a: torch.Tensor
    b: int = 2
    c: object = field(default=None, compare=False)


def eq_dc0(x):
    if P(x) == P(x * x - 2):
        return x * 3
    if P(x) != P(x * 0, 2, 5):
        return x + 50
    return x


PROGRAMS.add(eq_dc0, *NUMBERS)


def eq_dc(x):
    return x * (1 + (P(x, 1) == P(x, 2)) + (P(x, 1) == 3) + (P(x) != 3))


PROGRAMS.add(eq_dc, *NUMBERS)


def in_objs(x):
    class C:
        def __init__(s, v):
            s.v = v

    a, b = C(x), C(x * 2)
    return x * (
        1 + (a in [a, b]) + (a in {b}) + (C(x) in [a]) + 10 * [a, b].index(b) + (a == a) + (a != b)
    )


PROGRAMS.add(in_objs, *ROWS)


def in_objs_eq(x):
    class C:
        def __init__(s, v):
            s.v = v

        def __eq__(s, o):
            if s.v.sum() > o.v.sum():
                return True
            return False

        __hash__ = None

    a, b = C(x), C(x * 2)
    return x * (1 + (a in [b]) + 2 * (b in [a]))


PROGRAMS.add(in_objs_eq, *ROWS)


def merged_set(x):
    y = x * 2
    z = x if x.sum() > 0 else y
    return x * len({x, z})


PROGRAMS.add(merged_set, *ROWS, expect="refuse")


def merged_in(x):
    y = x * 2
    z = x if x.sum() > 0 else y
    return x * (1 + (z in {x}))


PROGRAMS.add(merged_in, *ROWS)


def merged_in_list(x):
    y = x * 2
    z = x if x.sum() > 0 else y
    return x * (1 + (z in [x]))


# Of two tensors that are not one, Python asks whether the comparison is true.
PROGRAMS.add(merged_in_list, torch.ones(2, 4), torch.ones(3, 4))


def merged_key(x):
    y = x * 2
    z = x if x.sum() > 0 else y
    d = {x: 1}
    d[z] = 2
    return x * len(d)


PROGRAMS.add(merged_key, *ROWS)


def merged_get(x):
    y = x * 2
    z = x if x.sum() > 0 else y
    d = {x: 1}
    return x * d.get(z, 5)


PROGRAMS.add(merged_get, *ROWS)


def sym_in_set(x):
    n = x.shape[0]
    if n in {1, 2, 7}:
        return x * 2
    if n in {3: 1}:
        return x * 3
    if n in frozenset([4, "a", None]):
        return x * 4
    return x


PROGRAMS.add(sym_in_set, rand(3, 4), rand(2, 4), rand(4, 4), rand(5, 4))


def item_in(x):
    n = int(x.sum().item())
    if n in {1, 2, 7}:
        return x * 2
    if n in [3, 0]:
        return x * 3
    if n in range(4, 9, 2):
        return x * 4
    return x


PROGRAMS.add(item_in, vec(1.0, 1), vec(3.0, 0.0), vec(4.0, 0), vec(5.0, 0), vec(0.0, 0))


def visited(x):
    seen = set()
    out = 0
    for t in [x, x, x * 2]:
        if t in seen:
            continue
        seen.add(t)
        out = out + t
    return out


PROGRAMS.add(visited, *ROWS)


def idkey(x):
    seen = {}
    for t in [x, x, x * 2]:
        seen[id(t)] = t
    return sum(seen.values())


PROGRAMS.add(idkey, *ROWS)


def set_ops(x):
    a = {x}
    y = x * 2
    b = {y, x}
    return x * (len(a | b) + 10 * len(a & b) + 100 * len(b - a) + 1000 * a.issubset(b))


PROGRAMS.add(set_ops, *ROWS)


def opcontains(x):
    return x * (1 + operator.contains([x], x) + [x].__contains__(x) + {x}.__contains__(x * 1))


PROGRAMS.add(opcontains, *ROWS)


def mixed(x):
    return x * (1 + (1 in [x, 1]))


PROGRAMS.add(mixed, *NUMBERS)


def zip_star(x):
    a, s = zip(*[(r, r.sum()) for r in x])
    return torch.stack(a) * 2, torch.stack(s)


PROGRAMS.add(zip_star, rand(3, 4), rand(1, 4), rand(5, 4))


def zip_star2(x):
    a, s = zip(*x)
    return a[0] + s[0]


PROGRAMS.add(zip_star2, rand(3, 2), rand(1, 2), rand(5, 2), expect="either")


def zip_star3(x):
    l = [(r, r.sum()) for r in x]
    out = list(zip(*l))
    return torch.stack(out[0]) * 2, torch.stack(out[1])


PROGRAMS.add(zip_star3, rand(3, 4), rand(1, 4), rand(5, 4))


def zip_star4(x):
    cols = [torch.stack(c) for c in zip(*[(r, r * 2, r * 3) for r in x])]
    return torch.cat(cols)


PROGRAMS.add(zip_star4, rand(3, 4), rand(1, 4), rand(5, 4))


def map_list_zip(x):
    a, b = map(list, zip(*[(r, r * 2) for r in x]))
    return torch.stack(a), torch.stack(b)


PROGRAMS.add(map_list_zip, rand(3, 4), rand(1, 4), rand(5, 4))
