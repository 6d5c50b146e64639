"""Functions that ask a generator for its items one by one, as many as they need."""

# The programs are written as users write them.
# ruff: noqa: F841

from __future__ import annotations

import collections
import functools
import itertools
import math

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("lazy_functions")
ROWS = (rand(3, 4), rand(1, 4), rand(5, 4))


def sum_lazy(x):
    z = torch.zeros(4)
    return sum((z.add_(1) for _ in range(3)), z)


PROGRAMS.add(sum_lazy, *ROWS)


def sum_lazy_dyn(x):
    z = torch.zeros(4)
    return sum((z.add_(r) for r in x), z * 1)


PROGRAMS.add(sum_lazy_dyn, *ROWS)


def any_lazy(x):
    seen = []

    def f(k):
        seen.append(k)
        return k > 1

    a = any(f(k) for k in range(6))
    return x * len(seen)


PROGRAMS.add(any_lazy, *ROWS)


def any_lazy_t(x):
    seen = []
    z = torch.zeros(4)

    def f(k):
        z.add_(1)
        return x.sum() > k

    a = any(f(k) for k in range(4))
    return z + a


PROGRAMS.add(
    any_lazy_t, rand(3, 4), rand(1, 4), rand(5, 4) + 2, rand(5, 4) - 2, rand(2, 4) * 0 + 0.2
)


def all_lazy_t(x):
    z = torch.zeros(4)

    def f(k):
        z.add_(1)
        return x.sum() > k

    a = all(f(k) for k in range(4))
    return z + a


PROGRAMS.add(
    all_lazy_t, rand(3, 4), rand(1, 4), rand(5, 4) + 2, rand(5, 4) - 2, rand(2, 4) * 0 + 0.2
)


def any_lazy_list(x):
    seen = []

    def f(k):
        seen.append(k)
        return x.sum() > k

    a = any(f(k) for k in range(4))
    return x * len(seen)


PROGRAMS.add(
    any_lazy_list, rand(3, 4), rand(1, 4), rand(5, 4) + 2, rand(5, 4) - 2, rand(2, 4) * 0 + 0.2
)


def any_lazy_dyn(x):
    z = torch.zeros(4)

    def f(r):
        z.add_(1)
        return r.sum() > 1

    a = any(f(r) for r in x)
    return z + a


PROGRAMS.add(
    any_lazy_dyn,
    rand(3, 4),
    rand(1, 4),
    rand(5, 4) + 2,
    rand(5, 4) - 2,
    rand(2, 4) * 0 + 0.2,
    rand(4, 4)[:0],
)


def min_lazy(x):
    z = torch.zeros(())
    return min(z.add_(k) for k in (3, -1, 2))


PROGRAMS.add(min_lazy, *ROWS)


def max_key(x):
    seen = []

    def f(k):
        seen.append(k)
        return -k

    m = max((len(seen) + k for k in range(4)), key=f)
    return x * m + len(seen)


PROGRAMS.add(max_key, *ROWS)


def sorted_lazy(x):
    seen = []

    def f(k):
        seen.append(k)
        return -k

    m = sorted((len(seen) + k for k in range(4)), key=f)
    return x * m[0] + m[1]


PROGRAMS.add(sorted_lazy, *ROWS)


def in_gen(x):
    seen = []

    def f(k):
        seen.append(k)
        return k

    a = 2 in (f(k) for k in range(6))
    return x * len(seen) + a


PROGRAMS.add(in_gen, *ROWS)


def in_gen_t(x):
    z = torch.zeros(())
    s = x.sum()

    def f(k):
        z.add_(1)
        return k

    if s.round() in (f(k) for k in range(4)):
        z = z * 10
    return z


PROGRAMS.add(in_gen_t, rand(3, 4), torch.ones(1, 2) * 1, torch.ones(1, 2) * 0)


def in_iter_rest(x):
    it = iter([1, 2, 3, 4])
    a = 2 in it
    return x * sum(it)


PROGRAMS.add(in_iter_rest, *ROWS)


def unpack_gen(x):
    it = (x * k for k in range(3))
    a, b, c = it
    return a + b * 2 + c * 3


PROGRAMS.add(unpack_gen, *ROWS)


def unpack_star(x):
    y = [x]
    a, *b = (y.append(x * k) or len(y) for k in range(3))
    return torch.cat(y, 1) * a + sum(b)


PROGRAMS.add(unpack_star, *ROWS)


def star_call(x):
    y = [x]

    def f(*a):
        return sum(a)

    return torch.cat(y, 1) * f(*(y.append(x) or len(y) for k in range(3)))


PROGRAMS.add(star_call, *ROWS)


def star_list(x):
    y = [x]
    return torch.cat([*y, *(y.append(x * 2) or y[-1] for k in range(3)), *y], 1)


PROGRAMS.add(star_list, *ROWS)


def zip_order(x):
    log = []

    def g(n, m):
        for k in range(m):
            log.append(n)
            yield k

    list(zip(g(1, 2), g(10, 5)))
    out = 0
    for v in log:
        out = out * 3 + v
    return x * out


PROGRAMS.add(zip_order, *ROWS)


def map_order(x):
    log = [1]
    it = map(lambda k: log.append(k) or sum(log), range(4))
    next(it)
    a = len(log)
    next(it)
    return x * a + len(log)


PROGRAMS.add(map_order, *ROWS)


def islice(x):
    y = [x]
    y.extend(itertools.islice((y[-1] * 2 for _ in itertools.count()), 3))
    return torch.cat(y, 1)


PROGRAMS.add(islice, *ROWS)


def chain(x):
    y = [x]
    y.extend(itertools.chain((y[-1] * 2 for _ in range(2)), (y[0] + y[-1] for _ in range(2))))
    return torch.cat(y, 1)


PROGRAMS.add(chain, *ROWS)


def accumulate(x):
    return torch.cat(
        list(itertools.accumulate((x * k for k in range(3)), lambda a, b: a + b * 2)), 1
    )


PROGRAMS.add(accumulate, *ROWS)


def reduce_lazy(x):
    z = torch.zeros(4)
    return functools.reduce(lambda a, b: a + b, (z.add_(1) for _ in range(3)), z * 1)


PROGRAMS.add(reduce_lazy, *ROWS)


def reduce_dyn(x):
    return functools.reduce(lambda a, b: a * 0.5 + b, (r * 2 for r in x), x[0] * 0)


PROGRAMS.add(reduce_dyn, *ROWS)


def prod_lazy(x):
    z = torch.ones(4)
    return math.prod((z.mul_(2) for _ in range(3)), start=z)


PROGRAMS.add(prod_lazy, *ROWS)


def fromkeys(x):
    y = [x]
    d = dict.fromkeys((y.append(x) or len(y) for _ in range(3)), x)
    return torch.cat(list(d.values()), 1) * sum(d)


PROGRAMS.add(fromkeys, *ROWS)


def dict_gen(x):
    y = [x]
    d = dict((k, y.append(x * len(y)) or y[-1]) for k in "abc")
    return torch.cat(list(d.values()), 1)


PROGRAMS.add(dict_gen, *ROWS)


def counter(x):
    c = collections.Counter()
    c.update(len(c) for _ in range(4))
    return x * sum(k * v for k, v in c.items())


PROGRAMS.add(counter, *ROWS)


def odict(x):
    d = collections.OrderedDict()
    d.update((len(d), x * len(d)) for _ in range(4))
    return torch.cat(list(d.values()), 1)


PROGRAMS.add(odict, *ROWS)


def ddict(x):
    d = collections.defaultdict(int)
    d.update((len(d), x * len(d)) for _ in range(4))
    return torch.cat(list(d.values()), 1)


PROGRAMS.add(ddict, *ROWS)


def join(x):
    y = [x]
    s = ",".join(y.append(x) or str(len(y)) for _ in range(3))
    return x * len(s) + (s == "2,3,4")


PROGRAMS.add(join, *ROWS)


def cat_tuple(x):
    y = [x]
    return torch.cat(tuple(y.append(x * len(y)) or y[-1] for _ in range(3)), 1)


PROGRAMS.add(cat_tuple, *ROWS)


def ext_then_fail(x):
    y = [x]

    def g():
        yield x * 2
        yield x * 3
        raise ValueError("no")

    try:
        y.extend(g())
    except ValueError:
        pass
    return torch.cat(y, 1)


PROGRAMS.add(ext_then_fail, *ROWS)


def iter_sentinel(x):
    y = [x]

    def f():
        return len(y)

    y.extend(iter(f, 4))
    return x * sum(v for v in y[1:])


PROGRAMS.add(iter_sentinel, *ROWS)


def gen_while_appended(x):
    y = [1]
    for v in (k * 2 for k in y):
        if len(y) < 4:
            y.append(v)
    return x * sum(y)


PROGRAMS.add(gen_while_appended, *ROWS)


def list_iter_appended(x):
    y = [1]
    it = iter(y)
    y.append(2)
    y.extend(v + 1 for v in itertools.islice(it, 3))
    return x * sum(y)


PROGRAMS.add(list_iter_appended, *ROWS)


def bytearr(x):
    b = bytearray(b"ab")
    b.extend(len(b) for _ in range(3))
    return x * sum(b)


PROGRAMS.add(bytearr, *ROWS)


def mlist(x):
    y = [torch.nn.Identity()]
    ml = torch.nn.ModuleList(y)
    ml.extend(torch.nn.ReLU() for _ in range(2))
    for m in ml:
        x = m(x)
    return x * len(ml)


PROGRAMS.add(mlist, *ROWS)


def gen2(x):
    y = [x]
    y.extend(y[-1] * a + b for a in range(2) for b in range(2) if len(y) < 4)
    return torch.cat(y, 1)


PROGRAMS.add(gen2, *ROWS)


def insert0(x):
    y = [x]
    y[0:0] = (y[-1] * 2 for _ in range(2))
    return torch.cat(y, 1)


PROGRAMS.add(insert0, *ROWS)


def ext_if_dyn(x):
    y = [x[0]]
    y.extend(y[-1] + r for r in x if r.sum() > 0)
    return torch.stack(y)


PROGRAMS.add(ext_if_dyn, *ROWS)


def ext_attr(x):
    class H:
        pass

    h = H()
    h.y = [x]
    h.y += (h.y[-1] * 2 for _ in range(3))
    return torch.cat(h.y, 1)


PROGRAMS.add(ext_attr, *ROWS)


def iadd_sub(x):
    h = {"a": [x]}
    h["a"] += (h["a"][-1] * 2 for _ in range(3))
    return torch.cat(h["a"], 1)


PROGRAMS.add(iadd_sub, *ROWS)


def ext_in_branch(x):
    y = [x]
    if x.sum() > 0:
        y.extend(y[-1] * 2 for _ in range(3))
    return torch.cat(y, 1)


PROGRAMS.add(ext_in_branch, rand(3, 4) + 1, rand(3, 4) - 1)


def reduced_without_a_start(x):
    def added(a, b):
        return a + b if b > 0 else a - b

    largest = functools.reduce(lambda a, b: torch.maximum(a, b) * 2, x)
    steps = functools.reduce(lambda a, b: a * b + 1, range(1, x.shape[0] + 1))
    return functools.reduce(added, x), largest, steps


PROGRAMS.add(reduced_without_a_start, vec(1.0, 2.0, 3.0), vec(0.5), vec(-2.0, 5.0, -1.0, 4.0))
