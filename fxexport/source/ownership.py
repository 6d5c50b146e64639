"""Whose a source file is: the user's, a library's, PyTorch's or our own."""

from __future__ import annotations

import importlib.util
import linecache
import os
import sysconfig
from enum import IntEnum
from functools import lru_cache

__all__ = [
    "Owner",
    "is_generated",
    "is_of_fxexport",
    "is_of_standard_library",
    "is_own",
    "is_torch_internal",
    "owner_of",
]


class Owner(IntEnum):
    """Whose a file is; the lower, the nearer to the user's own program."""

    USER = 0
    LIBRARY = 1
    TORCH_LAYER = 2
    INTERNAL = 3


def _folder_of(package: str) -> str:
    """The folder of an installed package, with a separator at its end; nothing is imported."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations
    return os.path.join(os.path.abspath(spec.submodule_search_locations[0]), "")


_FXEXPORT = _folder_of(__name__.partition(".")[0])
_TORCH = _folder_of("torch")
_TORCH_NN = os.path.join(_TORCH, "nn", "")
_STDLIB = os.path.join(sysconfig.get_paths()["stdlib"], "")
_PACKAGES = os.path.join("", "site-packages", "")


# What is given to exec() and eval(), and typed at Python's prompt.
_TYPED = ("<stdin>", "<string>")
# Python's own modules, and the forward of a GraphModule.
_OF_NOBODY = ("<frozen ", "<eval_with_key>", "<__array_function__")


def owner_of(file: str) -> Owner:
    """Whose a file is."""
    return _owner_without_file(file) if file.startswith("<") else _owner_of(file)


def _owner_without_file(name: str) -> Owner:
    """Whose source is that stands in no file: the user's where it can be shown, as in IPython.

    What cannot is shown less well than the line that has called it.
    """
    if name.startswith(_OF_NOBODY):
        return Owner.INTERNAL
    # Code for exec() has the name of what `python -c` runs, whose lines Python 3.13 keeps.
    if name != "<string>" and linecache.getlines(name):
        return Owner.USER
    return Owner.LIBRARY if name in _TYPED else Owner.INTERNAL


def is_generated(file: str, function: str) -> bool:
    """Whether a library has made up a function: `__init__` of a dataclass, and kin."""
    return file.startswith("<") and function.startswith("__")


@lru_cache(maxsize=4096)
def _owner_of(file: str) -> Owner:
    if file.startswith(_TORCH_NN):
        return Owner.TORCH_LAYER
    if file.startswith((_TORCH, _FXEXPORT)):
        return Owner.INTERNAL
    if os.sep + _PACKAGES in file:
        return Owner.LIBRARY
    return Owner.INTERNAL if file.startswith(_STDLIB) else Owner.USER


def is_own(file: str) -> bool:
    """Whether a file is the user's own."""
    return owner_of(file) is Owner.USER


def is_of_fxexport(file: str) -> bool:
    """Whether a file is one of ours."""
    return file.startswith(_FXEXPORT)


def is_of_standard_library(file: str) -> bool:
    """Whether a file belongs to Python itself; packages that are installed beside it do not."""
    return file.startswith(_STDLIB) and _PACKAGES not in file


def is_torch_internal(file: str) -> bool:
    """Whether a file is PyTorch's, other than its layers in torch.nn."""
    return file.startswith(_TORCH) and not file.startswith(_TORCH_NN)
