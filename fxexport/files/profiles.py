"""Reads and replaces the profiles in an ONNX file. Weights are never looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fxexport.errors import UsageError
from fxexport.file_keys import PROFILES as PROFILES_KEY
from fxexport.files.atomic import check_writable, file_group
from fxexport.files.companions import PROFILES
from fxexport.profiles import (
    Dim,
    FileInput,
    Profile,
    StoredProfiles,
    resolve,
)

if TYPE_CHECKING:
    import onnx

__all__ = [
    "load_message",
    "read_profiles",
    "replace_profiles",
    "stored_in",
]


def read_profiles(path: str | os.PathLike[str]) -> StoredProfiles:
    """What an ONNX file remembers of its profiles.

    Args:
        path: the file; one of another exporter has inputs, but no profiles and no relations.

    Raises:
        UsageError: there is no such file, it is no ONNX file, or its profiles cannot be read.
    """
    return stored_in(load_message(path), os.fspath(path))


def replace_profiles(
    path: str | os.PathLike[str],
    profiles: Sequence[Profile],
    opts: Mapping[str, int] | None = None,
) -> StoredProfiles:
    """Replaces the profiles in an ONNX file and beside it, both or none.

    Everything else in the file stays as it is; weights in a file of their own are not touched.

    Args:
        path: the file.
        profiles: as a user gives them; they are checked against the file's inputs, the sizes
            that it was exported for, and the relations that it needs.
        opts: sizes to prefer, by dimension, where profiles leave opt out.

    Returns:
        What the file remembers now.

    Raises:
        UsageError: the profiles do not fit the file.
        OutputError: the file cannot be written.
    """
    model = load_message(path)
    stored = stored_in(model, os.fspath(path))
    new = replace(stored, profiles=resolve(profiles, stored.inputs, stored.relations, opts))
    if not new.profiles:
        raise UsageError(
            f"{os.fspath(path)} takes no profile: all of its sizes are fixed",
            hint="export it with --dynamic",
        )
    entry = next((prop for prop in model.metadata_props if prop.key == PROFILES_KEY), None)
    if entry is None:
        entry = model.metadata_props.add(key=PROFILES_KEY)
    entry.value = new.to_text()
    target = os.path.realpath(path)
    check_writable(os.fspath(path), target)
    with file_group(os.fspath(path)) as group:
        with open(group.new(PROFILES.path_for(target)), "w", encoding="utf-8") as text:
            text.write(new.to_text())
        with open(group.new(target), "wb") as file:
            file.write(model.SerializeToString())
    return new


def load_message(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The file as a message, without weights that lie elsewhere.

    Raises:
        UsageError: there is no such file, or it is no ONNX file.
    """
    import onnx

    shown = os.fspath(path)
    try:
        model = onnx.load(shown, "protobuf", load_external_data=False)  # whatever its ending
    except OSError as error:
        raise UsageError(f"cannot read {shown!r}: {error.strerror or error}") from error
    except Exception as error:  # protobuf's own exception, which has no public home
        raise UsageError(
            f"{shown!r} is not an ONNX file", hint="give the .onnx file that an export wrote"
        ) from error
    if not model.graph.node and not model.graph.output:
        raise UsageError(f"{shown!r} is not an ONNX file: it holds no graph")
    return model


def stored_in(model: onnx.ModelProto, where: str) -> StoredProfiles:
    """What a message remembers of its profiles; see `read_profiles`.

    Args:
        model: the message.
        where: what errors call it.
    """
    inputs = _inputs_of(model.graph)
    for entry in model.metadata_props:
        if entry.key == PROFILES_KEY:
            stored = StoredProfiles.from_text(entry.value, where)
            _check_same(stored.inputs, inputs, where)
            return stored
    return StoredProfiles(inputs=inputs)


def _check_same(remembered: Sequence[FileInput], inputs: Sequence[FileInput], where: str) -> None:
    """Refuses what a file remembers of other inputs than it has: another tool changed it."""
    known = {target.name: target for target in remembered}
    has = {target.name: target for target in inputs}
    for name in {**has, **known}:
        before, now = known.get(name), has.get(name)
        if before is not None and now is not None and _fixed_sizes(before) == _fixed_sizes(now):
            continue
        raise UsageError(
            f"{where} was changed after it was exported: its profiles know "
            f"{'no ' + name if before is None else before.describe()}, and its inputs are "
            f"{', '.join(target.describe() for target in inputs) or 'none'}",
            hint=f"export it again, or remove the entry {PROFILES_KEY!r} from its metadata",
        )


def _fixed_sizes(target: FileInput) -> tuple[int | None, ...]:
    return tuple(dim if isinstance(dim, int) else None for dim in target.shape)


def _inputs_of(graph: onnx.GraphProto) -> list[FileInput]:
    """The inputs of a file that has no profiles yet."""
    import onnx

    weights = {tensor.name for tensor in graph.initializer}
    inputs = []
    for value in graph.input:
        tensor = value.type.tensor_type
        if value.name in weights:
            continue
        shape = tuple(
            dim.dim_value
            if dim.HasField("dim_value") and dim.dim_value >= 0  # some exporters write -1
            else Dim(dim.dim_param or f"{value.name}_d{axis}")
            for axis, dim in enumerate(tensor.shape.dim)
        )
        name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        name = "sequence" if value.type.HasField("sequence_type") else name
        names = {"float": "float32", "double": "float64"}
        inputs.append(FileInput(value.name, shape, names.get(name, name)))
    return inputs
