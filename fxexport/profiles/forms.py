"""Profiles in any form that a library call or a file may give them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fxexport.errors import UsageError
from fxexport.profiles.profile import POINTS, Profile
from fxexport.profiles.tool_options import parse_ort_options, parse_tool_options

__all__ = ["as_profiles", "looks_like_a_form", "parse_profiles"]

_HINT = (
    'for example profiles={"x": ((1, 8), (4, 8), (16, 8))}: min, opt and max shape of each input'
)
_PROFILE_KEYS = {"shapes", "values"}


def as_profiles(given: Any) -> list[Profile]:
    """Reads profiles in any form.

    Args:
        given: None; a `Profile`; a dict of (min, opt, max) by input name, Polygraphy's `Profile`
            among them; a list of these, one a profile; MMDeploy's config or its backend_config; a
            dict with ONNX Runtime's ``trt_profile_min_shapes``, ``..._opt_...``,
            ``..._max_...``; the data of a ``.profiles.json``; or any of these as text, or
            trtexec's or Polygraphy's options.

    Raises:
        UsageError: for anything else; it quotes what was wrong.
    """
    if given is None:
        return []
    if isinstance(given, Profile):
        return [given]
    if isinstance(given, str):
        return parse_profiles(given)
    if isinstance(given, Mapping):
        return _from_mapping(given)
    if hasattr(given, "keys") and hasattr(given, "items"):  # OpenMMLab's Config is no Mapping
        return _from_mapping(dict(given.items()))
    if isinstance(given, Sequence):
        return [profile for entry in given for profile in as_profiles(entry)]
    raise UsageError(f"expected a Profile, a dict or a list of them, got {given!r}", hint=_HINT)


def _from_mapping(given: Mapping[Any, Any]) -> list[Profile]:
    if not given:
        return []
    if any(str(key).startswith(("trt_profile_", "nv_profile_")) for key in given):
        return parse_ort_options({str(key): value for key, value in given.items()})
    for key, read in _WRAPPERS.items():
        if key in given and isinstance(given[key], (Mapping, Sequence)):
            return read(given[key])
    if set(given) <= _PROFILE_KEYS and all(isinstance(part, Mapping) for part in given.values()):
        return [Profile(**given)]
    if set(given) <= set(POINTS) and all(isinstance(part, Mapping) for part in given.values()):
        turned = _by_name(given)
        if turned:
            return [Profile(turned)]
    return [Profile(given)]


def _by_name(given: Mapping[Any, Any]) -> dict[str, dict[str, Any]]:
    """``{"min": {"x": sizes}, ...}`` by input; {} where it is not that."""
    turned: dict[str, dict[str, Any]] = {}
    for point, shapes in given.items():
        for name, sizes in shapes.items():
            if isinstance(sizes, Mapping):
                return {}
            turned.setdefault(name, {})[point] = sizes
    return turned


def _of_model_inputs(entries: Any) -> list[Profile]:
    """MMDeploy's ``model_inputs``: one profile an entry."""
    entries = [entries] if isinstance(entries, Mapping) else entries
    if not entries:
        raise UsageError(
            "model_inputs is empty: expected an entry dict(input_shapes=dict(...)) a profile"
        )
    profiles = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("input_shapes"), Mapping):
            raise UsageError(
                f"model_inputs: expected entries dict(input_shapes=dict(...)), got {entry!r}"
            )
        profiles.append(Profile(entry["input_shapes"]))
    return profiles


def _of_backend_config(config: Any) -> list[Profile]:
    if not isinstance(config, Mapping) or "model_inputs" not in config:
        raise UsageError(f"backend_config has no model_inputs: {config!r}")
    return _of_model_inputs(config["model_inputs"])


_WRAPPERS: dict[str, Callable[[Any], list[Profile]]] = {
    "backend_config": _of_backend_config,
    "model_inputs": _of_model_inputs,
    "input_shapes": lambda shapes: [Profile(shapes)],
    "profiles": as_profiles,
}


def looks_like_a_form(text: str) -> bool:
    """Whether a text means to be one of the forms that `parse_profiles` reads."""
    stripped = text.strip()
    if stripped.startswith(("--", "{", "[", "trt_profile_", "nv_profile_")):
        return True
    name, equals, _ = stripped.partition("=")
    return bool(equals) and name.strip() in _CONFIGS


_CONFIGS = ("backend_config", "model_inputs")


def parse_profiles(text: str) -> list[Profile]:
    """Reads a text in any of the forms that `fxexport profile --as` prints.

    Raises:
        UsageError: when it is in none of them.
    """
    stripped = text.strip()
    if stripped.startswith("--"):
        return parse_tool_options(stripped)
    if stripped.startswith(("{", "[")):
        return as_profiles(_literal(stripped))
    if stripped.startswith(("trt_profile_", "nv_profile_")):
        return parse_ort_options(_assignments(stripped))
    name, equals, config = stripped.partition("=")
    if equals and name.strip() in _CONFIGS:
        return as_profiles({name.strip(): _literal(config)})
    raise UsageError(
        f"not a profile: {_short(text)!r}",
        hint="write trtexec's or Polygraphy's options, ONNX Runtime's trt_profile_min_shapes=..., "
        "MMDeploy's backend_config or JSON, as fxexport profile --as prints them",
    )


def _assignments(text: str) -> dict[str, str]:
    """ONNX Runtime's options, one a line: ``key=value`` or ``key|value``."""
    options = {}
    parts = re.split(r"\n|;\s*(?=(?:trt|nv)_)", text)  # a name may hold a semicolon
    for line in filter(None, (part.strip().rstrip(";") for part in parts)):
        cut = min((line.find(mark) for mark in "=|" if mark in line), default=-1)
        if cut < 0:
            raise UsageError(f"expected key=value, got {line!r}")
        value = line[cut + 1 :].strip()
        wrapped = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        options[line[:cut].strip()] = value[1:-1] if wrapped else value
    return options


def _literal(text: str) -> Any:
    """JSON, or a Python literal with ``dict(...)`` in it, as configs are written."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{_short(text)!r} cannot be read: {error}") from None


def _value(node: ast.expr) -> Any:
    """The value of a literal; nothing is run."""
    if isinstance(node, ast.Dict):
        keys = [None if key is None else _value(key) for key in node.keys]
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.LShift):
        return _value(node.left) << min(
            _value(node.right), 64
        )  # 1 << 30, as workspaces are written
    return ast.literal_eval(node)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
