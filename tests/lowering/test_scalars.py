"""Functions on Python scalars: Python's own results, bit for bit where they are whole."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import fx

from fxexport.graph import scalars
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.signature import InputSpec, OutputSpec
from fxexport.lowering import lower
from tests.support.lowering import compare

DTYPES = {int: torch.int64, float: torch.float64, bool: torch.bool}

BINARY = [
    operator.add, operator.sub, operator.mul, operator.eq, operator.ne, operator.lt, operator.le,
    operator.gt, operator.ge,
]  # fmt: skip
DIVISIONS = [operator.truediv, operator.floordiv, operator.mod]
INTS = [(7, 3), (-7, 3), (7, -3), (-7, -3), (6, 3), (0, 5), (2**40, 3)]
FLOATS = [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-7.5, -2.0), (1.0, 0.1), (0.0, 3.0), (6.0, 3.0)]
MIXED = [(7, 2.5), (-7, 2.5), (2.5, 2), (-2.5, 2)]
BOOLS = [(True, True), (True, 2), (3, True), (False, 1.5)]


def run(function: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """What Python gives, and what ONNX Runtime gives with every argument as an input."""
    import onnxruntime

    graph = fx.Graph()
    nodes, specs = [], []
    for k, arg in enumerate(args):
        node = graph.placeholder(f"x{k}")
        node.meta["val"] = arg
        nodes.append(node)
        kind = type(arg)
        specs.append(InputSpec(f"x{k}", kind.__name__, DTYPES[kind]))  # type: ignore[arg-type]
    expected = function(*args)
    call = graph.call_function(function, tuple(nodes))
    call.meta["val"] = expected
    graph.output((call,))
    kind = type(expected)
    captured = CapturedGraph(
        fx.GraphModule(torch.nn.Module(), graph),
        specs,
        [OutputSpec("y", kind.__name__)],  # type: ignore[arg-type]
    )
    model = ir.to_proto(lower(captured, opset=20))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feeds = {f"x{k}": np.asarray(arg, dtype=DTYPE[type(arg)]) for k, arg in enumerate(args)}
    return expected, session.run(None, feeds)[0]


DTYPE = {int: np.int64, float: np.float64, bool: np.bool_}


def agree(function: Callable[..., Any], *args: Any) -> None:
    expected, actual = run(function, *args)
    compare(expected, actual, 1e-15)


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_arithmetic_and_comparison(function: Callable[..., Any]) -> None:
    for args in [INTS[1], FLOATS[2], *MIXED[:2], *BOOLS]:
        agree(function, *args)


@pytest.mark.parametrize("function", DIVISIONS, ids=lambda f: f.__name__)
def test_division_rounds_as_python_does(function: Callable[..., Any]) -> None:
    for args in [*INTS, *FLOATS, *MIXED, (True, 2)]:
        agree(function, *args)


@pytest.mark.parametrize(
    "args", [(2, 10), (-3, 3), (3, 0), (0, 0), (2, -1), (2.0, 3), (2, 0.5), (9.0, 0.5), (-2, 7)]
)
def test_power(args: tuple[Any, Any]) -> None:
    agree(operator.pow, *args)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (operator.neg, [(3,), (-2.5,), (True,)]),
        (scalars.and_, [(True, False), (True, True)]),
        (scalars.or_, [(True, False), (False, False)]),
        (scalars.not_, [(True,), (False,)]),
        (scalars.maximum, [(3, 5), (2.5, -1.0)]),
        (scalars.minimum, [(3, 5), (2.5, -1.0)]),
        (scalars.absolute, [(-3,), (-2.5,)]),
        (scalars.to_int, [(2.9,), (-2.9,), (True,), (4,)]),
        (scalars.to_float, [(2,), (True,), (1.5,)]),
        (scalars.to_bool, [(2,), (0,), (0.0,), (-0.5,), (True,)]),
        (scalars.floor, [(2.5,), (-2.5,), (3,)]),
        (scalars.ceil, [(2.5,), (-2.5,), (3,)]),
        (scalars.round_half_even, [(0.5,), (1.5,), (2.5,), (-0.5,), (-1.5,), (2.4,), (3,)]),
        (scalars.select, [(True, 1, 2), (False, 1.5, 2.5), (False, True, False)]),
        (math.sqrt, [(2.0,), (9,)]),
        (math.exp, [(1.5,), (2,)]),
        (math.log, [(1.5,), (2,)]),
        (math.log2, [(8.0,), (3,)]),
        (math.sin, [(1.0,)]),
        (math.cos, [(1.0,)]),
        (math.tan, [(1.0,)]),
        (math.tanh, [(0.5,)]),
        (math.atan, [(0.5,), (-3.0,), (1e20,), (-1e300,), (0.0,)]),
    ],
    ids=lambda f: getattr(f, "__name__", ""),
)
def test_function(function: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> None:
    for args in arguments:
        agree(function, *args)


def test_every_scalar_function_is_lowered() -> None:
    from fxexport.lowering.scalars import _LOWERINGS

    assert set(_LOWERINGS) >= scalars.SCALAR_FUNCTIONS
