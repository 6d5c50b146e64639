"""Objects, named containers and their attributes in branches and loops."""

# The programs are written as users write them.
# ruff: noqa: E741, F841

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("objects")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0, -3.0)
X3, X1, X5 = (
    vec(1.0, 2.0, 3.0, -4.0, -1.0, 5.0).reshape(3, 2),
    vec(1.0, 2.0).reshape(1, 2),
    rand(5, 2),
)
X0 = X3[:0].clone()


class Box:
    def __init__(self, v):
        self.v = v
        self.n = 0


@dataclass(frozen=True)
class Fz:
    v: object
    n: int = 0


@dataclass
class Acc:
    v: object
    items: list = field(default_factory=list)
    extra: dict = field(default_factory=dict)


def ordered(x):
    d = OrderedDict(a=x, b=x + 1)
    if x.sum() > 0:
        d.move_to_end("a")
    return list(d.values())


PROGRAMS.add(ordered, POS, NEG, expect="refuse")


def ordered2(x):
    d = OrderedDict(a=x, b=x + 1)
    if x.sum() > 0:
        d["c"] = x
        e = d
    else:
        e = OrderedDict(a=x)
    return e["a"]


PROGRAMS.add(ordered2, POS, NEG)


def deque_loop(x):
    q = deque([x.new_zeros(2)] * 2, maxlen=2)
    for row in x:
        q.append(row)
    return q[0] + q[1] * 2


PROGRAMS.add(deque_loop, X3, X1, X5, X0)


def deque_branch(x):
    q = deque([x, x + 1, x + 2], maxlen=3)
    if x.sum() > 0:
        q.append(x * 9)
    else:
        q.rotate(1)
    return q[0], q[2]


PROGRAMS.add(deque_branch, POS, NEG)


def deque_assigned(x):
    q = deque([x, x + 1], maxlen=2) if x.sum() > 0 else deque([x * 3, x], maxlen=2)
    q.appendleft(x * 8)
    return q[0] + q[1]


PROGRAMS.add(deque_assigned, POS, NEG)


def frozen(x):
    f = Fz(x)
    if x.sum() > 0:
        f = replace(f, v=x * 2, n=3)
    return f.v * f.n


PROGRAMS.add(frozen, POS, NEG)


def frozen_none(x):
    f = Fz(None)
    if x.sum() > 0:
        f = Fz(x * 2, 3)
    return x if f.v is None else f.v * f.n


PROGRAMS.add(frozen_none, POS, NEG)


def factory(x):
    a = Acc(x)
    if x.sum() > 0:
        a.extra["k"] = x * 2
        a.v = x + 1
    return a.v + a.extra.get("k", x)


PROGRAMS.add(factory, POS, NEG)


def obj_attr_added(x):
    b = Box(x)
    if x.sum() > 0:
        b.extra = x * 3
    return getattr(b, "extra", x)


PROGRAMS.add(obj_attr_added, POS, NEG)


def obj_attr_assumed(x):
    b = Box(x)
    if x.sum() > 0:
        b.extra = x * 3
    return b.extra


PROGRAMS.add(obj_attr_assumed, POS)


def obj_two(x):
    a = Box(x) if x.sum() > 0 else Box(x * 2)
    a.v = a.v + 1
    a.n += 2
    return a.v * a.n


PROGRAMS.add(obj_two, POS, NEG)


def obj_two_aliased(x):
    p, q = Box(x), Box(x * 2)
    a = p if x.sum() > 0 else q
    a.v = a.v + 1
    return p.v


PROGRAMS.add(obj_two_aliased, POS, NEG)


def obj_two_read(x):
    p, q = Box(x), Box(x * 2)
    a = p if x.sum() > 0 else q
    return a.v + p.v


PROGRAMS.add(obj_two_read, POS, NEG)


def obj_rebound(x):
    b = Box(x)
    if x.sum() > 0:
        b = Box(x * 2)
    b.v = b.v + 1
    return b.v


PROGRAMS.add(obj_rebound, POS, NEG)


def list_rebound(x):
    b = [x]
    if x.sum() > 0:
        b = [x * 2]
    b.append(x)
    return b[0] + b[1]


PROGRAMS.add(list_rebound, POS, NEG)


def obj_loop(x):
    s = Box(x.new_zeros(2))
    for row in x:
        s.v = s.v + row
        s.n += 1
    return s.v, s.n


PROGRAMS.add(obj_loop, X3, X1, X5, X0)


def obj_loop_new(x):
    s = Box(x.new_zeros(2))
    for row in x:
        s = Box(s.v + row)
    s.v = s.v + 1
    return s.v


PROGRAMS.add(obj_loop_new, X3, X1, X5, X0)


def obj_in_dict(x):
    d = {"b": Box(x)}
    if x.sum() > 0:
        d["b"].v = x * 2
        d["c"] = Box(x * 3)
    return d["b"].v + (d["c"].v if "c" in d else 0)


PROGRAMS.add(obj_in_dict, POS, NEG)


def sets_(x):
    s = {1, 2}
    if x.sum() > 0:
        s.add(3)
    return x if 3 in s else -x


PROGRAMS.add(sets_, POS, NEG)


def sets_same(x):
    s = {1, 2}
    if x.sum() > 0:
        s.add(2)
    return x * len(s)


PROGRAMS.add(sets_same, POS, NEG)


def ns(x):
    s = SimpleNamespace(a=x)
    if x.sum() > 0:
        s = SimpleNamespace(a=x * 2)
    return s.a


PROGRAMS.add(ns, POS, NEG)


def ns_attr(x):
    s = SimpleNamespace(a=x)
    if x.sum() > 0:
        s.b = x * 2
    return s.b if hasattr(s, "b") else s.a


PROGRAMS.add(ns_attr, POS, NEG)


def alias_both(x):
    l = [x]
    if x.sum() > 0:
        m = [x * 2]
        n = m
    else:
        m = [x]
        n = [x]
    m[0] = x * 7
    return n[0]


PROGRAMS.add(alias_both, POS, NEG, expect="refuse")


def alias_same_both(x):
    if x.sum() > 0:
        m = [x * 2]
        n = m
    else:
        m = [x]
        n = m
    m[0] = x * 7
    return n[0]


PROGRAMS.add(alias_same_both, POS, NEG)


def aug_list_branch(x):
    l = [x]
    k = l
    if x.sum() > 0:
        l = l + [x]
    else:
        l = l + [x * 2]
    l += [x]
    return l[1] * len(k)


PROGRAMS.add(aug_list_branch, POS, NEG)


def attr_then_alias(x):
    r = Acc(x)
    if x.sum() > 0:
        r.v = x * 5
        q = r
    else:
        q = Acc(-x)
    return q.v


PROGRAMS.add(attr_then_alias, POS, NEG)


def contains_none(x):
    d = {"a": None}
    if x.sum() > 0:
        d["a"] = x
    return x * 2 if d["a"] is None else d["a"]


PROGRAMS.add(contains_none, POS, NEG)


def del_attr(x):
    b = Box(x)
    if x.sum() > 0:
        del b.n
    return x if hasattr(b, "n") else -x


PROGRAMS.add(del_attr, POS, NEG)


def enumerate_dict(x):
    d = {"a": x, "b": x * 2}
    if x.sum() > 0:
        d["a"] = x * 3
    t = x
    for i, (k, v) in enumerate(d.items()):
        t = t + v * i
    return t


PROGRAMS.add(enumerate_dict, POS, NEG)


class _Fields:
    def keep(self, rows):
        made = _Fields()
        for name in sorted(vars(self), reverse=True):
            setattr(made, name, getattr(self, name)[rows])
        return made


def attributes_set_in_another_order(x):
    found = _Fields()
    found.boxes, found.scores = x[x[:, 0] > 0], x[x[:, 0] > 0][:, 1]
    if found.boxes.numel() > 0:
        found = found.keep(found.scores.argsort())
        found.scores = found.boxes[:, 1] * 2
    return found.boxes, found.scores


PROGRAMS.add(
    attributes_set_in_another_order,
    *(torch.arange(n * 3.0).reshape(n, 3).cos() for n in (5, 1, 0, 8)),
    -torch.ones(2, 3),
)
