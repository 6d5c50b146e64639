"""Operators on tensors: PyTorch's own, called on the capture's tensors so that they are recorded.

TorchScript passes dtypes, layouts and memory formats as numbers, and what a Python wrapper would
take care of (sizes that become tensors, values that are read) is taken care of here.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from fxexport._torch_compat import torchscript as ir
from fxexport.capture.functions.piece_arguments import PIECES
from fxexport.capture.session.session import SYM, is_symbolic
from fxexport.capture.torchscript.call import Call, HandlerTable, refuse
from fxexport.capture.torchscript.functions import as_function

__all__ = ["TABLE", "dispatched"]

TABLE = HandlerTable()

_DTYPES = {number: dtype for dtype, number in ir.SCALAR_TYPES.items()}
_LAYOUTS = {0: torch.strided}
_FORMATS = {
    0: torch.contiguous_format,
    1: torch.preserve_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
}


def dtype_of(number: object) -> Any:
    """The dtype that a number stands for; None for None."""
    return _DTYPES[number] if isinstance(number, int) else number


def number_of(dtype: torch.dtype) -> int:
    """The number that stands for a dtype."""
    return ir.SCALAR_TYPES[dtype]


@functools.cache
def _overload(operator: str) -> Any:
    name, _, overload = operator.partition(".")
    return getattr(_packet(name), overload or "default")


def _packet(kind: str) -> Any:
    namespace, _, name = kind.partition("::")
    return getattr(getattr(torch.ops, namespace), name)


def dispatched(call: Call) -> object:
    """An operator of PyTorch's dispatcher."""
    function = _overload(call.instruction.operator)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    arguments = function._schema.arguments
    for parameter, value in zip(arguments, call.args, strict=False):
        value = _argument(call, str(parameter.real_type), value)
        if parameter.kwarg_only:
            kwargs[parameter.name] = value
        else:
            args.append(value)
    if function in PIECES:
        return returned(call, call.python(function, *args, **kwargs))
    otherwise = as_function(call.instruction.kind, args, kwargs)
    if otherwise is not None:
        python, given, named = otherwise
        return returned(call, call.python(python, *given, **named))
    if call.instruction.kind.startswith("aten::"):
        kinds = {parameter.name: parameter.real_type.kind() for parameter in arguments}
        args = [_known(kind, value) for kind, value in zip(kinds.values(), args, strict=False)]
        kwargs = {name: _known(kinds[name], value) for name, value in kwargs.items()}
    if not call.instruction.kind.startswith("aten::"):
        # Libraries' operators are known by their packets where they need help.
        function = _packet(call.instruction.kind)
    return returned(call, call.interpreter.native.with_flags(function, *args, **kwargs))


def _argument(call: Call, kind: str, value: object) -> Any:
    if value is None:
        return None
    if kind.endswith("ScalarType]") or kind == "ScalarType":
        return dtype_of(value)
    if "MemoryFormat" in kind:
        return _FORMATS[value] if isinstance(value, int) else value
    if "Layout" in kind:
        return _LAYOUTS.get(value, value) if isinstance(value, int) else value
    if "Device" in kind or isinstance(value, torch.device):
        return _device(call, value)
    if type(value) is torch.SymBool and "bool" not in kind:
        return call.ops.number(value)
    return value


def _known(kind: str, value: object) -> Any:
    """A number that the operator itself must know: as in Python, it is decided here or refused."""
    if kind == "IntType" and isinstance(value, torch.SymInt):
        return int(value)
    if kind == "FloatType" and isinstance(value, torch.SymFloat):
        return float(value)
    return value


def _device(call: Call, device: Any) -> object:
    """Files have no devices, and capture knows the CPU alone."""
    device = torch.device(device)
    if device.type in ("cpu", "meta"):
        return device
    call.session.note("note", f"the device {device} plays no part in the file")
    return torch.device("cpu")


def returned(call: Call, value: object) -> Any:
    """A result as the program sees it: lists are its own, dtypes are numbers."""
    if isinstance(value, torch.dtype):
        return number_of(value)
    if isinstance(value, (list, torch.Size)):
        return call.ops.fresh(list(value))
    return value


# -- made of numbers ------------------------------------------------------------------------------


@TABLE.add(
    "aten::tensor.", "aten::tensor.bool", "aten::tensor.float", "aten::tensor.int",
    "aten::tensor.complex", "aten::as_tensor.complex",
    "aten::as_tensor.bool", "aten::as_tensor.float", "aten::as_tensor.int", "aten::as_tensor.",
    "aten::as_tensor.list", "aten::_list_to_tensor.",
)  # fmt: skip
def _tensor(call: Call) -> object:
    data, dtype = (*call.args, None)[:2]
    if isinstance(data, torch.Tensor):
        return data if dtype is None else data.to(dtype_of(dtype))
    if call.instruction.kind == "aten::_list_to_tensor":
        dtype = number_of(torch.int64)
    return call.python(torch.tensor, data, dtype=dtype_of(dtype))


TABLE.simple("prim::NumToTensor", lambda ops, value: torch.tensor(value))

# -- read -----------------------------------------------------------------------------------------

TABLE.simple("aten::Bool.Tensor aten::is_nonzero.", lambda ops, x: ops.call(bool)(x))
TABLE.simple("aten::Int.Tensor", lambda ops, x: ops.call(int)(x))
TABLE.simple("aten::Float.Tensor", lambda ops, x: ops.call(float)(x))
TABLE.simple(
    "aten::item. aten::ScalarImplicit. aten::IntImplicit. aten::FloatImplicit.",
    lambda ops, x: x.item(),
)
TABLE.refused(
    "aten::Complex.Tensor_Tensor aten::Complex.Tensor_float aten::Complex.float_Tensor "
    "aten::Complex.Tensor_int aten::Complex.int_Tensor aten::Complex.Tensor_bool "
    "aten::Complex.bool_Tensor",
    "a complex number is made of the elements of tensors",
    "make a tensor of them, with torch.complex",
)
TABLE.simple("aten::equal.", lambda ops, a, b: torch.equal(a, b))
TABLE.simple(
    "aten::allclose.",
    lambda ops, a, b, rtol, atol, nan: torch.allclose(a, b, rtol=rtol, atol=atol, equal_nan=nan),
)
TABLE.simple("aten::size.", lambda ops, x: ops.fresh(list(x.shape)))
TABLE.simple("aten::size.int", lambda ops, x, dim: x.shape[dim])
TABLE.simple("aten::sym_size.", lambda ops, x: ops.fresh(list(x.shape)))
TABLE.simple("aten::numel.", lambda ops, x: x.numel())
TABLE.simple("aten::dim.", lambda ops, x: ops.call(ops.get_attr(x, "dim"))())
TABLE.simple("aten::stride. aten::sym_stride.", lambda ops, x: ops.fresh(list(x.stride())))
TABLE.simple("aten::element_size. prim::itemsize", lambda ops, x: x.element_size())
TABLE.simple("prim::nbytes", lambda ops, x: x.numel() * x.element_size())
TABLE.simple("aten::is_floating_point.", lambda ops, x: x.is_floating_point())
TABLE.simple("aten::is_complex.", lambda ops, x: x.is_complex())
TABLE.refused(
    "aten::is_non_overlapping_and_dense. aten::is_strides_like_format. aten::data_ptr.",
    "how a tensor lies in memory is not kept",
)


@TABLE.add("prim::tolist", "aten::_tensor_to_list.")
def _tolist(call: Call) -> object:
    return call.args[0].tolist()


@TABLE.add("prim::dtype")
def _dtype(call: Call) -> int:
    return number_of(call.args[0].dtype)


TABLE.simple("prim::device", lambda ops, x: x.device)
TABLE.simple("prim::type", lambda ops, device: device.type)
TABLE.simple("prim::index", lambda ops, device: device.index)
TABLE.simple("aten::device", lambda ops, text, *index: torch.device(text, *index))
TABLE.simple("prim::layout", lambda ops, x: 0)
TABLE.simple("prim::is_cpu", lambda ops, x: True)
TABLE.simple("prim::requires_grad", lambda ops, x: False)
TABLE.simple("prim::grad", lambda ops, x: None)
TABLE.simple("prim::data", lambda ops, x: x.detach())
TABLE.simple("prim::name", lambda ops, x: None)
TABLE.simple(
    "prim::is_cuda prim::is_ipu prim::is_maia prim::is_meta prim::is_mkldnn prim::is_mps "
    "prim::is_mtia prim::is_nested prim::is_quantized prim::is_sparse prim::is_sparse_csr "
    "prim::is_vulkan prim::is_xla prim::is_xpu",
    lambda ops, x: False,
)

# -- where a Python wrapper does more than the operator -------------------------------------------


@TABLE.add(
    "aten::squeeze.", "aten::squeeze.dim", "aten::squeeze.dims", "aten::squeeze_.",
    "aten::squeeze_.dim", "aten::squeeze_.dims", "aten::fill_diagonal_.",
    "aten::unfold.",
)  # fmt: skip
def _method(call: Call) -> object:
    """What a tensor's method does beside the operator, where the program calls it in Python."""
    method = getattr(torch.Tensor, call.instruction.kind.removeprefix("aten::"))
    return method(*call.args)


@TABLE.add("aten::select.int")
def _select(call: Call) -> object:
    x, dim, index = call.args
    return x[index] if dim == 0 else dispatched(call)


def _from_python(name: str, function: object) -> None:
    """An operator that Python code reaches as a function, where that is given another form."""
    TABLE.add(f"aten::{name}.")(lambda call: call.python(function, *call.args))


for _name in ("_pack_padded_sequence", "_pad_packed_sequence"):
    _from_python(_name, getattr(torch._VF, _name))
TABLE.add("aten::split.")(lambda call: returned(call, list(call.python(torch.split, *call.args))))
# The list that they join may be one whose length is known only when the model runs.
for _name in ("cat", "stack", "concat", "concatenate"):
    _from_python(_name, getattr(torch, _name))


@TABLE.add("aten::to.prim_Device", "aten::to.prim_dtype", "aten::to.prim_other")
def _to(call: Call) -> object:
    x, *args = call.args
    if call.instruction.operator == "aten::to.prim_Device":
        args = args[1:]
    if call.instruction.operator == "aten::to.prim_other":
        args = [None, *args]
    dtype, copy = args[0], args[-1]
    return x.to(x.dtype if dtype is None else dtype_of(dtype), copy=copy)


TABLE.simple("aten::_pack_sequence.", lambda ops, *parts: parts)
TABLE.simple("aten::cpu. aten::cuda.", lambda ops, x: x)
TABLE.simple("aten::copy_.Tensor", lambda ops, x, y: x.copy_(y))
TABLE.simple("aten::copy_.int aten::copy_.float", lambda ops, x, y: x.copy_(torch.scalar_tensor(y)))
TABLE.simple("aten::numpy_T.a", lambda ops, x: torch.ops.aten.numpy_T.default(x))
# By the function that knows classes whose number is a size.
TABLE.simple("aten::one_hot.", lambda ops, x, classes: torch.nn.functional.one_hot(x, classes))
TABLE.simple("aten::mT.a aten::mH.a", lambda ops, x: x.transpose(-2, -1))
TABLE.simple("aten::matrix_H.a", lambda ops, x: x.transpose(0, 1))
TABLE.simple("aten::_no_grad_fill_.", lambda ops, x, value: x.fill_(value))
TABLE.simple("aten::_no_grad_zero_.", lambda ops, x: x.zero_())
TABLE.simple("aten::_no_grad_uniform_.", lambda ops, x, a, b, *_: x.uniform_(a, b))
TABLE.simple("aten::_no_grad_normal_.", lambda ops, x, mean, std, *_: x.normal_(mean, std))
TABLE.simple(
    "aten::index.Tensor_hacked_twin aten::_unsafe_index.Tensor_hacked_twin",
    lambda ops, x, indices: torch.ops.aten.index.Tensor(x, indices),
)
TABLE.simple(
    "aten::index_put.hacked_twin aten::_unsafe_index_put.hacked_twin",
    lambda ops, x, i, v, accumulate: torch.ops.aten.index_put.default(x, i, v, accumulate),
)
TABLE.simple(
    "aten::index_put_.hacked_twin aten::_index_put_impl_.hacked_twin",
    lambda ops, x, i, v, accumulate, *_: torch.ops.aten.index_put_.default(x, i, v, accumulate),
)


@TABLE.add("aten::_ncf_unsqueeze.")
def _to_rank(call: Call) -> object:
    x, rank = call.args
    for _ in range(rank - x.dim()):
        x = x.unsqueeze(0)
    return x


TABLE.refused(
    "aten::_grad_sum_to_size. aten::grad. aten::backward. aten::backward.TensorList",
    "gradients are not exported",
)


@TABLE.add(
    "aten::__interpolate.", "aten::__interpolate.scale_list", "aten::__interpolate.size_list",
    "aten::__interpolate.size_list_scale_list", "aten::__upsample.", "aten::__upsample.size_list",
)  # fmt: skip
def _interpolate(call: Call) -> object:
    x, size, scale, mode, align, *_ = call.args
    return call.python(
        torch.nn.functional.interpolate,
        x,
        size=size,
        scale_factor=scale,
        mode=mode,
        align_corners=align,
    )


@TABLE.add(
    "aten::__upsample_bilinear.", "aten::__upsample_bilinear.size_list",
    "aten::__upsample_bilinear.scale_list", "aten::__upsample_bilinear.size_list_scale_list",
    "aten::__upsample_nearest.", "aten::__upsample_nearest.size_list",
)  # fmt: skip
def _upsample(call: Call) -> object:
    bilinear = "bilinear" in call.instruction.kind
    x, size, scale = call.args
    return call.python(
        torch.nn.functional.interpolate,
        x,
        size=size,
        scale_factor=scale,
        mode="bilinear" if bilinear else "nearest",
        align_corners=True if bilinear else None,
    )


@TABLE.add("prim::ConstantChunk")
def _chunks(call: Call) -> object:
    node = call.instruction.node
    chunks = call.python(torch.chunk, call.args[0], node.i("chunks"), node.i("dim"))
    wanted = len(call.instruction.outputs)
    found = tuple(call.ops.unpack(chunks, wanted))
    return found if wanted != 1 else found[0]


TABLE.simple("prim::VarConcat", lambda ops, *args: torch.cat(args[:-1], args[-1]))
TABLE.simple("prim::VarStack", lambda ops, *args: torch.stack(args[:-1], args[-1]))
TABLE.simple("prim::FusedConcat", lambda ops, *args: torch.cat(args))


@TABLE.add("aten::einsum.sublist", "aten::dequantize.tensor", "aten::dequantize.list")
@TABLE.add("aten::dequantize.any", "aten::_ncf_view.", "aten::_no_grad_embedding_renorm_.")
def _unsupported(call: Call) -> object:
    return refuse(call, "it is not supported", "write it with other operators")


@TABLE.add("aten::broadcast_shapes", "aten::_infer_size")
def _broadcast_shapes(call: Call) -> object:
    shapes = call.args[0] if call.instruction.kind == "aten::broadcast_shapes" else call.args
    if any(isinstance(size, SYM) for shape in shapes for size in shape):
        made = [torch.empty(shape, device="cpu") for shape in shapes]
        return call.ops.fresh(list(torch.broadcast_tensors(*made)[0].shape))
    return call.ops.fresh(list(torch.broadcast_shapes(*shapes)))


@TABLE.add("aten::_size_if_not_equal")
def _size_if_not_equal(call: Call) -> object:
    return refuse(call, "it belongs to the backward pass")


@TABLE.add("aten::promote_types", "aten::can_cast", "aten::result_type", "aten::Size")
def _on_dtypes(call: Call) -> object:
    kind = call.instruction.kind
    if kind == "aten::Size":
        return call.args[0]
    if kind == "aten::result_type":
        if any(is_symbolic(arg) for arg in call.args):
            return refuse(call, "the numbers are known only when the model runs")
        return number_of(torch.result_type(*call.args))
    a, b = (dtype_of(arg) for arg in call.args)
    if kind == "aten::can_cast":
        return torch.can_cast(a, b)
    return number_of(torch.promote_types(a, b))
