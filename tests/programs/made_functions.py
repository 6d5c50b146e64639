"""Functions that are made anew in each iteration of a loop, and what they hold."""

# The programs are written as users write them.

from __future__ import annotations

import functools

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("made_functions")
ROWS = (rand(3, 4), rand(1, 4), rand(5, 4) + 1, rand(6, 4) - 1, rand(4, 4)[:0])


def shifted(by):
    return lambda row: torch.tanh(row + by)


def scaled(by, plus=0.0):
    def f(row):
        return row * by + plus

    return f


def made_before(x):
    f = shifted(x.sum())
    total = torch.zeros(4)
    for row in x:
        total = total + f(row)
        f = shifted(row.sum())
    return total, f(total)


def made_inside(x):
    total = torch.zeros(4)
    f = None
    for row in x:
        if f is not None:
            total = f(total)
        f = shifted(row.max())
    return total


def default_holds(x):
    total = torch.zeros(4)
    f = lambda v, r=x.sum(0): v + r
    for row in x:
        total = f(total)
        f = lambda v, r=row: v * r
    return f(total)


def on_a_path(x):
    f = torch.relu
    total = torch.zeros(4)
    for row in x:
        if row.sum() > 0:
            f = scaled(row.sum(), row[0])
        total = total + f(row)
    return f(total)


def two_kinds(x):
    f = torch.relu
    total = torch.zeros(4)
    for row in x:
        if row.sum() > 0:
            f = scaled(row.sum(), row[0])
        elif row[0] > 0:
            f = shifted(row[1])
        total = total + f(row)
    return f(total)


def in_a_list(x):
    fs = []
    for row in x:
        fs.append(scaled(row.sum(), len(fs)))
    total = x.sum(0)
    for f in fs:
        total = total * 0.5 + f(total)
    return total


def in_a_dict(x):
    d = {"f": torch.relu}
    total = x.sum(0)
    for row in x:
        total = d["f"](total + row)
        d["f"] = scaled(row[0])
    return d["f"](total)


def in_an_attribute(x):
    class Box:
        pass

    b = Box()
    b.f = scaled(1.5)
    total = x.sum(0)
    for row in x:
        total = b.f(total + row)
        b.f = scaled(row[0].item())
    return b.f(total)


def partials(x):
    f = functools.partial(torch.mul, x.sum(0))
    total = x.sum(0)
    for row in x:
        total = f(total)
        f = functools.partial(torch.mul, row)
    return f(total)


def partial_of_closure(x):
    f = functools.partial(scaled(2.0), x.sum(0))
    total = x.sum(0)
    for row in x:
        total = total + f()
        f = functools.partial(scaled(row.max()), row)
    return total + f()


def late_binding(x):
    k = torch.zeros(4)
    f = lambda v: v + k
    total = torch.zeros(4)
    for row in x:
        total = f(total)
        k = row
        f = lambda v: v + k * 2
    k = k + 1
    return f(total)


def counter(x):
    def make(n):
        def f(v):
            nonlocal n
            n = n + 1
            return v * n

        return f

    f = make(0)
    total = x.sum(0)
    for row in x:
        total = f(total) + f(row)
        if row.sum() > 0:
            f = make(10)
    return f(total)


def shared_state(x):
    def make(n):
        def f(v):
            nonlocal n
            n = n + 1
            return v * n

        def g(v):
            return v + n

        return f, g

    f, g = make(0)
    total = x.sum(0)
    for row in x:
        total = f(total)
        total = g(total)
        if row.sum() > 0:
            f, g = make(2)
    return g(f(total))


def captures_list(x):
    def adder(store):
        def f(v):
            store.append(v)
            return len(store)

        return f

    f = adder([])
    n = 0
    for row in x:
        n = n + f(row)
        if row.sum() > 0:
            f = adder([row])
    return x.sum() + n + f(x[0] if len(x) else x.sum(0))


def nested_lambda(x):
    make = lambda a: lambda b: lambda v: v * a + b
    f = make(1.0)(2.0)
    total = x.sum(0)
    for row in x:
        total = f(total)
        f = make(row[0])(row)
    return f(total)


def recursive(x):
    def make(k):
        def f(v, n):
            return v if n == 0 else f(v * k, n - 1)

        return f

    f = make(x.sum())
    total = x.sum(0)
    for row in x:
        total = f(total, 2)
        f = make(row[0])
    return total


def chained(x):
    def chain(f, g):
        return lambda v: g(f(v))

    f = torch.relu
    for row in x:
        f = chain(f, lambda v: v + 1)
    return f(x.sum(0))


def identical(x):
    f = scaled(x.sum())
    g = f
    for row in x:
        if row.sum() > 0:
            f = scaled(row.sum())
    return x * (2 if f is g else 3)


def equal(x):
    f = scaled(x.sum())
    g = f
    if x.sum() > 0:
        f = scaled(x.max())
    return x * (2 if f == g else 3)


def as_key(x):
    f = scaled(x.sum())
    d = {f: 2.0}
    if x.sum() > 0:
        f = scaled(x.max())
    return x * d.get(f, 5.0)


def while_loop(x):
    f = scaled(0.5)
    n = 0
    v = x.sum(0)
    while n < 5 and v.sum() < 3:
        v = f(v) + 1
        f = scaled(v.max(), plus=n)
        n += 1
    return f(v)


def from_comprehension(x):
    v = x.sum(0)
    fs = [lambda u, i=i: u + i for i in range(3)]
    for row in x:
        v = fs[0](v) + fs[2](row)
        fs = [lambda u, i=i: u * i + row[0] for i in range(3)]
    return fs[1](v)


def comp_late(x):
    v = x.sum(0)
    fs = [lambda u: u, lambda u: u]
    for row in x:
        v = fs[0](v) + fs[1](row)
        fs = [lambda u: u * i for i in range(2)]
    return fs[1](v)


def returned(x):
    def pick(r):
        if r.sum() > 0:
            return scaled(r.sum())
        return lambda v: v - r

    f = pick(x)
    for row in x:
        f = pick(row)
    return f(x.sum(0))


def holds_function(x):
    def twice(f):
        return lambda v: f(f(v))

    f = twice(torch.relu)
    v = x.sum(0)
    for row in x:
        v = f(v)
        f = twice(scaled(row[0]))
    return f(v)


def method_of_made(x):
    class S:
        def __init__(self, by):
            self.by = by

        def apply(self, v):
            return v * self.by

    f = S(x.sum()).apply
    v = x.sum(0)
    for row in x:
        v = f(v)
        f = S(row[0]).apply
    return f(v)


def callback_on_object(x):
    class Holder:
        def __init__(self, k):
            self.k = k
            self.cb = lambda v: v * self.k

    o = Holder(x.sum())
    v = x.sum(0)
    for row in x:
        v = o.cb(v)
        o = Holder(row[0])
    return o.cb(v)


def decorated(x):
    def deco(k):
        def wrap(f):
            @functools.wraps(f)
            def g(v):
                return f(v) * k

            return g

        return wrap

    v = x.sum(0)
    f = torch.relu

    def base(u):
        return u + 1

    for row in x:
        v = f(v)
        f = deco(row[0])(base)
    return f(v)


def rank_changes(x):
    f = scaled(x.sum())
    v = x.sum(0)
    for row in x:
        v = f(v)
        f = scaled(row)
    return f(v)


def write_captured(x):
    def acc(buf):
        def f(v):
            buf.add_(v)
            return buf * 1

        return f

    f = acc(torch.zeros(4))
    v = x.sum(0)
    for row in x:
        v = v + f(row)
        if row.sum() > 0:
            f = acc(row * 1)
    return f(v)


for program in (
    made_before,
    made_inside,
    default_holds,
    on_a_path,
    two_kinds,
    in_a_list,
    in_a_dict,
    in_an_attribute,
    partials,
    partial_of_closure,
    late_binding,
    nested_lambda,
    recursive,
    while_loop,
    from_comprehension,
    returned,
    holds_function,
    method_of_made,
    decorated,
    rank_changes,
    write_captured,
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}})
PROGRAMS.add(counter, *ROWS, expect="refuse", match="made anew in each iteration")
PROGRAMS.add(shared_state, *ROWS, expect="refuse", match="made anew in each iteration")
PROGRAMS.add(captures_list, *ROWS, expect="refuse", match="another name")
PROGRAMS.add(chained, *ROWS, expect="refuse", match="does not settle")
PROGRAMS.add(identical, *ROWS, expect="refuse", match="one object")
PROGRAMS.add(equal, *ROWS, expect="refuse", match="one object")
PROGRAMS.add(as_key, *ROWS, expect="refuse", match="one object")
PROGRAMS.add(comp_late, *ROWS, expect="refuse", match="made anew in each iteration")
PROGRAMS.add(callback_on_object, *ROWS, expect="refuse", match="made anew in each iteration")


# -- what others see as well ----------------------------------------------------------------------


def shared_list(x):
    store = []

    def make(s, k):
        return lambda v: s.append(v * k)

    fs = []
    for row in x:
        fs.append(make(store, row))
    for f in fs:
        f(x.sum(0))
    return x.sum() + len(store)


def shared_buffer_in_list(x):
    buf = torch.zeros(4)

    def make(b, k):
        return lambda v: v * k + b

    fs = []
    for row in x:
        fs.append(make(buf, row))
    buf.add_(1)
    total = x.sum(0)
    for f in fs:
        total = f(total)
    return total


def shared_buffer_carried(x):
    buf = torch.zeros(4)

    def make(b, k):
        return lambda v: v * k + b

    f = make(buf, x.sum())
    total = x.sum(0)
    for row in x:
        buf.add_(row)
        total = f(total)
        f = make(buf, row)
        buf.mul_(0.5)
    return f(total), buf


def buffer_of_a_branch(x):
    a, b = x.sum(0) * 1, x.sum(0) * 2

    def make(t):
        return lambda v: v + t

    f = make(a) if x.sum() > 0 else make(b)
    a.add_(10)
    return f(x)


def write_through(x):
    a, b = x.sum(0) * 1, x.sum(0) * 2

    def make(t):
        return lambda v: t.add_(v)

    f = make(a) if x.sum() > 0 else make(b)
    f(1.0)
    return a, b


def write_through_list(x):
    a, b = [x], [x, x]

    def make(t):
        return lambda v: t.append(v)

    f = make(a) if x.sum() > 0 else make(b)
    f(x)
    return x.sum() + len(a) * 10 + len(b)


def write_through_in_loop(x):
    a, b = [x], [x, x]

    def make(t):
        return lambda v: t.append(v)

    f = make(a)
    for row in x:
        f(x)
        if row.sum() > 0:
            f = make(b)
    return x.sum() + len(a) * 10 + len(b)


def object_shared(x):
    class Box:
        def __init__(self):
            self.v = 0

    box = Box()

    def make(o, k):
        def f():
            o.v = o.v + k
            return o.v

        return f

    f = make(box, 1)
    t = x.sum() * 0
    for row in x:
        t = t + f()
        f = make(box, 2)
    return t, box.v


def two_names(x):
    def make(s):
        return lambda v: s.append(v)

    s = []
    f = make(s)
    for row in x:
        f(row)
        g = f
        if row.sum() > 0:
            s = []
            f = make(s)
        g(row)
    return x.sum() + len(s)


def late_variable_of_ended(x):
    def make():
        k = 1
        f = lambda v: v * k
        k = 2
        return f

    f = make()
    t = x.sum(0)
    for row in x:
        t = f(t)
        f = make()
    return t


def maker_running(x):
    t = x.sum(0)

    def run(t):
        k = x.sum()
        f = lambda v: v + k
        for row in x:
            t = f(t)
            f = lambda v: v * k
            k = row.sum()
        return f(t)

    return run(t)


def generator_maker(x):
    def gen():
        k = 0
        for row in x:
            k = k + 1
            yield lambda v: v * k + row

    t = x.sum(0)
    for f in gen():
        t = f(t)
    return t


def generator_kept(x):
    def gen():
        k = 0
        for row in x:
            k = k + 1
            yield lambda v: v * k + row

    t = x.sum(0)
    g = torch.relu
    for f in gen():
        t = g(t)
        g = f
    return g(t)


def deleted(x):
    def make(k):
        f = lambda v: v * k
        if k.sum() > 0:
            k = k + 1
        return f

    f = make(x.sum())
    t = x.sum(0)
    for row in x:
        t = f(t)
        f = make(row)
    return f(t)


def class_made(x):
    def make(k):
        class C:
            def use(self, v):
                return v * k

        return C()

    c = make(x.sum())
    t = x.sum(0)
    for row in x:
        t = c.use(t)
        c = make(row)
    return c.use(t)


def swapped(x):
    def make(k):
        return lambda v: v * k

    f, g = make(x.sum()), make(x.max() if x.numel() else x.sum())
    t = x.sum(0)
    for row in x:
        t = f(t) + g(row)
        f, g = g, f
        if row.sum() > 0:
            g = make(row[0])
    return f(t) - g(t)


def dict_of_them(x):
    def make(k):
        return lambda v: v * k

    d = {"a": make(2.0), "b": make(3.0)}
    t = x.sum(0)
    for row in x:
        key = "a" if row.sum() > 0 else "b"
        t = d[key](t)
        d[key] = make(row[0])
    return d["a"](t) + d["b"](t)


def early_return(x):
    def make(k):
        return lambda v: v * k

    f = make(1.5)
    for row in x:
        if row.sum() > 2:
            return f(row)
        f = make(row[0])
    return f(x.sum(0))


def inner_loop(x):
    def make(k):
        return lambda v: v + k

    f = make(0.0)
    t = x.sum(0)
    for row in x:
        for v in row:
            t = f(t)
            if v > 0:
                f = make(v)
        t = f(t) * 0.5
    return f(t)


def kwonly(x):
    f = lambda v, *, s=1.0: v * s
    t = x.sum(0)
    for row in x:
        t = f(t)
        f = lambda v, *, s=row: v * s
    return f(t, s=2.0)


for program in (
    shared_buffer_carried,
    object_shared,
    late_variable_of_ended,
    maker_running,
    generator_maker,
    generator_kept,
    deleted,
    swapped,
    dict_of_them,
    early_return,
    inner_loop,
    kwonly,
    buffer_of_a_branch,
    write_through,
    write_through_list,
    write_through_in_loop,
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}})
for program, text in (
    (shared_list, "is an item of a list"),
    (shared_buffer_in_list, "is an item of a list"),
    (two_names, "another name"),
    (class_made, "made inside a branch or a loop"),
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}}, expect="refuse", match=text)
