"""The sets of inputs that a file is compared on, and those of them that decisions are forced on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fxexport.errors import UsageError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.values import Eager
from fxexport.inputs import PreparedInputs, StoredInputs
from fxexport.profiles.profile import sizes_text
from fxexport.verify.forced.controls import Control, Reached
from fxexport.verify.outside import excluded_sizes, moved_alone
from fxexport.verify.searching.made_values import EXAMPLE, REGIMES, ValueMaker, numbers_in
from fxexport.verify.searching.other_sizes import SizeMaker, Sizes
from fxexport.verify.searching.sizes_wanted import SizesWanted

__all__ = [
    "EXAMPLE_LABEL",
    "MOST_ELEMENTS",
    "Case",
    "CaseMaker",
    "Effort",
    "Starts",
    "effort_for",
    "user_cases",
]

# Inputs of a profile with more elements than this are not made: running a model on them could
# take all of the memory.
MOST_ELEMENTS = 2**25
EXAMPLE_LABEL = "example inputs"
# Sets of inputs that are kept for each goal, and of other sizes each.
_CASES, _SIZES = 3, 8
# Of them so many are moved.
_STARTS = 2


@dataclass(frozen=True)
class Case:
    """One set of inputs.

    Attributes:
        label: what a report calls it.
        inputs: flat values, in the order of the file's inputs.
        made: whether we made it up (then the model may refuse it).
        empty: whether some dimension has size zero.
        check_entry: which entry of the user's check_inputs it is: its number from 1, or its file.
        sizes: the size of every dynamic dimension, where the inputs were made.
    """

    label: str
    inputs: list[Eager]
    made: bool = True
    empty: bool = False
    check_entry: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)


def user_cases(prepared: PreparedInputs, check_inputs: Sequence[Any]) -> Iterator[Case]:
    """The example, where it has data, and what the user gave to check.

    Raises:
        UsageError: when one of `check_inputs` does not fit the model's inputs.
    """
    examples = [value for value in prepared.examples if value is not None]
    if len(examples) == len(prepared.examples):
        yield Case(EXAMPLE_LABEL, examples, made=False)
    for k, inputs in enumerate(check_inputs, 1):
        entry = inputs.source if isinstance(inputs, StoredInputs) else f"check_inputs, entry {k}"
        try:
            values = prepared.flatten(inputs)
        except UsageError as error:
            raise UsageError(f"{entry}: {error.message}", hint=error.hint) from None
        label = entry if isinstance(inputs, StoredInputs) else f"check inputs {k}"
        yield Case(label, values, made=False, check_entry=entry)


@dataclass(frozen=True)
class Effort:
    """How much to try: by the model's size, never by the clock, so that runs are alike.

    Attributes:
        cases: made inputs to compare on.
        tries: made inputs to look for untaken branches with.
        steps: runs of the graph to move inputs towards untaken branches.
        forced: sets of inputs to force untaken branches on.
        growth: how much larger than the example inputs may get.
        max_trips: loop trips in all that made inputs may cause.
    """

    cases: int
    tries: int
    steps: int
    forced: int
    growth: int
    max_trips: int


def effort_for(graph: CapturedGraph, elements: int, budget: int) -> Effort:
    """The effort that a model of this size is worth.

    Args:
        graph: the model.
        elements: elements of its example inputs.
        budget: made inputs to compare a small model on.
    """
    size = sum(weight.numel() for weight in graph.weights.values()) + 10 * elements
    if size < 2_000_000:
        return Effort(budget, 96, 192, 96, 16, 10_000)
    if size < 10_000_000:
        return Effort(min(budget, 5), 24, 32, 24, 4, 5_000)
    return Effort(min(budget, 3), 6, 8, 12, 3, 2_000)


class CaseMaker:
    """Makes cases for one file.

    Attributes:
        fixed: the numbers of inputs that keep the values of the example.
    """

    def __init__(
        self, graph: CapturedGraph, prepared: PreparedInputs, seed: int, effort: Effort
    ) -> None:
        elements = sum(_count(hint) for hint in prepared.hints)
        limit = max(elements * effort.growth, 4096)
        self._sizes = SizeMaker(graph.inputs, prepared.hints, graph.constraints, limit)
        self._numbers = numbers_in(graph)
        # Values on a GPU must stay those of the example: an index out of range there breaks the
        # whole process, where on the CPU it only raises.
        examples = [value for value in prepared.examples if isinstance(value, torch.Tensor)]
        tensors = [*graph.weights.values(), *examples]
        self._device = next((t.device for t in tensors if t.device.type != "cpu"), None)
        self._has_examples = any(value is not None for value in prepared.examples)
        self._values = ValueMaker(graph.inputs, prepared.examples, self._numbers, seed)
        self._graph = graph
        self._count = len(graph.inputs)
        self._specs = graph.inputs
        self._profiles = prepared.profiles
        # What the model counts with is left as it was: no call may lead to other numbers.
        self.fixed = {
            k
            for k, spec in enumerate(graph.inputs)
            if k >= len(graph.inputs) - len(graph.state) and not spec.dtype.is_floating_point
        }

    @property
    def example_sizes(self) -> Mapping[str, int]:
        """The size of every dynamic dimension in the example."""
        return self._sizes.example

    def other_values(self) -> Iterator[Case]:
        """Sizes of the example, other values."""
        for regime in ("random", "negative", "small", "random"):
            yield self._case(f"values: {regime}", self._sizes.example, regime)

    def of_one_sign(self) -> Iterator[Case]:
        """Sizes of the example, values that are all above 0, and all below."""
        for regime in ("positive", "negative"):
            yield self._case(f"values: {regime}", self._sizes.example, regime)

    def of_profiles(self, note: Callable[[str], None]) -> Iterator[Case]:
        """Inputs at min, opt and max of every profile, and at a few sizes between.

        Args:
            note: told of those that are too large to be made.
        """
        base = EXAMPLE if self._has_examples else "random"
        for k, profile in enumerate(self._profiles):
            whose = f"profile {k}" if len(self._profiles) > 1 else "profile"
            for point, sizes in self._sizes.of_profile(profile):
                values = {} if point == "between" else profile.values_at(point)
                said: dict[str, int | str] = dict(sizes)
                said.update((name, sizes_text(numbers)) for name, numbers in values.items())
                label = f"{whose} {point}: {self._sizes.describe(said)}"
                count = self._sizes.elements(sizes)
                if count <= MOST_ELEMENTS:
                    yield self._filled(label, sizes, [base] * self._count, values)
                elif point != "between":
                    note(f"{label}: not compared, inputs of {count} elements are too large here")

    def standard(self) -> Iterator[Case]:
        """Other sizes, then other values."""
        base = EXAMPLE if self._has_examples else "random"
        sizes = self._sizes
        if not self._has_examples:
            yield self._case(sizes.describe(sizes.example), sizes.example, "random")
        for label, other in sizes.standard() if not self._profiles else ():
            yield self._case(label, other, base)
        yield self._case("random values", sizes.example, "random")
        for label, other in sizes.zeros():
            yield self._case(label, other, base)
        for regime in ("zeros", "large", "negative"):
            yield self._case(f"values: {regime}", sizes.example, regime)

    def moved_alone(self, name: str) -> Iterator[Case]:
        """Sizes of the example but for one dimension."""
        base = EXAMPLE if self._has_examples else "random"
        for sizes in moved_alone(self._sizes, name):
            yield self._case(self._sizes.describe(sizes), sizes, base)

    def outside(self) -> Iterator[tuple[str, Case]]:
        """A few sizes that the contract excludes, each with what they break."""
        base = EXAMPLE if self._has_examples else "random"
        for text, sizes in excluded_sizes(self._sizes, self._graph):
            yield text, self._case(f"outside: {self._sizes.describe(sizes)}", sizes, base)

    def searching(self, tries: int) -> Iterator[Case]:
        """Ever other sizes and values, to reach what the cases before did not."""
        pool = self._size_pool()
        plain = [*([EXAMPLE] if self._has_examples else []), *REGIMES]
        for k in range(tries):
            sizes = pool[self._values.pick(len(pool))]
            if k % 2:
                regimes = [plain[self._values.pick(len(plain))] for _ in range(self._count)]
            else:
                regimes = [plain[k // 2 % len(plain)]] * self._count
            listed = ", ".join(dict.fromkeys(regimes))
            yield self._filled(f"{self._sizes.describe(sizes)}; values: {listed}", sizes, regimes)

    def of_sizes(self, ways: Sequence[tuple[Control, str]]) -> Iterator[Case]:
        """Inputs of sizes for which what sizes decide goes a certain way, if there are such."""
        found = SizesWanted(self._graph, self._sizes, self._numbers).towards(ways)
        if found is None or found == self._sizes.example:
            return
        label = self._sizes.describe(found)
        yield self._case(label, found, EXAMPLE if self._has_examples else "random")
        yield self._case(f"{label}; values: random", found, "random")

    def _size_pool(self) -> list[Sizes]:
        maker = self._sizes
        pool = [maker.example, *(sizes for _, sizes in maker.standard())]
        for number in self._numbers:
            for size in (int(number) - 1, int(number), int(number) + 1):
                if maker.ranges and 0 < size <= 4096:
                    pool.append(maker.towards(dict.fromkeys(maker.ranges, size)))
                    pool.extend(
                        maker.towards({**maker.example, name: size}) for name in maker.ranges
                    )
        return [sizes for k, sizes in enumerate(pool) if sizes not in pool[:k]]

    def _case(self, label: str, sizes: Sizes, regime: str) -> Case:
        return self._filled(label, sizes, [regime] * self._count)

    def _filled(
        self,
        label: str,
        sizes: Sizes,
        regimes: Sequence[str],
        given: Mapping[str, Sequence[int]] | None = None,
    ) -> Case:
        """Inputs of these sizes; those in `given` hold the numbers that it says."""
        regimes = [EXAMPLE if k in self.fixed else r for k, r in enumerate(regimes)]
        if self._device is not None:
            regimes = ["random" if r == "from the model" else r for r in regimes]
        inputs = [
            value.to(self._device) if isinstance(value, torch.Tensor) and self._device else value
            for value in self._given(self._values.make(sizes, regimes), given or {})
        ]
        return Case(
            label,
            inputs,
            empty=0 in sizes.values(),
            sizes=sizes,
        )

    def _given(self, values: list[Eager], given: Mapping[str, Sequence[int]]) -> list[Eager]:
        for k, spec in enumerate(self._specs):
            numbers = given.get(spec.name)
            if numbers is not None:
                made = values[k]
                values[k] = (
                    torch.tensor(numbers, dtype=made.dtype).reshape(made.shape)
                    if isinstance(made, torch.Tensor)
                    else numbers[0]
                )
        return values


def _count(sizes: Sequence[int]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count


@dataclass
class Starts:
    """Inputs that were compared: where forcing begins.

    Attributes:
        cases: the first few.
        sizes: the first ones of other sizes each.
        reaching: inputs for everything that some input reaches.
    """

    cases: list[Case] = field(default_factory=list)
    sizes: list[Case] = field(default_factory=list)
    reaching: dict[Reached, list[Case]] = field(default_factory=dict)

    def add(self, case: Case, seen: set[Reached]) -> None:
        """Notes inputs on which file and PyTorch were compared."""
        if len(self.sizes) < _SIZES and all(one.sizes != case.sizes for one in self.sizes):
            self.sizes.append(case)
        for known in (self.cases, *(self.reaching.setdefault(one, []) for one in seen)):
            # Zeros and empty tensors tell least: what is wrong may be right for them.
            known.append(case)
            known.sort(key=_says_little)
            del known[_CASES:]

    def before(self, ways: Sequence[tuple[Control, str]]) -> list[Case]:
        """Inputs that come to a branch or loop; none where no input does.

        Args:
            ways: the branches and loops around it, and the way to it.
        """
        if not ways:
            return self.cases[:_STARTS]
        control, way = ways[-1]
        return self.reaching.get((control.path, way), [])[:_STARTS]


def _says_little(case: Case) -> bool:
    """Whether results on some inputs are likely to be alike, whatever is computed."""
    tensors = [value for value in case.inputs if isinstance(value, torch.Tensor)]
    floats = [tensor for tensor in tensors if tensor.is_floating_point()] or tensors
    return bool(floats) and all(not t.numel() or bool((t == t.flatten()[0]).all()) for t in floats)
