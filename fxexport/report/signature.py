"""The inputs and outputs of a file, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir

    from fxexport.graph.signature import DimRange, InputSpec, OutputSpec, Padding

__all__ = [
    "describe_input",
    "describe_output",
    "dimension",
    "dimension_ranges",
    "padding_text",
    "type_text",
]


def describe_input(spec: InputSpec) -> dict[str, Any]:
    """An input as plain data, the form that `Report.inputs` holds.

    Returns:
        A dict with the keys

        - name, kind ("tensor", "sequence" or a Python scalar's type), dtype ("float32");
        - shape: a list of what `dimension` gives, None where the rank is not known;
        - values: the smallest and the largest value (``{"min", "max"}``) of a Python int that has
          a range, else None;
        - complex: whether it is complex in PyTorch; its last dimension holds the two parts.
    """
    shape = [dimension(size) for size in spec.items] or [_of_spec(size) for size in spec.shape]
    return {
        "name": spec.name,
        "kind": spec.kind,
        "dtype": str(spec.dtype).removeprefix("torch."),
        "shape": shape,
        "values": None if spec.values is None else dict(zip(_ENDS, spec.values, strict=True)),
        "complex": spec.is_complex,
    }


def describe_output(spec: OutputSpec, value: ir.Value) -> dict[str, Any]:
    """An output as plain data, the form that `Report.outputs` holds.

    Args:
        spec: the output.
        value: what the file gives for it.

    Returns:
        name, kind, dtype, shape and complex as for an input, and

        - padded: ``{"dim", "count"}`` where it is padded along a dimension: the output `count`
          has its size; else None;
        - counts: the name of the output whose size this is, else None;
        - present: the name of the output that says whether this one is there, else None;
        - exceeded: whether this says that a loop was cut short at `max_trips`.
    """
    shape = value.shape
    padding = spec.padding
    return {
        "name": spec.name,
        "kind": spec.kind,
        "dtype": _dtype_text(value),
        "shape": None
        if shape is None
        else [dimension(size if isinstance(size, int) else size.value) for size in shape],
        "complex": spec.is_complex,
        "padded": None if padding is None else {"dim": padding.dim, "count": padding.count},
        "counts": spec.counts or None,
        "present": spec.presence or None,
        "exceeded": spec.exceeded,
    }


def dimension(
    size: int | str | None, low: int | None = None, high: int | None = None
) -> dict[str, Any]:
    """A dimension as plain data, in one form for all.

    Args:
        size: the size of a fixed one; the name of another one, which may be an expression
            (``2*rows``); None where nothing is known of it.
        low: the smallest size, where the dimension has a range.
        high: the largest size; None for no bound.

    Returns:
        ``{"name", "value", "min", "max"}``, each None where there is none: a dimension has a value
        or a range, if anything.
    """
    fixed = isinstance(size, int)
    return {
        "name": None if fixed else size or None,
        "value": size if fixed else None,
        "min": low,
        "max": high,
    }


_ENDS = ("min", "max")


def _of_spec(size: int | DimRange) -> dict[str, Any]:
    return dimension(size) if isinstance(size, int) else dimension(size.name, size.min, size.max)


def _dtype_text(value: ir.Value) -> str:
    """``float32`` for a value's type, as PyTorch spells it."""
    if value.dtype is None:
        return ""
    name = value.dtype.name.lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


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
            ranges[str(entry.get("name"))] = "{min}..{max}".format(**entry["values"])
        for dim in entry.get("shape") or ():
            if dim["min"] is not None:
                ranges[str(dim["name"])] = _range_text(dim)
    return ranges


def _dimension_name(dim: Mapping[str, Any]) -> str:
    return str(dim["name"] or "?") if dim["value"] is None else str(dim["value"])


def _range_text(dim: Mapping[str, Any]) -> str:
    low, high = dim["min"], dim["max"]
    if high is None:
        return f"{low} or more" if low else "any size"
    return f"{low}..{high}"
