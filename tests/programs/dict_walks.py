"""All keys of a dict are needed, and some are there on some ways only: refused."""

# The programs are written as users write them.
# ruff: noqa: RUF059

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("dict_walks")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0, -3.0)
X3, X1, X5 = (
    vec(1.0, 2.0, 3.0, -4.0, -1.0, 5.0).reshape(3, 2),
    vec(1.0, 2.0).reshape(1, 2),
    rand(5, 2),
)
X0 = X3[:0].clone()


def key_iter(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    t = x
    for k, v in d.items():
        t = t + v
    return t


PROGRAMS.add(key_iter, POS, NEG)


def key_values(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return sum(d.values())


PROGRAMS.add(key_values, POS, NEG)


def key_list(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return x * len(list(d))


PROGRAMS.add(key_list, POS, NEG, scripted=False)


def key_star(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2

    def f(a, b=1):
        return a * b

    return f(**d)


PROGRAMS.add(key_star, POS, NEG)


def key_star_display(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    e = {"b": x * 7, **d}
    return e["b"]


PROGRAMS.add(key_star_display, POS, NEG, expect="refuse")


def key_star_list(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return x * len([*d])


PROGRAMS.add(key_star_list, POS, NEG)


def key_union(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    e = {"b": x * 7} | d
    return e["b"]


PROGRAMS.add(key_union, POS, NEG)


def key_eq(x):
    d = {"a": 1}
    if x.sum() > 0:
        d["b"] = 2
    return x if d == {"a": 1} else -x


PROGRAMS.add(key_eq, POS, NEG)


def key_order(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    d["c"] = x + 5
    d["b"] = x - 1
    return list(d.values())


PROGRAMS.add(key_order, POS, NEG, expect="refuse")


def key_return(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return d


PROGRAMS.add(key_return, POS, NEG)


def key_order2(x):
    if x.sum() > 0:
        d = {"a": x, "b": x + 1}
    else:
        d = {"b": x, "a": x + 1}
    return list(d.values())


PROGRAMS.add(key_order2, POS, NEG)


def loop_key2(x):
    d = {}
    for row in x:
        if row[0] > 0:
            d["p"] = d.get("p", 0) + row
        else:
            d["n"] = row
    t = x.sum(0)
    if "p" in d:
        t = t + d["p"]
    if "n" in d:
        t = t * d["n"]
    return t


PROGRAMS.add(loop_key2, X3, X1, X5, X0)


def loop_counter(x):
    c = {"pos": 0, "neg": 0}
    for row in x:
        c["pos" if row.shape[0] > 5 else "neg"] += 1
        if row[0] > 0:
            c["pos"] += 1
    return c["pos"], c["neg"]


PROGRAMS.add(loop_counter, X3, X1, X5, X0)


def dict_view_after(x):
    d = {"a": x}
    v = d.items()
    if x.sum() > 0:
        d["b"] = x
    return x * len(v)


PROGRAMS.add(dict_view_after, POS, NEG)


def key_keys(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return x * len(d.keys())


PROGRAMS.add(key_keys, POS, NEG)


def key_in_keys(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return x if "b" in d.keys() else -x


PROGRAMS.add(key_in_keys, POS, NEG, scripted=False)


def key_comp(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return sum(v for v in d.values())


PROGRAMS.add(key_comp, POS, NEG)


def key_comp2(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return x * len([k for k in d])


PROGRAMS.add(key_comp2, POS, NEG, scripted=False)


def key_sorted(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return x * len(sorted(d))


PROGRAMS.add(key_sorted, POS, NEG)


def key_zip(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    t = x
    for k, n in zip(d, [1, 2]):
        t = t + n
    return t


PROGRAMS.add(key_zip, POS, NEG)


def key_unpack(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    a, *r = d
    return x * len(r)


PROGRAMS.add(key_unpack, POS, NEG)


def key_max(x):
    d = {"a": 1}
    if x.sum() > 0:
        d["b"] = 2
    return x * max(d.values())


PROGRAMS.add(key_max, POS, NEG)


def key_stack(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    return torch.stack(tuple(d.values())).sum(0)


PROGRAMS.add(key_stack, POS, NEG)


def key_any(x):
    d = {}
    if x.sum() > 0:
        d["b"] = True
    return x if any(d) else -x


PROGRAMS.add(key_any, POS, NEG)


def key_popitem(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x * 2
    k, v = d.popitem()
    return v


PROGRAMS.add(key_popitem, POS, NEG, expect="refuse")


def dict_fromkeys(x):
    d = {}
    if x.sum() > 0:
        d["b"] = x * 2
    e = dict.fromkeys(d, 1)
    return x * len(e)


PROGRAMS.add(dict_fromkeys, POS, NEG, expect="refuse")
