"""Caches of keys and values as transformers has them, under the names that runtimes expect.

``past_key_values.0.key`` is what Optimum and ONNX Runtime's generation call the keys of the first
layer, ``past_key_values.0.decoder.key`` those of a decoder that attends to an encoder as well.
transformers is not imported: without it there are no such objects.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from fxexport.containers.objects import attributes_of, fresh, holds_tensors

__all__ = ["is_cache", "is_count", "parts_of", "with_parts"]

_NAMES = {"keys": "key", "values": "value"}
_SIDES = {"self_attention_cache": "decoder", "cross_attention_cache": "encoder"}
# How many rows a layer has seen, an int or a tensor: it changes with each call.
_COUNTS = ("cumulative_length",)


def is_cache(value: object) -> bool:
    """Whether an object is a cache of transformers, or a layer's part of one."""
    module = sys.modules.get("transformers.cache_utils")
    kinds = tuple(
        kind
        for name in ("Cache", "CacheLayerMixin", "LinearAttentionCacheLayerMixin")
        if isinstance(kind := getattr(module, name, None), type)
    )
    return isinstance(value, kinds)


def is_count(name: str) -> bool:
    """Whether a part is a number that changes with each call."""
    return name.rpartition(".")[2] in _COUNTS


def parts_of(cache: Any) -> dict[str, Any]:
    """What a cache holds, by names that begin with a dot; {} of an empty one."""
    return {name: getattr(owner, attribute) for name, (owner, attribute) in _places(cache).items()}


def with_parts(like: Any, parts: Mapping[str, Any]) -> Any:
    """A cache around other keys and values."""
    made = fresh(like)
    places = _places(made)
    for name, part in parts.items():
        owner, attribute = places[name]
        setattr(owner, attribute, part)
    return made


def _places(cache: Any) -> dict[str, tuple[Any, str]]:
    """For each part, which object has it as which attribute."""
    sides = {side: getattr(cache, name, None) for name, side in _SIDES.items()}
    if all(sides.values()):
        return {
            _beside(name, side): at
            for side, part in sides.items()
            for name, at in _places(part).items()
        }
    layers = getattr(cache, "layers", None)
    if layers is None:
        return _of_layer(cache)
    return {
        f".{k}{name}": at for k, layer in enumerate(layers) for name, at in _of_layer(layer).items()
    }


def _beside(name: str, side: str) -> str:
    """``.0.decoder.key`` for ``.0.key``."""
    _, layer, rest = name.split(".", 2)
    return f".{layer}.{side}.{rest}"


def _of_layer(layer: Any) -> dict[str, tuple[Any, str]]:
    return {
        f".{_NAMES.get(name, name)}": (layer, name)
        for name, value in attributes_of(layer).items()
        if holds_tensors(value) or (name in _COUNTS and type(value) is int)
    }
