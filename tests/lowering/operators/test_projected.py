"""LSTM with a projection, at every length and batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.support.building import agrees_and_builds
from tests.support.complex_values import check

KINDS = [
    {},
    {"bidirectional": True, "num_layers": 2},
    {"num_layers": 3, "batch_first": True, "bias": False},
    {"num_layers": 2, "dropout": 0.5, "bidirectional": True, "bias": False},
]


def lstm(options: dict[str, Any]) -> nn.LSTM:
    torch.manual_seed(0)
    return nn.LSTM(5, 7, proj_size=3, **options).eval()


def steps(options: dict[str, Any], length: int, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(length, batch, 5, generator=generator)
    return x.transpose(0, 1).contiguous() if options.get("batch_first") else x


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_sequences_of_any_length(options: dict[str, Any]) -> None:
    model = lstm(options)
    check(lambda x: model(x), *[(steps(options, *s),) for s in ((6, 2), (1, 1), (9, 3), (3, 0))])


@pytest.mark.parametrize("options", KINDS[1:3], ids=str)
def test_states_that_are_given(options: dict[str, Any]) -> None:
    model = lstm(options)
    states = options["num_layers"] * (2 if options.get("bidirectional") else 1)
    rows = [
        (steps(options, t, b), torch.randn(states, b, 3), torch.randn(states, b, 7))
        for t, b in ((6, 2), (1, 1), (4, 3))
    ]
    check(lambda x, hidden, cells: model(x, (hidden, cells)), *rows)


@pytest.mark.parametrize("options", KINDS[:2], ids=str)
def test_packed_sequences(options: dict[str, Any]) -> None:
    model = lstm(options)

    def packed(x: Tensor, lengths: Tensor) -> object:
        out, states = model(pack_padded_sequence(x, lengths, enforce_sorted=False))
        return (*pad_packed_sequence(out), *states)

    check(
        packed,
        (steps(options, 6, 3), torch.tensor([3, 6, 1])),
        (steps(options, 4, 2), torch.tensor([4, 2])),
    )


def test_in_a_branch() -> None:
    model = lstm(KINDS[1])

    def chosen(x: Tensor) -> Tensor:
        out = model(x)[0] if x.sum() > 0 else -x.sum(2, keepdim=True).expand(-1, -1, 6)
        return out * 2

    x = steps({}, 5, 2)
    check(chosen, (x.abs(),), (-x.abs(),), (steps({}, 3, 4).abs(),))


@pytest.mark.parametrize("options", KINDS[:2], ids=str)
def test_engines_are_built(options: dict[str, Any], tmp_path: Path) -> None:
    model = lstm(options)
    agrees_and_builds(lambda x: model(x)[0], [(steps({}, n, 2),) for n in (6, 3, 9)], tmp_path)
