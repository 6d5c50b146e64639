"""What PyTorch's control-flow operators do, written in Python.

These functions are rewritten like the user's own, so their loops are staged.
"""

from __future__ import annotations

from typing import Any

__all__ = ["scan", "while_loop"]

# The converter rewrites the functions of this module.
READ_BY_CAPTURE = True


def while_loop(test: Any, body: Any, carried: Any) -> object:
    """``while_loop(test, body, carried)`` on a tuple."""
    while test(*carried):
        carried = tuple(body(*carried))
    return carried


def scan(step: Any, carry: Any, xs: Any, outs: Any, count: Any) -> object:
    """``scan``: appends each step's results to `outs`, one list a result; gives the last carry."""
    for k in range(count):
        carry, results = step(carry, [x.select(0, k) for x in xs])
        carry = tuple(carry)
        for out, result in zip(outs, results, strict=True):
            out.append(result)
    return carry
