"""What can go wrong, told apart: the user's model, the user's call, our own bugs.

Every :class:`FxExportError` is about the user's program or call. It says what was expected,
what came and what to do, and it names the user's file, line and code. Any other exception
that leaves fxexport is a bug of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fxexport.codes.ids import Code
from fxexport.source.excerpt import excerpt

if TYPE_CHECKING:
    from fxexport.source.location import SourceLocation

__all__ = [
    "INVISIBLE",
    "CoverageError",
    "FxExportError",
    "GuardError",
    "MissingLoweringError",
    "ModelError",
    "OutputError",
    "UnsupportedError",
    "UsageError",
    "VerificationError",
    "errors_in",
]


# Marks text of the program's that is made of what is known only when the model runs; nobody is
# shown it.
INVISIBLE = "\u2060"


class FxExportError(Exception):
    """A refusal that the user can act on.

    Attributes:
        message: what was expected and what came, in the user's terms.
        location: the user's line that it is about, or None if no line is to blame.
        hint: the change that would make it work, or an empty string.
        code: the kind of refusal, which stays when texts change.
        others: further refusals met in the same run, each with its own location.
    """

    exit_code = 1
    kind: ClassVar[Code] = Code.UNSUPPORTED  # the code of those that have none of their own
    others: tuple[FxExportError, ...] = ()

    def __init__(
        self,
        message: str,
        *,
        location: SourceLocation | None = None,
        hint: str = "",
        code: Code | None = None,
    ) -> None:
        message = message.replace(INVISIBLE, "")
        super().__init__(message)
        self.message = message
        self.location = location
        self.hint = hint
        self.code = code or self.kind

    def __reduce__(self) -> tuple[Any, ...]:
        # The classes take what else they hold by name, which pickle cannot.
        return _restored, (type(self), self.args, self.__dict__)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback: the refusal as the command prints it."""
        return [line for one in errors_in(self) for line in [*_shown(one), ""]][:-1]

    def __str__(self) -> str:
        parts = [self.message]
        if self.location is not None:
            parts.append(f"  at {self.location.describe()}")
            inner = self.location.within
            if inner is not None:
                parts.append(f"  in {inner.whose}, at {inner.describe()}")
        if self.hint:
            parts.append(f"  hint: {self.hint}")
        return "\n".join(parts)


def _restored(kind: type[FxExportError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    """An error that was pickled."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


def _shown(error: BaseException) -> list[str]:
    """A refusal in plain lines: what, where with the code around it, and what to do."""
    if not isinstance(error, FxExportError):
        return [f"error: {error}"]
    lines = [f"{type(error).__name__}[{error.code}]: {error.message}"]
    if error.location is not None:
        lines += excerpt(error.location)
    if error.hint:
        lines.append("  hint: " + error.hint.replace("\n", "\n        "))
    return lines


def errors_in(error: BaseException | None) -> list[BaseException]:
    """A refusal and the others that it carries; [] for None."""
    return [] if error is None else [error, *getattr(error, "others", ())]


class UnsupportedError(FxExportError):
    """The model does something that cannot be kept in the file (exit code 1).

    Attributes:
        secondary: whether it only follows from another refusal, which is reported instead.
        final: whether another way of reading the model cannot help.
    """

    def __init__(
        self,
        message: str,
        *,
        location: SourceLocation | None = None,
        hint: str = "",
        code: Code | None = None,
        secondary: bool = False,
        final: bool = False,
    ) -> None:
        super().__init__(message, location=location, hint=hint, code=code)
        self.secondary = secondary
        self.final = final


class MissingLoweringError(UnsupportedError):
    """An ATen operator has no ONNX form here yet (exit code 1).

    Attributes:
        operator: the operator's full name, for example ``aten::svd``.
    """

    kind = Code.NO_ONNX_FORM

    def __init__(
        self, message: str, *, operator: str, location: SourceLocation | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, location=location, hint=hint)
        self.operator = operator


class ModelError(FxExportError):
    """The user's model itself raised while it was captured (exit code 1)."""

    kind = Code.MODEL_RAISES


class GuardError(FxExportError):
    """A graph was run on what is outside of its contract, where the model raises too (exit code 1).

    A file raises an error of its runtime there, which has the same message in it.
    """

    kind = Code.OUTSIDE_CONTRACT


class UsageError(FxExportError):
    """The call or the command line is wrong (exit code 2)."""

    exit_code = 2
    kind = Code.USAGE


class OutputError(FxExportError):
    """The file could not be written (exit code 2)."""

    exit_code = 2
    kind = Code.NOT_WRITTEN


class VerificationError(FxExportError):
    """The file was written, but it does not agree with PyTorch (exit code 3).

    Attributes:
        exported: what was exported all the same, with its report: an `fxexport.Exported`, which is
            made of what stands on this module, so its type is not named here. None if nothing is
            left of it.
    """

    exit_code = 3
    kind = Code.DISAGREES
    exported: Any = None


class CoverageError(VerificationError):
    """Less of the control flow was compared than was asked for (exit code 3)."""

    kind = Code.TOO_LITTLE_COMPARED
