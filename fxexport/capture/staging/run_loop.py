"""A loop that makes a run of items, written for the program."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Size
from fxexport.capture.session.session import Session
from fxexport.capture.sizes.proofs import iteration_bound
from fxexport.capture.staging.item_tensors import Leaf
from fxexport.capture.staging.patterns import sequence_like
from fxexport.capture.staging.sequence_nodes import emit_sequence
from fxexport.graph import sequences
from fxexport.graph.marks import BOUND
from fxexport.graph.ops import loop
from fxexport.graph.sequences import SequenceVal

__all__ = ["rows_made"]


def rows_made(
    session: Session,
    length: Size,
    leaves: Sequence[Leaf],
    tensors_of: Callable[[Size], Sequence[torch.Tensor]],
) -> list[SequenceVal]:
    """A sequence for each leaf of an item, filled by a loop in the present frame.

    Args:
        session: the capture.
        length: the number of items.
        leaves: what an item has.
        tensors_of: gives the tensors of the item at an index, in the loop's body.
    """
    if not leaves:
        return []
    recorder = session.recorder
    with session.body() as body:
        index = recorder.fresh_scalar(torch.SymInt)
        session.env.set_range(index.node.expr, 0, None)
        session.env.counters.add(index.node.expr)
        inputs = [recorder.add_input("trip", index)]
        with compat.no_recording():
            session.env.assume(index < length, "iteration number")
        size = session.fresh_size()
        so_far = [sequence_like(leaf, size) for leaf in leaves]
        inputs += [recorder.add_input("carried", column) for column in so_far]
        longer = [
            emit_sequence(
                session,
                sequences.sequence_insert,
                column,
                session.tensors.inner(tensor),
                like=leaf,
                length=size + 1,
            )
            for leaf, column, tensor in zip(leaves, so_far, tensors_of(index), strict=True)
        ]
        ends = [session.node_of(column) for column in longer]
    frame = body.frame
    nothing = [
        emit_sequence(
            session, sequences.sequence_of, sequence_like(leaf, 0).dtype, like=leaf, length=0
        )
        for leaf in leaves
    ]
    initial = tuple(session.node_of(column) for column in nothing)
    found = [sequence_like(leaf, length) for leaf in leaves]
    captured = list(frame.captures)
    graph = recorder.finish(frame, inputs, [True, *ends], captured)
    node = recorder.emit(
        loop,
        recorder.node_of(length),
        True,
        recorder.add_body(graph, "body"),
        initial,
        tuple(captured),
        val=tuple(found),
    )
    recorder.bind(tuple(found), node)
    BOUND.put(node, iteration_bound(session, length))
    return found
