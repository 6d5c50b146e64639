"""One object on some ways, two on others; names, closures and state in branches."""

# The programs are written as users write them.
# ruff: noqa: E741, F841

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("aliases")
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


class Counting:
    n = 0

    def __init__(self):
        Counting.n += 1

    def __enter__(self):
        Counting.n += 10
        return self

    def __exit__(self, *a):
        Counting.n += 100


def tensor_twins(x):
    if x.sum() > 0:
        t = x * 2
        y = t
        z = t
    else:
        y = x + 1
        z = x + 2
    y.add_(5)
    return z


PROGRAMS.add(tensor_twins, POS, NEG, expect="refuse")


def tensor_twins_both(x):
    if x.sum() > 0:
        t = x * 2
        y = t
        z = t
    else:
        t = x * 3
        y = t
        z = t
    y.add_(5)
    return z


PROGRAMS.add(tensor_twins_both, POS, NEG)


def view_twin(x):
    if x.sum() > 0:
        t = x * 2
        y = t
        z = t[:1]
    else:
        y = x + 1
        z = x[:1] + 2
    y.add_(5)
    return z


PROGRAMS.add(view_twin, POS, NEG, expect="refuse")


def loop_twins(x):
    a = x.new_zeros(2)
    b = x.new_zeros(2)
    t = x.new_zeros(2)
    for row in x:
        a.add_(1)
        t = t + b
        a = row * 2
        b = a
    return t


PROGRAMS.add(loop_twins, X3, X1, X5, expect="refuse")


def loop_twins_after(x):
    a = x.new_zeros(2)
    b = x.new_zeros(2)
    for row in x:
        a = row * 2
        b = a
    a.add_(1)
    return b


PROGRAMS.add(loop_twins_after, X3, X1, X5, expect="refuse")


def loop_inplace_end(x):
    y = x[0] * 1
    z = y * 2
    for row in x:
        y.add_(row)
        z = y
    return z


PROGRAMS.add(loop_inplace_end, X3, X1, X5)


def swap_inplace(x):
    a = x[0] * 1
    b = x[0] * 2
    for row in x:
        a.add_(row)
        a, b = b, a
    return a, b * 3


PROGRAMS.add(swap_inplace, X3, X1, X5)


def finally2(x):
    log = []
    try:
        if x.sum() > 0:
            y = x * 2
        else:
            y = x - 1
    finally:
        log.append(1)
    return y * len(log)


PROGRAMS.add(finally2, POS, NEG)


def try_return(x):
    def f(v):
        try:
            if v.sum() > 0:
                return v * 2
            v = v - 1
        except KeyError:
            v = v * 100
        else:
            v = v + 7
        finally:
            v = v + 1
        return v

    return f(x)


PROGRAMS.add(try_return, POS, NEG)


def ctx(x):
    Counting.n = 0
    if x.sum() > 0:
        with Counting():
            x = x * 2
    return x * Counting.n


PROGRAMS.add(ctx, POS, NEG)


def class_counter(x):
    Counting.n = 0
    if x.sum() > 0:
        c = Counting()
    d = Counting()
    return x * Counting.n


PROGRAMS.add(class_counter, POS, NEG)


def closure_cells(x):
    fs = []
    k = 1

    def get():
        return k

    if x.sum() > 0:
        k = 5
    return x * get()


PROGRAMS.add(closure_cells, POS, NEG)


def closure_made(x):
    if x.sum() > 0:
        s = x * 2
        f = lambda v: v + s
    else:
        s = x * 3
        f = lambda v: v - s
    return f(x)


PROGRAMS.add(closure_made, POS, NEG)


def closure_same(x):
    s = x
    f = lambda v: v + s
    if x.sum() > 0:
        s = x * 2
    return f(x)


PROGRAMS.add(closure_same, POS, NEG)


def partial_made(x):
    from functools import partial

    f = partial(torch.add, x)
    if x.sum() > 0:
        f = partial(torch.add, x * 2)
    return f(x)


PROGRAMS.add(partial_made, POS, NEG)


def method_made(x):
    b = Box(x)
    f = b.__class__
    c = f(x * 2) if x.sum() > 0 else f(x)
    return c.v


PROGRAMS.add(method_made, POS, NEG)


def del_var(x):
    y = x * 2
    if x.sum() > 0:
        del y
    try:
        return y
    except NameError:
        return x


PROGRAMS.add(del_var, POS, NEG)


def globals_(x):
    global GG
    GG = 1
    if x.sum() > 0:
        GG = x
    else:
        GG = x * 2
    return GG


PROGRAMS.add(globals_, POS, NEG)


def attr_tensor_branch(x):
    y = x * 1
    if x.sum() > 0:
        y.tag = x
    return y.tag if hasattr(y, "tag") else x * 3


PROGRAMS.add(attr_tensor_branch, POS, NEG)


def attr_tensor_merged(x):
    y = x * 1
    y.tag = x
    if x.sum() > 0:
        y = x * 2
        y.tag = x * 7
    return y.tag if hasattr(y, "tag") else x * 3


PROGRAMS.add(attr_tensor_merged, POS, NEG, expect="refuse")


def setattr_loop(x):
    b = Box(x)
    for k in ("p", "q"):
        if x.sum() > 0:
            setattr(b, k, x * 2)
    return getattr(b, "p", x) + getattr(b, "q", x)


PROGRAMS.add(setattr_loop, POS, NEG)


def dict_attr(x):
    b = Box(x)
    if x.sum() > 0:
        b.__dict__["w"] = x * 2
    return b.w if hasattr(b, "w") else x


PROGRAMS.add(dict_attr, POS, NEG)


def vars_attr(x):
    b = Box(x)
    if x.sum() > 0:
        b.w = x * 2
    return x * len(vars(b))


PROGRAMS.add(vars_attr, POS, NEG)


def property_(x):
    class A:
        def __init__(s):
            s._v = None

        @property
        def v(s):
            return s._v

        @v.setter
        def v(s, w):
            s._v = w * 2

    a = A()
    if x.sum() > 0:
        a.v = x
    return x if a.v is None else a.v


PROGRAMS.add(property_, POS, NEG)


def slots_(x):
    class A:
        __slots__ = ("v", "w")

    a = A()
    a.v = x
    if x.sum() > 0:
        a.w = x * 2
    return a.w if hasattr(a, "w") else a.v


PROGRAMS.add(slots_, POS, NEG)


def slots2(x):
    class A:
        __slots__ = ("v",)

        def __init__(s, v):
            s.v = v

    a = A(x) if x.sum() > 0 else A(x * 2)
    return a.v


PROGRAMS.add(slots2, POS, NEG)


def enum_(x):
    import enum

    class E(enum.Enum):
        A = 1
        B = 2

    e = E.A if x.sum() > 0 else E.B
    return x if e is E.A else -x


PROGRAMS.add(enum_, POS, NEG)


def str_merge(x):
    m = "a" if x.sum() > 0 else "b"
    return x if m == "a" else -x


PROGRAMS.add(str_merge, POS, NEG)


def str_is(x):
    m = None
    if x.sum() > 0:
        m = "a"
    return x if m == "a" else -x


PROGRAMS.add(str_is, POS, NEG)


def is_list(x):
    a = [x]
    b = [x]
    c = a if x.sum() > 0 else b
    return x if c is a else -x


PROGRAMS.add(is_list, POS, NEG)


def is_loop(x):
    a = x[0]
    b = x[0] * 2
    for row in x:
        a = b
    return x if a is b else -x


PROGRAMS.add(is_loop, X3, X1, X5)


def set_merge(x):
    s = {1}
    if x.sum() > 0:
        s = {1, 2}
    return x * len(s)


PROGRAMS.add(set_merge, POS, NEG)


def mutated_default(x):
    def f(v, acc={}):
        acc["n"] = acc.get("n", 0) + 1
        return v * acc["n"]

    if x.sum() > 0:
        f(x)
    return f(x)


PROGRAMS.add(mutated_default, POS, NEG)


def list_sort_branch(x):
    l = [3, 1, 2]
    if x.sum() > 0:
        l.sort()
    return x * l[0]


PROGRAMS.add(list_sort_branch, POS, NEG)


def list_reverse(x):
    l = [x, x * 2]
    if x.sum() > 0:
        l.reverse()
    return l[0]


PROGRAMS.add(list_reverse, POS, NEG)


def new_list_each_trip(x):
    total = x[0] * 0
    for row in x:
        l = [row]
        if row.sum() > 0:
            l = [row * 2]
        l.append(row)
        total = total + l[0] + l[1]
    return total


PROGRAMS.add(new_list_each_trip, X3, -X3, X1, -X1)


def first_name_read_in_the_next_trip(x):
    l = [x[0]]
    total = x[0] * 0
    for row in x:
        total = total + l[0]
        m = l
        if row.sum() > 0:
            m = [row]
        m[0] = m[0] + 1
    return total


PROGRAMS.add(first_name_read_in_the_next_trip, X3, -X3, X1, -X1)


def first_name_read_in_a_later_branch(x):
    l = [x]
    m = l
    if x.sum() > 0:
        m = [x * 2]
    m[0] = x * 7
    if x[0, 0] > 0:
        return l[0]
    return m[0]


PROGRAMS.add(first_name_read_in_a_later_branch, X3, -X3, X1, -X1)
