"""transformers' models with masks: whether anything is masked stays an if, and builds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import fxexport
import fxexport.tensorrt

pytest.importorskip("onnxruntime")
pytest.importorskip("tensorrt_rtx")
transformers: Any = pytest.importorskip("transformers")

SMALL = {"vocab_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
DECODER = {
    **SMALL,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_key_value_heads": 2,
    "use_cache": False,
}


def _mixtral() -> Any:
    config = transformers.MixtralConfig(**DECODER, num_local_experts=3, num_experts_per_tok=2)
    return transformers.MixtralModel(config)


def _t5() -> Any:
    config = transformers.T5Config(
        vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4
    )
    return transformers.T5EncoderModel(config)


MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: transformers.LlamaModel(transformers.LlamaConfig(**DECODER)),
    "mixtral": _mixtral,
    "t5": _t5,
}


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_a_model_with_a_mask_agrees_and_builds(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ids, padded = torch.randint(3, 64, (2, 7)), torch.ones(2, 7, dtype=torch.long)
    padded[0, :3] = 0
    sizes = {0: fxexport.Dim("batch", 1, 4, 2), 1: fxexport.Dim("sequence", 2, 16, 7)}
    whole = (ids[:, :4], torch.ones(2, 4, dtype=torch.long))
    exported = fxexport.export(
        MODELS[name]().eval(),
        {"input_ids": ids, "attention_mask": padded},
        tmp_path / "model.onnx",
        dynamic={"input_ids": sizes, "attention_mask": sizes},
        target="tensorrt",
        check_inputs=[dict(zip(("input_ids", "attention_mask"), whole, strict=True))],
    )
    verification = exported.report.verification
    assert verification is not None
    assert verification.ok, verification.message
    assert "branch" in {finding.kind for finding in exported.report.findings}
    fxexport.tensorrt.build(tmp_path / "model.onnx", timeout=300)
    assert (tmp_path / "model.engine").stat().st_size > 0
