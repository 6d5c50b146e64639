"""Profiles as they travel with a file: JSON in its metadata, and the same in a file beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fxexport.errors import UsageError
from fxexport.profiles.checking import FileInput
from fxexport.profiles.dims import Dim
from fxexport.profiles.printing import compact_json
from fxexport.profiles.profile import Profile
from fxexport.profiles.relations import Relation

__all__ = ["StoredProfiles", "profiles_file_name"]

_VERSION = 1


def profiles_file_name(path: str | os.PathLike[str]) -> str:
    """``model.profiles.json`` for ``model.onnx``: the name of the file beside it."""
    stem, ending = os.path.splitext(os.path.basename(path))
    return f"{stem if ending.lower() == '.onnx' else stem + ending}.profiles.json"


@dataclass(frozen=True)
class StoredProfiles:
    """What a file remembers of its dynamic dimensions.

    Attributes:
        profiles: its optimization profiles; [] where some dimension has no largest size.
        inputs: its inputs, with the sizes that it was exported for: what these decide (a branch
            that was pruned) is part of the file.
        relations: what must hold between the dimensions.
    """

    profiles: list[Profile] = field(default_factory=list)
    inputs: list[FileInput] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)

    @property
    def worth_keeping(self) -> bool:
        """Whether there is anything to remember: something in the file is dynamic."""
        return bool(self.profiles) or any(target.dynamic for target in self.inputs)

    def to_text(self) -> str:
        """The JSON."""
        data = {
            "version": _VERSION,
            "inputs": {target.name: _input_to_data(target) for target in self.inputs},
            "relations": [relation.to_dict() for relation in self.relations],
            "profiles": [profile.to_dict() for profile in self.profiles],
        }
        return compact_json(data)

    @classmethod
    def from_text(cls, text: str, where: str) -> StoredProfiles:
        """Reads the JSON.

        Args:
            text: what `to_text` gave.
            where: what errors call the text's origin.

        Raises:
            UsageError: it is no such text, or one of a newer version.
        """
        try:
            data = json.loads(text)
            if data["version"] > _VERSION:
                raise UsageError(
                    f"{where}: profiles were written by a newer fxexport (format "
                    f"{data['version']}, this one knows {_VERSION})"
                )
            return cls(
                [Profile(**entry) for entry in data["profiles"]],
                [_input_from_data(name, entry) for name, entry in data["inputs"].items()],
                [
                    Relation(entry["text"], entry["expression"], tuple(entry["names"]),
                             entry["place"])
                    for entry in data["relations"]
                ],
            )  # fmt: skip
        except KeyError as error:
            raise UsageError(f"{where}: the profiles cannot be read: no {error} in them") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"{where}: the profiles cannot be read: {error}") from None


def _input_to_data(target: FileInput) -> dict[str, Any]:
    return {
        "dtype": target.dtype,
        "shape": [
            dim if isinstance(dim, int) else {"name": dim.name, "min": dim.min, "max": dim.max}
            for dim in target.shape
        ],
        **({"values": list(target.values)} if target.values else {}),
    }


def _input_from_data(name: str, entry: Mapping[str, Any]) -> FileInput:
    shape: Sequence[Any] = entry["shape"]
    values = entry.get("values")
    if not isinstance(entry["dtype"], str):
        raise ValueError(f"{entry['dtype']!r} is no dtype")
    return FileInput(
        name,
        tuple(dim if isinstance(dim, int) else Dim(**dim) for dim in shape),
        entry["dtype"],
        (values[0], values[1]) if values else None,
    )
