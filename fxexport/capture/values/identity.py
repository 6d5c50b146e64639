"""Whether two values are one object, and what dicts and sets find by that."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType

import torch

from fxexport.capture.session.refusals import AliasRefused
from fxexport.capture.session.session import Session
from fxexport.capture.values.containers import is_plain_object
from fxexport.source.frames import user_location

__all__ = ["is_found_by_identity", "keep_apart", "refuse_merged"]


def refuse_merged(session: Session, a: object, b: object) -> None:
    """To be called where it matters whether two values are one object; they are not here.

    Raises:
        UnsupportedError: a branch or loop may have made them one; views are never that.
    """
    tensors = [isinstance(value, torch.Tensor) for value in (a, b)]
    if any(tensors) and not all(tensors):
        return
    if not session.may_be_one(a, b):
        return
    base_of = session.tensors.base_of
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and base_of(a) is base_of(b):
        return  # two views of one tensor are two objects
    raise AliasRefused(
        "whether these two are one object depends on the path through a branch or loop",
        session.places_about(a, b),
        location=user_location(),
        hint="compare what they hold, or keep a flag",
    )


def is_found_by_identity(value: object) -> bool:
    """Whether a dict or set tells values apart by what object they are."""
    if isinstance(value, torch.Tensor):
        return True
    if type(value) is FunctionType:
        return True
    return is_plain_object(value) and type(value).__eq__ is object.__eq__


def keep_apart(session: Session, key: object, keys: Iterable[object]) -> None:
    """To be called where a key is looked for, or put beside others.

    Raises:
        UnsupportedError: whether it is one of them depends on the path through a branch.
    """
    if not is_found_by_identity(key):
        return
    for other in keys:
        if other is not key and is_found_by_identity(other):
            refuse_merged(session, key, other)
