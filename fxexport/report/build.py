"""What became of building an engine: the result, and the problems."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Literal

from fxexport.source.location import SourceLocation

__all__ = ["BuildResult", "Problem", "Severity"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """Something that TensorRT refuses, or does otherwise than the file says.

    Attributes:
        message: what it is, in the user's terms.
        severity: "error" for what keeps an engine from being built (or right).
        hint: what to do about it.
        location: the user's line.
        node: name of the ONNX node, for files of other origin.
        said: TensorRT's own message, where it says more than the message.
    """

    message: str
    severity: Severity = "error"
    hint: str = ""
    location: SourceLocation | None = None
    node: str = ""
    said: str = ""

    def describe(self) -> str:
        """The problem on one line."""
        where = ""
        if self.location is not None:
            where = f" at {self.location.describe()}"
        elif self.node:
            where = f" at node {self.node!r}"
        return f"{self.severity}: {self.message}{where}"

    def to_dict(self) -> dict[str, Any]:
        """The problem as plain JSON data."""
        return {
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
            "location": None if self.location is None else self.location.to_dict(),
            "node": self.node,
            "said": self.said,
        }


@dataclass
class BuildResult:
    """What became of a build.

    Attributes:
        ok: whether TensorRT built the engine.
        path: the engine's file; empty when none was kept.
        size_bytes: the engine's size.
        builder: what built it, for example "TensorRT-RTX 1.7.1".
        seconds: how long it took, the child's start included.
        problems: errors and warnings.
        executed: whether the engine was also run; without a GPU it cannot be.
    """

    ok: bool
    path: str = ""
    size_bytes: int = 0
    builder: str = ""
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    executed: bool = False

    def describe(self) -> str:
        """The build in a sentence."""
        if not self.ok:
            return f"{self.builder} did not build the engine ({self.seconds:.1f} s)."
        where = f" {os.path.relpath(self.path)}" if self.path else ""
        run = "built and run" if self.executed else "built, not run"
        return (
            f"Engine{where}: {run}, by {self.builder} in {self.seconds:.1f} s, "
            f"{self.size_bytes / 1e6:.1f} MB."
        )

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON data."""
        return {
            "ok": self.ok,
            "path": self.path or None,
            "size_bytes": self.size_bytes or None,
            "builder": self.builder,
            "seconds": round(self.seconds, 3),
            "executed": self.executed,
            "problems": [problem.to_dict() for problem in self.problems],
        }
