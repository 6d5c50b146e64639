"""Functions and iterators that are made in an iteration, and what they see changes."""

# The programs are written as users write them.

from __future__ import annotations

import functools

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("changing_functions")
ROWS = (rand(3, 4), rand(1, 4), rand(5, 4) + 1, rand(6, 4) - 1, rand(4, 4)[:0])


class Setter:
    def __init__(self, x):
        self.f = torch.relu
        self.w = x.sum()

    def step(self, row):
        k = row.sum()
        self.f = lambda v: v * k + self.w

    def get(self, k):
        return lambda v: v * k + self.w


def sets_its_own(x):
    m = Setter(x)
    t = x.sum(0)
    for row in x:
        t = m.f(t)
        m.step(row)
        m.w = m.w + 1
    return m.f(t)


def owner_changes_afterwards(x):
    m = Setter(x)
    f = m.get(1.0)
    t = x.sum(0)
    for row in x:
        t = f(t)
        f = m.get(row)
    m.w = m.w + 1
    return f(t)


def owner_changes_after_the_first(x):
    m = Setter(x)
    f = torch.relu
    t = x.sum(0)
    for row in x:
        t = f(t)
        f = m.get(row)
    m.w = m.w + 1
    return f(t)


def owner_changes_in_the_loop(x):
    m = Setter(x)
    f = torch.relu
    t = x.sum(0)
    for row in x:
        t = f(t)
        f = m.get(row)
        m.w = m.w + 1
    return f(t)


def dict_changes_in_the_loop(x):
    m = {"w": x.sum()}
    t = x.sum(0)

    def get(m, k):
        return lambda v: v * k + m["w"]

    f = torch.relu
    for row in x:
        t = f(t)
        f = get(m, row)
        m["w"] = m["w"] + 1
    return f(t)


def in_a_list_of_one(x):
    m = Setter(x)
    f = [torch.relu]
    t = x.sum(0)
    for row in x:
        t = f[0](t)
        f[0] = m.get(row)
        m.w = m.w + 1
    return f[0](t)


def owner_changes_none_at_first(x):
    m = Setter(x)
    f = None
    t = x.sum(0)
    for row in x:
        if f is not None:
            t = f(t)
        f = m.get(row)
        m.w = m.w + 1
    return t


def iterator_of_the_iteration(x):
    t = x.sum(0)
    for row in x:
        g = (v * row for v in (t, row))
        t = t * 0.5 + sum(g)
    return t


def counter_of_the_iteration(x):
    def make(n):
        def f(v):
            nonlocal n
            n = n + 1
            return v * n

        return f

    total = x.sum(0)
    for row in x:
        f = make(0)
        total = f(total) * 0.1 + f(row)
    return total


def counter_handed_out(x):
    def run(row, t):
        k = 0

        def inc(v):
            nonlocal k
            k = k + 1
            return v * k

        t = inc(t)
        return inc(row) + t, inc

    t = x.sum(0)
    for row in x:
        t, _ = run(row, t)
    return t


def recursive_of_the_iteration(x):
    t = x.sum(0)
    for row in x:

        def fact(n):
            return 1 if n <= 1 else n * fact(n - 1)

        t = t + row * fact(3)
    return t + fact(2) if x.shape[0] > 0 else t


def the_next_one(x):
    def a(v):
        return v + 1

    def b(v):
        return v * 2

    def c(v):
        return v - 1

    nxt = {a: b, b: c, c: a}
    f = a
    t = x.sum(0)
    for row in x:
        t = f(t) + row
        f = nxt[f]
    return f(t)


def swapped_counters(x):
    def make(n):
        def f(v):
            nonlocal n
            n = n + 1
            return v * n

        return f

    f, g = make(0), make(5)
    t = x.sum(0)
    for row in x:
        t = f(t) * 0.1 + row
        f, g = g, f
    return f(t) + g(t)


def partial_of_a_partial(x):
    t = x.sum(0)
    f = functools.partial(torch.clamp, min=-1.0)
    for row in x:
        f = functools.partial(f, max=1.0)
    return f(t)


def partial_of_one_of_several(x):
    t = x.sum(0)
    f = torch.mul if t.sum() > 0 else torch.add
    g = functools.partial(f, t)
    return g(t) + functools.partial(g, other=x[:1].sum())()


def partial_of_what_may_be_none(x):
    t = x.sum(0)
    f = None
    if t.sum() > 0:
        f = torch.relu
    if f is not None:
        g = functools.partial(f, t)
        t = g() + 1
    return t


def partial_holds_what_may_be_none(x):
    t = x.sum(0)
    n = None
    if t.sum() > 0:
        n = t

    def f(a, b):
        return b if a is None else a + b

    g = functools.partial(f, n)
    return g(t)


for program in (
    sets_its_own,
    owner_changes_afterwards,
    owner_changes_after_the_first,
    owner_changes_in_the_loop,
    dict_changes_in_the_loop,
    in_a_list_of_one,
    owner_changes_none_at_first,
    iterator_of_the_iteration,
    counter_of_the_iteration,
    counter_handed_out,
    recursive_of_the_iteration,
    the_next_one,
    swapped_counters,
    partial_of_a_partial,
    partial_of_one_of_several,
    partial_of_what_may_be_none,
    partial_holds_what_may_be_none,
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}})


def iterator_kept_for_the_next(x):
    t = x.sum(0)
    g = (r * 2 for r in (x.sum(0), x.sum(0)))
    for row in x:
        t = t + sum(g)
        g = (r * 2 for r in (row, t))
    return t


def iterator_kept_for_afterwards(x):
    t = x.sum(0)
    g = (v * 2 for v in (t, t))
    for row in x:
        g = (v * row for v in (t, row))
    return sum(g)


def lazy_iterator_kept(x):
    t = x.sum(0)
    g = iter([])
    for row in x:
        g = (v * row for v in x)
    return sum(g) + t


def generator_called_afterwards(x):
    def gen(r):
        yield r
        yield r * 2

    t = x.sum(0)
    g = gen(t)
    for row in x:
        g = gen(row)
    return sum(g) + t


for program in (
    iterator_kept_for_the_next,
    iterator_kept_for_afterwards,
    lazy_iterator_kept,
    generator_called_afterwards,
):
    text = "an iterator that is made anew in each iteration"
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}}, expect="refuse", match=text)
