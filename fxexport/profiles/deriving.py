"""The profile of a file whose dimensions have ranges, where the user gave none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fxexport.profiles.checking import FileInput, resolve
from fxexport.profiles.dims import Dim
from fxexport.profiles.profile import Bounds, Profile
from fxexport.profiles.relations import RelationLike

__all__ = ["derived_profile", "why_no_profile"]


def why_no_profile(inputs: Sequence[FileInput]) -> str:
    """What keeps dynamic inputs from having a profile; empty where nothing does.

    A dimension without a largest size is in no profile until one is given.
    """
    unbounded = {
        dim.name: f'--dynamic "{target.name}:{axis}={dim.name}[1..8]"'
        for target in inputs
        for axis, dim in enumerate(target.shape)
        if isinstance(dim, Dim) and dim.max is None
    }
    if not unbounded:
        return ""
    names = ", ".join(unbounded)
    verb = "has" if len(unbounded) == 1 else "have"
    example = next(iter(unbounded.values()))
    return f"no profile: {names} {verb} no largest size; give one, for example {example}"


def derived_profile(
    inputs: Sequence[FileInput],
    relations: Sequence[RelationLike] = (),
    examples: Mapping[str, int] | None = None,
) -> Profile | None:
    """The profile that the ranges of dimensions amount to; None where there is none.

    Args:
        inputs: the file's inputs; a `Dim` brings its opt size where one was given.
        relations: what must hold between the dimensions.
        examples: sizes to prefer for opt.

    Raises:
        UsageError: the ranges break a relation at min, opt or max.
    """
    dynamic = [target for target in inputs if target.dynamic]
    if not dynamic or why_no_profile(inputs):
        return None
    opts = {
        dim.name: dim.opt
        for target in dynamic
        for dim in target.shape
        if isinstance(dim, Dim) and dim.opt is not None
    }
    wanted = Profile({target.name: _bounds(target) for target in dynamic})
    return resolve([wanted], inputs, relations, {**(examples or {}), **opts})[0]


def _bounds(target: FileInput) -> Bounds:
    return Bounds.between(
        [dim.min if isinstance(dim, Dim) else dim for dim in target.shape],
        [(dim.max or 0) if isinstance(dim, Dim) else dim for dim in target.shape],
        ", ".join(
            f"{target.name}:{axis}={dim.describe()}"
            for axis, dim in enumerate(target.shape)
            if isinstance(dim, Dim)
        ),
    )
