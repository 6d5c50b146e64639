"""nn.Modules: submodules with branches, hooks, inheritance, buffers, containers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tests.programs.program import TORCH, Programs, rand

PROGRAMS = Programs("modules")
X1, X3, X5 = (rand(n, 4, seed=n) for n in (1, 3, 5))


class Gate(nn.Module):
    def __init__(self, threshold=0.0):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.threshold = threshold

    def forward(self, x):
        y = self.linear(x)
        if y.mean() > self.threshold:
            return y
        return x


PROGRAMS.add(Gate, X3, X3 + 9, X1 - 9, X5)


class SequentialOfGates(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(Gate(0.1), nn.ReLU(), Gate(-0.1))

    def forward(self, x):
        return self.body(x) + self.body[0](x)


PROGRAMS.add(SequentialOfGates, X3, X3 + 9, X1 - 9)


class ModuleListWithBreak(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(4)])

    def forward(self, x):
        used = 0
        for layer in self.layers:
            x = layer(x).relu()
            used += 1
            if x.sum() < 0.8:
                break
        return x, used


PROGRAMS.add(ModuleListWithBreak, X3, X1 * 0.1, X5 * 20, X3 * 9)


class ModuleDictRouting(nn.Module):
    def __init__(self):
        super().__init__()
        self.paths = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 2)})

    def forward(self, x):
        outs = {name: path(x) for name, path in self.paths.items()}
        return outs["a"] if outs["a"].sum() > outs["b"].sum() else outs["b"]


PROGRAMS.add(ModuleDictRouting, X3, -X3, X5 * 3, X1)


class MixtureTop1(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.Linear(4, 3)
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        choice = self.router(x).argmax(-1)
        out = torch.zeros_like(x)
        for k, expert in enumerate(self.experts):
            mask = choice == k
            if mask.any():
                out = torch.where(mask.unsqueeze(-1), expert(x), out)
        return out


PROGRAMS.add(MixtureTop1, X3, X1, X5 * 3)


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def prepare(self, x):
        return x * 2

    def forward(self, x):
        x = self.prepare(x)
        if x.mean() > 0:
            return self.linear(x)
        return x


class Derived(Base):
    def prepare(self, x):
        x = super().prepare(x)
        return x + 1 if x.max() > 2 else x

    def forward(self, x):
        y = super().forward(x)
        return y - x if y.sum() > 0 else y


class MultiDerived(Derived, Gate):
    def forward(self, x):
        return super(Derived, self).forward(x) + Base.forward(self, -x)


PROGRAMS.add(Derived, X3, X3 + 2, X1 - 5)


def _multi_derived():
    model = MultiDerived()
    model.threshold = 0.0
    return model


PROGRAMS.add(_multi_derived, X3, X3 + 2, X1 - 5, name="MultiDerived", factory=True)


class PrivateNames(nn.Module):
    __LIMIT = 1.5

    def __init__(self):
        super().__init__()
        self.__gain = nn.Parameter(torch.tensor(2.0))

    def __scale(self, x):
        return x * self.__gain if x.max() > self.__LIMIT else x

    def forward(self, x):
        __result = self.__scale(x)
        return __result + 1


PROGRAMS.add(PrivateNames, X3, X1 * 0.1, X5 + 3)


class Properties(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -1.0, 2.0, 0.5]))
        self.config = {"depth": 2, "act": "relu"}

    @property
    def depth(self):
        return self.config["depth"]

    @property
    def energy(self):
        return self.weight.abs().sum()

    def forward(self, x):
        for _ in range(self.depth):
            x = x * self.weight
            if x.sum() > self.energy:
                x = getattr(F, self.config["act"])(x)
        return x


PROGRAMS.add(Properties, X3, X3 + 4, X5)


class WeightCondition(nn.Module):
    """A condition on a weight: kept, as weights are not read at export."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        self.register_buffer("steps", torch.tensor(3))

    def forward(self, x):
        if self.weight.sum() > 5:
            x = x * self.weight
        for _ in range(int(self.steps)):
            x = x + 1
        return x


PROGRAMS.add(WeightCondition, X3, X1)


class TrainingFlag(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        x = self.norm(x)
        if self.training:
            x = x + torch.randn_like(x)
        x = self.drop(x)
        return x if x.mean() > 0 else -x


PROGRAMS.add(TrainingFlag, X3, X1 - 4, X5 + 4)


def _with_pre_hook():
    model = Gate()
    model.register_forward_pre_hook(lambda module, args: (args[0] * 3,))
    return model


PROGRAMS.add(_with_pre_hook, X3, X3 + 9, X1 - 9, name="forward_pre_hook", factory=True)


def _with_hook():
    def after(module, args, output):
        if output.sum() > 1:
            return output - args[0]
        return None

    model = SequentialOfGates()
    model.body[0].register_forward_hook(after)
    model.register_forward_hook(lambda module, args, output: output * 2)
    return model


PROGRAMS.add(
    _with_hook, X3, X3 + 9, X1 * 0.1, X1 - 9, name="forward_hook", factory=True, expect="either"
)


def _with_kwargs_hook():
    def before(module, args, kwargs):
        return (args[0] + 1,), {**kwargs, "scale": 2.0}

    model = Scaled()
    model.register_forward_pre_hook(before, with_kwargs=True)
    return model


class Scaled(nn.Module):
    def forward(self, x, scale: float = 1.0):
        return x * scale if x.sum() > 0 else x - scale


PROGRAMS.add(_with_kwargs_hook, X3, X1 - 9, name="forward_pre_hook_kwargs", factory=True)


class ModuleCalledTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = Gate()
        self.again = self.gate

    def forward(self, x):
        y = self.gate(x)
        while y.abs().max() > 1.5:
            y = self.again(y) * 0.5
        return y


PROGRAMS.add(ModuleCalledTwice, X3, X3 * 9, X1 * 0.1)


class MethodsOnly(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 8)
        self.head = nn.Linear(8, 2)

    def extract(self, x):
        return self.stem(x).relu()

    def classify(self, x):
        logits = self.head(x)
        return logits, logits.argmax(-1)

    def unused_method_with_strange_code(self):
        import not_there

        return not_there.call(lambda: (yield))

    def forward(self, x, return_features=False):
        features = self.extract(x)
        if features.max() < 0.5:
            features = features * 2
        logits, label = self.classify(features)
        if return_features:
            return logits, label, features
        return logits, label


PROGRAMS.add(MethodsOnly, X3, X1 * 0.05, X5)


class OptionalParts(nn.Module):
    def __init__(self, with_norm=True, with_head=None):
        super().__init__()
        self.norm = nn.LayerNorm(4) if with_norm else None
        self.head = with_head
        self.unused = object()

    def forward(self, x, mask=None):
        if self.norm is not None:
            x = self.norm(x)
        if mask is not None:
            x = x * mask
        if self.head is None and x.max() > 1:
            return x.clamp(max=1)
        return x


PROGRAMS.add(OptionalParts, X3, X1, X5)
PROGRAMS.add(OptionalParts, (X3, X3.sign()), (X1, X1 * 0), name="OptionalParts_with_mask")


class RecurrentCell(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(4, 3)

    def forward(self, x):
        h = x.new_zeros(x.shape[1], 3)
        for t in range(x.shape[0]):
            h = self.cell(x[t], h)
            if h.abs().max() > 0.6:
                h = h * 0.5
        return h


PROGRAMS.add(RecurrentCell, rand(3, 2, 4), rand(1, 1, 4), rand(6, 2, 4) * 3)


class ConvPyramid(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        total = x.new_zeros(x.shape[0])
        while min(x.shape[-2:]) >= 4:
            x = F.max_pool2d(self.conv(x).relu(), 2)
            total = total + x.mean((1, 2, 3))
        return total, x


if TORCH >= (2, 13):  # before, pooling needs the value of a size here, and is refused
    PROGRAMS.add(
        ConvPyramid, rand(1, 2, 8, 8), rand(2, 2, 3, 9), rand(1, 2, 17, 12), rand(1, 2, 4, 4)
    )


class FromConfig(nn.Module):
    registry = {"linear": nn.Linear, "bilinear": nn.Bilinear}

    def __init__(self, kind="linear", **cfg):
        super().__init__()
        self.layer = self.registry[kind](**cfg)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else self.layer(-x)


PROGRAMS.add(
    lambda: FromConfig(in_features=4, out_features=3),
    X3,
    -X3.abs(),
    X5.abs(),
    name="FromConfig",
    factory=True,
)


def module_as_function_argument(x):
    def run(module, value):
        return module(value) if value.mean() > 0 else value

    return run(nn.Softmax(dim=-1), x) + run(nn.Hardtanh(), -x)


PROGRAMS.add(module_as_function_argument, X3, X3 + 2, X1 - 3)
