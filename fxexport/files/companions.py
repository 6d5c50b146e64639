"""Files that stand beside a model: its profiles, and the state of the first call."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fxexport.profiles import profiles_file_name

__all__ = ["PROFILES", "STATE", "companions_of", "stale_companions", "state_file_name"]


@dataclass(frozen=True)
class Companion:
    """A kind of file that may stand beside a model.

    Attributes:
        name_for: its name, for the path of the model.
        is_ours: whether a file of that name was written by an export, and so may go away with the
            model that it was written for.
    """

    name_for: Callable[[str], str]
    is_ours: Callable[[str], bool]

    def path_for(self, model: str) -> str:
        """Its path, for the path of the model."""
        return os.path.join(os.path.dirname(model), self.name_for(model))


def state_file_name(path: str) -> str:
    """``model.state.npz`` for ``folder/model.onnx``."""
    return os.path.splitext(os.path.basename(path))[0] + ".state.npz"


def _holds_profiles(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return {"version", "profiles", "relations"} <= set(json.load(file))
    except (OSError, ValueError, TypeError):
        return False


def _holds_state(path: str) -> bool:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return bool(names) and all(name.startswith("state.") for name in names)


PROFILES = Companion(profiles_file_name, _holds_profiles)
STATE = Companion(state_file_name, _holds_state)
_KINDS = (PROFILES, STATE)


def companions_of(model: str) -> Iterator[Companion]:
    """The kinds that stand beside a model now and are its own."""
    return (kind for kind in _KINDS if kind.is_ours(kind.path_for(model)))


def stale_companions(model: str, written: Mapping[Companion, object]) -> Iterator[str]:
    """Paths of files of an older model at this path, of kinds that the new one does not have."""
    return (kind.path_for(model) for kind in companions_of(model) if kind not in written)
