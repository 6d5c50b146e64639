"""How many faults verification finds where no input leads: with decisions forced, and without.

    python benchmarks/planted_faults.py [--only NAME] [--place 2] [--verbose]

Each program has a path that no input takes, and computes something there: in an if, in an else, in
a loop, in a while. Each has one of these places in turn, or all have the one that `--place` says. A
fault is planted there in three ways: in the graph, as a wrong pass or a wrong capture would leave
it; in the lowering of one operator; in the file, where one ONNX operator is another one. One fault
is a mutant. It is caught when the check says that the file does not agree.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import onnx
import torch
import torch.nn.functional as F
from torch import fx, nn
from torch._ops import OpOverload

import fxexport
from fxexport import pipeline
from fxexport.graph.captured import bodies_of, source_of
from fxexport.lowering.graph_lowering import GraphLowering
from fxexport.verify import verifier
from fxexport.verify.cases import Effort
from fxexport.verify.forced_ways import ForcedWays

Body = Callable[[torch.Tensor], torch.Tensor]

# An operator, and another one that takes the same and gives the same dtype.
SWAPS = {
    "Add": "Sub", "Sub": "Add", "Mul": "Add", "Div": "Mul", "Max": "Min", "Min": "Max",
    "Relu": "Neg", "Sigmoid": "Tanh", "Tanh": "Sigmoid", "Exp": "Cos", "Sin": "Cos", "Cos": "Sin",
    "Sqrt": "Exp", "Erf": "Tanh", "Log": "Exp", "Abs": "Neg", "Floor": "Ceil", "Greater": "Less",
    "Less": "Greater", "ReduceSum": "ReduceMax", "ReduceMax": "ReduceMin",
    "ReduceMean": "ReduceSum", "Softmax": "LogSoftmax", "LogSoftmax": "Softmax",
    "Clip": "Min", "Reciprocal": "Neg",
}  # fmt: skip


def by_rows(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([row * k for k, row in enumerate(x)])


def running(x: torch.Tensor) -> torch.Tensor:
    total = x[0] * 0
    for row in x:
        total = total * 0.5 + row
    return x + total * total + total


def kept_rows(x: torch.Tensor) -> torch.Tensor:
    rows = [row.exp() for row in x if row.sum() > 1.8]
    return torch.cat(rows).reshape(-1, 3)


def inner_if(x: torch.Tensor) -> torch.Tensor:
    if x.max() > 1:
        return x.cos() * 3
    return x - 2


def rotated(x: torch.Tensor) -> torch.Tensor:
    turned = torch.complex(x, x + 1) * torch.complex(x, -x)
    return turned.real + turned.imag


def halved(x: torch.Tensor) -> torch.Tensor:
    while x.abs().max() > 1:
        x = x / 2
    return x


BODIES: dict[str, Body] = {
    "arithmetic": lambda x: (x + 2) * 3 - x / 4,
    "relu": lambda x: F.relu(x) + x,
    "sigmoid": torch.sigmoid,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "softmax": lambda x: F.softmax(x, dim=1),
    "log_softmax": lambda x: F.log_softmax(x, dim=0),
    "layer_norm": lambda x: F.layer_norm(x, (3,)),
    "clamp": lambda x: x.clamp(-0.5, 1.5),
    "maximum": lambda x: torch.maximum(x, 1 - x),
    "where": lambda x: torch.where(x > 0.3, x, x * 10),
    "matmul": lambda x: x @ x.T @ x,
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, x) @ x,
    "cumsum": lambda x: x.cumsum(1),
    "sort": lambda x: x.sort(dim=1).values,
    "topk": lambda x: x + x.topk(2, dim=1).values.sum(1, keepdim=True),
    "gather": lambda x: x.gather(1, x.argsort(1)) * 2,
    "pad": lambda x: F.pad(x, (1, 1), value=0.5)[:, :3],
    "cat": lambda x: torch.cat([x[:, 1:], x[:, :1]], 1),
    "masked_fill": lambda x: x.masked_fill(x < 0, 7.0),
    "mean_and_var": lambda x: (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 1),
    "norm": lambda x: x / x.norm(dim=1, keepdim=True),
    "flip": lambda x: x.flip(0) + x.roll(1, 1),
    "floor": lambda x: x.floor() + x.remainder(0.75),
    "one_hot": lambda x: x + F.one_hot(x.argmax(1), 3),
    "a list of rows": by_rows,
    "a loop": running,
    "rows that are kept": kept_rows,
    "an inner if": inner_if,
    "complex numbers": rotated,
    "an inner while": halved,
}  # fmt: skip


class InIf(nn.Module):
    """What it computes behind the condition is never reached."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum().sin() > 2:
            return self.body(x)
        return x


class InElse(InIf):
    """The same in an else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum().sin() < 2:
            x = x * 2
        else:
            x = x * 3
            x = self.body(x)
        return x


class InLoop(InIf):
    """The same in an if in a loop, which it leaves."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for row in x:
            if row.sum().sin() > 2:
                y = self.body(x)
                break
        return y


class InWhile(InIf):
    """The same in a while whose condition never holds."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while x.sum().sin() > 2:
            x = self.body(x)
        return x


PLACES: tuple[type[InIf], ...] = (InIf, InElse, InLoop, InWhile)
X = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.25, -0.125]])


def exported(model: nn.Module) -> fxexport.Exported:
    return fxexport.export(model, (X,), dynamic={"x": {0: "rows"}}, verify=False)


def inner_graphs(module: fx.GraphModule) -> Iterator[fx.GraphModule]:
    """All bodies of a graph."""
    for node in module.graph.nodes:
        for body in bodies_of(module, node):
            yield body
            yield from inner_graphs(body)


def in_body(node: fx.Node) -> bool:
    """Whether a node computes a float, and not for the condition that never holds."""
    val = node.meta.get("val")
    is_float = isinstance(val, torch.Tensor) and val.dtype == torch.float32
    return node.op == "call_function" and is_float and not is_asked(node)


def is_asked(node: fx.Node) -> bool:
    """Whether a node is of the condition that never holds, or is there for it alone."""
    source = source_of(node)
    if source is not None and ".sin()" in source.code:
        return True
    return bool(node.users) and all(is_asked(user) for user in node.users)


def wrong_in_graph(model: nn.Module) -> Iterator[tuple[str, fxexport.Exported]]:
    """The last result of the deepest body is another one; the file is lowered from that graph."""
    shift = torch.ops.aten.add.Tensor
    real = pipeline._lower

    def lowered(graph: Any, *rest: Any) -> Any:
        nodes = [n for body in inner_graphs(graph.module) for n in body.graph.nodes if in_body(n)]
        for node in nodes[-1:]:
            with node.graph.inserting_after(node):
                moved = node.graph.call_function(shift, (node, 1.0))
            moved.meta.update(node.meta)
            node.replace_all_uses_with(
                moved, delete_user_cb=lambda user, own=moved: user is not own
            )
        for body in inner_graphs(graph.module):
            body.recompile()
        return real(graph, *rest)

    with mock.patch.object(pipeline, "_lower", lowered):
        yield "graph", exported(model)


def wrong_in_lowering(model: nn.Module) -> Iterator[tuple[str, fxexport.Exported]]:
    """One operator is lowered wrong wherever it stands in a body."""
    bodies = list(inner_graphs(exported(model).graph.module))
    targets = dict.fromkeys(
        str(node.target)
        for body in bodies
        for node in body.graph.nodes
        if in_body(node) and isinstance(node.target, OpOverload)
    )
    real = GraphLowering._lower
    for target in targets:

        def lower(self: Any, node: fx.Node, *rest: Any, target: str = target) -> Any:
            result = real(self, node, *rest)
            if str(node.target) != target or not self.path or not in_body(node):
                return result
            return self.op.Add(
                self.op.cast(result, self.op.dtype), self.op.const(1.0, self.op.dtype)
            )

        with mock.patch.object(GraphLowering, "_lower", lower):
            yield f"lowering of {target}", exported(model)


def onnx_bodies(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
                yield from onnx_bodies(attribute.g)


def is_swapped(node: onnx.NodeProto) -> bool:
    """Whether there is another operator for one, and it is not of the condition."""
    sources = [one.value for one in node.metadata_props if one.key == "pkg.fxexport.source"]
    return node.op_type in SWAPS and not any(".sin()" in source for source in sources)


def checked(export: fxexport.Exported, path: Path, *, force: bool) -> bool:
    """Whether the check finds something wrong with a file."""
    run = ForcedWays.run if force else (lambda *_: None)
    # By how the programs are made no input leads there, so few are tried.
    effort = mock.patch.object(verifier, "effort_for", lambda *_: Effort(3, 4, 48, 48, 4, 1000))
    with mock.patch.object(ForcedWays, "run", run), effort:
        result = export.verify_file(str(path))
    return not result.ok


class Count:
    """The mutants made and caught."""

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose
        self.made = self.forced = self.plain = 0

    def add(self, name: str, export: fxexport.Exported, path: Path) -> None:
        """Checks one mutant twice."""
        found = checked(export, path, force=True)
        plain = checked(export, path, force=False)
        self.made += 1
        self.forced += found
        self.plain += plain
        if self.verbose or not found:
            also = ", without forcing too" if plain else ""
            print(f"{'caught' if found else 'MISSED'}{also}  {name}", flush=True)


def mutants(name: str, model: nn.Module, folder: Path, count: Count) -> None:
    """All mutants of one program."""
    path = folder / "model.onnx"
    for make in (wrong_in_graph, wrong_in_lowering):
        for what, export in make(model):
            export.save(path)
            count.add(f"{name}: {what}", export, path)
    export = exported(model)
    export.save(path)
    if checked(export, path, force=True):
        print(f"WRONG   {name} without any fault: {export.report.verification}", flush=True)
    right = onnx.load(path)
    kinds = dict.fromkeys(
        node.op_type for body in onnx_bodies(right.graph) for node in body.node if is_swapped(node)
    )
    for kind in kinds:
        wrong = onnx.ModelProto()
        wrong.CopyFrom(right)
        # One of them: two may make up for each other, `(a < 0) != (b < 0)` with both turned round.
        nodes = [node for body in onnx_bodies(wrong.graph) for node in body.node]
        next(n for n in nodes if n.op_type == kind and is_swapped(n)).op_type = SWAPS[kind]
        onnx.save(wrong, path)
        count.add(f"{name}: {kind} is {SWAPS[kind]}", export, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="programs whose names have this in them")
    parser.add_argument("--place", type=int, help="one of the four ways to place them, from 0")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    count = Count(options.verbose)
    with tempfile.TemporaryDirectory() as folder:
        for k, (name, body) in enumerate(BODIES.items()):
            place = PLACES[k % len(PLACES) if options.place is None else options.place]
            title = f"{name}, {place.__name__}"
            if options.only in title:
                mutants(title, place(body).eval(), Path(folder), count)
    print(f"{count.made} mutants: {count.forced} caught, {count.plain} of them without forcing")


if __name__ == "__main__":
    main()
