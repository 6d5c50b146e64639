"""Private PyTorch API on operators: what they write, view and are made of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch._ops import OpOverload

__all__ = [
    "functional_variant",
    "has_fake_kernel",
    "has_own_decomposition",
    "is_batched",
    "is_composite",
    "larger_table",
    "out_arguments",
    "overload_named",
    "takes_dtype",
    "tensors_among",
    "views_in",
    "without_check",
    "written_arguments",
    "written_by_python",
]


def is_batched(tensor: torch.Tensor) -> bool:
    """Whether a tensor is one of a batch, inside of `torch.vmap`."""
    return bool(torch._C._functorch.is_batchedtensor(tensor))


def overload_named(name: str) -> OpOverload | None:
    """The operator of a name as in ``aten::add.Tensor``; None where this PyTorch has none."""
    namespace, _, rest = name.partition("::")
    packet, _, overload = rest.partition(".")
    found: OpOverload | None = getattr(
        getattr(getattr(torch.ops, namespace), packet, None), overload or "default", None
    )
    return found


def has_fake_kernel(func: OpOverload) -> bool:
    """Whether PyTorch can say what an operator of another library gives, without running it.

    A kernel for meta tensors, one made of other operators, or what `register_fake` was given.
    """
    from torch._library.custom_ops import OPDEFS
    from torch._library.simple_registry import singleton

    name = func._schema.name
    made = OPDEFS.get(name)  # PyTorch registers a fake kernel for these that only raises
    if made is not None and made._abstract_fn is None and func._schema.returns:
        return False
    if any(map(functools.partial(torch._C._dispatch_has_kernel_for_dispatch_key, func.name()),
               ("Meta", "CompositeImplicitAutograd", "CompositeExplicitAutograd"))):  # fmt: skip
        return True
    return singleton.find(name).fake_impl.kernel is not None


def without_check(
    func: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments of a ``linalg.*_ex`` that is to raise, for one that does not; else None.

    Its kernel looks at its last result itself, where no dispatch mode sees it.
    """
    k = _place_of_check(func)
    if k is None:
        return None
    positional = k < len(args)
    if not (args[k] if positional else kwargs.get("check_errors")):
        return None
    if positional:
        return (*args[:k], False, *args[k + 1 :]), dict(kwargs)
    return tuple(args), {**kwargs, "check_errors": False}


@functools.cache
def _place_of_check(func: OpOverload) -> int | None:
    """The place of ``check_errors`` among an operator's arguments; None for most operators.

    By name only it is behind all that are given by place.
    """
    names = [argument.name for argument in func._schema.arguments]
    return names.index("check_errors") if "check_errors" in names else None


def is_composite(func: OpOverload) -> bool:
    """Whether PyTorch itself expresses an operator through others."""
    if not torch._C._dispatch_has_kernel(func.name()):
        return False
    return bool(func._can_decompose())


@functools.cache
def functional_variant(func: OpOverload) -> OpOverload | None:
    """``aten.relu`` for ``aten.relu_``; None for one that does not write to its first input."""
    namespace, _, name = func._schema.name.partition("::")
    if not name.endswith("_") or name.endswith("__") or name == "copy_":
        return None
    # pow_.Scalar(Tensor, Scalar) is pow.Tensor_Scalar; pow.Scalar is another operator.
    wanted = [str(argument.type) for argument in func._schema.arguments]
    for plain in (name[:-1], f"{name}functional"):  # normal_ is normal_functional
        packet = getattr(getattr(torch.ops, namespace), plain, None)
        for overload in (func._overloadname, *packet.overloads()) if packet is not None else ():
            found = getattr(packet, overload or "default", None)
            if found is not None and [str(a.type) for a in found._schema.arguments] == wanted:
                return found
    return None


@functools.cache
def written_by_python(func: OpOverload) -> bool:
    """Whether functionalization would check an operator in place by Python code for real sizes.

    It calls the operator on meta tensors first. Where that is one of ``torch._refs`` made to write
    in place, or calls the functional operator (``addcmul_``, ``lerp_`` since 2.11), it fails on
    symbolic sizes ("expected to contain only concrete integers"); the functional operator does not.
    """
    from torch._decomp import meta_table

    written = meta_table.get(func)
    if written is not None:
        return isinstance(getattr(written, "__wrapped__", None), torch._ops.OpOverloadPacket)
    plain = func.has_kernel_for_dispatch_key(torch._C.DispatchKey.Meta)
    return bool(plain and func._schema.name not in ("aten::set_", "aten::resize_"))


def has_own_decomposition(func: OpOverload) -> bool:
    """Whether ``func.decompose`` works: the operator is written in C++ through others."""
    return bool(func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd))


def larger_table(func: OpOverload) -> Callable[..., Any] | None:
    """A decomposition that is not among torch.export's public ones; None if there is none.

    PyTorch's table of all of them, those written for its own compiler included, has no public
    door. An operator that is missing there is no error.
    """
    from torch._decomp import get_decompositions

    found: Callable[..., Any] | None = get_decompositions([func]).get(func)
    return found


@functools.cache
def _alias_plan(
    func: OpOverload,
) -> tuple[tuple[tuple[int, str], ...], tuple[tuple[int, int, str], ...]]:
    """From the schema: arguments that are written; (result, argument) pairs that share memory."""
    schema = func._schema
    written, shared = [], []
    for k, arg in enumerate(schema.arguments):
        info = arg.alias_info
        if info is None:
            continue
        if info.is_write:
            written.append((k, arg.name))
        for r, ret in enumerate(schema.returns):
            other = ret.alias_info
            if info.is_write:
                continue
            # A list of views has no alias of its own in the schema; its source is marked "*".
            listed = isinstance(ret.type, torch.ListType) and "*" in info.after_set
            if listed or (other is not None and _same_alias(info, other)):
                shared.append((r, k, arg.name))
    return tuple(written), tuple(shared)


def _same_alias(a: Any, b: Any) -> bool:
    return bool((a.before_set | a.after_set) & (b.before_set | b.after_set))


def _argument(args: Sequence[object], kwargs: Mapping[str, object], k: int, name: str) -> object:
    return args[k] if k < len(args) else kwargs.get(name)


def _tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [item for item in value if isinstance(item, torch.Tensor)]
    return []


def written_arguments(
    func: OpOverload, args: Sequence[object], kwargs: Mapping[str, object]
) -> list[torch.Tensor]:
    """The tensors that an operator writes to, by its schema."""
    written, _ = _alias_plan(func)
    return [tensor for k, name in written for tensor in _tensors(_argument(args, kwargs, k, name))]


def out_arguments(func: OpOverload, kwargs: Mapping[str, object]) -> dict[str, torch.Tensor]:
    """The tensors that an operator is given for its results (``out=``), by name, in their order."""
    names = [argument.name for argument in func._schema.arguments if argument.is_out]
    given = {name: kwargs.get(name) for name in names}
    return {name: out for name, out in given.items() if isinstance(out, torch.Tensor)}


def takes_dtype(func: OpOverload) -> bool:
    """Whether an operator may be told the dtype of its result, as ``sum`` and ``cumsum``."""
    return any(argument.name == "dtype" for argument in func._schema.arguments)


def views_in(
    func: OpOverload, args: Sequence[object], kwargs: Mapping[str, object], out: Any
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pairs (result, argument) where the result is a view of the argument, by the schema."""
    _, shared = _alias_plan(func)
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
    for r, k, name in shared:
        several = len(func._schema.returns) > 1
        for source in _tensors(_argument(args, kwargs, k, name)):
            pairs.extend((view, source) for view in _tensors(out[r] if several else out))
    return pairs


def tensors_among(args: Sequence[object], kwargs: Mapping[str, object]) -> list[torch.Tensor]:
    """The tensors among an operator's arguments, in lists too."""
    return [tensor for value in (*args, *kwargs.values()) for tensor in _tensors(value)]
