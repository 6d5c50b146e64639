"""Lists and iterators of Python's that are gone through beside something of dynamic length."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from tests.programs.program import Programs, rand

PROGRAMS = Programs("zipped")
X0, X1, X2, X3, X5 = (rand(n, 4, seed=n) for n in (0, 1, 2, 3, 5))
XS, XN = (X3, X0, X1, X2, X5), (X3, X1, X2, X5)


class LayersBesideRows(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

    def forward(self, x):
        found = []
        for layer, row in zip(self.layers, x):
            found.append(layer(row))
        return torch.stack(found).sum(0)


PROGRAMS.add(LayersBesideRows, *XN, factory=True)


def functions_beside_rows(x):
    total = x.new_zeros(4)
    for function, row in zip([torch.relu, torch.sigmoid, torch.tanh], x):
        total = total + function(row)
    return total


PROGRAMS.add(functions_beside_rows, *XS)


def text_beside_rows(x):
    found = {}
    for name, row in zip(["a", "b", "c"], x):
        found[name] = row
    total = x.new_zeros(4)
    for value in found.values():
        total = total * 2 + value
    return total


PROGRAMS.add(text_beside_rows, *XS)


def pairs_beside_rows(x):
    total = x.new_zeros(4)
    for (a, b), row in zip([(1, 2.0), (3, 4.0), (5, 6.0)], x):
        total = total + row * a + b
    return total


PROGRAMS.add(pairs_beside_rows, *XS)


def nothing_beside_rows(x):
    total = x.new_zeros(4)
    for _, row in zip([], x):
        total = total + row
    return total


PROGRAMS.add(nothing_beside_rows, *XS)


def unequal_tensors_beside_rows(x):
    total = x.new_zeros(())
    for part, row in zip([x[:1], x[:2], x[:3]], x):
        total = total + row.sum() * part.sum()
    return total


PROGRAMS.add(unequal_tensors_beside_rows, *XS)


def written_beside_rows(x):
    buffers = [torch.zeros(4), torch.zeros(4), torch.zeros(4)]
    for buffer, row in zip(buffers, x):
        buffer.add_(row)
    return buffers[0] + 2 * buffers[1] + 3 * buffers[2]


PROGRAMS.add(written_beside_rows, *XS)


def written_by_its_name(x):
    a, b = torch.zeros(4), torch.ones(4)
    total = torch.zeros(4)
    for buffer, row in zip([a, b], x):
        b.add_(row)
        total = total + buffer
    return total, b


PROGRAMS.add(written_by_its_name, *XS)


def table_beside_rows(x):
    table = torch.arange(12.0).reshape(3, 4)
    total = x.new_zeros(4)
    for line, row in zip(table, x):
        total = total + line * row
    return total


PROGRAMS.add(table_beside_rows, *XS)


def written_table_beside_rows(x):
    table = torch.zeros(3, 4)
    for line, row in zip(table, x):
        line.add_(row)
    return table


PROGRAMS.add(written_table_beside_rows, *XS)


def counted_rows(x):
    total = x.new_zeros(4)
    for k, row in zip(itertools.count(1, 2), x):
        total = total + row * k
    return total


PROGRAMS.add(counted_rows, *XS)


def repeated_beside_rows(x):
    total = x.new_zeros(4)
    for scale, row in zip(itertools.repeat(2.5), x):
        total = total + row * scale
    return total


PROGRAMS.add(repeated_beside_rows, *XS)


def repeated_twice_beside_rows(x):
    total = x.new_zeros(4)
    for scale, row in zip(itertools.repeat(2.5, 2), x):
        total = total + row * scale
    return total


PROGRAMS.add(repeated_twice_beside_rows, *XS)


def cycle_beside_rows(x):
    total = x.new_zeros(4)
    for scale, row in zip(itertools.cycle([1.0, 2.0]), x):
        total = total + row * scale
    return total


PROGRAMS.add(cycle_beside_rows, *XS, expect="refuse", match="itertools.cycle")


def map_of_layers(x):
    scales = [1.0, 2.0, 3.0]
    return torch.stack(list(map(lambda scale, row: row * scale, scales, x))).sum(0)


PROGRAMS.add(map_of_layers, *XN)


def strictly(x):
    total = x.new_zeros(4)
    for a, b in zip(x, x + 1, strict=True):
        total = total + a * b
    return total


PROGRAMS.add(strictly, *XS)
