"""Keeps account of what PyTorch's operators turn out to need of sizes: no fact is dropped.

Each fact that cannot be proved goes to one of these places:

* the contract: on lines that the program certainly reaches, about dimensions of inputs. `Relations`
  brings those to the report, the signature and the profiles' checks; a size that is held at one
  number pins its dimension.
* a guard at its place in the graph: in a branch or a loop, and about sizes that the program makes.
  The file raises there as the model does. What such a fact says about the inputs on both paths of a
  branch is in the contract as well.
* a guard for which the operator itself stands, where it compares the sizes when it runs. It counts
  where nobody uses what the operator gives (`fxexport/passes/operator_checks.py`).
* nowhere: it is about a size that the operator has just made itself, and says how large that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sympy
import torch
from torch import fx

from fxexport import _torch_compat as compat
from fxexport.capture.recording.broadcasting import elementwise
from fxexport.capture.recording.recorder import EXPANDING
from fxexport.capture.recording.types import Size, expression
from fxexport.capture.session.session import Session
from fxexport.capture.sizes.proofs import expression_text
from fxexport.graph.marks import CHECKED

__all__ = ["Account"]

# Operators whose operands' sizes are compared where they run: Expand, MatMul, Gemm, Conv (Concat
# skips what is empty). Besides, a kernel that expands takes a size for another that may be 1.
_CHECKED = frozenset(
    {
        "expand",
        "broadcast_to",
        "mm",
        "bmm",
        "addmm",
        "baddbmm",
        "linear",
        "matmul",
        "convolution",
        "conv1d",
        "conv2d",
        "conv3d",
    }
)

# Operators that broadcast two of their operands, and not all.
_MEETING = (torch.ops.aten.masked_scatter.default,)

# How many branches a size is followed through.
_DEEPEST = 4


class Account:
    """The account of one capture.

    Args:
        session: the capture.
        dimensions: symbol of an input dimension -> its name; may grow afterwards.
    """

    def __init__(self, session: Session, dimensions: Mapping[sympy.Symbol, str]) -> None:
        self._session = session
        self._dimensions = dimensions
        self._checks = 0
        session.env.dimensions = dimensions
        session.env.on_fact = self.told
        session.env.needs_less = self._needs_less
        session.on_fit = self._fits
        session.recorder.on_check = self._leave_to_operator

    def told(self, fact: sympy.Basic) -> None:
        """Takes in a fact that the operator needs which is worked out just now."""
        session = self._session
        if session.tries.needs is not None:
            broadcast = isinstance(fact, sympy.Eq) and compat.asked_for_broadcasting()
            compared = self._compared_by_operator(fact, broadcast)
            if compared is None or not session.recorder.in_place:
                session.tries.needs.append(fact if compared is None else compared)
            return
        session.tries.note_needed(session.recorder.kernel)
        of_inputs = fact.free_symbols <= self._dimensions.keys()
        if of_inputs and session.depth == 0:
            return  # it stays known, and `Relations` finds it
        if not all(session.recorder.knows(symbol) for symbol in fact.free_symbols):
            return
        broadcast = isinstance(fact, sympy.Eq) and compat.asked_for_broadcasting()
        expanding = session.recorder.kernel in EXPANDING
        if not of_inputs and not broadcast and not expanding:
            for implied in self._over_inputs(fact, _DEEPEST):
                with compat.no_recording():
                    session.env.guard_or_defer_runtime_assert(implied, "needed on both paths")
        left = self._compared_by_operator(fact, broadcast)
        if left is None:
            self._guard(fact)
        elif not session.recorder.in_place:
            self._leave_to_operator(left)

    def _needs_less(self, fact: sympy.Basic) -> bool:
        """Whether an operator that takes two sizes for equal runs where one of them is 1 as well.

        On lines that the program certainly reaches, equal sizes of inputs are a relation.
        """
        session = self._session
        if not isinstance(fact, sympy.Eq) or session.recorder.in_place:
            return False
        if session.recorder.broadcasting.is_relation(fact.args):
            return False
        left = self._compared_by_operator(fact, compat.asked_for_broadcasting())
        others = left.args if isinstance(left, sympy.Or) else ()
        return any(other != fact and not session.env.certain(sympy.Not(other)) for other in others)

    def _compared_by_operator(self, fact: sympy.Basic, broadcast: bool) -> sympy.Basic | None:
        """What the operator compares itself where it runs; None where only a guard does."""
        if not isinstance(fact, sympy.Eq) or not (broadcast or self._checked_at_run_time()):
            return None
        return self._met(fact, broadcast)

    def _met(self, fact: sympy.Eq, broadcast: bool) -> sympy.Basic:
        """What is needed of two sizes that an operator takes for equal: one may be broadcast.

        Elementwise either of them may be 1, elsewhere one of the first operand: what is expanded,
        what is added to a product.
        """
        recorder = self._session.recorder
        sides = fact.args
        kernel = recorder.kernel
        if kernel is not None and not elementwise(kernel) and kernel not in _MEETING:
            if not broadcast and kernel not in EXPANDING:
                return fact
            first = recorder.operands[0] if recorder.operands else None
            sizes = first.shape if isinstance(first, torch.Tensor) else ()
            own = {expression(size) for size in sizes}
            sides = tuple(side for side in sides if side in own)
        return sympy.Or(fact, *(sympy.Eq(side, 1) for side in sides))

    def _checked_at_run_time(self) -> bool:
        """Whether whatever runs the file compares the sizes of this operator's operands itself."""
        kernel = self._session.recorder.kernel
        return kernel is not None and kernel._schema.name.removeprefix("aten::") in _CHECKED

    def _fits(self, own: Sequence[Size], others: Iterable[Sequence[Size]]) -> None:
        """Guards that sizes of operands can be broadcast to those that are written in place.

        At the root that is a relation between the inputs, which comes with the operator itself.
        """
        session = self._session
        pairs = ((a, b) for other in others for a, b in zip(other[::-1], own[::-1], strict=False))
        for a, b in (map(expression, pair) for pair in pairs):
            fact = sympy.Or(sympy.Eq(a, b), sympy.Eq(a, 1))
            # PyTorch has its own error for what is certainly false.
            if not fact.free_symbols or session.env.certain(fact):
                continue
            if session.tries.needs is not None:
                session.tries.needs.append(fact)
            elif session.depth or not fact.free_symbols <= self._dimensions.keys():
                session.tries.note_needed(session.recorder.kernel)
                self._guard(fact)

    def _leave_to_operator(self, fact: sympy.Basic) -> None:
        """Takes in what the operator that is recorded next compares itself where it runs.

        There is a guard for it all the same: it counts if nobody uses the operator's result.
        """
        recorder = self._session.recorder
        if fact in (sympy.true, sympy.false) or not all(map(recorder.knows, fact.free_symbols)):
            return
        self._checks += 1
        CHECKED.put(self._written(fact), self._checks)
        recorder.checks.append(self._checks)

    def _guard(self, fact: sympy.Basic) -> None:
        text = expression_text(fact, self._session.names)
        if text:
            self._session.note("assumption", f"wherever this line is reached, {text}")
        self._written(fact)

    def _written(self, fact: sympy.Basic) -> fx.Node:
        text = expression_text(fact, self._session.names) or "sizes that fit"
        return self._session.guard_fact(fact, f"needs {text}")

    def _over_inputs(self, fact: sympy.Basic, depth: int) -> set[sympy.Basic]:
        """What a fact says about the inputs alone, whichever path each branch takes."""
        if fact.free_symbols <= self._dimensions.keys():
            return {fact} if fact.free_symbols else set()
        merged = self._session.merged_sizes
        made = next((symbol for symbol in fact.free_symbols if symbol in merged), None)
        if made is None or depth == 0:
            return set()
        found: list[set[sympy.Basic]] = []
        for size, learnt in merged[made]:
            here = fact.xreplace({made: size})
            if here is sympy.false:
                continue  # this path raises whatever the inputs are
            known = {one for one in learnt if one.free_symbols <= self._dimensions.keys()}
            found.append(known | self._over_inputs(here, depth - 1))
        return set.intersection(*found) if found else set()
