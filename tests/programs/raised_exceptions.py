"""Exceptions that a condition decides on, caught by the program: handlers, else, finally, raise."""

# The programs are written as users write them.
# ruff: noqa: F841

from __future__ import annotations

import contextlib

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("raised_exceptions")
ROWS = (rand(3, 4) + 1, rand(3, 4) - 1, rand(1, 4) + 2, rand(5, 4) - 2)


class BadInput(ValueError):
    def __init__(self, message, value, factor=2):
        super().__init__(message)
        self.value = value
        self.factor = factor


class Worse(BadInput):
    pass


def plain_raise(x):
    y = x * 2
    try:
        y = y + 1
        if x.sum() > 0:
            y = y * 3
            raise ValueError("positive")
        y = y - 5
    except ValueError:
        y = y + 100
    return y


PROGRAMS.add(plain_raise, *ROWS)


def raise_first(x):
    try:
        if x.sum() > 0:
            raise KeyError("a")
        y = x + 1
    except KeyError:
        y = x * 10
    return y


PROGRAMS.add(raise_first, *ROWS)


def two_sites(x):
    y = x * 1
    try:
        if x[0, 0] > 0:
            raise KeyError("a")
        y = y + 1
        if x[0, 1] > 0:
            raise ValueError("b")
        y = y + 2
    except KeyError:
        y = y * 10
    except ValueError:
        y = y * 100
    return y


SIGNS = tuple(torch.tensor([[a, b, 1.0, 2.0]]) for a in (1.0, -1.0) for b in (1.0, -1.0))
PROGRAMS.add(two_sites, *SIGNS)


def many_sites(x):
    y = x.sum() * 0
    try:
        for k in range(4):
            if x[0, k] > 0:
                raise KeyError(k)
            y = y + k + 1
    except KeyError as error:
        y = y * 10 + error.args[0]
    return y


PROGRAMS.add(many_sites, *SIGNS, torch.full((2, 4), -1.0))


def else_and_finally(x):
    y = x * 1
    n = 0
    try:
        if x.sum() > 0:
            raise RuntimeError("positive")
        y = y + 1
    except RuntimeError:
        y = y * 2
        n = n + 1
    else:
        y = y * 3
    finally:
        y = y + 0.5
        n = n + 10
    return y, n


PROGRAMS.add(else_and_finally, *ROWS)


def finally_inside(x):
    y = x * 1
    log = []
    try:
        try:
            if x.sum() > 0:
                raise KeyError("k")
            log.append(1)
        finally:
            y = y + 7
            log.append(2)
        y = y * 2
    except KeyError:
        y = y - 1
    return y, len(log)


PROGRAMS.add(finally_inside, *ROWS)


def raise_in_else(x):
    y = x * 1
    try:
        try:
            y = y + 1
        except ValueError:
            y = y * 1000
        else:
            if x.sum() > 0:
                raise ValueError("else")
            y = y + 10
        finally:
            y = y * 2
    except ValueError:
        y = y + 100
    return y


PROGRAMS.add(raise_in_else, *ROWS)


def raise_in_handler(x):
    y = x * 1
    try:
        try:
            if x[0, 0] > 0:
                raise KeyError("a")
            y = y + 1
        except KeyError:
            y = y * 2
            if x[0, 1] > 0:
                raise ValueError("b") from None
            y = y + 3
        except ValueError:
            y = y * 1000
        finally:
            y = y + 0.25
        y = y + 0.125
    except ValueError:
        y = y - 50
    return y


PROGRAMS.add(raise_in_handler, *SIGNS)


def reraise(x):
    y = x * 1
    try:
        try:
            if x.sum() > 0:
                y = y + 1
                raise KeyError("a")
        except KeyError:
            y = y * 2
            raise
        y = y + 5
    except LookupError:
        y = y * 10
    return y


PROGRAMS.add(reraise, *ROWS)


def reraise_sometimes(x):
    y = x * 1
    try:
        try:
            if x[0, 0] > 0:
                raise KeyError("a")
        except KeyError:
            y = y * 2
            if x[0, 1] > 0:
                raise
            y = y + 4
        y = y + 5
    except LookupError:
        y = y * 10
    return y


PROGRAMS.add(reraise_sometimes, *SIGNS)


def converted(x):
    y = x * 1
    try:
        try:
            if x.sum() > 0:
                raise KeyError("a")
            y = y + 1
        except KeyError as error:
            raise ValueError("converted") from error
    except ValueError as error:
        y = y * (3 if isinstance(error.__cause__, KeyError) else 4)
    return y


PROGRAMS.add(converted, *ROWS)


def raise_in_finally(x):
    y = x * 1
    try:
        try:
            y = y + 1
        finally:
            if x.sum() > 0:
                raise KeyError("f")
            y = y * 3
    except KeyError:
        y = y * 5
    return y


PROGRAMS.add(raise_in_finally, *ROWS)


def own_class(x):
    y = x * 1
    try:
        if x.sum() > 0:
            raise BadInput("bad", x.sum(), factor=3)
        if x[0, 0] < -1.5:
            raise Worse("worse", x.max())
        y = y + 1
    except Worse as error:
        y = y + error.value * 100
    except BadInput as error:
        y = y * error.factor + error.value
    return y


PROGRAMS.add(own_class, *ROWS, torch.full((2, 4), -3.0))


def own_class_from_call(x):
    def check(v, limit):
        if v.sum() > limit:
            raise BadInput("too large", v * 2)
        return v + 1

    y = x * 1
    try:
        y = check(y, 5.0)
        y = check(y, 20.0)
        y = check(y - 100, 1.0)
    except BadInput as error:
        y = y + error.value
    return y


PROGRAMS.add(
    own_class_from_call, rand(3, 4) - 1, torch.ones(3, 4), torch.ones(2, 4) * 0.6, torch.ones(1, 4)
)


def which_one(x):
    try:
        if x[0, 0] > 0:
            raise KeyError("a")
        if x[0, 1] > 0:
            raise ValueError("b")
        y = x + 1
    except Exception as error:
        if isinstance(error, KeyError):
            y = x * 2
        else:
            y = x * 3
    return y


PROGRAMS.add(which_one, *SIGNS)


def as_value(x):
    caught = None
    try:
        if x[0, 0] > 0:
            raise KeyError("a")
        if x[0, 1] > 0:
            raise ValueError("b")
    except (KeyError, ValueError) as error:
        caught = error
    if caught is None:
        return x
    if isinstance(caught, ValueError):
        return x * 3
    return x * 2


PROGRAMS.add(as_value, *SIGNS)


def text_of_one(x):
    y = x * 1
    try:
        if x.sum() > 0:
            raise ValueError("big")
        raise ValueError("small")
    except ValueError as error:
        if str(error) == "big":
            y = y + 1
        else:
            y = y + 2
    return y


PROGRAMS.add(text_of_one, *ROWS)


def both_ways_raise(x):
    try:
        if x.sum() > 0:
            y = x + 1
            raise KeyError("a")
        else:
            y = x + 2
            raise ValueError("b")
    except KeyError:
        y = y * 3
    except ValueError:
        y = y * 5
    return y


PROGRAMS.add(both_ways_raise, *ROWS)


def uncaught_class(x):
    y = x * 1
    try:
        if x.sum() > 100:
            raise TypeError("not caught")
        if x.sum() > 0:
            raise KeyError("caught")
    except KeyError:
        y = y * 2
    return y


PROGRAMS.add(uncaught_class, *ROWS)


def returns_in_try(x):
    try:
        if x.sum() > 0:
            raise KeyError("a")
        return x + 1
    except KeyError:
        return x * 2


PROGRAMS.add(returns_in_try, *ROWS)


def returns_early(x):
    try:
        if x[0, 0] > 0:
            return x * 7
        if x[0, 1] > 0:
            raise KeyError("a")
        y = x + 1
    except KeyError:
        return x * 2
    y = y + 1
    return y


PROGRAMS.add(returns_early, *SIGNS)


def returns_in_finally_order(x):
    log = torch.zeros(2)
    try:
        if x.sum() > 0:
            raise KeyError("a")
        return x.sum() + log.sum()
    except KeyError:
        log[0] = 1
    finally:
        log[1] = 5
    return x.sum() * 2 + log.sum()


PROGRAMS.add(returns_in_finally_order, *ROWS)


def in_place_before(x):
    y = x.clone()
    z = y[0]
    try:
        z.add_(1)
        if x.sum() > 0:
            y[0] = y[0] * 2
            raise ValueError
        z.mul_(3)
    except ValueError:
        y[:, 0] = 9
    return y, z


PROGRAMS.add(in_place_before, *ROWS)


def lists_before(x):
    items = [x[0]]
    d = {"a": x[0]}
    try:
        items.append(x[0] + 1)
        d["b"] = x[0] * 2
        if x.sum() > 0:
            items.append(x[0] + 2)
            d["a"] = x[0] * 5
            raise ValueError
        items.pop()
        d["c"] = x[0] * 3
    except ValueError:
        items.insert(0, x[0] - 1)
    total = items[0] * 0
    for item in items:
        total = total * 2 + item
    return total + d["a"] + d["b"], "c" in d, len(items)


PROGRAMS.add(lists_before, *ROWS)


class Counter:
    def __init__(self):
        self.count = 0
        self.last = None

    def add(self, v):
        self.count = self.count + 1
        if v.sum() > 0:
            raise BadInput("positive", v)
        self.last = v
        return v * 2


def attributes_before(x):
    c = Counter()
    y = x * 1
    try:
        y = c.add(y - 100)
        y = c.add(x)
        y = c.add(x * 2 + 1)
    except BadInput as error:
        y = error.value + c.count
    last = y if c.last is None else c.last
    return y, last, c.count


PROGRAMS.add(attributes_before, *ROWS)


def asserts(x):
    y = x * 1
    try:
        assert x.sum() > 0, "not positive"
        y = y + 1
        assert x.shape[0] > 1
        y = y + 2
    except AssertionError:
        y = y * 10
    return y


PROGRAMS.add(asserts, *ROWS)


def sizes(x):
    y = x * 1
    try:
        if x.shape[0] == 1:
            raise IndexError("one row")
        y = y + x[1]
    except IndexError:
        y = y * 10
    return y


PROGRAMS.add(sizes, *ROWS)


def nested(x):
    y = x * 1
    try:
        y = y + 1
        try:
            y = y + 1
            if x[0, 0] > 0:
                raise KeyError("a")
            y = y * 2
            if x[0, 1] > 0:
                raise IndexError("b")
            y = y * 3
        except KeyError:
            y = y + 10
        y = y + 1000
    except LookupError:
        y = y - 7
    return y


PROGRAMS.add(nested, *SIGNS)


def nested_in_if(x):
    y = x * 1
    try:
        if x[0, 0] > 0:
            y = y + 1
            if x[0, 1] > 0:
                y = y * 2
                raise KeyError("a")
            y = y + 5
        y = y + 100
    except KeyError:
        y = y - 3
    return y


PROGRAMS.add(nested_in_if, *SIGNS)


def deep_in_if(x):
    y = x * 1
    try:
        if x[0, 0] > 0:
            if x[0, 1] > 0:
                if x[0, 2] > 0:
                    raise BadInput("a", x * 4)
                y = y + 1
            else:
                raise Worse("b", x * 5)
            y = y + 5
        y = y + 100
    except Worse as error:
        y = y - error.value
    except BadInput as error:
        y = y + error.value
    return y


PROGRAMS.add(deep_in_if, *SIGNS, torch.tensor([[1.0, 1.0, -1.0, 2.0]]))


def suppressed(x):
    y = x * 1
    with contextlib.suppress(KeyError, IndexError):
        y = y + 1
        if x[0, 0] > 0:
            raise KeyError(1)
        y = y + 2
        if x[0, 1] > 0:
            raise IndexError(1)
        y = y + 4
    return y * 2


PROGRAMS.add(suppressed, *SIGNS)


class Swallows:
    def __init__(self, kind):
        self.kind = kind
        self.seen = 0

    def __enter__(self):
        self.seen = self.seen + 1
        return self

    def __exit__(self, kind, error, traceback):
        self.seen = self.seen + 10
        return kind is not None and issubclass(kind, self.kind)


def own_manager(x):
    y = x * 1
    m = Swallows(LookupError)
    try:
        with m as same:
            y = y + same.seen
            if x[0, 0] > 0:
                raise KeyError(1)
            y = y + 2
            if x[0, 1] > 0:
                raise ValueError(1)
            y = y + 4
        y = y + 100
    except ValueError:
        y = y * 3
    return y + m.seen


PROGRAMS.add(own_manager, *SIGNS)


def generator_manager(x):
    state = {"n": 0}

    @contextlib.contextmanager
    def managed(step):
        state["n"] += step
        try:
            yield step * 2
        except KeyError:
            state["n"] += 100
        finally:
            state["n"] += 1000

    y = x * 1
    try:
        with managed(3) as v:
            y = y + v
            if x[0, 0] > 0:
                raise KeyError(1)
            y = y * 2
            if x[0, 1] > 0:
                raise ValueError(1)
        y = y + 5
    except ValueError:
        y = y - 1
    return y + state["n"]


PROGRAMS.add(generator_manager, *SIGNS)


def suppress_and_go_on(x):
    with contextlib.suppress(KeyError):
        if x.sum() > 0:
            raise KeyError
        return x * 2
    return x - 1


PROGRAMS.add(suppress_and_go_on, *ROWS)


def suppress_certain(x):
    d = {}
    with contextlib.suppress(KeyError):
        return x + d["missing"]
    return x * 3


PROGRAMS.add(suppress_certain, *ROWS)


def lookup_by_number(x):
    table = {0: x * 1, 2: x * 3}
    k = int(x[0, 0])
    try:
        y = table[k] + 1
    except KeyError:
        y = x - 1
    return y


KEYS = tuple(torch.full((2, 4), float(k)) for k in (0, 1, 2, 5, -1))
PROGRAMS.add(lookup_by_number, *KEYS)


def lookup_by_text(x):
    table = {"w0": x * 1, "w2": x * 3}
    k = int(x[0, 0])
    try:
        y = table[f"w{k}"] + 1
    except KeyError as error:
        y = x - 1
    return y


PROGRAMS.add(lookup_by_text, *KEYS)


def list_index(x):
    table = [x * 1, x * 2, x * 3]
    k = int(x[0, 0])
    try:
        y = table[k] + 1
    except IndexError:
        y = x - 1
    return y


PROGRAMS.add(list_index, *KEYS, torch.full((2, 4), -3.0), torch.full((2, 4), -4.0))


def may_be_none(x):
    v = None
    if x.sum() > 0:
        v = x * 2
    try:
        y = v + 1
    except TypeError:
        y = x - 1
    return y


PROGRAMS.add(may_be_none, *ROWS)


def attribute_of_none(x):
    v = None
    if x.sum() > 0:
        v = x * 2
    try:
        y = x + v.shape[0]
    except AttributeError:
        y = x - 1
    return y


PROGRAMS.add(attribute_of_none, *ROWS)


def wrong_class_for_none(x):
    v = None
    if x.sum() > 0:
        v = x * 2
    y = x * 1
    try:
        try:
            y = x + v.shape[0]
        except TypeError:
            y = x - 1
    except AttributeError:
        y = x - 2
    return y


PROGRAMS.add(wrong_class_for_none, *ROWS)


def missing_key(x):
    d = {}
    if x.sum() > 0:
        d["a"] = x * 2
    try:
        y = d["a"] + 1
    except KeyError:
        y = x - 1
    return y


PROGRAMS.add(missing_key, *ROWS)


def unbound(x):
    if x.sum() > 0:
        v = x * 2
    try:
        y = v + 1
    except UnboundLocalError:
        y = x - 1
    return y


PROGRAMS.add(unbound, *ROWS)


def divides(x):
    n = int(x[0, 0])
    try:
        k = 12 // n
    except ZeroDivisionError:
        k = -1
    return x + k


PROGRAMS.add(divides, *KEYS)


def divides_float(x):
    n = x.sum().item()
    try:
        k = 12.0 / n
    except ZeroDivisionError:
        k = -1.0
    return x + k


PROGRAMS.add(divides_float, *KEYS)


def next_of_empty(x):
    it = iter([row for row in x if row.sum() > 0])
    try:
        y = next(it)
    except StopIteration:
        y = x[0] * 0
    return y


PROGRAMS.add(next_of_empty, *ROWS, expect="either")


def pops(x):
    items = [row for row in x if row.sum() > 0]
    try:
        y = items.pop()
    except IndexError:
        y = x[0] * 0
    return y, len(items)


PROGRAMS.add(pops, *ROWS)


def writes_in_call(x):
    log = []

    def step(v):
        log.append(v)
        if v.sum() > 0:
            log.append(v * 2)
            raise KeyError("positive")
        log.append(v * 3)
        return v

    y = x[0]
    try:
        y = step(y)
        y = step(y + 1)
    except KeyError:
        log.append(y * 7)
    total = y * 0
    for v in log:
        total = total * 2 + v
    return total, len(log)


PROGRAMS.add(writes_in_call, *ROWS, torch.full((1, 4), -0.1))


def rebound_after(x):
    def f(v):
        k = v * 1
        if v.sum() > 0:
            raise BadInput("k", k)
        k = k + 100
        v = v - 1
        return k + v

    try:
        y = f(x)
    except BadInput as error:
        y = error.value * 2
    return y


PROGRAMS.add(rebound_after, *ROWS)


def finally_in_call(x):
    state = [0]

    def f(v):
        k = v + 1
        try:
            k = k + 1
            if v.sum() > 0:
                raise KeyError("a")
            k = k * 2
        finally:
            state[0] = state[0] + 1
            k = k + 3
            state.append(k)
        k = k + 9
        return k

    try:
        y = f(x)
    except KeyError:
        y = state[1] - 1
    return y, state[0]


PROGRAMS.add(finally_in_call, *ROWS)


def same_exception_again(x):
    y = x * 1
    error = ValueError("one")
    for k in range(3):
        try:
            if x[0, k] > 0:
                raise error
            y = y + 1
        except ValueError:
            y = y * 2
    return y


PROGRAMS.add(same_exception_again, *SIGNS)


def keeps_changing_exception(x):
    error = BadInput("one", x)
    error.count = 0
    try:
        if x.sum() > 0:
            raise error
    except BadInput as caught:
        caught.count = caught.count + 1
    return x + error.count


PROGRAMS.add(keeps_changing_exception, *ROWS)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 4)
        self.second = torch.nn.Linear(4, 4)

    def checked(self, x):
        if x.abs().max() > 2:
            raise BadInput("large", x)
        return self.first(x)

    def forward(self, x):
        try:
            y = self.checked(x)
        except BadInput as error:
            y = self.second(error.value / 4)
        return torch.relu(y)


PROGRAMS.add(Model, *ROWS)


def random_before(x):
    y = x * 1
    try:
        y = y + torch.zeros_like(x)
        if x.sum() > 0:
            raise KeyError
    except KeyError:
        y = y * 2
    return y


PROGRAMS.add(random_before, *ROWS)


def unequal_sizes(x):
    y = x * 1
    try:
        y = torch.cat([x, x])
        if x.sum() > 0:
            raise KeyError
        y = y[:1]
    except KeyError:
        y = y[1:]
    return y


PROGRAMS.add(unequal_sizes, *ROWS)


def unlike_kinds(x):
    y = "text"
    try:
        if x.sum() > 0:
            raise KeyError
        y = x
    except KeyError:
        pass
    return x * 2 if isinstance(y, str) else y


PROGRAMS.add(unlike_kinds, *ROWS)


def reads_poison_free(x):
    try:
        v = x * 2
        if x.sum() > 0:
            raise KeyError
        w = x * 3
        v = v + w
    except KeyError:
        w = v + 1
    return v + w


PROGRAMS.add(reads_poison_free, *ROWS)


def condition_reused(x):
    c = x.sum() > 0
    y = x * 1
    try:
        if c:
            raise KeyError
        y = y + 1
        if c:
            y = y * 1000
    except KeyError:
        y = y * 2
        if not c:
            y = y * 5000
    if c:
        y = y + 3
    return y


PROGRAMS.add(condition_reused, *ROWS)


def number_condition(x):
    n = x.shape[0]
    y = x * 1
    try:
        if n > 2:
            raise KeyError(n)
        y = y + n
    except KeyError as error:
        y = y * error.args[0]
    return y


PROGRAMS.add(number_condition, *ROWS)
