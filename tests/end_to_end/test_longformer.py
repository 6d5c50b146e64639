"""Longformer: chunks that overlap, read by strides, at every length."""

from __future__ import annotations

import pytest
import torch

import fxexport

transformers = pytest.importorskip("transformers")


@pytest.mark.long
def test_longformer_pads_and_cuts_sequences_of_any_length() -> None:
    config = transformers.LongformerConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=37,
        attention_window=4,
        max_position_embeddings=130,
        pad_token_id=1,
    )
    torch.manual_seed(0)
    model = transformers.LongformerModel(config).eval()
    exported = fxexport.export(model, (torch.randint(2, 50, (2, 8)),), dynamic=True)
    dims = [dim["max"] for dim in exported.report.inputs[0]["shape"]]
    assert len(dims) == 2
    for batch, length in ((1, 4), (3, 13), (2, 30)):
        assert exported.verify((torch.randint(2, 50, (batch, length)),)).ok
