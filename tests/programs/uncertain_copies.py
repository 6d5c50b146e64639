"""Copies of dicts some keys of which may not be there, and of what contains itself."""

# The programs are written as users write them.

from __future__ import annotations

import copy
from collections import OrderedDict, defaultdict

from tests.programs.program import Programs, rand

PROGRAMS = Programs("uncertain_copies")
ROWS = (rand(3, 4), rand(1, 4), rand(5, 4) + 1, rand(6, 4) - 1, rand(4, 4)[:0])


class Thing:
    pass


class Doubled:
    def __init__(self, v):
        self.v = v

    def __deepcopy__(self, memo):
        return Doubled(copy.deepcopy(self.v, memo) + 1)


class PerhapsNone:
    def __init__(self, v):
        self.v = v

    def __deepcopy__(self, memo):
        if self.v.sum() > 1:
            return None
        return PerhapsNone(self.v * 2)


def uncertain(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    e = copy.deepcopy(d)
    e["a"] = x * 3
    t = d["a"].sum() + e["a"].sum()
    if "b" in e:
        t = t + e["b"].sum()
    return t


def uncertain_copy(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    e = copy.copy(d)
    e["c"] = x * 3
    t = x.sum()
    for v in e.values():
        t = t + v.sum()
    return t + len(d)


def uncertain_dict_copy(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    e = d.copy()
    e["c"] = x * 3
    t = x.sum()
    for v in e.values():
        t = t + v.sum()
    return t + len(d)


def uncertain_nested(x):
    d = {"a": {"q": x}}
    if x.sum() > 0:
        d["a"]["b"] = x * 2
    e = copy.deepcopy(d)
    e["a"]["q"] = x * 3
    t = d["a"]["q"].sum()
    if "b" in e["a"]:
        t = t + e["a"]["b"].sum() + e["a"]["q"].sum()
    return t


def uncertain_object(x):
    o = Thing()
    o.a = x
    if x.sum() > 0:
        o.b = x * 2
    p = copy.deepcopy(o)
    p.a = x * 5
    return o.a.sum() + (p.b.sum() if hasattr(p, "b") else p.a.sum())


def uncertain_list(x):
    d = {"a": [x]}
    if x.sum() > 0:
        d["b"] = [x * 2]
    e = copy.deepcopy(d)
    e["a"].append(x)
    return x.sum() + len(e["a"]) + len(d["a"]) + (e["b"][0].sum() if "b" in e else 0)


def list_in_itself(x):
    items = [x]
    items.append(items)
    m = copy.deepcopy(items)
    return m[0] + m[1][0] + (1 if m[1] is m else 0) + (1 if m[1] is items else 0)


def dict_in_itself(x):
    d = {"x": x}
    d["me"] = d
    m = copy.deepcopy(d)
    m["x"] = x * 2
    return m["me"]["x"] + d["x"]


def object_in_itself(x):
    o = Thing()
    o.x = x
    o.me = o
    m = copy.deepcopy(o)
    m.x = x * 2
    return m.me.x + o.x


def parents(x):
    o = Thing()
    o.x = x
    c = Thing()
    c.p = o
    o.c = [c]
    m = copy.deepcopy(o)
    m.x = x * 2
    return m.c[0].p.x + o.x


def shallow_of_a_list_in_itself(x):
    items = [x]
    items.append(items)
    m = copy.copy(items)
    return m[0] + (1 if m[1] is items else 0)


def shared_part(x):
    items = [x]
    d = {"a": items}
    if x.sum() > 0:
        d["b"] = items
    e = copy.deepcopy(d)
    e["a"].append(x)
    t = x.sum() + len(items)
    if "b" in e:
        t = t + len(e["b"])
    return t


def ordered(x):
    d = OrderedDict()
    d["a"] = x
    if x.sum() > 0:
        d["b"] = x * 2
    e = copy.deepcopy(d)
    e["a"] = x * 3
    return d["a"].sum() + len(e) + e["a"].sum()


def default_dict(x):
    d = defaultdict(list)
    d["a"].append(x)
    if x.sum() > 0:
        d["b"].append(x * 2)
    e = copy.deepcopy(d)
    e["b"].append(x)
    e["c"].append(x)
    return x.sum() + len(e["b"]) * 10 + len(e["c"]) + len(d["a"])


def may_be_none(x):
    items = [x, None]
    if x.sum() > 0:
        items[1] = {"q": x}
    m = copy.deepcopy(items)
    if m[1] is not None:
        m[1]["q"] = x * 5
    t = x.sum()
    if items[1] is not None:
        t = t + items[1]["q"].sum() + m[1]["q"].sum()
    return t


def in_loop(x):
    d = {"a": x.sum()}
    out = x.sum(0)
    for row in x:
        e = copy.deepcopy(d)
        if row.sum() > 0:
            d["b"] = row
        e["a"] = e["a"] + 1
        out = out * 0.5 + e["a"] + d["a"]
        if "b" in e:
            out = out + e["b"]
    return out


def own_deepcopy(x):
    d = {"a": Doubled(x)}
    if x.sum() > 0:
        d["b"] = Doubled(x * 2)
    e = copy.deepcopy(d)
    t = e["a"].v.sum()
    if "b" in e:
        t = t + e["b"].v.sum()
    return t


def plain_object_uncertain(x):
    d = {"a": x}
    if x.sum() > 0:
        o = Thing()
        o.z = x * 2
        d["b"] = o
    e = copy.deepcopy(d)
    t = x.sum()
    if "b" in e:
        e["b"].z = e["b"].z + 1
        t = t + e["b"].z.sum() + d["b"].z.sum()
    return t


def write_copy(x):
    d = {"a": x * 1}
    if x.sum() > 0:
        d["b"] = d["a"]
    e = copy.deepcopy(d)
    e["a"].add_(1)
    t = d["a"].sum() + e["a"].sum()
    if "b" in e:
        t = t + e["b"].sum()
    return t


def write_orig(x):
    d = {"a": x * 1}
    if x.sum() > 0:
        d["b"] = x * 3
    e = copy.deepcopy(d)
    d["a"].add_(1)
    if "b" in d:
        d["b"].mul_(2)
    t = d["a"].sum() + e["a"].sum()
    if "b" in e:
        t = t + e["b"].sum() + d["b"].sum()
    return t


def self_in_dict(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    d["me"] = d
    e = copy.deepcopy(d)
    e["a"] = x * 2
    return e["me"]["a"] + d["a"]


def two_in_each_other(x):
    a = {"x": x}
    b = {"a": a}
    a["b"] = b
    c = copy.deepcopy(a)
    c["x"] = x * 2
    return c["b"]["a"]["x"] + a["x"]


def none_deepcopy(x):
    m = None
    if x.sum() > 0:
        m = PerhapsNone(x)
    e = copy.deepcopy({"m": m})
    t = x.sum()
    if e["m"] is not None:
        t = t + e["m"].v.sum()
    return t


def none_copy(x):
    m = None
    if x.sum() > 0:
        m = {"a": x}
    e = copy.copy(m)
    t = x.sum()
    if e is not None:
        e["a"] = x * 4
        t = t + m["a"].sum() + e["a"].sum()
    return t


for program in (
    uncertain,
    uncertain_copy,
    uncertain_dict_copy,
    uncertain_nested,
    uncertain_object,
    uncertain_list,
    list_in_itself,
    dict_in_itself,
    object_in_itself,
    parents,
    shallow_of_a_list_in_itself,
    shared_part,
    ordered,
    default_dict,
    may_be_none,
    in_loop,
    own_deepcopy,
    plain_object_uncertain,
    write_copy,
    write_orig,
    self_in_dict,
    two_in_each_other,
    none_deepcopy,
    none_copy,
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}})
