"""Objects that an iteration changes where they are, and leaves under another name."""

# The programs are written as users write them.

from __future__ import annotations

from tests.programs.program import Programs, rand

PROGRAMS = Programs("left_objects")
ROWS = (rand(3, 4), rand(1, 4), rand(5, 4) + 1, rand(6, 4) - 1, rand(4, 4)[:0])


class Box:
    def __init__(self, x):
        self.w = x.sum()
        self.c = None


def in_a_dict_with_more(x):
    m = Box(x)
    f = None
    t = x.sum(0)
    for row in x:
        if f is not None:
            t = t * 0.5 + f["m"].w
        f = {"m": m, "k": row}
        m.w = m.w + 1
    return t


def itself(x):
    m = Box(x)
    f = None
    t = x.sum(0)
    for row in x:
        if f is not None:
            t = t * 0.5 + f.w
        f = m
        m.w = m.w + 1
    return t


def in_a_tuple(x):
    m = Box(x)
    f = ()
    t = x.sum(0)
    for row in x:
        if f:
            t = t * 0.5 + f[0].w
        f = (m, row)
        m.w = m.w + 1
    return t


def on_a_path(x):
    m = Box(x)
    f = None
    t = x.sum(0)
    for row in x:
        if f is not None:
            t = t * 0.5 + f["m"].w
        if row.sum() > 0:
            f = {"m": m, "k": row}
        m.w = m.w + 1
    return t


def in_place_of_another(x):
    m = Box(x)
    f = Box(x)
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + f.w
        f = m
        m.w = m.w + 1
    return t


def changed_afterwards(x):
    m = Box(x)
    f = None
    t = x.sum(0)
    for row in x:
        f = {"m": m, "k": row}
    m.w = m.w + 1
    return t if f is None else t + f["m"].w


def a_list(x):
    m = [x.sum()]
    f = None
    t = x.sum(0)
    for row in x:
        if f is not None:
            t = t * 0.5 + f["m"][0]
        f = {"m": m, "k": row}
        m[0] = m[0] + 1
    return t


def in_place_of_another_then_changed(x):
    m = Box(x)
    f = Box(x)
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + f.w
        f = m
        m.w = m.w + 1
    f.w = f.w * 2
    return t + m.w


def a_list_that_grows(x):
    lst = []
    keep = [x.sum()]
    t = x.sum(0)
    for row in x:
        t = t + len(keep)
        lst.append(row)
        keep = lst
    return t + len(keep)


def a_list_that_grows_after_it(x):
    lst = []
    keep = None
    t = x.sum(0)
    for row in x:
        if keep is not None:
            t = t + len(keep) + keep[-1]
        lst.append(row)
        keep = lst
        lst.append(row * 2)
    return t + (0 if keep is None else len(keep))


def swapped_after_a_change(x):
    a, b = Box(x), Box(x * 2)
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + a.w
        a.w = a.w + 1
        a, b = b, a
    return t + a.w - b.w


def one_of_two_names(x):
    m = Box(x)
    f = Box(x)
    g = Box(x)
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + f.w + g.w
        if row.sum() > 0:
            f = m
        else:
            g = m
        m.w = m.w + 1
    return t + f.w


def with_an_object_of_the_iteration(x):
    m = Box(x)
    f = None
    t = x.sum(0)
    for row in x:
        c = Box(row)
        m.c = c
        f = m
        c.w = c.w + 1
    return t if f is None else t + f.c.w


def with_an_object_that_changes(x):
    m = Box(x)
    m.c = Box(x)
    f = Box(x)
    f.c = Box(x * 3)
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + f.c.w
        f = m
        m.c.w = m.c.w + 1
        m.c = Box(row)
    return t + f.c.w + m.c.w


def a_dict_with_a_new_key(x):
    d = {}
    f = {"a": x.sum()}
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + f["a"]
        d["a"] = row.sum()
        f = d
    return t + f["a"]


def in_two_loops(x):
    m = Box(x)
    f = None
    t = x.sum(0)
    for row in x:
        for v in row:
            if f is not None:
                t = t * 0.5 + f.w
            f = m
            m.w = m.w + v
    return t + m.w


def in_place_of_a_dict(x):
    m = Box(x)
    f = {"m": Box(x)}
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + f["m"].w
        f = {"m": m}
        m.w = m.w + 1
    m.w = m.w + 7
    return t + f["m"].w


def in_a_while(x):
    m = Box(x)
    f = (Box(x), 1)
    t = x.sum(0)
    i = 0
    while i < 5 and t.sum() < 30:
        t = t * 0.5 + f[0].w * f[1]
        f = (m, i)
        m.w = m.w + 1
        i += 1
    return t + f[0].w


def in_place_of_an_item(x):
    q = [Box(x)]
    m = Box(x)
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + q[0].w
        q[0] = m
        m.w = m.w + 1
    return t + q[0].w


def read_of_a_list(x):
    m = Box(x)
    h = [m]
    t = x.sum(0)
    for row in x:
        f = h[0]
        f.w = f.w + row.sum()
        t = t * 0.5 + f.w
    return t + f.w if x.shape[0] > 0 else t


def a_set(x):
    s = set()
    f = {1}
    t = x.sum(0)
    for row in x:
        t = t + (2.0 if 3 in f else 0.0)
        s.add(3)
        f = s
    return t + (1.0 if 3 in f else 0.0)


def the_best_one(x):
    m = Box(x)
    best = None
    bs = -100.0
    for row in x:
        m.w = m.w + row.sum()
        if row.sum() > bs:
            best = m
            bs = row.sum()
    return x.sum(0) if best is None else best.w + x.sum(0)


def a_tensor_in_a_list(x):
    m = [x.sum(0) * 1]
    f = [x.sum(0)]
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + f[0]
        f = m
        m[0].add_(row)
    return t + f[0]


def a_tensor_of_the_iteration(x):
    m = [x.sum(0) * 1]
    f = [x.sum(0)]
    t = x.sum(0)
    for row in x:
        t = t * 0.5 + f[0]
        f = m
        m[0] = row
        m[0].add_(0.5)
    return t + f[0], x


for program in (
    in_a_dict_with_more,
    itself,
    in_a_tuple,
    on_a_path,
    in_place_of_another,
    changed_afterwards,
    a_list,
    in_place_of_another_then_changed,
    a_list_that_grows,
    a_list_that_grows_after_it,
    swapped_after_a_change,
    one_of_two_names,
    with_an_object_of_the_iteration,
    with_an_object_that_changes,
    a_dict_with_a_new_key,
    in_two_loops,
    in_place_of_a_dict,
    in_a_while,
    in_place_of_an_item,
    read_of_a_list,
    a_set,
    the_best_one,
    a_tensor_in_a_list,
    a_tensor_of_the_iteration,
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}})
