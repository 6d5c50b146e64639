"""Private PyTorch API on modes: what sees an operator before it runs, and how to run past it."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _disable_infra_mode,
)

__all__ = [
    "ProgramMode",
    "ProxySlotMode",
    "UserMode",
    "below_autograd",
    "no_dispatch_modes",
    "no_functional_mode",
    "no_recording",
    "only_mode",
    "python_kernels",
    "without_function_modes",
]


class UserMode(TorchDispatchMode):
    """An ordinary dispatch mode, without the start-up cost of PyTorch's compiler."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


class ProgramMode(TorchDispatchMode):
    """A dispatch mode around a program as it is, which PyTorch's compiler does not look into.

    `torch.map` and kin compile themselves where they are called, with the modes around them; the
    compiler would read such a mode's own code as a part of the program, and fail.
    """

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        return True


class ProxySlotMode(TorchDispatchMode):
    """A dispatch mode below functionalization and above fake tensors.

    PyTorch keeps one slot for such a mode (its own ProxyTorchDispatchMode); a mode that claims
    it sees functional ops only, while an ordinary mode sits above functionalization and sees
    ``add_`` and ``copy_``. Arithmetic on symbolic scalars comes to `__sym_dispatch__`.
    """

    class _Tracker(dict[object, types.SimpleNamespace]):
        # torch 2.11 asks for the node of every tensor before it replays views, to copy the
        # node's annotations; there are none.
        def __missing__(self, key: object) -> types.SimpleNamespace:
            return types.SimpleNamespace(proxy=types.SimpleNamespace(node=None))

    class _Tracer:
        def __init__(self) -> None:
            self.tensor_tracker = ProxySlotMode._Tracker()

    def __init__(self) -> None:
        super().__init__()
        self._mode_key = torch._C._TorchDispatchModeKey.PROXY
        self.tracer = self._Tracer()
        self.pre_dispatch = False
        self.enter_stack: list[object] = []

    @classmethod
    def is_infra_mode(cls) -> bool:
        return True

    def __sym_dispatch__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> object:
        raise NotImplementedError


def only_mode(mode: FakeTensorMode) -> contextlib.AbstractContextManager[object]:
    """Dispatch with this mode alone."""
    stack = contextlib.ExitStack()
    stack.enter_context(_disable_current_modes())
    stack.enter_context(mode)
    return stack


def no_recording() -> contextlib.AbstractContextManager[object]:
    """Size arithmetic inside is not seen by the recorder."""
    from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing

    return disable_proxy_modes_tracing()


def python_kernels() -> contextlib.AbstractContextManager[None]:
    """Lets Python implementations of operators run: they take symbolic sizes."""
    return enable_python_dispatcher()


@contextlib.contextmanager
def below_autograd() -> Iterator[None]:
    """Lets dispatch modes see composite operators (linear, layer_norm, …) whole."""
    guard = torch._C._AutoDispatchBelowAutograd()
    try:
        yield
    finally:
        del guard


def no_dispatch_modes() -> contextlib.AbstractContextManager[object]:
    """Ops inside run as if nothing were captured."""
    return _disable_current_modes()


def without_function_modes() -> contextlib.AbstractContextManager[object]:
    """PyTorch's functions inside go past our function mode."""
    return torch._C.DisableTorchFunction()


def no_functional_mode() -> contextlib.AbstractContextManager[object]:
    return contextlib.contextmanager(_disable_infra_mode)(torch._C._TorchDispatchModeKey.FUNCTIONAL)
