"""Functions that the program makes while it runs, as values with parts.

A function sees the variables of the function that made it. Once that one has ended, and if no
function inside of it binds the variable anew, nobody can: what the variable holds is a part of the
function, as the arguments of a partial call are, and functions of one code are merged and carried
part by part. As long as a variable can change, the variable itself is what the function holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CellType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary, ref

from fxexport.capture.session.journal import contents_of, filled_cell

__all__ = [
    "Invocation",
    "function_alike",
    "function_like",
    "function_parts",
    "note_function",
    "note_open",
    "note_variables",
]

_RUNTIME = "_fx_"


class Invocation:
    """Lives as long as one call of a function."""

    __slots__ = ("__weakref__",)


# Gives the call that a variable belongs to, None when that has ended.
_Maker = Callable[[], object]


def _never_ends() -> object:
    return True


def _has_ended() -> None:
    return None


# By a variable's identity; each is noted anew when its function is called.
_makers: dict[int, _Maker] = {}
_functions: WeakKeyDictionary[FunctionType, tuple[_Maker, ...]] = WeakKeyDictionary()


def note_variables(
    cells: Iterable[tuple[str, CellType]], invocation: Invocation, rebound: Iterable[str]
) -> None:
    """Notes the variables of a call; functions inside of the called one bind those in `rebound`."""
    maker = ref(invocation)
    names = set(rebound)
    for name, cell in cells:
        _makers[id(cell)] = _never_ends if name in names else maker


def note_open(cell: CellType) -> None:
    """Notes a variable that functions may bind anew."""
    _makers[id(cell)] = _never_ends


def note_function(function: FunctionType, noted: Iterable[str] = ()) -> None:
    """Notes a function that the program has made.

    Args:
        function: the function.
        noted: names of the variables it sees that `note_variables` was told of. Others may have the
            identity of a variable that is no more.
    """
    names = function.__code__.co_freevars
    known = frozenset(noted)
    _functions[function] = tuple(
        _makers.get(id(cell), _never_ends) if name in known else _never_ends
        for name, cell in zip(names, function.__closure__ or (), strict=True)
    )


def function_parts(function: FunctionType, parts_of: Callable[[Any], Any]) -> list[object] | None:
    """What a function holds that nobody can change; None where it has no such parts.

    `parts_of` takes other values apart: a function that holds itself is taken as it is.
    """
    parts = _parts(function)
    if not parts:
        return None
    seen: set[int] = set()
    queue = list(parts)
    while queue:
        value = queue.pop()
        if value is function:
            return None
        if id(value) not in seen:
            seen.add(id(value))
            inner = _parts(value) if type(value) is FunctionType else parts_of(value)
            queue.extend(inner or [])
    return parts


def _parts(function: FunctionType) -> list[object]:
    if function not in _functions:
        return []
    held = [contents_of(cell) for _, cell in _settled(function)]
    return [*held, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _settled(function: FunctionType) -> list[tuple[int, CellType]]:
    """The variables that nobody can change, with their places; its own name is none of them."""
    return [(k, cell) for k, cell in _unchanging(function) if contents_of(cell) is not function]


def _unchanging(function: FunctionType) -> list[tuple[int, CellType]]:
    cells = function.__closure__ or ()
    makers = _functions.get(function, ())
    return [
        (k, cell)
        for k, (cell, maker) in enumerate(zip(cells, makers, strict=True))
        if maker() is None
    ]


def _own_names(function: FunctionType) -> list[int]:
    """The places of variables that hold the function itself."""
    return [k for k, cell in _unchanging(function) if contents_of(cell) is function]


def function_alike(a: FunctionType, b: FunctionType) -> bool:
    """Whether two functions differ in their parts alone."""
    if a is b:
        return True
    if a.__code__ is not b.__code__ or a not in _functions or b not in _functions:
        return False
    if _own_names(a) != _own_names(b):
        return False
    places = [{k for k, _ in _unchanging(one)} for one in (a, b)]
    cells = zip(a.__closure__ or (), b.__closure__ or (), strict=True)
    for k, (mine, its) in enumerate(cells):
        both = k in places[0] and k in places[1]
        if mine is not its and not both and a.__code__.co_freevars[k] != _RUNTIME:
            return False
    given = [(len(one.__defaults__ or ()), list(one.__kwdefaults__ or {})) for one in (a, b)]
    return places[0] == places[1] and given[0] == given[1] and _same_attributes(a, b)


def _same_attributes(a: FunctionType, b: FunctionType) -> bool:
    mine, its = vars(a), vars(b)
    return mine.keys() == its.keys() and all(mine[name] is its[name] for name in mine)


def function_like(old: FunctionType, parts: list[Any]) -> FunctionType:
    """The function with other parts; itself where they are the same."""
    mine = _parts(old)
    if len(mine) == len(parts) and all(a is b for a, b in zip(mine, parts, strict=True)):
        return old
    cells = list(old.__closure__ or ())
    makers = list(_functions[old])
    places = [k for k, _ in _settled(old)]
    for k, part in zip(places, parts, strict=False):
        cells[k], makers[k] = filled_cell(part), _has_ended
        _makers[id(cells[k])] = _has_ended
    own = _own_names(old)
    for k in own:
        cells[k] = CellType()
        _makers[id(cells[k])] = _has_ended
    rest = parts[len(places) :]
    count = len(old.__defaults__ or ())
    defaults = tuple(rest[:count]) if old.__defaults__ is not None else None
    new = FunctionType(old.__code__, old.__globals__, old.__name__, defaults, tuple(cells))
    if old.__kwdefaults__ is not None:
        new.__kwdefaults__ = dict(zip(old.__kwdefaults__, rest[count:], strict=True))
    new.__qualname__, new.__module__ = old.__qualname__, old.__module__
    new.__dict__.update(old.__dict__)
    for k in own:
        cells[k].cell_contents = new
    _functions[new] = tuple(makers)
    return new
