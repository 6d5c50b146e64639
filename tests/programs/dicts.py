"""Dicts whose keys differ from way to way."""

# The programs are written as users write them.

from __future__ import annotations

from collections import Counter, defaultdict

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("dicts")
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


def key_added(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    if "b" in d:
        return d["a"] + d["b"]
    return d["a"]


PROGRAMS.add(key_added, POS, NEG)


def key_get(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return d.get("b", x * 5)


PROGRAMS.add(key_get, POS, NEG)


def key_get_none(x):
    d = {}
    if x.sum() > 0:
        d["b"] = x * 2
    r = d.get("b")
    return x if r is None else r


PROGRAMS.add(key_get_none, POS, NEG)


def key_setdefault(x):
    d = {}
    if x.sum() > 0:
        d["b"] = x * 2
    return d.setdefault("b", x - 1) + d["b"]


PROGRAMS.add(key_setdefault, POS, NEG)


def key_pop(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    y = d.pop("b", x * 3)
    return y + (1 if "b" in d else 2)


PROGRAMS.add(key_pop, POS, NEG)


def key_sub(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return d["b"]


PROGRAMS.add(key_sub, POS)


def key_del(x):
    d = {"a": x, "b": x + 1}
    if x.sum() > 0:
        del d["b"]
    return d["a"] if "b" not in d else d["b"]


PROGRAMS.add(key_del, POS, NEG)


def key_pop_branch(x):
    d = {"a": x, "b": x + 1}
    if x.sum() > 0:
        d.pop("b")
    return d.get("b", x * 9)


PROGRAMS.add(key_pop_branch, POS, NEG)


def key_update(x):
    d = {"a": x}
    e = {}
    if x.sum() > 0:
        e["a"] = x * 2
        e["c"] = x * 4
    d.update(e)
    return d["a"], (d["c"] if "c" in d else x)


PROGRAMS.add(key_update, POS, NEG)


def key_update2(x):
    d = {"a": x}
    if x.sum() > 0:
        d.update(c=x * 4, a=x * 2)
    return d["a"], d.get("c", x)


PROGRAMS.add(key_update2, POS, NEG)


def key_len(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return x * len(d)


PROGRAMS.add(key_len, POS, NEG)


def key_truth(x):
    d = {}
    if x.sum() > 0:
        d["b"] = x * 2
    if d:
        return x
    return -x


PROGRAMS.add(key_truth, POS, NEG)


def key_copy(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    e = dict(d)
    f = d.copy()
    e["b"] = x * 3
    return e["b"] + f.get("b", x)


PROGRAMS.add(key_copy, POS, NEG)


def loop_key(x):
    d = {}
    for row in x:
        d["last"] = row
    return d.get("last", x.sum(0))


PROGRAMS.add(loop_key, X3, X1, X5, X0)


def loop_key_var(x):
    d = {}
    for row in x:
        d = {"last": row, "n": 1}
    return d["last"] if "last" in d else x.sum(0)


PROGRAMS.add(loop_key_var, X3, X1, X5, X0)


def loop_counter2(x):
    c = Counter()
    for row in x:
        if row[0] > 0:
            c["pos"] += 1
    return x.sum(0) * c["pos"]


PROGRAMS.add(loop_counter2, X3, X1, X5, X0)


def loop_defaultdict(x):
    c = defaultdict(int)
    for row in x:
        if row[0] > 0:
            c["pos"] += 1
        else:
            c["neg"] += 2
    return x.sum(0) * c["pos"] + c["neg"]


PROGRAMS.add(loop_defaultdict, X3, X1, X5, X0)


def branch_defaultdict(x):
    c = defaultdict(list)
    if x.sum() > 0:
        c["a"] = x
    else:
        c["b"] = x
    return c["a"] if "a" in c else c["b"] * 2


PROGRAMS.add(branch_defaultdict, POS, NEG)


def dict_rebound(x):
    b = {"a": x}
    if x.sum() > 0:
        b = {"a": x * 2}
    b["c"] = x
    return b["a"] + b["c"]


PROGRAMS.add(dict_rebound, POS, NEG)


def dict_rebound_loop(x):
    s = {"h": x.new_zeros(2)}
    for row in x:
        s = {"h": s["h"] + row}
    s["extra"] = x.sum(0)
    return s["h"] * s["extra"]


PROGRAMS.add(dict_rebound_loop, X3, X1, X5, X0)


def key_clear(x):
    d = {"a": x}
    if x.sum() > 0:
        d.clear()
    return d.get("a", x * 3)


PROGRAMS.add(key_clear, POS, NEG)


def key_nested(x):
    d = {"m": {}}
    if x.sum() > 0:
        d["m"]["k"] = x * 2
    return d["m"]["k"] if "k" in d["m"] else x


PROGRAMS.add(key_nested, POS, NEG)
