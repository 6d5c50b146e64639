"""Reading profiles from options of trtexec, Polygraphy and ONNX Runtime."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fxexport.errors import UsageError
from fxexport.profiles.profile import Bounds, Point, Profile

__all__ = [
    "POLYGRAPHY_OPTIONS",
    "SHAPES_OPTIONS",
    "TRTEXEC_OPTIONS",
    "ShapesOption",
    "parse_ort_options",
    "parse_shapes_options",
    "parse_tool_options",
    "quoted",
    "sections",
]

TRTEXEC_OPTIONS: dict[str, Point] = {
    "--minShapes": "min",
    "--optShapes": "opt",
    "--maxShapes": "max",
}
POLYGRAPHY_OPTIONS: dict[str, Point] = {
    "--trt-min-shapes": "min",
    "--trt-opt-shapes": "opt",
    "--trt-max-shapes": "max",
}
SHAPES_OPTIONS: dict[str, Point] = {**TRTEXEC_OPTIONS, **POLYGRAPHY_OPTIONS}

_SIZES = re.compile(r"-?\d+(x-?\d+)*|\[\s*(-?\d+(\s*,\s*-?\d+)*)?\s*\]")
_NAMED_SIZES = re.compile(r".+:(\[[^\]]*\]|-?\d+(x-?\d+)*)")
_SEVERAL = re.compile(r"(?:[^\s,]+:\[[^\]]*\][\s,]+)+[^\s,]+:\[[^\]]*\]\s*")
_HINT = "write input:sizes, for example x:1x3x224x224 or x:[1,3,224,224]"

_PROFILE_HINT = "for example --profile=0 --minShapes=x:1x8 --optShapes=x:4x8 --maxShapes=x:16x8"


@dataclass(frozen=True)
class ShapesOption:
    """One option of a command that gives shapes.

    Attributes:
        option: ``--minShapes``, ``--trt-max-shapes``, ...
        text: its value.
        profile: number of the profile that it belongs to, from 0.
    """

    option: str
    text: str
    profile: int = 0


@dataclass
class _Draft:
    """What is known of one profile: numbers by point and input, and their texts."""

    numbers: dict[Point, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def add(self, point: Point, name: str, numbers: tuple[int, ...], text: str) -> None:
        known = self.numbers.setdefault(point, {})
        if name in known:
            raise UsageError(f"{text}: the {point} shape of {name!r} is given twice in one profile")
        known[name] = numbers
        self.texts.setdefault(name, []).append(text)

    def profile(self) -> Profile:
        return Profile({name: self._bounds(name) for name in self.texts})

    def _bounds(self, name: str) -> Bounds:
        text = ", ".join(self.texts[name])
        low, best, high = (self.numbers.get(p, {}).get(name) for p in ("min", "opt", "max"))
        if low is None and high is None and best is not None:
            return Bounds(best, best, best, True, text)  # as trtexec takes it
        if low is None or high is None:
            missing = "min" if low is None else "max"
            raise UsageError(
                f"{text}: {name!r} has no {missing} shape",
                hint="give min, opt and max, or min and max, or opt alone for one fixed shape",
            )
        if best is None:
            return Bounds.between(low, high, text)
        return Bounds(low, best, high, True, text)


def _named_sizes(
    entries: Sequence[str], source: str, quotes: bool = False
) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Name, numbers and text of each entry, ``a:1x3x224x224`` or ``a:[1,3]``.

    The name ends at the last colon. With `quotes` it may stand in quotes: ``'a,b':1x5``.

    Raises:
        UsageError: for anything else; it quotes the source and the entry.
    """
    if not entries:
        raise UsageError(f"{source}: expected input:sizes, got nothing", hint=_HINT)
    for entry in entries:
        name, colon, sizes = entry.rpartition(":")
        if quotes and name[:1] == name[-1:] and name[:1] in ("'", '"') and len(name) > 1:
            name = name[1:-1]
        if not colon or not name or not _SIZES.fullmatch(sizes.strip()):
            raise UsageError(f"{source}: expected input:sizes, got {entry!r}", hint=_HINT)
        yield name, tuple(int(number) for number in re.findall(r"-?\d+", sizes)), entry


def _split(text: str) -> list[str]:
    """The entries of a text: parted by commas and blanks outside of brackets and quotes."""
    entries = [""]
    depth, quote = 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[]":
            depth += 1 if character == "[" else -1
        elif depth <= 0 and (character == "," or character.isspace()):
            entries.append("")
            continue
        entries[-1] += character
    return [entry for entry in entries if entry]


def parse_shapes_options(options: Sequence[ShapesOption]) -> list[Profile]:
    """The profiles that options of a command give; [] for none.

    Raises:
        UsageError: a text cannot be read, or min or max is missing; it quotes the text.
    """
    drafts: dict[int, _Draft] = {}
    for option in options:
        draft = drafts.setdefault(option.profile, _Draft())
        source = f"{option.option} {option.text!r}"
        for name, numbers, text in _named_sizes(_split(option.text), source, quotes=True):
            draft.add(SHAPES_OPTIONS[option.option], name, numbers, f"{option.option} {text}")
    return [drafts[number].profile() for number in sorted(drafts)]


def sections(arguments: Sequence[str]) -> tuple[list[ShapesOption], list[str]]:
    """Takes the options that give shapes out of a command line.

    ``--profile=K`` begins the section of a profile, as in trtexec. Polygraphy's options take
    several values each, and stand once for each profile.

    Returns:
        The options in order, and the arguments that are left.

    Raises:
        UsageError: an option lacks its value, or the number of a profile is none.
    """
    found: list[ShapesOption] = []
    rest: list[str] = []
    section = 0
    opened: set[int] = set()
    todo = list(arguments)
    while todo:
        argument = todo.pop(0)
        if argument == "--":
            rest += [argument, *todo]
            break
        option, equals, value = argument.partition("=")
        if option != "--profile" and option not in SHAPES_OPTIONS:
            rest.append(argument)
            continue
        if not equals:
            if not todo or todo[0].startswith("--"):
                raise UsageError(f"{option} needs a value", hint=_HINT)
            value = todo.pop(0)
        if option == "--profile":
            section = _profile_number(value)
            opened.add(section)
        elif option in TRTEXEC_OPTIONS:
            found.append(ShapesOption(option, value, section))
        else:
            values = [value]
            while todo and _NAMED_SIZES.fullmatch(todo[0]) and not todo[0].startswith("-"):
                values.append(todo.pop(0))
            value = " ".join(map(_one_entry, values))
            earlier = sum(one.option == option for one in found)
            found.append(ShapesOption(option, value, earlier))
    empty = sorted(opened - {one.profile for one in found})
    if empty:
        raise UsageError(f"--profile={empty[0]} gives no shapes", hint=_PROFILE_HINT)
    return found, rest


def _one_entry(value: str) -> str:
    """A value that stands for itself on the command line, with its name in quotes if needed."""
    if _SEVERAL.fullmatch(value):
        return value
    name, colon, sizes = value.rpartition(":")
    return f"{quoted(name)}{colon}{sizes}"


def quoted(name: str) -> str:
    """A name; in quotes where it would otherwise be taken apart."""
    if not re.search(r"[,\s\[\]'\"]", name):
        return name
    return f'"{name}"' if "'" in name else f"'{name}'"


def _profile_number(text: str) -> int:
    if not text.isdigit():
        raise UsageError(
            f"--profile {text!r}: expected the number of a profile, from 0",
            hint=_PROFILE_HINT,
        )
    return int(text)


def parse_tool_options(text: str) -> list[Profile]:
    """Reads options of trtexec or Polygraphy pasted as one text; other options are refused.

    Raises:
        UsageError: when the text cannot be read.
    """
    try:
        arguments = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text!r} cannot be read: {error}") from None
    options, rest = sections(arguments)
    if rest or not options:
        raise UsageError(
            f"{text!r}: expected options such as --minShapes=x:1x8"
            + (f", got {rest[0]!r}" if rest else "")
        )
    return parse_shapes_options(options)


def parse_ort_options(options: dict[str, str]) -> list[Profile]:
    """Reads ONNX Runtime's ``trt_profile_min_shapes``, ``..._opt_...`` and ``..._max_...``.

    Its k-th mention of an input belongs to the k-th profile.

    Args:
        options: provider options; ``nv_profile_...`` (TensorRT-RTX) as well. Others are skipped.

    Raises:
        UsageError: a text cannot be read, or one of the three is missing.
    """
    drafts: dict[int, _Draft] = {}
    for key, value in options.items():
        match = re.fullmatch(r"(?:trt|nv)_profile_(min|opt|max)_shapes", key)
        if match is None and key.startswith(("trt_profile_", "nv_profile_")):
            raise UsageError(
                f"ONNX Runtime has no option {key!r}",
                hint="its options are trt_profile_min_shapes, ..._opt_shapes and ..._max_shapes",
            )
        if match is None or not value:
            continue
        point: Point = match[1]  # type: ignore[assignment]
        mentions: dict[str, int] = {}
        entries = [entry.lstrip() for entry in str(value).split(",")]  # it knows no quotes
        for name, numbers, text in _named_sizes(entries, f"{key}={value!r}"):
            number = mentions.get(name, 0)
            mentions[name] = number + 1
            drafts.setdefault(number, _Draft()).add(point, name, numbers, f"{key} {text}")
    return [drafts[number].profile() for number in sorted(drafts)]
