"""Exceptions that the program may catch, and those that only capture raises."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping

from fxexport import _torch_compat as compat
from fxexport.capture.session.refusals import PinNeeded
from fxexport.errors import FxExportError, UnsupportedError
from fxexport.source.exceptions import note_of
from fxexport.source.frames import frames_of_traceback, user_location
from fxexport.source.location import SourceLocation

__all__ = ["Tries", "in_words", "line_of", "refusal_of"]

# Exceptions that say nothing about the sizes or values of tensors.
_HARMLESS = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "NameError"})


# How PyTorch writes numbers that have no value while a model is captured (in "4xu0" as well).
_SYMBOL = re.compile(r"(?<![^\Wx\d])(?:u|zuf)\d+(?![^\Wx])")
_TYPES = re.compile(r"Sym(Int|Float|Bool|Node)")


class Tries:
    """The statements of the program that are open now and may catch an exception.

    What PyTorch raises depends on the input: whether a branch is taken, whether a loop makes an
    iteration. Capture runs each of them once, so an exception that leaves one cannot be caught as
    the program would.

    Attributes:
        pending: what asks for another attempt and was caught by the program.
    """

    def __init__(self, refuse: Callable[[UnsupportedError], None]) -> None:
        """`refuse` notes a refusal that the program must not get rid of."""
        self._refuse = refuse
        self._any = 0
        # Those that catch errors about names and attributes only.
        self._names = 0
        self.pending: list[PinNeeded] = []

    def may_catch(self, error: BaseException | type[BaseException]) -> bool:
        """Whether one of them may catch an exception, or one of a class."""
        kind = error if isinstance(error, type) else type(error)
        about_names = issubclass(kind, (ImportError, AttributeError, NameError))
        return self._any > 0 or (self._names > 0 and about_names)

    @property
    def open(self) -> bool:
        """Whether one of them may catch an exception that depends on sizes or values."""
        return self._any > 0

    def refuse_if_caught(self, error: BaseException, location: SourceLocation | None) -> None:
        """To be called where an exception would leave what the input decides on.

        Raises:
            UnsupportedError: the program may catch it.
        """
        if isinstance(error, (FxExportError, PinNeeded)) or not self.may_catch(error):
            return
        raise self.refusal(location or line_of(error)) from error

    def refusal(self, location: SourceLocation | None = None) -> UnsupportedError:
        """The refusal where the input decides whether an exception is raised."""
        return UnsupportedError(
            "whether this raises depends on the input, and a `try` around it may catch it",
            location=location or user_location(),
            hint="test the condition with an if instead of catching the exception",
        )

    @contextlib.contextmanager
    def catching(self, names: tuple[str, ...]) -> Iterator[bool]:
        """Around the body of a statement that may catch exceptions of these classes.

        It gives whether such an exception can depend on sizes or values.
        """
        harmless = all(name.split(".")[-1] in _HARMLESS for name in names)
        self._names += harmless
        self._any += not harmless
        try:
            yield not harmless
        except Exception as error:
            self.keep(error)
            raise
        finally:
            self._names -= harmless
            self._any -= not harmless

    def keep(self, error: BaseException) -> None:
        """Keeps what only capture raises, should the program catch it: PyTorch runs on."""
        if isinstance(error, PinNeeded):
            self.pending.append(error)
        elif isinstance(error, UnsupportedError):
            self._refuse(error)
        elif isinstance(error, Exception):
            ours = refusal_of(error, line_of(error))
            if ours is not None:
                self._refuse(ours)


def line_of(error: BaseException) -> SourceLocation | None:
    """The user's line that an exception comes from."""
    note = note_of(error)
    if note is not None and note.location is not None:
        return note.location
    return next(iter(frames_of_traceback(error.__traceback__)), None)


def in_words(text: str, names: Mapping[str, str]) -> str | None:
    """A text of PyTorch's with the names that the user knows in place of its own.

    Returns:
        None where it is about a number that has no name, or about how capture writes numbers.
    """
    named = _SYMBOL.sub(lambda found: names.get(found[0], found[0]), text)
    return None if _SYMBOL.search(named) or _TYPES.search(named) else named


def refusal_of(
    error: Exception, location: SourceLocation | None, names: Mapping[str, str] | None = None
) -> UnsupportedError | None:
    """The refusal for what PyTorch and Python raise only while a model is captured.

    Args:
        error: the exception.
        location: the user's line.
        names: what the user calls sizes, by PyTorch's names.
    """
    if isinstance(error, RecursionError):
        return UnsupportedError(
            "a recursion whose end is known only when the model runs",
            location=location,
            hint="write it as a loop",
        )
    if isinstance(error, TypeError) and "unhashable type" in str(error) and "Sym" in str(error):
        return UnsupportedError(
            "a number that is known only when the model runs is used as a key",
            location=location,
            hint="decide with if, or index a tensor",
        )
    note = note_of(error)
    own_words = note is not None and note.raised
    if isinstance(error, compat.GuardOnDataDependentSymNode) or (
        not own_words and in_words(str(error), names or {}) is None
    ):
        return UnsupportedError(
            "PyTorch cannot work this out for sizes known only when the model runs",
            location=location,
            hint="make the dimensions static, or write the line with other operators",
        )
    if isinstance(error, compat.NO_FAKE_RESULT):
        return UnsupportedError(
            f"PyTorch cannot say what {error} gives here without the values of the tensors, which "
            "are known only when the model runs",
            location=location,
            hint="write the line with other operators",
        )
    return None
