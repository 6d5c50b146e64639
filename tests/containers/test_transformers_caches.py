"""Caches of transformers: what a decoder keeps is inputs and outputs, in one file for all steps."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import fxexport
from fxexport.containers.transformers_caches import parts_of, with_parts

transformers = pytest.importorskip("transformers")
ort = pytest.importorskip("onnxruntime")

CONFIG = {
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "hidden_size": 16,
    "intermediate_size": 16, "vocab_size": 20, "max_position_embeddings": 64,
}  # fmt: skip


def llama() -> Any:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG)).eval()


def cache(length: int) -> Any:
    rows = [(torch.rand(1, 2, length, 8), torch.rand(1, 2, length, 8)) for _ in range(2)]
    return transformers.DynamicCache(rows)


def argument_of(model: Any) -> str:
    """What the cache is called; it has another name since transformers 5."""
    parameters = inspect.signature(model.forward).parameters
    return next(name for name in ("cache", "past_key_values") if name in parameters)


def test_parts_have_the_names_that_runtimes_expect() -> None:
    both = transformers.EncoderDecoderCache(cache(3), cache(5))
    assert list(parts_of(cache(3))) == [".0.key", ".0.value", ".1.key", ".1.value"]
    assert list(parts_of(both))[:2] == [".0.decoder.key", ".0.decoder.value"]
    assert list(parts_of(both))[-1] == ".1.encoder.value"
    assert parts_of(transformers.DynamicCache()) == {}


def test_a_cache_around_other_tensors_leaves_the_first_as_it_was() -> None:
    like = cache(3)
    made = with_parts(like, {name: part + 1 for name, part in parts_of(like).items()})
    made.update(torch.rand(1, 2, 1, 8), torch.rand(1, 2, 1, 8), 0)
    assert like.get_seq_length() == 3
    assert made.get_seq_length() == 4
    assert torch.equal(made.layers[1].keys, like.layers[1].keys + 1)


def test_how_much_a_sliding_layer_has_seen_is_a_part_as_well() -> None:
    config = transformers.MistralConfig(**CONFIG, sliding_window=4)
    sliding = transformers.DynamicCache(config=config)
    sliding.update(torch.rand(1, 2, 6, 8), torch.rand(1, 2, 6, 8), 0)
    assert parts_of(sliding)[".0.cumulative_length"] == 6


def test_it_is_an_input_and_an_output() -> None:
    torch.manual_seed(0)
    config = transformers.MistralConfig(**CONFIG, sliding_window=4)
    model = transformers.MistralForCausalLM(config).eval()
    sliding = transformers.DynamicCache(config=config)
    for k in range(2):
        sliding.update(torch.rand(1, 2, 6, 8), torch.rand(1, 2, 6, 8), k)
    given = argument_of(model)
    found = fxexport.export(model, {"input_ids": torch.tensor([[1]]), given: sliding})
    assert f"{given}.1.cumulative_length" in [spec.name for spec in found.graph.inputs]
    assert "present.1.cumulative_length" in [spec.name for spec in found.graph.outputs]
    assert found.report.verification is not None
    assert found.report.verification.ok


def test_one_file_makes_the_first_step_and_all_others() -> None:
    model = llama()
    given = argument_of(model)
    found = fxexport.export(
        model,
        {"input_ids": torch.tensor([[1, 2, 3]]), given: cache(4)},
        dynamic={"input_ids": {1: "length"}, given: {2: "past"}},
    )
    verification = found.report.verification
    assert verification is not None
    assert verification.ok
    assert [spec.name for spec in found.graph.inputs] == [
        "input_ids",
        *(f"{given}.{k}.{name}" for k in range(2) for name in ("key", "value")),
    ]
    assert [spec.name for spec in found.graph.outputs][1:3] == ["present.0.key", "present.0.value"]

    session = ort.InferenceSession(found.model.SerializeToString())
    tokens, fed = [3, 1, 4], {
        spec.name: np.zeros((1, 2, 0, 8), np.float32) for spec in found.graph.inputs[1:]
    }  # fmt: skip
    step = tokens
    for _ in range(4):
        logits, *kept = session.run(None, {"input_ids": np.array([step]), **fed})
        fed = dict(zip(fed, kept, strict=True))
        step = [int(logits[0, -1].argmax())]
        tokens = [*tokens, *step]
    expected = model.generate(torch.tensor([[3, 1, 4]]), max_new_tokens=4, do_sample=False)
    assert tokens == expected[0].tolist()
