"""Lists of dynamic length that are padded or packed."""

from __future__ import annotations

import torch
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence, pad_sequence

from tests.programs.program import Programs, ints, rand

PROGRAMS = Programs("padded_lists")
X1, X2, X3, X6 = (rand(n, 4, seed=n) for n in (1, 2, 3, 6))
XN = (X3, X1, X2, X6)
I3, I1, I6 = ints(3), ints(1), ints(6)
IS = (I3, I1, I6)


def pad_seq(x):
    items = [x[i, : i % 4 + 1] for i in range(x.shape[0])]
    return pad_sequence(items, batch_first=True)


PROGRAMS.add(pad_seq, *XN, scripted=False)


def pad_seq2(x):
    items = []
    for i in range(x.shape[0]):
        items.append(x[: i + 1])
    return pad_sequence(items), pad_sequence(items, batch_first=True, padding_value=-1.0)


PROGRAMS.add(pad_seq2, *XN, scripted=False)


def pack_seq(x):
    items = [x[: x.shape[0] - i] for i in range(x.shape[0])]
    p = pack_sequence(items)
    return p.data, p.batch_sizes


PROGRAMS.add(pack_seq, *XN, scripted=False)


def pack_seq_rnn(x):
    items = [x[: x.shape[0] - i] for i in range(x.shape[0])]
    p = pack_sequence(items, enforce_sorted=False)
    o, n = pad_packed_sequence(p)
    return o, n


PROGRAMS.add(pack_seq_rnn, *XN, scripted=False)


def pad_nested(t):
    lists = [[1] * v for v in t.tolist()]
    m = max(len(items) for items in lists)
    lists = [items + [0] * (m - len(items)) for items in lists]
    return torch.tensor(lists)


PROGRAMS.add(pad_nested, *[i for i in IS if len(i)])
