"""What a model returns and a file does not give: None, text that is known, and other objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import is_dataclass

from fxexport.codes.ids import Code
from fxexport.graph.outputs import items_of, named_leaves
from fxexport.report.model import Report

__all__ = ["note_dropped"]

_SHOWN = 4
_LONGEST = 30

_CONTAINERS = (list, tuple, dict, deque)


def note_dropped(report: Report, result: object, is_output: Callable[[object], bool]) -> None:
    """Notes each part of a result that is no output.

    Attributes of objects are not told: an object has others beside its results.

    Args:
        report: gets the notes.
        result: what the model returns.
        is_output: whether a part is one.
    """

    def is_leaf(value: object) -> bool:
        return is_output(value) or not (isinstance(value, _CONTAINERS) or is_dataclass(value))

    names: dict[str, list[str]] = {}
    for path, leaf in named_leaves(result, is_leaf):
        if not is_output(leaf) and not items_of(leaf):
            name = f"output_{path}" if not path or path[0].isdigit() else path
            names.setdefault(_described(leaf), []).append(name.rstrip("_"))
    for kind, found in names.items():
        several = len(found) > 1
        text = f"{_listed(found)} {'are' if several else 'is'} {kind}: "
        text += f"{'they are' if several else 'it is'} not in the file"
        report.add("note", text, code=Code.RESULT_LEFT_OUT)


def _described(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, str):
        text = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
        return f"the text {text!r}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    if more > 0:
        return f"{', '.join(names[:_SHOWN])} and {more} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
