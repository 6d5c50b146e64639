"""Torchaudio's Tacotron2: a decoder that runs until its gate says stop, and collects its frames."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.support.harness import run_model

models = pytest.importorskip("torchaudio.models")
pytestmark = pytest.mark.long


class Prenet(nn.Module):
    """Tacotron2's own draws random numbers at inference, which nothing could be compared with."""

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return x


class Infer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = models.Tacotron2(
            n_mels=6,
            n_symbol=20,
            symbol_embedding_dim=8,
            encoder_embedding_dim=8,
            encoder_n_convolution=1,
            encoder_kernel_size=3,
            decoder_rnn_dim=8,
            decoder_max_step=40,
            attention_rnn_dim=8,
            attention_hidden_dim=8,
            attention_location_n_filter=4,
            attention_location_kernel_size=3,
            prenet_dim=8,
            postnet_n_convolution=2,
            postnet_kernel_size=3,
            postnet_embedding_dim=8,
            gate_threshold=0.52,
        )
        self.model.decoder.prenet = Prenet(self.model.decoder.prenet.layers)
        for weight in self.model.parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, std=0.6)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> Any:
        return self.model.infer(tokens, lengths)


def made() -> nn.Module:
    torch.manual_seed(0)
    return Infer().eval()


def sentences(count: int, longest: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (count,), generator=generator)
    lengths[0] = longest
    tokens = torch.randint(0, 20, (count, longest), generator=generator)
    return tokens, lengths.sort(descending=True)[0]


def test_tacotron2_agrees_for_one_few_and_most_steps() -> None:
    inputs = [sentences(*row) for row in ((2, 5, 1), (1, 4, 0), (1, 8, 4), (2, 9, 5), (3, 6, 2))]
    with torch.no_grad():
        steps = {made()(*row)[1].max().item() for row in inputs}
    assert min(steps) == 1
    assert max(steps) == 40
    assert len(steps) > 2
    dynamic = {"tokens": {0: "n", 1: "t"}, "lengths": {0: "n"}}
    outcome = run_model(made, inputs, dynamic=dynamic)
    assert outcome.status == "agree", outcome.details
