"""Iterators that a loop leaves before their end: only as many items are drawn as in Python."""

# The programs are written as users write them.

from __future__ import annotations

import itertools

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("loops_left_early")
ROWS = (
    rand(3, 4),
    rand(1, 4),
    rand(5, 4) + 1,
    rand(5, 4) - 1,
    rand(2, 4) * 0 + 0.2,
)


def brk_static(x):
    it = iter([1, 2, 3, 4])
    for v in it:
        if v == 2:
            break
    return x * sum(it)


PROGRAMS.add(brk_static, *ROWS)


def brk_static_for_ret(x):
    it = iter([1, 2, 3, 4])

    def f():
        for v in it:
            if v == 2:
                return v

    f()
    return x * sum(it)


PROGRAMS.add(brk_static_for_ret, *ROWS)


def brk_dyn(x):
    it = iter([x, x * 2, x * 3])
    y = x
    for v in it:
        y = y + v
        if y.sum() > 3:
            break
    return y + next(it, x)


PROGRAMS.add(brk_dyn, *ROWS, expect="either")


def brk_dyn_gen(x):
    y = x
    z = torch.zeros(4)
    for v in (z.add_(1) + x for _ in range(4)):
        y = y + v
        if y.sum() > 20:
            break
    return y + z


PROGRAMS.add(brk_dyn_gen, *ROWS, expect="either")


def brk_dyn_gen2(x):
    y = x
    z = []

    def f(k):
        z.append(k)
        return k

    for v in (f(k) for k in range(4)):
        y = y + v
        if y.sum() > 20:
            break
    return y, len(z)


PROGRAMS.add(brk_dyn_gen2, *ROWS, expect="either")


def brk_genfun(x):
    y = x
    z = torch.zeros(4)

    def g():
        a = x
        for k in range(3):
            a = a * 2
            yield a
            z.add_(1)

    for v in g():
        y = y + v
        if y.sum() > 20:
            break
    return y + z


PROGRAMS.add(brk_genfun, *ROWS, expect="either")


def brk_genfun2(x):
    y = x

    def g():
        a = x
        for k in range(3):
            a = a * 2
            yield a

    for v in g():
        y = y + v
        if y.sum() > 20:
            break
    return y


PROGRAMS.add(brk_genfun2, *ROWS)


def brk_enum(x):
    y = x
    for k, v in enumerate([x, x * 2, x * 3]):
        y = y + v * k
        if y.sum() > 20:
            break
    return y


PROGRAMS.add(brk_enum, *ROWS)


def brk_index(x):
    y = x[0]
    for v in (x[k] for k in range(3)):
        y = y + v
        if y.sum() > -100:
            break
    return y


PROGRAMS.add(brk_index, *ROWS)


def any_index(x):
    return any(x[k].sum() > -100 for k in range(3))


PROGRAMS.add(any_index, *ROWS)


def brk_accum(x):
    y = x
    for v in itertools.accumulate([x, x * 2, x * 3]):
        y = y + v
        if y.sum() > 20:
            break
    return y


PROGRAMS.add(brk_accum, *ROWS)


def ret_enum(x):
    for k, v in enumerate([x, x * 2, x * 3]):
        if v.sum() > k:
            return v * (k + 1)
    return x * 0


PROGRAMS.add(ret_enum, *ROWS)


def zipped(x):
    a = iter([1, 2, 3])
    b = iter([10, 20])
    t = 0
    for p, q in zip(a, b):
        t = t * 3 + p + q
    return x * t + sum(a)


PROGRAMS.add(zipped, *ROWS)


def cont(x):
    it = iter(range(6))
    t = 0
    for v in it:
        if v % 2:
            continue
        t += v + next(it, 0)
    return x * t


PROGRAMS.add(cont, *ROWS)


def nested_for_same_iter(x):
    it = iter(range(8))
    t = 0
    for v in it:
        for w in it:
            t = t * 3 + w
            if w == 3:
                break
        t += v
    return x * t


PROGRAMS.add(nested_for_same_iter, *ROWS)


def else_brk(x):
    it = iter(range(8))
    t = 0
    for v in it:
        if v == 5:
            break
    else:
        t = 100
    return x * (t + sum(it))


PROGRAMS.add(else_brk, *ROWS)


def while_next(x):
    it = iter(range(8))
    t = 0
    while True:
        v = next(it, None)
        if v is None:
            break
        t += v
    return x * t


PROGRAMS.add(while_next, *ROWS)
