"""The inputs and outputs of a file, as data and as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir

    from fxexport.graph.signature import InputSpec, OutputSpec, Padding

__all__ = [
    "describe_input",
    "describe_output",
    "dimension_ranges",
    "dimensions_to_data",
    "padding_text",
    "type_text",
]


def describe_input(spec: InputSpec) -> dict[str, Any]:
    """An input as plain data, the form that `Report.inputs` holds.

    Returns:
        name, kind ("tensor" or a Python scalar's type), dtype ("float32") and shape: ints, and
        ``{"name", "min", "max"}`` for dynamic dimensions (max None: no bound); and values, the
        smallest and the largest one, of a Python int that has a range.
    """
    entry: dict[str, Any] = {
        "name": spec.name,
        "kind": spec.kind,
        "dtype": str(spec.dtype).removeprefix("torch."),
        "shape": dimensions_to_data(["?" if n is None else n for n in spec.items] or spec.shape),
    }
    if spec.values is not None:
        entry["values"] = list(spec.values)
    if spec.is_complex:
        entry["complex"] = True
    return entry


def describe_output(spec: OutputSpec, value: ir.Value) -> dict[str, Any]:
    """An output as plain data, the form that `Report.outputs` holds.

    Args:
        spec: the output.
        value: what the file gives for it.

    Returns:
        As for an input; a padded one has ``"padded": {"dim", "count"}``, its count has the name
        of the padded output in ``"counts"``, and that of `max_trips` ``"exceeded": True``. What may
        be None has the name of the output that says so in ``"present"``. What
        is complex in PyTorch has ``"complex": True``; its last dimension holds the two parts.
    """
    shape = value.shape
    entry: dict[str, Any] = {
        "name": spec.name,
        "kind": spec.kind,
        "dtype": _dtype_text(value),
        "shape": None
        if shape is None
        else dimensions_to_data([d if isinstance(d, int) else str(d.value or "?") for d in shape]),
    }
    if spec.padding is not None:
        entry["padded"] = {"dim": spec.padding.dim, "count": spec.padding.count}
    if spec.counts:
        entry["counts"] = spec.counts
    if spec.exceeded:
        entry["exceeded"] = True
    if spec.presence:
        entry["present"] = spec.presence
    if spec.is_complex:
        entry["complex"] = True
    return entry


def _dtype_text(value: ir.Value) -> str:
    """``float32`` for a value's type, as PyTorch spells it."""
    if value.dtype is None:
        return ""
    name = value.dtype.name.lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def dimensions_to_data(shape: Iterable[Any]) -> list[Any]:
    """Dimensions as plain data: ints and texts stay, ranges become dicts."""
    return [
        dim if isinstance(dim, int | str) else {"name": dim.name, "min": dim.min, "max": dim.max}
        for dim in shape
    ]


def padding_text(name: str, padding: Padding) -> str:
    """What becomes of an output whose size the data decides, in a sentence."""
    return (
        f"the data decides the size of output {name!r} along dimension {padding.dim}: it is padded "
        f"with zeros to the largest size that the inputs' shapes allow, and {padding.count!r} "
        "holds its size"
    )


def type_text(entry: Mapping[str, Any]) -> str:
    """What an input or output is, for example ``float32[batch, 3, height]`` or ``int``."""
    kind = str(entry.get("kind", "tensor"))
    if kind in ("sequence", "optional"):
        of = "list of" if kind == "sequence" else "optional"
        return f"{of} {type_text({**entry, 'kind': 'tensor'})}"
    if kind != "tensor":
        return kind
    dtype = str(entry.get("dtype", "tensor"))
    shape = entry.get("shape")
    if shape is None:
        return dtype
    text = f"{dtype}[{', '.join(_dimension_name(dim) for dim in shape)}]"
    return f"complex as {text}" if entry.get("complex") else text


def dimension_ranges(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The sizes that each named dimension may take, for example ``{"batch": "1..8"}``.

    A Python int with a range is in it too, under its own name.
    """
    ranges = {}
    for entry in entries:
        if entry.get("values"):
            ranges[str(entry.get("name"))] = "{}..{}".format(*entry["values"])
        for dim in entry.get("shape") or ():
            if isinstance(dim, dict):
                ranges[str(dim.get("name"))] = _range_text(dim)
    return ranges


def _dimension_name(dim: Any) -> str:
    if isinstance(dim, dict):
        return str(dim.get("name"))
    return "?" if dim is None else str(dim)


def _range_text(dim: dict[str, Any]) -> str:
    low, high = dim.get("min") or 0, dim.get("max")
    if high is None:
        return f"{low} or more" if low else "any size"
    return f"{low}..{high}"
