"""Lists that grow, shrink and change in branches and loops."""

from __future__ import annotations

from collections import deque, namedtuple
from dataclasses import dataclass

import torch

from tests.programs.program import Programs, ints, rand, vec

PROGRAMS = Programs("lists")
X0, X1, X3, X6 = (rand(n, 4, seed=n) for n in (0, 1, 3, 6))
POS, NEG = X3.abs(), -X6.abs()


def stack_rows(x):
    out = []
    for row in x:
        out.append(row * 2 + 1)
    return torch.stack(out)


PROGRAMS.add(stack_rows, X3, X1, X6)


def stack_along_the_last_dimension(x):
    out = []
    for row in x:
        out.append(row - row.mean())
    return torch.stack(out, dim=-1)


PROGRAMS.add(stack_along_the_last_dimension, X3, X1, X6)


def cat_blocks(x):
    out = []
    for i in range(x.shape[0]):
        out.append(torch.outer(x[i, :2], x[i]))
    return torch.cat(out, dim=0), torch.cat(out, dim=1)


PROGRAMS.add(cat_blocks, X3, X1, X6)


def cat_ragged(x):
    out = []
    for i in range(x.shape[0]):
        out.append(x[i, : i % 4 + 1])
    return torch.cat(out)


PROGRAMS.add(cat_ragged, X3, X1, X6)


def with_a_first_item(x):
    out = [x.sum(0)]
    for row in x:
        out.append(row)
    return torch.stack(out), torch.cat(out)


PROGRAMS.add(with_a_first_item, X3, X0, X1, X6)


def several_lists(x):
    means, rows, places = [], [], []
    for i, row in enumerate(x):
        means.append(row.mean())
        rows.append(row.flip(0))
        places.append(i)
    return torch.stack(means), torch.stack(rows), torch.tensor(places)


PROGRAMS.add(several_lists, X3, X1, X6)


def conditional_append(x):
    out = []
    for row in x:
        if row.sum() > 0:
            out.append(row)
    if len(out) == 0:
        return x.new_zeros(0, 4), 0
    return torch.stack(out), len(out)


PROGRAMS.add(conditional_append, X3, X0, POS, NEG, X6)


def append_twice_or_never(x):
    out = [x[:1]]
    for i in range(x.shape[0]):
        if i % 2 == 0:
            out.append(x[i : i + 1])
            out.append(x[i : i + 1] * 2)
    return torch.cat(out)


PROGRAMS.add(append_twice_or_never, X3, X1, X6)


def stop_early(x):
    out = []
    for row in x:
        if row[0] > 1:
            break
        out.append(row)
    return len(out), torch.stack(out) if out else x[:0]


PROGRAMS.add(stop_early, X3, X0, POS, NEG, X6 + 3)


def while_list(x):
    out = []
    total = x.sum()
    while total.abs() > 1 and len(out) < 9:
        out.append(total)
        total = total / 2
    return len(out), sum(out, x.new_zeros(()))


PROGRAMS.add(while_list, X3, X0, POS, NEG, POS * 100)


def read_while_growing(x):
    out = [x[0]]
    for i in range(1, x.shape[0]):
        out.append(out[-1] * 0.5 + x[i] + out[0])
    return torch.stack(out)


PROGRAMS.add(read_while_growing, X3, X1, X6)


def fibonacci(n):
    numbers = [0, 1]
    while len(numbers) < n:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[-1], sum(numbers), len(numbers)


PROGRAMS.add(fibonacci, (9,), (0,), (2,), (3,), (20,))


def stack_of_work(x):
    todo = [x.sum()]
    steps = 0
    while todo and steps < 25:
        value = todo.pop()
        steps += 1
        if value > 1:
            todo.append(value / 2)
            todo.append(value / 4)
    return steps, len(todo)


PROGRAMS.add(stack_of_work, vec(1.0, 1.0), vec(0.0), vec(3.0, 4.0), vec(9.0))


def queue(graph):
    count = graph.shape[0]
    seen = torch.zeros(count, dtype=torch.bool)
    seen[0] = True
    waiting = deque([0])
    order = []
    while waiting:
        node = waiting.popleft()
        order.append(node)
        for other in range(count):
            if graph[node, other] > 0 and not seen[other]:
                seen[other] = True
                waiting.append(other)
    return torch.tensor(order), seen


PROGRAMS.add(queue, ints(4, 4, high=2), ints(1, 1, high=2), ints(7, 7, high=2, seed=3))


def pop_from_the_front(x):
    rows = [row for row in x]
    total = x.new_zeros(4)
    while len(rows) > 1:
        total = total + rows.pop(0) - rows[-1]
    return total, len(rows)


PROGRAMS.add(pop_from_the_front, X3, X0, X1, X6)


def insert_and_set(x):
    rows = []
    for row in x:
        rows.append(row)
    rows[0] = rows[-1] + 1
    rows[len(rows) // 2] = rows[0] * 2
    rows.insert(1, rows[0] * 0)
    rows.insert(100, x[0])
    rows.insert(-1, x[-1])
    return torch.stack(rows)


PROGRAMS.add(insert_and_set, X3, X1, X6)


def set_at_a_dynamic_index(x):
    sums = [0.0] * x.shape[0]
    for i in range(x.shape[0]):
        sums[i] = sums[i - 1] + float(x[i, 0])
    return torch.tensor(sums)


PROGRAMS.add(set_at_a_dynamic_index, X3, X1, X6)


def set_in_a_list_of_known_length(x):
    slots = [x.new_zeros(4), x.new_ones(4), x.new_zeros(4)]
    for i in range(x.shape[0]):
        slots[i % 3] = slots[i % 3] * 2 + x[i]
    return torch.stack(slots)


PROGRAMS.add(set_in_a_list_of_known_length, X3, X0, X1, X6)


def counters(x):
    counts = [0, 0, 0]
    sums = [0.0] * x.shape[0]
    for i in range(x.shape[0]):
        counts[i % 3] += 1
        sums[i // 2] += float(x[i, 0])
    return counts, sum(sums, 0.0), torch.tensor(counts)


PROGRAMS.add(counters, X3, X1, X6)


def delete(x):
    rows = list(x)
    for _ in range(x.shape[0] // 2):
        del rows[0]
    return torch.stack(rows)


PROGRAMS.add(delete, X3, X1, X6)


def slices(x):
    rows = list(x)
    half = len(rows) // 2
    return (
        torch.stack(rows[half:]),
        torch.stack(rows[: half + 1]),
        torch.stack(rows[-1:]),
        torch.stack(rows[::-1]),
        len(rows[1:-1]),
        len(rows[5:2]),
    )


PROGRAMS.add(slices, X3, X1, X6)


def reverse_and_extend(x):
    rows = [row + 1 for row in x]
    more = list(rows)
    more.reverse()
    rows.extend(more)
    rows += more[:1]
    both = rows + more
    return torch.stack(both), len(rows)


PROGRAMS.add(reverse_and_extend, X3, X1, X6)


def in_a_branch(x):
    parts = [x]
    if x.sum() > 0:
        parts.append(x * 2)
        parts.append(x * 3)
    return torch.cat(parts), len(parts)


PROGRAMS.add(in_a_branch, X3, X0, POS, NEG)


def made_in_a_branch(x):
    if x.sum() > 0:
        parts = [x, x + 1]
    else:
        parts = [x * 3]
    parts.append(x)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total, parts[-1], len(parts)


PROGRAMS.add(made_in_a_branch, X3, X0, POS, NEG)


def comprehension_with_condition(x):
    rows = [row * i for i, row in enumerate(x) if row[0] > 0]
    total = x.new_zeros(4)
    for row in rows:
        total = total + row
    return total, len(rows)


PROGRAMS.add(comprehension_with_condition, X3, X0, X1, POS, NEG, X6)


def nested_comprehension(x):
    pairs = [(a, b) for a in range(x.shape[0]) for b in range(a) if (a + b) % 2 == 0]
    total = x.new_zeros(4)
    for a, b in pairs:
        total = total + x[a] * x[b]
    return total, len(pairs)


PROGRAMS.add(nested_comprehension, X3, X0, X1, X6)


def comprehension_over_a_static_list(x):
    parts = [x * k for k in (1, 2, 3) if x.sum() > k]
    return len(parts), torch.cat([x, *parts])


PROGRAMS.add(comprehension_over_a_static_list, X3, POS, NEG, X0)


def tuples(x):
    beams = [(x[0], 0.0)]
    for i in range(x.shape[0]):
        new = []
        for state, score in beams:
            new.append((state + x[i], score + state.sum()))
            if i % 2 == 0:
                new.append((state * 0.5, score - 1.0))
        beams = new[:4]
    return beams[0][0], beams[-1][0], beams[-1][1], len(beams)


PROGRAMS.add(tuples, X3, X1, X6)

Box = namedtuple("Box", "corner size")


def named_tuples(x):
    boxes = [Box(row[:2], row[2:] - row[:2]) for row in x if row[2] > row[0]]
    area = x.new_zeros(())
    for box in boxes:
        area = area + box.size.prod() + box.corner.sum()
    return area, len(boxes)


PROGRAMS.add(named_tuples, X3, X0, X6, X1)


@dataclass
class Track:
    place: torch.Tensor
    age: int


def dataclasses_in_a_list(x):
    tracks = []
    for i in range(x.shape[0]):
        tracks.append(Track(x[i], i))
    oldest = 0
    total = x.new_zeros(4)
    for track in tracks:
        oldest = max(oldest, track.age)
        total = total + track.place * track.age
    return oldest, total


PROGRAMS.add(dataclasses_in_a_list, X3, X0, X1, X6)


def dicts_in_a_list(x):
    found = []
    for row in x:
        if row.max() > 0.5:
            found.append({"row": row, "score": row.max(), "kind": "high"})
    best = x.new_zeros(())
    for item in found:
        if item["kind"] == "high" and item["score"] > best:
            best = item["score"]
    return best, len(found)


PROGRAMS.add(dicts_in_a_list, X3, X0, POS, NEG, X6)


def lists_of_fixed_length_in_a_list(x):
    found = []
    for row in x:
        found.append([row, row * 2])
    total = x.new_zeros(4)
    for first, second in found:
        total = total + second - first
    return total


PROGRAMS.add(lists_of_fixed_length_in_a_list, X3, X0, X1, X6)


def in_a_dict(x):
    groups = {"low": [], "high": []}
    for row in x:
        if row.sum() > 0:
            groups["high"].append(row)
        else:
            groups["low"].append(row * 2)
    total = x.new_zeros(4)
    for name, rows in groups.items():
        for row in rows:
            total = total + row * (2 if name == "low" else 1)
    return total, len(groups["low"]), len(groups["high"])


PROGRAMS.add(in_a_dict, X3, X0, POS, NEG, X6)


class Collector:
    def __init__(self) -> None:
        self.items: list[torch.Tensor] = []

    def add(self, item: torch.Tensor) -> None:
        self.items.append(item)

    def total(self, start: torch.Tensor) -> torch.Tensor:
        for item in self.items:
            start = start + item
        return start


def in_an_object(x):
    collector = Collector()
    for row in x:
        if row[1] > 0:
            collector.add(row)
    return collector.total(x.new_zeros(4)), len(collector.items)


PROGRAMS.add(in_an_object, X3, X0, POS, NEG, X6)


def two_names(x):
    first = []
    second = first
    for row in x:
        first.append(row)
        second.append(row * 2)
    return len(first), len(second), torch.stack(second)


PROGRAMS.add(two_names, X3, X1, X6)


def helper_that_appends(x):
    def keep(rows, row):
        if row.sum() > 0:
            rows.append(row)
        return len(rows)

    rows = []
    count = 0
    for row in x:
        count = keep(rows, row)
    return count, len(rows)


PROGRAMS.add(helper_that_appends, X3, X0, POS, NEG, X6)


def default_argument(x):
    def keep(row, rows=None):
        rows = [] if rows is None else rows
        rows.append(row)
        return rows

    rows = []
    for row in x:
        rows = keep(row, rows)
    return len(rows)


PROGRAMS.add(default_argument, X3, X0, X6)


def numbers(x):
    places = []
    for i in range(x.shape[0]):
        if x[i, 0] > 0:
            places.append(i)
    total = 0
    for place in places:
        total += place * len(places)
    return total, sum(places), max(places + [0]), min(places + [9]), len(places)


PROGRAMS.add(numbers, X3, X0, POS, NEG, X6)


def floats_and_ints(x):
    values = [1]
    for row in x:
        values.append(float(row[0]))
    return sum(values)


PROGRAMS.add(floats_and_ints, X3, X0, X6)


def searching(x):
    seen = []
    fresh = 0
    for i in range(x.shape[0]):
        key = int(x[i, 0].abs() * 3)
        if key not in seen:
            seen.append(key)
            fresh += 1
    return fresh, seen.count(0), len(seen)


PROGRAMS.add(searching, X3, X0, X1, X6)


def reductions(x):
    values = [row.max() for row in x]
    flags = [bool(v > 0) for v in values]
    return any(flags), all(flags), sum(values, x.new_zeros(())), len(values)


PROGRAMS.add(reductions, X3, X0, POS, NEG, X6)


def unused_targets(x):
    triples = [(row, 1, 2.0) for row in x if row[0] > 0]
    first = [row for row, _, _ in triples]
    return sum(k for _, k, _ in triples), len(first)


PROGRAMS.add(unused_targets, X3, X0, POS, NEG)


def zipped(x):
    left = [row for row in x if row[0] > 0]
    right = [row * 2 for row in x]
    total = x.new_zeros(4)
    for k, (a, b) in enumerate(zip(left, right, strict=False)):
        total = total + a * b * k
    for a in reversed(left):
        total = total * 0.5 + a
    return total


PROGRAMS.add(zipped, X3, X0, POS, NEG, X6)


def sequence_result(x):
    return [row[: i + 1] for i, row in enumerate(x)], len(x)


PROGRAMS.add(sequence_result, X3, X0, X1, rand(4, 4))


def results_in_a_dict(x):
    found = {"rows": [], "count": 0}
    for i, row in enumerate(x):
        if row.sum() > 0:
            found["rows"].append((row[:i], i, float(row.sum())))
            found["count"] += 1
    return found


PROGRAMS.add(results_in_a_dict, X3, X0, POS, NEG)


def unpacked(x):
    first, *rest, last = [row for row in x if row[0] > 0]
    return first + last, len(rest)


PROGRAMS.add(unpacked, POS, rand(2, 4).abs(), rand(6, 4).abs())


def list_of_known_length_above_the_limit(x):
    rows = []
    for i in range(20):
        rows.append(x * i)
    a, b = rows[3], rows[-1]
    return torch.stack(rows), a + b, len(rows), torch.hstack(rows)


PROGRAMS.add(list_of_known_length_above_the_limit, vec(1.0, 2.0), vec(3.0))


def nested_loops(x):
    rows = []
    for i in range(x.shape[0]):
        inner = []
        for j in range(x.shape[1]):
            inner.append(x[i, j] * j)
        rows.append(torch.stack(inner))
    return torch.stack(rows)


PROGRAMS.add(nested_loops, X3, X1, rand(2, 6))


def multiplied(n):
    table = [1, 2] * n
    for k in range(2 * n):
        table[k] = table[k] + k
    return sum(table), len(table)


PROGRAMS.add(multiplied, (3,), (0,), (1,), (7,))


def bound_empty_in_the_loop(x):
    total = 0
    for i in range(x.shape[0]):
        if i == 0:
            rows = []
        rows.append(i)
        total += len(rows)
    return total


PROGRAMS.add(bound_empty_in_the_loop, X3, X1, X6, expect="either")


def emptied(x):
    rows = []
    for row in x:
        rows.append(row)
        if len(rows) > 2:
            rows.clear()
    return len(rows)


PROGRAMS.add(emptied, X3, X0, X1, X6)


def compared_with_nothing(x):
    rows = [row for row in x if row[0] > 0]
    if rows == []:
        return x.sum()
    return rows[0].sum() if len(rows) == 1 else rows[1].sum()


PROGRAMS.add(compared_with_nothing, X3, X0, POS, NEG, X6)


def tuple_that_grows(x):
    rows = ()
    for row in x:
        rows = (*rows, row)
    return len(rows), rows[-1]


PROGRAMS.add(tuple_that_grows, X3, X1, X6)


# -- what must not be kept wrong -------------------------------------------------------------------


def one_tensor_many_times(x):
    total = torch.zeros(4)
    out = []
    for row in x:
        total += row
        out.append(total)
    return torch.stack(out)


PROGRAMS.add(one_tensor_many_times, X3, X6, expect="refuse", match="clone")


def a_clone_many_times(x):
    total = torch.zeros(4)
    out = []
    for row in x:
        total += row
        out.append(total.clone())
    return torch.stack(out)


PROGRAMS.add(a_clone_many_times, X3, X1, X6)


def item_written_in_place(x):
    out = [row * 2 for row in x]
    out[0].add_(1)
    return torch.stack(out)


PROGRAMS.add(item_written_in_place, X3, X1, X6)


def source_written_after(x):
    y = x * 2
    out = []
    for i in range(y.shape[0]):
        out.append(y[i])
    y.add_(1)
    return torch.stack(out)


PROGRAMS.add(source_written_after, X3, X6, expect="refuse", match="in place")


def inner_list_changed_later(x):
    groups = [[x[0]]]
    for i in range(1, x.shape[0]):
        if x[i, 0] > 0:
            groups.append([x[i]])
        else:
            groups[-1].append(x[i])
    return len(groups)


PROGRAMS.add(inner_list_changed_later, X3, X1, X6)


def object_changed_later(x):
    tracks = [Track(row, 0) for row in x]
    for track in tracks:
        track.age += 1
    return sum(track.age for track in tracks)


PROGRAMS.add(object_changed_later, X3, X0, X1, X6)


def changed_while_looped_over(x):
    rows = [row for row in x]
    for row in rows:
        if len(rows) < 9:
            rows.append(row)
    return len(rows)


PROGRAMS.add(changed_while_looped_over, X3, X6, expect="refuse", match="loop")


def _grows_under(look):
    def model(x):
        rows = [row for row in x]
        n = 0
        for _ in look(rows, x):
            if len(rows) < 9:
                rows.append(x.sum(0))
            n += 1
        return len(rows), n

    return model


for name, look in {
    "enumerate": lambda rows, x: enumerate(rows),
    "zip": lambda rows, x: zip(x.repeat(3, 1), rows, strict=False),
    "map": lambda rows, x: map(torch.sum, rows),
    "generator": lambda rows, x: (row * 2 for row in rows),
}.items():
    PROGRAMS.add(
        _grows_under(look), X3, X6, name=f"changed_under_{name}", expect="refuse", match="loop"
    )


def changed_before_the_loop(x):
    rows = [row for row in x]
    numbered = enumerate(rows)
    rows.append(x.sum(0))
    total = x.sum() * 0
    for i, row in numbered:
        total = total + i * row.sum()
    return total


PROGRAMS.add(changed_before_the_loop, X3, X6, expect="refuse", match="before the loop")


def _goes_twice_through(look):
    def model(x):
        items, n = look(x), 0
        for _ in items:
            n += 1
            if n == 2:
                break
        for _ in items:
            n += 10
        return n

    return model


for name, look in {
    "enumerate": lambda x: enumerate(x),
    "zip": lambda x: zip(x, x, strict=True),
    "map": lambda x: map(torch.sum, x),
    "generator": lambda x: (row * 2 for row in x),
    "reversed": lambda x: reversed(range(x.shape[0])),
}.items():
    PROGRAMS.add(
        _goes_twice_through(look), X3, X6, name=f"twice_through_{name}", expect="refuse",
        match="used up before",
    )  # fmt: skip


def used_up_in_a_loop(x):
    items, n = enumerate(x), 0
    for _ in range(x.shape[0]):
        for i, _row in items:
            n += i
    return n


PROGRAMS.add(used_up_in_a_loop, X3, X6, expect="refuse", match="used up before")


def perhaps_used_up(x):
    items, n = enumerate(x), 0
    if x.sum() > 0:
        for i, _row in items:
            n += i
    for i, _row in items:
        n += 10 * i
    return n


PROGRAMS.add(perhaps_used_up, X3, X6, expect="refuse", match="used up before")


def used_up_on_either_way(x):
    items, n = enumerate(x), 0
    if x.sum() > 0:
        for i, _row in items:
            n += i
    else:
        for i, row in items:
            n += 10 * i * row.shape[0]
    return n


PROGRAMS.add(used_up_on_either_way, X3, -X3, X6, X0)


def a_range_twice(x):
    places, n = range(x.shape[0]), 0
    for i in places:
        n += i
    for i in places:
        n += 10 * i
    return n + sum(i for i in places)


PROGRAMS.add(a_range_twice, X3, X6, X0)


def bounded_deque(x):
    last = deque(maxlen=2)
    for row in x:
        last.append(row)
    return len(last)


PROGRAMS.add(bounded_deque, X3, X0, X1, expect="either")


def ranks_differ(x):
    out = []
    for i in range(x.shape[0]):
        out.append(x[i] if i == 0 else x[i : i + 1])
    return len(out)


PROGRAMS.add(ranks_differ, X3, X6)


def sorted_by_value(x):
    rows = [row.sum() for row in x]
    rows.sort()
    return rows[0]


PROGRAMS.add(sorted_by_value, X3, X1, X6)


def slices_with_steps(x):
    rows = [row for row in x]
    count, found = x.shape[0], []
    for part in (
        rows[::2],
        rows[-2::-1],
        rows[1:-1:2],
        rows[count:0:-2],
        rows[:-3:-1],
        rows[9::-3],
    ):
        found.append(torch.stack(part).sum(0) if len(part) > 0 else x.sum(0) * 0)
    return found


PROGRAMS.add(slices_with_steps, *(rand(n, 2, seed=n) for n in (4, 0, 1, 2, 7)))
