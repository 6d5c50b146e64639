"""`copy.copy` and `copy.deepcopy` of what the program holds.

Python's own functions are read like the user's: they go through dicts, lists and objects by the
classes' rules, and end at tensors and numbers. Here stands what they cannot ask: what may be None,
is one of several things, or is a list whose length only the run knows.
"""

from __future__ import annotations

import copy
import functools
from collections import OrderedDict, defaultdict
from types import FunctionType
from typing import Any, TypeGuard, cast

import torch

from fxexport.capture.operators.operators import Operators
from fxexport.capture.recording.types import Function
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.list_runs import Spread, is_open
from fxexport.capture.session.session import Session, sym_type
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.containers import is_plain_object, keyed_like, parts_of
from fxexport.capture.values.maybe import Maybe, narrowed
from fxexport.capture.values.uncertain_keys import is_uncertain
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["Copying", "copied_tensor"]

_DICTS = (dict, OrderedDict, defaultdict)
# By which classes say how their objects are copied.
_COPYING = (
    "__deepcopy__",
    "__reduce_ex__",
    "__reduce__",
    "__getstate__",
    "__setstate__",
    "__new__",
)


class Copying:
    """The replacements of `copy.copy` and `copy.deepcopy`."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators
        self._read: dict[object, Function] = {}
        # What was copied on one path alone, with the memo of that call.
        self._perhaps: list[tuple[dict[int, object], object]] = []

    def table(self) -> dict[object, Function]:
        """What to call instead of Python's functions."""
        return {copy.copy: self.shallow, copy.deepcopy: self.deep}

    def shallow(self, value: object) -> object:
        """``copy.copy(value)``."""
        value = self._operators.read(value)
        if isinstance(value, Choice | Maybe):
            return self._each(value, self.shallow)
        return self._by_python(copy.copy, value)

    def deep(self, value: object, memo: dict[int, object] | None = None) -> object:
        """``copy.deepcopy(value, memo)``."""
        known: dict[int, object] = self._operators.fresh({}) if memo is None else memo
        return self._deep(self._operators.read(value), known)

    def _deep(self, value: object, known: dict[int, object]) -> object:
        if isinstance(value, Maybe) and _is_plain(value.value):
            # Of what is not there a copy does no harm, and nothing is decided.
            return value.like(value.present, self._deep(value.value, known))
        if isinstance(value, Choice | Maybe):
            return self._each(value, lambda one: self._on_path(one, known))
        if any(memo is known and value is copied for memo, copied in self._perhaps):
            raise UnsupportedError(
                "copy.deepcopy() meets an object twice, once on one path through the model alone: "
                "whether the copies are one object is known only when the model runs",
                code=Code.MEMORY,
                location=user_location(),
                hint="copy the parts one by one",
            )
        if isinstance(value, list) and is_open(value):
            items = [
                _run(one) if isinstance(one, Spread) else self.deep(one, known) for one in value
            ]
            return self._operators.fresh(items)
        if _may_lack_keys(value):
            return self._dict(value, known)
        return self._by_python(copy.deepcopy, value, known)

    def _dict(self, value: dict[object, object], known: dict[int, object]) -> object:
        """A deep copy of a dict some keys of which may not be there."""
        if id(value) in known:
            return known[id(value)]
        made = cast("dict[object, object]", self._operators.fresh(keyed_like(value, [], [])))
        self._operators.set_item(made, known, id(value))
        for key, item in dict.items(value):
            copied = self._deep(narrowed(item), known)
            if copied is not UNSET:
                made[self._deep(key, known)] = copied
        self._operators.call(_keep_alive)(value, known)
        return made

    def _on_path(self, value: object, memo: dict[int, object]) -> object:
        """A deep copy on one path; what it has copied is not known on others."""
        own: dict[int, object] = self._operators.fresh(dict(memo))
        made = self.deep(value, own)
        copied = own.get(id(own))  # Python keeps alive there what was copied
        self._perhaps += [(memo, one) for one in copied] if isinstance(copied, list) else []
        return made

    def _each(self, value: Choice | Maybe, copied: Function) -> object:
        if isinstance(value, Choice):
            return self._operators.session.each(value, copied)
        branch = self._operators.if_exp
        if value.absent is None:
            return branch(value.present, lambda: copied(value.value), lambda: None)
        # In a tuple: the copy may be None where it is there.
        found = branch(value.present, lambda: (copied(value.value),), lambda: None)
        (there,) = found.value if isinstance(found, Maybe) else (found or (value.absent,))
        return value.like(value.present, there)

    def _by_python(self, function: Any, *args: object) -> object:
        """Calls one of Python's functions as if it were the program's."""
        if function not in self._read:
            # Another function of the same code: the name still means the replacement.
            twin = FunctionType(
                function.__code__, function.__globals__, function.__name__, function.__defaults__
            )
            self._read[function] = self._operators.convert(twin)
        return self._operators.fresh(self._read[function](*args))


def _may_lack_keys(value: object) -> TypeGuard[dict[object, object]]:
    """Whether a value is a dict of Python's own that has a key on some paths alone."""
    if not isinstance(value, dict) or type(value) not in _DICTS:
        return False
    return any(map(is_uncertain, value.values()))


def _keep_alive(value: object, memo: dict[int, object]) -> None:
    """What has been copied lives as long as the memo, which knows it by its identity."""
    kept = memo.setdefault(id(memo), [])
    assert isinstance(kept, list)
    kept.append(value)


def _is_plain(value: object, around: frozenset[int] = frozenset()) -> bool:
    """Whether a copy is made without any code of the program: data in plain containers."""
    if value is None or isinstance(value, torch.Tensor | str) or sym_type(value) is not None:
        return True
    if isinstance(value, Maybe):
        return _is_plain(value.value, around)
    if isinstance(value, Spread):
        return True
    own = is_plain_object(value) and not any(map(functools.partial(_has_own, value), _COPYING))
    if not own and type(value) not in (*_DICTS, list, tuple):
        return False
    within = around | {id(value)}
    return id(value) not in around and all(
        _is_plain(part, within) for part in parts_of(value) or []
    )


def _has_own(value: object, name: str) -> bool:
    """Whether the class of a value says by itself how its objects are copied."""
    return getattr(type(value), name, None) is not getattr(object, name, None)


def _run(run: Spread) -> Spread:
    """Copies of the items of a run.

    Where two of them may be one object, so may the copies: then it is the run itself, and writing
    to its items is refused.
    """
    if run.shared:
        return run
    items = run.copy()
    items.shared = frozenset()
    return items


def copied_tensor(session: Session, tensor: torch.Tensor, memo: dict[int, object]) -> torch.Tensor:
    """``copy.deepcopy(tensor)``; the copies of two views of one tensor share memory.

    They have their values here, and are noted as sharing: where one is written, the other is lost.

    Args:
        session: the capture.
        tensor: what to copy.
        memo: the copies that were made before, by what they are of.
    """
    new = tensor.clone()
    base = session.tensors.base_of(tensor)
    before = memo.get(id(memo), ())  # what has been copied so far: Python keeps it alive there
    for other in before if isinstance(before, list) else ():
        made = memo.get(id(other))
        if isinstance(made, torch.Tensor) and session.tensors.base_of(other) is base:
            session.tensors.watch.may_share(new, made)
    return new
