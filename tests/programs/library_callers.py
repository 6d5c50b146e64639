"""Functions of the program that libraries call: PyTorch's own code, and Python's."""

from __future__ import annotations

import functools

import torch
from torch import nn
from torch.utils import _pytree
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("library_callers")
ROWS = (rand(3, 4), -rand(2, 4).abs(), rand(1, 4))
VECTORS = (vec(1.0, 2.0, 3.0), vec(-1.0, -2.0), vec(0.5))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        if x.sum() > 0:
            return self.linear(x)
        return x - 1


class CheckpointedSequential(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Block(), Block(), Block())

    def forward(self, x):
        y = checkpoint_sequential(self.layers, 2, x, use_reentrant=False)
        return checkpoint_sequential(list(self.layers), 3, y, use_reentrant=True)


PROGRAMS.add(CheckpointedSequential, *ROWS)


class CheckpointedFunction(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()

    def forward(self, x):
        def inner(y):
            return self.block(y) if y.mean() > 0 else y

        return checkpoint(inner, x, use_reentrant=False)


PROGRAMS.add(CheckpointedFunction, *ROWS)


class FunctionalCall(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()

    def forward(self, x):
        doubled = {name: value * 2 for name, value in self.block.named_parameters()}
        return torch.func.functional_call(self.block, doubled, (x,))


PROGRAMS.add(FunctionalCall, *ROWS)


def decided(v):
    return v * 2 if v.sum() > 0 else v - 1


def tree_of_tensors(x):
    return _pytree.tree_map(decided, [x, {"a": -x}])


PROGRAMS.add(tree_of_tensors, *VECTORS)


def a_task_of_its_own(x):
    later = torch.jit.fork(decided, x)
    return torch.jit.wait(later) + torch.jit.fork(decided, -x).wait()


PROGRAMS.add(a_task_of_its_own, *VECTORS)


@functools.singledispatch
def dispatched(value):
    return value


@dispatched.register
def _(value: torch.Tensor):
    return decided(value)


@dispatched.register(int)
def _(value):
    return value + 1 if value > 2 else value - 1


def one_function_for_each_type(x):
    return dispatched(x), dispatched(x.shape[0]) * x


PROGRAMS.add(one_function_for_each_type, *VECTORS)


def decided_in_vmap(x):
    return torch.vmap(lambda row: row * 2 if x.sum() > 0 else row)(x)


PROGRAMS.add(decided_in_vmap, *VECTORS, expect="refuse", match="torch.vmap")


def applied_in_place(x):
    return x.clone().apply_(lambda value: value + 1)


PROGRAMS.add(applied_in_place, *VECTORS, expect="refuse", match="apply")
