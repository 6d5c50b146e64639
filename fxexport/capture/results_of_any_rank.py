"""Writes a result that is a tensor of one of several ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch

from fxexport.capture.recording.types import Operand, Undecided, Value
from fxexport.capture.session.session import Session
from fxexport.capture.staging.join import write_branch
from fxexport.capture.values.choice import Choice, cases_of
from fxexport.graph.unranked import UnrankedVal

__all__ = ["of_any_rank"]

_Cases = Sequence[tuple[Value, Value]]


def of_any_rank(session: Session, choice: Choice) -> UnrankedVal:
    """One value of the graph for a choice between tensors of one dtype."""
    return _of_cases(session, cases_of(choice))


def _of_cases(session: Session, cases: _Cases) -> UnrankedVal:
    (flag, _), *_ = cases
    condition = session.node_of(cast("Undecided", flag))
    frames, operands = [], []
    for side in (cases[:1], cases[1:]):
        with session.body() as body:
            frames.append(body.frame)
            operands.append([_operand(session, side)])
    tensors = [cast("torch.Tensor", one) for _, one in cases]
    value = UnrankedVal(tensors[0].dtype, tuple(tensor.dim() for tensor in tensors))
    write_branch(session.recorder, condition, frames, operands, [value])
    return value


def _operand(session: Session, cases: _Cases) -> Operand:
    if len(cases) == 1:
        return session.node_of(cases[0][1])
    return session.recorder.node_of(_of_cases(session, cases))
