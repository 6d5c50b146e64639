"""The interpreter's views of TorchScript objects: what is written to them stays in the view."""

from __future__ import annotations

import enum
import re
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from fxexport._torch_compat import torchscript as ir
from fxexport.capture.session.journal import Mirrored
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError

__all__ = ["EnumMember", "Instance", "Objects", "named_tuple_of"]


class Instance(Mirrored):
    """A module or an object of a TorchScript class.

    Attributes are read from the user's object when they are first asked for. They are then
    ordinary Python attributes, so that writes are noted, merged and taken back like any other.
    """

    _fx_source: _Source | None
    _fx_type: ir.JitType
    _fx_path: str

    @staticmethod
    def made(
        name: str, source: _Source, kind: object, path: str = "", mirror: object = None
    ) -> Instance:
        """A view whose class has the name of the user's class, and all that is not the user's."""
        own = {"_fx_source": source, "_fx_type": kind, "_fx_path": path, "_fx_mirror": mirror}
        return type(name, (Instance,), own)()  # type: ignore[no-any-return]

    @property
    def _fx_module(self) -> ir.Object:
        """The module that this is a view of; None for another object."""
        source = self._fx_source
        handle = source.handle if source is not None and not source.steps else None
        return handle if hasattr(handle, "_get_method") else None


@dataclass(frozen=True)
class _Source:
    """Where the attributes of an object are: in C++, in Python, or some steps inside of C++."""

    handle: ir.Object
    steps: tuple[tuple[str, ir.JitType], ...] = ()

    def read(self, name: str, kind: ir.JitType) -> Any:
        if self.steps:
            return ir.child_attribute(self.handle, [*self.steps, (name, kind)])
        if hasattr(self.handle, "_get_method"):
            return ir.attribute_of(self.handle, name)
        return getattr(self.handle, name)

    def read_member(self) -> Any:
        """Name and value of the enum member that this is."""
        return ir.child_attribute(self.handle, list(self.steps))

    def below(self, name: str, kind: ir.JitType) -> _Source:
        return _Source(self.handle, (*self.steps, (name, kind)))


@dataclass(frozen=True)
class EnumMember:
    """A member of an enum whose class Python does not have (it came in an archive)."""

    owner: str
    name: str
    value: object


class Objects:
    """The views of one capture."""

    def __init__(self, fresh: Callable[[Any], Any], outside: dict[int, object]) -> None:
        self._fresh = fresh
        self._outside = outside
        self._modules: dict[object, Instance] = {}
        self._mirrors: dict[object, object] = {}
        self._classes: dict[str, type] = {}
        self._members: dict[tuple[str, str], EnumMember] = {}

    def of_module(self, handle: ir.Object, path: str = "") -> Instance:
        """The view of a module, the same one each time."""
        view = self._modules.get(handle)
        if view is None:
            kind = handle._type()
            mirror = self._mirrors.get(handle)
            view = Instance.made(class_name(kind), _Source(handle), kind, path, mirror)
            self._modules[handle] = view
        return view

    def mirror(self, module: torch.jit.ScriptModule) -> None:
        """Lets Python code see what TorchScript writes to a module; capture puts that back."""
        if module._c not in self._mirrors:
            self._mirrors.update((part._c, part) for part in module.modules())

    def new(self, kind: object) -> Instance:
        """A new object of a TorchScript class, without attributes."""
        made = self._classes.get(str(kind))
        if made is None:
            # To the rest of capture such objects are a user's own, merged attribute by attribute.
            own = {
                "_fx_source": None,
                "_fx_type": kind,
                "_fx_path": "",
                "__module__": "torchscript",
            }
            made = self._classes[str(kind)] = type(class_name(kind), (Instance,), own)
        return self._fresh(made())  # type: ignore[no-any-return]

    def attribute(self, owner: Instance, name: str, kind: ir.JitType) -> Any:
        """``owner.name``, which has the given type."""
        if name not in vars(owner):
            source = owner._fx_source
            if source is None:
                raise AttributeError(f"{type(owner).__name__} has no attribute {name}")
            vars(owner)[name] = self._read(owner, source, name, kind)
        return getattr(owner, name)

    def _read(self, owner: Instance, source: _Source, name: str, kind: ir.JitType) -> Any:
        try:
            value = source.read(name, kind)
        except RuntimeError as error:
            if kind.kind() == "EnumType":
                return self._member(kind, *source.below(name, kind).read_member())
            if kind.kind() != "ClassType":
                raise UnsupportedError(
                    f"the attribute {name!r} of {type(owner).__name__} is a {kind}, which Python "
                    "cannot read from the archive",
                    code=Code.TORCHSCRIPT,
                    hint="import the module that defines the class, or keep tensors and numbers",
                ) from error
            return Instance.made(class_name(kind), source.below(name, kind), kind)
        return self.of_value(value, kind, f"{owner._fx_path}.{name}".lstrip("."))

    def of_value(self, value: Any, kind: ir.JitType = None, path: str = "") -> Any:
        """A value that C++ hands out, as the interpreter knows it."""
        if ir.is_script_object(value):
            return self.of_module(value, path)
        if isinstance(value, list):
            return self._held([self.of_value(item) for item in value])
        if isinstance(value, dict):
            return self._held({key: self.of_value(item) for key, item in value.items()})
        if isinstance(value, tuple):
            items = [self.of_value(item) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        if isinstance(value, torch.dtype):
            return ir.SCALAR_TYPES[value]
        if kind is not None and kind.kind() == "ClassType" and not isinstance(value, enum.Enum):
            return Instance.made(class_name(kind), _Source(value), kind)
        return value

    def _held(self, container: object) -> Any:
        """A container that the user's object holds: it was there before the call, unlike its copy.

        So it is not noted as new, whichever branch happens to read it first.
        """
        self._outside[id(container)] = container
        return container

    def constant(self, node: ir.Node) -> object:
        """The value of a constant node; functions, which are only called, are None."""
        kind = node.output().type()
        if kind.kind() == "FunctionType":
            return None
        if kind.kind() == "EnumType":
            return self._enum_member(node)
        return self.of_value(node.output().toIValue(), kind)

    def _enum_member(self, node: ir.Node) -> object:
        try:
            return node.output().toIValue()
        except RuntimeError:
            return self._member(node.output().type(), *ir.member_of_constant(node))

    def _member(self, kind: object, name: str, value: object) -> EnumMember:
        """A member of an enum, the same object each time."""
        key = (str(kind), name)
        return self._members.setdefault(key, EnumMember(*key, value))


def class_name(kind: object) -> str:
    """``Net`` for ``__torch__.models.___torch_mangle_3.Net``."""
    return str(kind).rpartition(".")[2].rstrip(")>") or "object"


@lru_cache(maxsize=256)
def _tuple_class(name: str, fields: tuple[str, ...]) -> object:
    return namedtuple(name, fields)


def named_tuple_of(kind: ir.JitType) -> Any:
    """The class of a named tuple's type; None for a plain tuple."""
    text = kind.str()
    name = class_name(kind.annotation_str)
    # Results of operators (`torch.max(x, 1)`) have fields but no class: Python gets a tuple.
    if not text.startswith("NamedTuple(") or not name.isidentifier():
        return None
    return _tuple_class(name, _fields(text))


def _fields(text: str) -> tuple[str, ...]:
    """The fields in ``NamedTuple(a : Tensor, b : NamedTuple(...))``: those of the tuple itself."""
    found, depth = [], -1
    for k, char in enumerate(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(char, 0)
        match = re.compile(r"[(,] ?(\w+) : ").match(text, k)
        if match and depth == 0:
            found.append(match[1])
    return tuple(found)
