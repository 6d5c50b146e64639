"""One of several containers, some of them empty, asked for an item after a test of its length."""

# The programs are written as users write them.

from __future__ import annotations

from collections import OrderedDict, deque

from tests.programs.program import Programs, rand

PROGRAMS = Programs("empty_alternatives")
ROWS = (rand(3, 4), rand(1, 4), rand(5, 4) + 1, rand(6, 4) - 1, rand(4, 4)[:0])


def use_if_any(x, one, other, use):
    r = x.sum(0)
    h = one
    if r.sum() > 0.66:
        h = other
    if len(h) > 0:
        use(h)
    return r + len(h)


def list_pop(x):
    return use_if_any(x, [], [1, 2], lambda h: h.pop())


def list_remove(x):
    return use_if_any(x, [], [1, 2], lambda h: h.remove(1))


def list_index(x):
    return use_if_any(x, [], [1, 2], lambda h: h.index(1))


def popleft(x):
    return use_if_any(x, deque(), deque([1, 2]), lambda h: h.popleft())


def dict_pop(x):
    return use_if_any(x, {}, {"a": 1}, lambda h: h.pop("a"))


def od_popitem(x):
    return use_if_any(x, OrderedDict(), OrderedDict(a=1), lambda h: h.popitem(last=False))


def set_pop(x):
    return use_if_any(x, set(), {1}, lambda h: h.pop())


def tuple_index(x):
    return use_if_any(x, (), (1, 2), lambda h: h.index(1))


def str_index(x):
    return use_if_any(x, "", "ab", lambda h: h.index("b"))


def to_int(x):
    return use_if_any(x, "", "12", lambda h: int(h))


def alias(x):
    r = x.sum(0)
    g = [r]
    h = []
    if r.sum() > 0.66:
        g.insert(0, r * 2)
        h = g
    if len(h) > 0:
        h.pop()
    return r + len(g) + len(h)


def alias_dq(x):
    r = x.sum(0)
    g = deque([r])
    h = deque()
    if r.sum() > 0.66:
        h = g
    if len(h) > 0:
        h.popleft()
    h.append(r)
    return r + len(g) + len(h)


def alias_dict(x):
    r = x.sum(0)
    g = {"a": r}
    h = {}
    if r.sum() > 0.66:
        h = g
    if len(h) > 0:
        h.popitem()
    h["c"] = r
    return r + len(g) + len(h)


def alias_set(x):
    r = x.sum(0)
    g = {1}
    h = set()
    if r.sum() > 0.66:
        h = g
    if len(h) > 0:
        h.remove(1)
    h.add(4)
    return r + len(g) + len(h)


def alias_setpop(x):
    r = x.sum(0)
    g = {1}
    h = set()
    if r.sum() > 0.66:
        h = g
    if len(h) > 0:
        h.pop()
    h.add(4)
    return r + len(g) + len(h)


def alias_in_a_while(x):
    n = 0
    r = x.sum(0)
    while n < 3 and r.sum() < 10:
        n += 1
        g = [r]
        h = []
        if x.shape[0] > 1 and x[1, 2] > 0.66:
            if len(g) < 5:
                g.insert(0, r * 2)
            h = g
        if len(h) > 0:
            h.pop()
        r = r + 1
    return r


for program in (
    list_pop,
    list_remove,
    list_index,
    popleft,
    dict_pop,
    od_popitem,
    set_pop,
    tuple_index,
    str_index,
    to_int,
    alias,
    alias_dq,
    alias_dict,
    alias_set,
    alias_setpop,
    alias_in_a_while,
):
    # In TorchScript, `pop` of one of several lists is refused where one of them is empty.
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}}, scripted=program is not alias)
