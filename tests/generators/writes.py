"""Random statements that write in place: to tensors, through views, and to a module's state.

A tensor that is written in place is never bound anew: it is a *buffer*, a mat that is read like any
other. A *view* is a name for a part of a buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.generators.expressions import Scope

__all__ = ["STATE", "WRITES"]

Statement = Callable[[Any, Scope, int, int], bool]


def make_buffer(writer: Any, scope: Scope, depth: int, nesting: int) -> bool:
    """``w1 = ...``: a tensor to write into."""
    name = writer.fresh("w")
    writer.emit(depth, f"{name} = {writer.expressions.bounded('mat', scope, 1)}")
    scope.add(name, "mat", fixed=True)
    scope.add(f"*{name}", "buffer", fixed=True)
    return True


def make_view(writer: Any, scope: Scope, depth: int, nesting: int) -> bool:
    """``v1 = w1[:, 1]``: another name for a part of a buffer."""
    buffers = _buffers(scope)
    if not buffers:
        return make_buffer(writer, scope, depth, nesting)
    buffer = writer.rng.choice(buffers)
    name = writer.fresh("v")
    writer.emit(depth, f"{name} = {_part(writer, buffer, scope)}")
    scope.add(name, "view", fixed=True)
    scope.add(f"{name}={buffer}", "view of", fixed=True)
    return True


def write(writer: Any, scope: Scope, depth: int, nesting: int) -> bool:
    """A write to a buffer or a part of one; the buffer is kept small afterwards."""
    rng, expressions = writer.rng, writer.expressions
    views = dict(name.split("=") for name in scope.names("view of"))
    buffers = _buffers(scope)
    if not buffers:
        return make_buffer(writer, scope, depth, nesting)
    if views and rng.random() < 0.4:
        target = rng.choice(list(views))
        buffer = views[target]
    else:
        buffer = rng.choice(buffers)
        target = buffer if rng.random() < 0.2 else _part(writer, buffer, scope)
    number = expressions.num(scope, 1)
    constant = expressions.factor()
    # An item of unbind's tuple cannot be assigned, what it holds can.
    whole = target.isidentifier() or target.endswith(")") or ".unbind(" in target
    item = f"{target}[...]" if whole or ".split(" in target else target
    writer.emit(
        depth,
        rng.choice(
            (
                f"{item} = {number}",
                f"{item} = {constant}",
                f"{item} += {number}",
                f"{item} *= {constant}",
                f"{target}.add_({number})",
                f"{target}.mul_({constant})",
                f"{target}.fill_({constant})",
                f"{target}.neg_()",
                f"{target}.copy_({number})",
                f"{target}.clamp_(min={constant})",
                f"{target}.masked_fill_({target} > {expressions.threshold()}, {constant})",
                f"torch.tanh({buffer}, out={buffer})",
                f"{buffer}[{buffer} > {expressions.threshold()}] = {constant}",
                f"{buffer}.copy_({expressions.row(scope, 1)})",
                f"{buffer} -= {expressions.mat(scope, 1)}",
            )
        ),
    )
    writer.emit(depth, f"{buffer}.clamp_(-3.0, 3.0)")
    return True


def write_state(writer: Any, scope: Scope, depth: int, nesting: int) -> bool:
    """A write to what a module keeps."""
    rng, expressions = writer.rng, writer.expressions
    row, number = expressions.row(scope, 1), expressions.num(scope, 1)
    lines = rng.choice(
        (
            [f"self.steps = (self.steps + {expressions.int_(scope, 1)}) % 7"],
            ["self.steps += 1"],
            [f"self.last = ({row}).clamp(-3.0, 3.0)"],
            [f"self.memory[{rng.randrange(4)}] = {number}", "self.memory.clamp_(-3.0, 3.0)"],
            [f"self.memory.add_({row})", "self.memory.clamp_(-3.0, 3.0)"],
            [f"self.memory[1:3] *= {expressions.factor()}"],
            [f"self.kept[0], self.kept[1] = self.kept[1], ({row}).clamp(-3.0, 3.0)"],
        )
    )
    for line in lines:
        writer.emit(depth, line)
    return True


def _buffers(scope: Scope) -> list[str]:
    return [name[1:] for name in scope.names("buffer")]


def _part(writer: Any, buffer: str, scope: Scope) -> str:
    """A view of a buffer that exists for any number of rows."""
    rng = writer.rng
    k = rng.randrange(4)
    parts = [
        f"{buffer}[:1]",
        f"{buffer}[1:]",
        f"{buffer}[::2]",
        f"{buffer}[-2:]",
        f"{buffer}[:, {k}]",
        f"{buffer}[:, 1:3]",
        f"{buffer}[1:, {k}]",
        f"{buffer}[1:][:, :2]",
        f"{buffer}.T[{k}]",
        f"{buffer}.t()[1:3]",
        f"{buffer}.narrow(1, 1, 2)",
        f"{buffer}.split(2, 1)[{k % 2}]",
        f"{buffer}.unbind(1)[{k}]",
        f"{buffer}.unflatten(1, (2, 2))[:, {k % 2}]",
        f"{buffer}.diagonal()",
        f"{buffer}.select(1, {k})",
        f"{buffer}.detach()[:, {k}:]",
    ]
    parts += [f"{buffer}[{index[1:]}]" for index in scope.names("row number")] * 4
    return rng.choice(parts)


# Statements by name, with how often they come beside an assignment's 5.
WRITES: dict[str, tuple[int, Statement]] = {
    "make_buffer": (1, make_buffer),
    "make_view": (1, make_view),
    "write": (4, write),
}
STATE: dict[str, tuple[int, Statement]] = {"write_state": (2, write_state)}
