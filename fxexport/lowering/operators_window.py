"""Window functions of signal processing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import onnx_ir as ir

from fxexport.lowering.builder import OpBuilder
from fxexport.lowering.registry import Table
from fxexport.lowering.values import Value

LOWERINGS = Table()
INT64 = ir.DataType.INT64

_TERMS = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
}


def cosine_window(
    op: OpBuilder, length: int | Value, terms: tuple[float, ...], periodic: bool
) -> Value:
    """a0 - a1 cos(t) + a2 cos(2t) over one turn; one element alone is 1."""
    count = op.cast(length, INT64)
    gaps = op.one("Max", count if periodic else count - 1, 1)
    steps = op.cast(op.one("Range", 0, count, 1), op.dtype)
    turn = steps * (2 * math.pi) / op.cast(gaps, op.dtype)
    window: Value | float = terms[0]
    for k, term in enumerate(terms[1:], 1):
        wave = op.one("Cos", turn * float(k)) * term
        window = window - wave if k % 2 else window + wave
    return op.one("Where", op.one("Equal", count, 1), op.const(1, op.dtype), window)


def _window(terms: tuple[float, ...]) -> Callable[..., Value]:
    def lowering(
        op: OpBuilder, length: int | Value, periodic: bool = True, *rest: float, **_: Any
    ) -> Value:
        given = (rest[0], rest[1] if len(rest) > 1 else 0.46) if rest else terms
        return cosine_window(op, length, given, periodic)

    return lowering


for _name, _terms in _TERMS.items():
    LOWERINGS(f"{_name}_window", f"{_name}_window.periodic")(_window(_terms))
LOWERINGS("hamming_window.periodic_alpha", "hamming_window.periodic_alpha_beta")(
    _window(_TERMS["hamming"])
)
