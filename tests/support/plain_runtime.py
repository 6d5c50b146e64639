"""The operators of rewritten code as plain Python: what they mean when nothing is symbolic."""

from __future__ import annotations

import ast
import contextlib
import operator
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from fxexport.capture.operators.arithmetic import AUGMENT, BINARY, BITWISE
from fxexport.capture.operators.variables import local_names
from fxexport.capture.python.statements import RUNTIME, rewrite_function

__all__ = ["PlainRuntime", "original", "rewritten"]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.is_,
    "is not": operator.is_not,
    "in": lambda a, b: a in b,
    "not in": lambda a, b: a not in b,
}


def _flag(body: Any, name: str | None) -> Callable[[], Any]:
    if name is None:
        return lambda: False
    cell = dict(zip(body.__code__.co_freevars, body.__closure__ or (), strict=True))[name]
    return lambda: cell.cell_contents


class PlainRuntime:
    """Python's own meaning of every operator; `used` names those that ran."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name != "used":
            object.__getattribute__(self, "used").add(name)
        return object.__getattribute__(self, name)

    def if_stmt(
        self, test: Any, then: Any, other: Any, names: Any, globals_: Any, place: Any = None
    ) -> None:
        (then if test else other)()

    def if_return(
        self, test: Any, then: Any, other: Any, names: Any, globals_: Any, place: Any = None
    ) -> Any:
        return (then if test else other)()

    def if_exp(self, test: Any, then: Any, other: Any, names: Any, place: Any = None) -> Any:
        return (then if test else other)()

    def generated(self, plain: Any, produce: Any) -> Any:
        return plain()

    managing = generated

    def constructed(self, cls: Any, args: Any, kwargs: Any) -> Any:
        return cls(*args, **kwargs)

    def while_stmt(
        self, test: Any, body: Any, names: Any, globals_: Any, flag: Any, place: Any = None
    ) -> None:
        broken = _flag(body, flag)
        while not broken() and test():
            body()

    def for_stmt(
        self, items: Any, body: Any, names: Any, globals_: Any, flag: Any, place: Any = None
    ) -> None:
        broken = _flag(body, flag)
        for item in items:
            body(item)
            if broken():
                break

    def and_value(self, *thunks: Any, place: Any = None) -> Any:
        value: Any = True
        for thunk in thunks:
            value = thunk()
            if not value:
                break
        return value

    def or_value(self, *thunks: Any, place: Any = None) -> Any:
        value: Any = False
        for thunk in thunks:
            value = thunk()
            if value:
                break
        return value

    and_, or_ = and_value, or_value

    def chain(self, symbols: Any, left: Any, *thunks: Any) -> Any:
        value: Any = True
        for symbol, thunk in zip(symbols, thunks, strict=True):
            right = thunk()
            value = _COMPARE[symbol](left, right)
            if not value:
                break
            left = right
        return value

    def assert_stmt(self, test: Any, message: Any) -> None:
        if not test:
            raise AssertionError(*message())

    def try_stmt(
        self, statement: Any, body: Any, catching: Any, raising: Any, names: Any, globals_: Any
    ) -> Any:
        def named() -> Any:
            with local_names():
                return body()

        return statement(named)

    @contextlib.contextmanager
    def trying(self, catching: Any, raising: Any) -> Iterator[None]:
        yield

    def handled(self) -> BaseException | None:
        return sys.exception()

    def with_stmt(self, manager: Any, body: Any, names: Any, globals_: Any) -> Any:
        with manager as entered:
            return body(entered)

    def augment(self, name: str, old: Any, value: Any) -> Any:
        return AUGMENT[name](old, value)

    def binary(self, name: str, a: Any, b: Any) -> Any:
        return BINARY[name](a, b)

    def unary(self, name: str, value: Any) -> Any:
        return +value if name == "UAdd" else ~value

    def order(self, symbol: str, a: Any, b: Any) -> Any:
        return _COMPARE[symbol](a, b)

    def bitwise(self, name: str, a: Any, b: Any) -> Any:
        return BITWISE[name](a, b)

    def generator(self, items: Any, element: Any, several: bool, test: Any = None) -> Any:
        def applied(function: Any, item: Any) -> Any:
            return function(*item) if several else function(item)

        return (applied(element, i) for i in items if test is None or applied(test, i))

    def list_comp(self, fill: Any) -> Any:
        made: list[Any] = []
        fill(made)
        return made

    def comp_for(self, items: Any, body: Any, structure: Any) -> None:
        for item in items:
            body(*([item] if structure is None else _flat(structure, item)))

    def comp_if(self, test: Any, then: Any, place: Any = None) -> None:
        if test:
            then()

    def comp_add(self, made: Any, value: Any) -> None:
        made.append(value)

    def multiply(self, a: Any, b: Any) -> Any:
        return a * b

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def set_attr(self, value: Any, owner: Any, name: str) -> None:
        setattr(owner, name, value)

    def del_attr(self, owner: Any, name: str) -> None:
        delattr(owner, name)

    def set_item(self, value: Any, container: Any, key: Any) -> None:
        container[key] = value

    def del_item(self, container: Any, key: Any) -> None:
        del container[key]

    def get_attr(self, owner: Any, name: str) -> Any:
        return getattr(owner, name)

    def get_item(self, container: Any, key: Any) -> Any:
        return container[key]

    def slice(self, *parts: Any) -> Any:
        return slice(*parts)

    def outer_writes(self, reader: Any, globals_: Any) -> None:
        pass

    def new_keywords(self, keywords: dict[str, Any]) -> None:
        """The dict of a ``**keywords`` parameter is noted."""

    def entered(self, reader: Any, rebound: Any) -> None:
        pass

    def noting(self, noted: Any) -> Any:
        return lambda function: function

    def not_(self, value: Any) -> Any:
        return not value

    def truth(self, value: Any) -> bool:
        return bool(value)

    def iterate(self, value: Any) -> Any:
        return iter(value)

    def eq(self, a: Any, b: Any) -> Any:
        return a == b

    def ne(self, a: Any, b: Any) -> Any:
        return a != b

    def is_(self, a: Any, b: Any) -> Any:
        return a is b

    def is_not(self, a: Any, b: Any) -> Any:
        return a is not b

    def contains(self, item: Any, container: Any) -> Any:
        return item in container

    def lacks(self, item: Any, container: Any) -> Any:
        return item not in container

    def with_certain(self, function: Any, args: Any, kwargs: Any) -> Any:
        return function(*args, **kwargs)

    def call(self, value: Any) -> Any:
        return value

    def text(self, *pieces: Any) -> str:
        shown = {115: str, 114: repr, 97: ascii}
        return "".join(
            piece
            if isinstance(piece, str)
            else format(shown.get(piece[1], lambda value: value)(piece[0]), piece[2] or "")
            for piece in pieces
        )

    def percent(self, template: str, values: Any) -> str:
        return template % values

    def unpack(self, value: Any, before: int, after: Any = None) -> Any:
        return value

    def call_with_stars(self, function: Any, with_keys: bool) -> Any:
        return self.call(function)

    read = starred = number = fresh = formatted = match_subject = raising = mapping = keys_given = (
        call_with_keys
    ) = context = call


def _flat(structure: Any, item: Any) -> list[Any]:
    values = []
    for inner, part in zip(structure, item, strict=True):
        values.extend([part] if inner is None else _flat(inner, part))
    return values


def original(text: str, namespace: dict[str, Any]) -> Any:
    """The function ``f`` of a source text."""
    exec(compile(textwrap.dedent(text), "<program>", "exec", dont_inherit=True), namespace)
    return namespace["f"]


def rewritten(text: str, namespace: dict[str, Any], runtime: PlainRuntime) -> Any:
    """The same with ``f`` rewritten; what stands beside it stays as it is."""
    module = ast.parse(textwrap.dedent(text))
    kept = [statement for statement in module.body if getattr(statement, "name", "") != "f"]
    (function,) = (s for s in module.body if isinstance(s, ast.FunctionDef) and s.name == "f")
    defaults = (function.args.defaults, function.args.kw_defaults)
    new = rewrite_function(function, None)
    assert isinstance(new, ast.FunctionDef)
    new.args.defaults, new.args.kw_defaults = defaults
    tree = ast.fix_missing_locations(ast.Module([*kept, new], []))
    namespace[RUNTIME] = runtime
    exec(compile(tree, "<rewritten>", "exec", dont_inherit=True), namespace)
    return namespace["f"]
