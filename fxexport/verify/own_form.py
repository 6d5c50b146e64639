"""One operator's form in a file, run by itself."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.signature import InputSpec, OutputSpec
from fxexport.lowering import lower
from fxexport.targets.onnxruntime.session import OrtSession

__all__ = ["OwnForms"]

_OPSET = 21


class OwnForms:
    """Runs operators as files hold them, in ONNX Runtime."""

    def __init__(self, seconds: float | None = None) -> None:
        """`seconds`: how long each may take."""
        self._seconds = seconds
        self._sessions: dict[Hashable, OrtSession] = {}

    def __call__(
        self,
        func: torch._ops.OpOverload,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        results: Sequence[torch.Tensor],
    ) -> list[torch.Tensor]:
        """What the form gives.

        Args:
            func: an operator on one tensor.
            args: its arguments, the tensor first.
            kwargs: likewise; no tensor is among them.
            results: what PyTorch gives: its dtypes and sizes.

        Raises:
            FxExportError: there is no form, or it fails.
        """
        x: torch.Tensor = args[0]
        rest = tuple(args[1:])
        key = (func, x.dtype, tuple(x.shape), rest, tuple(kwargs.items()))
        if key not in self._sessions:
            self._sessions[key] = _session(func, x, rest, kwargs, results)
        found = self._sessions[key].run({"x": x}, self._seconds)
        return [value.to(x.device) for value in found]


def _session(
    func: torch._ops.OpOverload,
    x: torch.Tensor,
    rest: Sequence[Any],
    kwargs: Mapping[str, Any],
    results: Sequence[torch.Tensor],
) -> OrtSession:
    import onnx_ir

    graph = fx.Graph()
    given = graph.placeholder("x")
    given.meta["val"] = _without_data(x)
    node = graph.call_function(func, (given, *rest), dict(kwargs))
    node.meta["val"] = tuple(map(_without_data, results))
    parts = []
    for k, result in enumerate(results):
        part = graph.call_function(operator.getitem, (node, k))
        part.meta["val"] = _without_data(result)
        parts.append(part)
    graph.output(tuple(parts))
    captured = CapturedGraph(
        fx.GraphModule(torch.nn.Module(), graph),
        [InputSpec("x", "tensor", x.dtype, tuple(x.shape))],
        [OutputSpec(f"result_{k}") for k in range(len(results))],
    )
    model = onnx_ir.to_proto(lower(captured, opset=_OPSET))
    return OrtSession(model.SerializeToString())


def _without_data(x: torch.Tensor) -> torch.Tensor:
    return torch.empty(x.shape, dtype=x.dtype, device="meta")
