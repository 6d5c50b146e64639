"""Private PyTorch API on TorchScript's intermediate representation.

The graphs themselves come from the public ``.graph`` of scripted modules, methods and functions;
the classes they are made of, and what reads more than that, are private.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch

__all__ = [
    "SCALAR_TYPES",
    "SCRIPT_FUNCTIONS",
    "SCRIPT_METHODS",
    "Argument",
    "Function",
    "Graph",
    "JitType",
    "Node",
    "Object",
    "Schema",
    "Value",
    "all_schemas",
    "attribute_of",
    "callee_graph",
    "child_attribute",
    "default_of",
    "in_dispatcher",
    "is_script_object",
    "load_archive",
    "member_of_constant",
    "method_graph",
    "module_of",
    "quiet_deprecation",
    "script",
]

# PyTorch's stubs leave out most methods of these classes of its C++ compiler: they are names only.
Graph: TypeAlias = Any
Node: TypeAlias = Any
Value: TypeAlias = Any
JitType: TypeAlias = Any
Argument: TypeAlias = Any
Object: TypeAlias = Any
Schema: TypeAlias = Any
Function: TypeAlias = Any

# The numbers by which TorchScript, and every archive, knows dtypes (c10::ScalarType).
SCALAR_TYPES = {
    torch.uint8: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.int64: 4,
    torch.float16: 5, torch.float32: 6, torch.float64: 7, torch.complex32: 8,
    torch.complex64: 9, torch.complex128: 10, torch.bool: 11, torch.bfloat16: 15,
    torch.float8_e5m2: 23, torch.float8_e4m3fn: 24, torch.uint16: 27, torch.uint32: 28,
    torch.uint64: 29,
}  # fmt: skip


SCRIPT_FUNCTIONS = (torch._C.ScriptFunction,)
SCRIPT_METHODS = (torch._C.ScriptMethod,)


@contextlib.contextmanager
def quiet_deprecation() -> Iterator[None]:
    """PyTorch warns at every use of torch.jit; our users have heard it from PyTorch already."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=DeprecationWarning)
        yield


def script(model: Callable[..., object]) -> Any:
    """``torch.jit.script``, which leaves no mark on the model's modules."""
    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    unmarked = [module for module in modules if "__overloads__" not in vars(module)]
    try:
        with quiet_deprecation():
            return torch.jit.script(model)
    finally:
        # The compiler notes overloaded methods on every module, also where there are none.
        for module in unmarked:
            vars(module).pop("__overloads__", None)


def load_archive(path: str) -> Any:
    """``torch.jit.load`` on the CPU."""
    with quiet_deprecation():
        return torch.jit.load(path, map_location="cpu")


def is_script_object(value: object) -> bool:
    """Whether a value is an object of a TorchScript class or module, as C++ hands it out."""
    return isinstance(value, torch._C.ScriptObject)


def all_schemas() -> list[torch._C.FunctionSchema]:
    """The schemas of all operators that TorchScript's compiler may emit."""
    return list(torch._C._jit_get_all_schemas())


@functools.cache
def in_dispatcher(name: str, overload: str) -> bool:
    """Whether an operator is the dispatcher's, not one of TorchScript's interpreter alone."""
    try:
        torch._C._dispatch_find_schema_or_throw(name, overload)  # type: ignore[attr-defined]
    except RuntimeError:
        return False
    return True


def _fragment(
    nodes: list[Node],
    inputs: list[Value],
    results: Callable[[Graph, list[Node]], list[Value]],
) -> Graph:
    """A new graph that takes `inputs` (values or types) and holds copies of nodes on them."""
    graph: Graph = torch._C.Graph()
    known: dict[int, Value] = {}
    for value in inputs:
        new = graph.addInput()
        new.setType(value.type())
        known[value.unique()] = new
    copies = []
    for node in nodes:
        copy = graph.createClone(node, lambda value: known[value.unique()])
        graph.insertNode(copy)
        for old, new in zip(node.outputs(), copy.outputs(), strict=True):
            known[old.unique()] = new
        copies.append(copy)
    for value in results(graph, copies):
        graph.registerOutput(value)
    return graph


def callee_graph(call: Node, receiver: JitType | None = None) -> Graph:
    """The graph of what a CallMethod or CallFunction node calls.

    PyTorch has no Python access to the function of a call node. A graph that holds only the
    call, inlined, is the function's.

    Args:
        call: the node.
        receiver: the class of the object at run time where the call names an interface.
    """
    inputs = list(call.inputs())
    is_function = call.kind() == "prim::CallFunction"
    made = [inputs[0].node()] if is_function else []
    graph = _fragment(
        [*made, call],
        inputs[1:] if is_function else inputs,
        lambda _, copies: list(copies[-1].outputs()),
    )
    if receiver is not None:
        next(iter(graph.inputs())).setType(receiver)
    torch._C._jit_pass_inline(graph)
    return graph


def method_graph(kind: JitType, name: str, *arguments: object) -> Graph:
    """The graph of a method of a TorchScript class, called with constants.

    Args:
        kind: the class.
        name: the method.
        arguments: constants for its parameters after self.
    """
    graph: Graph = torch._C.Graph()
    owner = graph.addInput()
    owner.setType(kind)
    constants = [graph.insertConstant(value) for value in arguments]
    call = graph.create("prim::CallMethod", [owner, *constants], 1)
    call.s_("name", name)
    call.output().setType(torch._C.AnyType.get())
    graph.insertNode(call)
    graph.registerOutput(call.output())
    torch._C._jit_pass_inline(graph)
    return graph


def default_of(argument: Argument) -> object:
    """The default of a schema's argument; `inspect.Parameter.empty` without one.

    Raises:
        RuntimeError: it is of a class that Python does not have.
    """
    return argument.default_value if argument.has_default_value() else inspect.Parameter.empty


def member_of_constant(node: Node) -> tuple[str, Any]:
    """Name and value of the enum member in a constant node, where Python lacks its class."""
    return _run(_fragment([node], [], lambda graph, copies: _member(graph, copies[0].output())))


def _member(graph: Graph, member: Value) -> list[Value]:
    """The name and the value of an enum member, as values of a graph."""
    found = []
    for kind in ("prim::EnumName", "prim::EnumValue"):
        reader = graph.create(kind, [member], 1)
        reader.output().setType(torch._C.AnyType.get())
        graph.insertNode(reader)
        found.append(reader.output())
    return found


def _run(graph: Graph, *args: object) -> Any:
    if len(list(graph.outputs())) > 1:
        graph.makeMultiOutputIntoTuple()
    return torch._C._create_function_from_graph("fxexport_read", graph)(*args)


def attribute_of(owner: Object, name: str) -> Any:
    """An attribute of a TorchScript object, as Python sees it.

    Raises:
        RuntimeError: Python does not know the attribute's class.
    """
    return owner.getattr(name)


def child_attribute(owner: Object, path: list[tuple[str, JitType]]) -> Any:
    """An attribute of an object inside an object, read without turning the latter into Python.

    Args:
        owner: the outermost object.
        path: name and type of each step from there.

    Returns:
        The attribute; name and value of a member of an enum.
    """
    graph: Graph = torch._C.Graph()
    value = graph.addInput()
    value.setType(owner._type())
    for name, kind in path:
        reader = graph.create("prim::GetAttr", [value], 1)
        reader.s_("name", name)
        reader.output().setType(kind)
        graph.insertNode(reader)
        value = reader.output()
    if path[-1][1].kind() == "EnumType":
        for part in _member(graph, value):
            graph.registerOutput(part)
    else:
        graph.registerOutput(value)
    return _run(graph, owner)


def module_of(method: torch._C.ScriptMethod) -> Object:
    """The module in C++ whose method a scripted method is."""
    return method.owner
