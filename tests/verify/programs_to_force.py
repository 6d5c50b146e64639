"""Programs with a path that no input reaches: `torch.atan` is called there and nowhere else.

Conditions ask whether a sine is larger than 2, which it never is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

__all__ = ["BY_FORCE"]

BY_FORCE: list[Callable[..., Any] | type[nn.Module]] = []


def by_force(subject: Any) -> Any:
    """Adds a program."""
    BY_FORCE.append(subject)
    return subject


@by_force
def if_statement(x: torch.Tensor) -> torch.Tensor:
    if x.sum().sin() > 2:
        x = torch.atan(x)
    return x * 2


@by_force
def else_of_an_if(x: torch.Tensor) -> torch.Tensor:
    if x.sum().sin() < 2:
        x = x + 1
    else:
        x = x - 1
        x = torch.atan(x)
    return x


@by_force
def elif_statement(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        y = x + 1
    elif x.max().sin() > 2:
        y = torch.atan(x)
    else:
        y = x - 1
    return y


@by_force
def conditional_expression(x: torch.Tensor) -> torch.Tensor:
    return torch.atan(x) if x.sum().sin() > 2 else x


@by_force
def nested_ifs(x: torch.Tensor) -> torch.Tensor:
    if x.sum().sin() > 2:
        x = x + 1
        if x.max().sin() < -2:
            x = x * 2
            if x.min().sin() > 2:
                x = torch.atan(x)
    return x


@by_force
def operand_of_and(x: torch.Tensor) -> torch.Tensor:
    if x.sum().sin() > 2 and torch.atan(x).max() > 1.2:
        x = x + 1
    return x


@by_force
def operand_of_or_as_a_value(x: torch.Tensor) -> torch.Tensor:
    chosen = (x.sum().sin() < 2) or (torch.atan(x).max() > 1.2)
    return torch.where(chosen, x, -x)


@by_force
def last_of_three_operands(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0 and x.max().sin() > 2 and torch.atan(x).max() > 1.2:
        x = x + 3
    return x


@by_force
def opposite(x: torch.Tensor) -> torch.Tensor:
    if not x.sum().sin() < 2:
        x = torch.atan(x)
    return x


@by_force
def flag_asked_twice(x: torch.Tensor) -> torch.Tensor:
    far = x.sum().sin() > 2
    if far:
        x = x + 1
    x = x * 3
    if not far:
        return x
    return torch.atan(x)


@by_force
def value_that_may_be_missing(x: torch.Tensor) -> torch.Tensor:
    found = None
    if x.sum().sin() > 2:
        found = x + 1
    if found is None:
        return x
    return torch.atan(found)


@by_force
def early_return(x: torch.Tensor) -> torch.Tensor:
    if x.sum().sin() > 2:
        return torch.atan(x)
    y = x + 1
    return y * 2


@by_force
def return_in_a_loop(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(x.shape[1])
    for row in x:
        if row.sum().sin() > 2:
            return torch.atan(row)
        total = total + row
    return total


@by_force
def behind_a_break(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(x.shape[1])
    left = False
    for row in x:
        if row.sum().sin() > 2:
            left = True
            break
        total = total + row
    if left:
        total = torch.atan(total)
    return total


@by_force
def behind_a_continue(x: torch.Tensor) -> torch.Tensor:
    total = x.new_zeros(x.shape[1])
    for row in x:
        if row.sum().sin() < 2:
            total = total + row
            continue
        total = total + torch.atan(row)
    return total


@by_force
def while_loop(x: torch.Tensor) -> torch.Tensor:
    while x.sum().sin() > 2:
        x = torch.atan(x) + 1
    return x


@by_force
def second_iteration(x: torch.Tensor) -> torch.Tensor:
    y = x
    last = x
    while y.sum().sin() > 2:
        y = last * 2
        last = torch.atan(y)
    return y + last


@by_force
def loop_in_a_loop(x: torch.Tensor) -> torch.Tensor:
    for row in x:
        while row.max().sin() > 2:
            row = row - 1
            x = x + torch.atan(row)
    return x


@by_force
def if_of_a_comprehension(x: torch.Tensor) -> torch.Tensor:
    rows = [torch.atan(row).sum() for row in x if row.sum().sin() > 2]
    return x + sum(rows)


@by_force
def float_number(x: torch.Tensor) -> torch.Tensor:
    if x.sum().sin().item() > 2:
        x = torch.atan(x)
    return x


def helper(x: torch.Tensor) -> torch.Tensor:
    return torch.atan(x) if x.sum().sin() > 2 else x + 1


@by_force
def called_from_two_places(x: torch.Tensor) -> torch.Tensor:
    return helper(x) + helper(x * 2)


@by_force
def lambda_function(x: torch.Tensor) -> torch.Tensor:
    scale = lambda v: torch.atan(v) if v.sum().sin() > 2 else v  # noqa: E731
    return scale(x) + 1


@by_force
def function_inside(x: torch.Tensor) -> torch.Tensor:
    def inner(v: torch.Tensor) -> torch.Tensor:
        if v.sum().sin() > 2:
            return torch.atan(v) + x
        return v

    return inner(x * 2)


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@logged
def decorated_helper(x: torch.Tensor) -> torch.Tensor:
    if x.sum().sin() > 2:
        x = torch.atan(x)
    return x


@by_force
def decorated(x: torch.Tensor) -> torch.Tensor:
    return decorated_helper(x) + 1


def halves(x: torch.Tensor) -> Iterator[torch.Tensor]:
    yield x / 2
    if x.sum().sin() > 2:
        yield torch.atan(x)
    yield x / 4


@by_force
def generator(x: torch.Tensor) -> torch.Tensor:
    total = x
    for part in halves(x):
        total = total + part
    return total


@by_force
def two_on_one_line(x: torch.Tensor) -> torch.Tensor:
    y, z = (x + 1 if x.sum() > 0 else x), (torch.atan(x) if x.max().sin() > 2 else x - 1)
    return y * z


@by_force
class Method(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.__far = 2.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.inner(x)
        if y.sum().sin() > self.__far:
            y = torch.atan(y)
        return y


class Child(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum().sin() > 2:
            return torch.atan(x)
        return x + 1


@by_force
class CalledTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.child = Child()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.child(self.child(x) * 2)


class Parent(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


@by_force
class CallsItsParent(Parent):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        return torch.atan(y) if y.sum().sin() > 2 else y
