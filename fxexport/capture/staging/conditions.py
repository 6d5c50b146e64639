"""What decides an if or a loop: the truth of a value as a condition."""

from __future__ import annotations

from typing import cast

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import SYM, Condition, Value
from fxexport.capture.session.list_runs import is_open, length_of
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session
from fxexport.capture.sizes.proofs import holds_always, proof
from fxexport.capture.staging.branch import stage_branch
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import Maybe, force, narrowed
from fxexport.capture.values.uncertain_keys import count_of, settled
from fxexport.capture.values.uncertain_sets import holds_perhaps

__all__ = ["condition_of"]


def condition_of(session: Session, value: Value) -> Condition:
    """What decides an `if` on this value: a Python bool, a SymBool or a 0-d bool tensor.

    Raises:
        UnsupportedError: the value is a tensor that has not exactly one element.
    """
    value = narrowed(value)
    if isinstance(value, Poison):
        raise value.refuse()
    if isinstance(value, Maybe):
        return _truth_where_present(session, value)
    if isinstance(value, Choice):
        return cast("Condition", session.each(value, lambda one: _as_number(session, one)))
    if isinstance(value, torch.Tensor):
        return _tensor_condition(session, value)
    if isinstance(value, torch.SymBool):
        known = session.known(value)
        if known is not None:
            always = holds_always(session, value)
            session.note("folded", proof(session, value, known), always=always)
            return known
        return session.chosen_numbers.condition(value)
    if isinstance(value, (torch.SymInt, torch.SymFloat)):
        return condition_of(session, value != 0)
    if is_open(value):
        return condition_of(session, length_of(value) != 0)
    if isinstance(value, dict) or holds_perhaps(value):
        return condition_of(session, count_of(value) > 0)
    own = session.own_truth(value)
    return bool(settled(value)) if own is value else condition_of(session, own)


def _truth_where_present(session: Session, maybe: Maybe) -> Condition:
    """Whether a value is there and true; where it is not there, its truth is not asked for."""
    if maybe.absent is not None:
        return condition_of(session, force(maybe))
    if not isinstance(maybe.value, (torch.Tensor, Choice, *SYM)):
        # What is neither a number nor a tensor has a truth that is known now.
        return maybe.present if condition_of(session, maybe.value) else False
    result = stage_branch(
        session, maybe.present, lambda: _as_number(session, maybe.value), lambda: False
    )
    session.facts.link(result, True, [(maybe.present, True)])
    return cast("Condition", result)


def _as_number(session: Session, value: Value) -> Value:
    truth = condition_of(session, value)
    return truth.item() if isinstance(truth, torch.Tensor) else truth


def _tensor_condition(session: Session, tensor: torch.Tensor) -> Condition:
    count = tensor.numel()
    known = session.known(count == 1)
    if known is False:
        # PyTorch's own text, so that the user can look it up.
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    stored = session.tensors.known_value(tensor)
    if stored is not None:
        value = compat.real_truth(stored)
        session.note(
            "folded",
            f"this condition hangs on constants and stored tensors alone: it is {value} in the "
            "file",
        )
        return value
    if known is None:
        text = "this condition's tensor has exactly one element"
        session.take_for_granted(count == 1, text, "RuntimeError")
    if tensor.dtype != torch.bool:
        tensor = tensor != 0
    return tensor.reshape(()) if tensor.dim() else tensor
