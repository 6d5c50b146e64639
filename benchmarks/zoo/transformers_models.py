"""One tiny model of each kind of transformers, made by shrinking its default configuration."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from transformers import MODEL_MAPPING, PretrainedConfig  # type: ignore[import-untyped]

from benchmarks.zoo.models import Inputs, Made, ZooModel

__all__ = ["models"]

# What the numbers of a configuration are called, and how small they become. The first one of
# each group is the one that most kinds take.
_VOCABULARY = {r"vocab_size$": 128}
_DEPTH = {
    r"(num|n)_(hidden_|encoder_|decoder_|text_|blocks?_)?(layers?|blocks)$": 2,
    r"^(encoder|decoder)_layers$": 2,
    r"^depth$": 2,
}
_WIDTH = {
    r"(num|n)_?(attention_|encoder_|decoder_)?heads?$|attention_heads$": 4,
    r"(num|n)_?(key_value|kv)_heads$": 2,
    r"head_dim$|^d_kv$": 8,
    r"^(hidden_size|d_model|n_embd|emb_dim|embed_dim|embedding_size)$": 32,
    r"^(dim|hidden_dim|projection_dim)$": 32,
    r"(encoder|decoder|text|vision)_(hidden_size|hidden_dim|dim)$": 32,
    r"(intermediate|ffn)_(size|dim)$|^(d_ff|n_inner|mlp_dim|inner_dim|ffn_hidden_size)$": 64,
    r"(num|n)_(local_|routed_)?experts$": 4,
    r"(num_)?experts_per_tok(en)?$": 2,
    r"^image_size$": 64,
}
_GROUPS = ({**_VOCABULARY, **_DEPTH, **_WIDTH}, {**_VOCABULARY, **_DEPTH}, _VOCABULARY)
_MOST_PARAMETERS = 80_000_000


def models() -> list[ZooModel]:
    """A model for each kind that has a base model."""
    found = []
    for config in MODEL_MAPPING:
        kind = config.model_type
        found.append(ZooModel("transformers", kind, kind, functools.partial(_make, config)))
    return sorted(found, key=lambda model: model.name)


def _make(config_class: type[PretrainedConfig]) -> Made:
    problem: Exception | None = None
    for group in _GROUPS:
        try:
            config = _shrunk(config_class, group)
            return _made(config)
        except Exception as error:
            problem = problem or error
    raise RuntimeError(f"cannot be made small: {type(problem).__name__}: {problem}") from problem


def _made(config: PretrainedConfig) -> Made:
    model_class = MODEL_MAPPING[type(config)]
    if isinstance(model_class, (tuple, list)):
        model_class = model_class[0]
    with torch.device("meta"):
        parameters = sum(weight.numel() for weight in model_class(config).parameters())
    if parameters > _MOST_PARAMETERS:
        raise RuntimeError(f"{parameters:,} parameters")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = model_class(config).eval()
        for make in _makers(model):
            inputs = list(make())
            try:
                with torch.no_grad():
                    inputs[0].call(model)
            except Exception as error:
                problem = error
            else:
                return Made(model, inputs)
    raise problem


def _shrunk(config_class: type[PretrainedConfig], group: dict[str, int]) -> PretrainedConfig:
    """A configuration with its numbers made small by their names."""
    default = config_class()
    changes: dict[str, Any] = {}
    for name, value in _own(default):
        if isinstance(value, PretrainedConfig):
            changes[name] = _shrunk(type(value), group)
        elif isinstance(value, int) and not isinstance(value, bool):
            small = next((to for words, to in group.items() if re.search(words, name)), value)
            changes[name] = min(small, value)
            if name.endswith("token_id") and value >= 128:
                changes[name] = 1
    known = inspect.signature(config_class.__init__).parameters
    config = config_class(**{name: value for name, value in changes.items() if name in known})
    config.use_cache = False
    return config


def _own(config: PretrainedConfig) -> Iterator[tuple[str, Any]]:
    for name in inspect.signature(type(config).__init__).parameters:
        if hasattr(config, name):
            yield name, getattr(config, name)


# -- inputs -------------------------------------------------------------------------------------

_TEXT = ((2, 9), (1, 5), (3, 16))


def _makers(model: nn.Module) -> list[Callable[[], Iterator[Inputs]]]:
    """Ways to make inputs for a model, by the name of its first one."""
    name = model.main_input_name
    makers = {
        "pixel_values": [_images],
        "pixel_values_videos": [_videos],
        "input_values": [_waves, _spectra],
        "input_features": [_spectra, _spectra_in_columns, _waves],
    }.get(str(name), [_tokens])
    return [functools.partial(make, model) for make in makers]


def _tokens(model: nn.Module) -> Iterator[Inputs]:
    for batch, length in _TEXT:
        tokens = torch.randint(3, 100, (batch, length))
        mask = torch.ones(batch, length, dtype=torch.int64)
        mask[-1, -1] = 0
        kwargs = {"input_ids": tokens, "attention_mask": mask}
        yield Inputs(f"{batch}x{length}", (), {**_taken(model, kwargs), **_decoder(model, batch)})


def _images(model: nn.Module) -> Iterator[Inputs]:
    side = getattr(model.config, "image_size", None) or 64
    high, wide = side if isinstance(side, (list, tuple)) else (side, side)
    channels = getattr(model.config, "num_channels", 3)
    for batch, h in ((2, high), (1, high), (3, high + 32), (1, high - 3)):
        pixels = torch.rand(batch, channels, h, wide)
        yield Inputs(f"{batch}x{h}x{wide}", (), {"pixel_values": pixels, **_decoder(model, batch)})


def _videos(model: nn.Module) -> Iterator[Inputs]:
    side = getattr(model.config, "image_size", 64)
    frames = getattr(model.config, "num_frames", 4)
    for batch in (1, 2):
        pixels = torch.rand(batch, frames, 3, side, side)
        yield Inputs(f"{batch} videos", (), {model.main_input_name: pixels})


def _waves(model: nn.Module) -> Iterator[Inputs]:
    channels = getattr(model.config, "audio_channels", None)
    for batch, length in ((2, 4000), (1, 3200), (3, 5001)):
        shape = (batch, channels, length) if channels else (batch, length)
        wave = {model.main_input_name: torch.randn(shape)}
        yield Inputs(f"{batch}x{length}", (), {**wave, **_decoder(model, batch)})


def _bins(model: nn.Module) -> int:
    names = ("num_mel_bins", "input_feat_per_channel", "feature_projection_input_dim", "input_dim")
    return next((n for name in names if (n := getattr(model.config, name, None))), 80)


def _spectra(model: nn.Module) -> Iterator[Inputs]:
    longest = getattr(model.config, "max_length", None) or 64
    for batch, length in ((2, longest), (1, longest), (3, longest + 13)):
        spectrum = torch.randn(batch, length, _bins(model))
        mask = _taken(model, {"attention_mask": torch.ones(batch, length, dtype=torch.int64)})
        given = {model.main_input_name: spectrum, **mask, **_decoder(model, batch)}
        yield Inputs(f"{batch}x{length}", (), given)


def _spectra_in_columns(model: nn.Module) -> Iterator[Inputs]:
    longest = 2 * getattr(model.config, "max_source_positions", 32)
    for batch in (2, 1, 3):
        spectrum = torch.randn(batch, _bins(model), longest)
        given = {model.main_input_name: spectrum, **_decoder(model, batch)}
        yield Inputs(f"{batch}x{longest}", (), given)


def _taken(model: nn.Module, kwargs: dict[str, Any]) -> dict[str, Any]:
    known = inspect.signature(model.forward).parameters
    return {name: value for name, value in kwargs.items() if name in known}


def _decoder(model: nn.Module, batch: int) -> dict[str, Any]:
    """What the decoder of an encoder-decoder is given: fewer tokens than the encoder."""
    tokens = torch.randint(3, 100, (batch, 3 + batch))
    return _taken(model, {"decoder_input_ids": tokens})
