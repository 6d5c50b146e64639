"""prim::If, prim::Loop, exceptions and calls: staged by the machinery of the Python front-end."""

from __future__ import annotations

import builtins
import enum
from collections.abc import Callable
from typing import Any, cast

import torch

from fxexport._torch_compat import torchscript as ir
from fxexport.capture.operators.dynamic_iterables import dynamic_range
from fxexport.capture.session.capture_errors import unsaid
from fxexport.capture.session.journal import UNSET, CellSlot, Slot, filled_cell
from fxexport.capture.session.list_runs import Spread
from fxexport.capture.session.session import is_symbolic, sym_type
from fxexport.capture.staging.branch import stage_branch
from fxexport.capture.staging.conditions import condition_of
from fxexport.capture.torchscript.call import Call, HandlerTable, refuse
from fxexport.capture.torchscript.objects import EnumMember, Instance
from fxexport.capture.torchscript.program import FOREVER, Block, picks_items, true_after, uses
from fxexport.capture.values.maybe import Maybe, force
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["TABLE"]

TABLE = HandlerTable()


def _cell(call: Call, value: object, output: int) -> CellSlot:
    """A variable for one result of a branch or loop, so that each is merged by itself."""
    cell = filled_cell(value)
    call.session.journal.made_cell(cell)
    return CellSlot(cell, call.frame.name_of(call.instruction, output))


@TABLE.add("prim::If")
def _if(call: Call) -> object:
    interpreter, frame = call.interpreter, call.frame
    condition = condition_of(call.session, call.args[0])
    then, other = call.instruction.blocks
    if isinstance(condition, bool):
        return interpreter.run_block(frame, then if condition else other)
    slots = [_cell(call, UNSET, k) for k in range(len(call.instruction.outputs))]

    def path_of(block: Block) -> Callable[[], None]:
        def run() -> None:
            for slot, value in zip(slots, interpreter.run_block(frame, block), strict=True):
                slot.set(value)

        return run

    stage_branch(call.session, condition, path_of(then), path_of(other), slots)
    return [slot.get() for slot in slots]


@TABLE.add("prim::Loop")
def _loop(call: Call) -> object:
    """``for k in range(count)``, ``while condition``, or both."""
    interpreter, frame, ops = call.interpreter, call.frame, call.ops
    (block,) = call.instruction.blocks
    iteration, *parameters = block.parameters
    # What the loop carries may be unset: it is not read here.
    count, first, *carried = [frame.values[k] for k in call.instruction.inputs]
    count, first = interpreter.read(count), interpreter.read(first)
    slots = [_cell(call, value, k) for k, value in enumerate(carried)]
    left = _cell(call, ops.not_(first), -1)

    def run_iteration(k: object) -> None:
        frame.values[iteration] = k
        for parameter, slot in zip(parameters, slots, strict=True):
            frame.values[parameter] = slot.get()
        going, *values = interpreter.run_block(frame, block)
        for slot, value in zip(slots, values, strict=True):
            if value is not UNSET:  # a value that nobody reads may as well stay what it was
                slot.set(value)
        left.set(ops.not_(interpreter.read(going)))

    every: list[Slot] = [*slots, left]
    if not is_symbolic(count) and count >= FOREVER:
        counter = _cell(call, 0, -2)
        if uses(block, iteration):
            every.append(counter)

        def body() -> None:
            run_iteration(counter.get())
            if counter in every:
                counter.set(cast("int", counter.get()) + 1)

        ops.repeat_while(lambda: ops.not_(left.get()), body, every)
    else:
        numbers: Any = dynamic_range(count)
        if isinstance(numbers, range) and picks_items(call.instruction):
            # A list's items differ; as in a for statement over it, each has its own iteration.
            numbers = list(numbers)
        ops.repeat_for(numbers, run_iteration, every, left)
    ended = [slot.get() for slot in slots]
    for k in true_after(call.instruction):
        ended[k] = True
    return ended


@TABLE.add("prim::RaiseException")
def _raise(call: Call) -> None:
    text, kind = (*call.args, None)[:2]
    if call.session.tries.handling:
        raise call.ops.raising(torch.jit.Error(unsaid(str(text))))
    raise call.ops.raising(_exception(str(text), kind))


def _exception(text: str, kind: str | None) -> Exception:
    """The exception of Python's that the program meant."""
    found = getattr(builtins, (kind or "").removeprefix("builtins."), None)
    if isinstance(found, type) and issubclass(found, Exception):
        return found(text)
    if text.startswith("AssertionError: "):
        return AssertionError(text.removeprefix("AssertionError: "))
    error: Exception = torch.jit.Error(text)
    return error


# -- calls ----------------------------------------------------------------------------------------


# The fast paths of attention modules use nested tensors, which have no fake kernels. In TorchScript
# they cannot be switched off as in Python: the question whether they are on is answered here.
_ANSWERS = {"torch.backends.mha.get_fastpath_enabled": False}


@TABLE.add("prim::CallFunction")
def _call_function(call: Call) -> object:
    name = str(next(iter(call.instruction.node.inputs())).type())
    if name.removeprefix("__torch__.") in _ANSWERS:
        return _ANSWERS[name.removeprefix("__torch__.")]
    program = call.interpreter.callee(call)
    return call.interpreter.run(program, call.args[1:])


@TABLE.add("prim::CallMethod")
def _call_method(call: Call) -> object:
    owner, *args = force(call.args[0]), *call.args[1:]
    name = call.instruction.node.s("name")
    if not isinstance(owner, Instance):
        return refuse(call, f"the method {name!r} of {type(owner).__name__} cannot be read")
    if owner._fx_module is not None:
        return call.interpreter.call_method(owner, name, args)
    return call.interpreter.run(call.interpreter.callee(call, owner), [owner, *args])


_WITHOUT_EFFECT = frozenset(
    {"no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "record_function"}
)


@TABLE.add("prim::Enter", "prim::Exit")
def _context(call: Call) -> object:
    """``with``: gradients and profiling play no part; a user's class has its methods called."""
    owner = call.args[0]
    name = type(owner).__name__
    if name in _WITHOUT_EFFECT or (name == "autocast" and owner._enabled is False):
        return owner
    if name == "autocast":
        return refuse(call, "autocast is not exported", "cast where it matters with .to(dtype)")
    entering = call.instruction.kind == "prim::Enter"
    method, arguments = ("__enter__", ()) if entering else ("__exit__", (None, None, None))
    program = call.interpreter.method_of_class(owner, method, arguments)
    return call.interpreter.run(program, [owner])


@TABLE.add("prim::fork")
def _fork(call: Call) -> object:
    """A task: run at once, in the order of the program."""
    program = call.interpreter.subgraph(call.instruction, call.program.name)
    return call.interpreter.run(program, call.args)


TABLE.simple("aten::wait prim::awaitable_nowait prim::awaitable_wait", lambda ops, value: value)
TABLE.refused(
    "prim::PythonOp prim::IgnoredPythonOp",
    "this Python function is ignored by TorchScript, so there is nothing to read",
    "script the function, or export the Python module itself",
)
TABLE.refused(
    "prim::rpc_async prim::rpc_sync prim::rpc_remote aten::to_here aten::local_value "
    "aten::owner aten::owner_name aten::is_owner aten::confirmed_by_owner aten::dist_backward.",
    "calls to other machines cannot be exported",
)

# -- objects --------------------------------------------------------------------------------------


@TABLE.add("prim::GetAttr")
def _get_attr(call: Call) -> object:
    owner = force(call.args[0])
    name = call.instruction.node.s("name")
    if not isinstance(owner, Instance):
        return getattr(owner, name)
    return call.interpreter.objects.attribute(owner, name, call.instruction.output_type())


@TABLE.add("prim::SetAttr")
def _set_attr(call: Call) -> None:
    value = call.args[1]
    call.ops.session.each(force(call.args[0]), lambda owner: _put_attr(call, owner, value))


def _put_attr(call: Call, owner: Any, value: object) -> None:
    node = call.instruction.node
    name = node.s("name")
    if owner._fx_source is not None:  # what it was is noted before it is written over
        call.interpreter.objects.attribute(owner, name, list(node.inputs())[1].type())
    call.ops.set_attr(value, owner, name)
    owner._fx_write_through(name, value)


@TABLE.add("prim::CreateObject")
def _create_object(call: Call) -> object:
    return call.interpreter.objects.new(call.instruction.output_type())


@TABLE.add("prim::ModuleContainerIndex")
def _module_item(call: Call) -> object:
    owner, key = call.args
    name = str(key)
    if is_symbolic(key):
        return refuse(call, "a module is chosen by a number known only when the model runs")
    return call.interpreter.objects.attribute(owner, name, call.instruction.output_type())


@TABLE.add("prim::EnumName", "prim::EnumValue")
def _enum(call: Call) -> object:
    return getattr(call.args[0], call.instruction.kind.removeprefix("prim::Enum").lower())


@TABLE.add("aten::eq.enum", "aten::ne.enum")
def _enum_equal(call: Call) -> object:
    same = call.args[0] == call.args[1]
    return same if call.instruction.kind == "aten::eq" else not same


@TABLE.add("aten::__is__", "aten::__isnot__")
def _identity(call: Call) -> object:
    a, b = call.args
    same = isinstance(a, EnumMember) and a == b
    same = same or call.ops.is_(a, b)
    return same if call.instruction.kind == "aten::__is__" else call.ops.not_(same)


# -- types: a value of Python's knows its own -----------------------------------------------------


@TABLE.add("prim::unchecked_cast", "prim::unchecked_unwrap_optional", "prim::annotate")
def _refined(call: Call) -> object:
    """The compiler has seen that the value is of a narrower type here."""
    value = call.args[0]
    kind = call.instruction.output_type().kind()
    if isinstance(value, Maybe) and kind not in ("OptionalType", "UnionType", "AnyType"):
        return value.value
    return value


@TABLE.add("aten::_unwrap_optional")
def _unwrapped(call: Call) -> object:
    if call.args[0] is None:
        raise call.ops.raising(ValueError("Unwrapping null optional"))
    return force(call.args[0])


@TABLE.add("prim::Uninitialized")
def _uninitialized(call: Call) -> object:
    return UNSET


@TABLE.add("prim::isinstance")
def _isinstance(call: Call) -> object:
    value = call.args[0]
    if isinstance(value, Maybe):
        there, missing = (_is_of_type(call, v) for v in (value.value, value.absent))
        if there == missing:
            return there
        return value.present if there else torch.sym_not(value.present)
    return _is_of_type(call, value)


def _is_of_type(call: Call, value: object) -> bool:
    found = [_fits(value, kind) for kind in call.instruction.node.tys("types")]
    if None in found and True not in found:
        raise UnsupportedError(
            "isinstance() of a list or dict whose items do not tell its type: it may be empty",
            code=Code.TORCHSCRIPT,
            location=user_location(),
            hint="annotate the value instead of asking for its type",
        )
    return True in found


def _fits(value: Any, kind: ir.JitType) -> bool | None:
    """Whether a value is of a TorchScript type; None where its items would have to tell."""
    if isinstance(value, Spread):
        return None
    name = kind.kind()
    plain = {"IntType": int, "FloatType": float, "BoolType": bool}
    if name in plain:
        return sym_type(value) is plain[name]
    if name in ("TensorType", "StringType", "NoneType", "DeviceObjType"):
        return isinstance(
            value,
            {
                "TensorType": torch.Tensor,
                "StringType": str,
                "NoneType": type(None),
                "DeviceObjType": torch.device,
            }[name],
        )
    parts = list(kind.containedTypes())
    if name in ("OptionalType", "UnionType"):
        if name == "OptionalType" and value is None:
            return True
        found = [_fits(value, part) for part in parts]
        return True if True in found else (None if None in found else False)
    if name == "TupleType":
        if not isinstance(value, tuple) or len(value) != len(parts):
            return False
        return _every([_fits(item, part) for item, part in zip(value, parts, strict=True)])
    if name == "ListType":
        if not isinstance(value, list):
            return False
        return _every([_fits(item, parts[0]) for item in value]) if value else None
    if name == "DictType":
        if not isinstance(value, dict):
            return False
        return _every([_fits(item, parts[1]) for item in value.values()]) if value else None
    if name in ("ClassType", "InterfaceType"):
        return isinstance(value, Instance) and str(value._fx_type) == str(kind)
    if name == "EnumType":
        owner = getattr(value, "owner", None) or type(value).__name__
        return isinstance(value, (enum.Enum, EnumMember)) and str(kind).rstrip(">").endswith(owner)
    return name == "AnyType"


def _every(found: list[bool | None]) -> bool | None:
    return False if False in found else (None if None in found else True)


TABLE.refused(
    "prim::Closure prim::forkClosure prim::awaitable prim::awaitableClosure",
    "closures are not supported",
)
