"""Operators on lists, tuples, dicts and strings: Python's own, called as rewritten code calls them.

So a write is noted before it happens, and what a branch or a loop does to a container is merged.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from fxexport.capture.recording.types import Function
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import is_symbolic
from fxexport.capture.torchscript.call import Call, HandlerTable, refuse
from fxexport.capture.torchscript.objects import named_tuple_of
from fxexport.capture.values.maybe import dynamic_inside
from fxexport.capture.values.symbolic_text import refuse_open_text, text_of
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["TABLE"]

TABLE = HandlerTable()

# -- making and taking apart ----------------------------------------------------------------------


@TABLE.add("prim::ListConstruct")
def _list(call: Call) -> object:
    return call.ops.fresh(list(call.args))


@TABLE.add("prim::TupleConstruct")
def _tuple(call: Call) -> object:
    named = named_tuple_of(call.instruction.output_type())
    return tuple(call.args) if named is None else named(*call.args)


@TABLE.add("prim::DictConstruct")
def _dict(call: Call) -> object:
    keys, values = call.args[::2], call.args[1::2]
    return call.ops.fresh(dict(zip(keys, values, strict=True)))


@TABLE.add("prim::TupleUnpack", "prim::ListUnpack")
def _unpacked(call: Call) -> object:
    wanted = len(call.instruction.outputs)
    found = tuple(call.ops.unpack(call.args[0], wanted))
    if len(found) != wanted:
        raise ValueError(f"expected {wanted} items to unpack, got {len(found)}")
    return found if wanted != 1 else found[0]


@TABLE.add("prim::TupleIndex")
def _tuple_item(call: Call) -> object:
    return call.ops.get_item(call.args[0], call.args[1])


@TABLE.add("prim::TupleSlice")
def _tuple_slice(call: Call) -> object:
    node = call.instruction.node
    return call.args[0][node.i("beg") : node.i("end")]


# -- lists ----------------------------------------------------------------------------------------


def _method(names: str, method: str, *, result: bool = True) -> None:
    """A method of the first argument."""

    def handle(call: Call) -> object:
        owner, *args = call.args
        value = call.python(getattr(owner, method), *args)
        return value if result else owner

    TABLE.add(*names.split())(handle)


_method("aten::append", "append", result=False)
_method("aten::extend", "extend")
_method("aten::insert", "insert")
_method("aten::reverse", "reverse")
_method("aten::remove aten::remove.Tensor", "remove")
_method("aten::clear aten::clear.Tensor", "clear")
_method("aten::update aten::update.Tensor", "update")
_method("aten::popitem aten::popitem.Tensor", "popitem")
_method("aten::pop aten::pop.Dict_Tensor aten::pop.Dict_default_Tensor", "pop")
_method("aten::setdefault aten::setdefault.Tensor", "setdefault")
_method("aten::copy aten::copy.Dict_Tensor", "copy")
TABLE.simple(
    "aten::len aten::len.Tensor aten::len.Dict_Tensor", lambda ops, value: ops.call(len)(value)
)
TABLE.simple("aten::list", lambda ops, items: ops.call(list)(items))


@TABLE.add("aten::__getitem__", "aten::__getitem__.Dict_Tensor", "prim::StringIndex")
def _get_item(call: Call) -> object:
    return call.ops.get_item(call.args[0], call.args[1])


@TABLE.add("aten::_set_item", "aten::_set_item.Tensor")
def _set_item(call: Call) -> object:
    owner, key, value = call.args
    call.ops.set_item(value, owner, key)
    return owner


@TABLE.add("aten::Delete", "aten::Delete.Dict_Tensor")
def _delete(call: Call) -> None:
    call.ops.del_item(call.args[0], call.args[1])


@TABLE.add("aten::__contains__", "aten::__contains__.Tensor")
def _contains(call: Call) -> object:
    return call.ops.contains(call.args[1], call.args[0])


@TABLE.add("aten::slice")
def _slice(call: Call) -> object:
    owner, start, stop, step = call.args
    stop = None if isinstance(stop, int) and stop == 2**63 - 1 else stop
    part = call.ops.get_item(owner, call.ops.slice(start, stop, step))
    return call.ops.fresh(part) if isinstance(part, list) else part


@TABLE.add("aten::select")
def _select(call: Call) -> object:
    return call.ops.get_item(call.args[0], call.args[1])


@TABLE.add("aten::index", "aten::index.list_Tensor", "aten::count", "aten::count.Tensor")
def _search(call: Call) -> object:
    owner, item, *bounds = call.args
    if isinstance(owner, str):
        return _string_method(call)
    return call.python(getattr(owner, call.instruction.kind[len("aten::") :]), item, *bounds)


@TABLE.add("aten::sort", "aten::sort.Tensor")
def _sort(call: Call) -> None:
    owner, reverse = (*call.args, False)[:2]
    call.python(owner.sort, reverse=reverse)


@TABLE.add("aten::sorted", "aten::sorted.Tensor")
def _sorted(call: Call) -> object:
    return call.python(sorted, call.args[0])


@TABLE.add("aten::sum", "aten::any", "aten::all")
def _reduced(call: Call) -> object:
    function = {"aten::sum": sum, "aten::any": any, "aten::all": all}[call.instruction.kind]
    return call.python(function, call.args[0])


@TABLE.add("aten::eq.Tensor_list", "aten::ne.Tensor_list")
def _equal_tensors(call: Call) -> object:
    return refuse(call, "lists of tensors are compared", "use torch.equal on their items")


# -- dicts ----------------------------------------------------------------------------------------


@TABLE.add("aten::dict", "aten::dict.", "aten::dict.Tensor", "aten::dict.Dict_Tensor")
def _new_dict(call: Call) -> object:
    return call.python(dict, *call.args)


@TABLE.add("aten::keys", "aten::keys.Tensor", "aten::values", "aten::values.Tensor")
@TABLE.add("aten::items", "aten::items.Tensor")
def _view(call: Call) -> object:
    owner = call.args[0]
    method = getattr(owner, call.instruction.kind[len("aten::") :])
    return call.ops.fresh(list(call.ops.iterate(call.python(method))))


@TABLE.add("aten::get", "aten::get.Tensor", "aten::get.default_Tensor")
def _get(call: Call) -> object:
    owner, key, *default = call.args
    refuse_open_text(key)
    return call.python(owner.get, key, *default)


_CONVERSION = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?[a-zA-Z]")

# -- strings --------------------------------------------------------------------------------------

_STRING_METHODS = (
    "capitalize", "center", "endswith", "expandtabs", "find", "isalnum", "isalpha", "isdecimal",
    "isdigit", "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle",
    "isupper", "ljust", "lower", "lstrip", "partition", "replace", "rfind", "rindex", "rjust",
    "rpartition", "rsplit", "rstrip", "split.str", "splitlines", "startswith", "strip", "swapcase",
    "title", "upper", "zfill",
)  # fmt: skip


_WITH_BOUNDS = frozenset({"find", "rfind", "index", "rindex", "count", "startswith", "endswith"})


def _string_method(call: Call) -> object:
    owner, *args = call.args
    refuse_open_text(owner)
    if dynamic_inside(args):
        return refuse(call, "an argument is known only when the model runs")
    name = call.instruction.kind[len("aten::") :]
    if name in _WITH_BOUNDS:  # -1 is the end of the text, not before its last character
        args[2] = args[2] if args[2] >= 0 else max(0, len(owner) + args[2] + 1)
    value = getattr(owner, name)(*args)
    return call.ops.fresh(value) if isinstance(value, list) else value


TABLE.add(*(f"aten::{name}" for name in _STRING_METHODS))(_string_method)


@TABLE.add("aten::join")
def _join(call: Call) -> object:
    return call.args[0].join(call.args[1])


@TABLE.add("aten::format", "aten::percentFormat")
def _format(call: Call) -> object:
    pattern, *values = call.args
    shown = [shown_text(value) for value in values]
    if call.instruction.kind == "aten::format":
        return pattern.format(*shown)
    if any(isinstance(value, str) for value in shown):
        pattern = _CONVERSION.sub("%s", pattern)  # a number that is not known has no digits
    return pattern % tuple(shown)


@TABLE.add("aten::str")
def _str(call: Call) -> object:
    return str(shown_text(call.args[0]))


def shown_text(value: object) -> object:
    """A value as part of a text; nothing may be decided on what is not known yet."""
    if isinstance(value, torch.Tensor):
        return text_of(f"a tensor of {value.dim()} dimensions")
    if is_symbolic(value):
        return text_of()
    if is_open(value) or (isinstance(value, (list, tuple, dict)) and _holds_dynamic(value)):
        return text_of()
    return value


def _holds_dynamic(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return dynamic_inside([i if not isinstance(i, dict) else list(i.values()) for i in items])


def _known(names: str, function: Function) -> None:
    def handle(call: Call) -> object:
        for arg in call.args:
            refuse_open_text(arg)
        if dynamic_inside(call.args):
            return refuse(call, "it needs a value that is known at export")
        return function(*call.args)

    TABLE.add(*names.split())(handle)


_known("aten::ord", ord)
_known("aten::chr", chr)
_known("aten::hex", hex)
_known("aten::oct", oct)
_known("aten::bin", bin)


@TABLE.add("aten::hash", "prim::id")
def _hash(call: Call) -> object:
    raise UnsupportedError(
        f"{call.instruction.operator}: its result differs from run to run",
        code=Code.TORCHSCRIPT,
        location=user_location(),
        hint="compare the values themselves",
    )
