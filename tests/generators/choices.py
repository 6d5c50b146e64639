"""Random statements on values that are one of several things, for `random_programs`.

Types beside those of `random_expressions`: fn (a function of a row), key (one of a few texts),
some (None, text, a number, a tensor of any rank, a tuple, or an object of one of two classes), and
those of `aliases`, which are changed in place.
"""

from __future__ import annotations

from tests.generators import aliases
from tests.generators.expressions import Scope
from tests.random_programs import Writer

__all__ = ["PRELUDE", "ChoiceWriter"]

PRELUDE = (
    """
import functools


class Scale:
    def __init__(self, by):
        self.by = by

    def apply(self, row):
        return (row * self.by).clamp(-3.0, 3.0)


class Shift:
    def __init__(self, by, times=1):
        self.by, self.times = by, times

    def apply(self, row):
        return (row + self.by * self.times).clamp(-3.0, 3.0)


FACTORS = {"a": 0.5, "b": -0.75, "c": 1.25, "n0": 0.3, "n1": -1.5, "n2": 0.7}


def shifted(by):
    return lambda row: torch.tanh(row + by)


def chained(first, second):
    def both(row):
        return second(first(row))

    return both


def row_of(some, x):
    if some is None:
        return x.sum(0)
    if isinstance(some, str):
        return x.sum(0) * len(some)
    if isinstance(some, tuple):
        total = x.sum(0) * 0.5
        for part in some:
            total = total + row_of(part, x)
        return total
    if isinstance(some, (Scale, Shift)):
        return some.apply(x.sum(0))
    if isinstance(some, torch.Tensor) and some.dim() == 2:
        return some.sum(0)
    if isinstance(some, torch.Tensor):
        return some + x.sum(0) * 0.25
    return x.sum(0) * 0.1 + some


"""
    + aliases.PRELUDE
)


class ChoiceWriter(Writer):
    """Writes statements on functions, texts and unions beside those of `Writer`."""

    def statement(self, scope: Scope, depth: int, nesting: int) -> None:
        """One statement; most are about a value that is one of several."""
        chance = self.rng.random()
        if chance < 0.3:
            super().statement(scope, depth, nesting)
            return
        self.budget -= 1
        if chance < 0.65:
            aliases.Aliases(self).write(scope, depth, nesting)
            return
        kinds = ["bind"] * 4 + ["use"] * 3
        if nesting < 3 and self.budget > 0:
            kinds += ["either", "either", "ask", "ask"]
        getattr(self, f"_choice_{self.rng.choice(kinds)}")(scope, depth, nesting)

    def returns(self, scope: Scope) -> str:
        """A return of what the model gives, and of what became of all that has several names."""
        things = ["x", *aliases.Aliases(self).things(scope)]
        return f"{super().returns(scope)}, digest({', '.join(things)})"

    def _value(self, kind: str, scope: Scope) -> str:
        rng, expressions = self.rng, self.expressions
        row, number = expressions.bounded("row", scope, 0), expressions.int_(scope, 0)
        known = scope.names(kind)
        if kind == "key":
            numbered = [f"f'n{{({number}) % 3}}'"]
            return rng.choice(["'a'", "'b'", "'c'", *numbered, *known])
        if kind == "fn":
            deep = [
                "torch.tanh",
                "torch.relu",
                f"shifted({expressions.num(scope, 0)})",
                f"functools.partial(torch.mul, {expressions.factor()})",
                f"Scale({expressions.factor()}).apply",
                f"(lambda row: row * {expressions.factor()})",
                f"[torch.sin, torch.relu, torch.neg][({number}) % 3]",
            ]
            if known and not self.loops:  # a chain that grows in a loop has no end
                deep.append(f"chained({rng.choice(known)}, torch.sin)")
            return rng.choice(deep + known)
        deep = [
            "None",
            "'text'",
            number,
            row,
            expressions.bounded("mat", scope, 0),
            f"({row}, {number})",
            f"({row},)",
            f"({row}, 'b', {expressions.num(scope, 0)})",
            f"Scale({expressions.factor()})",
            f"Shift({expressions.num(scope, 0)})",
            f"Shift({row}, {number})",
        ]
        return rng.choice(deep + known)

    def _some(self, kind: str, scope: Scope, depth: int) -> str:
        """A variable of a type; a new one where there is none."""
        known = scope.names(kind)
        if known:
            return self.rng.choice(known)
        name = self.fresh(kind[0])
        self.emit(depth, f"{name} = {self._value(kind, scope)}")
        scope.add(name, kind)
        return name

    def _choice_bind(self, scope: Scope, depth: int, nesting: int) -> None:
        kind = self.rng.choice(("fn", "key", "some", "some"))
        name = self._some(kind, scope, depth)
        value = self._value(kind, scope)
        if self.rng.random() < 0.4:
            condition = self.expressions.condition(scope, 1)
            value = f"{value} if {condition} else {self._value(kind, scope)}"
        self.emit(depth, f"{name} = {value}")

    def _choice_either(self, scope: Scope, depth: int, nesting: int) -> None:
        """An if that leaves one of two things."""
        kind = self.rng.choice(("fn", "key", "some", "some"))
        name = self._some(kind, scope, depth)
        self.emit(depth, f"if {self.expressions.condition(scope, 2)}:")
        inner = scope.inner()
        if self.rng.random() < 0.4:
            self.statement(inner, depth + 1, nesting + 1)
        self.emit(depth + 1, f"{name} = {self._value(kind, inner)}")
        if self.rng.random() < 0.4:
            self.emit(depth, "else:")
            self.emit(depth + 1, f"{name} = {self._value(kind, scope)}")

    def _choice_use(self, scope: Scope, depth: int, nesting: int) -> None:
        kind = self.rng.choice(("fn", "key", "some", "some"))
        name = self._some(kind, scope, depth)
        row = self.expressions.row(scope, 0)
        value = {
            "fn": f"{name}({row})",
            "key": f"{row} * FACTORS[{name}]",
            "some": f"row_of({name}, x)",
        }[kind]
        old = scope.assignable("row")
        target = self.rng.choice(old) if old and self.rng.random() < 0.7 else self.fresh("r")
        self.emit(depth, f"{target} = ({value}).clamp(-3.0, 3.0)")
        scope.add(target, "row")

    def _choice_ask(self, scope: Scope, depth: int, nesting: int) -> None:
        """An if on what a value is."""
        kind = self.rng.choice(("key", "some", "some"))
        name = self._some(kind, scope, depth)
        tests = {
            "key": [
                f"{name} == 'a'",
                f"{name} in ('b', 'n1')",
                f"{name}.startswith('n')",
                f"{name} != 'c'",
            ],
            "some": [
                f"{name} is None",
                f"isinstance({name}, tuple)",
                f"isinstance({name}, torch.Tensor)",
                f"isinstance({name}, (int, str))",
                f"isinstance({name}, Scale)",
            ],
        }
        self.emit(depth, f"if {self.rng.choice(tests[kind])}:")
        self.block(scope.inner(leave=True), depth + 1, nesting + 1, 2)
        if self.rng.random() < 0.4:
            self.emit(depth, "else:")
            self.block(scope.inner(leave=True), depth + 1, nesting + 1, 2)
