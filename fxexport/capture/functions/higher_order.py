"""PyTorch's control-flow operators: cond, while_loop, scan, map, associative_scan.

They come as functions that a model calls, and as operators in the graphs of torch.export. Their
meaning is written in Python below, and staged like the user's own code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.functions import torch_control_flow as control_flow
from fxexport.capture.recording.types import Value
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

if TYPE_CHECKING:
    from fxexport.capture.operators.operators import Operators

__all__ = ["HigherOrder"]

Function = Callable[..., Value]
Tensors = Sequence[torch.Tensor]
_Carried = TypeVar("_Carried")


class HigherOrder:
    """The replacements of these operators while a model is captured."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators
        self._table: dict[str, Function] = {
            "cond": self._cond,
            "while_loop": self._while_operator,
            "scan": self._scan_operator,
            "map_impl": self._map_operator,
            "associative_scan": self._associative_operator,
            # Regions of a graph: what is inside counts.
            "wrap": self._inside,
            "wrap_with_set_grad_enabled": lambda _, function, *args: self._inside(function, *args),
            "wrap_with_autocast": self._autocast,
            "invoke_subgraph": lambda function, _, *args: self._inside(function, *args),
            "strict_mode": lambda function, args: self._inside(function, *args),
            "tag_activation_checkpoint": self._inside,
        }
        self._functions: dict[str, Function] = {
            "cond": self._cond,
            "while_loop": self._while,
            "scan": self._scan,
            "map": self._map,
            "associative_scan": self._associative,
        }

    def replacement_for(self, function: Value) -> Function | None:
        """The function to call instead, None for anything else.

        Raises:
            UnsupportedError: an operator of this kind that fxexport does not know.
        """
        if isinstance(function, torch._ops.HigherOrderOperator):
            found = self._table.get(function.name())
            if found is None:
                raise UnsupportedError(
                    f"the operator torch.ops.higher_order.{function.name()} has no ONNX form",
                    code=Code.NO_ONNX_FORM,
                    location=user_location(),
                )
            return found
        name = getattr(function, "__name__", "")
        found = self._functions.get(name) if isinstance(name, str) else None
        return found if found is not None and compat.is_control_flow_function(function) else None

    # -- as functions ----------------------------------------------------------------------------

    def _cond(
        self, pred: Value, true_fn: Function, false_fn: Function, operands: Sequence[Value] = ()
    ) -> Value:
        then, other = self._operators.call(true_fn), self._operators.call(false_fn)
        return self._operators.if_exp(pred, lambda: then(*operands), lambda: other(*operands), ())

    def _while(self, cond_fn: Function, body_fn: Function, carried_inputs: Value) -> Value:
        leaves, spec = compat.tree_flatten(carried_inputs)
        test, body = self._operators.call(cond_fn), self._operators.call(body_fn)
        result = self._operators.call(control_flow.while_loop)(
            lambda *flat: test(*compat.tree_unflatten(flat, spec)),
            lambda *flat: compat.tree_flatten(body(*compat.tree_unflatten(flat, spec)))[0],
            tuple(leaves),
        )
        return compat.tree_unflatten(result, spec)

    def _scan(
        self, combine_fn: Function, init: Value, xs: Value, *, dim: int = 0, reverse: bool = False
    ) -> Value:
        first, carry_spec = compat.tree_flatten(init)
        rows, row_spec = compat.tree_flatten(xs)
        combine = self._operators.call(combine_fn)
        specs: list[compat.TreeSpec] = []

        def step(carry: list[Value], row: Tensors) -> tuple[list[Value], Tensors]:
            carry, y = combine(
                compat.tree_unflatten(carry, carry_spec), compat.tree_unflatten(row, row_spec)
            )
            leaves, spec = compat.tree_flatten(y)
            specs[:] = [spec]
            return compat.tree_flatten(carry)[0], leaves

        carry, ys = self._along(step, first, rows, dim, reverse)
        return compat.tree_unflatten(carry, carry_spec), compat.tree_unflatten(ys, specs[0])

    def _map(self, f: Function, xs: Value, *args: Value) -> Value:
        rows, row_spec = compat.tree_flatten(xs)
        function = self._operators.call(f)
        specs: list[compat.TreeSpec] = []

        def step(_: list[Value], row: Tensors) -> tuple[list[Value], Tensors]:
            leaves, spec = compat.tree_flatten(
                function(compat.tree_unflatten(row, row_spec), *args)
            )
            specs[:] = [spec]
            return [], leaves

        return compat.tree_unflatten(self._along(step, [], rows)[1], specs[0])

    def _associative(
        self,
        combine_fn: Function,
        xs: Value,
        dim: int,
        reverse: bool = False,
        combine_mode: str = "",
    ) -> Value:
        rows, spec = compat.tree_flatten(xs)
        combine = self._operators.call(combine_fn)

        def step(a: Tensors, b: Tensors) -> Tensors:
            both = (compat.tree_unflatten(side, spec) for side in (a, b))
            return compat.tree_flatten(combine(*both))[0]

        return compat.tree_unflatten(self._folded(step, rows, dim, reverse), spec)

    # -- as operators ----------------------------------------------------------------------------

    def _while_operator(
        self,
        cond_fn: Function,
        body_fn: Function,
        carried_inputs: Sequence[Value],
        additional_inputs: Sequence[Value] = (),
    ) -> Value:
        test, body = self._operators.call(cond_fn), self._operators.call(body_fn)
        return self._operators.call(control_flow.while_loop)(
            lambda *carried: test(*carried, *additional_inputs),
            lambda *carried: body(*carried, *additional_inputs),
            tuple(carried_inputs),
        )

    def _scan_operator(
        self,
        combine_fn: Function,
        init: Tensors,
        xs: Tensors,
        additional_inputs: Sequence[Value] = (),
        *_: Value,
    ) -> Value:
        combine = self._operators.call(combine_fn)

        def step(carry: Tensors, row: Tensors) -> tuple[Tensors, Tensors]:
            results = list(combine(*carry, *row, *additional_inputs))
            return results[: len(init)], results[len(init) :]

        carry, ys = self._along(step, init, xs)
        return (*carry, *ys)

    def _map_operator(
        self, f: Function, xs: Tensors, pos_args: Sequence[Value] = (), *_: Value
    ) -> Value:
        function = self._operators.call(f)
        return self._along(lambda _, row: ([], list(function(*row, *pos_args))), [], xs)[1]

    def _associative_operator(
        self, combine_fn: Function, xs: Tensors, additional_inputs: Sequence[Value] = ()
    ) -> Value:
        combine = self._operators.call(combine_fn)
        return self._folded(lambda a, b: list(combine(*a, *b, *additional_inputs)), xs)

    def _inside(self, function: Function, *args: Value, **kwargs: Value) -> Value:
        return self._operators.call(function)(*args, **kwargs)

    def _autocast(
        self,
        device: str,
        dtype: torch.dtype | None,
        enabled: bool,
        cache: bool | None,
        function: Function,
        *args: Value,
    ) -> Value:
        with torch.autocast(device, dtype=dtype, enabled=enabled, cache_enabled=cache):
            return self._inside(function, *args)

    # -- along a dimension -----------------------------------------------------------------------

    def _along(
        self,
        step: Callable[[list[_Carried], Tensors], tuple[Sequence[_Carried], Tensors]],
        carry: Sequence[_Carried],
        xs: Tensors,
        dim: int = 0,
        reverse: bool = False,
    ) -> tuple[Sequence[_Carried], list[torch.Tensor]]:
        """All steps over the slices of `xs`; what is carried, and the stacked results."""
        xs = [_turned(x, dim, reverse) for x in xs]
        with self._forgotten():
            # How many results a step has must be known before the first one.
            count = len(step(list(carry), [x.select(0, 0) for x in xs])[1])
        outs: list[list[torch.Tensor]] = [self._operators.fresh([]) for _ in range(count)]
        last = self._operators.call(control_flow.scan)(step, tuple(carry), xs, outs, xs[0].shape[0])
        stack = self._operators.call(torch.stack)
        return last, [_turned_back(stack(ys), dim, reverse) for ys in outs]

    def _folded(
        self,
        step: Callable[[Tensors, Tensors], Tensors],
        xs: Tensors,
        dim: int = 0,
        reverse: bool = False,
    ) -> Tensors:
        xs = [_turned(x, dim, reverse) for x in xs]

        def following(carry: Tensors, row: Tensors) -> tuple[Tensors, Tensors]:
            carry = step(carry, row)
            return carry, carry

        def folded() -> Tensors:
            first = [x.select(0, 0) for x in xs]
            rest = [x.narrow(0, 1, x.shape[0] - 1) for x in xs]
            _, ys = self._along(following, first, rest)
            return [torch.cat([x.unsqueeze(0), y]) for x, y in zip(first, ys, strict=True)]

        whole = self._operators.if_exp(xs[0].shape[0] > 1, folded, lambda: list(xs), ())
        return [_turned_back(ys, dim, reverse) for ys in whole]

    @contextlib.contextmanager
    def _forgotten(self) -> Iterator[None]:
        """Nothing that is done inside is part of the graph."""
        with self._operators.session.trial(), self._operators.session.body() as body:
            yield
        body.discard()


def _turned(x: torch.Tensor, dim: int, reverse: bool) -> torch.Tensor:
    """The dimension to go along in front, in the order to go along it."""
    x = x.movedim(dim, 0) if dim else x
    return x.flip([0]) if reverse else x


def _turned_back(y: torch.Tensor, dim: int, reverse: bool) -> torch.Tensor:
    y = y.flip([0]) if reverse else y
    return y.movedim(0, dim) if dim and dim < y.dim() else y
