"""Writing profiles as options of other tools, ready to paste."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fxexport.errors import UsageError
from fxexport.profiles.profile import POINTS, Bounds, Point, Profile
from fxexport.profiles.tool_options import POLYGRAPHY_OPTIONS, TRTEXEC_OPTIONS, quoted

__all__ = ["FORMS", "as_text", "compact_json", "ort_options"]


def as_text(profiles: Sequence[Profile], form: str) -> str:
    """Profiles in one of the forms.

    Args:
        profiles: what to write.
        form: a key of `FORMS`: trtexec, polygraphy, ort, mmdeploy or json.

    Raises:
        UsageError: there is no such form, or it cannot name one of the inputs.
    """
    write = FORMS.get(form)
    if write is None:
        raise UsageError(
            f"unknown form of profiles: {form!r}", hint=f"forms are {', '.join(sorted(FORMS))}"
        )
    return write(profiles)


def _bounds_of(profile: Profile) -> Mapping[str, Bounds]:
    """Shapes and values: all of these tools take both by the same options."""
    return {**profile.shapes, **profile.values}


def _trtexec(profiles: Sequence[Profile]) -> str:
    parts = []
    for number, profile in enumerate(profiles):
        if len(profiles) > 1:
            parts.append(f"--profile={number}")
        for option, point in TRTEXEC_OPTIONS.items():
            value = ",".join(
                f"{quoted(_nameable(name, _NOT_FOR_TRTEXEC, 'trtexec'))}:{_by_x(bounds, point)}"
                for name, bounds in _bounds_of(profile).items()
            )
            parts.append(f"{option}={shlex.quote(value)}")
    return " ".join(parts)


# What their own readers take apart, whatever quotes there are.
_NOT_FOR_TRTEXEC = ",'\"\n"
_NOT_FOR_ORT = ",:\n"


def _nameable(name: str, against: str, reader: str) -> str:
    """A name that a reader takes as it is.

    Raises:
        UsageError: it cannot, because of one of the characters in `against`.
    """
    found = next((mark for mark in against if mark in name), "")
    if found:
        raise UsageError(
            f"{reader}'s options cannot name the input {name!r}: it has a {found!r}",
            hint="export with another name (input_names)",
        )
    return name


def _by_x(bounds: Bounds, point: Point) -> str:
    return "x".join(map(str, bounds.at(point)))


def _polygraphy(profiles: Sequence[Profile]) -> str:
    parts = []
    for profile in profiles:
        for option, point in POLYGRAPHY_OPTIONS.items():
            value = " ".join(
                shlex.quote(f"{name}:[{','.join(map(str, bounds.at(point)))}]")
                for name, bounds in _bounds_of(profile).items()
            )
            parts.append(f"{option} {value}")
    return " ".join(parts)


def ort_options(profiles: Sequence[Profile], prefix: str = "trt") -> dict[str, str]:
    """ONNX Runtime's provider options; {} without profiles.

    Args:
        profiles: several are given one after the other: its k-th mention of an input belongs to
            the k-th profile.
        prefix: ``trt`` for TensorRT, ``nv`` for TensorRT-RTX.

    Raises:
        UsageError: the provider cannot take apart the name of one of the inputs.
    """
    for profile in profiles:
        for name in _bounds_of(profile):
            _nameable(name, _NOT_FOR_ORT, "ONNX Runtime")
    if not profiles:
        return {}
    return {
        f"{prefix}_profile_{point}_shapes": ",".join(
            f"{name}:{_by_x(bounds, point)}"
            for profile in profiles
            for name, bounds in _bounds_of(profile).items()
        )
        for point in POINTS
    }


def _ort(profiles: Sequence[Profile]) -> str:
    return "\n".join(f"{key}={value}" for key, value in ort_options(profiles).items())


def _mmdeploy(profiles: Sequence[Profile]) -> str:
    entries = [
        {
            "input_shapes": {
                name: {f"{point}_shape": list(bounds.at(point)) for point in POINTS}
                for name, bounds in _bounds_of(profile).items()
            }
        }
        for profile in profiles
    ]
    config = {"type": "tensorrt", "model_inputs": entries}
    return f"backend_config = {_as_config(config)}"


def _as_config(value: Any, indent: str = "") -> str:
    """Python as OpenMMLab's configs are written: ``dict(key=value)``."""
    deeper = indent + "    "
    if isinstance(value, dict):
        if not all(key.isidentifier() for key in value):
            items = [f"{key!r}: {_as_config(item, deeper)}" for key, item in value.items()]
            return "{\n" + "".join(f"{deeper}{item},\n" for item in items) + indent + "}"
        items = [f"{key}={_as_config(item, deeper)}" for key, item in value.items()]
        return "dict(\n" + "".join(f"{deeper}{item},\n" for item in items) + indent + ")"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "[" + ", ".join(_as_config(item, indent) for item in value) + "]"
    return repr(value)


def _json(profiles: Sequence[Profile]) -> str:
    return compact_json({"profiles": [profile.to_dict() for profile in profiles]})


def compact_json(data: Any) -> str:
    """JSON for people: indented, but each row of numbers on one line."""
    text = json.dumps(data, indent=2)
    return re.sub(r"\[[\s\d,-]+\]", _on_one_line, text)


def _on_one_line(row: re.Match[str]) -> str:
    return f"[{', '.join(re.findall('-?[0-9]+', row[0]))}]"


FORMS: dict[str, Callable[[Sequence[Profile]], str]] = {
    "trtexec": _trtexec,
    "polygraphy": _polygraphy,
    "ort": _ort,
    "mmdeploy": _mmdeploy,
    "json": _json,
}
