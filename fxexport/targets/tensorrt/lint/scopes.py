"""What TensorRT does not take of ifs and loops (measured with TensorRT-RTX 1.7.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir

from fxexport.report.build import Severity
from fxexport.targets.tensorrt.build.node_locations import walk

__all__ = ["Scopes", "scope_findings"]

Found = tuple[str, str, Severity]

# Where the operators take a size from: positions of the inputs that are sizes.
_FLOATS = {ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16}

# What TensorRT looks through where it computes a size on the host (some of it).
_HOST = (
    "Abs Add And Cast Ceil Clip Concat Div Equal Exp Expand Floor Gather Greater GreaterOrEqual "
    "Identity Less LessOrEqual MatMul Max Min Mul Neg Not Or Pow Relu Reshape Sigmoid Slice "
    "Squeeze Sub Unsqueeze Where"
)
_ON_HOST = frozenset(_HOST.split())

_SIZED_BY: dict[str, tuple[int, ...]] = {
    "Slice": (1, 2),
    "Range": (0, 1, 2),
    "Expand": (1,),
    "ConstantOfShape": (0,),
    "Reshape": (1,),
    "Resize": (3,),
    "TopK": (1,),
    "Tile": (1,),
    "Pad": (1,),
}
_WHAT = {
    "Slice": "a slice",
    "Range": "a range",
    "Expand": "an expanded tensor",
    "ConstantOfShape": "a new tensor",
    "Reshape": "a reshaped tensor",
    "Resize": "a resized tensor",
    "TopK": "a top-k",
    "Tile": "a tiled tensor",
    "Pad": "a padded tensor",
}


class Scopes:
    """What values depend on.

    Attributes:
        has_loop: whether there is a loop anywhere in the file.
    """

    def __init__(self, root: ir.Graph) -> None:
        self._root = root
        self._memo: dict[tuple[ir.Value, ir.Graph | None], bool] = {}
        self.has_loop = any(node.op_type in ("Loop", "Scan") for node, _ in walk(root))

    def is_constant(self, value: ir.Value | None) -> bool:
        """Whether a value is made of initializers and Constants alone; absent inputs are."""
        if value is None:
            return True
        producer = value.producer()
        if producer is None:
            return value.const_value is not None
        return not _bodies(producer) and all(map(self.is_constant, producer.inputs))

    def from_data(self, value: ir.Value | None, body: ir.Graph | None) -> bool:
        """Whether a value depends on more than shapes and constants.

        Args:
            value: the value.
            body: for a loop's body, only what depends on the body's inputs counts; None for any
                data, the contents of the file's inputs included.
        """
        if value is None:
            return False
        key = (value, body)
        if key not in self._memo:
            self._memo[key] = False  # a cycle cannot be, but the walk must end
            self._memo[key] = self._from_data(value, body)
        return self._memo[key]

    def from_static_input(self, value: ir.Value | None) -> bool:
        """Whether TensorRT, computing a size on the host, arrives at an input it cannot read."""
        todo: list[ir.Value | None] = [value]
        seen: set[ir.Value] = set()
        while todo:
            made = todo.pop()
            if made is None or made in seen:
                continue
            seen.add(made)
            producer = made.producer()
            if producer is not None:
                if producer.op_type in _ON_HOST or producer.op_type.startswith("Reduce"):
                    todo.extend(producer.inputs)
            elif made.is_graph_input() and made.graph is self._root and made.shape is not None:
                static = all(isinstance(size, int) for size in made.shape)
                if static and (made.dtype == ir.DataType.BOOL or made.dtype in _FLOATS):
                    return True
        return False

    def from_floats(self, value: ir.Value | None) -> bool:
        """Whether a value is an integer made of a float."""
        todo: list[ir.Value | None] = [value]
        seen: set[ir.Value] = set()
        while todo:
            made = todo.pop()
            producer = None if made is None or made in seen else made.producer()
            if made is None or producer is None or producer.op_type in ("Shape", "Size"):
                continue
            seen.add(made)
            source = producer.inputs[0] if producer.inputs else None
            if producer.op_type == "Cast" and source is not None and source.dtype in _FLOATS:
                return True
            todo.extend(producer.inputs)
        return False

    def _from_data(self, value: ir.Value, body: ir.Graph | None) -> bool:
        producer = value.producer()
        if producer is None:
            if body is None:
                return value.const_value is None and not value.is_initializer()
            return value in body.inputs
        if producer.op_type in ("Shape", "Size", "Constant"):
            return False
        if any(self.from_data(source, body) for source in producer.inputs):
            return True
        return any(
            self.from_data(output, body) for graph in _bodies(producer) for output in graph.outputs
        )


def scope_findings(node: ir.Node, path: Sequence[ir.Node], scopes: Scopes) -> Iterator[Found]:
    """What is wrong with one node because of the ifs and loops that it is, or is in."""
    if node.op_type == "If":
        yield from _if(node, scopes.is_constant(node.inputs[0]))
        if any(outer.op_type == "If" for outer in path) and not scopes.has_loop:
            yield from _nested(node)
    elif node.op_type == "Loop":
        yield from _loop(node)
    if path:
        yield from _inner_size(node, path, scopes)
    elif any(map(scopes.from_static_input, _sizes_of(node))):
        yield (
            f"{_WHAT[node.op_type]} whose size is computed from a static input that is no integer",
            "export with --target tensorrt, or give the input a dynamic size",
            "error",
        )


def _if(node: ir.Node, decided: bool) -> Iterator[Found]:
    condition = node.inputs[0]
    if condition is not None and condition.shape is not None:
        sizes = list(condition.shape)
        if any(size != 1 for size in sizes):
            yield "an if on more than one element", "use .all() or .any()", "error"
    if condition is not None and condition.dtype not in (None, ir.DataType.BOOL):
        yield "an if on something that is no bool", "compare it with a number", "error"
    then, other = (node.attributes[name].as_graph() for name in ("then_branch", "else_branch"))
    if decided:  # TensorRT reads the one path only
        return
    for a, b in zip(then.outputs, other.outputs, strict=False):
        if None not in (a.shape, b.shape) and len(a.shape or ()) != len(b.shape or ()):
            yield "the two paths of an if give tensors of unequal rank", "reshape one", "error"
        if _shares_a_size(a, b):
            yield (
                "the two paths of an if give tensors with one dynamic size, and others that differ",
                "export with --target tensorrt, or pad both to one size",
                "error",
            )
        if ir.DataType.UINT8 in (a.dtype, b.dtype):
            yield "an if that gives uint8", "use int32 inside the model", "error"
        if None not in (a.dtype, b.dtype) and a.dtype != b.dtype:
            yield "the two paths of an if give different dtypes", "cast one of them", "error"


def _shares_a_size(a: ir.Value, b: ir.Value) -> bool:
    """``[N, 4]`` and ``[N, 8]``."""
    if a.shape is None or b.shape is None or len(a.shape) != len(b.shape):
        return False
    pairs = list(zip(a.shape, b.shape, strict=True))
    named = any(x == y and not isinstance(x, int) and x.value is not None for x, y in pairs)
    return named and any(isinstance(x, int) and isinstance(y, int) and x != y for x, y in pairs)


def _nested(node: ir.Node) -> Iterator[Found]:
    dynamic = [
        value
        for value in node.outputs
        if value.shape is not None and any(not isinstance(size, int) for size in value.shape)
    ]
    if dynamic:
        yield (
            "an if inside an if, with dynamic sizes, in a file without a loop",
            "export with --target tensorrt, which writes it so that TensorRT takes it",
            "error",
        )


def _loop(node: ir.Node) -> Iterator[Found]:
    body = node.attributes["body"].as_graph()
    carried = len(node.inputs) - 2
    limit = node.inputs[0]
    for before, after in zip(body.inputs[2:], body.outputs[1:], strict=False):
        if _changes(before, after):
            yield (
                "a tensor that a loop carries changes its size from iteration to iteration",
                "write into a tensor made before the loop, at a running index",
                "error",
            )
    if limit is None and any(
        scan.uses() or scan.is_graph_output() for scan in node.outputs[carried:]
    ):
        yield (
            "a loop without a bound on its iterations collects rows",
            "use a for loop with a break, or write into a tensor made before it",
            "error",
        )
    if node.inputs[1] is None and body.inputs[1].uses():
        yield "a loop without a first condition reads its condition", "give it true", "error"
    if limit is None and node.inputs[1] is None and _always(body, node):
        yield "a loop without an end", "give it a number of iterations", "error"
    if limit is None and body.inputs[0].uses():
        yield "a loop without a bound on its iterations reads the iteration's number", "", "error"
    if limit is not None and not _always(body, node):
        for scan in node.outputs[carried:]:
            if scan.is_graph_output() or not all(_cut(use.node, node) for use in scan.uses()):
                yield (
                    "a loop that may stop early collects rows: TensorRT gives as many as there "
                    "could have been iterations, without an error",
                    "export with --target tensorrt, which cuts them to their count",
                    "error",
                )


def _changes(before: ir.Value, after: ir.Value) -> bool:
    if before.shape is None or after.shape is None:
        return False
    a, b = list(before.shape), list(after.shape)
    if len(a) != len(b):
        return True
    for old, new in zip(a, b, strict=True):
        known = [size for size in (old, new) if isinstance(size, int)]
        if len(known) == 2 and old != new:
            return True
    return False


def _always(body: ir.Graph, node: ir.Node) -> bool:
    """Whether a loop makes all its iterations."""
    going = body.outputs[0]
    producer = going.producer()
    while producer is not None and producer.op_type == "Identity":
        going = producer.inputs[0]  # type: ignore[assignment]
        producer = going.producer()
    if going is body.inputs[1]:
        return True
    tensor = going.const_value
    if producer is not None and producer.op_type == "Constant":
        tensor = producer.attributes["value"].value if "value" in producer.attributes else None
    return tensor is not None and bool(tensor.numpy())


def _cut(node: ir.Node, loop: ir.Node) -> bool:
    """Whether a use of collected rows is a slice by a number that the loop carried."""
    if node.op_type in ("Reshape", "Shape"):
        return all(_cut(use.node, loop) for value in node.outputs for use in value.uses()) or (
            node.op_type == "Shape"
        )
    if node.op_type != "Slice":
        return False
    end = node.inputs[2]
    for _ in range(8):
        producer = None if end is None else end.producer()
        if producer is loop:
            return True
        if producer is None or not producer.inputs:
            return False
        end = producer.inputs[0]
    return False


def _sizes_of(node: ir.Node) -> list[ir.Value | None]:
    return [node.inputs[k] for k in _SIZED_BY.get(node.op_type, ()) if k < len(node.inputs)]


def _inner_size(node: ir.Node, path: Sequence[ir.Node], scopes: Scopes) -> Iterator[Found]:
    """Sizes inside ifs and loops must come from shapes and constants."""
    sizes = _sizes_of(node)
    for outer in reversed(path):
        if outer.op_type == "Loop":
            body = outer.attributes["body"].as_graph()
            inside = any(scopes.from_data(size, body) for size in sizes)
            if inside and node.op_type in ("Slice", "Range", "Expand", "ConstantOfShape", "Pad"):
                yield (
                    f"inside a loop, {_WHAT[node.op_type]} whose size or position depends "
                    "on the iteration or on what the loop carries",
                    "take a fixed number of rows by index, or use a mask",
                    "error",
                )
                return
    in_branch = any(outer.op_type == "If" for outer in path)
    if in_branch and node.op_type == "Resize" and any(map(scopes.from_floats, sizes)):
        yield (
            "inside an if, resizing to a size that is computed in floats (this ends TensorRT's "
            "builder)",
            "compute it in integers, h * 12 // w, or resize before the if",
            "error",
        )
    if in_branch and any(scopes.from_data(size, None) for size in sizes):
        yield (
            f"inside an if, {_WHAT[node.op_type]} whose size depends on data or on a number that "
            "is an input",
            "compute it before the if, or use a mask",
            "error",
        )


def _bodies(node: ir.Node) -> list[ir.Graph]:
    return [
        attribute.as_graph()
        for attribute in node.attributes.values()
        if attribute.type == ir.AttributeType.GRAPH
    ]
