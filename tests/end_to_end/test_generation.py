"""Greedy generation with transformers: a loop that hands its cache from step to step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.support.harness import run_model

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.long

STOP, PAD = 7, 1


class Generate(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> Any:
        return self.model.generate(tokens, max_new_tokens=5, do_sample=False, pad_token_id=PAD)


def gpt2() -> nn.Module:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_embd=32,
        n_layer=1,
        n_head=4,
        vocab_size=30,
        n_positions=64,
        bos_token_id=0,
        eos_token_id=STOP,
    )
    model = transformers.GPT2LMHeadModel(config)
    for weight in model.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=0.5)
    return Generate(model.eval())


def tokens(count: int, length: int) -> tuple[torch.Tensor]:
    generator = torch.Generator().manual_seed(10 * count + length)
    return (torch.randint(8, 30, (count, length), generator=generator),)


def test_generated_tokens_agree_where_some_rows_stop_early() -> None:
    inputs = [tokens(*size) for size in ((1, 4), (2, 7), (3, 1), (6, 3), (1, 12))]
    with torch.no_grad():
        made = [gpt2()(*row)[:, row[0].shape[1] :] for row in inputs]
    assert any((new == STOP).any() for new in made), "no row of the test stops early"
    outcome = run_model(gpt2, inputs, dynamic={"tokens": {0: "count", 1: "length"}})
    assert outcome.status == "agree", outcome.details
