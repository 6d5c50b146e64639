"""Runs TorchScript's intermediate representation on the capture's tensors and Python's values.

The same operators, joins and loops serve rewritten Python code: this is a second reader, not a
second semantics.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport._torch_compat import torchscript as ir
from fxexport.capture.functions.native_calls import NativeCalls
from fxexport.capture.operators.operators import Operators
from fxexport.capture.recording.types import Function
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.module_names import ScriptedMethod
from fxexport.capture.session.tries import OpenTry
from fxexport.capture.staging.alternatives import each_alternative, is_one_of_several
from fxexport.capture.torchscript.arguments import arriving
from fxexport.capture.torchscript.attention import check_fast_path
from fxexport.capture.torchscript.call import Call, Handler
from fxexport.capture.torchscript.objects import Instance, Objects
from fxexport.capture.torchscript.program import (
    Block,
    CallFrame,
    Instruction,
    Program,
    read_program,
)
from fxexport.capture.torchscript.table import handler_of
from fxexport.capture.values.maybe import Maybe
from fxexport.capture.values.uncertain_keys import with_and_without
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_location
from fxexport.source.frames import user_location

__all__ = ["Interpreter"]

# What the program's own values may do wrong; anything else that escapes is a bug of ours.
_OF_THE_MODEL = (RuntimeError, ValueError, IndexError, KeyError, ArithmeticError)
# Instructions that take one value where they are given one of several, by how their kind begins;
# and those that need all keys of a dict.
_OF_ONE_VALUE = ("aten::", "prim::TupleUnpack", "prim::TupleIndex", "prim::dtype", "prim::device",
                 "prim::GetAttr")  # fmt: skip
_GOING_THROUGH = frozenset({"aten::keys", "aten::values", "aten::items", "aten::list", "aten::eq"})


class Interpreter:
    """Serves one capture."""

    def __init__(
        self,
        operators: Operators,
        native: NativeCalls,
        module_names: Mapping[int, str],
        *,
        alone: bool,
    ) -> None:
        """Makes one.

        Args:
            operators: those that rewritten code calls.
            native: calls functions of PyTorch's C++.
            module_names: paths of modules by identity.
            alone: whether the model itself is TorchScript, so that no Python code looks on.
        """
        self.ops = operators
        self.native = native
        self.objects = Objects(operators.fresh, operators.session.outside)
        self._module_names = module_names
        self._alone = alone
        self._programs: dict[object, Program] = {}
        self._constants: dict[tuple[int, int], object] = {}
        self._kept: list[object] = []
        self._warned = False

    # -- from Python -----------------------------------------------------------------------------

    def replacement_for(self, function: object) -> Function | None:
        """What to call instead of a scripted function, method or module; None for other things."""
        if isinstance(function, ir.SCRIPT_FUNCTIONS):
            return functools.partial(self._call_function, function)
        if isinstance(function, ir.SCRIPT_METHODS):
            return functools.partial(self._call_bound_method, function)
        if isinstance(function, torch.jit.ScriptModule):
            return functools.partial(self._call_module, function, "forward")
        if isinstance(function, ScriptedMethod):
            return functools.partial(self._call_module, function.__self__, function.__name__)
        return None

    def _call_function(self, function: ir.Function, *args: object, **kwargs: object) -> object:
        self._kept.append(function)  # an identity is only as good as its object lives
        program = self._read(id(function), lambda: function.graph, function.name)
        return self.run(program, self._bound(function.schema, (), args, kwargs, program))

    def _call_bound_method(self, method: ir.Function, *args: object, **kwargs: object) -> object:
        owner = self.objects.of_module(ir.module_of(method))
        return self._call_method_of(owner, method.name, args, kwargs)

    def _call_module(
        self, module: torch.jit.ScriptModule, name: str, *args: object, **kwargs: object
    ) -> object:
        if name == "forward" and (module._forward_hooks or module._forward_pre_hooks):
            raise UnsupportedError(
                "a scripted module with hooks of its own on forward",
                code=Code.TORCHSCRIPT,
                location=user_location(),
                hint="call the hooks in forward",
            )
        if not self._alone:
            self.objects.mirror(module)
        owner = self.objects.of_module(module._c, self._module_names.get(id(module), ""))
        return self._call_method_of(owner, name, args, kwargs)

    def _call_method_of(
        self, owner: Instance, name: str, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> object:
        method = owner._fx_module._get_method(name)
        program = self._method_program(owner, name)
        return self._run_in(
            owner, program, self._bound(method.schema, (owner,), args, kwargs, program)
        )

    def _bound(
        self,
        schema: ir.Schema,
        own: Sequence[object],
        args: Sequence[object],
        kwargs: Mapping[str, object],
        program: Program,
    ) -> list[object]:
        """The arguments of a call from Python, as TorchScript would convert them."""
        parameters = [
            inspect.Parameter(
                f"arg_{k}" if not argument.name.isidentifier() else argument.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=ir.default_of(argument),
            )
            for k, argument in enumerate(schema.arguments)
        ]
        bound = inspect.Signature(parameters).bind(*own, *args, **kwargs)
        bound.apply_defaults()
        return [
            arriving(value, kind, self.ops.fresh, self.objects)
            for value, kind in zip(bound.arguments.values(), program.types, strict=True)
        ]

    # -- programs --------------------------------------------------------------------------------

    def _read(self, key: object, graph: Callable[[], ir.Graph], name: str) -> Program:
        if key not in self._programs:
            with compat.no_dispatch_modes():  # a printed node may print a tensor
                self._programs[key] = read_program(graph(), name)
        return self._programs[key]

    def _method_program(self, owner: Instance, name: str) -> Program:
        handle = owner._fx_module
        return self._read((handle, name), lambda: handle._get_method(name).graph, name)

    def callee(self, call: Call, receiver: Instance | None = None) -> Program:
        """The function that a call node calls, or the method of a TorchScript class."""
        node = call.instruction.node
        kind = None
        if receiver is not None and next(iter(node.inputs())).type().kind() == "InterfaceType":
            kind = receiver._fx_type
        key = (id(call.program), call.instruction.outputs, str(kind))
        if call.instruction.kind == "prim::CallFunction":
            name = next(iter(node.inputs())).node().s("name")
        else:
            name = node.s("name")
        return self._read(key, lambda: ir.callee_graph(node, kind), name)

    def method_of_class(self, owner: Instance, name: str, arguments: tuple[object, ...]) -> Program:
        """A method of an object of a TorchScript class, with its arguments inside."""
        kind = owner._fx_type
        return self._read(
            ("class", str(kind), name), lambda: ir.method_graph(kind, name, *arguments), name
        )

    def subgraph(self, instruction: Instruction, name: str) -> Program:
        """The function that a fork node runs."""
        key = ("fork", id(instruction))
        return self._read(key, lambda: instruction.node.g("Subgraph"), name)

    # -- running ---------------------------------------------------------------------------------

    def call_method(self, owner: Instance, name: str, args: Sequence[object]) -> object:
        """A method of a module, called by another TorchScript function."""
        return self._run_in(owner, self._method_program(owner, name), [owner, *args])

    def _run_in(self, owner: Instance, program: Program, args: Sequence[object]) -> object:
        check_fast_path(self.ops.session, owner, program.name, args)
        path = self.ops.session.recorder.module_path
        path.append(owner._fx_path or (path[-1] if path else ""))
        try:
            return self.run(program, args)
        finally:
            path.pop()

    def run(self, program: Program, args: Sequence[object]) -> object:
        """Runs a function; returns its result."""
        if program.traced:
            self._warn_traced()
        frame = CallFrame(program, dict(zip(program.block.parameters, args, strict=True)))
        # What leaves it is an exception of TorchScript's own, of another class than Python's.
        with self.ops.session.tries.around(OpenTry()):
            results = [self.read(value) for value in self.run_block(frame, program.block)]
        return results[0] if len(results) == 1 else tuple(results)

    def run_block(self, frame: CallFrame, block: Block) -> list[object]:
        """Runs the instructions of a block; returns its results, which may be unset.

        A value is forgotten where nothing takes it any more: who holds an object tells whether it
        may be known by another name.
        """
        try:
            frame.forget(block.unread)
            for instruction in block.body:
                self._step(frame, instruction)
                frame.forget(instruction.last_of)
            return [frame.values[k] for k in block.results]
        finally:
            frame.forget(block.own)

    def _step(self, frame: CallFrame, instruction: Instruction) -> None:
        if instruction.kind == "prim::Constant":
            value = self._constant(frame.program, instruction)
            frame.values[instruction.outputs[0]] = value
            return
        frame.runner = instruction.runner or frame.runner
        if frame.runner is None:
            self._execute(frame, instruction)
        else:
            frame.runner(functools.partial(self._execute, frame, instruction))

    def _execute(self, frame: CallFrame, instruction: Instruction) -> None:
        handler = handler_of(instruction)
        unread = instruction.kind == "prim::Loop"
        args = [] if unread else [self.read(frame.values[k]) for k in instruction.inputs]
        try:
            result: Any = self._handled(handler, frame, instruction, args)
        except _OF_THE_MODEL as error:
            note_location(error)
            raise
        outputs = instruction.outputs
        if len(outputs) == 1 and instruction.kind not in ("prim::If", "prim::Loop"):
            frame.values[outputs[0]] = result
        elif outputs:
            frame.values.update(zip(outputs, result, strict=True))

    def _handled(
        self, handler: Handler, frame: CallFrame, instruction: Instruction, args: list[object]
    ) -> object:
        """What an instruction gives, once for each value that an argument may be."""
        if instruction.kind in _GOING_THROUGH:
            args = [with_and_without(self.ops.session, arg) for arg in args]
        several = next((k for k, arg in enumerate(args) if is_one_of_several(arg)), None)
        if several is None or not instruction.kind.startswith(_OF_ONE_VALUE):
            return handler(Call(self, frame, instruction, args))
        before, after = args[:several], args[several + 1 :]
        return each_alternative(
            self.ops.session,
            args[several],
            lambda one: self._handled(handler, frame, instruction, [*before, one, *after]),
        )

    def read(self, value: object) -> Any:
        """A variable's value where it is used.

        Raises:
            UnsupportedError: it has no single value after a branch or a loop.
        """
        if type(value) is Maybe and value.absent is UNSET:
            return value.value  # the compiler reads it only where it is set
        if value is UNSET:
            raise UnsupportedError(
                "a variable is read that is not set on this path through the program",
                code=Code.NOT_SET,
                location=user_location(),
                hint="give it a value before the branch",
            )
        return self.ops.read(value)

    def _constant(self, program: Program, instruction: Instruction) -> object:
        key = (id(program), instruction.outputs[0])
        if key not in self._constants:
            self._constants[key] = self.objects.constant(instruction.node)
        value = self._constants[key]
        return self.ops.fresh(type(value)(value)) if isinstance(value, (list, dict)) else value

    def _warn_traced(self) -> None:
        if not self._warned:
            self._warned = True
            self.ops.session.note(
                "note",
                "this was made by torch.jit.trace: branches and loops that depended on the values "
                "or sizes of its example were lost before fxexport saw them",
            )
