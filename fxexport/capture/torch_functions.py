"""Functions of PyTorch that would read a value, or bake a size in, before any op is seen."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from fxexport import _torch_compat as compat
from fxexport.capture import indexing, written_out
from fxexport.capture.frames import user_location
from fxexport.capture.iteration import Dynamic, rows
from fxexport.capture.operators import Operators
from fxexport.capture.packed import PackedSequences
from fxexport.capture.session import SYM, is_symbolic, sym_type
from fxexport.capture.sized_functions import NUMBERS_ONLY, SIZED_FUNCTIONS
from fxexport.errors import UnsupportedError

__all__ = ["FunctionMode"]

_SIZED = (
    torch.zeros, torch.ones, torch.empty, torch.full, torch.rand, torch.randn, torch.eye,
    torch.arange, torch.Tensor.view, torch.Tensor.reshape, torch.Tensor.expand,
    torch.Tensor.repeat, torch.Tensor.new_zeros, torch.Tensor.new_ones, torch.Tensor.new_full,
    torch.Tensor.new_empty, torch.reshape, torch.narrow, torch.Tensor.narrow, torch.Tensor.select,
    torch.select, torch.topk, torch.Tensor.topk,
)  # fmt: skip

_OPERATORS = (torch._ops.OpOverloadPacket, torch._ops.OpOverload)


class FunctionMode(TorchFunctionMode):
    """Sees PyTorch's functions with the arguments that the program gave."""

    def __init__(self, operators: Operators) -> None:
        super().__init__()
        self._operators = operators
        self._session = operators.session
        tensor: Any = torch.Tensor
        self._table: dict[Any, Callable[..., Any]] = {
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
            torch.equal: self._equal,
            tensor.equal: self._equal,
            torch.allclose: self._allclose,
            tensor.allclose: self._allclose,
            tensor.__contains__: lambda items, item: (items == item).any().item(),
            tensor.data.__get__: lambda self_: self_.detach(),
            tensor.data.__set__: self._set_data,
            tensor.fill_diagonal_: self._fill_diagonal,
            tensor.requires_grad_: lambda self_, *a, **k: self_,
        }
        for name in ("__int__", "__float__", "__index__", "numpy", "__array__", "__complex__"):
            self._table[getattr(tensor, name)] = self._reader(name)
        function: Any
        for function in (torch.squeeze, tensor.squeeze):
            self._table[function] = self._squeeze(function)
        self._table[tensor.squeeze_] = self._squeeze_in_place
        for function in (torch.unbind, tensor.unbind):
            self._table[function] = self._unbind
        for function in _SIZED:
            self._table[function] = self._sized(function)
        for function, other in SIZED_FUNCTIONS.items():
            self._table[function] = self._written_otherwise(function, other)
        self._table[tensor.unfold] = self._unfold
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
        self._table[torch.fake_quantize_per_tensor_affine] = written_out.fake_quantize
        self._table[torch.fake_quantize_per_channel_affine] = written_out.fake_quantize_channels
        self._table[torch.embedding_bag] = written_out.embedding_bag
        self._table[compat.GROUPED_MM] = written_out.grouped_mm
        for function in (torch.histc, tensor.histc):
            self._table[function] = written_out.histc
        for function in (torch.cov, tensor.cov):
            self._table[function] = written_out.cov
        for function in (torch.corrcoef, tensor.corrcoef):
            self._table[function] = written_out.corrcoef
        # Checks of the result would need it when the model is captured; the file does not raise.
        linalg = torch.linalg
        for unchecked, functions in (
            (linalg.inv_ex, (linalg.inv, torch.inverse, tensor.inverse)),
            (linalg.solve_ex, (linalg.solve,)),
            (linalg.cholesky_ex, (linalg.cholesky,)),
        ):
            for function in functions:
                self._table[function] = self._without_check(unchecked)

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("generator") is not None:
            kwargs = self._without_generator(kwargs)
        special = self._table.get(func) if func.__hash__ is not None else None
        if special is None and isinstance(func, _OPERATORS):
            special = self._custom.get(str(func).removesuffix(".default"))
        if special is None:
            return func(*args, **kwargs)
        with self:
            return special(*args, **kwargs)

    def _without_generator(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        self._session.note(
            "assumption", "a generator is given here; the file draws numbers of its own instead"
        )
        return {name: value for name, value in kwargs.items() if name != "generator"}

    # PyTorch leaves the mode while it calls __torch_function__; `raw` is the plain function.
    def _raw(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        with compat.without_function_modes():
            return function(*args, **kwargs)

    def _get_item(self, tensor: torch.Tensor, index: Any) -> Any:
        if type(index) is int and index == 0:
            number = self._packed.first_size(tensor)
            if number is not None:
                return number
        if indexing.needs_taking_apart(index):
            return indexing.get_item(tensor, index)
        return self._raw(torch.Tensor.__getitem__, tensor, index)

    def _set_item(self, tensor: torch.Tensor, index: Any, value: Any) -> None:
        tensor = self._session.tensors.lift(tensor)
        if is_symbolic(value):
            value = torch.scalar_tensor(value, dtype=tensor.dtype)
        if indexing.needs_taking_apart(index):
            indexing.set_item(tensor, index, value)
        else:
            with self._session.tensors.stores():
                self._raw(torch.Tensor.__setitem__, tensor, index, value)

    def _sized(self, function: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            own = (
                1
                if args and isinstance(args[0], torch.Tensor) and function not in _SIZED[:8]
                else 0
            )
            args = (*args[:own], *(_as_number(arg) for arg in args[own:]))
            return self._raw(function, *args, **{key: _as_number(v) for key, v in kwargs.items()})

        return call

    def _written_otherwise(self, function: Any, other: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if function in NUMBERS_ONLY:
                args = tuple(map(_as_number, args))
                kwargs = {key: _as_number(value) for key, value in kwargs.items()}
            return (other if _has_symbol((*args, *kwargs.values())) else plain)(*args, **kwargs)

        plain = functools.partial(self._raw, function)
        return call

    def _squeeze(self, function: Any) -> Callable[..., Any]:
        def call(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            dims = args[0] if args else kwargs.get("dim", range(tensor.dim()))
            for dim in dims if isinstance(dims, (tuple, list, range)) else (dims,):
                self._session.settle_one(tensor.shape[dim])
            return self._raw(function, tensor, *args, **kwargs)

        return call

    def _unfold(self, x: torch.Tensor, dimension: int, size: Any, step: Any) -> torch.Tensor:
        """Windows whose size or step is symbolic, which the operator itself cannot take."""
        if not is_symbolic(size) and not is_symbolic(step):
            return self._raw(torch.Tensor.unfold, x, dimension, size, step)
        dimension %= x.dim()
        count = (x.shape[dimension] - size) // step + 1
        starts = torch.arange(count) * step
        places = starts[:, None] + torch.arange(size)[None, :]
        return x.movedim(dimension, -1)[..., places].movedim(-2, dimension)

    def _roi_align(self, x: Any, rois: Any, scale: Any, *args: Any, **kwargs: Any) -> Any:
        """Detection models compute the scale from sizes; an operator's float cannot be symbolic."""
        if is_symbolic(scale):
            rois = torch.cat([rois[:, :1], rois[:, 1:] * scale], 1)
            scale = 1.0
        return self._raw(torch.ops.torchvision.roi_align, x, rois, scale, *args, **kwargs)

    def _without_check(self, function: Any) -> Callable[..., Any]:
        """A function of linear algebra that does not raise where there is no result."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self._session.note(
                "assumption",
                "the matrix must have a result here: PyTorch raises where it has none, the file "
                "does not",
            )
            return self._raw(function, *args, **kwargs)[0]

        return call

    def _squeeze_in_place(self, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """One call for each dimension that goes: PyTorch crashes on a symbolic one that stays."""
        dims = args[0] if args else kwargs.get("dim", range(tensor.dim()))
        dims = dims if isinstance(dims, (tuple, list, range)) else (dims,)
        for dim in dims:
            self._session.settle_one(tensor.shape[dim])
        ones = {dim % tensor.dim() for dim in dims if self._session.known(tensor.shape[dim] == 1)}
        for dim in sorted(ones, reverse=True):
            self._raw(torch.Tensor.squeeze_, tensor, dim)
        return tensor

    def _unbind(self, tensor: torch.Tensor, dim: int = 0) -> Any:
        """Views one by one: PyTorch cannot write through those of unbind at symbolic sizes."""
        symbolic = any(is_symbolic(size) for size in tensor.shape)
        if not symbolic or not tensor.dim():
            return self._raw(torch.unbind, tensor, dim)
        size = tensor.shape[dim]
        # PyTorch asks for the number of views, which pins the dimension.
        count = len(self._raw(torch.unbind, tensor, dim)) if is_symbolic(size) else size
        return tuple(tensor.select(dim, k) for k in range(count))

    def _set_data(self, tensor: torch.Tensor, value: torch.Tensor) -> None:
        raise UnsupportedError(
            "`.data` is assigned, which gives a tensor other memory",
            location=user_location(),
            hint="copy into it (y.copy_(x)), or assign the new tensor to the name",
        )

    def _fill_diagonal(self, tensor: torch.Tensor, value: Any, wrap: bool = False) -> torch.Tensor:
        if tensor.dim() == 2 and not wrap:
            tensor.diagonal().fill_(value)
            return tensor
        return self._raw(torch.Tensor.fill_diagonal_, tensor, value, wrap)

    # -- tensors made of numbers -----------------------------------------------------------------

    def _tensor(self, data: Any, *, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
        if not _has_dynamic(data):
            return self._raw(torch.tensor, data, dtype=dtype, device=device, **kwargs)
        if dtype is None:
            dtype = _common_dtype(data)
        return _built(data, dtype, device)

    def _as_tensor(self, data: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
        if isinstance(data, torch.Tensor):
            return data.to(dtype=dtype or data.dtype)
        return self._tensor(data, dtype=dtype, device=device)

    # -- values that are read --------------------------------------------------------------------

    def _truth(self, tensor: torch.Tensor) -> bool:
        return self._operators.truth(tensor)

    def _nonzero(self, tensor: torch.Tensor) -> Any:
        return self._operators.as_bool(tensor)

    def _len(self, tensor: torch.Tensor) -> Any:
        if tensor.dim() == 0:
            raise TypeError("len() of a 0-d tensor")
        return tensor.shape[0]

    def _iter(self, tensor: torch.Tensor) -> Any:
        return iter(rows(tensor))

    def _is_stored(self, tensor: torch.Tensor) -> bool:
        return (
            not isinstance(tensor, compat.FunctionalTensor)
            and not self._session.tensors.was_written(tensor)
            and tensor.device.type != "meta"
        )

    def _tolist(self, tensor: torch.Tensor) -> Any:
        if self._is_stored(tensor):
            return compat.real_list(tensor)
        if tensor.dim() == 0:
            return tensor.item()
        items = rows(tensor)
        if isinstance(items, Dynamic):
            raise UnsupportedError(
                "tolist() of a tensor whose size is known only when the model runs",
                location=user_location(),
                hint="keep it a tensor",
            )
        return self._session.journal.made([self._tolist(item) for item in items])

    def _reader(self, name: str) -> Callable[..., Any]:
        def read(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            if self._is_stored(tensor):
                with compat.no_dispatch_modes():
                    return self._raw(getattr(torch.Tensor, name), tensor, *args, **kwargs)
            raise UnsupportedError(
                f"the value of a tensor is read here ({name.strip('_')}); it is known only when "
                "the model runs",
                location=user_location(),
                hint="compute with the tensor itself, or use .item() in a condition or a size",
            )

        return read

    def _equal(self, a: torch.Tensor, b: torch.Tensor) -> Any:
        if a.dim() != b.dim():
            return False
        same_shape = self._operators.eq(tuple(a.shape), tuple(b.shape))
        return self._operators.and_(lambda: same_shape, lambda: (a == b).all().item())

    def _allclose(self, a: torch.Tensor, b: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return torch.isclose(a, b, *args, **kwargs).all().item()


def _as_number(value: Any) -> Any:
    """A tensor used as a size, as the number that it holds."""
    if isinstance(value, torch.Tensor) and value.dim() == 0:
        return value.item()
    if isinstance(value, (tuple, list)) and any(isinstance(item, torch.Tensor) for item in value):
        return type(value)(_as_number(item) for item in value)
    return value


def _has_symbol(values: Any) -> bool:
    """Whether numbers, or sizes of tensors, are known only when the model runs."""
    for value in values:
        sizes = value.shape if isinstance(value, torch.Tensor) else ()
        inner = value if isinstance(value, (list, tuple)) else ()
        if is_symbolic(value) or any(map(is_symbolic, sizes)) or _has_symbol(inner):
            return True
    return False


def _has_dynamic(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return any(_has_dynamic(item) for item in data)
    return isinstance(data, (torch.Tensor, *SYM))


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


def _built(data: Any, dtype: torch.dtype, device: Any) -> torch.Tensor:
    """A tensor from nested lists, number by number: nothing is read."""
    if isinstance(data, (list, tuple)):
        return torch.stack([_built(item, dtype, device) for item in data])
    if isinstance(data, torch.Tensor):
        return data.detach().clone().to(dtype)
    return torch.scalar_tensor(data, dtype=dtype, device=device)
