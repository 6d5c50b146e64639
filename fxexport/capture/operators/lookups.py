"""Text made of values, and what is found by a key that only the run knows.

Python hashes a key, and takes the item whose key is equal. A key made of numbers that only the run
knows is compared with each key that is there, and so decides like a chain of ifs.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.recording.types import Condition
from fxexport.capture.session.session import Session, expression, is_symbolic
from fxexport.capture.sizes.proofs import expression_text
from fxexport.capture.staging.alternatives import each_alternative, is_one_of_several
from fxexport.capture.values.maybe import Maybe, is_dynamic, narrowed
from fxexport.capture.values.symbolic_text import OpenText, joined_text, numbers_for, text_of
from fxexport.graph import scalars
from fxexport.source.exceptions import errors_of_the_program

__all__ = ["Lookups", "is_open_key"]

# A value in an f-string, its conversion (``!r``) and its format.
_Piece = str | tuple[object, int, object]
_CONVERSIONS: dict[int, Callable[[object], str]] = {115: str, 114: repr, 97: ascii}


_PERCENT = re.compile(r"%(?P<form>[-#0 +]*\d*(?:\.\d+)?)(?P<kind>[a-zA-Z%])")


def _is_unknown(value: object) -> bool:
    return is_dynamic(value) or isinstance(value, OpenText)


def is_open_key(key: object) -> bool:
    """Whether which key this is is known only when the model runs."""
    if isinstance(key, tuple):
        return any(map(is_open_key, key))
    return is_symbolic(key) or isinstance(key, OpenText)


class Lookups:
    """The operators that make text, and those that find by a key."""

    def __init__(self, session: Session, conditionals: Conditionals) -> None:
        self._session = session
        self._conditionals = conditionals

    # -- text --------------------------------------------------------------------------------------

    def text(self, *pieces: _Piece) -> object:
        """An f-string: constant text, and values with their conversions and formats."""
        for k, piece in enumerate(pieces):
            if isinstance(piece, str):
                continue
            for part, in_format in ((piece[0], False), (piece[2], True)):
                if is_one_of_several(part):
                    return self._of_each(part, pieces, k, in_format=in_format)
        with errors_of_the_program():
            return joined_text([p if isinstance(p, str) else self._shown(*p) for p in pieces])

    def _of_each(
        self, part: object, pieces: tuple[_Piece, ...], k: int, *, in_format: bool
    ) -> object:
        piece = pieces[k]
        assert not isinstance(piece, str)

        def with_part(one: object) -> object:
            value, conversion, spec = piece
            settled = (value, conversion, one) if in_format else (one, conversion, spec)
            return self.text(*pieces[:k], settled, *pieces[k + 1 :])

        return each_alternative(self._session, part, with_part)

    def _shown(self, value: object, conversion: int, spec: Any) -> str:
        shown = self.formatted(value)
        if conversion in _CONVERSIONS and not isinstance(shown, OpenText):
            shown = _CONVERSIONS[conversion](shown)
        if isinstance(shown, OpenText):
            return text_of(shown) if spec not in (None, "", "d") else shown
        return format(shown, spec or "")

    def filled(self, template: str, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """``template.format(*args, **kwargs)``."""
        formatter = string.Formatter()
        pieces: list[_Piece] = []
        used = 0
        with errors_of_the_program():
            for literal, field, spec, conversion in formatter.parse(template):
                pieces.append(literal)
                if field is None:
                    continue
                if not field or field[0] in ".[":
                    field, used = f"{used}{field}", used + 1
                value, _ = formatter.get_field(field, args, kwargs)
                shown = self.filled(spec or "", args, kwargs) if "{" in (spec or "") else spec
                pieces.append((value, ord(conversion) if conversion else -1, shown))
        return self.text(*pieces)

    def percent(self, template: str, values: object) -> object:
        """``template % values``."""
        given = values if isinstance(values, tuple) else (values,)
        wanted = sum(found["kind"] != "%" for found in _PERCENT.finditer(template))
        if wanted != len(given) or not any(map(_is_unknown, given)):
            with errors_of_the_program():
                return template % values
        pieces: list[_Piece] = []
        rest, at = iter(given), 0
        for found in _PERCENT.finditer(template):
            pieces.append(template[at : found.start()])
            at, kind = found.end(), found["kind"]
            if kind == "%":
                pieces.append("%")
                continue
            value: Any = next(rest)
            plain = kind in "dis" and not found["form"]
            conversion = 114 if kind == "r" else -1
            known = value if plain or _is_unknown(value) else found[0] % value
            pieces.append((known, conversion, None if plain else ""))
            if not plain and _is_unknown(value):
                pieces[-1] = text_of(found[0])
        return self.text(*pieces, template[at:])

    def formatted(self, value: object) -> object:
        """A value in an f-string, and for `str` and `repr`."""
        value = narrowed(value)
        if is_symbolic(value):
            words = expression_text(expression(value), self._session.names) or "..."
            return text_of(words, () if isinstance(value, torch.SymFloat) else [value])
        if isinstance(value, compat.FunctionalTensor):
            return text_of(f"a tensor of {value.dim()} dimensions")
        return text_of("what may be None") if isinstance(value, Maybe) else value

    # -- keys --------------------------------------------------------------------------------------

    def find(
        self,
        key: object,
        keys: Iterable[object],
        found: Callable[[Any], object],
        missing: Callable[[], object],
    ) -> Any:
        """What is found by a key that only the run knows.

        Args:
            key: the key.
            keys: those that are there.
            found: is called with each key that it may be, in a branch where it is that one.
            missing: is called where it is none of them.
        """
        cases = [(k, condition) for k in keys if (condition := self.equal(key, k)) is not False]

        def at(k: int) -> object:
            if k == len(cases):
                return missing()
            wanted, condition = cases[k]
            return self._conditionals.if_exp(condition, lambda: found(wanted), lambda: at(k + 1))

        return at(0)

    def equal(self, key: object, wanted: object) -> Condition:
        """Whether a key that only the run knows is a wanted one."""
        if isinstance(key, tuple) and isinstance(wanted, tuple):
            if len(key) != len(wanted):
                return False
            return self._all([self.equal(a, b) for a, b in zip(key, wanted, strict=True)])
        if isinstance(key, OpenText):
            numbers = numbers_for(key, wanted) if isinstance(wanted, str) else None
            return numbers is not None and self._all([self.equal(n, value) for n, value in numbers])
        if isinstance(key, torch.SymBool):
            if wanted not in (0, 1):
                return False
            return self._decided(key if wanted else torch.sym_not(key))
        if is_symbolic(key):
            return isinstance(wanted, (int, float)) and self._decided(key == wanted)
        return bool(key == wanted)

    def _all(self, conditions: list[Any]) -> Condition:
        whole: Any = True
        for condition in map(self._decided, conditions):
            if whole is True or condition is False:
                whole = condition
            elif whole is not False and condition is not True:
                whole = self._session.recorder.scalar_op(scalars.and_, whole, condition)
        return self._decided(whole)

    def _decided(self, condition: Any) -> Any:
        known = self._session.known(condition)
        return condition if known is None else known
