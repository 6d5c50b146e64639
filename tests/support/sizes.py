"""Sizes that are known only when the model runs, for tests of what works with them."""

from __future__ import annotations

from typing import Any

from fxexport import _torch_compat as compat

__all__ = ["new_size"]


def new_size(env: compat.SizeEnv) -> Any:
    """A new symbol for a dimension."""
    with env.ignore_fresh_unbacked_symbols():
        size = env.create_unbacked_symint()
    env.mark_size(size.node.expr)
    return size
