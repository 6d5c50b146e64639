"""Which part of a file's time its ifs and loops take, from ONNX Runtime's own profile of runs."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fxexport.errors import UsageError
from fxexport.outline.model import Construct, Outline, Step, constructs_in

__all__ = ["share_text", "with_times"]

_RUN, _NODE = "model_run", "_kernel_time"


def with_times(outline: Outline, path: str | os.PathLike[str]) -> Outline:
    """An outline whose constructs know their share of the time, all that is in them included.

    Args:
        outline: of the file.
        path: what ONNX Runtime wrote when it ran it with `SessionOptions.enable_profiling`.

    Raises:
        UsageError: that is no such profile, or one of another file.
    """
    whole, spent = _read(path)
    names = Counter(one.name for one in constructs_in(outline.steps))
    known = {name for name, count in names.items() if name and count == 1} & spent.keys()
    if names and not known:
        raise UsageError(
            f"{os.fspath(path)}: no if or loop of {outline.path} ran in this profile",
            hint="give the profile of this file",
        )
    shares = {name: spent[name] / whole for name in known}
    return replace(outline, steps=_with_shares(outline.steps, shares))


def share_text(share: float | None) -> str:
    """``12 % of the time``; empty where it was not measured."""
    if share is None:
        return ""
    percent = 100 * share
    return f"{percent:.0f} % of the time" if percent >= 1 or not percent else "<1 % of the time"


def _read(path: str | os.PathLike[str]) -> tuple[float, Mapping[str, float]]:
    """The time of all runs, and of each node in them."""
    try:
        with open(path, encoding="utf-8") as file:
            events = json.load(file)
    except OSError as error:
        raise UsageError(f"{os.fspath(path)} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _no_profile(path) from error
    whole = 0.0
    spent: dict[str, float] = {}
    for event in events if isinstance(events, list) else ():
        if not isinstance(event, dict):
            continue
        name, time = event.get("name"), event.get("dur")
        if not isinstance(name, str) or not isinstance(time, (int, float)):
            continue
        if event.get("cat") == "Session" and name == _RUN:
            whole += time
        elif event.get("cat") == "Node" and name.endswith(_NODE):
            node = name.removesuffix(_NODE)
            spent[node] = spent.get(node, 0.0) + time
    if not whole:
        raise _no_profile(path)
    return whole, spent


def _no_profile(path: str | os.PathLike[str]) -> UsageError:
    return UsageError(
        f"{os.fspath(path)} is no profile of ONNX Runtime's",
        hint="set enable_profiling of its SessionOptions, run the file and give what "
        "session.end_profiling() names",
    )


def _with_shares(steps: Sequence[Step], shares: Mapping[str, float]) -> tuple[Step, ...]:
    return tuple(
        replace(
            step,
            share=shares.get(step.name),
            arms=tuple(replace(arm, steps=_with_shares(arm.steps, shares)) for arm in step.arms),
        )
        if isinstance(step, Construct)
        else step
        for step in steps
    )
