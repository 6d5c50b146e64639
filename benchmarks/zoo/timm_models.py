"""One model of each module of timm: one that its name calls small."""

from __future__ import annotations

import functools

import timm
import torch

from benchmarks.zoo.models import Inputs, Made, ZooModel

__all__ = ["models"]

# What small models are called, the smallest first.
_SMALL = (
    "test_", "zepto", "atto", "femto", "pico", "nano", "xxt", "xxs", "xtiny", "xt", "tiny", "_t",
    "xs", "050", "small", "_s", "mini", "lite", "_b0", "_a0", "_m0", "018", "10", "18", "_n", "26",
    "_0", "_1", "base",
)  # fmt: skip


def models() -> list[ZooModel]:
    """A model for each module."""
    found = []
    for module in timm.list_modules():
        names = timm.list_models(module=module)
        if names:
            name = min(names, key=_size)
            found.append(ZooModel("timm", module, name, functools.partial(_make, name)))
    return found


def _size(name: str) -> tuple[int, int, str]:
    rank = next((k for k, word in enumerate(_SMALL) if word in f"_{name}"), len(_SMALL))
    return rank, len(name), name


def _make(name: str) -> Made:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model(name, pretrained=False).eval()
        channels, high, wide = model.default_cfg.get("input_size", (3, 224, 224))
        shapes = [
            (2, channels, high, wide),
            (1, channels, high, wide),
            (3, channels, high + 32, wide),
            (1, channels, high - 31, wide + 5),
        ]
        return Made(model, [Inputs(str(shape), (torch.rand(shape),)) for shape in shapes])
