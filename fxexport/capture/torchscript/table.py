"""All operators of TorchScript's: which are handled, how, and which are refused."""

from __future__ import annotations

from fxexport._torch_compat import torchscript as ir
from fxexport.capture.torchscript import containers, flow, numbers, rest, tensors
from fxexport.capture.torchscript.call import Call, Handler, refuse
from fxexport.capture.torchscript.program import Instruction

__all__ = ["TABLE", "handler_for", "handler_of"]

TABLE: dict[str, Handler] = {}
for _part in (flow, numbers, containers, tensors, rest):
    assert not TABLE.keys() & _part.TABLE.entries.keys()
    TABLE.update(_part.TABLE.entries)


def handler_for(kind: str, operator: str, schema: str) -> Handler | None:
    """What executes an operator; None where it is not known.

    Args:
        kind: its name without the overload.
        operator: its name with the overload.
        schema: its schema, empty for a node without one.
    """
    exact = operator if "." in operator else f"{operator}."
    if exact in TABLE:
        return TABLE[exact]
    if kind in TABLE and (kind.startswith("prim::") or "Tensor" not in schema):
        return TABLE[kind]
    name, _, overload = operator.partition(".")
    if schema and ir.in_dispatcher(name, overload):
        return tensors.dispatched
    return None


def handler_of(instruction: Instruction) -> Handler:
    """What executes an instruction; one that refuses it where nothing does."""
    found = handler_for(instruction.kind, instruction.operator, instruction.schema)
    return found or _unknown


def _unknown(call: Call) -> None:
    refuse(call, "fxexport does not know this operator of TorchScript")
