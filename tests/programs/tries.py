"""Exceptions that leave a branch or loop inside of what may catch them."""

# The programs are written as users write them.
# ruff: noqa: F841

from __future__ import annotations

import contextlib
import math

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("tries")
ROWS = (rand(3, 4) + 1, rand(3, 4) - 1, rand(1, 4) + 2, rand(4, 4)[:0])


def loop(x):
    y = torch.zeros(4)
    d = {}
    try:
        for row in x:
            y = y + 1
            d["missing"]
    except KeyError:
        y = y * 10
    return y


PROGRAMS.add(loop, *ROWS)


def loop_while(x):
    y = torch.zeros(4)
    d = {}
    k = 0
    try:
        while y.sum() < x.sum():
            y = y + 1
            d["missing"]
    except KeyError:
        y = y * 10
    return y


PROGRAMS.add(loop_while, *ROWS)


def branch(x):
    y = torch.zeros(4)
    d = {}
    try:
        if x.sum() > 0:
            y = y + 1
            d["missing"]
    except KeyError:
        y = y * 10
    return y


PROGRAMS.add(branch, *ROWS)


def branch_rt(x):
    y = torch.zeros(4)
    d = {}
    try:
        if x.sum() > 0:
            y = y + 1
            y.reshape(3)
    except RuntimeError:
        y = y * 10
    return y


PROGRAMS.add(branch_rt, *ROWS)


def branch_attr(x):
    y = torch.zeros(4)
    d = {}
    try:
        if x.sum() > 0:
            y = y + 1
            y.foo()
    except AttributeError:
        y = y * 10
    return y


PROGRAMS.add(branch_attr, *ROWS)


def branch_fn(x):
    y = torch.zeros(4)
    d = {}

    def f(y):
        if x.sum() > 0:
            y = y + 1
            return d["missing"]
        return y

    try:
        y = f(y)
    except KeyError:
        y = y * 10
    return y


PROGRAMS.add(branch_fn, *ROWS)


def suppress(x):
    y = torch.zeros(4)
    d = {}
    with contextlib.suppress(KeyError):
        if x.sum() > 0:
            y = y + 1
            d["missing"]
    return y


PROGRAMS.add(suppress, *ROWS)


def suppress_raise(x):
    y = torch.zeros(4)
    d = {}
    with contextlib.suppress(KeyError):
        y = y + 1
        if x.sum() > 0:
            raise KeyError(1)
        y = y + 1
    return y


PROGRAMS.add(suppress_raise, *ROWS)


def manager(x):
    class M:
        def __enter__(self):
            return self

        def __exit__(self, t, e, tb):
            return t is KeyError

    y = torch.zeros(4)
    d = {}
    with M():
        y = y + 1
        if x.sum() > 0:
            raise KeyError(1)
        y = y + 1
    return y


PROGRAMS.add(manager, *ROWS)


def manager2(x):
    class M:
        def __enter__(self):
            return self

        def __exit__(self, t, e, tb):
            return t is KeyError

    y = torch.zeros(4)
    d = {}
    with M():
        y = y + 1
        if x.sum() > 0:
            d["missing"]
        y = y + 1
    return y


PROGRAMS.add(manager2, *ROWS)


def manager_gen(x):
    @contextlib.contextmanager
    def m():
        try:
            yield
        except KeyError:
            pass

    y = torch.zeros(4)
    d = {}
    with m():
        y = y + 1
        if x.sum() > 0:
            d["missing"]
        y = y + 1
    return y


PROGRAMS.add(manager_gen, *ROWS)


def manager_gen_raise(x):
    @contextlib.contextmanager
    def m():
        try:
            yield
        except KeyError:
            pass

    y = torch.zeros(4)
    d = {}
    with m():
        y = y + 1
        if x.sum() > 0:
            raise KeyError(2)
        y = y + 1
    return y


PROGRAMS.add(manager_gen_raise, *ROWS)


def exitstack(x):
    y = torch.zeros(4)
    d = {}
    with contextlib.ExitStack() as s:
        s.enter_context(contextlib.suppress(KeyError))
        y = y + 1
        if x.sum() > 0:
            raise KeyError(2)
        y = y + 1
    return y


PROGRAMS.add(exitstack, *ROWS, expect="refuse")


def swallow_refusal(x):
    try:
        v = torch.tensor(x[0].tolist()) if x.shape[0] else x.tolist()
        v = x.tolist()
    except Exception:
        v = x * 0
    return v


PROGRAMS.add(swallow_refusal, rand(3, 4), rand(1, 4))


def swallow_refusal2(x):
    try:
        v = x.numpy()
    except Exception:
        return x * 0
    return torch.from_numpy(v)


PROGRAMS.add(swallow_refusal2, *ROWS, expect="refuse")


def swallow_pin(x):
    try:
        v = {x.shape[0]: 5}
        v = v[3]
    except Exception:
        v = 7
    return x * v


PROGRAMS.add(swallow_pin, rand(3, 4), expect="either")


def swallow_pin2(x):
    try:
        v = math.gcd(x.shape[0], 6)
    except Exception:
        v = 7
    return x * v


PROGRAMS.add(swallow_pin2, rand(3, 4), expect="either")


def swallow_pin3(x):
    try:
        v = "abc"[x.shape[0] - 1 :]
    except BaseException:
        v = "eeeeeeeee"
    return x * len(v)


PROGRAMS.add(swallow_pin3, rand(3, 4), expect="either")


def swallow_item(x):
    try:
        v = int(x.sum().item())
        w = [1, 2][v : v + 1]
        w = {v: 1}
    except Exception:
        v = 7
    return x * v


PROGRAMS.add(swallow_item, *ROWS, expect="either")


def swallow_guard(x):
    try:
        v = x.nonzero()
        v = v.view(-1, 3)
    except Exception:
        v = x
    return v


PROGRAMS.add(swallow_guard, *ROWS, expect="either")


def chol(x):
    m = x[:, :3]
    try:
        return torch.linalg.cholesky(m)
    except Exception:
        return m * 0


PROGRAMS.add(chol, torch.eye(3), torch.eye(3) * -1, expect="refuse")


def inv(x):
    m = x[:, :3]
    try:
        return torch.linalg.inv(m)
    except RuntimeError:
        return m * 0


PROGRAMS.add(inv, torch.eye(3), torch.zeros(3, 3), expect="refuse")


def in_loop_static(x):
    y = x[0] * 0
    d = {}
    try:
        for k in range(3):
            y = y + k
            if k == 2:
                d["missing"]
    except KeyError:
        y = y * 10
    return y


PROGRAMS.add(in_loop_static, rand(3, 4), rand(1, 4), expect="export")


def in_loop_long(x):
    y = x[0] * 0
    d = {}
    try:
        for k in range(30):
            y = y + k
            if k == 20:
                d["missing"]
    except KeyError:
        y = y * 10
    return y


PROGRAMS.add(in_loop_long, rand(3, 4), rand(1, 4), expect="export")


def inside_ok(x):
    y = torch.zeros(4)
    d = {}
    for row in x:
        try:
            y = y + d["missing"]
        except KeyError:
            y = y + row
    if x.sum() > 0:
        try:
            y = y + d["missing"]
        except KeyError:
            y = y * 10
    return y


PROGRAMS.add(inside_ok, *ROWS, expect="export")


def hook(x):
    y = torch.zeros(4)
    try:
        assert x.shape[0] > 1
        y = y + 1
    except AssertionError:
        y = y * 10 + 5
    return y


PROGRAMS.add(hook, *ROWS)


def idx(x):
    y = torch.zeros(4)
    try:
        y = y + x[2]
    except IndexError:
        y = y * 10 + 5
    return y


PROGRAMS.add(idx, *ROWS)


def size_err(x):
    y = torch.zeros(3, 4)
    try:
        y = y + x
    except RuntimeError:
        y = y * 10 + 5
    return y


PROGRAMS.add(size_err, rand(3, 4), rand(2, 4), expect="either")


def nxt_default(x):
    def g():
        if x.sum() > 0:
            yield x * 2

    return next(g(), x)


PROGRAMS.add(nxt_default, *ROWS)


def getattr_default(x):
    class C:
        @property
        def a(self):
            if x.sum() > 0:
                raise AttributeError("a")
            return x * 2

    return getattr(C(), "a", x)


PROGRAMS.add(getattr_default, *ROWS)


def fin(x):
    y = torch.zeros(4)
    try:
        if x.sum() > 100:
            raise ValueError("x")
        y = y + 1
    finally:
        y = y + 2
    return y


PROGRAMS.add(fin, *ROWS, expect="export")


def try_else(x):
    y = torch.zeros(4)
    d = {}
    try:
        y = y + 1
    except KeyError:
        y = y * 10
    else:
        for row in x:
            y = y + row
    return y


PROGRAMS.add(try_else, *ROWS, expect="export")
