"""Reading an ONNX file to check or build it: its model and its profiles."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fxexport.errors import UsageError
from fxexport.files.profiles import load_message, read_profiles
from fxexport.profiles import Profile, as_profiles, resolve, why_no_profile
from fxexport.targets.tensorrt.build.build import ProfileRanges

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["load_model", "profiles_of", "ranges_of", "weight_files"]


def load_model(path: str | os.PathLike[str]) -> ir.Model:
    """Loads a file, with dtypes and ranks inferred where it does not say them.

    Raises:
        UsageError: there is no such file, it is no ONNX file, or a file of its weights is missing.
    """
    import onnx
    import onnx_ir

    name = os.fspath(path)
    proto = load_message(name)
    if proto.producer_name != "fxexport":
        # A file that ONNX's inference does not take may still build.
        with contextlib.suppress(Exception):
            proto = onnx.shape_inference.infer_shapes(proto)
    model = onnx_ir.from_proto(proto)
    _check_weights(model, os.path.dirname(os.path.abspath(name)), name)
    return model


def weight_files(model: ir.Model) -> dict[str, int]:
    """The files of a model's weights, as it names them, and how many bytes each must have."""
    import onnx_ir

    needed: dict[str, int] = {}
    for graph in model.graphs():
        for value in graph.initializers.values():
            tensor = value.const_value
            if isinstance(tensor, onnx_ir.ExternalTensor):
                name, end = os.fspath(tensor.location), (tensor.offset or 0) + (tensor.length or 0)
                needed[name] = max(needed.get(name, 0), end)
    return needed


def _check_weights(model: ir.Model, folder: str, shown: str) -> None:
    """Refuses a model without the files that its weights are in, before TensorRT stumbles."""
    hint = "the two files belong together: move or copy both"
    for name, needed in weight_files(model).items():
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            raise UsageError(
                f"{shown} has its weights in {name!r}, and there is no such file beside it",
                hint=hint,
            )
        if os.path.getsize(path) < needed:
            raise UsageError(
                f"{shown} needs {needed} bytes of weights in {name!r}, and it has "
                f"{os.path.getsize(path)}: it is of another model, or cut off",
                hint=hint,
            )


def profiles_of(path: str, given: Any = None) -> list[ProfileRanges]:
    """The profiles to build with: those given, else those in the file.

    Raises:
        UsageError: the given ones do not fit the file, or it needs some and has none.
    """
    stored = read_profiles(path)
    wanted = as_profiles(given) or stored.profiles
    profiles = resolve(wanted, stored.inputs, stored.relations)
    missing = why_no_profile(stored.inputs)
    if not profiles and missing:
        raise UsageError(
            "an engine needs a range for every dynamic size: "
            + missing.partition(": ")[2].partition(";")[0],
            hint=f"{missing.partition('; ')[2]}, or --minShapes, --optShapes and --maxShapes",
        )
    return [ranges_of(profile) for profile in profiles]


def ranges_of(profile: Profile) -> ProfileRanges:
    """A profile as the building process reads it."""
    ranges: dict[str, Mapping[str, Any]] = {}
    for kind, bounds_of in (("shape", profile.shapes), ("value", profile.values)):
        for name, bounds in bounds_of.items():
            ranges[name] = {
                "kind": kind,
                "min": list(bounds.min),
                "opt": list(bounds.opt),
                "max": list(bounds.max),
            }
    return ranges
