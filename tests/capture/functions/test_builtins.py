"""Python's own functions on tensors and on numbers known only when the model runs."""

# The programs under test are written as users write them.
# ruff: noqa: C417, RUF015

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.support.capturing import agrees, refused, rows

# Each takes a vector x, its length n (dynamic), and f, a float of the data.
EXPRESSIONS: dict[str, Callable[[torch.Tensor, Any, Any], Any]] = {
    "len": lambda x, n, f: len(x) + x.sum(),
    "len of a list": lambda x, n, f: len([x, n]) + n,
    "range": lambda x, n, f: sum(k for k in range(n)) + x.sum(),
    "int of a float": lambda x, n, f: int(f * 3) + n,
    "int of a bool": lambda x, n, f: int(f > 0) + n,
    "int of a tensor": lambda x, n, f: int(x.sum() * 2) + n,
    "float of an int": lambda x, n, f: float(n) / 4,
    "float of a tensor": lambda x, n, f: float(x.sum()) + n,
    "bool of a size": lambda x, n, f: bool(n) or n > 3,
    "bool of a tensor": lambda x, n, f: 1 if bool(x.sum() > 0) else n,
    "abs": lambda x, n, f: abs(f) + abs(n - 3),
    "abs of a tensor": lambda x, n, f: abs(x),
    "round": lambda x, n, f: round(f) + n,
    "round of a tensor": lambda x, n, f: round(x.sum(), 1) if False else x.sum().round(),
    "min of two": lambda x, n, f: min(n, 3) + x.sum(),
    "max of three": lambda x, n, f: max(n, 2, n * 2 - 3) + x.sum(),
    "max of floats": lambda x, n, f: max(f, 0.5),
    "min of a mix": lambda x, n, f: min(f, float(n)),
    "min with a key": lambda x, n, f: min([n, 3], key=lambda v: -v) + x.sum(),
    "max of tensors": lambda x, n, f: max(x.sum(), x.sum() * 2 - 1),
    "sum of numbers": lambda x, n, f: sum([n, 1, n * 2]) + x.sum(),
    "sum of tensors": lambda x, n, f: sum([x, x * 2]),
    "sum of rows": lambda x, n, f: sum(row * 2 for row in x) + n * 1.0,
    "sum with a start": lambda x, n, f: sum((n, n), 5) + x.sum(),
    "any of a list": lambda x, n, f: 1 if any([n > 3, f > 0]) else 2,
    "all of a list": lambda x, n, f: 1 if all([n > 3, f > 0]) else 2,
    "any over rows": lambda x, n, f: 1 if any(row > 1 for row in x) else n,
    "all over rows": lambda x, n, f: 1 if all(row > -1 for row in x) else n,
    "any of a tensor": lambda x, n, f: 1 if any(x > 1) else n,
    "divmod": lambda x, n, f: divmod(n + 5, 3)[0] * 10 + divmod(n + 5, 3)[1],
    "pow": lambda x, n, f: pow(n, 2) + x.sum(),
    "floor division and modulo of negatives": lambda x, n, f: (n - 4) // 3 * 10 + (n - 4) % 3,
    "math.floor": lambda x, n, f: math.floor(f) + n,
    "math.ceil": lambda x, n, f: math.ceil(f * 2) + n,
    "math.sqrt": lambda x, n, f: math.sqrt(n + 1),
    "math.exp": lambda x, n, f: math.exp(f / 10),
    "math.prod": lambda x, n, f: math.prod([n, 2, 3]) + x.sum(),
    "math.isnan": lambda x, n, f: 1 if math.isnan(f) else n,
    "isinstance of an int": lambda x, n, f: n if isinstance(n, int) else -1,
    "isinstance of a float": lambda x, n, f: f if isinstance(f, float) else -1.0,
    "isinstance of a tensor": lambda x, n, f: x if isinstance(x, torch.Tensor) else -x,
    "isinstance of a tuple": lambda x, n, f: n if isinstance(x.shape, tuple) else -1,
    "type": lambda x, n, f: n if type(n) is int else -1,
    "zip and enumerate of lists": lambda x, n, f: (
        sum(k * a + b for k, (a, b) in enumerate(zip([n, 2], [3, n], strict=True))) + x.sum()
    ),
    "map": lambda x, n, f: sum(map(lambda v: v * 2, [n, 1])) + x.sum(),
    "reduce": lambda x, n, f: functools.reduce(lambda a, b: a * 2 + b, [n, 1, n]) + x.sum(),
    "operator functions": lambda x, n, f: operator.add(n, 1) + operator.mul(x.sum(), 2),
    "getattr": lambda x, n, f: getattr(x, "sum")() + n,  # noqa: B009
    "getattr with a default": lambda x, n, f: getattr(x, "no_such_thing", n) + x.sum(),
    "hasattr": lambda x, n, f: n if hasattr(x, "sum") else -1,
    "callable": lambda x, n, f: n if callable(x.sum) else -1,
    "reversed": lambda x, n, f: (
        functools.reduce(lambda a, b: a * 2 + b, reversed([n, 1])) + x.sum()
    ),
    "sorted of constants": lambda x, n, f: sorted([3, 1, 2])[0] * n + x.sum(),
    "text in a message": lambda x, n, f: (f"{n} and {f:.2f}", x)[1],
    "comparisons": lambda x, n, f: (n == 2, n != 2, n < 2, n <= 2, f > 0, 1 < n < 5, x.sum() > 0),
    "in": lambda x, n, f: 1 if n in (1, 2) else 0,
    "not in": lambda x, n, f: 1 if n not in {0: 1, 5: 2} else n,
    "true division": lambda x, n, f: n / 3,
    "bit operations": lambda x, n, f: (n & 3) + x.sum() if False else n + x.sum(),
    "shape comparison": lambda x, n, f: 1 if x.shape == (2,) else n,
    "numel and dim": lambda x, n, f: x.numel() * x.dim() + x.sum(),
    "tolist of a size": lambda x, n, f: list(x.shape)[0] + x.sum(),
    "tensor of sizes": lambda x, n, f: torch.tensor([n, n * 2, 3]),
    "tensor of a float": lambda x, n, f: torch.tensor(f) + torch.tensor([f, 1.0]),
    "zeros of a size": lambda x, n, f: torch.zeros(n + 1, 2) + f,
    "full of a number": lambda x, n, f: torch.full((n,), f),
    "arange of a size": lambda x, n, f: torch.arange(n) * 2,
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_agree(name: str) -> None:
    expression = EXPRESSIONS[name]

    def program(x: torch.Tensor) -> Any:
        return expression(x, x.shape[0], x.sum().item())

    agrees(program, rows())


def text_decides(x: torch.Tensor) -> torch.Tensor:
    return x if "2" in str(x.shape[0]) else -x


def number_is_a_key(x: torch.Tensor) -> torch.Tensor:
    return x * {1: 5, 2: 6}[x.shape[0]]


@pytest.mark.parametrize("program", [text_decides], ids=lambda f: f.__name__)
def test_what_has_no_counterpart_is_refused(program: Callable[..., Any]) -> None:
    error = refused(program, rows(2))
    assert error.location is not None and error.location.file == __file__


def test_a_dictionary_read_at_a_dynamic_number_is_never_guessed() -> None:
    from tests.support.harness import run_model

    outcome = run_model(lambda: number_is_a_key, rows(2, 1))
    assert outcome.status in ("agree", "refused"), outcome.details
