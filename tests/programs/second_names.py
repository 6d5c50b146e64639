"""Objects and tensors with a second name on some ways, which are changed where they are."""

# The programs are written as users write them.
# ruff: noqa: E741, F841

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


def add_to_one_of_two_tensors(x):
    a, b = (x * 1, x * 2)
    y = a if x.sum() > 0 else b
    y += 1
    return (a, b, y)


PROGRAMS.add(add_to_one_of_two_tensors, *INPUTS)


def write_to_a_part_of_one_of_two(x):
    a, b = (x.sum(0) * 1, x.sum(0) * 2)
    y = a if x.sum() > 0 else b
    y[0] = 7
    v = y[1:]
    v.mul_(3)
    b[1] += 2
    return (a, b, y, v)


PROGRAMS.add(write_to_a_part_of_one_of_two, *INPUTS, scripted=False)


def write_to_an_old_or_a_new_tensor(x):
    a = x.sum(0) * 1
    y = a
    if x.sum() > 0:
        y = a + 1
    y += 1
    return (a, y)


PROGRAMS.add(write_to_an_old_or_a_new_tensor, *INPUTS)


def buffers_swapped_in_a_loop(x):
    a, b = (x.new_zeros(2), x.new_zeros(2))
    for r in x:
        b.copy_(a * 0.5 + r)
        a, b = (b, a)
    return (a, b)


PROGRAMS.add(buffers_swapped_in_a_loop, *INPUTS)


def swapped_buffers_with_another_name(x):
    a, b = (x.new_zeros(2), x.new_ones(2))
    keep = a
    for r in x:
        b.copy_(a * 0.5 + r)
        b[0] += 1
        a, b = (b, a)
    return (a, b, keep)


PROGRAMS.add(swapped_buffers_with_another_name, *INPUTS, scripted=False)


class SwappedBuffers(TwoBuffers):
    def forward(self, x):
        a, b = (self.a, self.b)
        for r in x:
            b.copy_(a * 0.5 + r)
            a, b = (b, a)
        return (a, b, self.a, self.b)


PROGRAMS.add(SwappedBuffers, *INPUTS)


class OneOfTwoBuffers(TwoBuffers):
    def forward(self, x):
        y = self.a if x.sum() > 0 else self.b
        y += 1
        return (y, self.a * 1, self.b * 2)


PROGRAMS.add(OneOfTwoBuffers, *INPUTS)


class SwappedAttributes(TwoBuffers):
    def forward(self, x):
        for r in x:
            self.b.copy_(self.a * 0.5 + r)
            self.a, self.b = (self.b, self.a)
        return (self.a, self.b)


PROGRAMS.add(SwappedAttributes, *INPUTS)


def one_of_two_of_which_one_is_chosen(x):
    a, b, e = (x * 1, x * 2, x * 3)
    y = a if x.sum() > 0 else b
    y = y if x[:1].sum() > 0 else e
    y += 1
    return (a, b, e)


PROGRAMS.add(one_of_two_of_which_one_is_chosen, *INPUTS)


def one_of_three_lists(x):
    a, b, e = ([x.sum()], [x.sum() * 2], [x.sum() * 3])
    y = a if x.sum() > 0 else b
    y = y if x[:1].sum() > 0 else e
    y[0] = y[0] + 1
    return (a, b, e)


PROGRAMS.add(one_of_three_lists, *INPUTS)


def set_with_uncertain_elements(x):
    s = {1, 2}
    if x.sum() > 0:
        s.add(3)
    else:
        s.discard(1)
    return (3 in s, 1 in s, len(s))


PROGRAMS.add(set_with_uncertain_elements, *INPUTS)


def sets_of_two_paths(x):
    s = {"a"} if x.sum() > 0 else {"a", "b"}
    t = s | {"c"}
    return (len(t), "b" in t, len(t & {"b", "c"}), len(t - {"a"}), s == {"a"}, bool(s <= t))


PROGRAMS.add(sets_of_two_paths, *INPUTS)


def set_in_a_loop(x):
    s = {1}
    for r in x:
        if r.sum() > 0:
            s.add(2)
        else:
            s.discard(1)
    t = 0
    for v in s:
        t += v
    return (t, sum(s), sorted(s)[0] if s else 0)


PROGRAMS.add(set_in_a_loop, *INPUTS)


def methods_of_an_uncertain_set(x):
    s = {1, 2, 5}
    t = set(s)
    u = s
    for r in x:
        if r.sum() > 0:
            s |= {3}
        elif 5 in s:
            s.remove(5)
        else:
            t = t - {1}
    u.discard(2)
    if len(s) > 3:
        u.clear()
    m = 0
    for v in sorted(s ^ t):
        m = m * 2 + v
    return (
        len(s),
        len(t),
        len(u),
        m,
        s == t,
        s <= {1, 2, 3, 5},
        s < t,
        s.isdisjoint({3}),
        len(s.union([9], t)),
        bool(s),
        max(t),
        u is s,
    )


PROGRAMS.add(methods_of_an_uncertain_set, *INPUTS)


def one_of_two_sets(x):
    a, b = ({1}, {2})
    c = a if x.sum() > 0 else b
    c.add(7)
    if x[:1].sum() > 0:
        c = {1, 2}
    c.discard(1)
    a.add(9)
    return (len(a), len(b), len(c), 7 in a, 7 in b, c is a)


PROGRAMS.add(one_of_two_sets, *INPUTS)


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


def views_of_one_of_two_tensors(x):
    a, b = (x.sum(0) * 1, x.sum(0) * 2)
    y = a if x.sum() > 0 else b
    va, vy = (a[:1], y[:1])
    vy += 1
    va *= 2
    y.view(2, 1)[1] = 9
    z = y.t() if y.dim() == 2 else y
    z.mul_(2)
    return (a, b, y, va, vy, z)


PROGRAMS.add(views_of_one_of_two_tensors, *INPUTS, scripted=False)


def tensors_chosen_of_chosen_ones(x):
    a, b, c = (x.sum(0) * 1, x.sum(0) * 2, x.sum(0) * 3)
    y = a if x.sum() > 0 else b
    z = y if x[:1].sum() > 0 else c
    z += 1
    y *= 2
    c.sub_(z)
    if x.numel() > 4:
        z = a
    z[0] = 5
    return (a, b, c, y, z)


PROGRAMS.add(tensors_chosen_of_chosen_ones, *INPUTS, scripted=False)


def tensor_at_a_dynamic_index(x):
    a, b = (x.sum(0) * 1, x.sum(0) * 2)
    l = [a, b]
    y = l[x.shape[0] % 2]
    y += 1
    for t in l:
        t.add_(1)
    return (l[0], l[1], y, a, b)


PROGRAMS.add(tensor_at_a_dynamic_index, *INPUTS)


def tensor_in_an_attribute(x):
    o = Box(x.sum(0) * 1)
    b = x.sum(0) * 2
    keep = o.v
    if x.sum() > 0:
        o.v = b
    o.v.add_(1)
    o.v[0] -= 3
    return (o.v, b, keep)


PROGRAMS.add(tensor_in_an_attribute, *INPUTS)


def tensor_that_a_loop_goes_over_to(x):
    a, b = (x.new_zeros(2), x.new_ones(2))
    cur = a
    for r in x:
        cur += r
        if r.sum() > 0:
            cur = b
        else:
            cur = a
    cur.mul_(2)
    return (a, b, cur)


PROGRAMS.add(tensor_that_a_loop_goes_over_to, *INPUTS)


def double_buffering(x):
    a, b = (x.new_zeros(2), x.new_ones(2))
    hold = [a, b]
    for r in x:
        a, b = (b, a)
        a.add_(r * b)
    return (a, b, hold[0], hold[1])


PROGRAMS.add(double_buffering, *INPUTS)


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


def merged_twice_then_written(x):
    a, b, e = (x * 1, x * 2, x * 3)
    m = a if x.sum() > 0 else b
    m2 = m if x[:1].sum() > 0 else e
    a.add_(1)
    return m2


PROGRAMS.add(merged_twice_then_written, *INPUTS)


def list_merged_twice_then_written(x):
    a, b, e = ([x.sum()], [x.sum() * 2], [x.sum() * 3])
    m = a if x.sum() > 0 else b
    m = m if x[:1].sum() > 0 else e
    a[0] = a[0] + 1
    return m


PROGRAMS.add(list_merged_twice_then_written, *INPUTS)


def row_merged_twice_then_written(x):
    y = x.clone()
    best = x.sum(0)
    for row in y:
        if row.sum() > 0:
            best = row
        if row.sum() < 5:
            best = best if row.sum() < 4 else row * 2
    y.zero_()
    return best


PROGRAMS.add(row_merged_twice_then_written, *INPUTS, expect="refuse")


def view_made_in_a_branch_is_written(x):
    a, b = (x.sum(0) * 1, x.sum(0) * 2)
    y = a[0:1] if x.sum() > 0 else b[1:]
    y += 1
    return (a, b, y)


PROGRAMS.add(view_made_in_a_branch_is_written, *INPUTS, expect="refuse")


def new_view_in_a_loop_of_a_written_tensor(x):
    a, b = (x.sum(0) * 0.3, x.sum(0) * 0.4)
    b.clamp_(-3.0, 3.0)
    for r in x:
        p, q = (a[::2], b[::2])
        c = p if r.sum() > 0 else q
    return (a, b)


PROGRAMS.add(new_view_in_a_loop_of_a_written_tensor, *INPUTS)
