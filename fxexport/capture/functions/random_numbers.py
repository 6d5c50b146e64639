"""Random numbers that Python or NumPy would draw when the model is exported."""

from __future__ import annotations

import random
import sys
from typing import Any

import torch

from fxexport.capture.recording.types import Function
from fxexport.capture.session.session import Session
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["drawing_replacement"]

# What gives another value at each call, but is no random number: reported, and part of the file.
_OTHER = frozenset({"time", "secrets", "uuid"})
_SEEDS = frozenset({"manual_seed", "manual_seed_all", "seed"})


def _unit() -> object:
    return torch.rand((), dtype=torch.float64).item()


def _whole(low: Any, high: Any) -> object:
    """An int from `low` to `high` - 1."""
    return torch.randint(low, high, ()).item()


def _between(low: Any = 0.0, high: Any = 1.0) -> object:
    return low + (high - low) * _unit()


def _bell(mean: Any = 0.0, deviation: Any = 1.0) -> object:
    return mean + deviation * torch.randn((), dtype=torch.float64).item()


def _randrange(start: int, stop: int | None = None) -> object:
    return _whole(0, start) if stop is None else _whole(start, stop)


# Single numbers that the file can draw itself, by the function's name.
_PYTHON: dict[str, Function] = {
    "random": _unit,
    "uniform": _between,
    "randint": lambda low, high: _whole(low, high + 1),
    "randrange": _randrange,
    "gauss": _bell,
    "normalvariate": _bell,
}
_NUMPY: dict[str, Function] = {
    "rand": _unit,
    "random": _unit,
    "random_sample": _unit,
    "uniform": _between,
    "randn": lambda: _bell(),
    "normal": _bell,
    "standard_normal": lambda: _bell(),
    "randint": _randrange,
}


def drawing_replacement(session: Session, function: object) -> Function | None:
    """What to call instead of a function that draws; None for one that does not."""
    module = getattr(function, "__module__", None) or ""
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", "")
    if module in _OTHER:
        session.note(
            "assumption", "this value is drawn when the model is exported and is part of the file"
        )
        return None
    if name in _SEEDS and (module.startswith(("torch", "numpy.random")) or _draws(owner)):
        return lambda *args, **kwargs: session.note(
            "assumption", "a seed is set here; the file draws numbers of its own instead"
        )
    if not _draws(owner):
        return None
    table = _PYTHON if type(owner).__module__ == "random" else _NUMPY
    staged = table.get(name) if _is_global(owner) else None

    def draw(*args: object, **kwargs: object) -> object:
        if staged is not None:
            try:
                value = staged(*args, **kwargs)
            except TypeError:  # arguments for more than one number
                value = None
            if value is not None:
                session.note(
                    "assumption", "this number is drawn anew by the file in each of its runs"
                )
                return value
        raise UnsupportedError(
            f"{type(owner).__module__.partition('.')[0]}'s {name}() draws when the model is "
            "exported, and would be the same in each run of the file",
            code=Code.RANDOM_AT_EXPORT,
            location=user_location(),
            hint="draw with PyTorch instead (torch.rand, torch.randint, torch.randperm)",
        )

    return draw


def _draws(owner: object) -> bool:
    """Whether an object is a random generator of Python's or NumPy's."""
    module = type(owner).__module__ or ""
    return module == "random" or module.startswith("numpy.random")


def _is_global(owner: object) -> bool:
    """Whether a generator is the one that the module's functions share."""
    if owner is random.random.__self__:  # type: ignore[attr-defined]
        return True
    numpy = sys.modules.get("numpy.random")
    return numpy is not None and owner is numpy.rand.__self__
