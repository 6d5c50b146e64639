"""The tensors that the user's program holds while it is captured.

They are functional tensors (PyTorch's own functionalization) around fake tensors. Real tensors
that the program reaches (parameters, buffers, constants in closures) are lifted when an op first
meets them; composite operators that have a coarse ONNX form are recorded whole.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Protocol, TypeVar, cast

import torch
from torch.utils.weak import WeakIdKeyDictionary

from fxexport import _torch_compat as compat
from fxexport.capture.kernels.data_requirements import data_rule
from fxexport.capture.kernels.foreign_operators import refuse_foreign_operator
from fxexport.capture.kernels.index_requirements import index_rule
from fxexport.capture.kernels.matrix_functions import MATRIX_FUNCTIONS
from fxexport.capture.kernels.quantized_tensors import (
    refuse_quantized_operator,
    refuse_quantized_tensor,
)
from fxexport.capture.recording.broadcasting import (
    brought_together,
    elementwise,
    fits_as_it_is,
    target_of,
)
from fxexport.capture.recording.constants import Constants
from fxexport.capture.recording.memory_views import MemoryViews
from fxexport.capture.recording.number_operands import with_tensor
from fxexport.capture.recording.out_arguments import with_dtype_of_out, write_views
from fxexport.capture.recording.overlaps import refuse_overlap
from fxexport.capture.recording.recorder import Recorder
from fxexport.capture.recording.requirements import requirements_of
from fxexport.capture.recording.stale_views import StaleViews
from fxexport.capture.recording.types import OpArgs, OpKwargs, OpResult, Size, Value
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.user_functions import UserFunction
from fxexport.report.model import FindingKind
from fxexport.source.frames import user_location

__all__ = ["TensorMode"]


_T = TypeVar("_T")


class Watch(Protocol):
    """Who is told what happens to the tensors of the program; each may refuse."""

    def about_to_write(self, base: torch.Tensor) -> None:
        """The contents of a tensor that is no view change."""

    def about_to_read(self, tensor: torch.Tensor) -> None:
        """An operator takes a tensor."""

    def about_to_reshape(self, tensor: torch.Tensor, name: str) -> None:
        """The operator `name` gives a tensor other sizes, or other memory, in place."""

    def about_to_squeeze(self, tensor: torch.Tensor, dims: Iterable[int]) -> None:
        """An operator takes dimensions away if their size is 1."""

    def needs(
        self, condition: bool | torch.SymBool, text: str, error: str = "RuntimeError"
    ) -> None:
        """PyTorch raises where a condition on sizes does not hold, or gives anything (no error)."""

    def in_example(self, number: Size) -> int | None:
        """The size that a number is for the example; None where the example does not come."""

    def needs_size(self, own: Size, other: Size, text: str) -> None:
        """Two sizes are taken to be the same."""

    def about_to_fit(self, own: Sequence[Size], others: Iterable[Sequence[Size]]) -> None:
        """Sizes of operands are to be broadcast to those of a tensor that is written in place."""

    def note(self, kind: FindingKind, message: str) -> None:
        """A finding for the report."""

    def raises_unless(self, holds: torch.Tensor, text: str) -> None:
        """PyTorch raises where a condition on the data, bool[], does not hold."""

    def may_catch_of_indices(self) -> bool:
        """Whether the program may catch what is raised for an index that is outside."""

    def raises_where_outside(
        self, holds: torch.Tensor | bool | torch.SymBool, kind: type[Exception], *, writes: bool
    ) -> None:
        """PyTorch raises an exception of a class where indices are not inside.

        `writes`: it has written something in place then.
        """

    def reads_under_another_name(self, real: torch.Tensor) -> None:
        """A real tensor is met whose memory has been written through another one."""

    def may_share(self, tensor: torch.Tensor, source: torch.Tensor) -> None:
        """Whether `tensor` is a view of `source` or a copy depends on sizes."""


# Operators that give a view where the strides allow it, and a copy elsewhere.
_VIEW_OR_COPY = frozenset(
    f"aten::{name}" for name in ("contiguous", "reshape", "reshape_as", "flatten", "ravel")
)
_COPY = torch.ops.aten.copy_.default
# What gives a tensor of another rank where a size is 1.
_SQUEEZES = frozenset(f"aten::{name}" for name in ("squeeze", "squeeze_", "squeeze_copy"))


def _squeezed(tensor: torch.Tensor, dim: int | Sequence[int] | None = None) -> Sequence[int]:
    """The dimensions that such an operator looks at."""
    if dim is None or not tensor.dim():
        return range(tensor.dim())
    return (dim,) if isinstance(dim, int) else dim


def _lies_somewhere(real: torch.Tensor) -> bool:
    """Whether a tensor has data, at an address."""
    if isinstance(real, compat.FakeTensor) or real.device.type == "meta":
        return False
    return real.layout == torch.strided


def _refuse_batched(tensor: torch.Tensor) -> None:
    if compat.is_batched(tensor):
        raise UnsupportedError(
            "an if or a loop that only the run decides, inside of torch.vmap",
            code=Code.INSIDE_TRANSFORM,
            location=user_location(),
            hint="use torch.where, or a loop over the rows",
        )


class TensorMode(compat.UserMode):
    """The topmost dispatch mode: lifts, keeps composites whole, follows views and writes."""

    def __init__(
        self,
        fake_mode: compat.FakeTensorMode,
        recorder: Recorder,
        keep_composite: Callable[[torch._ops.OpOverload], bool],
        name_of: Callable[[torch.Tensor], str],
        watch: Watch,
        now: Callable[[], int],
        constants: Constants,
    ) -> None:
        super().__init__()
        self.constants = constants
        self.fake_mode = fake_mode
        self.functional = compat.FunctionalTensorMode()
        self.recorder = recorder
        self.keep_composite = keep_composite
        self.name_of = name_of
        self.watch = watch
        self._now = now
        self._born: MutableMapping[torch.Tensor, int] = WeakIdKeyDictionary()
        self._tagged: MutableMapping[torch.Tensor, bool] = WeakIdKeyDictionary()
        self._lifted: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._base_of: MutableMapping[torch.Tensor, torch.Tensor] = WeakIdKeyDictionary()
        self.stale_views = StaleViews(recorder, self.inner)
        # address of the memory -> the real tensors in it
        self._memory: dict[int, list[torch.Tensor]] = {}
        # what stands in for state -> the fake tensor that it began with
        self._first: MutableMapping[torch.Tensor, torch.Tensor] = WeakIdKeyDictionary()
        self.memory = MemoryViews(recorder, self.base_of, self.inner, watch)
        self._quiet = 0
        # How many of PyTorch's operators are being worked out just now.
        self.dispatching = 0
        # Whether a store is under way that may ask how sizes compare.
        self.storing = False

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """All modes of a capture, in their order."""
        with (
            self.recorder.env.ignore_fresh_unbacked_symbols(),
            self.fake_mode,
            self.recorder,
            self.functional,
            self,
        ):
            yield

    # -- between functional and fake -----------------------------------------------------------

    def wrap(self, fake: torch.Tensor) -> torch.Tensor:
        """A fresh functional tensor around a fake one."""
        with self.functional:
            tensor = compat.FunctionalTensor.to_functional(fake)
        self._born[tensor] = self._now()
        return tensor

    def tag(self, tensor: torch.Tensor) -> None:
        """Notes that the program gave a tensor an attribute of its own."""
        self._tagged[tensor] = True

    def is_tagged(self, tensor: Value) -> bool:
        """Whether a tensor has attributes that a merged one would lack."""
        return isinstance(tensor, torch.Tensor) and tensor in self._tagged

    def born(self, tensor: torch.Tensor) -> int:
        """The journal's number when a tensor of the program was made; 0 for one from outside."""
        return self._born.get(tensor, 0)

    def inner(self, tensor: torch.Tensor) -> torch.Tensor:
        """The fake tensor that a tensor of the program holds now."""
        tensor = self.lift(tensor)
        self._quiet += 1
        try:
            return compat.inner_of(tensor)
        finally:
            self._quiet -= 1

    def replace(self, tensor: torch.Tensor, fake: torch.Tensor) -> None:
        """Makes a base tensor hold another value; its views follow."""
        self.stale_views.written(self.base_of(tensor))
        self._quiet += 1
        try:
            compat.replace_inner(tensor, fake)
        finally:
            self._quiet -= 1

    def base_of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor that a view looks into; a tensor that is no view itself.

        Of a real tensor that the program has met, the program's own.
        """
        _, tensor = self._lifted.get(id(tensor), (tensor, tensor))
        return self._base_of.get(tensor, tensor)

    def lift(self, value: _T) -> _T:
        """A functional tensor for a real one, the same one each time; others as they are."""
        if not isinstance(value, torch.Tensor) or isinstance(value, compat.FunctionalTensor):
            return value
        held = self._lifted.get(id(value))
        if held is None:
            if isinstance(value, compat.FakeTensor) and value.fake_mode is self.fake_mode:
                lifted = self.wrap(cast("torch.Tensor", value))
            else:
                _refuse_batched(value)
                refuse_quantized_tensor(value)
                self.note_memory(value)
                if any(self.was_written(other) for other in self.sharing_memory(value)):
                    self.watch.reads_under_another_name(value)
                fake = compat.fake_of_real(value, self.fake_mode)
                name = self.name_of(value)
                self.recorder.add_weight(name, compat.own_or_meta(value), fake)
                self.constants.met(name, value)
                lifted = self.wrap(fake)
                self._born[lifted] = 0  # whenever it is met, it was there before
            held = self._lifted[id(value)] = (cast("torch.Tensor", value), lifted)
        return cast("_T", held[1])

    def was_written(self, value: torch.Tensor) -> bool:
        """Whether a real tensor has been given another value by the program."""
        held = self._lifted.get(id(value))
        if held is None:
            return False
        if held[1] in self._first:
            return self.inner(held[1]) is not self._first[held[1]]
        fake = self.recorder.weight_fake(self.name_of(value))
        return fake is not None and self.inner(held[1]) is not fake

    def written_weights(self) -> list[tuple[str, torch.Tensor]]:
        """The parameters, buffers and constants that the program has written to, with names."""
        return [
            (self.name_of(tensor), tensor)
            for tensor, _ in list(self._lifted.values())
            if not isinstance(tensor, compat.FakeTensor) and self.was_written(tensor)
        ]

    def note_memory(self, real: torch.Tensor) -> None:
        """Remembers where a real tensor lies; a tensor without data lies nowhere."""
        if not _lies_somewhere(real):
            return
        address = real.untyped_storage().data_ptr()
        if address and all(other is not real for other in self._memory.setdefault(address, [])):
            self._memory[address].append(real)

    def sharing_memory(self, real: torch.Tensor) -> list[torch.Tensor]:
        """Other real tensors in the same memory, views for example."""
        if not _lies_somewhere(real):
            return []
        address = real.untyped_storage().data_ptr()
        return [other for other in self._memory.get(address, []) if other is not real]

    def stand_in(self, real: torch.Tensor, functional: torch.Tensor) -> None:
        """Makes every use of a real tensor one of another tensor of the program."""
        self._lifted[id(real)] = (real, functional)
        self._first[functional] = self.inner(functional)

    def stored(self, value: torch.Tensor) -> bool:
        """Whether this is a real tensor as it was at first, whose values may decide something."""
        if isinstance(value, compat.FunctionalTensor) or self.was_written(value):
            return False
        held = self._lifted.get(id(value))
        stands_for_state = held is not None and held[1] in self._first
        return not stands_for_state and self.constants.may_read(value)

    def known_value(self, value: torch.Tensor) -> torch.Tensor | None:
        """What a tensor holds in every call, where that can be computed here."""
        return value if self.stored(value) else self.constants.value_of(self.inner(value))

    def is_lifted(self, value: torch.Tensor) -> bool:
        """Whether a tensor is one of the program's, or a real one that it has met."""
        return isinstance(value, compat.FunctionalTensor) or id(value) in self._lifted

    def is_same(self, a: torch.Tensor, b: torch.Tensor) -> bool:
        """Whether two tensors, real or the program's, are one."""
        return a is b or (self.is_lifted(a) and self.is_lifted(b) and self.lift(a) is self.lift(b))

    def is_untouched(self, value: torch.Tensor) -> bool:
        """Whether a real tensor, or one that stands in for one, holds what it held at first."""
        if isinstance(value, compat.FunctionalTensor):
            return value in self._first and self.inner(value) is self._first[value]
        return not self.was_written(value)

    def real_of(self, base: torch.Tensor) -> torch.Tensor | None:
        """The real tensor that a tensor of the program was lifted from."""
        return next((real for real, lifted in self._lifted.values() if lifted is base), None)

    # -- dispatch --------------------------------------------------------------------------------

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Value,
        args: OpArgs = (),
        kwargs: OpKwargs | None = None,
    ) -> OpResult:
        kwargs = kwargs or {}
        if self._quiet or func in compat.METADATA_OPS:
            return func(*args, **kwargs)
        if not isinstance(func, torch._ops.OpOverload):
            return func(*args, **kwargs)
        if func.namespace == "profiler":
            return None  # of `record_function`, which the file has no use for
        refuse_quantized_operator(func)
        refuse_foreign_operator(func)
        if func is compat.LINALG_CHECK:
            return self._raise_unless_solved(*args[:2])
        checked = compat.without_check(func, args, kwargs)
        if checked is not None:
            with self:
                out = func(*checked[0], **checked[1])
            self._raise_unless_solved(out[-1], func._schema.name.removeprefix("aten::"))
            return out
        self._ask_of_indices(func, args, kwargs)
        self.dispatching += 1
        try:
            out = self._dispatched(func, args, kwargs)
        finally:
            self.dispatching -= 1
        for condition, text in requirements_of(func, args, kwargs, out):
            self.watch.needs(condition, text)
        on_data = data_rule(func)
        if on_data is not None:
            with self:
                needs = list(on_data(*args, **kwargs))
            for holds, text in needs:
                self.watch.raises_unless(holds, text)
        return out

    def _ask_of_indices(self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs) -> None:
        """Keeps both ways where the program may catch that an index is outside."""
        rule = index_rule(func)
        if rule is not None and self.watch.may_catch_of_indices():
            with self:
                for holds, kind in rule(*args, **kwargs):
                    self.watch.raises_where_outside(holds, kind, writes=func._schema.is_mutable)

    def _raise_unless_solved(self, info: torch.Tensor, function: str) -> None:
        """What functions of linear algebra do with LAPACK's answer: 0 where there is a result."""
        with self:
            solved = (info == 0).all()
        self.watch.raises_unless(solved, f"each matrix has a result of torch.{function}")

    def _dispatched(self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs) -> OpResult:
        args = with_tensor(func, tuple(args))
        if func._schema.name == "aten::lift_fresh":
            self.constants.made(args[0])
        args, kwargs = compat.map_tensors(self.lift, (args, dict(kwargs)))
        if func._schema.name == "aten::lift_fresh":
            self._born[args[0]] = self._now()  # of torch.tensor([...]), made by the program
        for tensor in compat.tensors_among(args, kwargs):
            self.watch.about_to_read(tensor)
        func, args, kwargs = self.memory.call(func, args, kwargs)
        refuse_overlap(func, args, kwargs, self.base_of, self.watch.in_example)
        outs = compat.out_arguments(func, kwargs)
        if outs:
            kwargs = with_dtype_of_out(func, kwargs, outs)
            views = {name: out for name, out in outs.items() if self._keeps_its_sizes(out)}
            if views:
                with self:
                    write_views(func, args, kwargs, views, self.recorder.env, self.watch)
                given = tuple(outs.values())
                return given if len(func._schema.returns) > 1 else given[0]
        args = brought_together(func, args, kwargs, self._together)
        args = self._with_target(func, args)
        if self.keep_composite(func):
            return self._record_whole(func, args, kwargs)
        own = MATRIX_FUNCTIONS.get(func)
        if own is not None:
            with self:
                result = own(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if compat.is_composite(func):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                if func._schema.name in _VIEW_OR_COPY:
                    self._view_or_copy(result, args[0])
                return result
        functional = compat.functional_variant(func)
        if functional is not None and self.keep_composite(functional):
            # In place on the outside, one coarse operator on the inside.
            result = self._record_whole(functional, args, kwargs)
            with self:  # a write like any other: it is noted, and taken back
                return torch.ops.aten.copy_.default(args[0], result)
        if func._schema.name in _SQUEEZES:
            self.watch.about_to_squeeze(args[0], _squeezed(args[0], *args[1:], **kwargs))
        if torch.Tag.inplace_view in func.tags or func._schema.name == "aten::set_":
            self.watch.about_to_reshape(args[0], func._schema.name.removeprefix("aten::"))
        writes = compat.written_arguments(func, args, kwargs)
        for tensor in writes:
            self.watch.about_to_write(self.base_of(tensor))
            self.memory.about_to_write(self.base_of(tensor))
            self.stale_views.written(self.base_of(tensor))
        with self._in_place(functional, args, kwargs):
            if functional is not None and compat.written_by_python(func):
                return self._written(args[0], functional(*args, **kwargs))
            with self.stores() if func is _COPY else contextlib.nullcontext():
                out = func(*args, **kwargs)
        for tensor in outs.values():
            compat.follow_sizes(tensor)
        for view, source in compat.views_in(func, args, kwargs, out):
            if view is not source:
                self._base_of[view] = self.base_of(source)
                self.stale_views.made(view, self.base_of(source))
        now = self._now()
        for tensor in writes:
            self._born.setdefault(tensor, 0)
        for made in out if isinstance(out, (list, tuple)) else (out,):
            if isinstance(made, torch.Tensor) and made not in self._born:
                self._born[made] = now
        return out

    def _with_target(self, func: torch._ops.OpOverload, args: OpArgs) -> OpArgs:
        """The arguments, the one that alone is expanded in the sizes that it needs."""
        target = target_of(func, args)
        if target is None:
            return args
        k, sizes = target
        fits = func is not _COPY or fits_as_it_is(self.recorder.env, *args[:2])
        if fits and not self.recorder.broadcasting.stretches(sizes, [args[k].shape]):
            return args
        with self:
            return (*args[:k], args[k].expand(sizes), *args[k + 1 :])

    def _keeps_its_sizes(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor has others in its memory, which do not follow if its sizes change."""
        return self.base_of(tensor) is not tensor or self.stale_views.are_there(tensor)

    @contextlib.contextmanager
    def _in_place(
        self, functional: torch._ops.OpOverload | None, args: OpArgs, kwargs: OpKwargs
    ) -> Iterator[None]:
        """Around an operator in place: operands of an elementwise one fit into what it writes."""
        if functional is None or not elementwise(functional):
            yield
            return
        own, *others = (tensor.shape for tensor in compat.tensors_among(args, kwargs))
        self.watch.about_to_fit(own, others)
        # That sizes fit is guarded; that they are equal is no fact where one of them may be 1.
        perhaps = self.recorder.broadcasting.stretches(own, others)
        env = self.recorder.env
        before, self.recorder.in_place = self.recorder.in_place, True
        try:
            with env.supposing() if perhaps else contextlib.nullcontext():
                yield
        finally:
            self.recorder.in_place = before

    @contextlib.contextmanager
    def stores(self) -> Iterator[None]:
        """Around `x[i] = y` and `copy_`: before torch 2.13 they compare sizes themselves."""
        before, self.storing = self.storing, True
        try:
            yield
        finally:
            self.storing = before

    def _together(
        self, tensors: Sequence[torch.Tensor], dims: Sequence[Sequence[int]]
    ) -> Sequence[torch.Tensor]:
        """Tensors broadcast in some dimensions of each, which meet from the last one on.

        They stay as they are where PyTorch's own operator knows how their sizes meet.
        """
        shapes = [[t.shape[d] for d in own] for t, own in zip(tensors, dims, strict=True)]
        if not self.recorder.broadcasting.joined(shapes):
            return tensors
        # A size that is 1 here is expanded there: that it is the other one's is no fact.
        with self, self.recorder.env.untold():
            # What an elementwise operator gives for flags of these shapes says the sizes.
            flags = [torch.zeros(shape, dtype=torch.bool) for shape in shapes]
            sizes = functools.reduce(torch.logical_or, flags).shape
            expanded = []
            for tensor, own in zip(tensors, dims, strict=True):
                shape = list(tensor.shape)
                new = len(sizes) - len(own)
                for dim, size in zip(own, sizes[new:], strict=True):
                    shape[dim] = size
                expanded.append(tensor.expand(*sizes[:new], *shape))
            return expanded

    def _written(self, tensor: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Gives a tensor, view or not, the value that an operator in place leaves in it."""
        if value.dtype != tensor.dtype:
            if not torch.can_cast(value.dtype, tensor.dtype):
                raise RuntimeError(
                    f"result type {value.dtype} can't be cast to the output type {tensor.dtype}"
                )
            value = value.to(tensor.dtype)
        if value.dim() != tensor.dim():
            return torch.ops.aten.copy_.default(tensor, value)  # PyTorch's own error
        self.replace(tensor, self.inner(value))
        return tensor

    def _view_or_copy(self, result: torch.Tensor, source: torch.Tensor) -> None:
        """Tells the watch where sizes decide whether a result is a view of its source."""
        if self.base_of(result) is self.base_of(source):
            return
        if any(isinstance(size, torch.SymInt) for size in source.shape):
            self.watch.may_share(result, source)

    def _record_whole(
        self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs
    ) -> OpResult:
        """Records a composite operator as one node."""
        args, kwargs = compat.map_tensors(self._inner_or_same, (args, kwargs))
        with compat.only_mode(self.fake_mode):
            out = self.recorder.of_composite(func, args, kwargs)
            out = self.recorder.record(func, args, kwargs, out)
        return compat.map_tensors(lambda t: self.wrap(t) if isinstance(t, torch.Tensor) else t, out)

    def call_whole(self, function: UserFunction, args: OpArgs, kwargs: OpKwargs) -> OpResult:
        """Records a call of a function that is one node."""
        args, kwargs = compat.map_tensors(self.lift, (args, kwargs))
        for tensor in compat.tensors_among(args, kwargs):
            self.watch.about_to_read(tensor)
        args, kwargs = compat.map_tensors(self._inner_or_same, (args, kwargs))
        with (
            compat.without_function_modes(),
            compat.only_mode(self.fake_mode),
            compat.with_new_sizes(self.fake_mode, function),
        ):
            out = self.recorder.of_function(function, args, kwargs)
        return compat.map_tensors(lambda t: self.wrap(t) if isinstance(t, torch.Tensor) else t, out)

    def _inner_or_same(self, value: Value) -> Value:
        return self.inner(value) if isinstance(value, torch.Tensor) else value
