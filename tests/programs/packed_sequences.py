"""Recurrent layers on packed sequences, with lengths that are known only when the model runs."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
)

from tests.programs.program import TORCH, Programs, rand

PROGRAMS = Programs("packed_sequences")


class Encoder(nn.Module):
    """Packs, runs a recurrent layer and pads again."""

    def __init__(
        self, kind: str, ordered: bool = False, whole: bool = False, **options: Any
    ) -> None:
        super().__init__()
        self.layer = getattr(nn, kind)(3, 5, **options)
        self.ordered, self.whole = ordered, whole

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> Any:
        first = self.layer.batch_first
        packed = pack_padded_sequence(x, lengths, first, enforce_sorted=self.ordered)
        out, state = self.layer(packed)
        total = x.shape[1 if first else 0] if self.whole else None
        return *pad_packed_sequence(out, first, padding_value=-1.0, total_length=total), state


def batch(longest: int, *lengths: int, batch_first: bool = False) -> tuple[torch.Tensor, ...]:
    x = rand(len(lengths), longest, 3)
    return x if batch_first else x.transpose(0, 1).contiguous(), torch.tensor(lengths)


for name, options in {
    "lstm": {"kind": "LSTM"},
    "lstm_batch_first": {"kind": "LSTM", "batch_first": True, "whole": True},
    "lstm_two_layers_both_ways": {"kind": "LSTM", "num_layers": 2, "bidirectional": True},
    "lstm_sorted": {"kind": "LSTM", "ordered": True, "batch_first": True},
    "gru_both_ways": {"kind": "GRU", "bidirectional": True, "batch_first": True},
    "rnn_two_layers": {"kind": "RNN", "num_layers": 2, "whole": True},
    "rnn_relu_without_bias": {"kind": "RNN", "nonlinearity": "relu", "bias": False},
}.items():
    rows = [(6, 6, 4, 4, 1), (4, 3), (9, 8, 7, 2, 1, 1, 1)]
    if not options.get("ordered"):
        rows = [(longest, *lengths[::-1]) for longest, *lengths in rows]
    first = bool(options.get("batch_first"))
    n, t = (0, 1) if first else (1, 0)
    PROGRAMS.add(
        partial(Encoder, **options),  # type: ignore[arg-type]
        *(batch(*row, batch_first=first) for row in rows),
        name=name,
        factory=True,
        dynamic={"x": {n: "n", t: "t"}, "lengths": {0: "n"}},
    )


class WorksOnTheData(nn.Module):
    """Changes the packed rows between two layers, and starts from a given state."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.GRU(3, 4), nn.LSTM(4, 5, bidirectional=True)
        self.between = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor, start: torch.Tensor) -> Any:
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        middle, _ = self.first(packed, start)
        rows = self.between(middle.data).relu()
        middle = PackedSequence(
            rows, middle.batch_sizes, middle.sorted_indices, middle.unsorted_indices
        )
        out, (hidden, cell) = self.second(middle)
        return pad_packed_sequence(out)[0], hidden + cell, out.data.sum(), out.batch_sizes


PROGRAMS.add(
    WorksOnTheData,
    (*batch(5, 2, 5, 3), rand(1, 3, 4)),
    (*batch(3, 1), rand(1, 1, 4)),
    (*batch(7, 7, 7, 1, 2), rand(1, 4, 4)),
    dynamic={"x": {0: "t", 1: "n"}, "lengths": {0: "n"}, "start": {1: "n"}},
)


class PacksAList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(3, 4)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> Any:
        out, _ = self.layer(pack_sequence([a, b], enforce_sorted=False))
        return pad_packed_sequence(out, batch_first=True)


# Before 2.14 PyTorch's pad_sequence compares the sizes: a relation of the file, in its report.
if TORCH >= (2, 14):
    PROGRAMS.add(
        PacksAList,
        (rand(3, 3), rand(5, 3)),
        (rand(4, 3), rand(4, 3, seed=1)),
        (rand(6, 3), rand(1, 3)),
        dynamic={"a": {0: "n"}, "b": {0: "m"}},
    )


class KeepsTheLastState(nn.Module):
    """A classifier: the usual way of taking each sequence's last state."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.layer = nn.Embedding(20, 3), nn.LSTM(3, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        lengths = (tokens != 0).sum(1)
        packed = pack_padded_sequence(
            self.embed(tokens), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        return self.head(self.layer(packed)[1][0][-1]).softmax(-1)


PROGRAMS.add(
    KeepsTheLastState,
    torch.tensor([[3, 4, 0, 0], [5, 6, 7, 8]]),
    torch.tensor([[3, 0, 0]]),
    torch.tensor([[1, 2, 3, 4, 5], [1, 0, 0, 0, 0], [2, 3, 4, 0, 0]]),
)
