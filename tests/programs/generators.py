"""Generators with branches and loops of dynamic length inside."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("generators")
X0, X1, X2, X3, X6 = (rand(n, 4, seed=n) for n in (0, 1, 2, 3, 6))
XS, XN = (X3, X0, X1, X2, X6), (X3, X1, X2, X6)


def rows(x, skip=0.0):
    for i, r in enumerate(x):
        if r.sum() > skip:
            yield r
        else:
            yield -r * i


def positive(x):
    for r in x:
        if r.sum() > 0:
            yield r


def nested(x):
    for i in range(x.shape[0]):
        for j in range(i):
            yield x[i] * j
        if i % 2:
            yield x[i]


def whil(x):
    i = 0
    while i < x.shape[0]:
        yield i, x[i]
        i += 2


def both(x):
    yield x[:1].sum(0)
    yield from rows(x)
    yield from (r * 2 for r in x)


def early(x):
    for r in x:
        if r.sum() > 1:
            return
        yield r


def g_for(x):
    s = x.new_zeros(4)
    for r in rows(x, skip=0.1):
        s = s * 0.5 + r
    return s


PROGRAMS.add(g_for, *XS)


def g_break(x):
    s = x.new_zeros(4)
    n = 0
    for r in rows(x):
        if r[0] > 1:
            break
        s = s * 0.5 + r
        n += 1
    else:
        n = -n
    return s, n


PROGRAMS.add(g_break, *XS)


def g_continue(x):
    s = x.new_zeros(4)
    for r in positive(x):
        if r[0] > 1:
            continue
        s = s * 0.5 + r
    return s


PROGRAMS.add(g_continue, *XS)


def g_return(x):
    for r in positive(x):
        if r[0] > 0:
            return r
    return x.new_zeros(4)


PROGRAMS.add(g_return, *XS)


def g_nested(x):
    s = x.new_zeros(4)
    for r in nested(x):
        s = s * 0.5 + r
    return s


PROGRAMS.add(g_nested, *XS)


def g_list(x):
    items = list(nested(x))
    return len(items)


PROGRAMS.add(g_list, *XS)


def g_comp(x):
    return torch.stack([r * 2 for r in rows(x)])


PROGRAMS.add(g_comp, *XN)


def g_sum(x):
    return (
        float(sum(r.sum() for r in positive(x))),
        sum(1 for _ in nested(x)),
        any(r[0] > 0 for r in rows(x)),
    )


PROGRAMS.add(g_sum, *XS)


def g_while(x):
    s = x.new_zeros(4)
    for i, r in whil(x):
        s = s + i * r
    return s


PROGRAMS.add(g_while, *XS)


def g_both(x):
    s = x.new_zeros(4)
    for r in both(x):
        s = s * 0.5 + r
    return s


PROGRAMS.add(g_both, *XS)


def g_early(x):
    s = x.new_zeros(4)
    for r in early(x):
        s = s * 0.5 + r
    return s


PROGRAMS.add(g_early, *XS)


def g_enumerate(x):
    s = x.new_zeros(4)
    for i, r in enumerate(positive(x)):
        s = s + i * r
    return s


PROGRAMS.add(g_enumerate, *XS)


def g_map(x):
    s = x.new_zeros(4)
    for r in map(lambda r: r * 2, positive(x)):
        s = s * 0.5 + r
    return s


PROGRAMS.add(g_map, *XS)


def g_filter(x):
    s = x.new_zeros(4)
    for r in filter(lambda r: r[0] > 0, rows(x)):
        s = s * 0.5 + r
    return s


PROGRAMS.add(g_filter, *XS)


def g_interplay(x):
    seen = []

    def gen():
        for r in x:
            yield r * len(seen)

    s = x.new_zeros(4)
    for r in gen():
        seen.append(r)
        s = s + r
    return s, len(seen)


PROGRAMS.add(g_interplay, *XS)


def g_state(x):
    total = 0

    def gen():
        nonlocal total
        for r in x:
            total = total + 1
            yield r * total

    s = x.new_zeros(4)
    for r in gen():
        s = s + r
    return s, total


PROGRAMS.add(g_state, *XS)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def steps(self, x):
        for r in x:
            yield self.linear(r)

    def forward(self, x):
        s = x.new_zeros(4)
        for r in self.steps(x):
            s = s + r
        return s


def g_unpack(x):
    def gen():
        yield x.sum(0)
        yield x.mean()

    a, b = gen()
    return a, b


PROGRAMS.add(g_unpack, *XN)


def g_zip(x):
    def gen():
        for k in range(3):  # noqa: UP028
            yield k

    s = 0
    for a, b in zip(gen(), [1, 2, 3]):
        s = s + a * b
    return s + x.sum()


PROGRAMS.add(g_zip, *XN)


def g_twice(x):
    g = rows(x)
    s = x.new_zeros(4)
    for r in g:
        s = s + r
    for r in g:
        s = s * 2 + r
    return s


PROGRAMS.add(g_twice, *XN)


def g_next_first(x):
    return next(rows(x))


PROGRAMS.add(g_next_first, *XN)


def g_next_default(x):
    return next(positive(x), torch.zeros(4))


PROGRAMS.add(g_next_default, *XS)


def g_in_branch(x):
    s = x.new_zeros(4)
    if x.sum() > 0:
        for r in positive(x):
            s = s + r
    else:
        for r in rows(x):
            s = s - r
    return s


PROGRAMS.add(g_in_branch, *XS)


def g_loop_in_loop(x):
    s = x.new_zeros(4)
    for q in x:
        for r in positive(x):
            if r[1] > q[1]:
                break
            s = s * 0.5 + r
    return s


PROGRAMS.add(g_loop_in_loop, *XS)


def g_max(x):
    return max(r.sum().item() for r in rows(x)), max(
        positive(torch.cat([x.abs(), x])), key=lambda r: r.sum().item()
    )


PROGRAMS.add(g_max, *XN)


PROGRAMS.add(Net, *XS)
