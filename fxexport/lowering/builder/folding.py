"""Computing at once what is known at once: sizes and small constants, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder.values import Attributes

__all__ = ["FOLD_LIMIT", "fold"]

FOLD_LIMIT = 1024
"""Constants with more elements stay nodes: folding is for sizes and indices."""


def fold(
    op_type: str, inputs: Sequence[np.ndarray | None], attributes: Attributes
) -> np.ndarray | None:
    """The result of an operator on constants, or None if it should stay a node.

    Only operators on integers and booleans whose NumPy result is exactly ONNX's are here.
    """
    rule = _RULES.get(op_type)
    if rule is None or not inputs or inputs[0] is None:
        return None
    if any(array is not None and array.size > FOLD_LIMIT for array in inputs):
        return None
    try:
        result = rule(attributes, *inputs)
    except (ValueError, IndexError, ZeroDivisionError, OverflowError, TypeError):
        return None  # the runtime will say what is wrong with it, where it happens
    if result is None or result.size > FOLD_LIMIT:
        return None
    return result


def _exact(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray | None]:
    def rule(attributes: Attributes, *inputs: np.ndarray) -> np.ndarray | None:
        if any(array.dtype.kind not in "iub" for array in inputs):
            return None
        return np.asarray(function(*inputs))

    return rule


def _cast(attributes: Attributes, x: np.ndarray) -> np.ndarray | None:
    to = ir.DataType(int(attributes["to"]))
    if to in (ir.DataType.BFLOAT16, ir.DataType.STRING) or (
        x.dtype.kind == "f" and to.numpy().kind != "f"
    ):
        return None
    return np.asarray(x).astype(to.numpy())


def _division(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if np.any(b == 0):
        raise ZeroDivisionError
    return np.asarray((np.abs(a) // np.abs(b)) * np.sign(a) * np.sign(b)).astype(a.dtype)


def _modulo(attributes: Attributes, a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    if a.dtype.kind != "i" or attributes.get("fmod", 0) or np.any(b == 0):
        return None
    return np.asarray(np.mod(a, b))


def _slice(
    _: Attributes,
    x: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    axes: np.ndarray | None = None,
    steps: np.ndarray | None = None,
) -> np.ndarray:
    index: list[slice] = [slice(None)] * x.ndim
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        step = 1 if steps is None else int(steps[k])
        if step < 0:
            raise ValueError("left to the runtime")
        index[k if axes is None else int(axes[k])] = slice(int(start), int(end), step)
    return np.asarray(x[tuple(index)])


def _gather(attributes: Attributes, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return np.asarray(np.take(x, indices, axis=attributes.get("axis", 0)))


def _unsqueeze(_: Attributes, x: np.ndarray, axes: np.ndarray) -> np.ndarray:
    return np.expand_dims(x, tuple(int(a) for a in axes))


def _squeeze(_: Attributes, x: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
    return np.squeeze(x, None if axes is None else tuple(int(a) for a in axes))


def _reshape(_: Attributes, x: np.ndarray, shape: np.ndarray) -> np.ndarray | None:
    return x.reshape([int(s) for s in shape]) if 0 not in shape else None


def _concat(attributes: Attributes, *inputs: np.ndarray) -> np.ndarray:
    return np.concatenate(inputs, axis=attributes["axis"])


_RULES: dict[str, Callable[..., np.ndarray | None]] = {
    "Add": _exact(lambda a, b: a + b),
    "Sub": _exact(lambda a, b: a - b),
    "Mul": _exact(lambda a, b: a * b),
    "Div": _exact(_division),
    "Mod": _modulo,
    "Neg": _exact(lambda a: -a),
    "Abs": _exact(np.abs),
    "Max": _exact(np.maximum),
    "Min": _exact(np.minimum),
    "Equal": _exact(lambda a, b: a == b),
    "Less": _exact(lambda a, b: a < b),
    "LessOrEqual": _exact(lambda a, b: a <= b),
    "Greater": _exact(lambda a, b: a > b),
    "GreaterOrEqual": _exact(lambda a, b: a >= b),
    "And": _exact(np.logical_and),
    "Or": _exact(np.logical_or),
    "Not": _exact(np.logical_not),
    "Where": _exact(np.where),
    "Identity": lambda _, x: x,
    "Cast": _cast,
    "Slice": _slice,
    "Gather": _gather,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Concat": _concat,
}
