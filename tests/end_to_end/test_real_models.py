"""Real models, with random weights: exported with a dynamic batch, compared at other sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

import fxexport

Case = tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any], list[tuple[Any, ...]]]


def _images(model: torch.nn.Module, size: int) -> Case:
    def batch(count: int) -> tuple[torch.Tensor]:
        return (torch.randn(count, 3, size, size),)

    name = next(iter(inspect.signature(model.forward).parameters))
    return model.eval(), batch(2), {name: {0: "batch"}}, [batch(1), batch(5)]


def _torchvision(name: str, size: int, **options: Any) -> Case:
    models = pytest.importorskip("torchvision.models")
    return _images(models.get_model(name, weights=None, **options), size)


def _deeplab() -> Case:
    return _torchvision("deeplabv3_mobilenet_v3_large", 64, weights_backbone=None)


def _timm(name: str, size: int, **options: Any) -> Case:
    timm = pytest.importorskip("timm")
    return _images(timm.create_model(name, pretrained=False, **options), size)


def _tokens(model: torch.nn.Module) -> Case:
    def ids(count: int, length: int) -> tuple[torch.Tensor]:
        return (torch.randint(0, 100, (count, length)),)

    dynamic = {"input_ids": {0: "batch", 1: "sequence"}}
    return model.eval(), ids(2, 7), dynamic, [ids(1, 7), ids(3, 12)]


def _bert() -> Case:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        vocab_size=100,
    )
    return _tokens(transformers.BertModel(config))


def _gpt2() -> Case:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_embd=32,
        n_layer=2,
        n_head=4,
        vocab_size=100,
        n_positions=64,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _tokens(transformers.GPT2Model(config))


MODELS: dict[str, Callable[[], Case]] = {
    "resnet18": lambda: _torchvision("resnet18", 64),
    "mobilenet_v3_small": lambda: _torchvision("mobilenet_v3_small", 64),
    "convnext_tiny": lambda: _torchvision("convnext_tiny", 64),
    "vit_b_16": lambda: _torchvision("vit_b_16", 32, image_size=32),
    "swin_t": lambda: _torchvision("swin_t", 64),
    "deeplabv3_mobilenet_v3_large": _deeplab,
    "timm vit": lambda: _timm("vit_tiny_patch16_224", 32, img_size=32),
    "timm efficientnet": lambda: _timm("efficientnet_b0", 64),
    "bert": _bert,
    "gpt2": _gpt2,
}


@pytest.mark.parametrize("name", MODELS)
def test_model_agrees_with_pytorch_at_other_sizes(name: str) -> None:
    torch.manual_seed(0)
    model, inputs, dynamic, others = MODELS[name]()
    exported = fxexport.export(model, inputs, dynamic=dynamic, check_inputs=others)
    verification = exported.report.verification
    assert verification is not None
    assert verification.ok, verification.message
    labels = [case.label for case in verification.cases]
    assert {"example inputs", "check inputs 1", "check inputs 2"} <= set(labels)
    shapes = [spec.shape[0] for spec in exported.graph.inputs]
    assert all(getattr(dim, "name", "") == "batch" for dim in shapes)
