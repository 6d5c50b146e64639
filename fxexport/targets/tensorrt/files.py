"""Reading an ONNX file to check or build it: its model and its profiles."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fxexport.errors import UsageError
from fxexport.profile_files import load_message, read_profiles
from fxexport.profiles import Profile, as_profiles, resolve, why_no_profile
from fxexport.targets.tensorrt.build import ProfileRanges

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["load_model", "profiles_of", "ranges_of"]


def load_model(path: str | os.PathLike[str]) -> ir.Model:
    """Loads a file, with dtypes and ranks inferred where it does not say them.

    Raises:
        UsageError: there is no such file, or it is no ONNX file.
    """
    import onnx
    import onnx_ir

    name = os.fspath(path)
    proto = load_message(name)
    if proto.producer_name != "fxexport":
        # A file that ONNX's inference does not take may still build.
        with contextlib.suppress(Exception):
            proto = onnx.shape_inference.infer_shapes(proto)
    return onnx_ir.from_proto(proto)


def profiles_of(path: str, given: Any = None) -> list[ProfileRanges]:
    """The profiles to build with: those given, else those in the file.

    Raises:
        UsageError: the given ones do not fit the file, or it needs some and has none.
    """
    stored = read_profiles(path)
    profiles = stored.profiles
    wanted = as_profiles(given)
    if wanted:
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
