"""Writes down functional ATen ops on fake tensors as nodes of nested graphs.

The recorder knows tensors and symbolic scalars only. Python's control flow is its neighbours'
business: they open a frame for a body, run the body, close the frame and add one `branch` or
`loop` node to the frame around it.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Mapping, Sequence, Set

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.both_ways import BothWays
from fxexport.capture.recording.broadcasting import Broadcasting, elementwise
from fxexport.capture.recording.fake_results import fake_kernel, with_right_dtypes
from fxexport.capture.recording.frame_writer import FrameWriter
from fxexport.capture.recording.kernel_memory import KernelMemory
from fxexport.capture.recording.strided import STRIDED, read, written
from fxexport.capture.recording.types import (
    SYM,
    SYM_OF,
    Number,
    OpArgs,
    OpKwargs,
    OpResult,
    Size,
    SymbolicNumber,
    Value,
    expression,
    python_type,
)
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph import scalars
from fxexport.graph.marks import CHECKS
from fxexport.graph.size_expressions import is_heavy, scalar_function
from fxexport.graph.user_functions import UserFunction
from fxexport.source.frames import user_location

__all__ = ["EXPANDING", "Decomposer", "Recorder"]

Decomposer = Callable[[torch._ops.OpOverload], "Callable[..., Value] | None"]
_RESHAPES = {
    torch.ops.aten.view.default: torch.ops.aten.reshape.default,
    torch.ops.aten._unsafe_view.default: torch.ops.aten.reshape.default,
}
# Kernels that take a size for another that may as well be 1.
EXPANDING = (torch.ops.aten.expand.default, torch.ops.aten.broadcast_to.default)
# What fake tensors are asked about themselves is no computation of the model.
_METADATA = frozenset(compat.METADATA_OPS)


_BITS: dict[Callable[..., Value], Callable[..., Value]] = {
    operator.and_: scalars.bits_and,
    operator.or_: scalars.bits_or,
    operator.xor: scalars.bits_xor,
}
# Products take tensors of one dtype; fake kernels do not check that.
_PRODUCTS = frozenset(
    [
        "linear",
        "mm",
        "bmm",
        "addmm",
        "baddbmm",
        "addbmm",
        "matmul",
        "mv",
        "dot",
        "conv1d",
        "conv2d",
        "conv3d",
        "convolution",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
    ]
)


def _check_dtypes(func: torch._ops.OpOverload, args: Sequence[Value]) -> None:
    """Refuses what PyTorch's real kernels refuse and fake ones let pass.

    Raises:
        UnsupportedError: a product of tensors of different dtypes.
    """
    if func._schema.name.removeprefix("aten::") not in _PRODUCTS:
        return
    dtypes = list(dict.fromkeys(arg.dtype for arg in args if isinstance(arg, torch.Tensor)))
    if len(dtypes) > 1:
        raise UnsupportedError(
            f"this needs tensors of one dtype, and got {' and '.join(map(str, dtypes))}",
            code=Code.DTYPE,
            location=user_location(),
            hint="convert one of them, or give the input in the model's dtype",
        )


def _with_sizes(out: OpResult, sizes: Mapping[int, Size]) -> OpResult:
    """The same fake results with other sizes, by dimension counted from the last."""
    if not isinstance(out, torch.Tensor):
        return type(out)(_with_sizes(item, sizes) for item in out)
    shape: list[Size] = list(out.shape)
    for dim, size in sizes.items():
        shape[dim] = size
    return compat.fake_like(out, shape)


class Recorder(FrameWriter, compat.ProxySlotMode):
    """The dispatch mode that records. One recorder serves one export."""

    def __init__(
        self,
        env: compat.SizeEnv,
        decomposition_for: Decomposer,
        input_sizes: Set[sympy.Symbol] = frozenset(),
        need: Callable[[sympy.Basic], None] = lambda fact: None,
    ) -> None:
        compat.ProxySlotMode.__init__(self)
        FrameWriter.__init__(self, env)
        self.decomposition_for = decomposition_for
        self.in_kernel = 0
        # The operator whose kernel runs, and whether it is known what sizes its operands meet in.
        self.kernel: torch._ops.OpOverload | None = None
        self.operands: OpArgs = ()
        self.meeting = False
        # Whether an elementwise operator writes in place just now: what it needs is guarded.
        self.in_place = False
        # Told what the operator that is recorded next compares itself when it runs; the numbers
        # of such checks.
        self.on_check: Callable[[sympy.Basic], None] = lambda fact: None
        self.checks: list[int] = []
        self.both_ways = BothWays(env, need)
        self.memory = KernelMemory(env)
        self.bound: dict[sympy.Expr, torch.SymInt] = {}
        self.broadcasting = Broadcasting(
            env,
            lambda: self.fresh_scalar(torch.SymInt),
            self.knows,
            input_sizes,
            lambda fact: self.on_check(fact),
        )

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Value,
        args: OpArgs = (),
        kwargs: OpKwargs | None = None,
    ) -> OpResult:
        kwargs = kwargs or {}
        if func in _METADATA:
            return func(*args, **kwargs)
        if func in STRIDED:
            return self._strided(func, args, kwargs)
        decomposition = self.decomposition_for(func)
        if decomposition is not None:
            with self:
                result = decomposition(*args, **kwargs)
            if result is not NotImplemented:
                self._note_taken_apart(func, args, kwargs, result)
                return result
        sizes = self.broadcasting.sizes(func, args, kwargs)
        meet = tuple((dim, expression(size)) for dim, size in sizes.items())
        out = self.memory.result(
            func, args, kwargs, meet, lambda: self._computed(func, args, kwargs, sizes)
        )
        return self.record(func, args, kwargs, out)

    def _note_taken_apart(
        self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs, result: OpResult
    ) -> None:
        """Notes what stands for one operator: PyTorch's own may lay out its result otherwise."""
        if any(made.alias_info is not None for made in func._schema.returns):
            return
        operands = compat.tensors_among(args, kwargs)
        for made in compat.tensors_among((result,), {}):
            held = self.frame.tensors.get(id(made))
            if held is not None and not any(made is operand for operand in operands):
                held[1].meta["taken_apart"] = func, operands

    def _strided(self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs) -> OpResult:
        """What lies in memory, taken by index; the result keeps the strides that it has there."""
        out = self._computed(func, args, kwargs, {})
        with self:
            if func is not torch.ops.aten.as_strided_scatter.default:
                by_index = read(*args, **kwargs)
            else:
                by_index = written(self.env, *args, **kwargs)
        node = self.tensor_node(by_index)
        node.meta["val"] = out
        self.bind(out, node)
        return out

    def broadcasts_short(self) -> bool | None:
        """Whether the kernel that asks should count the size of ``x[:1]`` as 1.

        None where that is more than broadcasting, so that it needs a fact.
        """
        if self.meeting or self.kernel in EXPANDING:
            return True
        # What is written in place is looked at before its operator comes here.
        if self.kernel is None and compat.asked_for_broadcasting():
            return True
        if self.kernel is not None and elementwise(self.kernel):
            return False  # no other size meets it
        return False if compat.asked_for_layout() else None

    def _computed(
        self,
        func: torch._ops.OpOverload,
        args: OpArgs,
        kwargs: OpKwargs,
        sizes: Mapping[int, Size],
    ) -> OpResult:
        """What an operator gives on fake tensors, with sizes by dimension where operands meet."""
        outer = self.kernel, self.operands
        self.kernel, self.operands = func, args
        try:
            self.meeting = bool(sizes)
            # PyTorch's kernel takes the sizes that meet for equal: what it learns is forgotten.
            with self.env.supposing() if sizes else contextlib.nullcontext():
                out = with_right_dtypes(func, self._of_kernel(func, args, kwargs))
            return _with_sizes(out, sizes) if sizes else out
        finally:
            (self.kernel, self.operands), self.meeting = outer, False
            self.env.forget_more_than_needed()

    def of_composite(self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs) -> OpResult:
        """What a composite operator gives on fake tensors, as a whole."""
        outer = self.kernel, self.operands
        self.kernel, self.operands = func, args
        try:
            return self.memory.result(
                func, args, kwargs, "whole", lambda: self._of_kernel(func, args, kwargs)
            )
        finally:
            self.kernel, self.operands = outer
            self.env.forget_more_than_needed()

    def _of_kernel(self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs) -> OpResult:
        """What an operator's kernel gives on fake tensors, its questions answered."""

        def kernel() -> OpResult:
            with compat.python_kernels():
                return fake_kernel(func)(*args, **kwargs)

        self.in_kernel += 1
        try:
            return self.both_ways.result(kernel)
        finally:
            self.in_kernel -= 1

    def of_function(self, function: UserFunction, args: OpArgs, kwargs: OpKwargs) -> OpResult:
        """Adds the node of a function that is kept whole; returns its result on fake tensors."""
        given = compat.tensors_among(args, kwargs)
        out = self.both_ways.result(lambda: function.fake(*args, **kwargs))
        # A result is a value of its own, whatever `fake` made it of.
        out = compat.map_tensors(
            lambda t: compat.fake_like(t, t.shape) if any(t is arg for arg in given) else t, out
        )
        return self._record(function, args, kwargs, out)

    def record(
        self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs, out: OpResult
    ) -> OpResult:
        """Adds the node of one op that has been computed on fake tensors; returns its result."""
        _check_dtypes(func, args)
        # Whether a view is possible depends on strides that no symbolic size settles.
        return self._record(_RESHAPES.get(func, func), args, kwargs, out)

    def _record(
        self, func: Callable[..., Value], args: OpArgs, kwargs: OpKwargs, out: OpResult
    ) -> OpResult:
        out = self._with_light_sizes(out)
        operands = [self.node_of(arg) for arg in args]
        named = {name: self.node_of(arg) for name, arg in kwargs.items()}
        node = self.emit(func, *operands, val=out, **named)
        if self.checks:
            CHECKS.put(node, tuple(self.checks))
            self.checks.clear()
        if out is not None:
            self.bind(out, node)
        return out

    def _with_light_sizes(self, out: OpResult) -> OpResult:
        """Gives sizes whose expressions have grown a symbol of their own."""
        if isinstance(out, (list, tuple)):
            items = [self._with_light_sizes(item) for item in out]
            return items if isinstance(out, list) else tuple(items)
        if not isinstance(out, torch.Tensor):
            return out
        for size in out.shape:
            # Kernels make symbols too (that of a slice), and do not always say what they are.
            symbol = size.node.expr if isinstance(size, torch.SymInt) else None
            if symbol is not None and symbol.is_Symbol and symbol not in self.env.size_like:
                self.env.mark_size(symbol)
        heavy = [isinstance(s, torch.SymInt) and is_heavy(s.node.expr) for s in out.shape]
        if not any(heavy):
            return out
        sizes: list[Size] = [
            self.named(size) if grown else size  # type: ignore[arg-type]
            for size, grown in zip(out.shape, heavy, strict=True)
        ]
        return compat.fake_like(out, sizes)

    def named(self, size: torch.SymInt) -> torch.SymInt:
        """A symbol of its own for a size, the same one for the same expression."""
        expr = size.node.expr
        if expr not in self.bound:
            fresh = self.env.create_unbacked_symint()
            bounds = self.env.bound_sympy(expr)
            self.env.set_bounds(fresh.node.expr, bounds)
            if bounds.lower >= 0:
                self.env.mark_size(fresh.node.expr)
            self.bound[expr] = fresh
            self.env.definitions[fresh.node.expr] = expr
        return self.bound[expr]

    def __sym_dispatch__(
        self, func: Callable[..., Value], types: Value, args: Sequence[Number], kwargs: OpKwargs
    ) -> Value:
        """Arithmetic on symbolic scalars in the user's code.

        What touches a float is written down at once, in the order the program does it: sympy
        would reorder it, and meta kernels choke on sizes computed through floats.
        """
        if func is round:
            if any(digits is not None for digits in args[1:]):
                raise UnsupportedError(
                    "round(x, n) of a number that is known only when the model runs, in code that "
                    "runs as it is",
                    code=Code.NO_ONNX_FORM,
                    location=user_location(),
                    hint="use torch.round(x, decimals=n) on a tensor",
                )
            args = args[:1]  # PyTorch passes the missing ndigits as None
        if func is operator.floordiv and isinstance(args[0], torch.SymInt):
            divisor = args[1]
            # PyTorch takes (n // a) // b for n // (a * b), which is wrong for negative b.
            if isinstance(divisor, int) and divisor < 0:
                return (-args[0]) // -divisor
            if isinstance(divisor, torch.SymInt) and not self._is_positive(divisor):
                return self.scalar_op(operator.floordiv, *args)
        if func in _BITS and all(isinstance(arg, (int, torch.SymInt)) for arg in args):
            return self._bits(func, *args)
        with self.env.untold():  # what SymFloat checks before a power is no need of the program's
            out = func(*args, **kwargs)
        if not isinstance(out, SYM):
            return out
        floats = any(isinstance(arg, (float, torch.SymFloat)) for arg in args)
        if not floats and not isinstance(out, torch.SymFloat):
            return out
        function = scalar_function(func)
        if function is None:
            raise UnsupportedError(
                f"fxexport has no way to write {getattr(func, '__name__', func)} of a number "
                "that is known only when the model runs",
                code=Code.NO_ONNX_FORM,
                location=user_location(),
                hint="compute it on a tensor (torch." + getattr(func, "__name__", "") + ")",
            )
        bounds = self.env.bound_sympy(out.node.expr) if isinstance(out, torch.SymInt) else None
        fresh = self.fresh_scalar(type(out))
        if bounds is not None:
            self.env.set_bounds(fresh.node.expr, bounds)
        node = self.emit(function, *(self.node_of(arg) for arg in args), val=fresh)
        self.bind(fresh, node)
        return fresh

    def _bits(self, func: Callable[..., Value], a: Number, b: Number) -> Value:
        """``a & b`` and kin of ints, whose range is known in part."""
        made = self.scalar_op(_BITS[func], a, b)
        limits = [self.env.bound_sympy(expression(value)) for value in (a, b)]
        counts = [limit for limit in limits if limit.lower >= 0]
        if func is operator.and_ and counts:
            highest = min(limit.upper for limit in counts)
            self.env.set_bounds(expression(made), compat.value_range(0, highest))
        elif len(counts) == 2:
            self.env.set_range(expression(made), 0, None)  # type: ignore[arg-type]
        return made

    def _is_positive(self, number: torch.SymInt) -> bool:
        return bool(self.env.bound_sympy(number.node.expr).lower > 0)

    def scalar_op(self, function: Callable[..., Value], *args: Number) -> SymbolicNumber:
        """Applies one of the graph's scalar functions to symbolic scalars, at once."""
        kind = scalars.result_type(function, [python_type(arg) for arg in args])
        assert kind is not None
        fresh = self.fresh_scalar(SYM_OF[kind])
        node = self.emit(function, *(self.node_of(arg) for arg in args), val=fresh)
        self.bind(fresh, node)
        return fresh
