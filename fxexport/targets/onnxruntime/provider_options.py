"""Options for ONNX Runtime's GPU providers, from the profiles of a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from fxexport.errors import UsageError
from fxexport.profiles import Profile, ort_options

if TYPE_CHECKING:
    from fxexport.report.model import Report

__all__ = ["ProfiledModel", "provider_options"]


class ProfiledModel(Protocol):
    """What is needed of an exported model: its inputs and its profiles."""

    @property
    def report(self) -> Report:
        """The report; its inputs say which sizes vary."""

    @property
    def profiles(self) -> list[Profile]:
        """The optimization profiles that travel with the file."""


# Provider -> how its options for profiles begin; None where it has none.
_PREFIXES: dict[str, str | None] = {
    "TensorrtExecutionProvider": "trt",
    "NvTensorRTRTXExecutionProvider": "nv",
    "CUDAExecutionProvider": None,
}


def provider_options(
    source: str | os.PathLike[str] | ProfiledModel,
    providers: Sequence[str] = ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
) -> dict[str, dict[str, str]]:
    """Options for ONNX Runtime's GPU providers.

    >>> providers = [*fxexport.provider_options("model.onnx").items(), "CPUExecutionProvider"]
    >>> session = onnxruntime.InferenceSession("model.onnx", providers=providers)

    Args:
        source: an exported file, or what `export` returned.
        providers: which ones, in the order of preference. NvTensorRTRTXExecutionProvider is known
            too.

    Returns:
        The options of each provider by its name. TensorRT's say the shapes of all profiles; with
        no profile they are empty, and it builds an engine for the shapes that it meets. CUDA's
        choose a convolution's algorithm by rule where sizes vary, since trying all of them out
        starts anew at each new size.

    Raises:
        UsageError: the file cannot be read, there is no such provider, or its options cannot name
            one of the inputs.
    """
    providers = [providers] if isinstance(providers, str) else providers
    if not isinstance(providers, Sequence):
        raise UsageError(f"expected names of providers, got {providers!r}")
    unknown = [name for name in providers if name not in _PREFIXES]
    if unknown:
        raise UsageError(
            f"unknown provider {unknown[0]!r}", hint=f"providers are {', '.join(_PREFIXES)}"
        )
    profiles, dynamic = _profiles_of(source)
    options: dict[str, dict[str, str]] = {}
    for name in providers:
        prefix = _PREFIXES[name]
        if prefix is not None:
            options[name] = ort_options(profiles, prefix)
        else:
            search = "HEURISTIC" if dynamic else "EXHAUSTIVE"
            options[name] = {"cudnn_conv_algo_search": search}
    return options


def _profiles_of(source: str | os.PathLike[str] | ProfiledModel) -> tuple[list[Profile], bool]:
    """The profiles, and whether any size varies."""
    if isinstance(source, (str, os.PathLike)):
        from fxexport.files.profiles import read_profiles

        stored = read_profiles(source)
        return stored.profiles, any(target.dynamic for target in stored.inputs)
    if not hasattr(source, "profiles") or not hasattr(source, "report"):
        raise UsageError(
            f"expected the path of an ONNX file, or what export returned, got {source!r}"
        )
    return source.profiles, any(
        dim["value"] is None for entry in source.report.inputs for dim in entry["shape"] or ()
    )
