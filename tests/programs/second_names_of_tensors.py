"""Tensors with a second name on some ways, which are written in place."""

# The programs are written as users write them.
# ruff: noqa: E741, F841

from __future__ import annotations

import torch

from tests.programs.program import Programs
from tests.programs.second_names import INPUTS, Box, TwoBuffers

PROGRAMS = Programs("second_names_of_tensors")


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


def merged_twice_then_written(x):
    a, b, e = (x * 1, x * 2, x * 3)
    m = a if x.sum() > 0 else b
    m2 = m if x[:1].sum() > 0 else e
    a.add_(1)
    return m2


PROGRAMS.add(merged_twice_then_written, *INPUTS)


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


def carried_tensor_that_is_the_last_item(x):
    outs = []
    t = x.sum(0)
    for r in x:
        t.add_(1)
        t = r * 2
        outs.append(t)
    return (torch.stack(outs) if outs else x, t)


PROGRAMS.add(carried_tensor_that_is_the_last_item, *INPUTS, expect="either")


def tensor_of_the_last_trip_that_is_an_item(x):
    outs = []
    t = None
    for r in x:
        if t is not None:
            t.add_(1)
        t = r * 2
        outs.append(t)
    return torch.stack(outs) if outs else x


PROGRAMS.add(tensor_of_the_last_trip_that_is_an_item, *INPUTS, expect="either")


def functions_of_one_of_two_tensors(x):
    a, b = (x.sum(0) * 1, x.sum(0) * 2)
    c = a if x.sum() > 0 else b
    torch.add(c, 1, out=c)
    torch.nn.functional.relu(c, inplace=True)
    c[c > 2] = 0.5
    c.unsqueeze(0)[0, 0] = 9
    c[torch.tensor([1])] += 1
    d, e = (c[:1], c[1:])
    d.mul_(2)
    f = torch.stack([c, a])
    c.data.add_(1)
    c.requires_grad_(False)
    g = c.clone()
    g += 100
    h = c.detach()
    h -= 1
    return (
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        c.shape[0],
        c is a,
        c.sum() > 3,
        c.tolist()[0],
        float(c[0]),
        len(c),
    )


PROGRAMS.add(functions_of_one_of_two_tensors, *INPUTS, scripted=False)


def one_of_two_tensors_of_other_ranks(x):
    a, b = (x.sum(0) * 1, x.sum(0, keepdim=True) * 2)
    c = a if x.sum() > 0 else b
    c += 1
    c.mul_(2)
    return (a, b, c.sum())


PROGRAMS.add(one_of_two_tensors_of_other_ranks, *INPUTS, scripted=False)


def one_of_two_tensors_of_other_sizes(x):
    a, b = (x * 1, x[:1] * 2)
    c = a if x.sum() > 0 else b
    c += 1
    c[:, 0] = 3
    return (a, b, c)


PROGRAMS.add(one_of_two_tensors_of_other_sizes, *INPUTS, scripted=False)


def two_tensors_from_the_last_trip(x):
    a = None
    b = None
    t = x.sum(0) * 0
    for r in x:
        if a is not None:
            a.add_(1)
            t = t + b
        a = r * 2
        b = a if r.sum() > 0 else r * 3
    return t


PROGRAMS.add(two_tensors_from_the_last_trip, *INPUTS, expect="either")


def tensor_and_what_may_be_it(x):
    a = x.sum(0)
    b = x.sum(0) * 2
    t = x.sum(0) * 0
    for r in x:
        a.add_(1)
        t = t * 0.5 + b
        n = r * 2
        a = n
        if r.sum() > 0:
            b = n
    return (t, a, b)


PROGRAMS.add(tensor_and_what_may_be_it, *INPUTS, expect="either")


def sums_of_groups(x):
    buf = x.new_zeros(2)
    outs = []
    for r in x:
        buf.add_(r)
        if r.sum() > 0:
            outs.append(buf)
            buf = x.new_zeros(2)
    return (torch.stack(outs).sum(0) if outs else buf, buf, len(outs))


PROGRAMS.add(sums_of_groups, *INPUTS, scripted=False)


def swap_under_a_condition(x):
    best = x.new_zeros(2)
    other = x.new_zeros(2)
    i = 0
    while i < x.shape[0]:
        if x[i].sum() > 0:
            best, other = (other, best)
        best.add_(x[i])
        best[0] = best[0] * 0.5
        i += 1
    return (best, other)


PROGRAMS.add(swap_under_a_condition, *INPUTS, scripted=False)


THRESHOLDS = (0.9, 0.6, 0.4, 0.3, 0.2, 0.1, 0.0, -0.1, -0.2, -0.3, -0.4, -0.6, -0.9)


def many_swaps_in_a_loop(x):
    a, b = (x.new_zeros(2), x.new_ones(2))
    for r in x:
        for least in THRESHOLDS:
            if r[0] > least:
                a, b = (b, a)
        a = a * 0.5 + r
    return (a, b)


PROGRAMS.add(many_swaps_in_a_loop, *INPUTS, scripted=False)


def write_after_many_swaps(x):
    a, b = (x.new_zeros(2), x.new_ones(2))
    for r in x:
        if r[0] > 0.1:
            a, b = (b, a)
        if r[1] > 0.1:
            a, b = (b, a)
        if r.sum() > 0.3:
            a, b = (b, a)
        b.mul_(0.5).add_(r)
    return (a, b)


PROGRAMS.add(write_after_many_swaps, *INPUTS)


def many_names_of_lists_in_a_loop(x):
    a, b = ([x.sum(0) * 1], [x.sum(0) * 2])
    for r in x:
        for least in THRESHOLDS[::4]:
            if r[0] > least:
                a = b
            else:
                a[0] = r * least
        b = [r * 2]
    return (a, b)


PROGRAMS.add(many_names_of_lists_in_a_loop, *INPUTS, scripted=False)
