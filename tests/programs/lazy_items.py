"""Generators and other iterators whose items look at what they fill, or change it."""

# The programs are written as users write them.

from __future__ import annotations

from collections import deque

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("lazy_items")
ROWS = (rand(3, 4), rand(1, 4), rand(5, 4))


def ext(x):
    y = [x]
    y.extend(y[-1] * 2 for _ in range(3))
    return torch.cat(y, 1)


PROGRAMS.add(ext, *ROWS)


def iadd(x):
    y = [x]
    y += (y[-1] * 2 for _ in range(3))
    return torch.cat(y, 1)


PROGRAMS.add(iadd, *ROWS)


def ext_dyn(x):
    y = [x[0] * 0]
    y.extend(y[-1] * 2 + r for r in x)
    return torch.stack(y)


PROGRAMS.add(ext_dyn, *ROWS)


def iadd_dyn(x):
    y = [x[0] * 0]
    y += (y[-1] * 2 + r for r in x)
    return torch.stack(y)


PROGRAMS.add(iadd_dyn, *ROWS)


def ext_dyn_map(x):
    y = [x[0] * 0]
    y.extend(map(lambda r: y[-1] * 2 + r, x))
    return torch.stack(y)


PROGRAMS.add(ext_dyn_map, *ROWS)


def ext_map(x):
    y = [x]
    y.extend(map(lambda k: y[-1] * 2 + k, range(3)))
    return torch.cat(y, 1)


PROGRAMS.add(ext_map, *ROWS)


def ext_filter(x):
    y = [x]
    y.extend(filter(lambda k: len(y) > k, [5, 0, 2, 1]))
    return sum(v if isinstance(v, int) else v.sum() for v in y)


PROGRAMS.add(ext_filter, *ROWS)


def ext_zip(x):
    y = [x]
    y.extend(
        a + b for a, b in zip((y[-1] * 2 for _ in range(3)), (y[0] * len(y) for _ in range(9)))
    )
    return torch.cat(y, 1)


PROGRAMS.add(ext_zip, *ROWS)


def ext_enum(x):
    y = [x]
    y.extend(b * a for a, b in enumerate(y[-1] + len(y) for _ in range(3)))
    return torch.cat(y, 1)


PROGRAMS.add(ext_enum, *ROWS)


def genfun(x):
    y = [x]

    def g():
        for k in range(3):
            yield y[-1] * 2 + k

    y.extend(g())
    return torch.cat(y, 1)


PROGRAMS.add(genfun, *ROWS)


def ext_self(x):
    y = [x]
    y.extend(y)
    y += y
    return torch.cat(y, 1)


PROGRAMS.add(ext_self, *ROWS)


def ext_iter_self(x):
    y = [x, x * 2]
    y.extend(v * 3 for v in list(y))
    y.extend(reversed(y))
    return torch.cat(y, 1)


PROGRAMS.add(ext_iter_self, *ROWS)


def upd_gen(x):
    d = {0: x}
    d.update((k + 1, d[k] * 2) for k in range(3))
    return torch.cat(list(d.values()), 1)


PROGRAMS.add(upd_gen, *ROWS)


def ior_gen(x):
    d = {0: x}
    d |= ((k + 1, d[k] * 2) for k in range(3))
    return torch.cat(list(d.values()), 1)


PROGRAMS.add(ior_gen, *ROWS)


def upd_len(x):
    d = {}
    d.update((len(d) + k, x * len(d)) for k in range(3))
    return sum((v * k for k, v in d.items()), x)


PROGRAMS.add(upd_len, *ROWS)


def upd_zip(x):
    d = {}
    d.update(zip("abc", (x * len(d) for _ in range(5))))
    return torch.cat(list(d.values()), 1)


PROGRAMS.add(upd_zip, *ROWS)


def set_upd(x):
    s = {0}
    s.update(len(s) * 2 for _ in range(3))
    return x * sum(s)


PROGRAMS.add(set_upd, *ROWS)


def set_diff(x):
    s = {0, 1, 2, 3, 4, 5}
    s.difference_update(len(s) - 1 for _ in range(3))
    return x * sum(s)


PROGRAMS.add(set_diff, *ROWS)


def set_inter(x):
    s = {0, 1, 2, 3, 4, 5}
    s.intersection_update(len(s) - k for k in range(3))
    return x * sum(s)


PROGRAMS.add(set_inter, *ROWS)


def set_sym(x):
    s = {0, 1, 2, 3, 4, 5}
    s.symmetric_difference_update(len(s) - k for k in range(3))
    return x * sum(s)


PROGRAMS.add(set_sym, *ROWS)


def dq(x):
    y = deque([x], maxlen=3)
    y.extend(y[-1] * 2 for _ in range(4))
    y.extendleft(y[0] + y[-1] for _ in range(2))
    return torch.cat(list(y), 1)


PROGRAMS.add(dq, *ROWS)


def dq_iadd(x):
    y = deque([x])
    y += (y[-1] * 2 for _ in range(4))
    return torch.cat(list(y), 1)


PROGRAMS.add(dq_iadd, *ROWS)


def slice_assign(x):
    y = [x, x]
    y[1:] = (y[-1] * len(y) for _ in range(3))
    return torch.cat(y, 1)


PROGRAMS.add(slice_assign, *ROWS)
