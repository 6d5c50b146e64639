"""Python ints, floats and bools computed from sizes and values, carried and returned."""

from __future__ import annotations

import math

import torch

from tests.programs.program import TORCH, Programs, rand, vec

PROGRAMS = Programs("scalars")
V0, V1, V3, V4 = vec(), vec(0.75), vec(1.0, -2.5, 3.0), vec(-1.0, 2.0, -3.0, 0.3)


def int_of_tensor(x):
    n = int(x.abs().max())
    return x * n, n


PROGRAMS.add(int_of_tensor, V3, V1, V4)


def int_truncates_to_zero(x):
    k = int(x.min())
    return x + k, k


PROGRAMS.add(int_truncates_to_zero, vec(-2.7, 1.0), vec(2.7), vec(-0.9, 0.0, 1.0))


def float_of_tensor(x):
    f = float(x.mean())
    if f > 0:
        f = f * 2
    return x + f, f


PROGRAMS.add(float_of_tensor, V3, V1, V4)


def item_in_arithmetic(x):
    a = x[0].item()
    b = x.sum().item()
    return x * a - b / 4


PROGRAMS.add(item_in_arithmetic, V3, V1, V4)


def item_of_int_tensor(x):
    k = x.max().item()
    return (x * k) // 3, k % 4


PROGRAMS.add(item_of_int_tensor, vec(1, 5, 7), vec(2), vec(-3, -5))


def bool_of_tensor(x):
    flag = bool((x > 2).any())
    return x if flag else -x, flag


PROGRAMS.add(bool_of_tensor, V3, V1, V4)


def round_of_value(x):
    k = round(x.sum().item())
    return x + k, k


PROGRAMS.add(round_of_value, V3, V1, V4, vec(2.5), vec(3.5), vec(-0.5))


def builtin_min_max(x):
    n = min(x.shape[0], 3)
    m = max(x.shape[0] - 2, 0, 1)
    return x[:n] * m, n, m


PROGRAMS.add(builtin_min_max, V3, V0, V1, V4)


def builtin_min_max_of_tensors(x):
    lo = min(x.sum(), x.prod())
    hi = max(x[0], x[-1])
    return hi - lo


PROGRAMS.add(builtin_min_max_of_tensors, V3, V1, V4, -V3)


def builtin_abs(x):
    return abs(x) + abs(x.sum().item()) + abs(x.shape[0] - 3)


PROGRAMS.add(builtin_abs, V3, V1, V4, V0)


def builtin_sum_over_rows(x):
    return sum(x)


PROGRAMS.add(builtin_sum_over_rows, rand(3, 2), rand(1, 2), rand(4, 5))


def builtin_any_all(x):
    if any(v > 2 for v in x):
        return x + 1
    if all(v < 0 for v in x):
        return x - 1
    return x


PROGRAMS.add(builtin_any_all, V3, -V3.abs(), V1, V4 / 2)


def builtin_any_of_tensor(x):
    if any(x > 2) and not all(x > 0):
        return x * 2
    return x


PROGRAMS.add(builtin_any_of_tensor, V3, V3.abs(), V1, V4)


def floor_division_negative(x):
    k = (1 - x.shape[0]) // 2
    r = (1 - x.shape[0]) % 3
    return x + k, k, r


PROGRAMS.add(floor_division_negative, V3, V0, V1, V4)


def floor_division_of_values(x):
    a = x[0].item() // 2
    b = x[-1].item() % 3
    return a, b


PROGRAMS.add(floor_division_of_values, vec(-7, 5), vec(7, -5), vec(-6, -6, 3), vec(6, 1, -1))


def float_modulo(x):
    f = x.sum().item()
    return x + f % 0.75, f // 0.75


PROGRAMS.add(float_modulo, V3, V1 + 0.1, V4, -V3)


def true_division_of_sizes(x):
    ratio = x.shape[0] / 4
    if ratio > 0.6:
        return x * ratio
    return x / (ratio + 1)


PROGRAMS.add(true_division_of_sizes, V3, V0, V1, V4)


def power_and_negation(x):
    n = x.shape[0]
    return x * n**2 + 2**n - (-n)


PROGRAMS.add(power_and_negation, V3, V0, V1, V4)


def int_accumulator(x):
    total = 0
    for i in range(x.shape[0]):
        if x[i] > 0:
            total += i + 1
        else:
            total -= 2
    return total


PROGRAMS.add(int_accumulator, V3, V0, V1, V4)


def float_accumulator(x):
    total, weight = 0.0, 1.0
    for v in x:
        total = total + v.item() * weight
        weight *= 0.5
    return total, weight


PROGRAMS.add(float_accumulator, V3, V1, V4)


def bool_accumulator(x):
    seen = False
    for v in x:
        seen = seen or bool(v > 2)
    return seen


PROGRAMS.add(bool_accumulator, V3, V1, -V4.abs())


def int_becomes_float(x):
    k = 1
    if x.sum() > 0:
        k = k / 2
    else:
        k = k * 3.0
    return x * k, k


PROGRAMS.add(int_becomes_float, V3, V4)


def bool_counts_as_int(x):
    count = 0
    for v in x:
        count += bool(v > 0)
    return count + True


if TORCH >= (2, 13):  # before, sympy adds True as a truth value, and the export fails
    PROGRAMS.add(bool_counts_as_int, V3, V1, V4)


def math_functions(x):
    n = x.shape[0]
    return x * math.sqrt(n + 1) + math.floor(n / 2) - math.ceil(n / 3) + math.pi


PROGRAMS.add(math_functions, V3, V0, V1, V4)


def math_of_item(x):
    v = x.abs().sum().item()
    return math.exp(-v) + math.log(v + 1) + math.tanh(v)


PROGRAMS.add(math_of_item, V3, V1, V4)


def attention_scale(q, k):
    scale = 1.0 / math.sqrt(q.shape[-1])
    return torch.softmax(q @ k.transpose(-1, -2) * scale, dim=-1)


PROGRAMS.add(
    attention_scale, (rand(2, 4), rand(3, 4)), (rand(1, 8), rand(5, 8)), (rand(4, 2), rand(1, 2))
)


def size_as_value(x):
    return torch.full((2,), x.shape[0] * 0.5) + x.numel()


PROGRAMS.add(size_as_value, V3, V0, V1, V4)


def arange_of_value(x):
    n = int(x.max().item())
    return torch.arange(n) * 2


PROGRAMS.add(arange_of_value, vec(3, 1), vec(0), vec(1), vec(5, 2, 7))


def zeros_of_value(x):
    n = x[0].item()
    out = torch.zeros(n, 2)
    if n > 2:
        out = out + 1
    return out


PROGRAMS.add(zeros_of_value, vec(3, 1), vec(0), vec(1, 1), vec(5, 2, 7))


def slice_by_value(x, n):
    k = int(n)
    return x[:k], x[k:], x[-k:]


PROGRAMS.add(slice_by_value, *((rand(5), torch.tensor(k)) for k in (2, 1, 5, 4)))


def scalar_inputs(x, k: int, alpha: float, flag: bool):
    if flag and k > 2:
        return x * alpha
    return x + k


PROGRAMS.add(
    scalar_inputs,
    (V3, 3, 0.5, True),
    (V1, 1, 2.0, True),
    (V4, 3, 1.5, False),
    (V4, 5, -1.5, True),
    dynamic={"x": [0], "k": True, "alpha": True, "flag": True},
)


def static_scalar_input(x, k: int):
    return x + k if k > 2 else x - k


PROGRAMS.add(static_scalar_input, (V3, 3), (V3 * 2, 3), dynamic=False)


def comparison_result_in_arithmetic(x):
    n = x.shape[0]
    return x + (n > 2) * 10 + int(n == 1)


PROGRAMS.add(comparison_result_in_arithmetic, V3, V0, V1, V4)


def divmod_of_size(x):
    q, r = divmod(x.shape[0], 2)
    return x * q + r


PROGRAMS.add(divmod_of_size, V3, V0, V1, V4)


def newton_on_python_floats(x):
    target = x.abs().sum().item()
    guess = target
    for _ in range(20):
        nxt = 0.5 * (guess + target / guess)
        if abs(nxt - guess) < 1e-6:
            break
        guess = nxt
    return x / guess


PROGRAMS.add(newton_on_python_floats, V3, V1, V4)


def tolist_of_known_length(x):
    a, b = x[:2].tolist()
    return x * a + b


PROGRAMS.add(tolist_of_known_length, V3, V4, expect="either")


def item_compared_with_size(x, k):
    i = k.item()
    if 0 <= i < x.shape[0]:
        return x[i]
    return x.new_zeros(())


PROGRAMS.add(
    item_compared_with_size, *((V4, torch.tensor(k)) for k in (2, -1, 0, 9)), (V1, torch.tensor(0))
)


def isinstance_of_scalar(x):
    n = x.shape[0]
    if isinstance(n, int) and not isinstance(n, torch.Tensor):
        return x + n
    return x


PROGRAMS.add(isinstance_of_scalar, V3, V1, V4)


def float_formats_do_not_matter(x):
    lr = 1e-1
    while lr > 1e-3:
        x = x - lr * x.sign()
        lr /= 10
    return x


PROGRAMS.add(float_formats_do_not_matter, V3, V1)


def divided_twice_by_negatives(x):
    n = x.shape[0]
    k = n // -2 // -2
    m = (n - 5) // -(n + 1) // -2 % 7
    return x * k + m


PROGRAMS.add(divided_twice_by_negatives, V3, V1, V4, torch.zeros(0))
