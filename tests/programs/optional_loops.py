"""None, or no value at all, before a loop or after some of its trips."""

# The programs are written as users write them.
# ruff: noqa: F821, F841

from __future__ import annotations

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("optional_loops")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0, -3.0)
X3, X1, X5 = (
    vec(1.0, 2.0, 3.0, -4.0, -1.0, 5.0).reshape(3, 2),
    vec(1.0, 2.0).reshape(1, 2),
    rand(5, 2),
)
X0 = X3[:0].clone()


def best_loop(x):
    best = None
    for row in x:
        s = row.sum()
        if best is None or s > best:
            best = s
    return x.sum() if best is None else best


PROGRAMS.add(best_loop, X3, X1, X5, X0)


def best_loop_and(x):
    best = None
    arg = -1
    for i, row in enumerate(x):
        s = row.sum()
        if best is not None and s <= best:
            continue
        best = s
        arg = i
    return arg


PROGRAMS.add(best_loop_and, X3, X1, X5, X0)


def find_first(x):
    hit = None
    for row in x:
        if row[1] < 0:
            hit = row
            break
    if hit is None:
        return x.sum(0)
    return hit * 10


PROGRAMS.add(find_first, X3, X1, X5, X0)


def prev_loop(x):
    prev = None
    t = x.new_zeros(2)
    for row in x:
        if prev is not None:
            t = t + (row - prev).abs()
        prev = row
    return t


PROGRAMS.add(prev_loop, X3, X1, X5, X0)


def return_in_loop(x):
    def find(v):
        for row in v:
            if row[1] < 0:
                return row
        return None

    r = find(x)
    return r + 1 if r is not None else x.sum(0)


PROGRAMS.add(return_in_loop, X3, X1, X5)


def tuple_none(x):
    best = None
    for row in x:
        s = row.sum()
        if best is None or s > best[0]:
            best = (s, row)
    if best is None:
        return x.sum(0)
    return best[0] * best[1]


PROGRAMS.add(tuple_none, X3, X1, X5, X0)


def loop_var_after(x):
    for row in x:
        last = row
    return last if x.shape[0] > 0 else x.sum(0)


PROGRAMS.add(loop_var_after, X3, X1, X5, X0)


def loop_var_after2(x):
    for row in x:
        last = row * 2
    return last


PROGRAMS.add(loop_var_after2, X3, X1, X5)


def loop_prev_by_index(x):
    t = x.new_zeros(2)
    for i, row in enumerate(x):
        if i > 0:
            t = t + prev
        prev = row
    return t


PROGRAMS.add(loop_prev_by_index, X3, X1, X5, X0)


def two_best(x):
    best = second = None
    for row in x:
        s = row.sum()
        if best is None or s > best:
            second = best
            best = s
        elif second is None or s > second:
            second = s
    a = best if best is not None else x.sum()
    return a if second is None else a - second


PROGRAMS.add(two_best, X3, X1, X5, X0)
