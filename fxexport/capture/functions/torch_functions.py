"""Functions of PyTorch that would read a value, or bake a size in, before any op is seen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from fxexport import _torch_compat as compat
from fxexport.capture.functions import composed_functions as written_out
from fxexport.capture.functions import indexing, spectra
from fxexport.capture.functions.copying import copied_tensor
from fxexport.capture.functions.indexing import SlicingFunctions, as_number
from fxexport.capture.functions.nonempty_functions import nonempty_functions
from fxexport.capture.functions.packed_sequences import PackedSequences
from fxexport.capture.functions.piece_arguments import PIECES
from fxexport.capture.functions.pieces import PieceFunctions
from fxexport.capture.functions.sized_functions import NUMBERS_ONLY, OF_NUMBERS, SIZED_FUNCTIONS
from fxexport.capture.functions.undecided_calls import Call, UndecidedCalls
from fxexport.capture.operators.dynamic_iterables import Dynamic, rows
from fxexport.capture.operators.operators import Operators
from fxexport.capture.raised_calls.caught import call_where_caught
from fxexport.capture.raised_calls.on_paths import as_raised
from fxexport.capture.recording.types import Function, OpArgs, OpKwargs, holds_dynamic
from fxexport.capture.session.session import is_symbolic, sym_type
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["FunctionMode"]

_SIZED = (
    torch.zeros, torch.ones, torch.empty, torch.full, torch.rand, torch.randn, torch.eye,
    torch.arange, torch.Tensor.view, torch.Tensor.reshape, torch.Tensor.expand,
    torch.Tensor.repeat, torch.Tensor.new_zeros, torch.Tensor.new_ones, torch.Tensor.new_full,
    torch.Tensor.new_empty, torch.reshape, torch.Tensor.select, torch.select,
    torch.topk, torch.Tensor.topk,
)  # fmt: skip

_OPERATORS = (torch._ops.OpOverloadPacket, torch._ops.OpOverload)


class FunctionMode(TorchFunctionMode):
    """Sees PyTorch's functions with the arguments that the program gave."""

    def __init__(self, operators: Operators) -> None:
        super().__init__()
        self._operators = operators
        self._session = operators.session
        self._undecided_calls = UndecidedCalls(self._session)
        # How many calls of functions are inside each other just now.
        self._depth = 0
        tensor: Any = torch.Tensor
        aten: Any = torch.ops.aten
        self._table: dict[object, Callable[..., object]] = {
            tensor.__getitem__: self._get_item,
            tensor.__setitem__: self._set_item,
            torch.tensor: self._tensor,
            torch.as_tensor: self._as_tensor,
            torch.asarray: self._as_tensor,
            tensor.new_tensor: lambda self_, *a, **k: self._tensor(
                *a, **{"dtype": self_.dtype, **k}
            ),
            tensor.__bool__: self._truth,
            torch.is_nonzero: self._nonzero,
            tensor.is_nonzero: self._nonzero,
            tensor.__len__: self._len,
            tensor.__iter__: self._iter,
            tensor.tolist: self._tolist,
            tensor.item: self._item,
            compat.SHAPE_AS_TENSOR: lambda tensor: self._tensor(list(tensor.shape)),
            torch.equal: self._equal,
            tensor.equal: self._equal,
            torch.allclose: self._allclose,
            tensor.allclose: self._allclose,
            tensor.__contains__: lambda items, item: (items == item).any().item(),
            tensor.data.__get__: lambda self_: self_.detach(),
            tensor.data.__set__: self._set_data,
            tensor.fill_diagonal_: self._fill_diagonal,
            torch.where: self._where,
            tensor.where: lambda x, condition, *a: self._where(condition, x, *a),
            tensor.contiguous: self._contiguous,
            tensor.resize_: self._resize,
            tensor.resize_as_: functools.partial(self._in_memory, aten.resize_as_.default),
            tensor.requires_grad_: lambda self_, *a, **k: self_,
            tensor.__deepcopy__: functools.partial(copied_tensor, self._session),
            # copy.copy() makes another tensor of the same memory out of this.
            tensor.__reduce_ex__: lambda self_, protocol: (tensor.view_as, (self_, self_)),
        }
        for name in ("__int__", "__float__", "__index__", "numpy", "__array__", "__complex__",
                     "apply_", "map_", "map2_"):  # fmt: skip
            self._table[getattr(tensor, name)] = self._reader(name)
        function: Any
        in_place = torch.ops.aten.squeeze_
        overloads = [getattr(in_place, name) for name in in_place.overloads()]
        for function in (tensor.squeeze_, in_place, *overloads):
            self._table[function] = self._squeeze_in_place
        self._pieces = PieceFunctions(operators)
        for function in PIECES:
            self._table[function] = functools.partial(self._in_pieces, function)
        for function in _SIZED:
            self._table[function] = self._sized(function)
        for function, other in SIZED_FUNCTIONS.items():
            self._table[function] = self._written_otherwise(function, other)
        self._table |= SlicingFunctions(self._session, self._raw).table()
        self._packed = PackedSequences(self._session)
        for pack in (
            torch._VF._pack_padded_sequence,
            getattr(torch, "_pack_padded_sequence", None),
        ):
            self._table[pack] = self._packed.pack
        for pad in (torch._VF._pad_packed_sequence, getattr(torch, "_pad_packed_sequence", None)):
            self._table[pad] = self._packed.pad
        # By name: the package that has them may not be there.
        self._custom = {"torchvision.roi_align": self._roi_align}
        self._table[torch.bartlett_window] = written_out.bartlett_window
        self._table[torch.kaiser_window] = written_out.kaiser_window
        self._table[torch.embedding_bag] = written_out.embedding_bag
        self._table[compat.GROUPED_MM] = written_out.grouped_mm
        self._table[torch.ctc_loss] = written_out.ctc_loss
        for function in (torch.nn.functional.one_hot, aten.one_hot, aten.one_hot.default):
            self._table[function] = self._one_hot
        for function in (torch.istft, tensor.istft):
            self._table[function] = functools.partial(spectra.istft, self._session)
        self._table.update(nonempty_functions(self._operators, self._raw))
        for name in ("histc", "cov", "corrcoef"):
            for owner in (torch, tensor):
                self._table[getattr(owner, name)] = getattr(written_out, name)

    def __torch_function__(
        self,
        func: Function,
        types: object,
        args: OpArgs = (),
        kwargs: OpKwargs | None = None,
    ) -> object:
        kwargs = kwargs or {}
        self._depth += 1
        make = functools.partial(self._called, func, args, kwargs)
        try:
            if self._depth > 1:
                return make()
            return call_where_caught(self._session, func, args, kwargs, make)
        except Exception as error:
            if self._depth > 1:
                raise
            raised = as_raised(self._session, func, args, kwargs, error)
            if raised is error:
                raise
            raise raised from None  # a cause would be another one in each recording
        finally:
            self._depth -= 1

    def _called(self, func: Function, args: OpArgs, kwargs: OpKwargs) -> object:
        if "generator" in kwargs:
            if isinstance(func, torch._ops.OpOverload):
                func = func.overloadpacket  # the overload without a generator
            kwargs = self._without_generator(kwargs)
        special = self._table.get(func) if func.__hash__ is not None else None
        if special is None and isinstance(func, _OPERATORS):
            special = self._custom.get(str(func).removesuffix(".default"))
        if special is None:
            return self._undecided_calls(Call(func, args, kwargs, lambda: func(*args, **kwargs)))
        with self:
            return special(*args, **kwargs)

    def _without_generator(self, kwargs: OpKwargs) -> OpKwargs:
        """The arguments for the form of a function that takes sizes known only at run time."""
        if kwargs["generator"] is not None:
            self._session.note(
                "assumption", "a generator is given here; the file draws numbers of its own instead"
            )
        return {name: value for name, value in kwargs.items() if name != "generator"}

    # PyTorch leaves the mode while it calls __torch_function__; `raw` is the plain function.
    def _raw(self, function: Function, *args: object, **kwargs: object) -> Any:
        def call() -> Any:
            with compat.without_function_modes():
                return function(*args, **kwargs)

        return self._undecided_calls(Call(function, args, kwargs, call))

    def _get_item(self, tensor: torch.Tensor, index: object) -> object:
        index = indexing.as_masks(index)
        if type(index) is int and index == 0:
            number = self._packed.first_size(tensor)
            if number is not None:
                return number
        if indexing.needs_taking_apart(index):
            return indexing.get_item(tensor, index)
        return self._raw(torch.Tensor.__getitem__, tensor, index)

    def _set_item(self, tensor: torch.Tensor, index: object, value: object) -> None:
        tensor = self._session.tensors.lift(tensor)
        index = indexing.as_masks(index)
        if is_symbolic(value):
            value = torch.scalar_tensor(value, dtype=tensor.dtype)  # type: ignore[arg-type]
        if indexing.needs_taking_apart(index):
            indexing.set_item(tensor, index, value, self._session.needs)
        else:
            with self._session.tensors.stores():
                self._raw(torch.Tensor.__setitem__, tensor, index, value)

    def _sized(self, function: Function) -> Function:
        def call(*args: object, **kwargs: object) -> Any:
            own = (
                1
                if args and isinstance(args[0], torch.Tensor) and function not in _SIZED[:8]
                else 0
            )
            args = (*args[:own], *(as_number(arg) for arg in args[own:]))
            return self._raw(function, *args, **{key: as_number(v) for key, v in kwargs.items()})

        return call

    def _written_otherwise(self, function: Function, other: Function) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if function in NUMBERS_ONLY:
                args = tuple(map(as_number, args))
                kwargs = {key: as_number(value) for key, value in kwargs.items()}
            return (other if has_symbol((*args, *kwargs.values())) else plain)(*args, **kwargs)

        has_symbol = _has_number if function in OF_NUMBERS else _has_symbol
        plain = functools.partial(self._raw, function)
        return call

    def _roi_align(
        self, x: torch.Tensor, rois: Any, scale: Any, *args: object, **kwargs: object
    ) -> object:
        """Detection models compute the scale from sizes; an operator's float cannot be symbolic."""
        if is_symbolic(scale):
            rois = torch.cat([rois[:, :1], rois[:, 1:] * scale], 1)
            scale = 1.0
        return self._raw(torch.ops.torchvision.roi_align, x, rois, scale, *args, **kwargs)

    def _one_hot(self, x: torch.Tensor, num_classes: Any = -1) -> torch.Tensor:
        """By default there are as many classes as the data has."""
        if is_symbolic(num_classes):
            inside = ((x >= 0) & (x < num_classes)).all()
            self._session.raises_unless(inside, "class values are from 0 to num_classes - 1")
            return (x.unsqueeze(-1) == torch.arange(num_classes)).to(torch.int64)
        if num_classes != -1:
            result: torch.Tensor = self._raw(torch.nn.functional.one_hot, x, num_classes)
            return result
        self._session.raises_unless(x.min() >= 0, "class values are not negative")
        classes = torch.arange((x.max() + 1).item())
        return (x.unsqueeze(-1) == classes).to(torch.int64)

    def _squeeze_in_place(
        self, tensor: torch.Tensor, *args: object, **kwargs: object
    ) -> torch.Tensor:
        """One call for each dimension that goes: PyTorch crashes on a symbolic one that stays."""
        dims = args[0] if args else kwargs.get("dim", range(tensor.dim()))
        dims = dims if isinstance(dims, (tuple, list, range)) else (dims,)
        if not tensor.dim():
            return tensor
        self._session.about_to_squeeze(tensor, dims)
        ones = {dim % tensor.dim() for dim in dims if self._session.known(tensor.shape[dim] == 1)}
        for dim in sorted(ones, reverse=True):
            self._raw(torch.Tensor.squeeze_, tensor, dim)
        return tensor

    def _in_pieces(self, function: Function, *args: object, **kwargs: object) -> object:
        found = self._pieces.in_plain_code(function, *args, **kwargs)
        return self._raw(function, *args, **kwargs) if found is None else found

    def _set_data(self, tensor: torch.Tensor, value: torch.Tensor) -> None:
        raise UnsupportedError(
            "`.data` is assigned, which gives a tensor other memory",
            code=Code.MEMORY,
            location=user_location(),
            hint="copy into it (y.copy_(x)), or assign the new tensor to the name",
        )

    def _fill_diagonal(self, tensor: torch.Tensor, value: Any, wrap: bool = False) -> torch.Tensor:
        if tensor.dim() == 2 and not wrap:
            tensor.diagonal().fill_(value)
            return tensor
        return self._raw(torch.Tensor.fill_diagonal_, tensor, value, wrap)

    def _where(self, condition: torch.Tensor, *args: object, **kwargs: object) -> object:
        return self._raw(torch.where, indexing.as_masks(condition), *args, **kwargs)

    # Where memory is looked at before an operator is seen.
    def _contiguous(self, tensor: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        tensors = self._session.tensors
        result: torch.Tensor = self._raw(
            torch.Tensor.contiguous, tensors.lift(tensor), *args, **kwargs
        )
        if not args and not kwargs:
            tensors.memory.made_contiguous(result)
        return result

    def _resize(self, tensor: torch.Tensor, *size: Any, **kwargs: Any) -> object:
        one = len(size) == 1 and isinstance(size[0], (tuple, list))
        sizes = kwargs.pop("size", size[0] if one else size)
        return self._in_memory(torch.ops.aten.resize_.default, tensor, sizes, **kwargs)

    def _in_memory(self, func: torch._ops.OpOverload, *args: Any, **kwargs: Any) -> object:
        # PyTorch asks whether the sizes are those that there are.
        tensors = self._session.tensors
        func, args, kwargs = tensors.memory.call(func, tuple(map(tensors.lift, args)), kwargs)
        return self._raw(func, *args, **kwargs)

    # -- tensors made of numbers -----------------------------------------------------------------

    def _tensor(
        self,
        data: Any,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        **kwargs: object,
    ) -> object:
        if isinstance(data, np.ndarray) and data.dtype == object:
            # Made of numbers that only the run knows.
            data = data.tolist()
            if dtype is None:
                dtype = _common_dtype(data)
                dtype = torch.float64 if dtype is not None and dtype.is_floating_point else dtype
        if not holds_dynamic(data):
            return self._raw(torch.tensor, data, dtype=dtype, device=device, **kwargs)
        if dtype is None:
            dtype = _common_dtype(data)
        return _built(data, dtype, device)

    def _as_tensor(
        self,
        data: Any,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        **kwargs: object,
    ) -> object:
        if isinstance(data, torch.Tensor):
            return data.to(dtype=dtype or data.dtype)
        return self._tensor(data, dtype=dtype, device=device)

    # -- values that are read --------------------------------------------------------------------

    def _truth(self, tensor: torch.Tensor) -> bool:
        return self._operators.truth(tensor)

    def _nonzero(self, tensor: torch.Tensor) -> object:
        return self._operators.as_bool(tensor)

    def _len(self, tensor: torch.Tensor) -> object:
        if tensor.dim() == 0:
            raise TypeError("len() of a 0-d tensor")
        return tensor.shape[0]

    def _iter(self, tensor: torch.Tensor) -> object:
        return iter(rows(tensor))

    def _known(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """What a tensor holds in every call, where that is known; the report says so."""
        known = self._session.tensors.known_value(tensor)
        if known is not None and known is not tensor:
            self._session.note(
                "folded",
                "what is read here hangs on constants and stored tensors alone, and is computed "
                "at export",
            )
        return known

    def _tolist(self, tensor: torch.Tensor) -> Any:
        known = self._known(tensor)
        if known is not None:
            return compat.real_list(known)
        if tensor.dim() == 0:
            return tensor.item()
        items = rows(tensor)
        if isinstance(items, Dynamic):
            raise UnsupportedError(
                "tolist() of a tensor whose size is known only when the model runs",
                code=Code.VALUE_NEEDED,
                location=user_location(),
                hint="keep it a tensor",
            )
        return self._session.journal.made([self._tolist(item) for item in items])

    def _reader(self, name: str) -> Function:
        def read(tensor: torch.Tensor, *args: object, **kwargs: object) -> Any:
            known = self._known(tensor)
            if known is not None:
                with compat.no_dispatch_modes():
                    return self._raw(getattr(torch.Tensor, name), known, *args, **kwargs)
            raise UnsupportedError(
                f"the value of a tensor is read here ({name.strip('_')}); it is known only when "
                "the model runs",
                code=Code.VALUE_NEEDED,
                location=user_location(),
                hint="compute with the tensor itself, or use .item() in a condition or a size",
            )

        return read

    def _item(self, tensor: torch.Tensor) -> Any:
        known = self._known(tensor)
        if known is not None:
            return compat.real_result(torch.Tensor.item, [known], {})
        if tensor.is_complex():
            raise UnsupportedError(
                "a complex number is read out of a tensor; Python has it only when the model runs",
                code=Code.COMPLEX,
                location=user_location(),
                hint="leave it in the tensor: one without dimensions computes the same",
            )
        return self._raw(torch.Tensor.item, tensor)

    def _equal(self, a: torch.Tensor, b: torch.Tensor) -> object:
        if a.dim() != b.dim():
            return False
        same_shape = self._operators.eq(tuple(a.shape), tuple(b.shape))
        return self._operators.and_(lambda: same_shape, lambda: (a == b).all().item())

    def _allclose(self, a: torch.Tensor, b: torch.Tensor, *args: Any, **kwargs: Any) -> object:
        return torch.isclose(a, b, *args, **kwargs).all().item()


def _has_symbol(values: Iterable[object]) -> bool:
    """Whether numbers, or sizes of tensors, are known only when the model runs."""
    for value in values:
        sizes = value.shape if isinstance(value, torch.Tensor) else ()
        inner = value if isinstance(value, (list, tuple)) else ()
        if is_symbolic(value) or any(map(is_symbolic, sizes)) or _has_symbol(inner):
            return True
    return False


def _has_number(values: Iterable[object]) -> bool:
    """Whether a number among them is known only when the model runs."""
    return any(map(is_symbolic, values))


def _common_dtype(data: Any) -> torch.dtype:
    if isinstance(data, torch.Tensor):
        return data.dtype
    if isinstance(data, (list, tuple)):
        dtypes = [_common_dtype(item) for item in data]
        result = dtypes[0] if dtypes else torch.get_default_dtype()
        for dtype in dtypes[1:]:
            result = torch.promote_types(result, dtype)
        return result
    kind = sym_type(data)
    return {bool: torch.bool, int: torch.int64}.get(kind, torch.get_default_dtype())  # type: ignore[arg-type]


def _built(data: Any, dtype: torch.dtype, device: torch.device | str | None) -> torch.Tensor:
    """A tensor from nested lists, number by number: nothing is read."""
    if isinstance(data, (list, tuple)):
        return torch.stack([_built(item, dtype, device) for item in data])
    if isinstance(data, torch.Tensor):
        return data.detach().clone().to(dtype)
    return torch.scalar_tensor(data, dtype=dtype, device=device)
