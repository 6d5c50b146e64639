"""Helpers, decorators, closures, partials, callables: calls between pieces of user code."""

from __future__ import annotations

import functools
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("functions")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0)
X1, X3, X5 = (rand(n, 4, seed=n) for n in (1, 3, 5))


def _normalise(x, eps=1e-6):
    norm = x.norm()
    if norm > eps:
        return x / norm
    return x


def _clip(x, limit):
    return x.clamp(-limit, limit) if x.abs().max() > limit else x


def helper_with_branch(x):
    return _normalise(x) + _normalise(x * 0)


PROGRAMS.add(helper_with_branch, POS, NEG, vec(0.0))


def helper_in_branch(x):
    if x.sum() > 0:
        return _normalise(_clip(x, 2.0))
    return _clip(_normalise(x), 0.5)


PROGRAMS.add(helper_in_branch, POS, NEG, vec(0.1, 0.2))


def helper_in_loop(x):
    for row in x:
        x = x + _clip(row, 0.75)
    return x


PROGRAMS.add(helper_in_loop, X3, X1, X5)


def partial_of_helper(x):
    clip = partial(_clip, limit=1.5)
    return clip(x) - partial(_clip, x)(0.5)


PROGRAMS.add(partial_of_helper, POS, NEG, vec(0.1))


def multi_apply(func, *args, **kwargs):
    pfunc = partial(func, **kwargs) if kwargs else func
    return tuple(map(list, zip(*map(pfunc, *args))))


def _score_single(feature, stride, offset=0.0):
    if feature.sum() > 0:
        return feature * stride, feature.mean() + offset
    return feature - stride, feature.max() - offset


def multi_apply_levels(x):
    levels = [x, x[..., ::2], x[..., :1]]
    maps, scores = multi_apply(_score_single, levels, [8, 16, 32], offset=0.5)
    return torch.cat(maps, -1), torch.stack(scores)


PROGRAMS.add(multi_apply_levels, X3, -X5.abs(), X1)


def double_result(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) * 2

    return wrapper


def skip_if_negative(limit):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(x):
            if x.sum() < limit:
                return x
            return function(x)

        return wrapper

    return decorate


@double_result
def decorated_function(x):
    return x + 1 if x.sum() > 0 else x - 1


PROGRAMS.add(decorated_function, POS, NEG)


@skip_if_negative(-1.0)
@double_result
def stacked_decorators(x):
    return x.exp() if x.max() < 2 else x


PROGRAMS.add(stacked_decorators, POS, NEG, vec(0.5))


@torch.no_grad()
def no_grad_decorator(x):
    return x.relu() if x.sum() > 0 else x


PROGRAMS.add(no_grad_decorator, POS, NEG)


class DecoratedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    @double_result
    @torch.no_grad()
    def forward(self, x):
        y = self.linear(x)
        if y.mean() > 0:
            return y
        return -y


PROGRAMS.add(DecoratedForward, X3, X3 + 9, X1 - 9)


def cached_helper(x):
    @functools.lru_cache(maxsize=None)
    def table(k):
        return tuple(0.5 * i for i in range(k))

    weights = table(3)
    total = x
    for w in weights:
        total = total * w + x if total.sum() > 0 else total + w
    return total


PROGRAMS.add(cached_helper, POS, NEG)


class Scaler:
    """A plain callable object."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        if x.sum() > self.factor:
            return x * self.factor
        return x

    @property
    def half(self):
        return Scaler(self.factor / 2)

    @staticmethod
    def shift(x, by=1.0):
        return x + by if x.max() > by else x

    @classmethod
    def unit(cls):
        return cls(1.0)


def callable_object(x):
    scaler = Scaler(3.0)
    return scaler(x) + scaler.half(x)


PROGRAMS.add(callable_object, POS, NEG, vec(2.0))


def static_and_class_methods(x):
    return Scaler.shift(x) + Scaler.unit()(x) + Scaler(2.0).shift(x, by=2.5)


PROGRAMS.add(static_and_class_methods, POS, NEG, vec(2.0))


def function_table(x):
    ops = {"up": lambda v: v + 1, "down": lambda v: v - 1}
    for name in ("up", "up", "down"):
        if x.sum() < 3:
            x = ops[name](x)
    return x


PROGRAMS.add(function_table, POS, NEG, vec(2.5))


def function_argument(x):
    def repeat(function, value, times):
        for _ in range(times):
            value = function(value)
        return value

    return repeat(torch.tanh, x, x.shape[0]) + repeat(lambda v: v * 0.5, x, 2)


PROGRAMS.add(function_argument, POS, NEG, vec())


def default_argument_tensor_free(x, gain=2.0, shift=None, mode="add"):
    if shift is None:
        shift = gain / 4
    if mode == "add" and x.sum() > 0:
        return x * gain + shift
    return x


PROGRAMS.add(default_argument_tensor_free, POS, NEG)


def mutually_calling(x):
    def even(v, n):
        return v if n == 0 else odd(v + 1, n - 1)

    def odd(v, n):
        return v * 2 if n == 0 else even(v * 3, n - 1)

    return even(x, 4) if x.sum() > 0 else odd(x, 3)


PROGRAMS.add(mutually_calling, POS, NEG)


def returns_tuple_and_dict(x):
    def stats(v):
        if v.numel() == 0:
            return v.new_zeros(()), {"n": 0, "big": False}
        return v.mean(), {"n": v.numel(), "big": bool(v.max() > 2)}

    mean, info = stats(x)
    return x - mean, info["n"], info["big"]


PROGRAMS.add(returns_tuple_and_dict, POS, NEG, vec())


def functional_with_state(x):
    def residual(v, layer):
        out = layer(v)
        return out + v if out.shape == v.shape else out

    x = residual(x, lambda v: F.softplus(v))
    return residual(x, lambda v: v[..., :2])


PROGRAMS.add(functional_with_state, X3, X1, rand(3, 2))


def inner_class(x):
    class Tracker:
        def __init__(self):
            self.best = torch.full((), -1e3)

        def update(self, value):
            if value > self.best:
                self.best = value
            return self

    tracker = Tracker()
    tracker.update(x[0]).update(x[-1]).update(x.mean())
    return tracker.best


PROGRAMS.add(inner_class, POS, NEG, expect="either")
