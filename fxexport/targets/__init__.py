"""What an exported file runs on: its dialect (a list of passes) and its opsets."""

from __future__ import annotations

from dataclasses import dataclass

from fxexport.errors import UsageError

__all__ = ["Target", "target_named"]


@dataclass(frozen=True)
class Target:
    """A runtime that files are made for.

    Attributes:
        name: what the user calls it.
        passes: names of the passes that make its dialect, in order.
        best_opset: the newest ONNX opset that it takes well.
    """

    name: str
    passes: tuple[str, ...]
    best_opset: int

    def checked_opset(self, opset: int | None) -> int:
        """The opset to write; the target's best for None.

        Raises:
            UsageError: below 18, where If and Loop lack what the graph needs.
        """
        if opset is None:
            return self.best_opset
        if opset < 18:
            raise UsageError(f"expected an ONNX opset from 18, got {opset}")
        return opset


_TARGETS = {
    "onnxruntime": Target(
        "onnxruntime",
        (
            "eliminate_dead_code",
            "scan_rows",
            "scan_lists",
            "eliminate_dead_code",
        ),
        21,
    ),
}


def target_named(name: str) -> Target:
    """The target of a name.

    Raises:
        UsageError: there is no such target.
    """
    target = _TARGETS.get(name)
    if target is None:
        known = ", ".join(sorted(_TARGETS))
        raise UsageError(f"unknown target {name!r}; this version knows: {known}")
    return target
