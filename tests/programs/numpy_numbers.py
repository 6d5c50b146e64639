"""Sizes that are computed by NumPy, as preprocessing code has it."""

# The programs are written as users write them.

from __future__ import annotations

import numpy as np
import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("numpy_numbers")
ROWS = (rand(3, 4), rand(1, 4), rand(6, 5) - 1)


def half_rounded_up(x):
    return x.new_zeros(int(np.ceil(x.shape[0] * 0.5))) + x.sum()


def half_rounded(x):
    return x[: int(np.round(x.shape[0] * 0.5))]


def cast_by_astype(x):
    return x[: np.floor(x.shape[0] / 2).astype(int) + 1]


def extremes(x):
    x = x + np.clip(x.shape[0], 3, None) - np.clip(x.shape[1], a_min=None, a_max=2)
    return x * np.maximum(x.shape[0], 3) + np.minimum(x.shape[1], 4.5) + np.clip(x.shape[0], 2, 4)


def of_lists(x):
    most = np.max([x.shape[0], 2, x.shape[1]])
    return x.reshape(int(np.prod(x.shape))) * np.mean([x.shape[0], 3]) + most + np.sum(x.shape)


def roots_and_logarithms(x):
    return x * np.sqrt(x.shape[0]) + np.log2(x.shape[0] + 1) + np.exp(x.shape[0] * 0.1)


def whole_numbers(x):
    n = x.shape[0]
    return x * np.floor_divide(n, 2) + np.mod(n, 3) + np.power(n, 2) - np.int64(n) + np.abs(n - 5)


def divided_by_what_may_be_0(x):
    return x + np.floor_divide(7, x.shape[0] - 1)


def of_the_data(x):
    level = x.sum().item()
    return x * np.round(level, 1) + np.sqrt(np.square(level)) + np.log(np.absolute(level) + 1)


def arrays(x):
    sizes = torch.tensor(np.array([x.shape[0], x.shape[1]]))
    halves = torch.as_tensor(np.array([x.shape[0] / 2, 1.0]))
    return x * sizes[0] + halves.sum() + (sizes.dtype == torch.int64) + halves.to(torch.float32)[1]


for _program in (
    arrays,
    half_rounded_up,
    half_rounded,
    cast_by_astype,
    extremes,
    of_lists,
    roots_and_logarithms,
    whole_numbers,
    divided_by_what_may_be_0,
    of_the_data,
):
    PROGRAMS.add(_program, *ROWS, scripted=False)


def legacy_constructors(x):
    numbers = torch.Tensor([x.shape[0], 4])
    sizes = torch.FloatTensor([[x.shape[0], x.shape[1]]])
    return (
        numbers.max() + sizes.sum() + torch.Tensor([x.sum(), 2.0]).sum() + torch.IntTensor([1, 2])
    )


def count_of_a_shape(x):
    return x.new_full((x.shape.numel(),), 2.0) + x.shape[1:].numel() + x.sum()


def as_many_classes_as_rows(x):
    return torch.nn.functional.one_hot(torch.arange(x.shape[0]), num_classes=x.shape[0]).float() @ x


for _program in (legacy_constructors, count_of_a_shape, as_many_classes_as_rows):
    PROGRAMS.add(_program, *ROWS, scripted=False)
