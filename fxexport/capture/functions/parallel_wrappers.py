"""What modules that spread a model over devices or processes give, on one.

Their own code moves parameters and starts collective operations: a file has one device.
These functions are rewritten like the user's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

__all__ = ["PARALLEL_WRAPPERS"]

# The converter rewrites the functions of this module.
READ_BY_CAPTURE = True


def _on_one_device(self: Any, *inputs: Any, **kwargs: Any) -> Any:
    return self.module(*inputs, **kwargs)


PARALLEL_WRAPPERS: dict[object, Callable[..., object]] = {
    nn.DataParallel.forward: _on_one_device,
    nn.parallel.DistributedDataParallel.forward: _on_one_device,
}
