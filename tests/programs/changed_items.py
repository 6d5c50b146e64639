"""Items of lists of dynamic length that are changed where they are."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("changed_items")
X0, X1, X2, X3, X6 = (rand(n, 4, seed=n) for n in (0, 1, 2, 3, 6))
XS, XN = (X3, X0, X1, X2, X6), (X3, X1, X2, X6)


def dict_items_changed(x):
    items = [dict(a=r) for r in x]
    for d, r in zip(items, x):
        d["b"] = r * 2
    return torch.stack([d["b"] + d["a"] for d in items])


PROGRAMS.add(dict_items_changed, *XN)


def dict_items_changed_idx(x):
    items = [dict(a=r) for r in x]
    for i in range(len(items)):
        items[i]["a"] = items[i]["a"] * 2
    return torch.stack([d["a"] for d in items])


PROGRAMS.add(dict_items_changed_idx, *XN)


def dict_items_changed_loopvar(x):
    items = [dict(a=r) for r in x]
    for d in items:
        d["a"] = d["a"] * 2
    return torch.stack([d["a"] for d in items])


PROGRAMS.add(dict_items_changed_loopvar, *XN)


def dict_items_update(x):
    items = [dict(a=r) for r in x]
    for d in items:
        d.update(b=d["a"] * 2)
    return torch.stack([d["b"] for d in items])


PROGRAMS.add(dict_items_update, *XN)


def dict_items_pop(x):
    items = [dict(a=r, b=r * 2) for r in x]
    for d in items:
        d.pop("a")
    return torch.stack([d["b"] for d in items])


PROGRAMS.add(dict_items_pop, *XN)


class Sample:
    def __init__(self, x):
        self.x = x
        self.pred = None

    def set(self, p):
        self.pred = p


def obj_items_changed(x):
    items = [Sample(r) for r in x]
    for s, row in zip(items, x):
        s.pred = row * 2
    return torch.stack([s.pred for s in items])


PROGRAMS.add(obj_items_changed, *XN)


def obj_items_method(x):
    items = [Sample(r) for r in x]
    for s in items:
        s.set(s.x * 3)
    return torch.stack([s.pred for s in items])


PROGRAMS.add(obj_items_method, *XN)


def obj_items_first(x):
    items = [Sample(r) for r in x]
    items[0].x = x[0] * 5
    items[-1].x = x[0] * 7
    return torch.stack([s.x for s in items])


PROGRAMS.add(obj_items_first, *XN)


def obj_two_names(x):
    items = [Sample(r) for r in x]
    m = items
    for s in m:
        s.x = s.x * 2
    return torch.stack([s.x for s in items])


PROGRAMS.add(obj_two_names, *XN)


def obj_list_copy(x):
    items = [Sample(r) for r in x]
    m = [s for s in items]
    for s in m:
        s.x = s.x * 2
    return torch.stack([s.x for s in items])


PROGRAMS.add(obj_list_copy, *XN, expect="refuse")


def none_times_n(x):
    out = [None] * x.shape[0]
    for i in range(x.shape[0]):
        out[i] = x[i] * 2
    return torch.stack(out)


PROGRAMS.add(none_times_n, *XN)


def zero_times_n(x):
    out = [0.0] * x.shape[0]
    for i in range(x.shape[0]):
        out[i] = x[i].sum().item()
    return torch.tensor(out)


PROGRAMS.add(zero_times_n, *XN)


def dict_times_n(x):
    metas = [dict(k=1)] * x.shape[0]
    metas[0]["k"] = 5
    s = 0
    for m in metas:
        s = s + m["k"]
    return s + x.sum()


PROGRAMS.add(dict_times_n, *XN, expect="refuse")


def dict_comp_n(x):
    metas = [dict(shape=x.shape[1:], scale=1.0) for _ in range(x.shape[0])]
    out = []
    for m, r in zip(metas, x):
        out.append(r * m["scale"] + m["shape"][0])
    return torch.stack(out)


PROGRAMS.add(dict_comp_n, *XN)


def metas_first_changed(x):
    metas = [dict(k=i) for i in range(x.shape[0])]
    metas[0]["k"] = 7
    return sum(m["k"] for m in metas)


PROGRAMS.add(metas_first_changed, *XN)


def results_objs(x):
    res = []
    for r in x:
        s = SimpleNamespace()
        s.box = r * 2
        s.score = r.sum()
        res.append(s)
    for s in res:
        s.box = s.box / 2
    return torch.stack([s.box for s in res]), torch.stack([s.score for s in res])


PROGRAMS.add(results_objs, *XN)


def tensor_items_inplace(x):
    items = [r.clone() for r in x]
    for r in items:
        r.add_(1)
    return torch.stack(items)


PROGRAMS.add(tensor_items_inplace, *XN)


def tensor_items_inplace_idx(x):
    items = [r.clone() for r in x]
    for i in range(len(items)):
        items[i] += 1
    return torch.stack(items)


PROGRAMS.add(tensor_items_inplace_idx, *XN)


def tensor_items_setitem(x):
    items = [r.clone() for r in x]
    for i, r in enumerate(items):
        r[0] = i
    return torch.stack(items)


PROGRAMS.add(tensor_items_setitem, *XN)


def nested_items_append(x):
    lists = [[r] for r in x]
    for items in lists:
        items.append(items[0] * 2)
    return torch.stack([items[1] for items in lists])


PROGRAMS.add(nested_items_append, *XN)


def nested_items_append_idx(x):
    n = x.shape[0]
    lists = [[] for _ in range(n)]
    for i in range(n):
        lists[i].append(x[i])
    return torch.stack([items[0] for items in lists])


PROGRAMS.add(nested_items_append_idx, *XN)


def largest_by_axis(x):
    """The first item takes the largest numbers of all: the others are in a slice without it."""
    sizes = [[int(row[0]), int(row[1] * 2)] for row in x]
    largest = sizes[0]
    for one in sizes[1:]:
        for k, size in enumerate(one):
            largest[k] = max(largest[k], size)
    return torch.tensor(largest), sizes[0][0], sizes[-1][1]


PROGRAMS.add(largest_by_axis, *(row * 9 for row in XN))


def first_item_sums_a_slice(x):
    items = [[row.sum(), row.max()] for row in x]
    first = items[0]
    for one in items[1:]:
        first[0] = first[0] + one[1]
    return first[0] + items[0][0], items[-1][0]


PROGRAMS.add(first_item_sums_a_slice, *XN)


def last_item_is_not_before_it(x):
    items = [[row.sum()] for row in x]
    last = items[-1]
    for one in items[:-1]:
        last[0] = last[0] * 0.5 + one[0]
    return items[-1][0], last[0]


PROGRAMS.add(last_item_is_not_before_it, *XN, expect="either")


def item_in_its_own_slice(x):
    items = [[row.sum()] for row in x]
    first = items[0]
    for one in items[0:]:
        first[0] = first[0] + one[0]
    return first[0], items[-1][0]


PROGRAMS.add(item_in_its_own_slice, *XN, expect="refuse", match="may be the same item")


def items_read_twice(x):
    """As detectors write what they found back into its dict."""
    results = [{"boxes": row, "masks": row * 2} for row in x]
    for k, (found, scale) in enumerate(zip(results, [row.sum() for row in x])):
        boxes = found["boxes"] * scale
        results[k]["boxes"] = boxes
        if "masks" in found:
            results[k]["masks"] = found["masks"] + found["boxes"]
    return results


PROGRAMS.add(items_read_twice, *XS)


def two_names_of_one_item(x):
    items = [[row.sum(), row.max()] for row in x]
    for k in range(len(items)):
        a, b = items[k], items[k]
        a[0] = b[1] * 2
        if b[0] > 0:
            b[1] = a[0] - 1
        items[k][0] = items[k][0] + a[1]
    return [item[0] + item[1] for item in items]


PROGRAMS.add(two_names_of_one_item, *XS)


def one_tensor_read_twice(x):
    rows = [row * 1 for row in x]
    for k in range(len(rows)):
        row = rows[k]
        rows[k].add_(1)
        row.mul_(2)
        rows[k] += row
    return rows


PROGRAMS.add(one_tensor_read_twice, *XS)


def item_that_another_index_may_change(x, k, j):
    items = [[row.sum()] for row in x]
    a = items[int(k)]
    items[int(j)][0] = items[int(j)][0] + 1
    return a[0]


PROGRAMS.add(
    item_that_another_index_may_change,
    (X3, torch.tensor(0), torch.tensor(0)),
    (X3, torch.tensor(0), torch.tensor(2)),
    expect="refuse",
    match="may be the same item",
)


def one_item_read_before_and_in_the_loop(x):
    items = [[row.sum(), row.max()] for row in x]
    first = items[0]
    for row in x:
        items[0][0] = items[0][0] + row.sum()
        first[1] = first[1] * 0.5 + items[0][0]
        if row.sum() > 0:
            items[0][1] = items[0][1] - 1
    return first[0], first[1], items[0][0], items[0][1], items[-1][0]


PROGRAMS.add(one_item_read_before_and_in_the_loop, *XN)


def items_read_in_loops_in_loops(x):
    items, total = [[row.sum(), row.max()] for row in x], x.sum()
    for k in range(len(items)):
        for j in range(len(items)):
            total = total + items[k][0] * items[j][1]
        if items[k][0] > 0:
            items[k][1] = items[k][1] + total * 0.1
            again = items[k]
            again[0] = again[0] + 1
        total = total + items[k][1]
    return total, [item[0] + item[1] for item in items]


PROGRAMS.add(items_read_in_loops_in_loops, *XN)
