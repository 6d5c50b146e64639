"""Who changed what: the slots a piece of the program may write to, and how to take it back.

While a branch or a loop body is tried, every write to a slot that existed before is noted with
the value it had. Afterwards the writes are undone, and what both paths leave there is merged.
"""

from __future__ import annotations

import contextlib
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import CellType
from typing import ClassVar, TypeAlias, TypeVar, cast

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.list_runs import is_open, refuse_open
from fxexport.capture.session.watched import Watched
from fxexport.source.location import SourceLocation

__all__ = [
    "UNSET",
    "AttributeSlot",
    "CellSlot",
    "Container",
    "ContainerSlot",
    "ContentsSlot",
    "GlobalSlot",
    "Journal",
    "Mirrored",
    "Slot",
    "SlotKey",
    "Writes",
    "contents_of",
    "filled_cell",
    "put_attribute",
]


class _Unset:
    """A variable, attribute or item that is not there."""

    def __repr__(self) -> str:
        return "<not set>"


UNSET = _Unset()

SlotKey: TypeAlias = tuple[str, int] | tuple[str, int, str]
Container: TypeAlias = list[Value] | dict[Value, Value] | set[Value] | deque[Value]

_T = TypeVar("_T")


def contents_of(cell: CellType) -> Value:
    """What a variable holds; UNSET where it is not bound."""
    try:
        value: Value = cell.cell_contents
    except ValueError:
        return UNSET
    return value


def filled_cell(value: Value) -> CellType:
    """A new variable that holds a value; UNSET leaves it unbound."""
    return CellType() if value is UNSET else CellType(value)


class Slot:
    """Something that holds a value and can be written to: a variable, an attribute, a container.

    Attributes:
        key: tells slots apart.
        name: for messages.
        owner: the object that the slot is a part of, None for a variable.
        is_contents: whether it is what a container or tensor holds, and not a name for a value.
        born: the journal's number when the owner was made, where the journal does not know it.
    """

    key: SlotKey
    name: str
    owner: Value = None
    is_contents: ClassVar[bool] = False
    born: int = 0

    def get(self) -> Value:
        """The value there now, UNSET if there is none."""
        raise NotImplementedError

    def set(self, value: Value) -> None:
        """Puts a value there; UNSET removes it."""
        raise NotImplementedError

    def watched(self) -> Callable[[], Slot | None]:
        """Gives the slot later on, if it is still there."""
        return lambda: self


class CellSlot(Slot):
    """A local variable."""

    def __init__(self, cell: CellType, name: str) -> None:
        self._cell, self.name = cell, name
        self.key = ("cell", id(cell))

    def get(self) -> Value:
        return contents_of(self._cell)

    def set(self, value: Value) -> None:
        if value is not UNSET:
            self._cell.cell_contents = value
        elif self.get() is not UNSET:
            del self._cell.cell_contents


class GlobalSlot(Slot):
    """A global variable of a module."""

    def __init__(self, namespace: dict[str, Value], name: str) -> None:
        self._namespace, self.name = namespace, name
        self.key = ("global", id(namespace), name)

    def get(self) -> Value:
        return self._namespace.get(self.name, UNSET)

    def set(self, value: Value) -> None:
        if value is UNSET:
            self._namespace.pop(self.name, None)
        else:
            self._namespace[self.name] = value


class Mirrored:
    """An object of ours that stands for another one, which Python code may look at.

    Its class, not the object, holds the other one, since its attributes are the program's.
    """

    _fx_mirror: ClassVar[object | None] = None

    def _fx_write_through(self, name: str, value: object) -> None:
        """Gives the other object an attribute as well."""
        if self._fx_mirror is not None:
            vars(self._fx_mirror)[name] = value


def put_attribute(owner: Value, name: str, value: Value) -> None:
    """Sets an attribute; a module checks the types of its buffers, which ours would not pass."""
    if isinstance(owner, torch.nn.Module) and not isinstance(value, (torch.Tensor, type(None))):
        for table in (owner._buffers, owner._parameters):
            if name in table:
                table[name] = cast("torch.nn.Parameter", value)
                return
    if isinstance(owner, (torch.nn.Module, type)):
        setattr(owner, name, value)
    else:
        # What a class does about it of its own has been done.
        object.__setattr__(owner, name, value)
        if isinstance(owner, Mirrored):
            owner._fx_write_through(name, value)


def _as_parameter(owner: Value, name: str, value: Value) -> None:
    """Where a module has a parameter, a tensor of ours that is merged of two is one as well."""
    if (
        isinstance(owner, torch.nn.Module)
        and name in owner._parameters
        and isinstance(value, torch.Tensor)
        and not isinstance(value, torch.nn.Parameter)
    ):
        value._is_param = True  # type: ignore[attr-defined]


class AttributeSlot(Slot):
    """An attribute of an object."""

    def __init__(self, owner: Value, attribute: str) -> None:
        self._owner, self._attribute = owner, attribute
        self.owner = owner
        self.name = f"{type(owner).__name__}.{attribute}"
        self.key = ("attribute", id(owner), attribute)

    def get(self) -> Value:
        namespace = getattr(self._owner, "__dict__", {})
        if self._attribute in namespace:
            return namespace[self._attribute]
        if isinstance(getattr(type(self._owner), self._attribute, None), cached_property):
            return UNSET
        return getattr(self._owner, self._attribute, UNSET)

    def set(self, value: Value) -> None:
        if value is not UNSET:
            _as_parameter(self._owner, self._attribute, value)
            put_attribute(self._owner, self._attribute, value)
        elif hasattr(self._owner, self._attribute):
            delattr(self._owner, self._attribute)


class ContainerSlot(Slot):
    """All that a list, dict, set or deque holds."""

    is_contents: ClassVar[bool] = True

    def __init__(self, container: Container) -> None:
        self._container = self.owner = container
        self.name = f"a {type(container).__name__}"
        self.key = ("container", id(container))

    @property
    def container(self) -> Container:
        """The container itself."""
        return self._container

    def get(self) -> Value:
        if isinstance(self._container, dict):
            return dict(self._container)
        plain_set = type(self._container) is set
        return set(self._container) if plain_set else list(self._container)

    def set(self, value: Value) -> None:
        if is_open(value) and getattr(self._container, "maxlen", None) is not None:
            raise refuse_open("a deque with a maxlen")
        self._container.clear()
        if isinstance(self._container, (dict, set)):
            self._container.update(cast("dict[Value, Value]", value))
        else:
            self._container.extend(cast("list[Value]", value))


class ContentsSlot(Slot):
    """The values in a tensor that is written in place."""

    is_contents: ClassVar[bool] = True

    def __init__(
        self,
        tensor: torch.Tensor,
        read: Callable[[torch.Tensor], torch.Tensor],
        write: Callable[[torch.Tensor, torch.Tensor], None],
        born: int = 0,
    ) -> None:
        self._tensor, self._read, self._write = tensor, read, write
        self.owner, self.born = tensor, born
        self.name = "a tensor written in place"
        self.key = ("contents", id(tensor))

    def get(self) -> torch.Tensor:
        return self._read(self._tensor)

    def set(self, value: Value) -> None:
        assert isinstance(value, torch.Tensor)
        self._write(self._tensor, value)

    def watched(self) -> Callable[[], Slot | None]:
        tensor, parts = weakref.ref(self._tensor), (self._read, self._write, self.born)

        def again() -> Slot | None:
            there = tensor()
            return None if there is None else ContentsSlot(there, *parts)

        return again


@dataclass(eq=False)
class Writes:
    """The writes of one piece of the program, and how to take them back."""

    serial: int
    old: dict[SlotKey, tuple[Slot, Value]] = field(default_factory=dict)
    advanced: list[Value] = field(default_factory=list)
    # iterators that have been advanced and cannot be moved back, by identity
    out_of_step: dict[int, Value] = field(default_factory=dict)
    # the user's line of the first write, in the outermost scope
    locations: dict[SlotKey, SourceLocation | None] = field(default_factory=dict)

    def undo(self) -> None:
        """Gives every slot the value that it had at the start."""
        # An iterator cannot be moved back.
        self.out_of_step.update((id(iterator), iterator) for iterator in self.advanced)
        for slot, value in reversed(self.old.values()):
            slot.set(value)

    def slots(self) -> list[Slot]:
        """The slots written to, in the order of the first write."""
        return [slot for slot, _ in self.old.values()]


class Journal:
    """The open scopes, innermost last, and the objects made since each of them opened."""

    def __init__(self, where: Callable[[], SourceLocation | None] = lambda: None) -> None:
        self._where = where
        self._scopes: list[Writes] = []
        self._made: dict[int, tuple[Value, int]] = {}
        self._cells: dict[int, int] = {}
        self._serial = 0
        # Iterators advanced on a path that has been taken back, by identity.
        self._out_of_step: dict[int, Value] = {}
        self._feeding: dict[int, tuple[Value, list[Value]]] = {}
        self.watched: Watched | None = None

    @contextlib.contextmanager
    def scope(self, slots: Iterable[Slot] = ()) -> Iterator[Writes]:
        """Notes the writes made inside, and what these slots hold now."""
        self._serial += 1
        scope = Writes(self._serial, out_of_step=self._out_of_step)
        scope.old.update((slot.key, (slot, slot.get())) for slot in slots)
        self._scopes.append(scope)
        try:
            yield scope
        finally:
            self._scopes.remove(scope)

    def made(self, value: _T) -> _T:
        """Notes that an object is new: writes to it do not matter to scopes that end before it."""
        if self._scopes:
            self._serial += 1
            self._made[id(value)] = (value, self._serial)
        return value

    def advance(self, iterator: Value) -> bool:
        """To be called before an iterator is advanced; False if it is not where Python has it."""
        for source in self._feeding.get(id(iterator), (None, []))[1]:
            if not self.advance(source):
                return False
        if id(iterator) in self._out_of_step:
            return False
        if self.watched is not None:
            self.watched.iterators.append(iterator)
        for scope in self._scopes:
            scope.advanced.append(iterator)
        return True

    def out_of_step(self, iterator: Value) -> None:
        """Notes that where an iterator stands is known only when the model runs."""
        self._out_of_step[id(iterator)] = iterator

    def sources(self, iterator: Value) -> list[Value]:
        """The iterators that an iterator takes its items from, as far as they were noted."""
        return self._feeding.get(id(iterator), (None, []))[1]

    def feeds(self, iterator: Value, sources: list[Value]) -> None:
        """Notes that an iterator takes its items from others."""
        if sources:
            self._feeding[id(iterator)] = (iterator, sources)

    def made_with(self, owner: Value, part: Value) -> None:
        """Notes that a part of an object is as old as the object."""
        if id(owner) in self._made:
            self._made[id(part)] = (part, self._made[id(owner)][1])

    def made_cell(self, cell: CellType) -> None:
        """Notes that a variable is new.

        Only its identity is kept: every variable that is staged
        is noted anew when its function is entered, so an identity is never out of date.
        """
        if self._scopes:
            self._serial += 1
            self._cells[id(cell)] = self._serial

    def born(self, value: Value) -> int:
        """`now` when an object was made; 0 for one that was there before or is not known."""
        return self._made.get(id(value), (None, 0))[1]

    def born_cell(self, cell: CellType) -> int:
        """`now` when a variable was made; 0 for one that was there before or is not known."""
        return self._cells.get(id(cell), 0)

    def references_to(self, value: Value) -> int:
        """How many references to an object the journal itself holds."""
        count = int(id(value) in self._made)
        return count + sum(old is value for scope in self._scopes for _, old in scope.old.values())

    @property
    def now(self) -> int:
        """Grows with every scope; what is made inside a scope has at least its number."""
        return self._serial

    @property
    def opened(self) -> int:
        """`now` when the innermost branch or loop body began; 0 outside of all."""
        return self._scopes[-1].serial if len(self._scopes) > 1 else 0

    def touch_all(self, slots: Iterable[Slot]) -> None:
        """Notes what may be written to without being touched again."""
        watched, self.watched = self.watched, None
        for slot in slots:
            self.touch(slot)
        self.watched = watched

    def touch(self, slot: Slot) -> None:
        """To be called before a slot is written to."""
        _, noted = self._made.get(id(slot.owner), (None, 0))
        born = max(slot.born, noted)
        if isinstance(slot, CellSlot):
            born = self._cells.get(slot.key[1], 0)
        if self.watched is not None:
            self.watched.note(slot.watched())
        for scope in self._scopes:
            if born < scope.serial and slot.key not in scope.old:
                scope.old[slot.key] = (slot, slot.get())
                if scope is self._scopes[0]:
                    scope.locations[slot.key] = self._where()
