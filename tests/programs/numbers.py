"""Functions of math, bits and rounding in programs: sizes, loops, branches, indices."""

from __future__ import annotations

import math

import torch

from tests.programs.program import Programs, vec

PROGRAMS = Programs("numbers")
VECTORS = (vec(1.0, 2.0, 3.0), vec(0.5), vec(1.0, -1.0, 100.0), vec(-2.0, 5.0, -1.0, 4.0, 3.0))


def bits_in_a_loop(x):
    n = x.shape[0]
    t = 0
    for k in range(n):
        t = (t << 1) | (k & 1)
        t ^= n
    return x + t, t


PROGRAMS.add(bits_in_a_loop, *VECTORS)


def hash_of_a_size(x):
    h = 5381
    for k in range(x.shape[0]):
        h = ((h << 5) + h + k) & 0xFFFFFF
    return h


PROGRAMS.add(hash_of_a_size, *VECTORS)


def padded_to_a_power_of_two(x):
    n = x.shape[0]
    m = 2 ** math.ceil(math.log2(n))
    y = torch.nn.functional.pad(x, (0, m - n))
    while y.shape[0] > 1:
        y = y.reshape(-1, 2).sum(1)
    return y


PROGRAMS.add(padded_to_a_power_of_two, *VECTORS)


def common_divisors(x):
    a, b = x.shape[0], 12
    while b:
        a, b = b, a % b
    return x * a, math.gcd(a, 8)


PROGRAMS.add(common_divisors, *VECTORS)


def functions_on_both_paths(x):
    f = x.sum().item()
    if f > 0:
        g = math.log10(f)
    else:
        g = math.hypot(f, 3)
    return x + g, round(g, 3)


PROGRAMS.add(functions_on_both_paths, *VECTORS)


def domains_that_ifs_keep(x):
    f = x.sum().item()
    return x + (math.sqrt(f) if f >= 0 else math.sqrt(-f)) + (math.acosh(f) if f >= 1 else 0.0)


PROGRAMS.add(domains_that_ifs_keep, *VECTORS)


def bits_of_data(x):
    f = x.sum().item()
    return int(f) & 7, int(f) >> 1, (int(f) ^ 3) << 2, abs(int(f)).bit_length()


PROGRAMS.add(bits_of_data, *VECTORS)


def logarithm_as_an_index(x):
    n = x.shape[0]
    b = min(int(math.log2(n)), 3)
    return x * [1.0, 2.0, 3.0, 4.0][b]


PROGRAMS.add(logarithm_as_an_index, *VECTORS)


def whole_floats(x):
    f = x.sum().item()
    return x if (f / 2).is_integer() else -x


PROGRAMS.add(whole_floats, *VECTORS)


def angles(x):
    n = x.shape[0]
    return torch.tensor([math.sin(k * math.pi / n) for k in range(3)]), math.degrees(
        math.atan2(n, 2)
    )


PROGRAMS.add(angles, *VECTORS)


def binomials(x):
    n = x.shape[0]
    return [math.comb(4, k) * x for k in range(5)], math.comb(n, 2) * x, math.perm(n, 2)


PROGRAMS.add(binomials, *VECTORS)


def levels(x):
    n = x.shape[0]
    lev = math.ceil(math.log(n + 1, 2))
    t = x
    for k in range(lev):
        t = t + k
    return t


PROGRAMS.add(levels, *VECTORS)


def rounded_sizes(x):
    n = x.shape[0]
    return x.repeat(round(n * 1.5)), round(n / 3, 1), round(n / 7, 2) * x


PROGRAMS.add(rounded_sizes, *VECTORS)


def remainders_in_a_while(x):
    f = x.sum().item()
    c = 0
    while math.fabs(f) > 0.5 and c < 5:
        f = math.fmod(f, 3.0) / 2
        c += 1
    return f, c


PROGRAMS.add(remainders_in_a_while, *VECTORS)
