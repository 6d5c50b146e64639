"""Four functions, one of two taken: the `if` on a value stays an If in the file."""

import torch


def func_a(x):
    """1 when there is more negative than positive weight, else 0."""
    return (x.sum() < 0).to(torch.int64)


def func_b(x, i):
    return x * 2 + i


def func_c(x, i):
    return torch.tanh(x) - i


def func_d(x, j):
    return (x + j).mean(dim=-1)


def model(x):
    i = func_a(x)
    if i == 0:
        j = func_b(x, i)
    else:
        j = func_c(x, i)
    return func_d(x, j)


example_inputs = (torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.25, -1.0]]),)
check_inputs = [
    (torch.tensor([[-1.0, -2.0, 0.5]]),),  # func_c
    (torch.linspace(0.0, 1.0, 20).reshape(4, 5),),  # func_b, other sizes
    (-torch.linspace(0.0, 1.0, 6).reshape(3, 2),),
]
