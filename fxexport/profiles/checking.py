"""Profiles held against what a file's inputs look like, and completed by it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fxexport.errors import UsageError
from fxexport.profiles.choosing import choose_opt
from fxexport.profiles.dims import Dim
from fxexport.profiles.profile import POINTS, Bounds, Point, Profile, sizes_text
from fxexport.profiles.relations import RelationLike, relation_holds

__all__ = ["FileInput", "input_named", "resolve", "shape_misfit", "sizes_at", "takes_values"]


_EXPORT_AGAIN = "what the range decides is part of the file: give that range at export"


@dataclass(frozen=True)
class FileInput:
    """An input as a profile sees it.

    Attributes:
        name: its name in the file.
        shape: an int for a static dimension, a `Dim` for a dynamic one.
        dtype: for example ``float32``.
        values: the smallest and the largest value that the file was made for; None for any.
    """

    name: str
    shape: tuple[int | Dim, ...] = ()
    dtype: str = "float32"
    values: tuple[int, int] | None = None

    @property
    def dynamic(self) -> bool:
        """Whether a profile must say something about it."""
        return any(isinstance(dim, Dim) for dim in self.shape)

    def describe(self) -> str:
        """``x: float32[batch, 3]``."""
        sizes = (dim.name if isinstance(dim, Dim) else str(dim) for dim in self.shape)
        return f"{self.name}: {self.dtype}[{', '.join(sizes)}]"


def resolve(
    profiles: Sequence[Profile],
    inputs: Sequence[FileInput],
    relations: Sequence[RelationLike] = (),
    examples: Mapping[str, int] | None = None,
) -> list[Profile]:
    """Brings profiles to the form that a file keeps, and refuses those that do not fit it.

    Contents of integer inputs, which other tools' options write like shapes, are told from shapes;
    inputs of fixed shape are dropped; inputs that are left out are completed where all their
    dimensions have names that others give; opt sizes that were left out are chosen.

    Args:
        profiles: as the user gave them.
        inputs: the file's inputs.
        relations: what must hold between the dimensions, at min, opt and max.
        examples: sizes of dimensions by name to prefer for opt.

    Raises:
        UsageError: an unknown or missing input, another rank, a static dimension or a range that
            disagrees, two sizes under one name, a relation that does not hold, a profile that is
            empty. It quotes the text.
    """
    resolved = []
    for k, profile in enumerate(profiles):
        label = f"profile {k}" if len(profiles) > 1 else "the profile"
        if not profile.shapes and not profile.values:
            listed = ", ".join(target.describe() for target in inputs) or "none"
            raise UsageError(f"{label} is empty", hint=f"the inputs are {listed}")
        resolved.append(_Resolver(label, inputs).resolve(profile, relations, examples or {}))
    # One that only repeats fixed sizes has nothing left to say.
    return [profile for profile in resolved if profile.shapes or profile.values]


def takes_values(target: FileInput, bounds: Bounds) -> bool:
    """Whether numbers given for an input must be its contents, since they cannot be its shape."""
    if "int" not in target.dtype or len(target.shape) > 1:
        return False
    if not target.shape:
        return len(bounds.min) == 1
    length = target.shape[0]
    if isinstance(length, Dim) or len(bounds.min) != length:
        return False
    return not bounds.min == bounds.opt == bounds.max == (length,)


def shape_misfit(target: FileInput, bounds: Bounds) -> str:
    """Why bounds do not fit an input's rank and static dimensions; empty when they do."""
    if len(bounds.min) != len(target.shape):
        return (
            f"{len(bounds.min)} sizes were given, but {target.describe()} has "
            f"{len(target.shape)} dimensions"
        )
    for axis, dim in enumerate(target.shape):
        low, high = bounds.min[axis], bounds.max[axis]
        if low < 0:
            return f"a size cannot be negative, got {low}"
        if isinstance(dim, int) and not low == high == dim:
            got = str(low) if low == high else f"{low}..{high}"
            return f"axis {axis} is {got}, but {target.describe()} has {dim} there, fixed"
    return ""


def input_named(name: str, inputs: Sequence[FileInput], bounds: Bounds, whose: str) -> FileInput:
    """The input of a name.

    Raises:
        UsageError: there is none.
    """
    for target in inputs:
        if target.name == name:
            return target
    listed = ", ".join(target.describe() for target in inputs) or "none"
    raise UsageError(
        f"{whose} names {name!r}, and there is no such input{bounds.quote()}",
        hint=f"the inputs are {listed}",
    )


def sizes_at(profile: Profile, inputs: Sequence[FileInput], point: Point) -> dict[str, int]:
    """The size of each dynamic dimension by name at a point of a profile."""
    sizes = {}
    for target in inputs:
        bounds = profile.shapes.get(target.name)
        if bounds is not None:
            for dim, size in zip(target.shape, bounds.at(point), strict=True):
                if isinstance(dim, Dim):
                    sizes[dim.name] = size
    return sizes


class _Resolver:
    """One profile while it is checked and completed."""

    def __init__(self, label: str, inputs: Sequence[FileInput]) -> None:
        self._label = label
        self._inputs = inputs
        # By dimension: its min, opt and max, whether opt was given, and where that was said.
        self._known: dict[str, tuple[Bounds, str]] = {}

    def resolve(
        self, profile: Profile, relations: Sequence[RelationLike], examples: Mapping[str, int]
    ) -> Profile:
        shapes, values = self._sorted(profile)
        for target in self._inputs:
            if target.name in shapes:
                self._check_shape(target, shapes[target.name])
        self._complete(shapes)
        self._choose_opt(relations, examples)
        shapes = {
            target.name: self._final(target, shapes[target.name])
            for target in self._inputs
            if target.dynamic
        }
        resolved = Profile(shapes, values)
        self._check_relations(resolved, relations)
        return resolved

    def _sorted(self, profile: Profile) -> tuple[dict[str, Bounds], dict[str, Bounds]]:
        """Shapes and contents, told apart."""
        shapes: dict[str, Bounds] = {}
        values = dict(profile.values)
        for name, bounds in profile.shapes.items():
            target = input_named(name, self._inputs, bounds, self._label)
            (values if takes_values(target, bounds) else shapes)[name] = bounds
        for name, bounds in values.items():
            target = input_named(name, self._inputs, bounds, self._label)
            self._check_values(target, bounds)
        return shapes, values

    def _check_values(self, target: FileInput, bounds: Bounds) -> None:
        if target.dynamic:
            self._refuse(target.name, f"{target.describe()} has no fixed length", bounds)
        count = math.prod(dim for dim in target.shape if isinstance(dim, int))
        if "int" not in target.dtype:
            self._refuse(target.name, f"values are for integers, it is {target.dtype}", bounds)
        if len(bounds.min) != count:
            self._refuse(
                target.name,
                f"{len(bounds.min)} values were given, {target.describe()} has {count}",
                bounds,
            )
        low, high = min(bounds.min, default=0), max(bounds.max, default=0)
        if target.values and not target.values[0] <= low <= high <= target.values[1]:
            self._refuse(
                target.name,
                f"it goes from {low} to {high}, but the model was exported for "
                f"{target.values[0]}..{target.values[1]}",
                bounds,
                _EXPORT_AGAIN,
            )

    def _check_shape(self, target: FileInput, bounds: Bounds) -> None:
        misfit = shape_misfit(target, bounds)
        if misfit:
            self._refuse(target.name, misfit, bounds)
        for axis, dim in enumerate(target.shape):
            if isinstance(dim, Dim):
                self._check_size(target.name, axis, dim, bounds)

    def _check_size(self, name: str, axis: int, dim: Dim, bounds: Bounds) -> None:
        low, best, high = (bounds.at(point)[axis] for point in POINTS)
        if not (dim.allows(low) and dim.allows(high)):
            upper = "" if dim.max is None else dim.max
            self._refuse(
                name,
                f"axis {axis} ({dim.name}) goes from {low} to {high}, but the model was exported "
                f"for {dim.min}..{upper}",
                bounds,
                _EXPORT_AGAIN,
            )
        here = Bounds((low,), (best,), (high,), bounds.opt_given, bounds.text)
        before, where = self._known.setdefault(dim.name, (here, f"axis {axis} of {name}"))
        differs = [
            point
            for point in POINTS
            if here.at(point) != before.at(point)
            and (point != "opt" or (here.opt_given and before.opt_given))
        ]
        if differs:
            point = differs[0]
            texts = filter(None, dict.fromkeys((before.text, bounds.text)))
            self._refuse(
                name,
                f"axis {axis} is called {dim.name!r} like {where}, so both must have one {point} "
                f"size; got {here.at(point)[0]} and {before.at(point)[0]}",
                replace(bounds, text="; ".join(texts)),
                "give equal sizes, or the dimensions two names",
            )
        if here.opt_given:
            self._known[dim.name] = (here, where)

    def _complete(self, shapes: dict[str, Bounds]) -> None:
        """Gives a shape to inputs that the profile leaves out, where the names tell it."""
        for target in self._inputs:
            if target.name in shapes or not target.dynamic:
                continue
            missing = [d for d in target.shape if isinstance(d, Dim) and d.name not in self._known]
            if missing:
                raise UsageError(
                    f"{self._label} says nothing about {target.describe()}, whose size "
                    f"{missing[0].name!r} varies",
                    hint="a profile gives min, opt and max for every input with dynamic dimensions",
                )
            low, best, high = (
                tuple(d if isinstance(d, int) else self._size(d, point) for d in target.shape)
                for point in POINTS
            )
            shapes[target.name] = Bounds(low, best, high)

    def _size(self, dim: Dim, point: Point) -> int:
        return self._known[dim.name][0].at(point)[0]

    def _choose_opt(self, relations: Sequence[RelationLike], examples: Mapping[str, int]) -> None:
        """Chooses opt where it was left out: like the example, or in the middle."""
        fixed = {n: b.opt[0] for n, (b, _) in self._known.items() if b.opt_given}
        free = {n: b for n, (b, _) in self._known.items() if not b.opt_given}
        chosen = choose_opt(free, fixed, relations, examples)
        for name, size in chosen.items():
            bounds, where = self._known[name]
            self._known[name] = (replace(bounds, opt=(size,)), where)

    def _final(self, target: FileInput, bounds: Bounds) -> Bounds:
        best = tuple(
            dim if isinstance(dim, int) else self._known[dim.name][0].opt[0] for dim in target.shape
        )
        return replace(bounds, opt=best, opt_given=True)

    def _check_relations(self, profile: Profile, relations: Sequence[RelationLike]) -> None:
        for point in POINTS:
            sizes = sizes_at(profile, self._inputs, point)
            for relation in relations:
                if not relation_holds(relation, sizes):
                    self._refuse_relation(profile, relation, point, sizes)

    def _refuse_relation(
        self, profile: Profile, relation: RelationLike, point: Point, sizes: Mapping[str, int]
    ) -> None:
        shown = ", ".join(f"{name}={sizes[name]}" for name in relation.names if name in sizes)
        texts = [
            profile.shapes[target.name].text
            or f"{target.name}:{sizes_text(profile.shapes[target.name].at(point))}"
            for target in self._inputs
            if target.name in profile.shapes
            and any(isinstance(dim, Dim) and dim.name in relation.names for dim in target.shape)
        ]
        line = getattr(relation, "line", "")
        raise UsageError(
            f"the model needs {relation.text}, and {self._label} breaks that at {point}: {shown} "
            f"(in {'; '.join(dict.fromkeys(texts))})" + (f"; the line is {line}" if line else ""),
            location=relation.location,
            hint="give sizes that satisfy it at min, opt and max",
        )

    def _refuse(self, name: str, problem: str, bounds: Bounds, hint: str = "") -> None:
        raise UsageError(f"{self._label}, input {name!r}: {problem}{bounds.quote()}", hint=hint)
