"""What files are made for: a folder for each target, found by its name.

``targets/NAME/target.py`` holds ``TARGET``, a `Target` whose name is NAME. It is imported when the
target is used, so its passes and its dialect are too.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from fxexport.errors import UsageError
from fxexport.suggestions import did_you_mean

if TYPE_CHECKING:
    from fxexport.targets.target import Target

__all__ = ["check_max_trips", "target_named", "target_names"]


def target_names() -> list[str]:
    """The names of all targets, sorted; none of them is imported."""
    return sorted(folder.name for folder in pkgutil.iter_modules(__path__) if folder.ispkg)


def target_named(name: str) -> Target:
    """The target of a name.

    Raises:
        UsageError: there is no such target.
    """
    known = target_names()
    if name not in known:
        raise UsageError(
            f"unknown target {name!r}; this version knows: {', '.join(known)}",
            hint=did_you_mean(name, known),
        )
    target: Target = importlib.import_module(f"{__name__}.{name}.target").TARGET
    return target


def check_max_trips(max_trips: int | None, target: Target) -> None:
    """Refuses a bound on iterations that is not valid for the target.

    Raises:
        UsageError: it is no positive integer, or the target needs none.
    """
    if max_trips is None:
        return
    if type(max_trips) is not int or max_trips < 1:
        raise UsageError(f"max_trips: expected an integer from 1, got {max_trips!r}")
    if not target.takes_max_trips:
        takers = [name for name in target_names() if target_named(name).takes_max_trips]
        raise UsageError(
            f"max_trips is for target {' or '.join(map(repr, takers))}; "
            f"{target.name!r} needs no bound on a loop's iterations"
        )
