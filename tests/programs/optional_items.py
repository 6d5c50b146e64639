"""Lists of dynamic length whose items may be None."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, ints, rand

PROGRAMS = Programs("optional_items")
X0, X1, X2, X3, X6 = (rand(n, 4, seed=n) for n in (0, 1, 2, 3, 6))
XS, XN = (X3, X0, X1, X2, X6), (X3, X1, X2, X6)
I3, I0, I1, I6 = ints(3), ints(0), ints(1), ints(6)
IS, IN = (I3, I0, I1, I6), (I3, I1, I6)


def none_times_n(x):
    out = [None] * x.shape[0]
    for i in range(x.shape[0]):
        out[i] = x[i] * 2
    return torch.stack(out)


PROGRAMS.add(none_times_n, *XN)


def none_items(x):
    items = []
    for r in x:
        items.append(r if r.sum() > 0 else None)
    s = x.new_zeros(4)
    for r in items:
        if r is not None:
            s = s + r
    return s


PROGRAMS.add(none_items, *XS)


def none_items_num(t):
    items = [None if v > 4 else v for v in t.tolist()]
    return sum(v for v in items if v is not None), len([v for v in items if v is None])


PROGRAMS.add(none_items_num, *IS)


def none_tuple_items(x):
    items = []
    for r in x:
        items.append((r, None if r.sum() > 0 else r * 2))
    s = x.new_zeros(4)
    for a, b in items:
        s = s + a
        if b is not None:
            s = s + b
    return s


PROGRAMS.add(none_tuple_items, *XS)


def none_all_items(x):
    items = [None for _ in range(x.shape[0])]
    return len(items) + x.sum()


PROGRAMS.add(none_all_items, *XS)


def optional_first(x):
    outs = []
    prev = None
    for r in x:
        outs.append(prev)
        prev = r
    s = x.new_zeros(4)
    for o in outs:
        if o is not None:
            s = s * 0.5 + o
    return s


PROGRAMS.add(optional_first, *XS)
