"""What an operator of TorchScript's gets when it is called, and the registry of operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from fxexport.capture.functions.native_calls import NativeCalls
from fxexport.capture.operators.operators import Operators
from fxexport.capture.recording.types import Function
from fxexport.capture.session.session import Session
from fxexport.capture.torchscript.objects import Instance, Objects
from fxexport.capture.torchscript.program import Block, CallFrame, Instruction, Program
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["Call", "Handler", "HandlerTable", "refuse"]


class Machine(Protocol):
    """The interpreter, as far as the handlers of instructions know it."""

    @property
    def ops(self) -> Operators:
        """The operators of rewritten Python code."""

    @property
    def native(self) -> NativeCalls:
        """Calls functions of PyTorch's C++."""

    @property
    def objects(self) -> Objects:
        """The views of modules and of objects of TorchScript classes."""

    def read(self, value: object) -> Any:
        """A variable's value where it is used."""

    def run(self, program: Program, args: Sequence[object]) -> object:
        """Runs a function; returns its result."""

    def run_block(self, frame: CallFrame, block: Block) -> list[object]:
        """Runs the instructions of a block; returns its results, which may be unset."""

    def call_method(self, owner: Instance, name: str, args: Sequence[object]) -> object:
        """Runs a method of a module."""

    def callee(self, call: Call, receiver: Instance | None = None) -> Program:
        """The function that a call node calls, or the method of a TorchScript class."""

    def method_of_class(self, owner: Instance, name: str, arguments: tuple[object, ...]) -> Program:
        """A method of an object of a TorchScript class, with its arguments inside."""

    def subgraph(self, instruction: Instruction, name: str) -> Program:
        """The function that a fork node runs."""


@dataclass(frozen=True)
class Call:
    """One execution of an instruction.

    Attributes:
        interpreter: runs blocks and other functions.
        frame: the function's variables.
        instruction: what is executed.
        args: the values of its inputs.
    """

    interpreter: Machine
    frame: CallFrame
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

    def python(self, function: object, *args: object, **kwargs: object) -> Any:
        """Calls a function of Python's as rewritten code would."""
        return self.ops.call(function)(*args, **kwargs)


Handler = Callable[[Call], object]


class HandlerTable:
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

    def simple(self, names: str, function: Function) -> None:
        """Enters a function of the operators and the values: ``function(ops, *args)``.

        Args:
            names: names, separated by spaces.
            function: what they do.
        """
        self.add(*names.split())(lambda call: function(call.ops, *call.args))

    def refused(self, names: str, reason: str, hint: str = "") -> None:
        """Enters operators that are refused where they are reached."""
        self.add(*names.split())(lambda call: refuse(call, reason, hint))


def refuse(call: Call, reason: str, hint: str = "") -> NoReturn:
    """Refuses an instruction by its name."""
    raise UnsupportedError(
        f"{call.instruction.operator}: {reason}",
        code=Code.TORCHSCRIPT,
        location=user_location(),
        hint=hint,
    )
