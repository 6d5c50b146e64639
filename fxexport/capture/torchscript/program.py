"""TorchScript graphs as plain Python data, read once and run many times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fxexport._torch_compat import torchscript as ir
from fxexport.capture.torchscript.locations import runner_of, was_traced
from fxexport.source.frames import Runner

__all__ = [
    "FOREVER",
    "Block",
    "CallFrame",
    "Instruction",
    "Program",
    "picks_items",
    "read_program",
    "true_after",
    "uses",
]

FOREVER = 2**63 - 1
"""The trip count of a while loop."""


@dataclass
class Instruction:
    """One node.

    Attributes:
        kind: ``aten::add``, ``prim::If``, ...
        operator: kind and overload (``aten::add.int``) of an operator with a schema, else kind.
        schema: the schema's text, empty without one.
        node: the node, for its attributes and types.
        inputs: numbers of the values that it takes.
        outputs: numbers of the values that it makes.
        blocks: what it may run.
        runner: runs a thunk at its location in the source.
        last_of: values of the same block that nothing behind it takes, its own results included.
    """

    kind: str
    operator: str
    schema: str
    node: ir.Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    blocks: tuple[Block, ...]
    runner: Runner | None
    last_of: tuple[int, ...] = ()

    @property
    def taken(self) -> set[int]:
        """The values that it and what it may run take."""
        return {*self.inputs, *(k for block in self.blocks for k in block.taken)}

    @property
    def returns(self) -> str:
        """The type that the schema says it returns."""
        return self.schema.rpartition(" -> ")[2]

    def output_type(self, k: int = 0) -> ir.JitType:
        """The type of one of its results."""
        return list(self.node.outputs())[k].type()


@dataclass
class Block:
    """Instructions in order, with the values that they start from and end with.

    Attributes:
        parameters: numbers of the values that it starts from.
        body: the instructions.
        results: numbers of the values that it ends with; they may come from further out.
        unread: parameters that nothing takes.
    """

    parameters: tuple[int, ...]
    body: list[Instruction]
    results: tuple[int, ...]
    unread: tuple[int, ...] = ()

    def instructions(self) -> Iterator[Instruction]:
        """All instructions, those of inner blocks included."""
        for instruction in self.body:
            yield instruction
            for block in instruction.blocks:
                yield from block.instructions()

    @property
    def own(self) -> set[int]:
        """The values that it makes, its parameters included; not those of inner blocks."""
        return {*self.parameters, *(k for instruction in self.body for k in instruction.outputs)}

    @property
    def taken(self) -> set[int]:
        """The values that it takes from anywhere, those of inner blocks included."""
        inputs = {k for instruction in self.body for k in instruction.taken}
        return {*self.results, *inputs}


@dataclass
class Program:
    """The graph of one function or method.

    Attributes:
        name: the function's name.
        block: what it does; its parameters are the function's.
        types: the types of its parameters.
        graph: the graph (its nodes live as long as it does).
        traced: whether torch.jit.trace made it.
    """

    name: str
    block: Block
    types: list[ir.JitType]
    graph: ir.Graph
    traced: bool


@dataclass
class CallFrame:
    """One function that runs: its variables by number, and the location of its last instruction."""

    program: Program
    values: dict[int, Any]
    runner: Runner | None = None

    def forget(self, values: Iterable[int]) -> None:
        """Drops variables that are not taken any more."""
        for k in values:
            self.values.pop(k, None)

    def name_of(self, instruction: Instruction, output: int) -> str:
        """A result's name in the user's program, for messages."""
        if output < 0:
            return "the loop's condition"
        name = list(instruction.node.outputs())[output].debugName().partition(".")[0]
        return "a value" if name.isdigit() else name


def read_program(graph: ir.Graph, name: str) -> Program:
    """Reads a TorchScript graph."""
    block = _read_block(graph, name)
    return Program(
        name,
        block,
        [value.type() for value in graph.inputs()],
        graph,
        any(was_traced(instruction.node) for instruction in block.instructions()),
    )


def _read_block(source: ir.Graph, name: str) -> Block:
    block = Block(
        tuple(value.unique() for value in source.inputs()),
        [_read_node(node, name) for node in source.nodes()],
        tuple(value.unique() for value in source.outputs()),
    )
    _note_last_uses(block)
    return block


def _note_last_uses(block: Block) -> None:
    """Notes where each of a block's own values is taken for the last time.

    One that an inner block takes lives to the end of that block's instruction, since a loop's
    body is run many times and the paths of a branch one after the other.
    """
    left = block.own - set(block.results)
    for instruction in reversed(block.body):
        last = left & {*instruction.outputs, *instruction.taken}
        instruction.last_of = tuple(last)
        left -= last
    block.unread = tuple(left)


def _read_node(node: ir.Node, name: str) -> Instruction:
    kind = node.kind()
    schema = node.schema()
    if "(" not in schema or schema.startswith("("):
        schema = ""
    return Instruction(
        kind,
        schema.partition("(")[0] or kind,
        schema,
        node,
        tuple(value.unique() for value in node.inputs()),
        tuple(value.unique() for value in node.outputs()),
        tuple(_read_block(block, name) for block in node.blocks()),
        None if kind == "prim::Constant" else runner_of(node, name),
    )


def uses(block: Block, value: int) -> bool:
    """Whether a block, or one inside it, takes a value."""
    return value in block.taken


def picks_items(loop: Instruction) -> bool:
    """Whether a loop reads a list at its iteration number, as a for statement over a list does."""
    (block,) = loop.blocks
    index = {block.parameters[0]}
    for instruction in block.body:
        if instruction.kind == "aten::__derive_index" and instruction.inputs[0] in index:
            index.update(instruction.outputs)
        if instruction.kind == "aten::__getitem__" and instruction.inputs[1] in index:
            return True
    return False


def true_after(loop: Instruction) -> list[int]:
    """Results that are certainly true after a ``while True`` that is left by return.

    The compiler makes of it a loop that goes on unless a flag is set, and asks for the flag
    again behind the loop, where the other answer cannot come.
    """
    count, first, *_ = loop.node.inputs()
    if _constant(count) != FOREVER or _constant(first) is not True:
        return []
    going, *carried = next(iter(loop.node.blocks())).outputs()
    test = going.node()
    if test.kind() != "prim::If":
        return []
    then, other = ([*block.outputs()][going.offset()] for block in test.blocks())
    if _constant(then) is not False or not _true_or_unset(other):
        return []
    flag = next(iter(test.inputs())).unique()
    return [k for k, value in enumerate(carried) if value.unique() == flag]


def _constant(value: ir.Value) -> object:
    return value.toIValue() if value.node().kind() == "prim::Constant" else None


def _true_or_unset(value: ir.Value) -> bool:
    node = value.node()
    if node.kind() == "prim::If":
        sides = [[*block.outputs()][value.offset()] for block in node.blocks()]
        return all(_true_or_unset(side) for side in sides)
    return node.kind() == "prim::Uninitialized" or _constant(value) is True
