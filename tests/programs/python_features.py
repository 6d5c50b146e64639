"""Python's statements and expressions around tensors: with, try, match, walrus, generators..."""

from __future__ import annotations

import contextlib

import torch

from tests.programs.program import Programs, rand, vec

try:
    import surely_not_installed_package as optional_package
except ImportError:
    optional_package = None

PROGRAMS = Programs("python_features")
POS, NEG, MIX = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0), vec(0.5, -0.25, 1.0, 7.0)
X1, X3, X5 = (rand(n, 4, seed=n) for n in (1, 3, 5))
EPSILON = 1e-3
LIMITS = {"low": -1.0, "high": 1.5}


def walrus(x):
    if (s := x.sum()) > 0:
        return x / s
    if (n := x.shape[0]) > 3:
        return x * n
    return x + s


PROGRAMS.add(walrus, POS, NEG, -MIX)


def walrus_in_while(x):
    while (m := x.abs().max()) > 1:
        x = x / m * 0.9
    return x, m


PROGRAMS.add(walrus_in_while, POS, vec(0.5), vec(9.0, -9.0))


def star_unpacking(x):
    first, *middle, last = x.shape
    total = first + last
    for size in middle:
        total = total * size
    return x.sum(), total


PROGRAMS.add(star_unpacking, rand(2, 3, 4, 5), rand(1, 1, 2, 3))


def star_arguments(x):
    def combine(a, *others, scale=1.0, **extra):
        for other in others:
            a = a + other * scale
        return a * extra.get("factor", 1)

    parts = [x, x * 2]
    options = {"scale": 0.5, "factor": 3}
    if x.sum() > 0:
        return combine(x, *parts, **options)
    return combine(*parts)


PROGRAMS.add(star_arguments, POS, NEG)


def match_on_string(x, mode="double"):
    match mode:
        case "double":
            y = x * 2
        case "half" | "halve":
            y = x / 2
        case _:
            y = x
    return y if y.sum() > 0 else -y


PROGRAMS.add(match_on_string, POS, NEG)


def match_on_rank(x):
    match x.dim():
        case 1:
            return x.sum()
        case 2 if x.sum() > 0:
            return x.sum(1).max()
        case _:
            return x.mean()


PROGRAMS.add(match_on_rank, POS, MIX, name="match_on_rank_1")
PROGRAMS.add(match_on_rank, X3.abs(), -X5.abs(), name="match_on_rank_2")


def with_no_grad(x):
    with torch.no_grad():
        if x.sum() > 0:
            x = x * 2
    return x + 1


PROGRAMS.add(with_no_grad, POS, NEG)


def with_own_context(x):
    @contextlib.contextmanager
    def section(name):
        yield len(name)

    with section("abc") as n, contextlib.nullcontext():
        for row in x:
            if row.sum() > 0:
                n = n + 1
    return x * n


PROGRAMS.add(with_own_context, X3, X5, X1)


def with_autocast_disabled(x):
    with torch.autocast("cpu", enabled=False):
        return x.exp() if x.max() < 2.5 else x


PROGRAMS.add(with_autocast_disabled, POS, NEG)


def try_finally(x):
    calls = []
    try:
        y = x * 2 if x.sum() > 0 else x * 3
    finally:
        calls.append(1)
    return y + len(calls)


PROGRAMS.add(try_finally, POS, NEG)


def try_static_failure(x):
    try:
        factor = LIMITS["missing"]
    except KeyError:
        factor = LIMITS["high"]
    return x * factor if x.max() > factor else x


PROGRAMS.add(try_static_failure, POS, NEG)


def optional_import(x):
    if optional_package is not None:
        return optional_package.run(x)
    try:
        import another_missing_package

        return another_missing_package.run(x)
    except ImportError:
        return x.relu() if x.sum() > 0 else x


PROGRAMS.add(optional_import, POS, NEG)


def global_constants(x):
    if x.abs().sum() < EPSILON:
        return torch.zeros_like(x)
    return x.clamp(LIMITS["low"], LIMITS["high"])


PROGRAMS.add(global_constants, POS, vec(1e-5, 0.0), MIX)
