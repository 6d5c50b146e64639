"""The tensors that the user's program holds while it is captured.

They are functional tensors (PyTorch's own functionalization) around fake tensors. Real tensors
that the program reaches (parameters, buffers, constants in closures) are lifted when an op first
meets them; composite operators that have a coarse ONNX form are recorded whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

from fxexport import _torch_compat as compat
from fxexport.capture.recorder import Recorder

__all__ = ["TensorMode"]


class TensorMode(compat.UserMode):
    """The topmost dispatch mode: lifts, keeps composites whole, follows views and writes."""

    def __init__(
        self,
        fake_mode: compat.FakeTensorMode,
        recorder: Recorder,
        keep_composite: Callable[[torch._ops.OpOverload], bool],
        name_of: Callable[[torch.Tensor], str],
        on_write: Callable[[torch.Tensor], None],
        now: Callable[[], int],
    ) -> None:
        super().__init__()
        self.fake_mode = fake_mode
        self.functional = compat.FunctionalTensorMode()
        self.recorder = recorder
        self.keep_composite = keep_composite
        self.name_of = name_of
        self.on_write = on_write
        self._now = now
        self._born: Any = WeakIdKeyDictionary()
        self._tagged: Any = WeakIdKeyDictionary()
        self._lifted: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._base_of: Any = WeakIdKeyDictionary()
        self._quiet = 0
        # How many of PyTorch's operators are being worked out just now.
        self.dispatching = 0

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

    def is_tagged(self, tensor: Any) -> bool:
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
        self._quiet += 1
        try:
            compat.replace_inner(tensor, fake)
        finally:
            self._quiet -= 1

    def base_of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor that a view looks into; a tensor that is no view itself."""
        return self._base_of.get(tensor, tensor)

    def lift(self, value: Any) -> Any:
        """A functional tensor for a real one, the same one each time; others as they are."""
        if not isinstance(value, torch.Tensor) or isinstance(value, compat.FunctionalTensor):
            return value
        held = self._lifted.get(id(value))
        if held is None:
            if isinstance(value, compat.FakeTensor):
                lifted = self.wrap(value)
            else:
                fake = compat.fake_of_real(value, self.fake_mode)
                self.recorder.add_weight(self.name_of(value), value, fake)
                lifted = self.wrap(fake)
            held = self._lifted[id(value)] = (value, lifted)
        return held[1]

    def was_written(self, value: torch.Tensor) -> bool:
        """Whether a real tensor has been given another value by the program."""
        held = self._lifted.get(id(value))
        if held is None:
            return False
        fake = self.recorder.weight_fake(self.name_of(value))
        return fake is not None and self.inner(held[1]) is not fake

    def written_weights(self) -> list[str]:
        """Names of the parameters, buffers and constants that the program has written to."""
        return [
            self.name_of(tensor)
            for tensor, _ in list(self._lifted.values())
            if not isinstance(tensor, compat.FakeTensor) and self.was_written(tensor)
        ]

    # -- dispatch --------------------------------------------------------------------------------

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self._quiet or func in compat.METADATA_OPS:
            return func(*args, **kwargs)
        if not isinstance(func, torch._ops.OpOverload):
            return func(*args, **kwargs)
        self.dispatching += 1
        try:
            return self._dispatched(func, args, kwargs)
        finally:
            self.dispatching -= 1

    def _dispatched(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs = compat.map_tensors(self.lift, (tuple(args), dict(kwargs)))
        if self.keep_composite(func):
            return self._record_whole(func, args, kwargs)
        if compat.is_composite(func):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        functional = compat.functional_variant(func)
        if functional is not None and self.keep_composite(functional):
            # In place on the outside, one coarse operator on the inside.
            result = self._record_whole(functional, args, kwargs)
            return torch.ops.aten.copy_.default(args[0], result)
        writes = compat.written_arguments(func, args, kwargs)
        for tensor in writes:
            self.on_write(self.base_of(tensor))
        out = func(*args, **kwargs)
        for view, source in compat.views_in(func, args, kwargs, out):
            if view is not source:
                self._base_of[view] = self.base_of(source)
        now = self._now()
        for tensor in writes:
            self._born.setdefault(tensor, 0)
        for made in out if isinstance(out, (list, tuple)) else (out,):
            if isinstance(made, torch.Tensor) and made not in self._born:
                self._born[made] = now
        return out

    def _record_whole(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Records a composite operator as one node."""
        args, kwargs = compat.map_tensors(self._inner_or_same, (args, kwargs))
        self.recorder.in_kernel += 1
        try:
            with compat.only_mode(self.fake_mode), compat.python_kernels():
                out = func(*args, **kwargs)
        finally:
            self.recorder.in_kernel -= 1
        with compat.only_mode(self.fake_mode):
            out = self.recorder.record(func, args, kwargs, out)
        return compat.map_tensors(lambda t: self.wrap(t) if isinstance(t, torch.Tensor) else t, out)

    def _inner_or_same(self, value: Any) -> Any:
        return self.inner(value) if isinstance(value, torch.Tensor) else value
