"""The whole model in both paths of a branch, where a condition on sizes decides a rank.

What follows `x.squeeze(1)` works on tensors of one rank or of another: each way is captured for
itself, and only what the model returns is merged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.both_ways import Undecided, refusal_of_undecided
from fxexport.capture.recording.types import Value
from fxexport.capture.session.refusals import CaseNeeded
from fxexport.capture.session.session import Session
from fxexport.capture.staging.branch import stage_branch
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_of, note_raised, raised_by_fxexport
from fxexport.source.frames import call_model, frames_of_traceback, standing_at
from fxexport.source.location import SourceLocation

__all__ = ["Case", "case_of", "in_cases"]

_Run = Callable[[], Value]
# Each doubles what is captured.
_MOST = 4


@dataclass(frozen=True)
class Case:
    """A condition that was met in an attempt, in terms that hold in the next one.

    Attributes:
        condition: the condition.
        names: the dimensions that its symbols stand for.
        location: the line that needs it decided.
    """

    condition: sympy.Basic
    names: Mapping[sympy.Basic, str]
    location: SourceLocation | None


def case_of(
    need: CaseNeeded, dimensions: Mapping[sympy.Symbol, str], known: Sequence[Case]
) -> Case:
    """The case that an attempt needs.

    Args:
        need: what the attempt has raised.
        dimensions: symbols of input dimensions, and their names.
        known: the cases that were told apart already.

    Raises:
        UnsupportedError: there are too many.
    """
    if len(known) >= _MOST:
        raise UnsupportedError(
            f"more than {_MOST} sizes may be 1 where squeeze takes dimensions away",
            code=Code.OPEN_RANK,
            location=need.location,
            hint="give the dimensions to take away (squeeze(1)), or ranges with min=2",
        )
    names = {symbol: dimensions[symbol] for symbol in need.symbols}
    return Case(need.condition, names, need.location)


def in_cases(
    session: Session, cases: Sequence[Case], dimensions: Mapping[sympy.Symbol, str], run: _Run
) -> Value:
    """Calls the model, in each case that must be told apart, and merges what it returns.

    Raises:
        UnsupportedError: something in one of the cases is refused.
    """
    if not cases:
        try:
            return run()
        except Undecided as error:  # asked by code of ours, outside of any call of the program's
            line = next(iter(frames_of_traceback(error.__traceback__)), None)
            raise refusal_of_undecided(line) from error
    case, *others = cases
    symbols = {name: symbol for symbol, name in dimensions.items()}
    here = {old: symbols[name] for old, name in case.names.items()}
    expr = case.condition.xreplace(here)
    condition = torch.SymBool(compat.make_sym_node(expr, session.env, bool))

    def path() -> Value:
        try:
            return in_cases(session, others, dimensions, run)
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            if raised_by_fxexport(error):
                raise
            noted = note_of(error)
            found = noted.location if noted is not None else None
            place = found or next(iter(frames_of_traceback(error.__traceback__)), None)
            raise note_raised(error, place or case.location) from None

    if session.known(condition) is not None:
        return path()
    result = _at(case.location, lambda: stage_branch(session, condition, path, path))
    session.raise_refusals()
    return result


def _at(location: SourceLocation | None, run: _Run) -> Value:
    """Runs something on the line that it is for; the model itself starts its stack anew."""
    if location is None:
        return run()
    at = standing_at(location.file, location.line, location.function)
    return call_model(lambda: at(run))
