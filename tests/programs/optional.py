"""None on one way through a branch and something on the other."""

# The programs are written as users write them.
# ruff: noqa: E711

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("optional")
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


def none_or_tensor_is_none(x):
    m = x * 2 if x.sum() > 0 else None
    if m is None:
        return x - 1
    return m + x


PROGRAMS.add(none_or_tensor_is_none, POS, NEG)


def none_or_tensor_not_none(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    y = x
    if m is not None:
        y = y + m
    return y


PROGRAMS.add(none_or_tensor_not_none, POS, NEG)


def truth_or(x):
    m = None
    if x.sum() > 0:
        m = x.sum()
    return m or x.min()


PROGRAMS.add(truth_or, POS, NEG)


def cond_expr(x):
    m = None
    if x.sum() > 0:
        m = x * 3
    return (m if m is not None else x) + 1


PROGRAMS.add(cond_expr, POS, NEG)


def isinst(x):
    m = None
    if x.sum() > 0:
        m = x * 3
    if isinstance(m, torch.Tensor):
        return m
    return x


PROGRAMS.add(isinst, POS, NEG)


def helper(x):
    def find(v):
        if v.sum() > 0:
            return v * 2
        return None

    r = find(x)
    if r is None:
        r = find(-x)
    return r


PROGRAMS.add(helper, POS, NEG)


def helper_implicit(x):
    def find(v):
        if v.sum() > 0:
            return v * 2

    r = find(x)
    return x if r is None else r


PROGRAMS.add(helper_implicit, POS, NEG)


def dict_none(x):
    d = None
    if x.sum() > 0:
        d = {"a": x * 2, "n": 3}
    return x if d is None else d["a"] * d["n"]


PROGRAMS.add(dict_none, POS, NEG)


def number_none(x):
    n = None
    if x.sum() > 0:
        n = 3
    if n is None:
        n = x.shape[0]
    return x * n


PROGRAMS.add(number_none, POS, NEG)


def float_none(x):
    n = None
    if x.sum() > 0:
        n = x.sum().item()
    return x * n if n is not None else x


PROGRAMS.add(float_none, POS, NEG)


def float_none_truth(x):
    n = None
    if x.sum() > 0:
        n = x.sum().item()
    return x * n if n else x - 1


PROGRAMS.add(float_none_truth, POS, NEG)


def str_none(x):
    m = None
    if x.sum() > 0:
        m = "sum"
    return getattr(x, m)() if m is not None else x.max()


PROGRAMS.add(str_none, POS, NEG)


def assumption(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    return m + 1


PROGRAMS.add(assumption, POS)


def assumption_method(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    return m.sum(), m[0], torch.cat([m, x]), m.shape[0]


PROGRAMS.add(assumption_method, POS)


def to_torch_none(x):
    w = None
    if x.sum() > 0:
        w = x.new_ones(3) * 2
    return torch.nn.functional.layer_norm(x[None], (3,), w)


PROGRAMS.add(to_torch_none, POS, NEG)


def clamp_none(x):
    lo = None
    if x.sum() > 0:
        lo = x.new_zeros(3) + 1.5
    return torch.clamp(x, min=lo, max=x.new_zeros(3) + 2)


PROGRAMS.add(clamp_none, POS, NEG)


def eq_none(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    if m == None:
        return x
    if m != None:
        return m


PROGRAMS.add(eq_none, POS, NEG)


def in_list(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    parts = [x, m]
    t = x
    for p in parts:
        if p is not None:
            t = t + p
    return t


PROGRAMS.add(in_list, POS, NEG)


def comp_filter(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    return sum(p for p in [x, m] if p is not None)


PROGRAMS.add(comp_filter, POS, NEG)


def and_value(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    ok = m is not None and m.sum() > 5
    return m if ok else x


PROGRAMS.add(and_value, POS, NEG)


def or_cond(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    if m is None or m.sum() < 5:
        return x
    return m * 10


PROGRAMS.add(or_cond, POS, NEG)


def not_none_flag(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    has = m is not None
    if has:
        return m + 1
    return x


PROGRAMS.add(not_none_flag, POS, NEG)


def default_args(x):
    def f(v, mask=None, scale=None):
        if mask is not None:
            v = v * mask
        if scale:
            v = v * scale
        return v

    m = None
    if x.sum() > 0:
        m = (x > 1).float()
    return f(x, m) + f(x, mask=m, scale=2.0)


PROGRAMS.add(default_args, POS, NEG)


def nested_none(x):
    a = None
    if x.sum() > 0:
        b = None
        if x.max() > 2.5:
            b = x * 2
        a = (x, b)
    if a is None:
        return x
    p, q = a
    return p if q is None else p + q


PROGRAMS.add(nested_none, POS, NEG)


def same_tensor(x):
    y = x * 2
    a = y if x.sum() > 0 else None
    if a is not None:
        a.add_(1)
    return y


PROGRAMS.add(same_tensor, POS, NEG)


def inplace_maybe(x):
    a = x * 2 if x.sum() > 0 else None
    if a is not None:
        a.mul_(3)
        a[0] = 7
    return x if a is None else a


PROGRAMS.add(inplace_maybe, POS, NEG)


def param_none_obj(x):
    b = None
    if x.sum() > 0:
        b = Box(x)
    return x if b is None else b.v


PROGRAMS.add(param_none_obj, POS, NEG)


def walrus(x):
    def find(v):
        if v.sum() > 0:
            return v * 2

    if (r := find(x)) is not None:
        return r
    return x


PROGRAMS.add(walrus, POS, NEG)


def while_none(x):
    y = None
    n = 0
    while y is None:
        n = n + 1
        if n > 3:
            y = x * n
    return y


PROGRAMS.add(while_none, POS, NEG)


def while_none2(x):
    y = None
    n = x.sum()
    while y is None:
        n = n + 1
        if n > 10:
            y = n * 2
    return y


PROGRAMS.add(while_none2, POS, NEG)


def matchnone(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    match m:
        case None:
            return x
        case _:
            return m


PROGRAMS.add(matchnone, POS, NEG)


def bool_of(x):
    m = None
    if x.sum() > 0:
        m = x.sum()
    return x if bool(m) else -x


PROGRAMS.add(bool_of, POS, NEG)


def not_m(x):
    m = None
    if x.sum() > 0:
        m = x.sum()
    if not m:
        return x - 1
    return x * m


PROGRAMS.add(not_m, POS, NEG)


def list_none(x):
    m = None
    if x.sum() > 0:
        m = [x, x + 1]
    if m:
        return m[0] + m[1]
    return x


PROGRAMS.add(list_none, POS, NEG)


def other_rank_none(x):
    m = None
    if x.sum() > 0:
        m = x[None]
    m = m if m is not None else x[None] * 2
    return m


PROGRAMS.add(other_rank_none, POS, NEG)


def try_none(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    try:
        return m + 1
    except TypeError:
        return x


PROGRAMS.add(try_none, POS, NEG)


def output_none(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    return x, m


PROGRAMS.add(output_none, POS, NEG)
