"""Outputs that `dynamic` names, as `dynamic_axes` of PyTorch's exporter may: their sizes follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["sizes_that_stay", "split_outputs"]


def split_outputs(dynamic: Any, output_names: Sequence[str] | None) -> tuple[Any, dict[str, Any]]:
    """What is wanted of inputs, and of outputs by name.

    Args:
        dynamic: as for an export.
        output_names: the names that the outputs are to have.
    """
    if not isinstance(dynamic, Mapping) or isinstance(output_names, str):
        return dynamic, {}
    outputs = {name: wanted for name, wanted in dynamic.items() if name in (output_names or ())}
    inputs = {name: wanted for name, wanted in dynamic.items() if name not in outputs}
    return inputs, outputs


def sizes_that_stay(
    outputs: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """What a user must know of outputs of which another size was wanted than there is.

    Args:
        outputs: what was wanted, by name: axes, or a name for each.
        entries: the file's outputs, in the form that a report has.
    """
    for entry in entries:
        sizes = entry.get("shape") or ()
        for axis in outputs.get(str(entry["name"])) or ():
            if type(axis) is not int:
                continue
            if not -len(sizes) <= axis < len(sizes):
                yield f"dynamic names dimension {axis} of {entry['name']!r}, which has {len(sizes)}"
            elif sizes[axis]["value"] is not None:
                yield (
                    f"dynamic names dimension {axis} of {entry['name']!r}, which is always "
                    f"{sizes[axis]['value']}"
                )
