"""Sets whose elements depend on the way."""

# The programs are written as users write them.

from __future__ import annotations

from tests.programs.program import Programs
from tests.programs.second_names import INPUTS

PROGRAMS = Programs("sets")


def set_with_uncertain_elements(x):
    s = {1, 2}
    if x.sum() > 0:
        s.add(3)
    else:
        s.discard(1)
    return (3 in s, 1 in s, len(s))


PROGRAMS.add(set_with_uncertain_elements, *INPUTS)


def sets_of_two_paths(x):
    s = {"a"} if x.sum() > 0 else {"a", "b"}
    t = s | {"c"}
    return (len(t), "b" in t, len(t & {"b", "c"}), len(t - {"a"}), s == {"a"}, bool(s <= t))


PROGRAMS.add(sets_of_two_paths, *INPUTS)


def set_in_a_loop(x):
    s = {1}
    for r in x:
        if r.sum() > 0:
            s.add(2)
        else:
            s.discard(1)
    t = 0
    for v in s:
        t += v
    return (t, sum(s), sorted(s)[0] if s else 0)


PROGRAMS.add(set_in_a_loop, *INPUTS)


def methods_of_an_uncertain_set(x):
    s = {1, 2, 5}
    t = set(s)
    u = s
    for r in x:
        if r.sum() > 0:
            s |= {3}
        elif 5 in s:
            s.remove(5)
        else:
            t = t - {1}
    u.discard(2)
    if len(s) > 3:
        u.clear()
    m = 0
    for v in sorted(s ^ t):
        m = m * 2 + v
    return (
        len(s),
        len(t),
        len(u),
        m,
        s == t,
        s <= {1, 2, 3, 5},
        s < t,
        s.isdisjoint({3}),
        len(s.union([9], t)),
        bool(s),
        max(t),
        u is s,
    )


PROGRAMS.add(methods_of_an_uncertain_set, *INPUTS)


def one_of_two_sets(x):
    a, b = ({1}, {2})
    c = a if x.sum() > 0 else b
    c.add(7)
    if x[:1].sum() > 0:
        c = {1, 2}
    c.discard(1)
    a.add(9)
    return (len(a), len(b), len(c), 7 in a, 7 in b, c is a)


PROGRAMS.add(one_of_two_sets, *INPUTS)


def equal_sets_of_which_one_changes(x):
    a, b = ({2, 5}, {2, 5})
    if x.sum() > 0:
        b = a
    else:
        b.update([1])
    a.add(7)
    return (len(a), len(b), 1 in b, 7 in b)


PROGRAMS.add(equal_sets_of_which_one_changes, *INPUTS)


def sets_swapped_in_a_loop(x):
    a, b = ({2, 5}, {2, 5})
    for r in x:
        if r.sum() > 0:
            a, b = (b, a)
        a.add(1)
    return (len(a), len(b))


PROGRAMS.add(sets_swapped_in_a_loop, *INPUTS)


def set_that_a_loop_binds_anew(x):
    a = set()
    keep = a
    for r in x:
        a.add(3)
        a = {3}
    return (len(a), len(keep))


PROGRAMS.add(set_that_a_loop_binds_anew, *INPUTS)
