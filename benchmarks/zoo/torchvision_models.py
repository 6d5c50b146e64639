"""All models of torchvision, as its registry builds them, on small images."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
import torchvision  # type: ignore[import-untyped]

from benchmarks.zoo.models import Inputs, Made, ZooModel

__all__ = ["models"]


def models() -> list[ZooModel]:
    """A model for each name of the registry."""
    found = []
    for name in torchvision.models.list_models():
        builder = torchvision.models.get_model_builder(name)
        family = builder.__module__.removeprefix("torchvision.models.")
        found.append(ZooModel("torchvision", family, name, functools.partial(_make, name, family)))
    return found


def _make(name: str, family: str) -> Made:
    builder = torchvision.models.get_model_builder(name)
    options: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        options["weights_backbone"] = None
    kind = family.partition(".")[0]
    if kind == "detection" and "ssd" not in name:
        options |= {"min_size": 128, "max_size": 160}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = builder(**options).eval()
        return Made(model, _inputs(kind, name))


def _inputs(kind: str, name: str) -> list[Inputs]:
    if kind == "detection":
        sizes = [((96, 128), (128, 96)), ((128, 112), (96, 96)), ((64, 160), (144, 96))]
        return [
            Inputs(f"{h}x{w}, {h2}x{w2}", ([torch.rand(3, h, w), torch.rand(3, h2, w2)],))
            for (h, w), (h2, w2) in sizes
        ]
    if kind == "optical_flow":
        shapes = [(1, 3, 128, 128), (2, 3, 128, 144), (1, 3, 152, 136)]
        return [Inputs(str(s), (torch.rand(s), torch.rand(s))) for s in shapes]
    if kind == "video":
        side = 224 if "mvit" in name else 112
        frames = 16 if "mvit" in name or "s3d" in name else 8
        shapes = [(1, 3, frames, side, side), (2, 3, frames, side, side), (1, 3, 20, 128, 144)]
    elif name.startswith(("vit", "maxvit")):
        side = 518 if name == "vit_h_14" else 224
        shapes = [(2, 3, side, side), (1, 3, side, side), (3, 3, 256, 256)]
    else:
        shapes = [(2, 3, 96, 128), (1, 3, 128, 96), (3, 3, 97, 113), (2, 3, 224, 224)]
        shapes = [(2, 3, 224, 224), *shapes[:3]] if "inception" in name else shapes[:3]
    return [Inputs(str(shape), (torch.rand(shape),)) for shape in shapes]
