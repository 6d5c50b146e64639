"""Special methods, properties and context managers of the program's own classes."""

# The programs are written as users write them.
# ruff: noqa: F841

from __future__ import annotations

import contextlib
import functools

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("special_methods")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0, -3.0)
X3, X1, X5 = (
    vec(1.0, 2.0, 3.0, -4.0, -1.0, 5.0).reshape(3, 2),
    vec(1.0, 2.0).reshape(1, 2),
    rand(5, 2),
)
X0 = X3[:0].clone()


class Box:
    def __init__(self, v):
        self.v = v
        self.n = 0


class Store:
    def __init__(self):
        self.d = {}
        self.cache = None
        self.hits = 0

    def __setitem__(self, k, v):
        self.d[k] = v
        self.hits += 1

    def __getitem__(self, k):
        self.hits += 1
        return self.d[k]

    def __contains__(self, k):
        return k in self.d

    def __len__(self):
        return len(self.d)

    def __delitem__(self, k):
        del self.d[k]

    def __iter__(self):
        return iter(list(self.d.values()))

    @property
    def lazy(self):
        if self.cache is None:
            self.cache = 1
            self.hits += 5
        return self.cache

    @lazy.setter
    def lazy(self, v):
        self.cache = v * 2
        self.hits += 1

    @functools.cached_property
    def cp(self):
        self.hits += 7
        return self.hits


class Vec:
    def __init__(self, v, s=None):
        self.v = v
        self.s = s

    def __add__(self, o):
        if isinstance(o, Vec):
            o = o.v
        w = self.v + o
        if self.s is None:
            return Vec(w)
        return Vec(w + self.s, self.s)

    __radd__ = __add__

    def __mul__(self, o):
        if self.v.sum() > 0:
            return Vec(self.v * o)
        return Vec(self.v - o)

    def __neg__(self):
        return Vec(-self.v)

    def __iadd__(self, o):
        self.v = self.v + o
        return self

    def __eq__(self, o):
        return (self.v == o.v).all()

    def __bool__(self):
        return True

    __hash__ = None


class Counter2:
    def __init__(self, n):
        self.i = 0
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.i >= self.n:
            raise StopIteration
        self.i += 1
        return self.i


class Ctx:
    def __init__(self):
        self.n = 0

    def __enter__(self):
        self.n += 1
        return self

    def __exit__(self, *a):
        self.n += 10


class SetAttr:
    def __setattr__(self, k, v):
        object.__setattr__(self, k, v)
        object.__setattr__(self, "last", k)


class SetAttr2:
    def __setattr__(self, k, v):
        super().__setattr__(k, v * 2)


@contextlib.contextmanager
def cm(b):
    b.n += 1
    yield b
    b.n += 10


def store_set(x):
    s = Store()
    if x.sum() > 0:
        s["a"] = x * 2
    s["b"] = x
    if "a" in s:
        return s["a"] * s.hits
    return s["b"] * s.hits * len(s)


PROGRAMS.add(store_set, POS, NEG)


def store_get(x):
    s = Store()
    s["a"] = x
    if x.sum() > 0:
        y = s["a"]
    else:
        y = x
    return y * s.hits


PROGRAMS.add(store_get, POS, NEG)


def store_del(x):
    s = Store()
    s["a"] = x
    s["b"] = x * 2
    if x.sum() > 0:
        del s["a"]
    return s["a"] if "a" in s else s["b"]


PROGRAMS.add(store_del, POS, NEG)


def prop_lazy(x):
    s = Store()
    if x.sum() > 0:
        y = x * s.lazy
    else:
        y = x
    return y * s.lazy * s.hits


PROGRAMS.add(prop_lazy, POS, NEG)


def prop_set(x):
    s = Store()
    if x.sum() > 0:
        s.lazy = x
    return x * s.hits if s.cache is None else s.cache * s.hits


PROGRAMS.add(prop_set, POS, NEG)


def cached_prop(x):
    s = Store()
    if x.sum() > 0:
        y = x * s.cp
    else:
        y = x
    return y * s.cp


PROGRAMS.add(cached_prop, POS, NEG)


def vec_add(x):
    v = Vec(x, x * 3 if x.sum() > 0 else None)
    return (v + x).v


PROGRAMS.add(vec_add, POS, NEG)


def vec_radd(x):
    v = Vec(x, x * 3 if x.sum() > 0 else None)
    return (1 + v).v


PROGRAMS.add(vec_radd, POS, NEG)


def vec_mul(x):
    return (Vec(x) * 2).v


PROGRAMS.add(vec_mul, POS, NEG)


def vec_iadd(x):
    v = Vec(x)
    w = v
    if x.sum() > 0:
        v += 1
    return w.v


PROGRAMS.add(vec_iadd, POS, NEG)


def vec_neg(x):
    return (-Vec(x)).v


PROGRAMS.add(vec_neg, POS, NEG)


def vec_eq(x):
    return x if Vec(x) == Vec(x.abs()) else -x


PROGRAMS.add(vec_eq, POS, NEG)


def iter_obj(x):
    s = Store()
    s["a"] = x
    s["b"] = x * 2
    t = x
    for v in s:
        t = t + v
    return t


PROGRAMS.add(iter_obj, POS, NEG)


def own_iter(x):
    c = Counter2(3)
    t = x
    for k in c:
        t = t + k
    return t * c.i


PROGRAMS.add(own_iter, POS, NEG)


def own_iter_branch(x):
    c = Counter2(3)
    t = x
    if x.sum() > 0:
        next(c)
    return t * next(c)


PROGRAMS.add(own_iter_branch, POS, NEG, expect="refuse")


def ctx_obj(x):
    c = Ctx()
    if x.sum() > 0:
        with c as d:
            x = x * 2
    return x * c.n


PROGRAMS.add(ctx_obj, POS, NEG)


def own_setattr(x):
    s = SetAttr()
    s.a = x
    if x.sum() > 0:
        s.a = x * 2
    return s.a


PROGRAMS.add(own_setattr, POS, NEG)


def own_setattr2(x):
    s = SetAttr2()
    s.a = x
    if x.sum() > 0:
        s.a = x * 3
    return s.a


PROGRAMS.add(own_setattr2, POS, NEG)


def ctx_gen(x):
    b = Box(x)
    if x.sum() > 0:
        with cm(b):
            x = x * 2
    return x * b.n


PROGRAMS.add(ctx_gen, POS, NEG)


def hidden_none(x):
    v = Vec(x)
    if x.sum() > 0:
        v.s = x * 2
    return (v + x).v


PROGRAMS.add(hidden_none, POS, NEG)


def post_init(x):
    from dataclasses import dataclass

    @dataclass
    class D:
        v: object
        m: object = None

        def __post_init__(s):
            if s.m is None:
                s.m = s.v * 3

    m = None
    if x.sum() > 0:
        m = x
    return D(x, m).m


PROGRAMS.add(post_init, POS, NEG)


def post_init_cond(x):
    from dataclasses import dataclass

    @dataclass
    class D:
        v: object

        def __post_init__(s):
            s.w = s.v * 2

    if x.sum() > 0:
        d = D(x)
    else:
        d = D(-x)
    return d.w


PROGRAMS.add(post_init_cond, POS, NEG)


def super_prop(x):
    class A(Store):
        @property
        def lazy(self):
            return super().lazy + 1

    a = A()
    if x.sum() > 0:
        x = x * a.lazy
    return x * a.hits


PROGRAMS.add(super_prop, POS, NEG)


def getattr_dyn(x):
    class A:
        def __init__(s):
            s._d = {}

        def __getattr__(s, k):
            if k.startswith("_"):
                raise AttributeError(k)
            return s._d.get(k, 1)

    a = A()
    if x.sum() > 0:
        a._d["q"] = x
    return a.q * x


PROGRAMS.add(getattr_dyn, POS, NEG)


def staticm(x):
    class A:
        n = 0

        @classmethod
        def hit(c):
            c.n += 1

    if x.sum() > 0:
        A.hit()
    A.hit()
    return x * A.n


PROGRAMS.add(staticm, POS, NEG)


def tuple_eq(x):
    f = None
    if x.sum() > 0:
        f = 1
    return x if (f, 2) == (None, 2) else -x


PROGRAMS.add(tuple_eq, POS, NEG)


def ifexp_nested(x):
    f = None
    if x.sum() > 0:
        f = x * 2
    g = f if f is not None else None
    return x if g is None else g


PROGRAMS.add(ifexp_nested, POS, NEG)


def functools_reduce(x):
    f = None
    if x.sum() > 0:
        f = x * 2
    return functools.reduce(lambda a, b: a if b is None else a + b, [x, f, x])


PROGRAMS.add(functools_reduce, POS, NEG)
