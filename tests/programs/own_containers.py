"""Containers and iterators written in Python: UserDict and kin, and the user's own."""

# The programs are written as users write them.

from __future__ import annotations

import collections
from collections.abc import MutableMapping, MutableSequence

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("own_containers")
ROWS = (rand(3, 4) + 1, rand(3, 4) - 1, rand(1, 4) + 2)


def userlist(x):
    y = collections.UserList([x])
    if x.sum() > 0:
        y.append(x * 2)
        y.extend([x])
        y += [x * 3]
    return sum(y) * len(y) + (y[0] if y else 0)


PROGRAMS.add(userlist, *ROWS, expect="either")


def userlist_ints(x):
    y = collections.UserList([1])
    if x.sum() > 0:
        y.append(5)
    else:
        y[0] = 3
    return x * sum(y) + len(y)


PROGRAMS.add(userlist_ints, *ROWS, expect="either")


def userdict(x):
    y = collections.UserDict(a=x)
    if x.sum() > 0:
        y["a"] = x * 2
        y.update(b=x, c=1)
        y.setdefault("d", 5)
    else:
        y["a"] = x * 5
    return y["a"] + len(y) + ("b" in y)


PROGRAMS.add(userdict, *ROWS)


def userdict_ints(x):
    y = collections.UserDict(a=1)
    if x.sum() > 0:
        y["a"] = 2
    return y["a"] * x


PROGRAMS.add(userdict_ints, *ROWS)


def chainmap(x):
    y = collections.ChainMap({"a": x}, {"b": 3})
    if x.sum() > 0:
        y["a"] = x * 2
    return y["a"] * y["b"]


PROGRAMS.add(chainmap, *ROWS)


class Store(MutableMapping):
    def __init__(self):
        self.d = {}
        self.n = 0

    def __getitem__(self, k):
        self.n += 1
        return self.d[k]

    def __setitem__(self, k, v):
        self.n += 10
        self.d[k] = v

    def __delitem__(self, k):
        self.n += 100
        del self.d[k]

    def __iter__(self):
        return iter(self.d)

    def __len__(self):
        return len(self.d)


def store(x):
    s = Store()
    s["a"] = x
    if x.sum() > 0:
        s.update(a=x * 2)
        y = s.get("a")
    else:
        y = s.setdefault("a", 5)
    for k, v in s.items():
        y = y + v
    return y + s.n + ("a" in s) + len(s)


PROGRAMS.add(store, *ROWS)


def store_pop(x):
    s = Store()
    s.update(a=x, b=1)
    v = s.pop("b")
    w = s.pop("zz", 7)
    return s["a"] * v + w + s.n + (s == s)


PROGRAMS.add(store_pop, *ROWS)


class Seq(MutableSequence):
    def __init__(self):
        self.l = []
        self.n = 0

    def __getitem__(self, k):
        self.n += 1
        return self.l[k]

    def __setitem__(self, k, v):
        self.n += 10
        self.l[k] = v

    def __delitem__(self, k):
        self.n += 100
        del self.l[k]

    def insert(self, k, v):
        self.l.insert(k, v)

    def __len__(self):
        return len(self.l)


def seq(x):
    s = Seq()
    s.append(x)
    s.extend([x * 2, x * 3])
    s += [x]
    if x.sum() > 0:
        s[0] = x * 5
    y = s[0]
    for v in s:
        y = y + v
    return y + s.n + len(s) + s.pop()


PROGRAMS.add(seq, *ROWS)


def odict(x):
    c = collections.OrderedDict(a=x, b=x * 2)
    c.move_to_end("a")
    _, v = c.popitem(last=False)
    if x.sum() > 0:
        c["z"] = x
    else:
        c["z"] = x * 2
    return v + c["a"] + c["z"] + len(c)


PROGRAMS.add(odict, *ROWS)


def nt(x):
    P = collections.namedtuple("P", "a b")
    p = P(x, 2)._replace(b=3)
    return p.a * p.b + len(p._asdict()) + P._make([x, 1]).b


PROGRAMS.add(nt, *ROWS)


def dd(x):
    d = collections.defaultdict(list)
    d["a"].append(x)
    d["b"]
    return d["a"][0] * len(d)


PROGRAMS.add(dd, *ROWS)


class Count:
    def __init__(self, x):
        self.n = 0
        self.x = x

    def __iter__(self):
        return self

    def __next__(self):
        self.n += 1
        if self.n > 3:
            raise StopIteration
        return self.x * self.n


def own_next(x):
    c = Count(x)
    y = x * 0
    if x.sum() > 0:
        for v in c:
            y = y + v
    return y + c.n


PROGRAMS.add(own_next, *ROWS)


def own_next_left(x):
    c = Count(x)
    y = x * 0
    for v in c:
        y = y + v
        if y.sum() > 5:
            break
    return y + c.n


PROGRAMS.add(own_next_left, *ROWS, expect="either")


class CountT:
    def __init__(self, x):
        self.n = 0
        self.x = x

    def __iter__(self):
        return self

    def __next__(self):
        self.n += 1
        if self.x.sum() * self.n > 3:
            raise StopIteration
        return self.x * self.n


def own_next_t(x):
    y = x * 0
    for v in CountT(x.abs() + 0.1):
        y = y + v
    return y


PROGRAMS.add(own_next_t, *ROWS, expect="refuse")


class Gen:
    def __init__(self, x):
        self.n = 0
        self.x = x

    def __iter__(self):
        for k in range(3):
            self.n += 1
            yield self.x * k


def own_iter(x):
    c = Gen(x)
    y = x * 0
    if x.sum() > 0:
        for v in c:
            y = y + v
        a, b, d = c
        y = y + a + b * 2 + d * 3
        y = y + sum(c) + torch.stack(list(c)).sum() + max(v.sum() for v in c)
        y = y + sum([*c]) + len({k: v for k, v in enumerate(c)})
    for p, q in zip(c, c):
        y = y + p * q
    return y + c.n


PROGRAMS.add(own_iter, *ROWS)


class Truth:
    def __init__(self, x):
        self.x = x
        self.n = 0

    def __bool__(self):
        self.n += 1
        if self.x.sum() > 0:
            return True
        return False


class Length:
    def __init__(self, x):
        self.x = x
        self.n = 0

    def __len__(self):
        self.n += 1
        return self.x.shape[0] - 1


def own_truth(x):
    c = Truth(x)
    y = x * 2 if c else x * 3
    if not c:
        y = y + 1
    return y + c.n + bool(c)


def own_length(x):
    c = Length(x)
    y = x * 2 if c else x * 3
    if x.sum() > 0 and c:
        y = y + 1
    return y + c.n + len(c)


PROGRAMS.add(own_truth, *ROWS)
PROGRAMS.add(own_length, *ROWS, rand(2, 4))
