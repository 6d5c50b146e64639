"""Errors of PyTorch's functions that say how the program ends, on a path or inside of a `try`.

What a call raises while a model is captured may come of capture alone. It is the program's own
where the same call raises for real tensors, of sizes that are possible on the path
(`capture/kernels/real_calls.py`); anything else stays an error of the model, or a refusal.
"""

from __future__ import annotations

from fxexport.capture.kernels.real_calls import (
    may_come_of_a_kernel,
    raised_for_real,
    symbols_in,
)
from fxexport.capture.recording.types import Function, OpArgs, OpKwargs
from fxexport.capture.session.capture_errors import unsaid, without_names
from fxexport.capture.session.session import Session
from fxexport.capture.sizes.some_sizes import some_sizes
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_of, note_raised
from fxexport.source.frames import user_location

__all__ = ["as_raised"]


def as_raised(
    session: Session, function: Function, args: OpArgs, kwargs: OpKwargs, error: Exception
) -> Exception:
    """The exception that a call ends with in PyTorch; the same one where that is not known.

    Args:
        session: the capture.
        function: the function of PyTorch's that the program has called.
        args: its arguments.
        kwargs: those by name.
        error: what it raised for fake tensors.
    """
    # On lines that every run comes to it is an error of the model, whatever it is.
    if not session.depth and not session.tries.handling:
        return error
    note = note_of(error)
    if (note is not None and note.raised) or not may_come_of_a_kernel(error):
        return error
    symbols = symbols_in(args, kwargs)
    sizes = None if symbols is None else some_sizes(session.env, symbols)
    real = None if sizes is None else raised_for_real(function, args, kwargs, sizes)
    if real is None:
        return _cannot_be_told() if session.tries.may_catch(error) else error
    if not symbols:
        return note_raised(type(real)(*real.args))
    # The same text each time that a body is recorded, though its sizes have other symbols then.
    names = {str(symbol): name for symbol, name in session.names.items()}
    text = without_names(str(error), names) if type(error) is type(real) else str(real)
    return note_raised(type(real)(unsaid(text)))


def _cannot_be_told() -> UnsupportedError:
    return UnsupportedError(
        "what this line raises while the model is captured may not be raised when it runs, and a "
        "`try` around it may catch it",
        code=Code.EXCEPTION,
        location=user_location(),
        hint="test the condition with an if instead of catching the exception",
    )
