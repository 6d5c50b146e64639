"""What a model keeps from call to call: walking over it, replacing parts of it, giving it back.

State is whatever is reachable from the model by attributes: parameters and buffers, plain
attributes, and what lists, tuples, dicts and the user's own objects in them hold. Each leaf has a
path such as ``decoder.layers.0.cache`` or ``hidden.1``.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from fxexport.capture.session.journal import SlotKey
from fxexport.capture.values.containers import rebuild_like

__all__ = ["StateLeaf", "kept", "replace_leaves", "state_leaves"]

_MODULE_OWN = frozenset(vars(torch.nn.Module()))
_TABLES = ("_parameters", "_buffers")
_FOREIGN = frozenset({*sys.stdlib_module_names, "torch", "numpy", "fxexport"}) - {"__main__"}
_DEPTH = 8


@dataclass(frozen=True)
class StateLeaf:
    """One value that a model holds.

    Attributes:
        path: where it is.
        value: the value now.
        keys: journal keys of the slots through which a new value may have been set.
    """

    path: str
    value: Any
    keys: tuple[SlotKey, ...]


def _owner_of(model: object) -> object:
    """The module, or the object whose method the model is; None for a function."""
    if isinstance(model, torch.nn.Module):
        return model
    owner = getattr(model, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return owner
    plain = isinstance(model, (types.FunctionType, types.BuiltinFunctionType, type))
    return None if plain else model


def _holds_more(value: object) -> bool:
    """Whether a value is an object of the user's whose attributes are looked at."""
    if isinstance(value, (type, types.FunctionType, types.MethodType, types.ModuleType)):
        return False
    kind = type(value)
    if isinstance(value, types.SimpleNamespace):
        return True
    foreign = kind.__module__.partition(".")[0] in _FOREIGN
    return not foreign and isinstance(getattr(value, "__dict__", None), dict)


def _parts(value: object) -> list[tuple[str, object, SlotKey]] | None:
    """Name, value and journal key of what a container or object holds; None for a leaf."""
    if isinstance(value, torch.Tensor):
        return None
    if isinstance(value, torch.nn.Module):
        found = [
            (name, item, ("attribute", id(value), name))
            for table in (*_TABLES, "_modules")
            for name, item in vars(value).get(table, {}).items()
        ]
        own = ((k, v) for k, v in vars(value).items() if k not in _MODULE_OWN)
        return found + [(name, item, ("attribute", id(value), name)) for name, item in own]
    key = ("container", id(value))
    if isinstance(value, dict):
        return [(str(name), item, key) for name, item in value.items()]
    if isinstance(value, (list, tuple, deque)):
        return [(str(k), item, key) for k, item in enumerate(value)]
    if _holds_more(value):
        return [(name, item, ("attribute", id(value), name)) for name, item in vars(value).items()]
    return None


def state_leaves(model: object) -> dict[str, StateLeaf]:
    """Every value that a model holds, by path."""
    leaves: dict[str, StateLeaf] = {}
    seen: set[int] = set()

    def walk(value: object, path: str, keys: tuple[SlotKey, ...], depth: int) -> None:
        parts = _parts(value) if depth < _DEPTH or isinstance(value, torch.nn.Module) else None
        if parts is None:
            leaves[path] = StateLeaf(path, value, keys)
            return
        if id(value) in seen:
            return
        seen.add(id(value))
        inner = 0 if isinstance(value, torch.nn.Module) else depth + 1
        for name, item, key in parts:
            walk(item, f"{path}.{name}" if path else name, (*keys[-_DEPTH:], key), inner)

    owner = _owner_of(model)
    if owner is not None and _parts(owner) is not None:
        walk(owner, "", (), 0)
    return leaves


def replace_leaves(model: object, values: Mapping[str, object]) -> None:
    """Puts other values at the given paths; containers stay the objects that they are."""
    seen: set[int] = set()

    def replaced(value: object, path: str) -> object:
        if path in values:
            return values[path]
        prefix = f"{path}." if path else ""
        if not any(wanted.startswith(prefix) for wanted in values):
            return value
        parts = _parts(value)
        if parts is None or id(value) in seen:
            return value
        seen.add(id(value))
        new = [(name, item, replaced(item, prefix + name)) for name, item, _ in parts]
        if isinstance(value, tuple):
            changed = any(a is not b for _, a, b in new)
            return rebuild_like(value, [b for _, _, b in new]) if changed else value
        for k, (name, old, item) in enumerate(new):
            if item is not old:
                _put(value, k, name, item)
        return value

    replaced(_owner_of(model), "")


def _put(owner: object, position: int, name: str, item: object) -> None:
    """Sets one part of a container or object, past ``__setattr__``."""
    if isinstance(owner, torch.nn.Module):
        table = next((t for t in _TABLES if name in vars(owner)[t]), None)
        (vars(owner) if table is None else vars(owner)[table])[name] = item
    elif isinstance(owner, dict):
        owner[list(owner)[position]] = item
    elif isinstance(owner, (list, deque)):
        owner[position] = item
    else:
        vars(owner)[name] = item


@contextlib.contextmanager
def kept(model: object) -> Iterator[None]:
    """Gives every attribute and container back as it was; not what tensors hold."""
    saved: list[tuple[object, object]] = []
    seen: set[int] = set()

    def save(value: object, depth: int) -> None:
        if id(value) in seen or (depth > _DEPTH and not isinstance(value, torch.nn.Module)):
            return
        parts = _parts(value)
        if parts is None and not isinstance(value, set):
            return
        seen.add(id(value))
        if isinstance(value, torch.nn.Module):
            own = vars(value)
            saved.extend((table, table.copy()) for table in _tables_of(own))
            if isinstance(value, torch.jit.ScriptModule):
                # Their tables look like dicts, and hold what is in C++.
                tables = [own[name] for name in _TABLES if name in own]
                saved.extend((table, dict(table.items())) for table in tables)
            depth = 0
        elif isinstance(value, (list, dict, set, deque)):
            saved.append((value, value.copy()))
        elif not isinstance(value, tuple):
            saved.append((vars(value), dict(vars(value))))
        for _, item, _ in parts or ():
            save(item, depth + 1)

    save(_owner_of(model), 0)
    try:
        yield
    finally:
        for container, content in saved:
            _restore(container, content)


def _tables_of(own: dict[str, Any]) -> list[dict[str, object]]:
    """A module's attributes, and the dicts and sets among them that PyTorch keeps."""
    inner = [own[k] for k in _MODULE_OWN if isinstance(own.get(k), (dict, set))]
    return [own, *inner]


def _restore(container: Any, content: Any) -> None:
    if isinstance(content, dict) and not isinstance(container, dict):
        for name, item in content.items():
            if container[name] is not item:
                container[name] = item
    elif isinstance(container, dict):
        same = len(container) == len(content)
        if same and all(container.get(k, container) is v for k, v in content.items()):
            return
        container.clear()
        container.update(content)
    elif isinstance(container, set):
        if container != content:
            container.clear()
            container.update(content)
    elif len(container) != len(content) or any(
        a is not b for a, b in zip(container, content, strict=True)
    ):
        container.clear()
        container.extend(content)


def aliases_of(leaves: Mapping[str, StateLeaf], path: str) -> list[str]:
    """All paths of the tensor at `path`: it may have several names."""
    value = leaves[path].value
    if not isinstance(value, torch.Tensor):
        return [path]
    return [other for other, leaf in leaves.items() if leaf.value is value]


def changed_leaves(
    before: Mapping[str, StateLeaf],
    after: Mapping[str, StateLeaf],
    same: Callable[[object, object], bool],
) -> Iterator[tuple[str, object, object]]:
    """Paths whose values differ, with both values; ``...`` where there is none."""
    for path in dict.fromkeys([*before, *after]):
        old = before[path].value if path in before else ...
        new = after[path].value if path in after else ...
        if old is ... or new is ... or not same(old, new):
            yield path, old, new
