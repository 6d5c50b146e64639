"""Iterators that a branch or loop advances."""

# The programs are written as users write them.
# ruff: noqa: E741, F841

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("iterators")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0, -3.0)
X3, X1, X5 = (
    vec(1.0, 2.0, 3.0, -4.0, -1.0, 5.0).reshape(3, 2),
    vec(1.0, 2.0).reshape(1, 2),
    rand(5, 2),
)
X0 = X3[:0].clone()


def iter_branch2(x):
    it = iter([x, x * 2, x * 3])
    if x.sum() > 0:
        y = next(it)
    else:
        y = next(it)
    return y + next(it)


PROGRAMS.add(iter_branch2, POS, NEG, expect="refuse")


def iter_in_branch(x):
    if x.sum() > 0:
        it = iter([x, x * 2])
        y = next(it) + next(it)
    else:
        y = x
    return y


PROGRAMS.add(iter_in_branch, POS, NEG)


def iter_unrolled(x):
    it = iter([x, x * 2, x * 3, x * 4])
    y = x
    for k in range(2):
        y = y + next(it)
    return y * next(it)


PROGRAMS.add(iter_unrolled, POS, NEG)


def list_of_iter(x):
    it = iter([x, x * 2, x * 3])
    if x.sum() > 0:
        l = list(it)
    else:
        l = [x] * 3
    return sum(l) + sum(list(it), x)


PROGRAMS.add(list_of_iter, POS, NEG, expect="refuse")


def gen_fn(x):
    def g(v):
        for k in range(4):
            yield v * k

    it = g(x)
    if x.sum() > 0:
        next(it)
    return next(it)


PROGRAMS.add(gen_fn, POS, NEG, expect="refuse")


def for_in_branch(x):
    it = enumerate([x, x * 2, x * 3])
    t = x
    if x.sum() > 0:
        for i, v in it:
            t = t + v
    for i, v in it:
        t = t * v
    return t


PROGRAMS.add(for_in_branch, POS, NEG, expect="refuse")


def module_iter(x):
    m = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.ReLU()])
    if x.sum() > 0:
        for l in m.children():
            x = l(x)
    for n, l in m.named_children():
        x = l(x)
    return x


PROGRAMS.add(module_iter, POS, NEG)


def map_branch(x):
    it = map(lambda v: v * 2, [x, x + 1, x + 2])
    if x.sum() > 0:
        next(it)
    return next(it)


PROGRAMS.add(map_branch, POS, NEG, expect="refuse")


def star_iter(x):
    it = iter([x, x * 2, x * 3])
    if x.sum() > 0:
        a, *b = it
    else:
        a = x
        b = [x, x]
    return sum([*it], a)


PROGRAMS.add(star_iter, POS, NEG, expect="refuse")


def in_iter(x):
    it = iter([1, 2, 3])
    if x.sum() > 0:
        y = 1 in it
    return x * sum(it)


PROGRAMS.add(in_iter, POS, NEG, expect="refuse")


def next_default(x):
    it = iter([x])
    if x.sum() > 0:
        next(it)
    return next(it, x * 9)


PROGRAMS.add(next_default, POS, NEG, expect="refuse")


def zip_strict(x):
    it = iter([x, x * 2])
    if x.sum() > 0:
        for a, b in zip(it, [1, 2]):
            x = x + a * b
    return x + sum(list(it), x)


PROGRAMS.add(zip_strict, POS, NEG, expect="refuse")


def reversed_it(x):
    it = reversed([x, x * 2])
    if x.sum() > 0:
        next(it)
    return next(it)


PROGRAMS.add(reversed_it, POS, NEG, expect="refuse")


def random_state(x):
    import random

    r = random.Random(0)
    if x.sum() > 0:
        r.random()
    return x * r.random()


PROGRAMS.add(random_state, POS, NEG, expect="refuse")
