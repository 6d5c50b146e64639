"""What an operator of TorchScript's gets when it is called, and the registry of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fxexport.capture.frames import user_location
from fxexport.capture.operators import Operators
from fxexport.capture.session import Session
from fxexport.capture.torchscript.program import Instruction, Program
from fxexport.errors import UnsupportedError

if TYPE_CHECKING:
    from fxexport.capture.torchscript.interpreter import Frame, Interpreter

__all__ = ["Call", "Handler", "Table", "refuse"]


@dataclass(frozen=True)
class Call:
    """One execution of an instruction.

    Attributes:
        interpreter: runs blocks and other functions.
        frame: the function's variables.
        instruction: what is executed.
        args: the values of its inputs.
    """

    interpreter: Interpreter
    frame: Frame
    instruction: Instruction
    args: list[Any]

    @property
    def ops(self) -> Operators:
        """The operators of rewritten Python code, which these share."""
        return self.interpreter.ops

    @property
    def session(self) -> Session:
        """The capture."""
        return self.interpreter.ops.session

    @property
    def program(self) -> Program:
        """The function that the instruction stands in."""
        return self.frame.program

    def python(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls a function of Python's as rewritten code would."""
        return self.ops.call(function)(*args, **kwargs)


Handler = Callable[[Call], Any]


class Table:
    """Operators by name.

    An entry is for one overload (``aten::add.int``; ``aten::size.`` for the one without a name),
    or by bare name for all overloads that have nothing to do with tensors.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Handler] = {}

    def add(self, *names: str) -> Callable[[Handler], Handler]:
        """A decorator that enters a handler under some names."""

        def enter(handler: Handler) -> Handler:
            for name in names:
                assert name not in self.entries, name
                self.entries[name] = handler
            return handler

        return enter

    def simple(self, names: str, function: Callable[..., Any]) -> None:
        """Enters a function of the operators and the values: ``function(ops, *args)``.

        Args:
            names: names, separated by spaces.
            function: what they do.
        """
        self.add(*names.split())(lambda call: function(call.ops, *call.args))

    def refused(self, names: str, reason: str, hint: str = "") -> None:
        """Enters operators that are refused where they are reached."""
        self.add(*names.split())(lambda call: refuse(call, reason, hint))


def refuse(call: Call, reason: str, hint: str = "") -> Any:
    """Refuses an instruction by its name."""
    raise UnsupportedError(
        f"{call.instruction.operator}: {reason}",
        location=user_location(),
        hint=hint,
    )
