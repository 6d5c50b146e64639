"""Objects with a second name on some ways, which are changed where they are."""

# The programs are written as users write them.
# ruff: noqa: E741

from __future__ import annotations

import torch
from torch import nn

from tests.programs.program import Programs, vec

PROGRAMS = Programs("second_names")
X3 = vec(1.0, 2.0, 3.0, -4.0, -1.0, 5.0).reshape(3, 2)
INPUTS = (
    X3,
    -torch.ones(4, 2),
    torch.arange(10.0).reshape(5, 2) - 4,
    X3[:1].clone(),
    X3[:0].clone(),
)


class Box:
    def __init__(self, v):
        self.v = v
        self.n = 0
        self.items = [v]

    def bump(self, d):
        self.n = self.n + 1
        self.v = self.v + d

    def add(self, v):
        self.items.append(v)
        return self

    @property
    def total(self):
        return sum(self.items) + self.v

    @total.setter
    def total(self, t):
        self.v = t


class TwoBuffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("a", torch.zeros(2))
        self.register_buffer("b", torch.ones(2))
        self.n = 0
        self.l1, self.l2 = (nn.Linear(2, 2), nn.Linear(2, 2))
        self.hist = []


def append_to_one_of_two_lists(x):
    a, b = ([x[:1]], [x[:1] * 2])
    cur = a if x.sum() > 0 else b
    cur.append(x.sum(0, keepdim=True))
    return (torch.cat(a), torch.cat(b), len(a), len(b))


PROGRAMS.add(append_to_one_of_two_lists, *INPUTS)


def item_of_one_of_two_lists(x):
    a, b = ([x.sum(), x.sum() * 2], [x.sum() * 3, x.sum() * 4])
    cur = a if x.sum() > 0 else b
    cur[0] = cur[0] + 1
    a[1] = a[1] * 2
    return (a, b, cur)


PROGRAMS.add(item_of_one_of_two_lists, *INPUTS)


def keys_of_one_of_two_dicts(x):
    a, b = ({"p": x.sum()}, {"p": x.sum() + 1, "q": x.sum()})
    cur = a if x.sum() > 0 else b
    cur["p"] += 10
    cur["z"] = x.sum()
    return (a["p"], b["p"], len(a), len(b), "z" in a, "z" in b)


PROGRAMS.add(keys_of_one_of_two_dicts, *INPUTS)


def method_of_one_of_two_objects(x):
    a, b = (Box(x.sum()), Box(x.sum() * 2))
    cur = a if x.sum() > 0 else b
    cur.bump(x.sum())
    cur.v = cur.v * 2
    return (a.v, b.v, a.n, b.n, cur is a, cur is b)


PROGRAMS.add(method_of_one_of_two_objects, *INPUTS)


def attribute_that_holds_one_of_two(x):
    a, b = (Box(x.sum()), Box(x.sum() * 2))
    h = Box(a)
    if x.sum() > 0:
        h.v = b
    h.v.v = h.v.v + 1
    h.v.n += 5
    return (a.v, b.v, a.n, b.n)


PROGRAMS.add(attribute_that_holds_one_of_two, *INPUTS)


def list_that_a_loop_goes_over_to(x):
    a, b = ([x.sum()], [x.sum() * 2])
    cur = a
    for r in x:
        cur[0] = cur[0] + r.sum()
        if r.sum() > 0:
            cur = b
        else:
            cur = a
    return (a[0], b[0], cur[0], cur is a)


PROGRAMS.add(list_that_a_loop_goes_over_to, *INPUTS)


def two_lists_that_a_loop_fills(x):
    a, b = ([], [])
    cur = a
    for r in x:
        cur.append(r)
        if r.sum() > 0:
            cur = b
        else:
            cur = a
    return (
        len(a),
        len(b),
        torch.stack(a).sum() if a else x.sum(),
        torch.stack(b).sum() if b else x.sum(),
    )


PROGRAMS.add(two_lists_that_a_loop_fills, *INPUTS)


def groups_of_two(x):
    gs = []
    cur = []
    for r in x:
        cur.append(r)
        if len(cur) == 2:
            gs.append(torch.stack(cur).sum(0))
            cur = []
    return (len(gs), len(cur))


PROGRAMS.add(groups_of_two, *INPUTS)


def groups_that_are_lists(x):
    gs = []
    cur = []
    for r in x:
        cur.append(r)
        if len(cur) == 2:
            gs.append(cur)
            cur = []
    t = x.new_zeros(2)
    for g in gs:
        for r in g:
            t = t + r
    return (t, len(gs), len(cur))


PROGRAMS.add(groups_that_are_lists, *INPUTS)


def one_of_three_lists(x):
    a, b, e = ([x.sum()], [x.sum() * 2], [x.sum() * 3])
    y = a if x.sum() > 0 else b
    y = y if x[:1].sum() > 0 else e
    y[0] = y[0] + 1
    return (a, b, e)


PROGRAMS.add(one_of_three_lists, *INPUTS)


def list_in_one_of_two_objects(x):
    a, b = (Box(x.sum()), Box(x.sum() * 2))
    cur = a if x.sum() > 0 else b
    inner = cur.items
    inner.append(x.max() if x.numel() else x.sum())
    cur.add(x.sum() + 3).add(x.sum())
    cur.total = cur.total * 2
    return (
        a.v,
        b.v,
        len(a.items),
        len(b.items),
        a.total,
        b.total,
        inner is a.items,
        cur.items is inner,
    )


PROGRAMS.add(list_in_one_of_two_objects, *INPUTS)


def choice_in_a_branch(x):
    a, b = ([x.sum()], [x.sum() * 2])
    cur = a if x.sum() > 0 else b
    if x[:1].sum() > 0:
        cur.append(x.sum())
        cur = b
    else:
        a.append(x.sum() - 1)
    cur[0] = cur[0] + 10
    return (len(a), len(b), a[0], b[0], cur[0], len(cur))


PROGRAMS.add(choice_in_a_branch, *INPUTS)


def choice_in_a_loop(x):
    a, b = ([x.sum()], [x.sum() * 2])
    for r in x:
        cur = a if r.sum() > 0 else b
        cur[0] = cur[0] + r.max()
        cur.append(r.sum())
    return (len(a), len(b), a[0], b[0], sum(a), sum(b))


PROGRAMS.add(choice_in_a_loop, *INPUTS)


def list_under_a_chosen_key(x):
    d = {"a": [x.sum()], "b": [x.sum() * 2]}
    k = "a" if x.sum() > 0 else "b"
    d[k].append(x.sum())
    d["a"][0] = d["a"][0] + 1
    q = d[k]
    q[0] = q[0] * 3
    d["b"].append(x.sum())
    return (len(d["a"]), len(d["b"]), d["a"][0], d["b"][0])


PROGRAMS.add(list_under_a_chosen_key, *INPUTS)


def list_at_a_dynamic_index(x):
    l = [[x.sum()], [x.sum() * 2], [x.sum() * 3]]
    k = int(x.shape[0] % 3)
    l[k].append(x.sum())
    q = l[k]
    q[0] = q[0] + 5
    l[0] = q
    l[0].append(x.sum())
    return ([len(i) for i in l], l[0][0], l[1][0], l[2][0])


PROGRAMS.add(list_at_a_dynamic_index, *INPUTS)


def nothing_at_first_then_one_of_two(x):
    best = None
    alt = [x.sum()]
    for r in x:
        if best is None or r.sum() > best[0]:
            best = [r.sum()] if r.max() > 0 else alt
        best[0] = best[0] + 1
    return (alt[0], best[0] if best is not None else x.sum())


PROGRAMS.add(nothing_at_first_then_one_of_two, *INPUTS)


def identity_of_one_of_two(x):
    a, b = (Box(x.sum()), Box(x.sum()))
    cur = a if x.sum() > 0 else b
    l = [a]
    return (cur in l, cur == a, cur is not b, [a, b].index(cur), l.count(cur))


PROGRAMS.add(identity_of_one_of_two, *INPUTS)


def return_out_of_a_loop_over_two_lists(x):
    a, b = ([x.sum()], [x.sum() * 2])
    cur = a
    for r in x:
        if r.sum() > 3:
            cur = b
        cur.append(r.sum())
        if len(cur) > 3:
            return (len(a), len(b))
    return (len(a), len(b))


PROGRAMS.add(return_out_of_a_loop_over_two_lists, *INPUTS)


def items_of_one_of_two_swapped(x):
    q = [x.sum(), x.sum()]
    p = q
    if x.sum() > 0:
        p = [x.sum() * 2, x.sum()]
    p[1] += 4
    p[0], p[1] = (p[1], p[0])
    return (q, p)


PROGRAMS.add(items_of_one_of_two_swapped, *INPUTS)


class OneOfTwoModules(TwoBuffers):
    def forward(self, x):
        m = self.l1 if x.sum() > 0 else self.l2
        m.seen = x.sum()
        y = self.a if x.sum() > 0 else self.b
        y.copy_(m(x).sum(0))
        self.b.add_(1)
        cur = self.hist
        if x[:1].sum() > 0:
            cur = []
        cur.append(x.sum())
        return (
            self.a * 1,
            self.b * 1,
            y,
            getattr(self.l1, "seen", x.sum() * 0),
            len(self.hist),
            len(cur),
        )


PROGRAMS.add(OneOfTwoModules, *INPUTS)


def list_merged_twice_then_written(x):
    a, b, e = ([x.sum()], [x.sum() * 2], [x.sum() * 3])
    m = a if x.sum() > 0 else b
    m = m if x[:1].sum() > 0 else e
    a[0] = a[0] + 1
    return m


PROGRAMS.add(list_merged_twice_then_written, *INPUTS)


def attribute_that_may_be_the_carried_list(x):
    h = Box([x.sum()])
    cur = [x.sum()]
    t = x.sum() * 0
    for r in x:
        cur[0] = cur[0] + 1
        t = t + h.v[0]
        n = [r.sum()]
        if r.sum() > 0:
            cur = n
        h.v = n
    return (t, cur[0])


PROGRAMS.add(attribute_that_may_be_the_carried_list, *INPUTS, expect="either")


def item_that_may_be_the_carried_list(x):
    store = []
    cur = [x.sum()]
    t = x.sum() * 0
    for r in x:
        cur[0] = cur[0] + 1
        n = [r.sum()]
        if r.sum() > 0:
            cur = n
        store.append(n)
    for s in store:
        t = t * 0.5 + s[0]
    return (t, cur[0])


PROGRAMS.add(item_that_may_be_the_carried_list, *INPUTS, expect="either")


def carried_list_that_is_the_last_item(x):
    store = []
    cur = [x.sum()]
    t = x.sum() * 0
    for r in x:
        cur[0] = cur[0] + 1
        cur = [r.sum()]
        store.append(cur)
    for s in store:
        t = t * 0.5 + s[0]
    return (t, cur[0])


PROGRAMS.add(carried_list_that_is_the_last_item, *INPUTS, expect="either")


def list_of_the_last_trip_that_is_an_item(x):
    store = []
    cur = None
    t = x.sum() * 0
    for r in x:
        if cur is not None:
            cur.append(r.sum())
        cur = [r.sum()]
        store.append(cur)
    for s in store:
        for v in s:
            t = t * 0.5 + v
    return t


PROGRAMS.add(list_of_the_last_trip_that_is_an_item, *INPUTS, expect="either")


def two_names_from_the_last_trip(x):
    a = None
    b = None
    t = x.sum() * 0
    for r in x:
        if a is not None:
            a[0] = a[0] + 1
            t = t + b[0]
        a = [r.sum()]
        b = a
    return t


PROGRAMS.add(two_names_from_the_last_trip, *INPUTS, expect="either")


def carried_list_that_another_name_may_be(x):
    cur = []
    last = []
    t = x.sum() * 0
    for r in x:
        cur.append(r.sum())
        t = t + len(last)
        if len(cur) == 2:
            last = cur
            if r.sum() > 0:
                cur = []
    return (t, len(cur), len(last))


PROGRAMS.add(carried_list_that_another_name_may_be, *INPUTS, expect="either")


def methods_of_one_of_two_dicts(x):
    a, b = ({"k": [x.sum()]}, {"k": [x.sum() * 2], "m": [x.sum()]})
    c = a if x.sum() > 0 else b
    c["k"].append(x.sum())
    c.setdefault("m", []).append(x.sum() * 5)
    for v in c.values():
        v[0] = v[0] + 1
    if "m" in a:
        a["m"].append(x.sum())
    return (len(a["k"]), len(b["k"]), len(b["m"]), a["k"][0], b["k"][0], b["m"][0], len(a))


PROGRAMS.add(methods_of_one_of_two_dicts, *INPUTS, scripted=False)


def methods_of_one_of_two_lists(x):
    a, b = ([x.sum(), x.sum()], [x.sum() * 2])
    c = a if x.sum() > 0 else b
    c.extend([x.sum(), x.sum() + 1])
    c.pop(0)
    c += [x.sum()]
    c *= 2
    c.reverse()
    del c[0]
    c[0:1] = [x.sum() * 7]
    d = c[:]
    d.append(x.sum())
    first, *rest = c
    return (
        len(a),
        len(b),
        sum(a),
        sum(b),
        len(d),
        first,
        len(rest),
        sum(v for v in c),
        [v * 2 for v in c][-1],
    )


PROGRAMS.add(methods_of_one_of_two_lists, *INPUTS, scripted=False)


def lists_through_functions(x):
    a = [x.sum()]
    b = [x.sum() * 2]

    def pick(flag):
        return a if flag else b

    def put(l, v):
        l.append(v)
        return l

    c = put(pick(x.sum() > 0), x.sum())
    put(c, x.max() if x.numel() else x.sum())
    return (len(a), len(b), len(c), c is a)


PROGRAMS.add(lists_through_functions, *INPUTS, scripted=False)


def two_lists_in_either_order(x):
    a, b = ([x.sum()], [x.sum() * 2])
    pair = (a, b) if x.sum() > 0 else (b, a)
    pair[0].append(x.sum())
    p, q = pair
    q[0] = q[0] + 1
    holder = {"cur": a}
    if x[:1].sum() > 0:
        holder["cur"] = b
    holder["cur"].append(x.sum())
    holder["cur"] = p
    holder["cur"][0] = holder["cur"][0] * 3
    return (len(a), len(b), a[0], b[0])


PROGRAMS.add(two_lists_in_either_order, *INPUTS, scripted=False)


def none_or_one_of_two(x):
    a, b = ([x.sum()], [x.sum() * 2])
    cur = None
    if x.sum() > 0:
        cur = a
    elif x.sum() < -2:
        cur = b
    if cur is not None:
        cur.append(x.sum())
        cur[0] = cur[0] + 1
    return (len(a), len(b), a[0], b[0], cur is None, cur is a)


PROGRAMS.add(none_or_one_of_two, *INPUTS, scripted=False)


def groups_in_two_loops(x):
    rows = []
    cur = []
    for r in x:
        for v in r:
            cur.append(v)
            if len(cur) == 3:
                rows.append(torch.stack(cur))
                cur = []
    return (len(rows), len(cur), torch.stack(rows).sum() if rows else x.sum())


PROGRAMS.add(groups_in_two_loops, *INPUTS, scripted=False)


def group_that_goes_on_after_the_if(x):
    groups = []
    cur = []
    for r in x:
        if r.sum() > 0 and len(cur) > 0:
            groups.append(cur)
            cur = []
        cur.append(r)
    groups.append(cur)
    t = x.new_zeros(2)
    for g in groups:
        for r in g:
            t = t * 0.5 + r
    return (t, len(groups))


PROGRAMS.add(group_that_goes_on_after_the_if, *INPUTS, expect="either")


def last_group_of_a_list(x):
    groups = [[]]
    for r in x:
        if r.sum() > 0:
            groups.append([])
        groups[-1].append(r)
    return (len(groups), [len(g) for g in groups][-1])


PROGRAMS.add(last_group_of_a_list, *INPUTS, expect="either")


def new_list_under_the_first_name(x):
    a = []
    b = a
    for r in x:
        a.append(r.sum())
        if r.sum() > 0:
            a = []
    return (len(a), len(b))


PROGRAMS.add(new_list_under_the_first_name, *INPUTS, scripted=False)


def list_given_to_an_object(x):
    h = Box([])
    cur = []
    for r in x:
        cur.append(r.sum())
        if r.sum() > 0:
            h.v = cur
            cur = []
    return (len(cur), len(h.v))


PROGRAMS.add(list_given_to_an_object, *INPUTS, scripted=False)


def list_that_an_object_has_as_well(x):
    h = Box([])
    cur = []
    for r in x:
        cur.append(r.sum())
        h.v = cur
        if r.sum() > 0:
            cur = []
    return (len(cur), len(h.v))


PROGRAMS.add(list_that_an_object_has_as_well, *INPUTS, expect="either")


def lists_of_a_dict_in_turn(x):
    d = {"a": [], "b": []}
    for r in x:
        l = d["a"] if r.sum() > 0 else d["b"]
        l.append(r.sum())
        if len(l) > 2:
            l.pop(0)
    return (len(d["a"]), len(d["b"]), sum(d["a"]) + 0.0 * x.sum() if d["a"] else x.sum())


PROGRAMS.add(lists_of_a_dict_in_turn, *INPUTS, scripted=False)


def top_of_a_stack(x):
    stack = [[x.sum()]]
    top = stack[-1]
    for r in x:
        if r.sum() > 0:
            top = [r.sum()]
            stack.append(top)
        else:
            top.append(r.sum())
    return (len(stack), len(top))


PROGRAMS.add(top_of_a_stack, *INPUTS, expect="either")
