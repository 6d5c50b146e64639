"""Which functions are converted, and that all of Python's ways to write one are found."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from fxexport.capture.python.converter import Converter
from fxexport.profiles.dims import parse_dim
from tests.support.harness import run_model
from tests.support.plain_runtime import PlainRuntime


class Runtime(PlainRuntime):
    """Plain operators whose calls are converted, as in a capture."""

    def __init__(self) -> None:
        super().__init__()
        self.converter = Converter(self, lambda module: contextlib.nullcontext(), {})

    def replacement_for(self, function: object) -> None:
        return None

    def call(self, value: Any) -> Any:
        return self.converter.callable_for(value)


def run(function: Callable[..., Any], *args: Any) -> tuple[Any, set[str]]:
    """The result of the converted function, and the operators that it used."""
    runtime = Runtime()
    return runtime.converter.callable_for(function)(*args), runtime.used


def plain(x: int) -> str:
    if x > 0:
        return "positive"
    return "other"


class Base:
    def sign(self, x: int) -> str:
        return "base" if x else "zero"

    @property
    def kind(self) -> str:
        if isinstance(self, Child):
            return "child"
        return "base"


class Child(Base):
    __secret = 7

    def __init__(self, start: int = 0) -> None:
        super().__init__()
        if start > 2:
            start = 2
        self.start = start

    def sign(self, x: int) -> str:
        if x < 0:
            return "negative " + super().sign(x)
        return super().sign(x)

    def old_super(self, x: int) -> str:
        return super(Child, self).sign(x) if x else __class__.__name__  # type: ignore[name-defined] # noqa: UP008

    def private(self, __x: int) -> int:
        if __x:
            return self.__secret + __x
        return self.__hidden()

    def __hidden(self) -> int:
        return -1 if self.start else -2

    @classmethod
    def make(cls, x: int) -> str:
        if x:
            return cls.__name__
        return "none"

    @staticmethod
    def free(x: int) -> int:
        return x + 1 if x else 0

    def __call__(self, x: int) -> int:
        return x * 2 if x else 5


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if result == "positive":
            return "very " + result
        return result

    return wrapper


@decorated
def wrapped(x: int) -> str:
    if x > 0:
        return "positive"
    return "other"


@functools.lru_cache(maxsize=None)  # noqa: UP033
def cached(x: int) -> str:
    return "yes" if x > 0 else "no"


def with_defaults(x: int, a: int = 3, *, b: int = 4) -> int:
    return a if x else b


def make_closure(n: int) -> Callable[[int], int]:
    def inner(x: int) -> int:
        if x > n:
            return x
        return n

    return inner


def make_counter() -> Callable[[int], int]:
    count = 0

    def inner(x: int) -> int:
        nonlocal count
        if x:
            count += x
        return count

    return inner


# fmt: off
FIRST, SECOND = (lambda x: 1 if x else 2), (lambda x: 10 if x else 20)
TABLE = {"a": lambda x: "a" if x else "-", "b": lambda x: "b" if x else "-"}
NESTED = lambda x: (lambda y: y if x else -y)  # noqa: E731
LONG = (  # noqa: E731
    lambda x:
        "long" if x
        else "none"
)
# fmt: on


def recursive(n: int) -> int:
    if n <= 0:
        return 0
    return n + recursive(n - 1)


@contextlib.contextmanager
def managed(log: list[str]) -> Any:
    log.append("in" if not log else "again")
    yield log
    log.append("out")


def uses_manager(x: int) -> list[str]:
    log: list[str] = []
    with managed(log):
        if x:
            log.append("body")
    return log


@dataclass
class Box:
    value: int = 0

    def __post_init__(self) -> None:
        if self.value > 2:
            self.value = 2


def uses_box(x: int) -> int:
    box = Box(x)
    return box.value if x else -1


async def asynchronous(x: int) -> int:
    return x if x else 1


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "a function": (plain, (1, 0)),
    "a method": (Child(1).sign, (-1, 0, 1)),
    "the two-argument super": (Child(1).old_super, (0, 1)),
    "private names": (Child(1).private, (0, 3)),
    "private names of a base object": (Child(0).private, (0, 3)),
    "a class method": (Child.make, (0, 1)),
    "a static method": (Child.free, (0, 1)),
    "an object with __call__": (Child(), (0, 1)),
    "a class": (lambda x: Child(x).start, (1, 5)),
    "a property": (lambda x: Child(x).kind, (1,)),
    "a decorated function": (wrapped, (0, 1)),
    "a cached function": (cached, (0, 1)),
    "defaults": (with_defaults, (0, 1)),
    "a closure": (make_closure(3), (1, 5)),
    "a partial": (functools.partial(with_defaults, a=8), (0, 1)),
    "a partial of a partial": (functools.partial(functools.partial(with_defaults, b=2), 0), ()),
    "one of two lambdas on a line": (FIRST, (0, 1)),
    "the other of two lambdas": (SECOND, (0, 1)),
    "a lambda in a table": (TABLE["a"], (0, 1)),
    "another lambda in it": (TABLE["b"], (0, 1)),
    "a lambda in a lambda": (lambda x: NESTED(x)(4), (0, 1)),
    "a lambda over lines": (LONG, (0, 1)),
    "recursion": (recursive, (0, 4)),
    "a context manager": (uses_manager, (0, 1)),
    "a dataclass": (uses_box, (0, 5)),
}


@pytest.mark.parametrize("name", CASES)
def test_converted_functions_do_the_same(name: str) -> None:
    function, values = CASES[name]
    for value in values or (None,):
        args = () if value is None else (value,)
        result, used = run(function, *args)
        assert result == function(*args)
        assert used & {"if_stmt", "if_return", "if_exp"}, "it was not converted"


def test_a_closure_writes_to_the_variable_that_it_shares() -> None:
    counter = make_counter()
    assert counter(2) == 2
    assert run(counter, 3)[0] == 5
    assert counter(0) == 5


def test_defaults_are_the_objects_that_the_function_has() -> None:
    marker = object()

    def f(x: int, a: Any = marker, *, b: Any = marker) -> Any:
        return (a, b) if x else None

    result, _ = run(f, 1)
    assert result[0] is marker and result[1] is marker


def test_names_and_attributes_are_kept() -> None:
    plain.note = "kept"  # type: ignore[attr-defined]
    new = Runtime().converter.callable_for(plain)
    assert (new.__name__, new.__qualname__, new.__module__) == ("plain", "plain", __name__)
    assert new.note == "kept"
    assert new.__code__.co_filename == __file__
    assert plain.__code__ is not new.__code__


def test_globals_are_the_functions_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: int) -> Any:
        return plain(x) if x else None

    monkeypatch.setitem(globals(), "plain", lambda x: "replaced" if x else "")
    assert run(f, 1)[0] == "replaced"


@pytest.mark.parametrize(
    "function",
    [
        json.dumps,
        logging.getLogger,
        inspect.signature,
        contextlib.contextmanager,
        torch.relu,
        torch.nn.init.ones_,
        len,
        parse_dim,
    ],
    ids=lambda f: getattr(f, "__name__", str(f)),
)
def test_what_is_none_of_the_models_business_is_left_alone(function: Any) -> None:
    assert Runtime().converter.callable_for(function) is function


@pytest.mark.parametrize(
    "function", [nn.Linear.forward, nn.Sequential.forward, nn.functional.interpolate]
)
def test_torchs_layers_are_converted(function: Any) -> None:
    assert Runtime().converter.callable_for(function).__code__ is not function.__code__


def made_by_exec() -> Callable[..., Any]:
    namespace: dict[str, Any] = {}
    exec("def f(x):\n    return 1 if x else 2", namespace)
    return namespace["f"]  # type: ignore[no-any-return]


def test_a_function_without_source_runs_as_it_is() -> None:
    function = made_by_exec()
    assert Runtime().converter.callable_for(function) is function


def test_a_coroutine_is_left_as_it_is() -> None:
    assert Runtime().converter.callable_for(asynchronous) is asynchronous


def test_a_function_is_compiled_once() -> None:
    converter = Runtime().converter
    assert converter.callable_for(plain).__code__ is converter.callable_for(plain).__code__


# -- through whole exports ---------------------------------------------------------------------

X = [(torch.tensor([1.0, 2.0]),), (torch.tensor([-1.0, -2.0]),), (torch.zeros(0),)]


def agrees(make: Callable[[], Any], inputs: Any = X) -> None:
    outcome = run_model(make, inputs)
    assert outcome.status == "agree", outcome.details


def test_a_condition_in_code_without_source_is_refused_by_name() -> None:
    hidden: dict[str, Any] = {}
    exec("def hidden(x):\n    if x.sum() > 0:\n        return x\n    return -x", hidden)

    def f(x: torch.Tensor) -> torch.Tensor:
        return hidden["hidden"](x)  # type: ignore[no-any-return]

    outcome = run_model(lambda: f, X)
    assert outcome.status == "refused"
    assert outcome.error is not None
    location = outcome.error.location  # type: ignore[attr-defined]
    assert location is not None and location.file == __file__


def test_functions_with_the_same_code_keep_their_own_variables() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        def scale(k: float) -> Callable[[torch.Tensor], torch.Tensor]:
            def inner(v: torch.Tensor) -> torch.Tensor:
                if v.sum() > 0:
                    return v * k
                return v + k

            return inner

        return scale(2.0)(x) + scale(3.0)(x)

    agrees(lambda: f)


def test_lambdas_on_one_line_are_told_apart() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        a, b = (lambda v: v * 2 if v.sum() > 0 else v), (lambda v: v - 3 if v.sum() > 0 else -v)
        return a(x) + b(x)

    agrees(lambda: f)


class Parent(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x * 2
        return x - 1


class Derived(Parent):
    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        return y if y.sum() > 0 else self.__fallback(y)

    def __fallback(self, y: torch.Tensor) -> torch.Tensor:
        return -y if y.numel() > 1 else y + 5


def test_super_private_names_and_decorators_work_in_a_module() -> None:
    agrees(Derived)


class Recursive(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(x, 3)

    def down(self, x: torch.Tensor, n: int) -> torch.Tensor:
        if n == 0:
            return x
        if x.sum() > 0:
            x = x - 1
        return self.down(x * 2, n - 1)


def test_recursion_of_known_depth_is_written_out() -> None:
    agrees(Recursive)


def test_a_generator_with_jumps_is_walked() -> None:
    def numbers(n: int) -> Any:
        for k in range(n):
            if k == 1:
                continue
            if k == 4:
                return
            yield k

    def f(x: torch.Tensor) -> torch.Tensor:
        for k in numbers(9):
            if x.sum() > k:
                x = x - k
        return x

    agrees(lambda: f)


def test_unbounded_recursion_on_a_tensor_is_refused() -> None:
    def down(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 1:
            return down(x / 2)
        return x

    outcome = run_model(lambda: down, X)
    assert outcome.status == "refused", outcome.details


@pytest.mark.parametrize(
    "module",
    [
        "fxexport.capture.operators.staged_functions",
        "fxexport.capture.functions.torch_control_flow",
    ],
)
def test_our_own_code_for_capture_to_read_is_converted(module: str) -> None:
    converter = Runtime().converter
    names = vars(importlib.import_module(module))
    functions = [f for f in names.values() if inspect.isfunction(f) and f.__module__ == module]
    assert functions
    assert all(converter.converted(f) is not f for f in functions)


def test_other_code_of_ours_is_left_alone() -> None:
    assert Runtime().converter.converted(parse_dim) is parse_dim
