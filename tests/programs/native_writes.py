"""Containers that code without source changes in a branch: the change is noted, or refused."""

# The programs are written as users write them.

from __future__ import annotations

import bisect
import functools
import heapq
import operator
from collections import deque

from tests.programs.program import Programs, rand

PROGRAMS = Programs("native_writes")
ROWS = (rand(3, 4) + 1, rand(3, 4) - 1, rand(1, 4) + 2)


def unbound_append(x):
    y = [x]
    if x.sum() > 0:
        list.append(y, x * 2)
    return sum(y) * len(y)


PROGRAMS.add(unbound_append, *ROWS)


def unbound_extend(x):
    y = [x]
    if x.sum() > 0:
        list.extend(y, (y[-1] * 2 for _ in range(2)))
    return sum(y) * len(y)


PROGRAMS.add(unbound_extend, *ROWS)


def op_iadd(x):
    y = [x]
    if x.sum() > 0:
        operator.iadd(y, [x * 2])
    return sum(y) * len(y)


PROGRAMS.add(op_iadd, *ROWS)


def op_setitem(x):
    y = [x]
    if x.sum() > 0:
        operator.setitem(y, 0, x * 2)
    return sum(y) * len(y)


PROGRAMS.add(op_setitem, *ROWS)


def op_delitem(x):
    y = [x, x * 2]
    if x.sum() > 0:
        operator.delitem(y, 0)
    return sum(y) * len(y)


PROGRAMS.add(op_delitem, *ROWS)


def dict_setitem(x):
    y = {"a": x}
    if x.sum() > 0:
        dict.__setitem__(y, "a", x * 2)
    return y["a"]


PROGRAMS.add(dict_setitem, *ROWS)


def dict_sub(x):
    class D(dict):
        def __setitem__(self, k, v):
            dict.__setitem__(self, k, v * 2)

    y = D(a=x)
    if x.sum() > 0:
        y["a"] = x * 2
    return y["a"]


PROGRAMS.add(dict_sub, *ROWS)


def list_sub(x):
    class L(list):
        def push(self, v):
            list.append(self, v * 2)

    y = L([x])
    if x.sum() > 0:
        y.push(x * 2)
    return sum(y) * len(y)


PROGRAMS.add(list_sub, *ROWS)


def list_sub_super(x):
    class L(list):
        def append(self, v):
            super().append(v * 2)

    y = L([x])
    if x.sum() > 0:
        y.append(x * 2)
    return sum(y) * len(y)


PROGRAMS.add(list_sub_super, *ROWS)


def heap(x):
    y = [3, 5]
    if x.sum() > 0:
        heapq.heappush(y, 1)
    return x * y[0] * len(y)


PROGRAMS.add(heap, *ROWS)


def insort(x):
    y = [3, 5]
    if x.sum() > 0:
        bisect.insort(y, 1)
    return x * y[0] * len(y)


PROGRAMS.add(insort, *ROWS)


def map_append(x):
    y = [x]
    if x.sum() > 0:
        list(map(y.append, [x, x * 2]))
    return sum(y) * len(y)


PROGRAMS.add(map_append, *ROWS)


def deque_unbound(x):
    y = deque([x])
    if x.sum() > 0:
        deque.append(y, x * 2)
    return sum(y) * len(y)


PROGRAMS.add(deque_unbound, *ROWS)


def missing_cls(x):
    class C(dict):
        def __missing__(self, k):
            self[k] = x * 2
            return x * 2

    c = C()
    y = x * 0
    if x.sum() > 0:
        y = y + c["a"]
    return y + len(c)


PROGRAMS.add(missing_cls, *ROWS)


def list_init(x):
    y = [x]
    if x.sum() > 0:
        list.__init__(y, [x * 3, x])
    return sum(y) * len(y)


PROGRAMS.add(list_init, *ROWS, expect="either")


def array_mod(x):
    b = bytearray(b"ab")
    if x.sum() > 0:
        b[0] = 5
        b.append(3)
    return x * sum(b)


PROGRAMS.add(array_mod, *ROWS, expect="refuse")


def np_write(x):
    import numpy as np

    b = np.zeros(3)
    if x.sum() > 0:
        b[0] = 5
    return x * float(b.sum())


PROGRAMS.add(np_write, *ROWS, expect="refuse")


def array_write(x):
    import array

    b = array.array("i", [1, 2])
    if x.sum() > 0:
        b[0] = 5
        b.append(7)
    return x * sum(b)


PROGRAMS.add(array_write, *ROWS, expect="refuse")


def partial_append(x):
    y = [x]
    f = functools.partial(list.append, y)
    if x.sum() > 0:
        f(x * 2)
    return sum(y) * len(y)


PROGRAMS.add(partial_append, *ROWS)


def methodcaller(x):
    y = [x]
    f = operator.methodcaller("append", x * 2)
    if x.sum() > 0:
        f(y)
    return sum(y) * len(y)


PROGRAMS.add(methodcaller, *ROWS)


def getattr_method(x):
    y = [x]
    f = getattr(y, "append")
    if x.sum() > 0:
        f(x * 2)
    return sum(y) * len(y)


PROGRAMS.add(getattr_method, *ROWS)


def set_unbound(x):
    s = {1}
    if x.sum() > 0:
        set.add(s, 5)
    return x * sum(s)


PROGRAMS.add(set_unbound, *ROWS)


def list_imul(x):
    y = [x]
    if x.sum() > 0:
        y *= 2
    return sum(y) * len(y)


PROGRAMS.add(list_imul, *ROWS, expect="either")


def exec_write(x):
    y = [x]
    if x.sum() > 0:
        y[:] = [x * 3]
    return sum(y) * len(y)


PROGRAMS.add(exec_write, *ROWS)


def del_slice(x):
    y = [x, x * 2]
    if x.sum() > 0:
        del y[:1]
    return sum(y) * len(y)


PROGRAMS.add(del_slice, *ROWS)
