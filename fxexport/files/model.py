"""Writing a model to disk: whole, or not at all.

Weights go to the file straight from their storage. Protobuf's own writer would copy every
weight into a message and the message into one string; instead the message is written without
the weights, and each weight is put at its position in the file (`_write_message`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

from fxexport.errors import OutputError
from fxexport.files.atomic import check_writable, file_group
from fxexport.files.companions import Companion, stale_companions

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = [
    "SINGLE_FILE_LIMIT",
    "check_target",
    "data_file_name",
    "large_initializers",
    "message_of",
    "references",
    "write_model",
]

# Protobuf reads no message of 2 GiB or more; the rest is left for the message itself.
SINGLE_FILE_LIMIT = 2**31 - 2**20

_PROTOBUF_LIMIT = 2**31
# Tensors smaller than this stay inside the message.
_LARGE = 1024
# Where a tensor starts in the data file: at a multiple of this, as vector loads like it.
_ALIGNMENT = 64

# Field numbers of onnx.proto, and protobuf's wire type for what has a length.
_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_TENSOR_RAW_DATA = 9
_LENGTH_DELIMITED = 2


def data_file_name(path: str | os.PathLike[str]) -> str:
    """Name of the file beside the model that holds large weights."""
    return os.path.basename(os.path.realpath(path)) + ".data"


def write_model(
    model: ir.Model,
    path: str | os.PathLike[str],
    *,
    external_data: bool | None = None,
    limit: int = SINGLE_FILE_LIMIT,
    companions: Mapping[Companion, bytes] | None = None,
    left_out: Collection[str] = (),
) -> None:
    """Writes a model; whatever happens, the path holds a whole file, the old one or the new.

    Args:
        model: the model; it is left as it is.
        path: where to write.
        external_data: True to put weights into ``<name>.data`` beside the model, False to keep
            one file, None to decide by size.
        limit: size in bytes from which on one file is too much.
        companions: what to write beside it. Those of an older model at this path go away.
        left_out: initializers that are not written: the model refers to a data file beside it that
            others write, or is given them where it is loaded.

    Raises:
        OutputError: when one of the files cannot be written. Older files are untouched then, and
            no other file is left.
    """
    target = os.path.realpath(path)
    check_writable(os.fspath(path), target)
    _refuse_without_values(model, left_out)
    weights = sum(tensor.nbytes for _, tensor in large_initializers(model, left_out))
    if (external_data is False or left_out) and weights >= limit:
        raise OutputError(
            f"the weights take {weights / 2**30:.1f} GiB, more than one ONNX file can hold (2 GiB)",
            hint="allow a data file beside the model (external_data=None)",
        )
    split = weights > 0 and (external_data or (external_data is None and weights >= limit))
    companions = companions or {}
    with file_group(os.fspath(path)) as group:
        for companion, content in companions.items():
            with open(group.new(companion.path_for(target)), "wb") as file:
                file.write(content)
        data_name = data_file_name(target)
        stored: Mapping[ir.Value, ir.TensorProtocol] = references(model, left_out, data_name)
        if split and not left_out:
            with open(group.new(os.path.join(os.path.dirname(target), data_name)), "wb") as file:
                stored = _write_data(model, file, data_name)
        with open(group.new(target), "wb") as file:
            _write_message(model, stored, file)
        for stale in stale_companions(target, companions):
            group.remove(stale)


def references(
    model: ir.Model, left_out: Collection[str], location: str
) -> dict[ir.Value, ir.TensorProtocol]:
    """What stands for initializers that are not written: where a data file would have them.

    Args:
        model: the model.
        left_out: the initializers' names.
        location: the data file's name.
    """
    found: dict[ir.Value, ir.TensorProtocol] = {}
    offset = 0
    for name, value in model.graph.initializers.items():
        if name in left_out and value.const_value is not None:
            found[value] = _reference(value, value.const_value, location, offset)
            offset += value.const_value.nbytes
            offset += -offset % _ALIGNMENT
    return found


def _refuse_without_values(model: ir.Model, left_out: Collection[str]) -> None:
    for name, value in model.graph.initializers.items():
        if name in left_out:
            continue
        if getattr(getattr(value.const_value, "raw", None), "is_meta", False):
            raise OutputError(
                f"the weight {name!r} is on the device 'meta', where tensors have no values",
                hint="load the weights before the export",
            )


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuses a path that no file can be written to, before any work is done.

    Raises:
        OutputError: when there is no such folder, or the path is a folder or a device.
    """
    check_writable(os.fspath(path), os.path.realpath(path))


def large_initializers(
    model: ir.Model, left_out: Collection[str] = ()
) -> Iterator[tuple[ir.Value, ir.TensorProtocol]]:
    """The initializers of all graphs that are large enough to be written on their own.

    Args:
        model: the model.
        left_out: the names of those that are not written at all.
    """
    for graph in model.graphs():
        for name, value in graph.initializers.items():
            if graph is model.graph and name in left_out:
                continue
            tensor = value.const_value
            if tensor is not None and _has_bytes(tensor) and tensor.nbytes >= _LARGE:
                yield value, tensor


def _from_other_files(model: ir.Model) -> Iterator[tuple[ir.Value, ir.TensorProtocol]]:
    """The initializers that a loaded model keeps in a data file, in memory."""
    import onnx_ir as ir

    for graph in model.graphs():
        for value in graph.initializers.values():
            tensor = value.const_value
            if isinstance(tensor, ir.ExternalTensor):
                yield value, ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=value.name)


def _has_bytes(tensor: ir.TensorProtocol) -> bool:
    import onnx_ir as ir

    return tensor.dtype != ir.DataType.STRING


def _write_data(
    model: ir.Model, file: BinaryIO, location: str
) -> dict[ir.Value, ir.TensorProtocol]:
    """Writes large initializers into the data file; returns where each one went."""
    stored: dict[ir.Value, ir.TensorProtocol] = {}
    for value, tensor in large_initializers(model):
        file.write(b"\0" * (-file.tell() % _ALIGNMENT))
        offset = file.tell()
        _copy_bytes(tensor, file)
        stored[value] = _reference(value, tensor, location, offset)
    return stored


def _write_message(
    model: ir.Model, stored: Mapping[ir.Value, ir.TensorProtocol], file: BinaryIO
) -> None:
    """Writes the model file.

    A protobuf message is a row of fields, each a tag, a length and bytes, and a repeated field
    may come in any number of pieces. So protobuf serializes everything but the weights, and the
    graph's initializers follow one by one.

    Args:
        model: the model.
        stored: initializers that are in the data file, each as a reference to its position.
        file: where to write.
    """
    from onnx_ir import serde

    streamed = {
        value: tensor
        for value, tensor in large_initializers(model)
        if value not in stored and value.graph is model.graph
    }
    stand_ins = {value: _reference(value, tensor, "", 0) for value, tensor in streamed.items()}
    order = [value for value in model.graph.initializers.values() if value.const_value is not None]
    taken_in = {
        value: tensor
        for value, tensor in _from_other_files(model)
        if value not in stored and value not in streamed
    }
    with _replaced({**stored, **stand_ins, **taken_in}):
        proto = serde.serialize_model(model)
    fields = []
    for value, header in zip(order, proto.graph.initializer, strict=True):
        tensor = streamed.get(value)
        if tensor is not None:
            header.ClearField("external_data")
            header.ClearField("data_location")
        fields.append(_initializer_field(header, tensor))
    del proto.graph.initializer[:]
    graph = proto.graph.SerializeToString(deterministic=True)
    proto.ClearField("graph")
    size = len(graph) + sum(len(head) + (t.nbytes if t else 0) for head, t in fields)
    if size >= _PROTOBUF_LIMIT:
        raise OutputError(
            f"the model takes {size / 2**30:.1f} GiB, more than one ONNX file can hold (2 GiB)",
            hint="allow a data file beside the model (external_data=True)",
        )
    file.write(proto.SerializeToString(deterministic=True))
    file.write(_field_head(_MODEL_GRAPH, size))
    file.write(graph)
    for head, tensor in fields:
        file.write(head)
        if tensor is not None:
            _copy_bytes(tensor, file)


def message_of(
    model: ir.Model, left_out: Collection[str], location: str, apart: Iterable[ir.Value] = ()
) -> onnx.ModelProto:
    """A model as one message, initializers that are left out as in a file.

    Args:
        model: the model.
        left_out: the names of initializers that its file does not hold.
        location: the name of the data file that would hold them.
        apart: further initializers that are not to be in the message.
    """
    from onnx_ir import serde

    found = references(model, left_out, location)
    for value in apart:
        if value.const_value is not None:
            found[value] = _reference(value, value.const_value, "", 0)
    with _replaced(found):
        return serde.serialize_model(model)


def _initializer_field(
    header: onnx.TensorProto, tensor: ir.TensorProtocol | None
) -> tuple[bytes, ir.TensorProtocol | None]:
    """The bytes of one initializer up to its data, and the tensor whose bytes follow."""
    message = header.SerializeToString(deterministic=True)
    size = len(message)
    if tensor is not None:
        message += _field_head(_TENSOR_RAW_DATA, tensor.nbytes)
        size = len(message) + tensor.nbytes
    return _field_head(_GRAPH_INITIALIZER, size) + message, tensor


def _field_head(number: int, size: int) -> bytes:
    """Tag and length of a protobuf field."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(size)


def _varint(value: int) -> bytes:
    """Protobuf's variable-length integer: seven bits a byte, the lowest first."""
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _reference(
    value: ir.Value, tensor: ir.TensorProtocol, location: str, offset: int
) -> ir.TensorProtocol:
    """A tensor that only says where the data of another is."""
    import onnx_ir as ir

    return ir.ExternalTensor(
        location,
        offset,
        tensor.nbytes,
        tensor.dtype,
        shape=ir.Shape(tensor.shape.numpy()),
        name=value.name or "",
        doc_string=tensor.doc_string,
        metadata_props=dict(tensor.metadata_props),
    )


@contextlib.contextmanager
def _replaced(stand_ins: Mapping[ir.Value, ir.TensorProtocol]) -> Iterator[None]:
    """Lets initializers be others for a while."""
    originals = {value: value.const_value for value in stand_ins}
    try:
        for value, tensor in stand_ins.items():
            value.const_value = tensor
        yield
    finally:
        for value, original in originals.items():
            value.const_value = original


def _copy_bytes(tensor: ir.TensorProtocol, file: BinaryIO) -> None:
    """Writes a tensor's bytes, without a copy where it knows how."""
    start = file.tell()
    if hasattr(tensor, "tofile"):
        tensor.tofile(file)
    else:
        file.write(tensor.tobytes())
    written = file.tell() - start
    if written != tensor.nbytes:
        raise RuntimeError(f"{tensor.name}: wrote {written} bytes instead of {tensor.nbytes}")
