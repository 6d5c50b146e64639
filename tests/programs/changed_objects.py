"""Objects in lists of dynamic length that are changed through the list and loop variables."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("changed_objects")
X0, X1, X2, X3, X6 = (rand(n, 4, seed=n) for n in (0, 1, 2, 3, 6))
XS, XN = (X3, X0, X1, X2, X6), (X3, X1, X2, X6)


class Sample:
    def __init__(self, x):
        self.x = x
        self.meta = {"k": x.sum()}
        self.pred = None


def xs_of(items):
    return torch.stack([s.x for s in items])


def branch_change(x):
    items = [Sample(r) for r in x]
    if x.sum() > 0:
        items[0].x = items[0].x * 5
    return xs_of(items)


PROGRAMS.add(branch_change, *XN)


def branch_in_loop(x):
    items = [Sample(r) for r in x]
    for s in items:
        if s.x.sum() > 0:
            s.x = s.x * 2
        else:
            s.meta["k"] = s.meta["k"] - 1
    return xs_of(items), torch.stack([s.meta["k"] for s in items])


PROGRAMS.add(branch_in_loop, *XN)


def nested_meta(x):
    items = [Sample(r) for r in x]
    for s in items:
        s.meta["k"] = s.meta["k"] * 2
    for s in items:
        s.meta["n"] = s.meta["k"] + 1
    return torch.stack([s.meta["n"] + s.meta["k"] for s in items])


PROGRAMS.add(nested_meta, *XN)


def pop_push(x):
    items = [Sample(r) for r in x]
    m = []
    while items:
        s = items.pop()
        s.x = s.x * 2
        m.append(s)
    return xs_of(m)


PROGRAMS.add(pop_push, *XN)


def pop_two_push(x):
    items = [Sample(r) for r in torch.cat((x, x + 1))]
    m = []
    while items:
        a = items.pop(0)
        b = items.pop()
        a.x = a.x * 2 + b.x
        b.x = b.x - 1
        m.append(a)
        m.append(b)
    return xs_of(m)


# What it leaves in the list does not settle.
PROGRAMS.add(pop_two_push, *XN, expect="either")


def pop_push_some(x):
    items = [Sample(r) for r in x]
    m = []
    while items:
        s = items.pop()
        s.x = s.x * 2
        s.meta["k"] = s.meta["k"] + 1
        if s.x.sum() > 0:
            m.append(s)
    return torch.stack([s.x for s in m] + [x[0]]), torch.stack([s.meta["k"] for s in m] + [x[0, 0]])


PROGRAMS.add(pop_push_some, *XN)


def pop_last_before(x):
    items = [Sample(r) for r in x]
    last = None
    total = x[0] * 0
    while items:
        s = items.pop()
        s.x = s.x * 2
        if last is not None:
            total = total + last.x
        last = s
    return total


PROGRAMS.add(pop_last_before, *XN)


def pop_first_before(x):
    items = [Sample(r) for r in x]
    s = items[0]
    total = x[0] * 0
    while items:
        t = items.pop()
        t.x = t.x * 2
        total = total + s.x
        s = t
    return total


PROGRAMS.add(pop_first_before, *XN, expect="either")


def pop_seeded(x):
    items = [Sample(r) for r in x]
    m = [items[0]]
    while items:
        s = items.pop()
        s.x = s.x * 2
        m.append(s)
    return xs_of(m)


PROGRAMS.add(pop_seeded, *XN, expect="either")


def pop_of_all(x):
    everything = [Sample(r) for r in x]
    m = []
    for _ in range(x.shape[0]):
        items = list(everything)
        s = items.pop()
        s.x = s.x * 2
        m.append(s)
    return xs_of(m)


PROGRAMS.add(pop_of_all, *XN, expect="either")


def pop_of_all_carried(x):
    everything = [Sample(r) for r in x]
    items = list(everything)
    m = []
    for _ in range(x.shape[0]):
        s = items.pop()
        s.x = s.x * 2
        m.append(s)
        items = list(everything)
    return xs_of(m)


PROGRAMS.add(pop_of_all_carried, *XN, expect="either")


def pop_and_back(x):
    items = [Sample(r) for r in x]
    m = []
    for _ in range(x.shape[0]):
        s = items.pop(0)
        s.x = s.x * 2
        m.append(s)
        if s.x.sum() > 0:
            items.append(m[0])
        else:
            items.append(s)
    return xs_of(m), xs_of(items)


PROGRAMS.add(pop_and_back, *XN, expect="either")


def pop_shares_parts(x):
    items = [Sample(r) for r in x]
    m = []
    while items:
        s = items.pop()
        if items:
            items[0].meta = s.meta
        s.meta["k"] = s.meta["k"] + 1
        m.append(s)
    return torch.stack([s.meta["k"] for s in m])


PROGRAMS.add(pop_shares_parts, *XN, expect="either")


def pop_push_same(x):
    items = [Sample(r) for r in x]
    s = items.pop(0)
    s.x = s.x * 2
    items.append(s)
    return xs_of(items)


PROGRAMS.add(pop_push_same, *XN)


def pop_push_then_change(x):
    items = [Sample(r) for r in x]
    s = items.pop(0)
    items.append(s)
    s.x = s.x * 2
    return xs_of(items)


PROGRAMS.add(pop_push_then_change, *XN)


def index_neighbour(x):
    items = [Sample(r) for r in x]
    for i in range(1, len(items)):
        items[i].x = items[i].x + items[i - 1].x
    return xs_of(items)


PROGRAMS.add(index_neighbour, *XN)


def change_ahead(x):
    items = [Sample(r) for r in x] + [Sample(x[0])]
    for i, s in enumerate(items):
        if i + 1 < len(items):
            items[i + 1].x = items[i + 1].x + s.x
    return xs_of(items)


PROGRAMS.add(change_ahead, *XN)


def zip_two(x):
    items = [Sample(r) for r in x]
    m = [Sample(r * 2) for r in x]
    for a, b in zip(items, m):
        a.x = a.x + b.x
        b.x = b.x * a.x
    return xs_of(items), xs_of(m)


PROGRAMS.add(zip_two, *XN)


def list_copy(x):
    items = [Sample(r) for r in x]
    m = list(items)
    for s in m:
        s.x = s.x * 2
    return xs_of(m)


PROGRAMS.add(list_copy, *XN)


def slice_copy(x):
    items = [Sample(r) for r in x]
    m = items[1:]
    for s in items:
        s.x = s.x * 2
    return xs_of(items), len(m)


PROGRAMS.add(slice_copy, *XN)


def unbind_items(x):
    y = x * 1
    items = list(y.unbind(0))
    items[0].add_(1)
    return y, torch.stack(items)


PROGRAMS.add(unbind_items, *XN)


def tensor_sum(x):
    items = [r * 2 for r in x]
    for i in range(len(items)):
        items[i][0] = i
    return torch.stack(items), sum(t.sum() for t in items)


PROGRAMS.add(tensor_sum, *XN)


def boxes_scaled(x):
    items = [r * 2 for r in x]
    for b in items:
        b /= 3
    return torch.stack(items)


PROGRAMS.add(boxes_scaled, *XN)


def preds_assigned(x):
    samples = [Sample(r) for r in x]
    res = [r * 2 for r in x]
    for s, p in zip(samples, res):
        s.pred = p
    return torch.stack([s.pred for s in samples])


PROGRAMS.add(preds_assigned, *XN)


def preds_instances(x):
    samples = [Sample(r) for r in x]
    res = []
    for r in x:
        i = SimpleNamespace()
        i.boxes = r * 2
        i.scores = r.sum()
        res.append(i)
    for s, p in zip(samples, res):
        s.pred = p
    return torch.stack([s.pred.boxes for s in samples]), torch.stack(
        [s.pred.scores for s in samples]
    )


PROGRAMS.add(preds_instances, *XN)


def helper_function(x):
    def post(samples, rows):
        for s, r in zip(samples, rows):
            s.pred = r.sum()
        return samples

    items = [Sample(r) for r in x]
    out = post(items, x)
    return torch.stack([s.pred for s in out]), torch.stack([s.pred for s in items])


PROGRAMS.add(helper_function, *XN)


def while_idx(x):
    items = [dict(v=r.sum()) for r in x]
    i = 0
    while i < len(items):
        items[i]["v"] = items[i]["v"] + i
        i += 1
    return torch.stack([d["v"] for d in items])


PROGRAMS.add(while_idx, *XN)


def inner_loop(x):
    items = [dict(v=r.sum()) for r in x]
    for i in range(len(items)):
        for j in range(i):
            items[i]["v"] = items[i]["v"] + items[j]["v"]
    return torch.stack([d["v"] for d in items])


PROGRAMS.add(inner_loop, *XN)


def lists_grow(x):
    g = [[] for _ in range(x.shape[0])]
    for i in range(x.shape[0]):
        for j in range(i + 1):
            g[j].append(x[i].sum())
    return torch.stack([torch.stack(a).sum() for a in g])


PROGRAMS.add(lists_grow, *XN)


def list_item_pop(x):
    g = [[r, r * 2] for r in x]
    for a in g:
        a.pop()
    return torch.stack([torch.stack(a).sum() for a in g])


PROGRAMS.add(list_item_pop, *XN)


def changed_in_call(x):
    def change(s):
        s.x = s.x + 1

    items = [Sample(r) for r in x]
    for s in items:
        change(s)
    list(map(change, items))
    return xs_of(items)


PROGRAMS.add(changed_in_call, *XN)


def object_of_list(x):
    class Holder:
        pass

    h = Holder()
    h.items = [Sample(r) for r in x]
    for s in h.items:
        s.x = s.x * 2
    return xs_of(h.items)


PROGRAMS.add(object_of_list, *XN)


def in_tuple_items(x):
    items = [(Sample(r), i) for i, r in enumerate(x)]
    for s, i in items:
        s.x = s.x + i
    return torch.stack([s.x for s, _ in items])


PROGRAMS.add(in_tuple_items, *XN)


def early_break(x):
    items = [Sample(r) for r in x]
    for s in items:
        s.x = s.x * 2
        if s.x.sum() > 1:
            break
    return xs_of(items)


PROGRAMS.add(early_break, *XN)


def append_after(x):
    items = [Sample(r) for r in x]
    n = Sample(x[0] * 9)
    items.append(n)
    for s in items:
        s.x = s.x * 2
    return xs_of(items)


PROGRAMS.add(append_after, *XN)


def append_after_write(x):
    items = [Sample(r) for r in x]
    n = Sample(x[0] * 9)
    items.append(n)
    n.x = n.x * 2
    return xs_of(items)


PROGRAMS.add(append_after_write, *XN)
