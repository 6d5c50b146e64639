"""What an expression hangs on: configuration, sizes or values of tensors.

The rules are those of PyTorch's API, read off names: a call of a method on a tensor gives a tensor
unless it is known to give a size or a fact of the dtype; whatever cannot be told is unknown.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping

from fxexport.scan.index import dotted
from fxexport.scan.model import Decides

__all__ = ["Comprehension", "Kinds", "largest", "of_parameter"]

CONFIGURATION, SIZES, UNKNOWN, VALUES = Decides

_ORDER = list(Decides)

Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp

# Attributes and methods of a tensor that are known with its sizes, or without any input.
_SIZES = frozenset({"shape", "size", "numel", "nelement", "__len__", "stride", "storage_offset"})
_FACTS = frozenset({
    "dim", "ndim", "ndimension", "dtype", "device", "layout", "requires_grad", "is_cuda",
    "is_floating_point", "is_complex", "is_sparse", "is_quantized", "is_meta", "itemsize",
    "element_size", "is_contiguous", "get_device", "names", "type", "is_nested",
})  # fmt: skip
# Functions whose result no input decides.
_FIXED = frozenset({
    "isinstance", "issubclass", "hasattr", "callable", "type", "id", "super", "print", "getattr",
    "torch.is_tensor", "torch.is_grad_enabled", "torch.jit.is_scripting", "torch.jit.is_tracing",
    "torch.finfo", "torch.iinfo", "torch.compiler.is_compiling", "torch.is_floating_point",
    "torch.get_default_dtype", "torch.device", "torch.cuda.is_available", "warnings.warn",
})  # fmt: skip
# Functions of Python that are as known as what they get.
_PLAIN = frozenset({
    "int", "float", "bool", "abs", "max", "min", "sum", "round", "pow", "divmod", "str", "repr",
    "list", "tuple", "dict", "set", "sorted", "reversed", "zip", "enumerate", "range", "any",
    "all", "map", "filter", "iter", "next", "slice", "frozenset", "hash", "format",
})  # fmt: skip


def largest(kinds: Iterable[Decides]) -> Decides:
    """The one that most hangs on; configuration for none."""
    return max(kinds, key=_ORDER.index, default=CONFIGURATION)


def of_parameter(
    annotation: ast.expr | None, default: ast.expr | None, *, of_forward: bool
) -> Decides:
    """What a parameter holds, by its annotation, its default, or as forward's usually do."""
    text = "" if annotation is None else ast.unparse(annotation)
    if "Tensor" in text or "LongTensor" in text or "Cache" in text:
        return VALUES
    if annotation is not None:
        plain = ("int", "float", "bool", "str", "dtype", "device", "Config", "Callable")
        return CONFIGURATION if any(word in text for word in plain) else UNKNOWN
    if isinstance(default, ast.Constant) and default.value is not None:
        return CONFIGURATION
    return VALUES if of_forward else UNKNOWN


class Kinds:
    """Classifies the expressions of one function.

    Args:
        variables: what each variable holds; grows as the function is followed.
        tensors: the attributes of self that are parameters or buffers.
        called: what a call gives, where its function is followed; None where it is not.
    """

    def __init__(
        self,
        variables: dict[str, Decides],
        tensors: set[str],
        called: Callable[[ast.Call], Decides | None],
    ) -> None:
        self.variables = variables
        self._tensors = tensors
        self._called = called

    def of(self, node: ast.expr | None) -> Decides:
        """What an expression hangs on."""
        if node is None or isinstance(node, ast.Constant | ast.Lambda):
            return CONFIGURATION
        if isinstance(node, ast.Name):
            return self.variables.get(node.id, CONFIGURATION)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.Starred | ast.Await | ast.NamedExpr):
            return self.of(node.value)
        if isinstance(node, Comprehension):
            return self._comprehension(node)
        if isinstance(node, ast.JoinedStr):
            return largest(
                self.of(part.value) for part in node.values if isinstance(part, ast.FormattedValue)
            )
        return largest(
            self.of(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)
        )

    def number_of_items(self, node: ast.expr) -> Decides:
        """What the number of iterations over an expression hangs on."""
        name = dotted(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and name in ("enumerate", "reversed", "zip", "list", "tuple"):
            return largest(self.number_of_items(each) for each in node.args)
        if isinstance(node, ast.Call) and name.rpartition(".")[2] in ("items", "keys", "values"):
            return min(self.of(node.func.value), SIZES, key=_ORDER.index)  # type: ignore[attr-defined]
        kind = self.of(node)
        if isinstance(node, ast.Call) and name == "range":
            return kind
        if isinstance(node, ast.Tuple | ast.List):
            return CONFIGURATION
        # The rows of a tensor are as many as its size says.
        return SIZES if kind is VALUES else kind

    def _attribute(self, node: ast.Attribute) -> Decides:
        if dotted(node).startswith("self."):
            first = dotted(node).split(".")[1]
            if first not in self._tensors:
                return CONFIGURATION
            base = VALUES
        else:
            base = self.of(node.value)
        if base in (VALUES, UNKNOWN):
            if node.attr in _SIZES:
                return SIZES
            if node.attr in _FACTS:
                return CONFIGURATION
        return base

    def _call(self, node: ast.Call) -> Decides:
        name = dotted(node.func)
        if name in _FIXED:
            return CONFIGURATION
        followed = self._called(node)
        if followed is not None:
            return followed
        given = largest(
            self.of(each) for each in [*node.args, *(keyword.value for keyword in node.keywords)]
        )
        if name == "len":
            if node.args and _is_shape(node.args[0]):
                return CONFIGURATION  # the number of dimensions
            return SIZES if given is VALUES else given
        if name in _PLAIN:
            return given
        if isinstance(node.func, ast.Attribute) and not name.startswith(("torch.", "F.")):
            owner = self.of(node.func.value)
            if owner in (VALUES, UNKNOWN) and node.func.attr in (_SIZES | _FACTS):
                return self._attribute(node.func)
            return largest((owner, given))
        if name.startswith(("torch.", "F.")):
            return VALUES  # a tensor, whatever it is made of
        return VALUES if given is VALUES else given

    def _comparison(self, node: ast.Compare) -> Decides:
        sides = [node.left, *node.comparators]
        if all(isinstance(each, ast.Is | ast.IsNot) for each in node.ops):
            return CONFIGURATION
        if all(isinstance(each, ast.In | ast.NotIn) for each in node.ops):
            return self.of(node.left)
        return largest(map(self.of, sides))

    def inside(self, node: Comprehension) -> Kinds:
        """The kinds inside of a comprehension, whose variables are its own."""
        inner = Kinds(dict(self.variables), self._tensors, self._called)
        for generator in node.generators:
            inner.assign_items(generator.target, generator.iter)
        return inner

    def _comprehension(self, node: Comprehension) -> Decides:
        inner = self.inside(node)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return largest(map(inner.of, parts))

    def assign_items(self, target: ast.expr, iterable: ast.expr) -> None:
        """Notes what the variables of a loop hold."""
        name = dotted(iterable.func) if isinstance(iterable, ast.Call) else ""
        if isinstance(iterable, ast.Call) and isinstance(target, ast.Tuple):
            if name == "enumerate" and iterable.args and len(target.elts) == 2:
                self.assign(target.elts[0], CONFIGURATION)
                self.assign_items(target.elts[1], iterable.args[0])
                return
            if name == "zip" and len(iterable.args) == len(target.elts):
                for each, item in zip(target.elts, iterable.args, strict=True):
                    self.assign_items(each, item)
                return
        self.assign(target, self.of(iterable))

    def assign(self, target: ast.expr, kind: Decides) -> None:
        """Notes what a variable holds from here on."""
        if isinstance(target, ast.Name):
            self.variables[target.id] = kind
        elif isinstance(target, ast.Tuple | ast.List):
            for each in target.elts:
                self.assign(each, kind)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, kind)

    def merge(self, other: Mapping[str, Decides]) -> None:
        """Notes what variables hold after another path."""
        for name, kind in other.items():
            self.variables[name] = largest((self.variables.get(name, kind), kind))


def _is_shape(node: ast.expr) -> bool:
    """Whether an expression is all sizes of a tensor."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "size" and not node.args
    return isinstance(node, ast.Attribute) and node.attr == "shape"
