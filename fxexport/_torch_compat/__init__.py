"""Every use of private PyTorch API, in one place (tried on torch 2.11, 2.13 and 2.15).

A new PyTorch version that moves one of these breaks this package and its test
(``tests/test_torch_compat.py``), and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedOperatorException,
)
from torch._subclasses.functional_tensor import FunctionalTensor, FunctionalTensorMode
from torch.fx.experimental.symbolic_shapes import (
    GuardOnDataDependentSymNode,
    statically_known_true,
)
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _disable_infra_mode,
)
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils._sympy.functions import Max, Min, Mod

from fxexport._torch_compat.operators import (
    functional_variant,
    has_own_decomposition,
    is_composite,
    larger_table,
    tensors_among,
    views_in,
    written_arguments,
    written_by_python,
)
from fxexport._torch_compat.sizes import (
    GuardPolicy,
    ShapeState,
    SizeEnv,
    asked_for_broadcasting,
    asked_for_layout,
    at_sizes,
    bounds_within,
    finite,
    is_boolean,
    make_sym_node,
    python_text,
    raw_expression,
    size_with,
    stack_of_assert,
    stack_of_fact,
)

__all__ = [
    "GROUPED_MM",
    "METADATA_OPS",
    "NO_FAKE_RESULT",
    "FakeTensor",
    "FakeTensorMode",
    "FunctionalTensor",
    "FunctionalTensorMode",
    "GuardOnDataDependentSymNode",
    "GuardPolicy",
    "Max",
    "Min",
    "Mod",
    "ProxySlotMode",
    "ShapeState",
    "SizeEnv",
    "asked_for_broadcasting",
    "asked_for_layout",
    "at_sizes",
    "below_autograd",
    "bounds_within",
    "finite",
    "functional_variant",
    "has_own_decomposition",
    "is_boolean",
    "is_composite",
    "larger_table",
    "make_sym_node",
    "mha_fastpath_disabled",
    "no_recording",
    "python_text",
    "raw_expression",
    "size_with",
    "stack_of_assert",
    "stack_of_fact",
    "statically_known_true",
    "tensors_among",
    "tree_flatten",
    "tree_unflatten",
    "views_in",
    "written_arguments",
    "written_by_python",
]

# What fake tensors raise for an operator of which PyTorch says nothing without values.
NO_FAKE_RESULT = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
)

# Functions that ask whether an argument or a mode overrides PyTorch's functions.
OVERRIDE_TESTS = (
    torch._C._has_torch_function,
    torch._C._has_torch_function_unary,
    torch._C._has_torch_function_variadic,
)
# Its public name is a Python function around it.
GROUPED_MM = torch._grouped_mm
METADATA_OPS = (*tuple(FunctionalTensor.metadata_fns), torch.ops.prim.device.default)


def fake_like(tensor: torch.Tensor, sizes: Sequence[Any]) -> torch.Tensor:
    """A fake tensor of the same dtype and device with other symbols for its sizes."""
    return torch.empty(sizes, dtype=tensor.dtype, device=tensor.device)


def fake_beside(tensor: torch.Tensor, sizes: Sequence[Any]) -> torch.Tensor:
    """`fake_like`, made in the fake mode of the tensor itself: for use after capture."""
    mode: FakeTensorMode = tensor.fake_mode  # type: ignore[attr-defined]
    with mode:
        return fake_like(tensor, sizes)


def fresh_size(tensor: torch.Tensor) -> torch.SymInt:
    """A new size that nothing is known about, beside a tensor of a graph: for use after capture."""
    env: Any = tensor.fake_mode.shape_env  # type: ignore[attr-defined]
    with env.ignore_fresh_unbacked_symbols():
        size: torch.SymInt = env.create_unbacked_symint()
    env.mark_size(size.node.expr)
    return size


class UserMode(TorchDispatchMode):
    """An ordinary dispatch mode, without the start-up cost of PyTorch's compiler."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def _no_functional_mode() -> contextlib.AbstractContextManager[Any]:
    return contextlib.contextmanager(_disable_infra_mode)(torch._C._TorchDispatchModeKey.FUNCTIONAL)


def inner_of(tensor: torch.Tensor) -> torch.Tensor:
    """The fake tensor inside a functional one, after pending writes to its base."""
    with _no_functional_mode():
        torch._sync(tensor)  # type: ignore[attr-defined]
        return torch._from_functional_tensor(tensor.elem)  # type: ignore[attr-defined]


def replace_inner(tensor: torch.Tensor, fake: torch.Tensor) -> None:
    """Gives a functional tensor that is no view another value; its views are regenerated."""
    with _no_functional_mode():
        elem = tensor.elem  # type: ignore[attr-defined]
        torch._functionalize_replace(elem, fake)
        torch._functionalize_commit_update(elem)
        torch._functionalize_sync(elem)


def fake_of_real(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    """A fake tensor with the static shape of a real one; the data is not touched."""
    # A weight without data is captured as if it lay in memory.
    device = torch.device("cpu") if tensor.device.type == "meta" else tensor.device
    with only_mode(mode):
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


def only_mode(mode: FakeTensorMode) -> contextlib.AbstractContextManager[Any]:
    """Dispatch with this mode alone."""
    stack = contextlib.ExitStack()
    stack.enter_context(_disable_current_modes())
    stack.enter_context(mode)
    return stack


def map_tensors(function: Callable[[Any], Any], values: Any) -> Any:
    """Applies a function to every leaf of nested arguments."""
    return tree_map(function, values)


@contextlib.contextmanager
def quiet_kernels() -> Iterator[None]:
    """Keeps PyTorch from logging an error that is raised, and reported, as well.

    Nor does a library's fake kernel warn the user of what it calls in PyTorch.
    """
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".create_unbacked_symint. is deprecated")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def counts_from_zero() -> Iterator[None]:
    """Custom operators' results of unknown size may have no rows, or one.

    `create_unbacked_symint`, which torchvision's nms calls in its fake kernel, says that there are
    two or more unless told otherwise: that made `if len(kept) == 0` a condition that never holds.
    """
    from torch._library.fake_impl import FakeImplCtx

    before = FakeImplCtx.create_unbacked_symint

    def create(self: Any, *, min: int = 0, max: int | None = None) -> torch.SymInt:
        return self.new_dynamic_size(min=min, max=max)  # type: ignore[no-any-return]

    FakeImplCtx.create_unbacked_symint = create  # type: ignore[method-assign]
    try:
        yield
    finally:
        FakeImplCtx.create_unbacked_symint = before  # type: ignore[method-assign]


_NOISY = ("torch._subclasses.fake_tensor", "torch.fx.experimental.symbolic_shapes")


def no_recording() -> contextlib.AbstractContextManager[Any]:
    """Size arithmetic inside is not seen by the recorder."""
    from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing

    return disable_proxy_modes_tracing()


class ProxySlotMode(TorchDispatchMode):
    """A dispatch mode below functionalization and above fake tensors.

    PyTorch keeps one place for such a mode (its own ProxyTorchDispatchMode); a mode that claims
    it sees functional ops only, while an ordinary mode sits above functionalization and sees
    ``add_`` and ``copy_``. Arithmetic on symbolic scalars comes to `__sym_dispatch__`.
    """

    class _Tracker(dict[Any, Any]):
        # torch 2.11 asks for the node of every tensor before it replays views, to copy the
        # node's annotations; there are none.
        def __missing__(self, key: Any) -> Any:
            return types.SimpleNamespace(proxy=types.SimpleNamespace(node=None))

    class _Tracer:
        def __init__(self) -> None:
            self.tensor_tracker = ProxySlotMode._Tracker()

    def __init__(self) -> None:
        super().__init__()
        self._mode_key = torch._C._TorchDispatchModeKey.PROXY
        self.tracer = self._Tracer()
        self.pre_dispatch = False
        self.enter_stack: list[Any] = []

    @classmethod
    def is_infra_mode(cls) -> bool:
        return True

    def __sym_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        raise NotImplementedError


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


@contextlib.contextmanager
def mha_fastpath_disabled() -> Iterator[None]:
    """Keeps attention modules off their fused kernels, which have no fake implementation."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def real_truth(tensor: torch.Tensor) -> bool:
    """The truth of a real one-element tensor, read outside all modes."""
    with _disable_current_modes(), without_function_modes():
        return bool(tensor.detach().reshape(()).item())


def real_list(tensor: torch.Tensor) -> Any:
    """The values of a real tensor as nested lists, read outside all modes."""
    with _disable_current_modes(), without_function_modes():
        return tensor.detach().tolist()


def no_dispatch_modes() -> contextlib.AbstractContextManager[Any]:
    """Ops inside run as if nothing were captured."""
    return _disable_current_modes()


def without_function_modes() -> contextlib.AbstractContextManager[Any]:
    """PyTorch's functions inside go past our function mode."""
    return torch._C.DisableTorchFunction()


def is_torch_builtin(function: Any) -> bool:
    """Whether a builtin is one of PyTorch's functions of tensors."""
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", None) or ""
    return name.startswith("_VariableFunctionsClass.") or module.startswith("torch")


def is_control_flow_function(function: Any) -> bool:
    """Whether a function is one of PyTorch's cond, while_loop, scan, map and kin.

    Some have no public name, and those that have one say that they are torch's own.
    """
    code = getattr(function, "__code__", None)
    return code is not None and "_higher_order_ops" in code.co_filename


def program_module(program: torch.export.ExportedProgram) -> torch.nn.Module:
    """An exported program's module, without the checks of its inputs that run before it.

    They compare sizes, which would hold every dimension at the example's size.
    """
    module = program.module(check_guards=False)
    module._forward_pre_hooks.clear()
    return module


def is_generated(code: types.CodeType) -> bool:
    """Whether code is the forward that a torch.fx.GraphModule generates from its graph."""
    return code.co_filename.startswith("<eval_with_key>")


def stack_of_generated(frame: types.FrameType, line: int) -> str:
    """The Python stack that the node behind a line of generated code was made at; may be empty."""
    module = frame.f_locals.get("self")
    if not isinstance(module, torch.fx.GraphModule):
        return ""
    table: Any = getattr(module, "_lineno_map", None) or {}
    index = table.get(line - frame.f_code.co_firstlineno)
    nodes = list(module.graph.nodes)
    return (nodes[index].stack_trace or "") if index is not None and index < len(nodes) else ""


def remember_item(fake: torch.Tensor, number: torch.SymInt) -> None:
    """Makes ``item()`` of a fake tensor with one element give a number that is known already."""
    fake.item_memo = number  # type: ignore[attr-defined]
