"""Items of lists of dynamic length that are changed while another name holds them: refused."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from tests.programs.changed_objects import XN, Sample, xs_of
from tests.programs.program import Programs

PROGRAMS = Programs("shared_items")


def two_loans(x):
    items = [Sample(r) for r in x]
    a = items[0]
    b = items[-1]
    a.x = a.x * 5
    return xs_of(items), b.x


PROGRAMS.add(two_loans, *XN, expect="refuse")


def alias_read_after(x):
    items = [Sample(r) for r in x]
    a = items[0]
    for s in items:
        s.x = s.x * 2
    return a.x


PROGRAMS.add(alias_read_after, *XN, expect="refuse")


def shared_dict(x):
    d = {"k": x.sum()}
    items = []
    for r in x:
        s = Sample(r)
        s.meta = d
        items.append(s)
    items[0].meta["k"] = items[0].meta["k"] * 3
    return torch.stack([s.meta["k"] for s in items])


PROGRAMS.add(shared_dict, *XN, expect="refuse")


def put_shared_later(x):
    d = {"k": x.sum()}
    items = [Sample(r) for r in x]
    for s in items:
        s.meta = d
    items[0].meta["k"] = items[0].meta["k"] * 3
    return torch.stack([s.meta["k"] for s in items]), d["k"]


PROGRAMS.add(put_shared_later, *XN, expect="refuse")


def append_twice(x):
    items = []
    for r in x:
        s = Sample(r)
        items.append(s)
        items.append(s)
    items[0].x = x[0] * 0
    return xs_of(items)


PROGRAMS.add(append_twice, *XN, expect="refuse")


def append_prev(x):
    items = []
    prev = Sample(x[0])
    for r in x:
        items.append(prev)
        if r.sum() > 0:
            prev = Sample(r)
    for s in items:
        s.x = s.x * 2
    return xs_of(items)


PROGRAMS.add(append_prev, *XN, expect="refuse")


def move_between(x):
    items = [Sample(r) for r in x]
    m = []
    for s in items:
        m.append(s)
    for s in items:
        s.x = s.x * 2
    return xs_of(items), xs_of(m)


PROGRAMS.add(move_between, *XN, expect="refuse")


def best_kept(x):
    items = [Sample(r) for r in x]
    best = items[0]
    for s in items:
        if s.x.sum() > best.x.sum():
            best = s
    best.x = best.x * 0
    return xs_of(items)


PROGRAMS.add(best_kept, *XN, expect="refuse")


def best_read(x):
    items = [Sample(r) for r in x]
    best = items[0]
    for s in items:
        if s.x.sum() > best.x.sum():
            best = s
    for s in items:
        s.x = s.x * 2
    return xs_of(items), best.x


PROGRAMS.add(best_read, *XN, expect="refuse")


def zip_same(x):
    items = [Sample(r) for r in x]
    for a, b in zip(items, items):
        a.x = a.x + 1
        b.x = b.x * 2
    return xs_of(items)


PROGRAMS.add(zip_same, *XN)


def list_copy_read(x):
    items = [Sample(r) for r in x]
    m = list(items)
    for s in m:
        s.x = s.x * 2
    return xs_of(items)


PROGRAMS.add(list_copy_read, *XN, expect="refuse")


def slice_copy_read(x):
    items = [Sample(r) for r in x] + [Sample(x[0])]
    m = items[1:]
    for s in items:
        s.x = s.x * 2
    return xs_of(m)


PROGRAMS.add(slice_copy_read, *XN, expect="refuse")


def tensor_view_items(x):
    y = x * 1
    items = [r for r in y]
    for r in items:
        r.add_(1)
    return torch.stack(items), y


PROGRAMS.add(tensor_view_items, *XN, expect="refuse")


def tensor_view_items2(x):
    y = x * 1
    items = []
    for r in y:
        items.append(r)
    items[0].add_(1)
    return y


PROGRAMS.add(tensor_view_items2, *XN, expect="refuse")


def tensor_named(x):
    items = []
    for r in x:
        t = r * 2
        items.append(t)
    u = items[0]
    for t in items:
        t.mul_(3)
    return u


PROGRAMS.add(tensor_named, *XN, expect="refuse")


def tuple_list(x):
    items = tuple(Sample(r) for r in x)
    for s in items:
        s.x = s.x * 2
    return xs_of(items)


PROGRAMS.add(tuple_list, *XN, expect="refuse")


def preds_changed_through_other(x):
    samples = [Sample(r) for r in x]
    res = []
    for r in x:
        i = SimpleNamespace()
        i.boxes = r * 2
        res.append(i)
    for s, p in zip(samples, res):
        s.pred = p
    for p in res:
        p.boxes = p.boxes * 0
    return torch.stack([s.pred.boxes for s in samples])


PROGRAMS.add(preds_changed_through_other, *XN, expect="refuse")


def set_then_change(x):
    items = [Sample(r) for r in x]
    n = Sample(x[0] * 9)
    items[0] = n
    n.x = n.x * 2
    return xs_of(items)


PROGRAMS.add(set_then_change, *XN, expect="refuse")


def set_then_change2(x):
    items = [Sample(r) for r in x]
    n = Sample(x[0] * 9)
    items[0] = n
    for s in items:
        s.x = s.x * 2
    return xs_of(items), n.x


PROGRAMS.add(set_then_change2, *XN, expect="refuse")


def append_after_read(x):
    items = [Sample(r) for r in x]
    n = Sample(x[0] * 9)
    items.append(n)
    for s in items:
        s.x = s.x * 2
    return n.x


PROGRAMS.add(append_after_read, *XN, expect="refuse")


def last_var_after_loop(x):
    items = []
    d = None
    for r in x:
        d = dict(a=r)
        items.append(d)
    d["a"] = d["a"] * 0
    return torch.stack([e["a"] for e in items])


PROGRAMS.add(last_var_after_loop, *XN, expect="refuse")


def list_replaced_then_item_changed(x):
    items = [dict(a=r) for r in x]
    items.append(dict(a=x[0]))
    a = items[0]
    items[1] = dict(a=x[0] * 2)
    a["a"] = x[0] * 7
    return torch.stack([e["a"] for e in items])


PROGRAMS.add(list_replaced_then_item_changed, *XN, expect="refuse")


def pop_then_old_name(x):
    items = [dict(a=r) for r in x]
    a = items[-1]
    b = items.pop()
    b["a"] = x[0] * 7
    return a["a"]


PROGRAMS.add(pop_then_old_name, *XN, expect="refuse")


def tensor_last_var(x):
    items = []
    for r in x:
        t = r * 2
        items.append(t)
    t.add_(1)
    return torch.stack(items)


PROGRAMS.add(tensor_last_var, *XN, expect="refuse")


def tensor_old_spread(x):
    items = [r * 2 for r in x]
    items.append(x[0])
    a = items[0]
    items[1] = x[0] * 2
    a.add_(5)
    return torch.stack(items)


PROGRAMS.add(tensor_old_spread, *XN, expect="refuse")


def list_copy_pop(x):
    items = [dict(a=r) for r in x]
    m = list(items)
    a = m.pop()
    a["a"] = x[0] * 9
    return torch.stack([e["a"] for e in items])


PROGRAMS.add(list_copy_pop, *XN, expect="refuse")


def branch_lists(x):
    items = [dict(a=x[0])]
    if x.sum() > 0:
        items.append(dict(a=x[0] * 2))
    a = items[-1]
    items.append(dict(a=x[0] * 3))
    a["a"] = x[0] * 9
    return torch.stack([e["a"] for e in items])


PROGRAMS.add(branch_lists, *XN, expect="refuse")


def same_twice(x):
    d = dict(a=x[0])
    items = []
    for r in x:
        items.append(d)
    d["a"] = x[0] * 3
    return torch.stack([e["a"] for e in items])


PROGRAMS.add(same_twice, *XN, expect="refuse")


def var_read_after(x):
    items = []
    for r in x:
        t = dict(a=r)
        items.append(t)
    q = items.pop()
    q["a"] = x[0] * 5
    return t["a"]


PROGRAMS.add(var_read_after, *XN, expect="refuse")


def item_is_itself(x):
    items = [Sample(r) for r in x]
    return (1 if items[0] is items[0] else 0) + x.sum()


PROGRAMS.add(item_is_itself, *XN)


def last_is_the_variable(x):
    items = []
    for r in x:
        s = r * 2
        items.append(s)
    return (1 if items[-1] is s else 0) + x.sum()


PROGRAMS.add(last_is_the_variable, *XN, expect="refuse", match="one object")
