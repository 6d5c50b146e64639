"""What one capture has refused, and how it goes on."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterable
from types import FrameType

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.capture_errors import unsaid
from fxexport.capture.session.identities import Identities
from fxexport.capture.session.journal import Journal, Slot
from fxexport.capture.session.refusals import EnoughRefused, Poison
from fxexport.capture.session.tries import Tries
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_raised
from fxexport.source.frames import user_location
from fxexport.source.unread_functions import UnreadFunctions

__all__ = ["Refusing"]

# How many statements may be refused while the program goes on: what would end a loop may be one.
_MOST_REFUSED = 100


class Refusing(Identities):
    """The part of a capture that keeps its refusals.

    Attributes:
        going_on: whether the program goes on after a statement that is refused.
        unread_functions: functions that run as they are, and why.
        tries: the try statements around the present line.
        refusals: all that was refused so far: capture goes on after one to find the others.
        trials: above 0 while something is tried that has an alternative.
    """

    def __init__(self, going_on: bool, journal: Journal) -> None:
        super().__init__()
        self.going_on = going_on
        self.journal = journal
        self.unread_functions: UnreadFunctions = {}
        self.tries = Tries(self._keep_refusal, journal)
        self.refusals: list[UnsupportedError] = []
        self.trials = 0
        self._collected = 0
        # An exception may be raised at the present line; what follows is where it is not.
        self.raise_where: Callable[..., None] = lambda *_: None

    def unread(
        self, message: str, hint: str, code: Code = Code.DECISION_IN_UNREAD_CODE
    ) -> UnsupportedError:
        """The refusal for a value that code asks for which was not rewritten.

        Args:
            message: what is refused.
            code: its kind.
            hint: what to do, where nothing is known of why the code runs as it is.
        """
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            why = self.unread_functions.get(frame.f_code)
            if why is not None:
                return UnsupportedError(
                    message,
                    location=user_location(),
                    hint=f"{frame.f_code.co_name}() runs as it is, because {why.reason}",
                    code=code,
                    final=why.final,
                )
            frame = frame.f_back
        return UnsupportedError(message, location=user_location(), hint=hint, code=code)

    def collect(self, error: UnsupportedError, slots: Iterable[Slot] = ()) -> Poison:
        """Notes a refusal and goes on without what it was about.

        Args:
            error: the refusal; it is raised again while something with an alternative is tried.
            slots: those that would have been given a value.

        Returns:
            What stands for the missing value.
        """
        if self.trials:
            raise error
        self._keep_refusal(error)
        self._collected += 1
        if self.going_on and self._collected > _MOST_REFUSED:
            raise EnoughRefused
        missing = Poison("", error.message, error.location, code=error.code, secondary=True)
        for slot in slots:
            if slot.key[0] == "cell":
                slot.set(missing)
        return missing

    # -- exceptions that the program may catch -----------------------------------------------------

    def raises_where_caught(self, condition: Value, text: str, error: str) -> bool:
        """Keeps both ways where the program may catch what is raised unless a condition holds.

        Args:
            condition: the condition, which is not known.
            text: the same in a sentence.
            error: the name of the exception; empty where none is raised.

        Returns:
            Whether it may; the condition holds from here on.
        """
        if error == "RuntimeError":  # PyTorch's, which is a ValueError in some versions
            self.refuse_if_caught(error)
            self.refuse_if_caught("ValueError")
        kind = getattr(builtins, error, None)
        if kind is None or not self.tries.may_catch(kind):
            return False
        self._raise_unless(condition, text, kind)
        return True

    def _raise_unless(self, condition: Value, text: str, kind: type[BaseException]) -> None:
        def throw() -> None:
            raise note_raised(kind(unsaid(f"expected that {text}")))

        self.raise_where(condition, False, throw, (kind,))

    def may_catch_of_indices(self) -> bool:
        """Whether the program may catch what is raised for an index that is outside."""
        tries = self.tries
        return tries.handling and (tries.may_catch(IndexError) or tries.may_catch(RuntimeError))

    def raises_where_outside(
        self, holds: torch.Tensor | bool | torch.SymBool, kind: type[Exception], *, writes: bool
    ) -> None:
        """Keeps both ways where the program may catch that indices are not inside.

        Raises:
            UnsupportedError: what is written in place before that is left as nothing defines.
        """
        if holds is True or not self.tries.may_catch(kind):
            return
        if writes:
            raise self.tries.refusal()
        self._raise_unless(holds, "all indices are inside", kind)

    def refuse_if_caught(self, error: str) -> None:
        """To be called where something is taken for granted without which PyTorch raises.

        Args:
            error: the name of the exception; empty where nobody says which one.

        Raises:
            UnsupportedError: the program may catch it.
        """
        self.tries.refuse_if_caught(getattr(builtins, error, Exception))

    def _keep_refusal(self, error: UnsupportedError) -> None:
        if not error.secondary and str(error) not in {str(known) for known in self.refusals}:
            self.refusals.append(error)

    def raise_refusals(self) -> None:
        """Raises the first refusal, with all others beside it, if there were any.

        Raises:
            PinNeeded: the program has caught one.
        """
        if self.tries.pending:
            raise self.tries.pending[0]
        if self.refusals:
            first, *others = self.refusals
            first.others = tuple(others)
            raise first
