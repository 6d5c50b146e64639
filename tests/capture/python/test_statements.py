"""Rewritten functions mean what they meant: run with operators that are plain Python."""

from __future__ import annotations

import ast
import contextlib
import copy
import itertools
from typing import Any

import pytest

from fxexport.capture.python.statements import rewrite_function
from tests.capture.python.test_jumps import noted
from tests.support.plain_runtime import PlainRuntime, original, rewritten
from tests.support.random_bodies import FLAGS, random_body

# Each program defines f(x, y); it runs on all pairs of these numbers.
NUMBERS = (-2, 0, 1, 3)

PROGRAMS = {
    "if elif else": """
        def f(x, y):
            if x > 1: a = 1
            elif x == 0 and y: a = 2
            else: a = 3
            return a
    """,
    "a name bound on one way only": """
        def f(x, y):
            if x > 0: a = y
            return a
    """,
    "while with else": """
        def f(x, y):
            n, out = 0, []
            while n < x:
                n += 1
                if n == y: break
                out.append(n)
            else:
                out.append("else")
            return n, out
    """,
    "for over everything": """
        def f(x, y):
            out = []
            for k in range(x): out.append(k)
            for k, (a, *b) in enumerate([(x, y, 3), (y,)]): out.append((k, a, b))
            for key, value in {"a": x, "b": y}.items(): out.append((key, value))
            for c in "ab": out.append(c)
            return out, k, c
    """,
    "a loop variable keeps its last value": """
        def f(x, y):
            k = "unset"
            for k in range(x):
                if k == y: break
            return k
    """,
    "a loop over an attribute or item target": """
        def f(x, y):
            class Box: pass
            box, table = Box(), {}
            for box.value in range(3):
                for table["key"] in (x, y): pass
            return box.value, table
    """,
    "conditional expressions": """
        def f(x, y):
            return (x if x > y else y if y else "none"), (1 if x else 2) + (3 if y else 4)
    """,
    "and or not as values": """
        def f(x, y):
            a = x and y, x or y, x or y or "z", x and y and "z", not x
            return a, not (x and y), (x or 5) + 1
    """,
    "short circuits": """
        def f(x, y):
            log = []
            def note(v):
                log.append(v)
                return v
            r = note(x) and note(y) or note(7)
            if note(x) or note(y): log.append("if")
            return r, log
    """,
    "chained comparisons": """
        def f(x, y):
            log = []
            def note(v):
                log.append(v)
                return v
            return note(0) < note(x) <= note(y) != note(9), x == y == 1, 0 in (x, y) is True, log
    """,
    "in and is": """
        def f(x, y):
            return x in (0, 1), x not in {3: 1}, x is y, x is not None, x in range(y)
    """,
    "augmented assignments": """
        def f(x, y):
            a = [x]
            b = a
            a += [y]
            d = {"k": x}
            d["k"] *= 3
            d["k"] -= y
            n = x
            n **= 2; n //= 2; n %= 5; n |= 8; n &= 13; n ^= y & 3; n <<= 1; n >>= 1
            m = x
            m /= 2
            return a is b, a, d, n, m
    """,
    "augmented assignment evaluates its target once": """
        def f(x, y):
            log = []
            data = [1, 2, 3]
            def index():
                log.append("index")
                return 1
            def holder():
                log.append("holder")
                return data
            holder()[index()] += x
            return data, log
    """,
    "unpacking": """
        def f(x, y):
            (a, b), *c, d = (x, y), 1, 2, [x]
            [p, q] = [q, p] = x, y
            e = g = [a]
            class Box: pass
            box = Box()
            box.v, data = x, {}
            data["k"], box.w = y, x
            (data["n"], (box.z, *data["m"])) = x, (y, 1, 2)
            return a, b, c, d, p, q, e is g, box.v, box.w, box.z, data
    """,
    "slices and subscripts": """
        def f(x, y):
            a = list(range(10))
            a[1:3] = [x, y]
            del a[5]
            a[-1] += 1
            t = {(1, 2): x}
            t[1, 2] = y
            return a[::2], a[x:], a[:-1:y or 1], t[1, 2], a[slice(1, 3)]
    """,
    "deletes": """
        def f(x, y):
            class Box: pass
            box = Box()
            box.v = x
            del box.v
            a, d = 1, {1: x, 2: y}
            del a, d[1]
            try:
                return a
            except NameError as e:
                return type(e).__name__, hasattr(box, "v"), d
    """,
    "comprehensions": """
        def f(x, y):
            a = [k * x for k in range(4) if k % 2 if k > y]
            b = {k: v for k, v in zip("ab", (x, y))}
            c = {k for row in [[x], [y]] for k in row}
            d = sum(k + j for k in range(2) for j in range(k))
            e = list((k, v) for k, v in b.items())
            return a, b, c, d, e, any(k > x for k in (1, y)), all(k for k in (x, y))
    """,
    "a comprehension has names of its own": """
        def f(x, y):
            k = "outer"
            a = [k for k in range(2)]
            return k, a
    """,
    "the walrus": """
        def f(x, y):
            if (n := x + 1) > 1: a = n
            else: a = -n
            while (m := a + y) < 0: a += 3
            b = [last := k for k in range(3)]
            return n, a, m, b, last, (z := 5) and z
    """,
    "the walrus in a condition": """
        def f(x, y):
            if x > 0 and (n := x + y) > 0: return n
            r = (p := y) if x else (p := 9)
            return r, p
    """,
    "functions inside": """
        def f(x, y):
            def add(a, b=x, *c, d=y, **e):
                if a > 0: return a + b + d + sum(c)
                return -a
            twice = lambda v, w=x: add(v) + w if v else 0
            return add(1), add(-1), add(x, y, 3, d=4, e=5), twice(x), twice(0)
    """,
    "nonlocal and closures": """
        def f(x, y):
            count = 0
            def step():
                nonlocal count
                if x > 0:
                    count += x
                for _ in range(2): count += 1
                return count
            def outer():
                def inner():
                    return count + y
                return inner()
            return step(), step(), outer(), count
    """,
    "globals": """
        total = 0
        def f(x, y):
            global total
            if x > 0: total = x
            for k in range(2): total += y
            return total
    """,
    "a local of the same name as a global": """
        value = 100
        def f(x, y):
            def g(): return value
            if x:
                other = g()
            else:
                other = value
            return other
    """,
    "generators": """
        def f(x, y):
            def g(n):
                for k in range(n):
                    if k == y: continue
                    if k > 2: return
                    yield k
                else:
                    yield "end"
            def h():
                got = yield from g(x)
                yield got
            return list(g(4)), list(h())
    """,
    "send": """
        def f(x, y):
            def g():
                got = yield 1
                while got: got = yield got + x
            it = g()
            return next(it), it.send(2), it.send(3)
    """,
    "try": """
        def f(x, y):
            log = []
            try:
                log.append(1 / x)
                if y < 0: raise KeyError("k")
            except ZeroDivisionError:
                log.append("zero")
            except (KeyError, ValueError) as error:
                log.append(repr(error))
            else:
                log.append("else")
            finally:
                log.append("finally")
            return log
    """,
    "raise from": """
        def f(x, y):
            try:
                raise KeyError(x)
            except KeyError as e:
                if y: raise ValueError("v") from e
                raise
    """,
    "asserts": """
        def f(x, y):
            assert x > 0, f"x is {x}"
            assert y
            return x
    """,
    "with": """
        def f(x, y):
            log = []
            with noted(log, x) as n, noted(log, y):
                if x > 0: return log
                log.append(n)
            return log
    """,
    "match": """
        def f(x, y):
            match (x, y):
                case (0, _): return "zero"
                case (a, b) if a == b: return "same", a
                case (1 | 3 as n, other): return n, other
                case _: return "rest"
    """,
    "match with structures": """
        def f(x, y):
            out = []
            for item in [{"k": x, "l": 1}, [x, y, 3], (1,), "text", None, x, 2.5]:
                match item:
                    case {"k": value, **rest}: out.append((value, rest))
                    case [first, *more] if more: out.append((first, more))
                    case [only]: out.append(only)
                    case str() as s: out.append(s)
                    case None: out.append("none")
                    case int(): out.append("int")
                    case _: continue
                out.append("matched")
            return out
    """,
    "f-strings": """
        def f(x, y):
            w = 5
            return f"{x!r:>{w}}|{y:+d}|{x + y=}|{'a' if x else 'b'}"
    """,
    "star arguments": """
        def f(x, y):
            def g(*a, k=0, **kw): return a, k, sorted(kw)
            a = g(*(x, y), k=1, **{"z": 3}), g(x, *[y])
            return a, [*range(2), x], {**{"a": x}, "b": y}, (*"ab",)
    """,
    "annotations": """
        def f(x, y):
            a: int = x
            b: "no such name" = y
            c: list[int]
            if a > 0:
                d: float = 1.5
            else:
                d: float = 2.5
            return a, b, d
    """,
    "classes inside": """
        def f(x, y):
            class A:
                z = 3
                def __init__(self, v): self.__v = v
                def get(self):
                    if self.__v > 0: return self.__v
                    return -self.__v
                @property
                def double(self): return self.get() * 2 if x else 0
                @staticmethod
                def s(a): return a + 1
            class B(A):
                def get(self): return super().get() + 10
            return A(x).get(), B(y).double, A.s(y), B.z
    """,
    "decorators inside": """
        def f(x, y):
            def twice(g):
                return lambda *a: g(*a) * 2
            @twice
            def h(v):
                if v: return v
                return 7
            return h(x)
    """,
    "lambdas": """
        def f(x, y):
            fs = [lambda v, k=k: v + k if v > 0 else k for k in range(3)]
            a = [g(x) for g in fs], (lambda *a, **k: (a, k))(x, b=y)
            return a, sorted([3, x], key=lambda v: -v)
    """,
    "numbers": """
        def f(x, y):
            a = x + y, x - y, x * y, x ** 2, x // 3, x % 3, -x, +x, ~x
            return a, x & y, x | y, x ^ y, x << 1, 8 >> 1
    """,
    "strings and bytes": """
        def f(x, y):
            return "a" + "b" * max(x, 0), b"x" + b"y", "%d-%s" % (x, y)
    """,
    "recursion": """
        def f(x, y):
            def fact(n):
                if n <= 1: return 1
                return n * fact(n - 1)
            return fact(5) + f(x - 1, y) if x > 0 else y
    """,
    "imports": """
        def f(x, y):
            import math as m
            from collections import OrderedDict
            if x > 0:
                import json
                return json.dumps(x)
            return m.floor(2.5), OrderedDict(a=y)
    """,
    "pass, docstrings and ellipsis": """
        def f(x, y):
            "what it does"
            if x: pass
            else: ...
            while False: pass
            return f.__doc__ is None or ...
    """,
    "nested loops and jumps": """
        def f(x, y):
            out = []
            for a in range(3):
                for b in range(3):
                    if b == x: break
                    if a == y: continue
                    out.append((a, b))
                else:
                    out.append("full")
                    if a == 2: return out
            return out, a, b
    """,
    "keyword only arguments": """
        def f(x, /, y, *, z=4, **rest):
            if x: z += 1
            return z, rest
    """,
    "except binds and unbinds a name": """
        def f(x, y):
            e = 1
            try:
                raise KeyError
            except KeyError as e:
                pass
            return e
    """,
    "locals in a loop body that is not run": """
        def f(x, y):
            for k in []:
                z = k
            return z
    """,
}


def outcome(function: Any, *args: Any) -> Any:
    try:
        return function(*copy.deepcopy(args))
    except Exception as error:
        return (
            type(error),
            type(error.__cause__),
            "" if isinstance(error, NameError) else str(error),
        )


def namespace() -> dict[str, Any]:
    @contextlib.contextmanager
    def note(log: list[Any], mark: Any) -> Any:
        log.append(("in", mark))
        yield mark
        log.append(("out", mark))

    return {"noted": note, "__name__": "program"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_mean_the_same(name: str) -> None:
    text = PROGRAMS[name]
    first = original(text, namespace())
    second = rewritten(text, namespace(), PlainRuntime())
    for x, y in itertools.product(NUMBERS, repeat=2):
        assert outcome(second, x, y) == outcome(first, x, y), (x, y)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_random_bodies_mean_the_same(start: int) -> None:
    for seed in range(start, start + 50):
        text = random_body(seed)
        first = original(text, {"noted": noted})
        second = rewritten(text, {"noted": noted}, PlainRuntime())
        for flags in itertools.product([False, True], repeat=len(FLAGS)):
            logs: tuple[list[Any], list[Any]] = ([], [])
            results = [
                _result(function, flags, log)
                for function, log in zip((first, second), logs, strict=True)
            ]
            assert results[0] == results[1] and logs[0] == logs[1], text


def _result(function: Any, flags: tuple[bool, ...], log: list[Any]) -> Any:
    try:
        return function(*flags, log)
    except Exception as error:
        return type(error)


@pytest.mark.parametrize(
    ("text", "operators"),
    [
        ("def f(x, y):\n    if x: y = 1\n    return y", {"if_stmt"}),
        ("def f(x, y):\n    if x: return 1\n    return y", {"if_return"}),
        ("def f(x, y):\n    return x if y else 1", {"if_exp"}),
        ("def f(x, y):\n    while x < 3: x += 1", {"while_stmt", "augment", "order"}),
        ("def f(x, y):\n    for k in range(2): pass", {"for_stmt", "call"}),
        ("def f(x, y):\n    return x and y", {"and_value"}),
        ("def f(x, y):\n    if x or y: pass", {"or_"}),
        ("def f(x, y):\n    return not x", {"not_"}),
        ("def f(x, y):\n    return 1 < x < y", {"chain"}),
        ("def f(x, y):\n    return x == y", {"eq"}),
        ("def f(x, y):\n    return x in (y,)", {"contains"}),
        ("def f(x, y):\n    assert y == y", {"assert_stmt"}),
        (
            "def f(x, y):\n    return [k for k in range(3) if k]",
            {"list_comp", "comp_for", "comp_if"},
        ),
        ("def f(x, y):\n    return [1, 2][x:]", {"get_item", "slice"}),
        ("def f(x, y):\n    a = {}\n    a[1] = x\n    del a[1]", {"set_item", "del_item"}),
        ("def f(x, y):\n    return f'{x}'", {"text"}),
        ("def f(x, y):\n    try: pass\n    except KeyError: pass", {"try_stmt"}),
    ],
)
def test_what_may_be_symbolic_goes_through_an_operator(text: str, operators: set[str]) -> None:
    runtime = PlainRuntime()
    rewritten(text, {}, runtime)(1, 2)
    assert operators <= runtime.used


def test_a_traceback_names_the_users_line() -> None:
    text = "def f(x, y):\n    if x:\n        for k in range(2):\n            1 / y\n    return 0"
    with pytest.raises(ZeroDivisionError) as error:
        rewritten(text, {}, PlainRuntime())(1, 0)
    assert error.traceback[-2].lineno == 3  # counted from 0; the last one is the operator's


def test_the_tree_that_is_given_stays_as_it_is() -> None:
    tree = ast.parse(
        "def f(self):\n    if self.__x: return 1\n    return [k for k in self.y]"
    ).body[0]
    assert isinstance(tree, ast.FunctionDef)
    before = ast.dump(tree, include_attributes=True)
    rewrite_function(tree, "Box")
    assert ast.dump(tree, include_attributes=True) == before


def test_private_names_get_their_class() -> None:
    tree = ast.parse("def f(self, __a):\n    return self.__x, __a, g(__k=1), self.__y__").body[0]
    assert isinstance(tree, ast.FunctionDef)
    text = ast.unparse(rewrite_function(tree, "_Box"))
    assert "_Box__x" in text and "_Box__a" in text and "_Box__k" in text
    assert "'__y__'" in text


GENERATORS = {
    "loops and ifs": """
        def f(x, y):
            for k in range(x):
                if k == y: continue
                if k > 3: return
                yield k
            while y < 3:
                yield -y
                y += 1
            else:
                yield "end"
    """,
    "arguments": """
        def f(x, y, /, z=2, *more, w=3, **others):
            while x < z + w:
                yield x, y, more, others
                x += 1
    """,
    "from others": """
        def f(x, y):
            def inner(n):
                while n > 0:
                    yield n
                    n -= 1
            yield from inner(x)
            with noted([], 1) as mark:
                for v in inner(y):
                    yield v, mark
    """,
}


class Pushing(PlainRuntime):
    """Takes the form that hands each item to a consumer, and stops it after some."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def generated(self, plain: Any, produce: Any) -> Any:
        items: list[Any] = []
        produce(items.append, lambda: len(items) >= self.most)
        return items


@pytest.mark.parametrize("name", GENERATORS)
def test_both_forms_of_a_generator_give_the_same_items(name: str) -> None:
    text = GENERATORS[name]
    first = original(text, namespace())
    pulled = rewritten(text, namespace(), PlainRuntime())
    for x, y in itertools.product(NUMBERS, repeat=2):
        items = list(first(x, y))
        assert list(pulled(x, y)) == items
        for most in (1, 2, 100):
            pushed = rewritten(text, namespace(), Pushing(most))
            assert pushed(x, y) == items[:most]


@pytest.mark.parametrize(
    "body",
    ["while x: y = yield x", "while x:\n        try: yield x\n        finally: pass"],
)
def test_a_generator_without_a_second_form_stays_as_it_is(body: str) -> None:
    node = ast.parse(f"def f(x, y):\n    {body}").body[0]
    assert isinstance(node, ast.FunctionDef)
    assert "generated" not in ast.unparse(rewrite_function(node, None))
