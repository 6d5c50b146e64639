"""What PyTorch does by itself, switched off for a while: its log, fused kernels, bounds."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

import torch
from torch._library.fake_impl import FakeImplCtx, set_ctx_getter
from torch._subclasses.fake_tensor import FakeTensorMode

__all__ = [
    "counts_from_zero",
    "mha_fastpath_disabled",
    "quiet_kernels",
    "with_new_sizes",
]

_NOISY = ("torch._subclasses.fake_tensor", "torch.fx.experimental.symbolic_shapes")


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


def with_new_sizes(
    mode: FakeTensorMode, function: object
) -> contextlib.AbstractContextManager[None]:
    """Lets `torch.library.get_ctx` be called by what gives a function's fake results."""
    # A fake kernel is given this context where its operator is registered; ours has none.
    return set_ctx_getter(lambda: FakeImplCtx(mode, function))


@contextlib.contextmanager
def counts_from_zero() -> Iterator[None]:
    """Custom operators' results of unknown size may have no rows, or one.

    `create_unbacked_symint`, which torchvision's nms calls in its fake kernel, says that there are
    two or more unless told otherwise: that made `if len(kept) == 0` a condition that never holds.
    """
    before = FakeImplCtx.create_unbacked_symint

    def create(self: FakeImplCtx, *, min: int = 0, max: int | None = None) -> torch.SymInt:
        return self.new_dynamic_size(min=min, max=max)  # type: ignore[no-any-return]

    FakeImplCtx.create_unbacked_symint = create  # type: ignore[method-assign]
    try:
        yield
    finally:
        FakeImplCtx.create_unbacked_symint = before  # type: ignore[method-assign]


@contextlib.contextmanager
def mha_fastpath_disabled() -> Iterator[None]:
    """Keeps attention modules off their fused kernels, which have no fake implementation."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
