"""Tensors without elements on one path, of another rank or dtype than the other path's."""

# The programs are written as users write them.

from __future__ import annotations

import torch

from tests.programs.program import Programs, vec

PROGRAMS = Programs("empty_tensors")
ROWS = (vec(1.0, -1.0, 2.0), vec(-1.0, -2.0), vec(), vec(3.0), vec(-1.0))


def _pairs(x):
    y = x[x > 0]
    if y.numel() > 0:
        b = torch.stack([y, y], 1)
    else:
        b = y.new_zeros(0)
    return b


def returned(x):
    return _pairs(x)


PROGRAMS.add(returned, *ROWS)


def labels_of_another_dtype(x):
    y = x[x > 0]
    if y.numel() > 0:
        labels = torch.zeros(len(y), dtype=torch.long)
    else:
        labels = y.new_zeros(0)
    return y, labels


PROGRAMS.add(labels_of_another_dtype, *ROWS)


def computed_with(x):
    b = _pairs(x)
    rows = torch.cat([b, x[:2, None].expand(-1, 2)])
    return b * 2 + 1, b.sum(), rows, b.reshape(-1)


PROGRAMS.add(computed_with, *ROWS)


def with_an_early_return(x):
    y = x[x > 0]
    if y.numel() == 0:
        return y.new_zeros(0), y.new_zeros(0, dtype=torch.long)
    return torch.stack([y, y], 1), torch.arange(len(y))


PROGRAMS.add(with_an_early_return, *ROWS)


def left_by_a_loop(x):
    b = x.new_zeros(0)
    for k in range(x.shape[0]):
        b = _pairs(x[k:])
    return b + 1


PROGRAMS.add(left_by_a_loop, *ROWS)


def in_a_dict(x):
    b = _pairs(x)
    return {"boxes": b, "n": b.numel(), "flat": b.reshape(-1)}


PROGRAMS.add(in_a_dict, *ROWS)


def in_a_list(x):
    return [_pairs(x - k) for k in range(3)]


PROGRAMS.add(in_a_list, *ROWS)


def asked_for_its_rank(x):
    b = _pairs(x)
    return b.sum(), b.dim(), b.shape[0]


PROGRAMS.add(asked_for_its_rank, *ROWS)


def added_up_where_its_rank_does_not_show(x):
    b = _pairs(x)
    total = b.sum() + b.reshape(-1, 2).sum(0)
    return total, torch.cat([b, torch.ones(1, 2)]).amax(0)


PROGRAMS.add(added_up_where_its_rank_does_not_show, *ROWS)
